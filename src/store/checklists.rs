//! Reads and changes the local checklists: `checklists.json` in the state folder.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Value, json};

use crate::domain::checklist::{Checklist, ChecklistChange, LocalChecklist};
use crate::domain::cluster::ClusterId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;
use crate::store::files::read_regular;
use crate::store::lock::{LockOutcome, locked};
use crate::store::private_file::{self, failed};

const NAME: &str = "checklists.json";
const LOCK: &str = "checklists.lock";
const MAX_BYTES: u64 = 16 * 1024 * 1024;
const VERSION: u64 = 1;

/// Reads the checklist of a cluster; empty if none was ever written.
///
/// # Errors
/// The file, or the list in it, cannot be read; the file is not changed.
pub fn read(folder: &Path, id: &ClusterId) -> Result<LocalChecklist, Failure> {
    let path = folder.join(NAME);
    let all = read_all(&path)?;
    let Some(found) = all.iter().find(|entry| is_of(entry, id)) else {
        return Ok(LocalChecklist::default());
    };
    local(found).map_err(|why| damaged(&path, &format!("the list of {}: {why}", id.name)))
}

/// Changes one client of a checklist, and returns the list.
///
/// # Errors
/// As [`read`] and [`save`], or the client was changed elsewhere in the meantime.
pub fn change(
    folder: &Path,
    id: &ClusterId,
    change: &ChecklistChange,
) -> Result<LockOutcome<LocalChecklist>, Failure> {
    update(folder, id, |local| {
        local.shared = false;
        Arc::make_mut(&mut local.list).apply(change).map_err(Failure::from)
    })
}

/// Replaces a checklist.
///
/// # Errors
/// The file cannot be locked, read or written; it is not changed.
pub fn save(
    folder: &Path,
    id: &ClusterId,
    kept: &LocalChecklist,
) -> Result<LockOutcome<LocalChecklist>, Failure> {
    update(folder, id, |local| {
        local.clone_from(kept);
        Ok(())
    })
}

fn update(
    folder: &Path,
    id: &ClusterId,
    edit: impl FnOnce(&mut LocalChecklist) -> Result<(), Failure>,
) -> Result<LockOutcome<LocalChecklist>, Failure> {
    private_file::create_folder(folder)?;
    locked(&folder.join(LOCK), || {
        let path = folder.join(NAME);
        let mut local = read(folder, id)?;
        edit(&mut local)?;
        // Lists of other clusters are kept as they are, even if they cannot be read.
        let mut all = read_all(&path)?;
        all.retain(|entry| !is_of(entry, id));
        all.push(json!({
            "project": id.project().to_string(),
            "region": id.region().to_string(),
            "cluster": id.name.to_string(),
            "shared": local.shared,
            "checklist": local.list.to_json(),
        }));
        let content = format!("{:#}\n", json!({"version": VERSION, "clusters": all}));
        drop(private_file::replace(&path, content.as_bytes(), &private_file::unobserved)?);
        Ok(local)
    })
}

fn is_of(entry: &Value, id: &ClusterId) -> bool {
    ClusterId::deserialize(entry).is_ok_and(|found| found == *id)
}

fn local(entry: &Value) -> Result<LocalChecklist, String> {
    let list = Checklist::from_json(entry.get("checklist").unwrap_or(&Value::Null))?;
    Ok(LocalChecklist {
        list: Arc::new(list),
        shared: entry.get("shared") == Some(&Value::Bool(true)),
    })
}

fn read_all(path: &Path) -> Result<Vec<Value>, Failure> {
    let bytes = match read_regular(path, MAX_BYTES) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("reading", path, error)),
    };
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
        let place = format!("line {}, column {}", error.line(), error.column());
        damaged(path, &format!("it is not JSON at {place}"))
    })?;
    match (value.get("version").and_then(Value::as_u64), value.get("clusters")) {
        (Some(VERSION), Some(Value::Array(all))) => Ok(all.clone()),
        (Some(version), _) if version > VERSION => {
            Err(damaged(path, &format!("written by a newer skeys (format {version})")))
        }
        _ => Err(damaged(path, "\"version\" or \"clusters\" is missing")),
    }
}

fn damaged(path: &Path, why: &str) -> Failure {
    let shown = clean(&path.display().to_string());
    Failure::new(FailureKind::File, format!("{shown}: {why}"))
        .hint("Repair the file, or move it away to start with an empty one")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use std::sync::Arc;

    use crate::domain::checklist::{ChecklistChange, ChecklistClient, LocalChecklist};
    use crate::domain::cluster::ClusterId;
    use crate::store::checklists::{NAME, change, read, save};
    use crate::store::lock::{LockOutcome, try_lock};

    fn added(name: &str) -> ChecklistChange {
        let client = ChecklistClient { name: name.to_owned(), ..ChecklistClient::default() };
        ChecklistChange { before: None, after: Some(client) }
    }

    fn names(local: &LocalChecklist) -> Vec<&str> {
        local.list.clients().iter().map(|client| client.name.as_str()).collect()
    }

    #[test]
    fn each_cluster_has_its_own_list_and_two_writers_lose_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (shop, other) =
            (ClusterId::new("p", "eu01", "shop"), ClusterId::new("q", "eu01", "shop"));
        for (id, name) in [(&shop, "ci"), (&other, "backup"), (&shop, "monitoring")] {
            let LockOutcome::Done(_) = change(home.path(), id, &added(name)).unwrap() else {
                panic!()
            };
        }
        assert_eq!(names(&read(home.path(), &shop).unwrap()), ["ci", "monitoring"]);
        assert_eq!(names(&read(home.path(), &other).unwrap()), ["backup"]);
        let taken = change(home.path(), &shop, &added("ci")).unwrap_err();
        assert!(taken.message.contains("has this name"), "{taken}");
        let copy = LocalChecklist { list: Arc::default(), shared: true };
        save(home.path(), &shop, &copy).unwrap();
        assert_eq!(read(home.path(), &shop).unwrap(), copy);
        assert_eq!(names(&read(home.path(), &other).unwrap()), ["backup"]);
        let lock = try_lock(&home.path().join("checklists.lock")).unwrap();
        assert!(matches!(change(home.path(), &shop, &added("x")).unwrap(), LockOutcome::Locked(_)));
        drop(lock);
    }

    #[test]
    fn a_damaged_file_is_named_and_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        let id = ClusterId::new("p", "eu01", "shop");
        for (content, why) in [
            ("{\n  \"version\": 1,, }", "line 2, column 16"),
            ("[]", "\"version\" or \"clusters\" is missing"),
            ("{\"version\": 9}", "newer skeys"),
            (
                r#"{"version":1,"clusters":[{"project":"p","region":"eu01","cluster":"shop","checklist":{"version":1,"clients":[{}]}}]}"#,
                "the list of shop: client 1 has no name",
            ),
        ] {
            fs::write(home.path().join(NAME), content).unwrap();
            for failure in [
                read(home.path(), &id).unwrap_err(),
                change(home.path(), &id, &added("ci")).unwrap_err(),
            ] {
                assert!(failure.message.contains(why), "{failure}");
            }
            assert_eq!(fs::read_to_string(home.path().join(NAME)).unwrap(), content);
        }
    }
}
