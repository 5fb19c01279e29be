//! Validation by kube-apiserver of the fields that clients can change here.

use serde_json::Value;

use crate::simulator::cluster::objects::ObjectKind;
use crate::simulator::kubernetes::field_error::FieldError;

const QUALIFIED_NAME: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const SUBDOMAIN: &str = "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const WITH_PREFIX: &str = "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NON_NEGATIVE: &str = "must be greater than or equal to 0";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

fn is_name(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.chars().all(is_inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        !label.is_empty()
            && label.chars().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.split('.').all(is_label)
}

/// Errors of a key of labels, annotations, taints or finalizers.
pub fn qualified_name(text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    let name = match text.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                found.push("prefix part must be non-empty");
            } else if !is_subdomain(prefix) {
                found.push(SUBDOMAIN);
            }
            name
        }
        _ => return vec![WITH_PREFIX],
    };
    if name.is_empty() {
        found.push("name part must be non-empty");
    } else if name.len() > 63 {
        found.push("name part must be no more than 63 characters");
    }
    if !is_name(name) {
        found.push(QUALIFIED_NAME);
    }
    found
}

/// Errors of a label value.
pub fn label_value(text: &str) -> Vec<&'static str> {
    let mut found = Vec::new();
    if text.len() > 63 {
        found.push("must be no more than 63 characters");
    }
    if !text.is_empty() && !is_name(text) {
        found.push(LABEL_VALUE);
    }
    found
}

/// Validates a changed document of a kind.
pub fn check(kind: ObjectKind, document: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    check_metadata(document, "metadata", &mut errors);
    match kind {
        ObjectKind::Node => check_taints(document, &mut errors),
        ObjectKind::Budget => check_budget(document, &mut errors),
        ObjectKind::Pod => check_containers(document, "spec", &mut errors),
        ObjectKind::Deployment | ObjectKind::StatefulSet | ObjectKind::DaemonSet => {
            check_controller(document, &mut errors);
        }
        _ => {}
    }
    errors
}

/// Field of a template's metadata; `metadata` is omitted in its errors.
fn metadata_field(path: &str, field: &str) -> String {
    format!("{}.{field}", path.replace("template.metadata", "template"))
}

fn pairs<'a>(document: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    let fields = document.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    fields.map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
}

fn check_metadata(document: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pointer = format!("/{}", path.replace('.', "/"));
    let field = metadata_field(path, "labels");
    check_labels(document, &field, &format!("{pointer}/labels"), errors);
    for (key, _) in pairs(document, &format!("{pointer}/annotations")) {
        let field = metadata_field(path, "annotations");
        let wrong = qualified_name(&key.to_lowercase()).into_iter();
        errors.extend(wrong.map(|why| FieldError::invalid(&field, key, why)));
    }
    let finalizers = document.pointer(&format!("{pointer}/finalizers")).and_then(Value::as_array);
    for (index, finalizer) in finalizers.into_iter().flatten().enumerate() {
        let text = finalizer.as_str().unwrap_or_default();
        let field = format!("{path}.finalizers");
        let wrong = qualified_name(text);
        errors.extend(wrong.iter().map(|why| FieldError::invalid(&field, text, why)));
        if !text.contains('/') && !matches!(text, "orphan" | "foregroundDeletion" | "kubernetes") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(&format!("{field}[{index}]"), text, why));
        }
    }
}

fn check_labels(document: &Value, field: &str, pointer: &str, errors: &mut Vec<FieldError>) {
    for (key, value) in pairs(document, pointer) {
        let keys = qualified_name(key).into_iter();
        errors.extend(keys.map(|why| FieldError::invalid(field, key, why)));
        let values = label_value(value).into_iter();
        errors.extend(values.map(|why| FieldError::invalid(field, value, why)));
    }
}

fn check_taints(document: &Value, errors: &mut Vec<FieldError>) {
    let taints = document.pointer("/spec/taints").and_then(Value::as_array);
    let mut known = Vec::new();
    for (index, taint) in taints.into_iter().flatten().enumerate() {
        let text = |name: &str| taint.get(name).and_then(Value::as_str).unwrap_or_default();
        let (key, value, effect) = (text("key"), text("value"), text("effect"));
        let field = |name: &str| format!("metadata.taints[{index}].{name}");
        let keys = qualified_name(key).into_iter();
        errors.extend(keys.map(|why| FieldError::invalid(&field("key"), key, why)));
        let values = label_value(value).into_iter();
        errors.extend(values.map(|why| FieldError::invalid(&field("value"), value, why)));
        if effect.is_empty() {
            errors.push(FieldError::required(&field("effect"), ""));
        } else if !EFFECTS.contains(&effect) {
            errors.push(FieldError::not_supported(&field("effect"), effect, &EFFECTS));
        }
        if known.contains(&(key, effect)) {
            errors.push(FieldError::duplicate(&format!("metadata.taints[{index}]"), taint));
        }
        known.push((key, effect));
    }
}

fn check_budget(document: &Value, errors: &mut Vec<FieldError>) {
    let bound = |name: &str| document.pointer(&format!("/spec/{name}"));
    if bound("minAvailable").is_some() && bound("maxUnavailable").is_some() {
        let why = "minAvailable and maxUnavailable cannot be both set";
        errors.push(FieldError::invalid_object("spec", &document["spec"], why));
    }
    for name in ["minAvailable", "maxUnavailable"] {
        let field = format!("spec.{name}");
        match bound(name) {
            Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
                errors.push(FieldError::invalid_object(
                    &field,
                    &number.clone().into(),
                    NON_NEGATIVE,
                ));
            }
            Some(Value::String(text)) => check_percentage(&field, text, errors),
            _ => {}
        }
    }
    let pointer = "/spec/selector/matchLabels";
    check_labels(document, "spec.selector.matchLabels", pointer, errors);
    let policy = document.pointer("/spec/unhealthyPodEvictionPolicy").and_then(Value::as_str);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    if let Some(policy) = policy.filter(|policy| !policies.contains(policy)) {
        let field = "spec.unhealthyPodEvictionPolicy";
        errors.push(FieldError::not_supported(field, policy, &policies));
    }
}

fn check_percentage(field: &str, text: &str, errors: &mut Vec<FieldError>) {
    let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty());
    let digits = digits.filter(|digits| digits.chars().all(|c| c.is_ascii_digit()));
    match digits.map(|digits| digits.parse::<u32>().unwrap_or(u32::MAX)) {
        None => {
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            errors.push(FieldError::invalid(field, text, why));
        }
        Some(..=100) => {}
        Some(_) => errors.push(FieldError::invalid(field, text, "must not be greater than 100%")),
    }
}

fn check_controller(document: &Value, errors: &mut Vec<FieldError>) {
    if let Some(replicas) = document.pointer("/spec/replicas").and_then(Value::as_i64)
        && replicas < 0
    {
        errors.push(FieldError::invalid_object("spec.replicas", &replicas.into(), NON_NEGATIVE));
    }
    check_metadata(document, "spec.template.metadata", errors);
    let (selector, labels) = ("/spec/selector/matchLabels", "/spec/template/metadata/labels");
    let chosen = pairs(document, labels).collect::<Vec<_>>();
    if !pairs(document, selector).all(|pair| chosen.contains(&pair)) {
        let why = "`selector` does not match template `labels`";
        let labels = document.pointer(labels).unwrap_or(&Value::Null);
        errors.push(FieldError::invalid_object("spec.template.metadata.labels", labels, why));
    }
    check_containers(document, "spec.template.spec", errors);
}

fn check_containers(document: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let pointer = format!("/{}/containers", path.replace('.', "/"));
    let containers = document.pointer(&pointer).and_then(Value::as_array);
    let field = format!("{path}.containers");
    if containers.is_none_or(Vec::is_empty) {
        errors.push(FieldError::required(&field, ""));
    }
    for (index, container) in containers.into_iter().flatten().enumerate() {
        if container.get("image").and_then(Value::as_str).is_none_or(str::is_empty) {
            errors.push(FieldError::required(&format!("{field}[{index}].image"), ""));
        }
    }
}
