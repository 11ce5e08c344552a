//! Fragmented MP4 that arrives in pieces, as an encoder sends it: first what the tracks are, then fragments, and their samples as soon
//! as the `mdat` that holds them is there (ISO/IEC 14496-12 annex A.8, ISO/IEC 23000-19 section 7).
//!
//! A new `moov` begins a new stream: an encoder that changes its coding sends one. Boxes that tell nothing of samples (`styp`, `sidx`, `prft`,
//! `mfra`, `free`) are passed over. At most one box is held at a time, and its length has a limit.

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use super::fragment::{Fragment, Fragments, Run, Samples};
use super::movie::Movie;
use super::read::Head;
use super::table::Located;
use super::{Fault, FourCc, Wrong};

/// The longest box that is held unless told otherwise, in bytes: ten seconds of 50 Mb/s, which is much for a film on a disc.
pub const MAX_HELD: u64 = 64 * 1024 * 1024;

/// What arrived.
#[derive(Clone, Debug)]
pub enum Event {
    /// A stream begins.
    Init {
        /// Its tracks.
        movie: Arc<Movie>,
        /// `moov` as it stood.
        bytes: Bytes,
    },
    /// A fragment begins. Its samples follow.
    Fragment(Fragment),
    /// A sample of the fragment.
    Sample {
        /// Its track.
        track: u32,
        /// Itself: where it is counts from the first byte that was pushed.
        located: Located,
        /// Its bytes. They keep all bytes of the fragment in memory.
        bytes: Bytes,
    },
}

/// A reader of what arrives.
#[derive(Debug)]
pub struct Push {
    held: BytesMut,
    /// Bytes in front of those that are held.
    at: u64,
    /// Bytes of a box that are passed over when they arrive.
    skip: u64,
    limit: u64,
    fragments: Option<Fragments>,
    /// Samples that are told of and have not been given.
    pending: Pending,
    /// The inside of the last `mdat`, and where it begins.
    data: Option<(u64, Bytes)>,
    failed: Option<Fault>,
}

impl Default for Push {
    fn default() -> Self {
        Self::new(MAX_HELD)
    }
}

impl Push {
    /// A reader that holds boxes of up to `limit` bytes.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        Self {
            held: BytesMut::new(),
            at: 0,
            skip: 0,
            limit,
            fragments: None,
            pending: Pending::default(),
            data: None,
            failed: None,
        }
    }

    /// Takes bytes that arrived. Call [`Push::event`] until it has nothing, before more is pushed: only then is what is held limited.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// What has arrived; `None` when that takes more bytes.
    ///
    /// # Errors
    /// When the bytes are no fragmented MP4, or samples are told of by tables in front, a box is too long to be held, or a sample is not in the data that follow its fragment. After a fault nothing
    /// else comes.
    pub fn event(&mut self) -> Result<Option<Event>, Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        self.read().inspect_err(|fault| self.failed = Some(fault.clone()))
    }

    /// That the stream may end here.
    ///
    /// # Errors
    /// When it ends in a box, or before all samples of a fragment were there.
    pub fn end(&self) -> Result<(), Fault> {
        if let Some(fault) = &self.failed {
            return Err(fault.clone());
        }
        let cut = |name| Wrong::Cut(name).at(self.at + self.held.len() as u64);
        if let Some(head) = Head::parse(&self.held, self.at)? {
            return Err(cut(head.name));
        }
        if self.skip > 0 || !self.held.is_empty() {
            return Err(cut(FourCc(*b"file")));
        }
        match self.pending.next.is_some() {
            true => Err(cut(FourCc(*b"mdat"))),
            false => Ok(()),
        }
    }

    fn read(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            if let Some((at, data)) = &self.data {
                if let Some(event) = self.pending.take(*at, data)? {
                    return Ok(Some(event));
                }
                self.data = None;
            }
            let skipped = self.skip.min(self.held.len() as u64);
            self.held.advance(skipped as usize);
            self.skip -= skipped;
            self.at += skipped;
            let Some(head) = Head::parse_outer(&self.held, self.at)? else { return Ok(None) };
            let Some(size) = head.size else {
                return Err(Wrong::Size { name: head.name, size: 0 }.at(self.at));
            };
            let wanted = match &head.name.0 {
                b"moov" | b"moof" => true,
                b"mdat" if self.fragments.is_none() => return Err(Wrong::NotFragmented.at(self.at)),
                b"mdat" => self.pending.next.is_some(),
                _ => false,
            };
            if !wanted {
                self.skip = size;
                if self.held.is_empty() {
                    return Ok(None);
                }
                continue;
            }
            if size > self.limit {
                return Err(Wrong::Large { name: head.name, size, limit: self.limit }.at(self.at));
            }
            if (self.held.len() as u64) < size {
                return Ok(None);
            }
            let bytes = self.held.split_to(size as usize).freeze();
            let at = self.at;
            self.at += size;
            match &head.name.0 {
                b"mdat" => self.data = Some((at + head.length as u64, bytes.slice(head.length..))),
                b"moov" => return self.init(at, bytes).map(Some),
                _ => return self.fragment(at, bytes).map(Some),
            }
        }
    }

    fn init(&mut self, at: u64, bytes: Bytes) -> Result<Event, Fault> {
        self.pending.must_be_over(at)?;
        let movie = Movie::read(at, bytes.clone())?;
        if !movie.fragmented || movie.tracks.iter().any(|track| !track.table.is_empty()) {
            return Err(Wrong::NotFragmented.at(at));
        }
        self.fragments = Some(Fragments::new(&movie));
        Ok(Event::Init { movie: Arc::new(movie), bytes })
    }

    fn fragment(&mut self, at: u64, bytes: Bytes) -> Result<Event, Fault> {
        self.pending.must_be_over(at)?;
        let Some(fragments) = &mut self.fragments else {
            return Err(Wrong::Missing { name: FourCc(*b"moov"), around: FourCc(*b"file") }.at(at));
        };
        let fragment = fragments.read(at, bytes)?;
        self.pending = Pending::of(&fragment);
        Ok(Event::Fragment(fragment))
    }
}

/// The samples of a fragment that have not been given.
#[derive(Debug, Default)]
struct Pending {
    moof: u64,
    /// The runs from the next one on, the last one first.
    runs: Vec<Run>,
    samples: Option<(u32, Samples)>,
    next: Option<(u32, Located)>,
    /// Samples that have been given.
    given: usize,
}

impl Pending {
    fn of(fragment: &Fragment) -> Self {
        let runs = fragment.runs.iter().rev().cloned().collect();
        let mut pending = Self { moof: fragment.at, runs, ..Self::default() };
        pending.advance();
        pending
    }

    fn advance(&mut self) {
        loop {
            if let Some((track, samples)) = &mut self.samples
                && let Some(located) = samples.next()
            {
                self.next = Some((*track, located));
                return;
            }
            let Some(run) = self.runs.pop() else {
                (self.samples, self.next) = (None, None);
                return;
            };
            self.samples = Some((run.track, run.samples()));
        }
    }

    /// The next sample if it is in `data`, which begin at byte `at`; `None` when it is behind them.
    fn take(&mut self, at: u64, data: &Bytes) -> Result<Option<Event>, Fault> {
        let Some((track, located)) = self.next else { return Ok(None) };
        let end = at + data.len() as u64;
        let sample_end = located.at.saturating_add(u64::from(located.sample.size));
        if located.at > end || located.at == end && located.sample.size > 0 {
            return Ok(None);
        }
        let start = located.at.checked_sub(at).filter(|_| sample_end <= end);
        let Some(start) = start else { return Err(self.outside(at)) };
        let bytes = data.slice(start as usize..(sample_end - at) as usize);
        self.given += 1;
        self.advance();
        Ok(Some(Event::Sample { track, located, bytes }))
    }

    fn must_be_over(&self, at: u64) -> Result<(), Fault> {
        if self.next.is_some() { Err(self.outside(at)) } else { Ok(()) }
    }

    fn outside(&self, at: u64) -> Fault {
        Wrong::Outside { number: self.given, moof: self.moof }.at(at)
    }
}

#[cfg(test)]
mod tests;
