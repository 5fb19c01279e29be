//! Where tokens come from: given, read from a file, or made from a service-account key and renewed.

pub mod claims;
pub mod exchange;
pub mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clients::auth::claims::Claims;
use crate::clients::auth::exchange::{DEFAULT_ENDPOINT, Exchange};
use crate::clients::auth::key::{KeyText, ServiceAccountKey, read_file, readable_by_others};
use crate::clients::http::Http;
use crate::clock::Clock;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::identity::Identity;
use crate::domain::secret::Secret;
use crate::domain::text::clean;

/// A token is renewed this long before its end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// After a failed renewal the endpoint is left alone for this long while the old token still works.
const RENEWAL_PAUSE: SignedDuration = SignedDuration::from_secs(10);
/// A token that was renewed because of a 401 and is refused again within this time means signed out.
const FORCED_RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// A key that ends within this time is warned of.
const KEY_ENDS_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which source is used; the later ones of the SDK's order become further variants.
#[derive(Debug, Clone)]
pub enum SourceConfig {
    /// A token itself.
    Token {
        secret: Secret,
        /// Name of the variable or flag that gave it.
        origin: String,
    },
    /// A file that holds a token and may be replaced at any time.
    File { path: PathBuf },
    Key {
        /// The key's JSON.
        key: KeyText,
        /// A private key that overrides the one inside the JSON.
        private_key: Option<KeyText>,
        /// Token endpoint that overrides the one inside the JSON.
        token_url: Option<String>,
    },
}

/// Hands out tokens. Clones share one token and one renewal.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    kind: Kind,
    clock: Clock,
    state: tokio::sync::Mutex<State>,
    /// Seen by the screen without waiting for a renewal.
    shown: std::sync::Mutex<Shown>,
}

enum Kind {
    Fixed { secret: Secret, origin: String },
    File { path: PathBuf },
    Key(Box<Exchange>),
}

#[derive(Default)]
struct State {
    current: Option<Held>,
    /// Steady moment of the last renewal that a 401 asked for.
    forced: Option<Duration>,
    /// Wall moment before which a failed renewal is not repeated.
    pause_until: Option<Timestamp>,
}

struct Held {
    secret: Secret,
    /// On our clock.
    until: Option<Timestamp>,
}

#[derive(Default)]
struct Shown {
    claims: Claims,
    notes: Vec<String>,
    /// The last renewal failed, for this reason.
    failing: Option<String>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({})", self.source_name())
    }
}

impl TokenSource {
    /// Reads what the source needs; no request is made.
    ///
    /// # Errors
    /// File, field and remedy when key or file cannot be used.
    pub fn new(config: SourceConfig, http: Http, clock: Clock) -> Result<Self, Failure> {
        Self::with_default_endpoint(config, http, clock, DEFAULT_ENDPOINT)
    }

    fn with_default_endpoint(
        config: SourceConfig,
        http: Http,
        clock: Clock,
        default_endpoint: &str,
    ) -> Result<Self, Failure> {
        let mut shown = Shown::default();
        let kind = match config {
            SourceConfig::Token { secret, origin } => {
                let secret = claims::legal(secret.expose(), &origin)?;
                shown.claims = claims::read(&secret);
                Kind::Fixed { secret, origin: clean(&origin) }
            }
            SourceConfig::File { path } => {
                let secret = read_token(&path)?;
                shown.claims = claims::read(&secret);
                shown.notes.extend(readable_by_others(&path));
                Kind::File { path }
            }
            SourceConfig::Key { key, private_key, token_url } => {
                let key = ServiceAccountKey::read(&key, private_key.as_ref(), &http)?;
                shown.claims.who = Some(key.account());
                shown.notes.clone_from(&key.notes);
                Kind::Key(Box::new(Exchange::new(key, token_url, http, default_endpoint)?))
            }
        };
        Ok(Self(Arc::new(Inner {
            kind,
            clock,
            state: tokio::sync::Mutex::default(),
            shown: std::sync::Mutex::new(shown),
        })))
    }

    /// A token that works as far as can be told; renewed first when it is about to end.
    ///
    /// # Errors
    /// The token has ended, cannot be read, or cannot be renewed.
    pub async fn token(&self) -> Result<Secret, Failure> {
        match &self.0.kind {
            Kind::Fixed { secret, origin } => {
                self.check_end(secret, &another_in(origin))?;
                Ok(secret.clone())
            }
            Kind::File { path } => {
                let secret = read_token(path)?;
                self.show(&secret, None);
                self.check_end(&secret, &new_token_in(path))?;
                Ok(secret)
            }
            Kind::Key(exchange) => {
                let mut state = self.0.state.lock().await;
                let now = self.0.clock.now();
                let fresh = |at: Option<Timestamp>, margin| {
                    at.is_none_or(|until| until.duration_since(now) > margin)
                };
                if let Some(held) = &state.current {
                    let paused = state.pause_until.is_some_and(|until| now < until);
                    let working = fresh(held.until, SignedDuration::ZERO);
                    if fresh(held.until, RENEW_BEFORE) || paused && working {
                        return Ok(held.secret.clone());
                    }
                }
                match self.exchange(exchange, &mut state).await {
                    Ok(secret) => Ok(secret),
                    Err(failure) => match &state.current {
                        Some(held) if fresh(held.until, SignedDuration::ZERO) => {
                            Ok(held.secret.clone())
                        }
                        _ => Err(failure),
                    },
                }
            }
        }
    }

    /// A token other than `refused`, which a server answered with 401.
    ///
    /// # Errors
    /// Signed out: the source has no other token; says what to do.
    pub async fn renew(&self, refused: &Secret) -> Result<Secret, Failure> {
        let signed_out = |hint: String| {
            let claims = self.lock_shown().claims.clone();
            let message = format!("{} was refused", the_token(&claims));
            Failure::new(FailureKind::SignedOut, message).hint(hint)
        };
        match &self.0.kind {
            Kind::Fixed { origin, .. } => Err(signed_out(another_in(origin))),
            Kind::File { path } => {
                let secret = self.token().await?;
                if secret == *refused { Err(signed_out(new_token_in(path))) } else { Ok(secret) }
            }
            Kind::Key(exchange) => {
                let mut state = self.0.state.lock().await;
                if let Some(held) = &state.current
                    && held.secret != *refused
                {
                    return Ok(held.secret.clone());
                }
                let monotonic = self.0.clock.monotonic();
                let just_forced = state
                    .forced
                    .is_some_and(|at| monotonic.saturating_sub(at) < FORCED_RENEWAL_PAUSE);
                if just_forced {
                    return Err(signed_out(
                        "it was renewed a moment ago: check that the service account still exists"
                            .to_owned(),
                    ));
                }
                let secret = self.exchange(exchange, &mut state).await?;
                state.forced = Some(monotonic);
                if secret == *refused {
                    return Err(signed_out(
                        "the token endpoint gave the same one again".to_owned(),
                    ));
                }
                Ok(secret)
            }
        }
    }

    /// Who this source acts as, without waiting.
    pub fn identity(&self) -> Identity {
        let claims = self.lock_shown().claims.clone();
        Identity {
            who: claims.who.unwrap_or_else(|| "?".to_owned()),
            source: self.source_name(),
            until: claims.until,
            renews: matches!(self.0.kind, Kind::Key(_)),
        }
    }

    /// What a person should know about this source: open files, ends that come near, detours taken.
    pub fn notes(&self) -> Vec<String> {
        let now = self.0.clock.now();
        let shown = self.lock_shown();
        let mut notes = shown.notes.clone();
        if let Some(reason) = &shown.failing {
            let soon = shown
                .claims
                .until
                .is_some_and(|until| until.duration_since(now) < SignedDuration::from_mins(5));
            if soon {
                notes.push(format!("the token ends within 5 minutes and {reason}"));
            }
        }
        drop(shown);
        if let Kind::Key(exchange) = &self.0.kind {
            notes.extend(exchange.notes());
            if let Some(until) = exchange.valid_until() {
                let left = until.duration_since(now);
                if left < SignedDuration::ZERO {
                    notes.push(format!("the service-account key ended at {}", moment(until)));
                } else if left < KEY_ENDS_SOON {
                    notes.push(format!("the service-account key ends at {}", moment(until)));
                }
            }
        }
        notes
    }

    async fn exchange(&self, exchange: &Exchange, state: &mut State) -> Result<Secret, Failure> {
        match exchange.run().await {
            Ok(granted) => {
                self.show(&granted.secret, granted.until);
                state.pause_until = None;
                state.current = Some(Held { secret: granted.secret.clone(), until: granted.until });
                Ok(granted.secret)
            }
            Err(failure) => {
                let now = self.0.clock.now();
                state.pause_until = now.saturating_add(RENEWAL_PAUSE).ok();
                self.lock_shown().failing = Some(failure.to_string());
                Err(failure)
            }
        }
    }

    fn show(&self, secret: &Secret, until: Option<Timestamp>) {
        let mut claims = claims::read(secret);
        let mut shown = self.lock_shown();
        claims.who = claims.who.or_else(|| match &self.0.kind {
            Kind::Key(exchange) => Some(exchange.account()),
            Kind::Fixed { .. } | Kind::File { .. } => None,
        });
        claims.until = until.or(claims.until);
        shown.claims = claims;
        shown.failing = None;
    }

    fn check_end(&self, secret: &Secret, remedy: &str) -> Result<(), Failure> {
        let claims = claims::read(secret);
        match claims.until {
            Some(until) if until <= self.0.clock.now() => {
                let message = format!("{} ended at {}", the_token(&claims), moment(until));
                Err(Failure::new(FailureKind::SignedOut, message).hint(remedy))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn source_name(&self) -> String {
        match &self.0.kind {
            Kind::Fixed { origin, .. } => origin.clone(),
            Kind::File { .. } => "token file".to_owned(),
            Kind::Key(_) => "service-account key".to_owned(),
        }
    }

    fn lock_shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn read_token(path: &std::path::Path) -> Result<Secret, Failure> {
    claims::legal(read_file(path)?.expose(), &path.display().to_string())
}

/// What a process was given at its start cannot be changed from outside.
fn another_in(origin: &str) -> String {
    format!("start skeys again with a new token in {origin}")
}

fn the_token(claims: &Claims) -> String {
    claims.who.as_ref().map_or_else(|| "the token".to_owned(), |who| format!("the token of {who}"))
}

fn new_token_in(path: &std::path::Path) -> String {
    format!("write a new token to {}", clean(&path.display().to_string()))
}

fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
