//! An hour of random faults, while rotations start and complete: the final state on the screen is correct.

use std::collections::BTreeMap;
use std::time::Duration;

use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Journey, Setting};

const PROJECTS: usize = 6;

/// Six projects with eight clusters each, half of them ready for a step.
fn scene() -> String {
    let project = |number: usize| {
        format!(
            "[[projects]]\nid = \"0000000{number}-7a1e-4c52-9d5e-2b7f6a1c0e21\"\nname = \"team-{number}\"\n\
             [[projects.clusters]]\nname = \"idle{number}-\"\nrepeat = 4\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
             [[projects.clusters]]\nname = \"open{number}-\"\nrepeat = 4\nphase = \"PREPARED\"\ninitiated_ago = \"5h\"\ncompleted_ago = \"120d\"\n"
        )
    };
    let projects: String = (0..PROJECTS).map(project).collect();
    format!("regions = [\"eu01\"]\n{projects}")
}

/// A random network fault, for up to two minutes.
fn fault(random: &mut fastrand::Rng) -> Fault {
    let answer = |status, retry_after: Option<&str>| FaultEffect::Answer {
        status,
        body: "upstream connect error".to_owned(),
        retry_after: retry_after.map(str::to_owned),
        content_type: "text/plain".to_owned(),
    };
    let effect = match random.u8(..8) {
        0 => answer(503, None),
        1 => answer(429, Some("20")),
        2 => FaultEffect::Drop {},
        3 => FaultEffect::DropAfter {},
        4 => FaultEffect::Truncate { bytes: random.usize(..3_000) },
        5 => FaultEffect::Delay { milliseconds: random.u64(..40_000) },
        6 => FaultEffect::UnknownValues {},
        _ => FaultEffect::Reverse {},
    };
    // For one project or all.
    let path = match random.usize(..=PROJECTS) {
        PROJECTS => "/clusters".to_owned(),
        number => format!("0000000{number}-"),
    };
    Fault::new("GET", &path, None, effect).for_seconds(random.u64(5..120))
}

/// Phases in the simulator, in the words of the screen.
fn phases(journey: &Journey) -> BTreeMap<String, String> {
    let word = |phase: &str| match phase {
        "PREPARED" => phase.to_owned(),
        other => other.to_lowercase(),
    };
    journey.simulator.with_cloud(|cloud| {
        cloud
            .clusters()
            .map(|cluster| (cluster.id.name.to_string(), word(&cluster.phase)))
            .collect()
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_random_faults_loses_no_update() {
    let setting = Setting { scene: scene(), size: (140, 80), ..Setting::default() };
    // A request that waits for another one would never settle.
    let setting = setting.set("SKEYS_POLL_CONCURRENCY", "16");
    let mut journey = Journey::with(setting).await;
    journey.shows("48 clusters");
    let mut random = fastrand::Rng::with_seed(7);
    let ids: Vec<ClusterId> = journey
        .simulator
        .with_cloud(|cloud| cloud.clusters().map(|cluster| cluster.id.clone()).collect());
    let mut begun = 0;
    for _ in 0..720 {
        if random.u8(..100) < 25 {
            journey.order(fault(&mut random));
        }
        if random.u8(..100) < 6 {
            let (id, now) = (random.choice(&ids).unwrap(), journey.clock.now());
            let act = |operation| {
                journey.simulator.with_cloud(|cloud| cloud.act(id, operation, now).is_ok())
            };
            let acted =
                act(ClusterOperation::CompleteRotation) || act(ClusterOperation::StartRotation);
            begun += u32::from(acted);
        }
        journey.clock.turn(Duration::from_secs(5));
        journey.settle().await;
    }
    assert!(begun > 15, "{begun} steps");
    journey.simulator.clear_faults();
    // Once a list works again, no retry is delayed longer than a normal interval.
    journey.wait(60).await;
    journey.until("● live", 30).await;
    for text in ["retrying", "next retry", "Listing", "asks for a pause"] {
        journey.hides(text);
    }
    let screen = journey.screen();
    let phases = phases(&journey);
    assert_eq!(phases.len(), 48);
    for (name, phase) in phases {
        let row = screen
            .lines()
            .find(|line| line.contains(&format!(" {name} ")) && line.contains(" team-"));
        let row = row.unwrap_or_else(|| panic!("{name} is not shown\n{screen}"));
        assert!(row.contains(&phase), "{name} is {phase}\n{screen}");
    }
    // Consequences of the faults do not stay forever.
    journey.press("A").await;
    journey.hides("panicked");
}
