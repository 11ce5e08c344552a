//! Names of files, made safe: what somebody else has written becomes names that every system can have, below one folder.
//!
//! A name is never trusted and rarely refused, as libtorrent has it: a torrent with a strange name is fetched, and its file has a harmless one. What is changed here is where
//! a file is on the disk; the info hash is that of what was received.

use std::collections::{HashMap, HashSet};

/// Bytes of a name at most: file systems have 255, of which some are left for endings.
pub const MAX_NAME: usize = 240;

/// Bytes of the ending that is kept of a name that is too long.
const ENDING: usize = 16;

/// Levels of folders at most.
pub const MAX_DEPTH: usize = 64;

/// Names that are devices on Windows, with any ending.
const DEVICES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A name as every system can have it: one level, of 1 to [`MAX_NAME`] bytes. `None` for what is no level at all: nothing, or a dot.
#[must_use]
pub fn safe(name: &[u8]) -> Option<String> {
    if matches!(name, b"" | b".") {
        return None;
    }
    let mut text: String =
        String::from_utf8_lossy(name).chars().map(|c| if is_harmless(c) { c } else { '_' }).collect();
    shorten(&mut text);
    // Windows drops what ends so, and two names become one.
    if text.ends_with(['.', ' ']) {
        text.pop();
        text.push('_');
    }
    if is_device(&text) {
        text.insert(0, '_');
    }
    Some(text)
}

/// Whether a character is one that is seen and means nothing to a file system.
fn is_harmless(c: char) -> bool {
    let separates = matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    // Marks that turn the direction of writing show `exe.txt` where `txt.exe` is.
    let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !(separates || turns || c.is_control() || matches!(c, '\u{fffd}' | '\u{feff}'))
}

fn shorten(text: &mut String) {
    if text.len() <= MAX_NAME {
        return;
    }
    let ending = text.rfind('.').map(|at| text[at..].to_owned()).filter(|ending| ending.len() <= ENDING);
    let ending = ending.unwrap_or_default();
    text.truncate(text.floor_char_boundary(MAX_NAME - ending.len()));
    text.push_str(&ending);
}

fn is_device(text: &str) -> bool {
    let stem = text.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let numbered = |kind: &str| {
        stem.strip_prefix(kind)
            .is_some_and(|rest| matches!(rest.as_bytes(), [b'1'..=b'9']) || matches!(rest, "¹" | "²" | "³"))
    };
    DEVICES.contains(&&*stem) || numbered("com") || numbered("lpt")
}

/// The paths that files have got, so that no two are the same, nor one a folder of another: not even where upper and lower case are one.
#[derive(Debug, Default)]
pub(super) struct Taken {
    files: HashSet<String>,
    folders: HashSet<String>,
    /// The number that was given last in place of a path, so that a million files of one name are not compared with each other.
    numbers: HashMap<String, u32>,
}

impl Taken {
    /// A path that is free: the one that is wanted, or with a number before its ending.
    pub(super) fn claim(&mut self, mut path: Vec<String>) -> Vec<String> {
        for level in 0..path.len() {
            let is_file = level + 1 == path.len();
            self.place(&mut path, level, is_file);
            let key = folded(&path[..=level]);
            if is_file {
                self.files.insert(key)
            } else {
                self.folders.insert(key)
            };
        }
        path
    }

    /// Gives a level of a path another name, if it has to have one. A file cannot be where a folder is, and neither where a file is.
    fn place(&mut self, path: &mut [String], level: usize, is_file: bool) {
        let wanted = folded(&path[..=level]);
        let is_taken = |key: &str| self.files.contains(key) || is_file && self.folders.contains(key);
        if !is_taken(&wanted) {
            return;
        }
        let name = path[level].clone();
        let mut number = self.numbers.get(&wanted).copied().unwrap_or(1);
        loop {
            path[level] = numbered(&name, number);
            if !is_taken(&folded(&path[..=level])) {
                break;
            }
            number += 1;
        }
        self.numbers.insert(wanted, number);
    }
}

fn folded(path: &[String]) -> String {
    path.join("/").to_lowercase()
}

/// `a.txt` becomes `a.1.txt`.
fn numbered(name: &str, number: u32) -> String {
    match name.rfind('.').filter(|at| *at > 0) {
        Some(at) => format!("{}.{number}{}", &name[..at], &name[at..]),
        None => format!("{name}.{number}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_safe() {
        for (name, expected) in [
            (&b"a.txt"[..], Some("a.txt")),
            (b"", None),
            (b".", None),
            (b"..", Some("._")),
            (b"...", Some(".._")),
            (b".pad", Some(".pad")),
            (b"../../etc/passwd", Some(".._.._etc_passwd")),
            (b"/etc", Some("_etc")),
            (b"a\\b", Some("a_b")),
            (b"C:\\x", Some("C__x")),
            (b"a\0b", Some("a_b")),
            (b"a\nb\x1b[31m", Some("a_b_[31m")),
            (b"a\xffb", Some("a_b")),
            ("evil\u{202e}txt.exe".as_bytes(), Some("evil_txt.exe")),
            (b"what?", Some("what_")),
            (b"end. ", Some("end._")),
            (b"CON", Some("_CON")),
            (b"nul.tar.gz", Some("_nul.tar.gz")),
            (b"com1.txt", Some("_com1.txt")),
            (b"com10", Some("com10")),
            (b"console", Some("console")),
            ("Übung".as_bytes(), Some("Übung")),
        ] {
            assert_eq!(safe(name).as_deref(), expected, "{:?}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn long_names_keep_their_ending() {
        let name = safe(format!("{}.mkv", "ä".repeat(300)).as_bytes()).unwrap();
        assert!(name.len() <= MAX_NAME && name.ends_with("ä.mkv"), "{name}");
        let name = safe("x".repeat(1000).as_bytes()).unwrap();
        assert_eq!(name.len(), MAX_NAME);
        assert_eq!(safe(format!("a.{}", "x".repeat(1000)).as_bytes()).unwrap().len(), MAX_NAME);
    }

    #[test]
    fn no_two_files_have_one_place() {
        let mut taken = Taken::default();
        let mut claim = |path: &str| taken.claim(path.split('/').map(str::to_owned).collect()).join("/");
        assert_eq!(claim("a.txt"), "a.txt");
        assert_eq!(claim("A.TXT"), "A.1.TXT");
        assert_eq!(claim("a.1.txt"), "a.1.1.txt");
        assert_eq!(claim("b/c"), "b/c");
        assert_eq!(claim("b"), "b.1", "where a folder is");
        assert_eq!(claim("a.txt/x"), "a.2.txt/x", "a file is no folder");
        assert_eq!(claim("b/c/d"), "b/c.1/d");
        assert_eq!(claim(".hidden"), ".hidden");
        assert_eq!(claim(".hidden"), ".hidden.1");
        assert_eq!(claim("a.txt/y"), "a.2.txt/y", "in the same folder as before");
    }

    #[test]
    fn many_files_of_one_name_take_no_time() {
        let mut taken = Taken::default();
        let last = (0..100_000).map(|_| taken.claim(vec!["a".to_owned()])).last().unwrap();
        assert_eq!(last, ["a.99999"]);
    }
}
