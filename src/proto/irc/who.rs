//! `WHO` with fields (WHOX, IRCv3 whox): which are wanted, and in which order they are given.

/// The fields, in the order in which a reply has them.
const ORDER: &str = "tcuihsnfdlaor";

/// Digits of a token at most.
const MAX_TOKEN: usize = 3;

/// What a `WHO` asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request<'a> {
    /// Only operators of the server.
    pub operators: bool,
    /// Fields, in the order of a reply; `None` for the reply of RFC 1459.
    pub fields: Option<Vec<char>>,
    /// What the client calls its question.
    pub token: &'a str,
}

impl<'a> Request<'a> {
    /// The request in the second parameter of `WHO`: `o%tcn,42`.
    #[must_use]
    pub fn parse(param: &'a str) -> Self {
        let (flags, wanted) =
            param.split_once('%').map_or((param, None), |(flags, wanted)| (flags, Some(wanted)));
        let (letters, token) =
            wanted.map_or(("", ""), |wanted| wanted.split_once(',').unwrap_or((wanted, "")));
        let fits = token.len() <= MAX_TOKEN && token.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            operators: flags.contains('o'),
            fields: wanted.map(|_| ORDER.chars().filter(|field| letters.contains(*field)).collect()),
            token: if fits && !token.is_empty() { token } else { "0" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_in_their_order() {
        let rows = [
            ("", false, None, "0"),
            ("o", true, None, "0"),
            ("%nct,42", false, Some("tcn"), "42"),
            ("o%n", true, Some("n"), "0"),
            ("%", false, Some(""), "0"),
            ("%rzn,12345", false, Some("nr"), "0"),
            ("%tn,ab", false, Some("tn"), "0"),
            ("%tcuihsnfdlaor,1", false, Some(ORDER), "1"),
        ];
        for (param, operators, fields, token) in rows {
            let fields = fields.map(|fields: &str| fields.chars().collect());
            assert_eq!(Request::parse(param), Request { operators, fields, token }, "{param}");
        }
    }
}
