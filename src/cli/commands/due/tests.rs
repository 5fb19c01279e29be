//! The outputs of `skeys due`.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use crate::cli::args::DueFormat;
use crate::cli::commands::due::{CheckedCluster, Report, render, text};
use crate::domain::cluster::{Cluster, KubernetesVersion, ProjectId, Region, Scope};
use crate::domain::credential::{CredentialKind, KnownCredential, KubeconfigLocation, Verdict};
use crate::domain::due::{DueLimits, due};
use crate::domain::fixtures::{cluster, now};
use crate::domain::rotation::Phase;

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

fn checked(cluster: Cluster, known: Vec<KnownCredential>) -> CheckedCluster {
    let limit = days(180);
    let due = due(&cluster, &known, DueLimits { age: limit, kubeconfig: days(7) }, now());
    CheckedCluster { cluster, now: now(), limit, known, due }
}

fn known(location: KubeconfigLocation, expires_in: i64) -> KnownCredential {
    KnownCredential {
        location,
        kind: CredentialKind::ClientCertificate,
        expires: Some(now() + days(expires_in)),
        verdict: Verdict::Works,
        reasons: Vec::new(),
        wide_mode: None,
        other_file: None,
    }
}

fn file(path: &str) -> KubeconfigLocation {
    KubeconfigLocation::File { path: path.into(), context: "web".into(), whole: false }
}

/// A fleet with everything that can be due, and a region that does not answer.
fn report() -> Report {
    let mut stuck = cluster("stuck", Phase::Preparing);
    stuck.problems.push(crate::domain::cluster::ReportedError {
        code: "SKE_QUOTA_EXCEEDED".into(),
        message: "no quota".into(),
    });
    let mut expiring = cluster("expiring", Phase::Completed);
    expiring.version_expires = Some(now() + days(9));
    expiring.pools[0].image_expires = Some(now() - days(2));
    expiring.pools[0].version = Some(KubernetesVersion::new("1.31.9"));
    expiring.pools[0].version_expires = Some(now() - days(1));
    let kubeconfigs = vec![
        known(file("~/.kube/a \"b\"\\c.yaml"), -3),
        known(file("~/.kube/config"), 2),
        known(KubeconfigLocation::Clipboard, 3),
        known(KubeconfigLocation::Clipboard, 2),
        known(file("~/.kube/later.yaml"), 100),
    ];
    let mut overdue = cluster("overdue", Phase::Completed);
    overdue.rotation.initiated = Some(now() - days(200));
    let scope = |region| Scope { project: ProjectId::new("p-1"), region: Region::new(region) };
    Report {
        now: now(),
        clusters: vec![
            checked(cluster("calm", Phase::Completed), Vec::new()),
            checked(expiring, kubeconfigs),
            checked(cluster("never", Phase::Never), Vec::new()),
            checked(overdue, Vec::new()),
            checked(cluster("prepared", Phase::Prepared), Vec::new()),
            checked(stuck, Vec::new()),
        ],
        scopes: vec![(scope("eu01"), None), (scope("eu02"), Some("HTTP 503".into()))],
        not_offered: [Region::new("eu0l")].into(),
        unread: vec![("~/.kube/broken.yaml".into(), "not UTF-8".into())],
        not_recorded: Some("state.json: it is empty; what it recorded is unknown".into()),
    }
}

#[test]
fn the_outputs_say_what_is_due_and_what_is_missing() {
    let report = report();
    assert_eq!(report.status(), 1, "a part is missing");
    let text = [
        render::report(&report, DueFormat::Table),
        render::problems(&report),
        render::report(&report, DueFormat::Json),
        render::report(&report, DueFormat::Prometheus),
    ]
    .join("\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("due", text);
    });
}

#[test]
fn the_status_tells_due_from_failed() {
    let mut report = report();
    report.scopes.pop();
    assert_eq!(report.status(), 3);
    report.clusters.truncate(1);
    assert_eq!(report.status(), 0, "an unreadable file is no failure");
    assert_eq!(render::report(&report, DueFormat::Table), "nothing is due in 1 cluster\n");
}

#[test]
fn what_could_not_be_listed_is_not_said_to_be_without_anything_due() {
    let mut report = report();
    report.clusters.truncate(1);
    let table = |report: &Report| render::report(report, DueFormat::Table);
    assert_eq!(table(&report), "nothing is due in the 1 cluster that could be listed\n");
    report.clusters.clear();
    assert_eq!(table(&report), "no clusters could be listed\n");
}

#[test]
fn every_gap_that_is_told_to_a_person_is_told_to_a_program() {
    let report = report();
    let json = render::report(&report, DueFormat::Json);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    for field in ["not_listed", "files_not_read", "regions_not_offered"] {
        assert_eq!(json[field].as_array().map(Vec::len), Some(1), "{field}");
    }
    assert_eq!(json["records_not_read"].as_str(), report.not_recorded.as_deref());
}

#[test]
fn every_metric_has_help_and_type_and_each_series_stands_once() {
    let text = render::report(&report(), DueFormat::Prometheus);
    let (mut described, mut series) = (BTreeSet::new(), BTreeSet::new());
    let mut current = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            current = help.split(' ').next().unwrap().to_owned();
            assert_eq!(lines.next(), Some(format!("# TYPE {current} gauge").as_str()));
            assert!(described.insert(current.clone()), "{current} stands in one place");
            continue;
        }
        let (name, labels, _value) = parse(line);
        assert_eq!(name, current);
        assert!(series.insert((name, labels.clone())), "{line}");
        if current.contains("kubeconfig") && labels.iter().any(|(_, value)| value.contains("\"b")) {
            assert!(
                labels.contains(&("place".into(), "~/.kube/a \"b\"\\c.yaml, context web".into()))
            );
        }
    }
    assert_eq!(described.len(), 9, "{described:?}");
}

/// Name, unescaped labels, and value of a sample; panics on anything else.
fn parse(line: &str) -> (String, Vec<(String, String)>, f64) {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            let (mut value, mut chars) = (String::new(), after.char_indices());
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match chars.next().unwrap().1 {
                        'n' => '\n',
                        escaped @ ('"' | '\\') => escaped,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (_, plain) => value.push(plain),
                }
            };
            labels.push((label.to_owned(), value));
            rest = after.get(end + 1..).unwrap();
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap();
    }
    (name.to_owned(), labels, rest.strip_prefix(' ').unwrap().parse().unwrap())
}

#[test]
fn texts() {
    let all =
        text::ALL.iter().fold(String::new(), |all, (name, text)| all + name + ": " + text + "\n");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("texts", all);
    });
}
