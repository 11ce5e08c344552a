//! `access-log` of a listener: its file and its format.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::checker::Checker;
use super::listener::Mode;
use crate::server::balance::log::{Format, Target};

/// An access log.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct AccessLogTable {
    pub(super) path: PathBuf,
    #[serde(default)]
    pub(super) format: FormatName,
}

/// The format of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FormatName {
    #[default]
    Json,
    Combined,
}

impl Checker<'_> {
    pub(super) fn access_log(&mut self, table: &Spanned<AccessLogTable>, mode: Mode) -> (Format, Target) {
        let AccessLogTable { path, format } = table.get_ref();
        if (mode, *format) == (Mode::Tcp, FormatName::Combined) {
            self.fault(
                &table.span(),
                "the combined format is for HTTP: a TCP listener has format = \"json\"",
            );
        }
        let target = match path.to_str() {
            Some("stdout") => Target::Stdout,
            Some("stderr") => Target::Stderr,
            _ => Target::File(path.clone()),
        };
        let format = match format {
            FormatName::Json => Format::Json,
            FormatName::Combined => Format::Combined,
        };
        (format, target)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::*;

    fn parse(listener: &str) -> Result<Config, Vec<super::super::Fault>> {
        Config::parse(&format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n{listener}\n[upstream.a]\nbackends = [\"b:1\"]\n"
        ))
    }

    #[test]
    fn where_lines_go() {
        for (text, expected) in [
            ("", None),
            ("access-log = { path = \"stdout\" }", Some((Format::Json, Target::Stdout))),
            (
                "access-log = { path = \"a.log\", format = \"combined\" }",
                Some((Format::Combined, Target::File("a.log".into()))),
            ),
            ("mode = \"tcp\"\naccess-log = { path = \"stderr\" }", Some((Format::Json, Target::Stderr))),
        ] {
            assert_eq!(parse(text).unwrap().listeners[0].access_log, expected, "{text}");
        }
        for (text, expected) in [
            ("mode = \"tcp\"\naccess-log = { path = \"a\", format = \"combined\" }", "is for HTTP"),
            ("access-log = { path = \"a\", format = \"xml\" }", "unknown variant `xml`"),
            ("access-log = { format = \"json\" }", "missing field `path`"),
        ] {
            let faults = parse(text).unwrap_err();
            assert!(faults[0].message.contains(expected), "{text}: {faults:?}");
        }
    }
}
