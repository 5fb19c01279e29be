//! Notices that the configuration file changed.

use std::time::Duration;

use tokio::task::AbortHandle;
use tracing::info;

use crate::app::message::{ChangedConfiguration, Message};
use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Looks whether the file changed since the last look, and reads it then. It may block.
pub type ConfigurationLook =
    Box<dyn FnMut() -> Option<Result<ChangedConfiguration, Failure>> + Send>;

/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Looks until it is dropped.
pub struct ConfigurationWatch(AbortHandle);

impl Drop for ConfigurationWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConfigurationWatch {
    /// Sends what was read to the loop. `forbid`: is called before that where nothing may be changed any more.
    pub fn begin(
        look: ConfigurationLook,
        clock: Clock,
        sender: LoopSender,
        forbid: impl Fn() + Send + 'static,
    ) -> Self {
        let watch = async move {
            if let Err(failure) = watch(look, &clock, &sender, forbid).await {
                let text = format!("{}; changes of it are no longer noticed", failure.message);
                let failure = Failure { message: text, ..failure };
                drop(sender.send(LoopInput::Message(Message::TaskFailed(failure))).await);
            }
        };
        Self(tokio::spawn(watch).abort_handle())
    }
}

/// A file that does not answer once is not asked again: each look would hold a thread.
async fn watch(
    mut look: ConfigurationLook,
    clock: &Clock,
    sender: &LoopSender,
    forbid: impl Fn(),
) -> Result<(), Failure> {
    loop {
        clock.sleep(PAUSE).await;
        let work = move || {
            let read = look();
            (look, read)
        };
        let read;
        (look, read) = run_blocking(clock, FILE_LIMIT, "the configuration file", work).await?;
        let Some(read) = read else { continue };
        if let Ok(changed) = &read {
            info!(live = ?changed.live, at_start = ?changed.at_start, "configuration changed");
            if changed.settings.read_only {
                forbid();
            }
        }
        let message = Message::ConfigurationRead(Box::new(read));
        if sender.send(LoopInput::Message(message)).await.is_err() {
            return Ok(());
        }
    }
}
