//! The rotation tab: the steps, what is next, findings before *complete*, and progress of the nodes.

use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::cluster::text;
use crate::app::fleet::state::Entry;
use crate::domain::attention::NextStep;
use crate::domain::rotation::Phase;
use crate::domain::text::width;
use crate::ui::cluster::overview;
use crate::ui::line_context::LineContext;
use crate::ui::rotation::{sentences, stepper};
use crate::ui::text::{behind, beside, indent};
use crate::ui::theme::Role;
use crate::ui::widgets::facts::Facts;

/// Minimum width for two columns.
const BESIDE_FROM: usize = 150;

/// Indentation of the facts.
const INDENT: usize = 2;

/// All lines of the tab.
pub fn lines(entry: &Entry, cx: LineContext<'_>, rows: usize) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let roomy = rows >= 14;
    let mut lines = Vec::new();
    if roomy {
        lines.push(Line::default());
    }
    if columns >= 96 {
        lines.extend(stepper::wide(entry, cx));
    } else {
        lines.extend(indent(stepper::tall(entry, cx.narrower_by(2)), 2));
    }
    lines.push(Line::default());
    let mut facts = Facts::new(cx, 12);
    let next = sentences::next(entry, state);
    let lead = format!("  ▸ {}: ", next.lead);
    let room = columns.saturating_sub(width(&lead));
    // A notice above already reports that the cluster is no longer listed.
    let said = if entry.not_listed_since.is_some() { "" } else { next.text.as_str() };
    for line in
        behind(theme.part(lead, Role::Accent), cx.with_columns(room).paragraph(said, next.tone))
    {
        facts.line(line.spans);
    }
    // While nodes are replaced there is nothing to do; the key comes last.
    let rolls = entry.cluster.rotation.phase == Phase::Preparing;
    if !rolls {
        sentences::key_lines(entry, 4, &mut facts);
    }
    if roomy {
        facts.blank();
    }
    lines.extend(facts.into_lines());
    if roomy && entry.not_listed_since.is_none() {
        lines.push(Line::default());
    }
    // Pending actions come before the facts; blockers and this machine's credentials after them, or beside them if
    // there is room.
    let both = columns >= BESIDE_FROM;
    let left = if both { columns * 4 / 7 } else { columns.saturating_sub(INDENT) };
    let room = if both { columns - left - INDENT } else { left };
    let inner = left.saturating_sub(2 * usize::from(both));
    let findings = sentences::before_complete(entry, cx.with_columns(inner));
    let lists_findings = !findings.is_empty();
    let mut known = Facts::new(cx.with_columns(if lists_findings { room } else { inner }), 13);
    sentences::roll_facts(entry, !both, &mut known);
    if roomy {
        known.blank();
    }
    sentences::problems(
        sentences::other_problems(entry, state, &next),
        text::LABEL_ERRORS,
        &mut known,
    );
    if rolls {
        known.blank();
        sentences::key_lines(entry, 0, &mut known);
    }
    let facts = known.into_lines();
    let (mut known, mut aside) = (findings, Vec::new());
    push_section(if both && lists_findings { &mut aside } else { &mut known }, facts);
    if both && rolls {
        let mut blocker = Facts::new(cx.with_columns(room), 13);
        sentences::blocked_by(entry, &mut blocker);
        push_section(&mut aside, blocker.into_lines());
    }
    let fits = |lines: &[Line<'_>], above: usize, more: usize| above + lines.len() + more <= rows;
    let above = lines.len();
    let side = if both { &mut aside } else { &mut known };
    if fits(side, above, 6) && !lists_findings {
        push_section(side, overview::accesses(entry, cx.with_columns(room)));
    }
    let is_unhealthy = state.row(entry).next_step() == Some(NextStep::InspectUnhealthy);
    if fits(side, above, 4) && entry.not_listed_since.is_none() && !is_unhealthy {
        push_section(side, advice(entry, cx.with_columns(room)));
    }
    if both {
        known = beside(known, aside, left);
    }
    lines.extend(indent(known, INDENT));
    lines
}

/// Appends lines, after a blank line if needed.
fn push_section(lines: &mut Vec<Line<'static>>, section: Vec<Line<'static>>) {
    if !lines.is_empty() && !section.is_empty() {
        lines.push(Line::default());
    }
    lines.extend(section);
}

/// Advice for the current phase.
fn advice(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { columns, .. } = cx;
    let text = match entry.cluster.rotation.phase {
        Phase::Never | Phase::Completed if entry.cluster.version.may_have_static_tokens() => {
            text::ADVICE_START_OLD_VERSION
        }
        Phase::Never | Phase::Completed => text::ADVICE_START,
        Phase::Preparing | Phase::Prepared => text::ADVICE_PREPARED,
        Phase::Completing => text::ADVICE_COMPLETING,
        Phase::Unknown(_) => text::ADVICE_UNKNOWN,
    };
    cx.with_columns(columns.min(100)).paragraph(text, Tone::Dim)
}
