//! The chat's own clients: what the commands `chat bench` and `chat connect` know of a server before they talk to it.

mod remote;

pub use self::remote::{Door, Remote, RemoteError};

#[cfg(test)]
mod tests {
    use clap::{Args, Command};

    use crate::server::chat::{bench, connect};

    #[test]
    fn the_manuals_name_every_option_and_its_default() {
        for (page, command) in [
            ("docs/chat-bench.md", bench::Args::augment_args(Command::new("bench"))),
            ("docs/chat-connect.md", connect::Args::augment_args(Command::new("connect"))),
        ] {
            let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
            let text = std::fs::read_to_string(path).unwrap();
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let name = format!("| `--{}`", arg.get_long().unwrap());
                let short = arg.get_short().map(|short| format!(", `-{short}`")).unwrap_or_default();
                let default =
                    arg.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
                let row = match default.filter(|value| value != "false") {
                    Some(default) => format!("{name}{short} | {default} |"),
                    None => format!("{name}{short} |"),
                };
                assert!(arg.get_help_heading().is_some() && arg.get_help().is_some(), "{name}");
                assert!(text.contains(&row), "{page}: {row}");
            }
        }
    }
}
