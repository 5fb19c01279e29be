//! Scenes: worlds described as data (`assets/scenes/*.toml`), with ages relative to the moment of the start.

use serde::Deserialize;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;
use crate::simulator::cluster::objects::{IntOrPercent, LocalStorage};

/// A world before it starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// Regions that are offered.
    pub regions: Vec<String>,
    /// Projects, in the order in which they are exported.
    pub projects: Vec<SceneProject>,
}

/// A project.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneProject {
    /// Id, a UUID.
    pub id: String,
    pub name: String,
    #[serde(default)]
    pub clusters: Vec<SceneCluster>,
}

/// A cluster.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneCluster {
    /// Name, 1 to 11 characters.
    pub name: String,
    /// Makes this many, with a number after the name.
    #[serde(default = "one")]
    pub repeat: u32,
    #[serde(default = "eu01")]
    pub region: String,
    #[serde(default = "version")]
    pub version: String,
    /// In how many days the version expires.
    #[serde(default = "expires")]
    pub expires_in_days: i64,
    /// Age of the cluster, humantime text.
    #[serde(default = "age")]
    pub age: String,
    /// `NEVER`, `PREPARING`, `PREPARED`, `COMPLETING`, `COMPLETED`, or any other word.
    #[serde(default = "completed")]
    pub phase: String,
    /// How long ago the last rotation was started, humantime text.
    #[serde(default)]
    pub initiated_ago: Option<String>,
    /// How long ago the last rotation was completed, humantime text.
    #[serde(default)]
    pub completed_ago: Option<String>,
    /// `STATE_…` while no step runs.
    #[serde(default = "healthy")]
    pub state: String,
    /// Share of nodes that are new already when the phase is `PREPARING`.
    #[serde(default)]
    pub progress: f64,
    /// Node pools; one small pool if there are none.
    #[serde(default)]
    pub pools: Vec<ScenePool>,
    /// Identity-provider access.
    #[serde(default)]
    pub idp: bool,
    /// Falling asleep and waking up (crontab), and time zone.
    #[serde(default)]
    pub hibernation: Option<[String; 3]>,
    /// Errors that SKE reports: code and message.
    #[serde(default)]
    pub errors: Vec<[String; 2]>,
    /// A drain that cannot end: pool, zone, and the PodDisruptionBudget in its way ("payments/api"). Short for a
    /// deployment of that name with one replica in that zone, all of which its budget wants to be available.
    #[serde(default)]
    pub blocked: Option<[String; 3]>,
    /// What runs in the cluster, besides what runs in every cluster.
    #[serde(default)]
    pub workloads: Vec<SceneWorkload>,
    /// Whether the usual applications run as well.
    #[serde(default = "yes")]
    pub usual_workloads: bool,
    /// Service accounts besides the usual ones.
    #[serde(default)]
    pub service_accounts: Vec<SceneServiceAccount>,
    /// How long a drain lasts before it is forced, humantime text.
    #[serde(default = "drain_timeout")]
    pub drain_timeout: String,
    /// A pool for which no new machine can be had.
    #[serde(default)]
    pub no_capacity: Option<String>,
    /// Longest life of a kubeconfig that is granted, humantime text.
    #[serde(default)]
    pub clamp: Option<String>,
}

/// A node pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenePool {
    /// Name, at most 15 characters.
    pub name: String,
    pub nodes: u32,
    /// Zones over which they are spread.
    #[serde(default = "three")]
    pub zones: u32,
    /// `maxSurge`.
    #[serde(default = "three")]
    pub surge: u32,
    /// `maxUnavailable`.
    #[serde(default)]
    pub unavailable: u32,
    /// Machine type; the number after the point is that of its cores.
    #[serde(default = "machine")]
    pub machine: String,
    /// `maximum`; twice the nodes if it is not given.
    #[serde(default)]
    pub maximum: Option<u32>,
    /// Whether the autoscaler adds and removes nodes now and then.
    #[serde(default)]
    pub autoscale: bool,
    /// Whether new nodes become ready.
    #[serde(default = "yes")]
    pub joins: bool,
}

/// A workload: what makes pods.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneWorkload {
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub name: String,
    /// Makes this many, with a number after the name.
    #[serde(default = "one")]
    pub repeat: u32,
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Pods that it wants to have.
    #[serde(default = "two")]
    pub replicas: u32,
    /// Pool in which its pods run; any if it is not given.
    #[serde(default)]
    pub pool: Option<String>,
    /// Zone in which its pods are when the world begins; any if it is not given.
    #[serde(default)]
    pub zone: Option<String>,
    /// `minAvailable` of its PodDisruptionBudget: a number or a percentage.
    #[serde(default)]
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable` of its PodDisruptionBudget: a number or a percentage.
    #[serde(default)]
    pub max_unavailable: Option<IntOrPercent>,
    /// How many `PodDisruptionBudget`s of the same kind cover it, if there is one.
    #[serde(default = "one")]
    pub budgets: u32,
    /// Millicores that each pod asks for.
    #[serde(default = "cpu")]
    pub cpu: u32,
    /// Whether each pod has a volume of its own, which stays in its zone.
    #[serde(default)]
    pub volume: bool,
    /// Data that stays on the node.
    #[serde(default)]
    pub local: LocalStorage,
    /// `terminationGracePeriodSeconds`.
    #[serde(default = "grace")]
    pub grace: u32,
    /// Seconds from being placed to being ready.
    #[serde(default = "start")]
    pub start: u32,
    /// A finalizer that keeps deleted pods.
    #[serde(default)]
    pub finalizer: Option<String>,
    /// Whether a pod that had to move becomes ready again.
    #[serde(default = "yes")]
    pub recovers: bool,
    /// Whether its volumes can be detached.
    #[serde(default = "yes")]
    pub detaches: bool,
    /// Whether it answers for an admission webhook that must agree to new nodes (`failurePolicy: Fail`).
    #[serde(default)]
    pub guards_nodes: bool,
}

/// What makes pods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    /// Pods that are all alike.
    #[default]
    Deployment,
    /// Pods with names of their own.
    StatefulSet,
    /// A pod on every node.
    DaemonSet,
    /// A pod that nobody makes anew.
    Bare,
}

/// A service account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneServiceAccount {
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub name: String,
    /// The Secret that holds a token of it, if there is one.
    #[serde(default)]
    pub token: Option<TokenSecret>,
    /// How long ago that token was used last, humantime text; never if it is not given.
    #[serde(default)]
    pub used_ago: Option<String>,
    /// Whether it may do everything.
    #[serde(default)]
    pub admin: bool,
}

/// How a Secret with a token came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSecret {
    /// Made by Kubernetes and listed in the account's `.secrets[]`.
    Listed,
    /// Made by hand.
    Manual,
}

fn one() -> u32 {
    1
}
fn two() -> u32 {
    2
}
fn yes() -> bool {
    true
}
fn default_namespace() -> String {
    "default".to_owned()
}
fn cpu() -> u32 {
    200
}
fn grace() -> u32 {
    30
}
fn start() -> u32 {
    20
}
fn drain_timeout() -> String {
    "2h".to_owned()
}
fn three() -> u32 {
    3
}
fn eu01() -> String {
    "eu01".to_owned()
}
fn version() -> String {
    "1.33.4".to_owned()
}
fn expires() -> i64 {
    160
}
fn age() -> String {
    "400d".to_owned()
}
fn completed() -> String {
    "COMPLETED".to_owned()
}
fn healthy() -> String {
    "STATE_HEALTHY".to_owned()
}
fn machine() -> String {
    "g1a.4d".to_owned()
}

impl Scene {
    /// The built-in fleet.
    ///
    /// # Errors
    /// None as shipped; a test holds it.
    pub fn fleet() -> Result<Self, Failure> {
        Self::parse(include_str!("../../assets/scenes/fleet.toml"), "assets/scenes/fleet.toml")
    }

    /// Reads a scene.
    ///
    /// # Errors
    /// What is wrong, with file, line and column, or the cluster and its field.
    pub fn parse(text: &str, name: &str) -> Result<Self, Failure> {
        let scene: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let before = text.get(..at).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().map_or(0, |part| part.chars().count()) + 1;
            wrong(format!("{name}:{line}:{column}: {}", clean(error.message())))
        })?;
        scene.check(name)?;
        Ok(scene)
    }

    fn check(&self, name: &str) -> Result<(), Failure> {
        if self.projects.is_empty() || self.regions.is_empty() {
            return Err(wrong(format!("{name}: a scene needs a region and a project")));
        }
        for project in &self.projects {
            for cluster in &project.clusters {
                let at = format!("{name}: cluster {} of project {}", cluster.name, project.name);
                for (field, text) in [
                    ("age", Some(&cluster.age)),
                    ("initiated_ago", cluster.initiated_ago.as_ref()),
                    ("completed_ago", cluster.completed_ago.as_ref()),
                    ("clamp", cluster.clamp.as_ref()),
                    ("drain_timeout", Some(&cluster.drain_timeout)),
                ] {
                    if let Some(text) = text
                        && let Err(error) = humantime::parse_duration(text)
                    {
                        return Err(wrong(format!("{at}: {field} is \"{text}\": {error}")));
                    }
                }
                if !self.regions.contains(&cluster.region) {
                    return Err(wrong(format!("{at}: region {} is not offered", cluster.region)));
                }
                if cluster.pools.iter().any(|pool| pool.zones == 0 || pool.zones > 9) {
                    return Err(wrong(format!("{at}: a pool has 1 to 9 zones")));
                }
                for workload in &cluster.workloads {
                    let pool = workload.pool.as_ref();
                    if pool.is_some_and(|pool| !cluster.pools.iter().any(|p| p.name == **pool)) {
                        let name = &workload.name;
                        return Err(wrong(format!("{at}: workload {name} names no pool of it")));
                    }
                }
                for account in &cluster.service_accounts {
                    if let Some(text) = &account.used_ago
                        && let Err(error) = humantime::parse_duration(text)
                    {
                        return Err(wrong(format!("{at}: used_ago is \"{text}\": {error}")));
                    }
                }
                if !(0.0..=1.0).contains(&cluster.progress) {
                    return Err(wrong(format!("{at}: progress lies between 0 and 1")));
                }
            }
        }
        Ok(())
    }
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::Format, message).hint("Correct the scene file")
}

#[cfg(test)]
mod tests {
    use crate::simulator::scene::Scene;

    #[test]
    fn the_shipped_fleet_holds_what_a_rehearsal_needs() {
        let scene = Scene::fleet().unwrap();
        let all: Vec<_> = scene.projects.iter().flat_map(|p| &p.clusters).collect();
        assert!((28..=40).contains(&all.len()), "{}", all.len());
        for phase in ["NEVER", "PREPARING", "PREPARED", "COMPLETING", "COMPLETED"] {
            assert!(all.iter().any(|c| c.phase == phase), "{phase}");
        }
        assert!(all.iter().any(|c| c.state == "STATE_HIBERNATED"));
        assert!(all.iter().any(|c| c.state == "STATE_UNHEALTHY"));
        assert!(all.iter().any(|c| c.version.starts_with("1.26.") && c.phase == "NEVER"));
        assert!(all.iter().any(|c| c.blocked.is_some()));
        assert!(all.iter().any(|c| c.pools.iter().map(|p| p.nodes).sum::<u32>() == 120));
        assert!(
            all.iter()
                .any(|c| c.phase == "PREPARED" && c.initiated_ago.as_deref() == Some("12d 3h"))
        );
        let first: Vec<_> =
            scene.projects[0].clusters.iter().filter(|c| c.region == scene.regions[0]).collect();
        assert!(first.len() >= 10);
        for phase in ["NEVER", "PREPARED", "COMPLETED"] {
            assert!(
                first.iter().any(|c| c.phase == phase && c.state == "STATE_HEALTHY"),
                "{phase}"
            );
        }
        assert!(all.iter().all(|c| !c.name.is_empty() && c.name.len() <= 11));
    }

    #[test]
    fn a_broken_scene_is_named_with_its_place() {
        let error = Scene::parse("regions = [\"eu01\"]\nprojects = 3\n", "mine.toml").unwrap_err();
        assert!(error.message.starts_with("mine.toml:2:12: "), "{error}");
        let text = "regions = [\"eu01\"]\n[[projects]]\nid = \"a\"\nname = \"a\"\n[[projects.clusters]]\nname = \"b\"\nage = \"long\"\n";
        let error = Scene::parse(text, "mine.toml").unwrap_err();
        assert!(error.message.contains("cluster b of project a: age is \"long\""), "{error}");
    }
}
