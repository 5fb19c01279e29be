//! Inputs of the event loop other than keys and time.

use tokio::sync::mpsc;

use crate::app::message::Message;
use crate::domain::secret::Secret;

/// An input of the event loop other than keys and time.
#[derive(Debug)]
pub enum LoopInput {
    /// Something happened.
    Message(Message),
    /// The result of a task; the loop decrements the number of running tasks after processing it.
    TaskResult(Message),
    /// An escape sequence to send between frames; it may contain copied text.
    Send(Secret),
    /// Another process, or Ctrl-Z, asks this one to stop.
    Stop,
    /// The process was stopped and continues.
    Continued,
}

/// Sends to the event loop; waits while the loop is behind.
pub type LoopSender = mpsc::Sender<LoopInput>;
/// Receiving end of the event loop's channel.
pub type LoopReceiver = mpsc::Receiver<LoopInput>;

/// Most inputs that the loop takes before it draws. Senders are tasks and threads that may wait, so a slow terminal
/// slows them down instead of filling memory. The loop itself never sends.
pub const CAPACITY: usize = 512;

/// The channel to an event loop.
pub fn channel() -> (LoopSender, LoopReceiver) {
    mpsc::channel(CAPACITY)
}
