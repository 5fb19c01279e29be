//! A program in a pseudo-terminal, and its screen.

use std::io::{Read as _, Write as _};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use skeys::testing::Clock;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};

/// The binary under test.
pub const SKEYS: &str = env!("CARGO_BIN_EXE_skeys");
/// Upper bound for all waits.
const LIMIT: Duration = Duration::from_mins(3);

/// A terminal with a program in it.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    master: Box<dyn MasterPty + Send>,
    writer: Arc<Mutex<Box<dyn std::io::Write + Send>>>,
    seen: Arc<Mutex<Seen>>,
    pace: Arc<AtomicU8>,
    pub home: tempfile::TempDir,
}

/// How fast a terminal takes output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    Fast,
    /// A kilobyte at a time.
    Slow,
    /// Nothing beyond what the system buffers.
    Held,
}

/// The query "primary device attributes".
const ASKED: &[u8] = b"\x1b[c";

struct Seen {
    parser: vt100::Parser,
    bytes: Vec<u8>,
    ended: bool,
}

impl Terminal {
    /// Runs the demo.
    pub fn demo(columns: u16, rows: u16) -> Self {
        let terminal = Self::run(&[SKEYS, "demo"], columns, rows, &[]);
        terminal.until("32 clusters");
        terminal
    }

    /// Runs a program with a separate home and a small, fixed environment.
    pub fn run(words: &[&str], columns: u16, rows: u16, environment: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::run_in(home, words, columns, rows, environment)
    }

    /// Runs a program with a prepared home.
    pub fn run_in(
        home: tempfile::TempDir,
        words: &[&str],
        columns: u16,
        rows: u16,
        environment: &[(&str, &str)],
    ) -> Self {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(words[0]);
        command.args(&words[1..]);
        command.env_clear();
        command.cwd(home.path());
        let defaults = [("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")];
        for (name, value) in defaults.iter().chain(environment) {
            command.env(name, value);
        }
        command.env("HOME", home.path());
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            parser: vt100::Parser::new(cells(rows), cells(columns), 0),
            bytes: Vec::new(),
            ended: false,
        }));
        let writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let pace = Arc::new(AtomicU8::new(Pace::Fast as u8));
        let (shared, answers, current) =
            (Arc::clone(&seen), Arc::clone(&writer), Arc::clone(&pace));
        std::thread::spawn(move || {
            let mut buffer = [0; 16_384];
            loop {
                while current.load(Ordering::SeqCst) == Pace::Held as u8 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let is_slow = current.load(Ordering::SeqCst) == Pace::Slow as u8;
                let most = if is_slow { 1_000 } else { buffer.len() };
                if is_slow {
                    std::thread::sleep(Duration::from_millis(10));
                }
                let count = reader.read(&mut buffer[..most]).unwrap_or(0);
                let mut seen = shared.lock().unwrap();
                if count == 0 {
                    seen.ended = true;
                    return;
                }
                seen.parser.process(&buffer[..count]);
                seen.bytes.extend_from_slice(&buffer[..count]);
                // Every terminal answers this query.
                if buffer[..count].windows(ASKED.len()).any(|bytes| bytes == ASKED) {
                    drop(answers.lock().unwrap().write_all(b"\x1b[?62c"));
                }
            }
        });
        Self { child, master: pair.master, writer, seen, pace, home }
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        self.seen.lock().unwrap().parser.screen().contents()
    }

    /// All output to the terminal.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Waits until the screen shows a text.
    #[track_caller]
    pub fn until(&self, text: &str) {
        self.wait_for(text, |screen| screen.contents().contains(text));
    }

    /// Waits until a condition on the screen is met.
    #[track_caller]
    pub fn wait_for(&self, what: &str, holds: impl Fn(&vt100::Screen) -> bool) {
        let start = Instant::now();
        while !holds(self.seen.lock().unwrap().parser.screen()) {
            assert!(start.elapsed() < LIMIT, "waited in vain for: {what}\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits until a condition on all output is met.
    #[track_caller]
    pub fn wait_for_bytes(&self, what: &str, holds: impl Fn(&[u8]) -> bool) {
        let start = Instant::now();
        while !holds(&self.bytes()) {
            assert!(start.elapsed() < LIMIT, "waited in vain for: {what}\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Types bytes.
    pub fn send(&mut self, bytes: &[u8]) {
        let mut writer = self.writer.lock().unwrap();
        writer.write_all(bytes).unwrap();
        writer.flush().unwrap();
    }

    /// The other end of the terminal, as the program sees it.
    pub fn slave(&self) -> std::fs::File {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The terminal must not become this test's own.
        let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let mut options = std::fs::OpenOptions::new();
        let path = self.master.tty_name().unwrap();
        options.read(true).write(true).custom_flags(flags).open(path).unwrap()
    }

    /// The process group that has the terminal.
    pub fn foreground(&self) -> rustix::process::Pid {
        let group = self.master.process_group_leader().unwrap();
        rustix::process::Pid::from_raw(group).unwrap()
    }

    /// Sets how fast the terminal takes output.
    pub fn take_output(&self, pace: Pace) {
        self.pace.store(pace as u8, Ordering::SeqCst);
    }

    /// Makes the terminal stop accepting output, as after Ctrl-S or on a hanging connection.
    pub fn stop_output(&self) -> std::fs::File {
        let slave = self.slave();
        rustix::termios::tcflow(&slave, rustix::termios::Action::OOff).unwrap();
        slave
    }

    /// Resizes the terminal.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().parser.screen_mut().set_size(cells(rows), cells(columns));
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    /// Process id of the program.
    pub fn id(&self) -> rustix::process::Pid {
        let id = i32::try_from(self.child.process_id().unwrap()).unwrap();
        rustix::process::Pid::from_raw(id).unwrap()
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.id(), signal).unwrap();
    }

    /// Waits for the end of the program; returns its exit status, or 128 plus the number of a signal.
    #[track_caller]
    pub fn end(&mut self) -> u32 {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(start.elapsed() < LIMIT, "it does not end\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the end, and checks that the terminal is restored: main screen, cursor, echo, no modes left on.
    #[track_caller]
    pub fn end_restored(&mut self) -> u32 {
        let status = self.end();
        self.wait_for("the main screen", |screen| !screen.alternate_screen());
        self.wait_for("the cursor", |screen| !screen.hide_cursor());
        self.wait_for("no bracketed paste", |screen| !screen.bracketed_paste());
        let seen = self.seen.lock().unwrap();
        assert_eq!(seen.parser.screen().mouse_protocol_mode(), vt100::MouseProtocolMode::None);
        let count = |mode: &str| {
            String::from_utf8_lossy(&seen.bytes).matches(&format!("\u{1b}[?{mode}")).count()
        };
        assert_eq!(
            count("1049h"),
            count("1049l"),
            "the alternate screen is left as often as entered"
        );
        status
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).unwrap()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A failed test leaves no process behind.
        drop(self.child.kill());
    }
}

/// Puts a stand-in for the `stackit` CLI into the home folder, written by another process: a file open for writing
/// cannot be executed.
pub fn stand_in(home: &Path, script: &str) {
    let mut write = std::process::Command::new("sh")
        .args(["-c", "cat > \"$0\" && chmod 755 \"$0\""])
        .arg(home.join("stackit"))
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    write.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{script}").as_bytes()).unwrap();
    assert!(write.wait().unwrap().success());
}

/// Runs the binary without a terminal: status, standard output, standard error.
pub fn plain(
    home: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> (i32, String, String) {
    let output = std::process::Command::new(SKEYS)
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .env("TERM", "xterm-256color")
        .envs(environment.iter().copied())
        .current_dir(home)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// Opens a new terminal, runs the program in it, types each of `typed` and waits for its text, and closes the terminal
/// like a window. Returns the process; `hangup`: whether the program also gets a signal.
pub fn closed_under(
    (home, environment): (&Path, &[(&str, &str)]),
    words: &[&str],
    hangup: bool,
    typed: &[(&str, &str)],
) -> std::process::Child {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let size = rustix::termios::Winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(&master, size).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = || {
        use std::os::unix::fs::OpenOptionsExt as _;
        // The terminal must not become this test's controlling terminal.
        let flags = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).custom_flags(flags).open(name.to_str().unwrap()).unwrap()
    };
    let mut command = if hangup {
        // A new session with this terminal: the kernel sends HUP when the terminal is closed.
        let mut command = std::process::Command::new("setsid");
        command.args(["--ctty", SKEYS]);
        command
    } else {
        std::process::Command::new(SKEYS)
    };
    let child = command
        .args(words)
        .env_clear()
        .envs([("TERM", "xterm-256color"), ("LANG", "C.UTF-8"), ("PATH", "/usr/bin:/bin")])
        .envs(environment.iter().copied())
        .env("HOME", home)
        .stdin(slave())
        .stdout(slave())
        .stderr(slave())
        .spawn()
        .unwrap();
    let mut master = std::fs::File::from(master);
    let mut parser = vt100::Parser::new(cells(30), cells(100), 0);
    let mut buffer = [0; 16_384];
    for (keys, text) in typed {
        // Buttons ignore keys at first.
        std::thread::sleep(Duration::from_millis(if keys.is_empty() { 0 } else { 600 }));
        master.write_all(keys.as_bytes()).unwrap();
        while !parser.screen().contents().contains(text) {
            let count = master.read(&mut buffer).unwrap();
            parser.process(&buffer[..count]);
        }
    }
    child
}

/// Id of the project in [`SCENE`].
pub const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
/// Clusters in every relevant phase.
pub const SCENE: &str = include_str!("../wait/scene.toml");

/// A simulator in this process, and the variables to connect to it.
pub struct Cloud {
    pub simulator: Simulator,
    pub exports: Vec<(&'static str, String)>,
}

impl Cloud {
    /// A cloud in real time: a phase changes only on request of a test.
    pub async fn begin() -> Self {
        Self::of(Scene::parse(SCENE, "scene.toml").unwrap()).await
    }

    /// A cloud of a scene.
    pub async fn of(scene: Scene) -> Self {
        skeys::testing::clients::install_crypto();
        let options =
            SimulatorOptions { seed: 7, speed: 1.0, scene, listen: "127.0.0.1:0".parse().unwrap() };
        let simulator = serve(options, Clock::machine()).await.unwrap();
        let mut exports = simulator.exports();
        exports.push(("SKEYS_POLL_RUNNING", "1s".to_owned()));
        exports.push(("SKEYS_NOTIFY_DESKTOP", "false".to_owned()));
        Self { simulator, exports }
    }

    pub fn environment<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let exports = self.exports.iter().map(|(name, value)| (*name, value.as_str()));
        exports.chain(more.iter().copied()).collect()
    }

    /// Sets the phase of a cluster.
    pub fn put(&self, name: &str, phase: &str) {
        let id = ClusterId::new(PROJECT, "eu01", name);
        self.simulator.with_cloud(|cloud| {
            phase.clone_into(&mut cloud.cluster_mut(&id).unwrap().phase);
        });
    }

    /// Runs the program without a terminal until it ends.
    pub fn plain(&self, arguments: &[&str], more: &[(&str, &str)]) -> (i32, String, String) {
        let home = tempfile::tempdir().unwrap();
        plain(home.path(), arguments, &self.environment(more))
    }
}
