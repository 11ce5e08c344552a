//! What only SQLite does: files, full disks, and work in the background. What every store does is tried in `store/tests`.

mod background;
mod crash;
mod files;
mod full;

use std::path::Path;

use super::super::history::{Page, Part, Which};
use super::super::tests::{account, create, draft, everything, id, page, room_with, say, seqs, wait};
use super::super::{Appended, Draft, Store, StoreError};
use super::{Sqlite, SqliteConfig};
use crate::proto::chat::id::{RoomId, Seq};

/// A store in a folder of its own.
fn store() -> (tempfile::TempDir, Sqlite) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    (folder, store)
}

fn open(folder: &Path) -> Sqlite {
    Sqlite::open(folder, &SqliteConfig::default()).unwrap()
}
