//! Access units of H.264 and H.265: which NAL unit begins one (ITU-T H.264 section 7.4.1.2.3, H.265 section 7.4.2.4.4), and whether a
//! decoder may begin at it.

use super::bits::{Bits, rbsp};
use super::nal::Lengths;
use super::{avc, hevc};

/// How a decoder may begin at an access unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entry {
    /// It may not.
    #[default]
    None,
    /// It may, and pictures that come after it in the stream and before it on the screen may be lost: a recovery point that is at
    /// once exact, or a CRA picture.
    Open,
    /// It may, and nothing is lost: an IDR picture, or a BLA picture.
    Closed,
}

/// What one NAL unit is to its access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An access unit delimiter: the next one begins.
    Delimiter,
    /// A set of parameters: a new access unit begins, if a picture is in front.
    Parameters,
    /// Something else that stands in front of a picture.
    Prefix,
    /// The first slice of a picture.
    First(Entry),
    /// Another slice of it.
    Slice(Entry),
    /// What fills, and may be left out.
    Filler,
    /// Anything else: it belongs to the picture in front.
    Other,
}

/// Which of the two codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
}

impl Coding {
    /// What `nal` is; `None` when it is empty.
    #[must_use]
    pub fn role(self, nal: &[u8]) -> Option<Role> {
        match self {
            Self::Avc => avc_role(nal),
            Self::Hevc => hevc_role(nal),
        }
    }

    /// Whether `nal` is a sequence parameter set.
    #[must_use]
    pub fn begins_sequence(self, nal: &[u8]) -> bool {
        match self {
            Self::Avc => avc::kind(nal) == Some(avc::nal_type::SPS),
            Self::Hevc => hevc::kind(nal) == Some(hevc::nal_type::SPS),
        }
    }
}

/// How a decoder may begin at a sample as MP4 has it, with lengths of `size` bytes in front of its NAL units.
#[must_use]
pub fn entry(coding: Coding, sample: &[u8], size: u8) -> Entry {
    let mut found = Entry::None;
    for nal in Lengths::new(sample, size).map_while(Result::ok) {
        match coding.role(nal) {
            Some(Role::First(entry) | Role::Slice(entry)) => found = found.max(entry),
            Some(Role::Prefix) if coding == Coding::Avc && is_recovery_point(nal) => {
                found = found.max(Entry::Open);
            }
            _ => {}
        }
    }
    found
}

fn avc_role(nal: &[u8]) -> Option<Role> {
    use avc::nal_type::{AUD, FILLER, IDR, PPS, SEI, SLICE, SPS, SPS_EXTENSION};
    Some(match avc::kind(nal)? {
        kind @ (SLICE | IDR | 2) => {
            let entry = if kind == IDR { Entry::Closed } else { Entry::None };
            // `first_mb_in_slice` is 0 when its first bit is 1.
            if nal.get(1).is_some_and(|byte| byte & 0x80 != 0) {
                Role::First(entry)
            } else {
                Role::Slice(entry)
            }
        }
        AUD => Role::Delimiter,
        SPS | PPS | SPS_EXTENSION => Role::Parameters,
        SEI | 14..=18 => Role::Prefix,
        FILLER => Role::Filler,
        _ => Role::Other,
    })
}

fn hevc_role(nal: &[u8]) -> Option<Role> {
    use hevc::nal_type::{AUD, CRA, FILLER, IRAP_FIRST, IRAP_LAST, PPS, SEI_PREFIX, SLICE_LAST, VPS};
    let kind = hevc::kind(nal)?;
    let first_layer = nal[0] & 1 == 0 && nal.get(1).is_none_or(|byte| byte >> 3 == 0);
    Some(match kind {
        0..=SLICE_LAST => {
            let entry = match kind {
                CRA => Entry::Open,
                IRAP_FIRST..=IRAP_LAST => Entry::Closed,
                _ => Entry::None,
            };
            let first = nal.get(2).is_some_and(|byte| byte & 0x80 != 0);
            if first && first_layer { Role::First(entry) } else { Role::Slice(entry) }
        }
        AUD => Role::Delimiter,
        VPS..=PPS => Role::Parameters,
        SEI_PREFIX | 41..=44 | 48..=55 => Role::Prefix,
        FILLER => Role::Filler,
        _ => Role::Other,
    })
}

/// Whether a NAL unit of supplemental enhancement information of H.264 says that decoding may begin here and is exact at once:
/// a recovery point (section D.1.8) with `recovery_frame_cnt` 0.
#[must_use]
pub fn is_recovery_point(nal: &[u8]) -> bool {
    const RECOVERY_POINT: usize = 6;
    if avc::kind(nal) != Some(avc::nal_type::SEI) {
        return false;
    }
    let payload = rbsp(nal);
    let mut rest = &payload[1..];
    while rest.len() > 2 {
        let (Some(kind), Some(size)) = (varying(&mut rest), varying(&mut rest)) else { return false };
        let Some(message) = rest.get(..size) else { return false };
        if kind == RECOVERY_POINT {
            return Bits::new("recovery point", message).ue() == Ok(0);
        }
        rest = &rest[size..];
    }
    false
}

/// A number in bytes of which all but the last are 255 (section 7.3.2.3.1).
fn varying(rest: &mut &[u8]) -> Option<usize> {
    let full = rest.iter().take_while(|byte| **byte == 0xff).count();
    let last = *rest.get(full)?;
    *rest = &rest[full + 1..];
    Some(full * 255 + usize::from(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles() {
        let avc: [(&[u8], Role); 10] = [
            (&[0x09, 0xf0], Role::Delimiter),
            (&[0x67, 0x64], Role::Parameters),
            (&[0x68], Role::Parameters),
            (&[0x06, 5], Role::Prefix),
            (&[0x65, 0x88], Role::First(Entry::Closed)),
            (&[0x65, 0x08], Role::Slice(Entry::Closed)),
            (&[0x41, 0x9a], Role::First(Entry::None)),
            (&[0x01], Role::Slice(Entry::None)),
            (&[0x0c, 0xff], Role::Filler),
            (&[0x0a], Role::Other),
        ];
        let hevc: [(&[u8], Role); 11] = [
            (&[0x46, 1, 0x50], Role::Delimiter),
            (&[0x40, 1], Role::Parameters),
            (&[0x44, 1], Role::Parameters),
            (&[0x4e, 1], Role::Prefix),
            (&[0x26, 1, 0xaf], Role::First(Entry::Closed)),
            (&[0x2a, 1, 0xaf], Role::First(Entry::Open)),
            (&[0x2a, 1, 0x2f], Role::Slice(Entry::Open)),
            (&[0x2a, 9, 0xaf], Role::Slice(Entry::Open)),
            (&[0x02, 1, 0xd0], Role::First(Entry::None)),
            (&[0x4c, 1], Role::Filler),
            (&[0x50, 1], Role::Other),
        ];
        for (nal, role) in avc {
            assert_eq!(Coding::Avc.role(nal), Some(role), "{nal:02x?}");
        }
        for (nal, role) in hevc {
            assert_eq!(Coding::Hevc.role(nal), Some(role), "{nal:02x?}");
        }
        assert_eq!((Coding::Avc.role(&[]), Coding::Hevc.role(&[])), (None, None));
        assert!(Coding::Avc.begins_sequence(&[0x67, 0x64]) && !Coding::Avc.begins_sequence(&[0x68]));
        assert!(Coding::Hevc.begins_sequence(&[0x42, 1]) && !Coding::Hevc.begins_sequence(&[0x44, 1]));
    }

    #[test]
    fn entries_of_samples() {
        let table: [(&[u8], Entry); 5] = [
            (&[2, 0x65, 0x88], Entry::Closed),
            (&[5, 0x06, 6, 1, 0xc4, 0x80, 2, 0x41, 0x9a], Entry::Open),
            (&[2, 0x41, 0x9a], Entry::None),
            (&[9, 0x65, 0x88], Entry::None),
            (&[], Entry::None),
        ];
        for (sample, expected) in table {
            assert_eq!(entry(Coding::Avc, sample, 1), expected, "{sample:02x?}");
        }
        assert_eq!(entry(Coding::Hevc, &[0, 3, 0x2a, 1, 0xaf], 2), Entry::Open);
    }

    #[test]
    fn recovery_points() {
        let table: [(&[u8], bool); 9] = [
            (&[0x06, 6, 1, 0xc4, 0x80], true),
            (&[0x06, 6, 1, 0x44, 0x80], false),
            (&[0x06, 1, 2, 9, 9, 6, 1, 0x80, 0x80], true),
            (&[0x06, 5, 2, 9, 9, 0x80], false),
            (&[0x06, 0xff, 6, 1, 0x80, 0x80], false),
            (&[0x06, 6, 0xff, 1, 0x80, 0x80], false),
            (&[0x06, 0xff, 0xff, 0xff], false),
            (&[0x06], false),
            (&[0x67, 6, 1, 0xc4, 0x80], false),
        ];
        for (nal, expected) in table {
            assert_eq!(is_recovery_point(nal), expected, "{nal:02x?}");
        }
        assert!(!is_recovery_point(&[]));
    }
}
