//! From the bytes of one complete head to a [`Head`] and its [`Framing`].
//!
//! httparse splits the lines, at SIMD speed. What it lets pass and the RFCs do not is checked here: the target, `Host`,
//! and everything that decides where the message ends (RFC 9112 sections 3, 5, 6). The caller has found the end of the
//! head and refused bare LF ([`super::scan`]).

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use http::{Method, Version};

use super::head::{BodyLength, Framing, Head, Outline};
use super::host::is_host;
use super::limits::{Limits, MAX_FIELDS, MAX_METHOD};
use super::list;
use super::places::{FieldTable, Span, place};
use super::reject::Reject;
use super::target::Target;

/// Parses one complete head, its final empty line included.
///
/// # Errors
/// What the peer did wrong.
pub fn parse(buffer: Bytes, limits: &Limits) -> Result<(Head, Framing), Reject> {
    let (outline, framing) = outline(&buffer, limits)?;
    Ok((Head::new(buffer, outline), framing))
}

/// Takes a complete head from the front of `src`, if one is there and nothing is wrong with it: nearly every head arrives
/// like that, and then nobody has to search for its end first. `None` leaves `src` as it is, for those who search, and who
/// say what is wrong.
pub(super) fn parse_front(src: &mut BytesMut, limits: &Limits) -> Option<(Head, Framing)> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let Ok(httparse::Status::Complete(end)) = request.parse_with_uninit_headers(src, &mut storage) else {
        return None;
    };
    let lines = Lines::of(&request);
    if end > limits.head || !lines.end_with_crlf(&src[..end]) {
        return None;
    }
    let (outline, framing) = lines.check(src, limits).ok()?;
    Some((Head::new(src.split_to(end).freeze(), outline), framing))
}

fn outline(buffer: &[u8], limits: &Limits) -> Result<(Outline, Framing), Reject> {
    let mut storage = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(buffer, &mut storage) {
        Ok(httparse::Status::Complete(_)) => Lines::of(&request).check(buffer, limits),
        Ok(httparse::Status::Partial) => Err(Reject::FieldLine),
        Err(httparse::Error::Version) => later_minor_version(buffer, limits),
        Err(error) => Err(blame(error, buffer)),
    }
    .map_err(|reject| match reject {
        // However much of it arrived at once, a line that is too long is refused as one.
        Reject::RequestLine if request_line(buffer).len() > limits.request_line() => Reject::TargetTooLong,
        reject => reject,
    })
}

/// A head that has been split into lines.
struct Lines<'a> {
    method: &'a str,
    target: &'a str,
    version: Version,
    fields: &'a [httparse::Header<'a>],
}

/// The request line's own faults come first; what is left is a fault of a field line.
fn blame(error: httparse::Error, buffer: &[u8]) -> Reject {
    match error {
        httparse::Error::TooManyHeaders => Reject::TooManyFields,
        httparse::Error::HeaderName | httparse::Error::HeaderValue => Reject::FieldLine,
        httparse::Error::NewLine if request_line_is_whole(buffer) => Reject::FieldLine,
        _ => Reject::RequestLine,
    }
}

fn request_line(buffer: &[u8]) -> &[u8] {
    buffer.split(|&byte| byte == b'\r').next().unwrap_or_default()
}

/// Whether the first line ends with a version and CRLF.
fn request_line_is_whole(buffer: &[u8]) -> bool {
    let line = request_line(buffer);
    line.len() > 8 && line[line.len() - 8..].starts_with(b"HTTP/")
}

/// `HTTP/1.2` to `HTTP/1.9` are to be treated as 1.1 (RFC 9110 section 6.2); httparse knows 1.0 and 1.1 only.
#[cold]
fn later_minor_version(buffer: &[u8], limits: &Limits) -> Result<(Outline, Framing), Reject> {
    let end = memchr::memchr(b'\r', buffer).ok_or(Reject::RequestLine)?;
    let mut parts = buffer[..end].split(|&byte| byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Reject::RequestLine);
    };
    match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'2'..=b'9'] => {}
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Reject::Version);
        }
        _ => return Err(Reject::RequestLine),
    }
    if buffer.get(end + 1) != Some(&b'\n') {
        return Err(Reject::FieldLine);
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| Reject::RequestLine);
    let mut storage = [httparse::EMPTY_HEADER; MAX_FIELDS];
    match httparse::parse_headers(&buffer[end + 2..], &mut storage) {
        Ok(httparse::Status::Complete((_, fields))) => {
            Lines { method: text(method)?, target: text(target)?, version: Version::HTTP_11, fields }
                .check(buffer, limits)
        }
        Ok(httparse::Status::Partial) => Err(Reject::FieldLine),
        Err(httparse::Error::TooManyHeaders) => Err(Reject::TooManyFields),
        Err(_) => Err(Reject::FieldLine),
    }
}

impl<'a> Lines<'a> {
    /// The lines of a request that httparse found to be complete.
    fn of(request: &'a httparse::Request<'_, '_>) -> Self {
        Self {
            method: request.method.unwrap_or_default(),
            target: request.path.unwrap_or_default(),
            version: if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 },
            fields: request.headers,
        }
    }

    /// Whether CR stands before LF at the end of each line of `head`, which httparse does not ask for.
    fn end_with_crlf(&self, head: &[u8]) -> bool {
        // A line ends where the name of the next one begins.
        let ended = |field: &httparse::Header<'_>| {
            let start = place(head, field.name.as_bytes()).start;
            start >= 2 && head[start - 2] == b'\r'
        };
        head.ends_with(b"\r\n\r\n") && self.fields.iter().all(ended)
    }

    fn check(&self, buffer: &[u8], limits: &Limits) -> Result<(Outline, Framing), Reject> {
        if self.fields.len() > limits.fields {
            return Err(Reject::TooManyFields);
        }
        if self.method.len() > MAX_METHOD {
            return Err(Reject::MethodTooLong);
        }
        if self.target.len() > limits.target {
            return Err(Reject::TargetTooLong);
        }
        let method = Method::from_bytes(self.method.as_bytes()).map_err(|_| Reject::RequestLine)?;
        let target = Target::parse(&method, self.target.as_bytes())?;
        let mut known = Known::default();
        let mut fields = FieldTable::with_capacity(self.fields.len());
        for field in self.fields {
            known.note(field.name, field.value)?;
            fields.push(buffer, field.name.as_bytes(), field.value);
        }
        let host = known.host(self.version)?;
        let framing = known.framing(self.version, limits)?;
        let line = place(buffer, self.target.as_bytes());
        let within = |range: Range<usize>| Span::from(line.start + range.start..line.start + range.end);
        let authority = match (target.authority, host) {
            (Some(authority), _) => within(authority),
            (None, Some(host)) => place(buffer, host).into(),
            (None, None) => Span::default(),
        };
        let outline = Outline {
            method,
            version: self.version,
            form: target.form,
            target: line.clone().into(),
            path: within(target.path),
            query: target.query.map(within),
            authority,
            fields,
        };
        Ok((outline, framing))
    }
}

/// The fields that decide whom a request is for and where it ends.
#[derive(Default)]
struct Known<'a> {
    host: Option<&'a [u8]>,
    content_length: Option<u64>,
    transfer_encoding: Option<Coding>,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    upgrade_named: bool,
    expect: Option<bool>,
}

/// What `Transfer-Encoding` says.
enum Coding {
    /// Exactly one `chunked`.
    Chunked,
    /// Other codings, and `chunked` at the end.
    Unknown,
}

impl<'a> Known<'a> {
    fn note(&mut self, name: &str, value: &'a [u8]) -> Result<(), Reject> {
        // The length decides first: most fields are none of these.
        match name.len() {
            4 if name.eq_ignore_ascii_case("host") => once(&mut self.host, value, Reject::Host)?,
            6 if name.eq_ignore_ascii_case("expect") => {
                let known = value.eq_ignore_ascii_case(b"100-continue");
                self.expect = Some(known && self.expect.unwrap_or(true));
            }
            7 if name.eq_ignore_ascii_case("upgrade") => self.upgrade_named = true,
            10 if name.eq_ignore_ascii_case("connection") => {
                let has = |token| list::contains_token(std::iter::once(value), token);
                self.close |= has("close");
                self.keep_alive |= has("keep-alive");
                self.upgrade |= has("upgrade");
            }
            14 if name.eq_ignore_ascii_case("content-length") => {
                // Section 6.3, step 5. Even equal repetitions are refused: nothing sends them in good faith.
                let length = decimal(value).ok_or(Reject::ContentLength)?;
                once(&mut self.content_length, length, Reject::ContentLength)?;
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                once(&mut self.transfer_encoding, coding(value)?, Reject::TransferEncoding)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// RFC 9112 section 3.2: HTTP/1.1 names its host, once; HTTP/1.0 may leave it out.
    fn host(&self, version: Version) -> Result<Option<&'a [u8]>, Reject> {
        match self.host {
            Some(host) if is_host(host) => Ok(Some(host)),
            None if version == Version::HTTP_10 => Ok(None),
            _ => Err(Reject::Host),
        }
    }

    /// RFC 9112 section 6.3, for requests, and section 9.3.
    fn framing(&self, version: Version, limits: &Limits) -> Result<Framing, Reject> {
        let modern = version != Version::HTTP_10;
        let body = match (&self.transfer_encoding, self.content_length) {
            // Steps 3 and 4: Transfer-Encoding is faulty in HTTP/1.0 and beside Content-Length.
            (Some(_), Some(_)) => return Err(Reject::TransferEncoding),
            (Some(_), _) if !modern => return Err(Reject::TransferEncoding),
            (Some(Coding::Unknown), _) => return Err(Reject::UnknownCoding),
            (Some(Coding::Chunked), _) => BodyLength::Chunked,
            // Steps 6 and 7.
            (None, None | Some(0)) => BodyLength::Empty,
            (None, Some(length)) if length > limits.body => return Err(Reject::BodyTooLarge),
            (None, Some(length)) => BodyLength::Exactly(length),
        };
        if modern && self.expect == Some(false) {
            return Err(Reject::Expectation);
        }
        Ok(Framing {
            body,
            persist: !self.close && (modern || self.keep_alive),
            expects_continue: modern && self.expect == Some(true) && body != BodyLength::Empty,
            offers_upgrade: modern && self.upgrade && self.upgrade_named,
        })
    }
}

/// Notes a field that must not be repeated.
fn once<T>(place: &mut Option<T>, value: T, repeated: Reject) -> Result<(), Reject> {
    place.replace(value).map_or(Ok(()), |_| Err(repeated))
}

/// `1*DIGIT` that fits 64 bits; no sign, no list, no leading or inner space.
pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0_u64, |n, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}

/// Section 6.1: `chunked` once, and last. Other codings before it are sound, but unknown here.
fn coding(value: &[u8]) -> Result<Coding, Reject> {
    if value.eq_ignore_ascii_case(b"chunked") {
        return Ok(Coding::Chunked);
    }
    let members: Vec<_> = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).collect();
    let is_chunked = |member: &&[u8]| member.eq_ignore_ascii_case(b"chunked");
    let others_are_tokens = members
        .iter()
        .all(|member| list::is_token(member.split(|&byte| byte == b';').next().unwrap_or_default()));
    match members.split_last() {
        Some((last, before)) if is_chunked(last) && others_are_tokens && !before.iter().any(is_chunked) => {
            Ok(Coding::Unknown)
        }
        _ => Err(Reject::TransferEncoding),
    }
}

#[cfg(test)]
mod tests;
