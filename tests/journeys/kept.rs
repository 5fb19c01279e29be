//! State from a previous run: filter, marks and watches.

use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, PROJECT, SMALL, Setting};

/// A run that starts with the state of another one, in a terminal with notifications.
fn after(journey: &Journey, scene: &str) -> Setting {
    let kept = journey.read("state/state.json");
    Setting {
        scene: scene.to_owned(),
        prepare: Box::new(move |home| {
            fs::create_dir(home.join("state")).unwrap();
            fs::write(home.join("state/state.json"), &kept).unwrap();
        }),
        ..Setting::default()
    }
    .set("TERM_PROGRAM", "iTerm.app")
}

async fn quit(journey: &mut Journey) {
    journey.terminate();
    journey.end().await;
}

/// Takes the notifications that rang the bell.
fn rings(journey: &Journey) -> Vec<String> {
    let sent = std::mem::take(&mut *journey.sent.lock().unwrap());
    sent.into_iter().filter(|text| text.starts_with('\u{7}')).collect()
}

#[tokio::test]
async fn order_filter_marks_and_watches_are_there_in_the_next_run() {
    let mut first = Journey::begin().await;
    first.press("snsn").await;
    first.shows("name ↑");
    first.press("/bravo<enter><space><esc>/delta<enter>w").await;
    quit(&mut first).await;

    // Its roll ended, and another cluster was deleted, while skeys was not running.
    let roll = "name = \"delta\" # rolling, far from its end\nphase = \"PREPARING\"";
    assert!(SMALL.contains(roll));
    let scene = SMALL.replace(roll, "name = \"delta\"\nphase = \"PREPARED\"");
    let mut second = Journey::with(after(&first, &scene)).await;
    second.says("delta: PREPARED since skeys last ran");
    assert_eq!(rings(&second), ["\u{7}\u{1b}]9;delta (eu01): PREPARED since skeys last ran\u{7}"]);
    second.shows("name ↑");
    second.shows("1 of 8");
    second.shows("1 marked");
    second.hides("bravo");
    second.press("<esc>").await;
    second.shows("bravo");
    second.wait(60).await;
    assert!(rings(&second).is_empty(), "it is told once");
    quit(&mut second).await;

    let without = scene.replace("name = \"bravo\"", "name = \"tango\"");
    let mut setting = after(&second, &without);
    let fails = FaultEffect::answer(500, "{\"code\":\"Internal\",\"message\":\"down\"}");
    setting.faults = vec![Fault::new("GET", "/clusters", Some(1), fails)];
    let mut third = Journey::with(setting).await;
    assert!(rings(&third).is_empty(), "it was told before");
    third.hides("marked");
    third.until("tango", 120).await;
    quit(&mut third).await;
    let kept = third.read("state/state.json");
    assert!(!kept.contains("bravo") && kept.contains("\"watched\": true"), "{kept}");
}

#[tokio::test]
async fn a_kept_filter_shows_as_one_and_can_be_cleared() {
    let mut first = Journey::begin().await;
    first.press("/phase:completing<enter>").await;
    quit(&mut first).await;
    let mut second = Journey::with(after(&first, SMALL)).await;
    second.shows("1 of 8 clusters  phase:completing");
    second.shows("esc clear filter");
    second.press("<esc>").await;
    second.shows("alpha");
    quit(&mut second).await;
    let third = Journey::with(after(&second, SMALL)).await;
    third.shows("alpha");
    third.hides("esc clear filter");
}

#[tokio::test]
async fn file_17_a_journal_with_a_torn_line_and_of_any_size_is_shown_and_continued() {
    let line = |text: &str| {
        format!(
            "{{\"at\":\"2026-11-24T13:00:00Z\",\"who\":\"me\",\"project\":\"{PROJECT}\",\"region\":\"eu01\",\
             \"cluster\":\"alpha\",\"step\":\"kubeconfig\",\"outcome\":\"done\",\"text\":\"{text}\"}}\n"
        )
    };
    let end = format!("\n{}{{\"at\":\"2026-11-24T13:", line("of the last run"));
    let prepare = move |home: &Path| {
        fs::create_dir(home.join("state")).unwrap();
        let mut file = fs::File::create(home.join("state/journal.jsonl")).unwrap();
        // A hole: it takes no space.
        file.set_len(1 << 38).unwrap();
        file.seek(SeekFrom::End(0)).unwrap();
        file.write_all(end.as_bytes()).unwrap();
    };
    let mut journey =
        Journey::with(Setting { prepare: Box::new(prepare), ..Setting::default() }).await;
    journey.press("A").await;
    journey.says("of the last run");
    journey.says("1 truncated or unknown journal line(s) are skipped");
    // The note is dismissed first.
    journey.press("<esc><esc>/alpha<enter>R<tab><enter>").await;
    journey.says("Accepted at");
    // What is recorded now begins on a line of its own.
    let mut file = fs::File::open(journey.path("state/journal.jsonl")).unwrap();
    file.seek(SeekFrom::Start(1 << 38)).unwrap();
    let text = std::io::read_to_string(file).unwrap();
    let lines: Vec<&str> = text.lines().skip(1).collect();
    assert!(lines[0].contains("of the last run") && !lines[1].ends_with('}'), "{text}");
    for (line, outcome) in lines[2..].iter().zip(["intended", "done"]) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!((&record["step"], &record["outcome"]), (&"start".into(), &outcome.into()));
    }
}
