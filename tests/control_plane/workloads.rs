//! User objects in a cluster.

use serde_json::{Value, json};

use crate::machines::{items, until};
use crate::server::Server;

/// Creates an object, as soon as the server accepts it.
pub async fn create(admin: &Server, path: &str, object: &Value) {
    until(&format!("{path}: {object}"), async || {
        let answer = admin.write("POST", path, "json", object).await;
        // The service account of a new namespace does not exist immediately.
        assert!(matches!(answer.code, 0 | 201 | 403 | 409), "{object}: {}", answer.json());
        matches!(answer.code, 201 | 409).then_some(())
    })
    .await;
}

/// Creates a namespace.
pub async fn create_namespace(admin: &Server, name: &str) {
    create(admin, "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
}

/// A pod's labels and spec, as part of a workload template.
pub fn template(name: &str, more: &Value) -> Value {
    let mut template = json!({
        "metadata": {"labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "containers": [{"name": "main", "image": "registry.example.org/main:1"}],
        },
    });
    merge(&mut template, more);
    template
}

/// Merges the fields of an object into another one.
pub fn merge(object: &mut Value, more: &Value) {
    match (object, more) {
        (Value::Object(object), Value::Object(more)) => {
            for (key, value) in more {
                merge(object.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (object, more) => *object = more.clone(),
    }
}

/// Creates a Deployment.
pub async fn deploy(admin: &Server, (namespace, name): (&str, &str), replicas: usize, pod: &Value) {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let spec = json!({
        "replicas": replicas, "selector": {"matchLabels": {"app": name}},
        "template": template(name, pod),
    });
    create(admin, &path, &json!({"metadata": {"name": name}, "spec": spec})).await;
}

/// Creates a PodDisruptionBudget for the pods of the workload with the same name.
pub async fn limit(admin: &Server, (namespace, name): (&str, &str), rule: &Value) {
    let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
    let mut spec = json!({"selector": {"matchLabels": {"app": name}}});
    merge(&mut spec, rule);
    create(admin, &path, &json!({"metadata": {"name": name}, "spec": spec})).await;
}

/// Waits until `count` pods of a workload are ready.
pub async fn until_ready(admin: &Server, (namespace, name): (&str, &str), count: usize) {
    let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector=app%3D{name}");
    let is_ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
        conditions.into_iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    until(&format!("{count} pods of {namespace}/{name}"), async || {
        let pods = items(&admin.get(&path).await);
        (pods.iter().filter(is_ready).count() == count).then_some(())
    })
    .await;
}

/// Waits until the status of a budget satisfies a condition.
pub async fn until_budget(
    admin: &Server,
    (namespace, name): (&str, &str),
    holds: impl Fn(&Value) -> bool,
) {
    let path = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/{name}");
    until(&format!("the status of the budget {namespace}/{name}"), async || {
        let budget = admin.get(&path).await.json();
        let is_observed =
            budget["status"]["observedGeneration"] == budget["metadata"]["generation"];
        (is_observed && holds(&budget["status"])).then_some(())
    })
    .await;
}
