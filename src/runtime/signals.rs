//! Signals that end the program or make it draw again.

use std::ffi::c_int;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, select_all};
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::app::message::Message;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Numbers of the signals that end the program, but for those that are ignored from the outset (`nohup`, a job of a
/// script).
pub fn handled() -> impl Iterator<Item = c_int> {
    let ignored = ignored();
    let ends = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT, Signal::ABORT];
    ends.map(Signal::as_raw).into_iter().filter(move |number| {
        let bit = u32::try_from(number - 1).unwrap_or(0);
        ignored.checked_shr(bit).unwrap_or(0) & 1 == 0
    })
}

/// Signals that this process ignores, the first at the lowest bit; none where the system does not say.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Exit status of a program that a signal ended, as shells have it.
pub fn exit_status(number: u8) -> u8 {
    128_u8.saturating_add(number)
}

/// Turns the signals that end the program into messages. Gives the exit status that they ask for.
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

/// Waits for a signal that ends the program and gives its number; for commands without a screen. A signal counts from
/// this call on, not only once it is awaited. Where no handler can be installed, the system's own way of ending holds.
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

/// Changes whenever what is drawn may be gone: after `fg`, and when the terminal has another size. Where no handler can
/// be installed, never.
pub fn watch_redraws() -> watch::Receiver<()> {
    // Only that something changed counts, not how often.
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
