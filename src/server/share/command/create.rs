//! `wireworks share create`: its arguments.

use std::path::PathBuf;

use clap::ArgGroup;

use super::ShareError;
use super::view::View;
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::bittorrent::metainfo::Metainfo;
use crate::proto::bittorrent::metainfo::create::Version;
use crate::server::durable;
use crate::server::share::create::{Options, create};
use crate::server::units::ByteSize;

/// What a user may type after `wireworks share create`.
#[derive(clap::Args, Clone, Debug)]
#[command(group(ArgGroup::new("version").args(["v1", "v2", "hybrid"])))]
pub struct Args {
    /// The file or folder
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// The file to write [default: NAME.torrent]
    #[arg(long, short = 'o', value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// What the torrent is called [default: the name of the file or folder]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,

    /// What the torrent is.
    #[command(flatten)]
    pub torrent: TorrentOptions,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// What a torrent is like.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct TorrentOptions {
    /// A tracker; may be repeated, and each is asked if those before it do not answer. Several with commas between them are of one tier
    #[arg(long, short = 't', value_name = "URL")]
    pub tracker: Vec<String>,

    /// A folder on the web below which the files are, too (BEP 19); may be repeated
    #[arg(long, value_name = "URL")]
    pub web_seed: Vec<String>,

    /// For clients of version 1 (BEP 3) alone
    #[arg(long)]
    pub v1: bool,

    /// For clients of version 2 (BEP 52) alone
    #[arg(long)]
    pub v2: bool,

    /// For clients of both versions; this is the default
    #[arg(long)]
    pub hybrid: bool,

    /// Bytes of a piece, a power of two of at least 16 KiB [default: by the size of the whole]
    #[arg(long, value_name = "SIZE")]
    pub piece_length: Option<ByteSize>,

    /// Peers come from the trackers only (BEP 27)
    #[arg(long)]
    pub private: bool,

    /// A mark that makes the info hash another one, as private trackers ask for
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,

    /// What else is to be said of it
    #[arg(long, value_name = "TEXT")]
    pub comment: Option<String>,
}

impl TorrentOptions {
    pub(super) fn options(&self) -> Options {
        let version = match (self.v1, self.v2) {
            (true, _) => Version::V1,
            (_, true) => Version::V2,
            _ => Version::Hybrid,
        };
        Options {
            name: None,
            version,
            // What does not fit into 32 bits is refused as any length that no piece has.
            piece_length: self.piece_length.map(|length| u32::try_from(length.0).unwrap_or(u32::MAX)),
            private: self.private,
            source: self.source.clone(),
        }
    }

    /// Adds what is said beside the hashes.
    pub(super) fn complete(&self, metainfo: Metainfo) -> Metainfo {
        let tiers =
            self.tracker.iter().map(|tier| tier.split(',').map(|url| url.trim().to_owned()).collect());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Metainfo {
            trackers: tiers.collect(),
            web_seeds: self.web_seed.clone(),
            comment: self.comment.clone(),
            created_by: Some(concat!("wireworks ", env!("CARGO_PKG_VERSION")).to_owned()),
            created: i64::try_from(now.as_secs()).ok(),
            ..metainfo
        }
    }
}

/// Makes the file. What is printed: its place, and the names of the torrent.
///
/// # Errors
/// The files cannot be read, or the torrent not be written.
pub fn run(args: &Args) -> Result<String, ShareError> {
    super::block_on(async {
        let lane = Blocking::new(BlockingConfig::default());
        let view = View::new(args.quiet);
        let options = Options { name: args.name.clone(), ..args.torrent.options() };
        let made = create(&args.path, &options, &lane, |done, all| view.checks(done, all)).await;
        view.ends();
        let metainfo = args.torrent.complete(made?);
        let path = args.out.clone().unwrap_or_else(|| format!("{}.torrent", metainfo.info.name()).into());
        durable::replace(&path, &metainfo.to_bytes(), durable::PUBLIC)
            .map_err(|error| ShareError::Write { path: path.clone(), error })?;
        Ok(format!("{}\n{}", path.display(), super::show::hashes(metainfo.info.hash())))
    })
}
