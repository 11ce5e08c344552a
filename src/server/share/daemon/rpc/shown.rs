//! A torrent as Transmission's front ends see it. What costs more is gathered only if they ask for it.

use std::net::SocketAddr;

use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::tracker;
use crate::proto::transmission::{
    Asked, Dates, Detail, Eta, Fields, File, Limits, Outcome, Peer, PeerSource, PeersFrom, Priority,
    SeedMode, Seeding, Sizes, SpeedLimit, Status, Swarm, Torrent, TorrentError, Tracker, TrackerState,
    Traffic, View,
};
use crate::server::share::client::Handle;
use crate::server::share::daemon::entry::Entry;
use crate::server::share::daemon::record::{FilePriority, now};
use crate::server::share::daemon::view::{self, Doing, FileView, TorrentView};
use crate::server::share::swarm::TrackerView;

/// What is shown of a torrent.
#[derive(Debug)]
pub(super) struct Shown {
    id: Sha1,
    view: TorrentView,
    comment: String,
    creator: String,
    created: Option<u64>,
    web_seeds: Vec<String>,
    piece_size: u32,
    piece_count: u32,
    file_count: u32,
    limits: Limits,
    files: Vec<FileView>,
    peers: Vec<(SocketAddr, view::Peer)>,
    trackers: Vec<TrackerView>,
    pieces: Vec<u8>,
    availability: Vec<Option<u32>>,
}

impl Shown {
    pub(super) fn of(entry: &Entry, fields: &Fields) -> Self {
        let metainfo = entry.metainfo.as_deref();
        let layout = entry.layout();
        let text = |text: Option<&String>| text.cloned().unwrap_or_default();
        let have = entry.have();
        let peers =
            || view::peers(entry).into_iter().filter_map(|peer| Some((peer.addr.parse().ok()?, peer)));
        Self {
            id: entry.id,
            view: TorrentView::of(entry),
            comment: text(metainfo.and_then(|metainfo| metainfo.comment.as_ref())),
            creator: text(metainfo.and_then(|metainfo| metainfo.created_by.as_ref())),
            created: metainfo.and_then(|metainfo| u64::try_from(metainfo.created?).ok()),
            web_seeds: metainfo.map(|metainfo| metainfo.web_seeds.clone()).unwrap_or_default(),
            piece_size: layout.map_or(0, |layout| layout.piece_length()),
            piece_count: layout.map_or(0, |layout| layout.pieces()),
            file_count: layout.map_or(0, |layout| view::numbers(layout).len() as u32),
            limits: limits(entry),
            files: if fields.needs(Detail::Files) {
                view::files(entry).into_iter().map(|(_, file)| file).collect()
            } else {
                Vec::new()
            },
            // Numbers of peers are told with them.
            peers: if fields.needs(Detail::Peers) { peers().collect() } else { Vec::new() },
            trackers: if fields.needs(Detail::Trackers) { trackers(entry) } else { Vec::new() },
            pieces: match &have {
                Some(have) if fields.needs(Detail::Pieces) => have.as_bytes().to_vec(),
                _ => Vec::new(),
            },
            availability: if fields.needs(Detail::Availability) {
                let available = entry.handle().map(Handle::availability).unwrap_or_default();
                let has = |piece: u32| have.as_ref().is_some_and(|have| have.has(piece));
                (0..).zip(available).map(|(piece, count)| (!has(piece)).then_some(count)).collect()
            } else {
                Vec::new()
            },
        }
    }
}

/// Its trackers; as long as it does not run, those that are known.
fn trackers(entry: &Entry) -> Vec<TrackerView> {
    let running = entry.handle().map(Handle::trackers).unwrap_or_default();
    if !running.is_empty() {
        return running;
    }
    let tiers = entry.metainfo.as_ref().map(|metainfo| metainfo.trackers.clone()).unwrap_or_default();
    let waits = |(tier, urls): (usize, Vec<String>)| {
        urls.into_iter().map(move |url| TrackerView {
            url,
            tier,
            state: tracker::State::Idle,
            error: None,
            next: None,
            seeds: None,
            leechers: None,
            peers: 0,
        })
    };
    tiers.into_iter().enumerate().flat_map(waits).collect()
}

/// In thousands of bytes a second.
fn speed(limit: Option<u64>) -> SpeedLimit {
    let kilo = u32::try_from(limit.unwrap_or(100_000) / 1000).unwrap_or(u32::MAX);
    SpeedLimit { limit: kilo, enabled: limit.is_some() }
}

fn limits(entry: &Entry) -> Limits {
    let limits = entry.record.limits;
    let mode = |own: Option<bool>| match own {
        None => SeedMode::Session,
        Some(true) => SeedMode::Unlimited,
        Some(false) => SeedMode::Own,
    };
    Limits {
        priority: Priority::Normal,
        download: speed(limits.down),
        upload: speed(limits.up),
        honors_session: true,
        peers: 0,
        ratio: Seeding {
            limit: limits.ratio.unwrap_or(2.0),
            mode: mode(limits.ratio.map(|ratio| ratio <= 0.0)),
        },
        idle: Seeding {
            limit: u32::try_from(limits.idle.unwrap_or(30)).unwrap_or(u32::MAX),
            mode: mode(limits.idle.map(|minutes| minutes == 0)),
        },
    }
}

impl View for Shown {
    fn torrent(&self) -> Torrent<'_> {
        let view = &self.view;
        let is_complete = view.completed.is_some();
        let left = view.wanted.saturating_sub(view.done.min(view.wanted));
        Torrent {
            comment: &self.comment,
            creator: &self.creator,
            download_dir: &view.folder,
            labels: &view.labels,
            web_seeds: &self.web_seeds,
            is_private: view.private,
            status: match view.state {
                Doing::Paused | Doing::Failed => Status::Stopped,
                Doing::Checking => Status::Verify,
                Doing::Queued if is_complete => Status::SeedWait,
                Doing::Queued => Status::DownloadWait,
                Doing::Metadata | Doing::Downloading => Status::Download,
                Doing::Seeding => Status::Seed,
            },
            error: view.error.as_deref().map(TorrentError::Local),
            metadata: if self.piece_count > 0 { 1.0 } else { 0.0 },
            verified: if view.state == Doing::Checking { view.checked } else { 0.0 },
            eta: match (view.state, view.left) {
                (Doing::Downloading, Some(seconds)) => Eta::Seconds(seconds),
                (Doing::Downloading | Doing::Metadata, None) => Eta::Unknown,
                _ => Eta::NotApplicable,
            },
            is_finished: view.state == Doing::Paused && is_complete,
            queue_position: u32::try_from(view.position).unwrap_or(u32::MAX),
            piece_count: self.piece_count,
            piece_size: self.piece_size,
            file_count: self.file_count,
            manual_announce: (view.state != Doing::Paused).then(now),
            sizes: Sizes {
                total: view.size,
                wanted: view.wanted,
                left,
                verified: view.done,
                unverified: 0,
                available: if view.seeds > 0 { left } else { 0 },
            },
            traffic: Traffic {
                downloaded: view.downloaded,
                uploaded: view.uploaded,
                corrupt: view.wasted,
                download_rate: view.down,
                upload_rate: view.up,
                ratio: (view.size > 0).then_some(view.ratio),
                seconds_downloading: 0,
                seconds_seeding: 0,
            },
            dates: Dates {
                created: self.created,
                added: Some(view.added),
                done: view.completed,
                ..Dates::default()
            },
            limits: self.limits,
            swarm: Swarm {
                connected: u32::try_from(view.peers).unwrap_or(u32::MAX),
                getting_from_us: count(&self.peers, |peer| peer.up > 0),
                sending_to_us: count(&self.peers, |peer| peer.down > 0),
                web_seeds_sending: count(&self.peers, |peer| peer.transport == "web" && peer.down > 0),
                from: PeersFrom {
                    incoming: count(&self.peers, |peer| peer.incoming),
                    ..PeersFrom::default()
                },
            },
            ..Torrent::new(super::number(view.number), self.id, &view.name)
        }
    }

    fn files(&self) -> Vec<File<'_>> {
        let file = |file: &'_ FileView| (file.size, file.done, file.priority);
        let files = self.files.iter().map(|view| {
            let (length, have, priority) = file(view);
            File {
                path: &view.path,
                length,
                have,
                wanted: priority != FilePriority::Skip,
                priority: match priority {
                    FilePriority::Low => Priority::Low,
                    FilePriority::High => Priority::High,
                    FilePriority::Skip | FilePriority::Normal => Priority::Normal,
                },
            }
        });
        files.collect()
    }

    fn peers(&self) -> Vec<Peer<'_>> {
        let peers = self.peers.iter().map(|(address, peer)| Peer {
            address: *address,
            client: peer.client.as_deref().unwrap_or_default(),
            source: if peer.incoming { PeerSource::Incoming } else { PeerSource::Tracker },
            progress: peer.has,
            rate_to_client: peer.down,
            rate_to_peer: peer.up,
            client_is_choked: peer.chokes_us,
            client_is_interested: peer.interests_us,
            peer_is_choked: peer.choked_by_us,
            peer_is_interested: peer.interested_in_us,
            is_optimistic: false,
            is_encrypted: peer.encrypted,
            is_utp: peer.transport == "utp",
        });
        peers.collect()
    }

    fn trackers(&self) -> Vec<Tracker<'_>> {
        let now = now();
        let next = |view: &TrackerView| {
            let next = view.next?.saturating_duration_since(std::time::Instant::now());
            Some(now + next.as_secs())
        };
        let trackers = (0..).zip(&self.trackers).map(|(id, view)| Tracker {
            id,
            tier: u32::try_from(view.tier).unwrap_or(u32::MAX),
            announce: &view.url,
            is_backup: false,
            announcing: match (view.state, next(view)) {
                (tracker::State::Asking, _) => TrackerState::Active,
                (_, Some(next)) => TrackerState::Waiting(next),
                _ => TrackerState::Inactive,
            },
            last_announce: match view.state {
                tracker::State::Works => {
                    let peers = u32::try_from(view.peers).unwrap_or(u32::MAX);
                    Some(Asked { started: now, ended: now, outcome: Outcome::Succeeded(peers) })
                }
                tracker::State::Fails | tracker::State::Never => {
                    let why = view.error.as_deref().unwrap_or_default();
                    Some(Asked { started: now, ended: now, outcome: Outcome::Failed(why) })
                }
                tracker::State::Idle | tracker::State::Asking => None,
            },
            scraping: TrackerState::Inactive,
            last_scrape: None,
            seeders: view.seeds,
            leechers: view.leechers,
            downloads: None,
        });
        trackers.collect()
    }

    fn pieces(&self) -> Vec<u8> {
        self.pieces.clone()
    }

    fn availability(&self) -> Vec<Option<u32>> {
        self.availability.clone()
    }

    fn magnet(&self) -> String {
        self.view.magnet.clone()
    }
}

fn count(peers: &[(SocketAddr, view::Peer)], is: impl Fn(&view::Peer) -> bool) -> u32 {
    // A torrent has some hundred peers.
    peers.iter().filter(|(_, peer)| is(peer)).count() as u32
}
