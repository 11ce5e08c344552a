//! Forms with files, `multipart/form-data` (RFC 7578 on top of RFC 2046 section 5.1), as a stream.
//!
//! A [`Multipart`] takes bytes as they come and gives events: the head of a part, its data in pieces, its end, and the end
//! of the form. It holds back at most the bytes that may turn out to be a delimiter, and a head that is not complete. Line
//! ends are CRLF, and a line that starts with the boundary is a delimiter or an error, so that nobody reads the same form
//! in another way.

mod head;
mod limits;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::Finder;

pub use self::head::PartHead;
pub use self::limits::{MultipartError, MultipartLimits};

/// Padding behind a boundary at most (RFC 2046 allows any; nobody sends it).
const MAX_PADDING: usize = 64;

/// Characters of a boundary at most (RFC 2046 section 5.1.1).
pub const MAX_BOUNDARY: usize = 70;

/// What comes out of a form, in order: `(Head Data* PartEnd)* End`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Head(Box<PartHead>),
    /// A piece of the part's content, never empty.
    Data(Bytes),
    /// The part is complete.
    PartEnd,
    /// The form is complete. What follows is thrown away.
    End,
}

/// The decoder of one form.
#[derive(Debug)]
pub struct Multipart {
    limits: MultipartLimits,
    /// Finds CRLF, two dashes, the boundary.
    delimiter: Finder<'static>,
    state: State,
    parts: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first delimiter; so many bytes are thrown away already.
    Preamble { skipped: usize },
    /// Behind a boundary.
    Boundary,
    /// In a head, of which so many bytes have been searched for its end.
    Head { searched: usize },
    /// Behind a head: a part without content may lack the line end before its delimiter.
    Content,
    /// In the content of a part.
    Data,
    /// Behind the last delimiter; so many bytes are thrown away already.
    Epilogue { skipped: usize },
}

impl Multipart {
    /// A decoder for a form with this boundary, as given by the parameter of its media type.
    ///
    /// # Errors
    /// [`MultipartError::Boundary`].
    pub fn new(boundary: &str, limits: MultipartLimits) -> Result<Self, MultipartError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        let fits = (1..=MAX_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
        if !fits || !boundary.bytes().all(allowed) {
            return Err(MultipartError::Boundary);
        }
        let delimiter = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        Ok(Self { limits, delimiter, state: State::Preamble { skipped: 0 }, parts: 0 })
    }

    /// Takes one event from the front of `src`, or `None` when it needs more bytes.
    ///
    /// # Errors
    /// What is wrong with the form. Nothing more is decoded then.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Event>, MultipartError> {
        loop {
            let progress = match self.state {
                State::Preamble { skipped } => self.preamble(skipped, src)?,
                State::Boundary => self.boundary(src)?,
                State::Head { searched } => self.head(searched, src)?,
                State::Content => self.content(src),
                State::Data => self.data(src),
                State::Epilogue { skipped } => self.epilogue(skipped, src)?,
            };
            match progress {
                Progress::Event(event) => return Ok(Some(event)),
                Progress::More => return Ok(None),
                Progress::Next => {}
            }
        }
    }

    /// As [`decode`](Multipart::decode), when no byte will follow.
    ///
    /// # Errors
    /// [`MultipartError::Torn`] when the form is not complete.
    pub fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Event>, MultipartError> {
        match self.decode(src)? {
            Some(event) => Ok(Some(event)),
            None if matches!(self.state, State::Epilogue { .. }) => Ok(None),
            None => Err(MultipartError::Torn),
        }
    }

    /// Two dashes and the boundary: a delimiter at the start of a line.
    fn dashes(&self) -> &[u8] {
        &self.delimiter.needle()[2..]
    }

    /// Throws away what stands before the first delimiter, which may be the first thing of all.
    fn preamble(&mut self, skipped: usize, src: &mut BytesMut) -> Result<Progress, MultipartError> {
        if skipped == 0 {
            match starts_with(src, self.dashes()) {
                Some(true) => {
                    src.advance(self.dashes().len());
                    self.state = State::Boundary;
                    return Ok(Progress::Next);
                }
                Some(false) => {}
                None => return Ok(Progress::More),
            }
        }
        let (free, found) = self.free(src);
        let skipped = skipped + free;
        if skipped > self.limits.surplus {
            return Err(MultipartError::Preamble(self.limits.surplus));
        }
        src.advance(free);
        self.state = State::Preamble { skipped };
        Ok(if found { self.take_delimiter(src) } else { Progress::More })
    }

    /// How many bytes at the front are not part of a delimiter, and whether one follows them.
    fn free(&self, src: &[u8]) -> (usize, bool) {
        if let Some(position) = self.delimiter.find(src) {
            return (position, true);
        }
        // A delimiter has one CR, its first byte, so that only the last CR can start one that is not complete.
        let needle = self.delimiter.needle();
        let tail = src.len().saturating_sub(needle.len() - 1);
        let held = memchr::memrchr(b'\r', &src[tail..]).map(|position| tail + position);
        (held.filter(|&position| needle.starts_with(&src[position..])).unwrap_or(src.len()), false)
    }

    fn take_delimiter(&mut self, src: &mut BytesMut) -> Progress {
        src.advance(self.delimiter.needle().len());
        self.state = State::Boundary;
        Progress::Next
    }

    /// What follows a boundary: two dashes at the end of the form, padding and a line end before a part.
    fn boundary(&mut self, src: &mut BytesMut) -> Result<Progress, MultipartError> {
        if src.starts_with(b"--") {
            src.advance(2);
            self.state = State::Epilogue { skipped: 0 };
            return Ok(Progress::Event(Event::End));
        }
        let padding = src.iter().take_while(|&&byte| matches!(byte, b' ' | b'\t')).count();
        match &src[padding..] {
            _ if padding > MAX_PADDING => return Err(MultipartError::Delimiter),
            [] | [b'\r'] => return Ok(Progress::More),
            [b'-'] if padding == 0 => return Ok(Progress::More),
            [b'\r', b'\n', ..] => src.advance(padding + 2),
            _ => return Err(MultipartError::Delimiter),
        }
        if self.parts >= self.limits.parts {
            return Err(MultipartError::TooManyParts(self.limits.parts));
        }
        self.parts += 1;
        self.state = State::Head { searched: 0 };
        Ok(Progress::Next)
    }

    /// The fields of a part, up to the empty line.
    fn head(&mut self, searched: usize, src: &mut BytesMut) -> Result<Progress, MultipartError> {
        let (part, limit) = (self.parts, self.limits.head);
        let too_large = MultipartError::HeadTooLarge { part, limit };
        // Without any field, the empty line comes at once.
        let end = match src.get(..2) {
            Some(b"\r\n") => Some(0),
            _ => memchr::memmem::find(&src[searched..], b"\r\n\r\n").map(|position| searched + position + 2),
        };
        let Some(end) = end else {
            if src.len() >= limit + 2 {
                return Err(too_large);
            }
            self.state = State::Head { searched: src.len().saturating_sub(3) };
            return Ok(Progress::More);
        };
        if end > limit {
            return Err(too_large);
        }
        // A line of the head that another reader would take for a delimiter.
        if src.starts_with(self.dashes()) || self.delimiter.find(&src[..end]).is_some() {
            return Err(MultipartError::Delimiter);
        }
        let head = head::parse(&src[..end], part, self.limits.fields)?;
        src.advance(end + 2);
        self.state = State::Content;
        Ok(Progress::Event(Event::Head(Box::new(head))))
    }

    /// The first bytes behind a head. By the grammar of RFC 2046 the line end of the empty line belongs to the delimiter when
    /// there is no content.
    fn content(&mut self, src: &mut BytesMut) -> Progress {
        match starts_with(src, self.dashes()) {
            Some(true) => {
                src.advance(self.dashes().len());
                self.state = State::Boundary;
                Progress::Event(Event::PartEnd)
            }
            Some(false) => {
                self.state = State::Data;
                Progress::Next
            }
            None => Progress::More,
        }
    }

    fn data(&mut self, src: &mut BytesMut) -> Progress {
        match self.free(src) {
            (0, true) => {
                self.take_delimiter(src);
                Progress::Event(Event::PartEnd)
            }
            (0, false) => Progress::More,
            (free, _) => Progress::Event(Event::Data(src.split_to(free).freeze())),
        }
    }

    fn epilogue(&mut self, skipped: usize, src: &mut BytesMut) -> Result<Progress, MultipartError> {
        let skipped = skipped + src.len();
        if skipped > self.limits.surplus {
            return Err(MultipartError::Epilogue(self.limits.surplus));
        }
        src.clear();
        self.state = State::Epilogue { skipped };
        Ok(Progress::More)
    }
}

/// What a step has come to.
enum Progress {
    Event(Event),
    /// The state has changed; go on.
    Next,
    /// More bytes are needed.
    More,
}

/// Whether `src` starts with `prefix`; `None` when it is too short to say.
fn starts_with(src: &[u8], prefix: &[u8]) -> Option<bool> {
    if src.len() >= prefix.len() {
        Some(src.starts_with(prefix))
    } else if prefix.starts_with(src) {
        None
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests;
