//! Shows every default: in the help, and in the printed configuration.
//!
//! Both walk the options that the command line knows and ask the default [`Config`] for their values, so that no text here
//! can disagree with the code.

use clap::{Arg, Args as _, Command};
use toml::{Table, Value};

use super::args::{Args, Options};
use super::config::{Config, Site};
use super::load::ConfigError;

impl Args {
    /// The command with the default of each option behind its help.
    #[must_use]
    pub fn with_defaults(site: Site, command: Command) -> Command {
        // Defaults hold no path that TOML could not.
        let defaults = Table::try_from(Config::of(site).to_options()).unwrap_or_default();
        command.mut_args(|arg| match default_of(&arg, &defaults) {
            Some(default) => {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                arg.help(format!("{help} [default: {default}]"))
            }
            None => arg,
        })
    }
}

/// The default of an option as it would be typed; `None` for flags and for what has none.
fn default_of(arg: &Arg, defaults: &Table) -> Option<String> {
    // Its own words say it better than the number of this machine's cores.
    if arg.get_id() == "threads" {
        return None;
    }
    match defaults.get(&key(arg))? {
        Value::Boolean(_) => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => {
            let texts: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
            Some(texts.join(", "))
        }
        value => Some(value.to_string()),
    }
}

/// The name of an option in a file.
fn key(arg: &Arg) -> String {
    arg.get_id().as_str().replace('_', "-")
}

/// `options` as a TOML file: by heading, each with its help, those without a value as comments.
pub(super) fn toml(site: Site, options: &Options) -> Result<String, ConfigError> {
    let table = Table::try_from(options)?;
    let command = Options::augment_args(Command::new("wireworks"));
    let mut text = format!("# Every option of `{}`, as it is in effect.\n", site.command());
    let mut heading = None;
    for arg in command.get_arguments() {
        if arg.get_help_heading() != heading {
            heading = arg.get_help_heading();
            text.push_str(&format!("\n# {}\n", heading.unwrap_or_default()));
        }
        let key = key(arg);
        match table.get(&key) {
            Some(value) => text.push_str(&format!("{key} = {value}\n")),
            None => text.push_str(&format!("# {key} is not set\n")),
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn help() -> String {
        Args::with_defaults(Site::Http, Args::augment_args(Command::new("http")))
            .render_long_help()
            .to_string()
    }

    #[test]
    fn the_help_shows_the_defaults_of_the_code() {
        // Wrapped by the width of the terminal.
        let help = help().split_whitespace().collect::<Vec<_>>().join(" ");
        for default in [
            "127.0.0.1:8080",
            "32KiB",
            "30s",
            "75s",
            "1GiB",
            "index.html",
            "combined",
            "per-core",
            "65536",
            "info",
        ] {
            assert!(help.contains(&format!("[default: {default}]")), "{default}:\n{help}");
        }
        assert!(!help.contains("[default: true]") && !help.contains("[default: ]"));
    }

    #[test]
    fn every_option_stands_under_a_heading() {
        let command = Args::augment_args(Command::new("http"));
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            assert!(arg.get_help_heading().is_some(), "{}", arg.get_id());
            assert!(arg.get_help().is_some(), "{}", arg.get_id());
        }
    }

    #[test]
    fn what_is_printed_names_every_option() {
        let printed = Config::default().to_toml().unwrap();
        let command = Options::augment_args(Command::new("wireworks"));
        for arg in command.get_arguments() {
            let key = key(arg);
            let lines = printed.lines().filter(|line| {
                line.starts_with(&format!("{key} = ")) || *line == format!("# {key} is not set")
            });
            assert_eq!(lines.count(), 1, "{key} in\n{printed}");
        }
    }

    #[test]
    fn the_manual_names_every_option_and_its_limits_as_they_are() {
        let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
        let manual = ["http.md", "websocket.md"]
            .map(|page| std::fs::read_to_string(docs.join(page)).unwrap())
            .map(|page| page.split("\n## Connect\n").next().unwrap().to_owned()) // other commands
            .concat();
        let defaults = Table::try_from(Config::default().to_options()).unwrap();
        let command = Args::augment_args(Command::new("http"));
        let mut rows = 0;
        for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
            let name = format!("--{}", arg.get_long().unwrap());
            assert!(manual.contains(&name), "{name} is in no page of docs");
            let start = format!("| `{name}` | ");
            for row in manual.lines().filter_map(|line| line.strip_prefix(&start)) {
                let default = default_of(arg, &defaults).unwrap_or_else(|| "none".into());
                assert!(row.starts_with(&format!("{default} | ")), "{name}: {row}, not {default}");
                rows += 1;
            }
        }
        assert!(rows >= 20, "the table of limits was not found");
    }
}
