//! The outputs of `skeys report`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::cli::args::{Flags, ReportFormat, ReportOf};
use crate::cli::commands::report::{create_report, run, text};
use crate::clock::Clock;
use crate::domain::fixtures::now;
use crate::store::journal::Journal;

/// A journal with a complete rotation of one cluster, and a cluster of the same name in another project.
const JOURNAL: &str = r#"{"at":"2026-11-20T09:00:00Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"start","request":"r3","outcome":"intended","text":"start credentials rotation"}
{"at":"2026-11-20T09:00:02Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"start","request":"r3","outcome":"done","text":"start: accepted (202)","trace":"7f3c"}
{"at":"2026-11-20T09:01:00Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"phase","outcome":"seen","text":"completed → preparing"}
{"at":"2026-11-20T09:01:20Z","who":"eve@acme","project":"p-1","region":"eu01","cluster":"shop","step":"phase","outcome":"seen","text":"completed → preparing"}
{"at":"2026-11-20T09:30:00Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"roll","outcome":"seen","text":"PDB payments/api allows no evictions | 1 of 1"}
{"at":"2026-11-20T10:02:00Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"phase","outcome":"observed","text":"preparing → PREPARED"}
{"at":"2026-11-20T10:03:00Z","who":"ops@acme","project":"p-1","region":"eu01","cluster":"shop","step":"kubeconfig","request":"r9","outcome":"done","text":"issued","expires":"2026-11-20T18:03:00Z"}
{"at":"2026-11-20T10:03:01Z","who":"ops@acme","project":"p-2","region":"eu01","cluster":"shop","step":"kubeconfig","request":"r9","outcome":"done","text":"issued"}
a line that is torn
{"at":"2026-11-21T08:00:00Z","who":"eve@acme","project":"p-1","region":"eu01","cluster":"shop","step":"complete","request":"r3","outcome":"intended","text":"complete credentials rotation; accepted: 1 kubeconfig of this machine will stop working: ~/.kube/ci.yaml"}
{"at":"2026-11-21T08:00:09Z","who":"eve@acme","project":"p-1","region":"eu01","cluster":"shop","step":"complete","request":"r3","outcome":"unknown","text":"complete: no clear answer: connection closed"}
{"at":"2026-11-21T08:00:40Z","who":"eve@acme","project":"p-1","region":"eu01","cluster":"shop","step":"complete","request":"r3","outcome":"done","text":"complete: read back: the step happened","trace":"81aa"}
{"at":"2026-11-21T08:20:00Z","who":"eve@acme","project":"p-1","region":"eu01","cluster":"shop","step":"phase","outcome":"seen","text":"completing → completed"}
"#;

fn report(folder: &Path, cluster: &str, format: ReportFormat) -> Result<String, String> {
    let arguments = ReportOf { cluster: cluster.parse().unwrap(), format };
    let told = create_report(&Flags::default(), &arguments, &Journal::open(folder).unwrap(), now());
    told.map_err(|error| error.to_string())
}

#[test]
fn the_journal_is_told_as_markdown_and_json() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("journal.jsonl"), JOURNAL).unwrap();
    let both = [ReportFormat::Markdown, ReportFormat::Json]
        .map(|format| report(home.path(), "p-1/eu01/shop", format).unwrap())
        .join("\n")
        .replace(&home.path().display().to_string(), "STATE");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("report", both);
    });
}

#[test]
fn two_runs_that_used_one_id_at_the_same_time_are_not_told_apart() {
    let home = tempfile::tempdir().unwrap();
    let line = |second: u8, outcome: &str| {
        format!(
            r#"{{"at":"2026-11-20T09:00:0{second}Z","who":"ops","project":"p-1","region":"eu01","cluster":"shop","step":"start","request":"r13","outcome":"{outcome}","text":"start"}}"#
        ) + "\n"
    };
    let lines = [line(0, "intended"), line(1, "intended"), line(2, "refused"), line(3, "done")];
    fs::write(home.path().join("journal.jsonl"), lines.concat()).unwrap();
    let told = report(home.path(), "p-1/eu01/shop", ReportFormat::Markdown).unwrap();
    assert_eq!(told.matches(text::SHARED_ID).count(), 2, "{told}");
    assert!(!told.contains(text::NOT_STARTED) && !told.contains(text::NO_ANSWER), "{told}");
}

#[test]
fn a_name_must_be_that_of_one_cluster_of_the_journal() {
    let home = tempfile::tempdir().unwrap();
    let of = |cluster: &str| report(home.path(), cluster, ReportFormat::Json);
    assert!(of("shop").unwrap_err().ends_with("has no record of shop"), "there is no journal");
    fs::write(home.path().join("journal.jsonl"), JOURNAL).unwrap();
    let several = of("shop").unwrap_err();
    assert!(several.contains("named shop: p-1/eu01/shop, p-2/eu01/shop."), "{several}");
    let other = of("other").unwrap_err();
    assert!(other.ends_with("has no record of other; 1 line could not be read"), "{other}");
    let arguments = ReportOf { cluster: "shop".parse().unwrap(), format: ReportFormat::Markdown };
    let flags = Flags { project: vec!["p-2".to_owned()], ..Flags::default() };
    let of_project =
        create_report(&flags, &arguments, &Journal::open(home.path()).unwrap(), now()).unwrap();
    assert!(of_project.contains(text::NO_ROTATION), "{of_project}");
}

#[test]
fn texts() {
    let all =
        text::ALL.iter().fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("texts", all);
    });
}

#[tokio::test]
async fn file_28_a_journal_that_others_can_write_is_no_evidence() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("journal.jsonl"), JOURNAL).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let cluster = "p-1/eu01/shop".parse().unwrap();
    let arguments = ReportOf { cluster, format: ReportFormat::Json };
    let machine = (Clock::machine(), Some(home.path().to_owned()));
    let failure = run(&Flags::default(), &arguments, machine).await.unwrap_err().to_string();
    assert!(failure.contains("is writable by everyone (mode 0777)"), "{failure}");
}
