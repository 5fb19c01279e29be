//! `kubectl` commands to copy: they only look, and their words are safe to paste into a shell.

use crate::domain::text::clean;

/// A command that looks at an object, or `None` when a name could do harm in a shell or a terminal.
///
/// `verb` is fixed text ("get pdb"), as is `tail` ("-o yaml"); names come from the cluster and are quoted.
pub fn kubectl(namespace: Option<&str>, verb: &str, name: &str, tail: &str) -> Option<String> {
    let mut out = "kubectl".to_owned();
    if let Some(namespace) = namespace {
        out.push_str(" -n ");
        out.push_str(&quoted(namespace)?);
    }
    for part in [verb, &quoted(name)?, tail] {
        if !part.is_empty() {
            out.push(' ');
            out.push_str(part);
        }
    }
    Some(out)
}

/// A word as a POSIX shell reads it back; `None` for what no object is called: nothing, control characters and
/// other invisible ones, and what looks like an option.
fn quoted(word: &str) -> Option<String> {
    if word.is_empty() || word.starts_with('-') || clean(word) != word {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | ':');
    if word.chars().all(plain) {
        Some(word.to_owned())
    } else {
        Some(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::roll::command::kubectl;

    #[test]
    fn commands_are_safe_to_paste() {
        assert_eq!(
            kubectl(Some("payments"), "get pdb", "api", "").as_deref(),
            Some("kubectl -n payments get pdb api")
        );
        assert_eq!(
            kubectl(Some("a b"), "get pod", "x'; rm -rf ~ #", "-o yaml").as_deref(),
            Some(r"kubectl -n 'a b' get pod 'x'\''; rm -rf ~ #' -o yaml")
        );
        for name in ["", "-f", "a\nb", "a\u{1b}[2J", "a\u{202e}b"] {
            assert_eq!(kubectl(None, "get node", name, ""), None, "{name:?}");
        }
    }
}
