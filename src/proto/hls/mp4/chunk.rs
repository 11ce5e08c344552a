//! The head of a fragment: `moof`, and the head of the `mdat` behind it (ISO/IEC 14496-12 section 8.8, ISO/IEC 23000-19 section 7.3).
//!
//! The bytes of the samples are not seen here: whoever writes them puts them behind the head, those of the first run first, from wherever
//! they are. All sizes are known before the first byte is written. What is the same for all samples of a run is said once.

use bytes::{BufMut, BytesMut};

use super::fragment::{NON_SYNC, tfhd, trun};
use super::write;
use crate::proto::hls::track::Sample;

/// Flags of a sample that depends on no other (ISO/IEC 14496-12 section 8.8.3.1).
const KEY: u32 = 0x0200_0000;
/// Flags of a sample that depends on others.
const NOT_KEY: u32 = 0x0100_0000 | NON_SYNC;
/// Fields of 32 bits that each sample may have.
const EACH: u32 = trun::DURATION | trun::SIZE | trun::FLAGS | trun::COMPOSITION;

/// Samples of a track, for a fragment.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The track.
    pub track: u32,
    /// When the first one is decoded, in ticks of the track. The decode times of the samples themselves are not looked at: they
    /// follow from the durations.
    pub start: u64,
    /// The samples. A run without any is left out.
    pub samples: &'a [Sample],
}

/// Why a fragment cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    /// A run begins too far behind the head.
    #[error("a fragment of {0} bytes is too long for its head: cut it")]
    TooLong(u64),
    /// An index has too many entries.
    #[error("an index cannot have {0} entries, only 65535")]
    Entries(usize),
    /// A piece is too long for an index.
    #[error("a piece of {0} bytes is too long for an index")]
    Piece(u64),
}

/// Appends the head of a fragment; returns how many bytes of samples must follow.
///
/// # Errors
/// When the second run or a later one begins more than 2 GiB behind the head. Nothing is appended then.
pub fn put(out: &mut BytesMut, sequence: u32, runs: &[Run<'_>]) -> Result<u64, Unwritable> {
    let plans: Vec<Plan<'_>> = runs.iter().filter(|run| !run.samples.is_empty()).map(Plan::new).collect();
    let payload: u64 = plans.iter().map(|plan| plan.payload).sum();
    let moof = 8 + 16 + plans.iter().map(Plan::traf_size).sum::<usize>();
    let long = payload > u64::from(u32::MAX) - 8;
    let mut offsets = Vec::with_capacity(plans.len());
    let mut offset = moof as u64 + if long { 16 } else { 8 };
    for plan in &plans {
        offsets.push(i32::try_from(offset).map_err(|_| Unwritable::TooLong(payload))?);
        offset += plan.payload;
    }
    out.reserve(moof + 16);
    write::boxed(out, b"moof", |out| {
        write::full(out, b"mfhd", 0, 0, |out| out.put_u32(sequence));
        for (plan, offset) in plans.iter().zip(offsets) {
            plan.put(out, offset);
        }
    });
    if long {
        out.put_u32(1);
        out.put_slice(b"mdat");
        out.put_u64(payload + 16);
    } else {
        out.put_u32(payload as u32 + 8);
        out.put_slice(b"mdat");
    }
    Ok(payload)
}

/// How a run is written.
struct Plan<'a> {
    run: &'a Run<'a>,
    payload: u64,
    /// What all samples have, and is said once.
    duration: Option<u32>,
    size: Option<u32>,
    flags: Option<u32>,
    /// What the first one has instead.
    first_flags: Option<u32>,
    composition: bool,
}

impl<'a> Plan<'a> {
    fn new(run: &'a Run<'a>) -> Self {
        let samples = run.samples;
        let (first, rest) = match samples {
            [first, rest @ ..] => (flags_of(first), rest),
            [] => (KEY, samples),
        };
        let others = same(rest, flags_of);
        let flags = if rest.is_empty() { Some(first) } else { others };
        Self {
            run,
            payload: samples.iter().map(|sample| u64::from(sample.size)).sum(),
            duration: same(samples, |sample| sample.duration),
            size: same(samples, |sample| sample.size),
            flags,
            first_flags: flags.filter(|flags| *flags != first).map(|_| first),
            composition: samples.iter().any(|sample| sample.composition_offset != 0),
        }
    }

    /// What `tfhd` says for all.
    fn head_flags(&self) -> u32 {
        tfhd::BASE_IS_MOOF
            | flag(self.duration.is_some(), tfhd::DURATION)
            | flag(self.size.is_some(), tfhd::SIZE)
            | flag(self.flags.is_some(), tfhd::FLAGS)
    }

    /// What `trun` says of each.
    fn run_flags(&self) -> u32 {
        trun::DATA_OFFSET
            | flag(self.first_flags.is_some(), trun::FIRST_FLAGS)
            | flag(self.duration.is_none(), trun::DURATION)
            | flag(self.size.is_none(), trun::SIZE)
            | flag(self.flags.is_none(), trun::FLAGS)
            | flag(self.composition, trun::COMPOSITION)
    }

    fn traf_size(&self) -> usize {
        let once = (self.head_flags() & !tfhd::BASE_IS_MOOF).count_ones() as usize * 4;
        let first = if self.first_flags.is_some() { 4 } else { 0 };
        let each = (self.run_flags() & EACH).count_ones() as usize * 4;
        8 + (16 + once) + 20 + (20 + first + self.run.samples.len() * each)
    }

    fn put(&self, out: &mut BytesMut, offset: i32) {
        write::boxed(out, b"traf", |out| {
            write::full(out, b"tfhd", 0, self.head_flags(), |out| {
                out.put_u32(self.run.track);
                for value in [self.duration, self.size, self.flags].into_iter().flatten() {
                    out.put_u32(value);
                }
            });
            write::full(out, b"tfdt", 1, 0, |out| out.put_u64(self.run.start));
            write::full(out, b"trun", 1, self.run_flags(), |out| self.put_run(out, offset));
        });
    }

    fn put_run(&self, out: &mut BytesMut, offset: i32) {
        out.put_u32(self.run.samples.len() as u32);
        out.put_i32(offset);
        if let Some(flags) = self.first_flags {
            out.put_u32(flags);
        }
        for sample in self.run.samples {
            if self.duration.is_none() {
                out.put_u32(sample.duration);
            }
            if self.size.is_none() {
                out.put_u32(sample.size);
            }
            if self.flags.is_none() {
                out.put_u32(flags_of(sample));
            }
            if self.composition {
                out.put_i32(sample.composition_offset);
            }
        }
    }
}

fn flag(set: bool, flag: u32) -> u32 {
    if set { flag } else { 0 }
}

fn flags_of(sample: &Sample) -> u32 {
    if sample.key { KEY } else { NOT_KEY }
}

/// What `value` is of all samples; `None` when it differs, or there are none.
fn same(samples: &[Sample], value: impl Fn(&Sample) -> u32) -> Option<u32> {
    let first = value(samples.first()?);
    samples.iter().all(|sample| value(sample) == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(duration: u32, size: u32, composition_offset: i32, key: bool) -> Sample {
        Sample { dts: 0, composition_offset, duration, size, key }
    }

    /// The flags of `tfhd` and `trun`, and bytes of the head.
    fn shape(samples: &[Sample]) -> (u32, u32, usize) {
        let mut out = BytesMut::new();
        put(&mut out, 1, &[Run { track: 1, start: 0, samples }]).unwrap();
        let after = |name: &[u8; 4]| {
            let at = out.windows(4).position(|window| window == name).unwrap() + 4;
            u32::from_be_bytes(out[at..at + 4].try_into().unwrap()) & 0x00ff_ffff
        };
        (after(b"tfhd"), after(b"trun"), out.len())
    }

    #[test]
    fn what_is_the_same_is_said_once() {
        let (key, other) = (sample(1024, 100, 0, true), sample(1024, 90, 0, false));
        // moof, mfhd, traf, tfhd, tfdt, trun with an offset, mdat
        let least = 8 + 16 + 8 + 16 + 20 + 20 + 8;
        let table: &[(&[Sample], u32, u32, usize)] = &[
            (&[key, key, key], 0x02_0038, 0x001, 12),
            (&[key], 0x02_0038, 0x001, 12),
            // A key frame and what depends on it: sizes differ, the rest is said once.
            (&[key, other, other], 0x02_0028, 0x205, 8 + 4 + 3 * 4),
            (&[other, key, other], 0x02_0008, 0x601, 4 + 3 * 8),
            (&[key, sample(1000, 100, 0, true)], 0x02_0030, 0x101, 8 + 2 * 4),
            (&[key, sample(1024, 100, -5, true)], 0x02_0038, 0x801, 12 + 2 * 4),
            (&[key, sample(1, 2, 3, false), sample(1, 2, 3, true)], 0x02_0000, 0xf01, 3 * 16),
        ];
        for (samples, head, run, more) in table {
            assert_eq!(shape(samples), (*head, *run, least + more), "{samples:?}");
        }
    }

    #[test]
    fn a_head_byte_by_byte() {
        let mut out = BytesMut::new();
        let samples = [sample(3000, 700, 6000, true), sample(3000, 50, -3000, false)];
        let payload = put(&mut out, 7, &[Run { track: 2, start: 1 << 33, samples: &samples }]);
        assert_eq!(payload, Ok(750));
        let expected: &[&[u8]] = &[
            b"\0\0\0\x74moof",
            b"\0\0\0\x10mfhd\0\0\0\0\0\0\0\x07",
            b"\0\0\0\x5ctraf",
            b"\0\0\0\x18tfhd\0\x02\0\x28\0\0\0\x02\0\0\x0b\xb8\x01\x01\0\0",
            b"\0\0\0\x14tfdt\x01\0\0\0\0\0\0\x02\0\0\0\0",
            b"\0\0\0\x28trun\x01\0\x0a\x05\0\0\0\x02\0\0\0\x7c\x02\0\0\0",
            b"\0\0\x02\xbc\0\0\x17\x70\0\0\0\x32\xff\xff\xf4\x48",
            b"\0\0\x02\xf6mdat",
        ];
        assert_eq!(out, expected.concat());
    }

    #[test]
    fn long_fragments() {
        let huge = vec![sample(1, 1 << 30, 0, true); 4];
        let mut out = BytesMut::new();
        let one = |samples| Run { track: 1, start: 0, samples };
        // One track may be of any length, with a size of 64 bits.
        assert_eq!(put(&mut out, 1, &[one(&huge)]), Ok(4 << 30));
        assert_eq!(&out[out.len() - 16..], b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\x10");
        assert_eq!(out[out.len() - 16 - 4..][..4], (out.len() as u32).to_be_bytes(), "the offset of the run");
        // A second one must begin where 31 bits reach.
        let before = out.clone();
        assert_eq!(put(&mut out, 1, &[one(&huge), one(&huge[..1])]), Err(Unwritable::TooLong(5 << 30)));
        assert_eq!(out, before);
        // The last payload with a size of 32 bits.
        let most = [sample(1, u32::MAX - 8, 0, true)];
        let mut out = BytesMut::new();
        assert_eq!(put(&mut out, 1, &[one(&most)]), Ok(u64::from(u32::MAX) - 8));
        assert_eq!(&out[out.len() - 8..], b"\xff\xff\xff\xffmdat");
    }

    #[test]
    fn runs_without_samples_are_left_out() {
        let mut out = BytesMut::new();
        assert_eq!(put(&mut out, 1, &[Run { track: 1, start: 0, samples: &[] }]), Ok(0));
        assert_eq!(&out[..], b"\0\0\0\x18moof\0\0\0\x10mfhd\0\0\0\0\0\0\0\x01\0\0\0\x08mdat");
    }
}
