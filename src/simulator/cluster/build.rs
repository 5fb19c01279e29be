//! Builds the inside of a cluster as a scene describes it, with everything as old as it says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::credentials::ClusterCredentials;
use crate::simulator::cluster::data_plane::{ClusterSpec, DataPlane, PoolSpec, text};
use crate::simulator::cluster::objects::{
    LocalStorage, ObjectBody, ObjectKey, ObjectKind, StoredObject, Text,
};
use crate::simulator::cluster::secrets::LAST_USED;
use crate::simulator::cluster::task_queue::Task;
use crate::simulator::cluster::workloads;
use crate::simulator::machine_deployment::MachineAction;
use crate::simulator::scene::{
    SceneCluster, ScenePool, SceneServiceAccount, TokenSecret, WorkloadKind,
};

/// Where a cluster stands when it is built.
#[derive(Debug)]
pub struct InitialState<'a> {
    pub scene: &'a SceneCluster,
    pub created: Timestamp,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    /// Whether nodes are being replaced.
    pub rolling: bool,
    pub now: Timestamp,
}

impl InitialState<'_> {
    /// Whether a rotation was started and not completed.
    fn is_open(&self) -> bool {
        self.completed < self.initiated
    }

    /// A moment so many minutes after one, but not in the future.
    fn after(&self, at: Timestamp, minutes: i64) -> Timestamp {
        at.saturating_add(SignedDuration::from_mins(minutes)).unwrap_or(at).min(self.now)
    }

    /// When the listed token Secrets were made that a rotation did not make beside them.
    fn listed_since(&self) -> Timestamp {
        match self.initiated {
            Some(initiated) if !self.is_open() => self.after(initiated, 4),
            _ => self.completed.unwrap_or(self.created),
        }
    }

    /// When somebody made token Secrets by hand: soon after the last rotation, which ended those before.
    fn made_by_hand(&self) -> Timestamp {
        let made = self.completed.map_or(self.created, |completed| self.after(completed, 24 * 60));
        if self.is_open() { made.min(self.initiated.unwrap_or(made)) } else { made }
    }

    /// When the bundle was written last that is in every namespace.
    fn bundle_since(&self, early: bool) -> Timestamp {
        match self.initiated {
            Some(initiated) if self.is_open() && !early => self.after(initiated, 4),
            _ => self.completed.unwrap_or(self.created),
        }
    }
}

/// What does not change about a cluster.
pub fn cluster_spec(scene: &SceneCluster, region: &str, shoot: &str, team: &str) -> ClusterSpec {
    let team: String = team
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let each = |number: u32, pool: &ScenePool| {
        usize::try_from(number.div_ceil(pool.zones.max(1))).unwrap_or(1)
    };
    let pool = |pool: &ScenePool| {
        let most = pool.maximum.unwrap_or(pool.nodes.saturating_mul(2));
        let about = PoolSpec {
            machine: pool.machine.as_str().into(),
            most: each(most, pool),
            least: each(pool.nodes, pool),
            autoscale: pool.autoscale,
            joins: pool.joins,
        };
        (Text::from(pool.name.as_str()), about)
    };
    let timeout = humantime::parse_duration(&scene.drain_timeout).ok();
    ClusterSpec {
        name: scene.name.as_str().into(),
        region: region.into(),
        version: format!("v{}", scene.version).into(),
        shoot: shoot.into(),
        team: if team.is_empty() { text("team") } else { team.into() },
        pools: scene.pools.iter().map(pool).collect(),
        drain_timeout: timeout
            .and_then(|timeout| SignedDuration::try_from(timeout).ok())
            .unwrap_or(SignedDuration::from_hours(2)),
    }
}

impl DataPlane {
    /// Makes everything as it is at the moment of `standing.now`.
    pub fn build(&mut self, initial: &InitialState<'_>, credentials: &mut ClusterCredentials) {
        let now = initial.now;
        self.built = true;
        // Nodes that have not begun to roll are in namespaces that do not have the new bundle either.
        let early = self.template != credentials.current;
        let current = credentials.current;
        let published = credentials.bundle.clone();
        credentials.bundle.retain(|generation| !early || *generation != current);
        let bundle = credentials.bundle_pem().unwrap_or_default();
        credentials.bundle = published;
        self.workloads = workloads::all(initial.scene, &self.spec.team, &mut self.rng);
        self.build_namespaces(initial, &bundle, initial.bundle_since(early));
        self.create_node_agent_secrets(if self.template <= 1 {
            initial.created
        } else {
            let begun = initial.initiated.unwrap_or(initial.created);
            begun.saturating_add(SignedDuration::from_mins(5)).unwrap_or(begun).min(now)
        });
        self.build_accounts(initial, credentials, &bundle);
        if initial.initiated.is_some() && self.template == credentials.current {
            // The control plane has been through its part of the rotation.
            let open = initial.completed < initial.initiated;
            for number in 0..super::task_queue::PARTS {
                if open {
                    self.reencrypt_secrets(number, credentials.current);
                }
            }
        }
        let stuck = self.build_machines(initial);
        for number in 0..self.workloads.len() {
            self.make_controller(number, initial.created);
            self.make_budgets(number, initial.created);
            self.make_webhook(number, initial.created);
            self.build_pods(number, initial, stuck.as_ref());
            self.count_pods(number);
        }
        self.begin_with_head_start(now);
        if self.spec.pools.values().any(|pool| pool.autoscale) {
            let next = self.in_about(now, 120);
            self.tasks.add(next, Task::Autoscale);
        }
        self.store.compact();
    }

    /// Begins what the limits allow, some of it a while ago, so that not all nodes come at once.
    fn begin_with_head_start(&mut self, now: Timestamp) {
        if self.hibernated {
            return;
        }
        for index in 0..self.machine_deployments.len() {
            while let Some(decision) =
                self.machine_deployments.get(index).and_then(|zone| zone.next_action(self.template))
            {
                match decision {
                    MachineAction::Create => {
                        let share = 0.9 * self.rng.fraction();
                        self.create_machine(index, now, share);
                    }
                    MachineAction::Drain(name) => self.begin_drain(&name, now),
                }
            }
        }
        self.dirty.machines = true;
        self.settle(now);
    }

    fn build_namespaces(&mut self, initial: &InitialState<'_>, bundle: &str, written: Timestamp) {
        let created = initial.created;
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            self.make_namespace(name, bundle, created, written);
        }
        let mut names: Vec<Text> =
            self.workloads.iter().map(|workload| Text::clone(&workload.namespace)).collect();
        names.extend(initial.scene.service_accounts.iter().map(|a| text(&a.namespace)));
        for name in names {
            self.make_namespace(&name, bundle, created, written);
        }
        let data: BTreeMap<String, String> = [
            ("kubernetesVersion", &self.spec.version),
            ("shootName", &self.spec.name),
            ("region", &self.spec.region),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_string()))
        .into();
        let mut meta = self.meta(ObjectKey::new("kube-system", "shoot-info"), created);
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
        let team = self.spec.team.to_string();
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
                ..usual(&team, "deployer", TokenSecret::Manual, "7h")
            });
            accounts.push(usual("monitoring", "prometheus", TokenSecret::Listed, "9d"));
            for name in ["database", "registry", "tls"] {
                self.make_secret(&team, name, "Opaque", created);
            }
            for number in 1..=6 {
                let name = format!("sh.helm.release.v1.prometheus.v{number}");
                self.make_secret("monitoring", &name, "helm.sh/release.v1", created);
            }
        }
        // The old key signed these, so that they are as old as the cluster says.
        let (signing, old) = (credentials.signing, credentials.keys.last().copied());
        credentials.signing = old.unwrap_or(signing);
        for account in &accounts {
            let key = ObjectKey::new(&account.namespace, &account.name);
            if self.store.get(ObjectKind::ServiceAccount, &key).is_none() {
                self.make_account(&key, created);
            }
            if account.admin {
                let name = format!("system:serviceaccount:{}:{}", key.namespace, key.name);
                self.admins.insert(name);
            }
            let Some(token) = account.token else { continue };
            let listed = token == TokenSecret::Listed;
            let since = if listed { initial.listed_since() } else { initial.made_by_hand() };
            let secret = self.make_token(&key, listed, credentials, bundle, since);
            let used = account
                .used_ago
                .as_deref()
                .and_then(|text| humantime::parse_duration(text).ok())
                .and_then(|ago| initial.now.saturating_sub(ago).ok());
            if let (Some(secret), Some(used)) = (secret, used) {
                let day = used.strftime("%Y-%m-%d").to_string();
                self.store.edit(ObjectKind::Secret, &secret, |object| {
                    object.meta.labels.insert(LAST_USED.into(), day.as_str().into());
                });
            }
        }
        credentials.signing = signing;
        if credentials.keys.len() > 1
            && signing != credentials.keys.last().copied().unwrap_or(signing)
        {
            let begun = initial.initiated.unwrap_or(created);
            let at = begun.saturating_add(SignedDuration::from_mins(4)).unwrap_or(begun);
            self.renew_tokens(credentials, bundle, at.min(initial.now));
        }
    }

    /// Pods of a workload where they are; the pod that holds up a drain is on the node that drains.
    fn build_pods(&mut self, number: usize, initial: &InitialState<'_>, stuck: Option<&Text>) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (pool, zone) = (workload.pool.clone(), workload.zone.clone());
        let (kind, cpu, local) = (workload.kind, workload.cpu, workload.local);
        let blocking = initial.scene.blocked.as_ref().is_some_and(|[_, _, budget]| {
            *budget == format!("{}/{}", workload.namespace, workload.name)
        });
        let here = |host: &crate::simulator::cluster::data_plane::NodeInfo| {
            pool.as_ref().is_none_or(|pool| *pool == host.pool)
                && zone.as_ref().is_none_or(|zone| *zone == host.zone)
        };
        let daemon = kind == WorkloadKind::DaemonSet;
        let mut nodes: Vec<Text> = self
            .nodes
            .iter()
            .filter(|(_, host)| here(host) && (daemon || host.open))
            .map(|(name, _)| Text::clone(name))
            .collect();
        if blocking {
            // It sits where a roll begins.
            nodes.sort_by_key(|name| {
                let machine = self.machine(name);
                machine.map(|m| (m.template == self.template, m.created))
            });
            if let Some(stuck) = stuck {
                nodes.insert(0, Text::clone(stuck));
            }
        } else if !daemon && !nodes.is_empty() {
            let count = nodes.len();
            nodes.rotate_left((number * 5) % count);
        }
        let wanted = match kind {
            WorkloadKind::DaemonSet => nodes.len(),
            WorkloadKind::Bare => 1,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
                usize::try_from(self.workloads.get(number).map_or(0, |w| w.replicas)).unwrap_or(0)
            }
        };
        let mut turn = nodes.iter().cycle();
        for ordinal in 0..wanted {
            let fits = |name: &Text| {
                daemon || self.nodes.get(name).is_some_and(|h| h.cpu.1 + cpu <= h.cpu.0)
            };
            let host = turn.by_ref().take(nodes.len()).find(|name| fits(name)).cloned();
            let name = (kind == WorkloadKind::StatefulSet)
                .then(|| self.workloads.get(number).map(|w| format!("{}-{ordinal}", w.name)))
                .flatten();
            self.settled_pod(number, name, host.as_ref(), local, initial);
        }
        self.dirty.workloads.remove(&number);
    }

    /// A pod that has run for a while, or waits if there is no place for it.
    fn settled_pod(
        &mut self,
        number: usize,
        name: Option<String>,
        host: Option<&Text>,
        local: LocalStorage,
        initial: &InitialState<'_>,
    ) {
        let since = host
            .and_then(|host| self.store.get(ObjectKind::Node, &ObjectKey::global(host)))
            .map_or(initial.now, |node| node.meta.created);
        let wait = SignedDuration::from_secs(i64::try_from(20 + self.rng.below(60)).unwrap_or(20));
        let since = since.saturating_add(wait).unwrap_or(since).min(initial.now);
        let key = self.new_pod(number, name.map(Text::from), None, since);
        let Some(host) = host else { return };
        self.bind(&key, host, since);
        let zone = self.nodes.get(host).map_or_else(|| text(""), |host| Text::clone(&host.zone));
        let mut claims = Vec::new();
        self.store.edit(ObjectKind::Pod, &key, |object| {
            if let ObjectBody::Pod(pod) = &mut object.body {
                pod.started = Some(since);
                pod.ready = (true, since);
                claims.clone_from(&pod.claims);
            }
        });
        for claim in claims {
            let node = (local == LocalStorage::PersistentVolume).then_some(host);
            self.make_volume(&key, &claim, &zone, node, initial.created);
            let claim = ObjectKey { namespace: Text::clone(&key.namespace), name: claim };
            let volume =
                self.store.get(ObjectKind::PersistentVolumeClaim, &claim).and_then(|object| {
                    if let ObjectBody::PersistentVolumeClaim(volume) = &object.body {
                        Some(Text::clone(volume))
                    } else {
                        None
                    }
                });
            if let Some(volume) = volume.filter(|_| node.is_none()) {
                self.new_attachment(&volume, host, true, since);
            }
        }
    }
}
