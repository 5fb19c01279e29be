//! The lines of a watch: one JSON object each, of bounded length.

use http_body_util::BodyExt as _;
use kube::client::Body;

use crate::clients::kubernetes::error::{KubeError, reasons};

/// Longest line; an object larger than this cannot be stored by a server.
const LONGEST: usize = 16 * 1024 * 1024;

/// A body that is read line by line. Dropping a pending [`Lines::next`] loses nothing.
pub struct Lines {
    body: Body,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are known to hold no line end.
    searched: usize,
}

impl Lines {
    /// Begins to read.
    pub fn new(body: Body) -> Self {
        Self { body, buffer: Vec::new(), searched: 0 }
    }

    /// The next line; `None` at the end. A line that was cut is dropped: the version before it is where to go on.
    ///
    /// # Errors
    /// The connection broke, or a line is too long.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, KubeError> {
        loop {
            let unsearched = self.buffer.get(self.searched..).unwrap_or_default();
            if let Some(at) = unsearched.iter().position(|byte| *byte == b'\n') {
                let rest =
                    self.buffer.split_off(self.searched.saturating_add(at).saturating_add(1));
                let line = std::mem::replace(&mut self.buffer, rest);
                self.searched = 0;
                if !line.trim_ascii().is_empty() {
                    return Ok(Some(line));
                }
                continue;
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > LONGEST {
                return Err(KubeError::TooLarge(LONGEST));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.buffer.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(KubeError::Broken(reasons(&error))),
                None => return Ok(None),
            }
        }
    }
}
