//! All that is known of one torrent: its files, its trackers, its peers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Instant;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use super::TorrentView;
use crate::proto::bittorrent::hash::InfoHash;
use crate::proto::bittorrent::metainfo::Layout;
use crate::proto::bittorrent::torrent::PeerView;
use crate::proto::bittorrent::tracker;
use crate::server::share::client::Handle;
use crate::server::share::daemon::entry::{Entry, bytes_of_file};
use crate::server::share::daemon::record::FilePriority;
use crate::server::share::swarm::{PeerInfo, TrackerView};

/// What is written as it is in a path.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All that is known of a torrent.
#[derive(Clone, Debug, Serialize)]
pub(in crate::server::share::daemon) struct DetailView {
    #[serde(flatten)]
    pub(in crate::server::share::daemon) torrent: TorrentView,
    pub(in crate::server::share::daemon) comment: Option<String>,
    pub(in crate::server::share::daemon) creator: Option<String>,
    pub(in crate::server::share::daemon) created: Option<i64>,
    pub(in crate::server::share::daemon) piece_length: u32,
    pub(in crate::server::share::daemon) pieces: u32,
    hashes: Hashes,
    pub(in crate::server::share::daemon) files: Vec<FileView>,
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
pub(in crate::server::share::daemon) struct FileView {
    pub(in crate::server::share::daemon) path: String,
    pub(in crate::server::share::daemon) size: u64,
    pub(in crate::server::share::daemon) done: u64,
    pub(in crate::server::share::daemon) priority: FilePriority,
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
pub(in crate::server::share::daemon) struct Peer {
    pub(in crate::server::share::daemon) addr: String,
    pub(in crate::server::share::daemon) client: Option<String>,
    pub(in crate::server::share::daemon) incoming: bool,
    pub(in crate::server::share::daemon) encrypted: bool,
    pub(in crate::server::share::daemon) transport: &'static str,
    pub(in crate::server::share::daemon) has: f64,
    pub(in crate::server::share::daemon) down: u64,
    pub(in crate::server::share::daemon) up: u64,
    downloaded: u64,
    uploaded: u64,
    pub(in crate::server::share::daemon) choked_by_us: bool,
    pub(in crate::server::share::daemon) interested_in_us: bool,
    pub(in crate::server::share::daemon) chokes_us: bool,
    pub(in crate::server::share::daemon) interests_us: bool,
    snubbed: bool,
}

impl DetailView {
    pub(super) fn of(entry: &Entry) -> Self {
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
pub(in crate::server::share::daemon) fn files(entry: &Entry) -> Vec<(usize, FileView)> {
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
pub(in crate::server::share::daemon) fn numbers(layout: &Layout) -> Vec<usize> {
    let files = layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
    files.map(|(number, _)| number).collect()
}

/// The files that a link names: the others are not wanted.
pub(in crate::server::share::daemon) fn selected(
    layout: &Layout,
    chosen: &[RangeInclusive<u32>],
) -> Vec<FilePriority> {
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
pub(in crate::server::share::daemon) fn prioritised(
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
pub(in crate::server::share::daemon) fn peers(entry: &Entry) -> Vec<Peer> {
    let pieces = entry.layout().map_or(0, |layout| layout.pieces()).max(1);
    let peers = entry.handle().map(Handle::peers).unwrap_or_default();
    let mut peers: Vec<Peer> = peers.into_iter().map(|info| peer(info, pieces)).collect();
    peers.sort_by(|one, other| (other.down + other.up, &one.addr).cmp(&(one.down + one.up, &other.addr)));
    peers
}

fn peer(info: PeerInfo, pieces: u32) -> Peer {
    let view = info.view;
    let of = |pick: fn(&PeerView) -> u64| view.as_ref().map_or(0, pick);
    let is = |pick: fn(&PeerView) -> bool| view.as_ref().is_some_and(pick);
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
