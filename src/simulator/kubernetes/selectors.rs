//! Label and field selectors of lists and watches.

use crate::simulator::cluster::objects::{ObjectBody, StoredObject};

/// What a request selects.
#[derive(Debug, Clone, Default)]
pub struct ObjectSelector {
    namespace: Option<String>,
    labels: Vec<Requirement>,
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
    /// Reads what a request asks for.
    ///
    /// # Errors
    /// A sentence as kube-apiserver writes it.
    pub fn new(
        object: &str,
        namespace: Option<&str>,
        labels: &str,
        fields: &str,
    ) -> Result<Self, String> {
        let mut selector = Self {
            namespace: namespace.map(str::to_owned),
            labels: requirements(labels)?,
            fields: Vec::new(),
        };
        for part in fields.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (key, equal, value) = if let Some((key, value)) = part.split_once("!=") {
                (key, false, value)
            } else if let Some((key, value)) = part.split_once("==") {
                (key, true, value)
            } else if let Some((key, value)) = part.split_once('=') {
                (key, true, value)
            } else {
                return Err(format!(
                    "invalid field selector: \"{fields}\"; can't understand '{part}'"
                ));
            };
            if !is_known(object, key) {
                return Err(format!("field label not supported: {key}"));
            }
            selector.fields.push((key.to_owned(), equal, value.to_owned()));
        }
        Ok(selector)
    }

    /// Only the object of this name.
    pub fn named(mut self, name: &str) -> Self {
        self.fields.push(("metadata.name".to_owned(), true, name.to_owned()));
        self
    }

    /// Whether it takes an object.
    pub fn matches(&self, object: &StoredObject) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| **namespace == *object.meta.key.namespace)
            && self.labels.iter().all(|requirement| requirement.holds(object))
            && self
                .fields
                .iter()
                .all(|(key, equal, value)| (field(object, key) == *value) == *equal)
    }
}

impl Requirement {
    fn holds(&self, object: &StoredObject) -> bool {
        match self {
            Self::In(key, values) => {
                object.label(key).is_some_and(|label| values.iter().any(|value| value == label))
            }
            Self::NotIn(key, values) => {
                object.label(key).is_none_or(|label| !values.iter().any(|value| value == label))
            }
            Self::Exists(key) => object.label(key).is_some(),
            Self::Absent(key) => object.label(key).is_none(),
        }
    }
}

fn is_known(object: &str, key: &str) -> bool {
    let also: &[&str] = match object {
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
    matches!(key, "metadata.name" | "metadata.namespace") || also.contains(&key)
}

fn field<'a>(object: &'a StoredObject, key: &str) -> &'a str {
    match (key, &object.body) {
        ("metadata.name", _) => &object.meta.key.name,
        ("metadata.namespace", _) => &object.meta.key.namespace,
        ("spec.nodeName", ObjectBody::Pod(pod)) => pod.node.as_deref().unwrap_or(""),
        ("status.phase", ObjectBody::Pod(pod)) => {
            if pod.started.is_some() {
                "Running"
            } else {
                "Pending"
            }
        }
        ("status.phase", ObjectBody::Namespace) => "Active",
        ("spec.restartPolicy", _) => "Always",
        ("spec.schedulerName", _) => "default-scheduler",
        ("spec.unschedulable", ObjectBody::Node(node)) => {
            if node.unschedulable {
                "true"
            } else {
                "false"
            }
        }
        ("involvedObject.kind", ObjectBody::Event(event)) => event.kind,
        ("involvedObject.namespace", ObjectBody::Event(event)) => &event.about.namespace,
        ("involvedObject.name", ObjectBody::Event(event)) => &event.about.name,
        ("involvedObject.uid", ObjectBody::Event(event)) => &event.uid,
        ("reason", ObjectBody::Event(event)) => event.reason,
        ("type", ObjectBody::Event(event)) => {
            if event.warning {
                "Warning"
            } else {
                "Normal"
            }
        }
        ("source" | "reportingComponent", ObjectBody::Event(event)) => event.component,
        ("type", ObjectBody::Secret(secret)) => secret.kind,
        _ => "",
    }
}

/// Reads `a=b,c!=d,e in (f, g),h notin (i),j,!k`.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let wrong = |part: &str| format!("unable to parse requirement: found '{part}'");
    let mut found = Vec::new();
    for part in outside_of_brackets(text) {
        let part = part.trim();
        if part.is_empty() {
            continue;
        }
        let one = |value: &str| vec![value.trim().to_owned()];
        let words = |text: &str| -> Option<Vec<String>> {
            let inner = text.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
        };
        let requirement = if let Some(key) = part.strip_prefix('!') {
            Requirement::Absent(key.trim().to_owned())
        } else if let Some((key, values)) = part.split_once(" notin ") {
            Requirement::NotIn(key.trim().to_owned(), words(values).ok_or_else(|| wrong(part))?)
        } else if let Some((key, values)) = part.split_once(" in ") {
            Requirement::In(key.trim().to_owned(), words(values).ok_or_else(|| wrong(part))?)
        } else if let Some((key, value)) = part.split_once("!=") {
            Requirement::NotIn(key.trim().to_owned(), one(value))
        } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
            Requirement::In(key.trim().to_owned(), one(value))
        } else if part.contains(char::is_whitespace) || part.contains('(') {
            return Err(wrong(part));
        } else {
            Requirement::Exists(part.to_owned())
        };
        found.push(requirement);
    }
    Ok(found)
}

fn outside_of_brackets(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if c == ',' && depth == 0 {
            parts.push(String::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(c);
        }
    }
    parts
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
        assert!(ObjectSelector::new("Pod", None, "", "spec.nodeName=a,metadata.name!=b").is_ok());
        let error = ObjectSelector::new("Pod", None, "", "spec.color=red").unwrap_err();
        assert_eq!(error, "field label not supported: spec.color");
        assert!(ObjectSelector::new("Node", None, "", "spec.nodeName=a").is_err());
    }
}
