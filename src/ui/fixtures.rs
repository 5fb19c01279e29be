//! States for the tests of this floor: a fleet in which every phase and trouble occurs, and dialogs over it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use tui_input::Input;

use crate::app::dialog::{
    Dialog, Focus, Guard, IssueField, IssueForm, IssueStage, PlanState, RotateDialog, RotateStage,
};
use crate::app::fleet::{Entry, ScopeStatus};
use crate::app::keymap::Keymap;
use crate::app::message::{Now, Sequence};
use crate::app::settings::{Place, Settings};
use crate::app::state::{Metrics, Screen, State, Tab};
use crate::domain::access::Access;
use crate::domain::cluster::{
    Cluster, ClusterId, ClusterState, HibernationSchedule, KubernetesVersion, NodePool, Problem,
    ProjectId, Region, Scope,
};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{cluster, now};
use crate::domain::identity::Identity;
use crate::domain::kept::Kept;
use crate::domain::kubeconfig::{Kind, Plan};
use crate::domain::preflight::{Evidence, findings};
use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::{Phase, Step};
use crate::ui::view;

const SHOP: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
const PAYMENTS: &str = "9a2b3c4d-1111-4222-8333-444455556666";
const RESEARCH: &str = "c0ffee00-2222-4333-9444-555566667777";

/// A moment so many minutes before the fixtures' now.
pub fn ago(minutes: i64) -> Timestamp {
    now().saturating_sub(SignedDuration::from_mins(minutes)).unwrap()
}

fn moment() -> Now {
    Now { wall: now(), steady: Duration::from_secs(10_000) }
}

/// A state before anything was read: three projects in two regions.
pub fn empty() -> State {
    let mut settings = Settings::defaults();
    settings.projects = [(SHOP, "shop"), (PAYMENTS, "payments"), (RESEARCH, "research")]
        .map(|(id, name)| (ProjectId::new(id), Some(name.to_owned())))
        .to_vec();
    settings.regions = vec![Region::new("eu01"), Region::new("eu02")];
    settings.protected = vec!["*-prod".to_owned()];
    let mut state = State::new(settings, Keymap::default(), Kept::default(), moment(), 7);
    state.identity = Some(Identity {
        who: "ops-sa@acme.example".into(),
        source: "token file".into(),
        until: Some(ago(-55)),
        renews: false,
    });
    state
}

/// Every scope answered well three seconds ago.
pub fn live(state: &mut State) {
    for scope in state.fleet.scopes.values_mut() {
        scope.status = ScopeStatus::Live;
        scope.seen = Some(Now { wall: ago(0), steady: Duration::from_secs(9_997) });
        scope.due = Duration::from_secs(10_027);
    }
}

fn add(state: &mut State, project: &str, region: &str, mut cluster: Cluster) {
    cluster.id = ClusterId::new(project, region, cluster.id.name.as_str());
    let entry = Entry {
        cluster: cluster.clone(),
        seen: Now { wall: ago(0), steady: Duration::from_secs(9_997) },
        sequence: Sequence(1),
        gone: None,
        phase_seen: None,
        held: None,
        name_rank: 0,
    };
    state.fleet.entries.insert(cluster.id, entry);
}

/// Orders what was added, and puts the cursor on the first row.
pub fn arrange(state: &mut State) {
    let look = state.look.clone();
    let settings = state.settings.clone();
    state.fleet.arrange(&look, state.now.wall, &settings);
    state.cursor = state.fleet.shown.first().cloned();
}

fn started(mut cluster: Cluster, minutes: i64) -> Cluster {
    cluster.rotation.initiated = Some(ago(minutes));
    cluster
}

/// Thirteen clusters: every phase, one stuck, one asleep, one of an old version, one with a word nobody knows.
pub fn fleet() -> State {
    let mut state = empty();
    live(&mut state);
    let mut stuck = started(cluster("pay-prod", Phase::Preparing), 192);
    stuck.state = ClusterState::Reconciling;
    stuck.problems.push(Problem {
        code: "SKE_NODE_MISCONFIGURED_PDB".into(),
        message: "payments/api allows 0 disruptions".into(),
    });
    add(&mut state, PAYMENTS, "eu01", stuck);
    let mut prepared = started(cluster("shop-prod", Phase::Prepared), 2 * 1_440 + 260);
    prepared.pools.push(NodePool {
        name: "batch".into(),
        minimum: 1,
        maximum: 9,
        max_surge: 1,
        max_unavailable: 1,
        zones: vec!["eu01-1".into()],
        machine_type: "g2i.8".into(),
        image: "ubuntu 2204.20250728.0".into(),
    });
    add(&mut state, SHOP, "eu01", prepared);
    add(&mut state, SHOP, "eu02", started(cluster("shop-prod2", Phase::Prepared), 1_440 + 9 * 60));
    add(&mut state, RESEARCH, "eu01", started(cluster("data-lake", Phase::Prepared), 12 * 1_440));
    add(&mut state, SHOP, "eu01", started(cluster("ci-runners", Phase::Preparing), 41));
    add(&mut state, PAYMENTS, "eu02", started(cluster("edge-fra-3", Phase::Preparing), 12));
    add(&mut state, RESEARCH, "eu01", started(cluster("lab-42", Phase::Completing), 300));
    let mut legacy = cluster("legacy-7", Phase::Never);
    legacy.version = KubernetesVersion::new("1.26.15");
    legacy.version_expires = Some(ago(9 * 1_440));
    add(&mut state, RESEARCH, "eu02", legacy);
    let mut asleep = cluster("night", Phase::Completed);
    asleep.state = ClusterState::Hibernated;
    asleep.hibernated = true;
    asleep.schedules.push(HibernationSchedule {
        start: "0 20 * * 1-5".into(),
        end: "0 6 * * 1-5".into(),
        timezone: "Europe/Berlin".into(),
    });
    add(&mut state, RESEARCH, "eu01", asleep);
    add(&mut state, SHOP, "eu02", cluster("odd", Phase::Unknown("WAITING_FOR_ROLLOUT".into())));
    for name in ["web-prod-1", "web-prod-2", "web-stage"] {
        add(&mut state, SHOP, "eu01", cluster(name, Phase::Completed));
    }
    let prod = ClusterId::new(SHOP, "eu01", "shop-prod");
    state.fleet.accesses.push(access(&prod, 4 * 1_440, "~/.kube/old.yaml"));
    state.fleet.accesses.push(access(&prod, 60, "~/.kube/config, context shop-prod"));
    state.activity.extend(records());
    arrange(&mut state);
    state
}

fn access(id: &ClusterId, minutes: i64, place: &str) -> Access {
    Access {
        cluster: id.clone(),
        issued: ago(minutes),
        expires: ago(if minutes > 600 { -9 * 1_440 } else { -472 }),
        place: place.into(),
    }
}

fn records() -> Vec<Record> {
    let record = |minutes, name: Option<&str>, step: &str, outcome, text: &str| Record {
        at: ago(minutes),
        who: "ops-sa@acme.example".into(),
        cluster: name.map(|name| ClusterId::new(SHOP, "eu01", name)),
        step: step.into(),
        request: None,
        outcome,
        text: text.into(),
        trace: (outcome != Outcome::Seen)
            .then(|| "7f3c1a52-0b6e-4d8e-9a35-6f1be0c791ab".to_owned()),
    };
    vec![
        record(3_100, Some("shop-prod"), "start", Outcome::Done, "start accepted by SKE"),
        record(90, None, "list", Outcome::Seen, "eu02 answers again after 3 failures"),
        record(
            60,
            Some("shop-prod"),
            "save",
            Outcome::Done,
            "kubeconfig written to ~/.kube/config",
        ),
        record(41, Some("ci-runners"), "phase", Outcome::Seen, "never → preparing"),
        record(
            20,
            Some("web-stage"),
            "start",
            Outcome::Refused,
            "SKE refused the start: another operation is running",
        ),
        record(
            2,
            Some("ci-runners"),
            "complete",
            Outcome::Unknown,
            "no clear answer; reading back",
        ),
    ]
}

/// A scope whose lists fail for two minutes.
pub fn failing(state: &mut State) {
    let scope = Scope { project: ProjectId::new(PAYMENTS), region: Region::new("eu02") };
    let failed = state.fleet.scopes.get_mut(&scope).unwrap();
    failed.status = ScopeStatus::Failing {
        failure: Failure::new(FailureKind::Server, "503 upstream connect error"),
        since: ago(2),
    };
    failed.due = Duration::from_secs(10_019);
    failed.seen = Some(Now { wall: ago(2), steady: Duration::from_secs(9_870) });
}

/// A refusal of the server with everything that it may carry.
pub fn refusal() -> Failure {
    let mut failure = Failure::new(
        FailureKind::Refused,
        "SKE refused the start of shop-prod: an encryption-key rotation is under way",
    )
    .hint("Wait until it has ended and try again");
    failure.code = Some("FailedPrecondition".into());
    failure.trace = Some("7f3c1a52-0b6e-4d8e-9a35-6f1be0c791ab".into());
    failure
}

/// The fleet with one cluster opened.
pub fn opened(name: &str, tab: Tab) -> State {
    let mut state = fleet();
    let id = id(&state, name);
    let created = state.fleet.cluster(&id).and_then(|cluster| cluster.created);
    state.cursor = Some(id.clone());
    state.screen = Screen::Cluster { id, created, tab };
    state
}

/// Address of a cluster by its name.
pub fn id(state: &State, name: &str) -> ClusterId {
    state.fleet.entries.keys().find(|id| id.name.as_str() == name).cloned().unwrap()
}

/// A rotation dialog over the cluster screen.
pub fn rotating(name: &str, step: Step, stage: RotateStage) -> State {
    let mut opened_on = opened(name, Tab::Rotation);
    let id = id(&opened_on, name);
    let shown = opened_on.fleet.cluster(&id).unwrap().clone();
    let evidence = Evidence {
        issued: opened_on.fleet.accesses.clone(),
        static_tokens: Some(Vec::new()),
        ..Evidence::default()
    };
    let wants_name = step == Step::Complete || opened_on.settings.is_protected(&shown.id.name);
    opened_on.dialog = Some(Dialog::Rotate(Box::new(RotateDialog {
        step,
        findings: findings(step, &shown, &evidence, now()),
        project: opened_on.fleet.project_name(shown.id.project()).to_owned(),
        shown,
        evidence,
        checked: (!matches!(stage, RotateStage::Checking)).then(|| ago(0)),
        wants_name,
        typed: Input::new("shop-p".into()),
        typed_note: None,
        focus: if wants_name { Focus::Name } else { Focus::Cancel },
        stage,
        guard: Guard { keys: 0, at: Duration::ZERO },
        scroll: 0,
    })));
    opened_on
}

/// The kubeconfig form over the fleet.
pub fn form(name: &str) -> IssueForm {
    let state = fleet();
    let id = id(&state, name);
    IssueForm {
        cluster: state.fleet.cluster(&id).unwrap().clone(),
        project: state.fleet.project_name(id.project()).to_owned(),
        kind: Kind::Admin,
        lifetime: Input::new("8h".into()),
        place: Place::Merge,
        path: Input::new(format!("~/.kube/ske/{name}.yaml")),
        context: Input::new(name.into()),
        make_current: false,
        focus: IssueField::Lifetime,
        plan: PlanState::Ready(Box::new(Plan {
            path: "~/.kube/config".into(),
            link: None,
            exists: true,
            mode: Some(0o600),
            others: 11,
            taken: Vec::new(),
            current: Some("minikube".into()),
            notes: Vec::new(),
            fingerprint: None,
        })),
        plan_sequence: Sequence(1),
        stage: IssueStage::Editing,
        issued: None,
        asked: None,
        touched: false,
        replace: false,
        one_way_agreed: false,
        guard: Guard { keys: 0, at: Duration::ZERO },
    }
}

/// The fleet under a form.
pub fn issuing(form: IssueForm) -> State {
    let mut state = fleet();
    state.dialog = Some(Dialog::Issue(Box::new(form)));
    state
}

/// So many resting clusters.
pub fn many(count: usize) -> State {
    let mut state = empty();
    live(&mut state);
    for index in 0..count {
        add(&mut state, SHOP, "eu01", cluster(&format!("c{index:05}"), Phase::Completed));
    }
    arrange(&mut state);
    state
}

/// Draws a state on a screen of this size.
pub fn drawn(state: &State, columns: u16, rows: u16) -> (Buffer, Metrics) {
    let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
    let mut metrics = Metrics::default();
    terminal.draw(|frame| metrics = view(state, frame)).unwrap();
    (terminal.backend().buffer().clone(), metrics)
}

/// The text of a drawing, one line a row, without blanks at line ends.
pub fn text(state: &State, columns: u16, rows: u16) -> String {
    let (buffer, _) = drawn(state, columns, rows);
    let mut out = String::new();
    for y in 0..rows {
        let mut line = String::new();
        let mut skip = 0;
        for x in 0..columns {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let symbol = buffer[(x, y)].symbol();
            skip = crate::domain::text::width(symbol).saturating_sub(1);
            line.push_str(symbol);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Changed keys of a run.
pub fn keymap_with(id: &str, key: &str) -> Keymap {
    Keymap::new(&BTreeMap::from([(id.to_owned(), vec![key.to_owned()])])).unwrap()
}
