//! What time it is where the user is: RFC 9636, as the system has it in `/etc/localtime`, and days of the calendar.
//!
//! Of the file the block with 64-bit times is read, without its footer: a rule for times after the last one that is listed. The files of Debian list them until 2037.

use std::path::Path;

const MAGIC: &[u8] = b"TZif";
/// Bytes of a header, where its six counts begin, and how long a block is after them.
const HEADER: usize = 44;
const COUNTS: usize = 20;
/// Bytes of the longest file that is read; the longest of Debian has 4 KB.
const LONGEST: usize = 1 << 20;

/// When the clocks are how far from UTC.
#[derive(Clone, Debug, Default)]
pub(super) struct Zone {
    /// From when on, in seconds since 1970, and by how many seconds.
    changes: Vec<(i64, i64)>,
    /// Before the first of them.
    first: i64,
}

/// A moment on a calendar and a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Local {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    /// Days since 1970.
    pub(super) days: i64,
}

impl Zone {
    /// That of this system, or of the name or file in the environment's `TZ`; UTC when there is none that can be read.
    pub(super) fn of_this_system() -> Self {
        let path = match std::env::var("TZ") {
            Ok(name) if !name.is_empty() => {
                let name = name.trim_start_matches(':').to_owned();
                if name.split('/').any(|part| part == "..") {
                    return Self::default();
                }
                Path::new("/usr/share/zoneinfo").join(name)
            }
            _ => "/etc/localtime".into(),
        };
        std::fs::read(path).ok().and_then(|bytes| Self::read(&bytes)).unwrap_or_default()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > LONGEST {
            return None;
        }
        let counts = Counts::read(bytes)?;
        let block = bytes.get(HEADER + counts.length(4)?..)?;
        let counts = Counts::read(block)?;
        let rest = block.get(HEADER..)?;
        let (times, rest) = rest.split_at_checked(counts.times.checked_mul(8)?)?;
        let (kinds, rest) = rest.split_at_checked(counts.times)?;
        let types: Vec<i64> = rest
            .get(..counts.types.checked_mul(6)?)?
            .chunks_exact(6)
            .map(|kind| i64::from(i32::from_be_bytes([kind[0], kind[1], kind[2], kind[3]])))
            .collect();
        let mut changes = Vec::new();
        for (time, kind) in times.chunks_exact(8).zip(kinds) {
            let at = i64::from_be_bytes(time.try_into().ok()?);
            changes.push((at, *types.get(usize::from(*kind))?));
        }
        Some(Self { changes, first: *types.first()? })
    }

    /// A time in ms since 1970, here.
    pub(super) fn local(&self, millis: u64) -> Local {
        let seconds = i64::try_from(millis / 1000).unwrap_or_default();
        let next = self.changes.partition_point(|(at, _)| *at <= seconds);
        let offset = next.checked_sub(1).map_or(self.first, |last| self.changes[last].1);
        let seconds = seconds + offset;
        let days = seconds.div_euclid(86_400);
        let time = seconds.rem_euclid(86_400);
        let (year, month, day) = date(days);
        Local { year, month, day, hour: time / 3600, minute: time / 60 % 60, days }
    }
}

/// Numbers in a header.
struct Counts {
    ut: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

impl Counts {
    fn read(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER)?;
        if !header.starts_with(MAGIC) {
            return None;
        }
        let count = |at: usize| {
            let bytes = header[COUNTS + at * 4..][..4].try_into().ok()?;
            usize::try_from(u32::from_be_bytes(bytes)).ok().filter(|count| *count <= LONGEST)
        };
        Some(Self {
            ut: count(0)?,
            standard: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            types: count(4)?,
            letters: count(5)?,
        })
    }

    /// Bytes behind the header, when a time has so many.
    fn length(&self, time: usize) -> Option<usize> {
        Some(
            self.times.checked_mul(time + 1)?
                + self.types.checked_mul(6)?
                + self.letters
                + self.leaps.checked_mul(time + 4)?
                + self.standard
                + self.ut,
        )
    }
}

/// The day of the Gregorian calendar, by Howard Hinnant's reckoning from March to March.
fn date(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

const WEEKDAYS: [&str; 7] = ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

impl Local {
    /// `09:05`.
    pub(super) fn clock(&self) -> String {
        format!("{:02}:{:02}", self.hour, self.minute)
    }

    /// `Thursday, 1 January 1970`.
    pub(super) fn day_in_words(&self) -> String {
        let name = |names: &[&'static str], at: i64| {
            usize::try_from(at).ok().and_then(|at| names.get(at).copied()).unwrap_or_default()
        };
        let weekday = name(&WEEKDAYS, self.days.rem_euclid(7));
        format!("{weekday}, {} {} {}", self.day, name(&MONTHS, self.month - 1), self.year)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_the_calendar() {
        let zone = Zone::default();
        for (seconds, clock, day) in [
            (0, "00:00", "Thursday, 1 January 1970"),
            (951_827_696, "12:34", "Tuesday, 29 February 2000"),
            (1_798_761_599, "23:59", "Thursday, 31 December 2026"),
        ] {
            let local = zone.local(seconds * 1000);
            assert_eq!((local.clock().as_str(), local.day_in_words().as_str()), (clock, day));
        }
    }

    /// A file with two blocks, of which the second has two changes.
    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        for (size, times) in [(4, vec![]), (8, vec![(1000_i64, 1_u8), (2000, 0)])] {
            file.extend(MAGIC);
            file.extend([b'2'; 16]);
            for count in [0, 0, 0, u32::try_from(times.len()).unwrap(), 2, 4] {
                file.extend(count.to_be_bytes());
            }
            assert!(size == 8 || times.is_empty());
            times.iter().for_each(|(at, _)| file.extend(at.to_be_bytes()));
            times.iter().for_each(|(_, kind)| file.push(*kind));
            for offset in [3600_i32, 7200] {
                file.extend(offset.to_be_bytes());
                file.extend([0, 0]);
            }
            file.extend(b"abc\0");
        }
        file
    }

    #[test]
    fn clocks_change() {
        let zone = Zone::read(&file()).unwrap();
        let clock = |seconds: u64| zone.local(seconds * 1000).clock();
        assert_eq!((clock(0), clock(1000), clock(2000)), ("01:00".into(), "02:16".into(), "01:33".into()));
    }

    #[test]
    fn files_that_are_cut_short_or_lie_are_refused() {
        let file = file();
        for end in 0..file.len() - 4 {
            assert!(Zone::read(&file[..end]).is_none(), "{end}");
        }
        let mut lies = file;
        lies[COUNTS + 12..COUNTS + 16].fill(0xff);
        assert!(Zone::read(&lies).is_none());
    }
}
