//! A torrent without peers.

use std::sync::Arc;
use std::thread;

use tempfile::tempdir;

use super::*;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::bencode::Tree;
use crate::proto::bittorrent::wire::PeerId;
use crate::server::share::datagrams::Datagrams;
use crate::server::share::settings::Settings;
use crate::server::share::storage::{Allocation, Handles};

/// One of one file of two pieces.
fn info(content: &[u8]) -> Info {
    let hashes: Vec<u8> = content.chunks(BLOCK as usize).flat_map(|piece| Sha1::of(piece).0).collect();
    let info = Tree::dictionary([
        ("length", Tree::from(content.len() as i64)),
        ("name", Tree::from("file".to_owned())),
        ("piece length", Tree::from(i64::from(BLOCK))),
        ("pieces", Tree::from(hashes)),
    ]);
    Info::read(info.to_bytes().into()).unwrap()
}

#[tokio::test]
async fn a_piece_that_is_in_its_file_when_that_is_looked_at_is_kept_as_there() {
    let dir = tempdir().unwrap();
    let content = [vec![1; BLOCK as usize], vec![2; BLOCK as usize]].concat();
    let info = Arc::new(info(&content));
    let listen = "127.0.0.1:0".parse().unwrap();
    let datagrams = Datagrams::open(&listen, 0, None).unwrap();
    let settings = Settings { listen, dht: None, ..Settings::default() };
    let common = Arc::new(Common::new(settings, PeerId([1; 20]), 0, datagrams));
    let storage = Storage::open(dir.path(), Arc::clone(info.layout()), &Handles::new(2), Allocation::Sparse);
    let storage = Arc::new(storage.unwrap());
    let swarm = Arc::new(Swarm::new(common, info.hash()));
    swarm.begin(info, Arc::default(), Arc::clone(&storage), Bitfield::none(2));
    // A piece is on the disk, and does not count yet.
    let sharing = swarm.sharing().unwrap();
    let judging = sharing.judging.read().unwrap();
    storage.write(0, 0, &[content[..BLOCK as usize].to_vec().into()]).unwrap();
    let keeping = thread::spawn({
        let swarm = Arc::clone(&swarm);
        move || swarm.resume().unwrap()
    });
    for _ in 0..10_000 {
        thread::yield_now();
    }
    sharing.with(None, |state, _| state.torrent.has_come(0));
    drop(judging);
    let kept = keeping.join().unwrap();
    assert_eq!(kept.have.iter().collect::<Vec<_>>(), [0]);
    assert_ne!(
        kept.stamps,
        storage.stamps(),
        "it was changed a moment ago, and may be again before its date tells"
    );
}
