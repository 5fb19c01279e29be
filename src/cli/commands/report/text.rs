//! Texts of `skeys report`.

use crate::app::texts::texts;

texts! {
    title(cluster) = "Rotations of {cluster}";
    source(journal, time) =
        "From the journal of this machine ({journal}), read at {time}. Times are UTC by this machine's clock. A phase may have changed before skeys saw it. Actions of others are included only as far as skeys saw them.";
    cut(limit) = "Only the last {limit} MiB of the journal were read: older rotations are missing, and the oldest one listed may be incomplete.";
    skipped(lines) = "Left out: {lines} that could not be read.";
    LINE = "line";
    LINES = "lines";
    NO_ROTATION = "The journal contains no rotation of this cluster.";
    rotation(day, outcome) = "{day}: {outcome}";
    UNDATED = "undated";
    NOT_STARTED = "not started";
    START_UNKNOWN = "unknown whether it started";
    OPEN = "not completed as far as skeys saw";
    COMPLETE_ACCEPTED = "complete accepted; completion not seen";
    COMPLETED = "completed";
    started(time) = "SKE reports its start at {time}.";
    missed(time) = "by {time}, while skeys did not run";
    STARTED_BY_OTHERS = "The start was not sent by skeys on this machine, or was sent before the journal begins.";
    COMPLETED_BY_OTHERS = "The completion was not sent by skeys on this machine.";
    CONTINUED = "A later rotation began, or the cluster was recreated.";
    found(step, time) = "Findings before {step}, {time}";
    ACCEPTED_FINDINGS = "Findings that were accepted";
    accepted(step, time, findings) = "{step}, {time}: {findings}";
    STEPS = "Steps";
    PHASES = "Phases";
    KUBECONFIGS = "Kubeconfigs";
    BLOCKERS = "Rollout and blockers";
    CHECKLIST = "Checklist";
    PROOF = "Credentials tried after completion";
    OTHERS = "Other records";
    TRACES = "Trace IDs";
    COLUMN_TIME = "time";
    COLUMN_STEP = "step";
    COLUMN_BY = "by";
    COLUMN_OUTCOME = "outcome";
    COLUMN_ANSWER = "answer";
    COLUMN_TRACE = "trace ID";
    COLUMN_SEEN = "observed";
    COLUMN_FROM = "from";
    COLUMN_TO = "to";
    COLUMN_LASTED = "lasted";
    COLUMN_TEXT = "what";
    COLUMN_EXPIRES = "expires";
    NO_ANSWER = "no answer recorded";
    SHARED_ID = "another run used the same request ID at the same time; the answers cannot be told apart";
    NO_FOLDER = "there is no state folder, so no journal";
    nothing(journal, cluster) = "the journal ({journal}) has no record of {cluster}";
    older(limit) = "; only its last {limit} MiB were read";
    unread(lines) = "; {lines} could not be read";
    ambiguous(name, clusters) =
        "the journal has several clusters named {name}: {clusters}. Select one with --project or --region, or by its full address";
}
