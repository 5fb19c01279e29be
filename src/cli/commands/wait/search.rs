//! Which listed cluster a name means. A name that two clusters bear is refused, never guessed, so that every project
//! and region must have answered before a single one counts. Pure; lists are handed in.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::cli::commands::wait::target::address;
use crate::domain::cluster::{Cluster, ClusterId, ClusterName, Region, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::{clean, plural};

/// Names that differ in no more letters are offered instead of one that is not there.
const NEAR: usize = 2;
/// Names that are offered at most.
const MOST_NEAR: usize = 3;

/// A search under way.
#[derive(Debug)]
pub struct Search {
    name: ClusterName,
    scopes: BTreeSet<Scope>,
    unanswered: BTreeSet<Scope>,
    found: Vec<Cluster>,
    names: BTreeSet<String>,
    /// Where there is nothing to be seen for this account, and why.
    blind: Vec<(Scope, Failure)>,
    /// What no list can help against.
    hopeless: Option<Failure>,
    outage: Option<Outage>,
}

/// How a search stands.
#[derive(Debug)]
pub enum Found {
    NotYet,
    One(Box<Cluster>),
    /// It is none, or several, or it cannot be found out: a sentence.
    Failed(String),
}

impl Search {
    /// A search for a name in projects and regions.
    pub fn new(name: ClusterName, scopes: impl IntoIterator<Item = Scope>) -> Self {
        let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
        Self {
            name,
            unanswered: scopes.clone(),
            scopes,
            found: Vec::new(),
            names: BTreeSet::new(),
            blind: Vec::new(),
            hopeless: None,
            outage: None,
        }
    }

    /// What is still to be listed.
    pub fn unanswered(&self) -> Vec<Scope> {
        self.unanswered.iter().cloned().collect()
    }

    /// Since when a list cannot be had.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// When the rest is asked again, on the monotonic clock. `random` lies in 0..1.
    pub fn next(&self, now: Now, idle: Duration, random: f64) -> Duration {
        let again = |outage: &Outage| outage.next(now, idle, false, random);
        self.outage.as_ref().map_or(now.monotonic.saturating_add(idle), again)
    }

    /// A list came, or not.
    pub fn listed(&mut self, scope: &Scope, result: Result<Vec<Cluster>, Failure>, now: Now) {
        match result {
            Ok(clusters) => {
                self.unanswered.remove(scope);
                self.names.extend(clusters.iter().map(|cluster| cluster.id.name.to_string()));
                self.found.extend(clusters.into_iter().filter(|c| c.id.name == self.name));
            }
            Err(failure) if failure.is_transient() => {
                self.outage = Some(Outage::after(self.outage.take(), failure, now));
            }
            Err(failure) => {
                self.unanswered.remove(scope);
                if matches!(
                    failure.kind,
                    FailureKind::NotOffered | FailureKind::NotFound | FailureKind::Forbidden
                ) {
                    self.blind.push((scope.clone(), failure));
                } else {
                    self.hopeless.get_or_insert(failure);
                }
            }
        }
    }

    /// Whether no further list can help.
    pub fn is_hopeless(&self) -> bool {
        self.hopeless.is_some()
    }

    /// How it stands.
    pub fn stands(&self) -> Found {
        if self.found.len() > 1 {
            return Found::Failed(self.several());
        }
        if let Some(failure) = &self.hopeless {
            return Found::Failed(failure.to_string());
        }
        match self.found.first() {
            _ if !self.unanswered.is_empty() => Found::NotYet,
            Some(cluster) => Found::One(Box::new(cluster.clone())),
            None => Found::Failed(self.none()),
        }
    }

    /// Where another cluster of the name may be that this account cannot see, in a sentence.
    pub fn doubt(&self) -> Option<String> {
        let hidden = |failure: &Failure| failure.kind == FailureKind::Forbidden;
        let places = self.blind_places(hidden);
        (!places.is_empty()).then(|| {
            let name = clean(self.name.as_str());
            format!("whether another {name} is there cannot be told from here: {places}")
        })
    }

    fn several(&self) -> String {
        let ids: Vec<&ClusterId> = self.found.iter().map(|cluster| &cluster.id).collect();
        let projects: BTreeSet<_> = ids.iter().map(|id| id.project()).collect();
        let regions: BTreeSet<_> = ids.iter().map(|id| id.region()).collect();
        let flags = match (projects.len() > 1, regions.len() > 1) {
            (true, false) => "--project",
            (false, _) => "--region",
            (true, true) => "--project, --region or both",
        };
        let mut places: Vec<String> = ids.into_iter().map(address).collect();
        places.sort_unstable();
        let least = if self.unanswered.is_empty() { "" } else { "at least " };
        format!(
            "{least}{} clusters are called {}: {}. Narrow with {flags}, or write one of these instead of the name",
            places.len(),
            clean(self.name.as_str()),
            places.join(", ")
        )
    }

    fn none(&self) -> String {
        if self.scopes.is_empty() {
            return "no project and region is looked at; name both, or write the cluster's full address"
                .to_owned();
        }
        let projects: BTreeSet<_> = self.scopes.iter().map(|scope| &scope.project).collect();
        let regions: BTreeSet<_> = self.scopes.iter().map(|scope| scope.region.as_str()).collect();
        let regions = regions.into_iter().map(clean).collect::<Vec<_>>().join(", ");
        let mut text = format!(
            "no cluster is called {} in {} ({regions})",
            clean(self.name.as_str()),
            match projects.first() {
                Some(only) if projects.len() == 1 => clean(&format!("project {only}")),
                _ => plural(projects.len(), "project", "projects"),
            }
        );
        let mut near: Vec<&String> = self
            .names
            .iter()
            .filter(|name| strsim::damerau_levenshtein(name, self.name.as_str()) <= NEAR)
            .collect();
        near.truncate(MOST_NEAR);
        if !near.is_empty() {
            let near: Vec<String> = near.into_iter().map(|name| clean(name)).collect();
            text.push_str(&format!("; there is {}", near.join(", ")));
        }
        let nowhere = self.regions_not_offered();
        if !nowhere.is_empty() {
            text.push_str(&format!("; not offered here: {}", nowhere.join(", ")));
        }
        let places = self.blind_places(|failure| failure.kind != FailureKind::NotOffered);
        if !places.is_empty() {
            text.push_str(&format!("; not seen from here: {places}"));
        }
        text
    }

    /// Regions that are offered in none of the projects; their names may be wrong.
    fn regions_not_offered(&self) -> Vec<String> {
        let refused = |scope: &Scope| {
            self.blind
                .iter()
                .any(|(blind, failure)| blind == scope && failure.kind == FailureKind::NotOffered)
        };
        let regions: BTreeSet<&Region> = self.scopes.iter().map(|scope| &scope.region).collect();
        regions
            .into_iter()
            .filter(|region| {
                self.scopes.iter().filter(|scope| scope.region == **region).all(refused)
            })
            .map(|region| clean(region.as_str()))
            .collect()
    }

    fn blind_places(&self, counts: impl Fn(&Failure) -> bool) -> String {
        let places =
            self.blind.iter().filter(|(_, failure)| counts(failure)).map(|(scope, why)| {
                let hint = why.hint.as_ref().map_or_else(String::new, |hint| format!("; {hint}"));
                clean(&format!(
                    "project {} in {} ({}{hint})",
                    scope.project, scope.region, why.message
                ))
            });
        places.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::now::Now;
    use crate::cli::commands::wait::search::{Found, Search};
    use crate::domain::cluster::{Cluster, ClusterId, ClusterName, ProjectId, Region, Scope};
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures;
    use crate::domain::rotation::Phase;

    fn now() -> Now {
        Now { wall: fixtures::now(), monotonic: Duration::ZERO }
    }

    fn scope(project: &str, region: &str) -> Scope {
        Scope { project: ProjectId::new(project), region: Region::new(region) }
    }

    fn cluster(scope: &Scope, name: &str) -> Cluster {
        let id = ClusterId { scope: scope.clone(), name: ClusterName::new(name) };
        Cluster { id, ..fixtures::cluster(name, Phase::Prepared) }
    }

    /// What a search for "shop" says when these places hold these names, or fail.
    fn searched(places: &[(Scope, Result<&[&str], FailureKind>)]) -> (Search, Found) {
        let scopes = places.iter().map(|(scope, _)| scope.clone());
        let mut search = Search::new(ClusterName::new("shop"), scopes);
        for (scope, result) in places {
            let result = match result {
                Ok(names) => Ok(names.iter().map(|name| cluster(scope, name)).collect()),
                Err(kind) => Err(Failure::new(*kind, "HTTP 4xx")),
            };
            search.listed(scope, result, now());
        }
        let found = search.stands();
        (search, found)
    }

    #[track_caller]
    fn failed(found: Found) -> String {
        let Found::Failed(text) = found else { panic!("{found:?}") };
        text
    }

    #[test]
    fn cli_05_an_ambiguous_name_is_refused_with_candidates_and_flags() {
        let two = |first: Scope, second: Scope| {
            failed(searched(&[(first, Ok(&["shop", "other"])), (second, Ok(&["shop"]))]).1)
        };
        let text = two(scope("p-1", "eu01"), scope("p-2", "eu01"));
        assert_eq!(
            text,
            "2 clusters are called shop: p-1/eu01/shop, p-2/eu01/shop. \
             Narrow with --project, or write one of these instead of the name"
        );
        let text = two(scope("p-1", "eu02"), scope("p-1", "eu01"));
        assert!(text.contains("p-1/eu01/shop, p-1/eu02/shop. Narrow with --region, or"), "{text}");
        let text = two(scope("p-1", "eu01"), scope("p-2", "eu02"));
        assert!(text.contains("Narrow with --project, --region or both, or"), "{text}");
    }

    #[test]
    fn cli_05_a_match_counts_only_after_every_scope_has_answered() {
        let (here, there) = (scope("p-1", "eu01"), scope("p-1", "eu02"));
        let places = [(here, Ok(&["shop"][..])), (there.clone(), Err(FailureKind::Server))];
        let (mut search, found) = searched(&places);
        assert!(matches!(found, Found::NotYet));
        assert_eq!(search.unanswered(), std::slice::from_ref(&there));
        assert!(search.outage().is_some());
        search.listed(&there, Ok(vec![cluster(&there, "shop")]), now());
        assert!(failed(search.stands()).starts_with("2 clusters are called shop"));
    }

    #[test]
    fn cli_05_two_matches_are_refused_as_at_least_two() {
        let text = failed(
            searched(&[
                (scope("p-1", "eu01"), Ok(&["shop"])),
                (scope("p-1", "eu02"), Ok(&["shop"])),
                (scope("p-2", "eu01"), Err(FailureKind::Server)),
            ])
            .1,
        );
        assert!(text.starts_with("at least 2 clusters are called shop: p-1/eu01/shop"), "{text}");
    }

    #[test]
    fn a_name_must_be_exact_and_similar_names_are_suggested() {
        let places = [(scope("p-1", "eu01"), Ok(&["shop-prod", "shap", "Shop"][..]))];
        let text = failed(searched(&places).1);
        assert_eq!(text, "no cluster is called shop in project p-1 (eu01); there is Shop, shap");
    }

    #[test]
    fn api_01_api_02_regions_and_projects_without_ske_have_no_clusters() {
        let (search, found) = searched(&[
            (scope("p-1", "eu01"), Ok(&["shop"])),
            (scope("p-1", "eu02"), Err(FailureKind::NotOffered)),
            (scope("p-2", "eu01"), Err(FailureKind::NotFound)),
        ]);
        assert!(matches!(found, Found::One(cluster) if cluster.id.name.as_str() == "shop"));
        assert_eq!(search.doubt(), None);
    }

    #[test]
    fn api_01_a_region_without_ske_is_named_if_the_cluster_is_not_found() {
        let text = failed(
            searched(&[
                (scope("p-1", "eu01"), Ok(&[])),
                (scope("p-1", "eu02"), Ok(&[])),
                (scope("p-2", "eu02"), Err(FailureKind::NotOffered)),
                (scope("p-1", "eu03"), Err(FailureKind::NotOffered)),
                (scope("p-2", "eu03"), Err(FailureKind::NotOffered)),
                (scope("p-1", "eu09"), Err(FailureKind::NotOffered)),
            ])
            .1,
        );
        assert_eq!(
            text,
            "no cluster is called shop in 2 projects (eu01, eu02, eu03, eu09); \
             not offered here: eu03, eu09"
        );
    }

    #[test]
    fn api_03_a_project_that_may_not_be_listed_is_named() {
        let places = |names: &'static [&'static str]| {
            [(scope("p-1", "eu01"), Ok(names)), (scope("p-2", "eu01"), Err(FailureKind::Forbidden))]
        };
        let (search, found) = searched(&places(&["shop"]));
        assert!(matches!(found, Found::One(_)));
        assert!(search.doubt().unwrap().contains("project p-2 in eu01 (HTTP 4xx)"));
        let text = failed(searched(&places(&[])).1);
        assert!(text.contains("in 2 projects (eu01); not seen from here: project p-2"), "{text}");
    }

    #[test]
    fn a_refused_token_ends_the_search() {
        let places = [(scope("p-1", "eu01"), Err(FailureKind::SignedOut))];
        assert_eq!(failed(searched(&places).1), "HTTP 4xx");
    }

    #[test]
    fn a_repeated_scope_counts_once() {
        let place = scope("p-1", "eu01");
        let scopes = [scope("p-1", "eu01"), scope("p-1", "eu01")];
        let mut search = Search::new(ClusterName::new("shop"), scopes);
        assert_eq!(search.unanswered().len(), 1);
        search.listed(&place, Ok(vec![cluster(&place, "shop")]), now());
        assert!(matches!(search.stands(), Found::One(_)));
    }
}
