//! A kubeconfig as the server returned it, checked before anything is done with it.

use std::fmt;

use serde_json::{Value, json};

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::kubeconfig::document;
use crate::domain::kubeconfig::emit;
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// How a kubeconfig signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KubeconfigKind {
    /// A client certificate that expires.
    Admin,
    /// The `stackit` CLI signs in; no secret inside.
    Login,
    /// The `stackit` CLI signs in at the identity provider; no secret inside.
    Idp,
}

impl KubeconfigKind {
    /// Reads the word back.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Admin, Self::Login, Self::Idp].into_iter().find(|kind| kind.word() == word)
    }

    /// The word for forms and sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Login => "login",
            Self::Idp => "idp",
        }
    }
}

/// A checked kubeconfig. `Debug` shows no content.
#[derive(Clone, PartialEq, Eq)]
pub struct ParsedKubeconfig {
    text: Secret,
    context: String,
    server: String,
    contexts: usize,
    cluster: Value,
    user: Value,
    namespace: Option<Value>,
}

impl fmt::Debug for ParsedKubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ParsedKubeconfig").field("context", &self.context).finish_non_exhaustive()
    }
}

fn strange(what: impl fmt::Display) -> Failure {
    Failure::new(FailureKind::Refused, format!("The kubeconfig that SKE returned {what}"))
        .hint("Nothing was written. Issue another one, or report this to STACKIT; this one ends by itself")
}

fn named<'a>(root: &'a Value, list: &str, name: &str, field: &str) -> Option<&'a Value> {
    root.get(list)?
        .as_array()?
        .iter()
        .find(|entry| entry.get("name").and_then(Value::as_str) == Some(name))?
        .get(field)
        .filter(|value| value.is_object())
}

impl ParsedKubeconfig {
    /// Checks what the server returned.
    ///
    /// # Errors
    /// A sentence that says what is missing or dangerous; it never quotes the text.
    pub fn read(kind: KubeconfigKind, text: &Secret) -> Result<Self, Failure> {
        let plain = text.expose().trim_start_matches('\u{feff}');
        let read = document::tree(plain).and_then(|_| document::values(plain));
        let root =
            read.map_err(|failure| strange(format_args!("was refused: {}", failure.message)))?;
        if !root.is_object() {
            return Err(strange("is not a mapping"));
        }
        let contexts =
            root.get("contexts").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let current = root.get("current-context").and_then(Value::as_str).filter(|c| !c.is_empty());
        let context = match (current, contexts) {
            (_, []) => return Err(strange("has no context")),
            (Some(current), _) => current,
            (None, [only]) => only
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(|| strange("has a context without a name"))?,
            (None, several) => {
                return Err(strange(format_args!(
                    "has {} contexts and does not say which one to use",
                    several.len()
                )));
            }
        };
        let body = named(&root, "contexts", context, "context")
            .ok_or_else(|| strange("names a current-context that is not in it"))?;
        let reference = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default();
        let cluster = named(&root, "clusters", reference("cluster"), "cluster")
            .ok_or_else(|| strange("has no cluster for its context"))?;
        let user = named(&root, "users", reference("user"), "user")
            .ok_or_else(|| strange("has no user for its context"))?;
        let server = check_cluster(cluster)?;
        check_user(kind, user)?;
        Ok(Self {
            text: text.clone(),
            context: context.to_owned(),
            server: clean(server),
            contexts: contexts.len(),
            cluster: cluster.clone(),
            user: user.clone(),
            namespace: body.get("namespace").cloned(),
        })
    }

    /// Its current-context, or its only one.
    pub fn context(&self) -> &str {
        &self.context
    }

    /// Address of the API server.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// How many contexts it has.
    pub fn contexts(&self) -> usize {
        self.contexts
    }

    /// `certificate-authority-data` of its cluster, base64 of PEM.
    pub fn authorities(&self) -> &str {
        self.cluster.get("certificate-authority-data").and_then(Value::as_str).unwrap_or_default()
    }

    /// `client-certificate-data` of its user, base64 of PEM; kinds without a secret have none.
    pub fn client_certificate(&self) -> Option<&str> {
        self.user.get("client-certificate-data").and_then(Value::as_str)
    }

    /// The text as the server sent it.
    pub fn text(&self) -> &Secret {
        &self.text
    }

    /// The three entries under one name, by list.
    pub(in crate::domain::kubeconfig) fn entries(&self, name: &str) -> [(&'static str, Value); 3] {
        let mut context = json!({ "cluster": name, "user": name });
        if let (Some(namespace), Some(map)) = (&self.namespace, context.as_object_mut()) {
            map.insert("namespace".to_owned(), namespace.clone());
        }
        [
            ("clusters", json!({ "cluster": self.cluster, "name": name })),
            ("contexts", json!({ "context": context, "name": name })),
            ("users", json!({ "name": name, "user": self.user })),
        ]
    }
}

fn check_cluster(cluster: &Value) -> Result<&str, Failure> {
    let server = cluster.get("server").and_then(Value::as_str).unwrap_or_default();
    if !server.starts_with("https://") {
        return Err(strange("names a server without https"));
    }
    if cluster.get("insecure-skip-tls-verify").is_some_and(|skip| *skip != Value::Bool(false)) {
        return Err(strange("switches the check of the server's certificate off"));
    }
    if cluster.get("certificate-authority").is_some() {
        return Err(strange("names a file of this machine as certificate authority"));
    }
    Ok(server)
}

fn check_user(kind: KubeconfigKind, user: &Value) -> Result<(), Failure> {
    let filled = |key: &str| user.get(key).and_then(Value::as_str).is_some_and(|v| !v.is_empty());
    for key in ["client-certificate", "client-key", "tokenFile", "auth-provider"] {
        if user.get(key).is_some() {
            return Err(strange(format_args!("uses {key}, which is not expected of SKE")));
        }
    }
    let exec = user.get("exec").filter(|exec| !exec.is_null());
    let certificate = filled("client-certificate-data");
    let key = filled("client-key-data");
    match kind {
        KubeconfigKind::Admin if exec.is_some() => {
            Err(strange("runs a command, which an admin one never does"))
        }
        KubeconfigKind::Admin if !certificate => Err(strange("has no client certificate")),
        KubeconfigKind::Admin if !key => Err(strange("has no client key")),
        KubeconfigKind::Admin => Ok(()),
        KubeconfigKind::Login | KubeconfigKind::Idp if certificate || key => {
            Err(strange("has a certificate, which one of this kind never has"))
        }
        KubeconfigKind::Login | KubeconfigKind::Idp => {
            match exec.and_then(|exec| exec.get("command")).and_then(Value::as_str) {
                Some("stackit") => Ok(()),
                Some(other) => {
                    Err(strange(format_args!("runs {} instead of stackit", clean(other))))
                }
                None => Err(strange("does not say how to sign in")),
            }
        }
    }
}

/// A minimal kubeconfig of its own, with cluster, user and context under one name, which is current.
///
/// # Errors
/// The name cannot be used.
pub fn renamed(fresh: &ParsedKubeconfig, context: &str) -> Result<Secret, Failure> {
    usable(context)?;
    let [clusters, contexts, users] = fresh.entries(context).map(|(_, entry)| entry);
    let root = json!({
        "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": context,
        "clusters": [clusters], "contexts": [contexts], "users": [users],
    });
    Ok(Secret::new(format!("{}\n", emit::block(&root, 0))))
}

/// Refuses names that no list can show.
pub(in crate::domain::kubeconfig) fn usable(context: &str) -> Result<(), Failure> {
    if context.is_empty() || clean(context) != context {
        return Err(Failure::new(
            FailureKind::NotPossible,
            "A context needs a name without control characters",
        ));
    }
    Ok(())
}
