//! Entity tags: RFC 9110 section 8.8.3, and the lists of them in `If-Match` and `If-None-Match` (section 13.1).
//!
//! A tag is a quoted name for one state of a representation. A strong one promises the same bytes, a weak one
//! (`W/"..."`) only the same meaning; so there are two comparisons. Tags may hold commas and backslashes, which mean
//! nothing in them: lists of tags have their own reader here and do not pass through [`super::list`].

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use super::list::{MAX_EMPTY_MEMBERS, trim_ows};

/// An entity tag. The opaque part is owned, or borrowed from a field line as `EntityTag<&[u8]>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EntityTag<B = Bytes> {
    weak: bool,
    /// What stands between the quotes: only bytes for which [`is_tag_byte`] holds.
    opaque: B,
}

/// What is wrong with an entity tag or with a list of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// It does not begin with `"` or `W/"`.
    #[error("an entity tag does not begin with a quote")]
    NoQuote,
    /// There is no closing quote.
    #[error("an entity tag has no closing quote")]
    OpenQuote,
    /// A byte that no tag may hold, such as a space.
    #[error("the byte {0:#04x} cannot stand in an entity tag")]
    BadByte(u8),
    /// Something other than a comma follows the tag.
    #[error("something follows an entity tag")]
    Trailing,
    /// `*` stands beside other members.
    #[error("`*` is not the only member")]
    StarNotAlone,
    /// More than [`MAX_EMPTY_MEMBERS`] members hold nothing.
    #[error("more than {MAX_EMPTY_MEMBERS} empty members in a list of entity tags")]
    TooManyEmpty,
}

/// `etagc`: visible ASCII without the quote, and everything above ASCII.
const fn is_tag_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x7E | 0x80..=0xFF)
}

impl EntityTag {
    /// A strong tag; `opaque` goes between the quotes.
    ///
    /// # Errors
    /// [`TagError::BadByte`] for a quote, a space or a control character.
    pub fn strong(opaque: impl Into<Bytes>) -> Result<Self, TagError> {
        Self::checked(false, opaque.into())
    }

    /// A weak tag; `opaque` goes between the quotes.
    ///
    /// # Errors
    /// As for [`strong`](Self::strong).
    pub fn weak(opaque: impl Into<Bytes>) -> Result<Self, TagError> {
        Self::checked(true, opaque.into())
    }

    fn checked(weak: bool, opaque: Bytes) -> Result<Self, TagError> {
        match opaque.iter().find(|&&byte| !is_tag_byte(byte)) {
            Some(&byte) => Err(TagError::BadByte(byte)),
            None => Ok(Self { weak, opaque }),
        }
    }

    /// The tag of the same state in another coding: `suffix` is appended to the opaque part.
    ///
    /// # Errors
    /// As for [`strong`](Self::strong).
    pub fn with_suffix(&self, suffix: &str) -> Result<Self, TagError> {
        Self::checked(self.weak, [&self.opaque, suffix.as_bytes()].concat().into())
    }
}

impl<'a> EntityTag<&'a [u8]> {
    /// Reads one tag that fills `text`.
    ///
    /// # Errors
    /// Any [`TagError`] but the two about lists.
    pub fn parse(text: &'a [u8]) -> Result<Self, TagError> {
        match Self::split(text)? {
            (tag, []) => Ok(tag),
            _ => Err(TagError::Trailing),
        }
    }

    /// Reads the tag at the front of `text`, and gives what follows it.
    fn split(text: &'a [u8]) -> Result<(Self, &'a [u8]), TagError> {
        let (weak, quoted) = match text.strip_prefix(b"W/") {
            Some(quoted) => (true, quoted),
            None => (false, text),
        };
        let inner = quoted.strip_prefix(b"\"").ok_or(TagError::NoQuote)?;
        let end = inner.iter().position(|&byte| !is_tag_byte(byte)).ok_or(TagError::OpenQuote)?;
        match inner[end] {
            b'"' => Ok((Self { weak, opaque: &inner[..end] }, &inner[end + 1..])),
            byte => Err(TagError::BadByte(byte)),
        }
    }

    /// The same tag, with a copy of its bytes.
    #[must_use]
    pub fn into_owned(self) -> EntityTag {
        EntityTag { weak: self.weak, opaque: Bytes::copy_from_slice(self.opaque) }
    }
}

impl<B: AsRef<[u8]>> EntityTag<B> {
    /// Whether the tag promises only the same meaning, not the same bytes.
    #[must_use]
    pub fn is_weak(&self) -> bool {
        self.weak
    }

    /// What stands between the quotes.
    #[must_use]
    pub fn opaque(&self) -> &[u8] {
        self.opaque.as_ref()
    }

    /// The strong comparison of section 8.8.3.2: both are strong, and the opaque parts are the same.
    #[must_use]
    pub fn strong_eq<C: AsRef<[u8]>>(&self, other: &EntityTag<C>) -> bool {
        !self.weak && !other.weak && self.weak_eq(other)
    }

    /// The weak comparison of section 8.8.3.2: the opaque parts are the same.
    #[must_use]
    pub fn weak_eq<C: AsRef<[u8]>>(&self, other: &EntityTag<C>) -> bool {
        self.opaque() == other.opaque()
    }

    /// The tag as it stands in a field: `"..."` or `W/"..."`, byte for byte.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let prefix: &[u8] = if self.weak { b"W/\"" } else { b"\"" };
        [prefix, self.opaque(), b"\""].concat()
    }
}

/// The tag as it stands in a field, with bytes above ASCII read as UTF-8 where they are.
impl<B: AsRef<[u8]>> fmt::Display for EntityTag<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = if self.weak { "W/" } else { "" };
        write!(f, "{prefix}\"{}\"", String::from_utf8_lossy(self.opaque()))
    }
}

impl FromStr for EntityTag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        EntityTag::parse(text.as_bytes()).map(EntityTag::into_owned)
    }
}

/// One member of `If-Match` or `If-None-Match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listed<'a> {
    /// `*`: any current representation. It is then the only member.
    Any,
    /// One tag.
    Tag(EntityTag<&'a [u8]>),
}

/// The members of a list of tags that spans `lines`, or the one `*`. After an error the iterator ends.
pub fn tags<'a, I>(lines: I) -> Tags<'a, I::IntoIter>
where
    I: IntoIterator<Item = &'a [u8]>,
{
    Tags { lines: Some(lines.into_iter()), rest: &[], empty: 0, any: false, tag: false }
}

/// The iterator of [`tags`].
#[derive(Clone, Debug)]
pub struct Tags<'a, I> {
    /// The lines not begun; `None` after an error.
    lines: Option<I>,
    /// What is left of the line that was begun, from a member or a comma on.
    rest: &'a [u8],
    empty: usize,
    /// A `*` has come.
    any: bool,
    /// A tag has come.
    tag: bool,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Tags<'a, I> {
    /// Skips to where the next member begins; `None` at the end of the last line.
    fn member(&mut self) -> Option<Result<&'a [u8], TagError>> {
        loop {
            let empty = match trim_ows(self.rest) {
                [] => {
                    self.rest = trim_ows(self.lines.as_mut()?.next()?);
                    self.rest.is_empty()
                }
                [b',', rest @ ..] => {
                    self.rest = rest;
                    true
                }
                member => return Some(Ok(member)),
            };
            self.empty += usize::from(empty);
            if self.empty > MAX_EMPTY_MEMBERS {
                return Some(Err(TagError::TooManyEmpty));
            }
        }
    }

    /// Reads the member at the front of `text`, and the comma behind it.
    fn read(&mut self, text: &'a [u8]) -> Result<Listed<'a>, TagError> {
        let (listed, rest) = match text {
            [b'*', rest @ ..] => (Listed::Any, rest),
            _ => EntityTag::split(text).map(|(tag, rest)| (Listed::Tag(tag), rest))?,
        };
        self.rest = match trim_ows(rest) {
            [] => &[],
            [b',', rest @ ..] => rest,
            _ => return Err(TagError::Trailing),
        };
        let first = !self.any && !self.tag;
        self.any |= listed == Listed::Any;
        self.tag |= listed != Listed::Any;
        if self.any && !first { Err(TagError::StarNotAlone) } else { Ok(listed) }
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for Tags<'a, I> {
    type Item = Result<Listed<'a>, TagError>;

    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member()?;
        let listed = member.and_then(|text| self.read(text));
        if listed.is_err() {
            self.lines = None;
            self.rest = &[];
        }
        Some(listed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tag<'a> = EntityTag<&'a [u8]>;

    const fn strong(opaque: &str) -> Tag<'_> {
        EntityTag { weak: false, opaque: opaque.as_bytes() }
    }

    const fn weak(opaque: &str) -> Tag<'_> {
        EntityTag { weak: true, opaque: opaque.as_bytes() }
    }

    #[test]
    fn a_tag_is_a_quoted_text_with_or_without_a_mark() {
        // The first three are the examples of section 8.8.3.
        let cases = [
            ("\"xyzzy\"", strong("xyzzy")),
            ("W/\"xyzzy\"", weak("xyzzy")),
            ("\"\"", strong("")),
            ("W/\"\"", weak("")),
            ("\"a,b\"", strong("a,b")),
            ("\"a\\\"", strong("a\\")),
            ("\"*\"", strong("*")),
            ("\"W/\"", strong("W/")),
            ("\"!#~'\"", strong("!#~'")),
            ("\"\u{e9}\"", strong("\u{e9}")),
        ];
        for (text, expected) in cases {
            assert_eq!(EntityTag::parse(text.as_bytes()), Ok(expected), "{text}");
            assert_eq!(text.parse(), Ok(expected.into_owned()), "{text}");
            assert_eq!(expected.to_string(), text);
            assert_eq!(expected.to_bytes(), text.as_bytes());
        }
    }

    #[test]
    fn tags_keep_bytes_that_are_not_text() {
        let tag = EntityTag::parse(b"\"\xe9\xff\"");
        assert_eq!(tag.map(|tag| tag.to_bytes()), Ok(b"\"\xe9\xff\"".to_vec()));
    }

    #[test]
    fn what_is_wrong_with_a_tag_is_named() {
        let cases: [(&[u8], TagError); 15] = [
            (b"", TagError::NoQuote),
            (b"*", TagError::NoQuote),
            (b"xyzzy", TagError::NoQuote),
            (b"w/\"xyzzy\"", TagError::NoQuote),
            (b"W/", TagError::NoQuote),
            (b"W/xyzzy", TagError::NoQuote),
            (b"W/ \"xyzzy\"", TagError::NoQuote),
            (b" \"xyzzy\"", TagError::NoQuote),
            (b"\"", TagError::OpenQuote),
            (b"\"xyzzy", TagError::OpenQuote),
            (b"\"a b\"", TagError::BadByte(b' ')),
            (b"\"a\tb\"", TagError::BadByte(b'\t')),
            (b"\"a\x7f\"", TagError::BadByte(0x7F)),
            (b"\"a\"b\"", TagError::Trailing),
            (b"\"a\", \"b\"", TagError::Trailing),
        ];
        for (text, error) in cases {
            assert_eq!(EntityTag::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn a_tag_of_ours_cannot_break_out_of_its_quotes() {
        for (opaque, byte) in [("a\"b", b'"'), ("a b", b' '), ("a\r\nb", b'\r'), ("\0", b'\0')] {
            assert_eq!(EntityTag::strong(opaque), Err(TagError::BadByte(byte)));
            assert_eq!(EntityTag::weak(opaque), Err(TagError::BadByte(byte)));
        }
        assert_eq!(EntityTag::strong("abc"), Ok(strong("abc").into_owned()));
        assert_eq!(EntityTag::weak("abc"), Ok(weak("abc").into_owned()));
    }

    #[test]
    fn a_suffix_names_another_coding_of_the_same_state() {
        assert_eq!(strong("abc").into_owned().with_suffix("-gz"), Ok(strong("abc-gz").into_owned()));
        assert_eq!(weak("abc").into_owned().with_suffix("-br"), Ok(weak("abc-br").into_owned()));
        assert_eq!(strong("abc").into_owned().with_suffix("\""), Err(TagError::BadByte(b'"')));
    }

    #[test]
    fn the_two_comparisons_are_those_of_the_table() {
        // Section 8.8.3.2: (one, other, strong, weak).
        let cases = [
            (weak("1"), weak("1"), false, true),
            (weak("1"), weak("2"), false, false),
            (weak("1"), strong("1"), false, true),
            (strong("1"), strong("1"), true, true),
            (strong("1"), strong("2"), false, false),
            (strong("a"), strong("A"), false, false),
        ];
        for (one, other, strongly, weakly) in cases {
            assert_eq!(one.strong_eq(&other), strongly, "{one} {other}");
            assert_eq!(other.strong_eq(&one), strongly, "{other} {one}");
            assert_eq!(one.weak_eq(&other), weakly, "{one} {other}");
            assert_eq!(other.weak_eq(&one), weakly, "{other} {one}");
        }
    }

    fn read<'a>(lines: &[&'a str]) -> Result<Vec<Listed<'a>>, TagError> {
        tags(lines.iter().map(|line| line.as_bytes())).collect()
    }

    #[test]
    fn lists_span_lines_and_tags_hold_commas() {
        let cases: [(&[&str], &[Tag<'_>]); 9] = [
            (&[], &[]),
            (&[""], &[]),
            (&["\"a\""], &[strong("a")]),
            (&["\"a\", W/\"b\",\"c\" ,\t\"d\""], &[strong("a"), weak("b"), strong("c"), strong("d")]),
            (&["\"a,b\"", "\",c,\""], &[strong("a,b"), strong(",c,")]),
            (&["\"a\"", "W/\"b\"", "", "\"c\""], &[strong("a"), weak("b"), strong("c")]),
            (&[", ,\"a\",, \"b\" ,"], &[strong("a"), strong("b")]),
            (&["\"a\\\", \"b\""], &[strong("a\\"), strong("b")]),
            (&["\"*\", \",\""], &[strong("*"), strong(",")]),
        ];
        for (lines, expected) in cases {
            let expected = expected.iter().map(|&tag| Listed::Tag(tag)).collect();
            assert_eq!(read(lines), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_star_stands_alone() {
        for lines in [&["*"][..], &[" * "], &["*,"], &[", *"], &["", "*"]] {
            assert_eq!(read(lines), Ok(vec![Listed::Any]), "{lines:?}");
        }
        for lines in
            [&["*, \"a\""][..], &["\"a\", *"], &["*", "\"a\""], &["\"a\"", "*"], &["*, *"], &["*", "*"]]
        {
            assert_eq!(read(lines), Err(TagError::StarNotAlone), "{lines:?}");
        }
    }

    #[test]
    fn a_list_ends_at_its_first_error() {
        let cases: [(&str, TagError); 7] = [
            ("\"a\" \"b\"", TagError::Trailing),
            ("\"a\"\"b\"", TagError::Trailing),
            ("**", TagError::Trailing),
            ("\"a\", b", TagError::NoQuote),
            ("\"a\"; \"b\"", TagError::Trailing),
            ("\"a", TagError::OpenQuote),
            ("\"a b\"", TagError::BadByte(b' ')),
        ];
        for (line, error) in cases {
            let lines = [line.as_bytes(), b"\"last\""];
            let members: Vec<_> = tags(lines).collect();
            assert_eq!(members.last(), Some(&Err(error)), "{line}");
            assert!(members.iter().rev().skip(1).all(Result::is_ok), "{line}");
        }
    }

    #[test]
    fn empty_members_are_bounded() {
        let commas = ",".repeat(MAX_EMPTY_MEMBERS);
        assert_eq!(read(&[&format!("{commas}\"a\"")]).map(|tags| tags.len()), Ok(1));
        assert_eq!(read(&[&format!("{commas},\"a\"")]), Err(TagError::TooManyEmpty));
        let mut lines = vec![""; MAX_EMPTY_MEMBERS];
        assert_eq!(read(&lines), Ok(vec![]));
        lines.push("");
        assert_eq!(read(&lines), Err(TagError::TooManyEmpty));
    }

    #[test]
    fn any_cut_of_a_list_is_read_without_harm() {
        let line = "W/\"a,b\" , \"c\",, *\t,\"\\\"";
        for start in 0..line.len() {
            for end in start..=line.len() {
                let members: Vec<_> = tags([&line.as_bytes()[start..end]]).collect();
                assert!(members.len() <= 4, "{}", &line[start..end]);
            }
        }
    }

    #[test]
    fn every_byte_is_allowed_in_a_tag_or_named() {
        for byte in 0..=u8::MAX {
            let text = [b'"', b'a', byte, b'"'];
            let visible = byte > b' ' && byte != b'"' && byte != 0x7F;
            let expected = match byte {
                b'"' => Err(TagError::Trailing),
                _ if visible => Ok(vec![b'a', byte]),
                _ => Err(TagError::BadByte(byte)),
            };
            assert_eq!(EntityTag::parse(&text).map(|tag| tag.opaque().to_vec()), expected, "{byte:#04x}");
            let ours = EntityTag::strong(vec![byte]);
            assert_eq!(ours.is_ok(), visible, "{byte:#04x}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let opaques: [&[u8]; 6] = [b"", b"1", b"a,b", b"W/", b"\\", b"\xff\x80*"];
        for (weak, opaque) in opaques.iter().flat_map(|&opaque| [(false, opaque), (true, opaque)]) {
            let tag = EntityTag { weak, opaque };
            let written = tag.to_bytes();
            assert_eq!(EntityTag::parse(&written), Ok(tag));
            assert_eq!(EntityTag::parse(&written).map(|tag| tag.is_weak()), Ok(weak));
            for cut in 0..written.len() {
                assert!(EntityTag::parse(&written[..cut]).is_err(), "{tag} cut at {cut}");
            }
        }
    }

    #[test]
    fn a_list_cut_into_lines_between_its_members_is_the_same_list() {
        let whole = "\"a,b\" , W/\"c\",\t\"\", \"d\"";
        let expected = read(&[whole]);
        assert_eq!(expected.as_ref().map(Vec::len), Ok(4));
        let commas = whole.match_indices(',').map(|(at, _)| at);
        // The first comma is inside a tag.
        for at in commas.skip(1) {
            assert_eq!(read(&[&whole[..at], &whole[at + 1..]]), expected, "cut at {at}");
            assert_eq!(read(&[&whole[..=at], &whole[at + 1..]]), expected, "cut behind {at}");
        }
    }

    #[test]
    fn a_long_list_is_read_to_its_end() {
        let line = (0..1000).map(|n| format!("\"{n}\"")).collect::<Vec<_>>().join(", ");
        let members = read(&[&line, &line]);
        assert_eq!(members.as_ref().map(Vec::len), Ok(2000));
        assert_eq!(members.map(|list| list.last().copied()), Ok(Some(Listed::Tag(strong("999")))));
    }
}
