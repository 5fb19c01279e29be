//! `skeys credentials`: every credential for a cluster that can be found, and what a rotation does to it.

mod render;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, watch};

use crate::app::credentials::text::unusable;
use crate::app::nodes::text::unavailable;
use crate::cli::args::Format;
use crate::cli::commands::wait::list_scopes;
use crate::cli::commands::wait::search::{Search, SearchResult};
use crate::cli::commands::wait::target::Target;
use crate::clients::kubernetes::{ObserverTarget, observe};
use crate::clients::ske::{Reading, SkeClient};
use crate::clock::Clock;
use crate::domain::checklist::{Checklist, ChecklistClient, SharedChecklist};
use crate::domain::cluster::{Cluster, ClusterName, Scope};
use crate::domain::credential::{
    Credentials, FoundFile, Generation, Issuance, KnownCredential, Reference, StaleCertificate,
    StaleToken, Trial, Verdict, pods_with_old_authority, restart_commands, stale_certificates,
    stale_tokens,
};
use crate::domain::kubeconfig::{KubeconfigKind, ParsedKubeconfig};
use crate::domain::kubectl::KubectlContext;
use crate::domain::snapshot::{ClusterSnapshot, ObserverEvent, Unavailable};
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::trials::try_place;
use crate::store::checklists;
use crate::store::kubeconfigs::Kubeconfigs;

/// Exit status when something stops working on *complete*, or does so already.
pub const BREAKS: u8 = 3;
/// Exit status when nothing that is known does, and not everything could be looked at.
pub const UNCHECKED: u8 = 4;
/// How long a cluster's own API is waited for.
const OBSERVE_LIMIT: Duration = Duration::from_mins(1);

/// Which cluster, and where it is searched.
pub struct Order {
    pub target: Target,
    pub scopes: Vec<Scope>,
    pub format: Format,
}

/// What the command works with.
pub struct Services {
    pub clock: Clock,
    pub ske: SkeClient,
    /// Most concurrent lists.
    pub concurrency: usize,
    /// Whether the cluster's own API is read, with a kubeconfig of ten minutes that stays in memory.
    pub observes: bool,
    /// Reads a kubeconfig file in shown form, if credentials are to be tried.
    pub tries: Option<Kubeconfigs>,
    /// What skeys recorded.
    pub credentials: Credentials,
    /// Why that is not known.
    pub not_recorded: Option<String>,
    /// The kubeconfig files of this machine.
    pub files: Vec<FoundFile>,
    /// Where the checklists of this machine are kept, if anywhere.
    pub state_folder: Option<PathBuf>,
}

/// Everything that is known of the credentials of a cluster.
struct Report {
    cluster: Cluster,
    now: Timestamp,
    known: Vec<(KnownCredential, Option<Trial>)>,
    files: Vec<FoundFile>,
    /// Why what skeys recorded is not known.
    not_recorded: Option<String>,
    inside: Result<Inside, String>,
    /// Clients that no program can find, or why they are not known.
    checklist: Result<Arc<Checklist>, String>,
}

/// What the cluster's own API shows.
struct Inside {
    tokens: Vec<StaleToken>,
    /// Client certificates of the CSR API; `None` where its requests cannot be read.
    certificates: Option<Vec<StaleCertificate>>,
    /// Pods that may not know the new authority, as `namespace/name`, and what restarts them.
    pods: Vec<String>,
    restart: Vec<String>,
    /// Kinds that could not be read in full, and why.
    unseen: BTreeMap<&'static str, String>,
}

impl Inside {
    fn breaks(&self) -> bool {
        let mut certificates = self.certificates.iter().flatten();
        !self.tokens.is_empty()
            || !self.pods.is_empty()
            || certificates.any(|stale| stale.generation == Generation::Previous)
    }
}

impl Report {
    /// Whether something that is known stops working on *complete*, or does so already.
    fn breaks(&self) -> bool {
        let phase = &self.cluster.rotation.phase;
        let ends = |(known, trial): &(KnownCredential, Option<Trial>)| {
            matches!(
                known.verdict,
                Verdict::Dead | Verdict::BreaksOnStart | Verdict::BreaksOnComplete
            ) || trial.as_ref().is_some_and(|trial| trial.contradicts(known.verdict, phase))
        };
        let inside = self.inside.as_ref().ok();
        let open = self.open_clients().next().is_some();
        self.known.iter().any(ends) || inside.is_some_and(Inside::breaks) || open
    }

    /// Whether something could not be looked at, or not be judged: nothing is known of what it would have shown.
    fn is_incomplete(&self) -> bool {
        let unclear = |(known, trial): &(KnownCredential, Option<Trial>)| {
            known.verdict == Verdict::CannotTell
                || known.verdict.lasts() && matches!(trial, Some(Trial::Refused(_)))
        };
        let inside = self.inside.as_ref();
        self.not_recorded.is_some()
            || !self.cluster.rotation.is_clear()
            || self.files.iter().any(|file| file.contexts.is_err())
            || self.known.iter().any(unclear)
            || inside
                .map_or(true, |inside| inside.certificates.is_none() || !inside.unseen.is_empty())
            || self.checklist.is_err()
    }

    fn status(&self) -> u8 {
        match (self.breaks(), self.is_incomplete()) {
            (true, _) => BREAKS,
            (false, true) => UNCHECKED,
            (false, false) => 0,
        }
    }

    /// Clients without credentials of the rotation that is open.
    fn open_clients(&self) -> impl Iterator<Item = &ChecklistClient> {
        let rotation = &self.cluster.rotation;
        let lists = self.checklist.iter().filter(|_| rotation.phase.is_open());
        lists.flat_map(|list| list.open(rotation))
    }
}

/// Finds and judges the credentials; gives what is printed and the exit status: 0, [`BREAKS`] or [`UNCHECKED`].
pub async fn run(order: Order, mut services: Services) -> Result<(String, u8), String> {
    let (cluster, skew) = find(order.target, order.scopes, &services).await?;
    let (issued, seen) = if services.observes {
        observe_once(&cluster, &services).await
    } else {
        (None, Err("not observed: read-only mode, or kubernetes.watch is never".to_owned()))
    };
    let of_snapshot = seen.as_ref().ok().and_then(|seen| seen.control_plane.issuance.clone());
    // What SKE issued tells whose the files are, also where the cluster does not take it.
    if let Some(issuance) = of_snapshot.or(issued) {
        let (cluster, created) = (cluster.id.clone(), cluster.created);
        services.credentials.note(Reference { cluster, created, issuance });
    }
    let now = services.clock.now();
    let now = now.saturating_add(skew).unwrap_or(now);
    let keys = seen.as_ref().ok().and_then(|seen| seen.control_plane.signing_keys.as_ref());
    let mut known = Vec::new();
    for one in services.credentials.inventory(&cluster, &services.files, keys, now) {
        let trial = match (&services.tries, one.unusable()) {
            (Some(_), Some(why)) => Some(Trial::NotTried(unusable(why))),
            (Some(kubeconfigs), None) => {
                Some(try_place(&one.place, kubeconfigs, &services.clock).await)
            }
            (None, _) => None,
        };
        known.push((one, trial));
    }
    let shared = seen.as_ref().map(|seen| &seen.checklist).ok();
    let checklist = find_checklist(&cluster, shared, &services).await;
    let context = services.credentials.kubectl_context(&cluster, &services.files, now);
    let inside = seen.map(|snapshot| {
        inside(&cluster, &services.credentials, &snapshot, (context.as_ref(), now))
    });
    let Services { files, not_recorded, .. } = services;
    let report = Report { cluster, now, known, files, not_recorded, inside, checklist };
    Ok((render::report(&report, order.format), report.status()))
}

/// The checklist in the cluster, or that of this machine.
async fn find_checklist(
    cluster: &Cluster,
    shared: Option<&SharedChecklist>,
    services: &Services,
) -> Result<Arc<Checklist>, String> {
    match (shared, services.state_folder.clone()) {
        (Some(SharedChecklist::Known(list)), _) => Ok(Arc::clone(list)),
        (Some(SharedChecklist::Unreadable(why)), _) => Err(why.clone()),
        (_, None) => Ok(Arc::default()),
        (_, Some(folder)) => {
            let id = cluster.id.clone();
            let read = move || checklists::read(&folder, &id);
            let read = run_blocking(&services.clock, FILE_LIMIT, "checklists", read).await;
            let local = read.and_then(|local| local).map_err(|failure| failure.to_string())?;
            Ok(local.list)
        }
    }
}

/// The cluster, and the clock of SKE minus ours.
async fn find(
    target: Target,
    scopes: Vec<Scope>,
    services: &Services,
) -> Result<(Cluster, SignedDuration), String> {
    match target {
        Target::Whole(id) => {
            let read = services.ske.get(&id).await;
            read.map(|Reading { cluster, skew }| (cluster, skew))
                .map_err(|failure| failure.to_string())
        }
        Target::Name(name) => find_named(name, scopes, services).await,
    }
}

async fn find_named(
    name: ClusterName,
    scopes: Vec<Scope>,
    services: &Services,
) -> Result<(Cluster, SignedDuration), String> {
    let clock = &services.clock;
    let mut search = Search::new(name, scopes);
    let skew = list_scopes(&mut search, &services.ske, services.concurrency, clock).await;
    match search.result() {
        SearchResult::One(cluster) => Ok((*cluster, skew)),
        SearchResult::Failed(sentence) => Err(sentence),
        SearchResult::Pending => {
            let failure = search.outage().map(|outage| outage.failure.to_string());
            Err(failure.unwrap_or_else(|| "not all projects answered; try again".to_owned()))
        }
    }
}

/// What SKE issued for looking, and the first snapshot with everything that verdicts need.
async fn observe_once(
    cluster: &Cluster,
    services: &Services,
) -> (Option<Issuance>, Result<Arc<ClusterSnapshot>, String>) {
    let (_readings, reader) = watch::channel(cluster.clone());
    let target = ObserverTarget {
        cluster: reader,
        ske_on_loopback: services.ske.is_on_loopback(),
        one_way_agreed: false,
    };
    let last: Mutex<Option<ObserverEvent>> = Mutex::new(None);
    let arrived = Notify::new();
    let sink = |event| {
        *last.lock().unwrap_or_else(PoisonError::into_inner) = Some(event);
        arrived.notify_one();
    };
    let take = || last.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let issued: Mutex<Option<Issuance>> = Mutex::new(None);
    let issue = || async {
        let response = services.ske.issue_short_lived(&cluster.id).await?;
        let facts = ParsedKubeconfig::read(KubeconfigKind::Admin, &response.kubeconfig).ok();
        if let Some(facts) = facts.and_then(|fresh| fresh.facts().ok()) {
            let issuance = Issuance { facts, rotation: Some(cluster.rotation.clone()) };
            *issued.lock().unwrap_or_else(PoisonError::into_inner) = Some(issuance);
        }
        Ok(response)
    };
    let enough = async {
        loop {
            arrived.notified().await;
            match take() {
                Some(ObserverEvent::Snapshot(snapshot)) if is_enough(&snapshot) => {
                    return Ok(snapshot);
                }
                Some(ObserverEvent::Unavailable(why)) if !is_temporary(&why) => {
                    return Err(unavailable(&why));
                }
                _ => {}
            }
        }
    };
    let observing = observe(target, issue, services.clock.clone(), sink);
    let seen = tokio::select! {
        result = enough => result,
        () = observing => Err("not observed".to_owned()),
        () = services.clock.sleep(OBSERVE_LIMIT) => match take() {
            Some(ObserverEvent::Snapshot(snapshot)) => Ok(snapshot),
            Some(ObserverEvent::Unavailable(why)) => Err(unavailable(&why)),
            None => Err("no answer within a minute".to_owned()),
        },
    };
    (issued.into_inner().unwrap_or_else(PoisonError::into_inner), seen)
}

fn is_enough(snapshot: &ClusterSnapshot) -> bool {
    !snapshot.is_being_read()
        && snapshot.control_plane.issuance.is_some()
        && snapshot.control_plane.signing_keys.is_some()
}

/// Whether it is worth waiting.
fn is_temporary(why: &Unavailable) -> bool {
    matches!(why, Unavailable::Connecting | Unavailable::NotAcceptedYet { .. })
}

fn inside(
    cluster: &Cluster,
    credentials: &Credentials,
    snapshot: &ClusterSnapshot,
    (context, now): (Option<&KubectlContext>, Timestamp),
) -> Inside {
    let is_read =
        !cluster.rotation.phase.is_open() || snapshot.control_plane.signed_requests.is_some();
    let certificates = || stale_certificates(cluster, credentials, snapshot, now);
    let pods = pods_with_old_authority(snapshot);
    let unseen = ["token secrets", "serviceaccounts", "configmaps", "pods"];
    let unseen = unseen.into_iter().filter_map(|kind| {
        let why = snapshot.unseen.get(kind)?;
        Some((kind, crate::app::nodes::text::unseen(why)))
    });
    Inside {
        tokens: stale_tokens(cluster, snapshot),
        certificates: is_read.then(certificates),
        pods: pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name)).collect(),
        restart: restart_commands(&pods).iter().map(|command| command.line(context)).collect(),
        unseen: unseen.collect(),
    }
}

#[cfg(test)]
mod tests;
