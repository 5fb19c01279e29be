//! What comes to the event loop beside keys and time.

use tokio::sync::mpsc;

use crate::app::message::Message;

/// What comes to the loop beside keys and time.
#[derive(Debug)]
pub enum LoopInput {
    /// Something happened.
    Message(Message),
    /// A task ended with this; the loop counts it off after taking it in.
    Settled(Message),
    /// An escape sequence to be sent between frames.
    Send(String),
}

/// Sends to the event loop.
pub type LoopSender = mpsc::UnboundedSender<LoopInput>;
/// The event loop's end of the channel.
pub type LoopReceiver = mpsc::UnboundedReceiver<LoopInput>;

/// The channel to an event loop.
pub fn channel() -> (LoopSender, LoopReceiver) {
    mpsc::unbounded_channel()
}
