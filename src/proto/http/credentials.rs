//! What an `Authorization` field says (RFC 9110 section 11.6.2): the schemes Basic (RFC 7617) and Bearer (RFC 6750).
//!
//! Reading and writing only: who compares a secret does it in constant time, and never logs it. For that reason `Debug` shows no secret.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::HeaderValue;
use percent_encoding::percent_decode_str;

/// Credentials as sent by a client.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// A name and a password.
    Basic {
        /// The user's name; it has no colon.
        user: String,
        /// The password; it may be empty.
        password: String,
    },
    /// A token.
    Bearer(String),
}

/// Why an `Authorization` field gives no credentials. Each is answered like missing ones, with 401, or with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// A scheme other than Basic and Bearer.
    #[error("the authentication scheme is not known")]
    Scheme,
    /// The scheme stands alone.
    #[error("there are no credentials after the scheme")]
    Empty,
    /// Basic credentials are not base64.
    #[error("the credentials are not base64")]
    Base64,
    /// Basic credentials are not UTF-8 (the charset of RFC 7617 section 2.1), or have control characters.
    #[error("the credentials are not text")]
    Text,
    /// The name of Basic credentials has a colon, which would end it.
    #[error("a name has no colon")]
    ColonInName,
    /// Basic credentials have no colon between name and password.
    #[error("there is no colon between name and password")]
    Colon,
    /// A bearer token with characters that no token has.
    #[error("the token is malformed")]
    Token,
}

/// Base64 with or without its padding: some clients leave it off.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Credentials {
    /// Reads the value of an `Authorization` (or `Proxy-Authorization`) field. A scheme is known in any case.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(value: &[u8]) -> Result<Self, CredentialsError> {
        let value = value.trim_ascii();
        let (scheme, rest) = value.split_at(memchr::memchr(b' ', value).unwrap_or(value.len()));
        let parse = if scheme.eq_ignore_ascii_case(b"basic") {
            basic
        } else if scheme.eq_ignore_ascii_case(b"bearer") {
            bearer
        } else {
            return Err(CredentialsError::Scheme);
        };
        match rest.trim_ascii_start() {
            [] => Err(CredentialsError::Empty),
            rest => parse(rest),
        }
    }
}

impl Credentials {
    /// Basic credentials from what stands before the `@` of a URL (RFC 3986 section 3.2.1): `user:password`, or a user
    /// without a password, percent-encoded.
    ///
    /// # Errors
    /// [`CredentialsError::Text`] and [`CredentialsError::ColonInName`].
    pub fn from_userinfo(text: &str) -> Result<Self, CredentialsError> {
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        let decode = |part| percent_decode_str(part).decode_utf8().map_err(|_| CredentialsError::Text);
        let (user, password) = (decode(user)?, decode(password)?);
        basic_is_text(&user)?;
        basic_is_text(&password)?;
        if user.contains(':') {
            return Err(CredentialsError::ColonInName);
        }
        Ok(Self::Basic { user: user.into(), password: password.into() })
    }

    /// The value of an `Authorization` (or `Proxy-Authorization`) field that says this. It is marked as sensitive, so
    /// that `Debug` does not show it.
    ///
    /// # Errors
    /// They hold what no such field can say: see the variants.
    pub fn field_value(&self) -> Result<HeaderValue, CredentialsError> {
        let text = match self {
            Self::Basic { user, .. } if user.contains(':') => return Err(CredentialsError::ColonInName),
            Self::Basic { user, password } => {
                let text = format!("{user}:{password}");
                basic_is_text(&text)?;
                format!("Basic {}", BASE64.encode(text))
            }
            Self::Bearer(token) => {
                bearer(token.as_bytes())?;
                format!("Bearer {token}")
            }
        };
        let mut value = HeaderValue::try_from(text).map_err(|_| CredentialsError::Text)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Without control characters, which no name and no password may have (RFC 7617 section 2).
fn basic_is_text(text: &str) -> Result<(), CredentialsError> {
    if text.chars().any(char::is_control) { Err(CredentialsError::Text) } else { Ok(()) }
}

fn basic(encoded: &[u8]) -> Result<Credentials, CredentialsError> {
    let decoded = BASE64.decode(encoded).map_err(|_| CredentialsError::Base64)?;
    let text = String::from_utf8(decoded).map_err(|_| CredentialsError::Text)?;
    basic_is_text(&text)?;
    // A name has no colon, a password may (RFC 7617 section 2).
    let (user, password) = text.split_once(':').ok_or(CredentialsError::Colon)?;
    Ok(Credentials::Basic { user: user.into(), password: password.into() })
}

/// `b64token` of RFC 6750 section 2.1.
fn bearer(token: &[u8]) -> Result<Credentials, CredentialsError> {
    let end = token.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if end == 0 || !token[..end].iter().all(allowed) {
        return Err(CredentialsError::Token);
    }
    String::from_utf8(token.to_vec()).map(Credentials::Bearer).map_err(|_| CredentialsError::Token)
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Bearer(_) => f.write_str("Bearer"),
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn basic_of(user: &str, password: &str) -> Result<Credentials, CredentialsError> {
        Ok(Credentials::Basic { user: user.into(), password: password.into() })
    }

    #[test]
    fn the_samples_of_the_rfcs() {
        assert_eq!(
            Credentials::parse(b"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            basic_of("Aladdin", "open sesame")
        );
        assert_eq!(Credentials::parse(b"Basic dGVzdDoxMjPCow=="), basic_of("test", "123£"));
        assert_eq!(
            Credentials::parse(b"Bearer mF_9.B5f-4.1JqM"),
            Ok(Credentials::Bearer("mF_9.B5f-4.1JqM".into()))
        );
    }

    #[test]
    fn names_and_passwords() {
        let rows = [
            ("user:pass", basic_of("user", "pass")),
            ("user:", basic_of("user", "")),
            (":pass", basic_of("", "pass")),
            (":", basic_of("", "")),
            ("user:a:b:", basic_of("user", "a:b:")),
            (" user :  ", basic_of(" user ", "  ")),
            ("日本:ü", basic_of("日本", "ü")),
            ("user", Err(CredentialsError::Colon)),
            ("user:a\nb", Err(CredentialsError::Text)),
            ("user\0:a", Err(CredentialsError::Text)),
        ];
        for (text, expected) in rows {
            for scheme in ["Basic ", "basic ", "BASIC   "] {
                let padded = format!("{scheme}{}", BASE64_STANDARD.encode(text));
                assert_eq!(Credentials::parse(padded.as_bytes()), expected, "{text:?}");
                assert_eq!(Credentials::parse(padded.trim_end_matches('=').as_bytes()), expected, "unpadded");
            }
        }
        let latin1 = format!("Basic {}", BASE64_STANDARD.encode(b"user:\xfc"));
        assert_eq!(Credentials::parse(latin1.as_bytes()), Err(CredentialsError::Text));
    }

    #[test]
    fn what_gives_no_credentials() {
        use CredentialsError::{Base64, Empty, Scheme, Token};
        let rows: [(&[u8], CredentialsError); 15] = [
            (b"", Scheme),
            (b"Digest username=\"a\"", Scheme),
            (b"BasicQWxh", Scheme),
            (b"Basic\tQWxh", Scheme),
            (b"Basic", Empty),
            (b"Basic   ", Empty),
            (b"Bearer", Empty),
            (b"Basic !!!", Base64),
            (b"Basic QWxh QWxh", Base64),
            (b"Basic QWxhZG_-", Base64),
            (b"Bearer a b", Token),
            (b"Bearer =", Token),
            (b"Bearer a=b", Token),
            (b"Bearer \"a\"", Token),
            (b"Bearer \xff", Token),
        ];
        for (value, error) in rows {
            assert_eq!(Credentials::parse(value), Err(error), "{:?}", String::from_utf8_lossy(value));
        }
        assert_eq!(Credentials::parse(b" bearer  a== "), Ok(Credentials::Bearer("a==".into())));
    }

    #[test]
    fn what_is_written_can_be_read() {
        for (user, password) in [("user", "pass"), ("", ""), ("u", "a:b: "), ("日本", "ü")] {
            let credentials = Credentials::Basic { user: user.into(), password: password.into() };
            let value = credentials.field_value().unwrap();
            assert_eq!(Credentials::parse(value.as_bytes()), Ok(credentials));
            assert!(value.is_sensitive());
        }
        let bearer = Credentials::Bearer("a-b/c==".into());
        assert_eq!(Credentials::parse(bearer.field_value().unwrap().as_bytes()), Ok(bearer));
        let basic = |user: &str, password: &str| {
            Credentials::Basic { user: user.into(), password: password.into() }.field_value().unwrap_err()
        };
        assert_eq!(basic("a:b", "c"), CredentialsError::ColonInName);
        assert_eq!(basic("a", "b\r\nHost: c"), CredentialsError::Text);
        assert_eq!(Credentials::Bearer("a b".into()).field_value(), Err(CredentialsError::Token));
    }

    #[test]
    fn names_and_passwords_in_urls() {
        let rows = [
            ("user:pass", basic_of("user", "pass")),
            ("user", basic_of("user", "")),
            ("", basic_of("", "")),
            ("u%40x:p%3Aq:r", basic_of("u@x", "p:q:r")),
            ("%E6%97%A5:1", basic_of("日", "1")),
            ("a%3Ab:c", Err(CredentialsError::ColonInName)),
            ("a%00", Err(CredentialsError::Text)),
            ("a:%0d%0a", Err(CredentialsError::Text)),
            ("%ff", Err(CredentialsError::Text)),
        ];
        for (text, expected) in rows {
            assert_eq!(Credentials::from_userinfo(text), expected, "{text}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        for value in [&b"Basic dXNlcjpzZWNyZXQ="[..], b"Bearer secret"] {
            let shown = format!("{:?}", Credentials::parse(value).unwrap());
            assert!(!shown.contains("secret"), "{shown}");
        }
    }
}
