//! The journal: one JSON object per line for each action, in a private, append-only file.

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::domain::cluster::ClusterId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::record::{Record, without_duplicates};
use crate::domain::text::clean;
use crate::store::files::{irregular_kind, open_regular, read_json};
use crate::store::lock::{LockOutcome, locked};
use crate::store::private_file::{self, failed};

/// Most bytes read from the end.
const TAIL_BYTES: u64 = 1024 * 1024;

/// Most bytes that a report reads from the end.
pub const EXTRACT_BYTES: u64 = 32 * 1024 * 1024;

/// Journal records of some clusters.
#[derive(Debug)]
pub struct JournalExtract {
    /// Oldest first, each change once.
    pub records: Vec<Record>,
    /// Lines that could not be read.
    pub skipped: usize,
    /// Whether the file is longer than the part that was read.
    pub is_cut: bool,
}

/// The journal file.
#[derive(Debug, Clone)]
pub struct Journal {
    path: PathBuf,
}

impl Journal {
    /// The journal in a folder; created with the first line.
    ///
    /// # Errors
    /// The path is not a regular file, so nothing can be recorded.
    pub fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("journal.jsonl");
        // Whoever planted a symlink would choose the file that is appended to.
        let is_link = path.symlink_metadata().is_ok_and(|data| data.file_type().is_symlink());
        let kind = if is_link { Some("a symbolic link") } else { irregular_kind(&path) };
        let journal = Self { path };
        let Some(kind) = kind else { return Ok(journal) };
        let text = format!("{} is {kind}; the journal is off for this run", journal.name());
        Err(Failure::new(FailureKind::File, text)
            .hint("Move it, so that skeys can create its journal there"))
    }

    /// Path of the file for display.
    pub fn name(&self) -> String {
        clean(&self.path.display().to_string())
    }

    /// Appends one line with a single write under the file's lock, and flushes it to the disk.
    ///
    /// # Errors
    /// The line was not recorded.
    pub fn append(&self, record: &Record) -> Result<LockOutcome<()>, Failure> {
        if let Some(folder) = private_file::parent(&self.path) {
            private_file::create_folder(&folder)?;
        }
        locked(&self.path, || self.append_without_lock(record))
    }

    /// Appends one line while another process holds the lock: with a single write, it is still whole.
    ///
    /// # Errors
    /// The line was not recorded.
    pub fn append_without_lock(&self, record: &Record) -> Result<(), Failure> {
        let record = Record {
            who: clean(&record.who),
            action: clean(&record.action),
            request: record.request.as_deref().map(clean),
            text: clean(&record.text),
            trace: record.trace.as_deref().map(clean),
            findings: record.findings.iter().map(|finding| clean(finding)).collect(),
            ..record.clone()
        };
        let mut line = serde_json::to_vec(&record).map_err(|error| {
            Failure::new(FailureKind::Bug, format!("A journal record cannot be encoded: {error}"))
        })?;
        line.push(b'\n');
        self.append_bytes(line).map_err(|error| failed("appending", &self.path, error))
    }

    fn append_bytes(&self, line: Vec<u8>) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = open_regular(&self.path, &mut options)?;
        let mut out = Vec::with_capacity(line.len() + 1);
        if file.seek(SeekFrom::End(0))? > 0 {
            let mut last = [0_u8];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                out.push(b'\n');
            }
        }
        out.extend(line);
        file.write_all(&out)?;
        file.sync_data()
    }

    /// The last `count` records, oldest first, each change once, and a note if lines could not be read.
    pub fn tail(&self, count: usize) -> Result<(Vec<Record>, Option<String>), Failure> {
        let (bytes, _) = self.last_bytes(TAIL_BYTES)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut broken = 0_usize;
        let mut records: Vec<Record> = Vec::new();
        for line in text.lines().rev().filter(|line| !line.trim().is_empty()) {
            if records.len() >= count {
                break;
            }
            match read_json::<Record>(line) {
                Ok(record) => records.push(record),
                Err(_) => broken += 1,
            }
        }
        records.reverse();
        let records = without_duplicates(records);
        let note = (broken > 0).then(|| {
            format!("{}: {broken} truncated or unknown journal line(s) are skipped", self.name())
        });
        Ok((records, note))
    }

    /// Records of wanted clusters within the last `most` bytes.
    ///
    /// # Errors
    /// The file exists but cannot be read.
    pub fn extract(
        &self,
        most: u64,
        is_wanted: impl Fn(&ClusterId) -> bool,
    ) -> Result<JournalExtract, Failure> {
        let (bytes, is_cut) = self.last_bytes(most)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut skipped = 0;
        let mut records: Vec<Record> = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            match read_json::<Record>(line) {
                Ok(record) if record.cluster.as_ref().is_some_and(&is_wanted) => {
                    records.push(record);
                }
                Ok(_) => {}
                Err(_) => skipped += 1,
            }
        }
        Ok(JournalExtract { records: without_duplicates(records), skipped, is_cut })
    }

    /// Complete lines from the end, and whether there are more before them; none without a file.
    fn last_bytes(&self, most: u64) -> Result<(Vec<u8>, bool), Failure> {
        match self.read_end(most) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((Vec::new(), false)),
            other => other.map_err(|error| failed("reading", &self.path, error)),
        }
    }

    fn read_end(&self, most: u64) -> io::Result<(Vec<u8>, bool)> {
        let mut file = open_regular(&self.path, OpenOptions::new().read(true))?;
        let length = file.metadata()?.len();
        let start = length.saturating_sub(most);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        if start > 0 {
            // The first line after a cut is incomplete.
            let whole =
                bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
            bytes.drain(..whole);
        }
        Ok((bytes, start > 0))
    }
}
