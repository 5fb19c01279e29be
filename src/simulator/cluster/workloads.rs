//! What runs in a cluster: the controllers that make pods, from the scene and from what runs everywhere.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::simulator::cluster::objects::{
    IntOrPercent, LocalStorage, ObjectKey, OwnerReference, Text,
};
use crate::simulator::rng::Rng;
use crate::simulator::scene::{SceneCluster, ScenePool, SceneWorkload, WorkloadKind};

/// A controller and its pods.
#[derive(Debug)]
pub struct Workload {
    pub namespace: Text,
    /// Name; also the value of its pods' label `app`.
    pub name: Text,
    pub kind: WorkloadKind,
    /// Pods that it wants.
    pub replicas: u32,
    /// Pool in which they run.
    pub pool: Option<Text>,
    /// Zone in which they are at the beginning.
    pub zone: Option<Text>,
    /// Millicores of each pod.
    pub cpu: u32,
    /// `terminationGracePeriodSeconds`.
    pub grace: i64,
    /// From being placed to being ready.
    pub start: SignedDuration,
    /// Whether each pod has a volume of its own.
    pub volume: bool,
    /// Data that stays on the node.
    pub local: LocalStorage,
    /// What keeps deleted pods.
    pub finalizer: Option<String>,
    /// Whether moved pods become ready again.
    pub recovers: bool,
    /// Whether volumes can be detached.
    pub detaches: bool,
    /// `minAvailable` of its budgets.
    pub min_available: Option<IntOrPercent>,
    /// `maxUnavailable` of its budgets.
    pub max_unavailable: Option<IntOrPercent>,
    /// Whether it answers for a webhook that must agree to new nodes.
    pub guards_nodes: bool,
    /// Its `PodDisruptionBudget`s.
    pub budgets: Vec<ObjectKey>,
    /// What pods name as their controller.
    pub owner: Option<OwnerReference>,
    /// Its pods, those that are being deleted too.
    pub pods: BTreeSet<ObjectKey>,
}

impl Workload {
    fn new(scene: &SceneWorkload, name: &str, rng: &mut Rng) -> Self {
        let (version, kind, owner) = match scene.kind {
            WorkloadKind::Deployment => {
                ("apps/v1", "ReplicaSet", format!("{name}-{}", rng.name_suffix(9)))
            }
            WorkloadKind::StatefulSet => ("apps/v1", "StatefulSet", name.to_owned()),
            WorkloadKind::DaemonSet => ("apps/v1", "DaemonSet", name.to_owned()),
            WorkloadKind::Bare => ("", "", String::new()),
        };
        let owner = (scene.kind != WorkloadKind::Bare).then(|| OwnerReference {
            version,
            kind,
            name: owner.into(),
            uid: rng.uid().into(),
        });
        let budgets = if scene.min_available.is_some() || scene.max_unavailable.is_some() {
            (0..scene.budgets)
                .map(|number| match number {
                    0 => ObjectKey::new(&scene.namespace, name),
                    other => ObjectKey::new(&scene.namespace, &format!("{name}-{}", other + 1)),
                })
                .collect()
        } else {
            Vec::new()
        };
        let text = |text: &Option<String>| text.as_deref().map(Text::from);
        Self {
            namespace: scene.namespace.as_str().into(),
            name: name.into(),
            kind: scene.kind,
            replicas: scene.replicas,
            pool: text(&scene.pool),
            zone: text(&scene.zone),
            cpu: scene.cpu,
            grace: i64::from(scene.grace),
            start: SignedDuration::from_secs(i64::from(scene.start)),
            volume: scene.volume,
            local: scene.local,
            finalizer: scene.finalizer.clone(),
            recovers: scene.recovers,
            detaches: scene.detaches,
            guards_nodes: scene.guards_nodes,
            min_available: scene.min_available.clone(),
            max_unavailable: scene.max_unavailable.clone(),
            budgets,
            owner,
            pods: BTreeSet::new(),
        }
    }
}

/// Everything that runs in a cluster of a scene.
pub fn all(scene: &SceneCluster, team: &str, rng: &mut Rng) -> Vec<Workload> {
    let mut planned = everywhere();
    if scene.usual_workloads {
        planned.extend(usual(&scene.pools, team));
    }
    planned.extend(scene.workloads.iter().cloned());
    if let Some([pool, zone, budget]) = &scene.blocked {
        let (namespace, name) = budget.split_once('/').unwrap_or(("default", budget));
        let is_there = |w: &&SceneWorkload| w.namespace == namespace && w.name == name;
        if !planned.iter().any(|workload| is_there(&workload)) {
            planned.push(SceneWorkload {
                replicas: 1,
                pool: Some(pool.clone()),
                zone: Some(zone.clone()),
                min_available: Some(IntOrPercent::Int(1)),
                ..plain(namespace, name)
            });
        }
    }
    let mut made = Vec::new();
    for workload in &planned {
        for number in 1..=workload.repeat {
            let name = match workload.repeat {
                1 => workload.name.clone(),
                _ => format!("{}-{number}", workload.name),
            };
            made.push(Workload::new(workload, &name, rng));
        }
    }
    made
}

fn plain(namespace: &str, name: &str) -> SceneWorkload {
    SceneWorkload {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        repeat: 1,
        kind: WorkloadKind::Deployment,
        replicas: 2,
        pool: None,
        zone: None,
        min_available: None,
        max_unavailable: None,
        budgets: 1,
        cpu: 200,
        volume: false,
        local: LocalStorage::None,
        grace: 30,
        start: 20,
        finalizer: None,
        recovers: true,
        detaches: true,
        guards_nodes: false,
    }
}

/// What the platform itself runs in every cluster.
fn everywhere() -> Vec<SceneWorkload> {
    let system = |name: &str| plain("kube-system", name);
    let everywhere = |name: &str| SceneWorkload {
        kind: WorkloadKind::DaemonSet,
        cpu: 20,
        local: LocalStorage::HostPath,
        ..system(name)
    };
    let guarded = |name: &str| SceneWorkload {
        max_unavailable: Some(IntOrPercent::Int(1)),
        cpu: 50,
        ..system(name)
    };
    vec![
        everywhere("calico-node"),
        everywhere("csi-driver-node"),
        everywhere("kube-proxy"),
        guarded("coredns"),
        guarded("metrics-server"),
        SceneWorkload { replicas: 1, cpu: 50, ..system("vpn-shoot") },
    ]
}

/// What a team runs, if the scene does not say otherwise: nothing of it holds up a drain for long.
fn usual(pools: &[ScenePool], team: &str) -> Vec<SceneWorkload> {
    let mut found = Vec::new();
    for pool in pools {
        let here = Some(pool.name.clone());
        found.push(SceneWorkload {
            replicas: pool.nodes.max(1),
            pool: here.clone(),
            max_unavailable: Some(IntOrPercent::Percent("25%".to_owned())),
            ..plain(team, &format!("{}-app", pool.name))
        });
        found.push(SceneWorkload {
            replicas: (pool.nodes / 2).max(1),
            pool: here,
            local: LocalStorage::EmptyDir,
            ..plain(team, &format!("{}-worker", pool.name))
        });
    }
    if let Some(first) = pools.first().filter(|first| first.nodes >= 3) {
        found.push(SceneWorkload {
            kind: WorkloadKind::StatefulSet,
            replicas: 3,
            pool: Some(first.name.clone()),
            max_unavailable: Some(IntOrPercent::Int(1)),
            volume: true,
            grace: 60,
            ..plain(team, "store")
        });
    }
    found.push(SceneWorkload {
        kind: WorkloadKind::StatefulSet,
        replicas: 1,
        volume: true,
        ..plain("monitoring", "prometheus")
    });
    found
}
