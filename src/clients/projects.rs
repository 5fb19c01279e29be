//! The resource manager API v2: names of projects.

use reqwest::{Method, Url};
use serde::Deserialize;

use crate::clients::auth::TokenSource;
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::Failure;
use crate::domain::text::clean;

/// Talks to one resource manager as one account.
#[derive(Clone)]
pub struct ProjectsClient {
    base: Url,
    http: Http,
    tokens: TokenSource,
}

/// `GetProjectResponse`; only the name is needed.
#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    name: String,
}

impl ProjectsClient {
    /// A client for the API at `base`.
    ///
    /// # Errors
    /// `base` is not https, nor http to this machine itself.
    pub fn new(base: &str, http: Http, tokens: TokenSource) -> Result<Self, Failure> {
        let base = safe_url(base, "the address of the resource manager")?;
        Ok(Self { base, http, tokens })
    }

    /// Name of a project (`GET /v2/projects/{id}`, field `name`).
    ///
    /// # Errors
    /// As for every read; callers show the id instead.
    pub async fn name(&self, id: &ProjectId) -> Result<String, Failure> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["v2", "projects", id.as_str()]);
        }
        let mut request =
            HttpRequest::new(Method::GET, url, format!("read the name of project {id}"));
        request.bearer = Some(self.tokens.token().await?);
        let answer = self.http.send(&request).await?;
        if let Some(failure) = answer.failure(&request) {
            return Err(failure);
        }
        let project: Project = serde_json::from_slice(&answer.body)
            .map_err(|error| answer.format_failure(&request, &error.to_string()))?;
        let name = clean(&project.name);
        if name.is_empty() {
            return Err(answer.format_failure(&request, "it has no name"));
        }
        Ok(name)
    }
}
