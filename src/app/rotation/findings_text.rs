//! What is known before a step, in words.

use crate::app::nodes::blocker_text::{full_pool, resources};
use crate::app::nodes::text::{list, progress, range, sample, unseen};
use crate::app::rotation::step_text::inconsistent_times;
use crate::app::texts::texts;
use crate::domain::age::long;
use crate::domain::cluster::ClusterState;
use crate::domain::preflight::{AccessDoubt, Finding, StaticTokens};
use crate::domain::roll::blocker::cause::NameSample;
use crate::domain::rotation::Step;
use crate::domain::text::{clean, plural};

texts! {
    static_tokens_found(count, context, file) =
        "{count} found on this machine: context {context} in {file}";
    and_more(text, count) = "{text} and {count} more";
    static_tokens_of_version(version) = "version {version} still has them";
    STATIC_TOKENS_UNKNOWN_VERSION = "its version cannot be read here, so they may be in use";
    STATIC_TOKENS_NEVER_ROTATED = "this cluster was never rotated, so they may be in use";
    STATIC_TOKENS_NONE_FOUND = "none found on this machine; others cannot be seen from here";
    STATIC_TOKENS_UNSEEN = "others cannot be seen from here";

    allowed(phase, step) = "phase is {phase}, {step} is allowed";
    HEALTHY = "SKE reports the cluster healthy";
    UNHEALTHY = "SKE reports the cluster unhealthy; look before you go on";
    RECONCILING = "another operation is running (reconciling)";
    state(word) = "state is {word}";
    reported(code, message) = "SKE reports {code}: {message}";
    times(why) = "the times that SKE shows are doubtful: {why}";
    access_held(left, place) = "you hold a kubeconfig{left} ({place})";
    access_held_since_start(left, place) =
        "you hold a kubeconfig issued after the start{left} ({place})";
    valid_for(time) = ", valid for {time}";
    access_unclear(place, why) =
        "whether the kubeconfig in {place} works cannot be told: {why}; Esc, then K to issue one";
    access_unclear_after_complete(place, why) =
        "whether the kubeconfig in {place} keeps working after complete cannot be told: {why}; Esc, then K to issue one";
    START_UNKNOWN = "SKE does not state when the rotation started";
    NOT_RECORDED = "an earlier version of skeys issued it and kept nothing of its certificates";
    CERTIFICATES =
        "its certificates do not show whether it is from before or after the start";
    NO_ACCESS_ONE_WAY = "no kubeconfig of this cluster was issued by skeys";
    NO_ACCESS = "no kubeconfig issued by skeys is valid; Esc, then K to issue one";
    NO_ACCESS_SINCE_START =
        "no kubeconfig issued by skeys since the start; Esc, then K to issue one";
    breaking(kubeconfigs, place) =
        "{kubeconfigs} issued by skeys before the start will break ({place})";
    KUBECONFIG = "kubeconfig";
    KUBECONFIGS = "kubeconfigs";
    nodes_unseen(why) = "nodes and pods cannot be seen: {why}";
    OTHER_CLIENTS = "clients outside this machine cannot be checked from here";

    nodes_to_replace(nodes, range) = "{nodes} to replace, usually {range} in all if nothing blocks";
    NODE = "node";
    NODES = "nodes";
    drains_first(pool, surge, unavailable, zones, drain) =
        "pool {pool}: surge {surge} + unavailable {unavailable} over {zones} zones; {drain} a node before its replacement exists";
    zone_drains(zone) = "{zone} drains";
    zones_drain(zones) = "{zones} drain";
    hibernation(time) =
        "hibernation is scheduled in {time}, before the nodes are likely done; the platform's rules refuse it while a rotation runs, what SKE does then is not known";
    MAINTENANCE_OPEN =
        "the maintenance window is open; an update made in it may replace nodes once more";
    maintenance(time) =
        "the maintenance window opens in {time}, before the nodes are likely done; an update made in it may replace nodes once more";
    unreadable_schedule(text) = "hibernation is scheduled ({text}); when, cannot be read here";
    CAPACITY = "free capacity and quota cannot be seen from here";
    PDBS_NOT_VISIBLE = "PodDisruptionBudgets: not visible in the SKE API";
    being_read(kinds) = "the cluster is being read, a moment more: {kinds}";
    kind_unseen(kind, why) = "{kind} are not known: {why}";
    counted(what, names) = "{what}: {names}";
    MISCONFIGURED_PDB =
        "PodDisruptionBudget never lets a pod go and will hold every drain of its nodes";
    MISCONFIGURED_PDBS =
        "PodDisruptionBudgets never let a pod go and will hold every drain of their nodes";
    EXHAUSTED_PDB = "PodDisruptionBudget allows no eviction now";
    EXHAUSTED_PDBS = "PodDisruptionBudgets allow no eviction now";
    UNREADABLE_PDB = "PodDisruptionBudget cannot be judged";
    UNREADABLE_PDBS = "PodDisruptionBudgets cannot be judged";
    POD_UNDER_SEVERAL_PDBS = "pod is under more than one PodDisruptionBudget and cannot be evicted";
    PODS_UNDER_SEVERAL_PDBS =
        "pods are under more than one PodDisruptionBudget and cannot be evicted";
    NO_PDB_BLOCKS = "no PodDisruptionBudget stands in the way now";
    webhook(refuses, resources) =
        "service has no endpoints for the webhooks that must ask it, and the API server {refuses} {resources}";
    webhooks(refuses) =
        "services have no endpoints for the webhooks that must ask them, and the API server {refuses} what new nodes need";
    REFUSES = "refuses";
    MAY_REFUSE = "may refuse";
    SINGLE_REPLICA = "workload with a single replica pauses while its pod moves";
    SINGLE_REPLICAS = "workloads with a single replica pause while their pods move";
    BARE_POD = "pod has no controller and does not come back";
    BARE_PODS = "pods have no controller and do not come back";
    LOCAL_VOLUME = "pod uses a volume that stays on its node and cannot start elsewhere";
    LOCAL_VOLUMES = "pods use volumes that stay on their node and cannot start elsewhere";
    LOCAL_DATA = "pod loses what it keeps in emptyDir or hostPath";
    LOCAL_DATA_PODS = "pods lose what they keep in emptyDir or hostPath";
    pool_at_maximum(pool) = "{pool}; no node is added there for pods that find none";

    nodes_since_start(count) = "{count} of {count} nodes were created after the start";
    NODE_BEFORE_START = "node was created before the start and may not outlive complete";
    NODES_BEFORE_START = "nodes were created before the start and may not outlive complete";
    NODE_AGE_NO_START =
        "whether the nodes were created after the start cannot be told: SKE does not state when it was";
    node_age_unknown(nodes, names) =
        "whether {nodes} created after the start cannot be told: {names}";
    NODE_WAS = "node was";
    NODES_WERE = "nodes were";
    another_roll(progress) =
        "another roll is under way ({progress}); it is not part of the rotation";
    NODE_NOT_READY = "node is not ready";
    NODES_NOT_READY = "nodes are not ready";
    UNSCHEDULABLE_POD = "pod finds no node";
    UNSCHEDULABLE_PODS = "pods find no node";
}

/// What is known of static tokens, as a clause.
pub fn static_tokens(tokens: &StaticTokens) -> String {
    match tokens {
        StaticTokens::Found(count, first) => {
            let text = static_tokens_found(count, &first.context, &first.file);
            if *count == 1 { text } else { and_more(text, count - 1) }
        }
        StaticTokens::OldVersion(version) => static_tokens_of_version(version.as_str()),
        StaticTokens::UnknownVersion => STATIC_TOKENS_UNKNOWN_VERSION.to_owned(),
        StaticTokens::NeverRotated => STATIC_TOKENS_NEVER_ROTATED.to_owned(),
        StaticTokens::Unlikely { searched: true } => STATIC_TOKENS_NONE_FOUND.to_owned(),
        StaticTokens::Unlikely { .. } => STATIC_TOKENS_UNSEEN.to_owned(),
    }
}

/// One line of the preflight, in one clause without a full stop.
pub fn finding(finding: &Finding) -> String {
    match finding {
        Finding::Allowed { phase, step } => allowed(phase.word(), step),
        Finding::Refused(refusal) => refusal.to_string(),
        Finding::State(ClusterState::Healthy) => HEALTHY.to_owned(),
        Finding::State(ClusterState::Unhealthy) => UNHEALTHY.to_owned(),
        Finding::State(ClusterState::Reconciling) => RECONCILING.to_owned(),
        Finding::State(other) => state(other.word()),
        Finding::Reported(problem) => reported(&problem.code, &problem.message),
        Finding::Times(why) => times(inconsistent_times(*why)),
        Finding::AccessHeld { step, left, place } => {
            let left = left.map(|left| valid_for(long(left))).unwrap_or_default();
            match step {
                Step::Start => access_held(left, place.words()),
                Step::Complete => access_held_since_start(left, place.words()),
            }
        }
        Finding::AccessUnclear { step, place, why } => {
            let why = match why {
                AccessDoubt::StartUnknown => START_UNKNOWN,
                AccessDoubt::NotRecorded => NOT_RECORDED,
                AccessDoubt::Certificates => CERTIFICATES,
            };
            match step {
                Step::Start => access_unclear(place.words(), why),
                Step::Complete => access_unclear_after_complete(place.words(), why),
            }
        }
        Finding::NoAccess { one_way: true, .. } => NO_ACCESS_ONE_WAY.to_owned(),
        Finding::NoAccess { step: Step::Start, .. } => NO_ACCESS.to_owned(),
        Finding::NoAccess { step: Step::Complete, .. } => NO_ACCESS_SINCE_START.to_owned(),
        Finding::BreakingAccesses { count, first } => {
            let more = if *count > 1 { ", …" } else { "" };
            breaking(plural(*count, KUBECONFIG, KUBECONFIGS), first.words() + more)
        }
        Finding::NodesUnseen(why) => nodes_unseen(why),
        Finding::OtherClients => OTHER_CLIENTS.to_owned(),

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
        Finding::KindUnseen(kind, why) => kind_unseen(kind, unseen(why)),
        Finding::MisconfiguredPdbs(pdbs) => some(pdbs, MISCONFIGURED_PDB, MISCONFIGURED_PDBS),
        Finding::ExhaustedPdbs(pdbs) => some(pdbs, EXHAUSTED_PDB, EXHAUSTED_PDBS),
        Finding::UnreadablePdbs(pdbs) => some(pdbs, UNREADABLE_PDB, UNREADABLE_PDBS),
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
            node_age_unknown(plural(nodes.count, NODE_WAS, NODES_WERE), sample(nodes))
        }
        Finding::AnotherRoll(new) => another_roll(progress(*new)),
        Finding::NodesNotReady(count) => plural(*count, NODE_NOT_READY, NODES_NOT_READY),
        Finding::UnschedulablePods(pods) => some(pods, UNSCHEDULABLE_POD, UNSCHEDULABLE_PODS),
    }
}

/// How many there are of something, and the first of them.
fn some(found: &NameSample, one: &str, many: &str) -> String {
    counted(plural(found.count, one, many), sample(found))
}
