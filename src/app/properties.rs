//! Properties of the state machine under random messages, and under all short sequences for two clusters and dialogs.
#![expect(clippy::wildcard_enum_match_arm, reason = "requests that need no check here")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use proptest::prelude::*;

use crate::app::cluster::tabs::Tab;
use crate::app::credentials::state::content_at;
use crate::app::effect::{Effect, Request, TerminalEffect};
use crate::app::fleet::state::Entry;
use crate::app::keymap::Keymap;
use crate::app::kubeconfig::form::{KubeconfigField, KubeconfigFormStage};
use crate::app::kubeconfig::renewal::{RenewalField, RenewalItemStage, RenewalStage};
use crate::app::message::{
    Answer, Copied, IssuedKubeconfig, Message, RotateOutcome, TriedCredential,
};
use crate::app::now::Now;
use crate::app::requests::{DialogId, KubeconfigRequest, RequestId, RequestOwner};
use crate::app::screen::Screen;
use crate::app::settings::Settings;
use crate::app::state::State;
use crate::app::update::{begin, next_wake, refresh_rows, unanswered, update};
use crate::domain::action::Accepted;
use crate::domain::checklist::{
    Checklist, ChecklistChange, ChecklistClient, ChecklistConflict, LocalChecklist,
};
use crate::domain::cluster::{Cluster, ClusterId, Listing, ProjectId, Region};
use crate::domain::credential::{Credentials, FoundFile, KubeconfigLocation, SignIn, Trial, Trust};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{self, found, found_context, now};
use crate::domain::identity::Identity;
use crate::domain::kubeconfig::{
    FileTarget, KubeconfigKind, MergeOptions, NotSaved, ParsedKubeconfig, Plan, Saved,
};
use crate::domain::last_known::LastFleet;
use crate::domain::lifetime::Lifetime;
use crate::domain::permissions::Discovered;
use crate::domain::persisted::PersistedState;
use crate::domain::record::Outcome;
use crate::domain::rotation::Phase;
use crate::domain::secret::Secret;
use crate::domain::snapshot::{
    ClusterSnapshot, Node, ObserverEvent, Template, Templates, Terminating, Unavailable,
};

#[derive(Debug, Clone)]
enum Event {
    Key(char),
    Named(KeyCode),
    /// Open the kubeconfig form of a cluster and confirm it.
    Issue(u8),
    /// Open the credentials of a cluster, mark entries, and renew them.
    Renew(u8),
    /// Select a line of the scope menu.
    Scope(u8),
    Pass(u64),
    Jump(i64),
    Answer(u8, u8),
    /// Repeat an earlier answer, to the same request or to another one.
    Again(u8, bool),
    Observe(u8),
    Paste(String),
    Resize(u16, u16),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => prop::sample::select("RKAWCsyca/:?jkgGpP1234%uTrq xbweo-prd\u{13}".chars().collect::<Vec<_>>())
            .prop_map(Event::Key),
        5 => prop::sample::select(vec![
            KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::BackTab, KeyCode::Left, KeyCode::Right,
            KeyCode::Up, KeyCode::Down, KeyCode::Backspace,
        ])
        .prop_map(Event::Named),
        3 => any::<u8>().prop_map(Event::Issue),
        3 => any::<u8>().prop_map(Event::Renew),
        2 => any::<u8>().prop_map(Event::Scope),
        3 => (0_u64..90).prop_map(Event::Pass),
        1 => (-100_000_i64..100_000).prop_map(Event::Jump),
        8 => (any::<u8>(), any::<u8>()).prop_map(|(which, how)| Event::Answer(which, how)),
        2 => (any::<u8>(), any::<bool>()).prop_map(|(which, other)| Event::Again(which, other)),
        4 => any::<u8>().prop_map(Event::Observe),
        1 => ".{0,20}".prop_map(Event::Paste),
        1 => (0_u16..300, 0_u16..100).prop_map(|(w, h)| Event::Resize(w, h)),
    ]
}

/// Holds open requests and answers them on command.
#[derive(Clone)]
struct Environment {
    clusters: BTreeMap<ClusterId, Cluster>,
    waiting: Vec<(RequestId, Request)>,
    /// Earlier answers, for repetition.
    past: Vec<(RequestId, Result<Answer, Failure>)>,
    rotations: BTreeMap<ClusterId, usize>,
    observed: BTreeMap<ClusterId, RequestId>,
    /// Requested kubeconfigs and their clusters.
    issued: BTreeMap<RequestId, ClusterId>,
}

/// Limit of concurrent observations.
const LIMIT: usize = 2;

/// The server name of a kubeconfig identifies its request.
fn server(request: RequestId) -> String {
    format!("https://api.{}.example", request.0)
}

fn kubeconfig(kind: KubeconfigKind, request: RequestId) -> ParsedKubeconfig {
    let user = match kind {
        KubeconfigKind::Admin => "{client-certificate-data: QUJD, client-key-data: QUJD}",
        KubeconfigKind::Login | KubeconfigKind::Idp => {
            "{exec: {command: stackit, args: [ske, kubeconfig, login]}}"
        }
    };
    let text = format!(
        "contexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: '{}', certificate-authority-data: QUJD}}}}]\n\
         users: [{{name: u, user: {user}}}]\n",
        server(request)
    );
    ParsedKubeconfig::read(kind, &Secret::new(text)).unwrap()
}

impl Environment {
    fn new(clusters: impl IntoIterator<Item = Cluster>) -> Self {
        Self {
            clusters: clusters.into_iter().map(|cluster| (cluster.id.clone(), cluster)).collect(),
            waiting: Vec::new(),
            past: Vec::new(),
            rotations: BTreeMap::new(),
            observed: BTreeMap::new(),
            issued: BTreeMap::new(),
        }
    }

    /// Takes the effects, and checks them against what the user sees.
    fn take(&mut self, state: &State, effects: Vec<Effect>) -> Result<(), TestCaseError> {
        for effect in effects {
            match effect {
                Effect::Request(request, Request::Observe { cluster, .. }) => {
                    prop_assert!(
                        self.observed.insert(cluster.id.clone(), request).is_none(),
                        "observed twice"
                    );
                    prop_assert!(self.observed.len() <= LIMIT, "{:?}", self.observed);
                }
                Effect::Request(id, request) => {
                    self.check(state, id, &request)?;
                    self.waiting.push((id, request));
                }
                Effect::Unobserve(id) => {
                    prop_assert!(self.observed.remove(&id).is_some(), "{id} was not observed");
                }
                Effect::Reading(cluster) => {
                    prop_assert!(self.observed.contains_key(&cluster.id), "nobody observes");
                }
                Effect::Terminal(TerminalEffect::Restart) => {
                    prop_assert!(!state.write_under_way(), "something is sent");
                    prop_assert!(state.kubeconfig.unsaved.is_empty(), "it would be lost");
                }
                Effect::Journal(_) | Effect::Notify { .. } | Effect::Terminal(_) => {}
            }
        }
        Ok(())
    }

    fn check(
        &mut self,
        state: &State,
        id: RequestId,
        request: &Request,
    ) -> Result<(), TestCaseError> {
        match request {
            Request::Rotate { shown, .. } => {
                let under_way = self.rotations.entry(shown.id.clone()).or_default();
                *under_way += 1;
                prop_assert!(*under_way <= 1, "two writes at once for {}", shown.id);
            }
            Request::Issue { shown, .. } => {
                self.issued.insert(id, shown.id.clone());
            }
            // A kubeconfig is saved to the destination in the open dialog, and is the one requested by it.
            Request::Save { fresh, file, options, .. } => {
                let brought = self.issued.iter().find(|(id, _)| fresh.server() == server(**id));
                let (by, cluster) = brought.expect("it was asked for");
                if let Some(renewal) = &state.kubeconfig.renewal {
                    prop_assert_eq!(cluster, &renewal.cluster.id, "of another cluster");
                    let item = renewal.items.iter().find(|item| item.issued == Some(*by));
                    let entry = &item.expect("an entry waits for it").entry;
                    prop_assert_eq!(&entry.target(), file);
                    prop_assert_eq!(&entry.options(), options);
                    return Ok(());
                }
                let Some(form) = &state.kubeconfig.form else {
                    return Err(TestCaseError::fail("saved without a form"));
                };
                prop_assert_eq!(cluster, &form.cluster.id, "filed under another cluster's name");
                let held = form.issued.as_ref().map(|(request, held)| (*request, held));
                let (request, held) = held.expect("the form holds it");
                prop_assert_eq!(request, *by);
                prop_assert_eq!(&held.request.cluster.id, cluster);
            }
            _ => {}
        }
        Ok(())
    }

    /// Kubeconfig files of this machine: two entries per cluster.
    fn files(&self) -> Vec<FoundFile> {
        let contexts = |id: &ClusterId| {
            let server =
                format!("api.{}.0a1b2c3d4e.s.ske.{}.onstackit.cloud", id.name, id.region());
            ["one", "two"].map(|name| {
                let context = format!("{name}-{}", id.name);
                found_context(&context, &server, Trust::Anything, vec![SignIn::StaticToken])
            })
        };
        vec![found("~/.kube/config", Ok(self.clusters.keys().flat_map(contexts).collect()))]
    }

    /// An event of one of the observers.
    fn observe(&self, seed: u8) -> Option<Message> {
        let (_, request) = self.observed.iter().nth(usize::from(seed) % LIMIT)?;
        let broken = Failure::new(FailureKind::Unreachable, "no answer");
        let sighting = match seed / 4 % 8 {
            0 => ObserverEvent::Unavailable(Unavailable::Connecting),
            1 => ObserverEvent::Unavailable(Unavailable::Unreachable(broken)),
            2 => ObserverEvent::Unavailable(Unavailable::WouldDisableStaticTokens),
            nodes => ObserverEvent::Snapshot(Arc::new(snapshot(nodes))),
        };
        Some(Message::Answered(*request, Ok(Answer::Observed(sighting))))
    }

    fn answer(&mut self, which: usize, how: u8) -> Option<Message> {
        if self.waiting.is_empty() {
            return None;
        }
        let (id, request) = self.waiting.remove(which % self.waiting.len());
        let answer = self.answer_to(id, request.clone(), how);
        if matches!(answer, Ok(Answer::SaveIsLate(_))) {
            self.waiting.push((id, request));
        }
        self.past.push((id, answer.clone()));
        Some(Message::Answered(id, answer))
    }

    fn tried(&self, locations: Vec<KubeconfigLocation>, works: bool) -> Answer {
        let files = self.files();
        let tried = |location: KubeconfigLocation| TriedCredential {
            content: content_at(&files, &location),
            trial: if works { Trial::Accepted } else { Trial::NoAnswer(String::new()) },
            location,
        };
        Answer::Tried(locations.into_iter().map(tried).collect())
    }

    /// Answers any kind of request.
    fn answer_to(&mut self, id: RequestId, request: Request, how: u8) -> Result<Answer, Failure> {
        let broken = || Failure::new(FailureKind::Unreachable, "the connection broke");
        let accepted = || Accepted { status: 202, trace: None };
        let works = !how.is_multiple_of(3);
        if how.is_multiple_of(17) {
            if let Request::Rotate { shown, .. } = &request {
                self.rotations.remove(&shown.id);
            }
            return Err(broken());
        }
        let plan = || Plan { path: "~/.kube/config".into(), ..Plan::default() };
        Ok(match request {
            Request::Identify => identity(),
            Request::NameProjects(ids) => {
                Answer::ProjectNames(ids.into_iter().map(|id| (id, "shop".to_owned())).collect())
            }
            Request::Discover => {
                Answer::Discovered(works.then(|| discovered(how)).ok_or_else(broken)?)
            }
            Request::PrepareRestart { .. } => {
                works.then_some(Answer::RestartReady).ok_or_else(broken)?
            }
            Request::List(scope) if works => Answer::Clusters(Listing {
                clusters: self
                    .clusters
                    .values()
                    .filter(|cluster| cluster.id.scope == scope)
                    .skip(usize::from(how.is_multiple_of(5)))
                    .cloned()
                    .collect(),
                skipped: 0,
                skew: None,
            }),
            Request::List(_) => return Err(broken()),
            Request::Read(id) => match self.clusters.get(&id) {
                Some(cluster) if works => Answer::Cluster(Box::new(cluster.clone()), None),
                _ => return Err(broken()),
            },
            Request::Rotate { shown, .. } => {
                self.rotations.remove(&shown.id);
                Answer::Rotation(match how % 4 {
                    0 => RotateOutcome::Unknown(broken(), None),
                    1 => RotateOutcome::Refused(Failure::new(FailureKind::Refused, "no")),
                    2 => RotateOutcome::Changed(shown),
                    _ => RotateOutcome::Accepted(accepted(), None),
                })
            }
            Request::Act { .. } => works.then(|| Answer::Action(accepted())).ok_or_else(broken)?,
            Request::ReadInventory(_) => Answer::Inventory(self.files()),
            Request::TryCredentials(locations) => self.tried(locations, works),
            Request::ReadChecklist(_) | Request::WriteChecklist { .. } => {
                let refused = || Failure::from(ChecklistConflict::Changed);
                Answer::Checklist(works.then(checklist).ok_or_else(refused)?)
            }
            Request::Observe { .. } => {
                Answer::Observed(ObserverEvent::Unavailable(Unavailable::Connecting))
            }
            Request::Plan { .. } => Answer::Plan(Box::new(match how % 5 {
                0 => return Err(Failure::new(FailureKind::File, "it is read-only")),
                1 => Plan { taken: vec!["context web".into()], ..plan() },
                _ => plan(),
            })),
            Request::Issue { .. } if !works => return Err(broken()),
            Request::Issue { kind, .. } => {
                let fresh = Arc::new(kubeconfig(kind, id));
                let expires = now().checked_add(SignedDuration::from_hours(8)).ok();
                Answer::Kubeconfig(IssuedKubeconfig { fresh, expires, issuance: None })
            }
            Request::Save { file, options, .. } => self.saved(id, &file, options, how),
            Request::CopySecret(_) | Request::CopyText(_) | Request::CopyTable(..) => {
                let copied = Copied { how: "Copied".into(), can_check: true };
                Answer::Copied(works.then_some(copied).ok_or_else(broken)?)
            }
            Request::SaveTable { name, .. } => {
                Answer::TableSaved(works.then_some(name).ok_or_else(broken)?)
            }
            Request::ClearClipboard(_) => Answer::ClipboardCleared(works),
            Request::Persist(kept, _) => {
                Answer::Credentials { credentials: kept.credentials, note: None }
            }
            Request::ReadLog => Answer::Log(vec!["a line".to_owned()]),
            Request::LoadFleet => Answer::LastFleet(LastFleet::default()),
            Request::SaveFleet(_) => Answer::FleetSaved,
            Request::LoadCredentials => {
                Answer::Credentials { credentials: Credentials::default(), note: None }
            }
        })
    }

    /// The result of saving; possibly first that it is late.
    fn saved(&self, id: RequestId, file: &FileTarget, options: MergeOptions, how: u8) -> Answer {
        let broken = Failure::new(FailureKind::Unreachable, "the connection broke");
        let plan = || Plan { path: "~/.kube/config".into(), ..Plan::default() };
        if how.is_multiple_of(7) && !self.past.iter().any(|(past, _)| *past == id) {
            return Answer::SaveIsLate(broken);
        }
        Answer::Saved(match how % 4 {
            0 => Err(NotSaved::Failed(broken)),
            1 => Err(NotSaved::Taken(plan())),
            2 => Err(NotSaved::Changed(plan())),
            _ => Ok(Saved {
                location: KubeconfigLocation::File {
                    path: "~/.kube/config".into(),
                    context: options.context,
                    whole: !file.merges(),
                },
                notes: Vec::new(),
            }),
        })
    }

    /// Repeats an earlier answer; with `other`, to the longest-waiting request.
    fn again(&self, which: u8, other: bool) -> Option<Message> {
        let (id, answer) = self.past.get(usize::from(which) % self.past.len().max(1))?;
        let Some((waiting, request)) = self.waiting.first().filter(|_| other) else {
            return Some(Message::Answered(*id, answer.clone()));
        };
        // The runtime answers with the requested kind; only another kind would be a defect.
        let fits = match answer {
            Ok(Answer::Kubeconfig(_)) => matches!(request, Request::Issue { .. }),
            Ok(Answer::SaveIsLate(_)) => {
                matches!(request, Request::CopySecret(_) | Request::Save { .. })
            }
            _ => false,
        };
        (!fits).then(|| Message::Answered(*waiting, answer.clone()))
    }
}

fn discovered(how: u8) -> Discovered {
    let found = [("5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21", "shop"), ("other", "other")];
    let found = found.into_iter().take(usize::from(how % 3));
    let projects = found.map(|(id, name)| (ProjectId::new(id), Some(name.to_owned()))).collect();
    Discovered { permissions: None, projects: Ok(projects) }
}

fn identity() -> Answer {
    let identity = Identity {
        who: "ops".into(),
        source: "token".into(),
        expires: None,
        renews: false,
        logs_in: false,
    };
    Answer::Identity { identity: Box::new(identity), notes: vec!["a note".into()] }
}

fn checklist() -> LocalChecklist {
    let mut list = Checklist::default();
    let client = ChecklistClient { name: "ci".into(), ..ChecklistClient::default() };
    list.apply(&ChecklistChange { before: None, after: Some(client) }).unwrap();
    LocalChecklist { list: Arc::new(list), shared: false }
}

/// `nodes` nodes, some of them old, the first one draining for hours.
fn snapshot(nodes: u8) -> ClusterSnapshot {
    let node = |index: u8| Node {
        uid: index.to_string(),
        name: format!("node-{index}"),
        pool: "web".into(),
        zone: format!("eu01-{}", index % 3 + 1),
        created: Some(now()),
        generation: Some(format!("web-{}", index % 2)),
        checksum: None,
        version: String::new(),
        marked_for_deletion: index.is_multiple_of(2),
        rolling: true,
        cordoned: index == 0,
        terminating: (index == 0).then(|| Terminating {
            since: now().checked_sub(SignedDuration::from_hours(1)).ok(),
            reason: String::new(),
        }),
        ready: true,
        ready_changed: None,
        not_ready_because: None,
        still_joining: false,
        preserved: false,
    };
    let template = Template {
        name: "web-1".into(),
        pool: "web".into(),
        created: now().checked_sub(SignedDuration::from_hours(2)).ok(),
        checksum: None,
    };
    let mut snapshot = ClusterSnapshot {
        nodes: (0..nodes).map(|index| Arc::new(node(index))).collect(),
        templates: Templates::Known(vec![template]),
        ..ClusterSnapshot::default()
    };
    snapshot.control_plane.issuance = Some(fixtures::issuance(nodes % 2, &[1, 2], None));
    snapshot
}

fn machine() -> (State, Environment) {
    let phases = [Phase::Never, Phase::Prepared, Phase::Completed, Phase::Preparing];
    let clusters = ["web", "box", "pod", "ore"].into_iter().zip(phases);
    let environment =
        Environment::new(clusters.map(|(name, phase)| fixtures::cluster(name, phase)));
    let mut settings = Settings::defaults();
    settings.projects = vec![(ProjectId::new("5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21"), None)];
    settings.regions = vec![Region::new("eu01")];
    settings.watch_limit = LIMIT;
    settings.profiles = vec!["night".to_owned()];
    let now = Now { wall: now(), monotonic: Duration::ZERO };
    (State::new(settings, Keymap::default(), PersistedState::default(), now, 3), environment)
}

fn press(code: KeyCode) -> Message {
    Message::Key(KeyEvent::new(code, KeyModifiers::NONE))
}

/// Opens a cluster's form, unless the screen is covered.
fn open_form(
    state: &mut State,
    environment: &mut Environment,
    id: ClusterId,
) -> Result<(), TestCaseError> {
    if state.is_covered()
        || state.view.filter_input.is_some()
        || !state.fleet.entries.contains_key(&id)
    {
        return Ok(());
    }
    state.screen = Screen::Fleet;
    state.view.cursor = Some(id);
    state.view.cursor_moved = true;
    let effects = update(state, state.shared.now, press(KeyCode::Char('K')));
    environment.take(state, effects)
}

/// Focuses the confirm button of an open form, answers its check of the destination, and presses it.
fn confirm(state: &mut State, environment: &mut Environment) -> Result<(), TestCaseError> {
    let now =
        Now { monotonic: state.shared.now.monotonic + Duration::from_secs(1), ..state.shared.now };
    let Some(form) = &mut state.kubeconfig.form else { return Ok(()) };
    form.focus = KubeconfigField::Confirm;
    let request = form.plan_request;
    if let Some(at) = environment.waiting.iter().position(|(waiting, _)| *waiting == request) {
        environment.waiting.remove(at);
        let plan = Plan { path: "~/.kube/config".into(), ..Plan::default() };
        let seen = Message::Answered(request, Ok(Answer::Plan(Box::new(plan))));
        let effects = update(state, now, seen);
        environment.take(state, effects)?;
    }
    let effects = update(state, now, press(KeyCode::Enter));
    environment.take(state, effects)
}

/// Marks both entries of a cluster, opens their renewal, answers its checks of the files, and confirms it.
fn renew(
    state: &mut State,
    environment: &mut Environment,
    id: ClusterId,
) -> Result<(), TestCaseError> {
    if state.is_covered()
        || state.view.filter_input.is_some()
        || !state.fleet.entries.contains_key(&id)
    {
        return Ok(());
    }
    state.inventory.files = Some(Arc::from(environment.files()));
    state.screen = Screen::Cluster { id, tab: Tab::Credentials };
    state.inventory.reset_view();
    state.shared.metrics.scroll_last = 1;
    let mut now = state.shared.now;
    for key in [' ', ' ', 'K'] {
        let effects = update(state, now, press(KeyCode::Char(key)));
        environment.take(state, effects)?;
    }
    let Some(renewal) = &mut state.kubeconfig.renewal else { return Ok(()) };
    renewal.focus = RenewalField::Confirm;
    let dialog = renewal.id;
    let plans = state.requests.open().filter(|(_, owner)| **owner == RequestOwner::Plan(dialog));
    let plans: Vec<RequestId> = plans.map(|(request, _)| request).collect();
    now.monotonic += Duration::from_secs(1);
    for request in plans {
        environment.waiting.retain(|(waiting, _)| *waiting != request);
        let seen = Message::Answered(request, Ok(Answer::Plan(Box::default())));
        let effects = update(state, now, seen);
        environment.take(state, effects)?;
    }
    let effects = update(state, now, press(KeyCode::Enter));
    environment.take(state, effects)
}

/// The state as text, without the time.
fn shown(state: &State) -> String {
    let mut state = state.clone();
    state.shared.now = Now { wall: now(), monotonic: Duration::ZERO };
    format!("{state:?}")
}

/// Checks that an answer to a request that is not open is a no-op.
fn changes_nothing(state: &mut State, now: Now, message: Message) -> Result<(), TestCaseError> {
    update(state, now, Message::Ticked);
    refresh_rows(state);
    let before = shown(state);
    let effects = update(state, now, message);
    prop_assert!(effects.is_empty(), "{effects:?}");
    prop_assert_eq!(before, shown(state));
    Ok(())
}

fn invariants(state: &State, environment: &Environment) -> Result<(), TestCaseError> {
    prop_assert!(state.nodes.observing.keys().eq(environment.observed.keys()));
    let roll = |entry: &&Entry| entry.cluster.rotation.phase == Phase::Preparing;
    let rolling = state.fleet.entries.values().filter(roll).map(|e| &e.cluster.id);
    prop_assert!(state.fleet.rolling.iter().eq(rolling));
    prop_assert!(state.fleet.entries.len() <= 4);
    prop_assert!(state.notices.errors.len() <= 20 && state.activity.records.len() <= 500);
    prop_assert!(next_wake(state).is_none_or(|wake| wake >= state.shared.now.monotonic));
    prop_assert!(state.view.shown.iter().all(|id| state.fleet.entries.contains_key(id)));
    prop_assert!(state.view.shown.iter().all(|id| state.fleet.is_selected(&id.scope)));
    if !state.session.quitting {
        let pending = state.rotation.pending.keys();
        prop_assert!(pending.into_iter().all(|id| state.fleet.is_polled(&id.scope)));
    }
    // Every kubeconfig belongs to its request.
    for (request, held) in &state.kubeconfig.unsaved {
        prop_assert_eq!(held.issued.fresh.server(), server(*request));
        prop_assert_eq!(&environment.issued[request], &held.request.cluster.id);
    }
    if let Some(renewal) = &state.kubeconfig.renewal {
        for request in renewal.items.iter().filter_map(|item| item.issued) {
            prop_assert_eq!(
                &environment.issued[&request],
                &renewal.cluster.id,
                "another cluster's"
            );
        }
        let is_under_way = |stage: &RenewalItemStage| {
            matches!(stage, RenewalItemStage::Issuing(_) | RenewalItemStage::Saving(_))
        };
        let under_way = renewal.items.iter().filter(|item| is_under_way(&item.stage)).count();
        let expected = usize::from(renewal.stage == RenewalStage::Running);
        prop_assert_eq!(under_way, expected, "one after the other");
    }
    if let Some(form) = &state.kubeconfig.form
        && let Some((request, held)) = &form.issued
    {
        prop_assert_eq!(&environment.issued[request], &form.cluster.id, "another cluster's");
        prop_assert_eq!(held.issued.fresh.server(), server(*request));
    }
    // The open requests are exactly those that the environment has to answer.
    let open: Vec<RequestId> = state
        .requests
        .open()
        .filter(|(_, owner)| !matches!(owner, RequestOwner::Observer(_)))
        .map(|(request, _)| request)
        .collect();
    let mut waiting: Vec<RequestId> =
        environment.waiting.iter().map(|(request, _)| *request).collect();
    waiting.sort_unstable();
    prop_assert_eq!(open, waiting);
    Ok(())
}

proptest! {
    #![proptest_config(crate::property_cases(300))]

    #[test]
    fn cred_01_no_sequence_of_messages_breaks_an_invariant(
        events in prop::collection::vec(event(), 1..160)
    ) {
        let (mut state, mut environment) = machine();
        let effects = begin(&mut state);
        environment.take(&state, effects)?;
        for event in events {
            let mut now = state.shared.now;
            now.monotonic += Duration::from_millis(450);
            now.wall = now.wall.saturating_add(SignedDuration::from_millis(450)).unwrap();
            let mut pressed_enter = false;
            let message = match event {
                Event::Key('\u{13}') => {
                    Message::Key(KeyEvent::new(KeyCode::Char('s'), KeyModifiers::CONTROL))
                }
                Event::Key(c) => press(KeyCode::Char(c)),
                Event::Named(code) => {
                    pressed_enter = code == KeyCode::Enter;
                    press(code)
                }
                Event::Issue(which) => {
                    let id = environment.clusters.keys().nth(usize::from(which) % 4).unwrap().clone();
                    open_form(&mut state, &mut environment, id)?;
                    confirm(&mut state, &mut environment)?;
                    continue;
                }
                Event::Renew(which) => {
                    let id = environment.clusters.keys().nth(usize::from(which) % 4).unwrap().clone();
                    renew(&mut state, &mut environment, id)?;
                    continue;
                }
                Event::Scope(line) => {
                    if state.context() == state.screen_context() {
                        let effects = update(&mut state, now, press(KeyCode::Char('P')));
                        environment.take(&state, effects)?;
                    }
                    let Some(menu) = &mut state.menu else { continue };
                    menu.cursor = usize::from(line) % menu.lines().max(1);
                    press(KeyCode::Enter)
                }
                Event::Pass(seconds) => {
                    now.monotonic += Duration::from_secs(seconds);
                    let by = SignedDuration::from_secs(i64::try_from(seconds).unwrap());
                    now.wall = now.wall.saturating_add(by).unwrap();
                    Message::Ticked
                }
                Event::Jump(seconds) => {
                    now.wall = now.wall.saturating_add(SignedDuration::from_secs(seconds)).unwrap();
                    Message::Ticked
                }
                Event::Answer(which, how) => match environment.answer(usize::from(which), how) {
                    Some(message) => message,
                    None => continue,
                },
                Event::Again(which, false) => {
                    if let Some(message) = environment.again(which, false) {
                        let effects = update(&mut state, now, Message::Ticked);
                        environment.take(&state, effects)?;
                        changes_nothing(&mut state, now, message)?;
                    }
                    continue;
                }
                Event::Again(which, true) => match environment.again(which, true) {
                    // The requester is told about a defect.
                    Some(message) if !environment.waiting.is_empty() => {
                        let (_, request) = environment.waiting.remove(0);
                        if let Request::Rotate { shown, .. } = request {
                            environment.rotations.remove(&shown.id);
                        }
                        message
                    }
                    _ => continue,
                },
                Event::Observe(seed) => match environment.observe(seed) {
                    Some(message) => message,
                    None => continue,
                },
                Event::Paste(text) => Message::Pasted(Secret::new(text)),
                Event::Resize(width, height) => Message::Resized(width, height),
            };
            let effects = update(&mut state, now, message);
            let writes = effects.iter().filter(|effect| {
                matches!(effect, Effect::Request(_, Request::Rotate { .. }))
            });
            prop_assert!(writes.count() == 0 || pressed_enter, "a write without a confirmation");
            environment.take(&state, effects)?;
            refresh_rows(&mut state);
            invariants(&state, &environment)?;
            if state.session.quitting {
                break;
            }
        }
        // Quitting always completes, and no request is forgotten.
        let now = state.shared.now;
        let effects = update(&mut state, now, Message::Terminated);
        prop_assert!(state.session.quitting);
        let quits = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Terminal(TerminalEffect::Quit)));
        prop_assert!(quits || effects.is_empty());
        let asked = environment.waiting.iter().filter(|(_, request)| {
            matches!(
                request,
                Request::Rotate { .. }
                    | Request::Act { .. }
                    | Request::Issue { .. }
                    | Request::WriteChecklist { .. }
            )
        });
        // Copies are cleared on exit; if that is not confirmed, it is reported once.
        let clears = |(_, owner): (_, &RequestOwner)| *owner == RequestOwner::ClearClipboard;
        let clearing = state.session.exit_messages.is_empty() && state.requests.open().any(clears);
        // A late save may still succeed.
        let late = state.kubeconfig.late.values().map(|(kubeconfig, _)| kubeconfig);
        let unsaved: BTreeSet<&RequestId> = state.kubeconfig.unsaved.keys().chain(late).collect();
        let expected = asked.count() + unsaved.len() + usize::from(clearing);
        let reported = unanswered(&mut state);
        prop_assert_eq!(reported.len(), expected);
        prop_assert!(state.kubeconfig.unsaved.is_empty());
    }
}

#[test]
fn file_10_a_save_that_nobody_waits_for_and_that_finds_another_file_is_told() {
    let (mut state, environment) = machine();
    let at = state.shared.now;
    let cluster = environment.clusters.values().next().unwrap().clone();
    let (kind, dialog) = (KubeconfigKind::Admin, DialogId(7));
    let asked = state.requests.begin(RequestOwner::Kubeconfig(Box::new(KubeconfigRequest {
        cluster,
        kind,
        lifetime: Lifetime::MIN,
        asked: now(),
        asked_there: now(),
        dialog,
    })));
    let fresh = Arc::new(kubeconfig(kind, asked));
    let issued = IssuedKubeconfig { fresh, expires: None, issuance: None };
    update(&mut state, at, Message::Answered(asked, Ok(Answer::Kubeconfig(issued))));
    let save = state.requests.begin(RequestOwner::Delivery { kubeconfig: asked, dialog });
    let changed = Answer::Saved(Err(NotSaved::Changed(Plan::default())));
    let effects = update(&mut state, at, Message::Answered(save, Ok(changed)));
    let is_recorded = |effect: &Effect| matches!(effect, Effect::Journal(record) if record.outcome == Outcome::Refused);
    assert!(effects.iter().any(is_recorded), "{effects:?}");
    assert_eq!(state.notices.errors.len(), 1);
    assert!(state.kubeconfig.unsaved.contains_key(&asked));
}

#[test]
fn file_37_a_save_that_is_late_is_told_when_it_ends_whatever_became_of_its_form() {
    let file = KubeconfigLocation::File { path: "~/f".into(), context: "c".into(), whole: false };
    let saved = || Ok(Saved { location: file.clone(), notes: Vec::new() });
    for (discards, result) in [
        (false, saved()),
        (true, saved()),
        (false, Err(NotSaved::Failed(Failure::new(FailureKind::File, "the disk is full")))),
    ] {
        let cluster = fixtures::cluster("web", Phase::Completed);
        let (mut state, _) = machine();
        let mut environment = Environment::new([cluster.clone()]);
        let id = cluster.id.clone();
        state.fleet.put(Entry::new(cluster, state.shared.now, RequestId(1)));
        state.view.outdated = true;
        refresh_rows(&mut state);
        open_form(&mut state, &mut environment, id).unwrap();
        confirm(&mut state, &mut environment).unwrap();
        let is_issue = |(_, request): &(_, _)| matches!(request, Request::Issue { .. });
        let at = environment.waiting.iter().position(is_issue).unwrap();
        let issued = environment.answer(at, 1).unwrap();
        let now = state.shared.now;
        let effects = update(&mut state, now, issued);
        environment.take(&state, effects).unwrap();
        let is_save = |(_, request): &&(_, _)| matches!(request, Request::Save { .. });
        let (request, _) = *environment.waiting.iter().find(is_save).unwrap();
        let late = Answer::SaveIsLate(Failure::new(FailureKind::File, "no answer within 10 s"));
        update(&mut state, now, Message::Answered(request, Ok(late)));
        let failed = |state: &State| match state.kubeconfig.form.as_ref().map(|form| &form.stage) {
            Some(KubeconfigFormStage::Failed(failure)) => failure.message.clone(),
            _ => String::new(),
        };
        assert_eq!(failed(&state), "no answer within 10 s");
        if discards {
            let keys = [KeyCode::Enter, KeyCode::Esc, KeyCode::Tab, KeyCode::Enter];
            for (seconds, key) in (9..).zip(keys) {
                let passed = Duration::from_secs(seconds);
                let later = Now { monotonic: now.monotonic + passed, ..now };
                update(&mut state, later, press(key));
            }
            assert!(state.kubeconfig.form.is_none() && state.kubeconfig.unsaved.is_empty());
        }
        let is_saved = result.is_ok();
        let answer = Message::Answered(request, Ok(Answer::Saved(result)));
        let effects = update(&mut state, now, answer);
        let outcome = effects.iter().find_map(|effect| match effect {
            Effect::Journal(record) => Some(record.outcome),
            _ => None,
        });
        if is_saved {
            assert_eq!(outcome, Some(Outcome::Done), "{effects:?}");
            assert!(state.kubeconfig.form.is_none() && state.kubeconfig.unsaved.is_empty());
            let told = state.notices.toast.as_ref().map(|toast| toast.text.clone());
            assert!(told.unwrap_or_default().contains("~/f, context c"));
        } else {
            assert_eq!(outcome, Some(Outcome::Refused), "{effects:?}");
            assert_eq!(failed(&state), "the disk is full");
        }
    }
}

/// A step of the exhaustive walk.
#[derive(Debug, Clone, Copy)]
enum Next {
    Open(usize),
    OpenRotation(usize),
    Confirm,
    Esc,
    /// Answer the longest-waiting or most recent request of a dialog.
    Oldest,
    Newest,
    /// Repeat the last answer.
    Again,
}

const NEXT: [Next; 9] = [
    Next::Open(0),
    Next::Open(1),
    Next::OpenRotation(0),
    Next::OpenRotation(1),
    Next::Confirm,
    Next::Esc,
    Next::Oldest,
    Next::Newest,
    Next::Again,
];

impl Next {
    /// Performs the step; `false` if it is not possible here.
    fn happen(
        self,
        state: &mut State,
        environment: &mut Environment,
    ) -> Result<bool, TestCaseError> {
        let id = |index: usize| environment.clusters.keys().nth(index).unwrap().clone();
        match self {
            Self::Open(index) if !state.is_covered() => {
                let id = id(index);
                open_form(state, environment, id)?;
            }
            Self::OpenRotation(index) if !state.is_covered() => {
                state.view.cursor = Some(id(index));
                let effects = update(state, state.shared.now, press(KeyCode::Char('R')));
                environment.take(state, effects)?;
            }
            Self::Confirm
                if state
                    .kubeconfig
                    .form
                    .as_ref()
                    .is_some_and(|form| matches!(form.stage, KubeconfigFormStage::Editing)) =>
            {
                confirm(state, environment)?;
            }
            Self::Esc if state.has_dialog() => {
                let effects = update(state, state.shared.now, press(KeyCode::Esc));
                environment.take(state, effects)?;
            }
            Self::Oldest | Self::Newest => {
                let of_dialogs: Vec<usize> = (0..environment.waiting.len())
                    .filter(|at| {
                        matches!(
                            environment.waiting[*at].1,
                            Request::Issue { .. } | Request::Save { .. } | Request::Plan { .. }
                        )
                    })
                    .collect();
                let newest = matches!(self, Self::Newest);
                if newest && of_dialogs.len() < 2 {
                    return Ok(false);
                }
                let at = if newest { of_dialogs.last() } else { of_dialogs.first() };
                let Some(at) = at else { return Ok(false) };
                // Every answer is a success: only the order can cause errors.
                let Some(message) = environment.answer(*at, 7) else { return Ok(false) };
                let effects = update(state, state.shared.now, message);
                environment.take(state, effects)?;
            }
            Self::Again => {
                let Some((id, answer)) = environment.past.last().cloned() else { return Ok(false) };
                changes_nothing(state, state.shared.now, Message::Answered(id, answer))?;
            }
            Self::Open(_) | Self::OpenRotation(_) | Self::Confirm | Self::Esc => return Ok(false),
        }
        refresh_rows(state);
        invariants(state, environment)?;
        Ok(true)
    }
}

/// Walks every order of up to `left` messages, with a copy of the environment per branch.
fn walk(
    state: &State,
    environment: &Environment,
    left: usize,
    path: &mut Vec<Next>,
    walked: &mut usize,
) -> Result<(), TestCaseError> {
    if left == 0 {
        return Ok(());
    }
    for next in NEXT {
        let (mut state, mut environment) = (state.clone(), environment.clone());
        path.push(next);
        let happened = next
            .happen(&mut state, &mut environment)
            .map_err(|error| TestCaseError::fail(format!("{error} after {path:?}")))?;
        if happened {
            *walked += 1;
            walk(&state, &environment, left - 1, path, walked)?;
        }
        path.pop();
    }
    Ok(())
}

#[test]
fn cred_01_every_order_of_seven_messages_about_two_clusters_and_two_dialogs_keeps_answers_apart() {
    let clusters = ["web", "box"].map(|name| fixtures::cluster(name, Phase::Completed));
    let at = Now { wall: now(), monotonic: Duration::from_secs(1_000) };
    for destination in ["merge", "file"] {
        let mut settings = Settings::defaults();
        settings.watch_limit = LIMIT;
        settings.destination = destination.to_owned();
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), at, 3);
        for cluster in &clusters {
            state.fleet.put(Entry::new(cluster.clone(), at, RequestId(1)));
        }
        state.view.outdated = true;
        refresh_rows(&mut state);
        let environment = Environment::new(clusters.clone());
        let mut walked = 0;
        walk(&state, &environment, 7, &mut Vec::new(), &mut walked).unwrap();
        assert!(walked > 1_000, "only {walked} steps were walked");
    }
}
