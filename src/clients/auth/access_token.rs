//! A literal token in an environment variable.

use crate::clients::auth::claims;
use crate::clients::auth::source::{AuthSettings, Source, SourceConfig, SourceKind};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// Environment variable with the token.
pub const VARIABLE: &str = "STACKIT_ACCESS_TOKEN";

/// See the module.
pub const KIND: SourceKind =
    SourceKind { name: "access token", variables: &[VARIABLE], settings: &[], places: &[], find };

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    Some(source((set.variable)(VARIABLE)?, VARIABLE))
}

/// A source for a literal token; `origin` is where it was set.
pub fn source(secret: Secret, origin: &str) -> SourceConfig {
    named(secret, origin, origin)
}

/// A source for a literal token; `name` is shown next to the account on the screen.
pub fn named(secret: Secret, name: &str, origin: &str) -> SourceConfig {
    let (name, origin) = (clean(name), clean(origin));
    SourceConfig::new(format!("the token of {origin}"), move |_| {
        Ok(Source::given(&name, claims::check_token(secret.expose(), &origin)?, &origin))
    })
}
