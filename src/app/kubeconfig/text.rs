//! Texts of the kubeconfig form and of deliveries.

use crate::app::texts::texts;

texts! {
    expiring(duration) = ", expires in {duration}";
    not_saved(cluster, expiry, key, same_cluster, more) =
        "The kubeconfig of {cluster} is not saved{expiry}. {key} on {same_cluster} saves or discards it.{more}";
    LOG_ISSUED_SHORTER = "issued, valid for less time than requested";
    expires_at(time) = " It expires {time}.";
    issued_not_saved(cluster, expiry) = "SKE issued the kubeconfig of {cluster}; it is not saved yet.{expiry}";
    MAYBE_ISSUED = "A kubeconfig may have been issued and cannot be recovered";
    expires_anyway(time) = "; it expires {time}";
    kubeconfig_of(cluster) = "kubeconfig of {cluster}";
    STDOUT_AFTER_EXIT = "standard output when skeys exits";
    delivered(cluster, place) = "Kubeconfig of {cluster} → {place}";
    copied(how, cluster) = "{how}: kubeconfig of {cluster}";
    expiring_at(time) = ", expires {time}";
    SHORTER = " (less time than requested)";
    log_delivered(place) = "kubeconfig → {place}";
    UNLESS_REPLACED = " unless the clipboard changes";
    cleared_in(seconds, unless) = "cleared in {seconds}s{unless}";
    log_discarded(why) = "discarded, not saved: {why}";
    CONTEXT_NAME_MISSING = "The context needs a name.";
    FILE_PATH_MISSING = "The file needs a path.";
    CHECKING_DESTINATION = "Checking the destination …";
    ISSUE_DISABLING_STATIC_TOKENS = "Issue and disable static tokens";
    USE_ANOTHER_NAME = "Use another name";
    KEEP_EDITING = "Keep editing";
    CLOSE_FORM = "Close the form";
    CHOOSE_DESTINATION = "Choose another destination";
    DISCARD_KUBECONFIG = "Discard the kubeconfig";
    cluster_in(name, region, project) = "{name} in {region}, project {project}";
    stopped_waiting(time) =
        "Stopped waiting. If SKE still issues the kubeconfig, skeys keeps it to be saved; it expires by {time}.";
    STOPPED_WAITING = "Stopped waiting. If SKE still returns the kubeconfig, skeys keeps it to be saved.";
    LOG_DISCARDED = "discarded, not saved";
    READ_ONLY = "Kubeconfig: read-only mode";
    log_request_for(kind, lifetime) = "{kind} kubeconfig for {lifetime}";
    log_request(kind) = "{kind} kubeconfig";
    FILE_CHANGED = "The file changed on disk. Review the result, then save.";
    not_listed(cluster) = "{cluster} is no longer listed";
    ONE_WAY =
        "This cluster may still offer static-token kubeconfigs. Issuing an expiring kubeconfig permanently disables them; existing static tokens keep working until a rotation starts.";
    TITLE = "New kubeconfig";
    KIND_ADMIN = "cluster-admin; expires automatically";
    KIND_LOGIN = "the stackit CLI signs in on each use; contains no secret";
    KIND_IDP = "signs in through the identity provider; grants no permissions on its own";
    preset_hint(keys) = "   {keys} preset";
    issued_until(time) = "issued; expires {time}";
    valid_until(time) = "expires {time} at the latest";
    ONLY_ROTATION_REVOKES = "can be revoked only by a rotation";
    YOUR_KUBECONFIG = "your kubeconfig";
    merge_into(path) = "merge into {path}";
    clipboard_hint(route, seconds) = "   {route}, cleared after {seconds}s";
    STDOUT_HINT = "   printed when skeys exits";
    BECOMES_CURRENT = "becomes the current context";
    BECOMES_CURRENT_SHORT = "becomes current";
    MAKE_CURRENT = "make it the current context";
    MAKE_CURRENT_SHORT = "make it current";
    NO_FILE = "no file is written";
    COPIES_REMAIN = "admin credential: clipboard managers and scrollback may keep copies";
    IDP_OFF = "SKE reports IDP access as disabled for this cluster; SKE may refuse";
    HIBERNATED = "the cluster is hibernated: the kubeconfig works after wake-up";
    creates(file) = "Creates {file} (mode 0600)";
    changes(file, mode) = "{file}, mode {mode}; a backup is kept";
    replaces(file, mode) = "{file} exists (mode {mode}); skeys asks before replacing it";
    link_to(target) = "→ symbolic link to {target}";
    ASKS_BEFORE_REPLACING = "skeys asks before replacing";
    exists_already(owner, names, what) = "! already exists{owner}: {names}; {what}";
    others_untouched(contexts) = "= {contexts} unchanged";
    ISSUED_UNSAVED = "The kubeconfig is issued but not saved yet.";
    requesting(age) = "requesting from SKE …{age}";
    SAVING = "saving …";
    ISSUED_KEPT = "The kubeconfig is issued and held in memory; choose a destination.";
    another_name(name) = " Another name: {name}.";
    ask_replace(owner, names, other) = "Already exists{owner}: {names}. Replace?{other}";
    ASK_CLOSE = "The form has changes. Close it?";
    ASK_DISCARD = "The issued kubeconfig is not saved. Discard it?";
    STOP_WAITING = "Stop waiting";
    ISSUE = "Issue kubeconfig";
    SAVE = "Save kubeconfig";
    COPY = "Copy kubeconfig";
    PRINT = "Print on exit";
}
