//! `skeys wait` as shipped: in a terminal, in a pipe, and ended from outside. No times are asserted.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustix::process::Signal;

use crate::support::{Cloud, PROJECT, SCENE, SKEYS, Terminal, plain};

/// Starts waiting for a cluster to be prepared, without a terminal.
fn begin_wait(cloud: &Cloud, home: &Path, cluster: &str) -> Child {
    begin_by(cloud, Command::new(SKEYS), home, cluster)
}

/// Like `begin_wait`, by a command that starts the program, or by the program itself.
fn begin_by(cloud: &Cloud, mut command: Command, home: &Path, cluster: &str) -> Child {
    command
        .args(["wait", cluster, "--for", "prepared"])
        .env_clear()
        .env("HOME", home)
        .envs(cloud.environment(&[]))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn signal(child: &Child, signal: Signal) {
    let id = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(id, signal).unwrap();
}

/// Status, standard output and standard error of a process after its end.
fn ended(child: Child) -> (i32, String, String) {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Reads the first line of a process's output.
fn first_line(child: &mut Child) -> String {
    use std::io::Read as _;
    let out = child.stdout.as_mut().unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    String::from_utf8(line).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_pipe_it_prints_plain_lines_and_exits_with_0() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let mut child = begin_wait(&cloud, home.path(), "delta");
    let first = first_line(&mut child);
    cloud.put("delta", "PREPARED");
    let (status, out, err) = ended(child);
    let out = format!("{first}\n{out}");
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    assert!(!out.contains(['\u{1b}', '\r', '\u{7}']), "{out:?}");
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].contains("Z delta PREPARING"), "{out}");
    assert!(lines.last().unwrap().contains("Z delta PREPARED "), "{out}");
    for line in lines {
        let (moment, _) = line.split_once(' ').unwrap();
        assert!(moment.parse::<jiff::Timestamp>().is_ok() && moment.len() == 20, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_03_the_bar_is_redrawn_after_fg_and_after_a_resize() {
    let cloud = Cloud::begin().await;
    let words = [SKEYS, "wait", "bravo", "--for", "completed"];
    // Too narrow for the elapsed time, so that nothing else makes it draw.
    let terminal = Terminal::run(&words, 30, 10, &cloud.environment(&[]));
    terminal.until("bravo PREPARED");
    let drawn = || String::from_utf8_lossy(&terminal.bytes()).matches("bravo").count();
    let drawn_more_than = |before: usize| {
        let patience = Instant::now() + Duration::from_secs(20);
        while drawn() <= before {
            assert!(Instant::now() < patience, "{}", terminal.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    let before = drawn();
    terminal.signal(Signal::CONT);
    drawn_more_than(before);
    let before = drawn();
    terminal.resize(32, 10);
    drawn_more_than(before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_18_nothing_is_drawn_while_it_is_in_the_background() {
    let cloud = Cloud::begin().await;
    let script = format!(
        "set -m; '{SKEYS}' wait delta --for prepared & \
         read -r line; echo mark-1; fg; echo mark-2; bg; read -r line; echo mark-3; fg; echo \"status $?\""
    );
    let mut terminal = Terminal::run(&["bash", "-c", &script], 100, 20, &cloud.environment(&[]));
    let drawn = |terminal: &Terminal| {
        String::from_utf8_lossy(&terminal.bytes()).matches("\r\u{1b}[K").count()
    };
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(drawn(&terminal), 0, "{}", terminal.screen());
    assert!(!terminal.bytes().contains(&0x1b), "{}", terminal.screen());
    terminal.send(b"\n");
    terminal.until("mark-1");
    // It was not stopped: it notices only by checking the terminal.
    terminal.until("delta PREPARING");
    terminal.send(b"\x1a");
    terminal.until("mark-2");
    let before = drawn(&terminal);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(drawn(&terminal), before, "{}", terminal.screen());
    terminal.send(b"\n");
    terminal.until("mark-3");
    let patience = Instant::now() + Duration::from_secs(20);
    while drawn(&terminal) <= before {
        assert!(Instant::now() < patience, "{}", terminal.screen());
        std::thread::sleep(Duration::from_millis(5));
    }
    cloud.put("delta", "PREPARED");
    terminal.until("status 0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_terminal_it_draws_a_bar_and_leaves_one_line() {
    let cloud = Cloud::begin().await;
    let words = [SKEYS, "wait", "delta", "--for", "prepared"];
    let environment = cloud.environment(&[("WT_SESSION", "1")]);
    let mut terminal = Terminal::run(&words, 70, 10, &environment);
    terminal.until("delta PREPARING ");
    terminal.until("PDB payments/api allows no evictions");
    terminal.resize(40, 10);
    cloud.put("delta", "PREPARED");
    assert_eq!(terminal.end_restored(), 0);
    terminal.until("delta PREPARED");
    let bytes = String::from_utf8_lossy(&terminal.bytes()).into_owned();
    assert!(bytes.contains("\r\u{1b}[Kdelta "), "{bytes:?}");
    assert!(bytes.contains("\u{1b}]9;4;") && bytes.contains("\u{1b}]9;4;0;0\u{7}"), "{bytes:?}");
    assert!(!bytes.contains("\u{1b}[?1049h"), "no screen is taken: {bytes:?}");
    // A wrapped bar would leave rows behind.
    let screen = terminal.screen();
    assert!(screen.starts_with("20"), "{screen}");
    assert!(!screen.contains("PREPARING"), "{screen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_10_tty_11_no_color_and_ascii_are_respected() {
    let cloud = Cloud::begin().await;
    for (more, is_plain) in [
        (&[("NO_COLOR", "1")][..], false),
        (&[("LANG", "C"), ("LC_ALL", "C"), ("NO_COLOR", "1")][..], true),
    ] {
        let words = [SKEYS, "wait", "delta", "--for", "prepared"];
        let mut terminal = Terminal::run(&words, 120, 10, &cloud.environment(more));
        terminal.until("left to replace");
        terminal.send(b"\x03");
        assert_eq!(terminal.end(), 130);
        terminal.until("interrupted by a signal: delta is PREPARING");
        let bytes = terminal.bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!is_plain || bytes.is_ascii(), "{text:?}");
        for part in text.split("\u{1b}[").skip(1) {
            let codes = part.split_once(|c: char| c.is_ascii_alphabetic()).unwrap().0;
            let colour = |code: &str| code.parse::<u8>().is_ok_and(|code| code >= 30);
            assert!(!codes.split(';').any(colour), "a colour: {text:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dumb_terminal_gets_lines() {
    let cloud = Cloud::begin().await;
    let words = [SKEYS, "wait", "bravo", "--for", "completed", "--timeout", "2s"];
    let mut terminal = Terminal::run(&words, 120, 10, &cloud.environment(&[("TERM", "dumb")]));
    assert_eq!(terminal.end(), 124);
    terminal.until("bravo PREPARED (waiting for someone to complete the rotation)");
    terminal.until("timed out after 2s: bravo is PREPARED");
    assert!(!terminal.bytes().contains(&0x1b));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_02_sigterm_exits_with_143_and_sigint_with_130() {
    let cloud = Cloud::begin().await;
    for (number, status) in
        [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)]
    {
        if is_ignored(number) {
            // The caller of the tests ignores it, and the program inherits that.
            continue;
        }
        let home = tempfile::tempdir().unwrap();
        let mut child = begin_wait(&cloud, home.path(), "delta");
        assert!(first_line(&mut child).contains(" delta PREPARING"));
        signal(&child, number);
        let (code, _, err) = ended(child);
        assert_eq!(code, status, "{err}");
        assert!(err.contains("skeys: interrupted by a signal: delta is PREPARING"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_15_a_signal_ends_it_although_the_terminal_takes_no_output() {
    let cloud = Cloud::begin().await;
    let words = [SKEYS, "wait", "delta", "--for", "prepared"];
    let mut terminal = Terminal::run(&words, 100, 30, &cloud.environment(&[]));
    terminal.until("PREPARING");
    let _slave = terminal.stop_output();
    // It hangs while drawing the bar.
    std::thread::sleep(Duration::from_millis(1_500));
    let start = Instant::now();
    terminal.signal(Signal::TERM);
    assert_eq!(terminal.end(), 143);
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tty_15_the_time_is_over_although_the_terminal_takes_no_output() {
    let cloud = Cloud::begin().await;
    let words = [SKEYS, "wait", "delta", "--for", "prepared", "--timeout", "4s"];
    let start = Instant::now();
    let mut terminal = Terminal::run(&words, 100, 30, &cloud.environment(&[]));
    terminal.until("PREPARING");
    let _slave = terminal.stop_output();
    assert_eq!(terminal.end(), 124);
    assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_06_a_full_device_is_told_and_has_a_status_of_its_own() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    cloud.put("delta", "PREPARED");
    for words in [
        &["wait", "delta", "--for", "prepared"][..],
        &["config", "path"],
        &["config", "check"],
        &["simulate", "--listen", "127.0.0.1:0"],
        &["--help"],
        &["wait", "--help"],
        &["--version"],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let child = Command::new(SKEYS)
            .args(words)
            .env_clear()
            .env("HOME", home.path())
            .envs(cloud.environment(&[]))
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (status, _, err) = ended(child);
        assert_eq!(status, 74, "{words:?}: {err}");
        assert!(err.contains("could not print: No space left on device"), "{words:?}: {err}");
    }
}

/// Whether this process, and thus its children, ignores a signal.
fn is_ignored(signal: Signal) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap_or("0");
    u64::from_str_radix(mask.trim(), 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn inherited_ignored_signals_stay_ignored() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let mut deaf = Command::new("/bin/sh");
    deaf.args(["-c", "trap '' HUP; exec \"$0\" \"$@\"", SKEYS]);
    let mut child = begin_by(&cloud, deaf, home.path(), "delta");
    assert!(first_line(&mut child).contains(" delta PREPARING"));
    signal(&child, Signal::HUP);
    cloud.put("delta", "PREPARED");
    let (status, out, err) = ended(child);
    assert_eq!(status, 0, "{err}");
    assert!(out.lines().last().unwrap().contains(" delta PREPARED "), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_01_a_closed_pipe_ends_it_silently() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let mut child = begin_wait(&cloud, home.path(), "delta");
    assert!(first_line(&mut child).contains(" delta PREPARING"));
    drop(child.stdout.take());
    cloud.put("delta", "PREPARED");
    let (status, _, err) = ended(child);
    assert_eq!((status, err.as_str()), (1, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_04_killed_and_restarted_it_ends_correctly() {
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let mut child = begin_wait(&cloud, home.path(), "delta");
    assert!(first_line(&mut child).contains(" delta PREPARING"));
    signal(&child, Signal::KILL);
    drop(child.wait());
    let mut child = begin_wait(&cloud, home.path(), "delta");
    assert!(first_line(&mut child).contains(" delta PREPARING"));
    cloud.put("delta", "PREPARED");
    let (status, out, _) = ended(child);
    assert_eq!(status, 0);
    assert!(out.lines().last().unwrap().contains(" delta PREPARED "), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cli_05_flags_narrow_names_and_addresses_need_none() {
    let cloud = Cloud::begin().await;
    let wait = |words: &[&str]| {
        let words = [&["wait", "--for", "prepared"], words].concat();
        cloud.plain(&words, &[])
    };
    // The variables of the simulator name one project and one region.
    let (status, out, err) = wait(&["twin", "--region", "eu01", "--region", "eu02"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(err.contains(&format!("{PROJECT}/eu01/twin, {PROJECT}/eu02/twin")), "{err}");
    assert!(err.contains("Select one with --region, or by its full address"), "{err}");
    assert_eq!(wait(&["twin", "--region", "eu02"]).0, 0);
    let address = format!("{PROJECT}/eu02/twin");
    assert_eq!(wait(&[&address]).0, 0, "the configured region is no contradiction");
    let (status, _, err) = wait(&[&address, "--region", "eu01"]);
    assert_eq!(status, 2);
    assert!(err.contains("contradicts --region"), "{err}");
    assert_eq!(wait(&["nobody"]).0, 1);
}

#[test]
fn cli_06_timeout_and_signals_count_while_projects_are_looked_up() {
    // A server that accepts connections but never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let claims = URL_SAFE_NO_PAD.encode(r#"{"email":"a@b.c","exp":4102444800}"#);
    let token = format!("{}.{claims}.c2ln", URL_SAFE_NO_PAD.encode(r#"{"alg":"RS512"}"#));
    let home = tempfile::tempdir().unwrap();
    let begin = |arguments: &[&str]| {
        Command::new(SKEYS)
            .args(["wait", "alpha", "--for", "prepared"])
            .args(arguments)
            .env_clear()
            .env("HOME", home.path())
            .env("STACKIT_ACCESS_TOKEN", &token)
            .env("STACKIT_AUTHORIZATION_CUSTOM_ENDPOINT", &address)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let timed_out = "skeys: timed out after 1s: alpha not found yet\n".to_owned();
    assert_eq!(ended(begin(&["--timeout", "1s"])), (124, String::new(), timed_out));
    let child = begin(&[]);
    drop(silent.accept().unwrap());
    let child_waits = silent.accept().unwrap();
    signal(&child, Signal::TERM);
    let interrupted = "skeys: interrupted by a signal: alpha not found yet\n".to_owned();
    assert_eq!(ended(child), (143, String::new(), interrupted));
    drop(child_waits);
}

#[test]
fn wrong_usage_exits_with_2_and_names_what_is_missing() {
    let home = tempfile::tempdir().unwrap();
    for words in [
        &["wait", "--for", "prepared"][..],
        &["wait", "alpha"],
        &["wait", "alpha", "--for", "never"],
        &["wait", "eu01/alpha", "--for", "prepared"],
        &["wait", "alpha", "--for", "prepared", "--timeout", "soon"],
        &["wait", "alpha", "--for", "prepared", "--timeout", "0s"],
    ] {
        let (status, out, err) = plain(home.path(), words, &[]);
        assert_eq!((status, out.as_str()), (2, ""), "{words:?}: {err}");
    }
    let wait = ["wait", "alpha", "--for", "prepared"];
    let (status, _, err) = plain(home.path(), &wait, &[("STACKIT_PROJECT_ID", "p")]);
    assert_eq!(status, 1);
    assert!(err.contains("no credentials found"), "{err}");
    let (status, _, err) = plain(home.path(), &wait, &[("STACKIT_ACCESS_TOKEN", "t")]);
    assert_eq!(status, 1);
    assert!(err.contains("the token names no email address"), "{err}");
    assert!(err.contains("--project"), "{err}");
    let (status, out, _) = plain(home.path(), &["wait", "--help"], &[]);
    assert_eq!(status, 0);
    for text in ["PROJECT/REGION/NAME", "Exit status:", "124", "5 minutes", "prepared"] {
        assert!(out.contains(text), "{text}: {out}");
    }
}

#[test]
fn sim_03_it_works_with_what_skeys_simulate_prints_and_the_key_file() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("scene.toml"), SCENE).unwrap();
    let mut server = Command::new(SKEYS)
        .args(["simulate", "--speed", "600", "--scene", "scene.toml"])
        .current_dir(home.path())
        .env_clear()
        .env("HOME", home.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut exports = vec![first_line(&mut server)];
    while !exports.last().unwrap().starts_with("export STACKIT_SERVICE_ACCOUNT_KEY_PATH=") {
        exports.push(first_line(&mut server));
    }
    let mut environment: Vec<(&str, &str)> = exports
        .iter()
        .map(|line| line.strip_prefix("export ").unwrap().split_once('=').unwrap())
        .collect();
    // By the key.
    environment.retain(|(name, _)| *name != "STACKIT_ACCESS_TOKEN");
    let [.., ("STACKIT_SERVICE_ACCOUNT_KEY_PATH", key)] = environment[..] else { unreachable!() };
    let mode = std::fs::metadata(key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (status, out, err) =
        plain(home.path(), &["wait", "bravo", "--for", "prepared"], &environment);
    signal(&server, Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(143));
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.contains(" bravo PREPARED (already reached; started "), "{out}");
    assert!(!Path::new(key).exists(), "the key ends with the simulator");
}

#[test]
fn sim_03_a_signal_at_any_moment_removes_the_key_and_the_path_is_quoted() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("it's here");
    std::fs::create_dir(&folder).unwrap();
    for _ in 0..10 {
        let mut server = Command::new(SKEYS)
            .args(["simulate", "--clusters", "1"])
            .env_clear()
            .env("HOME", home.path())
            .env("TMPDIR", &folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let name = "export STACKIT_SERVICE_ACCOUNT_KEY_PATH=";
        let lines = std::iter::repeat_with(|| first_line(&mut server));
        let path = lines.take(20).find_map(|line| line.strip_prefix(name).map(str::to_owned));
        signal(&server, Signal::TERM);
        let (status, _, err) = ended(server);
        assert_eq!((status, err.as_str()), (143, ""));
        let folder = folder.display().to_string().replace('\'', r"'\''");
        assert!(path.unwrap().starts_with(&format!("'{folder}/")));
        assert_eq!(std::fs::read_dir(home.path().join("it's here")).unwrap().count(), 0);
    }
}

#[test]
fn sim_06_the_simulator_listens_beyond_loopback_only_when_told_to_and_at_one_address() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, words, expected) in [
        (&["--listen", "192.0.2.1:0"][..], "add --allow-remote", 2),
        (&["--listen", "0.0.0.0:0"], "kubeconfigs contain it", 2),
        (&["--listen", "[::]:0", "--allow-remote"], "kubeconfigs contain it", 2),
        // No address of this machine.
        (&["--listen", "192.0.2.1:0", "--allow-remote"], "cannot listen on 192.0.2.1:0", 1),
    ] {
        let arguments = [&["simulate"], arguments].concat();
        let (status, out, err) = plain(home.path(), &arguments, &[]);
        assert!(status == expected && out.is_empty() && err.contains(words), "{status} {err}");
    }
}
