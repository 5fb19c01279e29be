//! Reads the contexts of kubeconfigs of any origin as kubectl would use them: trusted CAs and credentials, without
//! secrets. Nothing that they reference is run or connected to.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use http::uri::{Authority as HostAndPort, Scheme};
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::credential::{
    Authority, ExecCluster, FoundContext, FoundFile, SignIn, TokenFacts, Trust, decode_base64,
    is_key_of, read_authorities, read_client,
};
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{filled, items, name_of};
use crate::domain::kubeconfig::entry_owner::{server_address, server_with_path};
use crate::domain::kubeconfig::merge::ReadFile;
use crate::domain::kubeconfig::parsed::plugin_kind;
use crate::domain::text::clean;

/// Minimum length of a plausible token, in characters.
const LEAST_TOKEN: usize = 16;

/// The extension of a cluster that kubectl passes to plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// Reads a file referenced by a kubeconfig, relative to its folder; the error says why it cannot be read.
pub type FileReader<'a> = &'a dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>, String>;

/// Entries of a kubeconfig; each context names its cluster and user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KubeconfigEntries {
    contexts: Vec<NamedContext>,
    clusters: HashMap<String, FoundCluster>,
    users: HashMap<String, FoundUser>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct NamedContext {
    name: String,
    cluster: Option<String>,
    user: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FoundCluster {
    server: String,
    trust: Trust,
    authorities: Vec<Authority>,
    exec_cluster: Option<ExecCluster>,
    unusable: Option<String>,
    /// Whether the URL contains a user, which authenticates each request.
    names_user: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FoundUser {
    sign_in: Vec<SignIn>,
    unusable: Option<String>,
}

/// Reads a kubeconfig.
///
/// # Errors
/// kubectl does not accept the text; names the line.
pub fn read_entries(text: &str, reader: FileReader<'_>) -> Result<KubeconfigEntries, Failure> {
    let file = ReadFile::read(text.trim_start_matches('\u{feff}'))?;
    // Duplicate names make kubectl reject the file.
    for list in ["clusters", "users", "contexts"] {
        file.names(list)?;
    }
    let named = |list: &str, field: &'static str| {
        let entries = items(&file.values, list).iter();
        entries.filter_map(move |entry| Some((name_of(entry)?, entry.get(field)?)))
    };
    let contexts = named("contexts", "context").map(|(name, context)| {
        let text = |key: &str| Some(context.get(key)?.as_str()?.to_owned());
        NamedContext { name: clean(name), cluster: text("cluster"), user: text("user") }
    });
    let clusters = named("clusters", "cluster");
    let users = named("users", "user");
    Ok(KubeconfigEntries {
        contexts: contexts.collect(),
        clusters: clusters.map(|(name, it)| (name.to_owned(), found_cluster(it, reader))).collect(),
        users: users.map(|(name, it)| (name.to_owned(), found_user(it, reader))).collect(),
    })
}

/// Resolves cluster and user of each context. kubectl looks them up in all files of `$KUBECONFIG`, in order, the first
/// of each name wins; it reads none of them if one cannot be read. Anything else is resolved as with `--kubeconfig
/// FILE`. Contexts without cluster or user are skipped: they cannot connect.
pub fn resolve(files: Vec<FoundFile<KubeconfigEntries>>) -> Vec<FoundFile> {
    let defaults: Result<Vec<_>, _> = (files.iter().filter(|file| file.is_default))
        .map(|file| file.contexts.as_ref().map(|entries| (file.path.as_str(), entries)))
        .collect();
    let defaults = defaults.unwrap_or_default();
    let contexts_of = |path: &str, own: &KubeconfigEntries| -> Vec<FoundContext> {
        let context = |named: &NamedContext| {
            let has = |(_, entries): &&(&str, &KubeconfigEntries)| {
                entries.contexts.iter().any(|other| other.name == named.name)
            };
            let is_first = defaults.iter().find(has).is_some_and(|(first, _)| *first == path);
            let alone = [(path, own)];
            let pool = if is_first { defaults.as_slice() } else { &alone[..] };
            let (cluster, user) = (named.cluster.as_ref()?, named.user.as_ref()?);
            let (cluster_file, cluster) =
                pool.iter().find_map(|(path, e)| Some((*path, e.clusters.get(cluster)?)))?;
            let (user_file, user) =
                pool.iter().find_map(|(path, e)| Some((*path, e.users.get(user)?)))?;
            let is_stackit = user
                .sign_in
                .iter()
                .any(|way| matches!(way, SignIn::Plugin { stackit: Some(_), .. }));
            let exec_cluster = cluster.exec_cluster.clone().filter(|_| is_stackit);
            let untold = (is_stackit && exec_cluster.is_none())
                .then(|| format!("extension {EXEC_EXTENSION} names no cluster for stackit"));
            let mut sign_in = user.sign_in.clone();
            if cluster.names_user {
                sign_in.retain(|way| !way.is_token());
            }
            let replaced = (sign_in.is_empty() && !user.sign_in.is_empty())
                .then(|| "the user name in its server URL replaces its token".to_owned());
            let unusable = cluster.unusable.clone().or_else(|| user.unusable.clone());
            let unusable = unusable.or(untold).or(replaced);
            let other_file = [cluster_file, user_file].into_iter().find(|file| *file != path);
            Some(FoundContext {
                context: named.name.clone(),
                server: cluster.server.clone(),
                trust: cluster.trust.clone(),
                authorities: cluster.authorities.clone(),
                exec_cluster,
                sign_in,
                unusable,
                missing_program: None,
                other_file: other_file.map(str::to_owned),
            })
        };
        own.contexts.iter().filter_map(context).collect()
    };
    let resolved = files.iter().map(|file| FoundFile {
        path: file.path.clone(),
        other_names: file.other_names.clone(),
        is_default: file.is_default,
        wide_mode: file.wide_mode,
        contexts: match &file.contexts {
            Ok(own) => Ok(contexts_of(&file.path, own)),
            Err(why) => Err(why.clone()),
        },
    });
    resolved.collect()
}

/// The content of `<field>-data`, otherwise of the file in `<field>`; `None` if neither is set.
fn data_or_file(
    map: &Value,
    field: &str,
    reader: FileReader<'_>,
) -> Option<Result<Zeroizing<Vec<u8>>, String>> {
    let data = format!("{field}-data");
    if let Some(text) = filled(map, &data) {
        let decoded = decode_base64(text).map(Zeroizing::new);
        return Some(decoded.ok_or_else(|| format!("{data} is not base64")));
    }
    let path = filled(map, field)?;
    Some(reader(path).map_err(|why| format!("{field} {}: {why}", clean(path))))
}

/// Fields that kubectl rejects in combination.
fn both_set(map: &Value, [first, second]: [&str; 2]) -> Option<String> {
    (filled(map, first).is_some() && filled(map, second).is_some())
        .then(|| format!("{first} and {second} are both set"))
}

/// `cluster`, validated like `validateClusterInfo` and the TLS configuration of client-go.
fn found_cluster(cluster: &Value, reader: FileReader<'_>) -> FoundCluster {
    let field = "certificate-authority";
    let authorities = data_or_file(cluster, field, reader);
    let skips = cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true));
    let server = filled(cluster, "server").unwrap_or_default();
    let address = server_address(server);
    let name = filled(cluster, "tls-server-name");
    let name = name.filter(|name| address.split(':').next() != Some(name));
    let mut unusable = if let Some(why) = wrong_server(server).or_else(|| wrong_proxy(cluster)) {
        Some(why.to_owned())
    } else if skips && authorities.is_some() {
        Some(format!("insecure-skip-tls-verify and {field} are both set"))
    } else {
        both_set(cluster, [field, "certificate-authority-data"])
    };
    let none = || format!("{field} holds no certificate that can be read");
    let read = authorities.map(|read| read.and_then(|pem| read_authorities(&pem).ok_or_else(none)));
    let mut authorities = Vec::new();
    let trust = match read {
        _ if skips => Trust::Anything,
        None => Trust::System,
        Some(Ok(_)) if name.is_some() => Trust::OtherName,
        Some(Err(why)) => {
            unusable.get_or_insert(why);
            Trust::Unreadable
        }
        Some(Ok(found)) => {
            authorities = found;
            Trust::Authorities(authorities.iter().map(|authority| authority.key.clone()).collect())
        }
    };
    let names_user = server.contains('@');
    let exec_cluster = exec_cluster(cluster);
    FoundCluster {
        server: clean(&server_with_path(server)),
        trust,
        authorities,
        exec_cluster,
        unusable,
        names_user,
    }
}

/// Why `server` cannot be used for a TLS connection.
fn wrong_server(server: &str) -> Option<&'static str> {
    if server.is_empty() {
        return Some("it has no server");
    }
    let Ok(uri) = server.parse::<Uri>() else { return Some("its server is not a valid address") };
    let is_valid = |of: &HostAndPort| of.as_str().ends_with(of.host()) || of.port_u16().is_some();
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return Some("its server is not https");
    }
    let mut escapes = server.split('%').skip(1).map(|rest| rest.as_bytes().get(..2));
    let is_escape =
        |hex: Option<&[u8]>| hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let is_valid = uri.authority().is_some_and(is_valid) && escapes.all(is_escape);
    (!is_valid).then_some("its server is not a valid address")
}

/// Why client-go rejects the `proxy-url`.
fn wrong_proxy(cluster: &Value) -> Option<&'static str> {
    let proxy = filled(cluster, "proxy-url")?;
    let scheme = proxy.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_known = ["http", "https", "socks5"].map(Some).contains(&scheme.as_deref());
    (!is_known).then_some("its proxy-url is not http, https or socks5")
}

/// The cluster that `stackit ske kubeconfig login` requests: kubectl passes it this extension.
fn exec_cluster(cluster: &Value) -> Option<ExecCluster> {
    let mut extensions = items(cluster, "extensions").iter();
    let named = extensions.find(|one| name_of(one) == Some(EXEC_EXTENSION))?;
    let told = named.get("extension")?;
    let text = |key: &str| filled(told, key).map(str::to_owned);
    Some(ExecCluster {
        project: text("stackitProjectID")?,
        region: text("region"),
        name: text("clusterName")?,
    })
}

/// `user`, validated like `validateAuthInfo` of client-go, with the credentials that it would use.
fn found_user(user: &Value, reader: FileReader<'_>) -> FoundUser {
    let mut ways = Vec::new();
    let mut unusable = impersonates_nobody(user)
        .or_else(|| both_set(user, ["client-certificate", "client-certificate-data"]))
        .or_else(|| both_set(user, ["client-key", "client-key-data"]))
        .or_else(|| both_set(user, ["token", "username"]))
        .or_else(|| both_set(user, ["token", "password"]));
    if let Some(read) = data_or_file(user, "client-certificate", reader) {
        let none = || "client-certificate holds no certificate".to_owned();
        let read = read.and_then(|pem| Ok((read_client(&pem).ok_or_else(none)?, pem)));
        match read {
            Ok((certificate, pem)) => {
                ways.push(SignIn::Certificate(certificate));
                unusable = unusable.or_else(|| wrong_key(user, &pem, reader));
            }
            Err(why) => {
                unusable.get_or_insert_with(|| why.clone());
                ways.push(SignIn::Unreadable(why));
            }
        }
    }
    // As in client-go, the file takes precedence while it is readable and not empty.
    let file = filled(user, "tokenFile").map(|path| (path, read_token(path, reader)));
    let mut token_of = |text: &str| {
        ways.push(token(text));
        if let Err(why) = check_token(text) {
            unusable.get_or_insert_with(|| why.to_owned());
        }
    };
    match (file, filled(user, "token")) {
        (Some((_, Ok(text))), _) => token_of(&text),
        (_, Some(text)) => token_of(text),
        (Some((path, Err(why))), None) => {
            let why = format!("tokenFile {}: {why}", clean(path));
            unusable.get_or_insert_with(|| why.clone());
            ways.push(SignIn::Unreadable(why));
        }
        (None, None) => {}
    }
    if filled(user, "username").is_some() {
        if ways.is_empty() {
            let gone = "Kubernetes removed basic authentication in 1.19";
            unusable.get_or_insert_with(|| gone.to_owned());
        }
        ways.push(SignIn::Other("basic authentication".to_owned()));
    }
    let provider = user.get("auth-provider").filter(|provider| provider.is_object());
    if let Some(exec) = user.get("exec").filter(|exec| exec.is_object()) {
        unusable = unusable.or_else(|| wrong_plugin(exec, provider.is_some()));
        // client-go runs no plugin if there is another credential.
        if ways.is_empty() {
            let command = filled(exec, "command").map(clean).unwrap_or_default();
            let stackit = plugin_kind(exec);
            if stackit.is_some() && exec.get("provideClusterInfo") != Some(&Value::Bool(true)) {
                let untold = || "exec does not set provideClusterInfo, which stackit needs".into();
                unusable.get_or_insert_with(untold);
            }
            ways.push(SignIn::Plugin { command, stackit });
        }
    }
    if let Some(provider) = provider {
        let name = filled(provider, "name").map(clean).unwrap_or_default();
        // client-go removed the others. This one authenticates each request, regardless of other credentials.
        if name != "oidc" {
            unusable.get_or_insert_with(|| format!("kubectl has no auth provider {name}"));
        }
        ways = vec![SignIn::Other(format!("auth provider {name}"))];
    }
    FoundUser { sign_in: ways, unusable }
}

/// The content of a token file; client-go treats an empty one as unreadable.
pub fn read_token(path: &str, reader: FileReader<'_>) -> Result<Zeroizing<String>, String> {
    let bytes = reader(path)?;
    let text = Zeroizing::new(String::from_utf8_lossy(&bytes).trim().to_owned());
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(text) }
}

fn impersonates_nobody(user: &Value) -> Option<String> {
    let is_set = |key: &&str| match user.get(*key) {
        None | Some(Value::Null) => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(_) => filled(user, key).is_some(),
    };
    let more = ["as-uid", "as-groups", "as-user-extra"].into_iter().find(is_set)?;
    filled(user, "as").is_none().then(|| format!("{more} is set without as"))
}

/// Why the private key does not match the certificate.
fn wrong_key(user: &Value, certificate: &[u8], reader: FileReader<'_>) -> Option<String> {
    match data_or_file(user, "client-key", reader) {
        None => Some("client-key is missing".to_owned()),
        Some(Err(why)) => Some(why),
        Some(Ok(key)) => match is_key_of(&key, certificate) {
            None => Some("client-key holds no private key that can be read".to_owned()),
            Some(false) => Some("client-key is not the key of client-certificate".to_owned()),
            Some(true) => None,
        },
    }
}

fn wrong_plugin(exec: &Value, has_provider: bool) -> Option<String> {
    // v1beta1 defaults to IfAvailable.
    let version = filled(exec, "apiVersion");
    let is_first = version == Some("client.authentication.k8s.io/v1beta1");
    let is_latest = version == Some("client.authentication.k8s.io/v1");
    let missing = match filled(exec, "interactiveMode") {
        _ if has_provider => return Some("exec and auth-provider are both set".to_owned()),
        _ if filled(exec, "command").is_none() => "command",
        _ if !(is_first || is_latest) => "apiVersion",
        None if is_first => return None,
        Some("Never" | "IfAvailable" | "Always") => return None,
        Some(_) | None => "interactiveMode",
    };
    Some(format!("exec has no valid {missing}"))
}

/// Checks that a token is valid as a header value, which drops trailing spaces.
///
/// # Errors
/// The reason, as a clause.
pub fn check_token(token: &str) -> Result<(), &'static str> {
    let token = token.trim_end_matches(' ');
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(()) } else { Err("its token contains spaces or control characters") }
}

/// The kind of token that a text is, if it is one.
pub fn token_alone(text: &str) -> Option<SignIn> {
    let text = text.trim();
    let is_token = text.len() >= LEAST_TOKEN && check_token(text).is_ok();
    is_token.then(|| token(text))
}

fn token(text: &str) -> SignIn {
    match token_facts(text) {
        None if text.trim().split('.').count() == 5 => SignIn::Other("encrypted token".to_owned()),
        None => SignIn::StaticToken,
        Some(facts) if facts.subject.starts_with("system:serviceaccount:") => {
            SignIn::ServiceAccountToken(facts)
        }
        Some(facts) => SignIn::OtherToken(facts),
    }
}

/// Claims of a JWT; `None` for any other token.
pub fn token_facts(token: &str) -> Option<TokenFacts> {
    let mut parts = token.trim().split('.');
    let (header, claims, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let decode = |part: &str| -> Option<Value> {
        let bytes = URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok()?;
        serde_json::from_slice(&bytes).ok().filter(Value::is_object)
    };
    let (header, claims) = (decode(header)?, decode(claims)?);
    let text = |map: &Value, key: &str| map.get(key).and_then(Value::as_str).map(clean);
    let expires = claims.get("exp").and_then(Value::as_f64);
    let audiences = match claims.get("aud") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).map(clean).collect(),
        Some(Value::String(one)) => vec![clean(one)],
        _ => Vec::new(),
    };
    Some(TokenFacts {
        key_id: text(&header, "kid"),
        issuer: text(&claims, "iss").unwrap_or_default(),
        subject: text(&claims, "sub").unwrap_or_default(),
        audiences,
        #[expect(clippy::cast_possible_truncation, reason = "seconds; out of range is refused")]
        expires: expires.and_then(|seconds| Timestamp::from_second(seconds as i64).ok()),
    })
}
