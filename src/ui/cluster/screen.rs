//! The cluster screen: header, tabs, and the content of the selected tab.

use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::cluster::tabs::{TABS, Tab};
use crate::app::cluster::text;
use crate::app::fleet::state::Entry;
use crate::app::screen::Clickable;
use crate::app::text as common;
use crate::domain::cluster::ClusterId;
use crate::domain::text::{cut_middle, width};
use crate::ui::canvas::{Canvas, padded};
use crate::ui::cluster::overview;
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, cells, spread, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::{header, notices, scrollbar};
use crate::ui::{activity, checklist, credentials, nodes, rotation};

/// Draws the screen.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, (id, tab): (&ClusterId, Tab)) {
    let cx = canvas.line_context(area);
    let notice_lines = own_notices(cx, id);
    let [head, notice_area, body] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(cells(notice_lines.len()).min(area.height / 3)),
        Constraint::Fill(1),
    ])
    .areas(area);
    let entry = cx.state.fleet.entries.get(id);
    draw_head(canvas, head, (id, tab, entry));
    canvas.text(notice_lines, notice_area);
    canvas.metrics.page_rows = usize::from(body.height.saturating_sub(2));
    match (tab, entry) {
        (Tab::Nodes, Some(entry)) => return nodes::tab::draw(canvas, body, entry),
        (Tab::Activity, _) => return activity::screen::draw_records(canvas, body),
        _ => {}
    }
    let boxed = body.height >= 10 && body.width >= 50;
    let mut inner = body;
    if boxed {
        let title = vec![cx.part(format!(" {} ", tab.title()), Role::Title)];
        inner = padded(canvas.pane(body, title, Vec::new()));
    }
    let cx = canvas.line_context(inner);
    let lines = match (tab, entry) {
        (Tab::Credentials, Some(entry)) => return credentials::tab::draw(canvas, inner, entry),
        (Tab::Checklist, Some(entry)) => return checklist::tab::draw(canvas, inner, entry),
        (_, None) | (Tab::Nodes | Tab::Activity, _) => {
            vec![Line::from(cx.span(text::NOT_READ, Tone::Dim))]
        }
        (Tab::Overview, Some(entry)) => overview::lines(entry, cx),
        (Tab::Rotation, Some(entry)) => rotation::tab::lines(entry, cx, usize::from(inner.height)),
    };
    let bar = inner.right().min(body.right().saturating_sub(1));
    scrollbar::scrolled(canvas, inner, bar, lines, cx.state.cluster.scroll);
}

fn own_notices(cx: LineContext<'_>, id: &ClusterId) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let mut lines = Vec::new();
    if state.session.signed_out.is_some() || state.fleet.is_stale(id) {
        lines.extend(notices::lines(cx));
    }
    if let Some(since) = state.fleet.entries.get(id).and_then(|entry| entry.not_listed_since) {
        let text = text::not_listed(state.zone().short(since));
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
    let cx = canvas.line_context(area);
    let LineContext { state, theme, columns } = cx;
    let project = cut_middle(state.fleet.project_name(id.project()), 20);
    let mut left = if columns >= 70 {
        header::path(theme, &[common::PATH_FLEET, &project, id.name.as_str()])
    } else {
        vec![Span::raw(" "), theme.part(state.fleet.label(id), Role::Title)]
    };
    if state.shared.settings.is_protected(&id.name) {
        left.push(theme.part(text::PROTECTED, Role::Title));
    }
    let first = spread(left, header::status(cx), columns);
    let gap = if columns >= 60 { "   " } else { " " };
    let all: usize = TABS.iter().map(|(_, title)| width(title) + 2 + gap.len()).sum();
    // If not all titles fit, only the open tab has one.
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
        format!("{version} · {region} · {} ", cluster.state.label())
    });
    let right = right.filter(|right| at + width(right) <= columns);
    let right = right.map(|right| theme.span(right, Tone::Dim)).into_iter().collect();
    canvas.text(vec![first, spread(tabs, right, columns)], area);
}
