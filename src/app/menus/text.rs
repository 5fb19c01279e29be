//! Texts of list menus.

use crate::app::texts::texts;

texts! {
    LOGIN_CACHE = "remove the login cache of the stackit CLI (all clusters)";
    RESTART = "restart pods that lack the new CA";
    TEAM_MESSAGE = "message to the team";
    FILTER = "filter";
    OPEN = "open";
    SORT_HINT = "select again to reverse";
    NO_COMMAND = "no matching command";
    NOTHING = "nothing to select";
    NO_ROOM_BESIDE_PREVIEW = "no room beside the preview";
    NO_ROOM = "no room on this screen";
    hides_preview(key) = "{key} hides the preview";
    ERROR = "full error";
    ENTRY = "this entry, on one line";
    ENTRY_TRACE = "its trace ID";
    MARKED = "marked names";
    CLUSTER = "cluster name";
    PROJECT = "project ID";
    WATCH_NODES = "watch the nodes";
    WITHOUT_CONTEXT = "kubectl without --context: no kubeconfig known";
    without_context(label) = "{label} (without --context)";
    NODE = "node name";
    DESCRIBE_NODE = "describe the node";
    api_call(step) = "API call: {step}";
    SKE_ERROR = "SKE error";
    ONE_CLUSTER = "cluster";
    CLUSTERS = "clusters";
    ONE_RECORD = "record";
    RECORDS = "records";
    ONE_NODE = "node or blocker";
    NODES_AND_BLOCKERS = "nodes and blockers";
    ONE_CLIENT = "client";
    CLIENTS = "clients";
    ONE_CREDENTIAL = "credential";
    CREDENTIALS = "credentials";
    exported_as(what, format) = "{what} as {format}";
    exported_to(what, path) = "Exported {what} to {path}";
    to_file(folder) = "new file in {folder}";
    TO_CLIPBOARD = "clipboard";
    EXPORT_READ_ONLY = "Export: read-only mode writes no file; export to the clipboard";
    EXPORT_NOTHING = "Export: nothing is listed here";
    SCOPE = "Scope";
    SCOPE_HINT = "type to search";
    SCOPE_PROFILE = "profile";
    SCOPE_REGION = "region";
    SCOPE_PROJECT = "project";
    NO_PROFILE = "none: only settings outside of profiles";
    ALL_REGIONS = "all";
    all_projects(projects) = "all: {projects}";
    others_too(projects) = "all: {projects}, including those not configured";
    configured_projects(projects, origin) = "configured: {projects}, set by {origin}";
    others_unknown(projects, why) = "all: {projects}; others unknown: {why}";
    LAST_TRACE = "last trace ID";
}
