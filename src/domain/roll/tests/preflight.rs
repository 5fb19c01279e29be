//! What a snapshot tells before a step.

use std::sync::Arc;

use crate::domain::cluster::{Cluster, HibernationSchedule};
use crate::domain::fixtures::now;
use crate::domain::preflight::{Evidence, Finding, FindingMark, findings};
use crate::domain::roll::format;
use crate::domain::roll::preflight::{complete, estimate, start};
use crate::domain::roll::tests::cluster;
use crate::domain::roll::tests::stages::fixture;
use crate::domain::rotation::{Phase, Step};
use crate::domain::snapshot::{ClusterSnapshot, Node, OwnerReference, Pod, Unseen};

fn texts(found: &[Finding], mark: FindingMark) -> Vec<&str> {
    found.iter().filter(|f| f.mark == mark).map(|f| f.text.as_str()).collect()
}

/// A fixture as it looks before a start: the cluster rests, its pods and budgets are the same.
fn before_start(name: &str) -> (Cluster, ClusterSnapshot) {
    (cluster(Phase::Completed), fixture(name))
}

#[test]
fn without_a_picture_the_ske_api_alone_speaks() {
    let mut subject = cluster(Phase::Never);
    subject.pools[0].max_surge = 1;
    let found = start(&subject, None, now());
    assert!(texts(&found, FindingMark::Fine).is_empty(), "how many nodes there are is not known");
    assert_eq!(
        texts(&found, FindingMark::Note),
        [
            "pool web: surge 1 + unavailable 0 over 3 zones; eu01-2, eu01-3 drain a node before its replacement exists"
        ]
    );
    assert_eq!(
        texts(&found, FindingMark::Unknowable),
        [
            "free capacity and quota cannot be seen from here",
            "PodDisruptionBudgets: not visible in the SKE API"
        ]
    );
}

#[test]
fn budgets_that_will_hold_a_drain_are_counted_and_named() {
    let (subject, snapshot) = before_start("blocked_by_budgets");
    let found = start(&subject, Some(&snapshot), now());
    let notes = texts(&found, FindingMark::Note).join("\n");
    for part in [
        "4 PodDisruptionBudgets never let a pod go and will hold every drain of their nodes: shop/db, billing/one, odd/unreadable and 1 more",
        "2 PodDisruptionBudgets allow no eviction now: payments/api, unready/sick",
        "1 pod is under more than one PodDisruptionBudget and cannot be evicted: twice/web-1",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
    assert!(!notes.contains("no-selector"), "it covers nothing");
    assert_eq!(
        texts(&found, FindingMark::Unknowable),
        [
            "free capacity and quota cannot be seen from here",
            "1 PodDisruptionBudget cannot be judged: odd/unreadable"
        ]
    );
}

#[test]
fn workloads_that_suffer_are_counted_and_named() {
    let (subject, snapshot) = before_start("held_by_pods");
    let found = start(&subject, Some(&snapshot), now());
    assert_eq!(
        texts(&found, FindingMark::Fine),
        [
            "4 nodes to replace, usually 10–20m in all if nothing blocks",
            "no PodDisruptionBudget stands in the way now",
        ]
    );
    let notes = start(&subject, Some(&snapshot), now());
    let notes = texts(&notes, FindingMark::Note).join("\n");
    for part in [
        "2 workloads with a single replica pause while their pods move: shop/disk, shop/zonal",
        "1 pod has no controller and does not come back: tools/shell",
        "1 pod uses a volume that stays on its node and cannot start elsewhere: shop/disk-0",
        "1 pod loses what it keeps in emptyDir or hostPath: shop/cache-1",
    ] {
        assert!(notes.contains(part), "{part}\n{notes}");
    }
}

#[test]
fn long_lists_are_cut() {
    let (subject, mut snapshot) = before_start("held_by_pods");
    let template: Pod = (*snapshot.pods[2]).clone();
    for number in 0..5_000 {
        let name = format!("bare-{number}");
        snapshot.pods.push(Arc::new(Pod { uid: name.clone(), name, ..template.clone() }));
        let name = format!("lonely-{number}");
        let owner = Some(OwnerReference { kind: "ReplicaSet".into(), name: name.clone() });
        snapshot.pods.push(Arc::new(Pod { uid: name.clone(), name, owner, ..template.clone() }));
    }
    let found = start(&subject, Some(&snapshot), now());
    assert!(found.len() < 20);
    assert!(found.iter().all(|finding| finding.text.chars().count() < 220), "{found:?}");
    assert!(
        texts(&found, FindingMark::Note).iter().any(|text| text.starts_with("5001 pods have no"))
    );
}

#[test]
fn what_falls_into_the_usual_time_is_noted() {
    let mut subject = cluster(Phase::Never);
    let sleep = |start: &str| {
        vec![HibernationSchedule {
            start: start.into(),
            end: "0 6 * * *".into(),
            timezone: String::new(),
        }]
    };
    subject.schedules = sleep("7 14 * * *");
    subject.maintenance = Some(("14:10".into(), "15:00".into()));
    let notes = start(&subject, None, now());
    let notes = texts(&notes, FindingMark::Note).join("\n");
    assert!(notes.contains("hibernation is scheduled in 4m"), "{notes}");
    assert!(notes.contains("the maintenance window opens in 7m"), "{notes}");
    subject.schedules = sleep("0 20 * * *");
    subject.maintenance = None;
    assert!(texts(&start(&subject, None, now()), FindingMark::Note).is_empty());
    subject.schedules = sleep("@midnight");
    let unclear = start(&subject, None, now());
    let unclear = texts(&unclear, FindingMark::Unknowable).join("\n");
    assert!(unclear.contains("hibernation is scheduled (@midnight)"), "{unclear}");
}

#[test]
fn the_usual_time_is_that_of_the_slowest_zone() {
    let mut subject = cluster(Phase::Never);
    subject.pools[0].max_surge = 1;
    let span = |subject: &Cluster| {
        let (nodes, span) = estimate(subject, Some(&fixture("every_stage"))).unwrap();
        (nodes, format::span(span))
    };
    assert_eq!(span(&subject), (13, "35–50m".into()));
    subject.pools[0].max_surge = 6;
    assert_eq!(span(&subject), (13, "20–30m".into()));
    subject.pools.clear();
    assert_eq!(estimate(&subject, None), None);
}

#[test]
fn kinds_that_cannot_be_listed_are_unknowable() {
    let (subject, mut snapshot) = before_start("held_by_pods");
    snapshot.pods.clear();
    snapshot.unseen.insert("pods", Unseen::Failing("forbidden".into()));
    let found = start(&subject, Some(&snapshot), now());
    assert_eq!(
        texts(&found, FindingMark::Unknowable),
        ["free capacity and quota cannot be seen from here", "pods are not known: forbidden"]
    );
    assert!(!texts(&found, FindingMark::Note).iter().any(|text| text.contains("replica")));
}

#[test]
fn complete_says_whether_every_node_is_new() {
    let subject = cluster(Phase::Prepared);
    let fine = complete(&subject, &fixture("all_new"), now());
    assert_eq!(texts(&fine, FindingMark::Fine), ["3 of 3 nodes were created after the start"]);
    assert!(texts(&fine, FindingMark::Note).is_empty());
    let lagging = complete(&subject, &fixture("prepared_but_lagging"), now());
    assert!(
        texts(&lagging, FindingMark::Note)[0].starts_with("2 nodes were created before the start")
    );
    let another = complete(&subject, &fixture("another_roll_while_prepared"), now());
    assert!(
        texts(&another, FindingMark::Note).contains(
            &"another roll is under way (1 of 3 nodes new); it is not part of the rotation"
        )
    );
    let waiting = complete(&subject, &fixture("held_by_pods"), now());
    assert!(
        texts(&waiting, FindingMark::Note)
            .iter()
            .any(|text| text.starts_with("2 pods find no node"))
    );
    let mut blind = fixture("all_new");
    blind.nodes.clear();
    blind.unseen.insert("nodes", Unseen::Failing("forbidden".into()));
    let blind = complete(&subject, &blind, now());
    assert_eq!(texts(&blind, FindingMark::Unknowable), ["nodes are not known: forbidden"]);
}

#[test]
fn cred_05_without_the_moment_of_the_start_no_node_is_called_new() {
    let mut subject = cluster(Phase::Prepared);
    subject.rotation.initiated = None;
    let found = complete(&subject, &fixture("all_new"), now());
    assert!(texts(&found, FindingMark::Fine).is_empty(), "{found:?}");
    assert!(texts(&found, FindingMark::Unknowable)[0].contains("SKE does not state when it was"));
    let mut undated = fixture("all_new");
    let first = Node { created: None, ..(*undated.nodes[0]).clone() };
    undated.nodes[0] = Arc::new(first);
    let found = complete(&cluster(Phase::Prepared), &undated, now());
    assert!(texts(&found, FindingMark::Fine).is_empty(), "{found:?}");
    assert!(texts(&found, FindingMark::Unknowable)[0].starts_with("whether 1 node was created"));
}

#[test]
fn k8s_14_complete_finds_the_same_whatever_our_clock_says() {
    let subject = cluster(Phase::Prepared);
    for name in ["all_new", "prepared_but_lagging"] {
        let mut snapshot = fixture(name);
        let told = complete(&subject, &snapshot, now());
        for skew in [3_600, -3_600, 86_400] {
            snapshot.skew_seconds = skew;
            assert_eq!(complete(&subject, &snapshot, now()), told, "{name} {skew}");
        }
    }
}

#[test]
fn the_dialogs_findings_carry_them() {
    let evidence = Evidence { snapshot: Some(Arc::new(fixture("all_new"))), ..Evidence::default() };
    let found = findings(Step::Complete, &cluster(Phase::Prepared), &evidence, now());
    assert!(
        texts(&found, FindingMark::Fine).contains(&"3 of 3 nodes were created after the start")
    );
    let found = findings(Step::Start, &cluster(Phase::Completed), &evidence, now());
    assert!(
        texts(&found, FindingMark::Fine).contains(&"no PodDisruptionBudget stands in the way now")
    );
}
