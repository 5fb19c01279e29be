//! A large cluster: time and memory until it is displayed.

use std::fs;
use std::time::Instant;

use futures_util::StreamExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::machines::{Machines, ZONES, condition, describe_node};
use crate::processes::{SharedPlane, assets, say};
use crate::screen::{completed, press, until_said};
use crate::server::Server;
use crate::ske::{Rotation, Ske};
use crate::terminal::{SKEYS, Terminal};
use crate::workloads::{create_namespace, merge, template};

const NODES: usize = 500;
const NEW_NODES: usize = 200;
const PODS: usize = 3_500;
/// Pods have no service account here.
const ADMISSION: &str = "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition";
const NAMESPACE: &str = "shop";

async fn create(admin: &Server, path: &str, mut object: Value) {
    let status = object.as_object_mut().unwrap().remove("status").unwrap();
    let answer = admin.write("POST", path, "json", &object).await;
    assert_eq!(answer.code, 201, "{}", answer.json());
    let name = object["metadata"]["name"].as_str().unwrap();
    let patch = json!({"status": status});
    let kind = "strategic-merge-patch+json";
    let answer = admin.write("PATCH", &format!("{path}/{name}/status"), kind, &patch).await;
    assert_eq!(answer.code, 200, "{}", answer.json());
}

async fn create_nodes(admin: &Server, generation: usize, numbers: std::ops::Range<usize>) {
    let nodes = numbers.map(|number| {
        let mut node = describe_node(generation, ZONES[number % 2], number);
        node["spec"]["taints"] = json!([]);
        node["status"] = json!({"conditions": [condition("Ready", true, "", Timestamp::now())]});
        create(admin, "/api/v1/nodes", node)
    });
    futures_util::stream::iter(nodes).for_each_concurrent(16, |node| node).await;
}

async fn create_pods(admin: &Server, nodes: &[Value]) {
    let pods = (0..PODS).map(|number| {
        let mut pod = template(&format!("app-{}", number % 50), &Value::Null);
        let owner = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": format!("app-{}-5dc454cd77", number % 50),
            "uid": format!("00000000-0000-4000-8000-{:012}", number % 50), "controller": true,
        });
        let node = &nodes[number % nodes.len()]["metadata"]["name"];
        let now = Timestamp::now();
        merge(&mut pod, &json!({
            "metadata": {"name": format!("app-{number:05}"), "ownerReferences": [owner]},
            "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [condition("Ready", true, "", now)]},
        }));
        create(admin, "/api/v1/namespaces/shop/pods", pod)
    });
    futures_util::stream::iter(pods).for_each_concurrent(16, |pod| pod).await;
}

/// The peak memory of a process, in MiB.
fn most_memory(id: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_07_a_large_cluster_is_shown_whole() {
    let Some(assets) = assets() else { return };
    let plane = SharedPlane::start(&assets, &[ADMISSION]).await;
    plane.allow_admins().await;
    let (admin, machines) = (plane.admin(), Machines::without_kubelets(&plane));
    create_namespace(&admin, NAMESPACE).await;
    machines.describe(1).await;
    create_nodes(&admin, 1, NEW_NODES..NODES).await;
    let rotation =
        Rotation { phase: "PREPARING", initiated: Some(Timestamp::now()), ..completed() };
    machines.describe(2).await;
    create_nodes(&admin, 2, 0..NEW_NODES).await;
    let nodes = [machines.nodes(1).await, machines.nodes(2).await].concat();
    create_pods(&admin, &nodes).await;
    let ske = Ske::serve(plane.clone(), NODES, rotation).await;
    let began = Instant::now();
    let mut terminal = Terminal::run(&[SKEYS], 132, 64, &ske.environment());
    // It starts during the roll.
    until_said(&terminal, &format!(" {NEW_NODES}/~{NODES}"));
    let (time, memory) = (began.elapsed(), most_memory(terminal.id().as_raw_nonzero().get()));
    say(&format!(
        "{NODES} nodes and {PODS} pods are shown {} ms after the start, with {memory} MiB (not optimized)",
        time.as_millis()
    ));
    press(&mut terminal, &["\r", "3"]);
    let left = NODES - NEW_NODES;
    until_said(&terminal, &format!("{left} of about {NODES} nodes left to replace"));
    until_said(&terminal, "nodes live");
    press(&mut terminal, &["\x03"]);
    assert_eq!(terminal.end_restored(), 0);
}
