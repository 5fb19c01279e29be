//! Signals that end the program or cause a redraw.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::message::Message;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Numbers of the signals that end the program, except those ignored from the start (`nohup`, a background job of a
/// script).
pub fn handled() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    let ends = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::ABORT];
    ends.into_iter().filter(move |signal| !is_in(ignored, *signal)).map(Signal::as_raw)
}

fn is_in(mask: u64, signal: Signal) -> bool {
    let bit = u32::try_from(signal.as_raw() - 1).unwrap_or(0);
    mask.checked_shr(bit).unwrap_or(0) & 1 == 1
}

/// Bit mask of ignored signals, the lowest bit for signal 1; 0 if unknown.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// A write beyond the limit for file sizes (`ulimit -f`) fails like one on a full disk. By default, a signal would end the
/// program in the middle of it. Other programs that it starts are not affected: a handler does not survive `exec`.
pub fn survive_file_size_limit() {
    // An ignored signal has the same effect, and is left to these programs.
    if is_in(ignored(), Signal::XFSZ) {
        return;
    }
    // Fails only for signals that cannot be handled.
    let _unhandled =
        signal_hook::flag::register(Signal::XFSZ.as_raw(), Arc::new(AtomicBool::new(false)));
}

/// Exit status of a program ended by a signal, as in shells.
pub fn exit_status(number: u8) -> u8 {
    128_u8.saturating_add(number)
}

/// Turns signals that end the program into messages. Returns the resulting exit status.
pub fn send_to_loop(sender: &LoopSender) -> io::Result<Arc<AtomicU8>> {
    let status = Arc::new(AtomicU8::new(0));
    for number in handled() {
        let mut stream = signal(SignalKind::from_raw(number))?;
        let (sender, status) = (sender.clone(), Arc::clone(&status));
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                status.store(exit_status(u8::try_from(number).unwrap_or(0)), Ordering::SeqCst);
                let is_hangup = number == Signal::HUP.as_raw();
                let message = if is_hangup { Message::HungUp } else { Message::Terminated };
                if sender.send(LoopInput::Message(message)).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(status)
}

/// Resolves to the number of a signal that ends the program; for commands without a screen. Signals count from this
/// call on, before the first await. Without a handler, the system's default action applies.
pub fn wait_for_end() -> impl Future<Output = u8> + Unpin + use<> {
    let mut waits: Vec<BoxFuture<'static, u8>> = vec![Box::pin(std::future::pending())];
    for number in handled() {
        if let Ok(mut stream) = signal(SignalKind::from_raw(number)) {
            waits.push(Box::pin(async move {
                stream.recv().await;
                u8::try_from(number).unwrap_or(0)
            }));
        }
    }
    select_all(waits).map(|(number, ..)| number)
}

/// Changes when the screen content may be lost: after `fg`, and after a resize. Never changes if no handler can be
/// installed.
pub fn watch_redraws() -> watch::Receiver<()> {
    // Only the fact of a change counts, not how often.
    let (sender, receiver) = watch::channel(());
    for kind in [SignalKind::from_raw(Signal::CONT.as_raw()), SignalKind::window_change()] {
        let Ok(mut stream) = signal(kind) else { continue };
        let sender = sender.clone();
        tokio::spawn(
            async move { while stream.recv().await.is_some() && sender.send(()).is_ok() {} },
        );
    }
    receiver
}
