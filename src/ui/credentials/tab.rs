//! The credentials tab: credentials on this machine and their verdicts, and credentials inside the cluster.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::credentials::text::{self, RotatedKind};
use crate::app::fleet::state::Entry;
use crate::app::nodes::text::{list, unseen};
use crate::domain::credential::{CLEAR_LOGIN_CACHE, login_cache_may_be_stale};
use crate::domain::rotation::Phase;
use crate::domain::text::width;
use crate::ui::canvas::Canvas;
use crate::ui::credentials::table;
use crate::ui::line_context::LineContext;
use crate::ui::text::{indent, pad_end, wrap};
use crate::ui::theme::Role;
use crate::ui::widgets::scrollbar;

/// Minimum width of the effect of one step, and of each effect if two are shown.
const LEAST_EFFECT: usize = 18;
const LEAST_EFFECT_OF_TWO: usize = 30;

/// Draws the tab.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect, entry: &Entry) {
    let (cx, rows) = (canvas.line_context(area), usize::from(area.height));
    let LineContext { state, theme, .. } = cx;
    let known = state.known_credentials(&entry.cluster);
    let last = known.len().saturating_sub(1);
    let selected = state.inventory.cursor.min(last);
    let mut lines = vec![title(cx, text::TITLE_MACHINE)];
    let mut seen = lines.len();
    if let Some(chosen) = known.get(selected) {
        let mut list = table::lines(&known, cx, Some(selected));
        let others = list.split_off(selected + 2);
        let trial = state.inventory.trial(&entry.cluster.id, &chosen.location);
        let why = text::reasons_and_trial(&chosen.reasons, trial);
        lines.extend(list);
        lines.extend(indented(cx, &why, Tone::Dim));
        seen = lines.len();
        lines.extend(others);
    } else {
        let none = match &state.inventory.files {
            _ if state.inventory.not_read.is_some() => text::NONE_FOUND_READ,
            None => text::READING,
            Some(files) if files.iter().any(|file| file.contexts.is_err()) => text::NONE_FOUND_READ,
            Some(_) => text::NONE_FOUND,
        };
        lines.push(Line::from(theme.span(format!("  {none}"), Tone::Dim)));
    }
    lines.push(Line::default());
    if login_cache_may_be_stale(&entry.cluster, &known, state.server_now()) {
        let text = text::stale_login(CLEAR_LOGIN_CACHE);
        lines.extend(marked(cx, "!", Tone::Warn, &text));
    }
    lines.extend(below(entry, cx));
    // Past the last row, the cursor scrolls the lines below the table.
    let all = lines.len();
    let overflow = all.saturating_sub(rows);
    let to_row = seen.saturating_sub(rows).min(overflow);
    let further = if selected == last { overflow - to_row } else { overflow };
    (canvas.metrics.page_rows, canvas.metrics.scroll_last) = (rows, last + further);
    let first = (to_row + state.inventory.cursor.saturating_sub(last)).min(overflow);
    let shown: Vec<Line<'static>> = lines.into_iter().skip(first).take(rows).collect();
    canvas.text(shown, area);
    let edge = canvas.frame.area().right().saturating_sub(1);
    scrollbar::draw(canvas, area, area.right().min(edge), first, all);
}

fn title(cx: LineContext<'_>, text: &'static str) -> Line<'static> {
    cx.line(vec![cx.theme.part(text, Role::Title)])
}

/// A wrapped text below the table, indented.
fn indented(cx: LineContext<'_>, text: &str, tone: Tone) -> Vec<Line<'static>> {
    indent(cx.narrower_by(4).paragraph(text, tone), 4)
}

/// A sign followed by a wrapped text, below the table.
fn marked(cx: LineContext<'_>, sign: &'static str, tone: Tone, text: &str) -> Vec<Line<'static>> {
    indent(cx.narrower_by(2).marked(sign, tone, text), 2)
}

/// The lines below the table: unreadable files, credentials inside the cluster, what rotates.
fn below(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let mut out = Vec::new();
    if let Some(why) = &cx.state.inventory.not_read {
        out.extend(marked(cx, "?", Tone::Warn, &text::files_not_read(why)));
    }
    for file in cx.state.inventory.files.iter().flat_map(|files| files.iter()) {
        match (&file.contexts, file.wide_mode) {
            (Err(why), _) => {
                let text = text::unreadable_file(&file.path, why);
                out.extend(marked(cx, "?", Tone::Warn, &text));
            }
            (Ok(contexts), Some(mode)) if !contexts.is_empty() => {
                let text = text::wide_mode(&file.path, format_args!("{mode:04o}"));
                out.extend(marked(cx, "!", Tone::Warn, &text));
            }
            _ => {}
        }
    }
    match &cx.state.inventory.pasted {
        None => out.extend(indented(cx, text::PASTE, Tone::Dim)),
        Some(way) => {
            let (verdict, reasons) = cx.state.rows().judge_alone(&entry.cluster, way);
            let text = text::pasted_token(way, verdict, &reasons);
            out.extend(marked(cx, "▸", table::tone(verdict), &text));
        }
    }
    out.extend(marked(cx, "?", Tone::Dim, text::NOT_LISTED));
    out.push(Line::default());
    out.push(title(cx, text::TITLE_CLUSTER));
    out.extend(in_cluster(entry, cx));
    out.push(Line::default());
    let rotates = what_rotates(entry, cx.narrower_by(2));
    out.extend(indent(rotates, 2));
    out
}

fn in_cluster(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let cluster = &entry.cluster;
    let Some(found) = cx.state.in_cluster(cluster) else {
        let why = cx.state.unseen(&cluster.id).unwrap_or_default();
        return marked(cx, "?", Tone::Dim, &text::not_seen(why));
    };
    let mut out = Vec::new();
    for stale in &found.tokens {
        let tone = if stale.used_since_start { Tone::Bad } else { Tone::Warn };
        let sign = if stale.generation.ends_on_complete() { "!" } else { "?" };
        out.extend(marked(cx, sign, tone, &text::stale_token(stale)));
    }
    for stale in found.certificates.iter().flatten() {
        let is_certain = stale.generation.ends_on_complete();
        let (sign, tone) = if is_certain { ("!", Tone::Bad) } else { ("?", Tone::Dim) };
        out.extend(marked(cx, sign, tone, &text::signed_certificate(stale)));
    }
    if !found.pods.is_empty() {
        let names = found.pods.iter().map(|pod| format!("{}/{}", pod.namespace, pod.name));
        let text = text::old_authority(list(names, 3));
        out.extend(marked(cx, "!", Tone::Bad, &text));
    }
    match &cluster.rotation.phase {
        Phase::Never | Phase::Completed => {
            out.extend(marked(cx, "✓", Tone::Good, text::NO_ROTATION));
            return out;
        }
        Phase::Unknown(_) => {
            out.extend(marked(cx, "?", Tone::Warn, text::PHASE_UNKNOWN));
            return out;
        }
        Phase::Preparing | Phase::Prepared | Phase::Completing => {}
    }
    let is_read = |kind: &str| found.unseen.iter().all(|(unseen, _)| *unseen != kind);
    if found.tokens.is_empty() && is_read("token secrets") {
        out.extend(marked(cx, "✓", Tone::Good, text::NO_OLD_TOKEN));
    }
    if found.has_unclear_pods() {
        let why = text::pods_not_judged(&cluster.rotation.phase);
        out.extend(marked(cx, "?", Tone::Dim, why));
    } else if found.pods.is_empty() && found.pods_are_judged {
        out.extend(marked(cx, "✓", Tone::Good, text::NO_POD_WITH_OLD_AUTHORITY));
    }
    if found.certificates.is_none() {
        out.extend(marked(cx, "?", Tone::Warn, text::REQUESTS_NOT_SEEN));
    }
    for (kind, why) in &found.unseen {
        out.extend(marked(cx, "?", Tone::Warn, &text::kind_not_seen(kind, unseen(why))));
    }
    out
}

/// What rotates, what of it is in use, and the effect of the next step.
pub fn what_rotates(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let Some(rotated) = text::what_rotates(&entry.cluster) else { return Vec::new() };
    let widest = |cell: fn(&RotatedKind) -> &str| {
        2 + rotated.kinds.iter().map(|kind| width(cell(kind))).max().unwrap_or_default()
    };
    let (name, now) = (widest(|kind| kind.name), widest(|kind| kind.now));
    // If narrow, the effect of the next step takes precedence over what is in use and over later steps.
    let now = if cx.columns >= name + now + LEAST_EFFECT { now } else { 0 };
    let room = cx.columns.saturating_sub(name + now);
    let both = !rotated.is_started && room >= 2 * (LEAST_EFFECT_OF_TWO + 2);
    let room = if both { room / 2 - 2 } else { room.max(LEAST_EFFECT) };
    let line = |[first, second, third, fourth]: [&str; 4]| {
        let second = if now > 0 { pad_end(second, now) } else { String::new() };
        let third = if both { pad_end(third, room + 2) } else { third.to_owned() };
        format!("{}{second}{third}{fourth}", pad_end(first, name))
    };
    let titles = match (rotated.is_started, both) {
        (true, _) => [text::ON_COMPLETE, ""],
        (false, true) => [text::ON_START, text::ON_COMPLETE],
        (false, false) => [text::ON_START, ""],
    };
    let [third, fourth] = titles;
    let heading = [text::TITLE_ROTATES, text::COLUMN_NOW, third, fourth];
    let heading = cx.part(line(heading), Role::Label);
    let rows = rotated.kinds.iter().flat_map(|kind| {
        let next = if rotated.is_started { kind.complete } else { kind.start };
        let later = if both { kind.complete } else { "" };
        let (next, later) = (wrap(next, room), wrap(later, room));
        let part = |lines: &[String], at: usize| lines.get(at).cloned().unwrap_or_default();
        let row = |at: usize| {
            let (name, now) = if at == 0 { (kind.name, kind.now) } else { ("", "") };
            Span::raw(line([name, now, &part(&next, at), &part(&later, at)]))
        };
        (0..next.len().max(later.len())).map(row).collect::<Vec<_>>()
    });
    let zone = cx.state.zone();
    let last = text::last_rotated(&entry.cluster.rotation, |at| zone.short(at));
    let last = cx.span(last, Tone::Dim);
    let lines = std::iter::once(heading).chain(rows).chain([last]);
    lines.map(|span| cx.line(vec![span])).collect()
}
