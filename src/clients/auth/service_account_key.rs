//! A service-account key, exchanged for short-lived tokens.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clients::auth::credentials_file::{self, CredentialsFile};
use crate::clients::auth::exchange::{DEFAULT_ENDPOINT, Exchange};
use crate::clients::auth::key::{KeyText, ServiceAccountKey};
use crate::clients::auth::secret_file::{SingleReader, keeps};
use crate::clients::auth::source::{
    AuthSettings, IssuedToken, Setting, Source, SourceConfig, SourceFacts, SourceKind,
};
use crate::clients::http::Http;
use crate::domain::failure::Failure;

const NAME: &str = "service-account key";
/// File of the key.
pub const KEY: Setting = Setting {
    flag: Some("service-account-key"),
    content: Some(KEY_TEXT),
    ..Setting::path(
        "auth.service_account_key",
        &["SKEYS_AUTH_SERVICE_ACCOUNT_KEY", "STACKIT_SERVICE_ACCOUNT_KEY_PATH"],
        "Service-account key file (JSON)",
    )
};
/// File of the private key, if it is separate.
pub const PRIVATE_KEY: Setting = Setting {
    content: Some(PRIVATE_KEY_TEXT),
    ..Setting::path(
        "auth.private_key",
        &["SKEYS_AUTH_PRIVATE_KEY", "STACKIT_PRIVATE_KEY_PATH"],
        "Private key file (PEM), if the key file has none",
    )
};
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
        // The file may contain a key.
        Err(broken) => return Some(broken),
    };
    let stored = |path: &'static str, text: &'static str| {
        let file = file.as_ref()?;
        let names = (path, text);
        let path = file.text(path).map(|path| PathBuf::from(path.expose()));
        let is_set = path.is_some() || file.text(text).is_some();
        is_set.then(|| KeyText::Stored { file: file.path.clone(), names, path })
    };
    let key = key.or_else(|| stored("STACKIT_SERVICE_ACCOUNT_KEY_PATH", KEY_TEXT))?;
    let private_key = own(&PRIVATE_KEY, PRIVATE_KEY_TEXT)
        .or_else(|| stored("STACKIT_PRIVATE_KEY_PATH", PRIVATE_KEY_TEXT));
    let endpoint = (set.text)("endpoints.token");
    let default_endpoint = DEFAULT_ENDPOINT.to_owned();
    let mut config = source(KeyPlace { key, private_key, endpoint, default_endpoint });
    if let Some(file) = file.filter(|_| !is_own) {
        config.summary.push_str(&format!(", set in {}", file.name));
    }
    Some(config)
}

/// A source that reads the key and exchanges it.
pub fn source(place: KeyPlace) -> SourceConfig {
    let summary = format!("the {NAME} {}", place.key.origin(&format!("of {KEY_TEXT}")));
    SourceConfig::new(summary, move |http| {
        let exchange = place.open(http)?;
        let about = about(&exchange.key);
        let replaceable = Arc::new(ReplaceableKey {
            place: place.clone(),
            http: http.clone(),
            exchange: Mutex::new(Arc::new(exchange)),
            reader: SingleReader::default(),
        });
        let issue = move || {
            let key = Arc::clone(&replaceable);
            async move { key.issue_token().await }
        };
        let remedy = "check that the service account and its key still exist";
        Ok(Source { about, ..Source::issued(NAME, issue, remedy) })
    })
}

fn about(key: &ServiceAccountKey) -> SourceFacts {
    SourceFacts { account: Some(key.account()), ends: key.valid_until, notes: key.notes.clone() }
}

/// Where the key is read and exchanged.
#[derive(Clone)]
pub struct KeyPlace {
    pub key: KeyText,
    /// Overrides the private key in the key file.
    pub private_key: Option<KeyText>,
    /// Overrides the endpoint in the key.
    pub endpoint: Option<String>,
    /// Used if neither sets one.
    pub default_endpoint: String,
}

impl KeyPlace {
    fn open(&self, http: &Http) -> Result<Exchange, Failure> {
        let key = ServiceAccountKey::read(&self.key, self.private_key.as_ref(), http)?;
        Exchange::new(key, self.endpoint.clone(), http.clone(), &self.default_endpoint)
    }

    fn can_change(&self) -> bool {
        self.key.can_change() || self.private_key.as_ref().is_some_and(KeyText::can_change)
    }
}

/// A key whose file may be replaced at runtime.
struct ReplaceableKey {
    place: KeyPlace,
    http: Http,
    exchange: Mutex<Arc<Exchange>>,
    reader: SingleReader,
}

impl ReplaceableKey {
    /// Reloads the key and exchanges it. If it cannot be read, the previous one stays in use.
    async fn issue_token(&self) -> Result<IssuedToken, Failure> {
        let current = || self.exchange.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fallback_reason = None;
        if self.place.can_change() {
            let (place, http) = (self.place.clone(), self.http.clone());
            let name = place.key.origin("the service-account key");
            let open = move || place.open(&http);
            match self.reader.read(self.http.clock(), &name, open).await.flatten() {
                Ok(exchange) if exchange.key.is_same(&current().key) => {}
                Ok(exchange) => *current() = Arc::new(exchange),
                Err(failure) => fallback_reason = Some(keeps("key", &failure)),
            }
        }
        let exchange = Arc::clone(&current());
        match exchange.issue_token().await {
            Ok(granted) => {
                Ok(IssuedToken { about: Some(about(&exchange.key)), fallback_reason, ..granted })
            }
            Err(mut failure) => {
                if let Some(fallback_reason) = fallback_reason {
                    failure.message.push_str(&format!("; {fallback_reason}"));
                }
                Err(failure)
            }
        }
    }
}
