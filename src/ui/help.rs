//! The key help, built from the keymap: rotation steps, then the keys of the current context by section, then the
//! others. In as many columns as fit; a search keeps only matching lines.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::{Cell, Tone};
use crate::app::cluster::tabs::TABS;
use crate::app::fleet::columns::{ERROR_GLYPH, phase_glyph};
use crate::app::help::Help;
use crate::app::keymap::{BINDINGS, Binding, Command, HelpSection, KeyContext};
use crate::app::rotation;
use crate::app::state::State;
use crate::app::text;
use crate::domain::rotation::Phase;
use crate::domain::text::{clean, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, beside, pad_end, wrap};
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::dialog::overlay;
use crate::ui::widgets::scrollbar;

/// Minimum width of a column.
const COLUMN: usize = 66;
/// Blanks between columns.
const GAP: usize = 2;

/// A line of the help: a key or sign, and its meaning.
struct Item {
    key: String,
    tone: Option<Tone>,
    text: String,
}

impl Item {
    fn of(sign: Cell, text: impl Into<String>) -> Self {
        Self { key: sign.text, tone: Some(sign.tone), text: text.into() }
    }
}

struct Section {
    title: &'static str,
    items: Vec<Item>,
}

/// Draws the overlay.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, Help { context, scroll }: Help) {
    let (state, theme) = (canvas.state, canvas.theme);
    let inner = overlay(canvas, area, text::HELP_TITLE);
    let room = usize::from(inner.width.saturating_sub(2));
    let count = ((room + GAP) / (COLUMN + GAP)).max(1);
    let columns = (room + GAP) / count - GAP;
    let sections = found(sections(canvas.line_context(inner), context), state);
    let keys = sections.iter().flat_map(|section| &section.items).map(|item| width(&item.key));
    let keys = keys.max().unwrap_or(0).min(if columns >= 60 { 16 } else { 9 });
    let blocks: Vec<Vec<Line<'static>>> =
        sections.iter().map(|section| lines(section, theme, (keys, columns))).collect();
    let mut lines = side_by_side(blocks, count, columns);
    if lines.is_empty() {
        let text = text::no_match(clean(&state.search.text));
        lines.push(Line::from(theme.span(format!(" {text}"), Tone::Dim)));
    }
    scrollbar::scrolled(canvas, inner, inner.right().saturating_sub(1), lines, scroll);
}

/// Sections reduced to the items that match the search.
fn found(sections: Vec<Section>, state: &State) -> Vec<Section> {
    let is_found =
        |item: &Item| state.search.text.is_empty() || state.search.is_in([&*item.key, &*item.text]);
    let narrowed = sections.into_iter().map(|section| Section {
        items: section.items.into_iter().filter(is_found).collect(),
        ..section
    });
    narrowed.filter(|section| !section.items.is_empty()).collect()
}

/// Distributes blocks over at most `count` columns of similar height, without splitting a block.
fn side_by_side(blocks: Vec<Vec<Line<'static>>>, count: usize, wide: usize) -> Vec<Line<'static>> {
    let all: usize = blocks.iter().map(|block| block.len() + 1).sum();
    let height = all.div_ceil(count);
    let mut columns: Vec<Vec<Line<'static>>> = vec![Vec::new()];
    for block in blocks {
        let used = columns.last().map_or(0, Vec::len);
        // A block that would cross the bottom goes to the column that would contain its larger part.
        if used > 0 && used + block.len() / 2 >= height && columns.len() < count {
            columns.push(Vec::new());
        }
        if let Some(column) = columns.last_mut() {
            if !column.is_empty() {
                column.push(Line::default());
            }
            column.extend(block);
        }
    }
    let columns = columns.into_iter().enumerate();
    columns.fold(Vec::new(), |left, (at, column)| beside(left, column, at * (wide + GAP)))
}

fn lines(section: &Section, theme: Theme, (keys, columns): (usize, usize)) -> Vec<Line<'static>> {
    // Numbers and signs are one column wide and need no wide label.
    let label = if section.items.iter().all(|item| item.tone.is_some()) { 3 } else { keys + 2 };
    let mut lines = vec![Line::from(theme.part(format!(" {}", section.title), Role::Title))];
    for item in &section.items {
        let key = pad_end(&item.key, label);
        let key = match item.tone {
            Some(tone) => theme.span(key, tone),
            None => theme.part(key, Role::Accent),
        };
        let text = wrap(&item.text, columns.saturating_sub(label + 1));
        lines.extend(behind(vec![Span::raw(" "), key], text));
    }
    lines
}

fn sections(cx: LineContext<'_>, context: KeyContext) -> Vec<Section> {
    let here = |binding: &&Binding| binding.contexts.contains(&context);
    let mut sections = vec![steps(cx)];
    for (title, section) in SECTIONS {
        let bindings = BINDINGS.iter().filter(here).filter(|binding| binding.section == section);
        let mut items: Vec<Item> = Vec::new();
        let mut numbers: Vec<String> = Vec::new();
        for binding in bindings {
            if matches!(binding.command, Command::Number(_)) {
                numbers.push(keys(cx, binding));
            } else {
                items.push(item(cx, binding));
            }
        }
        if !numbers.is_empty() {
            let is_fleet = context == KeyContext::Fleet;
            let tabs = || text::help_tabs(TABS.map(|(_, title)| title).join(", "));
            let text = if is_fleet { text::HELP_COUNTS.to_owned() } else { tabs() };
            items.push(Item { key: numbers.join(" "), tone: None, text });
        }
        sections.push(Section { title, items });
    }
    sections.push(signs());
    for other in KeyContext::ALL {
        let elsewhere = BINDINGS.iter().filter(|binding| {
            let is_number = matches!(binding.command, Command::Number(_));
            !is_number && !here(binding) && binding.contexts.first() == Some(&other)
        });
        let items = elsewhere.map(|binding| item(cx, binding)).collect();
        sections.push(Section { title: other.title(), items });
    }
    sections
}

const SECTIONS: [(&str, HelpSection); 5] = [
    (text::HELP_ACT, HelpSection::Act),
    (text::HELP_FIND, HelpSection::Find),
    (text::HELP_SHOW, HelpSection::Show),
    (text::HELP_MOVE, HelpSection::Move),
    (text::HELP_PROGRAM, HelpSection::Program),
];

fn keys(cx: LineContext<'_>, binding: &Binding) -> String {
    cx.theme.key(&cx.state.shared.keymap.labels(binding))
}

fn item(cx: LineContext<'_>, binding: &Binding) -> Item {
    Item { key: keys(cx, binding), tone: None, text: binding.help.to_owned() }
}

/// A rotation in brief, with the configured keys.
fn steps(cx: LineContext<'_>) -> Section {
    let issue = cx.key_of(Command::Kubeconfig);
    let rotate = cx.key_of(Command::Rotate);
    let items = [
        (rotation::text::STEP_1, text::help_access(&issue)),
        (rotation::text::STEP_2, text::help_start(&rotate)),
        (rotation::text::STEP_3, text::help_clients(&issue)),
        (rotation::text::STEP_4, text::help_complete(&rotate)),
    ]
    .map(|(step, text)| {
        let (number, title) = step.split_once(' ').unwrap_or(("", step));
        Item::of(Cell::new(number, Tone::Plain), format!("{title}: {text}"))
    });
    Section { title: text::HELP_ROTATION, items: items.into() }
}

fn signs() -> Section {
    let phases = [
        (Phase::Never, text::SIGN_NEVER),
        (Phase::Preparing, text::SIGN_PREPARING),
        (Phase::Prepared, text::SIGN_PREPARED),
        (Phase::Completing, text::SIGN_COMPLETING),
        (Phase::Completed, text::SIGN_COMPLETED),
    ]
    .map(|(phase, text)| Item::of(phase_glyph(&phase), text));
    let others = [
        ("✗", Tone::Bad, text::SIGN_STUCK),
        (ERROR_GLYPH, Tone::Warn, text::SIGN_ERROR),
        ("!", Tone::Warn, text::SIGN_DUE),
        ("○", Tone::Dim, text::SIGN_HIBERNATED),
        ("~", Tone::Dim, text::SIGN_STALE),
        ("?", Tone::Warn, text::SIGN_UNKNOWN),
    ]
    .map(|(sign, tone, text)| Item::of(Cell::new(sign, tone), text));
    Section { title: text::HELP_SIGNS, items: phases.into_iter().chain(others).collect() }
}
