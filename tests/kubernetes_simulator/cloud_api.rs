//! The cloud's own APIs with plain HTTP: authentication, and rejection of invalid requests.

use std::collections::BTreeMap;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Cloud, PROJECT, start};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// A client of the cloud's APIs.
struct Caller {
    exports: BTreeMap<&'static str, String>,
    http: reqwest::Client,
}

/// Status, `Allow` header, and body.
type Answer = (u16, String, Value);

impl Caller {
    fn of(cloud: &Cloud) -> Self {
        let exports = cloud.simulator.exports().into_iter().collect();
        Self { exports, http: reqwest::Client::builder().no_proxy().build().unwrap() }
    }

    fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.exports["STACKIT_SKE_CUSTOM_ENDPOINT"]);
        self.http.request(Method::from_bytes(method.as_bytes()).unwrap(), url)
    }

    async fn call(&self, method: &str, path: &str) -> Answer {
        answer(self.request(method, path).bearer_auth(&self.exports["STACKIT_ACCESS_TOKEN"])).await
    }

    async fn read(&self, path: &str) -> Value {
        let (status, _, body) = self.call("GET", path).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let answer = request.send().await.unwrap();
    let allow = answer.headers().get("allow").map(|allow| allow.to_str().unwrap().to_owned());
    let status = answer.status().as_u16();
    let body = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default();
    (status, allow.unwrap_or_default(), body)
}

#[tokio::test]
async fn sim_03_only_an_assertion_that_the_key_signed_is_exchanged() {
    let cloud = Cloud::calm().await;
    let caller = Caller::of(&cloud);
    let file: Value =
        serde_json::from_str(&cloud.simulator.service_account_key().unwrap()).unwrap();
    assert_eq!(
        file["credentials"]["tokenEndpoint"],
        json!(caller.exports["STACKIT_TOKEN_BASEURL"])
    );
    let credentials = &file["credentials"];
    let text = |name: &str| credentials[name].as_str().unwrap().to_owned();
    let own = EncodingKey::from_rsa_pem(text("privateKey").as_bytes()).unwrap();
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let other = EncodingKey::from_rsa_pem(other.serialize_pem().as_bytes()).unwrap();
    let now = start().as_second();
    let claims = json!({"iss": text("iss"), "sub": text("sub"), "aud": text("aud"), "jti": "1",
        "iat": now, "exp": now + 3_600});
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        claims
    };
    let exchange = async |algorithm, kid: &str, claims: &Value, key: &EncodingKey| {
        let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
        let assertion = encode(&header, claims, key).unwrap();
        let form = format!("grant_type={GRANT}&assertion={assertion}");
        let (status, _, body) = answer(caller.request("POST", "/token").body(form)).await;
        (status, body)
    };
    let kid = text("kid");
    for (algorithm, kid, claims, key, expected, words) in [
        (Algorithm::RS512, &*kid, &claims, &other, 401, "signature"),
        (Algorithm::RS512, "k", &claims, &own, 401, "Key with kid k was not found"),
        (Algorithm::RS256, &*kid, &claims, &own, 400, "RS512"),
        (Algorithm::RS512, &*kid, &with("aud", json!("b")), &own, 401, "audience"),
        (Algorithm::RS512, &*kid, &with("iss", json!("b")), &own, 401, "issuer"),
        (Algorithm::RS512, &*kid, &with("sub", json!("b")), &own, 401, "subject"),
        (Algorithm::RS512, &*kid, &with("exp", json!(now)), &own, 401, "expired"),
    ] {
        let (status, body) = exchange(algorithm, kid, claims, key).await;
        let message = body["error"]["message"].as_str().unwrap();
        assert!(status == expected && message.contains(words), "{status} {message}");
    }
    let (status, body) = exchange(Algorithm::RS512, &kid, &claims, &own).await;
    assert_eq!((status, &body["token_type"]), (200, &json!("Bearer")));
    assert_eq!(
        (&body["refresh_token"], &body["expires_in"]),
        (&body["access_token"], &json!(43_200))
    );
    let token = body["access_token"].as_str().unwrap();
    let projects = caller.request("GET", "/v2/projects?member=a").bearer_auth(token);
    assert_eq!(answer(projects).await.0, 200);
}

#[tokio::test]
async fn sim_06_requests_of_other_sites_and_orders_without_the_token_are_refused() {
    let cloud = Cloud::calm().await;
    let caller = Caller::of(&cloud);
    let token = &caller.exports["STACKIT_ACCESS_TOKEN"];
    let with = async |name: &str, value: &str| {
        let request = caller.request("GET", "/v2/projects?member=a").bearer_auth(token);
        answer(request.header(name, value)).await.0
    };
    for (name, value, expected) in [
        ("host", "localhost:1", 200),
        ("host", "127.0.0.1", 200),
        ("host", "[::1]:80", 200),
        ("origin", "http://localhost:3000", 200),
        ("host", "evil.example", 403),
        ("host", "localhost.evil.example", 403),
        ("host", "192.0.2.1", 403),
        ("host", "127.0.0.1@evil.example", 403),
        ("origin", "https://evil.example", 403),
        ("origin", "null", 403),
    ] {
        assert_eq!(with(name, value).await, expected, "{name}: {value}");
    }
    let faults = "/_simulator/faults";
    let order = json!({"effect": {"answer": {"status": 503}}}).to_string();
    for request in [
        caller.request("POST", faults).body(order.clone()),
        caller.request("POST", faults).bearer_auth(token).body(order.clone()),
        caller.request("DELETE", faults),
    ] {
        assert_eq!(answer(request).await.0, 401);
    }
    caller.read("/v2/projects?member=a").await;
    let known = &caller.exports["SKEYS_SIMULATOR_TOKEN"];
    let ordered = caller.request("POST", faults).bearer_auth(known).body(order);
    assert_eq!(answer(ordered).await.0, 202);
    assert_eq!(caller.call("GET", "/v2/projects?member=a").await.0, 503);
}

#[tokio::test]
async fn sim_06_kubeconfigs_lead_to_the_address_at_which_the_simulator_listens() {
    let cloud = Cloud::at("127.0.0.2:0", "[[projects.clusters]]\nname = \"alpha\"\n").await;
    let text = cloud.kubeconfig("alpha").await;
    assert!(text.contains("    server: https://127.0.0.2:"), "{text}");
    let nodes = Api::<Node>::all(crate::support::client(&text).await);
    assert!(!nodes.list(&ListParams::default()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn sim_08_methods_bodies_schemes_and_paths_of_the_clouds_apis() {
    let cloud = Cloud::calm().await;
    let caller = Caller::of(&cloud);
    let clusters = format!("/v2/projects/{PROJECT}/regions/eu01/clusters");
    for (method, path, allow) in [
        ("HEAD", clusters.clone(), "GET"),
        ("POST", clusters.clone(), "GET"),
        ("DELETE", "/v2/projects".to_owned(), "GET"),
        ("GET", "/token".to_owned(), "POST"),
        ("PATCH", format!("{clusters}/alpha"), "DELETE, GET, PUT"),
        ("GET", format!("{clusters}/alpha/start-credentials-rotation"), "POST"),
        ("POST", format!("{clusters}/alpha/kubeconfig/login"), "GET"),
        ("GET", "/_simulator/faults".to_owned(), "DELETE, POST"),
    ] {
        let (status, allowed, _) = caller.call(method, &path).await;
        assert_eq!((status, &*allowed), (405, allow), "{method} {path}");
    }
    assert_eq!(caller.call("GET", "/v2/nothing").await.0, 404);
    let token = &caller.exports["STACKIT_ACCESS_TOKEN"];
    let large = caller.request("POST", &format!("{clusters}/alpha/kubeconfig"));
    let large = large.bearer_auth(token).body(" ".repeat(2 << 20));
    assert_eq!(answer(large).await.0, 413);
    for scheme in ["bearer", "BEARER"] {
        let list = caller.request("GET", &clusters);
        let list = list.header("authorization", format!("{scheme} {token}"));
        assert_eq!(answer(list).await.0, 200, "{scheme}");
    }
    let encoded = format!("{clusters}/%61lpha");
    assert_eq!(caller.read(&encoded).await["name"], "alpha");
}

#[tokio::test]
async fn provider_options_list_machine_images_and_are_filtered_by_state() {
    let cloud = Cloud::with(
        "[[projects.clusters]]\nname = \"alpha\"\n\
         [[projects.clusters]]\nname = \"old\"\nversion = \"1.30.1\"\nexpires_in_days = 5\n",
    )
    .await;
    let caller = Caller::of(&cloud);
    let path = "/v2/regions/eu01/provider-options";
    let all = caller.read(path).await;
    let some = caller.read(&format!("{path}?versionState=SUPPORTED")).await;
    for pointer in ["/kubernetesVersions", "/machineImages/0/versions"] {
        let of = |options: &Value| options.pointer(pointer).unwrap().as_array().unwrap().clone();
        let states: Vec<_> = of(&some).iter().map(|entry| entry["state"].clone()).collect();
        assert_eq!((of(&all).len(), states), (2, vec![json!("supported")]), "{pointer}");
    }
    let used = caller.read(&format!("/v2/projects/{PROJECT}/regions/eu01/clusters/alpha")).await;
    let machine = &used["nodepools"][0]["machine"];
    assert_eq!(some["machineImages"][0]["name"], machine["image"]["name"]);
    assert_eq!(some["machineImages"][0]["versions"][0]["version"], machine["image"]["version"]);
    assert_eq!(some["machineTypes"][0]["name"], machine["type"]);
    assert_eq!(caller.call("GET", &format!("{path}?versionState=OLD")).await.0, 400);
    assert_eq!(caller.call("GET", "/v2/regions/xx99/provider-options").await.0, 501);
}

#[tokio::test]
async fn the_endpoints_that_are_exported_beside_ske_answer() {
    let cloud = Cloud::calm().await;
    let caller = Caller::of(&cloud);
    assert_eq!(
        caller.read("/v2/organizations?member=a").await["items"][0]["lifecycleState"],
        "ACTIVE"
    );
    assert_eq!(caller.read("/v2/folders?member=a").await["items"], json!([]));
    let users = "/v2/users/demo%40simulator";
    let asked = "resourceType=project&permissions=ske.cluster.list&permissions=ske.cluster.get";
    let item = &caller.read(&format!("{users}/permissions?{asked}")).await["items"][0];
    assert_eq!(
        (&item["resourceId"], &item["permissions"][1]["name"]),
        (&json!(PROJECT), &json!("ske.cluster.get"))
    );
    let item = &caller.read(&format!("{users}/memberships")).await["items"][0];
    assert_eq!((&item["resourceId"], &item["role"]), (&json!(PROJECT), &json!("owner")));
    assert_eq!(caller.call("GET", "/v2/users/a%40b/permissions").await.0, 403);
}
