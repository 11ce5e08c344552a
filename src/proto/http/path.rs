//! From the path of a request to the path of a file, and back (RFC 3986 sections 2.1, 3.3 and 5.2.4).
//!
//! [`FilePath::parse`] is the only way from a request to the file system: it decodes exactly once, takes the path apart, and gives
//! segments that name one thing each below the root, or an error. Nothing that it gives contains a separator, a NUL or
//! `..`, so that whoever joins the segments to a folder stays in that folder (links apart, which only the file system knows).
//! [`encode_path`] is the way back, for links and redirects.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, percent_encode};

/// Segments of a path at most. Deeper trees exist, but nobody serves them; Linux allows 2048 in a `PATH_MAX` of 4096.
pub const MAX_SEGMENTS: usize = 256;

/// Bytes of a segment at most: `NAME_MAX` of all common file systems.
pub const MAX_SEGMENT: usize = 255;

/// Why a path names no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not start with a slash.
    #[error("the path does not start with a slash")]
    Relative,
    /// A percent sign without two hexadecimal digits.
    #[error("the path has a percent sign that encodes nothing")]
    Percent,
    /// A NUL or another control character, as it is or encoded.
    #[error("the path has a control character")]
    Control,
    /// An encoded slash, or a backslash in any form: separators for some, characters for others.
    #[error("the path has a hidden separator")]
    Separator,
    /// `..` above the root.
    #[error("the path leaves its root")]
    Escape,
    /// More segments than [`MAX_SEGMENTS`], or a segment longer than [`MAX_SEGMENT`].
    #[error("the path is too long")]
    TooLong,
    /// A decoded router parameter that is not UTF-8.
    #[error("the path is not UTF-8")]
    Text,
}

/// A path below a root, decoded and normalised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilePath {
    /// The segments, with a slash before each. Empty for the root itself.
    decoded: Vec<u8>,
    trailing_slash: bool,
    changed: bool,
}

impl FilePath {
    /// Reads the path of a request target, without its query.
    ///
    /// Empty segments and `.` are left out and `..` goes one up, whether they are encoded or not. Bytes above 0x7f are kept: file
    /// names on Unix are bytes.
    ///
    /// # Errors
    /// Why it names no file. Answer 400, or 404 for [`PathError::TooLong`]; never look for something similar.
    pub fn parse(path: &[u8]) -> Result<Self, PathError> {
        let rest = path.strip_prefix(b"/").ok_or(PathError::Relative)?;
        let mut this = Self::default();
        let mut depth = 0;
        for segment in rest.split(|&byte| byte == b'/') {
            let segment = decode(segment)?;
            this.trailing_slash = matches!(&segment[..], b"" | b"." | b"..");
            match &segment[..] {
                // The root itself, or the slash at the end, seen below.
                b"" => {}
                b"." => this.changed = true,
                b".." => {
                    this.changed = true;
                    let start = memchr::memrchr(b'/', &this.decoded).ok_or(PathError::Escape)?;
                    this.decoded.truncate(start);
                    depth -= 1;
                }
                name if name.len() > MAX_SEGMENT || depth == MAX_SEGMENTS => {
                    return Err(PathError::TooLong);
                }
                name => {
                    depth += 1;
                    this.decoded.push(b'/');
                    this.decoded.extend_from_slice(name);
                }
            }
        }
        this.changed |= memchr::memmem::find(path, b"//").is_some();
        Ok(this)
    }

    /// The segments in order. None is empty, `.` or `..`, and none has a slash, a backslash or a control character.
    pub fn segments(&self) -> impl Iterator<Item = &[u8]> {
        self.decoded.split(|&byte| byte == b'/').filter(|segment| !segment.is_empty())
    }

    /// The path relative to the root: segments with slashes between, without one at the start or the end. Empty for the root.
    #[must_use]
    pub fn relative(&self) -> &[u8] {
        self.decoded.get(1..).unwrap_or_default()
    }

    /// The last segment, if this is not the root.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        self.segments().last()
    }

    /// Whether the path as sent ended with a slash, or with a segment that stands for a folder (`.`, `..`).
    #[must_use]
    pub fn is_folder(&self) -> bool {
        self.trailing_slash
    }

    /// Whether empty segments or dot segments were taken out. Two such paths name the same file, so that a redirect to
    /// [`encoded`](FilePath::encoded) keeps caches and relative links whole.
    #[must_use]
    pub fn was_normalised(&self) -> bool {
        self.changed
    }

    /// Whether a segment starts with a dot: a hidden file or folder.
    #[must_use]
    pub fn is_hidden(&self) -> bool {
        self.segments().any(|segment| segment.starts_with(b"."))
    }

    /// The path for a link or redirect, from the root, with a slash at the end if the path as sent had one.
    #[must_use]
    pub fn encoded(&self) -> String {
        let mut path = encode_path(&self.decoded);
        if self.trailing_slash && !path.ends_with('/') {
            path.push('/');
        }
        path
    }
}

/// Decodes a segment once, and refuses what a file name cannot have.
fn decode(segment: &[u8]) -> Result<Cow<'_, [u8]>, PathError> {
    check_percent(segment)?;
    let decoded = Cow::from(percent_decode(segment));
    if decoded.iter().any(u8::is_ascii_control) {
        Err(PathError::Control)
    } else if decoded.iter().any(|byte| b"/\\".contains(byte)) {
        Err(PathError::Separator)
    } else {
        Ok(decoded)
    }
}

/// Every percent sign has to be followed by two hexadecimal digits.
fn check_percent(text: &[u8]) -> Result<(), PathError> {
    for position in memchr::memchr_iter(b'%', text) {
        match text.get(position + 1..position + 3) {
            Some(digits) if digits.iter().all(u8::is_ascii_hexdigit) => {}
            _ => return Err(PathError::Percent),
        }
    }
    Ok(())
}

/// Decodes a segment that a router has matched, once, as text. An encoded slash is a slash here: it is a value, not a path.
///
/// # Errors
/// [`PathError::Percent`], [`PathError::Control`] for a NUL, [`PathError::Text`].
pub fn decode_segment(segment: &str) -> Result<String, PathError> {
    check_percent(segment.as_bytes())?;
    let decoded: Vec<u8> = percent_decode(segment.as_bytes()).collect();
    if decoded.contains(&0) {
        return Err(PathError::Control);
    }
    String::from_utf8(decoded).map_err(|_| PathError::Text)
}

/// What a path has to encode: all but unreserved characters, sub-delimiters, `:`, `@` (RFC 3986 `pchar`) and the slash. The
/// quote `'` is encoded too, because links stand in HTML.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'\'')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// Encodes a decoded path for a link or redirect on this host: from the root, slashes kept.
///
/// It starts with exactly one slash, whatever `path` starts with: two would name another host, and so would a slash and a backslash
/// in some browsers (a backslash is always encoded).
#[must_use]
pub fn encode_path(path: &[u8]) -> String {
    let slashes = path.iter().take_while(|&&byte| byte == b'/').count();
    let mut encoded = String::with_capacity(path.len() + 8);
    encoded.push('/');
    encoded.extend(percent_encode(&path[slashes..], ENCODED));
    encoded
}

/// Encodes one segment for a relative link, so that it can neither leave its folder nor be taken for a scheme (`a:b`).
#[must_use]
pub fn encode_segment(segment: &[u8]) -> String {
    const SEGMENT: &AsciiSet = &ENCODED.add(b'/').add(b':');
    percent_encode(segment, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relative(path: &str) -> String {
        let parsed = FilePath::parse(path.as_bytes()).unwrap_or_else(|error| panic!("{path}: {error}"));
        String::from_utf8(parsed.relative().to_vec()).unwrap()
    }

    #[test]
    fn paths_are_decoded_once_and_normalised() {
        let rows = [
            ("/", "", true, false),
            ("/a", "a", false, false),
            ("/a/", "a", true, false),
            ("/a/b.txt", "a/b.txt", false, false),
            ("/a%20b/%C3%A9", "a b/é", false, false),
            ("/%61%2e%74", "a.t", false, false),
            ("/100%25", "100%", false, false),
            ("/%252e%252e/a", "%2e%2e/a", false, false),
            ("/%252fetc", "%2fetc", false, false),
            ("/a//b", "a/b", false, true),
            ("//a", "a", false, true),
            ("/a//", "a", true, true),
            ("/./a", "a", false, true),
            ("/a/.", "a", true, true),
            ("/a/..", "", true, true),
            ("/a/../b", "b", false, true),
            ("/a/%2e%2E/b/%2e/c", "b/c", false, true),
            ("/a/b/../../c", "c", false, true),
            ("/...", "...", false, false),
            ("/..a/a..", "..a/a..", false, false),
            ("/a;v=1/b,c=d+e", "a;v=1/b,c=d+e", false, false),
            ("/~u/*?x", "~u/*?x", false, false),
        ];
        for (path, expected, folder, changed) in rows {
            let parsed = FilePath::parse(path.as_bytes()).unwrap();
            assert_eq!(relative(path), expected, "{path}");
            assert_eq!((parsed.is_folder(), parsed.was_normalised()), (folder, changed), "{path}");
        }
    }

    #[test]
    fn paths_that_name_no_file() {
        use PathError::{Control, Escape, Percent, Relative, Separator};
        let rows = [
            ("", Relative),
            ("a", Relative),
            ("*", Relative),
            ("http://a/b", Relative),
            ("/..", Escape),
            ("/../etc/passwd", Escape),
            ("/a/../..", Escape),
            ("/a/../../a", Escape),
            ("/%2e%2e/a", Escape),
            ("/.%2e/a", Escape),
            ("/a/..//..", Escape),
            ("/%2e%2e%2fa", Separator),
            ("/..%2fa", Separator),
            ("/a%2Fb", Separator),
            ("/..\\a", Separator),
            ("/a%5cb", Separator),
            ("/a%5Cb", Separator),
            ("/a%00", Control),
            ("/a%00.html", Control),
            ("/a%0a", Control),
            ("/a%7f", Control),
            ("/a\0b", Control),
            ("/a\tb", Control),
            ("/%", Percent),
            ("/%2", Percent),
            ("/%2/a", Percent),
            ("/%zz", Percent),
            ("/%u002e", Percent),
            ("/%%32e", Percent),
        ];
        for (path, error) in rows {
            assert_eq!(FilePath::parse(path.as_bytes()), Err(error), "{path}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_are_kept() {
        for path in [&b"/a\xff/%fe"[..], b"/%61%ff/\xfe"] {
            assert_eq!(FilePath::parse(path).unwrap().relative(), b"a\xff/\xfe");
        }
        // An overlong slash is two bytes that are no slash.
        assert_eq!(FilePath::parse(b"/..%c0%afa").unwrap().segments().count(), 1);
    }

    #[test]
    fn lengths_are_bounded() {
        let deepest = "/a".repeat(MAX_SEGMENTS);
        assert_eq!(FilePath::parse(deepest.as_bytes()).unwrap().segments().count(), MAX_SEGMENTS);
        assert_eq!(FilePath::parse(format!("{deepest}/a").as_bytes()), Err(PathError::TooLong));
        assert!(FilePath::parse(format!("{deepest}/../b").as_bytes()).is_ok());
        let longest = format!("/{}", "%61".repeat(MAX_SEGMENT));
        assert!(FilePath::parse(longest.as_bytes()).is_ok());
        assert_eq!(FilePath::parse(format!("{longest}b").as_bytes()), Err(PathError::TooLong));
    }

    #[test]
    fn hidden_segments_are_seen_wherever_they_are() {
        let rows = [
            ("/.git/config", true),
            ("/a/.env", true),
            ("/%2egit", true),
            ("/a/./b", false),
            ("/.a/../b", false),
            ("/a.b/c.", false),
            ("/.well-known/x", true),
        ];
        for (path, hidden) in rows {
            assert_eq!(FilePath::parse(path.as_bytes()).unwrap().is_hidden(), hidden, "{path}");
        }
    }

    #[test]
    fn a_path_can_be_written_back() {
        let rows = [
            ("/", "/"),
            ("//", "/"),
            ("///evil.test/..", "/"),
            ("//evil.test/a", "/evil.test/a"),
            ("/a/./b//c/", "/a/b/c/"),
            ("/%61%20b/", "/a%20b/"),
            ("/a/b/..", "/a/"),
            ("/%25%3f%23%22%27%3c", "/%25%3F%23%22%27%3C"),
        ];
        for (path, encoded) in rows {
            let parsed = FilePath::parse(path.as_bytes()).unwrap();
            assert_eq!(parsed.encoded(), encoded, "{path}");
            let again = FilePath::parse(encoded.as_bytes()).unwrap();
            assert_eq!(again.relative(), parsed.relative());
            assert!(!again.was_normalised(), "{encoded} needs no further redirect");
        }
        let parsed = FilePath::parse(b"/a/b.txt").unwrap();
        assert_eq!(parsed.file_name(), Some(&b"b.txt"[..]));
        assert_eq!(FilePath::parse(b"/a/..").unwrap().file_name(), None);
    }

    #[test]
    fn links_never_name_another_host() {
        let rows: [(&[u8], &str); 8] = [
            (b"", "/"),
            (b"a", "/a"),
            (b"//evil.test", "/evil.test"),
            (b"////", "/"),
            (b"/\\evil.test", "/%5Cevil.test"),
            (b"\\\\evil.test", "/%5C%5Cevil.test"),
            (b"/a b\r\nX: y", "/a%20b%0D%0AX:%20y"),
            (b"/\xff", "/%FF"),
        ];
        for (path, encoded) in rows {
            assert_eq!(encode_path(path), encoded);
        }
        for (segment, encoded) in
            [("a/b", "a%2Fb"), ("javascript:x", "javascript%3Ax"), ("ü", "%C3%BC"), ("a&b", "a&b")]
        {
            assert_eq!(encode_segment(segment.as_bytes()), encoded);
        }
    }

    #[test]
    fn every_byte_survives_the_way_back() {
        for byte in 0..=u8::MAX {
            let name = [b'x', byte, b'y'];
            let encoded = format!("/{}", encode_segment(&name));
            match FilePath::parse(encoded.as_bytes()) {
                Ok(path) => assert_eq!(path.relative(), name),
                Err(error) => {
                    let refused = byte.is_ascii_control() || b"/\\".contains(&byte);
                    assert!(refused, "{byte:#x}: {error}");
                }
            }
            assert!(encoded.bytes().all(|byte| byte.is_ascii_graphic()), "{encoded}");
        }
    }

    #[test]
    fn router_parameters_are_decoded_as_values() {
        let rows = [
            ("a", Ok("a")),
            ("a%2Fb", Ok("a/b")),
            ("%252F", Ok("%2F")),
            ("a+b", Ok("a+b")),
            ("%C3%A9%0A", Ok("é\n")),
            ("..", Ok("..")),
            ("", Ok("")),
            ("%00", Err(PathError::Control)),
            ("%ff", Err(PathError::Text)),
            ("%f", Err(PathError::Percent)),
        ];
        for (segment, expected) in rows {
            assert_eq!(decode_segment(segment), expected.map(String::from), "{segment}");
        }
    }
}
