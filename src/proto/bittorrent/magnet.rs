//! Magnet links: a torrent in one line (BEP 9, "magnet URI format"; BEP 53 for a choice of its files).

use std::fmt::{self, Write as _};
use std::ops::RangeInclusive;
use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::hash::{InfoHash, Sha1, Sha256};

/// Addresses of one kind, of which the first so many are used.
const MAX_ADDRESSES: usize = 256;

/// Files that can be chosen: ranges of them at most.
const MAX_RANGES: usize = 1000;

/// What is written as it is in a query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands in front of a hash of version 2: the code of SHA-256, and 32 bytes (multihash).
const MULTIHASH: &str = "1220";

/// A magnet link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Magnet {
    /// What names the torrent.
    pub hash: InfoHash,
    /// What it is called, until its metadata is there (`dn`).
    pub name: Option<String>,
    /// Trackers (`tr`).
    pub trackers: Vec<String>,
    /// Where its files are on the web (`ws`).
    pub web_seeds: Vec<String>,
    /// Peers, each `HOST:PORT` (`x.pe`).
    pub peers: Vec<String>,
    /// The files that are wanted, by number; all if there are none (`so`).
    pub select: Vec<RangeInclusive<u32>>,
}

/// Why a text is no magnet link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// It does not begin so.
    #[error("it is no magnet link: those begin with \"magnet:?\"")]
    Scheme,
    /// It names no torrent.
    #[error("it names no torrent: xt=urn:btih: or xt=urn:btmh: is missing")]
    NoHash,
    /// A name that is none.
    #[error("{0:?} is no info hash")]
    Hash(String),
    /// A choice of files that is none.
    #[error("{0:?} is no choice of files")]
    Select(String),
}

impl Magnet {
    /// One that has nothing but the name.
    #[must_use]
    pub fn of(hash: InfoHash) -> Self {
        Self {
            hash,
            name: None,
            trackers: Vec::new(),
            web_seeds: Vec::new(),
            peers: Vec::new(),
            select: Vec::new(),
        }
    }
}

impl FromStr for Magnet {
    type Err = MagnetError;

    fn from_str(text: &str) -> Result<Self, MagnetError> {
        let query = text.trim().split_at_checked(8).filter(|(head, _)| head.eq_ignore_ascii_case("magnet:?"));
        let (_, query) = query.ok_or(MagnetError::Scheme)?;
        let (mut v1, mut v2) = (None, None);
        let mut magnet = Self::of(InfoHash::V1(Sha1([0; 20])));
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            // A number tells several of one kind apart: xt.1, tr.2.
            let kind = match key.split_once('.') {
                Some(("x", "pe")) => "x.pe",
                Some((kind, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => kind,
                _ => &key,
            };
            let list = match kind {
                "tr" => &mut magnet.trackers,
                "ws" => &mut magnet.web_seeds,
                "x.pe" => &mut magnet.peers,
                "xt" => {
                    hash(&value, &mut v1, &mut v2)?;
                    continue;
                }
                "dn" => {
                    magnet.name.get_or_insert_with(|| value.into_owned());
                    continue;
                }
                "so" => {
                    magnet.select = select(&value)?;
                    continue;
                }
                _ => continue,
            };
            if !value.is_empty() && list.len() < MAX_ADDRESSES {
                list.push(value.into_owned());
            }
        }
        magnet.hash = match (v1, v2) {
            (Some(v1), Some(v2)) => InfoHash::Hybrid(v1, v2),
            (Some(v1), None) => InfoHash::V1(v1),
            (None, Some(v2)) => InfoHash::V2(v2),
            (None, None) => return Err(MagnetError::NoHash),
        };
        Ok(magnet)
    }
}

/// Takes an exact topic, if it is one of a torrent.
fn hash(topic: &str, v1: &mut Option<Sha1>, v2: &mut Option<Sha256>) -> Result<(), MagnetError> {
    let wrong = || MagnetError::Hash(topic.to_owned());
    if let Some(text) = topic.strip_prefix("urn:btih:") {
        let read = if text.len() == 32 { base32(text) } else { text.parse().ok() };
        v1.get_or_insert(read.ok_or_else(wrong)?);
    } else if let Some(text) = topic.strip_prefix("urn:btmh:") {
        let digits = text.strip_prefix(MULTIHASH).ok_or_else(wrong)?;
        v2.get_or_insert(digits.parse().map_err(|_| wrong())?);
    }
    Ok(())
}

/// The older spelling: 32 characters of 5 bits each (RFC 4648, section 6).
fn base32(text: &str) -> Option<Sha1> {
    let mut bits = 0u64;
    let mut hash = [0; 20];
    for (five, eight) in text.as_bytes().chunks(8).zip(hash.chunks_mut(5)) {
        for byte in five {
            let value = match byte.to_ascii_uppercase() {
                letter @ b'A'..=b'Z' => letter - b'A',
                digit @ b'2'..=b'7' => digit - b'2' + 26,
                _ => return None,
            };
            bits = bits << 5 | u64::from(value);
        }
        eight.copy_from_slice(&bits.to_be_bytes()[3..]);
    }
    Some(Sha1(hash))
}

/// Files by number: `0,2,4-6`.
fn select(text: &str) -> Result<Vec<RangeInclusive<u32>>, MagnetError> {
    let wrong = || MagnetError::Select(text.to_owned());
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        (first <= last).then_some(first..=last)
    };
    let ranges: Option<Vec<_>> = text.split(',').take(MAX_RANGES).map(range).collect();
    ranges.ok_or_else(wrong)
}

impl fmt::Display for Magnet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sign = '?';
        let mut part = |formatter: &mut fmt::Formatter<'_>, key: &str, value: &dyn fmt::Display| {
            write!(formatter, "{sign}{key}={value}")?;
            sign = '&';
            Ok(())
        };
        formatter.write_str("magnet:")?;
        if let Some(hash) = self.hash.v1() {
            part(formatter, "xt", &format_args!("urn:btih:{hash}"))?;
        }
        if let Some(hash) = self.hash.v2() {
            part(formatter, "xt", &format_args!("urn:btmh:{MULTIHASH}{hash}"))?;
        }
        let named = self.name.iter().map(|name| ("dn", name));
        let trackers = self.trackers.iter().map(|tracker| ("tr", tracker));
        let seeds = self.web_seeds.iter().map(|seed| ("ws", seed));
        let peers = self.peers.iter().map(|peer| ("x.pe", peer));
        for (key, value) in named.chain(trackers).chain(seeds).chain(peers) {
            part(formatter, key, &utf8_percent_encode(value, PLAIN))?;
        }
        if !self.select.is_empty() {
            let mut ranges = String::new();
            for range in &self.select {
                let comma = if ranges.is_empty() { "" } else { "," };
                write!(ranges, "{comma}{}", range.start())?;
                if range.start() < range.end() {
                    write!(ranges, "-{}", range.end())?;
                }
            }
            part(formatter, "so", &ranges)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const V2: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn links_are_read_and_written() {
        let magnet = Magnet {
            hash: InfoHash::Hybrid(V1.parse().unwrap(), V2.parse().unwrap()),
            name: Some("a b&c=ä".to_owned()),
            trackers: vec!["http://t/announce?k=1&l".to_owned(), "udp://t:80".to_owned()],
            web_seeds: vec!["http://w/".to_owned()],
            peers: vec!["10.0.0.1:6881".to_owned()],
            select: vec![0..=0, 2..=4],
        };
        let text = magnet.to_string();
        let expected = format!(
            "magnet:?xt=urn:btih:{V1}&xt=urn:btmh:1220{V2}&dn=a%20b%26c%3D%C3%A4&tr=http%3A%2F%2Ft%2Fannounce%3Fk%3D1%26l\
             &tr=udp%3A%2F%2Ft%3A80&ws=http%3A%2F%2Fw%2F&x.pe=10.0.0.1%3A6881&so=0,2-4"
        );
        assert_eq!(text, expected);
        assert_eq!(text.parse(), Ok(magnet));
    }

    #[test]
    fn other_spellings() {
        let hash = InfoHash::V1(V1.parse().unwrap());
        for text in [
            &format!("magnet:?xt=urn:btih:{}", V1.to_uppercase())[..],
            &format!("MAGNET:?dn=&xt.1=urn:btih:{V1}&xt.2=urn:sha1:abc&tr="),
            "magnet:?xt=urn:btih:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE5",
            " magnet:?xt=urn:btih:vgmt4nsha2awvor6evyxqugcnsonbwe5\n",
        ] {
            assert_eq!(text.parse::<Magnet>().map(|magnet| magnet.hash), Ok(hash), "{text}");
        }
    }

    #[test]
    fn what_is_no_link() {
        for (text, error) in [
            ("", MagnetError::Scheme),
            ("magnet:", MagnetError::Scheme),
            ("http://a/", MagnetError::Scheme),
            ("magnet:?dn=x", MagnetError::NoHash),
            ("magnet:?xt=urn:btih:abc", MagnetError::Hash("urn:btih:abc".to_owned())),
            ("magnet:?xt=urn:btmh:1220ab", MagnetError::Hash("urn:btmh:1220ab".to_owned())),
            (
                "magnet:?xt=urn:btih:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE!",
                MagnetError::Hash("urn:btih:VGMT4NSHA2AWVOR6EVYXQUGCNSONBWE!".to_owned()),
            ),
            ("magnet:?so=4-2", MagnetError::Select("4-2".to_owned())),
            ("magnet:?so=a", MagnetError::Select("a".to_owned())),
        ] {
            assert_eq!(text.parse::<Magnet>(), Err(error), "{text}");
        }
    }
}
