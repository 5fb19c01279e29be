//! A token that is given itself, in a variable of the environment.

use std::sync::Arc;

use crate::clients::auth::claims;
use crate::clients::auth::source::{AuthSettings, Source, SourceConfig, SourceKind, Tokens};
use crate::domain::secret::Secret;
use crate::domain::text::clean;

const VARIABLE: &str = "STACKIT_ACCESS_TOKEN";

/// See the module.
pub const KIND: SourceKind =
    SourceKind { name: "access token", variables: &[VARIABLE], paths: &[], find };

fn find(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    Some(source((set.variable)(VARIABLE)?, VARIABLE))
}

/// A token; `origin` is who gave it.
pub fn source(secret: Secret, origin: &str) -> SourceConfig {
    let origin = clean(origin);
    let summary = format!("the token of {origin}");
    let open = Arc::new(move |_: &_| {
        Ok(Source {
            name: origin.clone(),
            tokens: Tokens::Given(claims::check_token(secret.expose(), &origin)?),
            // What a process was given at its start cannot be changed from outside.
            remedy: format!("restart skeys with a new token in {origin}"),
            account: None,
            ends: None,
            notes: Vec::new(),
        })
    });
    SourceConfig { summary, open }
}
