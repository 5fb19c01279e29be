//! Parses and checks an issued admin kubeconfig for a cluster's API server. Held in memory only.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use hyper_util::client::proxy::matcher::Matcher;
use kube::client::ConfigExt as _;
use reqwest::Url;
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::clients::http::is_loopback;
use crate::clients::request::host_and_port;
use crate::domain::cluster::ClusterName;
use crate::domain::credential::{ClientCertificate, CredentialFacts, decode_certificates};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::{InvalidKubeconfig, KubeconfigKind, ParsedKubeconfig};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Connect timeout. The connector cannot use our clock; the request around it does.
const CONNECT: Duration = Duration::from_secs(5);
/// Gardener backdates certificates by this much to tolerate clock skew.
const DATED_BACK: Duration = Duration::from_mins(1);
/// Lower bound for the lifetime that a certificate states.
const SHORTEST_LIFE: Duration = Duration::from_mins(2);

/// Servers that a kubeconfig may point to.
#[derive(Debug, Clone)]
pub struct ExpectedServer {
    /// Name of the cluster, which is part of the host name.
    pub cluster: ClusterName,
    /// Whether the SKE API itself is on loopback (the simulator); only then may the server be, too.
    pub loopback: bool,
}

/// A checked kubeconfig. `Debug` shows the host, but no content.
#[derive(Clone)]
pub struct CheckedKubeconfig {
    config: kube::Config,
    host: String,
    facts: CredentialFacts,
    life: Duration,
}

impl fmt::Debug for CheckedKubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedKubeconfig").field("host", &self.host).finish_non_exhaustive()
    }
}

impl CheckedKubeconfig {
    /// Checks what SKE returned. Nothing that it references is read, run or connected to.
    ///
    /// # Errors
    /// Names what is missing or unsafe; never quotes a secret.
    pub fn read(text: &Secret, expected: &ExpectedServer) -> Result<Self, Failure> {
        let refuse = |reason: String| {
            let message =
                format!("the kubeconfig that SKE returned for {} {reason}", expected.cluster);
            Failure::new(FailureKind::Format, format!("{}; it is not used", clean(&message)))
                .hint("Nothing was executed or sent. Report this to STACKIT if it persists")
        };
        crate::clients::install_crypto();
        let parsed = ParsedKubeconfig::read(KubeconfigKind::Admin, text)
            .map_err(|invalid| refuse(invalid.to_string()))?;
        let url = check_server(parsed.server(), expected)
            .map_err(|invalid| refuse(invalid.to_string()))?;
        let facts = parsed.facts().map_err(|error| refuse(format!("cannot be read: {error}")))?;
        let life = facts.client.as_ref().map_or(SHORTEST_LIFE, life);
        let host = host_and_port(&url);
        let config = config(&url, &parsed)
            .ok_or_else(|| refuse("has an unusable address (cluster.server)".to_owned()))?;
        // Detects a mismatched key or an invalid CA early, with our own message.
        config.rustls_client_config().map_err(|_may_quote| {
            refuse("has an unusable certificate or key (user.client-key-data)".to_owned())
        })?;
        Ok(Self { config, host, facts, life })
    }

    /// What kube-rs connects with.
    pub fn config(&self) -> &kube::Config {
        &self.config
    }

    /// Host, and port unless it is 443.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Facts from its certificates.
    pub fn facts(&self) -> &CredentialFacts {
        &self.facts
    }

    /// Lifetime from issue on, according to the certificate; independent of any clock.
    pub fn life(&self) -> Duration {
        self.life
    }
}

/// The server URL, if this cluster's API server can be there.
pub fn check_server(text: &str, expected: &ExpectedServer) -> Result<Url, InvalidKubeconfig> {
    let refuse = |reason: String| InvalidKubeconfig::new("cluster.server", reason);
    let url =
        Url::parse(text).map_err(|_no_url| refuse("has no usable server address".to_owned()))?;
    let is_expected = if is_loopback(&url) {
        expected.loopback
    } else {
        is_api_server(url.host_str().unwrap_or_default(), expected.cluster.as_str())
    };
    if is_expected {
        return Ok(url);
    }
    let host = host_and_port(&url);
    Err(refuse(format!("points to https://{host}, which is not an address of this cluster")))
}

/// `api.<name>.<hex>.s.ske.<region>.onstackit.cloud`: strict at both ends and in the cluster name, lenient between. The
/// label `ske` is required, since customers may own other names under that domain.
fn is_api_server(host: &str, cluster: &str) -> bool {
    let Some(middle) = host
        .strip_prefix("api.")
        .and_then(|rest| rest.strip_prefix(&cluster.to_ascii_lowercase()))
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.strip_suffix(".onstackit.cloud"))
    else {
        return false;
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    !cluster.is_empty()
        && middle.split('.').all(is_label)
        && middle.split('.').any(|label| label == "ske")
}

/// YAML may fold long values over lines.
fn joined(base64: &str) -> String {
    // Preallocated: reallocation would leave copies of a key in memory.
    let mut joined = String::with_capacity(base64.len());
    joined.extend(base64.split_whitespace());
    joined
}

fn life(certificate: &ClientCertificate) -> Duration {
    let life = certificate.not_after.duration_since(certificate.not_before);
    Duration::try_from(life).unwrap_or_default().saturating_sub(DATED_BACK).max(SHORTEST_LIFE)
}

fn config(url: &Url, parsed: &ParsedKubeconfig) -> Option<kube::Config> {
    let mut config = kube::Config::new(url.as_str().parse().ok()?);
    config.root_cert = decode_certificates(parsed.authorities());
    config.connect_timeout = Some(CONNECT);
    // The clock enforces the other timeouts around each request; a watch may be silent for a long time.
    config.read_timeout = None;
    config.write_timeout = None;
    config.default_retry = false;
    config.auth_info.client_certificate_data = parsed.client_certificate().map(joined);
    config.auth_info.client_key_data = parsed.client_key().map(|key| {
        let key = Zeroizing::new(joined(key.expose()));
        // Of exactly its length: what is shrunk may leave its old copy behind.
        SecretString::from(Box::<str>::from(key.as_str()))
    });
    config.proxy_url = proxy(url, &config.cluster_url, &Matcher::from_system()).ok()?;
    Some(config)
}

/// The proxy of this machine for a URL, as for all other requests; none for loopback.
fn proxy(url: &Url, address: &http::Uri, matcher: &Matcher) -> Result<Option<http::Uri>, ()> {
    if is_loopback(url) {
        return Ok(None);
    }
    let Some(intercept) = matcher.intercept(address) else { return Ok(None) };
    let mut proxy = Url::parse(&intercept.uri().to_string()).map_err(|_no_url| ())?;
    let basic = intercept.basic_auth().and_then(|value| {
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        let plain = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
        let plain = String::from_utf8(plain).ok()?;
        plain.split_once(':').map(|(user, word)| (user.to_owned(), word.to_owned()))
    });
    let raw = intercept.raw_auth().map(|(user, word)| (user.to_owned(), word.to_owned()));
    if let Some((user, word)) = basic.or(raw) {
        proxy.set_username(&user)?;
        proxy.set_password(Some(&word))?;
    }
    proxy.as_str().parse().map(Some).map_err(|_no_uri: http::uri::InvalidUri| ())
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use reqwest::Url;

    use crate::clients::kubernetes::checked_kubeconfig::proxy;

    fn chosen(matcher: &Matcher, server: &str) -> Option<String> {
        let url = Url::parse(server).unwrap();
        let address = url.as_str().parse().unwrap();
        proxy(&url, &address, matcher).unwrap().map(|proxy| proxy.to_string())
    }

    #[test]
    fn the_proxy_of_the_machine_is_used_but_not_for_the_machine_itself() {
        let matcher = Matcher::builder()
            .https("http://us%20er:p%40ss@proxy.example:3128")
            .no("direct.example")
            .build();
        assert_eq!(
            chosen(&matcher, "https://api.example").as_deref(),
            Some("http://us%20er:p%40ss@proxy.example:3128/")
        );
        for direct in ["https://127.0.0.1:1", "https://localhost", "https://direct.example"] {
            assert_eq!(chosen(&matcher, direct), None, "{direct}");
        }
        let socks = Matcher::builder().all("socks5://proxy.example:1080").build();
        let server = "https://api.example";
        assert_eq!(chosen(&socks, server).as_deref(), Some("socks5://proxy.example:1080/"));
    }
}
