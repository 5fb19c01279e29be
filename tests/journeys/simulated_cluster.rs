//! Simulated clusters: node histories, requests to their own APIs, and additional clients of those APIs.

use std::collections::BTreeSet;
use std::time::Duration;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use skeys::testing::app::settings::ObservationScope;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::cluster::SimulatedCluster;
use skeys::testing::simulator::cluster::node_history::{NodeCounts, NodeHistory, count_nodes};
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::state::RequestRecord;

use crate::support::{Journey, PROJECT, Setting};

/// Nodes in the simulator, as the dashboard should show them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExpectedNodes {
    /// New and ready.
    pub new: usize,
    /// New, not ready yet.
    pub joining: usize,
    /// Old, being drained.
    pub draining: usize,
    /// Old, untouched so far.
    pub old: usize,
}

impl ExpectedNodes {
    /// Nodes left to replace.
    pub fn left(self) -> usize {
        self.draining + self.old
    }
}

/// A scene with one project.
pub fn scene(clusters: &str) -> String {
    format!("regions = [\"eu01\"]\n[[projects]]\nid = \"{PROJECT}\"\nname = \"shop\"\n{clusters}")
}

/// A setting that observes clusters of one project.
pub fn observing(watch: ObservationScope, clusters: &str) -> Setting {
    let word = match watch {
        ObservationScope::Running => "running",
        ObservationScope::Open => "open",
        ObservationScope::Never => "never",
    };
    let setting = Setting { scene: scene(clusters), size: (132, 40), ..Setting::default() };
    setting.set("SKEYS_KUBERNETES_WATCH", word)
}

impl Journey {
    /// Reads or changes a cluster of the first project.
    pub fn with_cluster<T>(&self, name: &str, see: impl FnOnce(&mut SimulatedCluster) -> T) -> T {
        let id = ClusterId::new(PROJECT, "eu01", name);
        self.simulator.with_cloud(|cloud| see(cloud.cluster_mut(&id).unwrap()))
    }

    /// Phase of a cluster in the API's words.
    pub fn phase(&self, name: &str) -> String {
        self.with_cluster(name, |cluster| cluster.phase.clone())
    }

    /// The current state in the simulator, per zone of a pool.
    pub fn expected_by_zone(&self, name: &str, places: &[(&str, &str)]) -> Vec<ExpectedNodes> {
        let now = self.clock.now();
        self.with_cluster(name, |cluster| {
            let (all, template) = (&cluster.data_plane.node_histories, cluster.data_plane.template);
            // Before the nodes' turn there is only one generation, which is to be replaced.
            let begun = all.iter().any(|history| history.template != template);
            let of = |(pool, zone): &(&str, &str)| {
                let is_there =
                    |history: &&NodeHistory| *history.pool == **pool && *history.zone == **zone;
                let histories: Vec<NodeHistory> = all.iter().filter(is_there).cloned().collect();
                let NodeCounts { old, draining, joining, ready, .. } =
                    count_nodes(&histories, template, now);
                if cluster.phase == "PREPARING" && !begun {
                    return ExpectedNodes { old: ready, ..ExpectedNodes::default() };
                }
                ExpectedNodes { new: ready, joining, draining, old }
            };
            places.iter().map(of).collect()
        })
    }

    /// The current state in the simulator.
    pub fn expected(&self, name: &str) -> ExpectedNodes {
        let places: BTreeSet<(String, String)> = self.with_cluster(name, |cluster| {
            let place =
                |history: &NodeHistory| (history.pool.to_string(), history.zone.to_string());
            cluster.data_plane.node_histories.iter().map(place).collect()
        });
        let places: Vec<_> = places.iter().map(|(pool, zone)| (&**pool, &**zone)).collect();
        self.expected_by_zone(name, &places).into_iter().fold(
            ExpectedNodes::default(),
            |sum, expected| ExpectedNodes {
                new: sum.new + expected.new,
                joining: sum.joining + expected.joining,
                draining: sum.draining + expected.draining,
                old: sum.old + expected.old,
            },
        )
    }

    /// The row of a cluster in the fleet.
    pub fn row(&self, name: &str) -> String {
        let screen = self.screen();
        let word = format!(" {name} ");
        let rows = screen.lines().filter_map(|line| line.strip_prefix('│')?.split('│').next());
        rows.into_iter()
            .find(|row| row.contains(&word))
            .unwrap_or_else(|| panic!("no row of {name}\n{screen}"))
            .to_owned()
    }

    /// Replaced nodes and the goal, from the row of a cluster in the fleet ("9/15", "9/~15").
    pub fn progress(&self, name: &str) -> Option<(usize, usize)> {
        let row = self.row(name);
        row.split_whitespace().find_map(|word| {
            let (replaced, goal) = word.split_once('/')?;
            Some((replaced.parse().ok()?, goal.trim_start_matches('~').parse().ok()?))
        })
    }

    /// Nodes left to replace, from the header of the nodes tab ("6 of 15 nodes left to replace").
    pub fn left(&self) -> Option<usize> {
        let words = self.words();
        let (head, _) = words.split_once(" left to replace")?;
        head.rsplit_once(" of ")?.0.rsplit(' ').next()?.parse().ok()
    }

    /// The nodes per zone of a pool, as drawn in the nodes tab: one symbol each.
    pub fn drawn(&self, places: &[(&str, &str)]) -> Vec<ExpectedNodes> {
        let screen = self.screen();
        let left = screen.lines().filter_map(|line| line.strip_prefix('│')?.split('│').next());
        let left: Vec<&str> = left.map(str::trim).collect();
        let of = |(pool, zone): &(&str, &str)| {
            let word = |line: &str| line.split_whitespace().next().unwrap_or_default().to_owned();
            let head = left.iter().position(|line| word(line) == *pool).unwrap_or(left.len());
            let mut rows = left.iter().skip(head + 1).take_while(|line| line.starts_with("eu01-"));
            let row = rows.find(|line| word(line) == *zone);
            let row = row.unwrap_or_else(|| panic!("{pool} in {zone} is not drawn\n{screen}"));
            let count = |signs: &[char]| row.chars().filter(|c| signs.contains(c)).count();
            ExpectedNodes {
                new: count(&['■']),
                joining: count(&['▣']),
                draining: count(&['▢', '✗']),
                old: count(&['□']),
            }
        };
        places.iter().map(of).collect()
    }

    /// Waits at most two snapshots until the actual state is shown.
    #[track_caller]
    pub fn until_shown<'a, T: PartialEq + std::fmt::Debug>(
        &'a mut self,
        expected: impl Fn(&Self) -> T + 'a,
        shown: impl Fn(&Self) -> T + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            for refresh in 0..3 {
                if refresh > 0 {
                    self.clock.turn(Duration::from_millis(300));
                    self.settle().await;
                }
                if expected(self) == shown(self) {
                    return;
                }
            }
            let (expected, shown, screen) = (expected(self), shown(self), self.screen());
            panic!("{caller}: {shown:?} instead of {expected:?} at {}\n{screen}", self.clock.now());
        }
    }

    /// Waits at most two snapshots until the fleet shows the actual state.
    #[track_caller]
    pub fn until_expected<'a>(&'a mut self, name: &'a str) -> impl Future<Output = ()> + 'a {
        let left = |j: &Self| j.progress(name).map(|(replaced, goal)| goal - replaced);
        self.until_shown(|j| Some(j.expected(name).left()), left)
    }

    /// Advances virtual time until a condition is met; panics after `steps` steps.
    #[track_caller]
    pub fn until_holds<'a>(
        &'a mut self,
        what: &'a str,
        (step, steps): (u64, u64),
        holds: impl Fn(&Self) -> bool + 'a,
    ) -> impl Future<Output = ()> + 'a {
        let caller = std::panic::Location::caller();
        async move {
            for _ in 0..steps {
                if holds(self) {
                    return;
                }
                self.clock.turn(Duration::from_secs(step));
                self.settle().await;
            }
            let screen = self.screen();
            assert!(holds(self), "{caller}: not within {steps} steps: {what}\n{screen}");
        }
    }

    /// Advances the clock in larger steps.
    pub async fn pass(&mut self, step: u64, steps: u64) {
        for _ in 0..steps {
            self.clock.turn(Duration::from_secs(step));
            self.settle().await;
        }
    }

    /// Requests to a cluster's own API whose path has this suffix.
    pub fn asked(&self, name: &str, path_end: &str) -> Vec<RequestRecord> {
        let start = format!("/kubernetes/{PROJECT}/eu01/{name}/");
        let mut calls = self.simulator.request_log();
        calls.retain(|call| call.path.starts_with(&start) && call.path.ends_with(path_end));
        calls
    }

    /// Number of lists, not watches, of one kind of a cluster's objects.
    pub fn lists(&self, name: &str, path_end: &str) -> usize {
        self.asked(name, path_end).iter().filter(|call| !is_watch(call)).count()
    }

    /// Number of watches of one kind of a cluster's objects so far.
    pub fn watched(&self, name: &str, path_end: &str) -> usize {
        self.asked(name, path_end).iter().filter(|call| is_watch(call)).count()
    }

    /// Number of kubeconfigs requested from SKE.
    pub fn issued(&self, name: &str) -> usize {
        self.calls("POST", &format!("/clusters/{name}/kubeconfig"))
    }

    /// Injects a fault into a cluster's own API for some seconds.
    pub fn trouble(&self, name: &str, path: &str, effect: FaultEffect, seconds: u64) {
        self.order(Fault::for_cluster(name, path, effect).for_seconds(seconds));
    }

    /// Requests a kubeconfig as another client.
    pub async fn ask_kubeconfig(&self, name: &str) -> String {
        let exports: std::collections::BTreeMap<_, _> =
            self.simulator.exports().into_iter().collect();
        let url = format!(
            "{}/v2/projects/{PROJECT}/regions/eu01/clusters/{name}/kubeconfig",
            exports["STACKIT_SKE_CUSTOM_ENDPOINT"]
        );
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let request = http.post(url).bearer_auth(&exports["STACKIT_ACCESS_TOKEN"]);
        let answer = request.body(r#"{"expirationSeconds":"28800"}"#).send().await.unwrap();
        let answer: serde_json::Value =
            serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        answer["kubeconfig"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }
}

fn is_watch(call: &RequestRecord) -> bool {
    call.query.iter().any(|(name, value)| name == "watch" && value != "false")
}

/// A client from the text of a kubeconfig.
pub async fn client(text: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}
