//! The whole terminal.

use super::super::origin::{media, package, serve};
use super::LADDER;
use crate::support::command::stop;
use crate::support::terminal::Terminal;

#[test]
fn a_terminal_shows_how_it_goes() {
    let dir = tempfile::tempdir().unwrap();
    let inputs = LADDER.map(media);
    let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let out = dir.path().join("film");
    package(&out, &[&inputs[..], &["--segment", "1s"]].concat());
    let (server, address) = serve(&[&out.display().to_string()]);
    let program = env!("CARGO_BIN_EXE_wireworks");
    let line = format!(
        "'{program}' hls play http://{address}/film/master.m3u8 --buffer 4s; echo ended with $?; stty -a | grep -c ' echo '; read x"
    );
    let terminal = Terminal::run((100, 30), &line);
    let seen = terminal.shows(&[
        "plays",
        "240p",
        "480p",
        "of 16.00 s",
        "network",
        "events",
        "opened: 16.00 s",
        "buffer, s",
    ]);
    assert!(seen.contains(&format!("http://{address}/film/master.m3u8 by lookahead")), "{seen}");
    terminal.tmux(&["resize-window", "-x", "50", "-y", "15"]);
    terminal.shows(&["plays", "480p"]);
    terminal.presses("q");
    // The terminal is as it was, with the figures on it.
    let seen = terminal.shows(&["played", "startup", "score", "ended with 0"]);
    assert!(!seen.contains("buffer, s"), "{seen}");
    terminal.shows(&["ended with 0\n1"]);
    stop(server);
}
