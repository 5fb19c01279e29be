//! Reads a configuration file: every key is checked against the table, every error has line and column.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use ratatui::style::Color;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::app::keymap::{KeyProblem, Keymap, parse_key};
use crate::app::settings::Palette;
use crate::cli::config::keys::{Key, ValueKind, find, keys, misplaced, nearest};
use crate::clients::http::safe_url;
use crate::domain::age_policy::AgeRule;
use crate::domain::lifetime::Lifetime;
use crate::domain::misplaced_secret::{looks_secret, show};
use crate::domain::text::{clean, nearest_word};

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
    /// Locations of the values, by profile and path; the profile is empty outside of profiles.
    pub positions: BTreeMap<(String, &'static str), String>,
}

/// Parses a file's text; `name` is the file's name in errors.
///
/// # Errors
/// Every problem, in the order of the file.
pub fn read(name: &str, text: &str) -> Result<FileContent, Vec<ConfigProblem>> {
    let mut reader = Reader::default();
    match DeTable::parse(text) {
        Ok(table) => reader.table("", table.get_ref()),
        Err(error) => {
            let span = error.span().unwrap_or_default();
            let is_about_key = error.message() == "duplicate key";
            let key = text.get(span.clone()).filter(|key| is_about_key && !key.contains('\n'));
            let key = key.map_or_else(String::new, |key| format!(" {}", show(key.trim())));
            reader.problem(span.start, format!("{}{key}", show(clean(error.message()))));
        }
    }
    let Reader { values, profiles, problems, entries, .. } = reader;
    if problems.is_empty() {
        let positions = located(name, text, entries).collect();
        return Ok(FileContent { values, profiles, positions });
    }
    let problems = located(name, text, problems);
    Err(problems.map(|(text, position)| ConfigProblem { position, text }).collect())
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
    /// Values by byte offset: profile and path.
    entries: Vec<(usize, (String, &'static str))>,
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
                        let entry = (self.profile.clone(), key.path);
                        self.entries.push((value.span().start, entry));
                        self.values.insert(key.path, checked);
                    }
                    Err(_) if self.wrong_items(&key, value) => {}
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

    /// Reports each wrong item of a list at its own place; whether there is one.
    fn wrong_items(&mut self, key: &Key, value: &Spanned<DeValue<'_>>) -> bool {
        let DeValue::Array(items) = value.get_ref() else { return false };
        let before = self.problems.len();
        for item in items.iter().filter(|_| key.kind.is_list()) {
            let text = text_of(item).map(|text| check_list(key, &[text]));
            if let Some(Err(text)) = text {
                self.problem(item.span().start, text);
            }
        }
        self.problems.len() > before
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
                self.entries.append(&mut reader.entries);
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
        let before = self.problems.len();
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
                    keys.insert(name.to_string(), list);
                }
                None => {
                    let expected = key.kind.describe();
                    let path = format!("{}.{}", key.path, show(name));
                    self.problem(at, format!("{path} is not a list of keys; expected {expected}"));
                }
            }
        }
        // A missing entry would conflict with others by its default keys.
        let problems = if self.problems.len() == before { Keymap::new(&keys).err() } else { None };
        for problem in problems.into_iter().flatten() {
            self.problem(place_of(&problem, table), problem.text);
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

/// The offset of what a problem with keys is about: a command, or one of its keys.
fn place_of(problem: &KeyProblem, table: &DeTable<'_>) -> usize {
    let mut named = problem
        .commands
        .iter()
        .filter_map(|command| table.iter().find(|(name, _)| name.get_ref() == command.as_str()));
    let Some((name, value)) = named.next() else { return 0 };
    let (Some(key), DeValue::Array(items)) = (&problem.key, value.get_ref()) else {
        return name.span().start;
    };
    let is_key = |item: &&Spanned<DeValue<'_>>| {
        text_of(item).is_some_and(|text| text == *key || parse_key(&text).as_ref() == Ok(key))
    };
    items.iter().find(is_key).map_or(value.span().start, |item| item.span().start)
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
            ValueKind::List
            | ValueKind::Words(_)
            | ValueKind::Ids
            | ValueKind::Files
            | ValueKind::AgeRules,
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
            | ValueKind::Address
            | ValueKind::OptionalAddress
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
        if let ValueKind::Words(words) = key.kind
            && !words.contains(&item.as_str())
        {
            return Err(wrong(item, "") + &did_you_mean(item, words));
        } else if key.kind == ValueKind::AgeRules {
            AgeRule::parse(item).map_err(|why| wrong(item, &format!(": {why}")))?;
        } else if key.kind == ValueKind::Ids && !is_id(item)
            || key.kind == ValueKind::Files && !is_file_pattern(item)
        {
            return Err(wrong(item, ""));
        }
    }
    Ok(Value::List(items.to_vec()))
}

fn did_you_mean(text: &str, words: &[&str]) -> String {
    let near = nearest_word(text, words.iter().copied());
    near.map_or_else(String::new, |word| format!("; did you mean {word}?"))
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
            Err(wrong() + &did_you_mean(text, words))
        }
        ValueKind::Address | ValueKind::OptionalAddress if text.trim().is_empty() => {
            let is_optional = key.kind == ValueKind::OptionalAddress;
            if is_optional { Ok(Value::Text(String::new())) } else { Err(wrong()) }
        }
        ValueKind::Address | ValueKind::OptionalAddress => match safe_url(text, key.path) {
            Ok(_) => Ok(Value::Text(text.to_owned())),
            Err(why) => Err(format!("{}; expected {}", why.message, key.kind.describe())),
        },
        ValueKind::Folder if !is_absolute(text) => Err(wrong()),
        ValueKind::Text | ValueKind::Path | ValueKind::Folder => Ok(Value::Text(text.to_owned())),
        ValueKind::List
        | ValueKind::Words(_)
        | ValueKind::Ids
        | ValueKind::Files
        | ValueKind::AgeRules => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            check_list(key, &parts.map(str::to_owned).collect::<Vec<_>>())
        }
        ValueKind::Lifetime => Lifetime::parse(text)
            .map(Value::Lifetime)
            .map_err(|error| format!("{}: {error}", key.path)),
        ValueKind::Keys | ValueKind::Colors => Err(wrong()),
    }
}

/// What was found at byte offsets, each with its line and column, counted from one, columns in characters; in the order
/// of the file, in one pass.
fn located<T>(
    name: &str,
    text: &str,
    mut found: Vec<(usize, T)>,
) -> impl Iterator<Item = (T, String)> {
    found.sort_by_key(|(at, _)| *at);
    let mut characters = text.char_indices().peekable();
    let (mut line, mut column) = (1, 1);
    found.into_iter().map(move |(at, found)| {
        while let Some((_, character)) = characters.next_if(|(next, _)| *next < at) {
            (line, column) = if character == '\n' { (line + 1, 1) } else { (line, column + 1) };
        }
        (found, format!("{name}:{line}:{column}"))
    })
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
            let expected = format!("config.toml:1:28: kubeconfig.search has \"{path}\"; expected");
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
            "config.toml:5:8: poll.idle is \"1s\"; expected a duration from 10s to 1h",
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
                "config.toml:1:32: overdue_rules has \"shop\": \"=\" is missing; expected a list of PATTERN=DURATION, such as \"*-prod=90d\", each 1d to 3650d"
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
        assert_eq!(found, ["config.toml:2:1: duplicate key read_only"]);
        let found = problems("[keys]\nwatch = [\"f5\"]\n[poll]\n[keys]\n");
        assert_eq!(found, ["config.toml:4:2: duplicate key keys"]);
    }

    #[test]
    fn file_15_an_unknown_column_is_named_at_its_own_place() {
        let found = problems("[display]\ncolumns = [\"name\", \"nam\", \"zzz\"]\n");
        let expected = "expected a list of attention, name, project, region, phase, roll, since, age, kubeconfig, state, version, next";
        let expected = [
            format!(
                "config.toml:2:20: display.columns has \"nam\"; {expected}; did you mean name?"
            ),
            format!("config.toml:2:27: display.columns has \"zzz\"; {expected}"),
        ];
        assert_eq!(found, expected);
        read("config.toml", "display.columns = [\"attention\", \"age\"]").unwrap();
    }

    #[test]
    fn file_15_an_address_to_which_no_token_may_be_sent_is_named() {
        for key in ["ske", "resource_manager", "authorization", "identity_provider", "token"] {
            for address in [
                "ske.api",
                "ftp://x",
                "https://x:99999",
                "https://",
                "http://host",
                "  ",
                "https://a:b@host",
                "http://127.0.0.1.evil.example",
                "https://a b",
            ] {
                if key == "token" && address.trim().is_empty() {
                    continue;
                }
                let found = problems(&format!("[endpoints]\n{key} = \"{address}\"\n"));
                let place = format!("config.toml:2:{}: endpoints.{key} ", key.len() + 4);
                assert!(found[0].starts_with(&place), "{found:?}");
                let remedy = "; expected https://HOST; http is allowed only for loopback";
                assert!(found[0].contains(remedy) && !found[0].contains("a:b"), "{found:?}");
            }
            for address in ["https://host.example", "http://localhost:1", "http://[::1]:1/x"] {
                read("config.toml", &format!("endpoints.{key} = \"{address}\"")).unwrap();
            }
        }
        read("config.toml", "endpoints.token = \"\"").unwrap();
    }

    #[test]
    fn file_15_wrong_keys_are_named_at_their_own_places_in_every_profile() {
        let found = problems(
            "[keys]\n  rotat = [\"X\"]\nwatch = [\"f5\", \"PgXp\"]\nrotate = [\"f6\", \"K\"]\n\
             [profiles.a.keys]\ncancel = [\"x\"]\n[profiles.b.keys]\nexport = [\"ctrl-i\"]\n",
        );
        let expected = [
            "config.toml:2:3: keys.rotat: unknown command; did you mean rotate?",
            "config.toml:3:16: keys.watch: \"PgXp\" is not a key; valid: ",
            "config.toml:4:17: key K is bound to both rotate and kubeconfig in Fleet",
            "config.toml:4:17: key K is bound to both rotate and kubeconfig in Cluster",
            "config.toml:6:11: keys.cancel: x is needed to type text in Dialogs; use another key",
            "config.toml:8:11: keys.export: \"ctrl-i\" is sent as tab; valid: ",
        ];
        assert_eq!(found.len(), expected.len(), "{found:#?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.starts_with(expected), "{found}\n{expected}");
        }
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
