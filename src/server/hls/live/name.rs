//! What streams and their renditions are called: `NAME`, or `NAME/RENDITION`.

use std::fmt;
use std::str::FromStr;

/// The rendition of a publisher that names none.
pub const MAIN: &str = "main";

/// Bytes of a name at most, and of that of a rendition.
pub const LONGEST: usize = 64;

/// The name of a rendition of a stream, as publishers say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamName(String);

/// Not a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not the name of a stream: write NAME or NAME/RENDITION, each of at most {LONGEST} letters, digits, '-', '_' and '.', and without a dot in front"
)]
pub struct BadName(String);

impl StreamName {
    /// The stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(stream, _)| stream)
    }

    /// Its rendition: [`MAIN`] if none is named.
    #[must_use]
    pub fn rendition(&self) -> &str {
        self.0.split_once('/').map_or(MAIN, |(_, rendition)| rendition)
    }
}

impl FromStr for StreamName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (stream, rendition) = text.split_once('/').unwrap_or((text, MAIN));
        let fits = |name: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(known)
        };
        if fits(stream) && fits(rendition) {
            return Ok(Self(text.to_owned()));
        }
        // What a peer says is not written back at any length.
        Err(BadName(text.chars().take(LONGEST).collect()))
    }
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_in_paths_of_all_kinds() {
        let long = "a".repeat(LONGEST);
        for (text, stream, rendition) in [
            ("stage", "stage", MAIN),
            ("a/b", "a", "b"),
            ("A-1_2.x/720p", "A-1_2.x", "720p"),
            (&long, &long, MAIN),
        ] {
            let name: StreamName = text.parse().unwrap();
            assert_eq!((name.stream(), name.rendition()), (stream, rendition));
            assert_eq!(name.to_string(), text);
        }
        for text in [
            "",
            "/",
            "a/",
            "/b",
            "a/b/c",
            ".a",
            "a/.b",
            "..",
            "a/..",
            "a b",
            "ä",
            "a%",
            "a\0",
            &format!("{long}a"),
        ] {
            assert!(text.parse::<StreamName>().is_err(), "{text:?}");
        }
        assert!("x".repeat(5000).parse::<StreamName>().unwrap_err().to_string().len() < 300);
    }
}
