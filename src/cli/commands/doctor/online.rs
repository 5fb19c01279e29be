//! Checks of the token source and of SKE's answers.

use std::collections::BTreeMap;

use futures_util::StreamExt as _;
use jiff::SignedDuration;

use crate::cli::commands::doctor::{Check, text};
use crate::cli::commands::wait::text::skipped;
use crate::cli::config::{Config, ConfigSources, Loaded};
use crate::cli::wiring::{scopes, sign_in};
use crate::clients::auth::TokenSource;
use crate::clients::http::Http;
use crate::clients::projects::ProjectsClient;
use crate::clients::ske::SkeClient;
use crate::clock::Clock;
use crate::domain::age::{long, utc};
use crate::domain::cluster::{ProjectId, Scope};
use crate::domain::failure::{Failure, FailureKind};
use crate::domain::text::plural;

/// Clock skew above which it is reported.
const SKEW_WORTH_SAYING: SignedDuration = SignedDuration::from_secs(60);
/// Most projects and regions listed per answer.
const MOST_NAMED: usize = 3;

/// Opens the token source; unless offline, also gets a token and reads from SKE.
pub async fn check(
    loaded: &Loaded,
    sources: &ConfigSources<'_>,
    clock: &Clock,
    online: bool,
) -> Vec<Check> {
    let config = &loaded.config;
    let (http, tokens) = match sign_in(config, sources, clock).await {
        Ok(signed_in) => signed_in,
        Err(failure) => return vec![Check::failed(text::TOKEN_SOURCE, &failure)],
    };
    let mut checks = if online { ask(config, http, &tokens, clock).await } else { Vec::new() };
    let notes = tokens.notes().into_iter();
    checks.extend(notes.map(|note| Check::note(text::TOKEN_SOURCE, note, "")));
    checks
}

/// Gets a token and reads from SKE.
async fn ask(config: &Config, http: Http, tokens: &TokenSource, clock: &Clock) -> Vec<Check> {
    if let Err(failure) = tokens.token().await {
        return vec![Check::failed(text::TOKEN, &failure)];
    }
    let mut checks = vec![Check::good(text::TOKEN, describe(tokens))];
    match SkeClient::new(config.text("endpoints.ske"), http.clone(), tokens.clone()) {
        Ok(ske) => match scopes(config, &http, tokens).await {
            Ok(scopes) => {
                let concurrency = config.number("poll.concurrency");
                checks.extend(list_all(&ske, scopes, concurrency, clock).await);
            }
            Err(failure) => checks.push(Check::failed(text::PROJECTS, &failure)),
        },
        Err(failure) => checks.push(Check::failed(text::SKE, &failure)),
    }
    if let Some(first) = config.list("projects").first().map(ProjectId::new) {
        let base = config.text("endpoints.resource_manager");
        checks.push(match ProjectsClient::new(base, http, tokens.clone()) {
            Ok(projects) => names(&projects, &first).await,
            Err(failure) => Check::failed(text::NAMES, &failure),
        });
    }
    checks
}

fn describe(tokens: &TokenSource) -> String {
    let identity = tokens.identity();
    match identity.expires {
        Some(until) => text::token_until(identity.who, identity.source, utc(until)),
        None => text::token(identity.who, identity.source),
    }
}

/// Lists every project in every region; groups equal answers.
async fn list_all(
    ske: &SkeClient,
    scopes: Vec<Scope>,
    concurrency: usize,
    time: &Clock,
) -> Vec<Check> {
    let answers: Vec<_> = ske.list_all(scopes, concurrency, Some(time)).collect().await;
    let (mut clusters, mut listed, mut skew) = (0, 0, None);
    let mut failures: BTreeMap<(String, String), (FailureKind, Vec<Scope>)> = BTreeMap::new();
    for (scope, answer) in answers {
        let failure = match answer {
            Ok(listing) => {
                listed += 1;
                clusters += listing.clusters.len();
                skew = skew.or(listing.skew);
                skipped(listing.skipped).map(|why| Failure::new(FailureKind::Format, why))
            }
            Err(failure) => Some(failure),
        };
        if let Some(failure) = failure {
            let key = (failure.message, failure.hint.unwrap_or_default());
            failures.entry(key).or_insert_with(|| (failure.kind, Vec::new())).1.push(scope);
        }
    }
    let mut checks: Vec<Check> = skew.map(clock).into_iter().collect();
    if listed > 0 {
        let clusters = plural(clusters, text::ONE_CLUSTER, text::CLUSTERS);
        let scopes = plural(listed, text::ONE_SCOPE, text::SCOPES);
        checks.push(Check::good(text::SKE, text::listed(clusters, scopes)));
    }
    for ((message, hint), (kind, mut scopes)) in failures {
        scopes.sort();
        let more = scopes.len().saturating_sub(MOST_NAMED);
        // A region or project without SKE is no fault if others have it.
        let lacks_ske = matches!(kind, FailureKind::NotOffered | FailureKind::NotFound);
        let is_fault = listed == 0 || !lacks_ske;
        let check = if is_fault { Check::bad } else { Check::note };
        for scope in scopes.into_iter().take(MOST_NAMED) {
            let text = text::scope(scope.project, scope.region, &message);
            checks.push(check(text::SKE, text, &hint));
        }
        if more > 0 {
            checks.push(check(text::SKE, text::and_more(more), ""));
        }
    }
    checks
}

fn clock(skew: SignedDuration) -> Check {
    if skew.abs() <= SKEW_WORTH_SAYING {
        return Check::good(text::CLOCK, text::clock_right(long(SKEW_WORTH_SAYING)));
    }
    let difference = long(skew.abs());
    let words = if skew.is_negative() { text::clock_ahead } else { text::clock_behind };
    Check::bad(text::CLOCK, words(difference), text::CLOCK_REMEDY)
}

async fn names(projects: &ProjectsClient, first: &ProjectId) -> Check {
    match projects.name(first).await {
        Ok(name) => Check::good(text::NAMES, name),
        Err(failure) => Check::note(text::NAMES, failure.message, text::NAMES_REMEDY),
    }
}
