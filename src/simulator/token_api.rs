//! Access tokens: the endpoint that exchanges a signed assertion for one, and their verification.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::simulator::speed::later;

const LIFETIME_SECONDS: i64 = 12 * 3_600;
/// The account of every client that does not name one.
pub const ACCOUNT: &str = "demo@simulator";

/// Tokens that were issued, with their expiry.
#[derive(Debug, Default)]
pub struct AccessTokens {
    issued: Vec<(String, Timestamp)>,
    count: u64,
}

impl AccessTokens {
    /// Issues a token for an account.
    pub fn issue(&mut self, account: &str, now: Timestamp) -> String {
        self.count += 1;
        let until = later(now, SignedDuration::from_secs(LIFETIME_SECONDS));
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "RS512", "typ": "JWT", "kid": "simulator"}));
        let claims = part(json!({
            "email": account, "sub": "00000000-0000-4000-8000-00000000c0de", "iss": "simulator",
            "iat": now.as_second(), "exp": until.as_second(), "jti": self.count.to_string(),
        }));
        let signature = URL_SAFE_NO_PAD.encode(format!("simulated-{}", self.count));
        let token = format!("{header}.{claims}.{signature}");
        self.issued.retain(|(_, end)| *end > now);
        self.issued.push((token.clone(), until));
        token
    }

    /// Whether a bearer was issued here, and is neither expired nor revoked.
    pub fn is_valid(&self, bearer: &str, now: Timestamp) -> bool {
        self.issued.iter().any(|(token, until)| token == bearer && *until > now)
    }

    /// Revokes all tokens.
    pub fn revoke(&mut self) {
        self.issued.clear();
    }

    /// Answers the token endpoint: status and body.
    pub fn exchange(&mut self, form: &[(String, String)], now: Timestamp) -> (u16, Value) {
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        let refuse = |code: u16, message: &str, status: &str| {
            (code, json!({"error": {"code": code, "message": message, "status": status}}))
        };
        if field("grant_type").map(String::as_str)
            != Some("urn:ietf:params:oauth:grant-type:jwt-bearer")
        {
            return refuse(400, "unsupported grant_type", "Bad Request");
        }
        let Some(assertion) = field("assertion") else {
            return refuse(400, "assertion is missing", "Bad Request");
        };
        let mut parts = assertion.split('.');
        let header = decode(parts.next());
        let claims = decode(parts.next());
        if header.get("alg").and_then(Value::as_str) != Some("RS512") || parts.next().is_none() {
            return refuse(400, "the assertion is no RS512 JWT", "Bad Request");
        }
        if claims.get("exp").and_then(Value::as_i64).is_none_or(|end| end <= now.as_second()) {
            return refuse(401, "the assertion is expired", "Unauthorized");
        }
        let account = claims.get("iss").and_then(Value::as_str).unwrap_or(ACCOUNT).to_owned();
        let token = self.issue(&account, now);
        let body = json!({
            // Deprecated, but the official SDKs want it to be there.
            "access_token": token, "refresh_token": token, "expires_in": LIFETIME_SECONDS, "scope": "",
            "token_type": "Bearer",
        });
        (200, body)
    }
}

fn decode(part: Option<&str>) -> Value {
    part.and_then(|part| URL_SAFE_NO_PAD.decode(part).ok())
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or(Value::Null)
}
