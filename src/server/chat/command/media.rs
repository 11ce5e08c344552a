//! Where files are kept, as it is typed, and how a bucket is opened: by the variables of the environment that Amazon's own tools read.

use std::path::{Path, PathBuf};

use crate::server::bucket::{MissingVariable, NotABucket, S3Place};
use crate::server::chat::media::options::{Kept, MediaOptions};
use crate::server::command::{Typed, Unfit};

/// Where files are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: the server takes none.
    Off,
    /// In this folder.
    Folder(PathBuf),
    /// In a bucket of an S3-compatible service, with keys and what arrives in the folder of the server.
    Bucket(S3Place),
}

impl Typed<Place> for String {
    fn hold(&self) -> Result<Place, Unfit> {
        let wrong = |why: &str| Err(Unfit::new(self.as_str(), why));
        if self == "off" {
            return Ok(Place::Off);
        }
        if self.starts_with("s3://") {
            return self.parse().map(Place::Bucket).or_else(|error: NotABucket| wrong(&error.to_string()));
        }
        match self.contains("://") || self.is_empty() {
            true => wrong("write a folder, s3://BUCKET/PREFIX, or off"),
            false => Ok(Place::Folder(self.into())),
        }
    }

    fn show(held: &Place) -> Self {
        match held {
            Place::Off => "off".to_owned(),
            Place::Folder(path) => path.display().to_string(),
            Place::Bucket(place) => place.to_string(),
        }
    }
}

/// What is decided about files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Where they are; in the folder of the server if nobody says.
    pub place: Option<Place>,
    /// Bytes of a file.
    pub file: u64,
    /// Bytes that an account may upload a day.
    pub bytes_a_day: u64,
}

impl Default for Files {
    fn default() -> Self {
        let options = MediaOptions::new("");
        Self { place: None, file: options.file, bytes_a_day: options.bytes_a_day }
    }
}

impl Files {
    /// The options of the part that keeps files, for a server with this folder; `None` if it keeps none. `variable` reads the environment.
    ///
    /// # Errors
    /// What a bucket needs is missing.
    pub fn options(
        &self,
        data: &Path,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<MediaOptions>, MissingVariable> {
        let (folder, kept) = match &self.place {
            Some(Place::Off) => return Ok(None),
            None => (data.join("media"), Kept::Here),
            Some(Place::Folder(path)) => (path.clone(), Kept::Here),
            Some(Place::Bucket(place)) => (data.join("media"), Kept::Bucket(place.options(variable)?)),
        };
        let (file, bytes_a_day) = (self.file, self.bytes_a_day);
        Ok(Some(MediaOptions { kept, file, bytes_a_day, ..MediaOptions::new(folder) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_shown() {
        let bucket = |bucket: &str, prefix: &str| {
            Place::Bucket(S3Place { bucket: bucket.into(), prefix: prefix.into() })
        };
        for (text, expected) in [
            ("off", Place::Off),
            ("/srv/files", Place::Folder("/srv/files".into())),
            ("files", Place::Folder("files".into())),
            ("s3://bucket", bucket("bucket", "")),
            ("s3://my.bucket/a/b", bucket("my.bucket", "a/b")),
        ] {
            let text = text.to_owned();
            let held: Place = text.hold().unwrap_or_else(|_| panic!("{text}"));
            assert_eq!(held, expected);
            assert_eq!(String::show(&held), text);
        }
        for text in ["", "s3://", "s3:///a", "s3://a b", "https://a/b"] {
            let held: Result<Place, _> = text.to_owned().hold();
            assert!(held.is_err(), "{text}");
        }
    }

    #[test]
    fn a_bucket_is_opened_by_the_environment() {
        let keys = [("AWS_ACCESS_KEY_ID", "me"), ("AWS_SECRET_ACCESS_KEY", "secret")];
        let with = |more: &[(&str, &str)]| {
            let all: Vec<(String, String)> =
                keys.iter().chain(more).map(|(name, value)| ((*name).into(), (*value).into())).collect();
            move |name: &str| all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let files = Files {
            place: Some(Place::Bucket(S3Place { bucket: "b".into(), prefix: "p".into() })),
            file: 5,
            ..Files::default()
        };
        let open = |more: &[(&str, &str)]| {
            let options = files.options(Path::new("/d"), with(more)).unwrap().unwrap();
            assert_eq!((options.folder, options.file), (PathBuf::from("/d/media"), 5));
            let Kept::Bucket(bucket) = options.kept else { panic!("no bucket") };
            (bucket.region, bucket.endpoint, bucket.path_style)
        };
        assert_eq!(open(&[]), ("us-east-1".into(), None, false));
        assert_eq!(open(&[("AWS_DEFAULT_REGION", "a"), ("AWS_REGION", "b")]).0, "b");
        let near = open(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")]);
        assert_eq!(near, ("us-east-1".into(), Some("http://127.0.0.1:9000".into()), true));
        let error = files.options(Path::new("/d"), |_| None).unwrap_err();
        assert!(error.to_string().contains("AWS_ACCESS_KEY_ID"));
        let off = Files { place: Some(Place::Off), ..Files::default() };
        assert!(off.options(Path::new("/d"), |_| None).unwrap().is_none());
        let here = Files::default().options(Path::new("/d"), |_| None).unwrap().unwrap();
        assert!(matches!(here.kept, Kept::Here) && here.folder == Path::new("/d/media"));
    }
}
