//! What the cases share: the disk, and torrents, made when they are first needed.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use crate::process::fresh;
use crate::support::Result;
use crate::torrent::Torrent;

/// Which content is shared.
#[derive(Clone, Copy)]
pub(crate) enum Content {
    /// One file of 1 GiB.
    Large,
    /// Many small files.
    Small,
    /// A file for a crowd.
    Crowd,
}

/// Bytes of the file for a crowd.
pub(crate) const CROWD: usize = 32 << 20;

/// The disk, and what is on it.
pub(crate) struct Disk {
    root: PathBuf,
    large: OnceCell<Torrent>,
    small: OnceCell<Torrent>,
    crowd: OnceCell<Torrent>,
}

impl Disk {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, large: OnceCell::new(), small: OnceCell::new(), crowd: OnceCell::new() }
    }

    /// A folder of this name, with nothing in it.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        fresh(&self.root.join(name))
    }

    /// Removes all but the torrents.
    pub(crate) fn clear(&self) -> Result<()> {
        fresh(&self.root.join("turn")).map(drop)
    }

    /// The torrent with this content.
    pub(crate) fn torrent(&self, content: Content) -> Result<&Torrent> {
        let (cell, make, name): (_, fn(&Path) -> Result<Torrent>, _) = match content {
            Content::Large => (&self.large, Torrent::large, "large"),
            Content::Small => (&self.small, Torrent::small, "small"),
            Content::Crowd => (&self.crowd, |folder| Torrent::crowd(folder, CROWD), "crowd"),
        };
        if cell.get().is_none() {
            // Nobody else sets it.
            let _ = cell.set(make(&fresh(&self.root.join(name))?)?);
        }
        Ok(cell.get().ok_or("there is no torrent")?)
    }
}
