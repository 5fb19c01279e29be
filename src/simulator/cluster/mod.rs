//! One simulated cluster: its SKE state, credentials and data plane. Pure; the time is a parameter.

pub mod budgets;
mod build;
mod build_machines;
pub mod credentials;
pub mod data_plane;
mod drain;
mod events;
mod machine_deployment;
mod machines;
pub mod node_history;
pub mod nodes;
pub mod objects;
mod pods;
mod rotation;
mod scheduler;
mod secrets;
pub mod store;
mod task_queue;
#[cfg(test)]
mod tests;
mod webhooks;
mod workloads;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::build::InitialState;
use crate::simulator::cluster::credentials::ClusterCredentials;
use crate::simulator::cluster::data_plane::DataPlane;
use crate::simulator::cluster::machine_deployment::MachineStage;
use crate::simulator::cluster::task_queue::{RotationStep, Task};
use crate::simulator::rng::Rng;
use crate::simulator::rules::has_static_token;
use crate::simulator::scene::{SceneCluster, ScenePool};
use crate::simulator::speed::{Speed, earlier, later, parse_duration, whole_second};

/// Drains blocked for longer are reported as an error.
const ERROR_REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// If a scene starts sooner than this after the start of a rotation, nodes do not roll yet.
const CONTROL_PLANE_AT_MOST: SignedDuration = SignedDuration::from_mins(4);

/// One cluster.
pub struct SimulatedCluster {
    pub id: ClusterId,
    pub scene: SceneCluster,
    pub project_name: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    /// As the API writes it.
    pub phase: String,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    /// `STATE_…` while no process runs.
    pub state: String,
    pub credentials: ClusterCredentials,
    /// Empty until a client uses the cluster or nodes roll.
    pub data_plane: DataPlane,
    /// Hexadecimal part of the API server's host name; clusters with the same name have different ones.
    pub shoot_id: String,
    /// Whether a kubeconfig was issued or a rotation started, which invalidates the static token.
    pub used_new_endpoints: bool,
    process: ClusterProcess,
    api_server_up: bool,
    last_advanced: Timestamp,
    changes: watch::Sender<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterProcess {
    Idle,
    ControlPlane,
    Rolling,
    Completing,
    WakingUp,
    Reconciling,
}

impl SimulatedCluster {
    /// A cluster as described by its scene.
    pub fn new(
        id: ClusterId,
        mut scene: SceneCluster,
        project_name: &str,
        now: Timestamp,
        speed: Speed,
        mut rng: Rng,
    ) -> Self {
        if scene.pools.is_empty() {
            scene.pools.push(default_pool());
        }
        let ago =
            |text: &str| parse_duration(text).map(|duration| whole_second(earlier(now, duration)));
        let never = scene.phase == "NEVER";
        let of_rotation = |text: &Option<String>| text.as_deref().filter(|_| !never).and_then(ago);
        let initiated = of_rotation(&scene.initiated_ago);
        let completed = of_rotation(&scene.completed_ago);
        // A cluster is not younger than its last rotation.
        let created = ago(&scene.age).unwrap_or(now);
        let created = [initiated, completed].into_iter().flatten().fold(created, Timestamp::min);
        let begun = initiated.unwrap_or(now);
        let early = scene.phase == "PREPARING"
            && scene.progress == 0.0
            && scene.blocked.is_none()
            && now.duration_since(begun) < CONTROL_PLANE_AT_MOST;
        let process = match scene.phase.as_str() {
            "PREPARING" if early => ClusterProcess::ControlPlane,
            "PREPARING" => ClusterProcess::Rolling,
            "COMPLETING" => ClusterProcess::Completing,
            _ => ClusterProcess::Idle,
        };
        let open = matches!(scene.phase.as_str(), "PREPARING" | "PREPARED" | "COMPLETING");
        let mut credentials = if never || open {
            ClusterCredentials::new(1, created)
        } else {
            ClusterCredentials::new(2, initiated.unwrap_or(created))
        };
        if open {
            credentials.add_generation(begun);
            if !early {
                credentials.trust_new();
                credentials.sign_with_new();
            }
        }
        if has_static_token(&scene.version, &scene.phase) {
            credentials.static_token = Some(rng.hex(64));
        }
        let shoot_id = rng.hex(10);
        let template = if early { 1 } else { credentials.current };
        let spec = build::cluster_spec(&scene, id.region().as_str(), &shoot_id, project_name);
        let mut data_plane = DataPlane::new(spec, template, speed, rng);
        data_plane.hibernated =
            matches!(scene.state.as_str(), "STATE_HIBERNATED" | "STATE_WAKINGUP");
        let mut cluster = Self {
            created,
            expires: later(now, SignedDuration::from_hours(24 * scene.expires_in_days)),
            phase: scene.phase.clone(),
            initiated,
            completed,
            state: scene.state.clone(),
            credentials,
            data_plane,
            shoot_id,
            used_new_endpoints: !never,
            process,
            api_server_up: false,
            last_advanced: now,
            changes: watch::Sender::new(()),
            project_name: project_name.to_owned(),
            id,
            scene,
        };
        if early {
            cluster.plan_start(begun);
        }
        if process == ClusterProcess::Completing {
            let tasks = &mut cluster.data_plane.tasks;
            let after = |seconds| later(now, SignedDuration::from_secs(seconds));
            tasks.add(after(10), Task::Rotation(RotationStep::DropOldCredentials));
            tasks.add(after(45), Task::Rotation(RotationStep::Finish));
        }
        cluster
    }

    /// Builds the data plane, unless it is built. Until then an idle cluster does not change.
    pub fn build_data_plane(&mut self) {
        if self.data_plane.built {
            return;
        }
        let initial = InitialState {
            scene: &self.scene,
            created: self.created,
            initiated: self.initiated,
            completed: self.completed,
            rolling: self.process == ClusterProcess::Rolling,
            now: self.last_advanced,
        };
        // Planned steps of a rotation follow the tasks planned by the build.
        let planned = std::mem::take(&mut self.data_plane.tasks);
        self.data_plane.build(&initial, &mut self.credentials);
        self.data_plane.tasks.append(planned);
    }

    /// Runs every task that is due until `now`, in order.
    pub fn advance(&mut self, now: Timestamp) {
        let uses_data_plane = matches!(
            self.process,
            ClusterProcess::ControlPlane | ClusterProcess::Rolling | ClusterProcess::Completing
        );
        if !self.data_plane.built && uses_data_plane {
            self.build_data_plane();
            self.finish_roll();
        }
        let mut changed = false;
        while let Some((at, task)) = self.data_plane.tasks.take(now) {
            changed = true;
            self.run(at, task);
            self.finish_roll();
        }
        self.last_advanced = now;
        if changed {
            self.notify_changed();
        }
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the data plane runs all other tasks")]
    fn run(&mut self, at: Timestamp, task: Task) {
        match &task {
            Task::Rotation(step) => self.rotate(*step, at),
            Task::ApiServerStarted => {
                self.api_server_up = true;
                self.data_plane.wake_up(at);
            }
            Task::WakeUpFinished => {
                "STATE_HEALTHY".clone_into(&mut self.state);
                self.process = ClusterProcess::Idle;
            }
            Task::ReconcileFinished => {
                if self.process == ClusterProcess::Reconciling {
                    self.process = ClusterProcess::Idle;
                }
            }
            _ => self.data_plane.run(at, task),
        }
    }

    /// When the next task is due.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.data_plane.tasks.next_due()
    }

    /// Notifies all subscribers of a change.
    pub fn notify_changed(&self) {
        self.changes.send_replace(());
    }

    /// Subscribes to changes.
    pub fn subscribe(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Whether its API server is available.
    pub fn has_api_server(&self) -> bool {
        match self.state.as_str() {
            "STATE_HIBERNATED" | "STATE_CREATING" => false,
            "STATE_WAKINGUP" => self.api_server_up,
            _ => true,
        }
    }

    /// The cluster and its API server rollout, which closes all connections.
    pub fn api_server_rollout(&self) -> (String, u64) {
        (self.shoot_id.clone(), self.credentials.rollouts)
    }

    /// The published name of the API server.
    pub fn api_server_name(&self) -> String {
        let (name, region) = (&self.id.name, self.id.region());
        format!("api.{name}.{}.s.ske.{region}.onstackit.cloud", self.shoot_id)
    }

    /// The issuer of service account tokens.
    pub fn token_issuer(&self) -> String {
        format!("https://{}", self.api_server_name())
    }

    /// Sets whether new machines are available for a pool.
    pub fn set_capacity(&mut self, pool: &str, available: bool) {
        for deployment in &mut self.data_plane.machine_deployments {
            if *deployment.pool == *pool {
                deployment.no_capacity = !available;
            }
        }
        self.data_plane.reconcile_all_machines(self.last_advanced);
        self.notify_changed();
    }

    /// Sets the state that SKE reports while no process runs.
    pub fn set_state(&mut self, state: &str) {
        let at = self.last_advanced;
        state.clone_into(&mut self.state);
        if state == "STATE_HIBERNATED" {
            self.api_server_up = false;
            self.data_plane.hibernate(at);
        } else if self.data_plane.hibernated && state != "STATE_WAKINGUP" {
            self.data_plane.wake_up(at);
        }
        self.notify_changed();
    }

    /// `status.aggregated` at this time.
    pub fn aggregated(&self, now: Timestamp) -> &str {
        match self.process {
            ClusterProcess::Idle | ClusterProcess::WakingUp => &self.state,
            // The platform restarts its flow every ten minutes, so the state alternates.
            ClusterProcess::Rolling
                if now.as_second() / 600 % 2 == 0 && !self.roll_errors(now).is_empty() =>
            {
                "STATE_UNHEALTHY"
            }
            ClusterProcess::ControlPlane
            | ClusterProcess::Rolling
            | ClusterProcess::Completing
            | ClusterProcess::Reconciling => "STATE_RECONCILING",
        }
    }

    /// Errors about blockers that have lasted long enough for the platform to report them.
    fn roll_errors(&self, now: Timestamp) -> Vec<wire::ClusterError> {
        let mut errors = Vec::new();
        if self.process != ClusterProcess::Rolling {
            return errors;
        }
        let is_reported =
            |since: Timestamp| self.data_plane.speed.real_time(since, now) >= ERROR_REPORTED_AFTER;
        for deployment in self.data_plane.machine_deployments.iter().filter(|d| d.rolling) {
            for machine in &deployment.machines {
                if machine.stage == MachineStage::Draining
                    && let Some((since, budget)) = &machine.blocked
                    && is_reported(*since)
                    && self.data_plane.is_misconfigured(budget)
                {
                    let name = &machine.name;
                    let message =
                        format!("PodDisruptionBudget {budget} blocks the drain of node {name}");
                    errors.push(cluster_error("SKE_NODE_MISCONFIGURED_PDB", message));
                }
            }
            if deployment.no_capacity && self.initiated.is_some_and(is_reported) {
                let message =
                    format!("no capacity for pool {} in {}", deployment.pool, deployment.zone);
                errors.push(cluster_error("SKE_NODE_NO_VALID_HOST_FOUND", message));
            }
        }
        errors
    }

    /// `status.errors[]` at this time.
    pub fn errors(&self, now: Timestamp) -> Vec<wire::ClusterError> {
        let of_scene =
            self.scene.errors.iter().map(|[code, message]| cluster_error(code, message.clone()));
        of_scene.chain(self.roll_errors(now)).collect()
    }
}

fn cluster_error(code: &str, message: String) -> wire::ClusterError {
    wire::ClusterError { code: Some(code.to_owned()), message: Some(message) }
}

fn default_pool() -> ScenePool {
    ScenePool {
        image_expires: None,
        kubernetes: None,
        kubernetes_expires: None,
        name: "all".to_owned(),
        nodes: 3,
        zones: 3,
        surge: 3,
        unavailable: 0,
        machine: "g1a.4d".to_owned(),
        maximum: None,
        autoscale: false,
        joins: true,
    }
}
