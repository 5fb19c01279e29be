//! Everything the program knows and shows at one moment. Only `update` changes it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::app::columns::{COLUMNS, SortKey};
use crate::app::dialog::{Dialog, QuitDialog, UnsavedKubeconfig};
use crate::app::fleet::{Entry, Fleet, ScopeState, ScopeStatus, ViewOptions};
use crate::app::keymap::{Context, Keymap};
use crate::app::message::Now;
use crate::app::observation::{Observation, ObservedCluster};
use crate::app::requests::{RequestId, Requests};
use crate::app::settings::{Background, Settings, ThemeChoice};
use crate::app::status::Status;
use crate::domain::age::DisplayZone;
use crate::domain::cluster::{Cluster, ClusterId, Scope};
use crate::domain::failure::Failure;
use crate::domain::identity::Identity;
use crate::domain::persisted::PersistedState;
use crate::domain::record::Record;
use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::rotation::{Rotation, Step};
use crate::domain::secret::Secret;

/// Records kept for the activity screen.
pub const ACTIVITY_LIMIT: usize = 500;

/// The whole state.
#[derive(Debug, Clone)]
pub struct State {
    pub settings: Settings,
    pub keymap: Keymap,
    /// The moment of the last message.
    pub now: Now,
    /// Columns and rows of the terminal.
    pub size: (u16, u16),
    pub metrics: Metrics,
    /// Who we are; `None` until known.
    pub identity: Option<Identity>,
    /// Since when SKE refuses our token, and its words.
    pub signed_out: Option<(Timestamp, Failure)>,
    pub fleet: Fleet,
    /// How the fleet is looked at.
    pub look: ViewOptions,
    /// The cluster under the cursor of the fleet.
    pub cursor: Option<ClusterId>,
    /// Whether somebody put the cursor there; before that it stays on top while lists arrive.
    pub cursor_moved: bool,
    /// First row on screen of the fleet.
    pub offset: usize,
    /// Whether the filter line has the keyboard, and the text before it was opened.
    pub filtering: Option<String>,
    pub screen: Screen,
    /// The dialog over it.
    pub dialog: Option<Dialog>,
    /// Help lies over everything: the context it was opened from, and its scroll.
    pub help: Option<(Context, usize)>,
    /// Steps that were sent and are not settled, one per cluster at most.
    pub pending: BTreeMap<ClusterId, Pending>,
    /// What was asked for and is not answered.
    pub requests: Requests,
    /// When the program last went to the background, until something comes after that.
    pub suspended: Option<Now>,
    /// The question whether to leave, over everything.
    pub leaving: Option<QuitDialog>,
    /// Kubeconfigs that were issued and are nowhere yet, by the request that brought them: nothing of them is lost.
    pub unsaved: BTreeMap<RequestId, UnsavedKubeconfig>,
    pub activity: VecDeque<Record>,
    /// Records that made room for later ones; the oldest that is kept has this number.
    pub activity_dropped: usize,
    /// Number of the record under the cursor of the activity; `None` is the newest, whichever that is.
    pub record_cursor: Option<usize>,
    /// Whether that record has the whole pane.
    pub record_open: bool,
    /// First line on screen of what is scrolled; of the activity counted from the newest.
    pub scroll: usize,
    /// One line that goes away by itself.
    pub toast: Option<Toast>,
    /// Errors that stay until dismissed, oldest first.
    pub errors: VecDeque<Failure>,
    /// Kubeconfigs that were copied to the clipboard, and when each is cleared, on the monotonic clock.
    pub clipboard: BTreeMap<RequestId, Duration>,
    /// Kubeconfigs to be printed after exit.
    pub print: Vec<Secret>,
    /// What was seen of clusters through their own API, in this run.
    pub observed: BTreeMap<ClusterId, ObservedCluster>,
    /// Clusters that are looked at now.
    pub observing: BTreeMap<ClusterId, Observation>,
    /// Clusters that somebody wants to be told about.
    pub watched: BTreeSet<ClusterId>,
    /// Clusters of which a person agreed that static tokens are switched off.
    pub agreed: BTreeSet<ClusterId>,
    /// The node under the cursor of the nodes tab, by uid.
    pub node_cursor: Option<String>,
    /// Whether the nodes tab shows all events of that node.
    pub node_events: bool,
    /// What the window's title and the terminal's progress say of the watched clusters.
    pub status: Option<Status>,
    pub theme: ThemeChoice,
    /// The terminal's background, as far as it is known.
    pub background: Option<Background>,
    /// Whether moments are shown in UTC.
    pub utc: bool,
    pub mouse: bool,
    /// Until when the server asked us to wait, per scope.
    pub waits: BTreeMap<Scope, Timestamp>,
    /// Keys pressed so far; tells a held-down key from a decision.
    pub key_count: u64,
    /// State of the jitter's generator.
    pub random: u64,
    /// When the open cluster is read next, on the monotonic clock.
    pub detail_due: Duration,
    /// Whether the program is ending.
    pub quitting: bool,
}

/// What a drawing measured, for paging and the mouse.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metrics {
    pub page_rows: usize,
    /// Largest useful scroll of what is scrolled.
    pub scroll_last: usize,
    /// Where the main list's first row lies, and what can be clicked.
    pub targets: Vec<ClickTarget>,
}

/// A place that can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClickTarget {
    /// Left column, top row, width, height.
    pub area: (u16, u16, u16, u16),
    pub what: Clickable,
}

/// What can be clicked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clickable {
    /// Row of the fleet, counted from the first shown.
    Row(usize),
    Tab(Tab),
    /// Count in the header, 1 to 6.
    Count(u8),
    /// The cancelling button of a dialog.
    Cancel,
    /// The acting button of a dialog.
    Confirm,
}

/// Where the user is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Screen {
    Fleet,
    Cluster {
        id: ClusterId,
        /// When it was created; a later cluster of the same name is another one.
        created: Option<Timestamp>,
        tab: Tab,
    },
    /// What happened. Boxed: where to go back to.
    Activity(Box<Self>),
}

/// Tabs of the cluster screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    Overview,
    Rotation,
    Nodes,
    Activity,
}

impl Tab {
    /// All, in order.
    pub const ALL: [Self; 4] = [Self::Overview, Self::Rotation, Self::Nodes, Self::Activity];

    /// Title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Overview => "overview",
            Self::Rotation => "rotation",
            Self::Nodes => "nodes",
            Self::Activity => "activity",
        }
    }
}

/// A line that goes away by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    pub text: String,
    /// When it goes, on the monotonic clock.
    pub until: Duration,
    /// Whether it tells what was seen, not what became of something the person did.
    pub seen: bool,
}

/// A step that was sent and is not settled.
#[derive(Debug, Clone)]
pub struct Pending {
    pub request: RequestId,
    pub step: Step,
    /// When it was confirmed.
    pub asked: Now,
    pub before: Rotation,
    /// When the cluster was created, so that a later one of the same name is not taken for it.
    pub created: Option<Timestamp>,
    /// The server's clock minus ours.
    pub skew: SignedDuration,
    /// Reads begun up to this one do not tell about it.
    pub ignore_reads_through: RequestId,
    pub stage: PendingStage,
    /// When the cluster is read next, on the monotonic clock.
    pub due: Duration,
}

/// How a sent step stands.
#[derive(Debug, Clone)]
pub enum PendingStage {
    /// Re-reading, then sending.
    Sending,
    /// Accepted with 202; the reads do not show it yet.
    Accepted {
        at: Timestamp,
        /// Whether the long wait was told.
        told: bool,
    },
    /// No clear answer; reading back to find out.
    ReadingBack {
        failure: Failure,
        /// When to stop, on the monotonic clock.
        until: Duration,
        /// When a reading last showed nothing of it, on the monotonic clock.
        seen: Option<Duration>,
    },
    /// Reading back did not tell either; the next read that works will.
    Lost { failure: Failure },
}

impl Pending {
    /// The word in the phase column.
    pub fn word(&self) -> &'static str {
        match (&self.stage, self.step) {
            (PendingStage::Sending, _) => "sending",
            (PendingStage::Accepted { .. }, _) => "accepted",
            (PendingStage::ReadingBack { .. }, _) => "checking",
            (PendingStage::Lost { .. }, _) => "unclear",
        }
    }
}

impl State {
    /// The state before anything was read.
    pub fn new(
        settings: Settings,
        keymap: Keymap,
        kept: PersistedState,
        now: Now,
        seed: u64,
    ) -> Self {
        let scopes = settings
            .projects
            .iter()
            .flat_map(|(project, _)| {
                settings
                    .regions
                    .iter()
                    .map(|region| Scope { project: project.clone(), region: region.clone() })
            })
            .map(|scope| (scope, ScopeState::default()))
            .collect();
        let projects = settings
            .projects
            .iter()
            .filter_map(|(id, name)| name.clone().map(|name| (id.clone(), name)))
            .collect();
        let sort = kept.sort.as_deref().unwrap_or(&settings.sort);
        let columns = if kept.columns.is_empty() { settings.columns.clone() } else { kept.columns };
        let look = ViewOptions {
            filter: String::new(),
            sort: SortKey::from_id(sort).unwrap_or(SortKey::Attention),
            reversed: false,
            columns,
            marks: BTreeSet::new(),
            preview: true,
        };
        let theme = match settings.theme {
            ThemeChoice::Auto => {
                kept.theme.as_deref().and_then(ThemeChoice::from_word).unwrap_or(ThemeChoice::Auto)
            }
            chosen @ (ThemeChoice::Dark
            | ThemeChoice::Light
            | ThemeChoice::HighContrast
            | ThemeChoice::Mono) => chosen,
        };
        Self {
            fleet: Fleet { scopes, projects, credentials: kept.credentials, ..Fleet::default() },
            look,
            keymap,
            now,
            size: (80, 24),
            metrics: Metrics::default(),
            identity: None,
            signed_out: None,
            cursor: None,
            cursor_moved: false,
            offset: 0,
            filtering: None,
            screen: Screen::Fleet,
            dialog: None,
            help: None,
            pending: BTreeMap::new(),
            requests: Requests::default(),
            unsaved: BTreeMap::new(),
            suspended: None,
            leaving: None,
            activity: VecDeque::new(),
            activity_dropped: 0,
            record_cursor: None,
            record_open: false,
            scroll: 0,
            toast: None,
            errors: VecDeque::new(),
            clipboard: BTreeMap::new(),
            print: Vec::new(),
            observed: BTreeMap::new(),
            observing: BTreeMap::new(),
            watched: BTreeSet::new(),
            agreed: BTreeSet::new(),
            node_cursor: None,
            node_events: false,
            status: None,
            theme,
            background: settings.background,
            utc: settings.utc,
            mouse: settings.mouse,
            waits: BTreeMap::new(),
            key_count: 0,
            random: seed | 1,
            detail_due: Duration::ZERO,
            quitting: false,
            settings,
        }
    }

    /// The zone in which moments are shown.
    pub fn zone(&self) -> DisplayZone {
        if self.utc { DisplayZone::UTC } else { self.settings.local_zone.clone() }
    }

    /// The moment by SKE's clock, as far as it is known: what SKE issued ends by that.
    pub fn server_now(&self) -> Timestamp {
        self.fleet.server_now(self.now.wall)
    }

    /// The entry under the cursor or on the cluster screen.
    pub fn subject(&self) -> Option<&Entry> {
        match &self.screen {
            Screen::Fleet => self.fleet.entries.get(self.cursor.as_ref()?),
            Screen::Cluster { id, .. } => self.fleet.entries.get(id),
            Screen::Activity(_) => None,
        }
    }

    /// What was seen of the open cluster through its own API.
    pub fn open_observed(&self) -> Option<&ObservedCluster> {
        match &self.screen {
            Screen::Cluster { id, .. } => self.observed.get(id),
            Screen::Fleet | Screen::Activity(_) => None,
        }
    }

    /// Nodes of the open cluster in the order of the nodes tab: pool by pool, zone by zone.
    pub fn node_uids(&self) -> Vec<String> {
        let roll = self.open_observed().and_then(|observed| observed.roll.as_ref());
        roll.map_or_else(Vec::new, |roll| roll.nodes().map(|node| node.uid.clone()).collect())
    }

    /// The node under the cursor of the nodes tab: the chosen one, else the first that needs a look.
    pub fn node_at_cursor(&self) -> Option<&NodeRoll> {
        let roll = self.open_observed()?.roll.as_ref()?;
        let find = |holds: &dyn Fn(&NodeRoll) -> bool| roll.nodes().find(|node| holds(node));
        let place = roll.worst().and_then(|worst| worst.place.as_ref());
        let chosen = self.node_cursor.as_ref();
        chosen
            .and_then(|uid| find(&|node| node.uid == *uid))
            .or_else(|| find(&|node| node.blocked))
            .or_else(|| {
                find(&|node| {
                    place.is_some_and(|(pool, zone)| node.pool == *pool && node.zone == *zone)
                })
            })
            .or_else(|| find(&|node| node.stage == NodeStage::Draining))
            .or_else(|| find(&|node| node.stage == NodeStage::Joining))
            .or_else(|| roll.nodes().next())
    }

    /// Whether the screen is a list of records.
    pub fn lists_records(&self) -> bool {
        matches!(self.screen, Screen::Activity(_) | Screen::Cluster { tab: Tab::Activity, .. })
    }

    /// Records of the activity on screen, newest first, each with its number.
    pub fn records(&self) -> Vec<(usize, &Record)> {
        let about = match &self.screen {
            Screen::Cluster { id, .. } => Some(id),
            Screen::Fleet | Screen::Activity(_) => None,
        };
        self.activity
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, record)| about.is_none() || record.cluster.as_ref() == about)
            .map(|(place, record)| (self.activity_dropped.saturating_add(place), record))
            .collect()
    }

    /// Place of the cursor among these records. Whoever stood on one that is gone stands on the one next to it.
    pub fn record_place(&self, records: &[(usize, &Record)]) -> usize {
        let Some(cursor) = self.record_cursor else { return 0 };
        let newer = records.partition_point(|(number, _)| *number > cursor);
        newer.min(records.len().saturating_sub(1))
    }

    /// The record under the cursor, where the screen is a list of records.
    pub fn record_at_cursor(&self) -> Option<&Record> {
        if !self.lists_records() {
            return None;
        }
        let records = self.records();
        records.get(self.record_place(&records)).map(|(_, record)| *record)
    }

    /// Place of the cursor among the shown rows.
    pub fn cursor_row(&self) -> Option<usize> {
        let cursor = self.cursor.as_ref()?;
        self.fleet.shown.iter().position(|id| id == cursor)
    }

    /// Whether something lies over the screen.
    pub fn is_covered(&self) -> bool {
        self.dialog.is_some() || self.help.is_some() || self.leaving.is_some()
    }

    /// Where a key is looked up now.
    pub fn context(&self) -> Context {
        if self.leaving.is_some() {
            return Context::Dialog;
        }
        if self.help.is_some() {
            return Context::Help;
        }
        match &self.dialog {
            Some(Dialog::Rotate(_) | Dialog::Confirm(_)) => Context::Dialog,
            Some(Dialog::Issue(_)) => Context::Form,
            Some(Dialog::Menu(_)) => Context::Menu,
            None if self.filtering.is_some() => Context::Filter,
            None => match self.screen {
                Screen::Fleet => Context::Fleet,
                Screen::Cluster { .. } => Context::Cluster,
                Screen::Activity(_) => Context::Activity,
            },
        }
    }

    /// Whether something was sent whose end is not known to have come.
    pub fn write_under_way(&self) -> bool {
        self.requests.has_kubeconfigs()
            || self.requests.has_actions()
            || self.pending.values().any(|pending| {
                matches!(pending.stage, PendingStage::Sending | PendingStage::ReadingBack { .. })
            })
    }

    /// The account's name for the journal.
    pub fn who(&self) -> String {
        self.identity.as_ref().map_or_else(|| "?".to_owned(), |identity| identity.who.clone())
    }

    /// Whether any scope answered well lately.
    pub fn is_live(&self) -> bool {
        self.signed_out.is_none()
            && self.fleet.failing().next().is_none()
            && self.fleet.scopes.values().any(|scope| matches!(scope.status, ScopeStatus::Live))
    }

    /// Columns that are switched on, in order, whatever the width.
    pub fn chosen_columns(&self) -> impl Iterator<Item = &'static crate::app::columns::Column> {
        COLUMNS.iter().filter(|column| {
            self.look.columns.is_empty()
                || matches!(column.id, "attention" | "name")
                || self.look.columns.iter().any(|id| id == column.id)
        })
    }

    /// Whether a reading is of the same cluster as the one seen before under its address.
    pub fn is_same(known: &Cluster, read: &Cluster) -> bool {
        match (known.created, read.created) {
            (Some(known), Some(read)) => known == read,
            _ => true,
        }
    }
}
