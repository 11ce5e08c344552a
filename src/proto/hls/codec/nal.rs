//! NAL units of H.264 and H.265 one behind the other, in both manners: behind start codes (Annex B of both), as MPEG-TS has them,
//! and behind their length (ISO/IEC 14496-15 section 5.3.2), as MP4 has them.

use bytes::BytesMut;
use memchr::memmem::Finder;

use super::Error;

/// The start code that this module writes.
pub const START_CODE: [u8; 4] = [0, 0, 0, 1];

const WHAT: &str = "sample of NAL units";

/// The NAL units of a byte stream. Bytes in front of the first start code belong to none, nor do zeros behind a unit.
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    finder: Finder<'static>,
    /// What stands behind the start code that was found last.
    rest: Option<&'a [u8]>,
}

impl<'a> AnnexB<'a> {
    /// Reads `stream`.
    #[must_use]
    pub fn new(stream: &'a [u8]) -> Self {
        let finder = Finder::new(&[0, 0, 1]);
        let rest = finder.find(stream).map(|at| &stream[at + 3..]);
        Self { finder, rest }
    }
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        loop {
            let rest = self.rest?;
            let mut nal = rest;
            self.rest = self.finder.find(rest).map(|at| {
                nal = &rest[..at];
                &rest[at + 3..]
            });
            let end = nal.iter().rposition(|byte| *byte != 0);
            if let Some(end) = end {
                return Some(&nal[..=end]);
            }
        }
    }
}

/// The NAL units of a sample, each behind a length of `size` bytes.
#[derive(Clone, Debug)]
pub struct Lengths<'a> {
    sample: &'a [u8],
    size: usize,
    at: usize,
}

impl<'a> Lengths<'a> {
    /// Reads `sample`. `size` is 1 to 4: `length_size` of the configuration.
    #[must_use]
    pub fn new(sample: &'a [u8], size: u8) -> Self {
        Self { sample, size: usize::from(size).clamp(1, 4), at: 0 }
    }
}

impl<'a> Iterator for Lengths<'a> {
    type Item = Result<&'a [u8], Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.sample.get(self.at..).filter(|rest| !rest.is_empty())?;
        let nal = rest.split_at_checked(self.size).and_then(|(length, nals)| {
            let length = length.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
            nals.get(..length)
        });
        let Some(nal) = nal else {
            self.at = self.sample.len();
            return Some(Err(Error::Short { what: WHAT, at: self.sample.len() }));
        };
        self.at += self.size + nal.len();
        Some(Ok(nal))
    }
}

/// Appends `nal` behind a length of four bytes.
pub fn put_with_length(nal: &[u8], out: &mut BytesMut) {
    // A unit of 4 GiB cannot have been received: see the limit of a PES packet.
    out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
    out.extend_from_slice(nal);
}

/// Turns a sample with lengths of four bytes into a byte stream where it stands: a start code is as long.
///
/// # Errors
/// The lengths do not add up; what was in front of the fault has been turned.
pub fn start_codes_in_place(sample: &mut [u8]) -> Result<(), Error> {
    let (mut at, end) = (0, sample.len());
    while at < end {
        let short = Error::Short { what: WHAT, at: end };
        let field =
            sample.get_mut(at..at + 4).and_then(|field| <&mut [u8; 4]>::try_from(field).ok()).ok_or(short)?;
        let length = u32::from_be_bytes(*field) as usize;
        if length > end - at - 4 {
            return Err(short);
        }
        *field = START_CODE;
        at += 4 + length;
    }
    Ok(())
}

/// Turns a byte stream into a sample with lengths of four bytes where it stands, if all its start codes have four bytes and nothing
/// else is between its units; says whether it did.
#[must_use = "a stream with other start codes is left as it was"]
pub fn lengths_in_place(stream: &mut [u8]) -> bool {
    let mut fields = Vec::new();
    let mut at = 0;
    for nal in AnnexB::new(stream) {
        let start = nal.as_ptr() as usize - stream.as_ptr() as usize;
        if start != at + 4 || stream[at] != 0 {
            return false;
        }
        fields.push((at, nal.len() as u32));
        at = start + nal.len();
    }
    if at != stream.len() {
        return false;
    }
    for (at, length) in fields {
        stream[at..at + 4].copy_from_slice(&length.to_be_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(stream: &[u8]) -> Vec<&[u8]> {
        AnnexB::new(stream).collect()
    }

    #[test]
    fn byte_streams() {
        let table: [(&[u8], &[&[u8]]); 10] = [
            (&[], &[]),
            (&[0, 0], &[]),
            (&[0, 0, 1], &[]),
            (&[9, 9, 9], &[]),
            (&[0, 0, 1, 9], &[&[9]]),
            (&[7, 7, 0, 0, 0, 1, 9, 0xf0], &[&[9, 0xf0]]),
            (&[0, 0, 0, 1, 9, 0, 0, 1, 6, 5], &[&[9], &[6, 5]]),
            (&[0, 0, 1, 9, 0, 0, 0, 0, 0, 1, 6], &[&[9], &[6]]),
            (&[0, 0, 1, 0, 0, 1, 6, 0, 0, 0], &[&[6]]),
            (&[0, 0, 1, 5, 0, 0, 3, 1, 0, 0, 1, 5], &[&[5, 0, 0, 3, 1], &[5]]),
        ];
        for (stream, expected) in table {
            assert_eq!(units(stream), expected, "{stream:02x?}");
        }
    }

    #[test]
    fn lengths() {
        let read = |sample, size| Lengths::new(sample, size).collect::<Result<Vec<_>, _>>();
        let short = |at| Err(Error::Short { what: WHAT, at });
        assert_eq!(read(&[], 4), Ok(vec![]));
        assert_eq!(read(&[0, 0, 0, 1, 9, 0, 0, 0, 2, 5, 6], 4), Ok(vec![&[9][..], &[5, 6]]));
        assert_eq!(read(&[1, 9, 0, 2, 5, 6], 1), Ok(vec![&[9][..], &[], &[5, 6]]));
        assert_eq!(read(&[0, 1, 9, 0, 2, 5, 6], 2), Ok(vec![&[9][..], &[5, 6]]));
        assert_eq!(read(&[0, 0, 0, 2, 9], 4), short(5));
        assert_eq!(read(&[0, 0, 0], 4), short(3));
        assert_eq!(read(&[0xff, 0xff, 0xff, 0xff, 9], 4), short(5));
    }

    #[test]
    fn there_and_back() {
        let mut sample = BytesMut::new();
        for nal in [&[9, 0xf0][..], &[0x67, 1, 2, 3], &[0x65]] {
            put_with_length(nal, &mut sample);
        }
        let before = sample.clone();
        start_codes_in_place(&mut sample).unwrap();
        assert_eq!(sample[..], [0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 2, 3, 0, 0, 0, 1, 0x65]);
        assert_eq!(units(&sample), [&[9, 0xf0][..], &[0x67, 1, 2, 3], &[0x65]]);
        assert!(lengths_in_place(&mut sample));
        assert_eq!(sample, before);
    }

    #[test]
    fn what_cannot_be_turned() {
        for stream in
            [&[0, 0, 1, 9][..], &[1, 0, 0, 0, 1, 9], &[0, 0, 0, 1, 9, 0], &[0, 0, 0, 1, 9, 0, 0, 1, 5], &[5]]
        {
            let mut turned = stream.to_vec();
            assert!(!lengths_in_place(&mut turned), "{stream:02x?}");
            assert_eq!(turned, stream);
        }
        for sample in [&[0, 0, 0, 2, 1][..], &[0, 0, 1], &[0xff, 0xff, 0xff, 0xff]] {
            let error = Error::Short { what: WHAT, at: sample.len() };
            assert_eq!(start_codes_in_place(&mut sample.to_vec()), Err(error), "{sample:02x?}");
        }
    }
}
