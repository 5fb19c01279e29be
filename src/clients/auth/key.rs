//! Service-account key: parsing, and signing the assertion that is exchanged for a token.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use reqwest::Url;
use serde_json::Value;

use crate::clients::auth::credentials_file::CredentialsFile;
use crate::clients::auth::secret_file::{read_file, warn_if_open_to_others};
use crate::clients::http::{Http, safe_url};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::misplaced_secret::show;
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// A secret text, given inline or by file.
#[derive(Debug, Clone)]
pub enum KeyText {
    Inline(Secret),
    Path(PathBuf),
    /// In a credentials file, under one of two names: the path of a file with the text, or the text itself.
    Stored {
        file: PathBuf,
        names: (&'static str, &'static str),
        /// The path at startup.
        path: Option<PathBuf>,
    },
}

impl KeyText {
    /// Where the text comes from, for messages.
    pub fn origin(&self, inline: &str) -> String {
        match self {
            Self::Inline(_) | Self::Stored { path: None, .. } => inline.to_owned(),
            Self::Path(path) | Self::Stored { path: Some(path), .. } => show(path.display()),
        }
    }

    fn read(&self) -> Result<Secret, Failure> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::Path(path) => read_file(path),
            Self::Stored { file, names: (path, text), .. } => {
                let file = CredentialsFile::open(file.clone())?;
                if let Some(path) = file.text(path) {
                    return read_file(Path::new(path.expose()));
                }
                let missing = || format!("{}: neither {path} nor {text} is set", file.name);
                file.text(text).ok_or_else(|| Failure::new(FailureKind::File, missing()))
            }
        }
    }

    /// Whether the text can change at runtime.
    pub fn can_change(&self) -> bool {
        !matches!(self, Self::Inline(_))
    }

    fn warning(&self) -> Option<String> {
        match self {
            Self::Inline(_) | Self::Stored { path: None, .. } => None,
            Self::Path(path) | Self::Stored { path: Some(path), .. } => {
                warn_if_open_to_others(path)
            }
        }
    }
}

/// Whether this is a key file whose private key is in a separate file.
pub fn lacks_private_key(path: &Path) -> bool {
    let value = read_file(path).ok();
    let value =
        value.and_then(|text| serde_json::from_str(text.expose()).map(SecretValue::new).ok());
    let credentials = value.as_ref().and_then(|value| value.get("credentials"));
    credentials.is_some_and(|credentials| {
        credentials.get("privateKey").and_then(Value::as_str).unwrap_or_default().trim().is_empty()
    })
}

/// A key that can sign.
pub struct ServiceAccountKey {
    kid: String,
    issuer: String,
    subject: String,
    audience: String,
    signer: EncodingKey,
    /// The texts of key and private key that it was parsed from.
    texts: (Secret, Secret),
    /// `credentials.tokenEndpoint`.
    pub token_endpoint: Option<Url>,
    pub valid_until: Option<Timestamp>,
    /// Warnings found while reading.
    pub notes: Vec<String>,
}

impl ServiceAccountKey {
    /// Parses a key and verifies that it can sign. Registers it with the redactor of `http`.
    ///
    /// # Errors
    /// Names file, field and remedy; never quotes the key.
    pub fn read(
        key: &KeyText,
        private_key: Option<&KeyText>,
        http: &Http,
    ) -> Result<Self, Failure> {
        let origin = key.origin("the service-account key");
        let remedy = "create a new key in the STACKIT portal and save its JSON unchanged";
        let refuse = |what: String| {
            Failure::new(FailureKind::File, format!("{origin}: {what}")).hint(remedy)
        };
        let text = key.read()?;
        let value = serde_json::from_str(text.expose()).map(SecretValue::new).map_err(|error| {
            refuse(format!("not JSON at line {}, column {}", error.line(), error.column()))
        })?;
        let credentials = value.get("credentials");
        let optional = |name: &str| {
            credentials?.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
        };
        let field = |name: &str| {
            optional(name)
                .map(str::to_owned)
                .ok_or_else(|| refuse(format!("the field credentials.{name} is missing")))
        };
        let (pem, pem_origin) = match (private_key, optional("privateKey")) {
            (Some(own), _) => (own.read()?, own.origin("the private key")),
            (None, Some(inside)) => (
                Secret::new(inside.to_owned()),
                format!("{origin}: the field credentials.privateKey"),
            ),
            (None, None) => {
                return Err(refuse("the field credentials.privateKey is missing".to_owned())
                    .hint("set auth.private_key, or save the key file with its private key"));
            }
        };
        let wrong_pem = || {
            Failure::new(
                FailureKind::File,
                format!("{pem_origin} is not an RSA private key in PEM form"),
            )
            .hint("it starts with -----BEGIN PRIVATE KEY----- and keeps its line breaks")
        };
        http.learn_secret(&pem);
        let signer = EncodingKey::from_rsa_pem(pem.expose().as_bytes())
            .map_err(|_may_quote_the_key| wrong_pem())?;
        let token_endpoint = optional("tokenEndpoint")
            .map(|text| safe_url(text, &format!("{origin}: credentials.tokenEndpoint")))
            .transpose()?;
        let found = Self {
            kid: field("kid")?,
            issuer: field("iss")?,
            subject: field("sub")?,
            audience: field("aud")?,
            signer,
            texts: (text, pem),
            token_endpoint,
            valid_until: value
                .get("validUntil")
                .and_then(Value::as_str)
                .and_then(|text| text.parse().ok()),
            notes: [
                key.warning(),
                private_key.and_then(KeyText::warning),
                (value.get("active") == Some(&Value::Bool(false))).then(|| {
                    format!("{origin} says that the key is not active: activate it in the portal, or create a new one")
                }),
            ]
                .into_iter()
                .flatten()
                .collect(),
        };
        found.assertion(Timestamp::UNIX_EPOCH).map_err(|_cannot_sign| wrong_pem())?;
        Ok(found)
    }

    /// Whether both were read from the same texts.
    pub fn is_same(&self, other: &Self) -> bool {
        self.texts == other.texts
    }

    /// The account's email address according to the key.
    pub fn account(&self) -> String {
        clean(&self.issuer)
    }

    /// A signed JWT (RS512), valid for one hour.
    pub fn assertion(&self, now: Timestamp) -> Result<Secret, Failure> {
        let mut header = Header::new(Algorithm::RS512);
        header.kid = Some(self.kid.clone());
        let claims = serde_json::json!({
            "iss": self.issuer,
            "sub": self.subject,
            "jti": uuid::Uuid::new_v4().to_string(),
            "aud": self.audience,
            "iat": now.as_second(),
            "exp": now.as_second().saturating_add(3_600),
        });
        jsonwebtoken::encode(&header, &claims, &self.signer).map(Secret::new).map_err(
            |_may_quote_the_key| {
                Failure::new(FailureKind::SignedOut, "could not sign with the service-account key")
            },
        )
    }
}
