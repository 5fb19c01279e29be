//! Admission webhooks whose service has no endpoints: the API server rejects the requests that they must admit.
//!
//! Limited to what a joining node needs: Gardener checks webhooks against a longer list of the same kind (its
//! `botanist/matchers`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use crate::domain::roll::blocker::cause::{
    Blocker, BlockerCause, EvictionBlock, NodeResource, ObjectName, WebhookBlock,
};
use crate::domain::roll::blocker::context::{BlockerContext, PATIENCE};
use crate::domain::roll::progress::{PoolRoll, PoolState};
use crate::domain::snapshot::admission::Operation::{self, Create, Update};
use crate::domain::snapshot::admission::{Rule, Service, Webhook, WebhookConfiguration};
use crate::domain::snapshot::{ClusterSnapshot, Labels, Pod, Requirement, Selector};

/// The platform's namespace, and that of the node leases.
const SYSTEM: &str = "kube-system";
const LEASES: &str = "kube-node-lease";
/// Label with the name of every namespace.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// A request that the API server must accept so that a node can join: group, resource, and namespace, if any.
type NodeRequest = (NodeResource, Operation, &'static str, &'static str, Option<&'static str>);

const SIGNING: &str = "certificates.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";

const REQUESTS: [NodeRequest; 12] = [
    (NodeResource::Nodes, Create, "", "nodes", None),
    (NodeResource::Nodes, Update, "", "nodes", None),
    (NodeResource::Nodes, Update, "", "nodes/status", None),
    (NodeResource::NodeCertificates, Create, SIGNING, "certificatesigningrequests", None),
    (NodeResource::NodeCertificates, Update, SIGNING, "certificatesigningrequests/approval", None),
    (NodeResource::NodeCertificates, Update, SIGNING, "certificatesigningrequests/status", None),
    (NodeResource::NodeLeases, Create, COORDINATION, "leases", Some(LEASES)),
    (NodeResource::NodeLeases, Update, COORDINATION, "leases", Some(LEASES)),
    (NodeResource::SystemLeases, Update, COORDINATION, "leases", Some(SYSTEM)),
    (NodeResource::SystemPods, Create, "", "pods", Some(SYSTEM)),
    (NodeResource::SystemPods, Update, "", "pods/status", Some(SYSTEM)),
    (NodeResource::SystemPods, Create, "", "pods/binding", Some(SYSTEM)),
];

impl WebhookBlock {
    /// Whether nodes cannot even register.
    fn blocks_registration(&self) -> bool {
        use NodeResource::{NodeCertificates, NodeLeases, Nodes};
        let refused = |resource| self.refused.contains(&resource);
        self.certain && [Nodes, NodeCertificates, NodeLeases].into_iter().any(refused)
    }
}

/// Finds services without endpoints that webhooks must call for what nodes need and for evictions, those that certainly
/// reject something first. `None` if unknown: while endpoints are incomplete, any service may have some, and pending
/// lists may contain more webhooks.
pub fn find_unanswered(snapshot: &ClusterSnapshot) -> Option<Vec<WebhookBlock>> {
    let dead = dead_webhooks(snapshot)?;
    if dead.is_empty() {
        return Some(Vec::new());
    }
    let selected = SelectedObjects::of(snapshot);
    let mut found: BTreeMap<&Service, Calls> = BTreeMap::new();
    for (admission, webhook, service) in dead {
        let needed = REQUESTS
            .iter()
            .filter_map(|request| Some((request.0, selected.is_called(webhook, request)?)));
        let evictions = refuses_evictions(snapshot, webhook);
        for (needed, certain) in
            needed.chain(evictions.map(|certain| (NodeResource::Evictions, certain)))
        {
            let calls = found.entry(service).or_default();
            calls.configurations.insert((admission.kind, admission.name.clone()));
            if certain { &mut calls.certain } else { &mut calls.unclear }.insert(needed);
        }
    }
    let mut found: Vec<WebhookBlock> = found
        .into_iter()
        .map(|(service, calls)| WebhookBlock {
            service: ObjectName::new(&service.namespace, &service.name),
            configurations: calls.configurations,
            certain: !calls.certain.is_empty(),
            refused: if calls.certain.is_empty() { calls.unclear } else { calls.certain },
        })
        .collect();
    found.sort_by_key(|webhook| !webhook.certain);
    Some(found)
}

/// Webhooks that must respond but cannot: their service has no endpoints. `None` if unknown.
fn dead_webhooks(
    snapshot: &ClusterSnapshot,
) -> Option<Vec<(&WebhookConfiguration, &Webhook, &Service)>> {
    let dead = unanswered_webhooks(snapshot)?;
    Some(dead.into_iter().filter(|(_, webhook, _)| !webhook.ignores_failures).collect())
}

/// Webhooks whose service has no endpoints, whatever their failure policy. `None` if unknown.
fn unanswered_webhooks(
    snapshot: &ClusterSnapshot,
) -> Option<Vec<(&WebhookConfiguration, &Webhook, &Service)>> {
    if snapshot.is_being_read() || !snapshot.is_whole("endpointslices") {
        return None;
    }
    let serving: HashSet<&Service> = snapshot
        .endpoints
        .iter()
        .filter(|endpoints| endpoints.serves)
        .map(|endpoints| &endpoints.service)
        .collect();
    let dead = all_webhooks(snapshot).filter_map(|(admission, webhook)| {
        let service = webhook.service.as_ref().filter(|service| !serving.contains(*service))?;
        Some((admission, webhook, service))
    });
    Some(dead.collect())
}

fn all_webhooks(
    snapshot: &ClusterSnapshot,
) -> impl Iterator<Item = (&WebhookConfiguration, &Webhook)> {
    snapshot
        .webhook_configurations
        .iter()
        .flat_map(|admission| admission.webhooks.iter().map(move |webhook| (&**admission, webhook)))
}

/// The service without endpoints because of which the API server rejects every new pod like this one.
pub fn rejecting_pods(snapshot: &ClusterSnapshot, like: &Pod) -> Option<ObjectName> {
    let creating = (Create, "", "pods", Some(&*like.namespace));
    let (.., service) = dead_webhooks(snapshot)?.into_iter().find(|(_, webhook, _)| {
        let object = webhook.objects.matches(&like.labels);
        is_called(snapshot, webhook, creating, object) == Some(true)
    })?;
    Some(ObjectName::new(&service.namespace, &service.name))
}

/// The webhook configurations that may deny the eviction of a pod: kind, name, and the service, if it has no endpoints.
pub fn asked_about_eviction<'a>(
    snapshot: &'a ClusterSnapshot,
    pod: &Pod,
) -> Vec<(&'static str, &'a str, Option<&'a Service>)> {
    let dead = unanswered_webhooks(snapshot).unwrap_or_default();
    let may_be_asked =
        |webhook: &Webhook| is_asked_about_eviction(snapshot, webhook, &pod.namespace).is_some();
    let mut out = Vec::new();
    for (admission, webhook) in all_webhooks(snapshot).filter(|(_, one)| may_be_asked(one)) {
        let is_dead = dead.iter().any(|(_, other, _)| std::ptr::eq(*other, webhook));
        // With `Ignore` the API server proceeds without a response: such a webhook denies nothing.
        if !(is_dead && webhook.ignores_failures) {
            let service = webhook.service.as_ref().filter(|_| is_dead);
            out.push((admission.kind, admission.name.as_str(), service));
        }
    }
    out.sort_unstable();
    out.dedup();
    out
}

/// Whether a selector matches a namespace; `None` if unknown.
fn selects_namespace(
    snapshot: &ClusterSnapshot,
    selector: &Selector,
    namespace: &str,
) -> Option<bool> {
    let found = snapshot.namespaces.binary_search_by(|known| (*known.name).cmp(namespace));
    if let Some(known) = found.ok().and_then(|at| snapshot.namespaces.get(at)) {
        return selector.matches(&known.labels);
    }
    // Kubernetes itself sets this label on every namespace; other labels are unknown.
    let only_by_name = |all: &[Requirement]| all.iter().all(|one| one.key() == NAMESPACE_NAME);
    let Selector::Labels(all) = selector else { return None };
    let known = (NAMESPACE_NAME.to_owned(), namespace.to_owned());
    only_by_name(all).then(|| selector.matches(&Labels::from_iter([known])))?
}

/// Whether a webhook is certainly called for evictions by a drain; `None`: it is not called.
fn refuses_evictions(snapshot: &ClusterSnapshot, webhook: &Webhook) -> Option<bool> {
    let is_evicted = |pod: &&Arc<Pod>| !pod.finished && !pod.stays_on_its_node();
    // Pods are in the order of their namespaces.
    let namespaces = snapshot.pods.chunk_by(|one, next| one.namespace == next.namespace);
    let evicted = namespaces.filter_map(|pods| pods.iter().find(is_evicted));
    evicted.filter_map(|pod| is_asked_about_eviction(snapshot, webhook, &pod.namespace)).max()
}

/// Whether a webhook is certainly called for evictions in a namespace; `None`: it is not called. The object of the
/// request is the Eviction, which has no labels in a drain.
fn is_asked_about_eviction(
    snapshot: &ClusterSnapshot,
    webhook: &Webhook,
    namespace: &str,
) -> Option<bool> {
    let object = webhook.objects.matches(&Labels::default());
    is_called(snapshot, webhook, (Create, "", "pods/eviction", Some(namespace)), object)
}

/// Whether a webhook is certainly called for a request (operation, group, resource, and namespace, if any) about an
/// object that it selects; `None`: it is not called.
fn is_called(
    snapshot: &ClusterSnapshot,
    webhook: &Webhook,
    (operation, group, resource, namespace): (Operation, &str, &str, Option<&str>),
    object: Option<bool>,
) -> Option<bool> {
    let is_about = |rule: &Rule| rule.is_about(operation, group, resource, namespace.is_some());
    if object == Some(false) || !webhook.rules.iter().any(is_about) {
        return None;
    }
    let in_namespace =
        namespace.map_or(Some(true), |name| selects_namespace(snapshot, &webhook.namespaces, name));
    (in_namespace != Some(false))
        .then(|| in_namespace.is_some() && object.is_some() && !webhook.conditional)
}

/// The requests for which the webhooks of one service are, or may be, called.
#[derive(Default)]
struct Calls {
    configurations: BTreeSet<(&'static str, String)>,
    certain: BTreeSet<NodeResource>,
    unclear: BTreeSet<NodeResource>,
}

/// The objects that selectors are evaluated against.
struct SelectedObjects<'a> {
    snapshot: &'a ClusterSnapshot,
    /// Pods in `kube-system`; `None` if unknown.
    system_pods: Option<Vec<&'a Pod>>,
}

impl<'a> SelectedObjects<'a> {
    fn of(snapshot: &'a ClusterSnapshot) -> Self {
        let pods = snapshot.pods.iter().map(|pod| &**pod).filter(|pod| pod.namespace == SYSTEM);
        Self { snapshot, system_pods: snapshot.is_whole("pods").then(|| pods.collect()) }
    }

    /// Whether a webhook is certainly called for a request; `None`: it is not called.
    fn is_called(&self, webhook: &Webhook, request: &NodeRequest) -> Option<bool> {
        let (needed, operation, group, resource, namespace) = *request;
        let object = self.selects_object(&webhook.objects, needed, resource);
        is_called(self.snapshot, webhook, (operation, group, resource, namespace), object)
    }

    /// Whether a selector matches the object; `None` if unknown. Labels of future nodes are unknown; of pods, those of
    /// `DaemonSet`s are needed on every node; all others, and Bindings, have no labels.
    fn selects_object(
        &self,
        selector: &Selector,
        needed: NodeResource,
        resource: &str,
    ) -> Option<bool> {
        if matches!(selector, Selector::Labels(all) if all.is_empty()) {
            return Some(true);
        }
        match needed {
            NodeResource::Nodes => None,
            NodeResource::SystemPods if resource != "pods/binding" => {
                let takes = |pod: &&&Pod| selector.matches(&pod.labels) == Some(true);
                let mut selected = self.system_pods.as_ref()?.iter().filter(takes).peekable();
                match selected.peek() {
                    None => Some(false),
                    Some(_) => selected.any(|pod| pod.stays_on_its_node()).then_some(true),
                }
            }
            NodeResource::NodeCertificates
            | NodeResource::NodeLeases
            | NodeResource::SystemLeases
            | NodeResource::SystemPods
            | NodeResource::Evictions => selector.matches(&Labels::default()),
        }
    }
}

/// Finds those that have lasted too long while nodes still have to join. Returns whether they prevent that.
pub fn find(context: &BlockerContext<'_>, out: &mut Vec<Blocker>) -> bool {
    let is_awaited = |pool: &PoolRoll| {
        pool.state == PoolState::Missing || pool.counts.old_left() + pool.counts.joining > 0
    };
    if !context.pools.iter().any(is_awaited) {
        return false;
    }
    let mut away = false;
    for webhook in find_unanswered(context.snapshot).unwrap_or_default() {
        let Some(began) = context.history.unanswered_since(&webhook.service) else { continue };
        let of_evictions = webhook.refused.iter().all(|of| *of == NodeResource::Evictions);
        // A node whose pods it blocks already names it.
        let is_named = |blocker: &Blocker| {
            matches!(&blocker.cause, BlockerCause::EvictionWebhook(EvictionBlock { dead, .. })
                if dead.as_ref() == Some(&webhook.service))
        };
        if context.has_lasted(began, PATIENCE) && !(of_evictions && out.iter().any(is_named)) {
            away |= webhook.blocks_registration();
            out.push(Blocker::new(BlockerCause::Webhook(webhook), Some(began)));
        }
    }
    away
}
