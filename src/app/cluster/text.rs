//! Texts of the cluster screen.

use crate::app::texts::texts;

texts! {
    age(duration) = "{duration} old";
    NO_WINDOW = "no window reported";
    NO_SCHEDULE = "no schedule";
    hibernates(cron) = "hibernates {cron}";
    wakes(cron) = "wakes up {cron}";
    IDP_ON = "enabled";
    IDP_OFF = "disabled";
    NO_POOLS = "no node pools";
    NO_KUBECONFIGS = "no kubeconfig for this cluster on this machine";
    NOT_READ = "not read yet";
    not_listed(time) = "no longer listed since {time}; the data shown is from the last read";
    ADVICE_START =
        "Starting creates new keys and replaces every node; old and new credentials then both work until the rotation is completed.";
    ADVICE_START_OLD_VERSION =
        "Starting creates new keys and replaces every node; old and new credentials then both work until the rotation is completed, except for static tokens: they stop working at the start.";
    ADVICE_PREPARED =
        "Old and new credentials both work until the rotation is completed. SKE sets no deadline: complete as soon as every client is updated.";
    ADVICE_COMPLETING =
        "SKE removes the old certificate authority and signing key; clients that were not updated are rejected.";
    ADVICE_UNKNOWN = "skeys offers neither start nor complete in an unknown phase.";
    LABEL_PHASE = "phase";
    LABEL_STATE = "state";
    LABEL_KUBERNETES = "Kubernetes";
    LABEL_CREATED = "created";
    LABEL_CREDENTIALS = "credentials";
    LABEL_READ = "read";
    LABEL_PROJECT = "project";
    LABEL_PROJECT_ID = "project ID";
    LABEL_MAINTENANCE = "maintenance";
    LABEL_HIBERNATION = "hibernation";
    LABEL_IDP = "IDP access";
    LABEL_ERRORS = "SKE reports";
    UTC = "UTC";
    ago(duration) = "{duration} ago";
    window(begin, end) = "{begin}–{end} UTC";
    COLUMN_POOL = "POOL";
    COLUMN_NODES = "NODES";
    COLUMN_NOW = "NOW";
    COLUMN_SURGE = "SURGE";
    COLUMN_UNAVAILABLE = "UNAV";
    COLUMN_ZONES = "ZONES";
    COLUMN_MACHINE = "MACHINE";
    COLUMN_IMAGE = "IMAGE";
    PROTECTED = "  PROTECTED";
}
