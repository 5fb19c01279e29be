//! Failing regions, projects and connections: the rest works, rows stay with their age, recovery is logged.

use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, SMALL, Setting};

fn text(status: u16, body: &str, content_type: &str, retry_after: Option<&str>) -> FaultEffect {
    FaultEffect::Answer {
        status,
        body: body.to_owned(),
        retry_after: retry_after.map(str::to_owned),
        content_type: content_type.to_owned(),
    }
}

/// Id of the second project.
const MEDIA: &str = "6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f";

/// The small scene, and a second project with one cluster.
fn two_projects() -> String {
    format!(
        "{SMALL}\n[[projects]]\nid = \"{MEDIA}\"\nname = \"media\"\n\
         [[projects.clusters]]\nname = \"encoder\"\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_01_a_region_without_ske_does_not_affect_the_others() {
    let scene = SMALL.replace("regions = [\"eu01\", \"eu02\"]", "regions = [\"eu01\"]");
    let setting = Setting { scene, ..Setting::default() }.set("SKEYS_REGIONS", "eu01,eu99");
    let mut journey = Journey::with(setting).await;
    journey.shows("8 clusters");
    journey.shows("live");
    journey.hides("eu99:");
    journey.hides("failed");
    journey.press("A").await;
    journey.hides("unknown region");
    journey.press("<esc>").await;
    // It is retried rarely, not at each refresh.
    let asked = |journey: &Journey| {
        journey.simulator.request_log().iter().filter(|call| call.path.contains("eu99")).count()
    };
    assert_eq!(asked(&journey), 1);
    journey.wait(120).await;
    assert_eq!(asked(&journey), 1);
    // The available region stays usable.
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.shows("Accepted at");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_01_a_region_that_disappears_fails_and_its_rows_become_stale() {
    let mut journey = Journey::begin().await;
    journey.shows("● alpha");
    let body = r#"{"code":"Unimplemented","message":"unknown region","details":""}"#;
    journey.order(Fault::new("GET", "/clusters", None, FaultEffect::answer(501, body)));
    journey.press("r").await;
    journey.says("eu01 · shop: unknown region (HTTP 501) for");
    journey.shows("~ alpha");
    journey.hides("not offered here");
    journey.wait(60).await;
    journey.shows("stale");
    journey.simulator.clear_faults();
    journey.until("● alpha", 60).await;
    journey.hides("HTTP 501");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_02_a_project_without_ske_is_named_and_the_rest_is_intact() {
    let mut journey = Journey::with(Setting { scene: two_projects(), ..Setting::default() }).await;
    journey.shows("9 clusters");
    let body = r#"{"code":"NotFound","message":"project id \"6a1c0e21\": not found","details":""}"#;
    journey.order(Fault::new("GET", MEDIA, None, FaultEffect::answer(404, body)));
    journey.press("r").await;
    journey.says("media");
    journey.says("SKE may not be enabled in this project");
    journey.shows("alpha");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_04_an_outage_keeps_rows_with_age_and_next_retry_and_logs_recovery_once() {
    let mut journey = Journey::begin().await;
    let page = "upstream connect error or disconnect/reset before headers";
    journey.order(Fault::new("GET", "/regions/", None, text(503, page, "text/plain", None)));
    journey.wait(60).await;
    journey.shows("alpha");
    journey.says("upstream connect error");
    journey.says("next retry in");
    journey.shows("~ ");
    journey.hides("● live");
    journey.wait(60).await;
    journey.shows("alpha");
    journey.simulator.clear_faults();
    journey.until("answers again after 2m", 60).await;
    journey.shows("live");
    journey.press("A").await;
    let screen = journey.screen();
    let told = screen.lines().filter(|line| line.contains("answers again")).count();
    assert_eq!(told, 1, "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_05_a_login_page_is_named_and_never_drawn() {
    let mut journey = Journey::begin().await;
    let page = "<html><body>Please sign in \u{1b}[2J</body></html>";
    journey.order(Fault::new("GET", "/clusters", None, text(200, page, "text/html", None)));
    journey.press("r").await;
    journey.wait(3).await;
    journey.says("the answer is not JSON (text/html from a proxy?)");
    journey.hides("sign in");
    journey.shows("alpha");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_06_a_truncated_answer_names_the_bytes_keeps_rows_and_is_retried() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("GET", "/clusters", Some(3), FaultEffect::Truncate { bytes: 700 }));
    let before = journey.simulator.request_log().len();
    journey.press("r").await;
    journey.says("the answer was truncated: 700 bytes received of");
    journey.shows("alpha");
    journey.until("live", 60).await;
    journey.hides("was truncated");
    assert!(journey.simulator.request_log().len() > before + 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_07_unknown_values_are_shown_as_sent_and_disable_actions() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("GET", "/clusters", None, FaultEffect::UnknownValues {}));
    journey.press("r").await;
    journey.press("/alpha<enter><enter>").await;
    journey.says("WAITING_FOR_WORKERS_ROLLOUT");
    journey.says("STATE_TRANSMOGRIFYING");
    journey.says("SKE_BRAND_NEW");
    journey.press("R").await;
    journey.says("unknown");
    journey.hides("credentials rotation");
    journey.press("<esc>").await;
    assert!(journey.simulator.request_log().iter().all(|call| call.method == "GET"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_08_a_list_of_seventy_mebibytes_is_refused_with_a_sentence() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("GET", "/clusters", Some(1), FaultEffect::Huge { bytes: 70 << 20 }));
    journey.press("r").await;
    journey.says("the answer is larger than 64 MiB and was refused");
    journey.shows("alpha");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_09_retry_after_is_respected() {
    for header in ["30", "Tue, 24 Nov 2026 14:00:35 GMT"] {
        let mut journey = Journey::begin().await;
        journey.wait(4).await;
        let limit = text(429, "{}", "application/json", Some(header));
        journey.order(Fault::new("GET", "/clusters", Some(1), limit));
        journey.press("r").await;
        journey.shows("alpha");
        let asked = journey.calls("GET", "/clusters");
        // Neither polling nor the user's r reaches the host before the time is over.
        for _ in 0..4 {
            journey.press("r").await;
            journey.wait(6).await;
            journey.says("14:00:3");
        }
        assert_eq!(journey.calls("GET", "/clusters"), asked, "{header}");
        journey.wait(20).await;
        assert!(journey.calls("GET", "/clusters") > asked, "{header}");
        journey.shows("live");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_10_a_slow_server_is_a_time_out_and_polls_do_not_pile_up() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::delay("/clusters", 40));
    journey.press("r").await;
    assert_eq!(journey.simulator.delayed_requests(), 1);
    for _ in 0..10 {
        journey.press("r").await;
    }
    assert_eq!(journey.simulator.delayed_requests(), 1, "one list of a scope at a time");
    journey.wait(16).await;
    journey.says("did not answer within 15");
    journey.shows("alpha");
    journey.wait(120).await;
    assert!(
        journey.simulator.delayed_requests() <= 3,
        "{} requests wait",
        journey.simulator.delayed_requests()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_region_that_answers_501_leaves_the_other_working() {
    let setting = Setting::default().set("SKEYS_REGIONS", "eu01,eu02");
    let mut journey = Journey::with(setting).await;
    let body = r#"{"code":"Unimplemented","message":"unknown region","details":""}"#;
    journey.order(Fault::new("GET", "/regions/eu02/", None, FaultEffect::answer(501, body)));
    journey.press("r").await;
    journey.wait(3).await;
    journey.shows("alpha");
    journey.shows("live");
    journey.hides("unknown region");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_27_rows_of_a_project_that_fails_are_stale_not_deleted() {
    let mut journey = Journey::with(Setting { scene: two_projects(), ..Setting::default() }).await;
    journey.order(Fault::new("GET", MEDIA, None, FaultEffect::Drop {}));
    journey.press("r").await;
    journey.wait(90).await;
    journey.shows("~ encoder");
    journey.hides("not listed");
    journey.shows("9 clusters");
    journey.simulator.clear_faults();
    journey.until("● encoder", 60).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_27_three_thousand_rows_stay_while_their_project_fails_and_the_selection_with_them() {
    let scene = format!(
        "{SMALL}\n[[projects]]\nid = \"{MEDIA}\"\nname = \"media\"\n\
         [[projects.clusters]]\nname = \"c-\"\nrepeat = 3000\ninitiated_ago = \"9d\"\ncompleted_ago = \"8d\"\n"
    );
    let mut journey = Journey::with(Setting { scene, ..Setting::default() }).await;
    journey.shows("3008 clusters");
    // Far down, beyond the first screen.
    journey.press("sn/c-2<enter>G").await;
    let selected = journey.cursor_line();
    assert!(selected.ends_with("● c-2999 media eu01 completed"), "{selected}");
    for effect in [FaultEffect::Drop {}, FaultEffect::Truncate { bytes: 900_000 }] {
        journey.order(Fault::new("GET", MEDIA, None, effect));
        journey.press("r").await;
        journey.pass(5, 9).await;
        journey.shows("~ stale");
        journey.shows("3008 clusters");
        journey.shows("of 1111");
        journey.hides("not listed");
        assert_eq!(journey.cursor_line(), selected.replace('●', "~"));
        journey.hides("● c-2");
        journey.simulator.clear_faults();
        journey.until_slowly("● live", 5, 20).await;
        journey.shows("3008 clusters");
        assert_eq!(journey.cursor_line(), selected);
        journey.hides("~ c-2");
    }
    // Nothing is told of single clusters.
    journey.press("<esc>A").await;
    journey.says("media in eu01 answers again");
    journey.hides("c-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_of_the_last_run_are_shown_with_their_age_until_ske_answers() {
    let mut first = Journey::begin().await;
    first.press("q").await;
    first.end().await;
    let kept = first.read("state/fleet.json");
    assert!(kept.contains("alpha") && !kept.contains("eyJ"), "{kept}");
    // The next run uses the same API, which does not respond now.
    let exports: std::collections::BTreeMap<_, _> = first.simulator.exports().into_iter().collect();
    first.order(Fault::new("GET", "/clusters", None, FaultEffect::Drop {}));
    let prepare = move |home: &std::path::Path| {
        std::fs::create_dir(home.join("state")).unwrap();
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(home.join("state"), private).unwrap();
        std::fs::write(home.join("state/fleet.json"), &kept).unwrap();
    };
    let setting = Setting { prepare: Box::new(prepare), ..Setting::default() }
        .set("STACKIT_SKE_CUSTOM_ENDPOINT", &exports["STACKIT_SKE_CUSTOM_ENDPOINT"])
        .set("STACKIT_ACCESS_TOKEN", &exports["STACKIT_ACCESS_TOKEN"]);
    let mut journey = Journey::with(setting).await;
    journey.wait(30).await;
    journey.shows("8 clusters");
    journey.shows("~ alpha");
    journey.says("8 clusters as of up to 30s ago; waiting for SKE");
    journey.hides("healthy");
    journey.press("/alpha<enter>R").await;
    journey.shows("Start: not read yet");
    journey.hides("Start credentials rotation");
    first.simulator.clear_faults();
    journey.until("● alpha", 60).await;
    journey.hides("as of up to");
    // Nothing changed in between.
    journey.press("A").await;
    journey.hides("→");
    journey.press("<esc>R").await;
    journey.shows("Start credentials rotation");
}
