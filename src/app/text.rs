//! Texts that belong to no single feature: refusals, the end of the program, the clipboard.

use crate::app::texts::texts;

texts! {
    refused(action, reason) = "{action}: {reason}";
    no_cluster(action) = "{action}: no cluster selected";
    WATCH_NO_CLUSTER = "Watch: no cluster selected";
    EVENTS_ELSEWHERE = "Events: open the nodes tab";
    OPEN_NO_CLUSTER = "Open: no cluster selected";
    OPEN_NO_ENTRY = "Open: no activity yet";
    OPEN_NOTHING = "Nothing to open here";
    COPY_NOTHING = "Nothing to copy here.";
    BACK_AT_TOP = "Back: this is the first screen; q quits";
    MARK_NO_CLUSTER = "Mark: no cluster shown";
    NO_CLUSTERS = "No clusters";
    READ_ONLY = "read-only mode; start skeys without --read-only";
    not_listed(time) = "no longer listed since {time}";
    token_rejected(time) = "SKE has rejected the token since {time}";
    theme(name) = "Theme: {name}.";
    mouse(state) = "Mouse {state}.";
    MOUSE_OFF = "off; the terminal selects text again";
    copied(how, what) = "{how}: {what}.";
    CLIPBOARD_CLEARED = "Clipboard cleared.";
    CLIPBOARD_KEPT = "Clipboard not cleared: it no longer holds the kubeconfig, or it cannot be read.";
    WRONG_ANSWER = "a request got the answer of another one";
    CLUSTER_DELETED = "the cluster was deleted";
    CLUSTER_NOT_LISTED = "the cluster is no longer listed";
    TOKEN_ACCEPTED = "Token accepted again.";
    QUIT_BEFORE_ANSWER = "skeys quit before SKE answered";
    QUIT_WHILE_SAVING = "skeys quit while saving the kubeconfig";
    QUIT_UNSAVED = "discarded, not saved: skeys quit";
    SIGN_NEVER = "never: no rotation yet";
    SIGN_PREPARING = "preparing: new keys are created, every node is replaced";
    SIGN_PREPARED = "PREPARED: update the clients, then complete";
    SIGN_COMPLETING = "completing: the old credentials are removed";
    SIGN_COMPLETED = "completed: only the new credentials work";
    SIGN_STUCK = "stuck: a running step makes no progress";
    SIGN_STALE = "stale: the last read failed";
    SIGN_UNKNOWN = "a phase that skeys does not know";
    SIGNED_OUT = "✗ signed out";
    NO_DATA = "✗ no data";
    LOADING = "◌ loading";
    live(age) = "live {age}";
    stale(age) = "stale {age}";
    TOKEN_RENEWS = ", renewed automatically";
    token_until(time) = ", until {time}";
    trace(id) = " Trace id {id}.";
    more_errors(count) = "{count} more · ";
    error_hint(more, back, copy) = "{more}{back} dismiss · {copy} copy ";
    marked(count) = "{count} marked";
    ALL_NODES = "all nodes";
    CLEAR_FILTER = "clear filter";
}
