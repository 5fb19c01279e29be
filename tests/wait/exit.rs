//! Early ends of a wait, and its output in a terminal.

use skeys::testing::cli::Goal;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, SCENE, WaitCommand, command};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_exits_with_124_and_prints_the_status() {
    let cloud = Cloud::begin().await;
    let mut wait =
        cloud.wait(WaitCommand { timeout: Some(5_400), ..command("bravo", Goal::Completed) });
    wait.stride = 30;
    wait.pass(&cloud, 5_399).await;
    assert!(!wait.is_over());
    assert_eq!(wait.end(&cloud, 1).await, 124);
    assert_eq!(wait.err.text(), "skeys: timed out after 1h 30m: bravo is PREPARED\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_ends_pending_requests_and_searches() {
    let cloud = Cloud::begin().await;
    cloud.simulator.inject_fault(Fault::delay("/clusters", 3_600));
    let mut wait =
        cloud.wait(WaitCommand { timeout: Some(5), ..command("bravo", Goal::Completed) });
    assert_eq!(wait.end(&cloud, 6).await, 124, "{}", wait.all());
    assert_eq!(wait.err.text(), "skeys: timed out after 5s: bravo not found yet\n");
    // The reason why nothing was found is not lost, either, if the end comes during another attempt.
    cloud.simulator.clear_faults();
    cloud.simulator.inject_fault(Fault::new(
        "GET",
        "/clusters",
        Some(2),
        FaultEffect::answer(503, "away"),
    ));
    let mut slow = Fault::delay("/clusters", 3_600);
    slow.after = 2;
    cloud.simulator.inject_fault(slow);
    let mut wait =
        cloud.wait(WaitCommand { timeout: Some(10), ..command("bravo", Goal::Completed) });
    assert_eq!(wait.end(&cloud, 11).await, 124, "{}", wait.all());
    let said = wait.err.text();
    assert!(said.contains("bravo not found yet; SKE reads failing for"), "{said}");
    assert!(said.contains("HTTP 503"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_02_signals_end_it_immediately() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    for (number, status) in [(2, 130), (15, 143), (1, 129)] {
        let mut wait = cloud.wait(command("alpha", Goal::Prepared));
        wait.settle(&cloud).await;
        wait.signal(number);
        assert_eq!(wait.end(&cloud, 0).await, status, "{}", wait.all());
        let said = wait.err.text();
        assert_eq!(
            said,
            "skeys: interrupted by a signal: alpha is PREPARING; the rotation continues without skeys\n"
        );
    }
    cloud.simulator.inject_fault(Fault::delay("/clusters", 3_600));
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.settle(&cloud).await;
    wait.signal(15);
    assert_eq!(wait.end(&cloud, 0).await, 143, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_04_a_restarted_wait_has_the_right_result() {
    let cloud = Cloud::with(SCENE, 4.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    // Killed at several points, and restarted with nothing but what the API shows.
    for seconds in [1, 60, 300, 900] {
        let wait = cloud.wait(command("alpha", Goal::Prepared));
        wait.pass(&cloud, seconds).await;
        wait.kill();
        if wait.out.text().contains(" PREPARED ") {
            break;
        }
    }
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
    // A preparation in between is seen at the first read, and so is a completion.
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    assert_eq!(wait.end(&cloud, 0).await, 0, "{}", wait.all());
    cloud.step("alpha", ClusterOperation::CompleteRotation);
    let wait = cloud.wait(command("alpha", Goal::Completed));
    wait.pass(&cloud, 10).await;
    wait.kill();
    let mut past = cloud.wait(command("alpha", Goal::Prepared));
    assert_eq!(past.end(&cloud, 0).await, 0, "{}", past.all());
    assert!(past.out.text().contains("passed PREPARED"), "{}", past.all());
    let mut wait = cloud.wait(command("alpha", Goal::Completed));
    assert_eq!(wait.end(&cloud, 900).await, 0, "{}", wait.all());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_01_a_closed_output_ends_it_silently() {
    let cloud = Cloud::with(SCENE, 10.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let mut wait = cloud.wait(command("alpha", Goal::Prepared));
    wait.settle(&cloud).await;
    wait.out.close();
    assert_eq!(wait.end(&cloud, 1_200).await, 1, "{}", wait.all());
    assert_eq!(wait.err.text(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bar_is_one_line_on_standard_error_and_the_result_one_on_standard_output() {
    let cloud = Cloud::with(SCENE, 4.0).await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let variable = None;
    let mut wait = cloud.wait(WaitCommand {
        variable,
        columns: Some(100),
        ..command("alpha", Goal::Prepared)
    });
    assert_eq!(wait.end(&cloud, 3_600).await, 0, "{}", wait.all());
    let lines = wait.out.lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].contains(" alpha PREPARED all 3 nodes replaced (started "), "{lines:#?}");
    let drawn = wait.err.text();
    assert!(!drawn.contains('\n'), "{drawn:?}");
    let frames: Vec<&str> = drawn.split("\r\u{1b}[K").collect();
    assert!(
        frames.iter().any(|frame| frame.contains("▱▱ 3 of 3 nodes left to replace, usually")),
        "{frames:#?}"
    );
    assert!(
        frames.iter().any(|frame| frame.contains('▰') && frame.contains(" nodes left to replace")),
        "{frames:#?}"
    );
    assert!(frames.windows(2).all(|pair| pair[0] != pair[1] || pair[0].is_empty()), "{frames:#?}");
    // Progress in the terminal's own format, cleared at the end; then the bell.
    assert!(drawn.contains("\u{1b}]9;4;3;0\u{7}") && drawn.contains("\u{1b}]9;4;1;"), "{drawn:?}");
    assert!(drawn.ends_with("\u{1b}]9;4;0;0\u{7}\r\u{1b}[K\u{7}"), "{drawn:?}");
    assert!(!drawn.contains("\u{1b}[3") && !drawn.contains("\u{1b}[9"), "no colours: {drawn:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_bar_is_cleared_before_other_output() {
    let cloud = Cloud::begin().await;
    cloud.step("alpha", ClusterOperation::StartRotation);
    let with_bar = || WaitCommand {
        columns: Some(80),
        timeout: Some(150),
        ..command("alpha", Goal::Prepared)
    };
    let mut wait = cloud.wait(with_bar());
    assert_eq!(wait.end(&cloud, 151).await, 124);
    let drawn = wait.err.text();
    let end = "\u{1b}]9;4;0;0\u{7}\r\u{1b}[Kskeys: timed out after 2m: alpha is PREPARING; \
               the rotation continues without skeys\n\u{7}";
    assert!(drawn.ends_with(end), "{drawn:?}");
    // Elapsed time is in seconds for two minutes, then in minutes.
    assert!(drawn.contains("waited 119s") && drawn.contains("waited 2m"), "{drawn:?}");
    assert_eq!(drawn.matches("waited 2m").count(), 1, "{drawn:?}");
    let mut wait = cloud.wait(with_bar());
    wait.settle(&cloud).await;
    wait.signal(2);
    assert_eq!(wait.end(&cloud, 0).await, 130);
    assert!(!wait.err.text().contains("]9;4;0;0\u{7}\u{7}"), "a person at the keys needs no bell");
    assert!(wait.err.text().ends_with("without skeys\n"), "{:?}", wait.err.text());
}
