//! What the screens offer: filter, next step, form, and key navigation.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::simulated_cluster::observing;
use crate::support::{Journey, Setting};

const PROJECT: &str = "regions = [\"eu01\", \"eu02\"]\n[[projects]]\n\
    id = \"5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21\"\nname = \"shop\"\n";

/// Clusters of one project, each from the lines of its table.
fn scene(clusters: &[&str]) -> String {
    let tables = clusters.iter().map(|lines| format!("[[projects.clusters]]\n{lines}\n"));
    tables.fold(PROJECT.to_owned(), |scene, table| scene + &table)
}

async fn begin(clusters: &[&str]) -> Journey {
    Journey::with(Setting { scene: scene(clusters), ..Setting::default() }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_a_filter_is_typed_the_cursor_is_on_the_best_match() {
    let mut journey = begin(&[
        "name = \"iamedia\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"",
        "name = \"media-enc\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"",
        "name = \"iam\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"",
    ])
    .await;
    // The row under the cursor still matches, but another cluster matches better.
    journey.press("/media-enc<enter>/iamedia<backspace><backspace><backspace><backspace>").await;
    journey.shows("2 of 3");
    journey.press("<enter>K").await;
    journey.shows("━ iam · shop · eu01");
    journey.press("<esc>").await;
    // The old text is selected: typing replaces it, and Esc restores it and the cursor.
    journey.press("/med<esc>").await;
    journey.shows("2 of 3");
    journey.press("/med<enter>K").await;
    journey.shows("━ media-enc · shop · eu01");
    journey.press("<esc>/!iam<enter>").await;
    journey.shows("1 of 3");
    journey.press("/mdc<enter>").await;
    journey.shows("1 of 3");
    journey.press("/~ia<enter>").await;
    journey.hides("1 of 3");
    // Cursor keys keep the selected text and move in it.
    journey.press("/med<enter>/<home>ia<right><delete>").await;
    journey.shows("/ iam▏d");
    journey.press("<esc>/<end><left>xx<backspace>").await;
    journey.shows("/ mex▏d");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn esc_clears_the_filter_before_the_message() {
    let mut journey =
        begin(&["name = \"alpha\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\""]).await;
    journey.press("/nothing<enter>w<esc>").await;
    journey.hides("Nothing matches");
    journey.shows("Watch: no cluster selected");
}

const RESTING: &str = "name = \"alpha\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn next_is_said_once_and_fits_the_state() {
    let mut journey = begin(&[
        "name = \"young\"\nphase = \"NEVER\"\nage = \"30d\"",
        "name = \"ancient\"\nphase = \"NEVER\"\nage = \"400d\"",
        "name = \"sick\"\nphase = \"NEVER\"\nage = \"400d\"\nstate = \"STATE_UNHEALTHY\"",
    ])
    .await;
    journey.press("/young<enter><enter>2").await;
    journey.says("next: nothing to do; the credentials are 30d old");
    journey.shows("never rotated");
    journey.hides("due: never rotated");
    journey.press("<esc>/ancient<enter><enter>2").await;
    journey.shows("due: never rotated");
    journey.says("next: start a rotation; the credentials are 400d old");
    journey.press("<esc>/sick<enter><enter>2").await;
    journey.says("next: the cluster is unhealthy: check its nodes, then reconcile it");
    journey.shows("3  show the nodes");
    journey.shows("C  reconcile the cluster");
    journey.hides("start the rotation");
    journey.hides("R start…");
    journey.shows("C reconcile ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kubeconfig_that_breaks_comes_before_complete_and_the_steps_never_go_back() {
    let mut journey = begin(&[RESTING]).await;
    journey.press("K<ctrl-o>").await;
    journey.says("Kubeconfig of alpha →");
    journey.press("R<tab><enter>").await;
    journey.until("SKE shows preparing.", 30).await;
    journey.press("<enter><enter>").await;
    journey.until_slowly("◑ PREPARED", 20, 400).await;
    journey.says("renew 1 kubeconfig that would stop working");
    for step in ["✓ 1 get access", "✓ 2 start", "● 3 update clients", "○ 4 complete"] {
        journey.shows(step);
    }
    let screen = journey.screen();
    let place = |text: &str| screen.find(text).unwrap_or_else(|| panic!("no {text}\n{screen}"));
    assert!(place("4  show what stops") < place("R  complete the rotation"), "{screen}");
    assert!(place(" K kubeconfig") < place(" R complete…"), "{screen}");
    journey.press("K<ctrl-o><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha →");
    journey.hides("would stop working");
    journey.says("next: update clients, then complete");
    journey.press("Ralpha<tab><space><tab><tab><enter>").await;
    journey.until_slowly("● completed", 10, 400).await;
    journey.press("<enter>").await;
    for step in ["✓ 1 get access", "✓ 2 start", "✓ 3 update clients", "✓ 4 complete"] {
        journey.shows(step);
    }
    journey.says("next: nothing to do");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn enter_walks_through_the_form_to_the_button_that_issues() {
    let mut journey = begin(&[RESTING]).await;
    journey.press("K").await;
    journey.hold(&"<enter>".repeat(9)).await;
    journey.shows("⏎ issue");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "Enter is held down");
    journey.press("<esc>K").await;
    for (hint, other) in [
        ("⏎ next field", "→ change"),
        ("⏎ next field", "→ change"),
        ("⏎ next field", "ctrl-o issue"),
        ("⏎ to Issue", "ctrl-o issue"),
    ] {
        journey.shows(hint);
        journey.shows(other);
        journey.press("<enter>").await;
    }
    journey.shows("⏎ issue");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0);
    journey.press("<enter>").await;
    journey.says("Kubeconfig of alpha →");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_tokens_are_a_warning_only_where_there_can_be_some() {
    let mut journey = begin(&[
        "name = \"nova\"\nphase = \"NEVER\"\nage = \"30d\"",
        "name = \"legacy\"\nphase = \"NEVER\"\nversion = \"1.26.15\"\nage = \"800d\"",
    ])
    .await;
    journey.press("/nova<enter>R").await;
    journey.says("Static tokens, if any, stop working now (none found on this machine).");
    journey.hides("Kubeconfigs with a static token");
    journey.press("<esc>/legacy<enter>R").await;
    journey.says("Kubeconfigs with a static token stop working now: version 1.26.15");
}

#[tokio::test]
async fn esc_leads_from_one_node_back_to_all_of_them() {
    let cluster = "[[projects.clusters]]\nname = \"farm\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\nprogress = 0.3\npools = [{ name = \"web\", nodes = 9 }]\n";
    let setting = Setting { size: (132, 40), ..observing(ObservationScope::Running, cluster) };
    let mut journey = Journey::with(setting).await;
    journey.press("<enter>3").await;
    journey.until_holds("a roll", (5, 60), |journey| journey.left().is_some()).await;
    journey.shows("e details");
    journey.press("e").await;
    journey.shows("e all nodes");
    journey.press("<esc>").await;
    journey.shows("3 NODES");
    journey.shows("e details");
    for zone in ["z2", "z3", "z1"] {
        journey.press(&format!("/{zone}<enter>")).await;
        journey.shows(&format!("╭─ web-{zone}-"));
        journey.press("n").await;
        journey.shows(&format!("╭─ web-{zone}-"));
    }
    journey.press("<esc>").await;
    journey.shows("3 NODES");
    journey.press("<esc>").await;
    journey.shows("skeys  FLEET   ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clusters_of_one_name_are_told_apart_at_every_width() {
    let twins = ["eu01", "eu02"].map(|region| format!("name = \"twin\"\nregion = \"{region}\"\n"));
    let setting = Setting {
        scene: scene(&twins.each_ref().map(String::as_str)),
        ..Setting::default().set("SKEYS_REGIONS", "eu01,eu02")
    };
    let mut journey = Journey::with(setting).await;
    for (columns, rows) in [(140, 40), (80, 24), (62, 20), (50, 15), (40, 12), (34, 10)] {
        journey.resize(columns, rows);
        journey.event(Event::Resize(columns, rows)).await;
        for region in ["eu01", "eu02"] {
            journey.shows(&format!(
                "twin{}",
                if columns < 76 { format!("·{region}") } else { String::new() }
            ));
            journey.shows(region);
        }
        journey.press("K").await;
        journey.shows("twin");
        let regions = ["eu01", "eu02"].map(|region| {
            journey
                .screen()
                .lines()
                .any(|line| line.contains("New kubeconfig") && line.contains(region))
        });
        assert_ne!(regions[0], regions[1], "{}", journey.screen());
        journey.press("<esc>").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_counted_before_the_first_reading_and_overdue_is_seen_at_every_width() {
    let mut journey = Journey::with(Setting {
        scene: scene(&[
            "name = \"fresh\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"",
            "name = \"old\"\ninitiated_ago = \"409d\"\ncompleted_ago = \"408d\"",
        ]),
        faults: vec![Fault::new(
            "GET",
            "/clusters",
            Some(1),
            FaultEffect::Delay { milliseconds: 5_000 },
        )],
        ..Setting::default()
    })
    .await;
    journey.shows(" – clusters  1 ● – completed");
    journey.hides("0 clusters");
    journey.until("2 clusters  1 ● 2 completed", 10).await;
    for (columns, rows) in [(140, 40), (80, 24), (50, 15), (40, 12)] {
        journey.resize(columns, rows);
        journey.event(Event::Resize(columns, rows)).await;
        let screen = journey.screen();
        let overdue = |name: &str| {
            screen
                .lines()
                .any(|line| line.contains(&format!("● {name}")) && line.contains("overdue"))
        };
        assert!(overdue("old") && !overdue("fresh"), "{screen}");
    }
}

/// Enter moves to the action button, and skips no other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_job_takes_few_keys() {
    let mut journey = begin(&[RESTING]).await;
    let start = journey.press("R<tab><enter>").await;
    journey.until("SKE shows preparing.", 30).await;
    let close = journey.press("<enter>").await;
    journey.until_slowly("◑ PREPARED", 20, 400).await;
    let kubeconfig = journey.press("K<ctrl-o>").await;
    journey.until("context alpha", 30).await;
    journey.shows("you have a kubeconfig issued after the start");
    // Space accepts that nothing was checked in the cluster, which is not observed.
    let complete = journey.press("Ralpha<enter><space><tab><tab><enter>").await;
    journey.until_slowly("● completed", 10, 200).await;
    assert_eq!((start, close, kubeconfig, complete), (3, 1, 2, 1 + "alpha".len() + 5));
}

/// Cursor position and number of rows, from the footer.
fn row(journey: &Journey) -> (usize, usize) {
    let screen = journey.screen();
    let last = screen.lines().last().unwrap().split_whitespace().last().unwrap().to_owned();
    let (at, all) = last.split_once('/').unwrap_or_else(|| panic!("no place\n{screen}"));
    (at.parse().unwrap(), all.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_move_by_pages_and_half_pages_and_sort_by_the_letter_of_a_column() {
    let clusters: Vec<String> = (1..=40)
        .map(|n| format!("name = \"c-{n}\"\ninitiated_ago = \"{n}d\"\ncompleted_ago = \"{n}d\""))
        .collect();
    let clusters: Vec<&str> = clusters.iter().map(String::as_str).collect();
    let mut journey = begin(&clusters).await;
    journey.press("<ctrl-f>").await;
    let (page, _) = row(&journey);
    journey.press("<ctrl-b><ctrl-d>").await;
    let (half, _) = row(&journey);
    assert!(half > 1 && page > half, "{page} {half}");
    journey.press("<ctrl-u>").await;
    assert_eq!(row(&journey), (1, 40));
    let first = |journey: &Journey| {
        let screen = journey.screen();
        let line = screen.lines().find(|line| line.contains("● c-")).unwrap().to_owned();
        line.split_whitespace().find(|word| word.starts_with("c-")).unwrap().to_owned()
    };
    for (keys, expected) in [("sn", "c-1"), ("sn", "c-40"), ("ss", "c-40"), ("sn", "c-1")] {
        journey.press(keys).await;
        journey.press("g").await;
        assert_eq!(first(&journey), expected, "{keys}\n{}", journey.screen());
    }
    journey.press("s<ctrl-f><esc>").await;
    assert_eq!(first(&journey), "c-1", "that moves in the menu");
    // Right opens; in the activity view left goes back.
    journey.press("l").await;
    journey.shows("1 OVERVIEW");
    journey.press("5").await;
    journey.shows("5 CHECKLIST");
    journey.press("<esc>wAl").await;
    journey.shows("FLEET › ACTIVITY");
    journey.press("hh").await;
    journey.shows("skeys  FLEET   ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_palette_takes_scopes_and_names_of_clusters() {
    let mut journey =
        begin(&[RESTING, "name = \"bravo\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\""]).await;
    journey.press(":phase prep<enter>").await;
    journey.shows("1 of 2 clusters  phase:prepared");
    journey.press(":project shop<enter>").await;
    journey.shows("clusters  project:shop");
    journey.press(":stuck<enter>").await;
    journey.shows("Nothing matches stuck");
    journey.press(":alpha<enter>").await;
    journey.shows("FLEET › shop › alpha");
    journey.press(":bravo<enter>").await;
    journey.shows("FLEET › shop › bravo");
    journey.press("<esc>").await;
    journey.hides("Nothing matches");
    journey.press(":refr<enter>").await;
    journey.shows("skeys  FLEET   ");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn help_and_activity_are_searched() {
    let mut journey = begin(&[RESTING]).await;
    journey.press("?").await;
    journey.shows("mark or unmark");
    journey.press("/HIBER<enter>").await;
    journey.shows("wake up a hibernated cluster");
    journey.hides("mark or unmark");
    journey.press("<esc>").await;
    journey.shows("mark or unmark");
    journey.press("<esc>K<ctrl-o>").await;
    journey.says("Kubeconfig of alpha →");
    journey.press("R<tab><enter>").await;
    journey.until("SKE shows preparing.", 30).await;
    journey.press("<enter>A/kubeconfig").await;
    let cursor = |journey: &Journey| {
        let screen = journey.screen();
        screen.lines().find(|line| line.contains('▌')).unwrap().to_owned()
    };
    journey.shows("2 matches");
    let first = cursor(&journey);
    journey.press("<enter>n").await;
    let second = cursor(&journey);
    assert_ne!(first, second);
    journey.press("n").await;
    assert_eq!(cursor(&journey), first);
    journey.press("N").await;
    assert_eq!(cursor(&journey), second);
    journey.press("<esc>").await;
    journey.shows("FLEET › ACTIVITY");
    journey.press("/nowhere<enter>n").await;
    journey.shows("No match: nowhere");
}

/// Where a text starts on the screen: column and row.
fn place(journey: &Journey, text: &str) -> (u16, u16) {
    let screen = journey.screen();
    let found = screen.lines().zip(0..).find_map(|(line, row)| {
        let at = line.find(text)?;
        Some((u16::try_from(line[..at].chars().count()).unwrap(), row))
    });
    found.unwrap_or_else(|| panic!("no {text}\n{screen}"))
}

async fn click(journey: &mut Journey, text: &str) {
    let (column, row) = place(journey, text);
    mouse(journey, MouseEventKind::Down(MouseButton::Left), column, row).await;
}

async fn mouse(journey: &mut Journey, kind: MouseEventKind, column: u16, row: u16) {
    // Longer than the guard time of a dialog.
    journey.clock.turn(std::time::Duration::from_millis(500));
    let modifiers = KeyModifiers::NONE;
    journey.event(Event::Mouse(MouseEvent { kind, column, row, modifiers })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_mouse_scrolls_sorts_opens_and_presses_but_starts_no_rotation() {
    let mut journey = begin(&[
        RESTING,
        "name = \"bravo\"\ninitiated_ago = \"50d\"\ncompleted_ago = \"49d\"",
        "name = \"carol\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"",
    ])
    .await;
    journey.press("%").await;
    let first = |journey: &Journey| {
        ["alpha", "bravo", "carol"]
            .map(|name| (place(journey, &format!("{name}  ")).1, name))
            .into_iter()
            .min()
            .unwrap()
            .1
    };
    assert_eq!(first(&journey), "carol");
    click(&mut journey, "NAME").await;
    assert_eq!(first(&journey), "alpha");
    click(&mut journey, "NAME").await;
    assert_eq!(first(&journey), "carol");
    mouse(&mut journey, MouseEventKind::ScrollDown, 20, 6).await;
    journey.shows("╭─ bravo ─");
    click(&mut journey, "3 ◑ 1 PREPARED").await;
    journey.shows("1 of 3 clusters  phase:prepared");
    click(&mut journey, "3 ◑ 1 PREPARED").await;
    // A click selects, a second one opens.
    click(&mut journey, "● alpha").await;
    journey.shows("╭─ alpha ─");
    click(&mut journey, "● alpha").await;
    journey.shows("1 OVERVIEW");
    click(&mut journey, "4 credentials").await;
    journey.shows("4 CREDENTIALS");
    journey.press("<esc>s").await;
    click(&mut journey, "project").await;
    click(&mut journey, " c  credential age").await;
    click(&mut journey, " c  credential age").await;
    journey.shows("credential age");
    journey.hides("Sort by");
    journey.press("K").await;
    click(&mut journey, "[ Issue kubeconfig ]").await;
    assert_eq!(journey.calls("POST", "/kubeconfig"), 0, "it only has the focus");
    click(&mut journey, "[ Issue kubeconfig ]").await;
    journey.says("Kubeconfig of alpha →");
    journey.press("R").await;
    for _ in 0..3 {
        click(&mut journey, "[ Start rotation ]").await;
    }
    journey.shows("Start credentials rotation");
    assert_eq!(journey.calls("POST", "start-credentials-rotation"), 0, "that is for the keyboard");
    click(&mut journey, "[ Cancel ]").await;
    journey.press("A").await;
    click(&mut journey, "kubeconfig →").await;
    click(&mut journey, "kubeconfig →").await;
    journey.shows("FLEET › ACTIVITY");
}
