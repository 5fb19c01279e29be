//! The clipboard of tmux: what is ours goes when the program does, what another program put there stays.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use crate::support::{SKEYS, Terminal};

/// Stands in for tmux: a stack of buffers, each a file.
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

/// The demo with an issued kubeconfig in the buffer of tmux.
fn with_a_kubeconfig_copied() -> Terminal {
    let home = tempfile::tempdir().unwrap();
    let program = home.path().join("tmux");
    fs::write(&program, TMUX).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    let environment = [("PATH", path.as_str()), ("TMUX", "there,1,0")];
    let mut terminal = Terminal::run_in(home, &[SKEYS, "demo"], 140, 40, &environment);
    terminal.until("32 clusters");
    terminal.send(b"K");
    terminal.until("New kubeconfig");
    // Clipboard is the third destination; then past life and name to the button.
    terminal.send(b"\t\x1b[B\x1b[B\t\t\t");
    terminal.until("▸[ Issue kubeconfig ]");
    // A button that has just appeared takes no key for a moment.
    std::thread::sleep(Duration::from_millis(600));
    terminal.send(b"\r");
    terminal.until("Sent to the terminal (tmux)");
    assert!(buffers(&terminal)[0].contains("client-certificate-data"));
    terminal
}

fn buffers(terminal: &Terminal) -> Vec<String> {
    let folder = fs::read_dir(terminal.home.path().join("buffers")).unwrap();
    folder.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn clip_02_what_another_program_put_there_is_not_cleared() {
    let mut terminal = with_a_kubeconfig_copied();
    fs::write(terminal.home.path().join("buffers/2"), "of another program").unwrap();
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(buffers(&terminal), ["of another program"], "ours does not stay below it, either");
}

#[test]
fn clip_02_what_we_copied_before_does_not_stay_in_the_stack_of_tmux() {
    let mut terminal = with_a_kubeconfig_copied();
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
fn clip_03_what_is_ours_does_not_outlive_the_program() {
    let mut terminal = with_a_kubeconfig_copied();
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
    assert_eq!(buffers(&terminal), Vec::<String>::new());
}
