//! Who may publish and who may watch, as it is typed, and what it comes to.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{AccessError, StreamKeys, Viewers};
use crate::server::command::{ConfigError, Way};
use crate::server::credentials::Secret;

const PUBLISHING: &str = "Who may publish";
const WATCHING: &str = "Who may watch";

/// The options about publishers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct PublisherOptions {
    /// Who may publish a stream by RTMP or HTTP: NAME:KEY, or a file of such lines; repeatable. Without it anybody may.
    #[arg(long, value_name = "NAME:KEY|FILE", help_heading = PUBLISHING)]
    pub stream_key: Option<Vec<Secret>>,
}

/// The options about viewers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct ViewerOptions {
    /// Let only those watch who have a link signed by the keys in this file, which `wireworks hls link` makes; the file is made if it is not there.
    #[arg(long, value_name = "FILE", help_heading = WATCHING)]
    pub link_keys: Option<PathBuf>,
    /// Let those watch who show a token: NAME:TOKEN, or a file of such lines; repeatable.
    #[arg(long, value_name = "NAME:TOKEN|FILE", help_heading = WATCHING)]
    pub view_token: Option<Vec<Secret>>,
}

/// What the options about publishers come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublisherConfig {
    /// The keys of streams.
    pub stream_keys: Vec<Secret>,
}

/// What those about viewers come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ViewerConfig {
    /// The file with the keys of links.
    pub link_keys: Option<PathBuf>,
    /// The tokens of viewers.
    pub tokens: Vec<Secret>,
}

impl PublisherConfig {
    /// The options, walked one way or the other.
    ///
    /// # Errors
    /// None: what files hold is looked at later.
    pub(in crate::server) fn walk(
        way: Way,
        o: &mut PublisherOptions,
        c: &mut Self,
    ) -> Result<(), ConfigError> {
        way.value("stream-key", &mut o.stream_key, &mut c.stream_keys)
    }

    /// Who may publish.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn load(&self) -> Result<StreamKeys, AccessError> {
        Ok(StreamKeys::load(&self.stream_keys)?)
    }
}

impl ViewerConfig {
    /// The options, walked one way or the other.
    ///
    /// # Errors
    /// None: what files hold is looked at later.
    pub(in crate::server) fn walk(way: Way, o: &mut ViewerOptions, c: &mut Self) -> Result<(), ConfigError> {
        way.maybe::<PathBuf, PathBuf>("link-keys", &mut o.link_keys, &mut c.link_keys)?;
        way.value("view-token", &mut o.view_token, &mut c.tokens)
    }

    /// Who may watch.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn load(&self) -> Result<Viewers, AccessError> {
        Viewers::load(self.link_keys.as_deref(), &self.tokens)
    }
}
