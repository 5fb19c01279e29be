//! Merges an issued kubeconfig into the user's file. Unaffected bytes stay, and every step is parsed again and
//! verified: either the result has the expected values, or the file is rejected, with the line in the original file.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::domain::failure::Failure;
use crate::domain::kubeconfig::changes::changed_lines;
use crate::domain::kubeconfig::document::{
    self, Content, MERGE_KEY, YamlNode, entry_named, file_failure, items, name_of, with_merged,
};
use crate::domain::kubeconfig::emit;
use crate::domain::kubeconfig::entry_owner::{
    ClusterIdentity, EntryOwner, owner_of_server, server_address,
};
use crate::domain::kubeconfig::parsed::{
    Entries, KubeconfigKind, ParsedKubeconfig, check_context_name, sample_entries,
};
use crate::domain::kubeconfig::plan::Plan;
use crate::domain::kubeconfig::shape;
use crate::domain::kubeconfig::splice::{InsertAt, Splice, usual_line_end};
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// Options of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOptions {
    /// Name of context, cluster and user in the file.
    pub context: String,
    /// Whether it becomes the current context.
    pub make_current: bool,
    /// Whether existing entries with that name are replaced.
    pub replace: bool,
    /// Whether they are replaced even if they belong to another cluster.
    pub replace_another: bool,
    /// Whether the entries used by the context with that name are renewed, whatever their names.
    pub in_place: bool,
}

impl MergeOptions {
    /// Whether entries of an owner are replaced. `replace` alone is no consent to replacing another cluster's entries.
    pub fn may_replace(&self, owner: &EntryOwner) -> bool {
        self.replace && (self.replace_another || !matches!(owner, EntryOwner::Another(_)))
    }
}

/// A planned merge, as far as known before issuing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeQuery {
    /// Name of context, cluster and user in the file.
    pub context: String,
    /// Which cluster it is for.
    pub known: ClusterIdentity,
    pub kind: KubeconfigKind,
    /// Whether it becomes the current context.
    pub make_current: bool,
    /// Whether the entries used by the context with that name are renewed, whatever their names.
    pub in_place: bool,
}

/// The lists of a kubeconfig, and the word for an entry of each.
pub(super) const LISTS: [(&str, &str); 3] =
    [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

/// Finds entries with a name in a file, and merges what was issued, or a sample of it, so that an unmergeable file is
/// detected before issuing. The plan lacks what only the caller, which opens the file, knows.
///
/// # Errors
/// Why the file cannot be merged into, with its line.
pub fn survey(
    existing: &str,
    query: &MergeQuery,
    issued: Option<&ParsedKubeconfig>,
) -> Result<Plan, Failure> {
    check_context_name(&query.context)?;
    let file = ReadFile::read(without_mark(existing).1)?;
    let names = Names::of(&file.values, &query.context, query.in_place)?;
    let mut plan = survey_entries(&file, &names, &query.known)?;
    let mut entries = match issued {
        Some(fresh) => fresh.entries(&query.context)?,
        None => sample_entries(query.kind, &query.context),
    };
    names.put_into(&mut entries);
    if query.in_place && issued.is_none() {
        keep_likely(&mut entries, &file.values);
    }
    let merged = |keeps| merge_entries(&file, &entries, &names, query.make_current, keeps);
    let keeps = keeps_own_fields(&plan.owner);
    let (text, dropped) = merged(keeps)?;
    plan.dropped = dropped;
    if query.in_place {
        plan.changes = changed_lines(file.text, &text)?;
    } else if !plan.taken.is_empty() {
        // The issued kubeconfig may show a different owner of these entries.
        let (_, other) = merged(!keeps)?;
        plan.dropped_from_another = if keeps { other } else { plan.dropped.clone() };
    }
    Ok(plan)
}

/// Whether the user's additions to entries are kept: entries of another cluster are replaced completely.
fn keeps_own_fields(owner: &EntryOwner) -> bool {
    !matches!(owner, EntryOwner::Another(_))
}

/// Adds to the sample what will most likely be issued again: the server, and the plugin of the stackit CLI.
fn keep_likely(entries: &mut Entries, values: &Value) {
    for ((list, entry), (_, word)) in entries.iter_mut().zip(LISTS) {
        let name = name_of(entry).unwrap_or_default();
        let old = entry_named(values, list, name);
        let Some(old) = old.and_then(|old| old.get(word)) else { continue };
        let Some(fields) = entry.get_mut(word).and_then(Value::as_object_mut) else { continue };
        for key in ["server", "exec"] {
            if let (Some(field), Some(value)) = (fields.get_mut(key), old.get(key)) {
                *field = value.clone();
            }
        }
    }
}

/// The names of the entries to write.
pub(super) struct Names<'a> {
    context: &'a str,
    pub(super) cluster: Cow<'a, str>,
    pub(super) user: Cow<'a, str>,
}

impl<'a> Names<'a> {
    /// All are the context's name; in place, cluster and user are those used by the existing context.
    pub(super) fn of(values: &Value, context: &'a str, in_place: bool) -> Result<Self, Failure> {
        let mut names = Self { context, cluster: context.into(), user: context.into() };
        let contexts = items(values, "contexts");
        let old = match entry_named(values, "contexts", context) {
            Some(old) if in_place => old,
            None if in_place => {
                let context = clean(context);
                return Err(file_failure(format!("no longer has context {context}")));
            }
            Some(_) | None => return Ok(names),
        };
        let own = |key: &str| used(old, key).map(|name| Cow::Owned(name.to_owned()));
        names.cluster = own("cluster").unwrap_or(names.cluster);
        names.user = own("user").unwrap_or(names.user);
        let server_of = |name: &str| {
            let clusters = items(values, "clusters").iter();
            clusters
                .filter(|entry| name_of(entry) == Some(name))
                .find_map(server)
                .map(server_address)
        };
        let here = server_of(&names.cluster);
        let shares = |entry: &&Value| {
            used(entry, "user") == Some(&*names.user)
                && used(entry, "cluster").is_none_or(|cluster| server_of(cluster) != here)
        };
        if let Some(other) = contexts.iter().find(shares) {
            let (user, other) = (clean(&names.user), clean(name_of(other).unwrap_or_default()));
            return Err(file_failure(format!(
                "user {user} also belongs to context {other}, which uses another server"
            ))
            .hint("Issue one under another name instead"));
        }
        Ok(names)
    }

    /// In the order of [`LISTS`].
    pub(super) fn all(&self) -> [&str; 3] {
        [&self.cluster, self.context, &self.user]
    }

    fn put_into(&self, entries: &mut Entries) {
        for ((_, entry), name) in entries.iter_mut().zip(self.all()) {
            if let Some(fields) = entry.as_object_mut() {
                fields.insert("name".to_owned(), json!(name));
            }
            if let Some(used) = entry.get_mut("context").and_then(Value::as_object_mut) {
                used.insert("cluster".to_owned(), json!(self.cluster));
                used.insert("user".to_owned(), json!(self.user));
            }
        }
    }
}

fn survey_entries(
    file: &ReadFile<'_>,
    wanted_names: &Names<'_>,
    known: &ClusterIdentity,
) -> Result<Plan, Failure> {
    let mut plan = Plan { blank: file.root.is_none(), ..Plan::default() };
    for ((list, word), wanted) in LISTS.into_iter().zip(wanted_names.all()) {
        let names = file.names(list)?;
        if names.contains(&wanted) {
            plan.taken.push(format!("{word} {}", clean(wanted)));
        }
        if list == "contexts" {
            let others = names.iter().filter(|name| **name != wanted).count();
            let named = |(name, what)| format!("context {} ({what})", clean(name));
            let shared = sharing(&file.values, wanted_names, (true, true));
            plan.sharing = shared.into_iter().map(named).collect();
            plan.others = others.saturating_sub(plan.sharing.len());
        }
        let named = names.into_iter().filter(|name| !name.is_empty());
        plan.names.extend(named.map(ToOwned::to_owned));
    }
    plan.owner = owner_of_entries(&file.values, wanted_names, known, &|_| None);
    plan.current = file
        .values
        .get("current-context")
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(clean);
    Ok(plan)
}

/// The name of the cluster or user of a context.
pub(super) fn used<'a>(context: &'a Value, word: &str) -> Option<&'a str> {
    context.get("context")?.get(word)?.as_str()
}

/// Other contexts that use the cluster or user to be written, each with what it uses; `writes` tells which of both
/// take effect.
pub(super) fn sharing<'a>(
    values: &'a Value,
    written: &Names<'_>,
    writes: (bool, bool),
) -> Vec<(&'a str, String)> {
    let contexts = items(values, "contexts").iter();
    let others = contexts.filter(|entry| name_of(entry) != Some(written.context));
    let shared = |entry: &'a Value| {
        let uses = |writes: bool, word: &str, name: &str| {
            let is_used = writes && used(entry, word) == Some(name);
            is_used.then(|| format!("{word} {}", clean(name)))
        };
        let both =
            [uses(writes.0, "cluster", &written.cluster), uses(writes.1, "user", &written.user)];
        let both: Vec<String> = both.into_iter().flatten().collect();
        let name = name_of(entry)?;
        (!both.is_empty()).then(|| (name, both.join(", ")))
    };
    others.filter_map(shared).collect()
}

/// The server of a cluster.
pub(super) fn server(entry: &Value) -> Option<&str> {
    entry.get("cluster")?.get("server")?.as_str()
}

/// The cluster that entries with a name belong to: the cluster entry itself, or the one that their context uses, here
/// or, with `server_elsewhere`, in another file.
pub(super) fn owner_of_entries(
    values: &Value,
    names: &Names<'_>,
    known: &ClusterIdentity,
    server_elsewhere: &dyn Fn(&str) -> Option<String>,
) -> EntryOwner {
    // Another context may use what is to be replaced.
    let clusters = items(values, "contexts").iter().filter_map(|entry| {
        let is_named = name_of(entry) == Some(names.context);
        let is_used = used(entry, "user") == Some(&names.user)
            || used(entry, "cluster") == Some(&names.cluster);
        used(entry, "cluster").filter(|_| is_named || is_used)
    });
    let here = |name: &str| entry_named(values, "clusters", name).and_then(server);
    let own = here(&names.cluster).map(str::to_owned);
    let used = clusters.flat_map(|name| [here(name).map(str::to_owned), server_elsewhere(name)]);
    let told = std::iter::once(own).chain(used).flatten();
    combine_owners(told.map(|server| owner_of_server(&server, known)).collect())
}

/// Foreign entries take precedence, since they would be lost.
pub fn combine_owners(told: Vec<EntryOwner>) -> EntryOwner {
    let rank = |owner: &EntryOwner| match owner {
        EntryOwner::Another(_) => 0,
        EntryOwner::At(_) => 1,
        EntryOwner::Alike(_) => 2,
        EntryOwner::This => 3,
        EntryOwner::Unknown => 4,
    };
    told.into_iter().min_by_key(rank).unwrap_or_default()
}

/// The cluster that a whole file belongs to that is to be replaced, and its contexts.
pub fn contents_of_file(existing: &str, known: &ClusterIdentity) -> (EntryOwner, Vec<String>) {
    let Ok((_, values)) = document::read(without_mark(existing).1) else {
        return (EntryOwner::Unknown, Vec::new());
    };
    let servers = items(&values, "clusters").iter().filter_map(server);
    let owner = combine_owners(servers.map(|server| owner_of_server(server, known)).collect());
    let contexts = items(&values, "contexts").iter().filter_map(name_of).map(clean).collect();
    (owner, contexts)
}

/// The byte order mark of a text, and the rest.
pub(super) fn without_mark(text: &str) -> (&str, &str) {
    text.strip_prefix('\u{feff}').map_or(("", text), |text| ("\u{feff}", text))
}

/// A file as seen by both parsers.
pub(super) struct ReadFile<'a> {
    text: &'a str,
    /// `None` if empty.
    root: Option<YamlNode>,
    /// As kubectl sees them.
    pub(super) values: SecretValue,
    /// As written, if different.
    written: Option<SecretValue>,
}

impl<'a> ReadFile<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, Failure> {
        let (root, values) = document::read(text)?;
        if let Some(root) = &root {
            if !matches!(root.content, Content::Map(..)) || !values.is_object() {
                return Err(file_failure(format!("line {}: not a mapping", root.line)));
            }
            check_readable(root, &values)?;
        }
        if !text.contains(MERGE_KEY) {
            return Ok(Self { text, root, values, written: None });
        }
        let merged = SecretValue::new(with_merged(root.as_ref(), &values));
        Ok(Self { text, root, values: merged, written: Some(values) })
    }

    fn written(&self) -> &Value {
        self.written.as_ref().unwrap_or(&self.values)
    }

    fn list(&self, list: &str) -> Option<&YamlNode> {
        Some(&self.root.as_ref()?.entry(list)?.1)
    }

    /// The names in a list, in order; rejects non-lists and duplicate names.
    pub(super) fn names(&self, list: &str) -> Result<Vec<&str>, Failure> {
        let Some(value) = self.list(list) else { return Ok(Vec::new()) };
        let nodes = match &value.content {
            Content::List(nodes, _) => nodes,
            Content::Scalar(..) | Content::Map(..) | Content::Alias => {
                return match self.values.get(list) {
                    Some(Value::Null) | None if !matches!(value.content, Content::Alias) => {
                        Ok(Vec::new())
                    }
                    _ => Err(file_failure(format!("line {}: {list} is not a list", value.line))),
                };
            }
        };
        let mut seen: HashMap<&str, usize> = HashMap::new();
        let mut names = Vec::with_capacity(nodes.len());
        for (node, entry) in nodes.iter().zip(items(&self.values, list)) {
            let name = match entry.get("name") {
                Some(Value::String(name)) => name.as_str(),
                None | Some(Value::Null) => "",
                Some(_) => {
                    let line = node.entry("name").map_or(node.line, |(_, name)| name.line);
                    return Err(file_failure(format!(
                        "line {line}: a name in {list} is not a string; quote it"
                    )));
                }
            };
            if let Some(first) = seen.insert(name, node.line) {
                return Err(file_failure(format!(
                    "line {}: duplicate name {} in {list} (first in line {first})",
                    node.line,
                    if name.is_empty() { "\"\"".to_owned() } else { clean(name) }
                )));
            }
            names.push(name);
        }
        Ok(names)
    }

    /// The line of a list item, or of the list.
    fn line_of(&self, list: &str, position: Option<usize>) -> usize {
        match self.list(list) {
            Some(YamlNode { content: Content::List(nodes, _), line, .. }) => {
                position.and_then(|position| nodes.get(position)).map_or(*line, |node| node.line)
            }
            Some(node) => node.line,
            None => self.root.as_ref().map_or(1, |root| root.line),
        }
    }
}

/// Rejects valid YAML that kubectl does not accept.
fn check_readable(root: &YamlNode, values: &Value) -> Result<(), Failure> {
    for (key, expected) in [("apiVersion", "v1"), ("kind", "Config")] {
        let found = values.get(key).and_then(Value::as_str).unwrap_or_default();
        if let Some((_, node)) = root.entry(key)
            && !found.is_empty()
            && found != expected
        {
            return Err(file_failure(format!(
                "line {}: {key} is {}; kubectl reads only {expected}",
                node.line,
                clean(found)
            )));
        }
    }
    match not_finite(root) {
        Some(line) => Err(file_failure(format!(
            "line {line}: kubectl does not read infinite or undefined numbers"
        ))),
        None => shape::check(root, values),
    }
}

/// The line of a number that JSON lacks.
fn not_finite(node: &YamlNode) -> Option<usize> {
    match &node.content {
        Content::Scalar(text, true) => {
            let text = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
            matches!(text.as_str(), ".inf" | ".nan").then_some(node.line)
        }
        Content::Scalar(..) | Content::Alias => None,
        Content::List(items, _) => items.iter().find_map(not_finite),
        Content::Map(entries, _) => {
            entries.iter().find_map(|(key, value)| not_finite(key).or_else(|| not_finite(value)))
        }
    }
}

/// Merges and returns the complete new text. Only the three entries change (and current-context, if requested).
///
/// # Errors
/// The file cannot be changed safely, with the line if known, or it has entries that must not be replaced.
pub fn merge(
    existing: &str,
    fresh: &ParsedKubeconfig,
    options: &MergeOptions,
) -> Result<Secret, Failure> {
    check_context_name(&options.context)?;
    let (mark, text) = without_mark(existing);
    let file = ReadFile::read(text)?;
    let known = ClusterIdentity::Server(fresh.server().to_owned());
    let names = Names::of(&file.values, &options.context, options.in_place)?;
    let found = survey_entries(&file, &names, &known)?;
    // The store has checked this; a safeguard for other callers.
    if !found.taken.is_empty() && !options.may_replace(&found.owner) {
        return Err(file_failure(format!("already has {}", found.taken.join(", "))));
    }
    let mut entries = fresh.entries(&options.context)?;
    names.put_into(&mut entries);
    let keeps = keeps_own_fields(&found.owner);
    let (text, _) = merge_entries(&file, &entries, &names, options.make_current, keeps)?;
    Ok(Secret::new(format!("{mark}{}", *text)))
}

/// The merged text, and the fields lost from replaced entries.
fn merge_entries(
    file: &ReadFile<'_>,
    entries: &Entries,
    names: &Names<'_>,
    make_current: bool,
    keeps: bool,
) -> Result<(Zeroizing<String>, Vec<String>), Failure> {
    if file.root.is_none() {
        return Ok((new_document(file.text, entries, names.context)?, Vec::new()));
    }
    let mut dropped = Vec::new();
    let mut text = Zeroizing::new(file.text.to_owned());
    for (((list, entry), (_, word)), wanted_name) in entries.iter().zip(LISTS).zip(names.all()) {
        let position = file.names(list)?.iter().position(|name| *name == wanted_name);
        let old = position.and_then(|position| items(&file.values, list).get(position));
        let wanted = match old {
            Some(old) if keeps => with_own_fields(old, entry, word),
            Some(_) | None => SecretValue::new((**entry).clone()),
        };
        if let Some(old) = old {
            let keys = old.get(word).and_then(Value::as_object).map(Map::keys);
            let is_gone = |key: &&String| wanted.get(word).is_none_or(|new| new.get(key).is_none());
            let words = |key: &String| format!("{} of {word} {}", clean(key), clean(wanted_name));
            dropped.extend(keys.into_iter().flatten().filter(is_gone).map(words));
        }
        let change = MergeStep::Entry { list, position, wanted: &wanted, keeps };
        text = change.apply(&text).ok_or_else(|| {
            unsafe_change(file.line_of(list, position), &format!("{word} {}", clean(wanted_name)))
        })?;
    }
    if make_current {
        text = MergeStep::Current(names.context).apply(&text).ok_or_else(|| {
            let line = file.line_of("current-context", None);
            unsafe_change(line, "current-context")
        })?;
    }
    Ok((text, dropped))
}

fn unsafe_change(line: usize, what: &str) -> Failure {
    file_failure(format!(
        "line {line}: {what} cannot be changed safely: other entries would change; they may share a YAML anchor"
    ))
    .hint("Save to a separate file instead")
}

/// One step of a merge.
enum MergeStep<'a> {
    /// Replaces the list entry at a position, or adds one.
    Entry {
        list: &'a str,
        position: Option<usize>,
        wanted: &'a Value,
        keeps: bool,
    },
    Current(&'a str),
}

impl MergeStep<'_> {
    /// The changed text, parsed again and verified.
    fn apply(&self, text: &str) -> Option<Zeroizing<String>> {
        let file = ReadFile::read(text).ok()?;
        let root = file.root.as_ref()?;
        [InsertAt::Last, InsertAt::First].into_iter().find_map(|insert_at| {
            let expected = self.expected(file.written(), insert_at)?;
            let mut splice = Splice::new(text, root);
            self.splice(&mut splice, &file, insert_at)?;
            let out = splice.apply()?;
            let is_expected = document::read(&out).is_ok_and(|(_, values)| values == expected);
            is_expected.then_some(out)
        })
    }

    fn expected(&self, before: &Value, insert_at: InsertAt) -> Option<SecretValue> {
        let mut root = SecretValue::new(before.clone());
        let fields = root.as_object_mut()?;
        match self {
            MergeStep::Current(context) => {
                fields.insert("current-context".to_owned(), json!(context));
            }
            MergeStep::Entry { list, position, wanted, .. } => {
                let list = fields.entry(*list).or_insert(Value::Null);
                if list.is_null() {
                    *list = json!([]);
                }
                let items = list.as_array_mut()?;
                match position {
                    Some(position) => *items.get_mut(*position)? = (*wanted).clone(),
                    None if insert_at == InsertAt::First => items.insert(0, (*wanted).clone()),
                    None => items.push((*wanted).clone()),
                }
            }
        }
        Some(root)
    }

    fn splice(
        &self,
        splice: &mut Splice<'_>,
        file: &ReadFile<'_>,
        insert_at: InsertAt,
    ) -> Option<()> {
        let (list, position, wanted, keeps) = match self {
            MergeStep::Current(context) => {
                return splice.set_root("current-context", &json!(context), insert_at);
            }
            MergeStep::Entry { list, position, wanted, keeps } => {
                (*list, *position, *wanted, *keeps)
            }
        };
        let Some(position) = position else { return splice.add_item(list, wanted, insert_at) };
        let node = file.list(list)?;
        let Content::List(nodes, _) = &node.content else { return None };
        let (item, old) = (nodes.get(position)?, items(file.written(), list).get(position)?);
        if keeps {
            return splice.patch(item, old, wanted);
        }
        splice.replace_item(node, item, wanted);
        Some(())
    }
}

/// Fields for connection and authentication: taken only from the issued kubeconfig.
const ISSUED_FIELDS: [&str; 16] = [
    "auth-provider",
    "server",
    "certificate-authority",
    "certificate-authority-data",
    "insecure-skip-tls-verify",
    "cluster",
    "user",
    "client-certificate",
    "client-certificate-data",
    "client-key",
    "client-key-data",
    "token",
    "tokenFile",
    "username",
    "password",
    "exec",
];

/// The issued entry with the user's additions to the old one: namespace, proxy, extensions and the like.
fn with_own_fields(old: &Value, issued: &Value, word: &str) -> SecretValue {
    let mut entry = SecretValue::new(issued.clone());
    let (Some(fields), Some(old)) = (entry.as_object_mut(), old.as_object()) else { return entry };
    for (key, value) in old {
        fields.entry(key).or_insert_with(|| value.clone());
    }
    let inner = (
        fields.get_mut(word).and_then(Value::as_object_mut),
        old.get(word).and_then(Value::as_object),
    );
    if let (Some(fields), Some(old)) = inner {
        let own = old.iter().filter(|(key, _)| !ISSUED_FIELDS.contains(&key.as_str()));
        for (key, value) in own {
            let value = match (key.as_str(), fields.get(key), value) {
                ("extensions", Some(Value::Array(issued)), Value::Array(own)) => {
                    extended(own, issued)
                }
                _ => value.clone(),
            };
            fields.insert(key.clone(), value);
        }
    }
    entry
}

/// The user's extensions, overridden by those of the issued kubeconfig.
fn extended(own: &[Value], issued: &[Value]) -> Value {
    let mut all = own.to_vec();
    for extension in issued {
        match all.iter_mut().find(|other| other.get("name") == extension.get("name")) {
            Some(other) => *other = extension.clone(),
            None => all.push(extension.clone()),
        }
    }
    Value::Array(all)
}

/// Appends a new kubeconfig to a text without content.
fn new_document(
    text: &str,
    entries: &Entries,
    context: &str,
) -> Result<Zeroizing<String>, Failure> {
    let mut fields = Map::from_iter([
        ("apiVersion".to_owned(), json!("v1")),
        ("kind".to_owned(), json!("Config")),
        ("current-context".to_owned(), json!(context)),
    ]);
    for (list, entry) in entries {
        fields.insert((*list).to_owned(), json!([**entry]));
    }
    let expected = SecretValue::new(Value::Object(fields));
    let is_line = text.is_empty() || text.ends_with(['\n', '\r']);
    let body = format!("{}{}\n", if is_line { "" } else { "\n" }, emit::block(&expected, 0));
    let body = Zeroizing::new(body.replace('\n', usual_line_end(text)));
    let out = Zeroizing::new(format!("{text}{}", *body));
    if document::read(&out).is_ok_and(|(_, values)| values == expected) {
        return Ok(out);
    }
    let lines = text.lines().count().max(1);
    Err(unsafe_change(lines, "a first entry"))
}

#[cfg(test)]
mod tests;
