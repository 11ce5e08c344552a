//! What there is to play in a folder: packaged trees by their multivariant playlists, media playlists that belong to none, and media.
//!
//! A folder with a multivariant playlist is a stream, and what is below it is part of that. Where there are only media playlists, each is
//! a stream. Where there is no playlist, media are films. Names that begin with a dot, and symbolic links, are passed over.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use super::film::MASTER;
use super::reply;
use super::tree::is_film;
use crate::proto::hls::playlist::MAX_PLAYLIST;
use crate::proto::http::path::encode_path;
use crate::server::hls::player::Stream;

/// Streams of one folder that are listed.
pub const MAX_LISTED: usize = 1000;

/// Entries of folders that are looked at.
const MAX_SEEN: usize = 20_000;

/// How deep folders are looked into.
const DEPTH: usize = 4;

/// The streams of the folder `root`, which is called `name`, by name. Blocks.
pub(super) fn streams(root: &Path, name: &str) -> Vec<Stream> {
    let mut found = Found { streams: Vec::new(), left: MAX_SEEN };
    let mut folders = vec![(root.to_owned(), name.to_owned(), 0)];
    while let Some((folder, below, depth)) = folders.pop() {
        if found.left == 0 || found.streams.len() >= MAX_LISTED {
            break;
        }
        let Entries { playlists, films, inner } = found.entries(&folder);
        let (many, single): (Vec<_>, Vec<_>) = playlists
            .into_iter()
            .partition(|(_, text)| memchr::memmem::find(text, b"#EXT-X-STREAM-INF").is_some());
        let is_packaged = !many.is_empty();
        let chosen = if is_packaged { many } else { single };
        let alone = chosen.len() == 1;
        for (file, text) in &chosen {
            let stem = file.trim_end_matches(".m3u8");
            let name = if alone { below.clone() } else { format!("{below}/{stem}") };
            let live = !if is_packaged {
                first_variant_is_complete(&folder, text)
            } else {
                reply::is_complete(text)
            };
            found.add(name, &format!("{below}/{file}"), live);
        }
        if is_packaged {
            continue;
        }
        if chosen.is_empty() {
            for file in films {
                found.add(format!("{below}/{file}"), &format!("{below}/{file}/{MASTER}"), false);
            }
        }
        if depth < DEPTH {
            folders.extend(
                inner.into_iter().map(|file| (folder.join(&file), format!("{below}/{file}"), depth + 1)),
            );
        }
    }
    found.streams.sort();
    found.streams.truncate(MAX_LISTED);
    found.streams
}

struct Found {
    streams: Vec<Stream>,
    left: usize,
}

/// What is in a folder.
#[derive(Default)]
struct Entries {
    /// With their text.
    playlists: Vec<(String, Vec<u8>)>,
    films: Vec<String>,
    inner: Vec<String>,
}

impl Found {
    fn add(&mut self, name: String, path: &str, live: bool) {
        let url = encode_path(path.as_bytes()).trim_start_matches('/').to_owned();
        self.streams.push(Stream { name, url, live });
    }

    /// Folders that cannot be read have nothing.
    fn entries(&mut self, folder: &Path) -> Entries {
        let mut entries = Entries::default();
        let Ok(listed) = fs::read_dir(folder) else { return entries };
        for entry in listed.flatten().take(self.left) {
            self.left -= 1;
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
            if name.starts_with('.') {
                continue;
            }
            if kind.is_dir() {
                entries.inner.push(name);
            } else if kind.is_file() && name.ends_with(".m3u8") {
                let text = read(&entry.path());
                entries.playlists.push((name, text));
            } else if kind.is_file() && is_film(&name) {
                entries.films.push(name);
            }
        }
        entries
    }
}

fn read(path: &Path) -> Vec<u8> {
    let mut text = Vec::new();
    // What cannot be read has no streams in it.
    let _ = File::open(path).and_then(|file| file.take(MAX_PLAYLIST as u64).read_to_end(&mut text));
    text
}

/// Whether the first playlist that a multivariant one names says that nothing is added to it. One that is elsewhere is taken to be so.
fn first_variant_is_complete(folder: &Path, text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let after = text.lines().skip_while(|line| !line.starts_with("#EXT-X-STREAM-INF"));
    let uri = after.map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let local = uri.filter(|uri| !uri.contains("..") && !uri.contains(':') && !uri.starts_with('/'));
    let Some(local) = local else { return true };
    let path =
        percent_encoding::percent_decode_str(local.split('?').next().unwrap_or(local)).decode_utf8_lossy();
    reply::is_complete(&read(&folder.join(&*path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_to_play() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let variant = |uri: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n\n{uri}\n");
        let whole = "#EXTM3U\n#EXTINF:1,\na.ts\n#EXT-X-ENDLIST\n";
        write("show/master.m3u8", &variant("low/index.m3u8"));
        write("show/low/index.m3u8", whole);
        write("show/low/init.mp4", "");
        write("now/master.m3u8", &variant("a%20b.m3u8?x=1"));
        write("now/a b.m3u8", "#EXTM3U\n#EXTINF:1,\na.ts\n");
        write("plain/one.m3u8", whole);
        write("plain/two.m3u8", "#EXTM3U\n");
        write("plain/init.mp4", "");
        write("media/A film.mp4", "");
        write("media/notes.txt", "");
        write(".hidden/a.mp4", "");
        write("1/2/3/4/5/deep.mp4", "");
        let stream = |name: &str, url: &str, live| Stream { name: name.into(), url: url.into(), live };
        assert_eq!(
            streams(dir.path(), "x"),
            [
                stream("x/media/A film.mp4", "x/media/A%20film.mp4/master.m3u8", false),
                stream("x/now", "x/now/master.m3u8", true),
                stream("x/plain/one", "x/plain/one.m3u8", false),
                stream("x/plain/two", "x/plain/two.m3u8", true),
                stream("x/show", "x/show/master.m3u8", false),
            ]
        );
        assert_eq!(streams(&dir.path().join("show"), "show"), [stream("show", "show/master.m3u8", false)]);
        assert_eq!(streams(&dir.path().join("none"), "none"), []);
    }
}
