//! The event loop. It owns the clock, the tasks, the terminal and the signals, and turns results into messages; it
//! makes no decisions.

pub mod blocking;
pub mod child;
pub mod clipboard;
pub mod configuration;
pub mod frame_writer;
pub mod input;
pub mod line;
pub mod log;
pub mod loop_input;
pub mod notify;
pub mod observers;
pub mod perform;
pub mod signals;
pub mod single_key;
pub mod stackit;
pub mod stop;
pub mod terminal;
pub mod trials;
pub mod user_input;
pub mod watchdog;

use std::collections::VecDeque;
use std::io;
use std::task::Poll;
use std::time::Duration;

use crossterm::event::{Event, KeyEventKind};
use futures_util::{Stream, StreamExt};
use ratatui::backend::Backend;
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier};

use crate::app::effect::{Effect, TerminalEffect};
use crate::app::ending::persisted;
use crate::app::kubeconfig::state::PrintOnExit;
use crate::app::message::Message;
use crate::app::now::Now;
use crate::app::settings::Background;
use crate::app::state::State;
use crate::app::update::{begin, next_wake, refresh_rows, unanswered, update};
use crate::clock::Clock;
use crate::domain::persisted::PersistedState;
use crate::domain::secret::Secret;
use crate::domain::selection::Selection;
use crate::runtime::frame_writer::is_blank;
use crate::runtime::loop_input::{CAPACITY, LoopInput, LoopReceiver};
use crate::runtime::perform::Performer;
use crate::runtime::terminal::{Surface, clear_screen};

/// The backend's error when the terminal is gone.
type BackendError<S> = <<S as Surface>::Backend as Backend>::Error;

/// How long shutdown waits for pending requests.
const LAST_WAIT: Duration = Duration::from_secs(2);

/// Input of terminal and system, passed from one dashboard to the next.
pub struct Console<I> {
    pub keys: I,
    /// Signals, and the terminal's own replies.
    pub signals: LoopReceiver,
    /// Input that a dashboard took but did not process.
    pub left: VecDeque<LoopInput>,
}

/// How a dashboard ended.
#[derive(Debug)]
pub struct Ended {
    /// Printed after the program has left the screen.
    pub print: Vec<PrintOnExit>,
    /// Messages for standard error, printed then.
    pub exit_messages: Vec<String>,
    /// Whether another dashboard follows.
    pub restarts: bool,
    /// Background of the terminal, which is queried only once.
    pub background: Option<Background>,
    /// State for the next dashboard, even if it could not be saved.
    pub persisted: PersistedState,
    /// The profile and its last selection.
    pub selection: (Option<String>, Selection),
}

/// Runs until the user quits, another dashboard takes over, or the terminal is gone.
///
/// # Errors
/// Drawing on the terminal fails.
pub async fn run<S, I>(
    mut state: State,
    surface: &mut S,
    console: &mut Console<I>,
    performer: &Performer,
    mut incoming: LoopReceiver,
    clock: &Clock,
) -> io::Result<Ended>
where
    S: Surface,
    BackendError<S>: std::error::Error + Send + Sync + 'static,
    I: Stream<Item = io::Result<Event>> + Unpin,
{
    let mut taken = std::mem::take(&mut console.left);
    let ends = (&mut *console, &mut incoming, &mut taken);
    let ended = run_until_end(&mut state, surface, ends, performer, clock).await;
    let restarts = matches!(ended, Ok(End::Restart));
    if restarts {
        (console.left, taken) = taken.into_iter().partition(is_of_console);
    } else {
        surface.quit();
    }
    let background = state.shared.background;
    let profile = state.shared.settings.profile.clone();
    let selection = (profile, state.fleet.selection.clone());
    let kept = persisted(&state);
    let mut last = Shutdown { state, performer, clock };
    if ended.is_err() {
        last.hang_up();
    }
    for next in taken {
        last.take(next, surface);
    }
    let (print, exit_messages) = last.finish(&mut incoming, surface).await;
    ended?;
    Ok(Ended { print, exit_messages, restarts, background, persisted: kept, selection })
}

/// What ends a dashboard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Quit,
    Restart,
}

/// Runs until the dashboard ends; unprocessed input remains in `taken`.
async fn run_until_end<S, I>(
    state: &mut State,
    surface: &mut S,
    (console, incoming, taken): (&mut Console<I>, &mut LoopReceiver, &mut VecDeque<LoopInput>),
    performer: &Performer,
    clock: &Clock,
) -> io::Result<End>
where
    S: Surface,
    BackendError<S>: std::error::Error + Send + Sync + 'static,
    I: Stream<Item = io::Result<Event>> + Unpin,
{
    let mut frame = LastFrame::default();
    let Console { keys: input, signals, .. } = console;
    let size = surface.terminal().size().map_err(io::Error::other)?;
    state.shared.size = (size.width, size.height);
    frame.draw(state, surface)?;
    let first = begin(state);
    if let Some(end) = perform_all(first, surface, performer, &mut frame, taken)? {
        return Ok(end);
    }
    loop {
        let wake = next_wake(state);
        surface.wait_until(wake);
        tokio::select! {
            biased;
            Some(next) = signals.recv() => taken.push_back(next),
            Some(next) = incoming.recv() => taken.push_back(next),
            event = input.next() => match event {
                Some(Ok(event)) => taken.extend(translate(event)),
                // A dead terminal ends the program, rather than making the loop spin.
                Some(Err(_)) | None => taken.push_back(LoopInput::Message(Message::HungUp)),
            },
            () = wait(clock, wake) => taken.push_back(LoopInput::Message(Message::Ticked)),
        }
        // Keys first: they are few, and endless answers must not lock the user out.
        while taken.len() < CAPACITY
            && let Some(event) = ready_event(input).await
        {
            taken.extend(translate(event));
        }
        while taken.len() < CAPACITY
            && let Ok(next) = signals.try_recv().or_else(|_none| incoming.try_recv())
        {
            taken.push_back(next);
        }
        let mut task_results = 0;
        while let Some(next) = taken.pop_front() {
            let message = match next {
                LoopInput::Message(message) => message,
                LoopInput::TaskResult(message) => {
                    task_results += 1;
                    message
                }
                LoopInput::Send(sequence) => {
                    surface.send(sequence.expose())?;
                    continue;
                }
                LoopInput::Stop => {
                    surface.suspend()?;
                    frame.buffer = None;
                    Message::Resumed
                }
                LoopInput::Continued => {
                    if !surface.resume()? {
                        continue;
                    }
                    frame.buffer = None;
                    Message::Resumed
                }
            };
            let now = Now { wall: clock.now(), monotonic: clock.monotonic() };
            let effects = update(state, now, message);
            let end = perform_all(effects, surface, performer, &mut frame, taken)?;
            if let Some(end) = end {
                return Ok(end);
            }
        }
        refresh_rows(state);
        frame.draw(state, surface)?;
        performer.tasks_processed(task_results);
    }
}

/// Whether it comes from user, terminal or system, and thus belongs to no particular dashboard.
fn is_of_console(next: &LoopInput) -> bool {
    match next {
        LoopInput::Stop | LoopInput::Continued => true,
        LoopInput::TaskResult(_) | LoopInput::Send(_) => false,
        LoopInput::Message(message) => {
            !matches!(message, Message::Answered(..) | Message::TaskFailed(_) | Message::Ticked)
        }
    }
}

/// Shutdown: results of pending requests are still processed, so that they are in the journal.
struct Shutdown<'a> {
    state: State,
    performer: &'a Performer,
    clock: &'a Clock,
}

impl Shutdown<'_> {
    /// The terminal is gone. Open requests are still recorded.
    fn hang_up(&mut self) {
        let now = Now { wall: self.clock.now(), monotonic: self.clock.monotonic() };
        for effect in update(&mut self.state, now, Message::HungUp) {
            self.performer.perform(effect);
        }
    }

    /// Processes an input. Only answers still count, and that the terminal is gone.
    fn take<S: Surface>(&mut self, next: LoopInput, surface: &mut S) {
        let message = match next {
            LoopInput::Message(message) => message,
            LoopInput::TaskResult(message) => {
                self.performer.tasks_processed(1);
                message
            }
            LoopInput::Send(sequence) => {
                if surface.send(sequence.expose()).is_err() {
                    self.hang_up();
                }
                return;
            }
            LoopInput::Stop | LoopInput::Continued => return,
        };
        if matches!(message, Message::HungUp) {
            self.hang_up();
        }
        if !matches!(message, Message::Answered(..)) {
            return;
        }
        let now = Now { wall: self.clock.now(), monotonic: self.clock.monotonic() };
        for effect in update(&mut self.state, now, message) {
            let counts = match &effect {
                Effect::Journal(_) => true,
                Effect::Request(_, request) => request.is_write(),
                Effect::Reading(_)
                | Effect::Unobserve(_)
                | Effect::Notify { .. }
                | Effect::Terminal(_) => false,
            };
            if counts {
                self.performer.perform(effect);
            }
        }
    }

    /// Waits for pending requests, at most [`LAST_WAIT`], and records those without an answer. Returns what to print
    /// afterwards.
    async fn finish<S: Surface>(
        mut self,
        incoming: &mut LoopReceiver,
        surface: &mut S,
    ) -> (Vec<PrintOnExit>, Vec<String>) {
        let deadline = self.clock.monotonic().saturating_add(LAST_WAIT);
        loop {
            let under_way = self.performer.writes_under_way();
            while let Ok(next) = incoming.try_recv() {
                self.take(next, surface);
            }
            if !under_way && !self.performer.writes_under_way() {
                break;
            }
            tokio::select! {
                biased;
                Some(next) = incoming.recv() => self.take(next, surface),
                () = self.performer.finish_writes() => {}
                () = self.clock.sleep_until(deadline) => break,
            }
        }
        let records = unanswered(&mut self.state);
        // Whatever else is running is not awaited.
        let _in_time = self.clock.timeout(LAST_WAIT, self.performer.append_records(records)).await;
        (self.state.kubeconfig.print, self.state.session.exit_messages)
    }
}

/// An event that is available now. Polled with this task's waker: a stream may keep the waker of its last pending poll,
/// and another waker would never wake the loop.
async fn ready_event(input: &mut (impl Stream<Item = io::Result<Event>> + Unpin)) -> Option<Event> {
    std::future::poll_fn(|context| match input.poll_next_unpin(context) {
        Poll::Ready(Some(Ok(event))) => Poll::Ready(Some(event)),
        Poll::Ready(Some(Err(_)) | None) | Poll::Pending => Poll::Ready(None),
    })
    .await
}

async fn wait(clock: &Clock, until: Option<Duration>) {
    match until {
        Some(until) => clock.sleep_until(until).await,
        None => std::future::pending().await,
    }
}

fn translate(event: Event) -> Option<LoopInput> {
    let message = match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => return None,
        Event::Key(key) => Message::Key(key),
        Event::Paste(text) => Message::Pasted(Secret::new(text)),
        Event::Mouse(mouse) => Message::Mouse(mouse),
        Event::Resize(columns, rows) => Message::Resized(columns, rows),
        Event::FocusGained | Event::FocusLost => return None,
    };
    Some(LoopInput::Message(message))
}

/// Performs effects: those on the terminal here, the others in tasks, even if the terminal fails. Returns how the
/// dashboard ends, if it does.
fn perform_all<S: Surface>(
    effects: Vec<Effect>,
    surface: &mut S,
    performer: &Performer,
    frame: &mut LastFrame,
    taken: &mut VecDeque<LoopInput>,
) -> io::Result<Option<End>>
where
    BackendError<S>: std::error::Error + Send + Sync + 'static,
{
    let mut ended = Ok(None);
    for effect in effects {
        match effect {
            Effect::Terminal(effect) => {
                if matches!(ended, Ok(None)) {
                    ended = perform_on_terminal(effect, surface, performer, frame, taken);
                }
            }
            effect @ (Effect::Request(..)
            | Effect::Reading(_)
            | Effect::Unobserve(_)
            | Effect::Notify { .. }
            | Effect::Journal(_)) => performer.perform(effect),
        }
    }
    ended
}

fn perform_on_terminal<S: Surface>(
    effect: TerminalEffect,
    surface: &mut S,
    performer: &Performer,
    frame: &mut LastFrame,
    taken: &mut VecDeque<LoopInput>,
) -> io::Result<Option<End>>
where
    BackendError<S>: std::error::Error + Send + Sync + 'static,
{
    match effect {
        TerminalEffect::Quit => return Ok(Some(End::Quit)),
        TerminalEffect::Restart => return Ok(Some(End::Restart)),
        TerminalEffect::Mouse(on) => surface.mouse(on)?,
        TerminalEffect::Status(status) => {
            surface.status(performer.notifier(), status.as_ref())?;
        }
        TerminalEffect::Redraw => {
            clear_screen(surface.terminal()).map_err(io::Error::other)?;
            frame.buffer = None;
        }
        TerminalEffect::LogIn => {
            let ended = performer.log_in(surface)?;
            frame.buffer = None;
            let size = surface.terminal().size().map_err(io::Error::other)?;
            taken.extend(
                [
                    Message::Resumed,
                    // Only the program that had the terminal was notified of a resize.
                    Message::Resized(size.width, size.height),
                    Message::LoggedIn(ended),
                ]
                .map(LoopInput::Message),
            );
        }
        TerminalEffect::Suspend => {
            surface.suspend()?;
            frame.buffer = None;
            // Not through the channel: if it is full, the loop would wait for itself.
            taken.push_back(LoopInput::Message(Message::Resumed));
        }
    }
    Ok(None)
}

/// The last drawn frame. An identical frame is not written.
#[derive(Default)]
struct LastFrame {
    buffer: Option<Buffer>,
}

impl LastFrame {
    fn draw<S: Surface>(&mut self, state: &mut State, surface: &mut S) -> io::Result<()>
    where
        BackendError<S>: std::error::Error + Send + Sync + 'static,
    {
        let terminal = surface.terminal();
        terminal.autoresize().map_err(io::Error::other)?;
        let metrics = {
            let mut frame = terminal.get_frame();
            crate::ui::view(state, &mut frame)
        };
        if metrics != state.shared.metrics {
            state.shared.metrics = metrics;
        }
        let terminal = surface.terminal();
        strip_blanks(terminal.current_buffer_mut());
        let same = self.buffer.as_ref() == Some(terminal.current_buffer_mut());
        if same {
            terminal.current_buffer_mut().reset();
            return Ok(());
        }
        self.buffer = Some(terminal.current_buffer_mut().clone());
        surface.begin_frame()?;
        let terminal = surface.terminal();
        terminal.flush().map_err(io::Error::other)?;
        terminal.swap_buffers();
        terminal.backend_mut().flush().map_err(io::Error::other)?;
        surface.end_frame()
    }
}

/// Normalizes blanks, of which only the background is visible, so that no other difference is written.
fn strip_blanks(buffer: &mut Buffer) {
    for cell in buffer.content.iter_mut().filter(|cell| is_blank(cell)) {
        cell.fg = Color::Reset;
        cell.modifier = Modifier::empty();
    }
}

#[cfg(test)]
mod tests {
    use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

    use crate::app::message::{Answer, Message};
    use crate::app::requests::RequestId;
    use crate::domain::secret::Secret;
    use crate::runtime::is_of_console;
    use crate::runtime::loop_input::LoopInput;

    #[test]
    fn host_13_keys_and_signals_pass_over_to_the_next_dashboard_and_answers_do_not() {
        let key = KeyEvent::new(KeyCode::Char('R'), KeyModifiers::NONE);
        for message in [
            Message::Key(key),
            Message::Pasted(Secret::new("text".to_owned())),
            Message::Resized(80, 24),
            Message::Terminated,
        ] {
            assert!(is_of_console(&LoopInput::Message(message)));
        }
        assert!(is_of_console(&LoopInput::Stop) && is_of_console(&LoopInput::Continued));
        let answer = || Message::Answered(RequestId(1), Ok(Answer::Log(Vec::new())));
        for input in [
            LoopInput::Message(answer()),
            LoopInput::TaskResult(answer()),
            LoopInput::Message(Message::Ticked),
            LoopInput::Send(Secret::new(String::new())),
        ] {
            assert!(!is_of_console(&input), "{input:?}");
        }
    }
}
