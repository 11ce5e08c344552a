//! How a password is written before it is hashed or compared.
//!
//! RFC 5802, section 5.1, and RFC 4616, section 2, ask for SASLprep (RFC 4013). PRECIS OpaqueString (RFC 8265) is to replace it, and differs:
//! it keeps compatibility characters that SASLprep maps (`ﬁ` to `fi`). In SCRAM the client prepares the password and the server never sees
//! it, so the server has to do as clients do, and those that prepare anything do it by SASLprep.
//!
//! SASLprep knows the characters of Unicode 3.2 only: a password with an emoji has no such form. As in PostgreSQL, it is then taken as it
//! is, which clients without SASLprep do with any password.

use std::borrow::Cow;

/// A password as it is hashed: prepared by SASLprep, or as it is if that has no form for it.
#[must_use]
pub fn prepare(password: &str) -> Cow<'_, str> {
    stringprep::saslprep(password).unwrap_or(Cow::Borrowed(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prepared() {
        let rows = [
            // RFC 4013, section 3.
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
            // Prohibited, and against the rule for both directions: as they are.
            ("\u{7}", "\u{7}"),
            ("\u{627}1", "\u{627}1"),
            ("a\u{a0}b", "a b"),
            ("e\u{301}", "\u{e9}"),
            // Not in Unicode 3.2.
            ("\u{1f600} smile", "\u{1f600} smile"),
            ("", ""),
        ];
        for (password, expected) in rows {
            assert_eq!(prepare(password), expected, "{password:?}");
        }
    }
}
