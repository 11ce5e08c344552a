//! Options from a TOML file, with errors that name the file, the line and what is wrong there.

use std::fs;
use std::path::Path;

use super::args::Options;
use super::config::Site;
use super::load::ConfigError;

/// Reads the file.
pub(super) fn read(site: Site, path: &Path) -> Result<Options, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    parse(site, path, &text)
}

fn parse(site: Site, path: &Path, text: &str) -> Result<Options, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: path.into(),
        line: line(text, error.span().map_or(0, |span| span.start)),
        message: plain(site, error.message()),
    })
}

/// The line, from 1, of a byte.
fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// One line, and without the fifty names that would have been known.
fn plain(site: Site, message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    match first.strip_prefix("unknown field ") {
        Some(rest) => {
            let name = rest.split(',').next().unwrap_or_default();
            format!("there is no option {name}; `{} --print-config` shows all", site.command())
        }
        None => first.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::units::{ByteSize, TimeSpan};

    fn parsed(text: &str) -> Result<Options, String> {
        parse(Site::Http, "w.toml".as_ref(), text).map_err(|error| error.to_string())
    }

    #[test]
    fn a_file_sets_what_it_names() {
        let options = parsed(
            "listen = [\":80\", \"unix:/run/w.sock\"]\nhead-timeout = \"5s\"\nmax-body = 1024\nlisting = false\n",
        );
        let options = options.unwrap();
        assert_eq!(options.listen.map(|list| list.len()), Some(2));
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
        let error = read(Site::Http, "/nonexistent/w.toml".as_ref()).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/w.toml");
        assert!(std::error::Error::source(&error).is_some());
    }
}
