//! Key names, in the configuration and as displayed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Non-character keys: name in the configuration, and displayed name.
const NAMED: [(KeyCode, &str, &str); 16] = [
    (KeyCode::Char(' '), "space", "space"),
    (KeyCode::Enter, "enter", "⏎"),
    (KeyCode::Esc, "esc", "esc"),
    (KeyCode::Tab, "tab", "tab"),
    (KeyCode::BackTab, "shift-tab", "shift-tab"),
    (KeyCode::Backspace, "backspace", "backspace"),
    (KeyCode::Delete, "delete", "delete"),
    (KeyCode::Up, "up", "↑"),
    (KeyCode::Down, "down", "↓"),
    (KeyCode::Left, "left", "←"),
    (KeyCode::Right, "right", "→"),
    (KeyCode::PageUp, "pageup", "PgUp"),
    (KeyCode::PageDown, "pagedown", "PgDn"),
    (KeyCode::Home, "home", "home"),
    (KeyCode::End, "end", "end"),
    (KeyCode::F(1), "f1", "F1"),
];

/// The configuration's name of a key; `None` for keys that are never bound.
pub fn key_name(key: KeyEvent) -> Option<String> {
    let with = |modifier| key.modifiers.contains(modifier);
    let is_back = key.code == KeyCode::Tab && with(KeyModifiers::SHIFT);
    let code = if is_back { KeyCode::BackTab } else { key.code };
    if let Some((_, name, _)) = NAMED.iter().find(|(named, ..)| *named == code) {
        return Some((*name).to_owned());
    }
    if let KeyCode::F(number) = code {
        return Some(format!("f{number}"));
    }
    let KeyCode::Char(c) = code else { return None };
    Some(if with(KeyModifiers::CONTROL) {
        format!("ctrl-{}", c.to_ascii_lowercase())
    } else if with(KeyModifiers::ALT) {
        format!("alt-{c}")
    } else {
        c.to_string()
    })
}

/// Whether the name is valid in the configuration.
pub fn is_key(name: &str) -> bool {
    let mut chars = name.chars();
    let one = matches!((chars.next(), chars.next()), (Some(c), None) if !c.is_control());
    let with_modifier = name.strip_prefix("ctrl-").or_else(|| name.strip_prefix("alt-"));
    one || NAMED.iter().any(|(_, named, _)| *named == name)
        || with_modifier.is_some_and(|rest| rest.chars().count() == 1)
        || name.strip_prefix('f').is_some_and(|rest| rest.parse::<u8>().is_ok())
}

/// The displayed name of a key.
pub fn shown(key: &str) -> String {
    let named = NAMED.iter().find(|(_, name, _)| *name == key);
    named.map_or(key, |(.., read)| read).to_owned()
}
