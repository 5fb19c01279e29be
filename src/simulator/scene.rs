//! Scenes: clouds described as data (`assets/scenes/*.toml`), with ages relative to the start of the simulator.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;
use crate::simulator::cluster::objects::{IntOrPercent, LocalStorage};

/// A cloud before it starts.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    pub regions: Vec<String>,
    pub projects: Vec<SceneProject>,
}

/// A project.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneProject {
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
    /// Number of such clusters, numbered after the name.
    #[serde(default = "one")]
    pub repeat: u32,
    #[serde(default = "eu01")]
    pub region: String,
    #[serde(default = "version")]
    pub version: String,
    /// Days until the version expires.
    #[serde(default = "expires")]
    pub expires_in_days: i64,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Age of the cluster, humantime text.
    #[serde(default = "age")]
    pub age: String,
    /// `NEVER`, `PREPARING`, `PREPARED`, `COMPLETING`, `COMPLETED`, or any other word.
    #[serde(default = "completed")]
    pub phase: String,
    /// Time since the start of the last rotation, humantime text.
    pub initiated_ago: Option<String>,
    /// Time since the completion of the last rotation, humantime text.
    pub completed_ago: Option<String>,
    /// `STATE_…` while no step runs.
    #[serde(default = "healthy")]
    pub state: String,
    /// Fraction of the nodes that are new when the phase is `PREPARING`.
    #[serde(default)]
    pub progress: f64,
    /// Node pools; one small pool if there are none.
    #[serde(default)]
    pub pools: Vec<ScenePool>,
    #[serde(default)]
    pub idp: bool,
    /// Start and end of hibernation (crontab), and time zone.
    pub hibernation: Option<[String; 3]>,
    /// Errors that SKE reports: code and message.
    #[serde(default)]
    pub errors: Vec<[String; 2]>,
    /// A blocked drain: pool, zone, and the blocking PodDisruptionBudget ("payments/api"). Short for a Deployment with
    /// that name and one replica in that zone, which its budget requires to be available.
    pub blocked: Option<[String; 3]>,
    /// Workloads besides those that run in every cluster.
    #[serde(default)]
    pub workloads: Vec<SceneWorkload>,
    /// Whether the usual applications run as well.
    #[serde(default = "yes")]
    pub usual_workloads: bool,
    /// Service accounts besides the usual ones.
    #[serde(default)]
    pub service_accounts: Vec<SceneServiceAccount>,
    /// Users with a client certificate signed when the data plane is built. As in a real cluster, the requests are
    /// removed after an hour.
    #[serde(default)]
    pub certificate_requests: Vec<String>,
    /// How long after the nodes begin to roll the namespaces get the new CA bundle, if the rotation starts in the
    /// simulator; humantime text. By default they get it before, as since gardener/gardener#15430.
    pub bundle_delay: Option<String>,
    /// Time until a drain is forced, humantime text.
    #[serde(default = "drain_timeout")]
    pub drain_timeout: String,
    /// A pool without available machines.
    pub no_capacity: Option<String>,
    /// Maximum lifetime of a kubeconfig, humantime text.
    pub clamp: Option<String>,
}

/// A node pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenePool {
    /// Name, at most 15 characters.
    pub name: String,
    pub nodes: u32,
    /// Number of zones that they are spread over.
    #[serde(default = "three")]
    pub zones: u32,
    #[serde(default = "three")]
    pub surge: u32,
    #[serde(default)]
    pub unavailable: u32,
    /// Machine type; the number after the dot is the number of cores.
    #[serde(default = "machine")]
    pub machine: String,
    /// When the image expires, RFC 3339.
    pub image_expires: Option<String>,
    /// Kubernetes version, if it differs from the cluster.
    pub kubernetes: Option<String>,
    /// When that version expires, RFC 3339.
    pub kubernetes_expires: Option<String>,
    /// `maximum`; by default twice the nodes.
    pub maximum: Option<u32>,
    /// Whether the autoscaler adds and removes nodes.
    #[serde(default)]
    pub autoscale: bool,
    #[serde(default = "yes")]
    pub joins: bool,
}

/// A controller and its pods.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneWorkload {
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub name: String,
    /// Number of such workloads, numbered after the name.
    #[serde(default = "one")]
    pub repeat: u32,
    #[serde(default)]
    pub kind: WorkloadKind,
    /// Ignored for a `DaemonSet`.
    #[serde(default = "two")]
    pub replicas: u32,
    /// Pool in which its pods run; by default any.
    pub pool: Option<String>,
    /// Zone in which its pods run at first; by default any.
    pub zone: Option<String>,
    /// `minAvailable` of its PodDisruptionBudget: a number or a percentage.
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable` of its PodDisruptionBudget: a number or a percentage.
    pub max_unavailable: Option<IntOrPercent>,
    /// Number of identical PodDisruptionBudgets that cover it, if any does.
    #[serde(default = "one")]
    pub budgets: u32,
    /// Millicores that each pod requests.
    #[serde(default = "cpu")]
    pub cpu: u32,
    /// Whether each pod has a persistent volume, bound to its zone.
    #[serde(default)]
    pub volume: bool,
    /// Local storage of the node used by its pods.
    #[serde(default)]
    pub local: LocalStorage,
    #[serde(default = "grace")]
    pub grace: u32,
    /// Seconds from being scheduled until ready.
    #[serde(default = "start")]
    pub start: u32,
    pub finalizer: Option<String>,
    /// Whether an evicted pod becomes ready again.
    #[serde(default = "yes")]
    pub recovers: bool,
    /// Whether its volumes can be detached.
    #[serde(default = "yes")]
    pub detaches: bool,
    /// Whether it serves an admission webhook for new nodes (`failurePolicy: Fail`).
    #[serde(default)]
    pub guards_nodes: bool,
    /// Whether it serves an admission webhook for evictions (`failurePolicy: Fail`).
    #[serde(default)]
    pub guards_evictions: bool,
    /// Whether that webhook denies all evictions while it has endpoints, and emits an event about it.
    #[serde(default)]
    pub denies_evictions: bool,
}

impl SceneWorkload {
    /// The resource whose creation its admission webhook is called for.
    pub fn guarded(&self) -> Option<&'static str> {
        if self.guards_evictions || self.denies_evictions {
            Some("pods/eviction")
        } else {
            self.guards_nodes.then_some("nodes")
        }
    }
}

/// The controller of a workload.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadKind {
    #[default]
    Deployment,
    StatefulSet,
    DaemonSet,
    /// A pod without a controller.
    Bare,
}

/// A service account.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneServiceAccount {
    #[serde(default = "default_namespace")]
    pub namespace: String,
    pub name: String,
    /// Its token Secret, if it has one.
    pub token: Option<TokenSecret>,
    /// Time since the last use of the token, humantime text; by default never.
    pub used_ago: Option<String>,
    /// Whether it is bound to cluster-admin.
    #[serde(default)]
    pub admin: bool,
}

/// The origin of a token Secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenSecret {
    /// Created by Kubernetes and listed in the account's `.secrets[]`.
    Listed,
    /// Created by a user.
    Manual,
}

impl SceneCluster {
    /// A cluster with defaults for everything but name and region.
    pub fn named(name: String, region: &str) -> Self {
        Self {
            name,
            repeat: one(),
            region: region.to_owned(),
            version: version(),
            expires_in_days: expires(),
            labels: BTreeMap::new(),
            age: age(),
            phase: completed(),
            initiated_ago: None,
            completed_ago: None,
            state: healthy(),
            progress: 0.0,
            pools: Vec::new(),
            idp: false,
            hibernation: None,
            errors: Vec::new(),
            blocked: None,
            workloads: Vec::new(),
            usual_workloads: true,
            service_accounts: Vec::new(),
            certificate_requests: Vec::new(),
            bundle_delay: None,
            drain_timeout: drain_timeout(),
            no_capacity: None,
            clamp: None,
        }
    }
}

macro_rules! defaults {
    ($($name:ident: $type:ty = $value:expr;)*) => {
        $(fn $name() -> $type { $value.into() })*
    };
}

defaults! {
    one: u32 = 1_u32;
    two: u32 = 2_u32;
    three: u32 = 3_u32;
    yes: bool = true;
    default_namespace: String = "default";
    cpu: u32 = 200_u32;
    grace: u32 = 30_u32;
    start: u32 = 20_u32;
    drain_timeout: String = "2h";
    eu01: String = "eu01";
    version: String = "1.33.4";
    expires: i64 = 160_i64;
    age: String = "400d";
    completed: String = "COMPLETED";
    healthy: String = "STATE_HEALTHY";
    machine: String = "g1a.4d";
}

impl Scene {
    /// The built-in fleet.
    pub fn fleet() -> Result<Self, Failure> {
        Self::parse(include_str!("../../assets/scenes/fleet.toml"), "assets/scenes/fleet.toml")
    }

    /// Parses a scene; errors contain file, line and column, or the cluster and its field.
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
                self.check_cluster(cluster).map_err(|problem| {
                    wrong(format!(
                        "{name}: cluster {} of project {}: {problem}",
                        cluster.name, project.name
                    ))
                })?;
            }
        }
        Ok(())
    }

    fn check_cluster(&self, cluster: &SceneCluster) -> Result<(), String> {
        let durations = [
            ("age", Some(&cluster.age)),
            ("initiated_ago", cluster.initiated_ago.as_ref()),
            ("completed_ago", cluster.completed_ago.as_ref()),
            ("clamp", cluster.clamp.as_ref()),
            ("bundle_delay", cluster.bundle_delay.as_ref()),
            ("drain_timeout", Some(&cluster.drain_timeout)),
        ];
        let used = cluster.service_accounts.iter().map(|a| ("used_ago", a.used_ago.as_ref()));
        for (field, text) in durations.into_iter().chain(used) {
            if let Some(text) = text
                && let Err(error) = humantime::parse_duration(text)
            {
                return Err(format!("{field} is \"{text}\": {error}"));
            }
        }
        let is_unknown = |pool: &String| !cluster.pools.iter().any(|known| known.name == *pool);
        if !self.regions.contains(&cluster.region) {
            Err(format!("region {} is not offered", cluster.region))
        } else if cluster.pools.iter().any(|pool| !(1..=9).contains(&pool.zones)) {
            Err("a pool has 1 to 9 zones".to_owned())
        } else if let Some(workload) =
            cluster.workloads.iter().find(|workload| workload.pool.as_ref().is_some_and(is_unknown))
        {
            Err(format!("workload {} names no pool of it", workload.name))
        } else if !(0.0..=1.0).contains(&cluster.progress) {
            Err("progress lies between 0 and 1".to_owned())
        } else {
            Ok(())
        }
    }
}

fn wrong(message: String) -> Failure {
    Failure::new(FailureKind::Format, message).hint("Correct the scene file")
}

#[cfg(test)]
mod tests {
    use crate::simulator::scene::Scene;

    #[test]
    fn the_shipped_fleet_holds_what_the_demo_needs() {
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
