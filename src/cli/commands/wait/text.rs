//! Texts of `skeys wait`: lines, the bar, the result, and why a wait ends early.

use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::app::texts::texts;
pub use crate::domain::age::moment;
use crate::domain::age::{long, since};
use crate::domain::rotation::{Phase, Rotation};
use crate::domain::text::plural;

texts! {
    UNSTATED = "UNSTATED";
    NO_PHASE = "-";
    line(time, name, phase) = "{time} {name} {phase}";
    remarks(list) = " ({list})";
    no_rotation_yet(grace) = "no rotation in progress; an accepted start may take {grace} to show";
    start_without_phase(time) = "SKE reports a start at {time}, and no phase of that rotation yet";
    READ_ONLY = "nodes not observed: read-only mode";
    NOT_CONFIGURED = "nodes not observed: kubernetes.watch is never";
    AWAITS_COMPLETE = "waiting for someone to complete the rotation";
    NO_PHASE_REPORTED = "SKE reports no phase; waiting for one";
    UNKNOWN_PHASE = "phase unknown to skeys; waiting for another";
    cluster_state(state) = "cluster is {state}";
    nodes_unavailable(why) = "cannot read nodes: {why}";
    not_visible(what) = "cannot read {what}";
    NODES_AVAILABLE = "nodes can be read again";
    NOT_ACCEPTED_YET = "the API server does not accept new credentials yet";
    HIBERNATED = "the cluster is hibernated";
    WOULD_DISABLE_STATIC_TOKENS = "that needs a kubeconfig, which permanently disables static tokens";
    reported(code, message) = "SKE reports {code}: {message}";
    reported_alone(what) = "SKE reports {what}";
    NO_MORE_ERRORS = "SKE reports no more errors";

    outage_begun(time, why, advice) = "SKE reads failing since {time}: {why}; retrying{advice}";
    outage_ended(lasted) = "SKE reads succeed again after {lasted}";
    outage_lasting(lasted, why) = "SKE reads failing for {lasted}: {why}";

    SEARCHING = "searching";
    READING_NODES = "reading nodes";
    waited_column(time) = "  waited {time}";
    waited(time) = "waited {time}";
    ALREADY_REACHED = "already reached";
    passed(phase) = "passed {phase}";
    started(time) = "started {time}";
    completed(time) = "completed {time}";
    inconsistent_times(why) = "inconsistent times: {why}";

    status(name, phase) = "{name} is {phase}";
    not_found_yet(name) = "{name} not found yet";
    and(clause) = "; {clause}";
    comma(clause) = ", {clause}";
    CONTINUES = "; the rotation continues without skeys";
    timed_out(limit) = "timed out after {limit}";
    timed_out_at(limit, status) = "timed out after {limit}: {status}";
    interrupted(status) = "interrupted by a signal: {status}";

    no_rotation(address, last, grace) =
        "{address} has no rotation in progress: {last}; SKE has shown no start for {grace}. Start a rotation first";
    start_not_shown(address, last, sent, grace) =
        "{address} shows no rotation in progress: {last}; a start was accepted at {sent}, and SKE has shown none for {grace}";
    last_completed(started, completed) = "last started {started}, completed {completed}";
    last_started(started) = "last started {started}";
    last_completed_only(completed) = "last completed {completed}";
    NEVER_ROTATED = "never rotated";
    NO_TIMES = "SKE reports no times of the last rotation";
    no_longer_listed(address, phase) = "{address} is no longer listed by SKE; last phase {phase}";
    not_found(address, failure) = "{address} not found: {failure}";
    recreated(address, when) = "{address} was deleted and recreated{when}; this is another cluster";
    at(time) = " at {time}";
    with_trace(failure, trace) = "{failure} (trace id {trace})";

    ambiguous(count, name, addresses, flags) =
        "{count} clusters are named {name}: {addresses}. Select one with {flags}, or by its full address";
    at_least(count) = "at least {count}";
    FLAG_PROJECT = "--project";
    FLAG_REGION = "--region";
    FLAGS_BOTH = "--project, --region or both";
    unlistable_elsewhere(name, scopes) =
        "another {name} may exist where clusters cannot be listed: {scopes}";
    no_such_name(name, projects, regions) = "no cluster is named {name} in {projects} ({regions})";
    project(id) = "project {id}";
    similar(names) = "; similar: {names}";
    not_offered(regions) = "; not available: {regions}";
    incomplete(scopes) = "; not read in full: {scopes}";
    unlistable(scopes) = "; cannot list {scopes}";
    scope(project, region, why) = "project {project} in {region} ({why})";
    not_read(clusters) = "{clusters} in the answer could not be read";
    SEARCH_ENDED = "the search ended unexpectedly";

    EMPTY_PART = "one part is empty";
    TARGET_FORM = "expected NAME or PROJECT/REGION/NAME";
    contradicts(address, flag) = "{address} contradicts {flag}; remove one of them";
}

/// "2 clusters in the answer could not be read", unless 0.
pub fn skipped(count: usize) -> Option<String> {
    (count > 0).then(|| not_read(plural(count, "cluster", "clusters")))
}

/// "SKE reads failing since 2026-11-24T14:03:00Z: …; retrying", with advice if known.
pub fn begun(outage: &Outage) -> String {
    let advice = outage.failure.advice().map_or_else(String::new, |advice| format!(". {advice}"));
    outage_begun(moment(outage.since.wall), outage.failure.message.trim_end_matches('.'), advice)
}

/// "SKE reads succeed again after 20m".
pub fn over(outage: &Outage, now: Now) -> String {
    outage_ended(long(since(outage.since.wall, now.wall)))
}

/// "SKE reads failing for 12m: …", for a line that is redrawn.
pub fn lasting(outage: &Outage, now: Now) -> String {
    outage_lasting(long(since(outage.since.wall, now.wall)), &outage.failure.message)
}

/// "last started …, completed …".
pub fn last_rotation(rotation: &Rotation) -> String {
    match (rotation.initiated, rotation.completed) {
        (Some(started), Some(completed)) => last_completed(moment(started), moment(completed)),
        (Some(started), None) => last_started(moment(started)),
        (None, Some(completed)) => last_completed_only(moment(completed)),
        (None, None) if rotation.phase == Phase::Never => NEVER_ROTATED.to_owned(),
        (None, None) => NO_TIMES.to_owned(),
    }
}
