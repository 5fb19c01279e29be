//! The pane beside the fleet: details of the cluster under the cursor.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::columns::{phase_cell, phase_glyph, state_tone};
use crate::app::fleet::state::Entry;
use crate::app::fleet::text;

use crate::app::nodes::text as nodes_text;
use crate::app::rotation::step_text;
use crate::domain::age::{long, passed};
use crate::domain::attention::expires_soon;
use crate::domain::cluster::{Cluster, ClusterState, KubernetesVersion, VersionInUse};
use crate::domain::credential::{HeldAccess, Verdict};
use crate::domain::rotation::Phase;
use crate::domain::text::cut_middle;
use crate::ui::canvas::{Canvas, padded};
use crate::ui::line_context::LineContext;
use crate::ui::nodes::roll;
use crate::ui::rotation::sentences;
use crate::ui::rotation::stepper;
use crate::ui::text::pad_end;
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::facts::Facts;

/// Draws the pane.
pub fn draw(canvas: &mut Canvas<'_, '_>, area: Rect) {
    let (state, theme) = (canvas.state, canvas.theme);
    let Some(entry) = state.subject() else {
        canvas.block(theme.pane(), area);
        return;
    };
    let columns = usize::from(area.width.saturating_sub(4));
    let name = cut_middle(entry.cluster.id.name.as_str(), columns.saturating_sub(2));
    let title = vec![theme.part(format!(" {name} "), Role::Title)];
    let inner = padded(canvas.pane(area, title, Vec::new()));
    canvas.text(lines(entry, canvas.line_context(inner)), inner);
}

fn lines(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { state, theme, .. } = cx;
    let cluster = &entry.cluster;
    let mut facts = Facts::new(cx, 8);
    facts.fact(
        text::LABEL_PROJECT,
        vec![
            Span::raw(cut_middle(state.fleet.project_name(cluster.id.project()), 20)),
            theme.span(format!(" · {}", cluster.id.region()), Tone::Dim),
        ],
    );
    facts.blank();
    rotation_facts(entry, &mut facts);
    facts.blank();
    for (index, spans) in stepper::tall(entry, facts.values()).into_iter().enumerate() {
        facts.fact(if index == 0 { text::LABEL_STEPS } else { "" }, spans);
    }
    facts.blank();
    let next = sentences::next(entry, state);
    facts.text(next.lead, &next.text, next.tone);
    facts.blank();
    cluster_facts(cluster, &mut facts);
    facts.blank();
    access_facts(entry, &mut facts);
    facts.blank();
    sentences::problems(
        sentences::other_problems(entry, state, &next),
        text::LABEL_ERRORS,
        &mut facts,
    );
    facts.into_lines()
}

/// Glyph and word of the phase, and its duration if skeys saw it begin.
pub fn phase_words(entry: &Entry, cx: LineContext<'_>) -> Vec<Span<'static>> {
    let phase = phase_cell(&cx.state.row(entry));
    let sign = phase_glyph(&entry.cluster.rotation.phase);
    let mut spans =
        vec![cx.span(sign.text, sign.tone), Span::raw(" "), cx.span(phase.text, phase.tone)];
    // The API does not report when a phase began; only changes seen by skeys have a time.
    if let Some(seen) = entry.phase_seen {
        spans.push(cx.span(text::for_duration(passed(seen, cx.state.shared.now.wall)), Tone::Dim));
    }
    spans
}

fn rotation_facts(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    let cluster = &entry.cluster;
    let zone = state.zone();
    let now = state.server_now();
    facts.fact(text::LABEL_PHASE, phase_words(entry, facts.cx));
    let done = cluster.rotation.phase == Phase::Completed;
    let moments = [
        (text::LABEL_STARTED, cluster.rotation.initiated, !done),
        (text::LABEL_DONE, cluster.rotation.completed.filter(|_| done), true),
    ];
    for (label, at, with_age) in moments {
        let Some(at) = at else { continue };
        facts.fact(label, zone.full(at));
        if with_age {
            let age = text::ago(passed(at, now));
            facts.fact("", theme.span(age, Tone::Dim));
        }
    }
    if let Some(why) = cluster.rotation.inconsistent_times(now) {
        facts.text(text::LABEL_DOUBT, step_text::inconsistent_times(why), Tone::Warn);
    }
    roll_facts(entry, facts);
}

/// Progress of the roll while nodes are replaced.
fn roll_facts(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    if entry.cluster.rotation.phase != Phase::Preparing {
        return;
    }
    let now = state.shared.now.wall;
    let observed = state.nodes.observed.get(&entry.cluster.id);
    let Some(roll) = observed.and_then(|observed| observed.roll.as_ref()) else {
        let text = state.unseen(&entry.cluster.id).unwrap_or_default();
        facts.text(text::LABEL_NODES, &text, Tone::Dim);
        return;
    };
    facts.fact(text::LABEL_NODES, roll::summary_short(roll, theme));
    let Some(seen) = observed.filter(|observed| !observed.live).and_then(|o| o.seen) else {
        if let Some(text) = nodes_text::estimate(roll.estimate, now).filter(|_| roll.sees_nodes()) {
            facts.text("", &text, Tone::Dim);
        }
        return;
    };
    let why = state.unseen(&entry.cluster.id).unwrap_or_default();
    let text = text::as_of(passed(seen.wall, now), &why);
    facts.text("", &text, Tone::Warn);
}

fn cluster_facts(cluster: &Cluster, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    let now = state.server_now();
    facts.fact(text::LABEL_STATE, state_word(cluster, theme));
    facts.fact(text::LABEL_KUBERNETES, version(cluster, now, theme));
    pool_versions(cluster, now, facts);
    for (index, pool) in cluster.pools.iter().take(4).enumerate() {
        let label = if index == 0 { text::LABEL_POOLS } else { "" };
        let span = format!("{} {}–{}", pad_end(&pool.name, 7), pool.minimum, pool.maximum);
        let unavailable = match pool.max_unavailable {
            0 => String::new(),
            count => text::unavailable(count),
        };
        let rest = text::surge(pool.max_surge) + &unavailable;
        facts.fact(label, vec![Span::raw(span), theme.span(rest, Tone::Dim)]);
    }
    if cluster.pools.len() > 4 {
        facts.fact("", theme.span(text::more(cluster.pools.len() - 4), Tone::Dim));
    }
    if let Some((begin, end)) = &cluster.maintenance {
        facts.fact(text::LABEL_WINDOW, text::window(begin, end));
    }
    for schedule in cluster.schedules.iter().take(2) {
        let zone = if schedule.timezone.is_empty() { text::UTC } else { &schedule.timezone };
        facts.text("", &text::hibernates(&schedule.start, &schedule.end, zone), Tone::Plain);
    }
}

/// The state that SKE reports.
pub fn state_word(cluster: &Cluster, theme: Theme) -> Span<'static> {
    let is_healthy = cluster.state == ClusterState::Healthy;
    let tone = if is_healthy { Tone::Good } else { state_tone(&cluster.state) };
    theme.span(cluster.state.label().to_owned(), tone)
}

/// Version and its expiry.
pub fn version(cluster: &Cluster, now: jiff::Timestamp, theme: Theme) -> Vec<Span<'static>> {
    let mut spans = vec![Span::raw(cluster.version.as_str().to_owned())];
    if let Some(at) = cluster.version_expires {
        let (text, tone) = version_expiry(at, now);
        spans.push(theme.span(text, tone));
    }
    spans
}

/// Kubernetes versions that only node pools have, each with its expiry.
pub fn pool_versions(cluster: &Cluster, now: jiff::Timestamp, facts: &mut Facts<'_>) {
    let mut versions: Vec<(&KubernetesVersion, Option<jiff::Timestamp>, Vec<String>)> = Vec::new();
    for VersionInUse { pool, version, expires } in cluster.versions() {
        let Some(pool) = pool else { continue };
        match versions.iter_mut().find(|known| (known.0, known.1) == (version, expires)) {
            Some((.., pools)) => pools.push(pool.to_owned()),
            None => versions.push((version, expires, vec![pool.to_owned()])),
        }
    }
    for (version, expires, pools) in versions {
        let pools = nodes_text::list(pools.into_iter(), 3);
        let text = text::pool_version(pools, version.as_str());
        match expires.map(|at| version_expiry(at, now)) {
            Some((expiry, tone)) => facts.text("", &(text + &expiry), tone),
            None => facts.text("", &text, Tone::Plain),
        };
    }
}

/// When a version expires or expired.
fn version_expiry(at: jiff::Timestamp, now: jiff::Timestamp) -> (String, Tone) {
    let left = at.duration_since(now);
    if left.is_negative() {
        (text::version_expired(passed(at, now)), Tone::Bad)
    } else if expires_soon(at, now) {
        (text::version_expires(long(left)), Tone::Warn)
    } else {
        (text::version_expires(long(left)), Tone::Dim)
    }
}

fn access_facts(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    let known = state.rows().known_credentials(&entry.cluster);
    let best = match HeldAccess::of(&known) {
        HeldAccess::Certain(best) => best,
        HeldAccess::Unclear(_) => {
            facts.fact(text::LABEL_ACCESS, theme.span(text::ACCESS_UNKNOWN, Tone::Warn));
            return;
        }
        HeldAccess::None => {
            facts.fact(text::LABEL_ACCESS, theme.span(text::NO_ACCESS, Tone::Dim));
            return;
        }
    };
    let ends = match best.expires {
        Some(at) => text::access_expires(passed(state.server_now(), at)),
        None => text::access_without_expiry(best.kind.label()),
    };
    facts.fact(text::LABEL_ACCESS, ends);
    if best.verdict == Verdict::BreaksOnComplete {
        facts.text("", text::BREAKS_ON_COMPLETE, Tone::Bad);
    }
    facts.text("", &best.location.describe(), Tone::Dim);
}
