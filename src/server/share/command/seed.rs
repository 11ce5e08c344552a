//! `wireworks share seed`: torrents whose files are there.

use std::path::PathBuf;

use super::options::PeerOptions;
use super::source::metainfo;
use super::view::View;
use super::{ShareError, view};
use crate::server::load::signals::Signals;
use crate::server::share::client::Client;

/// What a user may type after `wireworks share seed`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// Torrent files
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,

    /// The folder below which the files are
    #[arg(long, short = 'd', value_name = "DIR", default_value = ".")]
    pub data: PathBuf,

    /// How peers are talked to.
    #[command(flatten)]
    pub peers: PeerOptions,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// Shares until a signal comes.
///
/// # Errors
/// A torrent is none, or its folder of no use.
pub fn run(args: &Args) -> Result<(), ShareError> {
    let torrents: Vec<_> = args.files.iter().map(|file| metainfo(file)).collect::<Result<_, _>>()?;
    super::block_on(async {
        let mut signals = Signals::hear()?;
        let client = Client::start(args.peers.settings())?;
        for torrent in torrents {
            let (name, pieces) = (torrent.info.name().to_owned(), torrent.info.layout().pieces());
            let view = View::new(args.quiet);
            let added = client.add(torrent, &args.data, |looked, _| view.checks(looked, pieces)).await;
            view.ends();
            let handle = added?;
            let have = handle.progress().pieces.0;
            println!("sharing {} {name} {have}/{pieces}", handle.hash().id());
            args.peers.peer.iter().for_each(|peer| handle.add_peer(*peer));
        }
        view::listening(&client);
        signals.next().await;
        client.stop().await;
        Ok(())
    })
}
