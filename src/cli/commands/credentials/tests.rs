//! How the report shows incomplete data, and the exit status.

use std::sync::Arc;

use crate::app::credentials::report::CredentialsReport;
use crate::app::credentials::text;
use crate::cli::args::Format;
use crate::cli::commands::credentials::{BREAKS, UNCHECKED, render, status};
use crate::domain::credential::{
    CredentialKind, FoundFile, Generation, InCluster, KnownCredential, KubeconfigLocation,
    StaleCertificate, StaleToken, Trial, Verdict,
};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures::{cluster, now};
use crate::domain::known_checklist::{ChecklistSource, KnownChecklist};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::snapshot::Unseen;

/// Makes a report incomplete.
type Change<'a> = &'a dyn Fn(&mut CredentialsReport);

/// Everything was read, and nothing was found.
fn report() -> CredentialsReport {
    CredentialsReport {
        cluster: cluster("shop", Phase::Prepared),
        now: now(),
        is_outdated: false,
        known: Vec::new(),
        files: Arc::default(),
        no_files: None,
        not_recorded: None,
        in_cluster: Ok(InCluster {
            tokens: Vec::new(),
            certificates: Some(Vec::new()),
            pods: Vec::new(),
            pods_are_judged: true,
            unseen: Vec::new(),
        }),
        context: None,
        checklist: known_checklist(ChecklistSource::Local),
        checklist_unseen: String::new(),
    }
}

fn known_checklist(source: ChecklistSource) -> KnownChecklist {
    let is_current = source == ChecklistSource::Local;
    KnownChecklist { list: Arc::default(), source, is_current }
}

fn known(verdict: Verdict) -> KnownCredential {
    KnownCredential {
        location: KubeconfigLocation::Clipboard,
        kind: CredentialKind::ClientCertificate,
        expires: None,
        verdict,
        reasons: Vec::new(),
        wide_mode: None,
        other_file: None,
    }
}

fn stale_token(generation: Generation) -> StaleToken {
    StaleToken {
        namespace: "ci".into(),
        name: "robot".into(),
        account: "robot".into(),
        generation,
        is_replaced: Some(false),
        last_used: None,
        used_since_start: false,
    }
}

#[test]
fn only_what_was_looked_at_in_full_ends_with_zero() {
    let whole = report();
    assert_eq!(status(&whole), 0);
    assert!(render::report(&whole, Format::Table).contains(&format!("{}\n", text::NONE_FOUND)));
    let broken = FoundFile {
        path: "~/.kube/broken.yaml".into(),
        other_names: Vec::new(),
        is_default: false,
        wide_mode: None,
        contexts: Err("not UTF-8".into()),
    };
    let unseen = |report: &mut CredentialsReport| {
        if let Ok(inside) = &mut report.in_cluster {
            inside.unseen.push(("pods", Unseen::Failing("forbidden".into())));
        }
    };
    let no_requests = |report: &mut CredentialsReport| {
        if let Ok(inside) = &mut report.in_cluster {
            inside.certificates = None;
        }
    };
    let too_early = |report: &mut CredentialsReport| {
        if let Ok(inside) = &mut report.in_cluster {
            inside.pods_are_judged = false;
        }
    };
    let unclear_token = |report: &mut CredentialsReport| {
        if let Ok(inside) = &mut report.in_cluster {
            inside.tokens.push(stale_token(Generation::Unknown));
        }
    };
    let unclear_request = |report: &mut CredentialsReport| {
        if let Ok(inside) = &mut report.in_cluster {
            inside.certificates = Some(vec![StaleCertificate {
                request: "csr-1".into(),
                requester: "me".into(),
                expires: now(),
                generation: Generation::Unknown,
            }]);
        }
    };
    let locked = || ChecklistSource::Failed(Failure::new(FailureKind::File, "locked"));
    let incomplete: [(&str, Change<'_>); 13] = [
        (text::PODS_UNKNOWN, &too_early),
        ("? service-account token ci/robot", &unclear_token),
        ("HTTP 401", &|report| report.in_cluster = Err("HTTP 401".into())),
        ("not UTF-8", &|report| report.files = [broken.clone()].into()),
        ("state.json", &|report| report.not_recorded = Some("state.json: it is empty".into())),
        ("forbidden", &unseen),
        ("", &no_requests),
        ("csr-1", &unclear_request),
        ("locked", &|report| report.checklist = known_checklist(locked())),
        ("forbidden by a policy", &|report| {
            report.checklist = known_checklist(ChecklistSource::Copy);
            report.checklist_unseen = "forbidden by a policy".to_owned();
        }),
        ("older state of the rotation", &|report| report.is_outdated = true),
        ("no longer shared", &|report| {
            report.checklist = known_checklist(ChecklistSource::CopyOfRemoved);
        }),
        ("? checklist: shared; currently not read", &|report| {
            let only_here = Vec::new();
            report.checklist = KnownChecklist {
                is_current: false,
                ..known_checklist(ChecklistSource::Shared { only_here })
            };
        }),
    ];
    for (why, change) in incomplete {
        let mut report = report();
        change(&mut report);
        assert_eq!(status(&report), UNCHECKED, "{why}");
        let table = render::report(&report, Format::Table);
        assert!(table.contains(text::NONE_FOUND_READ) && table.contains(why), "{table}");
        let json = render::report(&report, Format::Json);
        assert!(json.contains("\"everything_checked\": false"), "{json}");
        report.known.push((known(Verdict::BreaksOnComplete), None));
        assert_eq!(status(&report), BREAKS, "what breaks is known");
    }
    for change in [
        (|rotation| rotation.initiated = None) as fn(&mut Rotation),
        |rotation| rotation.phase = Phase::Unknown("SOON".into()),
        |rotation| rotation.completed = Some(now()),
    ] {
        let mut report = report();
        change(&mut report.cluster.rotation);
        assert_eq!(status(&report), UNCHECKED, "nothing can be judged by it");
        let table = render::report(&report, Format::Table);
        assert!(table.contains(&format!("? {}\n", text::ROTATION_UNCLEAR)), "{table}");
        assert!(render::report(&report, Format::Json).contains("\"rotation_unclear\": true"));
    }
}

#[test]
fn the_status_is_that_of_the_worst_result() {
    let mut unstated = report();
    unstated.cluster.rotation =
        Rotation { phase: Phase::Unknown(String::new()), initiated: None, completed: None };
    let table = render::report(&unstated, Format::Table);
    assert!(table.lines().next().unwrap().ends_with(": phase UNSTATED"), "{table}");
    let mut early = report();
    early.cluster.rotation.phase = Phase::Preparing;
    let refused = Trial::Refused("HTTP 401".into());
    early.known.push((known(Verdict::SurvivesComplete), Some(refused)));
    assert_eq!(status(&early), UNCHECKED, "not accepted yet");
    early.cluster.rotation.phase = Phase::Prepared;
    assert_eq!(status(&early), BREAKS, "judged wrongly");
    let table = render::report(&early, Format::Table);
    assert!(table.contains("refused (HTTP 401), contrary to the verdict"), "{table}");
    let json = render::report(&early, Format::Json);
    assert!(json.contains("\"tried_why\": \"HTTP 401\""), "{json}");
    let mut unclear = report();
    unclear.known.push((known(Verdict::CannotTell), None));
    assert_eq!(status(&unclear), UNCHECKED);
    unclear.known = vec![(known(Verdict::SurvivesComplete), None)];
    assert_eq!(status(&unclear), 0);
    unclear.known[0].1 = Some(Trial::NotTried("a plugin signs in".into()));
    assert_eq!(status(&unclear), 0);
    unclear.known[0].1 = Some(Trial::NoAnswer("refused".into()));
    assert_eq!(status(&unclear), UNCHECKED, "it was to be proved");
    let mut inside = report();
    if let Ok(inside) = &mut inside.in_cluster {
        inside.tokens.push(stale_token(Generation::Previous));
    }
    assert_eq!(status(&inside), BREAKS);
}
