//! The signature of a webhook, by which its receiver knows who has sent it and when: the [Standard Webhooks](https://www.standardwebhooks.com/) specification, version 1.
//!
//! Three fields stand beside the body: [`ID`], the same at each attempt; [`TIMESTAMP`], in seconds of Unix time; and [`SIGNATURE`], `v1,` and the HMAC-SHA-256 of `ID.TIMESTAMP.BODY` in
//! base64. A receiver refuses times that are long ago, so that what was sent once cannot be sent again, and ids that it has seen. While a secret is replaced there is a signature by
//! each of them, with a space between.

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use ring::hmac;

/// The field with the name of the event.
pub const ID: &str = "webhook-id";

/// The field with the time of the attempt.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// The field with the signature.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with, as it is written.
pub const PREFIX: &str = "whsec_";

/// Bytes of a secret: 24 at least, 64 at most.
pub const SECRET: std::ops::RangeInclusive<usize> = 24..=64;

/// A text that is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is written {PREFIX} and {} to {} bytes in base64", SECRET.start(), SECRET.end())]
pub struct BadSecret;

/// The bytes of a secret, as it is written; spaces around it do not count.
///
/// # Errors
/// It is none.
pub fn secret(text: &str) -> Result<Vec<u8>, BadSecret> {
    let bytes = text.trim().strip_prefix(PREFIX).and_then(|text| BASE64.decode(text).ok());
    bytes.filter(|bytes| SECRET.contains(&bytes.len())).ok_or(BadSecret)
}

/// The value of [`SIGNATURE`], for an event of this id that is sent at this time, signed with each of these secrets.
#[must_use]
pub fn signature<S: AsRef<[u8]>>(secrets: &[S], id: &str, time: u64, body: &[u8]) -> String {
    let sign = |secret: &S| {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref()));
        context.update(format!("{id}.{time}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign()))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn the_example() {
        let key = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&[key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn everything_is_signed() {
        let one = [b"one secret of twenty-four".to_vec()];
        let good = signature(&one, "a", 5, b"{}");
        let other = [b"another secret of this length".to_vec()];
        for changed in [
            signature(&one, "b", 5, b"{}"),
            signature(&one, "a", 6, b"{}"),
            signature(&one, "a", 5, b"[]"),
            signature(&other, "a", 5, b"{}"),
        ] {
            assert_ne!(changed, good);
        }
        let both = [one[0].clone(), other[0].clone()];
        let by_other = signature(&other, "a", 5, b"{}");
        assert_eq!(
            signature(&both, "a", 5, b"{}"),
            format!("{good} {by_other}"),
            "while a secret is replaced"
        );
        assert_eq!(signature::<Vec<u8>>(&[], "a", 5, b"{}"), "");
    }

    #[test]
    fn secrets_have_a_form() {
        let written = |length: usize| format!(" {PREFIX}{}\n", BASE64.encode(vec![7; length]));
        for (text, expected) in [
            (written(24), Ok(24)),
            (written(64), Ok(64)),
            (written(23), Err(BadSecret)),
            (written(65), Err(BadSecret)),
            (String::new(), Err(BadSecret)),
            (BASE64.encode([7; 32]), Err(BadSecret)),
            (format!("{PREFIX}???"), Err(BadSecret)),
        ] {
            assert_eq!(secret(&text).map(|bytes| bytes.len()), expected, "{text:?}");
        }
    }
}
