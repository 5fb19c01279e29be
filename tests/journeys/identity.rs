//! Who skeys acts as: tokens that end, are refused, or are renewed.

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
    // SKE is asked for its time once, without the token.
    let log = journey.simulator.request_log();
    assert!(log.len() <= 1 && log.iter().all(|call| call.status == Some(401)), "{log:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_13_a_clock_a_day_ahead_is_said_where_it_ends_the_token() {
    // The token of the test above, two hours after its end by this clock.
    let payload = "eyJlbWFpbCI6Im9wcy1zYUBhY21lIiwiZXhwIjoxNzk1NTIxNjAwfQ";
    let token = format!("eyJhbGciOiJSUzUxMiJ9.{payload}.c2ln");
    let setting = Setting { ahead: 86_400, ..Setting::default() };
    let journey = Journey::with(setting.set("STACKIT_ACCESS_TOKEN", &token)).await;
    journey.says("expired at 2026-11-24 12:00:00 UTC");
    journey.hides("by this machine's clock");
    // Twelve hours after today's start by SKE's clock, and over by this one.
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
    // A start survives it as well: the 401 had no effect, so it is sent again.
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
    // Signed out is no reason to ask again and again.
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
    // The token lives for twelve hours.
    journey.clock.turn(std::time::Duration::from_mins(12 * 60 + 1));
    journey.settle().await;
    journey.wait(3).await;
    journey.shows("live");
    assert_eq!(journey.calls("POST", "/token"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_header_shows_identity_source_and_expiry() {
    let journey = Journey::with(Setting { size: (160, 40), ..Setting::default().with_key() }).await;
    journey.shows("as demo@simulator (service-account key");
}
