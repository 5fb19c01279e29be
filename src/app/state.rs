//! The complete state: what all features read, and the state of each feature. Only `update` changes it.

use jiff::Timestamp;

use crate::app::actions::dialog::ActionDialog;
use crate::app::activity::state::Activity;
use crate::app::checklist::state::ChecklistState;
use crate::app::cluster::state::ClusterView;
use crate::app::cluster::tabs::Tab;
use crate::app::credentials::state::InventoryState;
use crate::app::fleet::columns::Column;
use crate::app::fleet::row::{Row, RowSource, row_source};
use crate::app::fleet::state::{Entry, Fleet, ScopeStatus};
use crate::app::fleet::view::FleetView;
use crate::app::help::Help;
use crate::app::keymap::{KeyContext, Keymap};
use crate::app::kubeconfig::renewal::RenewedEntry;
use crate::app::kubeconfig::state::KubeconfigState;
use crate::app::log::LogView;
use crate::app::menus::state::Menu;
use crate::app::nodes;
use crate::app::nodes::state::NodesState;
use crate::app::notices::Notices;
use crate::app::now::Now;
use crate::app::requests::Requests;
use crate::app::rotation::pending::PendingStep;
use crate::app::rotation::state::RotationState;
use crate::app::screen::{Metrics, Overlay, Screen};
use crate::app::search::Search;
use crate::app::session::state::Session;
use crate::app::settings::{Settings, ThemeChoice};
use crate::app::shared::Shared;
use crate::app::text_field::FIELD_LIMIT;
use crate::domain::age::DisplayZone;
use crate::domain::attention::NextStep;
use crate::domain::cluster::{Cluster, ClusterId};
use crate::domain::credential::{Credentials, InCluster, KnownCredential, KubeconfigLocation};
use crate::domain::known_checklist::KnownChecklist;
use crate::domain::kubectl::KubectlContext;
use crate::domain::persisted::{PersistedState, SavedCluster};
use crate::domain::preflight::Evidence;
use crate::domain::record::Record;
use crate::domain::roll::classify::NodeRoll;
use crate::domain::rotation::Step;

/// The whole state.
#[derive(Debug, Clone)]
pub struct State {
    pub shared: Shared,
    /// Open requests.
    pub requests: Requests,
    pub notices: Notices,
    pub session: Session,
    pub screen: Screen,
    /// Known clusters.
    pub fleet: Fleet,
    /// View state of the fleet.
    pub view: FleetView,
    pub cluster: ClusterView,
    pub nodes: NodesState,
    pub activity: Activity,
    /// Known accesses and observed generations.
    pub credentials: Credentials,
    /// The contents of this machine's kubeconfig files.
    pub inventory: InventoryState,
    pub checklist: ChecklistState,
    pub rotation: RotationState,
    pub kubeconfig: KubeconfigState,
    pub action: Option<ActionDialog>,
    pub menu: Option<Menu>,
    pub log: Option<LogView>,
    pub search: Search,
    /// The help overlays everything except the quit dialog.
    pub help: Option<Help>,
}

impl State {
    /// The initial state. `seed`: for poll jitter, and to distinguish this run from others.
    pub fn new(
        settings: Settings,
        keymap: Keymap,
        persisted: PersistedState,
        now: Now,
        seed: u64,
    ) -> Self {
        let mut fleet = Fleet::new(seed);
        for (id, name) in &settings.projects {
            fleet.add_project(id, &settings.regions);
            fleet.configured.insert(id.clone());
            fleet.projects.extend(name.clone().map(|name| (id.clone(), name)));
        }
        let session = Session { selections: persisted.selections, ..Session::default() };
        fleet.begin_with(session.selection(&settings), &settings.regions);
        let sort = persisted.sort.as_deref().unwrap_or(&settings.sort);
        let sort = Column::from_id(sort).unwrap_or_default();
        let columns = persisted.columns;
        let columns = if columns.is_empty() { settings.columns.clone() } else { columns };
        let theme = match (settings.theme, persisted.theme) {
            (ThemeChoice::Auto, Some(word)) => {
                ThemeChoice::from_word(&word).unwrap_or(ThemeChoice::Auto)
            }
            (chosen, _) => chosen,
        };
        let of = |is: fn(&SavedCluster) -> bool| {
            let kept = persisted.clusters.iter().filter(|kept| is(kept));
            kept.map(|kept| kept.id.clone()).collect()
        };
        let (marks, watched) = (of(|kept| kept.marked), of(|kept| kept.watched));
        let filter = persisted.filter.chars().take(FIELD_LIMIT).collect();
        fleet.kept = persisted.clusters.into_iter().map(|kept| (kept.id.clone(), kept)).collect();
        Self {
            fleet,
            view: FleetView {
                filter,
                marks,
                reversed: persisted.reversed,
                sort,
                columns,
                preview: true,
                ..FleetView::default()
            },
            credentials: persisted.credentials,
            shared: Shared {
                keymap,
                now,
                size: (80, 24),
                metrics: Metrics::default(),
                identity: None,
                theme,
                background: settings.background,
                utc: settings.utc,
                mouse: settings.mouse,
                key_count: 0,
                settings,
            },
            requests: Requests::of_run(seed),
            notices: Notices::default(),
            session,
            screen: Screen::Fleet,
            cluster: ClusterView::default(),
            nodes: NodesState { watched, ..NodesState::default() },
            activity: Activity::default(),
            inventory: InventoryState::default(),
            checklist: ChecklistState::default(),
            rotation: RotationState::default(),
            kubeconfig: KubeconfigState::default(),
            action: None,
            menu: None,
            log: None,
            search: Search::default(),
            help: None,
        }
    }

    /// The zone in which times are displayed.
    pub fn zone(&self) -> DisplayZone {
        self.shared.zone()
    }

    /// The current time by SKE's clock, by which credentials from SKE expire.
    pub fn server_now(&self) -> Timestamp {
        self.rows().now()
    }

    /// The current time by SKE's clock, if known: by no other clock anything is dropped as expired.
    pub fn server_clock(&self) -> Option<Timestamp> {
        self.fleet.server_clock(self.shared.now.wall)
    }

    /// The source of fleet rows.
    pub fn rows(&self) -> RowSource<'_> {
        row_source!(self)
    }

    /// The row of a cluster.
    pub fn row<'a>(&'a self, entry: &'a Entry) -> Row<'a> {
        self.rows().row(entry)
    }

    /// The cluster under the cursor or of the cluster screen.
    pub fn subject(&self) -> Option<&Entry> {
        match &self.screen {
            Screen::Fleet => self.fleet.entries.get(self.view.cursor.as_ref()?),
            Screen::Cluster { id, .. } => self.fleet.entries.get(id),
            Screen::Activity(_) => None,
        }
    }

    /// The user's next step for that cluster.
    pub fn next_step(&self) -> Option<NextStep> {
        self.row(self.subject()?).next_step()
    }

    /// The due step of that cluster.
    pub fn due_step(&self) -> Option<Step> {
        self.subject()?.cluster.rotation.phase.due_step()
    }

    /// Every known credential of a cluster.
    pub fn known_credentials(&self, cluster: &Cluster) -> Vec<KnownCredential> {
        self.rows().known_credentials(cluster)
    }

    /// Credentials inside a cluster that stop working on *complete*; `None` if its nodes are not observed.
    pub fn in_cluster(&self, cluster: &Cluster) -> Option<InCluster> {
        let snapshot = self.nodes.current_snapshot(&cluster.id)?;
        Some(InCluster::of(cluster, &self.credentials, &snapshot, self.server_now()))
    }

    /// The checklist of a cluster.
    pub fn checklist_of(&self, id: &ClusterId) -> KnownChecklist {
        self.checklist.known(id, self.nodes.current_snapshot(id).as_deref())
    }

    /// Why the shared checklist is not read, as a clause.
    pub fn checklist_unseen(&self, id: &ClusterId) -> String {
        let snapshot = self.nodes.current_snapshot(id);
        let why = snapshot.as_ref().and_then(|snapshot| snapshot.unseen.get("checklist"));
        why.map(nodes::text::unseen).or_else(|| self.unseen(id)).unwrap_or_default()
    }

    /// Evidence for the preflight.
    pub fn evidence(&self, cluster: &Cluster) -> Evidence {
        let snapshot = self.nodes.current_snapshot(&cluster.id);
        Evidence {
            credentials: self.credentials.of(cluster),
            files: self.inventory.files.clone(),
            more_files: self.shared.settings.more_files(&self.credentials),
            not_read: self.inventory.not_read.clone(),
            skew: self.fleet.skew.unwrap_or_default(),
            checklist: self.checklist.known(&cluster.id, snapshot.as_deref()),
            last_snapshot: self.nodes.last_snapshot(&cluster.id),
            snapshot,
            unseen: self.unseen(&cluster.id),
        }
    }

    /// How kubectl reaches a cluster; `None` if no kubeconfig file with access to it is known.
    pub fn kubectl_context(&self, cluster: &Cluster) -> Option<KubectlContext> {
        let files = self.inventory.files.as_deref().unwrap_or_default();
        self.credentials.kubectl_context(cluster, files, self.server_now())
    }

    /// The entries to renew on the credentials tab: the marked ones, or the one under the cursor, if SKE can issue a
    /// replacement of their kind.
    pub fn renewed_entries(&self) -> Vec<RenewedEntry> {
        let (known, cursor) = self.credentials_on_tab();
        let marked = known.iter().filter(|known| self.inventory.is_marked(&known.location));
        let marked: Vec<RenewedEntry> = marked.filter_map(renewed).collect();
        if !marked.is_empty() {
            return marked;
        }
        known.get(cursor).and_then(renewed).into_iter().collect()
    }

    /// The credentials on the open credentials tab, and the cursor.
    fn credentials_on_tab(&self) -> (Vec<KnownCredential>, usize) {
        let entry = self.subject().filter(|_| self.screen.tab() == Some(Tab::Credentials));
        let known = entry.map(|entry| self.known_credentials(&entry.cluster)).unwrap_or_default();
        let last = known.len().saturating_sub(1);
        (known, self.inventory.cursor.min(last))
    }

    /// The entry under the cursor of the credentials tab, if renewable.
    pub fn markable(&self) -> Option<KubeconfigLocation> {
        let (known, cursor) = self.credentials_on_tab();
        let at_cursor = known.get(cursor)?;
        renewed(at_cursor).map(|_| at_cursor.location.clone())
    }

    /// Why nodes are not currently observed; `None` while they are.
    pub fn unseen(&self, id: &ClusterId) -> Option<String> {
        self.nodes.unseen(id, self.fleet.cluster(id), &self.shared.settings)
    }

    /// The node under the cursor of the nodes tab.
    pub fn node_at_cursor(&self) -> Option<&NodeRoll> {
        self.nodes.node_at_cursor(self.screen.cluster()?)
    }

    /// Whether the screen lists records.
    pub fn lists_records(&self) -> bool {
        matches!(self.screen, Screen::Activity(_) | Screen::Cluster { tab: Tab::Activity, .. })
    }

    /// The record under the cursor, if the screen lists records.
    pub fn record_at_cursor(&self) -> Option<&Record> {
        if !self.lists_records() {
            return None;
        }
        let records = self.activity.list(self.screen.cluster());
        records.get(self.activity.index(&records)).map(|(_, record)| *record)
    }

    /// Whether the screen can be searched.
    pub fn is_searchable(&self) -> bool {
        let records = self.lists_records() && !self.activity.open;
        let nodes = self.screen.tab() == Some(Tab::Nodes) && !self.nodes.in_full;
        self.help.is_some() || (records || nodes) && !self.is_covered()
    }

    /// Whether the search input is active.
    pub fn is_searching(&self) -> bool {
        self.search.input.is_some() && self.is_searchable()
    }

    /// Number of rows that match the search; `None` in the help, which shows only matches.
    pub fn search_matches(&self) -> Option<usize> {
        match (&self.screen, self.help) {
            (_, Some(_)) => None,
            (Screen::Cluster { id, tab: Tab::Nodes, .. }, _) => {
                let all = nodes::update::matches(&self.nodes, id, &self.search);
                Some(all.into_iter().filter(|matches| *matches).count())
            }
            (screen, _) => {
                let all = self.activity.list(screen.cluster());
                Some(all.iter().filter(|(_, record)| self.search.is_in([&*record.line()])).count())
            }
        }
    }

    /// The cluster of the open dialog.
    pub fn dialog_cluster(&self) -> Option<&ClusterId> {
        let rotation = self.rotation.dialog.as_ref().map(|dialog| &dialog.shown.id);
        let action = || self.action.as_ref().map(|dialog| &dialog.cluster);
        let form = || self.kubeconfig.form.as_ref().map(|form| &form.cluster.id);
        let checklist = || self.checklist.dialog.as_ref().map(|dialog| &dialog.cluster);
        let renewal = || self.kubeconfig.renewal.as_ref().map(|renewal| &renewal.cluster.id);
        rotation.or_else(action).or_else(form).or_else(renewal).or_else(checklist)
    }

    /// Whether a dialog or menu is open, even below the help.
    pub fn has_dialog(&self) -> bool {
        self.menu.is_some() || self.dialog_cluster().is_some()
    }

    /// What covers the screen and takes the keys.
    pub fn overlay(&self) -> Option<Overlay> {
        let topmost_first = [
            (Overlay::Quit, self.session.quit_dialog.is_some()),
            (Overlay::Help, self.help.is_some()),
            (Overlay::Log, self.log.is_some()),
            (Overlay::Rotation, self.rotation.dialog.is_some()),
            (Overlay::Action, self.action.is_some()),
            (Overlay::Kubeconfig, self.kubeconfig.form.is_some()),
            (Overlay::Renewal, self.kubeconfig.renewal.is_some()),
            (Overlay::Checklist, self.checklist.dialog.is_some()),
            (Overlay::Menu, self.menu.is_some()),
        ];
        topmost_first.into_iter().find(|(_, is_open)| *is_open).map(|(overlay, _)| overlay)
    }

    /// Whether anything covers the screen.
    pub fn is_covered(&self) -> bool {
        self.overlay().is_some()
    }

    /// Key context of the screen.
    pub fn screen_context(&self) -> KeyContext {
        match self.screen {
            Screen::Fleet => KeyContext::Fleet,
            Screen::Cluster { .. } => KeyContext::Cluster,
            Screen::Activity(_) => KeyContext::Activity,
        }
    }

    /// The current key context.
    pub fn context(&self) -> KeyContext {
        match self.overlay() {
            Some(Overlay::Quit) => KeyContext::Dialog,
            _ if self.is_searching() => KeyContext::Filter,
            Some(Overlay::Help | Overlay::Log) => KeyContext::Help,
            Some(Overlay::Rotation | Overlay::Action) => KeyContext::Dialog,
            Some(Overlay::Kubeconfig | Overlay::Renewal | Overlay::Checklist) => KeyContext::Form,
            Some(Overlay::Menu) => KeyContext::Menu,
            None if self.view.filter_input.is_some() => KeyContext::Filter,
            None => self.screen_context(),
        }
    }

    /// Whether a write is in progress or its outcome unknown.
    pub fn write_under_way(&self) -> bool {
        self.requests.has_kubeconfigs()
            || self.requests.has_actions()
            || self.rotation.pending.values().any(PendingStep::is_under_way)
    }

    /// Whether the user can log in again from within the dashboard.
    pub fn logs_in(&self) -> bool {
        self.shared.identity.as_ref().is_some_and(|identity| identity.logs_in)
    }

    /// Whether data is live: signed in, nothing failing, and a scope listed.
    pub fn is_live(&self) -> bool {
        self.session.signed_out.is_none()
            && self.fleet.failing().next().is_none()
            && self.fleet.selected_scopes().any(|(_, s)| matches!(s.status, ScopeStatus::Live))
    }
}

/// The replacement that SKE can issue, if any.
fn renewed(known: &KnownCredential) -> Option<RenewedEntry> {
    let (file, context) = known.location.entry()?;
    let kind = known.renewed_as()?;
    Some(RenewedEntry { kind, file: file.to_owned(), context: context.to_owned() })
}
