//! Watches that are cut, expired, silent or unavailable, and what is shown in between.

use proptest::prelude::*;
use serde_json::json;

use crate::clients::kubernetes::tests::cluster::{EVENTS, FakeCluster, Handshake, NODES, PODS};
use crate::clients::kubernetes::tests::lists::node;
use crate::clients::kubernetes::tests::observer::{TestObserver, quiet};
use crate::domain::snapshot::Unseen;

async fn with_nodes(number: usize) -> (FakeCluster, TestObserver) {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    for number in 0..number {
        fake.put(NODES, node(&format!("n{number}"), &format!("u{number}")));
    }
    let observer = TestObserver::of(&fake, quiet());
    observer
        .until("a snapshot", |observer| {
            let snapshot = observer.snapshot();
            let plane = &snapshot.control_plane;
            snapshot.nodes.len() == number
                && snapshot.unseen.is_empty()
                && plane.signing_keys.is_some()
        })
        .await;
    (fake, observer)
}

fn shown(observer: &TestObserver) -> Vec<(String, String)> {
    observer.snapshot().nodes.iter().map(|node| (node.name.clone(), node.uid.clone())).collect()
}

#[tokio::test]
async fn k8s_02_a_watch_that_is_cut_repeatedly_loses_and_duplicates_nothing() {
    let (fake, observer) = with_nodes(3).await;
    let lists = fake.count(&[NODES, "limit="]);
    for round in 0..12 {
        fake.put(NODES, node(&format!("m{round}"), &format!("v{round}")));
        if round % 3 == 0 {
            fake.delete(NODES, &format!("n{}", round / 3));
        }
        fake.cut();
        fake.put(
            PODS,
            json!({"metadata": {"name": format!("p{round}"), "namespace": "a", "uid": "p"}}),
        );
        observer.turn(5).await;
    }
    observer
        .turning_until("the server's state", |observer| {
            shown(observer) == observer.fake.uids(NODES) && observer.snapshot().pods.len() == 12
        })
        .await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists, "resumed, not listed again");
    assert!(fake.count(&[NODES, "watch=true"]) >= 12, "{}", fake.ledger());
    assert_eq!(observer.unavailable().len(), 1, "no alarm");
}

#[tokio::test]
async fn watches_that_end_after_one_line_are_reopened_with_backoff() {
    let (fake, observer) = with_nodes(1).await;
    fake.rules(|rules| rules.short_lived_watches = true);
    fake.cut();
    observer.turn(5).await;
    let before = fake.count(&[NODES, "watch=true"]);
    observer.turn(60).await;
    let opened = fake.count(&[NODES, "watch=true"]) - before;
    assert!((1..=30).contains(&opened), "{opened}");
    assert!(observer.snapshot().unseen.is_empty(), "what is shown is right");
    fake.rules(|rules| rules.short_lived_watches = false);
    fake.put(NODES, node("m", "m"));
    observer.turning_until("the new node", |observer| observer.snapshot().nodes.len() == 2).await;
}

#[tokio::test]
async fn api_30_a_watch_that_adds_nodes_without_end_is_bounded_and_said() {
    let (fake, observer) = with_nodes(3).await;
    for number in 0..6_000 {
        fake.put(NODES, node(&format!("m{number}"), &format!("v{number}")));
    }
    observer.turning_until("the bound", |observer| observer.snapshot().nodes.len() == 5_000).await;
    let unseen = Unseen::Partly("only 5000 of them are kept".to_owned());
    observer
        .turning_until("the sentence", |observer| {
            observer.snapshot().unseen.get("nodes") == Some(&unseen)
        })
        .await;
    observer.turn(5).await;
    assert_eq!(observer.snapshot().nodes.len(), 5_000);
}

#[tokio::test]
async fn k8s_03_after_410_the_old_content_stays_until_the_new_list_is_complete() {
    for as_status in [false, true] {
        let (fake, observer) = with_nodes(5).await;
        fake.rules(|rules| {
            rules.page = Some(2);
            rules.hold_page = Some(1);
        });
        let lists = fake.count(&[NODES, "limit="]);
        fake.forget();
        fake.rules(|rules| rules.watch_status = as_status.then_some(410));
        fake.cut();
        observer
            .turning_until("listed again", |observer| {
                observer.fake.count(&[NODES, "limit="]) > lists + 1
            })
            .await;
        assert_eq!(observer.snapshot().nodes.len(), 5, "nothing vanished");
        fake.rules(|rules| (rules.hold_page, rules.watch_status) = (None, None));
        fake.delete(NODES, "n0");
        observer
            .turning_until("the new list", |observer| shown(observer) == observer.fake.uids(NODES))
            .await;
        let fewest = observer
            .snapshots()
            .iter()
            .skip_while(|snapshot| snapshot.nodes.is_empty())
            .map(|p| p.nodes.len())
            .min();
        assert_eq!(fewest, Some(4));
    }
}

#[tokio::test]
async fn k8s_03_a_bookmark_avoids_a_new_list() {
    let (fake, observer) = with_nodes(2).await;
    let lists = fake.count(&[NODES, "limit="]);
    for round in 0..5 {
        fake.put(PODS, json!({"metadata": {"name": format!("p{round}"), "uid": "p"}}));
    }
    observer.settle().await;
    fake.bookmark(NODES);
    observer.settle().await;
    fake.forget_the_past();
    fake.cut();
    observer.turn(5).await;
    fake.put(NODES, node("m", "m"));
    observer.turning_until("resumed", |observer| observer.snapshot().nodes.len() == 3).await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists);
}

#[tokio::test]
async fn k8s_10_a_recreated_node_is_another_one_and_counts_once() {
    let (fake, observer) = with_nodes(2).await;
    fake.delete(NODES, "n0");
    fake.put(NODES, node("n0", "another"));
    observer
        .until("the new one", |observer| shown(observer).contains(&("n0".into(), "another".into())))
        .await;
    assert_eq!(observer.snapshot().nodes.len(), 2);
    // Its deletion event is lost with the expired versions.
    fake.delete(NODES, "n1");
    fake.put(NODES, node("n1", "yet-another"));
    fake.forget();
    fake.cut();
    observer
        .turning_until("both new", |observer| shown(observer) == observer.fake.uids(NODES))
        .await;
}

#[tokio::test]
async fn a_watch_without_events_falls_back_to_polling() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n0", "u0"));
    fake.rules(|rules| rules.held_back_watches = true);
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    fake.put(NODES, node("n1", "u1"));
    observer.turning_until("seen by a list", |observer| observer.snapshot().nodes.len() == 2).await;
    let watches = fake.count(&[NODES, "watch=true"]);
    fake.put(NODES, node("n2", "u2"));
    let before = observer.clock.monotonic();
    observer
        .turning_until("seen by polling", |observer| observer.snapshot().nodes.len() == 3)
        .await;
    let took = observer.clock.monotonic().saturating_sub(before);
    assert!(took.as_secs() <= 20, "{took:?}");
    assert_eq!(fake.count(&[NODES, "watch=true"]), watches, "no watch any more");
}

#[tokio::test]
async fn watches_that_do_not_start_or_are_forbidden_fall_back_to_polling() {
    for forbidden in [false, true] {
        let fake = FakeCluster::start(Handshake::Lenient).await;
        fake.put(NODES, node("n0", "u0"));
        fake.rules(|rules| {
            rules.unopened_watches = !forbidden;
            rules.watch_status = forbidden.then_some(403);
        });
        let observer = TestObserver::of(&fake, quiet());
        observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
        fake.put(NODES, node("n1", "u1"));
        observer
            .turning_until("seen by polling", |observer| observer.snapshot().nodes.len() == 2)
            .await;
        assert!(fake.count(&[NODES, "watch=true"]) <= 2);
        assert_eq!(observer.unavailable().len(), 1, "{:?}", observer.unavailable());
    }
}

#[tokio::test]
async fn a_silent_watch_of_an_idle_cluster_continues() {
    let (fake, observer) = with_nodes(1).await;
    let snapshots = observer.snapshots().len();
    observer.turn(200).await;
    assert!(fake.count(&[NODES, "limit="]) >= 2, "compared with a list");
    assert_eq!(fake.count(&[NODES, "watch=true"]), 1);
    assert_eq!(observer.snapshots().len(), snapshots);
    fake.put(NODES, node("n1", "u1"));
    observer.until("still watched", |observer| observer.snapshot().nodes.len() == 2).await;
}

#[tokio::test]
async fn lists_without_a_version_are_polled() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.rules(|rules| rules.unversioned_lists = true);
    fake.put(NODES, node("n0", "u0"));
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    fake.put(NODES, node("n1", "u1"));
    observer
        .turning_until("seen by polling", |observer| observer.snapshot().nodes.len() == 2)
        .await;
    assert_eq!(fake.count(&["watch=true"]), 0, "there is nothing to watch from");
    assert!((2..=3).contains(&fake.count(&[NODES, "limit="])), "{}", fake.ledger());
}

#[tokio::test]
async fn after_half_an_hour_of_polling_watches_are_tried_again() {
    let (fake, observer) = with_nodes(1).await;
    fake.rules(|rules| rules.watch_status = Some(403));
    fake.cut();
    observer.turn(5).await;
    fake.rules(|rules| rules.watch_status = None);
    let watches = fake.count(&[NODES, "watch=true"]);
    let began = observer.clock.monotonic();
    observer
        .turning_fast_until("a watch", |observer| {
            observer.fake.count(&[NODES, "watch=true"]) > watches
        })
        .await;
    let polled = observer.clock.monotonic().saturating_sub(began).as_secs() / 60;
    assert!((29..=31).contains(&polled), "{polled} minutes");
    let lists = fake.count(&[NODES, "limit="]);
    fake.put(NODES, node("n1", "u1"));
    observer.until("reported by the watch", |observer| observer.snapshot().nodes.len() == 2).await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists);
}

#[tokio::test]
async fn k8s_04_an_outage_while_polling_ends_with_a_new_list() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.rules(|rules| rules.watch_status = Some(403));
    fake.put(NODES, node("n0", "u0"));
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    fake.rules(|rules| rules.away = true);
    observer.turning_until("the outage", |observer| observer.trouble().is_some()).await;
    fake.put(NODES, node("n1", "u1"));
    fake.rules(|rules| rules.away = false);
    observer
        .turning_until("everything again", |observer| observer.snapshot().nodes.len() == 2)
        .await;
}

#[tokio::test]
async fn watches_that_the_server_refuses_are_opened_again_from_a_new_list() {
    // A rejected version is not requested again; for other failures only the third causes a list.
    for (status, attempts) in [(400, 1), (500, 3)] {
        let (fake, observer) = with_nodes(1).await;
        observer.turn(2).await;
        fake.rules(|rules| rules.watch_status = Some(status));
        let before = fake.count(&[NODES]);
        fake.cut();
        let asked = || {
            let state = observer.fake.state();
            let paths = state.requests.iter().map(|(_, path)| path.clone());
            paths.filter(|path| path.starts_with(NODES)).skip(before).collect::<Vec<_>>()
        };
        observer
            .turning_until("another list", |_| asked().iter().any(|path| path.contains("limit=")))
            .await;
        let watches = asked().iter().take_while(|path| path.contains("watch=true")).count();
        assert_eq!(watches, attempts, "{}", fake.ledger());
        fake.rules(|rules| rules.watch_status = None);
        fake.put(NODES, node("n1", "u1"));
        observer
            .turning_until("the new node", |observer| observer.snapshot().nodes.len() == 2)
            .await;
    }
}

#[tokio::test]
async fn events_are_polled_once_another_kind_found_watches_buffered() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n0", "u0"));
    fake.rules(|rules| rules.held_back_watches = true);
    let observer = TestObserver::of(&fake, quiet());
    observer.until("a snapshot", |observer| observer.snapshot().nodes.len() == 1).await;
    let lists = fake.count(&[EVENTS, "limit="]);
    fake.put(NODES, node("n1", "u1"));
    observer
        .turning_until("polled", |observer| observer.fake.count(&[EVENTS, "limit="]) > lists + 2)
        .await;
    assert_eq!(observer.unavailable().len(), 1, "{:?}", observer.unavailable());
}

#[derive(Debug, Clone)]
enum Happening {
    Put(u8, u8),
    Delete(u8),
    Cut,
    Forget,
    Settle,
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => (0_u8..6, any::<u8>()).prop_map(|(name, uid)| Happening::Put(name, uid)),
        2 => (0_u8..6).prop_map(Happening::Delete),
        2 => Just(Happening::Cut),
        1 => Just(Happening::Forget),
        2 => Just(Happening::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20, ..crate::property_cases(24) })]
    #[test]
    fn any_delivery_order_ends_in_the_state_of_the_server(happenings in prop::collection::vec(happening(), 1..30)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (fake, observer) = with_nodes(2).await;
            fake.rules(|rules| rules.page = Some(2));
            for happening in happenings {
                match happening {
                    Happening::Put(name, uid) => fake.put(NODES, node(&format!("n{name}"), &uid.to_string())),
                    Happening::Delete(name) => fake.delete(NODES, &format!("n{name}")),
                    Happening::Cut => fake.cut(),
                    Happening::Forget => {
                        fake.forget();
                        fake.cut();
                    }
                    Happening::Settle => observer.settle().await,
                }
            }
            observer.turning_until("the server's state", |observer| shown(observer) == observer.fake.uids(NODES)).await;
            for snapshot in observer.snapshots() {
                let mut names: Vec<_> = snapshot.nodes.iter().map(|node| &node.name).collect();
                names.dedup();
                assert_eq!(names.len(), snapshot.nodes.len(), "each name once");
            }
        });
    }
}
