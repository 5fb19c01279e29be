//! Hibernation schedules and the maintenance window: events planned during a roll.

use cronexpr::{FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::domain::cluster::{Cluster, HibernationSchedule};
use crate::domain::text::clean;

/// A planned action of SKE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PlannedEvent {
    /// The cluster is hibernated at this time.
    Hibernation(Timestamp),
    /// The maintenance window opens at this time; in the past if it is open.
    Maintenance(Timestamp),
    /// A hibernation schedule that cannot be parsed; its text, safe to display.
    Unreadable(String),
}

/// Events planned from now on within a duration, earliest first.
pub fn planned_events(
    cluster: &Cluster,
    now: Timestamp,
    within: SignedDuration,
) -> Vec<PlannedEvent> {
    let until = now.saturating_add(within).unwrap_or(Timestamp::MAX);
    let mut out: Vec<(Timestamp, PlannedEvent)> = Vec::new();
    let starts: Vec<Result<Timestamp, String>> =
        cluster.schedules.iter().map(|schedule| next_hibernation(schedule, now)).collect();
    let next = starts.iter().filter_map(|start| start.as_ref().ok()).min();
    if let Some(at) = next.filter(|at| **at <= until) {
        out.push((*at, PlannedEvent::Hibernation(*at)));
    }
    if let Some(text) = starts.into_iter().find_map(Result::err) {
        out.push((Timestamp::MAX, PlannedEvent::Unreadable(text)));
    }
    if let Some((start, end)) = &cluster.maintenance
        && let Some(at) = next_window(start, end, now).filter(|at| *at <= until)
    {
        out.push((at, PlannedEvent::Maintenance(at)));
    }
    out.sort_by_key(|(at, _)| *at);
    out.into_iter().map(|(_, event)| event).collect()
}

/// The next hibernation of a schedule.
///
/// # Errors
/// The schedule as text, if its expression or time zone cannot be parsed.
pub fn next_hibernation(
    schedule: &HibernationSchedule,
    after: Timestamp,
) -> Result<Timestamp, String> {
    let text = format!("{} {}", schedule.start, schedule.timezone);
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(text.trim(), options)
        .and_then(|crontab| crontab.find_next(after))
        .map(|next| next.timestamp())
        .map_err(|_with_a_drawing| clean(text.trim()))
}

/// When the daily window from `start` to `end` ("HH:MM" in UTC) opens next; in the past if it is open. `None` if it
/// cannot be parsed.
pub fn next_window(start: &str, end: &str, now: Timestamp) -> Option<Timestamp> {
    let (start, end) = (time_of_day(start)?, time_of_day(end)?);
    if start == end {
        return None;
    }
    let today = now.to_zoned(TimeZone::UTC).date();
    [-1, 0, 1].into_iter().find_map(|days| {
        let day = today.checked_add(days.days()).ok()?;
        let last = if end < start { day.checked_add(1.day()).ok()? } else { day };
        let closes = last.to_datetime(end).to_zoned(TimeZone::UTC).ok()?.timestamp();
        let opens = day.to_datetime(start).to_zoned(TimeZone::UTC).ok()?.timestamp();
        (closes > now).then_some(opens)
    })
}

fn time_of_day(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use crate::domain::cluster::HibernationSchedule;
    use crate::domain::fixtures::{cluster, now};
    use crate::domain::roll::calendar::{
        PlannedEvent, next_hibernation, next_window, planned_events,
    };
    use crate::domain::rotation::Phase;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(start: &str, timezone: &str) -> HibernationSchedule {
        HibernationSchedule { start: start.into(), end: String::new(), timezone: timezone.into() }
    }

    #[test]
    fn schedules_are_read_in_their_own_time_zone() {
        let utc = next_hibernation(&schedule("0 20 * * *", ""), now()).unwrap();
        assert_eq!(utc, at("2026-11-24T20:00:00Z"));
        let berlin = next_hibernation(&schedule("0 20 * * 1-5", "Europe/Berlin"), now()).unwrap();
        assert_eq!(berlin, at("2026-11-24T19:00:00Z"));
        for (start, timezone) in
            [("later", ""), ("0 20 * * *", "Moon/Base"), ("@daily", ""), ("", "")]
        {
            assert!(next_hibernation(&schedule(start, timezone), now()).is_err(), "{start}");
        }
    }

    #[test]
    fn time_03_a_daily_schedule_keeps_its_hour_over_the_change_of_summer_time() {
        let before = at("2026-10-24T22:00:00Z");
        let next = next_hibernation(&schedule("0 20 * * *", "Europe/Berlin"), before).unwrap();
        assert_eq!(next, at("2026-10-25T19:00:00Z"));
    }

    #[test]
    fn a_maintenance_window_is_daily_and_may_pass_midnight() {
        assert_eq!(next_window("02:00", "04:00", now()), Some(at("2026-11-25T02:00:00Z")));
        assert_eq!(next_window("14:00", "15:00", now()), Some(at("2026-11-24T14:00:00Z")));
        let night = at("2026-11-24T00:30:00Z");
        assert_eq!(next_window("23:00", "01:00", night), Some(at("2026-11-23T23:00:00Z")));
        assert_eq!(next_window("soon", "04:00", now()), None);
        assert_eq!(next_window("02:00", "02:00", now()), None);
    }

    #[test]
    fn only_what_falls_into_the_time_is_listed() {
        let mut subject = cluster("a", Phase::Never);
        subject.schedules = vec![schedule("0 20 * * *", ""), schedule("?", "")];
        assert!(matches!(
            planned_events(&subject, now(), SignedDuration::from_hours(1)).as_slice(),
            [PlannedEvent::Unreadable(_)]
        ));
        let long = planned_events(&subject, now(), SignedDuration::from_hours(13));
        assert!(matches!(
            long.as_slice(),
            [
                PlannedEvent::Hibernation(_),
                PlannedEvent::Maintenance(_),
                PlannedEvent::Unreadable(_)
            ]
        ));
    }
}
