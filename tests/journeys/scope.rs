//! The fleet narrowed to a project or region, and widened again; other profiles.

use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, PROJECT, SMALL, Setting};

/// Id of the second project.
const MEDIA: &str = "6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f";

/// The small scene, and a second project with a cluster in each region.
fn two_projects() -> String {
    format!(
        "{SMALL}\n[[projects]]\nid = \"{MEDIA}\"\nname = \"media\"\n\
         [[projects.clusters]]\nname = \"encoder\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"\n\
         [[projects.clusters]]\nname = \"mixer\"\nregion = \"eu02\"\n"
    )
}

fn setting() -> Setting {
    Setting { scene: two_projects(), ..Setting::default() }
}

/// Number of list requests for a project, in all regions.
fn lists(journey: &Journey, project: &str) -> usize {
    let calls = journey.simulator.request_log();
    let of = format!("/projects/{project}/");
    calls.iter().filter(|call| call.path.contains(&of) && call.path.ends_with("/clusters")).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_14_only_what_is_selected_is_listed_and_counted_and_the_header_says_so() {
    let mut journey = Journey::with(setting()).await;
    journey.shows("9 clusters");
    journey.hides("of 2");
    journey.press("P").await;
    journey.says("project media 6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f 1 cluster");
    journey.says("(•) project all: 2 projects");
    journey.press("media<enter>").await;
    journey.shows("1 cluster ");
    journey.shows("project media (1 of 2) · eu01");
    journey.shows("encoder");
    journey.hides("alpha");
    let (shop, media) = (lists(&journey, PROJECT), lists(&journey, MEDIA));
    journey.wait(120).await;
    assert_eq!(lists(&journey, PROJECT), shop, "what is not selected is left alone");
    assert!(lists(&journey, MEDIA) > media + 2);
    // Earlier readings are shown immediately, with their age, until they are read again.
    journey.order(Fault::delay("/clusters", 5));
    journey.press(":scope all:<enter>").await;
    journey.shows("9 clusters");
    journey.shows("~ alpha");
    journey.says("8 clusters as of up to 2m ago");
    journey.until("● alpha", 8).await;
    journey.hides("as of up to");
    journey.hides("of 2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_answer_is_the_reading_of_its_scope_and_of_no_other() {
    let mut journey = Journey::with(setting()).await;
    journey.order(Fault::delay(&format!("/projects/{PROJECT}/regions/eu01/clusters"), 8));
    journey.press("r").await;
    journey.press("Pmedia<enter>").await;
    journey.simulator.with_cloud(|cloud| {
        let id = skeys::testing::domain::cluster::ClusterId::new(PROJECT, "eu01", "nova");
        "PREPARING".clone_into(&mut cloud.cluster_mut(&id).unwrap().phase);
    });
    journey.wait(12).await;
    journey.shows("1 cluster ");
    journey.simulator.clear_faults();
    journey.order(Fault::delay("/clusters", 30));
    journey.press("Pall:<enter>").await;
    journey.shows("9 clusters");
    let screen = journey.screen();
    let row = screen.lines().find(|line| line.contains(" nova ")).unwrap();
    assert!(row.contains("preparing"), "the late answer was taken in: {row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_step_and_a_watched_cluster_outside_of_the_selection_are_tracked() {
    let mut journey = Journey::with(setting()).await;
    let stale = FaultEffect::Stale { milliseconds: 60_000 };
    journey.order(Fault::new("POST", "start-credentials-rotation", Some(1), stale));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.shows("Accepted at");
    journey.press("<esc><esc><esc>Pmedia<enter>").await;
    journey.shows("1 cluster ");
    let before = lists(&journey, PROJECT);
    journey.wait(40).await;
    assert!(lists(&journey, PROJECT) > before + 1, "it is listed as long as it is pending");
    journey.press("A").await;
    journey.until("completed → preparing", 120).await;
    journey.press("<esc>").await;
    journey.wait(20).await;
    let before = lists(&journey, PROJECT);
    journey.wait(60).await;
    assert_eq!(lists(&journey, PROJECT), before, "and no longer");
    journey.press("Pall:<enter>/legacy<enter>w<esc>").await;
    journey.press("Pmedia<enter>").await;
    journey.wait(60).await;
    let before = lists(&journey, PROJECT);
    journey.wait(60).await;
    assert!(lists(&journey, PROJECT) > before, "a watched one is, too");
    journey.hides("legacy");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_stay_and_only_those_that_are_shown_count() {
    let mut journey = Journey::with(setting()).await;
    journey.press("/alpha<enter><space><esc>Pmedia<enter>").await;
    journey.press("/marked<enter>").await;
    journey.shows("Nothing matches marked.");
    journey.press("<esc>y").await;
    journey.hides("marked names");
    journey.press("<esc>a").await;
    journey.press("y").await;
    journey.says("marked names encoder");
    journey.press("<esc>aPall:<enter>y").await;
    journey.says("marked names alpha");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn projects_that_are_not_configured_are_one_choice_away() {
    let setting = Setting { projects: Some(1), size: (80, 24), ..setting() };
    let mut journey = Journey::with(setting.set("SKEYS_REGIONS", "eu01,eu02")).await;
    journey.shows("8 clusters");
    journey.shows("project shop (1 of 2) · eu01 eu02");
    journey.press("P").await;
    journey.says("(•) project configured: 1 project, set by SKEYS_PROJECTS");
    journey.says("( ) project all: 2 projects, including those not configured");
    journey.press("all<space>projects<enter>").await;
    journey.shows("10 clusters");
    journey.hides("of 2");
    journey.press(":scope region eu02<enter>").await;
    journey.shows("1 cluster ");
    journey.shows("2 projects · eu02 (1 of 2)");
    // The same profile keeps the selection, although projects and regions are set for this run.
    let before = lists(&journey, MEDIA);
    journey.press(":reload<enter>").await;
    journey.followed_when(|journey| lists(journey, MEDIA) > before).await;
    journey.followed_by("2 projects · eu02 (1 of 2)").await;
    journey.press("Pshop<enter>").await;
    journey.says("No clusters in project shop (1 of 2) · eu02 (1 of 2),");
    journey.says("the current selection. P selects more.");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn why_other_projects_are_not_known_is_told_in_the_menu_and_disturbs_nobody() {
    let fault = Fault::new("GET", "permissions", None, FaultEffect::answer(403, "{}"));
    let mut journey = Journey::with(Setting { faults: vec![fault], ..setting() }).await;
    journey.shows("9 clusters");
    journey.hides("permissions");
    journey.press("Pall<space>projects").await;
    journey.says("others unknown: HTTP 403");
}

#[tokio::test]
async fn observers_end_with_their_dashboard_and_those_outside_of_the_selection_do_too() {
    let observing = |setting: Setting| setting.set("SKEYS_KUBERNETES_WATCH", "running");
    let mut journey = Journey::with(observing(profiles())).await;
    assert_eq!(journey.simulator.open_watches(), 17, "delta rolls");
    // Its clients wait for a response until long after the switch.
    journey.order(Fault::delay("eu01/clusters", 30));
    journey.press("r").await;
    journey.press("Pnight<enter>").await;
    journey.followed_by("1 cluster ").await;
    journey.wait(5).await;
    assert_eq!(journey.simulator.open_watches(), 0);
    let mut journey = Journey::with(observing(setting())).await;
    assert_eq!(journey.simulator.open_watches(), 17);
    journey.press("Pmedia<enter>").await;
    journey.wait(60).await;
    assert_eq!(journey.simulator.open_watches(), 0, "as after every cluster that is left");
    journey.press("Pall:<enter>").await;
    journey.wait(10).await;
    assert_eq!(journey.simulator.open_watches(), 17);
}

/// Runs with the state of an earlier run, in a separate home.
fn with_state(setting: Setting, selection: &str) -> Setting {
    let text = format!("{{\"version\":2,\"selections\":{{\"\":{selection}}}}}");
    let prepare = move |home: &std::path::Path| {
        std::fs::create_dir(home.join("state")).unwrap();
        std::fs::write(home.join("state/state.json"), &text).unwrap();
    };
    Setting { prepare: Box::new(prepare), ..setting }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_selected_is_kept_and_what_is_set_for_the_run_goes_before_it() {
    // A realistic setup: the configuration sets the projects, not the environment.
    let file = |setting: Setting| setting.set("SKEYS_PROJECTS", "").set("STACKIT_PROJECT_ID", "");
    let mut journey = Journey::with(file(setting())).await;
    journey.press("Pmedia<enter>").await;
    journey.shows("project media (1 of 2)");
    journey.press("q").await;
    journey.end().await;
    let kept = journey.read("state/state.json");
    assert!(kept.contains(&format!("\"project\": \"{MEDIA}\"")), "{kept}");
    let selection = format!("{{\"project\":\"{MEDIA}\",\"region\":\"eu01\"}}");
    let journey = Journey::with(with_state(file(setting()), &selection)).await;
    journey.shows("project media (1 of 2)");
    assert_eq!(lists(&journey, PROJECT), 0);
    // Projects and regions from the environment take precedence.
    let journey = Journey::with(with_state(setting(), &selection)).await;
    journey.shows("9 clusters");
    journey.hides("of 2");
    // A removed one is not waited for.
    let gone = "{\"project\":\"0e217b7f-gone\"}";
    let journey = Journey::with(with_state(file(setting()), gone)).await;
    journey.shows("9 clusters");
    journey.says("The selected project 0e217b7f-gone is not available");
}

/// The scene of another account.
const NIGHT: &str = "regions = [\"eu01\"]\n[[projects]]\nid = \"11111111-7a1e-4c52-9d5e-5f1c3d9a2b7f\"\nname = \"dark\"\n\
    [[projects.clusters]]\nname = \"owl\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"\n";

fn profiles() -> Setting {
    Setting { night: Some(NIGHT.to_owned()), ..Setting::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_13_another_profile_begins_anew_and_no_answer_of_the_old_account_lands_in_it() {
    let mut journey = Journey::with(profiles()).await;
    journey.shows("8 clusters");
    journey.press("/alpha<enter><space>T").await;
    journey.order(Fault::delay("/clusters", 9));
    journey.press("r").await;
    journey.press("<esc>P").await;
    journey.says("(•) profile none: only settings outside of profiles");
    journey.press("night<enter>").await;
    journey.followed_by("1 cluster ").await;
    journey.shows("profile night · project dark");
    journey.shows("▌ ● owl");
    journey.hides("alpha");
    // Responses for the first account arrive now.
    assert!(journey.simulator.delayed_requests() > 0);
    journey.wait(60).await;
    assert_eq!(journey.simulator.delayed_requests(), 0);
    journey.shows("1 cluster ");
    journey.hides("alpha");
    journey.hides("failed");
    let asked = journey.simulator.request_log().len();
    journey.wait(120).await;
    assert_eq!(journey.simulator.request_log().len(), asked, "the old one asks no more");
    assert!(journey.read("state/state.json").contains("\"theme\": \"dark\""), "it was saved first");
    // And back: cached data of one account is not shown in the other.
    journey.simulator.clear_faults();
    journey.press(":profile none<enter>").await;
    journey.followed_by("8 clusters").await;
    journey.hides("owl");
    journey.press("q").await;
    journey.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_switch_is_refused_while_a_kubeconfig_is_not_saved() {
    let mut journey = Journey::with(profiles()).await;
    journey.press("/alpha<enter>K").await;
    journey.order(Fault::delay("/kubeconfig", 12));
    journey.press("<ctrl-o><esc><esc>").await;
    for reason in ["A kubeconfig is being issued or saved.", "An issued kubeconfig is not saved."] {
        journey.press(":reload<enter>").await;
        journey.says(&format!("The dashboard cannot restart now. {reason}"));
        journey.press("Pnight<enter>").await;
        journey.says(reason);
        journey.shows("project shop");
        journey.wait(12).await;
    }
    let night = journey.night.as_ref().unwrap();
    assert!(night.request_log().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_saved_is_there_after_a_reload_and_a_copied_kubeconfig_stays() {
    let mut journey = Journey::with(profiles()).await;
    journey.press("/alpha<enter>K").await;
    journey.press("<ctrl-o>").await;
    journey.until_text("access expires in 7h", 30).await;
    let state = journey.path("state/state.json");
    drop(std::fs::remove_file(&state));
    std::fs::create_dir(&state).unwrap();
    let lists = journey.calls("GET", "/clusters");
    journey.press("<space>:reload<enter>").await;
    journey.followed_when(|journey| journey.calls("GET", "/clusters") > lists).await;
    journey.shows("1 of 8 clusters");
    journey.shows("1 marked");
    journey.says("access expires in 7h");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_cannot_begin_leaves_the_old_one_as_it_is() {
    let mut journey = Journey::with(Setting { notices_changes: false, ..profiles() }).await;
    let file = journey.read("config.toml");
    let with = |text: &str| format!("{file}{text}");
    for (text, why) in [
        (with("[keys]\nrotate = [\"K\"]\n"), "key K is bound to both rotate and kubeconfig"),
        (with("[poll]\nidel = \"3s\"\n"), "unknown key"),
        (with("ca_file = \"/nowhere/ca.pem\"\n"), "endpoints.ca_file is \"/nowhere/ca.pem\""),
        (file.replace("night", "late"), "unknown profile night"),
    ] {
        std::fs::write(journey.path("config.toml"), text).unwrap();
        journey.press("Pnight<enter>").await;
        journey.says("Profile night cannot be used: ");
        journey.says(why);
        journey.shows("8 clusters");
        journey.press("<esc>").await;
        journey.hides("cannot be used");
    }
    // An unreadable file would disable protections.
    for (text, why) in
        [(None, "config.toml is missing, empty or"), (Some(""), "config.toml is missing, empty or")]
    {
        std::fs::remove_file(journey.path("config.toml")).unwrap();
        if let Some(text) = text {
            std::fs::write(journey.path("config.toml"), text).unwrap();
        }
        journey.press(":reload<enter>").await;
        journey.says("The configuration cannot be used: ");
        journey.says(why);
        journey.press("<esc>").await;
        std::fs::write(journey.path("config.toml"), "#").unwrap();
    }
    // A corrected file works, and a change is applied without switching profiles.
    std::fs::write(journey.path("config.toml"), format!("read_only = true\n{file}")).unwrap();
    journey.press(":reload<enter>").await;
    journey.followed_by("READ-ONLY").await;
    journey.followed_by("8 clusters").await;
}
