//! Looking at clusters through their own API when that is hard or not allowed: watches that break, servers that are
//! away, certificates that are refused, and the bounds of what is asked for.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams};
use skeys::testing::app::settings::WatchPolicy;
use skeys::testing::domain::action::Action;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::rotation::Step;
use skeys::testing::simulator::faults::{Effect, Fault, Strange};

use crate::inside::{client, looking};
use crate::support::{Journey, PROJECT};

const NODES: &str = "/api/v1/nodes";

/// A cluster in the middle of its roll.
fn rolling(name: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\nphase = \"PREPARING\"\ninitiated_ago = \"20m\"\n\
         completed_ago = \"120d\"\nprogress = 0.1\npools = [{{ name = \"web\", nodes = 12 }}]\n"
    )
}

/// A cluster in which nothing happens.
fn calm(name: &str) -> String {
    format!(
        "[[projects.clusters]]\nname = \"{name}\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
         pools = [{{ name = \"web\", nodes = 3 }}]\n"
    )
}

async fn watching(clusters: &str) -> Journey {
    Journey::with(looking(WatchPolicy::Running, clusters)).await
}

/// Somebody else carries a step out.
fn step(journey: &Journey, name: &str, step: Step) {
    let (id, now) = (ClusterId::new(PROJECT, "eu01", name), journey.clock.now());
    journey.simulator.with_world(|world| world.act(&id, Action::Rotate(step), now).unwrap());
}

/// Breaks every connection to a cluster's API server, as a replica that is replaced does.
async fn break_connections(journey: &mut Journey, name: &str) {
    journey.trouble(name, "", Effect::Away { hang: false }, 1);
    journey.settle().await;
    journey.pass(1, 2).await;
}

#[tokio::test]
async fn whoever_rolls_is_looked_at_from_the_first_list_on_whatever_the_filter_shows() {
    let mut journey = watching(&(rolling("delta") + &calm("alpha"))).await;
    assert_eq!(journey.issued("delta"), 1, "no time has passed");
    journey.until_true("delta").await;
    journey.press("/alpha<enter>").await;
    journey.hides("delta");
    journey.pass(10, 12).await;
    journey.press("/<ctrl-u><enter>").await;
    journey.until_true("delta").await;
    assert_eq!((journey.issued("delta"), journey.simulator.watches()), (1, 8));
}

#[tokio::test]
async fn whoever_is_looked_at_keeps_its_place_when_the_order_of_the_fleet_changes() {
    let mut setting = looking(WatchPolicy::Running, &(rolling("left") + &rolling("right")));
    setting.settings.watch_limit = 1;
    let mut journey = Journey::with(setting).await;
    let both = |journey: &Journey| (journey.issued("left"), journey.issued("right"));
    let first = both(&journey);
    assert_eq!(first.0 + first.1, 1);
    for _ in 0..4 {
        journey.press("S").await;
        journey.pass(10, 6).await;
        assert_eq!(both(&journey), first, "{}", journey.screen());
    }
}
