//! Files of a directory: GET and HEAD with all that RFC 9110 has for them.
//!
//! A request for a file that was asked for lately is answered from [`cache`](CacheLimits) without a look at the disk
//! and without waiting: a lookup, the preconditions, a reference to the content. Else the file is opened right here, which
//! costs less than a hop to another thread; only listings, and small files that the disk has to fetch first, go to the
//! blocking lane. Large files are not read at all: the connection sends them from their descriptor.
//!
//! `root` opens and never leaves the root, `find` decides what a path leads to, `entry` makes it ready to be sent,
//! `answer` weighs preconditions and ranges, `listing` writes the pages of directories. `single` is for a handler that has
//! one file to send: [`Response::file`]; `representation` for one whose content is no file of that name: [`Representation`].

mod answer;
mod cache;
mod content;
mod entry;
mod find;
mod listing;
mod options;
mod representation;
mod root;
mod single;
#[cfg(test)]
mod tests;
mod types;

pub use self::cache::CacheLimits;
pub use self::content::Fetch;
pub use self::listing::MAX_LISTED;
pub use self::options::{FilesError, FilesOptions};
pub use self::representation::{Representation, Source};
pub(super) use self::single::reply;
pub use self::types::Disposition;
pub(in crate::server) use self::types::content_type;

use std::future::ready;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{ALLOW, VARY};
use http::{HeaderValue, Method, StatusCode};

use self::cache::{Cache, Known};
use self::entry::{Entry, problem};
use self::find::{Found, FoundFile};
use self::root::{OpenError, Root};
use super::handler::{Handler, HandlerFuture};
use super::problem::Problem;
use super::request::Request;
use super::response::{IntoResponse, Response};
use crate::net::workers::Blocking;
use crate::proto::http::head::Head;
use crate::proto::http::list::FieldLines;
use crate::proto::http::negotiate::choose_type;
use crate::proto::http::path::{FilePath, PathError, encode_path};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// A handler that serves the files of a directory. Clones share one cache.
///
/// It looks at the path of the request, less [`FilesOptions::prefix`], so it suits a route `/{*path}` with one for `/`
/// beside it, a nested pair of them below the prefix, and the fallback of a router. HEAD is answered like GET, OPTIONS
/// with 204, another method with 405.
#[derive(Clone, Debug)]
pub struct Files(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    root: Arc<Root>,
    options: FilesOptions,
    cache: Cache,
    blocking: Blocking,
}

/// The time of a request, by both clocks.
#[derive(Clone, Copy, Debug)]
struct Now {
    /// For what grows old.
    instant: Instant,
    /// For dates. Of the clock that `Date` is read from, so that no other date of a reply is ahead of it.
    system: SystemTime,
}

impl Now {
    fn read() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
        Self { instant: Instant::now(), system: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds) }
    }
}

impl Files {
    /// Serves the files below `root`, which is opened now and may be moved later. Listings are made in `blocking`.
    ///
    /// # Errors
    /// The root cannot be opened, or an option makes no sense.
    pub fn new(root: &Path, options: FilesOptions, blocking: Blocking) -> Result<Self, FilesError> {
        options.check()?;
        let opened = Root::new(root, options.follow_symlinks)
            .map_err(|source| FilesError::Root { path: root.to_owned(), source })?;
        Ok(Self(Arc::new(Shared {
            root: Arc::new(opened),
            cache: Cache::new(options.cache),
            options,
            blocking,
        })))
    }
}

impl Handler for Files {
    fn handle(&self, request: Request) -> HandlerFuture<'_> {
        self.0.handle(request, Now::read())
    }
}

impl Shared {
    fn handle(&self, request: Request, now: Now) -> HandlerFuture<'_> {
        match *request.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let response = Response::empty(StatusCode::NO_CONTENT).with(ALLOW, METHODS);
                return Box::pin(ready(response));
            }
            _ => return Box::pin(ready(not_allowed(request.method()))),
        }
        let Some(path) = self.below_prefix(request.path()) else {
            return Box::pin(ready(Problem::not_found().into_response()));
        };
        // Keys are decoded paths. One that needs no decoding is its own key, if it is a key at all.
        let known = if memchr::memchr(b'%', path.as_bytes()).is_none() {
            self.cache.look(path.as_bytes(), now.instant)
        } else {
            Known::Nothing
        };
        if let Some(response) = at_once(request.head(), &known, now) {
            return Box::pin(ready(response));
        }
        // The rest of the request is not wanted, and cannot be shared between threads.
        let head = request.head;
        Box::pin(
            async move { self.open(&head, known, now).await.unwrap_or_else(IntoResponse::into_response) },
        )
    }

    /// The path without the prefix: `None` when it is outside, `/` or more otherwise, empty for the prefix itself.
    fn below_prefix<'a>(&self, path: &'a str) -> Option<&'a str> {
        let path = path.strip_prefix(self.options.prefix.as_str())?;
        (path.is_empty() || path.starts_with('/')).then_some(path)
    }

    /// Answers with a look at the disk.
    async fn open(&self, head: &Head, known: Known, now: Now) -> Result<Response, Problem> {
        let below = self.below_prefix(head.path()).unwrap_or_default();
        if below.is_empty() {
            return Ok(self.redirect("/", head));
        }
        let path = FilePath::parse(below.as_bytes()).map_err(|error| match error {
            PathError::TooLong => Problem::not_found(),
            error => Problem::bad_request(error.to_string()),
        })?;
        let key = key(&path);
        let known = match known {
            Known::Nothing => self.cache.look(&key, now.instant),
            known => known,
        };
        if let Some(response) = at_once(head, &known, now) {
            return Ok(response);
        }
        let found = self.find(&path);
        if let (Err(OpenError::Busy), Known::Stale(entry)) = (&found, &known) {
            // What was true a moment ago is better than nothing.
            return respond(head, entry, now);
        }
        let is_file = matches!(found, Ok(Found::File(_)));
        if !is_file && !matches!(known, Known::Nothing) {
            self.cache.forget(&key);
        }
        match found {
            Ok(Found::File(found)) => {
                let entry = self.ready(&key, known, found, now).await?;
                respond(head, &entry, now)
            }
            Ok(Found::Unslashed) => Ok(self.redirect(&format!("{}/", encode_path(path.relative())), head)),
            Ok(Found::Directory(dir)) => self.list(head, &path, dir, now).await,
            Err(error) => self.miss(head, error, now).await,
        }
    }

    /// The entry of a file that was found: the one that is known, if it is still true.
    async fn ready(
        &self,
        key: &[u8],
        known: Known,
        found: FoundFile,
        now: Now,
    ) -> Result<Arc<Entry>, Problem> {
        let known = match known {
            Known::Fresh(entry) | Known::Stale(entry) => Some(entry),
            Known::Nothing => None,
        };
        if let Some(entry) = known.filter(|entry| entry.is_of(&found)) {
            // The look that found it stale counts as the check.
            return Ok(entry);
        }
        let entry = Arc::new(self.prepare(found, now.system).await?);
        self.cache.keep(key, &entry, now.instant);
        Ok(entry)
    }

    /// Answers for what cannot be opened: with the page of the application, where there is one and a page is wanted.
    async fn miss(&self, head: &Head, error: OpenError, now: Now) -> Result<Response, Problem> {
        let Some(fallback) = &self.options.spa_fallback else {
            return Err(problem(error));
        };
        // `*/*` alone, which scripts and images say, is no wish for a page.
        let accept: Vec<_> = head.lines("accept").collect();
        let offered = ["application/octet-stream", "application/json", "text/html"];
        let wanted = choose_type(accept, &offered);
        if !matches!(error, OpenError::Missing) || wanted != Some("text/html") {
            return Err(problem(error).with(VARY, HeaderValue::from_static("Accept")));
        }
        let key = format!("/{fallback}").into_bytes();
        let known = self.cache.look(&key, now.instant);
        let mut response = match at_once(head, &known, now) {
            Some(response) => response,
            None => {
                let found = self.find_fallback(fallback).map_err(|error| {
                    self.cache.forget(&key);
                    problem(error)
                })?;
                let entry = self.ready(&key, known, found, now).await?;
                respond(head, &entry, now)?
            }
        };
        response.fields.append(VARY, HeaderValue::from_static("Accept"));
        Ok(response)
    }

    /// To the same place with another path, the query kept. The path has one slash at its start, so that it names no host.
    fn redirect(&self, path: &str, head: &Head) -> Response {
        let prefix = &self.options.prefix;
        let location = match head.query() {
            Some(query) => format!("{prefix}{path}?{query}"),
            None => format!("{prefix}{path}"),
        };
        Response::redirect(StatusCode::PERMANENT_REDIRECT, &location)
    }
}

/// Under what a path is kept: decoded, with a slash at the start, and at the end if it is a folder's.
fn key(path: &FilePath) -> Vec<u8> {
    let mut key = Vec::with_capacity(path.relative().len() + 2);
    key.push(b'/');
    key.extend_from_slice(path.relative());
    if path.is_folder() && key.len() > 1 {
        key.push(b'/');
    }
    key
}

/// The answer from an entry that needs no look at the disk.
fn at_once(head: &Head, known: &Known, now: Now) -> Option<Response> {
    let Known::Fresh(entry) = known else {
        return None;
    };
    let variant = entry.choose(head).filter(|variant| variant.is_intact())?;
    Some(answer::answer(head, &variant.sendable, now.system))
}

fn respond(head: &Head, entry: &Entry, now: Now) -> Result<Response, Problem> {
    entry
        .choose(head)
        .map(|variant| answer::answer(head, &variant.sendable, now.system))
        .ok_or_else(Problem::not_found)
}

fn not_allowed(method: &Method) -> Response {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not allowed here"))
        .with(ALLOW, METHODS)
        .into_response()
}
