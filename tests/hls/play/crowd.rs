//! Many viewers at once.

use serde_json::Value;

use super::super::origin::{media, package, serve};
use super::{LADDER, play};
use crate::support::command::stop;

#[test]
fn a_crowd_watches_and_says_what_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = LADDER.map(media);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let out = dir.path().join("film");
    package(&out, &[&inputs[..], &["--segment", "2s"]].concat());
    let (server, address) = serve(&[&out.display().to_string()]);
    let url = format!("http://{address}/film/master.m3u8");
    let ended = play(&[&url, "--viewers", "30", "--ramp", "100ms", "--fast", "--json"]).success();
    let report: Value = serde_json::from_str(&ended.text()).unwrap();
    assert_eq!(
        (&report["viewers"], &report["played"], &report["failed"]),
        (&30.into(), &30.into(), &0.into())
    );
    // Each has eight segments of pictures and eight of sound, and their playlists.
    assert!(report["requests"].as_u64().unwrap() >= 30 * 18, "{report}");
    assert!(
        report["rate"]["mean"].as_f64().unwrap() > 150.0 && report["reasons"] == Value::Array(Vec::new()),
        "{report}"
    );
    // Over two networks, one of which carries less than the lowest rendition.
    let trace = |name: &str, kbps: f64| {
        let path = dir.path().join(name);
        std::fs::write(&path, format!("0 {kbps}\n1 {kbps}\n")).unwrap();
        path.display().to_string()
    };
    let (fast, slow) = (trace("fast.txt", 4.0), trace("slow.txt", 0.05));
    let ended =
        play(&[&url, "--viewers", "4", "--for", "6s", "--throttle", &fast, "--throttle", &slow, "--json"])
            .success();
    let report: Value = serde_json::from_str(&ended.text()).unwrap();
    let startup = &report["startup"];
    assert!(
        startup["most"].as_f64().unwrap() > 3.0 * startup["median"].as_f64().unwrap()
            || report["played"] == 2,
        "{report}"
    );
    // Who leaves while nothing is on its way has seen what was played until then: the lowest quality, and a better one.
    let report = play(&[&url, "--viewers", "2", "--for", "3s", "--json"]).success().text();
    let report: Value = serde_json::from_str(&report).unwrap();
    let rate = report["rate"]["mean"].as_f64().unwrap();
    assert!(rate > 200.0 && report["cpu_per_viewer"].as_f64().unwrap() < 100.0, "{report}");
    let text = play(&[&url, "--viewers", "3", "--fast"]).success().text();
    for said in ["viewers   3, of whom 3 saw something and 0 had to leave", "0 failed", "of one for a viewer"]
    {
        assert!(text.contains(said), "{text}");
    }
    stop(server);
}

#[test]
fn viewers_who_see_nothing_say_why() {
    let ended = play(&["http://127.0.0.1:9/master.m3u8", "--viewers", "3"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.starts_with("error: nobody saw anything: http://127.0.0.1:9/"), "{}", ended.stderr);
    assert!(ended.text().contains("        3 http://127.0.0.1:9/master.m3u8: "), "{}", ended.text());
}
