//! Who may publish: stream keys, a secret for each stream.
//!
//! A publisher shows the key of its stream beside the name (`NAME?key=KEY` where an encoder asks for a stream key, `Authorization: Bearer KEY` in HTTP), or in
//! place of it: a key belongs to one stream, so it says which. A key is for all renditions of its stream. Without any keys anybody may publish.

use std::fmt;
use std::sync::Arc;

use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};
use percent_encoding::percent_decode_str;
use subtle::ConstantTimeEq;

use crate::proto::http::credentials::Credentials as Offered;
use crate::server::credentials::{Credentials, CredentialsError, Scheme, Secret};
use crate::server::fresh::Fresh;
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::process::Process;

/// How a key is asked for over HTTP (RFC 6750 section 3).
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"wireworks hls\"");

/// The keys of all streams.
/// Clones are the same.
#[derive(Clone, Default)]
pub struct StreamKeys(Option<Arc<Fresh<Table>>>);

/// Names of streams, and their keys.
type Table = Vec<(String, Box<[u8]>)>;

impl fmt::Debug for StreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.0.as_ref().map(|keys| Arc::clone(&keys.load())).unwrap_or_default();
        f.debug_set().entries(table.iter().map(|(name, _)| name)).finish()
    }
}

/// The key is missing, or is not that of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stream key is wrong or missing")]
pub struct WrongKey;

impl StreamKeys {
    /// Reads the values of the option: `NAME:KEY`, or the name of a file of such lines.
    ///
    /// # Errors
    /// A file cannot be read, or a line is not of this form.
    pub fn load(typed: &[Secret]) -> Result<Self, CredentialsError> {
        if typed.is_empty() {
            return Ok(Self::default());
        }
        let (files, typed) = (typed.iter().filter_map(Secret::file).collect(), typed.to_vec());
        let keys = Fresh::new(files, move || {
            let mut keys = Table::new();
            for typed in &typed {
                let credentials = Credentials::load(Scheme::StreamKey, typed)?;
                keys.extend(credentials.iter().map(|(name, key)| (name.to_owned(), key.as_bytes().into())));
            }
            Ok::<_, CredentialsError>(keys)
        })?;
        Ok(Self(Some(keys)))
    }

    /// Reads the files again when they have changed, as long as the process serves.
    pub(in crate::server::hls) fn follow(&self, process: &mut Process) {
        self.0.iter().for_each(|keys| keys.follow(process));
    }

    /// Whether anybody may publish.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.is_none()
    }

    /// The name under which somebody may publish who asks for `name`, which may be a key, and shows `key`. All keys are looked at,
    /// so that the time of the answer tells nothing.
    ///
    /// # Errors
    /// It may not.
    pub fn admit(&self, name: &str, key: Option<&str>) -> Result<String, WrongKey> {
        let Some(keys) = &self.0 else { return Ok(name.to_owned()) };
        let keys = keys.load();
        let mut found = Err(WrongKey);
        for (stream, secret) in keys.iter() {
            let shown = key.unwrap_or(name);
            let right = bool::from(secret.ct_eq(shown.as_bytes()));
            let of_stream = name
                .strip_prefix(stream.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            match key {
                Some(_) if right && of_stream => found = Ok(name),
                None if right => found = Ok(stream.as_str()),
                _ => {}
            }
        }
        found.map(str::to_owned)
    }

    /// Lets a request publish the stream `name`, or a rendition of it, by the key that it shows: behind `Bearer`, or as `key` in the query, for clients
    /// that send no fields.
    ///
    /// # Errors
    /// 401 when it shows none, or a wrong one.
    pub fn admit_request(&self, name: &str, request: &Request) -> Result<(), Problem> {
        if self.is_open() {
            return Ok(());
        }
        let offered = request.field("authorization").map(|value| Offered::parse(value.as_bytes()));
        let shown = match offered {
            Some(Ok(Offered::Bearer(token))) => Some(token),
            _ => shown_in(request.head().query().unwrap_or_default()),
        };
        match self.admit(name, Some(&shown.unwrap_or_default())) {
            Ok(_) => Ok(()),
            Err(wrong) => {
                Err(Problem::new(StatusCode::UNAUTHORIZED, wrong.to_string())
                    .with(WWW_AUTHENTICATE, CHALLENGE))
            }
        }
    }
}

/// The key in a query. A plus sign is one: keys are typed as they are, and not as forms have them.
pub(in crate::server::hls) fn shown_in(query: &str) -> Option<String> {
    let shown = query.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    Some(percent_decode_str(shown).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::http::testing::request;

    #[test]
    fn keys_are_shown_over_http() {
        let keys = StreamKeys::load(&[Secret::from("stage:s3 cret+".to_owned())]).unwrap();
        let plain = StreamKeys::load(&[Secret::from("stage:s3cret".to_owned())]).unwrap();
        for (keys, name, line, field, expected) in [
            (&plain, "stage", "PUT /live/stage", Some("Bearer s3cret"), true),
            (&plain, "stage/720p", "PUT /live/stage/720p", Some("Bearer s3cret"), true),
            (&plain, "stage", "PUT /live/stage", Some("Bearer wrong"), false),
            (&plain, "stage", "PUT /live/stage", Some("Basic c3RhZ2U6czNjcmV0"), false),
            (&plain, "other", "PUT /live/other", Some("Bearer s3cret"), false),
            (&plain, "stage", "PUT /live/stage", None, false),
            (&plain, "s3cret", "PUT /live/s3cret", None, false),
            (&plain, "stage", "PUT /live/stage?key=s3cret", None, true),
            (&keys, "stage", "PUT /live/stage?x=1&key=s3%20cret+", None, true),
            (&StreamKeys::default(), "stage", "PUT /live/stage", None, true),
        ] {
            let fields: Vec<_> = field.map(|value| ("Authorization", value)).into_iter().collect();
            let admitted = keys.admit_request(name, &request(line, &fields, ""));
            assert_eq!(admitted.is_ok(), expected, "{line} {field:?}");
            assert!(admitted.err().is_none_or(|problem| problem.status() == StatusCode::UNAUTHORIZED));
        }
    }

    #[test]
    fn a_key_opens_its_stream_and_no_other() {
        let typed = ["stage:s3cret", "studio:t:wo"].map(|text| Secret::from(text.to_owned()));
        let keys = StreamKeys::load(&typed).unwrap();
        assert_eq!(format!("{keys:?}"), "{\"stage\", \"studio\"}");
        for (name, key, expected) in [
            ("stage", Some("s3cret"), Ok("stage")),
            ("stage/720p", Some("s3cret"), Ok("stage/720p")),
            ("studio", Some("t:wo"), Ok("studio")),
            ("s3cret", None, Ok("stage")),
            ("t:wo", None, Ok("studio")),
            ("stage", None, Err(WrongKey)),
            ("stage", Some(""), Err(WrongKey)),
            ("stage", Some("s3cre"), Err(WrongKey)),
            ("stage", Some("t:wo"), Err(WrongKey)),
            ("stages", Some("s3cret"), Err(WrongKey)),
            ("s3cret", Some("s3cret"), Err(WrongKey)),
            ("", Some("s3cret"), Err(WrongKey)),
            ("", None, Err(WrongKey)),
        ] {
            assert_eq!(keys.admit(name, key), expected.map(str::to_owned), "{name} {key:?}");
        }
        let open = StreamKeys::default();
        for key in [None, Some("thing")] {
            assert_eq!(open.admit("any", key).as_deref(), Ok("any"));
        }
    }

    #[test]
    fn keys_are_read_from_files_and_never_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, "# streams\nstage:one\n\nstage:two\n").unwrap();
        let keys = StreamKeys::load(&[Secret::from(path.to_str().unwrap().to_owned())]).unwrap();
        for key in ["one", "two"] {
            assert_eq!(keys.admit("stage", Some(key)).as_deref(), Ok("stage"));
        }
        std::fs::write(&path, "stage:three\n").unwrap();
        keys.0.as_ref().unwrap().reread();
        assert_eq!(keys.admit("stage", Some("three")).as_deref(), Ok("stage"));
        assert_eq!(keys.admit("stage", Some("one")), Err(WrongKey));
        for bad in ["stage:", ":key", "stage"] {
            let error = StreamKeys::load(&[Secret::from(bad.to_owned())]).unwrap_err().to_string();
            assert!(error.contains("--stream-key") && !error.contains(bad), "{error}");
        }
    }
}
