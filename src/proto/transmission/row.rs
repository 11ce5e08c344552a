//! A torrent in the answer to `torrent-get`: each field of it, written straight into the answer.

use std::cell::OnceCell;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::ser::{SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};

use super::{Eta, Field, Fields, File, Format, Torrent, TorrentError, Tracker, View, tracker};

/// A torrent, and what was gathered of it for more than one field.
pub(super) struct Row<'a, V> {
    view: &'a V,
    torrent: Torrent<'a>,
    files: OnceCell<Vec<File<'a>>>,
    trackers: OnceCell<Vec<Tracker<'a>>>,
}

/// A field of a torrent.
pub(super) struct Cell<'r, 'a, V> {
    row: &'r Row<'a, V>,
    field: Field,
}

/// All torrents of an answer.
pub(super) struct Rows<'a, V> {
    pub(super) views: &'a [V],
    pub(super) fields: &'a Fields,
    pub(super) format: Format,
}

impl<'a, V: View> Row<'a, V> {
    pub(super) fn of(view: &'a V) -> Self {
        Self { view, torrent: view.torrent(), files: OnceCell::new(), trackers: OnceCell::new() }
    }

    pub(super) fn cell(&self, field: Field) -> Cell<'_, 'a, V> {
        Cell { row: self, field }
    }

    fn files(&self) -> &[File<'a>] {
        self.files.get_or_init(|| self.view.files())
    }

    fn trackers(&self) -> &[Tracker<'a>] {
        self.trackers.get_or_init(|| self.view.trackers())
    }

    fn availability(&self) -> Vec<i64> {
        self.view.availability().into_iter().map(|peers| peers.map_or(-1, i64::from)).collect()
    }
}

impl<V: View> Serialize for Rows<'_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let fields = self.fields.as_slice();
        let header = (self.format == Format::Table).then(|| fields.iter().map(|field| field.name()));
        let mut rows = serializer.serialize_seq(Some(self.views.len() + usize::from(header.is_some())))?;
        if let Some(names) = header {
            rows.serialize_element(&names.collect::<Vec<_>>())?;
        }
        for view in self.views {
            let row = Row::of(view);
            match self.format {
                Format::Objects => rows.serialize_element(&Object(&row, fields))?,
                Format::Table => rows.serialize_element(&List(&row, fields))?,
            }
        }
        rows.end()
    }
}

struct Object<'r, 'a, V>(&'r Row<'a, V>, &'r [Field]);

impl<V: View> Serialize for Object<'_, '_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_map(Some(self.1.len()))?;
        for field in self.1 {
            object.serialize_entry(field.name(), &self.0.cell(*field))?;
        }
        object.end()
    }
}

struct List<'r, 'a, V>(&'r Row<'a, V>, &'r [Field]);

impl<V: View> Serialize for List<'_, '_, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.1.iter().map(|field| self.0.cell(*field)))
    }
}

impl<V: View> Serialize for Cell<'_, '_, V> {
    /// Writes the value. A time that never was is 0, as with Transmission.
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (row, torrent) = (self.row, &self.row.torrent);
        let (sizes, traffic, dates) = (&torrent.sizes, &torrent.traffic, &torrent.dates);
        let (limits, swarm) = (&torrent.limits, &torrent.swarm);
        match self.field {
            Field::ActivityDate => dates.active.unwrap_or_default().serialize(to),
            Field::AddedDate => dates.added.unwrap_or_default().serialize(to),
            Field::Availability => row.availability().serialize(to),
            Field::BandwidthPriority => limits.priority.serialize(to),
            Field::Comment => torrent.comment.serialize(to),
            Field::CorruptEver => traffic.corrupt.serialize(to),
            Field::Creator => torrent.creator.serialize(to),
            Field::DateCreated => dates.created.unwrap_or_default().serialize(to),
            Field::DesiredAvailable => sizes.available.serialize(to),
            Field::DoneDate => dates.done.unwrap_or_default().serialize(to),
            Field::DownloadDir => torrent.download_dir.serialize(to),
            Field::DownloadLimit => limits.download.limit.serialize(to),
            Field::DownloadLimited => limits.download.enabled.serialize(to),
            Field::DownloadedEver => traffic.downloaded.serialize(to),
            Field::EditDate => dates.edited.unwrap_or_default().serialize(to),
            Field::Error => error(torrent.error).0.serialize(to),
            Field::ErrorString => error(torrent.error).1.serialize(to),
            Field::Eta => eta(torrent.eta).serialize(to),
            Field::EtaIdle => eta(torrent.eta_idle).serialize(to),
            Field::FileCount => torrent.file_count.serialize(to),
            Field::FileStats => to.collect_seq(row.files().iter().map(File::state)),
            Field::Files => to.collect_seq(row.files().iter().map(File::entry)),
            Field::Group => torrent.group.serialize(to),
            Field::HashString => to.collect_str(&torrent.hash),
            Field::HaveUnchecked => sizes.unverified.serialize(to),
            Field::HaveValid => sizes.verified.serialize(to),
            Field::HonorsSessionLimits => limits.honors_session.serialize(to),
            Field::Id => torrent.id.serialize(to),
            Field::IsFinished => torrent.is_finished.serialize(to),
            Field::IsPrivate => torrent.is_private.serialize(to),
            Field::IsStalled => torrent.is_stalled.serialize(to),
            Field::Labels => torrent.labels.serialize(to),
            Field::LeftUntilDone => sizes.left.serialize(to),
            Field::MagnetLink => row.view.magnet().serialize(to),
            Field::ManualAnnounceTime => time_or_never(torrent.manual_announce).serialize(to),
            Field::MaxConnectedPeers | Field::PeerLimit => limits.peers.serialize(to),
            Field::MetadataPercentComplete => torrent.metadata.serialize(to),
            Field::Name => torrent.name.serialize(to),
            Field::Peers => row.view.peers().serialize(to),
            Field::PeersConnected => swarm.connected.serialize(to),
            Field::PeersFrom => swarm.from.serialize(to),
            Field::PeersGettingFromUs => swarm.getting_from_us.serialize(to),
            Field::PeersSendingToUs => swarm.sending_to_us.serialize(to),
            Field::PercentComplete => complete(torrent).serialize(to),
            Field::PercentDone => done(torrent).serialize(to),
            Field::PieceCount => torrent.piece_count.serialize(to),
            Field::PieceSize => torrent.piece_size.serialize(to),
            Field::Pieces => BASE64_STANDARD.encode(row.view.pieces()).serialize(to),
            Field::PrimaryMimeType => torrent.mime_type.serialize(to),
            Field::Priorities => to.collect_seq(row.files().iter().map(|file| file.priority)),
            Field::QueuePosition => torrent.queue_position.serialize(to),
            Field::RateDownload => traffic.download_rate.serialize(to),
            Field::RateUpload => traffic.upload_rate.serialize(to),
            Field::RecheckProgress => torrent.verified.serialize(to),
            Field::SecondsDownloading => traffic.seconds_downloading.serialize(to),
            Field::SecondsSeeding => traffic.seconds_seeding.serialize(to),
            Field::SeedIdleLimit => limits.idle.limit.serialize(to),
            Field::SeedIdleMode => limits.idle.mode.serialize(to),
            Field::SeedRatioLimit => limits.ratio.limit.serialize(to),
            Field::SeedRatioMode => limits.ratio.mode.serialize(to),
            Field::SizeWhenDone => sizes.wanted.serialize(to),
            Field::StartDate => dates.started.unwrap_or_default().serialize(to),
            Field::Status => (torrent.status as u8).serialize(to),
            Field::TorrentFile => torrent.torrent_file.serialize(to),
            Field::TotalSize => sizes.total.serialize(to),
            Field::TrackerList => tracker::list(row.trackers()).serialize(to),
            Field::TrackerStats => to.collect_seq(row.trackers().iter().map(Tracker::stats)),
            Field::Trackers => to.collect_seq(row.trackers().iter().map(Tracker::entry)),
            Field::UploadLimit => limits.upload.limit.serialize(to),
            Field::UploadLimited => limits.upload.enabled.serialize(to),
            Field::UploadRatio => ratio(traffic.ratio).serialize(to),
            Field::UploadedEver => traffic.uploaded.serialize(to),
            // Numbers, though the specification once had said flags: see its history, version 17.
            Field::Wanted => to.collect_seq(row.files().iter().map(|file| u8::from(file.wanted))),
            Field::Webseeds => torrent.web_seeds.serialize(to),
            Field::WebseedsSendingToUs => swarm.web_seeds_sending.serialize(to),
        }
    }
}

fn error(error: Option<TorrentError<'_>>) -> (u8, &str) {
    match error {
        None => (0, ""),
        Some(TorrentError::TrackerWarning(text)) => (1, text),
        Some(TorrentError::TrackerError(text)) => (2, text),
        Some(TorrentError::Local(text)) => (3, text),
    }
}

/// Seconds, or what Transmission has instead (`TR_ETA_NOT_AVAIL`, `TR_ETA_UNKNOWN`).
fn eta(eta: Eta) -> i64 {
    match eta {
        Eta::NotApplicable => -1,
        Eta::Unknown => -2,
        Eta::Seconds(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX),
    }
}

fn time_or_never(time: Option<u64>) -> i64 {
    time.map_or(-1, |time| i64::try_from(time).unwrap_or(i64::MAX))
}

/// A ratio, or what Transmission has instead (`TR_RATIO_NA`, `TR_RATIO_INF`).
fn ratio(ratio: Option<f64>) -> f64 {
    match ratio {
        None => -1.0,
        Some(ratio) if ratio.is_finite() => ratio,
        Some(_) => -2.0,
    }
}

/// How much is here of what is wanted.
fn done(torrent: &Torrent<'_>) -> f64 {
    let Torrent { sizes, metadata, .. } = torrent;
    match sizes.wanted {
        // Nothing is wanted, or nothing is known yet.
        0 => f64::from(u8::from(*metadata >= 1.0)),
        wanted => wanted.saturating_sub(sizes.left) as f64 / wanted as f64,
    }
}

/// How much is here of everything.
fn complete(torrent: &Torrent<'_>) -> f64 {
    let Torrent { sizes, metadata, .. } = torrent;
    match sizes.total {
        0 => f64::from(u8::from(*metadata >= 1.0)),
        total => sizes.verified.saturating_add(sizes.unverified).min(total) as f64 / total as f64,
    }
}
