//! The files of `$KUBECONFIG` as kubectl merges them: of each name, it takes the entry in the first file that has it.

use std::collections::HashSet;

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{entry_named, file_failure, items, name_of};
use crate::domain::kubeconfig::entry_owner::{EntryOwner, server_address};
use crate::domain::kubeconfig::merge::{
    LISTS, MergeQuery, Names, ReadFile, combine_owners, owner_of_entries, server, sharing, used,
    without_mark,
};
use crate::domain::text::clean;

/// One of the files.
pub struct ListedFile<'a> {
    /// Its path for display.
    pub path: String,
    pub text: &'a str,
    /// Whether the new entries are written to it.
    pub is_target: bool,
}

/// What the other files contain that concerns the entries to write.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ListedEntries {
    /// Entries with the requested name ("user shop in ~/b.yaml").
    pub taken: Vec<String>,
    /// The files that contain them.
    pub hidden_in: Vec<String>,
    /// Other contexts that use the entries to write ("context dev in ~/b.yaml (user shop)").
    pub sharing: Vec<String>,
    /// The cluster that all those belong to.
    pub owner: EntryOwner,
    /// The first `current-context`.
    pub current: Option<String>,
}

/// A file that kubectl can read.
struct UsableFile<'a> {
    file: &'a ListedFile<'a>,
    values: ReadFile<'a>,
}

impl UsableFile<'_> {
    fn has(&self, list: &str, name: &str) -> bool {
        entry_named(&self.values.values, list, name).is_some()
    }
}

/// Surveys the list. Files that kubectl cannot read contain nothing.
///
/// # Errors
/// A renewal in place would give a context of another file credentials of another cluster.
pub fn survey_listed(
    files: &[ListedFile<'_>],
    query: &MergeQuery,
) -> Result<ListedEntries, Failure> {
    let usable = files.iter().filter_map(|file| {
        let values = ReadFile::read(without_mark(file.text).1).ok()?;
        // Duplicate names make kubectl reject the file.
        let is_usable = LISTS.iter().all(|(list, _)| values.names(list).is_ok());
        is_usable.then_some(UsableFile { file, values })
    });
    let usable: Vec<_> = usable.collect();
    let Some(target) = files.iter().position(|file| file.is_target) else {
        return Ok(ListedEntries::default());
    };
    let own = usable.iter().find(|one| one.file.is_target);
    let nothing = Value::Null;
    let own_values = own.map_or(&nothing, |own| &*own.values.values);
    // The survey of the target itself reports what is wrong with it.
    let Ok(names) = Names::of(own_values, &query.context, query.in_place) else {
        return Ok(ListedEntries::default());
    };
    let is_earlier = |one: &UsableFile<'_>| {
        files.iter().position(|file| std::ptr::eq(file, one.file)).is_some_and(|at| at < target)
    };
    let defined_earlier =
        |list: &str, name: &str| usable.iter().any(|one| is_earlier(one) && one.has(list, name));
    let first_server = |name: &str| {
        usable
            .iter()
            .find_map(|one| entry_named(&one.values.values, "clusters", name))
            .and_then(server)
            .map(str::to_owned)
    };
    let writes =
        (!defined_earlier("clusters", &names.cluster), !defined_earlier("users", &names.user));
    let mut found = ListedEntries::default();
    let mut owners = Vec::new();
    let mut contexts_before: HashSet<&str> = HashSet::new();
    for one in &usable {
        let values = &*one.values.values;
        let current = values.get("current-context").and_then(Value::as_str);
        if found.current.is_none() {
            found.current = current.filter(|name| !name.is_empty()).map(clean);
        }
        if !one.file.is_target {
            let path = &one.file.path;
            let shared = sharing(values, &names, writes);
            let shared = shared.into_iter().filter(|(name, _)| !contexts_before.contains(name));
            for (name, what) in shared {
                if query.in_place && writes.1 {
                    refuse_foreign(values, name, &names, path, &first_server)?;
                }
                found.sharing.push(format!("context {} in {path} ({what})", clean(name)));
            }
            let all = LISTS.into_iter().zip(names.all());
            let taken: Vec<String> = all
                .filter(|((list, _), name)| !query.in_place && one.has(list, name))
                .map(|((_, word), name)| format!("{word} {} in {path}", clean(name)))
                .collect();
            if !taken.is_empty() {
                found.hidden_in.push(path.clone());
            }
            found.taken.extend(taken);
        }
        if !query.in_place {
            owners.push(owner_of_entries(values, &names, &query.known, &first_server));
        }
        contexts_before.extend(items(values, "contexts").iter().filter_map(name_of));
    }
    found.owner = combine_owners(owners);
    Ok(found)
}

/// Refuses to change the user of a context that uses another server.
fn refuse_foreign(
    values: &Value,
    context: &str,
    names: &Names<'_>,
    path: &str,
    server_of: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    let address = |name: &str| server_of(name).map(|server| server_address(&server));
    let Some(entry) = entry_named(values, "contexts", context) else { return Ok(()) };
    let is_users = used(entry, "user") == Some(&names.user);
    let here = address(&names.cluster);
    if !is_users || used(entry, "cluster").is_some_and(|cluster| address(cluster) == here) {
        return Ok(());
    }
    Err(file_failure(format!(
        "user {} also belongs to context {} in {path}, which uses another server",
        clean(&names.user),
        clean(context)
    ))
    .hint("Issue one under another name instead"))
}
