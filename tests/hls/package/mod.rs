//! `wireworks hls package`: what it writes, beside what it read, and beside what other programs make of it.

mod faults;
mod frames;
mod golden;
mod inputs;
mod options;
mod players;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use wireworks::proto::hls::playlist::media::MediaPlaylist;
use wireworks::proto::hls::playlist::multivariant::MultivariantPlaylist;
use wireworks::proto::hls::playlist::read::Playlist;
use wireworks::proto::hls::playlist::variables::Variables;

use crate::support::command::wireworks;
use crate::support::process::Ended;

/// A file of the project: `240p.mp4` is among the samples, `ts/wrap.ts` among the data of the tests.
fn file(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = if name.contains('/') { "tests/data/hls" } else { "media" };
    root.join(folder).join(name).display().to_string()
}

/// Packages into `out`, however it ends. Words that name files of ours are replaced by their paths.
#[track_caller]
fn ended(out: &Path, args: &str) -> Ended {
    let out = out.display().to_string();
    let mut words: Vec<String> = ["hls", "package", "--out", &out].map(str::to_owned).to_vec();
    for word in args.split_whitespace() {
        let (name, rest) =
            word.split_once(',').map_or((word, String::new()), |(name, rest)| (name, format!(",{rest}")));
        let is_ours = Path::new(&file(name)).is_file();
        words.push(if is_ours { file(name) + &rest } else { word.to_owned() });
    }
    wireworks(&words.iter().map(String::as_str).collect::<Vec<_>>()).wait()
}

/// A folder into which was packaged.
#[track_caller]
fn packaged(args: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let ended = ended(&dir.path().join("out"), &format!("{args} --quiet"));
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(0), ""), "{args}");
    dir
}

/// What a package consists of: bytes by path.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

/// The multivariant playlist of a package.
#[track_caller]
fn master(dir: &tempfile::TempDir) -> MultivariantPlaylist {
    let bytes = fs::read(dir.path().join("out/master.m3u8")).unwrap();
    match Playlist::read(&bytes, Variables::default()).unwrap() {
        Playlist::Multivariant(playlist) => playlist,
        Playlist::Media(_) => panic!("master.m3u8 is a media playlist"),
    }
}

/// A media playlist of it.
#[track_caller]
fn media(dir: &tempfile::TempDir, uri: &str) -> MediaPlaylist {
    let bytes = fs::read(dir.path().join("out").join(uri)).unwrap();
    match Playlist::read(&bytes, Variables::default()).unwrap() {
        Playlist::Media(playlist) => playlist,
        Playlist::Multivariant(_) => panic!("{uri} is a multivariant playlist"),
    }
}

/// The playlists that a multivariant playlist names, those of I-frames apart.
fn members(master: &MultivariantPlaylist) -> Vec<String> {
    let variants = master.variants.iter().map(|variant| variant.uri.clone());
    let mut all: Vec<String> =
        variants.chain(master.media.iter().filter_map(|media| media.uri.clone())).collect();
    all.sort();
    all.dedup();
    all
}

/// The bytes of a segment, and of the initialization section in front of it if there is one.
#[track_caller]
fn segment(dir: &tempfile::TempDir, uri: &str, n: usize) -> (Vec<u8>, Vec<u8>) {
    let playlist = media(dir, uri);
    let folder = dir.path().join("out").join(uri).parent().unwrap().to_owned();
    let segment = &playlist.segments[n];
    let read = |uri: &str, range: Option<wireworks::proto::hls::playlist::media::ByteRange>| {
        let bytes = fs::read(folder.join(uri)).unwrap();
        match range {
            None => bytes,
            Some(range) => bytes[range.offset as usize..range.end() as usize].to_vec(),
        }
    };
    let init = segment.map.as_ref().map_or(Vec::new(), |map| read(&map.uri, map.byte_range));
    (init, read(&segment.uri, segment.byte_range))
}
