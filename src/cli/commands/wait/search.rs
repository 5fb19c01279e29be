//! Finds a cluster by name. An ambiguous name is refused, so every project and region must have answered before a match
//! counts. Pure: lists are arguments.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::cli::commands::wait::target::address;
use crate::cli::commands::wait::text;
use crate::cli::commands::wait::tracker::REFUSAL_LIMIT;
use crate::domain::cluster::{Cluster, ClusterId, ClusterName, Listing, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::{clean, distance_within, plural};

/// Edit distance up to which a name is suggested.
const SIMILAR_DISTANCE: usize = 2;
/// Most suggested names.
const MOST_SIMILAR: usize = 3;

/// A search under way.
#[derive(Debug)]
pub struct ClusterSearch {
    name: ClusterName,
    scopes: BTreeMap<Scope, Listed>,
    /// A persistent refusal.
    fatal: Option<Failure>,
    outage: Option<Outage>,
}

/// State of a scope.
#[derive(Debug)]
enum Listed {
    /// No answer yet. `refused`: since when a permanent refusal has lasted, on the monotonic clock.
    Pending { refused: Option<Duration> },
    /// Clusters with the searched name, all names, and the number of clusters that could not be read.
    Answered(Vec<Cluster>, Vec<ClusterName>, usize),
    /// This account cannot list it.
    Unlistable(Failure),
}

impl ClusterSearch {
    /// A search for a name in projects and regions.
    pub fn new(name: ClusterName, scopes: impl IntoIterator<Item = Scope>) -> Self {
        let scopes = scopes.into_iter().map(|scope| (scope, Listed::Pending { refused: None }));
        Self { name, scopes: scopes.collect(), fatal: None, outage: None }
    }

    /// Scopes still to be listed.
    pub fn unanswered(&self) -> Vec<Scope> {
        let pending = |(_, listed): &(_, &Listed)| matches!(listed, Listed::Pending { .. });
        self.scopes.iter().filter(pending).map(|(scope, _)| scope.clone()).collect()
    }

    /// Since when lists fail.
    pub fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// When the pending scopes are listed again, on the monotonic clock. `random` is in 0..1.
    pub fn next_round(&self, now: Now, idle: Duration, random: f64) -> Duration {
        let again = |outage: &Outage| outage.next(now, idle, false, random);
        self.outage.as_ref().map_or(now.monotonic.saturating_add(idle), again)
    }

    /// Processes the answer for a scope.
    pub fn take_list(&mut self, scope: &Scope, result: Result<Listing, Failure>, now: Now) {
        let listed = match result {
            Ok(Listing { mut clusters, skipped, .. }) => {
                let names = clusters.iter().map(|cluster| cluster.id.name.clone()).collect();
                clusters.retain(|cluster| cluster.id.name == self.name);
                Listed::Answered(clusters, names, skipped)
            }
            Err(failure)
                if matches!(
                    failure.kind,
                    FailureKind::NotOffered | FailureKind::NotFound | FailureKind::Forbidden
                ) =>
            {
                Listed::Unlistable(failure)
            }
            Err(failure) => {
                let began = match self.scopes.get(scope) {
                    Some(Listed::Pending { refused: Some(began) }) => *began,
                    _ => now.monotonic,
                };
                let refused = (!failure.is_transient()).then_some(began);
                // Gateways may also send spurious refusals.
                let lasts = |began| now.monotonic.saturating_sub(began) >= REFUSAL_LIMIT;
                if refused.is_some_and(lasts) {
                    self.fatal.get_or_insert_with(|| failure.clone());
                }
                self.outage = Some(Outage::after(self.outage.take(), failure, now));
                Listed::Pending { refused }
            }
        };
        self.scopes.insert(scope.clone(), listed);
    }

    /// Whether a failure ended the search.
    pub fn has_failed(&self) -> bool {
        self.fatal.is_some()
    }

    /// The cluster, or a sentence why there is not exactly one; `None` while undecided.
    pub fn result(&self) -> Option<Result<Cluster, String>> {
        let found: Vec<&Cluster> = self.answers().flat_map(|(found, _)| found).collect();
        match (found.as_slice(), &self.fatal) {
            ([_, _, ..], _) => Some(Err(self.ambiguous(&found))),
            (_, Some(failure)) => Some(Err(failure.to_string())),
            _ if !self.unanswered().is_empty() => None,
            ([cluster], None) => Some(Ok((*cluster).clone())),
            ([], None) => Some(Err(self.not_found())),
        }
    }

    /// Matching clusters and all names, for each scope that answered.
    fn answers(&self) -> impl Iterator<Item = (&[Cluster], &[ClusterName])> {
        self.scopes.values().filter_map(|listed| match listed {
            Listed::Answered(found, names, _) => Some((found.as_slice(), names.as_slice())),
            Listed::Pending { .. } | Listed::Unlistable(_) => None,
        })
    }

    /// A sentence on where this account cannot list another cluster of that name.
    pub fn unlistable_warning(&self) -> Option<String> {
        let hidden = |failure: &Failure| failure.kind == FailureKind::Forbidden;
        let scopes = self.unlistable_scopes(hidden);
        (!scopes.is_empty()).then(|| text::unlistable_elsewhere(clean(self.name.as_str()), scopes))
    }

    fn ambiguous(&self, found: &[&Cluster]) -> String {
        let ids: Vec<&ClusterId> = found.iter().map(|cluster| &cluster.id).collect();
        let projects: BTreeSet<_> = ids.iter().map(|id| id.project()).collect();
        let regions: BTreeSet<_> = ids.iter().map(|id| id.region()).collect();
        let flags = match (projects.len() > 1, regions.len() > 1) {
            (true, false) => text::FLAG_PROJECT,
            (false, _) => text::FLAG_REGION,
            (true, true) => text::FLAGS_BOTH,
        };
        let mut addresses: Vec<String> = ids.into_iter().map(address).collect();
        addresses.sort_unstable();
        let mut count = addresses.len().to_string();
        if !self.unanswered().is_empty() {
            count = text::at_least(count);
        }
        text::ambiguous(count, clean(self.name.as_str()), addresses.join(", "), flags)
    }

    fn not_found(&self) -> String {
        let projects: BTreeSet<_> = self.scopes.keys().map(|scope| &scope.project).collect();
        let regions: BTreeSet<_> = self.scopes.keys().map(|scope| scope.region.as_str()).collect();
        let regions = regions.into_iter().map(clean).collect::<Vec<_>>().join(", ");
        let projects = match projects.first() {
            Some(only) if projects.len() == 1 => text::project(clean(only.as_str())),
            _ => plural(projects.len(), "project", "projects"),
        };
        let names: BTreeSet<_> =
            self.answers().flat_map(|(_, names)| names).map(ClusterName::as_str).collect();
        let is_similar =
            |name: &&str| distance_within(name, self.name.as_str(), SIMILAR_DISTANCE).is_some();
        let similar = names.into_iter().filter(is_similar).take(MOST_SIMILAR);
        let similar = similar.map(clean).collect::<Vec<_>>().join(", ");
        let not_offered = self.regions_not_offered().join(", ");
        let unlistable = self.unlistable_scopes(|why| why.kind != FailureKind::NotOffered);
        let optional = |list: String, sentence: fn(String) -> String| {
            if list.is_empty() { list } else { sentence(list) }
        };
        [
            text::no_such_name(clean(self.name.as_str()), projects, regions),
            optional(similar, text::similar),
            optional(not_offered, text::not_offered),
            optional(unlistable, text::unlistable),
            optional(self.incomplete_scopes(), text::incomplete),
        ]
        .concat()
    }

    /// Regions without SKE in any project; their names may be wrong.
    fn regions_not_offered(&self) -> Vec<String> {
        let (without, with): (Vec<_>, Vec<_>) = self.scopes.iter().partition(|(_, listed)| {
            matches!(listed, Listed::Unlistable(why) if why.kind == FailureKind::NotOffered)
        });
        let regions = |scopes: Vec<(&'_ Scope, _)>| -> BTreeSet<String> {
            scopes.into_iter().map(|(scope, _)| clean(scope.region.as_str())).collect()
        };
        regions(without).difference(&regions(with)).cloned().collect()
    }

    /// Scopes with clusters that could not be read, possibly the searched one.
    fn incomplete_scopes(&self) -> String {
        let scopes = self.scopes.iter().filter_map(|(scope, listed)| {
            let Listed::Answered(_, _, skipped) = listed else { return None };
            let why = text::skipped(*skipped)?;
            Some(clean(&text::scope(&scope.project, &scope.region, why)))
        });
        scopes.collect::<Vec<_>>().join(", ")
    }

    fn unlistable_scopes(&self, counts: impl Fn(&Failure) -> bool) -> String {
        let scopes = self.scopes.iter().filter_map(|(scope, listed)| {
            let Listed::Unlistable(why) = listed else { return None };
            let hint = why.hint.as_ref().map_or_else(String::new, text::and);
            let said = format!("{}{hint}", why.message);
            counts(why).then(|| clean(&text::scope(&scope.project, &scope.region, said)))
        });
        scopes.collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::app::now::Now;
    use crate::cli::commands::wait::search::ClusterSearch;
    use crate::domain::cluster::{
        Cluster, ClusterId, ClusterName, Listing, ProjectId, Region, Scope,
    };
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures;
    use crate::domain::rotation::Phase;

    type Found = Option<Result<Cluster, String>>;

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

    fn listing(scope: &Scope, names: &[&str]) -> Listing {
        let clusters = names.iter().map(|name| cluster(scope, name)).collect();
        Listing { clusters, skipped: 0, skew: None }
    }

    /// Searches for "shop" in scopes with these names or failures.
    fn searched(scopes: &[(Scope, Result<&[&str], FailureKind>)]) -> (ClusterSearch, Found) {
        let searched = scopes.iter().map(|(scope, _)| scope.clone());
        let mut search = ClusterSearch::new(ClusterName::new("shop"), searched);
        for (scope, result) in scopes {
            let result = match result {
                Ok(names) => Ok(listing(scope, names)),
                Err(kind) => Err(Failure::new(*kind, "HTTP 4xx")),
            };
            search.take_list(scope, result, now());
        }
        let found = search.result();
        (search, found)
    }

    #[track_caller]
    fn failed(found: Found) -> String {
        let Some(Err(text)) = found else { panic!("{found:?}") };
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
            "2 clusters are named shop: p-1/eu01/shop, p-2/eu01/shop. \
             Select one with --project, or by its full address"
        );
        let text = two(scope("p-1", "eu02"), scope("p-1", "eu01"));
        assert!(
            text.contains("p-1/eu01/shop, p-1/eu02/shop. Select one with --region, or"),
            "{text}"
        );
        let text = two(scope("p-1", "eu01"), scope("p-2", "eu02"));
        assert!(text.contains("Select one with --project, --region or both, or"), "{text}");
    }

    #[test]
    fn cli_05_a_match_counts_only_after_every_scope_has_answered() {
        let (here, there) = (scope("p-1", "eu01"), scope("p-1", "eu02"));
        let scopes = [(here, Ok(&["shop"][..])), (there.clone(), Err(FailureKind::Server))];
        let (mut search, found) = searched(&scopes);
        assert!(found.is_none());
        assert_eq!(search.unanswered(), std::slice::from_ref(&there));
        assert!(search.outage().is_some());
        search.take_list(&there, Ok(listing(&there, &["shop"])), now());
        assert!(failed(search.result()).starts_with("2 clusters are named shop"));
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
        assert!(text.starts_with("at least 2 clusters are named shop: p-1/eu01/shop"), "{text}");
    }

    #[test]
    fn a_name_must_be_exact_and_similar_names_are_suggested() {
        let scopes = [(scope("p-1", "eu01"), Ok(&["shop-prod", "shap", "Shop"][..]))];
        let text = failed(searched(&scopes).1);
        assert_eq!(text, "no cluster is named shop in project p-1 (eu01); similar: Shop, shap");
    }

    #[test]
    fn api_01_api_02_regions_and_projects_without_ske_have_no_clusters() {
        let (search, found) = searched(&[
            (scope("p-1", "eu01"), Ok(&["shop"])),
            (scope("p-1", "eu02"), Err(FailureKind::NotOffered)),
            (scope("p-2", "eu01"), Err(FailureKind::NotFound)),
        ]);
        assert!(matches!(found, Some(Ok(cluster)) if cluster.id.name.as_str() == "shop"));
        assert_eq!(search.unlistable_warning(), None);
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
            "no cluster is named shop in 2 projects (eu01, eu02, eu03, eu09); \
             not available: eu03, eu09"
        );
    }

    #[test]
    fn api_03_a_project_that_may_not_be_listed_is_named() {
        let scopes = |names: &'static [&'static str]| {
            [(scope("p-1", "eu01"), Ok(names)), (scope("p-2", "eu01"), Err(FailureKind::Forbidden))]
        };
        let (search, found) = searched(&scopes(&["shop"]));
        assert!(matches!(found, Some(Ok(_))));
        assert!(search.unlistable_warning().unwrap().contains("project p-2 in eu01 (HTTP 4xx)"));
        let text = failed(searched(&scopes(&[])).1);
        assert!(text.contains("in 2 projects (eu01); cannot list project p-2"), "{text}");
    }

    #[test]
    fn api_07_a_list_that_was_not_read_in_full_is_named_if_the_cluster_is_not_found() {
        let place = scope("p-1", "eu01");
        let mut search = ClusterSearch::new(ClusterName::new("shop"), [place.clone()]);
        let listing = Listing { skipped: 2, ..listing(&place, &["other"]) };
        search.take_list(&place, Ok(listing), now());
        assert_eq!(
            failed(search.result()),
            "no cluster is named shop in project p-1 (eu01); not read in full: project p-1 in eu01 \
             (2 clusters in the answer could not be read)"
        );
    }

    #[test]
    fn a_refusal_ends_the_search_once_it_lasts_as_long_as_a_read_may_be_refused() {
        for kind in [FailureKind::SignedOut, FailureKind::Refused] {
            let place = scope("p-1", "eu01");
            let (mut search, found) = searched(&[(place.clone(), Err(kind))]);
            assert!(found.is_none(), "{found:?}");
            assert!(search.outage().is_some());
            let at = |seconds| Now { monotonic: Duration::from_secs(seconds), ..now() };
            let refused = || Err(Failure::new(kind, "HTTP 4xx"));
            search.take_list(&place, refused(), at(29));
            assert!(!search.has_failed());
            // Another answer between two refusals restarts the timeout.
            search.take_list(&place, Err(Failure::new(FailureKind::Server, "503")), at(30));
            search.take_list(&place, refused(), at(31));
            search.take_list(&place, refused(), at(60));
            assert!(!search.has_failed());
            search.take_list(&place, refused(), at(61));
            assert_eq!(failed(search.result()), "HTTP 4xx");
        }
    }

    #[test]
    fn a_single_refusal_does_not_end_the_search() {
        let place = scope("p-1", "eu01");
        let (mut search, _) = searched(&[(place.clone(), Err(FailureKind::SignedOut))]);
        search.take_list(&place, Ok(listing(&place, &["shop"])), now());
        assert!(matches!(search.result(), Some(Ok(_))));
    }

    #[test]
    fn a_repeated_scope_counts_once() {
        let place = scope("p-1", "eu01");
        let scopes = [scope("p-1", "eu01"), scope("p-1", "eu01")];
        let mut search = ClusterSearch::new(ClusterName::new("shop"), scopes);
        assert_eq!(search.unanswered().len(), 1);
        search.take_list(&place, Ok(listing(&place, &["shop"])), now());
        assert!(matches!(search.result(), Some(Ok(_))));
    }
}
