//! Redacts our own secrets in a server's answer before it is used.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use memchr::memmem;

use crate::domain::secret::Secret;

/// What replaces a secret.
const REPLACEMENT: &[u8] = b"[redacted]";
/// Shortest part of a secret that is redacted, in bytes; shorter ones occur in ordinary words.
const MIN_PART: usize = 12;
/// Most remembered secrets: tokens are renewed, and a server may quote an old one.
const MAX_SECRETS: usize = 32;

/// The secrets that were sent, each split into lines. Clones share them.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Mutex<VecDeque<Vec<Secret>>>>);

impl Redactor {
    fn known(&self) -> MutexGuard<'_, VecDeque<Vec<Secret>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a secret: a token as it is, a key line by line.
    pub fn learn(&self, secret: &Secret) {
        let lines = secret.expose().split_whitespace();
        let lines: Vec<Secret> = lines
            .filter(|line| line.len() >= MIN_PART && !line.starts_with("-----"))
            .map(|line| Secret::new(line.to_owned()))
            .collect();
        let mut known = self.known();
        // A secret still in use must not be the first to be forgotten.
        known.retain(|other| *other != lines);
        known.push_back(lines);
        let surplus = known.len().saturating_sub(MAX_SECRETS);
        known.drain(..surplus);
    }

    /// Redacts whole secrets and the dot-separated parts of tokens; for large successful answers.
    pub fn redact_whole(&self, text: Vec<u8>) -> Vec<u8> {
        let known = self.known();
        let pieces = known.iter().flatten().flat_map(|secret| {
            let secret = secret.expose();
            std::iter::once(secret).chain(secret.split('.').filter(|part| part.len() >= MIN_PART))
        });
        let mut covered = Vec::new();
        for piece in pieces {
            let found = memmem::find_iter(&text, piece.as_bytes());
            covered.extend(found.map(|at| (at, at.saturating_add(piece.len()))));
        }
        replace_ranges(text, covered)
    }

    /// Redacts any part of a secret, however it was cut, and any token; for error messages.
    pub fn redact(&self, text: Vec<u8>) -> Vec<u8> {
        let known = self.known();
        let lines = known.iter().flatten();
        let parts: HashSet<&[u8]> =
            lines.flat_map(|line| line.expose().as_bytes().windows(MIN_PART)).collect();
        let is_part = |(at, window): (usize, &[u8])| {
            parts.contains(window).then(|| (at, at.saturating_add(MIN_PART)))
        };
        let mut covered: Vec<_> = text.windows(MIN_PART).enumerate().filter_map(is_part).collect();
        covered.extend(find_tokens(&text));
        replace_ranges(text, covered)
    }

    /// As [`Self::redact`], for text in a header.
    pub fn redact_text(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.redact(text.as_bytes().to_vec())).into_owned()
    }
}

/// JSON Web Tokens of anyone: encoded JSON objects start like this.
fn find_tokens(text: &[u8]) -> Vec<(usize, usize)> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    memmem::find_iter(text, b"eyJ")
        .map(|at| {
            let rest = text.get(at..).unwrap_or_default();
            (at, at.saturating_add(rest.iter().take_while(|byte| is_letter(byte)).count()))
        })
        .filter(|(at, end)| end - at >= 2 * MIN_PART)
        .collect()
}

fn replace_ranges(text: Vec<u8>, mut covered: Vec<(usize, usize)>) -> Vec<u8> {
    if covered.is_empty() {
        return text;
    }
    covered.sort_unstable();
    let mut out = Vec::with_capacity(text.len());
    let mut done = 0;
    for (begin, end) in covered {
        if begin >= done {
            out.extend_from_slice(text.get(done..begin).unwrap_or_default());
            // Adjacent ranges are one secret.
            if begin > done || done == 0 {
                out.extend_from_slice(REPLACEMENT);
            }
        }
        done = done.max(end);
    }
    out.extend_from_slice(text.get(done..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use crate::clients::redact::Redactor;
    use crate::domain::secret::Secret;

    const TOKEN: &str = "eyJhbGciOiJSUzUxMiJ9.eyJzdWIiOiJvcHMifQ.c2lnbmF0dXJlLXRoYXQtaXMtbG9uZw";

    fn redacted(secrets: &[&str], text: &str) -> String {
        let redactor = Redactor::default();
        for secret in secrets {
            redactor.learn(&Secret::new((*secret).to_owned()));
        }
        redactor.redact_text(text)
    }

    #[test]
    fn api_29_what_a_server_quotes_of_a_secret_is_replaced_however_it_was_cut() {
        let (begin, _) = TOKEN.split_at(40);
        let (_, end) = TOKEN.split_at(45);
        for (text, expected) in [
            (format!("the token {TOKEN} is bad"), "the token [redacted] is bad"),
            (format!("bad: {begin}…"), "bad: [redacted]…"),
            (format!("signature {end} is wrong"), "signature [redacted] is wrong"),
            (format!("{TOKEN}{TOKEN}"), "[redacted]"),
            ("nothing of it: eyJ".to_owned(), "nothing of it: eyJ"),
        ] {
            assert_eq!(redacted(&[TOKEN], &text), expected);
        }
        // A token of someone else does not belong in a journal either.
        assert_eq!(redacted(&[], &format!("got {TOKEN}.")), "got [redacted]");
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nBKcwggSjAgEAAoIBAQ\n-----END PRIVATE KEY-----";
        let text =
            redacted(&[key], "PRIVATE KEY MIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\nBKcwggSjAgEAAoIBAQ");
        assert_eq!(text, "PRIVATE KEY [redacted]\\n[redacted]");
    }

    #[test]
    fn api_29_large_answers_are_searched_for_whole_secrets_and_parts_of_tokens() {
        let redactor = Redactor::default();
        redactor.learn(&Secret::new(TOKEN.to_owned()));
        let (_, signature) = TOKEN.rsplit_once('.').unwrap();
        let text = format!("{{\"a\":\"{TOKEN}\",\"b\":\"{signature}\"}}");
        let redacted = redactor.redact_whole(text.into_bytes());
        assert_eq!(String::from_utf8(redacted).unwrap(), r#"{"a":"[redacted]","b":"[redacted]"}"#);
        assert_eq!(redactor.redact_whole(b"nothing".to_vec()), b"nothing");
    }

    #[test]
    fn api_29_every_line_of_several_long_keys_is_replaced() {
        // As many lines as a 4096-bit key, of 64 letters each.
        let lines = |key: usize| (0..50).map(move |line| format!("{key:02}{line:062}"));
        let redactor = Redactor::default();
        for key in 0..super::MAX_SECRETS {
            let text: Vec<_> = lines(key).collect();
            redactor.learn(&Secret::new(text.join("\n")));
        }
        // A secret that is used again outlasts the others.
        let first: Vec<_> = lines(0).collect();
        redactor.learn(&Secret::new(first.join("\n")));
        redactor.learn(&Secret::new("a-token-of-another-kind".to_owned()));
        let remembered = (0..super::MAX_SECRETS).filter(|key| *key != 1).flat_map(lines);
        let quoted: Vec<_> = remembered.map(|line| format!("{line}!")).collect();
        let expected = "[redacted]! ".repeat(quoted.len());
        assert_eq!(redactor.redact_text(&quoted.join(" ")), expected.trim_end());
    }

    #[test]
    fn the_number_of_redacted_secrets_is_bounded() {
        let redactor = Redactor::default();
        for number in 0..100 {
            redactor.learn(&Secret::new(format!("a-token-of-many-{number}")));
        }
        assert_eq!(redactor.known().len(), super::MAX_SECRETS);
    }
}
