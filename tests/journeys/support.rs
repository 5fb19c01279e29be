//! Drives the real event loop: keys, a screen, a manual clock, and the simulator.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use futures_util::Stream;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use skeys::testing::Clock;
use skeys::testing::cli::{
    ConfigSources, Dashboard, Flags, LocalSystem, Restarter, WatchedConfig, load, run_all,
};
use skeys::testing::domain::secret::Secret;
use skeys::testing::runtime::Console;
use skeys::testing::runtime::clipboard::ClipboardRoute;
use skeys::testing::runtime::log::{Log, LogBuffer};
use skeys::testing::runtime::loop_input::{LoopInput, LoopSender, channel};
use skeys::testing::runtime::perform::Performer;
use skeys::testing::runtime::terminal::Surface;
use skeys::testing::simulator::faults::Fault;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OnceCell, watch};
use tokio::task::JoinHandle;

/// The start time of all journeys.
pub fn start() -> Timestamp {
    "2026-11-24T14:00:00Z".parse().unwrap()
}

/// Reads an environment variable.
type Environment = dyn Fn(&str) -> Option<String> + Sync;

/// The log of all journeys, at the most verbose level.
static LOG: OnceCell<Log> = OnceCell::const_new();

fn log_file() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("journeys.log")
}

async fn start_log() -> LogBuffer {
    let start = async || {
        drop(std::fs::remove_file(log_file()));
        let level = tracing::level_filters::LevelFilter::TRACE;
        Log::start(&Clock::machine(), level, Some(log_file())).await.unwrap()
    };
    LOG.get_or_init(start).await.buffer.clone()
}

/// Everything logged so far.
pub async fn logged() -> String {
    let mark = uuid::Uuid::new_v4().to_string();
    tracing::info!(target: "skeys::journeys", mark);
    for _ in 0..2_000 {
        let old = std::fs::read_to_string(log_file().with_extension("log.1")).unwrap_or_default();
        let text = std::fs::read_to_string(log_file()).unwrap_or_default();
        if text.contains(&mark) {
            return old + &text;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the log is not written");
}

/// A running journey.
pub struct Journey {
    pub clock: Clock,
    pub simulator: Simulator,
    /// The simulator of the profile `night`.
    pub night: Option<Simulator>,
    pub home: tempfile::TempDir,
    pub sent: Arc<Mutex<Vec<String>>>,
    waits: Arc<Mutex<Option<Duration>>>,
    size: Arc<Mutex<(u16, u16)>>,
    /// Whether drawing on the terminal fails.
    pub is_broken: Arc<AtomicBool>,
    /// Belongs to the current dashboard.
    performer: Arc<Mutex<Performer>>,
    keyboard: Keyboard,
    screen: watch::Receiver<Buffer>,
    incoming: LoopSender,
    task: Option<JoinHandle<io::Result<Vec<Secret>>>>,
}

/// Initial conditions of a journey.
pub struct Setting {
    pub scene: String,
    pub size: (u16, u16),
    pub flags: Flags,
    /// Environment variables besides those for the simulator. Journeys that are not about nodes observe no cluster, so
    /// that they can count their requests.
    pub variables: BTreeMap<&'static str, String>,
    pub projects: Option<usize>,
    /// Whether it authenticates with a service-account key.
    pub has_key: bool,
    /// How far this machine's clock is ahead of SKE's, in seconds.
    pub ahead: i64,
    pub ways: Vec<ClipboardRoute>,
    pub prepare: Box<dyn Fn(&Path)>,
    /// Faults from the first request on.
    pub faults: Vec<Fault>,
    /// The scene of a second simulator. The configuration file then points to both, instead of the environment: to the
    /// second one in the profile `night`.
    pub night: Option<String>,
    /// Whether a changed configuration is noticed automatically.
    pub notices_changes: bool,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            scene: SMALL.to_owned(),
            size: (120, 40),
            flags: Flags::default(),
            variables: BTreeMap::new(),
            projects: None,
            has_key: false,
            ahead: 0,
            ways: vec![ClipboardRoute::Terminal],
            prepare: Box::new(|_home| {}),
            faults: Vec::new(),
            night: None,
            notices_changes: true,
        }
    }
}

impl Setting {
    /// Sets an environment variable; `~` is replaced by the journey's home.
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.variables.insert(name, value.to_owned());
        self
    }

    /// Authenticates with the service-account key `key.json` in the home folder instead of the simulator's token.
    pub fn with_key(self) -> Self {
        Self { has_key: true, ..self }
    }

    /// The user's environment for this simulator.
    fn environment(&self, simulator: &Simulator, home: &Path) -> BTreeMap<&'static str, String> {
        let projects = simulator.projects().into_iter().map(|(id, _name)| id);
        let projects: Vec<String> = projects.take(self.projects.unwrap_or(usize::MAX)).collect();
        let fixed = [
            ("LANG", "C.UTF-8"),
            ("SKEYS_REGIONS", "eu01"),
            ("SKEYS_POLL_CONCURRENCY", "4"),
            ("SKEYS_KUBERNETES_WATCH", "never"),
            ("SKEYS_NOTIFY_DESKTOP", "false"),
        ];
        let mut variables: BTreeMap<_, _> = simulator.exports().into_iter().collect();
        variables.extend(fixed.map(|(name, value)| (name, value.to_owned())));
        variables.insert("SKEYS_PROJECTS", projects.join(","));
        if self.has_key {
            let file = home.join("key.json");
            std::fs::write(&file, simulator.service_account_key().unwrap()).unwrap();
            let path = file.display().to_string();
            variables.insert("STACKIT_SERVICE_ACCOUNT_KEY_PATH", path);
            variables.remove("STACKIT_ACCESS_TOKEN");
        }
        let home = home.to_str().unwrap();
        let own = self.variables.iter().map(|(name, value)| (*name, value.replace('~', home)));
        variables.extend(own);
        variables
    }
}

/// Id of the project in [`SMALL`].
pub const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";

/// One project, a cluster in every state that matters.
pub const SMALL: &str = include_str!("small.toml");

impl Journey {
    /// Starts with the defaults.
    pub async fn begin() -> Self {
        Self::with(Setting::default()).await
    }

    /// Starts with a setting: the program as composed by `main`, except for the machine below it.
    pub async fn with(setting: Setting) -> Self {
        skeys::testing::clients::install_crypto();
        let log = start_log().await;
        let clock = Clock::manual(start());
        let scene = Scene::parse(&setting.scene, "small.toml").unwrap();
        let options =
            SimulatorOptions { seed: 7, speed: 1.0, scene, listen: "127.0.0.1:0".parse().unwrap() };
        let simulator = serve(options, clock.clone()).await.unwrap();
        let clock = clock.set_ahead(jiff::SignedDuration::from_secs(setting.ahead));
        let home = tempfile::tempdir().unwrap();
        (setting.prepare)(home.path());
        let mut variables = setting.environment(&simulator, home.path());
        let night = match &setting.night {
            Some(scene) => {
                let scene = Scene::parse(scene, "night.toml").unwrap();
                let listen = "127.0.0.1:0".parse().unwrap();
                let options = SimulatorOptions { seed: 8, speed: 1.0, scene, listen };
                let night = serve(options, clock.clone()).await.unwrap();
                let sections = section("", &simulator, home.path())
                    + &section("profiles.night.", &night, home.path());
                std::fs::write(home.path().join("config.toml"), sections).unwrap();
                let own = &setting.variables;
                variables.retain(|name, _| !name.starts_with("STACKIT_") || own.contains_key(name));
                variables.insert("SKEYS_PROJECTS", String::new());
                Some(night)
            }
            None => None,
        };
        setting.faults.into_iter().for_each(|fault| simulator.inject_fault(fault));
        // Lives as long as the program: later dashboards and the configuration watcher read it, too.
        let environment: &'static Environment =
            Box::leak(Box::new(move |name: &str| variables.get(name).cloned()));
        let sources = ConfigSources {
            environment,
            default_file: Some(home.path().join("config.toml")),
            home: Some(home.path().to_owned()),
        };
        let system = LocalSystem {
            clock: clock.clone(),
            zone: TimeZone::UTC,
            clipboard: setting.ways,
            state_folder: Some(home.path().join("state")),
            export_folder: home.path().to_owned(),
            log,
        };
        let flags = setting.flags;
        let loaded = load(&flags, &sources).unwrap();
        let mut dashboard = Dashboard::new(&loaded, &sources, system.clone()).await.unwrap();
        let watched = WatchedConfig::new(flags.clone(), sources.clone(), &loaded);
        dashboard.watched = watched.filter(|_| setting.notices_changes);
        let performer = Arc::new(Mutex::new(dashboard.performer.clone()));
        let (incoming, signals) = channel();

        let (publish, screen) = watch::channel(Buffer::empty(Rect::default()));
        let sent = Arc::new(Mutex::new(Vec::new()));
        let waits = Arc::new(Mutex::new(Some(Duration::ZERO)));
        let size = Arc::new(Mutex::new(setting.size));
        let is_broken = Arc::<AtomicBool>::default();
        let mut surface = TestSurface {
            terminal: Terminal::new(TestBackend::new(setting.size.0, setting.size.1)).unwrap(),
            publish,
            sent: Arc::clone(&sent),
            waits: Arc::clone(&waits),
            size: Arc::clone(&size),
            is_broken: Arc::clone(&is_broken),
        };
        let keyboard = Keyboard::default();
        let console = Console { keys: keyboard.clone(), signals, left: VecDeque::new() };
        let current = Arc::clone(&performer);
        let task = tokio::spawn(async move {
            let began = move |performer: &Performer| *current.lock().unwrap() = performer.clone();
            let restarter = Restarter::new(flags, sources, system);
            let run = run_all(dashboard, Some(&restarter), &mut surface, console, began);
            let (ended, _) = Box::pin(run).await?;
            Ok(ended.print.into_iter().map(|kubeconfig| kubeconfig.text).collect())
        });
        let mut journey = Self {
            clock,
            simulator,
            night,
            home,
            sent,
            waits,
            size,
            is_broken,
            performer,
            keyboard,
            screen,
            incoming,
            task: Some(task),
        };
        journey.settle().await;
        journey
    }

    /// Presses keys: plain characters, and names in angle brackets ("R", "<tab><enter>").
    pub async fn press(&mut self, keys: &str) -> usize {
        let keys = parse(keys);
        let presses = keys.len();
        for key in keys {
            // Longer than the guard time of a dialog.
            self.clock.turn(Duration::from_millis(500));
            self.settle().await;
            self.keyboard.send(Event::Key(key));
            self.settle().await;
        }
        presses
    }

    /// Sends keys as fast as a held-down key, without time passing.
    pub async fn hold(&mut self, keys: &str) {
        for key in parse(keys) {
            self.keyboard.send(Event::Key(key));
        }
        self.settle().await;
    }

    /// Pastes a text.
    pub async fn paste(&mut self, text: &str) {
        self.keyboard.send(Event::Paste(text.to_owned()));
        self.settle().await;
    }

    /// Sends an arbitrary terminal event.
    pub async fn event(&mut self, event: Event) {
        self.keyboard.send(event);
        self.settle().await;
    }

    /// Presses keys without waiting for the effect.
    pub fn strike(&self, keys: &str) {
        for key in parse(keys) {
            self.keyboard.send(Event::Key(key));
        }
    }

    /// Presses a key while no time passes and no response arrives, and waits only until the loop has drawn the effect.
    pub async fn react(&mut self, key: &str) {
        self.strike(key);
        while !self.keyboard.is_idle() {
            tokio::task::yield_now().await;
        }
    }

    /// Advances virtual time in tenths of a second while something waits for it, until a text is shown.
    pub async fn turn_until(&mut self, text: &str, tenths: u32) {
        for _ in 0..tenths {
            if self.words().contains(text) {
                break;
            }
            self.clock.turn(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(3)).await;
        }
        self.says(text);
    }

    /// Resizes the terminal; the program notices by an event, or when it draws.
    pub fn resize(&self, columns: u16, rows: u16) {
        *self.size.lock().unwrap() = (columns, rows);
    }

    /// Advances virtual time second by second, so that all waits in between complete.
    pub async fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.turn(Duration::from_secs(1));
            self.settle().await;
        }
    }

    /// Advances virtual time until the screen shows a text; panics after `limit` seconds.
    pub async fn until(&mut self, text: &str, limit: u64) {
        for _ in 0..limit {
            if self.screen().contains(text) {
                return;
            }
            self.clock.turn(Duration::from_secs(1));
            self.settle().await;
        }
        assert!(self.screen().contains(text), "not within {limit}s: {text}\n{}", self.screen());
    }

    /// Advances virtual time in larger steps until the screen shows a text.
    pub async fn until_slowly(&mut self, text: &str, step: u64, steps: u64) {
        for _ in 0..steps {
            if self.screen().contains(text) {
                return;
            }
            self.clock.turn(Duration::from_secs(step));
            self.settle().await;
        }
        assert!(
            self.screen().contains(text),
            "not within {steps} steps: {text}\n{}",
            self.screen()
        );
    }

    /// Waits until the next dashboard shows a text, while no virtual time passes.
    pub async fn followed_by(&mut self, text: &str) {
        self.followed_when(|journey| journey.screen().contains(text)).await;
        self.shows(text);
    }

    /// Waits until a condition on the next dashboard is met, while no virtual time passes.
    pub async fn followed_when(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..4_000 {
            if holds(self) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.settle().await;
        assert!(holds(self), "it does not follow\n{}", self.screen());
    }

    /// The screen as text.
    pub fn screen(&self) -> String {
        let buffer = self.screen.borrow();
        let width = usize::from(buffer.area.width);
        buffer
            .content
            .chunks(width.max(1))
            .map(|row| row.iter().map(Cell::symbol).collect::<String>() + "\n")
            .collect()
    }

    /// The screen with its colours.
    pub fn buffer(&self) -> Buffer {
        self.screen.borrow().clone()
    }

    /// Panics unless the screen shows a text.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(
            self.screen().contains(text),
            "the screen does not show: {text}\n{}",
            self.screen()
        );
    }

    /// The text of the dialog, if open, otherwise of the screen: without frames and line breaks.
    pub fn words(&self) -> String {
        let screen = self.screen();
        let in_dialog = screen.contains('┃');
        let lines = screen.lines().filter_map(|line| {
            if !in_dialog {
                return Some(line);
            }
            let (_, rest) = line.split_once('┃')?;
            rest.rsplit_once('┃').map(|(text, _)| text)
        });
        let text = lines.collect::<Vec<_>>().join(" ");
        text.replace(['│', '╭', '╮', '╰', '╯', '─'], " ")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Panics unless the running text of the dialog, or of the screen, contains a text.
    #[track_caller]
    pub fn says(&self, text: &str) {
        assert!(self.words().contains(text), "nothing says: {text}\n{}", self.screen());
    }

    /// Advances virtual time until the running text contains a text.
    pub async fn until_text(&mut self, text: &str, limit: u64) {
        for _ in 0..limit {
            if self.words().contains(text) {
                return;
            }
            self.clock.turn(Duration::from_secs(1));
            self.settle().await;
        }
        self.says(text);
    }

    /// Panics if the screen shows a text.
    #[track_caller]
    pub fn hides(&self, text: &str) {
        assert!(!self.screen().contains(text), "the screen shows: {text}\n{}", self.screen());
    }

    /// Number of requests to the simulator with this method and path suffix.
    pub fn calls(&self, method: &str, path_end: &str) -> usize {
        self.simulator
            .request_log()
            .iter()
            .filter(|call| call.method == method && call.path.ends_with(path_end))
            .count()
    }

    /// A file below the journey's home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file's text.
    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Waits until nothing is in progress that could change the screen without time passing.
    pub async fn settle(&mut self) {
        let (mut quiet, mut raced, mut patience) = (0, 0, 0);
        for _ in 0..20_000 {
            rest().await;
            let racing = self.clock.racing();
            patience = if racing == raced { patience + 1 } else { 0 };
            raced = racing;
            // Observers have no counted task, but their requests have timeouts. A request unanswered for this long is
            // held back, or its server hangs, and only time ends it.
            let asks = racing > 0 && patience < HELD && is_alone();
            if asks && patience > 10 {
                // The system may delay small packets.
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let night = self.night.as_ref().map_or(0, Simulator::delayed_requests);
            let busy = self.in_flight() > self.simulator.delayed_requests() + night;
            let told = self.simulator.lagging_watches() == 0;
            let waits =
                self.waits.lock().unwrap().is_none_or(|until| until > self.clock.monotonic());
            if asks || busy || !waits || !told || !self.keyboard.is_idle() {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet >= 2 || self.task.as_ref().is_none_or(JoinHandle::is_finished) {
                return;
            }
        }
        panic!(
            "nothing settles: {} tasks, {} held, {} watches lag, waits until {:?}, it is {:?}, keyboard idle {}\n{}",
            self.in_flight(),
            self.simulator.delayed_requests(),
            self.simulator.lagging_watches(),
            self.waits.lock().unwrap(),
            self.clock.monotonic(),
            self.keyboard.is_idle(),
            self.screen()
        );
    }

    fn in_flight(&self) -> usize {
        self.performer.lock().unwrap().in_flight()
    }

    /// Injects a fault.
    pub fn order(&self, fault: Fault) {
        self.simulator.inject_fault(fault);
    }

    /// Injects a fault that skips some matching requests first.
    pub fn order_after(&self, requests: u32, mut fault: Fault) {
        fault.after = requests;
        self.simulator.inject_fault(fault);
    }

    /// The row under the cursor of the fleet.
    pub fn cursor_line(&self) -> String {
        let screen = self.screen();
        let line =
            screen.lines().find(|line| line.contains('▌')).unwrap_or_else(|| panic!("{screen}"));
        line.split_whitespace().take(6).collect::<Vec<_>>().join(" ")
    }

    /// Sends the message of a termination signal.
    pub fn terminate(&self) {
        let message = skeys::testing::app::message::Message::Terminated;
        self.incoming.try_send(LoopInput::Message(message)).unwrap();
    }

    /// Floods the loop with messages until the program ends.
    pub fn flood(&self) {
        let incoming = self.incoming.clone();
        let message = || LoopInput::Message(skeys::testing::app::message::Message::Ticked);
        tokio::spawn(async move { while incoming.send(message()).await.is_ok() {} });
    }

    /// Waits for the end and returns what would be printed.
    pub async fn end(&mut self) -> Vec<Secret> {
        self.ended().await.unwrap()
    }

    /// Waits for the end, possibly caused by the terminal.
    pub async fn ended(&mut self) -> io::Result<Vec<Secret>> {
        let task = self.task.take().expect("ended once");
        tokio::time::timeout(Duration::from_secs(20), task)
            .await
            .unwrap_or_else(|_| panic!("the program does not end\n{}", self.screen()))
            .unwrap()
    }
}

/// A section of the configuration for a simulator.
fn section(prefix: &str, simulator: &Simulator, home: &Path) -> String {
    let exports: BTreeMap<_, _> = simulator.exports().into_iter().collect();
    let file = home.join(format!("{prefix}token"));
    std::fs::write(&file, &exports["STACKIT_ACCESS_TOKEN"]).unwrap();
    let base = &exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
    format!(
        "[{prefix}auth]\ntoken_file = \"{}\"\n[{prefix}endpoints]\nske = \"{base}\"\n\
         resource_manager = \"{base}\"\nauthorization = \"{base}\"\n",
        file.display()
    )
}

/// Rests of 1 ms without progress after which a request counts as held: longer than any system delays a packet.
const HELD: u32 = 80;

/// Whether program, simulator and test share one thread.
fn is_alone() -> bool {
    Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread
}

/// Yields to other tasks. In a single thread every yield advances everything that is ready and every received packet by
/// one step, so a number of yields suffices, regardless of the machine's load.
async fn rest() {
    if is_alone() {
        for _ in 0..40 {
            tokio::task::yield_now().await;
        }
    } else {
        tokio::time::sleep(Duration::from_micros(300)).await;
    }
}

struct TestSurface {
    terminal: Terminal<TestBackend>,
    publish: watch::Sender<Buffer>,
    sent: Arc<Mutex<Vec<String>>>,
    waits: Arc<Mutex<Option<Duration>>>,
    size: Arc<Mutex<(u16, u16)>>,
    is_broken: Arc<AtomicBool>,
}

impl Surface for TestSurface {
    type Backend = TestBackend;

    fn terminal(&mut self) -> &mut Terminal<TestBackend> {
        let (columns, rows) = *self.size.lock().unwrap();
        self.terminal.backend_mut().resize(columns, rows);
        &mut self.terminal
    }

    fn begin_frame(&mut self) -> io::Result<()> {
        if self.is_broken.load(Ordering::SeqCst) {
            return Err(io::Error::other("the terminal is gone"));
        }
        Ok(())
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.publish.send_replace(self.terminal.backend().buffer().clone());
        Ok(())
    }

    fn send(&mut self, sequence: &str) -> io::Result<()> {
        self.sent.lock().unwrap().push(sequence.to_owned());
        Ok(())
    }

    fn mouse(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    fn suspend(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn lend(&mut self, _: tokio::process::Command) -> io::Result<io::Result<Option<i32>>> {
        Ok(Err(io::Error::other("there is no terminal")))
    }

    fn wait_until(&mut self, until: Option<Duration>) {
        *self.waits.lock().unwrap() = until;
    }
}

/// Keys sent to the loop. Tracks whether the loop has processed them and waits again.
#[derive(Clone, Default)]
struct Keyboard(Arc<Keys>);

#[derive(Default)]
struct Keys {
    queue: Mutex<(VecDeque<Event>, Option<Waker>)>,
    // Polls that found nothing since the last event: the first one while draining, the second one when the loop waits
    // again.
    empty_polls: AtomicUsize,
}

impl Keyboard {
    fn send(&self, event: Event) {
        let mut queue = self.0.queue.lock().unwrap();
        self.0.empty_polls.store(0, Ordering::SeqCst);
        queue.0.push_back(event);
        if let Some(waker) = queue.1.take() {
            waker.wake();
        }
    }

    fn is_idle(&self) -> bool {
        self.0.queue.lock().unwrap().0.is_empty() && self.0.empty_polls.load(Ordering::SeqCst) >= 2
    }
}

impl Stream for Keyboard {
    type Item = io::Result<Event>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut queue = self.0.queue.lock().unwrap();
        if let Some(event) = queue.0.pop_front() {
            self.0.empty_polls.store(0, Ordering::SeqCst);
            return Poll::Ready(Some(Ok(event)));
        }
        self.0.empty_polls.fetch_add(1, Ordering::SeqCst);
        queue.1 = Some(context.waker().clone());
        Poll::Pending
    }
}

fn parse(keys: &str) -> Vec<KeyEvent> {
    let mut found = Vec::new();
    let mut rest = keys;
    while let Some(c) = rest.chars().next() {
        if let Some((name, after)) = rest.strip_prefix('<').and_then(|rest| rest.split_once('>')) {
            let (code, modifiers) = match name {
                "enter" => (KeyCode::Enter, KeyModifiers::NONE),
                "esc" => (KeyCode::Esc, KeyModifiers::NONE),
                "tab" => (KeyCode::Tab, KeyModifiers::NONE),
                "backtab" => (KeyCode::BackTab, KeyModifiers::SHIFT),
                "up" => (KeyCode::Up, KeyModifiers::NONE),
                "down" => (KeyCode::Down, KeyModifiers::NONE),
                "left" => (KeyCode::Left, KeyModifiers::NONE),
                "right" => (KeyCode::Right, KeyModifiers::NONE),
                "home" => (KeyCode::Home, KeyModifiers::NONE),
                "end" => (KeyCode::End, KeyModifiers::NONE),
                "delete" => (KeyCode::Delete, KeyModifiers::NONE),
                "backspace" => (KeyCode::Backspace, KeyModifiers::NONE),
                "space" => (KeyCode::Char(' '), KeyModifiers::NONE),
                other => match other.strip_prefix("ctrl-").and_then(|rest| rest.chars().next()) {
                    Some(c) => (KeyCode::Char(c), KeyModifiers::CONTROL),
                    None => panic!("no key is called {other}"),
                },
            };
            found.push(KeyEvent::new(code, modifiers));
            rest = after;
        } else {
            let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
            found.push(KeyEvent::new(KeyCode::Char(c), shift));
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}
