//! Stuck rolls: creates each situation of the table, and checks what skeys reports about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skeys::testing::Clock;
use skeys::testing::app::nodes::blocker_text::{brief, fix, why};
use skeys::testing::app::nodes::observed::ObservedCluster;
use skeys::testing::app::nodes::text::timeline_event;
use skeys::testing::app::now::Now;
use skeys::testing::clients::auth::{TokenSource, access_token};
use skeys::testing::clients::http::Http;
use skeys::testing::clients::kubernetes::{ObserverTarget, observe};
use skeys::testing::clients::ske::SkeClient;
use skeys::testing::domain::cluster::{Cluster, ClusterId};
use skeys::testing::domain::roll::Blocker;
use skeys::testing::domain::secret::Secret;
use skeys::testing::domain::snapshot::ObserverEvent;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;

use crate::machines::{Machines, ZONES, items, until};
use crate::processes::{SharedPlane, assets};
use crate::screen::completed;
use crate::server::Server;
use crate::situations::{Object, Situation, situations};
use crate::ske::{CLUSTER, PROJECT, Rotation, Ske};
use crate::webhook::serve_denials;
use crate::workloads::{create, create_namespace, deploy, limit, merge, template};

/// Blockers are evaluated as of this much later: some count only after minutes.
const LATER: SignedDuration = SignedDuration::from_mins(5);
/// How long ago drains started.
const DRAINING_FOR: SignedDuration = SignedDuration::from_mins(4);

const STEP: Duration = Duration::from_millis(500);
const LIMIT: Duration = Duration::from_mins(3);
/// The situation whose budget is edited while it blocks.
const EDITED: &str = "k8s-31-edited";

fn label(situation: &Situation) -> String {
    format!("example.org/{}", situation.name)
}

async fn create_object(admin: &Server, situation: &Situation, object: &Object) {
    let namespace = situation.name;
    let place = |more: &Value| {
        let mut pod = json!({"spec": {"nodeSelector": {label(situation): "true"}}});
        merge(&mut pod, more);
        pod
    };
    match object {
        Object::Deployment(replicas, pod) => {
            deploy(admin, (namespace, "app"), *replicas, &place(pod)).await;
        }
        Object::Job(pod) => {
            let mut pod = template("app", &place(pod));
            pod["spec"]["restartPolicy"] = json!("Never");
            let job = json!({"metadata": {"name": "app"}, "spec": {"template": pod}});
            create(admin, &format!("/apis/batch/v1/namespaces/{namespace}/jobs"), &job).await;
        }
        Object::Pod(pod) => {
            let mut pod = template("app", &place(pod));
            pod["metadata"]["name"] = json!("app-0");
            create(admin, &format!("/api/v1/namespaces/{namespace}/pods"), &pod).await;
        }
        Object::Budget(name, rule) => {
            let mut rule = rule.clone();
            rule["selector"] = json!({"matchLabels": {"app": "app"}});
            limit(admin, (namespace, name), &rule).await;
        }
        Object::DeadWebhook(kind, resource) => {
            let service = json!({"service": {"namespace": namespace, "name": "guard"}});
            create_webhook(admin, namespace, (kind, resource), service).await;
        }
        Object::DenyingWebhook(kind, resource) => {
            create_webhook(admin, namespace, (kind, resource), serve_denials().await).await;
        }
    }
}

async fn create_webhook(
    admin: &Server,
    namespace: &str,
    (kind, resource): (&str, &str),
    client: Value,
) {
    let rule = json!({
        "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": [resource],
    });
    let webhook = json!({
        "name": format!("{namespace}.example.org"), "clientConfig": client, "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
        "failurePolicy": "Fail", "sideEffects": "None", "admissionReviewVersions": ["v1"],
    });
    let configuration = json!({"metadata": {"name": namespace}, "webhooks": [webhook]});
    let path = format!("/apis/admissionregistration.k8s.io/v1/{}s", kind.to_lowercase());
    create(admin, &path, &configuration).await;
}

/// Creates a situation up to the drain; returns the node to drain.
async fn prepare(plane: &SharedPlane, machines: &Machines, situation: &Situation) -> String {
    let admin = plane.admin();
    let node = machines.add(1, ZONES[0], json!({label(situation): "true"})).await;
    create_namespace(&admin, situation.name).await;
    for object in &situation.objects {
        create_object(&admin, situation, object).await;
    }
    let path = format!("/api/v1/namespaces/{}/pods", situation.name);
    until(&format!("{} pods of {}", situation.pods, situation.name), async || {
        let pods = items(&admin.get(&path).await);
        let is_placed = |pod: &&Value| pod["status"]["phase"] != "Pending";
        (pods.iter().filter(is_placed).count() == situation.pods).then_some(())
    })
    .await;
    for object in &situation.later {
        create_object(&admin, situation, object).await;
    }
    node
}

/// The view of skeys on a cluster.
struct Seen {
    cluster: Cluster,
    observed: ObservedCluster,
    events: mpsc::UnboundedReceiver<ObserverEvent>,
    clock: Clock,
    task: AbortHandle,
}

impl Drop for Seen {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A client of SKE, and the cluster as read by it.
pub async fn read_cluster(ske: &Ske) -> (SkeClient, Cluster) {
    let clock = Clock::machine();
    let http = Http::new(clock.clone(), None).unwrap();
    let token = access_token::source(Secret::new("token".to_owned()), "STACKIT_ACCESS_TOKEN");
    let tokens = TokenSource::new(token, http.clone(), clock).unwrap();
    let client = SkeClient::new(&ske.url, http, tokens).unwrap();
    let id = ClusterId::new(PROJECT, "eu01", CLUSTER);
    let cluster = client.get(&id).await.unwrap().cluster;
    (client, cluster)
}

impl Seen {
    async fn of(ske: &Ske) -> Self {
        let clock = Clock::machine();
        let (client, cluster) = read_cluster(ske).await;
        let id = cluster.id.clone();
        let (readings, receiver) = watch::channel(cluster.clone());
        let (sender, events) = mpsc::unbounded_channel();
        let target = ObserverTarget {
            cluster: receiver,
            ske_on_loopback: client.is_on_loopback(),
            may_disable_static_tokens: false,
        };
        let issue = move || {
            let (client, id) = (client.clone(), id.clone());
            async move { client.issue_short_lived(&id).await }
        };
        let own_clock = clock.clone();
        let task = tokio::spawn(async move {
            let _readings = readings;
            observe(target, issue, own_clock, move |event| drop(sender.send(event))).await;
        });
        let observed = ObservedCluster::default();
        Self { cluster, observed, events, clock, task: task.abort_handle() }
    }

    fn now(&self) -> Now {
        Now { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// Since when a node is blocked.
    fn blocked_since(&self, node: &str) -> Option<Timestamp> {
        let blockers = &self.observed.roll.as_ref()?.blockers;
        let blocks = |blocker: &&Blocker| {
            blocker.blocks_drain() && blocker.node.as_ref().is_some_and(|name| name.full == node)
        };
        blockers.iter().find(blocks)?.since.map(|since| since.at)
    }

    /// Number of timeline entries that contain both texts.
    fn told(&self, what: &str, whom: &str) -> usize {
        // Names in the timeline start at the pool.
        let whom = whom.strip_prefix("shoot--f00--alpha-").unwrap_or(whom);
        let entries = self.observed.tracker.timeline().entries();
        let texts = entries.map(|entry| timeline_event(&entry.what));
        texts.filter(|text| text.contains(what) && text.contains(whom)).count()
    }

    /// The texts about each node or namespace, some minutes from now.
    fn sentences(&mut self) -> Vec<(String, String)> {
        while let Ok(event) = self.events.try_recv() {
            let now = self.now();
            self.observed.take_event(&self.cluster, event, now);
        }
        let mut later = self.now();
        later.wall += LATER;
        let mut observed = self.observed.clone();
        observed.evaluate(&self.cluster, later);
        let blockers = observed.roll.map(|roll| roll.blockers).unwrap_or_default();
        let text = |blocker| {
            let fix = fix(blocker);
            format!("{}. {} {fix}", brief(blocker), why(blocker, later.wall))
        };
        let node = |blocker: &Blocker| {
            blocker.node.as_ref().map(|node| node.full.clone()).unwrap_or_default()
        };
        blockers.iter().map(|blocker| (node(blocker), text(blocker))).collect()
    }
}

/// The mismatch between a situation and the texts about it, if any.
fn complaint(situation: &Situation, node: &str, sentences: &[(String, String)]) -> Option<String> {
    let own: Vec<&String> = sentences
        .iter()
        .filter(|(of, text)| of == node || text.contains(&format!("{}/", situation.name)))
        .map(|(_, text)| text)
        .collect();
    let says = own.iter().any(|text| situation.says.iter().all(|part| text.contains(part)));
    let hides = !own.iter().any(|text| situation.hides.iter().any(|part| text.contains(part)));
    let name = situation.name;
    (!says || !hides).then(|| format!("{name}: {:#?} instead of {:#?}", own, situation.says))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_16_k8s_17_k8s_18_k8s_19_k8s_20_k8s_30_k8s_31_k8s_36_stuck_rolls_are_named() {
    let Some(assets) = assets() else { return };
    let plane = SharedPlane::with_controllers(&assets, &[]).await;
    let machines: Arc<Machines> = Machines::start(&plane);
    let situations = situations();
    let initiated = Timestamp::now() - SignedDuration::from_mins(10);
    let rotation = Rotation { phase: "PREPARING", initiated: Some(initiated), ..completed() };
    let ske = Ske::serve(plane.clone(), situations.len(), rotation).await;
    machines.describe(2).await;
    let prepared = situations.iter().map(|situation| prepare(&plane, &machines, situation));
    let nodes: Vec<String> = futures_util::future::join_all(prepared).await;
    // From now on, evicted pods that have room can be rescheduled.
    let room: BTreeMap<String, &str> = situations
        .iter()
        .filter(|situation| situation.has_room)
        .map(|situation| (label(situation), "true"))
        .collect();
    machines.add(2, ZONES[1], json!(room)).await;
    let mut seen = Seen::of(&ske).await;
    for node in &nodes {
        machines.mark_old(node).await;
        machines.begin_drain(node, Timestamp::now() - DRAINING_FOR).await;
    }
    let (start, mut rounds) = (Instant::now(), 0);
    // It must be stable for a while: some of it would also be reported before a successful eviction.
    while rounds < 4 {
        for node in &nodes {
            machines.evict(node).await;
        }
        tokio::time::sleep(STEP).await;
        let sentences = seen.sentences();
        let complaints: Vec<String> = situations
            .iter()
            .zip(&nodes)
            .filter_map(|(situation, node)| complaint(situation, node, &sentences))
            .collect();
        rounds = if complaints.is_empty() { rounds + 1 } else { 0 };
        assert!(start.elapsed() < LIMIT, "{}\n{sentences:#?}", complaints.join("\n"));
    }
    let edited = situations.iter().position(|situation| situation.name == EDITED).unwrap();
    edit_while_it_blocks(&plane.admin(), &machines, &mut seen, &nodes[edited]).await;
}

/// Edits a budget twice while it blocks: the first edit changes nothing, the second unblocks the pod.
async fn edit_while_it_blocks(admin: &Server, machines: &Machines, seen: &mut Seen, node: &str) {
    let path = format!("/apis/policy/v1/namespaces/{EDITED}/poddisruptionbudgets/app");
    let since = seen.blocked_since(node).unwrap();
    let edit = async |least: Value| {
        let patch = json!({"spec": {"minAvailable": least}});
        assert_eq!(admin.write("PATCH", &path, "merge-patch+json", &patch).await.code, 200);
    };
    edit(json!("100%")).await;
    until("the rule of the edited budget", async || {
        let sentences = seen.sentences();
        // Whatever is known of its status in between, it has blocked since the same time.
        assert_eq!(seen.blocked_since(node), Some(since), "{sentences:#?}");
        let rule = "To unblock: relax the PDB; minAvailable 100% allows no evictions.";
        sentences.iter().any(|(of, text)| of == node && text.contains(rule)).then_some(())
    })
    .await;
    assert_eq!(seen.told("blocked by PodDisruptionBudget", EDITED), 1);
    assert_eq!(seen.told("unblocked", node), 0);
    edit(json!(0)).await;
    until("a node that is unblocked", async || {
        machines.evict(node).await;
        seen.sentences();
        (seen.blocked_since(node).is_none() && seen.told("unblocked", node) == 1).then_some(())
    })
    .await;
}
