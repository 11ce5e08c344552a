//! `wireworks share send`: a file or folder, for whoever has the link.

use std::path::PathBuf;

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;

use super::create::TorrentOptions;
use super::options::PeerOptions;
use super::view::View;
use super::{ShareError, show, view};
use crate::net::workers::{Blocking, BlockingConfig};
use crate::proto::bittorrent::magnet::Magnet;
use crate::server::load::signals::Signals;
use crate::server::share::client::{Client, local_addresses};
use crate::server::share::create::{CreateError, create};

/// What a user may type after `wireworks share send`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// The file or folder
    #[arg(value_name = "PATH")]
    pub path: PathBuf,

    /// What the torrent is.
    #[command(flatten)]
    pub torrent: TorrentOptions,

    /// How peers are talked to.
    #[command(flatten)]
    pub peers: PeerOptions,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// Shares until a signal comes. The link is printed first, as text and as a picture.
///
/// # Errors
/// The files cannot be read, or no connections be taken.
pub fn run(args: &Args) -> Result<(), ShareError> {
    super::block_on(async {
        let mut signals = Signals::hear()?;
        let client = Client::start(args.peers.settings())?;
        let lane = Blocking::new(BlockingConfig::default());
        let view = View::new(args.quiet);
        let made =
            create(&args.path, &args.torrent.options(), &lane, |done, all| view.checks(done, all)).await;
        view.ends();
        let metainfo = args.torrent.complete(made?);
        let here = client.port().map(local_addresses).unwrap_or_default();
        let peers = here.iter().map(ToString::to_string).collect();
        let magnet = Magnet { peers, ..show::magnet(&metainfo) }.to_string();
        let read = |error| CreateError::Read { path: args.path.clone(), error };
        let path = std::fs::canonicalize(&args.path).map_err(read)?;
        let folder = path.parent().unwrap_or(&path);
        let handle = client.add(metainfo, folder, |_, _| {}).await?;
        args.peers.peer.iter().for_each(|peer| handle.add_peer(*peer));
        if let Ok(code) = QrCode::new(&magnet) {
            println!("{}", code.render::<Dense1x2>().build());
        }
        println!("{magnet}");
        view::listening(&client);
        signals.next().await;
        client.stop().await;
        Ok(())
    })
}
