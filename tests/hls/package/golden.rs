//! Playlists of the samples, kept word by word in `media/golden`: `UPDATE_PLAYLISTS=1` in front of this test writes them anew.

use std::fs;
use std::path::Path;

use super::{packaged, tree};

/// Packages, by the name of their folder.
const PACKAGES: &[(&str, &str)] = &[
    ("ladder", "240p.mp4 360p.mp4 480p.mp4 --subtitles subtitles.vtt,lang=en --segment 4s"),
    ("ladder-ts", "240p.mp4 360p.mp4 480p.mp4 --subtitles subtitles.vtt,lang=en --segment 4s --format ts"),
    (
        "groups",
        "240p.mp4 480p.mp4 --audio audio.m4a,lang=de,name=Deutsch,default --audio audio.m4a,lang=pt-BR --subtitles subtitles.vtt,lang=en,forced --segment 6s",
    ),
    ("single-file", "240p.mp4 --single-file --index --sound muxed --segment 2s"),
    ("single-file-ts", "240p.mp4 --single-file --format ts --segment 2s"),
    (
        "encrypted",
        "240p.mp4 --segment 2s --encrypt --key-file keys/secret.key --key-rotate 3 --key-uri https://keys.example/{key}?film=1 --init start.mp4",
    ),
    (
        "encrypted-ts",
        "240p.mp4 --segment 4s --format ts --encrypt --key-file keys/secret.key --iv 000102030405060708090a0b0c0d0e0f",
    ),
    (
        "dated",
        "240p.mp4 --segment 4s --date-time 2026-01-31T23:59:58.500Z --session-data com.example.title=Pattern --session-data com.example.year=2026",
    ),
    ("hevc", "hevc.mp4 --segment 2s"),
    ("av1", "av1.mp4 --segment 2s"),
    ("sound", "audio.m4a --segment 4s"),
];

#[test]
fn playlists_of_the_samples_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/golden");
    let update = std::env::var_os("UPDATE_PLAYLISTS").is_some();
    if update && folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    let mut names = Vec::new();
    for (name, args) in PACKAGES {
        let dir = packaged(args);
        for (path, bytes) in tree(&dir.path().join("out")) {
            if path.extension().is_none_or(|extension| extension != "m3u8") {
                continue;
            }
            let kept = folder.join(name).join(&path);
            let text = String::from_utf8(bytes).unwrap();
            if update {
                fs::create_dir_all(kept.parent().unwrap()).unwrap();
                fs::write(&kept, &text).unwrap();
            }
            let expected = fs::read_to_string(&kept).unwrap_or_default();
            assert_eq!(text, expected, "{name}/{}: UPDATE_PLAYLISTS=1 writes it anew", path.display());
            names.push(Path::new(name).join(path));
        }
    }
    let kept: Vec<_> = tree(&folder).into_keys().collect();
    names.sort();
    assert_eq!(kept, names, "UPDATE_PLAYLISTS=1 removes what is not made any more");
}

#[test]
fn packages_are_the_same_byte_by_byte() {
    for (name, args) in PACKAGES {
        let (first, again) = (packaged(args), packaged(args));
        let [first, again] = [first, again].map(|dir| tree(&dir.path().join("out")));
        assert!(first.keys().eq(again.keys()), "{name}");
        for (path, bytes) in &first {
            assert!(again[path] == *bytes, "{name}: {}", path.display());
        }
    }
}
