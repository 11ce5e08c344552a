//! Buckets of S3-compatible services, by the crate `object_store`: named on a command line by a [`place`](S3Place), opened by the variables of the
//! environment that Amazon's own tools read, asked over our own HTTP and TLS (`web`).

mod place;
mod web;

use std::fmt;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;

pub use self::place::{MissingVariable, NotABucket, S3Place};
use self::web::Web;
use crate::net::client::Connector;

/// Which bucket, and who asks.
#[derive(Clone)]
pub struct BucketOptions {
    /// Its name.
    pub bucket: String,
    /// Its region. Services other than Amazon's mostly take any; `us-east-1` is usual.
    pub region: String,
    /// Where the service is, as `https://s3.example.org`; Amazon's own without.
    pub endpoint: Option<String>,
    /// What stands before the names of objects; may be empty.
    pub prefix: String,
    /// The access key.
    pub access_key: String,
    /// Its secret.
    pub secret_key: String,
    /// Whether the bucket is named in the path rather than in the name of the host. Services other than Amazon's mostly want that.
    pub path_style: bool,
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BucketOptions")
            .field("bucket", &self.bucket)
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// The store of a bucket, asked over `connector`. Nothing is asked yet. What stands before the names of objects is left to the caller.
///
/// # Errors
/// The options make no sense.
pub fn open(options: BucketOptions, connector: Connector) -> object_store::Result<Arc<dyn ObjectStore>> {
    let BucketOptions { bucket, region, endpoint, prefix: _, access_key, secret_key, path_style } = options;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_access_key_id(access_key)
        .with_secret_access_key(secret_key)
        .with_virtual_hosted_style_request(!path_style)
        .with_http_connector(Web::new(connector));
    if let Some(endpoint) = endpoint {
        builder = builder.with_allow_http(endpoint.starts_with("http://")).with_endpoint(endpoint);
    }
    Ok(Arc::new(builder.build()?))
}
