//! Outages, refusals and unexpected answers are printed once; permanent failures end the wait.

use skeys::testing::cli::Goal;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, SCENE, SignIn, WaitCommand, command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_03_a_wait_survives_an_outage_of_twenty_minutes_and_prints_it_once() {
    let cloud = Cloud::with(SCENE, 0.5).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 60).await;
    // First the network fails, then a gateway responds instead of SKE, then there is a rate limit.
    cloud.simulator.inject_fault(Fault::new("GET", "", None, FaultEffect::Drop {}));
    wait.pass(&cloud, 600).await;
    cloud.simulator.clear_faults();
    cloud.out(503);
    wait.pass(&cloud, 300).await;
    cloud.simulator.clear_faults();
    cloud.out(429);
    wait.pass(&cloud, 300).await;
    cloud.simulator.clear_faults();
    wait.stride = 10;
    assert_eq!(wait.end(&cloud, 7_200).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 4, "{lines:#?}");
    assert!(lines[1].contains("alpha PREPARING (SKE reads failing since 2026-11-24T14:01:0"));
    assert!(lines[1].ends_with("; retrying)"), "{lines:#?}");
    assert!(
        lines[2].ends_with(" alpha PREPARING (SKE reads succeed again after 20m)"),
        "{lines:#?}"
    );
    assert!(lines[3].contains(" alpha PREPARED ("), "{lines:#?}");
    assert_eq!(wait.err.text(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_does_not_make_requests_pile_up() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    let before = cloud.calls("GET");
    cloud.out(503);
    wait.pass(&cloud, 600).await;
    let asked = cloud.calls("GET") - before;
    assert!((15..35).contains(&asked), "{asked} requests in ten minutes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_line_names_an_outage_that_ended_with_it() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    cloud.out(503);
    wait.stride = 10;
    wait.pass(&cloud, 3_600).await;
    cloud.simulator.clear_faults();
    assert_eq!(wait.end(&cloud, 60).await, 0, "{}", wait.all());
    let last = wait.out.lines().pop().unwrap();
    assert!(
        last.contains(" alpha PREPARED (") && last.contains("; SKE reads succeed again after 1h")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_unexpected_answers_are_neither_printed_nor_fatal() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let wait = cloud.wait(command("alpha", Goal::Prepared));
    let not_found = r#"{"code":"NotFound","message":"cluster \"alpha\": not found","details":""}"#;
    for effect in [
        FaultEffect::Drop {},
        FaultEffect::Truncate { bytes: 40 },
        FaultEffect::Huge { bytes: 3 << 20 },
        FaultEffect::answer(401, "{}"),
        FaultEffect::answer(403, "{}"),
        FaultEffect::answer(404, not_found),
        FaultEffect::answer(200, r#"{"code":14,"message":"upstream unavailable"}"#),
        FaultEffect::answer(400, "{}"),
        FaultEffect::answer(200, "<html>sign in</html>"),
        FaultEffect::answer(500, "{}"),
    ] {
        wait.pass(&cloud, 20).await;
        // Repeated 404 for the cluster only: the list shows that it exists.
        let times = if matches!(effect, FaultEffect::Answer { status: 404, .. }) { 5 } else { 1 };
        cloud.simulator.inject_fault(Fault::new("GET", "/clusters/alpha", Some(times), effect));
    }
    wait.pass(&cloud, 40).await;
    assert!(!wait.is_over(), "{}", wait.all());
    assert_eq!(wait.out.lines().len(), 1, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_36_web_pages_with_404_in_the_place_of_every_answer_are_an_outage() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    let page = FaultEffect::answer(404, "<html>Not Found</html>");
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters", None, page));
    wait.pass(&cloud, 600).await;
    assert!(!wait.is_over(), "{}", wait.all());
    assert!(wait.all().contains("SKE reads failing"), "{}", wait.all());
    cloud.simulator.clear_faults();
    cloud.put("alpha", "PREPARED");
    assert_eq!(wait.end(&cloud, 120).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_401_during_the_search_does_not_end_it() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let refused = || FaultEffect::answer(401, "{}");
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters", Some(2), refused()));
    let wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.until(&cloud, "alpha PREPARING", 60).await;
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters", None, refused()));
    let mut other = cloud.wait(command("alpha", Goal::Prepared));
    assert_eq!(other.end(&cloud, 60).await, 1, "{}", other.all());
    assert!(other.err.text().contains("was rejected"), "{}", other.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_09_retry_after_is_respected() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    let limited = FaultEffect::Answer {
        status: 429,
        body: "{}".to_owned(),
        retry_after: Some("120".to_owned()),
        content_type: "application/json".to_owned(),
    };
    cloud.simulator.inject_fault(Fault::new("GET", "/clusters/alpha", Some(1), limited));
    wait.pass(&cloud, 4).await;
    let asked = cloud.calls("GET");
    wait.pass(&cloud, 114).await;
    assert_eq!(cloud.calls("GET"), asked);
    wait.pass(&cloud, 10).await;
    assert!(cloud.calls("GET") > asked);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_10_a_slow_answer_times_out_and_polling_continues() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 10).await;
    cloud.simulator.inject_fault(Fault::delay("/clusters/alpha", 40));
    wait.pass(&cloud, 120).await;
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 2, "{lines:#?}");
    assert!(lines[1].contains("did not answer within 15 s"), "{lines:#?}");
    cloud.simulator.clear_faults();
    wait.stride = 10;
    assert_eq!(wait.end(&cloud, 7_200).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_03_expired_tokens_are_renewed_silently() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait =
        cloud.wait(WaitCommand { sign_in: SignIn::Key, ..command("alpha", Goal::Prepared) });
    wait.pass(&cloud, 60).await;
    cloud.simulator.revoke_tokens();
    wait.stride = 10;
    assert_eq!(wait.end(&cloud, 7_200).await, 0, "{}", wait.all());
    assert_eq!(wait.out.lines().len(), 2, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_04_a_token_that_cannot_be_renewed_ends_the_wait_with_a_hint() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 60).await;
    cloud.simulator.revoke_tokens();
    assert_eq!(wait.end(&cloud, 120).await, 1, "{}", wait.all());
    let said = wait.err.text();
    assert!(said.contains("was rejected") && said.contains("STACKIT_ACCESS_TOKEN"), "{said}");
    // A search needs many requests and persists; for a single cluster the first failure is final.
    let whole = format!("{}/eu01/alpha", crate::support::PROJECT);
    for (cluster, limit) in [("alpha", 60), (&*whole, 0)] {
        let mut wait = cloud.wait(command(cluster, Goal::Prepared));
        assert_eq!(wait.end(&cloud, limit).await, 1, "{}", wait.all());
        assert!(wait.err.text().contains(". Restart skeys with a new token in"), "{}", wait.all());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn auth_06_an_unreachable_token_endpoint_is_an_outage() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait =
        cloud.wait(WaitCommand { sign_in: SignIn::Key, ..command("alpha", Goal::Prepared) });
    wait.pass(&cloud, 60).await;
    cloud.simulator.inject_fault(Fault::new("POST", "/token", None, FaultEffect::Drop {}));
    cloud.simulator.revoke_tokens();
    wait.pass(&cloud, 1_200).await;
    assert_eq!(wait.out.lines().len(), 2, "{}", wait.all());
    cloud.simulator.clear_faults();
    wait.stride = 10;
    assert_eq!(wait.end(&cloud, 7_200).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_token_is_ever_printed() {
    let cloud = Cloud::begin().await;
    let exports = cloud.simulator.exports();
    let (_, token) = exports.iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN").unwrap();
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.pass(&cloud, 30).await;
    cloud.out(500);
    wait.pass(&cloud, 60).await;
    cloud.simulator.clear_faults();
    cloud.simulator.revoke_tokens();
    wait.end(&cloud, 120).await;
    assert!(!wait.all().contains(token.as_str()), "{}", wait.all());
    assert!(!wait.all().contains("Bearer"), "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_03_an_outage_while_the_projects_are_searched_does_not_end_the_wait() {
    let cloud = Cloud::begin().await;
    let out = FaultEffect::answer(503, r#"{"code":"Unavailable","message":"upstream"}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/permissions", None, out));
    let projects = Some(Vec::new());
    let mut wait = cloud.wait(WaitCommand { projects, ..command("bravo", Goal::Prepared) });
    wait.pass(&cloud, 60).await;
    assert!(!wait.is_over(), "{}", wait.all());
    assert!(wait.out.text().contains("upstream (HTTP 503); retrying"), "{}", wait.all());
    cloud.simulator.clear_faults();
    assert_eq!(wait.end(&cloud, 60).await, 0, "{}", wait.all());
    let none = FaultEffect::answer(200, r#"{"items":[]}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/permissions", None, none));
    let projects = Some(Vec::new());
    let mut wait = cloud.wait(WaitCommand { projects, ..command("bravo", Goal::Prepared) });
    assert_eq!(wait.end(&cloud, 60).await, 1, "{}", wait.all());
    assert!(wait.err.text().contains("may not list clusters in any project"), "{}", wait.all());
}
