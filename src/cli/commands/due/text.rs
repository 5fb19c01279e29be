//! Texts of `skeys due`.

use crate::app::texts::texts;

texts! {
    COLUMN_CLUSTER = "CLUSTER";
    COLUMN_DUE = "DUE";
    COLUMN_DETAIL = "DETAIL";
    nothing(clusters) = "nothing is due in {clusters}";
    nothing_listed(clusters) = "nothing is due in the {clusters} that could be listed";
    NOTHING_LISTED = "no clusters could be listed";
    CLUSTER = "cluster";
    CLUSTERS = "clusters";
    STUCK = "stuck";
    PREPARED = "PREPARED";
    UNKNOWN_PHASE = "unknown phase";
    NO_PHASE = "SKE reports no readable phase";
    other_phase(phase) = "SKE reports the phase {phase}, which this version of skeys does not know";
    OVERDUE = "overdue";
    NEVER_ROTATED = "never rotated";
    UNKNOWN_AGE = "age unknown";
    KUBECONFIG = "kubeconfig";
    KUBERNETES_VERSION = "Kubernetes version";
    IMAGE = "OS image";
    started(age) = "rotation started {age} ago";
    STARTED_UNKNOWN = "SKE does not report when the rotation started";
    complete(started) = "{started}; update clients, then complete";
    age(age, limit) = "credentials are {age} old; allowed: {limit}";
    AGE_UNKNOWN = "SKE does not report when the cluster was created";
    START_UNKNOWN = "SKE does not report when the last rotation started";
    completed(age, limit) = "SKE does not report when the last rotation started; it was completed {age} ago; allowed: {limit}";
    expires(subject, left) = "{subject} expires in {left}";
    expired(subject, age) = "{subject} expired {age} ago";
    credential(kind, location) = "{kind} in {location}";
    pool(image, pool) = "{image} of pool {pool}";
    not_listed(project, region, why) = "not listed: project {project}, region {region}: {why}";
    not_offered(region) = "region {region} is not available; nothing was listed there";
    not_read(path, why) = "{path}: not read: {why}";
    METRIC_LISTED = "Whether the clusters of a project and region could be listed in full";
    METRIC_CHECKED = "When this was checked, in seconds since 1970";
    METRIC_DUE = "Number of due items, by reason";
    METRIC_AGE = "Age of the credentials";
    METRIC_LIMIT = "Allowed age of the credentials";
    METRIC_PHASE = "Phase of the rotation, always 1";
    METRIC_VERSION = "When the Kubernetes version of a cluster or node pool expires, in seconds since 1970";
    METRIC_IMAGE = "When the operating system image of a node pool expires, in seconds since 1970";
    METRIC_KUBECONFIG = "When a kubeconfig on this machine expires, in seconds since 1970";
}
