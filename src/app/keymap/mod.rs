//! Keys: the commands, the table of bindings, and the effective keymap of this run.

mod bindings;
mod command;
mod key_name;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

use crate::app::keymap::key_name::{VALID, key_name, shown};
use crate::domain::misplaced_secret::show;
use crate::domain::text::{clean, nearest_word};

pub use crate::app::keymap::bindings::{BINDINGS, Binding};
pub use crate::app::keymap::command::{Command, HelpSection, KeyContext};
pub use crate::app::keymap::key_name::parse_key;

/// The effective keymap: the table with the configuration's changes applied.
#[derive(Debug, Clone)]
pub struct Keymap {
    by_key: BTreeMap<(KeyContext, String), &'static Binding>,
    keys: BTreeMap<&'static str, Vec<String>>,
}

/// A problem with configured keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    /// Affected commands.
    pub commands: Vec<String>,
    /// The key; `None` if the problem is the command itself.
    pub key: Option<String>,
    /// The problem as a sentence.
    pub text: String,
}

impl Keymap {
    /// The table with the configuration's changes applied.
    ///
    /// # Errors
    /// Unknown commands, and keys that are bound to two commands in one context.
    pub fn new(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Vec<KeyProblem>> {
        let problem = |commands: &[&str], key: Option<&str>, text: String| {
            let commands = commands.iter().map(ToString::to_string).collect();
            KeyProblem { commands, key: key.map(str::to_owned), text: clean(&text) }
        };
        let ids = || BINDINGS.iter().map(|binding| binding.id);
        let unknown = |id: &String| {
            let near = nearest_word(id, ids());
            let hint = near.map_or_else(
                || "; the help (?) and the README list them".to_owned(),
                |near| format!("; did you mean {near}?"),
            );
            problem(&[id], None, format!("keys.{}: unknown command{hint}", show(id)))
        };
        let mut problems: Vec<KeyProblem> =
            changes.keys().filter(|id| !ids().any(|known| known == *id)).map(unknown).collect();
        let mut map = Self { by_key: BTreeMap::new(), keys: BTreeMap::new() };
        for binding in BINDINGS {
            let default = || binding.keys.iter().map(|key| (*key).to_owned()).collect();
            let configured = changes.get(binding.id);
            let mut keys: Vec<String> = Vec::new();
            for written in configured.cloned().unwrap_or_else(default) {
                let key = match parse_key(&written) {
                    Ok(key) => key,
                    Err(why) => {
                        let text = format!(
                            "keys.{}: \"{}\" {why}; valid: {VALID}",
                            binding.id,
                            show(&written)
                        );
                        problems.push(problem(&[binding.id], Some(&written), text));
                        continue;
                    }
                };
                if keys.contains(&key) {
                    continue;
                }
                if let Some(context) = binding.context_without(&key) {
                    let text = format!(
                        "keys.{}: {key} is needed to type text in {}; use another key",
                        binding.id,
                        context.title()
                    );
                    problems.push(problem(&[binding.id], Some(&key), text));
                }
                for context in binding.contexts {
                    if let Some(other) = map.by_key.insert((*context, key.clone()), binding) {
                        let text = format!(
                            "key {} is bound to both {} and {} in {}",
                            show(&key),
                            other.id,
                            binding.id,
                            context.title()
                        );
                        problems.push(problem(&[other.id, binding.id], Some(&key), text));
                    }
                }
                keys.push(key);
            }
            map.keys.insert(binding.id, keys);
        }
        if problems.is_empty() { Ok(map) } else { Err(problems) }
    }

    /// The command of a key in a context.
    pub fn lookup(&self, context: KeyContext, key: KeyEvent) -> Option<Command> {
        self.by_key.get(&(context, key_name(key)?)).map(|binding| binding.command)
    }

    /// The displayed name of a binding's first key.
    pub fn label(&self, binding: &Binding) -> String {
        self.keys
            .get(binding.id)
            .and_then(|keys| keys.first())
            .map_or_else(String::new, |key| shown(key))
    }

    /// The displayed names of all keys of a binding; without keys, its palette command.
    pub fn labels(&self, binding: &Binding) -> String {
        let keys = self.keys.get(binding.id).map(Vec::as_slice).unwrap_or_default();
        if keys.is_empty() {
            return format!(":{}", binding.id);
        }
        keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(" ")
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(&BTreeMap::new())
            .unwrap_or(Self { by_key: BTreeMap::new(), keys: BTreeMap::new() })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::keymap::{BINDINGS, Command, KeyContext, Keymap};

    #[test]
    fn no_key_is_bound_twice_in_one_context() {
        assert!(Keymap::new(&BTreeMap::new()).is_ok());
    }

    #[test]
    fn ids_are_unique_and_every_binding_has_a_description() {
        let mut ids: Vec<_> = BINDINGS.iter().map(|binding| binding.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), BINDINGS.len());
        assert!(BINDINGS.iter().all(|b| !b.label.is_empty() && !b.help.is_empty()));
    }

    #[test]
    fn configured_keys_replace_the_table_and_conflicts_are_named() {
        let key = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE);
        let changed = BTreeMap::from([("rotate".to_owned(), vec!["X".to_owned()])]);
        let map = Keymap::new(&changed).unwrap();
        assert_eq!(map.lookup(KeyContext::Fleet, key('X')), Some(Command::Rotate));
        assert_eq!(map.lookup(KeyContext::Fleet, key('R')), None);
        let conflict = BTreeMap::from([("rotate".to_owned(), vec!["K".to_owned()])]);
        let problems = Keymap::new(&conflict).unwrap_err();
        assert!(
            problems.iter().any(|p| p.commands == ["rotate", "kubeconfig"]
                || p.commands == ["kubeconfig", "rotate"]),
            "{problems:?}"
        );
        let unknown = BTreeMap::from([("rotat".to_owned(), vec!["X".to_owned()])]);
        let problems = Keymap::new(&unknown).unwrap_err();
        assert_eq!(problems[0].text, "keys.rotat: unknown command; did you mean rotate?");
    }

    fn with(id: &str, keys: &[&str]) -> Result<Keymap, Vec<String>> {
        let keys = keys.iter().map(ToString::to_string).collect();
        let built = Keymap::new(&BTreeMap::from([(id.to_owned(), keys)]));
        built.map_err(|problems| problems.into_iter().map(|problem| problem.text).collect())
    }

    #[test]
    fn key_names_are_those_of_the_readme_and_the_help_in_any_case() {
        let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
        let with_ctrl = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        for (written, key) in [
            ("F6", plain(KeyCode::F(6))),
            ("f12", plain(KeyCode::F(12))),
            ("CTRL-X", with_ctrl('x')),
            ("ctrl-\\", with_ctrl('4')),
            ("alt-K", KeyEvent::new(KeyCode::Char('K'), KeyModifiers::ALT | KeyModifiers::SHIFT)),
            ("é", plain(KeyCode::Char('é'))),
        ] {
            let found = with("watch", &[written]).ok();
            let found = found.and_then(|map| map.lookup(KeyContext::Fleet, key));
            assert_eq!(found, Some(Command::Watch), "{written}");
        }
        // The keys of other commands are found under every name.
        for (written, other) in [
            ("PgUp", "page-up"),
            ("pgdn", "page-down"),
            ("PAGEUP", "page-up"),
            ("⏎", "open"),
            ("Enter", "open"),
            ("↑", "up"),
            ("←", "previous-tab"),
            ("Shift-Tab", "previous-tab"),
            (" ", "mark"),
            ("F1", "help"),
            ("ESC", "back"),
        ] {
            let problems = with("watch", &[written]).unwrap_err();
            let is_named = |text: &String| text.contains(other) && text.contains("bound to both");
            assert!(problems.iter().any(is_named), "{written}: {problems:?}");
        }
        assert!(with("watch", &["f5", "F5"]).is_ok(), "one key twice");
    }

    #[test]
    fn keys_that_cannot_be_pressed_are_refused_with_what_is_valid() {
        for (written, why) in [
            ("ctrl-i", "is sent as tab"),
            ("Ctrl-M", "is sent as enter"),
            ("ctrl-[", "is sent as esc"),
            ("ctrl-1", "is not a key that terminals send"),
            ("ctrl-space", "is not a key that terminals send"),
            ("alt-enter", "is not a key that terminals send"),
            ("alt- ", "is not a key that terminals send"),
            ("alt-é", "is not a key that terminals send"),
            ("ctrl-", "is not a key that terminals send"),
            ("f0", "is not a key"),
            ("f13", "is not a key"),
            ("f+1", "is not a key"),
            ("f01", "is not a key"),
            ("PgXp", "is not a key"),
            ("", "is not a key"),
            ("\t", "is not a key"),
            ("\u{200b}", "is not a key"),
            ("\u{a0}", "is not a key"),
            ("shift-a", "is not a key"),
        ] {
            let problems = with("watch", &[written]).unwrap_err();
            assert!(
                problems[0].contains(&format!("\" {why}; valid: a character; ")),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_key_without_which_no_text_can_be_typed_is_refused() {
        for (id, key) in [
            ("cancel", "x"),
            ("accept", "x"),
            ("accept", "space"),
            ("cancel", "Backspace"),
            ("press", "o"),
            ("next-field", "l"),
            ("redraw", "z"),
        ] {
            let problems = with(id, &[key]).unwrap_err();
            let is_said = |text: &String| text.contains("is needed to type text in ");
            assert!(problems.iter().any(is_said), "{id} {key}: {problems:?}");
        }
        assert!(with("choose", &["x"]).is_ok(), "typed in a text field");
        assert!(with("cancel", &["f9"]).is_ok());
    }
}
