//! Ends the process where the event loop cannot: some seconds after it was quit or got a signal. A thread of its own,
//! which needs no task, no lock of standard output and no terminal that takes any.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use signal_hook::{flag, low_level::pipe};

use crate::runtime::signals;

/// How long the program may take to end by itself; it waits up to 4 s for answers and files.
const GRACE: Duration = Duration::from_secs(5);
/// How long the terminal may take to be restored.
const RESTORE_LIMIT: Duration = Duration::from_secs(2);
/// Exit status when it was quit.
const QUIT: usize = 1;

/// Waits for the signals that end the program, and for [`Watchdog::arm`].
pub struct Watchdog {
    wake: UnixStream,
}

impl Watchdog {
    /// Starts the thread, which goes on until the process ends. `restore` gives the terminal back.
    ///
    /// # Errors
    /// The thread, or a handler of a signal, cannot be made.
    pub fn start(restore: fn()) -> io::Result<Self> {
        let (wake, mut woken) = UnixStream::pair()?;
        let status = Arc::new(AtomicUsize::new(QUIT));
        for signal in signals::handled() {
            // Handlers run in this order: the status is there before the thread wakes up.
            let number = usize::try_from(signal).unwrap_or_default();
            flag::register_usize(signal, Arc::clone(&status), 128 + number)?;
            pipe::register(signal, wake.try_clone()?)?;
        }
        thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            if woken.read_exact(&mut [0]).is_ok() {
                thread::sleep(GRACE);
                end_process(status.load(Ordering::SeqCst), restore);
            }
        })?;
        Ok(Self { wake })
    }

    /// The program is about to end; where it does not, it is ended.
    pub fn arm(&self) {
        // Fails only when the thread has gone.
        drop((&self.wake).write_all(&[0]));
    }
}

fn end_process(status: usize, restore: fn()) {
    tracing::error!(status, "ended by the watchdog");
    // One message, once.
    let (sender, restored) = mpsc::sync_channel(1);
    let work = move || {
        restore();
        let reason = if status == QUIT { "it was quit" } else { "a signal" };
        drop(writeln!(
            io::stderr(),
            "skeys did not end within {} s after {reason}: a terminal, a file or a program does not answer. \
             Rotations go on on the server; starting skeys again shows where they stand.",
            GRACE.as_secs()
        ));
        sender.send(()).unwrap_or_default();
    };
    if thread::Builder::new().spawn(work).is_ok() {
        restored.recv_timeout(RESTORE_LIMIT).unwrap_or_default();
    }
    std::process::exit(i32::try_from(status).unwrap_or(1));
}
