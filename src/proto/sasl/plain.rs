//! PLAIN (RFC 4616): a name and a password in one message, `[authzid] NUL authcid NUL passwd`.
//!
//! The server compares the password with what it keeps of it, so the password is handed on [prepared](super::prepare), as both ends of
//! SCRAM have it.

use std::fmt;

use super::{MAX_NAME, Reject, text};

/// What a client says.
#[derive(Clone, PartialEq, Eq)]
pub struct Plain {
    /// As whom it wants to act; `None` for the one whose password it gives.
    pub authzid: Option<String>,
    /// Whose password it gives.
    pub name: String,
    /// The password, as it was sent.
    pub password: String,
}

impl Plain {
    /// Reads the only message: section 2.
    ///
    /// # Errors
    /// It is too long, not text, or has not two NULs with something behind each.
    pub fn parse(message: &[u8]) -> Result<Self, Reject> {
        let mut parts = text(message)?.split('\0');
        let (Some(authzid), Some(name), Some(password), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Reject::Malformed("two NULs separate three parts"));
        };
        if authzid.len() > MAX_NAME || name.len() > MAX_NAME {
            return Err(Reject::Long);
        }
        if name.is_empty() {
            return Err(Reject::Malformed("there is no name"));
        }
        if password.is_empty() {
            return Err(Reject::Malformed("there is no password"));
        }
        let authzid = (!authzid.is_empty()).then(|| authzid.to_owned());
        Ok(Self { authzid, name: name.to_owned(), password: password.to_owned() })
    }
}

/// Without the password.
impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain")
            .field("authzid", &self.authzid)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::MAX_MESSAGE;
    use super::*;

    fn plain(authzid: Option<&str>, name: &str, password: &str) -> Plain {
        Plain { authzid: authzid.map(str::to_owned), name: name.into(), password: password.into() }
    }

    #[test]
    fn good_messages() {
        let rows: [(&str, Plain); 5] = [
            // The examples of section 4.
            ("\0tim\0tanstaaftanstaaf", plain(None, "tim", "tanstaaftanstaaf")),
            ("Ursel\0Kurt\0xipj3plmq", plain(Some("Ursel"), "Kurt", "xipj3plmq")),
            // Clients of IRC often send the name twice.
            ("jilles\0jilles\0sesame", plain(Some("jilles"), "jilles", "sesame")),
            ("\0a\0,=\u{7f}\r\n", plain(None, "a", ",=\u{7f}\r\n")),
            ("\0zoë\0пароль", plain(None, "zoë", "пароль")),
        ];
        for (message, expected) in rows {
            assert_eq!(Plain::parse(message.as_bytes()), Ok(expected), "{message:?}");
        }
    }

    #[test]
    fn bad_messages() {
        let parts = Reject::Malformed("two NULs separate three parts");
        let long = "x".repeat(MAX_NAME + 1);
        let [long_name, long_authzid] = [format!("\0{long}\0x"), format!("{long}\0x\0x")];
        let longest = "x".repeat(MAX_MESSAGE + 1);
        let rows: [(&[u8], Reject); 11] = [
            (b"", parts),
            (b"tim", parts),
            (b"\0tim", parts),
            (b"\0tim\0x\0", parts),
            (b"\0\0\0", parts),
            (b"\0\0secret", Reject::Malformed("there is no name")),
            (b"\0tim\0", Reject::Malformed("there is no password")),
            (b"\0tim\0\xff", Reject::Encoding),
            (long_name.as_bytes(), Reject::Long),
            (long_authzid.as_bytes(), Reject::Long),
            (longest.as_bytes(), Reject::Long),
        ];
        for (message, expected) in rows {
            assert_eq!(Plain::parse(message), Err(expected), "{:?}", String::from_utf8_lossy(message));
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        assert!(!format!("{:?}", plain(None, "tim", "sesame")).contains("sesame"));
    }
}
