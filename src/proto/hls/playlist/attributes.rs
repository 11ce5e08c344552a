//! Attribute lists: `NAME=value,NAME="value"`. Section 4.2.
//!
//! Reading is strict about the syntax, since a comma within a string that is not quoted would otherwise become another attribute, and lenient about names that nobody knows: section
//! 6.3.1 has clients ignore those.

use std::fmt::Write;
use std::time::Duration;

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// In quotation marks, which are not shown.
    Quoted(String),
    /// Everything else: numbers, words, resolutions.
    Plain(String),
}

/// What is wrong with an attribute list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeError {
    /// It is no list of attributes.
    #[error("not an attribute list, from {0:?} on")]
    Syntax(String),
    /// The same name twice.
    #[error("{0} occurs twice")]
    Twice(String),
    /// There are more attributes than any tag has.
    #[error("the tag has more than {MAX_ATTRIBUTES} attributes")]
    TooMany,
    /// It has to be there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It has to have another form.
    #[error("{name} is {found:?} and should be {expected}")]
    Form {
        /// The attribute.
        name: &'static str,
        /// Its value.
        found: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The most attributes of a tag. The longest known one, `EXT-X-STREAM-INF`, has some 20.
pub const MAX_ATTRIBUTES: usize = 64;

/// An attribute list, in the order in which it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Vec<(String, Value)>);

impl Attributes {
    /// Reads a list.
    ///
    /// # Errors
    /// It is none, or a name occurs twice.
    pub fn parse(text: &str) -> Result<Self, AttributeError> {
        let mut list = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let syntax = || AttributeError::Syntax(rest.chars().take(40).collect());
            let (name, behind) = rest.split_once('=').ok_or_else(syntax)?;
            let name = name.trim_start();
            let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-';
            if name.is_empty() || !name.bytes().all(fits) {
                return Err(syntax());
            }
            let (value, behind) = match behind.strip_prefix('"') {
                Some(quoted) => {
                    let (value, behind) = quoted.split_once('"').ok_or_else(syntax)?;
                    (Value::Quoted(value.to_owned()), behind)
                }
                None => {
                    let (value, behind) = behind.split_at(behind.find(',').unwrap_or(behind.len()));
                    if value.is_empty() || value.contains(['"', ' ']) {
                        return Err(syntax());
                    }
                    (Value::Plain(value.to_owned()), behind)
                }
            };
            rest = match behind.strip_prefix(',') {
                Some(behind) if !behind.is_empty() => behind,
                None if behind.is_empty() => behind,
                _ => return Err(syntax()),
            };
            if list.len() == MAX_ATTRIBUTES {
                return Err(AttributeError::TooMany);
            }
            if list.iter().any(|(other, _)| other == name) {
                return Err(AttributeError::Twice(name.to_owned()));
            }
            list.push((name.to_owned(), value));
        }
        Ok(Self(list))
    }

    /// The value of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The values, to be altered.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    fn form<T>(
        &self,
        name: &'static str,
        expected: &'static str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, AttributeError> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let form = || {
            let (Value::Quoted(found) | Value::Plain(found)) = value;
            AttributeError::Form { name, found: found.clone(), expected }
        };
        read(value).map(Some).ok_or_else(form)
    }

    /// A quoted string.
    ///
    /// # Errors
    /// It is there, and not quoted.
    pub fn quoted(&self, name: &'static str) -> Result<Option<String>, AttributeError> {
        self.form(name, "in quotation marks", |value| match value {
            Value::Quoted(text) => Some(text.clone()),
            Value::Plain(_) => None,
        })
    }

    /// A word, a number: what is not quoted.
    ///
    /// # Errors
    /// It is there, and quoted.
    pub fn plain(&self, name: &'static str) -> Result<Option<String>, AttributeError> {
        self.form(name, "without quotation marks", |value| match value {
            Value::Plain(text) => Some(text.clone()),
            Value::Quoted(_) => None,
        })
    }

    /// A decimal integer.
    ///
    /// # Errors
    /// It is there, and none.
    pub fn integer(&self, name: &'static str) -> Result<Option<u64>, AttributeError> {
        self.form(name, "a number of at most 20 digits", |value| match value {
            Value::Plain(text) => integer(text),
            Value::Quoted(_) => None,
        })
    }

    /// A number of seconds, with decimals perhaps.
    ///
    /// # Errors
    /// It is there, and none.
    pub fn seconds(&self, name: &'static str) -> Result<Option<Duration>, AttributeError> {
        self.form(name, "a number of seconds", |value| match value {
            Value::Plain(text) => seconds(text),
            Value::Quoted(_) => None,
        })
    }

    /// `YES` or `NO`; anything else is as good as `NO`, since later versions may have other words.
    ///
    /// # Errors
    /// It is quoted.
    pub fn yes(&self, name: &'static str) -> Result<bool, AttributeError> {
        Ok(self.plain(name)?.is_some_and(|word| word == "YES"))
    }
}

/// As it is written behind the colon of a tag.
impl std::fmt::Display for Attributes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (place, (name, value)) in self.0.iter().enumerate() {
            if place > 0 {
                f.write_char(',')?;
            }
            match value {
                Value::Plain(value) => write!(f, "{name}={value}")?,
                Value::Quoted(value) => {
                    write!(f, "{name}=\"")?;
                    quotable(value).try_for_each(|char| f.write_char(char))?;
                    f.write_char('"')?;
                }
            }
        }
        Ok(())
    }
}

/// What of a text a quoted string can have: neither quotation marks nor ends of lines.
fn quotable(value: &str) -> impl Iterator<Item = char> {
    value.chars().filter(|char| !matches!(char, '"' | '\r' | '\n'))
}

/// One that has to be there.
///
/// # Errors
/// [`AttributeError::Missing`].
pub fn needed<T>(name: &'static str, found: Option<T>) -> Result<T, AttributeError> {
    found.ok_or(AttributeError::Missing(name))
}

/// A decimal integer (section 4.2): digits, and nothing else.
#[must_use]
pub fn integer(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// A decimal number of seconds that is not negative, to the nanosecond. What is finer is cut off.
#[must_use]
pub fn seconds(text: &str) -> Option<Duration> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || whole.is_empty() && part.is_empty() || text == "." {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { integer(whole)? };
    let nanos = part.bytes().chain(std::iter::repeat(b'0')).take(9);
    let nanos = nanos.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0'));
    Some(Duration::new(whole, nanos))
}

/// Writes an attribute list.
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut String,
    first: bool,
}

impl<'a> Writer<'a> {
    /// Writes `tag`, then the list behind it; [`end`](Self::end) ends the line.
    pub fn begin(out: &'a mut String, tag: &str) -> Self {
        out.push_str(tag);
        out.push(':');
        Self { out, first: true }
    }

    fn name(&mut self, name: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(',');
        }
        self.out.push_str(name);
        self.out.push('=');
    }

    /// A quoted string. Quotation marks and ends of lines, which no string can have, are left out.
    #[must_use]
    pub fn quoted(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        self.out.push('"');
        self.out.extend(quotable(value));
        self.out.push('"');
        self
    }

    /// Anything that is not quoted.
    #[must_use]
    pub fn plain(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.name(name);
        // A String takes everything.
        let _ = write!(self.out, "{value}");
        self
    }

    /// Seconds, with as many decimals as they have.
    #[must_use]
    pub fn seconds(self, name: &str, value: Duration) -> Self {
        self.plain(name, Seconds(value))
    }

    /// Something that may not be there.
    #[must_use]
    pub fn maybe<T>(self, value: Option<T>, write: impl FnOnce(Self, T) -> Self) -> Self {
        match value {
            Some(value) => write(self, value),
            None => self,
        }
    }

    /// `NAME=YES`, or nothing.
    #[must_use]
    pub fn yes(self, name: &str, value: bool) -> Self {
        self.maybe(value.then_some("YES"), |writer, word| writer.plain(name, word))
    }

    /// Ends the line.
    pub fn end(self) {
        self.out.push('\n');
    }
}

/// Seconds as playlists write them: up to six decimals, rounded, and none that says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seconds(pub Duration);

impl std::fmt::Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = (self.0.as_nanos() + 500) / 1000;
        let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
        if part == 0 {
            return write!(f, "{whole}");
        }
        let digits = format!("{part:06}");
        write!(f, "{whole}.{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let text = r#"BANDWIDTH=1280000,CODECS="avc1.4d401f,mp4a.40.2",RESOLUTION=640x360,X-A="a=b",URI="""#;
        let list = Attributes::parse(text).unwrap();
        assert_eq!(list.integer("BANDWIDTH").unwrap(), Some(1_280_000));
        assert_eq!(list.quoted("CODECS").unwrap().unwrap(), "avc1.4d401f,mp4a.40.2");
        assert_eq!(list.plain("RESOLUTION").unwrap().unwrap(), "640x360");
        assert_eq!(list.quoted("X-A").unwrap().unwrap(), "a=b");
        assert_eq!(list.quoted("URI").unwrap().unwrap(), "");
        assert_eq!(list.quoted("NAME").unwrap(), None);
        assert_eq!(list.iter().count(), 5);
        assert_eq!(Attributes::parse("A=1, B=2").unwrap().integer("B").unwrap(), Some(2));
        assert!(list.quoted("BANDWIDTH").is_err() && list.plain("CODECS").is_err());
        assert!(list.integer("RESOLUTION").is_err() && list.seconds("CODECS").is_err());
    }

    #[test]
    fn what_is_no_list() {
        for text in [
            "A", "=1", "a=1", "A=", "A=1,", "A=\"1", "A=\"1\"2", "A=1\"2", "A=b c", ",A=1", "A=1,,B=2", "Ä=1",
        ] {
            assert!(matches!(Attributes::parse(text), Err(AttributeError::Syntax(_))), "{text}");
        }
        assert_eq!(Attributes::parse("A=1,A=2"), Err(AttributeError::Twice("A".into())));
        assert_eq!(Attributes::parse("").unwrap(), Attributes::default());
    }

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("4", Some((4, 0))),
            ("4.0", Some((4, 0))),
            ("3.003", Some((3, 3_000_000))),
            (".5", Some((0, 500_000_000))),
            ("5.", Some((5, 0))),
            ("0.0000000019", Some((0, 1))),
            ("", None),
            (".", None),
            ("-1", None),
            ("1e3", None),
            ("1,5", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(seconds(text), expected.map(|(s, n)| Duration::new(s, n)), "{text}");
        }
        assert_eq!(integer("18446744073709551615"), Some(u64::MAX));
        assert_eq!(integer("18446744073709551616"), None);
        assert_eq!(integer("+1"), None);
    }

    #[test]
    fn written_lists_are_read_again() {
        let mut out = String::new();
        Writer::begin(&mut out, "#EXT-X-PART")
            .seconds("DURATION", Duration::from_micros(333_340))
            .quoted("URI", "a\"b\r\n.m4s")
            .yes("INDEPENDENT", true)
            .yes("GAP", false)
            .maybe(Some(7), |writer, value| writer.plain("X", value))
            .end();
        assert_eq!(out, "#EXT-X-PART:DURATION=0.33334,URI=\"ab.m4s\",INDEPENDENT=YES,X=7\n");
    }

    #[test]
    fn seconds_are_short() {
        for (micros, expected) in
            [(0, "0"), (4_000_000, "4"), (4_004_000, "4.004"), (1, "0.000001"), (10_500_000, "10.5")]
        {
            assert_eq!(Seconds(Duration::from_micros(micros)).to_string(), expected);
        }
        assert_eq!(Seconds(Duration::new(1, 999_999_999)).to_string(), "2");
    }
}
