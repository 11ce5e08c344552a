//! The rules, as tables: who may mention what, and how long a file may be.
//!
//! A rule reads one [`File`] and complains in sentences that say where the code belongs. A table is changed together
//! with `ARCHITECTURE.md`, and with a reason.

use std::collections::BTreeSet;

use super::source::{File, Name};

/// Names that end the purity of `src/proto`, each with the place where such code belongs.
const SANS_IO: &[(&str, &str)] = &[
    ("tokio", "tasks and sockets belong in src/net, or in src/server where a protocol meets them"),
    ("tokio_util", "tasks and sockets belong in src/net, or in src/server where a protocol meets them"),
    ("async", "what waits belongs in src/net or src/server; a protocol is handed bytes"),
    ("await", "what waits belongs in src/net or src/server; a protocol is handed bytes"),
    ("TcpStream", "sockets belong in src/net"),
    ("TcpListener", "sockets belong in src/net"),
    ("UdpSocket", "sockets belong in src/net"),
    ("UnixStream", "sockets belong in src/net"),
    ("UnixListener", "sockets belong in src/net"),
    ("UnixDatagram", "sockets belong in src/net"),
    ("ToSocketAddrs", "looking a name up belongs in src/net"),
    ("std::fs", "files belong in src/server, or in the blocking lane of src/net/workers"),
    ("fs::File", "files belong in src/server, or in the blocking lane of src/net/workers"),
    ("File::open", "files belong in src/server, or in the blocking lane of src/net/workers"),
    ("OpenOptions", "files belong in src/server, or in the blocking lane of src/net/workers"),
    ("std::env", "the environment is read by the doors, in src/bin/wireworks"),
    ("std::process", "processes belong in src/bin/wireworks"),
    ("std::thread", "threads belong in src/net"),
    ("Instant::now", "the clock is read in src/net or src/server; take `now` as an argument"),
    ("SystemTime::now", "the clock is read in src/net or src/server; take `now` as an argument"),
    (".elapsed", "the clock is read in src/net or src/server; take `now` as an argument and subtract"),
    ("fastrand", "randomness comes from src/server; take the value or a seed as an argument"),
    ("rand::", "randomness comes from src/server; take the value or a seed as an argument"),
    ("getrandom", "randomness comes from src/server; take the value or a seed as an argument"),
];

/// The crates that a language may use: they compute, and touch nothing outside. Any other dependency is refused.
const PROTO_CRATES: &[&str] = &[
    "base64",
    "bincode",
    "bytes",
    "chrono",
    "crypto_bigint",
    "flate2",
    "form_urlencoded",
    "http",
    "httparse",
    "m3u8_rs",
    "memchr",
    "percent_encoding",
    "postcard",
    "rand_chacha",
    "regex",
    "ring",
    "serde",
    "serde_json",
    "sha1",
    "sha2",
    "simdutf8",
    "stringprep",
    "subtle",
    "thiserror",
    "zstd",
];

/// Crates that know a protocol: not for the plumbing.
const PROTOCOL_CRATES: &[&str] = &["http", "http_body", "httparse", "httpdate", "matchit", "mime_guess"];

/// What a room may not see of the crate, and why.
const WALLS: &[(&str, &[&str], &str)] = &[
    ("codec", &["net", "proto", "server"], "the treaty stands below both of its parties and knows neither"),
    ("net", &["proto", "server"], "the plumbing knows no protocol; what needs both belongs in src/server"),
    ("proto", &["net", "server"], "a language knows no plumbing; what needs both belongs in src/server"),
];

/// Inside proto, downward only: the first may mention the second.
const BELOW: &[(&str, &str)] = &[
    ("ws", "http"),
    ("hls", "http"),
    ("balance", "http"),
    ("balance", "tls"),
    ("transmission", "bittorrent"),
];

/// Among the servers, the first may mention the second. What two of them need belongs in a file of `src/server` itself.
const SERVERS_BESIDE: &[(&str, &str)] = &[
    ("ws", "http"),
    ("balance", "http"),
    ("chat", "http"),
    ("chat", "ws"),
    ("bucket", "http"),
    ("hls", "http"),
    ("share", "http"),
    ("status", "http"),
    ("site", "http"),
    ("site", "ws"),
    ("suite", "rpc"),
    ("suite", "balance"),
    ("suite", "chat"),
    ("suite", "hls"),
    ("suite", "site"),
];

/// The servers, and what is made of them.
const SERVERS: &[&str] = &["http", "ws", "rpc", "balance", "chat", "hls", "share", "site", "suite"];

/// What `src/codec.rs` may import.
const CODEC_IMPORTS: &[&str] = &["bytes", "std::collections", "std::io::IoSlice"];

/// Files that may hold `unsafe`, each with the reason.
const UNSAFE_FILES: &[(&str, &str)] = &[
    (
        "src/net/listen/handover.rs",
        "inherited descriptors arrive as numbers, which only a promise makes descriptors",
    ),
    (
        "src/net/queued.rs",
        "no safe call tells a slow client, whose system holds megabytes for it, from one that takes nothing",
    ),
    (
        "src/proto/bittorrent/lanes.rs",
        "four SHA-1 hashes at once take 0.4 of the time, by instructions that a processor is asked for first",
    ),
];

/// Lines of a door, tests apart: a door turns arguments into a configuration, and calls.
const DOOR_LINES: usize = 100;
/// Lines of any other file, tests apart: beyond them a file has more than one idea.
const FILE_LINES: usize = 600;

/// What all rules have to say about `files`, of a crate with these `dependencies`.
pub(crate) fn check(files: &[File], dependencies: &[String]) -> Vec<String> {
    let mut complaints = Vec::new();
    for file in files {
        complaints.extend(sans_io(file));
        complaints.extend(crates(file, dependencies));
        complaints.extend(walls(file));
        complaints.extend(downward(file));
        complaints.extend(beside(file));
        complaints.extend(treaty(file, dependencies));
        complaints.extend(safety(file));
        complaints.extend(length(file));
        complaints.extend(head(file));
    }
    complaints.dedup();
    complaints
}

/// Entries of the tables that are not needed among `files`, so that the lists only shrink.
pub(crate) fn needless(files: &[File]) -> Vec<String> {
    let mut found = Vec::new();
    let mut look = |table: &str, entry: String, needed: bool| {
        if !needed {
            found.push(format!(
                "{entry} is not needed in {table} of tests/architecture/rules.rs: take it out"
            ));
        }
    };
    for (path, _) in UNSAFE_FILES {
        let file = files.iter().find(|file| file.path == *path);
        let needed = file.is_some_and(|file| file.names.iter().any(|name| name.mentions("unsafe")));
        look("UNSAFE_FILES", (*path).to_owned(), needed);
    }
    let crossings = crossings(files);
    for (table, room, rows) in [("BELOW", "proto", BELOW), ("SERVERS_BESIDE", "server", SERVERS_BESIDE)] {
        for (at, (from, to)) in rows.iter().enumerate() {
            let needed =
                crossings.contains(&[room, from, to].map(str::to_owned)) && !rows[..at].contains(&(from, to));
            look(table, format!("(\"{from}\", \"{to}\")"), needed);
        }
    }
    let outer = |wanted: &str| {
        let within = files.iter().filter(|file| room(file) == "proto");
        within.flat_map(|file| &file.names).any(|name| name.segments[0] == wanted)
    };
    for name in PROTO_CRATES {
        look("PROTO_CRATES", (*name).to_owned(), outer(name));
    }
    found
}

/// Which part of a room mentions which other part of it: `["server", "ws", "http"]`.
fn crossings(files: &[File]) -> BTreeSet<[String; 3]> {
    let mut found = BTreeSet::new();
    for file in files {
        let module = file.module();
        let [room, from, ..] = &module[..] else { continue };
        for name in &file.names {
            if let Some([first, to, ..]) = name.within(&module).as_deref()
                && first == room
                && to != from
            {
                found.insert([room.clone(), from.clone(), to.clone()]);
            }
        }
    }
    found
}

/// The room of a file: the first folder under `src/`, or the name of a file that stands there.
fn room(file: &File) -> &str {
    let path = file.path.trim_start_matches("src/");
    path.split('/').next().unwrap_or(path).trim_end_matches(".rs")
}

fn complaint(file: &File, name: &Name, sentence: &str) -> String {
    format!("{}:{} mentions `{name}`: {sentence}", file.path, name.line)
}

fn sans_io(file: &File) -> Vec<String> {
    if room(file) != "proto" {
        return Vec::new();
    }
    let found = |name| SANS_IO.iter().find(|(pattern, _)| Name::mentions(name, pattern));
    file.names.iter().filter_map(|name| Some(complaint(file, name, found(name)?.1))).collect()
}

fn crates(file: &File, dependencies: &[String]) -> Vec<String> {
    let refused = |name: &str| match room(file) {
        "proto"
            if dependencies.iter().any(|dependency| dependency == name) && !PROTO_CRATES.contains(&name) =>
        {
            Some(
                "a language uses only crates that compute (PROTO_CRATES in tests/architecture/rules.rs); \
             what needs more belongs in src/server",
            )
        }
        "net" if PROTOCOL_CRATES.contains(&name) => {
            Some("the plumbing knows no protocol; this belongs in src/proto or src/server")
        }
        _ => None,
    };
    let outer = file.names.iter().filter(|name| name.import || name.segments.len() > 1);
    outer.filter_map(|name| Some(complaint(file, name, refused(&name.segments[0])?))).collect()
}

fn walls(file: &File) -> Vec<String> {
    let Some((_, hidden, sentence)) = WALLS.iter().find(|(name, ..)| *name == room(file)) else {
        return Vec::new();
    };
    let module = file.module();
    let crosses = |name: &&Name| {
        let target = name.within(&module).and_then(|path| path.into_iter().next());
        target.is_some_and(|target| hidden.contains(&target.as_str()))
    };
    file.names.iter().filter(crosses).map(|name| complaint(file, name, sentence)).collect()
}

fn downward(file: &File) -> Vec<String> {
    let module = file.module();
    let [first, from, ..] = &module[..] else {
        return Vec::new();
    };
    if first != "proto" {
        return Vec::new();
    }
    let upward = |name: &Name| {
        let target = name.within(&module)?;
        let [first, to, ..] = &target[..] else {
            return None;
        };
        let allowed = to == from || BELOW.contains(&(from.as_str(), to.as_str()));
        (first == "proto" && !allowed).then(|| {
            format!(
                "`{from}` does not stand above `{to}` (BELOW in tests/architecture/rules.rs); what both need belongs \
                 in the lower of them, what ties them together in src/server"
            )
        })
    };
    file.names.iter().filter_map(|name| Some(complaint(file, name, &upward(name)?))).collect()
}

fn beside(file: &File) -> Vec<String> {
    let module = file.module();
    let [first, from, ..] = &module[..] else {
        return Vec::new();
    };
    if first != "server" {
        return Vec::new();
    }
    let crosses = |name: &Name| {
        let target = name.within(&module)?;
        let [first, to, ..] = &target[..] else {
            return None;
        };
        let allowed = to == from || SERVERS_BESIDE.contains(&(from.as_str(), to.as_str()));
        (first == "server" && SERVERS.contains(&to.as_str()) && !allowed).then(|| {
            format!(
                "`{from}` does not stand above `{to}` (SERVERS_BESIDE in tests/architecture/rules.rs); what both \
                 need belongs in a file of src/server itself"
            )
        })
    };
    file.names.iter().filter_map(|name| Some(complaint(file, name, &crosses(name)?))).collect()
}

fn treaty(file: &File, dependencies: &[String]) -> Vec<String> {
    if room(file) != "codec" {
        return Vec::new();
    }
    let foreign = |name: &&Name| {
        let path = name.to_string();
        let allowed =
            CODEC_IMPORTS.iter().any(|allowed| path == *allowed || path.starts_with(&format!("{allowed}::")));
        let outer = name.import
            || path.starts_with("std::io")
            || name.segments.len() > 1 && { dependencies.contains(&name.segments[0]) };
        outer && !allowed
    };
    let sentence = "the treaty imports `bytes`, std's collections and `IoSlice` only; I/O belongs in src/net, \
                    a protocol in src/proto";
    file.names.iter().filter(foreign).map(|name| complaint(file, name, sentence)).collect()
}

fn safety(file: &File) -> Vec<String> {
    if UNSAFE_FILES.iter().any(|(path, _)| *path == file.path) {
        return Vec::new();
    }
    let sentence = "use a safe crate (rustix, bytes), or put the few lines into a file of their own, named with its \
                    reason in UNSAFE_FILES of tests/architecture/rules.rs";
    let unsafe_names = file.names.iter().filter(|name| name.mentions("unsafe"));
    unsafe_names.map(|name| complaint(file, name, sentence)).collect()
}

fn length(file: &File) -> Option<String> {
    let (limit, advice) = match room(file) {
        "bin" => (
            DOOR_LINES,
            "a door only turns arguments into a configuration and calls; the rest belongs in src/server",
        ),
        _ => (FILE_LINES, "it holds more than one idea; make it a folder with a file for each"),
    };
    let (path, lines) = (&file.path, file.lines);
    (lines > limit).then(|| format!("{path} has {lines} lines before its tests, at most {limit}: {advice}"))
}

fn head(file: &File) -> Option<String> {
    let said = file.doc.chars().any(char::is_alphabetic);
    let is_test = file.path.ends_with("/tests.rs") || file.path.contains("/tests/");
    (!said && !is_test).then(|| {
        format!("{} does not begin with a `//!` comment: say in its first line what lives there", file.path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The complaints about `code` in the file at `path`, behind a proper head.
    fn about(path: &str, code: &str) -> Vec<String> {
        let dependencies = ["tokio", "bytes", "http", "tracing", "rustix"].map(str::to_owned);
        check(&[File::read(path, &format!("//! A file.\n{code}"))], &dependencies)
    }

    #[track_caller]
    fn refused(path: &str, code: &str, sentence: &str) {
        let complaints = about(path, code);
        assert!(!complaints.is_empty(), "{path} was let through with: {code}");
        assert!(complaints.iter().any(|text| text.contains(sentence)), "{code}: {complaints:?}");
        assert!(complaints.iter().all(|text| text.starts_with(path)), "{complaints:?}");
    }

    #[track_caller]
    fn allowed(path: &str, code: &str) {
        assert_eq!(about(path, code), Vec::<String>::new(), "{path}: {code}");
    }

    #[test]
    fn a_server_uses_those_below_it_only() {
        for code in ["use crate::server::http::request::Request;", "fn f(s: super::ws::Socket) {}"] {
            refused("src/server/rpc/mod.rs", code, "belongs in a file of src/server itself");
        }
        refused(
            "src/server/options.rs",
            "use super::http::Server;",
            "belongs in a file of src/server itself",
        );
        allowed("src/server/ws/upgrade.rs", "use crate::server::http::request::Request;");
        allowed(
            "src/server/rpc/link/mod.rs",
            "use crate::server::peer::Peer; use crate::server::rpc::Context;",
        );
    }

    #[test]
    fn a_language_does_no_io() {
        for (code, home) in [
            ("use tokio::time;", "belong in src/net"),
            ("fn f() { tokio::spawn(x) }", "belong in src/net"),
            ("async fn f() {}", "src/net or src/server"),
            ("fn f() { x.await }", "src/net or src/server"),
            ("use std::net::{IpAddr, TcpStream};", "sockets belong in src/net"),
            ("fn f(s: &std::net::UdpSocket) {}", "sockets belong in src/net"),
            ("use std::{fs, io};", "files belong in src/server"),
            ("fn f() { std::fs::read(p) }", "files belong in src/server"),
            ("fn f() { let now = Instant::now(); }", "take `now` as an argument"),
            ("fn f() { std::time::SystemTime::now() }", "take `now` as an argument"),
            ("fn f() { start.elapsed() }", "take `now` as an argument"),
            ("fn f() { fastrand::u64(..) }", "a seed as an argument"),
            ("use rand::Rng;", "a seed as an argument"),
            ("use tracing::info;", "crates that compute"),
            ("fn f() { rustix::fs::stat(p) }", "crates that compute"),
        ] {
            refused("src/proto/http/head.rs", code, home);
        }
        allowed(
            "src/proto/http/head.rs",
            "use std::net::{IpAddr, SocketAddr}; use std::time::{Duration, Instant}; use bytes::Bytes;
             // tokio would read std::fs here
             fn f(now: Instant, rand: u64, elapsed: u64) -> &'static str { \"tokio Instant::now async\" }
             #[cfg(test)] mod tests { fn f() { std::fs::read(p); tokio::spawn(x); } }",
        );
        allowed("src/net/clock.rs", "fn f() { tokio::time::Instant::now() }");
    }

    #[test]
    fn net_and_proto_never_see_each_other() {
        refused("src/net/conn.rs", "use crate::proto::http;", "belongs in src/server");
        refused("src/net/conn.rs", "use crate::{codec::Codec, server::http};", "belongs in src/server");
        refused("src/net/tls/mod.rs", "use super::super::proto;", "belongs in src/server");
        refused("src/net/conn.rs", "fn f() { crate::server::http::run() }", "belongs in src/server");
        refused("src/net/conn.rs", "use http::Request;", "knows no protocol");
        refused("src/proto/http/head.rs", "use crate::net::Conn;", "belongs in src/server");
        refused("src/proto/proxy.rs", "fn f() { crate::server::run() }", "belongs in src/server");
        refused("src/codec.rs", "fn f() { crate::net::conn() }", "knows neither");
        allowed("src/net/conn.rs", "use crate::codec::Codec; use super::limits; use crate::net::tls;");
        allowed("src/proto/http/head.rs", "use crate::codec::Codec; use super::date; use http::Method;");
        allowed("src/server/http/mod.rs", "use crate::{net, proto, codec};");
    }

    #[test]
    fn the_treaty_imports_almost_nothing() {
        refused("src/codec.rs", "use std::io::Read;", "IoSlice");
        refused("src/codec.rs", "use std::{io, mem};", "IoSlice");
        refused("src/codec.rs", "use tokio::io::AsyncRead;", "IoSlice");
        refused("src/codec.rs", "fn f() -> http::Method {}", "IoSlice");
        refused("src/codec.rs", "type E = std::io::Error;", "IoSlice");
        allowed(
            "src/codec.rs",
            "use bytes::{Buf, Bytes}; use std::collections::VecDeque; use std::io::IoSlice;
             fn f() -> std::convert::Infallible { std::mem::take(x) }",
        );
    }

    #[test]
    fn inside_proto_imports_go_downward() {
        refused("src/proto/http/head.rs", "use crate::proto::ws::Frame;", "`http` does not stand above `ws`");
        refused("src/proto/http/head.rs", "use super::super::proxy;", "`http` does not stand above `proxy`");
        refused("src/proto/proxy.rs", "use super::http;", "`proxy` does not stand above `http`");
        allowed("src/proto/ws/handshake.rs", "use crate::proto::http::head;");
        allowed("src/proto/http/head.rs", "use crate::proto::http::date; use super::list;");
        allowed("src/proto/mod.rs", "pub use self::http::Head;");
        for (above, below) in BELOW {
            assert!(!reaches(below, above), "{above} and {below} stand above each other");
        }
    }

    fn reaches(from: &str, to: &str) -> bool {
        BELOW.iter().any(|(above, below)| *above == from && (*below == to || reaches(below, to)))
    }

    #[test]
    fn a_file_has_a_length_and_a_head() {
        let lines = |count: usize| "fn f() {}\n".repeat(count);
        refused("src/bin/wireworks/http.rs", &lines(DOOR_LINES), "a door only turns arguments");
        refused("src/bin/wireworks/main.rs", &lines(DOOR_LINES), "a door only turns arguments");
        refused("src/net/conn.rs", &lines(FILE_LINES), "more than one idea");
        let tests = format!("{}#[cfg(test)]\nmod tests {{\n{}}}", lines(FILE_LINES - 1), lines(900));
        allowed("src/net/conn.rs", &tests);
        for text in ["", "use a;", "//! .\n", "// A file.\n"] {
            let complaints = check(&[File::read("src/net/conn.rs", text)], &[]);
            assert!(
                complaints.len() == 1 && complaints[0].contains("does not begin"),
                "{text}: {complaints:?}"
            );
        }
    }

    #[test]
    fn unsafe_code_is_named_in_a_list() {
        refused("src/net/conn.rs", "fn f() { unsafe { x() } }", "UNSAFE_FILES");
        allowed("src/net/conn.rs", "#![deny(unsafe_code)] // unsafe");
        for (path, reason) in UNSAFE_FILES {
            allowed(path, "fn f() { unsafe { x() } }");
            assert!(!reason.is_empty());
            let entry = format!("{path} is not needed in UNSAFE_FILES");
            let found = |code| needless(&[File::read(path, code)]).iter().any(|text| text.contains(&entry));
            assert!(!found("fn f() { unsafe { x() } }") && found("// unsafe"));
        }
    }

    #[test]
    fn rows_that_nobody_needs_are_found() {
        let found = |path: &str, code: &str, entry: &str| {
            needless(&[File::read(path, code)]).iter().any(|text| text.starts_with(entry))
        };
        for (path, code, entry) in [
            (
                "src/proto/ws/mod.rs",
                "use crate::proto::http::head::Head;",
                r#"("ws", "http") is not needed in BELOW"#,
            ),
            (
                "src/server/chat/a.rs",
                "use crate::server::ws::A;",
                r#"("chat", "ws") is not needed in SERVERS_BESIDE"#,
            ),
            ("src/proto/http/head.rs", "use memchr::memchr;", "memchr is not needed in PROTO_CRATES"),
        ] {
            assert!(!found(path, code, entry) && found(path, "", entry), "{entry}");
        }
    }
}
