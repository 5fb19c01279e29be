//! A client for one JSON API at one base URL, authenticated as one account.

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::clients::auth::TokenSource;
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::clients::response::HttpResponse;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;

/// Sends requests to one API as one account. Clones share connections and token.
#[derive(Clone)]
pub struct ApiClient {
    pub base: Url,
    pub http: Http,
    pub tokens: TokenSource,
}

impl ApiClient {
    /// A client for the API at `base`; `what` names that URL in errors.
    ///
    /// # Errors
    /// `base` is neither https nor http on loopback.
    pub fn new(base: &str, what: &str, http: Http, tokens: TokenSource) -> Result<Self, Failure> {
        let mut base = safe_url(base, what)?;
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base, http, tokens })
    }

    /// The URL of a path. Each element is percent-encoded as one segment, so a name can never change the endpoint.
    ///
    /// # Errors
    /// An element is empty, "." or "..".
    pub fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        if let Some(element) = path.iter().find(|element| matches!(**element, "" | "." | "..")) {
            let message = format!("\"{element}\" is not a valid project, region or cluster");
            return Err(Failure::new(FailureKind::NotPossible, message));
        }
        let mut url = self.base.clone();
        // Fails only for URLs that cannot be a base, which `safe_url` rejects.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    /// Sends with a token; after a 401, which had no effect, once more with a renewed one.
    ///
    /// # Errors
    /// No complete response, or no other token is available.
    pub async fn send(
        &self,
        mut request: HttpRequest,
        token: Secret,
    ) -> Result<HttpResponse, Failure> {
        request.bearer = Some(token.clone());
        let answer = self.http.send(&request).await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let renewed = self.tokens.renew(&token).await;
        let renewed =
            renewed.map_err(|failure| answer.decorate(mark_not_sent(&request, failure)))?;
        request.bearer = Some(renewed);
        self.http.send(&request).await
    }

    /// Reads a response of at most `limit` bytes.
    ///
    /// # Errors
    /// No token, no successful response, or a body that does not match the API.
    pub async fn read<T: DeserializeOwned>(
        &self,
        url: Url,
        purpose: String,
        limit: usize,
    ) -> Result<T, Failure> {
        let request = HttpRequest { limit, ..HttpRequest::new(Method::GET, url, purpose) };
        let token = self.tokens.token().await?;
        let answer = self.send(request.clone(), token).await?;
        match answer.failure(&request) {
            Some(failure) => Err(failure),
            None => serde_json::from_slice(&answer.body)
                .map_err(|error| answer.format_failure(&request, &error.to_string())),
        }
    }
}

/// A missing token leaves no doubt about a write: it was not sent.
pub fn mark_not_sent(request: &HttpRequest, mut failure: Failure) -> Failure {
    if request.method != Method::GET && failure.leaves_outcome_unknown() {
        failure.kind = FailureKind::NotPossible;
        failure.message.push_str("; nothing was sent");
    }
    failure
}
