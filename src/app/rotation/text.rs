//! Texts about rotations: the dialog, a sent step, the four steps.

use crate::app::texts::texts;

texts! {
    WAITING = "Waiting for SKE to show the change (usually under 3 minutes).";
    log_step(step, event) = "{step}: {event}";
    answer_accepted(status) = "accepted ({status})";
    LOG_UNSEEN = "accepted, but SKE shows no change";
    log_unclear(failure) = "no clear answer: {failure}";
    unclear(cluster, step) =
        "{cluster}: SKE gave no clear answer. Checking whether the {step} took effect.";
    LOG_NOT_SENT_CHANGED = "not sent: the cluster changed";
    log_not_sent(reason) = "not sent: {reason}";
    log_refused(failure) = "refused: {failure}";
    accepted(time, cluster) = "Accepted at {time} for {cluster}.";
    changed_not_sent(cluster, change) = "{cluster}: {change}; nothing was sent";
    of_cluster(cluster, event) = "{cluster}: {event}";
    START_NOT_SEEN = "SKE shows no started rotation. You can start it again.";
    COMPLETE_NOT_SEEN = "SKE shows no completion. You can complete the rotation again.";
    LOG_NOT_HAPPENED = "read back: the step did not happen";
    accepted_waiting(accepted, waiting) = "{accepted} {waiting}";
    accepted_shown(accepted, phase) = "{accepted} SKE shows {phase}.";
    START_SEEN = "The rotation started: SKE shows it, although it gave no clear answer. Someone else may have started it.";
    COMPLETE_SEEN = "The rotation is completing: SKE shows it, although it gave no clear answer. Someone else may have completed it.";
    LOG_HAPPENED = "read back: the step happened; the request may be someone else's";
    RECREATED = "the cluster was deleted and recreated";
    phase_changed(before, after) = "the phase changed from {before} to {after}";
    TIMES_CHANGED = "the rotation times changed; someone else may have acted";
    state_changed(before, after) = "the state changed from {before} to {after}";
    not_listed(cluster) = "{cluster} is no longer listed";
    MAYBE_DELETED = "The cluster may have been deleted";
    still_waiting(cluster, time) =
        "{cluster}: accepted at {time}, but SKE does not show the change yet; skeys keeps checking";
    unseen(step, time) =
        "The {step} was accepted at {time}, but SKE has not shown it since. You can send it again.";
    unseen_shown(step, phase) = "The {step} took effect after all: SKE shows {phase}.";
    send_again(step, time) =
        "A {step} was accepted at {time}, but SKE has not shown it since. This sends another request.";
    LOST = "Result unknown: SKE does not answer. skeys does not send the request again.";
    LOG_LOST = "read back: SKE does not answer";
    name_missing(name) = "type {name} to confirm";
    NAME_BLANK = "there is a space before or after the name";
    NAME_CASE = "upper and lower case differ";
    name_differs(name) = "the name is not {name}";
    NAME_PASTED = "type the name; pasting is disabled here";
    READ_ONLY = "read-only mode";
    refused(step, reason) = "{step}: {reason}";
    log_request(step) = "{step} credentials rotation";
    API_CALL = "API call";
    pending_sending(step) = "the {step} request is being sent";
    pending_accepted(time, waited) = "accepted at {time}; waiting for SKE to show the change for {waited}";
    pending_read_back(step, left) = "checking whether the {step} took effect, for up to {left}";
    pending_lost(step) = "unknown whether the {step} took effect until the next successful read";
    START_TITLE = "Start credentials rotation";
    START_STEP = "step 2 of 4";
    COMPLETE_TITLE = "Complete credentials rotation";
    COMPLETE_STEP = "step 4 of 4";
    BOTH_WORK = "Old and new credentials both work until you complete.";
    static_tokens_stop(reason) = "Static tokens stop working now: {reason}.";
    STATIC_TOKENS_STOP = "Static tokens stop working now.";
    static_kubeconfigs_stop(reason) = "Kubeconfigs with a static token stop working now: {reason}.";
    STATIC_TOKENS_QUIET = "Static tokens, if any, stop working.";
    static_tokens_quiet(note) = "Static tokens, if any, stop working now ({note}).";
    BEFORE_START = "the start";
    old_credentials_stop(time) = "All credentials issued before {time} stop working.";
    old_authority_stops(time) =
        "The old certificate authority, the old signing key, and every kubeconfig and token issued before {time} stop working.";
    CANNOT_UNDO = "This cannot be undone.";
    ONE_ROTATION = "No other rotation can start until this one is completed.";
    CANNOT_CANCEL = "This cannot be cancelled.";
    nodes_replaced_short(count) = "Every node ({count}) is replaced.";
    nodes_replaced(count, together) =
        "Every node ({count}) is replaced, at most {together} at a time; pods are evicted and restart elsewhere.";
    CHECKING = "checking …";
    checked(duration) = "checked {duration} ago";
    SENDING = "Reading the cluster again, then sending …";
    ROTATION_STARTED = "the rotation started";
    ROTATION_COMPLETED = "the rotation was completed";
    checking_effect(effect) = "SKE gave no clear answer. Checking whether {effect} …";
    type_name(name, step) = "type {name} to {step}: ";
    terminal_too_small(columns, rows) =
        "the terminal is too small to show what stops working; {columns}x{rows} at least";
    accept(findings) = "accept the risk ({findings})";
    FINDING = "finding";
    FINDINGS = "findings";
    NAME_COMPLETE = "the name matches";
    NAME_WRONG = "not the name";
    characters_left(characters) = "{characters} to go";
    CLOSE = "Close";
    START = "Start rotation";
    COMPLETE = "Complete rotation";
    gone_since(time) = "no longer listed since {time}";
    next_renew(kubeconfigs) =
        "renew {kubeconfigs} that would stop working, update other clients, then complete";
    NEXT_UNHEALTHY = "the cluster is unhealthy: check its nodes, then reconcile it";
    NEXT_START = "start a rotation; this cluster was never rotated";
    NEXT_START_UNKNOWN_AGE = "start a rotation; SKE does not report when the last one started";
    NEXT_UPDATE_CLIENTS = "update clients, then complete; old credentials work until then";
    next_wait_for_nodes(left) = "wait until all nodes are new{left}; old credentials work";
    NEXT_COMPLETING = "wait; SKE removes the old credentials";
    next_start(age) = "start a rotation; the credentials are {age} old";
    next_unknown_phase(phase) = "check the portal; skeys does not know the phase {phase}";
    NEXT_NO_PHASE = "check the portal; SKE reports no phase";
    credentials_age(age) = "; the credentials are {age} old";
    next_nothing(age) = "nothing to do{age}";
    sending(step) = "Sending the {step} request …";
    accepted_and_waiting(time) = "Accepted at {time}. Waiting for SKE to show the change (usually under 3 minutes).";
    checking_effect_for(effect, left) =
        "SKE gave no clear answer. Checking whether {effect}, for up to {left} …";
    KEY_START = "start the rotation";
    KEY_COMPLETE = "complete the rotation";
    KEY_CREDENTIALS = "show what stops working, and renew it";
    KEY_CHECKLIST = "list other clients; mark updated ones";
    KEY_NODES = "show the nodes";
    KEY_RECONCILE = "reconcile the cluster";
    key_refused(key, action, reason) = "{key}  {action}: not now, {reason}";
    since(duration) = "  {duration} ago";
    for_duration(duration) = "  for {duration}";
    doubtful_times(reason) = "SKE reports inconsistent times: {reason}";
    as_of(duration) = "as of {duration} ago: ";
    USUAL_NODE_TIME = "7–10m per node; several at a time if surge allows";
    nodes_fixed(count, pools) = "{count} in {pools}";
    nodes_range(min, max, pools) = "{min}–{max} in {pools}";
    STEP_1 = "1 get access";
    STEP_2 = "2 start";
    STEP_3 = "3 update clients";
    STEP_4 = "4 complete";
    ACCESS_STATIC = "yours stops working on start";
    ACCESS_OLD = "yours was issued before the start";
    access_expires(duration) = "yours expires in {duration}";
    access_kind(kind) = "yours: {kind}";
    ACCESS_UNKNOWN = "unknown whether yours works";
    ACCESS_NOT_IN_FILE = "unknown whether yours was kept";
    ACCESS_DEAD = "yours no longer works";
    ACCESS_NONE = "none on this machine";
    SENT = "sent; see below";
    UNDO_NOT_POSSIBLE = "cannot be undone";
    NEVER_ROTATED = "never rotated";
    DUE_NEVER_ROTATED = "due: never rotated";
    AFTER_NODES = "after all nodes are new";
    preparing_for(duration) = "preparing for {duration}";
    PREPARING = "preparing";
    DROPPING = "removing old credentials";
    phase(name) = "phase {name}";
    DUE_YOURS = "due: you must do this";
    due_breaking(kubeconfigs) = "due: {kubeconfigs} to renew";
    BEFORE_COMPLETE = "before complete";
}
