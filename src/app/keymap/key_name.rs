//! Names of keys, as the configuration writes them and as people read them.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

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

/// Whether the configuration may name such a key.
pub fn is_key(name: &str) -> bool {
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

/// The key as people read it.
pub fn shown(key: &str) -> String {
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
