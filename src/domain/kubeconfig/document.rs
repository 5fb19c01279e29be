//! Parses a YAML document into a tree of byte spans, and into values with an independent parser: a port of libyaml,
//! which kubectl uses, too.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle, Tag};
use serde::Deserialize;
use serde::de::{
    Deserializer, EnumAccess, Error as _, MapAccess, SeqAccess, VariantAccess as _, Visitor,
};
use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::SecretValue;
use crate::domain::text::clean;

/// Maximum size of a kubeconfig, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Maximum nesting depth.
pub const MAX_DEPTH: usize = 64;
/// Maximum number of values in a text.
const MAX_VALUES: usize = 1_000_000;
/// Maximum number of bytes that aliases and tags expand to.
const MAX_EXPANDED: usize = 1024 * 1024;

/// A failure about the text of a file.
pub fn file_failure(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::File, message)
}

/// Content of a node.
pub enum Content {
    /// A scalar with its text, which may be a key; `true` if plain style.
    Scalar(Zeroizing<String>, bool),
    /// A list; `true` in flow style.
    List(Vec<YamlNode>, bool),
    /// A mapping; `true` in flow style.
    Map(Vec<(YamlNode, YamlNode)>, bool),
    /// A reference to an anchor.
    Alias,
}

/// A node with its position in the text.
pub struct YamlNode {
    pub content: Content,
    /// Bytes, without trailing whitespace and comments. For a block scalar: from below its header to the end of its
    /// last line.
    pub span: Range<usize>,
    pub line: usize,
    /// Whether it is a block scalar.
    pub block_scalar: bool,
    /// Whether it has a tag.
    pub tagged: bool,
    /// Bytes of its texts and tags with all aliases expanded, plus one per value.
    size: usize,
}

impl YamlNode {
    /// Whether this is the null value.
    pub fn is_null(&self) -> bool {
        matches!(&self.content, Content::Scalar(text, true)
            if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// The scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar(text, _) if !self.is_null() => Some(text),
            Content::Scalar(..) | Content::List(..) | Content::Map(..) | Content::Alias => None,
        }
    }

    /// Key and value of a mapping entry.
    pub fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        match &self.content {
            Content::Map(entries, _) => entries.iter().find(|(k, _)| k.text() == Some(key)),
            Content::Scalar(..) | Content::List(..) | Content::Alias => None,
        }
    }
}

/// The only document of a text, by both parsers: the tree is `None` if it is empty.
///
/// # Errors
/// The problem and its line: syntax, several documents, duplicate keys, too deep, too large.
pub fn read(text: &str) -> Result<(Option<YamlNode>, SecretValue), Failure> {
    // The first parser bounds depth and alias expansion: the second alone takes time quadratic in the depth, and
    // expands all aliases.
    let root = parse_tree(text)?;
    Ok((root, parse_values(text)?))
}

/// The only document of a text as a tree; `None` if it is empty.
///
/// # Errors
/// The problem and its line: syntax, several documents, duplicate keys, too deep, too large.
pub fn parse_tree(text: &str) -> Result<Option<YamlNode>, Failure> {
    if text.len() > MAX_BYTES {
        return Err(file_failure("the file is larger than 16 MiB"));
    }
    check_marks(text)?;
    let mut parser = TreeParser { text, ..TreeParser::default() };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let line = error.marker().line();
            file_failure(format!("line {line}: invalid YAML: {}", clean(&error.info())))
        })?;
        let line = span.start.line();
        let node = parser.node(event, &span)?;
        parser.check_limits(line)?;
        if let Some(node) = node {
            parser.place(node)?;
        }
    }
    Ok(parser.root.filter(|root| !(root.is_null() && root.span.is_empty())))
}

/// What was read of a text so far.
#[derive(Default)]
struct TreeParser<'a> {
    text: &'a str,
    root: Option<YamlNode>,
    /// Lists and mappings that have not ended.
    open: Vec<OpenNode>,
    /// Sizes of the nodes with an anchor, by anchor id.
    anchors: HashMap<usize, usize>,
    values: usize,
    /// Bytes of tags, and of aliases when expanded.
    expanded: usize,
}

impl TreeParser<'_> {
    /// The node that an event completes.
    fn node(&mut self, event: Event<'_>, span: &Span) -> Result<Option<YamlNode>, Failure> {
        let line = span.start.line();
        let leaf = |content, block_scalar, size| -> Result<YamlNode, Failure> {
            let span = byte_range(span)?;
            Ok(YamlNode { content, span, line, block_scalar, tagged: false, size })
        };
        let is_map = matches!(event, Event::MappingStart(..));
        Ok(match event {
            Event::DocumentStart(_, Some(version)) if (version.major, version.minor) != (1, 1) => {
                return Err(file_failure(format!(
                    "line {line}: kubectl does not read YAML {}.{}",
                    version.major, version.minor
                )));
            }
            Event::MappingStart(style, anchor, tag) | Event::SequenceStart(style, anchor, tag) => {
                let size = self.expand(tag_len(tag.as_deref()));
                self.open.push(OpenNode::new(is_map, style, anchor, size, span)?);
                None
            }
            Event::MappingEnd | Event::SequenceEnd => match self.open.pop() {
                Some(finished) => {
                    let anchor = finished.anchor;
                    let node = finished.close(self.text, span)?;
                    self.anchors.insert(anchor, node.size);
                    Some(node)
                }
                None => None,
            },
            Event::Scalar(value, style, anchor, tag) => {
                let plain = matches!(style, ScalarStyle::Plain);
                let is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                let size = 1 + value.len() + self.expand(tag_len(tag.as_deref()));
                self.anchors.insert(anchor, size);
                let mut node =
                    leaf(Content::Scalar(value.into_owned().into(), plain), is_block, size)?;
                node.tagged = tag.is_some();
                check_escapes(self.text, &node, style)?;
                end_block_scalar(self.text, &mut node);
                Some(node)
            }
            Event::Alias(anchor) => {
                // A self-reference is infinite.
                let size = self.anchors.get(&anchor).copied().unwrap_or(usize::MAX);
                Some(leaf(Content::Alias, false, self.expand(size))?)
            }
            Event::UnresolvedAlias(_) => Some(leaf(Content::Alias, false, 1)?),
            Event::DocumentStart(..)
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => None,
        })
    }

    /// Counts expanded bytes; returns their number.
    fn expand(&mut self, size: usize) -> usize {
        self.expanded = self.expanded.saturating_add(size);
        size
    }

    fn check_limits(&self, line: usize) -> Result<(), Failure> {
        if self.open.len() > MAX_DEPTH {
            return Err(file_failure(format!(
                "line {line}: nested deeper than {MAX_DEPTH} levels"
            )));
        }
        if self.expanded > MAX_EXPANDED {
            return Err(file_failure(format!(
                "line {line}: the aliases and tags expand to more than 1 MiB"
            )));
        }
        Ok(())
    }

    /// Adds a node to the list or mapping that it is in.
    fn place(&mut self, node: YamlNode) -> Result<(), Failure> {
        let line = node.line;
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(file_failure(format!("line {line}: more than {MAX_VALUES} values")));
        }
        match (self.open.last_mut(), &self.root) {
            (Some(parent), _) => parent.children.push(node),
            (None, None) => self.root = Some(node),
            // kubectl stops at a document marker; content after it could be missed.
            (None, Some(_)) if !node.is_null() => {
                return Err(file_failure(format!("line {line}: more than one YAML document")));
            }
            (None, Some(_)) => {}
        }
        Ok(())
    }
}

/// Rejects a byte order mark at the start of a line, as in concatenated files.
fn check_marks(text: &str) -> Result<(), Failure> {
    let mut before = text.match_indices('\u{feff}').filter_map(|(at, _)| text.get(..at));
    let Some(before) = before.find(|before| before.ends_with(['\n', '\r'])) else {
        return Ok(());
    };
    let line = before.replace("\r\n", "\n").split(['\n', '\r']).count();
    Err(file_failure(format!("line {line}: kubectl does not read a second byte order mark")))
}

struct OpenNode {
    map: bool,
    flow: bool,
    anchor: usize,
    size: usize,
    start: usize,
    line: usize,
    children: Vec<YamlNode>,
}

impl OpenNode {
    fn new(
        map: bool,
        style: StructureStyle,
        anchor: usize,
        size: usize,
        span: &Span,
    ) -> Result<Self, Failure> {
        Ok(Self {
            map,
            anchor,
            size,
            flow: matches!(style, StructureStyle::Flow),
            start: byte_range(span)?.start,
            line: span.start.line(),
            children: Vec::new(),
        })
    }

    fn close(mut self, text: &str, span: &Span) -> Result<YamlNode, Failure> {
        if self.map
            && let [.., key, value] = self.children.as_mut_slice()
        {
            // The parser ends an absent value where its key ends.
            let behind = text.get(key.span.end..).unwrap_or_default();
            let colon = behind.trim_start_matches([' ', '\t']);
            if value.span.is_empty() && value.span.end <= key.span.end && colon.starts_with(':') {
                let end = text.len() - colon.len() + 1;
                value.span = end..end;
            }
        }
        // Block collections have no end marker: the parser reports the start of the next token.
        let end = if self.flow {
            byte_range(span)?.end
        } else {
            self.children.last().map_or(self.start, |last| last.span.end.max(self.start))
        };
        let sizes = self.children.iter().map(|child| child.size);
        let size = sizes.fold(self.size + 1, usize::saturating_add);
        let content = if self.map {
            Content::Map(map_entries(self.children)?, self.flow)
        } else {
            Content::List(self.children, self.flow)
        };
        Ok(YamlNode {
            content,
            span: self.start..end,
            line: self.line,
            block_scalar: false,
            tagged: false,
            size,
        })
    }
}

/// Ends a block scalar with its last line: the parser includes the indentation of the next line.
fn end_block_scalar(text: &str, node: &mut YamlNode) {
    let inside = text.get(node.span.clone()).unwrap_or_default();
    if node.block_scalar
        && let Some(last) = inside.rfind(['\n', '\r'])
    {
        node.span.end = node.span.start + last + 1;
    }
}

/// Rejects an escape of YAML 1.2 and JSON that YAML 1.1 does not have.
fn check_escapes(text: &str, node: &YamlNode, style: ScalarStyle) -> Result<(), Failure> {
    let mut written = text.get(node.span.clone()).unwrap_or_default().chars();
    while let Some(c) = written.next() {
        if c == '\\' && written.next() == Some('/') && style == ScalarStyle::DoubleQuoted {
            let line = node.line;
            return Err(file_failure(format!(
                "line {line}: kubectl does not read \\/ in a string"
            )));
        }
    }
    Ok(())
}

fn tag_len(tag: Option<&Tag>) -> usize {
    tag.map_or(0, |tag| tag.handle().len() + tag.suffix().len())
}

fn map_entries(children: Vec<YamlNode>) -> Result<Vec<(YamlNode, YamlNode)>, Failure> {
    let mut entries = Vec::with_capacity(children.len() / 2);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut children = children.into_iter();
    while let (Some(key), Some(value)) = (children.next(), children.next()) {
        if let Some(name) = key.text()
            && let Some(first) = seen.insert(name.to_owned(), key.line)
        {
            return Err(file_failure(format!(
                "line {}: duplicate key {} (first in line {first})",
                key.line,
                clean(name)
            )));
        }
        if matches!(key.content, Content::List(..) | Content::Map(..)) {
            return Err(file_failure(format!(
                "line {}: kubectl does not read a list or a mapping as a key",
                key.line
            )));
        }
        entries.push((key, value));
    }
    Ok(entries)
}

fn byte_range(span: &Span) -> Result<Range<usize>, Failure> {
    span.byte_range()
        .ok_or_else(|| Failure::new(FailureKind::Bug, "the YAML parser returned no byte positions"))
}

/// The first document of the text as values, by a parser that shares no code with the splicing. Only for texts that
/// [`parse_tree`] accepts.
///
/// # Errors
/// The position of a syntax error; more than one document.
pub fn parse_values(text: &str) -> Result<SecretValue, Failure> {
    let is_blank = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
    if text.split(['\n', '\r']).all(is_blank) {
        return Ok(SecretValue::new(Value::Null));
    }
    let mut first = None;
    for document in yaml_serde::Deserializer::from_str(text) {
        let values = AnyValue::deserialize(document).map_err(|error| {
            // Only the position: the parser's message may quote a secret.
            let place =
                error.location().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
            file_failure(format!("{place}invalid YAML"))
        })?;
        let values = SecretValue::new(values.0);
        if first.is_some() && !values.is_null() {
            return Err(file_failure("more than one YAML document"));
        }
        first.get_or_insert(values);
    }
    Ok(first.unwrap_or_else(|| SecretValue::new(Value::Null)))
}

/// The key whose value merges in the fields of other mappings.
pub const MERGE_KEY: &str = "<<";

/// Values as kubectl sees them, with merge keys applied: for duplicate keys the later one wins, among several sources
/// the first. Targets of aliases have no node; their own merge keys have the lowest precedence.
pub fn with_merged(node: Option<&YamlNode>, value: &Value) -> Value {
    match (value, node.map(|node| &node.content)) {
        (Value::Array(values), Some(Content::List(nodes, _))) => {
            let both = values.iter().zip(nodes);
            both.map(|(value, node)| with_merged(Some(node), value)).collect()
        }
        (Value::Array(values), _) => values.iter().map(|value| with_merged(None, value)).collect(),
        (Value::Object(fields), Some(Content::Map(entries, _))) => merged_fields(entries, fields),
        (Value::Object(fields), _) => merged_fields(&[], fields),
        _ => value.clone(),
    }
}

fn merged_fields(entries: &[(YamlNode, YamlNode)], fields: &Map<String, Value>) -> Value {
    let places: HashMap<&str, usize> =
        (entries.iter().enumerate()).filter_map(|(at, (key, _))| Some((key.text()?, at))).collect();
    let entry = |key: &str| entries.get(*places.get(key)?);
    let merged = |(key, value): (&String, &Value)| {
        (key.clone(), with_merged(entry(key).map(|(_, node)| node), value))
    };
    let mut out: Map<String, Value> = fields.iter().map(merged).collect();
    let is_quoted =
        |(key, _): &(YamlNode, YamlNode)| matches!(key.content, Content::Scalar(_, false));
    if entry(MERGE_KEY).is_some_and(is_quoted) {
        return Value::Object(out);
    }
    let sources = match out.remove(MERGE_KEY) {
        Some(Value::Array(sources)) => sources,
        source => source.into_iter().collect(),
    };
    let mut brought = Map::new();
    for source in sources.into_iter().rev() {
        if let Value::Object(fields) = source {
            brought.extend(fields);
        }
    }
    for (key, value) in brought {
        if !out.contains_key(&key) || places.get(key.as_str()) < places.get(MERGE_KEY) {
            out.insert(key, value);
        }
    }
    Value::Object(out)
}

/// The items of a list; empty if there is no list.
pub fn items<'a>(values: &'a Value, list: &str) -> &'a [Value] {
    values.get(list).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// Name of a list entry.
pub fn name_of(entry: &Value) -> Option<&str> {
    entry.get("name").and_then(Value::as_str)
}

/// The entry with a name: the first one, as in kubectl.
pub fn entry_named<'a>(values: &'a Value, list: &str, name: &str) -> Option<&'a Value> {
    items(values, list).iter().find(|entry| name_of(entry) == Some(name))
}

/// A text that is present and not blank.
pub fn filled<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().filter(|text| !text.trim().is_empty())
}

/// Prefix of a text that represents what JSON lacks: large and infinite numbers, tags, non-string keys.
const MARK: char = '\0';

/// Whether values from YAML can be represented in JSON.
pub fn is_json(value: &Value) -> bool {
    match value {
        Value::String(text) => !text.starts_with(MARK),
        Value::Array(items) => items.iter().all(is_json),
        Value::Object(fields) => {
            fields.iter().all(|(key, value)| !key.starts_with(MARK) && is_json(value))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// Any YAML value, as JSON. What JSON lacks becomes a marked text, which cannot equal any text of a file.
struct AnyValue(Value);

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyVisitor).map(Self)
    }
}

struct AnyVisitor;

impl AnyVisitor {
    fn marked(text: impl fmt::Display) -> Value {
        Value::String(format!("{MARK}{text}"))
    }
}

impl<'de> Visitor<'de> for AnyVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Self::marked(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Self::marked(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or_else(|| Self::marked(value), Value::Number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        let is_marked = text.starts_with(MARK);
        Ok(if is_marked { Self::marked(format_args!("{MARK}{text}")) } else { text.into() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(AnyValue(item)) = items.next_element()? {
            values.push(item);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut values = Map::new();
        while let Some((AnyValue(key), AnyValue(value))) = entries.next_entry()? {
            let key = match key.as_str() {
                Some(key) => key.to_owned(),
                None => format!("{MARK}{key}"),
            };
            if values.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Value::Object(values))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, value) = tagged.variant::<String>()?;
        let AnyValue(value) = value.newtype_variant()?;
        Ok(Value::Object([(format!("{MARK}{tag}"), value)].into_iter().collect()))
    }
}
