//! Journal entries of actions: who, which cluster, which step, which request, and the outcome. Never secrets.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::age::DisplayZone;
use crate::domain::cluster::ClusterId;
use crate::domain::lenient::or_default;

/// Two instances of the program observe the same change within this time; later, it is another change.
const SAME_CHANGE: SignedDuration = SignedDuration::from_mins(15);

/// One line of the journal and of the activity view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// When, by our clock.
    pub at: Timestamp,
    /// The account's name, or "?" if unknown.
    pub who: String,
    /// The cluster; `None` if no single one is concerned.
    #[serde(flatten)]
    pub cluster: Option<ClusterId>,
    /// The action ("start", "complete", "kubeconfig", "save", "copy", "wake up", "reconcile", "phase", "roll",
    /// "credentials", "forget", "checklist").
    #[serde(rename = "step")]
    pub action: String,
    /// Request id, the same on all its lines. In lines of older versions it is unique only within one run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    pub outcome: Outcome,
    /// One sentence for display; without times, since the reader chooses the time zone.
    pub text: String,
    /// When the subject of the record expires. Older lines have it in their text; a malformed value is ignored.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The server's `x-trace-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Findings before the step, each with its mark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
    /// The start, as reported by SKE, of the rotation that the record is about; `None` if unknown, and in older lines.
    #[serde(default, deserialize_with = "or_default", skip_serializing_if = "Option::is_none")]
    pub rotation_started: Option<Timestamp>,
}

impl Record {
    /// Sets the request and its trace id.
    #[must_use]
    pub fn about(mut self, request: impl Into<String>, trace: Option<String>) -> Self {
        self.request = Some(request.into());
        self.trace = trace;
        self
    }

    /// Sets when the subject of the record expires.
    #[must_use]
    pub fn ending(mut self, expires: Option<Timestamp>) -> Self {
        self.expires = expires;
        self
    }

    /// Sets the reported start of the rotation that the record is about.
    #[must_use]
    pub fn of_rotation(mut self, started: Option<Timestamp>) -> Self {
        self.rotation_started = started;
        self
    }

    /// The sentence including the expiry, in this zone.
    pub fn sentence(&self, zone: &DisplayZone) -> String {
        match self.expires {
            Some(at) => format!("{}, expires {}", self.text, zone.full(at)),
            None => self.text.clone(),
        }
    }

    /// The complete record in one self-contained line: time in UTC, full ids.
    pub fn line(&self) -> String {
        let at = self.at.strftime("%Y-%m-%dT%H:%M:%SZ");
        let mut line = format!("{at} {} {}", self.outcome.label(), self.action);
        if let Some(id) = &self.cluster {
            let (region, project) = (id.region(), id.project());
            line.push_str(&format!(" {} (region {region}, project {project})", id.name));
        }
        line.push_str(&format!(" by {}: {}", self.who, self.sentence(&DisplayZone::UTC)));
        if let Some(started) = self.rotation_started {
            line.push_str(&format!(
                "; rotation started {}",
                started.strftime("%Y-%m-%dT%H:%M:%SZ")
            ));
        }
        if let Some(request) = &self.request {
            line.push_str(&format!("; request {request}"));
        }
        if let Some(trace) = &self.trace {
            line.push_str(&format!("; trace id {trace}"));
        }
        line
    }
}

/// Records, oldest first, without duplicate observations by other instances of the program.
pub fn without_duplicates(mut records: Vec<Record>) -> Vec<Record> {
    let mut last: BTreeMap<(ClusterId, String), (Timestamp, String, Option<Timestamp>)> =
        BTreeMap::new();
    records.retain(|record| {
        let Some(id) = record.cluster.as_ref().filter(|_| record.outcome == Outcome::Observed)
        else {
            return true;
        };
        let subject = (id.clone(), record.action.clone());
        let again = last.get(&subject).is_some_and(|(at, text, started)| {
            let is_another =
                record.rotation_started.is_some_and(|own| started.is_some_and(|it| it != own));
            !is_another && *text == record.text && record.at.duration_since(*at).abs() < SAME_CHANGE
        });
        if !again {
            last.insert(subject, (record.at, record.text.clone(), record.rotation_started));
        }
        !again
    });
    records
}

/// Outcome of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// About to be sent; the next line about the same request has its outcome.
    Intended,
    /// Accepted by the server, or done.
    Done,
    /// Refused by the server, or failed without effect.
    Refused,
    /// Not known yet.
    Unknown,
    /// Observed rather than done; earlier versions wrote "seen".
    #[serde(alias = "seen")]
    Observed,
}

impl Outcome {
    /// The word in the journal.
    pub fn label(self) -> &'static str {
        match self {
            Self::Intended => "intended",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Unknown => "unknown",
            Self::Observed => "observed",
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use crate::domain::cluster::ClusterId;
    use crate::domain::fixtures::now;
    use crate::domain::record::{Outcome, Record, without_duplicates};

    #[test]
    fn a_change_that_two_instances_saw_is_shown_once() {
        let seen = |minutes: i64, name: &str, text: &str| Record {
            at: now() + SignedDuration::from_mins(minutes),
            who: "ops".into(),
            cluster: Some(ClusterId::new("p", "eu01", name)),
            action: "phase".into(),
            request: None,
            outcome: Outcome::Observed,
            text: text.into(),
            expires: None,
            trace: None,
            findings: Vec::new(),
            rotation_started: None,
        };
        let records = vec![
            seen(0, "web", "never → preparing"),
            seen(0, "api", "never → preparing"),
            seen(1, "web", "never → preparing"),
            seen(9, "web", "preparing → PREPARED"),
            seen(10, "web", "preparing → PREPARED"),
            Record { outcome: Outcome::Done, ..seen(10, "web", "preparing → PREPARED") },
            seen(60, "web", "preparing → PREPARED"),
        ];
        let expected: Vec<Record> =
            [0, 1, 3, 5, 6].iter().map(|place| records[*place].clone()).collect();
        assert_eq!(without_duplicates(records), expected, "the last is another rotation");
    }

    #[test]
    fn a_line_has_all_of_a_record() {
        let mut record = Record {
            at: now(),
            who: "ops@acme".into(),
            cluster: Some(ClusterId::new("p-1", "eu02", "shop")),
            action: "complete".into(),
            request: Some("r3".into()),
            outcome: Outcome::Done,
            text: "complete: accepted (202)".into(),
            expires: None,
            trace: Some("7f3c".into()),
            findings: Vec::new(),
            rotation_started: None,
        };
        assert_eq!(
            record.line(),
            "2026-11-24T14:02:11Z done complete shop (region eu02, project p-1) by ops@acme: \
             complete: accepted (202); request r3; trace id 7f3c"
        );
        record.rotation_started = Some(now());
        assert!(record.line().contains("(202); rotation started 2026-11-24T14:02:11Z; request r3"));
        (record.cluster, record.request, record.trace) = (None, None, None);
        record.rotation_started = None;
        record.expires = Some(now());
        assert_eq!(
            record.line(),
            "2026-11-24T14:02:11Z done complete by ops@acme: complete: accepted (202), \
             expires Tue 24 Nov 2026 14:02 +00:00"
        );
    }
}
