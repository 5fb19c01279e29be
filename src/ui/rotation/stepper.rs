//! The four steps of a rotation, and the current one.

use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::state::Entry;
use crate::app::rotation::text;
use crate::app::state::State;
use crate::domain::age::passed;
use crate::domain::attention::NextStep;
use crate::domain::credential::{HeldAccess, KnownCredential, Verdict, VerdictReason};
use crate::domain::roll::start_steps::StepState;
use crate::domain::rotation::{Phase, Step};
use crate::domain::text::{plural, width};
use crate::ui::line_context::LineContext;
use crate::ui::text::{blanks, cut_spans, pad_end, wrap_to};
use crate::ui::theme::{Role, Theme};

/// One step in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    pub state: StepState,
    pub title: &'static str,
    pub text: String,
    pub tone: Tone,
}

/// The four steps of a cluster.
pub fn steps(entry: &Entry, state: &State) -> [StepLine; 4] {
    let phase = &entry.cluster.rotation.phase;
    let pending = state.rotation.pending.get(&entry.cluster.id);
    let pending = pending.filter(|pending| pending.blocks()).map(|pending| pending.step);
    let marks = match (phase, pending) {
        (Phase::Unknown(_), _) => [StepState::Unknown; 4],
        (Phase::Never, None) if !is_due(entry, state) => [StepState::Waiting; 4],
        (Phase::Never, _) | (Phase::Completed, Some(Step::Start)) => {
            [StepState::Waiting, StepState::Now, StepState::Waiting, StepState::Waiting]
        }
        (Phase::Preparing, _) => {
            [StepState::Done, StepState::Now, StepState::Waiting, StepState::Waiting]
        }
        (Phase::Prepared, Some(_)) | (Phase::Completing, _) => {
            [StepState::Done, StepState::Done, StepState::Done, StepState::Now]
        }
        (Phase::Prepared, None) => {
            [StepState::Done, StepState::Done, StepState::Now, StepState::Waiting]
        }
        (Phase::Completed, _) => [StepState::Done; 4],
    };
    let [first, start, clients, complete] = marks;
    // Access does not depend on the phase, only on a working kubeconfig. What breaks on complete belongs to step 3.
    let (access, text, tone) = access_words(entry, state, complete == StepState::Done);
    let access = if first == StepState::Unknown { StepState::Unknown } else { access };
    let [start_words, client_words, complete_words] = words(entry, state, pending);
    let line = |state, title, (text, tone)| StepLine { state, title, text, tone };
    [
        line(access, text::STEP_1, (text, tone)),
        line(start, text::STEP_2, start_words),
        line(clients, text::STEP_3, client_words),
        line(complete, text::STEP_4, complete_words),
    ]
}

fn is_due(entry: &Entry, state: &State) -> bool {
    let next = state.row(entry).next_step();
    matches!(next, Some(NextStep::Start | NextStep::StartUnknownAge | NextStep::StartLater))
}

/// Whether there is access, as text; `finished`: the rotation is completed.
fn access_words(entry: &Entry, state: &State, finished: bool) -> (StepState, String, Tone) {
    let now = state.server_now();
    let known = state.rows().known_credentials(&entry.cluster);
    let has = |verdict| known.iter().any(|known| known.verdict == verdict);
    match HeldAccess::of(&known) {
        HeldAccess::Certain(KnownCredential { verdict: Verdict::BreaksOnStart, .. }) => {
            (StepState::Waiting, text::ACCESS_STATIC.to_owned(), Tone::Warn)
        }
        HeldAccess::Certain(KnownCredential { verdict: Verdict::BreaksOnComplete, .. }) => {
            (StepState::Done, text::ACCESS_OLD.to_owned(), Tone::Dim)
        }
        HeldAccess::Certain(KnownCredential { expires: Some(at), .. }) => {
            (StepState::Done, text::access_expires(passed(now, *at)), Tone::Dim)
        }
        HeldAccess::Certain(best) => {
            (StepState::Done, text::access_kind(best.kind.label()), Tone::Dim)
        }
        HeldAccess::Unclear(known) => {
            let is_copy = known.reasons.contains(&VerdictReason::NotInFile);
            let words = if is_copy { text::ACCESS_NOT_IN_FILE } else { text::ACCESS_UNKNOWN };
            (StepState::Unknown, words.to_owned(), Tone::Warn)
        }
        HeldAccess::None if has(Verdict::Dead) => {
            (StepState::Waiting, text::ACCESS_DEAD.to_owned(), Tone::Warn)
        }
        // A completed rotation needed none.
        HeldAccess::None if finished => (StepState::Done, String::new(), Tone::Dim),
        HeldAccess::None => (StepState::Waiting, text::ACCESS_NONE.to_owned(), Tone::Plain),
    }
}

fn words(entry: &Entry, state: &State, pending: Option<Step>) -> [(String, Tone); 3] {
    let rotation = &entry.cluster.rotation;
    let now = state.server_now();
    let ago = |at: Option<jiff::Timestamp>, since: fn(String) -> String, unknown: &str| {
        at.map_or_else(|| unknown.to_owned(), |at| since(passed(at, now)))
    };
    let dim = |text: &str| (text.to_owned(), Tone::Dim);
    let (nothing, later, undo) = (dim(""), dim(text::AFTER_NODES), dim(text::UNDO_NOT_POSSIBLE));
    let started = (ago(rotation.start(), text::started_ago, text::STARTED), Tone::Dim);
    if let Some(step) = pending {
        let sent = (text::SENT.to_owned(), Tone::Busy);
        return match step {
            Step::Start => [sent, nothing, undo],
            Step::Complete => [started, nothing, sent],
        };
    }
    match &rotation.phase {
        Phase::Never if is_due(entry, state) => {
            [(text::DUE_NEVER_ROTATED.to_owned(), Tone::Warn), later, undo]
        }
        Phase::Never => [dim(text::NEVER_ROTATED), later, undo],
        Phase::Preparing => {
            let lasts = rotation.start().map(|at| text::preparing_for(passed(at, now)));
            [(lasts.unwrap_or_else(|| text::PREPARING.to_owned()), Tone::Busy), later, undo]
        }
        Phase::Prepared => {
            let due = match state.row(entry).next_step() {
                Some(NextStep::RenewKubeconfigs(count)) => {
                    text::due_breaking(plural(count, text::ONE_KUBECONFIG, text::KUBECONFIGS))
                }
                _ => text::DUE_YOURS.to_owned(),
            };
            [started, (due, Tone::Attention), undo]
        }
        Phase::Completing => [started, nothing, (text::DROPPING.to_owned(), Tone::Busy)],
        Phase::Completed => [
            started,
            nothing,
            (ago(rotation.completed, text::completed_ago, text::COMPLETED), Tone::Dim),
        ],
        Phase::Unknown(_) => {
            [(text::phase(rotation.phase.label()), Tone::Warn), nothing.clone(), nothing]
        }
    }
}

/// Sign and title of a step; `now` is the tone of the current one.
pub fn heading(
    theme: Theme,
    state: StepState,
    title: &'static str,
    now: Tone,
) -> Vec<Span<'static>> {
    let (sign, tone) = match state {
        StepState::Done => ("✓", Tone::Good),
        StepState::Now => ("●", now),
        StepState::Waiting => ("○", Tone::Dim),
        StepState::Unknown => ("?", Tone::Dim),
    };
    let title = match state {
        StepState::Now => theme.part(title, Role::Title),
        StepState::Done => Span::raw(title),
        StepState::Waiting | StepState::Unknown => theme.span(title, Tone::Dim),
    };
    vec![theme.span(sign, tone), Span::raw(" "), title]
}

impl StepLine {
    fn heading(&self, theme: Theme) -> Vec<Span<'static>> {
        let now = if self.tone == Tone::Busy { Tone::Busy } else { Tone::Attention };
        heading(theme, self.state, self.title, now)
    }
}

/// The steps, one per line, each with as much of its text as fits.
pub fn tall(entry: &Entry, cx: LineContext<'_>) -> Vec<Vec<Span<'static>>> {
    steps(entry, cx.state)
        .iter()
        .map(|step| {
            let mut spans = step.heading(cx.theme);
            let used = width(step.title) + 2;
            let column = 20_usize;
            let gap = column.saturating_sub(used).max(2);
            if !step.text.is_empty() && used + gap + width(&step.text) <= cx.columns {
                spans.push(blanks(gap));
                spans.push(cx.span(step.text.clone(), step.tone));
            }
            cut_spans(spans, cx.columns)
        })
        .collect()
}

/// The steps side by side, joined by a line, with their texts below.
pub fn wide(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let steps = steps(entry, cx.state);
    let share = cx.columns / 4;
    let mut top = Vec::new();
    let mut rows: Vec<Vec<Span<'static>>> = vec![Vec::new(), Vec::new()];
    for (index, step) in steps.iter().enumerate() {
        top.extend(step.heading(cx.theme));
        let rest = share.saturating_sub(width(step.title) + 2);
        if index < 3 && rest > 3 {
            let (line, tone) = if step.state == StepState::Done {
                ("━", Tone::Good)
            } else {
                ("┄", Tone::Dim)
            };
            top.push(Span::raw(" "));
            top.push(cx.span(line.repeat(rest - 2), tone));
            top.push(Span::raw(" "));
        }
        let words = wrap_to(&step.text, share.saturating_sub(4), 2);
        for (row, spans) in rows.iter_mut().enumerate() {
            let text = words.get(row).map_or("", String::as_str);
            spans.push(cx.span(pad_end(&format!("  {text}"), share), step.tone));
        }
    }
    let mut lines = vec![cx.line(top)];
    lines.extend(
        rows.into_iter()
            .map(|spans| cut_spans(spans, cx.columns))
            .filter(|spans| spans.iter().any(|span| !span.content.trim().is_empty()))
            .map(Line::from),
    );
    lines
}
