//! The same requests to a real kube-apiserver and to the simulator.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::answers::{message, shape};
use crate::processes::{assets, say};
use crate::real_server::RealServer;
use crate::requests::{Request, all, intended};
use crate::server::{Answer, Server};
use crate::simulated_server::SimulatedServer;

/// Minimum number of requests to compare.
const LEAST: usize = 300;

/// The result on one server.
struct Outcome {
    answer: Answer,
    /// The object at the path afterwards, and whether the request changed it.
    after: Value,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sim_the_simulator_answers_as_kube_apiserver_does() {
    let Some(assets) = assets() else { return };
    let requests = all();
    let mut workloads = String::new();
    for (number, request) in requests.iter().enumerate() {
        if let Some(lines) = &request.setup.workload {
            let namespace = namespace(number);
            write!(
                workloads,
                "[[projects.clusters.workloads]]\nnamespace = \"{namespace}\"\nname = \"app\"\n{lines}"
            )
            .unwrap();
        }
    }
    let nodes = 12 + requests.iter().filter(|request| request.setup.node).count();
    let simulated = SimulatedServer::start(nodes, &workloads).await;
    let real = RealServer::start(&assets).await;
    real.copy_from(&simulated.server).await;
    let names = node_names(&real.server).await;
    assert_eq!(names, node_names(&simulated.server).await);
    let mut names = names.into_iter();
    let intended = intended();
    let (mut equal, mut same_message, mut refusals) = (0, 0, 0);
    let mut report = String::new();
    let mut topics: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut unknown: Vec<&String> = intended.keys().collect();
    for (number, request) in requests.iter().enumerate() {
        let node = request.setup.node.then(|| names.next().unwrap());
        let mut outcomes = Vec::new();
        for server in [&real.server, &simulated.server] {
            outcomes.push(run(server, request, &namespace(number), node.as_deref()).await);
        }
        let [of_real, of_simulator] = &outcomes[..] else { unreachable!() };
        let shapes = [of_real, of_simulator]
            .map(|outcome| json!({"answer": shape(&outcome.answer), "after": outcome.after}));
        let agrees = shapes[0] == shapes[1];
        unknown.retain(|name| **name != request.name);
        let topic = topics.entry(&request.topic).or_default();
        topic.0 += 1;
        if agrees {
            equal += 1;
            topic.1 += 1;
        }
        if let Some(real_message) = message(&of_real.answer) {
            refusals += 1;
            same_message += usize::from(Some(real_message) == message(&of_simulator.answer));
        }
        match (agrees, intended.contains_key(&*request.name)) {
            (true, false) | (false, true) => {}
            (true, true) => writeln!(report, "EQUAL NOW: {}", request.name).unwrap(),
            (false, false) => {
                writeln!(report, "{}: {}", request.topic, request.name).unwrap();
                for (name, (shape, outcome)) in
                    ["real", "sim "].iter().zip(shapes.iter().zip(&outcomes))
                {
                    let message = message(&outcome.answer).unwrap_or_default();
                    writeln!(report, "  {name} {shape}\n       {message}").unwrap();
                }
            }
        }
    }
    if let Some(path) = std::env::var_os("CONTROL_PLANE_REPORT") {
        std::fs::write(path, &report).unwrap();
    }
    for (topic, (all, equal)) in topics {
        say(&format!("{topic}: {equal} of {all} equal"));
    }
    say(&format!(
        "{} requests compared, {equal} equal, {} differ as intended; {same_message} of {refusals} messages equal",
        requests.len(),
        intended.len()
    ));
    assert!(unknown.is_empty(), "intended differences of unknown requests: {unknown:?}");
    assert!(report.is_empty(), "{report}");
    assert!(requests.len() >= LEAST, "only {} requests", requests.len());
    assert!(equal * 10 >= requests.len() * 9, "{equal} of {} are equal", requests.len());
}

fn namespace(number: usize) -> String {
    format!("case-{number}")
}

async fn node_names(server: &Server) -> Vec<String> {
    let nodes = server.get("/api/v1/nodes").await.json();
    let items = nodes["items"].as_array().unwrap();
    items.iter().map(|node| node["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

async fn run(server: &Server, request: &Request, namespace: &str, node: Option<&str>) -> Outcome {
    let mut words = words(server, request, namespace, node).await;
    for template in &request.first {
        let answer = server.send(&template.fill(&words)).await.json();
        for (word, pointer) in [
            ("continue", "/metadata/continue"),
            ("version", "/metadata/resourceVersion"),
            ("token", "/status/token"),
        ] {
            if let Some(value) = answer.pointer(pointer).and_then(Value::as_str) {
                words.insert(word.to_owned(), value.to_owned());
            }
        }
    }
    let call = request.call.fill(&words);
    let object = object_path(&call.path);
    let writes = call.method != "GET" && object.is_some();
    let path = object.unwrap_or_default();
    let before = if writes { server.get(&path).await.json() } else { Value::Null };
    let answer = server.send(&call).await;
    if !writes {
        return Outcome { answer, after: Value::Null };
    }
    let after = server.get(&path).await;
    let version = |object: &Value| object.pointer("/metadata/resourceVersion").cloned();
    let changed = version(&before) != version(&after.json());
    Outcome { answer, after: json!({"object": shape(&after), "changed": changed}) }
}

/// The path of a request's object, without subresource and query.
fn object_path(path: &str) -> Option<String> {
    let path = path.split('?').next()?;
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let start = match parts[..] {
        ["api", ..] => 2,
        ["apis", ..] => 3,
        _ => return None,
    };
    let named = match parts.get(start..)? {
        ["namespaces", _, _, _, ..] => start + 4,
        ["namespaces", _, _] => return None,
        [_, _, ..] => start + 2,
        _ => return None,
    };
    Some(format!("/{}", parts[..named].join("/")))
}

/// Values for the placeholders of a request, for one server.
async fn words(
    server: &Server,
    request: &Request,
    namespace: &str,
    node: Option<&str>,
) -> BTreeMap<String, String> {
    let mut words = BTreeMap::new();
    let mut put = |word: &str, value: &Value| {
        let text = value.as_str().unwrap_or("no-such-thing").to_owned();
        words.insert(word.to_owned(), text);
    };
    put("ns", &json!(namespace));
    let mut describe = |word: &str, object: &Value| {
        put(word, &object["metadata"]["name"]);
        put(&format!("{word}_uid"), &object["metadata"]["uid"]);
        put(&format!("{word}_rv"), &object["metadata"]["resourceVersion"]);
    };
    if let Some(node) = node {
        describe("node", &server.get(&format!("/api/v1/nodes/{node}")).await.json());
    }
    if request.setup.workload.is_some() {
        for (word, path) in [
            ("pdb", format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/app")),
            ("deploy", format!("/apis/apps/v1/namespaces/{namespace}/deployments/app")),
            ("sts", format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/app")),
        ] {
            describe(word, &server.get(&path).await.json());
        }
        let pods = server.get(&format!("/api/v1/namespaces/{namespace}/pods")).await.json();
        describe("pod", &pods["items"][0]);
        describe("pod2", &pods["items"][1]);
    }
    let list = server.get("/api/v1/nodes?limit=1").await.json();
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("1");
    let future = version.parse::<u64>().unwrap_or(1) + 1_000_000;
    put("now", &json!(version));
    put("future", &json!(future.to_string()));
    let first = server.get("/api/v1/namespaces/shop/pods?limit=1").await.json();
    put("shop_pod", &first["items"][0]["metadata"]["name"]);
    put("some_node", &first["items"][0]["spec"]["nodeName"]);
    words
}
