//! How far behind the encoder a live stream can be watched: a player without a screen, which follows a playlist as the rules of Low-Latency HLS want it.
//!
//! It waits for each part by blocking reload, fetches it over a connection that is kept, and looks at the clock when its last byte is there. What the
//! playlist says of the date of the media (`EXT-X-PROGRAM-DATE-TIME`) tells how old they are then (`ages`). The clocks of both machines have to be
//! right, or it has to be one machine.

mod ages;

use std::time::{Duration, SystemTime};

use http::Uri;
use tokio::time::{Instant, sleep};

pub use self::ages::Report;
use self::ages::{Ages, Item, items};
use super::kinds::MAX_SEGMENT;
use crate::net::client::Connector;
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::hls::playlist::media::MediaPlaylist;
use crate::proto::hls::playlist::read::{Playlist, ReadError};
use crate::proto::hls::playlist::variables::Variables;
use crate::proto::http::reference::join;
use crate::server::http::client::fetch::{Ask, FetchError, Fetcher, Retry};

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum LatencyError {
    /// Something does not come.
    #[error("{uri}: {source}")]
    Fetch {
        /// What was asked for.
        uri: Uri,
        /// Why it does not come.
        source: Box<FetchError>,
    },
    /// A playlist makes no sense.
    #[error("{uri}: {source}")]
    Playlist {
        /// Which one.
        uri: Uri,
        /// What is wrong with it.
        source: Box<ReadError>,
    },
    /// A list of renditions where segments should be, or one without any.
    #[error("{0} names no segments")]
    Empty(Uri),
    /// No rendition has this name.
    #[error("no rendition is called {0:?}")]
    Rendition(String),
    /// It has ended.
    #[error("{0} is not live")]
    Ended(Uri),
    /// Its media have no dates.
    #[error("{0} has no EXT-X-PROGRAM-DATE-TIME")]
    Undated(Uri),
}

/// Watches the stream at `uri`, a playlist of either kind, for `span`. `rendition` is a part of the reference to the rendition that is wanted; without it, the
/// first one is taken.
///
/// # Errors
/// See [`LatencyError`].
pub async fn measure(uri: Uri, rendition: Option<&str>, span: Duration) -> Result<Report, LatencyError> {
    let mut watch = Watch { fetcher: Fetcher::new(Connector::new(), Retry::default()), uri };
    let mut playlist = watch.begin(rendition).await?;
    if playlist.ended {
        return Err(LatencyError::Ended(watch.uri));
    }
    let known = items(&playlist);
    let mut last = known.last().cloned().ok_or_else(|| LatencyError::Undated(watch.uri.clone()))?;
    let mut ages = Ages::new(&playlist);
    let end = Instant::now() + span;
    while Instant::now() < end && !playlist.ended {
        playlist = watch.next(&playlist).await?;
        let new: Vec<Item> = items(&playlist).into_iter().filter(|item| item.place > last.place).collect();
        if new.is_empty() && !playlist.server_control.can_block_reload {
            sleep(pause(&playlist)).await;
        }
        for item in new {
            if !item.gap {
                let part = join(&watch.uri, &item.uri).map_err(|_| LatencyError::Empty(watch.uri.clone()))?;
                let bytes = watch.fetch(&part, MAX_SEGMENT).await?.0.len();
                ages.arrived(&item, bytes as u64, SystemTime::now().into());
            }
            last = item;
        }
    }
    Ok(ages.report(watch.uri.to_string()))
}

/// How long to wait for what nobody makes wait (section 6.3.4).
fn pause(playlist: &MediaPlaylist) -> Duration {
    playlist.part_target.unwrap_or(Duration::from_secs(playlist.target_duration.max(1))) / 2
}

/// What is watched.
struct Watch {
    fetcher: Fetcher,
    /// The media playlist.
    uri: Uri,
}

impl Watch {
    /// What is at an address, and where it was in the end.
    async fn fetch(&self, uri: &Uri, limit: u64) -> Result<(bytes::Bytes, Uri), LatencyError> {
        match self.fetcher.whole(&Ask::of(uri.clone()), limit).await {
            Ok((bytes, fetched)) => Ok((bytes, fetched.uri)),
            Err(source) => Err(LatencyError::Fetch { uri: uri.clone(), source: source.into() }),
        }
    }

    async fn read(&self, uri: &Uri) -> Result<(Playlist, Uri), LatencyError> {
        let (text, found) = self.fetch(uri, MAX_PLAYLIST as u64).await?;
        match Playlist::read(&text, Variables::default()) {
            Ok(playlist) => Ok((playlist, found)),
            Err(source) => Err(LatencyError::Playlist { uri: uri.clone(), source: source.into() }),
        }
    }

    /// The media playlist, which may be named by a multivariant one.
    async fn begin(&mut self, rendition: Option<&str>) -> Result<MediaPlaylist, LatencyError> {
        let (playlist, found) = self.read(&self.uri).await?;
        self.uri = found;
        let all = match playlist {
            Playlist::Media(playlist) => return Ok(playlist),
            Playlist::Multivariant(all) => all,
        };
        let wanted = |uri: &str| rendition.is_none_or(|wanted| uri.contains(wanted));
        let found = all.variants.iter().find(|variant| wanted(&variant.uri));
        let found = match (found, rendition) {
            (None, Some(name)) => return Err(LatencyError::Rendition(name.to_owned())),
            (found, _) => found.and_then(|variant| join(&self.uri, &variant.uri).ok()),
        };
        let uri = found.ok_or_else(|| LatencyError::Empty(self.uri.clone()))?;
        match self.read(&uri).await? {
            (Playlist::Media(playlist), found) => {
                self.uri = found;
                Ok(playlist)
            }
            (Playlist::Multivariant(_), found) => Err(LatencyError::Empty(found)),
        }
    }

    /// The next state of the playlist: when there is something new, if the server can wait for that.
    async fn next(&self, playlist: &MediaPlaylist) -> Result<MediaPlaylist, LatencyError> {
        let mut uri = self.uri.to_string();
        if playlist.server_control.can_block_reload {
            uri.push(if uri.contains('?') { '&' } else { '?' });
            uri += &format!("_HLS_msn={}", playlist.next_msn());
            if playlist.part_target.is_some() {
                let parts = playlist.unfinished.as_ref().map_or(0, |segment| segment.parts.len());
                uri += &format!("&_HLS_part={parts}");
            }
        }
        let uri = uri.parse().map_err(|_| LatencyError::Empty(self.uri.clone()))?;
        match self.read(&uri).await? {
            (Playlist::Media(playlist), _) => Ok(playlist),
            (Playlist::Multivariant(_), _) => Err(LatencyError::Empty(uri)),
        }
    }
}
