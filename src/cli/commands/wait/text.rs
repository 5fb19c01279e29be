//! What is said of a stretch of time in which SKE could not be read.

use jiff::Timestamp;

use crate::app::now::Now;
use crate::app::outage::Outage;
use crate::domain::age::{long, since};

/// "SKE cannot be read since 2026-11-24T14:03:00Z: …; retrying".
pub fn begun(outage: &Outage) -> String {
    let why = outage.failure.message.trim_end_matches('.');
    format!("SKE cannot be read since {}: {why}; retrying", moment(outage.since.wall))
}

/// "SKE answers again after 20m".
pub fn over(outage: &Outage, now: Now) -> String {
    format!("SKE answers again after {}", long(since(outage.since.wall, now.wall)))
}

/// "SKE cannot be read for 12m: …", for a line that is drawn again and again.
pub fn brief(outage: &Outage, now: Now) -> String {
    let lasts = long(since(outage.since.wall, now.wall));
    format!("SKE cannot be read for {lasts}: {}", outage.failure.message)
}

/// A moment as programs read it: RFC 3339 in UTC, whole seconds.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
