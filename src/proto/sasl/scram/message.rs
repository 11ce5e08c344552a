//! The grammar of SCRAM's messages: RFC 5802, section 7.

use super::super::{MAX_NAME, Reject};

/// Takes the next part up to a comma, which has to be this attribute. Gives its value.
pub(super) fn attribute<'a>(
    rest: &mut Option<&'a str>,
    name: char,
    missing: &'static str,
) -> Result<&'a str, Reject> {
    let part = next(rest).ok_or(Reject::Malformed(missing))?;
    let value = part.strip_prefix(name).and_then(|part| part.strip_prefix('='));
    value.ok_or(Reject::Malformed(missing))
}

/// Takes what stands before the next comma; `None` when nothing is left.
pub(super) fn next<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let (part, after) = match (*rest)?.split_once(',') {
        Some((part, after)) => (part, Some(after)),
        None => ((*rest)?, None),
    };
    *rest = after;
    Some(part)
}

/// The other attributes, which mean nothing to us: `attr-val`.
pub(super) fn extensions(rest: Option<&str>) -> Result<(), Reject> {
    let is_extension = |part: &str| {
        let mut chars = part.chars();
        let letter = chars.next().is_some_and(|letter| letter.is_ascii_alphabetic());
        letter
            && chars.next() == Some('=')
            && chars.clone().next().is_some()
            && !chars.any(|char| char == '\0')
    };
    match rest {
        Some(rest) if !rest.split(',').all(is_extension) => {
            Err(Reject::Malformed("an extension is NAME=VALUE"))
        }
        _ => Ok(()),
    }
}

/// `saslname`: commas and equals signs are written `=2C` and `=3D`.
pub(super) fn saslname(text: &str) -> Result<String, Reject> {
    if text.is_empty() || text.contains('\0') {
        return Err(Reject::Name);
    }
    let mut name = String::with_capacity(text.len());
    let mut pieces = text.split('=');
    name.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (char, piece) = match (piece.strip_prefix("2C"), piece.strip_prefix("3D")) {
            (Some(piece), _) => (',', piece),
            (_, Some(piece)) => ('=', piece),
            _ => return Err(Reject::Name),
        };
        name.push(char);
        name.push_str(piece);
    }
    if name.len() > MAX_NAME { Err(Reject::Long) } else { Ok(name) }
}

/// A nonce: `printable`, all visible characters of ASCII but the comma.
pub(super) fn is_nonce(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',')
}

#[cfg(test)]
mod tests {
    use super::super::client::escaped;
    use super::*;

    #[test]
    fn names() {
        let long = "x".repeat(MAX_NAME + 1);
        let rows = [
            ("user", Ok("user")),
            ("a=2Cb", Ok("a,b")),
            ("=3D=3D", Ok("==")),
            ("=3D2C", Ok("=2C")),
            ("zoë", Ok("zoë")),
            ("", Err(Reject::Name)),
            ("=", Err(Reject::Name)),
            ("a=", Err(Reject::Name)),
            ("a=2c", Err(Reject::Name)),
            ("a=41", Err(Reject::Name)),
            ("a\0", Err(Reject::Name)),
            (&long, Err(Reject::Long)),
        ];
        for (text, expected) in rows {
            assert_eq!(saslname(text), expected.map(str::to_owned), "{text:?}");
            if let Ok(name) = expected {
                assert_eq!(escaped(name), text);
            }
        }
    }

    #[test]
    fn attributes_and_extensions() {
        let mut rest = Some("n=a,r=b=c,,x");
        assert_eq!(attribute(&mut rest, 'n', "no n"), Ok("a"));
        assert_eq!(attribute(&mut rest, 'r', "no r"), Ok("b=c"));
        assert_eq!(attribute(&mut rest, 'p', "no p"), Err(Reject::Malformed("no p")));
        assert_eq!((next(&mut rest), next(&mut rest)), (Some("x"), None));
        assert_eq!(attribute(&mut rest, 'p', "no p"), Err(Reject::Malformed("no p")));
        for (rest, good) in [
            (None, true),
            (Some("x=1"), true),
            (Some("x=1,Y=="), true),
            (Some(""), false),
            (Some("x"), false),
            (Some("x="), false),
            (Some("1=x"), false),
            (Some("xy=1"), false),
            (Some("x=1,"), false),
            (Some("x=a\0"), false),
        ] {
            assert_eq!(extensions(rest).is_ok(), good, "{rest:?}");
        }
    }

    #[test]
    fn nonces() {
        for (text, good) in [
            ("!~", true),
            ("a+/=", true),
            ("", false),
            ("a,b", false),
            ("a b", false),
            ("ä", false),
            ("\x7f", false),
        ] {
            assert_eq!(is_nonce(text), good, "{text:?}");
        }
    }
}
