//! Nodes as the API writes them.

use serde_json::{Value, json};

use crate::simulator::cluster::nodes::{allocatable, cores};
use crate::simulator::cluster::objects::{Condition, ObjectMeta, StoredNode, Taint};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;

/// `spec` and `status` of a node.
pub fn body(meta: &ObjectMeta, node: &StoredNode, view: &ObjectView) -> Value {
    let number = node.number;
    let (high, low) = (number / 250 % 250, number % 250 + 2);
    let mut spec = json!({
        "podCIDR": format!("100.{}.{high}.0/24", 64 + number % 60),
        "podCIDRs": [format!("100.{}.{high}.0/24", 64 + number % 60)],
        "providerID": format!("openstack:///{}", meta.uid),
    });
    if node.unschedulable {
        set(&mut spec, "unschedulable", json!(true));
    }
    if !node.taints.is_empty() {
        set(
            &mut spec,
            "taints",
            node.taints.iter().map(|taint| render_taint(taint, view)).collect(),
        );
    }
    let healthy = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "False", "reason": reason, "message": message,
            "lastHeartbeatTime": view.time(view.now), "lastTransitionTime": view.time(meta.created),
        })
    };
    let mut conditions = vec![
        healthy(
            "MemoryPressure",
            "KubeletHasSufficientMemory",
            "kubelet has sufficient memory available",
        ),
        healthy("DiskPressure", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        healthy("PIDPressure", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        condition("Ready", &node.ready, view),
    ];
    if let Some(terminating) = &node.terminating {
        conditions.push(condition("Terminating", terminating, view));
    }
    let size = |cpu: String| json!({"cpu": cpu, "memory": "15987804Ki", "pods": "110", "ephemeral-storage": "49Gi"});
    let cores = cores(&node.machine);
    json!({
        "spec": spec,
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": format!("10.250.{high}.{low}")},
                {"type": "Hostname", "address": view.node(&meta.key.name)},
            ],
            "capacity": size(cores.to_string()),
            "allocatable": size(format!("{}m", allocatable(cores))),
            "conditions": conditions,
            "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}},
            "nodeInfo": {
                "architecture": "amd64", "bootID": &*meta.uid, "containerRuntimeVersion": "containerd://2.0.5",
                "kernelVersion": "6.12.30-flatcar", "kubeProxyVersion": "", "kubeletVersion": &*node.version,
                "machineID": meta.uid.replace('-', ""), "operatingSystem": "linux",
                "osImage": "Flatcar Container Linux by Kinvolk 4230.2.1 (Oklo)", "systemUUID": &*meta.uid,
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
