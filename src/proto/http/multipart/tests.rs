//! Whole forms, cut at every byte.

use super::*;

const BOUNDARY: &str = "AaB03x";

fn decoder(limits: MultipartLimits) -> Multipart {
    Multipart::new(BOUNDARY, limits).unwrap()
}

type Outcome = (Vec<String>, Result<(), MultipartError>);

/// Feeds the pieces and prints the events; pieces of data that follow each other are one.
fn run<'a>(mut form: Multipart, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut src = BytesMut::new();
    let mut events: Vec<String> = Vec::new();
    let mut in_data = false;
    let mut note = |event| match event {
        Event::Data(data) => {
            assert!(!data.is_empty());
            let text = String::from_utf8_lossy(&data).into_owned();
            match events.last_mut() {
                Some(last) if in_data => last.push_str(&text),
                _ => events.push(format!("data {text}")),
            }
            in_data = true;
        }
        other => {
            in_data = false;
            events.push(match other {
                Event::Head(head) => format!("head {}", head.name),
                Event::PartEnd => "end of part".into(),
                _ => "end".into(),
            });
        }
    };
    let outcome = (|| {
        for piece in pieces {
            src.extend_from_slice(piece);
            while let Some(event) = form.decode(&mut src)? {
                note(event);
            }
            let held = match form.state {
                State::Head { .. } => form.limits.head + 2,
                _ => form.delimiter.needle().len() + MAX_PADDING,
            };
            assert!(src.len() <= held, "{} bytes are held back", src.len());
        }
        while let Some(event) = form.decode_eof(&mut src)? {
            note(event);
        }
        assert!(src.is_empty());
        Ok(())
    })();
    (events, outcome)
}

/// Runs a form whole, cut in two at every byte, and byte by byte; all have to come to the same.
fn any_split(wire: &str, limits: MultipartLimits) -> Outcome {
    let wire = wire.as_bytes();
    let whole = run(decoder(limits), [wire]);
    for cut in 0..=wire.len() {
        assert_eq!(run(decoder(limits), [&wire[..cut], &wire[cut..]]), whole, "cut at {cut}");
    }
    assert_eq!(run(decoder(limits), wire.chunks(1)), whole);
    whole
}

fn part(name: &str, content: &str) -> String {
    format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
}

fn events(wire: &str) -> Vec<String> {
    let (events, outcome) = any_split(wire, MultipartLimits::DEFAULT);
    assert_eq!(outcome, Ok(()), "{wire:?}");
    events
}

fn error(wire: &str, limits: MultipartLimits) -> MultipartError {
    any_split(wire, limits).1.unwrap_err()
}

#[test]
fn forms_in_all_their_shapes() {
    let two = ["head a", "data one", "end of part", "head b", "data two", "end of part", "end"];
    let (a, b) = (part("a", "one"), part("b", "two"));
    let rows: [(String, &[&str]); 9] = [
        (format!("{a}{b}--AaB03x--\r\n"), &two),
        (format!("{a}{b}--AaB03x--"), &two),
        (format!("\r\n{a}{b}--AaB03x--\r\nepilogue\r\n--AaB03x\r\n"), &two),
        (format!("preamble\r\n--AaB03\r\n{a}{b}--AaB03x-- \r\n"), &two),
        (format!("{a}{b}--AaB03x--junk"), &two),
        (format!("{a}--AaB03x \t \r\n{}--AaB03x--", &b[10..]), &two),
        ("--AaB03x--\r\n".into(), &["end"]),
        ("preamble\r\n--AaB03x--".into(), &["end"]),
        (format!("{}--AaB03x--", part("a", "")), &["head a", "end of part", "end"]),
    ];
    for (wire, expected) in rows {
        assert_eq!(events(&wire), expected, "{wire:?}");
    }
}

#[test]
fn a_part_without_content_may_share_its_empty_line_with_the_delimiter() {
    let wire = "--AaB03x\r\nContent-Disposition: form-data; name=a\r\n\r\n--AaB03x--";
    assert_eq!(events(wire), ["head a", "end of part", "end"]);
}

#[test]
fn content_that_looks_like_a_delimiter_but_is_none() {
    let contents = [
        "\r\n",
        "\r\n\r\n",
        "\r",
        "\r\r\n",
        "\r\n-",
        "\r\n--",
        "\r\n--AaB03",
        "\r\n--AaB03\r\n--AaB0",
        "\r\n--\r\n--AaB03y",
        "x--AaB03x",
        "\n--AaB03x\n",
        "\r--AaB03x--",
        "--AaB03",
        "- -AaB03x",
        "\r\n\r\n--AaB\r\n\r\r\n--",
    ];
    for content in contents {
        let wire = format!("{}--AaB03x--", part("a", content));
        assert_eq!(
            events(&wire),
            ["head a", &format!("data {content}"), "end of part", "end"],
            "{content:?}"
        );
    }
}

#[test]
fn a_line_that_starts_with_the_boundary_and_goes_on_is_an_error() {
    for tail in ["y", "-", "-x", " -", "--AaB03x\n", "\n", "\rx", &" ".repeat(MAX_PADDING + 1)] {
        let wire = format!("{}--AaB03x{tail}\r\n\r\n--AaB03x--", part("a", "x"));
        let expected = match tail {
            // Two dashes end the form, whatever comes after them.
            "--AaB03x\n" => continue,
            _ => MultipartError::Delimiter,
        };
        assert_eq!(error(&wire, MultipartLimits::DEFAULT), expected, "{tail:?}");
    }
}

#[test]
fn a_delimiter_in_a_head_is_an_error() {
    let field = "Content-Disposition: form-data; name=a\r\n";
    // Both lines are fields by their grammar, and delimiters for a reader who looks for those first.
    for head in [format!("{field}--AaB03x: y\r\n"), format!("--AaB03xy: z\r\n{field}")] {
        let wire = format!("--AaB03x\r\n{head}\r\nx\r\n--AaB03x--");
        assert_eq!(error(&wire, MultipartLimits::DEFAULT), MultipartError::Delimiter, "{head:?}");
    }
}

#[test]
fn a_form_that_stops_before_its_end_is_torn() {
    let wire = format!("{}--AaB03x--", part("a", "one"));
    for end in 0..wire.len() {
        let outcome = run(decoder(MultipartLimits::DEFAULT), [&wire.as_bytes()[..end]]).1;
        assert_eq!(outcome, Err(MultipartError::Torn), "cut off at {end}");
    }
}

#[test]
fn every_limit_holds_to_the_byte() {
    let limits = MultipartLimits { parts: 2, head: 50, fields: 2, surplus: 10 };
    let tail = "--AaB03x--";
    let with_head = |head: &str| format!("--AaB03x\r\n{head}\r\n\r\n{tail}");
    let disposition = "Content-Disposition: form-data; name=a\r\n";
    assert_eq!(disposition.len(), 40);
    let head = |value: &str| format!("--AaB03x\r\n{disposition}X: {value}\r\n\r\n\r\n{tail}");
    let fits = [
        part("a", "") + &part("b", "") + tail,
        head("34567"),
        format!("0123456789\r\n{tail}"),
        format!("{tail}0123456789"),
    ];
    for wire in &fits {
        assert_eq!(any_split(wire, limits).1, Ok(()), "{wire:?}");
    }
    let rows = [
        (head("345678"), MultipartError::HeadTooLarge { part: 1, limit: 50 }),
        (with_head(&"x".repeat(200)), MultipartError::HeadTooLarge { part: 1, limit: 50 }),
        (with_head("A: 1\r\nB: 2\r\nC: 3"), MultipartError::TooManyFields { part: 1, limit: 2 }),
        (part("a", "") + &part("b", "") + &part("c", "") + tail, MultipartError::TooManyParts(2)),
        (format!("0123456789a\r\n{tail}"), MultipartError::Preamble(10)),
        (format!("{tail}0123456789a"), MultipartError::Epilogue(10)),
    ];
    for (wire, expected) in rows {
        let error = error(&wire, limits);
        assert_eq!(error, expected, "{wire:?}");
        assert!(error.is_limit());
    }
    assert!(!MultipartError::Delimiter.is_limit() && !MultipartError::Torn.is_limit());
}

#[test]
fn a_part_has_to_have_its_name() {
    let missing = |what| MultipartError::Head { part: 1, what };
    let rows = [
        ("--AaB03x\r\n\r\nx\r\n--AaB03x--", missing("no Content-Disposition field")),
        ("--AaB03x\r\nContent-Disposition: form-data\r\n\r\nx\r\n--AaB03x--", missing("no name")),
    ];
    for (wire, expected) in rows {
        assert_eq!(error(wire, MultipartLimits::DEFAULT), expected);
    }
}

#[test]
fn boundaries_by_rfc_2046() {
    let long = "x".repeat(MAX_BOUNDARY);
    for boundary in ["x", "----WebKitFormBoundary7MA4YWxkTrZu0gW", "a b", "'()+_,-./:=?", &long] {
        let mut form = Multipart::new(boundary, MultipartLimits::DEFAULT).unwrap();
        let mut src = BytesMut::from(format!("--{boundary}--").as_bytes());
        assert_eq!(form.decode(&mut src), Ok(Some(Event::End)), "{boundary:?}");
    }
    for boundary in ["", "a ", "a\r\n", "a\"b", "ä", "a;b", &format!("{long}x")] {
        let error = Multipart::new(boundary, MultipartLimits::DEFAULT).unwrap_err();
        assert_eq!(error, MultipartError::Boundary, "{boundary:?}");
    }
}

#[test]
fn content_passes_by_reference_and_is_not_gathered() {
    let mut form = decoder(MultipartLimits::DEFAULT);
    let mut src = BytesMut::from(part("file", "").trim_end().as_bytes());
    src.extend_from_slice(b"\r\n\r\n");
    assert!(matches!(form.decode(&mut src), Ok(Some(Event::Head(_)))));
    for _ in 0..1_000 {
        src.extend_from_slice(&[b'x'; 1024]);
        let at = src.as_ptr();
        let Ok(Some(Event::Data(data))) = form.decode(&mut src) else { panic!("no data") };
        assert_eq!((data.as_ptr(), data.len()), (at, 1024));
        assert!(src.is_empty());
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let wire = format!("preamble\r\n{}{}--AaB03x--", part("a", "one"), part("b", "\r\n--"));
    for _ in 0..5_000 {
        let mut wire = wire.clone().into_bytes();
        for _ in 0..3 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            let position = (seed >> 8) as usize % wire.len();
            wire[position] = b"\r\n-;\"= \0AaB03x"[(seed >> 40) as usize % 14];
        }
        let (events, outcome) = run(decoder(MultipartLimits::DEFAULT), [&wire[..]]);
        assert!(outcome.is_err() || events.last().is_some_and(|last| last == "end"));
    }
}
