//! Renders services, their endpoints, and the webhooks that they serve as JSON.

use serde_json::{Value, json};

use crate::simulator::cluster::objects::{
    ObjectKey, ObjectMeta, StoredEndpoint, StoredService, StoredWebhook,
};
use crate::simulator::kubernetes::object_view::ObjectView;
use crate::simulator::kubernetes::render_pod::address;

/// Address of a service.
pub fn service_address(number: u32) -> String {
    format!("100.104.{}.{}", number / 250 % 250, number % 250 + 2)
}

/// `spec` and `status` of a service.
pub fn service(service: &StoredService) -> Value {
    let address = service_address(service.number);
    json!({
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None", "internalTrafficPolicy": "Cluster",
            "selector": {"app": &*service.app},
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 8443}],
        },
        "status": {"loadBalancer": {}},
    })
}

/// An EndpointSlice without metadata. A real server writes no endpoints as null.
pub fn endpoints(meta: &ObjectMeta, endpoints: &[StoredEndpoint], view: &ObjectView) -> Value {
    let shown = |one: &StoredEndpoint| {
        json!({
            "addresses": [address(one.number)], "nodeName": view.node_name(&one.node),
            "conditions": {
                "ready": one.serving && !one.terminating, "serving": one.serving, "terminating": one.terminating,
            },
            "targetRef": {"kind": "Pod", "namespace": &*meta.key.namespace, "name": &*one.pod},
        })
    };
    let (endpoints, ports) = if endpoints.is_empty() {
        (Value::Null, Value::Null)
    } else {
        let ports = json!([{"name": "https", "port": 8443, "protocol": "TCP"}]);
        (endpoints.iter().map(shown).collect(), ports)
    };
    json!({"addressType": "IPv4", "endpoints": endpoints, "ports": ports})
}

/// A webhook configuration without metadata.
pub fn webhook(meta: &ObjectMeta, webhook: &StoredWebhook) -> Value {
    let ObjectKey { namespace, name } = &webhook.service;
    json!({"webhooks": [{
        "name": format!("{}.example.com", meta.key.name),
        "admissionReviewVersions": ["v1"], "sideEffects": "None", "timeoutSeconds": 10,
        "failurePolicy": &*webhook.failure_policy, "matchPolicy": "Equivalent",
        "namespaceSelector": {}, "objectSelector": {},
        "clientConfig": {"service": {
            "namespace": &**namespace, "name": &**name, "path": "/validate", "port": 443,
        }},
        "rules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["nodes"], "scope": "*",
        }],
    }]})
}
