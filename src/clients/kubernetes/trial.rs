//! Tries a credential: one handshake and one read that changes nothing.

use std::time::Duration;

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::clients::kubernetes::error::KubeError;
use crate::clock::Clock;
use crate::domain::credential::Trial;
use crate::domain::secret::Secret;

/// How long an answer is waited for.
const LIMIT: Duration = Duration::from_secs(10);

/// Tries the credential of a context. A plugin is never run.
pub async fn try_credential(kubeconfig: &Secret, context: &str, clock: &Clock) -> Trial {
    let not_tried = |why: &str| Trial::NotTried(why.to_owned());
    // What the reader says of it may quote a secret.
    let Ok(kubeconfig) = Kubeconfig::from_yaml(kubeconfig.expose()) else {
        return not_tried("its file cannot be read");
    };
    let mut contexts = kubeconfig.contexts.iter().filter(|named| named.name == context);
    let user = contexts.find_map(|named| named.context.as_ref()?.user.as_deref());
    let mut users = kubeconfig.auth_infos.iter().filter(|named| Some(&*named.name) == user);
    match users.find_map(|named| named.auth_info.as_ref()) {
        None => return not_tried("it names no credential"),
        Some(user) if user.exec.is_some() || user.auth_provider.is_some() => {
            return not_tried("a plugin signs in, and skeys runs none");
        }
        Some(_) => {}
    }
    let options =
        KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let client = config.ok().and_then(|mut config| {
        config.default_retry = false;
        kube::Client::try_from(config).ok()
    });
    let Some(client) = client else { return not_tried("its certificate or key cannot be used") };
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
