//! Which credentials work when: before the start, during PREPARING, PREPARED, and after complete.

use std::sync::{Arc, Mutex};

use base64::Engine;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Node, Secret, ServiceAccount};
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use skeys::testing::simulator::rules::ClusterOperation;

use crate::support::{Cloud, ask, client, code, with_token};

/// Result of using a credential.
pub async fn does(client: &Client) -> &'static str {
    match Api::<Node>::all(client.clone()).list(&ListParams::default()).await {
        Ok(_) => "works",
        Err(kube::Error::Api(status)) if status.code == 401 => {
            assert_eq!(status.reason, "Unauthorized");
            "401"
        }
        Err(kube::Error::Api(status)) if status.code == 403 => "403",
        Err(error) => {
            let mut text = String::new();
            let mut source: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = source {
                text.push_str(&format!("{error}; "));
                source = error.source();
            }
            if text.contains("UnknownIssuer") || text.contains("invalid peer certificate") {
                "unknown authority"
            } else {
                panic!("{text}")
            }
        }
    }
}

pub async fn token_of(client: &Client, namespace: &str, name: &str) -> String {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await.unwrap();
    String::from_utf8(secret.data.unwrap()["token"].0.clone()).unwrap()
}

/// Names of the Secrets in an account's list.
async fn listed(client: &Client) -> Vec<String> {
    let account =
        Api::<ServiceAccount>::namespaced(client.clone(), "monitoring").get("prometheus").await;
    account.unwrap().secrets.unwrap().into_iter().filter_map(|secret| secret.name).collect()
}

pub const CLUSTER: &str = "[[projects.clusters]]\nname = \"legacy\"\nphase = \"NEVER\"\nversion = \"1.26.15\"\n\
    age = \"800d\"\npools = [{ name = \"web\", nodes = 3 }]\n\
    service_accounts = [{ namespace = \"ci\", name = \"robot\", admin = true }]\n";

pub async fn issue_token(client: &Client) -> String {
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(90_000), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    Api::<ServiceAccount>::namespaced(client.clone(), "ci")
        .create_token_request("robot", &PostParams::default(), &request)
        .await
        .unwrap()
        .status
        .unwrap()
        .token
}

async fn keys(client: &Client) -> usize {
    ask(client, "GET", "/openid/v1/jwks", "*/*").await["keys"].as_array().unwrap().len()
}

/// The CAs in a kubeconfig, one by one.
pub fn authorities(kubeconfig: &str) -> Vec<String> {
    let engine = base64::engine::general_purpose::STANDARD;
    let data = kubeconfig
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority-data: "))
        .unwrap();
    let pem = String::from_utf8(engine.decode(data).unwrap()).unwrap();
    pem.split_inclusive("-----END CERTIFICATE-----")
        .filter(|part| part.contains("BEGIN"))
        .map(|part| engine.encode(part.trim()))
        .collect()
}

pub fn pinning(kubeconfig: &str, authority: &str) -> String {
    kubeconfig
        .lines()
        .map(|line| {
            if line.trim().starts_with("certificate-authority-data") {
                format!("    certificate-authority-data: {authority}\n")
            } else {
                format!("{line}\n")
            }
        })
        .collect()
}

#[tokio::test]
async fn credentials_are_valid_exactly_as_the_matrix_says() {
    let cloud = Cloud::with(CLUSTER).await;
    // Before the start.
    let (status, old_way) = cloud.old_credentials("legacy").await;
    assert_eq!(status, 200);
    let static_ = client(old_way["kubeconfig"].as_str().unwrap()).await;
    assert_eq!(does(&static_).await, "works");
    let old_text = cloud.kubeconfig("legacy").await;
    let old = client(&old_text).await;
    assert_eq!(does(&old).await, "works");
    assert_eq!(cloud.old_credentials("legacy").await.0, 400, "a one-way street");
    assert_eq!(does(&static_).await, "works", "until the start");
    assert_eq!(keys(&old).await, 1);
    let old_listed = listed(&old).await;
    let legacy = token_of(&old, "shop", "deployer-token").await;
    let legacy = client(&with_token(&old_text, &legacy)).await;
    assert_eq!(does(&legacy).await, "works");
    let reader = token_of(&old, "monitoring", &old_listed[0]).await;
    let reader = client(&with_token(&old_text, &reader)).await;
    assert_eq!(does(&reader).await, "403", "known, but may not");
    let requested = client(&with_token(&old_text, &issue_token(&old).await)).await;
    assert_eq!(does(&requested).await, "works");
    let nobody = client(&with_token(&old_text, "wrong")).await;
    assert_eq!(does(&nobody).await, "401", "nobody is anonymous");

    // Right after the start: the new CA signs, but the API server does not know it yet.
    cloud.begin("legacy", ClusterOperation::StartRotation);
    let new_text = cloud.kubeconfig("legacy").await;
    let new = client(&new_text).await;
    assert_eq!(authorities(&new_text).len(), 2);
    assert_eq!(authorities(&new_text)[1], authorities(&old_text)[0]);
    assert_eq!(does(&new).await, "401");
    assert_eq!(does(&old).await, "works");
    assert_eq!(does(&static_).await, "works");
    assert_eq!(keys(&old).await, 1);
    let mut minutes = 0;
    while does(&new).await == "401" {
        cloud.wait(60).await;
        minutes += 1;
    }
    assert!((2..=4).contains(&minutes), "{minutes}");
    assert_eq!(does(&static_).await, "401", "dead with the start");
    assert_eq!(does(&old).await, "works");
    assert_eq!(keys(&old).await, 2);

    cloud.until("legacy", |cluster| cluster.phase == "PREPARED").await;
    for (name, client) in
        [("old", &old), ("new", &new), ("legacy", &legacy), ("requested", &requested)]
    {
        assert_eq!(does(client).await, "works", "{name} while PREPARED");
    }
    assert_eq!(listed(&new).await.len(), 2);
    let pins_old = client(&pinning(&new_text, &authorities(&old_text)[0])).await;
    assert_eq!(does(&pins_old).await, "works", "the server still shows the old authority");
    let pins_new = client(&pinning(&new_text, &authorities(&new_text)[0])).await;
    assert_eq!(does(&pins_new).await, "unknown authority");
    let new_requested = client(&with_token(&new_text, &issue_token(&new).await)).await;
    assert_eq!(does(&new_requested).await, "works");

    // Complete: the old generation is rejected from some point in COMPLETING on.
    cloud.begin("legacy", ClusterOperation::CompleteRotation);
    assert_eq!(does(&old).await, "works");
    cloud.until("legacy", |cluster| cluster.credentials.accepted == [2]).await;
    assert_eq!(cloud.phase("legacy"), "COMPLETING");
    // A client that knows both CAs gets a Status; one that pins the old one fails earlier.
    let old_certificate = old_text.replace(&line(&old_text), &line(&new_text));
    assert_eq!(does(&client(&old_certificate).await).await, "401");
    assert_eq!(does(&client(&old_text).await).await, "unknown authority");
    assert_eq!(does(&pins_old).await, "unknown authority");
    assert_eq!(does(&client(&pinning(&new_text, &authorities(&new_text)[0])).await).await, "works");
    assert_eq!(does(&client(&new_text).await).await, "works");
    cloud.until("legacy", |cluster| cluster.phase == "COMPLETED").await;
    let new = client(&new_text).await;
    assert_eq!(does(&new).await, "works");
    assert_eq!(keys(&new).await, 1);
    let (listed_now, old_token) = (listed(&new).await, &old_listed[0]);
    assert_eq!(listed_now.len(), 1);
    assert_ne!(&listed_now[0], old_token);
    let secrets = Api::<Secret>::namespaced(new.clone(), "monitoring");
    assert!(secrets.get_opt(old_token).await.unwrap().is_none());
    // The user-created one still exists, but is stale.
    let stale = token_of(&new, "shop", "deployer-token").await;
    assert_eq!(does(&client(&with_token(&new_text, &stale)).await).await, "401");
    let shop = Api::<Secret>::namespaced(new.clone(), "shop").get("deployer-token").await.unwrap();
    assert!(shop.labels().contains_key("kubernetes.io/legacy-token-last-used"));
    assert_eq!(does(&new_requested).await, "works");
}

fn line(kubeconfig: &str) -> String {
    kubeconfig
        .lines()
        .find(|line| line.trim().starts_with("certificate-authority-data"))
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn credentials_expire_by_the_simulators_clock() {
    let cloud = Cloud::calm().await;
    let text = cloud.kubeconfig("alpha").await;
    let client = client(&text).await;
    assert_eq!(does(&client).await, "works");
    cloud.clock.turn(std::time::Duration::from_secs(28_801));
    assert_eq!(does(&client).await, "401");
}

#[tokio::test]
async fn a_token_is_valid_as_long_as_requested() {
    let cloud = Cloud::with(CLUSTER).await;
    let admin = cloud.client("legacy").await;
    let api = Api::<ServiceAccount>::namespaced(admin.clone(), "ci");
    let mut request = TokenRequest::default();
    request.spec.expiration_seconds = Some(60);
    let refused = api.create_token_request("robot", &PostParams::default(), &request).await;
    assert_eq!(code(refused), 422);
    let refused = api.create_token_request("nobody", &PostParams::default(), &request).await;
    assert_eq!(code(refused), 404);
    request.spec.expiration_seconds = Some(600);
    let issued = api.create_token_request("robot", &PostParams::default(), &request).await.unwrap();
    let text = with_token(&cloud.kubeconfig("legacy").await, &issued.status.unwrap().token);
    let robot = client(&text).await;
    assert_eq!(does(&robot).await, "works");
    request.spec.audiences = vec!["vault".to_owned()];
    let vaults = api.create_token_request("robot", &PostParams::default(), &request).await.unwrap();
    let text = with_token(&cloud.kubeconfig("legacy").await, &vaults.status.unwrap().token);
    assert_eq!(does(&client(&text).await).await, "401", "it is for another audience");
    cloud.clock.turn(std::time::Duration::from_secs(601));
    assert_eq!(does(&robot).await, "401");
}

/// Records the CAs that a server hints at, and presents no certificate.
#[derive(Debug)]
struct Hints(Arc<Mutex<Vec<usize>>>);

impl rustls::client::ResolvesClientCert for Hints {
    fn resolve(
        &self,
        hints: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        self.0.lock().unwrap().push(hints.len());
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn the_server_sends_accepted_authorities_and_speaks_http_2() {
    let cloud = Cloud::calm().await;
    let hinted = || async {
        let text = cloud.kubeconfig("alpha").await;
        let address = text.lines().find_map(|l| l.trim().strip_prefix("server: https://")).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        for authority in authorities(&text) {
            let pem = base64::engine::general_purpose::STANDARD.decode(authority).unwrap();
            roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        }
        let hints = Arc::new(Mutex::new(Vec::new()));
        let mut config = rustls::ClientConfig::builder()
            .with_root_certificates(roots)
            .with_client_cert_resolver(Arc::new(Hints(Arc::clone(&hints))));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
        let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        hints.lock().unwrap().clone()
    };
    assert_eq!(hinted().await, [1]);
    cloud.begin("alpha", ClusterOperation::StartRotation);
    assert_eq!(hinted().await, [1], "the API server does not know the new authority yet");
    cloud.until("alpha", |cluster| cluster.phase == "PREPARED").await;
    assert_eq!(hinted().await, [2]);
    cloud.begin("alpha", ClusterOperation::CompleteRotation);
    cloud.until("alpha", |cluster| cluster.phase == "COMPLETED").await;
    assert_eq!(hinted().await, [1]);
}
