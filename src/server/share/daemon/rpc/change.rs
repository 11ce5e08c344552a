//! What Transmission's front ends change of a torrent.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::proto::bittorrent::hash::Sha1;
use crate::proto::transmission::{Failure, FileIndexes, Priority, SeedMode, TorrentChange};
use crate::server::share::daemon::Daemon;
use crate::server::share::daemon::entry::{Entry, Errand};
use crate::server::share::daemon::record::{FilePriority, TorrentLimits};
use crate::server::share::daemon::view::numbers;

impl Daemon {
    pub(super) fn set_torrent(&self, id: Sha1, change: &TorrentChange) -> Result<(), Failure> {
        let not_here = [
            ("bandwidthPriority", change.priority.is_some_and(|priority| priority != Priority::Normal)),
            ("group", change.group.as_ref().is_some_and(|group| !group.is_empty())),
            ("peer-limit", change.peer_limit.is_some()),
            ("honorsSessionLimits", change.honors_session_limits == Some(false)),
        ];
        if let Some((name, _)) = not_here.iter().find(|(_, given)| *given) {
            return Err(Failure::Other(format!("{name}: this daemon does not do that")));
        }
        let (priorities, trackers) = {
            let state = self.state();
            let Some(entry) = state.entries.get(&id) else { return Ok(()) };
            (priorities(entry, change)?, trackers(entry, change)?)
        };
        self.change(id, |record| {
            limit(&mut record.limits, change);
            if let Some(labels) = &change.labels {
                record.labels.clone_from(&labels.0);
            }
        });
        if !priorities.is_empty() {
            self.set_priorities(id, &priorities);
        }
        if let Some(position) = change.queue_position {
            self.set_position(id, position as usize);
        }
        if let Some(folder) = &change.location {
            self.move_to(id, PathBuf::from(&folder.0));
        }
        if let Some(trackers) = trackers {
            self.errand(id, Errand::Trackers(trackers));
        }
        Ok(())
    }
}

fn limit(limits: &mut TorrentLimits, change: &TorrentChange) {
    let rate = |held: Option<u64>, on: Option<bool>, new: Option<u32>| {
        let is_on = on.unwrap_or(held.is_some());
        is_on.then(|| new.map(|new| u64::from(new) * 1000).or(held).unwrap_or(100_000))
    };
    limits.down = rate(limits.down, change.download_limited, change.download_limit);
    limits.up = rate(limits.up, change.upload_limited, change.upload_limit);
    let below_none = change.seed_ratio_limit.map(|ratio| ratio.max(0.0));
    limits.ratio = match change.seed_ratio_mode {
        Some(SeedMode::Session) => None,
        Some(SeedMode::Unlimited) => Some(0.0),
        Some(SeedMode::Own) => below_none.or(limits.ratio).or(Some(2.0)),
        None => below_none.or(limits.ratio),
    };
    let minutes = change.seed_idle_limit.map(u64::from);
    limits.idle = match change.seed_idle_mode {
        Some(SeedMode::Session) => None,
        Some(SeedMode::Unlimited) => Some(0),
        Some(SeedMode::Own) => minutes.or(limits.idle).or(Some(30)),
        None => minutes.or(limits.idle),
    };
}

/// What is done with a file. For Transmission, whether it is wanted and how much it matters are two things.
#[derive(Clone, Copy)]
enum Step {
    Skip,
    Want,
    Give(FilePriority),
}

impl Step {
    /// What becomes of a file that was wanted so much.
    fn of(self, before: FilePriority) -> FilePriority {
        match (self, before) {
            (Self::Skip, _) => FilePriority::Skip,
            (Self::Want, FilePriority::Skip) => FilePriority::Normal,
            // Who gives a file that is not wanted a priority does not want it.
            (Self::Want, _) | (Self::Give(_), FilePriority::Skip) => before,
            (Self::Give(priority), _) => priority,
        }
    }
}

/// Files whose priorities are changed, by the numbers that people know.
fn priorities(entry: &Entry, change: &TorrentChange) -> Result<BTreeMap<usize, FilePriority>, Failure> {
    let mut changed = BTreeMap::new();
    let Some(layout) = entry.layout() else { return Ok(changed) };
    let known = numbers(layout);
    let held = |file: usize| known.get(file).map(|number| entry.record.priority(*number));
    let meant = |files: &FileIndexes| match files {
        FileIndexes::All => Ok((0..known.len()).collect::<Vec<_>>()),
        FileIndexes::Only(files) => {
            let files: Vec<usize> = files.iter().map(|file| *file as usize).collect();
            if files.iter().all(|file| *file < known.len()) { Ok(files) } else { Err(Failure::FileIndex) }
        }
    };
    for (files, step) in [
        (&change.files_unwanted, Step::Skip),
        (&change.files_wanted, Step::Want),
        (&change.priority_high, Step::Give(FilePriority::High)),
        (&change.priority_low, Step::Give(FilePriority::Low)),
        (&change.priority_normal, Step::Give(FilePriority::Normal)),
    ] {
        for file in files.as_ref().map(meant).transpose()?.unwrap_or_default() {
            let before = changed.get(&file).copied().or(held(file)).unwrap_or_default();
            changed.insert(file, step.of(before));
        }
    }
    Ok(changed)
}

/// The trackers of a torrent, if they are changed.
fn trackers(entry: &Entry, change: &TorrentChange) -> Result<Option<Vec<Vec<String>>>, Failure> {
    let before = entry.metainfo.as_ref().map(|metainfo| metainfo.trackers.clone()).unwrap_or_default();
    let mut after = before.clone();
    if let Some(list) = &change.tracker_list {
        after.clone_from(&list.0);
    }
    let all: Vec<String> = before.concat();
    let named = |id: u32| all.get(id as usize).ok_or(Failure::Trackers);
    for (id, url) in change.tracker_replace.iter().flatten() {
        let old = named(*id)?;
        after.iter_mut().flatten().filter(|known| *known == old).for_each(|known| known.clone_from(url));
    }
    for id in change.tracker_remove.iter().flatten() {
        let old = named(*id)?;
        after.iter_mut().for_each(|tier| tier.retain(|known| known != old));
    }
    after.retain(|tier| !tier.is_empty());
    for url in change.tracker_add.iter().flatten() {
        if after.iter().flatten().all(|known| known != url) {
            after.push(vec![url.clone()]);
        }
    }
    let is_tracker = |url: &String| url.parse::<crate::proto::bittorrent::tracker::Url>().is_ok();
    if !after.iter().flatten().all(is_tracker) {
        return Err(if change.tracker_list.is_some() { Failure::TrackerList } else { Failure::Trackers });
    }
    Ok((after != before).then_some(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_wanted_or_not_and_matters_more_or_less() {
        use FilePriority::{High, Low, Normal, Skip};
        for (step, before, after) in [
            (Step::Skip, High, Skip),
            (Step::Want, Skip, Normal),
            (Step::Want, High, High),
            (Step::Give(Low), Normal, Low),
            (Step::Give(High), Skip, Skip),
        ] {
            assert_eq!(step.of(before), after);
        }
    }
}
