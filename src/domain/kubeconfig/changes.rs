//! Diff of a merge, line by line, for display. Values that may be secret are masked, and so are comments after them.

use std::collections::BTreeMap;
use std::ops::Range;

use similar::{Algorithm, ChangeTag, capture_diff_slices};

use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{Content, YamlNode, parse_tree};
use crate::domain::text::clean;

/// A line removed or added by a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedLine {
    /// 1-based: in the old file for a removed line, in the new one for an added line.
    pub number: usize,
    pub is_added: bool,
    /// The line, cleaned, with `…` for masked values.
    pub text: String,
    /// Whether it has a masked value.
    pub is_masked: bool,
}

/// Replaces a masked value.
const MASK: char = '…';

/// Fields that contain no secret; all others are masked.
const SHOWN: [&str; 20] = [
    "apiVersion",
    "as",
    "certificate-authority",
    "client-certificate",
    "client-key",
    "cluster",
    "command",
    "current-context",
    "disable-compression",
    "insecure-skip-tls-verify",
    "installHint",
    "interactiveMode",
    "kind",
    "name",
    "namespace",
    "provideClusterInfo",
    "server",
    "tls-server-name",
    "tokenFile",
    "user",
];
/// Arguments of a credential plugin that contain no secret.
const SHOWN_ARGUMENTS: [&str; 4] = ["ske", "kubeconfig", "login", "--idp"];

/// The differing lines of two kubeconfigs, in order, removed ones first at each place.
pub fn changed_lines(old: &str, new: &str) -> Result<Vec<ChangedLine>, Failure> {
    let (old_lines, new_lines) = (ReadText::of(old)?, ReadText::of(new)?);
    let mut out = Vec::new();
    for operation in capture_diff_slices(Algorithm::Myers, &old_lines.lines, &new_lines.lines) {
        for change in operation.iter_changes(&old_lines.lines, &new_lines.lines) {
            let (lines, at) = match change.tag() {
                ChangeTag::Equal => continue,
                ChangeTag::Delete => (&old_lines, change.old_index()),
                ChangeTag::Insert => (&new_lines, change.new_index()),
            };
            let Some(at) = at else { continue };
            let (text, is_masked) = lines.shown(at);
            let is_added = change.tag() == ChangeTag::Insert;
            out.push(ChangedLine { number: at + 1, is_added, text, is_masked });
        }
    }
    Ok(out)
}

/// The net change, regardless of position: how often each text is added or, if negative, removed.
pub fn sum_of(changes: &[ChangedLine]) -> BTreeMap<&str, isize> {
    let mut sum = BTreeMap::new();
    for change in changes {
        *sum.entry(change.text.as_str()).or_default() += if change.is_added { 1 } else { -1 };
    }
    sum.retain(|_, count| *count != 0);
    sum
}

/// The lines of a text, and the byte ranges of its values, shown or masked.
struct ReadText<'a> {
    lines: Vec<&'a str>,
    /// Start offset of each line.
    starts: Vec<usize>,
    /// Scalars in order, and whether each is shown.
    scalars: Vec<(Range<usize>, bool)>,
}

impl<'a> ReadText<'a> {
    fn of(text: &'a str) -> Result<Self, Failure> {
        let line_end = if text.contains('\n') { '\n' } else { '\r' };
        let lines: Vec<&str> = text.split_inclusive(line_end).collect();
        let starts = lines.iter().scan(0, |end, line| {
            let start = *end;
            *end += line.len();
            Some(start)
        });
        let starts = starts.collect();
        let mut scalars = Vec::new();
        if let Some(root) = parse_tree(text)? {
            collect(&root, "", &mut scalars);
        }
        scalars.sort_by_key(|(span, _)| span.start);
        Ok(Self { lines, starts, scalars })
    }

    /// A line with masked values, and whether it has any.
    fn shown(&self, at: usize) -> (String, bool) {
        let (Some(line), Some(start)) = (self.lines.get(at), self.starts.get(at)) else {
            return (String::new(), false);
        };
        let first = self.scalars.partition_point(|(span, _)| span.end <= *start);
        let mut scalars = self.scalars.iter().skip(first).peekable();
        let (mut out, mut is_masked) = (String::new(), false);
        for (offset, c) in line.trim_end_matches(['\n', '\r']).char_indices() {
            let place = start + offset;
            while scalars.next_if(|(span, _)| span.end <= place).is_some() {}
            let is_shown = match scalars.peek() {
                Some((span, is_shown)) if span.start <= place => {
                    is_masked |= !is_shown;
                    *is_shown
                }
                // Between values, this starts a comment.
                Some(_) | None if c == '#' => {
                    out.push_str("# …");
                    break;
                }
                Some(_) | None => true,
            };
            if is_shown {
                out.push(c);
            } else if !out.ends_with(MASK) {
                out.push(MASK);
            }
        }
        (clean(&out), is_masked)
    }
}

/// Scalars below a node that is the value of a key.
fn collect(node: &YamlNode, key: &str, scalars: &mut Vec<(Range<usize>, bool)>) {
    match &node.content {
        Content::Scalar(text, _) => {
            let is_shown = match key {
                "server" | "proxy-url" => !text.contains('@'),
                "args" => SHOWN_ARGUMENTS.contains(&text.as_str()),
                _ => SHOWN.contains(&key) || node.is_null(),
            };
            scalars.push((node.span.clone(), is_shown));
        }
        Content::List(items, _) => items.iter().for_each(|item| collect(item, key, scalars)),
        Content::Map(entries, _) => {
            for (key, value) in entries {
                scalars.push((key.span.clone(), true));
                collect(value, key.text().unwrap_or_default(), scalars);
            }
        }
        Content::Alias => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::kubeconfig::changes::{changed_lines, sum_of};

    fn shown(old: &str, new: &str) -> Vec<String> {
        let changes = changed_lines(old, new).unwrap();
        let line = |change: &super::ChangedLine| {
            let (sign, mask) = (if change.is_added { '+' } else { '-' }, change.is_masked);
            format!(
                "{} {sign}{}{}",
                change.number,
                change.text,
                if mask { " (masked)" } else { "" }
            )
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn host_04_no_value_that_may_be_secret_is_shown() {
        let old = "users:\n- name: me # hunter2\n  user:\n    token: hunter2 # was hunter2\n    password: |\n      hunter2\n       hunter2\n- {name: other, user: {token: 'hunter2', username: hunter2}}\n";
        let new = "users:\n- name: me\n  user:\n    exec:\n      command: stackit\n      args: [ske, --key=hunter2]\n      env: [{name: A, value: hunter2}]\n- {name: other, user: {client-key-data: hunter2}}\n";
        let lines = shown(old, new);
        assert!(!lines.join("\n").contains("hunter2"), "{lines:#?}");
        for line in [
            "2 -- name: me # …",
            "4 -    token: … # … (masked)",
            "6 -      … (masked)",
            "8 -- {name: other, user: {token: …, username: …}} (masked)",
            "5 +      command: stackit",
            "6 +      args: [ske, …] (masked)",
            "7 +      env: [{name: A, value: …}] (masked)",
            "8 +- {name: other, user: {client-key-data: …}} (masked)",
        ] {
            assert!(lines.iter().any(|shown| shown == line), "{line}\n{lines:#?}");
        }
    }

    #[test]
    fn a_server_is_shown_but_not_a_password_in_it() {
        let of = |server: &str| format!("clusters: [{{name: c, cluster: {{server: {server}}}}}]\n");
        let lines = shown(&of("'https://me:hunter2@one.example'"), &of("https://one.example"));
        assert_eq!(
            lines,
            [
                "1 -clusters: [{name: c, cluster: {server: …}}] (masked)",
                "1 +clusters: [{name: c, cluster: {server: https://one.example}}]"
            ]
        );
    }

    #[test]
    fn what_moved_or_only_got_another_secret_comes_to_nothing() {
        let one = "users:\n- name: a\n  user: {token: x}\n";
        let two = "users:\n- name: a\n  user: {token: y}\n  # mine\n";
        let changes = changed_lines(one, two).unwrap();
        assert_eq!(sum_of(&changes).into_iter().collect::<Vec<_>>(), [("  # …", 1)]);
    }
}
