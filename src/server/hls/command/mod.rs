//! The commands of `wireworks hls`: one file each, with its arguments.

pub mod check;
pub mod latency;
pub mod link;
pub mod live;
pub mod package;
pub mod play;
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
    /// Play a stream without a screen: choose qualities, show why, record it, or be many viewers at once
    Play(Box<play::Args>),
    /// Play a video over recorded networks in virtual time, by several algorithms that choose its quality
    Simulate(Box<simulate::Args>),
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use toml::Table;

    use super::*;
    use crate::server::command::{Configured, OptionSet, SHARED, names_every_option};

    #[test]
    fn the_manuals_name_every_option_and_its_default() {
        let none = Table::new();
        let serve = serve::Config::default().shown().table().unwrap();
        let live = live::Config::default().shown().table().unwrap();
        for (command, defaults, pages) in [
            (package::Args::augment_args(Command::new("package")), &none, &["hls.md#Package"][..]),
            (check::Args::augment_args(Command::new("check")), &none, &["hls.md#Check"]),
            (serve::Args::augment_args(Command::new("serve")), &serve, &["hls.md#Serve", SHARED]),
            (live::Args::augment_args(Command::new("live")), &live, &["hls-live.md#Options", SHARED]),
            (
                link::Args::augment_args(Command::new("link")),
                &none,
                &["hls-publish.md#Signed links and tokens"],
            ),
            (latency::Args::augment_args(Command::new("latency")), &none, &["hls-publish.md#Latency"]),
            (play::Args::augment_args(Command::new("play")), &none, &["hls-play.md#Options of the player"]),
            (simulate::Args::augment_args(Command::new("simulate")), &none, &["hls.md#Simulate"]),
        ] {
            names_every_option(&command, defaults, pages);
        }
    }
}
