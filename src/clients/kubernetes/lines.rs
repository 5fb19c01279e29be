//! The lines of a watch: one JSON object each, of bounded length.

use std::future::ready;
use std::io;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use http_body_util::BodyExt as _;
use kube::client::Body;
use tokio_util::bytes::BytesMut;
use tokio_util::codec::{Decoder, FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use crate::clients::kubernetes::error::{KubeError, Reason};

/// Maximum line length; servers cannot store larger objects.
const LONGEST: usize = 16 * 1024 * 1024;

/// The lines of a body. Cancel-safe.
pub type Lines = BoxStream<'static, Result<String, KubeError>>;

/// Reads a body line by line; skips blank lines.
pub fn lines(body: Body) -> Lines {
    let chunks = body.into_data_stream().map_err(io::Error::other);
    FramedRead::new(StreamReader::new(chunks), WholeLines::new(LONGEST))
        .map_err(|error| match error {
            LinesCodecError::MaxLineLengthExceeded => KubeError::TooLarge(LONGEST),
            LinesCodecError::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                KubeError::Format("a line is not UTF-8".to_owned())
            }
            LinesCodecError::Io(error) => KubeError::Broken(Reason::of(error)),
        })
        .try_filter(|line| ready(!line.trim().is_empty()))
        .boxed()
}

/// Drops a line truncated by the end of the stream: the watch resumes from the version before it.
struct WholeLines(LinesCodec);

impl WholeLines {
    fn new(longest: usize) -> Self {
        Self(LinesCodec::new_with_max_length(longest))
    }
}

impl Decoder for WholeLines {
    type Item = String;
    type Error = LinesCodecError;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<String>, LinesCodecError> {
        self.0.decode(buffer)
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<String>, LinesCodecError> {
        let line = self.0.decode(buffer)?;
        if line.is_none() {
            buffer.clear();
        }
        Ok(line)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt as _;
    use kube::client::Body;
    use tokio_util::codec::FramedRead;

    use crate::clients::kubernetes::error::KubeError;
    use crate::clients::kubernetes::lines::{WholeLines, lines};

    async fn read(body: &[u8]) -> Result<Vec<String>, KubeError> {
        lines(Body::from(body.to_vec())).try_collect().await
    }

    #[tokio::test]
    async fn k8s_02_blank_and_truncated_lines_are_omitted() {
        assert_eq!(read(b"one\r\n\n \ntwo\nthr").await.unwrap(), ["one", "two"]);
        assert!(read(b"").await.unwrap().is_empty());
        assert!(read(b"cut").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_line_that_is_not_utf_8_is_refused() {
        assert!(matches!(read(b"\xff\xfe\n").await, Err(KubeError::Format(_))));
    }

    #[tokio::test]
    async fn k8s_07_a_line_without_an_end_is_bounded() {
        let of = |text: &'static [u8]| FramedRead::new(text, WholeLines::new(4));
        assert_eq!(of(b"four\n").try_collect::<Vec<_>>().await.unwrap(), ["four"]);
        for long in [&b"five5\n"[..], b"five5", b"ok\nfive5"] {
            of(long).try_collect::<Vec<_>>().await.unwrap_err();
        }
    }
}
