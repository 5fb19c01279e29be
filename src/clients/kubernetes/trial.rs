//! Tries a credential: one handshake and one read-only request.

use std::path::{Path, PathBuf};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt as _, Collected, Limited};
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use rustls::CertificateError;
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::clients::error_chain::find_source;
use crate::clients::kubernetes::error::KubeError;
use crate::clock::Clock;
use crate::domain::credential::{Trial, holds_server_certificate};
use crate::domain::kubeconfig::{check_token, read_token};
use crate::domain::secret::Secret;

/// Maximum size of the response, in bytes.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// Timeout.
const LIMIT: Duration = Duration::from_secs(10);

/// A kubeconfig to try, and the folder that its relative paths are based on.
pub struct TriedFile {
    pub folder: PathBuf,
    pub text: Secret,
    /// Whether it is the file with the context, rather than another one of `$KUBECONFIG`.
    pub is_asked: bool,
}

/// A context as kubectl would use it, with the content of all files it references.
pub struct TriedContext {
    kubeconfig: Kubeconfig,
    context: String,
}

/// Reads a file that a kubeconfig references; the error says why it cannot be read.
pub type NamedFileReader<'a> = &'a dyn Fn(&Path) -> Result<Zeroizing<Vec<u8>>, String>;

impl TriedContext {
    /// Reads a context from the files that kubectl merges, in their order, with the files they reference.
    ///
    /// # Errors
    /// A clause with the reason why it is not tried. Plugins are never run.
    pub fn read(
        files: &[TriedFile],
        context: &str,
        reader: NamedFileReader<'_>,
    ) -> Result<Self, String> {
        let mut kubeconfig = as_kubectl_reads(files, context).ok_or("its file cannot be read")?;
        let mut named = kubeconfig.contexts.iter().filter(|named| named.name == context);
        // One whose name has control characters is known by another one.
        let used = named.find_map(|named| named.context.as_ref());
        let used = used.ok_or("its file has no context of exactly this name")?;
        let (user, cluster) = (used.user.clone(), Some(used.cluster.clone()));
        let mut users =
            kubeconfig.auth_infos.iter_mut().filter(|named| Some(&named.name) == user.as_ref());
        let user = users.find_map(|named| named.auth_info.as_mut());
        let user = user.ok_or("it names no credential")?;
        if user.exec.is_some() || user.auth_provider.is_some() {
            return Err("a plugin signs in, and skeys runs none".to_owned());
        }
        take_files(user, reader)?;
        if let Some(token) = &user.token {
            // kube-rs panics on a token that is invalid as a header value.
            check_token(token.expose_secret())?;
        }
        let mut clusters =
            kubeconfig.clusters.iter_mut().filter(|named| Some(&named.name) == cluster.as_ref());
        if let Some(cluster) = clusters.find_map(|named| named.cluster.as_mut()) {
            // The HTTP client of kubectl uses the userinfo of a URL instead of the token.
            if cluster.server.as_ref().is_some_and(|server| server.contains('@')) {
                user.token = None;
            }
            let path = cluster.certificate_authority.take();
            let data = &mut cluster.certificate_authority_data;
            take_file(path, data, "certificate-authority", reader)?;
        }
        Ok(Self { kubeconfig, context: context.to_owned() })
    }
}

/// Replaces file references by the files' content, like client-go.
fn take_files(user: &mut AuthInfo, reader: NamedFileReader<'_>) -> Result<(), String> {
    let path = user.client_certificate.take();
    take_file(path, &mut user.client_certificate_data, "client-certificate", reader)?;
    let path = user.client_key.take();
    take_file(path, &mut user.client_key_data, "client-key", reader)?;
    let Some(path) = user.token_file.take().filter(|path| !path.is_empty()) else { return Ok(()) };
    match read_token(&path, &|path| reader(Path::new(path))) {
        // The file takes precedence while it is readable.
        Ok(token) => user.token = Some(token.to_string().into()),
        Err(why) if user.token.is_none() => return Err(format!("tokenFile: {why}")),
        Err(_) => {}
    }
    Ok(())
}

fn take_file<Data: From<String>>(
    path: Option<String>,
    data: &mut Option<Data>,
    field: &str,
    reader: NamedFileReader<'_>,
) -> Result<(), String> {
    if let (Some(path), None) = (path.filter(|path| !path.is_empty()), &data) {
        let bytes = reader(Path::new(&path)).map_err(|why| format!("{field}: {why}"))?;
        *data = Some(STANDARD.encode(&*bytes).into());
    }
    Ok(())
}

/// Tries the credential of a context.
pub async fn try_credential(tried: TriedContext, clock: &Clock) -> Trial {
    let TriedContext { kubeconfig, context } = tried;
    let options = KubeConfigOptions { context: Some(context), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let mut trusts_server_certificate = false;
    let client = config.ok().and_then(|mut config| {
        config.default_retry = false;
        trusts_server_certificate = holds_server_certificate(config.root_cert.iter().flatten());
        // kube-rs panics if it cannot build a request.
        let is_https = config.cluster_url.scheme() == Some(&http::uri::Scheme::HTTPS);
        is_https.then(|| kube::Client::try_from(config).ok()).flatten()
    });
    let Some(client) = client else {
        return Trial::NotTried("its server, certificate or key cannot be used".to_owned());
    };
    // Only authenticated clients may list API groups.
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/apis");
    let asked = async {
        let response = client.send(request).await.map_err(KubeError::from_sending)?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await;
        Ok::<_, KubeError>(judge_answer(status, body.ok().map(Collected::to_bytes).as_deref()))
    };
    match clock.timeout(LIMIT, asked).await {
        None => Trial::NoAnswer(KubeError::TimedOut(LIMIT).to_string()),
        Some(Ok(trial)) => trial,
        Some(Err(why)) => {
            // kubectl accepts a pinned server certificate; rustls accepts only CAs.
            let is_untrusted = is_signer_unknown(&why) && !trusts_server_certificate;
            let is_refused = is_untrusted || matches!(why, KubeError::Refused(_));
            let text = why.to_string();
            if is_refused { Trial::Refused(text) } else { Trial::NoAnswer(text) }
        }
    }
}

/// Whether no trusted CA signed the server certificate. Other rustls errors, such as a key that is too short, may be
/// acceptable to kubectl.
fn is_signer_unknown(why: &KubeError) -> bool {
    let signer = [CertificateError::UnknownIssuer, CertificateError::BadSignature];
    matches!(why, KubeError::Untrusted(_))
        && matches!(find_source(why), Some(rustls::Error::InvalidCertificate(found)) if signer.contains(found))
}

/// Judges a credential by the response. An unverified server may not be a Kubernetes API at all; and an API server with
/// anonymous access treats an unknown credential as anonymous.
fn judge_answer(status: u16, body: Option<&[u8]>) -> Trial {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        kind: String,
        message: String,
    }
    let answer: Answer =
        body.and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let is_nobody = answer.message.contains("\"system:anonymous\"");
    match (status, answer.kind.as_str()) {
        (403, "Status") if is_nobody => Trial::Refused("HTTP 403 for system:anonymous".to_owned()),
        (200, "APIGroupList") | (403, "Status") => Trial::Accepted,
        (401, "Status") => Trial::Refused("HTTP 401".to_owned()),
        (200..=299 | 401 | 403, _) => {
            Trial::NoAnswer(format!("HTTP {status}, not from a Kubernetes API"))
        }
        _ => Trial::NoAnswer(format!("HTTP {status}")),
    }
}

/// The merged files, if the context comes from the requested one; otherwise that file alone.
fn as_kubectl_reads(files: &[TriedFile], context: &str) -> Option<Kubeconfig> {
    // Parser errors may quote a secret.
    let read = |file: &TriedFile| {
        let mut kubeconfig = Kubeconfig::from_yaml(file.text.expose()).ok()?;
        make_absolute(&mut kubeconfig, &file.folder);
        Some(kubeconfig)
    };
    let has =
        |kubeconfig: &Kubeconfig| kubeconfig.contexts.iter().any(|named| named.name == context);
    let asked = files.iter().find(|file| file.is_asked)?;
    let all: Option<Vec<(bool, Kubeconfig)>> =
        files.iter().map(|file| Some((file.is_asked, read(file)?))).collect();
    let merged =
        all.filter(|all| all.iter().find(|(_, one)| has(one)).is_some_and(|(asked, _)| *asked));
    let merged = merged.and_then(|all| {
        let mut all = all.into_iter().map(|(_, one)| one);
        let first = all.next()?;
        all.try_fold(first, Kubeconfig::merge).ok()
    });
    merged.or_else(|| read(asked))
}

/// Resolves relative paths against the folder of their file, like kubectl.
fn make_absolute(kubeconfig: &mut Kubeconfig, folder: &Path) {
    let clusters = kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut());
    let users = kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut());
    let paths =
        clusters.map(|cluster| &mut cluster.certificate_authority).chain(users.flat_map(|user| {
            [&mut user.client_certificate, &mut user.client_key, &mut user.token_file]
        }));
    for path in paths.flatten().filter(|path| !path.is_empty()) {
        *path = folder.join(&*path).display().to_string();
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use zeroize::Zeroizing;

    use crate::clients::kubernetes::trial::{
        TriedContext, TriedFile, as_kubectl_reads, judge_answer,
    };
    use crate::domain::credential::Trial;
    use crate::domain::secret::Secret;

    fn file(folder: &str, text: &str, is_asked: bool) -> TriedFile {
        TriedFile { folder: PathBuf::from(folder), text: Secret::new(text.to_owned()), is_asked }
    }

    const CONTEXT: &str = "contexts: [{name: a, context: {cluster: c, user: u}}]\n";
    const USER: &str = "users: [{name: u, user: {client-certificate: u.crt, client-key: /k}}]\n";

    #[test]
    fn cred_02_the_token_that_is_tried_is_the_one_that_kubectl_sends() {
        let tried = |user: &str| {
            let text = format!(
                "clusters: [{{name: c, cluster: {{server: 'https://a.example'}}}}]\n{CONTEXT}\
                 users: [{{name: u, user: {{{user}}}}}]\n"
            );
            let reader = |path: &std::path::Path| match path.to_str() {
                Some("/one/new") => Ok(Zeroizing::new(b"of-the-file\n".to_vec())),
                Some("/one/empty") => Ok(Zeroizing::new(b" \n".to_vec())),
                _ => Err("it is a FIFO".to_owned()),
            };
            let read = TriedContext::read(&[file("/one", &text, true)], "a", &reader)?;
            let user = read.kubeconfig.auth_infos.into_iter().next().unwrap().auth_info.unwrap();
            let paths = [&user.token_file, &user.client_certificate, &user.client_key];
            assert_eq!(paths, [&None; 3]);
            let user = serde_json::to_value(&user).unwrap();
            let text = |field: &str| user.get(field)?.as_str().map(str::to_owned);
            Ok::<_, String>((text("token"), text("client-certificate-data")))
        };
        let token = |text: &str| Ok((Some(text.to_owned()), None));
        assert_eq!(tried("token: inline, tokenFile: new"), token("of-the-file"));
        assert_eq!(tried("tokenFile: new"), token("of-the-file"));
        assert_eq!(tried("token: inline, tokenFile: empty"), token("inline"));
        assert_eq!(tried("token: inline, tokenFile: pipe"), token("inline"));
        let unsendable = "its token contains spaces or control characters";
        assert_eq!(tried("token: \"a\\nb\""), Err(unsendable.to_owned()));
        assert_eq!(tried("tokenFile: pipe"), Err("tokenFile: it is a FIFO".to_owned()));
        let pipe = tried("client-certificate: pipe, client-key: new");
        assert_eq!(pipe, Err("client-certificate: it is a FIFO".to_owned()));
        let encoded = Some("b2YtdGhlLWZpbGUK".to_owned());
        assert_eq!(tried("client-certificate: new, client-key: new"), Ok((None, encoded)));
    }

    #[test]
    fn a_context_that_is_not_found_is_not_said_to_lack_a_credential() {
        let text = format!("{CONTEXT}{USER}").replace("name: a,", "name: \"a\\tb\",");
        let reader = |_: &std::path::Path| Err("not read".to_owned());
        let read = TriedContext::read(&[file("/one", &text, true)], "a b", &reader);
        assert_eq!(read.err().unwrap(), "its file has no context of exactly this name");
    }

    #[test]
    fn cred_02_only_the_word_of_a_kubernetes_api_about_the_caller_is_a_verdict() {
        let of = |status, body: &str| judge_answer(status, Some(body.as_bytes()));
        let status = |user: &str| {
            format!(
                r#"{{"kind": "Status", "message": "forbidden: User \"{user}\" cannot get path \"/apis\""}}"#
            )
        };
        assert_eq!(of(200, r#"{"kind": "APIGroupList", "groups": []}"#), Trial::Accepted);
        assert_eq!(of(403, &status("robot")), Trial::Accepted);
        assert!(matches!(of(403, &status("system:anonymous")), Trial::Refused(_)));
        assert!(matches!(of(401, r#"{"kind": "Status", "code": 401}"#), Trial::Refused(_)));
        for (code, body) in [
            (200, "<html>Sign in</html>"),
            (200, "{}"),
            (204, ""),
            (401, "<html>Proxy</html>"),
            (403, "Access denied"),
            (403, r#"{"error": "blocked"}"#),
            (302, ""),
            (404, r#"{"kind": "Status"}"#),
            (429, r#"{"kind": "Status"}"#),
            (500, r#"{"kind": "Status"}"#),
            (503, "upstream connect error"),
        ] {
            assert!(matches!(of(code, body), Trial::NoAnswer(_)), "{code} {body}");
        }
        assert!(matches!(judge_answer(200, None), Trial::NoAnswer(_)), "cut");
    }

    #[test]
    fn cred_08_what_is_tried_is_what_kubectl_would_use() {
        let users = |files: &[TriedFile]| -> Vec<String> {
            let read = as_kubectl_reads(files, "a").unwrap();
            let users = read.auth_infos.into_iter().filter_map(|named| named.auth_info);
            users.flat_map(|user| [user.client_certificate, user.client_key]).flatten().collect()
        };
        let split = [file("/one", CONTEXT, true), file("/two", USER, false)];
        assert_eq!(users(&split), ["/two/u.crt", "/k"], "relative to the file that names it");
        let hidden =
            [file("/one", CONTEXT, false), file("/two", &(CONTEXT.to_owned() + USER), true)];
        assert_eq!(
            users(&hidden),
            ["/two/u.crt", "/k"],
            "alone: kubectl takes another one of that name"
        );
        let broken =
            [file("/one", "a: [", false), file("/two", &(CONTEXT.to_owned() + USER), true)];
        assert_eq!(users(&broken), ["/two/u.crt", "/k"]);
        assert!(as_kubectl_reads(&[file("/one", "a: [", true)], "a").is_none());
    }
}
