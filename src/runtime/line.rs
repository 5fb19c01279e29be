//! One line of input without a screen: the terminal echoes and edits it.

use std::io::{self, BufRead as _, Read as _};

use crate::runtime::user_input::{self, UserInput};
use crate::runtime::{signals, stop};

/// Longest line, in bytes; terminals accept no more.
const LONGEST: u64 = 4096;

/// Prompts, and reads a line from standard input without surrounding blanks; invalid UTF-8 is replaced, so that it
/// names no file. Ctrl-D leaves. Ctrl-Z stops the program, as in a shell.
///
/// # Errors
/// What `ask` returns; the inner result fails if no thread can be started.
pub async fn read<E>(
    ask: impl FnOnce() -> Result<(), E>,
) -> Result<io::Result<UserInput<String>>, E> {
    // Install signal handlers before the prompt is visible.
    let end = signals::wait_for_end();
    ask()?;
    Ok(user_input::read_until(end, || stop::while_unblocked(read_line)).await)
}

fn read_line() -> io::Result<UserInput<String>> {
    let mut bytes = Vec::new();
    // A terminal returns one line per read, so nothing of the next line is lost.
    io::stdin().lock().take(LONGEST).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(UserInput::Cancelled);
    }
    Ok(UserInput::Given(String::from_utf8_lossy(&bytes).trim().to_owned()))
}
