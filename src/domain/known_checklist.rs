//! The checklist of a cluster as far as it is known: the shared one in the cluster, or the one on this machine.

use std::sync::Arc;

use crate::domain::checklist::{Checklist, ChecklistClient, LocalChecklist, SharedChecklist};
use crate::domain::failure::Failure;
use crate::domain::rotation::Rotation;
use crate::domain::snapshot::{ClusterSnapshot, Unseen};

/// A checklist, and where it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownChecklist {
    pub list: Arc<Checklist>,
    pub source: ChecklistSource,
    /// Whether this is certainly the present list; otherwise it may miss clients, or what colleagues changed.
    pub is_current: bool,
}

/// The source of a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChecklistSource {
    Reading,
    /// Kept on this machine; the cluster has no shared one.
    Local,
    /// Kept on this machine; whether the cluster has a shared one is not known.
    LocalUnseen,
    /// Shared through the cluster. `only_here`: clients that exist only on this machine.
    Shared {
        only_here: Vec<ChecklistClient>,
    },
    /// A copy of the shared list, which cannot be read now.
    Copy,
    /// A copy of a shared list that is no longer in the cluster.
    CopyOfRemoved,
    /// The cluster has a `ConfigMap`, but it is unreadable.
    Unreadable(String),
    /// The file on this machine is unreadable.
    Failed(Failure),
}

impl ChecklistSource {
    /// Whether the list can be changed now.
    pub fn is_changeable(&self) -> bool {
        match self {
            Self::Local | Self::LocalUnseen | Self::Shared { .. } | Self::CopyOfRemoved => true,
            Self::Reading | Self::Copy | Self::Unreadable(_) | Self::Failed(_) => false,
        }
    }
}

impl Default for KnownChecklist {
    fn default() -> Self {
        Self { list: Arc::default(), source: ChecklistSource::Reading, is_current: false }
    }
}

impl KnownChecklist {
    /// The list of a cluster: a shared one takes precedence. `local` is `None` until it is read.
    pub fn of(
        snapshot: Option<&ClusterSnapshot>,
        local: Option<&Result<LocalChecklist, Failure>>,
    ) -> Self {
        use SharedChecklist::{Absent, Known, Unread, Unreadable};
        let shared = snapshot.map(|snapshot| &snapshot.checklist);
        let unseen = snapshot.and_then(|snapshot| snapshot.unseen.get("checklist"));
        let kept = local.and_then(|local| local.as_ref().ok());
        let source = match (shared, local) {
            (Some(Known(shared)), _) => {
                let unshared = kept.filter(|kept| !kept.shared);
                let only_here = unshared.into_iter().flat_map(|kept| shared.missing(&kept.list));
                ChecklistSource::Shared { only_here: only_here.cloned().collect() }
            }
            (Some(Unreadable(why)), _) => ChecklistSource::Unreadable(why.clone()),
            (_, None) => ChecklistSource::Reading,
            (_, Some(Err(failure))) => ChecklistSource::Failed(failure.clone()),
            (Some(Absent), Some(Ok(kept))) if kept.shared => ChecklistSource::CopyOfRemoved,
            (Some(Absent), Some(Ok(_))) => ChecklistSource::Local,
            (Some(Unread) | None, Some(Ok(kept))) if kept.shared => ChecklistSource::Copy,
            (Some(Unread), _) if unseen == Some(&Unseen::Unread) => ChecklistSource::Reading,
            (Some(Unread) | None, Some(Ok(_))) => ChecklistSource::LocalUnseen,
        };
        let list = match shared {
            Some(Known(shared)) => Arc::clone(shared),
            Some(Unread | Absent | Unreadable(_)) | None => {
                kept.map(|kept| Arc::clone(&kept.list)).unwrap_or_default()
            }
        };
        let is_current = unseen.is_none()
            && matches!(source, ChecklistSource::Local | ChecklistSource::Shared { .. });
        Self { list, source, is_current }
    }

    /// Clients without credentials of this rotation, those that exist only on this machine included.
    pub fn open<'a>(
        &'a self,
        rotation: &'a Rotation,
    ) -> impl Iterator<Item = &'a ChecklistClient> + 'a {
        let only_here: &[ChecklistClient] =
            if let ChecklistSource::Shared { only_here } = &self.source { only_here } else { &[] };
        let is_read = self.source != ChecklistSource::Reading;
        let all = self.list.clients().iter().chain(only_here).filter(move |_| is_read);
        all.filter(|client| !client.is_done(rotation))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::domain::checklist::{
        Checklist, ChecklistChange, ChecklistClient, LocalChecklist, SharedChecklist,
    };
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::cluster;
    use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
    use crate::domain::rotation::{Phase, Rotation};
    use crate::domain::snapshot::{ClusterSnapshot, Unseen};

    fn rotation() -> Rotation {
        cluster("shop", Phase::Prepared).rotation
    }

    fn client(name: &str, is_done: bool) -> ChecklistClient {
        let done = rotation().initiated.filter(|_| is_done);
        ChecklistClient { name: name.to_owned(), done, ..ChecklistClient::default() }
    }

    fn list(clients: &[(&str, bool)]) -> Arc<Checklist> {
        let mut list = Checklist::default();
        for (name, is_done) in clients {
            let after = Some(client(name, *is_done));
            list.apply(&ChecklistChange { before: None, after }).unwrap();
        }
        Arc::new(list)
    }

    fn kept(shared: bool) -> LocalChecklist {
        LocalChecklist { list: list(&[("ci", true)]), shared }
    }

    fn snapshot(checklist: SharedChecklist, unseen: Option<Unseen>) -> ClusterSnapshot {
        let mut snapshot = ClusterSnapshot { checklist, ..ClusterSnapshot::default() };
        snapshot.unseen.extend(unseen.map(|why| ("checklist", why)));
        snapshot
    }

    #[test]
    fn only_a_list_that_is_read_in_the_cluster_or_not_shared_there_is_current() {
        use SharedChecklist::{Absent, Known, Unread, Unreadable};
        let failing = || Some(Unseen::Failing("forbidden".to_owned()));
        let known = || Known(list(&[("ci", true)]));
        let failed = Failure::new(FailureKind::File, "damaged");
        let only_here = || ChecklistSource::Shared { only_here: Vec::new() };
        for (shared, local, source, is_current) in [
            (None, None, ChecklistSource::Reading, false),
            (None, Some(Ok(kept(false))), ChecklistSource::LocalUnseen, false),
            (None, Some(Ok(kept(true))), ChecklistSource::Copy, false),
            (Some((Absent, None)), Some(Ok(kept(false))), ChecklistSource::Local, true),
            (Some((Absent, None)), Some(Ok(kept(true))), ChecklistSource::CopyOfRemoved, false),
            (Some((Absent, failing())), Some(Ok(kept(false))), ChecklistSource::Local, false),
            (
                Some((Unread, Some(Unseen::Unread))),
                Some(Ok(kept(false))),
                ChecklistSource::Reading,
                false,
            ),
            (Some((Unread, failing())), Some(Ok(kept(false))), ChecklistSource::LocalUnseen, false),
            (Some((Unread, failing())), Some(Ok(kept(true))), ChecklistSource::Copy, false),
            (Some((known(), None)), Some(Ok(kept(true))), only_here(), true),
            (Some((known(), None)), None, only_here(), true),
            (Some((known(), failing())), Some(Ok(kept(true))), only_here(), false),
            (
                Some((Unreadable("newer".to_owned()), None)),
                Some(Ok(kept(true))),
                ChecklistSource::Unreadable("newer".to_owned()),
                false,
            ),
            (
                Some((Absent, None)),
                Some(Err(failed.clone())),
                ChecklistSource::Failed(failed),
                false,
            ),
        ] {
            let seen = shared.clone().map(|(shared, unseen)| snapshot(shared, unseen));
            let found = KnownChecklist::of(seen.as_ref(), local.as_ref());
            assert_eq!((&found.source, found.is_current), (&source, is_current), "{shared:?}");
        }
    }

    #[test]
    fn a_client_that_is_listed_only_on_this_machine_is_open_too() {
        let shared = snapshot(SharedChecklist::Known(list(&[("ci", true)])), None);
        let local =
            LocalChecklist { list: list(&[("ci", false), ("backup", false)]), shared: false };
        let open = |local: LocalChecklist| -> Vec<String> {
            let found = KnownChecklist::of(Some(&shared), Some(&Ok(local)));
            found.open(&rotation()).map(|client| client.name.clone()).collect()
        };
        assert_eq!(open(local.clone()), ["backup"]);
        assert!(
            open(LocalChecklist { shared: true, ..local }).is_empty(),
            "removed by a colleague"
        );
    }
}
