//! Files as version 1 lists them (BEP 3; padding, links and executables: BEP 47).

use super::files::{File, FileKind, MAX_FILES};
use super::names::{MAX_DEPTH, Paths, RawPaths, raw, safe};
use super::{MetainfoError, missing};
use crate::proto::bittorrent::bencode::Value;

/// How BitComet calls what fills pieces up.
const OLD_PADDING: &[u8] = b"_____padding_file_";

/// Those of an `info` dictionary, and what they were called. Their offsets are not set yet.
pub(super) fn files(info: Value<'_>, name: &str) -> Result<(Vec<File>, RawPaths), MetainfoError> {
    let Some(list) = info.get("files") else {
        let length = info.get("length").and_then(Value::size).ok_or(missing("info.length"))?;
        let path = vec![name.to_owned()];
        let executable = has(info, b'x');
        let file = File { path, length, offset: 0, kind: FileKind::Regular, executable, root: None };
        return Ok((vec![file], RawPaths::new()));
    };
    let mut paths = Paths::default();
    let mut files = Vec::new();
    for entry in list.items().ok_or(missing("info.files"))? {
        if files.len() == MAX_FILES {
            return Err(MetainfoError::Files(MAX_FILES));
        }
        files.push(file(entry, name, files.len(), &mut paths)?);
    }
    Ok((files, paths.into_raw()))
}

fn file(entry: Value<'_>, name: &str, number: usize, paths: &mut Paths) -> Result<File, MetainfoError> {
    let length = entry.get("length").and_then(Value::size);
    let levels = entry.get("path.utf-8").filter(|path| path.items().is_some()).or_else(|| entry.get("path"));
    let levels = levels.and_then(Value::items).ok_or(missing("info.files.path"))?;
    let last = levels.clone().last().and_then(Value::bytes).unwrap_or_default();
    let padding = has(entry, b'p') || last.starts_with(OLD_PADDING);
    let raw: Vec<&[u8]> = levels.clone().filter_map(|level| raw(level.bytes()?)).collect();
    let path = path(levels, name)?;
    let kind = match link(entry, name)? {
        _ if padding => FileKind::Padding,
        Some(target) => FileKind::Link(target),
        None => FileKind::Regular,
    };
    // A link has no content of its own.
    let length = match kind {
        FileKind::Link(_) => length.unwrap_or_default(),
        _ => length.ok_or(missing("info.files.length"))?,
    };
    let path = paths.place(number, path, &raw, padding)?;
    Ok(File { path, length, offset: 0, kind, executable: has(entry, b'x'), root: None })
}

/// A path below the folder of the torrent, of safe names.
fn path<'a>(levels: impl Iterator<Item = Value<'a>>, name: &str) -> Result<Vec<String>, MetainfoError> {
    let mut path = vec![name.to_owned()];
    for level in levels {
        path.extend(safe(level.bytes().ok_or(missing("info.files.path"))?));
        if path.len() > MAX_DEPTH {
            return Err(MetainfoError::Depth(MAX_DEPTH));
        }
    }
    if path.len() == 1 {
        path.push("_".to_owned());
    }
    Ok(path)
}

/// Where a link leads, if it is one.
pub(super) fn link(entry: Value<'_>, name: &str) -> Result<Option<Vec<String>>, MetainfoError> {
    if !has(entry, b'l') {
        return Ok(None);
    }
    let target =
        entry.get("symlink path").and_then(Value::items).ok_or(missing("info.files.symlink path"))?;
    path(target, name).map(Some)
}

/// Whether it has an attribute.
pub(super) fn has(entry: Value<'_>, attribute: u8) -> bool {
    entry.get("attr").and_then(Value::bytes).is_some_and(|attributes| attributes.contains(&attribute))
}
