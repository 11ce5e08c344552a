//! A torrent before peers that are scripts, and whole swarms in virtual time.

mod swarm;
mod talk;

use std::sync::Arc;

use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::Sha1;
use crate::proto::bittorrent::metainfo::Info;
use crate::proto::bittorrent::metainfo::create::{Draft, DraftFile, Version};

/// A torrent of one file of so many pieces, of which nobody has the bytes.
fn info(pieces: u32, blocks: u32) -> Arc<Info> {
    let length = blocks * BLOCK;
    let file =
        DraftFile { path: Vec::new(), length: u64::from(pieces) * u64::from(length), executable: false };
    let draft = Draft::new("t", vec![file], length, Version::V1).unwrap();
    let hashes = vec![Sha1([0; 20]); pieces as usize];
    Arc::new(Info::read(draft.info(&hashes, &[None]).into()).unwrap())
}
