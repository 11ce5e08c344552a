//! The real programs, on the sample media; and what is said when they are not there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Parser;

use super::*;
use crate::proto::hls::codec::webvtt::Document;
use crate::server::hls::check::{self, Location};
use crate::server::hls::package;

#[derive(Parser)]
struct Package {
    #[command(flatten)]
    args: crate::server::hls::command::package::Args,
}

fn media(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name).display().to_string()
}

fn packaged(words: &[&str], out: &Path) -> Result<package::Summary, package::PackageError> {
    let out = out.display().to_string();
    package::package(&Package::parse_from([&["package", "-q", "-o", &out], words].concat()).args)
}

/// The problems of a package, in words.
fn problems(folder: &Path) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report =
        runtime.block_on(check::check(&Location::File(folder.to_owned()), &check::Settings::default()));
    match report.problems.is_empty() {
        true => String::new(),
        false => report.table(),
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_ladder_is_made_and_packaged_with_pictures_for_a_seek_bar() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let input = media("240p.mp4");
    packaged(&[&input, "--ladder", "180,90", "--segment", "4s", "--thumbnails=3s"], &out).unwrap();
    assert_eq!(entries(folder.path()), ["out"], "nothing is left");
    assert_eq!(entries(&out), ["180p", "90p", "audio-main", "master.m3u8", "thumbnails"]);
    assert_eq!(problems(&out), "");
    let master = fs::read_to_string(out.join("master.m3u8")).unwrap();
    for part in
        ["RESOLUTION=320x180", "RESOLUTION=160x90", "\"wireworks.thumbnails\",VALUE=\"thumbnails/index.vtt\""]
    {
        assert!(master.contains(part), "{part}\n{master}");
    }
    // Sixteen seconds, one each three.
    let index = fs::read(out.join("thumbnails/index.vtt")).unwrap();
    let cues = Document::parse(&index).unwrap().cues;
    assert_eq!(cues.len(), 6);
    assert_eq!(entries(&out.join("thumbnails")), ["1.jpg", "index.vtt"]);
    let sprite = image::open(out.join("thumbnails/1.jpg")).unwrap();
    assert_eq!((sprite.width(), sprite.height()), (1600, 90));
}

#[test]
fn pictures_are_those_of_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let film = folder.path().join("film.mp4");
    // A second of black, a second of white, and so on; a key frame each second.
    let grey = "color=black:size=64x36:rate=10:duration=6,geq=lum='if(mod(floor(T),2),255,0)':cb=128:cr=128";
    let words = ["-f", "lavfi", "-i", grey, "-c:v", "libx264", "-g", "10", "-pix_fmt", "yuv420p"];
    let film_name = film.display().to_string();
    Tools::default().ffmpeg(words.into_iter().chain([film_name.as_str()]), |_, _| {}).unwrap();
    let every = Duration::from_secs(1);
    let wanted = Thumbnails { every, duration: Duration::from_secs(6), size: (64, 36) };
    let sprites = folder.path().join("sprites");
    thumbnails(&Tools::default(), &film_name, &wanted, &sprites).unwrap();
    let sprite = image::open(sprites.join("1.jpg")).unwrap().to_luma8();
    let found: Vec<bool> = (0..6).map(|n| sprite.get_pixel(n * WIDTH_OF_ONE + 80, 45).0[0] > 128).collect();
    assert_eq!(found, [false, true, false, true, false, true]);
}

const WIDTH_OF_ONE: u32 = 160;

#[test]
fn how_far_an_encoder_is_and_why_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let film = Tools::default().probe(&media("360p.mp4")).unwrap();
    assert_eq!((film.width, film.height, film.rate), (640, 360, 25.0));
    assert!(film.duration.abs_diff(Duration::from_secs(16)) < Duration::from_millis(100), "{film:?}");
    let mut last = Duration::ZERO;
    let out = folder.path().join("out.mp4").display().to_string();
    let input = media("240p.mp4");
    Tools::default().ffmpeg(["-i", &input, "-c", "copy", &out], |at, _| last = at).unwrap();
    assert!(last > Duration::from_secs(15), "{last:?}");

    let nothing = folder.path().join("nothing").display().to_string();
    let error = Tools::default().probe(&nothing).unwrap_err();
    assert!(error.to_string().starts_with("ffprobe: "), "{error}");
    assert!(error.to_string().ends_with("No such file or directory"), "{error}");
    let error = Tools::default().probe(&media("audio.m4a")).unwrap_err();
    assert!(matches!(error, ToolError::NoPictures(_)), "{error}");
    // A failure leaves nothing behind.
    let out = folder.path().join("failed");
    let error = packaged(&[&nothing, "--ladder", "auto"], &out).unwrap_err();
    assert!(matches!(error, package::PackageError::Tool(ToolError::Failed { .. })), "{error}");
    assert_eq!(entries(folder.path()), ["out.mp4"]);
}

#[test]
fn how_to_install_what_is_missing() {
    let empty = tempfile::tempdir().unwrap();
    let tools = Tools::within(empty.path().to_owned());
    let input = media("240p.mp4");
    let folder: PathBuf = empty.path().join("made");
    let wanted =
        Thumbnails { every: Duration::from_secs(1), duration: Duration::from_secs(16), size: (426, 240) };
    for error in [
        encode(&tools, &input, &Ladder::Auto, &folder, true).unwrap_err(),
        thumbnails(&tools, &input, &wanted, &folder).unwrap_err(),
        tools.present().unwrap_err(),
    ] {
        assert!(error.to_string().contains("is not installed: apt-get install ffmpeg"), "{error}");
    }
}

#[test]
fn what_makes_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let input = media("240p.mp4");
    let out = folder.path().join("out");
    let error = packaged(&[&input, &input, "--ladder", "auto"], &out).unwrap_err();
    assert_eq!(error.status(), 64, "{error}");
    let error = packaged(&["-", "--ladder", "auto"], &out).unwrap_err();
    assert!(error.to_string().contains("not the standard input"), "{error}");
    assert_eq!(entries(folder.path()), [""; 0]);
}
