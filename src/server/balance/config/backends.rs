//! `backends` of an upstream, and files with only that key.

use std::fmt;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::Spanned;

use super::checker::Checker;
use super::{ConfigError, Fault};
use crate::server::balance::backend::Setup;

/// The most backends of one upstream.
pub(super) const MAX_BACKENDS: usize = 10_000;

/// A backend: its address, or a table with more.
#[derive(Debug)]
pub(super) enum BackendEntry {
    Address(String),
    Table(BackendTable),
}

/// Not derived as an untagged enum, which does not say what is wrong with a table.
impl<'de> Deserialize<'de> for BackendEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(BackendVisitor)
    }
}

struct BackendVisitor;

impl<'de> Visitor<'de> for BackendVisitor {
    type Value = BackendEntry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an address, or a table with an address")
    }

    fn visit_str<E: de::Error>(self, address: &str) -> Result<BackendEntry, E> {
        Ok(BackendEntry::Address(address.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<BackendEntry, A::Error> {
        BackendTable::deserialize(MapAccessDeserializer::new(map)).map(BackendEntry::Table)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct BackendTable {
    address: String,
    weight: Option<u32>,
    #[serde(default)]
    backup: bool,
    priority: Option<u32>,
    max_connections: Option<usize>,
}

/// A backend file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BackendFile {
    backends: Vec<Spanned<BackendEntry>>,
}

/// The same as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFile {
    backends: Vec<BackendEntry>,
}

impl Checker<'_> {
    /// The backends of a list, with the settings of the template where they have none of their own.
    pub(super) fn backends(&mut self, entries: &[Spanned<BackendEntry>], template: &Setup) -> Vec<Setup> {
        let mut backends: Vec<Setup> = Vec::new();
        let mut seen = std::collections::HashSet::new();
        for entry in entries {
            let (address, weight, priority, own) = match entry.get_ref() {
                BackendEntry::Address(address) => (address, 1, 0, None),
                BackendEntry::Table(table) => {
                    let priority = table.priority.unwrap_or(u32::from(table.backup));
                    if table.max_connections == Some(0) {
                        self.fault(&entry.span(), "max-connections is at least 1");
                    }
                    (&table.address, table.weight.unwrap_or(1), priority, table.max_connections)
                }
            };
            match address.parse() {
                Ok(target) if !seen.insert(format!("{target}")) => {
                    self.fault(&entry.span(), format!("{address} is listed twice"));
                }
                Ok(target) => {
                    let limit = own.or(template.limit);
                    backends.push(Setup { target, weight, priority, limit, ..template.clone() });
                }
                Err(error) => self.fault(&entry.span(), format!("{error}")),
            }
        }
        backends
    }
}

/// Reads a backend file: JSON if its name ends in `.json`, otherwise TOML.
///
/// # Errors
/// It cannot be read, or has faults.
pub(in crate::server::balance) fn read(path: &Path, template: &Setup) -> Result<Vec<Setup>, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.into(), source })?;
    let json = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    let found = if json { from_json(&text, template) } else { from_toml(&text, template) };
    found.map_err(|faults| ConfigError::Faults { path: path.into(), faults })
}

fn from_toml(text: &str, template: &Setup) -> Result<Vec<Setup>, Vec<Fault>> {
    let mut checker = Checker::of(text);
    let found = match toml::from_str::<BackendFile>(text) {
        Ok(file) => checked(&mut checker, &file.backends, template),
        Err(error) => {
            let at = error.span().unwrap_or(0..0);
            checker.fault(&at, error.message().lines().next().unwrap_or_default());
            Vec::new()
        }
    };
    checker.outcome(found)
}

fn from_json(text: &str, template: &Setup) -> Result<Vec<Setup>, Vec<Fault>> {
    let file: JsonFile = serde_json::from_str(text).map_err(|error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default().to_owned();
        vec![Fault { line: error.line().max(1), column: error.column().max(1), message }]
    })?;
    // JSON does not say where its parts stand: faults are told by what they say.
    let mut checker = Checker::of(text);
    let entries: Vec<_> = file.backends.into_iter().map(|entry| Spanned::new(0..0, entry)).collect();
    let found = checked(&mut checker, &entries, template);
    checker.outcome(found)
}

fn checked(checker: &mut Checker<'_>, entries: &[Spanned<BackendEntry>], template: &Setup) -> Vec<Setup> {
    if entries.len() > MAX_BACKENDS {
        checker.fault(&(0..0), format!("at most {MAX_BACKENDS} backends are allowed"));
        return Vec::new();
    }
    checker.backends(entries, template)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_backends() {
        let folder = tempfile::tempdir().unwrap();
        let template = Setup { limit: Some(9), ..Setup::new("a:1".parse().unwrap()) };
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let row = |setup: Setup| {
                format!("{} {} {} {:?}", setup.target, setup.weight, setup.priority, setup.limit)
            };
            let found =
                super::read(&path, &template).map(|setups| setups.into_iter().map(row).collect::<Vec<_>>());
            found.map_err(|error| error.to_string().replace(&path.display().to_string(), "F"))
        };
        let two = vec!["b:1 1 0 Some(9)".to_owned(), "b:2 3 1 Some(4)".to_owned()];
        let toml =
            "backends = [\"b:1\", { address = \"b:2\", weight = 3, backup = true, max-connections = 4 }]";
        let json =
            r#"{"backends": ["b:1", {"address": "b:2", "weight": 3, "backup": true, "max-connections": 4}]}"#;
        assert_eq!(read("a.toml", toml), Ok(two.clone()));
        assert_eq!(read("a.json", json), Ok(two));
        assert_eq!(read("b.json", r#"{"backends": []}"#), Ok(vec![]));
        for (name, text, fault) in [
            ("a.toml", "backends = [\n\"b\"]", "F:2:1: \"b\" is no address"),
            ("a.toml", "backends = [\"b:1\", \"b:1\"]", "F:1:20: b:1 is listed twice"),
            ("a.toml", "backend = []", "F:1:1: unknown field `backend`"),
            ("a.json", "{\"backends\": [\n\"b:1\",]}", "F:2:7: trailing comma"),
            ("a.json", "{\"backends\": [\"b\"]}", "F:1:1: \"b\" is no address"),
            ("a.json", "{\"backends\": [{\"address\": \"b:1\", \"wait\": 1}]}", "unknown field `wait`"),
        ] {
            let error = read(name, text).unwrap_err();
            assert!(error.contains(fault), "{text}: {error}");
        }
        assert!(
            super::read(&folder.path().join("none"), &template)
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
    }
}
