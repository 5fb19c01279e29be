//! Reads and writes what is kept between runs.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::access::{Access, join};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kept::Kept;
use crate::domain::text::clean;
use crate::store::private_file;

/// The version that this program writes.
const VERSION: u32 = 1;
const NAME: &str = "state.json";
/// Locked while the file is read and written anew: the file itself is another one after each writing.
const LOCK: &str = "state.lock";
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
    #[serde(with = "crate::store::moment")]
    issued: Timestamp,
    #[serde(with = "crate::store::moment")]
    expires: Timestamp,
    place: String,
}

/// Reads what is kept. A file that cannot be used is set aside and told about; defaults are used then.
pub fn load(folder: &Path) -> (Kept, Option<String>) {
    if let Ok(kept) = usable(&folder.join(NAME)) {
        return (kept, None);
    }
    // Nobody puts a good one in its place meanwhile; where nothing can be locked, nothing can be written.
    let _lock = lock(folder);
    load_locked(folder)
}

/// Kubeconfigs that are kept now, as far as they can be read; the file is left as it is.
pub fn accesses(folder: &Path) -> Vec<Access> {
    usable(&folder.join(NAME)).map(|kept| kept.accesses).unwrap_or_default()
}

fn usable(path: &Path) -> Result<Kept, String> {
    match read(path) {
        Ok(text) => match serde_json::from_str::<Wire>(&text) {
            Ok(wire) if wire.version <= VERSION => Ok(wire.into()),
            Ok(wire) => Err(format!("it was written by a newer version (format {})", wire.version)),
            Err(_) if text.is_empty() => Err("it is empty".to_owned()),
            Err(error) => Err(format!("it is damaged at line {}", error.line())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Kept::default()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn load_locked(folder: &Path) -> (Kept, Option<String>) {
    let path = folder.join(NAME);
    match usable(&path) {
        Ok(kept) => (kept, None),
        Err(why) => (Kept::default(), Some(set_aside(folder, &path, &why))),
    }
}

fn set_aside(folder: &Path, path: &Path, why: &str) -> String {
    let shown = clean(&path.display().to_string());
    // The moment of the file itself keeps this free of the clock.
    let time = fs::symlink_metadata(path)
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
    match fs::rename(path, &aside) {
        Ok(()) => format!(
            "{shown}: {why}; it was set aside as {} and defaults are used",
            clean(&aside.file_name().unwrap_or_default().to_string_lossy())
        ),
        Err(error) => {
            format!("{shown}: {why}; it could not be set aside ({error}), defaults are used")
        }
    }
}

/// Held until dropped; the system lets go of it when the program ends, however it ends.
fn lock(folder: &Path) -> Result<File, Failure> {
    private_file::create_folder(folder)?;
    let path = folder.join(LOCK);
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|error| private_file::failed("locking", &path, &error))
}

fn read(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces what is kept, atomically and privately. Kubeconfigs that another instance has kept meanwhile stay, those
/// that ended go. Hands back all that are kept now, and a note when the file there could not be used.
pub fn save(
    folder: &Path,
    kept: &Kept,
    now: Timestamp,
) -> Result<(Vec<Access>, Option<String>), Failure> {
    let _lock = lock(folder)?;
    let path = folder.join(NAME);
    if let Err(error) = read(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        // What may be readable again in a moment is not put away.
        return Err(private_file::failed("reading", &path, &error));
    }
    let (there, note) = load_locked(folder);
    let mut accesses = there.accesses;
    join(&mut accesses, kept.accesses.iter().cloned());
    accesses.retain(|access| !access.is_expired(now));
    let kept = Kept { accesses, ..kept.clone() };
    let content = serde_json::to_vec_pretty(&Wire::from(&kept)).map_err(|error| {
        Failure::new(FailureKind::Bug, format!("What is kept was not written: {error}"))
    })?;
    private_file::replace(&path, &content, &private_file::unobserved)?;
    Ok((kept.accesses, note))
}

impl From<Wire> for Kept {
    fn from(wire: Wire) -> Self {
        let access = |entry: WireAccess| Access {
            cluster: ClusterId::new(
                &clean(&entry.project),
                &clean(&entry.region),
                &clean(&entry.cluster),
            ),
            // One that cannot be read counts as not told.
            created: entry.created.and_then(|text| text.parse().ok()),
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
            created: access.created.map(|at| at.to_string()),
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
