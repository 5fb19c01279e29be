//! The resource manager API v2: names of projects.

use std::collections::BTreeMap;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::clients::auth::TokenSource;
use crate::clients::http::{Http, safe_url};
use crate::clients::request::HttpRequest;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::clean;

/// Talks to one resource manager as one account.
#[derive(Clone)]
pub struct ProjectsClient {
    base: Url,
    http: Http,
    tokens: TokenSource,
}

/// A page of `ListProjectsResponse`.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<ListedProject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedProject {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    name: String,
}

/// Projects of a page, at most: as many as the API gives.
const PAGE: usize = 100;
/// Pages that are read, at most.
const PAGES: usize = 100;

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

    /// Names of all projects of a member (`GET /v2/projects`, in pages).
    ///
    /// # Errors
    /// As for every read.
    pub async fn of_member(&self, email: &str) -> Result<BTreeMap<ProjectId, String>, Failure> {
        let mut names = BTreeMap::new();
        for page in 0..PAGES {
            let mut url = self.base.clone();
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.pop_if_empty().extend(["v2", "projects"]);
            }
            let (limit, offset) = (PAGE.to_string(), (page * PAGE).to_string());
            let query = [("member", email), ("limit", &limit), ("offset", &offset)];
            url.query_pairs_mut().extend_pairs(query);
            let found: Page = self.read(url, format!("list the projects of {email}")).await?;
            let is_last = found.items.len() < PAGE;
            let named = found.items.into_iter().filter(|project| !project.name.is_empty());
            names.extend(named.map(|p| (ProjectId::new(clean(&p.project_id)), clean(&p.name))));
            if is_last {
                break;
            }
        }
        Ok(names)
    }

    async fn read<T: DeserializeOwned>(&self, url: Url, purpose: String) -> Result<T, Failure> {
        let mut request = HttpRequest::new(Method::GET, url, purpose);
        request.bearer = Some(self.tokens.token().await?);
        let answer = self.http.send(&request).await?;
        match answer.failure(&request) {
            Some(failure) => Err(failure),
            None => serde_json::from_slice(&answer.body)
                .map_err(|error| answer.format_failure(&request, &error.to_string())),
        }
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
        let project: Project = self.read(url, format!("read the name of project {id}")).await?;
        let name = clean(&project.name);
        if name.is_empty() {
            let text = format!("could not read the name of project {id}: it has none");
            return Err(Failure::new(FailureKind::Format, text));
        }
        Ok(name)
    }
}
