//! Paths of files: they stay below the root, and are decoded exactly once.

use std::path::{Component, Path};

use wireworks::proto::http::path::{
    FilePath, MAX_SEGMENT, MAX_SEGMENTS, decode_segment, encode_path, encode_segment,
};

use super::find;

/// Checks the parser on `path`, and the encoders on it; says whether `path` names a file.
pub(crate) fn check(path: &[u8]) -> bool {
    encoders(path);
    let parsed = FilePath::parse(path);
    let reference = by_the_book(path);
    let segments = |path: &FilePath| path.segments().map(<[u8]>::to_vec).collect::<Vec<_>>();
    assert_eq!(parsed.as_ref().ok().map(segments), reference, "{parsed:?}");
    let Ok(parsed) = parsed else { return false };
    is_below_the_root(&parsed);

    let encoded = parsed.encoded();
    let again = FilePath::parse(encoded.as_bytes()).unwrap();
    assert_eq!(segments(&again), segments(&parsed), "{encoded}");
    assert_eq!(again.is_folder(), parsed.is_folder() || segments(&parsed).is_empty());
    assert!(!again.was_normalised(), "{encoded}");
    assert_eq!(again.encoded(), encoded);
    if !parsed.was_normalised() {
        assert_eq!(decoded_once(path).unwrap(), decoded_once(encoded.as_bytes()).unwrap());
    }
    true
}

fn is_below_the_root(path: &FilePath) {
    let relative = path.relative();
    assert_eq!(relative, path.segments().collect::<Vec<_>>().join(&b'/'));
    assert!(path.segments().count() <= MAX_SEGMENTS);
    for segment in path.segments() {
        assert!(!matches!(segment, b"" | b"." | b".."));
        assert!(segment.len() <= MAX_SEGMENT);
        assert!(!segment.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0..=0x1f | 0x7f)));
    }
    // And by the opinion of the standard library.
    use std::os::unix::ffi::OsStrExt;
    let relative = Path::new(std::ffi::OsStr::from_bytes(relative));
    let is_normal = |component: Component<'_>| matches!(component, Component::Normal(_));
    assert!(!relative.is_absolute() && relative.components().all(is_normal));
    assert_eq!(relative.components().count(), path.segments().count());
    assert_eq!(path.is_hidden(), path.segments().any(|segment| segment[0] == b'.'));
}

/// Percent-decoding in one pass; `None` when a percent sign encodes nothing.
fn decoded_once(text: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit))?;
        decoded.push(u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap());
        rest = &after[2..];
    }
    Some(decoded)
}

/// The segments by a plain reading: take apart, decode each once, refuse, then walk. `None` is a refusal.
fn by_the_book(path: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut stack: Vec<Vec<u8>> = Vec::new();
    for raw in path.strip_prefix(b"/")?.split(|&byte| byte == b'/') {
        let segment = decoded_once(raw)?;
        if segment.iter().any(|&byte| byte < 0x20 || byte == 0x7f || byte == b'/' || byte == b'\\') {
            return None;
        }
        match &segment[..] {
            b"" | b"." => {}
            b".." => drop(stack.pop()?),
            _ if segment.len() > 255 || stack.len() == 256 => return None,
            _ => stack.push(segment),
        }
    }
    Some(stack)
}

/// What the encoders write of any bytes is one path on this host, and says the bytes back.
fn encoders(bytes: &[u8]) {
    let encoded = encode_path(bytes);
    assert!(encoded.starts_with('/') && !encoded.starts_with("//"), "{encoded}");
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"\"'<>?#\\`^{|}".contains(&byte);
    assert!(encoded.bytes().all(is_plain), "{encoded}");
    let start = bytes.iter().take_while(|&&byte| byte == b'/').count();
    assert_eq!(decoded_once(&encoded.as_bytes()[1..]).unwrap(), &bytes[start..]);

    let segment = encode_segment(bytes);
    assert!(segment.bytes().all(|byte| is_plain(byte) && byte != b'/' && byte != b':'));
    let expected = std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'));
    assert_eq!(decode_segment(&segment).ok().as_deref(), expected);

    // Encoded twice, it is a name in which percent signs stand for themselves.
    let twice = encode_segment(segment.as_bytes());
    if !segment.is_empty() && segment.len() <= MAX_SEGMENT && find(segment.as_bytes(), b"%").is_some() {
        let path = FilePath::parse(format!("/{twice}").as_bytes()).unwrap();
        assert_eq!(path.relative(), segment.as_bytes(), "decoded more than once");
    }
}
