//! Reads a configuration file: every key is checked against the table, every error has line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ratatui::style::Color;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::app::settings::Palette;
use crate::cli::config::keys::{Key, ValueKind, find, keys, misplaced, nearest};
use crate::domain::age_policy::AgeRule;
use crate::domain::lifetime::Lifetime;
use crate::domain::misplaced_secret::{looks_secret, show};
use crate::domain::text::{clean, distance_within};

/// A checked value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Switch(bool),
    Duration(Duration),
    Number(i64),
    /// A word, text or path.
    Text(String),
    List(Vec<String>),
    Lifetime(Lifetime),
    /// Keys by command.
    Keys(BTreeMap<String, Vec<String>>),
    /// Colours by role.
    Colors(BTreeMap<&'static str, Color>),
}

/// One problem and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    pub position: String,
    pub text: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", show(&self.position), clean(&self.text))
    }
}

/// All problems in one text.
pub fn join(problems: &[ConfigProblem], between: &str) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join(between)
}

/// Values by path.
pub type FileValues = BTreeMap<&'static str, Value>;

/// Content of a file.
#[derive(Debug, Default)]
pub struct FileContent {
    /// Values for all profiles.
    pub values: FileValues,
    /// Overrides by name of the profile.
    pub profiles: BTreeMap<String, FileValues>,
    /// Locations of the entries of `[keys]`, by profile and command; the profile is empty outside of profiles.
    pub key_positions: BTreeMap<(String, String), String>,
}

/// Parses a file's text; `name` is the file's name in errors.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn read(name: &str, text: &str) -> Result<FileContent, Vec<ConfigProblem>> {
    let table = DeTable::parse(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        located(name, text, vec![(at, show(clean(error.message())))])
    })?;
    let mut reader = Reader::default();
    reader.table("", table.get_ref());
    if reader.problems.is_empty() {
        reader.key_entries.sort();
        let entries = reader.key_entries.iter().map(|(at, _)| (*at, String::new())).collect();
        let positions = located(name, text, entries).into_iter().map(|problem| problem.position);
        let entries = reader.key_entries.into_iter().map(|(_, entry)| entry);
        let key_positions = entries.zip(positions).collect();
        Ok(FileContent { values: reader.values, profiles: reader.profiles, key_positions })
    } else {
        Err(located(name, text, reader.problems))
    }
}

/// The section of profiles; each contains keys like the file itself.
const PROFILES: &str = "profiles";

#[derive(Default)]
struct Reader {
    /// The profile being read; empty for the file itself.
    profile: String,
    values: FileValues,
    profiles: BTreeMap<String, FileValues>,
    /// Problems by byte offset.
    problems: Vec<(usize, String)>,
    /// Entries of `[keys]` by byte offset: profile and command.
    key_entries: Vec<(usize, (String, String))>,
}

impl Reader {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let path = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            if path == PROFILES && self.profile.is_empty() {
                self.profiles(value);
            } else if let Some(key) = find(&path) {
                let checked = match (key.kind, value.get_ref()) {
                    (ValueKind::Colors, DeValue::Table(inner)) => Ok(self.colors(&path, inner)),
                    (ValueKind::Keys, DeValue::Table(inner)) => Ok(self.keys(&key, inner)),
                    _ => check(&key, value),
                };
                match checked {
                    Ok(checked) => {
                        self.values.insert(key.path, checked);
                    }
                    Err(text) => self.problem(value.span().start, text),
                }
            } else {
                let is_section = keys().any(|key| key.path.starts_with(&format!("{path}.")));
                if let (true, DeValue::Table(inner)) = (is_section, value.get_ref()) {
                    self.table(&path, inner);
                } else {
                    self.unknown(name.span().start, value, &path, is_section);
                }
            }
        }
    }

    fn profiles(&mut self, value: &Spanned<DeValue<'_>>) {
        let DeValue::Table(found) = value.get_ref() else {
            let text = format!("{PROFILES} is not a section; expected [{PROFILES}.NAME]");
            return self.problem(value.span().start, text);
        };
        for (name, value) in found {
            let (at, name) = (name.span().start, name.get_ref());
            if name.trim().is_empty() {
                self.problem(at, "a profile needs a name".to_owned());
            } else if let DeValue::Table(table) = value.get_ref() {
                let mut reader = Self { profile: name.to_string(), ..Self::default() };
                reader.table("", table);
                self.problems.append(&mut reader.problems);
                self.key_entries.append(&mut reader.key_entries);
                self.profiles.insert(reader.profile, reader.values);
            } else {
                self.unknown(at, value, &format!("{PROFILES}.{}", show(name)), true);
            }
        }
    }

    fn colors(&mut self, path: &str, table: &DeTable<'_>) -> Value {
        let mut colors = BTreeMap::new();
        for (name, value) in table {
            let path = format!("{path}.{}", show(name.get_ref()));
            let role = Palette::ROLES.into_iter().find(|role| role == name.get_ref());
            let color = if let DeValue::Integer(number) = value.get_ref() {
                u8::from_str_radix(number.as_str(), number.radix()).ok().map(Color::Indexed)
            } else {
                text_of(value).and_then(|text| text.parse().ok())
            };
            match (role, color) {
                (Some(role), Some(color)) => {
                    colors.insert(role, color);
                }
                (None, _) => {
                    let known = Palette::ROLES.join(", ");
                    self.problem(name.span().start, format!("unknown key {path}; known: {known}"));
                }
                (Some(_), None) => {
                    let text = format!("{path} is not a colour; expected {COLOR}");
                    self.problem(value.span().start, text);
                }
            }
        }
        Value::Colors(colors)
    }

    fn keys(&mut self, key: &Key, table: &DeTable<'_>) -> Value {
        let mut keys = BTreeMap::new();
        for (name, value) in table {
            let (at, name) = (value.span().start, name.get_ref());
            let list = if let DeValue::Array(items) = value.get_ref() {
                items.iter().map(text_of).collect::<Option<Vec<_>>>()
            } else {
                None
            };
            match list {
                Some(list) if list.iter().chain([&name.to_string()]).any(|it| looks_secret(it)) => {
                    self.problem(at, misplaced(key));
                }
                Some(list) => {
                    self.key_entries.push((at, (self.profile.clone(), name.to_string())));
                    keys.insert(name.to_string(), list);
                }
                None => {
                    let expected = key.kind.describe();
                    let path = format!("{}.{}", key.path, show(name));
                    self.problem(at, format!("{path} is not a list of keys; expected {expected}"));
                }
            }
        }
        Value::Keys(keys)
    }

    /// Reports a key that the table lacks: a section written as a value, or a wrong name.
    fn unknown(&mut self, at: usize, value: &Spanned<DeValue<'_>>, path: &str, is_section: bool) {
        if is_section {
            let what = kind_of(value.get_ref());
            let text = format!("{path} is {what}; expected a section: [{path}]");
            self.problem(value.span().start, text);
            return;
        }
        let hint = nearest(path).map_or_else(String::new, |near| {
            format!("; did you mean {}? ({})", near.path, near.help)
        });
        self.problem(at, format!("unknown key {}{hint}", show(path)));
    }

    fn problem(&mut self, at: usize, text: String) {
        self.problems.push((at, text));
    }
}

/// Valid colours.
const COLOR: &str =
    "\"#rrggbb\", a name such as \"red\" or \"bright-blue\", or a number from 0 to 255";

fn check(key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Value, String> {
    let wrong = |what: &str| format!("{} is {what}; expected {}", key.path, key.kind.describe());
    match (key.kind, value.get_ref()) {
        (ValueKind::Switch, DeValue::Boolean(on)) => Ok(Value::Switch(*on)),
        (ValueKind::Number(..), DeValue::Integer(number)) => {
            let number = i64::from_str_radix(number.as_str(), number.radix());
            check_number(key, number.map_err(|_overflow| wrong("too large"))?)
        }
        (
            ValueKind::List | ValueKind::Ids | ValueKind::Files | ValueKind::AgeRules,
            DeValue::Array(items),
        ) => {
            let items: Option<Vec<_>> = items.iter().map(text_of).collect();
            let not_texts = || wrong("a list with an item that is not a string");
            check_list(key, &items.ok_or_else(not_texts)?)
        }
        (
            ValueKind::Duration(..)
            | ValueKind::Word(_)
            | ValueKind::Text
            | ValueKind::Path
            | ValueKind::Folder
            | ValueKind::Lifetime,
            DeValue::String(text),
        ) => from_text(key, text),
        (_, other) => Err(wrong(kind_of(other))),
    }
}

fn text_of(value: &Spanned<DeValue<'_>>) -> Option<String> {
    if let DeValue::String(text) = value.get_ref() { Some(text.to_string()) } else { None }
}

fn kind_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn check_number(key: &Key, number: i64) -> Result<Value, String> {
    if let ValueKind::Number(least, most) = key.kind
        && (least..=most).contains(&number)
    {
        return Ok(Value::Number(number));
    }
    Err(format!("{} is {number}; expected {}", key.path, key.kind.describe()))
}

/// Checks the items of a list.
///
/// # Errors
/// See [`from_text`].
pub fn check_list(key: &Key, items: &[String]) -> Result<Value, String> {
    if items.iter().any(|item| looks_secret(item)) {
        return Err(misplaced(key));
    }
    let wrong = |item: &str, why: &str| {
        format!("{} has \"{}\"{why}; expected {}", key.path, clean(item), key.kind.describe())
    };
    for item in items {
        if key.kind == ValueKind::AgeRules {
            AgeRule::parse(item).map_err(|why| wrong(item, &format!(": {why}")))?;
        } else if key.kind == ValueKind::Ids && !is_id(item)
            || key.kind == ValueKind::Files && !is_file_pattern(item)
        {
            return Err(wrong(item, ""));
        }
    }
    Ok(Value::List(items.to_vec()))
}

/// Whether this can be a path segment of a URL.
fn is_id(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=100).contains(&text.len()) && text.chars().all(is_part)
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') || path.starts_with("~/")
}

/// Whether this is an absolute path or starts with `~/`, with a pattern in the last segment only.
fn is_file_pattern(text: &str) -> bool {
    let Some((folder, name)) = text.rsplit_once('/') else { return false };
    is_absolute(text) && !folder.contains(['*', '?']) && !name.is_empty()
}

/// Parses a value from text: a variable, a flag, or a string in the file.
///
/// # Errors
/// What is wrong and what is expected, without the location.
pub fn from_text(key: &Key, text: &str) -> Result<Value, String> {
    if looks_secret(text) {
        return Err(misplaced(key));
    }
    let shown = clean(text);
    let wrong = || format!("{} is \"{shown}\"; expected {}", key.path, key.kind.describe());
    match key.kind {
        ValueKind::Switch => match text {
            "true" | "1" | "yes" => Ok(Value::Switch(true)),
            "false" | "0" | "no" | "" => Ok(Value::Switch(false)),
            _ => Err(wrong()),
        },
        ValueKind::Duration(least, most) => match humantime::parse_duration(text) {
            Ok(duration) if (least..=most).contains(&duration) => Ok(Value::Duration(duration)),
            Ok(_) | Err(_) => Err(wrong()),
        },
        ValueKind::Number(..) => {
            let number = text.parse().map_err(|_not_a_number| wrong())?;
            check_number(key, number)
        }
        ValueKind::Word(words) => {
            if words.contains(&text) {
                return Ok(Value::Text(text.to_owned()));
            }
            let near =
                words.iter().filter_map(|word| Some((distance_within(text, word, 3)?, word))).min();
            let hint = near.map_or_else(String::new, |(_, word)| format!("; did you mean {word}?"));
            Err(format!("{}{hint}", wrong()))
        }
        ValueKind::Folder if !is_absolute(text) => Err(wrong()),
        ValueKind::Text | ValueKind::Path | ValueKind::Folder => Ok(Value::Text(text.to_owned())),
        ValueKind::List | ValueKind::Ids | ValueKind::Files | ValueKind::AgeRules => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            check_list(key, &parts.map(str::to_owned).collect::<Vec<_>>())
        }
        ValueKind::Lifetime => Lifetime::parse(text)
            .map(Value::Lifetime)
            .map_err(|error| format!("{}: {error}", key.path)),
        ValueKind::Keys | ValueKind::Colors => Err(wrong()),
    }
}

/// Problems with line and column, counted from one, columns in characters; in the order of the file, in one pass.
fn located(name: &str, text: &str, mut problems: Vec<(usize, String)>) -> Vec<ConfigProblem> {
    problems.sort_by_key(|(at, _)| *at);
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column) = (1, 1);
    let mut locate = |(at, text)| {
        while let Some((_, character)) = characters.next_if(|(next, _)| *next < at) {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        ConfigProblem { position: format!("{name}:{line}:{column}"), text }
    };
    problems.into_iter().map(&mut locate).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::cli::config::file::read;
    use crate::fuzz::{changed_text, fuzz};

    #[test]
    fn file_15_profiles_are_held_against_the_same_table() {
        let found = problems(
            "[profiles.a]\nread_only = 1\n[profiles.b.poll]\nidel = \"30s\"\n[profiles.c.profiles.d]\n",
        );
        let expected = [
            "config.toml:2:13: read_only is a number; expected true or false",
            "config.toml:4:1: unknown key poll.idel; did you mean poll.idle?",
            "config.toml:5:13: unknown key profiles",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
        assert_eq!(problems("[profiles.\"\"]"), ["config.toml:1:11: a profile needs a name"]);
        let wrong = "config.toml:1:12: profiles is not a section; expected [profiles.NAME]";
        assert_eq!(problems("profiles = 7"), [wrong]);
        let wrong = "config.toml:2:5: profiles.a is a number; expected a section: [profiles.a]";
        assert_eq!(problems("[profiles]\na = 7"), [wrong]);
    }

    fn problems(text: &str) -> Vec<String> {
        read("config.toml", text).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn file_15_an_unknown_key_is_named_with_place_and_nearest_key() {
        assert_eq!(
            problems("read_only = true\n\n[poll]\n  idel = \"30s\"\n"),
            [
                "config.toml:4:3: unknown key poll.idel; did you mean poll.idle? (Poll interval while no rotation runs)"
            ]
        );
        assert_eq!(
            problems("reed_only = true"),
            [
                "config.toml:1:1: unknown key reed_only; did you mean read_only? (Send only reads; save no kubeconfig)"
            ]
        );
    }

    #[test]
    fn file_15_a_path_that_would_not_be_searched_is_named() {
        for path in ["", "conf", "./a", "~root/a", "$HOME/a", "~", "/", "~/a/", "/tmp/*/a", "~/?/a"]
        {
            let found = problems(&format!("kubeconfig.search = [\"/a\", \"{path}\"]"));
            let expected = format!("config.toml:1:21: kubeconfig.search has \"{path}\"; expected");
            assert!(found[0].starts_with(&expected), "{found:?}");
        }
        read("config.toml", "kubeconfig.search = [\"~/a/*.conf\", \"/etc/a?\"]").unwrap();
        for path in ["", "kube", "./kube", "~", "~other/kube"] {
            let found = problems(&format!("kubeconfig.folder = \"{path}\""));
            let expected = format!("config.toml:1:21: kubeconfig.folder is \"{path}\"; expected");
            assert!(found[0].starts_with(&expected), "{found:?}");
        }
        read("config.toml", "kubeconfig.folder = \"/kube\"").unwrap();
    }

    #[test]
    fn file_15_wrong_types_units_and_ranges_are_named_with_what_would_be_right() {
        let found = problems(
            "read_only = \"yes\"\noverdue_after = \"180 parsecs\"\n[poll]\nconcurrency = 99\nidle = \"1s\"\n[display]\ntheme = \"drak\"\n[kubeconfig]\nlifetime = \"45m\"\n",
        );
        let expected = [
            "config.toml:1:13: read_only is a string; expected true or false",
            "config.toml:2:17: overdue_after is \"180 parsecs\"; expected a duration",
            "config.toml:4:15: poll.concurrency is 99; expected a whole number from 1 to 32",
            "config.toml:5:8: poll.idle is \"1s\"; expected a duration from 10s",
            "config.toml:7:9: display.theme is \"drak\"; expected one of",
            "config.toml:9:12: kubeconfig.lifetime: 45m is too short; allowed: 1h to 180d",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
        assert!(found[4].ends_with("did you mean dark?"));
    }

    #[test]
    fn file_15_a_wrong_entry_of_keys_is_named_at_its_own_place() {
        let found = problems("[keys]\nrotate = [\"R\"]\nquit = \"q\"\nhelp = [7]\n");
        let what = "is not a list of keys; expected a table of lists, such as rotate = [\"R\"]";
        let expected = [
            format!("config.toml:3:8: keys.quit {what}"),
            format!("config.toml:4:8: keys.help {what}"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn file_15_a_rule_that_cannot_be_read_is_named() {
        assert_eq!(
            problems("overdue_rules = [\"*-prod=90d\", \"shop\"]"),
            [
                "config.toml:1:17: overdue_rules has \"shop\": \"=\" is missing; expected a list of PATTERN=DURATION, such as \"*-prod=90d\", each 1d to 3650d"
            ]
        );
    }

    #[test]
    fn file_15_a_wrong_role_or_colour_is_named_with_what_there_is() {
        let found = problems(
            "[display.colors]\naccent = \"blurple\"\nacent = 7\nbad = 256\ngood = [1]\n\
             [profiles.a.display.colors]\n  dim = \"#12345\"\n",
        );
        let colors = "expected \"#rrggbb\", a name such as \"red\" or \"bright-blue\", or a number from 0 to 255";
        let roles = "accent, dim, busy, attention, bad, good, warn";
        let expected = [
            format!("config.toml:2:10: display.colors.accent is not a colour; {colors}"),
            format!("config.toml:3:1: unknown key display.colors.acent; known: {roles}"),
            format!("config.toml:4:7: display.colors.bad is not a colour; {colors}"),
            format!("config.toml:5:8: display.colors.good is not a colour; {colors}"),
            format!("config.toml:7:9: display.colors.dim is not a colour; {colors}"),
        ];
        assert_eq!(found, expected);
        let wrong = "config.toml:2:10: display.colors is a string; expected a table of colours, such as accent = \"#7aa2f7\"";
        assert_eq!(problems("[display]\ncolors = \"red\""), [wrong]);
    }

    #[test]
    fn file_15_a_duplicate_key_is_an_error_with_its_place() {
        let found = problems("read_only = true\nread_only = false\n");
        assert!(found[0].starts_with("config.toml:2:1: "), "{found:?}");
    }

    #[test]
    fn host_01_control_characters_of_a_value_are_not_printed() {
        let found = problems("[kubeconfig]\nlifetime = \"\\u001b[2J8h\"\n");
        assert!(found[0].contains("␛[2J8h is not a duration"), "{found:?}");
    }

    #[test]
    fn file_15_columns_count_characters() {
        let found = problems("protected = [\"ä\"] \n\"ü\" = 1\npoll = {\"ä\" = 1, \"ö\" = 2}");
        let positions = ["config.toml:2:1: ", "config.toml:3:9: ", "config.toml:3:18: "];
        assert_eq!(found.len(), positions.len(), "{found:?}");
        for (found, position) in found.iter().zip(positions) {
            assert!(found.starts_with(position), "{found}");
        }
    }

    #[test]
    fn file_15_a_very_long_key_or_word_has_no_nearest_one() {
        let long = "x".repeat(40_000);
        assert!(problems(&format!("{long} = 1"))[0].ends_with('…'));
        assert!(!problems(&format!("display.theme = \"{long}\""))[0].contains("did you mean"));
    }

    #[test]
    fn fuzz_config() {
        let example = crate::cli::config::EXAMPLE.replace("#: ", "");
        let seeds = [
            example.as_str(),
            "read_only = true\nprojects = ['a', \"b\"]\n[poll]\nidle = \"30s\"\nconcurrency = 6\n",
            "poll = {idle = \"1h\"}\nkeys.rotate = [\"ctrl-r\", \"R\"]\n[kubeconfig]\nlifetime = \"8h\"\nfolder = '~/x'\n",
        ].map(str::to_owned);
        let words = [
            "[poll]\n",
            "[[a]]\n",
            "=",
            " = ",
            "\"\"\"\n",
            "\'\'\'",
            "inf",
            "1979-05-27T07:32:00Z",
            "a.b.c = 1\n",
            "poll.idle = \"9s\"\n",
            "read_only",
            "99999d",
            "\"1h\"",
            "[display]\n",
            "theme = \"drak\"\n",
            "\u{e4}",
            "\"\\u0000\"",
            "[keys]\n",
            "[display.colors]\n",
            "accent = 7\n",
        ];
        fuzz(256, &changed_text(seeds, &words), |text| {
            let lines = text.split('\n').count();
            for problem in read("config.toml", &text).err().into_iter().flatten() {
                let shown = problem.to_string();
                prop_assert!(!shown.contains(char::is_control), "{shown}");
                let position: Vec<&str> = problem.position.split(':').collect();
                let line: usize = position[1].parse().unwrap();
                prop_assert!(
                    position[0] == "config.toml" && (1..=lines).contains(&line),
                    "{shown}"
                );
            }
            Ok(())
        });
    }
}
