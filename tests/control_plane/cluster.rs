//! A cluster during a roll that a PodDisruptionBudget blocks, and the built program displaying it.

use std::sync::Arc;
use std::thread::JoinHandle;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::machines::{Machines, ZONES};
use crate::processes::SharedPlane;
use crate::screen::{completed, in_background, press, until_said};
use crate::ske::{Rotation, Ske};
use crate::terminal::{SKEYS, Terminal};
use crate::workloads::{create_namespace, deploy, limit, until_budget, until_ready};

/// The workload with the budget.
const API: (&str, &str) = ("payments", "api");

/// A roll of three nodes.
pub struct HeldRoll {
    pub plane: SharedPlane,
    pub machines: Arc<Machines>,
    pub ske: Ske,
    roll: JoinHandle<()>,
}

impl HeldRoll {
    /// Starts replacing the nodes of a cluster; the first one cannot be drained.
    pub async fn begin(plane: SharedPlane) -> Self {
        let machines = Machines::start(&plane);
        machines.describe(1).await;
        for zone in [ZONES[0], ZONES[0], ZONES[1]] {
            machines.add(1, zone, Value::Null).await;
        }
        let admin = plane.admin();
        create_namespace(&admin, API.0).await;
        deploy(&admin, API, 1, &Value::Null).await;
        limit(&admin, API, &json!({"minAvailable": 1})).await;
        until_ready(&admin, API, 1).await;
        until_budget(&admin, API, |status| status["currentHealthy"] == 1).await;
        let rotation =
            Rotation { phase: "PREPARING", initiated: Some(Timestamp::now()), ..completed() };
        let ske = Ske::serve(plane.clone(), 3, rotation).await;
        let roll = in_background({
            let machines = Arc::clone(&machines);
            async move || machines.roll(2).await
        });
        Self { plane, machines, ske, roll }
    }

    /// Opens the nodes of the cluster and waits until the budget is reported.
    pub fn open(&self, (columns, rows): (u16, u16)) -> Terminal {
        let mut terminal = Terminal::run(&[SKEYS], columns, rows, &self.ske.environment());
        terminal.until("1 cluster ");
        press(&mut terminal, &["\r", "3"]);
        until_said(&terminal, "blocked by PodDisruptionBudget payments/api");
        terminal
    }

    /// The number of new nodes, as shown on the screen.
    pub async fn progress(&self) -> String {
        format!("■ {} new", self.machines.nodes(2).await.len())
    }

    /// Adds a node, and waits until it is on the screen.
    pub async fn grow(&self, terminal: &Terminal) {
        self.machines.add(2, ZONES[0], Value::Null).await;
        until_said(terminal, &self.progress().await);
    }

    /// Unblocks the budget and waits for the end of the roll.
    pub async fn release(self, terminal: &Terminal) {
        let path = "/apis/apps/v1/namespaces/payments/deployments/api/scale";
        let scale = json!({"spec": {"replicas": 2}});
        let answer = self.plane.admin().write("PATCH", path, "merge-patch+json", &scale).await;
        assert_eq!(answer.code, 200);
        self.roll.join().unwrap();
        self.ske.show("PREPARED");
        until_said(terminal, &format!("all {} nodes new", self.machines.nodes(2).await.len()));
    }
}
