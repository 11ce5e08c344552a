//! Options, one by one: encryption by another program's eyes, names, subtitles, ID3 tags, one file a rendition.

use std::fs;
use std::path::Path;

use wireworks::proto::hls::codec::id3;
use wireworks::proto::hls::codec::webvtt::{Document, TimestampMap};
use wireworks::proto::hls::ts::demux::{Demuxer, Limits};
use wireworks::proto::hls::ts::event::Event;
use wireworks::proto::hls::ts::mux::{Frame, Muxer, Options, START};
use wireworks::server::hls::vod::Media;

use super::{ended, file, master, media, members, packaged, segment, tree};
use crate::support::tool::Tool;

/// The key in `keys/secret.key`.
const SECRET: &str = "00112233445566778899aabbccddeeff";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decrypts by openssl.
#[track_caller]
fn decrypted(bytes: &[u8], key: &str, iv: &str, dir: &Path) -> Vec<u8> {
    let path = dir.join("encrypted");
    fs::write(&path, bytes).unwrap();
    let tool = Tool::new("openssl").args(["enc", "-d", "-aes-128-cbc", "-K", key, "-iv", iv]);
    tool.args(["-in".as_ref(), path.as_os_str()]).run().success().stdout
}

#[test]
fn segments_are_encrypted_as_openssl_decrypts_them() {
    let plain = packaged("240p.mp4 --segment 2s --sound muxed");
    for (how, per_key) in [
        ("--key-file keys/secret.key", usize::MAX),
        ("--key-file keys/secret.key --iv 000102030405060708090a0b0c0d0e0f --single-file", usize::MAX),
        ("", usize::MAX),
        ("--key-rotate 3", 3),
        ("--key-rotate 1 --key-file keys/secret.key --single-file", 1),
    ] {
        let dir = packaged(&format!("240p.mp4 --segment 2s --sound muxed --encrypt {how}"));
        let uri = "240p/index.m3u8";
        let list = media(&dir, uri);
        let mut seen: Vec<String> = Vec::new();
        for (n, part) in list.segments.iter().enumerate() {
            let [key] = &part.keys[..] else { panic!("{how}: a segment has {} keys", part.keys.len()) };
            let number = n.checked_div(per_key).unwrap_or(0);
            assert_eq!(key.uri, Some(format!("../keys/{number}.key")), "{how}");
            let bytes = fs::read(dir.path().join(format!("out/keys/{number}.key"))).unwrap();
            assert_eq!(bytes.len(), 16);
            let secret = hex(&bytes);
            assert_eq!(secret == SECRET, how.contains("--key-file") && !how.contains("rotate"), "{how}");
            if !seen.contains(&secret) {
                seen.push(secret.clone());
            }
            let iv = match key.iv {
                Some(iv) => hex(&iv),
                None => format!("{n:032x}"),
            };
            assert_eq!(iv == "000102030405060708090a0b0c0d0e0f", how.contains("--iv"), "{how}");
            let (init, bytes) = segment(&dir, uri, n);
            let (plain_init, expected) = segment(&plain, uri, n);
            assert!(init == plain_init, "{how}: the initialization section is not encrypted");
            assert!(decrypted(&bytes, &secret, &iv, dir.path()) == expected, "{how}: segment {n}");
        }
        assert_eq!(seen.len(), list.segments.len().div_ceil(per_key), "{how}: no key is used twice");
        assert_eq!(tree(&dir.path().join("out/keys")).len(), seen.len());
        assert_eq!(master(&dir).i_frames, [], "a range of an encrypted segment cannot be read by itself");
    }
}

#[test]
fn keys_are_put_where_their_user_wants_them() {
    let dir = tempfile::tempdir().unwrap();
    let (out, keys) = (dir.path().join("out"), dir.path().join("private/keys"));
    let uri = "--encrypt --key-rotate 2 --key-uri https://keys.example/film/{key}";
    let args = format!("240p.mp4 -q --segment 4s {uri}");
    ended(&out, &format!("{args} --keys-out {}", keys.display())).success();
    assert_eq!(
        tree(&keys).into_keys().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        ["0.key", "1.key"]
    );
    assert!(!out.join("keys").exists());
    let uris = media(&dir, "240p/index.m3u8")
        .segments
        .iter()
        .map(|one| one.keys[0].uri.clone().unwrap())
        .collect::<Vec<_>>();
    let [first, second] = ["https://keys.example/film/0", "https://keys.example/film/1"];
    assert_eq!(uris, [first, first, second, second]);
    // Derived keys are known to whoever has the secret: they are written nowhere.
    ended(&out, &format!("{args} --key-file keys/secret.key")).success();
    assert_eq!(tree(&keys).len(), 2);
    for (wrong, said) in [
        (uri.to_owned(), "--key-uri needs --keys-out"),
        (
            "--encrypt --key-rotate 2 --key-uri https://keys.example/film".to_owned(),
            "--key-rotate needs {key}",
        ),
    ] {
        let refused = ended(&out, &format!("240p.mp4 -q --segment 4s {wrong}"));
        assert_eq!(refused.status.code(), Some(64), "{wrong}");
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    for wrong in [
        "--key-rotate 2",
        "--encrypt --iv 00",
        "--format ts --index",
        "--format ts --init a.mp4",
        "--init a.mp4 --single-file",
    ] {
        let refused = ended(&out, &format!("240p.mp4 -q {wrong}"));
        assert_eq!(refused.status.code(), Some(64), "{wrong}: {}", refused.stderr);
    }
    assert_eq!(media(&dir, "240p/index.m3u8").segments.len(), 4, "what was there is there still");
}

#[test]
fn subtitles_are_cut_where_pictures_are() {
    let whole = Document::parse(&fs::read(file("subtitles.vtt")).unwrap()).unwrap();
    // The first picture of all is decoded two pictures before it is shown.
    for (how, mpegts) in [("", 0), ("--format ts", START as u64 + 7200), ("--single-file", 0)] {
        let dir = packaged(&format!("240p.mp4 --subtitles subtitles.vtt,lang=en,forced --segment 4s {how}"));
        let master = master(&dir);
        let [text] = &master.media.iter().filter(|media| media.group == "subtitles").collect::<Vec<_>>()[..]
        else {
            panic!("{how}: not one rendition of subtitles")
        };
        assert_eq!(
            (text.language.as_deref(), text.name.as_str(), text.forced),
            (Some("en"), "English", true)
        );
        assert_eq!(master.variants[0].subtitles.as_deref(), Some("subtitles"));
        let uri = text.uri.clone().unwrap();
        let durations =
            |uri: &str| media(&dir, uri).segments.iter().map(|one| one.duration).collect::<Vec<_>>();
        assert_eq!(durations(&uri), durations("240p/index.m3u8"));
        for n in 0..4 {
            let (_, bytes) = segment(&dir, &uri, n);
            let part = Document::parse(&bytes).unwrap();
            assert_eq!(part.map, Some(TimestampMap { mpegts, local: 0 }), "{how}");
            let (from, to) = (n as u64 * 4000, n as u64 * 4000 + 4000);
            let expected: Vec<_> =
                whole.cues.iter().filter(|cue| cue.start < to && cue.end > from).cloned().collect();
            assert_eq!((part.cues, expected.len()), (expected, 2), "{how}: segment {n}");
        }
    }
}

#[test]
fn sounds_and_texts_need_something_to_go_with() {
    let dir = tempfile::tempdir().unwrap();
    for (args, said) in [
        ("subtitles.vtt", "subtitles need pictures or sound"),
        ("240p.mp4 --audio subtitles.vtt", "subtitles.vtt has no sound"),
        ("240p.mp4 --audio av1.mp4", "av1.mp4 has no sound"),
        ("240p.mp4 --subtitles audio.m4a", "audio.m4a has no WebVTT text"),
        ("av1.mp4 --format ts", "use fMP4 segments"),
        ("hevc.mp4 --format ts", "use fMP4 segments"),
    ] {
        let refused = ended(&dir.path().join("out"), args);
        assert_eq!(refused.status.code(), Some(1), "{args}");
        assert!(refused.stderr.contains(said) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
    }
    assert_eq!(tree(dir.path()).len(), 0);
    // With sound alone they are played, too.
    let dir = packaged("audio.m4a --subtitles subtitles.vtt --segment 4s");
    assert_eq!(members(&master(&dir)).len(), 2);
}

/// A tag with a text.
fn tag(text: &str) -> Vec<u8> {
    id3::write(&[id3::Frame { id: *b"TIT2", data: format!("\x03{text}\0").as_bytes() }]).unwrap()
}

/// A transport stream of a sample with a tag each second and a half.
fn tagged(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let source = Media::open_file(Path::new(&file("240p.mp4"))).unwrap();
    let tracks: Vec<_> = source.tracks().iter().map(|track| track.track.clone()).collect();
    let mut muxer = Muxer::new(&tracks, Options { start: START, metadata: true }).unwrap();
    let mut all: Vec<(f64, usize, _)> = Vec::new();
    for (at, track) in source.tracks().iter().enumerate() {
        let scale = track.track.timescale;
        all.extend(
            track
                .samples
                .from(0)
                .map(|one| (scale.seconds(one.sample.dts + track.track.edit.offset), at, one)),
        );
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = Vec::new();
    let mut tags: Vec<(i64, Vec<u8>)> =
        (0..10).map(|n| (n * 135_000 + 7, tag(&format!("number {n}")))).collect();
    tags.reverse();
    let mut written = Vec::new();
    muxer.start_segment(&mut out);
    for (seconds, at, located) in all {
        while let Some((pts, tag)) = tags.pop_if(|(pts, _)| (*pts as f64) / 90_000.0 <= seconds) {
            muxer.write_metadata(pts, &tag, &mut out).unwrap();
            written.push((pts, tag));
        }
        let track = &source.tracks()[at];
        let mut data = vec![0; located.sample.size as usize];
        track.source.read(&mut data, located.at).unwrap();
        let dts = located.sample.dts + track.track.edit.offset;
        let frame = Frame {
            dts,
            pts: track.track.presented_at(&located.sample),
            key: located.sample.key,
            data: &data,
        };
        muxer.write(at, &frame, &mut out).unwrap();
    }
    muxer.end_segment(&mut out);
    fs::write(path, out).unwrap();
    written
}

#[test]
fn timed_metadata_go_with_the_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("tagged.ts");
    let tags = tagged(&input);
    assert_eq!(tags.len(), 10);
    // The first sample of all is of sound, a frame of which is for the decoder only.
    let priming = 1920;
    for how in [
        "--format ts",
        "--segment 2s",
        "--segment 2s --index --single-file",
        "--format ts --segment 2s --encrypt",
    ] {
        let out = tempfile::tempdir().unwrap();
        ended(&out.path().join("out"), &format!("{} -q {how}", input.display())).success();
        if how.contains("--encrypt") {
            continue;
        }
        let uri = &master(&out).variants[0].uri;
        let list = media(&out, uri);
        let (mut found, mut begin) = (Vec::new(), 0.0);
        let mut demuxer = Demuxer::new(Limits::default());
        for (n, part) in list.segments.iter().enumerate() {
            let end = begin + part.duration.as_secs_f64();
            let (_, bytes) = segment(&out, uri, n);
            let mut own = Vec::new();
            if how.contains("ts") {
                demuxer.push(&bytes);
                while let Some(event) = demuxer.poll() {
                    if let Event::Metadata { pts, data, .. } = event {
                        own.push((pts, data.to_vec()));
                    }
                }
            } else {
                own = events(&bytes);
            }
            for (at, _) in own.iter().filter(|_| !how.contains("ts")) {
                let at = *at as f64 / 90_000.0;
                assert!(
                    (at >= begin || n == 0) && (at < end || n + 1 == list.segments.len()),
                    "{how}: {at} is in {begin} to {end}"
                );
            }
            found.extend(own);
            begin = end;
        }
        demuxer.finish();
        while let Some(event) = demuxer.poll() {
            if let Event::Metadata { pts, data, .. } = event {
                found.push((pts, data.to_vec()));
            }
        }
        // In MPEG-TS all times are later by the same time.
        let by = if how.contains("ts") { found[0].0 - tags[0].0 - priming } else { 0 };
        let expected: Vec<_> = tags.iter().map(|(at, tag)| (at + priming + by, tag.clone())).collect();
        assert_eq!(found, expected, "{how}");
    }
}

/// ID3 tags in the boxes `emsg` of a segment: when each counts, in ticks of 90 kHz.
fn events(bytes: &[u8]) -> Vec<(i64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let size = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let inside = &bytes[at..at + size];
        if &inside[4..8] == b"emsg" {
            assert_eq!(&inside[8..16], &[1, 0, 0, 0, 0, 1, 0x5f, 0x90], "version 1, 90 kHz");
            let time = u64::from_be_bytes(inside[16..24].try_into().unwrap());
            let texts = inside[32..].splitn(3, |byte| *byte == 0).collect::<Vec<_>>();
            assert_eq!(texts[0], b"https://aomedia.org/emsg/ID3");
            found.push((time as i64, texts[2].to_vec()));
        }
        at += size;
    }
    found
}

#[test]
fn names_are_those_that_were_asked_for() {
    let dir = packaged(
        "240p.mp4 360p.mp4 --init start.mp4 --segment 8s --audio audio.m4a,name=Ton,lang=de-AT,default",
    );
    let out = tree(&dir.path().join("out"));
    for (folder, names) in [
        ("240p", &["00001.m4s", "00002.m4s", "iframes.m3u8", "index.m3u8", "start.mp4"][..]),
        ("audio", &["00001.m4s", "00002.m4s", "index.m3u8", "start.mp4"]),
    ] {
        let found: Vec<_> = out.keys().filter_map(|path| path.strip_prefix(folder).ok()).collect();
        assert_eq!(found, names.iter().map(Path::new).collect::<Vec<_>>(), "{folder} of {:?}", out.keys());
    }
    let master = master(&dir);
    let german = master.media.iter().find(|media| media.language.as_deref() == Some("de-AT")).unwrap();
    assert_eq!((german.name.as_str(), german.default), ("Ton", true));
    assert_eq!(master.media.iter().filter(|media| media.default).count(), 1, "{:?}", master.media);
}
