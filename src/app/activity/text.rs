//! Texts of the activity.

use crate::app::texts::texts;

texts! {
    NONE_HERE = "No activity for this cluster yet.";
    NONE = "No activity yet. Actions and observed changes appear here.";
    TITLE = " activity, newest first ";
    title_range(first, last, all) = " activity {first}–{last} of {all}, newest first ";
    COLUMN_AT = "TIME";
    COLUMN_OUTCOME = "OUTCOME";
    COLUMN_STEP = "STEP";
    COLUMN_CLUSTER = "CLUSTER";
    COLUMN_REGION = "REGION";
    COLUMN_PROJECT = "PROJECT ID";
    COLUMN_BY = "BY";
    COLUMN_TEXT = "TEXT";
    COLUMN_EXPIRES = "EXPIRES";
    COLUMN_TRACE = "TRACE ID";
    observed_as(who) = "observed by skeys, signed in as {who}";
    cluster(name, region, project) = "{name}, region {region}, project {project}";
    PATH = "ACTIVITY";
    LABEL_WHEN = "when";
    LABEL_WHO = "who";
    LABEL_CLUSTER = "cluster";
    LABEL_ACTION = "action";
    LABEL_REQUEST = "request";
    LABEL_TRACE = "trace id";
    action(action, outcome) = "{action}: {outcome}";
    trace(id) = "trace {id} ";
    IN_UTC = " UTC ";
    IN_LOCAL_TIME = " local time ";
    TITLE_EMPTY = " activity ";
    TITLE_ENTRY = " entry ";
}
