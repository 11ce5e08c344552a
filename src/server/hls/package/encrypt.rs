//! Segments encrypted by AES-128 in CBC mode with PKCS7 padding, and the keys for it (RFC 8216bis section 4.4.4.4).
//!
//! A key holds for so many segments, in all renditions alike. It is made by chance, or derived from a secret that the user keeps, so that the same command writes the same
//! bytes again. The initialization vector is the number of the segment unless the user gave one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aes::Aes128;
use aes::cipher::array::Array;
use aes::cipher::{BlockModeEncrypt, KeyIvInit};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

use super::PackageError;
use super::output::Aside;
use crate::proto::hls::playlist::media::{Key, Method};
use crate::server::durable;
use crate::server::hls::command::package::Encryption;

/// Bytes of a block, a key and a vector.
const BLOCK: usize = 16;

/// Bytes that are encrypted and written at once.
const HELD: usize = 64 * 1024;

/// What stands for the number of a key in the URI of the user.
const NUMBER: &str = "{key}";

/// The folder of keys in the output.
const FOLDER: &str = "keys";

/// The keys of a presentation.
#[derive(Debug)]
pub(super) struct Keys {
    rotate: Option<u64>,
    iv: Option<[u8; BLOCK]>,
    /// By number: the key, and what playlists say of it.
    keys: Vec<([u8; BLOCK], Arc<Key>)>,
    /// Where players get them, if anywhere among our files.
    folder: Option<PathBuf>,
}

impl Keys {
    /// Makes keys for so many segments; `None` when nothing is to be encrypted.
    pub(super) fn make(
        wanted: &Encryption,
        segments: usize,
        aside: &Aside,
    ) -> Result<Option<Self>, PackageError> {
        if !wanted.encrypt {
            return Ok(None);
        }
        let secret = wanted.key_file.as_ref().map(secret).transpose()?;
        let count = wanted.key_rotate.map_or(1, |rotate| (segments as u64).div_ceil(rotate).max(1));
        let uri = wanted.key_uri.clone().unwrap_or_else(|| format!("../{FOLDER}/{NUMBER}.key"));
        if count > 1 && !uri.contains(NUMBER) {
            return Err(PackageError::Usage(format!("--key-rotate needs {NUMBER} in --key-uri")));
        }
        let folder: Option<PathBuf> = match (&wanted.keys_out, &wanted.key_uri, secret) {
            (Some(folder), ..) => Some(aside.within(folder).unwrap_or_else(|| folder.clone())),
            (None, None, _) => Some(aside.folder().join(FOLDER)),
            (None, Some(_), Some(_)) => None,
            (None, Some(_), None) => {
                return Err(PackageError::Usage(
                    "--key-uri needs --keys-out, where keys are put, or --key-file, which they are derived from"
                        .to_owned(),
                ));
            }
        };
        let mut keys = Vec::new();
        for number in 0..count {
            let key = match secret {
                Some(secret) if wanted.key_rotate.is_some() => derived(&secret, number),
                Some(secret) => secret,
                None => by_chance()?,
            };
            let said = Key {
                method: Method::Aes128,
                uri: Some(uri.replace(NUMBER, &number.to_string())),
                iv: wanted.iv,
                format: None,
                format_versions: None,
            };
            keys.push((key, Arc::new(said)));
        }
        Ok(Some(Self { rotate: wanted.key_rotate, iv: wanted.iv, keys, folder }))
    }

    /// Writes the keys into the folder where players get them, under other names: those of an older package are needed until the new one is in its place.
    pub(super) fn write(&self) -> Result<Staged, PackageError> {
        let mut staged = Staged(Vec::new());
        let Some(folder) = &self.folder else { return Ok(staged) };
        fs::create_dir_all(folder).map_err(|source| PackageError::write(folder, source))?;
        for (number, (key, _)) in self.keys.iter().enumerate() {
            let aside = folder.join(format!(".{number}.key.part"));
            let written = durable::write(&aside, key, durable::PUBLIC)
                .map_err(|source| PackageError::write(&aside, source));
            staged.0.push((aside, folder.join(format!("{number}.key"))));
            written?;
        }
        Ok(staged)
    }

    /// Whether the keys are a part of the package.
    pub(super) fn are_within(&self, package: &Path) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.starts_with(package))
    }

    /// The key of segment `n`.
    fn of(&self, n: usize) -> Option<&([u8; BLOCK], Arc<Key>)> {
        let number = self.rotate.map_or(0, |rotate| n as u64 / rotate.max(1));
        self.keys.get(usize::try_from(number).ok()?).or(self.keys.last())
    }

    /// What the playlist says of segment `n`.
    pub(super) fn said(&self, n: usize) -> Arc<[Arc<Key>]> {
        self.of(n).map(|(_, said)| Arc::clone(said)).into_iter().collect()
    }

    /// Encrypts what is written as segment `n`, whose number in the playlist is the same.
    pub(super) fn encrypt<W: Write>(&self, n: usize, out: W) -> Encrypted<W> {
        let key = self.of(n).map_or([0; BLOCK], |(key, _)| *key);
        let iv = self.iv.unwrap_or((n as u128).to_be_bytes());
        Encrypted::new(&key, &iv, out)
    }
}

/// Keys that are written under other names. Dropped before they are published, they are removed.
#[derive(Debug)]
pub(super) struct Staged(Vec<(PathBuf, PathBuf)>);

impl Staged {
    /// Puts the keys into their places, where those of an older package may be.
    pub(super) fn publish(mut self) -> Result<(), PackageError> {
        for (aside, path) in std::mem::take(&mut self.0) {
            durable::rename(&aside, &path).map_err(|source| PackageError::write(&path, source))?;
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (aside, _) in &self.0 {
            // What cannot be removed is written over by the next one.
            let _ = fs::remove_file(aside);
        }
    }
}

/// The key that a file holds, as it is or in hexadecimal.
fn secret(path: &PathBuf) -> Result<[u8; BLOCK], PackageError> {
    let bytes = fs::read(path).map_err(|source| PackageError::KeyFile { path: path.clone(), source })?;
    if let Ok(key) = <[u8; BLOCK]>::try_from(&bytes[..]) {
        return Ok(key);
    }
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    let is_hex = text.len() == 2 * BLOCK && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let key = u128::from_str_radix(text, 16).ok().filter(|_| is_hex);
    key.map(u128::to_be_bytes).ok_or_else(|| PackageError::NoKey(path.clone()))
}

fn derived(secret: &[u8; BLOCK], number: u64) -> [u8; BLOCK] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
    let tag = hmac::sign(&key, format!("wireworks hls key {number}").as_bytes());
    tag.as_ref().first_chunk().copied().unwrap_or(*secret)
}

fn by_chance() -> Result<[u8; BLOCK], PackageError> {
    let mut key = [0; BLOCK];
    SystemRandom::new().fill(&mut key).map_err(|_| PackageError::Chance)?;
    Ok(key)
}

/// Encrypts what is written to it.
pub(super) struct Encrypted<W> {
    cipher: cbc::Encryptor<Aes128>,
    out: W,
    held: Vec<u8>,
    written: u64,
}

impl<W: Write> Encrypted<W> {
    fn new(key: &[u8; BLOCK], iv: &[u8; BLOCK], out: W) -> Self {
        let cipher = cbc::Encryptor::new(&(*key).into(), &(*iv).into());
        Self { cipher, out, held: Vec::with_capacity(HELD + BLOCK), written: 0 }
    }

    /// Encrypts whole blocks that are held, and writes them.
    fn drain(&mut self) -> io::Result<()> {
        let whole = self.held.len() / BLOCK * BLOCK;
        let (blocks, _) = Array::slice_as_chunks_mut(&mut self.held[..whole]);
        self.cipher.encrypt_blocks(blocks);
        self.out.write_all(&self.held[..whole])?;
        self.written += whole as u64;
        self.held.drain(..whole);
        Ok(())
    }

    /// Writes the padding; returns how many bytes were written in all.
    pub(super) fn finish(mut self) -> io::Result<u64> {
        let missing = BLOCK - self.held.len() % BLOCK;
        self.held.resize(self.held.len() + missing, missing as u8);
        self.drain()?;
        Ok(self.written)
    }
}

impl<W: Write> Write for Encrypted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let size = bytes.len().min(HELD - self.held.len());
        self.held.extend_from_slice(&bytes[..size]);
        if self.held.len() >= HELD {
            self.drain()?;
        }
        Ok(size)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_older_package_stay_until_the_new_one_is_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("0.key"), "old").unwrap();
        let said = Key { method: Method::Aes128, uri: None, iv: None, format: None, format_versions: None };
        let keys = Keys {
            rotate: None,
            iv: None,
            keys: vec![([7; BLOCK], Arc::new(said))],
            folder: Some(folder.clone()),
        };
        let names = || fs::read_dir(&folder).unwrap().count();
        let staged = keys.write().unwrap();
        assert_eq!((fs::read(folder.join("0.key")).unwrap(), names()), (b"old".to_vec(), 2));
        drop(staged);
        assert_eq!((fs::read(folder.join("0.key")).unwrap(), names()), (b"old".to_vec(), 1));
        keys.write().unwrap().publish().unwrap();
        assert_eq!((fs::read(folder.join("0.key")).unwrap(), names()), ([7; BLOCK].to_vec(), 1));
        assert!(keys.are_within(dir.path()) && !keys.are_within(Path::new("/elsewhere")));
    }

    /// Encrypts in pieces of `step` bytes.
    fn encrypted(plain: &[u8], step: usize) -> Vec<u8> {
        let key = 0x0001_0203_0405_0607_0809_0a0b_0c0d_0e0f_u128.to_be_bytes();
        let mut out = Vec::new();
        let mut encrypted = Encrypted::new(&key, &[0; BLOCK], &mut out);
        for piece in plain.chunks(step) {
            encrypted.write_all(piece).unwrap();
        }
        let written = encrypted.finish().unwrap();
        assert_eq!(written, out.len() as u64);
        out
    }

    #[test]
    fn a_block_of_the_standard() {
        // FIPS 197, appendix C.1: with a vector of zeros the first block is that of the plain cipher.
        let plain = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
        let out = encrypted(&plain, 16);
        assert_eq!(out.len(), 32, "a block of padding follows");
        assert_eq!(out[..16], 0x69c4_e0d8_6a7b_0430_d8cd_b780_70b4_c55a_u128.to_be_bytes());
    }

    #[test]
    fn however_it_is_written() {
        let plain: Vec<u8> = (0..HELD * 2 + 37).map(|at| at as u8).collect();
        let whole = encrypted(&plain, plain.len());
        assert_eq!(whole.len(), (plain.len() / BLOCK + 1) * BLOCK);
        for step in [1, 15, 16, 17, 4096, HELD, HELD + 1] {
            assert!(encrypted(&plain, step) == whole, "in pieces of {step}");
        }
    }

    #[test]
    fn keys_of_a_secret() {
        let secret = [7; BLOCK];
        assert_eq!(derived(&secret, 0), derived(&secret, 0));
        assert_ne!(derived(&secret, 0), derived(&secret, 1));
        assert_ne!(derived(&secret, 0), derived(&[8; BLOCK], 0));
    }
}
