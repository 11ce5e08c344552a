//! A film: media that are packaged while they are asked for.
//!
//! `master.m3u8`, `FOLDER/index.m3u8`, `FOLDER/iframes.m3u8`, `FOLDER/init.mp4` and `FOLDER/00001.m4s` are what `wireworks hls package` would
//! write, byte for byte where the segments are fMP4. Below `ts/` and `fmp4/` is the same with segments of that kind. All but the segments is made when
//! the media are opened, from their tables. A second after the last look it is looked whether they are still the same, and if not they
//! are opened again; until that is done, one request opens and the others wait.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use ring::digest::{Context, SHA256};

use super::reply::Ready;
use super::segments::Key;
use super::{OriginError, Packager};
use crate::net::workers::Priority;
use crate::proto::http::etag::EntityTag;
use crate::proto::http::head::Head;
use crate::server::hex;
use crate::server::hls::kinds::{self, Kind, PLAYLIST};
use crate::server::hls::vod::{Format, Input, Media, Presentation, Settings};
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;
use crate::server::one_line;

/// The name of the multivariant playlist.
pub(super) const MASTER: &str = "master.m3u8";

/// How long media are taken to be the same without a look.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// The most bytes of a segment that is cut while somebody waits: it is made in memory. 10 s of 100 Mb/s.
const MAX_CUT: u64 = 128 << 20;

/// Numbers of opened films.
static OPENED: AtomicU64 = AtomicU64::new(0);

/// Media that are renditions of one another.
pub(super) struct Film {
    paths: Vec<PathBuf>,
    packager: Arc<Packager>,
    /// By the kind of segments.
    fmp4: Slot,
    ts: Slot,
}

/// A film, opened for one kind of segments, or not yet.
#[derive(Default)]
struct Slot {
    known: Mutex<Option<Known>>,
    /// Held by the request that opens it.
    opening: tokio::sync::Mutex<()>,
}

#[derive(Clone)]
struct Known {
    opened: Arc<Opened>,
    looked: Instant,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

/// An opened film.
struct Opened {
    number: u64,
    stamps: Vec<Stamp>,
    /// The beginning of all entity tags.
    tag: String,
    modified: Option<SystemTime>,
    presentation: Presentation,
    /// All that is not a segment, by folder (none for the multivariant playlist) and name.
    ready: BTreeMap<(String, String), Bytes>,
}

impl Film {
    /// Opens media. Blocks.
    ///
    /// # Errors
    /// They cannot be read, or not be packaged together.
    pub(super) fn open(paths: Vec<PathBuf>, packager: &Arc<Packager>) -> Result<Self, OriginError> {
        let film = Self::closed(paths, packager);
        let opened = open(&film.paths, packager.format, packager.target)?;
        film.slot(packager.format).keep(opened);
        Ok(film)
    }

    /// Media that are opened when somebody asks.
    pub(super) fn closed(paths: Vec<PathBuf>, packager: &Arc<Packager>) -> Self {
        Self { paths, packager: Arc::clone(packager), fmp4: Slot::default(), ts: Slot::default() }
    }

    fn slot(&self, format: Format) -> &Slot {
        match format {
            Format::Fmp4 => &self.fmp4,
            Format::Ts => &self.ts,
        }
    }

    /// Answers GET or HEAD for what is at `path`, which is not empty.
    ///
    /// # Errors
    /// There is no such thing, or it cannot be made.
    pub(super) async fn answer(&self, head: &Head, path: &[&str]) -> Result<Response, Problem> {
        let (format, folder, name) = place(path, self.packager.format).ok_or_else(Problem::not_found)?;
        let opened = self.opened(format).await?;
        let (_, kind) = kinds::of_name(name);
        let (bytes, kind) = match opened.ready.get(&(folder.to_owned(), name.to_owned())) {
            Some(bytes) if matches!(kind, Kind::Playlist { .. }) => {
                (bytes.clone(), Kind::Playlist { complete: true })
            }
            Some(bytes) => (bytes.clone(), Kind::Segment),
            None => {
                let (rendition, segment) = opened.segment(folder, name).ok_or_else(Problem::not_found)?;
                (self.cut(&opened, format, rendition, segment).await?, Kind::Segment)
            }
        };
        let media = kinds::of_name(name).0.unwrap_or(PLAYLIST);
        let etag = EntityTag::strong(format!("{}-{folder}-{name}", opened.tag))
            .or_else(|_| EntityTag::strong(opened.tag.clone()))
            .map_err(|error| Problem::internal(format!("an entity tag: {error}")))?;
        Ready { media, kind, bytes, etag, modified: opened.modified }.answer(head, &self.packager.ages)
    }

    /// A segment from memory, or cut by a worker.
    async fn cut(
        &self,
        opened: &Arc<Opened>,
        format: Format,
        rendition: usize,
        segment: usize,
    ) -> Result<Bytes, Problem> {
        let key = Key { film: opened.number, rendition, segment };
        let cut = async {
            let film = Arc::clone(opened);
            let job = self.packager.blocking.submit(Priority::Normal, move || {
                film.presentation.renditions().get(rendition).map(|rendition| rendition.segment(segment))
            });
            let cut = job.map_err(|_| busy())?.await.map_err(|error| failed(&error))?;
            cut.ok_or_else(Problem::not_found)?.map_err(|error| {
                // The file may have been written over, so it is looked at anew.
                self.slot(format).forget();
                failed(&error)
            })
        };
        self.packager.segments.get(key, cut).await
    }

    /// The film as its files are now.
    async fn opened(&self, format: Format) -> Result<Arc<Opened>, Problem> {
        let slot = self.slot(format);
        if let Some(opened) = slot.fresh() {
            return Ok(opened);
        }
        let opening = slot.opening.lock().await;
        if let Some(opened) = slot.fresh() {
            return Ok(opened);
        }
        let paths = self.paths.clone();
        let look = self.packager.blocking.submit(Priority::Normal, move || stamps(&paths));
        let stamps = look.map_err(|_| busy())?.await.map_err(|error| failed(&error))?;
        let stamps = stamps.map_err(|error| match error.kind() {
            ErrorKind::NotFound => Problem::not_found(),
            _ => failed(&error),
        })?;
        if let Some(opened) = slot.same(&stamps) {
            return Ok(opened);
        }
        let (paths, target) = (self.paths.clone(), self.packager.target);
        let job = self.packager.blocking.submit(Priority::Normal, move || open(&paths, format, target));
        let opened = job
            .map_err(|_| busy())?
            .await
            .map_err(|error| failed(&error))?
            .map_err(|error| failed(&error))?;
        let opened = slot.keep(opened);
        drop(opening);
        Ok(opened)
    }
}

impl Slot {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The film, if it was looked at lately.
    fn fresh(&self) -> Option<Arc<Opened>> {
        let known = self.lock();
        known.as_ref().filter(|known| known.looked.elapsed() < FRESH).map(|known| Arc::clone(&known.opened))
    }

    /// The film, if its files are like this; that was a look.
    fn same(&self, stamps: &[Stamp]) -> Option<Arc<Opened>> {
        let mut known = self.lock();
        let known = known.as_mut().filter(|known| known.opened.stamps == stamps)?;
        known.looked = Instant::now();
        Some(Arc::clone(&known.opened))
    }

    fn keep(&self, opened: Opened) -> Arc<Opened> {
        let opened = Arc::new(opened);
        *self.lock() = Some(Known { opened: Arc::clone(&opened), looked: Instant::now() });
        opened
    }

    fn forget(&self) {
        *self.lock() = None;
    }
}

impl Opened {
    /// Which rendition and which segment a name stands for.
    fn segment(&self, folder: &str, name: &str) -> Option<(usize, usize)> {
        let renditions = self.presentation.renditions();
        let at = renditions.iter().position(|rendition| rendition.folder() == folder)?;
        let number: usize = name.split('.').next()?.parse().ok()?;
        let segment = number.checked_sub(1)?;
        let rendition = &renditions[at];
        (segment < rendition.len() && rendition.segment_name(segment) == name).then_some((at, segment))
    }
}

/// What a path asks for: which segments, in which folder, and the name there.
fn place<'a>(path: &[&'a str], usual: Format) -> Option<(Format, &'a str, &'a str)> {
    let named = |word: &str| match word {
        "ts" => Some(Format::Ts),
        "fmp4" => Some(Format::Fmp4),
        _ => None,
    };
    match *path {
        [MASTER] => Some((usual, "", MASTER)),
        [word, MASTER] => Some((named(word)?, "", MASTER)),
        [folder, name] => Some((usual, folder, name)),
        [word, folder, name] => Some((named(word)?, folder, name)),
        _ => None,
    }
}

fn open(paths: &[PathBuf], format: Format, target: Duration) -> Result<Opened, OriginError> {
    // Looked at before they are read: who changes them meanwhile is noticed the next time.
    let stamps = stamps(paths)
        .map_err(|source| OriginError::Open { path: paths.first().cloned().unwrap_or_default(), source })?;
    let media = paths.iter().map(|path| Ok((Input::default(), Media::open_file(path)?)));
    let media = media.collect::<Result<Vec<_>, OriginError>>()?;
    for warning in media.iter().flat_map(|(_, media)| &media.warnings) {
        tracing::warn!("{warning}");
    }
    let presentation = Presentation::plan(media, &Settings { format, target, ..Settings::default() })?;
    within(&presentation, MAX_CUT)?;
    let ready = ready(&presentation);
    let modified = paths.iter().filter_map(|path| path.metadata().ok()?.modified().ok()).max();
    Ok(Opened {
        number: OPENED.fetch_add(1, Ordering::Relaxed),
        tag: tag(&stamps, format, target),
        stamps,
        modified,
        presentation,
        ready,
    })
}

/// That no segment has more than `limit` bytes.
fn within(presentation: &Presentation, limit: u64) -> Result<(), OriginError> {
    for rendition in presentation.renditions() {
        let mut begin = Duration::ZERO;
        for n in 0..rendition.len() {
            let duration = rendition.duration(n);
            if let Some(bytes) = rendition.planned_bytes(n).filter(|bytes| *bytes > limit) {
                let (name, begin, duration) =
                    (rendition.folder().to_owned(), begin.as_secs_f64(), duration.as_secs_f64());
                return Err(OriginError::Long { name, begin, duration, bytes, limit });
            }
            begin += duration;
        }
    }
    Ok(())
}

/// All that can be made without the samples.
fn ready(presentation: &Presentation) -> BTreeMap<(String, String), Bytes> {
    let mut ready = BTreeMap::new();
    let mut add = |folder: &str, name: &str, bytes: Bytes| {
        ready.insert((folder.to_owned(), name.to_owned()), bytes);
    };
    add("", MASTER, presentation.multivariant().write().into());
    for rendition in presentation.renditions() {
        add(rendition.folder(), "index.m3u8", rendition.playlist().write().into());
        if let Some(playlist) = rendition.i_frames(&rendition.planned()) {
            add(rendition.folder(), "iframes.m3u8", playlist.write().into());
        }
        for (name, init) in rendition.inits() {
            add(rendition.folder(), &name, init);
        }
    }
    ready
}

/// The same for the same files wherever they are served by this version of the program.
fn tag(stamps: &[Stamp], format: Format, target: Duration) -> String {
    let mut context = Context::new(&SHA256);
    context.update(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes());
    for stamp in stamps {
        let Stamp { size, modified: (seconds, nanos), .. } = stamp;
        context.update(format!("{size} {seconds} {nanos}\0").as_bytes());
    }
    context.update(format!("{format:?} {target:?}").as_bytes());
    hex::encode(&context.finish().as_ref()[..8])
}

fn stamps(paths: &[PathBuf]) -> std::io::Result<Vec<Stamp>> {
    let stamp = |path: &PathBuf| Path::metadata(path).map(|metadata| Stamp::of(&metadata));
    paths.iter().map(stamp).collect()
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

pub(super) fn busy() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much to do, try again soon")
        .with(http::header::RETRY_AFTER, http::HeaderValue::from_static("1"))
}

/// The log has the reason, which may name files of the server.
pub(super) fn failed(error: &(dyn std::error::Error + 'static)) -> Problem {
    tracing::warn!("a film cannot be served: {}", one_line(error));
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "this cannot be packaged")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_that_would_take_too_much_memory_are_refused_with_their_time() {
        let film = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/240p.mp4");
        for format in [Format::Fmp4, Format::Ts] {
            let media = vec![(Input::default(), Media::open_file(&film).unwrap())];
            let settings = Settings { format, target: Duration::from_secs(2), ..Settings::default() };
            let presentation = Presentation::plan(media, &settings).unwrap();
            let sizes = presentation.renditions()[0].planned();
            let largest = sizes.iter().map(|segment| segment.bytes).max().unwrap();
            let at = sizes.iter().position(|segment| segment.bytes == largest).unwrap();
            within(&presentation, largest).unwrap();
            let refused = within(&presentation, largest - 1).unwrap_err();
            let begin: Duration = (0..at).map(|n| presentation.renditions()[0].duration(n)).sum();
            let said = format!("240p: the segment at {:.3} s", begin.as_secs_f64());
            assert!(refused.to_string().starts_with(&said), "{refused}");
        }
    }

    #[test]
    fn paths_and_kinds_of_segments() {
        use Format::{Fmp4, Ts};
        for (path, expected) in [
            ("master.m3u8", Some((Fmp4, "", "master.m3u8"))),
            ("ts/master.m3u8", Some((Ts, "", "master.m3u8"))),
            ("fmp4/master.m3u8", Some((Fmp4, "", "master.m3u8"))),
            ("240p/index.m3u8", Some((Fmp4, "240p", "index.m3u8"))),
            ("ts/240p/00001.ts", Some((Ts, "240p", "00001.ts"))),
            ("ts/index.m3u8", Some((Fmp4, "ts", "index.m3u8"))),
            ("x/master.m3u8", None),
            ("x/240p/00001.ts", None),
            ("index.m3u8", None),
            ("ts/fmp4/240p/00001.ts", None),
        ] {
            let parts: Vec<&str> = path.split('/').collect();
            assert_eq!(place(&parts, Fmp4), expected, "{path}");
        }
    }
}
