//! Kubeconfigs as SKE issues them, and invalid ones.

use std::time::Duration;

use crate::clients::error_chain::find_source;
use crate::clients::kubernetes::checked_kubeconfig::{CheckedKubeconfig, ExpectedServer};
use crate::clients::kubernetes::connection::Connection;
use crate::clients::kubernetes::error::KubeError;
use crate::clients::kubernetes::handshake::diagnose_handshake;
use crate::clients::kubernetes::tests::cluster::{FakeCluster, Handshake};
use crate::clock::Clock;
use crate::domain::cluster::ClusterName;
use crate::domain::failure::FailureKind;
use crate::domain::fixtures::now;
use crate::domain::secret::Secret;

const SERVER: &str = "https://api.shop.0f3c9a.s.ske.eu01.onstackit.cloud";

fn expected(loopback: bool) -> ExpectedServer {
    ExpectedServer { cluster: ClusterName::new("shop"), loopback }
}

async fn issued(server: &str) -> String {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    let text = fake.kubeconfig(1, 600).expose().to_owned();
    text.replace(&format!("https://127.0.0.1:{}", fake.port), server)
}

fn read(text: &str) -> Result<CheckedKubeconfig, String> {
    CheckedKubeconfig::read(&Secret::new(text.to_owned()), &expected(false)).map_err(|failure| {
        assert_eq!(failure.kind, FailureKind::Format);
        failure.message
    })
}

#[tokio::test]
async fn an_issued_kubeconfig_is_checked_without_showing_its_secrets() {
    let text = issued(SERVER).await;
    let access = read(&text).unwrap();
    assert_eq!(access.host(), "api.shop.0f3c9a.s.ske.eu01.onstackit.cloud");
    assert_eq!(access.facts().authorities.len(), 1);
    assert_eq!(access.life(), Duration::from_mins(10));
    let debug = format!("{access:?} {:?}", access.config());
    let key = text.split("client-key-data: ").nth(1).unwrap().split('}').next().unwrap();
    assert!(!debug.contains(key), "{debug}");
    assert!(!format!("{access:?}").contains("data"));
    assert!(!access.config().accept_invalid_certs);
    assert!(access.config().auth_info.exec.is_none() && !access.config().default_retry);
    // The same as JSON, folded, and with a byte order mark.
    assert!(read(&format!("\u{feff}{text}")).is_ok());
}

#[tokio::test]
async fn a_bundle_of_two_authorities_is_counted() {
    use base64::Engine as _;
    let text = issued(SERVER).await;
    let (before, rest) = text.split_once("certificate-authority-data: ").unwrap();
    let (bundle, after) = rest.split_once('}').unwrap();
    let engine = base64::engine::general_purpose::STANDARD;
    let other = issued(SERVER).await;
    let (_, other) = other.split_once("certificate-authority-data: ").unwrap();
    let mut pem = engine.decode(bundle).unwrap();
    pem.extend(engine.decode(other.split_once('}').unwrap().0).unwrap());
    let bundle = engine.encode(pem);
    let text = format!("{before}certificate-authority-data: {bundle}}}{after}");
    assert_eq!(read(&text).unwrap().facts().authorities.len(), 2);
}

#[tokio::test]
async fn k8s_09_a_kubeconfig_with_unexpected_content_is_refused() {
    let text = issued(SERVER).await;
    let user = |extra: &str| text.replace("user: {client", &format!("user: {{{extra}, client"));
    let cluster =
        |extra: &str| text.replace("cluster: {server", &format!("cluster: {{{extra}, server"));
    let cases = [
        (user("exec: {command: /tmp/canary, apiVersion: v1}"), "runs the command /tmp/canary"),
        (user("exec: {}"), "runs a command"),
        (user("auth-provider: {name: gcp}"), "auth-provider"),
        (user("tokenFile: /etc/passwd"), "tokenFile"),
        (user("client-certificate: /etc/passwd"), "client-certificate"),
        (user("client-key: /etc/passwd"), "client-key"),
        (user("as: root"), "impersonates another user"),
        (user("as-groups: [system:masters]"), "impersonates another user"),
        (user("as-uid: '0'"), "impersonates another user"),
        (user("as-user-extra: {a: [b]}"), "impersonates another user"),
        (cluster("certificate-authority: /etc/passwd"), "refers to a local file"),
        (cluster("insecure-skip-tls-verify: true"), "disables verification"),
        (cluster("insecure-skip-tls-verify: 'false'"), "disables verification"),
        (cluster("proxy-url: http://evil.example"), "sets a proxy"),
        (cluster("tls-server-name: evil.example"), "under another name"),
        (cluster("server: 'https://a.example'"), "duplicate key server"),
        (format!("{text}---\n{text}"), "more than one YAML document"),
        (format!("{text}x: {}{}", "[".repeat(70), "]".repeat(70)), "nested deeper"),
        (format!("{text}# {}", "x".repeat(1 << 20)), "larger than 1 MiB"),
        (text.replace("client-key-data", "other"), "has no client key"),
        (text.replace("client-certificate-data", "other"), "has no client certificate"),
        (text.replace("certificate-authority-data", "other"), "has no certificate authority"),
        (text.replace("client-key-data: ", "client-key-data: QUJD"), "unusable"),
        (
            text.replace("client-certificate-data: ", "client-certificate-data: '*'#"),
            "invalid YAML",
        ),
        (text.replace("current-context: main", "current-context: gone"), "does not exist"),
        (
            text.replace("contexts: [", "contexts: [{name: b}, ")
                .replace("current-context: main", ""),
            "has 2 contexts",
        ),
        (text.replace("cluster: c,", "cluster: d,"), "has no cluster"),
        ("[".into(), "invalid YAML"),
        ("\u{0}".into(), "invalid YAML"),
        (String::new(), ""),
        ("kind: Config".into(), "has no context"),
    ];
    let key = text.split("client-key-data: ").nth(1).unwrap().split('}').next().unwrap();
    for (text, reason) in cases {
        let message = read(&text).err().unwrap_or_else(|| panic!("taken: {reason}"));
        assert!(message.contains(reason), "{message} should say {reason}");
        assert!(message.starts_with("the kubeconfig that SKE returned for shop"), "{message}");
        assert!(!message.contains(key) && !message.contains("QUJD"), "{message}");
    }
    assert!(read(&cluster("insecure-skip-tls-verify: false")).is_ok());
    assert!(read(&user("exec: null, as: ~")).is_ok());
    assert!(read(&cluster("disable-compression: true, extensions: []")).is_ok());
}

#[tokio::test]
async fn k8s_09_only_an_address_of_this_cluster_is_accepted() {
    let text = issued(SERVER).await;
    let cases = [
        ("https://api.shop.0f3c9a.s.ske.eu02.onstackit.cloud", true),
        ("https://API.SHOP.x.ske.eu01.onstackit.cloud:443/", true),
        ("https://api.shop.x.y.z.ske.eu01.onstackit.cloud:6443", true),
        ("http://api.shop.0f3c9a.s.ske.eu01.onstackit.cloud", false),
        ("https://api.shop2.0f3c9a.s.ske.eu01.onstackit.cloud", false),
        ("https://api.prod.0f3c9a.s.ske.eu01.onstackit.cloud", false),
        ("https://api.shop.ske.eu01.onstackit.cloud.evil.example", false),
        ("https://evil.example/api.shop.x.ske.eu01.onstackit.cloud", false),
        ("https://api.shop.runs.onstackit.cloud", false),
        ("https://shop.0f3c9a.s.ske.eu01.onstackit.cloud", false),
        ("https://api.shop.x.ske.eu01.onstackit.cloud.", false),
        ("https://api.shop.x.ske.eu01.onstackit.cloud@evil.example", false),
        ("https://u:p@api.shop.x.ske.eu01.onstackit.cloud", false),
        ("https://api.shop.x.ske.eu01.onstackit.cloud/proxy", false),
        ("https://api.shop.x.ske.eu01.onstackit.cloud?a=b", false),
        ("https://127.0.0.1:1234", false),
        ("https://localhost", false),
        ("https://10.0.0.1", false),
        ("", false),
    ];
    for (server, taken) in cases {
        let result = read(&text.replace(SERVER, server));
        assert_eq!(result.is_ok(), taken, "{server}: {result:?}");
    }
    let on_loopback = |server: &str| {
        CheckedKubeconfig::read(&Secret::new(text.replace(SERVER, server)), &expected(true)).is_ok()
    };
    assert!(on_loopback("https://127.0.0.1:1") && on_loopback("https://[::1]:1"));
    assert!(
        on_loopback(SERVER) && !on_loopback("https://10.0.0.1") && !on_loopback("http://127.0.0.1")
    );
}

#[tokio::test]
async fn a_connection_reports_whether_the_server_is_ready() {
    let fake = FakeCluster::start(Handshake::Lenient).await;
    let clock = Clock::manual(now());
    let connect =
        |access| Connection::new(access, ClusterName::new("shop"), clock.clone()).unwrap();
    let access = CheckedKubeconfig::read(&fake.kubeconfig(1, 600), &expected(true)).unwrap();
    let connection = connect(access);
    assert_eq!(connection.ready().await, Ok(Some(true)));
    fake.rules(|rules| {
        rules.statuses.insert("/readyz", 500);
    });
    assert_eq!(connection.ready().await, Ok(Some(false)));
    // Another cluster is at this address: the kubeconfig's CA did not sign its certificate.
    let other = FakeCluster::start(Handshake::Lenient).await;
    let text =
        fake.kubeconfig(1, 600).expose().replace(&fake.port.to_string(), &other.port.to_string());
    let access = CheckedKubeconfig::read(&Secret::new(text), &expected(true)).unwrap();
    let connection = connect(access);
    let failure = connection.failure(&connection.ready().await.unwrap_err());
    assert_eq!(failure.kind, FailureKind::Unreachable);
    assert!(failure.message.contains("certificate is not this cluster's"), "{failure}");
    assert!(find_source::<rustls::Error>(&failure).is_some(), "the log gets the whole chain");
}

#[tokio::test]
async fn k8s_15_the_handshake_distinguishes_a_refusal_from_an_outage() {
    let clock = Clock::machine();
    for (handshake, refused) in
        [(Handshake::Strict, true), (Handshake::Curt, true), (Handshake::Lenient, false)]
    {
        let fake = FakeCluster::start(handshake).await;
        let access = CheckedKubeconfig::read(&fake.kubeconfig(1, 600), &expected(true)).unwrap();
        let seen = diagnose_handshake(&access, &clock).await;
        assert_eq!(matches!(seen, Some(KubeError::Refused(_))), refused, "{seen:?}");
        assert_eq!(seen.is_none(), !refused);
        fake.rules(|rules| rules.away = true);
        let seen = diagnose_handshake(&access, &clock).await;
        assert!(matches!(seen, Some(KubeError::Unreachable(_))), "{seen:?}");
    }
}
