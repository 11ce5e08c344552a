//! The file of torrents that are tracked: an info hash a line.
//!
//! 40 hexadecimal digits, or the 64 of version 2, which peers announce by its first 20 bytes (BEP 52). What follows a
//! hash in its line, and lines that begin with `#`, are remarks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::Tracker;
use crate::proto::bittorrent::hash::{Sha1, Sha256};
use crate::server::fresh::Fresh;
use crate::server::process::Process;

/// Why a file of torrents is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AllowError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line of it is none.
    #[error("{}:{line}: {text:?} is no info hash: write 40 or 64 hexadecimal digits", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What stands there.
        text: String,
    },
}

/// Tracks only the torrents of this file, which is read again when it changes.
///
/// # Errors
/// It cannot be read, or a line of it is none. Later that is logged, and the torrents of before stay.
pub(in crate::server::share) fn allow_only(
    path: &Path,
    tracker: &Tracker,
    process: &mut Process,
) -> Result<(), AllowError> {
    let (tracker, file) = (tracker.clone(), path.to_owned());
    let fresh = Fresh::new(vec![path.to_owned()], move || {
        tracker.list(Some(read(&file)?));
        Ok(())
    })?;
    fresh.follow(process);
    Ok(())
}

fn read(path: &Path) -> Result<BTreeSet<Sha1>, AllowError> {
    let text = std::fs::read_to_string(path);
    let text = text.map_err(|source| AllowError::Read { path: path.into(), source })?;
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
    let hashes = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let hash = |(line, text): (usize, &str)| {
        let word = text.split_whitespace().next().unwrap_or_default();
        hash(word).ok_or_else(|| AllowError::Line { path: path.into(), line, text: shown(word) })
    };
    hashes.map(hash).collect()
}

fn hash(word: &str) -> Option<Sha1> {
    let long = || word.parse::<Sha256>().ok().map(Sha256::truncated);
    word.parse().ok().or_else(long)
}

/// As much of a wrong word as is worth a look.
fn shown(word: &str) -> String {
    word.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const LONG: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn listed(text: &str) -> Result<BTreeSet<Sha1>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn hashes_of_both_versions_are_read_and_remarks_are_not() {
        let text = format!("# ours\n\n  {}  a film\r\n{LONG}\n{SHORT}\tagain\n", SHORT.to_uppercase());
        let expected = [SHORT, &LONG[..40]].map(|hash| hash.parse().unwrap());
        assert_eq!(listed(&text), Ok(BTreeSet::from(expected)));
        assert_eq!(listed(""), Ok(BTreeSet::new()), "nothing is tracked");
    }

    #[test]
    fn a_wrong_line_is_named() {
        for bad in [&SHORT[1..], &LONG[1..], "z9993e364706816aba3e25717850c26c9cd0d89d", "film"] {
            let error = listed(&format!("{SHORT}\n{bad} x\n")).unwrap_err();
            assert!(error.contains(&format!("list:2: {bad:?} is no info hash: ")), "{error}");
        }
        assert!(listed(&"x".repeat(1000)).unwrap_err().len() < 300);
        let error = read(Path::new("/nonexistent/list")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/list");
    }
}
