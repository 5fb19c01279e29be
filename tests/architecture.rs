//! Enforces layers and conventions: what a layer may import and name, file headers, documented items, names of tests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

/// Layer, what it may import from this crate, and words that it must not contain outside tests.
const LAYERS: &[(&str, &[&str], &[&str])] = &[
    ("domain", &["domain"], PURE),
    ("clock", &["clock"], &[]),
    ("app", &["app", "domain"], PURE),
    ("clients", &["clients", "clock", "domain"], &[]),
    ("store", &["store", "clock", "domain"], &["reqwest", "ratatui"]),
    ("ui", &["ui", "app", "domain"], PURE),
    ("simulator", &["simulator", "clients", "clock", "domain"], &["ratatui"]),
    ("runtime", &["runtime", "app", "clients", "clock", "domain", "store", "ui"], &[]),
    (
        "cli",
        &["cli", "app", "clients", "clock", "domain", "runtime", "simulator", "store", "ui"],
        &[],
    ),
];

/// Words that a pure layer must not contain: time, files, network and tasks are passed in as data.
const PURE: &[&str] = &[
    "tokio",
    "reqwest",
    "std::fs",
    "std::env",
    "std::net",
    "std::thread",
    "::now()",
    "println!",
    "tracing",
];

/// What the simulator may import from `domain`: no rules about permitted actions or the validity of credentials.
const SIMULATOR_DOMAIN: &[&str] = &["cluster::ClusterId", "failure::", "text::clean"];

fn source_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            source_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    source_files(&root, &mut files);
    assert!(files.len() > 40, "the walk finds the sources");
    files
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            (path.strip_prefix(&root).unwrap().to_owned(), text)
        })
        .collect()
}

/// The code without its tests, which are at the end of a file.
fn shipped(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn complain(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_folder_of_src_is_a_layer() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_layer = LAYERS.iter().any(|(layer, ..)| *layer == name);
        if !(is_layer || matches!(name.as_str(), "lib.rs" | "main.rs" | "fuzz.rs")) {
            problems.push(format!("src/{name} is no layer"));
        }
    }
    complain(problems);
}

#[test]
fn a_layer_imports_only_what_it_may() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Some((layer, may, _)) = LAYERS.iter().find(|(layer, ..)| path.starts_with(layer))
        else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let target: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = LAYERS.iter().any(|(layer, ..)| *layer == target);
                if known && !may.contains(&target.as_str()) {
                    problems.push(format!(
                        "src/{}:{}: {layer} must not import {target}",
                        path.display(),
                        number + 1
                    ));
                }
            }
            if layer == &"simulator"
                && line.contains("crate::clients::")
                && !line.contains("wire")
                && !line.contains("install_crypto")
            {
                problems.push(format!(
                    "src/{}:{}: the simulator may use the clients' wire types only",
                    path.display(),
                    number + 1
                ));
            }
            let own = |(at, prefix): (usize, &str)| {
                let item = &line[at + prefix.len()..];
                !SIMULATOR_DOMAIN.iter().any(|allowed| item.starts_with(allowed))
            };
            if layer == &"simulator" && line.match_indices("crate::domain::").any(own) {
                problems.push(format!(
                    "src/{}:{}: the simulator has its own rules, not those of domain",
                    path.display(),
                    number + 1
                ));
            }
        }
    }
    complain(problems);
}

#[test]
fn pure_layers_name_no_time_files_network_or_tasks() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Some((layer, _, banned)) = LAYERS.iter().find(|(layer, ..)| path.starts_with(layer))
        else {
            continue;
        };
        for (number, line) in shipped(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in *banned {
                if code.contains(word) {
                    problems.push(format!(
                        "src/{}:{}: {layer} must not name {word}",
                        path.display(),
                        number + 1
                    ));
                }
            }
        }
    }
    complain(problems);
}

type ModulePath = Vec<String>;

/// What one file imports from this crate.
#[derive(Default)]
struct Imports {
    /// Each path, and whether it is re-exported.
    all: Vec<(bool, ModulePath)>,
}

impl Imports {
    /// Parses `use` trees and paths in the code; skips visibilities (`pub(in crate::a)`).
    fn read(text: &str, module: &[String]) -> Self {
        let mut imports = Self::default();
        let parent = module.split_last().map_or(module, |(_, parent)| parent);
        let code: Vec<&str> =
            text.lines().map(|line| line.split("//").next().unwrap_or(line)).collect();
        let code = code.join("\n");
        let starts = [("crate::", &[][..]), ("super::", parent)];
        let found = starts
            .iter()
            .flat_map(|(start, above)| code.match_indices(start).map(move |found| (found, above)));
        for ((at, start), above) in found {
            let mut words = code[..at].split_whitespace().rev();
            let before = words.next().unwrap_or_default();
            if before.ends_with("(in") {
                continue;
            }
            let is_public = before == "use" && words.next().is_some_and(|w| w.starts_with("pub"));
            imports.read_tree(&code[at + start.len()..], above, is_public);
        }
        imports
    }

    /// Parses `a::{b, c::d}` and returns the remaining text.
    fn read_tree<'a>(&mut self, text: &'a str, above: &[String], is_public: bool) -> &'a str {
        let mut path = above.to_vec();
        let mut rest = text.trim_start();
        loop {
            if let Some(mut inner) = rest.strip_prefix('{') {
                while !inner.trim_start().starts_with('}') && !inner.trim().is_empty() {
                    inner = self.read_tree(inner, &path, is_public).trim_start();
                    inner = inner.strip_prefix(',').unwrap_or(inner);
                }
                return inner.trim_start().strip_prefix('}').unwrap_or_default();
            }
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            if word != "self" && !word.is_empty() {
                path.push(word.to_owned());
            }
            match after.strip_prefix("::") {
                Some(deeper) if !word.is_empty() => rest = deeper,
                _ => {
                    self.all.push((is_public, path));
                    // Skips `as name`, up to the next element or the end of the list.
                    let end = after.find([',', '}', ';']).unwrap_or(after.len());
                    return &after[end..];
                }
            }
        }
    }
}

/// All modules except tests, with their imports.
fn modules() -> BTreeMap<ModulePath, Imports> {
    let mut found = BTreeMap::new();
    let mut tests = BTreeSet::new();
    for (path, text) in sources() {
        let mut module: ModulePath = path
            .with_extension("")
            .components()
            .map(|part| part.as_os_str().to_str().unwrap().to_owned())
            .collect();
        if module.last().is_some_and(|name| name == "mod") {
            module.pop();
        }
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line == "#[cfg(test)]"
                && let Some((_, name)) = lines.next().and_then(|line| line.split_once("mod "))
            {
                tests.insert([&module[..], &[name.trim_end_matches(';').to_owned()]].concat());
            }
        }
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let imports = Imports::read(code, &module);
        found.insert(module, imports);
    }
    found.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
    found
}

/// The file that defines the target of a path, resolving re-exports.
fn defined_in(modules: &BTreeMap<ModulePath, Imports>, path: &[String]) -> Option<ModulePath> {
    let length = (1..=path.len()).rev().find(|length| modules.contains_key(&path[..*length]))?;
    let (module, rest) = path.split_at(length);
    let exported = rest.first().and_then(|name| {
        let all = &modules[module].all;
        all.iter().find(|(is_public, path)| *is_public && path.last() == Some(name))
    });
    match exported {
        Some((_, target)) => defined_in(modules, &[target, &rest[1..]].concat()),
        None => Some(module.to_vec()),
    }
}

/// The shortest import cycle through a file.
fn circle(
    imports: &BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    start: &ModulePath,
) -> Option<Vec<ModulePath>> {
    let mut ways = VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in &imports[way.last()?] {
            if next == start {
                return Some(way);
            }
            if seen.insert(next) {
                ways.push_back([&way[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

#[test]
fn files_of_a_layer_do_not_import_each_other_in_circles() {
    let modules = modules();
    let imports: BTreeMap<ModulePath, BTreeSet<ModulePath>> = modules
        .iter()
        .map(|(module, imports)| {
            let targets = imports.all.iter().filter_map(|(is_public, path)| {
                let target = defined_in(&modules, path)?;
                let is_own_child = *is_public && target.starts_with(module);
                (target[0] == module[0] && target != *module && !is_own_child).then_some(target)
            });
            (module.clone(), targets.collect())
        })
        .collect();
    let mut problems = Vec::new();
    for start in modules.keys() {
        // Once per cycle, not for each of its files.
        if let Some(way) = circle(&imports, start).filter(|way| way.iter().min() == Some(start)) {
            let names: Vec<String> = way.iter().map(|module| module.join("/")).collect();
            problems.push(format!("src/{} -> {}", names.join(" -> "), start.join("/")));
        }
    }
    complain(problems);
}

/// What begins a text that a view draws.
const DRAWN: [&str; 11] = [
    ".fact(\"",
    ".text(\"",
    ".part(\"",
    ".span(\"",
    ".row(\"",
    ".title(\"",
    "raw(\"",
    "cancel(\"",
    "confirm(\"",
    "plural(",
    "{ \"",
];

#[test]
fn views_draw_no_words_of_their_own() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let is_view = path.starts_with("ui") && !path.starts_with("ui/tests");
        if !is_view || path.starts_with("ui/fixtures") {
            continue;
        }
        let lines = shipped(&text).lines().map(str::trim).filter(|line| !line.starts_with("//"));
        let code = lines.collect::<Vec<_>>().join(" ").replace("( \"", "(\"");
        for begin in DRAWN {
            for (_, rest) in
                code.match_indices(begin).map(|(at, _)| code.split_at(at + begin.len()))
            {
                let drawn = match begin {
                    "plural(" => rest.split(')').next().and_then(|rest| rest.split('"').nth(1)),
                    // Not the arms of a match.
                    "{ \"" => rest.split("\" }").next().filter(|drawn| !drawn.contains('"')),
                    _ => rest.split('"').next(),
                };
                let drawn = drawn.unwrap_or_default();
                // Placeholders are names, not words.
                let words = drawn.split('{').map(|part| part.rsplit('}').next().unwrap_or(part));
                let is_word = |part: &str| part.chars().filter(|c| c.is_alphabetic()).count() > 1;
                if words.into_iter().any(is_word) {
                    problems.push(format!("{}: \"{drawn}\" belongs in a text.rs", path.display()));
                }
            }
        }
    }
    complain(problems);
}

#[test]
fn every_file_says_what_it_is() {
    let problems = sources()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! ") || text.starts_with("//! \n"))
        .map(|(path, _)| {
            format!("src/{}: the first line must say what the file is", path.display())
        })
        .collect();
    complain(problems);
}

#[test]
fn every_public_item_is_documented() {
    let starts = [
        "pub fn ",
        "pub async fn ",
        "pub struct ",
        "pub enum ",
        "pub trait ",
        "pub const ",
        "pub type ",
        "pub static ",
    ];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let lines: Vec<&str> = shipped(&text).lines().collect();
        for (number, line) in lines.iter().enumerate() {
            if !starts.iter().any(|start| line.trim_start().starts_with(start)) {
                continue;
            }
            let above = lines[..number].iter().rev().map(|line| line.trim()).find(|line| {
                !line.starts_with("#[") && !line.starts_with(")]") && !line.ends_with(',')
            });
            let documented = above.is_some_and(|line| {
                (line.starts_with("///") && line.len() > 4) || line.starts_with("$(#[")
            });
            if !documented {
                problems.push(format!("src/{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    complain(problems);
}

/// Regressions of property tests are stored below `tests`, which cargo does not package.
#[test]
fn property_tests_keep_their_failed_cases_below_tests() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for block in text.split("proptest! {\n").skip(1) {
            let first = block.lines().next().unwrap_or_default().trim();
            if !(first.starts_with("#![proptest_config(") && first.contains("property_cases(")) {
                problems.push(format!("src/{}: {first}: use property_cases", path.display()));
            }
        }
    }
    complain(problems);
}

#[test]
fn nothing_is_left_unfinished() {
    let marks = ["todo!(", "unimplemented!(", "FIXME", "XXX"];
    let mut problems = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if marks.iter().any(|mark| line.contains(mark)) {
                problems.push(format!("src/{}:{}: {}", path.display(), number + 1, line.trim()));
            }
        }
    }
    complain(problems);
}

/// The fault IDs at the start of a name, in the form of the list: API-01 and API-02 for `api_01_api_02_…`.
fn fault_ids(mut name: &str) -> Vec<String> {
    let mut ids = Vec::new();
    while let Some((area, rest)) = name.split_once('_')
        && let Some((number, rest)) = rest.split_once('_')
        && area.starts_with(|c: char| c.is_ascii_lowercase())
        && number.len() == 2
        && number.chars().all(|c| c.is_ascii_digit())
    {
        ids.push(format!("{}-{number}", area.to_uppercase()));
        name = rest;
    }
    ids
}

/// All fault IDs at the start of function names, with one such function and its file.
fn named_faults() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    source_files(&root.join("src"), &mut files);
    source_files(&root.join("tests"), &mut files);
    let mut named = BTreeMap::new();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(root).unwrap().display();
        for rest in text.split("fn ").skip(1) {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            let place = format!("{path}: {name}");
            named.extend(fault_ids(name).into_iter().map(|id| (id, place.clone())));
        }
    }
    named
}

#[test]
fn every_id_in_the_name_of_a_test_is_in_the_list_of_faults() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let named = named_faults();
    let mut listed = BTreeSet::new();
    let mut problems = Vec::new();
    let mut marked = String::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split(" | ").collect();
        let row = match cells[..] {
            ["| ID" | "| ---", ..] => line.to_owned(),
            [id, fault, outcome, _] => {
                let name = id.trim_start_matches("| ");
                if !listed.insert(name) {
                    problems.push(format!("{name} is listed twice"));
                }
                let mark = if named.contains_key(name) { '✓' } else { '–' };
                format!("{id} | {fault} | {outcome} | {mark} |")
            }
            _ => {
                if line.starts_with('|') {
                    problems.push(format!("not four cells: {line}"));
                }
                line.to_owned()
            }
        };
        marked.push_str(&row);
        marked.push('\n');
    }
    let unlisted = named.iter().filter(|(id, _)| !listed.contains(id.as_str()));
    problems.extend(unlisted.map(|(id, place)| format!("{place}: {id} is not in tests/faults.md")));
    if std::env::var_os("SKEYS_WRITE_FAULTS").is_some() {
        std::fs::write(&file, marked).unwrap();
    } else if marked != text {
        let changed = marked.lines().zip(text.lines()).filter(|(new, old)| new != old);
        problems.extend(changed.map(|(new, _)| format!("should be: {new}")));
        problems
            .push("write the marks: SKEYS_WRITE_FAULTS=1 cargo test --test architecture".into());
    }
    complain(problems);
}
