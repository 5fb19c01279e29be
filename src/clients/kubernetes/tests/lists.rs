//! What is listed, how, and what happens to what cannot be listed.

use std::time::Duration;

use serde_json::{Value, json};

use crate::clients::kubernetes::tests::cluster::{
    EVENTS, FakeCluster, Handshake, NODES, PODS, SECRETS,
};
use crate::clients::kubernetes::tests::observer::{TestObserver, quiet, started};
use crate::domain::rotation::Phase;
use crate::domain::snapshot::{ObserverEvent, Templates, Unavailable, Unseen};

/// A node of pool `web`.
pub fn node(name: &str, uid: &str) -> Value {
    json!({"metadata": {"name": name, "uid": uid, "labels": {"worker.gardener.cloud/pool": "web"}}})
}

/// A re-encrypted Secret with the desired state of the nodes of pool `web`.
pub fn template(name: &str, created: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "kube-system", "uid": name, "creationTimestamp": created,
        "labels": {"worker.gardener.cloud/pool": "web", "gardener.cloud/role": "operating-system-config",
            "credentials.gardener.cloud/key-name": "k"}}})
}

async fn small() -> FakeCluster {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n1", "u1"));
    fake.put(SECRETS, template("gardener-node-agent-web-1", "2026-01-01T00:00:00Z"));
    fake
}

#[tokio::test]
async fn the_first_snapshot_has_every_kind_and_the_control_plane() {
    let fake = small().await;
    fake.put(PODS, json!({"metadata": {"name": "p", "namespace": "shop", "uid": "p"}, "status": {"phase": "Running"}}));
    fake.put(PODS, json!({"metadata": {"name": "q", "namespace": "shop", "uid": "q"}, "status": {"phase": "Failed"}}));
    fake.put(EVENTS, json!({"metadata": {"name": "e1", "namespace": "default", "uid": "e1"}, "involvedObject": {"kind": "Node", "name": "n1"}}));
    fake.put(EVENTS, json!({"metadata": {"name": "e2", "namespace": "shop", "uid": "e2"}, "involvedObject": {"kind": "Pod", "name": "p"}}));
    fake.put(
        "/apis/policy/v1/poddisruptionbudgets",
        json!({"metadata": {"name": "b", "namespace": "shop", "uid": "b"}}),
    );
    fake.put("/apis/storage.k8s.io/v1/volumeattachments", json!({"metadata": {"name": "a", "uid": "a"}, "spec": {"attacher": "x", "nodeName": "n1", "source": {}}}));
    fake.put(
        "/api/v1/persistentvolumes",
        json!({"metadata": {"name": "v", "uid": "v"}, "spec": {"local": {"path": "/"}}}),
    );
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("all kinds", |observer| {
            let snapshot = observer.snapshot();
            snapshot.unseen.is_empty() && snapshot.control_plane.signing_keys.is_some()
        })
        .await;
    let snapshot = observer.snapshot();
    assert_eq!((snapshot.nodes.len(), snapshot.pods.len(), snapshot.events.len()), (1, 1, 2));
    assert_eq!(
        (snapshot.budgets.len(), snapshot.attachments.len(), snapshot.volumes.len()),
        (1, 1, 1)
    );
    assert!(matches!(&snapshot.templates, Templates::Known(known) if known.len() == 1));
    assert_eq!(snapshot.control_plane.ready, Some(true));
    let keys = snapshot.control_plane.signing_keys.as_ref().unwrap();
    assert_eq!(keys.accepted.len(), 2);
    let issuance = snapshot.control_plane.issuance.as_ref().unwrap();
    assert_eq!(issuance.facts.authorities.len(), 1);
    assert!(issuance.rotation.is_some(), "what SKE showed before it was asked for");
    assert_eq!(snapshot.control_plane.reencrypted, None, "counted only while it happens");
    assert!(matches!(
        observer.events.lock().unwrap()[0],
        ObserverEvent::Unavailable(Unavailable::Connecting)
    ));
    let tokens = ["/secrets", "limit=500", "fieldSelector=type"];
    let all = fake.count(&["/secrets", "limit=500"]);
    assert_eq!(all - fake.count(&tokens), 1, "of others only those of kube-system");
    let of_workers = ["/secrets", "labelSelector=gardener.cloud%2Frole%3Doperating-system-config"];
    observer.until("listed and watched", |_| fake.count(&of_workers) == 2).await;
}

#[tokio::test]
async fn a_long_list_is_read_in_pages() {
    let fake = small().await;
    for number in 0..1_200 {
        fake.put(NODES, node(&format!("m{number:04}"), &format!("{number}")));
    }
    let observer = TestObserver::of(&fake, quiet());
    observer.until("1201 nodes", |observer| observer.snapshot().nodes.len() == 1_201).await;
    assert_eq!(fake.count(&[NODES, "limit=500"]), 3);
}

#[tokio::test]
async fn k8s_05_forbidden_secrets_do_not_stop_other_kinds() {
    let fake = small().await;
    fake.rules(|rules| {
        rules.statuses.insert("/api/v1/namespaces/kube-system/secrets", 403);
    });
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    assert_eq!(observer.snapshot().templates, Templates::Forbidden);
    observer.until("only that is missing", |observer| observer.snapshot().unseen.is_empty()).await;
    fake.rules(|rules| rules.statuses.clear());
    observer
        .turning_until("allowed later", |observer| {
            matches!(observer.snapshot().templates, Templates::Known(_))
        })
        .await;
}

#[tokio::test]
async fn forbidden_unserved_or_broken_kinds_are_named_and_recover() {
    let fake = small().await;
    fake.rules(|rules| {
        rules.statuses.insert("/api/v1/pods", 403);
        rules.statuses.insert("/apis/policy/", 404);
        rules.statuses.insert("/apis/storage.k8s.io/", 500);
    });
    let observer = TestObserver::of(&fake, quiet());
    observer
        .turning_until("three are named", |observer| {
            let unseen = observer.snapshot().unseen.clone();
            unseen.get("pods").is_some_and(|why| format!("{why:?}").contains("forbidden"))
                && unseen
                    .get("poddisruptionbudgets")
                    .is_some_and(|why| format!("{why:?}").contains("serve"))
                && unseen
                    .get("volumeattachments")
                    .is_some_and(|why| format!("{why:?}").contains("500"))
        })
        .await;
    assert_eq!(observer.snapshot().nodes.len(), 1);
    assert!(!observer.unavailable().iter().any(|trouble| *trouble != Unavailable::Connecting));
    fake.rules(|rules| rules.statuses.clear());
    observer.turning_until("all is well", |observer| observer.snapshot().unseen.is_empty()).await;
}

#[tokio::test]
async fn a_hanging_list_delays_the_snapshot_by_one_timeout() {
    let fake = small().await;
    fake.rules(|rules| rules.hangs = Some(SECRETS));
    let observer = TestObserver::of(&fake, quiet());
    let before = observer.clock.monotonic();
    observer.turning_until("nodes", |observer| observer.snapshot().nodes.len() == 1).await;
    let took = observer.clock.monotonic().saturating_sub(before);
    assert!((15..25).contains(&took.as_secs()), "{took:?}");
    assert_eq!(observer.snapshot().templates, Templates::Unread);
    assert!(observer.snapshot().unseen.contains_key("secrets"));
    fake.rules(|rules| rules.hangs = None);
    observer.turning_until("all", |observer| observer.snapshot().unseen.is_empty()).await;
}

#[tokio::test]
async fn secrets_are_counted_only_while_they_are_re_encrypted() {
    let fake = small().await;
    let observer = TestObserver::of(&fake, started(2));
    observer
        .until("counted", |observer| observer.snapshot().control_plane.reencrypted == Some((1, 1)))
        .await;
    let mut marked_for_deletion = node("n1", "u1");
    marked_for_deletion["spec"] = json!({"taints": [{"key": "deployment.machine.sapcloud.io/prefer-no-schedule", "effect": "PreferNoSchedule"}]});
    fake.put(NODES, marked_for_deletion);
    observer
        .until("the roll began", |observer| observer.snapshot().nodes[0].marked_for_deletion)
        .await;
    observer.turn(40).await;
    let counted = || fake.count(&["/api/v1/secrets"]) - fake.count(&["/api/v1/secrets", "type"]);
    let before = counted();
    observer.turn(100).await;
    assert_eq!(counted(), before);
}

#[tokio::test]
async fn the_signing_key_is_asked_for_once_and_only_while_prepared() {
    let fake = small().await;
    let observer = TestObserver::of(&fake, started(2));
    let tokens = || fake.count(&["/serviceaccounts/default/token"]);
    observer
        .until("the keys", |observer| observer.snapshot().control_plane.signing_keys.is_some())
        .await;
    observer.turn(120).await;
    assert_eq!(tokens(), 0, "an API server may still sign with the old key");
    observer.cluster.send_modify(|cluster| cluster.rotation.phase = Phase::Prepared);
    observer.turning_until("asked for", |_| tokens() > 0).await;
    observer.turn(120).await;
    let asked = tokens();
    let known = observer.snapshot().control_plane.signing_keys.clone().unwrap().signing;
    observer.cluster.send_modify(|cluster| cluster.rotation.phase = Phase::Completing);
    observer.turn(120).await;
    assert_eq!(tokens(), asked);
    assert_eq!((asked, known.as_deref()), (1, Some("b")), "asked again only after no answer");
    observer.cluster.send_modify(|cluster| cluster.rotation.phase = Phase::Completed);
    observer
        .turning_until("forgotten", |observer| {
            let keys = observer.snapshot().control_plane.signing_keys.clone();
            keys.unwrap().signing.is_none()
        })
        .await;
}

#[tokio::test]
async fn cred_02_keys_of_an_earlier_rotation_say_nothing_about_the_next_one() {
    let fake = small().await;
    let mut cluster = started(2);
    cluster.rotation.phase = Phase::Prepared;
    let observer = TestObserver::of(&fake, cluster);
    let keys = || observer.snapshot().control_plane.signing_keys.clone();
    let signing = || keys().and_then(|keys| keys.signing);
    observer.turning_until("the key", |_| signing().as_deref() == Some("b")).await;
    // Nothing was read between completion of the rotation and the next start, as on a sleeping laptop.
    fake.rules(|rules| {
        rules.statuses.insert("/openid", 503);
        rules.statuses.insert("/api/v1/namespaces/default/serviceaccounts", 503);
    });
    observer.cluster.send_modify(|cluster| {
        cluster.rotation.completed = cluster.rotation.initiated;
        cluster.rotation.initiated = Some(crate::domain::fixtures::now());
    });
    observer.turning_until("forgotten", |_| keys().is_none()).await;
    fake.rules(|rules| {
        rules.statuses.remove("/openid");
    });
    observer.turning_until("accepted", |_| keys().is_some()).await;
    assert_eq!(signing(), None, "which key signs was not asked in this rotation");
}

#[tokio::test]
async fn k8s_14_clock_skew_is_measured() {
    let fake = small().await;
    let date = crate::domain::fixtures::now() + Duration::from_mins(5);
    fake.rules(|rules| rules.date = Some(httpdate::fmt_http_date(date.into())));
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| !observer.snapshots().is_empty()).await;
    let skew = observer.snapshot().skew_seconds;
    assert!((295..=300).contains(&skew), "{skew}");
}

#[tokio::test]
async fn an_idle_cluster_causes_no_requests() {
    let fake = small().await;
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("all kinds", |observer| {
            observer.snapshot().unseen.is_empty()
                && observer.snapshot().control_plane.signing_keys.is_some()
        })
        .await;
    let (sent, snapshots) = (fake.count(&[]), observer.snapshots().len());
    for _ in 0..100 {
        observer.settle().await;
    }
    assert_eq!((fake.count(&[]), observer.snapshots().len()), (sent, snapshots));
    observer.turn(60).await;
    assert!(fake.count(&[]) - sent <= 6, "only the pulse: {}", fake.ledger());
}

#[tokio::test]
async fn snapshots_are_sent_on_changes_at_a_limited_rate() {
    let fake = small().await;
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("all kinds", |observer| {
            observer.snapshot().unseen.is_empty()
                && observer.snapshot().control_plane.signing_keys.is_some()
        })
        .await;
    let before = observer.snapshots().len();
    for round in 0..50 {
        let mut heartbeat = node("n1", "u1");
        heartbeat["metadata"]["annotations"] = json!({"heartbeat": round});
        fake.put(NODES, heartbeat);
    }
    observer.turn(10).await;
    assert_eq!(observer.snapshots().len(), before, "nothing that is shown changed");
    for number in 0..50 {
        fake.put(NODES, node(&format!("m{number}"), &format!("{number}")));
        observer.settle().await;
    }
    let snapshots = observer.snapshots().len() - before;
    assert!(snapshots <= 1, "{snapshots} snapshots while the clock stood still");
    observer.until("all nodes", |observer| observer.snapshot().nodes.len() == 51).await;
    assert!(observer.snapshots().len() - before <= 2);
}

#[tokio::test]
async fn k8s_07_a_large_cluster_is_read_in_pages_and_small_changes_cost_little() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    for number in 0..1_000 {
        fake.put(NODES, node(&format!("n{number:04}"), &format!("n{number}")));
    }
    for number in 0..20_000 {
        fake.put(PODS, json!({
            "metadata": {"name": format!("p{number:05}"), "namespace": format!("ns{}", number % 50), "uid": format!("p{number}"),
                "labels": {"app": format!("a{}", number % 500), "pod-template-hash": "5d4f8c7b9"}},
            "spec": {"nodeName": format!("n{:04}", number % 1_000), "containers": [{"name": "c", "image": "example.org/c:1"}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        }));
    }
    for number in 0..500 {
        fake.put("/apis/policy/v1/poddisruptionbudgets", json!({"metadata": {"name": format!("b{number}"), "namespace": "ns1", "uid": format!("b{number}")},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": format!("a{number}")}}}}));
    }
    let observer = TestObserver::of(&fake, quiet());
    observer.until("nodes before pods", |observer| observer.snapshot().nodes.len() == 1_000).await;
    let first = std::sync::Arc::clone(&observer.snapshots()[0]);
    assert_eq!(first.unseen.get("pods"), Some(&Unseen::Unread));
    observer
        .until("everything", |observer| {
            observer.snapshot().pods.len() == 20_000 && observer.snapshot().budgets.len() == 500
        })
        .await;
    assert_eq!(fake.count(&[PODS, "limit=500"]), 40);
    let before = observer.snapshot();
    fake.put(NODES, node("n0000", "another"));
    observer.until("one changed", |observer| observer.snapshot().nodes[0].uid == "another").await;
    let after = observer.snapshot();
    assert!(
        std::sync::Arc::ptr_eq(&before.pods[7], &after.pods[7])
            && std::sync::Arc::ptr_eq(&before.nodes[7], &after.nodes[7])
    );
}
