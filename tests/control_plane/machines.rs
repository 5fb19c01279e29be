//! Emulates the machine controller and the kubelets of a cluster, with the labels, taints and conditions of Gardener.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::AbortHandle;

use crate::processes::SharedPlane;
use crate::server::Answer;

/// The only pool, and its zones.
pub const POOL: &str = "web";
pub const ZONES: [&str; 2] = ["eu01-1", "eu01-2"];
/// Pod label that determines the kubelet's behaviour.
const CONDUCT: &str = "example.org/kubelet";
const STEP: Duration = Duration::from_millis(250);
const LEASE_INTERVAL: Duration = Duration::from_secs(10);
/// Upper bound for all waits.
const LIMIT: Duration = Duration::from_mins(3);
const STRATEGIC: &str = "strategic-merge-patch+json";

/// Nodes of a cluster. Their kubelets stop on drop.
pub struct Machines {
    plane: SharedPlane,
    made: AtomicUsize,
    kubelets: Option<AbortHandle>,
}

impl Drop for Machines {
    fn drop(&mut self) {
        if let Some(kubelets) = &self.kubelets {
            kubelets.abort();
        }
    }
}

/// Waits until `find` returns something; panics after a generous timeout.
pub async fn until<T>(what: &str, mut find: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = find().await {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "waited in vain for: {what}");
        tokio::time::sleep(STEP).await;
    }
}

/// The objects of a list.
pub fn items(answer: &Answer) -> Vec<Value> {
    answer.json()["items"].as_array().cloned().unwrap_or_default()
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap()
}

fn pod_path(pod: &Value) -> String {
    let namespace = pod["metadata"]["namespace"].as_str().unwrap();
    format!("/api/v1/namespaces/{namespace}/pods/{}", name(pod))
}

/// The name of a node generation, as in the Secret and the labels.
fn generation_name(generation: usize) -> String {
    format!("gardener-node-agent-{POOL}-{generation:016x}")
}

fn checksum(generation: usize) -> String {
    format!("{generation:064x}")
}

/// A node of a generation as it registers.
pub fn describe_node(generation: usize, zone: &str, number: usize) -> Value {
    let zone_number = zone.rsplit('-').next().unwrap();
    let node_name =
        format!("shoot--f00--alpha-{POOL}-z{zone_number}-{generation:05x}-{number:05x}");
    json!({
        "metadata": {
            "name": node_name,
            "labels": {
                "kubernetes.io/hostname": node_name,
                "topology.kubernetes.io/zone": zone,
                "worker.gardener.cloud/pool": POOL,
                "worker.gardener.cloud/gardener-node-agent-secret-name":
                    generation_name(generation),
                "worker.gardener.cloud/kubernetes-version": "1.34.4",
            },
            "annotations": {"checksum/cloud-config-data": checksum(generation)},
        },
        "spec": {"taints": [{
            "key": "node.gardener.cloud/critical-components-not-ready", "effect": "NoSchedule",
        }]},
    })
}

impl Machines {
    /// Starts kubelets for all current and future nodes.
    pub fn start(plane: &SharedPlane) -> Arc<Self> {
        let kubelets = tokio::spawn(run_kubelets(plane.clone())).abort_handle();
        let mut machines = Self::without_kubelets(plane);
        machines.kubelets = Some(kubelets);
        Arc::new(machines)
    }

    /// Nodes without kubelets.
    pub fn without_kubelets(plane: &SharedPlane) -> Self {
        Self { plane: plane.clone(), made: AtomicUsize::new(0), kubelets: None }
    }

    /// Creates the Secret that defines the nodes of a generation.
    pub async fn describe(&self, generation: usize) {
        let secret = json!({
            "metadata": {
                "name": generation_name(generation),
                "labels": {
                    "gardener.cloud/role": "operating-system-config",
                    "worker.gardener.cloud/pool": POOL,
                },
                "annotations": {"checksum/data-script": checksum(generation)},
            },
        });
        let path = "/api/v1/namespaces/kube-system/secrets";
        let code = self.plane.admin().write("POST", path, "json", &secret).await.code;
        assert_eq!(code, 201);
    }

    /// Creates a node and waits until it is ready; returns its name.
    pub async fn add(&self, generation: usize, zone: &str, labels: Value) -> String {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut node = describe_node(generation, zone, number);
        let path = format!("/api/v1/nodes/{}", name(&node));
        for (key, value) in labels.as_object().into_iter().flatten() {
            node["metadata"]["labels"][key] = value.clone();
        }
        let answer = self.plane.admin().write("POST", "/api/v1/nodes", "json", &node).await;
        assert_eq!(answer.code, 201, "{}", answer.json());
        until("a node that is ready", async || {
            let taints = self.plane.admin().get(&path).await.json();
            let taints = taints["spec"]["taints"].as_array().map_or(0, Vec::len);
            (taints == 1).then_some(())
        })
        .await;
        self.change(&path, |node| node["spec"]["taints"] = json!([])).await;
        name(&node).to_owned()
    }

    /// Changes an object, retrying on conflicts.
    pub async fn change(&self, path: &str, change: impl Fn(&mut Value)) {
        until("a change", async || {
            let admin = self.plane.admin();
            let mut object = admin.get(path).await.json();
            object.get("metadata")?;
            change(&mut object);
            (admin.write("PUT", path, "json", &object).await.code == 200).then_some(())
        })
        .await;
    }

    /// The nodes of a generation, oldest first.
    pub async fn nodes(&self, generation: usize) -> Vec<Value> {
        let mut nodes = items(&self.plane.admin().get("/api/v1/nodes").await);
        let label = "worker.gardener.cloud/gardener-node-agent-secret-name";
        nodes.retain(|node| node["metadata"]["labels"][label] == generation_name(generation));
        nodes.sort_by_key(|node| name(node).rsplit('-').next().unwrap().to_owned());
        nodes
    }

    /// Replaces all nodes of the previous generation with those of a generation, one by one.
    pub async fn roll(&self, generation: usize) {
        self.describe(generation).await;
        let old = self.nodes(generation - 1).await;
        for node in &old {
            self.mark_old(name(node)).await;
        }
        for node in &old {
            let zone = node["metadata"]["labels"]["topology.kubernetes.io/zone"].as_str().unwrap();
            self.add(generation, zone, Value::Null).await;
            self.begin_drain(name(node), Timestamp::now()).await;
            self.drain(name(node)).await;
        }
    }

    /// Marks a node as part of an old machine set.
    pub async fn mark_old(&self, node: &str) {
        self.change(&format!("/api/v1/nodes/{node}"), |node| {
            let taint = json!({
                "key": "deployment.machine.sapcloud.io/prefer-no-schedule", "value": "True",
                "effect": "PreferNoSchedule",
            });
            match node["spec"]["taints"].as_array_mut() {
                Some(taints) => taints.push(taint),
                None => node["spec"]["taints"] = json!([taint]),
            }
        })
        .await;
    }

    /// Starts removing a machine: sets its condition, and makes it unschedulable.
    pub async fn begin_drain(&self, node: &str, since: Timestamp) {
        let path = format!("/api/v1/nodes/{node}");
        let condition = condition("Terminating", true, "ScaleDown", since);
        let patch = json!({"status": {"conditions": [condition]}});
        until("a drain that begins", async || {
            let admin = self.plane.admin();
            let status = admin.write("PATCH", &format!("{path}/status"), STRATEGIC, &patch).await;
            let cordon = json!({"spec": {"unschedulable": true}});
            let cordoned = admin.write("PATCH", &path, STRATEGIC, &cordon).await;
            (status.code == 200 && cordoned.code == 200).then_some(())
        })
        .await;
    }

    /// Evicts the pods of a node until none is left, however long that takes, and removes the node.
    pub async fn drain(&self, node: &str) {
        loop {
            let admin = self.plane.admin();
            let answer = admin.get(&on_node(node)).await;
            if answer.code == 200 && items(&answer).is_empty() {
                break;
            }
            self.evict(node).await;
            tokio::time::sleep(STEP).await;
        }
        until("a node that is gone", async || {
            let path = format!("/api/v1/nodes/{node}");
            let code = self.plane.admin().write("DELETE", &path, "json", &json!({})).await.code;
            matches!(code, 200 | 404).then_some(())
        })
        .await;
    }

    /// Tries once to evict the pods of a node; returns the responses by name.
    pub async fn evict(&self, node: &str) -> BTreeMap<String, Answer> {
        let admin = self.plane.admin();
        let mut answers = BTreeMap::new();
        for pod in items(&admin.get(&on_node(node)).await) {
            if pod["metadata"]["deletionTimestamp"].is_string() {
                continue;
            }
            let metadata = json!({
                "name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"],
            });
            let eviction =
                json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata});
            let path = format!("{}/eviction", pod_path(&pod));
            let answer = admin.write("POST", &path, "json", &eviction).await;
            answers.insert(name(&pod).to_owned(), answer);
        }
        answers
    }
}

fn on_node(node: &str) -> String {
    format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{node}")
}

/// A condition of a node or a pod.
pub fn condition(kind: &str, holds: bool, reason: &str, since: Timestamp) -> Value {
    let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "type": kind, "status": if holds { "True" } else { "False" }, "reason": reason,
        "lastTransitionTime": since,
    })
}

/// Keeps nodes ready, and starts and terminates pods, like all kubelets together.
async fn run_kubelets(plane: SharedPlane) {
    let mut renewed: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let admin = plane.admin();
        for node in items(&admin.get("/api/v1/nodes").await) {
            let name = name(&node);
            let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
            if !conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True") {
                let room = json!({"cpu": "4", "memory": "16Gi", "pods": "110"});
                let status = json!({"status": {
                    "conditions": [condition("Ready", true, "KubeletReady", Timestamp::now())],
                    "capacity": room, "allocatable": room,
                }});
                let path = format!("/api/v1/nodes/{name}/status");
                admin.write("PATCH", &path, STRATEGIC, &status).await;
            }
            let is_due = renewed.get(name).is_none_or(|at| at.elapsed() >= LEASE_INTERVAL);
            if is_due {
                renewed.insert(name.to_owned(), Instant::now());
                renew_lease(&plane, name).await;
            }
        }
        for pod in items(&admin.get("/api/v1/pods").await) {
            if pod["spec"]["nodeName"].is_string() {
                run_pod(&plane, &pod).await;
            }
        }
        tokio::time::sleep(STEP).await;
    }
}

async fn renew_lease(plane: &SharedPlane, node: &str) {
    let admin = plane.admin();
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string();
    let spec = json!({"holderIdentity": node, "leaseDurationSeconds": 40, "renewTime": now});
    let lease = json!({"metadata": {"name": node}, "spec": spec});
    let path = format!("{leases}/{node}");
    if admin.write("PATCH", &path, "merge-patch+json", &lease).await.code == 404 {
        admin.write("POST", leases, "json", &lease).await;
    }
}

/// Handles a pod according to its label: it runs, `crashes`, `finishes`, or `stays` although it is terminating.
async fn run_pod(plane: &SharedPlane, pod: &Value) {
    let (admin, path) = (plane.admin(), pod_path(pod));
    let conduct = pod["metadata"]["labels"][CONDUCT].as_str().unwrap_or_default();
    if pod["metadata"]["deletionTimestamp"].is_string() {
        if conduct != "stays" {
            let options = json!({
                "gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]},
            });
            admin.write("DELETE", &path, "json", &options).await;
        }
        return;
    }
    if pod["status"]["phase"] != "Pending" {
        return;
    }
    let container = &pod["spec"]["containers"][0];
    let now = Timestamp::now();
    let started = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let state = match conduct {
        "crashes" => json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}),
        "finishes" => json!({"terminated": {"exitCode": 0, "reason": "Completed"}}),
        _ => json!({"running": {"startedAt": started}}),
    };
    let is_ready = matches!(conduct, "" | "stays");
    let phase = if conduct == "finishes" { "Succeeded" } else { "Running" };
    let ready = |kind: &str| condition(kind, is_ready, "", now);
    let status = json!({"status": {
        "phase": phase,
        "podIP": "100.96.0.7", "podIPs": [{"ip": "100.96.0.7"}], "startTime": started,
        "conditions": [ready("Ready"), ready("ContainersReady"), condition("Initialized", true, "", now)],
        "containerStatuses": [{
            "name": container["name"], "image": container["image"], "imageID": "", "state": state,
            "ready": is_ready, "restartCount": 0,
        }],
    }});
    admin.write("PATCH", &format!("{path}/status"), STRATEGIC, &status).await;
}
