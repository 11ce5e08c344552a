//! A state of a media playlist, written once for all who ask for it, and compressed once when somebody first asks for it so.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::watch;

use crate::proto::hls::live::window::Window;
use crate::proto::hls::playlist::delta::Skip;
use crate::proto::hls::playlist::media::{MediaPlaylist, RenditionReport};

/// A state of a media playlist.
#[derive(Debug)]
pub(super) struct Edition {
    /// All of it.
    pub(super) whole: Text,
    /// Without what a client knows, if that may be left out.
    pub(super) delta: Option<Text>,
    /// Its end: enough to know what is there.
    pub(super) tail: MediaPlaylist,
}

/// A text, and the same compressed.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) plain: Bytes,
    gzip: OnceLock<Option<Bytes>>,
}

/// Bytes below which a text is sent as it is: its packet is the same.
const LEAST: usize = 1200;

impl Text {
    fn new(text: String) -> Self {
        Self { plain: text.into(), gzip: OnceLock::new() }
    }

    /// By gzip, if that is worth it.
    pub(super) fn gzip(&self) -> Option<Bytes> {
        let pack = || {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&self.plain).ok()?;
            encoder.finish().ok().map(Bytes::from)
        };
        self.gzip.get_or_init(|| if self.plain.len() < LEAST { None } else { pack() }).clone()
    }
}

/// The newest edition; `None` before the first one.
pub(super) type Newest = Option<Arc<Edition>>;

/// What tells of new editions.
pub(super) type Editions = watch::Sender<Newest>;

impl Edition {
    /// Writes what a window has now, with what the other renditions have.
    pub(super) fn write(window: &Window, reports: Vec<RenditionReport>) -> Self {
        let mut playlist = window.playlist();
        if !window.ended() {
            playlist.reports = reports;
        }
        let delta = playlist.delta(Skip::Segments, &[]).map(|delta| Text::new(delta.write()));
        Self { whole: Text::new(playlist.write()), delta, tail: window.tail() }
    }
}
