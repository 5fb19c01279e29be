//! Stop and continue: Ctrl-Z, SIGTSTP from other processes, SIGCONT. The terminal must be restored before the process
//! stops, so SIGTSTP is blocked and awaited; a handler could not be uninstalled, and the shell would not see why the
//! process stopped.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::process::kill_current_process_group;
use tokio::signal::unix::{SignalKind, signal};

use crate::runtime::loop_input::{LoopInput, LoopSender};

/// The set of SIGTSTP.
fn stop_signal() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTSTP);
    set
}

/// Blocks SIGTSTP in this thread and in all threads that it starts from now on.
pub fn block() {
    // Fails only for invalid signal numbers.
    let _ = stop_signal().thread_block();
}

/// Reports SIGTSTP and SIGCONT to the loop.
pub fn send_to_loop(sender: &LoopSender) -> io::Result<()> {
    let stops = sender.clone();
    thread::Builder::new().name("stop".to_owned()).spawn(move || {
        while stop_signal().wait().is_ok() {
            if stops.blocking_send(LoopInput::Stop).is_err() {
                break;
            }
        }
    })?;
    let mut stream = signal(SignalKind::from_raw(Signal::SIGCONT as i32))?;
    let sender = sender.clone();
    tokio::spawn(async move {
        while stream.recv().await.is_some() {
            if sender.send(LoopInput::Continued).await.is_err() {
                break;
            }
        }
    });
    Ok(())
}

/// Stops the process group as Ctrl-Z does in a shell; returns when it continues. The whole group, as the terminal does,
/// so that a wrapping script stops too.
pub fn stop_process_group() {
    while_unblocked(|| {
        let _refused = kill_current_process_group(rustix::process::Signal::TSTP);
    });
}

/// Runs work with SIGTSTP unblocked in this thread. Programs started by it inherit that.
pub fn while_unblocked<T>(work: impl FnOnce() -> T) -> T {
    let was_blocked = stop_signal().thread_swap_mask(SigmaskHow::SIG_UNBLOCK);
    let done = work();
    if was_blocked.is_ok_and(|mask| mask.contains(Signal::SIGTSTP)) {
        block();
    }
    done
}
