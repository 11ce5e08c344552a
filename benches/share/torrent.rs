//! What is shared: torrents of version 1 with random content, which stays in memory to be compared with what was fetched.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use sha1::{Digest, Sha1};

use crate::support::Result;

/// A torrent whose files are on the disk.
pub(crate) struct Torrent {
    /// The torrent file; the one that names the tracker is beside it.
    file: PathBuf,
    /// The folder that its content is in.
    pub(crate) folder: PathBuf,
    pub(crate) info_hash: [u8; 20],
    /// Bytes of a piece.
    pub(crate) piece: usize,
    /// All files, one after the other.
    pub(crate) content: Vec<u8>,
    /// Where each file is in the folder, and its bytes.
    files: Vec<(String, usize)>,
}

/// Bytes of the content that is one file.
const LARGE: usize = 1 << 30;
/// How many files the other content has.
const SMALL: usize = 20_000;

impl Torrent {
    /// One file of 1 GiB in pieces of 1 MiB.
    pub(crate) fn large(folder: &Path) -> Result<Self> {
        Self::make(folder, "payload", vec![("payload".to_owned(), LARGE)], 1 << 20)
    }

    /// 20,000 files of 1 to 64 KiB in pieces of 256 KiB. Each size is as probable as its half: they have 15 KiB on average.
    pub(crate) fn small(folder: &Path) -> Result<Self> {
        let mut random = fastrand::Rng::with_seed(20);
        let file = |number: usize| {
            let size = (1024.0 * 64_f64.powf(random.f64())) as usize;
            (format!("tree/{:03}/{number:05}", number / 100), size)
        };
        Self::make(folder, "tree", (0..SMALL).map(file).collect(), 256 << 10)
    }

    /// One file of so many bytes in pieces of 256 KiB.
    pub(crate) fn crowd(folder: &Path, bytes: usize) -> Result<Self> {
        Self::make(folder, "payload", vec![("payload".to_owned(), bytes)], 256 << 10)
    }

    /// The torrent file, for clients who are told of a peer, or for those who ask a tracker.
    pub(crate) fn file(&self, tracker: Option<&str>) -> Result<PathBuf> {
        let Some(url) = tracker else { return Ok(self.file.clone()) };
        let tracked = self.file.with_extension("tracked.torrent");
        // Keys are sorted, and this one comes before the only one that is there.
        let plain = fs::read(&self.file)?;
        let head = format!("d8:announce{}:{url}", url.len());
        fs::write(&tracked, [head.as_bytes(), &plain[1..]].concat())?;
        Ok(tracked)
    }

    fn make(folder: &Path, name: &str, files: Vec<(String, usize)>, piece: usize) -> Result<Self> {
        let bytes = files.iter().map(|(_, size)| size).sum();
        let mut content = vec![0; bytes];
        fastrand::Rng::with_seed(9).fill(&mut content);
        let mut rest = &content[..];
        for (path, size) in &files {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().ok_or("a file has no folder")?)?;
            let (own, others) = rest.split_at(*size);
            fs::write(path, own)?;
            rest = others;
        }
        let info = info(name, &files, piece, &content);
        let file = folder.join("it.torrent");
        fs::write(&file, metainfo(&info))?;
        let info_hash = Sha1::digest(&info).into();
        Ok(Self { file, folder: folder.to_owned(), info_hash, piece, content, files })
    }

    /// Refuses a folder that has anything but the content where its files should be.
    pub(crate) fn compare(&self, folder: &Path) -> Result<()> {
        let mut rest = &self.content[..];
        for (path, size) in &self.files {
            let file = File::open(folder.join(path)).map_err(|error| format!("{path}: {error}"))?;
            let (own, others) = rest.split_at(*size);
            if file.metadata()?.len() != *size as u64 || !is_same(file, own)? {
                return Err(format!("{path} is not what was shared").into());
            }
            rest = others;
        }
        Ok(())
    }

    pub(crate) fn gigabytes(&self) -> f64 {
        self.content.len() as f64 / 1e9
    }
}

fn is_same(file: File, mut expected: &[u8]) -> io::Result<bool> {
    let mut file = BufReader::new(file);
    let mut block = [0; 64 << 10];
    while !expected.is_empty() {
        let (own, rest) = expected.split_at(expected.len().min(block.len()));
        file.read_exact(&mut block[..own.len()])?;
        if block[..own.len()] != *own {
            return Ok(false);
        }
        expected = rest;
    }
    Ok(true)
}

/// A torrent file with an `info` dictionary, and no word more.
pub(crate) fn metainfo(info: &[u8]) -> Vec<u8> {
    [b"d4:info", info, b"e"].concat()
}

/// The `info` dictionary (BEP 3). A content that is one file has that file's name.
pub(crate) fn info(name: &str, files: &[(String, usize)], piece: usize, content: &[u8]) -> Vec<u8> {
    let mut text = String::from("d");
    let string = |value: &str| format!("{}:{value}", value.len());
    match files {
        [(only, size)] if only == name => text += &format!("6:lengthi{size}e"),
        _ => {
            text += "5:filesl";
            for (path, size) in files {
                // The first component is the name of the torrent.
                let parts: String = path.split('/').skip(1).map(string).collect();
                let _ = write!(text, "d6:lengthi{size}e4:pathl{parts}ee");
            }
            text += "e";
        }
    }
    let count = content.chunks(piece).count();
    let _ = write!(text, "4:name{}12:piece lengthi{piece}e6:pieces{}:", string(name), count * 20);
    let mut info = text.into_bytes();
    content.chunks(piece).for_each(|piece| info.extend_from_slice(&Sha1::digest(piece)));
    info.push(b'e');
    info
}
