//! A token of a service account, which lives long and is given itself.

use crate::clients::auth::access_token;
use crate::clients::auth::credentials_file::{self, CredentialsFile};
use crate::clients::auth::source::{AuthSettings, SourceConfig, SourceKind};

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
    // One that cannot be read is the business of the source before this one.
    let file = CredentialsFile::read(set).ok()??;
    let origin = format!("{VARIABLE} in {}", file.name);
    Some(access_token::named(file.text(VARIABLE)?, NAME, &origin))
}
