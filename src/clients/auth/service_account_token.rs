//! A long-lived literal token of a service account.

use crate::clients::auth::credentials_file::{self, CredentialsFile};
use crate::clients::auth::source::{AuthSettings, Source, SourceConfig, SourceKind};
use crate::clients::auth::{access_token, claims};
use crate::domain::secret::Secret;

const NAME: &str = "service-account token";
const VARIABLE: &str = "STACKIT_SERVICE_ACCOUNT_TOKEN";

/// See the module.
pub const KIND: SourceKind = SourceKind {
    name: NAME,
    variables: &[VARIABLE],
    settings: &[],
    places: &[credentials_file::FILE.key],
    find,
};

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    if let Some(secret) = (set.variable)(VARIABLE) {
        return Some(access_token::named(secret, NAME, VARIABLE));
    }
    // An unreadable file is reported by the preceding source, the service-account key.
    let file = CredentialsFile::read(set).ok()??;
    file.text(VARIABLE)?;
    let CredentialsFile { path, name, .. } = file;
    let origin = format!("{VARIABLE} in {name}");
    Some(SourceConfig::new(format!("the token of {origin}"), move |_| {
        let (path, of) = (path.clone(), origin.clone());
        let read = move || {
            let token = CredentialsFile::open(path.clone())?.text(VARIABLE);
            claims::check_token(token.as_ref().map_or("", Secret::expose), &of)
        };
        Ok(Source::read(NAME, read, &origin))
    }))
}
