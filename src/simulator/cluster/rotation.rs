//! Rotations of one cluster, step by step in the platform's order, and the other operations of the SKE API.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::task_queue::{BATCHES, RotationStep, Task};
use crate::simulator::cluster::{ClusterProcess, SimulatedCluster};
use crate::simulator::rules::ClusterOperation;
use crate::simulator::speed::{parse_duration, scale, vary, whole_second};

/// Duration of the control plane and Secrets steps before nodes roll.
const CONTROL_PLANE: SignedDuration = SignedDuration::from_mins(5);
/// Duration of a completion.
const COMPLETION: SignedDuration = SignedDuration::from_mins(6);
const WAKE_UP: SignedDuration = SignedDuration::from_mins(8);
const RECONCILE: SignedDuration = SignedDuration::from_mins(3);

impl SimulatedCluster {
    /// Starts an accepted operation.
    pub fn begin(&mut self, operation: ClusterOperation, now: Timestamp) {
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
                let duration = self.vary(COMPLETION);
                self.plan(now, duration, 0.5, RotationStep::DropOldCredentials);
                self.plan(now, duration, 1.0, RotationStep::Finish);
            }
            ClusterOperation::WakeUp
                if matches!(self.state.as_str(), "STATE_HIBERNATED" | "STATE_HIBERNATING") =>
            {
                "STATE_WAKINGUP".clone_into(&mut self.state);
                self.api_server_up = false;
                self.process = ClusterProcess::WakingUp;
                let duration = self.vary(WAKE_UP);
                self.add_task(now, scale(duration, 0.4), Task::ApiServerStarted);
                self.add_task(now, duration, Task::WakeUpFinished);
            }
            // In other states the flow of that state includes the reconcile.
            ClusterOperation::Reconcile
                if self.process == ClusterProcess::Idle
                    && matches!(self.state.as_str(), "STATE_HEALTHY" | "STATE_UNHEALTHY") =>
            {
                self.process = ClusterProcess::Reconciling;
                let duration = self.vary(RECONCILE);
                self.add_task(now, duration, Task::ReconcileFinished);
            }
            ClusterOperation::WakeUp
            | ClusterOperation::Reconcile
            | ClusterOperation::IssueKubeconfig => {}
        }
        self.notify_changed();
    }

    fn vary(&mut self, duration: SignedDuration) -> SignedDuration {
        vary(duration, &mut self.data_plane.rng)
    }

    fn add_task(&mut self, begun: Timestamp, after: SignedDuration, task: Task) {
        let at = self.data_plane.speed.after(begun, after);
        self.data_plane.tasks.add(at, task);
    }

    fn plan(
        &mut self,
        begun: Timestamp,
        duration: SignedDuration,
        fraction: f64,
        step: RotationStep,
    ) {
        self.add_task(begun, scale(duration, fraction), Task::Rotation(step));
    }

    /// Plans the steps before the nodes.
    pub(super) fn plan_start(&mut self, begun: Timestamp) {
        let duration = self.vary(CONTROL_PLANE);
        let delay = self.scene.bundle_delay.as_deref().and_then(parse_duration);
        self.plan(begun, duration, 0.5, RotationStep::TrustNewCredentials);
        for batch in 0..BATCHES {
            let done = f64::from(u32::try_from(batch).unwrap_or(0));
            let step = RotationStep::ReencryptSecrets(batch);
            self.plan(begun, duration, 0.52 + 0.025 * done, step);
            let step = RotationStep::PublishBundle(batch);
            match delay {
                None => self.plan(begun, duration, 0.76 + 0.025 * done, step),
                Some(delay) => self.plan(begun, duration.saturating_add(delay), 1.0, step),
            }
        }
        self.plan(begun, duration, 0.74, RotationStep::SignWithNewKey);
        self.plan(begun, duration, 1.0, RotationStep::RollNodes);
    }

    /// Performs one step of a rotation. Does not change a data plane that is not built yet.
    pub(super) fn rotate(&mut self, step: RotationStep, at: Timestamp) {
        let generation = self.credentials.current;
        match step {
            RotationStep::TrustNewCredentials => self.credentials.trust_new(),
            RotationStep::ReencryptSecrets(batch) => {
                self.data_plane.reencrypt_secrets(batch, generation);
            }
            RotationStep::SignWithNewKey => {
                self.credentials.sign_with_new();
                let bundle = self.bundle();
                self.data_plane.renew_tokens(&mut self.credentials, &bundle, at);
            }
            RotationStep::PublishBundle(batch) => {
                let bundle = self.bundle();
                self.data_plane.publish_bundle(batch, &bundle, at);
            }
            RotationStep::RollNodes => {
                self.build_data_plane();
                self.process = ClusterProcess::Rolling;
                self.replace_nodes(at);
            }
            RotationStep::DropOldCredentials => {
                self.credentials.drop_old();
                let bundle = self.bundle();
                self.data_plane.remove_old_generation(&bundle, at);
            }
            RotationStep::Finish => {
                "COMPLETED".clone_into(&mut self.phase);
                self.completed = Some(whole_second(at));
                self.process = ClusterProcess::Idle;
            }
        }
    }

    fn bundle(&mut self) -> String {
        self.credentials.bundle_pem().unwrap_or_default()
    }

    fn replace_nodes(&mut self, at: Timestamp) {
        self.data_plane.template += 1;
        self.data_plane.create_node_agent_secrets(at);
        self.data_plane.start_roll(at);
    }

    /// Rolls the nodes for another reason than a rotation, for example an upgrade.
    pub fn roll_again(&mut self, now: Timestamp) {
        self.build_data_plane();
        if self.process == ClusterProcess::Idle {
            self.process = ClusterProcess::Rolling;
        }
        self.replace_nodes(now);
        self.notify_changed();
    }

    /// Ends a roll whose last node has joined.
    pub(super) fn finish_roll(&mut self) {
        if self.process == ClusterProcess::Rolling && self.data_plane.is_rolled() {
            self.process = ClusterProcess::Idle;
            if self.phase == "PREPARING" {
                "PREPARED".clone_into(&mut self.phase);
            }
        }
    }
}
