//! Close codes and reasons (RFC 6455 sections 5.5.1 and 7.4).

use std::fmt;

use super::frame::MAX_CONTROL;
use super::reject::Reject;
use super::utf8::is_utf8;

/// Bytes of the longest reason: what a control frame holds beside the code.
pub const MAX_REASON: usize = MAX_CONTROL - 2;

/// A code that may stand in a close frame (section 7.4): one of those defined, or between 3000 and 4999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: a server goes down, or a browser leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that is not accepted, such as binary where text is expected.
    pub const UNSUPPORTED: Self = Self(1003);
    /// 1007: data that is not what its kind promises, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: against a policy.
    pub const POLICY: Self = Self(1008);
    /// 1009: a message that is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// 1010: the server did not agree to an extension that the client needs.
    pub const EXTENSION: Self = Self(1010);
    /// 1011: the server met something unexpected.
    pub const INTERNAL: Self = Self(1011);
    /// 1012: the service restarts.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got a bad answer.
    pub const BAD_GATEWAY: Self = Self(1014);

    /// The code `code`, if it may be sent. 1004, 1005, 1006 and 1015 have meanings, but must not be sent.
    #[must_use]
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0
    }

    /// What the code means, in the words of its registry; empty for codes of applications.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.0 {
            1000 => "normal closure",
            1001 => "going away",
            1002 => "protocol error",
            1003 => "unsupported data",
            1007 => "invalid payload",
            1008 => "policy violation",
            1009 => "message too big",
            1010 => "mandatory extension",
            1011 => "internal error",
            1012 => "service restart",
            1013 => "try again later",
            1014 => "bad gateway",
            _ => "",
        }
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        match self.meaning() {
            "" => Ok(()),
            meaning => write!(f, " ({meaning})"),
        }
    }
}

/// What a close frame says: a code, and a reason for people to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CloseReason {
    code: CloseCode,
    reason: Box<str>,
}

impl CloseReason {
    /// `code` and `reason`, which is cut behind the last character that fits [`MAX_REASON`].
    #[must_use]
    pub fn new(code: CloseCode, reason: &str) -> Self {
        Self { code, reason: reason[..reason.floor_char_boundary(MAX_REASON)].into() }
    }

    /// The code.
    #[must_use]
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason; mostly empty.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The payload of a close frame; `None` when it is empty.
    ///
    /// # Errors
    /// Half a code, a code that must not be sent, or a reason that is not UTF-8.
    pub fn parse(payload: &[u8]) -> Result<Option<Self>, Reject> {
        let (code, reason) = match payload {
            [] => return Ok(None),
            [_] => return Err(Reject::HalfCloseCode),
            [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
        };
        let code = CloseCode::new(code).ok_or(Reject::BadCloseCode(code))?;
        if !is_utf8(reason) {
            return Err(Reject::ReasonNotUtf8);
        }
        Ok(Some(Self::new(code, &String::from_utf8_lossy(reason))))
    }

    /// The payload of a close frame, of which the first so many bytes count.
    #[must_use]
    pub fn to_payload(&self) -> ([u8; MAX_CONTROL], usize) {
        let mut payload = [0; MAX_CONTROL];
        let size = 2 + self.reason.len();
        payload[..2].copy_from_slice(&self.code.0.to_be_bytes());
        payload[2..size].copy_from_slice(self.reason.as_bytes());
        (payload, size)
    }
}

impl From<CloseCode> for CloseReason {
    fn from(code: CloseCode) -> Self {
        Self::new(code, "")
    }
}

impl From<Reject> for CloseReason {
    fn from(reject: Reject) -> Self {
        Self::new(reject.close_code(), &reject.to_string())
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.reason {
            "" => self.code.fmt(f),
            reason => write!(f, "{}: {reason}", self.code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_that_may_be_sent() {
        let good = |code: &u16| CloseCode::new(*code).is_some();
        let all: Vec<u16> = (0..=u16::MAX).filter(good).collect();
        let expected: Vec<u16> =
            [1000, 1001, 1002, 1003].into_iter().chain(1007..=1014).chain(3000..=4999).collect();
        assert_eq!(all, expected);
    }

    #[test]
    fn payloads_both_ways() {
        for (payload, code, reason) in [
            (&b"\x03\xe8"[..], 1000, ""),
            (b"\x03\xe9bye", 1001, "bye"),
            (b"\x0f\xa0\xe2\x82\xac", 4000, "€"),
            (b"\x13\x87", 4999, ""),
        ] {
            let parsed = CloseReason::parse(payload).unwrap().unwrap();
            assert_eq!((parsed.code().get(), parsed.reason()), (code, reason));
            let (written, size) = parsed.to_payload();
            assert_eq!(&written[..size], payload);
        }
        assert_eq!(CloseReason::parse(b""), Ok(None));
    }

    #[test]
    fn payloads_that_are_wrong() {
        for (payload, reject) in [
            (&b"\x03"[..], Reject::HalfCloseCode),
            (b"\x00\x00", Reject::BadCloseCode(0)),
            (b"\x03\xe7", Reject::BadCloseCode(999)),
            (b"\x03\xec", Reject::BadCloseCode(1004)),
            (b"\x03\xed", Reject::BadCloseCode(1005)),
            (b"\x03\xee", Reject::BadCloseCode(1006)),
            (b"\x03\xf7", Reject::BadCloseCode(1015)),
            (b"\x0b\xb7", Reject::BadCloseCode(2999)),
            (b"\x13\x88", Reject::BadCloseCode(5000)),
            (b"\xff\xff", Reject::BadCloseCode(65535)),
            (b"\x03\xe8\xff", Reject::ReasonNotUtf8),
            (b"\x03\xe8\xe2\x82", Reject::ReasonNotUtf8),
        ] {
            assert_eq!(CloseReason::parse(payload), Err(reject), "{payload:02x?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = CloseReason::new(CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(reason.reason(), "é".repeat(61));
        let (_, size) = reason.to_payload();
        assert!(size <= MAX_CONTROL);
    }

    #[test]
    fn in_words() {
        assert_eq!(CloseReason::new(CloseCode::POLICY, "slow").to_string(), "1008 (policy violation): slow");
        assert_eq!(CloseReason::from(CloseCode(4001)).to_string(), "4001");
    }
}
