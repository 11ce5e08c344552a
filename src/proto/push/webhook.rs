//! The signature of a webhook, by which its receiver knows who has sent it and when: HMAC-SHA-256 over the time and the body, in the form of Stripe's `Stripe-Signature`.
//!
//! The field says `t=TIME,v1=HEX`, where the signed text is the time in seconds of Unix time, a dot, and the body. A receiver refuses times that are long ago, so that what was sent
//! once cannot be sent again. While a secret is replaced there is a `v1` for each, the new one and the old one.

use std::fmt::Write;

use ring::hmac;

/// The field with the signature.
pub const FIELD: &str = "webhook-signature";

/// The value of the field, for a body that is sent at this time (seconds of Unix time), signed with each of these secrets.
#[must_use]
pub fn signature(secrets: &[&[u8]], time: u64, body: &[u8]) -> String {
    let mut field = format!("t={time}");
    for secret in secrets {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret));
        context.update(format!("{time}.").as_bytes());
        context.update(body);
        field.push_str(",v1=");
        for byte in context.sign().as_ref() {
            // Writing to a String cannot fail.
            let _infallible = write!(field, "{byte:02x}");
        }
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By Python's `hmac`.
    #[test]
    fn signatures() {
        let one = "b8fb0108988e096213e72f8dce9b7b6ace3124dae051c6f777a03ad1faa6cbb4";
        let empty = "b849d5a581847b281957065739df36df2463d1977ea8d6e1e4e6cf33fadc68c3";
        let rows: [(&[&[u8]], u64, &str, String); 4] = [
            (&[b"whsec"], 1_492_774_577, "{\"id\":1}", format!("t=1492774577,v1={one}")),
            (&[b""], 0, "", format!("t=0,v1={empty}")),
            (&[], 5, "x", "t=5".to_owned()),
            (&[b"whsec", b"whsec"], 1_492_774_577, "{\"id\":1}", format!("t=1492774577,v1={one},v1={one}")),
        ];
        for (secrets, time, body, expected) in rows {
            assert_eq!(signature(secrets, time, body.as_bytes()), expected);
        }
        let field = |secret: &[u8], time, body: &[u8]| signature(&[secret], time, body);
        let good = field(b"whsec", 1_492_774_577, b"{\"id\":1}");
        for other in
            [field(b"whsed", 1_492_774_577, b"{\"id\":1}"), field(b"whsec", 1_492_774_577, b"{\"id\":2}")]
        {
            assert_ne!(other, good);
        }
        let behind = |field: String| field.split_once(',').unwrap().1.to_owned();
        assert_ne!(behind(field(b"whsec", 1_492_774_578, b"{\"id\":1}")), behind(good), "the time is signed");
    }
}
