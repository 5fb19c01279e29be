//! Every token source through configuration, real HTTP and the simulator's endpoints.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use skeys::testing::cli::{ConfigSources, Flags, load};
use skeys::testing::clients::auth::TokenSource;
use skeys::testing::clients::http::Http;
use skeys::testing::clients::ske::SkeClient;
use skeys::testing::domain::failure::{Failure, FailureKind};
use skeys::testing::domain::identity::Identity;

use crate::support::Cloud;

const ACCOUNT: &str = "demo@simulator";

/// Signs in with the settings of an environment, and lists the clusters.
struct SignIn {
    summary: String,
    tokens: TokenSource,
    ske: SkeClient,
}

impl SignIn {
    fn with(cloud: &Cloud, home: &Path, environment: &[(&str, &str)]) -> Result<Self, Failure> {
        let endpoints = ["STACKIT_TOKEN_BASEURL", "STACKIT_IDP_TOKEN_ENDPOINT"];
        let lookup = |name: &str| {
            let set = environment.iter().find(|(key, _)| *key == name);
            let endpoint = || endpoints.contains(&name).then(|| cloud.exports[name].clone());
            set.map(|(_, value)| (*value).to_owned()).or_else(endpoint)
        };
        let sources =
            ConfigSources { environment: &lookup, default_file: None, home: Some(home.to_owned()) };
        let source = load(&Flags::default(), &sources).unwrap().config.auth.unwrap();
        let summary = source.summary.clone();
        let http = Http::new(cloud.clock.clone(), None).unwrap();
        let tokens = TokenSource::new(source, http.clone(), cloud.clock.clone())?;
        let base = &cloud.exports["STACKIT_SKE_CUSTOM_ENDPOINT"];
        let ske = SkeClient::new(base, http, tokens.clone()).unwrap();
        Ok(Self { summary, tokens, ske })
    }

    async fn list(&self) -> Result<usize, Failure> {
        Ok(self.ske.list(&Cloud::id("alpha").scope).await?.clusters.len())
    }
}

/// A platform that issues one token, and records the requests for it.
struct Platform {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Platform {
    async fn start(answer: String) -> Self {
        let requests: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&requests);
        let api = axum::Router::new().fallback(
            move |method: http::Method, uri: http::Uri, headers: http::HeaderMap| async move {
                let bearer = headers.get("authorization").map(|value| value.to_str().unwrap());
                let request = format!("{method} {uri} {}", bearer.unwrap_or_default());
                log.lock().unwrap().push(request);
                answer
            },
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token?job=7", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, api).await });
        Self { url, requests }
    }
}

#[tokio::test]
async fn every_source_signs_in() {
    let cloud = Cloud::calm().await;
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| -> &str { home.path().join(name).display().to_string().leak() };
    let key = cloud.simulator.service_account_key().unwrap();
    let federated = cloud.simulator.federated_token().unwrap();
    let token = cloud.exports["STACKIT_ACCESS_TOKEN"].clone();
    let (public, private) = {
        let mut file: serde_json::Value = serde_json::from_str(&key).unwrap();
        let private = file["credentials"]["privateKey"].take();
        (file.to_string(), private.as_str().unwrap().to_owned())
    };
    for (name, text) in [("key", &key), ("public", &public), ("pem", &private)] {
        std::fs::write(path(name), text).unwrap();
    }
    std::fs::write(path("federated"), format!("{federated}\n")).unwrap();
    std::fs::write(path("token"), &token).unwrap();
    let credentials = serde_json::json!({
        "STACKIT_SERVICE_ACCOUNT_KEY": public, "STACKIT_PRIVATE_KEY_PATH": path("pem"),
    });
    std::fs::write(path("credentials"), credentials.to_string()).unwrap();
    let github = Platform::start(serde_json::json!({"value": federated}).to_string()).await;
    let azure = Platform::start(serde_json::json!({"oidcToken": federated}).to_string()).await;
    let account = ("STACKIT_SERVICE_ACCOUNT_EMAIL", ACCOUNT);
    let asked = ("STACKIT_USE_OIDC", "1");
    let wif = "workload identity";
    let cases = [
        (vec![("STACKIT_ACCESS_TOKEN", &*token)], "STACKIT_ACCESS_TOKEN"),
        (vec![("STACKIT_SERVICE_ACCOUNT_KEY", &*key)], "service-account key"),
        (vec![("STACKIT_SERVICE_ACCOUNT_KEY_PATH", path("key"))], "service-account key"),
        (
            vec![
                ("STACKIT_SERVICE_ACCOUNT_KEY_PATH", path("public")),
                ("STACKIT_PRIVATE_KEY", &*private),
            ],
            "service-account key",
        ),
        (vec![("STACKIT_CREDENTIALS_PATH", path("credentials"))], "service-account key"),
        (vec![("STACKIT_SERVICE_ACCOUNT_TOKEN", &*token)], "service-account token"),
        (vec![account, ("STACKIT_FEDERATED_TOKEN_FILE", path("federated"))], wif),
        (vec![account, ("STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN", &*federated)], wif),
        (
            vec![
                account,
                asked,
                ("ACTIONS_ID_TOKEN_REQUEST_URL", &*github.url),
                ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "job-token"),
            ],
            wif,
        ),
        (
            vec![
                account,
                asked,
                ("SYSTEM_OIDCREQUESTURI", &*azure.url),
                ("SYSTEM_ACCESSTOKEN", "job-token"),
            ],
            wif,
        ),
        (vec![("SKEYS_AUTH_TOKEN_FILE", path("token"))], "token file"),
    ];
    for (environment, expected) in cases {
        let sign_in = SignIn::with(&cloud, home.path(), &environment).unwrap();
        assert_eq!(sign_in.list().await, Ok(1), "{}", sign_in.summary);
        let Identity { who, source, renews, .. } = sign_in.tokens.identity();
        let can_renew = expected == wif || expected == "service-account key";
        assert_eq!((&*who, &*source, renews), (ACCOUNT, expected, can_renew));
    }
    let asked = |platform: &Platform| platform.requests.lock().unwrap().clone();
    assert_eq!(
        asked(&github),
        ["GET /token?job=7&audience=sts.accounts.stackit.cloud Bearer job-token"]
    );
    assert_eq!(
        asked(&azure),
        [
            "POST /token?job=7&api-version=7.1&audience=api%3A%2F%2FAzureADTokenExchange Bearer job-token"
        ]
    );
}

#[tokio::test]
async fn workload_identity_needs_a_token_that_is_named_or_to_be_asked_for() {
    let cloud = Cloud::calm().await;
    let home = tempfile::tempdir().unwrap();
    let account = ("STACKIT_SERVICE_ACCOUNT_EMAIL", ACCOUNT);
    let job = [
        account,
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://job.example"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t"),
    ];
    // The account alone, and the variables that GitHub sets for every job, do not select the source.
    let lookup =
        |name: &str| job.iter().find(|(key, _)| *key == name).map(|(_, v)| (*v).to_owned());
    let sources = ConfigSources { environment: &lookup, default_file: None, home: None };
    assert!(load(&Flags::default(), &sources).unwrap().config.auth.is_none());
    for (environment, expected) in [
        (vec![("STACKIT_USE_OIDC", "1"), account], "no token of a platform was found"),
        (vec![("STACKIT_SERVICE_ACCOUNT_FEDERATED_TOKEN", "t")], "no service account is set"),
    ] {
        let failure = SignIn::with(&cloud, home.path(), &environment).err().unwrap();
        assert_eq!(failure.message, expected);
        assert!(failure.hint.is_some());
    }
}

#[tokio::test]
async fn a_platform_file_is_read_again_for_every_token() {
    let cloud = Cloud::calm().await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("federated");
    std::fs::write(&file, cloud.simulator.federated_token().unwrap()).unwrap();
    let name = file.display().to_string();
    let environment =
        [("STACKIT_SERVICE_ACCOUNT_EMAIL", ACCOUNT), ("STACKIT_FEDERATED_TOKEN_FILE", &*name)];
    let sign_in = SignIn::with(&cloud, home.path(), &environment).unwrap();
    assert_eq!(sign_in.list().await, Ok(1));
    cloud.simulator.revoke_tokens();
    // The platform's token is valid for ten minutes.
    cloud.clock.turn(Duration::from_mins(11));
    let failure = sign_in.list().await.unwrap_err();
    assert_eq!(failure.kind, FailureKind::SignedOut);
    let text = failure.to_string();
    assert!(text.contains("no federated identity provider"), "{text}");
    assert!(text.contains("issuer, subject and audience"), "{text}");
    std::fs::write(&file, cloud.simulator.federated_token().unwrap()).unwrap();
    cloud.clock.turn(Duration::from_secs(30));
    assert_eq!(sign_in.list().await, Ok(1));
}

#[tokio::test]
async fn a_key_whose_tokens_are_revoked_gets_a_new_one() {
    let cloud = Cloud::calm().await;
    let home = tempfile::tempdir().unwrap();
    let key = cloud.simulator.service_account_key().unwrap();
    let environment = [("STACKIT_SERVICE_ACCOUNT_KEY", &*key)];
    let sign_in = SignIn::with(&cloud, home.path(), &environment).unwrap();
    assert_eq!(sign_in.list().await, Ok(1));
    cloud.simulator.revoke_tokens();
    assert_eq!(sign_in.list().await, Ok(1));
    cloud.clock.turn(Duration::from_hours(12));
    assert_eq!(sign_in.list().await, Ok(1));
    let asked = cloud.simulator.request_log().into_iter();
    assert_eq!(asked.filter(|request| request.path == "/token").count(), 3);
}

/// Files for all token sources, from one key and one token.
struct Files<'a> {
    cloud: &'a Cloud,
    home: tempfile::TempDir,
}

impl Files<'_> {
    fn path(&self, name: &str) -> String {
        self.home.path().join(name).display().to_string()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Writes all files, with the key that the simulator currently accepts and a new token.
    async fn write_all(&self) {
        let simulator = &self.cloud.simulator;
        let key = simulator.service_account_key().unwrap();
        let inline = [("STACKIT_SERVICE_ACCOUNT_KEY", &*key)];
        let signed_in = SignIn::with(self.cloud, self.home.path(), &inline).unwrap();
        let token = signed_in.tokens.token().await.unwrap().expose().to_owned();
        let mut public: serde_json::Value = serde_json::from_str(&key).unwrap();
        let private = public["credentials"]["privateKey"].take();
        let json = |name: &str, value: &str| serde_json::json!({name: value}).to_string();
        for (name, text) in [
            ("key", key.clone()),
            ("public", public.to_string()),
            ("pem", private.as_str().unwrap().to_owned()),
            ("key.json", json("STACKIT_SERVICE_ACCOUNT_KEY", &key)),
            ("path.json", json("STACKIT_SERVICE_ACCOUNT_KEY_PATH", &self.path("key"))),
            ("token.json", json("STACKIT_SERVICE_ACCOUNT_TOKEN", &token)),
            ("token", token),
            ("federated", simulator.federated_token().unwrap()),
        ] {
            self.write(name, &text);
        }
    }

    fn sign_in(&self, variables: &[(&str, &str)]) -> SignIn {
        let set: Vec<(&str, String)> =
            variables.iter().map(|(name, file)| (*name, self.path(file))).collect();
        let mut environment: Vec<(&str, &str)> =
            set.iter().map(|(name, path)| (*name, &**path)).collect();
        environment.push(("STACKIT_SERVICE_ACCOUNT_EMAIL", ACCOUNT));
        SignIn::with(self.cloud, self.home.path(), &environment).unwrap()
    }
}

/// Every source that is read from a file, by variables and files.
const OF_FILES: [&[(&str, &str)]; 7] = [
    &[("STACKIT_SERVICE_ACCOUNT_KEY_PATH", "key")],
    &[("STACKIT_SERVICE_ACCOUNT_KEY_PATH", "public"), ("STACKIT_PRIVATE_KEY_PATH", "pem")],
    &[("STACKIT_CREDENTIALS_PATH", "key.json")],
    &[("STACKIT_CREDENTIALS_PATH", "path.json")],
    &[("STACKIT_CREDENTIALS_PATH", "token.json")],
    &[("SKEYS_AUTH_TOKEN_FILE", "token")],
    &[("STACKIT_FEDERATED_TOKEN_FILE", "federated")],
];

#[tokio::test]
async fn auth_14_a_credential_file_that_is_replaced_is_used_without_a_restart() {
    let cloud = Cloud::calm().await;
    let files = Files { cloud: &cloud, home: tempfile::tempdir().unwrap() };
    for variables in OF_FILES {
        files.write_all().await;
        let sign_in = files.sign_in(variables);
        assert_eq!(sign_in.list().await, Ok(1), "{}", sign_in.summary);
        cloud.simulator.revoke_service_account_key();
        if variables[0].1 != "federated" {
            let failure = sign_in.list().await.unwrap_err();
            assert_eq!(failure.kind, FailureKind::SignedOut, "{}: {failure}", sign_in.summary);
        }
        files.write_all().await;
        cloud.clock.turn(Duration::from_secs(30));
        assert_eq!(sign_in.list().await, Ok(1), "{}", sign_in.summary);
        assert_eq!(sign_in.tokens.identity().who, ACCOUNT);
    }
}

#[tokio::test]
async fn auth_15_a_broken_replacement_leaves_what_was_read_before_in_use_and_is_named() {
    let cloud = Cloud::calm().await;
    let files = Files { cloud: &cloud, home: tempfile::tempdir().unwrap() };
    for variables in OF_FILES {
        files.write_all().await;
        let sign_in = files.sign_in(variables);
        assert_eq!(sign_in.list().await, Ok(1), "{}", sign_in.summary);
        let is_token = matches!(variables[0].1, "token" | "token.json");
        let name = variables[0].1;
        let whole = std::fs::read_to_string(files.path(name)).unwrap();
        let kept = |sign_in: &SignIn| {
            let notes = sign_in.tokens.notes().into_iter();
            notes.filter(|note| note.contains("read before stays in use")).collect::<Vec<_>>()
        };
        for broken in ["", "{", whole.split_at(whole.len() - 3).0] {
            files.write(name, broken);
            // A token file is read for every request; other tokens are renewed.
            if !is_token {
                cloud.simulator.revoke_tokens();
            }
            assert_eq!(sign_in.list().await, Ok(1), "{}: {broken}", sign_in.summary);
            assert_eq!(sign_in.list().await, Ok(1), "{}: {broken}", sign_in.summary);
            let notes = kept(&sign_in);
            assert_eq!(notes.len(), 1, "{}: {broken}: {notes:?}", sign_in.summary);
            assert!(!notes[0].contains(broken) || broken.len() < 2, "{notes:?}");
            cloud.clock.turn(Duration::from_secs(30));
        }
        cloud.simulator.revoke_service_account_key();
        files.write_all().await;
        assert_eq!(sign_in.list().await, Ok(1), "{}", sign_in.summary);
        assert_eq!(kept(&sign_in), Vec::<String>::new(), "{}", sign_in.summary);
    }
}
