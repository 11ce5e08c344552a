//! API keys, in a header field or in the query. A file contains the name and the SHA-256 of each key, so reading the file reveals no key.
//!
//! A key is looked up by a part of its hash, and compared completely in constant time. Keys must be long and random: an unsalted hash
//! does not protect passwords.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use http::{HeaderName, StatusCode};
use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use subtle::ConstantTimeEq;

use super::{Told, identify, quoted, refusal};
use crate::proto::http::amend::Amendment;
use crate::proto::http::list::FieldLines;
use crate::server::balance::log::Note;
use crate::server::http::request::Request;
use crate::server::http::response::Response;
use crate::server::watched::{Watched, WatchedError};

/// The SHA-256 of a key.
type Hash = [u8; SHA256_OUTPUT_LEN];

/// Where a request carries its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiKeyPlace {
    /// In a header field.
    Field(HeaderName),
    /// In a query parameter.
    Query(String),
}

/// The keys of a file, by the first bytes of their hashes.
#[derive(Default)]
struct Known(HashMap<[u8; 8], Vec<(Hash, Arc<str>)>>);

/// The keys of a file.
#[derive(Debug)]
pub struct ApiKeys {
    keys: Arc<Watched<Known>>,
    place: ApiKeyPlace,
    challenge: String,
    pub(super) told: Told,
}

impl ApiKeys {
    /// The keys of a file with lines `NAME:SHA-256 in hex`, which requests carry at `place`.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not of this form.
    pub fn open(path: &Path, place: ApiKeyPlace, realm: &str, told: Told) -> Result<Self, WatchedError> {
        let keys = Watched::open(path, Known::parse)?;
        Ok(Self { keys, place, challenge: format!("ApiKey realm={}", quoted(realm)), told })
    }

    pub(super) async fn admit(&self, request: Request) -> Result<Request, Response> {
        if let (ApiKeyPlace::Query(parameter), Some(note)) = (&self.place, Note::of(&request)) {
            // Not even a wrong key is for the log: it may be a right one with a slip.
            let mut amendment = Amendment::default();
            amendment.drop_parameter(parameter);
            note.journey().shown = amendment.apply(request.head()).ok();
        }
        let keys = self.keys.current().await;
        let name = self.key(&request).and_then(|key| keys.find(&key));
        let Some(name) = name else {
            return Err(refusal(StatusCode::UNAUTHORIZED, "a key is needed here", self.challenge.clone()));
        };
        let mut amendment = Amendment::default();
        match &self.place {
            _ if self.told.credential => {}
            ApiKeyPlace::Field(field) => amendment.drop_field(field.clone()),
            ApiKeyPlace::Query(parameter) => amendment.drop_parameter(parameter),
        }
        identify(request, name, &self.told, amendment)
    }

    /// The only key of the request; two would be ambiguous.
    fn key(&self, request: &Request) -> Option<Vec<u8>> {
        let one = |mut keys: Box<dyn Iterator<Item = Vec<u8>> + '_>| {
            let (key, None) = (keys.next()?, keys.next()) else { return None };
            Some(key)
        };
        match &self.place {
            ApiKeyPlace::Field(field) => {
                one(Box::new(request.head().lines(field.as_str()).map(<[u8]>::to_vec)))
            }
            ApiKeyPlace::Query(parameter) => {
                let pairs = form_urlencoded::parse(request.head().query()?.as_bytes());
                let ours = pairs.filter(|(name, _)| name == parameter);
                one(Box::new(ours.map(|(_, key)| key.into_owned().into_bytes())))
            }
        }
    }
}

impl Known {
    fn parse(text: &str) -> Result<Self, String> {
        let mut known = Self::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim_end();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let entry = line.rsplit_once(':').filter(|(name, _)| !name.is_empty());
            let entry = entry.and_then(|(name, hash)| Some((name, unhex(hash)?)));
            let (name, hash) =
                entry.ok_or_else(|| format!("line {} is not NAME:HASH, with a SHA-256 in hex", index + 1))?;
            known.0.entry(prefix(&hash)).or_default().push((hash, name.into()));
        }
        if known.0.is_empty() { Err("no line NAME:HASH".into()) } else { Ok(known) }
    }

    fn find(&self, key: &[u8]) -> Option<Arc<str>> {
        let hash: Hash = digest(&SHA256, key).as_ref().try_into().ok()?;
        let alike = self.0.get(&prefix(&hash))?;
        alike.iter().find(|(known, _)| bool::from(known.ct_eq(&hash))).map(|(_, name)| Arc::clone(name))
    }
}

fn prefix(hash: &Hash) -> [u8; 8] {
    std::array::from_fn(|index| hash[index])
}

fn unhex(text: &str) -> Option<Hash> {
    let digits = text.as_bytes();
    let digit = |at: usize| char::from(digits[at]).to_digit(16);
    if digits.len() != 2 * SHA256_OUTPUT_LEN {
        return None;
    }
    let mut hash = [0; SHA256_OUTPUT_LEN];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = u8::try_from(digit(2 * index)? * 16 + digit(2 * index + 1)?).ok()?;
    }
    Some(hash)
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.values().flatten().map(|(_, name)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of `key` and `other`.
    const LINES: &str = "# keys\n\nrobot:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683\n\
        a:b:D9298A10D1B0735837DC4BD85DAC641B0F3CEF27A47E5D53A54F2F3F5B2FCFFA\r\n";

    #[test]
    fn a_key_is_known_by_its_hash() {
        let known = Known::parse(LINES).unwrap();
        for (key, name) in [("key", Some("robot")), ("other", Some("a:b")), ("", None), ("Key", None)] {
            assert_eq!(known.find(key.as_bytes()).as_deref(), name, "{key}");
        }
    }

    #[test]
    fn what_is_no_file_of_keys() {
        let hash = &LINES[LINES.find("2c70").unwrap()..][..64];
        for (text, fault) in [
            ("# none\n".to_owned(), "no line NAME:HASH"),
            (format!("\nrobot:{}\n", &hash[1..]), "line 2 is not NAME:HASH"),
            (format!(":{hash}"), "line 1 is not"),
            (format!("robot:{}g", &hash[1..]), "line 1 is not"),
            (format!("robot:\u{e9}{}", &hash[2..]), "line 1 is not"),
            ("robot:key".into(), "line 1 is not"),
        ] {
            let error = Known::parse(&text).unwrap_err();
            assert!(error.contains(fault) && !error.contains("key"), "{error}");
        }
    }
}
