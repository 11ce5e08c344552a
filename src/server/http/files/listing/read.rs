//! What is in a directory, as far as it is served.

use std::os::fd::OwnedFd;
use std::time::SystemTime;

use rustix::fs::{AtFlags, Dir, FileType, Stat};

use crate::server::http::files::find::is_hidden;
use crate::server::http::files::root::{OpenError, Root, Stamp};

/// Entries of one listing at most. Of a larger directory some are left out, and the listing says so.
pub const MAX_LISTED: usize = 10_000;

/// A directory, read.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// From the root, without slashes at the ends; empty for the root.
    pub(super) path: Vec<u8>,
    pub(super) items: Vec<Item>,
    /// Whether there is more than is listed.
    pub(super) cut: bool,
}

/// One of its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) name: Vec<u8>,
    pub(super) directory: bool,
    /// Bytes.
    pub(super) size: u64,
    pub(super) modified: SystemTime,
}

/// Reads the directory `dir`, which is at `path`. What could not be fetched is left out.
pub(super) fn read(
    root: &Root,
    dir: OwnedFd,
    path: Vec<u8>,
    show_hidden: bool,
) -> Result<Listing, OpenError> {
    let mut entries = Dir::new(dir)?;
    let mut listing = Listing { path, ..Listing::default() };
    while let Some(entry) = entries.read() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if matches!(name, b"." | b"..") || !is_fetchable(name) || !show_hidden && is_hidden(name) {
            continue;
        }
        let Some(stat) = stat(root, &entries, &listing.path, name) else {
            continue;
        };
        let directory = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => false,
            FileType::Directory => true,
            _ => continue,
        };
        if listing.items.len() == MAX_LISTED {
            listing.cut = true;
            break;
        }
        let stamp = Stamp::of(&stat);
        listing.items.push(Item {
            name: name.to_vec(),
            directory,
            size: stamp.size,
            modified: stamp.modified(),
        });
    }
    Ok(listing)
}

/// Whether a path with this name in it is not refused out of hand.
fn is_fetchable(name: &[u8]) -> bool {
    !name.iter().any(|byte| byte.is_ascii_control() || *byte == b'\\')
}

/// What an entry is, its link followed where links are. `None` for what is gone by now.
fn stat(root: &Root, dir: &Dir, path: &[u8], name: &[u8]) -> Option<Stat> {
    let stat = rustix::fs::statat(dir.fd().ok()?, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
        return Some(stat);
    }
    if !root.follows() {
        return None;
    }
    let whole = if path.is_empty() { name.to_vec() } else { [path, b"/", name].concat() };
    root.stat(&whole).ok()
}
