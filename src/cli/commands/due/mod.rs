//! `skeys due`: what needs a person in all configured projects and regions.

mod prometheus;
mod render;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use futures_util::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};

use crate::cli::args::DueFormat;
use crate::cli::output::Output;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age_policy::AgePolicy;
use crate::domain::cluster::{Cluster, Listing, Scope};
use crate::domain::credential::{Credentials, FoundFile, KnownCredential};
use crate::domain::due::{Due, DueLimits, due};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::{clean, plural};

/// Exit status when something is due.
pub const DUE: u8 = 3;

/// What the command works with.
pub struct Services {
    pub clock: Clock,
    pub ske: SkeClient,
    /// Most concurrent lists.
    pub concurrency: usize,
    /// Allowed age of credentials.
    pub policy: AgePolicy,
    /// A kubeconfig that expires within this time is due.
    pub warn_before: SignedDuration,
    /// What skeys recorded.
    pub credentials: Credentials,
    /// Why that is not known.
    pub not_recorded: Option<String>,
    /// The kubeconfig files of this machine.
    pub files: Vec<FoundFile>,
}

/// What was found in all scopes.
struct Report {
    now: Timestamp,
    clusters: Vec<CheckedCluster>,
    /// Scopes that were asked for, each with why it is not listed in full.
    scopes: Vec<(Scope, Option<String>)>,
    /// Kubeconfig files that could not be read, and why.
    unread: Vec<(String, String)>,
    /// Why what skeys recorded is not known.
    not_recorded: Option<String>,
}

/// One cluster.
struct CheckedCluster {
    cluster: Cluster,
    /// By SKE's clock.
    now: Timestamp,
    limit: SignedDuration,
    known: Vec<KnownCredential>,
    due: Vec<Due>,
}

impl Report {
    fn missing(&self) -> impl Iterator<Item = (&Scope, &String)> {
        self.scopes.iter().filter_map(|(scope, why)| Some((scope, why.as_ref()?)))
    }

    /// What is due, the most urgent first.
    fn due(&self) -> Vec<(&CheckedCluster, &Due)> {
        let of = |one: &'_ CheckedCluster| one.due.len();
        let mut all = Vec::with_capacity(self.clusters.iter().map(of).sum());
        for checked in &self.clusters {
            all.extend(checked.due.iter().map(|due| (checked, due)));
        }
        all.sort_by_key(|(checked, due)| (due.order(), &checked.cluster.id));
        all
    }

    fn status(&self) -> u8 {
        if self.missing().next().is_some() {
            1
        } else if self.clusters.iter().any(|checked| !checked.due.is_empty()) {
            DUE
        } else {
            0
        }
    }
}

/// Lists all scopes and says what is due; the exit status is 0, 1 where not everything could be listed, or [`DUE`].
pub async fn run(scopes: Vec<Scope>, format: DueFormat, services: Services) -> Output {
    let scopes: BTreeSet<Scope> = scopes.into_iter().collect();
    let lists = scopes.into_iter().map(|scope| async {
        let listed = services.ske.list(&scope).await;
        (scope, listed)
    });
    let lists = stream::iter(lists).buffer_unordered(services.concurrency.max(1));
    let mut lists: Vec<(Scope, Result<Listing, Failure>)> = lists.collect().await;
    lists.sort_by(|(one, _), (other, _)| one.cmp(other));
    // A project need not have SKE in every configured region; without any there may be a wrong ID.
    let not_offered = |listed: &Result<Listing, Failure>| {
        listed.as_ref().is_err_and(|failure| failure.kind == FailureKind::NotOffered)
    };
    let nowhere = lists.iter().all(|(_, listed)| not_offered(listed));
    let now = services.clock.now();
    let mut report = Report {
        now,
        clusters: Vec::new(),
        scopes: Vec::new(),
        unread: Vec::new(),
        not_recorded: services.not_recorded.as_deref().map(clean),
    };
    for (scope, listed) in lists {
        if not_offered(&listed) && !nowhere {
            continue;
        }
        let missing = match listed {
            Ok(listing) => {
                let now = now.saturating_add(listing.skew).unwrap_or(now);
                let clusters = listing.clusters.into_iter();
                report.clusters.extend(clusters.map(|cluster| check(cluster, &services, now)));
                let skipped = plural(listing.skipped, text::CLUSTER, text::CLUSTERS);
                (listing.skipped > 0).then(|| text::skipped(skipped))
            }
            Err(failure) => Some(clean(&failure.to_string())),
        };
        report.scopes.push((scope, missing));
    }
    let unread = services.files.into_iter();
    report.unread = unread.filter_map(|file| Some((file.path, file.contexts.err()?))).collect();
    Output {
        out: render::report(&report, format),
        err: render::problems(&report),
        status: report.status(),
    }
}

fn check(cluster: Cluster, services: &Services, now: Timestamp) -> CheckedCluster {
    let limit = services.policy.limit(&cluster);
    let known = services.credentials.inventory(&cluster, &services.files, None, now);
    let limits = DueLimits { age: limit, kubeconfig: services.warn_before };
    let due = due(&cluster, &known, limits, now);
    CheckedCluster { cluster, now, limit, known, due }
}
