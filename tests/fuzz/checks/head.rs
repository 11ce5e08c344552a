//! Requests on a connection: heads, how their bodies are framed, and what follows a fault.
//!
//! The checker plays the server: it answers every request, so that those behind it on the same wire are parsed too. The
//! framing decision has a second opinion, [`framing_by_the_table`], because that is where requests are smuggled.

use std::time::UNIX_EPOCH;

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use wireworks::codec::{Codec, Outbox};
use wireworks::proto::http::date;
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::head::{BodyLength, Framing, Head};
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::parse::parse;
use wireworks::proto::http::reject::Reject;
use wireworks::proto::http::reply::ReplyHead;
use wireworks::proto::http::server::{HttpError, Incoming, Outgoing, ServerCodec};
use wireworks::proto::http::target::Form;

use super::{arrivals, find, is_token, is_value, split_at_each, trimmed};

/// A request that must never be heard behind a fault.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Checks the codec on `wire`, and says whether all of it was sound requests.
pub(crate) fn check(wire: &[u8]) -> bool {
    under(&small(), wire);
    under(&Limits::default(), wire)
}

/// Limits that short inputs meet.
fn small() -> Limits {
    Limits { head: 96, target: 16, fields: 3, body: 20, chunk_extensions: 6, trailers: 40 }
}

fn under(limits: &Limits, wire: &[u8]) -> bool {
    framing_agrees(wire, limits);
    let whole = hear(limits, &[wire]);
    whole.heads.iter().for_each(|(head, framing)| {
        is_sound(head, framing, limits);
        is_encodable(head, framing);
    });
    whole.is_bounded(limits);
    for way in arrivals(wire) {
        let split = hear(limits, &way);
        assert_eq!(split.items, whole.items, "as {} pieces", way.len());
        assert_eq!(split.left, whole.left, "as {} pieces", way.len());
        let pair = (split.refused, whole.refused);
        // Which of two faults is named may hang on the arrival only when one of them is that a limit was passed.
        let over_limit = wire.len() > limits.target && pair.0.is_some() && pair.1.is_some();
        assert!(pair.0 == pair.1 || over_limit, "{pair:?} as {} pieces", way.len());
    }
    whole.refused.is_none() && whole.left == 0 && !whole.heads.is_empty()
}

#[derive(Debug, PartialEq)]
enum Item {
    Head(Bytes, Framing),
    /// All of a body, in one.
    Body(Vec<u8>),
    End(Vec<(String, Vec<u8>)>),
}

#[derive(Default)]
struct Heard {
    items: Vec<Item>,
    heads: Vec<(Head, Framing)>,
    refused: Option<Reject>,
    left: usize,
}

impl Heard {
    /// Keeps an item, and says whether a request is over with it.
    fn note(&mut self, item: Incoming) -> bool {
        match item {
            Incoming::Head(head, framing) => {
                self.items.push(Item::Head(head.bytes().clone(), framing));
                self.heads.push((*head, framing));
                framing.body == BodyLength::Empty
            }
            Incoming::Data(data) => {
                assert!(!data.is_empty(), "an empty piece of a body");
                match self.items.last_mut() {
                    Some(Item::Body(body)) => body.extend_from_slice(&data),
                    _ => self.items.push(Item::Body(data.to_vec())),
                }
                false
            }
            Incoming::End(trailers) => {
                let line = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
                    (name.to_string(), value.as_bytes().to_vec())
                };
                self.items.push(Item::End(trailers.iter().map(line).collect()));
                true
            }
        }
    }

    /// No body is longer than its head said, or than the limit.
    fn is_bounded(&self, limits: &Limits) {
        let mut said = BodyLength::Empty;
        for item in &self.items {
            match (item, said) {
                (Item::Head(_, framing), _) => said = framing.body,
                (Item::Body(body), BodyLength::Exactly(length)) => assert!(body.len() as u64 <= length),
                (Item::Body(body), BodyLength::Chunked) => assert!(body.len() as u64 <= limits.body),
                (Item::Body(body), _) => panic!("a body that no head announced: {body:?}"),
                (Item::End(trailers), _) => {
                    assert!(trailers.is_empty() || said == BodyLength::Chunked);
                }
            }
        }
    }
}

fn hear(limits: &Limits, chunks: &[&[u8]]) -> Heard {
    let mut codec = ServerCodec::new(*limits);
    let (mut src, mut heard) = (BytesMut::new(), Heard::default());
    let most = 4 * chunks.iter().map(|chunk| chunk.len()).sum::<usize>() + 16;
    for step in 0..=chunks.len() {
        src.extend_from_slice(chunks.get(step).copied().unwrap_or_default());
        loop {
            let decoded =
                if step < chunks.len() { codec.decode(&mut src) } else { codec.decode_eof(&mut src) };
            match decoded {
                Ok(Some(item)) => {
                    if heard.note(item) {
                        answer(&mut codec);
                    }
                }
                Ok(None) => break,
                Err(HttpError::Misuse(misuse)) => panic!("{misuse}"),
                Err(HttpError::Reject(reject)) => {
                    heard.refused = Some(reject);
                    // How much of the bad message was taken hangs on the arrival; nobody looks at it again.
                    is_deaf(codec, src);
                    return heard;
                }
            }
            assert!(heard.items.len() <= most, "items without end");
        }
    }
    heard.left = src.len();
    let is_over = matches!(heard.items.last(), Some(Item::Head(_, framing)) if framing.body == BodyLength::Empty)
        || matches!(heard.items.last(), Some(Item::End(_)));
    if is_over && heard.heads.last().is_some_and(|(_, framing)| !framing.persist) {
        is_deaf(codec, src);
    }
    heard
}

/// Answers the request that is over.
fn answer(codec: &mut ServerCodec) {
    let mut out = Outbox::new();
    let head = ReplyHead {
        status: StatusCode::NO_CONTENT,
        fields: Fields::new(),
        length: None,
        date: date::format(UNIX_EPOCH),
    };
    codec.encode(Outgoing::Head(head), &mut out).unwrap();
    codec.encode(Outgoing::End(Fields::new()), &mut out).unwrap();
}

/// The connection has ended: nothing more is decoded, and no byte is taken.
fn is_deaf(mut codec: ServerCodec, mut src: BytesMut) {
    for more in [&b""[..], SMUGGLED] {
        src.extend_from_slice(more);
        let before = src.len();
        assert!(matches!(codec.decode(&mut src), Ok(None)), "heard after the end");
        assert!(matches!(codec.decode_eof(&mut src), Ok(None)), "heard after the end");
        assert_eq!(src.len(), before, "bytes taken after the end");
        assert!(!codec.persists());
    }
}

/// What was promised of a head that was accepted.
fn is_sound(head: &Head, framing: &Framing, limits: &Limits) {
    let bytes = head.bytes();
    assert!(bytes.len() <= limits.head);
    assert!(head.target().len() <= limits.target);
    assert!(head.fields().len() <= limits.fields);
    assert_eq!(find(bytes, b"\r\n\r\n"), Some(bytes.len() - 4), "exactly up to the empty line");
    let lines = split_at_each(&bytes[..bytes.len() - 4], b"\r\n");
    for line in &lines {
        assert!(is_value(line), "a control character in {:?}", line.escape_ascii().to_string());
    }
    let start = format!("{} {} HTTP/1.", head.method(), head.target());
    let minor = lines[0].strip_prefix(start.as_bytes()).unwrap();
    assert!(matches!(minor, [b'0'..=b'9']));
    assert_eq!(minor == b"0", head.version() == Version::HTTP_10);
    assert!(is_token(head.method().as_str().as_bytes()));

    let fields = lines[1..].iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').unwrap();
        (&line[..colon], trimmed(&line[colon + 1..]))
    });
    let fields: Vec<_> = fields.collect();
    assert!(fields.iter().all(|(name, _)| is_token(name)));
    let seen: Vec<_> = head.fields().map(|(name, value)| (name.as_bytes(), value)).collect();
    assert_eq!(seen, fields);
    target_is_sound(head);
    host_is_sound(head, &fields);

    let says = |option: &str| {
        named(&fields, "connection")
            .flat_map(|value| value.split(|&byte| byte == b','))
            .any(|member| trimmed(member).eq_ignore_ascii_case(option.as_bytes()))
    };
    let modern = head.version() == Version::HTTP_11;
    assert_eq!(framing.persist, !says("close") && (modern || says("keep-alive")));
    assert!(!framing.expects_continue || modern && framing.body != BodyLength::Empty);
}

/// The values of the fields of that name.
fn named<'f, 'a: 'f>(
    fields: &'f [(&'a [u8], &'a [u8])],
    wanted: &'static str,
) -> impl Iterator<Item = &'a [u8]> + 'f {
    fields
        .iter()
        .filter(move |(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
        .map(|&(_, value)| value)
}

fn target_is_sound(head: &Head) {
    let target = head.target();
    assert!(target.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'#'));
    let path_and_query = match head.query() {
        Some(query) => format!("{}?{query}", head.path()),
        None => head.path().to_owned(),
    };
    match head.form() {
        Form::Origin => assert_eq!(path_and_query, target),
        Form::Absolute => {
            assert!(head.path().starts_with('/'));
            assert!(!head.authority().is_empty());
        }
        Form::Authority => assert_eq!((head.method(), head.authority()), (&Method::CONNECT, target)),
        Form::Asterisk => assert_eq!((head.method(), target), (&Method::OPTIONS, "*")),
    }
    assert!(!head.path().bytes().any(|byte| b"?\"<>\\^`{|}".contains(&byte)));
    assert!(!head.path().contains("%00"));
}

fn host_is_sound(head: &Head, fields: &[(&[u8], &[u8])]) {
    let hosts: Vec<_> = named(fields, "host").collect();
    assert!(hosts.len() == 1 || hosts.is_empty() && head.version() == Version::HTTP_10);
    assert!(hosts.iter().all(|host| is_plain_host(host)));
    match head.form() {
        Form::Origin | Form::Asterisk => {
            assert_eq!(head.authority().as_bytes(), hosts.first().copied().unwrap_or_default());
        }
        Form::Absolute | Form::Authority => assert!(is_plain_host(head.authority().as_bytes())),
    }
}

/// A name or a literal in brackets, and perhaps a port.
fn is_plain_host(text: &[u8]) -> bool {
    let text = std::str::from_utf8(text).unwrap();
    let (name, port) = match text.rfind(']') {
        Some(end) => (&text[1..end], text[end + 1..].strip_prefix(':')),
        None => text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port))),
    };
    let literal = text.starts_with('[');
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~%!$&'()*+;=".contains(c) || literal && c == ':';
    let port = port.unwrap_or_default();
    let encodes = |part: &str| {
        let digits = part.as_bytes().get(..2);
        digits.is_some_and(|digits| digits != b"00" && digits.iter().all(u8::is_ascii_hexdigit))
    };
    !name.is_empty()
        && name.split('%').skip(1).all(encodes)
        && name.chars().all(allowed)
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && (port.is_empty() || port.parse::<u128>().is_ok_and(|port| port <= 65535))
}

/// The head written anew from its parts says the same.
fn is_encodable(head: &Head, framing: &Framing) {
    let mut wire = format!("{} {} {:?}\r\n", head.method(), head.target(), head.version()).into_bytes();
    for (name, value) in head.fields() {
        wire.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    wire.extend(b"\r\n");
    let (again, framing_again) = parse(wire.into(), &Limits::default()).unwrap();
    assert_eq!(&framing_again, framing);
    let parts = |head: &Head| (head.method().clone(), head.version(), head.form());
    assert_eq!(parts(&again), parts(head));
    let texts = |head: &Head| {
        let query = head.query().map(str::to_owned);
        (head.path().to_owned(), query, head.authority().to_owned())
    };
    assert_eq!(texts(&again), texts(head));
    assert!(again.fields().eq(head.fields()));
}

/// What the table of RFC 9112 section 6.3, read strictly, makes of a request's framing fields. `None` is a refusal.
pub(crate) fn framing_by_the_table(
    version: Version,
    transfer_encoding: &[&[u8]],
    content_length: &[&[u8]],
    limit: u64,
) -> Option<BodyLength> {
    match (version, transfer_encoding, content_length) {
        (_, [], []) => Some(BodyLength::Empty),
        (Version::HTTP_11, [coding], []) => {
            (coding.eq_ignore_ascii_case(b"chunked")).then_some(BodyLength::Chunked)
        }
        (_, [], [length]) => {
            let digits = std::str::from_utf8(length).ok()?;
            if digits.is_empty() || digits.chars().any(|c| !c.is_ascii_digit()) {
                return None;
            }
            match digits.trim_start_matches('0') {
                "" => Some(BodyLength::Empty),
                digits => match digits.parse::<u64>().ok()? {
                    length if length <= limit => Some(BodyLength::Exactly(length)),
                    _ => None,
                },
            }
        }
        _ => None,
    }
}

/// Compares the parser with the table, on the first head of `wire`, unless it is refused for other reasons.
fn framing_agrees(wire: &[u8], limits: &Limits) {
    let wire = wire.strip_prefix(b"\r\n").unwrap_or(wire);
    let Some(end) = find(wire, b"\r\n\r\n") else {
        return;
    };
    let lines = split_at_each(&wire[..end], b"\r\n");
    if lines.iter().any(|line| line.contains(&b'\n')) {
        return;
    }
    let parsed = parse(Bytes::copy_from_slice(&wire[..end + 4]), limits);
    let body = match parsed {
        Ok((_, framing)) => Some(framing.body),
        Err(
            Reject::TransferEncoding | Reject::ContentLength | Reject::UnknownCoding | Reject::BodyTooLarge,
        ) => None,
        Err(_) => return,
    };
    let version = if lines[0].ends_with(b"HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    let fields: Vec<_> = lines[1..]
        .iter()
        .filter_map(|line| {
            let colon = line.iter().position(|&byte| byte == b':')?;
            Some((&line[..colon], trimmed(&line[colon + 1..])))
        })
        .collect();
    let codings: Vec<_> = named(&fields, "transfer-encoding").collect();
    let lengths: Vec<_> = named(&fields, "content-length").collect();
    assert_eq!(body, framing_by_the_table(version, &codings, &lengths, limits.body));
}
