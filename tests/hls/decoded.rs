//! What ffmpeg says of a file of media, where it must have nothing to complain of.

use std::path::Path;

use crate::support::tool::Tool;

/// What a tool of ffmpeg's says. In `args`, what stands before a `|` goes in front of the input.
#[track_caller]
pub(super) fn asked(tool: &str, input: &Path, args: &str) -> String {
    let before = ["-v", "error"].map(str::to_owned);
    let (front, behind) = args.split_once('|').unwrap_or(("", args));
    let words = |words: &str| words.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let input = ["-i".to_owned(), input.display().to_string()];
    let ended =
        Tool::new(tool).args([&before[..], &words(front), &input, &words(behind)].concat()).run().success();
    assert_eq!(ended.stderr, "", "{tool} {args}");
    ended.text()
}

/// That a decoder goes through all of a file without a word.
#[track_caller]
pub(super) fn decodes(path: &Path) {
    asked("ffmpeg", path, "-xerror | -map 0 -f null -");
}

/// The pictures of a file as they are decoded: each by its time in hundredths of a second from the first one, and its hash.
#[track_caller]
pub(super) fn pictures(path: &Path) -> Vec<(i64, String)> {
    let text = asked(
        "ffmpeg",
        path,
        "-xerror | -map 0:v:0 -autoscale 0 -fps_mode passthrough -copyts -f framemd5 -",
    );
    let base = text.lines().find_map(|line| line.strip_prefix("#tb 0: 1/")).unwrap().parse::<i64>().unwrap();
    let picture = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        (fields[2].parse::<i64>().unwrap() * 100 / base, fields[5].to_owned())
    };
    let all: Vec<(i64, String)> = text.lines().filter(|line| !line.starts_with('#')).map(picture).collect();
    let first = all.first().map_or(0, |first| first.0);
    all.into_iter().map(|(time, hash)| (time - first, hash)).collect()
}

/// The frames of sound of a file.
#[track_caller]
pub(super) fn frames(path: &Path) -> usize {
    let text = asked(
        "ffprobe",
        path,
        "-select_streams a:0 -count_frames -show_entries stream=nb_read_frames -of default=nw=1:nk=1",
    );
    text.lines().next().unwrap().trim().parse().unwrap()
}
