//! Renders pods as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::cluster::nodes::POOL_LABEL;
use crate::simulator::cluster::objects::{LocalStorage, ObjectMeta, StoredPod};
use crate::simulator::kubernetes::json::set;
use crate::simulator::kubernetes::object_view::ObjectView;

/// `spec` and `status` of a pod.
pub fn body(meta: &ObjectMeta, pod: &StoredPod, view: &ObjectView) -> Value {
    let app = meta.labels.get("app").map_or("app", |app| app);
    let image = format!("registry.example/{}/{app}:1.4.2", meta.key.namespace);
    let mut spec = json!({
        "containers": [{
            "name": "main", "image": image, "imagePullPolicy": "IfNotPresent",
            "resources": {"requests": {"cpu": format!("{}m", pod.cpu)}},
        }],
        "restartPolicy": "Always", "dnsPolicy": "ClusterFirst", "schedulerName": "default-scheduler",
        "serviceAccountName": "default", "terminationGracePeriodSeconds": pod.grace,
    });
    if let Some(node) = &pod.node {
        set(&mut spec, "nodeName", json!(view.node_name(node)));
    }
    if let Some(pool) = &pod.pool {
        set(&mut spec, "nodeSelector", json!({POOL_LABEL: &**pool}));
    }
    let mut volumes: Vec<Value> = pod
        .claims
        .iter()
        .map(|claim| json!({"name": "data", "persistentVolumeClaim": {"claimName": &**claim}}))
        .collect();
    match pod.local_storage {
        LocalStorage::EmptyDir => volumes.push(json!({"name": "scratch", "emptyDir": {}})),
        LocalStorage::HostPath => {
            volumes.push(json!({"name": "host", "hostPath": {"path": "/var/lib", "type": ""}}));
        }
        LocalStorage::None | LocalStorage::PersistentVolume => {}
    }
    if !volumes.is_empty() {
        set(&mut spec, "volumes", json!(volumes));
    }
    if meta.owner.as_ref().is_some_and(|owner| owner.kind == "DaemonSet") {
        set(&mut spec, "tolerations", json!([{"operator": "Exists"}]));
    }
    json!({"spec": spec, "status": status(meta, pod, &image, view)})
}

/// Waiting reason of a container that crashed too often.
pub const CRASH_LOOP: &str = "CrashLoopBackOff";

fn status(meta: &ObjectMeta, pod: &StoredPod, image: &str, view: &ObjectView) -> Value {
    let (ready, since) = pod.ready;
    let flag = |kind: &str, status: bool, at: Timestamp| {
        json!({
            "type": kind, "status": if status { "True" } else { "False" },
            "lastProbeTime": null, "lastTransitionTime": view.time(at),
        })
    };
    let mut scheduled =
        flag("PodScheduled", pod.node.is_some(), pod.scheduled.unwrap_or(meta.created));
    if let Some((at, message)) = &pod.unschedulable {
        set(&mut scheduled, "reason", json!("Unschedulable"));
        set(&mut scheduled, "message", json!(message));
        set(&mut scheduled, "lastTransitionTime", view.time(*at));
    }
    let Some(placed) = pod.scheduled else {
        return json!({"phase": "Pending", "qosClass": "Burstable", "conditions": [scheduled]});
    };
    let mut conditions = vec![
        scheduled,
        flag("Initialized", true, placed),
        flag("ContainersReady", ready, since),
        flag("Ready", ready, since),
    ];
    if !ready {
        for condition in conditions.iter_mut().skip(2) {
            set(condition, "reason", json!("ContainersNotReady"));
            set(condition, "message", json!("containers with unready status: [main]"));
        }
    }
    let state = match (pod.started, pod.finished) {
        (_, Some(at)) => {
            json!({"terminated": {"exitCode": 0, "reason": "Completed", "finishedAt": view.time(at)}})
        }
        (Some(_), None) if pod.crashes => json!({"waiting": {"reason": CRASH_LOOP}}),
        (Some(at), None) => json!({"running": {"startedAt": view.time(at)}}),
        (None, None) => json!({"waiting": {"reason": "ContainerCreating"}}),
    };
    let mut status = json!({
        "phase": pod.phase(), "qosClass": "Burstable", "startTime": view.time(placed), "conditions": conditions,
        "containerStatuses": [{
            "name": "main", "image": image, "imageID": "", "ready": ready,
            "restartCount": u32::from(pod.crashes), "started": pod.started.is_some(), "state": state,
        }],
    });
    if pod.started.is_some() {
        let address = address(pod.number);
        set(&mut status, "podIP", json!(address));
        set(&mut status, "podIPs", json!([{"ip": address}]));
    }
    status
}

/// Address of the pod with a number.
pub fn address(number: u32) -> String {
    format!("100.{}.{}.{}", 64 + number % 60, number / 250 % 250, number % 250 + 2)
}
