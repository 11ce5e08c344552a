//! Web seeds before servers that are scripts, and whole torrents in virtual time.

mod answers;
mod fetch;
mod requests;
mod rests;
mod urls;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::*;
use crate::proto::bittorrent::bencode::Tree;
use crate::proto::bittorrent::hash::Sha1;

/// A file of a torrent: its path below the folder, with slashes between levels, its length, and its attributes.
type Listed<'a> = (&'a str, u64, &'a str);

/// What byte is where in the file of this number.
fn content(file: usize, length: u64) -> Vec<u8> {
    (0..length).map(|at| (at / 251 + at) as u8 ^ (file as u8).wrapping_mul(37)).collect()
}

/// The `info` dictionary of version 1 for a folder of files, and their bytes, one behind the other.
fn folder(name: &[u8], files: &[Listed<'_>], piece: u32) -> (Arc<Info>, Vec<u8>) {
    let bytes: Vec<u8> = files
        .iter()
        .enumerate()
        .flat_map(|(number, (_, length, attributes))| match attributes.contains('p') {
            true => vec![0; *length as usize],
            false => content(number, *length),
        })
        .collect();
    let listed = files.iter().map(|(path, length, attributes)| {
        Tree::dictionary([("length", *length)])
            .with("path", Tree::list(path.split('/')))
            .with("attr", *attributes)
    });
    let hashes: Vec<u8> = bytes.chunks(piece as usize).flat_map(|piece| Sha1::of(piece).0).collect();
    let info = Tree::dictionary([("name", name.to_vec())])
        .with("piece length", piece)
        .with("pieces", hashes)
        .with("files", Tree::list(listed));
    (Arc::new(Info::read(info.to_bytes().into()).unwrap()), bytes)
}

/// One file of so many bytes, in pieces of so many blocks.
fn single(length: u64, blocks: u32) -> (Arc<Info>, Vec<u8>) {
    let bytes = content(0, length);
    let piece = blocks * BLOCK;
    let hashes: Vec<u8> = bytes.chunks(piece as usize).flat_map(|piece| Sha1::of(piece).0).collect();
    let info = Tree::dictionary([("name", "a b.bin")])
        .with("piece length", piece)
        .with("pieces", hashes)
        .with("length", length);
    (Arc::new(Info::read(info.to_bytes().into()).unwrap()), bytes)
}

/// A web seed, the time, and what it has said.
struct Desk {
    seed: WebSeed,
    info: Arc<Info>,
    bytes: Vec<u8>,
    now: Instant,
}

impl Desk {
    fn new((info, bytes): (Arc<Info>, Vec<u8>), kind: Kind, settings: Settings) -> Self {
        let now = Instant::now();
        let seed = WebSeed::new(Arc::clone(&info), kind, "http://w/x/", settings, now).unwrap();
        let mut desk = Self { seed, info, bytes, now };
        desk.seed.joined(now);
        assert_eq!(desk.words(), [Message::HaveAll, Message::Unchoke]);
        desk
    }

    fn files(torrent: (Arc<Info>, Vec<u8>)) -> Self {
        Self::new(torrent, Kind::Files, Settings::default())
    }

    /// Everything that is to be done now.
    fn todo(&mut self) -> Vec<Todo> {
        std::iter::from_fn(|| self.seed.poll(self.now)).collect()
    }

    /// The same, if nothing but words.
    fn words(&mut self) -> Vec<Message> {
        let word = |todo| match todo {
            Todo::Say(word) => word,
            other => panic!("{other:?}"),
        };
        self.todo().into_iter().map(word).collect()
    }

    /// The same, if nothing but asks.
    fn asks(&mut self) -> Vec<(AskId, Ask)> {
        let ask = |todo| match todo {
            Todo::Ask(id, ask) => (id, ask),
            other => panic!("{other:?}"),
        };
        self.todo().into_iter().map(ask).collect()
    }

    /// The only ask that is to be made now.
    fn ask(&mut self) -> (AskId, Ask) {
        let mut asks = self.asks();
        assert_eq!(asks.len(), 1, "{asks:?}");
        asks.remove(0)
    }

    fn request(&mut self, blocks: &[Block]) {
        blocks.iter().for_each(|block| self.seed.said(&Message::Request(*block)));
    }

    fn wait(&mut self, wait: Duration) {
        self.now += wait;
    }

    /// The message with the right bytes of a block.
    fn piece(&self, block: Block) -> Message {
        let start = self.info.layout().piece_offset(block.piece) as usize + block.begin as usize;
        let data = Bytes::copy_from_slice(&self.bytes[start..start + block.length as usize]);
        Message::Piece { piece: block.piece, begin: block.begin, data }
    }

    /// An answer with bytes of a file of this length.
    fn give(&mut self, id: AskId, ask: &Ask, length: u64, body: &[u8]) {
        let range = ask.range.clone().unwrap();
        let said = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        self.seed.answered(self.now, id, &head(206, Some(body.len() as u64), Some(&said)));
        self.seed.came(self.now, id, Bytes::copy_from_slice(body));
        self.seed.finished(self.now, id);
    }
}

fn head(status: u16, length: Option<u64>, range: Option<&str>) -> Head<'_> {
    Head { status, length, range, retry_after: None }
}

/// The block of this number of a piece.
fn block(piece: u32, number: u32) -> Block {
    Block { piece, begin: number * BLOCK, length: BLOCK }
}

/// A server: what is at which target.
#[derive(Default)]
struct Site(BTreeMap<String, Vec<u8>>);

impl Site {
    /// All files of a torrent, as they are called below a folder.
    fn of(info: &Info, bytes: &[u8], folder: &str) -> Self {
        let files = info.layout().files().iter().enumerate().filter(|(_, file)| !file.is_padding());
        let files = files.map(|(number, file)| {
            let path: Vec<String> =
                info.raw_path(number).iter().map(|level| String::from_utf8_lossy(level).into()).collect();
            let range = file.range();
            (format!("{folder}{}", path.join("/")), bytes[range.start as usize..range.end as usize].to_vec())
        });
        Self(files.collect())
    }

    /// The file at a target, which is decoded as servers do.
    fn get(&self, target: &str) -> Option<&[u8]> {
        let path = percent_encoding::percent_decode_str(target).decode_utf8().unwrap();
        self.0.get(&*path).map(Vec::as_slice)
    }
}
