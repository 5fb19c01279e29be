//! The only source of time: the machine's clock, or a manual one for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

/// Reads the time and sleeps. Clones share the same time.
#[derive(Debug, Clone)]
pub struct Clock {
    source: Arc<Source>,
    /// Offset of the wall clock from the source.
    ahead: SignedDuration,
}

#[derive(Debug)]
enum Source {
    Machine { started: std::time::Instant },
    Manual { time: watch::Sender<ClockTime>, racing: AtomicUsize },
}

/// A future with a timeout; counted until dropped.
struct Race<'a>(Option<&'a AtomicUsize>);

impl Drop for Race<'_> {
    fn drop(&mut self) {
        if let Some(racing) = self.0 {
            racing.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Why blocking work returned no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockingError {
    /// It continues in its thread, which cannot be stopped; its result is discarded.
    TimedOut,
    Panicked,
}

#[derive(Debug, Clone, Copy)]
struct ClockTime {
    wall: Timestamp,
    monotonic: Duration,
}

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the only place that may call it")]
    pub fn machine() -> Self {
        Self::of(Source::Machine { started: std::time::Instant::now() })
    }

    /// A clock that stays at `start` until [`Clock::turn`] advances it.
    pub fn manual(start: Timestamp) -> Self {
        let time = ClockTime { wall: start, monotonic: Duration::ZERO };
        Self::of(Source::Manual { time: watch::Sender::new(time), racing: AtomicUsize::new(0) })
    }

    fn of(source: Source) -> Self {
        Self { source: Arc::new(source), ahead: SignedDuration::ZERO }
    }

    /// The same clock with the wall clock shifted by `by`, which may be negative.
    #[must_use]
    pub fn set_ahead(&self, by: SignedDuration) -> Self {
        Self { source: Arc::clone(&self.source), ahead: self.ahead.saturating_add(by) }
    }

    /// The wall-clock time.
    #[expect(clippy::disallowed_methods, reason = "the only place that may call it")]
    pub fn now(&self) -> Timestamp {
        let wall = match &*self.source {
            Source::Machine { .. } => Timestamp::now(),
            Source::Manual { time, .. } => time.borrow().wall,
        };
        wall.saturating_add(self.ahead).unwrap_or(wall)
    }

    /// Time since this clock was created; unlike [`Clock::now`] it never jumps.
    pub fn monotonic(&self) -> Duration {
        match &*self.source {
            Source::Machine { started } => started.elapsed(),
            Source::Manual { time, .. } => time.borrow().monotonic,
        }
    }

    /// Sleeps. On a manual clock this ends once it has been advanced far enough.
    pub async fn sleep(&self, duration: Duration) {
        self.sleep_until(self.monotonic().saturating_add(duration)).await;
    }

    /// Sleeps until a monotonic time.
    #[expect(clippy::disallowed_methods, reason = "the only place that may call it")]
    pub async fn sleep_until(&self, end: Duration) {
        match &*self.source {
            Source::Machine { .. } => {
                tokio::time::sleep(end.saturating_sub(self.monotonic())).await;
            }
            Source::Manual { time, .. } => {
                let mut receiver = time.subscribe();
                while receiver.borrow_and_update().monotonic < end {
                    if receiver.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Drops a future that takes longer than `limit`; `None` on timeout.
    pub async fn timeout<F: Future>(&self, limit: Duration, future: F) -> Option<F::Output> {
        let _race = self.race();
        tokio::select! {
            biased;
            output = future => Some(output),
            () = self.sleep(limit) => None,
        }
    }

    /// Runs blocking work (files, FIFOs, the desktop) in a thread and waits for it at most `limit`.
    ///
    /// # Errors
    /// Timeout or panic.
    #[expect(clippy::disallowed_methods, reason = "the only place that may call it")]
    pub async fn run_blocking<T: Send + 'static>(
        &self,
        limit: Duration,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, BlockingError> {
        match self.timeout(limit, tokio::task::spawn_blocking(work)).await {
            Some(Ok(result)) => Ok(result),
            Some(Err(error)) if error.is_panic() => Err(BlockingError::Panicked),
            // The runtime is shutting down, and this task with it.
            Some(Err(_cancelled)) => std::future::pending().await,
            None => Err(BlockingError::TimedOut),
        }
    }

    fn race(&self) -> Race<'_> {
        Race(match &*self.source {
            Source::Machine { .. } => None,
            Source::Manual { racing, .. } => {
                racing.fetch_add(1, Ordering::SeqCst);
                Some(racing)
            }
        })
    }

    /// Number of futures with a timeout, on a manual clock. Let them finish before advancing it: their real run time
    /// does not count.
    pub fn racing(&self) -> usize {
        match &*self.source {
            Source::Machine { .. } => 0,
            Source::Manual { racing, .. } => racing.load(Ordering::SeqCst),
        }
    }

    /// Advances a manual clock; a no-op on the machine's clock.
    pub fn turn(&self, by: Duration) {
        if let Source::Manual { time, .. } = &*self.source {
            time.send_modify(|time| {
                time.monotonic = time.monotonic.saturating_add(by);
                let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
                time.wall = time.wall.saturating_add(by).unwrap_or(Timestamp::MAX);
            });
        }
    }

    /// Shifts only the wall clock, as the user or a time service does.
    pub fn jump(&self, by: SignedDuration) {
        if let Source::Manual { time, .. } = &*self.source {
            time.send_modify(|time| {
                time.wall = time.wall.saturating_add(by).unwrap_or(Timestamp::MAX);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::clock::{BlockingError, Clock};

    #[tokio::test]
    async fn a_clock_turned_by_hand_ends_waits_and_times_out() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let waiting = tokio::spawn({
            let clock = clock.clone();
            async move { clock.timeout(Duration::from_mins(1), std::future::pending::<()>()).await }
        });
        tokio::task::yield_now().await;
        clock.turn(Duration::from_secs(59));
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        assert_eq!(clock.racing(), 1);
        clock.turn(Duration::from_secs(1));
        assert_eq!(waiting.await.unwrap(), None);
        assert_eq!(clock.racing(), 0);
        assert_eq!(clock.now().as_second(), 60);
    }

    #[tokio::test]
    async fn blocking_work_ends_times_out_or_panics() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let limit = Duration::from_secs(1);
        assert_eq!(clock.run_blocking(limit, || 7).await, Ok(7));
        let panicked = clock.run_blocking(limit, || -> u8 { panic!("a defect") }).await;
        assert_eq!(panicked, Err(BlockingError::Panicked));
        let (release, hung) = std::sync::mpsc::channel::<()>();
        let hangs = clock.run_blocking(limit, move || hung.recv().is_ok());
        let turn = async {
            tokio::task::yield_now().await;
            clock.turn(limit);
        };
        assert_eq!(futures_util::join!(hangs, turn).0, Err(BlockingError::TimedOut));
        drop(release);
    }
}
