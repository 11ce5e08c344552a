//! What tells one state of files from another without reading them: for whoever reads files again when they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device, inode, size, and the time of the last change.
type Stamp = (u64, u64, u64, i64, i64);

/// The state of some files; `None` for one that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamps(Vec<Option<Stamp>>);

impl Stamps {
    /// The state of these files at present. Of a symbolic link, that of the file behind it.
    pub fn take<P: AsRef<Path>>(files: impl IntoIterator<Item = P>) -> Self {
        let stamp =
            |file: fs::Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec());
        Self(files.into_iter().map(|path| fs::metadata(path).ok().map(stamp)).collect())
    }
}
