//! Detects a key or token where something else belongs, such as a path, so that it is not displayed.

use std::fmt::Display;

use crate::domain::text::clean;

/// Displayed instead of the secret.
pub const SHOWN: &str = "(a value that looks like a key or token)";

/// Minimum length of a text without separators that may be an encoded secret.
const SHORTEST_RUN: usize = 32;
/// Minimum length of a text from `eyJ` on that counts as a JSON Web Token.
const SHORTEST_TOKEN: usize = 12;

/// A value from outside (argument, variable, path, file) in displayable form.
pub fn show(value: impl Display) -> String {
    let text = value.to_string();
    if looks_secret(&text) { SHOWN.to_owned() } else { clean(&text) }
}

/// Whether a value looks like a key, a token, or their file content, rather than a path, name or URL.
pub fn looks_secret(text: &str) -> bool {
    let text = text.trim();
    text.contains(['\n', '\r'])
        || text.starts_with('{')
        || text.contains("{\"")
        || text.contains("-----BEGIN")
        || has_password(text)
        || has_token(text)
        || text.split(|c: char| !is_encoded(c)).any(is_random)
}

/// Whether the text is a URL with a password.
fn has_password(text: &str) -> bool {
    let authority = text.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap_or(rest));
    let user = authority.and_then(|authority| authority.rsplit_once('@'));
    user.is_some_and(|(user, _)| user.contains(':'))
}

/// Whether the text contains a JSON Web Token: an encoded JSON object starts with `eyJ`.
fn has_token(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let words = text.split(|c| !is_part(c));
    words.filter_map(|word| word.get(word.find("eyJ")?..)).any(|token| {
        token.len() >= SHORTEST_TOKEN && (token.contains('.') || token.len() >= SHORTEST_RUN)
    })
}

/// Base64 characters except the slash, which separates folders.
fn is_encoded(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '=')
}

/// Whether character classes alternate as often as in random bytes. Words rarely change case, and UUIDs have one.
fn is_random(run: &str) -> bool {
    let class = |byte: u8| match byte {
        b'A'..=b'Z' => 0,
        b'a'..=b'z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    };
    let count = |wanted: i32| run.bytes().filter(|byte| class(*byte) == wanted).count();
    let pairs = run.bytes().zip(run.bytes().skip(1));
    let changes = pairs.filter(|(a, b)| class(*a) != class(*b)).count();
    // Keys in DER start with `MII`, followed by much that all keys share.
    run.len() >= SHORTEST_RUN
        && count(0) >= 4
        && count(1) >= 4
        && count(2) >= 2
        && (changes.saturating_mul(5) >= run.len().saturating_mul(2) || run.starts_with("MII"))
}

#[cfg(test)]
mod tests {
    use crate::domain::misplaced_secret::{SHOWN, looks_secret, show};

    #[test]
    fn auth_17_keys_and_tokens_are_recognized() {
        for text in [
            "{\n  \"credentials\": {\"privateKey\": \"canary\"}\n}",
            "{\"access_token\":\"canary\"}",
            "{",
            "export KEY={\"kid\":\"canary\"}",
            "-----BEGIN PRIVATE KEY-----\\nMIIE",
            "apiVersion: v1\nkind: Config",
            "eyJhbGciOiJSUzUxMiJ9.eyJzdWIiOiJvcHMifQ.c2lnbmF0dXJl",
            "Bearer eyJhbGciOiJSUzUxMiJ9.eyJzdWIiOiJvcHMifQ.c2lnbmF0dXJl",
            "~/eyJhbGciOiJSUzUxMiJ9.e30.c2ln",
            "\"eyJhbGciOiJub25lIn0.e30.\"",
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7",
            "https://ops:hunter2@ske.example.test/v2",
            "https://h/x?token=Zx8Kq2LmN0vRt5Yw9Bc3Df7Gh1Jk4Pq6Su",
        ] {
            assert!(looks_secret(text), "{text}");
            assert_eq!(show(text), SHOWN);
        }
    }

    #[test]
    fn paths_names_and_addresses_are_shown() {
        for text in [
            "",
            "~/.stackit/credentials.json",
            "/home/Ops/.config/skeys/service-account-key-2026.json",
            "/nix/store/9krlzvny65gdc8s7kpb6lkx8cd02c25b-skeys/Key.json",
            "/private/var/folders/zz/zyxvpxvq6csfxvn_n0000000000000/T/skeys",
            "C:/Users/MyServiceAccountKeyForProductionEnvironment2024Final.json",
            "9f1c2b7e-41d0-4f0c-8a55-6d3f0b1c77e2",
            "Backup-9f1c2b7e-41d0-4f0c-8a55-6d3f0b1c77e2",
            "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
            "https://service-account.api.stackit.cloud/token",
            "https://sts-Accounts.Example-Company-2026.example.test/oauth/v2/token",
            "deploy-production@sa.stackit.cloud",
            "https://ops@ske.example.test:8443/a:b@c",
            "label:team.example.test/Owner=Payments=90d",
            "survEyJob",
            "/run/user/1000/{a,b}/token",
        ] {
            assert!(!looks_secret(text), "{text}");
        }
        assert_eq!(show("/tmp/a\u{1b}[2J"), "/tmp/a␛[2J");
    }
}
