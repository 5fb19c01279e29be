//! Authorization API v2 and resource manager: which projects an account can list, and its permissions there.

use serde::Deserialize;

use crate::clients::api::ApiClient;
use crate::clients::auth::TokenSource;
use crate::clients::http::Http;
use crate::clients::list_body::ListBody;
use crate::clients::projects::ProjectsClient;
use crate::clients::request::LIST_LIMIT;
use crate::domain::cluster::ProjectId;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::lenient::or_default;
use crate::domain::permissions::{Discovered, LIST, Permissions, QUERIED};
use crate::domain::text::clean;

/// Queries the permissions of the tokens' account.
#[derive(Clone)]
pub struct DiscoveryClient {
    api: ApiClient,
    pub names: ProjectsClient,
}

/// An item of `ListUserPermissionsResponse`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldInResource {
    #[serde(default, deserialize_with = "or_default")]
    resource_id: String,
    #[serde(default, deserialize_with = "or_default")]
    resource_type: String,
    #[serde(default, deserialize_with = "or_default")]
    permissions: Vec<HeldPermission>,
}

#[derive(Deserialize)]
struct HeldPermission {
    #[serde(default, deserialize_with = "or_default")]
    name: String,
}

impl DiscoveryClient {
    /// A client for the authorization API at `base`.
    ///
    /// # Errors
    /// `base` is neither https nor http on loopback.
    pub fn new(
        base: &str,
        http: Http,
        tokens: TokenSource,
        names: ProjectsClient,
    ) -> Result<Self, Failure> {
        let api = ApiClient::new(base, "the address of the authorization API", http, tokens)?;
        Ok(Self { api, names })
    }

    /// The account's permissions, and the projects in which it may list clusters.
    ///
    /// # Errors
    /// The token contains no email address.
    pub async fn discover(&self) -> Result<Discovered, Failure> {
        let email = self.email().await?;
        // Whether the API returns projects with all or with any of the requested permissions is not documented, so a
        // single one is requested.
        let listed = self.held(&email, &[LIST]).await;
        let permissions = self.held(&email, &QUERIED).await.ok();
        let projects = match listed {
            Ok(found) => {
                // A project without a name is shown by its id.
                let mut names = self.names.of_member(&email).await.unwrap_or_default();
                Ok(found.projects().map(|id| (id.clone(), names.remove(id))).collect())
            }
            Err(failure) => Err(failure),
        };
        Ok(Discovered { permissions, projects })
    }

    /// The projects in which the account may list clusters.
    pub async fn projects(&self) -> Result<Vec<ProjectId>, Failure> {
        let email = self.email().await?;
        Ok(self.held(&email, &[LIST]).await?.projects().cloned().collect())
    }

    async fn email(&self) -> Result<String, Failure> {
        self.api.tokens.token().await?;
        let who = self.api.tokens.identity().who;
        if who.contains('@') {
            return Ok(who);
        }
        let text =
            "the token names no email address, which is needed to find the account's projects";
        Err(Failure::new(FailureKind::NotPossible, text).hint(
            "Set projects: --project ID, STACKIT_PROJECT_ID or `projects` in the configuration",
        ))
    }

    /// `GET /v2/users/{email}/permissions`: effective permissions in projects.
    async fn held(&self, email: &str, permissions: &[&str]) -> Result<Permissions, Failure> {
        let mut url = self.api.url(&["v2", "users", email, "permissions"])?;
        url.query_pairs_mut()
            .append_pair("resourceType", "project")
            .extend_pairs(permissions.iter().map(|permission| ("permissions", permission)));
        let purpose = format!("read the permissions of {email}");
        let ListBody::<Vec<HeldInResource>>(held) = self.api.read(url, purpose, LIST_LIMIT).await?;
        let mut found = Permissions::default();
        let is_project = |item: &HeldInResource| {
            matches!(item.resource_type.as_str(), "" | "project") && !item.resource_id.is_empty()
        };
        for item in held.into_iter().filter(is_project) {
            let project = ProjectId::new(clean(&item.resource_id));
            for permission in item.permissions {
                found.add(project.clone(), clean(&permission.name));
            }
        }
        Ok(found)
    }
}
