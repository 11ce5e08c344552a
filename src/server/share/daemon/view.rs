//! Torrents as programs see them: the JSON of the API.

mod detail;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

pub(super) use self::detail::{DetailView, FileView, Peer, files, numbers, peers, prioritised, selected};
use super::carry::looked;
use super::entry::{Entry, Life, bytes_of};
use super::record::{TorrentLimits, seconds};
use super::settings::DaemonSettings;
use super::{Daemon, State};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{Layout, Metainfo};
use crate::proto::bittorrent::wire::Bitfield;
use crate::server::share::client::Handle;

/// What a torrent does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Doing {
    /// Peers are asked for its metadata.
    Metadata,
    /// Its files are looked at.
    Checking,
    /// Others run before it.
    Queued,
    Paused,
    Downloading,
    Seeding,
    Failed,
}

/// A torrent in a list.
#[derive(Clone, Debug, Serialize)]
pub(super) struct TorrentView {
    pub(super) id: String,
    #[serde(skip)]
    pub(super) number: i64,
    pub(super) name: String,
    pub(super) state: Doing,
    pub(super) error: Option<String>,
    pub(super) size: u64,
    pub(super) wanted: u64,
    pub(super) done: u64,
    pub(super) checked: f64,
    pub(super) down: u64,
    pub(super) up: u64,
    pub(super) downloaded: u64,
    pub(super) uploaded: u64,
    pub(super) wasted: u64,
    pub(super) ratio: f64,
    pub(super) peers: usize,
    pub(super) seeds: usize,
    /// Seconds until all is there, if that can be told.
    pub(super) left: Option<u64>,
    pub(super) added: u64,
    pub(super) completed: Option<u64>,
    pub(super) folder: String,
    pub(super) private: bool,
    pub(super) magnet: String,
    pub(super) sequential: bool,
    pub(super) limits: TorrentLimits,
    pub(super) position: usize,
    pub(super) version: &'static str,
    pub(super) labels: Vec<String>,
}

/// All torrents.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ListView {
    down: u64,
    up: u64,
    limits: LimitsView,
    /// Bytes that are free where files go.
    free: Option<u64>,
    torrents: Vec<TorrentView>,
}

#[derive(Clone, Debug, Serialize)]
struct LimitsView {
    up: Option<u64>,
    down: Option<u64>,
    alternative: bool,
}

/// The pieces of a torrent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct PiecesView {
    have: String,
    pieces: u32,
    availability: Vec<u32>,
}

/// An address that nobody talks to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct BannedView {
    ip: String,
    why: String,
    when: u64,
}

/// The settings, and what else there is to know.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SettingsView {
    #[serde(flatten)]
    settings: DaemonSettings,
    filter: usize,
    version: &'static str,
}

/// The rates of the last minutes.
#[derive(Clone, Debug, Serialize)]
pub(super) struct RatesView {
    interval: u32,
    down: Vec<u64>,
    up: Vec<u64>,
}

impl Daemon {
    pub(super) fn list(&self) -> ListView {
        let state = self.state();
        let now = chrono::Local::now().naive_local();
        let (up, down) = state.settings.limits(now);
        let limits = LimitsView { up, down, alternative: state.settings.is_alternative(now) };
        let rates = state.history.last();
        let folder = state.settings.folder.clone();
        let torrents = state.entries.values().map(TorrentView::of).collect();
        drop(state);
        ListView { down: rates.0, up: rates.1, limits, free: free(&folder), torrents }
    }

    pub(super) fn torrent(&self, id: Sha1) -> Option<TorrentView> {
        self.state().entries.get(&id).map(TorrentView::of)
    }

    pub(super) fn detail(&self, id: Sha1) -> Option<DetailView> {
        self.state().entries.get(&id).map(DetailView::of)
    }

    pub(super) fn peers(&self, id: Sha1) -> Option<Vec<Peer>> {
        let state = self.state();
        Some(peers(state.entries.get(&id)?))
    }

    pub(super) fn pieces_of(&self, id: Sha1) -> Option<PiecesView> {
        let state = self.state();
        let entry = state.entries.get(&id)?;
        let have = entry.have();
        let availability = entry.handle().map(Handle::availability).unwrap_or_default();
        Some(PiecesView {
            have: STANDARD.encode(have.as_ref().map(Bitfield::as_bytes).unwrap_or_default()),
            pieces: entry.layout().map_or(0, |layout| layout.pieces()),
            availability,
        })
    }

    pub(super) fn settings_view(&self) -> SettingsView {
        let State { settings, filter, .. } = &*self.state();
        SettingsView { settings: settings.clone(), filter: *filter, version: env!("CARGO_PKG_VERSION") }
    }

    pub(super) fn rates(&self) -> RatesView {
        let (down, up) = self.state().history.both();
        RatesView { interval: 1, down, up }
    }

    pub(super) fn banned_view(&self) -> Vec<BannedView> {
        let banned = self.banned().into_iter();
        let mut banned: Vec<BannedView> = banned
            .map(|(ip, banned)| BannedView {
                ip: ip.to_string(),
                why: banned.why,
                when: seconds(banned.when),
            })
            .collect();
        banned.sort_by_key(|banned| std::cmp::Reverse(banned.when));
        banned
    }
}

impl TorrentView {
    pub(super) fn of(entry: &Entry) -> Self {
        let progress = entry.progress();
        let layout = entry.layout();
        let size = layout.map_or(0, |layout| layout.content());
        let wanted = layout.map_or(0, |layout| entry.record.wanted(layout));
        let done = done(entry, layout, progress.pieces.0);
        let is_complete = layout.is_some() && progress.pieces.1 > 0 && progress.missing == 0;
        let missing = layout
            .map_or(0, |layout| u64::from(progress.missing) * u64::from(layout.piece_length()))
            .min(wanted);
        let state = match &entry.life {
            Life::Failed(_) => Doing::Failed,
            Life::Checking(_) => Doing::Checking,
            Life::Running(_) if layout.is_none() => Doing::Metadata,
            // Its files are looked at behind its metadata.
            Life::Running(_) if progress.pieces.1 == 0 => Doing::Checking,
            Life::Running(_) if is_complete => Doing::Seeding,
            Life::Running(_) => Doing::Downloading,
            Life::Idle | Life::Stopping(_) | Life::Busy if entry.record.paused => Doing::Paused,
            Life::Idle | Life::Stopping(_) | Life::Busy => Doing::Queued,
        };
        let down = entry.rates.down as u64;
        let hash = entry.metainfo.as_ref().map(|metainfo| metainfo.info.hash());
        Self {
            id: entry.id.to_string(),
            number: entry.number,
            name: entry.name(),
            state,
            error: match &entry.life {
                Life::Failed(why) => Some(why.clone()),
                _ => None,
            },
            size,
            wanted,
            done,
            checked: match &entry.life {
                Life::Checking(count) => looked(count, layout.map_or(0, |layout| layout.pieces())),
                _ => 1.0,
            },
            down,
            up: entry.rates.up as u64,
            downloaded: progress.downloaded,
            uploaded: progress.uploaded,
            wasted: progress.wasted,
            ratio: if size == 0 { 0.0 } else { progress.uploaded as f64 / size as f64 },
            peers: progress.peers,
            seeds: entry.handle().map_or(0, Handle::seeds),
            left: (state == Doing::Downloading && down > 0).then(|| missing.div_ceil(down)),
            added: entry.record.added,
            completed: entry.record.completed,
            folder: entry.record.folder.display().to_string(),
            private: entry.metainfo.as_ref().is_some_and(|metainfo| metainfo.info.is_private()),
            magnet: link(entry),
            sequential: entry.record.sequential,
            limits: entry.record.limits,
            position: entry.record.position,
            version: match hash.map(|hash| (hash.v1(), hash.v2())) {
                Some((Some(_), Some(_))) => "hybrid",
                Some((None, Some(_))) => "2",
                _ => "1",
            },
            labels: entry.record.labels.clone(),
        }
    }
}

/// Bytes that are there. While many pieces come, those of all but the last are taken to be as long as each other.
fn done(entry: &Entry, layout: Option<&Arc<Layout>>, have: u32) -> u64 {
    let Some(layout) = layout else { return 0 };
    if have == layout.pieces() {
        return layout.content();
    }
    match entry.handle() {
        Some(_) => (u64::from(have) * u64::from(layout.piece_length())).min(layout.content()),
        None => entry.resume.as_ref().map_or(0, |resume| bytes_of(layout, &resume.have)),
    }
}

/// The link of a torrent.
fn link(entry: &Entry) -> String {
    match &entry.metainfo {
        Some(metainfo) => magnet(metainfo).to_string(),
        None => entry.record.magnet.clone().unwrap_or_default(),
    }
}

fn magnet(metainfo: &Metainfo) -> Magnet {
    Magnet {
        name: Some(metainfo.info.name().to_owned()),
        trackers: metainfo.trackers.iter().flatten().cloned().collect(),
        web_seeds: metainfo.web_seeds.clone(),
        ..Magnet::of(metainfo.info.hash())
    }
}

/// Bytes that are free where a folder is, or will be.
pub(super) fn free(folder: &std::path::Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
