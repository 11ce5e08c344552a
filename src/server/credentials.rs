//! Who may come in: `USER:PASSWORD` or `NAME:TOKEN`, or a file of such lines.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::proto::http::credentials::Credentials as Offered;

/// What stands for a secret where a configuration is shown.
const HIDDEN: &str = "***";

/// The value of an option that holds a secret, as it was typed: `NAME:SECRET`, or the name of a file of such lines. Shown, in a
/// printed configuration or for debugging, it is the name of a file that is there, or `***`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Secret(String);

impl Secret {
    /// The file that it names, if it is none itself.
    pub(in crate::server) fn file(&self) -> Option<PathBuf> {
        (!self.0.contains(':')).then(|| PathBuf::from(&self.0))
    }

    /// What has no colon may be a secret all the same, typed without its name.
    fn shown(&self) -> &str {
        let is_file = || fs::metadata(&self.0).is_ok_and(|found| !found.is_dir());
        if !self.0.contains(':') && is_file() { &self.0 } else { HIDDEN }
    }
}

impl From<String> for Secret {
    fn from(typed: String) -> Self {
        Self(typed)
    }
}

/// As it is shown.
impl From<Secret> for String {
    fn from(secret: Secret) -> Self {
        secret.shown().to_owned()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

/// How somebody shows who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// A name and a password: RFC 7617.
    Basic,
    /// A token, which has a name for the logs: RFC 6750.
    Bearer,
    /// The name of a live stream, and what its publisher has to show.
    StreamKey,
    /// A token of somebody who watches, which has a name.
    ViewToken,
}

impl Scheme {
    /// The option and how its value is written.
    fn usage(self) -> (&'static str, &'static str) {
        match self {
            Self::Basic => ("--basic-auth", "USER:PASSWORD"),
            Self::Bearer => ("--bearer-auth", "NAME:TOKEN"),
            Self::StreamKey => ("--stream-key", "NAME:KEY"),
            Self::ViewToken => ("--view-token", "NAME:TOKEN"),
        }
    }

    /// Whether a client can send such a secret.
    fn allows(self, secret: &str) -> bool {
        match self {
            Self::Basic => true,
            Self::StreamKey => !secret.is_empty(),
            Self::Bearer | Self::ViewToken => Offered::parse(format!("Bearer {secret}").as_bytes())
                .is_ok_and(|offered| offered == Offered::Bearer(secret.to_owned())),
        }
    }
}

/// The option.
impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.usage().0)
    }
}

/// Names and their secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Vec<(String, String)>);

/// Why there are none. No message holds a secret; what has no colon may be a token that was typed without its name.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("{scheme}: {} has no colon, and is no file that can be read", given(*scheme, path))]
    Read {
        /// Of what.
        scheme: Scheme,
        /// What was typed.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not what it should be.
    #[error("{scheme}: line {line} of {path:?} is not {}", scheme.usage().1)]
    Line {
        /// Of what.
        scheme: Scheme,
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file holds nobody.
    #[error("{0}: {1:?} has no line {form}", form = .0.usage().1)]
    Nobody(Scheme, PathBuf),
    /// The name is empty, or the token is none.
    #[error("{0}: write it as {form}, with a name before the colon{rule}", form = .0.usage().1, rule = rule(*.0))]
    Pair(Scheme),
    /// It comes from a printed configuration.
    #[error("{0}: {HIDDEN} stands for a secret that is not shown; write the secret again")]
    Hidden(Scheme),
}

/// What is wrong with the lines of a file. No message holds a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LinesError {
    /// A line, counted from 1, is not what it should be.
    #[error("line {1} is not {form}", form = .0.usage().1)]
    Line(Scheme, usize),
    /// There is nobody.
    #[error("there is no line {form}", form = .0.usage().1)]
    Nobody(Scheme),
}

/// What was typed in place of a pair or a file.
fn given(scheme: Scheme, path: &Path) -> String {
    match scheme {
        Scheme::Basic => format!("{path:?}"),
        _ => format!("what should be {} or a file of such lines", scheme.usage().1),
    }
}

fn rule(scheme: Scheme) -> &'static str {
    match scheme {
        Scheme::Basic => "",
        Scheme::StreamKey => " and a key behind it",
        Scheme::Bearer | Scheme::ViewToken => " and a token of letters, digits and -._~+/ behind it",
    }
}

impl Credentials {
    /// Reads the value of an option: with a colon it is a name and a secret, without one the name of a file. In a file
    /// empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not of this form.
    pub fn load(scheme: Scheme, typed: &Secret) -> Result<Self, CredentialsError> {
        let text = typed.0.as_str();
        if text == HIDDEN {
            return Err(CredentialsError::Hidden(scheme));
        }
        if text.contains(':') {
            let pair = pair(scheme, text).ok_or(CredentialsError::Pair(scheme))?;
            return Ok(Self(vec![pair]));
        }
        match fs::read_to_string(text) {
            Ok(content) => Self::parse(scheme, text.into(), &content),
            Err(source) => Err(CredentialsError::Read { scheme, path: text.into(), source }),
        }
    }

    fn parse(scheme: Scheme, path: PathBuf, content: &str) -> Result<Self, CredentialsError> {
        Self::of_lines(scheme, content).map_err(|error| match error {
            LinesError::Line(_, line) => CredentialsError::Line { scheme, path, line },
            LinesError::Nobody(_) => CredentialsError::Nobody(scheme, path),
        })
    }

    /// Reads the content of a file: lines as the option has them; empty ones and those that begin with `#` are left out.
    ///
    /// # Errors
    /// A line is not of this form, or there is none.
    pub fn of_lines(scheme: Scheme, content: &str) -> Result<Self, LinesError> {
        let lines = content.lines().enumerate();
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let pairs: Result<Vec<_>, _> = lines
            .map(|(index, line)| pair(scheme, line).ok_or(LinesError::Line(scheme, index + 1)))
            .collect();
        let pairs = pairs?;
        if pairs.is_empty() { Err(LinesError::Nobody(scheme)) } else { Ok(Self(pairs)) }
    }

    /// Each name with its secret.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, secret)| (name.as_str(), secret.as_str()))
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// Splits at the first colon: a password may hold more (RFC 7617 section 2).
fn pair(scheme: Scheme, line: &str) -> Option<(String, String)> {
    let (name, secret) = line.split_once(':')?;
    let fits = !name.is_empty() && scheme.allows(secret);
    fits.then(|| (name.to_owned(), secret.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(scheme: Scheme, text: &str) -> Result<Credentials, CredentialsError> {
        Credentials::load(scheme, &Secret::from(text.to_owned()))
    }

    fn in_file(scheme: Scheme, content: &str) -> Result<Credentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, content).unwrap();
        load(scheme, path.to_str().unwrap())
    }

    #[test]
    fn a_pair_or_a_file_of_pairs() {
        let pairs = |credentials: &Credentials| -> Vec<(String, String)> {
            credentials.iter().map(|(name, secret)| (name.into(), secret.into())).collect()
        };
        assert_eq!(pairs(&load(Scheme::Basic, "me:a:b").unwrap()), [("me".into(), "a:b".into())]);
        let file = in_file(Scheme::Basic, "# who\n\nme:secret\nyou:\r\n").unwrap();
        assert_eq!(pairs(&file), [("me".into(), "secret".into()), ("you".into(), String::new())]);
        let file = in_file(Scheme::Bearer, "robot:aA0-._~+/==\nother:b\n").unwrap();
        assert_eq!(pairs(&file), [("robot".into(), "aA0-._~+/==".into()), ("other".into(), "b".into())]);
    }

    #[test]
    fn faults_are_named_and_secrets_are_not() {
        use Scheme::{Basic, Bearer};
        let rows = [
            (load(Basic, ":secret"), "--basic-auth: write it as USER:PASSWORD, with a name"),
            (load(Basic, "/nonexistent"), "\"/nonexistent\" has no colon, and is no file that can be read"),
            (
                load(Bearer, "secret"),
                "--bearer-auth: what should be NAME:TOKEN or a file of such lines has no",
            ),
            (load(Bearer, ":secret"), "and a token of letters"),
            (load(Bearer, "me:secret token"), "and a token of letters"),
            (load(Bearer, "me:secret:token"), "and a token of letters"),
            (load(Bearer, "me:"), "and a token of letters"),
            (load(Bearer, "***"), "write the secret again"),
            (in_file(Basic, "me:secret\nsecret\n"), "line 2 of "),
            (in_file(Bearer, "me:secret\nyou: secret\n"), "is not NAME:TOKEN"),
            (in_file(Basic, "# nobody\n"), "has no line USER:PASSWORD"),
        ];
        for (result, expected) in rows {
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains(expected) && !message.contains("secret\"") && !message.contains(":secret"),
                "{message}"
            );
        }
        let shown = format!("{:?}", load(Basic, "me:secret").unwrap());
        assert_eq!(shown, "{\"me\"}");
    }

    #[test]
    fn what_is_shown_is_the_file_or_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, "me:secret").unwrap();
        let [file, folder] = [&path, folder.path()].map(|path| path.to_str().unwrap());
        let rows = [
            ("me:secret", "***"),
            (":", "***"),
            ("secret", "***"),
            ("", "***"),
            (folder, "***"),
            (file, file),
        ];
        for (typed, expected) in rows {
            let secret = Secret::from(typed.to_owned());
            assert_eq!((format!("{secret:?}").as_str(), String::from(secret).as_str()), (expected, expected));
        }
    }
}
