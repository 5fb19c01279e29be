//! A service-account key, which is exchanged for tokens of short life.

use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::clients::auth::credentials_file::{self, CredentialsFile};
use crate::clients::auth::exchange::{DEFAULT_ENDPOINT, Exchange};
use crate::clients::auth::key::{KeyText, ServiceAccountKey};
use crate::clients::auth::source::{
    AuthSettings, Setting, Source, SourceConfig, SourceKind, Tokens,
};

const NAME: &str = "service-account key";
/// The file.
pub const KEY: Setting = Setting {
    flag: Some("service-account-key"),
    ..Setting::path(
        "auth.service_account_key",
        &["SKEYS_AUTH_SERVICE_ACCOUNT_KEY", "STACKIT_SERVICE_ACCOUNT_KEY_PATH"],
        "Service-account key file (JSON)",
    )
};
/// The file of the private key alone.
pub const PRIVATE_KEY: Setting = Setting::path(
    "auth.private_key",
    &["SKEYS_AUTH_PRIVATE_KEY", "STACKIT_PRIVATE_KEY_PATH"],
    "Private key file (PEM), if the key file has none",
);
const KEY_TEXT: &str = "STACKIT_SERVICE_ACCOUNT_KEY";
const PRIVATE_KEY_TEXT: &str = "STACKIT_PRIVATE_KEY";

/// See the module.
pub const KIND: SourceKind = SourceKind {
    name: NAME,
    variables: &[KEY_TEXT],
    settings: &[KEY, PRIVATE_KEY, credentials_file::FILE],
    places: &[credentials_file::FILE.key],
    find,
};

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    let own = |setting: &Setting, variable: &str| match (set.path)(setting.key) {
        Some((path, _)) => Some(KeyText::Path(path)),
        None => (set.variable)(variable).map(KeyText::Inline),
    };
    let key = own(&KEY, KEY_TEXT);
    let is_own = key.is_some();
    let file = match CredentialsFile::read(set) {
        Ok(file) => file,
        Err(_) if is_own => None,
        // There may be a key in it.
        Err((summary, failure)) => {
            return Some(SourceConfig::new(summary, move |_| Err(failure.clone())));
        }
    };
    let stored = |path: &str, text: &str| {
        let file = file.as_ref()?;
        let path = file.text(path).map(|path| KeyText::Path(path.expose().into()));
        path.or_else(|| file.text(text).map(KeyText::Inline))
    };
    let key = key.or_else(|| stored("STACKIT_SERVICE_ACCOUNT_KEY_PATH", KEY_TEXT))?;
    let private_key = own(&PRIVATE_KEY, PRIVATE_KEY_TEXT)
        .or_else(|| stored("STACKIT_PRIVATE_KEY_PATH", PRIVATE_KEY_TEXT));
    let mut config = source(key, private_key, (set.text)("endpoints.token"), DEFAULT_ENDPOINT);
    if let Some(file) = file.filter(|_| !is_own) {
        config.summary.push_str(&format!(", set in {}", file.name));
    }
    Some(config)
}

/// A key, a private key that overrides the one in it, and a token endpoint that does so; `default` is the one where
/// neither is there.
pub fn source(
    key: KeyText,
    private_key: Option<KeyText>,
    endpoint: Option<String>,
    default: &str,
) -> SourceConfig {
    let summary = format!("the {NAME} {}", key.origin(&format!("of {KEY_TEXT}")));
    let default = default.to_owned();
    SourceConfig::new(summary, move |http| {
        let key = ServiceAccountKey::read(&key, private_key.as_ref(), http)?;
        let (account, ends, notes) = (Some(key.account()), key.valid_until, key.notes.clone());
        let exchange = Arc::new(Exchange::new(key, endpoint.clone(), http.clone(), &default)?);
        let issue = move || {
            let exchange = Arc::clone(&exchange);
            async move { exchange.issue_token().await }.boxed()
        };
        Ok(Source {
            name: NAME.to_owned(),
            tokens: Tokens::Issued(Box::new(issue)),
            remedy: "check that the service account and its key still exist".to_owned(),
            login: None,
            account,
            ends,
            notes,
        })
    })
}
