//! The fleet screen.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use crate::app::cell::{Cell, Tone};
use crate::app::fleet::columns::{glyph, phase_glyph};
use crate::app::fleet::filter::problems;
use crate::app::fleet::state::Fleet;
use crate::app::fleet::text;
use crate::app::fleet::update::COUNT_FILTERS;
use crate::app::keymap::Command;
use crate::app::screen::Clickable;
use crate::app::state::State;
use crate::app::text as common;
use crate::domain::rotation::Phase;
use crate::domain::text::{clean, plural, width};
use crate::ui::activity::records;
use crate::ui::canvas::Canvas;
use crate::ui::fleet::preview;
use crate::ui::fleet::table;
use crate::ui::line_context::LineContext;
use crate::ui::rotation::sentences;
use crate::ui::text::{as_fits, cells, cut_spans, spans_width, spread};
use crate::ui::theme::Role;
use crate::ui::widgets::footer::BottomLine;
use crate::ui::widgets::{header, notices};

/// Minimum width for the preview.
const PREVIEW_FROM: u16 = 110;
/// Minimum height for the activity.
const STRIP_FROM: u16 = 34;

/// Rows of the activity including its border: one per record, limited to a share of the screen.
pub fn strip_rows(state: &State, height: u16) -> u16 {
    match cells(state.activity.records.len()) {
        _ if height < STRIP_FROM => 0,
        0 => 0,
        records => records.min((height.saturating_sub(18)) / 4) + 2,
    }
}

/// Draws the screen; returns its bottom line.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect) -> BottomLine {
    let cx = canvas.line_context(area);
    let state = cx.state;
    let notice_lines = notices::lines(cx);
    let with_preview = has_preview(state, area);
    let [head, notice_area, list, side, strip] =
        places(state, area, notice_lines.len(), with_preview);
    draw_header(canvas, head);
    canvas.text(notice_lines, notice_area);
    let row = draw_list(canvas, list);
    if with_preview {
        preview::draw(canvas, side);
    }
    if strip.height > 0 {
        draw_strip(canvas, strip);
    }
    let spans = if with_preview { Vec::new() } else { bottom(cx, area.height) };
    BottomLine { spans, row }
}

/// Whether the preview is drawn on a screen of this size.
fn has_preview(state: &State, area: Rect) -> bool {
    area.width >= PREVIEW_FROM && state.view.preview && !state.view.shown.is_empty()
}

/// Layout: header, notices, list, preview, activity.
fn places(state: &State, area: Rect, notices: usize, with_preview: bool) -> [Rect; 5] {
    let notice_rows = cells(notices).min(area.height / 3);
    let head_rows = if area.height >= 12 { 2 } else { 1 };
    let [head, notices, main, strip] = Layout::vertical([
        Constraint::Length(head_rows),
        Constraint::Length(notice_rows),
        Constraint::Fill(1),
        Constraint::Length(strip_rows(state, area.height)),
    ])
    .areas(area);
    let preview_columns = if area.width >= 170 { 50 } else { 40 };
    let [list, side] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(if with_preview { preview_columns } else { 0 }),
    ])
    .areas(main);
    [head, notices, list, side, strip]
}

/// Whether the list has a border, and its inner area; without a border, below a heading.
fn inside(list: Rect) -> (bool, Rect) {
    let boxed = list.width >= 70 && list.height >= 14;
    if boxed {
        let (width, height) = (list.width.saturating_sub(2), list.height.saturating_sub(2));
        return (true, Rect { x: list.x + 1, y: list.y + 1, width, height });
    }
    let heading = u16::from(list.height >= 10);
    (false, Rect { y: list.y + heading, height: list.height.saturating_sub(heading), ..list })
}

/// Ids of the columns shown on a screen of this size: with the current layout, and without the preview.
pub fn shown_columns(cx: LineContext<'_>, area: Rect) -> (Vec<&'static str>, Vec<&'static str>) {
    let notices = notices::lines(cx.with_columns(usize::from(area.width))).len();
    let shown = |with_preview| {
        let [_, _, list, ..] = places(cx.state, area, notices, with_preview);
        let (_, inner) = inside(list);
        table::layout(cx.state, usize::from(inner.width.saturating_sub(1)))
            .into_iter()
            .map(|(column, _)| column.id)
            .collect()
    };
    (shown(has_preview(cx.state, area)), shown(false))
}

fn draw_header(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let cx = canvas.line_context(area);
    let LineContext { state, theme, columns } = cx;
    let right = header::status(cx);
    if area.height < 2 {
        let mut left =
            vec![Span::raw(" "), theme.part(common::PROGRAM, Role::Accent), Span::raw(" ")];
        if state.fleet.is_narrowed() {
            left.push(theme.part(short_scope(state), Role::Accent));
            left.push(Span::raw(" "));
        }
        left.extend(short_counts(cx));
        canvas.text(spread(left, right, columns), area);
        return;
    }
    let room = columns.saturating_sub(spans_width(&right) + 1);
    let gap = Span::raw("   ");
    let path = header::path(theme, &[common::PATH_FLEET]);
    let scope = scope_spans(cx.with_columns(room.saturating_sub(spans_width(&path) + 3)));
    let mut parts = vec![path, [vec![gap.clone()], scope].concat()];
    let full = header::identity(cx, true);
    let used: usize = parts.iter().map(|part| spans_width(part)).sum();
    let who =
        if used + spans_width(&full) + 3 <= room { full } else { header::identity(cx, false) };
    if !who.is_empty() {
        parts.push([vec![gap], who].concat());
    }
    let first = spread(as_fits(parts, room), right, columns);
    let second_area = Rect { y: area.y + 1, height: 1, ..area };
    let second = counts_line(canvas, second_area);
    canvas.text(vec![first, second], area);
}

/// Profile and scope, in the widest form that fits. A narrowed selection is always shown.
fn scope_spans(cx: LineContext<'_>) -> Vec<Span<'static>> {
    let LineContext { state, theme, columns } = cx;
    let profile = state.shared.settings.profile.as_deref().map(clean);
    let (in_full, name) = match &profile {
        Some(name) => (text::in_profile(name), format!("{name} · ")),
        None => (String::new(), String::new()),
    };
    let is_narrowed = state.fleet.is_narrowed();
    let full = scope_text(state, false);
    let short = if is_narrowed { short_scope(state) } else { full.clone() };
    let forms = [(&in_full, &full), (&name, &full), (&name, &short), (&String::new(), &short)];
    let fits = |(profile, scope): &(&String, &String)| width(profile) + width(scope) <= columns;
    let (profile, scope) = forms.into_iter().find(fits).unwrap_or((&in_full, &short));
    let scope = if is_narrowed {
        theme.part(scope.clone(), Role::Accent)
    } else {
        theme.span(scope.clone(), Tone::Dim)
    };
    let spans = vec![theme.span(profile.clone(), Tone::Dim), scope];
    if is_narrowed { cut_spans(spans, columns) } else { spans }
}

/// The selected projects and regions, with totals.
fn scope_parts(state: &State) -> (String, String) {
    let (all, all_regions) = Fleet::parts(state.fleet.scopes.keys());
    let selected = state.fleet.selected_scopes().map(|(scope, _)| scope);
    let (projects, regions) = Fleet::parts(selected);
    let is_all = projects.len() == all.len();
    let name = match (projects.iter().next(), projects.len()) {
        (Some(one), 1) => {
            let name = text::one_project(clean(state.fleet.project_name(one)));
            if is_all { name } else { text::part(name, 1, all.len()) }
        }
        (_, several) if is_all => plural(several, text::ONE_PROJECT, text::PROJECTS),
        (_, several) => text::some_projects(several, all.len()),
    };
    let names = regions.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(" ");
    let is_all = regions.len() == all_regions.len();
    let regions = if is_all { names } else { text::part(names, regions.len(), all_regions.len()) };
    (name, regions)
}

/// Projects and regions as one text, standalone or within a sentence.
fn scope_text(state: &State, in_sentence: bool) -> String {
    match scope_parts(state) {
        (projects, regions) if regions.is_empty() => projects,
        (projects, regions) if in_sentence && !state.fleet.is_narrowed() => {
            format!("{projects} ({regions})")
        }
        (projects, regions) => format!("{projects} · {regions}"),
    }
}

/// Shortest form: selected and total projects, and the region if there are others.
fn short_scope(state: &State) -> String {
    let (all, regions) = Fleet::parts(state.fleet.scopes.keys());
    let (projects, _) = Fleet::parts(state.fleet.selected_scopes().map(|(scope, _)| scope));
    let mut short = format!("{}/{}", projects.len(), all.len());
    if let Some(region) = state.fleet.selection.region.as_ref().filter(|_| regions.len() > 1) {
        short.push_str(&format!(" · {region}"));
    }
    short
}

/// The counts that are filters; their order gives the filter numbers.
fn counted(state: &State) -> [(Cell, &'static str, usize); 7] {
    let counts = state.view.counts;
    let due = Cell { text: "!".to_owned(), tone: Tone::Warn };
    let stuck = Cell { text: "✗".to_owned(), tone: Tone::Bad };
    [
        (phase_glyph(&Phase::Completed), text::COUNT_COMPLETED, counts.completed),
        (phase_glyph(&Phase::Preparing), text::COUNT_PREPARING, counts.preparing),
        (phase_glyph(&Phase::Prepared), text::COUNT_PREPARED, counts.prepared),
        (phase_glyph(&Phase::Completing), text::COUNT_COMPLETING, counts.completing),
        (phase_glyph(&Phase::Never), text::COUNT_NEVER, counts.never),
        (stuck, text::COUNT_STUCK, counts.stuck),
        (due, text::COUNT_DUE, counts.due),
    ]
}

fn counts_line(canvas: &mut Canvas<'_, '_>, area: Rect) -> Line<'static> {
    let cx = canvas.line_context(area);
    let LineContext { columns, .. } = cx;
    let mut told = Vec::new();
    // The widest form that fits: with words, with smaller gaps, with numbers only, without numbers.
    for (words, numbers, gap) in
        [(true, true, "   "), (true, true, "  "), (false, true, "   "), (false, false, " ")]
    {
        told = counts(cx, (words, numbers), gap);
        if told.iter().map(|(spans, _)| spans_width(spans)).sum::<usize>() <= columns {
            break;
        }
    }
    let mut spans = Vec::new();
    for (item, number) in told {
        if let Some(number) = number {
            let wide = cells(spans_width(&item));
            let at = area.x + cells(spans_width(&spans));
            let place = Rect { x: at, y: area.y, width: wide, height: 1 };
            canvas.click(place, Clickable::Count(number));
        }
        spans.extend(item);
    }
    cx.line(spans)
}

/// The parts of the counts line; clickable parts have a filter number.
fn counts(
    cx: LineContext<'_>,
    (words, numbers): (bool, bool),
    gap: &'static str,
) -> Vec<(Vec<Span<'static>>, Option<u8>)> {
    let LineContext { state, theme, .. } = cx;
    let gap = || (vec![Span::raw(gap)], None);
    let mut parts = vec![(vec![Span::raw(" ")], None)];
    if numbers {
        let all = if state.fleet.is_loading() {
            text::NOTHING_READ.to_owned()
        } else {
            plural(state.view.counts.all, text::ONE_CLUSTER, text::CLUSTERS)
        };
        parts.push((vec![theme.part(all, Role::Title)], None));
        parts.push(gap());
    }
    for (index, (sign, word, count)) in counted(state).into_iter().enumerate() {
        let tone = if count == 0 { Tone::Dim } else { sign.tone };
        let mut item = Vec::new();
        if numbers {
            item.push(theme.span(format!("{} ", index + 1), Tone::Dim));
        }
        let count = if state.fleet.is_loading() { "–".to_owned() } else { count.to_string() };
        let text = if words {
            format!("{} {count} {word}", sign.text)
        } else {
            format!("{}{count}", sign.text)
        };
        let chosen = COUNT_FILTERS.get(index).is_some_and(|filter| state.view.filter == *filter);
        let style = theme.tone(tone);
        let style = if chosen { style.add_modifier(Modifier::UNDERLINED) } else { style };
        item.push(Span::styled(text, style));
        if index > 0 {
            parts.push(gap());
        }
        parts.push((item, Some(u8::try_from(index + 1).unwrap_or(u8::MAX))));
    }
    if state.view.counts.unknown > 0 {
        let text = text::unknown_phases(state.view.counts.unknown);
        parts.push(gap());
        parts.push((vec![theme.span(text, Tone::Warn)], None));
    }
    parts
}

/// Counts in the shortest form, the most urgent first: the end may be cut.
pub fn short_counts(cx: LineContext<'_>) -> Vec<Span<'static>> {
    let [of_phases @ .., _due] = counted(cx.state);
    of_phases
        .into_iter()
        .rev()
        .filter(|(_, _, count)| *count > 0)
        .map(|(sign, _, count)| cx.span(format!("{}{count} ", sign.text), sign.tone))
        .collect()
}

/// Name and glyph of the cluster that needs attention most: the first row of the list.
pub fn worst(state: &State) -> Option<Cell> {
    let entry = state.view.shown.first().and_then(|id| state.fleet.entries.get(id))?;
    let sign = glyph(&state.row(entry));
    Some(Cell { text: format!("{} {}", sign.text, entry.cluster.id.name), tone: sign.tone })
}

fn draw_list(canvas: &mut Canvas<'_, '_>, area: Rect) -> Option<(usize, usize)> {
    let (state, theme) = (canvas.state, canvas.theme);
    let (boxed, inner) = inside(area);
    let headed = !boxed && inner.y > area.y;
    let titled = u16::from(inner.height >= 6);
    let rows = usize::from(inner.height.saturating_sub(titled));
    canvas.metrics.page_rows = rows;
    let window = table::window(state, rows);
    let all = state.view.shown.len();
    let cx = canvas.line_context(area);
    if boxed {
        let block = theme
            .pane()
            .title(theme.title(title(cx.narrower_by(26), window.first, rows)))
            .title(theme.title_right(order(cx)))
            .title_bottom(aside_border(cx));
        canvas.block(block, area);
    } else if headed {
        let mut right = aside_line(cx.narrower_by(20)).spans;
        if right.is_empty() {
            right = order(cx);
        }
        let line = spread(title(cx, window.first, rows), right, cx.columns);
        canvas.text(line, Rect { height: 1, ..area });
    }
    if all == 0 {
        draw_nothing(canvas, inner);
        return None;
    }
    table::draw(canvas, inner, window);
    window.cursor.map(|row| (row + 1, all))
}

fn title(cx: LineContext<'_>, first: usize, rows: usize) -> Vec<Span<'static>> {
    let LineContext { state, theme, columns } = cx;
    let all = state.view.shown.len();
    let known = state.view.counts.all;
    let range = if all == 0 || (all == known && all <= rows) {
        text::TITLE.to_owned()
    } else if all <= rows {
        text::matching(all, plural(known, text::ONE_CLUSTER, text::CLUSTERS))
    } else {
        text::range(first + 1, (first + rows).min(all), all)
    };
    let mut spans = vec![theme.part(range, Role::Title)];
    if !state.view.filter.trim().is_empty() {
        spans.push(theme.part(format!(" {} ", clean(&state.view.filter)), Role::Accent));
    }
    cut_spans(spans, columns)
}

fn order(cx: LineContext<'_>) -> Vec<Span<'static>> {
    let word = cx.state.view.sort.sort_label.split(':').next().unwrap_or_default();
    let arrow = if cx.state.view.reversed { "↑" } else { "↓" };
    vec![cx.span(format!(" {word} {arrow} "), Tone::Dim)]
}

fn aside_line(cx: LineContext<'_>) -> Line<'static> {
    let texts = notices::asides(cx.state);
    if texts.is_empty() {
        return Line::default();
    }
    let text = format!(" {} ", texts.join(" · "));
    cx.narrower_by(4).line(vec![cx.theme.span(text, Tone::Dim)])
}

fn aside_border(cx: LineContext<'_>) -> Line<'static> {
    let line = aside_line(cx);
    if line.spans.is_empty() { line } else { cx.theme.title(line.spans) }
}

/// The text shown instead of rows: loading, no clusters, no match.
fn draw_nothing(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let cx = canvas.line_context(area);
    let cx = cx.with_columns(cx.narrower_by(8).columns.max(10));
    let state = cx.state;
    let fleet = &state.fleet;
    let hidden = state.view.counts.all;
    let text = if hidden > 0 {
        let key = cx.key_of(Command::Back);
        text::nothing_matches(clean(&state.view.filter), key, hidden)
    } else if fleet.is_loading() {
        text::loading(scope_text(state, true))
    } else if fleet.is_discovering {
        text::DISCOVERING.to_owned()
    } else if fleet.scopes.is_empty() && state.notices.errors.is_empty() {
        text::NO_PROJECT.to_owned()
    } else if fleet.scopes.is_empty()
        || state.session.signed_out.is_some()
        || fleet.failing().next().is_some()
    {
        text::nothing_loaded(cx.key_of(Command::Refresh))
    } else if fleet.is_narrowed() {
        text::none_selected(scope_text(state, true), cx.key_of(Command::Scope))
    } else {
        text::no_clusters(scope_text(state, true))
    };
    let problems = if hidden > 0 { problems(&state.view.filter) } else { Vec::new() };
    let told = problems.into_iter().map(|problem| (clean(&problem), Tone::Warn));
    let lines: Vec<Line<'static>> = told
        .chain([(text, Tone::Plain)])
        .flat_map(|(text, tone)| cx.paragraph(&text, tone))
        .map(Line::centered)
        .collect();
    let rows = cells(lines.len());
    let top = area.y + area.height.saturating_sub(rows) / 3;
    let place = Rect { y: top, height: rows.min(area.height), ..area };
    canvas.text(lines, place);
}

fn draw_strip(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let cx = canvas.line_context(area).narrower_by(2);
    let key = cx.key_of(Command::Activity);
    let full = vec![Span::raw(" "), cx.part(key, Role::Accent), cx.span(text::FULL_LOG, Tone::Dim)];
    let inner = canvas.pane(area, vec![cx.part(text::TITLE_ACTIVITY, Role::Title)], full);
    let shown = cx.state.activity.records.iter().rev().take(usize::from(inner.height));
    let lines = records::lines(shown, cx, true);
    canvas.text(lines, inner);
}

/// Next step or problem of the cluster under the cursor, if the preview is hidden.
fn bottom(cx: LineContext<'_>, rows: u16) -> Vec<Span<'static>> {
    let LineContext { state, theme, .. } = cx;
    let Some(entry) = state.subject() else { return Vec::new() };
    if rows < 6 || state.is_covered() {
        return Vec::new();
    }
    let next = sentences::next(entry, state);
    let sign = glyph(&state.row(entry));
    vec![
        Span::raw(" "),
        theme.span(sign.text, sign.tone),
        Span::raw(" "),
        theme.part(
            if entry.has_namesake {
                state.fleet.label(&entry.cluster.id)
            } else {
                entry.cluster.id.name.to_string()
            },
            Role::Title,
        ),
        Span::raw("  "),
        theme.span(next.with_lead(), next.tone),
    ]
}
