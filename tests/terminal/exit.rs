//! All ways in which the program ends or is interrupted.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use rustix::termios::{LocalModes, tcgetattr};
use skeys::testing::runtime::terminal::{Screen, Surface, force_restore, install_panic_hook};
use skeys::testing::runtime::watchdog::Watchdog;

use crate::support::{Cloud, SKEYS, Terminal, closed_under};

/// Limit for ending, whatever the terminal does: two seconds, plus the overhead of a busy machine.
const SOON: Duration = Duration::from_secs(3);

/// Runs the demo in a shell that then reports the exit status and the terminal settings.
fn below_a_shell() -> Terminal {
    let script = format!("'{SKEYS}' demo; echo \"status $?\"; stty -a");
    let terminal = Terminal::run(&["bash", "-c", &script], 100, 30, &[]);
    terminal.until("32 clusters");
    terminal
}

fn ended_well(mut terminal: Terminal, status: &str) {
    terminal.until(status);
    terminal.until(" icanon");
    terminal.until(" echo ");
    terminal.end_restored();
}

#[test]
fn quitting_restores_the_terminal() {
    let mut terminal = below_a_shell();
    terminal.send(b"q");
    ended_well(terminal, "status 0");
}

#[test]
fn tty_02_ctrl_c_ends_it() {
    let mut terminal = below_a_shell();
    terminal.send(b"\x03");
    ended_well(terminal, "status 0");
}

#[test]
fn tty_02_signals_restore_the_terminal_and_exit() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = Terminal::demo(100, 30);
        terminal.signal(signal);
        assert_eq!(terminal.end_restored(), status_of(signal), "{signal:?}");
    }
}

fn status_of(signal: Signal) -> u32 {
    128 + u32::try_from(signal.as_raw()).unwrap()
}

#[test]
fn tty_21_cli_07_quit_and_abort_end_it_with_the_terminal_restored() {
    for signal in [Signal::QUIT, Signal::ABORT] {
        let mut terminal = Terminal::demo(100, 30);
        terminal.signal(signal);
        assert_eq!(terminal.end_restored(), status_of(signal), "{signal:?}");
        let modes = tcgetattr(terminal.slave()).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    }
}

#[test]
fn tty_02_a_terminal_that_is_closed_leaves_no_process() {
    for hangup in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let mut child = closed_under((home.path(), &[]), &["demo"], hangup, &[("", "32 clusters")]);
        let start = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(
                start.elapsed().as_secs() < 60,
                "it goes on without a terminal; hangup: {hangup}"
            );
            std::thread::sleep(Duration::from_millis(20));
        };
        assert_ne!(status.code(), Some(101), "a dead terminal is no defect");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_23_a_kubeconfig_that_waits_for_the_exit_is_not_lost_in_silence_with_the_terminal() {
    let cloud = Cloud::begin().await;
    for hangup in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let downs = format!("\t{}", "\x1b[B".repeat(3));
        let typed = [
            ("", "update clients, complete"),
            ("K", "New kubeconfig"),
            (&downs, "no file is written"),
            ("\x0f", "standard output when skeys exits"),
        ];
        let mut child = closed_under((home.path(), &cloud.environment(&[])), &[], hangup, &typed);
        let start = Instant::now();
        while child.try_wait().unwrap().is_none() {
            assert!(start.elapsed().as_secs() < 60, "it goes on without a terminal");
            std::thread::sleep(Duration::from_millis(20));
        }
        let journal = home.path().join(".local/state/skeys/journal.jsonl");
        let journal = std::fs::read_to_string(journal).unwrap();
        let last = journal.lines().last().unwrap_or_default();
        assert!(last.contains("may not have been printed"), "hangup: {hangup}\n{journal}");
        assert!(last.contains("\"outcome\":\"unknown\""), "{last}");
    }
}

#[test]
fn tty_03_ctrl_z_and_fg_with_a_resize_in_between() {
    let script = format!(
        "set -m; '{SKEYS}' demo; echo \"stopped $?\"; stty -a; read -r line; fg >/dev/null; \
         echo \"ended $?\""
    );
    let mut terminal = Terminal::run(&["bash", "-c", &script], 100, 30, &[]);
    terminal.until("32 clusters");
    terminal.send(b"\x1a");
    terminal.until("stopped 148");
    terminal.until(" icanon");
    terminal.wait_for("the main screen", |screen| !screen.alternate_screen());
    terminal.resize(70, 20);
    terminal.send(b"\n");
    terminal.wait_for("the dashboard again, in the new size", |screen| {
        screen.alternate_screen() && screen.rows(0, 70).nth(19).is_some_and(|r| r.contains("help"))
    });
    terminal.send(b"q");
    terminal.until("ended 0");
    terminal.end_restored();
}

/// Runs the demo as a job of a shell that reports when it has stopped, and resumes it after reading a line.
fn as_a_job() -> (Terminal, rustix::process::Pid) {
    let script = format!(
        "set -m; '{SKEYS}' demo; echo \"stopped $?\"; stty -a; read -r line; fg >/dev/null; \
         echo \"ended $?\""
    );
    let terminal = Terminal::run(&["bash", "-c", &script], 100, 30, &[]);
    terminal.until("32 clusters");
    let group = terminal.foreground();
    (terminal, group)
}

#[test]
fn tty_14_a_stop_from_outside_restores_the_terminal_and_goes_on_as_before() {
    for signal in [Signal::TSTP, Signal::STOP] {
        let (mut terminal, group) = as_a_job();
        rustix::process::kill_process(group, signal).unwrap();
        terminal.wait_for("the shell", |screen| {
            // SIGSTOP cannot be handled.
            (signal == Signal::STOP) == screen.alternate_screen()
                && screen.contents().contains(&format!("stopped {}", 128 + signal.as_raw()))
        });
        terminal.send(b"\n");
        terminal.wait_for("the dashboard", |screen| {
            screen.alternate_screen()
                && screen.rows(0, 100).nth(29).is_some_and(|row| row.contains("help"))
                && !screen.contents().contains("stopped")
        });
        let modes = tcgetattr(terminal.slave()).unwrap().local_modes;
        assert!(!modes.intersects(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
        terminal.send(b"?");
        terminal.until("A rotation in four steps");
        terminal.send(b"\x1b");
        // A redraw may be in progress: absence from the screen proves nothing, and q right after Esc is Alt-q.
        std::thread::sleep(Duration::from_millis(300));
        terminal.send(b"q");
        terminal.until("ended 0");
        terminal.end_restored();
    }
}

#[test]
fn tty_14_sigcont_alone_draws_everything_again() {
    let mut terminal = Terminal::demo(100, 30);
    let slave = terminal.slave();
    std::io::Write::write_all(&mut &slave, b"\x1b[2J\x1b[?1049l\x1b[?2004l").unwrap();
    terminal.wait_for("what others write", |screen| !screen.alternate_screen());
    terminal.signal(Signal::CONT);
    terminal.wait_for("the dashboard", |screen| {
        screen.alternate_screen()
            && screen.bracketed_paste()
            && screen.contents().contains("32 clusters")
    });
    terminal.send(b"q");
    assert_eq!(terminal.end(), 0);
}

/// Child process of the next test: takes the terminal like the program, then panics.
#[test]
fn child_that_panics() {
    if std::env::var_os("SKEYS_CHILD_PANICS").is_none() {
        return;
    }
    let home = std::env::var("HOME").unwrap();
    install_panic_hook(Some(std::path::Path::new(&home).join("state")));
    let _screen = Screen::enter(Watchdog::start(force_restore).unwrap()).unwrap();
    panic!("a defect for the test");
}

#[test]
fn tty_01_a_panic_restores_the_screen_and_names_the_report() {
    let me = std::env::current_exe().unwrap();
    let words = [me.to_str().unwrap(), "--exact", "exit::child_that_panics", "--nocapture"];
    let mut terminal = Terminal::run(&words, 100, 30, &[("SKEYS_CHILD_PANICS", "1")]);
    assert_eq!(terminal.end_restored(), 101);
    terminal.until("skeys stopped because of an internal error; the terminal is restored.");
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    let (left, said) = (bytes.find("\u{1b}[?1049l").unwrap(), bytes.find("skeys stopped").unwrap());
    assert!(left < said, "the sentence comes after the restore");
    let report = std::fs::read_to_string(terminal.home.path().join("state/panic.txt")).unwrap();
    assert!(report.contains("a defect for the test") && report.contains("exit.rs"), "{report}");
}

#[test]
fn tty_15_a_signal_ends_it_although_the_terminal_takes_no_output() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let mut terminal = Terminal::demo(100, 30);
        let slave = terminal.stop_output();
        // Drawing now hangs, and so would restoring the terminal.
        terminal.send(b"?");
        let start = Instant::now();
        terminal.signal(signal);
        assert_eq!(terminal.end(), status_of(signal), "{signal:?}");
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
        let modes = tcgetattr(&slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
    }
}

/// Child process of the next test: is quit but does not end.
#[test]
fn child_that_hangs() {
    if std::env::var_os("SKEYS_CHILD_HANGS").is_none() {
        return;
    }
    let mut screen = Screen::enter(Watchdog::start(force_restore).unwrap()).unwrap();
    screen.quit();
    // A lock that is never released, like that of standard output while a terminal accepts nothing.
    let _locked = std::io::stdout().lock();
    loop {
        std::thread::park();
    }
}

#[test]
fn tty_15_a_program_that_hangs_after_it_was_quit_is_ended_with_the_terminal_restored() {
    let me = std::env::current_exe().unwrap();
    let words = [me.to_str().unwrap(), "--exact", "exit::child_that_hangs", "--nocapture"];
    let mut terminal = Terminal::run(&words, 100, 30, &[("SKEYS_CHILD_HANGS", "1")]);
    assert_eq!(terminal.end_restored(), 1);
    terminal.until("skeys did not exit within 5 s after it was quit");
    let modes = tcgetattr(terminal.slave()).unwrap().local_modes;
    assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
}
