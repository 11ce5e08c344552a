//! What ffmpeg's HLS muxer writes, served by nginx.

use std::fs;
use std::path::Path;

use super::super::decoded::decodes;
use super::super::origin::{media, repeated};
use super::{Sources, watch};
use crate::support::nginx::Nginx;
use crate::support::tool::Tool;

/// The samples that ffmpeg makes two renditions of.
const TWO: [&str; 2] = ["240p.mp4", "480p.mp4"];

/// Runs ffmpeg in a folder, on these inputs.
#[track_caller]
fn ffmpeg(folder: &Path, inputs: &[&str], args: &str) -> Tool {
    fs::create_dir_all(folder).unwrap();
    let inputs = inputs.iter().flat_map(|input| ["-i", input]);
    let front = args.split_once('|').map_or("", |(front, _)| front).split_whitespace();
    let behind = args.rsplit('|').next().unwrap().split('\'').enumerate();
    let behind = behind.flat_map(|(n, words)| match n % 2 {
        0 => words.split_whitespace().collect(),
        _ => vec![words],
    });
    let args: Vec<String> = ["-v", "error", "-nostdin"]
        .into_iter()
        .chain(front)
        .chain(inputs)
        .chain(behind)
        .map(str::to_owned)
        .collect();
    Tool::new("env").args(["-C", &folder.display().to_string(), "ffmpeg"]).args(args)
}

#[test]
fn films_of_ffmpeg_behind_nginx_are_played_and_recorded() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = TWO.map(media);
    let inputs = inputs.each_ref().map(String::as_str);
    fs::write(dir.path().join("key"), b"sixteen bytes ok").unwrap();
    fs::write(dir.path().join("keys"), format!("../key\n{}/key\n", dir.path().display())).unwrap();
    let vod = "-c copy -f hls -hls_time 2 -hls_playlist_type vod";
    let two = "-map 0:v -map 0:a -map 1:v -map 1:a";
    let variants = "-master_pl_name master.m3u8 -var_stream_map 'v:0,a:0 v:1,a:1'";
    let apart = "-map 0:v -map 1:v -map 1:a";
    let beside = "-master_pl_name master.m3u8 -var_stream_map 'v:0,agroup:sound v:1,agroup:sound a:0,agroup:sound,default:yes'";
    let fragments = "-hls_segment_type fmp4";
    let keys = "-hls_key_info_file ../keys";
    for (name, args, renditions) in [
        ("transport", format!("{two} {vod} {variants} -hls_segment_filename %v-%d.ts %v.m3u8"), 2),
        (
            "fragments",
            format!("{two} {vod} {fragments} {variants} -hls_segment_filename %v-%d.m4s %v.m3u8"),
            2,
        ),
        ("apart", format!("{apart} {vod} {fragments} {beside} -hls_segment_filename %v-%d.m4s %v.m3u8"), 2),
        ("ranges", format!("-map 1 {vod} {fragments} -hls_flags single_file master.m3u8"), 1),
        ("ranges-ts", format!("-map 1 {vod} -hls_flags single_file master.m3u8"), 1),
        ("secret", format!("-map 1 {vod} {keys} master.m3u8"), 1),
        ("secret-two", format!("{two} {vod} {keys} {variants} -hls_segment_filename %v-%d.ts %v.m3u8"), 2),
    ] {
        ffmpeg(&dir.path().join(name), &inputs, &args).run().success();
        let nginx = Nginx::serve(dir.path());
        let file = dir.path().join("film.ts");
        let url = format!("http://{}/{name}/master.m3u8", nginx.addr);
        let watched = watch(&url, &["--fast", "--record", &file.display().to_string()]);
        assert_eq!((watched.figure("failures"), watched.figure("gaps")), (0.0, 0.0), "{name}: {watched:?}");
        assert_eq!(Sources::of(&TWO).judge(&file), renditions, "{name}: {watched:?}");
    }
}

#[test]
fn a_live_stream_of_ffmpeg_behind_nginx_is_played() {
    let dir = tempfile::tempdir().unwrap();
    let input = repeated("240p.mp4", 20, dir.path());
    let folder = dir.path().join("live");
    let args = "-re |-c copy -f hls -hls_time 2 -hls_list_size 4 -hls_flags delete_segments+program_date_time index.m3u8";
    let encoder = ffmpeg(&folder, &[&input], args).start();
    let nginx = Nginx::serve(dir.path());
    super::super::origin::until(nginx.addr, "/live/index.m3u8", |reply| {
        reply.status == 200 && reply.text().matches("#EXTINF").count() >= 3
    });
    let file = dir.path().join("live.ts");
    let url = format!("http://{}/live/index.m3u8", nginx.addr);
    let watched = watch(&url, &["--for", "9s", "--record", &file.display().to_string()]);
    assert_eq!((&watched.events[0]["live"], watched.figure("gaps")), (&true.into(), 0.0), "{watched:?}");
    assert!(watched.all("loaded").len() >= 5 && watched.figure("played") >= 2000.0, "{watched:?}");
    decodes(&file);
    drop(encoder);
}
