//! Signals that end the program, as messages.

use tokio::sync::watch;

use crate::app::message::Message;
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Turns TERM, INT and HUP into [`Message::Terminated`].
///
/// # Errors
/// A handler cannot be installed.
#[cfg(unix)]
pub fn watch(sender: LoopSender) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(LoopInput::Message(Message::Terminated)).await.is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// Other systems end programs in their own way.
#[cfg(not(unix))]
pub fn watch(_sender: LoopSender) -> std::io::Result<()> {
    Ok(())
}

/// Told whenever what is drawn may be gone: after `fg`, and when the terminal has another size. Where no handler can be
/// installed, never.
#[cfg(unix)]
pub fn redraws() -> watch::Receiver<()> {
    use rustix::process::Signal;
    use tokio::signal::unix::{SignalKind, signal};
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

/// Other systems do not tell.
#[cfg(not(unix))]
pub fn redraws() -> watch::Receiver<()> {
    watch::channel(()).1
}

/// Waits for TERM, INT or HUP and gives the signal's number; for commands without a screen. One that is ignored from
/// the outset (`nohup`, a job of a script) stays ignored. Where no handler can be installed, the system's own way of
/// ending holds.
#[cfg(unix)]
pub async fn ended() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let ignored = ignored();
    let mut waits = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let bit = u32::try_from(kind.as_raw_value() - 1).unwrap_or(0);
        if ignored.checked_shr(bit).unwrap_or(0) & 1 == 1 {
            continue;
        }
        if let Ok(mut stream) = signal(kind) {
            waits.push(Box::pin(async move {
                stream.recv().await;
                u8::try_from(kind.as_raw_value()).unwrap_or(0)
            }));
        }
    }
    if waits.is_empty() {
        return std::future::pending().await;
    }
    futures_util::future::select_all(waits).await.0
}

/// Signals that this process ignores, the first at the lowest bit; none where the system does not say.
#[cfg(unix)]
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

/// Waits for Ctrl-C and gives the number that it has elsewhere; for commands without a screen.
#[cfg(not(unix))]
pub async fn ended() -> u8 {
    drop(tokio::signal::ctrl_c().await);
    2
}
