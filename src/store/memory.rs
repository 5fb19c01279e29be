//! Reads and writes what is kept between runs.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::access::Access;
use crate::domain::cluster::ClusterId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kept::Kept;
use crate::domain::text::clean;
use crate::store::private_file;

/// The version that this program writes.
const VERSION: u32 = 1;
const NAME: &str = "state.json";
const MAX_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    #[serde(default)]
    accesses: Vec<WireAccess>,
    #[serde(default)]
    theme: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    sort: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireAccess {
    project: String,
    region: String,
    cluster: String,
    #[serde(with = "crate::store::moment")]
    issued: Timestamp,
    #[serde(with = "crate::store::moment")]
    expires: Timestamp,
    place: String,
}

/// Reads what is kept. A file that cannot be used is set aside and told about; defaults are used then.
pub fn load(folder: &Path) -> (Kept, Option<String>) {
    let path = folder.join(NAME);
    let why = match read(&path) {
        Ok(text) => match serde_json::from_str::<Wire>(&text) {
            Ok(wire) if wire.version <= VERSION => return (wire.into(), None),
            Ok(wire) => format!("it was written by a newer version (format {})", wire.version),
            Err(_) if text.is_empty() => "it is empty".to_owned(),
            Err(error) => format!("it is damaged at line {}", error.line()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return (Kept::default(), None),
        Err(error) => format!("it cannot be read: {error}"),
    };
    let shown = clean(&path.display().to_string());
    // The moment of the file itself keeps this free of the clock.
    let time = fs::symlink_metadata(&path)
        .ok()
        .and_then(|data| data.modified().ok())
        .and_then(|time| Timestamp::try_from(time).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let mut aside = folder.join(format!("{NAME}.broken-{time}"));
    for number in 2..100 {
        if aside.symlink_metadata().is_err() {
            break;
        }
        aside = folder.join(format!("{NAME}.broken-{time}-{number}"));
    }
    let note = match fs::rename(&path, &aside) {
        Ok(()) => format!(
            "{shown}: {why}; it was set aside as {} and defaults are used",
            clean(&aside.file_name().unwrap_or_default().to_string_lossy())
        ),
        Err(error) => {
            format!("{shown}: {why}; it could not be set aside ({error}), defaults are used")
        }
    };
    (Kept::default(), Some(note))
}

fn read(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces what is kept, atomically and privately.
pub fn save(folder: &Path, kept: &Kept) -> Result<(), Failure> {
    let content = serde_json::to_vec_pretty(&Wire::from(kept)).map_err(|error| {
        Failure::new(FailureKind::Bug, format!("What is kept was not written: {error}"))
    })?;
    private_file::replace(&folder.join(NAME), &content, &private_file::unobserved)
}

impl From<Wire> for Kept {
    fn from(wire: Wire) -> Self {
        let access = |entry: WireAccess| Access {
            cluster: ClusterId::new(
                &clean(&entry.project),
                &clean(&entry.region),
                &clean(&entry.cluster),
            ),
            issued: entry.issued,
            expires: entry.expires,
            place: clean(&entry.place),
        };
        Self {
            accesses: wire.accesses.into_iter().map(access).collect(),
            theme: wire.theme.as_deref().map(clean),
            columns: wire.columns.iter().map(|column| clean(column)).collect(),
            sort: wire.sort.as_deref().map(clean),
        }
    }
}

impl From<&Kept> for Wire {
    fn from(kept: &Kept) -> Self {
        let access = |access: &Access| WireAccess {
            project: access.cluster.project().to_string(),
            region: access.cluster.region().to_string(),
            cluster: access.cluster.name.to_string(),
            issued: access.issued,
            expires: access.expires,
            place: clean(&access.place),
        };
        Self {
            version: VERSION,
            accesses: kept.accesses.iter().map(access).collect(),
            theme: kept.theme.clone(),
            columns: kept.columns.clone(),
            sort: kept.sort.clone(),
        }
    }
}
