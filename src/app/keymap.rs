//! The one table of keys: lookup, footer hints, the help overlay, the README and the configuration read it.

use std::collections::BTreeMap;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Left,
    Right,
    Open,
    /// One level back.
    Back,
    Quit,
    Interrupt,
    Help,
    Palette,
    Filter,
    Refresh,
    Copy,
    Utc,
    Mouse,
    Redraw,
    Suspend,
    Theme,
    /// Mark or unmark a cluster; choose in a form.
    Mark,
    MarkAll,
    Sort,
    Columns,
    Rotate,
    Kubeconfig,
    Activity,
    Preview,
    WakeUp,
    Reconcile,
    /// Be told of the cluster, or no longer.
    Watch,
    /// All events of the node under the cursor, or its summary.
    Events,
    Next,
    Previous,
    /// Tab or count filter by number, 1 to 6.
    Number(u8),
}

/// Where keys are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Context {
    Fleet,
    Cluster,
    Activity,
    /// A list to choose from: sort, columns, copy, commands.
    Menu,
    Help,
    /// A question with buttons.
    Dialog,
    Form,
    /// The filter line.
    Filter,
}

impl Context {
    /// All, in the order of the help.
    pub const ALL: [Self; 8] = [
        Self::Fleet,
        Self::Cluster,
        Self::Activity,
        Self::Menu,
        Self::Dialog,
        Self::Form,
        Self::Filter,
        Self::Help,
    ];

    /// Title in the help and the README.
    pub fn title(self) -> &'static str {
        match self {
            Self::Fleet => "Fleet",
            Self::Cluster => "Cluster",
            Self::Activity => "Activity",
            Self::Menu => "Menus",
            Self::Help => "Help",
            Self::Dialog => "Dialogs",
            Self::Form => "Kubeconfig form",
            Self::Filter => "Filter",
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub struct Binding {
    /// Name in the configuration's `[keys]`.
    pub id: &'static str,
    pub command: Command,
    pub contexts: &'static [Context],
    /// Keys, most usual first.
    pub keys: &'static [&'static str],
    /// A word or two for the footer.
    pub label: &'static str,
    /// One line for the help.
    pub help: &'static str,
    /// Place in the footer, lowest first; `None` keeps it out.
    pub hint: Option<u8>,
}

use Context::{Activity, Cluster, Dialog, Fleet, Form, Help, Menu};

const SCREENS: &[Context] = &[Fleet, Cluster, Activity];
const LISTS: &[Context] = &[Fleet, Cluster, Activity, Menu, Help];
const LISTED: &[Context] = &[Fleet, Cluster, Activity, Menu];
const ON_CLUSTER: &[Context] = &[Fleet, Cluster];

macro_rules! binding {
    ($id:literal, $command:expr, $contexts:expr, $keys:expr, $label:literal, $help:literal, $hint:expr) => {
        Binding {
            id: $id,
            command: $command,
            contexts: $contexts,
            keys: &$keys,
            label: $label,
            help: $help,
            hint: $hint,
        }
    };
}

/// Every key of the program.
pub const BINDINGS: &[Binding] = &[
    binding!("open", Command::Open, LISTED, ["enter"], "open", "open or choose", Some(10)),
    binding!(
        "press",
        Command::Open,
        &[Dialog, Form],
        ["enter"],
        "press",
        "press the focused button",
        Some(10)
    ),
    binding!(
        "rotate",
        Command::Rotate,
        ON_CLUSTER,
        ["R"],
        "rotate",
        "the rotation step that is due: start or complete",
        Some(20)
    ),
    binding!(
        "kubeconfig",
        Command::Kubeconfig,
        ON_CLUSTER,
        ["K"],
        "kubeconfig",
        "issue a kubeconfig",
        Some(30)
    ),
    binding!(
        "filter",
        Command::Filter,
        &[Fleet],
        ["/"],
        "filter",
        "filter: text, phase:prepared, project:, region:, state:, age:>90d, stuck, marked",
        Some(40)
    ),
    binding!("up", Command::Up, LISTS, ["up", "k"], "up", "one up", None),
    binding!("down", Command::Down, LISTS, ["down", "j"], "down", "one down", None),
    binding!("page-up", Command::PageUp, LISTS, ["pageup"], "page up", "a page up", None),
    binding!("page-down", Command::PageDown, LISTS, ["pagedown"], "page down", "a page down", None),
    binding!("first", Command::First, LISTS, ["g", "home"], "first", "to the first", None),
    binding!("last", Command::Last, LISTS, ["G", "end"], "last", "to the last", None),
    binding!(
        "previous-tab",
        Command::Previous,
        &[Cluster],
        ["shift-tab", "left", "h"],
        "previous tab",
        "previous tab",
        None
    ),
    binding!(
        "next-tab",
        Command::Next,
        &[Cluster],
        ["tab", "right", "l"],
        "next tab",
        "next tab",
        Some(45)
    ),
    binding!(
        "previous-field",
        Command::Previous,
        &[Dialog, Form],
        ["shift-tab"],
        "back",
        "previous field",
        None
    ),
    binding!("next-field", Command::Next, &[Dialog, Form], ["tab"], "next", "next field", Some(20)),
    binding!(
        "left",
        Command::Left,
        &[Dialog, Form],
        ["left"],
        "left",
        "previous button or preset",
        None
    ),
    binding!(
        "right",
        Command::Right,
        &[Dialog, Form],
        ["right"],
        "preset",
        "next button or preset",
        Some(40)
    ),
    binding!("field-up", Command::Up, &[Form], ["up"], "up", "previous choice or field", None),
    binding!("field-down", Command::Down, &[Form], ["down"], "down", "next choice or field", None),
    binding!(
        "choose",
        Command::Mark,
        &[Form, Menu],
        ["space"],
        "choose",
        "choose or tick",
        Some(30)
    ),
    binding!(
        "mark",
        Command::Mark,
        &[Fleet],
        ["space"],
        "mark",
        "mark or unmark the cluster: to copy names, or to show the marked alone",
        Some(60)
    ),
    binding!(
        "mark-all",
        Command::MarkAll,
        &[Fleet],
        ["a"],
        "mark all",
        "mark all that are shown, or none",
        None
    ),
    binding!("sort", Command::Sort, &[Fleet], ["s"], "sort", "choose the order", Some(70)),
    binding!(
        "columns",
        Command::Columns,
        &[Fleet],
        ["c"],
        "columns",
        "choose the columns",
        Some(80)
    ),
    binding!(
        "preview",
        Command::Preview,
        &[Fleet],
        ["p"],
        "preview",
        "show or hide the preview",
        None
    ),
    binding!(
        "activity",
        Command::Activity,
        ON_CLUSTER,
        ["A"],
        "activity",
        "what happened in this run and before",
        Some(75)
    ),
    binding!(
        "wake-up",
        Command::WakeUp,
        ON_CLUSTER,
        ["W"],
        "wake up",
        "wake a hibernated cluster up",
        Some(25)
    ),
    binding!(
        "reconcile",
        Command::Reconcile,
        ON_CLUSTER,
        ["C"],
        "reconcile",
        "ask SKE to reconcile the cluster again",
        None
    ),
    binding!(
        "watch",
        Command::Watch,
        ON_CLUSTER,
        ["w"],
        "watch",
        "be told of the cluster: bell, notification, window title; or no longer",
        Some(65)
    ),
    binding!(
        "events",
        Command::Events,
        &[Cluster],
        ["e"],
        "in full",
        "the node under the cursor in full, with all events; arrows scroll it",
        Some(46)
    ),
    binding!(
        "number-1",
        Command::Number(1),
        ON_CLUSTER,
        ["1"],
        "tab 1",
        "first tab; in the fleet: filter by the first count",
        None
    ),
    binding!(
        "number-2",
        Command::Number(2),
        ON_CLUSTER,
        ["2"],
        "tab 2",
        "second tab or count",
        None
    ),
    binding!(
        "number-3",
        Command::Number(3),
        ON_CLUSTER,
        ["3"],
        "tab 3",
        "third tab or count",
        None
    ),
    binding!(
        "number-4",
        Command::Number(4),
        ON_CLUSTER,
        ["4"],
        "tab 4",
        "fourth tab or count",
        None
    ),
    binding!("number-5", Command::Number(5), &[Fleet], ["5"], "count 5", "fifth count", None),
    binding!("number-6", Command::Number(6), &[Fleet], ["6"], "count 6", "sixth count", None),
    binding!(
        "copy",
        Command::Copy,
        SCREENS,
        ["y"],
        "copy",
        "copy: name, ids, last error, API call, kubectl command",
        Some(50)
    ),
    binding!(
        "copy-dialog",
        Command::Copy,
        &[Dialog],
        ["ctrl-y"],
        "copy",
        "copy the API call, or the error whole",
        Some(50)
    ),
    binding!("refresh", Command::Refresh, SCREENS, ["r"], "refresh", "read again now", Some(90)),
    binding!(
        "commands",
        Command::Palette,
        SCREENS,
        [":"],
        "commands",
        "all commands by name",
        Some(95)
    ),
    binding!("theme", Command::Theme, SCREENS, ["T"], "theme", "next theme", None),
    binding!("utc", Command::Utc, SCREENS, ["u"], "UTC", "UTC or local time", None),
    binding!("mouse", Command::Mouse, SCREENS, ["%"], "mouse", "mouse on or off", None),
    binding!("help", Command::Help, SCREENS, ["?", "f1"], "help", "this help", Some(99)),
    binding!("help-dialog", Command::Help, &[Dialog, Form], ["f1"], "help", "this help", None),
    binding!(
        "back",
        Command::Back,
        &[Fleet, Cluster, Activity],
        ["esc", "backspace"],
        "back",
        "one level back; in the fleet: clear the filter or the message",
        Some(97)
    ),
    binding!(
        "cancel",
        Command::Back,
        &[Dialog, Form, Menu, Help, Context::Filter],
        ["esc"],
        "cancel",
        "close without doing anything",
        Some(90)
    ),
    binding!(
        "accept",
        Command::Open,
        &[Context::Filter],
        ["enter"],
        "keep",
        "keep the filter",
        Some(10)
    ),
    binding!(
        "quit",
        Command::Quit,
        &[Fleet, Cluster, Activity, Menu, Help],
        ["q"],
        "quit",
        "back, and out from the fleet",
        None
    ),
    binding!(
        "interrupt",
        Command::Interrupt,
        &Context::ALL,
        ["ctrl-c"],
        "quit",
        "out; asks only while something is under way",
        None
    ),
    binding!(
        "redraw",
        Command::Redraw,
        &Context::ALL,
        ["ctrl-l"],
        "redraw",
        "draw the screen anew",
        None
    ),
    binding!(
        "suspend",
        Command::Suspend,
        &Context::ALL,
        ["ctrl-z"],
        "suspend",
        "to the background; fg comes back",
        None
    ),
];

/// Keys as they hold in this run: the table, changed by the configuration.
#[derive(Debug, Clone)]
pub struct Keymap {
    by_key: BTreeMap<(Context, String), &'static Binding>,
    keys: BTreeMap<&'static str, Vec<String>>,
}

impl Keymap {
    /// The table with the configuration's changes.
    ///
    /// # Errors
    /// Sentences that name unknown commands and keys that two commands claim in one place.
    pub fn new(changes: &BTreeMap<String, Vec<String>>) -> Result<Self, Vec<String>> {
        let mut problems: Vec<String> = changes
            .keys()
            .filter(|id| !BINDINGS.iter().any(|binding| binding.id == id.as_str()))
            .map(|id| format!("keys.{id}: there is no such command"))
            .collect();
        let mut map = Self { by_key: BTreeMap::new(), keys: BTreeMap::new() };
        for binding in BINDINGS {
            let keys = changes
                .get(binding.id)
                .cloned()
                .unwrap_or_else(|| binding.keys.iter().map(|key| (*key).to_owned()).collect());
            for key in &keys {
                if !is_key(key) {
                    problems.push(format!("keys.{}: {key} is not a key", binding.id));
                }
                for context in binding.contexts {
                    if let Some(other) = map.by_key.insert((*context, key.clone()), binding) {
                        problems.push(format!(
                            "key {key} means both {} and {} in {}",
                            other.id,
                            binding.id,
                            context.title()
                        ));
                    }
                }
            }
            map.keys.insert(binding.id, keys);
        }
        if problems.is_empty() { Ok(map) } else { Err(problems) }
    }

    /// What a key asks for here.
    pub fn lookup(&self, context: Context, key: KeyEvent) -> Option<Command> {
        self.by_key.get(&(context, key_name(key)?)).map(|binding| binding.command)
    }

    /// The first key of a binding as people read it.
    pub fn label(&self, binding: &Binding) -> String {
        self.keys
            .get(binding.id)
            .and_then(|keys| keys.first())
            .map_or_else(String::new, |key| shown(key))
    }

    /// All keys of a binding as people read them.
    pub fn labels(&self, binding: &Binding) -> String {
        let keys = self.keys.get(binding.id).map(Vec::as_slice).unwrap_or_default();
        keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(" ")
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self::new(&BTreeMap::new())
            .unwrap_or(Self { by_key: BTreeMap::new(), keys: BTreeMap::new() })
    }
}

/// Name of a key as the table writes it; `None` for keys that are never bound.
pub fn key_name(key: KeyEvent) -> Option<String> {
    let name = match key.code {
        KeyCode::Char(' ') => "space".to_owned(),
        KeyCode::Char(c) => {
            if key.modifiers.contains(KeyModifiers::CONTROL) {
                return Some(format!("ctrl-{}", c.to_ascii_lowercase()));
            }
            if key.modifiers.contains(KeyModifiers::ALT) {
                return Some(format!("alt-{c}"));
            }
            return Some(c.to_string());
        }
        KeyCode::Enter => "enter".to_owned(),
        KeyCode::Esc => "esc".to_owned(),
        KeyCode::Tab => "tab".to_owned(),
        KeyCode::BackTab => return Some("shift-tab".to_owned()),
        KeyCode::Backspace => "backspace".to_owned(),
        KeyCode::Delete => "delete".to_owned(),
        KeyCode::Up => "up".to_owned(),
        KeyCode::Down => "down".to_owned(),
        KeyCode::Left => "left".to_owned(),
        KeyCode::Right => "right".to_owned(),
        KeyCode::PageUp => "pageup".to_owned(),
        KeyCode::PageDown => "pagedown".to_owned(),
        KeyCode::Home => "home".to_owned(),
        KeyCode::End => "end".to_owned(),
        KeyCode::F(number) => format!("f{number}"),
        KeyCode::Insert
        | KeyCode::Null
        | KeyCode::CapsLock
        | KeyCode::ScrollLock
        | KeyCode::NumLock
        | KeyCode::PrintScreen
        | KeyCode::Pause
        | KeyCode::Menu
        | KeyCode::KeypadBegin
        | KeyCode::Media(_)
        | KeyCode::Modifier(_) => return None,
    };
    if key.modifiers.contains(KeyModifiers::SHIFT) && key.code == KeyCode::Tab {
        return Some("shift-tab".to_owned());
    }
    Some(name)
}

fn is_key(name: &str) -> bool {
    let mut chars = name.chars();
    let one = matches!((chars.next(), chars.next()), (Some(c), None) if !c.is_control());
    one || matches!(
        name,
        "enter"
            | "esc"
            | "tab"
            | "shift-tab"
            | "backspace"
            | "delete"
            | "up"
            | "down"
            | "left"
            | "right"
            | "pageup"
            | "pagedown"
            | "home"
            | "end"
            | "space"
    ) || name
        .strip_prefix("ctrl-")
        .or_else(|| name.strip_prefix("alt-"))
        .is_some_and(|rest| rest.chars().count() == 1)
        || name.strip_prefix('f').is_some_and(|rest| rest.parse::<u8>().is_ok())
}

fn shown(key: &str) -> String {
    match key {
        "enter" => "⏎".to_owned(),
        "up" => "↑".to_owned(),
        "down" => "↓".to_owned(),
        "left" => "←".to_owned(),
        "right" => "→".to_owned(),
        "pageup" => "PgUp".to_owned(),
        "pagedown" => "PgDn".to_owned(),
        "f1" => "F1".to_owned(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::keymap::{BINDINGS, Command, Context, Keymap};

    #[test]
    fn no_key_means_two_things_in_one_place() {
        assert!(Keymap::new(&BTreeMap::new()).is_ok());
    }

    #[test]
    fn ids_are_unique_and_every_binding_has_words() {
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
        assert_eq!(map.lookup(Context::Fleet, key('X')), Some(Command::Rotate));
        assert_eq!(map.lookup(Context::Fleet, key('R')), None);
        let conflict = BTreeMap::from([("rotate".to_owned(), vec!["K".to_owned()])]);
        let problems = Keymap::new(&conflict).unwrap_err();
        assert!(
            problems.iter().any(|p| p.contains("rotate") && p.contains("kubeconfig")),
            "{problems:?}"
        );
        let unknown = BTreeMap::from([("rotat".to_owned(), vec!["X".to_owned()])]);
        assert!(Keymap::new(&unknown).is_err());
    }
}
