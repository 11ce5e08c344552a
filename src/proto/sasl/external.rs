//! EXTERNAL (RFC 4422, appendix A): the client has shown who it is already, by the certificate of its TLS connection.

use super::{MAX_NAME, Reject, text};

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// As whom it wants to act; `None` for the one to whom its certificate belongs.
    pub authzid: Option<String>,
}

impl External {
    /// Reads the only message: section A.1.
    ///
    /// # Errors
    /// It is too long, not text, or has a NUL.
    pub fn parse(message: &[u8]) -> Result<Self, Reject> {
        let authzid = text(message)?;
        if authzid.contains('\0') {
            return Err(Reject::Encoding);
        }
        if authzid.len() > MAX_NAME {
            return Err(Reject::Long);
        }
        Ok(Self { authzid: (!authzid.is_empty()).then(|| authzid.to_owned()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row<'a> = (&'a [u8], Result<Option<&'a str>, Reject>);

    #[test]
    fn messages() {
        let long = [b'x'; MAX_NAME + 1];
        let rows: [Row<'_>; 6] = [
            (b"", Ok(None)),
            // Section A.4.
            (b"fred@example.com", Ok(Some("fred@example.com"))),
            (&long[1..], Ok(std::str::from_utf8(&long[1..]).ok())),
            (b"fred\0", Err(Reject::Encoding)),
            (b"\xff", Err(Reject::Encoding)),
            (&long, Err(Reject::Long)),
        ];
        for (message, expected) in rows {
            let expected = expected.map(|authzid| External { authzid: authzid.map(str::to_owned) });
            assert_eq!(External::parse(message), expected, "{message:?}");
        }
    }
}
