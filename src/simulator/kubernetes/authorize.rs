//! Permissions: administrators may do everything, others what RBAC grants to all authenticated users.

use serde_json::json;

use crate::simulator::http::{HttpRequest, JsonResponse};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::status::detailed_failure;
use crate::simulator::kubernetes::user::{AUTHENTICATED, UserInfo};

/// Attributes of a request, derived from its path like in kube-apiserver.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestAttributes {
    pub verb: String,
    /// The path, if it is a non-resource path.
    pub path: Option<String>,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
}

impl RequestAttributes {
    /// The attributes of a request.
    pub fn of(request: &HttpRequest) -> Self {
        let method = request.method.as_str();
        let segments = request.segments();
        let (group, mut rest) = match segments[..] {
            ["api", _, ref rest @ ..] if !rest.is_empty() => ("", rest),
            ["apis", group, _, ref rest @ ..] if !rest.is_empty() => (group, rest),
            _ => {
                let verb = if method == "HEAD" { "get" } else { &*method.to_lowercase() };
                let path = Some(request.path.clone());
                return Self { verb: verb.to_owned(), path, ..Self::default() };
            }
        };
        let watches = rest.first() == Some(&"watch");
        if watches {
            rest = rest.get(1..).unwrap_or_default();
        }
        let mut namespace = "";
        if let ["namespaces", name, more @ ..] = rest {
            namespace = name;
            if !more.is_empty() && !matches!(more, ["status" | "finalize"]) {
                rest = more;
            }
        }
        let part = |index: usize| rest.get(index).copied().unwrap_or_default();
        let (resource, name, subresource) = (part(0), part(1), part(2));
        let is_collection = name.is_empty();
        let verb = match method {
            "GET" | "HEAD" if watches || is_collection && request.is_on("watch") => "watch",
            "GET" | "HEAD" if is_collection => "list",
            "GET" | "HEAD" => "get",
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" if is_collection => "deletecollection",
            "DELETE" => "delete",
            _ => "",
        };
        let own = str::to_owned;
        Self {
            verb: own(verb),
            path: None,
            group: own(group),
            resource: own(resource),
            subresource: own(subresource),
            namespace: own(namespace),
            name: own(name),
        }
    }

    /// Whether a user is allowed to do it.
    pub fn are_allowed(&self, user: &UserInfo) -> bool {
        if user.admin {
            return true;
        }
        let is_authenticated = user.groups.iter().any(|group| group == AUTHENTICATED);
        match &self.path {
            Some(path) => {
                let path = path.trim_end_matches('/');
                let is_below = |root: &str| path == root || path.starts_with(&format!("{root}/"));
                let is_issuer =
                    matches!(path, "/.well-known/openid-configuration" | "/openid/v1/jwks");
                let is_account = user.groups.iter().any(|group| group == "system:serviceaccounts");
                self.verb == "get"
                    && (matches!(path, "/healthz" | "/livez" | "/readyz" | "/version")
                        || is_authenticated
                            && ["/api", "/apis", "/openapi"].into_iter().any(is_below)
                        || is_issuer && is_account)
            }
            None => {
                is_authenticated
                    && matches!(
                        (&*self.verb, &*self.group, &*self.resource),
                        (
                            "create",
                            "authorization.k8s.io",
                            "selfsubjectaccessreviews" | "selfsubjectrulesreviews"
                        ) | ("create", "authentication.k8s.io", "selfsubjectreviews")
                    )
            }
        }
    }

    /// 403.
    pub fn forbidden(&self, user: &UserInfo) -> JsonResponse {
        let Self { verb, group, resource, subresource, namespace, name, .. } = self;
        let mut details = json!({});
        let message = if let Some(path) = &self.path {
            format!("forbidden: User \"{}\" cannot {verb} path \"{path}\"", user.name)
        } else {
            for (field, value) in [("name", name), ("group", group), ("kind", resource)] {
                if !value.is_empty() {
                    set(&mut details, field, json!(value));
                }
            }
            let qualified =
                if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
            let quoted = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
            let whole = match &**subresource {
                "" => resource.clone(),
                subresource => format!("{resource}/{subresource}"),
            };
            let scope = match &**namespace {
                "" => "at the cluster scope".to_owned(),
                namespace => format!("in the namespace \"{namespace}\""),
            };
            format!(
                "{qualified}{quoted} is forbidden: User \"{}\" cannot {verb} resource \"{whole}\" in API group \"{group}\" {scope}",
                user.name
            )
        };
        detailed_failure(403, "Forbidden", &message, details)
    }
}
