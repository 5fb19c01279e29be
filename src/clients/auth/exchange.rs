//! Exchanges a signed assertion for an access token at the token endpoint.

use std::sync::Mutex;

use jiff::SignedDuration;
use reqwest::{Method, Url};
use serde::Deserialize;
use serde_json::Value;

use crate::clients::auth::claims;
use crate::clients::auth::key::ServiceAccountKey;
use crate::clients::auth::source::IssuedToken;
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::clients::response::HttpResponse;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;

/// Default token endpoint of STACKIT, if neither configuration nor key sets one.
pub const DEFAULT_ENDPOINT: &str = "https://service-account.api.stackit.cloud/token";
/// Clock skew above this is mentioned when the endpoint refuses.
pub const SKEW_WORTH_SAYING: SignedDuration = SignedDuration::from_secs(60);

/// A key, and the endpoint that exchanges it.
pub struct Exchange {
    pub key: ServiceAccountKey,
    http: Http,
    endpoint: Mutex<Url>,
    /// Fallback if the key's own endpoint does not know the key; `None` if an endpoint is configured.
    default_endpoint: Option<Url>,
}

/// Response of the token endpoint, reduced to the fields in use.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    /// Seconds, as a number or a string.
    #[serde(default)]
    expires_in: Option<Value>,
}

impl Exchange {
    /// Endpoint order: configuration, key, default.
    ///
    /// # Errors
    /// An endpoint is not a URL that may receive an assertion.
    pub fn new(
        key: ServiceAccountKey,
        configured: Option<String>,
        http: Http,
        default_endpoint: &str,
    ) -> Result<Self, Failure> {
        let default_endpoint = safe_url(default_endpoint, "the token endpoint")?;
        let (endpoint, default_endpoint) = match (configured, &key.token_endpoint) {
            (Some(text), _) => (safe_url(&text, "the token endpoint")?, None),
            (None, Some(inside)) => (inside.clone(), Some(default_endpoint)),
            (None, None) => (default_endpoint, None),
        };
        Ok(Self { key, http, endpoint: Mutex::new(endpoint), default_endpoint })
    }

    /// Exchanges the key once; falls back to the default endpoint if the key's own endpoint does not know the key.
    ///
    /// # Errors
    /// Refused, unreachable, or an answer without a token.
    pub async fn issue_token(&self) -> Result<IssuedToken, Failure> {
        let endpoint =
            self.endpoint.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        let failure = match self.request_token(&endpoint).await {
            Ok(granted) => return Ok(granted),
            Err(failure) => failure,
        };
        let unknown_key =
            failure.message.contains("Key with kid") && failure.message.contains("not found");
        let default = self.default_endpoint.as_ref().filter(|default| **default != endpoint);
        let Some(default) = default.filter(|_| unknown_key) else { return Err(failure) };
        let granted = match self.request_token(default).await {
            Ok(granted) => granted,
            Err(other) => {
                let mut failure = failure;
                failure.message.push_str("; the default endpoint was tried as well: ");
                failure.message.push_str(&other.sentence());
                return Err(failure);
            }
        };
        let host = |url: &Url| url.host_str().unwrap_or("?").to_owned();
        let note = format!(
            "the token endpoint {} does not know the key; the default {} does and is used: \
             remove tokenEndpoint from the key",
            host(&endpoint),
            host(default)
        );
        *self.endpoint.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = default.clone();
        Ok(IssuedToken { note: Some(note), ..granted })
    }

    async fn request_token(&self, endpoint: &Url) -> Result<IssuedToken, Failure> {
        let assertion = self.key.assertion(self.http.clock().now())?;
        let form = Form {
            endpoint,
            account: &self.key.account(),
            fields: &[
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion.expose()),
            ],
            remedy: "check that the service account and its key still exist",
        };
        form.request_token(&self.http, &assertion).await
    }
}

/// A form for a token endpoint.
pub struct Form<'a> {
    pub endpoint: &'a Url,
    /// Account that the token is for.
    pub account: &'a str,
    pub fields: &'a [(&'a str, &'a str)],
    /// What the user can do if it is refused.
    pub remedy: &'a str,
}

impl Form<'_> {
    fn encode(&self) -> Secret {
        // Reallocation would leave copies of the secret in memory.
        let length = |text: &str| text.len().saturating_mul(3).saturating_add(2);
        let room = self.fields.iter().map(|(name, value)| length(name) + length(value)).sum();
        let mut form = form_urlencoded::Serializer::new(String::with_capacity(room));
        Secret::new(form.extend_pairs(self.fields).finish())
    }

    /// Exchanges the assertion in one of the fields for a token.
    ///
    /// # Errors
    /// Refused, unreachable, or an answer without a token.
    pub async fn request_token(
        &self,
        http: &Http,
        assertion: &Secret,
    ) -> Result<IssuedToken, Failure> {
        let now = http.clock().now();
        let purpose = format!("get a token for {}", self.account);
        let mut request = HttpRequest::new(Method::POST, self.endpoint.clone(), purpose);
        request.body = Some(("application/x-www-form-urlencoded", self.encode()));
        request.secrets = vec![assertion.clone()];
        request.answers_secret = true;
        let answer = http.send(&request).await.map_err(as_transient)?;
        if let Some(failure) = answer.failure(&request) {
            return Err(explain_refusal(&answer, failure, self.remedy));
        }
        let skew = answer.skew;
        let wrong = |what: &str| answer.format_failure(&request, what);
        let token: TokenResponse = serde_json::from_slice(&answer.body)
            .map_err(|_may_quote_the_token| wrong("it is not JSON with an access_token"))?;
        let secret = Secret::new(token.access_token);
        let secret = claims::check_token(secret.expose(), "the token endpoint")?;
        // Relative to our clock, so that clock skew does not cause repeated renewals.
        let until = token
            .expires_in
            .and_then(|value| value.as_i64().or_else(|| value.as_str()?.parse().ok()))
            .and_then(|seconds| now.saturating_add(SignedDuration::from_secs(seconds)).ok())
            .or_else(|| {
                claims::read(&secret)
                    .expires
                    .and_then(|until| until.saturating_sub(skew.unwrap_or_default()).ok())
            });
        Ok(IssuedToken::new(secret, until))
    }
}

/// An exchange has no side effects and can be retried: an unreachable endpoint is transient.
pub fn as_transient(mut failure: Failure) -> Failure {
    if failure.kind == FailureKind::NotPossible {
        failure.kind = FailureKind::Unreachable;
    }
    failure
}

fn explain_refusal(answer: &HttpResponse, mut failure: Failure, remedy: &str) -> Failure {
    let is_refusal = (400..500).contains(&answer.status) && !failure.is_transient();
    if is_refusal && answer.is_html() {
        failure.kind = FailureKind::Server;
    }
    if !is_refusal || answer.is_html() {
        return failure;
    }
    failure.kind = FailureKind::SignedOut;
    failure.hint = Some(remedy.to_owned());
    if let Some(skew) = answer.skew
        && skew.abs() > SKEW_WORTH_SAYING
    {
        let minutes = skew.abs().as_secs().saturating_add(30) / 60;
        let direction = if skew.is_negative() { "ahead of" } else { "behind" };
        failure.message = format!(
            "{}; this machine's clock is about {minutes} min {direction} the server's",
            failure.message
        );
        failure.hint = Some("set this machine's clock, then retry".to_owned());
    }
    failure
}
