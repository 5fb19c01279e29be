//! The target generation of a pool's nodes, and how it is known.
//!
//! Gardener checks two things on a node: whether it has the taint of an old machine set, and whether its label is the
//! name of the pool's current template (`nodeToBeDeleted`). The same markers are used here, so that skeys agrees with
//! the platform; if one of them cannot be read, it is inferred and marked as an estimate.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::rotation::{Phase, Rotation};
use crate::domain::snapshot::{Node, Template, Templates};

/// The control plane comes first and takes minutes; a node created later than this after the start, with neither the
/// old nor the target generation, belongs to an intermediate template.
pub const CONTROL_PLANE: SignedDuration = SignedDuration::from_mins(30);

/// Times in the API have a resolution of one second.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The stage of the rotation from the nodes' point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RollStage {
    /// No rotation was ever started.
    Before,
    /// Nodes are being replaced, or will be.
    Rolling,
    /// All nodes have been replaced: PREPARED and later.
    After,
}

/// Derives the stage from the phase; an unknown phase counts as rolling while a rotation is open, and a completion
/// before its start as not started.
pub fn rollout_stage(rotation: &Rotation) -> RollStage {
    match rotation.phase {
        Phase::Never => RollStage::Before,
        Phase::Completed if rotation.mixes_rotations() => RollStage::Before,
        Phase::Preparing => RollStage::Rolling,
        Phase::Prepared | Phase::Completing | Phase::Completed => RollStage::After,
        Phase::Unknown(_) => match (rotation.initiated, rotation.completed) {
            (None, _) => RollStage::Before,
            (Some(initiated), Some(completed)) if initiated <= completed => RollStage::After,
            (Some(_), _) => RollStage::Rolling,
        },
    }
}

/// Why a progress is estimated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EstimateReason {
    /// The templates have not been read yet.
    TemplatesUnread,
    /// Reading Secrets is forbidden.
    SecretsForbidden,
    /// Secrets can be read, but there is no template for this pool.
    NoTemplate,
    /// The list of templates is older than that of nodes.
    TemplatesLag,
    /// Nodes without the generation label are classified by age.
    LabelsAbsent,
    /// SKE does not report the start of the rotation.
    StartUnknown,
}

/// Target generation of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetGeneration {
    /// Name of the template, which is the value of the nodes' label; `None` if unknown.
    pub name: Option<String>,
    /// Checksum that a node reports once it has applied the template.
    pub checksum: Option<String>,
    /// When the template was created.
    pub created: Option<Timestamp>,
    /// Whether nodes are being replaced; before that, every node is old although none is marked.
    pub begun: bool,
    /// Whether the pool is replaced for another reason than the rotation, or again during it.
    pub another: bool,
    /// Why this is an estimate; empty if exact.
    pub estimate_reasons: BTreeSet<EstimateReason>,
    old: BTreeSet<String>,
    cutoff: Option<Timestamp>,
}

/// Input of [`TargetGeneration::determine`] for a pool.
#[derive(Debug, Clone, Copy)]
pub struct GenerationQuery<'a> {
    pub pool: &'a str,
    pub nodes: &'a [&'a Node],
    pub templates: &'a Templates,
    /// Phase and times.
    pub rotation: &'a Rotation,
    /// Name of the first template of this rotation for the pool, if it was seen.
    pub first: Option<&'a str>,
}

impl GenerationQuery<'_> {
    /// When the rotation started; `None` if the reported start is that of an earlier one.
    fn start(&self) -> Option<Timestamp> {
        self.rotation.start()
    }

    fn is_rolling(&self) -> bool {
        rollout_stage(self.rotation) == RollStage::Rolling
    }

    /// Generation labels of nodes that predate the start.
    fn before(&self) -> BTreeSet<&str> {
        let start = self.start();
        self.nodes
            .iter()
            .filter(|node| born_before(node, start))
            .filter_map(|node| node.generation.as_deref())
            .collect()
    }
}

fn born_before(node: &Node, start: Option<Timestamp>) -> bool {
    matches!((node.created, start), (Some(created), Some(start)) if created < start)
}

/// Newest template of a pool.
pub fn newest_template<'a>(templates: &'a Templates, pool: &str) -> Option<&'a Template> {
    match templates {
        Templates::Known(list) => list
            .iter()
            .filter(|template| template.pool == pool)
            .max_by_key(|template| (template.created, &template.name)),
        Templates::Unread | Templates::Forbidden => None,
    }
}

impl TargetGeneration {
    /// Determines the target generation of a pool.
    pub fn determine(query: GenerationQuery<'_>) -> Self {
        let template = newest_template(query.templates, query.pool);
        let mut wanted = match template {
            Some(template) if !lags(template, query) => Self::from_template(template, query),
            Some(_) => Self::from_nodes(query, EstimateReason::TemplatesLag),
            None => Self::from_nodes(
                query,
                match query.templates {
                    Templates::Unread => EstimateReason::TemplatesUnread,
                    Templates::Known(_) => EstimateReason::NoTemplate,
                    Templates::Forbidden => EstimateReason::SecretsForbidden,
                },
            ),
        };
        if query.is_rolling() {
            // Without either, nodes no younger than the youngest one marked for deletion count as old.
            wanted.cutoff = wanted.created.max(query.start()).or_else(|| {
                let marked_for_deletion =
                    query.nodes.iter().filter(|node| node.marked_for_deletion);
                let youngest = marked_for_deletion.filter_map(|node| node.created).max();
                youngest.map(|at| at.saturating_add(SECOND).unwrap_or(at))
            });
            if query.start().is_none() {
                wanted.estimate_reasons.insert(EstimateReason::StartUnknown);
            }
            let unlabelled = |node: &&&Node| !node.marked_for_deletion && node.generation.is_none();
            if wanted.begun && query.nodes.iter().any(|node| unlabelled(&node)) {
                wanted.estimate_reasons.insert(EstimateReason::LabelsAbsent);
            }
        }
        wanted.another = wanted.is_another(query);
        wanted
    }

    fn from_template(template: &Template, query: GenerationQuery<'_>) -> Self {
        let begun = match (query.is_rolling(), query.start(), template.created) {
            (false, ..) => true,
            (true, Some(start), Some(created)) => created >= start,
            (true, ..) => {
                query.first == Some(template.name.as_str())
                    || query.nodes.iter().any(|node| {
                        node.marked_for_deletion
                            || node.generation.as_ref().is_some_and(|label| *label != template.name)
                    })
            }
        };
        Self {
            name: Some(template.name.clone()),
            checksum: template.checksum.clone(),
            created: template.created,
            begun,
            another: false,
            estimate_reasons: BTreeSet::new(),
            old: BTreeSet::new(),
            cutoff: None,
        }
    }

    /// Without a template: labels of tainted nodes, and of nodes older than the start, are old; the label of the newest
    /// other node is the target.
    fn from_nodes<'a>(query: GenerationQuery<'a>, reason: EstimateReason) -> Self {
        let (start, rolling) = (query.start(), query.is_rolling());
        let tainted = query.nodes.iter().any(|node| node.marked_for_deletion);
        let marked_for_deletion = query.nodes.iter().filter(|node| node.marked_for_deletion);
        let mut old: BTreeSet<&str> =
            marked_for_deletion.filter_map(|node| node.generation.as_deref()).collect();
        old.extend(query.before());
        let candidates = || {
            let labelled = |node: &&'a Node| Some((node.created, node.generation.as_deref()?));
            query.nodes.iter().filter_map(labelled).filter(|(_, label)| !old.contains(label))
        };
        let several = candidates().map(|(_, label)| label).collect::<BTreeSet<_>>().len() > 1;
        // Without taints only the start of a running rotation is conclusive.
        let telling = tainted || (rolling && (start.is_some() || several));
        let name = candidates().max().filter(|_| telling).map(|(_, label)| label.to_owned());
        let young = query.nodes.iter().any(|node| is_young_unlabelled(node, start));
        let drains_since_start = |node: &Node| {
            let began = node.terminating.as_ref().and_then(|terminating| terminating.since);
            matches!((began, start), (Some(began), Some(start)) if began >= start)
        };
        let rolls = query.nodes.iter().any(|node| node.rolling || drains_since_start(node));
        // Without a start, nothing tells which of the unmarked nodes are old.
        let begun = !rolling || tainted || name.is_some() || start.is_some() && (rolls || young);
        Self {
            name,
            checksum: None,
            created: None,
            begun,
            another: false,
            estimate_reasons: BTreeSet::from([reason]),
            old: if telling {
                old.into_iter().map(str::to_owned).collect()
            } else {
                BTreeSet::new()
            },
            cutoff: None,
        }
    }

    /// Whether a node will be replaced.
    pub fn is_old(&self, node: &Node) -> bool {
        if !self.begun || node.marked_for_deletion {
            return true;
        }
        match (&node.generation, &self.name) {
            (Some(label), _) if self.old.contains(label) => true,
            (Some(label), Some(name)) => label != name,
            (Some(_), None) => false,
            (None, _) => born_before(node, self.cutoff),
        }
    }

    /// Whether a node's generation is inferred from its age.
    pub fn judges_by_age(&self, node: &Node) -> bool {
        self.begun
            && !node.marked_for_deletion
            && node.generation.is_none()
            && self.cutoff.is_some()
    }

    /// A pool is replaced again if nodes of an intermediate generation have become old.
    fn is_another(&self, query: GenerationQuery<'_>) -> bool {
        let is_first = self.name.is_some() && self.name.as_deref() == query.first;
        let start = query.start();
        if !query.is_rolling() {
            // Nodes older than the start come from a stale list: according to the phase they have been removed.
            return query.nodes.iter().any(|node| {
                self.is_old(node)
                    && !born_before(node, start)
                    && (node.marked_for_deletion || !is_first)
            });
        }
        if !self.begun {
            return false;
        }
        let is_target = |node: &Node| self.name.is_some() && node.generation == self.name;
        if query.nodes.iter().any(|node| node.marked_for_deletion && is_target(node)) {
            return true;
        }
        if is_first {
            return false;
        }
        let made = match query.templates {
            Templates::Known(list) => list
                .iter()
                .filter(|template| template.pool == query.pool)
                .filter(|t| start.is_some_and(|start| t.created.is_some_and(|at| at >= start)))
                .count(),
            Templates::Unread | Templates::Forbidden => 0,
        };
        let replaced_since_first = query.first.is_some() && self.name.is_some();
        made > 1 || replaced_since_first || self.has_generation_in_between(query)
    }

    fn has_generation_in_between(&self, query: GenerationQuery<'_>) -> bool {
        let Some(later) = query.start().and_then(|at| at.checked_add(CONTROL_PLANE).ok()) else {
            return false;
        };
        let before = query.before();
        query.nodes.iter().any(|node| {
            node.created.is_some_and(|created| created >= later)
                && node.generation.as_deref().is_some_and(|label| {
                    Some(label) != self.name.as_deref() && !before.contains(label)
                })
        })
    }
}

fn is_young_unlabelled(node: &Node, start: Option<Timestamp>) -> bool {
    node.generation.is_none() && node.created.is_some() && !born_before(node, start)
}

/// Whether a node created since the start has a generation that is neither this template's nor an old one.
fn lags(template: &Template, query: GenerationQuery<'_>) -> bool {
    let start = query.start();
    let is_older = matches!((template.created, start), (Some(at), Some(start)) if at < start);
    if !query.is_rolling() || !is_older {
        return false;
    }
    let before = query.before();
    query.nodes.iter().any(|node| {
        node.created.is_some()
            && !born_before(node, start)
            && node
                .generation
                .as_deref()
                .is_some_and(|label| label != template.name && !before.contains(label))
    })
}

/// The pool of a node: its label, otherwise the pool of its template, otherwise the one among `pools` in the name of
/// its generation (`gardener-node-agent-<pool>-<16 hex>`); empty if unknown.
pub fn pool_of<'a>(
    node: &'a Node,
    templates: &'a Templates,
    pools: &'a BTreeSet<String>,
) -> &'a str {
    if !node.pool.is_empty() {
        return &node.pool;
    }
    let Some(label) = node.generation.as_deref() else { return "" };
    if let Templates::Known(list) = templates
        && let Some(template) = list.iter().find(|template| template.name == label)
    {
        return &template.pool;
    }
    label
        .strip_prefix("gardener-node-agent-")
        .and_then(|rest| rest.rsplit_once('-'))
        .and_then(|(pool, _)| pools.get(pool))
        .map_or("", String::as_str)
}
