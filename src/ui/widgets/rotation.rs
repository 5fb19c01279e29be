//! Sentences about a cluster's rotation: what happens next, what was sent, what is known and what is not.

use ratatui::text::Span;

use crate::app::availability::{can_act, due_step};
use crate::app::columns::{Tone, phase_glyph};
use crate::app::fleet::Entry;
use crate::app::keymap::Command;
use crate::app::state::{Pending, PendingStage, State};
use crate::domain::action::Action;
use crate::domain::age::{long, since};
use crate::domain::attention::{Stuck, next_step, stuck};
use crate::domain::cluster::Problem;
use crate::domain::rotation::{Phase, Step};
use crate::domain::text::plural;
use crate::ui::theme::{Role, Theme};
use crate::ui::widgets::facts::Facts;
use crate::ui::widgets::footer::key_of;

/// What matters most about a cluster now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What kind of thing it is, in a word: "next", "stuck", "problem", "sent", "gone".
    pub lead: &'static str,
    /// A sentence.
    pub text: String,
    /// How urgent it is.
    pub tone: Tone,
}

impl Next {
    fn new(lead: &'static str, text: impl Into<String>, tone: Tone) -> Self {
        Self { lead, text: text.into(), tone }
    }

    /// Word and sentence together; a plain next step needs no word.
    pub fn said(&self) -> String {
        if self.lead == "next" {
            self.text.clone()
        } else {
            format!("{}: {}", self.lead, self.text)
        }
    }
}

/// What happens next, in a sentence, and how urgent that is.
pub fn next(entry: &Entry, state: &State) -> Next {
    let cluster = &entry.cluster;
    let now = state.now.wall;
    if let Some(gone) = entry.gone {
        let text = format!("no longer listed since {}", state.zone().short(gone));
        return Next::new("gone", text, Tone::Warn);
    }
    if let Some(pending) = state.pending.get(&cluster.id) {
        return Next::new("sent", pending_sentence(state, pending), Tone::Busy);
    }
    if let Some(reason) = stuck(cluster, now) {
        let text = match reason {
            Stuck::Reported(problem) => problem_words(problem),
            Stuck::GaveUp(_) => reason.to_string(),
        };
        return Next::new("stuck", text, Tone::Bad);
    }
    if let Some(problem) = cluster.problems.iter().find(|problem| !problem.is_only_incomplete()) {
        return Next::new("problem", problem_words(problem), Tone::Warn);
    }
    let age = cluster.credentials_born().map(|born| long(since(born, now)));
    match (&cluster.rotation.phase, next_step(cluster, now, state.settings.overdue_after)) {
        (Phase::Prepared, Some(text)) if text.starts_with("update clients") => Next::new(
            "next",
            "update clients, then complete; old credentials work until then",
            Tone::Attention,
        ),
        (Phase::Preparing, _) => {
            Next::new("next", "wait until all nodes are new; old credentials work", Tone::Busy)
        }
        (Phase::Completing, _) => {
            Next::new("next", "wait; SKE drops the old credentials", Tone::Busy)
        }
        (Phase::Never | Phase::Completed, Some(text)) if text.starts_with("start: overdue") => {
            let age = age.unwrap_or_default();
            let text = format!("start a rotation; the credentials are {age} old");
            Next::new("next", text, Tone::Warn)
        }
        (Phase::Unknown(text), _) => {
            let text = format!("look in the portal; skeys does not know the phase {text}");
            Next::new("next", text, Tone::Warn)
        }
        (_, Some(text)) => Next::new("next", text, Tone::Warn),
        (_, None) => {
            let age =
                age.map_or_else(String::new, |age| format!("; the credentials are {age} old"));
            Next::new("next", format!("nothing to do{age}"), Tone::Dim)
        }
    }
}

/// The server's words first: they say more than the code.
fn problem_words(problem: &Problem) -> String {
    if problem.message.is_empty() {
        problem.code.clone()
    } else {
        format!("{} ({})", problem.message, problem.code)
    }
}

/// How a sent step stands, in the words of the whole product.
pub fn pending_sentence(state: &State, pending: &Pending) -> String {
    let done = match pending.step {
        Step::Start => "the rotation started",
        Step::Complete => "the rotation was completed",
    };
    match &pending.stage {
        PendingStage::Sending => format!("Sending the {} …", pending.step),
        PendingStage::Accepted { at, .. } => format!(
            "Accepted at {}. Waiting for SKE to show it (usually under 3 minutes).",
            state.zone().clock(*at)
        ),
        PendingStage::ReadingBack { .. } => {
            format!("The connection broke before SKE answered. Checking whether {done} …")
        }
        PendingStage::Lost { .. } => {
            "Cannot tell: SKE does not answer. Nothing will be sent again on its own.".to_owned()
        }
    }
}

/// The key of the step that is due; dimmed with its reason when it cannot be done now.
pub fn key_line(entry: &Entry, state: &State, theme: Theme, facts: &mut Facts) {
    let Some(step) = due_step(state) else { return };
    if entry.gone.is_some() {
        return;
    }
    let words = match step {
        Step::Start => "start the rotation",
        Step::Complete => "complete the rotation",
    };
    let key = key_of(state, theme, Command::Rotate);
    match can_act(state, entry, Action::Rotate(step)) {
        Ok(()) => facts.line(vec![
            Span::raw("    "),
            theme.part(format!("{key}  "), Role::Accent),
            Span::raw(words),
        ]),
        Err(reason) => facts.sentence(&format!("{key}  {words}: not now, {reason}"), Tone::Dim, 4),
    };
}

/// Phase and how long, what SKE says of the roll, and what cannot be seen.
pub fn roll_facts(entry: &Entry, state: &State, theme: Theme, facts: &mut Facts) {
    let cluster = &entry.cluster;
    let rotation = &cluster.rotation;
    let zone = state.zone();
    let now = state.now.wall;
    let sign = phase_glyph(&rotation.phase, false);
    let mut phase = vec![
        theme.span(sign.text, sign.tone),
        Span::raw(" "),
        theme.part(rotation.phase.word().to_owned(), Role::Title),
    ];
    if let Some(seen) = entry.phase_seen {
        phase.push(theme.span(format!("  for {}", long(since(seen, now))), Tone::Dim));
    }
    facts.fact("phase", phase);
    if let Some(at) = rotation.initiated {
        facts.fact(
            "started",
            vec![
                Span::raw(zone.full(at)),
                theme.span(format!("  {} ago", long(since(at, now))), Tone::Dim),
            ],
        );
    }
    if let Some(at) = rotation.completed {
        let label = if rotation.phase == Phase::Completed { "completed" } else { "previous" };
        facts.fact(
            label,
            vec![
                Span::raw(zone.full(at)),
                theme.span(format!("  {} ago", long(since(at, now))), Tone::Dim),
            ],
        );
    }
    if let Some(doubt) = rotation.doubt(now) {
        facts.text("doubt", &format!("the times that SKE shows are doubtful: {doubt}"), Tone::Warn);
    }
    facts.fact("nodes", vec![Span::raw(nodes(entry))]);
    if rotation.phase == Phase::Preparing {
        facts.text("usual", "5–10m a node; several at once where surge allows it", Tone::Plain);
    }
    if rotation.phase.is_running() {
        facts.text(
            "detail",
            "the SKE API shows phase and times only; node detail needs cluster access",
            Tone::Dim,
        );
    }
}

/// "3–6 nodes in 1 pool": the API does not say how many there are now.
pub fn nodes(entry: &Entry) -> String {
    let (min, max) = entry.cluster.node_bounds();
    let pools = plural(entry.cluster.pools.len(), "pool", "pools");
    if min == max { format!("{max} in {pools}") } else { format!("{min}–{max} in {pools}") }
}

/// Whether the sentence about what happens next is one of the errors that SKE reports.
pub fn tells_a_problem(next: &Next, entry: &Entry) -> bool {
    entry.cluster.problems.iter().any(|problem| next.text == problem_words(problem))
}

/// What SKE reports as wrong, each error whole, but for the one that `told` says already.
pub fn problems(entry: &Entry, facts: &mut Facts, label: &str, told: Option<&Next>) {
    let problems = entry
        .cluster
        .problems
        .iter()
        .filter(|problem| told.is_none_or(|next| next.text != problem_words(problem)));
    for (index, problem) in problems.enumerate() {
        let label = if index == 0 { label } else { "" };
        let tone = if problem.blocks_roll() { Tone::Bad } else { Tone::Warn };
        facts.text(label, &problem_words(problem), tone);
    }
}
