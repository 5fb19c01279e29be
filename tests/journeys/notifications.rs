//! Notifications about watched clusters: bell, notification, window title, progress.

use skeys::testing::app::settings::ObservationScope;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::cluster::objects::ObjectKey;
use skeys::testing::simulator::rules::ClusterOperation;

use crate::simulated_cluster::observing;
use crate::support::{Journey, PROJECT, Setting};

const HELD: &str = "blocked = [\"web\", \"eu01-1\", \"payments/api\"]\n";

/// Two clusters rotated a while ago, in a terminal with these variables.
fn twins(more: &str, terminal: &[(&'static str, &str)]) -> Setting {
    let cluster = |name: &str| {
        format!(
            "[[projects.clusters]]\nname = \"{name}\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
             pools = [{{ name = \"web\", nodes = 3 }}]\n{more}"
        )
    };
    let setting = observing(ObservationScope::Running, &(cluster("mine") + &cluster("other")));
    terminal.iter().fold(setting, |setting, (name, value)| setting.set(name, value))
}

/// Somebody performs a step on both.
fn step(journey: &Journey, operation: ClusterOperation) {
    let now = journey.clock.now();
    for name in ["mine", "other"] {
        let id = ClusterId::new(PROJECT, "eu01", name);
        journey.simulator.with_cloud(|cloud| cloud.act(&id, operation, now).unwrap());
    }
}

/// Takes what was sent to the terminal besides frames.
fn sent(journey: &Journey) -> Vec<String> {
    std::mem::take(&mut journey.sent.lock().unwrap())
}

/// Only notifications that ring the bell.
fn rings(journey: &Journey) -> Vec<String> {
    sent(journey).into_iter().filter(|text| text.starts_with('\u{7}')).collect()
}

fn both_are(phase: &'static str) -> impl Fn(&Journey) -> bool {
    move |journey| ["mine", "other"].iter().all(|name| journey.phase(name) == phase)
}

#[tokio::test]
async fn watched_clusters_notify_on_prepared_and_completed() {
    let mut journey = Journey::with(twins("", &[("TERM_PROGRAM", "iTerm.app")])).await;
    assert!(sent(&journey).is_empty());
    journey.press("/mine<enter>w").await;
    journey.says("mine: notifications on (PREPARED, completed, blocked, resumed).");
    assert_eq!(sent(&journey), ["\u{1b}]2;skeys: mine completed\u{7}"], "the title alone");
    step(&journey, ClusterOperation::StartRotation);
    journey.until_holds("PREPARED", (20, 200), both_are("PREPARED")).await;
    journey.pass(10, 3).await;
    assert_eq!(rings(&journey), ["\u{7}\u{1b}]9;mine (eu01): PREPARED\u{7}"]);
    step(&journey, ClusterOperation::CompleteRotation);
    journey.until_holds("COMPLETED", (10, 200), both_are("COMPLETED")).await;
    journey.pass(10, 3).await;
    assert_eq!(rings(&journey), ["\u{7}\u{1b}]9;mine (eu01): completed\u{7}"]);
    // Nothing is watched any more: the title is restored, and nothing rings.
    journey.press("w").await;
    assert_eq!(sent(&journey), ["\u{1b}[23;2t"]);
    step(&journey, ClusterOperation::StartRotation);
    journey.until_holds("PREPARED", (20, 200), both_are("PREPARED")).await;
    journey.pass(10, 3).await;
    assert!(sent(&journey).is_empty());
}

#[tokio::test]
async fn a_stall_and_its_end_ring_and_show_in_title_and_progress() {
    let ghostty = [("TERM_PROGRAM", "ghostty")];
    let mut journey = Journey::with(twins(HELD, &ghostty)).await;
    journey.press("/mine<enter>w").await;
    step(&journey, ClusterOperation::StartRotation);
    let rolls = |journey: &Journey| {
        let sent = journey.sent.lock().unwrap();
        sent.iter().any(|text| text.starts_with('\u{7}'))
    };
    journey.until_holds("it rings", (10, 200), rolls).await;
    let all = sent(&journey);
    let ring: Vec<&String> = all.iter().filter(|text| text.starts_with('\u{7}')).collect();
    let held = "PodDisruptionBudget payments/api allows no evictions";
    assert_eq!(ring, [&format!("\u{7}\u{1b}]9;mine (eu01): {held}\u{7}")]);
    // First the progress; then that it is blocked, with the same figure as on the screen.
    assert!(
        all.contains(&"\u{1b}]2;skeys: mine 0/3\u{7}\u{1b}]9;4;1;0\u{7}".to_owned()),
        "{all:#?}"
    );
    let (new, total) = journey.progress("mine").unwrap();
    let title = format!(
        "\u{1b}]2;skeys: mine {new}/{total} blocked\u{7}\u{1b}]9;4;2;{}\u{7}",
        new * 100 / total
    );
    assert!(all.contains(&title), "{title:?} {all:#?}");
    journey.pass(60, 10).await;
    assert!(rings(&journey).is_empty(), "once is enough");
    for name in ["mine", "other"] {
        let budget = ObjectKey::new("payments", "api");
        journey.with_cluster(name, |cluster| cluster.data_plane.delete_budget(&budget));
    }
    // In the log; the line below names the cluster that moved first.
    journey.until("mine           rollout resumed", 60).await;
    assert_eq!(rings(&journey), ["\u{7}\u{1b}]9;mine (eu01): rollout resumed\u{7}"]);
    journey.until_holds("PREPARED", (20, 200), both_are("PREPARED")).await;
    journey.pass(10, 3).await;
    let all = sent(&journey);
    let last = all.iter().rev().find(|text| text.contains("]2;")).unwrap();
    assert_eq!(last, "\u{1b}]2;skeys: mine PREPARED\u{7}\u{1b}]9;4;0;0\u{7}");
    assert!(all.iter().all(|text| !text.contains(";100\u{7}")), "a bar is never full: {all:#?}");
}

#[tokio::test]
async fn the_title_has_the_progress_on_screen() {
    let mut journey = Journey::with(twins("", &[("TERM", "xterm-256color")])).await;
    journey.press("/mine<enter>w").await;
    step(&journey, ClusterOperation::StartRotation);
    journey.until_holds("a figure", (5, 60), |journey| journey.progress("mine").is_some()).await;
    let mut titles = Vec::new();
    while journey.phase("mine") == "PREPARING" {
        journey.pass(10, 1).await;
        titles.extend(sent(&journey));
        if let Some((new, total)) =
            journey.progress("mine").filter(|_| !journey.row("mine").contains("done"))
        {
            let title = format!("\u{1b}]2;skeys: mine {new}/{total}\u{7}");
            assert_eq!(titles.last(), Some(&title), "{}", journey.screen());
        }
    }
    let mut once = titles.clone();
    once.dedup();
    assert_eq!(once.len(), titles.len(), "only what changes is sent: {titles:#?}");
}

#[tokio::test]
async fn behind_a_multiplexer_only_bell_and_title_are_sent() {
    let variables = [("TMUX", "/tmp/tmux-0/default,1,0"), ("TERM_PROGRAM", "ghostty")];
    let mut journey = Journey::with(twins("", &variables)).await;
    journey.press("/mine<enter>w").await;
    step(&journey, ClusterOperation::StartRotation);
    journey.until_holds("PREPARED", (20, 200), both_are("PREPARED")).await;
    journey.pass(10, 3).await;
    let all = sent(&journey);
    assert_eq!(all.iter().filter(|text| *text == "\u{7}").count(), 1, "{all:#?}");
    assert!(all.iter().all(|text| *text == "\u{7}" || text.starts_with("\u{1b}]2;skeys: mine ")));
}
