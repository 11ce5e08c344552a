//! Files of messages: where they are uploaded, and where they are seen.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::login::fields;
use super::reply::{Failure, Reply};
use super::session::Talk;
use crate::proto::chat::event;
use crate::proto::chat::json::asked::File;
use crate::server::chat::media::{Digest, Media, PATH, clean_name};

/// Files of a message at most. Discord 10, Mattermost 10.
const MAX_FILES: usize = 10;

/// How long a link counts: the browser keeps what it has seen, and the client asks again.
const LIFETIME: Duration = Duration::from_secs(6 * 3600);

impl Talk {
    fn media(&self) -> Result<&Media, Failure> {
        self.door.media.as_ref().ok_or_else(|| Failure::new("not_offered", "this server keeps no files"))
    }

    pub(super) fn upload(&self, name: &str, size: u64) -> Reply {
        let account = self.account()?.id;
        let permit = self.media()?.permit(account, Some(size), self.door.house.now());
        if permit.largest < size {
            return Err(Failure::new("too_long", format!("a file has at most {} bytes", permit.largest)));
        }
        let name = utf8_percent_encode(name, NON_ALPHANUMERIC);
        let url = format!("{PATH}?permit={}&name={name}", permit.token);
        Ok(fields([
            ("url", url.into()),
            ("token", permit.token.into()),
            ("largest", permit.largest.into()),
            ("expires", permit.expires.into()),
        ]))
    }

    pub(super) fn link(&self, digest: &str) -> Reply {
        let digest: Digest = digest.parse().map_err(|_| Failure::new("bad_request", "digest: it is none"))?;
        let now = self.door.house.now();
        let url = self.media()?.link(&digest, LIFETIME, now);
        let lifetime = u64::try_from(LIFETIME.as_millis()).unwrap_or_default();
        Ok(fields([("url", url.into()), ("expires", (now + lifetime).into())]))
    }

    /// What these files are, all of which were uploaded.
    pub(super) async fn files(&self, named: &[File]) -> Result<Vec<event::Media>, Failure> {
        if named.len() > MAX_FILES {
            return Err(Failure::new("too_long", format!("media: at most {MAX_FILES} files")));
        }
        let mut files = Vec::new();
        for file in named {
            let (digest, name) = match file {
                File::Digest(digest) => (digest, None),
                File::Named { digest, name } => (digest, Some(name)),
            };
            let found = self.media()?.describe(digest).await.map_err(|error| {
                tracing::warn!(%error, "files cannot be looked at");
                Failure::new("store_away", "the server cannot reach its files")
            })?;
            let found = found.ok_or_else(|| Failure::new("no_such_file", "there is no such file"))?;
            files.push(event::Media {
                name: name.map_or(found.name.clone(), |name| clean_name(name)),
                ..found
            });
        }
        Ok(files)
    }
}
