//! Ends the process if the event loop does not: when it ignores a signal or its timeout, or does not exit after a quit.
//! A separate thread, which needs no task, no lock of standard output and no responsive terminal.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use signal_hook::{flag, low_level::pipe};

use crate::clock::Clock;
use crate::runtime::signals;

/// How long the program may take to react to a signal or its timeout.
const NOTICE: Duration = Duration::from_millis(1_200);
/// How long it may take to exit after a quit; it waits up to 4 s for answers and files.
const GRACE: Duration = Duration::from_secs(5);
/// How long restoring the terminal may take.
const RESTORE_LIMIT: Duration = Duration::from_millis(400);
/// Exit status after a quit.
const QUIT: usize = 1;
/// Bytes sent to the thread; signals send another byte.
const ARM: u8 = b'q';
const LEAVE: u8 = b'l';

/// Handle of the thread, which waits for signals and for commands.
pub struct Watchdog {
    wake: UnixStream,
    clock: Clock,
    /// When the program times out on the monotonic clock, and its exit status then.
    limit: Arc<Mutex<Option<(Duration, u8)>>>,
}

/// Why the program should have exited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    TimeOver(u8),
    Signal,
    Quit,
}

impl Watchdog {
    /// Starts the thread, which runs until the process ends. `restore` restores the terminal.
    pub fn start(restore: fn()) -> io::Result<Self> {
        let (wake, woken) = UnixStream::pair()?;
        let status = Arc::new(AtomicUsize::new(QUIT));
        for signal in signals::handled() {
            // Handlers run in this order: the status is set before the thread wakes up.
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&status), 128 + number)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
        let watchdog = Self { wake, clock: Clock::machine(), limit: Arc::default() };
        let (clock, limit) = (watchdog.clock.clone(), Arc::clone(&watchdog.limit));
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let Some(cause) = watch(woken, &clock, &limit) else { return };
            let status = match cause {
                Cause::TimeOver(status) => usize::from(status),
                Cause::Signal | Cause::Quit => status.load(Ordering::SeqCst),
            };
            end_process(cause, status, restore);
        })?;
        Ok(watchdog)
    }

    /// The program is about to exit; ends it after a grace period.
    pub fn arm(&self) {
        self.send(ARM);
    }

    /// Only the terminal remains to be restored.
    pub fn leave(&self) {
        self.send(LEAVE);
    }

    /// The program exits with this status after `limit`; ends it otherwise.
    pub fn set_limit(&self, limit: Duration, status: u8) {
        let end = self.clock.monotonic().saturating_add(limit);
        *self.limit.lock().unwrap_or_else(PoisonError::into_inner) = Some((end, status));
        self.send(0);
    }

    fn send(&self, byte: u8) {
        // Fails only if the thread is gone.
        drop((&self.wake).write_all(&[byte]));
    }
}

/// Waits until the program should have exited; returns why.
fn watch(
    mut woken: UnixStream,
    clock: &Clock,
    limit: &Mutex<Option<(Duration, u8)>>,
) -> Option<Cause> {
    let mut end: Option<(Duration, Cause)> = None;
    loop {
        let left = end.map(|(end, _)| end.saturating_sub(clock.monotonic()));
        // A zero timeout is invalid.
        woken.set_read_timeout(left.map(|left| left.max(Duration::from_millis(1)))).ok()?;
        let mut byte = [0];
        match woken.read(&mut byte) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => {
                let (at, cause) = end?;
                if at <= clock.monotonic() {
                    return Some(cause);
                }
            }
        }
        let within = |time: Duration| clock.monotonic().saturating_add(time);
        let was_signalled = matches!(end, Some((_, Cause::Signal)));
        end = match (byte[0], end) {
            (0, None | Some((_, Cause::TimeOver(_)))) => {
                let limit = *limit.lock().unwrap_or_else(PoisonError::into_inner);
                limit.map(|(at, status)| (at.saturating_add(NOTICE), Cause::TimeOver(status)))
            }
            (0, end) => end,
            (ARM, _) => {
                let cause = if was_signalled { Cause::Signal } else { Cause::Quit };
                Some((within(GRACE), cause))
            }
            (LEAVE, Some((at, Cause::Signal))) => {
                Some((at.min(within(RESTORE_LIMIT)), Cause::Signal))
            }
            (LEAVE, end) => end,
            // A repeated signal does not extend the deadline.
            (_, Some((at, Cause::Signal))) => Some((at, Cause::Signal)),
            (_, Some((at, _))) => Some((at.min(within(NOTICE)), Cause::Signal)),
            (_, None) => Some((within(NOTICE), Cause::Signal)),
        };
    }
}

fn end_process(cause: Cause, status: usize, restore: fn()) {
    tracing::error!(status, "ended by the watchdog");
    // One message, once.
    let (sender, restored) = mpsc::sync_channel(1);
    let work = move || {
        restore();
        let what = match cause {
            Cause::TimeOver(_) => "skeys did not exit when its timeout expired".to_owned(),
            Cause::Signal => "skeys did not exit after a signal".to_owned(),
            Cause::Quit => {
                format!("skeys did not exit within {} s after it was quit", GRACE.as_secs())
            }
        };
        drop(writeln!(
            io::stderr(),
            "{what}: a terminal, a file or a program does not answer. \
             Rotations continue on the server; start skeys again to see their phase.",
        ));
        sender.send(()).unwrap_or_default();
    };
    if thread::Builder::new().spawn(work).is_ok() {
        restored.recv_timeout(RESTORE_LIMIT).unwrap_or_default();
    }
    std::process::exit(i32::try_from(status).unwrap_or(1));
}
