//! What ffmpeg makes of packages: it decodes them without a word, sees the packets of the input, and measures what playlists say.

use std::path::Path;

use super::{file, master, media, members, packaged};
use crate::support::tool::Tool;

/// Inputs and options, each of which makes another kind of package. Encrypted ranges of fMP4 are not among them: ffmpeg 5.1 asks for the key by the range of the
/// segment. What openssl makes of those is tested with the options.
const PACKAGES: &[&str] = &[
    "240p.mp4 360p.mp4 480p.mp4 --segment 4s",
    "240p.mp4 360p.mp4 480p.mp4 --segment 4s --format ts",
    "240p.mp4 480p.mp4 --segment 4s --audio audio.m4a,lang=de,name=Deutsch --subtitles subtitles.vtt,lang=en",
    "240p.mp4 480p.mp4 --segment 4s --audio audio.m4a,lang=de --subtitles subtitles.vtt,lang=en --format ts",
    "240p.mp4 --segment 2s --single-file --index",
    "240p.mp4 --segment 2s --single-file --format ts",
    "240p.mp4 --segment 2s --encrypt --key-rotate 2",
    "240p.mp4 --segment 2s --encrypt --key-rotate 3 --format ts",
    "240p.mp4 --segment 2s --encrypt --iv 000102030405060708090a0b0c0d0e0f",
    "240p.mp4 --segment 2s --encrypt --single-file --format ts",
    "hevc.mp4 --segment 2s",
    "mp4/hevc_opus.mp4 --segment 1s",
    "av1.mp4 --segment 2s",
    "audio.m4a --segment 4s",
    "audio.m4a --segment 4s --format ts",
    "mp4/late.mov --segment 1s",
    "mp4/late.mov --segment 1s --format ts",
    "ts/avc_aac.ts --segment 1s",
    "ts/open_gop.ts --segment 1s --format ts",
];

/// What a tool of ffmpeg's prints of an input.
#[track_caller]
fn asked(tool: &str, before: &str, input: &Path, after: &str) -> String {
    let words = |words: &str| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    // Files of packages, and keys within them, are files to ffmpeg, which it does not expect of playlists.
    let open = words("-v error -allowed_extensions ALL -protocol_whitelist file,crypto,data");
    let is_playlist = input.extension().is_some_and(|extension| extension == "m3u8");
    let open = if is_playlist { open } else { words("-v error") };
    let input = vec!["-i".to_owned(), input.display().to_string()];
    let ended = Tool::new(tool).args([open, words(before), input, words(after)].concat()).run().success();
    assert_eq!(ended.stderr, "", "{tool} {before} {after}");
    ended.text()
}

#[test]
fn players_have_nothing_to_complain_of() {
    for args in PACKAGES {
        let dir = packaged(args);
        asked("ffmpeg", "-xerror", &dir.path().join("out/master.m3u8"), "-map 0 -f null -");
        // Each playlist by itself, subtitles with the others: ffmpeg does not take those alone from a file.
        for uri in members(&master(&dir)).iter().filter(|uri| !uri.starts_with("subtitles")) {
            asked("ffmpeg", "-xerror", &dir.path().join("out").join(uri), "-map 0 -f null -");
        }
    }
}

/// Times, bytes and checksums of the packets of a stream, by ffprobe.
fn packets(input: &Path, stream: &str) -> Vec<String> {
    let text = asked(
        "ffprobe",
        "-show_data_hash CRC32 -of compact -show_entries packet=pts,dts,size,flags,data_hash",
        input,
        &format!("-select_streams {stream}"),
    );
    // What ffprobe says besides, of priming, stands between them, and breaks the line.
    let wanted =
        |field: &&str| ["pts=", "dts=", "size=", "data_hash="].iter().any(|name| field.starts_with(name));
    text.split(['|', '\n']).filter(wanted).map(str::to_owned).collect()
}

#[test]
fn ffprobe_sees_the_packets_of_the_input_in_fragments() {
    for clip in [
        "240p.mp4",
        "360p.mp4",
        "480p.mp4",
        "audio.m4a",
        "hevc.mp4",
        "av1.mp4",
        "mp4/bframes.mp4",
        "mp4/late.mov",
    ] {
        for how in ["--sound muxed", "--sound muxed --single-file --index"] {
            let dir = packaged(&format!("{clip} --segment 2s {how}"));
            let uri = &master(&dir).variants[0].uri;
            for stream in ["v", "a"] {
                let source = packets(Path::new(&file(clip)), stream);
                assert_eq!(
                    packets(&dir.path().join("out").join(uri), stream),
                    source,
                    "{clip} {how} {stream}"
                );
            }
        }
    }
}

/// Sizes and checksums of the packets of a stream without what MPEG-TS adds to them, and their times in ticks of 90 kHz.
fn plain(input: &Path, stream: char, filters: &str) -> Vec<(i64, i64, String)> {
    let filter = format!("-map 0:{stream} -c copy -bsf {filters} -copyts -f framehash -hash crc32 -");
    let text = asked("ffmpeg", "", input, &filter);
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: 1/")).unwrap().parse::<i64>().unwrap();
    let packet = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let time = |at: usize| (fields[at].parse::<i64>().unwrap() * 180_000 + base).div_euclid(2 * base);
        (time(1), time(2), format!("{} {}", fields[4], fields[5]))
    };
    text.lines().filter(|line| !line.starts_with('#')).map(packet).collect()
}

#[test]
fn ffmpeg_sees_the_packets_of_the_input_in_transport_streams() {
    for clip in ["240p.mp4", "480p.mp4", "mp4/bframes.mp4", "mp4/late.mov"] {
        for how in ["", "--single-file", "--encrypt --key-rotate 1"] {
            let dir = packaged(&format!("{clip} --segment 2s --format ts {how}"));
            let uri = dir.path().join("out").join(&master(&dir).variants[0].uri);
            let source = Path::new(&file(clip)).to_owned();
            let parameters = "filter_units=remove_types=7-9";
            let pictures = plain(&source, 'v', &format!("h264_mp4toannexb,{parameters}"));
            let found = plain(&uri, 'v', parameters);
            // All times are later by the same time, so much that none is below 1.4 s.
            let by = found[0].1 - pictures[0].1;
            assert!(found[0].0 >= 126_000, "{clip} {how}");
            let moved: Vec<_> =
                pictures.iter().map(|(dts, pts, sum)| (dts + by, pts + by, sum.clone())).collect();
            assert_eq!(found, moved, "{clip} {how}");
            let source = plain(&source, 'a', "null");
            let found = plain(&uri, 'a', "aac_adtstoasc");
            assert_eq!(found.len(), source.len(), "{clip} {how}");
            for (n, (found, source)) in found.iter().zip(&source).enumerate() {
                assert_eq!(found.2, source.2, "{clip} {how}: frame {n}");
                assert!(
                    (found.1 - source.1 - by).abs() <= 1,
                    "{clip} {how}: frame {n} at {} and {}",
                    found.1,
                    source.1
                );
            }
        }
    }
}

#[test]
fn rates_and_durations_are_those_that_are_measured() {
    for args in PACKAGES {
        let dir = packaged(args);
        let master = master(&dir);
        let folder = dir.path().join("out");
        for variant in &master.variants {
            // What is played together: the variant, and the most that any member of its groups needs.
            let together = |group: &Option<String>| {
                let uris = master.media.iter().filter(|media| Some(&media.group) == group.as_ref());
                uris.filter_map(|media| media.uri.clone()).collect::<Vec<_>>()
            };
            let groups = [vec![variant.uri.clone()], together(&variant.audio), together(&variant.subtitles)];
            let (mut peak, mut average) = (0.0, 0.0);
            for uris in groups.iter().filter(|uris| !uris.is_empty()) {
                let rates: Vec<(f64, f64)> = uris.iter().map(|uri| measured(&dir, uri)).collect();
                peak += rates.iter().map(|(peak, _)| *peak).fold(0.0, f64::max);
                average += rates.iter().map(|(_, average)| *average).fold(0.0, f64::max);
            }
            let (said, said_average) = (variant.bandwidth as f64, variant.average_bandwidth.unwrap() as f64);
            assert!(said >= peak - 1.0, "{args}: {} says {said}, and needs {peak}", variant.uri);
            assert!((said_average / average - 1.0).abs() < 0.01, "{args}: {said_average}, and {average}");
            // The sum of all segments is how long it is played.
            let uri = folder.join(&variant.uri);
            let list = media(&dir, &variant.uri);
            let said: f64 = list.segments.iter().map(|segment| segment.duration.as_secs_f64()).sum();
            let streams = asked(
                "ffprobe",
                "-of csv=p=0 -show_entries packet=pts_time,duration_time",
                &uri,
                "-select_streams 0",
            );
            let times: Vec<(f64, f64)> = streams
                .lines()
                .filter_map(|line| {
                    let mut fields = line.split(',').map(str::parse::<f64>);
                    // Of AV1 it does not say how long pictures last, of which all have 25 a second.
                    Some((fields.next()?.ok()?, fields.next()?.unwrap_or(0.04)))
                })
                .collect();
            let begin = times.iter().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
            let end = times.iter().map(|(at, long)| at + long).fold(0.0, f64::max);
            // Priming is there, and is not played.
            let begin = if args.contains("late") || args.contains("ts") { begin } else { begin.max(0.0) };
            assert!((said - (end - begin)).abs() < 0.05, "{args}: {said}, and from {begin} to {end}");
        }
    }
}

/// The largest bit rate of a segment, and that of all, by the sizes of the files.
fn measured(dir: &tempfile::TempDir, uri: &str) -> (f64, f64) {
    let playlist = media(dir, uri);
    let rate = |n: usize| super::segment(dir, uri, n).1.len() as f64 * 8.0;
    let all: f64 = (0..playlist.segments.len()).map(rate).sum();
    let time: f64 = playlist.segments.iter().map(|segment| segment.duration.as_secs_f64()).sum();
    // A short rest counts together with the one before it (section 4.1).
    let half = playlist.target_duration as f64 / 2.0;
    let long = (0..playlist.segments.len()).filter(|n| playlist.segments[*n].duration.as_secs_f64() >= half);
    let peak = long.map(|n| rate(n) / playlist.segments[n].duration.as_secs_f64()).fold(0.0, f64::max);
    (peak, all / time)
}

#[test]
fn the_rules_of_the_standard_are_kept() {
    for args in PACKAGES {
        let dir = packaged(args);
        let playlist = dir.path().join("out/master.m3u8").display().to_string();
        let ended = crate::support::command::wireworks(&["hls", "check", "--strict", &playlist]).wait();
        assert_eq!(ended.status.code(), Some(0), "{args}: {}{}", ended.text(), ended.stderr);
    }
}
