//! Cost of observing a large cluster: 1,000 nodes, 20,000 pods, 500 budgets, each beside the naive way.
//!
//! `cargo bench --bench nodes` measures; with `-- --quick` it only shows that everything runs. The cluster's API is the
//! simulator's, in a separate process; the first list is observed from another one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench measures real time, prints, and ends when something is wrong"
)]

mod measure;

use std::fmt::Debug;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossterm::event::KeyCode;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::storage::v1::VolumeAttachment;
use kube::api::{Api, ListParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::PartialObjectMeta;
use kube::{Client, Resource};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Constraint;
use ratatui::widgets::{Row, Table};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use skeys::testing::Clock;
use skeys::testing::app::message::{Answer, Message};
use skeys::testing::app::now::Now;
use skeys::testing::app::state::State;
use skeys::testing::app::update::{refresh_rows, update};
use skeys::testing::clients::auth::{TokenSource, access_token};
use skeys::testing::clients::http::Http;
use skeys::testing::clients::kubernetes::resources::{self, WatchEvent, WatchedResource};
use skeys::testing::clients::kubernetes::store::{ListStatus, Store};
use skeys::testing::clients::kubernetes::{ObserverTarget, decode, observe};
use skeys::testing::clients::ske::SkeClient;
use skeys::testing::domain::cluster::{Cluster, ClusterId};
use skeys::testing::domain::roll::Roll;
use skeys::testing::domain::roll::tracker::RollTracker;
use skeys::testing::domain::rotation::Phase;
use skeys::testing::domain::secret::Secret;
use skeys::testing::domain::snapshot::{ClusterSnapshot, ObserverEvent, Templates};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::measure::{
    Bench, Cloud, draw, line, machine, mebibytes, median, memory, press, processor_time, terminal,
};

/// Argument that makes this program the observing process; the method follows.
const OBSERVE: &str = "--observe";
/// The project of the clusters.
const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == OBSERVE) {
        return print_usage(arguments.get(at + 1).unwrap());
    }
    let bench = Bench::begin();
    let cloud = Cloud::of(&scene());
    first_list(&bench, &cloud);
    let runtime = Runtime::new().unwrap();
    let (small, large) = runtime.block_on(async {
        (Full::of(&cloud.exports, "small").await, Full::of(&cloud.exports, "large").await)
    });
    drop(cloud);
    let now = Clock::machine().now();
    events(&bench, &large, now);
    roll(&bench, &large, now);
    frame(&bench, "10 nodes", &small, now);
    frame(&bench, "1,000 nodes", &large, now);
    rotation_frame(&bench, large, now);
}

/// Two clusters in the middle of a roll, of 10 and of 1,000 nodes, with 20 pods on each node.
fn scene() -> String {
    let cluster = |name: &str, nodes: usize, surge: usize| {
        format!(
            "[[projects.clusters]]\nname = \"{name}\"\nphase = \"PREPARING\"\ninitiated_ago = \"2h\"\n\
             completed_ago = \"120d\"\nprogress = 0.5\nusual_workloads = false\n\
             pools = [{{ name = \"web\", nodes = {nodes}, surge = {surge} }}]\n\
             [[projects.clusters.workloads]]\nnamespace = \"load\"\nname = \"app\"\nrepeat = {}\n\
             replicas = 34\ncpu = 50\nmax_unavailable = 1\n",
            nodes / 2
        )
    };
    format!(
        "regions = [\"eu01\"]\n[[projects]]\nid = \"{PROJECT}\"\nname = \"shop\"\n{}{}",
        cluster("small", 10, 3),
        cluster("large", 1_000, 30)
    )
}

fn id(name: &str) -> ClusterId {
    ClusterId::new(PROJECT, "eu01", name)
}

/// A client of the simulated SKE API.
fn ske(environment: impl Fn(&str) -> Option<String>) -> SkeClient {
    let http = Http::new(Clock::machine(), None).unwrap();
    let token = environment("STACKIT_ACCESS_TOKEN").map(Secret::new).unwrap();
    let token = access_token::source(token, "STACKIT_ACCESS_TOKEN");
    let tokens = TokenSource::new(token, http.clone(), Clock::machine()).unwrap();
    let base = environment("STACKIT_SKE_CUSTOM_ENDPOINT").unwrap();
    SkeClient::new(&base, http, tokens).unwrap()
}

/// Figures of one process for the first list.
#[derive(Clone, Copy, Default)]
struct First {
    /// Seconds until the nodes were listed.
    nodes: f64,
    /// Seconds until everything was listed.
    whole: f64,
    /// Processor time of the observing process, in seconds.
    work: f64,
    /// Memory retained, in MiB.
    stays: f64,
    /// Peak memory, in MiB.
    peak: f64,
}

impl First {
    fn fields(self) -> [f64; 5] {
        [self.nodes, self.whole, self.work, self.stays, self.peak]
    }

    /// Observes once in a separate process.
    fn seen(cloud: &Cloud, how: &str) -> Self {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([OBSERVE, how])
            .envs(cloud.exports.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        let mut fields = text.split_whitespace().map(|field| field.parse().unwrap());
        let mut next = || fields.next().unwrap();
        Self { nodes: next(), whole: next(), work: next(), stays: next(), peak: next() }
    }

    fn medians(all: &[Self]) -> Self {
        let of = |field: fn(&Self) -> f64| median(all.iter().map(field).collect());
        Self {
            nodes: of(|first| first.nodes),
            whole: of(|first| first.whole),
            work: of(|first| first.work),
            stays: of(|first| first.stays),
            peak: of(|first| first.peak),
        }
    }
}

/// First list of the large cluster, through TLS.
fn first_list(bench: &Bench, cloud: &Cloud) {
    let (mut ours, mut naive) = (Vec::new(), Vec::new());
    for _ in 0..if bench.quick { 1 } else { 7 } {
        ours.push(First::seen(cloud, "observer"));
        naive.push(First::seen(cloud, "everything"));
    }
    let (ours, naive) = (First::medians(&ours), First::medians(&naive));
    let time = |name: &str, of: fn(&First) -> f64| {
        let seconds = |first| Duration::from_secs_f64(of(first));
        line(name, seconds(&ours), Some(seconds(&naive)));
    };
    time("first list: until nodes are there", |first| first.nodes);
    time("… until everything is", |first| first.whole);
    time("… its processor time", |first| first.work);
    memory("… memory that stays", ours.stays, Some(naive.stays));
    memory("… memory at its peak", ours.peak, Some(naive.peak));
}

/// The observing process: prints its figures.
fn print_usage(how: &str) {
    let first = Runtime::new().unwrap().block_on(async {
        let ske = ske(|name| std::env::var(name).ok());
        let cluster = ske.get(&id("large")).await.unwrap().cluster;
        let before = (mebibytes("self", "VmRSS"), processor_time("self"));
        let start = Instant::now();
        match how {
            "observer" => first_snapshot(ske, cluster, start, before).await,
            _ => first_objects(&ske, start, before).await,
        }
    });
    println!("{}", first.fields().map(|field| field.to_string()).join(" "));
}

type Before = (Option<f64>, Option<f64>);

/// Resources used since `before`; `kept` is the data that the memory holds.
fn used(nodes: Duration, whole: Duration, before: Before, kept: impl Debug) -> First {
    let more = |now: Option<f64>, before: Option<f64>| now.zip(before).map_or(0.0, |(n, b)| n - b);
    let first = First {
        nodes: nodes.as_secs_f64(),
        whole: whole.as_secs_f64(),
        work: more(processor_time("self"), before.1),
        stays: more(mebibytes("self", "VmRSS"), before.0),
        peak: more(mebibytes("self", "VmHWM"), before.0),
    };
    black_box(kept);
    first
}

async fn first_snapshot(ske: SkeClient, cluster: Cluster, start: Instant, before: Before) -> First {
    let (_readings, receiver) = watch::channel(cluster);
    let (sender, mut events) = mpsc::unbounded_channel();
    let subject = ObserverTarget {
        cluster: receiver,
        ske_on_loopback: ske.is_on_loopback(),
        may_disable_static_tokens: false,
    };
    let issue = move || {
        let ske = ske.clone();
        async move { ske.issue_short_lived(&id("large")).await }
    };
    let task = tokio::spawn(observe(subject, issue, Clock::machine(), move |event| {
        drop(sender.send(event));
    }));
    let mut nodes = None;
    let snapshot = loop {
        if let ObserverEvent::Snapshot(snapshot) = events.recv().await.unwrap() {
            nodes.get_or_insert(start.elapsed());
            if snapshot.unseen.is_empty() {
                break snapshot;
            }
        }
    };
    let whole = start.elapsed();
    assert!(snapshot.nodes.len() >= 1_000 && snapshot.pods.len() >= 20_000);
    assert!(snapshot.budgets.len() >= 500);
    // Lists end at different times; wait until the leftovers of the last one are freed.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let first = used(nodes.unwrap(), whole, before, &snapshot);
    task.abort();
    first
}

async fn first_objects(ske: &SkeClient, start: Instant, before: Before) -> First {
    let client = client(ske, "large").await;
    let (nodes, others) = tokio::join!(
        async {
            let nodes = all::<core::Node>(&client).await;
            (start.elapsed(), nodes)
        },
        async {
            tokio::join!(
                all::<core::Pod>(&client),
                all::<PodDisruptionBudget>(&client),
                all::<VolumeAttachment>(&client),
                all::<core::PersistentVolume>(&client),
                all::<core::Event>(&client),
                all::<core::Secret>(&client),
            )
        }
    );
    let whole = start.elapsed();
    assert!(nodes.1.len() >= 1_000 && others.0.len() >= 20_000 && others.1.len() >= 500);
    tokio::time::sleep(Duration::from_millis(300)).await;
    used(nodes.0, whole, before, (&nodes, &others))
}

async fn client(ske: &SkeClient, name: &str) -> Client {
    let issued = ske.issue_short_lived(&id(name)).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(issued.kubeconfig.expose()).unwrap();
    let options = KubeConfigOptions::default();
    Client::try_from(kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap())
        .unwrap()
}

/// All objects of a kind, complete, in one list.
async fn all<K>(client: &Client) -> Vec<K>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    Api::<K>::all(client.clone()).list(&ListParams::default()).await.unwrap().items
}

/// All relevant objects of one cluster, complete.
#[derive(Clone)]
struct Full {
    cluster: Cluster,
    nodes: Vec<core::Node>,
    templates: Vec<PartialObjectMeta<core::Secret>>,
    pods: Vec<core::Pod>,
    budgets: Vec<PodDisruptionBudget>,
    attachments: Vec<VolumeAttachment>,
    volumes: Vec<core::PersistentVolume>,
    events: Vec<core::Event>,
}

impl Full {
    async fn of(exports: &[(String, String)], name: &str) -> Self {
        let ske = ske(|name| {
            let export = exports.iter().find(|(known, _)| known == name);
            export.map(|(_, value)| value.clone())
        });
        let client = client(&ske, name).await;
        let secrets = Api::<core::Secret>::namespaced(client.clone(), "kube-system");
        let described = ListParams::default().labels("gardener.cloud/role=operating-system-config");
        Self {
            cluster: ske.get(&id(name)).await.unwrap().cluster,
            nodes: all(&client).await,
            templates: secrets.list_metadata(&described).await.unwrap().items,
            pods: all(&client).await,
            budgets: all(&client).await,
            attachments: all(&client).await,
            volumes: all(&client).await,
            events: all(&client).await,
        }
    }

    /// An observer's store of these objects.
    fn store(&self) -> Store {
        let mut store = Store::default();
        fill(&mut store, &resources::nodes(), &self.nodes);
        fill(&mut store, &resources::templates(), &self.templates);
        fill(&mut store, &resources::pods(), &self.pods);
        fill(&mut store, &resources::budgets(), &self.budgets);
        fill(&mut store, &resources::attachments(), &self.attachments);
        fill(&mut store, &resources::volumes(), &self.volumes);
        fill(&mut store, &resources::node_events(), &of_kind(&self.events, "Node"));
        fill(&mut store, &resources::pod_events(), &of_kind(&self.events, "Pod"));
        store
    }

    /// The naive snapshot: converts every object.
    fn snapshot(&self) -> ClusterSnapshot {
        let about = |kind: &str, read: fn(&core::Event) -> Option<_>| {
            converted(of_kind(&self.events, kind).into_iter(), read)
        };
        let mut events = about("Node", decode::node_event);
        events.extend(about("Pod", decode::pod_event));
        events.sort_by_key(|event| event.at);
        ClusterSnapshot {
            nodes: converted(self.nodes.iter(), decode::node),
            templates: Templates::Known(
                self.templates.iter().filter_map(decode::template).collect(),
            ),
            pods: converted(self.pods.iter(), decode::pod),
            budgets: converted(self.budgets.iter(), decode::budget),
            attachments: converted(self.attachments.iter(), decode::attachment),
            volumes: converted(self.volumes.iter(), decode::bound_volume),
            events,
            ..ClusterSnapshot::default()
        }
    }
}

fn of_kind<'a>(events: &'a [core::Event], kind: &str) -> Vec<&'a core::Event> {
    events.iter().filter(|event| event.involved_object.kind.as_deref() == Some(kind)).collect()
}

fn converted<'a, K: 'a, T>(
    objects: impl Iterator<Item = &'a K>,
    read: fn(&K) -> Option<T>,
) -> Vec<Arc<T>> {
    objects.filter_map(read).map(Arc::new).collect()
}

fn fill<K: Serialize, T: PartialEq>(
    store: &mut Store,
    resource: &WatchedResource<T>,
    objects: &[K],
) {
    let body = json!({"metadata": {"resourceVersion": "1"}, "items": objects}).to_string();
    let page = resource.decode_page(body.as_bytes()).unwrap();
    assert_eq!(page.unreadable, 0);
    (resource.cache)(&mut store.caches).replace_all(page.items);
    store.set_status(resource.kind, ListStatus::Seen(None));
}

/// The line of a watch for a changed object.
fn changed(object: &Value) -> String {
    json!({"type": "MODIFIED", "object": object}).to_string()
}

/// A dashboard on the nodes tab of this cluster, with a first snapshot.
fn dashboard(full: &Full, snapshot: ClusterSnapshot, now: jiff::Timestamp) -> State {
    let mut state = machine(vec![full.cluster.clone()], now);
    press(&mut state, KeyCode::Enter);
    press(&mut state, KeyCode::Char('3'));
    show(&mut state, snapshot);
    assert!(state.node_at_cursor().is_some());
    state
}

/// Everything that a dashboard does with a new snapshot except drawing.
fn show(state: &mut State, snapshot: ClusterSnapshot) {
    let now = Now {
        monotonic: state.shared.now.monotonic + Duration::from_millis(300),
        ..state.shared.now
    };
    let id = state.fleet.entries.keys().next().unwrap().clone();
    let sighting = ObserverEvent::Snapshot(Arc::new(snapshot));
    let number = state.nodes.observing.get(&id).unwrap().request;
    drop(black_box(update(state, now, Message::Answered(number, Ok(Answer::Observed(sighting))))));
    refresh_rows(state);
}

/// Cost of a watch event: a node that is cordoned and a pod that is not ready, and back.
fn events(bench: &Bench, full: &Full, now: jiff::Timestamp) {
    let node = |cordoned: bool| {
        let mut node = serde_json::to_value(full.nodes.last().unwrap()).unwrap();
        *node.pointer_mut("/spec").unwrap() = json!({"unschedulable": cordoned});
        node
    };
    let pod = |status: &str| {
        let mut pod = serde_json::to_value(full.pods.last().unwrap()).unwrap();
        *pod.pointer_mut("/status/conditions").unwrap() =
            json!([{"type": "Ready", "status": status}]);
        pod
    };
    event(
        bench,
        full,
        now,
        ("a node", &resources::nodes()),
        [node(true), node(false)],
        |full, node| {
            *full.nodes.last_mut().unwrap() = node;
        },
    );
    event(
        bench,
        full,
        now,
        ("a pod", &resources::pods()),
        [pod("False"), pod("True")],
        |full, pod| {
            *full.pods.last_mut().unwrap() = pod;
        },
    );
}

fn event<K: DeserializeOwned + Clone, T: PartialEq + Clone>(
    bench: &Bench,
    full: &Full,
    now: jiff::Timestamp,
    (what, resource): (&str, &WatchedResource<T>),
    objects: [Value; 2],
    replace: impl Fn(&mut Full, K),
) {
    let mut store = full.store();
    let mut state = dashboard(full, store.snapshot(), now);
    let lines = objects.each_ref().map(changed);
    let time = bench.time(|| {
        for line in &lines {
            black_box(resource.decode_event(line).unwrap().is_some());
        }
    });
    line(&format!("reading the event of {what}"), time / 2, None);
    let changes = lines.map(|line| match resource.decode_event(&line).unwrap().unwrap() {
        WatchEvent::Put(item) => item,
        WatchEvent::Remove(_) | WatchEvent::Bookmark(_) | WatchEvent::Unreadable(_) => {
            unreachable!()
        }
    });
    let mut changes = changes.iter().cycle();
    let ours = bench.time(|| {
        assert!((resource.cache)(&mut store.caches).put(changes.next().unwrap().clone()));
        show(&mut state, store.snapshot());
    });
    // The naive way: keep whole objects, and convert all of them for every snapshot.
    let objects: [K; 2] = objects.map(|object| serde_json::from_value(object).unwrap());
    let mut objects = objects.iter().cycle();
    let mut full = full.clone();
    let naive = bench.time(|| {
        replace(&mut full, objects.next().unwrap().clone());
        show(&mut state, full.snapshot());
    });
    line(&format!("{what} changes: new snapshot, roll read anew"), ours, Some(naive));
    let snapshot = bench.time(|| {
        black_box(store.snapshot().pods.len());
    });
    line("… of that the snapshot", snapshot, None);
}

/// Reading the roll. The store is kept alive, as by an observer: freeing it would fragment the heap for later
/// allocations.
fn roll(bench: &Bench, full: &Full, now: jiff::Timestamp) {
    let mut store = full.store();
    let snapshot = store.snapshot();
    let mut tracker = RollTracker::default();
    let time = bench.time(|| assert!(tracker.observe(&full.cluster, &snapshot, now).is_some()));
    line("watching a roll of 1,000 nodes: one more snapshot", time, None);
    let time = bench.time(|| {
        black_box(Roll::evaluate(&full.cluster, &snapshot, tracker.history(), now).counts);
    });
    line("reading a roll of 1,000 nodes", time, None);
    drop(store);
}

/// A table of all nodes, written without regard to their number.
fn draw_all_rows(terminal: &mut Terminal<TestBackend>, roll: &Roll) {
    terminal
        .draw(|frame| {
            let rows = roll.nodes().map(|node| {
                Row::new([
                    node.short.clone(),
                    node.pool.clone(),
                    node.zone.clone(),
                    format!("{:?}", node.stage),
                    node.version.clone(),
                ])
            });
            frame.render_widget(Table::new(rows, [Constraint::Length(20); 5]), frame.area());
        })
        .unwrap();
}

fn frame(bench: &Bench, what: &str, full: &Full, now: jiff::Timestamp) {
    let mut store = full.store();
    let mut state = dashboard(full, store.snapshot(), now);
    let mut terminal = terminal();
    let ours = bench.time(|| draw(&mut terminal, &mut state));
    let roll = state.nodes.observed.values().find_map(|observed| observed.roll.as_ref()).unwrap();
    let naive = bench.time(|| draw_all_rows(&mut terminal, roll));
    line(&format!("frame of the nodes tab, {what} (naive: all rows)"), ours, Some(naive));
    drop(store);
}

/// In PREPARED, the rotation tab shows what is known before *complete*.
fn rotation_frame(bench: &Bench, mut full: Full, now: jiff::Timestamp) {
    full.cluster.rotation.phase = Phase::Prepared;
    let mut store = full.store();
    let mut state = dashboard(&full, store.snapshot(), now);
    press(&mut state, KeyCode::Char('2'));
    let mut terminal = terminal();
    let ours = bench.time(|| draw(&mut terminal, &mut state));
    line("frame of the rotation tab, PREPARED, 1,000 nodes", ours, None);
    drop(store);
}
