//! The one door through which other programs are started: they get an environment without anything secret.

use std::process::Stdio;

use tokio::process::Command;

/// What a helper of this machine may need: where things are, which language, which terminal, display and bus. Everything
/// else stays here, tokens and keys among it.
const PASSED_ON: &[&str] = &[
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
    for name in PASSED_ON {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use crate::runtime::child::{PASSED_ON, command};

    #[tokio::test]
    async fn host_12_a_child_gets_nothing_but_what_is_listed() {
        let output = command("env").stdout(Stdio::piped()).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.contains("PATH="), "{text}");
        for line in text.lines() {
            let name = line.split('=').next().unwrap();
            assert!(PASSED_ON.contains(&name), "{name}");
        }
        let is_secret = |name: &&&str| {
            ["TOKEN", "KEY", "SECRET", "PASSWORD", "CREDENTIAL"].iter().any(|w| name.contains(w))
        };
        assert_eq!(PASSED_ON.iter().find(is_secret), None);
    }
}
