//! Torrents as programs see them: the JSON of the API.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::carry::looked;
use super::entry::{Entry, Life, bytes_of, bytes_of_file};
use super::record::{FilePriority, TorrentLimits, seconds};
use super::settings::DaemonSettings;
use super::{Daemon, State};
use crate::proto::bittorrent::hash::{InfoHash, Sha1};
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{Layout, Metainfo};
use crate::proto::bittorrent::tracker;
use crate::proto::bittorrent::wire::Bitfield;
use crate::server::share::client::Handle;
use crate::server::share::swarm::{PeerInfo, TrackerView};

/// What is written as it is in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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

/// All that is known of a torrent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct DetailView {
    #[serde(flatten)]
    pub(super) torrent: TorrentView,
    pub(super) comment: Option<String>,
    pub(super) creator: Option<String>,
    pub(super) created: Option<i64>,
    pub(super) piece_length: u32,
    pub(super) pieces: u32,
    hashes: Hashes,
    pub(super) files: Vec<FileView>,
    trackers: Vec<Tracker>,
    web_seeds: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct Hashes {
    v1: Option<String>,
    v2: Option<String>,
}

/// A file of a torrent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FileView {
    pub(super) path: String,
    pub(super) size: u64,
    pub(super) done: u64,
    pub(super) priority: FilePriority,
    url: String,
}

#[derive(Clone, Debug, Serialize)]
struct Tracker {
    url: String,
    state: &'static str,
    error: Option<String>,
    next: Option<u64>,
    seeds: Option<u32>,
    leechers: Option<u32>,
}

/// A peer.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Peer {
    pub(super) addr: String,
    pub(super) client: Option<String>,
    pub(super) incoming: bool,
    pub(super) encrypted: bool,
    pub(super) transport: &'static str,
    pub(super) has: f64,
    pub(super) down: u64,
    pub(super) up: u64,
    downloaded: u64,
    uploaded: u64,
    pub(super) choked_by_us: bool,
    pub(super) interested_in_us: bool,
    pub(super) chokes_us: bool,
    pub(super) interests_us: bool,
    snubbed: bool,
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

impl DetailView {
    fn of(entry: &Entry) -> Self {
        let metainfo = entry.metainfo.as_deref();
        let hash = metainfo.map(|metainfo| metainfo.info.hash()).or(entry.magnet().map(|magnet| magnet.hash));
        Self {
            torrent: TorrentView::of(entry),
            comment: metainfo.and_then(|metainfo| metainfo.comment.clone()),
            creator: metainfo.and_then(|metainfo| metainfo.created_by.clone()),
            created: metainfo.and_then(|metainfo| metainfo.created),
            piece_length: entry.layout().map_or(0, |layout| layout.piece_length()),
            pieces: entry.layout().map_or(0, |layout| layout.pieces()),
            hashes: Hashes {
                v1: hash.and_then(InfoHash::v1).map(|hash| hash.to_string()),
                v2: hash.and_then(InfoHash::v2).map(|hash| hash.to_string()),
            },
            files: files(entry).into_iter().map(|(_, file)| file).collect(),
            trackers: trackers(entry),
            web_seeds: metainfo.map(|metainfo| metainfo.web_seeds.clone()).unwrap_or_default(),
        }
    }
}

/// The files of a torrent with their numbers, padding apart.
pub(super) fn files(entry: &Entry) -> Vec<(usize, FileView)> {
    let Some(layout) = entry.layout() else { return Vec::new() };
    let have = entry.have();
    let files = layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
    let view = files.map(|(number, file)| {
        let path = file.path.iter().map(|part| utf8_percent_encode(part, PLAIN).to_string());
        let file = FileView {
            path: file.display_path(),
            size: file.length,
            done: have.as_ref().map_or(0, |have| bytes_of_file(layout, number, have)),
            priority: entry.record.priority(number),
            url: format!("/stream/{}/{}", entry.id, path.collect::<Vec<_>>().join("/")),
        };
        (number, file)
    });
    view.collect()
}

/// The numbers of files by what people call them: padding does not count.
pub(super) fn numbers(layout: &Layout) -> Vec<usize> {
    let files = layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
    files.map(|(number, _)| number).collect()
}

/// The files that a link names: the others are not wanted.
pub(super) fn selected(layout: &Layout, chosen: &[RangeInclusive<u32>]) -> Vec<FilePriority> {
    let numbers = numbers(layout);
    let mut priorities = vec![FilePriority::Normal; layout.files().len()];
    for (own, number) in (0u32..).zip(numbers) {
        if !chosen.iter().any(|range| range.contains(&own)) {
            priorities[number] = FilePriority::Skip;
        }
    }
    priorities
}

/// Gives files other priorities, by what people call them: padding does not count.
pub(super) fn prioritised(
    layout: &Layout,
    before: &[FilePriority],
    change: &BTreeMap<usize, FilePriority>,
) -> Vec<FilePriority> {
    let mut priorities: Vec<FilePriority> =
        (0..layout.files().len()).map(|number| before.get(number).copied().unwrap_or_default()).collect();
    for (own, number) in numbers(layout).into_iter().enumerate() {
        if let Some(priority) = change.get(&own) {
            priorities[number] = *priority;
        }
    }
    priorities
}

fn trackers(entry: &Entry) -> Vec<Tracker> {
    let now = Instant::now();
    match entry.handle().map(Handle::trackers) {
        Some(trackers) if !trackers.is_empty() => {
            trackers.into_iter().map(|view| tracker(view, now)).collect()
        }
        _ => {
            let urls = entry.metainfo.as_ref().map(|metainfo| metainfo.trackers.concat());
            let urls = urls.or_else(|| Some(entry.magnet()?.trackers)).unwrap_or_default();
            let waits =
                |url| Tracker { url, state: "waiting", error: None, next: None, seeds: None, leechers: None };
            urls.into_iter().map(waits).collect()
        }
    }
}

fn tracker(view: TrackerView, now: Instant) -> Tracker {
    Tracker {
        url: view.url,
        state: match view.state {
            tracker::State::Idle | tracker::State::Asking => "waiting",
            tracker::State::Works => "working",
            tracker::State::Fails | tracker::State::Never => "failed",
        },
        error: view.error,
        next: view.next.map(|at| at.saturating_duration_since(now).as_secs()),
        seeds: view.seeds,
        leechers: view.leechers,
    }
}

/// The peers of a torrent.
pub(super) fn peers(entry: &Entry) -> Vec<Peer> {
    let pieces = entry.layout().map_or(0, |layout| layout.pieces()).max(1);
    let peers = entry.handle().map(Handle::peers).unwrap_or_default();
    let mut peers: Vec<Peer> = peers.into_iter().map(|info| peer(info, pieces)).collect();
    peers.sort_by(|one, other| (other.down + other.up, &one.addr).cmp(&(one.down + one.up, &other.addr)));
    peers
}

fn peer(info: PeerInfo, pieces: u32) -> Peer {
    let view = info.view;
    let of = |pick: fn(&crate::proto::bittorrent::torrent::PeerView) -> u64| view.as_ref().map_or(0, pick);
    let is = |pick: fn(&crate::proto::bittorrent::torrent::PeerView) -> bool| view.as_ref().is_some_and(pick);
    Peer {
        addr: info.addr.to_string(),
        client: info.client,
        incoming: info.incoming,
        encrypted: info.encrypted,
        transport: info.transport,
        has: view.as_ref().map_or(0.0, |view| f64::from(view.has) / f64::from(pieces)),
        down: of(|view| view.down.1 as u64),
        up: of(|view| view.up.1 as u64),
        downloaded: of(|view| view.down.0),
        uploaded: of(|view| view.up.0),
        choked_by_us: !is(|view| view.unchoked),
        interested_in_us: is(|view| view.wants),
        chokes_us: !is(|view| view.gives),
        interests_us: is(|view| view.interested),
        snubbed: is(|view| view.snubs),
    }
}

/// Bytes that are free where a folder is, or will be.
pub(super) fn free(folder: &std::path::Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}
