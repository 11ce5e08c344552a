//! Where streams are put, as typed, and what it comes to.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::net::client::Connector;
use crate::server::bucket::{self, MissingVariable, S3Place};
use crate::server::command::{ConfigError, Typed, Unfit, Way};

/// The options of the upload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct UploadOptions {
    /// Put all streams into a bucket of an S3-compatible service as well, for a CDN: s3://BUCKET/PREFIX. It is opened by the variables
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.
    #[arg(long, value_name = "URL", help_heading = "Upload")]
    pub upload: Option<String>,
}

/// What they come to: a bucket, or nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadConfig(pub Option<S3Place>);

/// Why nothing can be put there.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// A key is missing.
    #[error(transparent)]
    Variable(#[from] MissingVariable),
    /// The options make no sense to the store.
    #[error("--upload: the bucket cannot be opened")]
    Store(#[from] object_store::Error),
}

impl UploadConfig {
    /// The options, walked one way or the other.
    ///
    /// # Errors
    /// It is not the name of a bucket.
    pub(in crate::server) fn walk(way: Way, o: &mut UploadOptions, c: &mut Self) -> Result<(), ConfigError> {
        way.maybe("upload", &mut o.upload, &mut c.0)
    }

    /// The store, if there is one; nothing is asked yet. `variable` reads the environment.
    ///
    /// # Errors
    /// What it needs is missing in the environment.
    pub fn store(
        &self,
        connector: Connector,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Store>, UploadError> {
        let Some(place) = &self.0 else { return Ok(None) };
        let options = place.options(variable)?;
        let prefix = options.prefix.clone();
        Ok(Some(Store::new(bucket::open(options, connector)?, &prefix)?))
    }
}

impl Typed<S3Place> for String {
    fn hold(&self) -> Result<S3Place, Unfit> {
        self.parse().map_err(|error| Unfit::new(self.as_str(), error))
    }

    fn show(held: &S3Place) -> Self {
        held.to_string()
    }
}
