//! Menus, the form and the filter: keys in, screen out.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseEvent, MouseEventKind};

use crate::app::cluster::tabs::{TABS, Tab};
use crate::app::effect::{Effect, Request};
use crate::app::menus::state::{CopyItem, MenuItems};
use crate::app::message::{Answer, Message};
use crate::app::requests::RequestOwner;
use crate::app::rotation::dialog::{Focus, RotationDialogStage};
use crate::app::screen::Screen;
use crate::app::state::State;
use crate::app::update::{refresh_rows, update};
use crate::domain::cluster::{ClusterId, KubernetesVersion, ProjectId};
use crate::domain::credential::{Credentials, KubeconfigLocation, Reference, SignIn, Trust};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures;
use crate::domain::kubeconfig::{EntryOwner, Plan};
use crate::domain::record::{Outcome, Record};
use crate::domain::rotation::{Phase, Rotation, Step};
use crate::domain::secret::Secret;
use crate::ui::fixtures::{
    ago, asking, drawn, fleet, form, id, issuing, opened, renewing, rolls, rotating, text,
};

fn press(state: &mut State, code: KeyCode) -> Vec<Effect> {
    // Pressed at human speed: late enough after a dialog appeared.
    let mut now = state.shared.now;
    now.monotonic += std::time::Duration::from_secs(1);
    update(state, now, Message::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn write(state: &mut State, typed: &str) {
    for c in typed.chars() {
        press(state, KeyCode::Char(c));
    }
}

fn footer(state: &State, columns: u16) -> String {
    text(state, columns, 30).lines().last().unwrap_or_default().to_owned()
}

#[test]
fn commands_that_are_shown_are_about_the_cluster_that_is_shown() {
    let mut state = rolls::stalled();
    let pay = state.fleet.cluster(&id(&state, "pay-prod")).unwrap().clone();
    state.credentials.accesses = vec![fixtures::access(&pay, true, "~/.kube/own/pay.yaml")];
    state.inventory.files = Some(std::sync::Arc::from(fixtures::files_of(&state.credentials)));
    for tab in [Tab::Nodes, Tab::Rotation] {
        if let Screen::Cluster { tab: shown, .. } = &mut state.screen {
            *shown = tab;
        }
        let text = text(&state, 140, 40);
        // Wrapped in a narrow pane.
        assert!(text.contains("kubectl --kubeconfig ~/.kube/own/pay.yaml"), "{text}");
        assert!(text.contains("--context pay-prod -n payments"), "{text}");
    }
}

#[test]
fn cred_15_why_files_were_not_read_is_shown_with_what_tries_again() {
    let mut state = opened("shop-prod", Tab::Credentials);
    state.credentials.accesses.clear();
    state.inventory.files = None;
    let waiting = text(&state, 140, 40);
    assert!(waiting.contains("reading the kubeconfig files"), "{waiting}");
    state.inventory.not_read = Some("no answer within 10 s".to_owned());
    let failed = text(&state, 140, 40);
    assert!(!failed.contains("reading the kubeconfig files"), "{failed}");
    assert!(failed.contains("none found for this cluster among what could be read"), "{failed}");
    let why = "? the kubeconfig files were not read: no answer within 10 s (r tries again)";
    assert!(failed.contains(why), "{failed}");
}

#[test]
fn what_is_due_is_counted_and_filtered() {
    let mut state = fleet();
    let names = |state: &mut State| -> Vec<String> {
        refresh_rows(state);
        state.view.shown.iter().map(|id| id.name.to_string()).collect()
    };
    press(&mut state, KeyCode::Char('7'));
    let before = names(&mut state);
    assert!(before.contains(&"shop-prod".to_owned()), "it is prepared: {before:?}");
    assert!(!before.contains(&"web-stage".to_owned()), "{before:?}");
    assert_eq!(state.view.counts.due, before.len());
    // One of its kubeconfigs expires tomorrow.
    let web = state.fleet.cluster(&id(&state, "web-stage")).unwrap().clone();
    let server = "api.web-stage.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
    let mut client = fixtures::issuance(1, &[1], None).facts.client.unwrap();
    client.not_after = ago(-24 * 60);
    let sign_in = SignIn::Certificate(client);
    let file = fixtures::found_file("~/.kube/web", server, Trust::System, sign_in);
    let request = state.requests.begin(RequestOwner::Inventory);
    let found = Message::Answered(request, Ok(Answer::Inventory(vec![file])));
    let at = state.shared.now;
    update(&mut state, at, found);
    assert_eq!(web.id.region().as_str(), "eu01");
    let after = names(&mut state);
    assert_eq!((after.len(), after.contains(&"web-stage".to_owned())), (before.len() + 1, true));
    press(&mut state, KeyCode::Char('7'));
    assert!(state.view.filter.is_empty());
}

fn on_shop() -> State {
    let mut state = fleet();
    state.view.cursor = Some(id(&state, "shop-prod"));
    state
}

#[test]
fn what_is_pasted_while_the_help_lies_over_a_form_does_not_change_it() {
    let mut state = issuing(form("shop-prod"));
    press(&mut state, KeyCode::F(1));
    assert!(state.help.is_some());
    let at = state.shared.now;
    update(&mut state, at, Message::Pasted(Secret::new("99".to_owned())));
    press(&mut state, KeyCode::Esc);
    let form = state.kubeconfig.form.as_ref().unwrap();
    assert!(!form.touched && !form.lifetime.value().contains("99"), "{}", form.lifetime.value());
}

#[test]
fn what_is_pasted_replaces_a_search_that_is_selected() {
    let mut state = on_shop();
    press(&mut state, KeyCode::Char('?'));
    press(&mut state, KeyCode::Char('/'));
    write(&mut state, "rotate");
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('/'));
    let at = state.shared.now;
    update(&mut state, at, Message::Pasted(Secret::new("theme".to_owned())));
    assert_eq!(state.search.text, "theme");
}

#[test]
fn the_wheel_scrolls_what_a_renewal_changes() {
    let mut state = renewing("shop-prod");
    state.shared.mouse = true;
    state.shared.metrics = drawn(&state, 60, 12).1;
    assert!(state.shared.metrics.scroll_last > 1);
    let (kind, modifiers) = (MouseEventKind::ScrollDown, KeyModifiers::NONE);
    let at = state.shared.now;
    update(&mut state, at, Message::Mouse(MouseEvent { kind, column: 5, row: 5, modifiers }));
    assert_eq!(state.kubeconfig.renewal.as_ref().unwrap().scroll, 1);
}

#[test]
fn the_help_names_every_tab_under_its_number() {
    let mut state = on_shop();
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('?'));
    let shown = text(&state, 200, 60);
    let titles: Vec<&str> = TABS.iter().map(|(_, title)| *title).collect();
    assert!(shown.contains(&titles.join(", ")), "{shown}");
}

#[test]
fn an_unchanged_form_closes_without_a_question() {
    let mut state = issuing(form("shop-prod"));
    for code in [KeyCode::Right, KeyCode::Down, KeyCode::Tab, KeyCode::Up, KeyCode::Home] {
        // Moving to another preset would be a change; the other keys only navigate.
        if code != KeyCode::Right {
            press(&mut state, code);
        }
    }
    press(&mut state, KeyCode::Esc);
    assert!(!state.has_dialog(), "{}", text(&state, 80, 24));
    let mut state = issuing(form("shop-prod"));
    write(&mut state, "1");
    press(&mut state, KeyCode::Esc);
    assert!(text(&state, 80, 24).contains("The form has changes"));
}

#[test]
fn arrows_leave_a_text_field_for_its_neighbours() {
    use crate::app::kubeconfig::form::KubeconfigField;
    let mut state = issuing(form("shop-prod"));
    let focus = |state: &State| state.kubeconfig.form.as_ref().unwrap().focus;
    press(&mut state, KeyCode::Down);
    assert_eq!(focus(&state), KubeconfigField::Destination);
    press(&mut state, KeyCode::Tab);
    assert_eq!(focus(&state), KubeconfigField::Context);
    press(&mut state, KeyCode::Down);
    assert_eq!(focus(&state), KubeconfigField::MakeCurrent);
    press(&mut state, KeyCode::Up);
    press(&mut state, KeyCode::Up);
    assert_eq!(focus(&state), KubeconfigField::Destination);
}

#[test]
fn a_time_is_shown_once_where_the_zone_equals_utc() {
    let mut state = issuing(form("shop-prod"));
    let zone = jiff::tz::TimeZone::posix("GMT0").unwrap();
    state.shared.settings.local_zone = crate::domain::age::DisplayZone::new(zone);
    let drawn = text(&state, 80, 24);
    assert!(drawn.contains("22:02 +00:00") && !drawn.contains("UTC)"), "{drawn}");
}

#[test]
fn space_selects_in_every_menu_without_text_input() {
    let mut state = on_shop();
    write(&mut state, "s");
    press(&mut state, KeyCode::Down);
    let before = state.view.sort;
    press(&mut state, KeyCode::Char(' '));
    assert!(!state.has_dialog());
    assert_ne!(state.view.sort, before);
    write(&mut state, "y");
    let effects = press(&mut state, KeyCode::Char(' '));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Request(_, Request::CopyText(_))))
    );
    write(&mut state, ":re ");
    let Some(menu) = &state.menu else { panic!("the palette is closed") };
    assert_eq!(menu.query.value(), "re ");
}

#[test]
fn the_footer_of_a_menu_describes_its_keys() {
    for (key, said, unsaid) in [
        ("s", vec!["⏎ select", "esc cancel"], vec!["open"]),
        ("c", vec!["space toggle", "esc close"], vec!["open", "select"]),
        ("y", vec!["⏎ copy"], vec!["open"]),
        (":", vec!["⏎ run"], vec!["open", "space"]),
    ] {
        let mut state = on_shop();
        write(&mut state, key);
        let line = footer(&state, 100);
        assert!(said.iter().all(|words| line.contains(words)), "{key}: {line}");
        assert!(unsaid.iter().all(|words| !line.contains(words)), "{key}: {line}");
    }
}

#[test]
fn the_palette_lists_actions_without_navigation() {
    let mut state = on_shop();
    write(&mut state, ":");
    let drawn = text(&state, 140, 60);
    assert!(drawn.contains("rotate") && drawn.contains("mark-all"), "{drawn}");
    for id in ["page-up", "number-", "interrupt", "one level back", "to the last"] {
        assert!(!drawn.contains(id), "{id} in\n{drawn}");
    }
}

#[test]
fn the_line_under_the_cursor_is_shown_in_full() {
    let squeeze = |text: &str| text.replace(['\n', ' '], "");
    let inside = |drawn: &str| {
        drawn.lines().filter_map(|line| line.split('┃').nth(1)).collect::<Vec<_>>().join("\n")
    };
    for columns in [60, 80, 140] {
        let mut state = on_shop();
        write(&mut state, "y");
        loop {
            let Some(menu) = &state.menu else { panic!("closed") };
            let MenuItems::Copy(items) = &menu.items else { panic!("other") };
            let CopyItem { label: words, text: value } = items.get(menu.cursor).cloned().unwrap();
            let last = menu.cursor + 1 == items.len();
            let drawn = text(&state, columns, 30);
            assert!(drawn.contains(&words), "{words} at {columns}\n{drawn}");
            assert!(
                squeeze(&inside(&drawn)).contains(&squeeze(&value)),
                "{value} at {columns}\n{drawn}"
            );
            if last {
                break;
            }
            press(&mut state, KeyCode::Down);
        }
    }
}

#[test]
fn the_columns_menu_marks_columns_that_are_hidden_here() {
    let mut state = on_shop();
    write(&mut state, "c");
    let line = |state: &State, title: &str, columns: u16| {
        let drawn = text(state, columns, 40);
        let found = drawn.lines().find(|line| line.contains(&format!("] {title} ")));
        found.unwrap_or_else(|| panic!("{title} in\n{drawn}")).to_owned()
    };
    assert!(line(&state, "phase", 140).contains("shown"));
    assert!(line(&state, "state", 140).contains("no room beside the preview"));
    assert!(line(&state, "k8s", 100).contains("no room on this screen"));
    assert!(text(&state, 140, 40).contains("p hides the preview"));
    write(&mut state, "p");
    assert!(line(&state, "state", 140).contains("shown"));
    assert!(!text(&state, 140, 40).contains("hides the preview"));
}

#[test]
fn an_invalid_filter_term_is_reported() {
    for (typed, said) in [
        ("phase:foo", "foo is not a phase: never, preparing, prepared, completing, completed"),
        ("state:foo", "foo is not a state: healthy,"),
        ("age:>9x", "9x is not a duration: 90d, >12h, <2w"),
        ("age:<", "age needs a duration: 90d, >12h, <2w"),
        ("foo:bar", "unknown filter foo: phase, project, region, state, age"),
    ] {
        let mut state = on_shop();
        write(&mut state, "/");
        write(&mut state, typed);
        let flat = |state: &State| {
            let drawn = text(state, 140, 30).replace(['│', '\n'], " ");
            drawn.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert!(flat(&state).contains(said), "{said} in\n{}", text(&state, 140, 30));
        press(&mut state, KeyCode::Enter);
        assert!(flat(&state).contains(said), "{said} in\n{}", text(&state, 140, 30));
    }
    let mut state = on_shop();
    // A known phase is valid even if no cluster has it.
    write(&mut state, "/phase:pre");
    assert!(!text(&state, 140, 30).contains("is no phase"));
}

#[test]
fn cluster_actions_are_unavailable_without_a_row() {
    let mut state = on_shop();
    write(&mut state, "/nosuchname");
    press(&mut state, KeyCode::Enter);
    let line = footer(&state, 140);
    assert!(!line.contains("kubeconfig") && !line.contains("rotate"), "{line}");
    assert!(line.contains("filter") && !line.contains("mark"), "{line}");
}

#[test]
fn clearing_the_clipboard_is_reported() {
    let mut state = issuing(form("shop-prod"));
    for way in ["tmux buffer and terminal", "terminal (OSC 52)", "this machine's clipboard"] {
        state.shared.settings.clipboard_route = way.to_owned();
        for columns in [80, 140] {
            let drawn = text(&state, columns, 40);
            assert!(drawn.contains(&format!("{way}, cleared after 45s")), "{drawn}");
        }
    }
}

/// Answers the form's plan request, as if the destination had been checked.
fn planned(state: &mut State, plan: Plan) {
    let Some(form) = &state.kubeconfig.form else { panic!("the form is closed") };
    let (request, now) = (form.plan_request, state.shared.now);
    update(state, now, Message::Answered(request, Ok(Answer::Plan(Box::new(plan)))));
}

fn taken(owner: EntryOwner) -> Plan {
    let names = ["shop-prod", "shop-prod-eu01"].map(str::to_owned);
    Plan {
        path: "~/.kube/config".to_owned(),
        exists: true,
        taken: vec!["context shop-prod".to_owned()],
        owner,
        names: names.into_iter().collect(),
        ..Plan::default()
    }
}

fn flat(state: &State) -> String {
    let drawn = text(state, 80, 30);
    let inside = drawn.lines().filter_map(|line| line.split('┃').nth(1));
    inside.collect::<Vec<_>>().join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn context_and_path(state: &State) -> (String, String) {
    let form = state.kubeconfig.form.as_ref().unwrap();
    (form.context.value().to_owned(), form.path.value().to_owned())
}

#[test]
fn entries_of_another_cluster_are_distinguished() {
    for (whose, said) in [
        (EntryOwner::Unknown, "Already exists: context"),
        (
            EntryOwner::Alike("shop-prod in eu01".into()),
            "Already exists, for shop-prod in eu01: context",
        ),
        (EntryOwner::This, "Already exists, for this cluster: context"),
        (
            EntryOwner::Another("shop-prod in eu02".into()),
            "Already exists, for another cluster (shop-prod in eu02): context",
        ),
    ] {
        let mut state = on_shop();
        state.credentials.accesses.clear();
        write(&mut state, "K");
        planned(&mut state, taken(whose));
        assert!(
            flat(&state).contains(&said.replace("Already", "already")),
            "{said} in\n{}",
            flat(&state)
        );
        press(&mut state, KeyCode::BackTab);
        press(&mut state, KeyCode::BackTab);
        press(&mut state, KeyCode::Enter);
        assert!(flat(&state).contains(said), "{said} in\n{}", flat(&state));
        // The name with the region is taken as well.
        assert!(flat(&state).contains("Another name: shop-prod-eu01-shop."), "{}", flat(&state));
        press(&mut state, KeyCode::Tab);
        press(&mut state, KeyCode::Enter);
        assert_eq!(context_and_path(&state).0, "shop-prod-eu01-shop");
    }
}

#[test]
fn entries_that_skeys_saved_are_recognised() {
    for (name, said) in
        [("shop-prod", "for this cluster"), ("night", "for another cluster (night in")]
    {
        let mut state = on_shop();
        let subject = state.fleet.cluster(&id(&state, name)).unwrap();
        let mut access = fixtures::access(subject, true, "");
        access.location = KubeconfigLocation::File {
            path: "~/.kube/config".to_owned(),
            context: "shop-prod".to_owned(),
            whole: false,
        };
        state.credentials.accesses = vec![access];
        write(&mut state, "K");
        planned(&mut state, taken(EntryOwner::Unknown));
        assert!(flat(&state).contains(said), "{said} in\n{}", flat(&state));
    }
}

#[test]
fn cred_03_a_static_token_is_not_the_access_to_get_before_a_start() {
    let mut state = opened("shop-prod", Tab::Rotation);
    let id = state.screen.cluster().unwrap().clone();
    let cluster = &mut state.fleet.entries.get_mut(&id).unwrap().cluster;
    cluster.version = KubernetesVersion::new("1.26.4");
    cluster.rotation = Rotation { phase: Phase::Never, initiated: None, completed: None };
    let mut issuance = fixtures::issuance(1, &[1], Some(cluster.rotation.clone()));
    issuance.facts.server = "api.example".into();
    // No kubeconfig from after a start is known.
    state.credentials = Credentials::default();
    state.credentials.note(Reference { cluster: id, created: cluster.created, issuance });
    let file = fixtures::found_file("a", "api.example", Trust::Anything, SignIn::StaticToken);
    state.inventory.files = Some(std::sync::Arc::from(vec![file]));
    let text = text(&state, 140, 40);
    assert!(text.contains("○ 1 get access"), "{text}");
    assert!(text.contains("yours stops working on start"), "{text}");
}

#[test]
fn api_20_the_start_of_a_completed_rotation_is_not_that_of_the_open_one() {
    let mut state = opened("shop-prod", Tab::Rotation);
    let id = state.screen.cluster().unwrap().clone();
    let rotation = &mut state.fleet.entries.get_mut(&id).unwrap().cluster.rotation;
    rotation.completed = rotation.initiated.map(|at| at + jiff::SignedDuration::from_secs(1));
    press(&mut state, KeyCode::Char('R'));
    let text = flat(&state);
    assert!(text.contains("every kubeconfig and token issued before the start stop"), "{text}");
}

#[test]
fn suggested_names_distinguish_clusters_of_one_name() {
    let mut state = on_shop();
    let mine = id(&state, "shop-prod");
    let add = |state: &mut State, project: &str, region: &str| {
        let mut entry = state.fleet.entries.get(&mine).unwrap().clone();
        entry.cluster.id = ClusterId::new(project, region, "shop-prod");
        state.fleet.put(entry);
        write(state, "K");
        let names = context_and_path(state);
        press(state, KeyCode::Esc);
        names
    };
    let (context, path) = add(&mut state, mine.project().as_str(), "eu02");
    assert_eq!(context, "shop-prod-eu01");
    assert_eq!(path, "~/.kube/ske/shop-prod-eu01.yaml");
    assert_eq!(add(&mut state, "another", "eu01").0, "shop-prod-eu01-shop");
    state.fleet.projects.insert(ProjectId::new("another"), "Shop".to_owned());
    assert_eq!(add(&mut state, "another", "eu01").0, "shop-prod-eu01-5f1c3d9a");
}

#[test]
fn the_first_context_of_a_new_file_always_becomes_current() {
    let mut state = on_shop();
    write(&mut state, "K");
    planned(&mut state, Plan { path: "~/.kube/config".into(), blank: true, ..Plan::default() });
    assert!(flat(&state).contains("[x] becomes the current context"), "{}", flat(&state));
    for code in [KeyCode::Tab, KeyCode::Tab, KeyCode::Tab, KeyCode::Char(' ')] {
        press(&mut state, code);
    }
    assert!(flat(&state).contains("[x] becomes the current context"), "{}", flat(&state));
}

#[test]
fn a_context_that_is_current_already_is_told() {
    let mut state = on_shop();
    write(&mut state, "K");
    let plan = |current: &str| Plan {
        path: "~/.kube/config".into(),
        current: Some(current.to_owned()),
        ..Plan::default()
    };
    planned(&mut state, plan("another"));
    assert!(flat(&state).contains("[ ] make it the current context"), "{}", flat(&state));
    press(&mut state, KeyCode::Esc);
    write(&mut state, "K");
    planned(&mut state, plan("shop-prod"));
    let told = "[x] current, as current-context already names it";
    assert!(flat(&state).contains(told), "{}", flat(&state));
    for code in [KeyCode::Tab, KeyCode::Tab, KeyCode::Tab, KeyCode::Char(' ')] {
        press(&mut state, code);
    }
    assert!(flat(&state).contains(told), "{}", flat(&state));
}

#[test]
fn cred_09_what_is_lost_if_the_entries_are_of_another_cluster_is_told_before_issuing() {
    let mut state = on_shop();
    state.credentials.accesses.clear();
    write(&mut state, "K");
    let plan = |owner| Plan {
        path: "~/.kube/config".into(),
        exists: true,
        taken: vec!["cluster shop-prod".into(), "context shop-prod".into()],
        dropped: vec!["token of user shop-prod".into()],
        dropped_from_another: vec![
            "namespace of context shop-prod".into(),
            "token of user shop-prod".into(),
        ],
        owner,
        ..Plan::default()
    };
    planned(&mut state, plan(EntryOwner::At("k.example.com".into())));
    let shown = flat(&state);
    assert!(shown.contains("! not kept: token of user shop-prod"), "{shown}");
    let more =
        "! not kept if the entries belong to another cluster: namespace of context shop-prod";
    assert!(shown.contains(more), "{shown}");
    press(&mut state, KeyCode::Esc);
    write(&mut state, "K");
    planned(&mut state, plan(EntryOwner::Another("k.example.com".into())));
    let shown = flat(&state);
    let lost = "! not kept: namespace of context shop-prod, token of user shop-prod";
    assert!(shown.contains(lost), "{shown}");
}

#[test]
fn an_open_record_stays_when_new_ones_arrive() {
    let mut state = fleet();
    let record = |text: &str| Record {
        at: state.shared.now.wall,
        who: String::new(),
        cluster: None,
        action: "phase".into(),
        request: None,
        outcome: Outcome::Observed,
        text: text.to_owned(),
        expires: None,
        trace: None,
        findings: Vec::new(),
        rotation_started: None,
    };
    let (read, late) = (record("the one that is read"), record("the late one"));
    state.activity.records.push_back(read);
    write(&mut state, "A");
    press(&mut state, KeyCode::Enter);
    state.activity.records.push_back(late);
    let drawn = text(&state, 80, 24);
    assert!(drawn.contains("the one that is read") && !drawn.contains("the late one"), "{drawn}");
}

#[test]
fn a_requested_kubeconfig_is_kept_if_the_cluster_is_missing() {
    use crate::app::kubeconfig::form::KubeconfigFormStage;
    let mut state = asking(form("shop-prod"), 1);
    let id = id(&state, "shop-prod");
    let missed = Failure::new(FailureKind::NotFound, "HTTP 404");
    let now = state.shared.now;
    let request = state.requests.begin(RequestOwner::Cluster(id));
    update(&mut state, now, Message::Answered(request, Err(missed)));
    let Some(form) = &state.kubeconfig.form else { panic!("the form is closed") };
    assert!(matches!(form.stage, KubeconfigFormStage::Issuing(_)), "{:?}", form.stage);
}

#[test]
fn space_accepts_what_breaks_and_is_no_part_of_the_name() {
    let mut state = rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming);
    let dialog = |state: &State| state.rotation.dialog.clone().unwrap();
    write(&mut state, "rod");
    press(&mut state, KeyCode::Tab);
    assert_eq!(dialog(&state).focus, Focus::Accept, "{:?}", dialog(&state).findings);
    press(&mut state, KeyCode::Char(' '));
    assert!(dialog(&state).is_accepted());
    assert_eq!(dialog(&state).typed.value(), "shop-prod");
}

#[test]
fn tty_08_no_row_of_enters_leads_over_what_breaks_to_the_button() {
    let mut state = rotating("shop-prod", Step::Complete, RotationDialogStage::Confirming);
    write(&mut state, "rod");
    for _ in 0..7 {
        press(&mut state, KeyCode::Enter);
        let dialog = state.rotation.dialog.as_deref().unwrap();
        assert_eq!(dialog.focus, Focus::Accept);
        assert!(matches!(dialog.stage, RotationDialogStage::Confirming));
    }
}
