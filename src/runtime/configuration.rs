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
                let text = format!("{}; further changes are no longer noticed", failure.message);
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::app::keymap::Keymap;
    use crate::app::message::{ChangedConfiguration, Message};
    use crate::app::settings::Settings;
    use crate::clock::Clock;
    use crate::runtime::configuration::{ConfigurationLook, ConfigurationWatch};
    use crate::runtime::loop_input::{self, LoopInput};

    /// What the loop is sent while time passes, no faster than the file answers if it does, and how often writing was forbidden then.
    async fn sent(look: ConfigurationLook, answers: bool) -> Vec<(Message, usize)> {
        let (sender, mut receiver) = loop_input::channel();
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let forbidden = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&forbidden);
        let forbid = move || {
            count.fetch_add(1, Ordering::SeqCst);
        };
        let _watch = ConfigurationWatch::begin(look, clock.clone(), sender, forbid);
        let mut sent = Vec::new();
        for _ in 0..200 {
            clock.turn(Duration::from_millis(500));
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            while answers && clock.racing() > 0 {
                tokio::task::yield_now().await;
            }
            while let Ok(LoopInput::Message(message)) = receiver.try_recv() {
                sent.push((message, forbidden.load(Ordering::SeqCst)));
            }
        }
        sent
    }

    #[tokio::test]
    async fn file_34_a_configuration_file_that_does_not_answer_is_told_once_and_left_alone() {
        let (_hold, never) = mpsc::channel::<()>();
        let never = std::sync::Mutex::new(never);
        let look = move || {
            drop(never.lock().map(|never| never.recv()));
            None
        };
        let sent = sent(Box::new(look), false).await;
        let [(Message::TaskFailed(failure), 0)] = sent.as_slice() else { panic!("{sent:?}") };
        assert_eq!(
            failure.message,
            "the configuration file: no answer within 10 s; further changes are no longer noticed"
        );
    }

    #[tokio::test]
    async fn host_15_nothing_is_written_any_more_before_the_loop_knows_of_read_only_mode() {
        let mut reads = [false, true].into_iter();
        let look = move || {
            let settings = Settings { read_only: reads.next()?, ..Settings::defaults() };
            let file = "config.toml".to_owned();
            let (keymap, live, at_start) = (Keymap::default(), Vec::new(), Vec::new());
            Some(Ok(ChangedConfiguration { file, settings, keymap, live, at_start }))
        };
        let sent = sent(Box::new(look), true).await;
        let forbidden: Vec<usize> = sent.iter().map(|(_, forbidden)| *forbidden).collect();
        assert_eq!(forbidden, [0, 1]);
    }
}
