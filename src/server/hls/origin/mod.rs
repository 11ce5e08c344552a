//! The origin: packaged trees as they are, and plain media packaged while they are asked for.
//!
//! Each input has a name, which is the first segment of its addresses. A folder is a tree: files with the types, the caching and the
//! ranges that players want. A medium is a film: its tables are read when it is opened, so that all of its playlists are there at
//! once; a segment is cut when somebody asks for it, kept in memory for the others who will, and written nowhere. A medium
//! within a folder is a film too, below its own path. At `/` is the [player], with what there is to play.

mod film;
mod input;
mod list;
mod reply;
mod segments;
mod tree;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode};

use self::film::Film;
pub use self::input::{BadInput, Input};
pub use self::list::MAX_LISTED;
pub use self::reply::Ages;
use self::segments::Segments;
use self::tree::Tree;
use super::player::{self, Stream};
use super::vod::{self, Format, MediaError, PlanError};
use crate::net::workers::Blocking;
use crate::proto::http::path::{FilePath, encode_segment};
use crate::server::http::files::FilesError;
use crate::server::http::problem::Problem;
use crate::server::http::request::{Parts, Request};
use crate::server::http::response::{IntoResponse, Response};
use crate::server::http::router::Router;
use crate::server::metrics::Metrics;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// Bytes of segments that are kept in memory by default.
pub const MEMORY: u64 = 256 << 20;

/// What is served, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// What is served. Media with the same name are renditions of one film.
    pub inputs: Vec<Input>,
    /// What segments of films are, where the address does not say.
    pub format: Format,
    /// How long segments of films are at least.
    pub target: Duration,
    /// Bytes of segments that are kept in memory.
    pub memory: u64,
    /// How long caches keep what is served.
    pub ages: Ages,
}

impl Settings {
    /// Inputs, served by the defaults: fMP4 segments as long as the packager makes them, [`MEMORY`], and [`Ages`].
    #[must_use]
    pub fn of(inputs: Vec<Input>) -> Self {
        let vod::Settings { format, target, .. } = vod::Settings::default();
        Self { inputs, format, target, memory: MEMORY, ages: Ages::default() }
    }
}

/// Why an origin cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OriginError {
    /// Nothing is there to be served.
    #[error("there is nothing to serve: name folders or media")]
    Nothing,
    /// An input is not there.
    #[error("cannot open {}", path.display())]
    Open {
        /// The input.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Two inputs have the same name.
    #[error("two inputs are called {0}: write NAME={path} for one of them", path = .1.display())]
    Twice(String, PathBuf),
    /// A folder cannot be a rendition.
    #[error("{} is a folder: only media can be renditions of {name}", path.display())]
    Folder {
        /// The name of the film.
        name: String,
        /// The folder.
        path: PathBuf,
    },
    /// A medium cannot be read.
    #[error(transparent)]
    Media(Box<MediaError>),
    /// Media cannot be packaged, together or at all.
    #[error(transparent)]
    Plan(Box<PlanError>),
    /// A segment would take too much memory.
    #[error(
        "{name}: the segment at {begin:.3} s, {duration:.3} s long, would have {bytes} bytes, and at most {limit} are cut while somebody waits: use `wireworks hls package`, or encode with key frames more often"
    )]
    Long {
        /// The rendition.
        name: String,
        /// When the segment begins, in seconds.
        begin: f64,
        /// How long it is, in seconds.
        duration: f64,
        /// About how many bytes it has.
        bytes: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// A folder cannot be served.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl From<MediaError> for OriginError {
    fn from(error: MediaError) -> Self {
        Self::Media(Box::new(error))
    }
}

impl From<PlanError> for OriginError {
    fn from(error: PlanError) -> Self {
        Self::Plan(Box::new(error))
    }
}

/// What stands behind a name.
enum Source {
    Film(Arc<Film>),
    Tree(Arc<Tree>),
}

/// What all films need.
struct Packager {
    format: Format,
    target: Duration,
    ages: Ages,
    segments: Segments,
    blocking: Blocking,
}

/// An origin. Clones are the same one.
#[derive(Clone)]
pub struct Origin(Arc<Shared>);

struct Shared {
    sources: BTreeMap<String, Source>,
    packager: Arc<Packager>,
}

impl Origin {
    /// Opens what is to be served: films are read up to their tables, and planned. Blocks.
    ///
    /// # Errors
    /// An input is not there, is nothing that can be packaged, or has the name of another.
    pub fn open(settings: Settings, blocking: &Blocking) -> Result<Self, OriginError> {
        let Settings { inputs, format, target, memory, ages } = settings;
        let blocking = blocking.clone();
        let packager = Arc::new(Packager { format, target, ages, segments: Segments::new(memory), blocking });
        let mut sources = BTreeMap::new();
        for (name, paths) in gathered(inputs)? {
            let source = match paths.as_slice() {
                [path] if path.is_dir() => Source::Tree(Arc::new(Tree::open(&name, path, &packager)?)),
                _ => Source::Film(Arc::new(Film::open(paths, &packager)?)),
            };
            sources.insert(name, source);
        }
        Ok(Self(Arc::new(Shared { sources, packager })))
    }

    /// The player page with the list of what there is, and all inputs below their names.
    #[must_use]
    pub fn router(&self) -> Router {
        let (listed, served) = (self.clone(), self.clone());
        let router = player::routes(Router::new(), move || {
            let origin = listed.clone();
            async move { origin.streams().await }
        });
        router.fallback(move |request: Request| {
            let origin = served.clone();
            // Bodies are not wanted, and cannot be shared between threads.
            let (parts, _) = request.into_parts();
            async move { origin.0.answer(&parts).await.unwrap_or_else(IntoResponse::into_response) }
        })
    }

    /// What there is to play, by name. Folders are looked through again when somebody asks, but not again at once.
    pub async fn streams(&self) -> Vec<Stream> {
        let mut streams = Vec::new();
        for (name, source) in &self.0.sources {
            match source {
                Source::Film(_) => streams.push(Stream {
                    name: name.clone(),
                    url: format!("{name}/{}", film::MASTER),
                    live: false,
                }),
                Source::Tree(tree) => streams.extend(tree.streams().await),
            }
        }
        streams
    }

    /// Shows what becomes of requests for segments of films.
    pub fn register(&self, metrics: &Metrics) {
        let packager = Arc::clone(&self.0.packager);
        metrics.register_counter("hls_segments_served", "Segments of films that were asked for", move || {
            packager.segments.asked()
        });
        let packager = Arc::clone(&self.0.packager);
        metrics.register_counter(
            "hls_segments_cut",
            "Segments of films that were not in memory",
            move || packager.segments.cut(),
        );
        let packager = Arc::clone(&self.0.packager);
        metrics.register_gauge("hls_segments_bytes", "Bytes of segments of films in memory", move || {
            packager.segments.bytes()
        });
    }
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.sources.keys()).finish()
    }
}

impl Shared {
    async fn answer(&self, request: &Parts) -> Result<Response, Problem> {
        let head = request.head();
        match *head.method() {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Ok(Response::empty(StatusCode::NO_CONTENT).with(ALLOW, METHODS)),
            _ => {
                let refused = format!("{} is not allowed here", head.method());
                return Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, refused).with(ALLOW, METHODS));
            }
        }
        let path = FilePath::parse(head.path().as_bytes())
            .map_err(|error| Problem::bad_request(error.to_string()))?;
        let mut segments = path.segments().map(|segment| std::str::from_utf8(segment).ok());
        let name = segments.next().flatten().ok_or_else(Problem::not_found)?;
        let source = self.sources.get(name).ok_or_else(Problem::not_found)?;
        let rest: Option<Vec<&str>> = segments.collect();
        let rest = rest.ok_or_else(Problem::not_found)?;
        if rest.is_empty() {
            let page = format!("/#{}", encode_segment(name.as_bytes()));
            return Ok(Response::redirect(StatusCode::TEMPORARY_REDIRECT, &page));
        }
        match source {
            Source::Film(film) => film.answer(head, &rest).await,
            Source::Tree(tree) => tree.answer(request, &rest).await,
        }
    }
}

/// Inputs by name: media that were given the same name are together.
fn gathered(inputs: Vec<Input>) -> Result<BTreeMap<String, Vec<PathBuf>>, OriginError> {
    if inputs.is_empty() {
        return Err(OriginError::Nothing);
    }
    let mut named: BTreeMap<String, (bool, Vec<PathBuf>)> = BTreeMap::new();
    for input in inputs {
        let path = input.path().to_owned();
        let metadata = path.metadata().map_err(|source| OriginError::Open { path: path.clone(), source })?;
        let (name, chosen) = (input.name(), input.is_named());
        let (other, paths) = named.entry(name.clone()).or_insert((chosen, Vec::new()));
        if !paths.is_empty() {
            if !(chosen && *other) {
                return Err(OriginError::Twice(name, path));
            }
            if let Some(folder) = [&path, &paths[0]].into_iter().find(|path| path.is_dir()) {
                return Err(OriginError::Folder { name, path: folder.clone() });
            }
        }
        if !metadata.is_dir() && !metadata.is_file() {
            let source = std::io::Error::other("it is neither a file nor a folder");
            return Err(OriginError::Open { path, source });
        }
        paths.push(path);
    }
    Ok(named.into_iter().map(|(name, (_, paths))| (name, paths)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renditions_are_gathered_by_name_and_nothing_else_is_called_alike() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).display().to_string();
        for name in ["a.mp4", "b.mp4", "a.mov"] {
            std::fs::write(at(name), "").unwrap();
        }
        std::fs::create_dir(at("a")).unwrap();
        let gather = |inputs: &[String]| {
            let inputs = inputs.iter().map(|input| input.parse().unwrap()).collect();
            gathered(inputs)
                .map(|found| found.into_iter().map(|(name, paths)| (name, paths.len())).collect::<Vec<_>>())
        };
        let film = |name: &str| format!("film={}", at(name));
        assert_eq!(
            gather(&[film("a.mp4"), film("b.mp4"), at("b.mp4")]).unwrap(),
            [("b".into(), 1), ("film".into(), 2)]
        );
        for (inputs, expected) in [
            (vec![], "there is nothing to serve"),
            (vec![at("a.mp4"), at("a.mov")], "two inputs are called a: write NAME="),
            (vec![at("a.mp4"), format!("a={}", at("b.mp4"))], "two inputs are called a"),
            (vec![film("a.mp4"), film("a")], "is a folder: only media can be renditions of film"),
            (vec![at("none.mp4")], "cannot open"),
            (vec!["/dev/null".to_owned()], "cannot open /dev/null"),
        ] {
            let error = gather(&inputs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
