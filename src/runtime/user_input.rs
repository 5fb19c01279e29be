//! Input typed without a screen.

use std::io;

use tokio::sync::mpsc;

/// What the user typed.
#[derive(Debug, PartialEq, Eq)]
pub enum UserInput<T> {
    Given(T),
    /// They left, or the terminal is gone.
    Cancelled,
    /// This signal came.
    Signal(u8),
}

/// Reads in a separate thread, which is abandoned if a signal arrives first.
pub async fn read_until<T: Send + 'static>(
    end: impl Future<Output = u8>,
    read: impl FnOnce() -> io::Result<UserInput<T>> + Send + 'static,
) -> io::Result<UserInput<T>> {
    let (sender, mut receiver) = mpsc::channel(1);
    std::thread::Builder::new().name("typed".to_owned()).spawn(move || {
        drop(sender.blocking_send(read().unwrap_or(UserInput::Cancelled)));
    })?;
    Ok(tokio::select! {
        typed = receiver.recv() => typed.unwrap_or(UserInput::Cancelled),
        number = end => UserInput::Signal(number),
    })
}
