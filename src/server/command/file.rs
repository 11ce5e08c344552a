//! Options from a TOML file, with errors that name the file, the line and what is wrong there.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Command;
use serde::de::IgnoredAny;
use toml::Spanned;

use super::error::ConfigError;
use super::options::OptionSet;
use super::show::key;

/// Reads the file.
pub(super) fn read<O: OptionSet>(command: &str, path: &Path) -> Result<O, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse(command, path, &text)
}

fn parse<O: OptionSet>(command: &str, path: &Path, text: &str) -> Result<O, ConfigError> {
    let wrong = |at, message| ConfigError::Syntax { path: path.into(), line: line(text, at), message };
    let refused = |error: toml::de::Error| {
        let first = error.message().lines().next().unwrap_or_default();
        wrong(error.span().map_or(0, |span| span.start), first.to_owned())
    };
    let found: BTreeMap<Spanned<String>, IgnoredAny> = toml::from_str(text).map_err(refused)?;
    let options = O::augment_args(Command::new("options"));
    let known: Vec<String> = options.get_arguments().map(key).collect();
    // The first in the file, not in the alphabet.
    let unknown = found.keys().filter(|name| !known.contains(name.get_ref()));
    if let Some(name) = unknown.min_by_key(|name| name.span().start) {
        let message =
            format!("there is no option `{}`; `{command} --print-config` shows all", name.get_ref());
        return Err(wrong(name.span().start, message));
    }
    O::from_toml(text).map_err(refused)
}

/// The line, from 1, of a byte.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::site::command::Options;
    use crate::server::units::{ByteSize, TimeSpan};

    fn parsed(text: &str) -> Result<Options, String> {
        parse("wireworks http", "w.toml".as_ref(), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_sets_what_it_names() {
        let options = parsed(
            "listen = [\":80\", \"unix:/run/w.sock\"]\nhead-timeout = \"5s\"\nmax-body = 1024\nlisting = false\n",
        );
        let options = options.unwrap();
        assert_eq!(options.listening.listen.map(|list| list.len()), Some(2));
        assert_eq!(options.head_timeout, "5s".parse::<TimeSpan>().ok());
        assert_eq!(options.max_body, Some(ByteSize(1024)));
        assert_eq!(options.listing, Some(false));
        assert_eq!(parsed("# nothing\n"), Ok(Options::default()));
    }

    #[test]
    fn a_fault_is_found_by_its_line() {
        let rows = [
            (
                "lisen = []\n",
                "w.toml:1: there is no option `lisen`; `wireworks http --print-config` shows all",
            ),
            (
                "\n\nhead-timeout = \"30\"\n",
                "w.toml:3: \"30\" is not a duration: write it with its unit, as in 30s, 500ms, 2m or 1h30m",
            ),
            ("threads = 1\nmax-body = -1\n", "w.toml:2: "),
            ("threads = 1\nthreads = 2\n", "w.toml:2: "),
            ("listen = [\n", "w.toml:"),
            ("listen = [\"8080\"]\n", "w.toml:1: \"8080\" has no port"),
            ("hidden = \"yes\"\n", "w.toml:1: invalid type"),
            ("threading = \"some\"\n", "w.toml:1: unknown variant `some`"),
        ];
        for (text, expected) in rows {
            let message = parsed(text).unwrap_err();
            assert!(message.starts_with(expected) && !message.contains('\n'), "{text:?}: {message}");
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = read::<Options>("wireworks http", "/nonexistent/w.toml".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/w.toml");
        assert!(std::error::Error::source(&error).is_some());
    }
}
