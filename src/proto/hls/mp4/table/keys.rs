//! Samples at which decoding can begin (`stss`, ISO/IEC 14496-12 section 8.6.2).

use bytes::Bytes;

use super::super::read::Body;
use crate::proto::hls::mp4::{Fault, Wrong};

/// The numbers of key samples, rising.
#[derive(Clone, Debug)]
pub(super) struct Keys(Bytes);

impl Keys {
    /// What `stss` says.
    pub(super) fn new(mut body: Body) -> Result<Self, Fault> {
        body.full(0)?;
        let at = body.at() + 4;
        let keys = Self(body.table(4)?);
        let mut before = 0;
        for (index, number) in keys.0.chunks_exact(4).map(number).enumerate() {
            if number <= before {
                return Err(Wrong::Order(body.name).at(at + index as u64 * 4));
            }
            before = number;
        }
        Ok(keys)
    }

    fn len(&self) -> usize {
        self.0.len() / 4
    }

    /// The key of that index, as a number from 0.
    fn key(&self, index: usize) -> Option<u32> {
        self.0.get(index * 4..index * 4 + 4).map(|bytes| number(bytes) - 1)
    }

    /// How many keys are before `sample`, a number from 0.
    fn count_before(&self, sample: u32) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.key(middle) {
                Some(key) if key < sample => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }

    /// Whether `sample` is one.
    pub(super) fn has(&self, sample: u32) -> bool {
        self.after(sample) == Some(sample)
    }

    /// The first one at `sample` or after.
    pub(super) fn after(&self, sample: u32) -> Option<u32> {
        self.key(self.count_before(sample))
    }

    /// The last one at `sample` or before.
    pub(super) fn before(&self, sample: u32) -> Option<u32> {
        let end = self.count_before(sample);
        self.key(end).filter(|key| *key == sample).or_else(|| self.key(end.checked_sub(1)?))
    }
}

fn number(bytes: &[u8]) -> u32 {
    match *bytes {
        [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::FourCc;
    use super::*;

    fn keys(numbers: &[u32]) -> Result<Keys, Fault> {
        let words = [&[0, numbers.len() as u32][..], numbers].concat();
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        Keys::new(Body::new(FourCc(*b"stss"), 8, bytes.into()))
    }

    #[test]
    fn keys_around_a_sample() {
        let keys = keys(&[1, 4, 5, u32::MAX]).unwrap();
        // sample, whether it is one, the one at it or before, and at it or after
        let table = [
            (0, true, Some(0), Some(0)),
            (1, false, Some(0), Some(3)),
            (2, false, Some(0), Some(3)),
            (3, true, Some(3), Some(3)),
            (4, true, Some(4), Some(4)),
            (5, false, Some(4), Some(u32::MAX - 1)),
            (u32::MAX, false, Some(u32::MAX - 1), None),
        ];
        for (sample, is, before, after) in table {
            assert_eq!(
                (keys.has(sample), keys.before(sample), keys.after(sample)),
                (is, before, after),
                "{sample}"
            );
        }
    }

    #[test]
    fn an_empty_table_has_no_keys_and_a_late_one_none_before() {
        let none = keys(&[]).unwrap();
        assert_eq!((none.has(0), none.before(9), none.after(0)), (false, None, None));
        assert_eq!(keys(&[3]).unwrap().before(1), None);
    }

    #[test]
    fn keys_rise_from_one() {
        for (numbers, at) in [(&[0][..], 16), (&[2, 2], 20), (&[1, 5, 4], 24)] {
            assert_eq!(keys(numbers).unwrap_err(), Wrong::Order(FourCc(*b"stss")).at(at), "{numbers:?}");
        }
    }
}
