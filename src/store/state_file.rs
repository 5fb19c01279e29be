//! Reads and writes what is kept between runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::cluster::{ClusterId, ProjectId, Region};
use crate::domain::credential::{
    Access, ClientCertificate, CredentialFacts, Credentials, Issuance, KeyHash, KubeconfigLocation,
    Reference,
};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::KubeconfigKind;
use crate::domain::persisted::{KeptCluster, PersistedState};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::selection::{SelectedProjects, Selection};
use crate::domain::text::clean;
use crate::store::files::read_regular;
use crate::store::lock::{Attempt, FileLock, held};
use crate::store::private_file::{self, failed};

/// The version that this program writes.
const VERSION: u32 = 2;
const NAME: &str = "state.json";
/// Locked while the state file is rewritten: the file itself is replaced by each write.
const LOCK: &str = "state.lock";
const MAX_BYTES: u64 = 16 * 1024 * 1024;
/// Marked and watched clusters that are kept.
const MOST_CLUSTERS: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    #[serde(default)]
    accesses: Vec<WireAccess>,
    /// Since version 2.
    #[serde(default)]
    references: Vec<WireReference>,
    #[serde(default)]
    theme: Option<String>,
    #[serde(default)]
    columns: Vec<String>,
    #[serde(default)]
    sort: Option<String>,
    /// These and what comes later: a version that does not know them ignores them, and none fails because of them.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "std::ops::Not::not")]
    reversed: bool,
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "String::is_empty")]
    filter: String,
    #[serde(default, deserialize_with = "usable_items", skip_serializing_if = "Vec::is_empty")]
    clusters: Vec<WireKeptCluster>,
    #[serde(
        default,
        deserialize_with = "usable_values",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    selections: BTreeMap<String, WireSelection>,
}

/// A value of a wrong kind counts as not stated.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: DeserializeOwned + Default,
    D: Deserializer<'de>,
{
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(T::deserialize(value).unwrap_or_default())
}

/// The items of a list that are of the right kind.
fn usable_items<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let items: Vec<serde_json::Value> = or_default(deserializer)?;
    Ok(items.into_iter().filter_map(|item| T::deserialize(item).ok()).collect())
}

/// The entries of a map that are of the right kind.
fn usable_values<'de, T, D>(deserializer: D) -> Result<BTreeMap<String, T>, D::Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de>,
{
    let entries: BTreeMap<String, serde_json::Value> = or_default(deserializer)?;
    let usable = |(name, value)| Some((name, T::deserialize(value).ok()?));
    Ok(entries.into_iter().filter_map(usable).collect())
}

#[derive(Serialize, Deserialize)]
struct WireKeptCluster {
    #[serde(flatten)]
    cluster: WireCluster,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    marked: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    watched: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    phase: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireSelection {
    /// Whether projects that are not configured are selected, too.
    #[serde(default)]
    all: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    project: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct WireAccess {
    #[serde(flatten)]
    cluster: WireCluster,
    /// Since version 2; before, only the admin kind was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    #[serde(with = "crate::store::timestamp")]
    issued: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
    #[serde(default)]
    place: WirePlace,
    /// Since version 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    issuance: Option<WireIssuance>,
}

#[derive(Serialize, Deserialize)]
struct WireCluster {
    project: String,
    region: String,
    cluster: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    created: Option<String>,
}

/// Words in version 1.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum WirePlace {
    File { path: String, context: String, whole: bool },
    Words(String),
}

impl Default for WirePlace {
    fn default() -> Self {
        Self::Words(String::new())
    }
}

#[derive(Serialize, Deserialize)]
struct WireReference {
    #[serde(flatten)]
    cluster: WireCluster,
    issuance: WireIssuance,
}

#[derive(Serialize, Deserialize)]
struct WireIssuance {
    #[serde(default, skip_serializing_if = "String::is_empty")]
    server: String,
    authorities: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    newest: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client: Option<WireCertificate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<WireRotation>,
}

#[derive(Serialize, Deserialize)]
struct WireCertificate {
    issuer: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    authority_key_id: Option<String>,
    serial: String,
    #[serde(with = "crate::store::timestamp")]
    not_before: Timestamp,
    #[serde(with = "crate::store::timestamp")]
    not_after: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct WireRotation {
    phase: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    initiated: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    completed: Option<String>,
}

/// Reads the state. An unusable file is moved aside with a note, and defaults are used.
pub fn load(folder: &Path) -> (PersistedState, Option<String>) {
    if let Ok(kept) = usable(&folder.join(NAME)) {
        return (kept, None);
    }
    // Nobody puts a good one in its place meanwhile. Where nothing can be locked, nothing is moved.
    let not_locked = match try_lock(folder) {
        Ok(Some(_lock)) => return load_locked(folder),
        Ok(None) => held(&folder.join(LOCK)),
        Err(failure) => failure,
    };
    match usable(&folder.join(NAME)) {
        Ok(kept) => (kept, None),
        Err(why) => {
            let shown = clean(&folder.join(NAME).display().to_string());
            let note = format!("{shown}: {why}; defaults are used. {}", not_locked.message);
            (PersistedState::default(), Some(note))
        }
    }
}

/// Kubeconfigs that are kept now, and a note where the file has something that cannot be used; it is left as it is.
pub fn credentials(folder: &Path) -> (Credentials, Option<String>) {
    let path = folder.join(NAME);
    match usable(&path) {
        Ok(kept) => (kept.credentials, None),
        Err(why) => {
            let shown = clean(&path.display().to_string());
            (Credentials::default(), Some(format!("{shown}: {why}; what it records is not known")))
        }
    }
}

fn usable(path: &Path) -> Result<PersistedState, String> {
    match read(path) {
        Ok(text) => match serde_json::from_str::<Wire>(&text) {
            Ok(wire) if wire.version <= VERSION => Ok(wire.into()),
            Ok(wire) => Err(format!("it was written by a newer version (format {})", wire.version)),
            Err(_) if text.is_empty() => Err("it is empty".to_owned()),
            Err(error) => Err(format!("it is damaged at line {}", error.line())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(PersistedState::default()),
        Err(error) => Err(format!("it cannot be read: {error}")),
    }
}

fn load_locked(folder: &Path) -> (PersistedState, Option<String>) {
    let path = folder.join(NAME);
    match usable(&path) {
        Ok(kept) => (kept, None),
        Err(why) => (PersistedState::default(), Some(set_aside(folder, &path, &why))),
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
            "{shown}: {why}; moved to {}; defaults are used",
            clean(&aside.file_name().unwrap_or_default().to_string_lossy())
        ),
        Err(error) => {
            format!("{shown}: {why}; cannot be moved ({error}); defaults are used")
        }
    }
}

fn try_lock(folder: &Path) -> Result<Option<FileLock>, Failure> {
    private_file::create_folder(folder)?;
    let path = folder.join(LOCK);
    FileLock::try_acquire(&path).map_err(|error| failed("locking", &path, error))
}

fn read(path: &Path) -> io::Result<String> {
    read_regular(path, MAX_BYTES).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces what is kept, atomically and privately. Kubeconfigs that another instance has kept meanwhile stay, those
/// that ended go. Hands back all that are kept now, and a note when the file there could not be used.
pub fn save(
    folder: &Path,
    kept: &PersistedState,
    now: Timestamp,
) -> Result<Attempt<(Credentials, Option<String>)>, Failure> {
    let Some(_lock) = try_lock(folder)? else {
        return Ok(Attempt::Locked(held(&folder.join(LOCK))));
    };
    let path = folder.join(NAME);
    if let Err(error) = read(&path)
        && error.kind() != io::ErrorKind::NotFound
    {
        // What may be readable again in a moment is not put away.
        return Err(failed("reading", &path, error));
    }
    let (there, note) = load_locked(folder);
    let mut credentials = there.credentials;
    credentials.join(kept.credentials.clone());
    credentials.prune(now);
    let kept = PersistedState { credentials, ..kept.clone() };
    let content = serde_json::to_vec_pretty(&Wire::from(&kept)).map_err(|error| {
        Failure::new(FailureKind::Bug, format!("The state cannot be encoded: {error}"))
    })?;
    // Whether it survives a power failure is not worth a word each time.
    drop(private_file::replace(&path, &content, &private_file::unobserved)?);
    Ok(Attempt::Done((kept.credentials, note)))
}

impl From<Wire> for PersistedState {
    fn from(wire: Wire) -> Self {
        Self {
            credentials: Credentials {
                accesses: wire.accesses.into_iter().map(WireAccess::access).collect(),
                references: wire.references.into_iter().filter_map(WireReference::read).collect(),
            },
            theme: wire.theme.as_deref().map(clean),
            columns: wire.columns.iter().map(|column| clean(column)).collect(),
            sort: wire.sort.as_deref().map(clean),
            reversed: wire.reversed,
            filter: clean(&wire.filter),
            clusters: wire
                .clusters
                .into_iter()
                .take(MOST_CLUSTERS)
                .map(WireKeptCluster::read)
                .collect(),
            selections: wire.selections.into_iter().map(WireSelection::read).collect(),
        }
    }
}

impl From<&PersistedState> for Wire {
    fn from(kept: &PersistedState) -> Self {
        let credentials = &kept.credentials;
        Self {
            version: VERSION,
            accesses: credentials.accesses.iter().map(WireAccess::from).collect(),
            references: credentials.references.iter().map(WireReference::from).collect(),
            theme: kept.theme.clone(),
            columns: kept.columns.clone(),
            sort: kept.sort.clone(),
            reversed: kept.reversed,
            filter: kept.filter.clone(),
            clusters: kept.clusters.iter().map(WireKeptCluster::from).collect(),
            selections: kept.selections.iter().map(WireSelection::of).collect(),
        }
    }
}

impl WireSelection {
    fn read((profile, wire): (String, Self)) -> (String, Selection) {
        let projects = match wire.project {
            Some(id) => SelectedProjects::One(ProjectId::new(clean(&id))),
            None if wire.all => SelectedProjects::All,
            None => SelectedProjects::Configured,
        };
        let region = wire.region.map(|region| Region::new(clean(&region)));
        (profile, Selection { projects, region })
    }

    fn of((profile, selection): (&String, &Selection)) -> (String, Self) {
        let project = match &selection.projects {
            SelectedProjects::One(id) => Some(id.to_string()),
            SelectedProjects::Configured | SelectedProjects::All => None,
        };
        let region = selection.region.as_ref().map(ToString::to_string);
        let all = selection.projects == SelectedProjects::All;
        (profile.clone(), Self { all, project, region })
    }
}

/// A moment that cannot be read counts as not stated.
fn moment(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

impl WireAccess {
    fn access(self) -> Access {
        let (cluster, created) = self.cluster.read();
        Access {
            cluster,
            created,
            kind: self
                .kind
                .and_then(|kind| KubeconfigKind::from_word(&kind))
                .unwrap_or(KubeconfigKind::Admin),
            issued: self.issued,
            expires: moment(self.expires.as_ref()),
            place: self.place.into(),
            issuance: self.issuance.and_then(WireIssuance::read),
        }
    }
}

impl From<&Access> for WireAccess {
    fn from(access: &Access) -> Self {
        Self {
            cluster: WireCluster::of(&access.cluster, access.created),
            kind: Some(access.kind.word().to_owned()),
            issued: access.issued,
            expires: access.expires.map(|at| at.to_string()),
            place: WirePlace::from(&access.place),
            issuance: access.issuance.as_ref().map(WireIssuance::from),
        }
    }
}

impl WireCluster {
    fn of(id: &ClusterId, created: Option<Timestamp>) -> Self {
        Self {
            project: id.project().to_string(),
            region: id.region().to_string(),
            cluster: id.name.to_string(),
            created: created.map(|at| at.to_string()),
        }
    }

    fn read(&self) -> (ClusterId, Option<Timestamp>) {
        let id = ClusterId::new(&clean(&self.project), &clean(&self.region), &clean(&self.cluster));
        (id, moment(self.created.as_ref()))
    }
}

impl WireKeptCluster {
    fn read(self) -> KeptCluster {
        let (id, created) = self.cluster.read();
        let phase = self.phase.as_deref().map(Phase::from_api_word);
        KeptCluster { id, created, marked: self.marked, watched: self.watched, phase }
    }
}

impl From<&KeptCluster> for WireKeptCluster {
    fn from(kept: &KeptCluster) -> Self {
        Self {
            cluster: WireCluster::of(&kept.id, kept.created),
            marked: kept.marked,
            watched: kept.watched,
            phase: kept.phase.as_ref().map(|phase| phase.api_word().to_owned()),
        }
    }
}

/// Words of the places that are no file.
const CLIPBOARD: &str = "clipboard";
const STDOUT: &str = "standard output after exit";

impl From<WirePlace> for KubeconfigLocation {
    fn from(wire: WirePlace) -> Self {
        match wire {
            WirePlace::File { path, context, whole } => {
                Self::File { path: clean(&path), context: clean(&context), whole }
            }
            WirePlace::Words(words) => match words.as_str() {
                CLIPBOARD => Self::Clipboard,
                STDOUT => Self::Stdout,
                // As version 1 wrote files down.
                _ => match words.rsplit_once(", context ") {
                    Some((path, context)) => {
                        Self::File { path: clean(path), context: clean(context), whole: false }
                    }
                    None => Self::Other(clean(&words)),
                },
            },
        }
    }
}

impl From<&KubeconfigLocation> for WirePlace {
    fn from(place: &KubeconfigLocation) -> Self {
        match place {
            KubeconfigLocation::File { path, context, whole } => {
                Self::File { path: clean(path), context: clean(context), whole: *whole }
            }
            KubeconfigLocation::Clipboard => Self::Words(CLIPBOARD.to_owned()),
            KubeconfigLocation::Stdout => Self::Words(STDOUT.to_owned()),
            KubeconfigLocation::Other(words) => Self::Words(clean(words)),
        }
    }
}

impl WireReference {
    fn read(self) -> Option<Reference> {
        let (cluster, created) = self.cluster.read();
        Some(Reference { cluster, created, issuance: self.issuance.read()? })
    }
}

impl From<&Reference> for WireReference {
    fn from(reference: &Reference) -> Self {
        Self {
            cluster: WireCluster::of(&reference.cluster, reference.created),
            issuance: WireIssuance::from(&reference.issuance),
        }
    }
}

impl WireIssuance {
    /// `None` if a key was damaged: half of what certificates said would tell something else.
    fn read(self) -> Option<Issuance> {
        let keys = self.authorities.iter().map(|key| KeyHash::parse(key));
        let authorities = keys.collect::<Option<BTreeSet<_>>>()?;
        let client = self.client.map(|client| ClientCertificate {
            issuer: clean(&client.issuer),
            authority_key_id: client.authority_key_id.as_deref().map(clean),
            serial: clean(&client.serial),
            not_before: client.not_before,
            not_after: client.not_after,
        });
        let rotation = self.rotation.map(|rotation| Rotation {
            phase: Phase::from_api_word(&rotation.phase),
            initiated: moment(rotation.initiated.as_ref()),
            completed: moment(rotation.completed.as_ref()),
        });
        let newest = self.newest.and_then(|key| KeyHash::parse(&key));
        let facts = CredentialFacts { server: clean(&self.server), client, authorities, newest };
        Some(Issuance { facts, rotation })
    }
}

impl From<&Issuance> for WireIssuance {
    fn from(issuance: &Issuance) -> Self {
        let facts = &issuance.facts;
        Self {
            server: facts.server.clone(),
            newest: facts.newest.as_ref().map(|key| key.as_str().to_owned()),
            authorities: facts.authorities.iter().map(|key| key.as_str().to_owned()).collect(),
            client: facts.client.as_ref().map(|client| WireCertificate {
                issuer: client.issuer.clone(),
                authority_key_id: client.authority_key_id.clone(),
                serial: client.serial.clone(),
                not_before: client.not_before,
                not_after: client.not_after,
            }),
            rotation: issuance.rotation.as_ref().map(|rotation| WireRotation {
                phase: rotation.phase.api_word().to_owned(),
                initiated: rotation.initiated.map(|at| at.to_string()),
                completed: rotation.completed.map(|at| at.to_string()),
            }),
        }
    }
}
