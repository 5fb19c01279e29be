//! The resource manager API v2: names of projects.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::clients::api::ApiClient;
use crate::clients::auth::TokenSource;
use crate::clients::http::Http;
use crate::clients::list_body::ListBody;
use crate::clients::request::ANSWER_LIMIT;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::lenient::or_default;
use crate::domain::text::clean;

/// A client of one resource manager as one account.
#[derive(Clone)]
pub struct ProjectsClient {
    api: ApiClient,
}

/// An item of `ListProjectsResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedProject {
    #[serde(default, deserialize_with = "or_default")]
    project_id: String,
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

/// Projects per page, the API's maximum.
const PAGE: usize = 100;
/// Maximum pages to read.
const PAGES: usize = 100;

/// `GetProjectResponse`; only the name is needed.
#[derive(Deserialize)]
struct Project {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl ProjectsClient {
    /// A client for the API at `base`.
    ///
    /// # Errors
    /// `base` is neither https nor http on loopback.
    pub fn new(base: &str, http: Http, tokens: TokenSource) -> Result<Self, Failure> {
        let api = ApiClient::new(base, "the address of the resource manager", http, tokens)?;
        Ok(Self { api })
    }

    /// Names of all projects of a member (`GET /v2/projects`, in pages).
    pub async fn of_member(&self, email: &str) -> Result<BTreeMap<ProjectId, String>, Failure> {
        let mut names = BTreeMap::new();
        for page in 0..PAGES {
            let mut url = self.api.url(&["v2", "projects"])?;
            let (limit, offset) = (PAGE.to_string(), (page * PAGE).to_string());
            let query = [("member", email), ("limit", &limit), ("offset", &offset)];
            url.query_pairs_mut().extend_pairs(query);
            let purpose = format!("list the projects of {email}");
            let ListBody::<Vec<ListedProject>>(found) =
                self.api.read(url, purpose, ANSWER_LIMIT).await?;
            let is_last = found.len() < PAGE;
            let named = found.into_iter().filter(|project| !project.name.is_empty());
            names.extend(named.map(|p| (ProjectId::new(clean(&p.project_id)), clean(&p.name))));
            if is_last {
                break;
            }
        }
        Ok(names)
    }

    /// Name of a project (`GET /v2/projects/{id}`, field `name`).
    ///
    /// # Errors
    /// As for every read; callers fall back to the id.
    pub async fn name(&self, id: &ProjectId) -> Result<String, Failure> {
        let url = self.api.url(&["v2", "projects", id.as_str()])?;
        let purpose = format!("read the name of project {id}");
        let project: Project = self.api.read(url, purpose, ANSWER_LIMIT).await?;
        let name = clean(&project.name);
        if name.is_empty() {
            let text = format!("could not read the name of project {id}: it has none");
            return Err(Failure::new(FailureKind::Format, text));
        }
        Ok(name)
    }
}
