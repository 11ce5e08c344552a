//! The commands of `wireworks hls`: one file each, with its arguments.

pub mod check;
pub mod package;

/// What a user may type after `wireworks hls`.
#[derive(clap::Subcommand, Debug)]
pub enum Hls {
    /// Cut media into segments and write their playlists: a folder that any web server can serve
    Package(Box<package::Args>),
    /// Read playlists and what they name, as a player would, and say which rules of HLS they break
    Check(check::Args),
}
