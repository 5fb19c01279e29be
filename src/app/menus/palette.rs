//! The command palette.

use crate::app::keymap::{BINDINGS, Binding, Command, KeyContext};

/// The commands that hold in a context and match what was typed.
pub fn commands(context: KeyContext, query: &str) -> Vec<&'static Binding> {
    let wanted = query.to_lowercase();
    BINDINGS
        .iter()
        .filter(|binding| binding.contexts.contains(&context) && is_named(binding.command))
        .filter(|binding| {
            wanted.is_empty()
                || binding.id.contains(&wanted)
                || binding.help.to_lowercase().contains(&wanted)
        })
        .collect()
}

/// Whether the palette lists a command: all but navigation and the palette itself.
fn is_named(command: Command) -> bool {
    !matches!(
        command,
        Command::Palette
            | Command::Up
            | Command::Down
            | Command::PageUp
            | Command::PageDown
            | Command::First
            | Command::Last
            | Command::Left
            | Command::Right
            | Command::Next
            | Command::Previous
            | Command::Number(_)
            | Command::Back
            | Command::Interrupt
    )
}
