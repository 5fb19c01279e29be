//! Token sources: literal, read from a file, or issued for a service-account key and renewed.

pub mod access_token;
mod claims;
mod credentials_file;
mod exchange;
pub mod key;
mod secret_file;
pub mod service_account_key;
pub mod service_account_token;
mod source;
pub mod stackit_cli;
#[cfg(test)]
mod tests;
pub mod token_file;
pub mod workload_identity;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tracing::warn;

use crate::clients::auth::claims::Claims;
use crate::clients::auth::exchange::SKEW_WORTH_SAYING;
use crate::clients::auth::secret_file::{SingleReader, keeps};
pub use crate::clients::auth::source::{
    AuthSettings, ProgramOutput, SetBy, Setting, SettingKind, SourceConfig, SourceKind,
    TokenProgram,
};
use crate::clients::auth::source::{IssuedToken, Read, Source, SourceFacts, Tokens};
use crate::clients::http::Http;
use crate::clock::Clock;
use crate::domain::age;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::identity::Identity;
use crate::domain::secret::Secret;

/// A token is renewed this long before it expires.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// Pause after a renewal; if it failed, requests within the pause get the same failure.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// If a token that was renewed after a 401 is refused again within this time, the source counts as signed out.
const FORCED_RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// A source that expires within this time causes a warning.
const SOURCE_ENDS_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A failing renewal is reported if the token expires within this time.
const FAILING_MATTERS: SignedDuration = SignedDuration::from_mins(5);

/// Remedy if a source cannot be opened and gives no remedy itself.
const CHECK: &str = "`skeys doctor` checks what is set";
/// Remedy for failures other than a refusal: the source itself may be fine.
const LATER: &str = "try again later; a proxy in between, or the token endpoint, is the cause";

/// All token sources. The first that is set is used; one set by a flag takes precedence.
pub const SOURCES: &[SourceKind] = &[
    access_token::KIND,
    service_account_key::KIND,
    service_account_token::KIND,
    workload_identity::KIND,
    token_file::KIND,
    stackit_cli::KIND,
];

/// The source to use; `None` if none is set. A broken source is used nevertheless: the next one may be another account.
pub fn choose(set: &AuthSettings<'_>) -> Option<SourceConfig> {
    let (named, others): (Vec<_>, Vec<_>) = SOURCES.iter().partition(|kind| kind.is_named(set));
    let mut found = named.into_iter().chain(others).filter_map(|kind| {
        let source = (kind.find)(set)?;
        Some(SourceConfig { kind: kind.name, ..source })
    });
    let mut first = found.next()?;
    first.unused = found.map(|source| source.summary).collect();
    Some(first)
}

/// Hands out tokens. Clones share one token and one renewal.
#[derive(Clone)]
pub struct TokenSource(Arc<Inner>);

struct Inner {
    source: Source,
    /// What was attempted, for failures: "could not sign in with the token in FILE".
    tried: String,
    /// The other sources that are set, appended to the remedy; empty if there are none.
    unused: String,
    clock: Clock,
    state: tokio::sync::Mutex<State>,
    reader: SingleReader,
    tries_again: AtomicBool,
    /// Read by the screen without waiting for a renewal.
    shown: std::sync::Mutex<Shown>,
}

#[derive(Default)]
struct State {
    current: Option<IssuedToken>,
    /// Monotonic time of the last renewal triggered by a 401.
    forced: Option<Duration>,
    /// Monotonic time before which no other token is requested while the current one is valid: the source may have no
    /// other.
    pause_ends: Duration,
    /// The last renewal failure, and the monotonic time before which it is not retried.
    failed: Option<(Duration, Failure)>,
    /// The token of a file that was in use before the current one.
    previous: Option<Secret>,
    /// A token of a file that was refused while the previous one was still valid.
    refused: Option<Secret>,
    /// SKE's clock minus ours, measured once a token has expired.
    skew: Option<SignedDuration>,
}

#[derive(Default)]
struct Shown {
    claims: Claims,
    about: SourceFacts,
    notes: Vec<String>,
    /// Why the last renewal failed.
    failing: Option<String>,
    /// Why the previous content is used instead of the current one.
    fallback_reason: Option<String>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({})", self.0.source.name)
    }
}

impl TokenSource {
    /// Reads what the source needs; sends no request.
    ///
    /// # Errors
    /// Names file, field and remedy if key or file cannot be used.
    pub fn new(config: SourceConfig, http: Http, clock: Clock) -> Result<Self, Failure> {
        let tried = format!("could not sign in with {}", config.summary);
        let unused = config.describe_unused();
        let explain = |failure, remedy| explain(failure, &tried, remedy, &unused);
        let mut source = (config.open)(&http).map_err(|failure| explain(failure, CHECK))?;
        let claims = match &source.tokens {
            Tokens::Given(secret) => claims::read(secret),
            Tokens::Read(read) => {
                claims::read(&read().map_err(|failure| explain(failure, &source.remedy))?)
            }
            Tokens::Issued(_) => Claims { who: source.about.account.clone(), ..Claims::default() },
        };
        let about = std::mem::take(&mut source.about);
        let shown = Shown { claims, about, ..Shown::default() };
        Ok(Self(Arc::new(Inner {
            source,
            tried,
            unused,
            clock,
            state: tokio::sync::Mutex::default(),
            reader: SingleReader::default(),
            tries_again: AtomicBool::new(false),
            shown: std::sync::Mutex::new(shown),
        })))
    }

    /// A token that should work; renewed first if it is about to expire.
    ///
    /// # Errors
    /// The token has expired, cannot be read, or cannot be renewed; names the source, the other sources that are set,
    /// and the remedy.
    pub async fn token(&self) -> Result<Secret, Failure> {
        self.current().await.map_err(|failure| self.explain(failure))
    }

    async fn current(&self) -> Result<Secret, Failure> {
        let issue = match &self.0.source.tokens {
            Tokens::Given(secret) => {
                self.check_end(secret)?;
                return Ok(secret.clone());
            }
            Tokens::Read(read) => {
                let mut state = self.0.state.lock().await;
                return self.read(Arc::clone(read), &mut state).await;
            }
            Tokens::Issued(issue) => issue,
        };
        let mut state = self.0.state.lock().await;
        if self.0.tries_again.swap(false, Ordering::SeqCst) {
            *state = State::default();
        }
        let now = self.0.clock.now();
        let lives = |held: &IssuedToken, margin| {
            held.expires.is_none_or(|until| until.duration_since(now) > margin)
        };
        let failed = self.failed_just_now(&state);
        let pauses = failed.is_some() || self.0.clock.monotonic() < state.pause_ends;
        if let Some(held) = &state.current
            && (lives(held, RENEW_BEFORE) || pauses && lives(held, SignedDuration::ZERO))
        {
            return Ok(held.secret.clone());
        }
        if let Some(failure) = failed {
            return Err(failure);
        }
        match self.store_issued(issue().await, &mut state) {
            Ok(secret) => Ok(secret),
            Err(failure) => match &state.current {
                Some(held) if lives(held, SignedDuration::ZERO) => Ok(held.secret.clone()),
                _ => Err(failure),
            },
        }
    }

    /// A token other than `refused`, which a server rejected with 401.
    ///
    /// # Errors
    /// Signed out: the source has no other token; gives the remedy.
    pub async fn renew(&self, refused: &Secret) -> Result<Secret, Failure> {
        self.another(refused).await.map_err(|failure| self.explain(failure))
    }

    async fn another(&self, refused: &Secret) -> Result<Secret, Failure> {
        let remedy = &self.0.source.remedy;
        let signed_out = |hint: String| {
            let claims = self.lock_shown().claims.clone();
            let message = format!("{} was rejected", describe_token(&claims));
            Failure::new(FailureKind::SignedOut, message).hint(hint)
        };
        let mut state = self.0.state.lock().await;
        let issue = match &self.0.source.tokens {
            Tokens::Issued(issue) => issue,
            Tokens::Given(_) => return Err(signed_out(remedy.clone())),
            Tokens::Read(read) => {
                let mut secret = self.read(Arc::clone(read), &mut state).await?;
                if secret == *refused && state.previous.is_some() {
                    // It may be a partially written token.
                    state.refused = Some(secret);
                    secret = self.read(Arc::clone(read), &mut state).await?;
                }
                let is_other = secret != *refused;
                return if is_other { Ok(secret) } else { Err(signed_out(remedy.clone())) };
            }
        };
        if let Some(held) = &state.current
            && held.secret != *refused
        {
            return Ok(held.secret.clone());
        }
        let monotonic = self.0.clock.monotonic();
        let just_forced =
            state.forced.is_some_and(|at| monotonic.saturating_sub(at) < FORCED_RENEWAL_PAUSE);
        if just_forced {
            return Err(signed_out(format!("it was renewed a moment ago: {remedy}")));
        }
        if let Some(failure) = self.failed_just_now(&state) {
            return Err(failure);
        }
        let secret = self.store_issued(issue().await, &mut state)?;
        state.forced = Some(monotonic);
        if secret == *refused {
            return Err(signed_out(format!("a renewed token is the same one: {remedy}")));
        }
        Ok(secret)
    }

    /// The program that the user can log in again with.
    pub fn login_program(&self) -> Option<&TokenProgram> {
        self.0.source.login.as_ref()
    }

    /// Clears failures and pauses after the user fixed the sign-in: the next caller requests a new token.
    pub fn try_again(&self) {
        self.0.tries_again.store(true, Ordering::SeqCst);
    }

    /// Whether the token can change at runtime.
    pub fn can_change(&self) -> bool {
        !matches!(self.0.source.tokens, Tokens::Given(_))
    }

    /// The account that this source acts as; does not wait for a renewal.
    pub fn identity(&self) -> Identity {
        let claims = self.lock_shown().claims.clone();
        Identity {
            who: claims.who.unwrap_or_else(|| "?".to_owned()),
            source: self.0.source.name.clone(),
            expires: claims.expires,
            renews: matches!(self.0.source.tokens, Tokens::Issued(_)),
            logs_in: self.0.source.login.is_some(),
        }
    }

    /// Warnings about the source: world-readable files, upcoming expiry, fallback endpoint.
    pub fn notes(&self) -> Vec<String> {
        let now = self.0.clock.now();
        let shown = self.lock_shown();
        let mut notes = shown.about.notes.clone();
        notes.extend(shown.notes.iter().chain(&shown.fallback_reason).cloned());
        let ends_within = |until: Timestamp, limit| until.duration_since(now) < limit;
        let begins = shown.claims.from.filter(|from| from.duration_since(now) > SKEW_WORTH_SAYING);
        if let Some(from) = begins {
            notes.push(format!(
                "{} is not valid before {}: set this machine's clock, or get another token",
                describe_token(&shown.claims),
                age::utc(from)
            ));
        }
        if let Some(reason) = &shown.failing
            && shown.claims.expires.is_some_and(|until| ends_within(until, FAILING_MATTERS))
        {
            notes.push(format!("the token ends within 5 minutes and {reason}"));
        }
        if let Some(ends) = shown.about.ends
            && ends_within(ends, SOURCE_ENDS_SOON)
        {
            let verb = if ends < now { "ended" } else { "ends" };
            notes.push(format!("the {} {verb} at {}", self.0.source.name, age::utc(ends)));
        }
        notes
    }

    /// The last renewal failure, while it must not be retried.
    fn failed_just_now(&self, state: &State) -> Option<Failure> {
        let (until, failure) = state.failed.as_ref()?;
        (self.0.clock.monotonic() < *until).then(|| failure.clone())
    }

    /// Stores an issued token, or the failure.
    fn store_issued(
        &self,
        issued: Result<IssuedToken, Failure>,
        state: &mut State,
    ) -> Result<Secret, Failure> {
        let ended =
            |granted: &IssuedToken| granted.expires.filter(|until| *until <= self.0.clock.now());
        let issued = issued.and_then(|granted| match ended(&granted) {
            None => Ok(granted),
            Some(until) => {
                self.update_shown(&granted.secret, granted.expires);
                let token = describe_token(&self.lock_shown().claims);
                let message =
                    format!("{}: {token} expired at {}", self.0.source.name, age::utc(until));
                let failure = Failure::new(FailureKind::SignedOut, message);
                Err(failure.hint(&self.0.source.remedy))
            }
        });
        let pause_ends = self.0.clock.monotonic().saturating_add(RENEWAL_PAUSE);
        match issued {
            Ok(mut granted) => {
                if let Some(about) = granted.about.take() {
                    self.lock_shown().about = about;
                }
                self.update_shown(&granted.secret, granted.expires);
                self.lock_shown().notes.extend(granted.note.take());
                self.keep(granted.fallback_reason.take());
                state.failed = None;
                state.pause_ends = pause_ends;
                let secret = granted.secret.clone();
                state.current = Some(granted);
                Ok(secret)
            }
            Err(failure) => {
                state.failed = Some((pause_ends, failure.clone()));
                self.lock_shown().failing = Some(failure.to_string());
                Err(failure)
            }
        }
    }

    fn update_shown(&self, secret: &Secret, until: Option<Timestamp>) {
        let mut claims = claims::read(secret);
        let mut shown = self.lock_shown();
        claims.who = claims.who.or_else(|| shown.about.account.clone());
        claims.expires = until.or(claims.expires);
        (shown.claims, shown.failing) = (claims, None);
    }

    fn check_end(&self, secret: &Secret) -> Result<(), Failure> {
        let claims = claims::read(secret);
        match claims.expires {
            Some(until) if until <= self.0.clock.now() => {
                let message = format!("{} expired at {}", describe_token(&claims), age::utc(until));
                Err(Failure::new(FailureKind::SignedOut, message).hint(&self.0.source.remedy))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Logs once why the previous content is used.
    fn keep(&self, fallback_reason: Option<String>) {
        let mut shown = self.lock_shown();
        if let Some(why) =
            fallback_reason.as_ref().filter(|_| shown.fallback_reason != fallback_reason)
        {
            warn!(why, "a credential file was replaced and cannot be used");
        }
        shown.fallback_reason = fallback_reason;
    }

    /// Reads the token file; concurrent callers share one read. An unusable file may be mid-replacement, so the
    /// previous token is used while it is valid.
    async fn read(&self, read: Arc<Read>, state: &mut State) -> Result<Secret, Failure> {
        let what = format!("the {}", self.0.source.name);
        let read = self.0.reader.read(&self.0.clock, &what, move || read()).await;
        let read =
            read.map_err(|failure| failure.hint(&self.0.source.remedy)).and_then(|read| read);
        let held = state.current.as_ref().map(|held| held.secret.clone());
        let read = read.and_then(|secret| match self.check_end(&secret) {
            Ok(()) => Ok(secret),
            Err(failure) => {
                self.update_shown(&secret, None);
                Err(failure)
            }
        });
        let is_refused = read.as_ref().is_ok_and(|read| state.refused.as_ref() == Some(read));
        let (secret, fallback_reason) = if let (Ok(secret), false) = (&read, is_refused) {
            state.refused = None;
            if let Some(held) = held.filter(|held| held != secret) {
                state.previous = Some(held);
            }
            (secret.clone(), None)
        } else {
            let old = if is_refused { state.previous.take().or(held) } else { held };
            let lives =
                |old: &Secret| read.as_ref().ok() != Some(old) && self.check_end(old).is_ok();
            match (old.filter(lives), read) {
                (Some(old), Err(failure)) => (old, Some(keeps("token", &failure))),
                (Some(old), Ok(_)) => {
                    let failure =
                        Failure::new(FailureKind::SignedOut, format!("{what} is refused"));
                    (old, Some(keeps("token", &failure)))
                }
                (None, read) => (read?, None),
            }
        };
        self.keep(fallback_reason);
        self.update_shown(&secret, None);
        state.current = Some(IssuedToken::new(secret.clone(), None));
        Ok(secret)
    }

    /// Explains that a token has expired only by this machine's clock, if so. `skew` requests SKE's clock minus ours;
    /// it is called at most once.
    pub async fn explain_clock(
        &self,
        mut failure: Failure,
        skew: impl Future<Output = Option<SignedDuration>>,
    ) -> Failure {
        let now = self.0.clock.now();
        let until = self.lock_shown().claims.expires;
        let Some(until) = until.filter(|until| *until <= now) else { return failure };
        let mut state = self.0.state.lock().await;
        if state.skew.is_none() {
            state.skew = skew.await;
        }
        // A token that expired a moment ago has expired by both clocks: skew of a few seconds is network latency.
        let skew = state.skew.filter(|skew| skew.abs() > SKEW_WORTH_SAYING);
        let there = skew.and_then(|skew| now.saturating_add(skew).ok());
        if let Some(there) = there.filter(|there| until > *there) {
            failure.message.push_str(&format!(
                " by this machine's clock, which is about {} ahead of SKE's",
                age::long(now.duration_since(there))
            ));
            failure.hint = Some("set this machine's clock, then try again".to_owned());
        }
        failure
    }

    fn explain(&self, failure: Failure) -> Failure {
        explain(failure, &self.0.tried, &self.0.source.remedy, &self.0.unused)
    }

    fn lock_shown(&self) -> std::sync::MutexGuard<'_, Shown> {
        self.0.shown.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Completes a failure: which source, the remedy, and the other sources that are set.
fn explain(mut failure: Failure, tried: &str, remedy: &str, unused: &str) -> Failure {
    failure.message = failure.sentence();
    failure.tried = Some(tried.to_owned());
    let remedy = if failure.is_transient() { LATER } else { remedy };
    failure.hint.get_or_insert_with(|| remedy.to_owned()).push_str(unused);
    failure
}

fn describe_token(claims: &Claims) -> String {
    claims.who.as_ref().map_or_else(|| "the token".to_owned(), |who| format!("the token of {who}"))
}
