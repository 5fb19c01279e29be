//! Reads the contexts of a kubeconfig of any origin: which authorities each trusts and how it signs in, without the
//! secrets. Nothing that it names is run or connected to.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

use crate::domain::credential::{
    FoundContext, SignIn, TokenFacts, Trust, decode_base64, read_authorities, read_client,
};
use crate::domain::failure::Failure;
use crate::domain::kubeconfig::document;
use crate::domain::kubeconfig::entry_owner::server_address;
use crate::domain::kubeconfig::parsed::KubeconfigKind;
use crate::domain::text::clean;

/// A shorter text is no token that somebody would use, in characters.
const LEAST_TOKEN: usize = 16;

/// Reads a file that a kubeconfig names, relative to the folder of the kubeconfig, or says why it cannot be read.
pub type FileReader<'a> = &'a dyn Fn(&str) -> Result<Zeroizing<Vec<u8>>, String>;

/// The contexts of a kubeconfig, in its order. Those without a cluster or a user are left out: they connect to nothing.
///
/// # Errors
/// The text is no kubeconfig, with the line.
pub fn read_contexts(text: &str, reader: FileReader<'_>) -> Result<Vec<FoundContext>, Failure> {
    let text = text.trim_start_matches('\u{feff}');
    let (_, root) = document::read(text)?;
    if !(root.is_object() || root.is_null()) {
        return Err(document::file_failure("not a kubeconfig: the document is no mapping"));
    }
    let (clusters, users) =
        (by_name(&root, "clusters", "cluster"), by_name(&root, "users", "user"));
    let contexts = root.get("contexts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let read = |entry: &Value| {
        let context = entry.get("context")?;
        let cluster = clusters.get(context.get("cluster")?.as_str()?)?;
        let user = users.get(context.get("user")?.as_str()?)?;
        Some(FoundContext {
            context: clean(entry.get("name")?.as_str()?),
            server: clean(&server_address(filled(cluster, "server")?)),
            trust: trust(cluster, reader),
            sign_in: sign_in(user, reader),
        })
    };
    Ok(contexts.iter().filter_map(read).collect())
}

/// The first entry of each name, as for kubectl.
fn by_name<'a>(root: &'a Value, list: &str, field: &str) -> HashMap<&'a str, &'a Value> {
    let entries = root.get(list).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut found = HashMap::new();
    for entry in entries {
        if let (Some(name), Some(value)) =
            (entry.get("name").and_then(Value::as_str), entry.get(field))
        {
            found.entry(name).or_insert(value);
        }
    }
    found
}

fn filled<'a>(map: &'a Value, key: &str) -> Option<&'a str> {
    map.get(key)?.as_str().filter(|text| !text.trim().is_empty())
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

fn trust(cluster: &Value, reader: FileReader<'_>) -> Trust {
    if cluster.get("insecure-skip-tls-verify") == Some(&Value::Bool(true)) {
        return Trust::Anything;
    }
    let field = "certificate-authority";
    match data_or_file(cluster, field, reader) {
        None => Trust::System,
        Some(Err(why)) => Trust::Unreadable(why),
        Some(Ok(pem)) => match read_authorities(&pem) {
            Some(keys) => Trust::Authorities(keys.into_iter().map(|(key, _)| key).collect()),
            None => Trust::Unreadable(format!("{field} holds something that is no certificate")),
        },
    }
}

fn sign_in(user: &Value, reader: FileReader<'_>) -> Vec<SignIn> {
    let mut ways = Vec::new();
    let field = "client-certificate";
    ways.extend(data_or_file(user, field, reader).map(|read| {
        let none = || format!("{field} holds no certificate");
        match read.and_then(|pem| read_client(&pem).ok_or_else(none)) {
            Ok(certificate) => SignIn::Certificate(certificate),
            Err(why) => SignIn::Unreadable(why),
        }
    }));
    // As for client-go, the file takes precedence.
    if let Some(path) = filled(user, "tokenFile") {
        ways.push(match reader(path) {
            Ok(bytes) => token(&String::from_utf8_lossy(&bytes)),
            Err(why) => SignIn::Unreadable(format!("tokenFile {}: {why}", clean(path))),
        });
    } else if let Some(text) = filled(user, "token") {
        ways.push(token(text));
    }
    if let Some(exec) = user.get("exec").filter(|exec| exec.is_object()) {
        let command = filled(exec, "command").map(clean).unwrap_or_default();
        let name = command.rsplit('/').next().unwrap_or_default();
        let args = exec.get("args").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let args: Vec<&str> = args.iter().filter_map(Value::as_str).collect();
        let stackit = match args.as_slice() {
            ["ske", "kubeconfig", "login", more @ ..] if name == "stackit" => {
                let is_idp = more.contains(&"--idp");
                Some(if is_idp { KubeconfigKind::Idp } else { KubeconfigKind::Login })
            }
            _ => None,
        };
        ways.push(SignIn::Plugin { command, stackit });
    }
    if filled(user, "username").is_some() {
        ways.push(SignIn::Other("basic authentication".to_owned()));
    }
    if let Some(provider) = user.get("auth-provider").filter(|provider| provider.is_object()) {
        let name = filled(provider, "name").map(clean).unwrap_or_default();
        ways.push(SignIn::Other(format!("auth provider {name}")));
    }
    ways
}

/// Tells of a text whether it is a token, and of which kind.
pub fn token_alone(text: &str) -> Option<SignIn> {
    let text = text.trim();
    let is_token = text.len() >= LEAST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_token.then(|| token(text))
}

fn token(text: &str) -> SignIn {
    match token_facts(text) {
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
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use zeroize::Zeroizing;

    use crate::domain::credential::{FoundContext, SignIn, Trust};
    use crate::domain::kubeconfig::KubeconfigKind;
    use crate::domain::kubeconfig::contexts::{read_contexts, token_alone};

    fn read(cluster: &str, user: &str) -> FoundContext {
        let text = format!(
            "clusters: [{{name: c, cluster: {{server: 'https://API.example:443/'{cluster}}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}]\n\
             contexts: [{{name: mine, context: {{cluster: c, user: u}}}}, {{name: x, context: {{}}}}]\n"
        );
        let reader = |path: &str| match path {
            "token" => Ok(Zeroizing::new(b"abc\n".to_vec())),
            _ => Err("no such file".to_owned()),
        };
        let mut contexts = read_contexts(&text, &reader).unwrap();
        assert_eq!(contexts.len(), 1, "a context that names nothing connects to nothing");
        contexts.remove(0)
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
        assert_eq!(token_alone("0123456789abcdef"), Some(SignIn::StaticToken));
        assert_eq!((token_alone("short"), token_alone("several words of a text")), (None, None));
        let other = jwt(r#"{"iss":"https://idp.example","sub":"me","exp":1e400}"#);
        assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::StaticToken]));
        let other = jwt(r#"{"iss":"https://idp.example","sub":"me"}"#);
        assert!(matches!(&of(&format!("token: {other}"))[..], [SignIn::OtherToken(_)]));
        let exec = |command: &str, args: &str| {
            of(&format!("exec: {{command: {command}, args: [{args}]}}")).remove(0)
        };
        let plugin =
            |command: &str, stackit| SignIn::Plugin { command: command.to_owned(), stackit };
        assert_eq!(
            exec("stackit", "ske, kubeconfig, login, --idp"),
            plugin("stackit", Some(KubeconfigKind::Idp))
        );
        assert_eq!(exec("stackit", "auth"), plugin("stackit", None));
        assert_eq!(exec("/opt/kubelogin", "get-token"), plugin("/opt/kubelogin", None));
        assert_eq!(of("username: a, password: b"), [SignIn::Other("basic authentication".into())]);
        assert_eq!(of(""), []);
        let [SignIn::Unreadable(why)] = &of("client-certificate: /gone.crt")[..] else {
            panic!("unreadable")
        };
        assert_eq!(why, "client-certificate /gone.crt: no such file");
        assert!(matches!(&of("client-certificate-data: QUJD")[..], [SignIn::Unreadable(_)]));
    }

    #[test]
    fn which_server_certificates_are_accepted() {
        let of = |cluster: &str| read(cluster, "").trust;
        assert_eq!(read("", "").server, "api.example");
        assert_eq!(of(""), Trust::System);
        assert_eq!(of(", insecure-skip-tls-verify: true"), Trust::Anything);
        assert!(matches!(of(", certificate-authority-data: '***'"), Trust::Unreadable(_)));
        assert!(matches!(of(", certificate-authority: ca.crt"), Trust::Unreadable(_)));
    }

    #[test]
    fn what_is_no_kubeconfig_says_where() {
        let none = |_: &str| Err(String::new());
        let failure = read_contexts("a: b\n- c", &none).unwrap_err();
        assert!(failure.message.starts_with("line 2: "), "{}", failure.message);
        assert!(read_contexts("[1, 2]", &none).unwrap_err().message.contains("no mapping"));
        assert_eq!(read_contexts("", &none).unwrap(), []);
    }
}
