//! Key names, in the configuration and as displayed.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::domain::text::{clean, width};

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

/// The keys that can be configured.
pub const VALID: &str = "a character; space, enter, esc, tab, shift-tab, backspace, delete, up, down, left, right, \
    pageup (PgUp), pagedown (PgDn), home, end; f1 to f12; ctrl- and a letter; alt- and a character";

/// The name of a configured key in the keymap. Named keys are accepted in any case, and as they are displayed.
///
/// # Errors
/// Why there is no such key.
pub fn parse_key(text: &str) -> Result<String, &'static str> {
    let is_named = |(_, name, shown): &&(KeyCode, &str, &str)| {
        [name, shown].iter().any(|one| one.eq_ignore_ascii_case(text))
    };
    if let Some((_, name, _)) = NAMED.iter().find(is_named) {
        return Ok((*name).to_owned());
    }
    let mut characters = text.chars();
    if let (Some(c), None) = (characters.next(), characters.next()) {
        return match c {
            ' ' => Ok("space".to_owned()),
            _ if is_visible(c) => Ok(text.to_owned()),
            _ => Err("is not a key"),
        };
    }
    let lower = text.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix("ctrl-") {
        return with_ctrl(rest).map(|c| format!("ctrl-{c}"));
    }
    if lower.starts_with("alt-") {
        let mut rest = text.chars().skip("alt-".len());
        return match (rest.next(), rest.next()) {
            // The end of a string that the terminal sends.
            (Some(c), None) if c.is_ascii_graphic() && c != '\\' => Ok(format!("alt-{c}")),
            _ => Err("is not a key that terminals send"),
        };
    }
    let function_key = (1..=12).map(|number| format!("f{number}")).find(|name| *name == lower);
    function_key.ok_or("is not a key")
}

fn is_visible(c: char) -> bool {
    let text = c.to_string();
    clean(&text) == text && width(&text) > 0 && !c.is_whitespace()
}

/// The character by which the keymap knows a key with Ctrl: several keys send the same byte.
fn with_ctrl(text: &str) -> Result<char, &'static str> {
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some('i'), None) => Err("is sent as tab"),
        (Some('m'), None) => Err("is sent as enter"),
        (Some('[' | '3'), None) => Err("is sent as esc"),
        (Some('?' | '8'), None) => Err("is sent as backspace"),
        (Some('\\'), None) => Ok('4'),
        (Some(']'), None) => Ok('5'),
        (Some('^'), None) => Ok('6'),
        (Some('_' | '/'), None) => Ok('7'),
        (Some(c @ ('a'..='z' | '4'..='7')), None) => Ok(c),
        _ => Err("is not a key that terminals send"),
    }
}

/// The displayed name of a key.
pub fn shown(key: &str) -> String {
    let named = NAMED.iter().find(|(_, name, _)| *name == key);
    named.map_or(key, |(.., read)| read).to_owned()
}
