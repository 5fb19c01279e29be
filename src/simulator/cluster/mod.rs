//! One simulated cluster: what SKE knows of it, its credentials, and what happens inside. Pure; time is handed in.

pub mod budgets;
mod build;
mod build_machines;
pub mod credentials;
pub mod data_plane;
mod drain;
mod events;
mod machines;
pub mod node_history;
pub mod nodes;
pub mod objects;
mod pods;
mod rotation;
mod scheduler;
pub mod secrets;
pub mod store;
pub mod task_queue;
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
use crate::simulator::cluster::node_history::NodeCounts;
use crate::simulator::cluster::task_queue::{RotationStep, Task};
use crate::simulator::machine_deployment::{MachineStage, Speed};
use crate::simulator::rng::Rng;
use crate::simulator::rules::has_static_token;
use crate::simulator::scene::{SceneCluster, ScenePool};

/// A drain that does not end is reported after this long.
const ERROR_REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// A cluster that a scene finds younger in its rotation than this has nodes that did not begin to roll.
const CONTROL_PLANE_AT_MOST: SignedDuration = SignedDuration::from_mins(4);

/// One cluster.
#[derive(Debug)]
pub struct SimulatedCluster {
    pub id: ClusterId,
    /// As the scene describes it.
    pub scene: SceneCluster,
    /// Name of its project.
    pub team: String,
    pub created: Timestamp,
    /// When its Kubernetes version expires.
    pub expires: Timestamp,
    /// Phase as the API writes it.
    pub phase: String,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    /// `STATE_…` while nothing runs.
    pub state: String,
    pub credentials: ClusterCredentials,
    /// What happens inside; empty until somebody looks.
    pub data_plane: DataPlane,
    /// Hexadecimal part of the API server's name.
    pub shoot: String,
    /// Whether the new ways to credentials were used, which ends the old ones.
    pub used_new_endpoints: bool,
    process: ClusterProcess,
    api_server_up: bool,
    last_advanced: Timestamp,
    changes: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ClusterProcess {
    Idle,
    ControlPlane,
    Rolling,
    Completing,
    Waking,
    Reconciling,
}

/// A moment without parts of a second, as APIs write it.
pub fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn ago(now: Timestamp, text: Option<&str>) -> Option<Timestamp> {
    let duration = humantime::parse_duration(text?).ok()?;
    let at = now.saturating_sub(SignedDuration::try_from(duration).ok()?).ok()?;
    Some(whole_second(at))
}

impl SimulatedCluster {
    /// A cluster as the scene describes it at `now`.
    pub fn new(
        id: ClusterId,
        mut scene: SceneCluster,
        team: &str,
        now: Timestamp,
        speed: Speed,
        mut rng: Rng,
    ) -> Self {
        if scene.pools.is_empty() {
            scene.pools.push(small_pool());
        }
        let created = ago(now, Some(&scene.age)).unwrap_or(now);
        let never = scene.phase == "NEVER";
        let initiated = (!never).then(|| ago(now, scene.initiated_ago.as_deref())).flatten();
        let completed = (!never).then(|| ago(now, scene.completed_ago.as_deref())).flatten();
        // A cluster cannot be younger than its last rotation.
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
        let mut credentials = match scene.phase.as_str() {
            "NEVER" => ClusterCredentials::settled(1, created),
            _ if open => ClusterCredentials::settled(1, created),
            _ => ClusterCredentials::settled(2, initiated.unwrap_or(created)),
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
        let shoot = rng.hex(10);
        let template = if early { 1 } else { credentials.current };
        let spec = build::cluster_spec(&scene, id.region().as_str(), &shoot, team);
        let mut data_plane = DataPlane::new(spec, template, speed, rng);
        data_plane.hibernated =
            matches!(scene.state.as_str(), "STATE_HIBERNATED" | "STATE_WAKINGUP");
        let expires = SignedDuration::from_hours(24 * scene.expires_in_days);
        let mut cluster = Self {
            created,
            expires: now.saturating_add(expires).unwrap_or(now),
            phase: scene.phase.clone(),
            initiated,
            completed,
            state: scene.state.clone(),
            credentials,
            data_plane,
            shoot,
            used_new_endpoints: !never,
            process,
            api_server_up: false,
            last_advanced: now,
            changes: watch::Sender::new(0),
            team: team.to_owned(),
            id,
            scene,
        };
        match process {
            ClusterProcess::ControlPlane => cluster.plan_start(begun),
            ClusterProcess::Completing => {
                let soon = |seconds| now.saturating_add(SignedDuration::from_secs(seconds));
                let tasks = &mut cluster.data_plane.tasks;
                tasks
                    .add(soon(10).unwrap_or(now), Task::Rotation(RotationStep::DropOldCredentials));
                tasks.add(soon(45).unwrap_or(now), Task::Rotation(RotationStep::Finish));
            }
            ClusterProcess::Idle
            | ClusterProcess::Rolling
            | ClusterProcess::Waking
            | ClusterProcess::Reconciling => {}
        }
        cluster
    }

    /// Makes the inside, if nobody looked before. Clusters in which nothing runs do not change until then.
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
        // What was planned before, a rotation's steps, comes after what the building plans.
        let planned = std::mem::take(&mut self.data_plane.tasks);
        self.data_plane.build(&initial, &mut self.credentials);
        self.data_plane.tasks.append(planned);
    }

    /// Lets everything happen that is due until `now`, in order.
    pub fn advance(&mut self, now: Timestamp) {
        let changes_inside = matches!(
            self.process,
            ClusterProcess::ControlPlane | ClusterProcess::Rolling | ClusterProcess::Completing
        );
        if !self.data_plane.built && changes_inside {
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

    fn run(&mut self, at: Timestamp, task: Task) {
        match task {
            Task::Rotation(step) => self.rotate(step, at),
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
            Task::RegisterNode(_)
            | Task::KubeletReady(_)
            | Task::NodeJoined(_)
            | Task::JoinTimeout(_)
            | Task::EvaluateDrain(_)
            | Task::ForceDrain(_)
            | Task::RemoveMachine(_)
            | Task::ContainersStarted(_)
            | Task::ContainersStopped(_)
            | Task::AttachVolumes(_)
            | Task::VolumesAttached(_)
            | Task::VolumeDetached(_)
            | Task::Autoscale => self.data_plane.run(at, task),
        }
    }

    /// When something happens next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.data_plane.tasks.next()
    }

    /// Tells everybody who waits that something changed.
    pub fn notify_changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Rings whenever something changed.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether its API server is there.
    pub fn has_api_server(&self) -> bool {
        match self.state.as_str() {
            "STATE_HIBERNATED" | "STATE_CREATING" => false,
            "STATE_WAKINGUP" => self.api_server_up,
            _ => true,
        }
    }

    /// Frees drains that a PodDisruptionBudget holds up, by loosening it.
    pub fn relax_blocking_budgets(&mut self) {
        let at = self.last_advanced;
        self.data_plane.relax_budgets(|_, budget| budget.is_misconfigured(), at);
        self.notify_changed();
    }

    /// Says whether new machines can be had for a pool.
    pub fn set_capacity(&mut self, pool: &str, there: bool) {
        for zone in
            self.data_plane.machine_deployments.iter_mut().filter(|zone| *zone.pool == *pool)
        {
            zone.no_capacity = !there;
        }
        self.data_plane.dirty.machines = true;
        let at = self.last_advanced;
        self.data_plane.settle(at);
        self.notify_changed();
    }

    /// Sets the state that SKE reports while nothing runs.
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

    /// Nodes that clients could see at a moment; for tests.
    pub fn count_nodes(&self, at: Timestamp) -> NodeCounts {
        node_history::count_nodes(&self.data_plane.node_histories, self.data_plane.template, at)
    }

    /// `status.aggregated` at this moment.
    pub fn aggregated(&self, now: Timestamp) -> &str {
        match self.process {
            ClusterProcess::Idle | ClusterProcess::Waking => &self.state,
            ClusterProcess::Rolling if self.has_roll_errors(now) => {
                // The platform restarts its flow every ten minutes, so that the state flickers.
                if now.as_second() / 600 % 2 == 0 { "STATE_UNHEALTHY" } else { "STATE_RECONCILING" }
            }
            ClusterProcess::ControlPlane
            | ClusterProcess::Rolling
            | ClusterProcess::Completing
            | ClusterProcess::Reconciling => "STATE_RECONCILING",
        }
    }

    fn has_roll_errors(&self, now: Timestamp) -> bool {
        !self.roll_errors(now).is_empty()
    }

    /// What holds the roll up for so long that the platform reports it.
    fn roll_errors(&self, now: Timestamp) -> Vec<wire::ClusterError> {
        let error = |code: &str, message: String| wire::ClusterError {
            code: Some(code.to_owned()),
            message: Some(message),
        };
        if self.process != ClusterProcess::Rolling {
            return Vec::new();
        }
        let long =
            |since: Timestamp| self.data_plane.speed.real_time(since, now) >= ERROR_REPORTED_AFTER;
        let mut errors = Vec::new();
        for zone in self.data_plane.machine_deployments.iter().filter(|zone| zone.rolling) {
            for node in zone.machines.iter().filter(|node| node.stage == MachineStage::Draining) {
                if let Some((since, budget)) = &node.blocked
                    && long(*since)
                    && self.data_plane.is_misconfigured(budget)
                {
                    let name = &node.name;
                    errors.push(error(
                        "SKE_NODE_MISCONFIGURED_PDB",
                        format!("PodDisruptionBudget {budget} blocks the drain of node {name}"),
                    ));
                }
            }
            if zone.no_capacity && self.initiated.is_some_and(long) {
                errors.push(error(
                    "SKE_NODE_NO_VALID_HOST_FOUND",
                    format!("no capacity for pool {} in {}", zone.pool, zone.zone),
                ));
            }
        }
        errors
    }

    /// `status.errors[]` at this moment.
    pub fn errors(&self, now: Timestamp) -> Vec<wire::ClusterError> {
        let from_scene = self.scene.errors.iter().map(|[code, message]| wire::ClusterError {
            code: Some(code.clone()),
            message: Some(message.clone()),
        });
        from_scene.chain(self.roll_errors(now)).collect()
    }
}

/// What a cluster has whose scene names no pool.
fn small_pool() -> ScenePool {
    ScenePool {
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
