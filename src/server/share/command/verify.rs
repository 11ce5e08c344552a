//! `wireworks share verify`: whether files are what their torrent says.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use super::ShareError;
use super::source::metainfo;
use super::view::View;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::server::share::check::check;
use crate::server::share::storage::{Allocation, Handles, Storage};

/// What a user may type after `wireworks share verify`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The torrent file
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// The folder below which the files are
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    pub data: PathBuf,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// Compares the files. What is printed: a line for each file that is not right, or one for all.
///
/// # Errors
/// The torrent cannot be read; or not all of it is there, of which the lines were printed.
pub fn run(args: &Args) -> Result<String, ShareError> {
    let metainfo = metainfo(&args.file)?;
    let (info, layers) = (Arc::new(metainfo.info), Arc::new(metainfo.layers));
    let layout = Arc::clone(info.layout());
    let storage = Storage::open(&args.data, Arc::clone(&layout), &Handles::default(), Allocation::Sparse);
    let storage = Arc::new(storage.map_err(Arc::new)?);
    let have = super::block_on(async {
        let lane = Blocking::new(BlockingConfig::default());
        let view = View::new(args.quiet);
        let checked =
            check(&info, &layers, &storage, &lane, |looked, _| view.checks(looked, layout.pieces())).await;
        view.ends();
        Ok(checked?)
    })?;
    if have.is_all() {
        return Ok(format!("{}: all {} pieces are right\n", info.name(), layout.pieces()));
    }
    let mut lines = String::new();
    for (number, file) in layout.files().iter().enumerate().filter(|(_, file)| !file.is_padding()) {
        let pieces = layout.pieces_of(number);
        let all = pieces.len();
        let right = pieces.filter(|piece| have.has(*piece)).count();
        if right < all {
            let path = storage.path(number);
            let _ = match std::fs::metadata(&path) {
                Err(error) => writeln!(lines, "{}: {error}", path.display()),
                Ok(found) if found.len() != file.length => {
                    writeln!(lines, "{}: {} bytes, not {}", path.display(), found.len(), file.length)
                }
                Ok(_) => writeln!(lines, "{}: {right} of {all} pieces are right", path.display()),
            };
        }
    }
    print!("{lines}");
    let (missing, pieces) = (layout.pieces() - have.count(), layout.pieces());
    Err(ShareError::Incomplete { name: info.name().to_owned(), missing, pieces })
}
