//! Reads and writes what was read of the fleet last. It is a cache: a file that cannot be used counts as empty.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::cluster::{ClusterId, KubernetesVersion};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::last_known::{LastFleet, LastKnown};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::text::clean;
use crate::store::files::read_regular;
use crate::store::private_file;

const VERSION: u32 = 1;
const NAME: &str = "fleet.json";
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Clusters that are kept.
const MOST: usize = 50_000;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    ske: String,
    clusters: Vec<WireCluster>,
}

#[derive(Serialize, Deserialize)]
struct WireCluster {
    project: String,
    region: String,
    cluster: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    kubernetes: String,
    phase: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initiated: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<i64>,
    read: i64,
}

/// Reads what is kept.
pub fn load(folder: &Path) -> LastFleet {
    let bytes = read_regular(&folder.join(NAME), MAX_BYTES).unwrap_or_default();
    match serde_json::from_slice::<Wire>(&bytes) {
        Ok(wire) if wire.version == VERSION => LastFleet {
            ske: clean(&wire.ske),
            clusters: wire.clusters.iter().take(MOST).filter_map(WireCluster::read).collect(),
        },
        Ok(_) | Err(_) => LastFleet::default(),
    }
}

/// Replaces what is kept, atomically and privately. The last of several instances wins.
///
/// # Errors
/// The file cannot be written.
pub fn save(folder: &Path, fleet: &LastFleet) -> Result<(), Failure> {
    let clusters = fleet.clusters.iter().take(MOST).map(WireCluster::from).collect();
    let wire = Wire { version: VERSION, ske: fleet.ske.clone(), clusters };
    let content = serde_json::to_vec(&wire).map_err(|error| {
        Failure::new(FailureKind::Bug, format!("The fleet cannot be encoded: {error}"))
    })?;
    drop(private_file::replace(&folder.join(NAME), &content, &private_file::unobserved)?);
    Ok(())
}

fn moment(second: Option<i64>) -> Option<jiff::Timestamp> {
    second.and_then(|second| jiff::Timestamp::from_second(second).ok())
}

impl WireCluster {
    fn read(&self) -> Option<LastKnown> {
        Some(LastKnown {
            id: ClusterId::new(&clean(&self.project), &clean(&self.region), &clean(&self.cluster)),
            created: moment(self.created),
            version: KubernetesVersion::new(&clean(&self.kubernetes)),
            rotation: Rotation {
                phase: Phase::from_api_word(&self.phase),
                initiated: moment(self.initiated),
                completed: moment(self.completed),
            },
            read: moment(Some(self.read))?,
        })
    }
}

impl From<&LastKnown> for WireCluster {
    fn from(known: &LastKnown) -> Self {
        let second = |at: jiff::Timestamp| at.as_second();
        Self {
            project: known.id.project().to_string(),
            region: known.id.region().to_string(),
            cluster: known.id.name.to_string(),
            created: known.created.map(second),
            kubernetes: known.version.as_str().to_owned(),
            phase: known.rotation.phase.api_word().to_owned(),
            initiated: known.rotation.initiated.map(second),
            completed: known.rotation.completed.map(second),
            read: known.read.as_second(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::last_known::{LastFleet, LastKnown};
    use crate::domain::rotation::Phase;
    use crate::store::fleet_file::{NAME, load, save};

    #[test]
    fn file_30_a_fleet_file_is_read_as_written_and_a_damaged_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(load(folder.path()), LastFleet::default());
        let known = |name: &str, phase| {
            let cluster = cluster(name, phase);
            let (id, created, version) = (cluster.id, cluster.created, cluster.version);
            LastKnown { id, created, version, rotation: cluster.rotation, read: now() }
        };
        let phases = [Phase::Never, Phase::Prepared, Phase::Unknown("NEXT".into())];
        let clusters = phases.map(|phase| known(&format!("{phase:?}"), phase)).to_vec();
        let fleet = LastFleet { ske: "https://ske.example".to_owned(), clusters };
        save(folder.path(), &fleet).unwrap();
        assert_eq!(load(folder.path()), fleet);
        let path = folder.path().join(NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        let newer = text.replace("\"version\":1", "\"version\":2,\"more\":[]");
        let evil = text.replace("shop", "sh\\u001b[2Jop");
        let half = text.get(..text.len() / 2).unwrap();
        for broken in [half, "", "[]", newer.as_str()] {
            std::fs::write(&path, broken).unwrap();
            assert_eq!(load(folder.path()), LastFleet::default());
        }
        std::fs::write(&path, evil).unwrap();
        assert!(!format!("{:?}", load(folder.path())).contains("\\u{1b}"));
    }
}
