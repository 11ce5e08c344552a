//! A torrent of the daemon: what is kept of it, and what it does now.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Instant;

use super::record::{FilePriority, Record};
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{Layout, Metainfo};
use crate::proto::bittorrent::wire::Bitfield;
use crate::proto::transmission::RECENT_SECONDS;
use crate::server::share::client::Handle;
use crate::server::share::resume::Resume;
use crate::server::share::swarm::Progress;

/// How much of the last second counts in a rate that people see.
const SMOOTHING: f64 = 0.3;

/// What is to be done with a torrent while it does not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// Its files go to another folder.
    Move(PathBuf),
    /// What is there is looked at again.
    Verify,
    /// It gets other trackers.
    Trackers(Vec<Vec<String>>),
    /// Its files are looked for in another folder, where somebody has put them.
    Look(PathBuf),
    /// It is forgotten, and so are its files if they are to be.
    Remove { files: bool },
}

/// What a torrent does.
#[derive(Debug)]
pub(super) enum Life {
    Idle,
    /// It begins: so many pieces were looked at.
    Checking(Arc<AtomicU32>),
    Running(Handle),
    /// It ends: what it has done counts until that is recorded.
    Stopping(Handle),
    /// An errand is done.
    Busy,
    /// It cannot run, until somebody does something about it.
    Failed(String),
}

/// A torrent.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: Sha1,
    /// The number by which programs of Transmission call it.
    pub(super) number: i64,
    pub(super) record: Record,
    pub(super) metainfo: Option<Arc<Metainfo>>,
    /// What there was when it ran last.
    pub(super) resume: Option<Resume>,
    pub(super) life: Life,
    pub(super) errands: VecDeque<Errand>,
    pub(super) rates: Rates,
    /// When bytes went or came last.
    pub(super) moved: Instant,
    /// Pieces that were there when it was kept last, and when that was.
    pub(super) kept: (u32, Instant),
    /// Whether its files are to be moved when it is complete: it was fetched here.
    pub(super) fetched: bool,
}

/// Bytes a second, as people see them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rates {
    pub(super) down: f64,
    pub(super) up: f64,
    /// The counts of a second ago.
    last: (u64, u64),
}

impl Rates {
    /// A second has gone by. Whether bytes have come or gone.
    pub(super) fn tick(&mut self, progress: &Progress) -> bool {
        let (down, up) = (progress.downloaded, progress.uploaded);
        let new = (down.saturating_sub(self.last.0), up.saturating_sub(self.last.1));
        let smooth = |before: f64, now: u64| {
            let rate = before * (1.0 - SMOOTHING) + now as f64 * SMOOTHING;
            if rate < 1.0 { 0.0 } else { rate }
        };
        (self.down, self.up) = (smooth(self.down, new.0), smooth(self.up, new.1));
        self.last = (down, up);
        new != (0, 0)
    }
}

impl Entry {
    pub(super) fn new(id: Sha1, number: i64, record: Record) -> Self {
        let now = Instant::now();
        Self {
            id,
            number,
            record,
            metainfo: None,
            resume: None,
            life: Life::Idle,
            errands: VecDeque::new(),
            rates: Rates::default(),
            moved: now,
            kept: (0, now),
            fetched: false,
        }
    }

    pub(super) fn handle(&self) -> Option<&Handle> {
        match &self.life {
            Life::Running(handle) => Some(handle),
            _ => None,
        }
    }

    /// What counts its bytes and pieces: as long as it runs, and until it has ended.
    fn counted(&self) -> Option<&Handle> {
        match &self.life {
            Life::Running(handle) | Life::Stopping(handle) => Some(handle),
            _ => None,
        }
    }

    pub(super) fn layout(&self) -> Option<&Arc<Layout>> {
        Some(self.metainfo.as_ref()?.info.layout())
    }

    /// What it is called.
    pub(super) fn name(&self) -> String {
        if let Some(metainfo) = &self.metainfo {
            return metainfo.info.name().to_owned();
        }
        let magnet = self.magnet();
        magnet.and_then(|magnet| magnet.name).unwrap_or_else(|| self.id.to_string())
    }

    /// The link that it came from, if nothing more is known.
    pub(super) fn magnet(&self) -> Option<Magnet> {
        self.record.magnet.as_ref()?.parse().ok()
    }

    /// Whether it does something, or has not rested for long.
    pub(super) fn is_recent(&self) -> bool {
        !matches!(self.life, Life::Idle | Life::Failed(_)) || self.moved.elapsed().as_secs() < RECENT_SECONDS
    }

    /// The pieces that are there, as far as is known.
    pub(super) fn have(&self) -> Option<Bitfield> {
        match self.counted() {
            Some(handle) => handle.have(),
            None => self.resume.as_ref().map(|resume| resume.have.clone()),
        }
    }

    /// How it goes, counted over all of its runs.
    pub(super) fn progress(&self) -> Progress {
        let mut progress = self.counted().map(Handle::progress).unwrap_or_default();
        if let (None, Some(layout)) = (self.counted(), self.layout()) {
            let have = self.resume.as_ref().map_or(0, |resume| resume.have.count());
            progress.pieces = (have, layout.pieces());
            progress.missing = if self.is_complete() { 0 } else { layout.pieces() - have };
        }
        progress.downloaded += self.record.downloaded;
        progress.uploaded += self.record.uploaded;
        progress.wasted += self.record.wasted;
        progress
    }

    /// Whether it does not run, and its files are still to be looked at.
    pub(super) fn is_unknown(&self) -> bool {
        self.handle().is_none() && self.metainfo.is_some() && self.resume.is_none()
    }

    /// Whether all that is wanted is there.
    pub(super) fn is_complete(&self) -> bool {
        match self.counted() {
            Some(handle) => {
                let progress = handle.progress();
                self.metainfo.is_some() && progress.pieces.1 > 0 && progress.missing == 0
            }
            None => {
                let (Some(layout), Some(resume)) = (self.layout(), &self.resume) else { return false };
                // Thousands that rest are asked each second: only where files were chosen is there more to look at.
                if resume.have.is_all() || self.record.priorities.is_empty() {
                    return resume.have.is_all();
                }
                let files = layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding());
                let mut wanted =
                    files.filter(|(number, _)| self.record.priority(*number) != FilePriority::Skip);
                wanted.all(|(number, _)| layout.pieces_of(number).all(|piece| resume.have.has(piece)))
            }
        }
    }

    /// Sets a running torrent as it is recorded.
    pub(super) fn configure(&self) {
        let Some(handle) = self.handle() else { return };
        self.record.configure(handle);
    }
}

impl Record {
    /// Sets a running torrent so. What cannot be made fails later, where it is needed.
    pub(super) fn configure(&self, handle: &Handle) {
        use crate::proto::bittorrent::picker::Strategy;
        handle.set_strategy(if self.sequential { Strategy::Sequential } else { Strategy::Rarest });
        handle.limit(self.limits.up, self.limits.down);
        if let Err(error) = handle.choose(|file| self.priority(file).of_pieces()) {
            tracing::warn!(%error, "an empty file cannot be made");
        }
    }
}

/// Bytes of the pieces that are there, padding apart.
pub(super) fn bytes_of(layout: &Layout, have: &Bitfield) -> u64 {
    if have.is_all() {
        return layout.content();
    }
    have.iter().map(|piece| u64::from(layout.piece_content(piece))).sum()
}

/// Bytes of a file that are there.
pub(super) fn bytes_of_file(layout: &Layout, number: usize, have: &Bitfield) -> u64 {
    let Some(file) = layout.files().get(number) else { return 0 };
    let range = file.range();
    let bytes = layout.pieces_of(number).filter(|piece| have.has(*piece)).map(|piece| {
        let begin = layout.piece_offset(piece);
        let end = begin + u64::from(layout.piece_size(piece));
        end.min(range.end).saturating_sub(begin.max(range.start))
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_come_to_rest() {
        let mut rates = Rates::default();
        assert!(rates.tick(&Progress { downloaded: 1000, uploaded: 10, ..Progress::default() }));
        assert_eq!((rates.down, rates.up), (300.0, 3.0));
        let progress = Progress { downloaded: 1000, uploaded: 10, ..Progress::default() };
        let ticks = (0..).find(|_| !rates.tick(&progress) && rates.down == 0.0).unwrap();
        assert!(ticks < 20, "{ticks}");
    }
}
