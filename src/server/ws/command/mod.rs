//! The commands `wireworks ws connect` and `wireworks ws bench`: from what a user typed to sockets, and to an exit status.
//!
//! Both open sockets by the same options, a [`Target`]. [`connect`] is a conversation: lines in, messages out. [`mod@bench`] makes many
//! sockets busy, or holds them idle, and measures.

pub mod bench;
pub mod connect;
mod target;

pub use self::target::{Compression, Target, TargetError};

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use toml::Table;

    use super::*;
    use crate::server::command::names_every_option;

    #[test]
    fn the_manual_names_every_option_and_its_default() {
        for command in [
            connect::Args::augment_args(Command::new("connect")),
            bench::Args::augment_args(Command::new("bench")),
        ] {
            assert!(
                command.get_arguments().all(|arg| arg.is_positional() || arg.get_help_heading().is_some())
            );
            names_every_option(&command, &Table::new(), &["websocket.md#Connect", "websocket.md#Bench"]);
        }
    }
}
