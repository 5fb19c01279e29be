//! A simulator with a manual clock, and clients for its clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use skeys::testing::Clock;
use skeys::testing::domain::cluster::ClusterId;
use skeys::testing::simulator::cluster::SimulatedCluster;
use skeys::testing::simulator::rules::ClusterOperation;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};

/// Id of the only project.
pub const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";

/// The start time of all tests.
pub fn start() -> Timestamp {
    "2026-11-24T14:00:00Z".parse().unwrap()
}

pub struct Cloud {
    pub clock: Clock,
    pub simulator: Simulator,
    pub exports: BTreeMap<&'static str, String>,
    http: reqwest::Client,
}

impl Cloud {
    /// A cloud with one project, with clusters from the lines of a scene.
    pub async fn with(clusters: &str) -> Self {
        Self::at("127.0.0.1:0", clusters).await
    }

    /// Like `with`, listening on an address.
    pub async fn at(listen: &str, clusters: &str) -> Self {
        Self::of(listen, clusters, start()).await
    }

    /// Like `at`, starting at a time.
    pub async fn of(listen: &str, clusters: &str, now: Timestamp) -> Self {
        skeys::testing::clients::install_crypto();
        let text = format!(
            "regions = [\"eu01\"]\n[[projects]]\nid = \"{PROJECT}\"\nname = \"shop\"\n{clusters}"
        );
        let scene = Scene::parse(&text, "test").unwrap();
        let clock = Clock::manual(now);
        let listen = listen.parse().unwrap();
        let options = SimulatorOptions { seed: 7, speed: 1.0, scene, listen };
        let simulator = serve(options, clock.clone()).await.unwrap();
        let exports = simulator.exports().into_iter().collect();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { clock, simulator, exports, http }
    }

    /// A cloud with a cluster rotated a while ago.
    pub async fn calm() -> Self {
        Self::with(
            "[[projects.clusters]]\nname = \"alpha\"\ninitiated_ago = \"40d\"\ncompleted_ago = \"39d\"\n\
             pools = [{ name = \"web\", nodes = 3 }]\n",
        )
        .await
    }

    pub fn id(name: &str) -> ClusterId {
        ClusterId::new(PROJECT, "eu01", name)
    }

    pub fn see<T>(&self, name: &str, see: impl FnOnce(&mut SimulatedCluster) -> T) -> T {
        self.simulator.with_cloud(|cloud| see(cloud.cluster_mut(&Self::id(name)).unwrap()))
    }

    pub fn phase(&self, name: &str) -> String {
        self.see(name, |cluster| cluster.phase.clone())
    }

    pub fn begin(&self, name: &str, operation: ClusterOperation) {
        let now = self.clock.now();
        self.simulator.with_cloud(|cloud| cloud.act(&Self::id(name), operation, now).unwrap());
    }

    /// Advances the clock in steps of ten seconds, so that every watch sees all changes.
    pub async fn wait(&self, seconds: u64) {
        for _ in 0..seconds.div_ceil(10) {
            self.clock.turn(Duration::from_secs(10));
            self.settle().await;
        }
    }

    /// Advances the clock until a condition on a cluster is met.
    pub async fn until(&self, name: &str, what: impl Fn(&SimulatedCluster) -> bool) {
        for _ in 0..2_000 {
            if self.see(name, |cluster| what(cluster)) {
                return;
            }
            self.clock.turn(Duration::from_secs(10));
            self.settle().await;
        }
        panic!("it does not come");
    }

    /// Waits until every watch has sent its events.
    pub async fn settle(&self) {
        for _ in 0..10_000 {
            if self.simulator.lagging_watches() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_micros(200)).await;
        }
        panic!("watches lag behind");
    }

    /// A fresh kubeconfig.
    pub async fn kubeconfig(&self, name: &str) -> String {
        let base = &self.exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
        let url = format!("{base}/v2/projects/{PROJECT}/regions/eu01/clusters/{name}/kubeconfig");
        let body = json!({"expirationSeconds": "28800"});
        let answer = self
            .http
            .post(url)
            .bearer_auth(&self.exports["STACKIT_ACCESS_TOKEN"])
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        let text = answer.text().await.unwrap();
        let answer: Value = serde_json::from_str(&text).unwrap();
        answer["kubeconfig"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// The response of the old credentials endpoint.
    pub async fn old_credentials(&self, name: &str) -> (u16, Value) {
        let base = &self.exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
        let url = format!("{base}/v1/projects/{PROJECT}/clusters/{name}/credentials");
        let token = &self.exports["STACKIT_ACCESS_TOKEN"];
        let answer = self.http.get(url).bearer_auth(token).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap())
    }

    /// A client with a fresh kubeconfig.
    pub async fn client(&self, name: &str) -> Client {
        client(&self.kubeconfig(name).await).await
    }
}

/// A client from the text of a kubeconfig.
pub async fn client(text: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(text).unwrap();
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
    // Otherwise kube-rs retries 429, 503 and 504 without a limit.
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// Scales the deployment `web-app` of the cluster `alpha`.
pub async fn scale(cloud: &Cloud, replicas: u32) {
    let deployments = Api::<Deployment>::namespaced(cloud.client("alpha").await, "shop");
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    deployments.patch_scale("web-app", &PatchParams::default(), &patch).await.unwrap();
}

/// The same kubeconfig with a token instead of its certificate.
pub fn with_token(text: &str, token: &str) -> String {
    let lines = text.lines().filter_map(|line| {
        if line.trim_start().starts_with("client-certificate-data") {
            Some(format!("    token: {token}\n"))
        } else if line.trim_start().starts_with("client-key-data") {
            None
        } else {
            Some(format!("{line}\n"))
        }
    });
    lines.collect()
}

/// Status of a failed request.
pub fn code<T: std::fmt::Debug>(answer: Result<T, kube::Error>) -> u16 {
    match answer {
        Err(kube::Error::Api(status)) => status.code,
        other => panic!("not refused: {other:?}"),
    }
}

/// Sends any request; returns the response.
pub async fn ask(client: &Client, method: &str, path: &str, accept: &str) -> Value {
    let request = http::Request::builder().method(method).uri(path).header("accept", accept);
    let text = client.request_text(request.body(Vec::new()).unwrap()).await.unwrap();
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}
