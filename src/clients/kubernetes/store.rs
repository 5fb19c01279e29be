//! What was seen of one cluster so far, and what is to be reported of it. Plain state behind one lock, never held while
//! waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::kubernetes::object_cache::ObjectCache;
use crate::domain::checklist::{Checklist, SharedChecklist};
use crate::domain::snapshot::admission::{Admission, Endpoints, Namespace};
use crate::domain::snapshot::{
    Attachment, BoundVolume, Budget, ClusterSnapshot, ControlPlane, Event, Node, Pod, RootBundle,
    ServiceAccount, Template, Templates, TokenSecret, Unavailable, Unseen,
};

/// Events that are kept, of nodes and of pods each.
const MOST_EVENTS: usize = 500;
/// Smaller changes of the cluster's clock are noise: the header it is read from counts whole seconds.
const SKEW_NOISE: u64 = 3;

/// Finds the cache of a kind.
pub type ObjectCaches<T> = fn(&mut Store) -> &mut ObjectCache<T>;

/// A kind that is listed and watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResourceKind {
    Nodes,
    Templates,
    Pods,
    Budgets,
    Attachments,
    Volumes,
    ValidatingWebhooks,
    MutatingWebhooks,
    Endpoints,
    Namespaces,
    TokenSecrets,
    ServiceAccounts,
    RootBundles,
    Checklists,
    NodeEvents,
    PodEvents,
}

impl ResourceKind {
    const ALL: [Self; 16] = [
        Self::Nodes,
        Self::Templates,
        Self::Pods,
        Self::Budgets,
        Self::Attachments,
        Self::Volumes,
        Self::ValidatingWebhooks,
        Self::MutatingWebhooks,
        Self::Endpoints,
        Self::Namespaces,
        Self::TokenSecrets,
        Self::ServiceAccounts,
        Self::RootBundles,
        Self::Checklists,
        Self::NodeEvents,
        Self::PodEvents,
    ];

    /// Whether only the latest objects are kept.
    pub fn is_bounded(self) -> bool {
        matches!(self, Self::NodeEvents | Self::PodEvents)
    }

    /// The API's own plural, as in [`ClusterSnapshot::unseen`].
    pub fn name(self) -> &'static str {
        match self {
            Self::Nodes => "nodes",
            Self::Templates => "secrets",
            Self::Pods => "pods",
            Self::Budgets => "poddisruptionbudgets",
            Self::Attachments => "volumeattachments",
            Self::Volumes => "persistentvolumes",
            Self::ValidatingWebhooks => "validatingwebhookconfigurations",
            Self::MutatingWebhooks => "mutatingwebhookconfigurations",
            Self::Endpoints => "endpointslices",
            Self::Namespaces => "namespaces",
            Self::TokenSecrets => "token secrets",
            Self::ServiceAccounts => "serviceaccounts",
            Self::RootBundles => "configmaps",
            Self::Checklists => "checklist",
            Self::NodeEvents | Self::PodEvents => "events",
        }
    }
}

/// What is known of one kind of objects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListStatus {
    /// Not listed yet.
    #[default]
    Unread,
    /// Listed; the text says what is missing in it, if anything.
    Seen(Option<String>),
    /// HTTP 403.
    Forbidden(String),
    /// It cannot be read now, and why; what was read before is still there.
    Failing(String),
}

#[derive(Default)]
struct ResourceState {
    status: ListStatus,
    /// It was listed at least once.
    listed: bool,
    /// What was missing in its last list.
    missing: Option<String>,
    /// The server answered for it since the last time it was away.
    confirmed: bool,
}

/// Everything that was seen, and what is to be reported.
pub struct Store {
    pub nodes: ObjectCache<Node>,
    pub templates: ObjectCache<Template>,
    pub pods: ObjectCache<Pod>,
    pub budgets: ObjectCache<Budget>,
    pub attachments: ObjectCache<Attachment>,
    pub volumes: ObjectCache<BoundVolume>,
    pub validating_webhooks: ObjectCache<Admission>,
    pub mutating_webhooks: ObjectCache<Admission>,
    pub endpoints: ObjectCache<Endpoints>,
    pub namespaces: ObjectCache<Namespace>,
    pub token_secrets: ObjectCache<TokenSecret>,
    pub service_accounts: ObjectCache<ServiceAccount>,
    pub root_bundles: ObjectCache<RootBundle>,
    pub checklists: ObjectCache<Result<Arc<Checklist>, String>>,
    pub node_events: ObjectCache<Event>,
    pub pod_events: ObjectCache<Event>,
    control_plane: ControlPlane,
    skew_seconds: i64,
    states: BTreeMap<ResourceKind, ResourceState>,
    unavailable: Option<Unavailable>,
    unavailable_is_reported: bool,
    outages: u32,
    changed: bool,
}

impl Default for Store {
    fn default() -> Self {
        let events = || ObjectCache::bounded(MOST_EVENTS, |event: &Event| event.at);
        Self {
            nodes: ObjectCache::default(),
            templates: ObjectCache::default(),
            pods: ObjectCache::default(),
            budgets: ObjectCache::default(),
            attachments: ObjectCache::default(),
            volumes: ObjectCache::default(),
            validating_webhooks: ObjectCache::default(),
            mutating_webhooks: ObjectCache::default(),
            endpoints: ObjectCache::default(),
            namespaces: ObjectCache::default(),
            token_secrets: ObjectCache::default(),
            service_accounts: ObjectCache::default(),
            root_bundles: ObjectCache::default(),
            checklists: ObjectCache::default(),
            node_events: events(),
            pod_events: events(),
            control_plane: ControlPlane::default(),
            skew_seconds: 0,
            states: ResourceKind::ALL
                .into_iter()
                .map(|resource_kind| (resource_kind, ResourceState::default()))
                .collect(),
            unavailable: Some(Unavailable::Connecting),
            unavailable_is_reported: false,
            outages: 0,
            changed: false,
        }
    }
}

impl Store {
    /// Notes that something in a cache changed.
    pub fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// The server answered for a kind.
    pub fn set_status(&mut self, resource_kind: ResourceKind, status: ListStatus) {
        let state = self.states.entry(resource_kind).or_default();
        if let ListStatus::Seen(missing) = &status {
            (state.listed, state.missing) = (true, missing.clone());
        }
        self.changed |= state.status != status || !state.confirmed;
        state.confirmed = true;
        state.status = status;
    }

    /// A watch of a kind goes on from where it was.
    pub fn confirm_status(&mut self, resource_kind: ResourceKind) {
        let state = self.states.entry(resource_kind).or_default();
        self.changed |= !state.confirmed;
        state.confirmed = true;
        if state.listed && matches!(state.status, ListStatus::Failing(_)) {
            state.status = ListStatus::Seen(state.missing.clone());
            self.changed = true;
        }
    }

    /// Whether the server has answered for another kind, but not for this one, since the last time it was away.
    pub fn is_late(&self, resource_kind: ResourceKind) -> bool {
        let confirmed = |state: &ResourceState| state.confirmed;
        !self.states.get(&resource_kind).is_some_and(confirmed)
            && self.states.values().any(confirmed)
    }

    /// Whether a kind was ever listed.
    pub fn is_listed(&self, resource_kind: ResourceKind) -> bool {
        self.states.get(&resource_kind).is_some_and(|state| state.listed)
    }

    /// Changes what is known of the control plane.
    pub fn update_control_plane(&mut self, change: impl FnOnce(&mut ControlPlane)) {
        let before = self.control_plane.clone();
        change(&mut self.control_plane);
        self.changed |= before != self.control_plane;
    }

    /// The key that signs tokens, if it was asked for.
    pub fn signing_key(&self) -> Option<String> {
        self.control_plane.signing_keys.as_ref()?.signing.clone()
    }

    /// Takes over the difference of the clocks.
    pub fn set_skew(&mut self, seconds: i64) {
        if self.skew_seconds.abs_diff(seconds) >= SKEW_NOISE {
            self.skew_seconds = seconds;
            self.changed = true;
        }
    }

    /// The server's clock minus ours.
    pub fn skew_seconds(&self) -> i64 {
        self.skew_seconds
    }

    /// Nothing can be shown now, and why.
    pub fn set_unavailable(&mut self, unavailable: Unavailable) {
        self.outages += u32::from(self.states.values().any(|state| state.confirmed));
        for state in self.states.values_mut() {
            state.confirmed = false;
        }
        if self.unavailable.as_ref() != Some(&unavailable) {
            self.unavailable = Some(unavailable);
            self.unavailable_is_reported = false;
        }
    }

    /// How often something was seen and then nothing any more.
    pub fn outages(&self) -> u32 {
        self.outages
    }

    /// The server takes our credentials again.
    pub fn clear_unavailable(&mut self) {
        self.changed |= self.unavailable.take().is_some();
    }

    /// Why nothing can be shown, once.
    pub fn take_unreported(&mut self) -> Option<Unavailable> {
        let unavailable = self.unavailable.clone().filter(|_| !self.unavailable_is_reported)?;
        self.unavailable_is_reported = true;
        Some(unavailable)
    }

    /// Whether there is a new snapshot. Nodes and what they are meant to be must have been answered for, and after an
    /// outage everything that was there before it: old pods on new nodes would look like something that holds them up.
    /// What was never read is named as such until it is there.
    pub fn has_changes(&self) -> bool {
        let is_needed = |resource_kind: ResourceKind| {
            matches!(resource_kind, ResourceKind::Nodes | ResourceKind::Templates)
        };
        self.changed
            && self.unavailable.is_none()
            && self.states.iter().all(|(resource_kind, state)| {
                state.confirmed || !(state.listed || is_needed(*resource_kind))
            })
    }

    /// Whether a node has begun to be replaced: the platform's own marks, not our reading of generations.
    pub fn node_replacement_began(&self, start: jiff::Timestamp) -> bool {
        self.nodes.all().any(|node| node.marked_for_deletion || node.rolling)
            || self.templates.all().any(|template| template.created.is_some_and(|at| at >= start))
    }

    /// The snapshot as of now.
    pub fn snapshot(&mut self) -> ClusterSnapshot {
        self.changed = false;
        let mut events: Vec<Arc<Event>> =
            self.node_events.all().chain(self.pod_events.all()).map(Arc::clone).collect();
        events.sort_by(|a, b| (a.at, &a.uid).cmp(&(b.at, &b.uid)));
        ClusterSnapshot {
            nodes: self.nodes.all().map(Arc::clone).collect(),
            templates: self.template_snapshot(),
            pods: self.pods.all().map(Arc::clone).collect(),
            budgets: self.budgets.all().map(Arc::clone).collect(),
            attachments: self.attachments.all().map(Arc::clone).collect(),
            volumes: self.volumes.all().map(Arc::clone).collect(),
            admissions: self
                .validating_webhooks
                .all()
                .chain(self.mutating_webhooks.all())
                .map(Arc::clone)
                .collect(),
            endpoints: self.endpoints.all().map(Arc::clone).collect(),
            namespaces: self.namespaces.all().map(Arc::clone).collect(),
            token_secrets: self.token_secrets.all().map(Arc::clone).collect(),
            service_accounts: self.service_accounts.all().map(Arc::clone).collect(),
            root_bundles: self.root_bundles.all().map(Arc::clone).collect(),
            checklist: self.shared_checklist(),
            events,
            control_plane: self.control_plane.clone(),
            unseen: self.unseen(),
            skew_seconds: self.skew_seconds,
        }
    }

    fn template_snapshot(&self) -> Templates {
        match self.states.get(&ResourceKind::Templates) {
            Some(ResourceState { status: ListStatus::Forbidden(_), .. }) => Templates::Forbidden,
            Some(ResourceState { listed: true, .. }) => Templates::Known(
                self.templates.all().map(|template| (**template).clone()).collect(),
            ),
            Some(ResourceState { listed: false, .. }) | None => Templates::Unread,
        }
    }

    fn shared_checklist(&self) -> SharedChecklist {
        match self.checklists.all().next().map(|read| &**read) {
            Some(Ok(list)) => SharedChecklist::Known(Arc::clone(list)),
            Some(Err(why)) => SharedChecklist::Unreadable(why.clone()),
            None if self.is_listed(ResourceKind::Checklists) => SharedChecklist::Absent,
            None => SharedChecklist::Unread,
        }
    }

    fn unseen(&self) -> BTreeMap<&'static str, Unseen> {
        let mut unseen = BTreeMap::new();
        for (resource_kind, state) in &self.states {
            let why = match &state.status {
                ListStatus::Unread => Unseen::Unread,
                ListStatus::Seen(None) => continue,
                ListStatus::Seen(Some(missing)) => Unseen::Partly(missing.clone()),
                // `Templates::Forbidden` says this.
                ListStatus::Forbidden(_) if *resource_kind == ResourceKind::Templates => continue,
                ListStatus::Forbidden(text) => Unseen::Failing(format!("forbidden ({text})")),
                ListStatus::Failing(text) => Unseen::Failing(text.clone()),
            };
            unseen.insert(resource_kind.name(), why);
        }
        unseen
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::kubernetes::store::{ListStatus, ResourceKind, Store};
    use crate::domain::snapshot::Unseen;

    #[test]
    fn a_truncated_list_stays_truncated_after_its_watch_is_reopened() {
        let mut store = Store::default();
        store.set_status(
            ResourceKind::Pods,
            ListStatus::Seen(Some("only the first 9 were read".into())),
        );
        store.set_status(ResourceKind::Pods, ListStatus::Failing("no answer".into()));
        assert_eq!(store.unseen()["pods"], Unseen::Failing("no answer".into()));
        store.confirm_status(ResourceKind::Pods);
        assert_eq!(store.unseen()["pods"], Unseen::Partly("only the first 9 were read".into()));
        store.set_status(ResourceKind::Pods, ListStatus::Seen(None));
        assert!(!store.unseen().contains_key("pods"));
    }
}
