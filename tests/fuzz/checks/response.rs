//! Responses to a client: their heads, what follows them, and whether they open a WebSocket.
//!
//! The checker plays the client that has asked for a WebSocket with a key, a subprotocol and compression that are always the same.
//! When it takes the answer, a second opinion goes through the points of RFC 6455 section 4.1, one after the other, over the lines
//! of the head; else the beginning of the body is read, as it would be for a message.

use bytes::{Bytes, BytesMut};
use http::{Method, StatusCode, Version};
use wireworks::codec::Codec;
use wireworks::proto::http::client::{Excerpt, Fault, Opening, ResponseHead, parse};
use wireworks::proto::http::head::BodyLength;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::ws::deflate::{Memory, Terms};
use wireworks::proto::ws::handshake::client::{Asked, Wishes, ask};

use super::{arrivals, find, is_token, is_value, split_at_each, trimmed};

/// Bytes of a body that are kept.
const MOST: usize = 20;

/// Checks a client on `wire`, and says whether it is a response with all of its body, or a WebSocket.
pub(crate) fn check(wire: &[u8]) -> bool {
    let small = Limits { head: 120, fields: 3, ..Limits::default() };
    under(&small, wire);
    under(&Limits::default(), wire)
}

fn under(limits: &Limits, wire: &[u8]) -> bool {
    let whole = hear(limits, &[wire]);
    for way in arrivals(wire) {
        let split = hear(limits, &way);
        // Which of two faults is named may hang on the arrival only when one of them is that the head is too long.
        let too_long = wire.len() > limits.head && matches!((&split, &whole), (Err(_), Err(_)));
        assert!(split == whole || too_long, "{split:?}, not {whole:?}, as {} pieces", way.len());
    }
    whole.is_ok_and(|heard| match heard {
        Some(Heard { rest: Rest::WebSocket(_), .. }) => true,
        Some(Heard { rest: Rest::Body { complete, .. }, .. }) => complete,
        Some(Heard { rest: Rest::Unclear, .. }) | None => false,
    })
}

#[derive(Debug, PartialEq)]
struct Heard {
    head: Bytes,
    rest: Rest,
}

#[derive(Debug, PartialEq)]
enum Rest {
    /// What is left for the frames.
    WebSocket(Vec<u8>),
    Body {
        excerpt: Bytes,
        complete: bool,
    },
    /// Nobody can say where the body ends.
    Unclear,
}

fn hear(limits: &Limits, pieces: &[&[u8]]) -> Result<Option<Heard>, Fault> {
    let (mut codec, mut src) = (Opening::new(*limits), BytesMut::new());
    let mut pieces = pieces.iter();
    let response = loop {
        let Some(piece) = pieces.next() else {
            assert!(matches!(codec.decode_eof(&mut src), Ok(None)), "heard at the end, and not before");
            return Ok(None);
        };
        src.extend_from_slice(piece);
        match codec.decode(&mut src)? {
            Some(response) => break response,
            None => assert!(src.len() <= limits.head, "{} bytes wait", src.len()),
        }
    };
    let before = src.len();
    assert!(matches!(codec.decode(&mut src), Ok(None)), "heard behind the response");
    assert_eq!(src.len(), before, "taken behind the response");
    is_sound(&response, limits);
    let head = response.bytes().clone();
    if asked().judge(&response).is_ok() {
        opens_by_the_list(&response);
        pieces.for_each(|piece| src.extend_from_slice(piece));
        return Ok(Some(Heard { head, rest: Rest::WebSocket(src.to_vec()) }));
    }
    let Ok(body) = response.body(&Method::GET) else {
        return Ok(Some(Heard { head, rest: Rest::Unclear }));
    };
    let mut codec = Excerpt::new(body, MOST);
    loop {
        if let Some(excerpt) = codec.decode(&mut src).unwrap() {
            assert!(excerpt.len() <= MOST);
            return Ok(Some(Heard { head, rest: Rest::Body { excerpt, complete: true } }));
        }
        let Some(piece) = pieces.next() else { break };
        src.extend_from_slice(piece);
    }
    let excerpt = codec.decode_eof(&mut src).unwrap().unwrap();
    assert!(excerpt.len() <= MOST && src.is_empty());
    Ok(Some(Heard { head, rest: Rest::Body { excerpt, complete: body == BodyLength::UntilClose } }))
}

/// What was promised of a head that was accepted; written anew it says the same.
fn is_sound(response: &ResponseHead, limits: &Limits) {
    let bytes = response.bytes();
    assert!(bytes.len() <= limits.head && response.fields().len() <= limits.fields);
    assert!(!response.is_interim());
    assert_eq!(find(bytes, b"\r\n\r\n"), Some(bytes.len() - 4), "exactly up to the empty line");
    let lines = split_at_each(&bytes[..bytes.len() - 4], b"\r\n");
    assert!(lines.iter().all(|line| is_value(line) && !line.contains(&b'\n')));
    let minor = lines[0].strip_prefix(b"HTTP/1.").unwrap()[0];
    assert!(minor.is_ascii_digit());
    assert_eq!(minor == b'0', response.version() == Version::HTTP_10);
    assert_eq!(&lines[0][8..12], format!(" {}", response.status().as_str()).as_bytes());
    let fields = lines[1..].iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':').unwrap();
        assert!(is_token(&line[..colon]));
        (&line[..colon], trimmed(&line[colon + 1..]))
    });
    assert!(response.fields().map(|(name, value)| (name.as_bytes(), value)).eq(fields));

    let mut again = format!("{:?} {} \r\n", response.version(), response.status().as_str()).into_bytes();
    for (name, value) in response.fields() {
        again.extend([name.as_bytes(), b":", value, b"\r\n"].concat());
    }
    again.extend(b"\r\n");
    let again = parse(again.into(), limits).unwrap();
    assert_eq!((again.status(), again.version()), (response.status(), response.version()));
    assert!(again.fields().eq(response.fields()));
    assert_eq!(again.body(&Method::GET), response.body(&Method::GET));
}

/// The request of section 1.3 of the RFC, with compression.
fn asked() -> Asked {
    let wishes = Wishes {
        subprotocols: vec!["chat".into(), "superchat".into()],
        deflate: Some(Terms { memory: Memory::Dedicated, server_window_bits: 12, ..Terms::default() }),
        ..Wishes::default()
    };
    ask(&"ws://server.example.com/chat".parse().unwrap(), &wishes, *b"the sample nonce").unwrap().1
}

/// Section 4.1: each point, slowly.
fn opens_by_the_list(response: &ResponseHead) {
    let lines = |name: &str| {
        let named = response.fields().filter(|(field, _)| field.eq_ignore_ascii_case(name));
        named.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>()
    };
    assert_eq!((response.status(), response.version()), (StatusCode::SWITCHING_PROTOCOLS, Version::HTTP_11));
    assert_eq!(lines("upgrade").concat().to_lowercase(), "websocket");
    let connection = lines("connection").join(",").to_lowercase();
    assert!(connection.split(',').any(|token| token.trim_matches([' ', '\t']) == "upgrade"));
    assert_eq!(lines("sec-websocket-accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]);
    let subprotocol = lines("sec-websocket-protocol");
    assert!(subprotocol.is_empty() || subprotocol == ["chat"] || subprotocol == ["superchat"]);
    let extensions = lines("sec-websocket-extensions").join(",").to_lowercase();
    // Quotes and empty members may stand around what is said.
    let words: String = extensions.chars().filter(|c| !" \t\",\\".contains(*c)).collect();
    if words.is_empty() {
        return;
    }
    let mut parameters: Vec<_> = words.split(';').collect();
    assert_eq!(parameters.remove(0), "permessage-deflate");
    for (index, parameter) in parameters.iter().enumerate() {
        let (name, value) = parameter.split_once('=').unwrap_or((*parameter, ""));
        let same = |other: &&str| other.split('=').next() == Some(name);
        assert!(!parameters[..index].iter().any(same), "{parameter} comes twice");
        let bits = value.parse::<u8>();
        match name {
            "server_no_context_takeover" | "client_no_context_takeover" => assert!(value.is_empty()),
            // We asked for 12 at most.
            "server_max_window_bits" => assert!((8..=12).contains(&bits.unwrap())),
            "client_max_window_bits" => assert!((9..=15).contains(&bits.unwrap())),
            _ => panic!("the parameter {parameter} was taken"),
        }
    }
    assert!(words.contains("server_max_window_bits="), "what was asked for has to be granted");
}
