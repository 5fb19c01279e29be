//! Overview of a cluster: state, version, pools, windows, kubeconfigs.

use jiff::Timestamp;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::cluster::text;
use crate::app::fleet::state::Entry;
use crate::domain::age::passed;
use crate::domain::cluster::NodePool;
use crate::domain::text::{cut_middle, width};
use crate::ui::credentials::{tab, table};
use crate::ui::fleet::preview;
use crate::ui::line_context::LineContext;
use crate::ui::rotation::sentences;
use crate::ui::text::{beside, pad_end, pad_start};
use crate::ui::theme::Role;
use crate::ui::widgets::facts::Facts;

/// Minimum columns to show what rotates beside the node pools.
const BESIDE_FROM: usize = 170;

/// Width of a project ID with its label.
const RIGHT: usize = 49;

/// All lines of the tab.
pub fn lines(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { columns, .. } = cx;
    let mut out = Vec::new();
    if !entry.cluster.problems.is_empty() {
        let mut facts = Facts::new(cx, 13);
        sentences::problems(&entry.cluster.problems, text::LABEL_ERRORS, &mut facts);
        out.extend(facts.into_lines());
        out.push(Line::default());
    }
    let half = (columns / 2).min(columns.saturating_sub(RIGHT)).max(43);
    let (left, right) = (cx.with_columns(half.saturating_sub(1)), cx.narrower_by(half));
    if columns >= 76 {
        out.extend(beside(left_facts(entry, left), right_facts(entry, right), half));
    } else {
        out.extend(left_facts(entry, cx.narrower_by(1)));
        out.extend(right_facts(entry, cx));
    }
    out.push(Line::default());
    let is_beside = columns >= BESIDE_FROM;
    if is_beside {
        out.extend(beside(pools(entry, left), tab::what_rotates(entry, right), half));
    } else {
        out.extend(pools(entry, cx));
    }
    out.push(Line::default());
    out.extend(accesses(entry, cx));
    if !is_beside {
        out.push(Line::default());
        out.extend(tab::what_rotates(entry, cx));
    }
    out
}

fn left_facts(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { state, theme, .. } = cx;
    let cluster = &entry.cluster;
    let now = state.server_now();
    let mut facts = Facts::new(cx, 13);
    facts.fact(text::LABEL_PHASE, preview::phase_words(entry, cx));
    facts.fact(text::LABEL_STATE, preview::state_word(cluster, theme));
    facts.fact(text::LABEL_KUBERNETES, preview::version(cluster, now, theme));
    preview::pool_versions(cluster, now, &mut facts);
    if let Some(at) = cluster.created {
        facts.fact(text::LABEL_CREATED, state.zone().full(at));
    }
    if let Some(born) = cluster.credentials_born() {
        let age = passed(born, now);
        facts.fact(text::LABEL_CREDENTIALS, text::age(&age));
    }
    facts.fact(
        text::LABEL_READ,
        theme.span(text::ago(passed(entry.seen.wall, state.shared.now.wall)), Tone::Dim),
    );
    facts.into_lines()
}

fn right_facts(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let cluster = &entry.cluster;
    let mut facts = Facts::new(cx, 13);
    let project = cx.state.fleet.project_name(cluster.id.project());
    facts.fact(text::LABEL_PROJECT, cut_middle(project, cx.columns.saturating_sub(13)));
    facts.fact(
        text::LABEL_PROJECT_ID,
        cx.span(
            cut_middle(cluster.id.project().as_str(), cx.columns.saturating_sub(13)),
            Tone::Dim,
        ),
    );
    facts.fact(
        text::LABEL_MAINTENANCE,
        match &cluster.maintenance {
            Some((begin, end)) => Span::raw(text::window(begin, end)),
            None => cx.span(text::NO_WINDOW, Tone::Dim),
        },
    );
    if cluster.schedules.is_empty() {
        facts.fact(text::LABEL_HIBERNATION, cx.span(text::NO_SCHEDULE, Tone::Dim));
    }
    for (index, schedule) in cluster.schedules.iter().enumerate() {
        let zone = if schedule.timezone.is_empty() { text::UTC } else { &schedule.timezone };
        facts
            .text(
                if index == 0 { text::LABEL_HIBERNATION } else { "" },
                &text::hibernates(&schedule.start),
                Tone::Plain,
            )
            .text("", &text::wakes(&schedule.end), Tone::Plain)
            .text("", zone, Tone::Dim);
    }
    let idp = if cluster.idp { text::IDP_ON } else { text::IDP_OFF };
    facts.fact(text::LABEL_IDP, idp);
    facts.into_lines()
}

fn pools(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { state, theme, .. } = cx;
    let pools = &entry.cluster.pools;
    if pools.is_empty() {
        return vec![Line::from(theme.span(text::NO_POOLS, Tone::Dim))];
    }
    let observed = state.nodes.observed.get(&entry.cluster.id).filter(|observed| observed.live);
    let roll = observed.and_then(|observed| observed.roll.as_ref());
    let present = |pool: &NodePool| {
        let of_pool = roll?.pools.iter().find(|known| known.name == pool.name)?;
        Some(of_pool.counts.seen().to_string())
    };
    let widest = |least: usize, most: usize, cell: &dyn Fn(&NodePool) -> String| {
        pools.iter().map(|pool| width(&cell(pool))).max().unwrap_or(least).clamp(least, most)
    };
    let name = widest(4, 15, &|pool| pool.name.clone());
    let zones = widest(5, 26, &zones_text);
    let machine = widest(7, 12, &|pool| pool.machine_type.clone());
    let heading = format!(
        "{}  {}{}  {}  {}  {}  {}  {}",
        pad_end(text::COLUMN_POOL, name),
        pad_start(text::COLUMN_NODES, 7),
        roll.map(|_| format!("  {}", text::COLUMN_NOW)).unwrap_or_default(),
        pad_start(text::COLUMN_SURGE, 5),
        pad_start(text::COLUMN_UNAVAILABLE, 4),
        pad_end(text::COLUMN_ZONES, zones),
        pad_end(text::COLUMN_MACHINE, machine),
        text::COLUMN_IMAGE
    );
    let mut lines = vec![cx.line(vec![theme.part(heading, Role::Label)])];
    for pool in pools {
        let counts = format!("{}–{}", pool.minimum, pool.maximum);
        let present = present(pool).unwrap_or_else(|| "–".to_owned());
        let present = roll.map(|_| format!("  {}", pad_start(&present, 3))).unwrap_or_default();
        let spans = vec![
            Span::raw(pad_end(&pool.name, name)),
            Span::raw(format!("  {}", pad_start(&counts, 7))),
            Span::raw(present),
            Span::raw(format!("  {}", pad_start(&pool.max_surge.to_string(), 5))),
            Span::raw(format!("  {}", pad_start(&pool.max_unavailable.to_string(), 4))),
            theme.span(format!("  {}", pad_end(&zones_text(pool), zones)), Tone::Dim),
            theme.span(format!("  {}", pad_end(&pool.machine_type, machine)), Tone::Dim),
            theme.span(format!("  {}", pool.image), Tone::Dim),
        ];
        lines.push(cx.line(spans));
    }
    lines
}

fn zones_text(pool: &NodePool) -> String {
    pool.zones.join(" ")
}

/// Credentials for the cluster on this machine, with their verdicts.
pub fn accesses(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let mut known = cx.state.known_credentials(&entry.cluster);
    known.sort_by_key(|known| std::cmp::Reverse(known.expires.unwrap_or(Timestamp::MAX)));
    known.truncate(6);
    if known.is_empty() {
        return vec![Line::from(cx.span(text::NO_KUBECONFIGS, Tone::Dim))];
    }
    table::lines(&known, cx, None)
}
