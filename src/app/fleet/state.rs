//! The known clusters, and the scopes they are listed from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::fleet::circuit::Circuit;
use crate::app::fleet::order::compare_names;
use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::requests::RequestId;
use crate::domain::cluster::{
    Cluster, ClusterId, ClusterName, ClusterState, ProjectId, Region, Scope,
};
use crate::domain::failure::Failure;
use crate::domain::last_known::LastKnown;
use crate::domain::permissions::Permissions;
use crate::domain::persisted::SavedCluster;
use crate::domain::rotation::{OLD_ANSWERS, Phase};
use crate::domain::selection::Selection;

/// A cluster with metadata of its readings.
#[derive(Debug, Clone)]
pub struct Entry {
    pub cluster: Cluster,
    pub seen: Now,
    pub read_by: RequestId,
    /// When a list first lacked it.
    pub not_listed_since: Option<Timestamp>,
    /// Since when answers have been older than the known rotation state (monotonic clock).
    pub stale_since: Option<Duration>,
    /// When skeys saw the current phase begin; `None` if the first reading already had it.
    pub phase_seen: Option<Timestamp>,
    /// Position in the natural order of all names. A cache, filled by [`Fleet::rank_names`].
    pub name_rank: usize,
    /// Whether another cluster has the same name. Also a cache, filled by it.
    pub has_namesake: bool,
}

impl Entry {
    /// A cluster at its first reading.
    pub fn new(mut cluster: Cluster, seen: Now, read_by: RequestId) -> Self {
        cluster.carry_over(None, seen.wall);
        Self {
            cluster,
            seen,
            read_by,
            not_listed_since: None,
            stale_since: None,
            phase_seen: None,
            name_rank: 0,
            has_namesake: false,
        }
    }

    /// Applies a later reading of this cluster, or of its successor under the same name.
    pub fn take(&mut self, mut read: Cluster, now: Now, read_by: RequestId) -> ReadingChange {
        let is_same = self.cluster.is_same_cluster(&read);
        let is_older = if is_same {
            read.rotation.is_older_than(&self.cluster.rotation)
        } else {
            read.created < self.cluster.created
        };
        // An answer may be older than the previous one; for a while, the known cluster and rotation are kept then.
        let began = self.stale_since.unwrap_or(now.monotonic);
        let is_credible = now.monotonic.saturating_sub(began) >= OLD_ANSWERS;
        self.stale_since = (is_older && !is_credible).then_some(began);
        if !is_same {
            if self.stale_since.is_some() {
                return ReadingChange::Nothing;
            }
            *self = Self::new(read, now, read_by);
            return ReadingChange::Replaced;
        }
        if self.stale_since.is_some() {
            read.rotation = self.cluster.rotation.clone();
        }
        read.carry_over(Some(&self.cluster), now.wall);
        (self.seen, self.read_by, self.not_listed_since) = (now, read_by, None);
        if read == self.cluster {
            return ReadingChange::Nothing;
        }
        let before = std::mem::replace(&mut self.cluster, read).rotation;
        let rotation = &self.cluster.rotation;
        if before.phase == rotation.phase && !rotation.is_next_of(&before) {
            return ReadingChange::Cluster;
        }
        self.phase_seen = Some(now.wall);
        ReadingChange::Phase(before.phase)
    }
}

impl Entry {
    /// A cluster as last read by an earlier run.
    pub fn last_known(known: LastKnown) -> Self {
        let seen = Now { wall: known.read, monotonic: Duration::ZERO };
        let cluster = Cluster {
            id: known.id,
            created: known.created,
            version: known.version,
            version_expires: None,
            labels: BTreeMap::new(),
            state: ClusterState::NotRead,
            hibernated: false,
            rotation: known.rotation,
            pools: Vec::new(),
            problems: Vec::new(),
            schedules: Vec::new(),
            maintenance: None,
            idp: false,
            unhealthy: None,
        };
        Self::new(cluster, seen, RequestId::default())
    }

    /// Whether it has not been read in this run yet; no actions until then.
    pub fn is_last_known(&self) -> bool {
        self.cluster.state == ClusterState::NotRead
    }
}

/// The change that a reading shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadingChange {
    Nothing,
    Cluster,
    /// The phase, with the previous one. The same phase means that of an earlier rotation.
    Phase(Phase),
    /// Another cluster has the name now.
    Replaced,
}

/// List status of a scope.
#[derive(Debug, Clone, Default)]
pub enum ScopeStatus {
    #[default]
    Loading,
    Live,
    /// The region does not offer the service (501); retried rarely.
    NotOffered,
    /// The last lists failed; earlier rows stay.
    Failing(Box<Outage>),
}

/// A scope: one project in one region. Due at once if never listed.
#[derive(Debug, Clone, Default)]
pub struct ScopeState {
    pub status: ScopeStatus,
    /// When the next list is due (monotonic clock).
    pub due: Duration,
    /// Until when the server asked us to wait.
    pub wait_until: Option<Timestamp>,
    pub seen: Option<Now>,
    /// Unreadable items of the last list.
    pub skipped: usize,
    /// Whether a step is running in one of its clusters.
    pub busy: bool,
}

/// Everything known about clusters.
#[derive(Debug, Clone, Default)]
pub struct Fleet {
    /// Clusters by id. Modified only through [`Fleet::put`] and [`Fleet::forget`].
    pub entries: BTreeMap<ClusterId, Entry>,
    /// Clusters marked or watched in an earlier run and not read yet.
    pub kept: BTreeMap<ClusterId, SavedCluster>,
    /// Clusters whose nodes are being replaced. A cache.
    pub rolling: BTreeSet<ClusterId>,
    /// Every scope that can be listed, selected or not.
    pub scopes: BTreeMap<Scope, ScopeState>,
    pub selection: Selection,
    pub configured: BTreeSet<ProjectId>,
    /// Scopes with watched clusters or pending steps: always listed.
    pub tracked: BTreeSet<Scope>,
    /// Readings of an earlier run in scopes that are not known yet.
    pub unplaced: Vec<LastKnown>,
    /// Regions whose last lists were not answered.
    pub circuits: BTreeMap<Region, Circuit>,
    /// Known project names.
    pub projects: BTreeMap<ProjectId, String>,
    /// When a reading last triggered a sort (monotonic clock).
    pub sorted_at: Duration,
    /// The account's permissions, if known.
    pub permissions: Permissions,
    /// Whether discovery is in progress and there is nothing to list yet.
    pub is_discovering: bool,
    /// Why the account's projects are unknown.
    pub discovery_failure: Option<Failure>,
    /// SKE's clock minus the local clock, from its last answer; small differences count as zero. `None` if unknown.
    pub skew: Option<SignedDuration>,
    /// Whether the local clock may have been set since.
    pub is_skew_outdated: bool,
    /// Jitter, to spread the polls of several instances.
    pub random: fastrand::Rng,
}

/// Clock differences up to this are attributed to latency.
const SKEW_NOISE: SignedDuration = SignedDuration::from_secs(30);

impl Fleet {
    /// An empty fleet. `seed`: for the jitter of polls.
    pub fn new(seed: u64) -> Self {
        Self { random: fastrand::Rng::with_seed(seed), ..Self::default() }
    }

    /// Updates the clock skew; `skew`: SKE's clock minus the local one, if reported.
    pub fn note_skew(&mut self, skew: Option<SignedDuration>) {
        let Some(skew) = skew else { return };
        self.is_skew_outdated = false;
        self.skew = Some(if skew.abs() > SKEW_NOISE { skew } else { SignedDuration::ZERO });
    }

    /// The current time by SKE's clock, by which credentials from SKE expire; by the local clock if the difference is
    /// not known, which is good enough to show it.
    pub fn server_now(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.skew.unwrap_or_default()).unwrap_or(now)
    }

    /// The current time by SKE's clock, if the difference of the clocks is known.
    pub fn server_clock(&self, now: Timestamp) -> Option<Timestamp> {
        self.skew.filter(|_| !self.is_skew_outdated).map(|_| self.server_now(now))
    }

    /// Project name, or its id.
    pub fn project_name<'a>(&'a self, id: &'a ProjectId) -> &'a str {
        self.projects.get(id).map_or_else(|| id.as_str(), String::as_str)
    }

    /// The displayed name of a cluster: with its region if it has namesakes, and with its project if one of them is in
    /// the same region.
    pub fn label(&self, id: &ClusterId) -> String {
        let mut others = self
            .scopes
            .keys()
            .filter(|scope| **scope != id.scope)
            .map(|scope| ClusterId { scope: scope.clone(), name: id.name.clone() })
            .filter(|other| self.entries.contains_key(other))
            .peekable();
        let (name, region) = (&id.name, id.region());
        if others.peek().is_none() {
            name.to_string()
        } else if others.any(|other| other.region() == region) {
            format!("{name} ({region}, {})", self.project_name(id.project()))
        } else {
            format!("{name} ({region})")
        }
    }

    /// What distinguishes a cluster from its namesakes: its project if one of them is in the same region, otherwise its
    /// region. `None` without namesakes.
    pub fn distinction<'a>(&'a self, entry: &'a Entry) -> Option<&'a str> {
        let id = &entry.cluster.id;
        let mut others = self
            .scopes
            .keys()
            .filter(|scope| scope.region == id.scope.region && **scope != id.scope)
            .map(|scope| ClusterId { scope: scope.clone(), name: id.name.clone() });
        entry.has_namesake.then(|| {
            if others.any(|other| self.entries.contains_key(&other)) {
                self.project_name(id.project())
            } else {
                id.region().as_str()
            }
        })
    }

    /// The last reading of a cluster.
    pub fn cluster(&self, id: &ClusterId) -> Option<&Cluster> {
        self.entries.get(id).map(|entry| &entry.cluster)
    }

    /// Clusters of a scope, by name.
    pub fn in_scope<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Entry> {
        let first = ClusterId { scope: scope.clone(), name: ClusterName::new("") };
        let entries = self.entries.range(first..).map(|(_, entry)| entry);
        entries.take_while(move |entry| entry.cluster.id.scope == *scope)
    }

    /// Adds or replaces an entry.
    pub fn put(&mut self, entry: Entry) {
        let id = entry.cluster.id.clone();
        if entry.cluster.rotation.phase == Phase::Preparing {
            self.rolling.insert(id.clone());
        } else {
            self.rolling.remove(&id);
        }
        self.entries.insert(id, entry);
    }

    /// Adds readings of an earlier run, except where this run has its own.
    pub fn remember(&mut self, known: Vec<LastKnown>) {
        for known in known {
            match self.scopes.get(&known.id.scope) {
                None => self.unplaced.push(known),
                Some(scope) if scope.seen.is_some() || self.entries.contains_key(&known.id) => {}
                Some(_) => self.put(Entry::last_known(known)),
            }
        }
    }

    /// The readings to save for the next run.
    pub fn last_known(&self) -> Vec<LastKnown> {
        let listed = self.entries.values().filter(|entry| entry.not_listed_since.is_none());
        listed
            .map(|Entry { cluster, seen, .. }| LastKnown {
                id: cluster.id.clone(),
                created: cluster.created,
                version: cluster.version.clone(),
                rotation: cluster.rotation.clone(),
                read: seen.wall,
            })
            .collect()
    }

    /// A marked or watched cluster, as saved for the next run.
    pub fn kept(&self, id: &ClusterId, marked: bool, watched: bool) -> SavedCluster {
        let read = self.entries.get(id).filter(|entry| !entry.is_last_known());
        let read = read.map(|entry| &entry.cluster);
        let kept = self.kept.get(id);
        let phase = read.map(|read| &read.rotation.phase);
        SavedCluster {
            id: id.clone(),
            created: read.and_then(|read| read.created).or_else(|| kept?.created),
            marked,
            watched,
            phase: phase.or_else(|| kept?.phase.as_ref()).cloned(),
        }
    }

    /// Drops a cluster.
    pub fn forget(&mut self, id: &ClusterId) {
        self.kept.remove(id);
        self.rolling.remove(id);
        self.entries.remove(id);
    }

    /// Computes the natural order of names.
    pub fn rank_names(&mut self) {
        let mut by_name: Vec<&mut Entry> = self.entries.values_mut().collect();
        by_name.sort_unstable_by(|a, b| compare_names(&a.cluster.id, &b.cluster.id));
        let mut rank = 0;
        for same in by_name.chunk_by_mut(|a, b| a.cluster.id.name == b.cluster.id.name) {
            let has_namesake = same.len() > 1;
            for entry in same {
                (entry.name_rank, entry.has_namesake) = (rank, has_namesake);
                rank += 1;
            }
        }
    }

    /// Whether the nodes of a cluster are being replaced, according to SKE.
    pub fn rolls(&self, id: &ClusterId) -> bool {
        self.cluster(id).is_some_and(|cluster| cluster.rotation.phase == Phase::Preparing)
    }

    /// Whether there are no rows yet and a selected scope is still loading.
    pub fn is_loading(&self) -> bool {
        self.selected().next().is_none()
            && self.selected_scopes().any(|(_, scope)| matches!(scope.status, ScopeStatus::Loading))
    }

    /// Selected scopes with failing lists, in order.
    pub fn failing(&self) -> impl Iterator<Item = (&Scope, &ScopeState, &Outage)> {
        self.selected_scopes().filter_map(|(id, scope)| match &scope.status {
            ScopeStatus::Failing(outage) => Some((id, scope, outage.as_ref())),
            ScopeStatus::Loading | ScopeStatus::Live | ScopeStatus::NotOffered => None,
        })
    }

    /// Regions with several failing scopes, in which lists are tried one at a time.
    pub fn unreachable_regions(&self) -> Vec<&Region> {
        let open = self.circuits.iter().filter(|(_, circuit)| circuit.is_open());
        open.map(|(region, _)| region)
            .filter(|region| self.failing().filter(|(id, ..)| id.region == **region).count() > 1)
            .collect()
    }

    /// Whether a row is stale: its scope fails, or has not been listed again yet.
    pub fn is_stale(&self, id: &ClusterId) -> bool {
        if self.entries.get(id).is_some_and(Entry::is_last_known) {
            return true;
        }
        self.scopes.get(&id.scope).is_some_and(|scope| match scope.status {
            ScopeStatus::Failing(_) => true,
            ScopeStatus::Loading => scope.seen.is_some(),
            ScopeStatus::Live | ScopeStatus::NotOffered => false,
        })
    }

    /// The oldest last successful list among selected scopes that are offered.
    pub fn oldest_seen(&self) -> Option<Now> {
        self.selected_scopes()
            .filter(|(_, scope)| !matches!(scope.status, ScopeStatus::NotOffered))
            .filter_map(|(_, scope)| scope.seen)
            .min_by_key(|seen| seen.monotonic)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use crate::app::fleet::state::{Entry, Fleet, ReadingChange, ScopeState};
    use crate::app::now::Now;
    use crate::app::requests::RequestId;
    use crate::domain::cluster::{ClusterId, ProjectId};
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::rotation::{OLD_ANSWERS, Phase};

    #[test]
    fn api_18_an_old_answer_does_not_bring_a_deleted_cluster_back() {
        let at = |passed: Duration| Now {
            wall: now() + SignedDuration::try_from(passed).unwrap(),
            monotonic: passed,
        };
        let before = cluster("web", Phase::Prepared);
        let mut recreated = cluster("web", Phase::Never);
        recreated.created = Some(now());
        let mut entry = Entry::new(before.clone(), at(Duration::ZERO), RequestId(1));
        let mut take = |read: &_, passed| entry.take(Clone::clone(read), at(passed), RequestId(2));
        let minute = Duration::from_mins(1);
        assert_eq!(take(&recreated, minute), ReadingChange::Replaced);
        assert_eq!(take(&before, 2 * minute), ReadingChange::Nothing, "from a cache");
        assert_eq!(take(&recreated, 3 * minute), ReadingChange::Nothing);
        assert_eq!(take(&before, 4 * minute), ReadingChange::Nothing);
        assert_eq!(take(&before, 5 * minute + OLD_ANSWERS), ReadingChange::Replaced, "it stays so");
    }

    #[test]
    fn api_18_a_cluster_that_is_recreated_and_does_not_show_its_age_at_once_is_another_one() {
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let before = cluster("web", Phase::Completed);
        let mut entry = Entry::new(before.clone(), at, RequestId(1));
        let mut recreated = cluster("web", Phase::Never);
        for (created, told) in
            [(None, ReadingChange::Nothing), (Some(now()), ReadingChange::Replaced)]
        {
            recreated.created = created;
            recreated.rotation = before.rotation.clone();
            assert_eq!(entry.take(recreated.clone(), at, RequestId(2)), told, "{created:?}");
        }
    }

    #[test]
    fn time_01_the_clock_of_ske_is_known_by_an_answer_until_ours_is_set() {
        let mut fleet = Fleet::new(1);
        assert_eq!((fleet.server_clock(now()), fleet.server_now(now())), (None, now()));
        fleet.note_skew(None);
        assert_eq!(fleet.server_clock(now()), None, "an answer without its time");
        let ahead = SignedDuration::from_hours(48);
        let there = now() - ahead;
        fleet.note_skew(Some(-ahead));
        assert_eq!((fleet.server_clock(now()), fleet.server_now(now())), (Some(there), there));
        fleet.is_skew_outdated = true;
        assert_eq!((fleet.server_clock(now()), fleet.server_now(now())), (None, there));
        fleet.note_skew(Some(SignedDuration::from_secs(1)));
        assert_eq!(fleet.server_clock(now()), Some(now()));
    }

    #[test]
    fn api_19_a_label_names_what_distinguishes_the_cluster() {
        let mut fleet = Fleet::new(1);
        fleet.projects.insert(ProjectId::new("p-2"), "payments".to_owned());
        let at = Now { wall: now(), monotonic: Duration::ZERO };
        let mut add = |project: &str, region: &str, name: &str| {
            let mut cluster = cluster(name, Phase::Never);
            cluster.id = ClusterId::new(project, region, name);
            let id = cluster.id.clone();
            fleet.scopes.insert(id.scope.clone(), ScopeState::default());
            fleet.put(Entry::new(cluster, at, RequestId(1)));
            id
        };
        let ids = [
            add("p-1", "eu01", "alone"),
            add("p-1", "eu01", "twin"),
            add("p-1", "eu02", "twin"),
            add("p-1", "eu02", "triple"),
            add("p-2", "eu02", "triple"),
            add("p-2", "eu01", "triple"),
        ];
        let labels = ids.each_ref().map(|id| fleet.label(id));
        assert_eq!(
            labels,
            [
                "alone",
                "twin (eu01)",
                "twin (eu02)",
                "triple (eu02, p-1)",
                "triple (eu02, payments)",
                "triple (eu01)"
            ]
        );
        fleet.rank_names();
        let words = ids.map(|id| fleet.distinction(&fleet.entries[&id]).map(str::to_owned));
        let words = words.each_ref().map(|word| word.as_deref().unwrap_or("–"));
        assert_eq!(words, ["–", "eu01", "eu02", "p-1", "payments", "eu01"]);
        let gone = ClusterId::new("p-1", "eu02", "alone");
        assert_eq!(
            fleet.label(&gone),
            "alone (eu02)",
            "one that is no longer known is another one, too"
        );
    }
}
