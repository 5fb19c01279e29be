//! Shared by the benches: medians and their table, a listed dashboard, a simulator in a separate process.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use skeys::testing::app::keymap::Keymap;
use skeys::testing::app::message::{Answer, Message};
use skeys::testing::app::now::Now;
use skeys::testing::app::requests::RequestOwner;
use skeys::testing::app::settings::Settings;
use skeys::testing::app::state::State;
use skeys::testing::app::update::{begin, next_wake, refresh_rows, update};
use skeys::testing::domain::cluster::{Cluster, Listing, Region, Scope};
use skeys::testing::domain::persisted::PersistedState;
use skeys::testing::domain::rotation::Phase;
use skeys::testing::ui::view;

/// Columns and rows of every terminal.
pub const SIZE: (u16, u16) = (140, 40);

/// Thoroughness of the measurement.
pub struct Bench {
    /// Runs everything once, without a reliable measurement.
    pub quick: bool,
}

impl Bench {
    /// Reads the thoroughness, and prints the head of the table.
    pub fn begin() -> Self {
        let quick = std::env::args().any(|argument| argument == "--quick");
        println!("{:<52} {:>12} {:>12} {:>8}", "", "skeys", "naive", "ratio");
        Self { quick }
    }

    /// Median time of a run.
    pub fn time(&self, mut run: impl FnMut()) -> Duration {
        run();
        let budget = if self.quick { Duration::ZERO } else { Duration::from_millis(600) };
        let start = Instant::now();
        let mut times = Vec::new();
        while times.is_empty() || (start.elapsed() < budget && times.len() < 20_000) {
            let begin = Instant::now();
            run();
            times.push(begin.elapsed());
        }
        median(times)
    }
}

/// The median.
pub fn median<T: PartialOrd + Copy + Default>(mut values: Vec<T>) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).unwrap());
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Prints a table row with times.
pub fn line(name: &str, ours: Duration, naive: Option<Duration>) {
    let text = |seconds: f64| {
        let micros = seconds * 1e6;
        if micros < 1_000.0 {
            format!("{micros:.1} µs")
        } else {
            format!("{:.2} ms", micros / 1e3)
        }
    };
    row(name, ours.as_secs_f64(), naive.map(|naive| naive.as_secs_f64()), text);
}

/// Prints a table row with memory in MiB.
pub fn memory(name: &str, ours: f64, naive: Option<f64>) {
    row(name, ours, naive, |mebibytes| format!("{mebibytes:.1} MiB"));
}

fn row(name: &str, ours: f64, naive: Option<f64>, text: impl Fn(f64) -> String) {
    let (other, ratio) = naive.map_or_else(Default::default, |naive| {
        let ratio = naive / ours.max(1e-9);
        (text(naive), if ratio < 10.0 { format!("{ratio:.1}x") } else { format!("{ratio:.0}x") })
    });
    println!("{name:<52} {:>12} {other:>12} {ratio:>8}", text(ours));
}

/// A state with these clusters listed, all of one project and region.
pub fn machine(clusters: Vec<Cluster>, wall: Timestamp) -> State {
    let scope = clusters.first().unwrap().id.scope.clone();
    Lists::begin(BTreeMap::from([(scope, clusters)]), wall).state
}

/// A state whose lists are answered one at a time.
pub struct Lists {
    pub state: State,
    clusters: BTreeMap<Scope, Vec<Cluster>>,
}

impl Lists {
    /// Lists all scopes once; they are all in one region.
    pub fn begin(clusters: BTreeMap<Scope, Vec<Cluster>>, wall: Timestamp) -> Self {
        let mut settings = Settings::defaults();
        settings.projects = clusters.keys().map(|scope| (scope.project.clone(), None)).collect();
        settings.regions = vec![Region::new("eu01")];
        let now = Now { wall, monotonic: Duration::ZERO };
        let mut state = State::new(settings, Keymap::default(), PersistedState::default(), now, 7);
        state.shared.size = SIZE;
        drop(begin(&mut state));
        let count = clusters.values().map(Vec::len).sum::<usize>();
        let scopes = clusters.len();
        let mut lists = Self { state, clusters };
        (0..scopes).for_each(|_| lists.next(false));
        assert_eq!(lists.state.view.shown.len(), count);
        lists
    }

    /// Requests and answers the next list; if it `changes`, one of its clusters is in another phase than before.
    pub fn next(&mut self, changes: bool) {
        let open = |state: &State| {
            state.requests.open().find_map(|(id, owner)| {
                let RequestOwner::Clusters(scope) = owner else { return None };
                Some((id, scope.clone()))
            })
        };
        while open(&self.state).is_none() {
            let mut now = self.state.shared.now;
            let step = next_wake(&self.state).unwrap().saturating_sub(now.monotonic);
            now.monotonic += step;
            now.wall += SignedDuration::try_from(step).unwrap();
            drop(update(&mut self.state, now, Message::Ticked));
        }
        let (request, scope) = open(&self.state).unwrap();
        let clusters = self.clusters.get_mut(&scope).unwrap();
        if let Some(cluster) = clusters.first_mut().filter(|_| changes) {
            let rolls = cluster.rotation.phase == Phase::Preparing;
            cluster.rotation.phase = if rolls { Phase::Prepared } else { Phase::Preparing };
        }
        let listing = Listing { clusters: clusters.clone(), skipped: 0, skew: None };
        let answer = Message::Answered(request, Ok(Answer::Clusters(listing)));
        let now = self.state.shared.now;
        drop(update(&mut self.state, now, answer));
        refresh_rows(&mut self.state);
    }
}

/// An in-memory terminal.
pub fn terminal() -> Terminal<TestBackend> {
    Terminal::new(TestBackend::new(SIZE.0, SIZE.1)).unwrap()
}

/// Draws a frame as the loop does.
pub fn draw(terminal: &mut Terminal<TestBackend>, state: &mut State) {
    let mut metrics = None;
    terminal.draw(|frame| metrics = Some(view(state, frame))).unwrap();
    state.shared.metrics = metrics.unwrap_or_default();
}

/// Presses a key.
pub fn press(state: &mut State, code: KeyCode) {
    let key = KeyEvent::new(code, KeyModifiers::NONE);
    let now = state.shared.now;
    drop(std::hint::black_box(update(state, now, Message::Key(key))));
}

/// A simulated cloud in another process.
pub struct Cloud {
    process: Child,
    /// Kept open while it runs: it exits if its output has no reader.
    _printed: BufReader<ChildStdout>,
    /// Environment variables for a client.
    pub exports: Vec<(String, String)>,
    _scene: Option<tempfile::TempDir>,
}

impl Cloud {
    /// Starts simulating a scene in real time.
    pub fn of(scene: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("scene.toml");
        std::fs::write(&file, scene).unwrap();
        Self::begin(&["--scene", file.to_str().unwrap()], Some(folder))
    }

    /// Starts simulating in real time with these arguments; keeps the folder of the scene until it ends.
    pub fn begin(words: &[&str], scene: Option<tempfile::TempDir>) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_skeys"))
            .args(["simulate", "--speed", "1"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut printed = BufReader::new(process.stdout.take().unwrap());
        let exports = (&mut printed)
            .lines()
            .map_while(Result::ok)
            .take(8)
            .filter_map(|line| {
                let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        Self { process, _printed: printed, exports, _scene: scene }
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Memory of a process in MiB, from the kernel's field of this name (`VmRSS`); `process` is a PID or "self".
pub fn mebibytes(process: &str, name: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// Seconds of user and system time of a process, from clock ticks of a hundredth.
pub fn processor_time(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}
