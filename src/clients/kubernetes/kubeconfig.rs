//! Reads the one context of an issued kubeconfig that is current, and refuses what an issued one never holds:
//! commands, files of this machine, ways around the server's certificate, other persons.
//!
//! Only what is read here goes on to kube-rs, as values; its own loader, which runs commands and reads files and
//! the environment, never sees the text.

use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::Value;

use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Larger texts are not read.
const MAX_BYTES: usize = 1024 * 1024;

/// What the current context names.
pub struct Current {
    /// Address of the API server as written.
    pub server: String,
    /// Base64 of the authorities' certificates.
    pub authorities: String,
    /// Base64 of the client certificate.
    pub certificate: String,
    /// Base64 of the client's private key.
    pub key: Secret,
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("server", &self.server).finish_non_exhaustive()
    }
}

/// Reads a kubeconfig and takes its current context.
///
/// # Errors
/// What is wrong with it, as it follows "the kubeconfig"; never a part of the text that could be secret.
pub fn current(text: &Secret) -> Result<Current, String> {
    let plain = text.expose().trim_start_matches('\u{feff}');
    if plain.len() > MAX_BYTES {
        return Err("is larger than 1 MiB".to_owned());
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let file: File = serde_saphyr::from_str_with_options(plain, options).map_err(|error| {
        // Only the place is repeated: the sentence of the reader may quote a secret.
        let place = error.location().map(|at| format!(" (line {})", at.line())).unwrap_or_default();
        format!("cannot be read as YAML{place}")
    })?;
    let wanted = file.current_context.filter(|name| !name.is_empty());
    let contexts = file.contexts.unwrap_or_default();
    let context = match (wanted, contexts.as_slice()) {
        (_, []) => return Err("has no context".to_owned()),
        (Some(wanted), _) => contexts.into_iter().find(|context| context.name == wanted),
        (None, [_]) => contexts.into_iter().next(),
        (None, several) => {
            return Err(format!("has {} contexts and does not say which one", several.len()));
        }
    };
    let context = context.and_then(|context| context.context);
    let context = context.ok_or("names a current-context that is not in it")?;
    let named = |name: &Option<String>, candidate: &str| name.as_deref() == Some(candidate);
    let cluster = (file.clusters.unwrap_or_default().into_iter())
        .find(|cluster| named(&context.cluster, &cluster.name))
        .and_then(|cluster| cluster.cluster)
        .ok_or("has no cluster for its context")?;
    let user = (file.users.unwrap_or_default().into_iter())
        .find(|user| named(&context.user, &user.name))
        .and_then(|user| user.user)
        .ok_or("has no user for its context")?;
    cluster.check()?;
    user.check()?;
    Ok(Current {
        server: cluster.server.unwrap_or_default(),
        authorities: filled(cluster.authority_data)
            .ok_or("has no certificate authority for its server")?,
        certificate: filled(user.certificate_data).ok_or("has no client certificate")?,
        key: user
            .key_data
            .map(|Hidden(key)| key)
            .filter(|key| !key.expose().trim().is_empty())
            .ok_or("has no client key")?,
    })
}

fn filled(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

/// A text that is wrapped as soon as it is read.
struct Hidden(Secret);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

#[derive(serde::Deserialize)]
struct File {
    #[serde(default, rename = "current-context")]
    current_context: Option<String>,
    #[serde(default)]
    clusters: Option<Vec<NamedCluster>>,
    #[serde(default)]
    contexts: Option<Vec<NamedContext>>,
    #[serde(default)]
    users: Option<Vec<NamedUser>>,
}

#[derive(serde::Deserialize)]
struct NamedCluster {
    #[serde(default)]
    name: String,
    #[serde(default)]
    cluster: Option<Cluster>,
}

#[derive(serde::Deserialize)]
struct NamedContext {
    #[serde(default)]
    name: String,
    #[serde(default)]
    context: Option<Context>,
}

#[derive(serde::Deserialize)]
struct NamedUser {
    #[serde(default)]
    name: String,
    #[serde(default)]
    user: Option<User>,
}

#[derive(serde::Deserialize)]
struct Context {
    #[serde(default)]
    cluster: Option<String>,
    #[serde(default)]
    user: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    #[serde(default)]
    server: Option<String>,
    #[serde(default, rename = "certificate-authority-data")]
    authority_data: Option<String>,
    #[serde(default)]
    certificate_authority: Option<IgnoredAny>,
    #[serde(default)]
    insecure_skip_tls_verify: Option<Value>,
    #[serde(default)]
    proxy_url: Option<IgnoredAny>,
    #[serde(default)]
    tls_server_name: Option<IgnoredAny>,
}

impl Cluster {
    fn check(&self) -> Result<(), String> {
        if self.certificate_authority.is_some() {
            return Err("names a file of this machine as certificate authority".to_owned());
        }
        if self.insecure_skip_tls_verify.as_ref().is_some_and(|skip| *skip != Value::Bool(false)) {
            return Err("switches the check of the server's certificate off".to_owned());
        }
        if self.proxy_url.is_some() {
            return Err("names a proxy".to_owned());
        }
        if self.tls_server_name.is_some() {
            return Err("has the server's certificate checked under another name".to_owned());
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    #[serde(default, rename = "client-certificate-data")]
    certificate_data: Option<String>,
    #[serde(default, rename = "client-key-data")]
    key_data: Option<Hidden>,
    #[serde(default)]
    client_certificate: Option<IgnoredAny>,
    #[serde(default)]
    client_key: Option<IgnoredAny>,
    #[serde(default, rename = "tokenFile")]
    token_file: Option<IgnoredAny>,
    #[serde(default)]
    auth_provider: Option<IgnoredAny>,
    #[serde(default)]
    exec: Option<Exec>,
    #[serde(default, rename = "as")]
    impersonate: Option<IgnoredAny>,
    #[serde(default)]
    as_uid: Option<IgnoredAny>,
    #[serde(default)]
    as_groups: Option<IgnoredAny>,
    #[serde(default)]
    as_user_extra: Option<IgnoredAny>,
}

/// Read only to say which command is not run.
struct Exec(String);

impl<'de> Deserialize<'de> for Exec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(Self(value.get("command").and_then(Value::as_str).map(clean).unwrap_or_default()))
    }
}

impl User {
    fn check(&self) -> Result<(), String> {
        if let Some(Exec(command)) = &self.exec {
            return Err(match command.as_str() {
                "" => "wants a command run to sign in".to_owned(),
                command => format!("wants the command {command} run to sign in"),
            });
        }
        let refused = [
            (&self.auth_provider, "auth-provider"),
            (&self.token_file, "tokenFile"),
            (&self.client_certificate, "client-certificate"),
            (&self.client_key, "client-key"),
        ];
        if let Some((_, key)) = refused.iter().find(|(field, _)| field.is_some()) {
            return Err(format!("uses {key}, which an issued one never does"));
        }
        let others = [&self.impersonate, &self.as_uid, &self.as_groups, &self.as_user_extra];
        if others.iter().any(|field| field.is_some()) {
            return Err("acts as another user".to_owned());
        }
        Ok(())
    }
}
