//! Admission webhooks that nobody can ask: the API server refuses what they must agree to.
//!
//! Only what a joining node needs counts: Gardener judges webhooks by a longer list of the same kind (its
//! `botanist/matchers`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::domain::age::since;
use crate::domain::kubectl::Kubectl;
use crate::domain::roll::blocker::{Blocker, BlockerKind, Object, PATIENCE, Scene, lasting, place};
use crate::domain::roll::classify::Since;
use crate::domain::roll::format::list;
use crate::domain::roll::progress::{PoolRoll, PoolState};
use crate::domain::snapshot::admission::Operation::{self, Create, Update};
use crate::domain::snapshot::admission::{Rule, Service, Webhook};
use crate::domain::snapshot::{ClusterSnapshot, Labels, Pod, Requirement, Selector};
use crate::domain::text::clean;

/// The platform's namespace, and the one of the nodes' leases.
const SYSTEM: &str = "kube-system";
const LEASES: &str = "kube-node-lease";
/// Label of every namespace: its name.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Something that must be done for a node to join.
struct Need {
    operation: Operation,
    group: &'static str,
    resource: &'static str,
    /// Where it is; `None` for what is in no namespace.
    namespace: Option<&'static str>,
    words: &'static str,
}

const fn need(
    operation: Operation,
    group: &'static str,
    resource: &'static str,
    namespace: Option<&'static str>,
    words: &'static str,
) -> Need {
    Need { operation, group, resource, namespace, words }
}

const NODES: &str = "nodes";
const REQUESTS: &str = "node certificates";
const NODE_LEASES: &str = "node leases";
const LEADERS: &str = "leases in kube-system";
const PODS: &str = "pods in kube-system";
const SIGNING: &str = "certificates.k8s.io";
const COORDINATION: &str = "coordination.k8s.io";

const NEEDS: [Need; 12] = [
    need(Create, "", "nodes", None, NODES),
    need(Update, "", "nodes", None, NODES),
    need(Update, "", "nodes/status", None, NODES),
    need(Create, SIGNING, "certificatesigningrequests", None, REQUESTS),
    need(Update, SIGNING, "certificatesigningrequests/approval", None, REQUESTS),
    need(Update, SIGNING, "certificatesigningrequests/status", None, REQUESTS),
    need(Create, COORDINATION, "leases", Some(LEASES), NODE_LEASES),
    need(Update, COORDINATION, "leases", Some(LEASES), NODE_LEASES),
    // By these the controllers that make machines and approve certificates find their leader.
    need(Update, COORDINATION, "leases", Some(SYSTEM), LEADERS),
    need(Create, "", "pods", Some(SYSTEM), PODS),
    need(Update, "", "pods/status", Some(SYSTEM), PODS),
    need(Create, "", "pods/binding", Some(SYSTEM), PODS),
];

/// A service without endpoints that must be asked about what nodes need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    pub service: Service,
    /// Configurations whose webhooks name it ("ValidatingWebhookConfiguration policy"), safe to draw.
    pub configurations: BTreeSet<String>,
    /// What is refused meanwhile ("nodes", "pods in kube-system").
    refused: BTreeSet<&'static str>,
    /// What may be refused; conditions and some selectors cannot be judged from here.
    unclear: BTreeSet<&'static str>,
}

impl Unanswered {
    /// "policy/webhook", safe to draw.
    pub fn place(&self) -> String {
        place(&self.service.namespace, &self.service.name)
    }

    /// Whether something that nodes need is refused for certain.
    pub fn is_certain(&self) -> bool {
        !self.refused.is_empty()
    }

    /// Whether nodes cannot even register.
    fn keeps_nodes_away(&self) -> bool {
        [NODES, REQUESTS, NODE_LEASES].iter().any(|words| self.refused.contains(words))
    }

    /// "nodes, pods in kube-system": what is refused for certain, else what may be.
    pub fn refused(&self) -> String {
        let chosen = if self.is_certain() { &self.refused } else { &self.unclear };
        let mut words: Vec<&str> = NEEDS.iter().map(|need| need.words).collect();
        words.dedup();
        words.retain(|word| chosen.contains(word));
        words.join(", ")
    }
}

/// Services that nobody answers for and that must be asked about what nodes need, those that are refused something
/// for certain first. `None` while that cannot be told: where endpoints are not known in full, any service may have
/// some, and a list that is still to be read may bring more.
pub fn unanswered(snapshot: &ClusterSnapshot) -> Option<Vec<Unanswered>> {
    if snapshot.is_being_read() || !snapshot.is_whole("endpointslices") {
        return None;
    }
    if snapshot.admissions.is_empty() {
        return Some(Vec::new());
    }
    let serving: HashSet<&Service> = snapshot
        .endpoints
        .iter()
        .filter(|endpoints| endpoints.serves)
        .map(|endpoints| &endpoints.service)
        .collect();
    let webhooks = snapshot.admissions.iter().flat_map(|admission| {
        admission.webhooks.iter().map(move |webhook| (&**admission, webhook))
    });
    let mut dead = webhooks.filter(|(_, webhook)| !serving.contains(&webhook.service)).peekable();
    if dead.peek().is_none() {
        return Some(Vec::new());
    }
    let world = World::of(snapshot);
    let mut found: BTreeMap<&Service, Unanswered> = BTreeMap::new();
    for (admission, webhook) in dead {
        for need in &NEEDS {
            let Some(certain) = world.is_caught(webhook, need) else { continue };
            let one = found.entry(&webhook.service).or_insert_with(|| Unanswered {
                service: webhook.service.clone(),
                configurations: BTreeSet::new(),
                refused: BTreeSet::new(),
                unclear: BTreeSet::new(),
            });
            one.configurations.insert(format!("{} {}", admission.kind, clean(&admission.name)));
            let words = if certain { &mut one.refused } else { &mut one.unclear };
            words.insert(need.words);
        }
    }
    let mut found: Vec<Unanswered> = found.into_values().collect();
    found.sort_by_key(|one| !one.is_certain());
    Some(found)
}

/// What selectors are held against.
struct World<'a> {
    namespaces: BTreeMap<&'a str, &'a Labels>,
    /// Pods of `kube-system`; `None` when they are not known.
    system_pods: Option<Vec<&'a Pod>>,
}

impl<'a> World<'a> {
    fn of(snapshot: &'a ClusterSnapshot) -> Self {
        let namespaces = snapshot.namespaces.iter();
        let pods = snapshot.pods.iter().map(|pod| &**pod).filter(|pod| pod.namespace == SYSTEM);
        Self {
            namespaces: namespaces.map(|found| (found.name.as_str(), &found.labels)).collect(),
            system_pods: snapshot.is_whole("pods").then(|| pods.collect()),
        }
    }

    /// Whether a webhook must agree to what is needed, and whether that is certain; `None`: it is not asked.
    fn is_caught(&self, webhook: &Webhook, need: &Need) -> Option<bool> {
        let is_about = |rule: &Rule| {
            let namespaced = need.namespace.is_some();
            rule.is_about(need.operation, need.group, need.resource, namespaced)
        };
        if !webhook.rules.iter().any(is_about) {
            return None;
        }
        let selector = &webhook.namespaces;
        let place = need.namespace.map_or(Some(true), |name| self.is_in(selector, name));
        let object = self.has_selected(&webhook.objects, need);
        if place == Some(false) || object == Some(false) {
            return None;
        }
        Some(place.is_some() && object.is_some() && !webhook.conditional)
    }

    /// Whether a selector takes a namespace; `None` when that cannot be told.
    fn is_in(&self, selector: &Selector, namespace: &str) -> Option<bool> {
        if let Some(labels) = self.namespaces.get(namespace) {
            return selector.matches(labels);
        }
        // Kubernetes itself gives every namespace this label; of the others nothing is known.
        let only_by_name = |all: &[Requirement]| all.iter().all(|one| one.key() == NAMESPACE_NAME);
        let Selector::Labels(all) = selector else { return None };
        let known = (NAMESPACE_NAME.to_owned(), namespace.to_owned());
        only_by_name(all).then(|| selector.matches(&Labels::from_iter([known])))?
    }

    /// Whether a selector takes what is needed; `None` when that cannot be told. Which labels a new node will carry
    /// is not known; of pods, those of `DaemonSet`s are needed on every node; the rest carries no labels.
    fn has_selected(&self, selector: &Selector, need: &Need) -> Option<bool> {
        if matches!(selector, Selector::Labels(all) if all.is_empty()) {
            return Some(true);
        }
        match need.words {
            NODES => None,
            PODS => {
                let takes = |pod: &&&Pod| selector.matches(&pod.labels) == Some(true);
                let mut taken = self.system_pods.as_ref()?.iter().filter(takes).peekable();
                match taken.peek() {
                    None => Some(false),
                    Some(_) => taken.any(|pod| pod.stays_on_its_node()).then_some(true),
                }
            }
            _ => selector.matches(&Labels::default()),
        }
    }
}

/// Finds those that have lasted too long, while nodes are still to come. Tells whether they keep nodes away.
pub fn find(scene: &Scene<'_>, out: &mut Vec<Blocker>) -> bool {
    let is_awaited = |pool: &PoolRoll| {
        pool.state == PoolState::Missing || pool.counts.old_left() + pool.counts.joining > 0
    };
    if !scene.pools.iter().any(is_awaited) {
        return false;
    }
    let mut away = false;
    for one in unanswered(scene.snapshot).unwrap_or_default() {
        let Some(began) = scene.history.memory().unanswered_since(&one.service) else { continue };
        // The webhook's own pod may be moving.
        if since(began.at, scene.clock.now()) <= PATIENCE {
            continue;
        }
        away |= one.keeps_nodes_away();
        out.push(blocker(&one, began, scene));
    }
    away
}

fn blocker(one: &Unanswered, began: Since, scene: &Scene<'_>) -> Blocker {
    let (place, refused) = (one.place(), one.refused());
    let lasts = lasting(began, scene.clock);
    let configurations = list(one.configurations.iter().cloned(), 3);
    let (kind, meanwhile) = if one.is_certain() {
        (
            BlockerKind::Webhook,
            format!("the API server refuses {refused} meanwhile, and new nodes may not join"),
        )
    } else {
        (
            BlockerKind::UnclearWebhook,
            format!(
                "the API server may refuse {refused} meanwhile; whether the webhook is asked cannot be judged from here"
            ),
        )
    };
    let mut blocker = Blocker::new(
        kind,
        format!("webhook service {place} has no endpoints"),
        format!(
            "Service {place} has had no endpoints for {lasts}, and must be asked ({configurations}): {meanwhile}."
        ),
        "It moves when a pod of the service is ready. Where that pod itself is refused, or nobody needs the webhook any more, its configuration has to go, or to ignore failures (failurePolicy).",
    );
    let Service { namespace, name } = &one.service;
    blocker.object = Some(Object::new("Service", namespace, name));
    blocker.command = Kubectl::about(Some(namespace), "describe service", name, "");
    blocker.since = Some(began);
    blocker
}
