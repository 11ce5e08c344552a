//! The chunked transfer coding, RFC 9112 section 7.1, read strictly.
//!
//! ```text
//! chunked-body = *chunk last-chunk trailer-section CRLF
//! chunk        = chunk-size [ chunk-ext ] CRLF chunk-data CRLF
//! chunk-ext    = *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )
//! ```
//!
//! The framing is a machine of single bytes: CRLF means CR and LF, a size is hexadecimal digits and nothing else, and an
//! extension is ignored only after its grammar was checked. Servers that were lenient here have let requests be smuggled
//! (CVE-2025-22871, CVE-2025-55315). Data passes by reference.

use bytes::{Buf, Bytes, BytesMut};

use super::fields::Fields;
use super::forwarded::is_word;
use super::limits::{Limits, MAX_FIELDS};
use super::list::is_token_byte;
use super::reject::Reject;
use super::scan::Scan;

/// What a chunked body yields.
#[derive(Debug, PartialEq)]
pub enum Chunk {
    /// Bytes of the body, never empty.
    Data(Bytes),
    /// The end, with its trailer fields.
    End(Fields),
}

/// The decoder of one chunked body.
#[derive(Debug)]
pub struct Chunked {
    state: State,
    /// Bytes of the body that may still come.
    body_left: u64,
    /// Bytes of chunk extensions that may still come.
    extensions_left: usize,
    /// Bytes that a trailer section may have.
    trailers: usize,
}

#[derive(Debug)]
enum State {
    /// In chunk-size: its value, and how many digits it has.
    Size(u64, u8),
    /// In chunk-ext, after the size given first.
    Extension(u64, Extension),
    /// After the CR of the size line.
    SizeLf(u64),
    /// In chunk-data, with so many bytes to come.
    Data(u64),
    /// Before the CR after chunk-data.
    DataCr,
    /// Before the LF after chunk-data.
    DataLf,
    /// In the trailer section.
    Trailers(Scan),
    Done,
}

/// Where in a chunk extension. BWS may stand around `;` and `=`, never before CRLF.
#[derive(Clone, Copy, Debug)]
enum Extension {
    /// BWS before `;`.
    Before,
    /// After `;`: BWS, then a name.
    NameStart,
    Name,
    /// BWS after a name: `=` or `;` must follow.
    AfterName,
    /// After `=`: BWS, then a value.
    ValueStart,
    Token,
    Quoted,
    /// After `\` in a quoted string.
    Escaped,
    /// After a quoted string.
    AfterQuoted,
}

impl Chunked {
    /// A decoder under `limits`.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            state: State::Size(0, 0),
            body_left: limits.body,
            extensions_left: limits.chunk_extensions,
            trailers: limits.trailers,
        }
    }

    /// Takes one item from `src`, or `None` when it needs more bytes.
    ///
    /// # Errors
    /// What the peer did wrong.
    pub fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Chunk>, Reject> {
        loop {
            match &mut self.state {
                State::Data(left) if !src.is_empty() => {
                    let available = u64::try_from(src.len()).unwrap_or(u64::MAX).min(*left);
                    let data = src.split_to(usize::try_from(available).unwrap_or(usize::MAX));
                    *left -= available;
                    if *left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Some(Chunk::Data(data.freeze())));
                }
                State::Trailers(scan) => {
                    let Some(end) = scan.end(src)? else {
                        return if src.len() > self.trailers { Err(Reject::HeadTooLarge) } else { Ok(None) };
                    };
                    if end > self.trailers {
                        return Err(Reject::HeadTooLarge);
                    }
                    let fields = trailer_section(&src.split_to(end).freeze())?;
                    self.state = State::Done;
                    return Ok(Some(Chunk::End(fields)));
                }
                State::Done => return Ok(None),
                _ => {
                    let Some(&byte) = src.first() else { return Ok(None) };
                    self.state = self.step(byte)?;
                    src.advance(1);
                }
            }
        }
    }

    /// Takes one byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Reject> {
        match self.state {
            State::Size(size, digits) => match byte {
                // 64 bits have 16 digits; zeros in front could go on for ever.
                b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' if digits < 16 => {
                    let digit = char::from(byte).to_digit(16).ok_or(Reject::Chunk)?;
                    let size = size.checked_mul(16).and_then(|size| size.checked_add(digit.into()));
                    Ok(State::Size(size.ok_or(Reject::Chunk)?, digits + 1))
                }
                b'\r' if digits > 0 => Ok(State::SizeLf(size)),
                b';' | b' ' | b'\t' if digits > 0 => self.extension(size, Extension::Before, byte),
                _ => Err(Reject::Chunk),
            },
            State::Extension(size, place) => self.extension(size, place, byte),
            State::SizeLf(0) if byte == b'\n' => Ok(State::Trailers(Scan::default())),
            State::SizeLf(size) if byte == b'\n' => {
                self.body_left = self.body_left.checked_sub(size).ok_or(Reject::BodyTooLarge)?;
                Ok(State::Data(size))
            }
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Size(0, 0)),
            _ => Err(Reject::Chunk),
        }
    }

    fn extension(&mut self, size: u64, place: Extension, byte: u8) -> Result<State, Reject> {
        self.extensions_left = self.extensions_left.checked_sub(1).ok_or(Reject::ChunkExtensions)?;
        let blank = matches!(byte, b' ' | b'\t');
        let token = is_token_byte(byte);
        let next = match (place, byte) {
            (Extension::Name | Extension::Token | Extension::AfterQuoted, b'\r') => {
                return Ok(State::SizeLf(size));
            }
            (Extension::Before, _) if blank => Extension::Before,
            (
                Extension::Before
                | Extension::Name
                | Extension::AfterName
                | Extension::Token
                | Extension::AfterQuoted,
                b';',
            ) => Extension::NameStart,
            (Extension::NameStart, _) if blank => Extension::NameStart,
            (Extension::NameStart | Extension::Name, _) if token => Extension::Name,
            (Extension::Name | Extension::AfterName, b'=') => Extension::ValueStart,
            (Extension::Name | Extension::AfterName, _) if blank => Extension::AfterName,
            (Extension::ValueStart, _) if blank => Extension::ValueStart,
            (Extension::ValueStart, b'"') => Extension::Quoted,
            (Extension::ValueStart | Extension::Token, _) if token => Extension::Token,
            (Extension::Token | Extension::AfterQuoted, _) if blank => Extension::Before,
            (Extension::Quoted, b'"') => Extension::AfterQuoted,
            (Extension::Quoted, b'\\') => Extension::Escaped,
            (Extension::Quoted | Extension::Escaped, b'\t' | 0x20..=0x7E | 0x80..) => Extension::Quoted,
            _ => return Err(Reject::Chunk),
        };
        Ok(State::Extension(size, next))
    }
}

/// Section 7.1.2. Trailer fields are kept apart from the head's, and one that frames, routes, authenticates or describes
/// the content (RFC 9110 section 6.5.1), or that says who the client is, is refused: whoever merges it downstream would be misled.
fn trailer_section(section: &Bytes) -> Result<Fields, Reject> {
    if section.len() == 2 {
        return Ok(Fields::new());
    }
    let mut storage = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let lines = match httparse::parse_headers(section, &mut storage) {
        Ok(httparse::Status::Complete((_, lines))) => lines,
        Err(httparse::Error::TooManyHeaders) => return Err(Reject::TooManyFields),
        _ => return Err(Reject::Trailer),
    };
    let mut fields = Fields::new();
    for line in lines {
        if FORBIDDEN_TRAILERS.iter().any(|name| line.name.eq_ignore_ascii_case(name))
            || is_word(line.name, false)
        {
            return Err(Reject::Trailer);
        }
        let name = http::HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| Reject::Trailer)?;
        let value = http::HeaderValue::from_bytes(line.value).map_err(|_| Reject::Trailer)?;
        fields.append(name, value);
    }
    Ok(fields)
}

const FORBIDDEN_TRAILERS: [&str; 19] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "max-forwards",
    "proxy-authorization",
    "range",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

#[cfg(test)]
mod tests {
    use super::*;

    type Body = (Vec<u8>, Option<Fields>);

    /// Decodes `pieces`, one arrival each; what was read, and the bytes left behind the end.
    fn decode<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
        limits: &Limits,
    ) -> Result<(Body, Vec<u8>), Reject> {
        let (mut chunked, mut src) = (Chunked::new(limits), BytesMut::new());
        let (mut data, mut trailers) = (Vec::new(), None);
        for piece in pieces {
            src.extend_from_slice(piece);
            while let Some(item) = chunked.decode(&mut src)? {
                match item {
                    Chunk::Data(bytes) => data.extend_from_slice(&bytes),
                    Chunk::End(fields) => trailers = Some(fields),
                }
            }
        }
        Ok(((data, trailers), src.to_vec()))
    }

    /// The result for `wire`, which must be the same however it is split.
    fn any_split(wire: &[u8], limits: &Limits) -> Result<(Body, Vec<u8>), Reject> {
        let whole = decode(std::iter::once(wire), limits);
        assert_eq!(decode(wire.chunks(1), limits), whole, "byte by byte: {}", wire.escape_ascii());
        for at in 0..wire.len() {
            let (a, b) = wire.split_at(at);
            assert_eq!(decode([a, b].into_iter(), limits), whole, "split at {at}: {}", wire.escape_ascii());
        }
        whole
    }

    #[test]
    fn bodies() {
        let cases: [(&str, &str, &str); 12] = [
            ("0\r\n\r\n", "", ""),
            ("5\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\nGET", "hello world", "GET"),
            ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", ""),
            ("00005\r\nhello\r\n000\r\n\r\n", "hello", ""),
            ("5;a\r\nhello\r\n0;b=c\r\n\r\n", "hello", ""),
            ("5;a=\"q\\\"\r;\"\r\nhello\r\n0\r\n\r\n", "", "refused: a control in a quoted string"),
            ("5;a=\"q\\\";x\";b=c;d\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5 ; a = b\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5\t;\ta\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("5;a=b ;c\r\nhello\r\n0\r\n\r\n", "hello", ""),
            ("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", ""),
        ];
        for (wire, data, left) in cases {
            let result = any_split(wire.as_bytes(), &Limits::default());
            if left.starts_with("refused") {
                assert_eq!(result, Err(Reject::Chunk), "{wire:?}");
            } else {
                let expected = ((data.into(), Some(Fields::new())), left.into());
                assert_eq!(result, Ok(expected), "{wire:?}");
            }
        }
    }

    #[test]
    fn faulty_framing() {
        let chunks = [
            "\r\n",
            "5\nhello\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "5\r\nhelloX",
            "5\r\nhello0\r\n\r\n",
            "5\r\rhello",
            "0x5\r\nhello",
            "+5\r\nhello",
            "-5\r\n",
            "5_0\r\n",
            " 5\r\nhello",
            "5 \r\nhello",
            "5\t\r\nhello",
            "g\r\n",
            ";a\r\n",
            "5;\r\nhello",
            "5;a=\r\nhello",
            "5;a \r\nhello",
            "5;a=b \r\nhello",
            "5;a b\r\nhello",
            "5;=b\r\nhello",
            "5;a=\"b\r\nhello",
            "5;a\nhello",
            "5;a\x01\r\n",
            "5;a=\"b\"c\r\n",
            "5;a\r\r\n",
            "10000000000000000\r\n",
            "fffffffffffffffff\r\n",
            "5\r\nhello\r\n\r\n",
            "00000000000000005\r\nhello",
        ];
        for wire in chunks {
            assert_eq!(any_split(wire.as_bytes(), &Limits::default()), Err(Reject::Chunk), "{wire:?}");
        }
    }

    #[test]
    fn trailers_are_kept_apart_and_checked() {
        let ok = any_split(b"0\r\nX-Sum: 1\r\nX-More:2 \r\n\r\n", &Limits::default()).unwrap();
        let trailers = ok.0.1.unwrap();
        assert_eq!(trailers.find("x-sum").unwrap(), "1");
        assert_eq!(trailers.find("x-more").unwrap(), "2");
        for (section, expected) in [
            ("Content-Length: 5", Reject::Trailer),
            ("transfer-encoding: chunked", Reject::Trailer),
            ("Host: evil", Reject::Trailer),
            ("Authorization: Basic x", Reject::Trailer),
            ("X-Forwarded-For: 192.0.2.1", Reject::Trailer),
            ("x_real_ip: 192.0.2.1", Reject::Trailer),
            ("A : b", Reject::Trailer),
            ("A: b\r\n folded", Reject::Trailer),
            ("A: b\n", Reject::BareLf),
        ] {
            let wire = format!("0\r\n{section}\r\n\r\n");
            assert_eq!(any_split(wire.as_bytes(), &Limits::default()), Err(expected), "{section:?}");
        }
    }

    #[test]
    fn limits() {
        let limits = Limits { body: 8, chunk_extensions: 8, trailers: 16, ..Limits::default() };
        let cases = [
            ("8\r\n12345678\r\n0\r\n\r\n", None),
            ("9\r\n", Some(Reject::BodyTooLarge)),
            ("4\r\n1234\r\n5\r\n", Some(Reject::BodyTooLarge)),
            ("ffffffffffffffff\r\n", Some(Reject::BodyTooLarge)),
            ("1;123456\r\na\r\n0\r\n\r\n", None),
            ("1;12345678\r\na", Some(Reject::ChunkExtensions)),
            ("1;123\r\na\r\n1;123\r\n", Some(Reject::ChunkExtensions)),
            ("0\r\nA: 23456789\r\n\r\n", None),
            ("0\r\nA: 2345678901\r\n\r\n", Some(Reject::HeadTooLarge)),
            ("0\r\nA: 234567890123456", Some(Reject::HeadTooLarge)),
        ];
        for (wire, expected) in cases {
            assert_eq!(any_split(wire.as_bytes(), &limits).err(), expected, "{wire:?}");
        }
    }
}
