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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn file_01_a_kubeconfig_beyond_the_limit_for_files_is_not_saved_and_the_old_one_stays_whole()
{
    let cloud = Cloud::begin().await;
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".kube");
    std::fs::create_dir(&folder).unwrap();
    // Larger than the limit, which is 100 or 200 KiB, depending on the shell.
    let old = "apiVersion: v1\nkind: Config\n".to_owned()
        + &format!("# {}\n", "x".repeat(1_000)).repeat(300);
    std::fs::write(folder.join("config"), &old).unwrap();
    let script = format!("ulimit -f 200; exec '{SKEYS}'");
    let words = ["sh", "-c", &script];
    let mut terminal = Terminal::run_in(home, &words, 140, 40, &cloud.environment(&[]));
    terminal.until("5 clusters");
    terminal.send(b"/alpha\rK");
    terminal.until("New kubeconfig");
    terminal.until("mode 0644 becomes 0600");
    // Buttons that have just appeared ignore keys.
    std::thread::sleep(std::time::Duration::from_millis(600));
    terminal.send(b"\x0f");
    terminal.until("config.skeys-backup: writing failed: File too large");
    terminal.until("The kubeconfig is issued and held in memory");
    assert_eq!(std::fs::read_to_string(folder.join("config")).unwrap(), old);
    let left = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(left.collect::<Vec<_>>(), ["config"], "neither a part of it nor a lock");
    // A smaller file takes it.
    std::thread::sleep(std::time::Duration::from_millis(600));
    terminal.send(b"\r");
    terminal.until("The kubeconfig is issued but not saved yet.");
    // From Cancel back to the destinations.
    terminal.send(b"\x1b[Z\x1b[Z\x1b[Z\x1b[B");
    terminal.until("(\u{2022}) file");
    terminal.send(b"\x0f");
    terminal.until("Kubeconfig of alpha \u{2192} ~/.kube/ske/alpha.yaml");
    assert!(folder.join("ske/alpha.yaml").exists());
    terminal.send(b"\x03");
    assert_eq!(terminal.end_restored(), 0);
}

#[test]
fn cli_06_output_beyond_the_limit_for_files_is_told_and_has_a_status_of_its_own() {
    let home = tempfile::tempdir().unwrap();
    let script = format!("ulimit -f 0; exec '{SKEYS}' config check > out");
    let shell = std::process::Command::new("sh")
        .args(["-c", &script])
        .env_clear()
        .env("HOME", home.path())
        .current_dir(home.path())
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&shell.stderr);
    assert_eq!(shell.status.code(), Some(74), "{err}");
    assert!(err.contains("could not print: File too large"), "{err}");
}
