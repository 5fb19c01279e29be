//! Keys: the commands that there are, the table that binds them, and the keys as they hold in this run.

mod bindings;
mod command;
mod key_name;

use std::collections::BTreeMap;

use crossterm::event::KeyEvent;

use crate::app::keymap::key_name::{is_key, key_name, shown};
use crate::domain::misplaced_secret::show;
use crate::domain::text::clean;

pub use crate::app::keymap::bindings::{BINDINGS, Binding};
pub use crate::app::keymap::command::{Command, KeyContext, Task};

/// Keys as they hold in this run: the table, changed by the configuration.
#[derive(Debug, Clone)]
pub struct Keymap {
    by_key: BTreeMap<(KeyContext, String), &'static Binding>,
    keys: BTreeMap<&'static str, Vec<String>>,
}

/// What is wrong with changed keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyProblem {
    /// The commands that it is about.
    pub commands: Vec<String>,
    /// A sentence.
    pub text: String,
}

impl Keymap {
    /// The table with the configuration's changes.
    ///
    /// # Errors
    /// Unknown commands, and keys that two commands claim in one place.
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

    /// What a key asks for here.
    pub fn lookup(&self, context: KeyContext, key: KeyEvent) -> Option<Command> {
        self.by_key.get(&(context, key_name(key)?)).map(|binding| binding.command)
    }

    /// The first key of a binding as people read it.
    pub fn label(&self, binding: &Binding) -> String {
        self.keys
            .get(binding.id)
            .and_then(|keys| keys.first())
            .map_or_else(String::new, |key| shown(key))
    }

    /// All keys of a binding as people read them; where there is none, what the palette takes.
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
