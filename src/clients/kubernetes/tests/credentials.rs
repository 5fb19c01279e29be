//! Credentials: fresh certificates not accepted yet, renewal, rejection, unreachable servers, hibernated clusters.

use std::collections::BTreeSet;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use crate::clients::auth::{TokenSource, access_token};
use crate::clients::http::Http;
use crate::clients::kubernetes::tests::cluster::{FakeCluster, Handshake, NODES, PODS};
use crate::clients::kubernetes::tests::lists::node;
use crate::clients::kubernetes::tests::observer::{TestObserver, away, quiet, started};
use crate::clients::kubernetes::{ObserverTarget, observe};
use crate::clients::scripted::{JSON, Server, answer};
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::cluster::{ClusterState, KubernetesVersion};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::fixtures;
use crate::domain::rotation::Phase;
use crate::domain::secret::Secret;
use crate::domain::snapshot::{ObserverEvent, Unavailable};

async fn fake() -> FakeCluster {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n0", "u0"));
    fake
}

fn accept(fake: &FakeCluster, credentials: &[u64]) {
    let credentials: BTreeSet<u64> = credentials.iter().copied().collect();
    fake.rules(|rules| rules.accepted = Some(credentials));
}

async fn first_snapshot(observer: &TestObserver) {
    observer
        .until("a snapshot", |observer| {
            let snapshot = observer.snapshot();
            let plane = &snapshot.control_plane;
            snapshot.nodes.len() == 1 && snapshot.unseen.is_empty() && plane.signing_keys.is_some()
        })
        .await;
}

#[tokio::test]
async fn k8s_01_a_certificate_that_is_not_accepted_yet_is_retried_and_reported() {
    let fake = fake().await;
    accept(&fake, &[]);
    let observer = TestObserver::of(&fake, started(1));
    observer
        .until("not accepted yet", |observer| {
            matches!(observer.trouble(), Some(Unavailable::NotAcceptedYet { .. }))
        })
        .await;
    observer.turn(180).await;
    assert_eq!(observer.issued(), 1, "the same certificate is tried again");
    let tried = fake.count(&["/readyz"]);
    assert!((9..=14).contains(&tried), "{tried} attempts in three minutes");
    assert_eq!(observer.unavailable().len(), 2, "reported once: {:?}", observer.unavailable());
    accept(&fake, &[1]);
    observer.turning_until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn k8s_01_old_credentials_stay_in_use_until_new_ones_are_accepted() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    accept(&fake, &[1]);
    observer.cluster.send_replace(started(0));
    observer
        .turning_until("fresh ones were tried", |observer| observer.fake.count_of(2) >= 3)
        .await;
    fake.put(NODES, node("n1", "u1"));
    observer.until("still seen", |observer| observer.snapshot().nodes.len() == 2).await;
    assert_eq!(observer.unavailable(), [Unavailable::Connecting]);
    accept(&fake, &[2]);
    observer.turning_until("taken over", |observer| observer.fake.count_of(2) >= 10).await;
    assert_eq!(observer.issued(), 2);
    assert_eq!(fake.count(&[NODES, "limit="]), 1, "watches were resumed");
    assert_eq!(observer.unavailable(), [Unavailable::Connecting]);
}

#[tokio::test]
async fn k8s_01_replicas_that_disagree_do_not_end_observing() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    observer.cluster.send_replace(started(0));
    observer.turning_until("fresh ones", |observer| observer.fake.count_of(2) >= 9).await;
    for accepted in [[1], [2], [1], [2]] {
        accept(&fake, &accepted);
        fake.cut();
        observer.turn(40).await;
    }
    fake.put(NODES, node("n1", "u1"));
    observer.until("still seen", |observer| observer.snapshot().nodes.len() == 2).await;
    assert_eq!(observer.issued(), 2);
    // Both may be rejected for a moment, if the first responses come from different replicas.
    let is_passing = |trouble: &Unavailable| {
        matches!(trouble, Unavailable::Connecting | Unavailable::NotAcceptedYet { .. })
    };
    assert!(observer.unavailable().iter().all(is_passing), "{:?}", observer.unavailable());
}

#[tokio::test]
async fn an_unexplained_refusal_requests_one_new_kubeconfig_and_is_reported() {
    let fake = fake().await;
    accept(&fake, &[]);
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("refused", |observer| {
            matches!(observer.trouble(), Some(Unavailable::CredentialsRefused(_)))
        })
        .await;
    assert_eq!(observer.issued(), 2);
    observer.turn(300).await;
    assert_eq!(observer.issued(), 2, "no storm of kubeconfigs");
    assert!(fake.count(&["/readyz"]) <= 8);
    let Some(Unavailable::CredentialsRefused(failure)) = observer.trouble() else { panic!() };
    assert!(failure.message.contains("API server of shop (127.0.0.1:"), "{failure}");
    fake.rules(|rules| rules.accepted = None);
    observer.turning_until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn credentials_are_renewed_after_two_thirds_of_their_lifetime_without_new_watches() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    let snapshots = observer.snapshots().len();
    observer.turn(380).await;
    assert_eq!(observer.issued(), 1);
    let lists = fake.count(&["limit="]);
    observer
        .turning_until("renewed", |observer| {
            observer.issued() == 2 && observer.fake.count_of(2) >= 9
        })
        .await;
    assert_eq!(fake.count(&["limit="]), lists, "nothing was listed again");
    fake.put(NODES, node("n1", "u1"));
    observer.until("seen with the new ones", |observer| observer.snapshot().nodes.len() == 2).await;
    assert_eq!(observer.snapshots().len(), snapshots + 1);
    assert_eq!(observer.unavailable(), [Unavailable::Connecting]);
}

#[tokio::test]
async fn an_expired_certificate_is_replaced_silently() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    accept(&fake, &[2, 3]);
    fake.cut();
    observer.turning_until("a fresh one", |observer| observer.fake.count_of(2) >= 9).await;
    assert_eq!(observer.issued(), 2);
    assert_eq!(observer.unavailable(), [Unavailable::Connecting]);
}

#[tokio::test]
async fn k8s_04_an_unreachable_server_is_reported_with_a_reason_and_recovers() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    fake.rules(|rules| rules.away = true);
    fake.cut();
    observer
        .turning_until("away", |observer| {
            matches!(observer.trouble(), Some(Unavailable::Unreachable(_)))
        })
        .await;
    let Some(Unavailable::Unreachable(failure)) = observer.trouble() else { panic!() };
    assert!(failure.hint.unwrap().contains("access control list"));
    observer.turn(600).await;
    assert_eq!(observer.issued(), 1, "no kubeconfigs for a server that is away");
    assert_eq!(observer.unavailable().len(), 2, "reported once: {:?}", observer.unavailable());
    fake.put(NODES, node("n1", "u1"));
    accept(&fake, &[2]);
    fake.rules(|rules| rules.away = false);
    observer.turning_until("back", |observer| observer.snapshot().nodes.len() == 2).await;
    assert!(observer.trouble().is_none());
}

#[tokio::test]
async fn k8s_37_a_server_that_is_back_after_a_long_outage_is_found_within_seconds() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    // Delays are random, so one outage proves little.
    for number in 1..=4 {
        fake.rules(|rules| rules.away = true);
        fake.cut();
        observer.turn(100).await;
        assert!(matches!(observer.trouble(), Some(Unavailable::Unreachable(_))));
        fake.put(NODES, node(&format!("n{number}"), &format!("u{number}")));
        fake.rules(|rules| rules.away = false);
        observer.turn(10).await;
        assert!(observer.trouble().is_none(), "{:?}", observer.trouble());
        assert_eq!(observer.snapshot().nodes.len(), 1 + number);
    }
}

#[tokio::test]
async fn k8s_37_what_a_starting_server_forbids_is_read_soon_after() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    fake.rules(|rules| rules.away = true);
    fake.cut();
    observer.turn(100).await;
    fake.put(NODES, node("n1", "u1"));
    // It accepts requests before it has loaded its roles.
    fake.rules(|rules| {
        rules.away = false;
        rules.statuses.insert(NODES, 403);
    });
    observer.turn(20).await;
    assert!(observer.trouble().is_none());
    fake.rules(|rules| rules.statuses.clear());
    observer.turn(20).await;
    assert_eq!(observer.snapshot().nodes.len(), 2);
}

#[tokio::test]
async fn k8s_04_after_an_outage_every_kind_is_listed_again() {
    let fake = fake().await;
    fake.put(PODS, json!({"metadata": {"name": "p0", "namespace": "a", "uid": "p0"}}));
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("a snapshot", |observer| {
            observer.snapshot().pods.len() == 1 && observer.snapshot().unseen.is_empty()
        })
        .await;
    fake.rules(|rules| {
        rules.away = true;
        // Connections that are still open do not read pods, either.
        rules.statuses.insert(PODS, 503);
    });
    fake.cut();
    observer
        .turning_until("away", |observer| {
            matches!(observer.trouble(), Some(Unavailable::Unreachable(_)))
        })
        .await;
    fake.delete(NODES, "n0");
    fake.delete(PODS, "p0");
    let before = observer.snapshots().len();
    fake.rules(|rules| rules.away = false);
    observer.turning_until("back", |observer| observer.snapshots().len() > before).await;
    // Pods of removed nodes would look like blockers.
    for snapshot in observer.snapshots().into_iter().skip(before) {
        assert!(snapshot.nodes.is_empty() && snapshot.unseen.contains_key("pods"), "{snapshot:?}");
    }
    fake.rules(|rules| rules.statuses.clear());
    observer
        .turning_until("all is read", |observer| {
            observer.snapshot().pods.is_empty() && observer.snapshot().unseen.is_empty()
        })
        .await;
}

#[tokio::test]
async fn k8s_04_a_list_from_before_an_outage_does_not_count_after_it() {
    let fake = fake().await;
    fake.put(PODS, json!({"metadata": {"name": "p0", "namespace": "a", "uid": "p0"}}));
    fake.rules(|rules| rules.late = Some(PODS));
    let observer = TestObserver::of(&fake, quiet());
    observer.until("nodes", |observer| observer.snapshot().nodes.len() == 1).await;
    let mut asleep = quiet();
    (asleep.hibernated, asleep.state) = (true, ClusterState::Hibernated);
    observer.cluster.send_replace(asleep);
    observer.until("asleep", |observer| observer.trouble() == Some(Unavailable::Hibernated)).await;
    fake.delete(PODS, "p0");
    // The list in flight arrives, and no other is available.
    fake.rules(|rules| rules.late = None);
    observer.settle().await;
    fake.rules(|rules| {
        rules.statuses.insert(PODS, 503);
    });
    observer.cluster.send_replace(quiet());
    let before = observer.snapshots().len();
    observer.turning_until("awake", |observer| observer.snapshots().len() > before).await;
    assert!(observer.snapshot().pods.is_empty(), "{:?}", observer.snapshot());
    assert!(observer.snapshot().unseen.contains_key("pods"));
    fake.rules(|rules| rules.statuses.clear());
    observer.turning_until("read", |observer| observer.snapshot().unseen.is_empty()).await;
    assert!(observer.snapshot().pods.is_empty());
}

#[tokio::test]
async fn k8s_04_a_long_outage_requests_a_new_address() {
    let (gone, back) = (fake().await, fake().await);
    let observer = TestObserver::of(&gone, quiet());
    first_snapshot(&observer).await;
    gone.rules(|rules| rules.away = true);
    gone.cut();
    *observer.kubeconfig.lock().unwrap() = Some(back.kubeconfig(7, 600));
    observer.turning_fast_until("at the new address", |_| back.count_of(7) >= 9).await;
    assert_eq!(observer.issued(), 2);
    observer.turning_until("well again", |observer| observer.trouble().is_none()).await;
}

#[tokio::test]
async fn a_replaced_certificate_authority_requests_one_new_kubeconfig() {
    let (fake, other) = (fake().await, fake().await);
    let observer = TestObserver::of(&fake, quiet());
    let text = fake.kubeconfig(1, 600).expose().to_owned();
    let stale = text.replace(&fake.port.to_string(), &other.port.to_string());
    *observer.kubeconfig.lock().unwrap() = Some(Secret::new(stale.clone()));
    observer
        .turning_until("said", |observer| {
            matches!(observer.trouble(), Some(Unavailable::Unreachable(_)))
        })
        .await;
    let Some(Unavailable::Unreachable(failure)) = observer.trouble() else { panic!() };
    assert!(failure.message.contains("certificate is not this cluster's"), "{failure}");
    assert_eq!(observer.issued(), 2);
    *observer.kubeconfig.lock().unwrap() = Some(other.kubeconfig(3, 600));
    observer.turning_until("found", |observer| observer.snapshot().nodes.len() == 1).await;
    assert!(observer.issued() <= 3, "{}", observer.issued());
}

#[tokio::test]
async fn an_old_server_certificate_is_retried_while_a_rotation_completes() {
    let (fake, other) = (fake().await, fake().await);
    let observer = TestObserver::of(&fake, fixtures::cluster("shop", Phase::Completing));
    let text = fake.kubeconfig(1, 600).expose().to_owned();
    let early = text.replace(&fake.port.to_string(), &other.port.to_string());
    *observer.kubeconfig.lock().unwrap() = Some(Secret::new(early));
    observer
        .turning_until("said", |observer| {
            matches!(observer.trouble(), Some(Unavailable::NotAcceptedYet { .. }))
        })
        .await;
    observer.turn(60).await;
    assert_eq!(observer.issued(), 1, "the same credentials are tried again");
    *observer.kubeconfig.lock().unwrap() = None;
    observer.cluster.send_replace(quiet());
    observer.turning_until("found", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn a_silent_server_is_reported_as_a_timeout() {
    let fake = fake().await;
    fake.rules(|rules| rules.silent = true);
    let observer = TestObserver::of(&fake, quiet());
    observer.turning_until("timed out", |observer| {
        matches!(observer.trouble(), Some(Unavailable::Unreachable(failure)) if failure.kind == FailureKind::TimedOut)
    })
    .await;
    fake.rules(|rules| rules.silent = false);
    observer.turning_until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn k8s_13_a_hibernated_cluster_gets_no_requests_until_wake_up() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    fake.rules(|rules| rules.away = true);
    let mut asleep = quiet();
    (asleep.hibernated, asleep.state) = (true, ClusterState::Hibernated);
    observer.cluster.send_replace(asleep.clone());
    observer.until("asleep", |observer| observer.trouble() == Some(Unavailable::Hibernated)).await;
    let before = fake.count(&[""]);
    observer.turn(600).await;
    observer.cluster.send_replace(asleep.clone());
    observer.turn(30).await;
    assert_eq!((fake.count(&[""]), observer.issued()), (before, 1), "nothing was sent");
    assert_eq!(observer.trouble(), Some(Unavailable::Hibernated));
    (asleep.hibernated, asleep.state) = (true, ClusterState::WakingUp);
    observer.cluster.send_replace(asleep);
    observer
        .turning_until("not there yet", |observer| {
            matches!(observer.trouble(), Some(Unavailable::Unreachable(_)))
        })
        .await;
    fake.rules(|rules| rules.away = false);
    observer.turning_until("awake", |observer| observer.trouble().is_none()).await;
    assert_eq!(observer.snapshot().nodes.len(), 1);
}

#[tokio::test]
async fn k8s_15_a_certificate_rejected_in_the_handshake_is_not_an_outage() {
    let fake = FakeCluster::start(Handshake::Strict).await;
    let observer = TestObserver::of(&fake, quiet());
    observer
        .turning_until("refused", |observer| {
            matches!(observer.trouble(), Some(Unavailable::CredentialsRefused(_)))
        })
        .await;
    assert_eq!(observer.issued(), 2);
    assert!(
        observer
            .unavailable()
            .iter()
            .all(|trouble| !matches!(trouble, Unavailable::Unreachable(_)))
    );
    let fresh = TestObserver::of(&fake, started(1));
    fresh
        .turning_until("not yet", |observer| {
            matches!(observer.trouble(), Some(Unavailable::NotAcceptedYet { .. }))
        })
        .await;
}

#[tokio::test]
async fn static_tokens_are_not_disabled_without_consent() {
    let fake = fake().await;
    let mut old = fixtures::cluster("shop", Phase::Never);
    old.version = KubernetesVersion::new("1.26.9");
    let observer = TestObserver::of(&fake, old.clone());
    observer
        .until("one way", |observer| {
            observer.trouble() == Some(Unavailable::WouldDisableStaticTokens)
        })
        .await;
    observer.turn(120).await;
    assert_eq!(
        (observer.issued(), observer.unavailable()),
        (0, vec![Unavailable::WouldDisableStaticTokens])
    );
    let agreed = TestObserver::with_consent(&fake, old.clone(), true);
    agreed.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    old.version = KubernetesVersion::new("1.27.0");
    observer.cluster.send_replace(old);
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn a_missing_or_unexpected_kubeconfig_is_reported_and_requested_again() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    let refusal = Failure::new(FailureKind::Forbidden, "no permission");
    let other = TestObserver::of(&fake, quiet());
    *other.refuse_issue.lock().unwrap() = Some(refusal.clone());
    other
        .until("no access", |observer| {
            observer.trouble() == Some(Unavailable::NoAccess(refusal.clone()))
        })
        .await;
    other.turn(55).await;
    assert_eq!(other.issued(), 1);
    *other.refuse_issue.lock().unwrap() = Some(away());
    other
        .turning_until("asked again", |observer| {
            observer.trouble() == Some(Unavailable::NoAccess(away()))
        })
        .await;
    *other.refuse_issue.lock().unwrap() = None;
    *other.kubeconfig.lock().unwrap() = Some(Secret::new("apiVersion: v1\n".into()));
    other
        .turning_until("refused", |observer| {
            matches!(observer.trouble(), Some(Unavailable::KubeconfigRefused(_)))
        })
        .await;
    *other.kubeconfig.lock().unwrap() = None;
    other.turning_until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
}

#[tokio::test]
async fn working_credentials_stay_in_use_when_ske_issues_none() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    *observer.refuse_issue.lock().unwrap() = Some(away());
    observer.turn(500).await;
    let asked = observer.issued();
    assert!((2..=20).contains(&asked), "{asked}");
    fake.put(NODES, node("n1", "u1"));
    observer.until("still seen", |observer| observer.snapshot().nodes.len() == 2).await;
    assert_eq!(observer.unavailable(), [Unavailable::Connecting]);
}

#[tokio::test]
async fn the_ske_client_issues_the_observers_kubeconfig() {
    let fake = fake().await;
    let body = serde_json::json!({"kubeconfig": fake.kubeconfig(1, 600).expose()}).to_string();
    let server = Server::start(vec![answer("200 OK", JSON, &body)]).await;
    let clock = Clock::manual(fixtures::now());
    let http = Http::new(clock.clone(), None).unwrap();
    let secret = Secret::new("canary-token".into());
    let config = access_token::source(secret, "TEST");
    let tokens = TokenSource::new(config, http.clone(), clock.clone()).unwrap();
    let ske = SkeClient::new(&server.base, http, tokens).unwrap();
    let (sender, cluster) = watch::channel(quiet());
    let subject = ObserverTarget {
        cluster,
        ske_on_loopback: ske.is_on_loopback(),
        may_disable_static_tokens: false,
    };
    let (events, mut receiver) = mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        let id = sender.borrow().id.clone();
        let issue = || ske.issue_short_lived(&id);
        observe(subject, issue, clock, |event| drop(events.send(event))).await;
    });
    while let Some(event) = receiver.recv().await {
        assert!(!format!("{event:?}").contains("canary"));
        if matches!(event, ObserverEvent::Snapshot(snapshot) if snapshot.nodes.len() == 1) {
            break;
        }
    }
    assert!(server.requests.lock().unwrap()[0].ends_with(r#"{"expirationSeconds":"600"}"#));
    task.abort();
}

#[tokio::test]
async fn dropping_the_observer_ends_every_task() {
    let fake = fake().await;
    let observer = TestObserver::of(&fake, quiet());
    first_snapshot(&observer).await;
    drop(observer);
    let other = TestObserver::of(&fake, quiet());
    first_snapshot(&other).await;
    let before = fake.count_of(1);
    other.turn(20).await;
    // Only readiness checks of the second one.
    assert!(fake.count_of(1) - before <= 3);
}
