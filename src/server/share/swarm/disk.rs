//! What becomes of pieces that are whole: they are hashed where they are, written if they are right, and only then told of.
//!
//! Both are work for the blocking lane. Pieces wait in a queue, and as many jobs as there are threads work it off. Pieces that come quickly wait for each other a moment: four that
//! are hashed at once take half the time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::assembly::{Slot, Spill};
use super::sharing::Sharing;
use crate::net::workers::{Blocking, Priority};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::lanes::LANES;
use crate::proto::bittorrent::metainfo::Expected;
use crate::proto::bittorrent::torrent::Checked;
use crate::proto::bittorrent::verify::{of_blocks, of_pieces};
use crate::server::share::storage::StorageError;

/// Jobs that work at once, of all torrents, at most.
const JOBS: usize = 4;

/// How long a piece waits for others to be hashed with, if one has come so shortly before.
const GATHER: Duration = Duration::from_millis(5);

/// Something to do with the disk.
#[derive(Debug)]
enum Work {
    /// A piece is whole.
    Check { sharing: Arc<Sharing>, piece: u32, slots: Vec<Slot> },
    /// Blocks have to make room.
    Spill { sharing: Arc<Sharing>, spill: Spill },
}

/// The queue of all torrents.
#[derive(Debug)]
pub(in crate::server::share) struct Disk {
    lane: Blocking,
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Each with what tells that the files are in use.
    work: VecDeque<(Work, TaskTrackerToken)>,
    /// How many of them are to be done now. The others wait to be more.
    ready: usize,
    /// Whether somebody looks after those that wait, lest they wait for long.
    watched: bool,
    /// When a piece was whole last.
    last: Option<Instant>,
    jobs: usize,
}

impl Disk {
    pub(in crate::server::share) fn new(lane: Blocking) -> Self {
        Self { lane, queue: Mutex::default() }
    }

    /// A piece is whole.
    pub(super) fn check(self: &Arc<Self>, sharing: &Arc<Sharing>, piece: u32, slots: Vec<Slot>) {
        sharing.common.memory.whole(slots.iter().map(Slot::held).sum());
        self.push(Work::Check { sharing: Arc::clone(sharing), piece, slots });
    }

    /// Blocks have to make room.
    pub(super) fn spill(self: &Arc<Self>, sharing: &Arc<Sharing>, spill: Spill) {
        self.push(Work::Spill { sharing: Arc::clone(sharing), spill });
    }

    fn push(self: &Arc<Self>, work: Work) {
        let (Work::Check { sharing, .. } | Work::Spill { sharing, .. }) = &work;
        let user = sharing.users.token();
        let mut queue = self.queue();
        queue.push(Instant::now(), work, user);
        if queue.waits() && !queue.watched {
            queue.watched = true;
            let disk = Arc::clone(self);
            tokio::spawn(async move {
                tokio::time::sleep(GATHER).await;
                let mut queue = disk.queue();
                queue.watched = false;
                queue.ready = queue.work.len();
                disk.start(queue);
            });
        }
        self.start(queue);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has one more job work off the queue, if there is something to do.
    fn start(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if queue.ready == 0 || queue.jobs >= JOBS {
            return;
        }
        queue.jobs += 1;
        drop(queue);
        let disk = Arc::clone(self);
        // The queue of the lane is as long as that of all of its users: with at most `JOBS` jobs of ours, it has room unless others fill it.
        match self.lane.submit(Priority::Normal, move || disk.work()) {
            Ok(job) => drop(tokio::spawn(job)),
            Err(_) => {
                let disk = Arc::clone(self);
                drop(tokio::task::spawn_blocking(move || disk.work()));
            }
        }
    }

    /// Works until nothing is left.
    fn work(&self) {
        loop {
            let some = {
                let mut queue = self.queue();
                if queue.ready == 0 {
                    queue.jobs -= 1;
                    return;
                }
                queue.take_some()
            };
            let mut whole = Vec::new();
            let (some, _users): (Vec<Work>, Vec<TaskTrackerToken>) = some.into_iter().unzip();
            for work in some {
                match work {
                    Work::Check { sharing, piece, slots } => whole.extend(sharing.gather(piece, slots)),
                    Work::Spill { sharing, spill } => sharing.write_early(&spill),
                }
            }
            check(whole);
        }
    }
}

impl Queue {
    /// Something more is to be done: now, or with others that will follow.
    fn push(&mut self, now: Instant, work: Work, user: TaskTrackerToken) {
        let lonely = self.last.is_none_or(|last| now.saturating_duration_since(last) > GATHER);
        let waits = match &work {
            Work::Check { sharing, .. } => {
                self.last = Some(now);
                // More of them would be more bytes than may be held.
                let together = LANES * sharing.info.layout().piece_length() as usize;
                !lonely && together <= sharing.common.settings.cache / 4
            }
            Work::Spill { .. } => false,
        };
        self.work.push_back((work, user));
        if !waits {
            self.ready = self.work.len();
        } else if self.work.len() - self.ready >= LANES {
            self.ready += LANES;
        }
    }

    /// Whether there is something that waits for others.
    fn waits(&self) -> bool {
        self.ready < self.work.len()
    }

    /// The next thing to do; and the pieces behind it that are hashed in the same time.
    fn take_some(&mut self) -> Vec<(Work, TaskTrackerToken)> {
        let ready = self.work.iter().take(self.ready.min(LANES));
        let checks = ready.take_while(|(work, _)| matches!(work, Work::Check { .. })).count();
        let some = checks.max(1).min(self.ready);
        self.ready -= some;
        self.work.drain(..some).collect()
    }
}

/// A piece that is whole.
struct Whole {
    sharing: Arc<Sharing>,
    piece: u32,
    blocks: Vec<Bytes>,
    was_written: Vec<bool>,
    expected: Expected,
    padding: u32,
    suspicious: bool,
    /// Bytes that are held until it is written.
    held: usize,
}

/// Hashes pieces, and writes those that are right.
fn check(pieces: Vec<Whole>) {
    let v1: Vec<_> = pieces.iter().filter(|whole| whole.expected.v1.is_some()).collect();
    let hashed = of_pieces(&v1.iter().map(|whole| (&whole.blocks[..], whole.padding)).collect::<Vec<_>>());
    let mut hashed = hashed.into_iter();
    for whole in pieces {
        let hash = whole.expected.v1.and_then(|_| hashed.next());
        let (sharing, held) = (Arc::clone(&whole.sharing), whole.held);
        if let Err(error) = sharing.judge(whole, hash) {
            sharing.fail(error);
        }
        sharing.common.memory.give_whole(held);
    }
}

impl Sharing {
    /// Collects the blocks of a piece, those on the disk among them.
    fn gather(self: Arc<Self>, piece: u32, slots: Vec<Slot>) -> Option<Whole> {
        let held = slots.iter().map(Slot::held).sum();
        let (expected, suspicious) = self.with(None, |state, _| {
            (self.info.expected(piece, &state.layers), state.torrent.is_suspicious(piece))
        });
        let was_written = slots.iter().map(|slot| matches!(slot, Slot::Written(_))).collect();
        let mut blocks = Vec::with_capacity(slots.len());
        for (begin, slot) in (0u32..).step_by(BLOCK as usize).zip(slots) {
            blocks.push(match slot {
                Slot::Held(data) => data,
                Slot::Written(length) => {
                    let mut data = vec![0; length as usize];
                    if let Err(error) = self.storage.read(piece, begin, &mut data) {
                        self.fail(error);
                        self.common.memory.give_whole(held);
                        return None;
                    }
                    data.into()
                }
                // Only what is whole comes here.
                Slot::Missing => Bytes::new(),
            });
        }
        let layout = self.info.layout();
        let padding = layout.piece_size(piece) - layout.piece_content(piece);
        Some(Whole { sharing: self, piece, blocks, was_written, expected, padding, suspicious, held })
    }

    /// Writes a piece if it is right, and tells of it.
    fn judge(&self, whole: Whole, hash: Option<Sha1>) -> Result<(), StorageError> {
        let Whole { piece, blocks, was_written, expected, suspicious, .. } = whole;
        let _judging = self.judging.read().unwrap_or_else(PoisonError::into_inner);
        let right = expected.is_met(hash, &blocks);
        if right {
            self.write_new(piece, &blocks, &was_written)?;
        } else {
            Self::count(&self.wasted, blocks.iter().map(|block| block.len() as u64).sum());
        }
        let hashes = if right && !suspicious { Vec::new() } else { of_blocks(&blocks) };
        drop(blocks);
        self.with(None, |state, _| state.torrent.checked(piece, &Checked { right, blocks: hashes }));
        Ok(())
    }

    /// Writes the blocks of a piece that are not on the disk, those that follow each other at once.
    fn write_new(&self, piece: u32, blocks: &[Bytes], was_written: &[bool]) -> Result<(), StorageError> {
        let mut at = 0;
        while at < blocks.len() {
            let is_written = |number: usize| was_written.get(number).copied().unwrap_or_default();
            if is_written(at) {
                at += 1;
                continue;
            }
            let run = (at..blocks.len()).take_while(|number| !is_written(*number)).count();
            // Blocks of a piece are fewer than 32 bits tell.
            self.storage.write(piece, at as u32 * BLOCK, &blocks[at..at + run])?;
            at += run;
        }
        Ok(())
    }

    /// Writes blocks of a piece that is not whole.
    fn write_early(&self, spill: &Spill) {
        let written =
            spill.runs.iter().try_for_each(|(begin, run)| self.storage.write(spill.piece, *begin, run));
        match written {
            Ok(()) => {
                let freed = self.with(None, |state, _| state.assembly.spilled(spill));
                self.common.memory.give(freed);
            }
            Err(error) => self.fail(error),
        }
    }
}
