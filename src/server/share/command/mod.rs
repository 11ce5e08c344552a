//! The commands of `wireworks share`: one file each, with its arguments.

pub mod create;
pub mod daemon;
pub mod get;
mod options;
pub mod seed;
pub mod send;
pub mod show;
mod source;
pub mod tracker;
pub mod verify;
mod view;

use std::io;

pub use self::options::PeerOptions;
pub use self::source::SourceError;
use super::client::{AddError, StartError};
use super::create::CreateError;
use super::storage::StorageError;
use crate::proto::bittorrent::metainfo::MetainfoError;

/// What a user may type after `wireworks share`.
#[derive(clap::Subcommand, Debug)]
pub enum Share {
    /// Share a file or folder with whoever has the link that is printed
    Send(Box<send::Args>),
    /// Fetch what a magnet link, a torrent file or its URL names
    Get(Box<get::Args>),
    /// Make a torrent file of a file or folder
    Create(Box<create::Args>),
    /// Show what a torrent file or a magnet link says
    Show(show::Args),
    /// Compare the files of a torrent with its hashes
    Verify(verify::Args),
    /// Share torrents whose files are there
    Seed(Box<seed::Args>),
    /// Share many torrents, with a page, an API and Transmission's RPC
    Daemon(Box<daemon::Args>),
    /// Tell peers of each other: a tracker over HTTP and UDP
    Tracker(Box<tracker::Args>),
}

/// Why a command of `wireworks share` could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    /// What is to be fetched or shown is none.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no torrent of it.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The metainfo is none.
    #[error(transparent)]
    Metainfo(#[from] MetainfoError),
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// Which one.
        path: std::path::PathBuf,
        /// Why not.
        #[source]
        error: io::Error,
    },
    /// It cannot begin.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The torrent cannot be shared.
    #[error(transparent)]
    Add(#[from] AddError),
    /// The disk is full, or fails.
    #[error(transparent)]
    Storage(#[from] std::sync::Arc<StorageError>),
    /// Files could not be looked at.
    #[error(transparent)]
    Check(#[from] super::check::CheckError),
    /// Not all of it is there.
    #[error("{name}: {missing} of {pieces} pieces are missing or wrong")]
    Incomplete {
        /// The torrent.
        name: String,
        /// Pieces that are not right.
        missing: u32,
        /// All of them.
        pieces: u32,
    },
    /// Nothing fits the choice.
    #[error("{pattern:?} fits no file of {name}")]
    Nothing {
        /// What was chosen.
        pattern: String,
        /// The torrent.
        name: String,
    },
    /// Nobody can tell whether the pieces of a file are right.
    #[error("the torrent is wrong: no hashes of pieces are those of {0}")]
    Layers(String),
    /// A signal ended it.
    #[error("stopped before all of it was there")]
    Stopped,
    /// The system refuses something that everything needs.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Runs a command's work on a runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, ShareError>>) -> Result<T, ShareError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // Jobs of the blocking lane may wait for a disk; nobody waits for them.
    runtime.shutdown_background();
    done
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use toml::Table;

    use super::*;
    use crate::server::command::names_every_option;

    #[test]
    fn the_manual_names_every_option_and_its_default() {
        for command in [
            send::Args::augment_args(Command::new("send")),
            get::Args::augment_args(Command::new("get")),
            create::Args::augment_args(Command::new("create")),
            seed::Args::augment_args(Command::new("seed")),
            show::Args::augment_args(Command::new("show")),
            verify::Args::augment_args(Command::new("verify")),
        ] {
            names_every_option(&command, &Table::new(), &["share.md#Options"]);
        }
    }
}
