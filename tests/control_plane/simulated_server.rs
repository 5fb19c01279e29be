//! The simulator with a cluster that has the objects for the requests.

use base64::Engine as _;
use kube::config::Kubeconfig;
use serde_json::{Value, json};
use skeys::testing::Clock;
use skeys::testing::simulator::scene::Scene;
use skeys::testing::simulator::{Simulator, SimulatorOptions, serve};

use crate::server::Server;

const PROJECT: &str = "5f1c3d9a-7a1e-4c52-9d5e-2b7f6a1c0e21";

/// A simulator, and a client for its one cluster.
pub struct SimulatedServer {
    pub server: Server,
    _simulator: Simulator,
}

impl SimulatedServer {
    /// Starts a simulator; `workloads` are lines of a scene.
    pub async fn start(nodes: usize, workloads: &str) -> Self {
        skeys::testing::clients::install_crypto();
        let scene = format!(
            "regions = [\"eu01\"]\n[[projects]]\nid = \"{PROJECT}\"\nname = \"shop\"\n\
             [[projects.clusters]]\nname = \"alpha\"\nversion = \"1.34.4\"\ninitiated_ago = \"40d\"\n\
             completed_ago = \"39d\"\npools = [{{ name = \"web\", nodes = {nodes} }}]\n{workloads}"
        );
        let scene = Scene::parse(&scene, "requests").unwrap();
        let options =
            SimulatorOptions { seed: 7, speed: 1.0, scene, listen: "127.0.0.1:0".parse().unwrap() };
        let simulator = serve(options, Clock::machine()).await.unwrap();
        let exports: std::collections::BTreeMap<_, _> = simulator.exports().into_iter().collect();
        let base = &exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
        let url = format!("{base}/v2/projects/{PROJECT}/regions/eu01/clusters/alpha/kubeconfig");
        let answer = reqwest::Client::builder()
            .no_proxy()
            .build()
            .unwrap()
            .post(url)
            .bearer_auth(&exports["STACKIT_ACCESS_TOKEN"])
            .body(json!({"expirationSeconds": "28800"}).to_string())
            .send()
            .await
            .unwrap();
        let answer: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        let config = Kubeconfig::from_yaml(answer["kubeconfig"].as_str().unwrap()).unwrap();
        let decode = |text: &str| base64::engine::general_purpose::STANDARD.decode(text).unwrap();
        let cluster = config.clusters[0].cluster.clone().unwrap();
        let user = serde_json::to_value(config.auth_infos[0].auth_info.as_ref().unwrap()).unwrap();
        let authority = decode(&cluster.certificate_authority_data.unwrap());
        let mut identity = decode(user["client-certificate-data"].as_str().unwrap());
        identity.extend(decode(user["client-key-data"].as_str().unwrap()));
        let server = Server::new(cluster.server.unwrap(), &authority, &identity);
        Self { server, _simulator: simulator }
    }
}
