//! Rotations of one cluster, step by step in the platform's order, and the other things that can be asked of SKE.

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::{PARTS, RotationStep, Task};
use crate::simulator::cluster::{Process, SimulatedCluster, whole_second};
use crate::simulator::roll::part;
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
                self.look_inside();
                "PREPARING".clone_into(&mut self.phase);
                self.initiated = Some(whole_second(now));
                self.uses_short_lived = true;
                self.process = Process::ControlPlane;
                self.credentials.begin(whole_second(now));
                self.plan_start(now);
            }
            ClusterOperation::CompleteRotation => {
                self.look_inside();
                "COMPLETING".clone_into(&mut self.phase);
                self.process = Process::Completing;
                let lasts = self.about(COMPLETING);
                self.plan(now, lasts, 0.5, RotationStep::Drop);
                self.plan(now, lasts, 1.0, RotationStep::Finish);
            }
            ClusterOperation::WakeUp
                if matches!(self.state.as_str(), "STATE_HIBERNATED" | "STATE_HIBERNATING") =>
            {
                "STATE_WAKINGUP".clone_into(&mut self.state);
                self.server_awake = false;
                self.process = Process::Waking;
                let lasts = self.about(WAKING);
                let pace = self.inside.pace;
                let agenda = &mut self.inside.agenda;
                agenda.add(pace.then(now, part(lasts, 0.4)), Task::ServerWakes);
                agenda.add(pace.then(now, lasts), Task::Woken);
            }
            ClusterOperation::Reconcile => {
                // In other states the flow of that state is the reconcile.
                let reconciles = matches!(self.state.as_str(), "STATE_HEALTHY" | "STATE_UNHEALTHY");
                if self.process == Process::Idle && reconciles {
                    self.process = Process::Reconciling;
                    let lasts = self.about(RECONCILING);
                    let end = self.inside.pace.then(now, lasts);
                    self.inside.agenda.add(end, Task::Reconciled);
                }
            }
            ClusterOperation::WakeUp | ClusterOperation::IssueKubeconfig => {}
        }
        self.ring();
    }

    fn about(&mut self, lasts: SignedDuration) -> SignedDuration {
        part(lasts, 0.8 + 0.5 * self.inside.dice.share())
    }

    fn plan(&mut self, begun: Timestamp, lasts: SignedDuration, share: f64, step: RotationStep) {
        let at = self.inside.pace.then(begun, part(lasts, share));
        self.inside.agenda.add(at, Task::Rotation(step));
    }

    /// Plans what comes before the nodes.
    pub(in crate::simulator::cluster) fn plan_start(&mut self, begun: Timestamp) {
        let lasts = self.about(CONTROL_PLANE);
        self.plan(begun, lasts, 0.5, RotationStep::Trust);
        for number in 0..PARTS {
            let done = f64::from(u32::try_from(number).unwrap_or(0));
            self.plan(begun, lasts, 0.52 + 0.025 * done, RotationStep::Reencrypt(number));
            self.plan(begun, lasts, 0.76 + 0.025 * done, RotationStep::Publish(number));
        }
        self.plan(begun, lasts, 0.74, RotationStep::Sign);
        self.plan(begun, lasts, 1.0, RotationStep::Roll);
    }

    /// One step of a rotation. Nobody may have looked inside yet; then there is nothing to change there.
    pub(in crate::simulator::cluster) fn rotate(&mut self, step: RotationStep, at: Timestamp) {
        let generation = self.credentials.current;
        match step {
            RotationStep::Trust => self.credentials.trust_new(),
            RotationStep::Reencrypt(number) => self.inside.reencrypt(number, generation),
            RotationStep::Sign => {
                self.credentials.sign_with_new();
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.inside.renew_tokens(&mut self.credentials, &bundle, at);
            }
            RotationStep::Publish(number) => {
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.inside.publish(number, &bundle, at);
            }
            RotationStep::Roll => {
                self.look_inside();
                self.process = Process::Rolling;
                self.replace_nodes(at);
            }
            RotationStep::Drop => {
                self.credentials.drop_old();
                let bundle = self.credentials.bundle_pem().unwrap_or_default();
                self.inside.forget_old(&bundle, at);
            }
            RotationStep::Finish => {
                "COMPLETED".clone_into(&mut self.phase);
                self.completed = Some(whole_second(at));
                self.process = Process::Idle;
            }
        }
    }

    fn replace_nodes(&mut self, at: Timestamp) {
        self.inside.template += 1;
        self.inside.make_templates(at);
        self.inside.begin_roll(at);
    }

    /// Nodes are replaced once more for another reason than a rotation, an upgrade for example.
    pub fn roll_again(&mut self, now: Timestamp) {
        self.look_inside();
        if self.process == Process::Idle {
            self.process = Process::Rolling;
        }
        self.replace_nodes(now);
        self.ring();
    }

    /// Ends a roll whose last node is there.
    pub(in crate::simulator::cluster) fn notice_the_end(&mut self) {
        if self.process == Process::Rolling && self.inside.is_rolled() {
            self.process = Process::Idle;
            if self.phase == "PREPARING" {
                "PREPARED".clone_into(&mut self.phase);
            }
        }
    }
}
