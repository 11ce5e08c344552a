//! Boxes in bytes that are there: the head of one, its fields in order, and those inside it (ISO/IEC 14496-12 section 4.2).
//!
//! Every [`Body`] knows at which byte of the file it stands, so that each fault does. Bytes are shared, never copied.

use bytes::{Buf, Bytes};

use super::{Fault, FourCc, Wrong};

/// Bytes of the longest head of a box: a size and a name, and a size of 64 bits.
pub(super) const MAX_HEAD: usize = 16;

/// Boxes that a file or a stream may begin with.
const FIRST: &[&[u8; 4]] = &[
    b"emsg", b"free", b"ftyp", b"mdat", b"moof", b"moov", b"pdin", b"pnot", b"prft", b"sidx", b"skip",
    b"styp", b"uuid", b"wide",
];

/// The head of a box.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) name: FourCc,
    /// Bytes of the head itself, 8 or 16.
    pub(super) length: usize,
    /// Bytes of the box with its head; `None` when it goes on to the end of what it is in.
    pub(super) size: Option<u64>,
}

impl Head {
    /// [`Head::parse`] among the boxes of a file: the first one has to be one that a file begins with.
    pub(super) fn parse_outer(src: &[u8], at: u64) -> Result<Option<Self>, Fault> {
        match src.get(4..8).and_then(<[u8]>::first_chunk) {
            Some(name) if at == 0 && !FIRST.contains(&name) => Err(Wrong::NotMp4(FourCc(*name)).at(0)),
            _ => Self::parse(src, at),
        }
    }

    /// The head at the front of `src`, which is at byte `at`; `None` when more bytes are needed.
    pub(super) fn parse(src: &[u8], at: u64) -> Result<Option<Self>, Fault> {
        let Some((&[a, b, c, d, name @ ..], rest)) = src.split_first_chunk::<8>() else { return Ok(None) };
        let name = FourCc(name);
        let (length, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, None),
            1 => match rest.first_chunk() {
                Some(size) => (16, Some(u64::from_be_bytes(*size))),
                None => return Ok(None),
            },
            size => (8, Some(u64::from(size))),
        };
        match size {
            Some(size) if size < length as u64 => Err(Wrong::Size { name, size }.at(at)),
            _ => Ok(Some(Self { name, length, size })),
        }
    }
}

/// What is inside a box, from a field of it to its end.
#[derive(Clone, Debug)]
pub(super) struct Body {
    pub(super) name: FourCc,
    at: u64,
    bytes: Bytes,
}

impl Body {
    /// The inside of a box `name`; `at` is the byte of the file where `bytes` begin.
    pub(super) fn new(name: FourCc, at: u64, bytes: Bytes) -> Self {
        Self { name, at, bytes }
    }

    /// A box with its head, at byte `at`.
    pub(super) fn of_box(at: u64, mut bytes: Bytes) -> Result<Self, Fault> {
        let around = FourCc(*b"file");
        let Some(head) = Head::parse(&bytes, at)? else { return Err(Wrong::Short(around).at(at)) };
        if head.size.is_some_and(|size| size != bytes.len() as u64) {
            return Err(Wrong::Beyond { name: head.name, around }.at(at));
        }
        bytes.advance(head.length);
        Ok(Self { name: head.name, at: at + head.length as u64, bytes })
    }

    /// The byte of the file that is read next.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// `wrong`, at the byte that is read next.
    pub(super) fn fault(&self, wrong: Wrong) -> Fault {
        wrong.at(self.at)
    }

    /// The next `n` bytes.
    pub(super) fn take(&mut self, n: usize) -> Result<Bytes, Fault> {
        if n > self.bytes.len() {
            return Err(self.fault(Wrong::Short(self.name)));
        }
        self.at += n as u64;
        Ok(self.bytes.split_to(n))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let Some(array) = self.bytes.first_chunk().copied() else {
            return Err(self.fault(Wrong::Short(self.name)));
        };
        self.bytes.advance(N);
        self.at += N as u64;
        Ok(array)
    }

    pub(super) fn skip(&mut self, n: usize) -> Result<(), Fault> {
        self.take(n).map(drop)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Fault> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, Fault> {
        Ok(i32::from_be_bytes(self.array()?))
    }

    /// A number of 64 bits in `version` 1, of 32 in version 0.
    pub(super) fn by_version(&mut self, version: u8) -> Result<u64, Fault> {
        if version == 0 { self.u32().map(u64::from) } else { self.u64() }
    }

    pub(super) fn fourcc(&mut self) -> Result<FourCc, Fault> {
        Ok(FourCc(self.array()?))
    }

    /// Version and flags of a full box; a version above `newest` is a fault.
    pub(super) fn full(&mut self, newest: u8) -> Result<(u8, u32), Fault> {
        let at = self.at;
        let word = self.u32()?;
        let version = (word >> 24) as u8;
        if version > newest {
            return Err(Wrong::Version { name: self.name, version }.at(at));
        }
        Ok((version, word & 0x00ff_ffff))
    }

    /// All that is left.
    pub(super) fn rest(self) -> Bytes {
        self.bytes
    }

    /// A table: a count of 32 bits, and so many entries of `size` bytes, which must be there.
    pub(super) fn table(&mut self, size: usize) -> Result<Bytes, Fault> {
        let at = self.at;
        let count = self.u32()?;
        self.entries(at, u64::from(count), size)
    }

    /// `count` entries of `size` bytes. `at` is where the count was read.
    pub(super) fn entries(&mut self, at: u64, count: u64, size: usize) -> Result<Bytes, Fault> {
        let room = (self.bytes.len() / size) as u64;
        if count > room {
            return Err(Wrong::Count { name: self.name, count, room }.at(at));
        }
        self.take(count as usize * size)
    }

    /// The boxes in what is left.
    pub(super) fn boxes(self) -> Boxes {
        Boxes { around: self.name, at: self.at, bytes: self.bytes }
    }
}

/// The boxes in a box, one after the other.
#[derive(Clone, Debug)]
pub(super) struct Boxes {
    around: FourCc,
    at: u64,
    bytes: Bytes,
}

impl Boxes {
    /// The inside of the next box.
    pub(super) fn next(&mut self) -> Result<Option<Body>, Fault> {
        Ok(self.next_whole()?.map(|(head, whole)| {
            let at = self.at - (whole.len() - head.length) as u64;
            Body::new(head.name, at, whole.slice(head.length..))
        }))
    }

    /// The next box with its head.
    ///
    /// Fewer bytes than a head has are padding, and end the list: QuickTime ends some lists with four zeros.
    pub(super) fn next_whole(&mut self) -> Result<Option<(Head, Bytes)>, Fault> {
        if self.bytes.len() < 8 {
            return Ok(None);
        }
        let Some(head) = Head::parse(&self.bytes, self.at)? else {
            return Err(Wrong::Short(self.around).at(self.at));
        };
        let length = self.bytes.len();
        let size = match head.size {
            None => length,
            Some(size) => match usize::try_from(size) {
                Ok(size) if size <= length => size,
                _ => return Err(Wrong::Beyond { name: head.name, around: self.around }.at(self.at)),
            },
        };
        self.at += size as u64;
        Ok(Some((head, self.bytes.split_to(size))))
    }

    /// The first box of that name, from here on.
    pub(super) fn find(mut self, name: &[u8; 4]) -> Result<Option<Body>, Fault> {
        while let Some(body) = self.next()? {
            if body.name.0 == *name {
                return Ok(Some(body));
            }
        }
        Ok(None)
    }
}

/// Puts `body` into `slot`, where no other may be.
pub(super) fn once(slot: &mut Option<Body>, body: Body) -> Result<(), Fault> {
    if slot.is_some() {
        return Err(body.fault(Wrong::Twice(body.name)));
    }
    *slot = Some(body);
    Ok(())
}

/// `slot`, which must be filled; `around` is the box at byte `at` where it is missing.
pub(super) fn needed(slot: Option<Body>, name: &[u8; 4], around: FourCc, at: u64) -> Result<Body, Fault> {
    slot.ok_or_else(|| Wrong::Missing { name: FourCc(*name), around }.at(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(name: &[u8; 4], length: usize, size: Option<u64>) -> Head {
        Head { name: FourCc(*name), length, size }
    }

    #[test]
    fn heads() {
        let table: &[(&[u8], Head)] = &[
            (b"\0\0\0\x08free", head(b"free", 8, Some(8))),
            (b"\0\0\0\0mdat", head(b"mdat", 8, None)),
            (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x10", head(b"mdat", 16, Some(16))),
            (b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff", head(b"mdat", 16, Some(u64::MAX))),
        ];
        for (bytes, head) in table {
            for cut in 0..bytes.len() {
                assert_eq!(Head::parse(&bytes[..cut], 0), Ok(None), "{head:?} cut at {cut}");
            }
            assert_eq!(Head::parse(&[bytes, &b"behind"[..]].concat(), 0), Ok(Some(*head)));
        }
        let bad: &[(&[u8], u64)] = &[(b"\0\0\0\x07free", 7), (b"\0\0\0\x01mdat\0\0\0\0\0\0\0\x0f", 15)];
        for (bytes, size) in bad {
            let fault = Head::parse(bytes, 30).unwrap_err();
            assert_eq!(fault.at, 30);
            assert!(matches!(fault.wrong, Wrong::Size { size: said, .. } if said == *size));
        }
    }

    #[test]
    fn what_a_file_begins_with() {
        let outer = |bytes: &[u8], at| Head::parse_outer(bytes, at);
        assert_eq!(outer(b"\0\0\0\x18ftyp", 0), Ok(Some(head(b"ftyp", 8, Some(24)))));
        assert_eq!(outer(b"<!DOCTYP", 0), Err(Wrong::NotMp4(FourCc(*b"CTYP")).at(0)));
        assert_eq!(outer(b"<!DOCTY", 0), Ok(None));
        assert!(outer(b"\0\0\0\x18CTYP", 8).is_ok());
    }

    #[test]
    fn boxes_in_a_box_know_their_place() {
        let bytes = Bytes::from_static(
            b"\0\0\0\x0aaaaa12\0\0\0\x08bbbb\0\0\0\x01cccc\0\0\0\0\0\0\0\x113\0\0\0\0dddd456",
        );
        let body = Body::new(FourCc(*b"moov"), 100, bytes.clone());
        let mut boxes = body.clone().boxes();
        let table: &[(&[u8; 4], u64, &[u8])] =
            &[(b"aaaa", 108, b"12"), (b"bbbb", 118, b""), (b"cccc", 134, b"3"), (b"dddd", 143, b"456")];
        for (name, at, inside) in table {
            let body = boxes.next().unwrap().unwrap();
            assert_eq!((body.name.0, body.at(), &body.rest()[..]), (**name, *at, *inside));
        }
        assert!(boxes.next().unwrap().is_none());
        assert_eq!(body.clone().boxes().find(b"cccc").unwrap().unwrap().at(), 134);
        assert!(body.boxes().find(b"eeee").unwrap().is_none());
        // Cut anywhere: padding at the end, or a fault there.
        for cut in 0..bytes.len() {
            let mut boxes = Body::new(FourCc(*b"moov"), 0, bytes.slice(..cut)).boxes();
            while let Ok(Some(_)) = boxes.next() {}
        }
        let mut boxes = Body::new(FourCc(*b"moov"), 50, bytes.slice(..9)).boxes();
        let wrong = Wrong::Beyond { name: FourCc(*b"aaaa"), around: FourCc(*b"moov") };
        assert_eq!(boxes.next().unwrap_err(), wrong.at(50));
    }

    #[test]
    fn fields_in_order_and_none_behind_the_end() {
        let bytes = Bytes::from_static(b"\x01\0\0\x05\x02\x03\x04\xff\xff\xff\xfe\0\0\0\0\0\0\0\x07abcd");
        let mut body = Body::new(FourCc(*b"test"), 10, bytes);
        assert_eq!(body.full(1).unwrap(), (1, 5));
        assert_eq!((body.u8().unwrap(), body.u16().unwrap(), body.i32().unwrap()), (2, 0x0304, -2));
        assert_eq!(body.by_version(1).unwrap(), 7);
        assert_eq!(body.fourcc().unwrap(), FourCc(*b"abcd"));
        assert_eq!((body.at(), body.len()), (33, 0));
        assert_eq!(body.u8().unwrap_err(), Wrong::Short(FourCc(*b"test")).at(33));
        assert_eq!(body.skip(1).unwrap_err(), Wrong::Short(FourCc(*b"test")).at(33));
        let mut newer = Body::new(FourCc(*b"test"), 10, Bytes::from_static(b"\x02\0\0\0"));
        assert_eq!(newer.full(1).unwrap_err(), Wrong::Version { name: FourCc(*b"test"), version: 2 }.at(10));
    }

    #[test]
    fn tables_have_as_many_entries_as_they_announce() {
        let table = |bytes: &'static [u8]| Body::new(FourCc(*b"stco"), 8, Bytes::from_static(bytes)).table(4);
        assert_eq!(&table(b"\0\0\0\x02aaaabbbbcc").unwrap()[..], b"aaaabbbb");
        assert_eq!(&table(b"\0\0\0\0").unwrap()[..], b"");
        let count = |count, room| Wrong::Count { name: FourCc(*b"stco"), count, room }.at(8);
        assert_eq!(table(b"\0\0\0\x02aaaabbb").unwrap_err(), count(2, 1));
        assert_eq!(table(b"\xff\xff\xff\xffaaaa").unwrap_err(), count(0xffff_ffff, 1));
    }

    #[test]
    fn a_box_that_may_be_there_once() {
        let body = || Body::new(FourCc(*b"tkhd"), 5, Bytes::new());
        let mut slot = None;
        once(&mut slot, body()).unwrap();
        assert_eq!(once(&mut slot, body()).unwrap_err(), Wrong::Twice(FourCc(*b"tkhd")).at(5));
        assert!(needed(slot, b"tkhd", FourCc(*b"trak"), 1).is_ok());
        let missing = Wrong::Missing { name: FourCc(*b"tkhd"), around: FourCc(*b"trak") };
        assert_eq!(needed(None, b"tkhd", FourCc(*b"trak"), 1).unwrap_err(), missing.at(1));
    }
}
