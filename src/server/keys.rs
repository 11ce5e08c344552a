//! The keys by which a server signs what it hands out, links and permits, in a file that its owner alone can read.
//!
//! There are two: new signatures are made with the first, and those of the second still count. So `Keys::rotate` ends nothing that was
//! handed out since the rotation before. The file is made at the first start, with 32 random bytes as each key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use ring::hmac::{self, HMAC_SHA256};

use super::hex;
use crate::net::random;

/// What the file begins with, so that nobody takes it for another.
const HEADING: &str = "# wireworks: keys of signed links. Keep them secret. The first one signs.";

/// Bytes of a signature that count: 128 bits.
const SHORTEST: usize = 16;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read or written.
    #[error("cannot use the keys in {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Others than its owner may read it.
    #[error("others may read the keys in {}: make them secret by chmod 600", .0.display())]
    Open(PathBuf),
    /// It does not hold two keys.
    #[error("{} does not hold two keys of 64 hexadecimal digits", .0.display())]
    Format(PathBuf),
}

/// The keys.
#[derive(Clone)]
pub(in crate::server) struct Keys {
    current: [u8; 32],
    previous: [u8; 32],
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// The keys in the file at `path`, which is made if there is none.
    ///
    /// # Errors
    /// The file cannot be read or made, others may read it, or it holds something else.
    pub(in crate::server) fn open(path: &Path) -> Result<Self, KeysError> {
        let failed = |source| KeysError::File { path: path.to_owned(), source };
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let keys = Self {
                    current: random::bytes().map_err(failed)?,
                    previous: random::bytes().map_err(failed)?,
                };
                keys.write(path).map_err(failed)?;
                return Ok(keys);
            }
            Err(error) => return Err(failed(error)),
        };
        if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
            return Err(KeysError::Open(path.to_owned()));
        }
        let mut keys = text.lines().filter(|line| !line.starts_with('#')).map(hex::decode::<32>);
        match (keys.next(), keys.next(), keys.next()) {
            (Some(Some(current)), Some(Some(previous)), None) => Ok(Self { current, previous }),
            _ => Err(KeysError::Format(path.to_owned())),
        }
    }

    /// Keys of which the first is new, and the second was the first, written to the file at `path`.
    ///
    /// # Errors
    /// The file cannot be written. It is as it was then.
    pub(in crate::server) fn rotate(&self, path: &Path) -> Result<Self, KeysError> {
        let failed = |source| KeysError::File { path: path.to_owned(), source };
        let keys = Self { current: random::bytes().map_err(failed)?, previous: self.current };
        keys.write(path).map_err(failed)?;
        Ok(keys)
    }

    /// Writes them aside, and then in the place of those that are there.
    fn write(&self, path: &Path) -> io::Result<()> {
        let aside = path.with_extension("new");
        // What an earlier attempt has left may be open to others.
        match fs::remove_file(&aside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
        let (current, previous) = (hex::encode(&self.current), hex::encode(&self.previous));
        file.write_all(format!("{HEADING}\n{current}\n{previous}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        // A name alone is one in the folder where we are.
        let folder =
            path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        folder.map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    }

    /// The signature of `message`, for one purpose: what is signed for another does not count.
    pub(in crate::server) fn sign(&self, purpose: &str, message: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&derived(&self.current, purpose));
        context.update(message);
        context.sign()
    }

    /// Whether `signature` is the first bytes, at least [`SHORTEST`] of them, of the signature of `message` by either key. The comparison takes the same time wherever they differ.
    pub(in crate::server) fn verify(&self, purpose: &str, message: &[u8], signature: &[u8]) -> bool {
        signature.len() >= SHORTEST
            && [&self.current, &self.previous].into_iter().any(|key| {
                let tag = hmac::sign(&derived(key, purpose), message);
                let expected = tag.as_ref().get(..signature.len()).unwrap_or_default();
                subtle::ConstantTimeEq::ct_eq(expected, signature).into()
            })
    }
}

/// A key for each purpose.
fn derived(key: &[u8; 32], purpose: &str) -> hmac::Key {
    let master = hmac::Key::new(HMAC_SHA256, key);
    hmac::Key::new(HMAC_SHA256, hmac::sign(&master, purpose.as_bytes()).as_ref())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn keys_are_made_once_and_kept_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let first = Keys::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let again = Keys::open(&path).unwrap();
        let tag = first.sign("a", b"message");
        assert!(again.verify("a", b"message", tag.as_ref()));
        assert!(again.verify("a", b"message", &tag.as_ref()[..16]), "a signature may be cut");
        for (purpose, message) in [("b", &b"message"[..]), ("a", b"massage")] {
            assert!(!again.verify(purpose, message, tag.as_ref()), "{purpose}");
        }
        let mut changed = tag.as_ref().to_vec();
        changed[31] ^= 1;
        assert!(!again.verify("a", b"message", &changed));
        assert!(!again.verify("a", b"message", &[]), "nor too far");
        let long = [tag.as_ref(), b"x"].concat();
        assert!(!again.verify("a", b"message", &long));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Keys::open(&path), Err(KeysError::Open(_))));
    }

    #[test]
    fn a_rotation_ends_what_is_two_rotations_old() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let first = Keys::open(&path).unwrap();
        let tag = first.sign("a", b"m");
        let second = first.rotate(&path).unwrap();
        assert!(Keys::open(&path).unwrap().verify("a", b"m", tag.as_ref()));
        assert!(!first.verify("a", b"m", second.sign("a", b"m").as_ref()));
        let third = second.rotate(&path).unwrap();
        assert!(!third.verify("a", b"m", tag.as_ref()));
    }

    #[test]
    fn what_holds_no_keys_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let key = "ab".repeat(32);
        for bad in [String::new(), key.clone(), format!("{key}\n{key}\n{key}\n"), format!("{key}\nxyz\n")] {
            fs::write(&path, &bad).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(matches!(Keys::open(&path), Err(KeysError::Format(_))), "{bad:?}");
        }
        assert!(matches!(Keys::open(&folder.path().join("no/keys")), Err(KeysError::File { .. })));
    }
}
