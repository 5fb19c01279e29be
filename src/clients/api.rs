//! One JSON API at one address, asked as one account.

use reqwest::{Method, Url};
use serde::de::DeserializeOwned;

use crate::clients::auth::TokenSource;
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::clients::response::HttpResponse;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::Secret;

/// Asks one API as one account. Clones share connections and token.
#[derive(Clone)]
pub struct ApiClient {
    pub base: Url,
    pub http: Http,
    pub tokens: TokenSource,
}

impl ApiClient {
    /// A client for the API at `base`; `what` names that address.
    ///
    /// # Errors
    /// `base` is not https, nor http to this machine itself.
    pub fn new(base: &str, what: &str, http: Http, tokens: TokenSource) -> Result<Self, Failure> {
        let mut base = safe_url(base, what)?;
        base.set_query(None);
        base.set_fragment(None);
        Ok(Self { base, http, tokens })
    }

    /// The address of a path. Every element stays one element: a name can never change which endpoint is meant.
    ///
    /// # Errors
    /// An element that would be another path.
    pub fn url(&self, path: &[&str]) -> Result<Url, Failure> {
        if let Some(element) = path.iter().find(|element| matches!(**element, "" | "." | "..")) {
            let message = format!("\"{element}\" is not a valid project, region or cluster");
            return Err(Failure::new(FailureKind::NotPossible, message));
        }
        let mut url = self.base.clone();
        // Fails only for addresses without a host, which `safe_url` does not let through.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        Ok(url)
    }

    /// Sends with a token; after a 401, which had no effect, once more with a renewed one.
    ///
    /// # Errors
    /// No whole answer came, or there is no other token.
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

    /// Reads an answer of at most `limit` bytes.
    ///
    /// # Errors
    /// There is no token, no good answer, or it is not what the API describes.
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

/// A token that could not be had leaves no doubt about a write: it was not sent.
pub fn mark_not_sent(request: &HttpRequest, mut failure: Failure) -> Failure {
    if request.method != Method::GET && failure.leaves_outcome_unknown() {
        failure.kind = FailureKind::NotPossible;
        failure.message.push_str("; nothing was sent");
    }
    failure
}
