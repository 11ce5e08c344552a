//! `wireworks hls simulate`, as its users run it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::command::wireworks;
use crate::support::process::Ended;

const FILM: &str = "media/film.json";

/// The figures of the film over the traces of `media/traces`, as they were.
const EXPECTED: &str = "tests/data/abr/expected.csv";

const ALL: &str = "lookahead,throughput,harmonic,bba,bola,bola-e,dynamic,dynamic-dash,robust-mpc";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn traces(folder: &Path, extension: &str) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .map(|path| path.display().to_string())
        .collect();
    files.sort();
    files
}

#[track_caller]
fn simulate(manifest: &Path, traces: &[String], more: &[&str]) -> Ended {
    let manifest = manifest.display().to_string();
    let mut args = vec!["hls", "simulate", "--manifest", &manifest];
    args.extend(more);
    args.push("--trace");
    args.extend(traces.iter().map(String::as_str));
    wireworks(&args).wait()
}

#[test]
fn figures_are_as_they_were() {
    let traces = traces(&root("media/traces"), "txt");
    assert_eq!(traces.len(), 5);
    let mut found = String::new();
    for more in [
        &["--buffer", "25"][..],
        &["--buffer", "10", "--live", "8"],
        &["--replace", "first", "--buffer", "30"],
    ] {
        let ended = simulate(&root(FILM), &traces, &[more, &["--abr", ALL, "--csv"]].concat()).success();
        // Which folder the sources are in does not matter.
        found += &ended.text().replace(&format!("{}/", env!("CARGO_MANIFEST_DIR")), "");
    }
    if env::var_os("UPDATE_ABR").is_some() {
        fs::write(root(EXPECTED), &found).unwrap();
    }
    let expected = fs::read_to_string(root(EXPECTED)).unwrap();
    let (mut lines, mut seen) = (expected.lines(), 0);
    for line in found.lines() {
        let other = lines.next().unwrap_or_default();
        let (line, other): (Vec<_>, Vec<_>) = (line.split(',').collect(), other.split(',').collect());
        assert_eq!(line[..5], other[..5]);
        for (value, other) in line[5..].iter().zip(&other[5..]) {
            let near = |value: f64, other: f64| (value - other).abs() <= 1e-5 * other.abs().max(1.0);
            let same = value == other || near(value.parse().unwrap(), other.parse().unwrap());
            assert!(same, "{line:?}\n{other}; UPDATE_ABR=1 writes {EXPECTED} anew");
        }
        seen += 1;
    }
    assert_eq!((lines.next(), seen), (None, 3 * (1 + 5 * 9)));
}

/// The published figures of Sabre, by the path of the folder in which they and their traces are.
#[test]
#[ignore = "needs the published traces: ABR_DATA=FOLDER, see docs/abr.md"]
fn the_published_figures_are_met() {
    let folder = PathBuf::from(env::var_os("ABR_DATA").expect("ABR_DATA names a folder"));
    let expected = fs::read_to_string(folder.join("expected-4g.csv")).unwrap();
    let traces = traces(&folder.join("traces-4g"), "json");
    let names = [
        ("BOLA", "bola"),
        ("THROUGHPUT", "throughput"),
        ("DYNAMIC", "dynamic"),
        ("BOLA-E*", "bola-e"),
        ("DYNAMICDASH*", "dynamic-dash"),
    ];
    let mut compared = 0;
    for (scenario, buffer) in [("4G VOD", "25"), ("4G Live 10s", "10")] {
        let more = ["--abr", "bola,throughput,dynamic,bola-e,dynamic-dash", "--buffer", buffer, "--csv"];
        let found = simulate(&folder.join("bbb4k.json"), &traces, &more).success().text();
        for row in
            expected.lines().map(|line| line.split(',').collect::<Vec<_>>()).filter(|row| row[1] == scenario)
        {
            let name = names.iter().find(|(published, _)| *published == row[2]).unwrap().1;
            let ours = found.lines().map(|line| line.split(',').collect::<Vec<_>>());
            let ours = ours.into_iter().find(|ours| ours[2] == name && ours[4] == row[4]).unwrap();
            for (value, other) in ours[5..].iter().zip(&row[5..]) {
                let (value, other): (f64, f64) = (value.parse().unwrap(), other.parse().unwrap());
                assert!((value - other).abs() < 2e-6, "{ours:?}\n{row:?}");
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 400);
}

#[test]
fn a_table_has_a_row_for_each_algorithm_and_json_has_all_sessions() {
    let traces = traces(&root("media/traces"), "txt");
    let text = simulate(&root(FILM), &traces[..2], &["--abr", "bola,lookahead"]).success().text();
    for expected in ["bus.txt", "lte.txt", "mean of 2 traces", "stalled", "score"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(text.lines().filter(|line| line.starts_with("lookahead ")).count(), 3, "{text}");
    let json = simulate(&root(FILM), &traces[..2], &["--abr", "bola,lookahead", "--json"]).success().text();
    let json: Value = serde_json::from_str(&json).unwrap();
    let sessions = json["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), json["mean"].as_array().unwrap().len()), (4, 2));
    assert!(sessions[0]["figures"]["bitrate_kbps"].as_f64().unwrap() > 100.0, "{json}");
}

#[test]
fn what_was_watched_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let traces = traces(&root("media/traces"), "txt");
    for (count, expected) in [(1, "Mb/s"), (5, "share of traces")] {
        let path = folder.path().join("plot.svg");
        let more = ["--abr", "lookahead,bola-e", "--plot", path.to_str().unwrap()];
        simulate(&root(FILM), &traces[..count], &more).success();
        let svg = fs::read_to_string(&path).unwrap();
        for word in ["<svg", "lookahead", "bola-e", expected] {
            assert!(svg.contains(word), "{word}");
        }
    }
}

#[test]
fn a_packaged_film_is_a_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("film");
    let media = ["240p", "360p", "480p"].map(|name| root(&format!("media/{name}.mp4")).display().to_string());
    let mut args = vec!["hls", "package"];
    args.extend(media.iter().map(String::as_str));
    let target = out.display().to_string();
    args.extend(["--out", &target, "--segment", "2s", "--quiet"]);
    wireworks(&args).wait().success();
    let traces = traces(&root("media/traces"), "txt");
    let text = simulate(&out.join("master.m3u8"), &traces, &["--abr", "lookahead", "--csv"]).success().text();
    assert_eq!(text.lines().count(), 6, "{text}");
    let media = simulate(&out.join("240p/index.m3u8"), &traces, &[]);
    assert!(media.stderr.contains("is a media playlist"), "{}", media.stderr);
}

/// A manifest, traces and options; the status, and what is said.
type Row<'a> = (&'a Path, &'a [String], &'a [&'a str], i32, &'a str);

#[test]
fn what_cannot_be_read_is_told_in_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let bad = folder.path().join("bad.txt");
    fs::write(&bad, "1 2\n2 x\n").unwrap();
    let bad = bad.display().to_string();
    let good = traces(&root("media/traces"), "txt");
    let rows: [Row<'_>; 6] = [
        (&root(FILM), &[bad], &[], 1, "bad.txt: line 2: not two numbers"),
        (&root(FILM), &["/nonexistent/file".into()], &[], 1, "/nonexistent/file"),
        (Path::new("/nonexistent/film"), &good, &[], 1, "/nonexistent/film"),
        (&root("Cargo.toml"), &good, &[], 1, "Cargo.toml"),
        (&root(FILM), &good, &["--abr", "best"], 64, "there is no algorithm"),
        (&root(FILM), &good, &["--buffer", "0"], 64, "--buffer"),
    ];
    for (manifest, traces, more, status, expected) in rows {
        let ended = simulate(manifest, traces, more);
        assert_eq!(ended.status.code(), Some(status), "{}", ended.stderr);
        assert!(ended.stderr.contains(expected) && ended.text().is_empty(), "{expected}: {}", ended.stderr);
    }
}
