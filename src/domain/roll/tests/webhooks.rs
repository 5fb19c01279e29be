//! Admission webhooks that nobody can ask, and those that hold nothing up.

use std::sync::Arc;

use crate::domain::cluster::Cluster;
use crate::domain::fixtures::now;
use crate::domain::observed::Picture;
use crate::domain::observed::admission::Endpoints;
use crate::domain::preflight::Mark;
use crate::domain::roll::blocker::webhooks::{Unanswered, unanswered};
use crate::domain::roll::blocker::{Blocker, Kind};
use crate::domain::roll::classify::Since;
use crate::domain::roll::history::History;
use crate::domain::roll::tests::blockers::{about, preparing};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::{Roll, preflight, words};
use crate::domain::rotation::Phase;

/// The same picture, with what stands behind one service changed.
fn with_endpoints(picture: &Picture, namespace: &str, serves: bool) -> Picture {
    let mut picture = picture.clone();
    for endpoints in &mut picture.endpoints {
        if endpoints.service.namespace == namespace {
            *endpoints = Arc::new(Endpoints { service: endpoints.service.clone(), serves });
        }
    }
    picture
}

fn watched(subject: &Cluster, pictures: &[(i64, &Picture)]) -> Roll {
    let mut history = History::default();
    for (minutes, picture) in pictures {
        history.observe(subject, picture, ago(*minutes));
    }
    let (_, last) = pictures.last().unwrap();
    Roll::read(subject, last, &history, now())
}

fn of_webhooks(roll: &Roll) -> Vec<&Blocker> {
    let is_one = |blocker: &&Blocker| matches!(blocker.kind, Kind::Webhook | Kind::UnclearWebhook);
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
            "Service images/check has had no endpoints for at least 40m: webhooks that must ask it refuse pods in kube-system meanwhile (ValidatingWebhookConfiguration images); new nodes may not join.",
            "Service policy/webhook has had no endpoints for 12m: webhooks that must ask it refuse nodes, node certificates, node leases, pods in kube-system meanwhile (MutatingWebhookConfiguration policy-defaults, ValidatingWebhookConfiguration policy); new nodes may not join.",
            "Service rare/asked has had no endpoints for at least 40m: webhooks that must ask it may refuse nodes meanwhile (ValidatingWebhookConfiguration sometimes); when they ask, cannot be judged from here.",
        ]
    );
    let policy = about(&roll, "policy/webhook");
    assert_eq!(policy.object_text(), "Service policy/webhook");
    assert_eq!(policy.since, Some(Since::told(ago(12))));
    assert_eq!(policy.command.as_deref(), Some("kubectl -n policy describe service webhook"));
    assert!(policy.frees.contains("when a pod of the service is ready"));
    assert!(policy.stops() && !about(&roll, "rare/asked").stops());
    assert_eq!(
        words::headline(policy, now()),
        "webhook service policy/webhook has no endpoints, 12m"
    );
}

#[test]
fn a_webhook_whose_pod_moves_is_given_time_and_starts_anew_when_it_goes_again() {
    let dead = fixture("webhooks_unanswered");
    let alive = with_endpoints(&with_endpoints(&dead, "policy", true), "images", true);
    let names = |pictures: &[(i64, &Picture)]| -> Vec<String> {
        let roll = watched(&preparing(), pictures);
        of_webhooks(&roll).iter().filter(|one| one.stops()).map(|one| one.object_text()).collect()
    };
    assert!(names(&[(40, &alive), (2, &dead), (0, &dead)]).is_empty(), "its pod may be moving");
    assert_eq!(names(&[(40, &alive), (4, &dead), (0, &dead)]).len(), 2);
    assert!(names(&[(40, &dead), (5, &alive), (2, &dead), (0, &dead)]).is_empty());
    assert!(names(&[(40, &dead), (0, &alive)]).is_empty());
}

#[test]
fn where_endpoints_are_not_known_in_full_nobody_is_accused() {
    let mut partly = fixture("webhooks_unanswered");
    partly.unseen.insert("endpointslices", "only the first 20000 were read".into());
    assert_eq!(unanswered(&partly), None);
    assert!(of_webhooks(&watched(&preparing(), &[(40, &partly), (0, &partly)])).is_empty());
    let mut history = History::default();
    history.observe(&preparing(), &fixture("webhooks_unanswered"), ago(40));
    history.observe(&preparing(), &partly, ago(20));
    let again = fixture("webhooks_unanswered");
    history.observe(&preparing(), &again, ago(0));
    let roll = Roll::read(&preparing(), &again, &history, now());
    assert!(about(&roll, "policy/webhook").why.contains("at least 40m"), "what was known holds");
}

#[test]
fn a_namespace_is_judged_by_its_labels_and_by_its_name_where_they_are_not_known() {
    let services = |picture: &Picture| -> Vec<String> {
        unanswered(picture).unwrap().iter().map(Unanswered::place).collect()
    };
    let mut picture = fixture("webhooks_unanswered");
    assert_eq!(services(&picture), ["images/check", "policy/webhook", "rare/asked"]);
    picture.namespaces.clear();
    let blind = services(&picture);
    assert!(blind.contains(&"spares/webhook".to_owned()), "its label is not known: {blind:?}");
}

#[test]
fn before_a_start_they_are_said_as_well() {
    let subject = cluster(Phase::Never);
    let findings = preflight::start(&subject, Some(&fixture("webhooks_unanswered")), now());
    let notes: Vec<&str> = findings
        .iter()
        .filter(|finding| finding.mark == Mark::Note && finding.text.contains("no endpoints"))
        .map(|finding| finding.text.as_str())
        .collect();
    assert_eq!(
        notes,
        [
            "service images/check has no endpoints; webhooks that must ask it refuse pods in kube-system, and new nodes may not join",
            "service policy/webhook has no endpoints; webhooks that must ask it refuse nodes, node certificates, node leases, pods in kube-system, and new nodes may not join",
            "service rare/asked has no endpoints; webhooks that must ask it may refuse nodes, and new nodes may not join",
        ]
    );
}
