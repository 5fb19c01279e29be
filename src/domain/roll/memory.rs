//! What is remembered of a roll and cannot be read off one snapshot; plain data, kept up by the history.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::cluster::ReportedError;
use crate::domain::roll::classify::{NodeStage, Since};
use crate::domain::roll::generation::newest;
use crate::domain::snapshot::admission::Service;
use crate::domain::snapshot::{Budget, Templates};

/// What earlier snapshots told. Its size follows the nodes and pools that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    /// When the first snapshot of this rotation was seen, by our clock.
    pub watched_since: Option<Timestamp>,
    /// Nodes of the last snapshot by uid.
    pub nodes: BTreeMap<String, Track>,
    /// When a node last changed what it does, by pool and zone.
    pub changes: BTreeMap<(String, String), Timestamp>,
    /// What each pool's template asked of its nodes in the last snapshot, since when. It may change in place.
    pub configurations: BTreeMap<String, (Configuration, Since)>,
    /// The first template that this rotation made for a pool.
    pub first_templates: BTreeMap<String, String>,
    /// Pools that another roll concerns or has concerned, until it concerns none any more: their share of new nodes is
    /// told together to the end.
    pub others: BTreeSet<String>,
    /// PodDisruptionBudgets ("namespace/name") that allow no eviction in the last snapshot, since when.
    pub tight_budgets: BTreeMap<String, Since>,
    /// Services without endpoints that webhooks must ask about what nodes need in the last snapshot, since when.
    pub unanswered: BTreeMap<Service, Since>,
    /// Codes of the errors that SKE reports, since when.
    pub reported: BTreeMap<String, Since>,
    /// Whether PodDisruptionBudgets were seen in this watch. They may be read later than nodes.
    pub budgets_seen: bool,
    /// Whether what stands behind services was seen in this watch.
    pub endpoints_seen: bool,
}

/// Name and checksum of a template.
pub type Configuration = (String, Option<String>);

/// A node as it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    pub stage: NodeStage,
    /// Since when, as far as it was watched.
    pub since: Since,
    /// It was ready and is to apply a changed configuration.
    pub reconfigures: bool,
    /// When its drain began, if it has begun.
    pub drain_began: Option<Timestamp>,
    pub short: String,
    pub pool: String,
    pub zone: String,
}

impl Memory {
    /// The clock was set back: no moment lies ahead of `now` any more.
    pub fn rewind(&mut self, now: Timestamp) {
        let tracks = self
            .nodes
            .values_mut()
            .flat_map(|track| [&mut track.since.at].into_iter().chain(&mut track.drain_began));
        let all = tracks
            .chain(self.changes.values_mut())
            .chain(self.configurations.values_mut().map(|(_, since)| &mut since.at))
            .chain(self.tight_budgets.values_mut().map(|since| &mut since.at))
            .chain(self.unanswered.values_mut().map(|since| &mut since.at))
            .chain(self.reported.values_mut().map(|since| &mut since.at))
            .chain(&mut self.watched_since);
        for at in all {
            *at = (*at).min(now);
        }
    }

    /// Nobody watched for a while: what is seen next may have been so for longer.
    pub fn forget_watch(&mut self) {
        (self.budgets_seen, self.endpoints_seen) = (false, false);
    }

    /// Since when a node is in a stage, if it was in it when last seen.
    pub fn since(&self, uid: &str, stage: NodeStage) -> Option<Since> {
        self.nodes.get(uid).filter(|track| track.stage == stage).map(|track| track.since)
    }

    /// When a node of the pool in this zone was last seen to change what it does.
    pub fn change(&self, pool: &str, zone: &str) -> Option<Timestamp> {
        self.changes.get(&(pool.to_owned(), zone.to_owned())).copied()
    }

    /// Since when a budget allows no eviction, as far as it was watched.
    pub fn tight_since(&self, budget: &Budget) -> Option<Since> {
        self.tight_budgets.get(&budget_key(budget)).copied()
    }

    /// Notes which budgets allow no eviction at a moment.
    pub fn notice_budgets(&mut self, budgets: &[Arc<Budget>], at: Timestamp) {
        let first = !std::mem::replace(&mut self.budgets_seen, true);
        let mut before = std::mem::take(&mut self.tight_budgets);
        for budget in budgets.iter().filter(|budget| budget.allowed <= 0) {
            let key = budget_key(budget);
            let since = before.remove(&key);
            let since = since.unwrap_or(Since { at, at_least: first });
            self.tight_budgets.insert(key, since);
        }
    }

    /// Since when a service that webhooks must ask has no endpoints, as far as it was watched.
    pub fn unanswered_since(&self, service: &Service) -> Option<Since> {
        self.unanswered.get(service).copied()
    }

    /// Notes which of them have no endpoints at a moment.
    pub fn notice_services(&mut self, services: Vec<Service>, at: Timestamp) {
        let first = !std::mem::replace(&mut self.endpoints_seen, true);
        let mut before = std::mem::take(&mut self.unanswered);
        for service in services {
            let since = before.remove(&service).unwrap_or(Since { at, at_least: first });
            self.unanswered.insert(service, since);
        }
    }

    /// Since when a pool's template asks what it asks now, as far as it was watched.
    pub fn configured_since(&self, pool: &str) -> Option<Since> {
        self.configurations.get(pool).map(|(_, since)| *since)
    }

    /// Notes what the templates ask at a moment. Tells the pools whose nodes are to apply something else, in place.
    pub fn notice_templates(&mut self, templates: &Templates, at: Timestamp) -> Vec<String> {
        let Templates::Known(list) = templates else { return Vec::new() };
        let mut before = std::mem::take(&mut self.configurations);
        let mut changed = Vec::new();
        for template in list {
            let pool = &template.pool;
            let Some(template) = newest(templates, pool) else { continue };
            if self.configurations.contains_key(pool) {
                continue;
            }
            let asks = (template.name.clone(), template.checksum.clone());
            let since = match before.remove(pool) {
                Some((asked, since)) if asked == asks => since,
                Some(((name, _), _)) => {
                    if name == template.name {
                        changed.push(pool.clone());
                    }
                    Since::told(at)
                }
                None => Since::seen(at),
            };
            self.configurations.insert(pool.clone(), (asks, since));
        }
        changed
    }

    /// Since when SKE reports an error, as far as it was watched.
    pub fn reported_since(&self, problem: &ReportedError) -> Option<Since> {
        self.reported.get(&problem.code).copied()
    }

    /// Notes what SKE reports at a moment; at the `first` look of a watch it may have been so for longer.
    pub fn notice_problems(&mut self, problems: &[ReportedError], at: Timestamp, first: bool) {
        let mut before = std::mem::take(&mut self.reported);
        for problem in problems {
            let since = before.remove(&problem.code).unwrap_or(Since { at, at_least: first });
            self.reported.entry(problem.code.clone()).or_insert(since);
        }
    }

    /// The first template that this rotation made for a pool, if it was seen.
    pub fn first_template(&self, pool: &str) -> Option<&str> {
        self.first_templates.get(pool).map(String::as_str)
    }
}

fn budget_key(budget: &Budget) -> String {
    format!("{}/{}", budget.namespace, budget.name)
}
