//! The observed state of one cluster, and what is still to be reported. Plain state behind one lock, never held across
//! an await.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::clients::kubernetes::resources::{ResourceCaches, ResourceKind};
use crate::domain::checklist::SharedChecklist;
use crate::domain::snapshot::{ClusterSnapshot, ControlPlane, Templates, Unavailable, Unseen};

/// Smaller changes of clock skew are noise: the `Date` header has a resolution of seconds.
const SKEW_NOISE: u64 = 3;

/// Read status of one resource kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ListStatus {
    /// Not listed yet.
    #[default]
    Unread,
    /// Listed; the text describes what is missing, if anything.
    Seen(Option<String>),
    /// HTTP 403.
    Forbidden(String),
    /// It currently cannot be read, and why; earlier objects are kept.
    Failing(String),
}

#[derive(Default)]
struct ResourceState {
    status: ListStatus,
    /// Listed at least once.
    listed: bool,
    /// What was missing in the last list.
    missing: Option<String>,
    /// The server responded for it since the last outage.
    confirmed: bool,
}

/// The observed state, and what is to be reported.
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
    /// Marks the caches as changed.
    pub fn mark_changed(&mut self) {
        self.changed = true;
    }

    /// Sets the status after a response for a kind.
    pub fn set_status(&mut self, kind: ResourceKind, status: ListStatus) {
        let state = self.states.entry(kind).or_default();
        if let ListStatus::Seen(missing) = &status {
            (state.listed, state.missing) = (true, missing.clone());
        }
        self.changed |= state.status != status || !state.confirmed;
        state.confirmed = true;
        state.status = status;
    }

    /// A watch of a kind resumed.
    pub fn confirm_status(&mut self, kind: ResourceKind) {
        let state = self.states.entry(kind).or_default();
        self.changed |= !state.confirmed;
        state.confirmed = true;
        if state.listed && matches!(state.status, ListStatus::Failing(_)) {
            state.status = ListStatus::Seen(state.missing.clone());
            self.changed = true;
        }
    }

    /// Whether, since the last outage, the server has responded for another kind but not for this one.
    pub fn is_late(&self, kind: ResourceKind) -> bool {
        let confirmed = |state: &ResourceState| state.confirmed;
        !self.states.get(&kind).is_some_and(confirmed) && self.states.values().any(confirmed)
    }

    /// Whether a kind was ever listed.
    pub fn is_listed(&self, kind: ResourceKind) -> bool {
        self.states.get(&kind).is_some_and(|state| state.listed)
    }

    /// Updates the state of the control plane.
    pub fn update_control_plane(&mut self, change: impl FnOnce(&mut ControlPlane)) {
        let before = self.control_plane.clone();
        change(&mut self.control_plane);
        self.changed |= before != self.control_plane;
    }

    /// Sets the clock skew, unless the change is noise.
    pub fn set_skew(&mut self, seconds: i64) {
        if self.skew_seconds.abs_diff(seconds) >= SKEW_NOISE {
            self.skew_seconds = seconds;
            self.changed = true;
        }
    }

    /// The server's clock minus ours, in seconds.
    pub fn skew_seconds(&self) -> i64 {
        self.skew_seconds
    }

    /// Starts an outage: nothing can be shown, and why.
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

    /// How many outages followed a response.
    pub fn outages(&self) -> u32 {
        self.outages
    }

    /// The server accepts our credentials again.
    pub fn clear_unavailable(&mut self) {
        self.changed |= self.unavailable.take().is_some();
    }

    /// Takes the outage reason, if it was not reported yet.
    pub fn take_unreported(&mut self) -> Option<Unavailable> {
        let unavailable = self.unavailable.clone().filter(|_| !self.unavailable_is_reported)?;
        self.unavailable_is_reported = true;
        Some(unavailable)
    }

    /// Whether there is a new snapshot. It needs nodes and templates, and after an outage everything that was listed
    /// before: stale pods on new nodes would look like blockers. Kinds never read are reported as unseen.
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

    /// Whether a node replacement has started, by the platform's own marks rather than our generations.
    pub fn node_replacement_began(&self, start: jiff::Timestamp) -> bool {
        self.caches.nodes.all().any(|node| node.marked_for_deletion || node.rolling)
            || self
                .caches
                .templates
                .all()
                .any(|template| template.created.is_some_and(|at| at >= start))
    }

    /// The current snapshot.
    pub fn snapshot(&mut self) -> ClusterSnapshot {
        self.changed = false;
        let caches = &self.caches;
        let mut events = caches.node_events.to_vec();
        events.extend(caches.pod_events.to_vec());
        events.extend(caches.creation_events.to_vec());
        events.sort_by(|a, b| (a.at, &a.uid).cmp(&(b.at, &b.uid)));
        let mut webhook_configurations = caches.validating_webhooks.to_vec();
        webhook_configurations.extend(caches.mutating_webhooks.to_vec());
        ClusterSnapshot {
            nodes: caches.nodes.to_vec(),
            templates: self.template_snapshot(),
            pods: caches.pods.to_vec(),
            budgets: caches.budgets.to_vec(),
            attachments: caches.attachments.to_vec(),
            volumes: caches.volumes.to_vec(),
            webhook_configurations,
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
                // Covered by `Templates::Forbidden`.
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
