//! The commands of `wireworks hls`: one file each, with its arguments.

pub mod check;
pub mod latency;
pub mod link;
pub mod live;
pub mod package;
pub mod serve;
pub mod simulate;

/// What a user may type after `wireworks hls`.
#[derive(clap::Subcommand, Debug)]
pub enum Hls {
    /// Cut media into segments and write their playlists: a folder that any web server can serve
    Package(Box<package::Args>),
    /// Read playlists and what they name, as a player would, and say which rules of HLS they break
    Check(check::Args),
    /// Serve packaged folders, and media that are packaged while they are watched, with a page that plays them
    Serve(Box<serve::Args>),
    /// Take live feeds, and serve them with low latency, with a page that plays them
    Live(Box<live::Args>),
    /// Sign links, for a server that shows its streams to those only who have one
    Link(link::Args),
    /// Measure how far behind the encoder a live stream can be watched
    Latency(latency::Args),
    /// Play a video over recorded networks in virtual time, by several algorithms that choose its quality
    Simulate(Box<simulate::Args>),
}
