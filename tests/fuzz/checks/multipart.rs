//! Forms: as they arrive, as a plain encoder writes them, and as a plain reader takes them apart.

use bytes::BytesMut;
use wireworks::proto::http::multipart::{Event, Multipart, MultipartError, MultipartLimits, PartHead};

use super::{Choices, arrivals, find, is_value, split_at_each};

/// The boundary of every form here: short, so that mutations hit it.
const BOUNDARY: &str = "b";
/// A delimiter with the line end before it.
const DELIMITER: &[u8] = b"\r\n--b";

/// Checks the decoder on `wire`, and the round trip of a form made from its bytes; says whether `wire` is a whole form.
pub(crate) fn check(wire: &[u8]) -> bool {
    round_trip(&mut Choices(wire));
    let small = MultipartLimits { parts: 2, head: 64, fields: 2, surplus: 10 };
    decoder(small, wire);
    decoder(MultipartLimits::DEFAULT, wire)
}

#[derive(Debug, Default, PartialEq)]
struct Part {
    head: PartHead,
    data: Vec<u8>,
    complete: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Form {
    parts: Vec<Part>,
    ended: bool,
    refused: Option<MultipartError>,
}

fn decoder(limits: MultipartLimits, wire: &[u8]) -> bool {
    let form = hear(limits, &[wire]);
    for way in arrivals(wire) {
        assert_eq!(hear(limits, &way), form, "as {} pieces", way.len());
    }
    assert!(form.parts.len() <= limits.parts);
    for part in &form.parts {
        head_is_sound(&part.head, limits);
    }
    if form.ended {
        assert!(form.parts.iter().all(|part| part.complete));
        let contents: Vec<_> = form.parts.iter().map(|part| &part.data[..]).collect();
        assert_eq!(contents, contents_by_splitting(wire));
    }
    form.ended && form.refused.is_none()
}

fn head_is_sound(head: &PartHead, limits: MultipartLimits) {
    assert!(head.fields.len() <= limits.fields);
    assert!(head.fields.values().all(|value| is_value(value.as_bytes())));
    if let Some(base) = head.base_name() {
        assert!(!base.contains(['/', '\\', '\0', '\r', '\n']) && !matches!(base, "" | "." | ".."));
    }
}

/// What stands between the delimiters, by cutting a whole form at each of them.
fn contents_by_splitting(wire: &[u8]) -> Vec<&[u8]> {
    // The first delimiter may lack the line end; then nothing is lost but the two dashes and the boundary.
    let wire = wire
        .strip_prefix(&DELIMITER[2..])
        .unwrap_or_else(|| &wire[find(wire, DELIMITER).unwrap() + DELIMITER.len()..]);
    split_at_each(wire, DELIMITER)
        .into_iter()
        .take_while(|piece| !piece.starts_with(b"--"))
        .map(|piece| match find(piece, b"\r\n\r\n") {
            Some(end) => &piece[end + 4..],
            // A part without content: the delimiter shares the line end of the empty line.
            None => &[],
        })
        .collect()
}

fn hear(limits: MultipartLimits, chunks: &[&[u8]]) -> Form {
    let mut decoder = Multipart::new(BOUNDARY, limits).unwrap();
    let (mut src, mut form) = (BytesMut::new(), Form::default());
    for step in 0..=chunks.len() {
        src.extend_from_slice(chunks.get(step).copied().unwrap_or_default());
        loop {
            let decoded =
                if step < chunks.len() { decoder.decode(&mut src) } else { decoder.decode_eof(&mut src) };
            match decoded {
                Ok(Some(event)) => form.note(event),
                Ok(None) => break,
                Err(error) => {
                    form.refused = Some(error);
                    return form;
                }
            }
        }
        // A head with its last line end, or a delimiter with its padding.
        assert!(src.len() <= (limits.head + 2).max(80), "{} bytes held back", src.len());
    }
    assert!(form.ended, "neither ended nor refused");
    form
}

impl Form {
    fn note(&mut self, event: Event) {
        assert!(!self.ended, "an event behind the end");
        let open = self.parts.last_mut().filter(|part| !part.complete);
        match (event, open) {
            (Event::Head(head), None) => self.parts.push(Part { head: *head, ..Part::default() }),
            (Event::Data(data), Some(part)) => {
                assert!(!data.is_empty(), "an empty piece of a part");
                part.data.extend_from_slice(&data);
            }
            (Event::PartEnd, Some(part)) => part.complete = true,
            (Event::End, None) => self.ended = true,
            (event, _) => panic!("{event:?} out of turn"),
        }
    }
}

/// A form made of what the bytes say is read as it was meant.
fn round_trip(choices: &mut Choices<'_>) {
    let mut wire = choices.pick(&[&b""[..], b"preamble", b"-", b"\r\n\r"]).to_vec();
    let mut sent = Vec::new();
    for nth in 0..choices.below(4) {
        let (name, file_name, data) =
            (text(choices), choices.flag().then(|| text(choices)), content(choices));
        if nth > 0 || !wire.is_empty() {
            wire.extend(b"\r\n");
        }
        wire.extend(b"--b");
        wire.extend(choices.pick(&[&b"\r\n"[..], b" \t\r\n"]));
        wire.extend(format!("Content-Disposition: form-data; name={}", quoted(&name)).bytes());
        if let Some(file_name) = &file_name {
            wire.extend(format!("; filename={}\r\nContent-Type: text/plain", quoted(file_name)).bytes());
        }
        wire.extend(b"\r\n\r\n");
        wire.extend(&data);
        sent.push((name, file_name, data));
    }
    if !wire.is_empty() {
        wire.extend(b"\r\n");
    }
    wire.extend(b"--b--\r\n");
    let form = hear(MultipartLimits::DEFAULT, &[&wire]);
    assert_eq!(form.refused, None, "{}", wire.escape_ascii());
    let received: Vec<_> =
        form.parts.into_iter().map(|part| (part.head.name, part.head.file_name, part.data)).collect();
    assert_eq!(received, sent);
}

/// A name as a browser could send it: any text without controls.
fn text(choices: &mut Choices<'_>) -> String {
    let text = String::from_utf8_lossy(choices.some());
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// Any bytes, as long as no delimiter is among them.
fn content(choices: &mut Choices<'_>) -> Vec<u8> {
    let data = choices.some();
    // As it stands behind an empty line, its first line may be a delimiter too.
    let behind = [b"\r\n", data].concat();
    if find(&behind, DELIMITER).is_some() {
        data.iter().copied().filter(|&byte| byte != b'-').collect()
    } else {
        data.to_vec()
    }
}
