//! What is written of a stream: its segments, a journal of them, and at the end its playlists.
//!
//! All of it is written into a folder whose name begins with a dot, which is renamed when the playlists are in it: a folder with another name is whole. Each rendition has a journal, to which a segment is added when it
//! is written, as a playlist of that one segment behind a line with what else is known of it. From the journals the playlists of a folder are made that was left by a process which died: see [`recover`]. Who
//! writes into a folder holds a lock on a file in it, so that it is not taken for such a one.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::proto::hls::live::window::Complete;
use crate::proto::hls::playlist::media::{MediaPlaylist, PlaylistKind, Segment};
use crate::proto::hls::playlist::multivariant::MultivariantPlaylist;
use crate::proto::hls::playlist::read::Playlist;
use crate::proto::hls::playlist::variables::Variables;
use crate::server::durable;

/// The name of the multivariant playlist of a recording, as `wireworks hls package` has it.
const MASTER: &str = "master.m3u8";

/// The name of a journal.
const JOURNAL: &str = ".journal";

/// The name of the file that is locked.
const LOCK: &str = ".lock";

/// What an entry of a journal begins with; the bytes of the segment and its discontinuity sequence number follow.
const ENTRY: &str = "segment ";

/// The end of the name of a folder that is being written.
const PARTIAL: &str = ".partial";

/// The version of the protocol that playlists of recordings need.
const VERSION: u32 = 7;

/// What was written so far.
#[derive(Debug)]
pub(super) struct Tape {
    aside: PathBuf,
    whole: PathBuf,
    renditions: BTreeMap<String, Written>,
    master: Option<MultivariantPlaylist>,
    /// Held while it is written.
    lock: Option<File>,
}

#[derive(Debug, Default)]
struct Written {
    segments: Vec<Segment>,
    inits: Vec<String>,
    sizes: Vec<u64>,
    /// The discontinuity sequence number of each segment.
    eras: Vec<u64>,
    journal: Option<File>,
}

impl Tape {
    /// A tape that becomes the folder `stem` in `folder`. Nothing is written yet.
    pub(super) fn new(folder: &Path, stem: &str) -> Self {
        Self {
            aside: folder.join(format!(".{stem}{PARTIAL}")),
            whole: folder.join(stem),
            renditions: BTreeMap::new(),
            master: None,
            lock: None,
        }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        if self.whole.exists() { &self.whole } else { &self.aside }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.renditions.is_empty()
    }

    /// Writes a segment, with its initialization section if that is a new one, and which renditions go together.
    pub(super) fn segment(
        &mut self,
        rendition: &str,
        complete: Complete,
        init: Option<Bytes>,
        master: MultivariantPlaylist,
    ) -> io::Result<()> {
        let folder = self.aside.join(rendition);
        if !self.renditions.contains_key(rendition) {
            fs::create_dir_all(&folder)?;
            if self.lock.is_none() {
                let lock = File::create(self.aside.join(LOCK))?;
                lock.try_lock()?;
                self.lock = Some(lock);
            }
        }
        let written = self.renditions.entry(rendition.to_owned()).or_default();
        if let (Some(map), Some(init)) = (&complete.segment.map, init)
            && !written.inits.contains(&map.uri)
        {
            whole(&folder, &map.uri, &init)?;
            written.inits.push(map.uri.clone());
        }
        whole(&folder, &complete.segment.uri, &complete.bytes)?;
        written.note(&folder, &complete)?;
        written.sizes.push(complete.bytes.len() as u64);
        written.eras.push(complete.era);
        written.segments.push(complete.segment);
        self.master(master)
    }

    /// Keeps the multivariant playlist for a time when nobody is left who could tell it.
    fn master(&mut self, master: MultivariantPlaylist) -> io::Result<()> {
        let uris = |master: &MultivariantPlaylist| -> Vec<_> {
            let variants =
                master.variants.iter().map(|variant| (variant.uri.clone(), variant.codecs.clone()));
            let media = master.media.iter().filter_map(|media| Some((media.uri.clone()?, None)));
            variants.chain(media).collect()
        };
        // Its rates are measured at the end.
        if self.master.as_ref().map(uris) != Some(uris(&master)) {
            replaced(&self.aside, MASTER, master.write().as_bytes())?;
        }
        self.master = Some(master);
        Ok(())
    }

    /// Writes the playlists, and gives the folder its name.
    pub(super) fn finish(&mut self, master: Option<MultivariantPlaylist>) -> io::Result<()> {
        self.renditions.retain(|_, written| !written.segments.is_empty());
        let first = self.renditions.values().filter_map(Written::first_era).min().unwrap_or(0);
        let mut rates = BTreeMap::new();
        for (name, written) in &self.renditions {
            let playlist = written.playlist(first);
            if let Some(measured) = playlist.rates(&written.sizes) {
                rates.insert(format!("{name}/{}", super::super::stream::PLAYLIST), measured);
            }
            let folder = self.aside.join(name);
            replaced(&folder, super::super::stream::PLAYLIST, playlist.write().as_bytes())?;
        }
        if let Some(mut master) = master.or_else(|| self.master.take()) {
            // What was kept may be less than what was shown.
            master.measure(&rates);
            replaced(&self.aside, MASTER, master.write().as_bytes())?;
        }
        for (name, written) in &mut self.renditions {
            written.journal = None;
            removed(&self.aside.join(name).join(JOURNAL))?;
        }
        removed(&self.aside.join(LOCK))?;
        durable::rename(&self.aside, &self.whole)?;
        self.lock = None;
        Ok(())
    }

    /// What a process wrote into this folder that has died. `None` if one still writes, or there is nothing in it.
    fn left(aside: &Path) -> io::Result<Option<Self>> {
        let name = aside.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(PARTIAL));
        let (Some(stem), Some(folder)) = (stem.filter(|stem| !stem.is_empty()), aside.parent()) else {
            return Ok(None);
        };
        let mut tape = Self::new(folder, stem);
        let lock = match File::open(aside.join(LOCK)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            lock => lock?,
        };
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) => return Ok(None),
            locked => locked?,
        }
        tape.lock = Some(lock);
        for entry in fs::read_dir(aside)? {
            let path = entry?.path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if let Some(journal) = found(&path.join(JOURNAL))? {
                tape.renditions.insert(name.to_owned(), Written::of_journal(&path, &journal));
            }
        }
        if let Some(text) = found(&aside.join(MASTER))?
            && let Ok(Playlist::Multivariant(master)) = Playlist::read(text.as_bytes(), Variables::default())
        {
            tape.master = Some(master);
        }
        let any = tape.renditions.values().any(|written| !written.segments.is_empty());
        Ok(any.then_some(tape))
    }
}

impl Written {
    /// Adds a segment to the journal.
    fn note(&mut self, folder: &Path, complete: &Complete) -> io::Result<()> {
        let journal = match &mut self.journal {
            Some(journal) => journal,
            empty => empty.insert(File::create(folder.join(JOURNAL))?),
        };
        let text = playlist_of(vec![complete.segment.clone()]).write();
        let entry = format!("{ENTRY}{} {}\n{text}", complete.bytes.len(), complete.era);
        journal.write_all(entry.as_bytes())
    }

    /// What a journal names, as far as it is there.
    fn of_journal(folder: &Path, journal: &str) -> Self {
        let mut written = Self::default();
        let mut entries = journal.split(ENTRY);
        entries.next();
        for entry in entries {
            let read = || {
                let (head, text) = entry.split_once('\n')?;
                let (bytes, era) = head.split_once(' ')?;
                let (bytes, era) = (bytes.parse::<u64>().ok()?, era.parse::<u64>().ok()?);
                let Ok(Playlist::Media(mut one)) = Playlist::read(text.as_bytes(), Variables::default())
                else {
                    return None;
                };
                let segment = one.segments.pop().filter(|_| one.ended)?;
                let there = fs::metadata(folder.join(&segment.uri)).is_ok_and(|file| file.len() == bytes);
                there.then_some((segment, bytes, era))
            };
            // What is behind a hole is not kept.
            let Some((segment, bytes, era)) = read() else { break };
            written.segments.push(segment);
            written.sizes.push(bytes);
            written.eras.push(era);
        }
        written
    }

    /// The discontinuities before its first segment.
    fn first_era(&self) -> Option<u64> {
        let (first, era) = (self.segments.first()?, self.eras.first()?);
        Some(era.saturating_sub(u64::from(first.discontinuity)))
    }

    /// The playlist of what is there, in which discontinuities are counted from `first` on.
    fn playlist(&self, first: u64) -> MediaPlaylist {
        let mut playlist = playlist_of(self.segments.clone());
        playlist.discontinuity_sequence = self.first_era().unwrap_or(first).saturating_sub(first);
        // Gaps are not kept: what stands at one stands at the segment behind it.
        for (index, pair) in self.eras.windows(2).enumerate() {
            if let ([before, after], Some(segment)) = (pair, playlist.segments.get_mut(index + 1)) {
                segment.discontinuity = after > before;
            }
        }
        playlist
    }
}

fn playlist_of(segments: Vec<Segment>) -> MediaPlaylist {
    let longest = segments.iter().map(|segment| segment.duration.as_secs_f64().round() as u64).max();
    MediaPlaylist {
        version: VERSION,
        target_duration: longest.unwrap_or(0).max(1),
        kind: Some(PlaylistKind::Vod),
        ended: true,
        segments,
        ..MediaPlaylist::default()
    }
}

/// Completes what processes that died have left in `folder`.
pub(super) fn recover(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let recovered = Tape::left(&path).and_then(|tape| match tape {
            Some(mut tape) => tape.finish(None).map(|()| Some(tape)),
            None => Ok(None),
        });
        match recovered {
            Ok(None) => {}
            Ok(Some(tape)) => {
                tracing::info!(folder = %tape.whole.display(), "a recording that was cut off is complete as far as it went");
            }
            Err(error) => {
                tracing::error!(folder = %path.display(), %error, "a recording that was cut off cannot be completed");
            }
        }
    }
}

/// Writes a file, to the disk itself: what names it comes later, and shall not be there without it. What cannot be written whole is removed.
fn whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let path = folder.join(name);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_data()
    });
    written.inspect_err(|_| drop(fs::remove_file(&path)))
}

/// Writes a file in place of another one, which is there until the new one is on the disk.
fn replaced(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    durable::replace(&folder.join(name), bytes, durable::PUBLIC)
}

/// The text of a file, if it is there.
fn found(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn removed(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::proto::hls::playlist::multivariant::Variant;

    fn complete(number: u64, era: u64, discontinuity: bool) -> Complete {
        let uri = format!("seg-1-{number}.m4s");
        let duration = Duration::from_secs(2);
        Complete {
            segment: Segment { uri, duration, discontinuity, ..Segment::default() },
            era,
            bytes: Bytes::from(vec![0; 1000]),
        }
    }

    fn master() -> MultivariantPlaylist {
        let variant = |name: &str| Variant {
            uri: format!("{name}/playlist.m3u8"),
            bandwidth: 1,
            codecs: Some("avc1.64001f".to_owned()),
            ..Variant::default()
        };
        let variants = vec![variant("a"), variant("b"), variant("c")];
        MultivariantPlaylist { version: 6, variants, ..MultivariantPlaylist::default() }
    }

    /// Writes two renditions, one of which begins later and misses a segment with a discontinuity.
    fn write(folder: &Path) -> Tape {
        let mut tape = Tape::new(folder, "show");
        for (name, number, era, discontinuity) in
            [("a", 0, 4, true), ("a", 1, 4, false), ("b", 7, 4, false), ("a", 2, 5, true), ("b", 9, 5, false)]
        {
            tape.segment(name, complete(number, era, discontinuity), None, master()).unwrap();
        }
        tape
    }

    #[track_caller]
    fn check(folder: &Path, segments: &[(&str, usize)]) {
        let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["show"]);
        for (name, count) in segments {
            let text = fs::read(folder.join("show").join(name).join("playlist.m3u8")).unwrap();
            let Ok(Playlist::Media(list)) = Playlist::read(&text, Variables::default()) else { panic!() };
            assert_eq!((list.segments.len(), list.ended), (*count, true), "{name}");
            let marked = list.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
            let first = if *name == "a" { 0 } else { 1 };
            assert_eq!((list.discontinuity_sequence, list.discontinuity_sequence + marked), (first, 2));
        }
        let text = fs::read(folder.join("show/master.m3u8")).unwrap();
        let Ok(Playlist::Multivariant(read)) = Playlist::read(&text, Variables::default()) else { panic!() };
        let variants: Vec<_> = read.variants.iter().map(|one| (one.uri.as_str(), one.bandwidth)).collect();
        assert_eq!(variants, [("a/playlist.m3u8", 4000), ("b/playlist.m3u8", 4000)]);
        for file in [".lock", "a/.journal"] {
            assert!(!folder.join("show").join(file).exists());
        }
    }

    #[test]
    fn discontinuities_are_numbered_alike_in_all_renditions() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path()).finish(Some(master())).unwrap();
        check(dir.path(), &[("a", 3), ("b", 2)]);
    }

    #[test]
    fn what_a_process_that_died_has_left_is_completed() {
        let dir = tempfile::tempdir().unwrap();
        let tape = write(dir.path());
        // It still writes.
        recover(dir.path());
        assert!(dir.path().join(".show.partial").exists());
        // It died while it wrote another segment, and its entry.
        drop(tape);
        let folder = dir.path().join(".show.partial/a");
        fs::write(folder.join("seg-1-3.m4s"), [0; 10]).unwrap();
        let mut journal = File::options().append(true).open(folder.join(JOURNAL)).unwrap();
        let entry = playlist_of(vec![complete(3, 5, false).segment]).write();
        journal
            .write_all(format!("segment 1000 5\n{entry}segment 1000 5\n#EXTM3U\n#EXT-X-VER").as_bytes())
            .unwrap();
        fs::create_dir(dir.path().join(".other.partial")).unwrap();
        recover(dir.path());
        fs::remove_dir(dir.path().join(".other.partial")).unwrap();
        check(dir.path(), &[("a", 3), ("b", 2)]);
    }
}
