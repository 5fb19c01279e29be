//! Rotations from start to completed, and everything that stops one.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use skeys::testing::cli::{Flags, ReportFormat, ReportOf, report};
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Journey, PROJECT, Setting};

const START: &str = "start-credentials-rotation";
const COMPLETE: &str = "complete-credentials-rotation";

fn id(name: &str) -> ClusterId {
    ClusterId::new(PROJECT, "eu01", name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotation_runs_from_start_to_completed_with_keys_alone() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R").await;
    journey.shows("Start credentials rotation");
    journey.says("Static tokens, if any, stop working now");
    journey.press("<tab><enter>").await;
    journey.shows("Accepted at 14:00:");
    journey.until("SKE shows preparing.", 30).await;
    journey.hides("Waiting for SKE");
    journey.press("<enter>").await;
    journey.shows("preparing for");
    journey.until_slowly("◑ PREPARED", 20, 400).await;
    journey.shows("3 update clients");
    journey.press("R").await;
    journey.shows("Complete credentials rotation");
    journey.says("This cannot be undone.");
    journey.says("not checked in the cluster: nodes, pods");
    journey.press("alpha<enter><space>").await;
    journey.says("[x] accept the risk");
    journey.press("<tab><tab><enter>").await;
    journey.shows("Accepted at");
    journey.until_slowly("completed", 10, 200).await;
    journey.until_slowly("● completed", 10, 200).await;
    journey.press("A").await;
    journey.shows("start: accepted (202)");
    journey.shows("complete: accepted (202)");
    assert_eq!(journey.calls("POST", START), 1);
    assert_eq!(journey.calls("POST", COMPLETE), 1);
    let journal = journey.read("state/journal.jsonl");
    for step in ["\"step\":\"start\"", "\"step\":\"complete\""] {
        let outcomes: Vec<&str> = journal.lines().filter(|line| line.contains(step)).collect();
        assert_eq!(outcomes.len(), 2, "intended, then done: {journal}");
        assert!(outcomes[0].contains("\"outcome\":\"intended\""), "{journal}");
        assert!(outcomes[1].contains("\"outcome\":\"done\""), "{journal}");
        assert!(outcomes[1].contains("\"trace\":"), "{journal}");
        assert!(outcomes[1].contains("demo@simulator"), "{journal}");
    }
    let words = ReportOf { cluster: "alpha".parse().unwrap(), format: ReportFormat::Json };
    let machine = (journey.clock.clone(), Some(journey.path("state")));
    let told = report::run(&Flags::default(), &words, machine).await.unwrap();
    let told: Value = serde_json::from_str(&told.out).unwrap();
    let rotation = &told["rotations"][0];
    assert_eq!(
        (told["rotations"].as_array().unwrap().len(), told["cut"].as_bool()),
        (1, Some(false))
    );
    assert_eq!(rotation["outcome"], "completed", "{told:#}");
    let list = |field: &str, part: &str| -> Vec<&str> {
        rotation[field].as_array().unwrap().iter().map(|one| one[part].as_str().unwrap()).collect()
    };
    assert_eq!(list("steps", "step"), ["start", "complete"]);
    assert_eq!(list("steps", "outcome"), ["done", "done"]);
    assert_eq!(list("steps", "who"), ["demo@simulator"; 2]);
    assert_eq!(list("phases", "to"), ["preparing", "PREPARED", "completing", "completed"]);
    assert_eq!(rotation["traces"].as_array().unwrap().len(), 2, "{told:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_is_refused_in_each_forbidden_state_with_its_reason() {
    let mut journey = Journey::begin().await;
    for (name, state, reason) in [
        ("delta", None, "Complete: nodes are still being replaced"),
        ("foxtrot", None, "Start: a rotation is being completed"),
        ("echo", None, "Start: the cluster is hibernated; wake it up first"),
        ("alpha", Some("STATE_HIBERNATING"), "Start: the cluster is hibernating"),
        ("alpha", Some("STATE_WAKINGUP"), "Start: the cluster is waking up"),
        ("alpha", Some("STATE_CREATING"), "Start: the cluster is being created"),
        ("alpha", Some("STATE_DELETING"), "Start: the cluster is being deleted"),
        ("alpha", Some("STATE_DREAMING"), "Start: unknown state STATE_DREAMING"),
        ("bravo", Some("STATE_HIBERNATED"), "Complete: the cluster is hibernated"),
    ] {
        if let Some(state) = state {
            journey.simulator.with_cloud(|cloud| {
                cloud.cluster_mut(&id(name)).unwrap().set_state(state);
            });
        }
        journey.press(&format!("/<ctrl-u>{name}<enter>r")).await;
        journey.press("R").await;
        journey.shows(reason);
        journey.hides("credentials rotation");
        journey.wait(7).await;
    }
    assert_eq!(journey.calls("POST", START) + journey.calls("POST", COMPLETE), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_11_stale_reads_after_202_are_not_an_error() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::Stale { milliseconds: 60_000 }));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.shows("Accepted at");
    for _ in 0..11 {
        journey.wait(5).await;
        journey.shows("accepted");
        journey.hides("◔ preparing");
        journey.hides("did not start");
    }
    journey.until("◔ preparing", 20).await;
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_33_an_error_with_status_200_is_no_acceptance() {
    let mut journey = Journey::begin().await;
    let body = r#"{"code":"FailedPrecondition","message":"no"}"#;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::answer(200, body)));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.says("Checking whether the rotation started");
    journey.hides("Accepted at");
    journey.until_text("SKE shows no started rotation. You can start it again.", 200).await;
    assert_eq!(journey.calls("POST", START), 1);
    let journal = journey.read("state/journal.jsonl");
    assert!(!journal.contains("accepted (") && journal.contains("no (HTTP 200)"), "{journal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_12_a_start_with_a_lost_answer_is_read_back_and_found() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::DropAfter {}));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.until("The rotation started: SKE shows it", 10).await;
    assert_eq!(journey.calls("POST", START), 1);
    journey.press("<enter>").await;
    journey.shows("preparing");
    assert!(journey.read("state/journal.jsonl").contains("read back: the step happened"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_38_a_start_that_is_seen_without_an_answer_is_not_claimed() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::Drop {}));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.says("Checking whether the rotation started");
    // Ours was lost on the way; a colleague's was not.
    let now = journey.clock.now();
    journey.simulator.with_cloud(|cloud| {
        cloud.act(&id("alpha"), ClusterOperation::StartRotation, now).unwrap();
    });
    journey.until("The rotation started: SKE shows it", 10).await;
    journey.says("Someone else may have started it.");
    let journal = journey.read("state/journal.jsonl");
    assert!(journal.contains("the step happened; the request may be someone else's"), "{journal}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_13_a_start_that_never_arrived_is_read_back_and_may_be_repeated() {
    let mut journey = Journey::begin().await;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::Drop {}));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.says("Checking whether the rotation started");
    journey.wait(170).await;
    journey.says("Checking whether the rotation started");
    journey.until_text("SKE shows no started rotation. You can start it again.", 30).await;
    assert_eq!(journey.calls("POST", START), 1);
    // Again, through the complete dialog.
    journey.press("<enter>R").await;
    journey.shows("Start credentials rotation");
    journey.press("<tab><enter>").await;
    journey.shows("Accepted at");
    assert_eq!(journey.calls("POST", START), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_14_an_outcome_that_cannot_be_read_back_is_unknown_until_reads_work_again() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R").await;
    journey.order(Fault::new("POST", START, None, FaultEffect::DropAfter {}));
    journey.press("<tab>").await;
    // The read before the POST works, everything after it fails.
    journey.order_after(1, Fault::new("GET", "", None, FaultEffect::Drop {}));
    journey.press("<enter>").await;
    journey.says("Checking whether the rotation started");
    journey.until_text("Result unknown: SKE does not answer. skeys does not send the", 200).await;
    journey.press("<enter>R").await;
    journey.says("unknown whether the start took effect");
    assert_eq!(journey.calls("POST", START), 1);
    journey.simulator.clear_faults();
    journey.until("The rotation started: SKE shows it", 60).await;
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_15_a_refusal_keeps_the_servers_message_until_dismissed() {
    let mut journey = Journey::begin().await;
    let body = r#"{"code":"FailedPrecondition","message":"an encryption key rotation is under way","details":""}"#;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::answer(400, body)));
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.says("an encryption key rotation is under way");
    journey.shows("FailedPrecondition");
    journey.shows("trace");
    journey.wait(60).await;
    journey.says("an encryption key rotation is under way");
    journey.press("<enter>").await;
    journey.hides("Start credentials rotation");
    journey.shows("completed");
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_16_a_phase_change_while_a_dialog_is_open_is_shown_and_nothing_is_sent() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R").await;
    journey.shows("Start credentials rotation");
    // Somebody else starts it between the check and the key press.
    let now = journey.clock.now();
    journey.simulator.with_cloud(|cloud| {
        cloud.act(&id("alpha"), ClusterOperation::StartRotation, now).unwrap();
    });
    journey.press("<tab><enter>").await;
    journey.shows("the phase changed from completed to preparing");
    assert_eq!(journey.calls("POST", START), 0);
    // The button stays disabled: the step is no longer possible.
    journey.press("<tab><enter>").await;
    journey.press("<tab><enter>").await;
    assert_eq!(journey.calls("POST", START), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_17_a_deleted_cluster_stays_on_screen_as_no_longer_listed() {
    let mut journey = Journey::begin().await;
    journey.press("/bravo<enter><enter>").await;
    journey.simulator.with_cloud(|cloud| cloud.delete(&id("bravo")));
    journey.until("no longer listed since 24 Nov 14:00", 60).await;
    journey.shows("bravo");
    journey.press("R").await;
    journey.shows("Complete: no longer listed");
    journey.press("<esc>").await;
    journey.press("<esc>").await;
    journey.shows("bravo");
    assert_eq!(journey.calls("POST", COMPLETE), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_18_a_recreated_cluster_of_the_same_name_is_another_one() {
    let mut journey = Journey::begin().await;
    journey.press("/bravo<enter><space>").await;
    journey.press("R").await;
    journey.shows("Complete credentials rotation");
    let now = journey.clock.now();
    journey.simulator.with_cloud(|cloud| cloud.recreate(&id("bravo"), now));
    journey.until("deleted and recreated", 60).await;
    journey.hides("Complete credentials rotation");
    journey.press("/<ctrl-u>marked<enter>").await;
    journey.shows("Nothing matches marked");
    assert_eq!(journey.calls("POST", COMPLETE), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_19_the_same_name_in_two_projects_and_regions_is_never_mixed() {
    let twins = ["5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21", "6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f"]
        .map(|id| {
            format!(
                "[[projects]]\nid = \"{id}\"\nname = \"p-{}\"\n{}",
                &id[..2],
                ["eu01", "eu02"]
                    .map(|region| format!(
                        "[[projects.clusters]]\nname = \"twin\"\nregion = \"{region}\"\n\
                         initiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n"
                    ))
                    .concat()
            )
        })
        .concat();
    let scene = format!("regions = [\"eu01\", \"eu02\"]\n{twins}");
    let setting = Setting { scene, ..Setting::default() }.set("SKEYS_REGIONS", "eu01,eu02");
    let mut journey = Journey::with(setting).await;
    journey.press("/twin region:eu02 project:p-6a<enter>").await;
    journey.shows("1 of 4 clusters");
    journey.press("R").await;
    journey.shows("project p-6a");
    journey.press("<tab><enter>").await;
    journey.says("for twin (eu02, p-6a).");
    let posts: Vec<String> = journey
        .simulator
        .request_log()
        .into_iter()
        .filter(|call| call.method == "POST")
        .map(|call| call.path)
        .collect();
    let wanted = format!(
        "/v2/projects/6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f/regions/eu02/clusters/twin/{START}"
    );
    assert_eq!(posts, [wanted]);
    journey.press("/<ctrl-u><enter>").await;
    journey.wait(10).await;
    let preparing = journey.screen().lines().filter(|line| line.contains("preparing")).count();
    assert!(preparing >= 1);
    let screen = journey.screen();
    let others =
        screen.lines().filter(|line| line.contains("● twin") && line.contains("completed"));
    assert_eq!(others.count(), 3, "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_26_the_selection_stays_on_its_cluster_when_the_list_order_changes() {
    let mut journey = Journey::begin().await;
    journey.press("<down><down><down>").await;
    let chosen = journey.cursor_line();
    journey.order(Fault::new("GET", "clusters", None, FaultEffect::Reverse {}));
    journey.press("r").await;
    journey.wait(40).await;
    assert_eq!(journey.cursor_line(), chosen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_06_confirming_a_start_twice_fast_sends_one_post() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R<tab>").await;
    journey.clock.turn(Duration::from_secs(1));
    journey.settle().await;
    journey.hold("<enter><enter><enter>").await;
    journey.wait(3).await;
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_09_a_held_enter_confirms_nothing_in_a_dialog_that_opens() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>").await;
    // The dialog opens while Tab and Enter are held down.
    journey.hold("R<tab><enter><enter><enter>").await;
    assert_eq!(journey.calls("POST", START), 0);
    journey.shows("Start credentials rotation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_08_a_paste_never_confirms_and_is_not_accepted_as_the_name() {
    let mut journey = Journey::begin().await;
    journey.press("/bravo<enter>R").await;
    journey.paste("bravo\n").await;
    journey.shows("type the name; pasting is disabled here");
    journey.press("<tab><tab><enter>").await;
    journey.paste("y\n").await;
    journey.paste(&"bravo\n".repeat(200_000)).await;
    assert_eq!(journey.calls("POST", COMPLETE), 0);
    journey.press("<esc>").await;
    // A text field accepts a bounded part, without line ends.
    journey.press("/").await;
    journey.paste(&"x\n".repeat(500_000)).await;
    journey.shows("x x x");
    journey.press("<esc><esc><esc>").await;
    journey.shows("alpha");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_05_complete_needs_the_exact_name() {
    let mut journey = Journey::begin().await;
    for (typed, said) in [
        ("brav", "the name is not bravo"),
        ("Bravo", "upper and lower case differ"),
        ("bravo ", "a space before or after"),
        ("alpha", "the name is not bravo"),
        ("", "type bravo to confirm"),
    ] {
        journey.press("/<ctrl-u>bravo<enter>R").await;
        journey.press(&typed.replace(' ', "<space>")).await;
        journey
            .press(if typed.is_empty() { "<tab><enter>" } else { "<tab><tab><tab><enter>" })
            .await;
        journey.shows(said);
        journey.press("<esc>").await;
    }
    assert_eq!(journey.calls("POST", COMPLETE), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_07_the_dialog_keeps_its_cluster_when_rows_move_under_the_cursor() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>").await;
    journey.press("R").await;
    journey.shows("cluster   alpha");
    // The fleet changes: another cluster becomes the most urgent, the filter no longer decides.
    let now = journey.clock.now();
    journey.simulator.with_cloud(|cloud| {
        cloud.act(&id("nova"), ClusterOperation::StartRotation, now).unwrap();
    });
    journey.wait(35).await;
    journey.shows("cluster   alpha");
    journey.press("<tab><enter>").await;
    journey.shows("Accepted at");
    let posts = journey.simulator.request_log();
    let post = posts.iter().find(|call| call.method == "POST").unwrap();
    assert!(post.path.contains("/clusters/alpha/"), "{}", post.path);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_08_read_only_sends_no_post_and_writes_no_kubeconfig() {
    let setting = Setting::default().set("SKEYS_READ_ONLY", "true");
    let mut journey = Journey::with(setting).await;
    journey.shows("READ-ONLY");
    for (name, keys) in [("alpha", "RKC"), ("bravo", "RK"), ("echo", "W")] {
        journey.press(&format!("/<ctrl-u>{name}<enter>")).await;
        for key in keys.chars() {
            journey.press(&key.to_string()).await;
            journey.shows("read-only mode");
            journey.hides("credentials rotation");
            journey.hides("New kubeconfig");
            journey.wait(7).await;
        }
        journey.press("<enter>").await;
        for key in keys.chars() {
            journey.press(&key.to_string()).await;
            journey.shows("read-only mode");
            journey.wait(7).await;
        }
        journey.press("<esc>").await;
    }
    assert!(journey.simulator.request_log().iter().all(|call| call.method == "GET"));
    assert!(!journey.path(".kube").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_01_a_wall_clock_jump_keeps_ages_right_without_extra_requests() {
    let mut journey = Journey::begin().await;
    journey.wait(5).await;
    let before = journey.simulator.request_log().len();
    for by in [11, -11] {
        journey.clock.jump(SignedDuration::from_hours(by));
        journey.wait(10).await;
    }
    // One refresh after each jump, and the regular ones of a running cluster.
    let asked = journey.simulator.request_log().len() - before;
    assert!(asked <= 12, "{asked} requests");
    journey.shows("39d");
    journey.hides("overdue: ");
    journey.press("/alpha<enter>R").await;
    journey.clock.jump(SignedDuration::from_hours(6));
    journey.wait(2).await;
    // The dialog was rechecked after the jump.
    journey.shows("checked");
    journey.press("<tab><enter>").await;
    journey.shows("Accepted at");
    journey.until("preparing", 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_02_after_eight_hours_of_sleep_an_open_dialog_needs_a_new_reading_and_decision() {
    // The monotonic clock of some systems stops during sleep, on others it continues.
    for stops in [true, false] {
        let mut journey = Journey::begin().await;
        let sleep = |journey: &Journey| {
            let hours = SignedDuration::from_hours(8);
            if stops {
                journey.clock.jump(hours);
            } else {
                journey.clock.turn(hours.unsigned_abs());
            }
        };
        // One key press before sending.
        journey.press("/bravo<enter>Rbravo<tab><tab>").await;
        journey.shows("the name matches");
        journey.order(Fault::delay("/clusters", 1));
        sleep(&journey);
        // At once: the dialog takes no key until it has been read again for a moment.
        journey.hold("<enter>").await;
        journey.shows("checking …");
        assert_eq!(journey.calls("POST", COMPLETE), 0, "nothing read");
        journey.simulator.clear_faults();
        journey.wait(1).await;
        // A decision made eight hours ago must be made again.
        journey.shows("type bravo to complete");
        journey.press("<tab><enter>").await;
        assert_eq!(journey.calls("POST", COMPLETE), 0, "{}", journey.screen());
        journey.press("<esc><esc>/echo<enter>W<tab>").await;
        journey.shows("Wake up");
        sleep(&journey);
        journey.press("<enter>").await;
        assert_eq!(journey.calls("POST", "wakeup"), 0, "{}", journey.screen());
        journey.says("Wake up: closed because this machine was suspended. Check the cluster, then try again.");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_cluster_needs_its_name_for_a_start() {
    let setting = Setting::default().set("SKEYS_PROTECTED", "alph*");
    let mut journey = Journey::with(setting).await;
    journey.press("/alpha<enter>R<tab><tab><enter>").await;
    journey.shows("type alpha to confirm");
    assert_eq!(journey.calls("POST", START), 0);
    journey.press("alpha<tab><tab><enter>").await;
    journey.shows("Accepted at");
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hibernated_cluster_is_woken_up_and_can_then_be_rotated() {
    let mut journey = Journey::begin().await;
    journey.press("/echo<enter>W").await;
    journey.shows("Wake up");
    journey.press("<enter>").await;
    assert_eq!(journey.calls("POST", "wakeup"), 0, "the focus begins on Cancel");
    journey.press("W<tab><enter>").await;
    journey.shows("wake up accepted");
    assert_eq!(journey.calls("POST", "wakeup"), 1);
    journey.until_slowly("healthy", 30, 60).await;
    journey.press("R").await;
    journey.shows("Start credentials rotation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn termination_waits_for_the_answer_of_a_start() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R<tab>").await;
    journey.order(Fault::new("POST", START, Some(1), FaultEffect::Delay { milliseconds: 1_500 }));
    journey.press("<enter>").await;
    journey.terminate();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The response arrives within the two seconds that quitting waits.
    journey.clock.turn(Duration::from_secs(1));
    journey.clock.turn(Duration::from_millis(600));
    journey.end().await;
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_26_a_locked_journal_is_reported_and_stops_no_step() {
    let mut journey = Journey::begin().await;
    let journal = journey.path("state/journal.jsonl");
    std::fs::create_dir_all(journal.parent().unwrap()).unwrap();
    let held = std::fs::File::create(&journal).unwrap();
    held.lock().unwrap();
    journey.press("/alpha<enter>R<tab>").await;
    journey.clock.turn(Duration::from_millis(500));
    journey.strike("<enter>");
    journey.turn_until("its lock is held by process", 200).await;
    journey.turn_until("Accepted at", 200).await;
    drop(held);
    assert_eq!(journey.calls("POST", "start-credentials-rotation"), 1);
    let text = journey.read("state/journal.jsonl");
    assert!(text.contains("\"outcome\":\"intended\""), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_15_kubeconfig_files_that_change_while_the_dialog_is_open_need_another_decision() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K<ctrl-o>").await;
    journey.until("context alpha", 30).await;
    journey.press("R").await;
    journey.wait(2).await;
    journey.shows("✓ you have a kubeconfig");
    let file = journey.path(".kube/config");
    let kept = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    journey.press("<tab><enter>").await;
    journey.until("! The kubeconfig files on this machine have changed.", 20).await;
    journey.says("no kubeconfig on this machine outlasts the start");
    journey.hides("you have a kubeconfig");
    assert_eq!(journey.calls("POST", START), 0);
    // Without a key, the dialog follows the files.
    std::fs::write(&file, kept).unwrap();
    journey.until("✓ you have a kubeconfig", 30).await;
    journey.press("<tab><enter>").await;
    journey.wait(1).await;
    journey.press("<tab><enter>").await;
    journey.until("SKE shows preparing.", 30).await;
    assert_eq!(journey.calls("POST", START), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_was_refused_but_took_effect_is_told_as_such() {
    let mut journey = Journey::begin().await;
    let refused = FaultEffect::answer(429, r#"{"message": "slow down"}"#);
    journey.press("/alpha<enter>R").await;
    journey.wait(2).await;
    journey.order(Fault::new("POST", START, Some(1), refused));
    journey.press("<tab><enter>").await;
    journey.until("slow down", 20).await;
    let now = journey.clock.now();
    journey.simulator.with_cloud(|cloud| {
        cloud.act(&id("alpha"), ClusterOperation::StartRotation, now).unwrap();
    });
    journey.until("SKE now shows preparing", 120).await;
}
