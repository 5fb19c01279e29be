//! Label and field selectors of lists and watches.

use crate::simulator::cluster::objects::{ObjectBody, StoredObject};

/// The objects that a request selects.
#[derive(Debug, Clone, Default)]
pub struct ObjectSelector {
    /// Empty for all namespaces.
    namespace: String,
    labels: Vec<Requirement>,
    /// Name of a field, whether it must be equal, and the value.
    fields: Vec<(String, bool, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

impl ObjectSelector {
    /// Parses the selectors of a request for objects of a kind.
    ///
    /// # Errors
    /// As kube-apiserver words them.
    pub fn new(kind: &str, namespace: &str, labels: &str, fields: &str) -> Result<Self, String> {
        let (namespace, labels) = (namespace.to_owned(), requirements(labels)?);
        let mut selector = Self { namespace, labels, fields: Vec::new() };
        for term in fields.split(',').map(str::trim).filter(|term| !term.is_empty()) {
            let (key, equal, value) = ["!=", "==", "="]
                .into_iter()
                .find_map(|operator| {
                    let (key, value) = term.split_once(operator)?;
                    Some((key, operator != "!=", value))
                })
                .ok_or_else(|| {
                    format!("invalid field selector: \"{fields}\"; can't understand '{term}'")
                })?;
            if !is_supported(kind, key) {
                return Err(format!("field label not supported: {key}"));
            }
            selector.fields.push((key.to_owned(), equal, value.to_owned()));
        }
        Ok(selector)
    }

    /// Selects only the object of this name.
    pub fn named(mut self, name: &str) -> Self {
        self.fields.push(("metadata.name".to_owned(), true, name.to_owned()));
        self
    }

    /// Whether it selects an object.
    pub fn matches(&self, object: &StoredObject) -> bool {
        (self.namespace.is_empty() || *self.namespace == *object.meta.key.namespace)
            && self.labels.iter().all(|requirement| requirement.matches(object))
            && self
                .fields
                .iter()
                .all(|(key, equal, value)| (field(object, key) == *value) == *equal)
    }
}

impl Requirement {
    fn matches(&self, object: &StoredObject) -> bool {
        match self {
            Self::In(key, values) => {
                object.label(key).is_some_and(|label| values.iter().any(|value| value == label))
            }
            Self::NotIn(key, values) => {
                object.label(key).is_none_or(|label| values.iter().all(|value| value != label))
            }
            Self::Exists(key) => object.label(key).is_some(),
            Self::Absent(key) => object.label(key).is_none(),
        }
    }
}

fn is_supported(kind: &str, key: &str) -> bool {
    let of_kind: &[&str] = match kind {
        "Pod" => &["spec.nodeName", "status.phase", "spec.restartPolicy", "spec.schedulerName"],
        "Node" => &["spec.unschedulable"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "reason",
            "type",
            "source",
            "reportingComponent",
        ],
        "Secret" => &["type"],
        "Namespace" => &["status.phase"],
        _ => &[],
    };
    matches!(key, "metadata.name" | "metadata.namespace") || of_kind.contains(&key)
}

fn field<'a>(object: &'a StoredObject, key: &str) -> &'a str {
    match (key, &object.body) {
        ("metadata.name", _) => &object.meta.key.name,
        ("metadata.namespace", _) => &object.meta.key.namespace,
        ("spec.nodeName", ObjectBody::Pod(pod)) => pod.node.as_deref().unwrap_or(""),
        ("status.phase", ObjectBody::Pod(pod)) => pod.phase(),
        ("status.phase", ObjectBody::Namespace) => "Active",
        ("spec.restartPolicy", _) => "Always",
        ("spec.schedulerName", _) => "default-scheduler",
        ("spec.unschedulable", ObjectBody::Node(node)) if node.unschedulable => "true",
        ("spec.unschedulable", ObjectBody::Node(_)) => "false",
        ("involvedObject.kind", ObjectBody::Event(event)) => event.kind,
        ("involvedObject.namespace", ObjectBody::Event(event)) => &event.involved.namespace,
        ("involvedObject.name", ObjectBody::Event(event)) => &event.involved.name,
        ("involvedObject.uid", ObjectBody::Event(event)) => &event.uid,
        ("reason", ObjectBody::Event(event)) => event.reason,
        ("type", ObjectBody::Event(event)) => event.severity,
        ("source" | "reportingComponent", ObjectBody::Event(event)) => event.component,
        ("type", ObjectBody::Secret(secret)) => secret.kind,
        _ => "",
    }
}

/// Parses `a=b,c!=d,e in (f, g),h notin (i),j,!k`.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut depth = 0_usize;
    let is_separator = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    let terms = text.split(is_separator).map(str::trim).filter(|term| !term.is_empty());
    terms.map(requirement).collect()
}

fn requirement(term: &str) -> Result<Requirement, String> {
    let wrong = || format!("unable to parse requirement: found '{term}'");
    let own = |text: &str| text.trim().to_owned();
    let list = |text: &str| -> Result<Vec<String>, String> {
        let list = text.trim().strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        Ok(list.ok_or_else(wrong)?.split(',').map(own).collect())
    };
    Ok(if let Some(key) = term.strip_prefix('!') {
        Requirement::Absent(own(key))
    } else if let Some((key, values)) = term.split_once(" notin ") {
        Requirement::NotIn(own(key), list(values)?)
    } else if let Some((key, values)) = term.split_once(" in ") {
        Requirement::In(own(key), list(values)?)
    } else if let Some((key, value)) = term.split_once("!=") {
        Requirement::NotIn(own(key), vec![own(value)])
    } else if let Some((key, value)) = term.split_once("==").or_else(|| term.split_once('=')) {
        Requirement::In(own(key), vec![own(value)])
    } else if term.contains(char::is_whitespace) || term.contains('(') {
        return Err(wrong());
    } else {
        Requirement::Exists(term.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use crate::simulator::kubernetes::selectors::{ObjectSelector, Requirement, requirements};

    #[test]
    fn label_selectors_are_read_in_all_their_forms() {
        let (in_, not_in) = (
            |key: &str, values: &[&str]| {
                Requirement::In(key.into(), values.iter().map(|&v| v.into()).collect())
            },
            |key: &str, values: &[&str]| {
                Requirement::NotIn(key.into(), values.iter().map(|&v| v.into()).collect())
            },
        );
        assert_eq!(
            requirements("a=b,c!=d, e in (f, g) ,h notin (i),j,!k,l==m").unwrap(),
            [
                in_("a", &["b"]),
                not_in("c", &["d"]),
                in_("e", &["f", "g"]),
                not_in("h", &["i"]),
                Requirement::Exists("j".into()),
                Requirement::Absent("k".into()),
                in_("l", &["m"]),
            ]
        );
        assert!(requirements("a in b").is_err());
        assert!(requirements("a b").is_err());
        assert_eq!(requirements("").unwrap(), []);
    }

    #[test]
    fn unknown_fields_are_refused() {
        assert!(ObjectSelector::new("Pod", "", "", "spec.nodeName=a,metadata.name!=b").is_ok());
        let error = ObjectSelector::new("Pod", "", "", "spec.color=red").unwrap_err();
        assert_eq!(error, "field label not supported: spec.color");
        assert!(ObjectSelector::new("Node", "", "", "spec.nodeName=a").is_err());
    }
}
