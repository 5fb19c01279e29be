//! The only way to run other programs: without secrets in their environment, detached from the terminal, and with a
//! timeout.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tracing::{Instrument as _, debug, info_span, warn};
use zeroize::Zeroizing;

use crate::clients::auth::ProgramOutput;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind, causes};
use crate::runtime::blocking::{run_blocking, timed_out};

/// What a local helper may need: paths, language, terminal, display and bus. Everything else, including tokens and
/// keys, is not inherited.
pub const INHERITED_VARIABLES: &[&str] = &[
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

/// Largest output of a program, in bytes.
const LARGEST_OUTPUT: usize = 64 * 1024;

/// A program without standard input or output that is killed on drop.
#[expect(clippy::disallowed_methods, reason = "the only place that may call it")]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    inherit(&mut command, INHERITED_VARIABLES);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

/// First argument that makes this program exec another one.
const DETACH: &str = "--detach";
/// This program's path for [`DETACH`], if known.
static LAUNCHER: OnceLock<PathBuf> = OnceLock::new();

/// Execs another program in a new session, if the arguments ask for it: without a controlling terminal it cannot
/// prompt. Without unsafe code, only a process that is about to exec can call setsid. Must be called first in main.
#[expect(clippy::disallowed_methods, reason = "the environment is that of the door")]
pub fn become_detached() {
    let mut arguments = std::env::args_os();
    let launcher = if cfg!(target_os = "linux") {
        // Refers to this program even if the file was replaced.
        Some(PathBuf::from("/proc/self/exe"))
    } else {
        std::env::current_exe().ok()
    };
    if arguments.nth(1).is_some_and(|first| first == DETACH) {
        let Some(program) = arguments.next() else { return };
        let _leads_one_already = rustix::process::setsid();
        let error = std::process::Command::new(&program).args(arguments).exec();
        drop(writeln!(std::io::stderr(), "{error}"));
        std::process::exit(127);
    }
    if let Some(launcher) = launcher {
        LAUNCHER.set(launcher).unwrap_or_default();
    }
}

/// As [`command`], in a new session. In tests, which are another program, in a new process group.
pub fn detached(program: &Path) -> Command {
    if let Some(launcher) = LAUNCHER.get() {
        let mut command = command(launcher);
        command.arg(DETACH).arg(program);
        return command;
    }
    let mut command = command(program);
    command.process_group(0);
    command
}

/// Adds more variables of this process.
pub fn inherit(command: &mut Command, names: &[&str]) {
    for name in names {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
}

/// Runs a program to completion with a text on its standard input; returns its standard output if that is piped.
///
/// # Errors
/// It cannot be started, exits with a status other than 0, or exceeds `limit` and is killed.
pub async fn run(
    clock: &Clock,
    limit: Duration,
    command: Command,
    input: &str,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let name = name_of(&command);
    let output = output(clock, limit, &name, command, input).await?;
    if output.success {
        return Ok(output.stdout);
    }
    let text = format!("{name} ended with {}", output.status);
    Err(Failure::new(FailureKind::NotPossible, text))
}

/// Runs a program to completion, whatever its status, with a text on its standard input. `name` is for errors.
///
/// # Errors
/// It cannot be started, prints more than 64 KiB, or exceeds `limit` and is killed, with its process group if it leads
/// one.
pub async fn output(
    clock: &Clock,
    limit: Duration,
    name: &str,
    mut command: Command,
    input: &str,
) -> Result<ProgramOutput, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(FailureKind::NotPossible, format!("{name}: {error}")).caused_by(error)
    };
    let work = async {
        // Looking up a program may block on a file system that does not answer.
        let mut child =
            run_blocking(clock, limit, name, move || command.stdin(Stdio::piped()).spawn())
                .await?
                .map_err(failed)?;
        let mut group = Group::of(&child);
        let stdin = child.stdin.take();
        let write = async {
            if let Some(mut stdin) = stdin {
                stdin.write_all(input.as_bytes()).await?;
            }
            Ok(())
        };
        let (stdout, stderr) = (read_some(child.stdout.take()), read_some(child.stderr.take()));
        let ((), stdout, stderr) = tokio::try_join!(write, stdout, stderr).map_err(failed)?;
        let status = child.wait().await.map_err(failed)?;
        group.0 = None;
        let (success, status) = (status.success(), status.to_string());
        Ok(ProgramOutput { success, status, stdout, stderr })
    };
    let began = clock.monotonic();
    let span = info_span!("child", program = name);
    let ended = clock.timeout(limit, work.instrument(span.clone())).await;
    let ended = ended.unwrap_or_else(|| Err(timed_out(name, limit)));
    let ms = clock.monotonic().saturating_sub(began).as_millis();
    span.in_scope(|| match &ended {
        Ok(output) => debug!(ms, status = output.status, "ended"),
        Err(failure) => warn!(ms, error = %failure, causes = causes(failure), "failed"),
    });
    ended
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.as_std().get_program());
    program.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Reads the output of a program.
///
/// # Errors
/// It is too large, or the pipe breaks.
async fn read_some(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // It may be a token: a growing buffer would leave copies behind.
    let mut read = Zeroizing::new(Vec::with_capacity(LARGEST_OUTPUT + 1));
    if let Some(pipe) = pipe {
        pipe.take(LARGEST_OUTPUT as u64 + 1).read_to_end(&mut read).await?;
    }
    if read.len() > LARGEST_OUTPUT {
        return Err(std::io::Error::other("it prints more than 64 KiB"));
    }
    Ok(read)
}

/// The process group of a running program, killed on drop.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _gone = kill_process_group(group, Signal::KILL);
        }
    }
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
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
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
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
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
