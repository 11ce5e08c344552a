//! What becomes of pieces that are whole: they are hashed where they are, written if they are right, and only then told of.
//!
//! Both are work for the blocking lane. Pieces wait in a queue of their torrent, and as many jobs as there are threads work it off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::assembly::{Slot, Spill};
use super::sharing::Sharing;
use crate::net::workers::{Blocking, Priority};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::torrent::Checked;
use crate::proto::bittorrent::verify::of_blocks;
use crate::server::share::storage::StorageError;

/// Jobs that work at once, of all torrents, at most.
const JOBS: usize = 4;

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
    work: VecDeque<Work>,
    jobs: usize,
}

impl Disk {
    pub(in crate::server::share) fn new(lane: Blocking) -> Self {
        Self { lane, queue: Mutex::default() }
    }

    /// A piece is whole.
    pub(super) fn check(self: &Arc<Self>, sharing: &Arc<Sharing>, piece: u32, slots: Vec<Slot>) {
        self.push(Work::Check { sharing: Arc::clone(sharing), piece, slots });
    }

    /// Blocks have to make room.
    pub(super) fn spill(self: &Arc<Self>, sharing: &Arc<Sharing>, spill: Spill) {
        self.push(Work::Spill { sharing: Arc::clone(sharing), spill });
    }

    fn push(self: &Arc<Self>, work: Work) {
        {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.work.push_back(work);
            if queue.jobs >= JOBS {
                return;
            }
            queue.jobs += 1;
        }
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
            let work = {
                let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(work) = queue.work.pop_front() else {
                    queue.jobs -= 1;
                    return;
                };
                work
            };
            match work {
                Work::Check { sharing, piece, slots } => sharing.check(piece, slots),
                Work::Spill { sharing, spill } => sharing.write_early(&spill),
            }
        }
    }
}

impl Sharing {
    /// Hashes a piece, and writes it if it is right.
    fn check(&self, piece: u32, slots: Vec<Slot>) {
        let held: usize = slots.iter().map(Slot::held).sum();
        if let Err(error) = self.check_and_write(piece, slots) {
            self.fail(error);
        }
        self.common.memory.give(held);
    }

    fn check_and_write(&self, piece: u32, slots: Vec<Slot>) -> Result<(), StorageError> {
        let (expected, suspicious) = self.with(None, |state, _| {
            (self.info.expected(piece, &state.layers), state.torrent.is_suspicious(piece))
        });
        let layout = self.info.layout();
        let was_written: Vec<bool> = slots.iter().map(|slot| matches!(slot, Slot::Written(_))).collect();
        let mut blocks = Vec::with_capacity(slots.len());
        for (begin, slot) in (0u32..).step_by(BLOCK as usize).zip(slots) {
            blocks.push(match slot {
                Slot::Held(data) => data,
                Slot::Written(length) => {
                    let mut data = vec![0; length as usize];
                    self.storage.read(piece, begin, &mut data)?;
                    data.into()
                }
                // Only what is whole comes here.
                Slot::Missing => Bytes::new(),
            });
        }
        let padding = layout.piece_size(piece) - layout.piece_content(piece);
        let right = expected.is_met_by(&blocks, padding);
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
