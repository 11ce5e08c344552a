//! Names of files, made safe: what somebody else has written becomes names that every system can have, below one folder.
//!
//! A name is never trusted and rarely refused, as libtorrent has it: a torrent with a strange name is fetched, and its file has a harmless one. What is changed here is where
//! a file is on the disk; the info hash is that of what was received. On the web files are called as they were (BEP 19), so what was changed is kept as well.

use std::collections::{BTreeMap, HashMap};

use super::MetainfoError;

/// Bytes of a name at most: file systems have 255, of which some are left for endings.
pub const MAX_NAME: usize = 240;

/// Bytes of the ending that is kept of a name that is too long.
const ENDING: usize = 16;

/// Levels of folders at most.
pub const MAX_DEPTH: usize = 64;

/// Bytes of the paths of all files at most: a tree of version 2 names a folder once, and each file in it has it in its path. Torrents of a few hundred thousand files have
/// half as much.
pub const MAX_PATHS: usize = 64 << 20;

/// What a level counts at least, as it takes that much besides its name.
const LEAST_LEVEL: usize = 16;

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
    if is_device(&text) {
        text.insert(0, '_');
    }
    shorten(&mut text);
    // Windows drops what ends so, and two names become one.
    if text.ends_with(['.', ' ']) {
        text.pop();
        text.push('_');
    }
    Some(text)
}

/// A name as it was, where it can be a level of a URL. `None` for what is no level at all; one that leads upwards is a harmless one there, too.
pub(super) fn raw(name: &[u8]) -> Option<&[u8]> {
    match name {
        b"" | b"." => None,
        b".." => Some(b"._"),
        name => Some(name),
    }
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

/// What files were called, level by level below the folder of the torrent, where it is not what they are called here; by their number.
pub(super) type RawPaths = BTreeMap<usize, Box<[Box<[u8]>]>>;

/// The paths of all files, as they are read.
#[derive(Debug, Default)]
pub(super) struct Paths {
    taken: Taken,
    raw: RawPaths,
    bytes: usize,
}

impl Paths {
    /// The path of the file of this number: the one that is wanted, or another if that is taken. `raw` is what it was called, below the folder of the torrent. Where padding
    /// would be does not matter: it is written nowhere.
    pub(super) fn place(
        &mut self,
        number: usize,
        wanted: Vec<String>,
        raw: &[&[u8]],
        is_padding: bool,
    ) -> Result<Vec<String>, MetainfoError> {
        self.count(wanted.iter().map(String::len))?;
        if is_padding {
            return Ok(wanted);
        }
        let path = self.taken.claim(wanted);
        let is_as_it_was = path.iter().skip(1).map(String::as_bytes).eq(raw.iter().copied());
        // Who was called nothing is on the web nowhere.
        if !is_as_it_was && !raw.is_empty() {
            self.count(raw.iter().map(|level| level.len()))?;
            self.raw.insert(number, raw.iter().map(|level| Box::from(*level)).collect());
        }
        Ok(path)
    }

    /// Counts levels of so many bytes.
    fn count(&mut self, levels: impl Iterator<Item = usize>) -> Result<(), MetainfoError> {
        self.bytes += levels.map(|bytes| bytes.max(LEAST_LEVEL)).sum::<usize>();
        if self.bytes > MAX_PATHS { Err(MetainfoError::Paths(MAX_PATHS)) } else { Ok(()) }
    }

    /// What files were called.
    pub(super) fn into_raw(self) -> RawPaths {
        self.raw
    }
}

/// The paths that files have got, so that no two are the same, nor one a folder of another: not even where upper and lower case are one.
#[derive(Debug, Default)]
struct Taken {
    /// What a folder has by which name, so that long paths cost no more than their bytes. The folder of everything is number 0.
    levels: HashMap<Level, Kind>,
    folders: u32,
    /// The number that was given last in place of a name, so that a million files of one name are not compared with each other.
    numbers: HashMap<Level, u32>,
}

/// The number of a folder, and a name in it, in lower case.
type Level = (u32, String);

/// What has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    /// A folder, which has this number.
    Folder(u32),
}

impl Taken {
    /// A path that is free: the one that is wanted, or with a number before its ending.
    fn claim(&mut self, mut path: Vec<String>) -> Vec<String> {
        let mut folder = 0;
        let last = path.len().saturating_sub(1);
        for (depth, name) in path.iter_mut().enumerate() {
            let is_file = depth == last;
            let level = self.place(folder, name, is_file);
            let next = self.folders + 1;
            let kind =
                self.levels.entry(level).or_insert(if is_file { Kind::File } else { Kind::Folder(next) });
            if let Kind::Folder(number) = *kind {
                self.folders = self.folders.max(number);
                folder = number;
            }
        }
        path
    }

    /// Gives a level of a path another name, if it has to have one. A file cannot be where a folder is, and neither where a file is.
    fn place(&mut self, folder: u32, name: &mut String, is_file: bool) -> Level {
        let level = |name: &str| (folder, name.to_lowercase());
        let is_taken = |level: &Level| match self.levels.get(level) {
            None => false,
            Some(Kind::Folder(_)) => is_file,
            Some(Kind::File) => true,
        };
        let wanted = level(name);
        if !is_taken(&wanted) {
            return wanted;
        }
        let mut number = self.numbers.get(&wanted).copied().unwrap_or(1);
        let free = loop {
            let other = numbered(name, number);
            let key = level(&other);
            if !is_taken(&key) {
                *name = other;
                break key;
            }
            number += 1;
        };
        self.numbers.insert(wanted, number);
        free
    }
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
        let long = safe(&[&b"con."[..], &[b'x'; 300]].concat()).unwrap();
        assert!(long.len() == MAX_NAME && long.starts_with("_con."), "{long}");
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
    fn levels_count_with_what_they_take() {
        let place = |free: usize, wanted: &[&str], raw: &[&[u8]]| {
            let mut paths = Paths { bytes: MAX_PATHS - free, ..Paths::default() };
            let wanted = wanted.iter().map(|level| (*level).to_owned()).collect();
            paths.place(0, wanted, raw, false).map(|_| paths.into_raw().len())
        };
        let too_many = Err(MetainfoError::Paths(MAX_PATHS));
        assert_eq!(place(32, &["t", "a"], &[b"a"]), Ok(0));
        assert_eq!(place(31, &["t", "a"], &[b"a"]), too_many);
        assert_eq!(place(48, &["t", "a_"], &[b"a:"]), Ok(1), "what it was called is kept");
        assert_eq!(place(47, &["t", "a_"], &[b"a:"]), too_many);
        assert_eq!(place(48, &["t", "a_"], &[&[b':'; 17]]), too_many);
    }

    #[test]
    fn many_files_of_one_name_take_no_time() {
        let mut taken = Taken::default();
        let last = (0..100_000).map(|_| taken.claim(vec!["a".to_owned()])).last().unwrap();
        assert_eq!(last, ["a.99999"]);
    }
}
