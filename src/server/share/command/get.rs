//! `wireworks share get`: fetches a torrent.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use globset::Glob;

use super::ShareError;
use super::options::PeerOptions;
use super::source::{Known, Source};
use super::view::{self, View};
use crate::proto::bittorrent::metainfo::{File, Info, Layers, Metainfo};
use crate::proto::bittorrent::picker::{PRIORITY, Strategy};
use crate::server::load::signals::Signals;
use crate::server::share::client::{Client, Handle};

/// Between two looks at how it goes.
const LOOK: Duration = Duration::from_millis(500);

/// What a user may type after `wireworks share get`.
#[derive(clap::Args, Clone, Debug)]
pub struct Args {
    /// A magnet link, a torrent file, or its URL
    #[arg(value_name = "TORRENT")]
    pub source: Source,

    /// The folder to write to; it is made if it is not there
    #[arg(long, short = 'o', value_name = "DIR", default_value = ".")]
    pub out: PathBuf,

    /// Fetch only the files that this fits, as in '*.mp4' or 'photos/**'; may be repeated
    #[arg(long, value_name = "GLOB")]
    pub select: Vec<Glob>,

    /// Fetch pieces in their order, to look at the first while the rest comes
    #[arg(long)]
    pub sequential: bool,

    /// Go on sharing when all is there, until a signal comes
    #[arg(long)]
    pub stay: bool,

    /// How peers are talked to.
    #[command(flatten)]
    pub peers: PeerOptions,

    /// Draw no progress bar
    #[arg(long, short = 'q')]
    pub quiet: bool,
}

/// Fetches it.
///
/// # Errors
/// It is no torrent, cannot be written, or was stopped.
pub fn run(args: &Args) -> Result<(), ShareError> {
    std::fs::create_dir_all(&args.out)
        .map_err(|error| ShareError::Write { path: args.out.clone(), error })?;
    super::block_on(async {
        let mut signals = Signals::hear()?;
        let known = args.source.read().await?;
        let client = Client::start(args.peers.settings())?;
        view::listening(&client);
        let mut view = View::new(args.quiet);
        let ended = tokio::select! {
            ended = fetch(args, &client, known, &mut view) => ended,
            () = signals.next() => Err(ShareError::Stopped),
        };
        view.ends();
        if let Ok(path) = &ended {
            println!("{}", path.display());
            if args.stay {
                signals.next().await;
            }
        }
        client.stop().await;
        ended.map(drop)
    })
}

/// Fetches it until all that is wanted is there: where it is.
async fn fetch(args: &Args, client: &Client, known: Known, view: &mut View) -> Result<PathBuf, ShareError> {
    let (handle, info, chosen) = match known {
        Known::Metainfo(metainfo) => {
            let info = metainfo.info.clone();
            let pieces = info.layout().pieces();
            let added = client.add(*metainfo, &args.out, |looked, _| view.checks(looked, pieces)).await;
            (added?, info, Vec::new())
        }
        Known::Magnet(magnet) => {
            let handle = client.fetch(&magnet)?;
            args.peers.peer.iter().for_each(|peer| handle.add_peer(*peer));
            let bytes = metadata(&handle, view).await;
            let info = Info::read(bytes)?;
            let pieces = info.layout().pieces();
            let metainfo =
                Metainfo { layers: layers(&handle, &info, view).await?, ..Metainfo::of(info.clone()) };
            let begun = handle.begin(metainfo, &args.out, |looked, _| view.checks(looked, pieces));
            begun.await?;
            (handle, info, magnet.select)
        }
    };
    choose(args, &handle, &info, &chosen)?;
    if args.sequential {
        handle.set_strategy(Strategy::Sequential);
    }
    args.peers.peer.iter().for_each(|peer| handle.add_peer(*peer));
    let mut finished = std::pin::pin!(handle.finished());
    loop {
        tokio::select! {
            finished = &mut finished => {
                finished?;
                return Ok(args.out.join(info.name()));
            }
            () = tokio::time::sleep(LOOK) => view.shows(info.name(), info.layout().content(), &handle.progress()),
        }
    }
}

/// Waits for the metadata.
async fn metadata(handle: &Handle, view: &mut View) -> Bytes {
    let mut fetched = std::pin::pin!(handle.fetched());
    loop {
        tokio::select! {
            bytes = &mut fetched => return bytes,
            () = tokio::time::sleep(LOOK) => view.asks(handle.progress().peers),
        }
    }
}

/// The hashes of pieces, where nothing else tells whether they are right.
async fn layers(handle: &Handle, info: &Info, view: &mut View) -> Result<Layers, ShareError> {
    if info.hash().v1().is_some() || Layers::default().is_complete(info.layout()) {
        return Ok(Layers::default());
    }
    let mut layers = std::pin::pin!(handle.layers(info));
    loop {
        tokio::select! {
            layers = &mut layers => {
                let name = |file: usize| info.layout().files().get(file).map(File::display_path);
                return layers.map_err(|file| ShareError::Layers(name(file).unwrap_or_default()));
            }
            () = tokio::time::sleep(LOOK) => view.asks(handle.progress().peers),
        }
    }
}

/// Chooses files: those that a pattern fits, below the folder of the torrent, or else those that the link names.
fn choose(
    args: &Args,
    handle: &Handle,
    info: &Info,
    numbers: &[RangeInclusive<u32>],
) -> Result<(), ShareError> {
    let files = info.layout().files();
    let globs: Vec<_> = args.select.iter().map(Glob::compile_matcher).collect();
    // In a link, padding does not count.
    let mut number = 0;
    let wanted: Vec<bool> = files
        .iter()
        .map(|file| {
            let own = number;
            number += u32::from(!file.is_padding());
            let below = if file.path.len() > 1 { &file.path[1..] } else { &file.path[..] };
            let (path, name) = (below.join("/"), file.path.last().map(String::as_str).unwrap_or_default());
            if globs.is_empty() {
                numbers.is_empty() || numbers.iter().any(|range| range.contains(&own))
            } else {
                globs.iter().any(|glob| glob.is_match(&path) || glob.is_match(name))
            }
        })
        .collect();
    if !files.iter().zip(&wanted).any(|(file, wanted)| *wanted && !file.is_padding()) {
        let pattern = args.select.iter().map(Glob::glob).collect::<Vec<_>>().join(", ");
        return Err(ShareError::Nothing { pattern, name: info.name().to_owned() });
    }
    handle
        .choose(|number| if wanted[number] { PRIORITY } else { 0 })
        .map_err(|error| ShareError::Storage(error.into()))
}
