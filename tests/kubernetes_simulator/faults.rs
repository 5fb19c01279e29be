//! Injected faults, hibernation, and an unreachable server.

use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::core::v1::{Event, Node, Pod, Secret};
use kube::api::{ListParams, WatchParams};
use kube::{Api, ResourceExt};
use skeys::testing::simulator::faults::{Fault, FaultEffect, KubeconfigDefect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, client, code, start};

#[tokio::test]
async fn a_hibernated_cluster_has_no_server_until_it_wakes_on_the_same_port() {
    let cloud = Cloud::calm().await;
    let text = cloud.kubeconfig("alpha").await;
    let client = client(&text).await;
    let api = Api::<Node>::all(client);
    api.list(&ListParams::default()).await.unwrap();
    let mut stream = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    cloud.see("alpha", |cluster| cluster.set_state("STATE_HIBERNATED"));
    // The watch is cut, and the server no longer responds.
    while let Some(Ok(_)) = stream.next().await {}
    let refused = api.list(&ListParams::default()).await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "{refused:?}");
    let now = cloud.clock.now();
    cloud
        .simulator
        .with_cloud(|cloud| cloud.act(&Cloud::id("alpha"), ClusterOperation::WakeUp, now).unwrap());
    api.list(&ListParams::default()).await.unwrap_err();
    cloud.until("alpha", |cluster| cluster.state == "STATE_HEALTHY").await;
    for _ in 0..200 {
        if api.list(&ListParams::default()).await.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(api.list(&ListParams::default()).await.unwrap().items.len(), 3);
    assert!(cloud.kubeconfig("alpha").await.contains(port(&text)));
}

fn port(kubeconfig: &str) -> &str {
    kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: ")).unwrap()
}

#[tokio::test]
async fn a_server_can_be_unreachable_for_a_while() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    api.list(&ListParams::default()).await.unwrap();
    let away =
        Fault::for_cluster("alpha", "", FaultEffect::Unreachable { hang: false }).for_seconds(600);
    cloud.simulator.inject_fault(away);
    for _ in 0..500 {
        if api.list(&ListParams::default()).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let refused = api.list(&ListParams::default()).await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "{refused:?}");
    cloud.clock.turn(Duration::from_secs(601));
    let mut back = false;
    for _ in 0..500 {
        back = api.list(&ListParams::default()).await.is_ok();
        if back {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(back);
    // Hanging differs from refusing.
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "",
        FaultEffect::Unreachable { hang: true },
    ));
    tokio::time::sleep(Duration::from_millis(50)).await;
    let params = ListParams::default();
    let hangs = tokio::time::timeout(Duration::from_millis(300), api.list(&params)).await;
    assert!(hangs.is_err());
    cloud.simulator.clear_faults();
    let answer = tokio::time::timeout(Duration::from_secs(10), async {
        while api.list(&ListParams::default()).await.is_err() {}
    });
    answer.await.unwrap();
}

#[tokio::test]
async fn resources_can_be_forbidden_and_nothing_else_changes() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "api/v1/secrets",
        FaultEffect::Forbid {},
    ));
    let refused = Api::<Secret>::all(client.clone()).list(&ListParams::default()).await;
    let Err(kube::Error::Api(status)) = refused else { panic!("{refused:?}") };
    assert_eq!((status.code, &*status.reason), (403, "Forbidden"));
    assert!(status.message.contains("cannot list resource \"secrets\""), "{}", status.message);
    Api::<Pod>::all(client).list(&ListParams::default()).await.unwrap();
    let call =
        cloud.simulator.request_log().into_iter().find(|call| call.status == Some(403)).unwrap();
    assert!(call.path.ends_with("/eu01/alpha/api/v1/secrets"), "{}", call.path);
}

#[tokio::test]
async fn nodes_can_have_missing_labels_escape_bytes_and_clock_skew() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let nodes = Api::<Node>::all(client.clone());
    let label = "worker.gardener.cloud/gardener-node-agent-secret-name";
    let list = || async { nodes.list(&ListParams::default()).await.unwrap().items };
    assert!(list().await.iter().all(|node| node.labels().contains_key(label)));
    cloud.simulator.inject_fault(Fault::for_cluster("alpha", "", FaultEffect::StripLabels {}));
    assert!(list().await.iter().all(|node| !node.labels().contains_key(label)));
    cloud.simulator.clear_faults();
    cloud.simulator.inject_fault(Fault::for_cluster("alpha", "", FaultEffect::EscapeBytes {}));
    assert!(list().await.iter().all(|node| node.name_any().contains('\u{1b}')));
    cloud.begin("alpha", ClusterOperation::StartRotation);
    cloud.wait(900).await;
    let events = Api::<Event>::all(client).list(&ListParams::default()).await.unwrap();
    assert!(events.items.iter().any(|e| e.message.as_ref().unwrap().contains('\u{7}')));
    cloud.simulator.clear_faults();
    let before = list().await[0].creation_timestamp().unwrap().0;
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "",
        FaultEffect::ClockSkew { seconds: 300 },
    ));
    let after = list().await[0].creation_timestamp().unwrap().0;
    assert_eq!(after.duration_since(before).as_secs(), 300);
}

#[tokio::test]
async fn fresh_certificates_can_be_refused_for_minutes() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "",
        FaultEffect::RefuseNewCertificates { seconds: 180 },
    ));
    assert_eq!(code(api.list(&ListParams::default()).await), 401);
    cloud.clock.turn(Duration::from_secs(181));
    api.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn a_handshake_can_be_refused() {
    let cloud = Cloud::calm().await;
    cloud.simulator.inject_fault(Fault::for_cluster("alpha", "", FaultEffect::RefuseHandshake {}));
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let refused = api.list(&ListParams::default()).await.unwrap_err();
    assert!(!matches!(refused, kube::Error::Api(_)), "{refused:?}");
    cloud.simulator.clear_faults();
    let api = Api::<Node>::all(cloud.client("alpha").await);
    api.list(&ListParams::default()).await.unwrap();
}

#[tokio::test]
async fn requests_can_be_delayed_dropped_and_truncated() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let mut drop = Fault::for_cluster("alpha", "api/v1/nodes", FaultEffect::Drop {});
    drop.times = Some(1);
    cloud.simulator.inject_fault(drop);
    api.list(&ListParams::default()).await.unwrap_err();
    let mut cut = Fault::for_cluster("alpha", "api/v1/nodes", FaultEffect::Truncate { bytes: 100 });
    cut.times = Some(1);
    cloud.simulator.inject_fault(cut);
    api.list(&ListParams::default()).await.unwrap_err();
    let slow = Fault::for_cluster("alpha", "", FaultEffect::Delay { milliseconds: 5_000 });
    cloud.simulator.inject_fault(slow);
    let held = tokio::spawn({
        let api = api.clone();
        async move { api.list(&ListParams::default()).await }
    });
    for _ in 0..1_000 {
        if cloud.simulator.delayed_requests() == 1 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(cloud.simulator.delayed_requests(), 1);
    cloud.clock.turn(Duration::from_secs(5));
    held.await.unwrap().unwrap();
    assert_eq!(cloud.simulator.delayed_requests(), 0);
}

#[tokio::test]
async fn defective_kubeconfigs_can_be_injected() {
    let cloud = Cloud::calm().await;
    for (defect, sign) in [
        (KubeconfigDefect::Exec, "command: touch"),
        (KubeconfigDefect::FilePath, "client-key: /etc/passwd"),
        (KubeconfigDefect::SkipVerify, "insecure-skip-tls-verify: true"),
        (KubeconfigDefect::OtherHost, "https://api.attacker.example:6443"),
    ] {
        let effect = FaultEffect::DefectiveKubeconfig { defect };
        cloud.simulator.inject_fault(Fault::new("POST", "/kubeconfig", Some(1), effect));
        let text = cloud.kubeconfig("alpha").await;
        assert!(text.contains(sign), "{text}");
        kube::config::Kubeconfig::from_yaml(&text).unwrap();
    }
}

#[tokio::test]
async fn twenty_thousand_pods_are_listed_in_pages() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"huge\"\nusual_workloads = false\n\
         pools = [{ name = \"web\", nodes = 1000, surge = 30 }]\n\
         [[projects.clusters.workloads]]\nnamespace = \"load\"\nname = \"app\"\nrepeat = 500\nreplicas = 34\ncpu = 50\nmax_unavailable = 1\n",
    )
    .await;
    let client = cloud.client("huge").await;
    let api = Api::<Pod>::all(client);
    let (mut count, mut params) = (0, ListParams::default().limit(500));
    loop {
        let page = api.list(&params).await.unwrap();
        count += page.items.len();
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    assert_eq!(count, 17_000 + 3_000 + 5);
    assert_eq!(cloud.clock.now(), start());
}
