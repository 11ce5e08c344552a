//! Whether the manuals name every option of a command, with its default: for the tests of commands.

use std::path::Path;

use clap::{Arg, Command};
use toml::Table;

use super::show::default_of;

/// What is said once for all servers.
pub(in crate::server) const SHARED: &str = "options.md";

/// A row of a table of options: the words of its first cell, and its second cell without marks.
struct Row {
    words: Vec<String>,
    default: String,
}

/// Panics, and says all that is wrong, unless each option of `command` has a row in a table of `pages`, in the folder docs, with the default that it has in `defaults` or of
/// its own. Of a page `PAGE#HEADING` a section counts.
pub(in crate::server) fn names_every_option(command: &Command, defaults: &Table, pages: &[&str]) {
    let tables: Vec<(&str, Vec<Row>)> = pages.iter().map(|page| (*page, rows(page))).collect();
    let mut missing = Vec::new();
    let mut named = 0;
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let option = format!("--{}", arg.get_long().unwrap());
        // What a manual of its own says of an option comes before what is said of it for all.
        let found = tables.iter().find_map(|(page, rows)| {
            let rows: Vec<&Row> = rows.iter().filter(|row| row.words.contains(&option)).collect();
            (!rows.is_empty()).then_some((page, rows))
        });
        let Some((page, rows)) = found else {
            missing.push(format!("{option} is in no table"));
            continue;
        };
        if arg.get_help().is_none() {
            missing.push(format!("{option} has no help"));
        }
        if let Some(short) = arg.get_short().map(|short| format!("-{short}"))
            && !rows.iter().any(|row| row.words.contains(&short))
        {
            missing.push(format!("{page}: {option} is {short} as well"));
        }
        if let Some(default) = default_of(arg, defaults).or_else(|| own(arg)) {
            let shown: Vec<&str> = rows.iter().map(|row| row.default.as_str()).collect();
            if !shown.contains(&default.as_str()) {
                missing.push(format!("{page}: {option} is {default}, not {shown:?}"));
            }
        }
        named += 1;
    }
    assert!(missing.is_empty() && named > 0, "{pages:?}:\n{}", missing.join("\n"));
}

/// The default that stands at an option itself.
fn own(arg: &Arg) -> Option<String> {
    match arg.get_default_values() {
        [default] if !arg.is_hide_default_value_set() && default != "false" => {
            Some(default.to_string_lossy().into_owned())
        }
        _ => None,
    }
}

/// The rows of the tables of options in a page or a section of it.
fn rows(page: &str) -> Vec<Row> {
    let (file, heading) = page.split_once('#').map_or((page, None), |(file, heading)| (file, Some(heading)));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let section = match heading {
        None => &*text,
        Some(heading) => {
            let behind = text.split(&format!("\n## {heading}\n")).nth(1);
            behind.unwrap_or_else(|| panic!("{page} is no section")).split("\n## ").next().unwrap()
        }
    };
    let rows: Vec<Row> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" | "))
        .map(|(names, rest)| Row {
            words: names.split([' ', '`', ',', '=', '[']).map(str::to_owned).collect(),
            default: rest.split(" |").next().unwrap_or_default().replace('`', "").trim().to_owned(),
        })
        .filter(|row| row.words.iter().any(|word| word.starts_with('-')))
        .collect();
    assert!(!rows.is_empty(), "{page} has no table of options");
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(arg: Arg) -> Command {
        Command::new("a").arg(arg.help("b"))
    }

    #[test]
    fn what_is_named_is_found() {
        let defaults: Table = toml::from_str("drain-timeout = \"30s\"").unwrap();
        names_every_option(&command(Arg::new("drain_timeout").long("drain-timeout")), &defaults, &[SHARED]);
    }

    #[test]
    #[should_panic(expected = "--nowhere is in no table")]
    fn what_is_not_named_is_found() {
        names_every_option(&command(Arg::new("nowhere").long("nowhere")), &Table::new(), &[SHARED]);
    }

    #[test]
    #[should_panic(expected = "--drain-timeout is 31s, not [\"30s\"]")]
    fn other_defaults_are_found() {
        let defaults: Table = toml::from_str("drain-timeout = \"31s\"").unwrap();
        names_every_option(&command(Arg::new("drain_timeout").long("drain-timeout")), &defaults, &[SHARED]);
    }
}
