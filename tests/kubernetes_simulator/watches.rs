//! Watches: resumed, filtered, cut, compacted, and a complete roll followed by a reflector.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::{Event, Node, Pod};
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use skeys::testing::simulator::cluster::node_history::count_nodes;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, ask, scale};

/// The next event, within a real-time timeout.
async fn next<S: Stream + Unpin>(stream: &mut S) -> Option<S::Item> {
    tokio::time::timeout(Duration::from_secs(20), stream.next()).await.expect("an event comes")
}

#[tokio::test]
async fn a_reflector_sees_every_node_of_a_roll_exactly_as_it_happens() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let api = Api::<Node>::all(client);
    let seen: Arc<Mutex<BTreeMap<String, Node>>> = Arc::default();
    let task = tokio::spawn({
        let (seen, api) = (Arc::clone(&seen), api.clone());
        async move {
            let mut stream = std::pin::pin!(watcher(api, watcher::Config::default()));
            while let Some(event) = stream.next().await {
                let mut seen = seen.lock().unwrap();
                match event {
                    Ok(watcher::Event::Apply(node) | watcher::Event::InitApply(node)) => {
                        seen.insert(node.name_any(), node);
                    }
                    Ok(watcher::Event::Delete(node)) => {
                        seen.remove(&node.name_any());
                    }
                    Ok(watcher::Event::Init) => seen.clear(),
                    Ok(watcher::Event::InitDone) | Err(_) => {}
                }
            }
        }
    });
    cloud.begin("alpha", ClusterOperation::StartRotation);
    let mut most = 0;
    for _ in 0..600 {
        cloud.clock.turn(Duration::from_secs(10));
        cloud.settle().await;
        let now = cloud.clock.now();
        let (wanted, phase) = cloud.see("alpha", |cluster| {
            let counts =
                count_nodes(&cluster.data_plane.node_histories, cluster.data_plane.template, now);
            let all = counts.old + counts.draining + counts.joining + counts.ready + counts.leaving;
            (all, cluster.phase.clone())
        });
        // The API server's rollout cuts the watch; the reflector reconnects on its own.
        for _ in 0..10_000 {
            if seen.lock().unwrap().len() == wanted {
                break;
            }
            tokio::time::sleep(Duration::from_micros(500)).await;
        }
        assert_eq!(seen.lock().unwrap().len(), wanted);
        most = most.max(wanted);
        if phase == "PREPARED" {
            break;
        }
    }
    assert_eq!(cloud.phase("alpha"), "PREPARED");
    assert!(most > 3, "surge nodes were seen");
    cloud.settle().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let listed: BTreeMap<String, Node> = api
        .list(&ListParams::default())
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|node| (node.name_any(), node))
        .collect();
    let seen = seen.lock().unwrap().clone();
    let versions = |nodes: &BTreeMap<String, Node>| -> Vec<_> {
        nodes.values().map(|node| (node.name_any(), node.resource_version())).collect()
    };
    assert_eq!(versions(&seen), versions(&listed));
    task.abort();
}

#[tokio::test]
async fn a_watch_resumes_where_another_one_ended() {
    let cloud = Cloud::calm().await;
    let api = Api::<Pod>::namespaced(cloud.client("alpha").await, "shop");
    let list = api.list(&ListParams::default()).await.unwrap();
    let version = list.metadata.resource_version.unwrap();
    scale(&cloud, 4).await;
    let mut stream = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Added(pod))) = next(&mut stream).await else { panic!() };
    assert!(pod.name_any().starts_with("web-app-"));
    assert!(pod.spec.as_ref().unwrap().node_name.is_none(), "as it was then");
    let Some(Ok(WatchEvent::Modified(placed))) = next(&mut stream).await else { panic!() };
    assert!(placed.spec.as_ref().unwrap().node_name.is_some());
    // From the version of the first, only the second follows.
    let from = pod.resource_version().unwrap();
    let mut again = api.watch(&WatchParams::default(), &from).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Modified(same))) = next(&mut again).await else { panic!() };
    assert_eq!(same.resource_version(), placed.resource_version());
    // With a selector objects appear and disappear as they match.
    let waiting = WatchParams::default().fields("spec.nodeName=");
    let mut selected = api.watch(&waiting, &version).await.unwrap().boxed();
    assert!(matches!(next(&mut selected).await, Some(Ok(WatchEvent::Added(_)))));
    assert!(matches!(next(&mut selected).await, Some(Ok(WatchEvent::Deleted(_)))));
}

#[tokio::test]
async fn a_watch_is_told_at_once_of_an_event_that_expires_with_a_read() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    scale(&cloud, 4).await;
    cloud.clock.turn(Duration::from_secs(3_590));
    let events = Api::<Event>::all(client.clone());
    let list = events.list(&ListParams::default()).await.unwrap();
    assert!(!list.items.is_empty(), "events of the new pods");
    let version = list.metadata.resource_version.unwrap();
    let mut stream = events.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    cloud.clock.turn(Duration::from_secs(20));
    cloud.settle().await;
    Api::<Node>::all(client).list(&ListParams::default()).await.unwrap();
    assert!(matches!(next(&mut stream).await, Some(Ok(WatchEvent::Deleted(_)))));
}

#[tokio::test]
async fn without_a_version_a_watch_starts_with_existing_objects() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let mut stream = api.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    for _ in 0..3 {
        assert!(matches!(next(&mut stream).await, Some(Ok(WatchEvent::Added(_)))));
    }
}

#[tokio::test]
async fn bookmarks_are_sent_every_minute_and_a_watch_times_out() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let list = api.list(&ListParams::default()).await.unwrap();
    let version = list.metadata.resource_version.unwrap();
    let params = WatchParams::default().timeout(90);
    let mut stream = api.watch(&params, &version).await.unwrap().boxed();
    cloud.wait(60).await;
    let Some(Ok(WatchEvent::Bookmark(bookmark))) = next(&mut stream).await else { panic!() };
    assert!(bookmark.metadata.resource_version >= version);
    cloud.wait(30).await;
    assert!(matches!(next(&mut stream).await, Some(Ok(WatchEvent::Bookmark(_)))));
    assert!(next(&mut stream).await.is_none());
    assert_eq!(cloud.simulator.open_watches(), 0);
}

#[tokio::test]
async fn a_compaction_answers_a_resumed_watch_with_410() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let api = Api::<Node>::all(client.clone());
    let version =
        api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    let mut fault = Fault::for_cluster("alpha", "api/v1/nodes", FaultEffect::Compact {});
    fault.times = Some(1);
    cloud.simulator.inject_fault(fault);
    let mut stream = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(status))) = next(&mut stream).await else { panic!() };
    assert_eq!((status.code, &*status.reason), (410, "Expired"));
    assert!(next(&mut stream).await.is_none());
    // A continued list gets it as a response.
    let pods = Api::<Pod>::all(client);
    let page = pods.list(&ListParams::default().limit(2)).await.unwrap();
    let mut fault = Fault::for_cluster("alpha", "api/v1/pods", FaultEffect::Compact {});
    fault.times = Some(1);
    cloud.simulator.inject_fault(fault);
    let rest = ListParams::default().limit(2).continue_token(&page.metadata.continue_.unwrap());
    assert_eq!(crate::support::code(pods.list(&rest).await), 410);
    // A reflector that gets it relists.
    let mut reflector = std::pin::pin!(watcher(api, watcher::Config::default()));
    loop {
        if let Some(Ok(watcher::Event::InitDone)) = next(&mut reflector).await {
            break;
        }
    }
}

#[tokio::test]
async fn injected_cuts_end_a_watch_mid_stream() {
    let cloud = Cloud::calm().await;
    let api = Api::<Node>::all(cloud.client("alpha").await);
    let version =
        api.list(&ListParams::default()).await.unwrap().metadata.resource_version.unwrap();
    cloud.simulator.inject_fault(Fault::for_cluster(
        "alpha",
        "",
        FaultEffect::CutWatches { seconds: 5 },
    ));
    let mut stream = api.watch(&WatchParams::default(), &version).await.unwrap().boxed();
    cloud.clock.turn(Duration::from_secs(6));
    assert!(matches!(next(&mut stream).await, Some(Err(_)) | None));
}

#[tokio::test]
async fn streaming_lists_are_refused_as_by_servers_without_them() {
    let cloud = Cloud::calm().await;
    let client = cloud.client("alpha").await;
    let path = "/api/v1/nodes?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    let request = http::Request::get(path).body(Vec::new()).unwrap();
    assert_eq!(crate::support::code(client.request_text(request).await), 422);
    let table = ask(
        &client,
        "GET",
        "/api/v1/nodes?resourceVersion=1&resourceVersionMatch=NotOlderThan",
        "*/*",
    );
    assert_eq!(table.await["kind"], "NodeList");
    let future = http::Request::get("/api/v1/nodes?resourceVersion=999999999").body(Vec::new());
    assert_eq!(crate::support::code(client.request_text(future.unwrap()).await), 504);
}
