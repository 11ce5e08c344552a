//! The chunked coding: as it arrives, as a random chunker writes it, and as a plain reader walks it.

use bytes::BytesMut;
use wireworks::proto::http::chunked::{Chunk, Chunked};
use wireworks::proto::http::fields::Fields;
use wireworks::proto::http::limits::Limits;
use wireworks::proto::http::reject::Reject;

use super::{Choices, arrivals, find, is_token, is_value};

/// Checks the decoder on `wire`, and the chunker with `wire` for its decisions; says whether `wire` begins with a whole body.
pub(crate) fn check(wire: &[u8]) -> bool {
    chunker(&mut Choices(wire));
    let small = Limits { body: 20, chunk_extensions: 6, trailers: 40, ..Limits::default() };
    decoder(&small, wire);
    decoder(&Limits::default(), wire)
}

#[derive(Debug, PartialEq)]
enum End {
    /// The last chunk came, with these trailers; so many bytes lie behind it.
    Over(Vec<(String, Vec<u8>)>, usize),
    More,
    Refused(Reject),
}

fn decoder(limits: &Limits, wire: &[u8]) -> bool {
    let (body, end) = hear(limits, &[wire]);
    assert!(body.len() as u64 <= limits.body, "more body than the limit");
    for way in arrivals(wire) {
        let (split_body, split_end) = hear(limits, &way);
        assert_eq!(split_body, body, "as {} pieces", way.len());
        // A fault in a trailer section that is too long may be found before its length.
        let both_refused = matches!((&split_end, &end), (End::Refused(_), End::Refused(_)));
        let over_limit = wire.len() > limits.trailers && both_refused;
        assert!(split_end == end || over_limit, "{split_end:?} as {} pieces, {end:?}", way.len());
    }
    let End::Over(trailers, left) = end else {
        return false;
    };
    let used = &wire[..wire.len() - left];
    assert_eq!(walk(used), body);
    let (again, end) = hear(limits, &[used]);
    assert_eq!((again, end), (body.clone(), End::Over(trailers.clone(), 0)), "without its tail");
    for (name, value) in &trailers {
        assert!(is_token(name.as_bytes()) && is_value(value));
        assert!(!["host", "content-length", "transfer-encoding", "authorization"].contains(&&name[..]));
    }
    let encoded = encode(&body, &trailers, &mut Choices(&[]));
    let roomy = Limits::default();
    assert_eq!(hear(&roomy, &[&encoded]), (body, End::Over(trailers, 0)), "encoded anew");
    true
}

fn hear(limits: &Limits, chunks: &[&[u8]]) -> (Vec<u8>, End) {
    let mut decoder = Chunked::new(limits);
    let (mut src, mut body) = (BytesMut::new(), Vec::new());
    for (step, chunk) in chunks.iter().enumerate() {
        src.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut src) {
                Ok(Some(Chunk::Data(data))) => {
                    assert!(!data.is_empty(), "an empty piece of a body");
                    body.extend_from_slice(&data);
                }
                Ok(Some(Chunk::End(fields))) => {
                    let behind: usize = chunks[step + 1..].iter().map(|chunk| chunk.len()).sum();
                    assert!(matches!(decoder.decode(&mut src), Ok(None)), "an item behind the end");
                    return (body, End::Over(lines(&fields), src.len() + behind));
                }
                Ok(None) => break,
                Err(reject) => return (body, End::Refused(reject)),
            }
        }
        assert!(src.len() <= limits.trailers, "{} bytes held back", src.len());
    }
    (body, End::More)
}

fn lines(fields: &Fields) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

/// The body by the plainest reading: lines end at the first CRLF, sizes are hexadecimal, data are as long as said.
fn walk(mut wire: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = &wire[..find(wire, b"\r\n").unwrap()];
        wire = &wire[line.len() + 2..];
        let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
        assert!(matches!(line.get(digits), None | Some(b';' | b' ' | b'\t')));
        assert!(is_value(line), "a control character in a chunk extension");
        let text = std::str::from_utf8(&line[..digits]).unwrap();
        let size = usize::from_str_radix(text, 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&wire[..size]);
        assert_eq!(&wire[size..size + 2], b"\r\n");
        wire = &wire[size + 2..];
    }
    // The trailer section ends with the first empty line, which is the end of what was used.
    let end = if wire.starts_with(b"\r\n") { 0 } else { find(wire, b"\r\n\r\n").unwrap() + 2 };
    assert_eq!(wire.len(), end + 2);
    body
}

const EXTENSIONS: [&str; 6] = ["", ";a", ";name=token", ";q=\"quo\\\"ted; \t\"", " ; a = b", ";a;b=c;d"];
const TRAILERS: [(&str, &str); 4] =
    [("x-checksum", "abc=="), ("server-timing", "db;dur=53"), ("x-empty", ""), ("x-obs", "caf\u{e9}")];

/// A body cut at random decodes to itself, with its trailers.
fn chunker(choices: &mut Choices<'_>) {
    let trailers: Vec<_> = (0..choices.below(4))
        .map(|_| choices.pick(&TRAILERS))
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .collect();
    let body = choices.some().to_vec();
    let wire = encode(&body, &trailers, choices);
    for way in arrivals(&wire) {
        let heard = hear(&Limits::default(), &way);
        assert_eq!(heard, (body.clone(), End::Over(trailers.clone(), 0)), "as {} pieces", way.len());
    }
}

fn encode(body: &[u8], trailers: &[(String, Vec<u8>)], choices: &mut Choices<'_>) -> Vec<u8> {
    let (mut wire, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        // Without decisions, one chunk.
        let size = if choices.is_empty() { rest.len() } else { 1 + choices.below(40) };
        let (chunk, after) = rest.split_at(size.min(rest.len()));
        wire.extend(size_line(chunk.len(), choices).bytes());
        wire.extend([chunk, b"\r\n"].concat());
        rest = after;
    }
    wire.extend(size_line(0, choices).bytes());
    for (name, value) in trailers {
        wire.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    }
    wire.extend(b"\r\n");
    wire
}

fn size_line(size: usize, choices: &mut Choices<'_>) -> String {
    let extension = choices.pick(&EXTENSIONS);
    match choices.below(3) {
        0 => format!("{size:x}{extension}\r\n"),
        1 => format!("{size:X}{extension}\r\n"),
        _ => format!("{size:06x}{extension}\r\n"),
    }
}
