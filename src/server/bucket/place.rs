//! A bucket as it is typed, `s3://BUCKET/PREFIX`, and how it is opened: by the variables of the environment that Amazon's own tools read.

use std::fmt;
use std::str::FromStr;

use super::BucketOptions;

/// The region when nobody says: services other than Amazon's mostly take any.
const REGION: &str = "us-east-1";

/// A bucket of an S3-compatible service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct S3Place {
    /// Its name.
    pub bucket: String,
    /// What stands before the names of objects; may be empty.
    pub prefix: String,
}

/// It is not `s3://BUCKET` or `s3://BUCKET/PREFIX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write the name of a bucket behind s3://")]
pub struct NotABucket;

/// A bucket cannot be opened without this variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a bucket needs the variable {0} in the environment")]
pub struct MissingVariable(pub &'static str);

impl FromStr for S3Place {
    type Err = NotABucket;

    fn from_str(text: &str) -> Result<Self, NotABucket> {
        let rest = text.strip_prefix("s3://").ok_or(NotABucket)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if bucket.is_empty() || !bucket.bytes().all(fits) {
            return Err(NotABucket);
        }
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.trim_end_matches('/').to_owned() })
    }
}

impl fmt::Display for S3Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix } = self;
        if prefix.is_empty() { write!(f, "s3://{bucket}") } else { write!(f, "s3://{bucket}/{prefix}") }
    }
}

impl S3Place {
    /// How it is opened. `variable` reads the environment.
    ///
    /// # Errors
    /// A key is missing there.
    pub fn options(
        &self,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<BucketOptions, MissingVariable> {
        let first =
            |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let needed = |name: &'static str| first(&[name]).ok_or(MissingVariable(name));
        let endpoint = first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
        Ok(BucketOptions {
            bucket: self.bucket.clone(),
            region: first(&["AWS_REGION", "AWS_DEFAULT_REGION"]).unwrap_or_else(|| REGION.to_owned()),
            prefix: self.prefix.clone(),
            access_key: needed("AWS_ACCESS_KEY_ID")?,
            secret_key: needed("AWS_SECRET_ACCESS_KEY")?,
            path_style: endpoint.is_some(),
            endpoint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_shown() {
        for (text, bucket, prefix) in
            [("s3://bucket", "bucket", ""), ("s3://my.bucket/a/b", "my.bucket", "a/b")]
        {
            let place: S3Place = text.parse().unwrap();
            assert_eq!((place.bucket.as_str(), place.prefix.as_str()), (bucket, prefix));
            assert_eq!(place.to_string(), text);
        }
        assert_eq!("s3://bucket/a/".parse::<S3Place>().unwrap().to_string(), "s3://bucket/a");
        for text in ["", "bucket", "s3://", "s3:///a", "s3://a b", "https://a/b"] {
            assert_eq!(text.parse::<S3Place>(), Err(NotABucket), "{text}");
        }
    }
}
