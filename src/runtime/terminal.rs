//! The real terminal: raw mode and alternate screen, undone exactly once on every way out.

use std::fs::File;
use std::io::{self, Stdout, Write};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::style::ResetColor;
use crossterm::terminal::{
    Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use nix::sys::signal::{SigSet, SigmaskHow};
use ratatui::Terminal;
use ratatui::backend::Backend;
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, waitpid};
use rustix::termios::{LocalModes, QueueSelector, tcflush, tcgetattr, tcgetpgrp, tcsetpgrp};
use tokio::process::Command;

use crate::app::session::window::WindowStatus;
use crate::runtime::frame_writer::FrameWriter;
use crate::runtime::notify::{Notifier, PROGRESS_OFF};
use crate::runtime::stop::{stop_process_group, while_unblocked};
use crate::runtime::watchdog::Watchdog;
use crate::store::private_file::{create_folder, replace};

/// Where frames are drawn: the user's terminal, or one of a test. Methods fail if the terminal is gone.
pub trait Surface {
    /// ratatui's backend.
    type Backend: Backend;

    /// ratatui's terminal.
    fn terminal(&mut self) -> &mut Terminal<Self::Backend>;

    /// Called before a frame is written.
    fn begin_frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Called after a frame was written.
    fn end_frame(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Sends an escape sequence between frames.
    fn send(&mut self, sequence: &str) -> io::Result<()>;

    /// Switches mouse reporting.
    fn mouse(&mut self, on: bool) -> io::Result<()>;

    /// Sets window title and progress, or restores them.
    fn status(&mut self, notifier: Notifier, status: Option<&WindowStatus>) -> io::Result<()> {
        match status {
            Some(status) => self.send(&notifier.status(status, false)),
            None => self.send(&notifier.no_status()),
        }
    }

    /// Stops the process in the background until it continues.
    fn suspend(&mut self) -> io::Result<()>;

    /// Lends the terminal to a program until it exits. Inner result: its exit status, `None` after a signal, or why it
    /// could not be run.
    fn lend(&mut self, command: Command) -> io::Result<io::Result<Option<i32>>>;

    /// Sets up the terminal again after the process was stopped: another program may have used it. Returns whether that
    /// was necessary.
    fn resume(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Called when all input is processed and drawn, before the loop waits until this monotonic time.
    fn wait_until(&mut self, _until: Option<Duration>) {}

    /// Called when the program is about to end.
    fn quit(&mut self) {}
}

/// Whether raw mode and alternate screen are on. One flag for loop, panic hook and watchdog.
static ENTERED: AtomicBool = AtomicBool::new(false);
/// Whether a thread is restoring the terminal.
static RESTORING: AtomicBool = AtomicBool::new(false);

/// Held while reading keys.
pub static READING: Mutex<()> = Mutex::new(());
/// Whether we have set the terminal's title.
static TITLED: AtomicBool = AtomicBool::new(false);
/// Whether we have set the terminal's progress.
static PROGRESSED: AtomicBool = AtomicBool::new(false);

/// The user's terminal.
pub struct Screen {
    terminal: Terminal<FrameWriter<Stdout>>,
    mouse: bool,
    /// The terminal is set up again after a suspend; the SIGCONT for it is still to come.
    is_back: bool,
    watchdog: Watchdog,
}

impl Screen {
    /// Enters raw mode, alternate screen and bracketed paste.
    pub fn enter(watchdog: Watchdog) -> io::Result<Self> {
        enter()?;
        let mut terminal = Terminal::new(FrameWriter::new(io::stdout()))?;
        // Not every terminal has an alternate screen; GNU screen has none by default.
        clear_screen(&mut terminal)?;
        Ok(Self { terminal, mouse: false, is_back: false, watchdog })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.watchdog.leave();
        restore();
    }
}

fn enter() -> io::Result<()> {
    enable_raw_mode()?;
    ENTERED.store(true, Ordering::SeqCst);
    // Not by ratatui, which prints an error on standard error when the terminal has died.
    execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)
}

/// Restores the terminal, once. A no-op if it is not set up; a dead terminal is no error.
pub fn restore() {
    if !ENTERED.load(Ordering::SeqCst) || RESTORING.swap(true, Ordering::SeqCst) {
        return;
    }
    // First, since it never waits for output.
    drop(disable_raw_mode());
    let mut out = io::stdout();
    drop(out.write_all(&restore_sequence()));
    drop(out.flush());
    ENTERED.store(false, Ordering::SeqCst);
    RESTORING.store(false, Ordering::SeqCst);
}

/// Restores the terminal even if another thread hangs in a write: bypasses the lock of standard output, and discards
/// pending output.
pub fn force_restore() {
    if !ENTERED.load(Ordering::SeqCst) {
        return;
    }
    drop(disable_raw_mode());
    let out = io::stdout();
    let _refused = tcflush(&out, QueueSelector::OFlush);
    if let Ok(copy) = out.as_fd().try_clone_to_owned() {
        drop(File::from(copy).write_all(&restore_sequence()));
    }
}

fn restore_sequence() -> Vec<u8> {
    let mut sequence = Vec::new();
    if TITLED.swap(false, Ordering::SeqCst) {
        sequence.extend(b"\x1b[23;2t");
    }
    if PROGRESSED.swap(false, Ordering::SeqCst) {
        sequence.extend(PROGRESS_OFF.as_bytes());
    }
    // Writes to memory, which cannot fail.
    drop(queue!(
        sequence,
        EndSynchronizedUpdate,
        ResetColor,
        // For terminals without an alternate screen.
        Clear(ClearType::All),
        cursor::MoveTo(0, 0),
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    ));
    sequence
}

impl Surface for Screen {
    type Backend = FrameWriter<Stdout>;

    fn terminal(&mut self) -> &mut Terminal<Self::Backend> {
        &mut self.terminal
    }

    fn send(&mut self, sequence: &str) -> io::Result<()> {
        let mut out = io::stdout();
        out.write_all(sequence.as_bytes())?;
        out.flush()
    }

    fn mouse(&mut self, on: bool) -> io::Result<()> {
        self.mouse = on;
        if on {
            execute!(io::stdout(), EnableMouseCapture)
        } else {
            execute!(io::stdout(), DisableMouseCapture)
        }
    }

    fn status(&mut self, notifier: Notifier, status: Option<&WindowStatus>) -> io::Result<()> {
        let had_title = TITLED.swap(status.is_some(), Ordering::SeqCst);
        let sequence = status
            .map_or_else(|| notifier.no_status(), |status| notifier.status(status, !had_title));
        PROGRESSED.store(status.is_some() && notifier.shows_progress(), Ordering::SeqCst);
        self.send(&sequence)
    }

    fn quit(&mut self) {
        self.watchdog.arm();
    }

    fn suspend(&mut self) -> io::Result<()> {
        restore();
        stop_process_group();
        self.is_back = true;
        self.take_back()
    }

    fn lend(&mut self, mut command: Command) -> io::Result<io::Result<Option<i32>>> {
        let _keys = READING.lock().unwrap_or_else(PoisonError::into_inner);
        restore();
        let ended = run_in_foreground(command.as_std_mut());
        self.take_back()?;
        Ok(ended)
    }

    fn resume(&mut self) -> io::Result<bool> {
        let is_raw = tcgetattr(io::stdin())
            .is_ok_and(|modes| !modes.local_modes.contains(LocalModes::ICANON));
        if std::mem::take(&mut self.is_back) && is_raw {
            return Ok(false);
        }
        restore();
        self.take_back().map(|()| true)
    }
}

impl Screen {
    fn take_back(&mut self) -> io::Result<()> {
        enter()?;
        if self.mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        clear_screen(&mut self.terminal)
    }
}

/// Clears the screen and forgets its content, so that the next frame is drawn in full. ratatui's own method queries the
/// cursor and reads the reply, which the key reader must get.
pub fn clear_screen<B: Backend>(terminal: &mut Terminal<B>) -> Result<(), B::Error> {
    terminal.backend_mut().clear()?;
    // Resets the buffer of the last frame; the other one is clean.
    terminal.swap_buffers();
    Ok(())
}

/// Runs a program as a shell runs a foreground job: its process group owns the terminal, so that only it gets Ctrl-C.
/// Killed if it stops, since nobody could continue it. Returns its exit status; `None` after a signal.
pub fn run_in_foreground(command: &mut process::Command) -> io::Result<Option<i32>> {
    let terminal = io::stdin();
    let ours = tcgetpgrp(&terminal)?;
    let group = Pid::from_child(&while_unblocked(|| command.spawn())?);
    let given = tcsetpgrp(&terminal, group);
    // It may have been stopped for using the terminal before it owned it.
    let started = given.and_then(|()| kill_process_group(group, Signal::CONT));
    if started.is_err() {
        let _gone = kill_process_group(group, Signal::KILL);
    }
    let ended = wait_for_group(group);
    // Otherwise SIGTTOU stops a background process that takes the terminal.
    let mut signals = SigSet::empty();
    signals.add(nix::sys::signal::Signal::SIGTTOU);
    let mask = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let back = tcsetpgrp(&terminal, ours);
    mask.thread_set_mask()?;
    back?;
    started?;
    ended
}

/// Waits for the leader of a process group to exit.
fn wait_for_group(group: Pid) -> io::Result<Option<i32>> {
    loop {
        match waitpid(Some(group), WaitOptions::UNTRACED) {
            Ok(Some((_, status))) if status.stopped() => {
                let _gone = kill_process_group(group, Signal::KILL);
            }
            Ok(Some((_, status))) => return Ok(status.exit_status()),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Installs the panic hook: a panic of the loop restores the screen first, then prints a sentence with the path of the
/// report; after a panic in a task the loop continues and reports it.
pub fn install_panic_hook(report_folder: Option<PathBuf>) {
    let main = std::thread::current().id();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
        let report = report_folder.as_ref().and_then(|folder| write_report(folder, info));
        if std::thread::current().id() == main {
            restore();
            let place = report
                .map_or_else(String::new, |path| format!(" The report is {}.", path.display()));
            let mut err = io::stderr();
            drop(writeln!(
                err,
                "skeys stopped because of an internal error; the terminal is restored.{place} \
                 Rotations continue on the server; start skeys again to see their phase."
            ));
        }
    }));
}

/// Writes location and message of a panic; the message comes from this program's own code.
fn write_report(folder: &std::path::Path, info: &std::panic::PanicHookInfo<'_>) -> Option<PathBuf> {
    create_folder(folder).ok()?;
    let path = folder.join("panic.txt");
    let text = format!(
        "skeys {}\n{}\n{}\n",
        env!("CARGO_PKG_VERSION"),
        info,
        std::backtrace::Backtrace::force_capture()
    );
    replace(&path, text.as_bytes()).ok()?;
    Some(path)
}
