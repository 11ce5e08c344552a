//! What a user names to be served: `PATH`, or `NAME=PATH`.
//!
//! A name is the first segment of addresses, so it has unreserved characters (RFC 3986, section 2.3) and nothing else. What has no
//! name gets one by its path.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// First segments of addresses that the player has.
const TAKEN: &[&str] = &["player", "streams.json"];

/// Characters of a name.
const MAX_NAME: usize = 100;

/// A folder or a medium, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    name: Option<String>,
    path: PathBuf,
}

/// A text that names no input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadInput {
    /// There is no path.
    #[error("it names no file and no folder")]
    Empty,
    /// The player has its addresses there.
    #[error("{0} is the player's own: give another name, NAME=PATH")]
    Taken(String),
}

impl Input {
    /// What has its name by its path.
    #[must_use]
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self { name: None, path: path.into() }
    }

    /// The folder or medium.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether its user gave it a name.
    #[must_use]
    pub fn is_named(&self) -> bool {
        self.name.is_some()
    }

    /// Its name: the one that it was given, or what its path ends in, less the ending of a file.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(name) = &self.name {
            return name.clone();
        }
        // `.` and `..` have a name elsewhere.
        let real = self.path.canonicalize();
        let path =
            if self.path.file_name().is_none() { real.as_deref().unwrap_or(&self.path) } else { &self.path };
        let last = if path.is_dir() { path.file_name() } else { path.file_stem() };
        let fitting = |letter: char| if is_unreserved(letter) { letter } else { '-' };
        let name: String =
            last.and_then(OsStr::to_str).unwrap_or_default().chars().map(fitting).take(MAX_NAME).collect();
        let name = name.trim_start_matches('.');
        if name.is_empty() || TAKEN.contains(&name) {
            format!("media-{name}").trim_end_matches('-').to_owned()
        } else {
            name.to_owned()
        }
    }
}

impl FromStr for Input {
    type Err = BadInput;

    /// What stands before the first `=` is a name if it can be one.
    fn from_str(text: &str) -> Result<Self, BadInput> {
        let named = text.split_once('=').filter(|(name, _)| is_name(name));
        let (name, path) = named.map_or((None, text), |(name, path)| (Some(name.to_owned()), path));
        if path.is_empty() {
            return Err(BadInput::Empty);
        }
        match name {
            Some(name) if TAKEN.contains(&name.as_str()) => Err(BadInput::Taken(name)),
            name => Ok(Self { name, path: path.into() }),
        }
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        self.path.display().fmt(f)
    }
}

fn is_unreserved(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._~".contains(letter)
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && !text.starts_with('.') && text.chars().all(is_unreserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_or_by_path() {
        for (text, name, path) in [
            ("film.mp4", "film", "film.mp4"),
            ("/srv/My Film (2024).mp4", "My-Film--2024-", "/srv/My Film (2024).mp4"),
            ("show=/srv/a.mp4", "show", "/srv/a.mp4"),
            ("show=a=b.mp4", "show", "a=b.mp4"),
            ("./a=b.mp4", "a-b", "./a=b.mp4"),
            ("/", "media", "/"),
            ("player.mp4", "media-player", "player.mp4"),
            (".hidden.mp4", "hidden", ".hidden.mp4"),
            ("/usr", "usr", "/usr"),
        ] {
            let input: Input = text.parse().unwrap();
            assert_eq!((input.name().as_str(), input.path()), (name, Path::new(path)), "{text}");
            assert_eq!(input.to_string(), text);
        }
        let here: Input = ".".parse().unwrap();
        assert_eq!(here.name(), std::env::current_dir().unwrap().file_name().unwrap().to_str().unwrap());
        for (text, expected) in
            [("", BadInput::Empty), ("a=", BadInput::Empty), ("player=a", BadInput::Taken("player".into()))]
        {
            assert_eq!(text.parse::<Input>(), Err(expected), "{text}");
        }
    }
}
