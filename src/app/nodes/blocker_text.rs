//! Texts about blockers, shared by dashboard, headless output and notifications.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::app::nodes::text::{lasting, list, place, sample};
use crate::app::texts::texts;
use crate::domain::age::passed;
use crate::domain::cluster::ReportedError;
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::cause::{
    EvictionBlock, FullPool, MissingReplica, NameSample, NodeResource, ObjectName, PdbBlock,
    PdbFix, PdbStatus, VolumeBinding,
};
use crate::domain::roll::blocker::{Blocker, BlockerCause};
use crate::domain::roll::classify::JoiningReason;
use crate::domain::text::{clean, plural};

texts! {
    SKE = "SKE";
    node_blocked(brief, node, lasts) = "{brief} · {node} blocked {lasts}";
    and_more(count) = " and {count} more";
    of_owner(kind, name) = " of {kind} {name}";

    pdb_misconfigured(pdb) = "PodDisruptionBudget {pdb} allows no evictions";
    pdb_exhausted(pdb) = "PodDisruptionBudget {pdb} allows no evictions now";
    pdb_why(pods, status) = "Pod {pods} cannot be evicted: the PDB {status}.";
    pdb_status(desired, healthy) = "needs {desired} healthy, has {healthy}";
    pdb_status_of(desired, healthy, expected) = "needs {desired} healthy, has {healthy} of {expected}";
    PDB_NOT_OBSERVED = "was changed and its status is not updated yet";
    replica_unscheduled(pod, message) = " Replica {pod} cannot be scheduled{message}.";
    replica_not_starting(pod, message) = " Replica {pod} does not start{message}.";
    replica_not_ready(pod) = " Replica {pod} is not ready.";
    replica_not_ready_because(pod, reason) = " Replica {pod} is not ready ({reason}).";
    NO_CONTROLLER = " A pod without a controller is not replaced.";
    replica_not_created(owner, message) = " Controller {owner} cannot create a replica{message}.";
    replica_rejected(service) =
        " The API server rejects new pods of the namespace: webhook service {service} has no endpoints.";
    PODS_UNREADY = " These pods are not ready.";
    pods_unready(reason) = " These pods are not ready ({reason}).";
    PDB_NOT_COMPUTED = "has no computed status";
    PDB_UNMANAGED = "counts no pods; its pods have no controller";
    pdb_not_computed(message) = "To unblock: fix or delete the PDB; its controller reports: {message}.";
    PDB_UNMANAGED_FIX = "To unblock: delete the PDB, or manage its pods with a controller.";
    PDB_REPAIR_ONE = "To unblock: repair or delete one pod that is not ready, or relax the PDB. More replicas do not help: maxUnavailable applies to them, too.";
    pdb_repair(count) = "To unblock: repair or delete {count} pods that are not ready, or relax the PDB. More replicas do not help: maxUnavailable applies to them, too.";
    PDB_ALLOW_UNREADY = "With unhealthyPodEvictionPolicy AlwaysAllow the PDB does not block pods that are not ready. Deleting such a pod costs no ready replica.";
    pdb_relax_rule(rule) = "To unblock: relax the PDB; {rule} allows no evictions.";
    PDB_RELAX = "To unblock: relax the PDB.";
    PDB_ADD_ONE = "To unblock: add one ready replica, or relax the PDB.";
    pdb_add(count) = "To unblock: add {count} ready replicas, or relax the PDB.";
    PDB_AWAIT_ONE = "Unblocks when one more replica is ready.";
    pdb_await(count) = "Unblocks when {count} more replicas are ready.";
    PDB_AWAIT_STATUS = "Unblocks when the PDB's status is updated and allows an eviction.";
    PDB_DELETE_POD = "Deleting the pod bypasses the PDB; one replica fewer until it is replaced.";

    several_pdbs(pods, count) = "pod {pods} is covered by {count} PodDisruptionBudgets";
    several_pdbs_why(brief, pdbs) = "{brief} ({pdbs}) and cannot be evicted.";
    SEVERAL_PDBS_FIX = "To unblock: change the PDBs so that only one covers the pod.";

    PREPARING_TOO_LONG = "PREPARING for more than 12h and unhealthy";
    preparing_too_long_why(lasts) =
        "PREPARING for {lasts} and unhealthy: the platform may have stopped retrying.";
    PREPARING_TOO_LONG_FIX = "To unblock: reconcile the cluster; the platform may then retry.";

    webhook(service) = "webhook service {service} has no endpoints";
    webhook_refuses(configurations, resources) =
        "Required by {configurations} (failurePolicy Fail). The API server rejects {resources}, which may stop the rollout.";
    webhook_may_refuse(configurations, resources) =
        "Required by {configurations} (failurePolicy Fail). The API server may reject {resources}; whether the webhook applies is unknown.";
    WEBHOOK_FIX =
        "Unblocks when a pod of the service is ready. If the webhook rejects that pod, or is no longer needed: delete its configuration, or set failurePolicy Ignore.";
    NODES = "nodes";
    NODE_CERTIFICATES = "node certificates";
    NODE_LEASES = "node leases";
    SYSTEM_LEASES = "leases in kube-system";
    SYSTEM_PODS = "pods in kube-system";
    EVICTIONS = "evictions";

    no_new_node(place) = "no new node for {place}";
    no_new_node_why(place, lasts, left) = "{place}: no new node for {lasts}; {left}.";
    NODE_MISSING = "node missing";
    NODES_MISSING = "nodes missing";
    OLD_NODE_LEFT = "old node left";
    OLD_NODES_LEFT = "old nodes left";
    NO_NEW_NODE_FIX = "Unblocks when a new machine can be created.";

    reported(code) = "SKE reports {code}";
    reported_why(code, message) = "SKE reports {code}: {message}.";
    REPORTED_FIX = "See the SKE error message.";
    REPORTED_PDB_FIX = "To unblock: relax the PDB. One more ready replica helps only if minAvailable allows it, not with maxUnavailable 0 or minAvailable 100%.";
    NO_VALID_HOST_FIX =
        "Unblocks when the zone has capacity for this machine type; another type or zone may have it.";
    NO_ADDRESSES_FIX = "Unblocks when the network has free IP addresses.";
    QUOTA_FIX = "Unblocks when the project quota allows another machine.";
    NO_MACHINE_TYPE_FIX = "To unblock: change the pool's machine type to one that exists.";

    terminating_pod(pod) = "pod {pod} is stuck in Terminating";
    terminating_pod_why(pods, lasts, finalizers) =
        "pod {pods} should have been deleted {lasts} ago{finalizers}.";
    with_finalizers(names) = "; finalizers: {names}";
    TERMINATING_POD_FIX = "Unblocks when the kubelet confirms that containers and mounts are gone.";
    FINALIZER_FIX = "Unblocks when the owner of the finalizer removes it.";
    LAST_RESORT =
        "Last resort: delete the Node object; the platform then removes and replaces the machine.";

    grace_period(pod) = "pod {pod} has a long termination grace period";
    grace_period_why(pods, lasts, left) =
        "pod {pods} has been terminating for {lasts} and may take another {left}, its grace period.";
    grace_period_limit(time) = " The drain is forced in {time} (Gardener default 2h).";
    GRACE_PERIOD_FORCED = " The drain is past 2h, the Gardener default.";
    GRACE_PERIOD_FIX =
        "Unblocks when the pod exits. To speed up: stop what it waits for, or delete the pod with a shorter grace period.";

    eviction_webhook(pod) = "webhooks may deny the eviction of pod {pod}";
    eviction_webhook_why(node, lasts, pods, configurations) =
        "{node} has been draining for {lasts}: no PDB blocks pod {pods}, but it is not evicted. Called for evictions: {configurations}.";
    eviction_webhook_dead(service) = " Service {service} has no endpoints.";
    eviction_denied(message) = " Latest event: {message}.";
    EVICTION_WEBHOOK_FIX =
        "To unblock: fix the webhook, or remove pods/eviction from its rules.";

    PRESERVED_NODE = "failed machine is preserved";
    preserved_node_why(node, lasts, reason) =
        "{node} has not been ready for {lasts}{reason}; it is preserved, so the platform does not replace it.";
    PRESERVED_NODE_FIX =
        "To unblock: remove the annotation node.machine.sapcloud.io/preserve from the node.";
    OLD_NODE_NOT_READY = "old node is not ready";
    old_node_not_ready_why(node, lasts, reason) =
        "{node} has not been ready for {lasts}{reason}; its kubelet cannot confirm that pods have ended.";

    volume(name) = "volume {name} does not detach";
    volume_why(brief, lasts, message) = "{brief}{lasts}{message}.";
    FROM_REMOVED_NODE = " from a removed node";
    volume_lasting(lasts) = " (for {lasts})";
    VOLUME_FIX = "Unblocks when the volume is detached; pods on other nodes that use the volume also wait.";

    NODE_NOT_CONFIGURED = "new node has not applied its configuration";
    node_not_configured_why(node, lasts) = "{node} has not applied its pool's configuration for {lasts}";
    NODE_NOT_CONFIGURED_FIX =
        "Unblocks when the node has applied its configuration; usually no action is needed.";
    NODE_NOT_READY = "new node is not ready";
    node_not_ready_why(node, lasts) = "{node} has not been ready for {lasts}";
    SYSTEM_PODS_NOT_READY = ": its system pods are not ready";
    NODE_NOT_READY_FIX =
        "Unblocks when the node is ready; the platform replaces a machine that stays not ready.";

    unschedulable(pods) = "pod {pods} cannot be scheduled";
    unschedulable_why(lasts, message, volume) =
        "Pending for {lasts}{message}.{volume}";
    bound_to_node(volume) = " Its volume {volume} is bound to one node.";
    bound_to_zones(volume, zones) = " Its volume {volume} is bound to {zones}.";
    BOUND_TO_NODE_FIX = "Unblocks when that node is back, or the pod gets another volume.";
    bound_to_zones_fix(zones) = "Unblocks when a node in {zones} has room for the pod.";
    UNSCHEDULABLE_FIX = "Unblocks when a node has room for the pod.";

    unreadable_pdb(pdb) = "PodDisruptionBudget {pdb} cannot be evaluated";
    unreadable_pdb_why(reason, node) = "It may block pods on {node}: {reason}.";
    UNREADABLE_PDB_FIX = "Check the PDB with kubectl.";

    pdb_ahead(pdb) = "PodDisruptionBudget {pdb} will block a drain";
    pdb_ahead_why(pdb, pods) =
        "PodDisruptionBudget {pdb} allows no evictions; it covers pod {pods} on old nodes and will block their drain.";
    BARE_POD = "pod is not recreated";
    BARE_PODS = "pods are not recreated";
    bare_pods_why(pods) = "Without a controller: {pods}.";
    BARE_PODS_FIX = "Recreate them on another node, if needed.";
    LOCAL_DATA_POD = "pod loses local data";
    LOCAL_DATA_PODS = "pods lose local data";
    local_data_why(pods) = "In emptyDir or hostPath: {pods}.";
    LOCAL_DATA_FIX = "Copy the data before the drain, if needed.";
    local_volume(volume) = "volume {volume} is bound to its node";
    local_volume_why(pod, node, volume) =
        "pod {pod} uses volume {volume}, which is bound to {node}; the pod cannot start elsewhere with it.";
    LOCAL_VOLUME_FIX = "Copy the data to a volume that is not bound to a node.";

    pool_at_maximum(pool, maximum) = "pool {pool} is at its maximum of {maximum}";
    pool_at_maximum_in(pool, zones) = "pool {pool} is at its maximum in {zones}";
    zone_maximum(zone, maximum) = "{zone} ({maximum})";
    AT_MAXIMUM_WHY = "The autoscaler adds no node there for unschedulable pods.";
    AT_MAXIMUM_FIX = "To unblock: raise the pool's maximum, or lower the pods' requests.";

    HIBERNATION = "hibernation is scheduled before the rollout ends";
    hibernation_refused(left) =
        "Hibernation is scheduled in {left}, before the rollout ends. The platform's rules forbid hibernation while a rotation is preparing or completing; what SKE does then is unknown.";
    hibernation_meanwhile(left) =
        "Hibernation is scheduled in {left}, before the rollout ends; the cluster would hibernate during this rollout.";
    HIBERNATION_REFUSED_FIX =
        "If hibernation is refused, the cluster keeps running; hibernate it later.";
    HIBERNATION_FIX = "To let the rollout end first: postpone the schedule.";
    MAINTENANCE_OPEN = "the maintenance window is open";
    MAINTENANCE_OPENS = "the maintenance window opens before the rollout ends";
    MAINTENANCE_WHY = "An update during the window may replace nodes again.";
    maintenance_opens_why(left) =
        "The maintenance window opens in {left}, before the rollout ends; an update during the window may replace nodes again.";
    MAINTENANCE_FIX = "No action needed, unless an update is due.";
}

const MISCONFIGURED_PDB: &str = "SKE_NODE_MISCONFIGURED_PDB";

/// A clause without times ("PDB payments/api allows no evictions"), constant while the blocker lasts.
pub fn brief(blocker: &Blocker) -> String {
    match &blocker.cause {
        BlockerCause::Pdb(block) if block.misconfigured => pdb_misconfigured(&block.budget),
        BlockerCause::Pdb(block) => pdb_exhausted(&block.budget),
        BlockerCause::SeveralPdbs { pods, budgets } => several_pdbs(first(pods), budgets.len()),
        BlockerCause::PreparingTooLong => PREPARING_TOO_LONG.to_owned(),
        BlockerCause::Webhook(block) => webhook(&block.service),
        BlockerCause::NoNewNode { .. } => no_new_node(place(blocker.place.as_ref())),
        BlockerCause::Reported(problem) if problem.code.is_empty() => {
            reported(clean(&problem.message))
        }
        BlockerCause::Reported(problem) => reported(clean(&problem.code)),
        BlockerCause::HungPods { pods, .. } => terminating_pod(first(pods)),
        BlockerCause::GracePeriod { pods, .. } => grace_period(first(pods)),
        BlockerCause::EvictionWebhook(block) => eviction_webhook(first(&block.pods)),
        BlockerCause::PreservedNode { .. } => PRESERVED_NODE.to_owned(),
        BlockerCause::OldNodeNotReady { .. } => OLD_NODE_NOT_READY.to_owned(),
        BlockerCause::Volume { volume: name, .. } => volume(clean(name)),
        BlockerCause::NodeNotReady { why: Some(JoiningReason::Configuring), .. } => {
            NODE_NOT_CONFIGURED.to_owned()
        }
        BlockerCause::NodeNotReady { .. } => NODE_NOT_READY.to_owned(),
        BlockerCause::UnschedulablePods { pods, owner, .. } => {
            let of = owner.as_ref().filter(|_| pods.count > 1);
            let of = of.map(|owner| of_owner(clean(&owner.kind), clean(&owner.name)));
            unschedulable(format!("{}{}", first_and_more(pods), of.unwrap_or_default()))
        }
        BlockerCause::PdbAhead { budget, .. } => pdb_ahead(budget),
        BlockerCause::UnreadablePdb { budget, .. } => unreadable_pdb(budget),
        BlockerCause::BarePods(pods) => plural(pods.count, BARE_POD, BARE_PODS),
        BlockerCause::LocalData(pods) => plural(pods.count, LOCAL_DATA_POD, LOCAL_DATA_PODS),
        BlockerCause::LocalVolume { volume, .. } => local_volume(clean(volume)),
        BlockerCause::PoolsAtMaximum(pools) => list(pools.iter().map(full_pool), 3),
        BlockerCause::Hibernation { .. } => HIBERNATION.to_owned(),
        BlockerCause::Maintenance { opens: None } => MAINTENANCE_OPEN.to_owned(),
        BlockerCause::Maintenance { .. } => MAINTENANCE_OPENS.to_owned(),
    }
}

/// Why it blocks, as sentences.
pub fn why(blocker: &Blocker, now: Timestamp) -> String {
    let node = blocker.node.as_ref().map(|node| node.short.as_str()).unwrap_or_default();
    let lasts = blocker.since.map(|began| lasting(began, now)).unwrap_or_default();
    match &blocker.cause {
        BlockerCause::Pdb(block) => pdb_reason(block),
        BlockerCause::SeveralPdbs { pods, budgets } => {
            let names = list(budgets.iter().map(|name| clean(name)), 3);
            several_pdbs_why(several_pdbs(first_and_more(pods), budgets.len()), names)
        }
        BlockerCause::PreparingTooLong => preparing_too_long_why(lasts),
        BlockerCause::Webhook(block) => {
            let text = if block.certain { webhook_refuses } else { webhook_may_refuse };
            text(names_of(&block.configurations), resources(&block.refused))
        }
        BlockerCause::NoNewNode { old_left, missing } => {
            let left = match *old_left {
                0 => plural(*missing, NODE_MISSING, NODES_MISSING),
                old => plural(old, OLD_NODE_LEFT, OLD_NODES_LEFT),
            };
            no_new_node_why(place(blocker.place.as_ref()), lasts, left)
        }
        BlockerCause::Reported(problem) => {
            reported_why(clean(&problem.code), clean(problem.message.trim_end_matches('.')))
        }
        BlockerCause::HungPods { pods, finalizers } => {
            let names = list(finalizers.iter().map(|name| clean(name)), 3);
            let held = if names.is_empty() { names } else { with_finalizers(names) };
            terminating_pod_why(first_and_more(pods), lasts, held)
        }
        BlockerCause::GracePeriod { pods, until, limit } => {
            let limit = limit.map_or_else(String::new, |limit| {
                if limit > now {
                    grace_period_limit(passed(now, limit))
                } else {
                    GRACE_PERIOD_FORCED.to_owned()
                }
            });
            grace_period_why(first_and_more(pods), lasts, passed(now, *until)) + &limit
        }
        BlockerCause::EvictionWebhook(block) => eviction_reason(block, node, &lasts),
        BlockerCause::PreservedNode { reason } => {
            preserved_node_why(node, lasts, reason.as_deref().map(message).unwrap_or_default())
        }
        BlockerCause::OldNodeNotReady { reason } => {
            old_node_not_ready_why(node, lasts, reason.as_deref().map(message).unwrap_or_default())
        }
        BlockerCause::Volume { error, .. } => {
            let from = if node.is_empty() { FROM_REMOVED_NODE } else { "" };
            let lasts = blocker.since.map(|_| volume_lasting(lasts)).unwrap_or_default();
            let error = error.as_deref().map(message).unwrap_or_default();
            volume_why(brief(blocker) + from, lasts, error)
        }
        BlockerCause::NodeNotReady { why, reason, pods } => {
            let text = match (why, reason) {
                (Some(JoiningReason::Configuring), _) => node_not_configured_why(node, lasts),
                (Some(JoiningReason::Starting), _) => {
                    node_not_ready_why(node, lasts) + SYSTEM_PODS_NOT_READY
                }
                (Some(JoiningReason::NotReady) | None, reason) => {
                    let reason = reason.as_deref().map(message).unwrap_or_default();
                    node_not_ready_why(node, lasts) + &reason
                }
            };
            if pods.count == 0 { text + "." } else { format!("{text} ({}).", sample(pods)) }
        }
        BlockerCause::UnschedulablePods { message: text, volume, .. } => {
            let volume = volume.as_ref().map(|VolumeBinding { volume, zones }| match zones {
                Some(zones) => bound_to_zones(clean(volume), zone_names(zones)),
                None => bound_to_node(clean(volume)),
            });
            unschedulable_why(lasts, message(text), volume.unwrap_or_default())
        }
        BlockerCause::PdbAhead { budget, pods, .. } => pdb_ahead_why(budget, first_and_more(pods)),
        BlockerCause::UnreadablePdb { reason, node, .. } => unreadable_pdb_why(clean(reason), node),
        BlockerCause::BarePods(pods) => bare_pods_why(sample(pods)),
        BlockerCause::LocalData(pods) => local_data_why(sample(pods)),
        BlockerCause::LocalVolume { pod, volume } => local_volume_why(pod, node, clean(volume)),
        BlockerCause::PoolsAtMaximum(_) => AT_MAXIMUM_WHY.to_owned(),
        BlockerCause::Hibernation { at, rotation_runs: true } => {
            hibernation_refused(passed(now, *at))
        }
        BlockerCause::Hibernation { at, .. } => hibernation_meanwhile(passed(now, *at)),
        BlockerCause::Maintenance { opens: Some(at) } => maintenance_opens_why(passed(now, *at)),
        BlockerCause::Maintenance { opens: None } => MAINTENANCE_WHY.to_owned(),
    }
}

/// How to fix it, as sentences.
pub fn fix(blocker: &Blocker) -> String {
    if let Some(fix) = blocker.reported.iter().rev().find_map(capacity_fix) {
        return fix.to_owned();
    }
    let fix = match &blocker.cause {
        BlockerCause::Pdb(block) => {
            // If no replacement will come, deleting a serving pod does not help.
            let more = match (&block.unready, &block.missing) {
                _ if block.fix == PdbFix::UnmanagedPods => None,
                (Some(_), _) => Some(PDB_ALLOW_UNREADY),
                (None, Some(_)) => None,
                (None, None) => Some(PDB_DELETE_POD),
            };
            let fix = pdb_fix(&block.fix);
            return more.map_or_else(|| fix.clone(), |more| format!("{fix} {more}"));
        }
        BlockerCause::UnschedulablePods {
            volume: Some(VolumeBinding { zones: Some(zones), .. }),
            ..
        } => return bound_to_zones_fix(zone_names(zones)),
        BlockerCause::SeveralPdbs { .. } => SEVERAL_PDBS_FIX,
        BlockerCause::HungPods { finalizers, .. } => {
            let fix = if finalizers.is_empty() { TERMINATING_POD_FIX } else { FINALIZER_FIX };
            return format!("{fix} {LAST_RESORT}");
        }
        BlockerCause::NodeNotReady { why, .. } => {
            let configures = *why == Some(JoiningReason::Configuring);
            let fix = if configures { NODE_NOT_CONFIGURED_FIX } else { NODE_NOT_READY_FIX };
            return format!("{fix} {LAST_RESORT}");
        }
        BlockerCause::UnschedulablePods { volume: Some(_), .. } => BOUND_TO_NODE_FIX,
        BlockerCause::UnschedulablePods { .. } => UNSCHEDULABLE_FIX,
        BlockerCause::Reported(problem) if problem.code == MISCONFIGURED_PDB => REPORTED_PDB_FIX,
        BlockerCause::Reported(_) => REPORTED_FIX,
        BlockerCause::PreparingTooLong => PREPARING_TOO_LONG_FIX,
        BlockerCause::Webhook(_) => WEBHOOK_FIX,
        BlockerCause::NoNewNode { .. } => NO_NEW_NODE_FIX,
        BlockerCause::Volume { .. } => VOLUME_FIX,
        BlockerCause::GracePeriod { .. } => GRACE_PERIOD_FIX,
        BlockerCause::EvictionWebhook(_) => EVICTION_WEBHOOK_FIX,
        BlockerCause::PreservedNode { .. } => PRESERVED_NODE_FIX,
        BlockerCause::OldNodeNotReady { .. } => LAST_RESORT,
        BlockerCause::PdbAhead { fix, .. } => return pdb_fix(fix),
        BlockerCause::UnreadablePdb { .. } => UNREADABLE_PDB_FIX,
        BlockerCause::BarePods(_) => BARE_PODS_FIX,
        BlockerCause::LocalData(_) => LOCAL_DATA_FIX,
        BlockerCause::LocalVolume { .. } => LOCAL_VOLUME_FIX,
        BlockerCause::PoolsAtMaximum(_) => AT_MAXIMUM_FIX,
        BlockerCause::Hibernation { rotation_runs: true, .. } => HIBERNATION_REFUSED_FIX,
        BlockerCause::Hibernation { .. } => HIBERNATION_FIX,
        BlockerCause::Maintenance { .. } => MAINTENANCE_FIX,
    };
    fix.to_owned()
}

/// An SKE error about a blocker; only its code if the message adds nothing.
pub fn reported_error(blocker: &Blocker, problem: &ReportedError) -> String {
    if matches!(blocker.cause, BlockerCause::Pdb(_)) && problem.code == MISCONFIGURED_PDB {
        clean(&problem.code)
    } else {
        problem.to_string()
    }
}

/// A command to inspect the blocker; `None` if there is none, or its name cannot be quoted for a shell.
pub fn inspect(blocker: &Blocker) -> Option<Kubectl> {
    let of = |kind: &'static str, object: &ObjectName, tail: &'static str| {
        let namespace = Some(object.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        Kubectl::about(namespace, kind, &object.name, tail)
    };
    let (_, object) = blocker.object().unwrap_or(("", ObjectName::new("", "")));
    match &blocker.cause {
        BlockerCause::Pdb(_) | BlockerCause::PdbAhead { .. } => of("get pdb", &object, ""),
        BlockerCause::SeveralPdbs { budgets, .. } => {
            of("get pdb", &ObjectName::new(&object.namespace, budgets.first()?), "")
        }
        BlockerCause::UnreadablePdb { .. } => of("get pdb", &object, "-o yaml"),
        BlockerCause::Webhook(_) => of("describe service", &object, ""),
        BlockerCause::HungPods { .. }
        | BlockerCause::GracePeriod { .. }
        | BlockerCause::UnschedulablePods { .. } => of("describe pod", &object, ""),
        BlockerCause::EvictionWebhook(block) => {
            let (kind, name) = block.configurations.first()?;
            let kind = match *kind {
                "MutatingWebhookConfiguration" => "get mutatingwebhookconfiguration",
                _ => "get validatingwebhookconfiguration",
            };
            of(kind, &ObjectName::new("", name), "-o yaml")
        }
        BlockerCause::BarePods(_) | BlockerCause::LocalData(_) => of("get pod", &object, "-o wide"),
        BlockerCause::Volume { .. } => of("get volumeattachment", &object, "-o yaml"),
        BlockerCause::LocalVolume { .. } => of("get pv", &object, "-o yaml"),
        BlockerCause::NodeNotReady { .. }
        | BlockerCause::PreservedNode { .. }
        | BlockerCause::OldNodeNotReady { .. } => of("describe node", &object, ""),
        BlockerCause::NoNewNode { .. } => {
            let (pool, zone) = blocker.place.as_ref()?;
            Kubectl::nodes_of(pool, zone)
        }
        BlockerCause::PoolsAtMaximum(pools) => Kubectl::nodes_of(&pools.first()?.pool, ""),
        BlockerCause::PreparingTooLong => Some(Kubectl::plain("get nodes")),
        BlockerCause::Reported(problem) => match problem.code.as_str() {
            MISCONFIGURED_PDB => Some(Kubectl::plain("get pdb -A")),
            "SKE_UNREADY_NODES"
            | "SKE_NODE_MEMORY_PRESSURE"
            | "SKE_NODE_DISK_PRESSURE"
            | "SKE_NODE_PID_PRESSURE" => Some(Kubectl::plain("describe nodes")),
            _ => capacity_fix(problem).map(|_| Kubectl::plain("get nodes -o wide")),
        },
        BlockerCause::Hibernation { .. } | BlockerCause::Maintenance { .. } => None,
    }
}

/// "PDB payments/api allows no evictions · web-7 blocked 47m": one line for the fleet and for `wait`. The cause comes
/// first, so that narrow screens do not cut it off.
pub fn headline(blocker: &Blocker, now: Timestamp) -> String {
    let lasts = blocker.since.map(|began| lasting(began, now));
    let brief = brief(blocker).replace("PodDisruptionBudget", "PDB");
    match (&blocker.node, lasts) {
        (Some(node), Some(lasts)) if blocker.blocks_drain() => {
            node_blocked(brief, &node.short, lasts)
        }
        (Some(node), Some(lasts)) => format!("{brief} · {} {lasts}", node.short),
        (Some(node), None) => format!("{brief} · {}", node.short),
        (None, Some(lasts)) => format!("{brief}, {lasts}"),
        (None, None) => brief,
    }
}

/// The blocking object, or the reporter ("PodDisruptionBudget payments/api", "SKE").
pub fn object(blocker: &Blocker) -> String {
    blocker.object().map_or_else(|| SKE.to_owned(), |(kind, name)| format!("{kind} {name}"))
}

fn pdb_reason(block: &PdbBlock) -> String {
    let unready = block.unready.as_deref().map(|reason| match reason {
        "" => PODS_UNREADY.to_owned(),
        reason => pods_unready(clean(reason)),
    });
    let missing = block.missing.as_ref().map(|missing| match missing {
        MissingReplica::Unscheduled(pod, text) => replica_unscheduled(pod, message(text)),
        MissingReplica::NotStarting(pod, text) => replica_not_starting(pod, message(text)),
        MissingReplica::NotReady(pod, reason) if reason.is_empty() => replica_not_ready(pod),
        MissingReplica::NotReady(pod, reason) => replica_not_ready_because(pod, clean(reason)),
        MissingReplica::NoController => NO_CONTROLLER.to_owned(),
        MissingReplica::NotCreated(owner, text) => replica_not_created(owner, message(text)),
        MissingReplica::Rejected(service) => replica_rejected(service),
    });
    pdb_why(first_and_more(&block.pods), pdb_figures(block))
        + &unready.unwrap_or_default()
        + &missing.unwrap_or_default()
}

fn eviction_reason(block: &EvictionBlock, node: &str, lasts: &str) -> String {
    let names = names_of(&block.configurations);
    let dead = block.dead.as_ref().map(eviction_webhook_dead);
    let denial =
        block.denial.as_deref().map(|text| eviction_denied(clean(text.trim_end_matches('.'))));
    eviction_webhook_why(node, lasts, first_and_more(&block.pods), names)
        + &dead.unwrap_or_default()
        + &denial.unwrap_or_default()
}

fn names_of(configurations: &BTreeSet<(&'static str, String)>) -> String {
    list(configurations.iter().map(|(kind, name)| format!("{kind} {}", clean(name))), 3)
}

fn pdb_figures(block: &PdbBlock) -> String {
    match &block.status {
        Some(PdbStatus { desired, healthy, expected }) if block.misconfigured => {
            pdb_status_of(desired, healthy, expected)
        }
        Some(PdbStatus { desired, healthy, .. }) if block.fix != PdbFix::UnmanagedPods => {
            pdb_status(desired, healthy)
        }
        Some(_) => PDB_UNMANAGED.to_owned(),
        None if matches!(block.fix, PdbFix::NotComputed(_)) => PDB_NOT_COMPUTED.to_owned(),
        None => PDB_NOT_OBSERVED.to_owned(),
    }
}

fn pdb_fix(fix: &PdbFix) -> String {
    match fix {
        PdbFix::Relax(Some(rule)) => pdb_relax_rule(rule),
        PdbFix::Relax(None) => PDB_RELAX.to_owned(),
        PdbFix::AddReplicas(1) => PDB_ADD_ONE.to_owned(),
        PdbFix::AddReplicas(count) => pdb_add(count),
        PdbFix::AwaitReplicas(1) => PDB_AWAIT_ONE.to_owned(),
        PdbFix::AwaitReplicas(count) => pdb_await(count),
        PdbFix::RepairReplicas(1) => PDB_REPAIR_ONE.to_owned(),
        PdbFix::RepairReplicas(count) => pdb_repair(count),
        PdbFix::AwaitStatus => PDB_AWAIT_STATUS.to_owned(),
        PdbFix::NotComputed(message) => pdb_not_computed(clean(message.trim_end_matches('.'))),
        PdbFix::UnmanagedPods => PDB_UNMANAGED_FIX.to_owned(),
    }
}

/// How to get capacity for a machine, if SKE reports a lack of it.
fn capacity_fix(problem: &ReportedError) -> Option<&'static str> {
    match problem.code.as_str() {
        "SKE_NODE_NO_VALID_HOST_FOUND" => Some(NO_VALID_HOST_FIX),
        "SKE_NETWORK_NO_AVAILABLE_IPS" => Some(NO_ADDRESSES_FIX),
        "SKE_QUOTA_EXCEEDED" => Some(QUOTA_FIX),
        "SKE_NODE_MACHINE_TYPE_NOT_FOUND" => Some(NO_MACHINE_TYPE_FIX),
        _ => None,
    }
}

/// "nodes, pods in kube-system": resources whose requests are rejected because of webhooks.
pub fn resources(refused: &BTreeSet<NodeResource>) -> String {
    let names = refused.iter().map(|resource| match resource {
        NodeResource::Nodes => NODES,
        NodeResource::NodeCertificates => NODE_CERTIFICATES,
        NodeResource::NodeLeases => NODE_LEASES,
        NodeResource::SystemLeases => SYSTEM_LEASES,
        NodeResource::SystemPods => SYSTEM_PODS,
        NodeResource::Evictions => EVICTIONS,
    });
    names.collect::<Vec<_>>().join(", ")
}

/// "pool web is at its maximum of 6", "pool web is at its maximum in eu01-2 (2)".
pub fn full_pool(full: &FullPool) -> String {
    if full.zones.is_empty() {
        return pool_at_maximum(clean(&full.pool), full.maximum);
    }
    let zones = full.zones.iter().map(|(zone, maximum)| zone_maximum(clean(zone), maximum));
    pool_at_maximum_in(clean(&full.pool), list(zones, 3))
}

fn zone_names(zones: &[String]) -> String {
    list(zones.iter().map(|zone| clean(zone)), 3)
}

fn first(pods: &NameSample) -> String {
    pods.first.first().map(ObjectName::to_string).unwrap_or_default()
}

fn first_and_more(pods: &NameSample) -> String {
    match pods.count {
        0 | 1 => first(pods),
        count => first(pods) + &and_more(count - 1),
    }
}

/// ": 0/5 nodes are available": a message of the cluster, appended to our text.
fn message(text: &str) -> String {
    let text = clean(text.trim_end_matches('.'));
    if text.is_empty() { text } else { format!(": {text}") }
}
