//! Edits single places of a YAML text; all other bytes stay.

use std::ops::Range;

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::domain::kubeconfig::document::{Content, YamlNode};
use crate::domain::kubeconfig::emit;
use crate::domain::secret::SecretValue;

/// Where something new is inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsertAt {
    /// After existing content.
    Last,
    /// Before existing content: if a value extends to the end of the file, like an unterminated block scalar.
    First,
}

/// A range of the text and its replacement, which may contain a key.
type Edit = (Range<usize>, Zeroizing<String>);

const LINE_ENDS: [char; 2] = ['\n', '\r'];

/// A text and the pending edits.
pub struct Splice<'a> {
    text: &'a str,
    root: &'a YamlNode,
    line_end: &'static str,
    edits: Vec<Edit>,
}

impl<'a> Splice<'a> {
    /// A splice without edits.
    pub fn new(text: &'a str, root: &'a YamlNode) -> Self {
        Self { text, root, line_end: usual_line_end(text), edits: Vec::new() }
    }

    /// The changed text; `None` if edits overlap.
    pub fn apply(mut self) -> Option<Zeroizing<String>> {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let inserted: usize = self.edits.iter().map(|(_, insert)| insert.len()).sum();
        // Preallocated: reallocation would leave copies of secrets in memory.
        let mut out = Zeroizing::new(String::with_capacity(self.text.len() + inserted));
        let mut from = 0;
        for (range, insert) in &self.edits {
            out.push_str(self.text.get(from..range.start)?);
            out.push_str(insert);
            from = range.end;
        }
        out.push_str(self.text.get(from..)?);
        Some(out)
    }

    /// Replaces a range; line ends are converted to those of the file.
    fn edit(&mut self, range: Range<usize>, insert: impl Into<Zeroizing<String>>) {
        let mut insert = insert.into();
        if self.line_end != "\n" {
            insert = insert.replace('\n', self.line_end).into();
        }
        self.edits.push((range, insert));
    }

    fn before(&self, position: usize) -> &'a str {
        self.text.get(..position).unwrap_or_default()
    }

    fn line_start(&self, position: usize) -> usize {
        self.before(position).rfind(LINE_ENDS).map_or(0, |at| at + 1)
    }

    /// Text between the start of the line and a position.
    fn lead(&self, position: usize) -> &'a str {
        self.text.get(self.line_start(position)..position).unwrap_or_default()
    }

    fn column(&self, position: usize) -> usize {
        self.lead(position).chars().count()
    }

    /// End of the line at a position, including its line end; a position after a line end stays.
    fn line_after(&self, position: usize) -> usize {
        if self.before(position).ends_with(LINE_ENDS) {
            return position;
        }
        self.next_line(position)
    }

    fn next_line(&self, position: usize) -> usize {
        let rest = self.text.get(position..).unwrap_or_default();
        match rest.find(LINE_ENDS) {
            Some(at) if rest.get(at..).is_some_and(|rest| rest.starts_with("\r\n")) => {
                position + at + 2
            }
            Some(at) => position + at + 1,
            None => self.text.len(),
        }
    }

    /// End of an element, including the comments below that belong to it: indented ones, and those that follow without
    /// a blank line, unless they are directly above something else.
    fn behind(&self, position: usize, indent: usize) -> usize {
        let mut end = self.line_after(position);
        let (mut at, mut touching, mut is_touched) = (end, None, true);
        while at < self.text.len() {
            let next = self.next_line(at);
            let line = self.text.get(at..next).unwrap_or_default();
            let content = line.trim_start_matches([' ', '\t']);
            if content.starts_with('#') {
                if line.len() - content.len() >= indent.max(1) {
                    (end, touching) = (next, None);
                } else if is_touched {
                    touching = Some(next);
                }
            } else if content.trim().is_empty() {
                is_touched = false;
                end = touching.take().unwrap_or(end);
            } else {
                return end;
            }
            at = next;
        }
        touching.unwrap_or(end)
    }

    fn insert_lines(&mut self, at: usize, lines: &str) {
        let before = self.before(at);
        let is_line = before.is_empty() || before.ends_with(LINE_ENDS);
        let text = if is_line { format!("{lines}\n") } else { format!("\n{lines}") };
        self.edit(at..at, text);
    }

    /// Adds an item to a list of the root; creates the list if missing.
    pub fn add_item(&mut self, list: &str, item: &Value, insert_at: InsertAt) -> Option<()> {
        let Some((key, value)) = self.root.entry(list) else {
            let lists = SecretValue::new(Value::Array(vec![item.clone()]));
            return self.add_key(self.root, list, &lists, insert_at);
        };
        let items = match &value.content {
            Content::List(items, _) => items.as_slice(),
            Content::Scalar(..) | Content::Map(..) | Content::Alias => &[],
        };
        let (Some(first), Some(last)) = (items.first(), items.last()) else {
            return self.fill_list(key, value, item);
        };
        if matches!(value.content, Content::List(_, true)) {
            let neighbour = if insert_at == InsertAt::Last { last } else { first };
            let lead = self.lead(neighbour.span.start);
            let text = self.flow_item(neighbour, item);
            let separator = if !lead.is_empty() && lead.trim().is_empty() {
                format!(",\n{lead}")
            } else if self.before(neighbour.span.start).ends_with([',', '[']) {
                ",".to_owned()
            } else {
                ", ".to_owned()
            };
            match insert_at {
                InsertAt::Last => self.edit(last.span.end..last.span.end, separator + &text),
                InsertAt::First => self.edit(first.span.start..first.span.start, text + &separator),
            }
            return Some(());
        }
        let dash = self.dash(value)?;
        let indent = self.column(dash);
        let at = match insert_at {
            InsertAt::Last => self.behind(value.span.end, indent),
            InsertAt::First => self.line_start(dash),
        };
        self.insert_lines(
            at,
            &format!("{}- {}", " ".repeat(indent), emit::block(item, indent + 2)),
        );
        Some(())
    }

    /// The first dash of a block list, if it is the first of its line: the parser reports it, or what follows it and a
    /// possible anchor, which may be on a later line, below comments.
    fn dash(&self, list: &YamlNode) -> Option<usize> {
        let start = list.span.start;
        if self.text.get(start..)?.starts_with('-') {
            return self.lead(start).trim().is_empty().then_some(start);
        }
        let mut line = self.line_start(start);
        let mut content = self.lead(start);
        while is_comment(content) {
            let above = self.before(line).strip_suffix(LINE_ENDS)?;
            let above = above.strip_suffix('\r').unwrap_or(above);
            line = self.line_start(above.len());
            content = above.get(line..)?;
        }
        let behind = content.trim_start().strip_prefix('-')?;
        let is_dash = behind.is_empty() || behind.starts_with([' ', '\t']);
        is_dash.then(|| line + content.len() - content.trim_start().len())
    }

    /// An item as JSON, multi-line if its neighbour is.
    fn flow_item(&self, neighbour: &YamlNode, item: &Value) -> String {
        let lead = self.lead(neighbour.span.start);
        let several =
            self.text.get(neighbour.span.clone()).is_some_and(|text| text.contains(LINE_ENDS));
        if several && lead.trim().is_empty() {
            return serde_json::to_string_pretty(item)
                .unwrap_or_else(|_| item.to_string())
                .replace('\n', &format!("\n{lead}"));
        }
        item.to_string()
    }

    fn is_flow_root(&self) -> bool {
        matches!(self.root.content, Content::Map(_, true))
    }

    fn behind_colon(&self, key: &YamlNode) -> Option<usize> {
        let colon = self.text.get(key.span.end..)?.find(':')?;
        Some(key.span.end + colon + 1)
    }

    /// Adds the first item to a null or empty list.
    fn fill_list(&mut self, key: &YamlNode, value: &YamlNode, item: &Value) -> Option<()> {
        let start = self.behind_colon(key)?;
        let end = if value.span.is_empty() { start } else { value.span.end.max(start) };
        if self.is_flow_root() {
            self.edit(start..end, format!(" [{item}]"));
        } else {
            let indent = self.column(key.span.start);
            let item = emit::block(item, indent + 2);
            self.edit(start..end, format!("\n{}- {item}", " ".repeat(indent)));
        }
        Some(())
    }

    /// Replaces a complete list item.
    pub fn replace_item(&mut self, list: &YamlNode, item: &YamlNode, new: &Value) {
        let in_flow = matches!(list.content, Content::List(_, true));
        let start = item.span.start;
        let is_flow = self.text.get(start..).is_some_and(|rest| rest.starts_with(['{', '*']));
        let mut text = if in_flow || is_flow {
            self.flow_item(item, new)
        } else {
            emit::block(new, self.column(start))
        };
        if self.before(item.span.end).ends_with(LINE_ENDS) {
            text.push('\n');
        }
        self.edit(item.span.clone(), text);
    }

    /// Sets a key of the root.
    pub fn set_root(&mut self, key: &str, new: &Value, insert_at: InsertAt) -> Option<()> {
        match self.root.entry(key) {
            Some((key, value)) => self.replace_value(key, value, new, self.is_flow_root()),
            None => self.add_key(self.root, key, new, insert_at),
        }
    }

    /// Changes a mapping from its old values to new ones with minimal edits; unchanged keys and values are not touched.
    pub fn patch(&mut self, map: &YamlNode, old: &Value, new: &Value) -> Option<()> {
        let (Content::Map(entries, flow), Value::Object(old), Value::Object(new)) =
            (&map.content, old, new)
        else {
            return None;
        };
        self.remove_keys(entries, new, *flow);
        for (key, value) in entries {
            let name = key.text()?;
            match (old.get(name), new.get(name)) {
                (Some(old), Some(new)) if old == new => {}
                (Some(old), Some(new)) => {
                    let is_map =
                        matches!(&value.content, Content::Map(entries, _) if !entries.is_empty());
                    if is_map && new.as_object().is_some_and(|new| keeps_a_key(old, new)) {
                        self.patch(value, old, new)?;
                    } else {
                        self.replace_value(key, value, new, *flow)?;
                    }
                }
                (_, None) => {}
                (None, Some(_)) => return None,
            }
        }
        for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
            self.add_key(map, key, value, InsertAt::Last)?;
        }
        Some(())
    }

    fn replace_value(
        &mut self,
        key: &YamlNode,
        value: &YamlNode,
        new: &Value,
        flow: bool,
    ) -> Option<()> {
        let colon = self.behind_colon(key)?;
        let is_scalar = matches!(value.content, Content::Scalar(..) | Content::Alias);
        let in_place = (is_scalar || is_flow(value)) && !value.span.is_empty();
        if in_place && !value.block_scalar && !(new.is_object() && is_scalar) {
            self.edit(value.span.clone(), inline(new, flow));
            return Some(());
        }
        let is_map = matches!(&value.content, Content::Map(entries, false) if !entries.is_empty());
        if is_map && is_filled(new) && self.lead(value.span.start).trim().is_empty() {
            let text = emit::block(new, self.column(value.span.start));
            let ended = self.before(value.span.end).ends_with(LINE_ENDS);
            self.edit(value.span.clone(), text + if ended { "\n" } else { "" });
            return Some(());
        }
        let end = if value.span.is_empty() { colon } else { value.span.end.max(colon) };
        let ended = end > colon && self.before(end).ends_with(LINE_ENDS);
        let comment = self.header_comment(colon..value.span.start);
        let mut text = self.value_text(key, new, flow, comment);
        text.push_str(if ended { "\n" } else { "" });
        self.edit(colon..end, text);
        Some(())
    }

    /// The text after the colon of a key, with the comment of its line.
    fn value_text(&self, key: &YamlNode, value: &Value, flow: bool, comment: &str) -> String {
        if flow || !is_filled(value) {
            return format!(" {}{comment}", inline(value, flow));
        }
        let indent = self.column(key.span.start) + 2;
        format!("{comment}\n{}{}", " ".repeat(indent), emit::block(value, indent))
    }

    /// The comment in the line of a key whose value begins below it, with the blanks before. `between` is what separates
    /// colon and value.
    fn header_comment(&self, between: Range<usize>) -> &'a str {
        let between = self.text.get(between).unwrap_or_default();
        let Some((line, _below)) = between.split_once(LINE_ENDS) else { return "" };
        let heads = line.match_indices('#').filter_map(|(at, _)| line.get(..at));
        let mut heads = heads.filter(|head| head.ends_with([' ', '\t']));
        let start = heads.next().map_or(line.len(), |head| head.trim_end().len());
        line.get(start..).unwrap_or_default()
    }

    /// Removes the keys of a mapping that are not in the new values.
    fn remove_keys(
        &mut self,
        entries: &[(YamlNode, YamlNode)],
        new: &Map<String, Value>,
        flow: bool,
    ) {
        let stays =
            |(key, _): &(YamlNode, YamlNode)| key.text().is_some_and(|key| new.contains_key(key));
        let end = |(key, value): &(YamlNode, YamlNode)| value.span.end.max(key.span.end);
        let mut kept = entries.iter().rfind(|entry| stays(entry));
        for (position, entry) in entries.iter().enumerate().filter(|(_, entry)| !stays(entry)) {
            let start = entry.0.span.start;
            let is_behind = kept.is_none_or(|kept| kept.0.span.start < start);
            if !flow && self.lead(start).trim().is_empty() {
                self.edit(self.line_start(start)..self.line_after(end(entry)), String::new());
            } else if !is_behind && let Some((next, _)) = entries.get(position + 1) {
                self.edit(start..next.span.start, String::new());
            } else if let (Some(last_kept), Some(last)) = (kept.take(), entries.last()) {
                // Including the preceding comma; nothing follows.
                self.edit(end(last_kept)..end(last), String::new());
            }
        }
    }

    fn add_key(
        &mut self,
        map: &YamlNode,
        key: &str,
        value: &Value,
        insert_at: InsertAt,
    ) -> Option<()> {
        let Content::Map(entries, flow) = &map.content else { return None };
        let entry =
            SecretValue::new(Value::Object(Map::from_iter([(key.to_owned(), value.clone())])));
        if *flow {
            let text = Zeroizing::new(entry.to_string());
            let inside = text.get(1..text.len().saturating_sub(1)).unwrap_or_default();
            match (entries.first(), entries.last(), insert_at) {
                (_, Some((key, last)), InsertAt::Last) => {
                    let end = last.span.end.max(key.span.end);
                    self.edit(end..end, format!(", {inside}"));
                }
                (Some((first, _)), ..) => {
                    self.edit(first.span.start..first.span.start, format!("{inside}, "));
                }
                (None, ..) => self.edit(map.span.start + 1..map.span.start + 1, inside.to_owned()),
            }
            return Some(());
        }
        let (first, _) = entries.first()?;
        let indent = self.column(first.span.start);
        let at = match insert_at {
            InsertAt::Last if std::ptr::eq(map, self.root) => self.behind(map.span.end, indent),
            InsertAt::Last => self.line_after(map.span.end),
            InsertAt::First => self.line_start(first.span.start),
        };
        self.insert_lines(at, &format!("{}{}", " ".repeat(indent), emit::block(&entry, indent)));
        Some(())
    }
}

/// Whether a line has nothing but a comment.
fn is_comment(line: &str) -> bool {
    let content = line.trim_start();
    content.is_empty() || content.starts_with('#')
}

fn is_flow(node: &YamlNode) -> bool {
    matches!(node.content, Content::List(_, true) | Content::Map(_, true))
}

/// Whether it is a mapping that is not empty.
fn is_filled(value: &Value) -> bool {
    value.as_object().is_some_and(|fields| !fields.is_empty())
}

fn keeps_a_key(old: &Value, new: &Map<String, Value>) -> bool {
    old.as_object().is_some_and(|old| old.keys().any(|key| new.contains_key(key)))
}

/// A value on a single line.
fn inline(value: &Value, flow: bool) -> String {
    match value.as_str() {
        Some(text) if !flow => emit::scalar(text),
        _ => value.to_string(),
    }
}

/// The most frequent line end of a text.
pub fn usual_line_end(text: &str) -> &'static str {
    let both = text.matches("\r\n").count();
    let line_feeds = text.matches('\n').count() - both;
    let returns = text.matches('\r').count() - both;
    if both > line_feeds.max(returns) {
        "\r\n"
    } else if returns > line_feeds {
        "\r"
    } else {
        "\n"
    }
}
