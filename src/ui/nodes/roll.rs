//! A roll as lines: the bar, the legend, pools and zones with a glyph per node, and the start steps before them.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::bar;
use crate::app::nodes::text;
use crate::domain::cluster::Cluster;
use crate::domain::roll::Roll;
use crate::domain::roll::classify::{NodeRoll, NodeStage};
use crate::domain::roll::durations::RollEstimate;
use crate::domain::roll::limits::Limits;
use crate::domain::roll::pace::RollPace;
use crate::domain::roll::progress::{NodeCounts, PoolRoll, PoolState, ZoneRoll};
use crate::domain::roll::start_steps::{StartStep, StepState};
use crate::domain::text::{clean, cut_middle, plural, width};
use crate::ui::line_context::LineContext;
use crate::ui::rotation::stepper;
use crate::ui::text::{as_fits, blanks, cut_spans, pad_end, spans_width, spread};
use crate::ui::theme::{Role, Theme};

/// Maximum intervals of the pace, and the width of its text.
const PACE_MOST: usize = 40;
const PACE_WORDS: usize = 34;

/// Lines, and the index of the one that has to be visible.
pub struct Grid<'a> {
    pub lines: Vec<Line<'static>>,
    /// The line of the node under the cursor.
    pub cursor: usize,
    chosen: Option<&'a str>,
    /// No roll is under way.
    idle: bool,
    theme: Theme,
}

impl<'a> Grid<'a> {
    fn new(roll: &Roll, chosen: Option<&'a str>, theme: Theme) -> Self {
        Self { lines: Vec::new(), cursor: 0, chosen, idle: roll.idle, theme }
    }

    /// One sign per node of the next line, each after a blank; the node under the cursor is in brackets.
    fn signs(&mut self, nodes: &[NodeRoll]) -> Vec<Span<'static>> {
        let bracket = |text| self.theme.part(text, Role::Accent);
        let mut spans = Vec::new();
        let mut after_chosen = false;
        for node in nodes {
            let is_chosen = self.chosen == Some(node.uid.as_str());
            spans.push(match (is_chosen, after_chosen) {
                (true, _) => bracket("["),
                (false, true) => bracket("]"),
                (false, false) => Span::raw(" "),
            });
            let (sign, tone) = sign(node, self.idle);
            spans.push(self.theme.span(sign, tone));
            after_chosen = is_chosen;
            if is_chosen {
                self.cursor = self.lines.len();
            }
        }
        spans.extend(after_chosen.then(|| bracket("]")));
        spans
    }
}

/// The sign of a node; without a roll, no node is shown as new.
pub fn sign(node: &NodeRoll, idle: bool) -> (&'static str, Tone) {
    sign_of(node.stage, node.blocked, idle)
}

fn sign_of(stage: NodeStage, is_blocked: bool, idle: bool) -> (&'static str, Tone) {
    match stage {
        NodeStage::New if idle => ("■", Tone::Plain),
        NodeStage::Draining if is_blocked => ("✗", Tone::Bad),
        NodeStage::Draining => ("▢", Tone::Busy),
        NodeStage::New => ("■", Tone::Good),
        NodeStage::Leaving => ("▤", Tone::Warn),
        NodeStage::Joining => ("▣", Tone::Busy),
        NodeStage::Cordoned => ("▥", Tone::Warn),
        NodeStage::Old => ("□", Tone::Dim),
        NodeStage::Preserved => ("◆", Tone::Dim),
    }
}

/// The meaning and count of every sign that occurs, on as many lines as they need.
pub fn legend(counts: NodeCounts, idle: bool, cx: LineContext<'_>) -> Vec<Vec<Span<'static>>> {
    let draining = counts.draining.saturating_sub(counts.blocked);
    let new = if idle { text::STAGE_READY } else { text::STAGE_NEW };
    let parts = [
        (NodeStage::New, false, counts.new, new),
        (NodeStage::Joining, false, counts.joining, text::STAGE_JOINING),
        (NodeStage::Draining, false, draining, text::STAGE_DRAINING),
        (NodeStage::Draining, true, counts.blocked, text::STAGE_BLOCKED),
        (NodeStage::Cordoned, false, counts.cordoned, text::STAGE_CORDONED),
        (NodeStage::Old, false, counts.old, text::STAGE_OLD),
        (NodeStage::Leaving, false, counts.leaving, text::STAGE_REMOVING),
        (NodeStage::Preserved, false, counts.preserved, text::STAGE_PRESERVED),
    ];
    let gap = if cx.columns >= 60 { "   " } else { "  " };
    let mut lines: Vec<Vec<Span<'static>>> = Vec::new();
    for (stage, is_blocked, count, word) in parts.into_iter().filter(|(.., count, _)| *count > 0) {
        let (sign, tone) = sign_of(stage, is_blocked, idle);
        let part = [cx.span(sign, tone), Span::raw(format!(" {count} {word}"))];
        let fits = |line: &&mut Vec<Span<'_>>| {
            spans_width(line) + gap.len() + spans_width(&part) <= cx.columns
        };
        if let Some(line) = lines.last_mut().filter(fits) {
            line.push(Span::raw(gap));
            line.extend(part);
        } else {
            lines.push(part.into());
        }
    }
    if lines.is_empty() {
        lines.push(vec![cx.span(text::NO_NODES, Tone::Dim)]);
    }
    lines
}

/// Bar, progress and percentage, as far as they fit; the estimate after them, or below if there is room.
pub fn summary(roll: &Roll, now: Timestamp, cx: LineContext<'_>) -> Vec<Vec<Span<'static>>> {
    let estimate = text::estimate(roll.estimate, now).filter(|_| roll.sees_nodes());
    let estimate = estimate.map(|text| cx.span(text, estimate_tone(roll)));
    let behind = estimate.clone().map(|estimate| vec![Span::raw("   "), estimate]);
    let first = summary_line(roll, behind, cx);
    let is_said = |estimate: &Span<'_>| first.contains(estimate);
    let below = estimate.filter(|estimate| cx.columns >= 50 && !is_said(estimate));
    std::iter::once(first.clone()).chain(below.map(|estimate| vec![estimate])).collect()
}

fn summary_line(
    roll: &Roll,
    estimate: Option<Vec<Span<'static>>>,
    cx: LineContext<'_>,
) -> Vec<Span<'static>> {
    let LineContext { theme, columns, .. } = cx;
    let Some(progress) = roll.progress().filter(|_| !roll.idle) else {
        let mut parts = vec![vec![Span::raw(text::without_progress(roll))]];
        parts.extend(estimate);
        return as_fits(parts, columns);
    };
    let tone = if roll.counts.blocked > 0 { Tone::Bad } else { bar_tone(progress.done) };
    let cells = if columns >= 110 {
        24
    } else if columns >= 70 {
        16
    } else {
        6
    };
    let words = if columns >= 60 { text::progress } else { text::progress_short };
    let mut parts = vec![
        vec![theme.span(bar(progress, cells), tone)],
        vec![Span::raw("  "), theme.part(words(progress), Role::Title)],
    ];
    parts.extend(estimate);
    if !progress.done {
        let percent = format!("   {}", text::percent(progress.percent()));
        parts.push(vec![theme.span(percent, Tone::Dim)]);
    }
    as_fits(parts, columns)
}

/// Bar and progress for a narrow pane.
pub fn summary_short(roll: &Roll, theme: Theme) -> Vec<Span<'static>> {
    let Some(progress) = roll.progress().filter(|_| !roll.idle) else {
        return vec![Span::raw(text::without_progress(roll))];
    };
    let tone = if roll.counts.blocked > 0 { Tone::Bad } else { bar_tone(progress.done) };
    let text = format!(" {}", text::progress_narrow(progress));
    vec![theme.span(bar(progress, 8), tone), theme.part(text, Role::Title)]
}

fn bar_tone(done: bool) -> Tone {
    if done { Tone::Good } else { Tone::Busy }
}

fn estimate_tone(roll: &Roll) -> Tone {
    match roll.estimate {
        RollEstimate::Stalled { .. } => Tone::Bad,
        RollEstimate::Remaining { blocked: true, .. } | RollEstimate::Unknown => Tone::Warn,
        RollEstimate::Remaining { .. } | RollEstimate::Finishing => Tone::Plain,
        RollEstimate::Idle
        | RollEstimate::NotBegun
        | RollEstimate::NodesMissing
        | RollEstimate::Done => Tone::Dim,
    }
}

/// The start steps, one per line, with their details.
pub fn steps(steps: &[StartStep], cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { theme, .. } = cx;
    let name = steps.iter().map(|step| width(text::start_step(step.name))).max().unwrap_or(0);
    let line = |step: &StartStep| {
        let mut spans = step_spans(step, theme);
        if let Some(detail) = step.detail {
            let gap = name.saturating_sub(width(text::start_step(step.name))) + 2;
            spans.push(blanks(gap));
            spans.push(theme.span(text::start_step_detail(detail), Tone::Dim));
        }
        cx.line(spans)
    };
    steps.iter().map(line).collect()
}

/// The current step in one line, or the first one that is not done.
pub fn step_now(steps: &[StartStep], cx: LineContext<'_>) -> Vec<Span<'static>> {
    let now = steps.iter().find(|step| step.state == StepState::Now);
    let step = now.or_else(|| steps.iter().find(|step| step.state != StepState::Done));
    let Some(step) = step else { return Vec::new() };
    let mut spans = step_spans(step, cx.theme);
    if let Some(detail) = step.detail {
        spans.push(cx.span(format!(": {}", text::start_step_detail(detail)), Tone::Dim));
    }
    cut_spans(spans, cx.columns)
}

fn step_spans(step: &StartStep, theme: Theme) -> Vec<Span<'static>> {
    stepper::heading(theme, step.state, text::start_step(step.name), Tone::Busy)
}

/// Pools with one line per zone, nodes side by side; the node under the cursor is in brackets.
pub fn pools<'a>(
    roll: &Roll,
    cluster: &Cluster,
    chosen: Option<&'a str>,
    now: Timestamp,
    cx: LineContext<'_>,
) -> Grid<'a> {
    let mut grid = Grid::new(roll, chosen, cx.theme);
    let name = names(roll);
    for (index, pool) in seen_pools(roll).iter().enumerate() {
        if index > 0 {
            grid.lines.push(Line::default());
        }
        grid.lines.push(pool_line(pool, (roll, cluster), name, now, cx));
        let zone_columns = pool.zones.iter().map(|zone| width(&zone_name(zone))).max().unwrap_or(0);
        for zone in &pool.zones {
            let lead = format!("  {}  ", pad_end(&zone_name(zone), zone_columns));
            let note = if zone.is_unfinished() && zone.limits.is_some_and(Limits::drains_first) {
                text::DRAINS_BEFORE_ADDING
            } else {
                ""
            };
            // A node takes two columns; a bracket after the last node takes one more.
            let room = (cx.columns.saturating_sub(width(&lead) + 1) / 2).max(1);
            for (row, nodes) in zone.nodes.chunks(room).enumerate() {
                let gap = " ".repeat(width(&lead));
                let (lead, note) = if row == 0 { (&lead, note) } else { (&gap, "") };
                let mut spans = vec![cx.span(lead.clone(), Tone::Dim)];
                spans.extend(grid.signs(nodes));
                let fits = spans_width(&spans) + width(note) + 3 <= cx.columns;
                let note = if fits { vec![cx.span(note, Tone::Dim)] } else { Vec::new() };
                grid.lines.push(spread(spans, note, cx.columns));
            }
            if zone.nodes.is_empty() {
                let text = format!("{lead} {}", text::NO_NODES);
                grid.lines.push(Line::from(cx.span(text, Tone::Dim)));
            }
        }
    }
    grid
}

/// Pools with all zones in one line; wrapped if they do not fit.
pub fn pools_compact<'a>(
    roll: &Roll,
    chosen: Option<&'a str>,
    now: Timestamp,
    cx: LineContext<'_>,
) -> Grid<'a> {
    let LineContext { theme, columns, .. } = cx;
    let mut grid = Grid::new(roll, chosen, theme);
    let name = names(roll);
    let progress = |pool: &PoolRoll| format!(" {}", pool_figures(pool, roll));
    let figures = roll.pools.iter().map(|pool| width(&progress(pool))).max().unwrap_or(0);
    let head = name + figures;
    let zones = zone_columns(roll);
    let aligned = head + zones.values().map(|wide| wide + 2).sum::<usize>() < columns;
    let indent = || blanks(head.min(columns / 4));
    for pool in seen_pools(roll) {
        let mut spans = vec![
            Span::raw(pad_end(&pool_name(pool), name)),
            theme.part(pad_end(&progress(pool), figures), Role::Title),
        ];
        if aligned {
            for (zone_name, wide) in &zones {
                let end = spans_width(&spans) + wide + 2;
                if let Some(zone) = pool.zones.iter().find(|zone| zone.name == *zone_name) {
                    spans.push(zone_label(zone, theme));
                    spans.extend(grid.signs(&zone.nodes));
                }
                spans.push(blanks(end.saturating_sub(spans_width(&spans))));
            }
        } else {
            for zone in &pool.zones {
                let wide = width(&zone_name(zone)) + 2 + 2 * zone.nodes.len() + 2;
                if spans_width(&spans) + wide > columns {
                    let full = std::mem::replace(&mut spans, vec![indent()]);
                    grid.lines.push(cx.line(full));
                }
                spans.push(zone_label(zone, theme));
                let room = (columns.saturating_sub(spans_width(&spans) + 1) / 2).max(1);
                for (row, nodes) in zone.nodes.chunks(room).enumerate() {
                    if row > 0 {
                        let full = std::mem::replace(&mut spans, vec![indent()]);
                        grid.lines.push(cx.line(full));
                    }
                    spans.extend(grid.signs(nodes));
                }
            }
        }
        let left = pool_estimate(pool, roll, now);
        if let Some(left) = left.filter(|left| spans_width(&spans) + width(left) + 3 <= columns) {
            spans.push(theme.span(format!("   {left}"), Tone::Dim));
        }
        grid.lines.push(cx.line(spans));
    }
    grid
}

fn zone_label(zone: &ZoneRoll, theme: Theme) -> Span<'static> {
    theme.span(format!("  {}", zone_name(zone)), Tone::Dim)
}

/// Every zone of the roll by name, with its width in the pool with most of its nodes.
fn zone_columns(roll: &Roll) -> BTreeMap<&str, usize> {
    let mut columns = BTreeMap::new();
    for zone in roll.pools.iter().flat_map(|pool| &pool.zones) {
        let wide = width(&zone_name(zone)) + 2 * zone.nodes.len();
        let known = columns.entry(zone.name.as_str()).or_insert(wide);
        *known = wide.max(*known);
    }
    columns
}

/// The pace of a roll as one bar per interval; `None` if there is nothing to draw.
pub fn pace(
    roll: &Roll,
    (from, until): (Timestamp, Timestamp),
    cx: LineContext<'_>,
) -> Option<Vec<Span<'static>>> {
    let room = cx.columns.saturating_sub(PACE_WORDS).min(PACE_MOST);
    let pace = RollPace::measure(roll, from, until, room)?;
    let most = pace.created.iter().copied().max()?;
    let bars: String = pace.created.iter().map(|count| pace_bar(*count, most)).collect();
    let words = text::pace(text::interval(pace.interval), most);
    let spans = vec![cx.span(bars, Tone::Good), cx.span(format!("  {words}"), Tone::Dim)];
    Some(cut_spans(spans, cx.columns))
}

fn pace_bar(count: usize, most: usize) -> char {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    // Rounds up: only an interval without a node has the lowest bar.
    let step = (count * (BARS.len() - 1)).div_ceil(most.max(1));
    BARS.get(step).copied().unwrap_or('█')
}

/// The pools; none if nodes cannot be seen, since each would look empty.
fn seen_pools(roll: &Roll) -> &[PoolRoll] {
    if roll.sees_nodes() { &roll.pools } else { &[] }
}

/// Width of the pool names.
fn names(roll: &Roll) -> usize {
    roll.pools.iter().map(|pool| width(&pool_name(pool))).max().unwrap_or(0)
}

/// The state of a pool, or its time left. Without a time for the only unfinished pool: that equals the roll's, which is
/// shown elsewhere.
fn pool_estimate(pool: &PoolRoll, roll: &Roll, now: Timestamp) -> Option<String> {
    let settled = matches!(pool.state, PoolState::Settled | PoolState::Empty);
    let is_only = roll.pools.iter().all(|other| other.name == pool.name || other.progress.done);
    let state = text::pool_state(pool).map(str::to_owned).filter(|_| !settled);
    let estimate = || text::estimate(pool.estimate, now).filter(|_| !is_only);
    let Some(missing) = text::missing_nodes(pool.counts).filter(|_| pool.state.is_rolling()) else {
        return state.or_else(estimate);
    };
    if pool.state == PoolState::Missing {
        return state;
    }
    Some(match state.or_else(estimate) {
        Some(more) => text::and_then(missing, more),
        None => missing,
    })
}

/// The displayed name of a pool; pool names have at most 15 characters.
fn pool_name(pool: &PoolRoll) -> String {
    if pool.name.is_empty() { text::NO_POOL.to_owned() } else { cut_middle(&clean(&pool.name), 15) }
}

fn zone_name(zone: &ZoneRoll) -> String {
    if zone.name.is_empty() { text::NO_ZONE.to_owned() } else { cut_middle(&clean(&zone.name), 12) }
}

/// Replaced nodes of a pool; without a roll, the number of its nodes.
fn pool_figures(pool: &PoolRoll, roll: &Roll) -> String {
    if roll.idle && pool.counts.seen() > 0 {
        return plural(pool.counts.seen(), text::NODE, text::MANY_NODES);
    }
    text::pool_progress(pool)
}

fn pool_line(
    pool: &PoolRoll,
    (roll, cluster): (&Roll, &Cluster),
    name: usize,
    now: Timestamp,
    cx: LineContext<'_>,
) -> Line<'static> {
    let settled = matches!(pool.state, PoolState::Settled | PoolState::Empty);
    let tone = if pool.counts.blocked > 0 { Tone::Bad } else { bar_tone(pool.progress.done) };
    let mut parts = vec![vec![cx.part(pad_end(&pool_name(pool), name), Role::Title)]];
    if settled {
        let text = if roll.idle { pool_figures(pool, roll) } else { text::counts(pool.counts) };
        parts.push(vec![Span::raw("  "), Span::raw(text)]);
    } else {
        let cells = if cx.columns >= 64 { 12 } else { 6 };
        parts.push(vec![Span::raw("  "), cx.span(bar(pool.progress, cells), tone)]);
        parts.push(vec![Span::raw(format!("  {}", text::pool_progress(pool)))]);
    }
    if let Some(text) = pool_estimate(pool, roll, now) {
        parts.push(vec![cx.span(format!("   {text}"), Tone::Dim)]);
    }
    let left = as_fits(parts, cx.columns);
    let limits = cluster
        .pools
        .iter()
        .find(|known| known.name == pool.name)
        .map(|known| text::surge_and_unavailable(known.max_surge, known.max_unavailable));
    let right = limits.map_or_else(Vec::new, |text| vec![cx.span(text, Tone::Dim)]);
    let fits = spans_width(&left) + spans_width(&right) + 3 <= cx.columns;
    spread(left, if fits { right } else { Vec::new() }, cx.columns)
}

#[cfg(test)]
mod tests {
    use crate::domain::roll::progress::NodeCounts;
    use crate::ui::fixtures;
    use crate::ui::line_context::LineContext;
    use crate::ui::nodes::roll::legend;
    use crate::ui::theme::{Theme, plain};

    #[test]
    fn every_sign_of_a_node_has_a_plain_form() {
        let counts = NodeCounts {
            new: 1,
            joining: 1,
            old: 1,
            cordoned: 1,
            draining: 2,
            blocked: 1,
            leaving: 1,
            preserved: 1,
            missing: 0,
        };
        let state = fixtures::empty();
        let cx = LineContext { state: &state, theme: Theme::of(&state), columns: 45 };
        let lines = legend(counts, false, cx)
            .into_iter()
            .map(|line| plain(&line.into_iter().map(|part| part.content).collect::<String>()));
        assert_eq!(
            lines.collect::<Vec<_>>(),
            [
                "N 1 new  J 1 joining  D 1 draining",
                "x 1 blocked  C 1 cordoned  O 1 old",
                "R 1 removing  P 1 preserved",
            ]
        );
    }
}
