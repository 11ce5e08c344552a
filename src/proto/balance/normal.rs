//! Path normalisation: RFC 3986 sections 5.2.4 and 6.2.2.
//!
//! A balancer decides by a path, and the backend serves by it. If the two interpret it differently, `/public/..%2e/admin` passes an access rule for one path
//! and is served as another. So every path is normalised before any decision, and forwarded in that form: unreserved characters are
//! decoded, other escapes get upper-case digits, and `.` and `..` are resolved. Slashes are neither merged nor decoded: `//`
//! and `%2F` are distinct names to many backends.
//!
//! Other backends treat them alike: nginx merges slashes, some frameworks decode `%2F`, and servlet containers remove `;...` from each segment.
//! [`readings`] are the paths that such backends would see, so that a gateway can refuse a path that its rules would treat differently
//! then.

use std::borrow::Cow;

/// Why a path cannot be normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A percent sign without two hexadecimal digits.
    #[error("the path has an invalid percent-encoding")]
    Percent,
    /// An encoded NUL or another control character, which some backends take for the end of the path or of the line.
    #[error("the path has an encoded control character")]
    Control,
    /// A backslash, encoded or not: some backends treat it as a slash.
    #[error("the path has a backslash")]
    Backslash,
    /// `..` above the root.
    #[error("the path leads above its root")]
    Escape,
}

/// Normalises a path that begins with a slash, without its query. A path that is normalised already is borrowed.
///
/// # Errors
/// It cannot be normalised. The answer is 400.
pub fn normalise(path: &str) -> Result<Cow<'_, str>, PathError> {
    let decoded = if path.contains(['%', '\\']) { Cow::Owned(decode(path)?) } else { Cow::Borrowed(path) };
    if !decoded.contains("/.") {
        return Ok(decoded);
    }
    let mut normal = String::with_capacity(decoded.len());
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                let parent = normal.rfind('/').ok_or(PathError::Escape)?;
                normal.truncate(parent);
            }
            name => {
                normal.push('/');
                normal.push_str(name);
                continue;
            }
        }
        // A folder, however it was said.
        if last {
            normal.push('/');
        }
    }
    Ok(if normal == *decoded { decoded } else { Cow::Owned(normal) })
}

/// The paths that lenient backends might see in place of a normalised one: with slashes merged, with `%2F` decoded, without what follows `;` in a segment, and each
/// combination of those. Empty for an unambiguous path, as nearly all are.
pub fn readings(path: &str) -> impl Iterator<Item = Result<String, PathError>> + '_ {
    let odd = path.contains(';')
        || path.as_bytes().windows(2).any(|pair| pair == b"//")
        || path.contains('%') && path.contains("%2F");
    (1..8).take_while(move |_| odd).map(|ways| reading(path, ways & 1 != 0, ways & 2 != 0, ways & 4 != 0))
}

fn reading(path: &str, merges: bool, decodes: bool, cuts: bool) -> Result<String, PathError> {
    let decoded = if decodes { path.replace("%2F", "/") } else { path.to_owned() };
    let mut read = String::with_capacity(decoded.len());
    let mut segments = decoded.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let segment = if cuts { segment.split(';').next().unwrap_or_default() } else { segment };
        // An empty one at the end is the slash of a folder.
        if !merges || !segment.is_empty() || segments.peek().is_none() {
            read.push('/');
            read.push_str(segment);
        }
    }
    normalise(&read).map(Cow::into_owned)
}

/// Decodes unreserved characters, and writes all others in one way.
fn decode(path: &str) -> Result<String, PathError> {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path.chars();
    while let Some(next) = rest.next() {
        match next {
            '%' => {
                let mut digit = || rest.next().and_then(|digit| digit.to_digit(16)).ok_or(PathError::Percent);
                let byte = digit()? * 16 + digit()?;
                match char::from_u32(byte) {
                    Some(c) if c.is_ascii_control() => return Err(PathError::Control),
                    Some('\\') => return Err(PathError::Backslash),
                    Some(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') => {
                        plain.push(c);
                    }
                    _ => plain.push_str(&format!("%{byte:02X}")),
                }
            }
            '\\' => return Err(PathError::Backslash),
            next => plain.push(next),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form_for_each_path() {
        for (path, normal) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b", "/a//b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/.a/..b/...", "/.a/..b/..."),
            ("/%61%2E%2e/x", "/a../x"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/%2E/b", "/a/b"),
            ("/a%2fb", "/a%2Fb"),
            ("/%c3%a9", "/%C3%A9"),
            ("/a%20b%25", "/a%20b%25"),
            ("//a/..", "//"),
        ] {
            assert_eq!(normalise(path).as_deref(), Ok(normal), "{path}");
            assert_eq!(normalise(normal).as_deref(), Ok(normal), "the form of {normal} is its own");
        }
        assert!(matches!(normalise("/a/b"), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn what_lenient_backends_read() {
        let all = |path| {
            let mut all: Vec<_> =
                readings(path).map(|path| path.unwrap_or_else(|error| format!("{error:?}"))).collect();
            all.sort();
            all.dedup();
            all
        };
        let rows: [(&str, &[&str]); 11] = [
            ("/a/b", &[]),
            ("/a%20b", &[]),
            ("//a", &["//a", "/a"]),
            ("/a//b/", &["/a//b/", "/a/b/"]),
            ("/%2Fa", &["/%2Fa", "//a", "/a"]),
            ("/a%2Fb", &["/a%2Fb", "/a/b"]),
            ("/a/..%2Fb", &["/a/..%2Fb", "/b"]),
            ("/a;x=y/b", &["/a/b", "/a;x=y/b"]),
            ("/a/..;/b", &["/a/..;/b", "/b"]),
            ("/..;/b", &["/..;/b", "Escape"]),
            // Cut before the slash is decoded, or after it.
            ("/a;%2Fb", &["/a", "/a/b", "/a;%2Fb", "/a;/b"]),
        ];
        for (path, expected) in rows {
            assert_eq!(all(path), expected, "{path}");
        }
    }

    #[test]
    fn paths_that_have_none() {
        for (path, error) in [
            ("/..", PathError::Escape),
            ("/a/../..", PathError::Escape),
            ("/%2e%2e/a", PathError::Escape),
            ("/%", PathError::Percent),
            ("/%4", PathError::Percent),
            ("/%zz", PathError::Percent),
            ("/a%00", PathError::Control),
            ("/a%0d%0ab", PathError::Control),
            ("/a%7F", PathError::Control),
            ("/a\\b", PathError::Backslash),
            ("/a%5Cb", PathError::Backslash),
        ] {
            assert_eq!(normalise(path), Err(error), "{path}");
        }
    }
}
