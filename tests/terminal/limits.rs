//! Limits of the machine: few file descriptors.

use skeys::testing::simulator::scene::Scene;

use crate::support::{Cloud, SKEYS, Terminal};

const CLUSTERS: usize = 2_000;

fn below_limit(cloud: &Cloud, descriptors: u32) -> Terminal {
    let projects = cloud.simulator.projects().into_iter().map(|(id, _name)| id);
    let projects = projects.collect::<Vec<_>>().join(",");
    let more = [
        ("SKEYS_PROJECTS", projects.as_str()),
        ("SKEYS_REGIONS", "eu01,eu02"),
        ("SKEYS_POLL_CONCURRENCY", "32"),
    ];
    let script = format!("ulimit -n {descriptors}; exec '{SKEYS}'");
    Terminal::run(&["sh", "-c", &script], 140, 40, &cloud.environment(&more))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn res_01_a_large_fleet_is_listed_with_256_file_descriptors() {
    let cloud = Cloud::of(Scene::generated(CLUSTERS, 200, 7)).await;
    let mut terminal = below_limit(&cloud, 256);
    terminal.until("2000 clusters");
    if cfg!(target_os = "linux") {
        let descriptors = format!("/proc/{}/fd", terminal.id().as_raw_nonzero());
        let links = std::fs::read_dir(descriptors).unwrap().flatten();
        let open: Vec<_> = links.filter_map(|link| std::fs::read_link(link.path()).ok()).collect();
        // 32 lists, 8 idle connections, and 17 watches for each of 6 clusters, which the simulator serves over HTTP/1.
        assert!(open.len() < 160, "{} are open: {open:?}", open.len());
    }
    assert!(!terminal.screen().contains("open files"), "{}", terminal.screen());
    terminal.send(b"q");
    assert_eq!(terminal.end_restored(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn res_01_too_few_file_descriptors_are_a_sentence() {
    let cloud = Cloud::of(Scene::generated(20, 2, 7)).await;
    for descriptors in [8, 12, 16, 18, 20, 22, 24, 28] {
        let terminal = below_limit(&cloud, descriptors);
        terminal.wait_for("rows or a sentence", |screen| {
            let text = screen.contents().replace('\n', " ");
            text.contains("20 clusters") || text.to_lowercase().contains("many open files")
        });
        let text = String::from_utf8_lossy(&terminal.bytes()).into_owned();
        assert!(!text.contains("panicked"), "{descriptors}: {text}");
    }
}
