//! A Kubernetes API under test, real or simulated.

use std::collections::BTreeMap;
use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

/// A watch that has been quiet for this long has sent everything.
const QUIET: Duration = Duration::from_millis(1_500);

/// An API server and a client with all permissions.
#[derive(Clone)]
pub struct Server {
    pub base: String,
    pub client: reqwest::Client,
    /// Presents no certificate.
    pub anonymous: reqwest::Client,
}

/// A request without placeholders.
#[derive(Debug, Clone)]
pub struct Call {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// The response of a server.
#[derive(Debug, Clone)]
pub struct Answer {
    pub code: u16,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

impl Server {
    /// A client that trusts one CA and presents a certificate with its key.
    pub fn new(base: String, authority: &[u8], identity: &[u8]) -> Self {
        let roots = reqwest::Certificate::from_pem_bundle(authority).unwrap();
        let builder = || reqwest::Client::builder().no_proxy().tls_certs_only(roots.clone());
        let identity = reqwest::Identity::from_pem(identity).unwrap();
        let client = builder().identity(identity).build().unwrap();
        Self { base, client, anonymous: builder().build().unwrap() }
    }

    pub async fn send(&self, call: &Call) -> Answer {
        let method = Method::from_bytes(call.method.as_bytes()).unwrap();
        let mut request = self.client.request(method, format!("{}{}", self.base, call.path));
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        if !call.body.is_empty() {
            request = request.body(call.body.clone());
        }
        let answer = request.send().await;
        // A server may close a connection before an oversized body is sent.
        let Ok(mut answer) = answer else {
            return Answer { code: 0, headers: BTreeMap::new(), body: Vec::new() };
        };
        let code = answer.status().as_u16();
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or("").to_owned();
        let headers =
            answer.headers().iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let mut body = Vec::new();
        while let Ok(Ok(Some(bytes))) = tokio::time::timeout(QUIET, answer.chunk()).await {
            body.extend_from_slice(&bytes);
        }
        Answer { code, headers, body }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let headers = vec![("accept".to_owned(), "application/json".to_owned())];
        let method = "GET".to_owned();
        self.send(&Call { method, path: path.to_owned(), headers, body: Vec::new() }).await
    }

    pub async fn write(&self, method: &str, path: &str, kind: &str, body: &Value) -> Answer {
        let headers = vec![("content-type".to_owned(), format!("application/{kind}"))];
        let (method, body) = (method.to_owned(), body.to_string().into_bytes());
        self.send(&Call { method, path: path.to_owned(), headers, body }).await
    }
}
