//! Both sides: which nodes are given, and who is asked for them, in virtual time.

mod fetching;
mod giving;

use super::*;
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::metainfo::{File, FileKind, piece_height};
use crate::proto::bittorrent::random::Random;
use crate::proto::bittorrent::wire::Message;

/// Nodes by chance.
fn nodes(seed: u64, count: u32) -> Vec<Sha256> {
    let mut random = Random::new(seed);
    let mut node = || {
        let mut bytes = [0; 32];
        bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|part| *part = random.next().to_be_bytes());
        Sha256(bytes)
    };
    (0..count).map(|_| node()).collect()
}

/// A torrent whose files have so many pieces, and the rows of those that need one.
fn torrent(pieces: &[u32], piece_length: u32) -> (Arc<Layout>, Layers) {
    let layer = piece_height(piece_length);
    let rows: Vec<_> = pieces.iter().zip(1..).map(|(count, seed)| nodes(seed, *count)).collect();
    let files = rows.iter().zip(0..).map(|(row, number)| {
        let root = (!row.is_empty()).then(|| merkle::root(row, layer));
        file(number, row.len() as u64 * u64::from(piece_length), root)
    });
    let layout = Layout::new(files.collect(), piece_length, true).unwrap();
    let mut layers = Layers::default();
    for (file, row) in layout.files().iter().zip(rows).filter(|(_, row)| row.len() > 1) {
        assert!(layers.insert(&layout, file, row));
    }
    (Arc::new(layout), layers)
}

fn file(number: u32, length: u64, root: Option<Sha256>) -> File {
    let path = vec!["t".to_owned(), number.to_string()];
    File { path, length, offset: 0, kind: FileKind::Regular, executable: false, root }
}
