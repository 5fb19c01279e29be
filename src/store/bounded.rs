//! Opens, reads and locks files without waiting for ever: a FIFO that nobody writes, and a lock that somebody holds.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// How long a lock is waited for, and how long nothing may come out of a FIFO.
const WAIT: Duration = Duration::from_secs(2);
/// A lock is tried this often.
const PAUSE: Duration = Duration::from_millis(50);

/// What a file is, where it is not a regular one ("a FIFO").
pub fn odd_kind(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a FIFO")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// Opens a regular file.
///
/// # Errors
/// The system's, or that it is another kind of file. Nothing waits for the other end of a FIFO.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let refused = || odd_kind(path).map(|kind| io::Error::other(format!("it is {kind}")));
    if let Some(refused) = refused() {
        return Err(refused);
    }
    let file = nonblocking(options).open(path)?;
    // Another one may stand there by now.
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused().unwrap_or_else(|| io::Error::other("it is no regular file")))
    }
}

/// Reads a file to its end; from a FIFO what its writer writes.
///
/// # Errors
/// The system's; that there is more than `most` bytes; that nothing came for two seconds.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = nonblocking(OpenOptions::new().read(true)).open(path)?;
    let is_regular = file.metadata()?.is_file();
    let mut bytes = Vec::new();
    let mut limited = file.take(most.saturating_add(1));
    loop {
        if !is_regular && !is_readable(limited.get_ref())? {
            let text = format!("nothing came out of it for {} seconds", WAIT.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        match limited.read_to_end(&mut bytes) {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Waits until there is something to read, or the writer has gone.
fn is_readable(file: &File) -> io::Result<bool> {
    let limit = Timespec { tv_sec: WAIT.as_secs().cast_signed(), tv_nsec: 0 };
    let mut fds = [PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)];
    Ok(poll(&mut fds, Some(&limit))? > 0)
}

fn nonblocking(options: &mut OpenOptions) -> &mut OpenOptions {
    let flag = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    options.custom_flags(flag)
}

/// Takes the lock of a file, which the system gives back when the file is closed.
///
/// # Errors
/// The system's, or who has held it for two seconds.
pub fn lock(file: &File) -> io::Result<()> {
    let mut waited = Duration::ZERO;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) if waited >= WAIT => {
                let holder = holder(file).unwrap_or_else(|| "another process".to_owned());
                let text = format!("its lock is held by {holder}");
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
            Err(TryLockError::WouldBlock) => {
                std::thread::sleep(PAUSE);
                waited = waited.saturating_add(PAUSE);
            }
        }
    }
}

/// Who holds the lock of a file, as far as the system tells ("process 4711 (vim)").
fn holder(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    let process = locks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let process = words.nth(4)?;
        let place = words.next()?;
        (place.rsplit(':').next() == Some(&inode)).then(|| process.to_owned())
    })?;
    // In another namespace it has no number here.
    process.parse::<u32>().ok().filter(|process| *process > 0)?;
    let name = std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    Some(match name.trim() {
        "" => format!("process {process}"),
        name => format!("process {process} ({name})"),
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;
    use std::path::Path;

    use crate::store::bounded::{lock, open_regular, read};

    fn make_fifo(path: &Path) {
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    }

    #[test]
    fn file_26_reading_a_fifo_times_out() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        make_fifo(&path);
        let error = read(&path, 10).unwrap_err();
        assert!(error.to_string().contains("nothing came out of it for 2 seconds"), "{error}");
        let error = open_regular(&path, OpenOptions::new().append(true)).unwrap_err();
        assert_eq!(error.to_string(), "it is a FIFO");
        let writer = std::thread::spawn({
            let path = path.clone();
            move || File::create(path).unwrap().write_all(b"abc").unwrap()
        });
        assert_eq!(read(&path, 10).unwrap(), b"abc");
        writer.join().unwrap();
        let plain = home.path().join("plain");
        std::fs::write(&plain, "12345678901").unwrap();
        assert!(read(&plain, 10).unwrap_err().to_string().contains("larger than 10 bytes"));
        assert_eq!(read(&plain, 11).unwrap().len(), 11);
    }

    #[test]
    fn file_26_the_holder_of_a_lock_is_named() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("locked");
        let held = File::create(&path).unwrap();
        lock(&held).unwrap();
        let other = File::open(&path).unwrap();
        let error = lock(&other).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("its lock is held by "), "{text}");
        if cfg!(target_os = "linux") {
            assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
        }
        drop(held);
        lock(&other).unwrap();
    }
}
