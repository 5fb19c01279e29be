//! What comes to the event loop beside keys and time.

use tokio::sync::mpsc;

use crate::app::message::Message;
use crate::domain::secret::Secret;

/// What comes to the loop beside keys and time.
#[derive(Debug)]
pub enum LoopInput {
    /// Something happened.
    Message(Message),
    /// A task ended with this; the loop counts it off after taking it in.
    Settled(Message),
    /// An escape sequence to be sent between frames; what is copied may be in it.
    Send(Secret),
    /// Somebody wants the process to stop, as Ctrl-Z does.
    Stop,
    /// The process was stopped and goes on.
    Continued,
}

/// Sends to the event loop; waits while the loop is behind.
pub type LoopSender = mpsc::Sender<LoopInput>;
/// The event loop's end of the channel.
pub type LoopReceiver = mpsc::Receiver<LoopInput>;

/// As many as the loop takes in before it draws. Senders are tasks and threads that may wait: each sends what it has
/// and goes on, so that a slow terminal slows them down instead of filling memory. The loop itself never sends.
pub const CAPACITY: usize = 512;

/// The channel to an event loop.
pub fn channel() -> (LoopSender, LoopReceiver) {
    mpsc::channel(CAPACITY)
}
