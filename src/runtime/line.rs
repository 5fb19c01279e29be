//! One line of a person, without a screen: the terminal shows and edits it.

use std::io::{self, BufRead as _, Read as _};

use tokio::sync::mpsc;

use crate::runtime::{signals, stop};

/// Most that is taken of a line, in bytes; terminals take no more.
const LONGEST: u64 = 4096;

/// How it was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum LineInput {
    /// Without blanks around it. What is no text is replaced, so that it names no file.
    Line(String),
    /// Ctrl-D, or the terminal is gone.
    Left,
    /// This signal came.
    Signal(u8),
}

/// Asks, and waits for a line on standard input. Ctrl-Z stops the program meanwhile, as in a shell.
///
/// # Errors
/// What `ask` returns; within, no thread can be started.
pub async fn read<E>(ask: impl FnOnce() -> Result<(), E>) -> Result<io::Result<LineInput>, E> {
    let mut end = std::pin::pin!(signals::wait_for_end());
    // Signals are waited for before anybody sees the question.
    tokio::select! {
        biased;
        number = &mut end => return Ok(Ok(LineInput::Signal(number))),
        () = std::future::ready(()) => {}
    }
    ask()?;
    Ok(read_until(end).await)
}

async fn read_until(end: impl Future<Output = u8>) -> io::Result<LineInput> {
    let (sender, mut receiver) = mpsc::channel(1);
    std::thread::Builder::new().name("line".to_owned()).spawn(move || {
        let line = stop::while_unblocked(read_line).unwrap_or(LineInput::Left);
        drop(sender.blocking_send(line));
    })?;
    Ok(tokio::select! {
        line = receiver.recv() => line.unwrap_or(LineInput::Left),
        number = end => LineInput::Signal(number),
    })
}

fn read_line() -> io::Result<LineInput> {
    let mut bytes = Vec::new();
    // A terminal gives one line at a time, so that nothing of the next one is taken.
    io::stdin().lock().take(LONGEST).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(LineInput::Left);
    }
    Ok(LineInput::Line(String::from_utf8_lossy(&bytes).trim().to_owned()))
}
