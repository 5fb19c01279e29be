//! Formats values as block YAML or JSON text for splicing.

use serde_json::Value;

/// Block YAML of a value; all lines but the first are indented by `indent` spaces, no final line end.
pub fn block(value: &Value, indent: usize) -> String {
    let mut out = String::new();
    write_block(&mut out, value, indent);
    out
}

fn write_block(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (position, (key, inner)) in map.iter().enumerate() {
                if position > 0 {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str(&scalar(key));
                out.push(':');
                write_inner(out, inner, indent);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, inner) in items.iter().enumerate() {
                if position > 0 {
                    out.push('\n');
                    out.push_str(&" ".repeat(indent));
                }
                out.push_str("- ");
                write_block(out, inner, indent + 2);
            }
        }
        Value::String(text) => out.push_str(&scalar(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) | Value::Array(_) => {
            out.push_str(&value.to_string());
        }
    }
}

fn write_inner(out: &mut String, inner: &Value, indent: usize) {
    let deeper = match inner {
        Value::Object(map) if !map.is_empty() => Some(indent + 2),
        Value::Array(items) if !items.is_empty() => Some(indent),
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Object(_)
        | Value::Array(_) => None,
    };
    if let Some(deeper) = deeper {
        out.push('\n');
        out.push_str(&" ".repeat(deeper));
        write_block(out, inner, deeper);
    } else {
        out.push(' ');
        write_block(out, inner, indent);
    }
}

/// A text as a YAML scalar: plain only if no parser can misinterpret it.
pub fn scalar(text: &str) -> String {
    let begins = text.chars().next().is_some_and(|c| c.is_ascii_alphabetic());
    let harmless = text.chars().all(|c| c.is_ascii_alphanumeric() || "/+=._:@-".contains(c));
    let word = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if begins && harmless && !word && !text.ends_with(':') { text.to_owned() } else { quoted(text) }
}

/// A text in double quotes, valid in both JSON and YAML.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
