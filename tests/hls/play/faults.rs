//! Servers that fail: what is asked for again, looked for elsewhere, left out, and said in the end.

use super::super::origin::{media, package};
use super::lies::{Answer, Liar};
use super::{Sources, Watched, play};

/// A page of an error, by somebody who says that it is a success.
const PAGE: &[u8] = b"<!doctype html><title>Sorry</title><p>The segment has gone fishing.";

/// A status, and a field.
const NOT_YET: &str = "404 Not Found\r\nRetry-After: 1";

/// The fault that a segment has, and how often.
struct Fault {
    what: &'static str,
    answer: Answer,
    /// Only the first so many requests are answered so.
    times: usize,
    /// Of all renditions, and not of one.
    everywhere: bool,
    /// The kind of event that is to be seen, and what it says.
    seen: (&'static str, &'static str),
    /// Whether the segment is left out.
    left_out: bool,
}

fn faults() -> Vec<Fault> {
    let fault = |what, answer, seen| Fault {
        what,
        answer,
        times: usize::MAX,
        everywhere: false,
        seen,
        left_out: false,
    };
    let once = |fault: Fault| Fault { times: 1, ..fault };
    let everywhere = |fault: Fault| Fault { everywhere: true, left_out: true, ..fault };
    let missing = || Answer::Status("404 Not Found");
    let page = || Answer::Instead(PAGE.to_vec());
    vec![
        fault("missing in one rendition", missing(), ("elsewhere", "404")),
        everywhere(fault("missing in all", missing(), ("gap", "404"))),
        once(fault("reset once", Answer::Reset, ("retry", "reset"))),
        fault("always reset", Answer::Reset, ("elsewhere", "reset")),
        once(fault("cut off once", Answer::Half, ("retry", "in the middle"))),
        everywhere(fault("always cut off", Answer::Half, ("gap", "in the middle"))),
        once(fault("stalled once", Answer::Stall, ("retry", "too long"))),
        once(fault("silent once", Answer::Silence, ("retry", "too long"))),
        once(fault("overloaded once", Answer::Status("503 Service Unavailable"), ("retry", "503"))),
        once(fault("not there yet", Answer::Status(NOT_YET), ("retry", "404"))),
        fault("a page of an error", page(), ("elsewhere", "doctype")),
        everywhere(fault("pages of errors", page(), ("gap", "doctype"))),
        fault("redirected for ever", Answer::Around, ("elsewhere", "redirect")),
        everywhere(fault("redirected for ever, everywhere", Answer::Around, ("gap", "redirect"))),
        fault("nothing in it", Answer::Instead(Vec::new()), ("elsewhere", "no byte")),
    ]
}

#[test]
fn a_segment_that_does_not_come_is_had_elsewhere_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    let inputs = ["240p.mp4", "480p.mp4"];
    let [low, high] = inputs.map(media);
    package(&out, &[&low, &high, "--segment", "2s", "--format", "ts"]);
    let sources = Sources::of(&inputs);
    for Fault { what, answer, times, everywhere, seen: (kind, why), left_out } in faults() {
        let liar = Liar::serve(&out, move |path, nth| {
            let concerned = path.ends_with("/00004.ts") && (everywhere || path.starts_with("/480p/"));
            if concerned && nth < times { answer.clone() } else { Answer::File }
        });
        let file = dir.path().join("film.ts");
        let url = format!("http://{}/master.m3u8", liar.addr);
        let ended =
            play(&[&url, "--fast", "--timeout", "1s", "--json", "--record", &file.display().to_string()]);
        let watched = Watched::of(&ended.success());
        let told = watched.all(kind);
        let tells = told.iter().any(|event| event["why"].as_str().unwrap().to_lowercase().contains(why));
        assert!(tells, "{what}: {watched:?}");
        let expected = if left_out { (1.0, 2000.0, 14_000.0) } else { (0.0, 0.0, 16_000.0) };
        let found = (watched.figure("gaps"), watched.figure("left_out"), watched.figure("played"));
        assert_eq!(found, expected, "{what}: {watched:?}");
        if left_out {
            super::super::decoded::decodes(&file);
        } else {
            sources.judge(&file);
        }
    }
}

#[test]
fn playlists_that_do_not_come_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    let [low, high] = ["240p.mp4", "480p.mp4"].map(media);
    package(&out, &[&low, &high, "--segment", "2s", "--format", "ts"]);
    let cases: [(&str, &str, Answer, Option<&str>); 9] = [
        ("no playlist", "/master.m3u8", Answer::Status("404 Not Found"), Some("404")),
        ("a page", "/master.m3u8", Answer::Instead(PAGE.to_vec()), Some("#extm3u")),
        ("a loop", "/master.m3u8", Answer::Around, Some("redirect")),
        ("silence", "/master.m3u8", Answer::Silence, Some("too long")),
        ("nothing", "/master.m3u8", Answer::Instead(Vec::new()), Some("#extm3u")),
        ("a list of nothing", "/master.m3u8", Answer::Instead(b"#EXTM3U\n".to_vec()), Some("")),
        // Another rendition is there.
        ("a rendition is missing", "/480p/index.m3u8", Answer::Status("404 Not Found"), None),
        ("a rendition is a page", "/240p/index.m3u8", Answer::Instead(PAGE.to_vec()), None),
        ("a rendition is a loop", "/480p/index.m3u8", Answer::Around, None),
    ];
    for (what, faulty, answer, why) in cases {
        let liar =
            Liar::serve(&out, move |path, _| if path == faulty { answer.clone() } else { Answer::File });
        let url = format!("http://{}/master.m3u8", liar.addr);
        let ended = play(&[&url, "--fast", "--timeout", "1s", "--json"]);
        let Some(why) = why else {
            let watched = Watched::of(&ended.success());
            assert_eq!(watched.figure("played"), 16_000.0, "{what}: {watched:?}");
            assert_eq!(watched.qualities().len(), 1, "{what}: {watched:?}");
            continue;
        };
        assert_eq!(ended.status.code(), Some(1), "{what}");
        let said = ended.stderr.trim_end();
        assert!(said.starts_with("error: ") && said.lines().count() == 1, "{what}: {said}");
        assert!(said.to_lowercase().contains(why) && said.contains(&url), "{what}: {said}");
    }
    // Nobody is there.
    let ended = play(&["http://127.0.0.1:9/master.m3u8", "--fast"]);
    assert!(!ended.status.success() && ended.stderr.contains("refused"), "{}", ended.stderr);
}

#[test]
fn a_stream_that_is_about_to_begin_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    package(&out, &[&media("240p.mp4"), "--segment", "2s", "--format", "ts"]);
    // More often than what is lost on the way is asked for.
    let late = |path: &str| path == "/master.m3u8";
    let rule =
        move |path: &str, nth| if late(path) && nth < 4 { Answer::Status(NOT_YET) } else { Answer::File };
    let url = format!("http://{}/master.m3u8", Liar::serve(&out, rule).addr);
    assert_eq!(super::watch(&url, &["--fast"]).figure("played"), 16_000.0);
    // A server that wants more than that is not waited for.
    let rule = |_: &str, _| Answer::Status("503 Service Unavailable\r\nRetry-After: 3600");
    let url = format!("http://{}/master.m3u8", Liar::serve(&out, rule).addr);
    let ended = play(&[&url]);
    let said = format!(
        "error: {url}: the server answers 503 Service Unavailable, and wants to be left alone for 3600 s\n"
    );
    assert_eq!((ended.status.code(), ended.stderr), (Some(1), said));
}

#[test]
fn a_film_whose_segments_are_all_gone_ends_with_a_reason() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    package(&out, &[&media("240p.mp4"), "--segment", "1s", "--format", "ts"]);
    let liar =
        Liar::serve(
            &out,
            |path, _| {
                if path.ends_with(".ts") { Answer::Status("404 Not Found") } else { Answer::File }
            },
        );
    let ended = play(&[&format!("http://{}/master.m3u8", liar.addr), "--fast", "--json"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.starts_with("error: ") && ended.stderr.contains("404"), "{}", ended.stderr);
    let watched = Watched::of(&ended);
    assert_eq!((watched.figure("played"), watched.figure("gaps")), (0.0, 6.0), "{watched:?}");
}

#[test]
fn a_playlist_that_goes_back_in_time_begins_anew() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    package(&out, &[&media("240p.mp4"), "--segment", "1s", "--format", "ts"]);
    // A window of four segments of a second, that slides by one with each request, and begins again from the front.
    let list = |first: usize, number: usize| {
        let segments: String =
            (first..first + 4).map(|n| format!("#EXTINF:1,\n240p/{:05}.ts\n", n % 16 + 1)).collect();
        format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{number}\n{segments}"
        )
    };
    std::fs::write(out.join("live.m3u8"), "").unwrap();
    let liar = Liar::serve(&out, move |path, nth| match path {
        "/live.m3u8" if nth < 3 => Answer::Instead(list(nth, 100 + nth).into_bytes()),
        "/live.m3u8" if nth < 8 => Answer::Instead(list(nth, nth).into_bytes()),
        "/live.m3u8" => Answer::Instead((list(8, 8) + "#EXT-X-ENDLIST\n").into_bytes()),
        _ => Answer::File,
    });
    let ended = play(&[&format!("http://{}/live.m3u8", liar.addr), "--json"]);
    let watched = Watched::of(&ended.success());
    assert_eq!(watched.all("restarted").len(), 1, "{watched:?}");
    assert!(watched.figure("played") >= 4000.0, "{watched:?}");
}
