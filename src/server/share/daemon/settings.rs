//! What people change while the daemon runs: limits, the hours at which others hold, how many torrents run at a time.

use std::path::PathBuf;

use chrono::{Datelike as _, NaiveDateTime, NaiveTime, Timelike as _, Weekday};
use serde::{Deserialize, Serialize};

/// The settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DaemonSettings {
    /// Bytes a second that are sent at most, of all torrents.
    pub up: Option<u64>,
    /// Likewise, that are received.
    pub down: Option<u64>,
    /// Other limits, for hours at which others use the line.
    pub alternative: Alternative,
    /// When those hold, even if nobody has switched them on.
    pub schedule: Vec<Hours>,
    /// How many times its own size a torrent is sent before it pauses.
    pub ratio: Option<f64>,
    /// After how many minutes in which nobody takes anything a complete torrent pauses.
    pub idle: Option<u64>,
    /// Torrents that are fetched at a time; any number if it is 0.
    pub downloads: usize,
    /// Complete torrents that are shared at a time; likewise.
    pub seeds: usize,
    /// Whether torrents that are added run at once, unless something else is said.
    pub start: bool,
    /// Where files go unless a torrent says otherwise.
    pub folder: PathBuf,
    /// Where files are moved to when a torrent is complete.
    pub complete: Option<PathBuf>,
}

/// Other limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Alternative {
    /// Bytes a second that are sent at most.
    pub up: Option<u64>,
    /// Likewise, that are received.
    pub down: Option<u64>,
    /// Whether they hold now, whatever the hour.
    pub enabled: bool,
}

/// Hours of some days of the week, in the time of this machine. Those that end before they begin go on into the next day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hours {
    /// The days on which they begin.
    pub days: Vec<Day>,
    /// `HH:MM`.
    pub from: Clock,
    /// `HH:MM`, which does not count any more.
    pub to: Clock,
}

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Day {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// A time of day, in minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Clock(pub u32);

impl Default for DaemonSettings {
    /// No limits; five downloads at a time, as Transmission has it.
    fn default() -> Self {
        Self {
            up: None,
            down: None,
            alternative: Alternative::default(),
            schedule: Vec::new(),
            ratio: None,
            idle: None,
            downloads: 5,
            seeds: 0,
            start: true,
            folder: PathBuf::from("."),
            complete: None,
        }
    }
}

impl DaemonSettings {
    /// Whether the alternative limits hold.
    #[must_use]
    pub fn is_alternative(&self, now: NaiveDateTime) -> bool {
        self.alternative.enabled || self.schedule.iter().any(|hours| hours.contain(now))
    }

    /// The limits that hold: up and down.
    #[must_use]
    pub fn limits(&self, now: NaiveDateTime) -> (Option<u64>, Option<u64>) {
        let Alternative { up, down, .. } = self.alternative;
        if self.is_alternative(now) { (up, down) } else { (self.up, self.down) }
    }
}

impl Hours {
    /// Whether a moment is within.
    fn contain(&self, now: NaiveDateTime) -> bool {
        let on = |day: Weekday| self.days.iter().any(|one| *one as u32 == day.num_days_from_monday());
        let clock = Clock(now.hour() * 60 + now.minute());
        let today = now.weekday();
        if self.from < self.to {
            return on(today) && (self.from..self.to).contains(&clock);
        }
        on(today) && clock >= self.from || on(today.pred()) && clock < self.to
    }
}

impl TryFrom<String> for Clock {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let time = NaiveTime::parse_from_str(&text, "%H:%M");
        time.map(|time| Self(time.hour() * 60 + time.minute()))
            .map_err(|_| format!("{text:?} is no time of day: write HH:MM"))
    }
}

impl From<Clock> for String {
    fn from(clock: Clock) -> Self {
        format!("{:02}:{:02}", clock.0 / 60, clock.0 % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap()
    }

    #[test]
    fn hours_hold_on_their_days_and_into_the_night() {
        let text = r#"{"up":10,"alternative":{"up":1,"down":2,"enabled":false},
            "schedule":[{"days":["mon","fri"],"from":"08:00","to":"17:30"},{"days":["sun"],"from":"22:00","to":"06:00"}]}"#;
        let settings: DaemonSettings = serde_json::from_str(text).unwrap();
        // The 23rd of November 2026 is a Monday.
        for (now, holds) in [
            ("2026-11-23 05:59", true),
            ("2026-11-23 06:00", false),
            ("2026-11-23 07:59", false),
            ("2026-11-23 08:00", true),
            ("2026-11-23 17:29", true),
            ("2026-11-23 17:30", false),
            ("2026-11-24 09:00", false),
            ("2026-11-27 09:00", true),
            ("2026-11-29 22:00", true),
            ("2026-11-29 05:00", false),
        ] {
            let limits = if holds { (Some(1), Some(2)) } else { (Some(10), None) };
            assert_eq!(settings.limits(at(now)), limits, "{now}");
        }
        let on = Alternative { enabled: true, ..settings.alternative };
        assert!(DaemonSettings { alternative: on, ..settings }.is_alternative(at("2026-11-24 09:00")));
    }

    #[test]
    fn times_are_written_as_they_were_read() {
        let clock = Clock::try_from("07:05".to_owned()).unwrap();
        assert_eq!((clock, String::from(clock).as_str()), (Clock(425), "07:05"));
        for wrong in ["24:00", "7", "", "07:60"] {
            assert!(Clock::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
