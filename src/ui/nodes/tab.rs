//! The nodes tab of a cluster: pools and zones, the node under the cursor, the timeline.

use jiff::Timestamp;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::state::Entry;
use crate::app::keymap::Command;
use crate::app::nodes::blocker_text;
use crate::app::nodes::observed::ObservedCluster;
use crate::app::nodes::text;
use crate::app::state::State;
use crate::domain::age::{long, passed};
use crate::domain::roll::blocker::Severity;
use crate::domain::roll::classify::NodeRoll;
use crate::domain::roll::progress::PoolState;
use crate::domain::roll::{Roll, RollNote};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::Unavailable;
use crate::domain::text::plural;
use crate::ui::canvas::{Canvas, padded};
use crate::ui::line_context::LineContext;
use crate::ui::nodes::node;
use crate::ui::nodes::roll;
use crate::ui::nodes::roll::Grid;
use crate::ui::nodes::timeline;
use crate::ui::text::{behind, cells, wrap, wrap_to};
use crate::ui::theme::Role;
use crate::ui::widgets::scrollbar;

/// Minimum width for two panes side by side.
const WIDE: u16 = 100;

/// Maximum events of a node beside its details; in full view all are shown.
const SOME_EVENTS: usize = 6;

/// Draws the tab.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, entry: &Entry) {
    let state = canvas.state;
    let observed = state.nodes.observed.get(&entry.cluster.id);
    let seen = observed.and_then(|observed| Some((observed, observed.roll.as_ref()?)));
    let Some((observed, roll)) = seen else {
        draw_without_roll(canvas, area, entry);
        return;
    };
    let now = observed.as_of(state.shared.now.wall);
    let tab = Tab { cx: canvas.line_context(area), entry, observed, roll, now };
    if area.width >= WIDE && area.height >= 20 {
        tab.wide(canvas, area);
    } else {
        tab.narrow(canvas, area);
    }
}

/// Why no nodes are visible, and what SKE reports.
fn draw_without_roll(canvas: &mut Canvas<'_, '_>, area: Rect, entry: &Entry) {
    let (state, theme) = (canvas.state, canvas.theme);
    let inner = pane(canvas, area, vec![theme.part(text::TITLE, Role::Title)], Vec::new());
    let cx = canvas.line_context(inner);
    let (bad, text) = match state.unseen(&entry.cluster.id) {
        Some(text) => (is_bad(state, entry), text),
        None => (false, text::CONNECTING.to_owned()),
    };
    let lead = if bad { theme.span("! ", Tone::Warn) } else { theme.span("· ", Tone::Dim) };
    let mut lines = vec![Line::default()];
    lines.extend(behind(lead, wrap(&text::sentence(&text), cx.columns.saturating_sub(4))));
    let (min, max) = entry.cluster.node_bounds();
    let pools = entry.cluster.pools.iter().map(|pool| {
        let zones = pool.zones.join(" ");
        let text = text::pool_bounds(&pool.name, pool.minimum, pool.maximum, zones);
        Line::from(theme.span(format!("  {text}"), Tone::Dim))
    });
    lines.push(Line::default());
    lines.push(Line::from(theme.span(text::reported_bounds(min, max), Tone::Dim)));
    lines.extend(pools);
    if entry.cluster.rotation.phase == Phase::Preparing {
        lines.push(Line::default());
        lines.extend(cx.paragraph(text::USUAL_NODE_TIME, Tone::Dim));
    }
    canvas.text(lines, inner);
}

/// Whether nodes are not visible because of an error; connecting and hibernation are not errors.
fn is_bad(state: &State, entry: &Entry) -> bool {
    let trouble =
        state.nodes.observed.get(&entry.cluster.id).and_then(|seen| seen.trouble.as_ref());
    trouble.is_some_and(|(trouble, _)| {
        !matches!(trouble, Unavailable::Connecting | Unavailable::Hibernated)
    })
}

fn has_border(area: Rect) -> bool {
    area.height >= 8 && area.width >= 50
}

/// A pane, with a border if there is room; returns the inner area.
fn pane(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    title: Vec<Span<'static>>,
    right: Vec<Span<'static>>,
) -> Rect {
    padded(if has_border(area) { canvas.pane(area, title, right) } else { area })
}

struct Tab<'a> {
    cx: LineContext<'a>,
    entry: &'a Entry,
    observed: &'a ObservedCluster,
    roll: &'a Roll,
    /// The time of the snapshot.
    now: Timestamp,
}

impl Tab<'_> {
    fn wide(&self, canvas: &mut Canvas<'_, '_>, area: Rect) {
        let rows = area.height;
        let below = if rows >= 24 { (rows / 3).min(12) } else { 0 };
        let [above, timeline_area] =
            Layout::vertical([Constraint::Fill(1), Constraint::Length(below)]).areas(area);
        let [left, right] =
            Layout::horizontal([Constraint::Fill(5), Constraint::Fill(4)]).areas(above);
        let inner = pane(canvas, left, self.title(), self.freshness());
        self.pools(canvas, inner);
        self.node(canvas, right);
        if below > 0 {
            let title = vec![self.cx.part(text::TIMELINE_TITLE, Role::Title)];
            let inner = pane(canvas, timeline_area, title, Vec::new());
            let cx = canvas.line_context(inner);
            let rows = usize::from(inner.height);
            canvas.text(timeline::lines(&self.observed.tracker, cx, rows), inner);
        }
    }

    fn narrow(&self, canvas: &mut Canvas<'_, '_>, area: Rect) {
        let inner = pane(canvas, area, self.title(), self.freshness());
        let cx = canvas.line_context(inner);
        let rows = usize::from(inner.height);
        let chosen = self.cx.state.node_at_cursor();
        if let Some(chosen) = chosen.filter(|_| self.cx.state.nodes.in_full) {
            let [title, rest] =
                Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(inner);
            canvas.text(self.node_title(chosen, cx), title);
            self.node_part(canvas, rest, chosen);
            return;
        }
        let mut lines = self.head(cx, rows);
        let grid =
            roll::pools_compact(self.roll, chosen.map(|node| node.uid.as_str()), self.now, cx);
        let room = rows.saturating_sub(lines.len());
        let share = room * 3 / 5;
        let first = first_seen(&grid, share.max(1));
        lines.extend(grid.lines.into_iter().skip(first).take(share.max(1)));
        if let Some(chosen) = chosen.filter(|_| lines.len() + 2 <= rows) {
            if rows >= 12 {
                lines.push(Line::default());
            }
            lines.push(self.node_title(chosen, cx));
            let rest = rows.saturating_sub(lines.len());
            let all = self.node_lines(chosen, cx);
            lines.extend(self.part(canvas, all, rest).0);
        }
        let rest = rows.saturating_sub(lines.len());
        if rest >= 3 {
            lines.push(Line::default());
            lines.extend(timeline::lines(&self.observed.tracker, cx, rest - 1));
        }
        canvas.text(lines, inner);
    }

    fn title(&self) -> Vec<Span<'static>> {
        vec![self.cx.part(text::TITLE, Role::Title)]
    }

    /// Live, or the age of the snapshot; right title of the border.
    fn freshness(&self) -> Vec<Span<'static>> {
        let now = self.cx.state.shared.now.wall;
        let age = self.observed.seen.map(|seen| passed(seen.wall, now));
        match (self.cx.state.unseen(&self.entry.cluster.id), age) {
            (Some(_), Some(age)) => vec![self.cx.span(text::title_as_of(age), Tone::Warn)],
            (Some(_), None) => Vec::new(),
            (None, _) => vec![self.cx.span(text::LIVE, Tone::Good)],
        }
    }

    /// Why the snapshot is stale, with the time if that is an error.
    fn unseen(&self) -> Option<String> {
        let text = self.cx.state.unseen(&self.entry.cluster.id)?;
        let since = self.observed.trouble.as_ref().map(|(_, since)| *since);
        Some(match since.filter(|_| is_bad(self.cx.state, self.entry)) {
            Some(since) => {
                let time = self.cx.state.zone().log(since, self.cx.state.shared.now.wall);
                text::unavailable_since(time, text)
            }
            None => text,
        })
    }

    /// Whether nodes are being replaced; before that, the steps of the control plane are shown.
    fn has_begun(&self) -> bool {
        self.entry.cluster.rotation.phase != Phase::Preparing
            || self.roll.pools.iter().any(|pool| {
                !matches!(pool.state, PoolState::NotBegun | PoolState::Missing | PoolState::Empty)
            })
    }

    /// Why the snapshot is stale; the bar; the legend or, before nodes are replaced, the steps.
    fn head(&self, cx: LineContext<'_>, rows: usize) -> Vec<Line<'static>> {
        let (theme, now) = (self.cx.theme, self.now);
        let mut lines = Vec::new();
        if let Some(text) = self.unseen() {
            // In full, since the advice is at the end; but the figures stay visible even on a tiny screen.
            let most = (rows / 2).max(2);
            let text = wrap_to(&text::sentence(&text), cx.narrower_by(2).columns, most);
            lines.extend(behind(theme.span("! ", Tone::Warn), text));
        }
        lines.extend(roll::summary(self.roll, now, cx).into_iter().map(Line::from));
        if !self.has_begun() && rows >= 16 {
            lines.push(Line::default());
            lines.extend(roll::steps(&self.roll.steps, cx));
        } else if self.has_begun() {
            if self.roll.sees_nodes() {
                let legend = roll::legend(self.roll.counts, self.roll.idle, cx);
                lines.extend(legend.into_iter().map(Line::from));
            }
            let rolls = self.entry.cluster.rotation.phase == Phase::Preparing;
            let started = self.entry.cluster.rotation.start().filter(|_| rolls && rows >= 16);
            let pace = started.and_then(|from| roll::pace(self.roll, (from, now), cx));
            lines.extend(pace.map(Line::from));
        } else {
            lines.push(Line::from(roll::step_now(&self.roll.steps, cx)));
        }
        lines
    }

    /// Head, pools, blockers and notes.
    fn pools(&self, canvas: &mut Canvas<'_, '_>, area: Rect) {
        let (cx, rows) = (canvas.line_context(area), usize::from(area.height));
        let mut head = vec![Line::default()];
        head.extend(self.head(cx, rows));
        head.push(Line::default());
        let foot = self.foot(cx, rows.saturating_sub(head.len()) / 2);
        let room = rows.saturating_sub(head.len() + foot.len() + 1).max(1);
        let chosen = self.cx.state.node_at_cursor().map(|node| node.uid.as_str());
        let now = self.now;
        let cluster = &self.entry.cluster;
        let mut grid = roll::pools(self.roll, cluster, chosen, now, cx);
        if grid.lines.len() > room {
            let low = roll::pools_compact(self.roll, chosen, now, cx);
            if low.lines.len() <= room {
                grid = low;
            }
        }
        let first = first_seen(&grid, room);
        let all = grid.lines.len();
        let grid_area = Rect {
            y: area.y + cells(head.len()),
            height: cells(room.min(all)).min(area.height.saturating_sub(cells(head.len()))),
            ..area
        };
        let shown: Vec<Line<'static>> = grid.lines.into_iter().skip(first).take(room).collect();
        let foot_area = Rect {
            y: area.bottom().saturating_sub(cells(foot.len())),
            height: cells(foot.len()),
            ..area
        };
        canvas.text(head, area);
        canvas.text(shown, grid_area);
        canvas.text(foot, foot_area);
        scrollbar::draw(canvas, grid_area, area.right(), first, all);
    }

    /// Blockers, one line each; notes; the basis of the estimate.
    fn foot(&self, cx: LineContext<'_>, rows: usize) -> Vec<Line<'static>> {
        let (theme, now) = (self.cx.theme, self.now);
        let mut lines = Vec::new();
        for blocker in &self.roll.blockers {
            let (sign, tone) = match blocker.severity() {
                Severity::Blocks => ("✗", Tone::Bad),
                Severity::Delays => ("!", Tone::Warn),
                Severity::Note => ("·", Tone::Dim),
            };
            let text = blocker_text::headline(blocker, now);
            let spans = vec![theme.span(sign, tone), Span::raw(" "), Span::raw(text)];
            lines.push(cx.line(spans));
        }
        if let Some(text) = text::unexplained_stall(self.roll, now) {
            lines.extend(cx.marked("!", Tone::Warn, &text));
        }
        // If the whole server is unreachable, notes about each unread kind add nothing.
        let is_away = self.observed.trouble.is_some();
        let is_told = |note: &&RollNote| !is_away || !matches!(note, RollNote::Unseen { .. });
        for note in self.roll.notes.iter().filter(is_told) {
            let words = cx.narrower_by(2).paragraph(&text::note(note), Tone::Dim);
            lines.extend(behind(theme.span("· ", Tone::Dim), words));
        }
        let mut facts = Vec::new();
        let times = &self.roll.times;
        if times.drains.len() >= 3 {
            facts.push(text::measured_node(long(times.median()), times.drains.len()));
        }
        facts.extend(text::worst_case(self.roll.estimate));
        facts.push(text::basis(&self.roll.estimate_reasons));
        let room = rows.saturating_sub(facts.len()).max(1);
        if lines.len() > room {
            let more = lines.len() - (room - 1);
            lines.truncate(room - 1);
            lines.push(Line::from(theme.span(text::and_more_lines(more), Tone::Dim)));
        }
        for text in facts {
            for line in wrap_to(&text, cx.columns, 2) {
                lines.push(Line::from(theme.span(line, Tone::Dim)));
            }
        }
        lines
    }

    /// The node under the cursor.
    fn node(&self, canvas: &mut Canvas<'_, '_>, mut area: Rect) {
        let Some(chosen) = self.cx.state.node_at_cursor() else {
            pane(canvas, area, Vec::new(), Vec::new());
            return;
        };
        if !has_border(area) {
            let [title, rest] =
                Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
            let title = padded(title);
            canvas.text(self.node_title(chosen, canvas.line_context(title)), title);
            area = rest;
        }
        let title = vec![node::title(chosen, canvas.line_context(area))];
        let mut right = vec![Span::raw(" ")];
        right.extend(node::stage(chosen, self.roll, self.now, self.cx.theme));
        right.push(Span::raw(" "));
        let inner = pane(canvas, area, title, right);
        self.node_part(canvas, inner, chosen);
    }

    fn node_title(&self, chosen: &NodeRoll, cx: LineContext<'_>) -> Line<'static> {
        let mut title =
            vec![self.cx.part(format!("[{}]", chosen.short), Role::Title), Span::raw("  ")];
        title.extend(node::stage(chosen, self.roll, self.now, self.cx.theme));
        cx.line(title)
    }

    fn node_part(&self, canvas: &mut Canvas<'_, '_>, area: Rect, chosen: &NodeRoll) {
        let lines = self.node_lines(chosen, canvas.line_context(area));
        let all = lines.len();
        let (lines, first) = self.part(canvas, lines, usize::from(area.height));
        canvas.text(lines, area);
        if self.cx.state.nodes.in_full {
            scrollbar::draw(canvas, area, area.right(), first, all);
        }
    }

    fn node_lines(&self, chosen: &NodeRoll, cx: LineContext<'_>) -> Vec<Line<'static>> {
        let events = if self.cx.state.nodes.in_full { usize::MAX } else { SOME_EVENTS };
        node::lines(chosen, self.observed, cx, events)
    }

    /// The visible part of the node's lines: their start and the number of hidden ones, or, in full view, the viewport.
    /// Also returns the index of the first line.
    fn part(
        &self,
        canvas: &mut Canvas<'_, '_>,
        mut lines: Vec<Line<'static>>,
        rows: usize,
    ) -> (Vec<Line<'static>>, usize) {
        if self.cx.state.nodes.in_full {
            let metrics = &mut canvas.metrics;
            metrics.page_rows = rows.saturating_sub(1).max(1);
            metrics.scroll_last = lines.len().saturating_sub(rows);
            let first = self.cx.state.nodes.scroll.min(metrics.scroll_last);
            return (lines.into_iter().skip(first).take(rows).collect(), first);
        }
        if lines.len() > rows && rows > 1 {
            let more = plural(lines.len() - rows + 1, text::LINE, text::LINES);
            let key = self.cx.key_of(Command::Events);
            lines.truncate(rows - 1);
            lines.push(Line::from(self.cx.span(text::lines_hidden(more, key), Tone::Dim)));
        }
        lines.truncate(rows);
        (lines, 0)
    }
}

/// The first line to show, so that the cursor is visible.
fn first_seen(grid: &Grid<'_>, room: usize) -> usize {
    let last = grid.lines.len().saturating_sub(room);
    grid.cursor.saturating_sub(room / 2).min(last)
}
