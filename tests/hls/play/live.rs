//! Live streams: part by part and by whole segments, from their end and to their end.

use std::fs;
use std::path::Path;

use super::super::decoded::{decodes, pictures};
use super::super::encoder::ffmpeg;
use super::super::origin::{media, until};
use super::{Watched, watch};
use crate::support::command::{stop, wireworks};

/// That a recording has no hole and nothing twice: pictures are `step` hundredths of a second apart, but for what may be missing at joints.
#[track_caller]
fn goes_on(recording: &Path, step: i64, joints: usize) {
    decodes(recording);
    let seen = pictures(recording);
    let steps = seen.windows(2).map(|pair| pair[1].0 - pair[0].0);
    let holes: Vec<i64> = steps.filter(|found| (found - step).abs() > 1).collect();
    assert!(seen.len() > 10 && holes.len() <= joints, "{} pictures, {holes:?}", seen.len());
    assert!(holes.iter().all(|hole| *hole > 0 && *hole <= 3 * step), "{holes:?}");
}

/// Which parts were loaded of which segments, in order.
fn parts(watched: &Watched) -> Vec<(u64, Option<u64>)> {
    let loaded = watched.all("loaded").into_iter().filter(|event| event["lane"] == "main");
    loaded.map(|event| (event["segment"].as_u64().unwrap(), event["part"].as_u64())).collect()
}

#[test]
fn a_stream_is_played_part_by_part_and_by_segments() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--demo"]);
    let address = server.address("hls");
    until(address, "/live/demo/index.m3u8", |reply| {
        reply.status == 200 && reply.text().matches("#EXT-X-STREAM-INF").count() == 3
    });
    let url = format!("http://{address}/live/demo/index.m3u8");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("live.ts").display().to_string();
    let watched = watch(&url, &["--for", "8s", "--record", &file]);
    let opened = &watched.events[0];
    assert_eq!(
        (&opened["event"], &opened["live"], &opened["parts"]),
        (&"opened".into(), &true.into(), &true.into())
    );
    let loaded = parts(&watched);
    // Part after part: none is left out, none comes twice.
    for pair in loaded.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let next = match after.1 {
            Some(part) if after.0 == before.0 => before.1.map(|before| before + 1) == Some(part),
            part => after.0 == before.0 + 1 && part.is_none_or(|part| part == 0),
        };
        assert!(next || before.1.is_none(), "{loaded:?}");
    }
    assert!(loaded.iter().filter(|(_, part)| part.is_some()).count() > 10, "{loaded:?}");
    goes_on(file.as_ref(), 4, watched.all("switched").len() + watched.all("jumped").len());
    let watched = watch(&url, &["--for", "6s", "--no-parts", "--record", &file]);
    assert_eq!(watched.events[0]["parts"], false);
    let latency = watched.events[0]["latency"].as_f64().unwrap();
    assert!(latency >= 4000.0 && parts(&watched).iter().all(|(_, part)| part.is_none()), "{watched:?}");
    goes_on(file.as_ref(), 4, watched.all("switched").len() + watched.all("jumped").len());
    stop(server);
}

#[test]
fn a_network_that_becomes_slow_is_followed_in_the_middle_of_parts() {
    let mut server = wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--demo"]);
    let address = server.address("hls");
    until(address, "/live/demo/index.m3u8", |reply| {
        reply.status == 200 && reply.text().matches("#EXT-X-STREAM-INF").count() == 3
    });
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace.json");
    let periods = [(4000, 4000), (7000, 250)].map(|(duration, rate)| {
        serde_json::json!({ "duration_ms": duration, "bandwidth_kbps": rate, "latency_ms": 5 })
    });
    fs::write(&trace, serde_json::to_string(&periods).unwrap()).unwrap();
    let [trace, file] = [trace, dir.path().join("live.ts")].map(|path| path.display().to_string());
    let url = format!("http://{address}/live/demo/index.m3u8");
    let watched = watch(&url, &["--for", "20s", "--throttle", &trace, "--record", &file]);
    let switches = watched.all("switched").len();
    assert!(switches >= 2 && watched.qualities().len() > 1, "{watched:?}");
    goes_on(file.as_ref(), 4, switches + watched.all("jumped").len());
    stop(server);
}

#[test]
fn a_stream_that_ends_is_played_to_its_end() {
    let mut server =
        wireworks(&["hls", "live", "--listen", "127.0.0.1:0", "--rtmp", "127.0.0.1:0", "--reconnect", "0s"]);
    let (address, rtmp) = (server.address("hls"), server.address("rtmp"));
    let encoder = ffmpeg(&["-re"], "240p.mp4", &format!("rtmp://{rtmp}/live/stage")).start();
    until(address, "/live/stage/main/playlist.m3u8", |reply| reply.status == 200);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("live.mp4");
    let url = format!("http://{address}/live/stage/index.m3u8");
    let watched = watch(&url, &["--start", "0", "--record", &file.display().to_string()]);
    encoder.wait().success();
    let (seen, source) = (pictures(&file), pictures(media("240p.mp4").as_ref()));
    let hashes =
        |pictures: &[(i64, String)]| pictures.iter().map(|(_, hash)| hash.clone()).collect::<Vec<_>>();
    assert!(
        seen.len() > 200 && hashes(&source).ends_with(&hashes(&seen)),
        "{} pictures: {watched:?}",
        seen.len()
    );
    assert_eq!(watched.summary["error"], serde_json::Value::Null);
    decodes(&file);
    stop(server);
}

#[test]
fn a_server_that_begins_anew_is_followed() {
    let begin = |listen: &str| wireworks(&["hls", "live", "--listen", listen, "--demo"]);
    let mut server = begin("127.0.0.1:0");
    let address = server.address("hls");
    let ready = || {
        until(address, "/live/demo/index.m3u8", |reply| {
            reply.status == 200 && reply.text().matches("#EXT-X-STREAM-INF").count() == 3
        });
    };
    ready();
    let url = format!("http://{address}/live/demo/index.m3u8");
    let mut player = wireworks(&["hls", "play", &url, "--json", "--for", "40s"]);
    // So far that the new one is behind it for a while.
    player.wait_for_stdout("\"segment\":3,");
    server.signal(rustix::process::Signal::KILL);
    drop(server.wait());
    let mut server = begin(&address.to_string());
    server.address("hls");
    ready();
    let watched = Watched::of(&player.wait().success());
    assert_eq!(watched.all("restarted").len(), 1, "{watched:?}");
    assert!(watched.all("jumped").len() <= 3 && watched.figure("played") > 15_000.0, "{watched:?}");
    stop(server);
}
