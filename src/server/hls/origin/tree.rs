//! A folder: what is packaged already, and media that are films below their own path.
//!
//! Files are sent by the [file server](Files), from memory or from their descriptors, with ranges and validators; this adds the types that
//! players expect and how long caches keep them. A playlist is looked at, since only its text says whether it stays as it is. `a/film.mp4` is the file itself,
//! `a/film.mp4/master.m3u8` the film.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::film::{self, FRESH, Film};
use super::reply::{self, Ready};
use super::{OriginError, Packager, list};
use crate::net::workers::Priority;
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::http::date;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::limits::Limits;
use crate::proto::http::parse::parse;
use crate::server::hls::kinds::{self, Kind, PLAYLIST};
use crate::server::hls::player::Stream;
use crate::server::http::body::Body;
use crate::server::http::files::{Files, FilesOptions};
use crate::server::http::handler::Handler as _;
use crate::server::http::problem::Problem;
use crate::server::http::request::{Parts, Request};
use crate::server::http::response::Response;

/// How long a list of streams is taken to be the same.
const LISTED: Duration = Duration::from_secs(2);

/// Films of one folder that are open at once.
const MAX_FILMS: usize = 64;

/// Endings of names of media that are films.
pub(super) const FILMS: &[&str] = &["mp4", "m4v", "mov"];

/// A folder that is served.
pub(super) struct Tree {
    name: String,
    /// Without symbolic links.
    root: PathBuf,
    files: Files,
    packager: Arc<Packager>,
    films: Mutex<Films>,
    /// What there was to play when somebody looked. Held by who looks; the others wait.
    listed: tokio::sync::Mutex<Option<(Instant, Vec<Stream>)>>,
}

/// Films by path.
#[derive(Default)]
struct Films {
    open: HashMap<PathBuf, Open>,
    /// Counts requests.
    time: u64,
}

struct Open {
    film: Arc<Film>,
    /// When it was asked for last, in requests.
    asked: u64,
    /// When its path was looked at last.
    looked: Instant,
}

impl Films {
    /// A film that was looked at a moment ago.
    fn known(&mut self, path: &Path) -> Option<Arc<Film>> {
        self.time += 1;
        let open = self.open.get_mut(path).filter(|open| open.looked.elapsed() < FRESH)?;
        open.asked = self.time;
        Some(Arc::clone(&open.film))
    }
}

impl Tree {
    /// Opens a folder. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn open(name: &str, path: &Path, packager: &Arc<Packager>) -> Result<Self, OriginError> {
        let root =
            path.canonicalize().map_err(|source| OriginError::Open { path: path.to_owned(), source })?;
        let options = FilesOptions { prefix: format!("/{name}"), ..FilesOptions::default() };
        let files = Files::new(&root, options, packager.blocking.clone())?;
        Ok(Self {
            name: name.to_owned(),
            root,
            files,
            packager: Arc::clone(packager),
            films: Mutex::default(),
            listed: tokio::sync::Mutex::default(),
        })
    }

    /// What there is to play, as it is or was a moment ago: each page that is open asks for it every few seconds.
    pub(super) async fn streams(self: &Arc<Self>) -> Vec<Stream> {
        let mut listed = self.listed.lock().await;
        if let Some((looked, streams)) = &*listed
            && looked.elapsed() < LISTED
        {
            return streams.clone();
        }
        let tree = Arc::clone(self);
        let look = move || list::streams(&tree.root, &tree.name);
        let Ok(job) = self.packager.blocking.submit(Priority::Low, look) else { return Vec::new() };
        let streams = job.await.unwrap_or_default();
        *listed = Some((Instant::now(), streams.clone()));
        streams
    }

    /// Answers GET or HEAD for what is at `path`, which is not empty.
    ///
    /// # Errors
    /// There is no such thing, or it cannot be made.
    pub(super) async fn answer(&self, request: &Parts, path: &[&str]) -> Result<Response, Problem> {
        let film = path.iter().position(|segment| is_film(segment)).filter(|at| at + 1 < path.len());
        if let Some(at) = film
            && let Some(found) = self.film(&path[..=at]).await?
        {
            return found.answer(request.head(), &path[at + 1..]).await;
        }
        let (media, kind) = kinds::of_name(path.last().copied().unwrap_or_default());
        if matches!(kind, Kind::Playlist { .. }) {
            return self.playlist(request).await;
        }
        let mut response = self.files.handle(again(request, true)?).await;
        let status = response.code();
        if matches!(status, StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED) {
            response.fields_mut().set(CACHE_CONTROL, self.packager.ages.cache_control(kind));
        }
        let typed = response.fields().find("content-type").map(HeaderValue::as_bytes);
        let several = typed.is_some_and(|media| media.starts_with(b"multipart/byteranges"));
        if let Some(media) = media.filter(|_| status.is_success() && !several) {
            response.fields_mut().set(CONTENT_TYPE, HeaderValue::from_static(media));
        }
        Ok(response)
    }

    async fn playlist(&self, request: &Parts) -> Result<Response, Problem> {
        let mut response = self.files.handle(again(request, false)?).await;
        if response.code() != StatusCode::OK {
            return Ok(response);
        }
        let body = std::mem::take(response.body_mut());
        let bytes = body.collect(MAX_PLAYLIST as u64).await.map_err(|error| {
            tracing::warn!(%error, "a playlist cannot be read");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this playlist cannot be read")
        })?;
        let etag = response.fields().find("etag").and_then(|tag| EntityTag::parse(tag.as_bytes()).ok());
        let etag = etag
            .map(EntityTag::into_owned)
            .ok_or_else(|| Problem::internal("a file without an entity tag"))?;
        let modified = response.fields().find("last-modified");
        let modified = modified.and_then(|value| date::parse(value.as_bytes(), std::time::SystemTime::now()));
        let kind = Kind::Playlist { complete: reply::is_complete(&bytes) };
        Ready { media: PLAYLIST, kind, bytes, etag, modified }.answer(request.head(), &self.packager.ages)
    }

    /// The film at `path`, which is opened when it is answered for. No link leads out of the folder, and none to a film within it.
    async fn film(&self, path: &[&str]) -> Result<Option<Arc<Film>>, Problem> {
        if path.iter().any(|segment| segment.starts_with('.')) {
            return Ok(None);
        }
        let mut full = self.root.clone();
        full.extend(path.iter().map(|segment| OsStr::from_bytes(segment.as_bytes())));
        if let Some(film) = self.films().known(&full) {
            return Ok(Some(film));
        }
        // The disk may be far away, so a worker looks.
        let wanted = full.clone();
        let look = move || wanted.canonicalize().is_ok_and(|real| real == wanted) && wanted.is_file();
        let job = self.packager.blocking.submit(Priority::Normal, look).map_err(|_| film::busy())?;
        let is_there = job.await.map_err(|error| film::failed(&error))?;
        let now = Instant::now();
        let mut films = self.films();
        if !is_there {
            films.open.remove(&full);
            return Ok(None);
        }
        if films.open.len() >= MAX_FILMS && !films.open.contains_key(&full) {
            let oldest = films.open.iter().min_by_key(|(_, open)| open.asked).map(|(path, _)| path.clone());
            oldest.and_then(|path| films.open.remove(&path));
        }
        films.time += 1;
        let time = films.time;
        let open = films.open.entry(full).or_insert_with_key(|path| {
            let film = Arc::new(Film::closed(vec![path.clone()], &self.packager));
            Open { film, asked: time, looked: now }
        });
        (open.asked, open.looked) = (time, now);
        Ok(Some(Arc::clone(&open.film)))
    }

    fn films(&self) -> MutexGuard<'_, Films> {
        self.films.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file of this name may be a film.
pub(super) fn is_film(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    FILMS.iter().any(|film| film.eq_ignore_ascii_case(ending))
}

/// The request once more, for the file server: as it is, or for the whole file whatever the client has of it.
fn again(request: &Parts, as_it_is: bool) -> Result<Request, Problem> {
    let mut again = request.to_request(Body::empty());
    if !as_it_is {
        let text = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", request.head().path());
        let parsed = parse(text.into(), &Limits::default());
        again.replace_head(
            parsed.map_err(|error| Problem::internal(format!("a request of our own: {error}")))?.0,
        );
    }
    Ok(again)
}
