//! Reads the contexts of kubeconfigs of any origin, each as kubectl would use it: which authorities it trusts and how it
//! signs in, without the secrets. Nothing that they name is run or connected to.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use http::uri::{Authority, Scheme};
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::credential::{
    self, ExecCluster, FoundContext, FoundFile, KeyHash, SignIn, TokenFacts, Trust, decode_base64,
    is_key_of, read_authorities, read_client,
};
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document::{filled, items, name_of};
use crate::domain::kubeconfig::entry_owner::server_address;
use crate::domain::kubeconfig::merge::ReadFile;
use crate::domain::kubeconfig::parsed::plugin_kind;
use crate::domain::text::clean;

/// A shorter text is no token that somebody would use, in characters.
const LEAST_TOKEN: usize = 16;

/// The extension of a cluster that kubectl passes to plugins.
const EXEC_EXTENSION: &str = "client.authentication.k8s.io/exec";

/// Reads a file that a kubeconfig names, relative to the folder of the kubeconfig, or says why it cannot be read.
pub type FileReader<'a> = &'a dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>, String>;

/// What a kubeconfig holds; each context names its cluster and its user.
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
    newest: Option<KeyHash>,
    exec_cluster: Option<ExecCluster>,
    unusable: Option<String>,
    /// Whether the address holds a user, who signs in with each request.
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
/// kubectl does not read the text, with the line.
pub fn read_entries(text: &str, reader: FileReader<'_>) -> Result<KubeconfigEntries, Failure> {
    let file = ReadFile::read(text.trim_start_matches('\u{feff}'))?;
    // One name that is there twice makes kubectl refuse the file.
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

/// Gives every context its cluster and its user. kubectl looks for those of `$KUBECONFIG` in all files of it, in their
/// order, and takes the first of each name; it reads none of them if one cannot be read. What it does not find that way
/// is as `--kubeconfig FILE` would read it. Contexts without a cluster or a user are left out: they connect to nothing.
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
                newest: cluster.newest.clone(),
                exec_cluster,
                sign_in,
                unusable,
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

/// What `<field>-data` holds, else the file that `<field>` names; `None` where neither is set.
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

/// What kubectl refuses to read side by side.
fn both_set(map: &Value, [first, second]: [&str; 2]) -> Option<String> {
    (filled(map, first).is_some() && filled(map, second).is_some())
        .then(|| format!("{first} and {second} are both set"))
}

/// `cluster`, judged as `validateClusterInfo` of client-go and its TLS configuration do.
fn found_cluster(cluster: &Value, reader: FileReader<'_>) -> FoundCluster {
    let field = "certificate-authority";
    let authorities = data_or_file(cluster, field, reader);
    let skips = cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true));
    let server = filled(cluster, "server").unwrap_or_default();
    let address = clean(&server_address(server));
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
    let mut newest = None;
    let trust = match read {
        _ if skips => Trust::Anything,
        None => Trust::System,
        Some(Ok(_)) if name.is_some() => Trust::OtherName,
        Some(Err(why)) => {
            unusable.get_or_insert(why);
            Trust::Unreadable
        }
        Some(Ok(dated)) => {
            newest = credential::newest(&dated);
            Trust::Authorities(dated.into_iter().map(|(key, _)| key).collect())
        }
    };
    let names_user = server.contains('@');
    let exec_cluster = exec_cluster(cluster);
    FoundCluster { server: address, trust, newest, exec_cluster, unusable, names_user }
}

/// Why no TLS connection is made to what `server` names.
fn wrong_server(server: &str) -> Option<&'static str> {
    if server.is_empty() {
        return Some("it has no server");
    }
    let Ok(uri) = server.parse::<Uri>() else { return Some("its server is not a valid address") };
    let is_valid = |of: &Authority| of.as_str().ends_with(of.host()) || of.port_u16().is_some();
    if uri.scheme() != Some(&Scheme::HTTPS) {
        return Some("its server is not https");
    }
    let mut escapes = server.split('%').skip(1).map(|rest| rest.as_bytes().get(..2));
    let is_escape =
        |hex: Option<&[u8]>| hex.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
    let is_valid = uri.authority().is_some_and(is_valid) && escapes.all(is_escape);
    (!is_valid).then_some("its server is not a valid address")
}

/// Why client-go takes no such `proxy-url`.
fn wrong_proxy(cluster: &Value) -> Option<&'static str> {
    let proxy = filled(cluster, "proxy-url")?;
    let scheme = proxy.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    let is_known = ["http", "https", "socks5"].map(Some).contains(&scheme.as_deref());
    (!is_known).then_some("its proxy-url is not http, https or socks5")
}

/// For which cluster `stackit ske kubeconfig login` asks: kubectl passes it the extension of this name.
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

/// `user`, judged as `validateAuthInfo` of client-go does, with the ways to sign in that it would use.
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
    // As for client-go, the file takes precedence while it can be read and is not empty.
    let file = filled(user, "tokenFile").map(|path| (path, read_token(path, reader)));
    let mut token_of = |text: &str| {
        ways.push(token(text));
        if !is_sendable(text) {
            unusable.get_or_insert_with(|| {
                "its token contains spaces or control characters".to_owned()
            });
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
        // client-go runs no plugin for who has something else.
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
        // The others were removed from client-go. This one signs in with each request, whatever stands beside it.
        if name != "oidc" {
            unusable.get_or_insert_with(|| format!("kubectl has no auth provider {name}"));
        }
        ways = vec![SignIn::Other(format!("auth provider {name}"))];
    }
    FoundUser { sign_in: ways, unusable }
}

/// What a token file holds; client-go takes an empty one for one that cannot be read.
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

/// Why the private key is not that of the certificate.
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
    // The first version takes IfAvailable where nothing is set.
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

/// Whether a token can stand in the header of a request, which drops blanks at its end.
pub fn is_sendable(token: &str) -> bool {
    let token = token.trim_end_matches(' ');
    !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Tells of a text whether it is a token, and of which kind.
pub fn token_alone(text: &str) -> Option<SignIn> {
    let text = text.trim();
    let is_token = text.len() >= LEAST_TOKEN && is_sendable(text);
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

/// What a JWT says about itself; `None` for any other token.
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
    Some(TokenFacts {
        key_id: text(&header, "kid"),
        issuer: text(&claims, "iss").unwrap_or_default(),
        subject: text(&claims, "sub").unwrap_or_default(),
        #[expect(clippy::cast_possible_truncation, reason = "seconds; out of range is refused")]
        expires: expires.and_then(|seconds| Timestamp::from_second(seconds as i64).ok()),
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
    use zeroize::Zeroizing;

    use crate::domain::credential::{FoundContext, FoundFile, SignIn, Trust};
    use crate::domain::fixtures;
    use crate::domain::kubeconfig::KubeconfigKind;
    use crate::domain::kubeconfig::contexts::{
        KubeconfigEntries, read_entries, resolve, token_alone,
    };

    fn entries(text: &str) -> Result<KubeconfigEntries, String> {
        let reader = |path: &str| match path {
            "token" => Ok(Zeroizing::new(b"abc\n".to_vec())),
            "empty" => Ok(Zeroizing::new(b" \n".to_vec())),
            _ => Err("no such file".to_owned()),
        };
        read_entries(text, &reader).map_err(|failure| failure.message)
    }

    fn file(path: &str, text: &str) -> FoundFile<KubeconfigEntries> {
        let FoundFile { path, other_names, is_default, wide_mode, .. } =
            fixtures::found(path, Ok(Vec::new()));
        FoundFile { path, other_names, is_default, wide_mode, contexts: entries(text) }
    }

    fn read(cluster: &str, user: &str) -> FoundContext {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'https://API.example:443/'{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: mine, context: {{cluster: c, user: u}}}}, {{name: x, context: {{}}}}]\n"
        );
        let mut contexts = resolve(vec![file("a", &text)]).remove(0).contexts.unwrap();
        assert_eq!(contexts.len(), 1, "a context that names nothing connects to nothing");
        contexts.remove(0)
    }

    /// A client certificate and its key, each as PEM.
    fn pair() -> [String; 2] {
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
        [certificate.pem(), key.serialize_pem()]
    }

    fn jwt(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.c2ln", part(r#"{"alg":"RS256","kid":"k1"}"#), part(claims))
    }

    #[test]
    fn every_kind_of_credential_is_told_from_the_others() {
        let of = |user: &str| read("", user).sign_in;
        assert_eq!(of("token: abc123"), [SignIn::StaticToken]);
        assert_eq!(of("tokenFile: token, token: x.y.z"), [SignIn::StaticToken]);
        let account =
            jwt(r#"{"iss":"i","sub":"system:serviceaccount:ci:deploy","exp":1800000000}"#);
        let [SignIn::ServiceAccountToken(facts)] = &of(&format!("token: {account}"))[..] else {
            panic!("a service account")
        };
        assert_eq!(facts.key_id.as_deref(), Some("k1"));
        assert_eq!(facts.subject, "system:serviceaccount:ci:deploy");
        assert_eq!(facts.expires.unwrap().as_second(), 1_800_000_000);
        assert!(matches!(
            token_alone(&format!("{account}\n")),
            Some(SignIn::ServiceAccountToken(_))
        ));
        let [SignIn::ServiceAccountToken(_)] =
            &of(&format!("tokenFile: gone, token: {account}"))[..]
        else {
            panic!("the token counts where the file cannot be read")
        };
        let [SignIn::ServiceAccountToken(_)] =
            &of(&format!("tokenFile: empty, token: {account}"))[..]
        else {
            panic!("the token counts where the file is empty")
        };
        assert_eq!(token_alone("0123456789abcdef"), Some(SignIn::StaticToken));
        assert_eq!((token_alone("short"), token_alone("several words of a text")), (None, None));
        assert_eq!(of("token: a.b.c.d.e"), [SignIn::Other("encrypted token".into())]);
        let other = jwt(r#"{"iss":"https://idp.example","sub":"me","exp":1e400}"#);
        assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::StaticToken]));
        let other = jwt(r#"{"iss":"https://idp.example","sub":"me"}"#);
        assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::OtherToken(_)]));
        let exec = |command: &str, more: &str| {
            of(&format!("exec: {{command: {command}, {more}}}")).remove(0)
        };
        let plugin =
            |command: &str, stackit| SignIn::Plugin { command: command.to_owned(), stackit };
        for (command, more, kind) in [
            ("stackit", "args: [ske, kubeconfig, login]", Some(KubeconfigKind::Login)),
            ("stackit", "args: [ske, kubeconfig, login, --idp]", Some(KubeconfigKind::Idp)),
            ("stackit", "args: [ske, kubeconfig, login, --cluster, other]", None),
            ("stackit", "args: [ske, kubeconfig, login], env: [{name: A, value: b}]", None),
            ("/tmp/stackit", "args: [ske, kubeconfig, login]", None),
            ("stackit", "args: [auth]", None),
            ("/opt/kubelogin", "args: [get-token]", None),
        ] {
            assert_eq!(exec(command, more), plugin(command, kind), "{command} {more}");
        }
        assert_eq!(of("username: a, password: b"), [SignIn::Other("basic authentication".into())]);
        let provider = [SignIn::Other("auth provider oidc".into())];
        assert_eq!(
            of("token: abc123, auth-provider: {name: oidc}"),
            provider,
            "it is always asked"
        );
        assert_eq!(
            of("tokenFile: empty, token: a.b.c.d.e"),
            [SignIn::Other("encrypted token".into())]
        );
        assert_eq!(of(""), []);
        let [SignIn::Unreadable(why)] = &of("client-certificate: /gone.crt")[..] else {
            panic!("unreadable")
        };
        assert_eq!(why, "client-certificate /gone.crt: no such file");
        assert!(matches!(&of("client-certificate-data: QUJD")[..], [SignIn::Unreadable(_)]));
    }

    #[test]
    fn cred_02_a_plugin_beside_another_way_to_sign_in_is_never_asked() {
        let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                    command: stackit, args: [ske, kubeconfig, login], provideClusterInfo: true}";
        let certificate = format!("client-certificate-data: {certificate}, client-key-data: {key}");
        let basic = Some("Kubernetes removed basic authentication in 1.19");
        for (beside, is_asked, unusable) in [
            ("", true, None),
            ("token: abc123,", false, None),
            (&format!("{certificate},"), false, None),
            ("username: a, password: b,", false, basic),
        ] {
            let found = read(EXTENSION, &format!("{beside} {exec}"));
            assert_eq!(found.unusable.as_deref(), unusable);
            let asked = found.sign_in.iter().any(|way| matches!(way, SignIn::Plugin { .. }));
            assert_eq!(asked, is_asked, "{beside}");
        }
    }

    const EXTENSION: &str = ", extensions: [{name: client.authentication.k8s.io/exec, \
        extension: {stackitProjectID: p, clusterName: web, region: eu01}}]";

    #[test]
    fn cred_02_a_login_without_what_stackit_needs_is_no_access() {
        let exec = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                    command: stackit, args: [ske, kubeconfig, login]";
        let informed = format!("{exec}, provideClusterInfo: true}}");
        let found = read(EXTENSION, &informed);
        assert_eq!(found.unusable, None);
        let asked = found.exec_cluster.unwrap();
        assert_eq!((&*asked.project, &*asked.name), ("p", "web"));
        for (extension, exec) in [
            (EXTENSION, format!("{exec}}}")),
            (EXTENSION, format!("{exec}, provideClusterInfo: false}}")),
            ("", informed.clone()),
            (", extensions: [{name: other, extension: {clusterName: web}}]", informed.clone()),
            (&EXTENSION.replace("clusterName: web", "clusterName: ''"), informed),
        ] {
            assert!(read(extension, &exec).unusable.is_some(), "{extension} {exec}");
        }
        let other = "exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, \
                     command: kubelogin}";
        assert_eq!(read("", other).unusable, None, "others need none of that");
    }

    #[test]
    fn cred_02_what_kubectl_refuses_is_no_access() {
        let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
        let [_, other_key] = pair().map(|pem| STANDARD.encode(pem));
        let certificate = format!("client-certificate-data: {certificate}");
        let good = format!("{certificate}, client-key-data: {key}");
        assert_eq!(read("", &good).unusable, None);
        let authority = format!(", certificate-authority-data: {}", STANDARD.encode(&pair()[0]));
        for (cluster, user, why) in [
            ("", certificate.clone(), "client-key is missing"),
            ("", format!("{certificate}, client-key: gone"), "client-key gone: no such file"),
            (
                "",
                format!("{certificate}, client-key-data: {other_key}"),
                "client-key is not the key of client-certificate",
            ),
            (
                "",
                format!("{certificate}, client-key-data: QUJD"),
                "client-key holds no private key that can be read",
            ),
            (
                "",
                format!("{good}, client-certificate: gone"),
                "client-certificate and client-certificate-data are both set",
            ),
            ("", "client-certificate: gone".into(), "client-certificate gone: no such file"),
            ("", format!("{good}, token: a, username: b"), "token and username are both set"),
            ("", format!("{good}, as-groups: [a]"), "as-groups is set without as"),
            ("", "token: \"abc\\n\"".into(), "its token contains spaces or control characters"),
            ("", "token: Bearer abc".into(), "its token contains spaces or control characters"),
            ("", "tokenFile: gone".into(), "tokenFile gone: no such file"),
            ("", "tokenFile: empty".into(), "tokenFile empty: it is empty"),
            ("", "username: a".into(), "Kubernetes removed basic authentication in 1.19"),
            (
                "",
                format!("{good}, auth-provider: {{name: gcp}}"),
                "kubectl has no auth provider gcp",
            ),
            ("", format!("{good}, auth-provider: {{}}"), "kubectl has no auth provider "),
            (
                ", proxy-url: 'proxy:8080'",
                good.clone(),
                "its proxy-url is not http, https or socks5",
            ),
            (
                ", certificate-authority: gone",
                good.clone(),
                "certificate-authority gone: no such file",
            ),
            (
                ", certificate-authority-data: QUJD",
                good.clone(),
                "certificate-authority holds no certificate that can be read",
            ),
            (
                "",
                "exec: {apiVersion: client.authentication.k8s.io/v1, command: a}".into(),
                "exec has no valid interactiveMode",
            ),
            ("", "exec: {command: a}".into(), "exec has no valid apiVersion"),
            (
                "",
                format!(
                    "{good}, exec: {{apiVersion: client.authentication.k8s.io/v1alpha1, command: a, \
                     interactiveMode: Never}}"
                ),
                "exec has no valid apiVersion",
            ),
            (
                &format!(", insecure-skip-tls-verify: true{authority}"),
                good.clone(),
                "insecure-skip-tls-verify and certificate-authority are both set",
            ),
            (
                &format!("{authority}, certificate-authority: gone"),
                good,
                "certificate-authority and certificate-authority-data are both set",
            ),
        ] {
            assert_eq!(read(cluster, &user).unusable.as_deref(), Some(why));
        }
        let first = "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a}";
        assert_eq!(read("", first).unusable, None);
    }

    #[test]
    fn cred_02_addresses_that_kubectl_refuses_are_no_access() {
        let [certificate, key] = pair().map(|pem| STANDARD.encode(pem));
        let good = format!("client-certificate-data: {certificate}, client-key-data: {key}");
        let of_server = |server: &str, user: &str| {
            let text = format!(
                "clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
                 users: [{{name: u, user: {{{user}}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: u}}}}]"
            );
            resolve(vec![file("a", &text)]).remove(0).contexts.unwrap().remove(0).unusable
        };
        for (server, why) in [
            ("", "it has no server"),
            ("http://api.example", "its server is not https"),
            ("api.example", "its server is not https"),
            ("api.example:443", "its server is not https"),
            (" https://api.example", "its server is not a valid address"),
            ("https://api example", "its server is not a valid address"),
            ("https://", "its server is not a valid address"),
            ("https://api.example:port", "its server is not a valid address"),
            ("https://api.example/%zz", "its server is not a valid address"),
            ("https://api.example/%2", "its server is not a valid address"),
        ] {
            assert_eq!(of_server(server, &good).as_deref(), Some(why), "{server}");
        }
        for server in ["HTTPS://api.example", "https://api.example/x?a=b", "https://[::1]:6443"] {
            assert_eq!(of_server(server, &good), None, "{server}");
        }
        let user = "https://me@api.example";
        assert_eq!(of_server(user, &good), None);
        let why = of_server(user, "token: abc");
        assert_eq!(why.as_deref(), Some("the user name in its server URL replaces its token"));
        assert_eq!(of_server(user, &format!("{good}, token: abc")), None);
    }

    #[test]
    fn cred_08_files_of_kubeconfig_are_read_together_and_the_first_of_each_name_counts() {
        let cluster = |name: &str, server: &str| {
            format!("clusters: [{{name: {name}, cluster: {{server: 'https://{server}'}}}}]\n")
        };
        let user = |token: &str| format!("users: [{{name: same, user: {{{token}}}}}]\n");
        let context = |name: &str, cluster: &str| {
            format!("contexts: [{{name: {name}, context: {{cluster: {cluster}, user: same}}}}]\n")
        };
        let default = |path: &str, text: &str| FoundFile { is_default: true, ..file(path, text) };
        let first = cluster("one", "one.example") + &context("split", "one");
        let second = cluster("one", "two.example") + &user("token: abc") + &context("own", "one");
        let third = cluster("one", "three.example") + &user("username: a") + &context("own", "one");
        let told = |files: Vec<FoundFile<KubeconfigEntries>>| -> Vec<(String, String, bool, Option<String>)> {
            let files = resolve(files);
            let contexts = files.into_iter().flat_map(|file| file.contexts.unwrap_or_default());
            let row = |found: FoundContext| {
                let is_token = found.sign_in == [SignIn::StaticToken];
                (found.context, found.server, is_token, found.other_file)
            };
            contexts.map(row).collect()
        };
        let row = |context: &str, server: &str, is_token, other: Option<&str>| {
            (context.to_owned(), server.to_owned(), is_token, other.map(str::to_owned))
        };
        assert_eq!(
            told(vec![default("a", &first), default("b", &second), default("c", &third)]),
            [
                row("split", "one.example", true, Some("b")),
                row("own", "one.example", true, Some("a")),
                row("own", "three.example", false, None),
            ],
            "the second of a name is reached with --kubeconfig alone"
        );
        let bare =
            "contexts: [{name: own, context: {user: same}}]\n".to_owned() + &user("username: a");
        assert_eq!(
            told(vec![default("a", &bare), default("b", &second)]),
            [row("own", "two.example", true, None)],
            "the first of a name counts, whatever it lacks: the second is read alone"
        );
        assert_eq!(
            told(vec![default("a", &first), file("b", &second)]),
            [row("own", "two.example", true, None)]
        );
        assert_eq!(
            told(vec![default("a", &first), default("b", &second), default("c", "a: [")]),
            [row("own", "two.example", true, None)],
            "kubectl reads no file of several if one cannot be read"
        );
    }

    #[test]
    fn which_server_certificates_are_accepted() {
        let of = |cluster: &str| read(cluster, "").trust;
        assert_eq!(read("", "").server, "api.example");
        assert_eq!(of(""), Trust::System);
        assert_eq!(of(", insecure-skip-tls-verify: true"), Trust::Anything);
        let authority = format!(", certificate-authority-data: {}", STANDARD.encode(&pair()[0]));
        let named = |name: &str| of(&format!("{authority}, tls-server-name: {name}"));
        assert!(matches!(of(&authority), Trust::Authorities(_)));
        assert!(matches!(named("api.example"), Trust::Authorities(_)));
        assert_eq!(named("other.example"), Trust::OtherName);
        assert_eq!(of(", certificate-authority-data: QUJD"), Trust::Unreadable);
        assert_eq!(of(", certificate-authority: ca.crt"), Trust::Unreadable);
    }

    #[test]
    fn what_kubectl_does_not_read_says_where() {
        let why = |text: &str| entries(text).unwrap_err();
        assert!(why("a: b\n- c").starts_with("line 2: "), "{}", why("a: b\n- c"));
        assert!(why("[1, 2]").contains("not a mapping"));
        let twice = "users:\n- {name: a, user: {}}\n- {name: a, user: {token: b}}\n";
        assert_eq!(why(twice), "line 3: duplicate name a in users (first in line 2)");
        assert!(why("kind: List").contains("kubectl reads only Config"));
        assert_eq!(entries("").unwrap(), KubeconfigEntries::default());
    }
}
