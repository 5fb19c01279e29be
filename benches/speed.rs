//! Promised speed, each figure beside the naive way in the same run.
//!
//! `cargo bench` measures; `cargo bench --bench speed -- --quick` only shows that everything runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench measures real time, prints, and ends when something is wrong"
)]

mod measure;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use jiff::Timestamp;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Constraint;
use ratatui::widgets::{Row, Table};

use skeys::testing::Clock;
use skeys::testing::app::state::State;
use skeys::testing::app::update::refresh_rows;
use skeys::testing::clients::ske::decode;
use skeys::testing::domain::cluster::{Cluster, ClusterId, ProjectId, Region, Scope};
use skeys::testing::simulator::cloud::SimulatedCloud;
use skeys::testing::simulator::describe;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::store::kubeconfigs::Kubeconfigs;

use crate::measure::{
    Bench, Cloud, Lists, draw, line, machine, mebibytes, median, memory, press, processor_time,
    terminal,
};

fn main() {
    let bench = Bench::begin();
    for count in [100, 1_000, 10_000] {
        frames(&bench, count);
    }
    updates(&bench);
    keys(&bench);
    decoding(&bench);
    first_frame(&bench);
    inventory(&bench);
    bytes(&bench);
    resting(&bench);
    large(&bench);
}

/// 10,000 clusters in 200 projects and two regions, over a network with 50 ms latency that loses 2 % of the requests.
fn large(bench: &Bench) {
    let (clusters, projects) = if bench.quick { (200, 8) } else { (10_000, 200) };
    let (count, places) = (clusters.to_string(), projects.to_string());
    let words = ["--clusters", &count, "--projects", &places, "--latency", "50ms", "--loss", "2%"];
    let cloud = Cloud::begin(&words, None);
    let ids =
        Scene::generated(clusters, projects, 7).projects.into_iter().map(|project| project.id);
    let mut environment = cloud.exports.clone();
    environment.push(("SKEYS_PROJECTS".to_owned(), ids.collect::<Vec<_>>().join(",")));
    environment.push(("SKEYS_REGIONS".to_owned(), "eu01,eu02".to_owned()));
    let start = Instant::now();
    let terminal = InTerminal::start(&[], &environment);
    // The cursor is on a row.
    terminal.until("▌");
    line(&format!("{clusters} clusters over a bad network: first rows"), start.elapsed(), None);
    terminal.until(&format!("{clusters} clusters"));
    line("… all rows", start.elapsed(), None);
    let process = terminal.child.process_id().unwrap().to_string();
    let seconds = if bench.quick { 1 } else { 60 };
    let before = processor_time(&process);
    std::thread::sleep(Duration::from_secs(seconds));
    let used = processor_time(&process).zip(before).map(|(after, before)| after - before);
    if let (Some(resident), Some(used)) = (mebibytes(&process, "VmRSS"), used) {
        memory("… resident memory", resident, None);
        println!("{:<52} {:>10.2} %", "… processor while it polls", 100.0 * used / seconds as f64);
    }
}

/// A kubeconfig with `contexts` contexts, each with `bytes` bytes of invalid certificate data.
fn kubeconfig(contexts: usize, bytes: usize) -> String {
    let data = "QUJD".repeat(bytes / 4);
    let list = |name: &str, entry: &dyn Fn(usize) -> String| {
        let entries: Vec<String> = (0..contexts).map(entry).collect();
        format!("{name}:\n{}\n", entries.join("\n"))
    };
    let server = |at: usize| format!("https://api.c-{at}.0a1b2c3d4e.s.ske.eu01.onstackit.cloud");
    list("clusters", &|at| {
        format!(
            "- name: c-{at}\n  cluster:\n    server: {}\n    certificate-authority-data: {data}",
            server(at)
        )
    }) + &list("users", &|at| {
        format!("- name: u-{at}\n  user:\n    client-certificate-data: {data}")
    }) + &list("contexts", &|at| {
        format!("- name: c-{at}\n  context:\n    cluster: c-{at}\n    user: u-{at}")
    })
}

/// The kubeconfig files of a machine; naive: only parsed.
fn inventory(bench: &Bench) {
    for (files, contexts, bytes) in [(200, 1, 1_500), (1, 2_000, 2_500)] {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".kube");
        std::fs::create_dir(&folder).unwrap();
        let text = kubeconfig(contexts, bytes);
        for at in 0..files {
            std::fs::write(folder.join(format!("{at}.yaml")), &text).unwrap();
        }
        let found = Kubeconfigs::new(Some(home.path().to_owned()), None, Clock::machine());
        let ours = bench.time(|| {
            assert_eq!(black_box(found.find_all(&[])).len(), files);
        });
        let naive = bench.time(|| {
            for at in 0..files {
                let text = std::fs::read_to_string(folder.join(format!("{at}.yaml"))).unwrap();
                black_box(yaml_serde::from_str::<serde_json::Value>(&text).unwrap());
            }
        });
        let size = text.len() * files / 1_000_000;
        let what = format!("inventory, {files} files, {contexts} contexts each, {size} MB");
        line(&what, ours, Some(naive));
    }
}

fn now() -> Timestamp {
    "2026-11-24T14:02:11Z".parse().unwrap()
}

/// SKE's answer for a project with `count` clusters.
fn listing(count: usize) -> (Scope, String) {
    let cloud = SimulatedCloud::new(&Scene::fleet().unwrap(), 7, 1.0, now());
    let (project, _) = cloud.projects.first().cloned().unwrap();
    let items: Vec<serde_json::Value> = cloud
        .list(&project, "eu01")
        .cycle_to(count)
        .map(|cluster| serde_json::to_value(describe(cluster, now())).unwrap())
        .enumerate()
        .map(|(number, mut item)| {
            if let Some(name) = item.get_mut("name") {
                *name = format!("c-{number}").into();
            }
            item
        })
        .collect();
    let scope = Scope { project: ProjectId::new(&project), region: Region::new("eu01") };
    (scope, serde_json::json!({ "items": items }).to_string())
}

fn clusters(count: usize) -> Vec<Cluster> {
    let (scope, body) = listing(count);
    decode::list(&scope, body.as_bytes()).unwrap().0
}

fn listed(count: usize) -> State {
    machine(clusters(count), now())
}

/// A table of all rows, written without regard to their number.
fn draw_all_rows(terminal: &mut Terminal<TestBackend>, state: &State) {
    let fleet = &state.fleet;
    terminal
        .draw(|frame| {
            let rows = state.view.shown.iter().filter_map(|id| fleet.cluster(id)).map(|cluster| {
                Row::new([
                    cluster.id.name.to_string(),
                    fleet.project_name(cluster.id.project()).to_owned(),
                    cluster.id.region().to_string(),
                    cluster.rotation.phase.label().to_owned(),
                    cluster.state.label().to_owned(),
                    cluster.version.as_str().to_owned(),
                ])
            });
            let widths = [Constraint::Length(16); 6];
            frame.render_widget(Table::new(rows, widths), frame.area());
        })
        .unwrap();
}

fn frames(bench: &Bench, count: usize) {
    let mut state = listed(count);
    let mut terminal = terminal();
    let ours = bench.time(|| draw(&mut terminal, &mut state));
    let naive = bench.time(|| draw_all_rows(&mut terminal, &state));
    line(&format!("frame, {count} clusters (naive: all rows)"), ours, Some(naive));
}

/// Lists arrive one by one in a fleet of 10,000 clusters in 200 projects; naive: redraws the table of all rows after
/// each.
fn updates(bench: &Bench) {
    let listings: BTreeMap<Scope, Vec<Cluster>> = (0..200)
        .map(|number| {
            let (_, body) = listing(50);
            let project = ProjectId::new(format!("00000000-0000-4000-8000-{number:012}"));
            let scope = Scope { project, region: Region::new("eu01") };
            let clusters = decode::list(&scope, body.as_bytes()).unwrap().0;
            (scope, clusters)
        })
        .collect();
    for changes in [false, true] {
        let mut state = Lists::begin(listings.clone(), now());
        let mut terminal = terminal();
        let ours = bench.time(|| {
            state.next(changes);
            draw(&mut terminal, &mut state.state);
        });
        let naive = bench.time(|| {
            state.next(changes);
            draw_all_rows(&mut terminal, &state.state);
        });
        let kind = if changes { "a changed list" } else { "a list without changes" };
        line(&format!("{kind} and its frame, 10,000 clusters"), ours, Some(naive));
    }
}

fn keys(bench: &Bench) {
    let mut state = listed(10_000);
    let mut down = true;
    let time = bench.time(|| {
        press(&mut state, if down { KeyCode::Down } else { KeyCode::Up });
        down = !down;
    });
    line("a key that moves, 10,000 clusters", time, None);
    press(&mut state, KeyCode::Char('/'));
    let mut typed = false;
    let ours = bench.time(|| {
        press(&mut state, if typed { KeyCode::Backspace } else { KeyCode::Char('9') });
        typed = !typed;
    });
    // The naive way: concatenates and lowercases each row's text, and sorts the list by text.
    let entries: Vec<Cluster> = state.fleet.entries.values().map(|e| e.cluster.clone()).collect();
    let naive = bench.time(|| {
        let mut found: Vec<(String, ClusterId)> = entries
            .iter()
            .map(|cluster| (format!("{cluster:?}").to_lowercase(), cluster.id.clone()))
            .filter(|(text, _)| text.contains('9'))
            .collect();
        found.sort();
        black_box(found.len());
    });
    line("a keystroke in the filter, with sorting, 10,000", ours, Some(naive));
    press(&mut state, KeyCode::Esc);
    let time = bench.time(|| {
        state.view.outdated = true;
        refresh_rows(&mut state);
    });
    line("counting and sorting by attention, 10,000", time, None);
}

fn decoding(bench: &Bench) {
    let (scope, body) = listing(1_000);
    let ours = bench.time(|| {
        black_box(decode::list(&scope, body.as_bytes()).unwrap());
    });
    // The naive way: parses into a tree of values first.
    let naive = bench.time(|| {
        let tree: serde_json::Value = serde_json::from_slice(body.as_bytes()).unwrap();
        black_box(decode::list(&scope, tree.to_string().as_bytes()).unwrap());
    });
    let name = format!("decoding 1,000 clusters ({} KiB)", body.len() / 1024);
    line(&name, ours, Some(naive));
}

trait CycleTo: Iterator + Sized {
    /// Repeats the items until there are this many.
    fn cycle_to(self, count: usize) -> impl Iterator<Item = Self::Item>
    where
        Self::Item: Clone,
    {
        let items: Vec<_> = self.collect();
        items.into_iter().cycle().take(count)
    }
}

impl<I: Iterator> CycleTo for I {}

/// From process start to the first frame in a terminal, and to the first clusters.
fn first_frame(bench: &Bench) {
    let mut first = Vec::new();
    let mut listed = Vec::new();
    for _ in 0..if bench.quick { 1 } else { 15 } {
        let (frame, list) = start_once();
        first.push(frame);
        listed.push(list);
    }
    for (name, times) in [
        ("start of `skeys demo` to its first frame", first),
        ("… and to the first clusters", listed),
    ] {
        line(name, median(times), None);
    }
}

/// The binary in a separate terminal that only this bench reads.
struct InTerminal {
    child: Box<dyn portable_pty::Child + Send + Sync>,
    /// Screen content, and the number of bytes received.
    seen: Arc<Mutex<(vt100::Parser, usize)>>,
    writer: Arc<Mutex<Box<dyn std::io::Write + Send>>>,
    _master: Box<dyn portable_pty::MasterPty + Send>,
    _home: tempfile::TempDir,
}

impl InTerminal {
    fn start(arguments: &[&str], environment: &[(String, String)]) -> Self {
        use portable_pty::{CommandBuilder, PtySize, native_pty_system};
        let size = PtySize { rows: 40, cols: 140, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let home = tempfile::tempdir().unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_skeys"));
        command.args(arguments);
        command.env("HOME", home.path());
        command.env("TERM", "xterm-256color");
        command.env("LANG", "C.UTF-8");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = Arc::new(Mutex::new(pair.master.take_writer().unwrap()));
        let cells = |count| std::num::NonZeroU16::new(count).unwrap();
        let parser = vt100::Parser::new(cells(40), cells(140), 0);
        let seen = Arc::new(Mutex::new((parser, 0)));
        let (shared, answers) = (Arc::clone(&seen), Arc::clone(&writer));
        std::thread::spawn(move || {
            let mut buffer = [0; 8_192];
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                let read = buffer.get(..count).unwrap_or_default();
                // Every terminal answers this query; without an answer, skeys waits for the background until its
                // timeout.
                if read.windows(3).any(|bytes| bytes == b"\x1b[c") {
                    drop(answers.lock().unwrap().write_all(b"\x1b[?62c"));
                }
                let mut seen = shared.lock().unwrap();
                seen.0.process(buffer.get(..count).unwrap_or_default());
                seen.1 += count;
            }
        });
        Self { child, seen, writer, _master: pair.master, _home: home }
    }

    /// Presses a key and returns the number of bytes received for it.
    fn bytes_of(&mut self, key: &[u8]) -> usize {
        self.writer.lock().unwrap().write_all(key).unwrap();
        self.bytes_within(Duration::from_millis(600))
    }

    /// Number of bytes received within a time.
    fn bytes_within(&self, time: Duration) -> usize {
        let before = self.seen.lock().unwrap().1;
        std::thread::sleep(time);
        self.seen.lock().unwrap().1 - before
    }

    /// Reads until the screen shows a text.
    fn until(&self, text: &str) {
        while !self.seen.lock().unwrap().0.screen().contents().contains(text) {
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}

impl Drop for InTerminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn start_once() -> (Duration, Duration) {
    let start = Instant::now();
    let terminal = InTerminal::start(&["demo"], &[]);
    terminal.until("skeys");
    let frame = start.elapsed();
    terminal.until("32 clusters");
    (frame, start.elapsed())
}

/// Bytes sent to a 140x40 terminal for user actions (TTY-22), and while idle.
fn bytes(bench: &Bench) {
    let mut terminal = InTerminal::start(&["demo", "--speed", "1"], &[]);
    terminal.until("32 clusters");
    std::thread::sleep(Duration::from_secs(3));
    let show = |name: &str, count: usize| println!("{name:<52} {count:>10} B");
    let moves = if bench.quick { 1 } else { 10 };
    show(
        "bytes for a key that moves",
        median((0..moves).map(|_| terminal.bytes_of(b"j")).collect()),
    );
    show("… for opening a dialog, with what it covers faded", terminal.bytes_of(b"K"));
    terminal.bytes_of(b"\x1b");
    terminal.bytes_of(b"\r");
    show(
        "… for another tab",
        median([b"2", b"3", b"1"].map(|key| terminal.bytes_of(key)).to_vec()),
    );
    terminal.bytes_of(b"\x1b");
    let seconds = if bench.quick { 1 } else { 60 };
    let idle = terminal.bytes_within(Duration::from_secs(seconds));
    show(&format!("… for {seconds} s in which nobody does anything"), idle);
}

/// Memory and processor time of a dashboard with 1,000 idle clusters.
fn resting(bench: &Bench) {
    let cloud = Cloud::of(
        "regions = [\"eu01\"]\n[[projects]]\nid = \"p\"\nname = \"p\"\n[[projects.clusters]]\n\
         name = \"c\"\nrepeat = 1000\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n",
    );
    let terminal = InTerminal::start(&[], &cloud.exports);
    terminal.until("1000 clusters");
    let process = terminal.child.process_id().unwrap().to_string();
    let seconds = if bench.quick { 1 } else { 30 };
    std::thread::sleep(Duration::from_secs(2));
    let before = processor_time(&process);
    std::thread::sleep(Duration::from_secs(seconds));
    let used = processor_time(&process).zip(before).map(|(after, before)| after - before);
    if let (Some(resident), Some(used)) = (mebibytes(&process, "VmRSS"), used) {
        memory("resident memory, 1,000 clusters, one window", resident, None);
        println!(
            "{:<52} {:>10.2} %",
            format!("processor, resting for {seconds} s with one poll"),
            100.0 * used / seconds as f64
        );
    }
}
