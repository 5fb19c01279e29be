//! Texts of wake-up and reconcile.

use crate::app::texts::texts;

texts! {
    accepted(cluster, verb) = "{cluster}: {verb} accepted.";
    log_accepted(verb, status) = "{verb}: accepted ({status})";
    log_failed(verb, cluster, failure) = "{verb} of {cluster}: {failure}";
    WAKE_UP =
        "SKE creates the nodes again and workloads start. A hibernation schedule may hibernate the cluster again.";
    RECONCILE =
        "SKE reconciles the cluster with its configuration. Workloads keep running unless something has drifted.";
    closed(action) = "{action}: closed after the machine slept. Check the cluster and ask again.";
    ONE_REQUEST = "One request is sent to SKE.";
}
