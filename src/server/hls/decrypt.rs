//! AES-128 in CBC mode with PKCS7 padding, as whole segments have it. Sections 4.4.4.4 and 5.2.

use aes::Aes128;
use bytes::Bytes;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};

/// The bytes of a segment in clear; `None` if they are not whole blocks, or not padded as they should be.
pub(in crate::server::hls) fn decrypt(bytes: &[u8], key: [u8; 16], iv: [u8; 16]) -> Option<Bytes> {
    let mut clear = bytes.to_vec();
    let length =
        Decryptor::<Aes128>::new(&key.into(), &iv.into()).decrypt_padded::<Pkcs7>(&mut clear).ok()?.len();
    clear.truncate(length);
    Some(clear.into())
}

/// The initialization vector of a segment that none is given for: its number.
pub(in crate::server::hls) fn iv_of(number: u64) -> [u8; 16] {
    u128::from(number).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_openssl_has_it() {
        // printf hello | openssl enc -aes-128-cbc -K 000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000007
        let key = std::array::from_fn(|at| at as u8);
        let cipher =
            [0xc3, 0x36, 0x9b, 0x56, 0xa9, 0x21, 0x1a, 0xbd, 0x08, 0x60, 0xbf, 0x28, 0x09, 0x48, 0xfa, 0x7a];
        assert_eq!(decrypt(&cipher, key, iv_of(7)).unwrap(), "hello");
        assert_eq!(decrypt(&cipher[..15], key, iv_of(7)), None);
        assert_eq!(decrypt(&cipher, [9; 16], iv_of(7)), None);
        assert_eq!(decrypt(b"", key, iv_of(7)), None);
    }
}
