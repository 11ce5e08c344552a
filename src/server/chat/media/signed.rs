//! What is handed out and comes back: permits to upload, and links to files. Both are signed, and both expire.
//!
//! A permit is opaque to its bearer: account, bytes and end in big endian, then the signature, in base64url. It may be used more than once until it
//! ends, as what is uploaded is counted for its account. A link is a path and a query: whoever has it sees the file until it ends.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;

use super::digest::Digest;
use crate::proto::chat::id::{AccountId, Millis};
use crate::server::keys::Keys;

/// What the signatures are for: part of what is signed, so that neither can be taken for the other.
const PERMITS: &str = "wireworks chat media permit 1";
const LINKS: &str = "wireworks chat media link 1";

/// Bytes of a link's signature: 128 bits, which nobody guesses.
const LINK_SIGNATURE: usize = 16;

/// A permit to upload, as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Permit {
    /// What the upload has to show.
    pub token: String,
    /// Bytes of a file at most.
    pub largest: u64,
    /// Until when an upload may begin.
    pub expires: Millis,
}

/// What a permit says that was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permitted {
    pub(super) account: AccountId,
    pub(super) largest: u64,
}

/// Why a permit or a link does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotSigned {
    #[error("is not one of ours")]
    Forged,
    #[error("has expired")]
    Expired,
}

/// Makes a permit.
pub(super) fn permit(keys: &Keys, account: AccountId, largest: u64, expires: Millis) -> Permit {
    let mut bytes = Vec::with_capacity(56);
    for number in [account.0, largest, expires] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    let tag = keys.sign(PERMITS, &bytes);
    bytes.extend_from_slice(tag.as_ref());
    Permit { token: BASE64.encode(bytes), largest, expires }
}

/// Reads a permit.
pub(super) fn permitted(keys: &Keys, token: &str, now: Millis) -> Result<Permitted, NotSigned> {
    // 56 bytes, in base64.
    if token.len() != 75 {
        return Err(NotSigned::Forged);
    }
    let bytes = BASE64.decode(token).map_err(|_| NotSigned::Forged)?;
    let (numbers, signature) = bytes.split_first_chunk::<24>().ok_or(NotSigned::Forged)?;
    if signature.len() != 32 || !keys.verify(PERMITS, numbers, signature) {
        return Err(NotSigned::Forged);
    }
    let mut numbers = numbers.as_chunks::<8>().0.iter().map(|bytes| u64::from_be_bytes(*bytes));
    let mut next = || numbers.next().unwrap_or_default();
    let (account, largest, expires) = (AccountId(next()), next(), next());
    if expires <= now { Err(NotSigned::Expired) } else { Ok(Permitted { account, largest }) }
}

/// The query of a link that ends at `expires`, in seconds.
pub(super) fn link_query(keys: &Keys, digest: &Digest, expires: u64) -> String {
    let tag = keys.sign(LINKS, &link_message(digest, expires));
    let signature = BASE64.encode(tag.as_ref().get(..LINK_SIGNATURE).unwrap_or_default());
    format!("e={expires}&s={signature}")
}

/// Whether the query of a link is right.
pub(super) fn check_link(
    keys: &Keys,
    digest: &Digest,
    expires: u64,
    signature: &str,
    now: Millis,
) -> Result<(), NotSigned> {
    let signature = BASE64.decode(signature).map_err(|_| NotSigned::Forged)?;
    if signature.len() != LINK_SIGNATURE || !keys.verify(LINKS, &link_message(digest, expires), &signature) {
        return Err(NotSigned::Forged);
    }
    if expires <= now / 1000 { Err(NotSigned::Expired) } else { Ok(()) }
}

fn link_message(digest: &Digest, expires: u64) -> [u8; 40] {
    let mut message = [0; 40];
    message[..32].copy_from_slice(digest.as_bytes());
    message[32..].copy_from_slice(&expires.to_be_bytes());
    message
}

/// When a link ends that is to count for `lifetime` at least, in seconds: at the next multiple of a quarter of that. So the links to a file that are
/// asked for at about the same time are the same, and a browser that has the file does not fetch it again.
pub(super) fn link_end(now: Millis, lifetime: Duration) -> u64 {
    let step = (lifetime.as_secs() / 4).max(1);
    let earliest = now.div_ceil(1000).saturating_add(lifetime.as_secs());
    earliest.div_ceil(step).saturating_mul(step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, Keys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        (folder, keys)
    }

    #[test]
    fn a_permit_says_what_it_was_made_of_until_it_ends() {
        let (_folder, keys) = keys();
        let permit = permit(&keys, AccountId(7), 1000, 50_000);
        let expected = Permitted { account: AccountId(7), largest: 1000 };
        assert_eq!(permitted(&keys, &permit.token, 49_999), Ok(expected));
        assert_eq!(permitted(&keys, &permit.token, 50_000), Err(NotSigned::Expired));
    }

    #[test]
    fn no_other_bytes_are_a_permit() {
        let (_folder, keys) = keys();
        let token = permit(&keys, AccountId(7), 1000, 50_000).token;
        let bytes = BASE64.decode(&token).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(permitted(&keys, &BASE64.encode(changed), 0), Err(NotSigned::Forged), "bit {bit}");
        }
        let longer = format!("{token}A");
        for bad in ["", "=", &token[1..], &token[..74], &longer, &"*".repeat(75), &"\u{e9}".repeat(37)] {
            assert_eq!(permitted(&keys, bad, 0), Err(NotSigned::Forged), "{bad}");
        }
    }

    #[test]
    fn a_link_is_for_one_file_and_one_time() {
        let (_folder, keys) = keys();
        let (digest, other) = (Digest::new([7; 32]), Digest::new([8; 32]));
        let query = link_query(&keys, &digest, 1000);
        let signature = query.strip_prefix("e=1000&s=").unwrap();
        assert_eq!(check_link(&keys, &digest, 1000, signature, 999_999), Ok(()));
        assert_eq!(check_link(&keys, &digest, 1000, signature, 1_000_000), Err(NotSigned::Expired));
        for (digest, end, signature) in [
            (&other, 1000, signature),
            (&digest, 1001, signature),
            (&digest, u64::MAX, signature),
            (&digest, 1000, ""),
            (&digest, 1000, &signature[..20]),
            (&digest, 1000, "AAAAAAAAAAAAAAAAAAAAAA"),
            (&digest, 1000, "not base64, not at all"),
        ] {
            assert_eq!(
                check_link(&keys, digest, end, signature, 0),
                Err(NotSigned::Forged),
                "{end} {signature}"
            );
        }
        let (_folder, others) = self::keys();
        assert_eq!(check_link(&others, &digest, 1000, signature, 0), Err(NotSigned::Forged));
    }

    #[test]
    fn links_of_the_same_quarter_are_the_same() {
        let hour = Duration::from_secs(3600);
        for (now, end) in [(0, 3600), (1, 4500), (900_000, 4500), (900_001, 5400), (1_800_000, 5400)] {
            assert_eq!(link_end(now, hour), end, "at {now}");
        }
        assert_eq!(link_end(1500, Duration::ZERO), 2);
        assert_eq!(link_end(u64::MAX, Duration::MAX), u64::MAX);
    }
}
