//! From a path to what answers for it: a file and its compressed siblings, a directory, or neither.

use std::fs::File;
use std::os::fd::OwnedFd;

use super::Shared;
use super::root::{OpenError, Opened, Stamp};
use crate::proto::http::date;
use crate::proto::http::negotiate::{Coding, SMALLEST_FIRST};
use crate::proto::http::path::FilePath;

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Found {
    /// A file: the one that was named, or the index of the directory that was named.
    File(FoundFile),
    /// A directory without an index, its path ending with a slash.
    Directory(OwnedFd),
    /// A directory whose path lacks the slash at the end, without which relative links in it would go astray.
    Unslashed,
}

/// An open file, as it is and in other codings.
#[derive(Debug)]
pub(super) struct FoundFile {
    /// From the root.
    pub(super) path: Vec<u8>,
    /// The file itself, then its siblings in the order of our preference.
    pub(super) forms: Vec<Form>,
}

/// A file in one coding.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) coding: Coding,
    pub(super) file: File,
    pub(super) stamp: Stamp,
}

/// Whether a file of this name is kept back.
pub(super) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") && name != b".well-known"
}

impl Shared {
    /// Looks for `path` on the disk.
    pub(super) fn find(&self, path: &FilePath) -> Result<Found, OpenError> {
        if !self.options.show_hidden && path.segments().any(is_hidden) {
            return Err(OpenError::Missing);
        }
        if path.is_folder() {
            return self.find_index(path);
        }
        match self.root.open(path.relative())? {
            Opened::File(file, stamp) => {
                let path = path.relative().to_vec();
                Ok(Found::File(self.with_siblings(path, file, stamp)))
            }
            Opened::Directory(_) => Ok(Found::Unslashed),
        }
    }

    fn find_index(&self, path: &FilePath) -> Result<Found, OpenError> {
        for name in &self.options.index {
            let mut inside = path.relative().to_vec();
            if !inside.is_empty() {
                inside.push(b'/');
            }
            inside.extend_from_slice(name.as_bytes());
            match self.root.open(&inside) {
                Ok(Opened::File(file, stamp)) => {
                    return Ok(Found::File(self.with_siblings(inside, file, stamp)));
                }
                Ok(Opened::Directory(_)) | Err(OpenError::Missing) => {}
                Err(error) => return Err(error),
            }
        }
        match self.root.open(path.relative())? {
            Opened::Directory(dir) if self.options.listing => Ok(Found::Directory(dir)),
            _ => Err(OpenError::Missing),
        }
    }

    /// The file at `path`, which answers in place of what is missing.
    pub(super) fn find_fallback(&self, path: &str) -> Result<FoundFile, OpenError> {
        match self.root.open(path.as_bytes())? {
            Opened::File(file, stamp) => Ok(self.with_siblings(path.into(), file, stamp)),
            Opened::Directory(_) => Err(OpenError::Missing),
        }
    }

    fn with_siblings(&self, path: Vec<u8>, file: File, stamp: Stamp) -> FoundFile {
        let mut forms = vec![Form { coding: Coding::Identity, file, stamp }];
        if self.options.precompressed {
            let siblings =
                SMALLEST_FIRST.into_iter().filter_map(|coding| self.sibling(&path, coding, &stamp));
            forms.extend(siblings);
        }
        FoundFile { path, forms }
    }

    /// A sibling that cannot be opened is as good as none. Copying does not keep parts of a second.
    fn sibling(&self, path: &[u8], coding: Coding, original: &Stamp) -> Option<Form> {
        match self.root.open(&[path, coding.file_suffix().as_bytes()].concat()) {
            Ok(Opened::File(file, stamp))
                if date::seconds(stamp.modified()) >= date::seconds(original.modified()) =>
            {
                Some(Form { coding, file, stamp })
            }
            _ => None,
        }
    }
}
