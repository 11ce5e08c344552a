//! The way to a file, from a descriptor of the root and never out of it.
//!
//! The kernel walks the path: `openat2` with `RESOLVE_BENEATH` refuses whatever would leave the root, also when a
//! directory is moved or replaced by a link meanwhile, which no check of names beforehand can. Where the kernel does not
//! have it, the path is walked here, one segment at a time, and no link is followed.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// How often a walk is begun anew because something was renamed on its way.
const RETRIES: usize = 8;

/// Opening a FIFO for reading waits for a writer; a terminal must not become ours.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);

/// A step of the walk: a directory that need not be readable.
const STEP: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The root of the files that are served.
#[derive(Debug)]
pub(super) struct Root {
    dir: OwnedFd,
    follow: bool,
    /// Cleared when the kernel turns out not to have it.
    openat2: AtomicBool,
}

/// What a path leads to.
#[derive(Debug)]
pub(super) enum Opened {
    File(File, Stamp),
    Directory(OwnedFd),
}

/// Why a path leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    /// There is nothing, or nothing that is served.
    #[error("there is nothing here")]
    Missing,
    /// The system does not let us.
    #[error("this may not be read")]
    Forbidden,
    /// We have too many files open.
    #[error("too many files are open")]
    Busy,
    /// The disk or the system fails.
    #[error("cannot open a file: {0}")]
    Failed(io::Error),
}

impl From<Errno> for OpenError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::NOENT
            | Errno::NOTDIR
            | Errno::LOOP
            | Errno::XDEV
            | Errno::NAMETOOLONG
            | Errno::INVAL
            | Errno::ILSEQ
            | Errno::NXIO
            | Errno::NODEV => Self::Missing,
            Errno::ACCESS | Errno::PERM => Self::Forbidden,
            Errno::MFILE | Errno::NFILE | Errno::NOMEM => Self::Busy,
            error => Self::Failed(error.into()),
        }
    }
}

/// Opens a file by a path of the program's own, wherever it leads.
pub(super) fn open(path: &Path) -> Result<(File, Stamp), OpenError> {
    let opened = rustix::fs::open(path, READ, Mode::empty())?;
    let stat = rustix::fs::fstat(&opened)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok((opened.into(), Stamp::of(&stat))),
        _ => Err(OpenError::Missing),
    }
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    /// Bytes.
    pub(super) size: u64,
    /// Seconds and nanoseconds.
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    /// When the content changed last.
    pub(super) fn modified(&self) -> SystemTime {
        let (seconds, nanos) = self.modified;
        let whole = Duration::from_secs(seconds.unsigned_abs());
        let start = if seconds < 0 { UNIX_EPOCH.checked_sub(whole) } else { UNIX_EPOCH.checked_add(whole) };
        let time = start.and_then(|start| start.checked_add(Duration::from_nanos(nanos)));
        time.unwrap_or(UNIX_EPOCH)
    }

    /// The opaque part of a strong entity tag.
    pub(super) fn tag(&self) -> String {
        let (seconds, nanos) = self.modified;
        format!("{seconds:x}.{nanos:x}-{:x}", self.size)
    }
}

/// What `file` is like now.
pub(super) fn stamp(file: &File) -> io::Result<Stamp> {
    Ok(Stamp::of(&rustix::fs::fstat(file)?))
}

impl Root {
    /// Opens the root itself, which may be a symbolic link.
    pub(super) fn new(path: &Path, follow: bool) -> io::Result<Self> {
        let dir =
            rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { dir, follow, openat2: AtomicBool::new(true) })
    }

    /// Opens `path`, which is relative and has no `.` and `..`; empty for the root.
    pub(super) fn open(&self, path: &[u8]) -> Result<Opened, OpenError> {
        let opened = self.descend(path, READ)?;
        let stat = rustix::fs::fstat(&opened)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Opened::File(opened.into(), Stamp::of(&stat))),
            FileType::Directory => Ok(Opened::Directory(opened)),
            _ => Err(OpenError::Missing),
        }
    }

    /// What `path` leads to, which need not be readable.
    pub(super) fn stat(&self, path: &[u8]) -> Result<Stat, OpenError> {
        let opened = self.descend(path, OFlags::PATH | OFlags::CLOEXEC)?;
        Ok(rustix::fs::fstat(opened)?)
    }

    /// Whether symbolic links are followed.
    pub(super) fn follows(&self) -> bool {
        self.follow && self.openat2.load(Ordering::Relaxed)
    }

    fn descend(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        if self.openat2.load(Ordering::Relaxed) {
            match self.descend_at_once(path, flags) {
                // PERM is what a sandbox that does not know the call says; the walk finds out.
                Err(Errno::NOSYS | Errno::PERM) => {}
                result => return result,
            }
            let probe = self.descend_at_once(b"", OFlags::PATH | OFlags::CLOEXEC);
            if probe.is_err() {
                tracing::warn!("the kernel has no openat2: symbolic links are not followed");
                self.openat2.store(false, Ordering::Relaxed);
            }
        }
        self.walk(path, flags)
    }

    fn descend_at_once(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let path = if path.is_empty() { b"." } else { path };
        let mut resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        if !self.follow {
            resolve |= ResolveFlags::NO_SYMLINKS;
        }
        let mut result = Err(Errno::AGAIN);
        for _ in 0..RETRIES {
            result = rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), resolve);
            if !matches!(result, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        result
    }

    /// The same without `openat2`.
    fn walk(&self, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
        let mut segments = path.split(|&byte| byte == b'/').filter(|name| !name.is_empty());
        let Some(mut name) = segments.next() else {
            return rustix::fs::openat(&self.dir, ".", flags, Mode::empty());
        };
        let mut step: Option<OwnedFd> = None;
        for next in segments {
            let dir = step.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
            step = Some(one_step(dir, name, STEP)?);
            name = next;
        }
        let dir = step.as_ref().map_or(self.dir.as_fd(), AsFd::as_fd);
        let opened = one_step(dir, name, flags | OFlags::NOFOLLOW)?;
        // With PATH and NOFOLLOW together a link itself is opened.
        let stat = rustix::fs::fstat(&opened)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Symlink => Err(Errno::LOOP),
            _ => Ok(opened),
        }
    }
}

fn one_step(dir: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    if name == b".." {
        return Err(Errno::XDEV);
    }
    rustix::fs::openat(dir, name, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("root/sub/deep")).unwrap();
        std::fs::write(at("secret"), "secret").unwrap();
        std::fs::write(at("root/a"), "a").unwrap();
        std::fs::write(at("root/sub/deep/b"), "b").unwrap();
        symlink("a", at("root/inside")).unwrap();
        symlink("sub", at("root/subdir")).unwrap();
        symlink("../../a", at("root/sub/deep/up")).unwrap();
        symlink("../secret", at("root/outside")).unwrap();
        symlink("..", at("root/parent")).unwrap();
        symlink("/etc/passwd", at("root/absolute")).unwrap();
        symlink("/proc/self/root", at("root/magic")).unwrap();
        symlink("loop", at("root/loop")).unwrap();
        rustix::fs::mknodat(CWD, at("root/fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        std::os::unix::net::UnixListener::bind(at("root/socket")).unwrap();
        dir
    }

    fn what(root: &Root, path: &[u8]) -> &'static str {
        match root.open(path) {
            Ok(Opened::File(..)) => "file",
            Ok(Opened::Directory(_)) => "directory",
            Err(OpenError::Missing) => "missing",
            Err(OpenError::Forbidden) => "forbidden",
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn only_what_lies_beneath_is_opened() {
        let dir = tree();
        let long = vec![b'x'; 300];
        let longer = b"d/".repeat(4000);
        // The path, without links, with links, and walked segment by segment.
        let cases: &[(&[u8], &str, &str)] = &[
            (b"", "directory", "directory"),
            (b"a", "file", "file"),
            (b"sub", "directory", "directory"),
            (b"sub/deep/b", "file", "file"),
            (b"a/b", "missing", "missing"),
            (b"none", "missing", "missing"),
            (b"inside", "missing", "file"),
            (b"subdir/deep/b", "missing", "file"),
            (b"sub/deep/up", "missing", "file"),
            (b"outside", "missing", "missing"),
            (b"parent/secret", "missing", "missing"),
            (b"absolute", "missing", "missing"),
            (b"magic/etc/passwd", "missing", "missing"),
            (b"loop", "missing", "missing"),
            (b"fifo", "missing", "missing"),
            (b"socket", "missing", "missing"),
            (b"../secret", "missing", "missing"),
            (b"sub/../../secret", "missing", "missing"),
            (b"/etc/passwd", "missing", "missing"),
            (b"a\0b", "missing", "missing"),
            (&long, "missing", "missing"),
            (&longer, "missing", "missing"),
        ];
        let strict = Root::new(&dir.path().join("root"), false).unwrap();
        let following = Root::new(&dir.path().join("root"), true).unwrap();
        let walking = Root::new(&dir.path().join("root"), true).unwrap();
        walking.openat2.store(false, Ordering::Relaxed);
        assert!(following.follows() && !strict.follows() && !walking.follows());
        for (path, without_links, with_links) in cases {
            let name = String::from_utf8_lossy(path);
            assert_eq!(what(&strict, path), *without_links, "{name}");
            assert_eq!(what(&following, path), *with_links, "{name}, following");
            assert_eq!(what(&walking, path), *without_links, "{name}, walking");
        }
    }

    #[test]
    fn stat_follows_the_same_rules() {
        let dir = tree();
        for (follow, inside) in [(false, false), (true, true)] {
            let root = Root::new(&dir.path().join("root"), follow).unwrap();
            assert_eq!(root.stat(b"a").unwrap().st_size, 1);
            assert_eq!(root.stat(b"inside").is_ok(), inside);
            assert!(root.stat(b"outside").is_err());
            root.openat2.store(false, Ordering::Relaxed);
            assert!(root.stat(b"inside").is_err());
        }
    }

    #[test]
    fn the_root_is_a_directory() {
        let dir = tree();
        assert!(Root::new(&dir.path().join("none"), false).is_err());
        assert!(Root::new(&dir.path().join("secret"), false).is_err());
        assert!(Root::new(&dir.path().join("root/subdir"), false).is_ok(), "a link, given by the operator");
    }

    #[test]
    fn a_stamp_tells_states_apart() {
        let dir = tree();
        let path = dir.path().join("root/a");
        let file = File::options().write(true).open(&path).unwrap();
        let times =
            |seconds: u64| std::fs::FileTimes::new().set_modified(UNIX_EPOCH + Duration::new(seconds, 255));
        file.set_times(times(16)).unwrap();
        let before = stamp(&file).unwrap();
        assert_eq!(before.tag(), "10.ff-1");
        assert_eq!(before.modified(), UNIX_EPOCH + Duration::new(16, 255));
        file.set_times(times(17)).unwrap();
        assert_ne!(stamp(&file).unwrap(), before);
        let old = std::fs::FileTimes::new().set_modified(UNIX_EPOCH - Duration::from_millis(1500));
        file.set_times(old).unwrap();
        assert_eq!(stamp(&file).unwrap().modified(), UNIX_EPOCH - Duration::from_millis(1500));
    }
}
