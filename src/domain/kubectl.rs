//! `kubectl` commands for copying: safe to paste into a shell, and bound to their cluster.

use crate::domain::shell::{argument, quote};

/// How kubectl reaches a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubectlContext {
    /// The kubeconfig in shown form (`~/…`), if kubectl needs it as an option.
    pub file: Option<String>,
    pub name: String,
}

impl KubectlContext {
    /// The options; `None` if they cannot be quoted for a shell.
    fn options(&self) -> Option<String> {
        let file = match &self.file {
            // A shell expands the tilde only if it is unquoted.
            Some(file) => Some(match file.strip_prefix("~/") {
                Some(rest) => format!("~/{}", quote(rest)?),
                None => quote(file)?,
            }),
            None => None,
        };
        // After `=` it is always a value, never an option.
        let joint = if self.name.starts_with('-') { "=" } else { " " };
        let context = format!("--context{joint}{}", quote(&self.name)?);
        Some(file.map(|file| format!("--kubeconfig {file} ")).unwrap_or_default() + &context)
    }
}

/// A command about one or several objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubectl {
    /// Namespace, quoted.
    namespace: Option<String>,
    /// Fixed text ("get pdb").
    verb: &'static str,
    /// Name or label selector, quoted.
    name: Option<String>,
    /// Fixed text at the end ("-o yaml"); may be empty.
    tail: &'static str,
}

impl Kubectl {
    /// A command without a name ("get pdb -A").
    pub fn plain(verb: &'static str) -> Self {
        Self { namespace: None, verb, name: None, tail: "" }
    }

    /// A command about one object; `None` if the name is invalid.
    pub fn about(
        namespace: Option<&str>,
        verb: &'static str,
        name: &str,
        tail: &'static str,
    ) -> Option<Self> {
        let namespace = match namespace {
            Some(namespace) => Some(argument(namespace)?),
            None => None,
        };
        Some(Self { namespace, verb, name: Some(argument(name)?), tail })
    }

    /// Lists the nodes of a pool, or of one of its zones.
    pub fn nodes_of(pool: &str, zone: &str) -> Option<Self> {
        if pool.is_empty() {
            return Some(Self::plain("get nodes"));
        }
        let mut labels = format!("worker.gardener.cloud/pool={pool}");
        if !zone.is_empty() {
            labels.push_str(&format!(",topology.kubernetes.io/zone={zone}"));
        }
        Self::about(None, "get nodes -l", &labels, "")
    }

    /// The command line; includes the context if it can be quoted.
    pub fn line(&self, context: Option<&KubectlContext>) -> String {
        let mut line = "kubectl".to_owned();
        let context = context.and_then(KubectlContext::options);
        let namespace = self.namespace.as_ref().map(|namespace| format!("-n {namespace}"));
        let parts = [
            context.as_deref(),
            namespace.as_deref(),
            Some(self.verb),
            self.name.as_deref(),
            Some(self.tail),
        ];
        for part in parts.into_iter().flatten().filter(|part| !part.is_empty()) {
            line.push(' ');
            line.push_str(part);
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::kubectl::{Kubectl, KubectlContext};

    fn context(file: Option<&str>, name: &str) -> KubectlContext {
        KubectlContext { file: file.map(str::to_owned), name: name.to_owned() }
    }

    fn line(namespace: Option<&str>, verb: &'static str, name: &str) -> Option<String> {
        Kubectl::about(namespace, verb, name, "").map(|command| command.line(None))
    }

    #[test]
    fn host_09_commands_are_safe_to_paste() {
        assert_eq!(
            line(Some("payments"), "get pdb", "api").unwrap(),
            "kubectl -n payments get pdb api"
        );
        let command = Kubectl::about(Some("a b"), "get pod", "x'; rm -rf ~ #", "-o yaml").unwrap();
        assert_eq!(
            command.line(Some(&context(None, "shop;touch x;#"))),
            r"kubectl --context 'shop;touch x;#' -n 'a b' get pod 'x'\''; rm -rf ~ #' -o yaml"
        );
        let nodes_in = |file| Kubectl::plain("get nodes").line(Some(&context(Some(file), "web")));
        assert_eq!(
            nodes_in("~/own files/$(x).yaml"),
            "kubectl --kubeconfig ~/'own files/$(x).yaml' --context web get nodes"
        );
        assert_eq!(nodes_in("/a;b"), "kubectl --kubeconfig '/a;b' --context web get nodes");
        assert_eq!(nodes_in("~/a\nb"), "kubectl get nodes");
        let nodes = |pool, zone| Kubectl::nodes_of(pool, zone).map(|command| command.line(None));
        assert_eq!(
            nodes("web", "eu01-2").unwrap(),
            "kubectl get nodes -l worker.gardener.cloud/pool=web,topology.kubernetes.io/zone=eu01-2"
        );
        assert_eq!(
            nodes("a b", "").unwrap(),
            "kubectl get nodes -l 'worker.gardener.cloud/pool=a b'"
        );
        assert_eq!(nodes("a\u{1b}[2J", ""), None);
        for name in ["", "-f", "a\nb", "a\u{1b}[2J", "a\u{202e}b"] {
            assert_eq!(line(None, "get node", name), None, "{name:?}");
        }
        assert_eq!(
            Kubectl::plain("get nodes").line(Some(&context(None, "a\nb"))),
            "kubectl get nodes"
        );
    }

    #[test]
    fn host_10_a_context_is_not_read_as_an_option() {
        let line = Kubectl::plain("get nodes").line(Some(&context(None, "--token=x")));
        assert_eq!(line, "kubectl --context=--token=x get nodes");
    }
}
