//! Renders nodes as JSON.

use serde_json::{Value, json};

use crate::simulator::cluster::nodes::{allocatable, cores};
use crate::simulator::cluster::objects::{Condition, ObjectMeta, StoredNode, Taint};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;

/// OS image, kernel and container runtime of every node.
pub const VERSIONS: [&str; 3] =
    ["Flatcar Container Linux by Kinvolk 4230.2.1 (Oklo)", "6.12.30-flatcar", "containerd://2.0.5"];

/// Address of the node with a number.
pub fn address(number: u32) -> String {
    format!("10.250.{}.{}", number / 250 % 250, number % 250 + 2)
}

/// `spec` and `status` of a node.
pub fn body(meta: &ObjectMeta, node: &StoredNode, view: &ObjectView) -> Value {
    let number = node.number;
    let [os_image, kernel, runtime] = VERSIONS;
    let pod_cidr = format!("100.{}.{}.0/24", 64 + number % 60, number / 250 % 250);
    let mut spec = json!({
        "podCIDR": pod_cidr, "podCIDRs": [pod_cidr],
        "providerID": format!("openstack:///{}", meta.uid),
    });
    if node.unschedulable {
        set(&mut spec, "unschedulable", json!(true));
    }
    if !node.taints.is_empty() {
        let taints = node.taints.iter().map(|taint| render_taint(taint, view));
        set(&mut spec, "taints", taints.collect());
    }
    let no_pressure = |kind: &str, reason: &'static str, message: &'static str| {
        let since = meta.created;
        condition(kind, &Condition { status: false, since, reason, message }, view)
    };
    let memory = "kubelet has sufficient memory available";
    let mut conditions = vec![
        no_pressure("MemoryPressure", "KubeletHasSufficientMemory", memory),
        no_pressure("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        no_pressure(
            "PIDPressure",
            "KubeletHasSufficientPID",
            "kubelet has sufficient PID available",
        ),
        condition("Ready", &node.ready, view),
    ];
    if let Some(preserved) = &node.preserved {
        conditions.push(condition("Preserved", preserved, view));
    }
    if let Some(terminating) = &node.terminating {
        conditions.push(condition("Terminating", terminating, view));
    }
    let size = |cpu: String| json!({"cpu": cpu, "memory": "15987804Ki", "pods": "110", "ephemeral-storage": "49Gi"});
    let cores = cores(&node.machine_type);
    json!({
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address(number)},
                {"type": "Hostname", "address": view.node_name(&meta.key.name)},
            ],
            "capacity": size(cores.to_string()),
            "allocatable": size(format!("{}m", allocatable(cores))),
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": &*meta.uid, "containerRuntimeVersion": runtime,
                "kernelVersion": kernel, "kubeProxyVersion": "", "kubeletVersion": &*node.version,
                "machineID": meta.uid.replace('-', ""), "operatingSystem": "linux",
                "osImage": os_image, "systemUUID": &*meta.uid,
            },
        },
    })
}

fn condition(kind: &str, condition: &Condition, view: &ObjectView) -> Value {
    json!({
        "type": kind, "status": if condition.status { "True" } else { "False" },
        "reason": condition.reason, "message": condition.message,
        "lastHeartbeatTime": view.time(view.now), "lastTransitionTime": view.time(condition.since),
    })
}

fn render_taint(taint: &Taint, view: &ObjectView) -> Value {
    let mut found = json!({"key": taint.key, "effect": taint.effect});
    if !taint.value.is_empty() {
        set(&mut found, "value", json!(taint.value));
    }
    if let Some(added) = taint.added {
        set(&mut found, "timeAdded", view.time(added));
    }
    found
}
