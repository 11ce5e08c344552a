//! Who may watch, as it is typed.

use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::{AccessError, Viewers};
use crate::server::credentials::Secret;

const HEADING: &str = "Who may watch";

/// The options about viewers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct AccessOptions {
    /// Let only those watch who have a link signed by the keys in this file, which `wireworks hls sign` makes; the file is made if it is not there.
    #[arg(long, value_name = "FILE", help_heading = HEADING)]
    pub link_keys: Option<PathBuf>,
    /// Let those watch who show a token: NAME:TOKEN, or a file of such lines; repeatable.
    #[arg(long, value_name = "NAME:TOKEN|FILE", help_heading = HEADING)]
    pub view_token: Option<Vec<Secret>>,
}

impl AccessOptions {
    /// What they come to, with the files read.
    ///
    /// # Errors
    /// A file cannot be read, or holds something else.
    pub fn viewers(&self) -> Result<Viewers, AccessError> {
        Viewers::load(self.link_keys.as_deref(), self.view_token.as_deref().unwrap_or_default())
    }
}
