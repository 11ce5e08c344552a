//! Starting and stopping a torrent, and what is done with it in between: outside of all locks, as it takes its time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::entry::{Errand, Life};
use super::store::{Change, Kept};
use super::{Daemon, run};
use crate::net::workers::Priority;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::magnet::Magnet;
use crate::proto::bittorrent::metainfo::{File, FileKind, Info, Layers, Layout, Metainfo};
use crate::server::one_line;
use crate::server::share::client::Handle;

impl Daemon {
    /// Shares a torrent. If that fails, it says why.
    pub(super) async fn start(&self, id: Sha1) {
        if let Err(why) = self.begin(id).await {
            self.cannot(id, why);
        }
    }

    /// Looks at what is there of a torrent. If that fails, it says why.
    pub(super) async fn look_at(&self, id: Sha1) {
        if let Err(why) = self.look_at_files(id).await {
            self.cannot(id, why);
        }
    }

    fn cannot(&self, id: Sha1, why: String) {
        tracing::warn!(torrent = %id, %why, "it cannot be shared");
        if let Some(entry) = self.state().entry(id) {
            entry.life = Life::Failed(why);
        }
    }

    async fn look_at_files(&self, id: Sha1) -> Result<(), String> {
        // It is never closed.
        let _turn = self.0.beginning.acquire().await;
        let (metainfo, folder, looked) = {
            let mut state = self.state();
            let Some(entry) = state.entry(id) else { return Ok(()) };
            let (Life::Checking(looked), Some(metainfo)) = (&entry.life, &entry.metainfo) else {
                return Ok(());
            };
            (Arc::clone(metainfo), entry.record.folder.clone(), Arc::clone(looked))
        };
        let told = |now, _| looked.store(now, Ordering::Relaxed);
        make_folder(&folder)?;
        let there = self.0.client.look(&metainfo, &folder, told).await.map_err(|error| one_line(&error))?;
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return Ok(()) };
        entry.resume = Some(there);
        entry.life = Life::Idle;
        let changes = run::kept(id, entry);
        state.changes.extend(changes);
        Ok(())
    }

    async fn begin(&self, id: Sha1) -> Result<(), String> {
        // It is never closed.
        let _turn = self.0.beginning.acquire().await;
        let (metainfo, magnet, folder, resume, looked) = {
            let mut state = self.state();
            let Some(entry) = state.entry(id) else { return Ok(()) };
            let Life::Checking(looked) = &entry.life else { return Ok(()) };
            let (looked, folder) = (Arc::clone(looked), entry.record.folder.clone());
            (entry.metainfo.clone(), entry.magnet(), folder, entry.resume.clone(), looked)
        };
        make_folder(&folder)?;
        let told = |now, _| looked.store(now, Ordering::Relaxed);
        match (metainfo, magnet) {
            (Some(metainfo), _) => {
                let metainfo = (*metainfo).clone();
                let added = match &resume {
                    Some(resume) => self.0.client.resume(metainfo, &folder, resume, told).await,
                    None => self.0.client.add(metainfo, &folder, told).await,
                };
                self.runs(id, added.map_err(|error| one_line(&error))?).await;
            }
            (None, Some(magnet)) => {
                let handle = self.0.client.fetch(&magnet).map_err(|error| one_line(&error))?;
                self.runs(id, handle.clone()).await;
                tokio::spawn(self.clone().fetch(id, handle, magnet, folder));
            }
            (None, None) => return Err("nothing is known of it".to_owned()),
        }
        Ok(())
    }

    /// It runs now; if it is gone meanwhile, it stops.
    async fn runs(&self, id: Sha1, handle: Handle) {
        let is_there = {
            let mut state = self.state();
            match state.entry(id) {
                Some(entry) => {
                    entry.life = Life::Running(handle.clone());
                    entry.kept = (handle.progress().pieces.0, Instant::now());
                    entry.configure();
                    true
                }
                None => false,
            }
        };
        if !is_there {
            handle.remove().await;
        }
    }

    /// Asks peers for the metadata of a link, and goes on with them.
    async fn fetch(self, id: Sha1, handle: Handle, magnet: Magnet, folder: PathBuf) {
        let stopped = handle.clone();
        let fetched = tokio::select! {
            fetched = self.fetched(id, &handle, &magnet, &folder) => fetched,
            () = stopped.stopped() => return,
        };
        if let Err(why) = fetched {
            handle.remove().await;
            if let Some(entry) = self.state().entry(id) {
                entry.life = Life::Failed(why);
            }
        }
        self.0.changed.notify_one();
    }

    async fn fetched(&self, id: Sha1, handle: &Handle, magnet: &Magnet, folder: &Path) -> Result<(), String> {
        let info = Info::read(handle.fetched().await).map_err(|error| error.to_string())?;
        let needs = info.hash().v1().is_none() && !Layers::default().is_complete(info.layout());
        let layers = if needs { handle.layers(&info).await } else { Ok(Layers::default()) };
        let layers = layers.map_err(|file| {
            let file = info.layout().files().get(file).map(File::display_path);
            format!("the torrent is wrong: no hashes of pieces are those of {}", file.unwrap_or_default())
        })?;
        let metainfo = Metainfo {
            layers,
            trackers: magnet.trackers.iter().map(|url| vec![url.clone()]).collect(),
            web_seeds: magnet.web_seeds.clone(),
            ..Metainfo::of(info)
        };
        {
            let mut state = self.state();
            let Some(entry) = state.entry(id) else { return Ok(()) };
            let chosen = &magnet.select;
            entry.record.magnet = None;
            if entry.record.priorities.is_empty() && !chosen.is_empty() {
                entry.record.priorities = super::view::selected(metainfo.info.layout(), chosen);
            }
            entry.metainfo = Some(Arc::new(metainfo.clone()));
            let record = entry.record.clone();
            let kept = Kept { id, record, metainfo: Some(metainfo.to_bytes()), resume: None };
            state.changes.push(Change::Put(Box::new(kept)));
        }
        handle.begin(metainfo, folder, |_, _| {}).await.map_err(|error| one_line(&error))?;
        if let Some(entry) = self.state().entry(id) {
            entry.configure();
        }
        Ok(())
    }

    /// Stops a torrent, and keeps what there is of it.
    pub(super) async fn stop(&self, id: Sha1, handle: Handle) {
        handle.remove().await;
        let failure = handle.failure();
        let progress = handle.progress();
        let resume = self.pieces(&handle).await;
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return };
        entry.record.downloaded += progress.downloaded;
        entry.record.uploaded += progress.uploaded;
        entry.record.wasted += progress.wasted;
        entry.resume = resume;
        entry.life = failure.map_or(Life::Idle, |error| Life::Failed(error.to_string()));
        let changes = run::kept(id, entry);
        state.changes.extend(changes);
    }

    /// Keeps what there is of a torrent that runs.
    pub(super) async fn keep_pieces(&self, id: Sha1, handle: &Handle) {
        let resume = self.pieces(handle).await;
        self.state().changes.push(Change::Resume(id, resume.map(|resume| resume.to_bytes())));
    }

    /// What there is of a torrent, by its pieces and files.
    async fn pieces(&self, handle: &Handle) -> Option<super::Resume> {
        let handle = handle.clone();
        let job = self.0.lane.submit(Priority::Normal, move || handle.resume()).ok()?;
        job.await.ok().flatten()
    }

    /// Does what is to be done with a torrent that does not run.
    pub(super) async fn carry_out(&self, id: Sha1, errand: Errand) {
        let done = match errand {
            Errand::Verify => {
                if let Some(entry) = self.state().entry(id) {
                    entry.resume = None;
                }
                Ok(())
            }
            Errand::Move(to) => self.relocate(id, to).await,
            Errand::Look(folder) => {
                if let Some(entry) = self.state().entry(id) {
                    entry.record.folder = folder;
                    entry.resume = None;
                }
                Ok(())
            }
            Errand::Trackers(trackers) => {
                self.set_trackers(id, trackers);
                Ok(())
            }
            Errand::Remove { files } => {
                self.forget(id, files).await;
                return;
            }
        };
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return };
        entry.life = done.map_or_else(|why: String| Life::Failed(why), |()| Life::Idle);
        if let Life::Failed(why) = &entry.life {
            tracing::warn!(torrent = %id, %why, "its files cannot be moved");
        }
        let changes = run::kept(id, entry);
        state.changes.extend(changes);
    }

    fn set_trackers(&self, id: Sha1, trackers: Vec<Vec<String>>) {
        let mut state = self.state();
        let Some(entry) = state.entry(id) else { return };
        let Some(metainfo) = &entry.metainfo else { return };
        let metainfo = Metainfo { trackers, ..(**metainfo).clone() };
        let kept = Kept {
            id,
            record: entry.record.clone(),
            metainfo: Some(metainfo.to_bytes()),
            resume: entry.resume.as_ref().map(super::Resume::to_bytes),
        };
        entry.metainfo = Some(Arc::new(metainfo));
        state.changes.push(Change::Put(Box::new(kept)));
    }

    async fn relocate(&self, id: Sha1, to: PathBuf) -> Result<(), String> {
        let (layout, from) = {
            let state = self.state();
            let Some(entry) = state.entries.get(&id) else { return Ok(()) };
            (entry.layout().cloned(), entry.record.folder.clone())
        };
        if let Some(layout) = layout.filter(|_| from != to) {
            let target = to.clone();
            let moved = self.0.lane.submit(Priority::Normal, move || move_files(&layout, &from, &target));
            let moved = moved.map_err(|error| error.to_string())?.await;
            moved.map_err(|error| error.to_string())?.map_err(|error| one_line(&error))?;
        }
        if let Some(entry) = self.state().entry(id) {
            // Renamed files have the dates that they had; those that were copied are looked at again.
            entry.record.folder = to;
        }
        Ok(())
    }

    async fn forget(&self, id: Sha1, files: bool) {
        let entry = self.state().entries.remove(&id);
        let Some(entry) = entry else { return };
        {
            let mut state = self.state();
            state.removed.push((entry.number, Instant::now()));
            state.changes.push(Change::Remove(id));
        }
        if let Some(layout) = entry.layout().filter(|_| files) {
            let (layout, folder) = (Arc::clone(layout), entry.record.folder.clone());
            if let Ok(job) = self.0.lane.submit(Priority::Normal, move || remove_files(&layout, &folder)) {
                let _ = job.await;
            }
        }
    }
}

fn make_folder(folder: &Path) -> Result<(), String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

/// A file cannot be moved.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", path.display())]
struct MoveError {
    path: PathBuf,
    source: io::Error,
}

/// Moves the files of a torrent. Those that were moved before it failed are moved back.
fn move_files(layout: &Layout, from: &Path, to: &Path) -> Result<(), MoveError> {
    let mut moved: Vec<PathBuf> = Vec::new();
    for path in paths(layout) {
        if let Err(source) = move_file(from, &from.join(&path), &to.join(&path)) {
            for path in &moved {
                // As well as it goes.
                let _ = move_file(to, &to.join(path), &from.join(path));
            }
            return Err(MoveError { path: to.join(path), source });
        }
        moved.push(path);
    }
    remove_folders(layout, from);
    Ok(())
}

fn move_file(root: &Path, from: &Path, to: &Path) -> io::Result<()> {
    if fs::symlink_metadata(from).is_err() {
        return Ok(());
    }
    if !is_below(from, root) {
        return Err(io::Error::other("a folder on the way is a link"));
    }
    if fs::symlink_metadata(to).is_ok() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there already"));
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(from, to).inspect_err(|_| drop(fs::remove_file(to)))?;
            fs::remove_file(from)
        }
        done => done,
    }
}

/// Removes the files of a torrent, and folders that are empty then.
fn remove_files(layout: &Layout, folder: &Path) {
    for path in paths(layout) {
        let path = folder.join(path);
        if !is_below(&path, folder) {
            // A folder on the way is a link that somebody has made.
            continue;
        }
        if let Err(error) = fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %path.display(), %error, "cannot be removed");
        }
    }
    remove_folders(layout, folder);
}

/// Whether the folder of a file is a folder or below it, links followed.
fn is_below(path: &Path, folder: &Path) -> bool {
    let real = |path: &Path| fs::canonicalize(path).ok();
    let (parent, folder) = (path.parent().and_then(real), real(folder));
    parent.zip(folder).is_some_and(|(parent, folder)| parent.starts_with(folder))
}

/// Removes folders of a torrent that are empty, the innermost first.
fn remove_folders(layout: &Layout, folder: &Path) {
    let mut folders: Vec<PathBuf> = paths(layout)
        .flat_map(|path| path.ancestors().skip(1).map(Path::to_owned).collect::<Vec<_>>())
        .collect();
    folders.retain(|path| !path.as_os_str().is_empty());
    folders.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
    folders.dedup();
    for path in folders {
        // What else is in it stays.
        let _ = fs::remove_dir(folder.join(path));
    }
}

/// Where the files of a torrent are below its folder. Their names are safe: [`names`](crate::proto::bittorrent::metainfo) made them so.
fn paths(layout: &Layout) -> impl Iterator<Item = PathBuf> + '_ {
    let files = layout.files().iter().filter(|file| !matches!(file.kind, FileKind::Padding));
    files.map(|file| file.path.iter().collect())
}

/// Pieces of a torrent that were looked at.
pub(super) fn looked(count: &AtomicU32, pieces: u32) -> f64 {
    f64::from(count.load(Ordering::Relaxed)) / f64::from(pieces.max(1))
}
