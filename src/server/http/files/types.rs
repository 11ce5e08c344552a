//! What a file's name says of its content: `Content-Type` (RFC 9110 section 8.3) and `Content-Disposition` (RFC 6266).

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use http::HeaderValue;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Where the table of `mime_guess` is not what browsers and players expect.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("mjs", "text/javascript"), // RFC 9239
    ("cjs", "text/javascript"),
    ("ts", "video/mp2t"), // segments of HLS, RFC 8216 section 10
    ("m3u8", "application/vnd.apple.mpegurl"),
    ("map", "application/json"), // source maps
];

/// The media type of a file called `name`, if the name says it; text comes with `charset=utf-8`.
pub(in crate::server) fn content_type(name: &[u8]) -> Option<HeaderValue> {
    let extension = Path::new(OsStr::from_bytes(name)).extension();
    let essence = extension.and_then(OsStr::to_str).and_then(|extension| {
        let exception = EXCEPTIONS
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(extension))
            .map(|(_, essence)| *essence);
        exception.or_else(|| mime_guess::from_ext(extension).first_raw())
    });
    Some(match essence? {
        "application/javascript" => HeaderValue::from_static("text/javascript; charset=utf-8"),
        text if text.starts_with("text/") => {
            HeaderValue::try_from(format!("{text}; charset=utf-8")).unwrap_or(HeaderValue::from_static(text))
        }
        other => HeaderValue::from_static(other),
    })
}

/// What a browser is told to do with files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disposition {
    /// Nothing is said.
    #[default]
    None,
    /// Show it if you can; if the user saves it, under its name.
    Inline,
    /// Save it under its name.
    Attachment,
}

/// `attr-char` of RFC 8187: what an extended value may hold as it is.
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

impl Disposition {
    /// The value of the field for a file called `name`.
    ///
    /// A name that is more than plain ASCII is said twice: in full in `filename*`, and with stand-ins in `filename` for
    /// clients that know no better (RFC 6266 appendix D).
    pub(super) fn value(self, name: &[u8]) -> Option<HeaderValue> {
        let kind = match self {
            Self::None => return None,
            Self::Inline => "inline",
            Self::Attachment => "attachment",
        };
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"\\%".contains(&byte);
        let mut value = format!("{kind}; filename=\"");
        for part in String::from_utf8_lossy(name).chars() {
            let stand_in = u8::try_from(part).is_ok_and(plain);
            value.push(if stand_in { part } else { '_' });
        }
        value.push('"');
        if !name.iter().copied().all(plain) {
            let _ = write!(value, "; filename*=UTF-8''{}", percent_encode(name, ATTR_CHAR));
        }
        HeaderValue::try_from(value).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_by_extension() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.txt", "text/plain; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("a.json", "application/json"),
            ("a.js.map", "application/json"),
            ("a.svg", "image/svg+xml"),
            ("a.png", "image/png"),
            ("a.wasm", "application/wasm"),
            ("a.woff2", "font/woff2"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.m3u8", "application/vnd.apple.mpegurl"),
            ("a.TS", "video/mp2t"),
            ("a.mp4", "video/mp4"),
            ("a.pdf", "application/pdf"),
            ("a.tar.gz", "application/gzip"),
            ("README", ""),
            ("a.unheard-of", ""),
            (".html", ""),
            ("a.", ""),
            ("", ""),
        ] {
            assert_eq!(
                content_type(name.as_bytes()).as_ref().map_or("", |kind| kind.to_str().unwrap()),
                expected,
                "{name}"
            );
        }
        assert_eq!(content_type(b"\xFF.png").unwrap(), "image/png");
        assert_eq!(content_type(b"a.\xFF"), None);
    }

    #[test]
    fn dispositions_name_the_file() {
        let value = |disposition: Disposition, name: &[u8]| {
            disposition.value(name).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(value(Disposition::None, b"a.txt"), None);
        for (name, rest) in [
            (&b"a b.txt"[..], "filename=\"a b.txt\""),
            (b"a\"b\\c.txt", "filename=\"a_b_c.txt\"; filename*=UTF-8''a%22b%5Cc.txt"),
            (b"100%.txt", "filename=\"100_.txt\"; filename*=UTF-8''100%25.txt"),
            ("na\u{ef}ve.txt".as_bytes(), "filename=\"na_ve.txt\"; filename*=UTF-8''na%C3%AFve.txt"),
            (b"a\r\nb", "filename=\"a__b\"; filename*=UTF-8''a%0D%0Ab"),
        ] {
            assert_eq!(value(Disposition::Attachment, name), Some(format!("attachment; {rest}")));
            assert_eq!(value(Disposition::Inline, name), Some(format!("inline; {rest}")));
        }
    }
}
