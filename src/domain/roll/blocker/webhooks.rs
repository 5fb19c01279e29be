//! Admission webhooks that nobody can ask: the API server refuses what they must agree to.
//!
//! Only what a joining node needs counts: Gardener judges webhooks by a longer list of the same kind (its
//! `botanist/matchers`).

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::domain::age::since;
use crate::domain::observed::admission::{Rule, Service, Webhook};
use crate::domain::observed::{Labels, Picture, Pod, Selector};
use crate::domain::roll::blocker::{Blocker, Kind, Object, PATIENCE, Scene, lasting, place};
use crate::domain::roll::command::kubectl;
use crate::domain::roll::words::list;
use crate::domain::text::clean;

/// The platform's namespace, and the one of the nodes' leases.
const SYSTEM: &str = "kube-system";
const LEASES: &str = "kube-node-lease";

/// Something that must be created or changed for a node to join.
struct Need {
    group: &'static str,
    resource: &'static str,
    /// Where it is; `None` for what is in no namespace.
    namespace: Option<&'static str>,
    words: &'static str,
}

const fn need(
    group: &'static str,
    resource: &'static str,
    namespace: Option<&'static str>,
    words: &'static str,
) -> Need {
    Need { group, resource, namespace, words }
}

const NEEDS: [Need; 7] = [
    need("", "nodes", None, "nodes"),
    need("", "nodes/status", None, "nodes"),
    need("certificates.k8s.io", "certificatesigningrequests", None, "node certificates"),
    need("coordination.k8s.io", "leases", Some(LEASES), "node leases"),
    need("", "pods", Some(SYSTEM), "pods in kube-system"),
    need("", "pods/status", Some(SYSTEM), "pods in kube-system"),
    need("", "pods/binding", Some(SYSTEM), "pods in kube-system"),
];

/// A service without endpoints that must be asked about what nodes need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// The service.
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

    /// "nodes, pods in kube-system": what is refused for certain, else what may be.
    pub fn refused(&self) -> String {
        let chosen = if self.is_certain() { &self.refused } else { &self.unclear };
        let mut words: Vec<&str> = NEEDS.iter().map(|need| need.words).collect();
        words.dedup();
        words.retain(|word| chosen.contains(word));
        words.join(", ")
    }
}

/// Services that nobody answers for and that must be asked about what nodes need. `None` while that cannot be told:
/// where endpoints are not known in full, any service may have some.
pub fn unanswered(picture: &Picture) -> Option<Vec<Unanswered>> {
    if picture.unseen.contains_key("endpointslices") {
        return None;
    }
    let serving: HashSet<&Service> = picture
        .endpoints
        .iter()
        .filter(|endpoints| endpoints.serves)
        .map(|endpoints| &endpoints.service)
        .collect();
    let webhooks = picture.admissions.iter().flat_map(|admission| {
        admission.webhooks.iter().map(move |webhook| (&**admission, webhook))
    });
    let mut dead = webhooks.filter(|(_, webhook)| !serving.contains(&webhook.service)).peekable();
    if dead.peek().is_none() {
        return Some(Vec::new());
    }
    let world = World::of(picture);
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
    Some(found.into_values().collect())
}

/// What selectors are held against.
struct World<'a> {
    namespaces: BTreeMap<&'a str, &'a Labels>,
    system_pods: Vec<&'a Pod>,
}

impl<'a> World<'a> {
    fn of(picture: &'a Picture) -> Self {
        let namespaces = picture.namespaces.iter();
        Self {
            namespaces: namespaces.map(|found| (found.name.as_str(), &found.labels)).collect(),
            system_pods: picture
                .pods
                .iter()
                .map(|pod| &**pod)
                .filter(|pod| pod.namespace == SYSTEM)
                .collect(),
        }
    }

    /// Whether a webhook must agree to what is needed, and whether that is certain; `None`: it is not asked.
    fn is_caught(&self, webhook: &Webhook, need: &Need) -> Option<bool> {
        let namespaced = need.namespace.is_some();
        let is_about = |rule: &Rule| rule.is_about(need.group, need.resource, namespaced);
        if !webhook.rules.iter().any(is_about) {
            return None;
        }
        let place = need.namespace.map_or(Some(true), |name| self.is_selected(webhook, name));
        let object = self.is_object_selected(&webhook.objects, need);
        if place == Some(false) || object == Some(false) {
            return None;
        }
        Some(place.is_some() && object.is_some() && !webhook.conditional)
    }

    /// Whether a webhook takes part in a namespace; `None` when its selector cannot be judged.
    fn is_selected(&self, webhook: &Webhook, namespace: &str) -> Option<bool> {
        if let Some(labels) = self.namespaces.get(namespace) {
            return webhook.namespaces.matches(labels);
        }
        // Kubernetes itself gives every namespace this label.
        let known = ("kubernetes.io/metadata.name".to_owned(), namespace.to_owned());
        webhook.namespaces.matches(&Labels::from_iter([known]))
    }

    /// Whether a webhook selects such objects; `None` when its selector cannot be judged. Pods are those that are
    /// there; what others will carry is not known, so that whoever asks for a label leaves them out.
    fn is_object_selected(&self, selector: &Selector, need: &Need) -> Option<bool> {
        let bare = selector.matches(&Labels::default())?;
        if need.namespace != Some(SYSTEM) || self.system_pods.is_empty() {
            return Some(bare);
        }
        let selects = |pod: &&Pod| selector.matches(&pod.labels) == Some(true);
        Some(self.system_pods.iter().any(selects))
    }
}

/// Finds those that have lasted too long.
pub fn find(scene: &Scene<'_>, out: &mut Vec<Blocker>) {
    for one in unanswered(scene.picture).unwrap_or_default() {
        let Some(began) = scene.history.memory().unanswered_since(&one.service) else { continue };
        // The webhook's own pod may be moving.
        if since(began.at, scene.clock.now()) <= PATIENCE {
            continue;
        }
        let place = one.place();
        let (kind, refuse, end) = if one.is_certain() {
            (Kind::Webhook, "refuse", "; new nodes may not join")
        } else {
            (Kind::UnclearWebhook, "may refuse", "; when they ask, cannot be judged from here")
        };
        let mut blocker = Blocker::new(
            kind,
            format!("webhook service {place} has no endpoints"),
            format!(
                "Service {place} has had no endpoints for {}: webhooks that must ask it {refuse} {} meanwhile ({}){end}.",
                lasting(began, scene.clock),
                one.refused(),
                list(one.configurations.iter().cloned(), 3),
            ),
            "It moves when a pod of the service is ready. Where that pod itself is refused, the webhook has to leave out nodes and kube-system, or ignore failures (failurePolicy).",
        );
        let Service { namespace, name } = &one.service;
        blocker.object = Some(Object::new("Service", namespace, name));
        blocker.command = kubectl(Some(namespace), "describe service", name, "");
        blocker.since = Some(began);
        out.push(blocker);
    }
}
