//! The account of skeys: tokens that expire, are refused, or are renewed.

use skeys::testing::simulator::faults::{Fault, FaultEffect};

use crate::support::{Journey, Setting};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_02_a_token_that_expired_before_the_start_is_reported_with_its_expiry() {
    // {"email":"ops-sa@acme","exp":1795528800}: 24 November 2026, 14:00:00 UTC, and it is two hours later.
    let payload = "eyJlbWFpbCI6Im9wcy1zYUBhY21lIiwiZXhwIjoxNzk1NTIxNjAwfQ";
    let token = format!("eyJhbGciOiJSUzUxMiJ9.{payload}.c2ln");
    let setting = Setting::default().set("STACKIT_ACCESS_TOKEN", &token);
    let mut journey = Journey::with(setting).await;
    journey.says("the token of ops-sa@acme expired at 2026-11-24 12:00:00 UTC");
    journey.says("Restart skeys with a new token in STACKIT_ACCESS_TOKEN.");
    journey.wait(30).await;
    // SKE is asked for its time only once, without the token.
    let log = journey.simulator.request_log();
    assert!(log.len() <= 1 && log.iter().all(|call| call.status == Some(401)), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_13_a_clock_a_day_ahead_is_said_where_it_ends_the_token() {
    // The token of the test above, two hours after its expiry by this clock.
    let payload = "eyJlbWFpbCI6Im9wcy1zYUBhY21lIiwiZXhwIjoxNzk1NTIxNjAwfQ";
    let token = format!("eyJhbGciOiJSUzUxMiJ9.{payload}.c2ln");
    let setting = Setting { ahead: 86_400, ..Setting::default() };
    let journey = Journey::with(setting.set("STACKIT_ACCESS_TOKEN", &token)).await;
    journey.says("expired at 2026-11-24 12:00:00 UTC");
    journey.hides("by this machine's clock");
    // Expires twelve hours after the start by SKE's clock, and has expired by this one.
    let payload = "eyJlbWFpbCI6Im9wcy1zYUBhY21lIiwiZXhwIjoxNzk1NTcyMDAwfQ";
    let token = format!("eyJhbGciOiJSUzUxMiJ9.{payload}.c2ln");
    let setting = Setting { ahead: 86_400, ..Setting::default() };
    let journey = Journey::with(setting.set("STACKIT_ACCESS_TOKEN", &token)).await;
    journey.says("by this machine's clock, which is about 1d ahead of SKE's");
    journey.says("Set this machine's clock, then try again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_04_a_401_renews_once_and_continues() {
    let mut journey = Journey::with(Setting::default().with_key()).await;
    journey.shows("8 clusters");
    assert_eq!(journey.calls("POST", "/token"), 1);
    journey.simulator.revoke_tokens();
    journey.press("r").await;
    journey.shows("live");
    assert_eq!(journey.calls("POST", "/token"), 2);
    // A start survives it as well: the 401 had no effect, so it is resent.
    journey.press("/alpha<enter>R").await;
    journey.wait(60).await;
    journey.simulator.revoke_tokens();
    journey.press("<tab><enter>").await;
    journey.shows("Accepted at");
    assert_eq!(journey.calls("POST", "/token"), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_04_refused_although_fresh_is_signed_out_with_the_data_kept() {
    let mut journey = Journey::with(Setting::default().with_key()).await;
    let body = r#"{"code":"Unauthenticated","message":"token rejected","details":""}"#;
    journey.order(Fault::new("GET", "/clusters", None, FaultEffect::answer(401, body)));
    journey.press("r").await;
    journey.says("Signed out since");
    journey.shows("signed out");
    journey.shows("alpha");
    assert_eq!(journey.calls("POST", "/token"), 2, "one renewal");
    journey.press("/alpha<enter>R").await;
    journey.says("Start: SKE has rejected the token since");
    // Being signed out does not cause repeated requests.
    let asked = journey.simulator.request_log().len();
    journey.wait(60).await;
    assert!(journey.simulator.request_log().len() - asked <= 10);
    journey.simulator.clear_faults();
    journey.press("r").await;
    journey.until("live", 60).await;
    journey.hides("signed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_03_many_reads_at_the_end_of_a_token_share_one_renewal() {
    let setting = Setting::default().with_key().set("SKEYS_REGIONS", "eu01,eu02");
    let mut journey = Journey::with(setting).await;
    // The token is valid for twelve hours.
    journey.clock.turn(std::time::Duration::from_mins(12 * 60 + 1));
    journey.settle().await;
    journey.wait(3).await;
    journey.shows("live");
    assert_eq!(journey.calls("POST", "/token"), 2);
}

/// Fifty projects with one cluster each.
fn fifty_projects() -> Setting {
    let project = |number: usize| {
        format!(
            "[[projects]]\nid = \"{number:08}-7a1e-4c52-9d5e-2b7f6a1c0e21\"\nname = \"p{number}\"\n\
             [[projects.clusters]]\nname = \"c{number}\"\n"
        )
    };
    let projects: String = (0..50).map(project).collect();
    let scene = format!("regions = [\"eu01\"]\n{projects}");
    Setting { scene, size: (160, 40), ..Setting::default().with_key() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_03_a_token_that_ends_while_fifty_projects_are_polled_is_renewed_once() {
    let mut journey = Journey::with(fifty_projects()).await;
    journey.until("50 clusters", 30).await;
    let listed = journey.calls("GET", "/clusters");
    while journey.calls("GET", "/clusters") < listed + 20 {
        journey.wait(1).await;
    }
    journey.simulator.revoke_tokens();
    while journey.calls("GET", "/clusters") < listed + 150 {
        journey.wait(1).await;
    }
    journey.shows("50 clusters");
    journey.shows("live");
    journey.hides("igned out");
    assert_eq!(journey.calls("POST", "/token"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_15_a_broken_key_file_is_named_once_and_the_dashboard_goes_on() {
    let mut journey = Journey::with(Setting::default().with_key()).await;
    journey.wait(10).await;
    std::fs::write(journey.home.path().join("key.json"), "{").unwrap();
    journey.simulator.revoke_tokens();
    journey.until("key.json: not JSON", 120).await;
    journey.shows("live");
    journey.press("<esc>").await;
    journey.hides("key.json: not JSON");
    journey.wait(130).await;
    journey.press("r").await;
    journey.hides("key.json: not JSON");
    journey.shows("live");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_16_a_key_that_is_revoked_is_said_and_a_new_one_in_its_file_ends_it() {
    let mut journey = Journey::with(fifty_projects()).await;
    journey.until("50 clusters", 30).await;
    journey.simulator.revoke_service_account_key();
    journey.until("signed out", 60).await;
    journey.says("was not found");
    journey.shows("50 clusters");
    let asked = journey.calls("POST", "/token");
    journey.wait(60).await;
    let again = journey.calls("POST", "/token") - asked;
    assert!(again <= 6, "one at a time, with a pause of ten seconds: {again}");
    let key = journey.simulator.service_account_key().unwrap();
    let file = journey.home.path().join("key.json");
    std::fs::write(file, key.split_at(key.len() / 2).0).unwrap();
    journey.wait(70).await;
    journey.says("key.json: not JSON at line 1");
    journey.says("the key read before stays in use as long as it works");
    std::fs::write(journey.home.path().join("key.json"), &key).unwrap();
    journey.until("live", 120).await;
    journey.hides("signed out");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_shows_identity_source_and_expiry() {
    let journey = Journey::with(Setting { size: (160, 40), ..Setting::default().with_key() }).await;
    journey.shows("as demo@simulator (service-account key");
}
