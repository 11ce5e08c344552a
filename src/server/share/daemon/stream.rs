//! Files over HTTP while they come: what is asked for is fetched before all else.
//!
//! The place of a file in the URL is its place in the torrent, so what a playlist names beside itself is found, too: a folder of the HLS packager that is shared plays from
//! here, its segments fetched from peers and web seeds alike.

use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use futures_util::TryStreamExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::Daemon;
use super::entry::bytes_of_file;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::fields::Fields;
use crate::proto::http::head::Head;
use crate::server::http::body::{Body, BoxError, Frame};
use crate::server::http::files::{Fetch, Representation, Source};
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;
use crate::server::share::client::Handle;

/// A file of a torrent that runs.
#[derive(Debug)]
struct Streamed {
    handle: Handle,
    file: usize,
}

impl Fetch for Streamed {
    fn fetch(&self, range: Range<u64>) -> Body {
        let length = range.end.saturating_sub(range.start);
        match self.handle.read(self.file, range) {
            Some(bytes) => Body::frames(bytes.map_ok(Frame::Data).map_err(BoxError::from), Some(length)),
            None => Body::frames(
                futures_util::stream::once(async { Err("the torrent is gone".into()) }),
                Some(length),
            ),
        }
    }
}

impl Daemon {
    /// Answers with a file of a torrent, by its place in it.
    ///
    /// # Errors
    /// There is no such file; or it is not all there, and the torrent does not run.
    pub(super) fn stream(&self, head: &Head, id: Sha1, path: &str) -> Result<Response, Problem> {
        let state = self.state();
        let entry = state.entries.get(&id).ok_or_else(Problem::not_found)?;
        let layout = Arc::clone(entry.layout().ok_or_else(Problem::not_found)?);
        let mut files = layout.files().iter().enumerate();
        let found = files.find(|(_, file)| !file.is_padding() && file.display_path() == path);
        let (number, file) = found.ok_or_else(Problem::not_found)?;
        let is_whole = entry.have().is_some_and(|have| bytes_of_file(&layout, number, &have) == file.length);
        let on_disk = entry.record.folder.join(file.path.iter().collect::<std::path::PathBuf>());
        let handle = entry.handle().filter(|handle| handle.have().is_some()).cloned();
        drop(state);
        let source = match handle {
            Some(handle) => Source::Fetched(Arc::new(Streamed { handle, file: number })),
            None if is_whole => {
                let opened = File::open(&on_disk).map_err(|error| Problem::internal(error.to_string()))?;
                Source::File(Arc::new(opened), self.0.lane.clone())
            }
            None => {
                let why = "the torrent does not run, and the file is not all there";
                return Err(Problem::new(StatusCode::CONFLICT, why));
            }
        };
        let mut fields = Fields::new();
        let name = file.path.last().map(String::as_str).unwrap_or_default();
        let kind = mime_guess::from_path(name).first_or_octet_stream();
        let kind = HeaderValue::try_from(kind.as_ref())
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        fields.set(CONTENT_TYPE, kind);
        // What is in a torrent never changes; but who may see it may.
        fields.set(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        // Whoever shares a page in a torrent must not act as this one.
        fields.set(
            http::header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(
                "sandbox; default-src 'none'; media-src 'self'; img-src 'self'; style-src 'unsafe-inline'",
            ),
        );
        let etag = EntityTag::strong(format!("{id}-{number}"));
        let etag = etag.map_err(|error| Problem::internal(error.to_string()))?;
        Representation { fields, etag, last_modified: None, length: file.length, source }.answer(head)
    }
}
