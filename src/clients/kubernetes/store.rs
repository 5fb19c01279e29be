//! What was seen of one cluster so far, and what is to be reported of it. Plain state behind one lock, never held while
//! waiting.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::kubernetes::resources::{ResourceCaches, ResourceKind};
use crate::domain::checklist::SharedChecklist;
use crate::domain::snapshot::{ClusterSnapshot, ControlPlane, Templates, Unavailable, Unseen};

/// Smaller changes of the cluster's clock are noise: the header it is read from counts whole seconds.
const SKEW_NOISE: u64 = 3;

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
    pub caches: ResourceCaches,
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
        Self {
            caches: ResourceCaches::default(),
            control_plane: ControlPlane::default(),
            skew_seconds: 0,
            states: ResourceKind::ALL
                .iter()
                .map(|kind| (*kind, ResourceState::default()))
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
    pub fn set_status(&mut self, kind: ResourceKind, status: ListStatus) {
        let state = self.states.entry(kind).or_default();
        if let ListStatus::Seen(missing) = &status {
            (state.listed, state.missing) = (true, missing.clone());
        }
        self.changed |= state.status != status || !state.confirmed;
        state.confirmed = true;
        state.status = status;
    }

    /// A watch of a kind goes on from where it was.
    pub fn confirm_status(&mut self, kind: ResourceKind) {
        let state = self.states.entry(kind).or_default();
        self.changed |= !state.confirmed;
        state.confirmed = true;
        if state.listed && matches!(state.status, ListStatus::Failing(_)) {
            state.status = ListStatus::Seen(state.missing.clone());
            self.changed = true;
        }
    }

    /// Whether the server has answered for another kind, but not for this one, since the last time it was away.
    pub fn is_late(&self, kind: ResourceKind) -> bool {
        let confirmed = |state: &ResourceState| state.confirmed;
        !self.states.get(&kind).is_some_and(confirmed) && self.states.values().any(confirmed)
    }

    /// Whether a kind was ever listed.
    pub fn is_listed(&self, kind: ResourceKind) -> bool {
        self.states.get(&kind).is_some_and(|state| state.listed)
    }

    /// Changes what is known of the control plane.
    pub fn update_control_plane(&mut self, change: impl FnOnce(&mut ControlPlane)) {
        let before = self.control_plane.clone();
        change(&mut self.control_plane);
        self.changed |= before != self.control_plane;
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
        let is_needed =
            |kind: ResourceKind| matches!(kind, ResourceKind::Nodes | ResourceKind::Templates);
        self.changed
            && self.unavailable.is_none()
            && self
                .states
                .iter()
                .all(|(kind, state)| state.confirmed || !(state.listed || is_needed(*kind)))
    }

    /// Whether a node has begun to be replaced: the platform's own marks, not our reading of generations.
    pub fn node_replacement_began(&self, start: jiff::Timestamp) -> bool {
        self.caches.nodes.all().any(|node| node.marked_for_deletion || node.rolling)
            || self
                .caches
                .templates
                .all()
                .any(|template| template.created.is_some_and(|at| at >= start))
    }

    /// The snapshot as of now.
    pub fn snapshot(&mut self) -> ClusterSnapshot {
        self.changed = false;
        let caches = &self.caches;
        let mut events = caches.node_events.to_vec();
        events.extend(caches.pod_events.to_vec());
        events.extend(caches.creation_events.to_vec());
        events.sort_by(|a, b| (a.at, &a.uid).cmp(&(b.at, &b.uid)));
        let mut admissions = caches.validating_webhooks.to_vec();
        admissions.extend(caches.mutating_webhooks.to_vec());
        ClusterSnapshot {
            nodes: caches.nodes.to_vec(),
            templates: self.template_snapshot(),
            pods: caches.pods.to_vec(),
            budgets: caches.budgets.to_vec(),
            attachments: caches.attachments.to_vec(),
            volumes: caches.volumes.to_vec(),
            admissions,
            endpoints: caches.endpoints.to_vec(),
            namespaces: caches.namespaces.to_vec(),
            token_secrets: caches.token_secrets.to_vec(),
            service_accounts: caches.service_accounts.to_vec(),
            root_bundles: caches.root_bundles.to_vec(),
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
                self.caches.templates.all().map(|template| (**template).clone()).collect(),
            ),
            Some(ResourceState { listed: false, .. }) | None => Templates::Unread,
        }
    }

    fn shared_checklist(&self) -> SharedChecklist {
        match self.caches.checklists.all().next().map(|read| &**read) {
            Some(Ok(list)) => SharedChecklist::Known(Arc::clone(list)),
            Some(Err(why)) => SharedChecklist::Unreadable(why.clone()),
            None if self.is_listed(ResourceKind::Checklists) => SharedChecklist::Absent,
            None => SharedChecklist::Unread,
        }
    }

    fn unseen(&self) -> BTreeMap<&'static str, Unseen> {
        let mut unseen = BTreeMap::new();
        for (kind, state) in &self.states {
            let why = match &state.status {
                ListStatus::Unread => Unseen::Unread,
                ListStatus::Seen(None) => continue,
                ListStatus::Seen(Some(missing)) => Unseen::Partly(missing.clone()),
                // `Templates::Forbidden` says this.
                ListStatus::Forbidden(_) if *kind == ResourceKind::Templates => continue,
                ListStatus::Forbidden(text) => Unseen::Failing(format!("forbidden ({text})")),
                ListStatus::Failing(text) => Unseen::Failing(text.clone()),
            };
            unseen.insert(kind.name(), why);
        }
        unseen
    }
}

#[cfg(test)]
mod tests {
    use crate::clients::kubernetes::resources::ResourceKind;
    use crate::clients::kubernetes::store::{ListStatus, Store};
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
