//! Our own films: as MPEG-TS and fragmented MP4, encrypted, as ranges of one file, with sound apart and without.

use super::super::origin::{media, package, serve};
use super::{LADDER, Sources, play, watch};
use crate::support::command::stop;

#[test]
fn films_of_every_kind_are_played_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = LADDER.map(media);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).chain(["--segment", "2s"]).collect();
    let sources = Sources::of(&LADDER);
    let kinds: [(&str, &[&str]); 6] = [
        ("fragments", &[]),
        ("transport", &["--format", "ts"]),
        ("muxed", &["--sound", "muxed"]),
        ("ranges", &["--single-file"]),
        ("secret", &["--encrypt", "--key-rotate", "3"]),
        ("secret-transport", &["--format", "ts", "--encrypt"]),
    ];
    let folders = kinds.map(|(name, how)| {
        let out = dir.path().join(name);
        package(&out, &[&inputs[..], how].concat());
        out.display().to_string()
    });
    let (server, address) = serve(&folders.each_ref().map(String::as_str));
    for (name, _) in kinds {
        let url = format!("http://{address}/{name}/master.m3u8");
        for file in ["film.ts", "film.mp4"] {
            let file = dir.path().join(file);
            let watched = watch(&url, &["--fast", "--record", &file.display().to_string()]);
            assert_eq!((watched.figure("played"), watched.figure("failures")), (16_000.0, 0.0), "{name}");
            // It begins with the lowest one, before it knows the network.
            assert!(watched.qualities().len() > 1 && sources.judge(&file) > 1, "{name}: {watched:?}");
        }
    }
    stop(server);
}

#[test]
fn switches_are_seen_and_what_is_written_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = LADDER.map(media);
    let out = dir.path().join("film").display().to_string();
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    package(out.as_ref(), &[&inputs[..], &["--segment", "1s"]].concat());
    let (server, address) = serve(&[&out]);
    // Far more than the largest rendition needs (421 kb/s), far less, and again.
    let trace = dir.path().join("trace.json");
    let periods = [(4000, 4000), (6000, 230), (60_000, 4000)].map(|(duration, rate)| {
        serde_json::json!({ "duration_ms": duration, "bandwidth_kbps": rate, "latency_ms": 20 })
    });
    std::fs::write(&trace, serde_json::to_string(&periods).unwrap()).unwrap();
    let file = dir.path().join("film.ts");
    let throttle = trace.display().to_string();
    let url = format!("http://{address}/film/master.m3u8");
    let record = file.display().to_string();
    let watched = watch(&url, &["--throttle", &throttle, "--buffer", "5s", "--record", &record]);
    let lines =
        |name: &serde_json::Value| name.as_str().unwrap().trim_end_matches('p').parse::<u32>().unwrap();
    let switched = watched.all("switched");
    let goes = |up: bool| switched.iter().any(|event| (lines(&event["to"]) > lines(&event["from"])) == up);
    assert!(goes(true) && goes(false), "{watched:?}");
    assert!(Sources::of(&LADDER).judge(&file) > 1);
    stop(server);
}

#[test]
fn what_is_played_goes_to_the_standard_output_while_people_read_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let film = format!("film={}", media("480p.mp4"));
    let (server, address) = serve(&[&film]);
    let url = format!("http://{address}/film/master.m3u8");
    let ended = play(&[&url, "--fast", "--output", "-"]).success();
    let file = dir.path().join("film.ts");
    std::fs::write(&file, &ended.stdout).unwrap();
    assert_eq!(Sources::of(&["480p.mp4"]).judge(&file), 1);
    for said in ["opened: 16.00 s", "played    16.00 s", "0 stalls"] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let ended = play(&[&url, "--fast", "--output", "-", "--json"]).success();
    // The same, though not byte for byte: sound and pictures come on ways of their own.
    std::fs::write(&file, &ended.stdout).unwrap();
    assert_eq!(Sources::of(&["480p.mp4"]).judge(&file), 1);
    assert!(ended.stderr.lines().all(|line| line.starts_with('{')), "{}", ended.stderr);
    // Whoever has seen enough ends it, and hears no complaint.
    let program = env!("CARGO_BIN_EXE_wireworks");
    for line in [
        format!(
            "'{program}' hls play {url} --output - 2>errors | head -c 2000 >media; wc -c <media; cat errors"
        ),
        format!("'{program}' hls play {url} --lines 2>errors | head -n 1; cat errors"),
    ] {
        let shell = crate::support::tool::Tool::new("sh")
            .args(["-c", &format!("cd {}; {line}", dir.path().display())]);
        let said = shell.run().success().text();
        assert!(!said.contains("error") && (said.contains("2000") || said.contains("opened")), "{said}");
    }
    stop(server);
}

#[test]
fn a_viewer_says_what_is_wanted() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("film");
    let sound = |name: &str, lang: &str| format!("{},name={name},lang={lang}", media("audio.m4a"));
    let (english, french) = (sound("English", "en"), sound("Commentaire", "fr"));
    let inputs = LADDER.map(media);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let more = ["--segment", "2s", "--audio", &english, "--audio", &french];
    package(&out, &[&inputs[..], &more].concat());
    let (server, address) = serve(&[&out.display().to_string()]);
    let url = format!("http://{address}/film/master.m3u8");
    let qualities = |args: &[&str]| -> Vec<String> {
        let watched = watch(&url, &[&["--fast"], args].concat());
        assert_eq!(watched.figure("played"), 16_000.0, "{args:?}");
        watched.qualities().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(qualities(&["--max-rate", "350"]), ["240p", "360p"]);
    assert_eq!(qualities(&["--min-rate", "350"]), ["480p"]);
    assert_eq!(qualities(&["--min-rate", "250", "--max-rate", "350"]), ["360p"]);
    for algorithm in
        ["throughput", "harmonic", "bba", "bola", "bola-e", "dynamic", "dynamic-dash", "robust-mpc"]
    {
        let found = qualities(&["--abr", algorithm]);
        assert!(found.contains(&"240p".to_owned()), "{algorithm}: {found:?}");
    }
    for (wanted, found) in [("fr", true), ("English", true), ("de", false)] {
        let ended = play(&[&url, "--fast", "--audio", wanted]);
        assert_eq!(ended.status.success(), found, "{wanted}: {}", ended.stderr);
        assert!(found || ended.stderr.contains("\"de\""), "{}", ended.stderr);
    }
    let ended = play(&[&url, "--fast", "--codec", "av01"]);
    assert!(!ended.status.success() && ended.stderr.contains("av01"), "{}", ended.stderr);
    for (start, played) in [("6", 10_000.0), ("-4", 4000.0), ("100", 2000.0)] {
        let watched = watch(&url, &["--fast", "--start", start]);
        assert_eq!(watched.figure("played"), played, "{start}");
    }
    stop(server);
}
