//! Reads and writes the last known fleet. It is a cache: an unusable file counts as empty.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::last_known::LastFleet;
use crate::store::files::{read_json, read_regular};
use crate::store::private_file;

const VERSION: u32 = 1;
const NAME: &str = "fleet.json";
const MAX_BYTES: u64 = 32 * 1024 * 1024;
/// Most clusters that are saved.
const MOST: usize = 50_000;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    #[serde(flatten)]
    fleet: LastFleet,
}

/// Reads the cache.
pub fn load(folder: &Path) -> LastFleet {
    let bytes = read_regular(&folder.join(NAME), MAX_BYTES).unwrap_or_default();
    match read_json::<File>(&String::from_utf8_lossy(&bytes)) {
        Ok(File { version: VERSION, mut fleet }) => {
            fleet.clusters.truncate(MOST);
            fleet
        }
        Ok(_) | Err(_) => LastFleet::default(),
    }
}

/// Replaces the cache, atomically and privately. With several instances, the last one wins.
pub fn save(folder: &Path, mut fleet: LastFleet) -> Result<(), Failure> {
    fleet.clusters.truncate(MOST);
    let content = serde_json::to_vec(&File { version: VERSION, fleet }).map_err(|error| {
        Failure::new(FailureKind::Bug, format!("The fleet cannot be encoded: {error}"))
    })?;
    drop(private_file::replace(&folder.join(NAME), &content)?);
    Ok(())
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
        save(folder.path(), fleet.clone()).unwrap();
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
