//! Session cookies that lead a client back to the same backend: signed, so that a client cannot choose its backend, and with an expiry time.
//!
//! A cookie says "this backend, until then", and the balancer stores nothing: any balancer with the same keys and the same scope understands it. The value
//! is a version, the backend's number, the time, and an HMAC-SHA256 (RFC 2104) over those and the scope, in URL-safe base64: 66 characters that need no quoting.
//! It is signed, not encrypted: anyone can read the number, so it should be a hash of the backend's name and not its address in clear.
//!
//! To rotate keys, put the new one first: the first key signs, all are accepted, and a ticket says when it was signed by an older one, so that
//! it can be issued again. An old key can be removed when the longest lifetime of a cookie has passed.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// The shortest key, in bytes: the length of the hash (RFC 2104, section 3).
pub const MIN_KEY: usize = 32;

/// The most keys. A forged cookie costs one HMAC for each of them, about a microsecond.
pub const MAX_KEYS: usize = 8;

/// The length of a value, in characters.
pub const LENGTH: usize = 66;

/// The version of the format, the first byte.
const VERSION: u8 = 1;

/// Version, backend and time; then the signature.
const SIGNED: usize = 1 + 8 + 8;
const WHOLE: usize = SIGNED + 32;

/// Signs and verifies cookies.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The first one signs. `ring` shows no key when it is printed.
    keys: Vec<hmac::Key>,
    scope: Vec<u8>,
}

/// Why keys are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// None is given.
    #[error("no key to sign cookies with")]
    None,
    /// More than [`MAX_KEYS`].
    #[error("{0} keys for cookies are too many, at most {MAX_KEYS}")]
    TooMany(usize),
    /// A key that is too short.
    #[error("key {number} for cookies has {length} bytes, at least {MIN_KEY} are needed")]
    TooShort {
        /// Its number, from 1.
        number: usize,
        /// Its length in bytes.
        length: usize,
    },
}

/// The content of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// The backend's number.
    pub backend: u64,
    /// When it expires; whole seconds.
    pub expires: SystemTime,
    /// It was signed by a key that is not the first: issue a new one.
    pub by_old_key: bool,
}

/// Why a cookie is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Its format is unknown.
    #[error("the cookie is malformed")]
    Malformed,
    /// Its signature is by none of the keys, or for another scope.
    #[error("the cookie's signature is wrong")]
    Forged,
    /// It has expired.
    #[error("the cookie has expired")]
    Expired,
}

impl Signer {
    /// A signer with these keys; the first one signs. A cookie is valid within its `scope`, the name of an upstream for example: there, the same
    /// number means the same backend.
    ///
    /// # Errors
    /// There is no key, there are too many, or one is too short.
    pub fn new<K: AsRef<[u8]>>(keys: &[K], scope: &[u8]) -> Result<Self, BadKeys> {
        let lengths = || keys.iter().map(|key| key.as_ref().len());
        match keys.len() {
            0 => return Err(BadKeys::None),
            count if count > MAX_KEYS => return Err(BadKeys::TooMany(count)),
            _ => {}
        }
        if let Some((number, length)) = (1..).zip(lengths()).find(|(_, length)| *length < MIN_KEY) {
            return Err(BadKeys::TooShort { number, length });
        }
        let keys = keys.iter().map(|key| hmac::Key::new(hmac::HMAC_SHA256, key.as_ref())).collect();
        Ok(Self { keys, scope: scope.to_vec() })
    }

    /// The value of a cookie for this backend, until then. Of the time, whole seconds are kept; one before 1970 has expired.
    #[must_use]
    pub fn issue(&self, backend: u64, expires: SystemTime) -> String {
        let seconds = expires.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut bytes = [0; WHOLE];
        bytes[0] = VERSION;
        bytes[1..9].copy_from_slice(&backend.to_be_bytes());
        bytes[9..SIGNED].copy_from_slice(&seconds.to_be_bytes());
        if let Some(key) = self.keys.first() {
            let message = self.message(&bytes[..SIGNED]);
            bytes[SIGNED..].copy_from_slice(hmac::sign(key, &message).as_ref());
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Verifies a cookie. The signature is compared in constant time, and nothing is used before it is verified.
    ///
    /// # Errors
    /// It is not a valid cookie, or has expired.
    pub fn read(&self, value: &[u8], now: SystemTime) -> Result<Ticket, Refused> {
        if value.len() != LENGTH {
            return Err(Refused::Malformed);
        }
        // The decoder wants room for whole groups of three.
        let mut bytes = [0; WHOLE.next_multiple_of(3)];
        let decoded = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes);
        if decoded != Ok(WHOLE) || bytes[0] != VERSION {
            return Err(Refused::Malformed);
        }
        let (signed, signature) = bytes[..WHOLE].split_at(SIGNED);
        let message = self.message(signed);
        let by = self.keys.iter().position(|key| hmac::verify(key, &message, signature).is_ok());
        let by = by.ok_or(Refused::Forged)?;
        let number =
            |at: usize| signed[at..at + 8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let expires = UNIX_EPOCH.checked_add(Duration::from_secs(number(9)));
        // A time that this system cannot express: no signer has issued it.
        let expires = expires.ok_or(Refused::Malformed)?;
        if expires <= now {
            return Err(Refused::Expired);
        }
        Ok(Ticket { backend: number(1), expires, by_old_key: by > 0 })
    }

    /// What is signed: the fields have a fixed length, so nothing can pass from them into the scope.
    fn message(&self, fields: &[u8]) -> Vec<u8> {
        [fields, &self.scope].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 32] = [1; 32];
    const TWO: [u8; 32] = [2; 32];

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn signer(keys: &[[u8; 32]], scope: &str) -> Signer {
        Signer::new(keys, scope.as_bytes()).expect("good keys")
    }

    #[test]
    fn what_is_issued_is_read() {
        let signer = signer(&[ONE], "shop");
        for backend in [0, 1, 0x0123_4567_89ab_cdef, u64::MAX] {
            for (expires, now, expected) in [
                (at(1_000), at(0), Ok(at(1_000))),
                (at(1_000), at(999), Ok(at(1_000))),
                (at(1_000), at(1_000), Err(Refused::Expired)),
                (at(1_000), at(5_000), Err(Refused::Expired)),
                (at(1_000) + Duration::from_millis(900), at(999), Ok(at(1_000))),
                (UNIX_EPOCH - Duration::from_secs(5), at(0), Err(Refused::Expired)),
                (at(1 << 40), at(1), Ok(at(1 << 40))),
            ] {
                let value = signer.issue(backend, expires);
                assert_eq!(value.len(), LENGTH);
                assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
                let expected = expected.map(|expires| Ticket { backend, expires, by_old_key: false });
                assert_eq!(signer.read(value.as_bytes(), now), expected);
            }
        }
    }

    /// Computed by Python's `hmac`, so that balancers of different versions understand each other.
    #[test]
    fn a_cookie_stays_what_it_is() {
        let value = signer(&[ONE], "shop").issue(0x0123_4567_89ab_cdef, at(1_800_000_000));
        assert_eq!(value, "AQEjRWeJq83vAAAAAGtJ0gArYvXQsJ-rlF7rjF29lCXOcQWtYhLvl35BG0KI-Z_-SA");
    }

    #[test]
    fn each_bit_counts() {
        let signer = signer(&[ONE, TWO], "shop");
        let value = signer.issue(7, at(1_000));
        let bytes = URL_SAFE_NO_PAD.decode(&value).expect("base64");
        for bit in 0..WHOLE * 8 {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 8 { Refused::Malformed } else { Refused::Forged };
            assert_eq!(
                signer.read(URL_SAFE_NO_PAD.encode(other).as_bytes(), at(0)),
                Err(expected),
                "bit {bit}"
            );
        }
    }

    #[test]
    fn what_is_none_of_ours() {
        let signer = signer(&[ONE], "shop");
        let value = signer.issue(7, at(1_000));
        for (text, expected) in [
            (String::new(), Refused::Malformed),
            ("b1".into(), Refused::Malformed),
            (value[1..].into(), Refused::Malformed),
            (format!("{value}A"), Refused::Malformed),
            (format!("{}=", &value[1..]), Refused::Malformed),
            (format!("{} ", &value[1..]), Refused::Malformed),
            (format!("\u{e9}{}", &value[2..]), Refused::Malformed),
            // Bits that no byte has are zero, or two values would mean the same.
            (format!("{}{}", &value[..LENGTH - 1], next(&value)), Refused::Malformed),
            ("A".repeat(LENGTH), Refused::Malformed), // version 0
            (format!("AQ{}", "A".repeat(LENGTH - 2)), Refused::Forged),
            ("A".repeat(1 << 20), Refused::Malformed),
        ] {
            assert_eq!(signer.read(text.as_bytes(), at(0)), Err(expected), "{text:.80}");
        }
    }

    /// The last character of the value, with the lowest of its unused bits set.
    fn next(value: &str) -> char {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let last = value.as_bytes()[LENGTH - 1];
        let number = LETTERS.iter().position(|letter| *letter == last).expect("a letter of base64");
        char::from(LETTERS[number + 1])
    }

    #[test]
    fn keys_are_rotated_and_scopes_kept_apart() {
        let (old, both, new) = (signer(&[ONE], "shop"), signer(&[TWO, ONE], "shop"), signer(&[TWO], "shop"));
        let read = |signer: &Signer, value: &str| {
            signer.read(value.as_bytes(), at(0)).map(|ticket| ticket.by_old_key)
        };
        let value = old.issue(7, at(1_000));
        assert_eq!(read(&old, &value), Ok(false));
        assert_eq!(read(&both, &value), Ok(true), "time for a new one");
        assert_eq!(read(&new, &value), Err(Refused::Forged));
        assert_eq!(read(&new, &both.issue(7, at(1_000))), Ok(false), "the first key signs");
        for scope in ["", "shop2", "sho"] {
            assert_eq!(read(&signer(&[ONE], scope), &value), Err(Refused::Forged), "{scope}");
        }
    }

    #[test]
    fn keys_that_will_not_do() {
        let keys =
            |lengths: &[usize]| -> Vec<Vec<u8>> { lengths.iter().map(|length| vec![7; *length]).collect() };
        for (lengths, expected) in [
            (&[][..], Some(BadKeys::None)),
            (&[32], None),
            (&[64, 200], None),
            (&[31], Some(BadKeys::TooShort { number: 1, length: 31 })),
            (&[32, 0], Some(BadKeys::TooShort { number: 2, length: 0 })),
            (&[32; 8], None),
            (&[32; 9], Some(BadKeys::TooMany(9))),
        ] {
            assert_eq!(Signer::new(&keys(lengths), b"").err(), expected, "{lengths:?}");
        }
        let text = BadKeys::TooShort { number: 2, length: 5 }.to_string();
        assert_eq!(text, "key 2 for cookies has 5 bytes, at least 32 are needed");
    }

    #[test]
    fn no_key_is_shown() {
        let signer = Signer::new(&[b"0123456789abcdef0123456789abcdef"], b"shop").expect("a good key");
        let text = format!("{signer:?}");
        assert!(!text.contains("0123") && !text.contains("48, 49, 50"), "{text}");
    }
}
