//! `skeys due`: what needs attention in all configured projects and regions.

mod prometheus;
mod render;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;
use std::path::PathBuf;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};

use crate::app::settings::Settings;
use crate::cli::args::DueFormat;
use crate::cli::commands::wait::text::skipped;
use crate::cli::config::{ConfigSources, Loaded};
use crate::cli::output::Output;
use crate::cli::wiring::{Found, Session};
use crate::clock::Clock;
use crate::domain::cluster::{Cluster, Listing, Region, Scope};
use crate::domain::credential::KnownCredential;
use crate::domain::due::{Due, DueLimits, due};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;

/// Exit status when something is due.
pub const DUE: u8 = 3;

/// Results of all scopes.
struct Report {
    now: Timestamp,
    clusters: Vec<CheckedCluster>,
    /// Requested scopes, each with the reason if its list is incomplete.
    scopes: Vec<(Scope, Option<String>)>,
    /// Regions that SKE does not offer (HTTP 501), although it lists clusters in others.
    not_offered: BTreeSet<Region>,
    /// Kubeconfig files that could not be read, and why.
    unread: Vec<(String, String)>,
    /// Why skeys's records could not be read.
    not_recorded: Option<String>,
}

/// One cluster.
struct CheckedCluster {
    cluster: Cluster,
    /// In SKE's time.
    now: Timestamp,
    limit: SignedDuration,
    known: Vec<KnownCredential>,
    due: Vec<Due>,
}

impl Report {
    fn missing(&self) -> impl Iterator<Item = (&Scope, &String)> {
        self.scopes.iter().filter_map(|(scope, why)| Some((scope, why.as_ref()?)))
    }

    /// What is due, most urgent first.
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

/// Lists all scopes and reports what is due; the exit status is 0, 1 for an incomplete list, or [`DUE`].
///
/// # Errors
/// The sign-in, the kubeconfigs of this machine or the projects cannot be read.
pub async fn run(
    loaded: &Loaded,
    sources: &ConfigSources<'_>,
    format: DueFormat,
    machine: (Clock, Option<PathBuf>),
) -> Result<Output, Failure> {
    let session = Session::open(loaded, sources, machine).await?;
    let found = session.find_kubeconfigs().await?;
    let scopes: BTreeSet<Scope> = session.scopes().await?.into_iter().collect();
    let lists = session.ske.list_all(scopes, session.concurrency, Some(&session.clock));
    let mut lists: Vec<_> = lists.collect().await;
    lists.sort_by(|(one, _), (other, _)| one.cmp(other));
    // A project need not have SKE in every configured region; with SKE in none, its ID may be wrong.
    let not_offered = |listed: &Result<Listing, Failure>| {
        listed.as_ref().is_err_and(|failure| failure.kind == FailureKind::NotOffered)
    };
    let nowhere = lists.iter().all(|(_, listed)| not_offered(listed));
    let now = session.clock.now();
    let mut report = Report {
        now,
        clusters: Vec::new(),
        scopes: Vec::new(),
        not_offered: BTreeSet::new(),
        unread: Vec::new(),
        not_recorded: found.not_recorded.as_deref().map(clean),
    };
    for (scope, listed) in lists {
        if not_offered(&listed) && !nowhere {
            report.not_offered.insert(scope.region);
            continue;
        }
        let missing = match listed {
            Ok(listing) => {
                let now = now.saturating_add(listing.skew.unwrap_or_default()).unwrap_or(now);
                let check = |cluster| check(cluster, &found, &session.settings, now);
                report.clusters.extend(listing.clusters.into_iter().map(check));
                skipped(listing.skipped)
            }
            Err(failure) => Some(clean(&failure.to_string())),
        };
        report.scopes.push((scope, missing));
    }
    let unread = found.files.into_iter();
    report.unread = unread.filter_map(|file| Some((file.path, file.contexts.err()?))).collect();
    Ok(Output {
        out: render::report(&report, format),
        err: session.noted() + &render::problems(&report),
        status: report.status(),
    })
}

fn check(cluster: Cluster, found: &Found, settings: &Settings, now: Timestamp) -> CheckedCluster {
    let limit = settings.overdue_after.limit(&cluster);
    let known = found.recorded.inventory(&cluster, &found.files, None, now);
    let limits = DueLimits { age: limit, kubeconfig: settings.warn_before };
    let due = due(&cluster, &known, limits, now);
    CheckedCluster { cluster, now, limit, known, due }
}
