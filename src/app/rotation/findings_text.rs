//! Texts of preflight findings.

use jiff::SignedDuration;

use crate::app::credentials;
use crate::app::nodes::blocker_text::{full_pool, resources};
use crate::app::nodes::text::{list, progress, range, sample, unseen};
use crate::app::rotation::step_text::inconsistent_times;
use crate::app::texts::texts;
use crate::domain::age::long;
use crate::domain::cluster::ClusterState;
use crate::domain::credential::{KubeconfigLocation, VerdictReason};
use crate::domain::preflight::{
    ClientsUnknown, Finding, FindingMark, Searched, StaticTokens, UnreadFiles,
};
use crate::domain::roll::blocker::cause::NameSample;
use crate::domain::rotation::{Phase, Step};
use crate::domain::text::{clean, plural};

texts! {
    static_tokens_found(count, location) = "{count} found on this machine: {location}";
    and_more(text, count) = "{text} and {count} more";
    static_tokens_of_version(version) = "version {version} still issues them";
    STATIC_TOKENS_UNKNOWN_VERSION = "the version is unknown, so they may be in use";
    STATIC_TOKENS_NONE_FOUND = "none found on this machine";
    STATIC_TOKENS_NONE_READ = "none found on this machine among what could be read";
    STATIC_TOKENS_NOT_VISIBLE = "this machine has not been searched yet";

    NEVER_ROTATED_ALLOWED = "never rotated; ready to start";
    allowed(phase, step) = "phase {phase}; ready to {step}";
    HEALTHY = "SKE reports the cluster as healthy";
    UNHEALTHY = "SKE reports the cluster as unhealthy; check it before you continue";
    RECONCILING = "another operation is running (reconciling)";
    state(word) = "SKE reports the cluster as {word}";
    reported(code, message) = "SKE reports {code}: {message}";
    times(why) = "SKE reports inconsistent times: {why}";
    access_held(left, location) = "you have a kubeconfig{left} ({location})";
    access_held_since_start(left, location) =
        "you have a kubeconfig issued after the start{left} ({location})";
    valid_for(time) = ", valid for {time}";
    access_unclear(location, why) =
        "kubeconfig in {location} may not work: {why}; issue another first (K)";
    access_unclear_after_complete(location, why) =
        "kubeconfig in {location} may stop working on complete: {why}; issue another first (K)";
    access_not_in_file(location) =
        "you were given a kubeconfig ({location}); unknown whether it was kept; issue one to a file first (K)";
    access_since_start_not_in_file(location) =
        "you were given a kubeconfig after the start ({location}); unknown whether it was kept; issue one to a file first (K)";
    NO_ACCESS_BEFORE_FIRST_START =
        "no kubeconfig on this machine outlasts the start; issue one first (K), which permanently disables static-token kubeconfigs";
    NO_ACCESS = "no kubeconfig on this machine outlasts the start; issue one first (K)";
    NO_ACCESS_SINCE_START =
        "no kubeconfig from after the start on this machine; issue one first (K)";
    breaking(credentials, locations) = "{credentials} on this machine will stop working: {locations}";
    unclear(credentials, locations) =
        "{credentials} on this machine cannot be judged and may stop working: {locations}";
    FILES_UNREAD = "still reading the kubeconfig files on this machine";
    files_not_read(why) = "the kubeconfig files on this machine were not read: {why}";
    unreadable_files(files, names) = "{files} on this machine could not be read: {names}";
    KUBECONFIG_FILE = "kubeconfig file";
    KUBECONFIG_FILES = "kubeconfig files";
    TOKEN_IN_USE =
        "service-account token from before the start, used that day or later, will stop working";
    TOKENS_IN_USE =
        "service-account tokens from before the start, used that day or later, will stop working";
    UNUSED_TOKEN = "service-account token from before the start will stop working; no later use recorded";
    UNUSED_TOKENS = "service-account tokens from before the start will stop working; no later use recorded";
    UNCLEAR_TOKEN = "service-account token may be from before the start and may stop working";
    UNCLEAR_TOKENS = "service-account tokens may be from before the start and may stop working";
    BREAKING_CERTIFICATE =
        "client certificate of a CertificateSigningRequest was signed by the old client CA and will stop working";
    BREAKING_CERTIFICATES =
        "client certificates of CertificateSigningRequests were signed by the old client CA and will stop working";
    UNCLEAR_CERTIFICATE =
        "client certificate of a CertificateSigningRequest cannot be judged and may stop working";
    UNCLEAR_CERTIFICATES =
        "client certificates of CertificateSigningRequests cannot be judged and may stop working";
    REQUESTS_UNSEEN = "CertificateSigningRequests are not read in full; their client certificates are not checked";
    UNCLEAR_PODS =
        "unknown of some pods whether they have the new certificate authority; those that lack it fail after complete";
    OLD_AUTHORITY_POD =
        "pod started before its namespace got the new certificate authority and may fail after complete";
    OLD_AUTHORITY_PODS =
        "pods started before their namespace got the new certificate authority and may fail after complete";
    restart(finding, commands) = "{finding}; restart: {commands}";
    KUBECONFIG = "kubeconfig";
    KUBECONFIGS = "kubeconfigs";
    nodes_not_checked(why) = "nodes not checked: {why}";
    cluster_not_checked(why) =
        "not checked in the cluster: nodes, pods, service-account tokens, client certificates ({why})";
    OTHER_CLIENTS = "clients elsewhere cannot be checked; the checklist is empty";
    CHECKLIST_UNREAD = "other clients cannot be checked from here; checklist not read";
    open_clients(clients, names) =
        "{clients} on the checklist without new credentials will stop working: {names}";
    CLIENT = "client";
    CLIENTS = "clients";
    CHECKLIST_OUTDATED =
        "the checklist may be outdated; clients may be missing";
    clients_done(clients) = "checklist: all clients have new credentials ({clients})";

    nodes_to_replace(nodes, range) =
        "{nodes} to replace, usually {range} in total if nothing blocks";
    NODE = "node";
    NODES = "nodes";
    drains_first(pool, surge, unavailable, zones, drain) =
        "pool {pool}: surge {surge} + unavailable {unavailable} across {zones} zones; {drain} a node before its replacement exists";
    zone_drains(zone) = "{zone} drains";
    zones_drain(zones) = "{zones} drain";
    hibernation(time) =
        "hibernation is scheduled in {time}, likely before the rollout ends; the platform forbids it while a rotation is preparing, and what SKE does then is unknown";
    MAINTENANCE_OPEN = "the maintenance window is open; an update during the window may replace nodes again";
    maintenance(time) =
        "the maintenance window opens in {time}, likely before the rollout ends; an update during the window may replace nodes again";
    unreadable_schedule(text) = "hibernation is scheduled ({text}); the time cannot be parsed";
    CAPACITY = "free capacity and quota cannot be checked from here";
    PDBS_NOT_VISIBLE = "PodDisruptionBudgets: not visible in the SKE API";
    being_read(kinds) = "still reading from the cluster: {kinds}";
    kind_unknown(kind, why) = "{kind} unknown: {why}";
    counted(what, names) = "{what}: {names}";
    CORDONED_NODE = "node is cordoned; evicted pods cannot be scheduled on it";
    CORDONED_NODES = "nodes are cordoned; evicted pods cannot be scheduled on them";
    MISCONFIGURED_PDB =
        "PodDisruptionBudget allows no evictions and will block every drain of its nodes";
    MISCONFIGURED_PDBS =
        "PodDisruptionBudgets allow no evictions and will block every drain of their nodes";
    EXHAUSTED_PDB = "PodDisruptionBudget allows no evictions now";
    EXHAUSTED_PDBS = "PodDisruptionBudgets allow no evictions now";
    UNREADABLE_PDB = "PodDisruptionBudget cannot be evaluated";
    UNREADABLE_PDBS = "PodDisruptionBudgets cannot be evaluated";
    POD_UNDER_SEVERAL_PDBS = "pod is covered by several PodDisruptionBudgets and cannot be evicted";
    PODS_UNDER_SEVERAL_PDBS =
        "pods are covered by several PodDisruptionBudgets and cannot be evicted";
    UNCOMPUTED_PDB = "PodDisruptionBudget has no computed status and blocks eviction";
    UNCOMPUTED_PDBS = "PodDisruptionBudgets have no computed status and block eviction";
    LONG_GRACE_POD = "pod has a termination grace period of 10m or more and may delay its node";
    LONG_GRACE_PODS =
        "pods have termination grace periods of 10m or more and may delay their nodes";
    NO_PDB_BLOCKS = "no PodDisruptionBudget blocks eviction";
    webhook(refuses, resources) =
        "service required by webhooks has no endpoints; the API server {refuses} {resources}";
    webhooks(refuses) =
        "services required by webhooks have no endpoints; the API server {refuses} what new nodes need";
    REFUSES = "rejects";
    MAY_REFUSE = "may reject";
    SINGLE_REPLICA = "workload has a single replica and is unavailable while its pod restarts";
    SINGLE_REPLICAS =
        "workloads have a single replica and are unavailable while their pods restart";
    BARE_POD = "pod has no controller and is not recreated";
    BARE_PODS = "pods have no controller and are not recreated";
    LOCAL_VOLUME = "pod uses a volume that is bound to its node and cannot start elsewhere";
    LOCAL_VOLUMES = "pods use volumes that are bound to their node and cannot start elsewhere";
    LOCAL_DATA = "pod loses its emptyDir or hostPath data";
    LOCAL_DATA_PODS = "pods lose their emptyDir or hostPath data";
    pool_at_maximum(pool) = "{pool}; the autoscaler adds no node there for unschedulable pods";

    nodes_since_start(count) = "{count} of {count} nodes were created after the start";
    NODE_BEFORE_START = "node was created before the start and may fail after complete";
    NODES_BEFORE_START = "nodes were created before the start and may fail after complete";
    NODE_AGE_NO_START =
        "node ages cannot be checked: SKE does not report when the rotation started";
    node_age_unknown(nodes, names) =
        "{nodes} may predate the start (creation time unknown): {names}";
    another_roll(progress) =
        "another rollout is running ({progress}); it is not part of the rotation";
    NODE_NOT_READY = "node is not ready";
    NODES_NOT_READY = "nodes are not ready";
    UNSCHEDULABLE_POD = "pod cannot be scheduled";
    UNSCHEDULABLE_PODS = "pods cannot be scheduled";
}

/// Whether static tokens are in use, as a clause.
pub fn static_tokens(tokens: &StaticTokens) -> String {
    match tokens {
        StaticTokens::Found(count, first) => {
            let text = static_tokens_found(count, first.describe());
            if *count == 1 { text } else { and_more(text, count - 1) }
        }
        StaticTokens::OldVersion(version) => static_tokens_of_version(version.as_str()),
        StaticTokens::UnknownVersion => STATIC_TOKENS_UNKNOWN_VERSION.to_owned(),
        StaticTokens::Unlikely(Searched::Whole) => STATIC_TOKENS_NONE_FOUND.to_owned(),
        StaticTokens::Unlikely(Searched::InPart) => STATIC_TOKENS_NONE_READ.to_owned(),
        StaticTokens::Unlikely(Searched::NotYet) => STATIC_TOKENS_NOT_VISIBLE.to_owned(),
    }
}

/// A finding with its mark, as recorded in the journal.
pub fn marked(found: &Finding) -> String {
    let mark = match found.mark() {
        FindingMark::Fine => '✓',
        FindingMark::Note => '!',
        FindingMark::Refused => '✗',
        FindingMark::Unknowable => '?',
    };
    format!("{mark} {}", finding(found))
}

fn unclear_access(step: Step, location: &str, reasons: &[VerdictReason]) -> String {
    let why = credentials::text::reasons(reasons);
    match (step, reasons.contains(&VerdictReason::NotInFile)) {
        (Step::Start, true) => access_not_in_file(location),
        (Step::Complete, true) => access_since_start_not_in_file(location),
        (Step::Start, false) => access_unclear(location, why),
        (Step::Complete, false) => access_unclear_after_complete(location, why),
    }
}

/// A finding as one clause without a full stop.
pub fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Allowed { phase: Phase::Never, step: Step::Start } => {
            NEVER_ROTATED_ALLOWED.to_owned()
        }
        Finding::Allowed { phase, step } => allowed(phase.label(), step),
        Finding::Refused(refusal) => refusal.to_string(),
        Finding::State(state) => of_state(state),
        Finding::Reported(problem) => reported(&problem.code, &problem.message),
        Finding::Times(why) => times(inconsistent_times(*why)),
        Finding::AccessHeld { step, left, location } => held_access(*step, *left, location),
        Finding::AccessUnclear { step, location, reasons } => {
            unclear_access(*step, &location.describe(), reasons)
        }
        Finding::NoAccess { disables_static_tokens: true, .. } => {
            NO_ACCESS_BEFORE_FIRST_START.to_owned()
        }
        Finding::NoAccess { step: Step::Start, .. } => NO_ACCESS.to_owned(),
        Finding::NoAccess { step: Step::Complete, .. } => NO_ACCESS_SINCE_START.to_owned(),
        Finding::BreakingCredentials(locations) => {
            breaking(kubeconfigs(locations), locations_of(locations))
        }
        Finding::UnclearCredentials(locations) => {
            unclear(kubeconfigs(locations), locations_of(locations))
        }
        Finding::FilesUnread(files) => unread(files),
        Finding::TokensInUse(tokens) => some(tokens, TOKEN_IN_USE, TOKENS_IN_USE),
        Finding::UnusedTokens(tokens) => some(tokens, UNUSED_TOKEN, UNUSED_TOKENS),
        Finding::UnclearTokens { tokens, .. } => some(tokens, UNCLEAR_TOKEN, UNCLEAR_TOKENS),
        Finding::BreakingCertificates(requests) => {
            some(requests, BREAKING_CERTIFICATE, BREAKING_CERTIFICATES)
        }
        Finding::UnclearCertificates(requests) => {
            some(requests, UNCLEAR_CERTIFICATE, UNCLEAR_CERTIFICATES)
        }
        Finding::RequestsUnseen => REQUESTS_UNSEEN.to_owned(),
        Finding::UnclearPods => UNCLEAR_PODS.to_owned(),
        Finding::PodsWithOldAuthority { pods, restart: commands } => {
            let text = some(pods, OLD_AUTHORITY_POD, OLD_AUTHORITY_PODS);
            match commands.as_slice() {
                [] => text,
                commands => restart(text, list(commands.iter().cloned(), 2)),
            }
        }
        Finding::ClusterUnseen { step, why } => cluster_unseen(*step, why),
        Finding::OtherClients(why) => other_clients(*why).to_owned(),
        Finding::OpenClients(open) => without_new_credentials(open),
        Finding::ClientsDone(count) => clients_done(plural(*count, CLIENT, CLIENTS)),

        Finding::NodesToReplace { count, takes } => {
            nodes_to_replace(plural(*count, NODE, NODES), range(*takes))
        }
        Finding::DrainsFirst { pool, surge, unavailable, zones, draining } => {
            let names = list(draining.iter().map(|zone| clean(zone)), 3);
            let drain = if draining.len() == 1 { zone_drains(names) } else { zones_drain(names) };
            drains_first(clean(pool), surge, unavailable, zones, drain)
        }
        Finding::HibernationIn(left) => hibernation(long(*left)),
        Finding::MaintenanceIn(left) if left.is_zero() => MAINTENANCE_OPEN.to_owned(),
        Finding::MaintenanceIn(left) => maintenance(long(*left)),
        Finding::UnreadableSchedule(text) => unreadable_schedule(text),
        Finding::Capacity => CAPACITY.to_owned(),
        Finding::PdbsNotVisible => PDBS_NOT_VISIBLE.to_owned(),
        Finding::BeingRead(kinds) => {
            being_read(list(kinds.iter().map(|kind| (*kind).to_owned()), 2))
        }
        Finding::KindUnseen(kind, why) | Finding::InClusterUnseen(kind, why) => {
            kind_unknown(kind, unseen(why))
        }
        Finding::CordonedNodes(nodes) => some(nodes, CORDONED_NODE, CORDONED_NODES),
        Finding::MisconfiguredPdbs(pdbs) => some(pdbs, MISCONFIGURED_PDB, MISCONFIGURED_PDBS),
        Finding::ExhaustedPdbs(pdbs) => some(pdbs, EXHAUSTED_PDB, EXHAUSTED_PDBS),
        Finding::UnreadablePdbs(pdbs) => some(pdbs, UNREADABLE_PDB, UNREADABLE_PDBS),
        Finding::UncomputedPdbs(pdbs) => some(pdbs, UNCOMPUTED_PDB, UNCOMPUTED_PDBS),
        Finding::LongGracePeriods(pods) => some(pods, LONG_GRACE_POD, LONG_GRACE_PODS),
        Finding::PodsUnderSeveralPdbs(pods) => {
            some(pods, POD_UNDER_SEVERAL_PDBS, PODS_UNDER_SEVERAL_PDBS)
        }
        Finding::NoPdbBlocks => NO_PDB_BLOCKS.to_owned(),
        Finding::Webhooks { services, certain, refused } => {
            let refuses = if *certain { REFUSES } else { MAY_REFUSE };
            some(services, &webhook(refuses, resources(refused)), &webhooks(refuses))
        }
        Finding::SingleReplicas(workloads) => some(workloads, SINGLE_REPLICA, SINGLE_REPLICAS),
        Finding::BarePods(pods) => some(pods, BARE_POD, BARE_PODS),
        Finding::PodsWithLocalVolumes(pods) => some(pods, LOCAL_VOLUME, LOCAL_VOLUMES),
        Finding::PodsWithLocalData(pods) => some(pods, LOCAL_DATA, LOCAL_DATA_PODS),
        Finding::PoolAtMaximum(full) => pool_at_maximum(full_pool(full)),

        Finding::NodesSinceStart(count) => nodes_since_start(count),
        Finding::NodesBeforeStart(nodes) => some(nodes, NODE_BEFORE_START, NODES_BEFORE_START),
        Finding::NodesOfUnknownAge(None) => NODE_AGE_NO_START.to_owned(),
        Finding::NodesOfUnknownAge(Some(nodes)) => {
            node_age_unknown(plural(nodes.count, NODE, NODES), sample(nodes))
        }
        Finding::AnotherRoll(new) => another_roll(progress(*new)),
        Finding::NodesNotReady(count) => plural(*count, NODE_NOT_READY, NODES_NOT_READY),
        Finding::UnschedulablePods(pods) => some(pods, UNSCHEDULABLE_POD, UNSCHEDULABLE_PODS),
    }
}

fn of_state(reported: &ClusterState) -> String {
    match reported {
        ClusterState::Healthy => HEALTHY.to_owned(),
        ClusterState::Unhealthy => UNHEALTHY.to_owned(),
        ClusterState::Reconciling => RECONCILING.to_owned(),
        ClusterState::Creating
        | ClusterState::Deleting
        | ClusterState::Hibernated
        | ClusterState::Hibernating
        | ClusterState::WakingUp
        | ClusterState::Unknown(_)
        | ClusterState::NotRead => state(reported.label()),
    }
}

fn held_access(step: Step, left: Option<SignedDuration>, location: &KubeconfigLocation) -> String {
    let left = left.map(|left| valid_for(long(left))).unwrap_or_default();
    match step {
        Step::Start => access_held(left, location.describe()),
        Step::Complete => access_held_since_start(left, location.describe()),
    }
}

fn cluster_unseen(step: Step, why: &str) -> String {
    match step {
        Step::Start => nodes_not_checked(why),
        Step::Complete => cluster_not_checked(why),
    }
}

fn other_clients(why: ClientsUnknown) -> &'static str {
    match why {
        ClientsUnknown::NoneListed => OTHER_CLIENTS,
        ClientsUnknown::NotRead => CHECKLIST_UNREAD,
        ClientsUnknown::MayBeOutdated => CHECKLIST_OUTDATED,
    }
}

fn without_new_credentials(open: &[String]) -> String {
    open_clients(plural(open.len(), CLIENT, CLIENTS), list(open.iter().cloned(), 3))
}

fn unread(files: &UnreadFiles) -> String {
    match files {
        UnreadFiles::NotYet => FILES_UNREAD.to_owned(),
        UnreadFiles::Failed(why) => files_not_read(why),
        UnreadFiles::These(files) => unreadable_files(
            plural(files.len(), KUBECONFIG_FILE, KUBECONFIG_FILES),
            list(files.iter().cloned(), 2),
        ),
    }
}

fn kubeconfigs(locations: &[KubeconfigLocation]) -> String {
    plural(locations.len(), KUBECONFIG, KUBECONFIGS)
}

fn locations_of(locations: &[KubeconfigLocation]) -> String {
    list(locations.iter().map(KubeconfigLocation::describe), 2)
}

/// A count, and the first names.
fn some(found: &NameSample, one: &str, many: &str) -> String {
    counted(plural(found.count, one, many), sample(found))
}
