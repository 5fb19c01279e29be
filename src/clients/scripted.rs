//! A loopback server with scripted responses for tests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Header of a JSON response.
pub const JSON: &str = "Content-Type: application/json\r\n";

/// Answers the n-th connection with the n-th text, repeating the last; an empty text means no response, "reset" closes
/// the connection.
pub struct Server {
    pub base: String,
    /// Complete requests, in order.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Listens on a free port.
    pub async fn start(answers: Vec<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let ledger = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                let mut buffer = [0; 8192];
                while !is_whole(&request) {
                    let read = stream.read(&mut buffer).await.unwrap_or(0);
                    if read == 0 {
                        break;
                    }
                    request.extend_from_slice(&buffer[..read]);
                }
                let number = {
                    let mut ledger = ledger.lock().unwrap();
                    ledger.push(String::from_utf8_lossy(&request).into_owned());
                    ledger.len()
                };
                let answer = answers.get(number - 1).or(answers.last()).cloned().unwrap();
                if answer.is_empty() {
                    tokio::spawn(async move {
                        std::future::pending::<()>().await;
                        drop(stream);
                    });
                } else if answer != "reset" {
                    // A client that rejects the response closes first.
                    let _closed = stream.write_all(answer.as_bytes()).await;
                    let _closed = stream.shutdown().await;
                }
            }
        });
        Self { base, requests }
    }

    /// Number of requests received.
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok())
        .unwrap_or(0);
    body.len() >= length
}

/// Builds a response; each of the `headers` ends with CRLF.
pub fn answer(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    )
}
