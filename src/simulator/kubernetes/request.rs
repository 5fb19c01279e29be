//! A request to an API server: its query and body, and the object or collection in its path.

use crate::simulator::cluster::objects::ObjectKind;
use crate::simulator::http::HttpRequest;
use crate::simulator::kubernetes::resources::Resource;
use crate::simulator::kubernetes::table::IncludeObject;

impl HttpRequest {
    /// A query value; empty if absent.
    pub fn value(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// Whether a query flag is set: to anything but "false" and "0".
    pub fn is_on(&self, name: &str) -> bool {
        let value = self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        value.is_some_and(|value| !value.eq_ignore_ascii_case("false") && value != "0")
    }

    /// The format preferred by `Accept`; `None` if none is supported.
    pub fn format(&self) -> Option<ResponseFormat> {
        if self.accept.is_empty() {
            return Some(ResponseFormat::Object);
        }
        let include = match self.value("includeObject") {
            "None" => IncludeObject::None,
            "Object" => IncludeObject::Object,
            _ => IncludeObject::Metadata,
        };
        self.accept.split(',').find_map(|part| {
            let mut parts = part.split(';').map(str::trim);
            if !matches!(parts.next(), Some("application/json" | "*/*" | "application/*")) {
                return None;
            }
            let (mut as_, mut version) = ("", "v1");
            for part in parts {
                match part.split_once('=') {
                    Some(("as", value)) => as_ = value,
                    Some(("v", value)) => version = value,
                    _ => {}
                }
            }
            match (as_, version) {
                ("", _) => Some(ResponseFormat::Object),
                ("Table", "v1") => Some(ResponseFormat::Table(include, "meta.k8s.io/v1")),
                ("Table", "v1beta1") => Some(ResponseFormat::Table(include, "meta.k8s.io/v1beta1")),
                ("PartialObjectMetadata", "v1") => Some(ResponseFormat::Metadata),
                ("PartialObjectMetadataList", "v1") => Some(ResponseFormat::MetadataList),
                _ => None,
            }
        })
    }
}

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFormat {
    Object,
    Metadata,
    MetadataList,
    /// A table, with the version of its API.
    Table(IncludeObject, &'static str),
}

fn has_status(kind: ObjectKind) -> bool {
    matches!(
        kind,
        ObjectKind::Budget
            | ObjectKind::CertificateRequest
            | ObjectKind::DaemonSet
            | ObjectKind::Deployment
            | ObjectKind::Namespace
            | ObjectKind::Node
            | ObjectKind::PersistentVolume
            | ObjectKind::PersistentVolumeClaim
            | ObjectKind::Pod
            | ObjectKind::ReplicaSet
            | ObjectKind::Service
            | ObjectKind::StatefulSet
            | ObjectKind::VolumeAttachment
    )
}

/// The object or collection in a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestTarget<'a> {
    pub resource: &'static Resource,
    /// Empty for all namespaces, and for cluster-scoped objects.
    pub namespace: &'a str,
    /// Empty for a collection.
    pub name: &'a str,
    pub subresource: &'a str,
}

impl<'a> RequestTarget<'a> {
    /// Whether the resource has the subresource, if any is given.
    pub fn knows_subresource(&self) -> bool {
        match (self.resource.kind, self.subresource) {
            (_, "")
            | (ObjectKind::Pod, "eviction")
            | (ObjectKind::ServiceAccount, "token")
            | (ObjectKind::Deployment | ObjectKind::StatefulSet, "scale") => true,
            (kind, "status") => has_status(kind),
            _ => false,
        }
    }

    /// Finds the target of a path.
    pub fn find(path: &[&'a str]) -> Option<Self> {
        let (group, rest) = match path {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (*namespace, rest),
            _ => ("", rest),
        };
        let (plural, name, subresource) = match rest {
            [plural] => (plural, "", ""),
            [plural, name] => (plural, *name, ""),
            [plural, name, subresource] => (plural, *name, *subresource),
            _ => return None,
        };
        let resource = Resource::find(group, plural)?;
        // Namespaced objects require a namespace, others must not have one.
        let matches = if namespace.is_empty() {
            name.is_empty() || !resource.namespaced
        } else {
            resource.namespaced
        };
        matches.then_some(Self { resource, namespace, name, subresource })
    }
}

#[cfg(test)]
mod tests {
    use crate::simulator::kubernetes::request::{HttpRequest, RequestTarget, ResponseFormat};
    use crate::simulator::kubernetes::table::IncludeObject;

    #[test]
    fn paths_lead_to_resources() {
        let find = |path: &str| {
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            RequestTarget::find(&parts).map(|target| {
                format!(
                    "{} {} {} {}",
                    target.resource.name, target.namespace, target.name, target.subresource
                )
            })
        };
        for (path, target) in [
            ("/api/v1/nodes", Some("Node   ")),
            ("/api/v1/nodes/a", Some("Node  a ")),
            ("/api/v1/nodes/a/status", Some("Node  a status")),
            ("/api/v1/pods", Some("Pod   ")),
            ("/api/v1/pods/a", None),
            ("/api/v1/namespaces", Some("Namespace   ")),
            ("/api/v1/namespaces/x", Some("Namespace  x ")),
            ("/api/v1/namespaces/x/pods/a/eviction", Some("Pod x a eviction")),
            ("/api/v1/namespaces/x/nodes", None),
            ("/apis/policy/v1/poddisruptionbudgets", Some("PodDisruptionBudget   ")),
            ("/apis/apps/v1/deployments", Some("Deployment   ")),
            ("/apis/batch/v1/jobs", None),
            ("/api/v2/nodes", None),
        ] {
            assert_eq!(find(path).as_deref(), target, "{path}");
        }
    }

    #[test]
    fn clients_get_the_form_that_they_ask_for() {
        let format = |accept: &str| {
            HttpRequest { accept: accept.to_owned(), ..HttpRequest::default() }.format()
        };
        assert_eq!(format(""), Some(ResponseFormat::Object));
        assert_eq!(format("application/json, */*"), Some(ResponseFormat::Object));
        let kubectl = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(
            format(kubectl),
            Some(ResponseFormat::Table(IncludeObject::Metadata, "meta.k8s.io/v1"))
        );
        let metadata = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
        assert_eq!(format(metadata), Some(ResponseFormat::MetadataList));
        let proto = "application/vnd.kubernetes.protobuf,application/json";
        assert_eq!(format(proto), Some(ResponseFormat::Object));
        assert_eq!(format("application/yaml"), None);
    }
}
