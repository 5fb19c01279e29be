//! The dialog to start or complete a rotation: cluster, effect of the step, findings, and two buttons.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::rotation::dialog::{Focus, RotationDialog, RotationDialogStage};
use crate::app::rotation::findings_text;
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::rotation::text;
use crate::domain::age::passed;
use crate::domain::cluster::NodePool;
use crate::domain::preflight::StaticTokens;
use crate::domain::rotation::Step;
use crate::domain::text::{clean, cut_middle, plural, width};
use crate::ui::canvas::Canvas;
use crate::ui::line_context::LineContext;
use crate::ui::rotation::{findings, sentences};
use crate::ui::text::spread;
use crate::ui::theme::Role;
use crate::ui::widgets::button::Button;
use crate::ui::widgets::dialog::{columns, failure, field, place, room, shorten, show};

/// Maximum width of the dialog.
const MOST: u16 = 78;
/// The shortest level of detail; 0 is the longest.
const SHORTEST: u8 = 3;
/// Rows of the scrolled part next to which the cluster has a line of its own.
const ROWS_BELOW_CLUSTER: usize = 4;

/// The dialog in three parts; only the middle one scrolls.
struct Parts {
    top: Vec<Line<'static>>,
    middle: Vec<Line<'static>>,
    bottom: Vec<Line<'static>>,
    /// Minimum visible rows of the middle.
    least: usize,
}

/// Draws the dialog over `area`.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, dialog: &RotationDialog) {
    let cx = canvas.line_context(area).with_columns(columns(area, MOST));
    let LineContext { theme, .. } = cx;
    let buttons = buttons(dialog, cx.state.shared.fits_rotation_dialog());
    let room = room(area, MOST, &buttons);
    let mut parts = parts(cx, dialog, 0);
    let fits = |parts: &Parts| parts.top.len() + parts.least + parts.bottom.len() <= room;
    for level in 1..=SHORTEST {
        if fits(&parts) {
            break;
        }
        parts = self::parts(cx, dialog, level);
    }
    if !fits(&parts) {
        parts = scrolling_parts(cx, dialog, room);
    }
    let Parts { top, middle, bottom, .. } = parts;
    let middle_room = room.saturating_sub(top.len() + bottom.len());
    canvas.metrics.scroll_last = middle.len().saturating_sub(middle_room);
    // The last row says how many lines follow.
    canvas.metrics.page_rows = middle_room.saturating_sub(1);
    let middle = shorten(theme, middle, middle_room, dialog.scroll);
    let titles = dialog
        .step
        .pick((text::START_TITLE, text::START_STEP), (text::COMPLETE_TITLE, text::COMPLETE_STEP));
    let lines: Vec<Line<'static>> = top.into_iter().chain(middle).chain(bottom).collect();
    show(canvas, area, MOST, titles, lines, &buttons);
}

fn parts(cx: LineContext<'_>, dialog: &RotationDialog, level: u8) -> Parts {
    let ended = dialog.stage.is_ended();
    let mut top = if ended && level >= 3 { Vec::new() } else { facts(cx, dialog, level) };
    let gap = |lines: &mut Vec<Line<'static>>| {
        if level == 0 {
            lines.push(Line::default());
        }
    };
    gap(&mut top);
    let mut middle = Vec::new();
    let mut bottom = Vec::new();
    if let RotationDialogStage::Failed(problem) = &dialog.stage {
        middle = failure(cx, problem);
    } else if let RotationDialogStage::Done(text) = &dialog.stage {
        middle = cx.marked("✓", Tone::Good, text);
    } else {
        top.extend(effects(cx, dialog, level));
        gap(&mut top);
        middle.push(preflight_title(cx, dialog, level));
        middle.extend(findings::lines(&dialog.findings, cx));
    }
    let least = match level {
        _ if ended => middle.len(),
        0 | 1 => middle.len(),
        2 => middle.len().min(4),
        _ => middle.len().min(2),
    };
    gap(&mut bottom);
    bottom.extend(stage_lines(cx, dialog));
    bottom.extend(question_lines(cx, dialog));
    if level == 0 && bottom.len() > 1 {
        bottom.push(Line::default());
    }
    Parts { top, middle, bottom, least }
}

/// For a low terminal: only the questions and the buttons keep their rows, everything else scrolls.
fn scrolling_parts(cx: LineContext<'_>, dialog: &RotationDialog, room: usize) -> Parts {
    let Parts { top, middle: findings, .. } = parts(cx, dialog, SHORTEST);
    let bottom = question_lines(cx, dialog);
    let mut middle = stage_lines(cx, dialog);
    let (mut top, effects) = if dialog.stage.is_ended() { (Vec::new(), top) } else { split(top) };
    if bottom.len() + top.len() + ROWS_BELOW_CLUSTER > room {
        top.clear();
    }
    middle.extend(effects);
    middle.extend(findings);
    Parts { top, middle, bottom, least: 0 }
}

fn split(mut lines: Vec<Line<'static>>) -> (Vec<Line<'static>>, Vec<Line<'static>>) {
    let rest = lines.split_off(lines.len().min(1));
    (lines, rest)
}

fn facts(cx: LineContext<'_>, dialog: &RotationDialog, level: u8) -> Vec<Line<'static>> {
    let id = &dialog.shown.id;
    let label = |text: &str| cx.part(text.to_owned(), Role::Label);
    let name = cx.part(id.name.as_str().to_owned(), Role::Title);
    if level >= 2 || cx.columns < 60 {
        let spans = vec![name, Span::raw(place(id, cx.state, cx.columns))];
        return vec![cx.line(spans)];
    }
    let project = cx.state.fleet.project_name(id.project());
    let first = vec![
        label(text::LABEL_CLUSTER),
        name,
        label(text::LABEL_PROJECT),
        Span::raw(cut_middle(&clean(project), 20)),
        Span::raw(format!(" ({})", cut_middle(id.project().as_str(), 9))),
        label(text::LABEL_REGION),
        Span::raw(id.region().as_str().to_owned()),
    ];
    let call = text::call(&id.name, dialog.step.endpoint());
    vec![cx.line(first), cx.line(vec![label(text::LABEL_CALL), Span::raw(call)])]
}

fn effects(cx: LineContext<'_>, dialog: &RotationDialog, level: u8) -> Vec<Line<'static>> {
    let LineContext { state, columns, .. } = cx;
    let short = level >= 3;
    let mut texts: Vec<(String, Tone)> = Vec::new();
    match dialog.step {
        Step::Start => {
            texts.push((roll_effect(dialog, short), Tone::Plain));
            if !short {
                texts.push((text::BOTH_WORK.to_owned(), Tone::Plain));
            }
            let tokens = StaticTokens::find(&dialog.shown, &dialog.evidence);
            let why = findings_text::static_tokens(&tokens);
            let with_why = text::static_tokens_stop(&why);
            let text = match (short, tokens.are_likely()) {
                (true, true) if width(&with_why) <= columns => with_why,
                (true, true) => text::STATIC_TOKENS_STOP.to_owned(),
                (true, false) => text::STATIC_TOKENS_QUIET.to_owned(),
                (false, true) => text::static_kubeconfigs_stop(&why),
                (false, false) => text::static_tokens_quiet(&why),
            };
            texts.push((text, if tokens.are_likely() { Tone::Bad } else { Tone::Dim }));
            if !short {
                texts.push((text::ONE_ROTATION.to_owned(), Tone::Plain));
            }
            texts.push((text::CANNOT_CANCEL.to_owned(), Tone::Plain));
        }
        Step::Complete => {
            let before = dialog
                .shown
                .rotation
                .start()
                .map_or_else(|| text::BEFORE_START.to_owned(), |at| state.zone().short(at));
            let text = if short {
                text::old_credentials_stop(&before)
            } else {
                text::old_authority_stops(&before)
            };
            texts.push((text, Tone::Bad));
            texts.push((text::CANNOT_UNDO.to_owned(), Tone::Bad));
        }
    }
    texts.iter().flat_map(|(text, tone)| cx.paragraph(text, *tone)).collect()
}

fn roll_effect(dialog: &RotationDialog, short: bool) -> String {
    let cluster = &dialog.shown;
    let (min, max) = cluster.node_bounds();
    let snapshot = dialog.evidence.snapshot.as_ref();
    let count = match snapshot.filter(|snapshot| !snapshot.unseen.contains_key("nodes")) {
        Some(snapshot) => snapshot.nodes.len().to_string(),
        None if min == max => max.to_string(),
        None => format!("{min}–{max}"),
    };
    if short {
        return text::nodes_replaced_short(count);
    }
    let together: u32 = cluster.pools.iter().map(rolled_together).sum();
    text::nodes_replaced(count, together)
}

/// Maximum number of a pool's nodes that are replaced at once. Surge and unavailable are spread over the zones, the
/// first ones get the remainder; a zone with neither has one node unavailable (domain knowledge: `ResolveFenceposts`).
fn rolled_together(pool: &NodePool) -> u32 {
    let zones = u32::try_from(pool.zones.len()).unwrap_or(u32::MAX).max(1);
    let served = pool.max_surge.min(zones).max(pool.max_unavailable.min(zones));
    pool.max_surge
        .saturating_add(pool.max_unavailable)
        .saturating_add(zones - served)
        .min(pool.maximum.max(1))
}

fn preflight_title(cx: LineContext<'_>, dialog: &RotationDialog, level: u8) -> Line<'static> {
    let mut left = vec![cx.part(text::LABEL_PREFLIGHT, Role::Label)];
    if level >= 3 {
        for (mark, sign, tone) in findings::SIGNS {
            let count = dialog.findings.iter().filter(|finding| finding.mark() == mark).count();
            if count > 0 {
                left.push(cx.span(format!(" {sign}{count}"), tone));
            }
        }
    }
    let age = match (&dialog.stage, dialog.checked) {
        (RotationDialogStage::Reading, _) | (_, None) => text::CHECKING.to_owned(),
        (_, Some(at)) => text::checked(passed(at, cx.state.shared.now.wall)),
    };
    spread(left, vec![cx.span(age, Tone::Dim)], cx.columns)
}

/// What changed or was sent before, or the status once sent.
fn stage_lines(cx: LineContext<'_>, dialog: &RotationDialog) -> Vec<Line<'static>> {
    let pending = cx.state.rotation.pending.get(&dialog.shown.id);
    match &dialog.stage {
        RotationDialogStage::Reading
        | RotationDialogStage::Confirming
        | RotationDialogStage::Changed(_) => {
            let mut lines = Vec::new();
            if let Some(PendingStep { stage: PendingStage::NotShown { at }, step, .. }) = pending {
                // An earlier request was accepted, but its effect never showed.
                let text = text::send_again(step, cx.state.zone().clock(*at));
                lines.extend(cx.marked("!", Tone::Attention, &text));
            }
            if let RotationDialogStage::Changed(text) = &dialog.stage {
                lines.extend(cx.marked("!", Tone::Attention, text));
            }
            lines
        }
        RotationDialogStage::Sending => cx.marked("→", Tone::Busy, text::SENDING),
        RotationDialogStage::ReadingBack => {
            let done = dialog.step.pick(text::ROTATION_STARTED, text::ROTATION_COMPLETED);
            let text = pending.map_or_else(
                || text::checking_effect(done),
                |pending| sentences::pending_sentence(cx.state, pending),
            );
            cx.marked("?", Tone::Warn, &text)
        }
        RotationDialogStage::Failed(_) | RotationDialogStage::Done(_) => Vec::new(),
    }
}

/// The name field, and a checkbox if something breaks.
fn question_lines(cx: LineContext<'_>, dialog: &RotationDialog) -> Vec<Line<'static>> {
    let LineContext { theme, .. } = cx;
    if !dialog.stage.is_open() {
        return Vec::new();
    }
    let mut lines = name_lines(cx, dialog);
    let breaking = dialog.findings.iter().filter(|finding| finding.breaks()).count();
    if breaking > 0 {
        let focused = dialog.focus == Focus::Accept;
        let (mark, tone) =
            if dialog.is_accepted() { ("[x] ", Tone::Plain) } else { ("[ ] ", Tone::Bad) };
        let words = text::accept(plural(breaking, text::FINDING, text::FINDINGS));
        let spans = vec![
            if focused { theme.part("▸ ", Role::Accent) } else { Span::raw("  ") },
            theme.span(format!("{mark}{words}"), tone),
        ];
        lines.push(cx.line(spans));
    }
    lines
}

fn name_lines(cx: LineContext<'_>, dialog: &RotationDialog) -> Vec<Line<'static>> {
    let LineContext { theme, columns, .. } = cx;
    if !dialog.wants_name {
        return Vec::new();
    }
    let name = dialog.shown.id.name.as_str();
    let focused = dialog.focus == Focus::Name;
    let question = text::type_name(name, dialog.step);
    let wide = (width(name) + 6).max(18);
    let mut spans = vec![
        if focused { theme.part("▸ ", Role::Accent) } else { Span::raw("  ") },
        Span::raw(question),
    ];
    let note = typed_note(dialog);
    let note_tone = if dialog.typed_note.is_some() { Tone::Bad } else { Tone::Dim };
    let used = crate::ui::text::spans_width(&spans);
    if used + wide + 2 + width(&note) <= columns {
        spans.extend(field(theme, &dialog.typed, wide, focused));
        spans.push(Span::raw("  "));
        spans.push(theme.span(note, note_tone));
        return vec![Line::from(spans)];
    }
    let short = [text::CHARACTERS, text::CHARACTER]
        .into_iter()
        .fold(note.clone(), |note, word| note.replace(&format!(" {word}"), ""));
    let note = if 2 + wide + 1 + width(&note) > columns { short } else { note };
    let field_columns = wide.min(columns.saturating_sub(2));
    let mut second = vec![Span::raw("  ")];
    second.extend(field(theme, &dialog.typed, field_columns, focused));
    second.push(Span::raw(" "));
    second.push(theme.span(note, note_tone));
    vec![cx.line(spans), cx.line(second)]
}

fn typed_note(dialog: &RotationDialog) -> String {
    if let Some(note) = &dialog.typed_note {
        return clean(note);
    }
    let name = dialog.shown.id.name.as_str();
    let typed = dialog.typed.value();
    match name.strip_prefix(typed) {
        Some("") => text::NAME_COMPLETE.to_owned(),
        Some(rest) => {
            text::characters_left(plural(rest.chars().count(), text::CHARACTER, text::CHARACTERS))
        }
        None => text::NAME_WRONG.to_owned(),
    }
}

fn buttons(dialog: &RotationDialog, fits: bool) -> Vec<Button<'static>> {
    if !dialog.stage.is_open() {
        return vec![Button::cancel(text::CLOSE, true)];
    }
    let label = dialog.step.pick(text::START, text::COMPLETE);
    vec![
        Button::cancel(text::CANCEL, dialog.focus == Focus::Cancel),
        Button::confirm(label, dialog.focus == Focus::Confirm, dialog.is_ready() && fits),
    ]
}
