//! Texts of the checklist.

use crate::app::texts::texts;
use crate::domain::checklist::ChecklistClient;
use crate::domain::known_checklist::ChecklistSource;

texts! {
    COLUMN_CLIENT = "CLIENT";
    COLUMN_OWNER = "OWNER";
    COLUMN_DONE = "NEW CREDENTIALS";
    COLUMN_NOTE = "NOTE";
    FIELD_CLIENT = "client";
    FIELD_OWNER = "owner";
    FIELD_NOTE = "note";
    EMPTY = "No clients listed.";
    WHAT_FOR =
        "List the clients that no program can find: CI, GitOps, monitoring, backup, other people. Each needs new credentials between start and complete.";
    READING = "reading the checklist";
    count(done, all) = "{done} of {all} have the new credentials";
    count_outdated(done, all) = "{done} of {all} have the new credentials, as far as known";
    NO_ROTATION = "clients can be marked as done once a rotation has started";
    LOCAL = "kept on this machine; S shares it with colleagues";
    local_unseen(why) = "kept on this machine; unknown whether colleagues share one: {why}";
    SHARED = "shared: ConfigMap default/skeys-checklist of this cluster";
    shared_outdated(why) = "shared; currently not read: {why}";
    copy(why) = "shared, but not read: {why}; the list is shown as last written from this machine and cannot be changed now";
    COPY_OF_REMOVED = "no longer shared: ConfigMap default/skeys-checklist is not in the cluster; the list is shown as last written from this machine; S shares it again, any change keeps it here";
    unreadable(why) = "ConfigMap default/skeys-checklist of this cluster cannot be read: {why}";
    note(text) = "checklist: {text}";
    failed(why) = "the checklist of this machine cannot be read: {why}";
    only_here(names) = "only on this machine: {names}; S adds them to the shared list";

    ADD_TITLE = "Add a client";
    edit_title(name) = "Client {name}";
    remove_title(name) = "Remove {name}";
    SHARE_TITLE = "Share the checklist";
    UNSHARE_TITLE = "Stop sharing the checklist";
    SAVE = "Save";
    REMOVE = "Remove";
    SHARE = "Share";
    UNSHARE = "Stop sharing";
    CANCEL = "Cancel";
    REMOVES = "The client is removed from the checklist.";
    SHARES =
        "The list is written to ConfigMap default/skeys-checklist of the cluster. Everyone who can read ConfigMaps in that namespace sees names, owners and notes; everyone who can write them can change the list. Do not put secrets in it.";
    UNSHARES =
        "ConfigMap default/skeys-checklist is deleted in the cluster. The list is kept on this machine; colleagues no longer see it.";
    WRITING = "writing";
    NAME_MISSING = "enter a name";

    ELSEWHERE = "Open the checklist tab.";
    NO_CLIENT = "No clients listed; a adds one.";
    NOT_NOW = "The checklist cannot be changed now.";
    NOT_STARTED = "Clients can be marked as done once SKE reports the start of a rotation.";
    NOT_OBSERVED = "The checklist can be shared only while the cluster is observed.";
    log_added(name) = "checklist: {name} added";
    log_changed(name) = "checklist: {name} changed";
    log_done(name) = "checklist: {name} done";
    log_open(name) = "checklist: {name} open again";
    log_removed(name) = "checklist: {name} removed";
    LOG_SHARE = "checklist: share in ConfigMap default/skeys-checklist";
    LOG_UNSHARE = "checklist: delete ConfigMap default/skeys-checklist";
    log_failed(failure) = "checklist not written: {failure}";

    open(name) = "checklist client without new credentials: {name}";
    open_of_owner(name, owner) = "checklist client without new credentials: {name} ({owner})";
    COPY = "checklist (Markdown)";
    DONE = "done";
    OPEN = "open";
}

/// A client that still needs new credentials.
pub fn open_client(client: &ChecklistClient) -> String {
    match client.owner.as_str() {
        "" => open(&client.name),
        owner => open_of_owner(&client.name, owner),
    }
}

/// Why there is no list, if so.
pub fn unreadable_source(source: &ChecklistSource) -> Option<String> {
    match source {
        ChecklistSource::Reading => Some(READING.to_owned()),
        ChecklistSource::Unreadable(why) => Some(unreadable(why)),
        ChecklistSource::Failed(failure) => Some(failed(failure)),
        ChecklistSource::Local
        | ChecklistSource::LocalUnseen
        | ChecklistSource::Shared { .. }
        | ChecklistSource::Copy
        | ChecklistSource::CopyOfRemoved => None,
    }
}

/// Why a list that is not current may be outdated; `why` the shared one is not read.
pub fn outdated(source: &ChecklistSource, why: &str) -> String {
    match source {
        ChecklistSource::Shared { .. } => shared_outdated(why),
        ChecklistSource::Copy => copy(why),
        ChecklistSource::CopyOfRemoved => COPY_OF_REMOVED.to_owned(),
        ChecklistSource::Local
        | ChecklistSource::LocalUnseen
        | ChecklistSource::Reading
        | ChecklistSource::Unreadable(_)
        | ChecklistSource::Failed(_) => local_unseen(why),
    }
}
