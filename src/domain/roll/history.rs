//! Facts from earlier snapshots of a roll. Plain data, updated by the tracker.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::cluster::ReportedError;
use crate::domain::roll::blocker::cause::ObjectName;
use crate::domain::roll::classify::{NodeRoll, NodeStage, Since};
use crate::domain::roll::generation::newest_template;
use crate::domain::snapshot::{Budget, ClusterSnapshot, Pod, Templates, Unseen};

/// Nodes that a roll replaces: those of the old generation at its start. Independent of nodes added or removed since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RollGoal {
    pub nodes: usize,
    /// An estimate: nodes may have been replaced before the roll was observed.
    pub estimated: bool,
}

/// Facts from earlier snapshots. Its size is bounded by the existing nodes and pools.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RollHistory {
    /// When the first snapshot of this rotation arrived, by our clock.
    pub watched_since: Option<Timestamp>,
    /// Nodes of the last snapshot by uid.
    pub nodes: BTreeMap<String, NodeHistory>,
    /// When a node last changed its stage, by pool and zone.
    pub changes: BTreeMap<(String, String), Timestamp>,
    /// Each pool's template in the last snapshot, and since when. It may change in place.
    pub configurations: BTreeMap<String, (Configuration, Since)>,
    /// The first template of this rotation for each pool.
    pub first_templates: BTreeMap<String, String>,
    /// Pools in another roll, until it has none left: they are counted together to the end.
    pub others: BTreeSet<String>,
    /// Number of nodes that each pool's roll replaces: the rotation's, and another roll's after it (`true`).
    pub goals: BTreeMap<(String, bool), RollGoal>,
    /// Nodes whose drain is blocked, by uid.
    pub blocked: BTreeMap<String, NodeBlock>,
    /// Pods with volumes on draining nodes, by uid of the node.
    turns: BTreeMap<String, VolumeEviction>,
    /// Keyed by budget and whether it allows no eviction.
    budgets: BTreeMap<(ObjectName, bool), Since>,
    unanswered: BTreeMap<ObjectName, Since>,
    reported: BTreeMap<String, Since>,
    unread: BTreeMap<&'static str, Since>,
    /// Whether PodDisruptionBudgets were read during this watch; they may be read later than nodes.
    budgets_seen: bool,
    endpoints_seen: bool,
}

/// Name and checksum of a template.
pub type Configuration = (String, Option<String>);

/// A node as last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeHistory {
    pub stage: NodeStage,
    /// Since when, as far as watched.
    pub since: Since,
    /// It was ready but has not applied a changed configuration yet.
    pub reconfigures: bool,
    pub drain_began: Option<Timestamp>,
    pub short: String,
    pub pool: String,
    pub zone: String,
}

/// The pods with volumes on a draining node: the platform evicts them one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeEviction {
    /// Pods by uid and attached volumes, and whether each is leaving.
    seen: BTreeMap<(&'static str, String), bool>,
    /// Since when that has been unchanged.
    pub since: Since,
}

impl VolumeEviction {
    /// Whether a pod is terminating, or a volume detaching: the others wait.
    pub fn is_under_way(&self) -> bool {
        self.seen.values().any(|leaves| *leaves)
    }
}

/// Since when the drain of a node has been blocked without interruption, and by which PodDisruptionBudgets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeBlock {
    pub since: Since,
    pub budgets: BTreeMap<ObjectName, Since>,
    /// The node's name from its pool on.
    pub short: String,
}

impl RollHistory {
    /// The clock was set back: clamps all times to `now`.
    pub fn clamp_times(&mut self, now: Timestamp) {
        let nodes = self
            .nodes
            .values_mut()
            .flat_map(|node| [&mut node.since.at].into_iter().chain(&mut node.drain_began));
        let all = nodes
            .chain(self.changes.values_mut())
            .chain(self.configurations.values_mut().map(|(_, since)| &mut since.at))
            .chain(self.budgets.values_mut().map(|since| &mut since.at))
            .chain(self.unanswered.values_mut().map(|since| &mut since.at))
            .chain(self.reported.values_mut().map(|since| &mut since.at))
            .chain(self.unread.values_mut().map(|since| &mut since.at))
            .chain(self.turns.values_mut().map(|turn| &mut turn.since.at))
            .chain(self.blocked.values_mut().flat_map(|block| {
                [&mut block.since.at]
                    .into_iter()
                    .chain(block.budgets.values_mut().map(|since| &mut since.at))
            }))
            .chain(&mut self.watched_since);
        for at in all {
            *at = (*at).min(now);
        }
    }

    /// Observation was interrupted: states seen next may have begun earlier.
    pub fn begin_watch(&mut self) {
        (self.budgets_seen, self.endpoints_seen) = (false, false);
    }

    /// Number of nodes that a pool's roll replaces, if observed: the rotation's, or another roll's after it.
    pub fn goal(&self, pool: &str, other: bool) -> Option<RollGoal> {
        self.goals.get(&(pool.to_owned(), other)).copied()
    }

    /// Since when a node has been in a stage, if it was in it when last seen.
    pub fn since(&self, uid: &str, stage: NodeStage) -> Option<Since> {
        self.nodes.get(uid).filter(|node| node.stage == stage).map(|node| node.since)
    }

    /// When a node of the pool in this zone last changed its stage.
    pub fn change(&self, pool: &str, zone: &str) -> Option<Timestamp> {
        self.changes.get(&(pool.to_owned(), zone.to_owned())).copied()
    }

    /// Since when a PodDisruptionBudget has been in its current state of allowing an eviction or not.
    pub fn budget_since(&self, budget: &Budget) -> Option<Since> {
        self.budgets.get(&(budget.into(), budget.allows_none())).copied()
    }

    /// Records which PodDisruptionBudgets allow no eviction.
    pub fn note_budgets(&mut self, budgets: &[Arc<Budget>], at: Timestamp) {
        let first = !std::mem::replace(&mut self.budgets_seen, true);
        let names = budgets.iter().map(|one| (ObjectName::from(&**one), one.allows_none()));
        keep_since(&mut self.budgets, names, Since { at, at_least: first });
    }

    /// The pods with volumes on a draining node, as last seen.
    pub fn turn(&self, uid: &str) -> Option<&VolumeEviction> {
        self.turns.get(uid)
    }

    /// Records the pods with volumes on these draining nodes.
    pub fn note_turns<'a>(
        &mut self,
        draining: impl Iterator<Item = &'a NodeRoll>,
        snapshot: &ClusterSnapshot,
        at: Timestamp,
    ) {
        let mut before = std::mem::take(&mut self.turns);
        let nodes: Vec<&NodeRoll> = draining.collect();
        let mut seen: BTreeMap<&str, BTreeMap<(&'static str, String), bool>> =
            nodes.iter().map(|node| (node.name.as_str(), BTreeMap::new())).collect();
        let moved = |pod: &&Arc<Pod>| !pod.claims.is_empty() && !pod.stays_on_its_node();
        for pod in snapshot.pods.iter().filter(moved) {
            if let Some(seen) = pod.node.as_deref().and_then(|node| seen.get_mut(node)) {
                seen.insert(("Pod", pod.uid.clone()), pod.deletion_deadline.is_some());
            }
        }
        for volume in &snapshot.attachments {
            if let Some(seen) = seen.get_mut(volume.node.as_str()) {
                let detaches = volume.detaching_since.is_some();
                seen.insert(("VolumeAttachment", volume.name.clone()), detaches);
            }
        }
        for node in nodes {
            let seen = seen.remove(node.name.as_str()).unwrap_or_default();
            let known = before.remove(&node.uid).filter(|known| known.seen == seen);
            let turn = known.unwrap_or(VolumeEviction { seen, since: Since::exact(at) });
            self.turns.insert(node.uid.clone(), turn);
        }
    }

    /// Since when a service that webhooks call has no endpoints.
    pub fn unanswered_since(&self, service: &ObjectName) -> Option<Since> {
        self.unanswered.get(service).copied()
    }

    /// Records which services that webhooks call have no endpoints.
    pub fn note_services(&mut self, services: impl Iterator<Item = ObjectName>, at: Timestamp) {
        let first = !std::mem::replace(&mut self.endpoints_seen, true);
        keep_since(&mut self.unanswered, services, Since { at, at_least: first });
    }

    /// Since when a kind ("pods") has been unreadable, possibly from the first snapshot on.
    pub fn unread_since(&self, kind: &str) -> Option<Since> {
        self.unread.get(kind).copied()
    }

    /// Records which kinds cannot be read; in the `first` snapshot this may have begun earlier.
    pub fn note_unread(&mut self, snapshot: &ClusterSnapshot, at: Timestamp, first: bool) {
        let unread = snapshot.unseen.iter().filter(|(_, why)| matches!(why, Unseen::Failing(_)));
        let kinds = unread.map(|(kind, _)| *kind);
        keep_since(&mut self.unread, kinds, Since { at, at_least: first });
    }

    /// Since when SKE has reported an error.
    pub fn reported_since(&self, problem: &ReportedError) -> Option<Since> {
        self.reported.get(&problem.code).copied()
    }

    /// Records the errors that SKE reports; in the `first` reading they may have begun earlier.
    pub fn note_problems(&mut self, problems: &[ReportedError], at: Timestamp, first: bool) {
        let codes = problems.iter().map(|problem| problem.code.clone());
        keep_since(&mut self.reported, codes, Since { at, at_least: first });
    }

    /// Since when a pool's template has been unchanged.
    pub fn configured_since(&self, pool: &str) -> Option<Since> {
        self.configurations.get(pool).map(|(_, since)| *since)
    }

    /// Records the templates. Returns the pools whose template changed in place.
    pub fn note_templates(&mut self, templates: &Templates, at: Timestamp) -> Vec<String> {
        let Templates::Known(list) = templates else { return Vec::new() };
        let mut before = std::mem::take(&mut self.configurations);
        let mut changed = Vec::new();
        for template in list {
            let pool = &template.pool;
            let Some(template) = newest_template(templates, pool) else { continue };
            if self.configurations.contains_key(pool) {
                continue;
            }
            let configuration = (template.name.clone(), template.checksum.clone());
            let since = match before.remove(pool) {
                Some((known, since)) if known == configuration => since,
                Some(((name, _), _)) => {
                    if name == template.name {
                        changed.push(pool.clone());
                    }
                    Since::exact(at)
                }
                None => Since::at_least(at),
            };
            self.configurations.insert(pool.clone(), (configuration, since));
        }
        changed
    }

    /// The first template of this rotation for a pool, if it was seen.
    pub fn first_template(&self, pool: &str) -> Option<&str> {
        self.first_templates.get(pool).map(String::as_str)
    }
}

/// Keeps the times of existing entries; new ones begin at `now`.
fn keep_since<K: Ord>(known: &mut BTreeMap<K, Since>, keys: impl Iterator<Item = K>, now: Since) {
    let mut before = std::mem::take(known);
    for key in keys {
        let since = before.remove(&key).unwrap_or(now);
        known.entry(key).or_insert(since);
    }
}
