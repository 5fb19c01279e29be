//! The one table of the fleet's columns: titles, widths, minimum screen widths, cells and sort order.

use jiff::{SignedDuration, Timestamp};

use crate::app::cell::{Cell, Tone};
use crate::app::fleet::row::Row;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text;
use crate::app::rotation::step_text;
use crate::domain::age::{narrow, since};
use crate::domain::attention::{Attention, is_of_unknown_age, is_overdue};
use crate::domain::cluster::{ClusterState, KubernetesVersion, VersionInUse};
use crate::domain::credential::{HeldAccess, Verdict};
use crate::domain::due::due;
use crate::domain::roll::progress::RollProgress;
use crate::domain::rotation::Phase;
use crate::domain::table::TableValue;
use crate::domain::text::width;

/// A column of the fleet.
#[derive(Debug)]
pub struct Column {
    /// Id in the configuration and the column menu.
    pub id: &'static str,
    pub title: &'static str,
    /// Its key in the sort menu.
    pub key: char,
    /// Minimum and maximum width of the text.
    pub width: (u16, u16),
    pub right: bool,
    /// Minimum table width to show it.
    pub from: u16,
    /// Label in the sort menu.
    pub sort_label: &'static str,
    /// The cell of a row; the second argument is the width.
    pub cell: for<'a> fn(&Row<'a>, usize) -> Cell,
    /// The sort value of a row.
    pub sort: for<'a> fn(&Row<'a>) -> SortValue<'a>,
    /// Its columns in an exported table.
    pub exports: &'static [ExportedColumn],
}

/// A column of an exported table: key, title (empty if only for programs), value of a row.
pub type ExportedColumn = (&'static str, &'static str, for<'a> fn(&Row<'a>) -> TableValue);

/// By attention.
impl Default for &'static Column {
    fn default() -> Self {
        let [attention, ..] = &COLUMNS;
        attention
    }
}

impl PartialEq for Column {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

/// A sort value; smaller comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SortValue<'a> {
    /// Group and time: older first within a group.
    Ranked(Attention, Timestamp),
    Number(i64),
    /// A time; rows without one come last.
    Moment(Timestamp),
    Text(&'a str),
    Version(&'a KubernetesVersion),
}

/// The columns, in display order. The first two are always shown.
pub static COLUMNS: [Column; 12] = [
    Column {
        id: "attention",
        title: "",
        key: 'a',
        width: (1, 1),
        right: false,
        from: 0,
        sort_label: "attention: what needs you first",
        cell: |row, _| glyph(row),
        sort: urgency,
        exports: &[("attention", "ATTENTION", |row| attention_word(row.attention()).into())],
    },
    Column {
        id: "name",
        title: "NAME",
        key: 'n',
        width: (11, 16),
        right: false,
        from: 0,
        sort_label: "name",
        cell: |row, _| Cell::new(row.cluster().id.name.as_str(), Tone::Plain),
        // All equal, so that the natural name order decides.
        sort: |_| SortValue::Number(0),
        exports: &[("name", "NAME", |row| row.cluster().id.name.as_str().into())],
    },
    Column {
        id: "project",
        title: "PROJECT",
        key: 'p',
        width: (8, 20),
        right: false,
        from: 62,
        sort_label: "project",
        cell: |row, _| Cell::new(row.project(), Tone::Plain),
        sort: |row| SortValue::Text(row.project()),
        exports: &[
            ("project_id", "PROJECT ID", |row| row.cluster().id.project().as_str().into()),
            ("project", "PROJECT", |row| row.project().into()),
        ],
    },
    Column {
        id: "region",
        title: "REG",
        key: 'r',
        width: (4, 4),
        right: false,
        from: 68,
        sort_label: "region",
        cell: |row, _| Cell::new(row.cluster().id.region().as_str(), Tone::Plain),
        sort: |row| SortValue::Text(row.cluster().id.region().as_str()),
        exports: &[("region", "REGION", |row| row.cluster().id.region().as_str().into())],
    },
    Column {
        id: "phase",
        title: "PHASE",
        key: 'f',
        width: (10, 10),
        right: false,
        from: 38,
        sort_label: "phase",
        cell: |row, _| phase_cell(row),
        sort: |row| SortValue::Number(i64::from(row.cluster().rotation.phase.order())),
        exports: &[
            ("phase", "PHASE", |row| row.cluster().rotation.phase.api_word().into()),
            ("not_listed_since", "", |row| TableValue::moment(row.entry.not_listed_since)),
        ],
    },
    Column {
        id: "roll",
        title: "ROLL",
        key: 'o',
        width: (13, 22),
        right: false,
        from: 52,
        sort_label: "roll",
        cell: roll_cell,
        sort: nodes_left,
        exports: &[
            ("nodes_left", "NODES LEFT", |row| progress(row, |progress| progress.old)),
            ("nodes_to_replace", "OF NODES", |row| progress(row, |progress| progress.goal.nodes)),
        ],
    },
    Column {
        id: "since",
        title: "SINCE",
        key: 's',
        width: (6, 6),
        right: true,
        from: 34,
        sort_label: "since: longest in phase",
        cell: |row, _| since_cell(row),
        sort: |row| moment(row.cluster().rotation.since().or(row.cluster().created)),
        exports: &[
            ("last_started", "LAST STARTED", |row| {
                TableValue::moment(row.cluster().rotation.initiated)
            }),
            ("last_completed", "LAST COMPLETED", |row| {
                TableValue::moment(row.cluster().rotation.completed)
            }),
            ("created", "", |row| TableValue::moment(row.cluster().created)),
        ],
    },
    Column {
        id: "age",
        title: "CRED AGE",
        key: 'c',
        width: (8, 8),
        right: true,
        from: 112,
        sort_label: "credential age: oldest",
        cell: |row, _| age_cell(row),
        sort: |row| moment(row.cluster().credentials_born()),
        exports: &[("credentials_since", "CREDENTIALS SINCE", |row| {
            TableValue::moment(row.cluster().credentials_born())
        })],
    },
    Column {
        id: "kubeconfig",
        title: "MY ACCESS",
        key: 'm',
        width: (9, 9),
        right: true,
        from: 122,
        sort_label: "my access: ends soonest",
        cell: |row, _| access_cell(row),
        sort: |row| moment(best_access_ends(row)),
        exports: &[("kubeconfig_until", "MY ACCESS UNTIL", |row| {
            TableValue::moment(best_access_ends(row))
        })],
    },
    Column {
        id: "state",
        title: "STATE",
        key: 't',
        width: (11, 12),
        right: false,
        from: 134,
        sort_label: "state: worst",
        cell: |row, _| state_cell(row),
        sort: |row| SortValue::Number(i64::from(row.cluster().state.severity())),
        exports: &[("state", "STATE", |row| row.cluster().state.label().into())],
    },
    Column {
        id: "version",
        title: "K8S",
        key: 'v',
        width: (7, 8),
        right: false,
        from: 144,
        sort_label: "Kubernetes version: oldest",
        cell: |row, _| {
            let expiring = row.attention() == Attention::Expiring;
            let tone = if expiring { Tone::Warn } else { Tone::Dim };
            Cell::new(row.cluster().version.as_str(), tone)
        },
        sort: |row| SortValue::Version(&row.cluster().version),
        exports: &[
            ("kubernetes", "KUBERNETES", |row| row.cluster().version.as_str().into()),
            ("kubernetes_expires", "", |row| TableValue::moment(row.cluster().version_expires)),
            ("node_pool_kubernetes", "", |row| TableValue::text(pool_versions(row))),
            ("node_pool_kubernetes_expires", "", |row| {
                let of_pools = row.cluster().versions().skip(1);
                TableValue::moment(of_pools.filter_map(|version| version.expires).min())
            }),
        ],
    },
    Column {
        id: "next",
        title: "NEXT STEP",
        key: 'x',
        width: (14, 30),
        right: false,
        from: 96,
        sort_label: "next step",
        cell: |row, _| next_cell(row),
        sort: urgency,
        exports: &[("next_step", "NEXT STEP", |row| next_cell(row).text.into())],
    },
];

/// The valid values of `display.sort`.
pub const COLUMN_IDS: [&str; COLUMNS.len()] = {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = &COLUMNS;
    [a.id, b.id, c.id, d.id, e.id, f.id, g.id, h.id, i.id, j.id, k.id, l.id]
};

impl Column {
    /// The column with this id.
    pub fn from_id(id: &str) -> Option<&'static Self> {
        COLUMNS.iter().find(|column| column.id == id)
    }

    /// Whether the column is always shown.
    pub fn is_fixed(&self) -> bool {
        matches!(self.id, "attention" | "name")
    }
}

/// A stable word for programs.
fn attention_word(attention: Attention) -> &'static str {
    match attention {
        Attention::Stuck => "stuck",
        Attention::ReportedError => "reported_error",
        Attention::Prepared => "prepared",
        Attention::Running => "running",
        Attention::Overdue => "overdue",
        Attention::Expiring => "kubernetes_version_expires",
        Attention::Settled => "settled",
    }
}

/// Node pools with a Kubernetes version of their own ("gpu 1.31.9, web 1.32.1").
fn pool_versions(row: &Row<'_>) -> Option<String> {
    let of_pools = row.cluster().versions();
    let one = |one: VersionInUse<'_>| Some(format!("{} {}", one.pool?, one.version.as_str()));
    let all: Vec<String> = of_pools.filter_map(one).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// A figure of the roll, if observed.
fn progress(row: &Row<'_>, figure: fn(RollProgress) -> usize) -> TableValue {
    let seen = row.observed().and_then(ObservedCluster::progress);
    seen.map_or_else(TableValue::none, |seen| figure(seen).into())
}

fn best_access_ends(row: &Row<'_>) -> Option<Timestamp> {
    HeldAccess::of(&row.source.known_credentials(row.cluster())).certain()?.expires
}

fn moment(at: Option<Timestamp>) -> SortValue<'static> {
    SortValue::Moment(at.unwrap_or(Timestamp::MAX))
}

/// The most urgent first.
fn urgency(row: &Row<'_>) -> SortValue<'static> {
    let cluster = row.cluster();
    let group = row.attention();
    let at = match group {
        Attention::Prepared | Attention::Running | Attention::Stuck => cluster.rotation.since(),
        Attention::Overdue => cluster.credentials_born(),
        Attention::Expiring => cluster.first_version_expires(),
        Attention::ReportedError | Attention::Settled => None,
    };
    SortValue::Ranked(group, at.unwrap_or(Timestamp::MAX))
}

/// Most remaining nodes first: as observed, or estimated from pool sizes.
fn nodes_left(row: &Row<'_>) -> SortValue<'static> {
    SortValue::Number(match row.cluster().rotation.phase {
        Phase::Preparing => {
            let seen = row.source.nodes.remaining(&row.cluster().id);
            let seen = seen.and_then(|left| i64::try_from(left).ok());
            -seen.unwrap_or_else(|| i64::from(row.cluster().node_bounds().1))
        }
        Phase::Prepared => 1,
        Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => 2,
    })
}

/// Glyph of a cluster for which SKE reports an error; `!` is the count of what is due.
pub const ERROR_GLYPH: &str = "▲";

/// Glyph of a cluster: its phase, unless something else is more important.
pub fn glyph(row: &Row<'_>) -> Cell {
    let cluster = row.cluster();
    if row.entry.not_listed_since.is_some() {
        return Cell::new("∅", Tone::Dim);
    }
    if row.is_stuck() {
        return Cell::new("✗", Tone::Bad);
    }
    if row.source.fleet.is_stale(&cluster.id) {
        return Cell::new("~", Tone::Dim);
    }
    if matches!(cluster.state, ClusterState::Hibernated | ClusterState::Hibernating) {
        return Cell::new("○", Tone::Dim);
    }
    // The glyph of an idle phase would suggest that all is well.
    let rests = matches!(cluster.rotation.phase, Phase::Never | Phase::Completed);
    if rests && row.attention() == Attention::ReportedError {
        let unhealthy = cluster.state == ClusterState::Unhealthy;
        return Cell::new(ERROR_GLYPH, if unhealthy { Tone::Bad } else { Tone::Warn });
    }
    phase_glyph(&cluster.rotation.phase)
}

/// Glyph of a phase.
pub fn phase_glyph(phase: &Phase) -> Cell {
    match phase {
        Phase::Never => Cell::new("◌", Tone::Dim),
        Phase::Preparing => Cell::new("◔", Tone::Busy),
        Phase::Prepared => Cell::new("◑", Tone::Attention),
        Phase::Completing => Cell::new("◕", Tone::Busy),
        Phase::Completed => Cell::new("●", Tone::Good),
        Phase::Unknown(_) => Cell::new("?", Tone::Warn),
    }
}

/// The phase, or the status of a sent step.
pub fn phase_cell(row: &Row<'_>) -> Cell {
    let phase = &row.cluster().rotation.phase;
    if row.entry.not_listed_since.is_some() {
        return Cell::new("not listed", Tone::Dim);
    }
    if let Some(pending) = row.pending() {
        return Cell::new(pending.label(), Tone::Busy);
    }
    let tone = match phase {
        Phase::Never | Phase::Completed => Tone::Dim,
        Phase::Preparing | Phase::Completing => Tone::Busy,
        Phase::Prepared => Tone::Attention,
        Phase::Unknown(_) => Tone::Warn,
    };
    Cell::new(phase.label(), tone)
}

fn since_cell(row: &Row<'_>) -> Cell {
    let rotation = &row.cluster().rotation;
    let (at, tone) = match (rotation.since(), &rotation.phase) {
        (Some(at), Phase::Prepared) => (Some(at), Tone::Attention),
        (Some(at), Phase::Completed) => (Some(at), Tone::Dim),
        (Some(at), _) => (Some(at), Tone::Plain),
        (None, Phase::Never) => (row.cluster().created, Tone::Dim),
        (None, _) => (None, Tone::Dim),
    };
    at.map_or_else(Cell::dash, |at| Cell::new(narrow(since(at, row.now())), tone))
}

fn age_cell(row: &Row<'_>) -> Cell {
    let overdue_after = row.overdue_after();
    row.cluster().credentials_born().map_or_else(Cell::dash, |born| {
        let overdue = is_overdue(row.cluster(), row.now(), overdue_after);
        let tone = if overdue { Tone::Warn } else { Tone::Dim };
        Cell::new(narrow(since(born, row.now())), tone)
    })
}

/// "overdue", or "age unknown", if that is the most important fact about the cluster.
pub fn overdue(row: &Row<'_>) -> Option<Cell> {
    let is_unknown = is_of_unknown_age(row.cluster());
    let text = if is_unknown { step_text::AGE_UNKNOWN } else { step_text::OVERDUE };
    (row.attention() == Attention::Overdue).then(|| Cell::new(text, Tone::Warn))
}

/// Tone of a state reported by SKE.
pub fn state_tone(state: &ClusterState) -> Tone {
    match state {
        ClusterState::Unhealthy => Tone::Bad,
        ClusterState::Unknown(_) | ClusterState::NotRead => Tone::Warn,
        ClusterState::Creating
        | ClusterState::Deleting
        | ClusterState::Reconciling
        | ClusterState::WakingUp
        | ClusterState::Hibernating => Tone::Busy,
        ClusterState::Hibernated | ClusterState::Healthy => Tone::Dim,
    }
}

fn state_cell(row: &Row<'_>) -> Cell {
    let state = &row.cluster().state;
    Cell::new(state.label(), state_tone(state))
}

fn next_cell(row: &Row<'_>) -> Cell {
    if row.is_blocked() {
        return Cell::new(step_text::INSPECT_BLOCKER, Tone::Bad);
    }
    let Some(step) = row.next_step() else {
        let known = row.source.known_credentials(row.cluster());
        let due = due(row.cluster(), &known, row.due_limits(), row.now());
        let text = due.iter().find_map(step_text::expiring);
        return Cell::new(text.unwrap_or_default(), Tone::Warn);
    };
    let text = time_left(row).map_or_else(|| step_text::next_step(&step), step_text::wait_for);
    let tone = match row.attention() {
        Attention::Stuck => Tone::Bad,
        Attention::Prepared => Tone::Attention,
        Attention::ReportedError | Attention::Overdue => Tone::Warn,
        Attention::Running | Attention::Expiring | Attention::Settled => Tone::Plain,
    };
    Cell::new(text, tone)
}

/// Remaining lifetime of the best kubeconfig; "?" if unknown for all.
fn access_cell(row: &Row<'_>) -> Cell {
    let known = row.source.known_credentials(row.cluster());
    let best = match HeldAccess::of(&known) {
        HeldAccess::Certain(best) => best,
        HeldAccess::Unclear(_) => return Cell::new("?", Tone::Warn),
        HeldAccess::None => return Cell::dash(),
    };
    let Some(expires) = best.expires else { return Cell::new(best.kind.label(), Tone::Plain) };
    let left = since(row.now(), expires);
    let ends_soon = left < SignedDuration::from_mins(30);
    let warns = ends_soon || best.verdict == Verdict::BreaksOnComplete;
    Cell::new(narrow(left), if warns { Tone::Warn } else { Tone::Plain })
}

/// "40–60m", while node replacement is observed live.
fn time_left(row: &Row<'_>) -> Option<String> {
    let observed = row.observed().filter(|observed| observed.live)?;
    let rolls = row.cluster().rotation.phase == Phase::Preparing && !row.is_stuck();
    text::time_left(observed.roll.as_ref().filter(|_| rolls)?.estimate)
}

/// Progress of the roll: a bar, counts and, if it fits, time left; or why there is none.
fn roll_cell(row: &Row<'_>, room: usize) -> Cell {
    let observed = row.observed();
    let progress = observed.and_then(ObservedCluster::progress);
    match row.cluster().rotation.phase {
        Phase::Preparing => {
            let Some(observed) = observed else {
                return Cell::new(text::SHORT_NOT_OBSERVED, Tone::Dim);
            };
            let Some(progress) = progress else {
                let why = observed.trouble.as_ref().map(|(why, _)| text::unavailable_narrow(why));
                let is_blind = observed.roll.as_ref().is_some_and(|roll| !roll.sees_nodes());
                let other = if is_blind { text::SHORT_NOT_VISIBLE } else { text::SHORT_CONNECTING };
                return Cell::new(why.unwrap_or(other), Tone::Dim);
            };
            let tone = roll_tone(row, observed);
            let text = format!("{} {}", bar(progress, 5), text::progress_narrow(progress));
            let left = if row.is_blocked() { Some("✗".to_owned()) } else { time_left(row) };
            let whole =
                left.map(|left| format!("{text} {left}")).filter(|whole| width(whole) <= room);
            Cell::new(whole.unwrap_or(text), tone)
        }
        Phase::Prepared => {
            let text = progress.map_or_else(|| "done".to_owned(), text::progress_narrow);
            Cell::new(text, Tone::Dim)
        }
        Phase::Never | Phase::Completing | Phase::Completed | Phase::Unknown(_) => Cell::dash(),
    }
}

fn roll_tone(row: &Row<'_>, observed: &ObservedCluster) -> Tone {
    match (row.is_blocked(), observed.live) {
        (_, false) => Tone::Dim,
        (true, true) => Tone::Bad,
        (false, true) => Tone::Busy,
    }
}

/// "9/15", while node replacement is observed: combines roll and phase.
pub fn new_nodes(row: &Row<'_>) -> Option<Cell> {
    if row.cluster().rotation.phase != Phase::Preparing || row.entry.not_listed_since.is_some() {
        return None;
    }
    let observed = row.observed()?;
    let text = text::progress_narrow(observed.progress()?);
    Some(Cell::new(text, roll_tone(row, observed)))
}

/// A bar of `cells` cells. Full only if done, empty only if nothing is replaced.
pub fn bar(progress: RollProgress, cells: usize) -> String {
    let whole = u32::try_from(cells).unwrap_or(0);
    let part = progress.fraction() * f64::from(whole);
    let least = usize::from(progress.replaced() > 0);
    let most = if progress.done { cells } else { cells.saturating_sub(1) };
    let filled = (0..cells)
        .filter(|cell| f64::from(u32::try_from(*cell).unwrap_or(0)) + 0.5 <= part)
        .count()
        .clamp(least.min(most), most);
    format!("{}{}", "▰".repeat(filled), "▱".repeat(cells - filled))
}

#[cfg(test)]
mod tests {
    use crate::app::fleet::columns::Column;

    #[test]
    fn name_and_phase_fit_the_narrowest_screens() {
        let from = |id| Column::from_id(id).unwrap().from;
        assert_eq!(from("name"), 0);
        assert!(from("phase") <= 40);
    }
}
