//! A state of a media playlist, written once for all who ask for it.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use crate::proto::hls::live::window::Window;
use crate::proto::hls::playlist::delta::Skip;
use crate::proto::hls::playlist::media::{MediaPlaylist, RenditionReport};

/// A state of a media playlist.
#[derive(Debug)]
pub(super) struct Edition {
    /// All of it.
    pub(super) text: Bytes,
    /// Without what a client knows, if that may be left out.
    pub(super) delta: Option<Bytes>,
    /// Its end: enough to know what is there.
    pub(super) tail: MediaPlaylist,
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
        let delta = playlist.delta(Skip::Segments, &[]).map(|delta| delta.write().into());
        Self { text: playlist.write().into(), delta, tail: window.tail() }
    }
}
