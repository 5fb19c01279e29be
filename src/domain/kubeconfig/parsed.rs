//! A kubeconfig issued by SKE. The same rules apply to what is saved for the user and to what skeys itself connects
//! with: anything that an issued kubeconfig never contains (commands, local files, disabled TLS verification,
//! impersonation) is rejected up front.

use std::fmt;

use http::uri::Authority;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::credential::{CertificateError, CredentialFacts};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::document::{self, entry_named, filled, items};
use crate::domain::kubeconfig::emit;
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// Cluster, context and user with the same name, each with its list.
pub(in crate::domain::kubeconfig) type Entries = [(&'static str, SecretValue); 3];

/// How a kubeconfig authenticates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubeconfigKind {
    /// A client certificate that expires. The default for records from before kinds were recorded.
    #[default]
    Admin,
    /// The `stackit` CLI authenticates; contains no secret.
    Login,
    /// The `stackit` CLI authenticates at the identity provider; contains no secret.
    Idp,
}

impl KubeconfigKind {
    /// The kind in forms and messages.
    pub fn label(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Login => "login",
            Self::Idp => "idp",
        }
    }
}

/// Maximum size of an issued kubeconfig, in bytes.
const MAX_BYTES: usize = 1024 * 1024;

/// Why an issued kubeconfig is rejected, with the field. Never quotes possible secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidKubeconfig(String);

impl InvalidKubeconfig {
    /// A field and its problem, as a continuation of "the kubeconfig".
    pub fn new(field: &str, reason: impl fmt::Display) -> Self {
        Self(format!("{reason} ({field})"))
    }
}

impl fmt::Display for InvalidKubeconfig {
    /// As a continuation of "the kubeconfig".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<InvalidKubeconfig> for Failure {
    fn from(InvalidKubeconfig(reason): InvalidKubeconfig) -> Self {
        Self::new(FailureKind::Refused, format!("The kubeconfig that SKE returned {reason}")).hint(
            "Nothing was written. Issue another one, or report this to STACKIT; this one expires automatically",
        )
    }
}

/// A checked kubeconfig. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedKubeconfig {
    kind: KubeconfigKind,
    text: Secret,
    server: String,
    authorities: String,
    client: Option<(String, Secret)>,
}

impl fmt::Debug for ParsedKubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedKubeconfig").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The current context, or the only one, with its cluster and user.
struct Current<'a> {
    context: &'a Value,
    cluster: &'a Value,
    user: &'a Value,
}

impl<'a> Current<'a> {
    fn of(root: &'a Value) -> Result<Self, InvalidKubeconfig> {
        let name = match (filled(root, "current-context"), items(root, "contexts")) {
            (_, []) => return Err(InvalidKubeconfig::new("contexts", "has no context")),
            (Some(current), _) => current,
            (None, [only]) => filled(only, "name").ok_or_else(|| {
                InvalidKubeconfig::new("contexts.name", "has a context with no name")
            })?,
            (None, several) => {
                let number = several.len();
                return Err(InvalidKubeconfig::new(
                    "current-context",
                    format_args!("has {number} contexts and no current-context"),
                ));
            }
        };
        let named = |list: &str, name: &str, field: &str| {
            entry_named(root, list, name)?.get(field).filter(|value| value.is_object())
        };
        let context = named("contexts", name, "context").ok_or_else(|| {
            InvalidKubeconfig::new("current-context", "has a current-context that does not exist")
        })?;
        let of_context = |list: &'static str, field: &'static str| {
            filled(context, field).and_then(|name| named(list, name, field)).ok_or_else(|| {
                InvalidKubeconfig::new(list, format_args!("has no {field} for its context"))
            })
        };
        let (cluster, user) = (of_context("clusters", "cluster")?, of_context("users", "user")?);
        Ok(Self { context, cluster, user })
    }
}

/// Whether a key is present. Null counts as absent, as in kubectl.
fn has(map: &Value, key: &str) -> bool {
    map.get(key).is_some_and(|value| !value.is_null())
}

impl ParsedKubeconfig {
    /// Checks what the server returned. Nothing that it references is read, run or connected to.
    ///
    /// # Errors
    /// What is missing or unsafe, with its field.
    pub fn read(kind: KubeconfigKind, text: &Secret) -> Result<Self, InvalidKubeconfig> {
        let root = values(text)?;
        let Current { cluster, user, .. } = Current::of(&root)?;
        let (server, authorities) = check_cluster(cluster)?;
        let client = check_user(kind, user)?
            .map(|(certificate, key)| (certificate.to_owned(), Secret::new(key.to_owned())));
        let (server, authorities) = (server.to_owned(), authorities.to_owned());
        Ok(Self { kind, text: text.clone(), server, authorities, client })
    }

    /// How it authenticates.
    pub fn kind(&self) -> KubeconfigKind {
        self.kind
    }

    /// URL of the API server: https and host, optionally a port.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// `certificate-authority-data` of its cluster, base64 of PEM.
    pub fn authorities(&self) -> &str {
        &self.authorities
    }

    /// `client-certificate-data` of its user, base64 of PEM; kinds without a secret have none.
    pub fn client_certificate(&self) -> Option<&str> {
        self.client.as_ref().map(|(certificate, _)| certificate.as_str())
    }

    /// Facts from its certificates.
    ///
    /// # Errors
    /// Which of its fields is not a certificate.
    pub fn facts(&self) -> Result<CredentialFacts, CertificateError> {
        CredentialFacts::read(&self.server, &self.authorities, self.client_certificate())
    }

    /// `client-key-data` of its user, base64 of PEM; kinds without a secret have none.
    pub fn client_key(&self) -> Option<&Secret> {
        self.client.as_ref().map(|(_, key)| key)
    }

    /// The three entries with the same name, by list. Parsed again from the text, so that the key is not kept in memory
    /// as a value in the meantime.
    pub(in crate::domain::kubeconfig) fn entries(&self, name: &str) -> Result<Entries, Failure> {
        let root = values(&self.text)?;
        let Current { context, cluster, user } = Current::of(&root)?;
        Ok(entries_of(name, cluster, context.get("namespace"), user))
    }
}

/// Entries similar to those issued by SKE, to find out whether a file can take them.
pub(in crate::domain::kubeconfig) fn sample_entries(kind: KubeconfigKind, name: &str) -> Entries {
    let user = match kind {
        KubeconfigKind::Admin => {
            json!({ "client-certificate-data": "QQ==", "client-key-data": "QQ==" })
        }
        KubeconfigKind::Login | KubeconfigKind::Idp => json!({ "exec": { "command": COMMAND } }),
    };
    let cluster =
        json!({ "certificate-authority-data": "QQ==", "server": "https://sample.invalid" });
    entries_of(name, &cluster, None, &user)
}

fn entries_of(name: &str, cluster: &Value, namespace: Option<&Value>, user: &Value) -> Entries {
    let mut context = json!({ "cluster": name, "user": name });
    if let (Some(namespace), Some(fields)) = (namespace, context.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.clone());
    }
    [
        ("clusters", SecretValue::new(json!({ "cluster": cluster, "name": name }))),
        ("contexts", SecretValue::new(json!({ "context": context, "name": name }))),
        ("users", SecretValue::new(json!({ "name": name, "user": user }))),
    ]
}

fn values(text: &Secret) -> Result<SecretValue, InvalidKubeconfig> {
    let plain = text.expose().trim_start_matches('\u{feff}');
    if plain.len() > MAX_BYTES {
        return Err(InvalidKubeconfig("is larger than 1 MiB".to_owned()));
    }
    let (_, root) = document::read(plain)
        .map_err(|failure| InvalidKubeconfig(format!("cannot be parsed: {}", failure.message)))?;
    if !root.is_object() && !root.is_null() {
        return Err(InvalidKubeconfig("is not a mapping".to_owned()));
    }
    if !document::is_json(&root) {
        return Err(InvalidKubeconfig("has a value that JSON cannot represent".to_owned()));
    }
    Ok(root)
}

/// The credential plugin of the kinds without a secret.
const COMMAND: &str = "stackit";
const FILE: &str = "refers to a local file";
const IMPERSONATION: &str = "impersonates another user";
const CREDENTIAL: &str = "has a kind of credential that SKE never issues";
const CERTIFICATE: &str = "has a client certificate, which this kind never has";

/// Rejects an entry ("cluster") with one of these keys, giving the reason.
fn refuse_keys(
    entry: &str,
    fields: &Value,
    keys: &[(&str, &str)],
) -> Result<(), InvalidKubeconfig> {
    match keys.iter().find(|(key, _)| has(fields, key)) {
        Some((key, reason)) => Err(InvalidKubeconfig::new(&format!("{entry}.{key}"), reason)),
        None => Ok(()),
    }
}

/// Returns the server and its CAs.
fn check_cluster(cluster: &Value) -> Result<(&str, &str), InvalidKubeconfig> {
    let refuse =
        |key: &str, reason: &str| Err(InvalidKubeconfig::new(&format!("cluster.{key}"), reason));
    let server = filled(cluster, "server").unwrap_or_default();
    let Some(address) = server.strip_prefix("https://") else {
        return refuse("server", "has a server URL without https");
    };
    let host = address.strip_suffix('/').unwrap_or(address);
    let is_of_host = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if !host.chars().all(is_of_host) {
        return refuse("server", "has a server URL with more than a host and a port");
    }
    let is_address = host.parse::<Authority>().is_ok_and(|address| {
        let host = address.host();
        let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(host) => {
                host.contains(':')
                    && host.chars().all(|c| c.is_ascii_hexdigit() || ":.".contains(c))
            }
            None => !host.is_empty() && !host.contains(['[', ']', ':']),
        };
        is_host && (address.as_str() == host || address.port_u16().is_some())
    });
    if !is_address {
        return refuse("server", "has a server URL without a valid host and port");
    }
    let skip = "insecure-skip-tls-verify";
    if has(cluster, skip) && cluster.get(skip) != Some(&Value::Bool(false)) {
        return refuse(skip, "disables verification of the server certificate");
    }
    let renames = "verifies the server certificate under another name";
    let keys = [
        ("certificate-authority", FILE),
        ("proxy-url", "sets a proxy"),
        ("tls-server-name", renames),
    ];
    refuse_keys("cluster", cluster, &keys)?;
    match filled(cluster, "certificate-authority-data") {
        Some(authorities) => Ok((server, authorities)),
        None => refuse("certificate-authority-data", "has no certificate authority for its server"),
    }
}

/// Returns certificate and key, if the kind has them.
fn check_user(
    kind: KubeconfigKind,
    user: &Value,
) -> Result<Option<(&str, &str)>, InvalidKubeconfig> {
    let keys = [
        ("client-certificate", FILE),
        ("client-key", FILE),
        ("tokenFile", FILE),
        ("token", CREDENTIAL),
        ("username", CREDENTIAL),
        ("password", CREDENTIAL),
        ("auth-provider", CREDENTIAL),
        ("as", IMPERSONATION),
        ("as-uid", IMPERSONATION),
        ("as-groups", IMPERSONATION),
        ("as-user-extra", IMPERSONATION),
    ];
    refuse_keys("user", user, &keys)?;
    let command = user.get("exec").and_then(|exec| filled(exec, "command")).map(clean);
    let refuse_command = |reason: String| Err(InvalidKubeconfig::new("user.exec", reason));
    if kind == KubeconfigKind::Admin {
        if has(user, "exec") {
            let what =
                command.map_or("a command".to_owned(), |command| format!("the command {command}"));
            return refuse_command(format!("runs {what}, which an admin kubeconfig never does"));
        }
        let data = |key: &'static str, reason: &str| {
            filled(user, key).ok_or_else(|| InvalidKubeconfig::new(&format!("user.{key}"), reason))
        };
        let certificate = data("client-certificate-data", "has no client certificate")?;
        return Ok(Some((certificate, data("client-key-data", "has no client key")?)));
    }
    let keys = [("client-certificate-data", CERTIFICATE), ("client-key-data", CERTIFICATE)];
    refuse_keys("user", user, &keys)?;
    match command.as_deref() {
        Some(COMMAND) => check_exec(kind, user.get("exec").unwrap_or(&Value::Null)).map(|()| None),
        Some(other) => refuse_command(format!("runs {other} instead of stackit")),
        None => refuse_command("has no credential plugin".to_owned()),
    }
}

/// The kind of a credential plugin, if it is exactly one that SKE issues.
pub fn plugin_kind(exec: &Value) -> Option<KubeconfigKind> {
    let kinds = [KubeconfigKind::Login, KubeconfigKind::Idp];
    kinds.into_iter().find(|kind| check_exec(*kind, exec).is_ok())
}

/// Accepts only `stackit ske kubeconfig login` as issued by SKE: kubectl would run anything else as the user.
fn check_exec(kind: KubeconfigKind, exec: &Value) -> Result<(), InvalidKubeconfig> {
    let refuse = |key: &str, reason: &str| {
        Err(InvalidKubeconfig::new(&format!("user.exec.{}", clean(key)), reason))
    };
    let args = items(exec, "args").iter();
    let args: Vec<&str> = args.map(|arg| arg.as_str().unwrap_or_default()).collect();
    match (args.as_slice(), kind) {
        (["ske", "kubeconfig", "login"], _)
        | (["ske", "kubeconfig", "login", "--idp"], KubeconfigKind::Idp) => {}
        _ => return refuse("args", "runs stackit with other arguments than ske kubeconfig login"),
    }
    for (key, value) in exec.as_object().into_iter().flatten() {
        let text = value.as_str();
        let is_known = match key.as_str() {
            "command" => text == Some(COMMAND),
            "args" => true,
            "apiVersion" => text.is_some_and(|text| {
                matches!(text.strip_prefix("client.authentication.k8s.io/"), Some("v1" | "v1beta1"))
            }),
            "installHint" => text.is_some_and(|text| clean(text) == text),
            "interactiveMode" => matches!(text, Some("Never" | "IfAvailable" | "Always")),
            "provideClusterInfo" => value.is_boolean(),
            "env" => value.as_array().is_some_and(Vec::is_empty),
            _ => false,
        };
        if !is_known && !value.is_null() {
            return refuse(key, "gives stackit a setting that SKE never sets");
        }
    }
    Ok(())
}

/// A minimal separate kubeconfig, with cluster, user and current context under one name.
pub fn renamed(fresh: &ParsedKubeconfig, context: &str) -> Result<Secret, Failure> {
    check_context_name(context)?;
    let [clusters, contexts, users] = fresh.entries(context)?.map(|(_, entry)| entry);
    let root = SecretValue::new(json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": context,
        "clusters": [*clusters], "contexts": [*contexts], "users": [*users],
    }));
    let text = Secret::new(format!("{}\n", emit::block(&root, 0)));
    if document::read(text.expose()).is_ok_and(|(_, values)| values == root) {
        return Ok(text);
    }
    Err(InvalidKubeconfig("cannot be written so that kubectl reads the same".to_owned()).into())
}

/// Rejects names that cannot be displayed.
///
/// # Errors
/// The requirements for a name.
pub fn check_context_name(context: &str) -> Result<(), Failure> {
    if context.is_empty() || clean(context) != context {
        return Err(Failure::new(
            FailureKind::NotPossible,
            "A context needs a name without control characters",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::domain::failure::Failure;
    use proptest::prelude::*;
    use proptest::sample::select;
    use serde_json::{Value, json};

    use crate::domain::kubeconfig::document::parse_values;
    use crate::domain::kubeconfig::parsed::{KubeconfigKind, ParsedKubeconfig, renamed};
    use crate::domain::secret::Secret;
    use crate::fuzz::{changed_text, fuzz};

    const CERTIFICATE: &str = "client-certificate-data: QUJD, client-key-data: U0VDUkVU";
    const COMMAND: &str = "exec: {command: stackit, args: [ske, kubeconfig, login]}";

    fn text(cluster: &str, user: &str) -> String {
        format!(
            "current-context: c\n\
             contexts: [{{name: c, context: {{cluster: k, user: u, namespace: web}}}}]\n\
             clusters: [{{name: k, cluster: {{{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n"
        )
    }

    fn cluster(server: &str, more: &str) -> String {
        format!("server: '{server}', certificate-authority-data: QUJD{more}")
    }

    fn read(kind: KubeconfigKind, text: String) -> Result<ParsedKubeconfig, String> {
        ParsedKubeconfig::read(kind, &Secret::new(text)).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn api_23_every_refusal_names_its_field_and_shows_no_secret() {
        let good = cluster("https://api.example", "");
        let of_cluster =
            |more: &str| text(&cluster("https://api.example", &format!(", {more}")), CERTIFICATE);
        let of_user = |more: &str| text(&good, &format!("{CERTIFICATE}, {more}"));
        let at = |server: &str| text(&cluster(server, ""), CERTIFICATE);
        let cases = [
            (of_cluster("insecure-skip-tls-verify: true"), "cluster.insecure-skip-tls-verify"),
            (of_cluster("insecure-skip-tls-verify: 'false'"), "cluster.insecure-skip-tls-verify"),
            (of_cluster("certificate-authority: /etc/passwd"), "cluster.certificate-authority"),
            (of_cluster("proxy-url: http://evil.example"), "cluster.proxy-url"),
            (of_cluster("tls-server-name: evil.example"), "cluster.tls-server-name"),
            (
                text("server: 'https://api.example'", CERTIFICATE),
                "cluster.certificate-authority-data",
            ),
            (at("http://api.example"), "cluster.server"),
            (at("HTTPS://api.example"), "cluster.server"),
            (at("https://"), "cluster.server"),
            (at("https://u:p@api.example"), "cluster.server"),
            (at("https://api.example:65536"), "cluster.server"),
            (at("https://api.example:x"), "cluster.server"),
            (at("https://api.example:"), "cluster.server"),
            (at("https://:443"), "cluster.server"),
            (at("https://a:1:2"), "cluster.server"),
            (at("https://[::1"), "cluster.server"),
            (at("https://::1"), "cluster.server"),
            (at("https://[].example"), "cluster.server"),
            (at("https://[a]"), "cluster.server"),
            (at("https://api.example/path"), "cluster.server"),
            (at("https://api.example?a=b"), "cluster.server"),
            (at("https://api.example\\evil.example"), "cluster.server"),
            (at("https://api.example evil"), "cluster.server"),
            (of_user("client-certificate: /etc/passwd"), "user.client-certificate"),
            (of_user("client-key: /etc/passwd"), "user.client-key"),
            (of_user("token: abc"), "user.token"),
            (of_user("tokenFile: /etc/passwd"), "user.tokenFile"),
            (of_user("username: me"), "user.username"),
            (of_user("password: abc"), "user.password"),
            (of_user("auth-provider: {name: gcp}"), "user.auth-provider"),
            (of_user("as: root"), "user.as"),
            (of_user("as-uid: '0'"), "user.as-uid"),
            (of_user("as-groups: [system:masters]"), "user.as-groups"),
            (of_user("as-user-extra: {a: [b]}"), "user.as-user-extra"),
            (of_user("exec: {command: evil}"), "user.exec"),
            (of_user("exec: {}"), "user.exec"),
            (text(&good, "client-key-data: U0VDUkVU"), "user.client-certificate-data"),
            (text(&good, "client-certificate-data: QUJD"), "user.client-key-data"),
            (text(&good, CERTIFICATE).replace("contexts: [", "contexts: [] # "), "contexts"),
            (
                text(&good, CERTIFICATE).replace("current-context: c", "current-context: d"),
                "current-context",
            ),
            (text(&good, CERTIFICATE).replace("name: k", "name: l"), "clusters"),
            (text(&good, CERTIFICATE).replace("name: u,", "name: v,"), "users"),
        ];
        for (text, field) in cases {
            let refusal = read(KubeconfigKind::Admin, text.clone()).expect_err(&text);
            assert!(refusal.ends_with(&format!(" ({field})")), "{refusal} should name {field}");
            assert!(!refusal.contains("U0VDUkVU"), "{refusal}");
        }
        for (user, field) in [
            (CERTIFICATE, "user.client-certificate-data"),
            ("exec: {command: evil}", "user.exec"),
            ("exec: {command: stackit}, token: abc", "user.token"),
            ("exec: {command: stackit}", "user.exec.args"),
            ("", "user.exec"),
        ] {
            let refusal = read(KubeconfigKind::Login, text(&good, user)).unwrap_err();
            assert!(refusal.ends_with(&format!(" ({field})")), "{refusal} should name {field}");
        }
        let large = format!("{}# {}", text(&good, CERTIFICATE), "x".repeat(1 << 20));
        let large = ParsedKubeconfig::read(KubeconfigKind::Admin, &Secret::new(large)).unwrap_err();
        let sentence = Failure::from(large).sentence();
        assert_eq!(sentence, "The kubeconfig that SKE returned is larger than 1 MiB");
    }

    #[test]
    fn cred_06_only_the_known_command_with_its_known_arguments_passes() {
        let good = cluster("https://api.example", "");
        let exec = |more: &str| text(&good, &format!("exec: {{command: stackit{more}}}"));
        let args = ", args: [ske, kubeconfig, login]";
        for (more, field) in [
            ("", "args"),
            (", args: [ske, kubeconfig, login, --idp]", "args"),
            (", args: [ske, kubeconfig, login, --verbosity, debug]", "args"),
            (", args: [ske, kubeconfig, login, 1]", "args"),
            (", args: ske kubeconfig login", "args"),
            (&format!("{args}, env: [{{name: LD_PRELOAD, value: /tmp/x}}]"), "env"),
            (&format!("{args}, env: {{}}"), "env"),
            (&format!("{args}, apiVersion: example.com/v1"), "apiVersion"),
            (&format!("{args}, installHint: \"a\\eb\""), "installHint"),
            (&format!("{args}, interactiveMode: Maybe"), "interactiveMode"),
            (&format!("{args}, unknown: x"), "unknown"),
        ] {
            let refusal = read(KubeconfigKind::Login, exec(more)).expect_err(more);
            assert!(refusal.ends_with(&format!(" (user.exec.{field})")), "{refusal}: {more}");
        }
        let whole = format!(
            "{args}, env: null, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
             provideClusterInfo: true, installHint: Install the STACKIT CLI"
        );
        assert!(read(KubeconfigKind::Login, exec(&whole)).is_ok());
        let idp = exec(", args: [ske, kubeconfig, login, --idp]");
        assert!(read(KubeconfigKind::Idp, idp).is_ok());
        for server in
            ["https://api.exam\u{1b}ple", "https://api.exam\nple", "https://u@api.example"]
        {
            let text = text(&cluster("SERVER", ""), CERTIFICATE);
            let text = text.replace("'SERVER'", &Value::from(server).to_string());
            let refusal = read(KubeconfigKind::Admin, text).expect_err(server);
            assert!(refusal.ends_with(" (cluster.server)"), "{refusal}");
        }
    }

    #[test]
    fn api_23_what_json_has_no_value_for_is_refused() {
        let good = text(&cluster("https://api.example", ""), CERTIFICATE);
        for (from, to) in [
            ("U0VDUkVU", "18446744073709551616"),
            ("namespace: web", "namespace: .inf"),
            ("namespace: web", "namespace: web, 1: a"),
            ("namespace: web", "namespace: !t web"),
        ] {
            let refusal = read(KubeconfigKind::Admin, good.replace(from, to)).expect_err(to);
            assert!(refusal.starts_with("has a value that JSON cannot represent"), "{refusal}");
        }
    }

    #[test]
    fn api_23_what_cannot_be_written_as_a_file_of_its_own_is_refused() {
        // A key that long is only valid without a value.
        let long = format!(", {}", "k".repeat(1_100));
        let text = text(&cluster("https://api.example", &long), CERTIFICATE);
        let parsed = read(KubeconfigKind::Admin, text).unwrap();
        let failure = renamed(&parsed, "mine").expect_err("kubectl could not read it");
        assert!(failure.message.contains("cannot be written"), "{}", failure.message);
    }

    #[test]
    fn what_is_null_is_absent_and_what_does_no_harm_is_kept() {
        let more = ", proxy-url: null, insecure-skip-tls-verify: false, disable-compression: true";
        let user = format!("{CERTIFICATE}, exec: ~, tokenFile: null");
        let parsed =
            read(KubeconfigKind::Admin, text(&cluster("https://[::1]:6443/", more), &user));
        let parsed = parsed.unwrap();
        assert_eq!(parsed.server(), "https://[::1]:6443/");
        assert_eq!(parsed.client_key().unwrap().expose(), "U0VDUkVU");
        assert!(!format!("{parsed:?}").contains("U0VDUkVU"));
        let [(_, clusters), (_, contexts), (_, users)] = parsed.entries("mine").unwrap();
        assert_eq!(clusters["cluster"]["disable-compression"], true);
        assert_eq!(contexts["context"]["namespace"], "web");
        assert_eq!(
            (&users["name"], &users["user"]["client-key-data"]),
            (&"mine".into(), &"U0VDUkVU".into())
        );
        let login = read(KubeconfigKind::Login, text(&cluster("https://a", ""), COMMAND)).unwrap();
        assert!(login.client_key().is_none() && login.client_certificate().is_none());
    }
    /// Whether the fields that decide whom kubectl trusts, calls, runs and acts as are those that SKE issues.
    fn is_as_issued(kind: KubeconfigKind, entries: &Value) -> bool {
        let cluster = &entries["clusters"][0]["cluster"];
        let user = &entries["users"][0]["user"];
        let (exec, null) = (&user["exec"], Value::Null);
        let url = reqwest::Url::parse(cluster["server"].as_str().unwrap_or_default());
        // This parser rejects numbers as host names.
        let is_host = url.map_or(true, |url| {
            let whole = url.as_str().trim_end_matches('/').to_owned();
            url.has_host()
                && whole == format!("https://{}", url.authority())
                && url.username().is_empty()
                && url.password().is_none()
        });
        let cluster_keys = ["certificate-authority", "proxy-url", "tls-server-name"];
        let user_keys = [
            "client-certificate",
            "client-key",
            "tokenFile",
            "token",
            "username",
            "password",
            "auth-provider",
            "as",
            "as-uid",
            "as-groups",
            "as-user-extra",
        ];
        let certificate = ["client-certificate-data", "client-key-data"];
        let signs_in = match kind {
            KubeconfigKind::Admin => {
                *exec == null && certificate.iter().all(|key| user[key].is_string())
            }
            KubeconfigKind::Login | KubeconfigKind::Idp => {
                let args = ["ske", "kubeconfig", "login", "--idp"];
                let given = exec["args"].as_array().unwrap();
                exec["command"] == "stackit"
                    && given.len() >= 3
                    && args.starts_with(
                        &given.iter().map(|arg| arg.as_str().unwrap()).collect::<Vec<_>>(),
                    )
                    && (exec["env"] == null || exec["env"] == json!([]))
                    && certificate.iter().all(|key| user[key] == null)
            }
        };
        is_host
            && signs_in
            && cluster_keys.iter().all(|key| cluster[key] == null)
            && user_keys.iter().all(|key| user[key] == null)
            && [&null, &json!(false)].contains(&&cluster["insecure-skip-tls-verify"])
    }

    #[test]
    fn fuzz_kubeconfig_gate() {
        let cluster = cluster("https://api.example:6443/", ", insecure-skip-tls-verify: false");
        let idp = "exec: {apiVersion: client.authentication.k8s.io/v1, command: stackit, args: [ske, kubeconfig, login, --idp], \
                   env: [], interactiveMode: Never, provideClusterInfo: true, installHint: Install it}";
        let flow = [CERTIFICATE, COMMAND, idp].map(|user| text(&cluster, user));
        let json = flow
            .clone()
            .map(|text| serde_json::to_string_pretty(&*parse_values(&text).unwrap()).unwrap());
        let anchors = text("<<: *base, server: 'https://a'", CERTIFICATE);
        let anchors = format!("x: &base {{certificate-authority-data: QUJD}}\n{anchors}");
        let words = [
            "token: t, ",
            "as: root, ",
            "as-groups: [system:masters], ",
            "proxy-url: http://p, ",
            "tls-server-name: b, ",
            "insecure-skip-tls-verify: true, ",
            "insecure-skip-tls-verify: 'true', ",
            "certificate-authority: /etc/passwd, ",
            "exec: {command: sh, args: [-c, id]}, ",
            "client-key: /etc/shadow, ",
            "tokenFile: /etc/shadow, ",
            "auth-provider: {}, ",
            "username: a, ",
            "\"token\": \"t\", ",
            "\"as\": \"root\", ",
            "env: [{name: a, value: b}], ",
            "command: sh, ",
            "https://u:p@evil/",
            "http://evil",
            "https://a/b?c#d",
            "\\x2f",
            "TOKEN: t, ",
            "/usr/bin/stackit",
            "c",
            "k",
            "u",
            "- {name: c, context: {cluster: k, user: u}}",
            "{name: u, user: {token: t}}, ",
            "<<: {token: t}, ",
        ];
        let kinds = select(vec![KubeconfigKind::Admin, KubeconfigKind::Login, KubeconfigKind::Idp]);
        let seeds = flow.into_iter().chain(json).chain([anchors]);
        fuzz(256, &(changed_text(seeds, &words), kinds), |(text, kind)| {
            let Ok(parsed) = ParsedKubeconfig::read(kind, &Secret::new(text)) else {
                return Ok(());
            };
            let Ok(file) = renamed(&parsed, "mine") else { return Ok(()) };
            let values = parse_values(file.expose()).unwrap();
            prop_assert!(is_as_issued(kind, &values), "{:?}", *values);
            // The output passes as well and is the same.
            let again = ParsedKubeconfig::read(kind, &file)
                .map_err(|refusal| TestCaseError::fail(refusal.to_string()))?;
            prop_assert_eq!(again.server(), parsed.server());
            prop_assert_eq!(again.authorities(), parsed.authorities());
            prop_assert!(again.client_key() == parsed.client_key());
            Ok(())
        });
    }
}
