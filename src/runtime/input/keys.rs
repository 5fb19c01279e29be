//! Decodes one complete escape sequence, or one character, as a key or a mouse event.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent};
use crossterm::event::{KeyEventKind, MouseEventKind};

/// The key for a character or a control character.
pub fn character(c: char) -> KeyEvent {
    let control = |c| KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
    match c {
        '\0' => control(' '),
        '\t' => KeyCode::Tab.into(),
        '\r' => KeyCode::Enter.into(),
        '\u{1b}' => KeyCode::Esc.into(),
        '\u{7f}' => KeyCode::Backspace.into(),
        '\u{1}'..='\u{1a}' => control(shifted(c, 0x60)),
        '\u{1c}'..='\u{1f}' => control(shifted(c, 0x18)),
        c if c.is_uppercase() => KeyEvent::new(KeyCode::Char(c), KeyModifiers::SHIFT),
        c => KeyCode::Char(c).into(),
    }
}

fn shifted(c: char, by: u32) -> char {
    char::from_u32(u32::from(c) + by).unwrap_or(c)
}

/// The key for `ESC O` and this byte.
pub fn single_shift(byte: u8) -> Option<KeyCode> {
    Some(match byte {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        b'M' => KeyCode::Enter,
        b'P'..=b'S' => KeyCode::F(byte - b'P' + 1),
        _ => return None,
    })
}

/// Decodes `ESC [`, these parameters and this final byte; `None` for replies of the terminal and unknown sequences.
pub fn control_sequence(parameters: &[u8], last: u8) -> Option<Event> {
    if let Some(report) = parameters.strip_prefix(b"<") {
        return mouse(&numbers(report)?, last == b'm', 0);
    }
    let numbers = numbers(parameters)?;
    let first = numbers.first().copied().unwrap_or(0);
    let code = match (last, first) {
        (b'I', 0) => return Some(Event::FocusGained),
        (b'O', 0) => return Some(Event::FocusLost),
        (b'M', _) if numbers.len() == 3 => return mouse(&numbers, false, 32),
        (b'Z', _) => {
            return Some(Event::Key(KeyEvent::new(KeyCode::BackTab, KeyModifiers::SHIFT)));
        }
        (b'A' | b'B' | b'C' | b'D' | b'F' | b'H' | b'P' | b'Q' | b'S', 0 | 1) => {
            single_shift(last)?
        }
        (b'~', 1 | 7) => KeyCode::Home,
        (b'~', 2) => KeyCode::Insert,
        (b'~', 3) => KeyCode::Delete,
        (b'~', 4 | 8) => KeyCode::End,
        (b'~', 5) => KeyCode::PageUp,
        (b'~', 6) => KeyCode::PageDown,
        (b'~', 11..=15) => function_key(first, 10)?,
        (b'~', 17..=21) => function_key(first, 11)?,
        (b'~', 23..=24) => function_key(first, 12)?,
        (b'u', _) => character(char::from_u32(first.into())?).code,
        _ => return None,
    };
    let modifiers = numbers.get(1).map_or(KeyModifiers::NONE, |mask| key_modifiers(*mask));
    Some(Event::Key(KeyEvent::new_with_kind(code, modifiers, KeyEventKind::Press)))
}

/// The key for `ESC [ [` and this byte, sent by the Linux console.
pub fn console_key(byte: u8) -> Option<KeyCode> {
    matches!(byte, b'A'..=b'E').then(|| KeyCode::F(byte - b'A' + 1))
}

/// Decodes the three bytes after `ESC [ M`.
pub fn plain_mouse(report: &[u8]) -> Option<Event> {
    let [button, column, row] = *report else { return None };
    let numbers = [button, column.saturating_sub(32), row.saturating_sub(32)].map(u16::from);
    mouse(&numbers, false, 32)
}

/// Numbers separated by semicolons, a missing one as 0; subparameters after a colon are ignored.
fn numbers(parameters: &[u8]) -> Option<Vec<u16>> {
    let text = std::str::from_utf8(parameters).ok()?;
    let number = |part: &str| {
        let (number, _) = part.split_once(':').unwrap_or((part, ""));
        if number.is_empty() { Some(0) } else { number.parse().ok() }
    };
    if text.is_empty() { Some(Vec::new()) } else { text.split(';').map(number).collect() }
}

fn function_key(number: u16, offset: u16) -> Option<KeyCode> {
    Some(KeyCode::F(number.checked_sub(offset)?.try_into().ok()?))
}

/// The mask is one more than the sum of its bits.
fn key_modifiers(mask: u16) -> KeyModifiers {
    let mask = mask.saturating_sub(1);
    let bits = [KeyModifiers::SHIFT, KeyModifiers::ALT, KeyModifiers::CONTROL, KeyModifiers::SUPER];
    let held = bits.into_iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
    held.fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}

/// A mouse report: button and modifiers, column and row counted from 1.
fn mouse(numbers: &[u16], released: bool, offset: u16) -> Option<Event> {
    let [button, column, row] = *numbers else { return None };
    let bits = button.checked_sub(offset)?;
    let dragged = bits & 32 != 0;
    let which = match bits & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    let kind = match (bits & 3, bits & 0b1100_0000) {
        (3, 0) | (_, 64) if dragged => MouseEventKind::Moved,
        (3, 0) => MouseEventKind::Up(MouseButton::Left),
        (_, 0) if dragged => MouseEventKind::Drag(which),
        (_, 0) if released => MouseEventKind::Up(which),
        (_, 0) => MouseEventKind::Down(which),
        (0, 64) => MouseEventKind::ScrollUp,
        (1, 64) => MouseEventKind::ScrollDown,
        (2, 64) => MouseEventKind::ScrollLeft,
        (3, 64) => MouseEventKind::ScrollRight,
        _ => return None,
    };
    let modifiers = key_modifiers((bits >> 2 & 7) + 1);
    let (column, row) = (column.checked_sub(1)?, row.checked_sub(1)?);
    Some(Event::Mouse(MouseEvent { kind, column, row, modifiers }))
}
