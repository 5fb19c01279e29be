//! Watches that are cut, forgotten, mute or not to be had, and what is shown meanwhile.

use proptest::prelude::*;
use serde_json::json;

use crate::clients::kubernetes::tests::cluster::{EVENTS, FakeCluster, Handshake, NODES, PODS};
use crate::clients::kubernetes::tests::lists::node;
use crate::clients::kubernetes::tests::view::{View, quiet};
use crate::domain::snapshot::Unseen;

async fn with_nodes(number: usize) -> (FakeCluster, View) {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    for number in 0..number {
        fake.put(NODES, node(&format!("n{number}"), &format!("u{number}")));
    }
    let view = View::of(&fake, quiet());
    view.until("a snapshot", |view| {
        view.snapshot().nodes.len() == number && view.snapshot().unseen.is_empty()
    })
    .await;
    (fake, view)
}

fn shown(view: &View) -> Vec<(String, String)> {
    view.snapshot().nodes.iter().map(|node| (node.name.clone(), node.uid.clone())).collect()
}

#[tokio::test]
async fn k8s_02_a_watch_that_is_cut_again_and_again_loses_and_doubles_nothing() {
    let (fake, view) = with_nodes(3).await;
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
        view.turn(5).await;
    }
    view.turning_until("the server's state", |view| {
        shown(view) == view.fake.uids(NODES) && view.snapshot().pods.len() == 12
    })
    .await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists, "resumed, not listed again");
    assert!(fake.count(&[NODES, "watch=true"]) >= 12, "{}", fake.ledger());
    assert_eq!(view.troubles().len(), 1, "nobody was alarmed");
}

#[tokio::test]
async fn watches_that_tell_one_line_and_end_are_opened_more_and_more_rarely() {
    let (fake, view) = with_nodes(1).await;
    fake.rules(|rules| rules.short_lived_watches = true);
    fake.cut();
    view.turn(5).await;
    let before = fake.count(&[NODES, "watch=true"]);
    view.turn(60).await;
    let opened = fake.count(&[NODES, "watch=true"]) - before;
    assert!((1..=30).contains(&opened), "{opened}");
    assert!(view.snapshot().unseen.is_empty(), "what is shown is right");
    fake.rules(|rules| rules.short_lived_watches = false);
    fake.put(NODES, node("m", "m"));
    view.turning_until("the new node", |view| view.snapshot().nodes.len() == 2).await;
}

#[tokio::test]
async fn api_30_a_watch_that_adds_nodes_without_end_is_bounded_and_said() {
    let (fake, view) = with_nodes(3).await;
    for number in 0..6_000 {
        fake.put(NODES, node(&format!("m{number}"), &format!("v{number}")));
    }
    view.turning_until("the bound", |view| view.snapshot().nodes.len() == 5_000).await;
    let unseen = Unseen::Partly("only 5000 of them are kept".to_owned());
    view.turning_until("the sentence", |view| view.snapshot().unseen.get("nodes") == Some(&unseen))
        .await;
    view.turn(5).await;
    assert_eq!(view.snapshot().nodes.len(), 5_000);
}

#[tokio::test]
async fn k8s_03_when_the_version_is_gone_the_old_content_stays_until_the_new_list_is_whole() {
    for as_status in [false, true] {
        let (fake, view) = with_nodes(5).await;
        fake.rules(|rules| {
            rules.page = Some(2);
            rules.hold_page = Some(1);
        });
        let lists = fake.count(&[NODES, "limit="]);
        fake.forget();
        fake.rules(|rules| rules.watch_status = as_status.then_some(410));
        fake.cut();
        view.turning_until("listed again", |view| view.fake.count(&[NODES, "limit="]) > lists + 1)
            .await;
        assert_eq!(view.snapshot().nodes.len(), 5, "nothing vanished");
        fake.rules(|rules| (rules.hold_page, rules.watch_status) = (None, None));
        fake.delete(NODES, "n0");
        view.turning_until("the new list", |view| shown(view) == view.fake.uids(NODES)).await;
        let fewest = view
            .snapshots()
            .iter()
            .skip_while(|snapshot| snapshot.nodes.is_empty())
            .map(|p| p.nodes.len())
            .min();
        assert_eq!(fewest, Some(4));
    }
}

#[tokio::test]
async fn k8s_03_a_bookmark_spares_a_new_list() {
    let (fake, view) = with_nodes(2).await;
    let lists = fake.count(&[NODES, "limit="]);
    for round in 0..5 {
        fake.put(PODS, json!({"metadata": {"name": format!("p{round}"), "uid": "p"}}));
    }
    view.settle().await;
    fake.bookmark(NODES);
    view.settle().await;
    fake.forget_the_past();
    fake.cut();
    view.turn(5).await;
    fake.put(NODES, node("m", "m"));
    view.turning_until("resumed", |view| view.snapshot().nodes.len() == 3).await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists);
}

#[tokio::test]
async fn k8s_10_a_node_made_anew_under_its_name_is_another_one_and_counted_once() {
    let (fake, view) = with_nodes(2).await;
    fake.delete(NODES, "n0");
    fake.put(NODES, node("n0", "another"));
    view.until("the new one", |view| shown(view).contains(&("n0".into(), "another".into()))).await;
    assert_eq!(view.snapshot().nodes.len(), 2);
    // The end of the old one gets lost with the versions.
    fake.delete(NODES, "n1");
    fake.put(NODES, node("n1", "yet-another"));
    fake.forget();
    fake.cut();
    view.turning_until("both new", |view| shown(view) == view.fake.uids(NODES)).await;
}

#[tokio::test]
async fn a_watch_that_tells_nothing_gives_way_to_polling() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n0", "u0"));
    fake.rules(|rules| rules.held_back_watches = true);
    let view = View::of(&fake, quiet());
    view.until("a snapshot", |view| view.snapshot().nodes.len() == 1).await;
    fake.put(NODES, node("n1", "u1"));
    view.turning_until("seen by a list", |view| view.snapshot().nodes.len() == 2).await;
    let watches = fake.count(&[NODES, "watch=true"]);
    fake.put(NODES, node("n2", "u2"));
    let before = view.clock.monotonic();
    view.turning_until("seen by polling", |view| view.snapshot().nodes.len() == 3).await;
    let took = view.clock.monotonic().saturating_sub(before);
    assert!(took.as_secs() <= 20, "{took:?}");
    assert_eq!(fake.count(&[NODES, "watch=true"]), watches, "no watch any more");
}

#[tokio::test]
async fn watches_that_do_not_begin_or_are_forbidden_give_way_to_polling() {
    for forbidden in [false, true] {
        let fake = FakeCluster::start(Handshake::Lenient).await;
        fake.put(NODES, node("n0", "u0"));
        fake.rules(|rules| {
            rules.unopened_watches = !forbidden;
            rules.watch_status = forbidden.then_some(403);
        });
        let view = View::of(&fake, quiet());
        view.until("a snapshot", |view| view.snapshot().nodes.len() == 1).await;
        fake.put(NODES, node("n1", "u1"));
        view.turning_until("seen by polling", |view| view.snapshot().nodes.len() == 2).await;
        assert!(fake.count(&[NODES, "watch=true"]) <= 2);
        assert_eq!(view.troubles().len(), 1, "{:?}", view.troubles());
    }
}

#[tokio::test]
async fn a_silent_watch_of_a_silent_cluster_goes_on() {
    let (fake, view) = with_nodes(1).await;
    let snapshots = view.snapshots().len();
    view.turn(200).await;
    assert!(fake.count(&[NODES, "limit="]) >= 2, "compared with a list");
    assert_eq!(fake.count(&[NODES, "watch=true"]), 1);
    assert_eq!(view.snapshots().len(), snapshots);
    fake.put(NODES, node("n1", "u1"));
    view.until("still heard", |view| view.snapshot().nodes.len() == 2).await;
}

#[tokio::test]
async fn lists_without_a_version_are_polled() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.rules(|rules| rules.unversioned_lists = true);
    fake.put(NODES, node("n0", "u0"));
    let view = View::of(&fake, quiet());
    view.until("a snapshot", |view| view.snapshot().nodes.len() == 1).await;
    fake.put(NODES, node("n1", "u1"));
    view.turning_until("seen by polling", |view| view.snapshot().nodes.len() == 2).await;
    assert_eq!(fake.count(&["watch=true"]), 0, "there is nothing to watch from");
    assert!((2..=3).contains(&fake.count(&[NODES, "limit="])), "{}", fake.ledger());
}

#[tokio::test]
async fn after_half_an_hour_of_polling_watches_are_tried_again() {
    let (fake, view) = with_nodes(1).await;
    fake.rules(|rules| rules.watch_status = Some(403));
    fake.cut();
    view.turn(5).await;
    fake.rules(|rules| rules.watch_status = None);
    let watches = fake.count(&[NODES, "watch=true"]);
    let began = view.clock.monotonic();
    view.turning_fast_until("a watch", |view| view.fake.count(&[NODES, "watch=true"]) > watches)
        .await;
    let polled = view.clock.monotonic().saturating_sub(began).as_secs() / 60;
    assert!((29..=31).contains(&polled), "{polled} minutes");
    let lists = fake.count(&[NODES, "limit="]);
    fake.put(NODES, node("n1", "u1"));
    view.until("told by the watch", |view| view.snapshot().nodes.len() == 2).await;
    assert_eq!(fake.count(&[NODES, "limit="]), lists);
}

#[tokio::test]
async fn k8s_04_an_outage_while_polling_ends_with_a_new_list() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.rules(|rules| rules.watch_status = Some(403));
    fake.put(NODES, node("n0", "u0"));
    let view = View::of(&fake, quiet());
    view.until("a snapshot", |view| view.snapshot().nodes.len() == 1).await;
    fake.rules(|rules| rules.away = true);
    view.turning_until("the outage", |view| view.trouble().is_some()).await;
    fake.put(NODES, node("n1", "u1"));
    fake.rules(|rules| rules.away = false);
    view.turning_until("everything again", |view| view.snapshot().nodes.len() == 2).await;
}

#[tokio::test]
async fn watches_that_the_server_refuses_are_opened_again_from_a_new_list() {
    // A version that it dislikes is not asked for again; of other failures the third is the first to cost a list.
    for (status, attempts) in [(400, 1), (500, 3)] {
        let (fake, view) = with_nodes(1).await;
        view.turn(2).await;
        fake.rules(|rules| rules.watch_status = Some(status));
        let before = fake.count(&[NODES]);
        fake.cut();
        let asked = || {
            let world = view.fake.world();
            let paths = world.requests.iter().map(|(_, path)| path.clone());
            paths.filter(|path| path.starts_with(NODES)).skip(before).collect::<Vec<_>>()
        };
        view.turning_until("another list", |_| asked().iter().any(|path| path.contains("limit=")))
            .await;
        let watches = asked().iter().take_while(|path| path.contains("watch=true")).count();
        assert_eq!(watches, attempts, "{}", fake.ledger());
        fake.rules(|rules| rules.watch_status = None);
        fake.put(NODES, node("n1", "u1"));
        view.turning_until("the new node", |view| view.snapshot().nodes.len() == 2).await;
    }
}

#[tokio::test]
async fn events_are_polled_once_another_kind_has_found_watches_held_back() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    fake.put(NODES, node("n0", "u0"));
    fake.rules(|rules| rules.held_back_watches = true);
    let view = View::of(&fake, quiet());
    view.until("a snapshot", |view| view.snapshot().nodes.len() == 1).await;
    let lists = fake.count(&[EVENTS, "limit="]);
    fake.put(NODES, node("n1", "u1"));
    view.turning_until("polled", |view| view.fake.count(&[EVENTS, "limit="]) > lists + 2).await;
    assert_eq!(view.troubles().len(), 1, "{:?}", view.troubles());
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
    fn any_deliveries_end_in_the_state_of_the_server(happenings in prop::collection::vec(happening(), 1..30)) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
            let (fake, view) = with_nodes(2).await;
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
                    Happening::Settle => view.settle().await,
                }
            }
            view.turning_until("the server's state", |view| shown(view) == view.fake.uids(NODES)).await;
            for snapshot in view.snapshots() {
                let mut names: Vec<_> = snapshot.nodes.iter().map(|node| &node.name).collect();
                names.dedup();
                assert_eq!(names.len(), snapshot.nodes.len(), "each name once");
            }
        });
    }
}
