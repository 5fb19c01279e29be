//! Situations in which a roll is stuck, and what skeys reports about each. A new one is one table entry.

use serde_json::{Value, json};

/// A situation, created by real controllers in a separate namespace and on a separate node.
pub struct Situation {
    /// Name of its namespace.
    pub name: &'static str,
    /// Whether evicted pods can be rescheduled.
    pub has_room: bool,
    pub objects: Vec<Object>,
    /// Number of pods before the drain starts.
    pub pods: usize,
    /// Created after those pods.
    pub later: Vec<Object>,
    /// Texts of one blocker of the situation, after the drain and some minutes.
    pub says: &'static [&'static str],
    /// Texts that no blocker of the situation contains then.
    pub hides: &'static [&'static str],
}

/// An object in the situation's namespace; those with pods are named `app`.
pub enum Object {
    /// Its replicas, and additions to the pod template.
    Deployment(usize, Value),
    Job(Value),
    Pod(Value),
    /// A PodDisruptionBudget with a name and a rule, for the pods of `app`.
    Budget(&'static str, Value),
    /// A webhook of a kind, called before a resource is created, whose service does not exist.
    DeadWebhook(&'static str, &'static str),
    /// The same, but it denies.
    DenyingWebhook(&'static str, &'static str),
}

use Object::{Budget, DeadWebhook, DenyingWebhook, Deployment, Job, Pod};

/// Pods with this kubelet behaviour.
fn pods_that(conduct: &str) -> Value {
    json!({"metadata": {"labels": {"example.org/kubelet": conduct}}})
}

const VALIDATING: &str = "ValidatingWebhookConfiguration";
const MUTATING: &str = "MutatingWebhookConfiguration";

/// The table. Names of situations start with the ID of their fault.
#[expect(clippy::too_many_lines, reason = "it is a table")]
pub fn situations() -> Vec<Situation> {
    let plain = Value::Null;
    let base = || Situation {
        name: "",
        has_room: true,
        objects: Vec::new(),
        pods: 1,
        later: Vec::new(),
        says: &[],
        hides: &[],
    };
    let mut day = pods_that("stays");
    day["spec"]["terminationGracePeriodSeconds"] = json!(86_400);
    let mut finalized = pods_that("finishes");
    finalized["metadata"]["finalizers"] = json!(["example.org/keep"]);
    let own_rule = |rule: &str, value: Value| Budget("app", json!({rule: value}));
    vec![
        Situation {
            name: "k8s-16-grace",
            objects: vec![Deployment(1, day)],
            says: &[
                "has a long termination grace period",
                "may take another 23h",
                "The drain is forced in 1h",
                "Unblocks when the pod exits.",
            ],
            ..base()
        },
        Situation {
            name: "k8s-17-finalizer",
            objects: vec![Job(finalized)],
            says: &[
                "is stuck in Terminating",
                "; finalizers: example.org/keep",
                "Unblocks when the owner of the finalizer removes it.",
            ],
            ..base()
        },
        Situation {
            name: "k8s-18-dead-webhook",
            objects: vec![Deployment(1, plain.clone())],
            later: vec![DeadWebhook(VALIDATING, "pods/eviction")],
            says: &[
                "webhooks may deny the eviction of pod k8s-18-dead-webhook/app-",
                "Called for evictions: ValidatingWebhookConfiguration k8s-18-dead-webhook.",
                "Service k8s-18-dead-webhook/guard has no endpoints.",
                "To unblock: fix the webhook, or remove pods/eviction from its rules.",
            ],
            ..base()
        },
        Situation {
            name: "k8s-18-denied",
            objects: vec![Deployment(1, plain.clone())],
            later: vec![DenyingWebhook(VALIDATING, "pods/eviction")],
            says: &[
                "webhooks may deny the eviction of pod k8s-18-denied/app-",
                "Called for evictions: ValidatingWebhookConfiguration k8s-18-denied.",
                "To unblock: fix the webhook, or remove pods/eviction from its rules.",
            ],
            hides: &["has no endpoints"],
            ..base()
        },
        Situation {
            name: "k8s-19-unready",
            objects: vec![Deployment(2, pods_that("crashes")), own_rule("minAvailable", json!(1))],
            pods: 2,
            says: &[
                "PodDisruptionBudget k8s-19-unready/app allows no evictions now",
                "needs 1 healthy, has 0. These pods are not ready (CrashLoopBackOff).",
                "Unblocks when one more replica is ready.",
                "With unhealthyPodEvictionPolicy AlwaysAllow the PDB does not block pods that are not ready.",
            ],
            ..base()
        },
        Situation {
            name: "k8s-20-no-room",
            has_room: false,
            objects: vec![Deployment(2, plain.clone()), own_rule("minAvailable", json!(1))],
            pods: 2,
            says: &[
                "PodDisruptionBudget k8s-20-no-room/app allows no evictions now",
                "Replica k8s-20-no-room/app-",
                "cannot be scheduled: 0/",
                "Unblocks when one more replica is ready.",
            ],
            hides: &["Deleting the pod bypasses the PDB"],
            ..base()
        },
        Situation {
            name: "k8s-20-rejected",
            objects: vec![Deployment(2, plain.clone()), own_rule("minAvailable", json!(1))],
            pods: 2,
            later: vec![DeadWebhook(MUTATING, "pods")],
            says: &[
                "PodDisruptionBudget k8s-20-rejected/app allows no evictions",
                "The API server rejects new pods of the namespace: webhook service k8s-20-rejected/guard has no endpoints.",
            ],
            hides: &["Deleting the pod bypasses the PDB"],
            ..base()
        },
        Situation {
            name: "k8s-20-denied",
            objects: vec![Deployment(2, plain.clone()), own_rule("minAvailable", json!(1))],
            pods: 2,
            later: vec![DenyingWebhook(VALIDATING, "pods")],
            says: &[
                "PodDisruptionBudget k8s-20-denied/app allows no evictions",
                "Controller k8s-20-denied/app-",
                "cannot create a replica: Error creating: admission webhook",
            ],
            hides: &["Deleting the pod bypasses the PDB"],
            ..base()
        },
        Situation {
            name: "k8s-30-unmanaged",
            objects: vec![Pod(plain.clone()), own_rule("maxUnavailable", json!(1))],
            says: &[
                "the PDB counts no pods; its pods have no controller.",
                "To unblock: delete the PDB, or manage its pods with a controller.",
            ],
            // Nothing replaces it.
            hides: &["ready replica", "Deleting the pod"],
            ..base()
        },
        Situation {
            name: "k8s-30-no-scale",
            objects: vec![Job(plain.clone()), own_rule("maxUnavailable", json!(1))],
            says: &[
                "the PDB has no computed status.",
                "To unblock: fix or delete the PDB; its controller reports: jobs.batch does not implement the scale subresource.",
            ],
            hides: &["ready replica"],
            ..base()
        },
        Situation {
            name: "k8s-31-edited",
            objects: vec![Deployment(1, plain.clone()), own_rule("minAvailable", json!(1))],
            says: &[
                "PodDisruptionBudget k8s-31-edited/app allows no evictions",
                "needs 1 healthy, has 1 of 1.",
                "To unblock: add one ready replica, or relax the PDB.",
            ],
            ..base()
        },
        Situation {
            name: "k8s-36-unready",
            objects: vec![
                Deployment(2, pods_that("crashes")),
                own_rule("maxUnavailable", json!(1)),
            ],
            pods: 2,
            says: &[
                "needs 1 healthy, has 0. These pods are not ready (CrashLoopBackOff).",
                "To unblock: repair or delete one pod that is not ready, or relax the PDB. More replicas do not help",
            ],
            ..base()
        },
        Situation {
            name: "k8s-36-none",
            objects: vec![Deployment(2, plain.clone()), own_rule("maxUnavailable", json!(0))],
            pods: 2,
            says: &["To unblock: relax the PDB; maxUnavailable 0 allows no evictions."],
            hides: &["add one ready replica"],
            ..base()
        },
        Situation {
            name: "several-budgets",
            objects: vec![
                Deployment(1, plain),
                own_rule("minAvailable", json!(0)),
                Budget("other", json!({"maxUnavailable": 1})),
            ],
            says: &[
                "is covered by 2 PodDisruptionBudgets (app, other) and cannot be evicted.",
                "To unblock: change the PDBs so that only one covers the pod.",
            ],
            ..base()
        },
    ]
}
