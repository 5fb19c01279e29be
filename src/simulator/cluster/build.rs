//! Builds the data plane of a cluster as described by its scene, including all ages.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::credentials::ClusterCredentials;
use crate::simulator::cluster::data_plane::{ClusterSpec, DataPlane, NodeInfo, PoolSpec};
use crate::simulator::cluster::machine_deployment::MachineAction;
use crate::simulator::cluster::objects::{
    LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredObject,
};
use crate::simulator::cluster::task_queue::{BATCHES, Task};
use crate::simulator::cluster::workloads;
use crate::simulator::scene::{
    SceneCluster, ScenePool, SceneServiceAccount, TokenSecret, WorkloadKind,
};
use crate::simulator::speed::{earlier, later, parse_duration};

/// The state of a cluster when its data plane is built.
#[derive(Debug)]
pub struct InitialState<'a> {
    pub scene: &'a SceneCluster,
    pub created: Timestamp,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    pub rolling: bool,
    pub now: Timestamp,
}

impl InitialState<'_> {
    fn is_open(&self) -> bool {
        self.completed < self.initiated
    }

    /// A time some minutes after another, but not in the future.
    pub fn minutes_after(&self, at: Timestamp, minutes: i64) -> Timestamp {
        later(at, SignedDuration::from_mins(minutes)).min(self.now)
    }

    /// When the listed token Secrets of the older generation were created.
    fn listed_since(&self) -> Timestamp {
        match self.initiated {
            Some(initiated) if !self.is_open() => self.minutes_after(initiated, 4),
            _ => self.completed.unwrap_or(self.created),
        }
    }

    /// When users created token Secrets: soon after the last rotation, which invalidated earlier ones.
    fn manual_since(&self) -> Timestamp {
        let day = 24 * 60;
        let since = self.completed.map_or(self.created, |at| self.minutes_after(at, day));
        if self.is_open() { since.min(self.initiated.unwrap_or(since)) } else { since }
    }

    fn bundle_since(&self, early: bool) -> Timestamp {
        match self.initiated {
            Some(initiated) if self.is_open() && !early => self.minutes_after(initiated, 4),
            _ => self.completed.unwrap_or(self.created),
        }
    }
}

/// The immutable properties of a cluster.
pub fn cluster_spec(
    scene: &SceneCluster,
    region: &str,
    shoot_id: &str,
    project_name: &str,
) -> ClusterSpec {
    let for_dns = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let namespace: String = project_name.to_lowercase().chars().map(for_dns).collect();
    let per_zone = |number: u32, pool: &ScenePool| {
        usize::try_from(number.div_ceil(pool.zones.max(1))).unwrap_or(1)
    };
    let pool = |pool: &ScenePool| {
        let maximum = pool.maximum.unwrap_or(pool.nodes.saturating_mul(2));
        let version = pool.kubernetes.as_ref().unwrap_or(&scene.version);
        let spec = PoolSpec {
            version: format!("v{version}").into(),
            machine_type: pool.machine.as_str().into(),
            maximum: per_zone(maximum, pool),
            minimum: per_zone(pool.nodes, pool),
            autoscale: pool.autoscale,
            joins: pool.joins,
        };
        (pool.name.as_str().into(), spec)
    };
    ClusterSpec {
        name: scene.name.as_str().into(),
        region: region.into(),
        version: format!("v{}", scene.version).into(),
        shoot_id: shoot_id.into(),
        namespace: if namespace.is_empty() { "team".into() } else { namespace.into() },
        pools: scene.pools.iter().map(pool).collect(),
        drain_timeout: parse_duration(&scene.drain_timeout)
            .unwrap_or(SignedDuration::from_hours(2)),
    }
}

impl DataPlane {
    /// Creates everything as of `initial.now`.
    pub fn build(&mut self, initial: &InitialState<'_>, credentials: &mut ClusterCredentials) {
        let now = initial.now;
        self.built = true;
        // Before nodes roll, namespaces do not have the new bundle, either.
        let current = credentials.current;
        let early = self.template != current;
        let published = credentials.bundle.clone();
        credentials.bundle.retain(|generation| !early || *generation != current);
        let bundle = credentials.bundle_pem().unwrap_or_default();
        credentials.bundle = published;
        let namespace = Arc::clone(&self.spec.namespace);
        self.workloads = workloads::all(initial.scene, &namespace, &mut self.rng);
        self.build_namespaces(initial, &bundle, initial.bundle_since(early));
        self.create_node_agent_secrets(if self.template <= 1 {
            initial.created
        } else {
            initial.minutes_after(initial.initiated.unwrap_or(initial.created), 5)
        });
        self.build_accounts(initial, credentials, &bundle);
        for user in &initial.scene.certificate_requests {
            self.create_certificate_request(user, credentials, now);
        }
        if initial.is_open() && !early {
            // The control plane part of the rotation is complete.
            for batch in 0..BATCHES {
                self.reencrypt_secrets(batch, current);
            }
        }
        let blocked = self.build_machines(initial);
        for number in 0..self.workloads.len() {
            self.create_controller(number, initial.created);
            self.create_budgets(number, initial.created);
            self.create_webhook(number, initial.created);
            self.build_pods(number, initial, blocked.as_ref());
            self.count_pods(number);
        }
        self.begin_with_head_start(now);
        if self.spec.pools.values().any(|pool| pool.autoscale) {
            let next = self.in_roughly(now, 120);
            self.tasks.add(next, Task::RunAutoscaler);
        }
        self.store.compact();
    }

    /// Creates and drains machines, some of them in the past, so that they do not all join at once.
    fn begin_with_head_start(&mut self, now: Timestamp) {
        if self.hibernated {
            return;
        }
        for index in 0..self.machine_deployments.len() {
            while let Some(action) = self.next_action(index) {
                match action {
                    MachineAction::Create => {
                        let fraction = 0.9 * self.rng.fraction();
                        self.create_machine(index, now, fraction);
                    }
                    MachineAction::Drain(name) => self.begin_drain(&name, now, now),
                }
            }
        }
        self.dirty.machines = true;
        self.settle(now);
    }

    fn build_namespaces(&mut self, initial: &InitialState<'_>, bundle: &str, written: Timestamp) {
        let created = initial.created;
        let system = ["default", "kube-node-lease", "kube-public", "kube-system"].map(Arc::from);
        let of_workloads = self.workloads.iter().map(|w| Arc::clone(&w.key.namespace));
        let of_accounts =
            initial.scene.service_accounts.iter().map(|a| a.namespace.as_str().into());
        let names: Vec<Arc<str>> =
            system.into_iter().chain(of_workloads).chain(of_accounts).collect();
        for name in names {
            self.create_namespace(&name, bundle, created, written);
        }
        let data: BTreeMap<String, String> = [
            ("kubernetesVersion", &self.spec.version),
            ("shootName", &self.spec.name),
            ("region", &self.spec.region),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_string()))
        .into();
        let mut meta = self.new_meta(ObjectKey::new("kube-system", "shoot-info"), created);
        meta.written = Some(created);
        self.store.put(StoredObject { meta, body: ObjectBody::ConfigMap(data) });
    }

    fn build_accounts(
        &mut self,
        initial: &InitialState<'_>,
        credentials: &mut ClusterCredentials,
        bundle: &str,
    ) {
        let created = initial.created;
        let namespace = self.spec.namespace.to_string();
        let mut accounts = initial.scene.service_accounts.clone();
        if initial.scene.usual_workloads {
            let usual = |namespace: &str, name: &str, token, used: &str| SceneServiceAccount {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                token: Some(token),
                used_ago: Some(used.to_owned()),
                admin: false,
            };
            accounts.push(SceneServiceAccount {
                admin: true,
                ..usual(&namespace, "deployer", TokenSecret::Manual, "7h")
            });
            accounts.push(usual("monitoring", "prometheus", TokenSecret::Listed, "9d"));
            for name in ["database", "registry", "tls"] {
                self.create_secret(&namespace, name, "Opaque", created);
            }
            for number in 1..=6 {
                let name = format!("sh.helm.release.v1.prometheus.v{number}");
                self.create_secret("monitoring", &name, "helm.sh/release.v1", created);
            }
        }
        // The older key signs these tokens.
        let (signing, oldest) = (credentials.signing, credentials.accepted.last().copied());
        let oldest = oldest.unwrap_or(signing);
        credentials.signing = oldest;
        for account in &accounts {
            let key = ObjectKey::new(&*account.namespace, &*account.name);
            if self.store.get(ObjectKind::ServiceAccount, &key).is_none() {
                self.create_account(&key, created);
            }
            if account.admin {
                let name = format!("system:serviceaccount:{}:{}", key.namespace, key.name);
                self.admins.insert(name);
            }
            let Some(token) = account.token else { continue };
            let listed = token == TokenSecret::Listed;
            let since = if listed { initial.listed_since() } else { initial.manual_since() };
            let secret = self.create_token_secret(&key, listed, credentials, bundle, since);
            let used = account.used_ago.as_deref().and_then(parse_duration);
            if let (Some(secret), Some(used)) = (secret, used) {
                self.mark_used(&secret, earlier(initial.now, used));
            }
        }
        credentials.signing = signing;
        if signing != oldest {
            let at = initial.minutes_after(initial.initiated.unwrap_or(created), 4);
            self.renew_tokens(credentials, bundle, at);
        }
    }

    fn build_pods(
        &mut self,
        number: usize,
        initial: &InitialState<'_>,
        blocked: Option<&Arc<str>>,
    ) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (kind, cpu, own) = (workload.scene.kind, workload.scene.cpu, workload.key.clone());
        let replicas = usize::try_from(workload.scene.replicas).unwrap_or(0);
        let blocks =
            initial.scene.blocked.as_ref().is_some_and(|[_, _, budget]| *budget == own.to_string());
        let daemon = kind == WorkloadKind::DaemonSet;
        let fits_here = |node: &NodeInfo| {
            workload.scene.pool.as_ref().is_none_or(|pool| **pool == *node.pool)
                && workload.scene.zone.as_ref().is_none_or(|zone| **zone == *node.zone)
                && (daemon || node.schedulable)
        };
        let nodes = self.nodes.iter().filter(|(_, node)| fits_here(node));
        let mut nodes: Vec<Arc<str>> = nodes.map(|(name, _)| Arc::clone(name)).collect();
        if blocks {
            // It runs where the roll starts.
            nodes.sort_by_key(|name| {
                self.machine(name).map(|m| (m.template == self.template, m.created))
            });
            nodes.splice(0..0, blocked.cloned());
        } else if !daemon && !nodes.is_empty() {
            let count = nodes.len();
            nodes.rotate_left((number * 5) % count);
        }
        let wanted = match kind {
            WorkloadKind::DaemonSet => nodes.len(),
            WorkloadKind::Bare => 1,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => replicas,
        };
        let mut turn = nodes.iter().cycle();
        for ordinal in 0..wanted {
            let fits = |name: &&Arc<str>| {
                let node = self.nodes.get(*name);
                daemon || node.is_some_and(|node| node.requested_cpu + cpu <= node.cpu)
            };
            let node = turn.by_ref().take(nodes.len()).find(fits).cloned();
            let name = (kind == WorkloadKind::StatefulSet)
                .then(|| format!("{}-{ordinal}", own.name).into());
            self.build_pod(number, name, node.as_ref(), initial);
        }
        self.dirty.workloads.remove(&number);
    }

    /// Creates a pod that has run for a while, or is pending if no node fits.
    fn build_pod(
        &mut self,
        number: usize,
        name: Option<Arc<str>>,
        node: Option<&Arc<str>>,
        initial: &InitialState<'_>,
    ) {
        let stored = node.and_then(|node| {
            self.store.get(ObjectKind::Node, &ObjectKey::global(Arc::clone(node)))
        });
        let since = stored.map_or(initial.now, |node| node.meta.created);
        let wait = i64::try_from(20 + self.rng.below(60)).unwrap_or(20);
        let since = later(since, SignedDuration::from_secs(wait)).min(initial.now);
        let key = self.create_pod(number, name, since);
        let Some(node) = node else { return };
        self.bind(&key, node, since);
        self.store.edit_pod(&key, |pod| {
            pod.started = Some(since);
            pod.ready = (true, since);
        });
        let Some(pod) = self.store.pod(&key) else { return };
        let (claims, local) =
            (pod.claims.clone(), pod.local_storage == LocalStorage::PersistentVolume);
        let zone = self.nodes.get(node).map_or_else(|| "".into(), |node| Arc::clone(&node.zone));
        for claim in claims {
            let local_node = local.then_some(node);
            let volume = self.create_volume(&key, &claim, &zone, local_node, initial.created);
            if !local {
                self.create_attachment(&volume, node, true, since);
            }
        }
    }
}
