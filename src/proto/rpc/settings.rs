//! What a peer puts up with, as its HELLO says it (section "HELLO").

use bytes::{Buf, BufMut, BytesMut};

use super::frame::HELLO;
use super::reject::Reject;

/// Bytes of one setting.
const SETTING: usize = 10;

/// Settings in a HELLO at most.
const MAX_SETTINGS: usize = 64;

/// The most credit that there can be, in bytes.
pub const MAX_CREDIT: u32 = i32::MAX as u32;

/// The lowest limit on messages that a HELLO can say, in bytes.
pub const LEAST_MESSAGE: u32 = 4_096;

/// The lowest limit on metadata that a HELLO can say, in bytes.
pub const LEAST_METADATA: u32 = 512;

/// The highest limit on metadata that a HELLO can say, in bytes.
pub const MOST_METADATA: u32 = 65_535;

/// What a peer puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of payload of a frame that it reads.
    pub max_frame: u32,
    /// Calls of the other side that may be open at a time.
    pub max_streams: u32,
    /// Bytes of DATA that may be sent on each new stream.
    pub stream_credit: u32,
    /// Bytes of DATA that may be sent on all streams together.
    pub connection_credit: u32,
    /// Bytes of a message, decompressed.
    pub max_message: u32,
    /// Bytes of metadata of a call, and of its end.
    pub max_metadata: u32,
    /// Which payload codecs it reads: bit N for codec N.
    pub codecs: u64,
    /// Which compressions it reads: bit N for compression N.
    pub compressions: u64,
    /// Milliseconds between two PINGs that it puts up with.
    pub min_ping_interval: u32,
}

impl Default for Settings {
    /// What holds for what a HELLO does not say.
    fn default() -> Self {
        Self {
            max_frame: 16_384,
            max_streams: 0,
            stream_credit: 65_536,
            connection_credit: 65_536,
            max_message: 4 << 20,
            max_metadata: 8_192,
            codecs: 1,
            compressions: 0,
            min_ping_interval: 10_000,
        }
    }
}

/// A number among the settings, with its name and its range.
type Row = (u16, u32, u32, fn(&mut Settings) -> &mut u32);

const ROWS: [Row; 7] = [
    (1, 4_096, 65_535, |settings| &mut settings.max_frame),
    (2, 0, MAX_CREDIT, |settings| &mut settings.max_streams),
    (3, 0, MAX_CREDIT, |settings| &mut settings.stream_credit),
    (4, 0, MAX_CREDIT, |settings| &mut settings.connection_credit),
    (5, LEAST_MESSAGE, MAX_CREDIT, |settings| &mut settings.max_message),
    (6, LEAST_METADATA, MOST_METADATA, |settings| &mut settings.max_metadata),
    (9, 0, u32::MAX, |settings| &mut settings.min_ping_interval),
];

/// A set of bits among them, with its name.
type Bits = (u16, fn(&mut Settings) -> &mut u64);

const BITS: [Bits; 2] = [(7, |settings| &mut settings.codecs), (8, |settings| &mut settings.compressions)];

impl Settings {
    /// The payload of a HELLO.
    ///
    /// # Errors
    /// A setting out of its range or twice, or bytes left over.
    pub fn parse(mut payload: &[u8]) -> Result<Self, Reject> {
        if !payload.len().is_multiple_of(SETTING) || payload.len() > MAX_SETTINGS * SETTING {
            return Err(Reject::Malformed { kind: HELLO });
        }
        let mut settings = Self::default();
        let mut seen = Vec::new();
        while payload.has_remaining() {
            let (name, value) = (payload.get_u16_le(), payload.get_u64_le());
            let wrong = Reject::Setting { name, value };
            if seen.contains(&name) {
                return Err(wrong);
            }
            seen.push(name);
            if let Some((_, least, most, field)) = ROWS.iter().find(|row| row.0 == name) {
                let number = u32::try_from(value).ok().filter(|number| (*least..=*most).contains(number));
                *field(&mut settings) = number.ok_or(wrong)?;
            } else if let Some((_, field)) = BITS.iter().find(|row| row.0 == name) {
                *field(&mut settings) = value;
            }
        }
        Ok(settings)
    }

    /// The same with every value brought into the range of what a HELLO can say.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        for (_, least, most, field) in ROWS {
            let value = field(&mut self);
            *value = (*value).clamp(least, most);
        }
        self
    }

    /// Appends the payload of a HELLO. Values out of their range are brought into it.
    pub fn put(self, out: &mut BytesMut) {
        let mut settings = self.clamped();
        for (name, _, _, field) in ROWS {
            out.put_u16_le(name);
            out.put_u64_le(u64::from(*field(&mut settings)));
        }
        for (name, field) in BITS {
            out.put_u16_le(name);
            out.put_u64_le(*field(&mut settings));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setting(name: u16, value: u64) -> Vec<u8> {
        [&name.to_le_bytes()[..], &value.to_le_bytes()].concat()
    }

    #[test]
    fn every_setting_comes_through() {
        let settings = Settings {
            max_frame: 32_768,
            max_streams: 7,
            stream_credit: 1,
            connection_credit: MAX_CREDIT,
            max_message: 4_096,
            max_metadata: 600,
            codecs: 3,
            compressions: 1,
            min_ping_interval: 0,
        };
        let mut payload = BytesMut::new();
        settings.put(&mut payload);
        assert_eq!(Settings::parse(&payload), Ok(settings));
    }

    #[test]
    fn what_is_missing_has_its_default_and_what_is_unknown_is_skipped() {
        assert_eq!(Settings::parse(b""), Ok(Settings::default()));
        let payload = [setting(1000, u64::MAX), setting(2, 5)].concat();
        assert_eq!(Settings::parse(&payload), Ok(Settings { max_streams: 5, ..Settings::default() }));
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (name, least, most, _) in ROWS {
            for value in [u64::from(least), u64::from(most)] {
                assert!(Settings::parse(&setting(name, value)).is_ok(), "{name}: {value}");
            }
            for value in [u64::from(most) + 1, u64::MAX].into_iter().chain(u64::from(least).checked_sub(1)) {
                assert_eq!(Settings::parse(&setting(name, value)), Err(Reject::Setting { name, value }));
            }
        }
        let twice = [setting(2, 5), setting(2, 5)].concat();
        assert_eq!(Settings::parse(&twice), Err(Reject::Setting { name: 2, value: 5 }));
        assert_eq!(Settings::parse(&[0; 9]), Err(Reject::Malformed { kind: HELLO }));
        let many: Vec<u8> = (100..165).flat_map(|name| setting(name, 0)).collect();
        assert_eq!(Settings::parse(&many), Err(Reject::Malformed { kind: HELLO }));
    }
}
