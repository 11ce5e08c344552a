//! The opening of a connection that is to speak another protocol: one request without a body, and the response that counts.
//!
//! Upgrades (RFC 9110 section 7.8) and tunnels (section 9.3.6) begin like that. Once the response is there nothing more is
//! taken from the buffer: what follows is a body, or the other protocol, and the next codec's.

use bytes::BytesMut;

use crate::codec::{Codec, Outbox};
use crate::proto::http::limits::Limits;
use crate::proto::http::scan::Scan;

use super::response::parse;
use super::{Fault, RequestHead, ResponseHead};

/// Interim responses (1xx) that are skipped at most. Go's client skips 5; curl as many as fit its limit of 300 KB.
pub const MAX_INTERIM: usize = 8;

/// How every response begins that is read here.
pub(super) const VERSION: &[u8] = b"HTTP/1.";

/// The codec of an opening: requests out, and one response in.
#[derive(Debug)]
pub struct Opening {
    limits: Limits,
    scan: Scan,
    interim: usize,
    through: bool,
}

impl Opening {
    /// The codec of a fresh connection. Of `limits` those of the head count.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, scan: Scan::NEW, interim: 0, through: false }
    }

    /// One head, interim or not.
    fn head(&mut self, src: &mut BytesMut) -> Result<Option<ResponseHead>, Fault> {
        let begun = src.len().min(VERSION.len());
        if src[..begun] != VERSION[..begun] {
            return Err(Fault::NotHttp);
        }
        let end = self.scan.end(src).map_err(|_| Fault::BareLf)?;
        if end.unwrap_or(src.len()) > self.limits.head {
            return Err(Fault::HeadTooLarge);
        }
        let Some(end) = end else {
            return Ok(None);
        };
        self.scan = Scan::NEW;
        parse(src.split_to(end).freeze(), &self.limits).map(Some)
    }
}

impl Codec for Opening {
    type In = ResponseHead;
    type Out = RequestHead;
    type Error = Fault;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<ResponseHead>, Fault> {
        while !self.through {
            let Some(head) = self.head(src)? else {
                return Ok(None);
            };
            if !head.is_interim() {
                self.through = true;
                return Ok(Some(head));
            }
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(Fault::TooManyInterim);
            }
        }
        Ok(None)
    }

    fn encode(&mut self, request: RequestHead, dst: &mut Outbox) -> Result<(), Fault> {
        request.write(dst.tail());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The status heard and what is left over, whole, split at every byte and byte by byte.
    fn hear(wire: &[u8]) -> Result<Option<(u16, Vec<u8>)>, Fault> {
        let run = |pieces: &[&[u8]]| {
            let (mut codec, mut src, mut heard) = (Opening::new(Limits::default()), BytesMut::new(), None);
            for piece in pieces {
                src.extend_from_slice(piece);
                heard = match codec.decode(&mut src)? {
                    Some(head) => Some(head.status().as_u16()),
                    None => heard,
                };
            }
            Ok(heard.map(|status| (status, src.to_vec())))
        };
        let whole = run(&[wire]);
        for at in 1..wire.len() {
            assert_eq!(run(&[&wire[..at], &wire[at..]]), whole, "{} split at {at}", wire.escape_ascii());
        }
        assert_eq!(run(&wire.chunks(1).collect::<Vec<_>>()), whole, "{} byte by byte", wire.escape_ascii());
        whole
    }

    #[test]
    fn the_response_that_counts_and_what_follows() {
        let rows: [(&[u8], &[u8]); 4] = [
            (b"HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x00", b"\x81\x00"),
            (b"HTTP/1.1 101 X\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
            (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 101 X\r\n\r\n", b""),
            (b"HTTP/1.1 101 X\r\n\r\n\n", b"\n"),
        ];
        for (wire, rest) in rows {
            assert_eq!(hear(wire), Ok(Some((101, rest.to_vec()))), "{}", wire.escape_ascii());
        }
        assert_eq!(hear(b"HTTP/1.1 101 X\r\nA: b\r\n"), Ok(None));
        assert_eq!(hear(b""), Ok(None));
    }

    #[test]
    fn faults() {
        let long = [b"HTTP/1.1 101 X\r\nA: ", &[b'a'; 40 * 1024][..]].concat();
        let rows: [(&[u8], Fault); 8] = [
            (b"SSH-2.0-OpenSSH", Fault::NotHttp),
            (b"\x15\x03\x01", Fault::NotHttp),
            (b"HTTP/2", Fault::NotHttp),
            (b"\r\nHTTP/1.1 200 OK\r\n\r\n", Fault::NotHttp),
            (b"HTTP/1.1 200 OK\n\n", Fault::BareLf),
            (b"HTTP/1.1 200 OK\r\nA: b\n\r\n", Fault::BareLf),
            (b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Fault::FieldLine),
            (b"HTTP/1.1 100 Continue\r\n\r\nwhat", Fault::NotHttp),
        ];
        for (wire, fault) in rows {
            assert_eq!(hear(wire), Err(fault), "{}", wire.escape_ascii());
        }
        let mut codec = Opening::new(Limits::default());
        assert_eq!(codec.decode(&mut BytesMut::from(&long[..])).unwrap_err(), Fault::HeadTooLarge);
        let ended = [&long[..], b"\r\n\r\n"].concat();
        let mut codec = Opening::new(Limits::default());
        assert_eq!(codec.decode(&mut BytesMut::from(&ended[..])).unwrap_err(), Fault::HeadTooLarge);
        let hint = "HTTP/1.1 103 Early Hints\r\n\r\n";
        let last = "HTTP/1.1 101 X\r\n\r\n";
        assert!(hear(format!("{}{last}", hint.repeat(MAX_INTERIM)).as_bytes()).unwrap().is_some());
        let many = hear(format!("{}{last}", hint.repeat(MAX_INTERIM + 1)).as_bytes());
        assert_eq!(many, Err(Fault::TooManyInterim));
    }
}
