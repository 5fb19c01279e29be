//! Where tokens come from: given, read from a file, or made from a service-account key and renewed.

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
use crate::clients::auth::source::{About, Granted, Read, Source, Tokens};
pub use crate::clients::auth::source::{
    AuthSettings, ProgramOutput, SetBy, Setting, SettingKind, SourceConfig, SourceKind,
    TokenProgram,
};
use crate::clients::http::Http;
use crate::clock::Clock;
use crate::domain::age;
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::identity::Identity;
use crate::domain::secret::Secret;

/// A token is renewed this long before its end.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_secs(60);
/// After a failed renewal the endpoint is left alone for this long; whoever asks meanwhile gets the same failure.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);
/// A token that was renewed because of a 401 and is refused again within this time means signed out.
const FORCED_RENEWAL_PAUSE: Duration = Duration::from_secs(30);
/// A source that ends within this time is warned of.
const SOURCE_ENDS_SOON: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A failing renewal is reported when the token expires within this time.
const FAILING_MATTERS: SignedDuration = SignedDuration::from_mins(5);

/// What to do where a source cannot be opened and says nothing of it.
const CHECK: &str = "`skeys doctor` checks what is set";
/// What to do where the answer is no refusal: nothing is wrong with the source, as far as is known.
const LATER: &str = "try again later; a proxy in between, or the token endpoint, is the cause";

/// Every way to sign in. The first that is set is used; one that a flag names goes before all others.
pub const SOURCES: &[SourceKind] = &[
    access_token::KIND,
    service_account_key::KIND,
    service_account_token::KIND,
    workload_identity::KIND,
    token_file::KIND,
    stackit_cli::KIND,
];

/// The source to use; `None` if none is set. One that is set but broken is used all the same: the next one may act as
/// somebody else.
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
    /// What is tried, for failures: "could not sign in with the token in FILE".
    tried: String,
    /// The sources that are set as well, to follow what to do; empty if there are none.
    unused: String,
    clock: Clock,
    state: tokio::sync::Mutex<State>,
    reader: SingleReader,
    tries_again: AtomicBool,
    /// Seen by the screen without waiting for a renewal.
    shown: std::sync::Mutex<Shown>,
}

#[derive(Default)]
struct State {
    current: Option<Granted>,
    /// Monotonic moment of the last renewal that a 401 asked for.
    forced: Option<Duration>,
    /// Monotonic moment before which no other token is asked for as long as the current one lives: it may be all that
    /// the source has.
    pause_ends: Duration,
    /// Why the last renewal failed, and the monotonic moment before which it is not repeated.
    failed: Option<(Duration, Failure)>,
    /// A token of a file that was in use before the current one.
    previous: Option<Secret>,
    /// A token of a file that was refused while the one before it lived.
    refused: Option<Secret>,
    /// By how much SKE's clock is ahead of this machine's, asked for where a token has ended.
    skew: Option<SignedDuration>,
}

#[derive(Default)]
struct Shown {
    claims: Claims,
    about: About,
    notes: Vec<String>,
    /// The last renewal failed, for this reason.
    failing: Option<String>,
    /// Why what was read before is used instead of what is there now.
    kept: Option<String>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenSource({})", self.0.source.name)
    }
}

impl TokenSource {
    /// Reads what the source needs; no request is made.
    ///
    /// # Errors
    /// File, field and remedy when key or file cannot be used.
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

    /// A token that should work; renewed first when it is about to expire.
    ///
    /// # Errors
    /// The token has ended, cannot be read, or cannot be renewed; names the source, those that are set as well, and what to
    /// do.
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
        let lives = |held: &Granted, margin| {
            held.until.is_none_or(|until| until.duration_since(now) > margin)
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

    /// A token other than `refused`, which a server answered with 401.
    ///
    /// # Errors
    /// Signed out: the source has no other token; says what to do.
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
                    // It may be half of a token that is being written.
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

    /// The program with which a person logs in anew.
    pub fn login_program(&self) -> Option<&TokenProgram> {
        self.0.source.login.as_ref()
    }

    /// A person has done something about the sign-in: the next one who needs a token asks for it, whatever was before.
    pub fn try_again(&self) {
        self.0.tries_again.store(true, Ordering::SeqCst);
    }

    /// Whether another token can come while the program runs.
    pub fn can_change(&self) -> bool {
        !matches!(self.0.source.tokens, Tokens::Given(_))
    }

    /// Who this source acts as, without waiting.
    pub fn identity(&self) -> Identity {
        let claims = self.lock_shown().claims.clone();
        Identity {
            who: claims.who.unwrap_or_else(|| "?".to_owned()),
            source: self.0.source.name.clone(),
            until: claims.until,
            renews: matches!(self.0.source.tokens, Tokens::Issued(_)),
            logs_in: self.0.source.login.is_some(),
        }
    }

    /// Warnings about the source: files that others can read, a near expiry, another endpoint used.
    pub fn notes(&self) -> Vec<String> {
        let now = self.0.clock.now();
        let shown = self.lock_shown();
        let mut notes = shown.about.notes.clone();
        notes.extend(shown.notes.iter().chain(&shown.kept).cloned());
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
            && shown.claims.until.is_some_and(|until| ends_within(until, FAILING_MATTERS))
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

    /// Why there is no use in asking for a token now.
    fn failed_just_now(&self, state: &State) -> Option<Failure> {
        let (until, failure) = state.failed.as_ref()?;
        (self.0.clock.monotonic() < *until).then(|| failure.clone())
    }

    /// Takes over what was issued.
    fn store_issued(
        &self,
        issued: Result<Granted, Failure>,
        state: &mut State,
    ) -> Result<Secret, Failure> {
        let ended = |granted: &Granted| granted.until.filter(|until| *until <= self.0.clock.now());
        let issued = issued.and_then(|granted| match ended(&granted) {
            None => Ok(granted),
            Some(until) => {
                self.update_shown(&granted.secret, granted.until);
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
                self.update_shown(&granted.secret, granted.until);
                self.lock_shown().notes.extend(granted.note.take());
                self.keep(granted.kept.take());
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
        claims.until = until.or(claims.until);
        (shown.claims, shown.failing) = (claims, None);
    }

    fn check_end(&self, secret: &Secret) -> Result<(), Failure> {
        let claims = claims::read(secret);
        match claims.until {
            Some(until) if until <= self.0.clock.now() => {
                let message = format!("{} expired at {}", describe_token(&claims), age::utc(until));
                Err(Failure::new(FailureKind::SignedOut, message).hint(&self.0.source.remedy))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Says once why what was read before is used.
    fn keep(&self, kept: Option<String>) {
        let mut shown = self.lock_shown();
        if let Some(why) = kept.as_ref().filter(|_| shown.kept != kept) {
            warn!(why, "a credential file was replaced and cannot be used");
        }
        shown.kept = kept;
    }

    /// Reads the token file. Whoever asks meanwhile waits for the same. Where the file cannot be used, it is being
    /// replaced perhaps: the token before it is used as long as it lives.
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
        let (secret, kept) = if let (Ok(secret), false) = (&read, is_refused) {
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
        self.keep(kept);
        self.update_shown(&secret, None);
        state.current = Some(Granted::new(secret.clone(), None));
        Ok(secret)
    }

    /// Says that a token has ended by this machine's clock alone, if that is so. `skew` asks by how much SKE's clock is
    /// ahead of this machine's; one request does for all.
    pub async fn explain_clock(
        &self,
        mut failure: Failure,
        skew: impl Future<Output = Option<SignedDuration>>,
    ) -> Failure {
        let now = self.0.clock.now();
        let until = self.lock_shown().claims.until;
        let Some(until) = until.filter(|until| *until <= now) else { return failure };
        let mut state = self.0.state.lock().await;
        if state.skew.is_none() {
            state.skew = skew.await;
        }
        // A token that ended a moment ago has ended by both clocks, which differ by seconds and by the way of an answer.
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

/// Completes a failure: which source it was, what to do, and which sources are set as well.
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
