//! The table of requests: `requests.txt`.
//!
//! A line is `name | setup | METHOD path | headers | body`. Lines that start with `first` send a preceding request,
//! whose response provides `{continue}`, `{version}` and `{token}`. Placeholders in braces are filled in per server.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::server::Call;

/// Intended differences, line by line: `name | reason`.
const INTENDED: &str = "intended.txt";

fn read(file: &str) -> String {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control_plane");
    std::fs::read_to_string(folder.join(file)).unwrap()
}

/// One line of the table.
#[derive(Debug)]
pub struct Request {
    pub name: String,
    pub topic: String,
    pub setup: Setup,
    pub first: Vec<Template>,
    pub call: Template,
}

/// Objects used exclusively by one request.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Lines of a scene that describe a workload in a separate namespace.
    pub workload: Option<String>,
    pub node: bool,
}

/// A request with unfilled placeholders.
#[derive(Debug)]
pub struct Template {
    method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// All requests.
pub fn all() -> Vec<Request> {
    let mut topic = String::new();
    let mut found: Vec<Request> = Vec::new();
    for line in read("requests.txt").lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(title) = line.strip_prefix("# ") {
            title.clone_into(&mut topic);
            continue;
        }
        let parts: Vec<&str> = line.splitn(5, " | ").map(str::trim).collect();
        if let Some(first) = line.strip_prefix("first ") {
            let parts: Vec<&str> = first.splitn(3, " | ").map(str::trim).collect();
            found.last_mut().unwrap().first.push(template(&parts, line));
            continue;
        }
        assert!(parts.len() >= 3, "{line}");
        assert!(!found.iter().any(|known| known.name == parts[0]), "twice: {line}");
        found.push(Request {
            name: parts[0].to_owned(),
            topic: topic.clone(),
            setup: setup(parts[1]),
            first: Vec::new(),
            call: template(&parts[2..], line),
        });
    }
    found
}

/// Intended differences and their reasons, by request name.
pub fn intended() -> BTreeMap<String, String> {
    let text = read(INTENDED);
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entry = |line: &str| {
        let (name, reason) = line.split_once(" | ").unwrap_or_else(|| panic!("{line}"));
        (name.to_owned(), reason.to_owned())
    };
    lines.map(entry).collect()
}

fn setup(text: &str) -> Setup {
    let mut found = Setup::default();
    let mut lines = String::new();
    for word in text.split(' ') {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        match key {
            "-" | "pods" => {}
            "node" => found.node = true,
            _ if value.is_empty() => panic!("{text}"),
            "kind" | "min_available" | "max_unavailable" | "finalizer"
                if value.parse::<u32>().is_err() =>
            {
                writeln!(lines, "{key} = \"{value}\"").unwrap();
            }
            _ => writeln!(lines, "{key} = {value}").unwrap(),
        }
        if !matches!(key, "-" | "node") {
            found.workload.get_or_insert_default();
        }
    }
    if !lines.contains("cpu = ") {
        lines += "cpu = 10\n";
    }
    if let Some(workload) = &mut found.workload {
        *workload = lines;
    }
    found
}

fn template(parts: &[&str], line: &str) -> Template {
    let (method, path) = parts[0].split_once(' ').unwrap_or_else(|| panic!("{line}"));
    let headers = parts.get(1).into_iter().flat_map(|headers| headers.split(" + "));
    Template {
        method: method.to_owned(),
        path: path.to_owned(),
        headers: headers.filter(|header| !header.is_empty()).map(header).collect(),
        body: parts.get(2).unwrap_or(&"").to_string(),
    }
}

/// A header, possibly by a short name.
fn header(text: &str) -> (String, String) {
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let list = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
    let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    let (name, value) = match text {
        "json" => ("content-type", "application/json"),
        "merge" => ("content-type", "application/merge-patch+json"),
        "strategic" => ("content-type", "application/strategic-merge-patch+json"),
        "json-patch" => ("content-type", "application/json-patch+json"),
        "apply" => ("content-type", "application/apply-patch+yaml"),
        "yaml" => ("content-type", "application/yaml"),
        "table" => ("accept", table),
        "metadata" => ("accept", list),
        "metadata-of-one" => ("accept", one),
        "none" => ("x-none", ""),
        _ => text.split_once(": ").unwrap_or_else(|| panic!("{text}")),
    };
    (name.to_owned(), value.to_owned())
}

impl Template {
    /// The request with all placeholders filled in.
    pub fn fill(&self, words: &BTreeMap<String, String>) -> Call {
        let fill = |text: &str| {
            let mut text = text.to_owned();
            for (word, value) in words {
                text = text.replace(&format!("{{{word}}}"), value);
            }
            text
        };
        let body = match &*self.body {
            "@4MB" => format!(
                "{{\"metadata\":{{\"annotations\":{{\"a\":\"{}\"}}}}}}",
                "x".repeat(4 << 20)
            )
            .into_bytes(),
            "@invalid-utf8" => vec![b'{', b'"', 0xff, 0xfe, b'"', b':', b'1', b'}'],
            "@deep" => format!("{}{}", "[".repeat(20_000), "]".repeat(20_000)).into_bytes(),
            body => fill(body).into_bytes(),
        };
        Call {
            method: self.method.clone(),
            path: fill(&self.path),
            headers: self.headers.iter().map(|(name, value)| (name.clone(), fill(value))).collect(),
            body,
        }
    }
}
