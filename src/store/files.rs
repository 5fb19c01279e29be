//! Opens and reads the user's files. Only [`read`] waits for the other end of a FIFO.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::text::clean;

/// Kind of a file that is not a regular one ("a FIFO").
pub fn irregular_kind(path: &Path) -> Option<&'static str> {
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
/// The system's, or it is not a regular file.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let refused = || irregular_kind(path).map(|kind| io::Error::other(format!("it is {kind}")));
    if let Some(refused) = refused() {
        return Err(refused);
    }
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = options.custom_flags(nonblocking).open(path)?;
    // It may have been replaced since the check.
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(refused().unwrap_or_else(|| io::Error::other("it is not a regular file")))
    }
}

/// Reads a regular file to its end.
///
/// # Errors
/// The system's, it is not a regular file, or it is larger than `most` bytes.
pub fn read_regular(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_limited(open_regular(path, OpenOptions::new().read(true))?, most)
}

/// Reads a file to its end; from a FIFO, waits for its writer without a timeout.
///
/// # Errors
/// The system's, or there are more than `most` bytes.
pub fn read(path: &Path, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    read_limited(File::open(path)?, most)
}

fn read_limited(file: File, most: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    // It may contain a key: a growing buffer would leave copies behind.
    let length = file.metadata().map_or(0, |data| data.len()).min(most);
    let room = usize::try_from(length).unwrap_or_default().saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::Error::other(format!("it is larger than {most} bytes")));
    }
    Ok(bytes)
}

/// Reads JSON; control characters in its texts are made visible.
///
/// # Errors
/// What is wrong with it, with its line if it is not JSON.
pub fn read_json<T: DeserializeOwned>(text: &str) -> serde_json::Result<T> {
    T::deserialize(cleaned(serde_json::from_str(text)?))
}

fn cleaned(value: Value) -> Value {
    match value {
        Value::String(text) => clean(&text).into(),
        Value::Array(items) => items.into_iter().map(cleaned).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, cleaned(value))).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::Write as _;

    use crate::store::files::{open_regular, read, read_regular};

    #[test]
    fn file_26_a_fifo_is_refused_at_once_or_read_to_its_end() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("fifo");
        let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        let error = open_regular(&path, OpenOptions::new().append(true)).unwrap_err();
        assert_eq!(error.to_string(), "it is a FIFO");
        let writer = std::thread::spawn({
            let path = path.clone();
            move || File::create(path).unwrap().write_all(b"abc").unwrap()
        });
        assert_eq!(*read(&path, 10).unwrap(), b"abc");
        writer.join().unwrap();
        let plain = home.path().join("plain");
        std::fs::write(&plain, "12345678901").unwrap();
        let error = read_regular(&plain, 10).unwrap_err();
        assert!(error.to_string().contains("larger than 10 bytes"), "{error}");
        assert_eq!(read(&plain, 11).unwrap().len(), 11);
    }

    #[test]
    fn host_04_what_is_read_of_a_file_never_moves() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        for size in [0, 1, 31, 32, 33, 5_000, 100_000] {
            std::fs::write(&path, vec![b'k'; size]).unwrap();
            let bytes = read_regular(&path, 100_000).unwrap();
            assert_eq!((bytes.len(), bytes.capacity()), (size, size + 1));
        }
    }
}
