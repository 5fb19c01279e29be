//! Every kind of external credential of a cluster, from before the start of a rotation and from after it: what skeys
//! predicts for each, and what a real API server does.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use rcgen::{CertificateParams, DnType, KeyPair};
use serde_json::{Value, json};

use crate::kubeconfigs::{Verdict, request_token, try_context};
use crate::machines::until;
use crate::processes::{ADMINS, SharedPlane};
use crate::ske::{CLUSTER, PROJECT, Ske};
use crate::terminal::plain;

/// The context in every kubeconfig of this test.
const CONTEXT: &str = "shoot";

/// The credentials of one generation.
struct SignIns {
    /// A complete admin kubeconfig, with the bundle of its time.
    admin: String,
    /// From the `TokenRequest` API.
    token: String,
    /// From a Secret.
    secret: String,
    /// Certificate and key, signed by the cluster for a `CertificateSigningRequest`.
    signed: (String, String),
}

impl SignIns {
    async fn issue(plane: &SharedPlane, number: usize) -> Self {
        let until = Timestamp::now() + SignedDuration::from_hours(8);
        let admin = plane.lock().kubeconfig("me", ADMINS, until);
        Self {
            admin,
            token: request_token(&plane.admin()).await,
            secret: token_of_secret(plane, &format!("robot-{number}")).await,
            signed: sign(plane, &format!("robot-{number}")).await,
        }
    }
}

/// The token in a user-created Secret of a service account.
async fn token_of_secret(plane: &SharedPlane, name: &str) -> String {
    let secrets = "/api/v1/namespaces/default/secrets";
    let account = json!({"kubernetes.io/service-account.name": "default"});
    let secret = json!({
        "metadata": {"name": name, "annotations": account},
        "type": "kubernetes.io/service-account-token",
    });
    assert_eq!(plane.admin().write("POST", secrets, "json", &secret).await.code, 201);
    until("a token in the Secret", async || {
        let secret = plane.admin().get(&format!("{secrets}/{name}")).await.json();
        let token = STANDARD.decode(secret["data"]["token"].as_str()?).unwrap();
        Some(String::from_utf8(token).unwrap())
    })
    .await
}

/// A client certificate signed by the cluster, and its key.
async fn sign(plane: &SharedPlane, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let request = params.serialize_request(&key).unwrap().pem().unwrap();
    let path = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    let object = json!({
        "metadata": {"name": name},
        "spec": {
            "request": STANDARD.encode(request),
            "signerName": "kubernetes.io/kube-apiserver-client",
            "usages": ["client auth"],
        },
    });
    let admin = plane.admin();
    let created = admin.write("POST", path, "json", &object).await;
    assert_eq!(created.code, 201, "{}", created.json());
    let mut approved = created.json();
    let condition =
        json!({"type": "Approved", "status": "True", "reason": "Test", "message": "approved"});
    approved["status"] = json!({"conditions": [condition]});
    let answer = admin.write("PUT", &format!("{path}/{name}/approval"), "json", &approved).await;
    assert_eq!(answer.code, 200, "{}", answer.json());
    let certificate = until("a certificate", async || {
        let request = admin.get(&format!("{path}/{name}")).await.json();
        let pem = STANDARD.decode(request["status"]["certificate"].as_str()?).unwrap();
        Some(String::from_utf8(pem).unwrap())
    })
    .await;
    (certificate, key.serialize_pem())
}

/// A kubeconfig with another user.
fn with_user(kubeconfig: &str, user: &str) -> String {
    let (others, _own) = kubeconfig.split_once("    client-certificate-data").unwrap();
    format!("{others}    {user}\n")
}

/// The line with the CA bundle.
fn bundle(kubeconfig: &str) -> &str {
    let is_it = |line: &&str| line.trim().starts_with("certificate-authority-data");
    kubeconfig.lines().find(is_it).unwrap()
}

/// A kubeconfig with the CA bundle of another one.
fn trusting(kubeconfig: &str, other: &str) -> String {
    kubeconfig.replace(bundle(kubeconfig), bundle(other))
}

fn with_certificate(kubeconfig: &str, (certificate, key): &(String, String)) -> String {
    let (certificate, key) = (STANDARD.encode(certificate), STANDARD.encode(key));
    with_user(
        kubeconfig,
        &format!("client-certificate-data: {certificate}\n    client-key-data: {key}"),
    )
}

fn with_plugin(kubeconfig: &str, more: &str) -> String {
    let kubeconfig = with_user(
        kubeconfig,
        &format!(
            "exec:\n      apiVersion: client.authentication.k8s.io/v1\n      interactiveMode: Never\n      provideClusterInfo: true\n      command: stackit\n      args: [ske, kubeconfig, login{more}]"
        ),
    );
    let bundle = bundle(&kubeconfig);
    let extension = format!(
        "    extensions: [{{name: client.authentication.k8s.io/exec, extension: {{stackitProjectID: {PROJECT}, region: eu01, clusterName: {CLUSTER}}}}}]"
    );
    kubeconfig.replace(bundle, &format!("{bundle}\n{extension}"))
}

/// A token that is not a JWT, from a token file of the API server.
pub const STATIC_TOKEN: &str = "a-static-token";

/// The credentials, as kubeconfigs in a separate home.
pub struct Matrix {
    home: tempfile::TempDir,
    old: SignIns,
    /// The kubeconfigs by name.
    texts: BTreeMap<&'static str, String>,
    /// What shows whether each works: itself, or for a plugin, which is not run, the same with another user.
    tried: BTreeMap<&'static str, String>,
}

impl Matrix {
    /// Issues the credentials of a cluster before the start.
    pub async fn before_start(plane: &SharedPlane) -> Self {
        let old = SignIns::issue(plane, 1).await;
        let mut matrix = Self {
            home: tempfile::tempdir().unwrap(),
            texts: BTreeMap::from([
                ("admin-old", old.admin.clone()),
                ("static", with_user(&old.admin, &format!("token: {STATIC_TOKEN}"))),
                ("token-old", with_user(&old.admin, &format!("token: {}", old.token))),
                ("secret-old", with_user(&old.admin, &format!("token: {}", old.secret))),
                ("signed-old", with_certificate(&old.admin, &old.signed)),
                ("login-old", with_plugin(&old.admin, "")),
            ]),
            tried: BTreeMap::from([("login-old", old.admin.clone())]),
            old,
        };
        matrix.write();
        matrix
    }

    /// Adds credentials issued after the start. Older ones now trust both CAs, so that they fail only for their own
    /// reason.
    pub async fn after_start(&mut self, plane: &SharedPlane) {
        let new = SignIns::issue(plane, 2).await;
        let old = &self.old;
        let token = |token: &str| with_user(&new.admin, &format!("token: {token}"));
        self.texts = BTreeMap::from([
            ("admin-old", old.admin.clone()),
            ("admin-old-trusting-both", trusting(&old.admin, &new.admin)),
            ("admin-new", new.admin.clone()),
            ("admin-new-trusting-old", trusting(&new.admin, &old.admin)),
            ("static", token(STATIC_TOKEN)),
            ("token-old", token(&old.token)),
            ("token-new", token(&new.token)),
            ("secret-old", token(&old.secret)),
            ("secret-new", token(&new.secret)),
            ("signed-old", with_certificate(&new.admin, &old.signed)),
            ("signed-new", with_certificate(&new.admin, &new.signed)),
            ("login-old", with_plugin(&old.admin, "")),
            ("login-new", with_plugin(&new.admin, "")),
            ("idp-old", with_plugin(&old.admin, ", --idp")),
        ]);
        let trusting_old = trusting(&new.admin, &old.admin);
        self.tried = BTreeMap::from([
            ("login-old", trusting_old.clone()),
            ("login-new", new.admin.clone()),
            ("idp-old", trusting_old),
        ]);
        self.write();
    }

    fn write(&mut self) {
        let folder: PathBuf = self.home.path().join(".kube");
        std::fs::create_dir_all(&folder).unwrap();
        for (name, text) in &self.texts {
            std::fs::write(folder.join(format!("{name}.yaml")), text).unwrap();
        }
    }

    /// The status of each according to skeys. Its trials must agree with that, and with another client.
    pub async fn statuses(&self, ske: &Ske) -> BTreeMap<&'static str, String> {
        let words = ["credentials", CLUSTER, "--try", "-o", "json"];
        let (_, out, err) = plain(self.home.path(), &words, &ske.environment());
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
        // Certificate requests stay for a while; of the signed ones, the old ones break.
        if self.texts.contains_key("signed-new") && report["phase"] == "PREPARED" {
            let certificates = report["in_cluster"]["certificates"].as_array().unwrap();
            let certificate =
                |one: &Value| (one["request"].clone(), one["breaks_on_complete"].clone());
            let found: Vec<_> = certificates.iter().map(certificate).collect();
            assert_eq!(found, [(json!("robot-1"), json!(true))], "{report:#}");
        }
        let mut statuses = BTreeMap::new();
        for (name, text) in &self.texts {
            let file = format!("~/.kube/{name}.yaml");
            let rows = report["credentials"].as_array().unwrap();
            let row = rows.iter().find(|row| row["file"] == json!(file));
            let row = row.unwrap_or_else(|| panic!("{file} is not listed: {report:#}"));
            let status = row["status"].as_str().unwrap().to_owned();
            assert_eq!(row["contradicted"], false, "{name}: {report:#}");
            let works = try_context(self.tried.get(name).unwrap_or(text), CONTEXT).await;
            let found = match row["tried"].as_str().unwrap() {
                "not tried" => self.tried.contains_key(name),
                "accepted" => works == Verdict::Accepted,
                "refused" => matches!(works, Verdict::Refused | Verdict::Untrusted),
                other => panic!("{name}: {other}"),
            };
            assert!(found, "{name}: {works:?}, but {row:#}");
            if status != "unknown" {
                assert_eq!(works == Verdict::Accepted, status != "dead", "{name}: {row:#}");
            }
            statuses.insert(*name, status);
        }
        statuses
    }
}

/// Expected before the start. Kubernetes 1.34 no longer issues static tokens: the verdict on an existing one is
/// unknown.
pub fn before_start() -> BTreeMap<&'static str, String> {
    of(&[
        ("admin-old", "works"),
        ("login-old", "works"),
        ("secret-old", "works"),
        ("signed-old", "works"),
        ("static", "unknown"),
        ("token-old", "works"),
    ])
}

/// Expected between start and complete.
pub fn prepared() -> BTreeMap<&'static str, String> {
    let (breaks, survives) = ("breaks_on_complete", "survives_complete");
    of(&[
        ("admin-old", breaks),
        ("admin-old-trusting-both", breaks),
        ("admin-new", survives),
        ("admin-new-trusting-old", breaks),
        ("static", "dead"),
        ("token-old", breaks),
        ("token-new", survives),
        ("secret-old", breaks),
        ("secret-new", survives),
        ("signed-old", breaks),
        ("signed-new", survives),
        ("login-old", breaks),
        ("login-new", survives),
        ("idp-old", breaks),
    ])
}

/// Expected after complete: what was predicted to survive works, everything else is dead.
pub fn completed() -> BTreeMap<&'static str, String> {
    let told = |status: String| if status == "survives_complete" { "works" } else { "dead" };
    prepared().into_iter().map(|(name, status)| (name, told(status).to_owned())).collect()
}

fn of(expected: &[(&'static str, &str)]) -> BTreeMap<&'static str, String> {
    expected.iter().map(|(name, status)| (*name, (*status).to_owned())).collect()
}
