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

    use super::*;

    /// The rows of options in the sections of both commands.
    fn rows() -> Vec<String> {
        let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/websocket.md");
        let page = std::fs::read_to_string(page).unwrap();
        let sections =
            page.split("\n## Connect\n").nth(1).unwrap().split("\n## Write a client\n").next().unwrap();
        sections.lines().filter(|line| line.starts_with("| `-")).map(str::to_owned).collect()
    }

    #[test]
    fn the_manual_names_every_option_and_its_default() {
        let rows = rows();
        for command in [
            connect::Args::augment_args(Command::new("connect")),
            bench::Args::augment_args(Command::new("bench")),
        ] {
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let name = format!("`--{}`", arg.get_long().unwrap());
                assert!(arg.get_help_heading().is_some() && arg.get_help().is_some(), "{name}");
                let mut rows = rows.iter().filter(|row| row.contains(&name)).peekable();
                assert!(rows.peek().is_some(), "{name} is not in the manual");
                if let [default] = arg.get_default_values() {
                    let cell = format!("{name} | {} | ", default.to_str().unwrap());
                    assert!(rows.any(|row| row.contains(&cell)), "{cell}");
                }
            }
        }
    }
}
