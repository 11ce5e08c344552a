//! The file as a whole: TOML, each value where it can be found again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::listener::ListenerTable;
use super::upstream::UpstreamTable;
use crate::server::units::TimeSpan;

/// The whole file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct File {
    pub(super) process: Process,
    #[serde(rename = "listener")]
    pub(super) listeners: Vec<Spanned<ListenerTable>>,
    #[serde(rename = "upstream")]
    pub(super) upstreams: BTreeMap<String, Spanned<UpstreamTable>>,
}

/// What the whole process has.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct Process {
    pub(super) threads: Option<usize>,
    pub(super) drain_timeout: Option<TimeSpan>,
    pub(super) upgrade_timeout: Option<TimeSpan>,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) watch: Option<bool>,
}

/// A value, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}
