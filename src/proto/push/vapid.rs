//! Who sends a web push: VAPID (RFC 8292), a JSON Web Token in the field `Authorization`, signed by ES256.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::json;

use super::PublicKey;

/// Seconds for which a token is good at most: section 2.
pub const LONGEST: u64 = 24 * 3600;

/// What is to be signed by ES256: section 2. `origin` is that of the push service, such as `https://push.example.net`; `expires` is in seconds of Unix time, at most
/// [`LONGEST`] from now; `contact` is `mailto:` with an address, or a page, by which the push service can reach the operator.
#[must_use]
pub fn unsigned(origin: &str, expires: u64, contact: &str) -> String {
    let part = |value: serde_json::Value| BASE64.encode(value.to_string());
    let header = json!({ "typ": "JWT", "alg": "ES256" });
    let claims = json!({ "aud": origin, "exp": expires, "sub": contact });
    format!("{}.{}", part(header), part(claims))
}

/// The value of `Authorization`: section 3. `signature` is that of what was [`unsigned`], as r and s.
#[must_use]
pub fn authorization(unsigned: &str, signature: &[u8; 64], key: &PublicKey) -> String {
    format!("vapid t={unsigned}.{}, k={}", BASE64.encode(signature), BASE64.encode(key))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_token_in_its_field() {
        let unsigned = unsigned("https://push.example.net", 1_453_523_768, "mailto:push@example.com");
        let field = authorization(&unsigned, &[1; 64], &[4; 65]);
        let rest = field.strip_prefix("vapid t=").unwrap();
        let (token, key) = rest.split_once(", k=").unwrap();
        assert_eq!(BASE64.decode(key).unwrap(), [4; 65]);
        let parts: Vec<Vec<u8>> = token.split('.').map(|part| BASE64.decode(part).unwrap()).collect();
        let [header, claims, signature] = &parts[..] else { panic!("{token}") };
        let json = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).unwrap();
        assert_eq!(json(header), json!({ "typ": "JWT", "alg": "ES256" }));
        let expected = json!({
            "aud": "https://push.example.net", "exp": 1_453_523_768, "sub": "mailto:push@example.com",
        });
        assert_eq!(json(claims), expected);
        assert_eq!(signature, &[1; 64]);
    }

    /// What stands in the claims cannot leave them.
    #[test]
    fn quotes_are_escaped() {
        let text = unsigned("https://a", 1, "x\",\"aud\":\"https://b");
        let claims = BASE64.decode(text.split_once('.').unwrap().1).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&claims).unwrap()["aud"], "https://a");
    }
}
