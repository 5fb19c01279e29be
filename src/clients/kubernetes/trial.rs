//! Tries a credential: one handshake and one read that changes nothing.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use secrecy::ExposeSecret as _;

use crate::clients::kubernetes::error::KubeError;
use crate::clock::Clock;
use crate::domain::credential::Trial;
use crate::domain::kubeconfig::is_sendable;
use crate::domain::secret::Secret;

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// A kubeconfig to try, with the folder that its relative paths begin at.
pub struct TriedFile {
    pub folder: PathBuf,
    pub text: Secret,
    /// Whether it is the one that holds the context, and not another one of `$KUBECONFIG`.
    pub is_asked: bool,
}

/// Tries the credential of a context, with the files that kubectl reads together, in their order. A plugin is never run.
pub async fn try_credential(files: &[TriedFile], context: &str, clock: &Clock) -> Trial {
    let not_tried = |why: &str| Trial::NotTried(why.to_owned());
    let Some(mut kubeconfig) = as_kubectl_reads(files, context) else {
        return not_tried("its file cannot be read");
    };
    let mut contexts = kubeconfig.contexts.iter().filter(|named| named.name == context);
    let user = contexts.find_map(|named| named.context.as_ref()?.user.as_deref());
    let user = user.map(str::to_owned);
    let mut users =
        kubeconfig.auth_infos.iter_mut().filter(|named| Some(&named.name) == user.as_ref());
    let usable = users.find_map(|named| named.auth_info.as_mut()).map(use_as_kubectl);
    if let Err(why) = usable.unwrap_or(Err("it names no credential")) {
        return not_tried(why);
    }
    let options =
        KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let client = config.ok().and_then(|mut config| {
        config.default_retry = false;
        // kube-rs panics where no request can be made of it.
        let is_https = config.cluster_url.scheme() == Some(&http::uri::Scheme::HTTPS);
        is_https.then(|| kube::Client::try_from(config).ok()).flatten()
    });
    let Some(client) = client else {
        return not_tried("its server, certificate or key cannot be used");
    };
    // Only who is known may list the groups of the API.
    let mut request = http::Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/apis");
    match clock.timeout(LIMIT, client.send(request)).await {
        None => Trial::NoAnswer(KubeError::TimedOut(LIMIT).to_string()),
        Some(Ok(response)) => match response.status().as_u16() {
            401 => Trial::Refused("HTTP 401".to_owned()),
            200..=299 | 403 => Trial::Accepted,
            status => Trial::NoAnswer(format!("HTTP {status}")),
        },
        Some(Err(error)) => {
            let why = KubeError::from_sending(error);
            let is_refused = matches!(why, KubeError::Untrusted(_) | KubeError::Refused(_));
            let text = why.to_string();
            if is_refused { Trial::Refused(text) } else { Trial::NoAnswer(text) }
        }
    }
}

/// Leaves the token that kubectl would send, or says why none is tried.
fn use_as_kubectl(user: &mut AuthInfo) -> Result<(), &'static str> {
    if user.exec.is_some() || user.auth_provider.is_some() {
        return Err("a plugin signs in, and skeys runs none");
    }
    // The file takes precedence while it can be read and is not empty; kube-rs would take the other.
    if user.token_file.as_deref().is_some_and(holds_text) {
        user.token = None;
    } else {
        user.token_file = None;
    }
    // kube-rs panics where it cannot make a header of it.
    match &user.token {
        Some(token) if !is_sendable(token.expose_secret()) => {
            Err("its token cannot be sent: it has blanks or controls")
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether a file can be read and is not empty; what blocks a reader, such as a FIFO, is not read.
fn holds_text(path: &str) -> bool {
    let is_file = std::fs::metadata(path).is_ok_and(|found| found.is_file());
    is_file && std::fs::read_to_string(path).is_ok_and(|text| !text.trim().is_empty())
}

/// The files merged, where the context of that name is the first of them; else the one that holds it alone.
fn as_kubectl_reads(files: &[TriedFile], context: &str) -> Option<Kubeconfig> {
    // What the reader says of a file may quote a secret.
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

/// Relative paths begin at the folder of their file, as for kubectl.
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

    use crate::clients::kubernetes::trial::{TriedFile, as_kubectl_reads};
    use crate::domain::secret::Secret;

    fn file(folder: &str, text: &str, is_asked: bool) -> TriedFile {
        TriedFile { folder: PathBuf::from(folder), text: Secret::new(text.to_owned()), is_asked }
    }

    const CONTEXT: &str = "contexts: [{name: a, context: {cluster: c, user: u}}]\n";
    const USER: &str = "users: [{name: u, user: {client-certificate: u.crt, client-key: /k}}]\n";

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
