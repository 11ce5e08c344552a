//! The small grammar shared by most fields: lists, tokens, quoted strings and parameters (RFC 9110 section 5.6).
//!
//! A list may come in several field lines, and the lines count as one value joined by commas (section 5.3). So every
//! reader here takes an iterator of lines, and [`FieldLines`] is how a head of any kind hands them over. Readers borrow
//! from the lines and look at each byte once; only a quoted string with escapes is copied.

use std::borrow::Cow;

/// How many empty members of one list (`a, , b`), or empty parameters of one member (`a;;b=c`), are skipped before the
/// value is refused.
///
/// RFC 9110 section 5.6.1.2 asks for enough to forgive careless merging, and few enough not to serve an attack.
pub const MAX_EMPTY_MEMBERS: usize = 16;

/// What is wrong with a list or with the parameters of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListError {
    /// More than [`MAX_EMPTY_MEMBERS`] members, or parameters, hold nothing.
    #[error("more than {MAX_EMPTY_MEMBERS} empty members in a list")]
    TooManyEmpty,
    /// A quoted string is still open at the end of the field line.
    #[error("a quoted string has no closing quote")]
    OpenQuote,
    /// A parameter is not `name=token` or `name="text"`.
    #[error("a parameter is not name=value")]
    BadParameter,
}

/// A head that can be asked for the lines of a field.
pub trait FieldLines {
    /// The values of the field lines called `name`, in the order in which they came.
    ///
    /// Names compare without regard to case; callers pass lower case. Values have no whitespace around them.
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]>;
}

impl FieldLines for http::HeaderMap {
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.get_all(name).iter().map(http::HeaderValue::as_bytes)
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FieldLines for [(N, V)] {
    fn lines<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let named = move |line: &&(N, V)| line.0.as_ref().eq_ignore_ascii_case(name.as_bytes());
        self.iter().filter(named).map(|(_, value)| value.as_ref())
    }
}

/// Whether `byte` may stand in a token: `tchar`, section 5.6.2.
#[must_use]
pub const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// Whether `text` is a token: at least one byte, and no other than [`is_token_byte`] allows.
#[must_use]
pub fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|&byte| is_token_byte(byte))
}

const TOKEN_BYTES: [bool; 256] = {
    let marks = b"!#$%&'*+-.^_`|~";
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let mut mark = 0;
    while mark < marks.len() {
        table[marks[mark] as usize] = true;
        mark += 1;
    }
    table
};

/// `text` without the spaces and tabs around it: OWS, section 5.6.3. No other byte counts as whitespace.
#[must_use]
pub fn trim_ows(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = text.iter().position(|byte| !blank(byte)) else {
        return &[];
    };
    let end = text.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Whether a list of bare tokens (`Connection`, `Upgrade`, `Transfer-Encoding`) holds `token`, in any case.
///
/// This is the fast way: it splits at every comma and ignores empty members without counting them, which costs no
/// more than the bytes that came. Not for lists whose members may be quoted; those are for [`members`].
pub fn contains_token<'a>(mut lines: impl Iterator<Item = &'a [u8]>, token: &str) -> bool {
    let token = token.as_bytes();
    lines.any(|line| {
        // Nearly every `Connection` is one token: compare it before looking for commas.
        line.eq_ignore_ascii_case(token)
            || line.len() > token.len()
                && line.split(|&byte| byte == b',').any(|member| trim_ows(member).eq_ignore_ascii_case(token))
    })
}

/// The members of a list that spans `lines`, trimmed, without the empty ones.
///
/// A comma inside a quoted string does not end a member. A quoted string cannot span two lines. After an error the
/// iterator ends.
pub fn members<'a, I>(lines: I) -> Members<'a, I::IntoIter>
where
    I: IntoIterator<Item = &'a [u8]>,
{
    Members { lines: Some(lines.into_iter()), rest: None, empty: 0 }
}

/// The iterator of [`members`].
#[derive(Clone, Debug)]
pub struct Members<'a, I> {
    /// The lines not begun; `None` after an error.
    lines: Option<I>,
    /// What is left of the line that was begun.
    rest: Option<&'a [u8]>,
    empty: usize,
}

impl<'a, I: Iterator<Item = &'a [u8]>> Members<'a, I> {
    fn fail(&mut self, error: ListError) -> Result<&'a [u8], ListError> {
        self.lines = None;
        self.rest = None;
        Err(error)
    }
}

impl<'a, I: Iterator<Item = &'a [u8]>> Iterator for Members<'a, I> {
    type Item = Result<&'a [u8], ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let text = match self.rest.take() {
                Some(rest) => rest,
                None => self.lines.as_mut()?.next()?,
            };
            let (member, rest) = match split_unquoted(text, b',') {
                Ok(split) => split,
                Err(error) => return Some(self.fail(error)),
            };
            self.rest = rest;
            if !member.is_empty() {
                return Some(Ok(member));
            }
            self.empty += 1;
            if self.empty > MAX_EMPTY_MEMBERS {
                return Some(self.fail(ListError::TooManyEmpty));
            }
        }
    }
}

/// One `name=value` behind a semicolon: section 5.6.6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The name as it came; names compare without regard to case.
    pub name: &'a [u8],
    /// The value, unquoted: `charset=utf-8` and `charset="utf-8"` are the same.
    pub value: Cow<'a, [u8]>,
}

impl Parameter<'_> {
    /// Whether the parameter is called `name`, in any case.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Splits a member into what stands before the first semicolon, trimmed, and the parameters behind it.
///
/// For members whose own value has no quoted string, such as media types and codings.
#[must_use]
pub fn split_parameters(member: &[u8]) -> (&[u8], Parameters<'_>) {
    let (value, rest) = match memchr::memchr(b';', member) {
        Some(at) => (&member[..at], Some(&member[at + 1..])),
        None => (member, None),
    };
    (trim_ows(value), Parameters { rest, empty: 0 })
}

/// The parameters of a member, in order, from [`split_parameters`]. After an error the iterator ends.
#[derive(Clone, Debug)]
pub struct Parameters<'a> {
    rest: Option<&'a [u8]>,
    empty: usize,
}

impl<'a> Parameters<'a> {
    /// The next piece between semicolons that is not empty.
    fn piece(&mut self) -> Result<Option<&'a [u8]>, ListError> {
        while let Some(text) = self.rest.take() {
            let (piece, rest) = split_unquoted(text, b';')?;
            if !piece.is_empty() {
                self.rest = rest;
                return Ok(Some(piece));
            }
            self.empty += 1;
            if self.empty > MAX_EMPTY_MEMBERS {
                return Err(ListError::TooManyEmpty);
            }
            self.rest = rest;
        }
        Ok(None)
    }
}

impl<'a> Iterator for Parameters<'a> {
    type Item = Result<Parameter<'a>, ListError>;

    fn next(&mut self) -> Option<Self::Item> {
        let parameter = match self.piece() {
            Ok(piece) => parameter(piece?).ok_or(ListError::BadParameter),
            Err(error) => Err(error),
        };
        if parameter.is_err() {
            self.rest = None;
        }
        Some(parameter)
    }
}

fn parameter(piece: &[u8]) -> Option<Parameter<'_>> {
    let equals = memchr::memchr(b'=', piece)?;
    let (name, value) = (&piece[..equals], &piece[equals + 1..]);
    let value = if is_token(value) { Cow::Borrowed(value) } else { unquote(value)? };
    is_token(name).then_some(Parameter { name, value })
}

/// The text of a quoted string, with its quoted pairs decoded: section 5.6.4.
///
/// `None` unless `text` is one quoted string from its first byte to its last, without control characters other than
/// the tab.
#[must_use]
pub fn unquote(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let inner = text.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if !inner.iter().all(|&byte| byte == b'\t' || byte >= b' ' && byte != 0x7F) {
        return None;
    }
    if memchr::memchr2(b'"', b'\\', inner).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut decoded = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => decoded.push(*bytes.next()?),
            _ => decoded.push(byte),
        }
    }
    Some(Cow::Owned(decoded))
}

/// Splits `text` at the first `delimiter` outside quoted strings: the trimmed front, and what follows the delimiter.
pub(crate) fn split_unquoted(text: &[u8], delimiter: u8) -> Result<(&[u8], Option<&[u8]>), ListError> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == delimiter {
            return Ok((trim_ows(&text[..at]), Some(&text[at + 1..])));
        }
        if byte == b'"' {
            at = closing_quote(text, at + 1)?;
        }
        at += 1;
    }
    Ok((trim_ows(text), None))
}

/// Where the quoted string that opened before `at` closes.
fn closing_quote(text: &[u8], mut at: usize) -> Result<usize, ListError> {
    loop {
        match text.get(at) {
            None => return Err(ListError::OpenQuote),
            Some(b'"') => return Ok(at),
            Some(b'\\') => at += 2,
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members of a list as text; the error, where there is one, comes last.
    fn read(lines: &[&str]) -> Vec<Result<String, ListError>> {
        let text = |member: &[u8]| String::from_utf8_lossy(member).into_owned();
        members(lines.iter().map(|line| line.as_bytes())).map(|member| member.map(text)).collect()
    }

    fn all(members: &[&str]) -> Vec<Result<String, ListError>> {
        members.iter().map(|&member| Ok(member.to_owned())).collect()
    }

    #[test]
    fn a_token_byte_is_a_letter_a_digit_or_one_of_fifteen_marks() {
        let allowed = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        for byte in 0..=u8::MAX {
            assert_eq!(is_token_byte(byte), allowed.contains(&byte), "{byte:#04x}");
        }
    }

    #[test]
    fn a_token_is_not_empty() {
        let cases: [(&[u8], bool); 8] = [
            (b"", false),
            (b"a", true),
            (b"X-Custom_Header.1", true),
            (b"a b", false),
            (b"a:", false),
            (b"\"a\"", false),
            (b"caf\xc3\xa9", false),
            (b"a\0", false),
        ];
        for (text, expected) in cases {
            assert_eq!(is_token(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_space_and_tab_are_whitespace() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b" \t ", b""),
            (b"a", b"a"),
            (b" \ta b\t ", b"a b"),
            (b"\x0ba\x0c", b"\x0ba\x0c"),
            (b"\xa0a\x85", b"\xa0a\x85"),
            (b"\ra\n", b"\ra\n"),
            (b"\0", b"\0"),
        ];
        for (text, expected) in cases {
            assert_eq!(trim_ows(text), expected, "{text:?}");
        }
    }

    #[test]
    fn members_are_trimmed_and_empty_ones_skipped() {
        let cases: [(&[&str], &[&str]); 9] = [
            (&[], &[]),
            (&[""], &[]),
            (&["a"], &["a"]),
            (&["a,b"], &["a", "b"]),
            (&["a , \tb\t,c "], &["a", "b", "c"]),
            // The examples of section 5.6.1.2.
            (&["foo ,bar,"], &["foo", "bar"]),
            (&["foo , ,bar,charlie"], &["foo", "bar", "charlie"]),
            (&["", ",", ",   ,"], &[]),
            (&["a b;c=d"], &["a b;c=d"]),
        ];
        for (lines, expected) in cases {
            assert_eq!(read(lines), all(expected), "{lines:?}");
        }
    }

    #[test]
    fn lines_count_as_one_list() {
        assert_eq!(read(&["a, b", "", "c", ", d ,"]), all(&["a", "b", "c", "d"]));
    }

    #[test]
    fn a_comma_inside_quotes_does_not_end_a_member() {
        let cases: [(&[&str], &[&str]); 5] = [
            (&["\"a,b\", c"], &["\"a,b\"", "c"]),
            (&["x=\"a,\\\",b\",c"], &["x=\"a,\\\",b\"", "c"]),
            (&["\"\\\\\",b"], &["\"\\\\\"", "b"]),
            (&["a\"b,c\"d,e"], &["a\"b,c\"d", "e"]),
            (&["\"\",\"\""], &["\"\"", "\"\""]),
        ];
        for (lines, expected) in cases {
            assert_eq!(read(lines), all(expected), "{lines:?}");
        }
    }

    #[test]
    fn an_open_quote_ends_the_list_with_an_error() {
        for line in ["\"", "\"b", "\"b\\", "\"b\\\"", "x=\"b, c"] {
            let expected = vec![Ok("a".to_owned()), Err(ListError::OpenQuote)];
            assert_eq!(read(&[&format!("a, {line}"), "d"]), expected, "{line}");
        }
    }

    #[test]
    fn empty_members_are_bounded_over_all_lines() {
        let commas = ",".repeat(MAX_EMPTY_MEMBERS);
        assert_eq!(read(&[&format!("{commas}a")]), all(&["a"]));
        let one_more = read(&[&format!("{commas},a")]);
        assert_eq!(one_more, [Err(ListError::TooManyEmpty)]);

        let mut lines = vec![""; MAX_EMPTY_MEMBERS];
        lines.push("a");
        assert_eq!(read(&lines), all(&["a"]));
        lines.insert(0, "");
        assert_eq!(read(&lines), [Err(ListError::TooManyEmpty)]);
    }

    #[test]
    fn contains_token_finds_whole_members_in_any_case() {
        let cases: [(&[&str], bool); 16] = [
            (&["close"], true),
            (&["CLOSE"], true),
            (&["keep-alive, Close"], true),
            (&["close,keep-alive"], true),
            (&["a,\tclose ,b"], true),
            (&["keep-alive", "close"], true),
            (&[" close "], true),
            (&[",,,close"], true),
            (&[], false),
            (&[""], false),
            (&["keep-alive"], false),
            (&["closed"], false),
            (&["not-close"], false),
            (&["close keep-alive"], false),
            (&["clo,se"], false),
            (&["close\x0b"], false),
        ];
        for (lines, expected) in cases {
            let found = contains_token(lines.iter().map(|line| line.as_bytes()), "close");
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    fn decoded(text: &[u8]) -> Option<Vec<u8>> {
        unquote(text).map(Cow::into_owned)
    }

    #[test]
    fn quoted_strings_are_decoded() {
        let cases: [(&[u8], &[u8]); 7] = [
            (b"\"\"", b""),
            (b"\"a b\"", b"a b"),
            (b"\"a\\\"b\"", b"a\"b"),
            (b"\"a\\\\\"", b"a\\"),
            (b"\"\\a\\b\"", b"ab"),
            (b"\"a\tb\\\tc\"", b"a\tb\tc"),
            (b"\"\xe9\\\xff\"", b"\xe9\xff"),
        ];
        for (text, expected) in cases {
            assert_eq!(decoded(text).as_deref(), Some(expected), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_one_quoted_string_is_refused() {
        let cases: [&[u8]; 13] = [
            b"",
            b"\"",
            b"a",
            b"\"a",
            b"a\"",
            b"\"a\"b",
            b"\"a\"b\"",
            b" \"a\"",
            b"\"a\\\"",
            b"\"a\nb\"",
            b"\"a\\\rb\"",
            b"\"a\0b\"",
            b"\"a\x7fb\"",
        ];
        for text in cases {
            assert_eq!(decoded(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_quoted_string_without_escapes_is_borrowed() {
        assert!(matches!(unquote(b"\"plain\""), Some(Cow::Borrowed(b"plain"))));
    }

    /// The value and the parameters as text, or the error.
    fn split(member: &str) -> (String, Result<Vec<(String, String)>, ListError>) {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (value, parameters) = split_parameters(member.as_bytes());
        let pair = |p: Parameter<'_>| (text(p.name), text(&p.value));
        (text(value), parameters.map(|p| p.map(pair)).collect())
    }

    type Pairs<'a> = &'a [(&'a str, &'a str)];

    #[test]
    fn parameters_follow_a_member() {
        let cases: [(&str, &str, Pairs<'_>); 9] = [
            ("text/html", "text/html", &[]),
            ("text/html;", "text/html", &[]),
            ("text/html; ; ;q=1", "text/html", &[("q", "1")]),
            ("text/html;charset=utf-8", "text/html", &[("charset", "utf-8")]),
            ("text/html \t; \tCharset=\"utf-8\" ; a=b", "text/html", &[("Charset", "utf-8"), ("a", "b")]),
            ("x;a=\"1;b=2\";c=3", "x", &[("a", "1;b=2"), ("c", "3")]),
            ("x;a=\"\\\";\"", "x", &[("a", "\";")]),
            ("x;a=\"\"", "x", &[("a", "")]),
            (";a=b", "", &[("a", "b")]),
        ];
        for (member, value, expected) in cases {
            let expected =
                expected.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(split(member), (value.to_owned(), Ok(expected)), "{member}");
        }
    }

    #[test]
    fn a_parameter_is_a_token_an_equals_sign_and_a_value() {
        let wrong = ["a", "a=", "=b", "a =b", "a= b", "a=b c", "a=\"b\"c", "a\"=\"b", "a=b=c", "a=\"\n\""];
        for parameter in wrong {
            let (_, result) = split(&format!("x;{parameter}"));
            assert_eq!(result, Err(ListError::BadParameter), "{parameter}");
        }
        assert_eq!(split("x;a=\"b").1, Err(ListError::OpenQuote));
    }

    #[test]
    fn parameters_end_after_an_error_and_empty_ones_are_bounded() {
        let (_, parameters) = split_parameters(b"x;a=b;bad;c=d");
        assert_eq!(parameters.map(|p| p.is_ok()).collect::<Vec<_>>(), [true, false]);

        let semicolons = ";".repeat(MAX_EMPTY_MEMBERS);
        assert!(split(&format!("x;{semicolons}a=b")).1.is_ok());
        assert_eq!(split(&format!("x;;{semicolons}a=b")).1, Err(ListError::TooManyEmpty));
    }

    #[test]
    fn parameter_names_compare_in_any_case() {
        let parameter = Parameter { name: b"Q", value: Cow::Borrowed(b"1") };
        assert!(parameter.is("q"));
        assert!(!parameter.is("qq"));
    }

    #[test]
    fn heads_hand_over_their_lines_in_order() {
        let lines = [("Accept", "a"), ("Host", "h"), ("ACCEPT", "b")];
        let mut map = http::HeaderMap::new();
        for (name, value) in [("accept", "a"), ("host", "h"), ("accept", "b")] {
            map.append(name, http::HeaderValue::from_static(value));
        }
        let expected: [&[u8]; 2] = [b"a", b"b"];
        assert_eq!(lines[..].lines("accept").collect::<Vec<_>>(), expected);
        assert_eq!(FieldLines::lines(&map, "accept").collect::<Vec<_>>(), expected);
        assert_eq!(lines[..].lines("cookie").count(), 0);
        assert_eq!(FieldLines::lines(&map, "cookie").count(), 0);
    }

    /// All texts over `alphabet` of at most `longest` bytes.
    fn texts(alphabet: &[u8], longest: usize) -> Vec<Vec<u8>> {
        let mut all = vec![vec![]];
        let mut begin = 0;
        for _ in 0..longest {
            let end = all.len();
            for at in begin..end {
                for &byte in alphabet {
                    let longer = [&all[at][..], &[byte]].concat();
                    all.push(longer);
                }
            }
            begin = end;
        }
        all
    }

    /// A list read by a state machine that knows nothing but the grammar; `None` when a quote stays open.
    fn by_states(text: &[u8]) -> Option<Vec<Vec<u8>>> {
        let (mut quoted, mut escaped) = (false, false);
        let mut found = vec![vec![]];
        for &byte in text {
            match (quoted, escaped, byte) {
                (true, true, _) => escaped = false,
                (true, false, b'\\') => escaped = true,
                (_, _, b'"') => quoted = !quoted,
                (false, _, b',') => {
                    found.push(vec![]);
                    continue;
                }
                _ => {}
            }
            if let Some(member) = found.last_mut() {
                member.push(byte);
            }
        }
        found.retain(|member| member.iter().any(|byte| *byte != b' '));
        (!quoted).then_some(found)
    }

    #[test]
    fn every_short_text_is_read_as_the_grammar_says() {
        for text in texts(b"a ,\"\\", 7) {
            let read: Result<Vec<_>, _> = members([&text[..]]).map(|m| m.map(<[u8]>::to_vec)).collect();
            let expected = by_states(&text)
                .map(|found| found.iter().map(|member| trim_ows(member).to_vec()).collect::<Vec<_>>());
            assert_eq!(read.ok(), expected, "{:?}", String::from_utf8_lossy(&text));
        }
    }

    #[test]
    fn a_list_cut_into_lines_at_its_commas_is_the_same_list() {
        let whole = "a, b;c=\"d,e\" ,, f , \"g,h\"";
        let expected = read(&[whole]);
        assert_eq!(expected.len(), 4);
        for at in whole.match_indices(',').map(|(at, _)| at) {
            let (front, back) = (&whole[..at], &whole[at + 1..]);
            if front.matches('"').count() % 2 == 0 {
                assert_eq!(read(&[front, back]), expected, "cut at {at}");
            }
        }
    }

    #[test]
    fn what_quoting_makes_unquoting_undoes() {
        for text in texts(b"a\"\\,\xff", 5) {
            let mut quoted = b"\"".to_vec();
            for &byte in &text {
                if matches!(byte, b'"' | b'\\') {
                    quoted.push(b'\\');
                }
                quoted.push(byte);
            }
            quoted.push(b'"');
            assert_eq!(decoded(&quoted), Some(text));
        }
    }

    #[test]
    fn contains_token_agrees_with_the_careful_reader_where_nothing_is_quoted() {
        for text in texts(b"ab, ", 6) {
            let carefully = members([&text[..]]).any(|member| member == Ok(b"ab"));
            let fast = contains_token([&text[..]].into_iter(), "AB");
            assert_eq!(fast, carefully, "{:?}", String::from_utf8_lossy(&text));
        }
    }
}
