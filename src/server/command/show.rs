//! Shows every default: in the help, and in the printed configuration.
//!
//! Both walk the options that the command line knows and ask the default configuration for their values, so that no text here
//! can disagree with the code.

use clap::{Arg, Command};
use toml::{Table, Value};

use super::error::ConfigError;
use super::options::OptionSet;

/// The command with the default of each option, of which `defaults` has all, behind its help.
pub(in crate::server) fn with_defaults(command: Command, defaults: &impl OptionSet) -> Command {
    // Defaults hold no path that TOML could not.
    let defaults = defaults.table().unwrap_or_default();
    command.mut_args(|arg| match default_of(&arg, &defaults) {
        Some(default) => {
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            arg.help(format!("{help} [default: {default}]"))
        }
        None => arg,
    })
}

/// The default of an option as it would be typed; `None` for flags and for what has none.
pub(in crate::server) fn default_of(arg: &Arg, defaults: &Table) -> Option<String> {
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
pub(in crate::server) fn key(arg: &Arg) -> String {
    arg.get_id().as_str().replace('_', "-")
}

/// `options` of a command as a TOML file: by heading, each with its help, those without a value as comments.
pub(super) fn toml<O: OptionSet>(command: &str, options: &O) -> Result<String, ConfigError> {
    let table = options.table()?;
    let arguments = O::augment_args(Command::new("options"));
    let mut text = format!("# Every option of `{command}`, as it is in effect.\n");
    let mut heading = None;
    for arg in arguments.get_arguments() {
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
