//! Claims of a token, decoded without verification, and whether a token is valid as a header value.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use crate::domain::failure::{Failure, FailureKind};
use crate::domain::secret::{Secret, SecretValue};
use crate::domain::text::clean;

/// The claims that the UI shows. Opaque tokens have none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// `email`, else `sub`, cleaned.
    pub who: Option<String>,
    /// `nbf`.
    pub from: Option<Timestamp>,
    /// `exp`.
    pub expires: Option<Timestamp>,
}

/// Reads the payload of a JWT; anything else yields empty claims.
pub fn read(token: &Secret) -> Claims {
    let payload = token
        .expose()
        .split('.')
        .nth(1)
        .and_then(|part| URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok())
        .and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    let Some(payload) = payload else { return Claims::default() };
    let text = |name: &str| {
        payload.get(name).and_then(Value::as_str).filter(|text| !text.is_empty()).map(clean)
    };
    let moment = |name: &str| {
        let value = payload.get(name)?;
        if let Some(seconds) = value.as_i64() {
            return Timestamp::from_second(seconds).ok();
        }
        let seconds = jiff::SignedDuration::try_from_secs_f64(value.as_f64()?).ok()?;
        Timestamp::from_duration(seconds).ok()
    };
    let who = text("email").or_else(|| text("sub"));
    Claims { who, from: moment("nbf"), expires: moment("exp") }
}

/// Accepts a token that is valid as a header value. Trims whitespace and unwraps the JSON that programs print: a
/// string, or an object with `access_token`.
///
/// # Errors
/// Names `origin`; never the token.
pub fn check_token(token: &str, origin: &str) -> Result<Secret, Failure> {
    let token = token.trim();
    let inside = token.starts_with(['{', '"']).then(|| {
        let value = serde_json::from_str(token).map(SecretValue::new).ok()?;
        let text = value.as_str().or_else(|| value.get("access_token")?.as_str());
        text.map(|text| Secret::new(text.trim().to_owned()))
    });
    let refuse = |what: &str| {
        Failure::new(FailureKind::SignedOut, format!("the token of {} {what}", clean(origin)))
            .hint("set it as one line without spaces")
    };
    let token = match &inside {
        None => token,
        Some(Some(inside)) => inside.expose(),
        Some(None) => return Err(refuse("is JSON without an access_token")),
    };
    if token.is_empty() {
        return Err(refuse("is empty"));
    }
    if token.contains(['\n', '\r']) {
        return Err(refuse("has line breaks inside"));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(refuse("contains characters that are invalid in an HTTP header"));
    }
    Ok(Secret::new(token.to_owned()))
}
