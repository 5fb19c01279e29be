//! State from a previous run: filter, marks and watches.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use jiff::SignedDuration;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::credential::{Access, Credentials, KubeconfigLocation};
use skeys::testing::domain::kubeconfig::KubeconfigKind;
use skeys::testing::domain::persisted::PersistedState;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::store::state_file;

use crate::support::{Journey, PROJECT, SMALL, Setting, start};

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

#[tokio::test]
async fn time_01_a_kubeconfig_that_expired_by_our_clock_alone_is_not_forgotten() {
    let copied = |journey: &Journey| journey.read("state/state.json").contains("\"clipboard\"");
    let setting = || Setting {
        prepare: Box::new(|home| {
            let ends = start() - SignedDuration::from_hours(40);
            let access = Access {
                cluster: ClusterId::new(PROJECT, "eu01", "bravo"),
                created: None,
                kind: KubeconfigKind::Admin,
                issued: ends - SignedDuration::from_hours(8),
                expires: Some(ends),
                location: KubeconfigLocation::Clipboard,
                issuance: None,
                forgotten: false,
            };
            let credentials = Credentials { accesses: vec![access], ..Credentials::default() };
            let kept = PersistedState { credentials, ..PersistedState::default() };
            state_file::save(&home.join("state"), &kept, None).unwrap();
        }),
        ..Setting::default()
    };
    // Our clock may be two days ahead: nothing tells while SKE does not answer.
    let drop_all = Fault::new("GET", "", None, FaultEffect::Drop {});
    let mut offline = Journey::with(Setting { faults: vec![drop_all], ..setting() }).await;
    offline.press("T").await;
    quit(&mut offline).await;
    assert!(copied(&offline), "{}", offline.read("state/state.json"));
    let mut online = Journey::with(setting()).await;
    online.press("T").await;
    quit(&mut online).await;
    assert!(!copied(&online), "it has expired by SKE's clock");
}

#[tokio::test]
async fn a_rotation_that_was_started_between_two_runs_is_another_one_in_the_journal() {
    let mut first = Journey::begin().await;
    quit(&mut first).await;
    let before = "# ready to be completed\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"\n";
    assert!(SMALL.contains(before));
    let after_it = "# ready, too\nphase = \"PREPARED\"\ninitiated_ago = \"10m\"\n";
    let scene = SMALL.replace(before, after_it).replace(
        &format!("{after_it}completed_ago = \"120d\""),
        &format!("{after_it}completed_ago = \"20m\""),
    );
    // The API of the next run, which was that of the first one, too.
    let other = Journey::with(Setting { scene, ..Setting::default() }).await;
    let address = |journey: &Journey| {
        let exports: BTreeMap<_, _> = journey.simulator.exports().into_iter().collect();
        let variables = ["STACKIT_SKE_CUSTOM_ENDPOINT", "STACKIT_ACCESS_TOKEN"];
        variables.map(|name| (name, exports[name].clone()))
    };
    let ([(_, old), _], new) = (address(&first), address(&other));
    let fleet = first.read("state/fleet.json");
    let moved = fleet.replace(old.trim_end_matches('/'), new[0].1.trim_end_matches('/'));
    assert_ne!(fleet, moved);
    let prepare = Box::new(move |home: &Path| {
        fs::create_dir(home.join("state")).unwrap();
        fs::write(home.join("state/fleet.json"), &moved).unwrap();
    });
    let setting = Setting { prepare, ..Setting::default() };
    let setting = new.iter().fold(setting, |setting, (name, value)| setting.set(name, value));
    let mut second = Journey::with(setting).await;
    second.press("/bravo<enter>").await;
    quit(&mut second).await;
    let journal = second.read("state/journal.jsonl");
    let missed = "PREPARED → PREPARED of another rotation while skeys did not run";
    let lines: Vec<&str> = journal.lines().filter(|line| line.contains("did not run")).collect();
    let [line] = lines[..] else { panic!("{journal}") };
    assert!(line.contains("\"bravo\"") && line.contains(missed), "{line}");
    assert!(line.contains("\"rotation_started\":\"2026-11-24T13:50:00Z\""), "{line}");
}
