//! Keys of a person, read in a thread of its own. The terminal is first asked for its background; late or
//! unasked answers of the terminal are kept out of the keys.
//!
//! crossterm's own stream is not used: when the terminal dies, its reader spins inside the poll for ever, and the
//! loop with it. Here the descriptor is watched first, and crossterm reads only what is there. Of its two ways to read
//! it uses the one that asks (`use-dev-tty`): the other one is told of new bytes once, and forgets them when a resize
//! comes at the same time.

use std::io;
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::stream::{self, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::app::message::Message;
use crate::app::settings::Background;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Longest wait for the terminal's answer, which takes a round trip to it. Keys typed before it came are lost.
const ANSWER: Duration = Duration::from_millis(250);
/// How long crossterm may look for what is there; with no time at all it does not look.
const READ: Duration = Duration::from_millis(1);
/// Longest answer of a terminal that is kept out, in keys.
const LONGEST_ANSWER: usize = 64;

/// Events that the thread has read and the loop has not taken: a fast paste without bracketing. When the loop is further
/// behind, the thread waits, and what a person types stays in the terminal's own buffer.
const CAPACITY: usize = 512;

/// Reads events of the real terminal from when the first one is waited for. Asks for the background first if `ask`; the
/// answer is sent to the loop. The stream brings an error when the terminal is gone.
///
/// # Errors
/// The thread, or the handler of resizes, cannot be made.
pub fn open(
    ask: bool,
    incoming: LoopSender,
) -> io::Result<impl Stream<Item = io::Result<Event>> + Unpin> {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    // Whoever asks the terminal keeps everybody from writing to it until the answer is there, and the first frame is
    // not to wait for that. One message, once.
    let (start, started) = oneshot::channel();
    std::thread::Builder::new().name("input".to_owned()).spawn(move || {
        if started.blocking_recv().is_err() {
            return;
        }
        if ask && let Some(background) = query_background() {
            let known = LoopInput::Message(Message::BackgroundKnown(background));
            drop(incoming.blocking_send(known));
        }
        if let Err(error) = read_events(&sender) {
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
    // No answer changes nothing.
    theme_mode(options).ok().map(|mode| match mode {
        ThemeMode::Dark => Background::Dark,
        ThemeMode::Light => Background::Light,
    })
}

/// Reads until the terminal or the loop is gone.
fn read_events(sender: &mpsc::Sender<io::Result<Event>>) -> io::Result<()> {
    let mut answers = TerminalAnswers::default();
    loop {
        wait_for_bytes()?;
        while crossterm::event::poll(READ)? {
            let event = crossterm::event::read()?;
            let is_answer = matches!(event, Event::Key(key) if answers.takes(key));
            if !is_answer && sender.blocking_send(Ok(event)).is_err() {
                return Ok(());
            }
        }
    }
}

/// Waits until there is something to read.
///
/// # Errors
/// The terminal is gone.
fn wait_for_bytes() -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    let stdin = io::stdin();
    loop {
        let mut watched = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut watched, None) {
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
            return Ok(());
        }
    }
}

/// The descriptor does not tell of a new size; the signal does. The size is read when the loop takes the event, so that
/// it is the newest one however many signals came.
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

/// Tells keys from an answer of the terminal (`ESC ] … BEL`, `ESC ] … ESC \`), which arrives as keys.
#[derive(Debug, Default)]
struct TerminalAnswers {
    inside: Option<usize>,
}

impl TerminalAnswers {
    /// Whether this key is part of an answer.
    fn takes(&mut self, key: KeyEvent) -> bool {
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        let Some(length) = self.inside else {
            let begins = key.code == KeyCode::Char(']') && alt;
            self.inside = begins.then_some(1);
            return begins;
        };
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let ends =
            (key.code == KeyCode::Char('\\') && alt) || (key.code == KeyCode::Char('g') && control);
        // What cannot stand in an answer is a person's key.
        let belongs = matches!(key.code, KeyCode::Char(c)
            if c.is_ascii_hexdigit() || matches!(c, ';' | ':' | '/' | 'r' | 'g' | 'b'));
        self.inside =
            (!ends && belongs && length < LONGEST_ANSWER).then_some(length.saturating_add(1));
        ends || belongs
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::runtime::input::TerminalAnswers;

    fn passed(keys: &[(char, KeyModifiers)]) -> String {
        let mut answers = TerminalAnswers::default();
        keys.iter()
            .filter(|(c, held)| !answers.takes(KeyEvent::new(KeyCode::Char(*c), *held)))
            .map(|(c, _)| *c)
            .collect()
    }

    #[test]
    fn tty_07_a_late_answer_of_the_terminal_is_no_keys() {
        for end in [('\\', KeyModifiers::ALT), ('g', KeyModifiers::CONTROL)] {
            let mut keys = vec![('j', KeyModifiers::NONE), (']', KeyModifiers::ALT)];
            keys.extend("11;rgb:1e1e/1e1e/1e1e".chars().map(|c| (c, KeyModifiers::NONE)));
            keys.push(end);
            keys.extend("rK".chars().map(|c| (c, KeyModifiers::NONE)));
            assert_eq!(passed(&keys), "jrK");
        }
    }

    #[test]
    fn tty_07_half_an_answer_does_not_eat_a_persons_keys() {
        let mut keys = vec![(']', KeyModifiers::ALT)];
        keys.extend("11;rqjk".chars().map(|c| (c, KeyModifiers::NONE)));
        assert_eq!(passed(&keys), "qjk");
    }
}
