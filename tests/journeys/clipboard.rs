//! The clipboard: the route that a kubeconfig took, and that it is cleared.

use skeys::testing::runtime::clipboard::ClipboardRoute;

use crate::support::{Journey, Setting};

const TO_CLIPBOARD: &str = "<tab><down><down><tab><tab><tab><enter>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clip_01_without_a_desktop_the_terminal_is_used_and_named() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.says("Sent to the terminal (OSC 52)");
    journey.says("cleared in 45s");
    journey.hides("Copied");
    let sent = journey.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 1);
    assert!(sent[0].starts_with("\u{1b}]52;c;") && sent[0].ends_with('\u{7}'));
    journey.wait(44).await;
    assert_eq!(journey.sent.lock().unwrap().len(), 1, "not before its time");
    journey.wait(2).await;
    assert_eq!(journey.sent.lock().unwrap().last().unwrap(), "\u{1b}]52;c;!\u{7}");
    journey.says("Clipboard cleared.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_03_a_kubeconfig_that_was_copied_is_no_access_to_count_on() {
    let mut journey = Journey::with(Setting { size: (150, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.press("<enter>2").await;
    journey.says("unknown whether yours was kept");
    journey.press("R").await;
    journey.says("? you were given a kubeconfig (clipboard); unknown whether it was kept");
    journey.hides("you have a kubeconfig");
    journey.press("<esc>4").await;
    journey.says("as recorded when skeys issued it; unknown whether it was kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copied_kubeconfig_that_is_forgotten_is_no_finding_any_more() {
    let mut journey = Journey::with(Setting { size: (150, 40), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.press("<enter>4f").await;
    journey.shows("━ Forget this kubeconfig? ━");
    journey.says("it is no longer listed, but not revoked: it works until it expires, ");
    journey.press("<down><enter>").await;
    journey.says("Forgotten: clipboard. It was not revoked.");
    journey.says("none found for this cluster");
    assert!(journey.read("state/state.json").contains("\"forgotten\": true"));
    journey.press("R").await;
    journey.shows("━ Start credentials rotation ━");
    journey.hides("you were given a kubeconfig");
    journey.press("<esc>A").await;
    journey.says("client certificate, clipboard: no longer listed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clip_01_a_failing_route_falls_back_to_the_next() {
    // There is no tmux server in a test; whatever the reason, the terminal is next.
    let setting = Setting {
        ways: vec![ClipboardRoute::Tmux, ClipboardRoute::Terminal],
        ..Setting::default()
    };
    let mut journey = Journey::with(setting).await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.until_text("Sent to the terminal (OSC 52)", 5).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clip_03_quitting_clears_the_clipboard() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.press("<ctrl-c>").await;
    journey.end().await;
    assert_eq!(journey.sent.lock().unwrap().last().unwrap(), "\u{1b}]52;c;!\u{7}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clip_03_another_dashboard_waits_until_the_clipboard_is_cleared() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.press("<esc><esc>:reload<enter>").await;
    journey.says("A kubeconfig is in the clipboard and would be cleared.");
    assert_ne!(journey.sent.lock().unwrap().last().unwrap(), "\u{1b}]52;c;!\u{7}");
    journey.wait(46).await;
    journey.hold(":reload<enter>s").await;
    journey.until("Close the open dialog or menu, then try again.", 5).await;
    journey.press("<esc>:reload<enter>").await;
    journey.followed_by("8 clusters").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clip_01_without_a_route_the_kubeconfig_is_kept_and_a_file_offered() {
    let mut journey = Journey::with(Setting { ways: Vec::new(), ..Setting::default() }).await;
    journey.press("/alpha<enter>K").await;
    journey.press(TO_CLIPBOARD).await;
    journey.says("the clipboard cannot be reached");
    journey.says("Choose a file instead");
    // Back in the form: another destination, but no second kubeconfig.
    journey.press("<enter><backtab><backtab><up><tab><tab><tab><tab><enter>").await;
    journey.says("Kubeconfig of alpha → ~/.kube/ske/alpha.yaml");
    assert_eq!(journey.calls("POST", "/kubeconfig"), 1);
}
