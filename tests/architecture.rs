//! Holds the floors and the house rules: what a floor may import and name, file headers, documented items.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::indexing_slicing,
    reason = "a test that fails says so by panicking"
)]

use std::path::{Path, PathBuf};

/// Floor, what it may import of this crate, and words that it must not contain outside tests.
const FLOORS: &[(&str, &[&str], &[&str])] = &[
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

/// What a pure floor must not name: time, files, network and tasks come from above, as data.
const PURE: &[&str] =
    &["tokio", "reqwest", "std::fs", "std::env", "std::net", "std::thread", "::now()", "println!"];

/// What the simulator may use of `domain`: no rule that decides what is allowed or what a credential is worth.
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

/// The code without its tests, which stand at the end of a file.
fn shipped(text: &str) -> &str {
    text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text)
}

fn complain(problems: Vec<String>) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn every_folder_of_src_is_a_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut problems = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_floor = FLOORS.iter().any(|(floor, ..)| *floor == name);
        if !(is_floor || matches!(name.as_str(), "lib.rs" | "main.rs" | "testing.rs")) {
            problems.push(format!("src/{name} is no floor"));
        }
    }
    complain(problems);
}

#[test]
fn a_floor_imports_only_what_it_may() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Some((floor, may, _)) = FLOORS.iter().find(|(floor, ..)| path.starts_with(floor))
        else {
            continue;
        };
        for (number, line) in text.lines().enumerate() {
            for (at, _) in line.match_indices("crate::") {
                let rest = &line[at + "crate::".len()..];
                let target: String =
                    rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = FLOORS.iter().any(|(floor, ..)| *floor == target);
                if known && !may.contains(&target.as_str()) {
                    problems.push(format!(
                        "src/{}:{}: {floor} must not import {target}",
                        path.display(),
                        number + 1
                    ));
                }
            }
            if floor == &"simulator"
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
            if floor == &"simulator" && line.match_indices("crate::domain::").any(own) {
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
fn pure_floors_name_no_time_files_network_or_tasks() {
    let mut problems = Vec::new();
    for (path, text) in sources() {
        let Some((floor, _, banned)) = FLOORS.iter().find(|(floor, ..)| path.starts_with(floor))
        else {
            continue;
        };
        for (number, line) in shipped(&text).lines().enumerate() {
            let code = line.split("//").next().unwrap_or(line);
            for word in *banned {
                if code.contains(word) {
                    problems.push(format!(
                        "src/{}:{}: {floor} must not name {word}",
                        path.display(),
                        number + 1
                    ));
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
