//! A request's view of a cluster's objects: times by the cluster's clock, and changes by faults.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::simulator::cluster::nodes::NODE_AGENT_SECRET_LABEL;
use crate::simulator::speed::{later, rfc3339};

/// A request's view of objects.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView {
    pub now: Timestamp,
    /// The cluster's clock minus ours.
    pub skew: SignedDuration,
    /// Nodes have no generation label.
    pub strip_labels: bool,
    /// Node names and event messages contain control characters.
    pub escape: bool,
}

impl ObjectView {
    /// Objects without changes.
    pub fn plain(now: Timestamp) -> Self {
        Self { now, skew: SignedDuration::ZERO, strip_labels: false, escape: false }
    }

    /// The time by the cluster's clock.
    pub fn clock(&self) -> Timestamp {
        later(self.now, self.skew)
    }

    /// A time in the API's format.
    pub fn time(&self, at: Timestamp) -> Value {
        rfc3339(later(at, self.skew)).into()
    }

    /// The displayed name of a node.
    pub fn node_name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.escape && !name.is_empty() {
            Cow::Owned(format!("{name}\u{1b}[2J\u{7}"))
        } else {
            Cow::Borrowed(name)
        }
    }

    /// The displayed message of an event.
    pub fn message<'a>(&self, message: &'a str) -> Cow<'a, str> {
        if self.escape {
            Cow::Owned(format!("\u{1b}]0;owned\u{7}\u{1b}[31m{message}\r\n\u{9b}5A"))
        } else {
            Cow::Borrowed(message)
        }
    }

    /// Whether a label is visible.
    pub fn shows_label(&self, key: &str) -> bool {
        !(self.strip_labels
            && matches!(key, NODE_AGENT_SECRET_LABEL | "node.gardener.cloud/machine-name"))
    }
}

/// A duration in kubectl's age format (`duration.HumanDuration`).
pub fn age(lasts: SignedDuration) -> String {
    let seconds = lasts.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let days = hours / 24;
    let pair = |most: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{most}{unit}") } else { format!("{most}{unit}{rest}{small}") }
    };
    match seconds {
        ..-1 => "<invalid>".to_owned(),
        -1 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::simulator::kubernetes::object_view::age;

    #[test]
    fn ages_read_as_kubectl_writes_them() {
        for (seconds, text) in [
            (-5, "<invalid>"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (3_000, "50m"),
            (3 * 3_600 + 60, "3h1m"),
            (47 * 3_600, "47h"),
            (49 * 3_600, "2d1h"),
            (100 * 86_400, "100d"),
            (800 * 86_400, "2y70d"),
        ] {
            assert_eq!(age(SignedDuration::from_secs(seconds)), text);
        }
    }
}
