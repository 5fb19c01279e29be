//! The one table of the fleet's columns: titles, widths, from which screen width on, cells and sort keys.

use std::cmp::Ordering;

use jiff::{SignedDuration, Timestamp};

use crate::app::fleet::{Entry, Fleet};
use crate::app::observation::ObservedCluster;
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::domain::age::{narrow, since};
use crate::domain::attention::{Attention, LOOK_AT_BLOCKER, is_overdue, next_step};
use crate::domain::cluster::{Cluster, ClusterId, ClusterState, KubernetesVersion};
use crate::domain::credential::{Credentials, Verdict};
use crate::domain::roll::progress::Figure;
use crate::domain::roll::{Roll, format};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;
use crate::domain::text::width;

/// What a piece of text means; the theme turns it into colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tone {
    /// Usual.
    Plain,
    /// Less important.
    Dim,
    /// The platform is working.
    Busy,
    /// Somebody must act.
    Attention,
    /// Wrong.
    Bad,
    /// Right.
    Good,
    /// Odd.
    Warn,
}

/// One cell: text without padding, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub text: String,
    /// Meaning.
    pub tone: Tone,
}

impl Cell {
    fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    fn dash() -> Self {
        Self::new("—", Tone::Dim)
    }
}

/// Column of the fleet.
#[derive(Debug)]
pub struct Column {
    /// Id in the configuration and the column menu.
    pub id: &'static str,
    pub title: &'static str,
    /// Fewest and most columns of text.
    pub width: (u16, u16),
    /// Whether numbers stand at the right.
    pub right: bool,
    /// Width of the table from which on it is shown.
    pub from: u16,
    /// What sorting by it means.
    pub sort: SortKey,
    /// Words for the sort menu.
    pub sort_label: &'static str,
}

/// What the fleet can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortKey {
    /// What needs a person first.
    Attention,
    Name,
    Phase,
    /// Whether nodes roll.
    Roll,
    /// Longest in phase first.
    Since,
    Project,
    Region,
    /// Urgency of the next step.
    Next,
    /// Oldest credentials first.
    Age,
    /// Soonest end of own access first.
    Access,
    /// Worst state first.
    State,
    /// Oldest version first.
    Version,
}

/// The columns, in the order of the screen.
pub const COLUMNS: &[Column] = &[
    Column {
        id: "attention",
        title: "",
        width: (1, 1),
        right: false,
        from: 0,
        sort: SortKey::Attention,
        sort_label: "attention: what needs you first",
    },
    Column {
        id: "name",
        title: "NAME",
        width: (11, 16),
        right: false,
        from: 0,
        sort: SortKey::Name,
        sort_label: "name",
    },
    Column {
        id: "project",
        title: "PROJECT",
        width: (8, 20),
        right: false,
        from: 62,
        sort: SortKey::Project,
        sort_label: "project",
    },
    Column {
        id: "region",
        title: "REG",
        width: (4, 4),
        right: false,
        from: 68,
        sort: SortKey::Region,
        sort_label: "region",
    },
    Column {
        id: "phase",
        title: "PHASE",
        width: (10, 10),
        right: false,
        from: 38,
        sort: SortKey::Phase,
        sort_label: "phase",
    },
    Column {
        id: "roll",
        title: "ROLL",
        width: (13, 22),
        right: false,
        from: 52,
        sort: SortKey::Roll,
        sort_label: "roll",
    },
    Column {
        id: "since",
        title: "SINCE",
        width: (6, 6),
        right: true,
        from: 34,
        sort: SortKey::Since,
        sort_label: "since: longest in phase",
    },
    Column {
        id: "age",
        title: "CRED AGE",
        width: (8, 8),
        right: true,
        from: 112,
        sort: SortKey::Age,
        sort_label: "credential age: oldest",
    },
    Column {
        id: "kubeconfig",
        title: "MY ACCESS",
        width: (9, 9),
        right: true,
        from: 122,
        sort: SortKey::Access,
        sort_label: "my access: ends soonest",
    },
    Column {
        id: "state",
        title: "STATE",
        width: (11, 12),
        right: false,
        from: 134,
        sort: SortKey::State,
        sort_label: "state: worst",
    },
    Column {
        id: "version",
        title: "K8S",
        width: (7, 8),
        right: false,
        from: 144,
        sort: SortKey::Version,
        sort_label: "Kubernetes version: oldest",
    },
    Column {
        id: "next",
        title: "NEXT STEP",
        width: (14, 30),
        right: false,
        from: 96,
        sort: SortKey::Next,
        sort_label: "next step",
    },
];

impl SortKey {
    /// Reads the id of a column.
    pub fn from_id(id: &str) -> Option<Self> {
        COLUMNS.iter().find(|column| column.id == id).map(|column| column.sort)
    }

    /// The id of its column.
    pub fn id(self) -> &'static str {
        COLUMNS.iter().find(|column| column.sort == self).map_or("attention", |column| column.id)
    }
}

/// Glyph of a cluster: its phase, or the overlay that matters more.
pub fn glyph(entry: &Entry, state: &State) -> Cell {
    let cluster = &entry.cluster;
    let ascii = state.settings.ascii;
    let pick = |fine, plain| if ascii { plain } else { fine };
    if entry.gone.is_some() {
        return Cell::new(pick("∅", "-"), Tone::Dim);
    }
    if entry.is_stuck(state.now.wall) {
        return Cell::new(pick("✗", "x"), Tone::Bad);
    }
    if state.fleet.is_stale(&cluster.id) {
        return Cell::new("~", Tone::Dim);
    }
    if matches!(cluster.state, ClusterState::Hibernated | ClusterState::Hibernating) {
        return Cell::new(pick("○", "o"), Tone::Dim);
    }
    phase_glyph(&cluster.rotation.phase, ascii)
}

/// Glyph of a phase.
pub fn phase_glyph(phase: &Phase, ascii: bool) -> Cell {
    let pick = |fine, plain| if ascii { plain } else { fine };
    match phase {
        Phase::Never => Cell::new(pick("◌", "."), Tone::Dim),
        Phase::Preparing => Cell::new(pick("◔", "/"), Tone::Busy),
        Phase::Prepared => Cell::new(pick("◑", "P"), Tone::Attention),
        Phase::Completing => Cell::new(pick("◕", "\\"), Tone::Busy),
        Phase::Completed => Cell::new(pick("●", "*"), Tone::Good),
        Phase::Unknown(_) => Cell::new("?", Tone::Warn),
    }
}

/// The cell of a column for one cluster, where there is room for so many columns of text.
pub fn cell(column: &Column, entry: &Entry, state: &State, room: usize) -> Cell {
    let cluster = &entry.cluster;
    let now = state.now.wall;
    let overdue_after = state.settings.overdue_after;
    match column.sort {
        SortKey::Attention => glyph(entry, state),
        SortKey::Name => Cell::new(cluster.id.name.as_str(), Tone::Plain),
        SortKey::Project => Cell::new(state.fleet.project_name(cluster.id.project()), Tone::Plain),
        SortKey::Region => Cell::new(cluster.id.region().as_str(), Tone::Plain),
        SortKey::Phase => phase_cell(entry, state),
        SortKey::Roll => roll_cell(entry, state, room),
        SortKey::Since => match (cluster.rotation.since(), &cluster.rotation.phase) {
            (Some(at), Phase::Prepared) => Cell::new(narrow(since(at, now)), Tone::Attention),
            (Some(at), Phase::Completed) => Cell::new(narrow(since(at, now)), Tone::Dim),
            (Some(at), _) => Cell::new(narrow(since(at, now)), Tone::Plain),
            (None, _) => cluster
                .created
                .map_or_else(Cell::dash, |at| Cell::new(narrow(since(at, now)), Tone::Dim)),
        },
        SortKey::Age => cluster.credentials_born().map_or_else(Cell::dash, |born| {
            let tone = if is_overdue(cluster, now, overdue_after) { Tone::Warn } else { Tone::Dim };
            Cell::new(narrow(since(born, now)), tone)
        }),
        SortKey::Access => access_cell(&state.fleet.credentials, cluster, state.server_now()),
        SortKey::State => {
            let tone = match cluster.state {
                ClusterState::Unhealthy => Tone::Bad,
                ClusterState::Unknown(_) => Tone::Warn,
                ClusterState::Creating
                | ClusterState::Deleting
                | ClusterState::Reconciling
                | ClusterState::WakingUp
                | ClusterState::Hibernating => Tone::Busy,
                ClusterState::Hibernated | ClusterState::Healthy => Tone::Dim,
            };
            Cell::new(cluster.state.word(), tone)
        }
        SortKey::Version => {
            let expiring = entry.attention(now, overdue_after) == Attention::Expiring;
            let tone = if expiring { Tone::Warn } else { Tone::Dim };
            Cell::new(cluster.version.as_str(), tone)
        }
        SortKey::Next if entry.held => Cell::new(LOOK_AT_BLOCKER, Tone::Bad),
        SortKey::Next => next_step(cluster, now, overdue_after).map_or_else(
            || Cell::new("", Tone::Dim),
            |text| {
                let text =
                    time_left(entry, state).map_or(text, |left| format!("wait, {left} left"));
                let tone = match entry.attention(now, overdue_after) {
                    Attention::Stuck => Tone::Bad,
                    Attention::Prepared => Tone::Attention,
                    Attention::ReportedError | Attention::Overdue => Tone::Warn,
                    Attention::Running | Attention::Expiring | Attention::Settled => Tone::Plain,
                };
                Cell::new(text, tone)
            },
        ),
    }
}

/// How long the best kubeconfig still works; "?" where only some are known of which that cannot be told.
fn access_cell(credentials: &Credentials, cluster: &Cluster, now: Timestamp) -> Cell {
    let Some((access, verdict)) = credentials.best(cluster, now) else {
        let judged = credentials.judged(cluster, now);
        let unclear = judged.iter().any(|(_, verdict)| *verdict == Verdict::CannotTell);
        return if unclear { Cell::new("?", Tone::Warn) } else { Cell::dash() };
    };
    let Some(expires) = access.expires else {
        return Cell::new(access.kind.word(), Tone::Plain);
    };
    let left = since(now, expires);
    let ends_soon = left < SignedDuration::from_mins(30);
    let warns = ends_soon || verdict == Verdict::BreaksOnComplete;
    Cell::new(narrow(left), if warns { Tone::Warn } else { Tone::Plain })
}

/// "40–60m", while nodes are replaced and are seen.
fn time_left(entry: &Entry, state: &State) -> Option<String> {
    let observed = state.observed.get(&entry.cluster.id).filter(|observed| observed.live)?;
    let rolls = entry.cluster.rotation.phase == Phase::Preparing && !entry.is_stuck(state.now.wall);
    format::left(observed.roll.as_ref().filter(|_| rolls)?.outlook)
}

/// How far the roll is: a bar, the figure and, with room for it, how long it still takes; or why none can be told.
fn roll_cell(entry: &Entry, state: &State, room: usize) -> Cell {
    let observed = state.observed.get(&entry.cluster.id);
    let roll = observed.and_then(|observed| observed.roll.as_ref());
    match entry.cluster.rotation.phase {
        Phase::Preparing => {
            let Some(observed) = observed else { return Cell::new("not watched", Tone::Dim) };
            let Some(figure) = roll.and_then(Roll::figure) else {
                let text = observed.trouble.as_ref().map_or("looking", |(t, _)| trouble_word(t));
                return Cell::new(text, Tone::Dim);
            };
            let tone = roll_tone(entry, observed);
            let text = format!("{} {}", bar(figure, 5), format::figure_narrow(figure));
            let left = if entry.held { Some("✗".to_owned()) } else { time_left(entry, state) };
            let whole =
                left.map(|left| format!("{text} {left}")).filter(|whole| width(whole) <= room);
            Cell::new(whole.unwrap_or(text), tone)
        }
        Phase::Prepared => match roll.and_then(Roll::figure) {
            Some(figure) => Cell::new(format::figure_narrow(figure), Tone::Dim),
            None => Cell::new("done", Tone::Dim),
        },
        Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => Cell::dash(),
    }
}

fn roll_tone(entry: &Entry, observed: &ObservedCluster) -> Tone {
    match (entry.held, observed.live) {
        (_, false) => Tone::Dim,
        (true, true) => Tone::Bad,
        (false, true) => Tone::Busy,
    }
}

/// "9/15 new", while nodes are replaced and can be seen: what the roll and the phase say in one.
pub fn new_nodes(entry: &Entry, state: &State) -> Option<Cell> {
    if entry.cluster.rotation.phase != Phase::Preparing || entry.gone.is_some() {
        return None;
    }
    let observed = state.observed.get(&entry.cluster.id)?;
    let figure = observed.roll.as_ref()?.figure()?;
    let text = format!("{} new", format::figure_narrow(figure));
    Some(Cell::new(text, roll_tone(entry, observed)))
}

/// A bar of so many cells. Full only when it is done, empty only when nothing is new.
pub fn bar(figure: Figure, cells: usize) -> String {
    let whole = u32::try_from(cells).unwrap_or(0);
    let part = figure.fraction() * f64::from(whole);
    let least = usize::from(figure.new > 0);
    let most = if figure.done { cells } else { cells.saturating_sub(1) };
    let filled = (0..cells)
        .filter(|cell| f64::from(u32::try_from(*cell).unwrap_or(0)) + 0.5 <= part)
        .count()
        .clamp(least.min(most), most);
    format!("{}{}", "▰".repeat(filled), "▱".repeat(cells - filled))
}

/// Why a cluster's own API shows nothing, in a word or two.
pub fn trouble_word(trouble: &Unavailable) -> &'static str {
    match trouble {
        Unavailable::Connecting => "looking",
        Unavailable::NotAcceptedYet { .. } => "login waits",
        Unavailable::CredentialsRefused(_) => "login refused",
        Unavailable::NoAccess(_) | Unavailable::KubeconfigRefused(_) => "no access",
        Unavailable::Unreachable(_) => "unreachable",
        Unavailable::Hibernated => "asleep",
        Unavailable::OneWay => "not asked",
    }
}

fn phase_cell(entry: &Entry, state: &State) -> Cell {
    let cluster = &entry.cluster;
    if entry.gone.is_some() {
        return Cell::new("not listed", Tone::Dim);
    }
    if let Some(pending) = state.pending.get(&cluster.id) {
        return Cell::new(pending.word(), Tone::Busy);
    }
    let tone = match cluster.rotation.phase {
        Phase::Never | Phase::Completed => Tone::Dim,
        Phase::Preparing | Phase::Completing => Tone::Busy,
        Phase::Prepared => Tone::Attention,
        Phase::Unknown(_) => Tone::Warn,
    };
    Cell::new(cluster.rotation.phase.word(), tone)
}

/// A value to sort by; smaller comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue<'a> {
    /// Group and moment: older first within a group.
    Ranked(Attention, Timestamp),
    Number(i64),
    /// A moment; those without one come last.
    Moment(Timestamp),
    Text(&'a str),
    Version(&'a KubernetesVersion),
}

/// The value of a cluster under a sort key.
pub fn sort_value<'a>(
    key: SortKey,
    entry: &'a Entry,
    fleet: &'a Fleet,
    now: Timestamp,
    settings: &Settings,
) -> SortValue<'a> {
    let cluster = &entry.cluster;
    let moment = |at: Option<Timestamp>| SortValue::Moment(at.unwrap_or(Timestamp::MAX));
    match key {
        SortKey::Attention | SortKey::Next => {
            let group = entry.attention(now, settings.overdue_after);
            let at = match group {
                Attention::Prepared | Attention::Running | Attention::Stuck => {
                    cluster.rotation.since()
                }
                Attention::Overdue => cluster.credentials_born(),
                Attention::Expiring => cluster.version_expires,
                Attention::ReportedError | Attention::Settled => None,
            };
            SortValue::Ranked(group, at.unwrap_or(Timestamp::MAX))
        }
        SortKey::Name => SortValue::Number(0),
        SortKey::Phase => SortValue::Number(i64::from(cluster.rotation.phase.order())),
        // Most nodes left first, as they are seen; else as far as pools tell.
        SortKey::Roll => SortValue::Number(match cluster.rotation.phase {
            Phase::Preparing => {
                let seen = entry.remaining.and_then(|left| i64::try_from(left).ok());
                -seen.unwrap_or_else(|| i64::from(cluster.node_bounds().1))
            }
            Phase::Prepared => 1,
            Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => 2,
        }),
        SortKey::Since => moment(cluster.rotation.since().or(cluster.created)),
        SortKey::Project => SortValue::Text(fleet.project_name(cluster.id.project())),
        SortKey::Region => SortValue::Text(cluster.id.region().as_str()),
        SortKey::Age => moment(cluster.credentials_born()),
        SortKey::Access => moment(
            fleet
                .credentials
                .best(cluster, fleet.server_now(now))
                .and_then(|(access, _)| access.expires),
        ),
        SortKey::State => SortValue::Number(i64::from(cluster.state.severity())),
        SortKey::Version => SortValue::Version(&cluster.version),
    }
}

/// Orders names so that `web-2` comes before `web-10`, then by project and region.
pub fn compare_names(left: &ClusterId, right: &ClusterId) -> Ordering {
    natural(left.name.as_str(), right.name.as_str()).then_with(|| left.cmp(right))
}

/// Bytes are compared as they are, runs of digits by their value; equal values in unlike writing by the text.
fn natural(left: &str, right: &str) -> Ordering {
    let (mut a, mut b) = (left.as_bytes(), right.as_bytes());
    loop {
        let same = a.iter().zip(b).take_while(|(x, y)| x == y).count();
        let number_before =
            a.iter().take(same).rev().take_while(|byte| byte.is_ascii_digit()).count();
        (a, b) = (rest(a, same - number_before), rest(b, same - number_before));
        let (digits_a, digits_b) = (digits(a), digits(b));
        if digits_a.is_empty() || digits_b.is_empty() {
            return a.cmp(b).then_with(|| left.cmp(right));
        }
        let order = by_value(digits_a, digits_b);
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (rest(a, digits_a.len()), rest(b, digits_b.len()));
    }
}

fn rest(text: &[u8], from: usize) -> &[u8] {
    text.get(from..).unwrap_or_default()
}

fn digits(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.get(..count).unwrap_or_default()
}

fn by_value(a: &[u8], b: &[u8]) -> Ordering {
    let zeros = |text: &[u8]| text.iter().take_while(|byte| **byte == b'0').count();
    let (a, b) = (rest(a, zeros(a)), rest(b, zeros(b)));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use crate::app::columns::{COLUMNS, natural};

    #[test]
    fn numbers_in_names_sort_by_value() {
        assert_eq!(natural("web-2", "web-10"), Ordering::Less);
        assert_eq!(natural("web-2", "web-2"), Ordering::Equal);
        assert_eq!(natural("a", "b1"), Ordering::Less);
        assert_eq!(natural("batch-09", "batch-10"), Ordering::Less);
    }

    proptest::proptest! {
        #[test]
        fn names_have_one_order(a in "[a01-]{0,6}", b in "[a01-]{0,6}", c in "[a01-]{0,6}") {
            proptest::prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            proptest::prop_assert_eq!(natural(&a, &b) == Ordering::Equal, a == b);
            if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
                proptest::prop_assert_ne!(natural(&a, &c), Ordering::Greater);
            }
        }
    }

    #[test]
    fn name_and_phase_fit_the_narrowest_screens() {
        let from = |id| COLUMNS.iter().find(|column| column.id == id).unwrap().from;
        assert_eq!(from("name"), 0);
        assert!(from("phase") <= 40);
    }
}
