//! An HTTP response, and how its status and body become a failure message.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::clients::request::HttpRequest;
use crate::domain::action::Accepted;
use crate::domain::backoff;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::{clean, cut_end};

/// Maximum width of server text in a message, in columns.
const LONGEST_MESSAGE: usize = 600;

/// Status, relevant headers, and complete body.
pub struct HttpResponse {
    pub status: u16,
    /// `x-trace-id`, cleaned.
    pub trace: Option<String>,
    /// `Retry-After` as a point in time, bounded.
    pub retry_at: Option<Timestamp>,
    /// `Date` minus our clock.
    pub skew: Option<SignedDuration>,
    /// `Content-Type` without parameters, lower case; empty if absent.
    pub content_type: String,
    /// May contain a secret.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpResponse({}, {} bytes)", self.status, self.body.len())
    }
}

impl HttpResponse {
    /// Takes status and headers; the body is filled in later.
    pub fn from_head(response: &reqwest::Response, now: Timestamp) -> Self {
        let headers = response.headers();
        let status = response.status().as_u16();
        let skew = clock_skew(headers, now);
        let server_now = now.saturating_add(skew.unwrap_or_default()).unwrap_or(now);
        Self {
            status,
            trace: header_text(headers, &HeaderName::from_static("x-trace-id"))
                .map(|id| clean(&id)),
            retry_at: header_text(headers, &RETRY_AFTER)
                .and_then(|text| parse_retry_after(&text, server_now))
                .or((status == 429).then_some(backoff::RATE_LIMIT_PAUSE))
                .map(|wait| backoff::retry_after(now, wait)),
            skew,
            content_type: header_text(headers, &CONTENT_TYPE)
                .and_then(|text| text.split(';').next().map(|kind| kind.trim().to_lowercase()))
                .unwrap_or_default(),
            body: Zeroizing::default(),
        }
    }

    /// The failure that this response represents; `None` for 2xx.
    pub fn failure(&self, request: &HttpRequest) -> Option<Failure> {
        if (200..300).contains(&self.status) {
            return None;
        }
        let kind = match self.status {
            401 => FailureKind::SignedOut,
            // A proxy's response says nothing about permissions, clusters and regions.
            403 if self.is_html() => FailureKind::Server,
            404 | 501 if !self.is_error_of_api() => FailureKind::Server,
            403 => FailureKind::Forbidden,
            404 => FailureKind::NotFound,
            408 => FailureKind::TimedOut,
            429 => FailureKind::RateLimited,
            501 => FailureKind::NotOffered,
            500.. => FailureKind::Server,
            _ => FailureKind::Refused,
        };
        let (message, code) = self.error_message();
        let mut failure = request.failure(kind, message);
        failure.code = code;
        Some(self.decorate(failure))
    }

    /// How an asynchronous operation was accepted. The API documents 202 with an object; a 200 without other indication
    /// counts, too.
    ///
    /// # Errors
    /// Any other 2xx response, from a proxy or containing an error, leaves the outcome unknown.
    pub fn accepted(&self, request: &HttpRequest) -> Result<Accepted, Failure> {
        if self.is_html() {
            return Err(self.format_failure(request, "it is a web page"));
        }
        let body: Option<Value> = serde_json::from_slice(&self.body).ok();
        let is_empty = match &body {
            Some(value) => value.as_object().is_some_and(serde_json::Map::is_empty),
            None => self.body.trim_ascii().is_empty(),
        };
        let is_error = body.is_some_and(|value| message_and_code(&value).1.is_some());
        match self.status {
            202 if !is_error => {}
            200 if is_empty => {}
            _ => {
                let (message, code) = self.error_message();
                let detail = format!("the answer does not match the API description: {message}");
                let mut failure = request.failure(FailureKind::Format, detail);
                failure.code = code;
                return Err(self.decorate(failure));
            }
        }
        Ok(Accepted { status: self.status, trace: self.trace.clone() })
    }

    /// Adds the trace id and `Retry-After` to a failure.
    pub fn decorate(&self, mut failure: Failure) -> Failure {
        failure.trace.clone_from(&self.trace);
        failure.retry_at = failure.retry_at.or(self.retry_at);
        failure
    }

    /// The failure for a body that does not match the API; describes it without quoting it.
    pub fn format_failure(&self, request: &HttpRequest, reason: &str) -> Failure {
        let detail = if self.is_html() {
            "the answer is not JSON (text/html from a proxy?)".to_owned()
        } else {
            format!(
                "the answer does not match the API description: {reason} ({} bytes)",
                self.body.len()
            )
        };
        self.decorate(request.failure(FailureKind::Format, detail))
    }

    /// Whether the body is a web page, by its header or its first bytes.
    pub fn is_html(&self) -> bool {
        self.content_type == "text/html" || self.body.trim_ascii_start().first() == Some(&b'<')
    }

    /// Whether the body is a STACKIT API error: unlike a proxy's, it has a code besides the message.
    fn is_error_of_api(&self) -> bool {
        let Ok(value) = serde_json::from_slice::<Value>(&self.body) else { return false };
        let inner = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
        ["code", "error"].into_iter().filter_map(|name| inner.get(name)).any(|code| match code {
            Value::String(code) => !code.is_empty(),
            Value::Number(_) => true,
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        })
    }

    fn error_message(&self) -> (String, Option<String>) {
        let status = format!("HTTP {}", self.status);
        if self.is_html() {
            return (
                format!("{status}, and the answer is not JSON (text/html from a proxy?)"),
                None,
            );
        }
        let text = String::from_utf8_lossy(&self.body);
        let (message, code) = match serde_json::from_str::<Value>(&text) {
            Ok(value) => message_and_code(&value),
            Err(_) => (Some(text.trim().to_owned()), None),
        };
        let message = message.filter(|text| !text.is_empty()).map_or_else(
            || status.clone(),
            |text| format!("{} ({status})", cut_end(&clean(&text), LONGEST_MESSAGE)),
        );
        (message, code.filter(|code| !code.is_empty()).map(|code| cut_end(&clean(&code), 80)))
    }
}

/// Message and code of the three known error formats: SKE, resource manager, token API.
fn message_and_code(value: &Value) -> (Option<String>, Option<String>) {
    let inner = value.get("error").filter(|error| error.is_object()).unwrap_or(value);
    let text = |name: &str| inner.get(name).and_then(scalar_text);
    let message = text("message")
        .filter(|message| !message.is_empty())
        .or_else(|| text("error_description"))
        .or_else(|| text("error"));
    // A code that only repeats the HTTP status adds nothing.
    let word = |name: &str| text(name).filter(|word| word.parse::<i64>().is_err());
    (message, word("code").or_else(|| word("error")).or_else(|| word("status")))
}

fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The server's clock (`Date`) minus ours.
pub fn clock_skew(headers: &HeaderMap, now: Timestamp) -> Option<SignedDuration> {
    Some(parse_http_date(&header_text(headers, &DATE)?)?.duration_since(now))
}

fn header_text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn parse_retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(seconds) => Some(SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX))),
        Err(_) => Some(parse_http_date(text)?.duration_since(now)),
    }
}

fn parse_http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text.trim()).ok()?).ok()
}
