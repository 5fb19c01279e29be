//! The cluster screen: header, tabs, and the content of the selected tab.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::cluster::tabs::{TABS, Tab};
use crate::app::cluster::text;
use crate::app::fleet::state::Entry;
use crate::app::screen::Clickable;
use crate::app::state::State;
use crate::domain::attention::NextStep;
use crate::domain::cluster::ClusterId;
use crate::domain::rotation::Phase;
use crate::domain::text::{cut_middle, width};
use crate::ui::canvas::{Canvas, padded};
use crate::ui::cluster::overview;
use crate::ui::rotation::{sentences, stepper};
use crate::ui::text::{behind, cells, indent, spread, wrap};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::facts::Facts;
use crate::ui::widgets::{header, notices, scrollbar};
use crate::ui::{activity, checklist, credentials, nodes};

/// From so many columns on the rotation has two columns.
const BESIDE_FROM: usize = 150;

/// Blanks before the facts of the rotation.
const INDENT: usize = 2;

/// Draws the screen.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, (id, tab): (&ClusterId, Tab)) {
    let (state, theme) = (canvas.state, canvas.theme);
    let notice_lines = own_notices(state, theme, id, usize::from(area.width));
    let [head, notice_area, body] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(cells(notice_lines.len()).min(area.height / 3)),
        Constraint::Fill(1),
    ])
    .areas(area);
    let entry = state.fleet.entries.get(id);
    draw_head(canvas, head, (id, tab, entry));
    canvas.text(notice_lines, notice_area);
    canvas.metrics.page_rows = usize::from(body.height.saturating_sub(2));
    if let (Tab::Nodes, Some(entry)) = (tab, entry) {
        nodes::tab::draw(canvas, body, entry);
        return;
    }
    if tab == Tab::Activity {
        activity::screen::draw_records(canvas, body);
        return;
    }
    let boxed = body.height >= 10 && body.width >= 50;
    let mut inner = body;
    if boxed {
        let title = vec![theme.part(format!(" {} ", tab.title()), Role::Title)];
        inner = padded(canvas.pane(body, title, Vec::new()));
    }
    if let (Tab::Credentials, Some(entry)) = (tab, entry) {
        credentials::tab::draw(canvas, inner, entry);
        return;
    }
    if let (Tab::Checklist, Some(entry)) = (tab, entry) {
        checklist::tab::draw(canvas, inner, entry);
        return;
    }
    let columns = usize::from(inner.width);
    let lines = match (tab, entry) {
        (_, None) | (Tab::Nodes | Tab::Credentials | Tab::Checklist | Tab::Activity, _) => {
            vec![Line::from(theme.span(text::NOT_READ, Tone::Dim))]
        }
        (Tab::Overview, Some(entry)) => overview::lines(entry, state, theme, columns),
        (Tab::Rotation, Some(entry)) => {
            rotation_lines(entry, state, theme, columns, usize::from(inner.height))
        }
    };
    let bar = inner.right().min(body.right().saturating_sub(1));
    scrollbar::scrolled(canvas, inner, bar, lines, state.cluster.scroll);
}

fn own_notices(state: &State, theme: Theme, id: &ClusterId, columns: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if state.session.signed_out.is_some() || state.fleet.is_stale(id) {
        lines.extend(notices::lines(state, theme, columns));
    }
    if let Some(gone) = state.fleet.entries.get(id).and_then(|entry| entry.gone) {
        let text = text::not_listed(state.zone().short(gone));
        let text = wrap(&text, columns.saturating_sub(4));
        lines.extend(behind(theme.span(" ! ", Tone::Warn), text));
    }
    lines
}

fn draw_head(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    (id, tab, entry): (&ClusterId, Tab, Option<&Entry>),
) {
    let (state, theme) = (canvas.state, canvas.theme);
    let columns = usize::from(area.width);
    let project = cut_middle(state.fleet.project_name(id.project()), 20);
    let mut left = if columns >= 70 {
        header::path(theme, &["FLEET", &project, id.name.as_str()])
    } else {
        vec![Span::raw(" "), theme.part(state.fleet.label(id), Role::Title)]
    };
    if state.shared.settings.is_protected(&id.name) {
        left.push(theme.part("  PROTECTED", Role::Title));
    }
    let first = spread(left, header::status(state, theme, columns), columns);
    let gap = if columns >= 60 { "   " } else { " " };
    let all: usize = TABS.iter().map(|(_, title)| width(title) + 2 + gap.len()).sum();
    // Where not all titles fit, only that of the open tab is written.
    let fits = all < columns;
    let mut tabs = vec![Span::raw(" ")];
    let mut at = 1;
    for (index, (each, title)) in TABS.into_iter().enumerate() {
        let title = match each == tab {
            true => title.to_uppercase(),
            false if fits => title.to_owned(),
            false => String::new(),
        };
        let wide = width(&title) + 2;
        let place = Rect { x: area.x + cells(at), y: area.y + 1, width: cells(wide), height: 1 };
        canvas.click(place, Clickable::Tab(each));
        tabs.push(theme.span(format!("{} ", index + 1), Tone::Dim));
        tabs.push(if each == tab { theme.part(title, Role::Accent) } else { Span::raw(title) });
        tabs.push(Span::raw(gap));
        at += wide + gap.len();
    }
    let right = entry.map(|entry| {
        let cluster = &entry.cluster;
        let (version, region) = (cluster.version.as_str(), cluster.id.region());
        format!("{version} · {region} · {} ", cluster.state.word())
    });
    let right = right.filter(|right| at + width(right) <= columns);
    let right = right.map(|right| theme.span(right, Tone::Dim)).into_iter().collect();
    canvas.text(vec![first, spread(tabs, right, columns)], area);
}

fn rotation_lines(
    entry: &Entry,
    state: &State,
    theme: Theme,
    columns: usize,
    rows: usize,
) -> Vec<Line<'static>> {
    let roomy = rows >= 14;
    let mut lines = Vec::new();
    if roomy {
        lines.push(Line::default());
    }
    if columns >= 96 {
        lines.extend(stepper::wide(entry, state, theme, columns));
    } else {
        lines.extend(indent(stepper::tall(entry, state, theme, columns.saturating_sub(2)), 2));
    }
    lines.push(Line::default());
    let mut facts = Facts::new(theme, columns, 12);
    let next = sentences::next(entry, state);
    let lead = format!("  ▸ {}: ", next.lead);
    let room = columns.saturating_sub(width(&lead));
    // A notice above already says that it is no longer listed.
    let said = if entry.gone.is_some() { "" } else { next.text.as_str() };
    for line in behind(theme.part(lead, Role::Accent), theme.paragraph(said, next.tone, room)) {
        facts.line(line.spans);
    }
    // While nodes are replaced there is nothing to do; the key follows at the end.
    let rolls = entry.cluster.rotation.phase == Phase::Preparing;
    if !rolls {
        sentences::key_lines(entry, state, theme, 4, &mut facts);
    }
    if roomy {
        facts.blank();
    }
    lines.extend(facts.into_lines());
    if roomy && entry.gone.is_none() {
        lines.push(Line::default());
    }
    // What blocks the nodes, what is left to do, and what this machine holds, stand beside the facts where there is room.
    let both = columns >= BESIDE_FROM;
    let left = if both { columns * 4 / 7 } else { columns.saturating_sub(INDENT) };
    let room = if both { columns - left - INDENT } else { left };
    let findings = sentences::before_complete(entry, state, theme, room);
    let lists_findings = !findings.is_empty();
    let mut known = Facts::new(theme, left.saturating_sub(2 * usize::from(both)), 13);
    sentences::roll_facts(entry, state, theme, !both, &mut known);
    if roomy {
        known.blank();
    }
    sentences::problems(sentences::other_problems(entry, state, &next), "SKE reports", &mut known);
    if rolls {
        known.blank();
        sentences::key_lines(entry, state, theme, 0, &mut known);
    }
    let (mut first, mut aside) = if both { (Vec::new(), findings) } else { (findings, Vec::new()) };
    push_section(&mut first, known.into_lines());
    let mut known = first;
    if both && rolls {
        let mut blocker = Facts::new(theme, room, 13);
        sentences::blocked_by(entry, state, theme, &mut blocker);
        push_section(&mut aside, blocker.into_lines());
    }
    let fits = |lines: &[Line<'_>], above: usize, more: usize| above + lines.len() + more <= rows;
    let above = lines.len();
    let side = if both { &mut aside } else { &mut known };
    if fits(side, above, 6) && !lists_findings {
        push_section(side, overview::accesses(entry, state, theme, room));
    }
    let is_unhealthy = state.row(entry).next_step() == Some(NextStep::InspectUnhealthy);
    if fits(side, above, 4) && entry.gone.is_none() && !is_unhealthy {
        push_section(side, advice(entry, theme, room));
    }
    if both {
        known = overview::beside(known, aside, left);
    }
    lines.extend(indent(known, INDENT));
    lines
}

/// Adds lines below others, with an empty one between them.
fn push_section(lines: &mut Vec<Line<'static>>, section: Vec<Line<'static>>) {
    if !lines.is_empty() && !section.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(section);
}

/// Advice for the current phase.
fn advice(entry: &Entry, theme: Theme, columns: usize) -> Vec<Line<'static>> {
    let text = match entry.cluster.rotation.phase {
        Phase::Never | Phase::Completed if entry.cluster.version.may_have_static_tokens() => {
            text::ADVICE_START_OLD_VERSION
        }
        Phase::Never | Phase::Completed => text::ADVICE_START,
        Phase::Preparing | Phase::Prepared => text::ADVICE_PREPARED,
        Phase::Completing => text::ADVICE_COMPLETING,
        Phase::Unknown(_) => text::ADVICE_UNKNOWN,
    };
    theme.paragraph(text, Tone::Dim, columns.min(100))
}
