//! Workloads of a cluster: those of the scene, and those in every cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::simulator::cluster::objects::{IntOrPercent, LocalStorage, ObjectKey, OwnerReference};
use crate::simulator::rng::Rng;
use crate::simulator::scene::{SceneCluster, ScenePool, SceneWorkload, WorkloadKind};

/// A controller and its pods.
#[derive(Debug)]
pub struct Workload {
    /// The name is also the value of the label `app` of its pods.
    pub key: ObjectKey,
    pub scene: SceneWorkload,
    pub budgets: Vec<ObjectKey>,
    /// The owner of its new pods.
    pub owner: Option<OwnerReference>,
    /// ReplicaSets of earlier templates, oldest first.
    pub earlier: Vec<OwnerReference>,
    /// Revision of the template.
    pub revision: u32,
    pub pods: BTreeSet<ObjectKey>,
}

impl Workload {
    fn new(scene: SceneWorkload, name: String, rng: &mut Rng) -> Self {
        let key = ObjectKey::new(&*scene.namespace, name);
        let name = &key.name;
        let owner = match scene.kind {
            WorkloadKind::Deployment => {
                Some(("ReplicaSet", format!("{name}-{}", rng.name_suffix(9)).into()))
            }
            WorkloadKind::StatefulSet => Some(("StatefulSet", Arc::clone(name))),
            WorkloadKind::DaemonSet => Some(("DaemonSet", Arc::clone(name))),
            WorkloadKind::Bare => None,
        };
        let owner = owner.map(|(kind, name)| OwnerReference {
            version: "apps/v1",
            kind,
            name,
            uid: rng.uid().into(),
        });
        let has_budget = scene.min_available.is_some() || scene.max_unavailable.is_some();
        let budget = |number: u32| match number {
            1 => key.clone(),
            _ => key.sibling(format!("{name}-{number}")),
        };
        let budgets = (1..=scene.budgets).filter(|_| has_budget).map(budget).collect();
        let (earlier, pods) = (Vec::new(), BTreeSet::new());
        Self { budgets, owner, earlier, revision: 1, pods, scene, key }
    }

    /// After a change of the template: new pods get another revision, and a Deployment another ReplicaSet.
    pub fn begin_revision(&mut self, rng: &mut Rng) {
        self.revision += 1;
        if let Some(owner) = self.owner.as_mut().filter(|owner| owner.kind == "ReplicaSet") {
            self.earlier.push(owner.clone());
            owner.name = format!("{}-{}", self.key.name, rng.name_suffix(9)).into();
            owner.uid = rng.uid().into();
        }
    }
}

/// All workloads of a cluster; `namespace` is for the usual applications.
pub fn all(scene: &SceneCluster, namespace: &str, rng: &mut Rng) -> Vec<Workload> {
    let mut planned = of_platform();
    if scene.usual_workloads {
        planned.extend(usual(&scene.pools, namespace));
    }
    planned.extend(scene.workloads.iter().cloned());
    if let Some([pool, zone, budget]) = &scene.blocked {
        let (namespace, name) = budget.split_once('/').unwrap_or(("default", budget));
        if !planned.iter().any(|w| w.namespace == namespace && w.name == name) {
            planned.push(SceneWorkload {
                replicas: 1,
                pool: Some(pool.clone()),
                zone: Some(zone.clone()),
                min_available: Some(IntOrPercent::Int(1)),
                ..deployment(namespace, name)
            });
        }
    }
    let mut all = Vec::new();
    for workload in &planned {
        for number in 1..=workload.repeat {
            let name = match workload.repeat {
                1 => workload.name.clone(),
                _ => format!("{}-{number}", workload.name),
            };
            all.push(Workload::new(workload.clone(), name, rng));
        }
    }
    all
}

/// A Deployment with two replicas.
fn deployment(namespace: &str, name: &str) -> SceneWorkload {
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
        guards_evictions: false,
        denies_evictions: false,
    }
}

/// The platform's workloads in every cluster.
fn of_platform() -> Vec<SceneWorkload> {
    let system = |name: &str| deployment("kube-system", name);
    let daemon_set = |name: &str| SceneWorkload {
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
        daemon_set("calico-node"),
        daemon_set("csi-driver-node"),
        daemon_set("kube-proxy"),
        guarded("coredns"),
        guarded("metrics-server"),
        SceneWorkload { replicas: 1, cpu: 50, ..system("vpn-shoot") },
    ]
}

/// The usual applications, none of which blocks a drain for long.
fn usual(pools: &[ScenePool], namespace: &str) -> Vec<SceneWorkload> {
    let mut found = Vec::new();
    for pool in pools {
        let here = Some(pool.name.clone());
        found.push(SceneWorkload {
            replicas: pool.nodes.max(1),
            pool: here.clone(),
            max_unavailable: Some(IntOrPercent::Percent("25%".to_owned())),
            ..deployment(namespace, &format!("{}-app", pool.name))
        });
        found.push(SceneWorkload {
            replicas: (pool.nodes / 2).max(1),
            pool: here,
            local: LocalStorage::EmptyDir,
            ..deployment(namespace, &format!("{}-worker", pool.name))
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
            ..deployment(namespace, "store")
        });
    }
    found.push(SceneWorkload {
        kind: WorkloadKind::StatefulSet,
        replicas: 1,
        volume: true,
        ..deployment("monitoring", "prometheus")
    });
    found
}
