//! Terminals that are small, dumb, without colours, or absent.

use skeys::testing::simulator::state::RequestRecord;

use crate::support::{Cloud, Pace, SKEYS, Terminal, plain};

#[test]
fn keys_move_and_open_and_help_lists_the_keymap() {
    let mut terminal = Terminal::demo(120, 36);
    terminal.send(b"/shop-stage\r\r");
    terminal.until("FLEET \u{203a} shop \u{203a} shop-stage");
    terminal.send(b"?");
    terminal.until("start or complete the rotation, whichever is due");
    terminal.send(b"\x1b");
    // The previous footer may still be visible while the help is being drawn, and q right after ESC is Alt-q.
    terminal.wait_for("the help to close", |screen| !screen.contents().contains("esc closes"));
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
        terminal.until("A rotation in four steps");
        // The last row, where the fleet has a different help text, is drawn last.
        terminal.until("esc close");
        terminal.send(b"\x1b");
        terminal.until("? help");
        terminal.resize(100, 30);
    }
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_10_a_terminal_without_an_alternate_screen_shows_skeys_alone_and_then_nothing_of_it() {
    let words = ["sh", "-c", "seq 1000 1030; exec \"$0\" demo", SKEYS];
    let mut terminal = Terminal::run(&words, 100, 30, &[]);
    let without_alternate_screen = |terminal: &Terminal| {
        let text =
            String::from_utf8_lossy(&terminal.bytes()).replace("\u{1b}[?1049", "\u{1b}[?9999");
        let mut parser = vt100::Parser::new(30.try_into().unwrap(), 100.try_into().unwrap(), 0);
        parser.process(text.as_bytes());
        parser
    };
    terminal.until("32 clusters");
    let screen = without_alternate_screen(&terminal).screen().contents();
    assert!(screen.contains("32 clusters") && !screen.contains("101"), "{screen}");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let parser = without_alternate_screen(&terminal);
    assert_eq!(parser.screen().contents().trim(), "");
    assert_eq!(parser.screen().cursor_position(), (0, 0), "where the prompt comes");
}

#[test]
fn tty_22_a_dialog_takes_less_than_four_kilobytes() {
    let mut terminal = Terminal::run(&[SKEYS, "demo", "--speed", "1"], 140, 40, &[]);
    terminal.until("32 clusters");
    // Data from the clusters' own APIs arrives later.
    terminal.until("36/~120");
    let open = |terminal: &mut Terminal| {
        let before = terminal.bytes().len();
        terminal.send(b"K");
        terminal.until("Creates ~/");
        let taken = terminal.bytes().len() - before;
        terminal.send(b"\x1b");
        terminal.until("? help");
        taken
    };
    // An additional frame, because a cluster changed, only adds to it.
    let least = (0..8).map(|_| open(&mut terminal)).min().unwrap();
    assert!((1_000..4_096).contains(&least), "{least}");
    terminal.send(b"\x03");
    terminal.end_restored();
}

#[test]
fn tty_13_a_sequence_whose_rest_is_late_is_no_keys() {
    let mut terminal = Terminal::demo(120, 36);
    let late = |terminal: &mut Terminal, first: &[u8], rest: &[u8], wait: u64| {
        terminal.send(first);
        std::thread::sleep(std::time::Duration::from_millis(wait));
        terminal.send(rest);
    };
    for round in 0..30 {
        late(&mut terminal, b"\x1b", b"[C", 1 + round);
    }
    // The end of a paste is split, too; the keys in it would quit or open dialogs.
    for wait in [1, 10, 30] {
        late(&mut terminal, b"\x1b", b"[200~RCqqy\r", wait);
        late(&mut terminal, b"qq\x1b", b"[201~", wait);
    }
    // A response of the terminal, and an arrow after another key.
    late(&mut terminal, b"\x1b", b"]11;rgb:1e1e/1e1e/1e1e\x1b\\", 10);
    late(&mut terminal, b"j\x1b", b"[C", 10);
    terminal.send(b"?");
    terminal.until("A rotation in four steps");
    terminal.send(b"\x1b");
    terminal
        .wait_for("help closed", |screen| !screen.contents().contains("A rotation in four steps"));
    // The first arrow opened a cluster, the others moved from tab to tab, and no Esc went back.
    terminal.until("2 ROTATION");
    terminal.send(b"\x1b");
    terminal.until("32 clusters");
    assert!(!String::from_utf8_lossy(&terminal.bytes()).contains("Reconcile "));
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_19_answers_nobody_asked_for_do_nothing() {
    let mut terminal = Terminal::demo(120, 36);
    for answer in [
        &b"\x1b[>41;377;0c"[..],
        b"\x1b[?62;4;6;22c",
        b"\x1bP>|qRC y(377)\x1b\\",
        b"\x1bP1$rqRC\x1b\\",
        b"\x1b_Gi=1;qRCy\x1b\\",
        b"\x1b]52;c;cXVpdA==\x07",
        b"\x1b]11;rgb:1e1e/qqqq",
    ] {
        terminal.send(answer);
    }
    std::thread::sleep(std::time::Duration::from_millis(600));
    terminal.send(b"?");
    terminal.until("A rotation in four steps");
    terminal.send(b"\x1b");
    terminal
        .wait_for("help closed", |screen| !screen.contents().contains("A rotation in four steps"));
    terminal.until("32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_20_ctrl_c_ends_it_although_a_paste_never_ends() {
    let mut terminal = Terminal::demo(120, 36);
    terminal.send(b"\x1b[200~some text");
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn tty_20_a_paste_that_never_ends_ends_by_itself() {
    let mut terminal = Terminal::demo(120, 36);
    terminal.send(b"/\x1b[200~zzzy");
    terminal.until("zzzy");
    terminal.send(b"\x1b");
    std::thread::sleep(std::time::Duration::from_millis(200));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_02_no_command_takes_a_step_where_nobody_can_confirm_it() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let run = |words: &str| {
        let words: Vec<&str> = words.split_whitespace().collect();
        plain(home.path(), &words, &cloud.environment(&[]))
    };
    let (_, help, _) = run("--help");
    let listed = help.split("Commands:").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let listed: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
    // Each command, where alpha could be started, and bravo completed.
    let commands = [
        "demo",
        // It ends at once.
        "simulate --listen 192.0.2.1:1",
        "wait alpha --for prepared --timeout 1s",
        "wait bravo --for completed --timeout 1s",
        "credentials bravo --try",
        "due",
        "report bravo",
        "doctor",
        "config check",
    ];
    let is_covered =
        |name: &str| commands.iter().any(|words| words.split(' ').next() == Some(name));
    let unknown: Vec<&str> = listed.into_iter().filter(|name| !is_covered(name)).collect();
    assert_eq!(unknown, ["help"], "what does it do where nobody can confirm a step?");
    for words in commands {
        run(words);
    }
    // The dashboard asks before a step, and does not start.
    assert_eq!(run("").0, 1);
    let calls = cloud.simulator.request_log();
    assert!(calls.iter().any(|call| call.path.ends_with("/clusters")), "{calls:?}");
    let is_write = |call: &RequestRecord| {
        call.method != "GET"
            && !call.path.starts_with("/kubernetes/")
            && !call.path.ends_with("/kubeconfig")
    };
    assert!(!calls.iter().any(is_write), "{calls:?}");
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
    terminal.until("A rotation in four steps");
    terminal.send(b"\x1b");
    terminal.until("32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
    let bytes = terminal.bytes();
    assert!(bytes.is_ascii(), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn tty_17_no_color_draws_without_colours_in_every_theme() {
    for theme in ["auto", "dark", "light", "high-contrast", "mono"] {
        let words = [SKEYS, "demo", "--theme", theme];
        let mut terminal = Terminal::run(&words, 100, 30, &[("NO_COLOR", "1")]);
        terminal.until("pay-prod");
        terminal.send(b"q");
        assert_eq!(terminal.end_restored(), 0);
        let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        let mut is_bold = false;
        for part in text.split("\u{1b}[").skip(1) {
            let Some((numbers, _)) = part.split_once('m') else { continue };
            if !numbers.chars().all(|c| c.is_ascii_digit() || c == ';') {
                continue;
            }
            for number in numbers.split(';').filter_map(|number| number.parse::<u16>().ok()) {
                let colour = matches!(number, 30..=38 | 40..=48 | 90..=97 | 100..=107);
                assert!(!colour, "{theme}: a colour: {numbers}");
                is_bold |= number == 1;
            }
        }
        assert!(is_bold, "{theme}");
    }
}

#[test]
fn idle_writes_nothing() {
    let home = tempfile::tempdir().unwrap();
    // Nothing runs in this scene, and its lists are due every hour.
    let scene = "regions = [\"eu01\"]\n[[projects]]\nid = \"p\"\nname = \"p\"\n[[projects.clusters]]\n\
                 name = \"calm\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n";
    std::fs::write(home.path().join("calm.toml"), scene).unwrap();
    let words = [SKEYS, "demo", "--scene", "calm.toml"];
    let mut terminal = Terminal::run_in(home, &words, 100, 30, &[("SKEYS_POLL_IDLE", "1h")]);
    terminal.until("1 cluster ");
    terminal.until("live");
    // Startup has settled once two keys without effect have been processed.
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
    terminal.until("press d for the demo");
    for text in [
        "✗ token    no credentials found",
        "✓ project  1 set",
        "STACKIT_ACCESS_TOKEN",
        "--token-file",
        "service-account key",
        "skeys config init",
    ] {
        terminal.until(text);
    }
    // Only the listed keys have an effect, and a paste is not a key.
    terminal.send(b"x");
    terminal.send(b"\x1b[200~d\x1b[201~");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 1);
    assert!(!String::from_utf8_lossy(&terminal.bytes()).contains("1049h"));
    // Without a terminal nobody can press a key.
    let home = tempfile::tempdir().unwrap();
    let (status, out, err) = plain(home.path(), &["--project", "p"], &[]);
    assert_eq!((status, out.as_str()), (1, ""));
    for text in ["STACKIT_ACCESS_TOKEN", "--token-file", "service-account key", "skeys demo"] {
        assert!(err.contains(text), "{err}");
    }
}

#[test]
fn a_file_that_is_missing_is_told_once_with_its_source_and_what_to_do() {
    let home = tempfile::tempdir().unwrap();
    let told = plain(home.path(), &["due", "--project", "p", "--token-file", "/missing"], &[]);
    let text = "skeys: could not sign in with the token in /missing: could not read /missing: \
                No such file or directory (os error 2). Write a new token to /missing\n";
    assert_eq!(told, (1, String::new(), text.to_owned()));
}

#[test]
fn auth_01_the_demo_is_one_key_away_and_a_signal_leaves_the_terminal_as_it_was() {
    let mut terminal = Terminal::run(&[SKEYS], 80, 24, &[]);
    terminal.until("press d for the demo");
    terminal.send(b"d");
    terminal.until("32 clusters");
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);

    let mut terminal = Terminal::run(&[SKEYS], 80, 24, &[]);
    terminal.until("press d for the demo");
    terminal.signal(rustix::process::Signal::TERM);
    assert_eq!(terminal.end(), 143);
    let modes = rustix::termios::tcgetattr(terminal.slave()).unwrap().local_modes;
    assert!(modes.contains(rustix::termios::LocalModes::ECHO), "the terminal is as it was");
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

#[test]
fn tty_06_a_slow_terminal_gets_the_latest_frame_and_not_all_in_between() {
    let mut terminal = Terminal::demo(120, 40);
    terminal.take_output(Pace::Held);
    // Each of them draws the whole screen in other colors: 700 kB in all.
    for _ in 0..200 {
        terminal.send(b"T");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    terminal.send(b"/zzzy");
    let before = terminal.bytes().len();
    terminal.take_output(Pace::Slow);
    terminal.until("zzzy");
    let count = terminal.bytes().len() - before;
    // What the system buffers, the frame that is being written, and the latest one.
    assert!(count < 100_000, "{count} bytes come before the effect of a key");
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
}
