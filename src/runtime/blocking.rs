//! Work that may block or panic: it completes, or the failure names what did not.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;

use crate::clock::{BlockingError, Clock};
use crate::domain::failure::{Failure, FailureKind};
use crate::store::lock::LockOutcome;

/// Timeout for file access; a slower disk is reported like a missing one.
pub const FILE_LIMIT: Duration = Duration::from_secs(10);
/// Interval of attempts while another process holds a lock.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// Runs work that may block outside of the tasks. `what` names the file or program in errors.
///
/// # Errors
/// The work exceeds `limit`, and may still complete; or it panicked.
pub async fn run_blocking<T: Send + 'static>(
    clock: &Clock,
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    clock.run_blocking(limit, work).await.map_err(|error| match error {
        BlockingError::TimedOut => timed_out(what, limit)
            .hint("Check the disk or the network share; what was begun may still be done later"),
        BlockingError::Panicked => defect(what),
    })
}

/// As [`run_blocking`], but waits for completion: after `limit` the failure is passed to `late`, and the result
/// follows.
///
/// # Errors
/// The work panicked.
pub async fn run_to_its_end<T: Send + 'static, L: Future<Output = ()>>(
    clock: &Clock,
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
    late: impl FnOnce(Failure) -> L,
) -> Result<T, Failure> {
    let mut run = Box::pin(run_blocking(clock, Duration::MAX, what, work));
    if let Some(done) = clock.timeout(limit, &mut run).await {
        return done;
    }
    let hint = "Check the disk or the network share; it may still be done, and is told then";
    late(timed_out(what, limit).hint(hint)).await;
    run.await
}

/// Retries blocking work while another process holds its lock, until it is done or `wait` has elapsed.
///
/// # Errors
/// As [`run_blocking`], and those of the work.
pub async fn retry_while_locked<T, E>(
    clock: &Clock,
    wait: Duration,
    what: &str,
    work: impl Fn() -> Result<LockOutcome<T>, E> + Send + Sync + 'static,
) -> Result<LockOutcome<T>, E>
where
    T: Send + 'static,
    E: From<Failure> + Send + 'static,
{
    let work = Arc::new(work);
    retry(clock, wait, || {
        let attempt = Arc::clone(&work);
        async { run_blocking(clock, FILE_LIMIT, what, move || attempt()).await? }
    })
    .await
}

/// Retries an attempt while another process holds its lock, until it is done or `wait` has elapsed.
///
/// # Errors
/// Those of the attempt.
pub async fn retry<T, E, A: Future<Output = Result<LockOutcome<T>, E>>>(
    clock: &Clock,
    wait: Duration,
    attempt: impl Fn() -> A,
) -> Result<LockOutcome<T>, E> {
    let end = clock.monotonic().saturating_add(wait);
    loop {
        let done = attempt().await?;
        if matches!(done, LockOutcome::Done(_)) || clock.monotonic() >= end {
            return Ok(done);
        }
        clock.sleep(LOCK_PAUSE).await;
    }
}

/// Awaits work, turning a panic into a failure instead of ending the task.
pub async fn catch_panic<T>(what: &str, work: impl Future<Output = T>) -> Result<T, Failure> {
    AssertUnwindSafe(work).catch_unwind().await.map_err(|_panic| defect(what))
}

/// The failure for a file or program that does not answer.
pub fn timed_out(what: &str, limit: Duration) -> Failure {
    let text = format!("{what}: no answer within {} s", limit.as_secs());
    Failure::new(FailureKind::File, text).hint("Check the program and what it uses")
}

fn defect(what: &str) -> Failure {
    Failure::new(FailureKind::Bug, format!("{what}: an internal task panicked; skeys continues"))
        .hint("Press r to read again; the report is in the state folder")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::clock::Clock;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::runtime::blocking::{
        FILE_LIMIT, catch_panic, retry_while_locked, run_blocking, run_to_its_end,
    };
    use crate::store::files;
    use crate::store::lock::LockOutcome;

    /// Advances the clock while something waits for it and, unless it `hangs`, no thread is working.
    async fn turning<T>(clock: &Clock, hangs: bool, work: impl Future<Output = T>) -> T {
        let turn = async {
            loop {
                if hangs || clock.racing() == 0 {
                    clock.turn(Duration::from_secs(1));
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            done = work => done,
            () = turn => unreachable!(),
        }
    }

    #[tokio::test]
    async fn file_26_a_fifo_that_nobody_writes_is_named_after_a_while() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let reader = path.clone();
        let reading = run_blocking(&clock, FILE_LIMIT, "token", move || files::read(&reader, 10));
        let failure = turning(&clock, true, reading).await.unwrap_err();
        assert_eq!(failure.message, "token: no answer within 10 s");
        // The abandoned thread ends when the FIFO gets a writer.
        drop(std::fs::File::create(&path).unwrap());
    }

    #[tokio::test]
    async fn file_37_work_that_takes_long_is_told_and_comes_to_its_end() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let (release, held) = std::sync::mpsc::channel::<u8>();
        let late = async |failure: Failure| {
            assert_eq!(failure.message, "~/.kube/config: no answer within 10 s");
            release.send(7).unwrap();
        };
        let work = move || held.recv().unwrap();
        let run = run_to_its_end(&clock, FILE_LIMIT, "~/.kube/config", work, late);
        assert_eq!(turning(&clock, true, run).await, Ok(7));
        let late = async |failure: Failure| panic!("{failure}");
        let run = run_to_its_end(&clock, FILE_LIMIT, "~/.kube/config", || 8, late);
        assert_eq!(turning(&clock, false, run).await, Ok(8));
    }

    #[tokio::test]
    async fn file_26_a_held_lock_is_tried_again_and_not_for_ever() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let wait = Duration::from_secs(3);
        let tries = AtomicUsize::new(0);
        let held = || LockOutcome::Locked(Failure::new(FailureKind::File, "held"));
        let third = move || {
            let is_third = tries.fetch_add(1, Ordering::SeqCst) == 2;
            Ok(if is_third { LockOutcome::Done("done") } else { held() })
        };
        let done: Result<_, Failure> =
            turning(&clock, false, retry_while_locked(&clock, wait * 10, "file", third)).await;
        assert_eq!(done, Ok(LockOutcome::Done("done")));
        let never = move || Ok(held());
        let done: Result<_, Failure> =
            turning(&clock, false, retry_while_locked(&clock, wait, "file", never)).await;
        assert!(matches!(done, Ok(LockOutcome::Locked(_))), "{done:?}");
    }

    #[tokio::test]
    async fn tty_01_a_panic_in_a_task_becomes_a_failure() {
        let failure = catch_panic("list", async { panic!("a defect") }).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Bug);
        assert_eq!(catch_panic("list", async { 7 }).await, Ok(7));
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let failure = run_blocking(&clock, FILE_LIMIT, "~/.kube/config", || panic!("a defect"));
        let failure: Result<(), Failure> = failure.await;
        assert!(failure.unwrap_err().message.starts_with("~/.kube/config: "));
    }
}
