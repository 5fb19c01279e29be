//! Terminals that are small, dumb, without colours, or absent.

use crate::support::{SKEYS, Terminal, plain};

#[test]
fn keys_move_and_open_and_help_lists_the_keymap() {
    let mut terminal = Terminal::demo(120, 36);
    terminal.send(b"/shop-stage\r\r");
    terminal.until("FLEET \u{203a} shop \u{203a} shop-stage");
    terminal.send(b"?");
    terminal.until("start or complete the rotation, whichever is due");
    terminal.send(b"\x1b");
    terminal.wait_for("help closed", |screen| !screen.contents().contains("whichever is due"));
    terminal.send(b"q");
    terminal.until("1 of 32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_04_a_thousand_resizes_end_in_the_last_size() {
    let mut terminal = Terminal::demo(100, 30);
    for step in 0..1_000_u16 {
        terminal.resize(1 + step % 160, 1 + step % 50);
    }
    terminal.resize(90, 25);
    terminal.wait_for("the footer in the last row", |screen| {
        screen.rows(0, 90).nth(24).is_some_and(|row| row.contains("help"))
    });
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_04_the_first_key_after_a_resize_is_not_delayed() {
    let mut terminal = Terminal::demo(100, 30);
    for round in 0..5_u16 {
        terminal.resize(90 + round, 25);
        terminal.wait_for("the footer in the last row", |screen| {
            screen.rows(0, 90).nth(24).is_some_and(|row| row.contains("help"))
        });
        terminal.send(b"?");
        terminal.until("select the columns");
        terminal.send(b"\x1b");
        terminal
            .wait_for("help closed", |screen| !screen.contents().contains("select the columns"));
        terminal.resize(100, 30);
    }
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn a_terminal_that_is_too_small_shows_a_sentence() {
    let mut terminal = Terminal::run(&[SKEYS, "demo", "--theme", "dark"], 24, 5, &[]);
    terminal.until("30x8 at least; this is");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_05_without_a_terminal_it_exits_with_1_and_a_reason() {
    let home = tempfile::tempdir().unwrap();
    let (status, out, err) = plain(home.path(), &["demo"], &[]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(
        err.contains("needs a terminal for input and output") && err.contains("skeys simulate"),
        "{err}"
    );
}

#[test]
fn tty_05_a_dumb_or_unnamed_terminal_is_refused_with_a_sentence() {
    for (term, said) in [("dumb", "TERM is dumb"), ("", "TERM is not set")] {
        let mut terminal = Terminal::run(&[SKEYS, "demo"], 100, 30, &[("TERM", term)]);
        assert_eq!(terminal.end(), 1);
        terminal.until(said);
        terminal.until("skeys simulate");
        assert!(!String::from_utf8_lossy(&terminal.bytes()).contains("1049h"));
    }
}

#[test]
fn tty_11_a_locale_without_utf_8_is_drawn_in_ascii() {
    let mut terminal = Terminal::run(&[SKEYS, "demo"], 100, 30, &[("LANG", "C"), ("LC_ALL", "C")]);
    terminal.until("32 clusters");
    terminal.until("pay-prod");
    terminal.send(b"?");
    terminal.until("Fleet");
    terminal.send(b"\x1b");
    terminal.until("32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let bytes = terminal.bytes();
    assert!(bytes.is_ascii(), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn no_color_draws_without_colours() {
    let mut terminal = Terminal::run(&[SKEYS, "demo"], 100, 30, &[("NO_COLOR", "1")]);
    terminal.until("pay-prod");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    for part in text.split("\u{1b}[").skip(1) {
        let Some((numbers, _)) = part.split_once('m') else { continue };
        if !numbers.chars().all(|c| c.is_ascii_digit() || c == ';') {
            continue;
        }
        let first = numbers.split(';').next().unwrap_or("").parse::<u16>().unwrap_or(0);
        let colour = matches!(first, 30..=38 | 40..=48 | 90..=97 | 100..=107);
        assert!(!colour, "a colour: {numbers}");
    }
}

#[test]
fn idle_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    // Nothing runs in this world, and its lists are due every hour.
    let scene = "regions = [\"eu01\"]\n[[projects]]\nid = \"p\"\nname = \"p\"\n[[projects.clusters]]\n\
                 name = \"calm\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n";
    std::fs::write(home.path().join("calm.toml"), scene).unwrap();
    let words = [SKEYS, "demo", "--scene", "calm.toml"];
    let mut terminal = Terminal::run_in(home, &words, 100, 30, &[("SKEYS_POLL_IDLE", "1h")]);
    terminal.until("1 cluster ");
    terminal.until("live");
    // What settles at the start is settled when two keys that change nothing have come through.
    terminal.send(b"zz");
    std::thread::sleep(std::time::Duration::from_millis(1_500));
    let before = terminal.bytes().len();
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(terminal.bytes().len(), before, "{}", terminal.screen());
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn a_scene_that_is_missing_is_named_before_the_terminal_is_touched() {
    let mut terminal = Terminal::run(&[SKEYS, "demo", "--scene", "none.toml"], 100, 30, &[]);
    assert_eq!(terminal.end(), 1);
    terminal.until("none.toml");
    assert!(!String::from_utf8_lossy(&terminal.bytes()).contains("1049h"));
}

#[test]
fn auth_01_without_credentials_all_sources_are_listed_and_the_demo_suggested() {
    let mut terminal = Terminal::run(&[SKEYS, "--project", "p"], 100, 30, &[]);
    assert_eq!(terminal.end(), 1);
    for text in ["STACKIT_ACCESS_TOKEN", "--token-file", "service-account key", "skeys demo"] {
        terminal.until(text);
    }
}

#[test]
fn the_help_lists_commands_and_flags() {
    let home = tempfile::tempdir().unwrap();
    let (status, out, _) = plain(home.path(), &["--help"], &[]);
    assert_eq!(status, 0);
    for word in ["demo", "simulate", "wait", "config", "--read-only", "--project"] {
        assert!(out.contains(word), "{out}");
    }
    let (status, _, err) = plain(home.path(), &["--token", "x"], &[]);
    assert_eq!(status, 2);
    assert!(err.contains("--token"), "{err}");
    let (status, out, _) = plain(home.path(), &["--version"], &[]);
    assert_eq!((status, out.trim()), (0, concat!("skeys ", env!("CARGO_PKG_VERSION"))));
}
