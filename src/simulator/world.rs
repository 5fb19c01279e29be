//! The simulated cloud: clusters whose rotations take their time. Pure; time is handed in.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::clients::ske::wire;
use crate::domain::action::{Action, Refusal, permits};
use crate::domain::cluster::{Cluster, ClusterId, ClusterState, KubernetesVersion};
use crate::domain::rotation::{Phase, Rotation, Step};
use crate::simulator::authority::Authorities;
use crate::simulator::dice::Dice;
use crate::simulator::roll::{Node, Stage, Zone, after, spread};
use crate::simulator::scene::{Scene, SceneCluster, ScenePool};

/// Control plane and secrets take about this long before nodes begin.
const CONTROL_PLANE: SignedDuration = SignedDuration::from_mins(5);
/// Dropping the old credentials takes about this long.
const COMPLETING: SignedDuration = SignedDuration::from_mins(6);
/// Waking up takes about this long.
const WAKING: SignedDuration = SignedDuration::from_mins(8);
/// A reconcile takes about this long.
const RECONCILING: SignedDuration = SignedDuration::from_mins(3);
/// A drain that does not end is reported after this long.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// The cloud.
#[derive(Debug)]
pub struct World {
    /// Regions that are offered.
    pub regions: Vec<String>,
    /// Projects by id: name.
    pub projects: Vec<(String, String)>,
    clusters: BTreeMap<ClusterId, SimulatedCluster>,
    dice: Dice,
    speed: f64,
}

/// One cluster.
#[derive(Debug)]
pub struct SimulatedCluster {
    /// Address.
    pub id: ClusterId,
    /// As the scene describes it.
    pub scene: SceneCluster,
    /// When it was created.
    pub created: Timestamp,
    /// Phase as the API writes it.
    pub phase: String,
    /// Last start.
    pub initiated: Option<Timestamp>,
    /// Last completion.
    pub completed: Option<Timestamp>,
    /// `STATE_…` while nothing runs.
    pub state: String,
    /// Generation of its credentials; grows with each start.
    pub generation: u32,
    /// Machines.
    pub zones: Vec<Zone>,
    /// Authorities and keys, made when first needed.
    pub authorities: Authorities,
    /// Hexadecimal part of the API server's name.
    pub shoot: String,
    process: Process,
    stalled_since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Process {
    Idle,
    ControlPlane(Timestamp),
    Rolling,
    Completing(Timestamp),
    Waking(Timestamp),
    Reconciling(Timestamp),
}

impl World {
    /// Makes the world of a scene as it is at `now`.
    pub fn new(scene: &Scene, seed: u64, speed: f64, now: Timestamp) -> Self {
        let mut dice = Dice::new(seed);
        let mut clusters = BTreeMap::new();
        for project in &scene.projects {
            for template in &project.clusters {
                for number in 1..=template.repeat {
                    let mut template = template.clone();
                    if template.repeat > 1 {
                        template.name = format!("{}{number}", template.name);
                    }
                    let id = ClusterId::new(&project.id, &template.region, &template.name);
                    let cluster = SimulatedCluster::new(id.clone(), template, now, &mut dice);
                    clusters.insert(id, cluster);
                }
            }
        }
        let projects = scene
            .projects
            .iter()
            .map(|project| (project.id.clone(), project.name.clone()))
            .collect();
        Self { regions: scene.regions.clone(), projects, clusters, dice, speed }
    }

    /// Lets everything happen that is due until `now`, in order.
    pub fn advance(&mut self, now: Timestamp) {
        let (speed, dice) = (self.speed, &mut self.dice);
        for cluster in self.clusters.values_mut() {
            cluster.advance(now, speed, dice);
        }
    }

    /// Clusters of a project in a region, by name.
    pub fn list<'a>(
        &'a self,
        project: &'a str,
        region: &'a str,
    ) -> impl Iterator<Item = &'a SimulatedCluster> {
        self.clusters.values().filter(move |cluster| {
            cluster.id.project().as_str() == project && cluster.id.region().as_str() == region
        })
    }

    /// One cluster.
    pub fn cluster(&self, id: &ClusterId) -> Option<&SimulatedCluster> {
        self.clusters.get(id)
    }

    /// One cluster, to be changed.
    pub fn cluster_mut(&mut self, id: &ClusterId) -> Option<&mut SimulatedCluster> {
        self.clusters.get_mut(id)
    }

    /// Deletes a cluster.
    pub fn delete(&mut self, id: &ClusterId) {
        self.clusters.remove(id);
    }

    /// Creates a cluster anew, as it was described, at `now`.
    pub fn recreate(&mut self, id: &ClusterId, now: Timestamp) {
        if let Some(old) = self.clusters.remove(id) {
            let mut scene = old.scene;
            "NEVER".clone_into(&mut scene.phase);
            "0s".clone_into(&mut scene.age);
            let cluster = SimulatedCluster::new(id.clone(), scene, now, &mut self.dice);
            self.clusters.insert(id.clone(), cluster);
        }
    }

    /// Carries an action out.
    ///
    /// # Errors
    /// The server's sentence.
    pub fn act(&mut self, id: &ClusterId, action: Action, now: Timestamp) -> Result<(), String> {
        let (speed, dice) = (self.speed, &mut self.dice);
        let Some(cluster) = self.clusters.get_mut(id) else {
            return Err("cluster not found".to_owned());
        };
        permits(&cluster.to_domain(), action).map_err(|refusal| refusal_words(action, &refusal))?;
        match action {
            Action::Rotate(Step::Start) => {
                "PREPARING".clone_into(&mut cluster.phase);
                cluster.initiated = Some(whole_second(now));
                cluster.generation += 1;
                cluster.process = Process::ControlPlane(after(now, CONTROL_PLANE, speed, dice));
            }
            Action::Rotate(Step::Complete) => {
                "COMPLETING".clone_into(&mut cluster.phase);
                cluster.process = Process::Completing(after(now, COMPLETING, speed, dice));
            }
            Action::WakeUp => {
                "STATE_WAKINGUP".clone_into(&mut cluster.state);
                cluster.process = Process::Waking(after(now, WAKING, speed, dice));
            }
            Action::Reconcile => {
                if cluster.process == Process::Idle {
                    cluster.process = Process::Reconciling(after(now, RECONCILING, speed, dice));
                }
            }
            Action::Issue => {}
        }
        Ok(())
    }
}

fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

fn ago(now: Timestamp, text: Option<&str>) -> Option<Timestamp> {
    let duration = humantime::parse_duration(text?).ok()?;
    let at = now.saturating_sub(SignedDuration::try_from(duration).ok()?).ok()?;
    Some(whole_second(at))
}

impl SimulatedCluster {
    fn new(id: ClusterId, mut scene: SceneCluster, now: Timestamp, dice: &mut Dice) -> Self {
        if scene.pools.is_empty() {
            scene.pools.push(ScenePool {
                name: "all".to_owned(),
                nodes: 3,
                zones: 3,
                surge: 3,
                unavailable: 0,
                machine: "g1a.4d".to_owned(),
            });
        }
        let created = ago(now, Some(&scene.age)).unwrap_or(now);
        let never = scene.phase == "NEVER";
        let initiated = (!never).then(|| ago(now, scene.initiated_ago.as_deref())).flatten();
        let completed = (!never).then(|| ago(now, scene.completed_ago.as_deref())).flatten();
        // A cluster cannot be younger than its last rotation.
        let created = [initiated, completed].into_iter().flatten().fold(created, Timestamp::min);
        let generation = if never { 1 } else { 2 };
        let process = match scene.phase.as_str() {
            "PREPARING" => Process::Rolling,
            "COMPLETING" => Process::Completing(
                now.saturating_add(SignedDuration::from_secs(45)).unwrap_or(now),
            ),
            _ => Process::Idle,
        };
        let mut cluster = Self {
            created,
            phase: scene.phase.clone(),
            initiated,
            completed,
            state: scene.state.clone(),
            generation,
            zones: Vec::new(),
            authorities: Authorities::default(),
            shoot: dice.hex(10),
            process,
            stalled_since: None,
            id,
            scene,
        };
        cluster.zones = cluster.make_zones(dice);
        if cluster.scene.blocked.is_some() && cluster.phase == "PREPARING" {
            cluster.stalled_since = now.saturating_sub(SignedDuration::from_mins(47)).ok();
        }
        cluster
    }

    fn make_zones(&self, dice: &mut Dice) -> Vec<Zone> {
        let mut zones = Vec::new();
        for pool in &self.scene.pools {
            for number in 0..pool.zones {
                let zone = format!("{}-{}", self.id.region(), number + 1);
                let desired = spread(pool.nodes, pool.zones, number);
                let (surge, unavailable) = Zone::limits(
                    spread(pool.surge, pool.zones, number),
                    spread(pool.unavailable, pool.zones, number),
                );
                let blocked = self
                    .scene
                    .blocked
                    .as_ref()
                    .is_some_and(|[p, z, _]| *p == pool.name && *z == zone);
                let replaced = if self.phase == "PREPARING" {
                    share_of(desired, self.scene.progress)
                } else {
                    desired
                };
                let nodes = (0..desired)
                    .map(|at| Node {
                        name: format!("{}-{zone}-{}", pool.name, dice.letters(5)),
                        generation: if at < replaced {
                            self.generation
                        } else {
                            self.generation - 1
                        },
                        stage: if blocked && at == replaced {
                            Stage::Draining(None)
                        } else {
                            Stage::Ready
                        },
                        created: self.created,
                    })
                    .collect();
                zones.push(Zone {
                    pool: pool.name.clone(),
                    zone,
                    desired,
                    surge,
                    unavailable,
                    nodes,
                    blocked,
                    no_capacity: self.scene.no_capacity.as_ref() == Some(&pool.name),
                });
            }
        }
        zones
    }

    fn advance(&mut self, now: Timestamp, speed: f64, dice: &mut Dice) {
        // Each turn ends or begins something, so that this comes to an end.
        for _ in 0..100_000 {
            if !self.turn(now, speed, dice) {
                return;
            }
        }
    }

    /// One thing that is due; whether there was one.
    fn turn(&mut self, now: Timestamp, speed: f64, dice: &mut Dice) -> bool {
        match self.process {
            Process::ControlPlane(until) if until <= now => {
                self.process = Process::Rolling;
                self.step_zones(until, speed, dice);
                true
            }
            Process::Rolling => {
                let next = self.zones.iter().filter_map(Zone::next_end).min();
                let due = next.filter(|next| *next <= now);
                if next.is_none() || due.is_some() {
                    self.step_zones(due.unwrap_or(now), speed, dice);
                }
                if self.zones.iter().all(|zone| zone.is_done(self.generation)) {
                    "PREPARED".clone_into(&mut self.phase);
                    self.process = Process::Idle;
                    self.stalled_since = None;
                    return false;
                }
                self.note_stall(now);
                due.is_some()
            }
            Process::Completing(until) if until <= now => {
                "COMPLETED".clone_into(&mut self.phase);
                self.completed = Some(whole_second(until));
                self.process = Process::Idle;
                false
            }
            Process::Waking(until) | Process::Reconciling(until) if until <= now => {
                if matches!(self.process, Process::Waking(_)) {
                    "STATE_HEALTHY".clone_into(&mut self.state);
                }
                self.process = Process::Idle;
                false
            }
            Process::Idle
            | Process::ControlPlane(_)
            | Process::Completing(_)
            | Process::Waking(_)
            | Process::Reconciling(_) => false,
        }
    }

    fn step_zones(&mut self, at: Timestamp, speed: f64, dice: &mut Dice) {
        for zone in &mut self.zones {
            zone.step(at, self.generation, speed, dice);
        }
    }

    fn note_stall(&mut self, now: Timestamp) {
        let stuck = self.zones.iter().any(|zone| {
            zone.nodes.iter().any(|node| node.stage == Stage::Draining(None))
                || (zone.no_capacity && !zone.is_done(self.generation))
        });
        if stuck {
            self.stalled_since.get_or_insert(now);
        } else {
            self.stalled_since = None;
        }
    }

    /// Frees a drain that a PodDisruptionBudget held up.
    pub fn unblock(&mut self) {
        for zone in &mut self.zones {
            zone.blocked = false;
            for node in &mut zone.nodes {
                if node.stage == Stage::Draining(None) {
                    node.stage = Stage::Ready;
                }
            }
        }
        self.stalled_since = None;
    }

    /// Sets the state that SKE reports while nothing runs.
    pub fn set_state(&mut self, state: &str) {
        state.clone_into(&mut self.state);
    }

    /// `status.aggregated` at this moment.
    pub fn aggregated(&self, now: Timestamp, speed: f64) -> &str {
        match self.process {
            Process::Idle | Process::Waking(_) => &self.state,
            Process::Rolling if self.is_reported(now, speed) => {
                // The platform restarts its flow every ten minutes, so that the state flickers.
                if now.as_second() / 600 % 2 == 0 { "STATE_UNHEALTHY" } else { "STATE_RECONCILING" }
            }
            Process::ControlPlane(_)
            | Process::Rolling
            | Process::Completing(_)
            | Process::Reconciling(_) => "STATE_RECONCILING",
        }
    }

    fn is_reported(&self, now: Timestamp, speed: f64) -> bool {
        self.stalled_since.is_some_and(|since| {
            now.duration_since(since).as_secs_f64() * speed >= REPORTED_AFTER.as_secs_f64()
        })
    }

    /// `status.errors[]` at this moment.
    pub fn errors(&self, now: Timestamp, speed: f64) -> Vec<wire::ClusterError> {
        let error = |code: &str, message: String| wire::ClusterError {
            code: Some(code.to_owned()),
            message: Some(message),
        };
        let mut errors: Vec<_> =
            self.scene.errors.iter().map(|[code, message]| error(code, message.clone())).collect();
        if self.is_reported(now, speed) {
            for zone in &self.zones {
                if zone.blocked {
                    let budget =
                        self.scene.blocked.as_ref().map_or("default/app", |[_, _, budget]| budget);
                    let node = zone
                        .nodes
                        .iter()
                        .find(|node| node.stage == Stage::Draining(None))
                        .map_or("a node", |node| &node.name);
                    errors.push(error(
                        "SKE_NODE_MISCONFIGURED_PDB",
                        format!("PodDisruptionBudget {budget} blocks the drain of node {node}"),
                    ));
                } else if zone.no_capacity {
                    errors.push(error(
                        "SKE_NODE_NO_VALID_HOST_FOUND",
                        format!("no capacity for pool {} in {}", zone.pool, zone.zone),
                    ));
                }
            }
        }
        errors
    }

    /// The cluster as the rules see it.
    fn to_domain(&self) -> Cluster {
        let phase = match self.phase.as_str() {
            "NEVER" => Phase::Never,
            "PREPARING" => Phase::Preparing,
            "PREPARED" => Phase::Prepared,
            "COMPLETING" => Phase::Completing,
            "COMPLETED" => Phase::Completed,
            other => Phase::Unknown(other.to_owned()),
        };
        let state = match self.state.as_str() {
            "STATE_HIBERNATED" => ClusterState::Hibernated,
            "STATE_HIBERNATING" => ClusterState::Hibernating,
            "STATE_WAKINGUP" => ClusterState::WakingUp,
            "STATE_CREATING" => ClusterState::Creating,
            "STATE_DELETING" => ClusterState::Deleting,
            _ => ClusterState::Healthy,
        };
        Cluster {
            id: self.id.clone(),
            created: Some(self.created),
            version: KubernetesVersion::new(&self.scene.version),
            version_expires: None,
            state,
            hibernated: self.state == "STATE_HIBERNATED",
            rotation: Rotation { phase, initiated: self.initiated, completed: self.completed },
            pools: Vec::new(),
            problems: Vec::new(),
            schedules: Vec::new(),
            maintenance: None,
            idp: self.scene.idp,
        }
    }
}

/// The platform's own words for a refusal.
fn refusal_words(action: Action, refusal: &Refusal) -> String {
    let operation = match action {
        Action::Rotate(Step::Start) => "rotate-credentials-start",
        Action::Rotate(Step::Complete) => "rotate-credentials-complete",
        Action::Issue => "kubeconfig",
        Action::WakeUp => "wakeup",
        Action::Reconcile => "reconcile",
    };
    match refusal {
        Refusal::Hibernated | Refusal::Hibernating | Refusal::WakingUp => format!(
            "operation '{operation}' is not permitted when shoot is hibernated or is waking up"
        ),
        Refusal::Phase(Step::Start, _) => "cannot start rotation of all credentials if \
            .status.credentials.rotation.certificateAuthorities.phase is not 'Completed'"
            .to_owned(),
        Refusal::Phase(Step::Complete, _) => "cannot complete rotation of all credentials if \
            .status.credentials.rotation.certificateAuthorities.phase is not 'Prepared'"
            .to_owned(),
        Refusal::Creating | Refusal::Deleting | Refusal::Unknown(..) | Refusal::NotHibernated => {
            format!("operation '{operation}' is not permitted: {refusal}")
        }
    }
}

fn share_of(count: usize, share: f64) -> usize {
    (0..count)
        .filter(|at| {
            let at = u32::try_from(*at).unwrap_or(u32::MAX);
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            f64::from(at) + 0.5 < share * f64::from(count)
        })
        .count()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::action::Action;
    use crate::domain::cluster::ClusterId;
    use crate::domain::rotation::Step;
    use crate::simulator::scene::Scene;
    use crate::simulator::world::World;

    fn later(now: Timestamp, minutes: i64) -> Timestamp {
        now.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn fleet(speed: f64) -> (World, Timestamp) {
        let now: Timestamp = "2026-11-24T14:00:00Z".parse().unwrap();
        (World::new(&Scene::fleet().unwrap(), 7, speed, now), now)
    }

    fn shop(world: &World, name: &str) -> ClusterId {
        ClusterId::new(&world.projects[0].0, "eu01", name)
    }

    #[test]
    fn a_rotation_takes_its_time_from_never_to_completed() {
        let (mut world, mut now) = fleet(1.0);
        let id = shop(&world, "shop-dev");
        world.act(&id, Action::Rotate(Step::Start), now).unwrap();
        assert_eq!(world.cluster(&id).unwrap().phase, "PREPARING");
        assert!(
            world
                .act(&id, Action::Rotate(Step::Complete), now)
                .unwrap_err()
                .contains("not 'Prepared'")
        );
        assert!(
            world
                .act(&id, Action::Rotate(Step::Start), now)
                .unwrap_err()
                .contains("not 'Completed'")
        );
        now = later(now, 10);
        world.advance(now);
        assert_eq!(world.cluster(&id).unwrap().phase, "PREPARING");
        now = later(now, 60);
        world.advance(now);
        assert_eq!(world.cluster(&id).unwrap().phase, "PREPARED");
        world.act(&id, Action::Rotate(Step::Complete), now).unwrap();
        now = later(now, 15);
        world.advance(now);
        let cluster = world.cluster(&id).unwrap();
        assert_eq!(cluster.phase, "COMPLETED");
        assert!(cluster.completed > cluster.initiated);
    }

    #[test]
    fn speed_makes_processes_shorter_and_nothing_else() {
        let (mut world, now) = fleet(60.0);
        let id = shop(&world, "shop-dev");
        world.act(&id, Action::Rotate(Step::Start), now).unwrap();
        assert_eq!(world.cluster(&id).unwrap().initiated, Some(now));
        world.advance(later(now, 2));
        assert_eq!(world.cluster(&id).unwrap().phase, "PREPARED");
    }

    #[test]
    fn hibernated_and_waking_clusters_refuse_a_start() {
        let (mut world, now) = fleet(1.0);
        let id = shop(&world, "preview");
        let start = Action::Rotate(Step::Start);
        assert!(world.act(&id, start, now).unwrap_err().contains("hibernated or is waking up"));
        world.act(&id, Action::WakeUp, now).unwrap();
        assert!(world.act(&id, start, now).is_err());
        world.advance(later(now, 30));
        assert_eq!(world.act(&id, start, later(now, 30)), Ok(()));
    }

    #[test]
    fn a_blocked_drain_is_reported_and_ends_when_freed() {
        let (mut world, now) = fleet(1.0);
        let id = ClusterId::new(&world.projects[1].0, "eu01", "pay-prod");
        let much_later = later(now, 600);
        world.advance(much_later);
        let cluster = world.cluster(&id).unwrap();
        assert_eq!(cluster.phase, "PREPARING");
        let errors = cluster.errors(much_later, 1.0);
        assert!(errors[0].message.as_ref().unwrap().contains("payments/api"));
        world.cluster_mut(&id).unwrap().unblock();
        world.advance(later(much_later, 120));
        assert_eq!(world.cluster(&id).unwrap().phase, "PREPARED");
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        let names = || {
            let (mut world, now) = fleet(1.0);
            world.advance(later(now, 45));
            let id = ClusterId::new(&world.projects[5].0, "eu01", "transcode");
            let cluster = world.cluster(&id).unwrap();
            cluster.zones.iter().flat_map(|z| &z.nodes).map(|n| n.name.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(), names());
    }
}
