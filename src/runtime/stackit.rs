//! The `stackit` CLI: finding and running it.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::process::Command;

use crate::clients::auth::TokenProgram;
use crate::clock::Clock;
use crate::runtime::child::{command, detached, inherit, output};
use crate::store::programs::find_program;

/// Timeout for printing a token, which may need the network.
const TOKEN_LIMIT: Duration = Duration::from_secs(10);
/// Variables in addition to those of every program: profile, identity provider, browser, proxy, CAs. A proxy URL may
/// contain a password; without it the CLI could not renew its login.
const VARIABLES: &[&str] = &[
    "STACKIT_CLI_PROFILE",
    "STACKIT_IDENTITY_PROVIDER_CUSTOM_WELL_KNOWN_CONFIGURATION",
    "STACKIT_IDENTITY_PROVIDER_CUSTOM_CLIENT_ID",
    "BROWSER",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// Finds it in a `PATH`-style list of folders.
pub fn find(folders: &str) -> Option<PathBuf> {
    find_program(folders, "stackit")
}

/// `stackit auth get-access-token` of this program, with the given or the active profile.
pub fn token_program(path: PathBuf, profile: Option<String>) -> TokenProgram {
    let program = path.clone();
    let of_login = profile.clone();
    let run = move |clock: Clock| {
        let mut command = detached(&program);
        prepare(&mut command, profile.as_deref());
        command.args(["auth", "get-access-token"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        async move { output(&clock, TOKEN_LIMIT, "stackit", command, "").await }.boxed()
    };
    TokenProgram { path, profile: of_login, run: Arc::new(run) }
}

fn prepare(command: &mut Command, profile: Option<&str>) {
    inherit(command, VARIABLES);
    if let Some(profile) = profile {
        command.env("STACKIT_CLI_PROFILE", profile);
    }
}

/// `stackit auth login` of this program, at the terminal.
pub fn login(program: &TokenProgram) -> Command {
    let mut command = command(&program.path);
    prepare(&mut command, program.profile.as_deref());
    command.args(["auth", "login"]).process_group(0);
    command.stdin(Stdio::inherit()).stdout(Stdio::inherit()).stderr(Stdio::inherit());
    command
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::json;

    use crate::clients::auth::{AuthSettings, TokenSource, choose};
    use crate::clients::http::Http;
    use crate::clock::Clock;
    use crate::domain::failure::{Failure, FailureKind};
    use crate::domain::fixtures::now;
    use crate::runtime::child::{INHERITED_VARIABLES, command, output};
    use crate::runtime::stackit::{VARIABLES, find, login, token_program};

    /// A stand-in for the CLI, written by another process: a file that is open for writing cannot be run.
    async fn stand_in(folder: &Path, script: &str) -> PathBuf {
        let path = folder.join("stackit");
        let mut write = command("sh");
        write.args(["-c", "cat > \"$0\" && chmod 755 \"$0\""]).arg(&path);
        let text = format!("#!/bin/sh\n{script}\n");
        let written =
            output(&Clock::manual(now()), Duration::from_secs(1), "sh", write, &text).await;
        assert!(written.unwrap().success);
        path
    }

    fn signs_in(program: PathBuf, clock: &Clock) -> TokenSource {
        let source = choose(&AuthSettings {
            path: &|_| None,
            text: &|_| None,
            variable: &|_| None,
            stackit: Some(token_program(program, None)),
        });
        let http = Http::new(clock.clone(), None).unwrap();
        TokenSource::new(source.unwrap(), http, clock.clone()).unwrap()
    }

    async fn says(script: &str) -> Result<String, Failure> {
        let folder = tempfile::tempdir().unwrap();
        let program = stand_in(folder.path(), script).await;
        let token = signs_in(program, &Clock::manual(now())).token().await;
        token.map(|token| token.expose().to_owned())
    }

    fn jwt(seconds_left: i64) -> String {
        let claims = json!({"email": "a@example.test", "exp": now().as_second() + seconds_left});
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims.to_string()))
    }

    #[tokio::test]
    async fn a_token_is_read_as_the_output_format_of_the_cli_has_it() {
        let token = jwt(3_600);
        for script in [
            format!("[ \"$*\" = 'auth get-access-token' ] && echo {token}"),
            format!("printf '{{\\n  \"access_token\": \"{token}\"\\n}}\\n'"),
            format!("echo 'access_token: {token}'"),
        ] {
            assert_eq!(says(&script).await.as_deref(), Ok(&*token), "{script}");
        }
    }

    #[tokio::test]
    async fn auth_09_what_the_cli_says_instead_of_a_token_is_told_with_what_to_run() {
        let expired = format!("echo {}", jwt(-60));
        for (script, expected) in [
            (&*expired, "stackit CLI: the token of a@example.test expired at "),
            (
                "echo '<html>login</html>'",
                "`stackit auth get-access-token` printed no token (19 bytes)",
            ),
            ("echo one; echo two", "`stackit auth get-access-token` printed no token (8 bytes)"),
            ("true", "`stackit auth get-access-token` printed no token (0 bytes)"),
            (
                "read -r answer; echo $answer",
                "`stackit auth get-access-token` printed no token (1 bytes)",
            ),
            (
                "echo 'Error: Session is expired. Please log in again first.' >&2; echo more >&2; exit 1",
                "`stackit auth get-access-token` failed: Session is expired. Please log in again first",
            ),
            ("exit 3", "`stackit auth get-access-token` ended with exit status: 3"),
            (
                "yes canary",
                "could not run `stackit auth get-access-token`: stackit: it prints more than 64 KiB",
            ),
        ] {
            let failure = says(script).await.unwrap_err();
            assert!(failure.message.starts_with(expected), "{failure:?}");
            let hint = failure.hint.as_deref().unwrap();
            assert!(hint.starts_with("run `stackit auth login`"), "{failure:?}");
            assert!(!failure.to_string().contains("canary"));
        }
    }

    #[tokio::test]
    async fn auth_09_a_cli_that_hangs_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pids = folder.path().join("pids");
        let script =
            format!("sleep 600 & echo $! $$ > {0}.new; mv {0}.new {0}; wait", pids.display());
        let program = stand_in(folder.path(), &script).await;
        let clock = Clock::manual(now());
        let tokens = signs_in(program, &clock);
        let asked = tokio::spawn(async move { tokens.token().await });
        let started = loop {
            if let Ok(text) = std::fs::read_to_string(&pids) {
                break text;
            }
            tokio::task::yield_now().await;
        };
        clock.turn(Duration::from_secs(10));
        let failure = asked.await.unwrap().unwrap_err();
        let message =
            "could not run `stackit auth get-access-token`: stackit: no answer within 10 s";
        assert_eq!(failure.message, message);
        for pid in started.split_whitespace() {
            // Gone, or a zombie that was not reaped yet.
            let lives = || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with(['S', 'R', 'D', 'T']))
            };
            while lives() {
                tokio::task::yield_now().await;
            }
        }
    }

    #[tokio::test]
    async fn auth_09_without_a_program_of_that_name_there_is_no_source() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().display().to_string();
        std::fs::write(folder.path().join("stackit"), "not executable").unwrap();
        assert_eq!(find(&format!(":relative:{here}")), None);
        let other = tempfile::tempdir().unwrap();
        let program = stand_in(other.path(), "true").await;
        let there = other.path().display();
        assert_eq!(find(&format!("{here}:{there}")), Some(program.clone()));
        let tokens = signs_in(program.clone(), &Clock::manual(now()));
        std::fs::remove_file(program).unwrap();
        let failure = tokens.token().await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::NotPossible);
        assert!(failure.message.contains(": stackit: No such file"), "{failure:?}");
    }

    #[tokio::test]
    async fn the_profile_is_handed_on_to_every_command() {
        let folder = tempfile::tempdir().unwrap();
        let script = format!("[ \"$STACKIT_CLI_PROFILE\" = shift ] && echo {}", jwt(60));
        let program = token_program(stand_in(folder.path(), &script).await, Some("shift".into()));
        let output = (program.run)(Clock::manual(now())).await.unwrap();
        assert!(output.success);
        let command = login(&program);
        let set = command.as_std().get_envs().find(|(name, _)| *name == "STACKIT_CLI_PROFILE");
        assert_eq!(set.unwrap().1.unwrap(), "shift");
    }

    #[tokio::test]
    async fn host_12_the_cli_gets_its_profile_and_the_way_out_and_no_token() {
        let folder = tempfile::tempdir().unwrap();
        let names = folder.path().join("names");
        let script = format!("env | cut -d= -f1 > {}; echo {}", names.display(), jwt(60));
        let program = stand_in(folder.path(), &script).await;
        signs_in(program, &Clock::manual(now())).token().await.unwrap();
        let text = std::fs::read_to_string(names).unwrap();
        assert!(text.lines().any(|name| name == "PATH"), "{text}");
        // Set by the shell itself.
        let own = ["PWD", "OLDPWD", "SHLVL", "_"];
        let may =
            |name: &&str| own.iter().chain(INHERITED_VARIABLES).chain(VARIABLES).any(|n| n == name);
        assert_eq!(text.lines().find(|name| !may(name)), None);
        let is_secret = |name: &&&str| {
            ["TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL"]
                .iter()
                .any(|word| name.contains(word))
        };
        assert_eq!(VARIABLES.iter().find(is_secret), None);
    }
}
