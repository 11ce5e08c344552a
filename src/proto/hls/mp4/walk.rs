//! The boxes of a file, found by few reads of ranges: `moov` may stand in front of gigabytes, or behind them.
//!
//! The file is not here. [`Walk::step`] says which bytes it needs next, [`Walk::give`] takes them, and what is not wanted is
//! passed over unread. For a file with `moov` in front two reads are enough, and three with it behind.

use std::ops::Range;

use bytes::Bytes;

use super::read::{Head, MAX_HEAD};
use super::{Fault, FourCc, Wrong};

/// Bytes that are asked for where a box begins: mostly more than the small boxes in front have.
const PROBE: u64 = 16 * 1024;

/// The longest box that is held, in bytes. Ten hours of a film have tables of some 30 MiB.
pub const MAX_HELD: u64 = 256 * 1024 * 1024;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read these bytes of the file, and [`Walk::give`] them.
    Read(Range<u64>),
    /// A box that is wanted.
    Found(Found),
    /// The file has no more boxes.
    End,
}

/// A whole box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: FourCc,
    /// The byte where it begins.
    pub at: u64,
    /// All of it, head and inside.
    pub bytes: Bytes,
}

/// A walk over the boxes of a file.
#[derive(Clone, Debug)]
pub struct Walk {
    length: u64,
    wanted: &'static [&'static [u8; 4]],
    /// Where the next box begins.
    at: u64,
    /// What was read last, and where that begins.
    window: Bytes,
    window_at: u64,
    /// What is being asked for.
    asked: Option<Range<u64>>,
}

impl Walk {
    /// A walk over a file of `length` bytes that stops at the boxes with these names.
    #[must_use]
    pub fn new(length: u64, wanted: &'static [&'static [u8; 4]]) -> Self {
        Self { length, wanted, at: 0, window: Bytes::new(), window_at: 0, asked: None }
    }

    /// A walk to `moov`.
    #[must_use]
    pub fn to_movie(length: u64) -> Self {
        Self::new(length, &[b"moov"])
    }

    /// What to do next. While bytes are needed, the answer is the same.
    ///
    /// # Errors
    /// When a box has no possible size, a wanted one is longer than [`MAX_HELD`], or the file ends in it. A box that is passed over
    /// may reach beyond the end: the file was cut there.
    pub fn step(&mut self) -> Result<Step, Fault> {
        loop {
            if self.at >= self.length {
                return Ok(Step::End);
            }
            let left = self.length - self.at;
            let seen = self.seen();
            let Some(head) = Head::parse_outer(&seen, self.at)? else {
                if left < MAX_HEAD as u64 && seen.len() as u64 == left {
                    // Too few bytes for a box: padding.
                    return Ok(Step::End);
                }
                return self.ask(self.at..self.at.saturating_add(PROBE).min(self.length));
            };
            let size = head.size.unwrap_or(left);
            if !self.wanted.contains(&&head.name.0) {
                self.at = self.at.saturating_add(size);
                continue;
            }
            if size > left {
                return Err(Wrong::Cut(head.name).at(self.at));
            }
            if size > MAX_HELD {
                return Err(Wrong::Large { name: head.name, size, limit: MAX_HELD }.at(self.at));
            }
            if (seen.len() as u64) < size {
                return self.ask(self.at..self.at + size);
            }
            let found = Found { name: head.name, at: self.at, bytes: seen.slice(..size as usize) };
            self.at += size;
            return Ok(Step::Found(found));
        }
    }

    /// Takes bytes of the range that was asked for last, from its beginning. Fewer mean that the file ends there.
    pub fn give(&mut self, bytes: Bytes) {
        let Some(asked) = self.asked.take() else { return };
        let end = asked.start.saturating_add(bytes.len() as u64);
        if end < asked.end {
            self.length = end;
        }
        (self.window_at, self.window) = (asked.start, bytes);
    }

    /// The bytes from the next box on, as far as they were read.
    fn seen(&self) -> Bytes {
        let into = self.at.checked_sub(self.window_at).and_then(|into| usize::try_from(into).ok());
        match into {
            Some(into) if into <= self.window.len() => self.window.slice(into..),
            _ => Bytes::new(),
        }
    }

    fn ask(&mut self, range: Range<u64>) -> Result<Step, Fault> {
        self.asked = Some(range.clone());
        Ok(Step::Read(range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(name: &[u8; 4], inside: usize) -> Vec<u8> {
        [&(inside as u32 + 8).to_be_bytes()[..], name, &vec![7; inside]].concat()
    }

    fn long(name: &[u8; 4], inside: usize) -> Vec<u8> {
        [&[0, 0, 0, 1][..], name, &(inside as u64 + 16).to_be_bytes(), &vec![7; inside]].concat()
    }

    /// What is found in `file`, and how many reads it took.
    fn walk(file: &[u8], mut walk: Walk) -> (Result<Vec<Found>, Fault>, usize) {
        let (mut found, mut reads) = (Vec::new(), 0);
        loop {
            match walk.step() {
                Ok(Step::Read(range)) => {
                    assert!(range.start < range.end && range.end <= walk.length, "{range:?}");
                    assert_eq!(walk.step(), Ok(Step::Read(range.clone())), "the same until it is given");
                    let end = (range.end as usize).min(file.len());
                    walk.give(Bytes::copy_from_slice(&file[(range.start as usize).min(end)..end]));
                    reads += 1;
                }
                Ok(Step::Found(one)) => found.push(one),
                Ok(Step::End) => return (Ok(found), reads),
                Err(fault) => return (Err(fault), reads),
            }
        }
    }

    #[test]
    fn moov_is_found_wherever_it_is_by_few_reads() {
        let moov = boxed(b"moov", 50_000);
        let mdat = boxed(b"mdat", 1_000_000);
        // file, where moov is, reads at most
        let table = [
            ([boxed(b"ftyp", 24), boxed(b"moov", 100), mdat.clone()].concat(), 32, 1),
            ([boxed(b"ftyp", 24), moov.clone(), mdat.clone()].concat(), 32, 2),
            ([boxed(b"ftyp", 24), boxed(b"free", 0), mdat.clone(), moov.clone()].concat(), 1_000_048, 3),
            ([boxed(b"wide", 0), long(b"mdat", 1_000_000), moov.clone()].concat(), 1_000_024, 3),
            ([boxed(b"free", 20_000), long(b"moov", 60_000), mdat].concat(), 20_008, 3),
        ];
        for (file, at, most) in table {
            let mut stopped = Walk::to_movie(file.len() as u64);
            let mut reads = 0;
            let found = loop {
                match stopped.step().unwrap() {
                    Step::Read(range) => {
                        let range = range.start as usize..range.end as usize;
                        stopped.give(Bytes::copy_from_slice(&file[range]));
                        reads += 1;
                    }
                    Step::Found(found) => break found,
                    Step::End => panic!("no moov"),
                }
            };
            assert_eq!((found.name, found.at), (FourCc(*b"moov"), at));
            assert!(reads <= most, "{reads} reads");
            assert_eq!(file[at as usize..][..found.bytes.len()], found.bytes);
        }
    }

    #[test]
    fn all_wanted_boxes_in_their_order() {
        let file = [
            boxed(b"ftyp", 8),
            boxed(b"moov", 30),
            boxed(b"moof", 50),
            boxed(b"mdat", 40_000),
            boxed(b"moof", 20_000),
            b"\0\0\0\0mdat to the end".to_vec(),
        ]
        .concat();
        let (found, _) = walk(&file, Walk::new(file.len() as u64, &[b"moov", b"moof"]));
        let found: Vec<(u64, usize)> =
            found.unwrap().iter().map(|found| (found.at, found.bytes.len())).collect();
        assert_eq!(found, [(16, 38), (54, 58), (40_120, 20_008)]);
    }

    #[test]
    fn files_that_end_early_or_never_were() {
        let file = [boxed(b"ftyp", 8), boxed(b"mdat", 100), boxed(b"moov", 30)].concat();
        for cut in 0..=file.len() {
            let (found, _) = walk(&file[..cut], Walk::to_movie(cut as u64));
            match cut {
                // The head of moov is whole, and it is not.
                132..162 => assert_eq!(found, Err(Wrong::Cut(FourCc(*b"moov")).at(124)), "{cut}"),
                162 => assert_eq!(found.unwrap().len(), 1),
                _ => assert_eq!(found, Ok(Vec::new()), "{cut}"),
            }
            // A file that became shorter while it was read ends, one way or the other.
            let _ = walk(&file[..cut], Walk::to_movie(file.len() as u64));
        }
    }

    #[test]
    fn sizes_that_cannot_be() {
        let small = [boxed(b"ftyp", 8), b"\0\0\0\x07free".to_vec(), boxed(b"moov", 30)].concat();
        let (found, _) = walk(&small, Walk::to_movie(small.len() as u64));
        assert_eq!(found, Err(Wrong::Size { name: FourCc(*b"free"), size: 7 }.at(16)));
        // A box that ends behind the end of all numbers.
        let endless = b"\0\0\0\x08free\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff".to_vec();
        assert_eq!(walk(&endless, Walk::to_movie(1 << 40)).0, Ok(Vec::new()));
        let huge = b"\0\0\0\x01moov\0\0\0\x01\0\0\0\0and so on".to_vec();
        let mut large = Walk::to_movie(1 << 40);
        assert_eq!(large.step(), Ok(Step::Read(0..PROBE)));
        large.asked = Some(0..huge.len() as u64);
        large.give(huge.into());
        let wrong = Wrong::Large { name: FourCc(*b"moov"), size: 1 << 32, limit: MAX_HELD };
        assert_eq!(large.step(), Err(wrong.at(0)));
    }
}
