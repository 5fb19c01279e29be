//! Keys of a person, read in a thread of its own. The terminal is first asked for its background; late or
//! unasked answers of the terminal are kept out of the keys.
//!
//! crossterm's own stream is not used: when the terminal dies, its reader spins inside the poll for ever, and the
//! loop with it. Here the descriptor is watched first, and crossterm reads only what is there. Of its two ways to read
//! it uses the one that asks (`use-dev-tty`): the other one is told of new bytes once, and forgets them when a resize
//! comes at the same time.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::Stream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::app::message::Message;
use crate::app::settings::Background;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Longest wait for the terminal's answer, which takes a round trip to it. Keys typed before it came are lost.
const ANSWER: Duration = Duration::from_millis(250);
/// How long crossterm may look for what is there; with no time at all it does not look.
const READ: Duration = Duration::from_millis(1);
/// Longest answer of a terminal that is kept out, in keys.
const LONGEST_ANSWER: usize = 64;

type Found = io::Result<Event>;

/// Events of the real terminal. Ends when the terminal is gone.
pub struct Input {
    events: UnboundedReceiver<Found>,
    /// Held until the first event is waited for: whoever asks the terminal keeps everybody from writing to it until the
    /// answer is there, and the first frame is not to wait for that.
    held_back: Option<std::sync::mpsc::Sender<()>>,
}

impl Input {
    /// Reads from when the first event is waited for. Asks for the background first if `ask`; the answer is sent to
    /// the loop.
    ///
    /// # Errors
    /// The thread, or the handler of resizes, cannot be made.
    pub fn open(ask: bool, incoming: LoopSender) -> io::Result<Self> {
        let (sender, events) = unbounded_channel();
        let (held_back, begins) = std::sync::mpsc::channel::<()>();
        #[cfg(unix)]
        watch_size(sender.clone())?;
        std::thread::Builder::new().name("input".to_owned()).spawn(move || {
            begins.recv().unwrap_or_default();
            if sender.is_closed() {
                return;
            }
            if ask && let Some(background) = background() {
                drop(incoming.send(LoopInput::Message(Message::BackgroundKnown(background))));
            }
            if let Err(error) = read_all(&sender) {
                drop(sender.send(Err(error)));
            }
        })?;
        Ok(Self { events, held_back: Some(held_back) })
    }
}

impl Stream for Input {
    type Item = Found;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Found>> {
        drop(self.held_back.take());
        self.events.poll_recv(context)
    }
}

fn background() -> Option<Background> {
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
fn read_all(sender: &UnboundedSender<Found>) -> io::Result<()> {
    let mut answers = Answers::default();
    loop {
        wait_for_bytes()?;
        while crossterm::event::poll(READ)? {
            let event = crossterm::event::read()?;
            let is_answer = matches!(event, Event::Key(key) if answers.swallow(key));
            if !is_answer && sender.send(Ok(event)).is_err() {
                return Ok(());
            }
        }
    }
}

/// Waits until there is something to read.
///
/// # Errors
/// The terminal is gone.
#[cfg(unix)]
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

#[cfg(not(unix))]
fn wait_for_bytes() -> io::Result<()> {
    crossterm::event::poll(Duration::from_hours(24)).map(|_there| ())
}

/// The descriptor does not tell of a new size; the signal does.
#[cfg(unix)]
fn watch_size(sender: UnboundedSender<Found>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut changes = signal(SignalKind::window_change())?;
    tokio::spawn(async move {
        while changes.recv().await.is_some() {
            let Ok((columns, rows)) = crossterm::terminal::size() else { continue };
            if sender.send(Ok(Event::Resize(columns, rows))).is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Tells keys from an answer of the terminal (`ESC ] … BEL`, `ESC ] … ESC \`), which arrives as keys.
#[derive(Debug, Default)]
struct Answers {
    inside: Option<usize>,
}

impl Answers {
    /// Whether this key is part of an answer.
    fn swallow(&mut self, key: KeyEvent) -> bool {
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

    use crate::runtime::input::Answers;

    fn passed(keys: &[(char, KeyModifiers)]) -> String {
        let mut answers = Answers::default();
        keys.iter()
            .filter(|(c, held)| !answers.swallow(KeyEvent::new(KeyCode::Char(*c), *held)))
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
