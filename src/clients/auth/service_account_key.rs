//! A service-account key, which is exchanged for tokens of short life.

use std::sync::Arc;

use futures_util::FutureExt as _;

use crate::clients::auth::exchange::{DEFAULT_ENDPOINT, Exchange};
use crate::clients::auth::key::{KeyText, ServiceAccountKey};
use crate::clients::auth::source::{
    AuthSettings, PathSetting, Source, SourceConfig, SourceKind, Tokens,
};
use crate::clients::http::Http;

const NAME: &str = "service-account key";
const KEY: PathSetting = PathSetting {
    key: "auth.service_account_key",
    environment: &["SKEYS_AUTH_SERVICE_ACCOUNT_KEY", "STACKIT_SERVICE_ACCOUNT_KEY_PATH"],
    flag: Some("service-account-key"),
    help: "Service-account key file (JSON)",
};
const PRIVATE_KEY: PathSetting = PathSetting {
    key: "auth.private_key",
    environment: &["SKEYS_AUTH_PRIVATE_KEY", "STACKIT_PRIVATE_KEY_PATH"],
    flag: None,
    help: "Private key file (PEM), if the key file has none",
};
const KEY_TEXT: &str = "STACKIT_SERVICE_ACCOUNT_KEY";
const PRIVATE_KEY_TEXT: &str = "STACKIT_PRIVATE_KEY";

/// See the module.
pub const KIND: SourceKind =
    SourceKind { name: NAME, variables: &[KEY_TEXT], paths: &[KEY, PRIVATE_KEY], find };

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    let text = |setting: PathSetting, variable: &str| match (set.path)(setting.key) {
        Some((path, _)) => Some(KeyText::Path(path)),
        None => (set.variable)(variable).map(KeyText::Inline),
    };
    let private_key = text(PRIVATE_KEY, PRIVATE_KEY_TEXT);
    Some(source(text(KEY, KEY_TEXT)?, private_key, set.token_endpoint.clone(), DEFAULT_ENDPOINT))
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
    let open = Arc::new(move |http: &Http| {
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
            account,
            ends,
            notes,
        })
    });
    SourceConfig { summary, open }
}
