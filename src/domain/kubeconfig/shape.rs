//! The schema that kubectl expects of a kubeconfig: it rejects a file if any value has another type. Source:
//! `k8s.io/client-go/tools/clientcmd/api/v1`; plain scalars as resolved by its YAML 1.1 parser.

use serde_json::Value;

use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{Content, MERGE_KEY, YamlNode, file_failure, is_json};
use crate::domain::text::clean;

/// Expected type of a value. Null is always allowed.
enum Schema {
    Text,
    Bool,
    Base64,
    Anything,
    List(&'static Self),
    /// Any keys, with values of one type.
    Map(&'static Self),
    /// Keys with values of specific types; others are ignored.
    Fields(&'static [(&'static str, Self)]),
}

use Schema::{Anything, Base64, Bool, Fields, List, Map, Text};

impl Schema {
    /// The type of list items.
    fn item(&self) -> &Self {
        if let List(item) = self { item } else { &Anything }
    }

    /// The type of a key's value.
    fn field(&self, key: &str) -> &Self {
        match self {
            Map(value) => value,
            Fields(fields) => {
                fields.iter().find(|(name, _)| *name == key).map_or(&Anything, |(_, shape)| shape)
            }
            Text | Bool | Base64 | Anything | List(_) => &Anything,
        }
    }
}

const TEXTS: Schema = List(&Text);
const EXTENSIONS: Schema = List(&Fields(&[("name", Text), ("extension", Anything)]));
const CLUSTER: Schema = Fields(&[
    ("server", Text),
    ("tls-server-name", Text),
    ("insecure-skip-tls-verify", Bool),
    ("certificate-authority", Text),
    ("certificate-authority-data", Base64),
    ("proxy-url", Text),
    ("disable-compression", Bool),
    ("extensions", EXTENSIONS),
]);
const CONTEXT: Schema =
    Fields(&[("cluster", Text), ("user", Text), ("namespace", Text), ("extensions", EXTENSIONS)]);
const EXEC: Schema = Fields(&[
    ("apiVersion", Text),
    ("command", Text),
    ("args", TEXTS),
    ("env", List(&Fields(&[("name", Text), ("value", Text)]))),
    ("installHint", Text),
    ("provideClusterInfo", Bool),
    ("interactiveMode", Text),
]);
const USER: Schema = Fields(&[
    ("client-certificate", Text),
    ("client-certificate-data", Base64),
    ("client-key", Text),
    ("client-key-data", Base64),
    ("token", Text),
    ("tokenFile", Text),
    ("as", Text),
    ("as-uid", Text),
    ("as-groups", TEXTS),
    ("as-user-extra", Map(&TEXTS)),
    ("username", Text),
    ("password", Text),
    ("auth-provider", Fields(&[("name", Text), ("config", Map(&Text))])),
    ("exec", EXEC),
    ("extensions", EXTENSIONS),
]);
const CONFIG: Schema = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("preferences", Fields(&[("colors", Bool), ("extensions", EXTENSIONS)])),
    ("clusters", List(&Fields(&[("name", Text), ("cluster", CLUSTER)]))),
    ("contexts", List(&Fields(&[("name", Text), ("context", CONTEXT)]))),
    ("users", List(&Fields(&[("name", Text), ("user", USER)]))),
    ("current-context", Text),
    ("extensions", EXTENSIONS),
]);

/// Rejects a file with a value of another type than kubectl expects.
pub fn check(root: &YamlNode, values: &Value) -> Result<(), Failure> {
    check_node(root, values, &CONFIG, "the file")
}

/// Checks a node and its value: the node shows how a scalar is written, the value the result of aliases and tags.
fn check_node(node: &YamlNode, value: &Value, shape: &Schema, key: &str) -> Result<(), Failure> {
    let fits = match (&node.content, value) {
        _ if node.tagged => is_of_shape(value, shape),
        (Content::Alias, _) => is_of_shape(value, shape),
        (Content::List(nodes, _), Value::Array(values)) => {
            for (node, value) in nodes.iter().zip(values) {
                check_node(node, value, shape.item(), key)?;
            }
            matches!(shape, List(_) | Anything)
        }
        (Content::Map(entries, _), Value::Object(values)) => {
            for (key, node) in entries {
                let is_plain = matches!(key.content, Content::Scalar(_, true));
                let key = key.text().unwrap_or_default();
                let value = values.get(key).unwrap_or(&Value::Null);
                if is_plain && key == MERGE_KEY {
                    check_merge(node, value, shape)?;
                } else {
                    check_node(node, value, shape.field(key), key)?;
                }
            }
            matches!(shape, Map(_) | Fields(_) | Anything)
        }
        (Content::Scalar(text, is_plain), _) => {
            node.is_null()
                || match shape {
                    Anything => true,
                    Text => !is_plain || is_text(text),
                    Bool => *is_plain && is_bool(text),
                    Base64 => (!is_plain || is_text(text)) && is_base64(text),
                    List(_) | Map(_) | Fields(_) => false,
                }
        }
        (Content::List(..) | Content::Map(..), _) => false,
    };
    if fits { Ok(()) } else { Err(refusal(node, shape, key)) }
}

/// Checks the value of a merge key: one mapping or several.
fn check_merge(node: &YamlNode, value: &Value, shape: &Schema) -> Result<(), Failure> {
    let brings = |value: &Value| value.is_object() && is_of_shape(value, shape);
    let fits = value.as_array().map_or_else(|| brings(value), |values| values.iter().all(brings));
    if fits { Ok(()) } else { Err(refusal(node, shape, MERGE_KEY)) }
}

/// Whether a value has a type, however it is written.
fn is_of_shape(value: &Value, shape: &Schema) -> bool {
    match (shape, value) {
        (_, Value::Null) | (Anything, _) => true,
        (Text, Value::String(_)) | (Bool, Value::Bool(_)) => is_json(value),
        (Base64, Value::String(text)) => is_base64(text),
        (List(item), Value::Array(values)) => values.iter().all(|value| is_of_shape(value, item)),
        (Map(item), Value::Object(values)) => values.values().all(|value| is_of_shape(value, item)),
        (Fields(fields), Value::Object(values)) => {
            is_json(value)
                && fields
                    .iter()
                    .filter_map(|(name, shape)| Some((values.get(*name)?, shape)))
                    .all(|(value, shape)| is_of_shape(value, shape))
        }
        _ => false,
    }
}

fn refusal(node: &YamlNode, shape: &Schema, key: &str) -> Failure {
    let expected = match shape {
        Text | Anything => "a string; quote it",
        Bool => "true or false",
        Base64 => "base64",
        List(_) => "a list",
        Map(_) | Fields(_) => "a mapping",
    };
    file_failure(format!(
        "line {}: kubectl does not read the file: {} is not {expected}",
        node.line,
        clean(key)
    ))
}

/// Whether a plain scalar is a string.
fn is_text(text: &str) -> bool {
    !is_bool(text) && !is_number(text)
}

fn is_bool(text: &str) -> bool {
    const WORDS: [&str; 8] = ["y", "yes", "true", "on", "n", "no", "false", "off"];
    let is_capitalized = text.chars().skip(1).all(|c| c.is_ascii_lowercase());
    let is_in_one_case = is_capitalized || text.chars().all(|c| c.is_ascii_uppercase());
    is_in_one_case && WORDS.contains(&text.to_ascii_lowercase().as_str())
}

fn is_number(text: &str) -> bool {
    let digits = text.replace('_', "");
    if text.starts_with('_') || !text.contains(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let unsigned = digits.strip_prefix(['+', '-']).unwrap_or(&digits);
    let in_base = |prefixes: [&str; 2], base| {
        let rest = prefixes.into_iter().find_map(|prefix| unsigned.strip_prefix(prefix));
        rest.is_some_and(|rest| {
            !rest.starts_with(['+', '-']) && u64::from_str_radix(rest, base).is_ok()
        })
    };
    let is_decimal = || {
        // Rust's parser, without its words for infinity and NaN.
        unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && unsigned.parse::<f64>().is_ok()
    };
    in_base(["0x", "0X"], 16)
        || in_base(["0o", "0O"], 8)
        || in_base(["0b", "0B"], 2)
        || is_decimal()
}

/// Whether Go's decoder accepts it: with padding, and across lines.
fn is_base64(text: &str) -> bool {
    let (mut letters, mut padding) = (0_usize, 0_usize);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        match byte {
            b'=' => padding += 1,
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' if padding == 0 => letters += 1,
            _ => return false,
        }
    }
    padding <= 2 && (letters + padding).is_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use crate::domain::kubeconfig::document::{parse_tree, read};
    use crate::domain::kubeconfig::shape::check;

    /// The verdict of `kubectl config view --raw`.
    fn is_read(text: &str) -> bool {
        let (root, values) = read(text).unwrap();
        check(&root.unwrap(), &values).is_ok()
    }

    #[test]
    fn file_24_plain_scalars_are_texts_where_kubectl_takes_them_for_texts() {
        let token =
            |value: &str| is_read(&format!("users: [{{name: u, user: {{token: {value}}}}}]"));
        for text in [
            "abc",
            "1:30",
            "'5'",
            "\"yes\"",
            "2026-01-01",
            "0x",
            "0xG",
            "1e",
            "0b2",
            "0o8",
            "_1",
            "yEs",
            "--1",
            "a_1",
            "+",
            "1.2.3",
            "~",
            "null",
            "!!str 5",
            "inf",
            "nan",
            "190:20:30",
            "0x-1",
            "-a",
            "1 2",
            "1-2",
        ] {
            assert!(token(text), "{text}");
        }
        for other in [
            "5",
            "-0",
            "+1",
            "0o17",
            "017",
            "08",
            "0b101",
            "0x1F",
            "1_000",
            "1_",
            ".5",
            "1.",
            "12e03",
            "0.1e1",
            "123456789012345678901234567890",
            "yes",
            "On",
            "TRUE",
            "n",
            "Y",
            "off",
            "[]",
            "{a: b}",
        ] {
            assert!(!token(other), "{other}");
        }
    }

    #[test]
    fn file_24_an_escape_or_a_key_that_kubectl_does_not_know_is_named_with_its_line() {
        let read = |text: &str| parse_tree(text).map(|_| ()).map_err(|failure| failure.message);
        let mark = "line 2: kubectl does not read a second byte order mark";
        for text in ["# a\n\u{feff}# b\na: b", "# a\r\n\u{feff}# b", "# a\r\u{feff}# b"] {
            assert_eq!(read(text), Err(mark.to_owned()));
        }
        assert_eq!(read("a: \"\\\\/\"\nb: '\\/'\nc: \\/"), Ok(()));
        let key = "line 2: kubectl does not read a list or a mapping as a key";
        assert_eq!(read("a: b\n[c]: d"), Err(key.to_owned()));
        let refused = read("a: b\nserver: \"https:\\/\\/h\"");
        assert_eq!(refused, Err("line 2: kubectl does not read \\/ in a string".to_owned()));
    }

    #[test]
    fn file_24_a_value_of_another_kind_is_named_with_its_line() {
        let cluster = |field: &str| format!("clusters:\n- name: c\n  cluster:\n    {field}\n");
        for text in [
            "insecure-skip-tls-verify: yes",
            "insecure-skip-tls-verify: ~",
            "certificate-authority-data: \"QUJD\\nQUI=\"",
            "unknown: [1]",
            "extensions: [{name: x, extension: [1, {a: b}]}]",
        ] {
            assert!(is_read(&cluster(text)), "{text}");
        }
        for (text, named) in [
            ("insecure-skip-tls-verify: \"yes\"", "insecure-skip-tls-verify is not true or false"),
            ("certificate-authority-data: QUJD QUJD", "certificate-authority-data is not base64"),
            ("certificate-authority-data: QUI", "certificate-authority-data is not base64"),
            ("server: 5", "server is not a string; quote it"),
            ("extensions: {}", "extensions is not a list"),
        ] {
            let (root, values) = read(&cluster(text)).unwrap();
            let failure = check(&root.unwrap(), &values).unwrap_err();
            let sentence = format!("line 4: kubectl does not read the file: {named}");
            assert_eq!(failure.message, sentence);
        }
        assert!(!is_read("kind: !x Config"));
        assert!(!is_read(&cluster("insecure-skip-tls-verify: !!str true")));
        assert!(!is_read("users: [{name: u, user: !!str a}]"));
        assert!(!is_read("x: &n [a]\nusers: [{name: u, user: {token: *n}}]"));
        assert!(is_read("x: &n a\nusers: [{name: u, user: {token: *n}}]"));
        let merges = |value: &str| {
            format!("x: &f {{token: {value}}}\nusers: [{{name: u, user: {{<<: *f}}}}]")
        };
        assert!(is_read(&merges("a")));
        assert!(!is_read(&merges("[a]")));
        for brought in ["a", "[a]", "[{}, a]", "5", "~"] {
            assert!(!is_read(&format!("x: {{<<: {brought}}}")), "{brought}");
        }
        assert!(is_read("x: {'<<': a}"));
        assert!(!is_read("users: [{name: u, user: {exec: {args: [a, 1]}}}]"));
        assert!(!is_read("users: [{name: u, user: {exec: {env: [{name: A, value: 5}]}}}]"));
        assert!(!is_read("users: [{name: u, user: {as-groups: a}}]"));
        assert!(!is_read("current-context: [c]"));
    }
}
