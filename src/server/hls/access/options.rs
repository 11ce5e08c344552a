//! Who may publish and who may watch, as it is typed, and what it comes to.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{AccessError, StreamKeys, Viewers};
use crate::server::command::{ConfigError, Way};
use crate::server::credentials::Secret;

const HEADING: &str = "Who may publish, and who may watch";

/// The options about publishers and viewers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct AccessOptions {
    /// Who may publish a stream by RTMP or HTTP: NAME:KEY, or a file of such lines; repeatable. Without it anybody may.
    #[arg(long, value_name = "NAME:KEY|FILE", help_heading = HEADING)]
    pub stream_key: Option<Vec<Secret>>,
    /// Let only those watch who have a link signed by the keys in this file, which `wireworks hls link` makes; the file is made if it is not there.
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub link_keys: Option<PathBuf>,
    /// Let those watch who show a token: NAME:TOKEN, or a file of such lines; repeatable.
    #[arg(long, value_name = "NAME:TOKEN|FILE", help_heading = HEADING)]
    pub view_token: Option<Vec<Secret>>,
}

/// What they come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessConfig {
    /// The keys of streams.
    pub stream_keys: Vec<Secret>,
    /// The file with the keys of links.
    pub link_keys: Option<PathBuf>,
    /// The tokens of viewers.
    pub view_tokens: Vec<Secret>,
}

impl AccessConfig {
    /// The options, walked one way or the other.
    ///
    /// # Errors
    /// None: what files hold is looked at later.
    pub(in crate::server) fn walk(way: Way, o: &mut AccessOptions, c: &mut Self) -> Result<(), ConfigError> {
        way.value("stream-key", &mut o.stream_key, &mut c.stream_keys)?;
        way.maybe::<PathBuf, PathBuf>("link-keys", &mut o.link_keys, &mut c.link_keys)?;
        way.value("view-token", &mut o.view_token, &mut c.view_tokens)
    }

    /// Who may publish.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn publishers(&self) -> Result<StreamKeys, AccessError> {
        Ok(StreamKeys::load(&self.stream_keys)?)
    }

    /// Who may watch.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn viewers(&self) -> Result<Viewers, AccessError> {
        Viewers::load(self.link_keys.as_deref(), &self.view_tokens)
    }
}
