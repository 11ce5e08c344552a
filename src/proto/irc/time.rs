//! Times as IRCv3 writes them (server-time): `2012-06-30T23:59:59.419Z`.

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// The last millisecond of the year 9999: the format has four digits for a year.
const LAST: u64 = 253_402_300_799_999;

/// A time, in milliseconds since 1970, as it is written in UTC.
#[must_use]
pub fn format(millis: u64) -> String {
    let millis = millis.min(LAST);
    let (day, rest) = (millis / DAY, millis % DAY);
    let (year, month, date) = civil(day);
    let (seconds, fraction) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// A time that was written so, in milliseconds since 1970. The fraction may be missing, or have 1 to 9 digits. A leap second is the
/// second before it.
#[must_use]
pub fn parse(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    let rest = text.get(19..)?;
    let number = |from: usize, to: usize| {
        let digits = text.get(from..to)?;
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u64>().ok()).flatten()
    };
    for (at, expected) in [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')] {
        if bytes.get(at) != Some(&expected) {
            return None;
        }
    }
    let fraction = match rest.strip_suffix('Z')? {
        "" => 0,
        fraction => {
            let digits = fraction.strip_prefix('.')?;
            let fits = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
            fits.then(|| format!("{digits:0<3}").get(..3)?.parse::<u64>().ok()).flatten()?
        }
    };
    let (year, month, date) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if year < 1970 || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let day = days(year, month, date).filter(|day| civil(*day) == (year, month, date))?;
    Some(day * DAY + (hour * 3600 + minute * 60 + second.min(59)) * 1000 + fraction)
}

/// Year, month and day of the month, of a day since 1970 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn civil(day: u64) -> (u64, u64, u64) {
    let shifted = day + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, date)
}

/// The day since 1970 of a date, from that year on; `None` for a month or a day that no year has.
fn days(year: u64, month: u64, date: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&date) {
        return None;
    }
    let year = year - u64::from(month <= 2);
    let (era, year_of_era) = (year / 400, year % 400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + date - 1;
    (era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_both_ways() {
        let rows = [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_341_100_799_419, "2012-06-30T23:59:59.419Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ];
        for (millis, text) in rows {
            assert_eq!(format(millis), text);
            assert_eq!(parse(text), Some(millis));
        }
        assert_eq!(format(u64::MAX), "9999-12-31T23:59:59.999Z");
        for day in (0..80_000).step_by(7) {
            assert_eq!(parse(&format(day * DAY + day)), Some(day * DAY + day));
        }
    }

    #[test]
    fn fractions_may_be_missing_or_long() {
        let rows = [("59Z", 0), ("59.4Z", 400), ("59.41Z", 410), ("59.419999999Z", 419), ("60.419Z", 419)];
        for (end, millis) in rows {
            assert_eq!(parse(&format!("2012-06-30T23:59:{end}")), Some(1_341_100_799_000 + millis), "{end}");
        }
    }

    #[test]
    fn what_is_no_time() {
        for text in [
            "",
            "2012-06-30",
            "2012-06-30T23:59:59.419",
            "2012-06-31T23:59:59Z",
            "2011-02-29T00:00:00Z",
            "2012-13-01T00:00:00Z",
            "2012-00-01T00:00:00Z",
            "2012-06-30T24:00:00Z",
            "2012-06-30 23:59:59Z",
            "2012-06-30T23:59:59.Z",
            "2012-06-30T23:59:59.1234567890Z",
            "+012-06-30T23:59:59Z",
            "1969-12-31T23:59:59Z",
            "2012-06-30T23:59:5üZ",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
