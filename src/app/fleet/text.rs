//! Texts of the fleet: filter, readings, empty lists, sign-in.

use crate::app::texts::texts;

texts! {
    not_a_phase(value, phases) = "{value} is not a phase: {phases}";
    not_a_state(value, states) = "{value} is not a state: {states}";
    age_needs_duration(examples) = "age needs a duration: {examples}";
    not_a_duration(value, examples) = "{value} is not a duration: {examples}";
    unknown_filter(key, keys) = "unknown filter {key}: {keys}";
    of_cluster(cluster, event) = "{cluster}: {event}";
    RECREATED = "deleted and recreated; this is another cluster";
    NOT_LISTED = "no longer listed";
    since_last_run(phase) = "{phase} since skeys last ran";
    recovered(project, region, duration) = "{project} in {region} answers again after {duration}";
    nothing_matches(filter, key, hidden) = "Nothing matches {filter}. {key} clears the filter ({hidden} hidden).";
    loading(scope) = "Listing the clusters of {scope} …";
    nothing_loaded(key) = "Nothing loaded; see the error above. {key} retries.";
    no_clusters(scope) = "No clusters in {scope}. Select others with --project and --region.";
    project_unavailable(name) = "The selected project {name} is not available; showing all projects";
    region_unavailable(region) = "The selected region {region} is not configured; showing all regions";
    DISCOVERING = "Finding the projects of the account …";
    NO_PROJECT = "The account may not list clusters in any project. Request ske.cluster.list, or set other projects with --project.";
    none_selected(scope, key) = "No clusters in {scope}, the current selection. {key} selects more.";
    in_profile(name) = "profile {name} · ";
    part(name, selected, all) = "{name} ({selected} of {all})";
    some_projects(selected, all) = "{selected} of {all} projects";
    one_project(name) = "project {name}";
    unknown_phases(count) = "? {count} unknown";
    NOTHING_READ = "– clusters";
    matching(shown, clusters) = " {shown} of {clusters} ";
    range(first, last, all) = " clusters {first}–{last} of {all} ";
    FULL_LOG = " full log ";
    for_duration(duration) = "  for {duration}";
    ago(duration) = "{duration} ago";
    as_of(duration, why) = "as of {duration} ago: {why}";
    more(count) = "{count} more";
    pool_version(pools, version) = "pool {pools}: {version}";
    version_expired(duration) = "  expired {duration} ago";
    version_expires(duration) = "  expires in {duration}";
    access_expires(duration) = "expires in {duration}";
    access_without_expiry(kind) = "{kind}, never expires";
    BREAKS_ON_COMPLETE = "BREAKS on complete";
    ACCESS_UNKNOWN = "unknown";
    NO_ACCESS = "none on this machine";
    retry_after(time) = "SKE asks for a pause; next request at {time}";
    RETRYING = "retrying";
    next_retry_short(when) = "next {when}";
    next_retry(duration) = "next retry in {duration}";
    scope_failing(place, reason, duration, next) = "{place}: {reason} for {duration}, {next}";
    unreachable_tail(duration, projects, next) =
        " for {duration}; {projects}, retried one at a time, {next}";
    last_known(clusters, duration) = "{clusters} as of up to {duration} ago; waiting for SKE";
    with_hint(text, hint) = "{text}; {hint}";
    rate_limited(place, time, more) = "{place}: SKE asks for a pause; next request at {time}{more}";
    NO_DATA = " No data yet.";
    data_of(time) = " Showing data of {time}.";
    get_token(key) = "Get a new token, then press {key}";
    log_in(key) = "Press {key} to log in with the stackit CLI";
    signed_out(time, reason, data, advice) = "Signed out since {time}: {reason}.{data} {advice}.";
    not_offered(regions) = "{regions} not available";
    unreadable(entries, verb) = "{entries} could not be read and {verb} not shown";
}
