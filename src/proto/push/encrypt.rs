//! The body of a web push, encrypted for one browser: RFC 8291, in the form of RFC 8188 (`Content-Encoding: aes128gcm`) with one record.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::hmac;

use super::PublicKey;

/// Bytes of a message at most, so that its body has at most 4096: RFC 8291, section 4.
pub const MAX_TEXT: usize = RECORD as usize - HEADER - 1 - TAG;

/// The size of the record, which is larger than what is in it: RFC 8291, section 4.
const RECORD: u32 = 4096;

/// A salt, the size of the record, and a key with its length: RFC 8188, section 2.1.
const HEADER: usize = 16 + 4 + 1 + 65;

/// Bytes that AES-128-GCM adds.
const TAG: usize = 16;

/// Who reads a message: what a browser has told when it subscribed (`PushSubscription.getKey()`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Its public key, `p256dh`.
    pub key: PublicKey,
    /// The secret that it shares with this server, `auth`.
    pub auth: [u8; 16],
}

/// What a message is encrypted with, fresh for each message.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The public key of this message.
    pub key: &'a PublicKey,
    /// What Diffie-Hellman over P-256 makes of its private key and the reader's public key.
    pub shared: &'a [u8; 32],
    /// 16 random bytes.
    pub salt: &'a [u8; 16],
}

/// The message is longer than [`MAX_TEXT`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a push message has at most {MAX_TEXT} bytes")]
pub struct TooLong;

/// The body of a web push.
///
/// # Errors
/// The message is too long.
pub fn seal(text: &[u8], sender: Sender<'_>, reader: &Reader) -> Result<Vec<u8>, TooLong> {
    if text.len() > MAX_TEXT {
        return Err(TooLong);
    }
    // RFC 8291, section 3.4: the keys of both and their secret make the input for RFC 8188.
    let secret = mac(&reader.auth, &[sender.shared]);
    let input = mac(&secret, &[b"WebPush: info\0", &reader.key, sender.key, &[1]]);
    // RFC 8188, sections 2.2 and 2.3.
    let random = mac(sender.salt, &[&input]);
    let key = mac(&random, &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = mac(&random, &[b"Content-Encoding: nonce\0", &[1]]);

    // RFC 8188, section 2: behind the text of the last record stands a 2.
    let mut record = [text, &[2]].concat();
    // It fails for keys of another length, and for texts of gigabytes.
    let sealing = UnboundKey::new(&AES_128_GCM, &key[..16]).map(LessSafeKey::new).map_err(|_| TooLong)?;
    let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).map_err(|_| TooLong)?;
    sealing.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).map_err(|_| TooLong)?;

    let mut body = Vec::with_capacity(HEADER + record.len());
    body.extend_from_slice(sender.salt);
    body.extend_from_slice(&RECORD.to_be_bytes());
    body.push(65);
    body.extend_from_slice(sender.key);
    body.extend_from_slice(&record);
    Ok(body)
}

/// HKDF with SHA-256 (RFC 5869): both of its steps, as long as no more than 32 bytes are wanted.
fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    parts.iter().for_each(|part| context.update(part));
    let mut bytes = [0; 32];
    bytes.iter_mut().zip(context.sign().as_ref()).for_each(|(to, from)| *to = *from);
    bytes
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        BASE64.decode(text).unwrap().try_into().unwrap()
    }

    /// RFC 8291, section 5 and appendix A.
    #[test]
    fn the_example() {
        let reader = Reader {
            key: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let key =
            bytes("BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8");
        let shared = bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let sender = Sender { key: &key, shared: &shared, salt: &salt };
        let body = seal(b"When I grow up, I want to be a watermelon", sender, &reader).unwrap();
        assert_eq!(
            BASE64.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn lengths() {
        let reader = Reader { key: [4; 65], auth: [1; 16] };
        let sender = Sender { key: &[4; 65], shared: &[2; 32], salt: &[3; 16] };
        assert_eq!(MAX_TEXT, 3993, "RFC 8291, section 4");
        for length in [0, 1, MAX_TEXT] {
            let body = seal(&vec![b'x'; length], sender, &reader).unwrap();
            assert_eq!(body.len(), HEADER + length + 1 + TAG);
        }
        assert_eq!(seal(&[0; MAX_TEXT + 1], sender, &reader), Err(TooLong));
    }

    /// Whatever is another makes another key.
    #[test]
    fn everything_counts() {
        let reader = Reader { key: [4; 65], auth: [1; 16] };
        let sender = Sender { key: &[4; 65], shared: &[2; 32], salt: &[3; 16] };
        let record = |sender, reader: &Reader| seal(b"text", sender, reader).unwrap()[HEADER..].to_vec();
        let one = record(sender, &reader);
        for (sender, reader) in [
            (sender, Reader { key: [5; 65], ..reader }),
            (sender, Reader { auth: [2; 16], ..reader }),
            (Sender { key: &[5; 65], ..sender }, reader),
            (Sender { shared: &[3; 32], ..sender }, reader),
            (Sender { salt: &[4; 16], ..sender }, reader),
        ] {
            assert_ne!(record(sender, &reader), one, "{reader:?}");
        }
    }
}
