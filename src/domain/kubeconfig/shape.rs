//! What kubectl expects where in a kubeconfig: it reads nothing of a file in which one value is of another kind. Source:
//! `k8s.io/client-go/tools/clientcmd/api/v1`; plain scalars as its reader of YAML 1.1 resolves them.

use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{Content, Node, file_failure};
use crate::domain::text::clean;

/// What may stand in a place. Null may stand everywhere.
enum Shape {
    Text,
    Bool,
    Base64,
    Anything,
    List(&'static Self),
    /// Any keys, with values of one kind.
    Map(&'static Self),
    /// Keys with a value of their own kind; others are ignored.
    Fields(&'static [(&'static str, Self)]),
}

use Shape::{Anything, Base64, Bool, Fields, List, Map, Text};

const TEXTS: Shape = List(&Text);
const EXTENSIONS: Shape = List(&Fields(&[("name", Text), ("extension", Anything)]));
const CLUSTER: Shape = Fields(&[
    ("server", Text),
    ("tls-server-name", Text),
    ("insecure-skip-tls-verify", Bool),
    ("certificate-authority", Text),
    ("certificate-authority-data", Base64),
    ("proxy-url", Text),
    ("disable-compression", Bool),
    ("extensions", EXTENSIONS),
]);
const CONTEXT: Shape =
    Fields(&[("cluster", Text), ("user", Text), ("namespace", Text), ("extensions", EXTENSIONS)]);
const EXEC: Shape = Fields(&[
    ("apiVersion", Text),
    ("command", Text),
    ("args", TEXTS),
    ("env", List(&Fields(&[("name", Text), ("value", Text)]))),
    ("installHint", Text),
    ("provideClusterInfo", Bool),
    ("interactiveMode", Text),
]);
const USER: Shape = Fields(&[
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
const CONFIG: Shape = Fields(&[
    ("apiVersion", Text),
    ("kind", Text),
    ("preferences", Fields(&[("colors", Bool), ("extensions", EXTENSIONS)])),
    ("clusters", List(&Fields(&[("name", Text), ("cluster", CLUSTER)]))),
    ("contexts", List(&Fields(&[("name", Text), ("context", CONTEXT)]))),
    ("users", List(&Fields(&[("name", Text), ("user", USER)]))),
    ("current-context", Text),
    ("extensions", EXTENSIONS),
]);

/// Refuses a file in which something is of another kind than kubectl expects.
pub fn check(root: &Node) -> Result<(), Failure> {
    check_node(root, &CONFIG, "the file")
}

fn check_node(node: &Node, shape: &Shape, key: &str) -> Result<(), Failure> {
    // What aliases and tags make of it is left to the comparison of values.
    if node.tagged || node.is_null() || matches!(node.content, Content::Alias) {
        return Ok(());
    }
    match (shape, &node.content) {
        (Anything, _) => Ok(()),
        (List(item), Content::List(nodes, _)) => {
            nodes.iter().try_for_each(|node| check_node(node, item, key))
        }
        (Map(item), Content::Map(entries, _)) => {
            entries.iter().try_for_each(|(_, value)| check_node(value, item, key))
        }
        (Fields(fields), Content::Map(entries, _)) => {
            entries.iter().try_for_each(|(name, value)| {
                let field = fields.iter().find(|(field, _)| name.text() == Some(field));
                field.map_or(Ok(()), |(name, shape)| check_node(value, shape, name))
            })
        }
        (Text, Content::Scalar(text, is_plain)) if !is_plain || is_text(text) => Ok(()),
        (Bool, Content::Scalar(text, true)) if is_bool(text) => Ok(()),
        (Base64, Content::Scalar(text, is_plain))
            if (!is_plain || is_text(text)) && is_base64(text) =>
        {
            Ok(())
        }
        _ => {
            let expected = match shape {
                Text | Anything => "a string; quote it",
                Bool => "true or false",
                Base64 => "base64",
                List(_) => "a list",
                Map(_) | Fields(_) => "a mapping",
            };
            Err(file_failure(format!(
                "line {}: kubectl does not read the file: {} is not {expected}",
                node.line,
                clean(key)
            )))
        }
    }
}

/// Whether a plain scalar is a text.
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
        // As Rust reads it, without its words for what is no number.
        unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
            && unsigned.parse::<f64>().is_ok()
    };
    in_base(["0x", "0X"], 16)
        || in_base(["0o", "0O"], 8)
        || in_base(["0b", "0B"], 2)
        || is_decimal()
}

/// Whether Go's decoder takes it: with padding, and across lines.
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
    use crate::domain::kubeconfig::document::parse_tree;
    use crate::domain::kubeconfig::shape::check;

    /// As `kubectl config view --raw` judges it.
    fn is_read(text: &str) -> bool {
        check(&parse_tree(text).unwrap().unwrap()).is_ok()
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
            let failure = check(&parse_tree(&cluster(text)).unwrap().unwrap()).unwrap_err();
            let sentence = format!("line 4: kubectl does not read the file: {named}");
            assert_eq!(failure.message, sentence);
        }
        assert!(!is_read("users: [{name: u, user: {exec: {args: [a, 1]}}}]"));
        assert!(!is_read("users: [{name: u, user: {exec: {env: [{name: A, value: 5}]}}}]"));
        assert!(!is_read("users: [{name: u, user: {as-groups: a}}]"));
        assert!(!is_read("current-context: [c]"));
    }
}
