//! Small files that are replaced as a whole: keys, tokens, certificates, playlists.
//!
//! The new content is written beside the old one, brought to the disk, and takes its place by a rename, which is brought to the disk, too. So whoever reads the file
//! finds the old content or the new one, never a part, and after a power cut that is so as well: the new one if [`replace`] had returned, or else either. A process
//! that dies in between may leave a file `.NAME.PID.new` beside it.
//!
//! What is large and can be made again (the segments of a package) does not wait for the disk, but for its name: see [`rename`].

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// For what nobody but the owner may read.
pub(in crate::server) const SECRET: u32 = 0o600;

/// For what anybody may read whom the umask lets.
pub(in crate::server) const PUBLIC: u32 = 0o666;

/// Puts a file with this content in the place of the one at `path`, if there is one. `mode` is its mode before the umask.
///
/// # Errors
/// It cannot be written: then what was there is there still. Or it is not certain that its name is on the disk.
pub(in crate::server) fn replace(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut name = OsString::from(".");
    name.push(path.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}.new", std::process::id()));
    let aside = path.with_file_name(name);
    let placed = write(&aside, content, mode).and_then(|()| rename(&aside, path));
    // After a rename there is nothing to remove.
    placed.inspect_err(|_| drop(fs::remove_file(&aside)))
}

/// Writes a file of its own, and brings its content to the disk. What an earlier process has left at `path` is removed: it may be open to others.
///
/// # Errors
/// It cannot be written. A part of it may be there.
pub(in crate::server) fn write(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// Gives a file or a folder its name, in place of what is called so, and brings the name to the disk; not what is in it.
///
/// # Errors
/// It cannot be renamed; or it was, and may not be after a power cut.
pub(in crate::server) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    settle(to)
}

/// Brings the name of `path` to the disk.
///
/// # Errors
/// The disk fails.
pub(in crate::server) fn settle(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(folder)?.sync_all() {
        // File systems that do this by themselves, or not at all.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        for (content, mode) in [("old", PUBLIC), ("new", SECRET)] {
            replace(&path, content.as_bytes(), mode).unwrap();
            assert_eq!(
                (fs::read_to_string(&path).unwrap().as_str(), names(folder.path())),
                (content, vec!["keys".into()])
            );
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, SECRET);
    }

    #[test]
    fn what_a_dead_process_has_left_is_not_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let left = folder.path().join(format!(".keys.{}.new", std::process::id()));
        fs::write(&left, "left, and longer").unwrap();
        fs::set_permissions(&left, fs::Permissions::from_mode(0o644)).unwrap();
        replace(&path, b"new", SECRET).unwrap();
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"new".to_vec(), vec!["keys".into()]));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, SECRET);
    }

    #[test]
    fn what_cannot_be_placed_is_not_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::create_dir_all(path.join("full")).unwrap();
        replace(&path, b"new", SECRET).unwrap_err();
        assert_eq!(names(folder.path()), ["keys"]);
        assert!(replace(&folder.path().join("none/keys"), b"new", SECRET).is_err());
        assert!(replace(Path::new("/"), b"new", SECRET).is_err());
    }

    #[test]
    fn a_name_without_a_folder_is_in_this_one() {
        settle(Path::new("Cargo.toml")).unwrap();
        settle(&std::env::temp_dir().join("any")).unwrap();
        settle(Path::new("/none/any")).unwrap_err();
    }
}
