//! Scenes of any size: clusters spread over projects and regions, all phases in realistic shares, reproducible by seed.

use crate::simulator::rng::Rng;
use crate::simulator::scene::{Scene, SceneCluster, SceneProject};

const REGIONS: [&str; 2] = ["eu01", "eu02"];
const TEAMS: [&str; 8] = ["shop", "pay", "media", "data", "iot", "search", "edge", "core"];
const VERSIONS: [(&str, i64); 4] =
    [("1.34.1", 300), ("1.33.4", 160), ("1.32.8", 45), ("1.31.12", -20)];

impl Scene {
    /// This number of clusters in this number of projects, in both regions.
    pub fn generated(clusters: usize, projects: usize, seed: u64) -> Self {
        let mut rng = Rng::for_name(seed, "fleet");
        let mut projects: Vec<SceneProject> = (1..=projects.max(1))
            .map(|number| {
                let team = pick(&mut rng, &TEAMS);
                SceneProject {
                    id: rng.uid(),
                    name: format!("{team}-{number:03}"),
                    clusters: Vec::new(),
                }
            })
            .collect();
        let places = projects.len();
        for number in 0..clusters {
            let cluster = cluster(number, &mut rng);
            if let Some(project) = projects.get_mut(number % places) {
                project.clusters.push(cluster);
            }
        }
        Self { regions: REGIONS.map(str::to_owned).to_vec(), projects }
    }
}

fn pick<T: Copy + Default>(rng: &mut Rng, from: &[T]) -> T {
    from.get(rng.below(from.len())).copied().unwrap_or_default()
}

fn cluster(number: usize, rng: &mut Rng) -> SceneCluster {
    let (version, expires_in_days) = pick(rng, &VERSIONS);
    let days = |rng: &mut Rng, from: usize, to: usize| from + rng.below(to - from);
    let age = days(rng, 420, 900);
    let last = days(rng, 2, 400);
    let before = Some(format!("{}d", last.max(30)));
    let share = rng.below(100);
    let (phase, initiated_ago, completed_ago) = match share {
        0..8 => ("NEVER", None, None),
        8..10 => ("PREPARING", Some(format!("{}m", days(rng, 6, 50))), before),
        10..15 => ("PREPARED", Some(format!("{}h", days(rng, 1, 300))), before),
        15..16 => ("COMPLETING", Some("5h".to_owned()), before),
        _ => ("COMPLETED", Some(format!("{last}d 2h")), Some(format!("{last}d"))),
    };
    let state = match rng.below(100) {
        0..3 if share >= 16 => "STATE_HIBERNATED",
        3..5 if share >= 16 => "STATE_UNHEALTHY",
        _ => "STATE_HEALTHY",
    };
    SceneCluster {
        version: version.to_owned(),
        expires_in_days,
        age: format!("{age}d"),
        phase: phase.to_owned(),
        initiated_ago,
        completed_ago,
        state: state.to_owned(),
        progress: if phase == "PREPARING" { rng.fraction() } else { 0.0 },
        ..SceneCluster::named(format!("c-{number:05}"), pick(rng, &REGIONS))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;

    use crate::simulator::cloud::SimulatedCloud;
    use crate::simulator::scene::Scene;

    #[test]
    fn a_generated_fleet_has_every_phase_in_its_share_and_is_the_same_for_a_seed() {
        let scene = Scene::generated(10_000, 200, 7);
        let text = |seed| format!("{:?}", Scene::generated(300, 7, seed));
        assert!(text(3) == text(3) && text(3) != text(4));
        let cloud = SimulatedCloud::new(&scene, 7, 1.0, Timestamp::UNIX_EPOCH);
        assert_eq!((cloud.clusters().count(), cloud.projects.len()), (10_000, 200));
        let mut phases: BTreeMap<&str, usize> = BTreeMap::new();
        cloud.clusters().for_each(|cluster| *phases.entry(&cluster.phase).or_default() += 1);
        for (phase, least, most) in [
            ("NEVER", 700, 900),
            ("PREPARING", 150, 250),
            ("PREPARED", 400, 600),
            ("COMPLETING", 60, 140),
            ("COMPLETED", 8_200, 8_600),
        ] {
            assert!((least..=most).contains(&phases[phase]), "{phases:?}");
        }
        for (project, _) in &cloud.projects {
            for region in &cloud.regions {
                assert!((5..=50).contains(&cloud.list(project, region).count()));
            }
        }
    }
}
