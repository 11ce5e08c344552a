//! HTTP dates: RFC 9110 section 5.6.7.
//!
//! We write one form, the IMF-fixdate, and read three: that one, the RFC 850 form with its year of two digits, and what
//! `asctime` of the C library prints. Inside, a date is a count of seconds since 1970 in the proleptic Gregorian
//! calendar. Reading is strict in form, names and ranges, and case counts; that the weekday fits the date is not
//! checked, for the section asks recipients to be robust and nothing hangs on it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Bytes of an IMF-fixdate.
pub const LEN: usize = 29;

/// Bytes of a moment in the form of RFC 3339, as it is written here.
pub const RFC3339_LEN: usize = 24;

/// `time` as an IMF-fixdate: `Sun, 06 Nov 1994 08:49:37 GMT`.
///
/// Parts of a second are cut off. The form has years of four digits: times outside 0000 to 9999 become the first or the
/// last second of that span.
#[must_use]
pub fn format(time: SystemTime) -> [u8; LEN] {
    let at = seconds(time).clamp(FIRST, LAST);
    let days = at.div_euclid(DAY);
    let moment = Moment::at(days, at.rem_euclid(DAY));
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    // The first of January 1970 was a Thursday, the fifth name of a week that begins on Sunday.
    let weekday = (days + 4).rem_euclid(7);
    out[0..3].copy_from_slice(&WEEKDAYS[weekday as usize].as_bytes()[..3]);
    put_number(&mut out[5..7], moment.day);
    out[8..11].copy_from_slice(MONTHS[(moment.month - 1) as usize].as_bytes());
    put_number(&mut out[12..16], moment.year);
    put_number(&mut out[17..19], moment.second / 3600);
    put_number(&mut out[20..22], moment.second / 60 % 60);
    put_number(&mut out[23..25], moment.second % 60);
    out
}

/// The same moment in the form of RFC 3339, section 5.6, to the millisecond: `1994-11-06T08:49:37.250Z`.
#[must_use]
pub fn rfc3339(time: SystemTime) -> [u8; RFC3339_LEN] {
    let at = seconds(time).clamp(FIRST, LAST);
    let moment = Moment::at(at.div_euclid(DAY), at.rem_euclid(DAY));
    let millis = time.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_millis();
    let mut out = *b"1970-01-01T00:00:00.000Z";
    put_number(&mut out[0..4], moment.year);
    put_number(&mut out[5..7], moment.month);
    put_number(&mut out[8..10], moment.day);
    put_number(&mut out[11..13], moment.second / 3600);
    put_number(&mut out[14..16], moment.second / 60 % 60);
    put_number(&mut out[17..19], moment.second % 60);
    put_number(&mut out[20..23], i64::from(millis));
    out
}

/// Reads a date in any of the three forms; `None` when it is in none of them, or never was.
///
/// `now` settles the century of the RFC 850 form: the date is the latest one that is at most 50 years ahead of `now`.
/// The 61st second of a minute is accepted only where a leap second can be, at 23:59:60.
#[must_use]
pub fn parse(text: &[u8], now: SystemTime) -> Option<SystemTime> {
    let moment = imf_fixdate(text).or_else(|| rfc850(text, now)).or_else(|| asctime(text))?;
    from_seconds(moment.days() * DAY + moment.second)
}

/// Whole seconds from 1970 to `time`, negative before, rounded down: the precision of an HTTP date.
#[must_use]
pub fn seconds(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(error) => {
            let before = error.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            (-whole).saturating_sub(i64::from(before.subsec_nanos() > 0))
        }
    }
}

fn from_seconds(seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(seconds.unsigned_abs());
    if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
}

const DAY: i64 = 24 * 60 * 60;
/// The first second of the year 0000.
const FIRST: i64 = Moment { year: 0, month: 1, day: 1, second: 0 }.days() * DAY;
/// The last second of the year 9999.
const LAST: i64 = Moment { year: 10_000, month: 1, day: 1, second: 0 }.days() * DAY - 1;

const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const SHORT_WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A second in the calendar. The order of the fields makes the derived order that of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    year: i64,
    /// 1 to 12.
    month: i64,
    /// 1 to 31.
    day: i64,
    /// Of the day; 86,400 is a leap second.
    second: i64,
}

impl Moment {
    /// `None` when the month has no such day.
    fn new(year: i64, month: i64, day: i64, second: i64) -> Option<Self> {
        let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let last = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        (1..=last).contains(&day).then_some(Self { year, month, day, second })
    }

    /// The moment `second` seconds into the day that is `days` after 1970-01-01.
    fn at(days: i64, second: i64) -> Self {
        // Years are counted from the first of March, so that the leap day is the last of its year, and in cycles of
        // 400 years, which all have the same number of days.
        let shifted = days + DAYS_TO_1970;
        let (cycle, day_of_cycle) = (shifted.div_euclid(CYCLE), shifted.rem_euclid(CYCLE));
        let leap_days = day_of_cycle / 1460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year = day_of_cycle - days_of_years(year_of_cycle);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - days_of_months(from_march) + 1;
        let month = (from_march + 2) % 12 + 1;
        let year = cycle * 400 + year_of_cycle + (month <= 2) as i64;
        Self { year, month, day, second }
    }

    /// Days from 1970-01-01 to this day.
    const fn days(self) -> i64 {
        let year = self.year - (self.month <= 2) as i64;
        let from_march = (self.month + 9) % 12;
        let day_of_year = days_of_months(from_march) + self.day - 1;
        year.div_euclid(400) * CYCLE + days_of_years(year.rem_euclid(400)) + day_of_year - DAYS_TO_1970
    }
}

/// Days of 400 years.
const CYCLE: i64 = 146_097;
/// Days from the first of March of the year 0 to 1970-01-01.
const DAYS_TO_1970: i64 = 719_468;

/// Days of the first `years` years of a cycle.
const fn days_of_years(years: i64) -> i64 {
    years * 365 + years / 4 - years / 100
}

/// Days of the first `months` months from March on: they are 31, 30, 31, 30, 31 long, and so again, 153 days each five.
const fn days_of_months(months: i64) -> i64 {
    (153 * months + 2) / 5
}

/// Writes `number` in decimal, filled with zeros to the length of `out`.
fn put_number(out: &mut [u8], mut number: i64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + number.rem_euclid(10) as u8;
        number /= 10;
    }
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
fn imf_fixdate(text: &[u8]) -> Option<Moment> {
    let mut reader = Reader(text);
    reader.name(&SHORT_WEEKDAYS)?;
    reader.literal(", ")?;
    let day = reader.number(2)?;
    reader.literal(" ")?;
    let month = reader.name(&MONTHS)? + 1;
    reader.literal(" ")?;
    let year = reader.number(4)?;
    reader.literal(" ")?;
    let second = reader.time_of_day()?;
    reader.last_literal(" GMT")?;
    Moment::new(year, month, day, second)
}

/// `Sunday, 06-Nov-94 08:49:37 GMT`
fn rfc850(text: &[u8], now: SystemTime) -> Option<Moment> {
    let mut reader = Reader(text);
    reader.name(&WEEKDAYS)?;
    reader.literal(", ")?;
    let day = reader.number(2)?;
    reader.literal("-")?;
    let month = reader.name(&MONTHS)? + 1;
    reader.literal("-")?;
    let year = reader.number(2)?;
    reader.literal(" ")?;
    let second = reader.time_of_day()?;
    reader.last_literal(" GMT")?;

    let now = seconds(now).clamp(FIRST, LAST);
    let now = Moment::at(now.div_euclid(DAY), now.rem_euclid(DAY));
    let horizon = Moment { year: now.year + 50, ..now };
    let this_century = Moment { year: horizon.year.div_euclid(100) * 100 + year, month, day, second };
    let year = if this_century > horizon { this_century.year - 100 } else { this_century.year };
    Moment::new(year, month, day, second)
}

/// `Sun Nov  6 08:49:37 1994`
fn asctime(text: &[u8]) -> Option<Moment> {
    let mut reader = Reader(text);
    reader.name(&SHORT_WEEKDAYS)?;
    reader.literal(" ")?;
    let month = reader.name(&MONTHS)? + 1;
    reader.literal(" ")?;
    let day = if reader.literal(" ").is_some() { reader.number(1)? } else { reader.number(2)? };
    reader.literal(" ")?;
    let second = reader.time_of_day()?;
    reader.literal(" ")?;
    let year = reader.number(4)?;
    reader.last_literal("")?;
    Moment::new(year, month, day, second)
}

/// What is left of the text.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn literal(&mut self, expected: &str) -> Option<()> {
        self.0 = self.0.strip_prefix(expected.as_bytes())?;
        Some(())
    }

    fn last_literal(&mut self, expected: &str) -> Option<()> {
        (self.0 == expected.as_bytes()).then_some(())
    }

    /// The index of the name that comes next.
    fn name(&mut self, names: &[&str]) -> Option<i64> {
        let index = names.iter().position(|name| self.0.starts_with(name.as_bytes()))?;
        self.literal(names[index])?;
        i64::try_from(index).ok()
    }

    /// A number of exactly `digits` digits.
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let value = |sum: i64, byte: &u8| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0'));
        number.iter().try_fold(0, value)
    }

    /// `08:49:37`, as seconds of the day.
    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(2)?;
        self.literal(":")?;
        let minute = self.number(2)?;
        self.literal(":")?;
        let second = self.number(2)?;
        let leap_second = (hour, minute, second) == (23, 59, 60);
        let exists = hour < 24 && minute < 60 && (second < 60 || leap_second);
        exists.then_some(hour * 3600 + minute * 60 + second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-21 09:52:20.
    const NOW: i64 = 1_795_254_740;

    fn read_at(text: &str, now: i64) -> Option<i64> {
        parse(text.as_bytes(), from_seconds(now)?).map(seconds)
    }

    fn read(text: &str) -> Option<i64> {
        read_at(text, NOW)
    }

    fn written(at: i64) -> String {
        let time = from_seconds(at).unwrap_or(UNIX_EPOCH);
        String::from_utf8_lossy(&format(time)).into_owned()
    }

    #[test]
    fn the_three_forms_of_the_section_are_one_date() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "Sun Nov 06 08:49:37 1994",
        ] {
            assert_eq!(read(text), Some(784_111_777), "{text}");
        }
    }

    #[test]
    fn known_dates_are_written_and_read_back() {
        let cases = [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_000_000_000, "Sun, 09 Sep 2001 01:46:40 GMT"),
            (1_709_210_096, "Thu, 29 Feb 2024 12:34:56 GMT"),
            (NOW, "Sat, 21 Nov 2026 09:52:20 GMT"),
            (2_147_483_648, "Tue, 19 Jan 2038 03:14:08 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (FIRST, "Sat, 01 Jan 0000 00:00:00 GMT"),
            (LAST, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ];
        for (at, text) in cases {
            assert_eq!(written(at), text);
            assert_eq!(read(text), Some(at), "{text}");
        }
    }

    #[test]
    fn the_form_of_rfc_3339_has_milliseconds() {
        let cases = [
            (0, "1970-01-01T00:00:00.000Z"),
            (784_111_777_250, "1994-11-06T08:49:37.250Z"),
            (1_709_210_096_999, "2024-02-29T12:34:56.999Z"),
            (253_402_300_799_001, "9999-12-31T23:59:59.001Z"),
        ];
        for (at, text) in cases {
            let written = rfc3339(UNIX_EPOCH + Duration::from_millis(at));
            assert_eq!(String::from_utf8_lossy(&written), text);
        }
    }

    #[test]
    fn times_out_of_reach_become_the_nearest_date() {
        assert_eq!(written(FIRST - 1), "Sat, 01 Jan 0000 00:00:00 GMT");
        assert_eq!(written(LAST + 1), "Fri, 31 Dec 9999 23:59:59 GMT");
    }

    #[test]
    fn a_calendar_counted_by_hand_agrees_for_eight_centuries() {
        let lengths = |year: i64| {
            let leap = if year % 400 == 0 { true } else { year % 4 == 0 && year % 100 != 0 };
            [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        };
        // 1600-01-01 was a Saturday, 135,140 days before 1970.
        let mut days = -135_140;
        let mut weekday = 6;
        for year in 1600..2400 {
            for (month, length) in lengths(year).into_iter().enumerate() {
                for day in 1..=length {
                    let text = format!(
                        "{}, {day:02} {} {year} 23:59:59 GMT",
                        SHORT_WEEKDAYS[weekday], MONTHS[month]
                    );
                    let at = days * DAY + DAY - 1;
                    assert_eq!(written(at), text);
                    assert_eq!(read(&text), Some(at));
                    days += 1;
                    weekday = (weekday + 1) % 7;
                }
                let day = length + 1;
                assert_eq!(read(&format!("Sun, {day} {} {year} 00:00:00 GMT", MONTHS[month])), None);
            }
        }
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        let at = |text: &str| read(&format!("Mon, {text} GMT"));
        let cases = [
            // (now, the date, what it means)
            (NOW, "21-Nov-26 09:52:20", at("21 Nov 2026 09:52:20")),
            (NOW, "01-Jan-00 00:00:00", at("01 Jan 2000 00:00:00")),
            (NOW, "21-Nov-76 09:52:20", at("21 Nov 2076 09:52:20")),
            (NOW, "21-Nov-76 09:52:21", at("21 Nov 1976 09:52:21")),
            (NOW, "22-Nov-76 00:00:00", at("22 Nov 1976 00:00:00")),
            (NOW, "01-Jan-77 00:00:00", at("01 Jan 1977 00:00:00")),
            (NOW, "31-Dec-99 23:59:59", at("31 Dec 1999 23:59:59")),
            // In 1994 the year 44 is ahead, 45 is behind.
            (784_111_777, "01-Jan-44 00:00:00", at("01 Jan 2044 00:00:00")),
            (784_111_777, "01-Jan-45 00:00:00", at("01 Jan 1945 00:00:00")),
            // Late in a century the next one begins within the fifty years.
            (4_070_908_800, "01-Jan-05 00:00:00", at("01 Jan 2105 00:00:00")),
            (4_070_908_800, "01-Jan-99 00:00:00", at("01 Jan 2099 00:00:00")),
            (4_070_908_800, "01-Jan-50 00:00:00", at("01 Jan 2050 00:00:00")),
            // The leap day belongs to 2000; 2100 has none.
            (NOW, "29-Feb-00 00:00:00", at("29 Feb 2000 00:00:00")),
            (4_070_908_800, "29-Feb-00 00:00:00", None),
        ];
        for (now, text, expected) in cases {
            assert_eq!(read_at(&format!("Monday, {text} GMT"), now), expected, "{text} at {now}");
        }
        assert_eq!(at("21 Nov 2076 09:52:20"), Some(3_373_177_940), "the table compares real dates");
    }

    #[test]
    fn dates_that_never_were_are_refused() {
        for text in [
            "Sun, 00 Nov 1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "Sun, 32 Dec 1994 08:49:37 GMT",
            "Wed, 29 Feb 1995 08:49:37 GMT",
            "Thu, 29 Feb 1900 08:49:37 GMT",
            "Sun, 06 Nov 1994 24:00:00 GMT",
            "Sun, 06 Nov 1994 08:60:00 GMT",
            "Sun, 06 Nov 1994 08:49:60 GMT",
            "Sun, 06 Nov 1994 23:59:61 GMT",
            "Sunday, 31-Nov-94 08:49:37 GMT",
            "Sun Nov 31 08:49:37 1994",
            "Sun Nov  0 08:49:37 1994",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn a_leap_second_is_the_second_after_the_day() {
        assert_eq!(read("Sat, 31 Dec 2016 23:59:60 GMT"), read("Sun, 01 Jan 2017 00:00:00 GMT"));
        assert!(read("Sat, 31 Dec 2016 23:59:60 GMT").is_some());
    }

    #[test]
    fn the_form_is_strict() {
        for text in [
            "",
            "0",
            "784111777",
            "1994-11-06T08:49:37Z",
            "sun, 06 Nov 1994 08:49:37 GMT",
            "SUN, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 gmt",
            "Sun, 06 Nov 1994 08:49:37 UTC",
            "Sun, 06 Nov 1994 08:49:37 +0000",
            "Xxx, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Xxx 1994 08:49:37 GMT",
            "Sunday, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06-Nov-94 08:49:37 GMT",
            "Sunday, 06-Nov-1994 08:49:37 GMT",
            "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun,  6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 94 08:49:37 GMT",
            "Sun, 06 Nov 1994 8:49:37 GMT",
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, +6 Nov 1994 08:49:37 GMT",
            "Sun 06 Nov 1994 08:49:37 GMT",
            " Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 GMT; length=5",
            "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
            "Sun Nov 6 08:49:37 1994",
            "Sun Nov  6 08:49:37 1994 GMT",
            "Sun Nov  6 08:49:37 19940",
            "Sun, 06 Nov 1994\u{a0}08:49:37 GMT",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn no_cut_or_changed_byte_is_taken_for_a_date() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            for at in 0..text.len() {
                assert_eq!(read(&text[..at]), None, "cut at {at}");
                for wrong in [b'\0', b'x', b'/', b':' + 1, 0xFF] {
                    let mut bytes = text.as_bytes().to_vec();
                    bytes[at] = wrong;
                    assert_eq!(parse(&bytes, UNIX_EPOCH), None, "{wrong:#04x} at {at} of {text}");
                }
            }
        }
    }

    #[test]
    fn a_wrong_weekday_is_forgiven() {
        assert_eq!(read("Mon, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    }

    #[test]
    fn seconds_round_down_on_both_sides_of_1970() {
        let half = Duration::from_millis(1500);
        assert_eq!(seconds(UNIX_EPOCH + half), 1);
        assert_eq!(seconds(UNIX_EPOCH - half), -2);
        assert_eq!(seconds(UNIX_EPOCH - Duration::from_secs(2)), -2);
        assert_eq!(seconds(UNIX_EPOCH), 0);
    }

    #[test]
    fn every_form_of_every_date_means_the_same() {
        // A stride of a prime number of seconds meets every weekday, month, hour, minute and second. The years of two
        // digits around now reach from 1977 to 2075.
        let (first, last) = (220_924_800, 3_345_062_399);
        let mut at = first;
        while at <= last {
            let fixdate = written(at);
            let (weekday, day, month, year) =
                (&fixdate[..3], &fixdate[5..7], &fixdate[8..11], &fixdate[12..16]);
            let time = &fixdate[17..25];
            let long = WEEKDAYS.iter().find(|name| name.starts_with(weekday)).copied().unwrap_or_default();
            let rfc850 = format!("{long}, {day}-{month}-{} {time} GMT", &year[2..]);
            let asctime = format!(
                "{weekday} {month} {} {time} {year}",
                day.replacen('0', " ", usize::from(day < "10"))
            );
            for text in [&fixdate, &rfc850, &asctime] {
                assert_eq!(read(text), Some(at), "{text}");
            }
            at += 700_001;
        }
    }

    #[test]
    fn the_farthest_clock_settles_a_century_without_harm() {
        let far = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)).unwrap_or(UNIX_EPOCH);
        let early = UNIX_EPOCH.checked_sub(Duration::from_secs(i64::MAX as u64)).unwrap_or(UNIX_EPOCH);
        let text = b"Sunday, 06-Nov-94 08:49:37 GMT";
        assert_eq!(parse(text, far).map(|time| format(time)[12..16].to_vec()), Some(b"9994".to_vec()));
        assert!(parse(text, early).is_some());
        assert_eq!(&format(far)[12..16], b"9999");
        assert_eq!(&format(early)[12..16], b"0000");
    }

    #[test]
    fn dates_of_the_section_order_as_time_does() {
        let dates = [
            "Fri, 31 Dec 1999 23:59:59 GMT",
            "Sat, 01 Jan 2000 00:00:00 GMT",
            "Sat, 01 Jan 2000 00:00:01 GMT",
            "Sat, 01 Jan 2000 00:01:00 GMT",
            "Sat, 01 Jan 2000 01:00:00 GMT",
            "Sun, 02 Jan 2000 00:00:00 GMT",
            "Tue, 01 Feb 2000 00:00:00 GMT",
        ];
        let read: Vec<_> = dates.iter().filter_map(|text| read(text)).collect();
        assert_eq!(read.len(), dates.len());
        let steps: Vec<_> = read.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(steps, [1, 1, 59, 3540, 82_800, 30 * DAY]);
    }
}
