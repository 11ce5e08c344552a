//! `Response::file`: one file as the answer of a handler, with all that RFC 9110 has for it.

use std::fs;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;
use wireworks::server::http::middleware::Stack;
use wireworks::server::http::middleware::compression::Compression;
use wireworks::server::http::problem::Problem;
use wireworks::server::http::request::Request;
use wireworks::server::http::response::Response;

use super::files::{MODIFIED, age};
use super::server::{Setup, TestServer};

const SMALL: &str = "0123456789";

/// A folder, and a server that sends the file in it whose name is the path: no way to do it in earnest.
fn server() -> (TempDir, Vec<u8>, TestServer) {
    let folder = tempfile::tempdir().unwrap();
    let large: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (name, content) in [("small.txt", SMALL.as_bytes()), ("large.bin", &large), ("empty", b"")] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        age(&path, 784_111_777);
    }
    fs::create_dir(folder.path().join("folder")).unwrap();
    mknodat(CWD, folder.path().join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    let root = folder.path().to_owned();
    (folder, large, Setup::new(sending(root)).start())
}

fn sending(root: PathBuf) -> impl Fn(Request) -> std::future::Ready<Result<Response, Problem>> {
    move |request| {
        let path = root.join(request.path().trim_start_matches('/'));
        std::future::ready(Response::file(&request, path))
    }
}

#[test]
fn a_file_has_its_type_its_validators_and_all_of_its_bytes() {
    let (_folder, large, server) = server();
    for (path, content_type, content) in [
        ("/small.txt", "text/plain; charset=utf-8", SMALL.as_bytes()),
        ("/large.bin", "application/octet-stream", &large),
        ("/empty", "application/octet-stream", b""),
    ] {
        let response = server.get(path, "");
        assert_eq!(response.status, 200, "{path}");
        assert_eq!(response.header("content-type"), Some(content_type));
        assert_eq!(response.header("last-modified"), Some(MODIFIED));
        assert_eq!(response.header("accept-ranges"), Some("bytes"));
        assert!(response.body == content, "{path}");
        let head = server.ask(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        for name in ["content-length", "content-type", "etag", "last-modified"] {
            assert_eq!(head.header(name), response.header(name), "{path} {name}");
        }
    }
}

#[test]
fn preconditions_and_ranges_are_heeded() {
    let (_folder, large, server) = server();
    let etag = server.get("/small.txt", "").header("etag").unwrap().to_owned();
    let rows: [(String, u16, &str); 8] = [
        (format!("If-None-Match: {etag}\r\n"), 304, ""),
        ("If-None-Match: \"other\"\r\n".into(), 200, SMALL),
        (format!("If-Modified-Since: {MODIFIED}\r\n"), 304, ""),
        ("If-Match: \"other\"\r\n".into(), 412, "412 "),
        ("Range: bytes=2-4\r\n".into(), 206, "234"),
        (format!("Range: bytes=-1\r\nIf-Range: {etag}\r\n"), 206, "9"),
        ("Range: bytes=2-4\r\nIf-Range: \"other\"\r\n".into(), 200, SMALL),
        ("Range: bytes=10-\r\n".into(), 416, "416 "),
    ];
    for (fields, status, body) in rows {
        let response = server.get("/small.txt", &fields);
        assert_eq!(response.status, status, "{fields}");
        assert!(response.text().starts_with(body), "{fields}: {}", response.text());
    }
    let part = server.get("/large.bin", "Range: bytes=1000000-1499999\r\n");
    assert_eq!(part.header("content-range"), Some("bytes 1000000-1499999/2000000"));
    assert!(part.body == large[1_000_000..1_500_000]);
    let parts = server.get("/large.bin", "Range: bytes=0-9,1999990-\r\n");
    assert!(parts.header("content-type").unwrap().starts_with("multipart/byteranges"));
}

#[test]
fn another_method_gets_all_of_it() {
    let (_folder, _, server) = server();
    let post = "POST /small.txt HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n";
    for fields in ["", "Range: bytes=0-1\r\n", "If-None-Match: *\r\n"] {
        let response = server.ask(format!("{post}{fields}\r\n"));
        assert_eq!((response.status, response.text()), (200, SMALL), "{fields}");
    }
}

#[test]
fn what_is_no_file_is_404() {
    let (_folder, _, server) = server();
    for path in ["/nothing", "/folder", "/fifo", "/small.txt/x"] {
        assert_eq!(server.get(path, "").status, 404, "{path}");
    }
}

#[test]
fn a_change_shows_at_once() {
    let (folder, _, server) = server();
    let before = server.get("/small.txt", "");
    fs::write(folder.path().join("small.txt"), "changed").unwrap();
    let fields = format!("If-None-Match: {}\r\n", before.header("etag").unwrap());
    let after = server.get("/small.txt", &fields);
    assert_eq!((after.status, after.text()), (200, "changed"));
}

#[test]
fn it_is_compressed_by_whoever_compresses() {
    let folder = tempfile::tempdir().unwrap();
    let text = "All work and no play makes Jack a dull boy.\n".repeat(100);
    fs::write(folder.path().join("a.txt"), &text).unwrap();
    let stack = Stack { compression: Some(Compression::default()), ..Stack::default() };
    let handler = stack.around(std::sync::Arc::new(sending(folder.path().to_owned())));
    let server = Setup::shared(handler).start();
    let response = server.get("/a.txt", "Accept-Encoding: gzip\r\n");
    assert_eq!(response.header("content-encoding"), Some("gzip"));
    let etag = response.header("etag").unwrap();
    let again = server.get("/a.txt", &format!("Accept-Encoding: gzip\r\nIf-None-Match: {etag}\r\n"));
    assert_eq!(again.status, 304);
}
