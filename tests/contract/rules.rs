//! Actions offered by the product compared with those accepted by the simulator, in every phase and state.

use std::collections::BTreeMap;

use skeys::testing::Clock;
use skeys::testing::clients::auth::{TokenSource, access_token};
use skeys::testing::clients::http::Http;
use skeys::testing::clients::ske::SkeClient;
use skeys::testing::domain::action::{Action, permits};
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::lifetime::Lifetime;
use skeys::testing::domain::rotation::Step;
use skeys::testing::domain::secret::Secret;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};

const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
const PHASES: [&str; 6] =
    ["NEVER", "PREPARING", "PREPARED", "COMPLETING", "COMPLETED", "WAITING_FOR_WORKERS_ROLLOUT"];
const STATES: [&str; 9] = [
    "STATE_HEALTHY",
    "STATE_UNHEALTHY",
    "STATE_RECONCILING",
    "STATE_CREATING",
    "STATE_DELETING",
    "STATE_HIBERNATING",
    "STATE_HIBERNATED",
    "STATE_WAKINGUP",
    "STATE_TRANSMOGRIFYING",
];
const ACTIONS: [Action; 5] = [
    Action::Rotate(Step::Start),
    Action::Rotate(Step::Complete),
    Action::WakeUp,
    Action::Reconcile,
    Action::Issue,
];

/// Whether the product deliberately withholds what the platform would accept.
fn is_withheld(action: Action, state: &str) -> bool {
    match action {
        // skeys does not rotate a cluster in an unknown state, or one that is incomplete or being deleted.
        Action::Rotate(Step::Start) => state == "STATE_TRANSMOGRIFYING",
        Action::Rotate(Step::Complete) => {
            matches!(state, "STATE_TRANSMOGRIFYING" | "STATE_CREATING" | "STATE_DELETING")
        }
        // Accepted without effect.
        Action::WakeUp => !matches!(state, "STATE_HIBERNATED" | "STATE_HIBERNATING"),
        // The flow of these states is in progress, or there is no API server and no nodes to reconcile.
        Action::Reconcile => matches!(
            state,
            "STATE_CREATING"
                | "STATE_DELETING"
                | "STATE_HIBERNATING"
                | "STATE_HIBERNATED"
                | "STATE_WAKINGUP"
        ),
        Action::Issue => state == "STATE_DELETING",
    }
}

/// One cluster per phase, state and action.
async fn simulator(clock: &Clock) -> Simulator {
    let mut scene =
        format!("regions = [\"eu01\"]\n[[projects]]\nid = \"{PROJECT}\"\nname = \"a\"\n");
    for phase in 0..PHASES.len() {
        for state in 0..STATES.len() {
            for action in 0..ACTIONS.len() {
                scene += &format!("[[projects.clusters]]\nname = \"c{phase}{state}{action}\"\n");
            }
        }
    }
    let scene = Scene::parse(&scene, "scene").unwrap();
    let options =
        SimulatorOptions { seed: 7, speed: 1.0, scene, listen: "127.0.0.1:0".parse().unwrap() };
    let simulator = serve(options, clock.clone()).await.unwrap();
    simulator.with_cloud(|cloud| {
        for (number, phase) in PHASES.iter().enumerate() {
            for (at, state) in STATES.iter().enumerate() {
                for action in 0..ACTIONS.len() {
                    let id = ClusterId::new(PROJECT, "eu01", &format!("c{number}{at}{action}"));
                    let cluster = cloud.cluster_mut(&id).unwrap();
                    (*phase).clone_into(&mut cluster.phase);
                    (*state).clone_into(&mut cluster.state);
                }
            }
        }
    });
    simulator
}

#[tokio::test]
async fn sim_02_the_product_offers_exactly_what_the_platform_accepts() {
    skeys::testing::clients::install_crypto();
    let clock = Clock::manual("2026-11-24T14:00:00Z".parse().unwrap());
    let simulator = simulator(&clock).await;
    let exports: BTreeMap<_, _> = simulator.exports().into_iter().collect();
    let http = Http::new(clock.clone(), None).unwrap();
    let token = Secret::new(exports["STACKIT_ACCESS_TOKEN"].clone());
    let source = access_token::source(token, "STACKIT_ACCESS_TOKEN");
    let tokens = TokenSource::new(source, http.clone(), clock.clone()).unwrap();
    let ske = SkeClient::new(&exports["STACKIT_SKE_CUSTOM_ENDPOINT"], http, tokens).unwrap();
    let mut problems = Vec::new();
    for (number, phase) in PHASES.into_iter().enumerate() {
        for (at, state) in STATES.into_iter().enumerate() {
            for (index, action) in ACTIONS.into_iter().enumerate() {
                let id = ClusterId::new(PROJECT, "eu01", &format!("c{number}{at}{index}"));
                let offered = permits(&ske.get(&id).await.unwrap().cluster, action);
                let answer = match action {
                    Action::Rotate(step) => ske.rotate(&id, step).await.map(drop),
                    Action::WakeUp => ske.wake_up(&id).await.map(drop),
                    Action::Reconcile => ske.reconcile(&id).await.map(drop),
                    Action::Issue => ske.issue(&id, Lifetime::MIN).await.map(drop),
                };
                let withheld = is_withheld(action, state) && answer.is_ok();
                if offered.is_ok() != (answer.is_ok() && !withheld) {
                    problems
                        .push(format!("{action:?} in {phase}, {state}: {offered:?}, {answer:?}"));
                }
            }
        }
    }
    assert!(problems.is_empty(), "{} differ:\n{}", problems.len(), problems.join("\n"));
}
