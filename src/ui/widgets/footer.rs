//! The footer of every screen: the latest message, and the available keys.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::availability::can;
use crate::app::cell::Tone;
use crate::app::checklist::state::ChecklistField;
use crate::app::cluster::tabs::Tab;
use crate::app::fleet::filter::problems;
use crate::app::keymap::{BINDINGS, Binding, Command, KeyContext};
use crate::app::kubeconfig::form::{KubeconfigField, KubeconfigForm, KubeconfigFormStage};
use crate::app::kubeconfig::renewal::{RenewalField, RenewalStage};
use crate::app::menus::state::MenuItems;
use crate::app::notices::ToastAbout;
use crate::app::rotation::dialog::Focus;
use crate::app::screen::{Overlay, Screen};
use crate::app::state::State;
use crate::app::text;
use crate::app::text_field::LineInput;
use crate::domain::attention::NextStep;
use crate::domain::text::{clean, plural, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, blanks, cells, spans_width, spread, wrap_to};
use crate::ui::theme::{Role, Theme};

/// Default content of the bottom line, and the position in the screen's list.
#[derive(Debug, Default)]
pub struct BottomLine {
    pub spans: Vec<Span<'static>>,
    /// Row of the cursor and number of rows, both 1-based.
    pub row: Option<(usize, usize)>,
}

/// Maximum number of key hints.
const HINTS: usize = 7;

/// Maximum lines of a toast.
const TOAST_LINES: usize = 3;

/// The toast to show, unless the screen already shows it. `records`: the screen shows the latest records.
pub fn toast(state: &State, records: bool) -> Option<&str> {
    let toast = state.notices.toast.as_ref()?;
    let is_shown = match (&state.screen, &toast.about) {
        (_, ToastAbout::Request) | (Screen::Cluster { .. }, ToastAbout::Ske) => false,
        (Screen::Fleet, _) => records,
        (Screen::Activity(_), _) => true,
        // The tab already shows the roll's blocker.
        (Screen::Cluster { id, tab, .. }, ToastAbout::Cluster(cluster)) if id == cluster => {
            *tab == Tab::Activity
                || matches!(tab, Tab::Rotation | Tab::Nodes) && state.nodes.is_blocked(id)
        }
        (Screen::Cluster { .. }, ToastAbout::Cluster(_)) => false,
    };
    (!is_shown).then_some(toast.text.as_str())
}

/// Height of the footer on a screen of this size.
pub fn rows(state: &State, area: Rect, toast: Option<&str>) -> u16 {
    if area.height < 10 {
        return 1;
    }
    let columns = usize::from(area.width.saturating_sub(4));
    let lines = match (state.notices.errors.front(), toast) {
        _ if state.view.filter_input.is_some() || state.is_searching() => 1,
        (Some(error), _) => {
            // One more row for the key hints of the error.
            wrap_to(&error_text(error), columns, 4).len() + usize::from(area.width < 60)
        }
        (None, Some(toast)) => wrap_to(toast, columns, TOAST_LINES).len(),
        (None, None) => 1,
    };
    cells(lines + 1).clamp(2, (area.height / 3).max(2))
}

fn error_text(error: &crate::domain::failure::Failure) -> String {
    let trace = error.trace.as_ref().map(text::trace).unwrap_or_default();
    let text = error.to_string();
    let stop = if text.ends_with('.') { "" } else { "." };
    format!("{text}{stop}{trace}")
}

/// Draws the footer; `bottom` is the screen's own line, shown if there is no message.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, (bottom, toast): (BottomLine, Option<&str>)) {
    let cx = canvas.line_context(area);
    let LineContext { state, .. } = cx;
    let rows = usize::from(area.height);
    let mut lines = message_lines(cx, rows, (bottom.spans, toast));
    let one_line = area.height < 2;
    let something_said = toast.is_some() || !state.notices.errors.is_empty();
    let types = state.view.filter_input.is_some() || state.is_searching();
    if one_line && (something_said || types) {
        lines.truncate(1);
    } else {
        lines.truncate(usize::from(area.height.saturating_sub(1)));
        lines.push(hint_line(cx, bottom.row));
    }
    canvas.text(lines, area);
}

fn message_lines(
    cx: LineContext<'_>,
    rows: usize,
    (status, toast): (Vec<Span<'static>>, Option<&str>),
) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    if state.is_searching() {
        return vec![search_line(cx)];
    }
    if state.view.filter_input.is_some() {
        return vec![filter_line(cx)];
    }
    if let Some(error) = state.notices.errors.front() {
        let more = state.notices.errors.len() - 1;
        let more = if more == 0 { String::new() } else { text::more_errors(more) };
        let (back, copy) = (cx.key_of(Command::Back), cx.key_of(Command::Copy));
        // The first press only clears the filter.
        let clears = state.screen == Screen::Fleet && !state.view.filter.is_empty();
        let back = if clears { format!("{back} {back}") } else { back };
        let hint = text::error_hint(&more, &back, &copy);
        let hint = vec![theme.span(hint, Tone::Dim)];
        let texts = wrap_to(&error_text(error), columns.saturating_sub(4), rows.max(2) - 1);
        let mut lines = behind(theme.span(" ✗ ", Tone::Bad), texts);
        let last = lines.pop().unwrap_or_default();
        if spans_width(&last.spans) + 1 + spans_width(&hint) > columns && lines.len() + 2 < rows {
            lines.push(last);
            lines.push(spread(Vec::new(), hint, columns));
        } else {
            lines.push(spread(last.spans, hint, columns));
        }
        while lines.len() + 1 < rows {
            lines.insert(0, Line::default());
        }
        return lines;
    }
    if let Some(toast) = toast {
        let lines = rows.saturating_sub(1).clamp(1, TOAST_LINES);
        let mark = theme.part(" ▸ ", Role::Accent);
        return behind(mark, wrap_to(toast, columns.saturating_sub(4), lines));
    }
    vec![cx.line(status)]
}

fn search_line(cx: LineContext<'_>) -> Line<'static> {
    let LineContext { state, theme, columns } = cx;
    let count = state.search_matches();
    let count = count.map(|count| format!("{} ", plural(count, text::ONE_MATCH, text::MATCHES)));
    let count = count.unwrap_or_default();
    let left = typed(theme, state.search.input.as_ref());
    spread(left, vec![theme.span(count, Tone::Dim)], columns)
}

/// A text input line.
fn typed<B>(theme: Theme, line: Option<&LineInput<B>>) -> Vec<Span<'static>> {
    let Some(LineInput { input, selected, .. }) = line else { return Vec::new() };
    let at = |range: (usize, usize)| {
        let (skipped, taken) = range;
        let part: String = input.value().chars().skip(skipped).take(taken).collect();
        let part = clean(&part);
        if *selected { theme.part(part, Role::Focus) } else { Span::raw(part) }
    };
    let cursor = theme.part("▏", Role::Accent);
    vec![
        theme.part(" / ", Role::Accent),
        at((0, input.cursor())),
        cursor,
        at((input.cursor(), usize::MAX)),
    ]
}

fn filter_line(cx: LineContext<'_>) -> Line<'static> {
    let LineContext { state, theme, columns } = cx;
    let shown = text::shown_of(state.view.shown.len(), state.view.counts.all);
    let mut left = typed(theme, state.view.filter_input.as_ref());
    if state.view.shown.is_empty() && state.view.counts.all > 0 {
        let problems = problems(&state.view.filter).join("; ");
        left.push(theme.span(format!("  {}", clean(&problems)), Tone::Warn));
    }
    spread(left, vec![theme.span(shown, Tone::Dim)], columns)
}

fn hint_line(cx: LineContext<'_>, row: Option<(usize, usize)>) -> Line<'static> {
    let LineContext { state, theme, columns } = cx;
    let mut right = Vec::new();
    if !state.search.text.is_empty() && !state.is_searching() && state.is_searchable() {
        right.push(theme.part(format!("/{} ", clean(&state.search.text)), Role::Accent));
    }
    if state.context() == KeyContext::Fleet {
        let marks = state.view.marked(&state.fleet).count();
        if marks > 0 {
            right.push(theme.part(text::marked(marks), Role::Accent));
            right.push(Span::raw("  "));
        }
        if let Some((at, all)) = row {
            right.push(theme.span(format!("{at}/{all} "), Tone::Dim));
        }
    }
    let room = columns.saturating_sub(spans_width(&right) + 1);
    let gap = if columns < 60 { 1 } else { 3 };
    spread(hints(cx, room, gap), right, columns)
}

/// As many hints as fit; back, quit and help always stay.
fn hints(cx: LineContext<'_>, room: usize, gap: usize) -> Vec<Span<'static>> {
    let LineContext { state, theme, .. } = cx;
    let context = state.context();
    let next = state.next_step();
    let mut possible: Vec<(u8, &Binding)> = BINDINGS
        .iter()
        .filter(|binding| binding.contexts.contains(&context))
        .filter_map(|binding| binding.hint.map(|hint| (hint, binding)))
        .filter_map(|(hint, binding)| Some((place(binding.command, hint, next.as_ref())?, binding)))
        .filter(|(_, binding)| {
            // A key that the phase forbids stays in place; pressing it shows the reason.
            let stays = matches!(binding.command, Command::Rotate | Command::Kubeconfig)
                && state.subject().is_some();
            works(state, context, binding.command) || stays
        })
        // If space is tight, cluster actions take precedence.
        .filter(|(_, binding)| binding.command != Command::Quit || gap > 1)
        .collect();
    possible.sort_by_key(|(hint, _)| *hint);
    let (last, first): (Vec<_>, Vec<_>) = possible.into_iter().partition(|(_, binding)| {
        matches!(binding.command, Command::Back | Command::Quit | Command::Help)
    });
    let text = |binding: &Binding| {
        let key = theme.key(&state.shared.keymap.label(binding));
        (key, label(state, binding))
    };
    let wide = |binding: &Binding| {
        let (key, label) = text(binding);
        width(&key) + 1 + width(&label) + gap
    };
    let mut used: usize = 1 + last.iter().map(|(_, binding)| wide(binding)).sum::<usize>();
    let mut chosen = Vec::new();
    for (_, binding) in first.iter().take(HINTS.saturating_sub(last.len())) {
        if used + wide(binding) <= room {
            used += wide(binding);
            chosen.push(*binding);
        }
    }
    chosen.extend(last.iter().map(|(_, binding)| *binding));
    let mut spans = vec![Span::raw(" ")];
    for binding in chosen {
        let (key, label) = text(binding);
        if works(state, context, binding.command) {
            spans.push(theme.part(key, Role::Accent));
            spans.push(Span::raw(format!(" {label}")));
        } else {
            spans.push(theme.part(format!("{key} {label}"), Role::Off));
        }
        spans.push(blanks(gap));
    }
    spans
}

/// Position of a hint, depending on the next step; `None` if it is not shown.
fn place(command: Command, hint: u8, next: Option<&NextStep>) -> Option<u8> {
    let is_unhealthy = matches!(next, Some(NextStep::InspectUnhealthy));
    match (command, next) {
        (Command::Rotate, Some(NextStep::InspectUnhealthy)) => None,
        (Command::Reconcile, _) => is_unhealthy.then_some(hint),
        (Command::Kubeconfig, Some(NextStep::RenewKubeconfigs(_))) => Some(15),
        _ => Some(hint),
    }
}

fn works(state: &State, context: KeyContext, command: Command) -> bool {
    match (context, command) {
        (KeyContext::Dialog, Command::Copy) => state.overlay() == Some(Overlay::Rotation),
        // On the fleet there is no previous screen; quit is shown instead of back.
        (KeyContext::Fleet, Command::Back) => clears(state),
        (KeyContext::Fleet, Command::Quit) => !clears(state),
        // Tab and the arrows do the same for buttons.
        (KeyContext::Dialog, Command::Right) | (_, Command::Quit) => false,
        // Both keys do the same in a menu; only the fitting one is shown.
        (KeyContext::Menu, Command::Mark) => ticks(state),
        (KeyContext::Menu, Command::Open) => !ticks(state),
        // Every overlay can be closed.
        (
            KeyContext::Help
            | KeyContext::Filter
            | KeyContext::Menu
            | KeyContext::Form
            | KeyContext::Dialog,
            Command::Back,
        ) => true,
        (KeyContext::Form, command) => match &state.kubeconfig.form {
            Some(form) => works_in_form(form, command),
            None if state.checklist.dialog.is_some() => {
                matches!(command, Command::Open | Command::Next | Command::Back)
            }
            None => !matches!(command, Command::Mark | Command::Submit),
        },
        _ => can(state, command).is_ok(),
    }
}

/// Whether back clears a filter or error in the fleet.
fn clears(state: &State) -> bool {
    !state.view.filter.is_empty() || !state.notices.errors.is_empty()
}

/// Whether a key has an effect in the focused field of the form.
fn works_in_form(form: &KubeconfigForm, command: Command) -> bool {
    let chooses = matches!(form.focus, KubeconfigField::Kind | KubeconfigField::Destination)
        || (form.focus == KubeconfigField::Lifetime && form.issued.is_none());
    match (&form.stage, command) {
        (KubeconfigFormStage::Editing, Command::Submit) => form.focus != KubeconfigField::Confirm,
        (KubeconfigFormStage::Editing, Command::Mark) => {
            form.focus == KubeconfigField::MakeCurrent && !form.becomes_current()
        }
        (KubeconfigFormStage::Editing, Command::Right) => chooses,
        (KubeconfigFormStage::Issuing(_) | KubeconfigFormStage::Saving(_), _)
        | (_, Command::Submit | Command::Mark | Command::Right)
        | (KubeconfigFormStage::Failed(_), Command::Next) => false,
        _ => true,
    }
}

/// Whether the open menu has checkboxes.
fn ticks(state: &State) -> bool {
    state.menu.as_ref().is_some_and(|menu| matches!(menu.items, MenuItems::Columns))
}

/// The effect of a key in the open menu.
fn menu_label(kind: &MenuItems, command: Command) -> Option<&'static str> {
    match (kind, command) {
        (MenuItems::Columns, Command::Mark) => Some(text::PRESS_TOGGLE),
        // Ticked lines stay ticked.
        (MenuItems::Columns, Command::Back) => Some(text::PRESS_CLOSE),
        (MenuItems::Sort | MenuItems::Scope(_) | MenuItems::Forget(_), Command::Open) => {
            Some(text::PRESS_SELECT)
        }
        (MenuItems::Export(_), Command::Open) => Some(text::PRESS_EXPORT),
        (MenuItems::Copy(_), Command::Open) => Some(text::PRESS_COPY),
        (MenuItems::Commands(_), Command::Open) => Some(text::PRESS_RUN),
        _ => None,
    }
}

/// The effect of Enter in the open dialog or form.
fn press_label(state: &State) -> Option<&'static str> {
    match state.overlay()? {
        Overlay::Quit => {
            let quits = state.session.quit_dialog.as_ref()?.confirmation.confirms;
            Some(if quits { text::PRESS_QUIT } else { text::PRESS_STAY })
        }
        Overlay::Rotation => {
            let dialog = state.rotation.dialog.as_ref()?;
            Some(match dialog.focus {
                _ if !dialog.stage.is_open() => text::PRESS_CLOSE,
                Focus::Name => text::PRESS_NEXT_FIELD,
                Focus::Accept if dialog.is_accepted() => text::PRESS_NOT_ACCEPT,
                Focus::Accept => text::PRESS_ACCEPT,
                Focus::Cancel => text::PRESS_CANCEL,
                Focus::Confirm if !dialog.is_ready() => text::PRESS_MISSING,
                Focus::Confirm => dialog.step.verb(),
            })
        }
        Overlay::Action => {
            let confirms = state.action.as_ref()?.confirmation.confirms;
            Some(if confirms { text::PRESS_CONFIRM } else { text::PRESS_CANCEL })
        }
        Overlay::Kubeconfig => Some(form_label(state.kubeconfig.form.as_ref()?)),
        Overlay::Renewal => {
            let renewal = state.kubeconfig.renewal.as_ref()?;
            Some(match (renewal.stage, renewal.focus) {
                (RenewalStage::Ended, _) => text::PRESS_CLOSE,
                (_, RenewalField::Lifetime) => text::PRESS_NEXT_FIELD,
                (_, RenewalField::Cancel) => text::PRESS_CANCEL,
                (_, RenewalField::Confirm) => text::PRESS_RENEW,
            })
        }
        Overlay::Checklist => Some(match state.checklist.dialog.as_ref()?.focus {
            ChecklistField::Cancel => text::PRESS_CANCEL,
            ChecklistField::Confirm => text::PRESS_CONFIRM,
            ChecklistField::Name | ChecklistField::Owner | ChecklistField::Note => {
                text::PRESS_NEXT_FIELD
            }
        }),
        Overlay::Help | Overlay::Log | Overlay::Menu => None,
    }
}

fn form_label(form: &KubeconfigForm) -> &'static str {
    match (&form.stage, form.focus) {
        (KubeconfigFormStage::Failed(_), _) => text::PRESS_CLOSE,
        (KubeconfigFormStage::Asking { answer, .. }, _) if *answer > 0 => text::PRESS_CONFIRM,
        (KubeconfigFormStage::Asking { .. }, _) | (_, KubeconfigField::Cancel) => {
            text::PRESS_CANCEL
        }
        (_, KubeconfigField::Confirm) => submit_label(form),
        (_, field) if form.after(field) != KubeconfigField::Confirm => text::PRESS_NEXT_FIELD,
        _ if form.issued.is_some() => text::PRESS_TO_SAVE,
        _ => text::PRESS_TO_ISSUE,
    }
}

fn submit_label(form: &KubeconfigForm) -> &'static str {
    if form.issued.is_some() { text::PRESS_SAVE } else { text::PRESS_ISSUE }
}

fn label(state: &State, binding: &Binding) -> String {
    if let (Command::Rotate, Some(step)) = (binding.command, state.due_step()) {
        return format!("{step}…");
    }
    let has_menu = state.context() == KeyContext::Menu;
    let menu = state.menu.as_ref().filter(|_| has_menu);
    let in_menu = menu.and_then(|menu| menu_label(&menu.items, binding.command));
    let label = match (binding.command, &state.kubeconfig.form) {
        (Command::Submit, Some(form)) => Some(submit_label(form)),
        (Command::Open, _) => in_menu.or_else(|| press_label(state)),
        _ => in_menu,
    };
    let is_fleet = state.screen == Screen::Fleet && !state.is_covered();
    let is_record = state.activity.open && state.lists_records() && !state.has_dialog();
    let searched = || !state.search.text.is_empty() && state.is_searchable();
    let filtered = || !state.view.filter.is_empty() && state.view.filter_input.is_none();
    let is = |command| binding.command == command;
    let plain = || {
        if is(Command::Kubeconfig) && !state.renewed_entries().is_empty() {
            text::RENEW
        } else if is(Command::Events) && state.nodes.in_full {
            text::ALL_NODES
        } else if is(Command::Open) && is_record {
            text::PRESS_LIST
        } else if is(Command::Back) && searched() && state.search.input.is_none() {
            text::CLEAR_SEARCH
        } else if is(Command::Back) && state.context() == KeyContext::Help {
            text::PRESS_CLOSE
        } else if is(Command::Back) && is_fleet && filtered() {
            text::CLEAR_FILTER
        } else if is(Command::Back) && is_fleet && !state.notices.errors.is_empty() {
            text::PRESS_DISMISS
        } else {
            binding.label
        }
    };
    label.unwrap_or_else(plain).to_owned()
}
