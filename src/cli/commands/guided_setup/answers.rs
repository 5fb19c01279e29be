//! The user's answers: parsing of lines, and the resulting configuration.

use std::collections::BTreeMap;
use std::path::Path;

use toml::Value;
use uuid::Uuid;

use crate::cli::commands::guided_setup::text;
use crate::cli::config::{Config, EXAMPLE};
use crate::domain::cluster::ProjectId;
use crate::domain::misplaced_secret::show;

/// Prefix of a settable line in the example.
const COMMENTED: &str = "#: ";

/// Values by key of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Answers(BTreeMap<&'static str, Value>);

impl Answers {
    /// Sets a text or a path.
    #[must_use]
    pub fn text(mut self, key: &'static str, text: &str) -> Self {
        self.0.insert(key, Value::String(text.to_owned()));
        self
    }

    /// Sets a list.
    #[must_use]
    pub fn list(mut self, key: &'static str, items: &[String]) -> Self {
        let items = items.iter().cloned().map(Value::String).collect();
        self.0.insert(key, Value::Array(items));
        self
    }

    /// A complete configuration: the example with these values filled in.
    pub fn file(&self) -> String {
        let mut file = String::new();
        let mut section = "";
        for line in EXAMPLE.lines() {
            let set = line.strip_prefix(COMMENTED).and_then(|setting| {
                if let Some(name) = setting.strip_prefix('[').and_then(|s| s.strip_suffix(']')) {
                    section = name;
                    return self.has_section(name).then(|| setting.to_owned());
                }
                let (key, _default) = setting.split_once(" = ")?;
                let value = match section {
                    "" => self.0.get(key),
                    section => self.0.get(&*format!("{section}.{key}")),
                };
                value.map(|value| format!("{key} = {value}"))
            });
            file.push_str(set.as_deref().unwrap_or(line));
            file.push('\n');
        }
        file
    }

    /// The lines of the configuration that set a value.
    pub fn lines(&self) -> String {
        let file = self.file();
        let set = file.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        set.fold(String::new(), |lines, line| lines + line + "\n")
    }

    /// Whether this configuration contains the answers, rather than values that override them.
    pub fn hold_in(&self, config: &Config) -> bool {
        self.0.iter().all(|(key, value)| value.as_str().is_none_or(|text| config.text(key) == text))
    }

    fn has_section(&self, section: &str) -> bool {
        let is_of = |key: &&str| key.split_once('.').is_some_and(|(prefix, _)| prefix == section);
        self.0.keys().any(is_of)
    }
}

/// Parses the number of a choice.
pub fn parse_choice(line: &str, default: Option<usize>, last: usize) -> Result<usize, String> {
    if let ("", Some(default)) = (line, default) {
        return Ok(default);
    }
    let number = line.parse().ok().filter(|number| (1..=last).contains(number));
    number.ok_or_else(|| text::not_a_number(show(line), last))
}

/// An absolute path for the configuration: the next start may be in another folder.
pub fn absolute(path: &str, folder: &Path) -> String {
    if path.starts_with("~/") {
        return path.to_owned();
    }
    folder.join(path).display().to_string()
}

/// Parses IDs of projects, or their numbers in the list of found projects.
pub fn parse_projects(line: &str, found: &[ProjectId]) -> Result<Vec<String>, String> {
    parse_list(line, |word| {
        let number = word.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        if let Some(id) = number.and_then(|index| found.get(index)) {
            return Ok(id.to_string());
        }
        let wrong = if found.is_empty() { text::not_a_project_id } else { text::not_a_project };
        let id = Uuid::parse_str(word).map_err(|_not_one| wrong(show(word)))?;
        Ok(id.hyphenated().to_string())
    })
}

/// Parses names of regions.
pub fn parse_regions(line: &str) -> Result<Vec<String>, String> {
    parse_list(line, |word| {
        let is_name = word.len() <= 20
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.ends_with(|c: char| c.is_ascii_digit())
            && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if is_name { Ok(word.to_owned()) } else { Err(text::not_a_region(show(word))) }
    })
}

/// Items separated by blanks or commas, without duplicates.
fn parse_list(
    line: &str,
    parse: impl Fn(&str) -> Result<String, String>,
) -> Result<Vec<String>, String> {
    let mut items = Vec::new();
    let words = line.split(|c: char| c == ',' || c.is_whitespace());
    for word in words.filter(|word| !word.is_empty()) {
        let item = parse(word)?;
        if !items.contains(&item) {
            items.push(item);
        }
    }
    Ok(items)
}
