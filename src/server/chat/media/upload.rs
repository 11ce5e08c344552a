//! `PUT` or `POST /media`: one file, as the body of the request or as a part of a form.
//!
//! The permit stands in `Authorization: Bearer` or, for forms of HTML, in the query as `permit`; what the file is called stands in the query as `name`, or in the
//! form. The file goes to the disk piece by piece and is hashed on its way. What follows (location, thumbnail, storage) is done in a task of its own, so
//! that it comes to an end even if the client leaves.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Deserialize;

use super::incoming::{Arrived, Incoming};
use super::location::remove_location;
use super::name::clean_name;
use super::picture::{self, Picture};
use super::quota::{Counted, OverQuota, Quota};
use super::record::{PictureRecord, Record};
use super::signed::{Permitted, permitted};
use super::sniff::{Kind, sniff};
use super::storage::{Key, Part, StorageError};
use super::{Digest, Media, Shared, now};
use crate::net::workers::Priority;
use crate::server::http::body::Body;
use crate::server::http::multipart::{self, FormLimits};
use crate::server::http::problem::Problem;
use crate::server::http::request::Request;
use crate::server::http::response::{IntoResponse, Response};

/// Bytes that are gathered before a worker writes them: two jobs for half a megabyte, instead of one for each segment of TCP.
const GATHERED: usize = 256 * 1024;

/// Bytes of a form beside its file: heads of parts, and fields that nobody asked for.
const FORM: u64 = 64 * 1024;

/// Seconds after which a client may try again when others are in its way.
const SOON: u64 = 5;

/// What the query of an upload may say.
#[derive(Debug, Deserialize)]
struct Query {
    permit: Option<String>,
    name: Option<String>,
}

/// Where the bytes of the file come from.
enum Origin<'a> {
    Body(&'a mut Body),
    Part(multipart::Part<'a>),
}

impl Origin<'_> {
    async fn next(&mut self) -> Result<Option<Bytes>, Problem> {
        match self {
            Self::Body(body) => Ok(body.data().await.transpose()?),
            Self::Part(part) => part.chunk().await,
        }
    }
}

impl Media {
    pub(super) async fn answer_upload(self, request: Request) -> Response {
        let answer = self.upload(request).await.unwrap_or_else(IntoResponse::into_response);
        self.0.guard(answer)
    }

    async fn upload(&self, mut request: Request) -> Result<Response, Problem> {
        let shared = &self.0;
        let query: Query = request.query()?;
        let permitted = shared.permitted(&request, query.permit.as_deref())?;
        let limit = permitted.largest.min(shared.options.file);
        let form = request.field("content-type").is_some_and(is_form);
        if !form && request.body().len().is_some_and(|length| length > limit) {
            return Err(too_large(limit));
        }
        let _place =
            shared.uploads.try_acquire().map_err(|_| busy("too many files are uploaded at the moment"))?;
        let mut counted = shared.quota.begin(permitted.account, now()).map_err(over_quota)?;
        let (arrived, name) = if form {
            shared.receive_form(&mut request, limit, &mut counted).await?
        } else {
            (shared.receive(Origin::Body(request.body_mut()), limit, &mut counted).await?, None)
        };
        let kept = tokio::spawn(Arc::clone(shared).keep(arrived, counted));
        let (digest, record, new) = kept
            .await
            .map_err(|error| Problem::internal(format!("keeping a file: {error}")))?
            .map_err(storage_problem)?;
        let name = clean_name(&query.name.or(name).unwrap_or_default());
        let status = if new { StatusCode::CREATED } else { StatusCode::OK };
        Ok(Response::json(&record.media(&digest, name)).status(status))
    }
}

impl Shared {
    /// Who may upload what, by the permit that the request shows.
    fn permitted(&self, request: &Request, in_query: Option<&str>) -> Result<Permitted, Problem> {
        let scheme = |value: &str| {
            let (scheme, token) = value.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
        };
        let token =
            request.field(AUTHORIZATION.as_str()).and_then(scheme).or_else(|| in_query.map(str::to_owned));
        let refused = |detail: String| {
            Problem::new(StatusCode::UNAUTHORIZED, detail)
                .with(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
        };
        let token =
            token.ok_or_else(|| refused("an upload needs a permit, which the chat hands out".into()))?;
        permitted(&self.keys.load(), &token, now()).map_err(|error| refused(format!("the permit {error}")))
    }

    /// Takes the one file of a form, and what the form calls it.
    async fn receive_form(
        &self,
        request: &mut Request,
        limit: u64,
        counted: &mut Counted,
    ) -> Result<(Arrived, Option<String>), Problem> {
        let limits = FormLimits { part: FORM, total: limit.saturating_add(FORM), ..FormLimits::default() };
        let mut form = request.multipart(limits)?;
        let mut arrived = None;
        while let Some(part) = form.next_part().await? {
            let Some(name) = part.file_name().map(str::to_owned) else { continue };
            if arrived.is_some() {
                return Err(Problem::bad_request("the form has more than one file"));
            }
            let part = part.limit(u64::MAX);
            arrived = Some((self.receive(Origin::Part(part), limit, counted).await?, Some(name)));
        }
        arrived.ok_or_else(|| Problem::bad_request("the form has no file"))
    }

    /// Takes a file, to the disk.
    async fn receive(
        &self,
        mut origin: Origin<'_>,
        limit: u64,
        counted: &mut Counted,
    ) -> Result<Arrived, Problem> {
        let folder = self.options.folder.join("incoming");
        let mut incoming = self.work(move || Incoming::begin(&folder)).await?;
        let mut gathered = BytesMut::new();
        let mut length: u64 = 0;
        while let Some(data) = origin.next().await? {
            length = length.saturating_add(data.len() as u64);
            if length > limit {
                return Err(too_large(limit));
            }
            counted.add(data.len() as u64).map_err(over_quota)?;
            gathered.extend_from_slice(&data);
            if gathered.len() >= GATHERED {
                let bytes = gathered.split().freeze();
                incoming = self.work(move || incoming.write(&bytes).map(|()| incoming)).await?;
            }
        }
        if length == 0 {
            return Err(Problem::bad_request("the file is empty"));
        }
        self.work(move || incoming.write(&gathered).and_then(|()| incoming.finish())).await
    }

    /// Keeps a file that has arrived, and counts it: its digest, what is known of it, and whether it was not there before.
    async fn keep(
        self: Arc<Self>,
        mut arrived: Arrived,
        counted: Counted,
    ) -> Result<(Digest, Arc<Record>, bool), StorageError> {
        let kind = sniff(&arrived.header);
        if self.options.remove_location && kind.essence == "image/jpeg" {
            arrived = self.job(move || cleaned(arrived)).await?;
        }
        let digest = arrived.digest;
        // From here on the sweep does not remove it: see there.
        self.want(digest);
        let before = {
            let _shared = self.removing.read().await;
            self.record(&digest).await?
        };
        let new = before.is_none();
        let record = match before {
            Some(record) => record,
            None => Arc::new(self.keep_bytes(arrived, kind).await?),
        };
        // Of a file that was there it is written again, so that its age is counted from now on.
        let json = serde_json::to_vec(&*record).map_err(|error| StorageError::Broken(error.to_string()))?;
        self.storage.put(Key { digest, part: Part::Record }, json.into()).await?;
        self.records.insert(digest, Arc::clone(&record));
        counted.done();
        Ok((digest, record, new))
    }

    /// Keeps all of a file but its record, which this gives.
    async fn keep_bytes(&self, arrived: Arrived, kind: Kind) -> Result<Record, StorageError> {
        let digest = arrived.digest;
        let (arrived, picture) = self.look(arrived, kind).await?;
        let content = Key { digest, part: Part::Content };
        self.storage.put_file(content, arrived.path.clone(), arrived.length).await?;
        let mut record = Record { kind: kind.essence.to_owned(), size: arrived.length, picture: None };
        if let Some(Picture { dimensions: (width, height), thumbnail, thumbnail_kind }) = picture {
            let thumbnail_size = thumbnail.len() as u64;
            self.storage.put(Key { digest, part: Part::Thumbnail }, thumbnail.into()).await?;
            let thumbnail_kind = thumbnail_kind.to_owned();
            record.picture = Some(PictureRecord { width, height, thumbnail_kind, thumbnail_size });
        }
        Ok(record)
    }

    /// Looks into a picture, when its turn has come.
    async fn look(&self, arrived: Arrived, kind: Kind) -> Result<(Arrived, Option<Picture>), StorageError> {
        if !kind.essence.starts_with("image/") {
            return Ok((arrived, None));
        }
        let away = |error: tokio::sync::AcquireError| StorageError::Away(error.to_string());
        let _place = self.decoders.acquire().await.map_err(away)?;
        let limits = self.options.pictures;
        self.job(move || {
            let mut arrived = arrived;
            let picture = picture::look(&mut arrived.file, kind, limits);
            if let Err(error) = &picture {
                tracing::debug!(%error, digest = %arrived.digest, "a picture is kept without a thumbnail");
            }
            Ok((arrived, picture.ok()))
        })
        .await
    }

    /// Has a worker do something that a request waits for.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Problem> {
        self.job(work).await.map_err(storage_problem)
    }

    async fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StorageError> {
        let job = self
            .workers
            .submit(Priority::Normal, work)
            .map_err(|error| StorageError::Away(error.to_string()))?;
        let done = job.await.map_err(|error| StorageError::Broken(error.to_string()))?;
        Ok(done?)
    }
}

/// The same file without the place where it was taken.
fn cleaned(mut arrived: Arrived) -> io::Result<Arrived> {
    if remove_location(&mut arrived.file)? {
        arrived.hash_again()?;
    }
    Ok(arrived)
}

fn is_form(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("multipart/form-data")
}

fn too_large(limit: u64) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the file is larger than {limit} bytes"))
}

fn busy(detail: &str) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with(RETRY_AFTER, HeaderValue::from(SOON))
}

fn over_quota(error: OverQuota) -> Problem {
    let wait = match error {
        OverQuota::AtOnce(_) => SOON,
        OverQuota::Bytes(_) | OverQuota::Files(_) => Quota::until_tomorrow(now()),
    };
    Problem::new(StatusCode::TOO_MANY_REQUESTS, error.to_string()).with(RETRY_AFTER, HeaderValue::from(wait))
}

/// What a client is told when the storage fails.
pub(super) fn storage_problem(error: StorageError) -> Problem {
    match error {
        StorageError::Full(detail) => {
            tracing::error!(detail, "there is no room left for files");
            let detail = "there is no room left for files on this server; nothing was kept";
            Problem::new(StatusCode::INSUFFICIENT_STORAGE, detail)
        }
        StorageError::Away(detail) => {
            tracing::warn!(detail, "the storage of files is away");
            busy("files cannot be reached at the moment")
        }
        StorageError::Broken(_) => Problem::internal(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::incoming::is_full;
    use super::*;

    #[test]
    fn every_failure_of_the_storage_has_a_status() {
        for (error, status) in [
            (io::Error::from(io::ErrorKind::StorageFull), 507),
            (io::ErrorKind::QuotaExceeded.into(), 507),
            (io::ErrorKind::FileTooLarge.into(), 507),
            (io::ErrorKind::PermissionDenied.into(), 500),
        ] {
            assert!(is_full(&error) == (status == 507));
            assert_eq!(storage_problem(error.into()).status(), status);
        }
        let away = storage_problem(StorageError::Away("x".into())).into_response();
        assert_eq!((away.code().as_u16(), away.fields().find("retry-after").is_some()), (503, true));
    }

    #[test]
    fn a_form_is_told_by_its_type() {
        for (content_type, form) in [
            ("multipart/form-data; boundary=x", true),
            ("Multipart/Form-Data", true),
            ("multipart/mixed; boundary=x", false),
            ("image/png", false),
            ("", false),
        ] {
            assert_eq!(is_form(content_type), form, "{content_type}");
        }
    }
}
