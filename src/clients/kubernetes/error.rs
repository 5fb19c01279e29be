//! Errors of requests to a cluster's API server, grouped by how the caller can react.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;
use rustls::AlertDescription;

use crate::clients::error_chain::{describe_error, find_source, shorten};
use crate::domain::cluster::ClusterName;
use crate::domain::failure::{Cause, Failure, FailureKind};
use crate::domain::text::clean;

/// A reason in words, cleaned and without secrets, and the underlying error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    text: String,
    cause: Cause,
}

impl Reason {
    /// The innermost messages of an error.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        Self { text: describe_error(&error), cause: Cause::new(error) }
    }
}

impl From<&str> for Reason {
    fn from(text: &str) -> Self {
        Self { text: shorten(text), cause: Cause::default() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Reason {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.error()
    }
}

/// Why a request to an API server failed. Texts are cleaned and contain no secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KubeError {
    /// No connection: name resolution, refused, filtered.
    #[error("no connection ({0})")]
    Unreachable(#[source] Reason),
    /// The server certificate is signed by none of the kubeconfig's CAs: they were replaced, or a proxy intercepts TLS.
    #[error("the server certificate is not this cluster's ({0})")]
    Untrusted(#[source] Reason),
    /// The connection closed before a response. With TLS 1.3 a rejected client certificate looks the same at first: the
    /// alert arrives after the client considers itself connected.
    #[error("the connection broke before an answer ({0})")]
    Broken(#[source] Reason),
    /// Timeout.
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// HTTP 401, or the server aborted the handshake because of our certificate.
    #[error("credentials rejected ({0})")]
    Refused(#[source] Reason),
    /// HTTP 403.
    #[error("forbidden ({0})")]
    Forbidden(String),
    /// HTTP 404, 405 or 501: this server does not serve the resource.
    #[error("not served ({0})")]
    NotServed(String),
    /// HTTP 410, or an event with that code: the resource version is no longer available.
    #[error("resource version expired ({0})")]
    Gone(String),
    /// HTTP 429, with `Retry-After` if present.
    #[error("too many requests")]
    Busy(Option<Duration>),
    /// Any other status.
    #[error("{message} (HTTP {code})")]
    Status {
        /// HTTP status.
        code: u16,
        /// The server's text.
        message: String,
    },
    /// The response does not match the API.
    #[error("the answer does not match the Kubernetes API ({0})")]
    Format(String),
    /// The response exceeds the limit, in bytes.
    #[error("the answer is larger than {} MiB and was refused", .0 / (1024 * 1024))]
    TooLarge(usize),
}

impl KubeError {
    /// A non-success response, from its status and its body (a `Status` object or anything else).
    pub fn from_answer(status: StatusCode, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let text = serde_json::from_slice::<kube::core::Status>(body).map_or_else(
            |_no_status| {
                if body.trim_ascii_start().first() == Some(&b'<') {
                    "a web page, possibly from a proxy".to_owned()
                } else {
                    shorten(&String::from_utf8_lossy(body))
                }
            },
            |status| shorten(&status.message),
        );
        let text = if text.is_empty() {
            status.canonical_reason().unwrap_or("no reason given").to_owned()
        } else {
            text
        };
        match status.as_u16() {
            401 => Self::Refused(format!("HTTP 401 {text}").as_str().into()),
            403 => Self::Forbidden(text),
            404 | 405 | 501 => Self::NotServed(text),
            410 => Self::Gone(text),
            429 => Self::Busy(retry_after),
            code => Self::Status { code, message: text },
        }
    }

    /// An error of a watch, which arrives as an event.
    pub fn from_event(status: &kube::core::Status) -> Self {
        let code = if status.reason == "Expired" || status.reason == "Gone" {
            StatusCode::GONE
        } else {
            StatusCode::from_u16(status.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        };
        let retry_after =
            status.details.as_ref().map(|details| u64::from(details.retry_after_seconds));
        let retry_after = retry_after.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        let body = serde_json::to_vec(status).unwrap_or_default();
        Self::from_answer(code, retry_after, &body)
    }

    /// A request that failed without a response.
    pub fn from_sending(error: kube::Error) -> Self {
        let connecting = find_source::<hyper_util::client::legacy::Error>(&error)
            .is_some_and(hyper_util::client::legacy::Error::is_connect);
        match Self::from_tls(error) {
            Ok(found) => found,
            Err(error) if connecting => Self::Unreachable(Reason::of(error)),
            Err(error) => Self::Broken(Reason::of(error)),
        }
    }

    /// A handshake that failed.
    pub fn from_handshake(error: std::io::Error) -> Self {
        Self::from_tls(error).unwrap_or_else(|error| Self::Unreachable(Reason::of(error)))
    }

    /// Classifies TLS errors: an alert about our certificate is a rejection, a certificate that we do not trust is
    /// another cluster's, everything else is an unreachable server.
    fn from_tls<E: Error + Send + Sync + 'static>(error: E) -> Result<Self, E> {
        let (text, variant): (String, fn(Reason) -> Self) =
            match find_source::<rustls::Error>(&error) {
                None => return Err(error),
                Some(rustls::Error::AlertReceived(alert)) if is_about_our_certificate(*alert) => {
                    (format!("TLS alert {alert:?}"), Self::Refused)
                }
                Some(rustls::Error::InvalidCertificate(reason)) => {
                    (format!("{reason:?}"), Self::Untrusted)
                }
                Some(tls) => (tls.to_string(), Self::Unreachable),
            };
        Ok(variant(Reason { text: shorten(&text), cause: Cause::new(error) }))
    }

    /// Whether the connection or the credentials are at fault, rather than the request.
    pub fn is_about_the_connection(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::Untrusted(_)
            | Self::Broken(_)
            | Self::TimedOut(_)
            | Self::Refused(_) => true,
            Self::Forbidden(_)
            | Self::NotServed(_)
            | Self::Gone(_)
            | Self::Busy(_)
            | Self::Status { .. }
            | Self::Format(_)
            | Self::TooLarge(_) => false,
        }
    }

    /// Whether a watch cannot resume from its version.
    pub fn asks_for_a_new_list(&self) -> bool {
        // HTTP 400 may mean that the server does not accept the version.
        matches!(
            self,
            Self::Gone(_) | Self::Format(_) | Self::TooLarge(_) | Self::Status { code: 400, .. }
        )
    }

    /// The failure for the screen: cluster, host and remedy.
    pub fn failure(&self, cluster: &ClusterName, host: &str) -> Failure {
        let kind = match self {
            Self::Unreachable(_) | Self::Untrusted(_) | Self::Broken(_) => FailureKind::Unreachable,
            Self::TimedOut(_) => FailureKind::TimedOut,
            Self::Refused(_) => FailureKind::Refused,
            Self::Forbidden(_) => FailureKind::Forbidden,
            Self::NotServed(_) => FailureKind::NotFound,
            Self::Busy(_) => FailureKind::RateLimited,
            Self::Gone(_) | Self::Status { .. } => FailureKind::Server,
            Self::Format(_) => FailureKind::Format,
            Self::TooLarge(_) => FailureKind::TooLarge,
        };
        let message = format!("the API server of {cluster} ({host}): {self}");
        let failure = Failure::new(kind, clean(&message)).caused_by(self.clone());
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::TimedOut(_) => {
                failure.hint("Check the network, the proxy, and the cluster's access control list")
            }
            Self::Untrusted(_) => {
                failure.hint("If this persists, a proxy may intercept TLS: exclude this host")
            }
            Self::Refused(_) => {
                failure.hint("If this persists, check in the portal that the cluster is healthy")
            }
            Self::Forbidden(_) => failure.hint("The account's kubeconfig lacks this permission"),
            Self::NotServed(_)
            | Self::Gone(_)
            | Self::Busy(_)
            | Self::Status { .. }
            | Self::Format(_)
            | Self::TooLarge(_) => failure,
        }
    }
}

/// Alerts with which a server rejects the client's certificate.
pub fn is_about_our_certificate(alert: AlertDescription) -> bool {
    matches!(
        alert,
        AlertDescription::NoCertificate
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::CertificateRequired
    )
}
