//! Where streams are put, as typed.

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Store;
use crate::net::client::Connector;
use crate::server::bucket::{self, MissingVariable, NotABucket, S3Place};

/// The options of the upload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Args)]
#[serde(default, rename_all = "kebab-case")]
pub struct UploadOptions {
    /// Put all streams into a bucket of an S3-compatible service as well, for a CDN: s3://BUCKET/PREFIX. It is opened by the variables
    /// AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL.
    #[arg(long, value_name = "URL", help_heading = "Upload")]
    pub upload: Option<String>,
}

/// Why nothing can be put there.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// It is no bucket.
    #[error("--upload: {0}")]
    Place(#[from] NotABucket),
    /// A key is missing.
    #[error(transparent)]
    Variable(#[from] MissingVariable),
    /// The options make no sense to the store.
    #[error("--upload: the bucket cannot be opened")]
    Store(#[from] object_store::Error),
}

impl UploadOptions {
    /// The store, if there is one; nothing is asked yet. `variable` reads the environment.
    ///
    /// # Errors
    /// It is not the name of a bucket, or what it needs is missing.
    pub fn store(
        &self,
        connector: Connector,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<Store>, UploadError> {
        let Some(typed) = &self.upload else { return Ok(None) };
        let options = typed.parse::<S3Place>()?.options(variable)?;
        let prefix = options.prefix.clone();
        Ok(Some(Store::new(bucket::open(options, connector)?, &prefix)?))
    }
}
