//! Drawings of every screen at three sizes, and invariants at every size and in every theme.

mod interaction;

use std::collections::BTreeSet;
use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::SignedDuration;
use proptest::prelude::*;
use ratatui::buffer::Cell;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use tui_input::Input;

use crate::app::actions::dialog::ActionDialog;
use crate::app::cell::Tone;
use crate::app::checklist::state::{
    ChecklistDialog, ChecklistDialogKind, ChecklistField, ChecklistForm, ChecklistState,
};
use crate::app::cluster::tabs::{TABS, Tab};
use crate::app::commands;
use crate::app::confirmation::Confirmation;
use crate::app::context::Outbox;
use crate::app::credentials::forget;
use crate::app::fleet::columns::COLUMNS;
use crate::app::fleet::state::ScopeStatus;
use crate::app::help::Help;
use crate::app::keymap::{BINDINGS, Command, KeyContext};
use crate::app::kubeconfig::destination::Destination;
use crate::app::kubeconfig::form::{FormQuestion, KubeconfigField, KubeconfigFormStage, PlanState};
use crate::app::kubeconfig::renewal::{RenewalField, RenewalItemStage, RenewalStage};
use crate::app::menus::copy::copy_items;
use crate::app::menus::palette::PaletteItem;
use crate::app::menus::scope;
use crate::app::menus::state::{CopyItem, Menu, MenuItems};
use crate::app::message::Message;
use crate::app::notices::{Toast, ToastAbout};
use crate::app::now::Now;
use crate::app::requests::DialogId;
use crate::app::rotation::dialog::{Focus, RotationDialogStage};
use crate::app::rotation::findings_text;
use crate::app::rotation::pending::{PendingStage, PendingStep};
use crate::app::screen::{Clickable, Metrics, Screen};
use crate::app::session::quit::QuitDialog;
use crate::app::settings::ThemeChoice;
use crate::app::shared::Guard;
use crate::app::state::State;
use crate::app::text_field::LineInput;
use crate::app::update::update;
use crate::domain::action::Trigger;
use crate::domain::age::DisplayZone;
use crate::domain::checklist::ChecklistConflict;
use crate::domain::cluster::{
    ClusterId, ClusterState, KubernetesVersion, NodePool, ProjectId, Region,
};
use crate::domain::credential::{Access, KubeconfigLocation};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{access, now};
use crate::domain::kubeconfig::{EntryOwner, KubeconfigKind, Plan};
use crate::domain::preflight::Finding;
use crate::domain::rotation::{Phase, Rotation, Step};
use crate::domain::selection::{SelectedProjects, Selection};
use crate::domain::snapshot::{ClusterSnapshot, Pod, RootBundle, Unavailable, Unseen};
use crate::domain::text::width;
use crate::ui::fixtures::{
    ago, arrange, asking, drawn, empty, failing, fleet, form, id, issuing, keymap_with, live, many,
    opened, outage, refusal, renewing, rolls, rotating, text, with_checklist, with_credentials,
};
use crate::ui::theme::{Theme, plain};

const SIZES: [(u16, u16); 4] = [(140, 40), (80, 24), (50, 15), (40, 12)];

fn snapshot(name: &str, state: &State) {
    for (columns, rows) in SIZES {
        snapshot_at(name, state, columns, rows);
    }
}

fn snapshot_at(name: &str, state: &State, columns: u16, rows: u16) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        insta::assert_snapshot!(format!("{name}_{columns}x{rows}"), text(state, columns, rows));
    });
}

fn guard() -> Guard {
    Guard { keys: 0, at: std::time::Duration::ZERO }
}

/// Every text of the program in one snapshot, for language reviews.
#[test]
fn texts() {
    use crate::app::rotation::step_text;
    use crate::app::{
        actions, activity, checklist, cluster, credentials, fleet, kubeconfig, menus, nodes,
        rotation, session,
    };
    let features: [(&str, &[(&str, &str)]); 15] = [
        ("in common", crate::app::text::ALL),
        ("actions", actions::text::ALL),
        ("activity", activity::text::ALL),
        ("checklist", checklist::text::ALL),
        ("cluster", cluster::text::ALL),
        ("credentials", credentials::text::ALL),
        ("fleet", fleet::text::ALL),
        ("kubeconfig", kubeconfig::text::ALL),
        ("menus", menus::text::ALL),
        ("nodes", nodes::text::ALL),
        ("blockers", nodes::blocker_text::ALL),
        ("rotation", rotation::text::ALL),
        ("findings before a step", findings_text::ALL),
        ("next steps", step_text::ALL),
        ("session", session::text::ALL),
    ];
    let mut all = String::new();
    for (feature, texts) in features {
        all.push_str(&format!("# {feature}\n"));
        for (name, text) in texts {
            all.push_str(&format!("{name}: {text}\n"));
        }
        all.push('\n');
    }
    all.push_str("# tabs and columns\n");
    for (_, title) in TABS {
        all.push_str(&format!("{title}\n"));
    }
    for column in &COLUMNS {
        all.push_str(&format!("{}: {} | {}\n", column.id, column.title, column.sort_label));
    }
    all.push_str("\n# keys\n");
    for binding in BINDINGS {
        all.push_str(&format!("{}: {} | {}\n", binding.id, binding.label, binding.help));
    }
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!("texts", all));
}

#[test]
fn fleet_in_full() {
    let mut state = fleet();
    let marked = state.view.shown[2].clone();
    state.view.marks.insert(marked);
    state.view.cursor = Some(id(&state, "shop-prod"));
    snapshot("fleet", &state);
    snapshot_at("fleet", &state, 250, 50);
    snapshot_at("fleet", &state, 100, 30);
    snapshot_at("fleet", &state, 60, 20);
}

#[test]
fn k8s_28_no_sentence_claims_more_than_phase_and_times_say() {
    let started = Some(ago(60 * 24 * 5));
    let unstated = Phase::Unknown(String::new());
    // The age of the cluster is the age of its credentials only if it was never rotated.
    let rotated = ["never rotated", "777d", "completed 5d"].as_slice();
    let unclear = ["never rotated", "777d", "the phase │", "the phase  "].as_slice();
    for (phase, initiated, wrong) in [
        (Phase::Completed, None, rotated),
        (Phase::Completed, started, rotated),
        (Phase::Prepared, None, rotated),
        (Phase::Preparing, None, rotated),
        (Phase::Completing, None, rotated),
        (unstated, None, unclear),
    ] {
        for (tab, _) in TABS {
            let mut state = opened("shop-prod", tab);
            let id = id(&state, "shop-prod");
            let cluster = &mut state.fleet.entries.get_mut(&id).unwrap().cluster;
            cluster.rotation = Rotation { phase: phase.clone(), initiated, completed: None };
            cluster.created = Some(ago(60 * 24 * 777));
            let shown = text(&state, 140, 40);
            let found = wrong.iter().find(|wrong| shown.contains(**wrong));
            assert_eq!(found, None, "{phase:?} {initiated:?}\n{shown}");
            if tab == Tab::Rotation && matches!(phase, Phase::Unknown(_)) {
                assert!(shown.contains("phase not stated"), "{shown}");
            }
            state.screen = Screen::Fleet;
            let fleet = text(&state, 140, 40);
            assert!(!fleet.contains("777d"), "{phase:?} {initiated:?}\n{fleet}");
        }
    }
}

#[test]
fn time_01_moments_of_ske_are_compared_with_its_clock() {
    for hours in [-30, 30] {
        let mut state = opened("shop-prod", Tab::Rotation);
        let skew = SignedDuration::from_hours(hours);
        state.fleet.skew = Some(skew);
        let id = id(&state, "shop-prod");
        let entry = state.fleet.entries.get_mut(&id).unwrap();
        let started = state.shared.now.wall + skew - SignedDuration::from_mins(7);
        entry.cluster.rotation.phase = Phase::Prepared;
        entry.cluster.rotation.initiated = Some(started);
        arrange(&mut state);
        let tab = text(&state, 140, 40);
        assert!(tab.contains("started 7m ago") && !tab.contains("doubt"), "{tab}");
        state.screen = Screen::Fleet;
        state.view.filter = "age:<1h !age:<1m".to_owned();
        arrange(&mut state);
        assert_eq!(state.view.shown, [id]);
        let fleet = text(&state, 140, 40);
        assert!(fleet.contains("7m ago") && !fleet.contains("doubt"), "{fleet}");
        assert!(fleet.contains(" 7m  "), "since: {fleet}");
    }
}

#[test]
fn fleet_that_scrolls() {
    let mut state = many(300);
    state.view.offset = 120;
    state.view.cursor = Some(state.view.shown[125].clone());
    snapshot_at("fleet_scrolled", &state, 80, 24);
}

#[test]
fn fleet_without_rows() {
    let mut none = empty();
    live(&mut none);
    arrange(&mut none);
    snapshot_at("fleet_none", &none, 80, 24);
    let loading = empty();
    snapshot_at("fleet_loading", &loading, 80, 24);
    snapshot_at("fleet_loading", &loading, 40, 12);
    let mut filtered = fleet();
    filtered.view.filter = "phase:prepared nosuch".into();
    arrange(&mut filtered);
    snapshot_at("fleet_filtered_out", &filtered, 80, 24);
    filtered.view.filter = "phase:prepared".into();
    filtered.view.filter_input = Some(LineInput {
        selected: false,
        ..LineInput::new("phase:prepared", (String::new(), None))
    });
    arrange(&mut filtered);
    snapshot_at("fleet_filtering", &filtered, 80, 24);
}

#[test]
fn fleet_in_trouble() {
    let mut state = fleet();
    failing(&mut state);
    let scope = id(&state, "night").scope;
    state.fleet.scopes.get_mut(&scope).unwrap().skipped = 2;
    let elsewhere = id(&state, "legacy-7").scope;
    state.fleet.scopes.get_mut(&elsewhere).unwrap().status = ScopeStatus::NotOffered;
    state.fleet.scopes.get_mut(&scope).unwrap().wait_until = Some(ago(-1));
    snapshot("fleet_failing", &state);
    for scope in state.fleet.scopes.values_mut() {
        scope.status = ScopeStatus::Failing(outage(
            Failure::new(FailureKind::TimedOut, "no answer within 10 s"),
            ago(3),
        ));
    }
    snapshot_at("fleet_all_failing", &state, 80, 24);
}

#[test]
fn auth_01_signed_out_is_shown_and_rows_stay() {
    let mut state = fleet();
    let failure = Failure::new(FailureKind::SignedOut, "expired")
        .hint("Run `stackit auth login`, then press r");
    state.session.signed_out = Some((ago(4), failure));
    snapshot("fleet_signed_out", &state);
    assert!(text(&state, 80, 24).contains("shop-prod"));
}

#[test]
fn nodes_tab() {
    snapshot("nodes_rolling", &rolls::rolling(18));
    snapshot("nodes_stalled", &rolls::stalled());
    snapshot("nodes_done", &rolls::done());
    // Too narrow for a border with the name around the node's pane.
    snapshot_at("nodes_stalled", &rolls::stalled(), 100, 30);
    snapshot_at("nodes_before", &rolls::before_the_nodes(), 140, 40);
    snapshot_at("nodes_before", &rolls::before_the_nodes(), 80, 24);
    let mut events = rolls::stalled();
    events.nodes.in_full = true;
    snapshot_at("nodes_events", &events, 80, 24);
    let away = Failure::new(FailureKind::Unreachable, "no answer from api.example:443 within 10 s")
        .hint("Check the cluster's access control list");
    // As long as real messages; the advice is not cut off.
    let refused = "the API server of pay-prod (api.pay-prod.0a1b2c3d4e.s.ske.eu01.onstackit.cloud): \
                   no connection (tcp connect error: Connection refused (os error 111))";
    let long = Failure::new(FailureKind::Unreachable, refused)
        .hint("Check the network, the proxy, and the cluster's access control list");
    let cut_off = rolls::cut_off(rolls::rolling(12), Unavailable::Unreachable(long));
    snapshot_at("nodes_cut_off", &cut_off, 140, 40);
    snapshot_at("nodes_cut_off", &cut_off, 80, 24);
    snapshot("nodes_unreachable", &rolls::unseen(Unavailable::Unreachable(away)));
    snapshot_at("nodes_one_way", &rolls::unseen(Unavailable::WouldDisableStaticTokens), 80, 24);
    snapshot_at("nodes_looking", &rolls::unseen(Unavailable::Connecting), 80, 24);
}

#[test]
fn nodes_that_may_not_be_listed_are_not_said_to_be_none() {
    for phase in [Phase::Preparing, Phase::Prepared, Phase::Completed] {
        let mut state = rolls::without_nodes(phase);
        let Screen::Cluster { id, .. } = state.screen.clone() else { panic!("no cluster") };
        state.screen = Screen::Fleet;
        let fleet = text(&state, 140, 40);
        assert!(!fleet.contains("connecting"), "{fleet}");
        for tab in [Tab::Nodes, Tab::Rotation, Tab::Overview] {
            state.screen = Screen::Cluster { id: id.clone(), tab };
            for (columns, rows) in [(140, 40), (80, 24)] {
                let text = text(&state, columns, rows);
                assert!(tab != Tab::Nodes || text.contains("nodes not visible"), "{text}");
                assert!(!text.contains("no nodes"), "{text}");
            }
        }
    }
}

#[test]
fn while_no_rollout_is_under_way_nodes_are_neither_old_nor_new() {
    let state = rolls::idle();
    snapshot_at("nodes_idle", &state, 140, 40);
    for (columns, rows) in [(140, 40), (80, 24)] {
        let text = text(&state, columns, rows);
        assert!(text.contains("15 nodes, no rollout"), "{text}");
        assert!(!text.contains("new"), "{text}");
    }
}

#[test]
fn pods_that_cannot_be_read_are_not_counted_as_they_were() {
    let of = |why| text(&rolls::without_pods(why), 140, 40);
    let lost = of(Unseen::Failing("no answer".into()));
    assert!(lost.contains("unknown since"), "{lost}");
    assert!(!lost.contains("to evict"), "{lost}");
    let partly = of(Unseen::Partly("only the first 20000 were read".into()));
    assert!(partly.contains("at least 1 pod to evict"), "{partly}");
    let mut none = rolls::without_pods(Unseen::Partly("only the first 20000 were read".into()));
    let pay = id(&none, "pay-prod");
    let observed = none.nodes.observed.get_mut(&pay).unwrap();
    let mut seen = ClusterSnapshot::clone(observed.snapshot.as_ref().unwrap());
    for pod in &mut seen.pods {
        *pod = Arc::new(rolls::pod(&pod.name, "another"));
    }
    observed.snapshot = Some(Arc::new(seen));
    let none = text(&none, 140, 40);
    assert!(none.contains("none found (only the first 20000"), "{none}");
    assert!(!none.contains("all evicted"), "{none}");
}

#[test]
fn a_kubernetes_version_of_a_node_pool_is_shown_with_that_of_the_cluster() {
    let mut state = opened("shop-prod", Tab::Overview);
    let shop = id(&state, "shop-prod");
    let pools = &mut state.fleet.entries.get_mut(&shop).unwrap().cluster.pools;
    pools.extend([NodePool { name: "gpu".into(), ..pools[0].clone() }]);
    for pool in &mut pools[1..] {
        pool.version = Some(KubernetesVersion::new("1.31.9"));
        pool.version_expires = Some(ago(3 * 24 * 60));
    }
    let overview = text(&state, 140, 40);
    assert!(overview.contains("pool batch, gpu: 1.31.9 expired 3d ago"), "{overview}");
    state.screen = Screen::Fleet;
    let preview = text(&state, 140, 40);
    let lines: Vec<&str> = preview.lines().filter_map(|line| line.rsplit('│').nth(1)).collect();
    let lines = lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(lines.contains("pool batch, gpu: 1.31.9 expired 3d ago"), "{preview}");
}

#[test]
fn the_copy_menu_offers_a_node_only_where_one_is_selected() {
    let mut state = rolls::rolling(18);
    let offers = |state: &State| copy_items(state).iter().any(|item| item.label == "node name");
    assert!(offers(&state));
    let Screen::Cluster { tab, .. } = &mut state.screen else { panic!("{:?}", state.screen) };
    *tab = Tab::Credentials;
    assert!(!offers(&state));
}

#[test]
fn an_unhealthy_cluster_has_no_green_sign() {
    let mut state = fleet();
    let web = id(&state, "web-prod-1");
    state.fleet.entries.get_mut(&web).unwrap().cluster.state = ClusterState::Unhealthy;
    let text = text(&state, 140, 40);
    let row = text.lines().find(|line| line.contains("web-prod-1")).unwrap();
    assert!(row.contains("▲ web-prod-1") && row.contains("completed"), "{row}");
    let other = text.lines().find(|line| line.contains("web-prod-2")).unwrap();
    assert!(other.contains("● web-prod-2"), "{other}");
}

#[test]
fn the_roll_is_shown_in_fleet_and_rotation() {
    let mut state = rolls::stalled();
    let pay = id(&state, "pay-prod");
    state.nodes.watched.insert(pay.clone());
    if let Screen::Cluster { tab, .. } = &mut state.screen {
        *tab = Tab::Rotation;
    }
    snapshot("rotation_stalled", &state);
    snapshot_at("rotation_stalled", &state, 250, 60);
    state.screen = Screen::Fleet;
    arrange(&mut state);
    state.view.cursor = Some(pay);
    snapshot("fleet_stalled", &state);
    let mut rolling = rolls::rolling(18);
    rolling.screen = Screen::Fleet;
    arrange(&mut rolling);
    rolling.view.cursor = Some(id(&rolling, "pay-prod"));
    snapshot_at("fleet_rolling", &rolling, 140, 40);
    snapshot_at("fleet_rolling", &rolling, 80, 24);
    let mut before = rolls::before_the_nodes();
    if let Screen::Cluster { tab, .. } = &mut before.screen {
        *tab = Tab::Rotation;
    }
    snapshot_at("rotation_before", &before, 140, 40);
    snapshot_at("rotation_before", &before, 80, 24);
}

fn checklist_dialogs(state: &State) -> [(&'static str, ChecklistDialog); 3] {
    let cluster = id(state, "shop-prod");
    let client = state.checklist_of(&cluster).list.clients()[0].clone();
    let form = Box::new(ChecklistForm::about(Some(client.clone())));
    let dialog = |kind, focus| ChecklistDialog {
        id: DialogId(1),
        cluster: cluster.clone(),
        kind,
        focus,
        request: None,
        failure: None,
        guard: guard(),
    };
    let mut refused = dialog(ChecklistDialogKind::Edit(form), ChecklistField::Owner);
    refused.failure = Some(Failure::from(ChecklistConflict::Changed));
    [
        ("checklist_edit", refused),
        ("checklist_remove", dialog(ChecklistDialogKind::Remove(client), ChecklistField::Cancel)),
        ("checklist_share", dialog(ChecklistDialogKind::Share, ChecklistField::Confirm)),
    ]
}

#[test]
fn k8s_26_what_is_not_read_in_the_cluster_is_not_ticked_on_the_credentials_tab() {
    let shown = |phase: Phase, kinds: &[&'static str], requests: bool| {
        let mut state = rolls::done();
        let id = id(&state, "pay-prod");
        state.screen = Screen::Cluster { id: id.clone(), tab: Tab::Credentials };
        state.fleet.entries.get_mut(&id).unwrap().cluster.rotation.phase = phase.clone();
        let observed = state.nodes.observed.get_mut(&id).unwrap();
        let mut snapshot = ClusterSnapshot::clone(observed.snapshot.as_ref().unwrap());
        snapshot.control_plane.signed_requests = requests.then(Vec::new);
        let pod = Pod { created: Some(ago(90)), ..rolls::pod("api-1", "n1") };
        snapshot.pods.push(Arc::new(pod));
        // While completing, the old CA is removed.
        let authorities = if phase == Phase::Completing { 1 } else { 2 };
        let namespaces: BTreeSet<String> =
            snapshot.pods.iter().map(|pod| pod.namespace.clone()).collect();
        let bundle = |namespace| RootBundle { namespace, authorities, written: Some(ago(500)) };
        snapshot.root_bundles = namespaces.into_iter().map(bundle).map(Arc::new).collect();
        for kind in kinds {
            snapshot.unseen.insert(kind, Unseen::Failing("forbidden".into()));
        }
        observed.snapshot = Some(Arc::new(snapshot));
        let drawn = text(&state, 140, 40);
        let inside = drawn.lines().skip_while(|line| !line.contains("IN THE CLUSTER")).skip(1);
        let inside = inside.take_while(|line| line.contains(['✓', '?', '!']));
        inside.map(|line| line.trim_matches(['│', ' ', '█']).to_owned()).collect::<Vec<_>>()
    };
    let (tokens, pods) = (
        "✓ no service-account token from before the start",
        "✓ no pod that trusts only the old CA",
    );
    assert_eq!(shown(Phase::Prepared, &[], true), [tokens, pods]);
    assert_eq!(
        shown(Phase::Prepared, &["token secrets", "configmaps", "pods"], false),
        [
            "? CertificateSigningRequests are not read",
            "? token secrets not checked: forbidden",
            "? configmaps not checked: forbidden",
            "? pods not checked: forbidden",
        ]
    );
    assert_eq!(
        shown(Phase::Preparing, &[], true),
        [tokens, "? pods are judged when all nodes are replaced (PREPARED)"]
    );
    assert_eq!(
        shown(Phase::Completing, &[], true),
        [tokens, "? unknown of some pods whether they have the new certificate authority"]
    );
    assert_eq!(
        shown(Phase::Unknown("SOON".into()), &[], true),
        ["? phase unknown: what stops working cannot be told"]
    );
    assert_eq!(
        shown(Phase::Completed, &[], true),
        ["✓ nothing stops working until a rotation starts"]
    );
}

#[test]
fn cluster_tabs() {
    snapshot("overview", &opened("shop-prod", Tab::Overview));
    snapshot_at("overview", &opened("shop-prod", Tab::Overview), 250, 60);
    snapshot_at("overview_completed", &opened("web-stage", Tab::Overview), 140, 40);
    snapshot("rotation_prepared", &opened("shop-prod", Tab::Rotation));
    let mut unhealthy = opened("web-stage", Tab::Rotation);
    let web = id(&unhealthy, "web-stage");
    unhealthy.fleet.entries.get_mut(&web).unwrap().cluster.state = ClusterState::Unhealthy;
    snapshot("rotation_unhealthy", &unhealthy);
    snapshot("rotation_stuck", &opened("pay-prod", Tab::Rotation));
    snapshot("credentials", &with_credentials("shop-prod"));
    let mut second = with_credentials("shop-prod");
    second.inventory.cursor = 1;
    snapshot_at("credentials_breaking", &second, 80, 24);
    let listed = with_checklist("shop-prod");
    snapshot("checklist", &listed);
    snapshot_at("checklist_none", &opened("web-stage", Tab::Checklist), 80, 24);
    for (name, dialog) in checklist_dialogs(&listed) {
        let state = State {
            checklist: ChecklistState { dialog: Some(dialog), ..listed.checklist.clone() },
            ..listed.clone()
        };
        for (columns, rows) in [(140, 40), (80, 24), (40, 12)] {
            snapshot_at(name, &state, columns, rows);
        }
    }
    snapshot_at("credentials_none", &opened("web-stage", Tab::Credentials), 80, 24);
    snapshot("cluster_activity", &opened("shop-prod", Tab::Activity));
    snapshot_at("rotation_never", &opened("legacy-7", Tab::Rotation), 80, 24);
    snapshot_at("rotation_completed", &opened("web-stage", Tab::Rotation), 80, 24);
    snapshot_at("rotation_asleep", &opened("night", Tab::Rotation), 80, 24);
    snapshot_at("rotation_unknown", &opened("odd", Tab::Rotation), 80, 24);
    snapshot_at("overview_asleep", &opened("night", Tab::Overview), 80, 24);
    let mut gone = opened("web-stage", Tab::Rotation);
    let gone_id = id(&gone, "web-stage");
    gone.fleet.entries.get_mut(&gone_id).unwrap().not_listed_since = Some(ago(7));
    snapshot_at("rotation_gone", &gone, 80, 24);
}

#[test]
fn a_renewal_shows_what_changes_and_what_came_of_it() {
    let mut state = renewing("shop-prod");
    snapshot("renewal", &state);
    let renewal = state.kubeconfig.renewal.as_mut().unwrap();
    (renewal.stage, renewal.focus) = (RenewalStage::Ended, RenewalField::Cancel);
    renewal.items[0].stage = RenewalItemStage::Done(Some(ago(-480)));
    snapshot("renewal_ended", &state);
    let mut one_way = renewing("legacy-7");
    one_way.kubeconfig.renewal.as_mut().unwrap().focus = RenewalField::Confirm;
    snapshot_at("renewal_one_way", &one_way, 80, 24);
    let mut marked = with_credentials("shop-prod");
    for cursor in [0, 2] {
        marked.inventory.cursor = cursor;
        marked.inventory.toggle(marked.markable().unwrap());
    }
    snapshot_at("credentials_marked", &marked, 80, 24);
    let mut completed = with_credentials("shop-prod");
    let completed_id = id(&completed, "shop-prod");
    let rotation = &mut completed.fleet.entries.get_mut(&completed_id).unwrap().cluster.rotation;
    (rotation.phase, rotation.completed) = (Phase::Completed, Some(ago(5)));
    snapshot_at("credentials_cached_login", &completed, 80, 24);
}

#[test]
fn a_sent_step_is_shown_in_every_stage() {
    let mut state = opened("web-stage", Tab::Rotation);
    let cluster_id = id(&state, "web-stage");
    let stages = [
        (PendingStage::Sending, "Sending"),
        (PendingStage::Accepted { at: ago(1), reported: false }, "Accepted at 14:01:11"),
        (
            PendingStage::ReadingBack { until: std::time::Duration::ZERO, seen: None },
            "Checking whether the rotation started",
        ),
        (PendingStage::NotShown { at: ago(12) }, "accepted at 13:50:11, but SKE has not shown it"),
        (PendingStage::Unknown, "does not send the request again"),
    ];
    for (stage, words) in stages {
        put_pending(&mut state, &cluster_id, stage);
        let drawn = text(&state, 80, 24);
        let flat = drawn.replace(['│', '\n'], " ");
        let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(words), "{words} in\n{drawn}");
    }
    snapshot_at("rotation_lost", &state, 80, 24);
}

/// Adds a sent start of a cluster.
fn put_pending(state: &mut State, id: &ClusterId, stage: PendingStage) {
    let pending = PendingStep {
        request: crate::app::requests::RequestId(1),
        step: Step::Start,
        asked: state.shared.now,
        before: state.fleet.cluster(id).unwrap().rotation.clone(),
        skew: None,
        ignore_reads_through: crate::app::requests::RequestId(0),
        stage,
        due: std::time::Duration::ZERO,
    };
    state.rotation.pending.insert(id.clone(), pending);
}

#[test]
fn the_dialog_says_that_an_accepted_step_was_never_shown() {
    let mut state = rotating("web-stage", Step::Start, RotationDialogStage::Confirming);
    let cluster_id = id(&state, "web-stage");
    put_pending(&mut state, &cluster_id, PendingStage::NotShown { at: ago(12) });
    for (columns, rows) in [(80, 24), (40, 12)] {
        let drawn = text(&state, columns, rows);
        assert!(drawn.contains("A start was accepted"), "{drawn}");
    }
}

#[test]
fn start_dialog() {
    snapshot("start", &rotating("web-stage", Step::Start, RotationDialogStage::Confirming));
    let mut loud = rotating("legacy-7", Step::Start, RotationDialogStage::Confirming);
    if let Some(dialog) = &mut loud.rotation.dialog {
        dialog.wants_name = true;
        dialog.typed = Input::new("legacy".into());
    }
    snapshot("start_loud", &loud);
    snapshot_at(
        "start_checking",
        &rotating("web-stage", Step::Start, RotationDialogStage::Reading),
        80,
        24,
    );
    snapshot(
        "start_failed",
        &rotating("web-stage", Step::Start, RotationDialogStage::Failed(refusal())),
    );
    let settled =
        RotationDialogStage::Done("It did not start. The start can be asked for again.".into());
    snapshot_at("start_settled", &rotating("web-stage", Step::Start, settled), 80, 24);
}

#[test]
fn complete_dialog() {
    snapshot("complete", &rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming));
    let changed = RotationDialogStage::Changed(
        "the state changed from healthy to reconciling; look again".into(),
    );
    snapshot_at("complete_changed", &rotating("shop-prod", Step::Complete, changed), 80, 24);
    snapshot_at(
        "complete_sending",
        &rotating("shop-prod", Step::Complete, RotationDialogStage::Sending),
        80,
        24,
    );
    snapshot_at(
        "complete_unclear",
        &rotating("shop-prod", Step::Complete, RotationDialogStage::ReadingBack),
        80,
        24,
    );
}

#[test]
fn warning_name_and_buttons_are_visible_at_every_size() {
    for (columns, rows) in SIZES {
        let complete = text(
            &rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming),
            columns,
            rows,
        );
        for word in ["shop-p", "[ Cancel ]", "[ Complete rotation ]", "cannot be undone"] {
            assert!(complete.contains(word), "{word} at {columns}x{rows}\n{complete}");
        }
        let mut start = rotating("legacy-7", Step::Start, RotationDialogStage::Confirming);
        if let Some(dialog) = &mut start.rotation.dialog {
            dialog.wants_name = true;
            dialog.typed = Input::new("lega".into());
        }
        let start = text(&start, columns, rows);
        for word in ["tatic", "lega ", "[ Cancel ]", "[ Start rotation ]", "cannot be cancelled"] {
            assert!(start.contains(word), "{word} at {columns}x{rows}\n{start}");
        }
    }
}

#[test]
fn tty_03_all_that_a_step_breaks_can_be_read_wherever_it_can_be_confirmed() {
    for (step, name) in [(Step::Complete, "shop-prod"), (Step::Start, "legacy-7")] {
        for (columns, rows) in
            [(40, 12), (50, 12), (60, 12), (80, 12), (40, 15), (80, 13), (79, 16), (140, 40)]
        {
            for stage in [
                RotationDialogStage::Confirming,
                RotationDialogStage::Changed(
                    "The phase changed from PREPARED to COMPLETED.".into(),
                ),
            ] {
                let mut state = rotating(name, step, stage);
                // A message of three lines below the dialog.
                state.notices.answer(state.shared.now, "word ".repeat(60));
                state.shared.size = (columns, rows);
                let dialog = state.rotation.dialog.as_deref_mut().unwrap();
                dialog.wants_name = true;
                let names = |prefix: &str| -> Vec<String> {
                    (0..4).map(|number| format!("{prefix}-{number}-with-a-long-name")).collect()
                };
                dialog.findings.extend([
                    Finding::OpenClients(names("client")),
                    Finding::ClusterUnseen { step, why: "no answer within ten seconds".into() },
                ]);
                let mut seen = String::new();
                for scroll in 0.. {
                    state.rotation.dialog.as_deref_mut().unwrap().scroll = scroll;
                    let (_, metrics) = drawn(&state, columns, rows);
                    assert!(metrics.page_rows > 0, "{columns}x{rows}");
                    seen += &text(&state, columns, rows);
                    if scroll >= metrics.scroll_last {
                        break;
                    }
                }
                let said = |words: &str| words.split(' ').all(|word| seen.contains(word));
                let findings = &state.rotation.dialog.as_deref().unwrap().findings;
                for finding in findings {
                    let text = findings_text::finding(finding);
                    assert!(said(&text), "{columns}x{rows} {text}\n{seen}");
                }
                let warning = step.pick("cannot be cancelled", "cannot be undone");
                assert!(said(warning) && said("[ Cancel ]"), "{columns}x{rows}\n{seen}");
            }
        }
    }
}

#[test]
fn kubeconfig_form() {
    snapshot("form", &issuing(form("shop-prod")));
    let mut one_way = form("legacy-7");
    one_way.focus = KubeconfigField::Confirm;
    snapshot_at("form_one_way", &issuing(one_way.clone()), 80, 24);
    one_way.stage =
        KubeconfigFormStage::Asking { question: FormQuestion::DisableStaticTokens, answer: 0 };
    snapshot("form_one_way_question", &issuing(one_way));
    let mut taken = form("shop-prod");
    let names = ["cluster", "context", "user"].map(|word| format!("{word} shop-prod")).to_vec();
    taken.plan = PlanState::Ready(Box::new(Plan {
        path: "~/.kube/config".into(),
        link: Some("~/dotfiles/kube".into()),
        exists: true,
        mode: Some(0o644),
        others: 11,
        taken: names,
        owner: EntryOwner::Another("shop-prod in eu02".into()),
        notes: vec!["mode 0644 is tightened to 0600".into()],
        sharing: vec!["context dev (user shop-prod)".into()],
        ..Plan::default()
    }));
    let question = FormQuestion::NameConflict(Some("shop-prod-eu01".into()));
    taken.stage = KubeconfigFormStage::Asking { question, answer: 0 };
    let taken = issuing(taken);
    snapshot_at("form_taken", &taken, 80, 24);
    snapshot_at("form_taken", &taken, 40, 12);
    let mut blank = form("shop-prod");
    blank.plan = PlanState::Ready(Box::new(Plan {
        path: "~/.kube/config".into(),
        blank: true,
        ..Plan::default()
    }));
    snapshot_at("form_blank", &issuing(blank), 80, 24);
    let mut impossible = form("shop-prod");
    impossible.destination = Destination::named("file");
    impossible.focus = KubeconfigField::Path;
    impossible.plan = PlanState::Impossible(
        Failure::new(FailureKind::File, "~/.kube/ske cannot be made: permission denied")
            .hint("Choose another folder"),
    );
    snapshot_at("form_impossible", &issuing(impossible), 80, 24);
    let mut short = form("shop-prod");
    short.lifetime = Input::new("45m".into());
    short.destination = Destination::named("clipboard");
    snapshot_at("form_too_short", &issuing(short), 80, 24);
    snapshot_at("form_asking", &asking(form("shop-prod"), 12), 80, 24);
    let mut failed = form("shop-prod");
    failed.stage = KubeconfigFormStage::Failed(refusal());
    failed.kind = KubeconfigKind::Login;
    failed.destination = Destination::named("stdout");
    snapshot_at("form_failed", &issuing(failed), 80, 24);
}

#[test]
fn times_in_the_form_have_zone_and_utc() {
    let mut state = issuing(form("shop-prod"));
    let zone = jiff::tz::TimeZone::fixed(jiff::tz::offset(1));
    state.shared.settings.local_zone = DisplayZone::new(zone);
    let drawn = text(&state, 80, 24);
    assert!(drawn.contains("expires Tue 24 Nov 2026 23:02 +01:00 (22:02 UTC)"), "{drawn}");
}

#[test]
fn menus() {
    let menu = |items, cursor| {
        let mut state = fleet();
        state.menu = Some(Menu { items, cursor, query: Input::new("re".into()) });
        state
    };
    snapshot_at("menu_sort", &menu(MenuItems::Sort, 6), 80, 24);
    snapshot_at("menu_sort", &menu(MenuItems::Sort, 11), 40, 12);
    snapshot_at("menu_columns", &menu(MenuItems::Columns, 1), 80, 24);
    let copy = [
        ("name", "shop-prod"),
        ("project ID", "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21"),
        ("API call", "POST https://ske.api.stackit.cloud/v2/projects/5f1c3d9a/clusters"),
    ];
    let copy = copy.map(|(label, text)| CopyItem { label: label.into(), text: text.into() });
    let copy = MenuItems::Copy(copy.to_vec());
    snapshot_at("menu_copy", &menu(copy, 1), 80, 24);
    let mut export = menu(MenuItems::Export("44 clusters".into()), 1);
    export.shared.settings.export_folder = "/home/ops/rotations".into();
    snapshot("menu_export", &export);
    export.shared.settings.read_only = true;
    snapshot_at("menu_export_read_only", &export, 80, 24);
    let named = |id| BINDINGS.iter().find(|binding| binding.id == id).unwrap();
    let commands = ["refresh", "reconcile", "wake-up"].map(named).map(PaletteItem::Command);
    let commands = MenuItems::Commands(commands.to_vec());
    snapshot_at("menu_commands", &menu(commands, 0), 80, 24);
    let mut state = opened("shop-prod", Tab::Credentials);
    let prod = state.subject().unwrap().cluster.clone();
    let location = KubeconfigLocation::Clipboard;
    state.credentials.accesses = vec![Access { location, ..access(&prod, false, "") }];
    state.inventory.files = None;
    let question = forget::question(&state).unwrap();
    state.menu = Some(Menu::new(MenuItems::forget(question), 1));
    snapshot_at("menu_forget", &state, 80, 24);
    snapshot_at("menu_forget", &state, 40, 12);
}

/// The fleet of the fixtures with a selection; more projects are discovered than configured.
fn selecting(projects: SelectedProjects, region: Option<&str>) -> State {
    let mut state = fleet();
    let settings = &mut state.shared.settings;
    settings.projects_origin = "--project".to_owned();
    settings.profiles = vec!["night".to_owned(), "test".to_owned()];
    settings.profile = Some("night".to_owned());
    for number in 0..9 {
        let id = ProjectId::new(format!("0{number}2b3c4d-5555-4666-8777-444455556666"));
        state.fleet.add_project(&id, &settings.regions);
        state.fleet.projects.insert(id, format!("team-{number}"));
    }
    failing(&mut state);
    let region = region.map(Region::new);
    state.fleet.select(Selection { projects, region }, state.shared.now);
    arrange(&mut state);
    state
}

#[test]
fn scope() {
    let shop = SelectedProjects::One(id(&fleet(), "shop-prod").project().clone());
    let mut state = selecting(shop, Some("eu01"));
    snapshot("scope_narrowed", &state);
    snapshot_at("scope_narrowed", &state, 40, 8);
    commands::run(&mut state, &mut Outbox::default(), Command::Scope);
    snapshot("scope_menu", &state);
    state.shared.settings.ascii = true;
    snapshot_at("scope_menu_ascii", &state, 80, 24);
    state.menu = Some(Menu::new(MenuItems::Scope(Vec::new()), 0));
    snapshot_at("scope_menu_empty", &state, 80, 24);
    let mut state = selecting(SelectedProjects::Configured, None);
    snapshot_at("scope_configured", &state, 80, 24);
    let items = scope::items(&state.fleet, &state.shared.settings, "pay");
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.part(), &*item.note), ("project", "503 upstream connect error"));
    assert!(scope::items(&state.fleet, &state.shared.settings, "project pay eu").is_empty());
    // Nothing is listed because of the selected scope.
    let team = ProjectId::new("042b3c4d-5555-4666-8777-444455556666");
    state = selecting(SelectedProjects::One(team), None);
    live(&mut state);
    snapshot_at("scope_without_clusters", &state, 80, 24);
    snapshot_at("scope_without_clusters", &state, 40, 12);
}

#[test]
fn questions() {
    let mut state = opened("night", Tab::Overview);
    let cluster = id(&state, "night");
    let ask = |action| {
        let confirmation = Confirmation { confirms: false, guard: guard() };
        ActionDialog { cluster: cluster.clone(), action, confirmation }
    };
    state.action = Some(ask(Trigger::WakeUp));
    snapshot_at("wake_up", &state, 80, 24);
    snapshot_at("wake_up", &state, 40, 12);
    state.action = Some(ask(Trigger::Reconcile));
    snapshot_at("reconcile", &state, 80, 24);
    let why = "The start of shop-prod is being sent.".to_owned();
    state.action = None;
    let confirmation = Confirmation { confirms: false, guard: guard() };
    let then = crate::app::session::text::REQUESTS_CONTINUE;
    state.session.quit_dialog = Some(QuitDialog { confirmation, why, then });
    snapshot_at("quit", &state, 80, 24);
    snapshot_at("quit", &state, 40, 12);
}

#[test]
fn help_is_made_from_the_keymap() {
    let mut state = fleet();
    state.help = Some(Help { context: KeyContext::Fleet, scroll: 0 });
    snapshot("help", &state);
    state.help = Some(Help { context: KeyContext::Form, scroll: 9_999 });
    snapshot_at("help_end", &state, 80, 24);
    state.shared.keymap = keymap_with("rotate", "X");
    state.help = Some(Help { context: KeyContext::Fleet, scroll: 0 });
    assert!(text(&state, 100, 40).contains(" X "));
}

#[test]
fn the_log_follows_its_end_until_it_is_scrolled() {
    use crate::app::keymap::Command;
    use crate::app::log::{LogView, run};
    let mut state = fleet();
    state.log = Some(LogView::default());
    snapshot_at("log_reading", &state, 80, 24);
    state.log = Some(LogView { lines: Some(Vec::new()), ..LogView::default() });
    snapshot_at("log_empty", &state, 40, 12);
    let line = |number: usize| {
        format!(
            "2026-11-24T12:00:{number:02}Z  INFO task{{id=r{number} kind=\"list clusters\"}}: answered status=200"
        )
    };
    let lines = Some((0..60).map(line).collect());
    state.log = Some(LogView { lines, ..LogView::default() });
    snapshot("log", &state);
    let mut metrics = drawn(&state, 80, 24).1;
    assert!(text(&state, 80, 24).contains("id=r59"));
    run(&mut state.log, Command::First, &metrics);
    assert!(text(&state, 80, 24).contains("id=r0 "));
    metrics = drawn(&state, 80, 24).1;
    run(&mut state.log, Command::Last, &metrics);
    assert_eq!(state.log.as_ref().unwrap().first, None, "follows again");
    run(&mut state.log, Command::Back, &metrics);
    assert!(state.log.is_none());
}

#[test]
fn times_in_the_activity_are_local() {
    let mut state = fleet();
    state.screen = Screen::Activity(Box::new(Screen::Fleet));
    if let Some(record) = state.activity.records.back_mut() {
        (record.text, record.expires) = ("issued".into(), Some(now()));
    }
    state.shared.settings.local_zone =
        DisplayZone::new(jiff::tz::TimeZone::fixed(jiff::tz::offset(2)));
    assert!(text(&state, 80, 24).contains("issued, expires Tue 24 Nov 2026 16:02 +02:00"));
    state.shared.utc = true;
    assert!(text(&state, 80, 24).contains("issued, expires Tue 24 Nov 2026 14:02 +00:00"));
}

/// Adds a cluster of the same name in the other region, with a record of its own.
fn namesake(state: &mut State, name: &str) {
    let mut entry = state.fleet.entries[&id(state, name)].clone();
    entry.cluster.id.scope.region = Region::new("eu02");
    let mut record = state.activity.records.back().cloned().unwrap();
    record.cluster = Some(entry.cluster.id.clone());
    state.activity.records.push_back(record);
    state.fleet.put(entry);
}

#[test]
fn activity_newest_first() {
    let mut state = fleet();
    state.screen = Screen::Activity(Box::new(Screen::Fleet));
    snapshot("activity", &state);
    state.activity.cursor = Some(4);
    snapshot_at("activity_cursor", &state, 80, 24);
    state.activity.open = true;
    snapshot("activity_entry", &state);
    state.activity.open = false;
    namesake(&mut state, "shop-prod");
    snapshot("activity_namesake", &state);
    state.activity.records.clear();
    snapshot_at("activity_none", &state, 80, 24);
}

#[test]
fn messages_are_above_the_keys() {
    let mut state = fleet();
    state.notices.toast = Some(Toast {
        text: "Copied. Cleared in 45s.".into(),
        until: std::time::Duration::MAX,
        about: ToastAbout::Request,
    });
    assert!(text(&state, 80, 24).contains("▸ Copied. Cleared in 45s."));
    let long = "Kubeconfig of shop-prod → ~/.kube/config, context shop-prod/eu01/shop, expires Tue 24 Nov 2026 22:02";
    state.notices.toast = Some(Toast {
        text: long.into(),
        until: std::time::Duration::MAX,
        about: ToastAbout::Request,
    });
    for (columns, rows) in [(140, 40), (80, 24), (50, 15)] {
        let drawn = text(&state, columns, rows);
        assert!(drawn.contains("22:02"), "it is said to its end at {columns}x{rows}: {drawn}");
    }
    state.notices.errors.push_back(refusal());
    state.notices.errors.push_back(refusal());
    snapshot_at("error", &state, 140, 40);
    snapshot_at("error", &state, 80, 24);
    snapshot_at("error", &state, 40, 12);
}

#[test]
fn a_message_that_the_screen_shows_is_not_repeated() {
    let mut state = fleet();
    let cluster = id(&state, "pay-prod");
    let message = "pay-prod: PodDisruptionBudget payments/api allows no evictions";
    let mut toast = Toast {
        text: message.into(),
        until: std::time::Duration::MAX,
        about: ToastAbout::Cluster(cluster),
    };
    state.notices.toast = Some(toast.clone());
    assert!(!text(&state, 140, 40).contains(message), "the activity shows it");
    assert!(text(&state, 80, 24).contains(message), "there is no activity on a small screen");
    for (mut open, place, shown) in [
        (rolls::stalled(), Tab::Overview, true),
        (rolls::stalled(), Tab::Rotation, false),
        (rolls::stalled(), Tab::Nodes, false),
        (rolls::rolling(18), Tab::Nodes, true),
    ] {
        if let Screen::Cluster { tab, .. } = &mut open.screen {
            *tab = place;
        }
        open.notices.toast = Some(toast.clone());
        assert_eq!(text(&open, 140, 40).contains(message), shown, "{place:?}");
    }
    let mut other = opened("shop-prod", Tab::Rotation);
    other.notices.toast = Some(toast.clone());
    assert!(text(&other, 140, 40).contains(message), "another cluster is open");
    toast.about = ToastAbout::Request;
    state.notices.toast = Some(toast);
    assert!(text(&state, 140, 40).contains(message), "it answers the person");
}

#[test]
fn the_activity_takes_the_rows_that_it_has_to_say() {
    let mut state = fleet();
    let rows_of = |state: &State, rows| {
        let drawn = text(state, 140, rows);
        let from = drawn.lines().position(|line| line.contains("─ activity ─"))?;
        drawn.lines().skip(from).position(|line| line.contains('╯'))
    };
    let record = state.activity.records.back().unwrap().clone();
    for (records, rows) in [(0, None), (1, Some(2)), (3, Some(4)), (40, Some(6))] {
        state.activity.records = std::iter::repeat_n(record.clone(), records).collect();
        assert_eq!(rows_of(&state, 40), rows, "{records} records");
    }
    assert_eq!(rows_of(&state, 60), Some(11), "more on a high screen");
    assert_eq!(rows_of(&state, 24), None);
}

#[test]
fn zones_of_pools_stand_below_each_other() {
    let mut state = rolls::rolling(18);
    if let Screen::Cluster { tab, .. } = &mut state.screen {
        *tab = Tab::Rotation;
    }
    let drawn = text(&state, 140, 40);
    let pools: Vec<&str> = drawn.lines().filter(|line| line.contains(" eu01-1 ")).collect();
    assert_eq!(pools.len(), 2, "{drawn}");
    for zone in ["eu01-1", "eu01-2", "eu01-3"] {
        let place = |line: &&str| line.split_once(zone).map(|(before, _)| width(before));
        let places: BTreeSet<_> = pools.iter().map(place).collect();
        assert_eq!(places.len(), 1, "{zone}: {drawn}");
    }
}

#[test]
fn tty_05_a_tiny_terminal_shows_counts_and_the_worst_cluster() {
    snapshot_at("too_small", &fleet(), 29, 7);
    snapshot_at("too_small", &fleet(), 60, 3);
    assert!(text(&fleet(), 29, 7).contains("pay-prod"));
}

#[test]
fn only_visible_rows_are_drawn() {
    let few = many(100);
    let many = many(10_000);
    let (small, small_metrics) = drawn(&few, 80, 24);
    let (large, large_metrics) = drawn(&many, 80, 24);
    let rows = |metrics: &Metrics| {
        metrics.targets.iter().filter(|target| matches!(target.what, Clickable::Row(_))).count()
    };
    assert_eq!(rows(&small_metrics), rows(&large_metrics));
    assert_eq!(rows(&large_metrics), large_metrics.page_rows);
    let names = |buffer: &ratatui::buffer::Buffer| {
        (4..20).map(|y| buffer[(9, y)].symbol().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&small), names(&large));
}

#[test]
fn a_click_selects_the_row_of_the_scrolled_list() {
    let mut state = many(500);
    state.view.offset = 100;
    state.view.cursor = Some(state.view.shown[105].clone());
    let (_, metrics) = drawn(&state, 80, 24);
    let first = metrics.targets.iter().find_map(|target| match target.what {
        Clickable::Row(row) => Some((row, target.area)),
        Clickable::Tab(_)
        | Clickable::Count(_)
        | Clickable::Column(_)
        | Clickable::Record(_)
        | Clickable::Line(_)
        | Clickable::Answer(_)
        | Clickable::Cancel
        | Clickable::Confirm => None,
    });
    assert_eq!(first, Some((100, Rect::new(1, 4, 78, 1))));
}

#[test]
fn a_long_overview_can_be_scrolled() {
    let mut state = opened("shop-prod", Tab::Overview);
    assert!(!text(&state, 50, 15).contains("KUBECONFIG"));
    assert!(!text(&state, 50, 15).contains("this rotation:"));
    state.cluster.scroll = 900;
    assert!(text(&state, 50, 15).contains("this rotation:"));
}

#[test]
fn the_cursor_is_visible_at_every_offset() {
    let mut state = many(500);
    for (offset, cursor) in [(0, 499), (499, 0), (9_999, 250), (100, 101), (490, 499)] {
        state.view.offset = offset;
        state.view.cursor = Some(state.view.shown[cursor].clone());
        let name = state.view.shown[cursor].name.to_string();
        for (columns, rows) in SIZES {
            let drawn = text(&state, columns, rows);
            let row = drawn.lines().find(|line| line.contains('▌') && line.contains(&name));
            assert!(row.is_some(), "{name} from {offset} at {columns}x{rows}\n{drawn}");
        }
    }
}

#[test]
fn tty_12_wide_characters_keep_the_columns_aligned() {
    let mut state = fleet();
    let project = id(&state, "shop-prod").scope.project;
    state.fleet.projects.insert(project, "漢字プロジェクト・東京リージョン".into());
    let drawn = text(&state, 100, 30);
    let place = |name: &str| {
        let line = drawn.lines().find(|line| line.contains(name)).unwrap();
        width(line.split("eu0").next().unwrap())
    };
    assert_eq!(place("shop-prod2"), place("data-lake"));
    let title = drawn.lines().find(|line| line.contains("REG")).unwrap();
    assert_eq!(width(title.split("REG").next().unwrap()), place("pay-prod"));
}

#[test]
fn colours_carry_the_state() {
    let mut state = fleet();
    state.view.cursor = Some(id(&state, "web-stage"));
    for choice in ThemeChoice::ALL {
        state.shared.theme = choice;
        let (buffer, _) = drawn(&state, 80, 24);
        let theme = Theme::of(&state);
        let cell = |glyph: &str| {
            buffer.content.iter().skip(80 * 4).find(|cell| cell.symbol() == glyph).unwrap().clone()
        };
        for (glyph, tone) in [("✗", Tone::Bad), ("◑", Tone::Attention), ("◔", Tone::Busy)] {
            let style = theme.tone(tone);
            let found = cell(glyph);
            assert_eq!(found.fg, style.fg.unwrap_or_default(), "{choice:?} {glyph}");
            assert!(found.modifier.contains(style.add_modifier), "{choice:?} {glyph}");
        }
        assert!(buffer.content.iter().all(|cell| cell.bg == ratatui::style::Color::Reset));
    }
}

#[test]
fn the_cursor_row_stands_out_without_colours() {
    let mut state = fleet();
    state.shared.theme = ThemeChoice::Mono;
    let (buffer, metrics) = drawn(&state, 80, 24);
    let row =
        metrics.targets.iter().find(|target| matches!(target.what, Clickable::Row(0))).unwrap();
    let cell = &buffer[(row.area.x + 5, row.area.y)];
    assert!(cell.modifier.contains(Modifier::REVERSED));
    assert!(buffer.content.iter().all(|cell| cell.fg == ratatui::style::Color::Reset));
}

#[test]
fn tty_09_ascii_mode_draws_nothing_else() {
    for mut state in every_screen() {
        for (columns, rows) in [(140, 40), (80, 24), (40, 12), (20, 4)] {
            state.shared.settings.ascii = false;
            // In ASCII mode keys are words; marks for control characters come from foreign text.
            let ours = |cell: &&Cell| !matches!(cell.symbol(), "?" | "⏎" | "␛");
            for cell in drawn(&state, columns, rows).0.content.iter().filter(ours) {
                assert_ne!(plain(cell.symbol()), "?", "{} has no plain form", cell.symbol());
            }
            state.shared.settings.ascii = true;
            let (buffer, _) = drawn(&state, columns, rows);
            let odd = buffer.content.iter().find(|cell| !cell.symbol().is_ascii());
            assert!(odd.is_none(), "{odd:?}");
        }
    }
    let mut state = fleet();
    state.shared.settings.ascii = true;
    snapshot_at("fleet_ascii", &state, 80, 24);
    let mut state = rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming);
    state.shared.settings.ascii = true;
    snapshot_at("complete_ascii", &state, 80, 24);
    let mut state = rolls::stalled();
    state.shared.settings.ascii = true;
    snapshot_at("nodes_ascii", &state, 80, 24);
}

#[test]
fn the_header_shows_mode_and_endpoint() {
    let mut state = fleet();
    let head = |state: &State| text(state, 100, 30).lines().next().unwrap().to_owned();
    assert!(head(&state).contains("WRITE") && !head(&state).contains("DEMO"));
    state.shared.settings.read_only = true;
    state.shared.settings.demo = Some(30.0);
    assert!(head(&state).contains("DEMO, time ×30  READ-ONLY  ● live"), "{}", head(&state));
    let state = opened("shop-prod", Tab::Overview);
    assert!(head(&state).contains("PROTECTED"));
}

#[test]
fn after_a_suspend_nothing_is_live_and_ages_include_it() {
    let mut state = fleet();
    let woken = Now {
        wall: state.shared.now.wall.checked_add(SignedDuration::from_hours(8)).unwrap(),
        monotonic: state.shared.now.monotonic + std::time::Duration::from_secs(2),
    };
    update(&mut state, woken, Message::Ticked);
    let head = |state: &State| text(state, 100, 30).lines().next().unwrap().to_owned();
    assert!(head(&state).contains("◌ loading"), "{}", head(&state));
    let scope = state.fleet.scopes.keys().next().unwrap().clone();
    let status = ScopeStatus::Failing(outage(
        Failure::new(FailureKind::Unreachable, "no network"),
        woken.wall,
    ));
    state.fleet.scopes.get_mut(&scope).unwrap().status = status;
    assert!(head(&state).contains("~ stale 8h"), "{}", head(&state));
}

#[test]
fn every_finding_can_be_scrolled_to_in_the_complete_dialog() {
    let mut state = rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming);
    let mut seen = String::new();
    for _ in 0..20 {
        let (_, metrics) = drawn(&state, 50, 15);
        state.shared.metrics = metrics;
        seen.push_str(&text(&state, 50, 15));
        let down = KeyEvent::new(KeyCode::Down, KeyModifiers::NONE);
        let now = state.shared.now;
        update(&mut state, now, Message::Key(down));
    }
    let Some(dialog) = &state.rotation.dialog else { panic!("it is gone") };
    let words = |text: &str| text.split_whitespace().take(3).map(str::to_owned).collect::<Vec<_>>();
    for finding in &dialog.findings {
        let text = findings_text::finding(finding);
        assert!(seen.contains(&words(&text).join(" ")), "{text}");
    }
    assert!(dialog.scroll > 0 && dialog.scroll == state.shared.metrics.scroll_last);
    assert_eq!(dialog.typed.value(), "shop-p");
}

#[test]
fn prepared_lasts_only_since_it_was_first_read() {
    let mut state = fleet();
    state.view.cursor = Some(id(&state, "shop-prod"));
    assert!(!text(&state, 140, 40).contains("PREPARED  for"));
    let shop = id(&state, "shop-prod");
    state.fleet.entries.get_mut(&shop).unwrap().phase_seen = Some(ago(20));
    assert!(text(&state, 140, 40).contains("PREPARED  for 20m"));
}

#[test]
fn a_dialog_blocks_clicks_behind_it() {
    let (_, metrics) =
        drawn(&rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming), 80, 24);
    let what: Vec<_> = metrics.targets.iter().map(|target| target.what).collect();
    assert_eq!(what, [Clickable::Cancel, Clickable::Confirm]);
}

#[test]
fn unavailable_keys_are_dimmed_in_place() {
    let mut state = fleet();
    state.shared.theme = ThemeChoice::Dark;
    // The style of a key hint, if it is shown.
    let style = |state: &State, hint: &str| {
        let (buffer, _) = drawn(state, 100, 30);
        let row: String = (0..100).map(|x| buffer[(x, 29)].symbol()).collect();
        let at = row.find(hint).unwrap_or_else(|| panic!("{hint} in {row}"));
        let column = row.get(..at).unwrap().chars().count();
        buffer[(u16::try_from(column).unwrap(), 29)].style()
    };
    state.view.cursor = Some(id(&state, "shop-prod"));
    let (works, works_too) = (style(&state, "R complete…"), style(&state, "K kubeconfig"));
    state.view.cursor = Some(id(&state, "pay-prod"));
    assert_ne!(style(&state, "R complete…"), works);
    assert_eq!(style(&state, "K kubeconfig"), works_too);
    state.shared.settings.read_only = true;
    assert_ne!(style(&state, "R complete…"), works);
    assert_ne!(style(&state, "K kubeconfig"), works_too);
}

#[test]
fn columns_follow_the_width_and_the_choice() {
    let mut state = fleet();
    for column in COLUMNS.iter().filter(|column| column.from == 0 && column.id == "name") {
        assert!(text(&state, 40, 12).contains(column.title));
    }
    assert!(text(&state, 250, 50).contains("NEXT STEP"));
    state.view.columns = vec!["phase".into(), "version".into()];
    let drawn = text(&state, 250, 50);
    assert!(drawn.contains("K8S") && !drawn.contains("NEXT STEP"));
}

/// Every screen and dialog once.
fn every_screen() -> Vec<State> {
    let mut help = fleet();
    help.help = Some(Help { context: KeyContext::Cluster, scroll: 3 });
    let mut error = fleet();
    error.notices.errors.push_back(refusal());
    let mut log = fleet();
    log.screen = Screen::Activity(Box::new(Screen::Fleet));
    let mut trouble = fleet();
    failing(&mut trouble);
    let mut sort = fleet();
    sort.menu = Some(Menu::new(MenuItems::Sort, 2));
    let mut scope = selecting(SelectedProjects::All, Some("eu02"));
    commands::run(&mut scope, &mut Outbox::default(), Command::Scope);
    let mut quit = fleet();
    quit.session.quit_dialog = Some(QuitDialog {
        confirmation: Confirmation { confirms: true, guard: guard() },
        why: "something is being sent".into(),
        then: "",
    });
    let mut typed =
        rotating("legacy-7", Step::Start, RotationDialogStage::Changed("it moved".into()));
    if let Some(dialog) = &mut typed.rotation.dialog {
        dialog.wants_name = true;
        dialog.focus = Focus::Confirm;
        dialog.typed_note = Some("not the name\u{1b}[31m".into());
        dialog.scroll = 900;
    }
    vec![
        empty(),
        fleet(),
        many(40),
        help,
        error,
        log,
        trouble,
        sort,
        scope,
        quit,
        typed,
        opened("pay-prod", Tab::Overview),
        opened("pay-prod", Tab::Rotation),
        opened("shop-prod", Tab::Activity),
        rolls::rolling(12),
        rolls::stalled(),
        rolls::done(),
        rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming),
        rotating("web-stage", Step::Start, RotationDialogStage::Failed(refusal())),
        issuing(form("shop-prod")),
        issuing(form("legacy-7")),
    ]
}

#[test]
fn host_01_no_control_character_reaches_the_screen() {
    for state in every_screen() {
        let (buffer, _) = drawn(&state, 100, 30);
        assert!(buffer.content.iter().all(|cell| !cell.symbol().chars().any(char::is_control)));
    }
}

proptest! {
    #![proptest_config(crate::property_cases(96))]

    #[test]
    fn tty_03_no_size_breaks_the_drawing(
        columns in 1_u16..=60,
        rows in 1_u16..=20,
        which in 0_usize..21,
        theme in 0_usize..5,
    ) {
        let mut screens = every_screen();
        let mut state = screens.swap_remove(which);
        state.shared.theme = ThemeChoice::ALL[theme];
        let (_, metrics) = drawn(&state, columns, rows);
        for target in metrics.targets {
            let Rect { x, y, width, height } = target.area;
            prop_assert!(x + width <= columns && y + height <= rows, "{:?}", target);
        }
    }
}
