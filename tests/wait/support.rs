//! A running wait, its simulator, and a manual clock.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use skeys::testing::Clock;
use skeys::testing::app::settings::{Settings, ThemeChoice};
use skeys::testing::cli::wait::printer::{BarTerminal, Printer, StatusStyle};
use skeys::testing::cli::wait::{IdleState, Services, run};
use skeys::testing::cli::{ConfigSources, Flags, Goal, WaitFor, load};
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::domain::rotation::Step;
use skeys::testing::runtime::notify::Notifier;
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};
use skeys::testing::ui::theme::Theme;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// Id of the project with most clusters.
pub const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";
/// Id of another project.
pub const OTHER: &str = "6a1c0e21-7a1e-4c52-9d5e-5f1c3d9a2b7f";

/// The start time of all tests.
pub fn start() -> Timestamp {
    "2026-11-24T14:00:00Z".parse().unwrap()
}

/// Rounds of [`RunningWait::settle`] after which a pending request counts as held back, and only time ends it.
const HELD: u32 = 80;

/// The scene of the tests.
pub const SCENE: &str = include_str!("scene.toml");

/// A cluster of the project.
pub fn id(name: &str) -> ClusterId {
    ClusterId::new(PROJECT, "eu01", name)
}

/// The cloud of a test.
pub struct Cloud {
    pub clock: Clock,
    pub simulator: Simulator,
}

impl Cloud {
    /// A cloud whose processes run at normal speed.
    pub async fn begin() -> Self {
        Self::with(SCENE, 1.0).await
    }

    /// A cloud with another scene or speed.
    pub async fn with(scene: &str, speed: f64) -> Self {
        skeys::testing::clients::install_crypto();
        let clock = Clock::manual(start());
        let scene = Scene::parse(scene, "scene.toml").unwrap();
        let options =
            SimulatorOptions { seed: 7, speed, scene, listen: "127.0.0.1:0".parse().unwrap() };
        let simulator = serve(options, clock.clone()).await.unwrap();
        Self { clock, simulator }
    }

    /// The program's components for a wait, as composed by `main`.
    fn prepare(
        &self,
        command: &WaitCommand<'_>,
    ) -> impl Future<Output = (WaitFor, Services)> + use<> {
        let mut variables: BTreeMap<_, _> = self.simulator.exports().into_iter().collect();
        let all = || self.simulator.projects().into_iter().map(|(id, _name)| id).collect();
        let projects: Vec<String> = command.projects.clone().unwrap_or_else(all);
        if projects.is_empty() {
            variables.remove("STACKIT_PROJECT_ID");
        }
        variables.insert("SKEYS_PROJECTS", projects.join(","));
        variables.insert("SKEYS_REGIONS", command.regions.join(","));
        variables.extend(command.variable.map(|(name, value)| (name, value.to_owned())));
        if matches!(command.sign_in, SignIn::Key) {
            variables.remove("STACKIT_ACCESS_TOKEN");
            let key = self.simulator.service_account_key().unwrap();
            variables.insert("STACKIT_SERVICE_ACCOUNT_KEY", key);
        }
        let wanted = WaitFor {
            cluster: command.cluster.parse().unwrap(),
            goal: command.goal,
            timeout: command.timeout.map(Duration::from_secs),
        };
        let (clock, state) = (self.clock.clone(), command.state.clone());
        async move {
            let environment = |name: &str| variables.get(name).cloned();
            let sources = ConfigSources {
                environment: &environment,
                default_file: Some("/no/such/file".into()),
                home: None,
            };
            let loaded = load(&Flags::default(), &sources).unwrap();
            let machine = (clock, state);
            let services = Services::open(&loaded, &sources, machine).await;
            (wanted, services.unwrap())
        }
    }

    /// Starts or completes a rotation, like another client.
    pub async fn order(&self, name: &str, step: Step) {
        let (_, services) = self.prepare(&command(name, Goal::Prepared)).await;
        services.session.ske.rotate(&id(name), step).await.unwrap();
    }

    /// The same without a request.
    pub fn step(&self, name: &str, operation: ClusterOperation) {
        let now = self.clock.now();
        self.simulator.with_cloud(|cloud| cloud.act(&id(name), operation, now).unwrap());
    }

    /// Sets the phase of a cluster.
    pub fn put(&self, name: &str, phase: &str) {
        self.simulator.with_cloud(|cloud| {
            phase.clone_into(&mut cloud.cluster_mut(&id(name)).unwrap().phase);
        });
    }

    /// Makes SKE answer reads with a status until cleared.
    pub fn out(&self, status: u16) {
        let effect = FaultEffect::Answer {
            status,
            body: "upstream connect error".to_owned(),
            retry_after: None,
            content_type: "text/plain".to_owned(),
        };
        self.simulator.inject_fault(Fault::new("GET", "/regions/", None, effect));
    }

    /// Number of requests with this method so far.
    pub fn calls(&self, method: &str) -> usize {
        self.simulator.request_log().iter().filter(|call| call.method == method).count()
    }

    /// Starts waiting.
    pub fn wait(&self, command: WaitCommand<'_>) -> RunningWait {
        let (out, err) = (Stream::default(), Stream::default());
        let (rests, rest) = watch::channel(IdleState { until: Duration::ZERO, asking: true });
        let prepared = self.prepare(&command);
        let form = match command.columns {
            None => StatusStyle::Lines,
            Some(columns) => StatusStyle::Bar(BarTerminal {
                theme: Theme::new(ThemeChoice::Mono, None, &Settings::defaults()),
                notifier: Notifier::of(|name| (name == "WT_SESSION").then(|| "1".into()), false),
                columns: Box::new(move || columns),
            }),
        };
        let mut printer = Printer::new(Box::new(out.clone()), Box::new(err.clone()), form, false);
        let (signal, signalled) = oneshot::channel();
        let task = tokio::spawn(async move {
            let stop = async {
                match signalled.await {
                    Ok(number) => number,
                    Err(_) => std::future::pending().await,
                }
            };
            let (wanted, services) = prepared.await;
            let began = services.session.clock.monotonic();
            run((wanted, began), Services { rests, ..services }, &mut printer, stop).await
        });
        RunningWait {
            clock: self.clock.clone(),
            out,
            err,
            stride: 1,
            rest,
            signal: Some(signal),
            task,
        }
    }
}

/// How a wait authenticates.
pub enum SignIn {
    /// With the simulator's token.
    Given,
    /// With a service-account key.
    Key,
}

/// Arguments of the command line.
pub struct WaitCommand<'a> {
    pub cluster: &'a str,
    pub goal: Goal,
    pub timeout: Option<u64>,
    pub projects: Option<Vec<String>>,
    pub regions: Vec<&'a str>,
    pub variable: Option<(&'static str, &'static str)>,
    pub sign_in: SignIn,
    /// The folder of the journal, if there is one.
    pub state: Option<PathBuf>,
    /// Width of the terminal, if there is one.
    pub columns: Option<usize>,
}

/// `skeys wait CLUSTER --for …` without observing nodes, so that requests can be counted.
pub fn command(cluster: &str, goal: Goal) -> WaitCommand<'_> {
    WaitCommand {
        cluster,
        goal,
        timeout: None,
        projects: None,
        regions: vec!["eu01"],
        variable: Some(("SKEYS_KUBERNETES_WATCH", "never")),
        sign_in: SignIn::Given,
        state: None,
        columns: None,
    }
}

/// Output written to a stream.
#[derive(Clone, Default)]
pub struct Stream {
    bytes: Arc<Mutex<Vec<u8>>>,
    closed: Arc<Mutex<bool>>,
}

impl Stream {
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    pub fn lines(&self) -> Vec<String> {
        self.text().lines().map(str::to_owned).collect()
    }

    /// Simulates that its reader is gone.
    pub fn close(&self) {
        *self.closed.lock().unwrap() = true;
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if *self.closed.lock().unwrap() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.bytes.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A running wait.
pub struct RunningWait {
    clock: Clock,
    pub out: Stream,
    pub err: Stream,
    /// Seconds per step of virtual time.
    pub stride: u64,
    rest: watch::Receiver<IdleState>,
    signal: Option<oneshot::Sender<u8>>,
    task: JoinHandle<u8>,
}

impl RunningWait {
    /// Waits until it is idle: nothing is in progress that needs no time, except for delayed requests.
    pub async fn settle(&self, cloud: &Cloud) {
        let (mut quiet, mut raced, mut patience) = (0, 0, 0);
        for _ in 0..20_000 {
            tokio::time::sleep(Duration::from_micros(300)).await;
            if self.task.is_finished() {
                return;
            }
            let rest = *self.rest.borrow();
            let asks = rest.asking && cloud.simulator.delayed_requests() == 0;
            // Requests of observers have timeouts; one that is unanswered for this long is held back.
            let racing = self.clock.racing();
            patience = if racing == raced { patience + 1 } else { 0 };
            raced = racing;
            let looks = racing > 0 && patience < HELD;
            if asks
                || looks
                || rest.until <= self.clock.monotonic()
                || cloud.simulator.lagging_watches() > 0
            {
                quiet = 0;
            } else {
                quiet += 1;
            }
            if quiet >= 3 {
                return;
            }
        }
        panic!("it does not rest: {:?}\n{}", *self.rest.borrow(), self.all());
    }

    /// Advances virtual time, step by step.
    pub async fn pass(&self, cloud: &Cloud, seconds: u64) {
        self.settle(cloud).await;
        let mut left = seconds;
        while left > 0 {
            let step = left.min(self.stride);
            self.clock.turn(Duration::from_secs(step));
            self.settle(cloud).await;
            left -= step;
        }
    }

    /// Advances virtual time until standard output contains a text.
    pub async fn until(&self, cloud: &Cloud, text: &str, limit: u64) {
        self.settle(cloud).await;
        let mut left = limit;
        while left > 0 && !self.out.text().contains(text) && !self.task.is_finished() {
            let step = left.min(self.stride);
            self.pass(cloud, step).await;
            left -= step;
        }
        assert!(self.out.text().contains(text), "not within {limit}s: {text}\n{}", self.all());
    }

    /// Advances virtual time until it has ended; returns its status.
    pub async fn end(&mut self, cloud: &Cloud, limit: u64) -> u8 {
        self.settle(cloud).await;
        let mut left = limit;
        while left > 0 && !self.task.is_finished() {
            let step = left.min(self.stride);
            self.pass(cloud, step).await;
            left -= step;
        }
        // The remaining work needs real time, not virtual time.
        let ended = tokio::time::timeout(Duration::from_secs(20), &mut self.task).await;
        let Ok(status) = ended else {
            panic!("it does not end within {limit}s\n{}", self.all());
        };
        status.unwrap()
    }

    /// Whether it has ended.
    pub fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Sends a signal.
    pub fn signal(&mut self, number: u8) {
        self.signal.take().unwrap().send(number).unwrap();
    }

    /// Ends it like SIGKILL.
    pub fn kill(&self) {
        self.task.abort();
    }

    /// Everything that was printed.
    pub fn all(&self) -> String {
        format!("--- out\n{}--- err\n{}", self.out.text(), self.err.text())
    }
}
