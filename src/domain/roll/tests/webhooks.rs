//! Admission webhooks that nobody can ask, and those that hold nothing up.

use std::sync::Arc;

use crate::domain::cluster::Cluster;
use crate::domain::fixtures::now;
use crate::domain::preflight::FindingMark;
use crate::domain::roll::blocker::webhooks::unanswered;
use crate::domain::roll::blocker::{Blocker, BlockerKind};
use crate::domain::roll::classify::Since;
use crate::domain::roll::history::RollHistory;
use crate::domain::roll::tests::blockers::{about, preparing};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::{Roll, format, preflight};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::admission::Endpoints;
use crate::domain::snapshot::{ClusterSnapshot, Unseen};

/// The same snapshot, with what stands behind one service changed.
fn with_endpoints(snapshot: &ClusterSnapshot, namespace: &str, serves: bool) -> ClusterSnapshot {
    let mut snapshot = snapshot.clone();
    for endpoints in &mut snapshot.endpoints {
        if endpoints.service.namespace == namespace {
            *endpoints = Arc::new(Endpoints { service: endpoints.service.clone(), serves });
        }
    }
    snapshot
}

fn watched(subject: &Cluster, snapshots: &[(i64, &ClusterSnapshot)]) -> Roll {
    let mut history = RollHistory::default();
    for (minutes, snapshot) in snapshots {
        history.still_holds(ago(*minutes + 1));
        history.observe(subject, snapshot, ago(*minutes));
    }
    let (_, last) = snapshots.last().unwrap();
    Roll::read(subject, last, &history, now())
}

fn of_webhooks(roll: &Roll) -> Vec<&Blocker> {
    let is_one = |blocker: &&Blocker| {
        matches!(blocker.kind, BlockerKind::Webhook | BlockerKind::UnclearWebhook)
    };
    roll.blockers.iter().filter(is_one).collect()
}

#[test]
fn webhooks_that_nobody_answers_for_and_that_nodes_need_are_named_by_their_service() {
    let dead = fixture("webhooks_unanswered");
    let before = with_endpoints(&dead, "policy", true);
    let roll = watched(&preparing(), &[(40, &before), (12, &dead), (0, &dead)]);
    let whys: Vec<&str> = of_webhooks(&roll).iter().map(|one| one.why.as_str()).collect();
    assert_eq!(
        whys,
        [
            "Service agents/webhook has had no endpoints for at least 40m, and must be asked (ValidatingWebhookConfiguration agents): the API server refuses pods in kube-system meanwhile, and new nodes may not join.",
            "Service policy/webhook has had no endpoints for 12m, and must be asked (MutatingWebhookConfiguration policy-defaults, ValidatingWebhookConfiguration policy): the API server refuses nodes, node certificates, node leases, leases in kube-system, pods in kube-system meanwhile, and new nodes may not join.",
            "Service images/check has had no endpoints for at least 40m, and must be asked (ValidatingWebhookConfiguration images): the API server may refuse pods in kube-system meanwhile; whether the webhook is asked cannot be judged from here.",
            "Service rare/asked has had no endpoints for at least 40m, and must be asked (ValidatingWebhookConfiguration sometimes): the API server may refuse nodes meanwhile; whether the webhook is asked cannot be judged from here.",
        ]
    );
    let policy = about(&roll, "policy/webhook");
    assert_eq!(policy.object_text(), "Service policy/webhook");
    assert_eq!(policy.since, Some(Since::told(ago(12))));
    assert_eq!(
        policy.command.as_ref().map(|command| command.line(None)).as_deref(),
        Some("kubectl -n policy describe service webhook")
    );
    assert!(policy.frees.contains("when a pod of the service is ready"));
    assert!(policy.stops() && !about(&roll, "rare/asked").stops());
    assert_eq!(
        format::headline(policy, now()),
        "webhook service policy/webhook has no endpoints, 12m"
    );
}

#[test]
fn a_webhook_whose_pod_moves_is_given_time_and_starts_anew_when_it_goes_again() {
    let dead = fixture("webhooks_unanswered");
    let alive = with_endpoints(&with_endpoints(&dead, "policy", true), "agents", true);
    let names = |snapshots: &[(i64, &ClusterSnapshot)]| -> Vec<String> {
        let roll = watched(&preparing(), snapshots);
        of_webhooks(&roll).iter().filter(|one| one.stops()).map(|one| one.object_text()).collect()
    };
    assert!(names(&[(40, &alive), (2, &dead), (0, &dead)]).is_empty(), "its pod may be moving");
    assert_eq!(names(&[(40, &alive), (4, &dead), (0, &dead)]).len(), 2);
    assert!(names(&[(40, &dead), (5, &alive), (2, &dead), (0, &dead)]).is_empty());
    assert!(names(&[(40, &dead), (0, &alive)]).is_empty());
}

#[test]
fn where_something_is_not_read_in_full_nobody_is_accused_and_nothing_is_forgotten() {
    let whole = fixture("webhooks_unanswered");
    let without = |kind: &'static str, why: Unseen, empty: fn(&mut ClusterSnapshot)| {
        let mut snapshot = whole.clone();
        snapshot.unseen.insert(kind, why);
        empty(&mut snapshot);
        snapshot
    };
    let partly = Unseen::Partly("only the first 20000 were read".into());
    for snapshot in [
        without("endpointslices", partly, |snapshot| snapshot.endpoints.truncate(1)),
        without("endpointslices", Unseen::Unread, |snapshot| snapshot.endpoints.clear()),
        without("endpointslices", Unseen::Failing("403".into()), |p| p.endpoints.clear()),
        // The lists of another look come one by one.
        without("validatingwebhookconfigurations", Unseen::Unread, |p| p.admissions.clear()),
        without("pods", Unseen::Unread, |snapshot| snapshot.pods.clear()),
        without("namespaces", Unseen::Unread, |snapshot| snapshot.namespaces.clear()),
    ] {
        assert_eq!(unanswered(&snapshot), None, "{:?}", snapshot.unseen);
        assert!(of_webhooks(&watched(&preparing(), &[(40, &whole), (0, &snapshot)])).is_empty());
        let roll = watched(&preparing(), &[(40, &whole), (20, &snapshot), (0, &whole)]);
        assert!(
            about(&roll, "policy/webhook").why.contains("at least 40m"),
            "{:?}",
            snapshot.unseen
        );
    }
    // What was listed in full before goes on to count.
    let failing = without("endpointslices", Unseen::Failing("500".into()), |_| {});
    assert_eq!(unanswered(&failing), unanswered(&whole));
    let without_pods =
        without("pods", Unseen::Failing("403".into()), |snapshot| snapshot.pods.clear());
    let of_agents = |snapshot: &ClusterSnapshot| {
        let all = unanswered(snapshot).unwrap();
        all.iter().find(|one| one.place() == "agents/webhook").unwrap().is_certain()
    };
    assert!(of_agents(&whole) && !of_agents(&without_pods));
}

#[test]
fn a_namespace_is_judged_by_its_labels_and_only_its_name_is_known_without_them() {
    let services = |snapshot: &ClusterSnapshot| -> Vec<(String, bool)> {
        let all = unanswered(snapshot).unwrap();
        all.iter().map(|one| (one.place(), one.is_certain())).collect()
    };
    let mut snapshot = fixture("webhooks_unanswered");
    let known = ["agents/webhook", "policy/webhook"].map(|place| (place.to_owned(), true));
    let unclear = ["images/check", "rare/asked"].map(|place| (place.to_owned(), false));
    assert_eq!(services(&snapshot), [known.clone(), unclear].concat());
    snapshot.namespaces.clear();
    let blind = services(&snapshot);
    assert_eq!(blind[..2], known);
    for place in ["mesh/injector", "spares/webhook"] {
        assert!(blind.contains(&(place.to_owned(), false)), "its label is not known: {blind:?}");
    }
}

#[test]
fn what_keeps_nodes_away_is_said_once_and_only_while_nodes_are_to_come() {
    let mut dead = fixture("webhooks_unanswered");
    let none_comes = |roll: &Roll| roll.blockers.iter().any(|b| b.kind == BlockerKind::NoNewNode);
    let roll = watched(&preparing(), &[(40, &dead), (20, &dead), (0, &dead)]);
    assert!(!none_comes(&roll), "it is the webhook that keeps them away");
    let alive = with_endpoints(&dead, "policy", true);
    assert!(none_comes(&watched(&preparing(), &[(40, &alive), (20, &alive), (0, &alive)])));
    dead.nodes.retain(|node| !node.marked_for_deletion);
    let mut subject = preparing();
    subject.pools[0].minimum = 1;
    assert!(of_webhooks(&watched(&subject, &[(40, &dead), (0, &dead)])).is_empty());
}

#[test]
fn before_a_start_they_are_said_as_well() {
    let subject = cluster(Phase::Never);
    let mut snapshot = fixture("webhooks_unanswered");
    let notes = |snapshot: &ClusterSnapshot| -> Vec<String> {
        let findings = preflight::start(&subject, Some(snapshot), now());
        let about = findings.into_iter().filter(|one| one.text.contains("no endpoints"));
        about.inspect(|one| assert_eq!(one.mark, FindingMark::Note)).map(|one| one.text).collect()
    };
    assert_eq!(
        notes(&snapshot),
        [
            "2 services have no endpoints for the webhooks that must ask them, and the API server refuses what new nodes need: agents/webhook, policy/webhook",
            "2 services have no endpoints for the webhooks that must ask them, and the API server may refuse what new nodes need: images/check, rare/asked",
        ]
    );
    snapshot.admissions.retain(|admission| admission.name == "agents");
    assert_eq!(
        notes(&snapshot),
        [
            "1 service has no endpoints for the webhooks that must ask it, and the API server refuses pods in kube-system: agents/webhook"
        ]
    );
}
