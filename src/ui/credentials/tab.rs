//! The credentials tab: what this machine holds for the cluster, why it keeps working or breaks, and what is inside the
//! cluster.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span, Text};

use crate::app::cell::Tone;
use crate::app::credentials::text;
use crate::app::fleet::state::Entry;
use crate::app::nodes::text::list;
use crate::app::screen::Metrics;
use crate::app::state::State;
use crate::domain::credential::{pods_with_old_authority, stale_tokens};
use crate::domain::text::width;
use crate::ui::credentials::table;
use crate::ui::text::{blanks, cut_spans, pad_end, wrap};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::scrollbar;

/// Rows that the list of credentials takes at least.
const LEAST_ROWS: usize = 4;

/// Draws the tab.
pub fn draw(
    state: &State,
    theme: Theme,
    frame: &mut Frame<'_>,
    area: Rect,
    entry: &Entry,
    metrics: &mut Metrics,
) {
    let columns = usize::from(area.width);
    let rows = usize::from(area.height);
    let known = state.known_credentials(&entry.cluster);
    metrics.scroll_last = known.len().saturating_sub(1);
    let selected = state.inventory.cursor.min(metrics.scroll_last);
    let below = below(entry, state, theme, columns);
    let mut head = vec![title(theme, text::TITLE_MACHINE, columns)];
    let mut list = table::lines(&known, state, theme, columns, Some(selected));
    let mut detail = Vec::new();
    if let Some(known) = known.get(selected) {
        head.push(list.remove(0));
        let trial = state.inventory.trial(&entry.cluster.id, &known.place);
        let why = text::evidence_and_trial(&known.evidence, trial);
        detail.extend(indented(theme, &why, columns, Tone::Dim));
    } else {
        let none = if state.inventory.files.is_some() { text::NONE_FOUND } else { text::READING };
        list = vec![Line::from(theme.span(format!("  {none}"), Tone::Dim))];
    }
    let fixed = head.len() + detail.len();
    let room = rows.saturating_sub(fixed + below.len() + 1).max(LEAST_ROWS.min(list.len()));
    metrics.page_rows = room;
    let all = list.len();
    let first = selected.saturating_sub(room.saturating_sub(1)).min(all.saturating_sub(room));
    let top = head.len();
    let mut lines = head;
    lines.extend(list.into_iter().skip(first).take(room));
    lines.extend(detail);
    lines.push(Line::default());
    lines.extend(below);
    lines.truncate(rows);
    frame.render_widget(Text::from(lines), area);
    let bar = Rect {
        x: area.right().saturating_sub(1),
        y: area.y + crate::ui::text::cells(top),
        width: 1,
        height: crate::ui::text::cells(room.min(all)).min(area.height),
    };
    scrollbar::draw(theme, frame, bar, first, all);
}

fn title(theme: Theme, text: &'static str, columns: usize) -> Line<'static> {
    Line::from(cut_spans(vec![theme.part(text, Role::Title)], columns))
}

/// A text that begins under the rows.
fn indented(theme: Theme, text: &str, columns: usize, tone: Tone) -> Vec<Line<'static>> {
    let lines = wrap(text, columns.saturating_sub(4));
    lines.into_iter().map(|line| vec![blanks(4), theme.span(line, tone)].into()).collect()
}

/// A sign and a text behind it.
fn marked(
    theme: Theme,
    sign: &'static str,
    tone: Tone,
    text: &str,
    columns: usize,
) -> Vec<Line<'static>> {
    let words = wrap(text, columns.saturating_sub(4));
    let line = |(at, words): (usize, String)| {
        let lead = if at == 0 { theme.span(format!("  {sign} "), tone) } else { blanks(4) };
        Line::from(vec![lead, Span::raw(words)])
    };
    words.into_iter().enumerate().map(line).collect()
}

/// What stands below the list: files that were not read, what is inside the cluster, and what rotates.
fn below(entry: &Entry, state: &State, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    for file in state.inventory.files.iter().flat_map(|files| files.iter()) {
        match (&file.contexts, file.wide_mode) {
            (Err(why), _) => {
                let text = text::unreadable_file(&file.path, why);
                out.extend(marked(theme, "?", Tone::Warn, &text, columns));
            }
            (Ok(contexts), Some(mode)) if !contexts.is_empty() => {
                let text = text::wide_mode(&file.path, format_args!("{mode:04o}"));
                out.extend(marked(theme, "!", Tone::Warn, &text, columns));
            }
            _ => {}
        }
    }
    out.extend(marked(theme, "?", Tone::Dim, text::NOT_LISTED, columns));
    out.push(Line::default());
    out.push(title(theme, text::TITLE_CLUSTER, columns));
    out.extend(in_cluster(entry, state, theme, columns));
    out.push(Line::default());
    out.extend(what_rotates(entry, theme, columns));
    out
}

fn in_cluster(entry: &Entry, state: &State, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let cluster = &entry.cluster;
    let Some(snapshot) = state.nodes.current_snapshot(&cluster.id) else {
        let why = state.unseen(&cluster.id).unwrap_or_default();
        return marked(theme, "?", Tone::Dim, &text::not_seen(why), columns);
    };
    let mut out = Vec::new();
    for stale in stale_tokens(cluster, &snapshot) {
        let tone = if stale.used_since_start { Tone::Bad } else { Tone::Warn };
        out.extend(marked(theme, "!", tone, &text::stale_token(&stale), columns));
    }
    let pods = pods_with_old_authority(&snapshot);
    if !pods.is_empty() {
        let names = pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let text = text::old_authority(list(names, 3));
        out.extend(marked(theme, "!", Tone::Bad, &text, columns));
    }
    if out.is_empty() {
        let is_open =
            cluster.rotation.phase.due_step() == Some(crate::domain::rotation::Step::Complete);
        let text = if is_open { text::NOTHING_IN_CLUSTER } else { text::NO_ROTATION };
        out.extend(marked(theme, "✓", Tone::Good, text, columns));
    }
    out
}

/// What rotates, what of it is in use, and what the next step does.
pub fn what_rotates(entry: &Entry, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let (next, rows) = text::what_rotates(&entry.cluster.rotation.phase);
    let name = rows.iter().map(|(name, ..)| width(name)).max().unwrap_or_default();
    let now = rows.iter().map(|(_, now, _)| width(now)).max().unwrap_or_default();
    let line = |name_text: &str, now_text: &str, next: &str| {
        format!("  {}  {}  {next}", pad_end(name_text, name), pad_end(now_text, now))
    };
    let heading = line(text::TITLE_ROTATES, text::COLUMN_NOW, next);
    let mut out = vec![Line::from(cut_spans(vec![theme.part(heading, Role::Label)], columns))];
    for (name, now, next) in rows {
        let spans = vec![Span::raw(line(name, now, next))];
        out.push(Line::from(cut_spans(spans, columns)));
    }
    out
}
