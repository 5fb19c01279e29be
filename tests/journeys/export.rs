//! Export of the screens' lists: to a file, to the clipboard, and where it is empty or not allowed.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use skeys::testing::app::settings::ObservationScope;

use crate::simulated_cluster::observing;
use crate::support::{Journey, PROJECT, Setting};

/// Names of exported files.
fn exported(journey: &Journey) -> Vec<String> {
    let files = std::fs::read_dir(journey.home.path()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("skeys-")).collect();
    names.sort();
    names
}

/// The last text sent to the terminal's clipboard.
fn copied(journey: &Journey) -> String {
    let sent = journey.sent.lock().unwrap().last().unwrap().clone();
    let text = sent.strip_prefix("\u{1b}]52;c;").unwrap().trim_end_matches('\u{7}');
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_rows_of_the_fleet_are_exported_as_they_are_shown() {
    let mut journey = Journey::begin().await;
    journey.press("sn/!alpha<enter><ctrl-s>").await;
    journey.shows("━ Export ━");
    journey.press("<enter>").await;
    journey.says("Exported 7 clusters to ");
    let names = exported(&journey);
    assert!(
        names[0].starts_with("skeys-fleet-20261124T1400") && names[0].ends_with("Z.csv"),
        "{names:?}"
    );
    let text = journey.read(&names[0]);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let keys = reader.headers().unwrap().clone();
    assert_eq!(
        keys.iter().take(4).collect::<Vec<_>>(),
        ["name", "project_id", "project", "region"]
    );
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let names: Vec<&str> = rows.iter().map(|row| &row[0]).collect();
    assert_eq!(names, ["bravo", "delta", "echo", "foxtrot", "legacy", "nova", "short"]);
    let value = |row: usize, key: &str| rows[row].get(keys.iter().position(|k| k == key).unwrap());
    assert_eq!(value(0, "project_id"), Some(PROJECT));
    assert_eq!(value(0, "phase"), Some("PREPARED"));
    assert_eq!(value(0, "last_started"), Some("2026-11-24T09:00:00Z"));
    assert_eq!(value(5, "last_started"), Some(""), "never rotated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_are_exported_to_the_clipboard() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>R<tab><enter>").await;
    journey.press("<esc>A<ctrl-s><down><down><down><down><enter>").await;
    journey.says("Sent to the terminal (OSC 52): ");
    let records: Value = serde_json::from_str(&copied(&journey)).unwrap();
    let starts: Vec<&Value> =
        records.as_array().unwrap().iter().filter(|record| record["step"] == "start").collect();
    assert_eq!(starts[0]["outcome"], "done");
    assert_eq!(starts[0]["cluster"], "alpha");
    assert_eq!(starts[0]["project_id"], PROJECT);
    assert!(starts[0]["at"].as_str().unwrap().starts_with("2026-11-24T14:00:"), "{records:#}");
    assert_eq!(exported(&journey), [""; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_with_their_blockers_are_exported() {
    let cluster = "[[projects.clusters]]\nname = \"farm\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\nprogress = 0.3\nblocked = [\"web\", \"eu01-1\", \"payments/api\"]\npools = [{ name = \"web\", nodes = 9 }]\n";
    let setting = Setting { size: (132, 40), ..observing(ObservationScope::Running, cluster) };
    let mut journey = Journey::with(setting).await;
    journey.press("<enter>3").await;
    journey.until("PDB payments/api", 600).await;
    journey.press("<ctrl-s><down><enter>").await;
    journey.says("Exported ");
    let rows: Value = serde_json::from_str(&journey.read(&exported(&journey)[0])).unwrap();
    let rows = rows.as_array().unwrap();
    let of = |kind: &str| rows.iter().filter(|row| row["kind"] == kind).collect::<Vec<_>>();
    assert!(
        of("node").len() >= 9 && of("node").iter().all(|row| row["pool"] == "web"),
        "{rows:#?}"
    );
    let blocker = of("blocker")[0];
    assert!(blocker["object"].as_str().unwrap().starts_with("PodDisruptionBudget "), "{blocker:#}");
    let text = blocker["text"].as_str().unwrap();
    assert!(text.starts_with("PodDisruptionBudget ") && text.contains(". Pod "), "{blocker:#}");
    assert!(blocker["fix"].as_str().unwrap().starts_with("To unblock: "), "{blocker:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_and_the_checklist_are_exported_with_what_becomes_of_them() {
    let mut journey = Journey::begin().await;
    journey.press("/alpha<enter>K<ctrl-o>").await;
    journey.says("Kubeconfig of alpha →");
    journey.press("<enter>4<ctrl-s><down><down><enter>").await;
    journey.says("Exported 1 credential to ");
    let table = journey.read(&exported(&journey)[0]);
    assert!(
        table.starts_with("## alpha (") && table.contains("): phase COMPLETED, started "),
        "{table}"
    );
    assert!(table.contains("\n| credential | file and context | ends | status |"), "{table}");
    assert!(table.contains("works until the next rotation is completed"), "{table}");
    // The cluster itself is not observed.
    assert!(table.contains("- the cluster itself was not checked: "), "{table}");
    journey.press("<tab>").await;
    journey.shows("No clients listed.");
    journey.press("<ctrl-s>").await;
    journey.says("Export: nothing is listed here");
    journey.press("aci<enter>Kim<enter><enter><enter>").await;
    journey.press("<ctrl-s><down><down><enter>").await;
    journey.says("Exported 1 client to ");
    let name =
        exported(&journey).into_iter().find(|name| name.contains("-checklist-alpha-")).unwrap();
    assert_eq!(
        journey.read(&name),
        "| client | owner | new credentials | note |\n| --- | --- | --- | --- |\n| ci | Kim | open |  |\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_in_the_cluster_are_exported_although_no_kubeconfig_is_on_this_machine() {
    let cluster = "[[projects.clusters]]\nname = \"farm\"\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"\n\
         completed_ago = \"120d\"\npools = [{ name = \"web\", nodes = 3 }]\n\
         service_accounts = [{ namespace = \"ci\", name = \"robot\", token = \"manual\" }]\n";
    let mut journey = Journey::with(observing(ObservationScope::Open, cluster)).await;
    journey.press("<enter>4").await;
    journey.until("service-account token ci/robot", 60).await;
    journey.says("none found for this cluster");
    journey.press("<ctrl-s><down><enter>").await;
    journey.says("credentials to ");
    let report: Value = serde_json::from_str(&journey.read(&exported(&journey)[0])).unwrap();
    let tokens = report["in_cluster"]["tokens"].as_array().unwrap();
    let token = tokens.iter().find(|token| token["account"] == "robot").unwrap();
    assert_eq!((&token["breaks_on_complete"], &report["breaks"]), (&true.into(), &true.into()));
    assert_eq!(report["cluster"]["name"], "farm");
    journey.press("<ctrl-s><enter>").await;
    let csv = exported(&journey).into_iter().find(|name| name.contains("Z.csv")).unwrap();
    let csv = journey.read(&csv);
    assert!(csv.contains("service-account token,ci/robot"), "{csv}");
    assert!(csv.contains(",breaks_on_complete,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_read_only_mode_an_export_goes_to_the_clipboard_alone() {
    let setting = Setting::default().set("SKEYS_READ_ONLY", "true");
    let mut journey = Journey::with(setting).await;
    journey.press("<ctrl-s><enter>").await;
    journey.shows("Export: read-only mode writes no file; export to the clipboard");
    assert_eq!(exported(&journey), [""; 0]);
    journey.press("<down><down><down><enter>").await;
    assert!(copied(&journey).starts_with("name,project_id,project,region,"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_29_a_folder_that_is_gone_is_named() {
    let mut journey = Journey::begin().await;
    let home = journey.home.path().to_owned();
    std::fs::rename(&home, home.with_extension("moved")).unwrap();
    journey.press("<ctrl-s><enter>").await;
    journey.says("creating a temporary file failed");
    std::fs::rename(home.with_extension("moved"), &home).unwrap();
    journey.press("<esc><ctrl-s><enter>").await;
    journey.says("Exported 8 clusters to ");
}
