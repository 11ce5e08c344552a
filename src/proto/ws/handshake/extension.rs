//! The grammar of `Sec-WebSocket-Extensions` (RFC 6455 section 9.1).

use std::borrow::Cow;

use crate::proto::http::list::{FieldLines, ListError, is_token, members, split_unquoted, trim_ows, unquote};

/// The field.
pub const FIELD: &str = "sec-websocket-extensions";

/// An extension with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// Its name; names compare as they are written, but none differ in case only.
    pub name: &'a [u8],
    /// Its parameters, in order.
    pub parameters: Vec<Parameter<'a>>,
}

/// A parameter, which need not have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its value, without quotes.
    pub value: Option<Cow<'a, [u8]>>,
}

impl Extension<'_> {
    /// Whether it is called `name`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

impl Parameter<'_> {
    /// Whether it is called `name`.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The extensions of a head, over all of its lines, in order of preference.
///
/// # Errors
/// A line that does not follow the grammar.
pub fn extensions<H: FieldLines + ?Sized>(head: &H) -> Result<Vec<Extension<'_>>, ListError> {
    members(head.lines(FIELD)).map(|member| extension(member?)).collect()
}

fn extension(member: &[u8]) -> Result<Extension<'_>, ListError> {
    let (name, mut rest) = split_unquoted(member, b';')?;
    let mut parameters = Vec::new();
    while let Some(text) = rest {
        let (piece, behind) = split_unquoted(text, b';')?;
        parameters.push(parameter(piece).ok_or(ListError::BadParameter)?);
        rest = behind;
    }
    if is_token(name) { Ok(Extension { name, parameters }) } else { Err(ListError::BadParameter) }
}

fn parameter(piece: &[u8]) -> Option<Parameter<'_>> {
    let (name, value) = match memchr::memchr(b'=', piece) {
        Some(at) => (trim_ows(&piece[..at]), Some(trim_ows(&piece[at + 1..]))),
        None => (piece, None),
    };
    let value = match value {
        Some(token) if is_token(token) => Some(Cow::Borrowed(token)),
        // What is quoted has to be a token all the same.
        Some(quoted) => Some(unquote(quoted).filter(|text| is_token(text))?),
        None => None,
    };
    is_token(name).then_some(Parameter { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(lines: &[&str]) -> Result<String, ListError> {
        let head: Vec<_> = lines.iter().map(|line| ("Sec-WebSocket-Extensions", *line)).collect();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let all = extensions(&head[..])?;
        let words = all.iter().map(|extension| {
            let parameters = extension.parameters.iter().map(|parameter| match &parameter.value {
                Some(value) => format!(" {}:{}", text(parameter.name), text(value)),
                None => format!(" {}", text(parameter.name)),
            });
            text(extension.name) + &parameters.collect::<String>()
        });
        Ok(words.collect::<Vec<_>>().join(" | "))
    }

    #[test]
    fn extensions_in_order_over_all_lines() {
        for (lines, expected) in [
            (&[][..], ""),
            (&["permessage-deflate"], "permessage-deflate"),
            (&["a; b; c=1 ;d=\"2\"", "e"], "a b c:1 d:2 | e"),
            (&["a,b;x, c"], "a | b x | c"),
            (&["a; b = 1"], "a b:1"),
            (&["a; b=\"1\\0\""], "a b:10"),
            (
                &["permessage-deflate; client_max_window_bits, permessage-deflate"],
                "permessage-deflate client_max_window_bits | permessage-deflate",
            ),
        ] {
            assert_eq!(shown(lines).as_deref(), Ok(expected), "{lines:?}");
        }
    }

    #[test]
    fn what_does_not_follow_the_grammar() {
        for line in ["a;", "a;;b", "a; b=", "a; =1", "a b", "a; b=\"1, 2\"", "a; b=\"", "; b", "a; b=1=2"] {
            assert!(shown(&[line]).is_err(), "{line}");
        }
    }
}
