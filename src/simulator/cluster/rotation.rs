//! Rotations of one cluster, step by step in the platform's order, and the other things that can be asked of SKE.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::task_queue::{PARTS, RotationStep, Task};
use crate::simulator::cluster::{ClusterProcess, SimulatedCluster, whole_second};
use crate::simulator::machine_deployment::scaled;
use crate::simulator::rules::ClusterOperation;

/// Control plane and Secrets take about this long before nodes begin.
const CONTROL_PLANE: SignedDuration = SignedDuration::from_mins(5);
/// Dropping the old credentials takes about this long.
const COMPLETING: SignedDuration = SignedDuration::from_mins(6);
/// Waking up takes about this long.
const WAKING: SignedDuration = SignedDuration::from_mins(8);
/// A reconcile takes about this long.
const RECONCILING: SignedDuration = SignedDuration::from_mins(3);

impl SimulatedCluster {
    /// Begins an operation that was accepted.
    pub(in crate::simulator) fn begin(&mut self, operation: ClusterOperation, now: Timestamp) {
        match operation {
            ClusterOperation::StartRotation => {
                self.build_data_plane();
                "PREPARING".clone_into(&mut self.phase);
                self.initiated = Some(whole_second(now));
                self.used_new_endpoints = true;
                self.process = ClusterProcess::ControlPlane;
                self.credentials.add_generation(whole_second(now));
                self.plan_start(now);
            }
            ClusterOperation::CompleteRotation => {
                self.build_data_plane();
                "COMPLETING".clone_into(&mut self.phase);
                self.process = ClusterProcess::Completing;
                let lasts = self.about(COMPLETING);
                self.plan(now, lasts, 0.5, RotationStep::DropOldCredentials);
                self.plan(now, lasts, 1.0, RotationStep::Finish);
            }
            ClusterOperation::WakeUp
                if matches!(self.state.as_str(), "STATE_HIBERNATED" | "STATE_HIBERNATING") =>
            {
                "STATE_WAKINGUP".clone_into(&mut self.state);
                self.api_server_up = false;
                self.process = ClusterProcess::Waking;
                let lasts = self.about(WAKING);
                let speed = self.data_plane.speed;
                let tasks = &mut self.data_plane.tasks;
                tasks.add(speed.after(now, scaled(lasts, 0.4)), Task::ApiServerStarted);
                tasks.add(speed.after(now, lasts), Task::WakeUpFinished);
            }
            ClusterOperation::Reconcile => {
                // In other states the flow of that state is the reconcile.
                let reconciles = matches!(self.state.as_str(), "STATE_HEALTHY" | "STATE_UNHEALTHY");
                if self.process == ClusterProcess::Idle && reconciles {
                    self.process = ClusterProcess::Reconciling;
                    let lasts = self.about(RECONCILING);
                    let end = self.data_plane.speed.after(now, lasts);
                    self.data_plane.tasks.add(end, Task::ReconcileFinished);
                }
            }
            ClusterOperation::WakeUp | ClusterOperation::IssueKubeconfig => {}
        }
        self.notify_changed();
    }

    fn about(&mut self, lasts: SignedDuration) -> SignedDuration {
        scaled(lasts, 0.8 + 0.5 * self.data_plane.rng.fraction())
    }

    fn plan(&mut self, begun: Timestamp, lasts: SignedDuration, share: f64, step: RotationStep) {
        let at = self.data_plane.speed.after(begun, scaled(lasts, share));
        self.data_plane.tasks.add(at, Task::Rotation(step));
    }

    /// Plans what comes before the nodes.
    pub(in crate::simulator::cluster) fn plan_start(&mut self, begun: Timestamp) {
        let lasts = self.about(CONTROL_PLANE);
        self.plan(begun, lasts, 0.5, RotationStep::TrustNewCredentials);
        for number in 0..PARTS {
            let done = f64::from(u32::try_from(number).unwrap_or(0));
            self.plan(begun, lasts, 0.52 + 0.025 * done, RotationStep::ReencryptSecrets(number));
            self.plan(begun, lasts, 0.76 + 0.025 * done, RotationStep::PublishBundle(number));
        }
        self.plan(begun, lasts, 0.74, RotationStep::SignWithNewKey);
        self.plan(begun, lasts, 1.0, RotationStep::RollNodes);
    }

    /// One step of a rotation. Nobody may have looked inside yet; then there is nothing to change there.
    pub(in crate::simulator::cluster) fn rotate(&mut self, step: RotationStep, at: Timestamp) {
        let generation = self.credentials.current;
        match step {
            RotationStep::TrustNewCredentials => self.credentials.trust_new(),
            RotationStep::ReencryptSecrets(number) => {
                self.data_plane.reencrypt_secrets(number, generation)
            }
            RotationStep::SignWithNewKey => {
                self.credentials.sign_with_new();
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.data_plane.renew_tokens(&mut self.credentials, &bundle, at);
            }
            RotationStep::PublishBundle(number) => {
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.data_plane.publish_bundle(number, &bundle, at);
            }
            RotationStep::RollNodes => {
                self.build_data_plane();
                self.process = ClusterProcess::Rolling;
                self.replace_nodes(at);
            }
            RotationStep::DropOldCredentials => {
                self.credentials.drop_old();
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.data_plane.remove_old_generation(&bundle, at);
            }
            RotationStep::Finish => {
                "COMPLETED".clone_into(&mut self.phase);
                self.completed = Some(whole_second(at));
                self.process = ClusterProcess::Idle;
            }
        }
    }

    fn replace_nodes(&mut self, at: Timestamp) {
        self.data_plane.template += 1;
        self.data_plane.create_node_agent_secrets(at);
        self.data_plane.start_roll(at);
    }

    /// Nodes are replaced once more for another reason than a rotation, an upgrade for example.
    pub fn roll_again(&mut self, now: Timestamp) {
        self.build_data_plane();
        if self.process == ClusterProcess::Idle {
            self.process = ClusterProcess::Rolling;
        }
        self.replace_nodes(now);
        self.notify_changed();
    }

    /// Ends a roll whose last node is there.
    pub(in crate::simulator::cluster) fn finish_roll(&mut self) {
        if self.process == ClusterProcess::Rolling && self.data_plane.is_rolled() {
            self.process = ClusterProcess::Idle;
            if self.phase == "PREPARING" {
                "PREPARED".clone_into(&mut self.phase);
            }
        }
    }
}
