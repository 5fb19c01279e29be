//! Merges an issued kubeconfig into the user's file: bytes outside the splice stay, and the result is read again and compared.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::document::{self, Content, Node, file_failure};
use crate::domain::kubeconfig::emit;
use crate::domain::kubeconfig::entry_owner::{ClusterIdentity, EntryOwner, owner_of_server};
use crate::domain::kubeconfig::parsed::{ParsedKubeconfig, check_context_name};
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// How to merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeOptions {
    /// Name of context, cluster and user in the file.
    pub context: String,
    /// Whether it becomes the current context.
    pub make_current: bool,
    /// Whether entries of that name are replaced.
    pub replace: bool,
    /// Whether they are even when they belong to another cluster.
    pub replace_another: bool,
}

/// A merged file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The whole new text.
    pub text: Secret,
    /// Entries that were replaced, in words.
    pub replaced: Vec<String>,
}

/// Why a merge was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MergeRefusal {
    /// Entries of that name exist ("context shop").
    Taken(Vec<String>),
    /// The file cannot be changed safely; the sentence says why, with the line if known.
    Refused(Failure),
}

impl From<Failure> for MergeRefusal {
    fn from(failure: Failure) -> Self {
        Self::Refused(failure)
    }
}

/// What a file holds, for showing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Survey {
    /// Contexts of other names.
    pub others: usize,
    /// Entries of the wanted name, in words.
    pub taken: Vec<String>,
    /// Which cluster those belong to.
    pub owner: EntryOwner,
    /// Every name that an entry has.
    pub names: BTreeSet<String>,
    /// Whether there is nothing in it yet.
    pub blank: bool,
    /// `current-context`, cleaned.
    pub current: Option<String>,
}

const LISTS: [(&str, &str); 3] =
    [("clusters", "cluster"), ("contexts", "context"), ("users", "user")];

/// Looks at a file for entries under a name.
///
/// # Errors
/// Why the file cannot be merged into.
pub fn survey(existing: &str, context: &str, known: &ClusterIdentity) -> Result<Survey, Failure> {
    let text = existing.strip_prefix('\u{feff}').unwrap_or(existing);
    let Some(root) = read_root(text)? else {
        return Ok(Survey { blank: true, ..Survey::default() });
    };
    let mut survey = Survey::default();
    for (list, word) in LISTS {
        let names = names(&root, list)?;
        if names.iter().any(|name| name.as_deref() == Some(context)) {
            survey.taken.push(format!("{word} {}", clean(context)));
        }
        if list == "contexts" {
            survey.others = names.iter().filter(|name| name.as_deref() != Some(context)).count();
        }
        survey.names.extend(names.into_iter().flatten());
    }
    survey.owner = owner_of_entries(&root, context, known);
    survey.current = root
        .entry("current-context")
        .and_then(|(_, value)| value.text())
        .filter(|text| !text.is_empty())
        .map(clean);
    Ok(survey)
}

/// Which cluster the entries of a name belong to: the cluster of that name, or the one that its context uses.
fn owner_of_entries(root: &Node, context: &str, known: &ClusterIdentity) -> EntryOwner {
    // Another context may use what is to be replaced.
    let used = items(root, "contexts").iter().filter_map(|entry| {
        let uses = &entry.entry("context")?.1;
        let text = |field: &str| uses.entry(field).and_then(|(_, value)| value.text());
        let is_named = entry.entry("name").and_then(|(_, name)| name.text()) == Some(context);
        let is_used = [text("user"), text("cluster")].contains(&Some(context));
        text("cluster").filter(|_| is_named || is_used)
    });
    let told = std::iter::once(context)
        .chain(used)
        .filter_map(|name| server(named(root, "clusters", name)?))
        .map(|server| owner_of_server(server, known))
        .collect();
    combine_owners(told)
}

/// If any is another one's, something of another one is lost.
fn combine_owners(told: Vec<EntryOwner>) -> EntryOwner {
    let rank = |owner: &EntryOwner| match owner {
        EntryOwner::Another(_) => 0,
        EntryOwner::At(_) => 1,
        EntryOwner::Alike(_) => 2,
        EntryOwner::This => 3,
        EntryOwner::Unknown => 4,
    };
    told.into_iter().min_by_key(rank).unwrap_or_default()
}

/// Which cluster a whole file belongs to, when it is to be replaced.
pub fn owner_of_file(existing: &str, known: &ClusterIdentity) -> EntryOwner {
    let text = existing.strip_prefix('\u{feff}').unwrap_or(existing);
    let Ok(Some(root)) = read_root(text) else { return EntryOwner::Unknown };
    let servers = items(&root, "clusters").iter().filter_map(server);
    combine_owners(servers.map(|server| owner_of_server(server, known)).collect())
}

fn items<'a>(root: &'a Node, list: &str) -> &'a [Node] {
    match root.entry(list).map(|(_, value)| &value.content) {
        Some(Content::List(items, _)) => items,
        Some(Content::Scalar(..) | Content::Map(..) | Content::Alias) | None => &[],
    }
}

fn named<'a>(root: &'a Node, list: &str, name: &str) -> Option<&'a Node> {
    let is = |item: &&Node| item.entry("name").and_then(|(_, text)| text.text()) == Some(name);
    items(root, list).iter().find(is)
}

fn server(entry: &Node) -> Option<&str> {
    entry.entry("cluster")?.1.entry("server")?.1.text()
}

fn read_root(text: &str) -> Result<Option<Node>, Failure> {
    let root = document::parse_tree(text)?;
    match &root {
        None => Ok(None),
        Some(node) if matches!(node.content, Content::Map(..)) => Ok(root),
        Some(node) => Err(file_failure(format!("line {}: not a mapping", node.line))),
    }
}

/// The names in a list, in order; refuses lists that are not lists, and names that are there twice.
fn names(root: &Node, list: &str) -> Result<Vec<Option<String>>, Failure> {
    let Some((_, value)) = root.entry(list) else { return Ok(Vec::new()) };
    let items = match &value.content {
        Content::List(items, _) => items,
        Content::Scalar(..) if value.is_null() => return Ok(Vec::new()),
        Content::Scalar(..) | Content::Map(..) | Content::Alias => {
            return Err(file_failure(format!("line {}: {list} is not a list", value.line)));
        }
    };
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let mut names = Vec::with_capacity(items.len());
    for item in items {
        let name = item.entry("name").and_then(|(_, name)| name.text());
        if let Some(name) = name
            && let Some(first) = seen.insert(name, item.line)
        {
            return Err(file_failure(format!(
                "line {}: duplicate name {} in {list} (first in line {first})",
                item.line,
                clean(name)
            )));
        }
        names.push(name.map(ToOwned::to_owned));
    }
    Ok(names)
}

/// Merges. Nothing but the three entries (and current-context, when asked) changes.
///
/// # Errors
/// [`MergeRefusal`].
pub fn merge(
    existing: &str,
    fresh: &ParsedKubeconfig,
    options: &MergeOptions,
) -> Result<Merged, MergeRefusal> {
    check_context_name(&options.context)?;
    let (mark, text) =
        existing.strip_prefix('\u{feff}').map_or(("", existing), |text| ("\u{feff}", text));
    let found =
        survey(text, &options.context, &ClusterIdentity::Server(fresh.server().to_owned()))?;
    let another = matches!(found.owner, EntryOwner::Another(_)) && !options.replace_another;
    if !found.taken.is_empty() && (another || !options.replace) {
        return Err(MergeRefusal::Taken(found.taken));
    }
    let entries = fresh.entries(&options.context)?;
    let before = document::parse_values(text)?;
    let expected = expected_values(&before, &entries, options);
    let mut edits: Vec<Edit> = Vec::new();
    match read_root(text)? {
        None => edits.push((text.len()..text.len(), new_document(text, &expected).into())),
        Some(root) => {
            let splice = Splice::new(text, &root);
            let mut missing = Map::new();
            for (list, entry) in &entries {
                match splice.list(list, entry, &options.context)? {
                    Some(edit) => edits.push(edit),
                    None => drop(missing.insert((*list).to_owned(), json!([**entry]))),
                }
            }
            if options.make_current {
                match splice.current(&options.context) {
                    Some(edit) => edits.push(edit),
                    None => {
                        drop(missing.insert("current-context".to_owned(), json!(options.context)));
                    }
                }
            }
            edits.extend(splice.append(missing));
        }
    }
    let out = apply(text, edits)?;
    let after = document::parse_values(&out).map_err(|failure| unsafe_change(&failure.message))?;
    document::parse_tree(&out).map_err(|failure| unsafe_change(&failure.message))?;
    if after != expected {
        return Err(
            unsafe_change("other entries would change; they may share a YAML anchor").into()
        );
    }
    Ok(Merged { text: Secret::new(format!("{mark}{}", *out)), replaced: found.taken })
}

fn unsafe_change(why: &str) -> Failure {
    Failure::new(FailureKind::File, format!("the file cannot be changed safely: {why}"))
        .hint("Save to a separate file instead")
}

/// The values that the merged file must have.
fn expected_values(
    before: &Value,
    entries: &[(&'static str, SecretValue)],
    options: &MergeOptions,
) -> SecretValue {
    let new = before.is_null();
    let mut root = before.as_object().cloned().unwrap_or_default();
    if new {
        root.insert("apiVersion".to_owned(), json!("v1"));
        root.insert("kind".to_owned(), json!("Config"));
    }
    for (list, entry) in entries {
        let mut items = root.get(*list).and_then(Value::as_array).cloned().unwrap_or_default();
        let same = |item: &&mut Value| match item.get("name") {
            Some(Value::String(name)) => *name == options.context,
            Some(other) => *other.to_string() == *options.context,
            None => false,
        };
        match items.iter_mut().find(same) {
            Some(old) => *old = (**entry).clone(),
            None => items.push((**entry).clone()),
        }
        root.insert((*list).to_owned(), Value::Array(items));
    }
    if new || options.make_current {
        root.insert("current-context".to_owned(), json!(options.context));
    }
    SecretValue::new(Value::Object(root))
}

fn new_document(text: &str, expected: &Value) -> String {
    let body = format!("{}\n", emit::block(expected, 0));
    let start = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let out = format!("{start}{body}");
    if text.contains("\r\n") { out.replace('\n', "\r\n") } else { out }
}

/// What takes the place of a part of the text; a key may be in it.
type Edit = (Range<usize>, Zeroizing<String>);

fn apply(text: &str, mut edits: Vec<Edit>) -> Result<Zeroizing<String>, Failure> {
    edits.sort_by_key(|(range, _)| range.start);
    let inserted: usize = edits.iter().map(|(_, insert)| insert.len()).sum();
    // Grown by pieces, it would leave copies behind.
    let mut out = Zeroizing::new(String::with_capacity(text.len() + inserted));
    let mut from = 0;
    let inner = || unsafe_change("edits overlap");
    for (range, insert) in edits {
        out.push_str(text.get(from..range.start).ok_or_else(inner)?);
        out.push_str(&insert);
        from = range.end;
    }
    out.push_str(text.get(from..).ok_or_else(inner)?);
    Ok(out)
}

struct Splice<'a> {
    text: &'a str,
    root: &'a Node,
    flow: bool,
    crlf: bool,
}

impl<'a> Splice<'a> {
    fn new(text: &'a str, root: &'a Node) -> Self {
        let flow = matches!(root.content, Content::Map(_, true));
        Self { text, root, flow, crlf: text.contains("\r\n") }
    }

    fn ends(&self, text: String) -> Zeroizing<String> {
        let text = Zeroizing::new(text);
        if self.crlf { text.replace('\n', "\r\n").into() } else { text }
    }

    fn before(&self, position: usize) -> &'a str {
        self.text.get(..position).unwrap_or_default()
    }

    /// Text between the start of the line and a position.
    fn lead(&self, position: usize) -> &'a str {
        self.before(position).rsplit('\n').next().unwrap_or_default()
    }

    fn column(&self, position: usize) -> usize {
        self.lead(position).chars().count()
    }

    /// The end of the line that holds the last byte of a node, and whether it ends with a line end.
    fn line_end(&self, end: usize) -> (usize, bool) {
        if self.before(end).ends_with('\n') {
            return (end, true);
        }
        match self.text.get(end..).and_then(|rest| rest.find('\n')) {
            Some(offset) => (end + offset + 1, true),
            None => (self.text.len(), false),
        }
    }

    fn lines_after(&self, end: usize, lines: &str) -> Edit {
        let (at, ended) = self.line_end(end);
        let text = if ended { format!("{lines}\n") } else { format!("\n{lines}") };
        (at..at, self.ends(text))
    }

    /// The edit for one list; `None` when the key is missing.
    fn list(&self, list: &str, entry: &Value, context: &str) -> Result<Option<Edit>, Failure> {
        let Some((key, value)) = self.root.entry(list) else { return Ok(None) };
        let Content::List(items, flow) = &value.content else {
            return Ok(Some(self.fill(key, value, entry)));
        };
        let position = names(self.root, list)?.iter().position(|n| n.as_deref() == Some(context));
        if let Some(item) = position.and_then(|position| items.get(position)) {
            let in_block = !flow && !self.is_flow(item);
            let text = if in_block {
                emit::block(entry, self.column(item.span.start))
            } else {
                self.flow_text(item, entry)
            };
            return Ok(Some((item.span.clone(), self.ends(text))));
        }
        let Some(last) = items.last() else { return Ok(Some(self.fill(key, value, entry))) };
        if *flow {
            let lead = self.lead(last.span.start);
            let separator = if !lead.is_empty() && lead.trim().is_empty() {
                format!(",\n{lead}")
            } else if self.before(last.span.start).ends_with([',', '[']) {
                ",".to_owned()
            } else {
                ", ".to_owned()
            };
            let text = format!("{separator}{}", self.flow_text(last, entry));
            return Ok(Some((last.span.end..last.span.end, self.ends(text))));
        }
        let indent = self.dash(items).ok_or_else(|| {
            unsafe_change(&format!("line {}: unsupported formatting of {list}", value.line))
        })?;
        let line = format!("{}- {}", " ".repeat(indent), emit::block(entry, indent + 2));
        Ok(Some(self.lines_after(value.span.end, &line)))
    }

    /// Column of the dash of a block list: the parser reports only where items begin.
    fn dash(&self, items: &[Node]) -> Option<usize> {
        items.iter().find_map(|item| {
            let lead = self.lead(item.span.start);
            let rest = lead.trim_start_matches(' ');
            rest.starts_with('-').then(|| lead.len() - rest.len())
        })
    }

    fn is_flow(&self, node: &Node) -> bool {
        self.text.get(node.span.start..).is_some_and(|rest| rest.starts_with(['{', '*']))
    }

    /// An entry as JSON, over several lines if its neighbour is.
    fn flow_text(&self, neighbour: &Node, entry: &Value) -> String {
        let lead = self.lead(neighbour.span.start);
        let several = self.text.get(neighbour.span.clone()).is_some_and(|text| text.contains('\n'));
        if several && lead.trim().is_empty() {
            return serde_json::to_string_pretty(entry)
                .unwrap_or_else(|_| entry.to_string())
                .replace('\n', &format!("\n{lead}"));
        }
        entry.to_string()
    }

    /// Replaces a null or empty list.
    fn fill(&self, key: &Node, value: &Node, entry: &Value) -> Edit {
        let after = self.text.get(key.span.end..).and_then(|rest| rest.find(':'));
        let start = key.span.end + after.map_or(0, |offset| offset + 1);
        let end = if value.span.is_empty() { start } else { value.span.end.max(start) };
        if self.flow {
            return (start..end, format!(" [{entry}]").into());
        }
        let indent = self.column(key.span.start);
        let text = format!("\n{}- {}", " ".repeat(indent), emit::block(entry, indent + 2));
        (start..end, self.ends(text))
    }

    fn current(&self, context: &str) -> Option<Edit> {
        let (key, value) = self.root.entry("current-context")?;
        let text = if self.flow { emit::quoted(context) } else { emit::scalar(context) };
        if value.span.is_empty() {
            let after = self.text.get(key.span.end..).and_then(|rest| rest.find(':'));
            let start = key.span.end + after.map_or(0, |offset| offset + 1);
            return Some((start..start, format!(" {text}").into()));
        }
        Some((value.span.clone(), text.into()))
    }

    /// Keys that the root does not have yet.
    fn append(&self, missing: Map<String, Value>) -> Option<Edit> {
        let Content::Map(entries, _) = &self.root.content else { return None };
        if missing.is_empty() {
            return None;
        }
        let missing = SecretValue::new(Value::Object(missing));
        if self.flow {
            let text = missing.to_string();
            let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            return Some(match entries.last() {
                Some((_, last)) => (last.span.end..last.span.end, format!(", {inside}").into()),
                None => {
                    (self.root.span.start + 1..self.root.span.start + 1, inside.to_owned().into())
                }
            });
        }
        let indent = self.column(self.root.span.start);
        let lines = format!("{}{}", " ".repeat(indent), emit::block(&missing, indent));
        Some(self.lines_after(self.root.span.end, &lines))
    }
}
