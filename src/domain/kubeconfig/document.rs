//! Reads a YAML document into a tree of byte spans, and into values with an independent reader.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::SecretValue;
use crate::domain::text::clean;

/// Largest kubeconfig that is read, in bytes.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Deepest nesting that is read.
pub const MAX_DEPTH: usize = 64;

/// A refusal of a file's text.
pub fn file_failure(message: impl Into<String>) -> Failure {
    Failure::new(FailureKind::File, message)
}

/// What a node holds.
pub enum Content {
    /// A scalar with its text, which may be a key; `true` when written plain.
    Scalar(Zeroizing<String>, bool),
    /// A list; `true` in flow style.
    List(Vec<Node>, bool),
    /// A mapping; `true` in flow style.
    Map(Vec<(Node, Node)>, bool),
    /// A reference to an anchor.
    Alias,
}

/// A node with its place in the text.
pub struct Node {
    pub content: Content,
    /// Bytes, without trailing blanks and comments.
    pub span: Range<usize>,
    pub line: usize,
}

impl Node {
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

    /// Key and value of an entry of a mapping.
    pub fn entry(&self, key: &str) -> Option<&(Self, Self)> {
        match &self.content {
            Content::Map(entries, _) => entries.iter().find(|(k, _)| k.text() == Some(key)),
            Content::Scalar(..) | Content::List(..) | Content::Alias => None,
        }
    }
}

/// The only document of a text; `None` when it is empty.
///
/// # Errors
/// What is wrong, with its line: syntax, several documents, duplicate keys, too deep, too large.
pub fn parse_tree(text: &str) -> Result<Option<Node>, Failure> {
    if text.len() > MAX_BYTES {
        return Err(file_failure("the file is larger than 16 MiB"));
    }
    let mut documents = 0;
    let mut root = None;
    let mut open: Vec<OpenNode> = Vec::new();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            file_failure(format!(
                "line {}: invalid YAML: {}",
                error.marker().line(),
                clean(&error.info())
            ))
        })?;
        let done = match event {
            Event::DocumentStart(..) => {
                documents += 1;
                if documents > 1 {
                    return Err(file_failure(format!(
                        "line {}: more than one YAML document",
                        span.start.line()
                    )));
                }
                None
            }
            Event::MappingStart(style, ..) => {
                open.push(OpenNode::new(true, style, &span)?);
                None
            }
            Event::SequenceStart(style, ..) => {
                open.push(OpenNode::new(false, style, &span)?);
                None
            }
            Event::MappingEnd | Event::SequenceEnd => match open.pop() {
                Some(finished) => Some(finished.close(&span)?),
                None => None,
            },
            Event::Scalar(value, style, ..) => {
                let plain = matches!(style, ScalarStyle::Plain);
                Some(Node {
                    content: Content::Scalar(value.into_owned().into(), plain),
                    span: byte_range(&span)?,
                    line: span.start.line(),
                })
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => Some(Node {
                content: Content::Alias,
                span: byte_range(&span)?,
                line: span.start.line(),
            }),
            Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentEnd
            | Event::Anchor(..)
            | Event::Comment(..)
            | _ => None,
        };
        if open.len() > MAX_DEPTH {
            return Err(file_failure(format!(
                "line {}: nested deeper than {MAX_DEPTH} levels",
                span.start.line()
            )));
        }
        if let Some(node) = done {
            match open.last_mut() {
                Some(parent) => parent.children.push(node),
                None => root = Some(node),
            }
        }
    }
    Ok(root.filter(|root| !(root.is_null() && root.span.is_empty())))
}

struct OpenNode {
    map: bool,
    flow: bool,
    start: usize,
    line: usize,
    children: Vec<Node>,
}

impl OpenNode {
    fn new(map: bool, style: StructureStyle, span: &Span) -> Result<Self, Failure> {
        Ok(Self {
            map,
            flow: matches!(style, StructureStyle::Flow),
            start: byte_range(span)?.start,
            line: span.start.line(),
            children: Vec::new(),
        })
    }

    fn close(self, span: &Span) -> Result<Node, Failure> {
        // A block collection has no end mark of its own: the parser reports where the next token begins.
        let end = if self.flow {
            byte_range(span)?.end
        } else {
            self.children.last().map_or(self.start, |last| last.span.end.max(self.start))
        };
        let content = if self.map {
            Content::Map(map_entries(self.children)?, self.flow)
        } else {
            Content::List(self.children, self.flow)
        };
        Ok(Node { content, span: self.start..end, line: self.line })
    }
}

fn map_entries(children: Vec<Node>) -> Result<Vec<(Node, Node)>, Failure> {
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
        entries.push((key, value));
    }
    Ok(entries)
}

fn byte_range(span: &Span) -> Result<Range<usize>, Failure> {
    span.byte_range()
        .ok_or_else(|| Failure::new(FailureKind::Bug, "the YAML parser returned no byte positions"))
}

/// The text as values, read by a reader that shares no code with the splicing.
///
/// # Errors
/// The reader's sentence, cleaned.
pub fn parse_values(text: &str) -> Result<SecretValue, Failure> {
    if text.trim().is_empty() {
        return Ok(SecretValue::new(Value::Null));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    serde_saphyr::from_str_with_options(text, options).map(SecretValue::new).map_err(|error| {
        // Only the place is repeated: the sentence of the reader may quote a secret.
        let place = error.location().map(|at| format!("line {}: ", at.line())).unwrap_or_default();
        file_failure(format!("{place}invalid YAML"))
    })
}
