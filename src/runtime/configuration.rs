//! Watches the configuration file for changes.

use std::time::Duration;

use tokio::task::AbortHandle;
use tracing::info;

use crate::app::message::{ChangedConfiguration, Message};
use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::runtime::blocking::{FILE_LIMIT, run_to_its_end};
use crate::runtime::loop_input::{LoopInput, LoopSender};

/// Reads the file if it changed since the last check. May block.
pub type ConfigurationCheck =
    Box<dyn FnMut() -> Option<Result<ChangedConfiguration, Failure>> + Send>;

/// Time between two checks.
const PAUSE: Duration = Duration::from_secs(2);

/// Watches until dropped.
pub struct ConfigurationWatch(AbortHandle);

impl Drop for ConfigurationWatch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl ConfigurationWatch {
    /// Sends changes to the loop. `forbid` is called first if the new configuration is read-only.
    pub fn begin(
        check: ConfigurationCheck,
        clock: Clock,
        sender: LoopSender,
        forbid: impl Fn() + Send + 'static,
    ) -> Self {
        let watch = async move {
            if let Err(failure) = watch(check, &clock, &sender, forbid).await {
                let text = format!("{}; further changes are no longer noticed", failure.message);
                report(&sender, failure, text).await;
            }
        };
        Self(tokio::spawn(watch).abort_handle())
    }
}

async fn report(sender: &LoopSender, failure: Failure, message: String) {
    let failure = Failure { message, ..failure };
    drop(sender.send(LoopInput::Message(Message::TaskFailed(failure))).await);
}

/// At most one check is pending, since each holds a thread while the file does not answer; that is reported once until
/// it answers in time again.
async fn watch(
    mut check: ConfigurationCheck,
    clock: &Clock,
    sender: &LoopSender,
    forbid: impl Fn(),
) -> Result<(), Failure> {
    let mut was_late = false;
    loop {
        clock.sleep(PAUSE).await;
        let work = move || {
            let read = check();
            (check, read)
        };
        let mut is_late = false;
        let report_late = async |failure: Failure| {
            is_late = true;
            if !was_late {
                let text = format!("{}; changes are noticed once it answers", failure.message);
                report(sender, failure, text).await;
            }
        };
        let what = "the configuration file";
        let read;
        (check, read) = run_to_its_end(clock, FILE_LIMIT, what, work, report_late).await?;
        was_late = is_late;
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
    use crate::runtime::configuration::{ConfigurationCheck, ConfigurationWatch};
    use crate::runtime::loop_input::{self, LoopInput, LoopReceiver};

    /// A watch, the messages it sent, and how often writing had been forbidden by then.
    struct Watched {
        clock: Clock,
        receiver: LoopReceiver,
        forbidden: Arc<AtomicUsize>,
        sent: Vec<(Message, usize)>,
        _watch: ConfigurationWatch,
    }

    impl Watched {
        fn begin(check: ConfigurationCheck) -> Self {
            let (sender, receiver) = loop_input::channel();
            let clock = Clock::manual(Timestamp::UNIX_EPOCH);
            let forbidden = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&forbidden);
            let forbid = move || {
                count.fetch_add(1, Ordering::SeqCst);
            };
            let watch = ConfigurationWatch::begin(check, clock.clone(), sender, forbid);
            Self { clock, receiver, forbidden, sent: Vec::new(), _watch: watch }
        }

        /// Waits for the pending check without advancing the clock.
        async fn settle(&self) {
            while self.clock.racing() > 0 {
                tokio::task::yield_now().await;
            }
        }

        /// Advances the clock, waiting for each check if the file answers.
        async fn turn(&mut self, seconds: u32, answers: bool) {
            for _ in 0..seconds * 2 {
                self.clock.turn(Duration::from_millis(500));
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                if answers {
                    self.settle().await;
                }
                while let Ok(LoopInput::Message(message)) = self.receiver.try_recv() {
                    self.sent.push((message, self.forbidden.load(Ordering::SeqCst)));
                }
            }
        }
    }

    fn changed(read_only: bool) -> ChangedConfiguration {
        ChangedConfiguration {
            file: "config.toml".to_owned(),
            settings: Settings { read_only, ..Settings::defaults() },
            keymap: Keymap::default(),
            live: Vec::new(),
            at_start: Vec::new(),
        }
    }

    #[tokio::test]
    async fn file_34_a_configuration_file_that_does_not_answer_is_reported_once_and_read_when_it_does()
     {
        let (answer, answers) = mpsc::channel::<()>();
        let mut checks = 0;
        let check = move || {
            checks += 1;
            // The first three checks block.
            let _answer = (checks < 4).then(|| answers.recv());
            (checks == 5).then(|| Ok(changed(false)))
        };
        let mut watched = Watched::begin(Box::new(check));
        for _ in 0..3 {
            watched.turn(60, false).await;
            answer.send(()).unwrap();
            watched.settle().await;
        }
        watched.turn(10, true).await;
        let [(Message::TaskFailed(failure), 0), (Message::ConfigurationRead(_), 0)] =
            watched.sent.as_slice()
        else {
            panic!("{:?}", watched.sent)
        };
        assert_eq!(
            failure.message,
            "the configuration file: no answer within 10 s; changes are noticed once it answers"
        );
    }

    #[tokio::test]
    async fn host_15_nothing_is_written_any_more_before_the_loop_knows_of_read_only_mode() {
        let mut reads = [false, true].into_iter();
        let check = move || Some(Ok(changed(reads.next()?)));
        let mut watched = Watched::begin(Box::new(check));
        watched.turn(100, true).await;
        let forbidden: Vec<usize> = watched.sent.iter().map(|(_, forbidden)| *forbidden).collect();
        assert_eq!(forbidden, [0, 1]);
    }
}
