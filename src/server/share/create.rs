//! Making a torrent of what is on the disk: which files it has, and their hashes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use super::check::CheckError;
use super::storage::{Allocation, Handles, Storage, StorageError};
use crate::net::workers::{Blocking, Priority};
use crate::proto::bittorrent::BLOCK;
use crate::proto::bittorrent::hash::{Sha1, Sha256};
use crate::proto::bittorrent::lanes::{LANES, sha1_many};
use crate::proto::bittorrent::merkle;
use crate::proto::bittorrent::metainfo::create::{self, Draft, DraftFile, Version};
use crate::proto::bittorrent::metainfo::names::MAX_DEPTH;
use crate::proto::bittorrent::metainfo::{Info, Layers, Layout, Metainfo, MetainfoError, piece_height};

/// What a torrent is to be like.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Its name, if not that of the file or folder.
    pub name: Option<String>,
    /// The versions that it is of.
    pub version: Version,
    /// Bytes of a piece; chosen by the size of the whole if it is `None`.
    pub piece_length: Option<u32>,
    /// Whether peers come from its trackers only.
    pub private: bool,
    /// A mark that makes its info hash another one.
    pub source: Option<String>,
}

/// Why there is no torrent of something.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// A file or folder cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// A name that is no text: others could not have it.
    #[error("{} has a name that is no UTF-8", .0.display())]
    Name(PathBuf),
    /// Something that is neither a file nor a folder.
    #[error("{} is neither a file nor a folder", .0.display())]
    Kind(PathBuf),
    /// The torrent would be none.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// A file changed, or cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The hashing was not done.
    #[error(transparent)]
    Check(#[from] CheckError),
}

/// Makes the metainfo of a file or folder, without trackers. `told` hears how many pieces were hashed, and how many there are.
///
/// # Errors
/// It cannot be read, or is nothing that can be shared.
pub async fn create(
    path: &Path,
    options: &Options,
    lane: &Blocking,
    mut told: impl FnMut(u32, u32),
) -> Result<Metainfo, CreateError> {
    let path = fs::canonicalize(path).map_err(|error| CreateError::Read { path: path.to_owned(), error })?;
    let files = files(&path)?;
    let own = path.file_name().ok_or_else(|| CreateError::Kind(path.clone()))?;
    let own = own.to_str().ok_or_else(|| CreateError::Name(path.clone()))?;
    let total = files.iter().map(|file| file.length).sum();
    let length = options.piece_length.unwrap_or_else(|| create::piece_length(total));
    let draft = |name: &str| Draft::new(name, files.clone(), length, options.version);
    let named = draft(options.name.as_deref().unwrap_or(own))?;
    let named = named.private(options.private).source(options.source.clone());
    // The files are found by the name that they have here.
    let here = draft(own)?.layout().clone();
    let folder = path.parent().unwrap_or(Path::new("/"));
    let storage = Storage::open(folder, Arc::new(here), &Handles::default(), Allocation::Sparse)?;
    let hashes = hash(&Arc::new(storage), options.version, lane, &mut told).await?;
    let (roots, rows) = trees(named.layout(), &hashes.leaves);
    let info = Info::read(named.info(&hashes.pieces, &roots).into())?;
    let mut layers = Layers::default();
    if options.version.is_v2() {
        for (file, row) in info.layout().files().iter().zip(rows) {
            if file.length > u64::from(length) {
                layers.insert(info.layout(), file, row);
            }
        }
    }
    Ok(Metainfo { layers, ..Metainfo::of(info) })
}

/// The files below a path, or the one that it is.
fn files(path: &Path) -> Result<Vec<DraftFile>, CreateError> {
    let read = |path: &Path| {
        let path = path.to_owned();
        move |error| CreateError::Read { path, error }
    };
    let mut found = Vec::new();
    let mut open = vec![(path.to_owned(), Vec::new())];
    while let Some((path, levels)) = open.pop() {
        // Links are followed: what they lead to is shared.
        let stat = fs::metadata(&path).map_err(read(&path))?;
        if stat.is_file() {
            use std::os::unix::fs::PermissionsExt as _;
            let executable = stat.permissions().mode() & 0o111 != 0;
            found.push(DraftFile { path: levels, length: stat.len(), executable });
        } else if stat.is_dir() {
            if levels.len() >= MAX_DEPTH {
                // A link that leads to a folder above it has no end.
                return Err(MetainfoError::Depth(MAX_DEPTH).into());
            }
            for entry in fs::read_dir(&path).map_err(read(&path))? {
                let entry = entry.map_err(read(&path))?;
                let name = entry.file_name().into_string().map_err(|_| CreateError::Name(entry.path()))?;
                let mut levels: Vec<String> = levels.clone();
                levels.push(name);
                open.push((entry.path(), levels));
            }
        } else {
            return Err(CreateError::Kind(path));
        }
    }
    Ok(found)
}

/// The hashes of all pieces.
#[derive(Default)]
struct Hashes {
    /// Of version 1, with padding.
    pieces: Vec<Sha1>,
    /// Of the blocks of each piece, without padding.
    leaves: Vec<Vec<Sha256>>,
}

/// Hashes pieces, four at a time.
async fn hash(
    storage: &Arc<Storage>,
    version: Version,
    lane: &Blocking,
    told: &mut impl FnMut(u32, u32),
) -> Result<Hashes, CreateError> {
    let pieces = storage.layout().pieces();
    let jobs = (0..pieces).step_by(LANES).map(|first| {
        let storage = Arc::clone(storage);
        async move {
            let work = move || hash_some(&storage, first..pieces.min(first + LANES as u32), version);
            let job = lane.submit(Priority::Low, work).map_err(CheckError::from)?;
            job.await.map_err(CheckError::from)?.map_err(CreateError::from)
        }
    });
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut jobs = stream::iter(jobs).buffered(threads + 1);
    let mut hashes = Hashes::default();
    while let Some(some) = jobs.next().await {
        let some = some?;
        hashes.pieces.extend(some.pieces);
        hashes.leaves.extend(some.leaves);
        told((hashes.pieces.len().max(hashes.leaves.len())) as u32, pieces);
    }
    Ok(hashes)
}

fn hash_some(
    storage: &Storage,
    pieces: std::ops::Range<u32>,
    version: Version,
) -> Result<Hashes, StorageError> {
    let layout = storage.layout();
    let mut hashes = Hashes::default();
    let mut read = Vec::new();
    for piece in pieces {
        let mut bytes = vec![0; layout.piece_size(piece) as usize];
        storage.read(piece, 0, &mut bytes)?;
        if version.is_v2() {
            let content = bytes.get(..layout.piece_content(piece) as usize).unwrap_or(&bytes);
            hashes.leaves.push(content.chunks(BLOCK as usize).map(Sha256::of).collect());
        }
        read.push(bytes);
    }
    if version.is_v1() {
        hashes.pieces = sha1_many(&read.iter().map(Vec::as_slice).collect::<Vec<_>>());
    }
    Ok(hashes)
}

/// The root of each file that has a byte, and the row of its pieces, from the leaves of all pieces.
fn trees(layout: &Layout, leaves: &[Vec<Sha256>]) -> (Vec<Option<Sha256>>, Vec<Vec<Sha256>>) {
    let height = piece_height(layout.piece_length());
    let trees = layout.files().iter().enumerate().map(|(number, file)| {
        let pieces = layout.pieces_of(number);
        let own = leaves.get(pieces.start as usize..pieces.end as usize).unwrap_or_default();
        match own {
            [] => (None, Vec::new()),
            [only] if file.length <= u64::from(layout.piece_length()) => {
                (Some(merkle::root(only, 0)), Vec::new())
            }
            own => {
                let row: Vec<Sha256> = own.iter().map(|leaves| merkle::root_of(leaves, 0, height)).collect();
                (Some(merkle::root(&row, height)), row)
            }
        }
    });
    trees.unzip()
}
