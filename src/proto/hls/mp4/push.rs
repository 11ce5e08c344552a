//! MP4 that arrives in pieces, as an encoder or a web server sends it: first what the tracks are, then their samples, each as soon as
//! its bytes are there (ISO/IEC 14496-12 annex A.8, ISO/IEC 23000-19 section 7).
//!
//! What tells of samples has to come before them: fragments, or a `moov` in front of the data. A new `moov` begins a new stream: an
//! encoder that changes its coding sends one. Events (`emsg`) come in front of the fragment that they go with, and the mark of a last segment (the brand `lmsg`
//! of its `styp`, ISO/IEC 23009-1 section 7.3.1) where it stands. Other boxes that tell nothing of samples (`sidx`, `prft`, `mfra`, `free`) are passed over, and
//! so are data of nobody, and events that are not as they should be or longer than [`MAX_MESSAGE`]. What is held is one `moov`, `moof` or sample at a time, and its length has a limit.

mod pending;

use std::sync::Arc;

use bytes::{Buf, Bytes, BytesMut};

use self::pending::Pending;
use super::fragment::{Fragment, Fragments};
use super::message::{MAX_MESSAGE, Message, When};
use super::movie::Movie;
use super::read::Head;
use super::table::Located;
use super::{Fault, FourCc, Wrong};

/// The longest box or sample that is held unless told otherwise, in bytes. Ten hours of a film have tables of some 30 MiB, and a picture of
/// cinema has 2.
pub const MAX_HELD: u64 = 64 * 1024 * 1024;

/// Bytes of a `styp` that is looked at at most: those of CMAF have 32.
const MAX_TYPE: u64 = 1024;

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
    /// An event, of the fragment that follows.
    Message(When, Message),
    /// The segment that begins is the last one.
    Last,
    /// A fragment begins. Its samples follow.
    Fragment(Fragment),
    /// A sample, of the fragment or of the tables of `moov`. They come in the order of their bytes.
    Sample {
        /// Its track.
        track: u32,
        /// Itself: where it is counts from the first byte that was pushed.
        located: Located,
        /// Its bytes. They share memory with what arrived around them.
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
    /// Where the `mdat` ends in which the stream is.
    data: Option<u64>,
    /// Whether the last `mdat` goes on to the end, wherever that is.
    endless: bool,
    failed: Option<Fault>,
}

impl Default for Push {
    fn default() -> Self {
        Self::new(MAX_HELD)
    }
}

impl Push {
    /// A reader that holds boxes and samples of up to `limit` bytes.
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
            endless: false,
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
    /// When the bytes are no MP4, samples come before what tells of them, what has to be held is too long, and when a sample is not in the
    /// data that follow. After a fault nothing else comes.
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
        if self.endless && self.pending.is_over() {
            return Ok(());
        }
        let cut = |name| Wrong::Cut(name).at(self.at + self.held.len() as u64);
        if self.data.is_some() {
            return Err(cut(FourCc(*b"mdat")));
        }
        if let Some(head) = Head::parse(&self.held, self.at)? {
            return Err(cut(head.name));
        }
        if self.skip > 0 || !self.held.is_empty() {
            return Err(cut(FourCc(*b"file")));
        }
        match self.pending.is_over() {
            false => Err(cut(FourCc(*b"mdat"))),
            true => Ok(()),
        }
    }

    fn read(&mut self) -> Result<Option<Event>, Fault> {
        loop {
            self.pass_over();
            if self.skip > 0 {
                return Ok(None);
            }
            if let Some(end) = self.data {
                match self.sample(end)? {
                    Data::Sample(event) => return Ok(Some(event)),
                    Data::More => return Ok(None),
                    Data::Over => {
                        (self.data, self.skip) = (None, end - self.at);
                        continue;
                    }
                }
            }
            let Some(head) = Head::parse_outer(&self.held, self.at)? else { return Ok(None) };
            let size = head.size.unwrap_or(u64::MAX - self.at);
            match &head.name.0 {
                b"mdat" if self.fragments.is_none() => return Err(Wrong::DataFirst.at(self.at)),
                b"mdat" => {
                    let end = self.at.checked_add(size);
                    let end = end.ok_or_else(|| Wrong::Overflow(head.name).at(self.at))?;
                    self.endless = head.size.is_none();
                    (self.data, self.skip) = (Some(end), head.length as u64);
                }
                b"moov" | b"moof" => {
                    let at = self.at;
                    let Some(bytes) = self.take(head.name, size)? else { return Ok(None) };
                    let is_init = head.name.0 == *b"moov";
                    return if is_init { self.init(at, bytes) } else { self.fragment(at, bytes) }.map(Some);
                }
                b"emsg" if size <= MAX_MESSAGE.min(self.limit) => {
                    let at = self.at;
                    let Some(bytes) = self.take(head.name, size)? else { return Ok(None) };
                    // What it says is for others: nothing is lost of the media when it is wrong.
                    if let Ok((when, message)) = Message::read(at, bytes) {
                        return Ok(Some(Event::Message(when, message)));
                    }
                }
                b"styp" if size <= MAX_TYPE.min(self.limit) => {
                    let Some(bytes) = self.take(head.name, size)? else { return Ok(None) };
                    if bytes[head.length..].chunks_exact(4).any(|brand| brand == b"lmsg") {
                        return Ok(Some(Event::Last));
                    }
                }
                _ => self.skip = size,
            }
        }
    }

    fn pass_over(&mut self) {
        let skipped = self.skip.min(self.held.len() as u64);
        self.held.advance(skipped as usize);
        self.skip -= skipped;
        self.at += skipped;
    }

    /// The next `size` bytes, when they are there.
    fn take(&mut self, name: FourCc, size: u64) -> Result<Option<Bytes>, Fault> {
        if size > self.limit {
            return Err(Wrong::Large { name, size, limit: self.limit }.at(self.at));
        }
        if (self.held.len() as u64) < size {
            return Ok(None);
        }
        self.at += size;
        Ok(Some(self.held.split_to(size as usize).freeze()))
    }

    /// The next sample, if it is in the data that end at byte `end`.
    fn sample(&mut self, end: u64) -> Result<Data, Fault> {
        let Some((track, located)) = self.pending.peek() else { return Ok(Data::Over) };
        let size = u64::from(located.sample.size);
        // A sample without bytes is anywhere.
        if size > 0 && located.at >= end {
            return Ok(Data::Over);
        }
        if size > 0 {
            if located.at < self.at || located.at.saturating_add(size) > end {
                return Err(self.outside(track, &located));
            }
            self.skip = located.at - self.at;
            self.pass_over();
            if self.skip > 0 {
                return Ok(Data::More);
            }
        }
        let Some(bytes) = self.take(FourCc(*b"mdat"), size)? else { return Ok(Data::More) };
        self.pending.advance();
        Ok(Data::Sample(Event::Sample { track, located, bytes }))
    }

    fn init(&mut self, at: u64, bytes: Bytes) -> Result<Event, Fault> {
        self.must_be_over()?;
        let movie = Arc::new(Movie::read(at, bytes.clone())?);
        self.fragments = Some(Fragments::new(&movie));
        self.pending = Pending::of_tables(&movie);
        Ok(Event::Init { movie, bytes })
    }

    fn fragment(&mut self, at: u64, bytes: Bytes) -> Result<Event, Fault> {
        self.must_be_over()?;
        let Some(fragments) = &mut self.fragments else {
            return Err(Wrong::Missing { name: FourCc(*b"moov"), around: FourCc(*b"file") }.at(at));
        };
        let fragment = fragments.read(at, bytes)?;
        self.pending = Pending::of_fragment(&fragment);
        Ok(Event::Fragment(fragment))
    }

    fn must_be_over(&self) -> Result<(), Fault> {
        self.pending.peek().map_or(Ok(()), |(track, located)| Err(self.outside(track, &located)))
    }

    fn outside(&self, track: u32, located: &Located) -> Fault {
        Wrong::Outside { track, number: located.number, at: located.at }.at(self.at)
    }
}

/// What becomes of data.
enum Data {
    /// A sample.
    Sample(Event),
    /// A sample, when more bytes are there.
    More,
    /// No further sample is in them.
    Over,
}

#[cfg(test)]
mod tests;
