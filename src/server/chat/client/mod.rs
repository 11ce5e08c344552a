//! The chat's own clients: what the commands `chat bench` and `chat connect` know of a server before they talk to it.

mod remote;

pub use self::remote::{Door, Remote, RemoteError};

#[cfg(test)]
mod tests {
    use clap::{Args, Command};
    use toml::Table;

    use crate::server::chat::{bench, connect};
    use crate::server::command::names_every_option;

    #[test]
    fn the_manuals_name_every_option_and_its_default() {
        for (page, command) in [
            ("chat-bench.md", bench::Args::augment_args(Command::new("bench"))),
            ("chat-connect.md", connect::Args::augment_args(Command::new("connect"))),
        ] {
            assert!(
                command.get_arguments().all(|arg| arg.is_positional() || arg.get_help_heading().is_some())
            );
            names_every_option(&command, &Table::new(), &[page]);
        }
    }
}
