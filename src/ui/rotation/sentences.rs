//! Sentences about a rotation: what happens next, which request was sent, what is known and what is not.

use ratatui::text::{Line, Span};

use crate::app::availability::can_act;
use crate::app::cell::Tone;
use crate::app::cluster::tabs::Tab;
use crate::app::fleet::columns::phase_glyph;
use crate::app::fleet::state::Entry;
use crate::app::keymap::Command;
use crate::app::nodes::text as nodes_text;
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::rotation::{step_text, text};
use crate::app::state::State;
use crate::domain::action::{Action, Trigger};
use crate::domain::age::{long, passed};
use crate::domain::attention::{NextStep, stuck};
use crate::domain::cluster::ReportedError;
use crate::domain::preflight::{self, Finding};
use crate::domain::roll::start_steps::{StartStepName, StepState};
use crate::domain::rotation::{Phase, Step};
use crate::domain::text::plural;
use crate::ui::line_context::LineContext;
use crate::ui::nodes::node;
use crate::ui::nodes::roll;
use crate::ui::rotation::findings;
use crate::ui::text::blanks;
use crate::ui::theme::Role;
use crate::ui::widgets::facts::Facts;

/// The most important fact about a cluster right now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// Its kind in one word: "next", "stuck", "problem", "sent", "gone".
    pub lead: &'static str,
    pub text: String,
    pub tone: Tone,
}

impl Next {
    fn new(lead: &'static str, text: impl Into<String>, tone: Tone) -> Self {
        Self { lead, text: text.into(), tone }
    }

    /// The sentence, with its lead unless the sentence makes that obvious.
    pub fn with_lead(&self) -> String {
        if matches!(self.lead, text::LEAD_NEXT | text::LEAD_BLOCKED) {
            self.text.clone()
        } else {
            format!("{}: {}", self.lead, self.text)
        }
    }
}

/// What happens next, as a sentence with its urgency.
pub fn next(entry: &Entry, state: &State) -> Next {
    let cluster = &entry.cluster;
    let now = state.shared.now.wall;
    if let Some(since) = entry.not_listed_since {
        let text = text::gone_since(state.zone().short(since));
        return Next::new(text::LEAD_GONE, text, Tone::Warn);
    }
    if let Some(pending) = state.rotation.pending.get(&cluster.id) {
        let tone = if pending.blocks() { Tone::Busy } else { Tone::Warn };
        return Next::new(text::LEAD_SENT, pending_sentence(state, pending), tone);
    }
    if let Some(held) = state.nodes.blocked_text(&cluster.id, now) {
        return Next::new(text::LEAD_BLOCKED, held, Tone::Bad);
    }
    if let Some(reason) = stuck(cluster, state.server_now()) {
        return Next::new(text::LEAD_STUCK, step_text::stuck(reason), Tone::Bad);
    }
    if let Some(problem) = cluster.problems.iter().find(|problem| problem.is_error()) {
        return Next::new(text::LEAD_PROBLEM, problem.to_string(), Tone::Warn);
    }
    let age = cluster.credentials_born().map(|born| passed(born, now));
    let (text, tone) = match (&cluster.rotation.phase, state.row(entry).next_step()) {
        (_, Some(NextStep::RenewKubeconfigs(count))) => {
            let count = plural(count, text::ONE_KUBECONFIG, text::KUBECONFIGS);
            (text::next_renew(count), Tone::Attention)
        }
        (_, Some(NextStep::UpdateClients)) => {
            (text::NEXT_UPDATE_CLIENTS.to_owned(), Tone::Attention)
        }
        (Phase::Preparing, _) => {
            let left = estimate(entry, state).map_or_else(String::new, |left| format!(", {left}"));
            (text::next_wait_for_nodes(left), Tone::Busy)
        }
        (Phase::Completing, _) => (text::NEXT_COMPLETING.to_owned(), Tone::Busy),
        (_, Some(NextStep::Start)) => {
            (age.map_or_else(|| text::NEXT_START.to_owned(), text::next_start), Tone::Warn)
        }
        (_, Some(NextStep::StartUnknownAge)) => {
            (text::NEXT_START_UNKNOWN_AGE.to_owned(), Tone::Warn)
        }
        (Phase::Unknown(phase), _) if phase.is_empty() => {
            (text::NEXT_NO_PHASE.to_owned(), Tone::Warn)
        }
        (Phase::Unknown(phase), _) => (text::next_unknown_phase(phase), Tone::Warn),
        (_, Some(NextStep::InspectUnhealthy)) => (text::NEXT_UNHEALTHY.to_owned(), Tone::Warn),
        (_, Some(step)) => (step_text::next_step(&step), Tone::Warn),
        (_, None) => {
            let age = age.map(text::credentials_age).unwrap_or_default();
            (text::next_nothing(age), Tone::Dim)
        }
    };
    Next::new(text::LEAD_NEXT, text, tone)
}

/// Time left for the nodes, if known.
fn estimate(entry: &Entry, state: &State) -> Option<String> {
    let observed = state.nodes.observed.get(&entry.cluster.id)?;
    nodes_text::estimate(observed.roll.as_ref()?.estimate, state.shared.now.wall)
}

/// The status of a sent step.
pub fn pending_sentence(state: &State, pending: &PendingStep) -> String {
    let done = pending.step.pick(text::ROTATION_STARTED, text::ROTATION_COMPLETED);
    match &pending.stage {
        PendingStage::Sending => text::sending(pending.step),
        PendingStage::Accepted { at, .. } => text::accepted_and_waiting(state.zone().clock(*at)),
        PendingStage::NotShown { at } => text::unseen(pending.step, state.zone().clock(*at)),
        PendingStage::ReadingBack { until, .. } => {
            let left =
                until.saturating_sub(state.shared.now.monotonic).try_into().unwrap_or_default();
            text::checking_effect_for(done, long(left))
        }
        PendingStage::Unknown => text::LOST.to_owned(),
    }
}

/// The keys for the next step, in working order; unavailable ones are dimmed, with the reason.
pub fn key_lines(entry: &Entry, indent: usize, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    if entry.not_listed_since.is_some() {
        return;
    }
    let open = |tab: Tab, words| (Command::Number(tab.number()), words, None);
    let rotate = |step, words| (Command::Rotate, words, Some(Action::Rotate(step)));
    let keys = match (state.row(entry).next_step(), entry.cluster.rotation.phase.due_step()) {
        (Some(NextStep::InspectUnhealthy), _) => vec![
            open(Tab::Nodes, text::KEY_NODES),
            (Command::Reconcile, text::KEY_RECONCILE, Some(Action::Trigger(Trigger::Reconcile))),
        ],
        (_, Some(Step::Start)) => vec![rotate(Step::Start, text::KEY_START)],
        (_, Some(Step::Complete)) => {
            let complete = rotate(Step::Complete, text::KEY_COMPLETE);
            let clients = [
                open(Tab::Credentials, text::KEY_CREDENTIALS),
                open(Tab::Checklist, text::KEY_CHECKLIST),
            ];
            let clients =
                clients.into_iter().filter(|_| entry.cluster.rotation.phase == Phase::Prepared);
            clients.chain([complete]).collect()
        }
        (_, None) => Vec::new(),
    };
    for (command, words, action) in keys {
        let key = facts.cx.key_of(command);
        let possible = action.map_or(Ok(()), |action| can_act(state, entry, action));
        match possible {
            Ok(()) => facts.line(vec![
                blanks(indent),
                theme.part(format!("{key}  "), Role::Accent),
                Span::raw(words),
            ]),
            Err(reason) => {
                facts.sentence(&text::key_refused(&key, words, &reason), Tone::Dim, indent)
            }
        };
    }
}

/// Findings before *complete* while clients are updated, without those shown elsewhere on this tab.
pub fn before_complete(entry: &Entry, cx: LineContext<'_>) -> Vec<Line<'static>> {
    let cluster = &entry.cluster;
    let is_sent = cx.state.rotation.pending.get(&cluster.id).is_some_and(PendingStep::blocks);
    if cluster.rotation.phase != Phase::Prepared || entry.not_listed_since.is_some() || is_sent {
        return Vec::new();
    }
    let evidence = cx.state.evidence(cluster);
    let found = preflight::findings(Step::Complete, cluster, &evidence, cx.state.shared.now.wall);
    let shown = found.iter().filter(|finding| {
        !matches!(
            finding,
            Finding::Allowed { .. }
                | Finding::Refused(_)
                | Finding::State(_)
                | Finding::Reported(_)
                | Finding::Times(_)
        )
    });
    let mut lines = vec![Line::from(cx.part(text::BEFORE_COMPLETE, Role::Label))];
    lines.extend(findings::lines(shown, cx));
    lines
}

/// Progress of the nodes, phase and times, most important first. `blocker`: include what blocks the nodes.
pub fn roll_facts(entry: &Entry, blocker: bool, facts: &mut Facts<'_>) {
    let rolls = entry.cluster.rotation.phase == Phase::Preparing;
    let seen = rolls && nodes_seen(entry, facts);
    if seen {
        facts.blank();
        if blocker {
            blocked_by(entry, facts);
            facts.blank();
        }
    }
    times(entry, facts);
    if !(seen || nodes_seen(entry, facts)) {
        nodes_unseen(entry, facts);
    }
}

fn times(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, theme, .. } = facts.cx;
    let rotation = &entry.cluster.rotation;
    let zone = state.zone();
    let now = state.server_now();
    let sign = phase_glyph(&rotation.phase);
    let mut phase = vec![
        theme.span(sign.text, sign.tone),
        Span::raw(" "),
        theme.part(rotation.phase.label().to_owned(), Role::Title),
    ];
    if let Some(seen) = entry.phase_seen {
        let lasted = passed(seen, state.shared.now.wall);
        phase.push(theme.span(text::for_duration(lasted), Tone::Dim));
    }
    facts.fact(text::LABEL_PHASE, phase);
    // The steps above already show how long ago these were.
    if let Some(at) = rotation.initiated {
        facts.fact(text::LABEL_STARTED, zone.full(at));
    }
    match rotation.completed {
        Some(at) if rotation.phase == Phase::Completed => {
            facts.fact(text::LABEL_COMPLETED, zone.full(at));
        }
        Some(at) => {
            let ago = text::since(passed(at, now));
            facts.fact(
                text::LABEL_PREVIOUS,
                vec![Span::raw(zone.full(at)), theme.span(ago, Tone::Dim)],
            );
        }
        None => {}
    }
    if let Some(why) = rotation.inconsistent_times(now) {
        let why = text::doubtful_times(step_text::inconsistent_times(why));
        facts.text(text::LABEL_DOUBT, &why, Tone::Warn);
    }
}

/// Progress of the roll, read from the cluster's own API; `false` if there is none.
fn nodes_seen(entry: &Entry, facts: &mut Facts<'_>) -> bool {
    let LineContext { state, .. } = facts.cx;
    let phase = &entry.cluster.rotation.phase;
    let observed = state.nodes.observed.get(&entry.cluster.id);
    let Some(roll) = observed.and_then(|observed| observed.roll.as_ref()) else { return false };
    if *phase == Phase::Prepared && roll.progress().is_none() {
        return false;
    }
    let now =
        observed.map_or(state.shared.now.wall, |observed| observed.as_of(state.shared.now.wall));
    for (at, line) in roll::summary(roll, now, facts.values()).into_iter().enumerate() {
        facts.fact(if at == 0 { text::LABEL_NODES } else { "" }, line);
    }
    if *phase != Phase::Preparing {
        return true;
    }
    let running = roll.steps.iter().find(|step| step.state == StepState::Now);
    let shows_nodes = running.is_none_or(|step| step.name == StartStepName::Nodes);
    if shows_nodes && roll.sees_nodes() {
        for line in roll::legend(roll.counts, roll.idle, facts.values()) {
            facts.fact("", line);
        }
    } else {
        facts.fact("", roll::step_now(&roll.steps, facts.values()));
    }
    let started = entry.cluster.rotation.start();
    if let Some(pace) = started.and_then(|from| roll::pace(roll, (from, now), facts.values())) {
        facts.fact(nodes_text::LABEL_PACE, pace);
    }
    facts.blank();
    for line in roll::pools_compact(roll, None, now, facts.values()).lines {
        facts.fact("", line);
    }
    if let Some(text) = state.unseen(&entry.cluster.id) {
        let seen = observed.and_then(|observed| observed.seen).map(|seen| seen.wall);
        let age =
            seen.map_or_else(String::new, |at| text::as_of(passed(at, state.shared.now.wall)));
        facts.text(text::LABEL_DETAIL, &format!("{age}{text}"), Tone::Warn);
    }
    true
}

/// The worst blocker of the roll, with its fix.
pub fn blocked_by(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, .. } = facts.cx;
    let observed = state.nodes.observed.get(&entry.cluster.id);
    let worst = observed.and_then(|observed| Some((observed, observed.roll.as_ref()?.worst()?)));
    let Some((observed, worst)) = worst else { return };
    let now = observed.as_of(state.shared.now.wall);
    if state.nodes.is_blocked(&entry.cluster.id) {
        // The blocker is shown above.
        node::remedy(worst, now, facts);
    } else {
        node::held_by(worst, (now, true), facts);
    }
}

/// What SKE reports about the nodes, and why no more is known.
fn nodes_unseen(entry: &Entry, facts: &mut Facts<'_>) {
    let LineContext { state, .. } = facts.cx;
    let phase = &entry.cluster.rotation.phase;
    facts.fact(text::LABEL_NODES, nodes(entry));
    if *phase != Phase::Preparing {
        return;
    }
    facts.text(text::LABEL_USUAL, text::USUAL_NODE_TIME, Tone::Plain);
    if let Some(text) = state.unseen(&entry.cluster.id) {
        facts.text(text::LABEL_DETAIL, &text, Tone::Dim);
    }
}

/// "3–6 nodes in 1 pool": the API does not report the current number.
pub fn nodes(entry: &Entry) -> String {
    let (min, max) = entry.cluster.node_bounds();
    let pools = plural(entry.cluster.pools.len(), text::ONE_POOL, text::POOLS);
    if min == max { text::nodes_fixed(max, &pools) } else { text::nodes_range(min, max, &pools) }
}

/// Reported errors that neither `next` nor a blocker shows.
pub fn other_problems<'a>(entry: &'a Entry, state: &State, next: &Next) -> Vec<&'a ReportedError> {
    let observed = state.nodes.observed.get(&entry.cluster.id);
    let worst = observed.and_then(|observed| observed.roll.as_ref()?.worst());
    let beside = worst.map_or(&[][..], |worst| &worst.reported);
    let problems = entry.cluster.problems.iter();
    problems.filter(|p| !beside.contains(p) && next.text != p.to_string()).collect()
}

/// Errors reported by SKE, each in full.
pub fn problems<'a>(
    problems: impl IntoIterator<Item = &'a ReportedError>,
    label: &str,
    facts: &mut Facts<'_>,
) {
    for (index, problem) in problems.into_iter().enumerate() {
        let label = if index == 0 { label } else { "" };
        let tone = if problem.blocks_roll() { Tone::Bad } else { Tone::Warn };
        facts.text(label, &problem.to_string(), tone);
    }
}
