//! Where media are written: disks that are full, files that are there already, readers that do not read.

use std::fs;

use rustix::process::Signal;

use super::super::origin::{media, serve};
use super::play;
use crate::support::command::{stop, wireworks};

#[test]
fn a_disk_that_is_full_is_told() {
    let film = format!("film={}", media("240p.mp4"));
    let (server, address) = serve(&[&film]);
    let url = format!("http://{address}/film/master.m3u8");
    for name in ["--record", "--output"] {
        let ended = play(&[&url, "--fast", name, "/dev/full"]);
        assert_eq!(ended.status.code(), Some(1));
        assert_eq!(ended.stderr, "error: cannot write /dev/full: No space left on device (os error 28)\n");
    }
    stop(server);
}

#[test]
fn a_file_is_left_alone_until_there_is_something_to_write() {
    let dir = tempfile::tempdir().unwrap();
    let [old, new] = ["old.ts", "new.ts"].map(|name| dir.path().join(name));
    fs::write(&old, "precious").unwrap();
    for path in [&old, &new] {
        let ended = play(&["http://127.0.0.1:9/master.m3u8", "--record", &path.display().to_string()]);
        assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    }
    assert_eq!(fs::read_to_string(&old).unwrap(), "precious");
    assert!(!new.exists(), "a file of nothing is left behind");
    let film = format!("film={}", media("240p.mp4"));
    let (server, address) = serve(&[&film]);
    play(&[&format!("http://{address}/film/master.m3u8"), "--fast", "--record", &old.display().to_string()])
        .success();
    assert_eq!(fs::read(&old).unwrap()[0], 0x47);
    stop(server);
}

#[test]
fn a_reader_that_does_not_read_keeps_nobody_from_leaving() {
    let dir = tempfile::tempdir().unwrap();
    let film = format!("film={}", super::super::origin::repeated("480p.mp4", 40, dir.path()));
    let (server, address) = serve(&[&film, "--segment", "1s"]);
    // A queue that is full: nobody reads it.
    let pipe = dir.path().join("pipe.ts");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0)
        .unwrap();
    let reader = fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let url = format!("http://{address}/film/master.m3u8");
    let mut player =
        wireworks(&["hls", "play", &url, "--fast", "--json", "--record", &pipe.display().to_string()]);
    // Far more than the pipe and the queue hold.
    player.wait_for_stdout("\"segment\":4,");
    player.signal(Signal::TERM);
    player.wait().success();
    drop(reader);
    stop(server);
}

#[test]
fn what_has_no_place_in_the_output_is_told() {
    let dir = tempfile::tempdir().unwrap();
    // H.264 with sound that is not understood.
    let out = dir.path().join("index.m3u8").display().to_string();
    let args = [
        "-v",
        "error",
        "-i",
        &media("240p.mp4"),
        "-c:v",
        "copy",
        "-c:a",
        "mp2",
        "-f",
        "hls",
        "-hls_list_size",
        "0",
        &out,
    ];
    crate::support::tool::Tool::new("ffmpeg").args(args).run().success();
    let nginx = crate::support::nginx::Nginx::serve(dir.path());
    let url = format!("http://{}/index.m3u8", nginx.addr);
    let ended = play(&[&url, "--fast", "--lines"]).success();
    let told = ended.text().lines().filter(|line| line.contains("left alone: ")).count();
    assert_eq!(told, 1, "{}", ended.text());
}
