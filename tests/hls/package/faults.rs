//! What goes wrong: inputs that do not fit together, that are cut or lie, outputs that cannot be written. There is one line with the place, and what was there before stays.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{ended, file, packaged, tree};
use crate::support::command::wireworks;
use crate::support::process::{Ended, Process};
use crate::support::tool::Tool;

use wireworks::server::hls::vod::{Format, Input, Media, Presentation, Settings};

/// A clip of eight seconds with a key frame after so many pictures.
fn clip(path: &Path, group: u32) {
    let source = "testsrc2=size=64x36:rate=25:duration=8";
    let group = group.to_string();
    let common = ["-v", "error", "-f", "lavfi", "-i", source, "-c:v", "libx264", "-preset", "ultrafast"];
    let keys = ["-g", &group, "-keyint_min", &group, "-sc_threshold", "0"];
    Tool::new("ffmpeg").args(common).args(keys).args([path]).run().success();
}

#[test]
fn renditions_without_common_key_frames_are_named_with_the_time() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two] = [("one.mp4", 50), ("two.mp4", 60)].map(|(name, group)| {
        let path = dir.path().join(name);
        clip(&path, group);
        path.display().to_string()
    });
    let refused = ended(&dir.path().join("out"), &format!("{one} {two} --segment 2s -q"));
    assert_eq!(refused.status.code(), Some(1));
    let said =
        format!("{one} has a key frame at 2.000 s and {two} has none there (the nearest is at 2.400 s)");
    assert!(refused.stderr.contains(&said), "{}", refused.stderr);
    assert!(!dir.path().join("out").exists());
}

#[test]
fn inputs_that_are_cut_are_refused_with_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let refused = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        let refused = ended(&out, &format!("{} -q", path.display()));
        assert_eq!(
            (refused.status.code(), refused.stderr.lines().count()),
            (Some(1), 1),
            "{}",
            refused.stderr
        );
        assert!(refused.stderr.contains(name), "{}", refused.stderr);
        assert!(!out.exists());
        refused.stderr
    };
    let front = fs::read(file("240p.mp4")).unwrap();
    let back = fs::read(file("360p.mp4")).unwrap();
    for (name, bytes, said) in [
        ("cut.mp4", &front[..front.len() - 1000], "no data are"),
        ("cut-in-moov.mp4", &front[..1000], "byte 32: the file ends inside box 'moov'"),
        ("unfinished.mp4", &back[..400_000], "there is no box 'moov' up to byte 400000"),
        ("head.mp4", &front[..28], "there is no box 'moov' up to byte 28"),
        ("empty.mp4", &[], "its first bytes are none"),
        ("text.mp4", b"Just a text, and no film.\n", "neither MP4, MPEG-TS nor WebVTT"),
        ("text.vtt", b"WEBVTT\n\n1\n00:01 --> no time\n", "line 4"),
    ] {
        let stderr = refused(name, bytes);
        assert!(stderr.contains(said), "{name}: {stderr}");
    }
    let missing = ended(&out, "/no/such/film.mp4");
    assert!(missing.stderr.contains("cannot open /no/such/film.mp4: No such file"), "{}", missing.stderr);
}

#[test]
fn transport_streams_that_are_cut_are_packaged_as_far_as_they_are_good() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(file("ts/avc_aac.ts")).unwrap();
    let path = dir.path().join("cut.ts");
    let mut damaged = whole[..whole.len() / 2 + 90].to_vec();
    damaged[188 * 30..188 * 31].fill(0);
    fs::write(&path, damaged).unwrap();
    let done = ended(&dir.path().join("out"), &format!("{} --segment 1s", path.display())).success();
    assert!(
        done.stderr.contains("cut.ts: ")
            && done.stderr.contains("bytes could not be used, the first at byte 56"),
        "{}",
        done.stderr
    );
    Tool::new("ffprobe").args(["-v", "fatal"]).args([dir.path().join("out/master.m3u8")]).run().success();
}

/// What ffprobe decodes of a package: pictures and sounds.
fn decoded(master: &Path) -> (usize, usize) {
    let count = |kind: &str| {
        let tool = Tool::new("ffprobe").args(["-v", "fatal", "-count_frames", "-select_streams", kind]);
        let entries = tool.args(["-show_entries", "stream=nb_read_frames", "-of", "default=nw=1:nk=1"]);
        let said = entries.args([master]).run().success().stdout;
        // Streams are told twice: within their program, and apart.
        String::from_utf8(said).unwrap().lines().next().map_or(0, |line| line.trim().parse().unwrap())
    };
    (count("v:0"), count("a:0"))
}

#[test]
fn streams_whose_times_jump_or_whose_coding_changes_go_on_behind_a_discontinuity() {
    let dir = tempfile::tempdir().unwrap();
    let [sound, wrap, open, field] = ["avc_aac", "wrap", "open_gop", "field"]
        .map(|name| fs::read(file(&format!("ts/{name}.ts"))).unwrap());
    // Of each joint the last picture in front is lost: nothing tells that it is whole.
    for (name, streams, pictures, sounds, breaks, inits) in [
        ("jump", vec![&sound, &wrap], 49, 89, 1, 1),
        ("back", vec![&sound, &sound, &sound], 88, 159, 2, 1),
        ("change", vec![&open, &field], 59, 0, 1, 2),
        // Pictures without sound in between.
        ("odd", vec![&sound, &open, &sound], 59, 106, 1, 1),
    ] {
        let path = dir.path().join(format!("{name}.ts"));
        fs::write(&path, streams.into_iter().flatten().copied().collect::<Vec<u8>>()).unwrap();
        for options in
            ["--format ts", "--format fmp4", "--format fmp4 --single-file", "--format ts --encrypt"]
        {
            let out = dir.path().join("out");
            let done = ended(&out, &format!("{} --segment 1s {options}", path.display())).success();
            assert!(done.stderr.contains(&format!("{name}.ts: the stream breaks off")), "{}", done.stderr);
            assert_eq!(
                done.stderr.contains("left out: 1 of the stretches"),
                name == "odd",
                "{}",
                done.stderr
            );
            let master = out.join("master.m3u8");
            wireworks(&["hls", "check", &master.display().to_string()]).wait().success();
            if !options.contains("--encrypt") {
                assert_eq!(decoded(&master), (pictures, sounds), "{name} {options}");
            }
            for uri in super::members(&super::master(&dir)) {
                let playlist = super::media(&dir, &uri);
                let marked = playlist.segments.iter().filter(|segment| segment.discontinuity).count();
                assert_eq!(marked, breaks, "{name} {options} {uri}");
            }
            let maps = super::media(&dir, &format!("{name}/index.m3u8")).segments;
            let mut maps: Vec<_> = maps.into_iter().filter_map(|segment| segment.map).collect();
            maps.dedup();
            let expected = if options.contains("fmp4") { inits } else { 0 };
            assert_eq!(maps.len(), expected, "{name} {options}");
            fs::remove_dir_all(&out).unwrap();
        }
    }
}

#[test]
fn renditions_that_do_not_break_off_alike_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [one, wrap] = ["ts/avc_aac.ts", "ts/wrap.ts"].map(|name| fs::read(file(name)).unwrap());
    let path = dir.path().join("twice.ts");
    fs::write(&path, [&one[..], &wrap].concat()).unwrap();
    let refused = ended(&dir.path().join("out"), &format!("{} ts/avc_aac.ts -q", path.display()));
    assert_eq!(refused.status.code(), Some(1));
    let said = "twice.ts breaks off or changes at 1 places and ";
    assert!(refused.stderr.contains(said) && refused.stderr.lines().count() == 1, "{}", refused.stderr);
}

#[test]
fn fragmented_films_that_are_cut_end_with_their_last_whole_fragment() {
    let dir = tempfile::tempdir().unwrap();
    let whole = fs::read(file("mp4/fragmented.mp4")).unwrap();
    let moofs: Vec<usize> =
        (4..whole.len()).filter(|at| whole[*at..].starts_with(b"moof")).map(|at| at - 4).collect();
    let last = *moofs.last().unwrap();
    let path = dir.path().join("cut.mp4");
    for end in [last + 20, last + 400, whole.len() - 3000] {
        fs::write(&path, &whole[..end]).unwrap();
        let out = dir.path().join("out");
        let done = ended(&out, &format!("{} --segment 1s", path.display())).success();
        let cut_in = moofs.iter().rfind(|at| **at < end).unwrap();
        let said =
            format!("cut.mp4: the file ends in the fragment that begins at byte {cut_in}, which is left out");
        assert!(done.stderr.contains(&said), "{end}: {}", done.stderr);
        let master = out.join("master.m3u8");
        wireworks(&["hls", "check", &master.display().to_string()]).wait().success();
        let (pictures, sounds) = decoded(&master);
        assert!(pictures > 0 && sounds > 0, "{end}");
        fs::remove_dir_all(&out).unwrap();
    }
    // Nothing is whole.
    fs::write(&path, &whole[..moofs[0] + 400]).unwrap();
    assert_eq!(ended(&dir.path().join("out"), &format!("{} -q", path.display())).status.code(), Some(1));
}

#[test]
fn whatever_an_input_says_there_is_a_package_or_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hostile");
    let mut dice = fastrand::Rng::with_seed(11);
    for name in [
        "mp4/bframes.mp4",
        "mp4/hybrid.mp4",
        "mp4/late.mov",
        "mp4/fragmented.mp4",
        "mp4/av1_ac3.mp4",
        "ts/avc_aac.ts",
    ] {
        let whole = fs::read(file(name)).unwrap();
        // Where the numbers are: the boxes of the index, and the first packets.
        let index = whole
            .windows(4)
            .position(|four| four == b"moov")
            .map_or(0..whole.len().min(4000), |at| at..whole.len());
        for _ in 0..150 {
            let mut bytes = whole.clone();
            for _ in 0..dice.usize(1..4) {
                let at = dice.usize(index.clone());
                match dice.u8(..4) {
                    0 => bytes[at] = dice.u8(..),
                    1 => bytes[at] ^= 1 << dice.u8(..8),
                    2 => bytes[at] = 0xff,
                    _ => bytes[at..].iter_mut().take(4).for_each(|byte| *byte = 0x7f),
                }
            }
            if dice.u8(..10) == 0 {
                bytes.truncate(dice.usize(..whole.len()));
            }
            fs::write(&path, &bytes).unwrap();
            let Ok(media) = Media::open_file(&path) else { continue };
            let format = if dice.bool() { Format::Fmp4 } else { Format::Ts };
            let settings = Settings { format, ..Settings::default() };
            let Ok(presentation) = Presentation::plan(vec![(Input::default(), media)], &settings) else {
                continue;
            };
            let _ = presentation.multivariant().write();
            for rendition in presentation.renditions() {
                let _ = rendition.playlist().write();
                let mut writer = rendition.writer();
                let mut sum = 0;
                for n in 0..rendition.len() {
                    let mut out = Vec::new();
                    let Ok(written) = writer.write(n, &mut out) else { break };
                    assert_eq!(written.bytes, out.len() as u64);
                    sum += out.len();
                }
                assert!(sum < 100 * whole.len(), "{name} comes to {sum} bytes");
            }
        }
    }
}

/// Packages under a shell's limit on the size of files.
fn limited(out: &Path, args: &str, trap: &str) -> Ended {
    let program = env!("CARGO_BIN_EXE_wireworks");
    // In blocks of 512 bytes: 50 KiB.
    let script =
        format!("{trap} ulimit -f 100; exec {program} hls package -q --out {} {args}", out.display());
    Process::start(Command::new("sh").args(["-c", &script]), Vec::new()).wait()
}

#[test]
fn what_cannot_be_written_leaves_the_old_package_as_it_was() {
    let old = packaged("480p.mp4 --segment 2s");
    let out = old.path().join("out");
    let before = tree(old.path());
    // As on a full disk: writing fails.
    let refused = limited(&out, &file("480p.mp4"), "trap '' XFSZ;");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        refused.stderr.contains("segment 1 of 480p") && refused.stderr.contains("File too large"),
        "{}",
        refused.stderr
    );
    assert!(tree(old.path()) == before, "nothing is left behind");
    // Killed on the spot: what is left behind does no harm, and goes next time.
    let killed = limited(&out, &file("480p.mp4"), "");
    assert_eq!(killed.status.code(), None);
    let after = tree(old.path());
    assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
    assert!(after.len() > before.len());
    ended(&out, "480p.mp4 --segment 2s -q").success();
    assert!(tree(old.path()) == before);
}

#[test]
fn a_temporary_file_that_cannot_be_written_is_told_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (out, spools) = (dir.path().join("out"), dir.path().join("spools"));
    fs::create_dir(&spools).unwrap();
    let trap = format!("export TMPDIR={}; trap '' XFSZ;", spools.display());
    let stream = dir.path().join("film.ts").display().to_string();
    Tool::new("ffmpeg").args(["-v", "error", "-i", &file("480p.mp4"), "-c", "copy", &stream]).run().success();
    for (args, name) in [
        (format!("- < {}", file("480p.mp4")), "-"),
        (stream.clone(), &*stream),
        (format!("- < {stream}"), "-"),
    ] {
        let refused = limited(&out, &args, &trap);
        assert_eq!(refused.status.code(), Some(1), "{args}");
        let said = format!("{name}: a temporary file cannot be written: File too large");
        assert!(refused.stderr.contains(&said), "{args}: {}", refused.stderr);
        let left: Vec<_> = tree(dir.path()).into_keys().collect();
        assert_eq!(left, [Path::new("film.ts")], "{args}");
    }
}

#[test]
fn segments_that_cannot_be_made_leave_the_old_package_and_its_keys() {
    let dir = tempfile::tempdir().unwrap();
    let (out, keys) = (dir.path().join("out"), dir.path().join("keys"));
    let input = dir.path().join("film.mp4");
    let mut film = fs::read(file("240p.mp4")).unwrap();
    fs::write(&input, &film).unwrap();
    let args = format!(
        "{} -q --format ts --segment 2s --encrypt --key-uri k/{{key}} --keys-out {}",
        input.display(),
        keys.display()
    );
    ended(&out, &args).success();
    let before = [tree(&out), tree(&keys)];
    // A length of a NAL unit in the middle is wrong: it is noticed when that segment is made.
    let media = Media::open_file(&input).unwrap();
    let at = media.eras()[0].videos().next().unwrap().samples.from(250).next().unwrap().at as usize;
    film[at..at + 4].fill(0xff);
    fs::write(&input, &film).unwrap();
    let refused = ended(&out, &args);
    assert_eq!(refused.status.code(), Some(1));
    assert!(refused.stderr.contains(&format!("sample 250 at byte {at}")), "{}", refused.stderr);
    assert!([tree(&out), tree(&keys)] == before);
}

#[test]
fn only_packages_are_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir(&out).unwrap();
    ended(&out, "audio.m4a -q").success();
    fs::write(out.join("stale.ts"), "old").unwrap();
    ended(&out, "audio.m4a -q").success();
    assert!(!out.join("stale.ts").exists(), "what was there goes");
    // A link stays a link.
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&out, &link).unwrap();
    ended(&link, "audio.m4a -q --format ts").success();
    assert!(link.is_symlink() && out.join("audio/00001.ts").is_file());
    let other = dir.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "mine").unwrap();
    for (wrong, said) in [
        (other.clone(), "holds something that is no package"),
        (other.join("thesis.txt"), "Not a directory"),
        ("/".into(), "file system of its own"),
    ] {
        let refused = ended(&wrong, "audio.m4a -q");
        assert_eq!(refused.status.code(), Some(1));
        assert!(refused.stderr.contains(said), "{}", refused.stderr);
    }
    assert_eq!(fs::read_to_string(other.join("thesis.txt")).unwrap(), "mine");
}
