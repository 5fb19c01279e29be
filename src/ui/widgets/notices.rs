//! Notices about reads from SKE: signed out, failing scopes, rate limits, and remarks.

use jiff::SignedDuration;
use ratatui::text::{Line, Span};

use crate::app::cell::Tone;
use crate::app::fleet::text;

use crate::app::fleet::state::{Entry, ScopeState, ScopeStatus};
use crate::app::keymap::Command;
use crate::app::kubeconfig;
use crate::app::outage::Outage;
use crate::app::requests::RequestOwner;
use crate::app::state::State;
use crate::domain::age::{long, passed};
use crate::domain::cluster::{Region, Scope};
use crate::domain::text::{cut_end, cut_middle, plural, width};
use crate::ui::line_context::LineContext;
use crate::ui::text::{behind, wrap_to};

/// Maximum number of failing scopes with a line of their own.
const LINES: usize = 2;
/// Age after which rows are marked as old until they are read again.
const OLD: SignedDuration = SignedDuration::from_mins(1);

/// The notices, most important first.
pub fn lines(cx: LineContext<'_>) -> Vec<Line<'static>> {
    let mut lines = unsaved(cx);
    lines.extend(signed_out(cx));
    if cx.state.session.signed_out.is_some() {
        return lines;
    }
    let unreachable = cx.state.fleet.unreachable_regions();
    for region in &unreachable {
        lines.extend(unreachable_line(cx, region));
    }
    let places = || cx.state.fleet.failing().filter(|(id, ..)| !unreachable.contains(&&id.region));
    let failing = places().count();
    for (index, failing_place) in places().take(LINES).enumerate() {
        let more = if index + 1 == LINES { failing.saturating_sub(LINES) } else { 0 };
        lines.extend(failing_lines(cx, failing_place, more));
    }
    lines.extend(waits(cx));
    lines.extend(last_known(cx));
    lines
}

/// A region in which lists fail for every project.
fn unreachable_line(cx: LineContext<'_>, region: &Region) -> Option<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let failing = || state.fleet.failing().filter(|(id, ..)| id.region == *region);
    let (.., oldest) = failing().min_by_key(|(.., outage)| outage.since.monotonic)?;
    let age = passed(oldest.since.wall, state.shared.now.wall);
    let left = state.fleet.circuits.get(region)?.probe.saturating_sub(state.shared.now.monotonic);
    let next = if left.is_zero() || state.requests.lists_in(region) {
        text::RETRYING.to_owned()
    } else {
        text::next_retry(long(SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX)))
    };
    let projects = plural(failing().count(), text::ONE_PROJECT, text::PROJECTS);
    let tail = text::unreachable_tail(&age, &projects, &next);
    let head = format!("{region}: {}", oldest.failure.message);
    let head = cut_end(&head, columns.saturating_sub(3 + width(&tail)).max(20));
    let spans = vec![theme.span(" ✗ ", Tone::Bad), Span::raw(head + &tail)];
    Some(cx.line(spans))
}

/// A failing scope: place, reason, age, next retry; and the number of further ones.
fn failing_lines(
    cx: LineContext<'_>,
    (scope, status, outage): (&Scope, &ScopeState, &Outage),
    more: usize,
) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let age = passed(outage.since.wall, state.shared.now.wall);
    let next = next_retry(state, (scope, status), columns < 60);
    if columns < 60 {
        let tail = format!(" {age}, {next}");
        let text = format!("{}: {}", scope.region, outage.failure.message);
        let text = cut_end(&text, columns.saturating_sub(4 + width(&tail)));
        let spans = vec![theme.span(" ✗ ", Tone::Bad), Span::raw(format!("{text}{tail}"))];
        return vec![Line::from(spans)];
    }
    let place = place(state, scope);
    let reason = &outage.failure.message;
    let tail = self::more(more);
    let text_with = |reason: &str| text::scope_failing(&place, reason, &age, &next);
    let text = text_with(reason);
    if !outage.failure.is_transient() {
        // Only the user can fix this: show the whole sentence and the advice.
        let hint = outage.failure.hint.as_ref();
        let text = hint.map_or_else(|| text.clone(), |hint| text::with_hint(&text, hint));
        return marked(cx, &format!("{text}{tail}"), 2);
    }
    // Truncates the reason, mostly the server's words, so that place and next retry stay visible.
    let room = columns.saturating_sub(3 + width(&tail));
    let over = width(&text).saturating_sub(room);
    let keep = width(reason).saturating_sub(over);
    let text = if over > 0 && keep >= 8 { text_with(&cut_end(reason, keep)) } else { text };
    let text = cut_end(&text, room);
    let spans = vec![theme.span(" ✗ ", Tone::Bad), Span::raw(text), theme.span(tail, Tone::Dim)];
    vec![cx.line(spans)]
}

fn more(count: usize) -> String {
    if count == 0 { String::new() } else { text::more_outages(count) }
}

fn place(state: &State, scope: &Scope) -> String {
    format!("{} · {}", scope.region, cut_middle(state.fleet.project_name(&scope.project), 20))
}

/// The time of a scope's next list.
fn next_retry(state: &State, (id, scope): (&Scope, &ScopeState), short: bool) -> String {
    if let Some(until) = scope.wait_until {
        let time = state.zone().clock(until);
        return if short { text::next_retry_short(&time) } else { text::retry_after(&time) };
    }
    let left = scope.due.saturating_sub(state.shared.now.monotonic);
    if state.requests.lists(id) || left.is_zero() {
        return text::RETRYING.to_owned();
    }
    let left = long(SignedDuration::try_from(left).unwrap_or(SignedDuration::MAX));
    if short { text::next_retry_short(&left) } else { text::next_retry(&left) }
}

fn waits(cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { state, theme, .. } = cx;
    let mut waiting = state.fleet.selected_scopes().filter_map(|(id, scope)| {
        let failing = matches!(scope.status, ScopeStatus::Failing(_));
        let until = scope.wait_until.filter(|until| *until > state.shared.now.wall && !failing)?;
        Some((id, until))
    });
    let Some((scope, until)) = waiting.next() else { return Vec::new() };
    let text =
        text::rate_limited(place(state, scope), state.zone().clock(until), more(waiting.count()));
    vec![cx.line(vec![theme.span(" ~ ", Tone::Warn), Span::raw(text)])]
}

/// Rows from an earlier run, or read before their scope was selected again.
fn last_known(cx: LineContext<'_>) -> Option<Line<'static>> {
    let LineContext { state, theme, .. } = cx;
    let now = state.shared.now;
    let is_old = |entry: &&Entry| {
        let scope = state.fleet.scopes.get(&entry.cluster.id.scope);
        let is_loading = scope.is_some_and(|scope| matches!(scope.status, ScopeStatus::Loading));
        entry.is_last_known() || is_loading && now.longest_since(entry.seen) >= OLD
    };
    let known = || state.fleet.selected().filter(is_old);
    let oldest = known().map(|entry| entry.seen.wall).min()?;
    let age = passed(oldest, now.wall);
    let text = text::last_known(plural(known().count(), text::ONE_CLUSTER, text::CLUSTERS), &age);
    Some(cx.line(vec![theme.span(" ~ ", Tone::Warn), Span::raw(text)]))
}

/// An issued kubeconfig that is not delivered yet, unless it is in the open form; and the number of further ones.
fn unsaved(cx: LineContext<'_>) -> Vec<Line<'static>> {
    let LineContext { state, theme, columns } = cx;
    let form = state.kubeconfig.form.as_ref();
    let in_form = form.and_then(|form| form.issued.as_ref()).map(|(request, _)| *request);
    let mut others = state.kubeconfig.unsaved.iter().filter(|(request, _)| {
        let on_its_way = |owner: &RequestOwner| {
            matches!(owner, RequestOwner::Delivery { kubeconfig, .. } if kubeconfig == *request)
        };
        in_form != Some(**request) && !state.requests.open().any(|(_, owner)| on_its_way(owner))
    });
    let Some((_, held)) = others.next() else { return Vec::new() };
    let more = more(others.count());
    let key = cx.key_of(Command::Kubeconfig);
    let name = state.fleet.label(&held.request.cluster.id);
    let end = held
        .issued
        .expires
        .map_or_else(String::new, |at| kubeconfig::text::expiring(passed(state.server_now(), at)));
    let text = kubeconfig::text::not_saved(&name, &end, &key, &name, &more);
    behind(theme.span(" ! ", Tone::Attention), wrap_to(&text, columns.saturating_sub(4), 2))
}

fn signed_out(cx: LineContext<'_>) -> Vec<Line<'static>> {
    let Some((at, failure)) = &cx.state.session.signed_out else { return Vec::new() };
    let zone = cx.state.zone();
    let data = cx
        .state
        .fleet
        .oldest_seen()
        .map_or_else(|| text::NO_DATA.to_owned(), |seen| text::data_of(zone.clock(seen.wall)));
    let advice = if cx.state.logs_in() {
        text::log_in(cx.key_of(Command::LogIn))
    } else {
        let refresh = || text::get_token(cx.key_of(Command::Refresh));
        failure.advice().unwrap_or_else(refresh)
    };
    let text =
        text::signed_out(zone.clock(*at), &failure.message, &data, advice.trim_end_matches('.'));
    marked(cx, &text, 3)
}

/// A sentence after a cross, wrapped to at most `rows` lines.
fn marked(cx: LineContext<'_>, text: &str, rows: usize) -> Vec<Line<'static>> {
    behind(cx.span(" ✗ ", Tone::Bad), wrap_to(text, cx.columns.saturating_sub(4), rows))
}

/// Remarks: regions without SKE, items that could not be read.
pub fn asides(state: &State) -> Vec<String> {
    let mut regions: Vec<&str> = state
        .fleet
        .selected_scopes()
        .filter(|(_, scope)| matches!(scope.status, ScopeStatus::NotOffered))
        .map(|(id, _)| id.region.as_str())
        .collect();
    regions.sort_unstable();
    regions.dedup();
    let mut texts = Vec::new();
    if !regions.is_empty() {
        texts.push(text::not_offered(regions.join(", ")));
    }
    let skipped: usize = state.fleet.selected_scopes().map(|(_, scope)| scope.skipped).sum();
    if skipped > 0 {
        texts.push(text::unreadable(
            plural(skipped, text::ONE_ENTRY, text::ENTRIES),
            if skipped == 1 { text::IS } else { text::ARE },
        ));
    }
    texts
}
