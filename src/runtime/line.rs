//! One line of a person, without a screen: the terminal shows and edits it.

use std::io::{self, BufRead as _, Read as _};

use crate::runtime::typed::{self, Typed};
use crate::runtime::{signals, stop};

/// Most that is taken of a line, in bytes; terminals take no more.
const LONGEST: u64 = 4096;

/// Asks, and waits for a line on standard input, which is given without blanks around it; what is no text in it is
/// replaced, so that it names no file. Ctrl-D leaves. Ctrl-Z stops the program meanwhile, as in a shell.
///
/// # Errors
/// What `ask` returns; within, no thread can be started.
pub async fn read<E>(ask: impl FnOnce() -> Result<(), E>) -> Result<io::Result<Typed<String>>, E> {
    // Signals count before anybody sees the question.
    let end = signals::wait_for_end();
    ask()?;
    Ok(typed::read_until(end, || stop::while_unblocked(read_line)).await)
}

fn read_line() -> io::Result<Typed<String>> {
    let mut bytes = Vec::new();
    // A terminal gives one line at a time, so that nothing of the next one is taken.
    io::stdin().lock().take(LONGEST).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(Typed::Cancelled);
    }
    Ok(Typed::Given(String::from_utf8_lossy(&bytes).trim().to_owned()))
}
