//! Admission webhooks whose service has no endpoints, and those that block nothing.

use std::sync::Arc;

use crate::domain::cluster::Cluster;
use crate::domain::fixtures::now;
use crate::domain::preflight::Finding;
use crate::domain::preflight::nodes::before_start;
use crate::domain::roll::Roll;
use crate::domain::roll::blocker::cause::NodeResource::{
    self, Evictions, NodeCertificates, NodeLeases, Nodes, SystemLeases, SystemPods,
};
use crate::domain::roll::blocker::cause::{NameSample, WebhookBlock};
use crate::domain::roll::blocker::webhooks::{
    asked_about_eviction, find_unanswered, rejecting_pods,
};
use crate::domain::roll::blocker::{Blocker, BlockerCause, Severity};
use crate::domain::roll::classify::Since;
use crate::domain::roll::tests::blockers::{about, kinds, preparing, sample};
use crate::domain::roll::tests::stages::fixture;
use crate::domain::roll::tests::{ago, cluster};
use crate::domain::roll::tracker::RollTracker;
use crate::domain::rotation::Phase;
use crate::domain::snapshot::admission::{
    Endpoints, Namespace, Rule, Service, Webhook, WebhookConfiguration, WebhookScope,
};
use crate::domain::snapshot::{
    ClusterSnapshot, Labels, OwnerReference, Pod, Requirement, Selector, Unseen,
};

/// The snapshot with changed endpoints of one service.
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
    let mut tracker = RollTracker::default();
    for (minutes, snapshot) in snapshots {
        tracker.still_holds(ago(*minutes + 1));
        tracker.observe(subject, snapshot, ago(*minutes));
    }
    let (_, last) = snapshots.last().unwrap();
    Roll::evaluate(subject, last, tracker.history(), now())
}

fn of_webhooks(roll: &Roll) -> Vec<(&Blocker, &WebhookBlock)> {
    let webhooks = roll.blockers.iter().filter_map(|blocker| {
        let BlockerCause::Webhook(webhook) = &blocker.cause else { return None };
        Some((blocker, webhook))
    });
    webhooks.collect()
}

#[test]
fn webhooks_without_endpoints_that_nodes_need_are_named_by_their_service() {
    let dead = fixture("webhooks_unanswered");
    let before = with_endpoints(&dead, "policy", true);
    let roll = watched(&preparing(), &[(40, &before), (12, &dead), (0, &dead)]);
    let found = of_webhooks(&roll).into_iter().map(|(blocker, webhook)| {
        let configurations: Vec<&str> =
            webhook.configurations.iter().map(|(_, name)| name.as_str()).collect();
        let refused: Vec<NodeResource> = webhook.refused.iter().copied().collect();
        (webhook.service.to_string(), configurations.join(" "), refused, blocker.severity())
    });
    let all = vec![Nodes, NodeCertificates, NodeLeases, SystemLeases, SystemPods, Evictions];
    let row = |service: &str, configurations: &str, refused: Vec<NodeResource>, severity| {
        (service.to_owned(), configurations.to_owned(), refused, severity)
    };
    assert_eq!(
        found.collect::<Vec<_>>(),
        [
            row("agents/webhook", "agents", vec![SystemPods], Severity::Blocks),
            row("policy/webhook", "policy-defaults policy", all, Severity::Blocks),
            row("images/check", "images", vec![SystemPods], Severity::Note),
            row("rare/asked", "sometimes", vec![Nodes], Severity::Note),
        ]
    );
    assert_eq!(about(&roll, "policy/webhook").since, Some(Since::exact(ago(12))));
    assert_eq!(about(&roll, "agents/webhook").since, Some(Since::at_least(ago(40))));
}

#[test]
fn a_webhook_blocks_only_after_some_time_each_time() {
    let dead = fixture("webhooks_unanswered");
    let alive = with_endpoints(&with_endpoints(&dead, "policy", true), "agents", true);
    let names = |snapshots: &[(i64, &ClusterSnapshot)]| -> Vec<String> {
        let roll = watched(&preparing(), snapshots);
        let stops = of_webhooks(&roll).into_iter().filter(|(blocker, _)| blocker.stops());
        stops.map(|(_, webhook)| webhook.service.to_string()).collect()
    };
    assert!(names(&[(40, &alive), (2, &dead), (0, &dead)]).is_empty(), "its pod may be restarting");
    assert_eq!(names(&[(40, &alive), (4, &dead), (0, &dead)]).len(), 2);
    assert!(names(&[(40, &dead), (5, &alive), (2, &dead), (0, &dead)]).is_empty());
    assert!(names(&[(40, &dead), (0, &alive)]).is_empty());
}

#[test]
fn where_something_is_not_read_in_full_nothing_is_found_and_nothing_is_dropped() {
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
        // The lists of a new observation arrive one by one.
        without("validatingwebhookconfigurations", Unseen::Unread, |p| {
            p.webhook_configurations.clear();
        }),
        without("pods", Unseen::Unread, |snapshot| snapshot.pods.clear()),
        without("namespaces", Unseen::Unread, |snapshot| snapshot.namespaces.clear()),
    ] {
        assert_eq!(find_unanswered(&snapshot), None, "{:?}", snapshot.unseen);
        assert!(of_webhooks(&watched(&preparing(), &[(40, &whole), (0, &snapshot)])).is_empty());
        let roll = watched(&preparing(), &[(40, &whole), (20, &snapshot), (0, &whole)]);
        let since = about(&roll, "policy/webhook").since;
        assert_eq!(since, Some(Since::at_least(ago(40))), "{:?}", snapshot.unseen);
    }
    // Complete earlier lists still count.
    let failing = without("endpointslices", Unseen::Failing("500".into()), |_| {});
    assert_eq!(find_unanswered(&failing), find_unanswered(&whole));
    let without_pods =
        without("pods", Unseen::Failing("403".into()), |snapshot| snapshot.pods.clear());
    let of_agents = |snapshot: &ClusterSnapshot| {
        let all = find_unanswered(snapshot).unwrap();
        all.iter().find(|one| one.service.to_string() == "agents/webhook").unwrap().certain
    };
    assert!(of_agents(&whole) && !of_agents(&without_pods));
}

#[test]
fn a_namespace_is_matched_by_its_labels_and_by_its_name_without_them() {
    let services = |snapshot: &ClusterSnapshot| -> Vec<(String, bool)> {
        let all = find_unanswered(snapshot).unwrap();
        all.iter().map(|one| (one.service.to_string(), one.certain)).collect()
    };
    let mut snapshot = fixture("webhooks_unanswered");
    let known = ["agents/webhook", "policy/webhook"].map(|place| (place.to_owned(), true));
    let unclear = ["images/check", "rare/asked"].map(|place| (place.to_owned(), false));
    assert_eq!(services(&snapshot), [known.clone(), unclear].concat());
    snapshot.namespaces.clear();
    let unread = services(&snapshot);
    assert_eq!(unread[..2], known);
    for place in ["mesh/injector", "spares/webhook"] {
        assert!(unread.contains(&(place.to_owned(), false)), "its label is not known: {unread:?}");
    }
}

#[test]
fn a_webhook_is_asked_about_what_its_selectors_match() {
    let labels = |key: &str, value: &str| Labels::from_iter([(key.to_owned(), value.to_owned())]);
    let selector = |key: &str, value: &str| {
        Selector::Labels(vec![Requirement::In(key.into(), vec![value.into()])])
    };
    let absent = |key: &str| Selector::Labels(vec![Requirement::Absent(key.into())]);
    let everything = || Selector::Labels(Vec::new());
    let net = Pod {
        namespace: "kube-system".into(),
        labels: labels("app", "net"),
        owner: Some(OwnerReference { kind: "DaemonSet".into(), name: "net".into() }),
        ..Pod::default()
    };
    let seen = |resource: &str, namespaces, objects| {
        let rule = Rule {
            creates: true,
            updates: false,
            groups: vec![String::new()],
            resources: vec![resource.into()],
            scope: WebhookScope::Any,
        };
        let webhook = Webhook {
            service: Some(Service { namespace: "guards".into(), name: "guard".into() }),
            ignores_failures: false,
            rules: vec![rule],
            namespaces,
            objects,
            conditional: false,
        };
        let name = "guard".to_owned();
        let admission = WebhookConfiguration {
            kind: "ValidatingWebhookConfiguration",
            name,
            webhooks: vec![webhook],
        };
        ClusterSnapshot {
            webhook_configurations: vec![Arc::new(admission)],
            namespaces: ["blue", "green"]
                .map(|name| Namespace { name: name.into(), labels: labels("team", name) })
                .map(Arc::new)
                .into(),
            pods: vec![Arc::new(net.clone())],
            ..ClusterSnapshot::default()
        }
    };
    let web = Pod { namespace: "blue".into(), labels: labels("app", "web"), ..Pod::default() };
    let rejects =
        |namespaces, objects| rejecting_pods(&seen("pods", namespaces, objects), &web).is_some();
    assert!(rejects(selector("team", "blue"), selector("app", "web")));
    assert!(!rejects(selector("team", "green"), everything()));
    assert!(!rejects(everything(), selector("app", "db")));
    let asked = |namespaces, objects| {
        !asked_about_eviction(&seen("pods/eviction", namespaces, objects), &web).is_empty()
    };
    assert!(asked(selector("team", "blue"), absent("app")), "an Eviction has no labels");
    assert!(!asked(selector("team", "green"), everything()));
    let mut seen_web = seen("pods/eviction", selector("team", "blue"), everything());
    assert_eq!(find_unanswered(&seen_web), Some(Vec::new()), "no pod that is drained is there");
    seen_web.pods.push(Arc::new(web.clone()));
    let [block] = &*find_unanswered(&seen_web).unwrap() else { panic!("not named") };
    assert!(block.certain && block.refused.iter().eq([&Evictions]));
    let binds = |objects| {
        let found = find_unanswered(&seen("pods/binding", everything(), objects)).unwrap();
        found.iter().any(|block| block.certain)
    };
    assert!(binds(absent("app")), "nor has a Binding");
    assert!(!binds(selector("app", "net")));
}

#[test]
fn what_prevents_joining_is_listed_once_and_only_while_nodes_are_to_join() {
    let mut dead = fixture("webhooks_unanswered");
    let none_comes = |roll: &Roll| kinds(roll).contains(&"NoNewNode".to_owned());
    let roll = watched(&preparing(), &[(40, &dead), (20, &dead), (0, &dead)]);
    assert!(!none_comes(&roll), "the webhook prevents them from joining");
    let alive = with_endpoints(&dead, "policy", true);
    assert!(none_comes(&watched(&preparing(), &[(40, &alive), (20, &alive), (0, &alive)])));
    dead.nodes.retain(|node| !node.marked_for_deletion);
    let mut subject = preparing();
    subject.pools[0].minimum = 1;
    assert!(of_webhooks(&watched(&subject, &[(40, &dead), (0, &dead)])).is_empty());
}

#[test]
fn before_a_start_they_are_found_as_well() {
    let subject = cluster(Phase::Never);
    let mut snapshot = fixture("webhooks_unanswered");
    let found = |snapshot: &ClusterSnapshot| -> Vec<(NameSample, bool)> {
        let findings = before_start(&subject, Some(snapshot), now());
        let webhooks = findings.into_iter().filter_map(|finding| {
            let Finding::Webhooks { services, certain, .. } = finding else { return None };
            Some((services, certain))
        });
        webhooks.collect()
    };
    assert_eq!(
        found(&snapshot),
        [
            (sample(&["agents/webhook", "policy/webhook"]), true),
            (sample(&["images/check", "rare/asked"]), false),
        ]
    );
    snapshot.webhook_configurations.retain(|admission| admission.name == "agents");
    assert_eq!(found(&snapshot), [(sample(&["agents/webhook"]), true)]);
}
