//! Servers that send endlessly: keys, quitting and signals always work.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use skeys::testing::simulator::faults::Fault;

use crate::support::{Cloud, SKEYS, Terminal};

/// Limit for ending, whatever a server sends: two seconds, plus the overhead of a busy machine.
const SOON: Duration = Duration::from_secs(3);

fn answer(path: &str, after: u32, body: &str) -> Fault {
    serde_json::from_value(serde_json::json!({
        "method": "GET", "path": path, "after": after,
        "effect": {"answer": {"status": 200, "body": body}},
    }))
    .unwrap()
}

/// Runs it until it has sent some requests that are answered endlessly, opens the help, and ends it.
fn keys_and_signals_work(cloud: &Cloud, what: &str, more: &[(&str, &str)], path: &str) {
    for signal in [None, Some(Signal::TERM)] {
        let asked = || {
            let log = cloud.simulator.request_log();
            log.iter().filter(|request| request.path.contains(path)).count()
        };
        let before = asked();
        // No background colour query: keys before its response are lost.
        let more: Vec<_> = more.iter().copied().chain([("SKEYS_DISPLAY_THEME", "dark")]).collect();
        let mut terminal = Terminal::run(&[SKEYS], 120, 36, &cloud.environment(&more));
        terminal.wait_for(what, |_| asked() > before + 1);
        let start = Instant::now();
        terminal.send(b"?");
        terminal.until("select the columns");
        assert!(start.elapsed() < SOON, "{what}: a key takes {:?}", start.elapsed());
        let start = Instant::now();
        match signal {
            None => terminal.send(b"\x03"),
            Some(signal) => terminal.signal(signal),
        }
        terminal.end_restored();
        assert!(start.elapsed() < SOON, "{what}, {signal:?}: the end takes {:?}", start.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_28_keys_and_signals_work_whatever_a_list_contains() {
    let cluster = |more: &str| {
        format!(
            "{{\"items\":[{{\"name\":\"a\",\"status\":{{\"aggregated\":\"STATE_HEALTHY\"}}{more}}}]}}"
        )
    };
    let many = |count: usize, item: &dyn Fn(usize) -> String| {
        (0..count).map(item).collect::<Vec<_>>().join(",")
    };
    let errors = many(200_000, &|at| format!("{{\"code\":\"E{at}\",\"message\":\"m{at}\"}}"));
    let errors =
        format!(",\"status\":{{\"aggregated\":\"STATE_UNHEALTHY\",\"errors\":[{errors}]}}");
    let pools = many(5_000_000, &|_| "{}".to_owned());
    let named = |at: usize| format!("{{\"name\":\"c-{at}\"}}");
    let fields = many(500_000, &|at| format!("\"f{at}\":{at}"));
    for (what, body) in [
        ("200,000 errors", cluster(&errors)),
        ("5 million pools", cluster(&format!(",\"nodepools\":[{pools}]"))),
        ("100,000 clusters", format!("{{\"items\":[{}]}}", many(100_000, &named))),
        ("500,000 fields", cluster(&format!(",{fields}"))),
        ("one text of 20 MB", cluster(&format!(",\"x\":\"{}\"", "\\u001b".repeat(3_500_000)))),
        ("arrays in arrays", format!("{{\"items\":{}", "[".repeat(20_000_000))),
    ] {
        let cloud = Cloud::begin().await;
        cloud.simulator.inject_fault(answer("/clusters", 0, &body));
        keys_and_signals_work(&cloud, what, &[("SKEYS_REGIONS", "eu01,eu02")], "/clusters");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_30_keys_and_signals_work_while_a_watch_adds_nodes_without_end() {
    let cloud = Cloud::begin().await;
    let node = |at: usize| {
        format!(
            "{{\"type\":\"ADDED\",\"object\":{{\"kind\":\"Node\",\"apiVersion\":\"v1\",\"metadata\":\
             {{\"name\":\"n-{at}\",\"uid\":\"u-{at}\",\"resourceVersion\":\"{}\"}}}}}}\n",
            1_000_000 + at
        )
    };
    let nodes: String = (0..200_000).map(node).collect();
    // The fault skips the first list.
    cloud.simulator.inject_fault(answer("kubernetes/delta/api/v1/nodes", 1, &nodes));
    let more = [("SKEYS_KUBERNETES_WATCH", "running")];
    keys_and_signals_work(&cloud, "200,000 nodes", &more, "delta/api/v1/nodes");
}
