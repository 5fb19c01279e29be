//! Access tokens: the endpoint that exchanges a signed assertion, and verification.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_RSA_SHA256, PublicKeyData};
use serde_json::{Value, json};

use crate::simulator::speed::{later, rfc3339};

const LIFETIME_SECONDS: i64 = 12 * 3_600;
/// Default account of clients.
pub const ACCOUNT: &str = "demo@simulator";

/// `sub` of its assertions.
const SUBJECT: &str = "00000000-0000-4000-8000-00000000c0de";
/// `iss`, `sub` and `aud` of the tokens of the trusted platform.
const PLATFORM: (&str, &str, &str) =
    ("https://platform.simulator.invalid", "workload", "sts.accounts.stackit.cloud");
/// `aud` of its assertions.
const AUDIENCE: &str = "https://service-account.simulator.invalid";
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24 * 90);

/// Issued tokens with their expiry, and the key of the account.
#[derive(Default)]
pub struct AccessTokens {
    issued: Vec<(String, Timestamp)>,
    count: u64,
    key: Option<AccountKey>,
    platform: Option<PlatformKey>,
}

/// The key of a platform whose workloads may act as the account.
struct PlatformKey {
    private: EncodingKey,
    public: DecodingKey,
}

impl PlatformKey {
    fn generate() -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        let private = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes());
        let private = private.map_err(|_not_a_pem| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self { private, public: DecodingKey::from_rsa_der(pair.der_bytes()) })
    }
}

/// A key that the account authenticates with.
struct AccountKey {
    id: String,
    public: DecodingKey,
    /// The key file in JSON, as provided by the portal; contains the private key.
    file: String,
}

impl AccountKey {
    fn generate(token_endpoint: &str, now: Timestamp) -> Result<Self, rcgen::Error> {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256)?;
        let id = uuid::Uuid::new_v4().to_string();
        let file = json!({
            "id": id, "publicKey": pair.public_key_pem(), "createdAt": rfc3339(now),
            "validUntil": rfc3339(later(now, KEY_LIFETIME)), "keyType": "USER_MANAGED",
            "keyOrigin": "GENERATED", "keyAlgorithm": "RSA_2048", "active": true,
            "credentials": {
                "kid": id, "iss": ACCOUNT, "sub": SUBJECT, "aud": AUDIENCE,
                "privateKey": pair.serialize_pem(), "tokenEndpoint": token_endpoint,
            },
        });
        let public = DecodingKey::from_rsa_der(pair.der_bytes());
        Ok(Self { id, public, file: file.to_string() })
    }

    /// The claims of an assertion signed by this key; its validity period is not checked.
    fn verify(&self, assertion: &str) -> Option<Value> {
        let mut validation = Validation::new(Algorithm::RS512);
        // The library would use the machine's clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.set_issuer(&[ACCOUNT]);
        validation.set_audience(&[AUDIENCE]);
        validation.sub = Some(SUBJECT.to_owned());
        let decoded = jsonwebtoken::decode(assertion, &self.public, &validation);
        decoded.ok().map(|data| data.claims)
    }
}

impl AccessTokens {
    /// Issues a token for an account.
    pub fn issue(&mut self, account: &str, now: Timestamp) -> String {
        self.count += 1;
        let until = later(now, SignedDuration::from_secs(LIFETIME_SECONDS));
        let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let header = part(json!({"alg": "RS512", "typ": "JWT", "kid": "simulator"}));
        let claims = part(json!({
            "email": account, "sub": SUBJECT, "iss": "simulator",
            "iat": now.as_second(), "exp": until.as_second(), "jti": self.count.to_string(),
        }));
        let signature = URL_SAFE_NO_PAD.encode(format!("simulated-{}", self.count));
        let token = format!("{header}.{claims}.{signature}");
        self.issued.retain(|(_, end)| *end > now);
        self.issued.push((token.clone(), until));
        token
    }

    /// The content of the account's key file. The key is generated on first use.
    pub fn key_file(
        &mut self,
        token_endpoint: &str,
        now: Timestamp,
    ) -> Result<String, rcgen::Error> {
        if self.key.is_none() {
            self.key = Some(AccountKey::generate(token_endpoint, now)?);
        }
        Ok(self.key.as_ref().map(|key| key.file.clone()).unwrap_or_default())
    }

    /// Removes the key of the account, and revokes all tokens.
    pub fn revoke_key(&mut self) {
        self.key = None;
        self.revoke();
    }

    /// Whether a bearer was issued here and is neither expired nor revoked.
    pub fn is_valid(&self, bearer: &str, now: Timestamp) -> bool {
        self.issued.iter().any(|(token, until)| token == bearer && *until > now)
    }

    /// Revokes all tokens.
    pub fn revoke(&mut self) {
        self.issued.clear();
    }

    /// A token of the platform for its workload, valid for ten minutes.
    pub fn federated_token(&mut self, now: Timestamp) -> Result<String, rcgen::Error> {
        if self.platform.is_none() {
            self.platform = Some(PlatformKey::generate()?);
        }
        let (issuer, subject, audience) = PLATFORM;
        let claims =
            json!({"iss": issuer, "sub": subject, "aud": audience, "exp": now.as_second() + 600});
        let private = self.platform.as_ref().map(|key| &key.private);
        let sign = |key| jsonwebtoken::encode(&Header::new(Algorithm::RS256), &claims, key).ok();
        private.and_then(sign).ok_or(rcgen::Error::CouldNotParseKeyPair)
    }

    /// Response of the identity provider's token endpoint: status and body.
    pub fn federate(&mut self, form: &[(String, String)], now: Timestamp) -> (u16, Value) {
        let field =
            |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| &**value);
        let refuse = |status: u16, error: &str, text: &str| {
            (status, json!({"error": error, "error_description": text}))
        };
        if field("grant_type") != Some("client_credentials") {
            return refuse(400, "unsupported_grant_type", "unsupported grant_type");
        }
        let kind = "urn:schwarz:params:oauth:client-assertion-type:workload-jwt";
        if field("client_assertion_type") != Some(kind) {
            return refuse(400, "invalid_request", "unsupported client_assertion_type");
        }
        if field("client_id") != Some(ACCOUNT) {
            return refuse(401, "invalid_client", "the service account is unknown");
        }
        let (issuer, subject, audience) = PLATFORM;
        let mut validation = Validation::new(Algorithm::RS256);
        // The library would use the machine's clock.
        validation.validate_exp = false;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.sub = Some(subject.to_owned());
        let claims = self.platform.as_ref().and_then(|platform| {
            let assertion = field("client_assertion")?;
            jsonwebtoken::decode::<Value>(assertion, &platform.public, &validation).ok()
        });
        let end = claims.and_then(|data| data.claims.get("exp").and_then(Value::as_i64));
        if end.is_none_or(|end| end <= now.as_second()) {
            let text =
                "no federated identity provider of the service account accepts the assertion";
            return refuse(401, "invalid_client", text);
        }
        let token = self.issue(ACCOUNT, now);
        (
            200,
            json!({"access_token": token, "expires_in": LIFETIME_SECONDS, "token_type": "Bearer"}),
        )
    }

    /// Response of the token endpoint: status and body.
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
        let header = match jsonwebtoken::decode_header(assertion) {
            Ok(header) if header.alg == Algorithm::RS512 => header,
            _ => return refuse(400, "the assertion is no RS512 JWT", "Bad Request"),
        };
        let kid = header.kid.unwrap_or_default();
        let Some(key) = self.key.as_ref().filter(|key| key.id == kid) else {
            return refuse(401, &format!("Key with kid {kid} was not found"), "Unauthorized");
        };
        let Some(claims) = key.verify(assertion) else {
            let message = "the assertion has a wrong signature, issuer, subject or audience";
            return refuse(401, message, "Unauthorized");
        };
        if claims.get("exp").and_then(Value::as_i64).is_none_or(|end| end <= now.as_second()) {
            return refuse(401, "the assertion is expired", "Unauthorized");
        }
        let token = self.issue(ACCOUNT, now);
        let body = json!({
            // Deprecated, but expected by the official SDKs.
            "access_token": token, "refresh_token": token, "expires_in": LIFETIME_SECONDS, "scope": "",
            "token_type": "Bearer",
        });
        (200, body)
    }
}
