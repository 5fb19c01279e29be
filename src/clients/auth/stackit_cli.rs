//! The login of the `stackit` CLI. Its store is not read directly: only the CLI renews the login, and the storage
//! location depends on the machine.

use crate::clients::auth::claims;
use crate::clients::auth::source::{
    AuthSettings, IssuedToken, ProgramOutput, Source, SourceConfig, SourceKind, TokenProgram,
};
use crate::clients::error_chain::shorten;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::text::clean;

const NAME: &str = "stackit CLI";
const COMMAND: &str = "stackit auth get-access-token";
const REMEDY: &str =
    "run `stackit auth login`, or `stackit auth activate-service-account` for a service account";

/// See the module.
pub const KIND: SourceKind = SourceKind {
    name: NAME,
    variables: &[],
    settings: &[],
    places: &["`stackit auth get-access-token`, if stackit is on PATH"],
    find,
};

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    set.stackit.clone().map(source)
}

/// A source for the login of this `stackit`.
fn source(program: TokenProgram) -> SourceConfig {
    let profile = program.profile.as_ref().map(|name| format!(", profile {}", show(name)));
    let path = show(program.path.display());
    let summary = format!("the {NAME}, {path}{}", profile.unwrap_or_default());
    SourceConfig::new(summary, move |http| {
        let (program, clock) = (program.clone(), http.clock().clone());
        let login = Some(program.clone());
        let issue = move || issue_token(program.clone(), clock.clone());
        Ok(Source { login, ..Source::issued(NAME, issue, REMEDY) })
    })
}

/// Runs the CLI. An expired token is returned as is: the caller compares it with the clock.
async fn issue_token(program: TokenProgram, clock: Clock) -> Result<IssuedToken, Failure> {
    let output = (program.run)(clock).await.map_err(|mut failure| {
        failure.hint = Some(REMEDY.to_owned());
        failure.tried(format!("could not run `{COMMAND}`"))
    })?;
    let refuse = |what: String| {
        let message = format!("`{COMMAND}` {what}");
        Failure::new(FailureKind::SignedOut, message).hint(REMEDY)
    };
    if !output.success {
        return Err(refuse(explain_end(&output)));
    }
    let text = std::str::from_utf8(&output.stdout).unwrap_or_default().trim();
    // Plain, or formatted by the CLI's `output_format`.
    let token = text.strip_prefix("access_token:").unwrap_or(text).trim();
    let secret = Some(token)
        .filter(|token| !token.starts_with('<'))
        .and_then(|token| claims::check_token(token, COMMAND).ok())
        .ok_or_else(|| refuse(format!("printed no token ({} bytes)", output.stdout.len())))?;
    let expires = claims::read(&secret).expires;
    Ok(IssuedToken::new(secret, expires))
}

/// The first line of the CLI's stderr, or its exit status.
fn explain_end(output: &ProgramOutput) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    match line {
        Some(line) => {
            format!("failed: {}", shorten(line.trim_start_matches("Error: ").trim_end_matches('.')))
        }
        None => format!("ended with {}", clean(&output.status)),
    }
}
