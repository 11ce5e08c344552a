//! A reader of DER (X.690), and what certificates (RFC 5280) say of their issuer and of their life.

use rustls::pki_types::CertificateDer;

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const ENUMERATED: u8 = 0x0a;
const UTC_TIME: u8 = 0x17;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const SEQUENCE: u8 = 0x30;

/// The tag of a constructed value with a number of its own.
pub(super) const fn tagged(number: u8) -> u8 {
    0xa0 | number
}

/// Values, one after the other.
pub(super) struct Der<'a>(pub(super) &'a [u8]);

impl<'a> Der<'a> {
    /// The tag of the next value.
    pub(super) fn tag(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next value: its tag and its content.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0x00..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                let length = digits.iter().fold(0_u32, |length, digit| length << 8 | u32::from(*digit));
                (usize::try_from(length).ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// The content of the next value, which has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// The next value, which has this tag: its tag, its length and its content.
    pub(super) fn whole(&mut self, tag: u8) -> Option<&'a [u8]> {
        let before = self.0;
        self.take(tag)?;
        Some(&before[..before.len() - self.0.len()])
    }

    /// The time that is next, in seconds since 1970.
    pub(super) fn time(&mut self) -> Option<u64> {
        match self.next()? {
            (GENERALIZED_TIME, text) => seconds(text),
            (UTC_TIME, text) => {
                // Of the years 1950 to 2049 (RFC 5280 section 4.1.2.5.1).
                let century: &[u8] = if text.first()? < &b'5' { b"20" } else { b"19" };
                seconds(&[century, text].concat())
            }
            _ => None,
        }
    }
}

/// What is read of a certificate.
#[derive(Debug)]
pub(super) struct Certificate<'a> {
    pub(super) serial: &'a [u8],
    /// The names of its issuer and its subject, in DER.
    pub(super) issuer: &'a [u8],
    subject: &'a [u8],
    from: u64,
    until: u64,
}

impl<'a> Certificate<'a> {
    /// Of a certificate in DER; `None` if it is malformed.
    pub(super) fn of(certificate: &'a [u8]) -> Option<Self> {
        let mut tbs = Der(Der(Der(certificate).take(SEQUENCE)?).take(SEQUENCE)?);
        if tbs.tag() == Some(tagged(0)) {
            tbs.next()?;
        }
        let serial = tbs.take(INTEGER)?;
        tbs.take(SEQUENCE)?;
        let issuer = tbs.whole(SEQUENCE)?;
        let mut validity = Der(tbs.take(SEQUENCE)?);
        let (from, until) = (validity.time()?, validity.time()?);
        let subject = tbs.whole(SEQUENCE)?;
        Some(Self { serial, issuer, subject, from, until })
    }
}

/// The life of a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it begins.
    pub from: u64,
    /// When it ends.
    pub until: u64,
    /// Whether the certificate vouches for itself.
    pub self_issued: bool,
}

impl Life {
    /// Of a certificate; `None` if it is malformed.
    #[must_use]
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let Certificate { issuer, subject, from, until, .. } = Certificate::of(certificate)?;
        Some(Self { from, until, self_issued: issuer == subject })
    }
}

/// A GeneralizedTime as RFC 5280 section 4.1.2.5.2 wants it, `YYYYMMDDHHMMSSZ`, in seconds since 1970.
fn seconds(text: &[u8]) -> Option<u64> {
    let (b'Z', digits) = text.split_last()? else { return None };
    if digits.len() != 14 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |from: usize, to: usize| {
        digits[from..to].iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'))
    };
    let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
    let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
    if year < 1970 || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Years begin in March here, so that a leap day is the last day of its year.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leaps + (month * 153 + 2) / 5 + day - 1;
    /// The days from March of year 0 to 1 January 1970.
    const BEFORE_1970: u64 = 719_468;
    Some((days - BEFORE_1970) * 86_400 + hour * 3_600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn dates() {
        for (text, expected) in [
            ("19700101000000Z", Some(0)),
            ("20000229235959Z", Some(951_868_799)),
            ("20260101000000Z", Some(1_767_225_600)),
            ("20280301000000Z", Some(1_835_481_600)),
            ("19691231235959Z", None),
            ("20260101000000", None),
            ("202601010000Z", None),
            ("2026010100000AZ", None),
            ("20260132000000Z", None),
            ("20260101240000Z", None),
            ("", None),
        ] {
            assert_eq!(seconds(text.as_bytes()), expected, "{text}");
        }
        let utc = |text: &str| {
            let value = [&[UTC_TIME, text.len() as u8], text.as_bytes()].concat();
            Der(&value).time()
        };
        assert_eq!(utc("260101000000Z"), Some(1_767_225_600));
        assert_eq!(utc("700101000000Z"), Some(0));
        assert_eq!(utc("2601010000Z"), None);
    }

    #[test]
    fn the_life_of_a_certificate() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        // Beyond 2049 a certificate has the longer form.
        for (year, until) in [(2027, 1_798_761_600), (2060, 2_840_140_800)] {
            params.not_after = date_time_ymd(year, 1, 1);
            let certificate = params.self_signed(&key).unwrap();
            let life = Life { from: 1_767_225_600, until, self_issued: true };
            assert_eq!(Life::of(certificate.der()), Some(life), "{year}");
            for end in 0..60 {
                assert_eq!(Life::of(&certificate.der()[..end].into()), None, "{end}");
            }
        }
    }
}
