//! The clients of a cluster that no program can find: CI, monitoring, backup, other people. Each is done once it has
//! credentials of the open rotation.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::rotation::Rotation;
use crate::domain::text::clean;

/// Maximum number of clients per list.
pub const MOST_CLIENTS: usize = 200;
/// Maximum length of name, owner and note, in characters.
pub const MOST_CHARACTERS: usize = 200;
/// Namespace of the `ConfigMap` that shares a checklist.
pub const CHECKLIST_NAMESPACE: &str = "default";
/// Name of that `ConfigMap`.
pub const CHECKLIST_NAME: &str = "skeys-checklist";
/// Format version that this program writes.
const VERSION: u64 = 1;

/// A client outside the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct ChecklistClient {
    /// Unique in the list.
    pub name: String,
    pub owner: String,
    pub note: String,
    /// `lastInitiationTime` of the rotation whose credentials it has.
    #[serde(rename = "doneForRotation", skip_serializing_if = "Option::is_none")]
    pub done: Option<Timestamp>,
}

impl ChecklistClient {
    /// Whether it has credentials of this rotation; the next start resets it.
    pub fn is_done(&self, rotation: &Rotation) -> bool {
        self.done.is_some() && self.done == rotation.start()
    }
}

/// The clients of one cluster, in insertion order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Checklist {
    clients: Vec<ChecklistClient>,
}

/// The checklist of a cluster on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LocalChecklist {
    pub list: Arc<Checklist>,
    /// Whether it is a copy of the one in the cluster, which takes precedence.
    pub shared: bool,
}

/// A change of one client: the state that the user saw, and the new one. `None`: no client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChecklistChange {
    pub before: Option<ChecklistClient>,
    pub after: Option<ChecklistClient>,
}

/// A write to the checklist in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedWrite {
    Change(ChecklistChange),
    /// Create it, or add the clients of this list that are missing.
    Share(Checklist),
    /// Delete it; returns its last content.
    Unshare,
}

/// Why a change does not apply to a list: a concurrent change, or it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecklistConflict {
    /// Another client has that name.
    NameTaken,
    /// The client differs from what was shown.
    Changed,
    Removed,
    Full,
}

impl From<ChecklistConflict> for Failure {
    fn from(conflict: ChecklistConflict) -> Self {
        let refused = |text: &str| Self::new(FailureKind::Refused, text);
        match conflict {
            ChecklistConflict::NameTaken => refused("Another client has this name"),
            ChecklistConflict::Changed => refused("Someone else has changed this client")
                .hint("Review the current entry, then change it again"),
            ChecklistConflict::Removed => refused("Someone else has removed this client"),
            ChecklistConflict::Full => {
                refused(&format!("A checklist can hold at most {MOST_CLIENTS} clients"))
            }
        }
    }
}

/// State of the shared checklist in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum SharedChecklist {
    #[default]
    Unread,
    /// No checklist is shared.
    Absent,
    Known(Arc<Checklist>),
    /// It exists but cannot be read, and why.
    Unreadable(String),
}

impl Checklist {
    /// The clients, in order.
    pub fn clients(&self) -> &[ChecklistClient] {
        &self.clients
    }

    /// Clients without credentials of this rotation.
    pub fn open(&self, rotation: &Rotation) -> impl Iterator<Item = &ChecklistClient> {
        self.clients.iter().filter(|client| !client.is_done(rotation))
    }

    /// Changes one client.
    ///
    /// # Errors
    /// The list differs from what the user saw; it is left unchanged.
    pub fn apply(&mut self, change: &ChecklistChange) -> Result<(), ChecklistConflict> {
        let place = |name: &str| self.clients.iter().position(|client| client.name == name);
        let old = match &change.before {
            None => None,
            Some(before) => match place(&before.name) {
                Some(at) if self.clients.get(at) == Some(before) => Some(at),
                Some(at) if self.clients.get(at) == change.after.as_ref() => return Ok(()),
                Some(_) => return Err(ChecklistConflict::Changed),
                None if change.after.is_none() => return Ok(()),
                None => return Err(ChecklistConflict::Removed),
            },
        };
        let taken = change.after.as_ref().and_then(|after| place(&after.name));
        match (old, &change.after) {
            (Some(at), None) => drop(self.clients.remove(at)),
            (_, Some(_)) if taken.is_some_and(|taken| Some(taken) != old) => {
                return Err(ChecklistConflict::NameTaken);
            }
            (Some(at), Some(after)) => {
                if let Some(client) = self.clients.get_mut(at) {
                    client.clone_from(after);
                }
            }
            (None, Some(_)) if self.clients.len() >= MOST_CLIENTS => {
                return Err(ChecklistConflict::Full);
            }
            (None, Some(after)) => self.clients.push(after.clone()),
            (None, None) => {}
        }
        Ok(())
    }

    /// Clients of another list whose names are not in this one.
    pub fn missing<'a>(&self, other: &'a Self) -> impl Iterator<Item = &'a ChecklistClient> {
        let has = |name: &str| self.clients.iter().any(|client| client.name == name);
        other.clients.iter().filter(move |client| !has(&client.name))
    }

    /// Adds the clients of another list whose names are not in this one, up to the limit.
    pub fn add_missing(&mut self, other: &Self) {
        let missing: Vec<ChecklistClient> = self.missing(other).cloned().collect();
        self.clients.extend(missing);
        self.clients.truncate(MOST_CLIENTS);
    }

    /// The list as JSON.
    pub fn to_json(&self) -> Value {
        json!({"version": VERSION, "clients": self.clients})
    }

    /// Parses a list from JSON. Control characters are made visible, texts truncated, and unknown fields ignored.
    ///
    /// # Errors
    /// What is wrong, and where. A newer format is not read, since writing it back would drop its additions.
    pub fn from_json(value: &Value) -> Result<Self, String> {
        match value.get("version").and_then(Value::as_u64) {
            Some(VERSION) => {}
            Some(version) => return Err(format!("written by a newer skeys (format {version})")),
            None => return Err("\"version\" is missing".to_owned()),
        }
        let items = value.get("clients").and_then(Value::as_array);
        let items = items.ok_or("\"clients\" is not a list")?;
        if items.len() > MOST_CLIENTS {
            return Err(format!("it has more than {MOST_CLIENTS} clients"));
        }
        let mut list = Self::default();
        for (at, item) in items.iter().enumerate() {
            let text = |name: &str| {
                let text = clean(item.get(name).and_then(Value::as_str).unwrap_or_default());
                text.trim().chars().take(MOST_CHARACTERS).collect::<String>()
            };
            let done = item.get("doneForRotation").and_then(Value::as_str);
            let client = ChecklistClient {
                name: text("name"),
                owner: text("owner"),
                note: text("note"),
                done: done.and_then(|done| done.parse().ok()),
            };
            let at = at + 1;
            if client.name.is_empty() {
                return Err(format!("client {at} has no name"));
            }
            let change = ChecklistChange { before: None, after: Some(client) };
            list.apply(&change)
                .map_err(|_taken| format!("client {at} has the same name as another"))?;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::domain::checklist::{
        Checklist, ChecklistChange, ChecklistClient, ChecklistConflict, MOST_CLIENTS,
    };
    use crate::domain::fixtures::cluster;
    use crate::domain::rotation::Phase;

    fn client(name: &str) -> ChecklistClient {
        ChecklistClient { name: name.to_owned(), ..ChecklistClient::default() }
    }

    fn change(
        before: Option<&ChecklistClient>,
        after: Option<&ChecklistClient>,
    ) -> ChecklistChange {
        ChecklistChange { before: before.cloned(), after: after.cloned() }
    }

    #[test]
    fn the_next_start_opens_a_client_again() {
        let mut rotation = cluster("shop", Phase::Prepared).rotation;
        let done = ChecklistClient { done: rotation.initiated, ..client("ci") };
        assert!(done.is_done(&rotation) && !client("ci").is_done(&rotation));
        rotation.initiated = rotation.initiated.map(|at| at + jiff::SignedDuration::from_secs(1));
        assert!(!done.is_done(&rotation));
        rotation.initiated = None;
        assert!(!done.is_done(&rotation) && !client("ci").is_done(&rotation));
    }

    #[test]
    fn api_20_credentials_of_a_completed_rotation_are_not_those_of_the_open_one() {
        let mut rotation = cluster("shop", Phase::Prepared).rotation;
        let done = ChecklistClient { done: rotation.initiated, ..client("ci") };
        rotation.completed = rotation.initiated.map(|at| at + jiff::SignedDuration::from_secs(1));
        assert!(!done.is_done(&rotation), "SKE does not report the start of the open one");
    }

    #[test]
    fn a_change_applies_only_to_what_the_person_saw() {
        let mut list = Checklist::default();
        let (ci, owned) =
            (client("ci"), ChecklistClient { owner: "Kim".to_owned(), ..client("ci") });
        list.apply(&change(None, Some(&ci))).unwrap();
        assert_eq!(list.apply(&change(None, Some(&owned))), Err(ChecklistConflict::NameTaken));
        list.apply(&change(Some(&ci), Some(&owned))).unwrap();
        list.apply(&change(Some(&ci), Some(&owned))).expect("somebody else did the same");
        assert_eq!(list.apply(&change(Some(&ci), None)), Err(ChecklistConflict::Changed));
        assert_eq!(list.apply(&change(Some(&ci), Some(&ci))), Err(ChecklistConflict::Changed));
        list.apply(&change(None, Some(&client("backup")))).unwrap();
        let renamed = client("backup");
        assert_eq!(
            list.apply(&change(Some(&owned), Some(&renamed))),
            Err(ChecklistConflict::NameTaken)
        );
        list.apply(&change(Some(&owned), None)).unwrap();
        list.apply(&change(Some(&owned), None)).expect("it is gone already");
        assert_eq!(list.apply(&change(Some(&owned), Some(&ci))), Err(ChecklistConflict::Removed));
        assert_eq!(list.clients(), [client("backup")]);
        for number in 1..MOST_CLIENTS {
            list.apply(&change(None, Some(&client(&number.to_string())))).unwrap();
        }
        assert_eq!(list.apply(&change(None, Some(&ci))), Err(ChecklistConflict::Full));
    }

    #[test]
    fn a_list_that_cannot_be_read_says_why() {
        for (value, why) in [
            (json!([]), "\"version\" is missing"),
            (json!({"version": 2, "clients": []}), "written by a newer skeys (format 2)"),
            (json!({"version": 1}), "\"clients\" is not a list"),
            (json!({"version": 1, "clients": [{"name": "a"}, {}]}), "client 2 has no name"),
            (
                json!({"version": 1, "clients": [{"name": "a"}, {"name": "a"}]}),
                "client 2 has the same name as another",
            ),
        ] {
            assert_eq!(Checklist::from_json(&value), Err(why.to_owned()));
        }
        let hostile = json!({"version": 1, "more": 1, "clients": [{"name": "a\u{1b}[2J", "note": 7, "doneForRotation": "x"}]});
        assert_eq!(Checklist::from_json(&hostile).unwrap().clients(), [client("a␛[2J")]);
    }

    proptest! {
        #![proptest_config(crate::property_cases(64))]
        #[test]
        fn a_list_is_read_as_it_was_written(names in proptest::collection::btree_set("[a-z ]{0,5}[a-z]", 0..9), done in any::<bool>()) {
            let mut list = Checklist::default();
            for name in names {
                let done = done.then(crate::domain::fixtures::now);
                let after = ChecklistClient { name: name.trim().to_owned(), owner: "o".to_owned(), note: "n".to_owned(), done };
                // Names that differ only in whitespace are the same.
                let _taken = list.apply(&ChecklistChange { before: None, after: Some(after) });
            }
            prop_assert_eq!(Checklist::from_json(&list.to_json()), Ok(list));
        }
    }
}
