//! The checklist tab.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::checklist::text;
use crate::app::fleet::state::Entry;
use crate::app::nodes::text::list as names;
use crate::domain::checklist::ChecklistClient;
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::text::{cut_middle, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, cells, indent, pad_end};
use crate::ui::theme::Role;
use crate::ui::widgets::scrollbar;

/// Draws the tab.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, entry: &Entry) {
    let (cx, rows) = (canvas.line_context(area), usize::from(area.height));
    let LineContext { state, theme, columns } = cx;
    let rotation = &entry.cluster.rotation;
    let known = state.checklist_of(&entry.cluster.id);
    let clients = known.list.clients();
    let mut above = Vec::new();
    if clients.is_empty() {
        above.extend(cx.marked(" ", Tone::Dim, text::EMPTY));
        above.extend(cx.with_columns(columns.min(100)).marked(" ", Tone::Dim, text::WHAT_FOR));
    } else if rotation.start().is_some() {
        let done = clients.iter().filter(|client| client.is_done(rotation)).count();
        let (sign, tone) = match known.open(rotation).next() {
            Some(_) => ("!", Tone::Warn),
            None if known.is_current => ("✓", Tone::Good),
            None => ("?", Tone::Warn),
        };
        let count = if known.is_current { text::count } else { text::count_outdated };
        above.extend(cx.marked(sign, tone, &count(done, clients.len())));
    } else {
        above.extend(cx.marked(" ", Tone::Dim, text::NO_ROTATION));
    }
    above.push(Line::default());
    let last = clients.len().saturating_sub(1);
    let selected = state.checklist.cursor.min(last);
    let widest = |cell: fn(&ChecklistClient) -> &String, most: usize, title: &str| {
        let wide = clients.iter().map(|client| width(cell(client))).max().unwrap_or_default();
        wide.max(width(title)).min(most)
    };
    let name = widest(|client| &client.name, columns * 2 / 5, text::COLUMN_CLIENT);
    let owner = widest(|client| &client.owner, columns / 4, text::COLUMN_OWNER);
    let line = |[first, second, third]: [&str; 3]| {
        let [first, second] = [(first, name), (second, owner)]
            .map(|(text, columns)| pad_end(&cut_middle(text, columns), columns));
        format!("{first}  {second}  {third}")
    };
    if !clients.is_empty() {
        let titles = line([text::COLUMN_CLIENT, text::COLUMN_OWNER, text::COLUMN_NOTE]);
        above.push(cx.line(vec![blanks(4), theme.part(titles, Role::Label)]));
    }
    let mut below = vec![Line::default()];
    below.extend(source_lines(cx, entry, &known));
    let room = rows.saturating_sub(above.len() + below.len()).max(1);
    (canvas.metrics.page_rows, canvas.metrics.scroll_last) = (room, last);
    let first = (selected + 1).saturating_sub(room);
    let shown = clients.iter().enumerate().skip(first).take(room).map(|(at, client)| {
        let is_done = client.is_done(rotation);
        let mark =
            if is_done { theme.span("✓ ", Tone::Good) } else { theme.span("○ ", Tone::Warn) };
        let is_selected = at == selected;
        let lead = if is_selected { theme.part("▸ ", Role::Accent) } else { Span::raw("  ") };
        let words = line([&client.name, &client.owner, &client.note]);
        let words = if is_selected { theme.part(words, Role::Title) } else { Span::raw(words) };
        cx.line(vec![lead, mark, words])
    });
    let head = above.len();
    let lines: Vec<Line<'static>> = above.into_iter().chain(shown).chain(below).collect();
    canvas.text(lines, area);
    let edge = canvas.frame.area().right().saturating_sub(1);
    let list_area = Rect {
        y: area.y + cells(head).min(area.height),
        height: cells(room).min(area.height.saturating_sub(cells(head))),
        ..area
    };
    scrollbar::draw(canvas, list_area, area.right().min(edge), first, clients.len());
}

/// The source of the list, with caveats.
fn source_lines(cx: LineContext<'_>, entry: &Entry, known: &KnownChecklist) -> Vec<Line<'static>> {
    let outdated = || {
        let why = cx.state.checklist_unseen(&entry.cluster.id);
        cx.marked("?", Tone::Warn, &text::outdated(&known.source, &why))
    };
    let dim = |text: &str| indent(cx.narrower_by(2).paragraph(text, Tone::Dim), 2);
    match &known.source {
        ChecklistSource::Reading => dim(text::READING),
        ChecklistSource::Local => dim(text::LOCAL),
        ChecklistSource::Shared { only_here } => {
            let mut lines = if known.is_current { dim(text::SHARED) } else { outdated() };
            if !only_here.is_empty() {
                let missing = only_here.iter().map(|client| client.name.clone());
                let missing = text::only_here(names(missing, 3));
                lines.extend(cx.marked("!", Tone::Warn, &missing));
            }
            lines
        }
        ChecklistSource::LocalUnseen | ChecklistSource::Copy | ChecklistSource::CopyOfRemoved => {
            outdated()
        }
        ChecklistSource::Unreadable(why) => cx.marked("✗", Tone::Bad, &text::unreadable(why)),
        ChecklistSource::Failed(failure) => cx.marked("✗", Tone::Bad, &text::failed(failure)),
    }
}
