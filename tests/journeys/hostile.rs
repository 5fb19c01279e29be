//! Hostile text from servers and files, secrets that must not leak, broken files.

use std::fs;

use crossterm::event::Event;
use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, PROJECT, SMALL, Setting, logged};

const EVIL: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}]52;c;ZXZpbA==\u{7}\u{202e}gnp\u{200b}.exe";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_01_escape_sequences_of_a_server_are_replaced() {
    let toml = EVIL
        .escape_default()
        .to_string()
        .replace("\\u{1b}", "\\u001b")
        .replace("\\u{7}", "\\u0007");
    let toml = toml.replace("\\u{202e}", "\\u202e").replace("\\u{200b}", "\\u200b");
    let long = "x".repeat(10_000);
    let scene = SMALL.replace(
        "name = \"nova\"",
        &format!("errors = [[\"SKE_{toml}\", \"{toml} {long}\"]]\nname = \"nova\""),
    );
    let mut journey = Journey::with(Setting { scene, ..Setting::default() }).await;
    journey.press("/nova<enter><enter>1").await;
    journey.says("␛]0;owned␇␛[2J");
    journey.press("2").await;
    let body = serde_json::json!({"code": EVIL, "message": format!("{EVIL}{long}"), "details": ""});
    journey.order(Fault::new(
        "GET",
        "/clusters",
        None,
        FaultEffect::answer(400, &body.to_string()),
    ));
    journey.press("r").await;
    journey.press("<esc>").await;
    journey.says("␛[2J");
    let screen = journey.screen();
    assert!(screen.chars().all(|c| c == '\n' || !c.is_control()), "{screen:?}");
    for c in ['\u{202e}', '\u{200b}'] {
        assert!(!screen.contains(c));
    }
    assert!(journey.sent.lock().unwrap().is_empty(), "nothing goes to the terminal beside frames");
}

/// Prefix of all planted secrets; as long as the searched text.
const CANARY: &str = "canary-5e1f0c9b7a3d2846-";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_04_no_secret_is_on_the_screen_in_the_journal_the_state_or_the_log() {
    let planted = Setting {
        prepare: Box::new(|home| {
            let server = "https://api.alpha.0a1b2c3d4e.s.ske.eu01.onstackit.cloud";
            let text = format!(
                "clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
                 users: [{{name: u, user: {{token: {CANARY}-token, username: a, password: {CANARY}-password}}}}]\n\
                 contexts: [{{name: planted, context: {{cluster: c, user: u}}}}]\n"
            );
            fs::create_dir_all(home.join(".kube")).unwrap();
            fs::write(home.join(".kube/planted.yaml"), text).unwrap();
            fs::write(home.join(".kube/broken.yaml"), format!("a: [{CANARY}-in-a-broken-file"))
                .unwrap();
        }),
        ..Setting::default()
    };
    let mut journey = Journey::with(planted).await;
    let token = journey.simulator.exports().into_iter().find(|(n, _)| *n == "STACKIT_ACCESS_TOKEN");
    let token = token.unwrap().1;
    let mut screens = String::new();
    for keys in [
        "/alpha<enter>K",
        "<tab><tab><tab><tab><tab><enter>",
        "R",
        "<tab><enter>",
        "A",
        "<esc>",
        "<enter>",
        "1",
        "3",
        "4",
        "<down>",
        "y",
        "<esc>",
        "?",
        "<esc>",
        ":",
        "<esc>",
        "L",
        "<esc>",
    ] {
        journey.press(keys).await;
        screens.push_str(&journey.screen());
    }
    let kubeconfig = journey.read(".kube/config");
    let canaries: Vec<&str> = kubeconfig
        .lines()
        .filter_map(|line| line.trim().strip_prefix("client-key-data: "))
        .chain([token.as_str()])
        .collect();
    assert_eq!(canaries.len(), 2);
    assert!(screens.contains("~/.kube/planted.yaml") && screens.contains("~/.kube/broken.yaml"));
    let canaries: Vec<&str> = canaries.into_iter().chain([CANARY]).collect();
    let log = logged().await;
    assert!(log.contains("issue a kubeconfig for alpha") && log.contains("save kubeconfig"));
    screens.push_str(&log);
    for entry in fs::read_dir(journey.path("state")).unwrap() {
        screens.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    for canary in canaries {
        assert!(!screens.contains(&canary[..24.min(canary.len())]), "a secret was shown or kept");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_16_a_broken_state_file_is_set_aside_and_reported_once() {
    let memory = Setting {
        prepare: Box::new(|home| {
            fs::create_dir_all(home.join("state")).unwrap();
            fs::write(home.join("state/state.json"), "{\"version\": 99").unwrap();
        }),
        ..Setting::default()
    };
    let mut journey = Journey::with(memory).await;
    journey.says("defaults are used");
    journey.shows("alpha");
    let aside = fs::read_dir(journey.path("state")).unwrap().flatten();
    let aside: Vec<_> =
        aside.filter(|e| e.file_name().to_string_lossy().contains(".broken-")).collect();
    assert_eq!(aside.len(), 1);
    journey.press("<esc>").await;
    journey.hides("defaults are used");
    journey.press("T").await;
    assert!(journey.read("state/state.json").contains("\"theme\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_04_a_storm_of_resizes_draws_the_last_size_and_breaks_nothing() {
    let mut journey = Journey::begin().await;
    for (columns, rows) in [(1, 1), (29, 7), (300, 2), (1, 80), (80, 24), (2, 2), (50, 15)] {
        for step in 0..40_u16 {
            journey.resize(columns + step % 3, rows + step % 2);
        }
        journey.resize(columns, rows);
        journey.event(Event::Resize(columns, rows)).await;
        assert_eq!(journey.screen().lines().count(), usize::from(rows));
    }
    journey.shows("delta");
}

#[tokio::test]
async fn the_log_is_shown_on_a_key_and_read_again_while_it_is_open() {
    let mut journey = Journey::begin().await;
    journey.press("L").await;
    journey.until("task{id=", 5).await;
    journey.press("g").await;
    journey.says("diagnostic log");
    journey.press("<esc>").await;
    journey.hides("diagnostic log");
}

#[tokio::test]
async fn res_03_messages_without_end_keep_no_key_out() {
    let mut journey = Journey::begin().await;
    journey.flood();
    journey.react("?").await;
    journey.says("open or select");
    journey.strike("<ctrl-z>");
    journey.strike("<ctrl-c>");
    journey.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_07_unrequested_mouse_reports_are_ignored() {
    use crossterm::event::{KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
    let mut journey = Journey::begin().await;
    let before = journey.screen();
    for kind in
        [MouseEventKind::Down(MouseButton::Left), MouseEventKind::ScrollDown, MouseEventKind::Moved]
    {
        let report = MouseEvent { kind, column: 20, row: 6, modifiers: KeyModifiers::NONE };
        journey.event(Event::Mouse(report)).await;
    }
    assert_eq!(journey.screen(), before);
    let is_read = |path: &str| {
        path.contains(PROJECT) || path.ends_with("/permissions") || path == "/v2/projects"
    };
    assert!(journey.simulator.request_log().iter().all(|call| is_read(&call.path)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_29_a_token_quoted_by_the_server_is_redacted_in_the_journal() {
    let mut journey = Journey::begin().await;
    let exports = journey.simulator.exports();
    let token = &exports.iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN").unwrap().1;
    let message =
        format!("bearer {token} has no permission, nor has {}", &token[..token.len() / 2]);
    let body = serde_json::json!({"code": "PermissionDenied", "message": message, "details": ""});
    let refusal =
        |method, path| Fault::new(method, path, None, FaultEffect::answer(403, &body.to_string()));
    journey.order(refusal("POST", "start-credentials-rotation"));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.says("bearer [redacted] has no permission, nor has [redacted]");
    journey.press("<esc>").await;
    journey.order(refusal("GET", "/clusters"));
    journey.press("r").await;
    let mut seen = journey.screen();
    journey.press("A").await;
    seen.push_str(&journey.words());
    seen.push_str(&journey.read("state/journal.jsonl"));
    assert!(seen.contains("bearer [redacted]"), "{seen}");
    seen.push_str(&logged().await);
    for part in token.as_bytes().windows(12) {
        assert!(!seen.contains(std::str::from_utf8(part).unwrap()), "a part of the token is there");
    }
}
