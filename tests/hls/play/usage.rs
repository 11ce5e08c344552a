//! Command lines that make no sense, and files that cannot be read.

use super::play;

#[test]
fn what_makes_no_sense_is_said_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (empty, negative) = (file("empty.txt", ""), file("negative.txt", "0 1.5\n1 -2\n"));
    let (words, list) = (file("words.txt", "0 1.5\n1 fast\n"), file("list.json", "[{\"duration_ms\": 0}]"));
    let good = file("good.txt", "0 1\n1 1\n");
    let nowhere = dir.path().join("no/film.ts").display().to_string();
    let url = "http://127.0.0.1:9/master.m3u8";
    for (args, status, said) in [
        (&[][..], 64, "<URL>"),
        (&["ftp://a/b"], 1, "http://"),
        (&["master.m3u8"], 1, "http://"),
        (&[url, "--abr", "guess"], 64, "guess"),
        (&[url, "--viewers", "0"], 64, "0"),
        (&[url, "--viewers", "2", "--record", "a.ts"], 64, "--record"),
        (&[url, "--ramp", "2s"], 64, "--viewers"),
        (&[url, "--start", "NaN"], 64, "NaN"),
        (&[url, "--max-rate", "-1"], 64, "-1"),
        (&[url, "--header", "nothing"], 64, "Name: value"),
        (&[url, "--json", "--lines"], 64, "--lines"),
        (&[url, "--output", "a.ts", "--record", "b.mp4"], 64, "two"),
        (&[url, "--throttle", &good, "--throttle", &good], 64, "--viewers"),
        (&[url, "--record", "a.mkv"], 64, "--format"),
        (&[url, "--throttle", &empty], 1, "empty.txt"),
        (&[url, "--throttle", &negative], 1, "line 2"),
        (&[url, "--throttle", &words], 1, "line 2"),
        (&[url, "--throttle", &list], 1, "list.json"),
        (&[url, "--throttle", "/nowhere.txt"], 1, "/nowhere.txt"),
        (&[url, "--record", &nowhere], 1, &nowhere),
        (&[url, "--ca", "/nowhere.pem"], 1, "/nowhere.pem"),
    ] {
        let ended = play(args);
        assert_eq!(ended.status.code(), Some(status), "{args:?}: {}", ended.stderr);
        assert!(
            ended.stderr.starts_with("error: ") && ended.stderr.contains(said),
            "{args:?}: {}",
            ended.stderr
        );
    }
}
