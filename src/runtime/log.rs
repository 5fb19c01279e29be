//! The diagnostic log: requests and failures, in memory and, if configured, in a file. At every level, only this
//! crate's events are logged: libraries log bodies and headers.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::domain::text::clean;
use crate::runtime::blocking::{FILE_LIMIT, run_blocking};
use crate::store::files::open_regular;
use crate::store::private_file::failed;

/// Most lines kept in memory.
const MOST_LINES: usize = 500;
/// A file of this size is renamed to `….1`, replacing an older one, and a new one is started.
const MOST_BYTES: u64 = 10 * 1024 * 1024;
/// Most lines queued for the file; while the disk does not answer, later ones are dropped.
const WAITING_LINES: usize = 4096;

/// The latest lines of the log. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct LogBuffer(Arc<Mutex<VecDeque<String>>>);

impl LogBuffer {
    /// The lines, oldest first, without control characters.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() >= MOST_LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The log of a process. On drop, it waits briefly until all lines are in the file.
pub struct Log {
    pub buffer: LogBuffer,
    _file: Option<WorkerGuard>,
}

impl Log {
    /// Starts the log of this process, once, in memory and, if `file` is set, in a private file.
    pub async fn start(
        clock: &Clock,
        level: LevelFilter,
        file: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        let file = match file {
            Some(path) => {
                let name = path.display().to_string();
                Some(run_blocking(clock, FILE_LIMIT, &name, move || LogFile::open(path)).await??)
            }
            None => None,
        };
        let (log, subscriber) = Self::create(clock, level, file);
        // A second subscriber is ignored.
        drop(tracing::subscriber::set_global_default(subscriber));
        Ok(log)
    }

    fn create(
        clock: &Clock,
        level: LevelFilter,
        file: Option<LogFile>,
    ) -> (Self, impl Subscriber + Send + Sync + use<>) {
        let builder = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .thread_name("log");
        let (file, guard) = file.map(|file| builder.finish(file)).unzip();
        let buffer = LogBuffer::default();
        let writer = LineWriter { buffer: buffer.clone(), file };
        let lines = tracing_subscriber::fmt::layer()
            .with_timer(WallClock(clock.clone()))
            .with_writer(move || writer.clone());
        let own = Targets::new().with_target(env!("CARGO_PKG_NAME"), level);
        let subscriber = tracing_subscriber::registry().with(own).with(lines);
        (Self { buffer, _file: guard }, subscriber)
    }
}

struct WallClock(Clock);

impl FormatTime for WallClock {
    fn format_time(&self, out: &mut Writer<'_>) -> std::fmt::Result {
        write!(out, "{}", self.0.now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ"))
    }
}

/// Writes one line at a time.
#[derive(Clone)]
struct LineWriter {
    buffer: LogBuffer,
    file: Option<NonBlocking>,
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let line = clean(String::from_utf8_lossy(bytes).trim_end());
        if let Some(file) = &mut self.file {
            file.write_all(format!("{line}\n").as_bytes())?;
        }
        self.buffer.push(line);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct LogFile {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
}

impl LogFile {
    fn open(path: PathBuf) -> Result<Self, Failure> {
        let opened = append_to(&path).and_then(|file| Ok((file.metadata()?.len(), file)));
        let (size, file) = opened.map_err(|error| failed("opening the log", &path, error))?;
        Ok(Self { path, file, size, most: MOST_BYTES })
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    open_regular(path, OpenOptions::new().append(true).create(true).mode(0o600))
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.size > 0 && self.size.saturating_add(line.len() as u64) > self.most {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            self.file = append_to(&self.path)?;
            self.size = 0;
        }
        self.file.write_all(line)?;
        self.size = self.size.saturating_add(line.len() as u64);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;

    use jiff::Timestamp;
    use tracing::level_filters::LevelFilter;
    use tracing::subscriber::with_default;

    use crate::clock::Clock;
    use crate::runtime::log::{Log, LogFile, MOST_LINES};

    fn clock() -> Clock {
        Clock::manual(Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn the_latest_lines_of_this_crate_are_kept_and_are_safe_for_a_terminal() {
        let (log, subscriber) = Log::create(&clock(), LevelFilter::TRACE, None);
        with_default(subscriber, || {
            tracing::info!(target: "hyper", "a body");
            tracing::trace!(error = "x\u{1b}]0;evil\u{7}\n", "line\none");
            let lines = log.buffer.lines();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(lines[0].starts_with("1970-01-01T00:00:00.000Z TRACE skeys::"), "{lines:?}");
            assert!(lines[0].chars().all(|c| !c.is_control()), "{lines:?}");
            for number in 0..MOST_LINES {
                tracing::info!("{number}");
            }
        });
        let lines = log.buffer.lines();
        assert_eq!(lines.len(), MOST_LINES);
        assert!(lines[0].ends_with(": 0"), "{}", lines[0]);
    }

    #[test]
    fn what_is_below_the_level_is_left_out() {
        let (log, subscriber) = Log::create(&clock(), LevelFilter::INFO, None);
        with_default(subscriber, || {
            tracing::debug!("quiet");
            tracing::info!("loud");
        });
        assert!(matches!(&log.buffer.lines()[..], [line] if line.ends_with("loud")));
    }

    #[test]
    fn the_file_is_private_appended_to_and_rotated_once_it_is_full() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("skeys.log");
        for line in ["first\n", "second\n"] {
            let mut file = LogFile::open(path.clone()).unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "first\nsecond\n");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut file = LogFile { most: 16, ..LogFile::open(path.clone()).unwrap() };
        file.write_all(b"third\n").unwrap();
        file.write_all(b"fourth\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "third\nfourth\n");
        let old = std::fs::read_to_string(home.path().join("skeys.log.1")).unwrap();
        assert_eq!(old, "first\nsecond\n");
        let Err(failure) = LogFile::open(home.path().to_owned()) else { panic!("it is a folder") };
        assert!(failure.message.contains("it is a folder"), "{failure}");
    }

    #[test]
    fn a_log_that_ends_has_written_every_line() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("skeys.log");
        let file = LogFile::open(path.clone()).unwrap();
        let (log, subscriber) = Log::create(&clock(), LevelFilter::INFO, Some(file));
        with_default(subscriber, || tracing::info!("the last one"));
        drop(log);
        assert!(std::fs::read_to_string(&path).unwrap().ends_with("the last one\n"));
    }
}
