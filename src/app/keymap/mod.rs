//! Keys: the commands, the table of bindings, and the effective keymap of this run.

mod bindings;
mod command;
mod key_name;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

use crate::app::keymap::key_name::{is_key, key_name, shown};
use crate::domain::misplaced_secret::show;
use crate::domain::text::clean;

pub use crate::app::keymap::bindings::{BINDINGS, Binding};
pub use crate::app::keymap::command::{Command, HelpSection, KeyContext};

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
    /// The problem as a sentence.
    pub text: String,
}

impl Keymap {
    /// The table with the configuration's changes applied.
    ///
    /// # Errors
    /// Unknown commands, and keys that are bound to two commands in one context.
    pub fn new(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Vec<KeyProblem>> {
        let problem = |commands: &[&str], text: String| {
            let commands = commands.iter().map(ToString::to_string).collect();
            KeyProblem { commands, text: clean(&text) }
        };
        let mut problems: Vec<KeyProblem> = changes
            .keys()
            .filter(|id| !BINDINGS.iter().any(|binding| binding.id == id.as_str()))
            .map(|id| problem(&[id], format!("keys.{}: unknown command", show(id))))
            .collect();
        let mut map = Self { by_key: BTreeMap::new(), keys: BTreeMap::new() };
        for binding in BINDINGS {
            let keys = changes
                .get(binding.id)
                .cloned()
                .unwrap_or_else(|| binding.keys.iter().map(|key| (*key).to_owned()).collect());
            for key in &keys {
                if !is_key(key) {
                    let text = format!("keys.{}: {} is not a key", binding.id, show(key));
                    problems.push(problem(&[binding.id], text));
                }
                for context in binding.contexts {
                    if let Some(other) = map.by_key.insert((*context, key.clone()), binding) {
                        let text = format!(
                            "key {} is bound to both {} and {} in {}",
                            show(key),
                            other.id,
                            binding.id,
                            context.title()
                        );
                        problems.push(problem(&[other.id, binding.id], text));
                    }
                }
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
        assert!(Keymap::new(&unknown).is_err());
    }
}
