//! One file, by a path of the program's own: the answer of a handler that has something to send.
//!
//! The same file with the same fields as [`Files`](super::Files) would send it, but opened for each request and not kept:
//! what is asked for often belongs in a folder that `Files` serves.

use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use http::Method;

use super::Now;
use super::answer::{answer, whole};
use super::cache::CacheLimits;
use super::content::{Content, Patience, Read, read};
use super::entry::{Variant, problem};
use super::root::{OpenError, Stamp, open, stamp};
use crate::proto::http::head::Head;
use crate::proto::http::negotiate::Coding;
use crate::server::http::problem::Problem;
use crate::server::http::response::Response;

/// Answers a request with the file at `path`.
pub(in crate::server::http) fn reply(head: &Head, path: &Path) -> Result<Response, Problem> {
    let now = Now::read().system;
    let (file, stamp) = open(path).map_err(problem)?;
    let (stamp, content) = content(file, stamp).map_err(|error| problem(OpenError::Failed(error)))?;
    let name = path.file_name().unwrap_or_default().as_bytes();
    let variant = Variant::new(name, Coding::Identity, stamp, content, now)?;
    Ok(match *head.method() {
        Method::GET | Method::HEAD => answer(head, &variant.sendable, now),
        // Preconditions are about what a method is asked to change, which is not this file; ranges are of GET alone.
        _ => whole(&variant.sendable),
    })
}

/// A small file that is in memory anyway is copied, all else is sent from its descriptor. So nothing is read from the disk
/// before the reply begins, but there are no workers: what the disk has yet to bring is read by the connection's thread, by
/// `sendfile` or, over TLS, piece by piece.
fn content(file: File, before: Stamp) -> std::io::Result<(Stamp, Content)> {
    if before.size <= CacheLimits::default().file {
        match read(&file, &before, Patience::None)? {
            Read::Whole(bytes) => return Ok((before, Content::Memory(bytes))),
            Read::Changed => return Ok((stamp(&file)?, Content::File(Arc::new(file), None))),
            Read::NotInMemory => {}
        }
    }
    Ok((before, Content::File(Arc::new(file), None)))
}
