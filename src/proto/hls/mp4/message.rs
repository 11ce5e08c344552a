//! Events in the stream: `emsg` (ISO/IEC 23009-1 section 5.10.3.3), which stands in front of the fragment that it goes with.
//!
//! What they say is for applications: marks of advertisements (SCTE-35), texts, or ID3 tags, as "Carriage of ID3 Timed Metadata in the Common Media
//! Application Format" has them. Here they are carried, and not looked into.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::read::Body;
use super::{Fault, write};
use crate::proto::hls::track::Timescale;

/// The scheme of events that are ID3 tags.
pub const ID3: &[u8] = b"https://aomedia.org/emsg/ID3";

/// Bytes of a message that is read at most. Marks of advertisements have some hundred, and pictures in ID3 tags some ten thousand.
pub const MAX_MESSAGE: u64 = 64 * 1024;

/// What an event is, but for when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who defines what it says: a URI.
    pub scheme: Bytes,
    /// What of it, in the words of the scheme.
    pub value: Bytes,
    /// How long it holds, in ticks of 90 kHz; `None` if that is not known.
    pub duration: Option<u32>,
    /// Messages of the same scheme, value and number are one that is repeated.
    pub id: u32,
    /// What it says.
    pub data: Bytes,
}

/// When an event begins, in ticks of 90 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On the timeline of the presentation.
    At(i64),
    /// So long behind the first sample of the fragment that follows.
    Behind(i64),
}

impl Message {
    /// A message that is an ID3 tag, `id` telling it from others.
    #[must_use]
    pub fn id3(id: u32, tag: Bytes) -> Self {
        Self { scheme: Bytes::from_static(ID3), value: Bytes::new(), duration: None, id, data: tag }
    }

    /// Bytes that it takes, about.
    #[must_use]
    pub fn size(&self) -> usize {
        64 + self.scheme.len() + self.value.len() + self.data.len()
    }

    /// A whole box `emsg` that stands at byte `at`.
    pub(super) fn read(at: u64, bytes: Bytes) -> Result<(When, Self), Fault> {
        let mut body = Body::of_box(at, bytes)?;
        let (version, _) = body.full(1)?;
        let mut words = (Bytes::new(), Bytes::new());
        if version == 0 {
            words = (word(&mut body)?, word(&mut body)?);
        }
        let scale = body.u32()?;
        let time = if version == 0 { u64::from(body.u32()?) } else { body.u64()? };
        let (duration, id) = (body.u32()?, body.u32()?);
        if version == 1 {
            words = (word(&mut body)?, word(&mut body)?);
        }
        // Without ticks there is no time: it begins at once.
        let scale = Timescale::new(scale).unwrap_or(Timescale::MPEG);
        let mpeg = |ticks: u64| {
            scale.rescale(i64::try_from(ticks).unwrap_or(i64::MAX), Timescale::MPEG).unwrap_or(i64::MAX)
        };
        let time = mpeg(time);
        let when = if version == 0 { When::Behind(time) } else { When::At(time) };
        let known =
            (duration != u32::MAX).then(|| u32::try_from(mpeg(duration.into())).unwrap_or(u32::MAX - 1));
        let (scheme, value) = words;
        Ok((when, Self { scheme, value, duration: known, id, data: body.rest() }))
    }

    /// Appends the box, of an event that begins at `time`, in ticks of 90 kHz of the presentation.
    pub fn put(&self, out: &mut BytesMut, time: u64) {
        write::full(out, b"emsg", 1, 0, |out| {
            out.put_u32(Timescale::MPEG.ticks());
            out.put_u64(time);
            out.put_u32(self.duration.unwrap_or(u32::MAX));
            out.put_u32(self.id);
            for word in [&self.scheme, &self.value] {
                out.put_slice(word);
                out.put_u8(0);
            }
            out.put_slice(&self.data);
        });
    }
}

/// A text up to its zero.
fn word(body: &mut Body) -> Result<Bytes, Fault> {
    let rest = body.clone().rest();
    let length = rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len());
    // One byte more: where there is none, the fault is that of a box that is too short.
    let mut word = body.take(length + 1)?;
    word.truncate(length);
    Ok(word.copy_to_bytes(length))
}

#[cfg(test)]
mod tests {
    use super::super::tests::build::boxed;
    use super::*;

    fn read(inside: &[u8]) -> Result<(When, Message), Fault> {
        Message::read(0, boxed(b"emsg", &[inside]).into())
    }

    #[test]
    fn what_is_written_is_read() {
        for (duration, data) in [(None, &b"ID3..."[..]), (Some(0), b""), (Some(90_000), &[0; 300])] {
            let message = Message {
                scheme: Bytes::from_static(b"urn:scte:scte35:2013:bin"),
                value: Bytes::from_static(b"7"),
                duration,
                id: 12,
                data: Bytes::copy_from_slice(data),
            };
            let mut out = BytesMut::new();
            message.put(&mut out, 1 << 40);
            assert_eq!(Message::read(5, out.freeze()), Ok((When::At(1 << 40), message)));
        }
    }

    #[test]
    fn both_versions_say_the_same() {
        let old = b"\0\0\0\0urn:a\0b\0\0\0\x03\xe8\0\0\0\x05\0\0\x07\xd0\0\0\0\x09data";
        let new = b"\x01\0\0\0\0\0\x03\xe8\0\0\0\0\0\0\0\x05\0\0\x07\xd0\0\0\0\x09urn:a\0b\0data";
        let (when, message) = read(old).unwrap();
        assert_eq!((when, message.duration, message.id), (When::Behind(450), Some(180_000), 9));
        assert_eq!(
            (&message.scheme[..], &message.value[..], &message.data[..]),
            (&b"urn:a"[..], &b"b"[..], &b"data"[..])
        );
        assert_eq!(read(new).unwrap(), (When::At(450), message));
        for length in 0..old.len() - 4 {
            assert!(read(&old[..length]).is_err(), "{length}");
        }
        for length in 0..new.len() - 4 {
            assert!(read(&new[..length]).is_err(), "{length}");
        }
        // A version that nobody knows.
        assert!(read(b"\x02\0\0\0").is_err());
    }

    #[test]
    fn times_that_cannot_be_are_borne() {
        let far = [&b"\x01\0\0\0\0\0\0\x01"[..], &[0xff; 8], &[0xff; 3], b"\xfe\0\0\0\0\0\0"].concat();
        let (when, message) = read(&far).unwrap();
        assert!(matches!(when, When::At(time) if time > 0));
        assert_eq!(message.duration, Some(u32::MAX - 1));
        let (when, _) = read(&[&b"\x01\0\0\0\0\0\0\0"[..], &[0; 8], &[0; 8], b"\0\0"].concat()).unwrap();
        assert_eq!(when, When::At(0));
    }
}
