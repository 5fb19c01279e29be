//! Admission webhooks: who must be asked before the API server takes a change, and whether anybody is there to answer.

use crate::domain::snapshot::labels::{Labels, Selector};

/// The webhooks of one configuration that may keep a roll up (`admissionregistration.k8s.io/v1`); the others are left
/// out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// `ValidatingWebhookConfiguration` or `MutatingWebhookConfiguration`.
    pub kind: &'static str,
    /// `metadata.name`.
    pub name: String,
    /// `webhooks` with rules about creating or updating.
    pub webhooks: Vec<Webhook>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// `clientConfig.service`; `None` for one outside of the cluster.
    pub service: Option<Service>,
    /// `failurePolicy` is `Ignore`: the API server goes on without an answer.
    pub ignores_failures: bool,
    /// `rules` about creating or updating what is served as `v1`; one of them must fit.
    pub rules: Vec<Rule>,
    /// `namespaceSelector`; objects without a namespace are caught whatever it says.
    pub namespaces: Selector,
    pub objects: Selector,
    /// It has `matchConditions`, which cannot be judged from here.
    pub conditional: bool,
}

/// Namespace and name of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Service {
    pub namespace: String,
    pub name: String,
}

/// What a webhook is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// `operations` has `CREATE`, or is any.
    pub creates: bool,
    /// `operations` has `UPDATE`, or is any.
    pub updates: bool,
    /// `apiGroups`; `*` is any.
    pub groups: Vec<String>,
    /// `resources` ("pods", "pods/status", "*", "*/*").
    pub resources: Vec<String>,
    pub scope: WebhookScope,
}

/// Where the objects of a rule are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WebhookScope {
    /// Anywhere.
    Any,
    /// In no namespace.
    Cluster,
    /// In a namespace.
    Namespaced,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `CREATE`.
    Create,
    /// `UPDATE`, which patches are as well.
    Update,
}

impl Rule {
    /// Whether the rule is about doing something to a resource ("pods", or "pods/status"), inside or outside of
    /// namespaces.
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

/// Part of what stands behind a service (`discovery.k8s.io/v1 EndpointSlice`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Label `kubernetes.io/service-name`, in its namespace.
    pub service: Service,
    /// Whether one of `endpoints` serves.
    pub serves: bool,
}

/// A namespace (`v1 Namespace`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.labels`, which webhooks select by.
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
