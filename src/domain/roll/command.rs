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

/// A command that lists the nodes of a pool, of one zone of it if one is given.
pub fn nodes_of(pool: &str, zone: &str) -> Option<String> {
    if pool.is_empty() {
        return Some("kubectl get nodes".to_owned());
    }
    let mut labels = format!("worker.gardener.cloud/pool={pool}");
    if !zone.is_empty() {
        labels.push_str(&format!(",topology.kubernetes.io/zone={zone}"));
    }
    kubectl(None, "get nodes -l", &labels, "")
}

/// A word as a POSIX shell reads it back; `None` for what no object is called: nothing, control characters and
/// other invisible ones, and what looks like an option.
fn quoted(word: &str) -> Option<String> {
    if word.is_empty() || word.starts_with('-') || clean(word) != word {
        return None;
    }
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | ':' | '=' | ',');
    if word.chars().all(plain) {
        Some(word.to_owned())
    } else {
        Some(format!("'{}'", word.replace('\'', r"'\''")))
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::roll::command::{kubectl, nodes_of};

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
        assert_eq!(
            nodes_of("web", "eu01-2").as_deref(),
            Some(
                "kubectl get nodes -l worker.gardener.cloud/pool=web,topology.kubernetes.io/zone=eu01-2"
            )
        );
        assert_eq!(
            nodes_of("a b", "").as_deref(),
            Some("kubectl get nodes -l 'worker.gardener.cloud/pool=a b'")
        );
        assert_eq!(nodes_of("a\u{1b}[2J", ""), None);
        for name in ["", "-f", "a\nb", "a\u{1b}[2J", "a\u{202e}b"] {
            assert_eq!(kubectl(None, "get node", name, ""), None, "{name:?}");
        }
    }
}
