//! The chunk stream: messages cut into chunks, so that a long one does not hold up a short one. Section 5.3.

use std::collections::HashMap;

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes of a chunk until somebody says otherwise.
pub const DEFAULT_CHUNK: usize = 128;

/// Bytes of a message, at most: a picture of the highest rates has less than one of them.
pub const MAX_MESSAGE: usize = 8 << 20;

/// Messages of the greatest length that may have begun on one connection and not be complete: sound goes on within a picture.
pub const MAX_PARTIAL: usize = 2;

/// Chunk streams of one connection, at most. Encoders use four or five.
pub const MAX_STREAMS: usize = 64;

/// What a peer can do wrong with chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// A message that is too long.
    #[error("a message of {bytes} bytes; at most {largest} are taken")]
    Message {
        /// Its length.
        bytes: usize,
        /// What would be taken.
        largest: usize,
    },
    /// Too much has begun and is not complete.
    #[error("more than {0} bytes of messages that are not complete")]
    Partial(usize),
    /// More chunk streams than anybody needs.
    #[error("more than {MAX_STREAMS} chunk streams")]
    Streams,
    /// A header that goes on from a message that has not been.
    #[error("chunk stream {0} begins with a header that goes on")]
    NoFirst(u32),
    /// A message begins within another one of the same chunk stream.
    #[error("chunk stream {0} begins a message within another one")]
    Within(u32),
    /// Chunks of no bytes, or of more than there are.
    #[error("a chunk size of {0}")]
    Size(u32),
}

/// A message as it comes out of chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Milliseconds.
    pub timestamp: u32,
    /// The type of the message.
    pub kind: u8,
    /// The message stream.
    pub stream: u32,
    /// The bytes.
    pub bytes: Bytes,
}

/// What a chunk stream remembers from one header to the next.
#[derive(Debug, Default)]
struct Stream {
    timestamp: u32,
    /// What a header without a time adds to it: the last delta, or the last time (section 5.3.1.2.4).
    step: u32,
    extended: bool,
    length: usize,
    kind: u8,
    stream: u32,
    partial: BytesMut,
}

/// Puts messages together.
#[derive(Debug)]
pub struct Reader {
    size: usize,
    /// Bytes of a message, at most.
    largest: usize,
    streams: HashMap<u32, Stream>,
    /// The chunk that is being read: its stream, and how many bytes of it are missing.
    open: Option<(u32, usize)>,
    partial: usize,
}

impl Default for Reader {
    fn default() -> Self {
        Self { size: DEFAULT_CHUNK, largest: MAX_MESSAGE, streams: HashMap::new(), open: None, partial: 0 }
    }
}

/// A header, as it was written.
struct Header {
    id: u32,
    format: u8,
    time: u32,
    length: usize,
    kind: u8,
    stream: u32,
    extended: bool,
    /// Its own bytes.
    bytes: usize,
}

impl Reader {
    /// From now on chunks have so many bytes.
    ///
    /// # Errors
    /// No size that a chunk can have: the first bit has to be 0.
    pub fn set_size(&mut self, size: u32) -> Result<(), ChunkError> {
        if size == 0 || size > 0x7fff_ffff {
            return Err(ChunkError::Size(size));
        }
        // A message has 24 bits of length, so a chunk never has more.
        self.size = usize::try_from(size).unwrap_or(usize::MAX).min(0xff_ffff);
        Ok(())
    }

    /// From now on messages have so many bytes at most, and [`MAX_MESSAGE`] in any case.
    pub fn set_largest(&mut self, bytes: usize) {
        self.largest = bytes.min(MAX_MESSAGE);
    }

    /// What has come of a message on this chunk stream is forgotten.
    pub fn abort(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            self.partial -= stream.partial.len();
            stream.partial = BytesMut::new();
        }
    }

    /// Whether no message has begun.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.open.is_none() && self.partial == 0
    }

    /// Takes bytes until a message is complete.
    ///
    /// # Errors
    /// The bytes are no chunks, or too much.
    pub fn read(&mut self, src: &mut BytesMut) -> Result<Option<Payload>, ChunkError> {
        loop {
            let (id, missing) = match self.open {
                Some(open) => open,
                None => match self.begin(src)? {
                    Some(open) => open,
                    None => return Ok(None),
                },
            };
            let Some(stream) = self.streams.get_mut(&id) else { return Ok(None) };
            let there = src.len().min(missing);
            self.partial += there;
            let most = self.largest.saturating_mul(MAX_PARTIAL);
            if self.partial > most {
                return Err(ChunkError::Partial(most));
            }
            stream.partial.extend_from_slice(&src[..there]);
            src.advance(there);
            if there < missing {
                self.open = Some((id, missing - there));
                return Ok(None);
            }
            self.open = None;
            if stream.partial.len() >= stream.length {
                self.partial -= stream.partial.len();
                return Ok(Some(Payload {
                    timestamp: stream.timestamp,
                    kind: stream.kind,
                    stream: stream.stream,
                    bytes: std::mem::take(&mut stream.partial).freeze(),
                }));
            }
        }
    }

    /// Takes the header of a chunk. Says whose chunk it is, and how long.
    fn begin(&mut self, src: &mut BytesMut) -> Result<Option<(u32, usize)>, ChunkError> {
        let Some(header) = self.header(src)? else { return Ok(None) };
        if !self.streams.contains_key(&header.id) && self.streams.len() >= MAX_STREAMS {
            return Err(ChunkError::Streams);
        }
        let stream = self.streams.entry(header.id).or_default();
        let goes_on = !stream.partial.is_empty();
        if goes_on && header.format != 3 {
            return Err(ChunkError::Within(header.id));
        }
        if !goes_on {
            match header.format {
                0 => stream.timestamp = header.time,
                _ => stream.timestamp = stream.timestamp.wrapping_add(header.time),
            }
            stream.step = header.time;
            stream.extended = header.extended;
            (stream.length, stream.kind, stream.stream) = (header.length, header.kind, header.stream);
        }
        src.advance(header.bytes);
        Ok(Some((header.id, self.size.min(stream.length - stream.partial.len()))))
    }

    /// Reads a header without taking it; `None` if it is not all there.
    fn header(&self, src: &[u8]) -> Result<Option<Header>, ChunkError> {
        let Some(first) = src.first() else { return Ok(None) };
        let format = first >> 6;
        let (id, basic) = match (first & 0x3f, src.get(1), src.get(2)) {
            (0, Some(one), _) => (64 + u32::from(*one), 2),
            (1, Some(one), Some(two)) => (64 + u32::from(*one) + 256 * u32::from(*two), 3),
            (0 | 1, ..) => return Ok(None),
            (id, ..) => (u32::from(id), 1),
        };
        let fields = [11, 7, 3, 0][usize::from(format)];
        let Some(message) = src.get(basic..basic + fields) else { return Ok(None) };
        let before = self.streams.get(&id);
        if format != 0 && before.is_none() {
            return Err(ChunkError::NoFirst(id));
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte));
        let mut header = Header {
            id,
            format,
            time: before.map_or(0, |stream| stream.step),
            length: before.map_or(0, |stream| stream.length),
            kind: before.map_or(0, |stream| stream.kind),
            stream: before.map_or(0, |stream| stream.stream),
            extended: before.is_some_and(|stream| stream.extended),
            bytes: basic + fields,
        };
        if fields >= 3 {
            header.time = number(&message[..3]);
            header.extended = header.time == 0xff_ffff;
        }
        if fields >= 7 {
            header.length = usize::try_from(number(&message[3..6])).unwrap_or(usize::MAX);
            header.kind = message[6];
            if header.length > self.largest {
                return Err(ChunkError::Message { bytes: header.length, largest: self.largest });
            }
        }
        if let Some(stream) = message.get(7..11).and_then(|four| four.first_chunk::<4>()) {
            header.stream = u32::from_le_bytes(*stream);
        }
        if header.extended {
            let Some(four) = src.get(header.bytes..header.bytes + 4) else { return Ok(None) };
            let time = number(four);
            // Some encoders do not repeat the long time in a chunk that goes on: then these bytes are the message's.
            if format != 3 || time == header.time {
                header.time = time;
                header.bytes += 4;
            }
        }
        Ok(Some(header))
    }
}

/// Writes a message in chunks of `size` bytes, each with a whole header or none.
pub fn write(id: u8, payload: &Payload, size: usize, out: &mut BytesMut) {
    let id = id.clamp(2, 63);
    let extended = payload.timestamp >= 0xff_ffff;
    out.put_u8(id);
    put_24(payload.timestamp.min(0xff_ffff), out);
    put_24(u32::try_from(payload.bytes.len()).unwrap_or(u32::MAX), out);
    out.put_u8(payload.kind);
    out.put_u32_le(payload.stream);
    if extended {
        out.put_u32(payload.timestamp);
    }
    for (index, piece) in payload.bytes.chunks(size.max(1)).enumerate() {
        if index > 0 {
            out.put_u8(0xc0 | id);
            if extended {
                out.put_u32(payload.timestamp);
            }
        }
        out.put_slice(piece);
    }
}

fn put_24(number: u32, out: &mut BytesMut) {
    out.put_slice(&number.to_be_bytes()[1..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(timestamp: u32, length: usize) -> Payload {
        let bytes = (0..length).map(|n| (n % 251) as u8).collect::<Vec<_>>();
        Payload { timestamp, kind: 9, stream: 1, bytes: bytes.into() }
    }

    fn all(reader: &mut Reader, bytes: &[u8]) -> Result<Vec<Payload>, ChunkError> {
        let mut src = BytesMut::from(bytes);
        let mut found = Vec::new();
        while let Some(payload) = reader.read(&mut src)? {
            found.push(payload);
        }
        Ok(found)
    }

    #[test]
    fn messages_come_out_as_they_went_in_however_they_are_cut() {
        let messages = [
            payload(0, 0),
            payload(5, 128),
            payload(0xff_fffe, 129),
            payload(0xff_ffff, 1000),
            payload(u32::MAX, 3),
        ];
        let mut bytes = BytesMut::new();
        messages.iter().for_each(|message| write(4, message, DEFAULT_CHUNK, &mut bytes));
        assert_eq!(all(&mut Reader::default(), &bytes).unwrap(), messages);
        for step in [1, 2, 3, 7, 100] {
            let (mut reader, mut src, mut found) = (Reader::default(), BytesMut::new(), Vec::new());
            for piece in bytes.chunks(step) {
                src.extend_from_slice(piece);
                while let Some(message) = reader.read(&mut src).unwrap() {
                    found.push(message);
                }
            }
            assert_eq!(found, messages, "{step}");
            assert!(reader.is_idle() && src.is_empty());
        }
    }

    #[test]
    fn headers_that_leave_out_what_was_said_before() {
        // A whole header at 1000 ms, then with a length, with a time only, and with nothing.
        let bytes = b"\x04\0\x03\xe8\0\0\x01\x08\x01\0\0\0a\
                      \x44\0\0\x14\0\0\x02\x08bc\
                      \x84\0\0\x15de\
                      \xc4fg";
        let found = all(&mut Reader::default(), bytes).unwrap();
        let short: Vec<_> = found.iter().map(|found| (found.timestamp, &found.bytes[..])).collect();
        assert_eq!(short, [(1000, &b"a"[..]), (1020, b"bc"), (1041, b"de"), (1062, b"fg")]);
        assert!(found.iter().all(|found| (found.kind, found.stream) == (8, 1)));
        // Chunk streams of two and of three bytes.
        for (start, id) in [(&b"\0\x05"[..], 69), (b"\x01\x05\x01", 325)] {
            let mut reader = Reader::default();
            let bytes = [start, b"\0\0\0\0\0\x01\x08\0\0\0\0a"].concat();
            assert_eq!(all(&mut reader, &bytes).unwrap().len(), 1);
            assert!(reader.streams.contains_key(&id));
        }
    }

    #[test]
    fn chunk_streams_are_interleaved() {
        let mut bytes = BytesMut::new();
        let (long, short) = (payload(1, 200), payload(2, 10));
        write(4, &long, 128, &mut bytes);
        let mut between = BytesMut::new();
        write(3, &short, 128, &mut between);
        let whole = [&bytes[..12 + 128], &between, &bytes[12 + 128..]].concat();
        assert_eq!(all(&mut Reader::default(), &whole).unwrap(), [short, long]);
    }

    #[test]
    fn long_times_that_are_not_repeated_are_understood() {
        let message = payload(0x0100_0000, 200);
        let mut bytes = BytesMut::new();
        write(4, &message, 128, &mut bytes);
        let at = 12 + 4 + 128;
        assert_eq!(bytes[at], 0xc4);
        let without = [&bytes[..=at], &bytes[at + 5..]].concat();
        assert_eq!(all(&mut Reader::default(), &without).unwrap(), std::slice::from_ref(&message));
        assert_eq!(all(&mut Reader::default(), &bytes).unwrap(), [message]);
    }

    #[test]
    fn sizes_change_and_messages_are_aborted() {
        let mut reader = Reader::default();
        reader.set_size(4).unwrap();
        let mut bytes = BytesMut::new();
        write(4, &payload(0, 10), 4, &mut bytes);
        let mut part = BytesMut::from(&bytes[..16]);
        assert_eq!(reader.read(&mut part), Ok(None));
        assert!(!reader.is_idle());
        reader.abort(4);
        assert!(reader.is_idle());
        assert_eq!(all(&mut reader, &bytes).unwrap().len(), 1);
        for size in [0, 0x8000_0000] {
            assert_eq!(reader.set_size(size), Err(ChunkError::Size(size)));
        }
    }

    #[test]
    fn what_is_too_much() {
        let long = b"\x04\0\0\0\xff\xff\xff\x09\0\0\0\0";
        assert_eq!(
            all(&mut Reader::default(), long),
            Err(ChunkError::Message { bytes: 0xff_ffff, largest: MAX_MESSAGE })
        );
        let mut reader = Reader::default();
        reader.set_largest(10);
        let eleven = b"\x04\0\0\0\0\0\x0b\x09\0\0\0\0";
        assert_eq!(all(&mut reader, eleven), Err(ChunkError::Message { bytes: 11, largest: 10 }));
        assert_eq!(all(&mut Reader::default(), b"\xc4"), Err(ChunkError::NoFirst(4)));
        assert_eq!(all(&mut Reader::default(), b"\x44\0\0\0\0\0\x01\x08"), Err(ChunkError::NoFirst(4)));
        let begun =
            [&b"\x04\0\0\0\0\x01\0\x09\0\0\0\0"[..], &[7; 128], b"\x04\0\0\0\0\x01\0\x09\0\0\0\0"].concat();
        assert_eq!(all(&mut Reader::default(), &begun), Err(ChunkError::Within(4)));
        let mut many = Vec::new();
        for id in 0..=MAX_STREAMS {
            many.extend([0, id as u8]);
            many.extend(b"\0\0\0\0\0\0\x08\0\0\0\0");
        }
        assert_eq!(all(&mut Reader::default(), &many), Err(ChunkError::Streams));
        let mut reader = Reader::default();
        reader.set_size(0xff_ffff).unwrap();
        let mut partial = Ok(vec![]);
        for id in 4..8 {
            let mut bytes = vec![id, 0, 0, 0, 0x7f, 0xff, 0xff, 9, 0, 0, 0, 0];
            bytes.resize(12 + 0x7f_ffff, 0);
            // The last byte of each is missing: but then nothing else can begin, so the chunk is cut short instead.
            reader.size = 0x7f_fffe;
            bytes.truncate(12 + 0x7f_fffe);
            partial = all(&mut reader, &bytes);
        }
        assert_eq!(partial, Err(ChunkError::Partial(2 * MAX_MESSAGE)));
    }
}
