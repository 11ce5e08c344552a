//! The commands of `wireworks hls`: one file each, with its arguments.

pub mod package;

/// What a user may type after `wireworks hls`.
#[derive(clap::Subcommand, Debug)]
pub enum Hls {
    /// Cut media into segments and write their playlists: a folder that any web server can serve
    Package(Box<package::Args>),
}
