//! The simulated cloud: projects and their clusters. Pure; the time is a parameter.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::cluster::ClusterId;
use crate::simulator::cluster::SimulatedCluster;
use crate::simulator::rng::Rng;
use crate::simulator::rules::{ApiError, ClusterOperation, check_operation};
use crate::simulator::scene::Scene;
use crate::simulator::speed::Speed;

/// The cloud.
pub struct SimulatedCloud {
    pub regions: Vec<String>,
    pub projects: Vec<(String, String)>,
    clusters: BTreeMap<ClusterId, SimulatedCluster>,
    speed: Speed,
    seed: u64,
}

impl SimulatedCloud {
    /// The cloud of a scene at `now`.
    pub fn new(scene: &Scene, seed: u64, speed: f64, now: Timestamp) -> Self {
        let speed = Speed::new(speed);
        let mut clusters = BTreeMap::new();
        for project in &scene.projects {
            for template in &project.clusters {
                for number in 1..=template.repeat {
                    let mut template = template.clone();
                    if template.repeat > 1 {
                        template.name = format!("{}{number}", template.name);
                    }
                    let id = ClusterId::new(&project.id, &template.region, &template.name);
                    let rng = Rng::for_name(seed, &qualified_name(&id));
                    let cluster =
                        SimulatedCluster::new(id.clone(), template, &project.name, now, speed, rng);
                    clusters.insert(id, cluster);
                }
            }
        }
        let projects = scene.projects.iter();
        let projects = projects.map(|project| (project.id.clone(), project.name.clone())).collect();
        Self { regions: scene.regions.clone(), projects, clusters, speed, seed }
    }

    /// Runs everything that is due until `now`.
    pub fn advance(&mut self, now: Timestamp) {
        self.clusters.values_mut().for_each(|cluster| cluster.advance(now));
    }

    /// Like `advance`, but only for the clusters of a project in a region.
    pub fn advance_in(&mut self, project: &str, region: &str, now: Timestamp) {
        let clusters = self.clusters.range_mut(ClusterId::new(project, region, "")..);
        clusters
            .take_while(|(id, _)| is_in(id, project, region))
            .for_each(|(_, cluster)| cluster.advance(now));
    }

    /// Clusters of a project in a region, by name.
    pub fn list(&self, project: &str, region: &str) -> impl Iterator<Item = &SimulatedCluster> {
        let clusters = self.clusters.range(ClusterId::new(project, region, "")..);
        clusters.take_while(move |(id, _)| is_in(id, project, region)).map(|(_, cluster)| cluster)
    }

    /// All clusters, by id.
    pub fn clusters(&self) -> impl Iterator<Item = &SimulatedCluster> {
        self.clusters.values()
    }

    /// One cluster.
    pub fn cluster(&self, id: &ClusterId) -> Option<&SimulatedCluster> {
        self.clusters.get(id)
    }

    /// One cluster, mutable.
    pub fn cluster_mut(&mut self, id: &ClusterId) -> Option<&mut SimulatedCluster> {
        self.clusters.get_mut(id)
    }

    /// Deletes a cluster.
    pub fn delete(&mut self, id: &ClusterId) {
        self.clusters.remove(id);
    }

    /// Replaces a cluster with a new one of the same name, as described by its scene.
    pub fn recreate(&mut self, id: &ClusterId, now: Timestamp) {
        if let Some(old) = self.clusters.remove(id) {
            let mut scene = old.scene;
            "NEVER".clone_into(&mut scene.phase);
            "0s".clone_into(&mut scene.age);
            let rng = Rng::for_name(self.seed, &format!("{} {now}", qualified_name(id)));
            let cluster =
                SimulatedCluster::new(id.clone(), scene, &old.project_name, now, self.speed, rng);
            self.clusters.insert(id.clone(), cluster);
        }
    }

    /// Starts an operation, if the rules accept it.
    pub fn act(
        &mut self,
        id: &ClusterId,
        operation: ClusterOperation,
        now: Timestamp,
    ) -> Result<(), ApiError> {
        let Some(cluster) = self.clusters.get_mut(id) else {
            return Err(ApiError::cluster_not_found(id.name.as_str()));
        };
        cluster.advance(now);
        check_operation(operation, &cluster.phase, &cluster.state)?;
        cluster.begin(operation, now);
        Ok(())
    }
}

fn is_in(id: &ClusterId, project: &str, region: &str) -> bool {
    id.project().as_str() == project && id.region().as_str() == region
}

fn qualified_name(id: &ClusterId) -> String {
    format!("{}/{}/{}", id.project(), id.region(), id.name)
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::cluster::ClusterId;
    use crate::simulator::cloud::SimulatedCloud;
    use crate::simulator::cluster::objects::ObjectKey;
    use crate::simulator::rules::ClusterOperation;
    use crate::simulator::scene::Scene;

    fn later(now: Timestamp, minutes: i64) -> Timestamp {
        now.saturating_add(SignedDuration::from_mins(minutes)).unwrap()
    }

    fn fleet(speed: f64) -> (SimulatedCloud, Timestamp) {
        let now: Timestamp = "2026-11-24T14:00:00Z".parse().unwrap();
        (SimulatedCloud::new(&Scene::fleet().unwrap(), 7, speed, now), now)
    }

    fn shop(cloud: &SimulatedCloud, name: &str) -> ClusterId {
        ClusterId::new(&cloud.projects[0].0, "eu01", name)
    }

    #[test]
    fn a_rotation_takes_its_time_from_never_to_completed() {
        let (mut cloud, mut now) = fleet(1.0);
        let id = shop(&cloud, "shop-dev");
        cloud.act(&id, ClusterOperation::StartRotation, now).unwrap();
        assert_eq!(cloud.cluster(&id).unwrap().phase, "PREPARING");
        assert!(
            cloud
                .act(&id, ClusterOperation::CompleteRotation, now)
                .unwrap_err()
                .message
                .contains("not 'Prepared'")
        );
        assert!(
            cloud
                .act(&id, ClusterOperation::StartRotation, now)
                .unwrap_err()
                .message
                .contains("not 'Completed'")
        );
        now = later(now, 10);
        cloud.advance(now);
        assert_eq!(cloud.cluster(&id).unwrap().phase, "PREPARING");
        now = later(now, 60);
        cloud.advance(now);
        assert_eq!(cloud.cluster(&id).unwrap().phase, "PREPARED");
        cloud.act(&id, ClusterOperation::CompleteRotation, now).unwrap();
        now = later(now, 15);
        cloud.advance(now);
        let cluster = cloud.cluster(&id).unwrap();
        assert_eq!(cluster.phase, "COMPLETED");
        assert!(cluster.completed > cluster.initiated);
    }

    #[test]
    fn speed_makes_processes_shorter_and_nothing_else() {
        let (mut cloud, now) = fleet(60.0);
        let id = shop(&cloud, "shop-dev");
        cloud.act(&id, ClusterOperation::StartRotation, now).unwrap();
        assert_eq!(cloud.cluster(&id).unwrap().initiated, Some(now));
        cloud.advance(later(now, 2));
        assert_eq!(cloud.cluster(&id).unwrap().phase, "PREPARED");
    }

    #[test]
    fn hibernated_and_waking_clusters_refuse_a_start() {
        let (mut cloud, now) = fleet(1.0);
        let id = shop(&cloud, "preview");
        let start = ClusterOperation::StartRotation;
        assert!(
            cloud.act(&id, start, now).unwrap_err().message.contains("hibernated or is waking up")
        );
        cloud.act(&id, ClusterOperation::WakeUp, now).unwrap();
        assert!(cloud.act(&id, start, now).is_err());
        cloud.advance(later(now, 30));
        assert_eq!(cloud.act(&id, start, later(now, 30)), Ok(()));
    }

    #[test]
    fn a_blocked_drain_is_reported_and_ends_when_freed() {
        let (mut cloud, now) = fleet(1.0);
        let id = ClusterId::new(&cloud.projects[1].0, "eu01", "pay-prod");
        let much_later = later(now, 600);
        cloud.advance(much_later);
        let cluster = cloud.cluster(&id).unwrap();
        assert_eq!(cluster.phase, "PREPARING");
        let errors = cluster.errors(much_later);
        assert!(errors[0].message.as_ref().unwrap().contains("payments/api"));
        let budget = ObjectKey::new("payments", "api");
        cloud.cluster_mut(&id).unwrap().data_plane.delete_budget(&budget);
        cloud.advance(later(much_later, 120));
        assert_eq!(cloud.cluster(&id).unwrap().phase, "PREPARED");
    }

    #[test]
    fn the_same_seed_makes_the_same_world() {
        let names = || {
            let (mut cloud, now) = fleet(1.0);
            cloud.advance(later(now, 45));
            let id = ClusterId::new(&cloud.projects[5].0, "eu01", "transcode");
            let machines = cloud.cluster(&id).unwrap().data_plane.machines();
            machines.map(|machine| machine.name.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(names(), names());
    }
}
