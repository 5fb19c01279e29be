//! Builds the inside of a cluster as a scene describes it, with everything as old as it says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::simulator::cluster::agenda::Task;
use crate::simulator::cluster::credentials::Credentials;
use crate::simulator::cluster::interior::{About, Interior, PoolAbout, text};
use crate::simulator::cluster::objects::{Body, Key, Kind, Local, Object, Text};
use crate::simulator::cluster::secrets::LAST_USED;
use crate::simulator::cluster::workloads;
use crate::simulator::roll::Decision;
use crate::simulator::scene::{
    SceneCluster, ScenePool, SceneServiceAccount, TokenSecret, WorkloadKind,
};

/// Where a cluster stands when it is built.
#[derive(Debug)]
pub struct Standing<'a> {
    pub scene: &'a SceneCluster,
    pub created: Timestamp,
    pub initiated: Option<Timestamp>,
    pub completed: Option<Timestamp>,
    /// Whether nodes are being replaced.
    pub rolling: bool,
    pub now: Timestamp,
}

impl Standing<'_> {
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
pub fn about(scene: &SceneCluster, region: &str, shoot: &str, team: &str) -> About {
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
        let about = PoolAbout {
            machine: pool.machine.as_str().into(),
            most: each(most, pool),
            least: each(pool.nodes, pool),
            autoscale: pool.autoscale,
            joins: pool.joins,
        };
        (Text::from(pool.name.as_str()), about)
    };
    let timeout = humantime::parse_duration(&scene.drain_timeout).ok();
    About {
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

impl Interior {
    /// Makes everything as it is at the moment of `standing.now`.
    pub fn build(&mut self, standing: &Standing<'_>, credentials: &mut Credentials) {
        let now = standing.now;
        self.built = true;
        // Nodes that have not begun to roll are in namespaces that do not have the new bundle either.
        let early = self.template != credentials.current;
        let current = credentials.current;
        let published = credentials.bundle.clone();
        credentials.bundle.retain(|generation| !early || *generation != current);
        let bundle = credentials.bundle_pem().unwrap_or_default();
        credentials.bundle = published;
        self.workloads = workloads::all(standing.scene, &self.about.team, &mut self.dice);
        self.build_namespaces(standing, &bundle, standing.bundle_since(early));
        self.make_templates(if self.template <= 1 {
            standing.created
        } else {
            let begun = standing.initiated.unwrap_or(standing.created);
            begun.saturating_add(SignedDuration::from_mins(5)).unwrap_or(begun).min(now)
        });
        self.build_accounts(standing, credentials, &bundle);
        if standing.initiated.is_some() && self.template == credentials.current {
            // The control plane has been through its part of the rotation.
            let open = standing.completed < standing.initiated;
            for number in 0..super::agenda::PARTS {
                if open {
                    self.reencrypt(number, credentials.current);
                }
            }
        }
        let stuck = self.build_zones(standing);
        for number in 0..self.workloads.len() {
            self.make_controller(number, standing.created);
            self.make_budgets(number, standing.created);
            self.make_webhook(number, standing.created);
            self.build_pods(number, standing, stuck.as_ref());
            self.count_pods(number);
        }
        self.begin_with_head_start(now);
        if self.about.pools.values().any(|pool| pool.autoscale) {
            let next = self.in_about(now, 120);
            self.agenda.add(next, Task::Autoscale);
        }
        self.store.compact();
    }

    /// Begins what the limits allow, some of it a while ago, so that not all nodes come at once.
    fn begin_with_head_start(&mut self, now: Timestamp) {
        if self.asleep {
            return;
        }
        for index in 0..self.zones.len() {
            while let Some(decision) =
                self.zones.get(index).and_then(|zone| zone.decide(self.template))
            {
                match decision {
                    Decision::Create => {
                        let share = 0.9 * self.dice.share();
                        self.create_machine(index, now, share);
                    }
                    Decision::Drain(name) => self.begin_drain(&name, now),
                }
            }
        }
        self.stir.zones = true;
        self.settle(now);
    }

    fn build_namespaces(&mut self, standing: &Standing<'_>, bundle: &str, written: Timestamp) {
        let created = standing.created;
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            self.make_namespace(name, bundle, created, written);
        }
        let mut names: Vec<Text> =
            self.workloads.iter().map(|workload| Text::clone(&workload.namespace)).collect();
        names.extend(standing.scene.service_accounts.iter().map(|a| text(&a.namespace)));
        for name in names {
            self.make_namespace(&name, bundle, created, written);
        }
        let data: BTreeMap<String, String> = [
            ("kubernetesVersion", &self.about.version),
            ("shootName", &self.about.name),
            ("region", &self.about.region),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_string()))
        .into();
        let mut meta = self.meta(Key::new("kube-system", "shoot-info"), created);
        meta.written = Some(created);
        self.store.put(Object { meta, body: Body::ConfigMap(data) });
    }

    fn build_accounts(
        &mut self,
        standing: &Standing<'_>,
        credentials: &mut Credentials,
        bundle: &str,
    ) {
        let created = standing.created;
        let team = self.about.team.to_string();
        let mut accounts = standing.scene.service_accounts.clone();
        if standing.scene.usual_workloads {
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
            let key = Key::new(&account.namespace, &account.name);
            if self.store.get(Kind::ServiceAccount, &key).is_none() {
                self.make_account(&key, created);
            }
            if account.admin {
                let name = format!("system:serviceaccount:{}:{}", key.namespace, key.name);
                self.admins.insert(name);
            }
            let Some(token) = account.token else { continue };
            let listed = token == TokenSecret::Listed;
            let since = if listed { standing.listed_since() } else { standing.made_by_hand() };
            let secret = self.make_token(&key, listed, credentials, bundle, since);
            let used = account
                .used_ago
                .as_deref()
                .and_then(|text| humantime::parse_duration(text).ok())
                .and_then(|ago| standing.now.saturating_sub(ago).ok());
            if let (Some(secret), Some(used)) = (secret, used) {
                let day = used.strftime("%Y-%m-%d").to_string();
                self.store.edit(Kind::Secret, &secret, |object| {
                    object.meta.labels.insert(LAST_USED.into(), day.as_str().into());
                });
            }
        }
        credentials.signing = signing;
        if credentials.keys.len() > 1
            && signing != credentials.keys.last().copied().unwrap_or(signing)
        {
            let begun = standing.initiated.unwrap_or(created);
            let at = begun.saturating_add(SignedDuration::from_mins(4)).unwrap_or(begun);
            self.renew_tokens(credentials, bundle, at.min(standing.now));
        }
    }

    /// Pods of a workload where they are; the pod that holds up a drain is on the node that drains.
    fn build_pods(&mut self, number: usize, standing: &Standing<'_>, stuck: Option<&Text>) {
        let Some(workload) = self.workloads.get(number) else { return };
        let (pool, zone) = (workload.pool.clone(), workload.zone.clone());
        let (kind, cpu, local) = (workload.kind, workload.cpu, workload.local);
        let blocking = standing.scene.blocked.as_ref().is_some_and(|[_, _, budget]| {
            *budget == format!("{}/{}", workload.namespace, workload.name)
        });
        let here = |host: &crate::simulator::cluster::interior::Host| {
            pool.as_ref().is_none_or(|pool| *pool == host.pool)
                && zone.as_ref().is_none_or(|zone| *zone == host.zone)
        };
        let daemon = kind == WorkloadKind::DaemonSet;
        let mut hosts: Vec<Text> = self
            .hosts
            .iter()
            .filter(|(_, host)| here(host) && (daemon || host.open))
            .map(|(name, _)| Text::clone(name))
            .collect();
        if blocking {
            // It sits where a roll begins.
            hosts.sort_by_key(|name| {
                let machine = self.machine(name);
                machine.map(|m| (m.template == self.template, m.created))
            });
            if let Some(stuck) = stuck {
                hosts.insert(0, Text::clone(stuck));
            }
        } else if !daemon && !hosts.is_empty() {
            let count = hosts.len();
            hosts.rotate_left((number * 5) % count);
        }
        let wanted = match kind {
            WorkloadKind::DaemonSet => hosts.len(),
            WorkloadKind::Bare => 1,
            WorkloadKind::Deployment | WorkloadKind::StatefulSet => {
                usize::try_from(self.workloads.get(number).map_or(0, |w| w.replicas)).unwrap_or(0)
            }
        };
        let mut turn = hosts.iter().cycle();
        for ordinal in 0..wanted {
            let fits = |name: &Text| {
                daemon || self.hosts.get(name).is_some_and(|h| h.cpu.1 + cpu <= h.cpu.0)
            };
            let host = turn.by_ref().take(hosts.len()).find(|name| fits(name)).cloned();
            let name = (kind == WorkloadKind::StatefulSet)
                .then(|| self.workloads.get(number).map(|w| format!("{}-{ordinal}", w.name)))
                .flatten();
            self.settled_pod(number, name, host.as_ref(), local, standing);
        }
        self.stir.workloads.remove(&number);
    }

    /// A pod that has run for a while, or waits if there is no place for it.
    fn settled_pod(
        &mut self,
        number: usize,
        name: Option<String>,
        host: Option<&Text>,
        local: Local,
        standing: &Standing<'_>,
    ) {
        let since = host
            .and_then(|host| self.store.get(Kind::Node, &Key::global(host)))
            .map_or(standing.now, |node| node.meta.created);
        let wait = SignedDuration::from_secs(i64::try_from(20 + self.dice.below(60)).unwrap_or(20));
        let since = since.saturating_add(wait).unwrap_or(since).min(standing.now);
        let key = self.new_pod(number, name.map(Text::from), None, since);
        let Some(host) = host else { return };
        self.bind(&key, host, since);
        let zone = self.hosts.get(host).map_or_else(|| text(""), |host| Text::clone(&host.zone));
        let mut claims = Vec::new();
        self.store.edit(Kind::Pod, &key, |object| {
            if let Body::Pod(pod) = &mut object.body {
                pod.started = Some(since);
                pod.ready = (true, since);
                claims.clone_from(&pod.claims);
            }
        });
        for claim in claims {
            let node = (local == Local::OwnDisk).then_some(host);
            self.make_volume(&key, &claim, &zone, node, standing.created);
            let claim = Key { namespace: Text::clone(&key.namespace), name: claim };
            let volume = self.store.get(Kind::Claim, &claim).and_then(|object| {
                if let Body::Claim(volume) = &object.body {
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
