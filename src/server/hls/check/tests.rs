//! What the packager writes breaks no rule, and each of the rules about segments and servers is found when it is broken by a small edit.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use clap::Parser;
use tempfile::TempDir;

use super::*;
use crate::proto::hls::check::tests::FETCHED;
use crate::proto::hls::ts::psi::crc32;
use crate::server::hls::package;

/// The arguments of the packager.
#[derive(Parser)]
struct Package {
    #[command(flatten)]
    args: crate::server::hls::command::package::Args,
}

/// Options by which the sample media are packaged.
type Options = &'static [&'static str];

const FMP4: Options = &["240p.mp4", "360p.mp4", "--subtitles", "subtitles.vtt,lang=en"];
const TS: Options = &["240p.mp4", "--format", "ts"];
const KEYS: Options = &["240p.mp4", "--format", "ts", "--encrypt"];

/// Others that have to be good.
const MORE: &[Options] = &[
    &["240p.mp4", "360p.mp4", "480p.mp4", "--format", "ts", "--date-time", "2026-11-22T10:00:00Z"],
    &["240p.mp4", "--sound", "muxed", "--index", "--session-data", "com.example.title=Test"],
    &["360p.mp4", "--single-file", "--audio", "audio.m4a,lang=de"],
    &["480p.mp4", "--single-file", "--format", "ts"],
    &["240p.mp4", "--encrypt", "--key-rotate", "2", "--iv", "000102030405060708090a0b0c0d0e0f"],
    &["hevc.mp4", "--segment", "2s"],
    &["av1.mp4", "--segment", "2s"],
    &["audio.m4a"],
    &["audio.m4a", "--format", "ts"],
];

/// The sample media, packaged: in `package` of the folder.
fn packaged(options: Options) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let media = Path::new(env!("CARGO_MANIFEST_DIR")).join("media");
    let named = |word: &&str| match media.join(word.split(',').next().unwrap()).is_file() {
        true => media.join(word).display().to_string(),
        false => (*word).to_owned(),
    };
    let out = folder.path().join("package").display().to_string();
    let mut words = vec!["package".to_owned(), "--quiet".to_owned(), "--out".to_owned(), out];
    if !options.contains(&"--segment") {
        words.extend(["--segment".to_owned(), "4s".to_owned()]);
    }
    words.extend(options.iter().map(named));
    package::package(&Package::parse_from(words).args).unwrap();
    folder
}

fn checked(place: &str, settings: &Settings) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(check(&Location::parse(place).unwrap(), settings))
}

/// The rules that a folder breaks.
fn broken_in(folder: &Path) -> (BTreeSet<&'static str>, String) {
    let report = checked(&folder.display().to_string(), &Settings::default());
    (report.problems.iter().map(|problem| problem.rule).collect(), report.table())
}

#[test]
fn what_the_packager_writes_is_good() {
    for options in [FMP4, TS, KEYS].iter().chain(MORE) {
        let folder = packaged(options);
        let report = checked(&folder.path().join("package").display().to_string(), &Settings::default());
        assert_eq!(report.problems, [], "{options:?}\n{}", report.table());
        assert!(
            report.playlists >= 2 && report.segments >= 2 && report.bytes > 10_000,
            "{options:?} {report:?}"
        );
    }
}

/// Replaces the first place of a text in a file.
fn text(folder: &Path, file: &str, from: &str, to: &str) {
    let path = folder.join(file);
    let old = fs::read_to_string(&path).unwrap();
    assert!(old.contains(from), "{from:?} is not in {file}:\n{old}");
    fs::write(path, old.replacen(from, to, 1)).unwrap();
}

/// Changes the bytes of a file.
fn bytes(folder: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) {
    let path = folder.join(file);
    let mut bytes = fs::read(&path).unwrap();
    let old = bytes.clone();
    change(&mut bytes);
    assert!(bytes != old, "{file} is as it was");
    fs::write(path, bytes).unwrap();
}

/// The places behind each box of that name.
fn boxes_named(bytes: &[u8], name: &[u8; 4]) -> Vec<usize> {
    let found = bytes.windows(4).enumerate().filter(|(_, window)| *window == name);
    found.map(|(at, _)| at + 4).collect()
}

/// Adds to the number of 32 bits that is so far behind the name of each of the first `count` boxes.
fn add(bytes: &mut [u8], name: &[u8; 4], count: usize, offset: usize, more: u32) {
    for at in boxes_named(bytes, name).into_iter().take(count) {
        let place = bytes[at + offset..].first_chunk_mut::<4>().unwrap();
        *place = u32::from_be_bytes(*place).wrapping_add(more).to_be_bytes();
    }
}

/// The packets of a stream.
fn packets_of(bytes: &mut [u8], pid: u16) -> impl Iterator<Item = &mut [u8; 188]> {
    let of = move |packet: &&mut [u8; 188]| u16::from_be_bytes([packet[1], packet[2]]) & 0x1fff == pid;
    bytes.as_chunks_mut::<188>().0.iter_mut().filter(of)
}

/// Takes the mark of a key picture from the first `count` key pictures of a fragment's samples, which have lengths of four bytes in front of their units.
fn no_keys(bytes: &mut [u8], count: usize) {
    let mut left = count;
    for at in boxes_named(bytes, b"mdat") {
        let size = u32::from_be_bytes(*bytes[at - 8..].first_chunk().unwrap()) as usize;
        let (mut unit, end) = (at, at - 8 + size);
        while unit < end && left > 0 {
            let length = u32::from_be_bytes(*bytes[unit..].first_chunk().unwrap()) as usize;
            if bytes[unit + 4] & 0x1f == 5 {
                bytes[unit + 4] = bytes[unit + 4] & 0xe0 | 1;
                left -= 1;
            }
            unit += 4 + length;
        }
    }
}

/// A rule, what is packaged, an edit, and the other rules that are broken with it.
type Row = (&'static str, Options, fn(&Path), &'static [&'static str]);

const ROWS: &[Row] = &[
    ("segment-format", FMP4, |at| bytes(at, "240p/00004.m4s", |it| it.truncate(it.len() - 9)), &[]),
    ("segment-format", FMP4, |at| bytes(at, "240p/00004.m4s", |it| it[3] = 4), &[]),
    (
        "segment-format",
        FMP4,
        |at| bytes(at, "240p/00002.m4s", |it| it[..8].copy_from_slice(b"<script>")),
        &[],
    ),
    ("segment-format", FMP4, |at| text(at, "subtitles/00002.vtt", "WEBVTT", "WEBTEXT"), &[]),
    ("segment-format", TS, |at| bytes(at, "240p/00004.ts", |it| it.extend(*b"tail")), &[]),
    (
        "timestamps-continue",
        FMP4,
        |at| {
            bytes(at, "240p/00004.m4s", |it| add(it, b"tfdt", 9, 8, 12_800));
        },
        &[],
    ),
    (
        "counters-continue",
        TS,
        |at| {
            bytes(at, "240p/00003.ts", |it| {
                packets_of(it, 0x100)
                    .for_each(|packet| packet[3] = packet[3] & 0xf0 | (packet[3] + 5) & 0x0f);
            });
        },
        &[],
    ),
    (
        "key-frame",
        FMP4,
        |at| bytes(at, "240p/00003.m4s", |it| no_keys(it, 9)),
        &["i-frame", "independent-segments"],
    ),
    ("independent-segments", FMP4, |at| bytes(at, "240p/00003.m4s", |it| no_keys(it, 1)), &["i-frame"]),
    (
        "i-frame",
        FMP4,
        |at| {
            let list = fs::read_to_string(at.join("240p/iframes.m3u8")).unwrap();
            let range = list.split("#EXT-X-BYTERANGE:").nth(1).unwrap().lines().next().unwrap();
            let length = range.split('@').next().unwrap();
            let longer = range.replacen(length, &(length.parse::<u64>().unwrap() + 9_000).to_string(), 1);
            text(at, "240p/iframes.m3u8", range, &longer);
        },
        &[],
    ),
    ("byte-range", FMP4, |at| text(at, "240p/iframes.m3u8", "#EXT-X-BYTERANGE:", "#EXT-X-BYTERANGE:99"), &[]),
    (
        "ts-program",
        TS,
        |at| {
            bytes(at, "240p/00004.ts", |it| {
                // The second packet is of the program's map.
                let (counter, map) = (it[3] & 0x0f, [0xe0 | it[189] & 0x1f, it[190]]);
                let mut table =
                    vec![0, 0xb0, 17, 0, 1, 0xc1, 0, 0, 0, 1, map[0], map[1], 0, 9, map[0], map[1]];
                table.extend(crc32(&table).to_be_bytes());
                it[..188].fill(0xff);
                it[..5].copy_from_slice(&[0x47, 0x40, 0, 0x10 | counter, 0]);
                it[5..5 + table.len()].copy_from_slice(&table);
            });
        },
        &[],
    ),
    (
        "ts-tables",
        TS,
        |at| {
            bytes(at, "240p/00004.ts", |it| {
                packets_of(it, 0).for_each(|packet| (packet[1], packet[2]) = (0x1f, 0xff));
            });
        },
        &[],
    ),
    (
        "ts-tables-first",
        TS,
        |at| {
            bytes(at, "240p/00004.ts", |it| {
                let mut null = [0xff; 188];
                null[..4].copy_from_slice(&[0x47, 0x1f, 0xff, 0x10]);
                it.splice(0..0, null);
            });
        },
        &[],
    ),
    ("map", FMP4, |at| text(at, "240p/index.m3u8", "#EXT-X-MAP:URI=\"init.mp4\"\n", ""), &[]),
    (
        "map-brand",
        FMP4,
        |at| {
            bytes(at, "240p/init.mp4", |it| {
                let end = u32::from_be_bytes(*it.first_chunk().unwrap()) as usize;
                it[8..end].as_chunks_mut::<4>().0.fill(*b"isom");
            });
        },
        &[],
    ),
    ("map-movie", FMP4, |at| bytes(at, "240p/init.mp4", |it| add(it, b"mvhd", 1, 16, 1)), &[]),
    ("fragment-tracks", FMP4, |at| bytes(at, "240p/00004.m4s", |it| add(it, b"tfhd", 1, 4, 8)), &[]),
    (
        "fragment-times",
        FMP4,
        |at| {
            bytes(at, "240p/00004.m4s", |it| {
                let tfdt = boxes_named(it, b"tfdt")[0];
                it[tfdt - 4..tfdt].copy_from_slice(b"free");
            });
        },
        &[],
    ),
    (
        "fragment-addresses",
        FMP4,
        |at| bytes(at, "240p/00004.m4s", |it| add(it, b"tfhd", 1, 0, 0u32.wrapping_sub(0x02_0000))),
        &[],
    ),
    (
        "webvtt-map",
        FMP4,
        |at| {
            let path = at.join("subtitles/00001.vtt");
            let old = fs::read_to_string(&path).unwrap();
            let kept = old.lines().filter(|line| !line.starts_with("X-TIMESTAMP-MAP"));
            fs::write(path, kept.map(|line| format!("{line}\n")).collect::<String>()).unwrap();
        },
        &[],
    ),
    (
        "playlist-type",
        FMP4,
        |at| {
            fs::rename(at.join("240p/index.m3u8"), at.join("240p/index.txt")).unwrap();
            text(at, "master.m3u8", "240p/index.m3u8", "240p/index.txt");
        },
        &[],
    ),
    (
        "segment-duration",
        FMP4,
        |at| text(at, "240p/index.m3u8", "#EXTINF:4,\n00004", "#EXTINF:4.3,\n00004"),
        &[],
    ),
    (
        "discontinuity",
        FMP4,
        |at| {
            let map = "#EXT-X-MAP:URI=\"../360p/init.mp4\"\n#EXTINF:4,\n00004";
            text(at, "240p/index.m3u8", "#EXTINF:4,\n00004", map);
        },
        &["codecs-exact"],
    ),
    ("key-length", KEYS, |at| bytes(at, "keys/0.key", |it| it.push(0)), &[]),
    ("encryption", KEYS, |at| bytes(at, "240p/00003.ts", |it| it.truncate(it.len() - 1)), &[]),
    ("codecs-complete", FMP4, |at| text(at, "master.m3u8", ",mp4a.40.2", ""), &[]),
    ("codecs-exact", FMP4, |at| text(at, "master.m3u8", "CODECS=\"avc1.64", "CODECS=\"avc1.4d"), &[]),
    ("codecs-exact", FMP4, |at| text(at, "master.m3u8", ",mp4a.40.2", ",mp4a.40.2,ac-3"), &[]),
    ("resolution-true", FMP4, |at| text(at, "master.m3u8", "RESOLUTION=426x240", "RESOLUTION=320x180"), &[]),
    ("frame-rate-true", FMP4, |at| text(at, "master.m3u8", "FRAME-RATE=25", "FRAME-RATE=50"), &[]),
    ("available", FMP4, |at| fs::remove_file(at.join("240p/init.mp4")).unwrap(), &[]),
    ("available", TS, |at| fs::remove_file(at.join("240p/00002.ts")).unwrap(), &[]),
    ("available", KEYS, |at| fs::remove_file(at.join("keys/0.key")).unwrap(), &[]),
];

/// Rules that a server breaks by what it answers.
const OF_SERVERS: &[&str] = &["live-updates", "delta-update", "blocking-reload", "blocking-part"];

#[test]
fn each_rule_of_segments_is_found() {
    let mut failed = String::new();
    for (index, (rule, options, edit, others)) in ROWS.iter().enumerate() {
        let folder = packaged(options);
        let folder = folder.path().join("package");
        edit(&folder);
        let (found, table) = broken_in(&folder);
        let expected: BTreeSet<&str> = others.iter().copied().chain([*rule]).collect();
        if found != expected {
            failed.push_str(&format!("row {index}: {expected:?} expected\n{table}\n"));
        }
    }
    assert!(failed.is_empty(), "{failed}");
}

#[test]
fn each_rule_that_needs_bytes_or_a_server_has_a_row() {
    let known: BTreeSet<&str> = ROWS.iter().map(|row| row.0).chain(OF_SERVERS.iter().copied()).collect();
    assert_eq!(known, FETCHED.iter().copied().collect());
}

/// What a live server does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Good,
    Bad,
}

/// The playlist of a stream that has segments up to `last`. They are gaps: nobody asks for them.
fn live(last: u64, skip: bool, wrong: bool) -> String {
    let first = last.saturating_sub(19);
    let control = "CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=6";
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-SERVER-CONTROL:{control}\n"
    );
    let mut from = first;
    if skip {
        from += 12;
        text.push_str("#EXT-X-SKIP:SKIPPED-SEGMENTS=12\n");
    }
    for n in from..=last {
        let name = if wrong && n == last { "other".to_owned() } else { n.to_string() };
        text.push_str(&format!("#EXT-X-GAP\n#EXTINF:1,\n{name}.ts\n"));
    }
    text
}

/// A server of a live stream, which has one segment more each time it is asked for the plain playlist again.
fn live_server(manner: Manner) -> SocketAddr {
    let last = Mutex::new(30);
    let bad = manner == Manner::Bad;
    serve(move |target| {
        let mut last = last.lock().unwrap();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let directive =
            |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let kind = "application/vnd.apple.mpegurl";
        match (directive("_HLS_msn"), directive("_HLS_part"), directive("_HLS_skip")) {
            (None, Some(_), _) if !bad => ("400 Bad Request", kind, Vec::new()),
            (Some(msn), ..) if !bad => {
                *last = msn.parse::<u64>().unwrap().max(*last);
                ("200 OK", kind, live(*last, false, false).into())
            }
            (_, _, Some(_)) => ("200 OK", kind, live(*last, true, bad).into()),
            (None, None, None) if !bad => {
                *last += u64::from(query.is_empty());
                ("200 OK", kind, live(*last, false, false).into())
            }
            _ => ("200 OK", kind, live(*last, false, false).into()),
        }
    })
}

/// A server that answers one request a connection, for as long as the process runs.
fn serve(answer: impl Fn(&str) -> (&'static str, &'static str, Vec<u8>) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                head.push(byte[0]);
            }
            let head = String::from_utf8_lossy(&head).into_owned();
            let (status, kind, body) = answer(head.split(' ').nth(1).unwrap_or_default());
            let front = format!(
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nLocation: /moved.m3u8\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // A client that has gone does not want to know.
            let _ = stream.write_all(&[front.as_bytes(), &body].concat());
        }
    });
    addr
}

#[test]
fn live_playlists_are_watched() {
    let settings = Settings { reloads: 1, ..Settings::default() };
    let good = checked(&format!("http://{}/live.m3u8", live_server(Manner::Good)), &settings);
    assert_eq!(good.problems, [], "{}", good.table());
    assert!(good.playlists >= 2, "{good:?}");
    let bad = checked(&format!("http://{}/live.m3u8", live_server(Manner::Bad)), &settings);
    let rules: BTreeSet<&str> = bad.problems.iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, OF_SERVERS.iter().copied().collect(), "{}", bad.table());
}

#[test]
fn addresses_lead_on_and_may_lead_nowhere() {
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-GAP\n#EXTINF:1,\n0.ts\n#EXT-X-ENDLIST\n";
    let addr = serve(move |target| match target {
        "/moved.m3u8" => ("200 OK", "audio/mpegurl", list.into()),
        "/wrong-type" => ("200 OK", "text/html", list.into()),
        "/right-type?x" => ("200 OK", "application/vnd.apple.mpegurl; charset=utf-8", list.into()),
        "/here.m3u8" => ("302 Found", "text/plain", Vec::new()),
        _ => ("404 Not Found", "text/plain", Vec::new()),
    });
    let rows: [(&str, &[&str]); 4] = [
        ("here.m3u8", &[]),
        ("right-type?x", &[]),
        ("wrong-type", &["playlist-type"]),
        ("nowhere.m3u8", &["available"]),
    ];
    for (path, rules) in rows {
        let report = checked(&format!("http://{addr}/{path}"), &Settings::default());
        let found: Vec<&str> = report.problems.iter().map(|problem| problem.rule).collect();
        assert_eq!(found, rules, "{path}\n{}", report.table());
    }
    // What is named by the playlist is beside where it was found.
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhere.ts\n#EXT-X-ENDLIST\n";
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let addr = serve(move |target| {
        heard.lock().unwrap().push(target.to_owned());
        match target {
            "/moved.m3u8" => ("200 OK", "audio/mpegurl", list.into()),
            "/a/b/here.m3u8" => ("302 Found", "text/plain", Vec::new()),
            _ => ("404 Not Found", "text/plain", Vec::new()),
        }
    });
    checked(&format!("http://{addr}/a/b/here.m3u8"), &Settings::default());
    assert_eq!(*asked.lock().unwrap(), ["/a/b/here.m3u8", "/moved.m3u8", "/here.ts"]);
    // For ever from one place to the next.
    let addr = serve(|_| ("302 Found", "text/plain", Vec::new()));
    let report = checked(&format!("http://{addr}/a.m3u8"), &Settings::default());
    assert!(report.table().contains("redirects lead nowhere"), "{}", report.table());
}

#[test]
fn a_part_may_be_enough() {
    let folder = packaged(TS);
    let master = folder.path().join("package/master.m3u8").display().to_string();
    let all = checked(&master, &Settings::default());
    let some = checked(&master, &Settings { segments: Some(1), ..Settings::default() });
    assert!(some.segments < all.segments && some.bytes < all.bytes, "{some:?} {all:?}");
    assert_eq!(some.problems, []);
}

#[test]
fn reports_are_tables_and_say_when_they_are_cut() {
    let mut report = Report::default();
    assert!(report.table().starts_with("0 errors, 0 warnings"), "{}", report.table());
    report.broken("key-frame", "a.m3u8 0.ts", "none".into());
    assert!(report.is_good(false) && !report.is_good(true));
    for n in 0..30 {
        report.broken("available", "a.m3u8", format!("{n}.ts"));
    }
    assert_eq!((report.problems.len(), report.more, report.is_good(false)), (21, 10, false));
    // The same twice is one.
    report.broken("available", "a.m3u8", "3.ts".into());
    assert_eq!(report.more, 10);
    let table = report.table();
    let line = "warning  key-frame  3        a.m3u8 0.ts  none";
    assert!(table.lines().any(|have| have == line), "{table}");
    assert!(table.contains("and 10 more of the same\n20 errors, 1 warnings"), "{table}");
}
