//! Admission webhooks: which ones the API server must call before accepting a change, and whether they have endpoints.

use crate::domain::snapshot::labels::{Labels, Selector};

/// The webhooks of one configuration that may block a roll (`admissionregistration.k8s.io/v1`); others are skipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfiguration {
    /// `ValidatingWebhookConfiguration` or `MutatingWebhookConfiguration`.
    pub kind: &'static str,
    /// `metadata.name`.
    pub name: String,
    /// `webhooks` with rules for create or update.
    pub webhooks: Vec<Webhook>,
}

/// A webhook of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `clientConfig.service`; `None` for one outside the cluster.
    pub service: Option<Service>,
    /// `failurePolicy` is `Ignore`: the API server proceeds without a response.
    pub ignores_failures: bool,
    /// `rules` for create or update of `v1` resources; one of them must match.
    pub rules: Vec<Rule>,
    /// `namespaceSelector`; cluster-scoped objects match regardless.
    pub namespaces: Selector,
    pub objects: Selector,
    /// It has `matchConditions`, which cannot be evaluated here.
    pub conditional: bool,
}

/// Namespace and name of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    pub namespace: String,
    pub name: String,
}

/// The requests that a webhook is called for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `operations` contains `CREATE` or `*`.
    pub creates: bool,
    /// `operations` contains `UPDATE` or `*`.
    pub updates: bool,
    /// `apiGroups`; `*` matches any.
    pub groups: Vec<String>,
    /// `resources` ("pods", "pods/status", "*", "*/*").
    pub resources: Vec<String>,
    pub scope: WebhookScope,
}

/// Scope of the objects of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookScope {
    /// Anywhere.
    Any,
    /// Cluster-scoped.
    Cluster,
    /// Namespaced.
    Namespaced,
}

/// Operation on an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `CREATE`.
    Create,
    /// `UPDATE`, including patches.
    Update,
}

impl Rule {
    /// Whether the rule covers an operation on a resource ("pods", or "pods/status"), namespaced or cluster-scoped.
    pub fn is_about(
        &self,
        operation: Operation,
        group: &str,
        resource: &str,
        namespaced: bool,
    ) -> bool {
        let done = match operation {
            Operation::Create => self.creates,
            Operation::Update => self.updates,
        };
        let in_scope = match self.scope {
            WebhookScope::Any => true,
            WebhookScope::Cluster => !namespaced,
            WebhookScope::Namespaced => namespaced,
        };
        let (wanted, part) = split(resource);
        let names = |named: &String| {
            let (resource, sub) = split(named);
            (resource == "*" || resource == wanted) && (sub == "*" || sub == part)
        };
        done && in_scope
            && self.groups.iter().any(|known| known == "*" || known == group)
            && self.resources.iter().any(names)
    }
}

/// Resource and subresource; the latter is empty for the resource itself.
fn split(resource: &str) -> (&str, &str) {
    resource.split_once('/').unwrap_or((resource, ""))
}

/// A part of a service's endpoints (`discovery.k8s.io/v1 EndpointSlice`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Label `kubernetes.io/service-name`, in its namespace.
    pub service: Service,
    /// Whether any of `endpoints` serves.
    pub serves: bool,
}

/// A namespace (`v1 Namespace`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`, for webhook selectors.
    pub labels: Labels,
}

#[cfg(test)]
mod tests {
    use crate::domain::snapshot::admission::{Operation, Rule, WebhookScope};

    #[test]
    fn a_rule_names_groups_resources_subresources_and_where() {
        let rule = |group: &str, resource: &str, scope| Rule {
            creates: true,
            updates: false,
            groups: vec![group.into()],
            resources: vec![resource.into()],
            scope,
        };
        for (group, resource, scope, about_pods, about_status, about_nodes) in [
            ("", "pods", WebhookScope::Any, true, false, false),
            ("", "pods/status", WebhookScope::Any, false, true, false),
            ("", "pods/*", WebhookScope::Any, true, true, false),
            ("", "*/status", WebhookScope::Any, false, true, false),
            ("*", "*", WebhookScope::Any, true, false, true),
            ("*", "*/*", WebhookScope::Any, true, true, true),
            ("", "*/*", WebhookScope::Namespaced, true, true, false),
            ("", "*/*", WebhookScope::Cluster, false, false, true),
            ("apps", "*", WebhookScope::Any, false, false, false),
        ] {
            let rule = rule(group, resource, scope);
            let creating = |resource: &str, namespaced| {
                assert!(!rule.is_about(Operation::Update, "", resource, namespaced));
                rule.is_about(Operation::Create, "", resource, namespaced)
            };
            assert_eq!(creating("pods", true), about_pods, "{rule:?}");
            assert_eq!(creating("pods/status", true), about_status, "{rule:?}");
            assert_eq!(creating("nodes", false), about_nodes, "{rule:?}");
        }
    }
}
