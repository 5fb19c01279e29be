//! Signals that end the program, as messages.

use tokio::sync::mpsc::UnboundedSender;

use crate::app::message::Message;
use crate::runtime::perform::Incoming;

/// Turns TERM, INT and HUP into [`Message::Terminated`].
///
/// # Errors
/// A handler cannot be installed.
#[cfg(unix)]
pub fn watch(sender: UnboundedSender<Incoming>) -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut stream = signal(kind)?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if sender.send(Incoming::Message(Message::Terminated)).is_err() {
                    break;
                }
            }
        });
    }
    Ok(())
}

/// Other systems end programs in their own way.
#[cfg(not(unix))]
pub fn watch(_sender: UnboundedSender<Incoming>) -> std::io::Result<()> {
    Ok(())
}

/// Waits for TERM, INT or HUP; for commands without a screen.
#[cfg(unix)]
pub async fn ended() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut waits = Vec::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        if let Ok(mut stream) = signal(kind) {
            waits.push(Box::pin(async move {
                stream.recv().await;
            }));
        }
    }
    futures_util::future::select_all(waits).await;
}

/// Waits for Ctrl-C; for commands without a screen.
#[cfg(not(unix))]
pub async fn ended() {
    drop(tokio::signal::ctrl_c().await);
}
