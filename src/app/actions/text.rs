//! Texts of wake-up and reconcile.

use crate::app::texts::texts;

texts! {
    accepted(cluster, verb) = "{cluster}: {verb} accepted.";
    log_accepted(verb, status) = "{verb}: accepted ({status})";
    log_failed(verb, cluster, failure) = "{verb} of {cluster}: {failure}";
    WAKE_UP =
        "SKE starts the cluster again. A hibernation schedule may hibernate the cluster again.";
    RECONCILE =
        "SKE reconciles the cluster with its configuration.";
    closed(action) = "{action}: closed because this machine was suspended. Check the cluster, then try again.";
    CANCEL = "Cancel";
}
