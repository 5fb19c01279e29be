//! `skeys credentials`: every credential for a cluster that can be found, and what a rotation does to it.

mod render;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::watch;

use crate::app::credentials::report::CredentialsReport;
use crate::app::credentials::text::unusable;
use crate::app::nodes::text::{unavailable, unseen};
use crate::app::settings::ObservationScope;
use crate::cli::args::CredentialsOf;
use crate::cli::commands::wait::list_scopes;
use crate::cli::commands::wait::search::ClusterSearch;
use crate::cli::commands::wait::target::Target;
use crate::cli::config::{ConfigSources, Loaded};
use crate::cli::output::Output;
use crate::cli::wiring::{Found, Session};
use crate::clients::kubernetes::{ObserverTarget, observe};
use crate::clients::ske::Reading;
use crate::clock::Clock;
use crate::domain::checklist::LocalChecklist;
use crate::domain::cluster::Cluster;
use crate::domain::credential::{InCluster, Issuance, Reference, Trial};
use crate::domain::failure::Failure;
use crate::domain::known_checklist::KnownChecklist;
use crate::domain::kubeconfig::{KubeconfigKind, ParsedKubeconfig};
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::trials::try_location;
use crate::store::checklists;
use crate::store::private_file::check_private;

/// Exit status if something stops working on *complete*, or already has.
pub const BREAKS: u8 = 3;
/// Exit status if nothing known stops working, but not everything could be checked.
pub const UNCHECKED: u8 = 4;
/// Timeout for the cluster's own API.
const OBSERVE_LIMIT: Duration = Duration::from_mins(1);

fn status(report: &CredentialsReport) -> u8 {
    match (report.breaks(), report.is_incomplete()) {
        (true, _) => BREAKS,
        (false, true) => UNCHECKED,
        (false, false) => 0,
    }
}

/// Finds and judges credentials; the exit status is 0, [`BREAKS`] or [`UNCHECKED`].
///
/// # Errors
/// The cluster cannot be found or read.
pub async fn run(
    loaded: &Loaded,
    sources: &ConfigSources<'_>,
    arguments: &CredentialsOf,
    machine: (Clock, Option<PathBuf>),
) -> anyhow::Result<Output> {
    let session = Session::open(loaded, sources, machine).await?;
    let Session { settings, clock, .. } = &session;
    let Found { files, recorded: mut credentials, not_recorded } =
        session.find_kubeconfigs().await?;
    let (cluster, skew, warning) = find(&arguments.cluster, &session).await?;
    let (issued, seen) = match settings.watch {
        _ if settings.read_only => (None, Err("read-only mode".to_owned())),
        ObservationScope::Never => (None, Err("kubernetes.watch is never".to_owned())),
        ObservationScope::Open | ObservationScope::Running => {
            observe_once(&cluster, &session).await
        }
    };
    let of_snapshot = seen.as_ref().ok().and_then(|seen| seen.control_plane.issuance.clone());
    // The issued kubeconfig identifies the cluster of each file, even if the cluster does not accept it.
    if let Some(issuance) = of_snapshot.or(issued) {
        let (cluster, created) = (cluster.id.clone(), cluster.created);
        credentials.note(Reference { cluster, created, issuance });
    }
    let now = clock.now();
    let now = now.saturating_add(skew.unwrap_or_default()).unwrap_or(now);
    let keys = seen.as_ref().ok().and_then(|seen| seen.control_plane.signing_keys.as_ref());
    let mut known = Vec::new();
    for one in credentials.inventory(&cluster, &files, keys, now) {
        let trial = match one.unusable() {
            _ if !arguments.r#try => None,
            Some(why) => Some(Trial::NotTried(unusable(why))),
            None => Some(try_location(&one.location, &session.kubeconfigs, clock).await),
        };
        known.push((one, trial));
    }
    let local = read_checklist(&cluster, &session).await;
    let checklist = KnownChecklist::of(seen.as_deref().ok(), Some(&local));
    let checklist_unseen = match &seen {
        Ok(seen) => seen.unseen.get("checklist").map(unseen).unwrap_or_default(),
        Err(why) => why.clone(),
    };
    let context = credentials.kubectl_context(&cluster, &files, now);
    let in_cluster = seen.map(|snapshot| InCluster::of(&cluster, &credentials, &snapshot, now));
    let report = CredentialsReport {
        is_outdated: credentials.is_outdated(&cluster),
        cluster,
        now,
        known,
        files: files.into(),
        no_files: None,
        not_recorded,
        in_cluster,
        context,
        checklist,
        checklist_unseen,
    };
    let warning = warning.map(|warning| format!("skeys: {warning}\n")).unwrap_or_default();
    Ok(Output {
        out: render::report(&report, arguments.format),
        err: session.noted() + &warning,
        status: status(&report),
    })
}

/// The checklist on this machine; empty without a state folder.
async fn read_checklist(cluster: &Cluster, session: &Session) -> Result<LocalChecklist, Failure> {
    let Some(folder) = session.state_folder.clone() else { return Ok(LocalChecklist::default()) };
    let id = cluster.id.clone();
    let read = move || check_private(&folder).and_then(|()| checklists::read(&folder, &id));
    run_blocking(&session.clock, FILE_LIMIT, "checklists", read).await.flatten()
}

/// The cluster, the skew of SKE's clock, and where another cluster of that name may exist.
async fn find(
    target: &Target,
    session: &Session,
) -> anyhow::Result<(Cluster, Option<SignedDuration>, Option<String>)> {
    let name = match target {
        Target::Whole(id) => {
            let Reading { cluster, skew } = session.ske.get(id).await?;
            return Ok((cluster, skew, None));
        }
        Target::Name(name) => name.clone(),
    };
    let mut search = ClusterSearch::new(name, session.scopes().await?);
    let lists =
        session.ske.list_all(search.unanswered(), session.concurrency, Some(&session.clock));
    let skew = list_scopes(&mut search, lists, &session.clock).await;
    match (search.result(), search.outage()) {
        (Some(found), _) => {
            Ok((found.map_err(anyhow::Error::msg)?, skew, search.unlistable_warning()))
        }
        (None, Some(outage)) => Err(outage.failure.clone().into()),
        (None, None) => anyhow::bail!("not all projects answered; try again"),
    }
}

/// The kubeconfig issued for observing, and the first snapshot with everything that verdicts need.
async fn observe_once(
    cluster: &Cluster,
    session: &Session,
) -> (Option<Issuance>, Result<Arc<ClusterSnapshot>, String>) {
    let (_readings, reader) = watch::channel(cluster.clone());
    let target = ObserverTarget {
        cluster: reader,
        ske_on_loopback: session.ske.is_on_loopback(),
        may_disable_static_tokens: false,
    };
    let (events, mut last) = watch::channel(None);
    let sink = |event| {
        events.send_replace(Some(event));
    };
    let issued = watch::Sender::new(None);
    let issue = || async {
        let response = session.ske.issue_short_lived(&cluster.id).await?;
        let facts = ParsedKubeconfig::read(KubeconfigKind::Admin, &response.kubeconfig).ok();
        if let Some(facts) = facts.and_then(|fresh| fresh.facts().ok()) {
            let issuance = Issuance { facts, rotation: Some(cluster.rotation.clone()) };
            issued.send_replace(Some(issuance));
        }
        Ok(response)
    };
    let is_enough = |event: &Option<ObserverEvent>| match event {
        Some(ObserverEvent::Snapshot(snapshot)) => {
            let seen = &snapshot.control_plane;
            !snapshot.is_being_read() && seen.issuance.is_some() && seen.signing_keys.is_some()
        }
        // Whether there is no point in waiting.
        Some(ObserverEvent::Unavailable(why)) => {
            !matches!(why, Unavailable::Connecting | Unavailable::NotAcceptedYet { .. })
        }
        None => false,
    };
    let observing = observe(target, issue, session.clock.clone(), sink);
    let ended = tokio::select! {
        _event = last.wait_for(is_enough) => false,
        () = observing => true,
        () = session.clock.sleep(OBSERVE_LIMIT) => false,
    };
    let last = last.borrow().clone();
    let seen = match last {
        _ if ended => Err("not observed".to_owned()),
        Some(ObserverEvent::Snapshot(snapshot)) => Ok(snapshot),
        Some(ObserverEvent::Unavailable(why)) => Err(unavailable(&why)),
        None => Err("no answer within a minute".to_owned()),
    };
    (issued.borrow().clone(), seen)
}

#[cfg(test)]
mod tests;
