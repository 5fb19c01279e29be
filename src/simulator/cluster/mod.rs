//! One simulated cluster: what SKE knows of it, its credentials, and what happens inside. Pure; time is handed in.

pub mod agenda;
pub mod budgets;
mod build;
mod build_zones;
pub mod credentials;
mod drain;
mod events;
pub mod history;
pub mod interior;
mod machines;
pub mod nodes;
pub mod objects;
mod pods;
mod rotation;
mod schedule;
pub mod secrets;
pub mod store;
#[cfg(test)]
mod tests;
mod webhooks;
mod workloads;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::clients::ske::wire;
use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::agenda::{RotationStep, Task};
use crate::simulator::cluster::build::Standing;
use crate::simulator::cluster::credentials::Credentials;
use crate::simulator::cluster::history::Tally;
use crate::simulator::cluster::interior::Interior;
use crate::simulator::dice::Dice;
use crate::simulator::roll::{Pace, Stage};
use crate::simulator::rules::has_static_token;
use crate::simulator::scene::{SceneCluster, ScenePool};

/// A drain that does not end is reported after this long.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(15);
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
    pub credentials: Credentials,
    /// What happens inside; empty until somebody looks.
    pub inside: Interior,
    /// Hexadecimal part of the API server's name.
    pub shoot: String,
    /// Whether the new ways to credentials were used, which ends the old ones.
    pub uses_short_lived: bool,
    process: Process,
    server_awake: bool,
    seen: Timestamp,
    bell: watch::Sender<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
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
        pace: Pace,
        mut dice: Dice,
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
            "PREPARING" if early => Process::ControlPlane,
            "PREPARING" => Process::Rolling,
            "COMPLETING" => Process::Completing,
            _ => Process::Idle,
        };
        let open = matches!(scene.phase.as_str(), "PREPARING" | "PREPARED" | "COMPLETING");
        let mut credentials = match scene.phase.as_str() {
            "NEVER" => Credentials::settled(1, created),
            _ if open => Credentials::settled(1, created),
            _ => Credentials::settled(2, initiated.unwrap_or(created)),
        };
        if open {
            credentials.begin(begun);
            if !early {
                credentials.trust_new();
                credentials.sign_with_new();
            }
        }
        if has_static_token(&scene.version, &scene.phase) {
            credentials.static_token = Some(dice.hex(64));
        }
        let shoot = dice.hex(10);
        let template = if early { 1 } else { credentials.current };
        let about = build::about(&scene, id.region().as_str(), &shoot, team);
        let mut inside = Interior::new(about, template, pace, dice);
        inside.asleep = matches!(scene.state.as_str(), "STATE_HIBERNATED" | "STATE_WAKINGUP");
        let expires = SignedDuration::from_hours(24 * scene.expires_in_days);
        let mut cluster = Self {
            created,
            expires: now.saturating_add(expires).unwrap_or(now),
            phase: scene.phase.clone(),
            initiated,
            completed,
            state: scene.state.clone(),
            credentials,
            inside,
            shoot,
            uses_short_lived: !never,
            process,
            server_awake: false,
            seen: now,
            bell: watch::Sender::new(0),
            team: team.to_owned(),
            id,
            scene,
        };
        match process {
            Process::ControlPlane => cluster.plan_start(begun),
            Process::Completing => {
                let soon = |seconds| now.saturating_add(SignedDuration::from_secs(seconds));
                let agenda = &mut cluster.inside.agenda;
                agenda.add(soon(10).unwrap_or(now), Task::Rotation(RotationStep::Drop));
                agenda.add(soon(45).unwrap_or(now), Task::Rotation(RotationStep::Finish));
            }
            Process::Idle | Process::Rolling | Process::Waking | Process::Reconciling => {}
        }
        cluster
    }

    /// Makes the inside, if nobody looked before. Clusters in which nothing runs do not change until then.
    pub fn look_inside(&mut self) {
        if self.inside.built {
            return;
        }
        let standing = Standing {
            scene: &self.scene,
            created: self.created,
            initiated: self.initiated,
            completed: self.completed,
            rolling: self.process == Process::Rolling,
            now: self.seen,
        };
        // What was planned before, a rotation's steps, comes after what the building plans.
        let planned = std::mem::take(&mut self.inside.agenda);
        self.inside.build(&standing, &mut self.credentials);
        self.inside.agenda.append(planned);
    }

    /// Lets everything happen that is due until `now`, in order.
    pub fn advance(&mut self, now: Timestamp) {
        let changes_inside =
            matches!(self.process, Process::ControlPlane | Process::Rolling | Process::Completing);
        if !self.inside.built && changes_inside {
            self.look_inside();
            self.notice_the_end();
        }
        let mut changed = false;
        while let Some((at, task)) = self.inside.agenda.take(now) {
            changed = true;
            self.run(at, task);
            self.notice_the_end();
        }
        self.seen = now;
        if changed {
            self.ring();
        }
    }

    fn run(&mut self, at: Timestamp, task: Task) {
        match task {
            Task::Rotation(step) => self.rotate(step, at),
            Task::ServerWakes => {
                self.server_awake = true;
                self.inside.wake(at);
            }
            Task::Woken => {
                "STATE_HEALTHY".clone_into(&mut self.state);
                self.process = Process::Idle;
            }
            Task::Reconciled => {
                if self.process == Process::Reconciling {
                    self.process = Process::Idle;
                }
            }
            Task::Register(_)
            | Task::KubeletReady(_)
            | Task::Joined(_)
            | Task::NotJoined(_)
            | Task::Look(_)
            | Task::Force(_)
            | Task::Gone(_)
            | Task::Started(_)
            | Task::Stopped(_)
            | Task::Attach(_)
            | Task::Attached(_)
            | Task::Detached(_)
            | Task::Autoscale => self.inside.run(at, task),
        }
    }

    /// When something happens next.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.inside.agenda.next()
    }

    /// Tells everybody who waits that something changed.
    pub fn ring(&self) {
        self.bell.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Rings whenever something changed.
    pub fn listen(&self) -> watch::Receiver<u64> {
        self.bell.subscribe()
    }

    /// Whether its API server is there.
    pub fn has_server(&self) -> bool {
        match self.state.as_str() {
            "STATE_HIBERNATED" | "STATE_CREATING" => false,
            "STATE_WAKINGUP" => self.server_awake,
            _ => true,
        }
    }

    /// Frees drains that a PodDisruptionBudget holds up, by loosening it.
    pub fn unblock(&mut self) {
        let at = self.seen;
        self.inside.loosen_budgets(|_, budget| budget.is_misconfigured(), at);
        self.ring();
    }

    /// Says whether new machines can be had for a pool.
    pub fn set_capacity(&mut self, pool: &str, there: bool) {
        for zone in self.inside.zones.iter_mut().filter(|zone| *zone.pool == *pool) {
            zone.no_capacity = !there;
        }
        self.inside.stir.zones = true;
        let at = self.seen;
        self.inside.settle(at);
        self.ring();
    }

    /// Sets the state that SKE reports while nothing runs.
    pub fn set_state(&mut self, state: &str) {
        let at = self.seen;
        state.clone_into(&mut self.state);
        if state == "STATE_HIBERNATED" {
            self.server_awake = false;
            self.inside.fall_asleep(at);
        } else if self.inside.asleep && state != "STATE_WAKINGUP" {
            self.inside.wake(at);
        }
        self.ring();
    }

    /// Nodes that clients could see at a moment; for tests.
    pub fn tally(&self, at: Timestamp) -> Tally {
        history::tally(&self.inside.lives, self.inside.template, at)
    }

    /// `status.aggregated` at this moment.
    pub fn aggregated(&self, now: Timestamp) -> &str {
        match self.process {
            Process::Idle | Process::Waking => &self.state,
            Process::Rolling if self.is_reported(now) => {
                // The platform restarts its flow every ten minutes, so that the state flickers.
                if now.as_second() / 600 % 2 == 0 { "STATE_UNHEALTHY" } else { "STATE_RECONCILING" }
            }
            Process::ControlPlane
            | Process::Rolling
            | Process::Completing
            | Process::Reconciling => "STATE_RECONCILING",
        }
    }

    fn is_reported(&self, now: Timestamp) -> bool {
        !self.holdups(now).is_empty()
    }

    /// What holds the roll up for so long that the platform reports it.
    fn holdups(&self, now: Timestamp) -> Vec<wire::ClusterError> {
        let error = |code: &str, message: String| wire::ClusterError {
            code: Some(code.to_owned()),
            message: Some(message),
        };
        if self.process != Process::Rolling {
            return Vec::new();
        }
        let long = |since: Timestamp| self.inside.pace.real(since, now) >= REPORTED_AFTER;
        let mut errors = Vec::new();
        for zone in self.inside.zones.iter().filter(|zone| zone.rolling) {
            for node in zone.nodes.iter().filter(|node| node.stage == Stage::Draining) {
                if let Some((since, budget)) = &node.blocked
                    && long(*since)
                    && self.inside.is_misconfigured(budget)
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
        from_scene.chain(self.holdups(now)).collect()
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
