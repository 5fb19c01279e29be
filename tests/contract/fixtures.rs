//! Hand-written responses: the client parses them correctly, and the simulator uses the same spelling.

use std::collections::BTreeSet;

use serde_json::Value;
use skeys::testing::clients::ske::decode;
use skeys::testing::domain::cluster::{ClusterId, ClusterState, HibernationSchedule};
use skeys::testing::domain::rotation::Phase;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{cloud::SimulatedCloud, describe};

const CLUSTER: &str = include_str!("fixtures/cluster.json");

#[test]
fn the_client_reads_every_field_of_a_published_cluster() {
    let id = ClusterId::new("p", "eu01", "shop-prod");
    let cluster = decode::one(&id, CLUSTER.as_bytes()).unwrap();
    let moment = |text: &str| Some(text.parse().unwrap());
    assert_eq!(cluster.state, ClusterState::Unhealthy);
    assert_eq!(cluster.created, moment("2025-01-02T03:04:05Z"));
    assert_eq!(cluster.rotation.phase, Phase::Prepared);
    assert_eq!(cluster.rotation.initiated, moment("2026-11-21T09:02:00Z"));
    assert_eq!(cluster.rotation.completed, moment("2026-05-01T10:00:00Z"));
    assert_eq!(cluster.version.as_str(), "1.33.4");
    assert_eq!(cluster.version_expires, moment("2027-03-01T00:00:00Z"));
    assert_eq!(cluster.maintenance, Some(("02:00".to_owned(), "04:00".to_owned())));
    assert!(cluster.idp && !cluster.hibernated);
    let codes: Vec<&str> = cluster.problems.iter().map(|problem| &*problem.code).collect();
    assert_eq!(codes, ["SKE_NODE_MISCONFIGURED_PDB", "SKE_UNREADY_NODES"]);
    let [HibernationSchedule { start, end, timezone }] = &cluster.schedules[..] else { panic!() };
    assert_eq!((&**start, &**end, &**timezone), ("0 20 * * 1-5", "0 6 * * 1-5", "Europe/Berlin"));
    let pool = &cluster.pools[0];
    assert_eq!((pool.minimum, pool.maximum, pool.max_surge, pool.max_unavailable), (3, 6, 3, 1));
    assert_eq!(pool.zones, ["eu01-1", "eu01-2", "eu01-3"]);
    assert_eq!((&*pool.machine_type, &*pool.image), ("g1a.4d", "flatcar 4230.2.1"));
}

#[test]
fn the_simulator_writes_no_key_that_is_not_published() {
    let now = "2026-11-24T14:00:00Z".parse().unwrap();
    let cloud = SimulatedCloud::new(&Scene::fleet().unwrap(), 7, 1.0, now);
    let published = keys(&serde_json::from_str(CLUSTER).unwrap());
    let mut written = BTreeSet::new();
    for (project, _) in &cloud.projects {
        for region in &cloud.regions {
            for cluster in cloud.list(project, region) {
                written.extend(keys(&serde_json::to_value(describe(cluster, now)).unwrap()));
            }
        }
    }
    let unknown: Vec<_> = written.difference(&published).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let never_written: Vec<_> = published.difference(&written).collect();
    // The older form of errors and the issuer are still parsed, in case servers send them.
    assert!(
        never_written.iter().all(|key| key.contains("status.error.")
            || key.ends_with("status.error")
            || key.ends_with("serviceAccountIssuer")),
        "{never_written:?}"
    );
}

/// Paths of all keys, without list indexes: `nodepools[].name`.
fn keys(value: &Value) -> BTreeSet<String> {
    fn walk(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let path = format!("{path}.{key}");
                    walk(inner, &path, found);
                    found.insert(path);
                }
            }
            Value::Array(items) => {
                for inner in items {
                    walk(inner, &format!("{path}[]"), found);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut found = BTreeSet::new();
    walk(value, "", &mut found);
    found
}
