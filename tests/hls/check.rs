//! `wireworks hls package` and `wireworks hls check`, one after the other: on a disk, over a web server, and when something is wrong. Streams, recordings, films and
//! buckets are checked by the tests of those, by `good`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::support::command::{server, stop, wireworks};
use crate::support::process::Ended;

/// How long a check may take: a live playlist is read again and again.
const PATIENCE: Duration = Duration::from_secs(120);

fn media(name: &str) -> String {
    format!("{}/media/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A package of two renditions with subtitles, `film` in the folder.
fn packaged(folder: &Path, more: &[&str]) -> String {
    let out = folder.join("film").display().to_string();
    let (a, b, text) = (media("240p.mp4"), media("360p.mp4"), media("subtitles.vtt"));
    let args = ["hls", "package", &a, &b, "--subtitles", &text, "--segment", "4s", "--out", &out, "-q"];
    wireworks(&[&args[..], more].concat()).wait().success();
    out
}

fn check(args: &[&str]) -> Ended {
    wireworks(&[&["hls", "check"], args].concat()).within(PATIENCE).wait()
}

/// What is at a place breaks no rule, not even one that players can do without; says how many playlists and segments were read.
#[track_caller]
pub(super) fn good(place: &str) -> (usize, usize) {
    let ended = check(&["--strict", "--json", place]);
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let report = &json[0]["report"];
    assert_eq!(report["problems"], Value::Array(Vec::new()), "{place}: {}", ended.stderr);
    assert!(ended.success().status.success());
    let count = |name: &str| report[name].as_u64().unwrap() as usize;
    (count("playlists"), count("segments"))
}

#[test]
fn a_package_is_good_on_a_disk_and_over_the_web() {
    let folder = tempfile::tempdir().unwrap();
    for more in [
        &[][..],
        &["--format", "ts"],
        &["--single-file"],
        &["--format", "ts", "--encrypt", "--key-rotate", "2"],
    ] {
        let out = packaged(folder.path(), more);
        let said = check(&["--strict", &out]).success().text();
        assert!(said.starts_with("0 errors, 0 warnings: "), "{more:?}: {said}");
        let mut server = server(&[&out]);
        let addr = server.address("http");
        let over_the_web = check(&["--strict", &format!("http://{addr}/master.m3u8")]).success().text();
        assert_eq!(over_the_web, said, "{more:?}");
        stop(server);
    }
}

#[test]
fn what_is_wrong_is_told_as_a_table_and_as_json() {
    let folder = tempfile::tempdir().unwrap();
    let out = packaged(folder.path(), &[]);
    let list = Path::new(&out).join("240p/index.m3u8");
    let text = fs::read_to_string(&list).unwrap();
    fs::write(&list, text.replace("#EXT-X-TARGETDURATION:4", "#EXT-X-TARGETDURATION:2")).unwrap();
    let master = format!("{out}/master.m3u8");

    let ended = check(&[&master]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let table = ended.text();
    assert!(table.starts_with("VERDICT  RULE "), "{table}");
    let rule = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    let rules: Vec<String> =
        table.lines().filter(|line| line.starts_with("error ")).filter_map(rule).collect();
    assert!(rules.contains(&"target-duration".to_owned()), "{table}");
    assert!(rules.contains(&"same-target-duration".to_owned()), "{table}");

    let ended = check(&["--json", &master, &out]);
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    let json: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&json[0]["input"], &json[0]["good"]), (&master.clone().into(), &false.into()));
    assert_eq!(json[0]["report"], json[1]["report"]);
    let problems = json[0]["report"]["problems"].as_array().unwrap();
    let problem = problems.iter().find(|problem| problem["rule"] == "target-duration").unwrap();
    assert_eq!((&problem["section"], &problem["verdict"]), (&"4.4.3.1".into(), &"error".into()));
    let place = problem["place"].as_str().unwrap();
    assert!(place.starts_with("240p/index.m3u8:"), "{place}");
}

#[test]
fn warnings_count_when_they_are_to() {
    let folder = tempfile::tempdir().unwrap();
    let out = packaged(folder.path(), &[]);
    let master = Path::new(&out).join("master.m3u8");
    let text = fs::read_to_string(&master).unwrap();
    fs::write(&master, text.replace("FRAME-RATE=25", "X-NOTHING=25")).unwrap();
    let ended = check(&[&out]).success();
    assert!(ended.text().contains("\nwarning  frame-rate "), "{}", ended.text());
    assert_eq!(check(&["--strict", &out]).status.code(), Some(1));
}

#[test]
fn what_cannot_be_checked() {
    for (args, status) in [
        (&["/surely/not/there.m3u8"][..], 1),
        (&["ftp://example.org/a.m3u8"], 64),
        (&["http://"], 64),
        (&[], 64),
        (&["--reloads", "many", "a.m3u8"], 64),
    ] {
        let ended = check(args);
        assert_eq!(ended.status.code(), Some(status), "{args:?}: {} {}", ended.text(), ended.stderr);
    }
}
