//! Quoting for shells: copied commands must be safe to paste into sh, bash, zsh and fish.

use crate::domain::text::clean;

/// A word quoted for all of these shells; `None` for an empty word and for control or other invisible characters.
pub fn quote(word: &str) -> Option<String> {
    if word.is_empty() || clean(word) != word {
        return None;
    }
    if is_plain(word) {
        return Some(word.to_owned());
    }
    // In single quotes a backslash is literal in sh but an escape in fish: it is kept outside, like the quote.
    let mut out = String::new();
    let mut is_open = false;
    for c in word.chars() {
        let is_outside = matches!(c, '\'' | '\\');
        if is_outside == is_open {
            out.push('\'');
            is_open = !is_open;
        }
        if is_outside {
            out.push('\\');
        }
        out.push(c);
    }
    if is_open {
        out.push('\'');
    }
    Some(out)
}

/// Like [`quote`], but rejects words that look like an option.
pub fn argument(word: &str) -> Option<String> {
    if word.starts_with('-') { None } else { quote(word) }
}

/// Whether no shell interprets it. zsh expands a leading `=` to a command path.
fn is_plain(word: &str) -> bool {
    let plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '/' | ':' | '=' | ',');
    !word.starts_with('=') && word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::prelude::*;

    use crate::domain::shell::{argument, quote};

    /// Words as parsed by a shell; `None` if it is not installed.
    #[expect(clippy::disallowed_methods, reason = "a shell of this machine is asked")]
    fn read_back(shell: &str, words: &[String]) -> Option<Vec<String>> {
        let mut script = "printf '%s\\n' ".to_owned();
        script.push_str(&words.join(" "));
        let output = Command::new(shell).args(["-c", &script]).output().ok()?;
        let text = String::from_utf8(output.stdout).unwrap();
        Some(text.lines().map(ToOwned::to_owned).collect())
    }

    fn every_shell_reads(words: &[&str]) {
        let quoted: Vec<String> = words.iter().map(|word| quote(word).unwrap()).collect();
        for shell in ["sh", "bash", "zsh", "fish"] {
            if let Some(read) = read_back(shell, &quoted) {
                assert_eq!(read, words, "{shell}: {quoted:?}");
            }
        }
    }

    #[test]
    fn host_09_words_that_do_harm_are_read_back_as_they_are() {
        every_shell_reads(&[
            "shop",
            "shop;touch x;#",
            "a$(touch x)",
            "a`touch x`",
            "a b",
            "it's",
            "\\",
            "\\'",
            "a\\",
            "\"",
            "~",
            "=ls",
            "!!",
            "*",
            "{a,b}",
            "$HOME",
            "-n",
            "a&b|c>d<e",
            "(x)",
            "#",
            "^",
            "%1",
            "?",
            "[a]",
            "ä✓",
            "x'; rm -rf ~ #",
            "a\\'b",
            "''",
            "\\\\",
        ]);
        for word in ["", "a\nb", "a\u{1b}[2J", "a\u{202e}b", "a\rb", "a\0b"] {
            assert_eq!(quote(word), None, "{word:?}");
        }
        assert_eq!(
            quote("worker.gardener.cloud/pool=web").unwrap(),
            "worker.gardener.cloud/pool=web"
        );
        assert_eq!((argument("-f"), argument("f").as_deref()), (None, Some("f")));
    }

    proptest! {
        #![proptest_config(crate::property_cases(24))]

        #[test]
        fn host_09_any_words_are_read_back_as_they_are(words in prop::collection::vec("\\PC{1,20}", 1..20)) {
            let usable: Vec<&str> =
                words.iter().map(String::as_str).filter(|word| quote(word).is_some()).collect();
            if !usable.is_empty() {
                every_shell_reads(&usable);
            }
        }
    }
}
