//! A complete rotation in which CAs and signing keys really change, driven with the built program.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::kubeconfigs::{Verdict, request_token, try_context, try_identity, try_token};
use crate::machines::{Machines, ZONES, items, until};
use crate::matrix::{self, Matrix, STATIC_TOKEN};
use crate::processes::{ADMINS, SharedPlane, assets};
use crate::screen::{completed, in_background, press, until_right, until_said};
use crate::ske::{Rotation, Ske};
use crate::terminal::{SKEYS, Terminal};
use crate::workloads::{create_namespace, deploy, limit, until_budget, until_ready};

const API: (&str, &str) = ("payments", "api");
const SHOP: (&str, &str) = ("shop", "shop");
/// The user of the tried tokens.
const ACCOUNT: &str = "system:serviceaccount:default:default";

/// Waits until the row of a context shows a verdict.
#[track_caller]
fn until_verdict(terminal: &Terminal, context: &str, verdict: &str) {
    let context = format!(", context {context} ");
    terminal.wait_for(verdict, |screen| {
        screen.contents().lines().any(|line| line.contains(&context) && line.contains(verdict))
    });
}

/// A file with one static token of the API server.
fn tokens_file(token: &str) -> String {
    format!("{token},static,static,{ADMINS}\n")
}

async fn until_root_authorities(plane: &SharedPlane, count: usize) {
    let path = "/api/v1/configmaps?fieldSelector=metadata.name%3Dkube-root-ca.crt";
    until("the authorities in every namespace", async || {
        let maps = items(&plane.admin().get(path).await);
        let holds = |map: &Value| {
            map["data"]["ca.crt"]
                .as_str()
                .is_some_and(|text| text.matches("BEGIN").count() == count)
        };
        (!maps.is_empty() && maps.iter().all(holds)).then_some(())
    })
    .await;
}

/// The platform's actions when a rotation is requested.
async fn rotate(
    plane: SharedPlane,
    machines: Arc<Machines>,
    ske: Arc<Ske>,
    static_tokens: PathBuf,
) {
    ske.until_requested("start").await;
    // The static token is replaced.
    std::fs::write(static_tokens, tokens_file("another-one")).unwrap();
    plane.begin_rotation().await;
    until_root_authorities(&plane, 2).await;
    machines.roll(2).await;
    ske.show("PREPARED");
    ske.until_requested("complete").await;
    plane.complete_rotation().await;
    until_root_authorities(&plane, 1).await;
    ske.show("COMPLETED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_whole_rotation_ends_old_credentials_and_skeys_says_so() {
    let Some(assets) = assets() else { return };
    let folder = tempfile::tempdir().unwrap();
    let static_tokens = folder.path().join("tokens.csv");
    std::fs::write(&static_tokens, tokens_file(STATIC_TOKEN)).unwrap();
    let flag = format!("--token-auth-file={}", static_tokens.display());
    let plane = SharedPlane::with_controllers(&assets, &[&flag]).await;
    let machines = Machines::start(&plane);
    machines.describe(1).await;
    for zone in [ZONES[0], ZONES[0], ZONES[1]] {
        machines.add(1, zone, Value::Null).await;
    }
    let admin = plane.admin();
    for (workload, replicas, rule) in
        [(API, 1, json!({"minAvailable": 1})), (SHOP, 3, json!({"maxUnavailable": 1}))]
    {
        create_namespace(&admin, workload.0).await;
        deploy(&admin, workload, replicas, &Value::Null).await;
        limit(&admin, workload, &rule).await;
        until_ready(&admin, workload, replicas).await;
    }
    until_budget(&admin, API, |status| status["currentHealthy"] == 1).await;
    let old_token = request_token(&admin).await;
    let mut matrix = Matrix::before_start(&plane).await;
    let never = Rotation { phase: "NEVER", initiated: None, completed: None };
    let before = Ske::serve(plane.clone(), 3, never).await;
    assert_eq!(matrix.statuses(&before).await, matrix::before_start());
    drop(before);
    let ske = Arc::new(Ske::serve(plane.clone(), 3, completed()).await);
    let platform = in_background({
        let (plane, ske) = (plane.clone(), Arc::clone(&ske));
        async move || rotate(plane, machines, ske, static_tokens).await
    });

    let mut terminal = Terminal::run(&[SKEYS], 132, 64, &ske.environment());
    terminal.until("1 cluster ");
    press(&mut terminal, &["K", "\t", "\t", "\t", "\t", "\t", "\r"]);
    terminal.until("Kubeconfig of alpha →");
    press(&mut terminal, &["\x1b", "R", "\t", "\r"]);
    terminal.until("preparing");
    press(&mut terminal, &["\r", "3"]);
    until_said(&terminal, "blocked by PodDisruptionBudget payments/api");
    until_right(&terminal, "blocker PodDisruptionBudget payments/api allows no evictions");
    until_right(&terminal, "the PDB needs 1 healthy, has 1 of 1.");
    // The advice on the screen helps.
    until_right(&terminal, "fix To unblock: add one ready replica, or relax the PDB.");
    let path = "/apis/apps/v1/namespaces/payments/deployments/api/scale";
    let scale = json!({"spec": {"replicas": 2}});
    assert_eq!(plane.admin().write("PATCH", path, "merge-patch+json", &scale).await.code, 200);
    until_said(&terminal, "all 3 nodes replaced");
    until_said(&terminal, "PREPARED");

    let new_token = request_token(&plane.admin()).await;
    matrix.after_start(&plane).await;
    assert_eq!(matrix.statuses(&ske).await, matrix::prepared());
    press(&mut terminal, &["K", "\t", "\t", "-new", "\t", "\t", "\t", "\r"]);
    until_said(&terminal, "context alpha-new");
    press(&mut terminal, &["1"]);
    let file = terminal.home.path().join(".kube/config");
    let text = std::fs::read_to_string(file).unwrap();
    // Both work, and skeys predicts the effect of complete.
    assert_eq!(try_context(&text, "alpha").await, Verdict::Accepted);
    assert_eq!(try_context(&text, "alpha-new").await, Verdict::Accepted);
    for token in [&old_token, &new_token] {
        assert_eq!(try_token(&plane.admin(), token).await, (201, ACCOUNT.to_owned()));
    }
    until_verdict(&terminal, "alpha", "BREAKS on complete");
    until_verdict(&terminal, "alpha-new", "keeps working after complete");
    press(&mut terminal, &["R"]);
    until_said(&terminal, "1 kubeconfig on this machine will stop working");
    until_said(&terminal, "you have a kubeconfig issued after the start");
    // Text next to the dialog interleaves with its lines.
    until_said(&terminal, "the old signing key, and every kubeconfig");
    until_said(&terminal, "and token issued before");
    until_said(&terminal, "stop working. This cannot be undone.");
    press(&mut terminal, &["a", "l", "p", "h", "a", "\r", "\r", "\t", "\t", "\r"]);
    until_said(&terminal, "completed");
    platform.join().unwrap();
    assert_eq!(matrix.statuses(&ske).await, matrix::completed());

    // The old kubeconfig does not trust the server's CA, nor the server the kubeconfig's; the same for tokens.
    until_verdict(&terminal, "alpha", "no longer works");
    until_verdict(&terminal, "alpha-new", "works until the next rotation is completed");
    assert_eq!(try_context(&text, "alpha").await, Verdict::Untrusted);
    assert_eq!(try_identity(&text, "alpha", "alpha-new").await, Verdict::Refused);
    assert_eq!(try_token(&plane.admin(), &old_token).await, (401, String::new()));
    assert_eq!(try_context(&text, "alpha-new").await, Verdict::Accepted);
    assert_eq!(try_token(&plane.admin(), &new_token).await, (201, ACCOUNT.to_owned()));
    press(&mut terminal, &["\x03"]);
    assert_eq!(terminal.end_restored(), 0);
}
