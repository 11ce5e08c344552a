//! Tokens of accounts, kept between two runs: one file that only its owner can read, in the folder for the state of programs.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use crate::server::durable;

/// Bytes of the largest file that is read.
const LARGEST: u64 = 1 << 20;

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Tokens(Option<PathBuf>);

impl Tokens {
    /// That of this user: `$XDG_STATE_HOME/wireworks/chat-tokens.json`, or the same in `~/.local/state`. Without a home nothing is kept.
    pub(super) fn of_this_user() -> Self {
        let folder = |name: &str| std::env::var_os(name).filter(|folder| Path::new(folder).is_absolute());
        let state = folder("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.or_else(|| Some(Path::new(&folder("HOME")?).join(".local/state")));
        Self(state.map(|state| state.join("wireworks/chat-tokens.json")))
    }

    /// The token of an account at a server.
    pub(super) fn token(&self, url: &str, account: &str) -> Option<String> {
        self.read().remove(&key(url, account))
    }

    /// Keeps a token, or forgets it.
    pub(super) fn keep(&self, url: &str, account: &str, token: Option<&str>) -> io::Result<()> {
        let Some(path) = &self.0 else { return Ok(()) };
        let mut tokens = self.read();
        match token {
            Some(token) => drop(tokens.insert(key(url, account), token.to_owned())),
            None if tokens.remove(&key(url, account)).is_none() => return Ok(()),
            None => {}
        }
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let text = serde_json::to_string_pretty(&tokens).map_err(io::Error::other)?;
        durable::replace(path, text.as_bytes(), durable::SECRET)
    }

    fn read(&self) -> BTreeMap<String, String> {
        let Some(path) = &self.0 else { return BTreeMap::new() };
        let small = std::fs::metadata(path).is_ok_and(|about| about.len() <= LARGEST);
        let text = if small { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn key(url: &str, account: &str) -> String {
    format!("{url} {}", account.to_lowercase())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn tokens_are_kept_for_their_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wireworks/chat-tokens.json");
        let tokens = Tokens(Some(path.clone()));
        assert_eq!(tokens.token("ws://a", "ann"), None);
        tokens.keep("ws://a", "Ann", Some("one")).unwrap();
        tokens.keep("ws://b", "ann", Some("two")).unwrap();
        assert_eq!(tokens.token("ws://a", "ann").as_deref(), Some("one"));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        tokens.keep("ws://a", "ann", None).unwrap();
        assert_eq!(
            (tokens.token("ws://a", "ann"), tokens.token("ws://b", "ann").as_deref()),
            (None, Some("two"))
        );
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(tokens.token("ws://b", "ann"), None);
        Tokens(None).keep("ws://a", "ann", Some("one")).unwrap();
    }
}
