//! The tmux clipboard: our text is removed when the program ends, another program's text stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use base64::Engine as _;

use crate::support::{Cloud, SKEYS, Terminal};

/// A stand-in for tmux: a stack of buffers, each a file.
const TMUX: &str = r#"#!/bin/sh
buffers="$HOME/buffers"
mkdir -p "$buffers"
top=$(ls "$buffers" | sort -n | tail -n 1)
[ "$2" = -b ] && meant="$3" || meant="$top"
case "$1" in
  load-buffer) cat >"$buffers/$(( ${top:-0} + 1 ))" ;;
  list-buffers) ls "$buffers" | sort -rn ;;
  save-buffer) [ -n "$meant" ] && cat "$buffers/$meant" ;;
  delete-buffer) [ -n "$meant" ] && rm "$buffers/$meant" ;;
esac
"#;

/// The same, but the first text takes longer than skeys waits, and arrives nevertheless.
fn slow_tmux() -> String {
    TMUX.replace("+ 1 ))\" ;;", "+ 1 ))\"; [ -n \"$top\" ] || sleep 60 ;;")
}

/// Message of skeys after a copy through tmux.
const IN_TMUX: &str = "Sent to the terminal (tmux)";

/// Issues a kubeconfig to the clipboard.
fn copy_a_kubeconfig(terminal: &mut Terminal) {
    terminal.until("32 clusters");
    terminal.send(b"K");
    terminal.until("New kubeconfig");
    // Clipboard is the third destination; then past lifetime and name to the button.
    terminal.send(b"\t\x1b[B\x1b[B\t\t\t");
    terminal.until("▸[ Issue kubeconfig ]");
    // A button that has just appeared ignores keys for a moment.
    std::thread::sleep(Duration::from_millis(600));
    terminal.send(b"\r");
    terminal.until("Sent to the terminal");
}

/// The demo with an issued kubeconfig in the tmux buffer, reported as sent by this route.
fn with_a_kubeconfig_copied(tmux: &str, way: &str) -> Terminal {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("tmux");
    fs::write(&program, tmux).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let environment = [("PATH", path.as_str()), ("TMUX", "there,1,0")];
    let mut terminal = Terminal::run_in(home, &[SKEYS, "demo"], 140, 40, &environment);
    copy_a_kubeconfig(&mut terminal);
    terminal.until(way);
    assert!(buffers(&terminal)[0].contains("client-certificate-data"));
    terminal
}

fn buffers(terminal: &Terminal) -> Vec<String> {
    let folder = fs::read_dir(terminal.home.path().join("buffers")).unwrap();
    folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn tty_16_gnu_screen_passes_a_kubeconfig_on_to_the_terminal() {
    if !std::path::Path::new("/usr/bin/screen").exists() {
        eprintln!("not tried: screen is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let sockets = home.path().join("sockets");
    fs::create_dir(&sockets).unwrap();
    fs::set_permissions(&sockets, fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(home.path().join(".screenrc"), "startup_message off\n").unwrap();
    let words = ["screen", "-U", SKEYS, "demo"];
    let environment = [("SCREENDIR", sockets.to_str().unwrap())];
    let mut terminal = Terminal::run_in(home, &words, 140, 40, &environment);
    copy_a_kubeconfig(&mut terminal);
    terminal.send(b"\x03");
    terminal.end();
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    let copies: Vec<&str> = bytes
        .split("\u{1b}]52;c;")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('\u{7}')?.0))
        .collect();
    let [copied, "!"] = copies[..] else { panic!("copied and cleared: {copies:?}") };
    let text = base64::engine::general_purpose::STANDARD.decode(copied).unwrap();
    assert!(String::from_utf8(text).unwrap().contains("client-certificate-data"));
}

#[test]
fn clip_02_the_content_of_another_program_is_not_cleared() {
    let mut terminal = with_a_kubeconfig_copied(TMUX, IN_TMUX);
    fs::write(terminal.home.path().join("buffers/2"), "of another program").unwrap();
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(buffers(&terminal), ["of another program"], "ours does not stay below it, either");
}

#[test]
fn clip_02_earlier_copies_do_not_stay_in_the_tmux_buffers() {
    let mut terminal = with_a_kubeconfig_copied(TMUX, IN_TMUX);
    terminal.send(b"y");
    terminal.until("cluster name");
    terminal.send(b"\r");
    terminal.until("cluster name.");
    assert_eq!(buffers(&terminal), ["pay-prod"]);
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(buffers(&terminal), ["pay-prod"], "what is no secret stays");
}

#[test]
fn clip_03_a_copied_kubeconfig_is_cleared_on_exit() {
    for (tmux, way) in [(TMUX.to_owned(), IN_TMUX), (slow_tmux(), "Sent to the terminal (OSC 52)")]
    {
        let mut terminal = with_a_kubeconfig_copied(&tmux, way);
        terminal.send(b"\x03");
        assert_eq!(terminal.end_restored(), 0);
        assert_eq!(buffers(&terminal), Vec::<String>::new(), "{way}");
    }
}

#[test]
fn clip_06_a_kubeconfig_that_cannot_be_cleared_on_exit_is_told() {
    let hung = TMUX.replace("save-buffer)", "save-buffer) sleep 60;");
    let mut terminal = with_a_kubeconfig_copied(&hung, IN_TMUX);
    terminal.send(b"\x03");
    terminal.until("The clipboard may still hold a kubeconfig: it could not be cleared in time.");
    assert_eq!(terminal.end_restored(), 0);
}

/// A stand-in for tmux and desktop notifications: records its environment.
const TELLTALE: &str = "#!/bin/sh\nenv >>\"$HOME/environment\"\ncat >/dev/null\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn host_12_neither_a_child_nor_the_log_gets_a_token_or_a_key() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    for name in ["tmux", "notify-send"] {
        let program = home.path().join(name);
        fs::write(&program, TELLTALE).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let key = r#"{"credentials":{"privateKey":"-----BEGIN PRIVATE KEY-----\nCANARY"}}"#;
    let environment = cloud.environment(&[
        ("PATH", &path),
        ("TMUX", "there,1,0"),
        ("DISPLAY", ":99"),
        ("STACKIT_SERVICE_ACCOUNT_KEY", key),
        ("STACKIT_PRIVATE_KEY", "CANARY"),
        ("AWS_SECRET_ACCESS_KEY", "CANARY"),
        ("SKEYS_NOTIFY_DESKTOP", "true"),
    ]);
    let words = [SKEYS, "--log-file", "log", "--log-level", "trace"];
    let mut terminal = Terminal::run_in(home, &words, 140, 40, &environment);
    terminal.until("5 clusters");
    // A watched cluster: its phase changes.
    terminal.send(b"/delta\rw");
    terminal.until("delta: notifications on");
    terminal.send(b"y\r");
    terminal.until("cluster name.");
    cloud.put("delta", "PREPARED");
    terminal.send(b"r");
    terminal.until("→ PREPARED");
    let seen = terminal.home.path().join("environment");
    let text = fs::read_to_string(seen).unwrap();
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let log = fs::read_to_string(terminal.home.path().join("log")).unwrap();
    assert!(log.contains("child{program=\"tmux\"}") && log.contains("list the clusters"), "{log}");
    let token = &cloud.exports.iter().find(|(name, _)| *name == "STACKIT_ACCESS_TOKEN").unwrap().1;
    assert!(text.contains("TMUX=there"), "{text}");
    for secret in ["STACKIT", "CANARY", token.as_str()] {
        assert!(!text.contains(secret), "{secret} in\n{text}");
    }
    for secret in ["CANARY", token.as_str()] {
        assert!(!log.contains(secret), "{secret} in\n{log}");
    }
}
