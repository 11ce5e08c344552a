//! Who may come in: `USER:PASSWORD`, or a file of such lines.

use std::fs;
use std::path::PathBuf;

/// Names and their passwords.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials(Vec<(String, String)>);

/// Why there are none. No message holds a password.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("--basic-auth: {path:?} has no colon, and is no file that can be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not `USER:PASSWORD`.
    #[error("--basic-auth: line {line} of {path:?} is not USER:PASSWORD")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The file holds nobody.
    #[error("--basic-auth: {0:?} has no line USER:PASSWORD")]
    Nobody(PathBuf),
    /// The name is empty.
    #[error("--basic-auth: write it as USER:PASSWORD, with a name before the colon")]
    NoName,
}

impl Credentials {
    /// Reads the value of the option: with a colon it is a name and a password, without one the name of a file. In a file
    /// empty lines and those that begin with `#` are left out.
    ///
    /// # Errors
    /// The file cannot be read, or a line is not of this form.
    pub fn load(text: &str) -> Result<Self, CredentialsError> {
        if text.contains(':') {
            let pair = pair(text).ok_or(CredentialsError::NoName)?;
            return Ok(Self(vec![pair]));
        }
        let path = PathBuf::from(text);
        match fs::read_to_string(&path) {
            Ok(content) => Self::parse(path, &content),
            Err(source) => Err(CredentialsError::Read { path, source }),
        }
    }

    fn parse(path: PathBuf, content: &str) -> Result<Self, CredentialsError> {
        let mut pairs = Vec::new();
        for (index, line) in content.lines().enumerate() {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match pair(line) {
                Some(pair) => pairs.push(pair),
                None => {
                    return Err(CredentialsError::Line {
                        path,
                        line: index + 1,
                    });
                }
            }
        }
        if pairs.is_empty() {
            return Err(CredentialsError::Nobody(path));
        }
        Ok(Self(pairs))
    }

    /// Each name with its password.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, password)| (name.as_str(), password.as_str()))
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// Splits at the first colon: a password may hold more (RFC 7617 section 2).
fn pair(line: &str) -> Option<(String, String)> {
    let (name, password) = line.split_once(':')?;
    (!name.is_empty()).then(|| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_file(content: &str) -> Result<Credentials, CredentialsError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("users");
        fs::write(&path, content).unwrap();
        Credentials::load(path.to_str().unwrap())
    }

    #[test]
    fn a_pair_or_a_file_of_pairs() {
        let pairs = |credentials: &Credentials| -> Vec<(String, String)> {
            credentials
                .iter()
                .map(|(name, password)| (name.into(), password.into()))
                .collect()
        };
        assert_eq!(
            pairs(&Credentials::load("me:a:b").unwrap()),
            [("me".into(), "a:b".into())]
        );
        let file = in_file("# who\n\nme:secret\nyou:\r\n").unwrap();
        assert_eq!(
            pairs(&file),
            [("me".into(), "secret".into()), ("you".into(), String::new())]
        );
    }

    #[test]
    fn faults_are_named_and_passwords_are_not() {
        let rows = [
            (Credentials::load(":secret"), "with a name before the colon"),
            (
                Credentials::load("/nonexistent/users"),
                "is no file that can be read",
            ),
            (in_file("me:secret\nsecret\n"), "line 2 of "),
            (in_file("# nobody\n"), "has no line USER:PASSWORD"),
        ];
        for (result, expected) in rows {
            let message = result.unwrap_err().to_string();
            assert!(
                message.contains(expected) && !message.contains("secret"),
                "{message}"
            );
        }
        assert_eq!(
            format!("{:?}", Credentials::load("me:secret").unwrap()),
            "{\"me\"}"
        );
    }
}
