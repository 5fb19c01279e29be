//! Predictions of `skeys credentials` for real credentials, and their actual fate.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use skeys::testing::cli::{ConfigSources, CredentialsOf, Flags, Format, credentials, load};
use skeys::testing::simulator::faults::{Fault, FaultEffect};
use skeys::testing::simulator::rules::ClusterOperation;

use crate::credentials::{CLUSTER, authorities, does, issue_token, pinning, token_of};
use crate::support::{Cloud, PROJECT, client, with_token};

/// The report of a cluster, with this machine's clock `ahead` seconds ahead of SKE's.
pub async fn report(cloud: &Cloud, home: &Path, ahead: i64) -> (Value, u8) {
    let (out, _, status) = output(cloud, home, ahead, "eu01").await;
    (serde_json::from_str(&out).unwrap(), status)
}

/// What is printed where the cluster is searched in these regions.
async fn output(cloud: &Cloud, home: &Path, ahead: i64, regions: &str) -> (String, String, u8) {
    let mut variables: BTreeMap<&str, String> = cloud.exports.clone();
    variables.insert("SKEYS_PROJECTS", PROJECT.to_owned());
    variables.insert("SKEYS_REGIONS", regions.to_owned());
    let environment = |name: &str| variables.get(name).cloned();
    let sources = ConfigSources {
        environment: &environment,
        default_file: Some("/no/such/file".into()),
        home: Some(home.to_owned()),
    };
    let loaded = load(&Flags::default(), &sources).unwrap();
    let cluster = "legacy".parse().unwrap();
    let words = CredentialsOf { cluster, r#try: true, format: Format::Json };
    let clock = cloud.clock.set_ahead(SignedDuration::from_secs(ahead));
    let asked = credentials::run(&loaded, &sources, &words, (clock, None));
    let turning = async {
        loop {
            cloud.clock.turn(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let output = tokio::select! {
        report = asked => report.unwrap(),
        () = turning => unreachable!(),
    };
    (output.out, output.err, output.status)
}

/// The result of each trial agrees with the verdict.
fn check_trials(report: &Value) {
    for row in report["credentials"].as_array().unwrap() {
        let works = !["dead", "expired"].contains(&row["status"].as_str().unwrap());
        let is_plugin = row["kind"] == "stackit login";
        let tried = match works {
            _ if is_plugin => "not tried",
            true => "accepted",
            false => "refused",
        };
        assert_eq!(row["tried"], tried, "{report:#}");
        assert_eq!(row["contradicted"], false);
    }
}

/// The status of each file in the report.
fn statuses(report: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let credentials = report["credentials"].as_array().unwrap();
    let rows = credentials.iter().map(|row| (text(&row["file"]), text(&row["status"])));
    rows.map(|(file, status)| (file.replace("~/.kube/", "").replace(".yaml", ""), status)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_02_what_is_predicted_of_real_credentials_comes_true_whatever_the_clock_says() {
    for ahead in [0, 600, -600, 32_400, -32_400] {
        let cloud = Cloud::with(CLUSTER).await;
        let (_, old_way) = cloud.old_credentials("legacy").await;
        let old = cloud.kubeconfig("legacy").await;
        let admin = client(&old).await;
        let secret = token_of(&admin, "shop", "deployer-token").await;
        let requested = issue_token(&admin).await;
        cloud.begin("legacy", ClusterOperation::StartRotation);
        cloud.until("legacy", |cluster| cluster.phase == "PREPARED").await;
        let new = cloud.kubeconfig("legacy").await;
        let (newest, oldest) = (&authorities(&new)[0], &authorities(&old)[0]);
        let requested_after = issue_token(&client(&new).await).await;
        let texts = BTreeMap::from([
            ("static", old_way["kubeconfig"].as_str().unwrap().to_owned()),
            ("old", old.clone()),
            ("old-in-both", pinning_all(&old, &new)),
            ("new", new.clone()),
            ("new-to-old", pinning(&new, oldest)),
            ("secret", with_token(&new, &secret)),
            ("requested", with_token(&new, &requested)),
            ("requested-after", with_token(&new, &requested_after)),
            ("login-old", with_plugin(&old)),
            ("login-new", with_plugin(&new)),
        ]);
        // Plugins are not run: they would provide a current certificate.
        let used = |name: &str, text: &str| match name {
            "login-old" => pinning(&new, oldest),
            "login-new" => new.clone(),
            _ => text.to_owned(),
        };
        let home = tempfile::tempdir().unwrap();
        let kube = home.path().join(".kube");
        std::fs::create_dir(&kube).unwrap();
        for (name, text) in &texts {
            std::fs::write(kube.join(format!("{name}.yaml")), text).unwrap();
        }
        let (prepared, status) = report(&cloud, home.path(), ahead).await;
        let predicted = statuses(&prepared);
        check_trials(&prepared);
        assert_eq!(status, 3, "something breaks");
        let expected = [
            ("static", "dead"),
            ("old", "breaks_on_complete"),
            ("old-in-both", "breaks_on_complete"),
            ("new", "survives_complete"),
            ("new-to-old", "breaks_on_complete"),
            ("secret", "breaks_on_complete"),
            ("requested", "breaks_on_complete"),
            ("requested-after", "survives_complete"),
            ("login-old", "breaks_on_complete"),
            ("login-new", "survives_complete"),
        ];
        let expected = expected.map(|(name, status)| (name.to_owned(), status.to_owned()));
        assert_eq!(predicted, BTreeMap::from(expected), "{prepared:#}");
        for (name, text) in &texts {
            let works = does(&client(&used(name, text)).await).await == "works";
            assert_eq!(works, predicted[*name] != "dead", "{name} while PREPARED");
        }
        let tokens = prepared["in_cluster"]["tokens"].as_array().unwrap();
        assert!(tokens.iter().any(|token| token["secret"] == "deployer-token"), "{prepared:#}");

        cloud.begin("legacy", ClusterOperation::CompleteRotation);
        cloud.until("legacy", |cluster| cluster.phase == "COMPLETED").await;
        let (completed, _) = report(&cloud, home.path(), ahead).await;
        let told = statuses(&completed);
        check_trials(&completed);
        for (name, text) in &texts {
            let works = does(&client(&used(name, text)).await).await == "works";
            assert_eq!(works, predicted[*name] == "survives_complete", "{name} as predicted");
            let is_right = told[*name] == if works { "works" } else { "dead" };
            assert!(is_right, "{name} is {}, {completed:#}", told[*name]);
        }
        assert_eq!(newest, &authorities(&cloud.kubeconfig("legacy").await)[0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn k8s_29_a_certificate_that_the_cluster_signed_before_the_start_breaks_while_its_request_is_seen()
 {
    let scene = format!("{CLUSTER}certificate_requests = [\"ci-bot\"]\n");
    let cloud = Cloud::with(&scene).await;
    let old = cloud.kubeconfig("legacy").await;
    // The first access builds the cluster's data plane.
    assert_eq!(does(&client(&old).await).await, "works");
    cloud.begin("legacy", ClusterOperation::StartRotation);
    cloud.until("legacy", |cluster| cluster.phase == "PREPARED").await;
    let home = tempfile::tempdir().unwrap();
    let (prepared, status) = report(&cloud, home.path(), 0).await;
    assert_eq!(status, 3);
    let [found] = prepared["in_cluster"]["certificates"].as_array().unwrap().as_slice() else {
        panic!("{prepared:#}");
    };
    assert!(found["request"].as_str().unwrap().starts_with("ci-bot-"), "{prepared:#}");
    assert_eq!(
        (&found["requester"], &found["breaks_on_complete"]),
        (&"ci-bot".into(), &true.into())
    );
    // An hour later its request is gone, and so is any trace of it.
    cloud.clock.turn(Duration::from_hours(1));
    let (later, _) = report(&cloud, home.path(), 0).await;
    assert_eq!(later["in_cluster"]["certificates"], serde_json::json!([]));
}

/// A kubeconfig for the stackit CLI plugin.
fn with_plugin(kubeconfig: &str) -> String {
    let plugin = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, provideClusterInfo: true, command: stackit, args: [ske, kubeconfig, login]}";
    let cluster = format!(
        "extensions: [{{name: client.authentication.k8s.io/exec, extension: {{stackitProjectID: {PROJECT}, region: eu01, clusterName: legacy}}}}]"
    );
    with_token(kubeconfig, "none")
        .replace("token: none", plugin)
        .replace("    server:", &format!("    {cluster}\n    server:"))
}

/// The first kubeconfig with the CAs of the second.
fn pinning_all(kubeconfig: &str, other: &str) -> String {
    let field = |text: &str| {
        let is_it = |line: &&str| line.trim().starts_with("certificate-authority-data");
        text.lines().find(is_it).unwrap().to_owned()
    };
    kubeconfig.replace(&field(kubeconfig), &field(other))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cred_14_files_are_attributed_by_what_ske_issues_where_the_cluster_refuses_it() {
    let cloud = Cloud::with(CLUSTER).await;
    let old = cloud.kubeconfig("legacy").await;
    cloud.begin("legacy", ClusterOperation::StartRotation);
    cloud.until("legacy", |cluster| cluster.phase == "PREPARED").await;
    let home = tempfile::tempdir().unwrap();
    let kube = home.path().join(".kube");
    std::fs::create_dir(&kube).unwrap();
    let refused = FaultEffect::answer(401, r#"{"kind":"Status","code":401}"#);
    cloud.simulator.inject_fault(Fault::new("", "kubernetes/legacy/", None, refused));
    let (told, status) = report(&cloud, home.path(), 0).await;
    assert_eq!(status, 4, "the cluster was not checked: {told:#}");
    std::fs::write(kube.join("old.yaml"), &old).unwrap();
    let (told, status) = report(&cloud, home.path(), 0).await;
    assert_eq!(statuses(&told)["old"], "breaks_on_complete", "{told:#}");
    assert_eq!(status, 3, "{told:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_03_another_cluster_of_the_name_may_exist_where_none_can_be_listed() {
    let cloud = Cloud::with(CLUSTER).await;
    let forbidden = FaultEffect::answer(403, r#"{"code":"PermissionDenied","message":"no"}"#);
    cloud.simulator.inject_fault(Fault::new("GET", "/regions/eu02/", None, forbidden));
    let home = tempfile::tempdir().unwrap();
    let (_, err, _) = output(&cloud, home.path(), 0, "eu01,eu02").await;
    assert!(err.contains("another legacy may exist where clusters cannot be listed"), "{err}");
}
