//! The user's keys, read in a separate thread. The terminal is first queried for its background.
//!
//! crossterm's own reader is not used: it takes a lone ESC for the key, waits forever for the end of a paste, takes
//! replies of the terminal for keys, and spins when the terminal dies.

mod keys;
mod parser;

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use crossterm::event::Event;
use futures_util::stream::{self, Stream};
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroize as _;

use crate::app::message::Message;
use crate::app::settings::Background;
use crate::runtime::input::parser::Parser;
use crate::runtime::loop_input::{LoopInput, LoopSender};
use crate::runtime::terminal::READING;

/// Timeout for the terminal's reply, which takes a round trip. Keys typed before the reply are lost.
const ANSWER: Duration = Duration::from_millis(250);
/// Events read by the thread but not taken by the loop: a fast paste without bracketing. When the loop is further
/// behind, the thread waits, and input stays in the terminal's own buffer.
const CAPACITY: usize = 512;

/// Reads events of the real terminal once the stream is first polled. Queries the background first if `ask`; the reply
/// is sent to the loop. The stream yields an error when the terminal is gone.
pub fn open(
    ask: bool,
    incoming: LoopSender,
) -> io::Result<impl Stream<Item = io::Result<Event>> + Unpin> {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    // A query blocks writes to the terminal until the reply arrives; the first frame must not wait for it. One message,
    // once.
    let (start, started) = oneshot::channel();
    std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        if started.blocking_recv().is_err() {
            return;
        }
        if ask && let Some(background) = query_background() {
            let known = LoopInput::Message(Message::BackgroundKnown(background));
            drop(incoming.blocking_send(known));
        }
        let send = |event| sender.blocking_send(Ok(event)).is_err().then_some(());
        if let Err(error) = read_until(send) {
            drop(sender.blocking_send(Err(error)));
        }
    })?;
    let keys = stream::unfold((Some(start), receiver), |(start, mut receiver)| async {
        if let Some(start) = start {
            start.send(()).unwrap_or_default();
        }
        receiver.recv().await.map(|event| (event, (None, receiver)))
    });
    Ok(stream::select(Box::pin(keys), Box::pin(watch_size()?)))
}

fn query_background() -> Option<Background> {
    use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};
    let mut options = QueryOptions::default();
    options.timeout = ANSWER;
    // Without a reply nothing changes.
    theme_mode(options).ok().map(|mode| match mode {
        ThemeMode::Dark => Background::Dark,
        ThemeMode::Light => Background::Light,
    })
}

/// Reads events of the real terminal until `take` returns a value.
pub fn read_until<T>(mut take: impl FnMut(Event) -> Option<T>) -> io::Result<T> {
    let mut parser = Parser::default();
    let mut buffer = [0; 4096];
    loop {
        let events = if wait_for_bytes(parser.patience())? {
            let _turn = READING.lock().unwrap_or_else(PoisonError::into_inner);
            // Another program may have read the input while this thread waited for the lock.
            if !wait_for_bytes(Some(Duration::ZERO))? {
                continue;
            }
            let read = match rustix::io::read(io::stdin(), &mut buffer) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::BrokenPipe)),
                Ok(count) => buffer.get(..count).unwrap_or_default(),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => continue,
                Err(error) => return Err(error.into()),
            };
            let events = parser.feed(read);
            // It may contain part of a token.
            buffer.zeroize();
            events
        } else {
            parser.expire()
        };
        if let Some(found) = events.into_iter().find_map(&mut take) {
            return Ok(found);
        }
    }
}

/// Waits for input, at most for `limit`; returns whether there is any.
fn wait_for_bytes(limit: Option<Duration>) -> io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let stdin = io::stdin();
    let limit = limit.and_then(|limit| Timespec::try_from(limit).ok());
    loop {
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut watched, limit.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let [found] = &watched;
        let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
        if found.revents().intersects(gone) {
            return Err(io::Error::from(io::ErrorKind::BrokenPipe));
        }
        if found.revents().contains(PollFlags::IN) {
            return Ok(true);
        }
        if limit.is_some() {
            return Ok(false);
        }
    }
}

/// Resize events. A signal reports a new size, the descriptor does not. The size is read when the loop takes the event,
/// so that it is current however many signals came.
fn watch_size() -> io::Result<impl Stream<Item = io::Result<Event>>> {
    use tokio::signal::unix::{SignalKind, signal};
    let changes = signal(SignalKind::window_change())?;
    Ok(stream::unfold(changes, |mut changes| async {
        loop {
            changes.recv().await?;
            if let Ok((columns, rows)) = crossterm::terminal::size() {
                return Some((Ok(Event::Resize(columns, rows)), changes));
            }
        }
    }))
}
