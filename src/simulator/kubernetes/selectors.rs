//! Label and field selectors of lists and watches.

use std::fmt;

use crate::simulator::cluster::objects::{ObjectBody, StoredObject};
use crate::simulator::kubernetes::resources::{CLIENT_SIGNER, EVENTS, Resource};
use crate::simulator::kubernetes::validation::{label_value, qualified_name};

/// The selection of a request.
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
    Greater(String, i64),
    Less(String, i64),
}

impl ObjectSelector {
    /// Parses the selectors of a request for objects of a kind.
    ///
    /// # Errors
    /// In kube-apiserver's words.
    pub fn new(
        resource: &Resource,
        namespace: &str,
        labels: &str,
        fields: &str,
    ) -> Result<Self, String> {
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
            let stored = stored_field(resource, key)
                .ok_or_else(|| format!("field label not supported: {key}"))?;
            selector.fields.push((stored, equal, value.to_owned()));
        }
        Ok(selector)
    }

    /// Empty for all namespaces.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Whether it selects all objects of its namespace.
    pub fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
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
            Self::Greater(key, least) => number_label(object, key).is_some_and(|n| n > *least),
            Self::Less(key, most) => number_label(object, key).is_some_and(|n| n < *most),
        }
    }
}

fn number_label(object: &StoredObject, key: &str) -> Option<i64> {
    object.label(key)?.parse().ok()
}

/// The field that a key refers to; `None` if the resource cannot be selected by it.
fn stored_field(resource: &Resource, key: &str) -> Option<String> {
    if resource.group != EVENTS {
        return is_supported(resource.name, key).then(|| key.to_owned());
    }
    match key {
        "reportingController" => Some("reportingComponent".to_owned()),
        "reason" | "type" | "metadata.name" | "metadata.namespace" => Some(key.to_owned()),
        _ => {
            let key = format!("involvedObject.{}", key.strip_prefix("regarding.")?);
            is_supported(resource.name, &key).then_some(key)
        }
    }
}

fn is_supported(kind: &str, key: &str) -> bool {
    let of_kind: &[&str] = match kind {
        "Pod" => &[
            "spec.nodeName",
            "status.phase",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.nominatedNodeName",
        ],
        "Node" => &["spec.unschedulable"],
        "Event" => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "type",
            "source",
            "reportingComponent",
        ],
        "Secret" => &["type"],
        "CertificateSigningRequest" => &["spec.signerName"],
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
        ("spec.serviceAccountName", _) => "default",
        ("spec.unschedulable", ObjectBody::Node(node)) if node.unschedulable => "true",
        ("spec.hostNetwork", _) | ("spec.unschedulable", ObjectBody::Node(_)) => "false",
        ("involvedObject.kind", ObjectBody::Event(event)) => event.kind,
        ("involvedObject.namespace", ObjectBody::Event(event)) => &event.involved.namespace,
        ("involvedObject.name", ObjectBody::Event(event)) => &event.involved.name,
        ("involvedObject.uid", ObjectBody::Event(event)) => &event.uid,
        ("involvedObject.apiVersion", ObjectBody::Event(_)) => "v1",
        ("reason", ObjectBody::Event(event)) => event.reason,
        ("type", ObjectBody::Event(event)) => event.severity,
        ("source" | "reportingComponent", ObjectBody::Event(event)) => event.component,
        ("type", ObjectBody::Secret(secret)) => secret.kind,
        ("spec.signerName", ObjectBody::CertificateRequest(_)) => CLIENT_SIGNER,
        _ => "",
    }
}

/// Parses the label selector of a request.
fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = SelectorParser { rest: text };
    let mut found = Vec::new();
    loop {
        match parser.peek() {
            Token::End => return Ok(found),
            Token::Word(_) | Token::Symbol("!") => {}
            Token::Symbol(symbol) => {
                return Err(format!(
                    "found '{symbol}', expected: !, identifier, or 'end of string'"
                ));
            }
        }
        let requirement = parser.requirement();
        found.push(requirement.map_err(|why| format!("unable to parse requirement: {why}"))?);
        match parser.next() {
            Token::End => return Ok(found),
            Token::Symbol(",") => match parser.peek() {
                Token::Word(_) | Token::Symbol("!") => {}
                other => return Err(format!("found '{other}', expected: identifier after ','")),
            },
            other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
        }
    }
}

#[derive(Clone, Copy)]
enum Token<'a> {
    Word(&'a str),
    Symbol(&'a str),
    End,
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(text) | Self::Symbol(text) => f.write_str(text),
            Self::End => Ok(()),
        }
    }
}

/// Parses a label selector like `labels.Parse` of apimachinery.
struct SelectorParser<'a> {
    rest: &'a str,
}

impl<'a> SelectorParser<'a> {
    fn peek(&self) -> Token<'a> {
        let mut copy = SelectorParser { rest: self.rest };
        copy.next()
    }

    fn next(&mut self) -> Token<'a> {
        let rest = self.rest.trim_start();
        let is_special = |c: char| "=!(),><".contains(c);
        let symbols = ["==", "!=", "=", "!", "(", ")", ",", ">", "<"];
        let symbol = symbols.into_iter().find(|symbol| rest.starts_with(symbol));
        let length = symbol.map_or_else(
            || rest.find(|c: char| is_special(c) || c.is_whitespace()).unwrap_or(rest.len()),
            str::len,
        );
        let (token, rest) = rest.split_at(length);
        self.rest = rest;
        match symbol {
            _ if token.is_empty() => Token::End,
            Some(_) => Token::Symbol(token),
            None => Token::Word(token),
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let mut token = self.next();
        let negated = matches!(token, Token::Symbol("!"));
        if negated {
            token = self.next();
        }
        let Token::Word(key) = token else {
            return Err(format!("found '{token}', expected: identifier"));
        };
        if let Some(why) = qualified_name(key).first() {
            return Err(format!("<nil>: Invalid value: \"{key}\": {why}"));
        }
        let own = key.to_owned();
        if negated {
            return Ok(Requirement::Absent(own));
        }
        if matches!(self.peek(), Token::End | Token::Symbol(",")) {
            return Ok(Requirement::Exists(own));
        }
        let operator = self.next();
        let values = match operator {
            Token::Word("in" | "notin") => self.values()?,
            Token::Symbol("=" | "==" | "!=" | ">" | "<") => vec![self.exact_value()?],
            other => {
                return Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt"));
            }
        };
        let number = |values: &[String]| {
            let value = values.first().map_or("", String::as_str);
            let why = "for 'Gt', 'Lt' operators, the value must be an integer";
            let wrong = || format!("values[0]: Invalid value: \"{value}\": {why}");
            value.parse::<i64>().ok().ok_or_else(wrong)
        };
        for (index, value) in values.iter().enumerate() {
            if let Some(why) = label_value(value).first() {
                return Err(format!("values[{index}][{key}]: Invalid value: \"{value}\": {why}"));
            }
        }
        Ok(match operator {
            Token::Word("notin") | Token::Symbol("!=") => Requirement::NotIn(own, values),
            Token::Symbol(">") => Requirement::Greater(own, number(&values)?),
            Token::Symbol("<") => Requirement::Less(own, number(&values)?),
            _ => Requirement::In(own, values),
        })
    }

    fn exact_value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            Token::Word(value) => {
                self.next();
                Ok(value.to_owned())
            }
            other @ Token::Symbol(_) => Err(format!("found '{other}', expected: identifier")),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.next();
        if !matches!(open, Token::Symbol("(")) {
            return Err(format!("found '{open}' expected: '('"));
        }
        let mut found = Vec::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    found.push(value.to_owned());
                    match self.next() {
                        Token::Symbol(",") => {}
                        Token::Symbol(")") => return Ok(found),
                        other => return Err(format!("found '{other}', expected: ',' or ')'")),
                    }
                }
                // An omitted value is the empty one.
                Token::Symbol(",") => found.push(String::new()),
                Token::Symbol(")") => {
                    found.push(String::new());
                    return Ok(found);
                }
                other => return Err(format!("found '{other}', expected: ',', ')' or identifier")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::simulator::kubernetes::resources::Resource;
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
        let of = |plural| Resource::find("", plural).unwrap();
        assert!(
            ObjectSelector::new(of("pods"), "", "", "spec.nodeName=a,metadata.name!=b").is_ok()
        );
        let error = ObjectSelector::new(of("pods"), "", "", "spec.color=red").unwrap_err();
        assert_eq!(error, "field label not supported: spec.color");
        assert!(ObjectSelector::new(of("nodes"), "", "", "spec.nodeName=a").is_err());
    }
}
