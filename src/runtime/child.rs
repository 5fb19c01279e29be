//! The one way to run other programs: without anything secret in their environment, and for a limited time.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tracing::{Instrument as _, debug, info_span, warn};

use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind, causes};
use crate::runtime::blocking::{run_blocking, timed_out};

/// What a helper of this machine may need: where things are, which language, which terminal, display and bus. Everything
/// else stays here, tokens and keys among it.
const INHERITED_VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "TERM",
    "TERMINFO",
    "TERMINFO_DIRS",
    "COLORTERM",
    "TMUX",
    "TMUX_PANE",
    "TMUX_TMPDIR",
    "STY",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_RUNTIME_DIR",
    "XDG_SESSION_TYPE",
    "XDG_CURRENT_DESKTOP",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "DBUS_SESSION_BUS_ADDRESS",
];

/// A program to be started, without standard input or output, that ends with this one.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in INHERITED_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a program to its end with a text on its standard input, and gives its standard output if that is piped.
///
/// # Errors
/// It cannot be started, ends with another status than 0, or takes longer than `limit` and is killed.
pub async fn run(
    clock: &Clock,
    limit: Duration,
    mut command: Command,
    input: &str,
) -> Result<Vec<u8>, Failure> {
    let name = command.as_std().get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::NotPossible, format!("{name}: {error}")).caused_by(error)
    };
    let work = async {
        // Finding a program may block on a file system that does not answer.
        let mut child =
            run_blocking(clock, limit, &name, move || command.stdin(Stdio::piped()).spawn())
                .await?
                .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.as_bytes()).await.map_err(failed)?;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            let text = format!("{name} ended with {}", output.status);
            Err(Failure::new(FailureKind::NotPossible, text))
        }
    };
    let began = clock.monotonic();
    let span = info_span!("child", program = name);
    let ended = clock.timeout(limit, work.instrument(span.clone())).await;
    let ended = ended.unwrap_or_else(|| Err(timed_out(&name, limit)));
    let ms = clock.monotonic().saturating_sub(began).as_millis();
    span.in_scope(|| match &ended {
        Ok(_) => debug!(ms, "ended"),
        Err(failure) => warn!(ms, error = %failure, causes = causes(failure), "failed"),
    });
    ended
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::clock::Clock;
    use crate::runtime::child::{INHERITED_VARIABLES, command, run};

    #[tokio::test]
    async fn host_12_a_child_gets_nothing_but_what_is_listed() {
        let mut env = command("env");
        env.stdout(Stdio::piped());
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let output = run(&clock, Duration::from_secs(1), env, "").await.unwrap();
        let text = String::from_utf8_lossy(&output).into_owned();
        assert!(text.contains("PATH="), "{text}");
        for line in text.lines() {
            let name = line.split('=').next().unwrap();
            assert!(INHERITED_VARIABLES.contains(&name), "{name}");
        }
        let is_secret = |name: &&&str| {
            ["TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|w| name.contains(w))
        };
        assert_eq!(INHERITED_VARIABLES.iter().find(is_secret), None);
    }

    #[tokio::test]
    async fn clip_05_a_child_that_hangs_or_fails_is_named() {
        let clock = Clock::by_hand(Timestamp::UNIX_EPOCH);
        let limit = Duration::from_secs(2);
        let mut sleep = command("sleep");
        sleep.arg("600");
        let hung = tokio::spawn({
            let clock = clock.clone();
            async move { run(&clock, limit, sleep, "").await }
        });
        while !hung.is_finished() {
            clock.turn(limit);
            tokio::task::yield_now().await;
        }
        assert_eq!(hung.await.unwrap().unwrap_err().message, "sleep: no answer within 2 s");
        let missing = run(&clock, limit, command("skeys-no-such-program"), "").await.unwrap_err();
        assert!(missing.message.starts_with("skeys-no-such-program: "), "{missing}");
        let failing = run(&clock, limit, command("false"), "").await.unwrap_err();
        assert!(failing.message.starts_with("false ended with "), "{failing}");
    }
}
