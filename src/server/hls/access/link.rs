//! Signed links: who has one may watch what stands below a folder, until it expires.
//!
//! The signature is a part of the path in front of what it is for: `/~EXPIRES.DEPTH.SIGNATURE/live/stage/index.m3u8`. Playlists name their renditions
//! and segments by relative URIs, so players stay behind the signature by themselves (RFC 3986 section 5.2), no playlist is written for each
//! viewer, and a cache in between sees one address for all who have the same link.
//!
//! `EXPIRES` is the time in seconds since 1970. The first `DEPTH` parts of the path behind the signature are the folder. `SIGNATURE` is the first 16 bytes of
//! HMAC-SHA-256 over `EXPIRES`, a space and the folder with its leading slash, in base64url without padding; the key for it is HMAC-SHA-256
//! of [`PURPOSE`] by the key in the file, so that the file may sign other things, too.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use percent_encoding::percent_decode_str;

use crate::server::keys::Keys;

/// What the signatures are for.
pub const PURPOSE: &str = "wireworks hls link 1";

/// Bytes of a signature: 128 bits, which nobody guesses.
const SIGNATURE: usize = 16;

/// Parts of a folder that can be signed, at most.
const MAX_DEPTH: usize = 16;

/// What stands before a signature in a path.
const MARK: &str = "/~";

/// Why a link does not count, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLink {
    /// It was not made by these keys, or for something else.
    #[error("this link is not one of ours")]
    Forged,
    /// Its time is over.
    #[error("this link has expired")]
    Expired,
    /// No path that can be signed.
    #[error(
        "a path that begins with / can be signed, of at most {MAX_DEPTH} parts, without empty ones, . and .."
    )]
    Path,
}

/// A path that is signed, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    expires: u64,
    depth: usize,
    signature: &'a str,
    /// The path behind the signature.
    path: &'a str,
}

/// The path of a link to `path`, for all that is in the folder of it, until `expires` (seconds since 1970). A query stays where it is.
///
/// # Errors
/// It cannot be signed.
pub(in crate::server) fn sign(keys: &Keys, path: &str, expires: u64) -> Result<String, BadLink> {
    let plain = path.split('?').next().unwrap_or_default();
    let (folder, _) = plain.rsplit_once('/').ok_or(BadLink::Path)?;
    let depth = folder.split('/').count() - 1;
    if depth > MAX_DEPTH || !is_plain(plain) {
        return Err(BadLink::Path);
    }
    let tag = keys.sign(PURPOSE, message(expires, folder).as_bytes());
    let signature = BASE64.encode(tag.as_ref().get(..SIGNATURE).unwrap_or_default());
    Ok(format!("{MARK}{expires}.{depth}.{signature}{path}"))
}

impl<'a> Link<'a> {
    /// Takes a path apart; `None` if none is signed.
    ///
    /// # Errors
    /// It looks like a link, and is none.
    pub fn of(path: &'a str) -> Option<Result<Self, BadLink>> {
        let rest = path.strip_prefix(MARK)?;
        let parse = || {
            let at = rest.find('/')?;
            let mut parts = rest[..at].split('.');
            let (expires, depth, signature) = (parts.next()?, parts.next()?, parts.next()?);
            let digits = |text: &str| text.len() <= 20 && text.bytes().all(|byte| byte.is_ascii_digit());
            if parts.next().is_some() || !digits(expires) || !digits(depth) {
                return None;
            }
            Some(Self {
                expires: expires.parse().ok()?,
                depth: depth.parse().ok()?,
                signature,
                path: &rest[at..],
            })
        };
        Some(parse().ok_or(BadLink::Forged))
    }

    /// What it opens, if it is right at `now` (seconds since 1970): the path behind the signature.
    ///
    /// # Errors
    /// It is not.
    pub(in crate::server) fn open(&self, keys: &Keys, now: u64) -> Result<&'a str, BadLink> {
        let signature = BASE64.decode(self.signature).map_err(|_| BadLink::Forged)?;
        // What leads out of the folder again is not below it, whatever stands in front of it.
        if self.depth > MAX_DEPTH || signature.len() != SIGNATURE || !is_plain(self.path) {
            return Err(BadLink::Forged);
        }
        let ends = self.path.match_indices('/').map(|(at, _)| at);
        // The folder ends at the slash behind its last part, which has to be there.
        let end = ends.clone().nth(self.depth).ok_or(BadLink::Forged)?;
        let folder = &self.path[..end];
        if !keys.verify(PURPOSE, message(self.expires, folder).as_bytes(), &signature) {
            return Err(BadLink::Forged);
        }
        if self.expires <= now { Err(BadLink::Expired) } else { Ok(self.path) }
    }
}

fn message(expires: u64, folder: &str) -> String {
    format!("{expires} {folder}")
}

/// Whether each part of a path is what it looks like: none is empty but the last, and none is or hides `.`, `..` or a slash.
fn is_plain(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else { return path.is_empty() };
    let last = path.split('/').count() - 1;
    path.split('/').enumerate().all(|(at, part)| {
        let decoded = percent_decode_str(part).collect::<Vec<u8>>();
        let hidden = decoded.iter().any(|byte| matches!(byte, b'/' | b'\\' | 0));
        !hidden && decoded != b"." && decoded != b".." && (at == last || !part.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> (tempfile::TempDir, Keys) {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("keys")).unwrap();
        (folder, keys)
    }

    fn open<'a>(keys: &Keys, path: &'a str, now: u64) -> Result<&'a str, BadLink> {
        Link::of(path).unwrap()?.open(keys, now)
    }

    #[test]
    fn a_link_opens_its_folder_until_it_expires() {
        let (_folder, keys) = keys();
        let link = sign(&keys, "/live/stage/index.m3u8", 1000).unwrap();
        assert!(link.starts_with("/~1000.2.") && link.ends_with("/live/stage/index.m3u8"));
        assert_eq!(open(&keys, &link, 999), Ok("/live/stage/index.m3u8"));
        assert_eq!(open(&keys, &link, 1000), Err(BadLink::Expired));
        let base = link.strip_suffix("index.m3u8").unwrap();
        for (rest, expected) in [
            ("video/7.m4s", Ok("/live/stage/video/7.m4s")),
            ("", Ok("/live/stage/")),
            ("a%20b", Ok("/live/stage/a%20b")),
            ("../other/index.m3u8", Err(BadLink::Forged)),
            ("%2e%2e/other/index.m3u8", Err(BadLink::Forged)),
            ("..%2fother/index.m3u8", Err(BadLink::Forged)),
            ("..%5cother/index.m3u8", Err(BadLink::Forged)),
            ("./index.m3u8", Err(BadLink::Forged)),
            ("/index.m3u8", Err(BadLink::Forged)),
        ] {
            let path = format!("{base}{rest}");
            assert_eq!(open(&keys, &path, 0), expected, "{rest}");
        }
        assert_eq!(Link::of("/live/stage/index.m3u8"), None);
    }

    #[test]
    fn no_other_path_is_opened() {
        let (_folder, keys) = keys();
        let link = sign(&keys, "/live/stage/index.m3u8", 1000).unwrap();
        let signature = &link[9..31];
        let (_other, others) = self::keys();
        let foreign = sign(&others, "/live/stage/index.m3u8", 1000).unwrap();
        for path in [
            foreign,
            format!("/~1001.2.{signature}/live/stage/index.m3u8"),
            format!("/~1000.1.{signature}/live/stage/index.m3u8"),
            format!("/~1000.3.{signature}/live/stage/index.m3u8"),
            format!("/~1000.0.{signature}/live/stage/index.m3u8"),
            format!("/~1000.99999999999999999999.{signature}/live/stage/index.m3u8"),
            format!("/~1000.2.{signature}/live/stages/index.m3u8"),
            format!("/~1000.2.{signature}/live"),
            format!("/~1000.2.{}/live/stage/index.m3u8", &signature[..20]),
            format!("/~1000.2.{signature}.x/live/stage/index.m3u8"),
            format!("/~+1000.2.{signature}/live/stage/index.m3u8"),
            "/~1000.2.AAAAAAAAAAAAAAAAAAAAAA/live/stage/index.m3u8".to_owned(),
            "/~1000.2./live/stage/index.m3u8".to_owned(),
            "/~1000/live/stage/index.m3u8".to_owned(),
            "/~".to_owned(),
            "/~/".to_owned(),
        ] {
            assert_eq!(open(&keys, &path, 0), Err(BadLink::Forged), "{path}");
        }
    }

    #[test]
    fn what_can_be_signed() {
        let (_folder, keys) = keys();
        for path in ["/index.m3u8", "/", "/live/", "/a/b/c.m3u8?x=1"] {
            let link = sign(&keys, path, 10).unwrap();
            let plain = link.split('?').next().unwrap();
            assert_eq!(open(&keys, plain, 0), Ok(path.split('?').next().unwrap()), "{path}");
        }
        let deep = "/a".repeat(MAX_DEPTH + 1) + "/b";
        for path in ["", "live/x", "/live/../x", "/a//b", "/%2e/b", &deep] {
            assert_eq!(sign(&keys, path, 10), Err(BadLink::Path), "{path}");
        }
    }
}
