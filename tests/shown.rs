//! The commands that the pages show, typed as they stand: in the README, in the pages of `docs`, and at the top of each example.
//!
//! A page is read from its top, as a person would who tries it; `page.rs` says what of it is typed, and `reader.rs` how.

mod page;
mod reader;

use std::fs;
use std::path::{Path, PathBuf};

use self::page::Part;
use self::reader::Reader;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Types every command of a page, and says how many there were.
#[track_caller]
fn follow(text: &str) -> usize {
    let mut reader = Reader::new();
    for part in page::parts(text) {
        match part {
            Part::Command(command) => reader.types(&command),
            Part::Printed(text) => reader.sees(&text),
            Part::File { name, text } => reader.writes(&name, &text),
        }
    }
    reader.leaves()
}

#[test]
fn the_readme_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("README.md")).unwrap());
    assert!(commands >= 12, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_http_server_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/http.md")).unwrap());
    assert!(commands >= 30, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_sockets_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/websocket.md")).unwrap());
    assert!(commands >= 10, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_calls_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/rpc.md")).unwrap());
    assert!(commands >= 10, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_balancer_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/balance.md")).unwrap());
    assert!(commands >= 10, "only {commands} commands were found");
}

#[test]
fn the_page_of_http_live_streaming_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/hls.md")).unwrap());
    assert!(commands >= 6, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_player_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/hls-play.md")).unwrap());
    assert!(commands >= 6, "only {commands} commands were found");
}

#[test]
fn the_page_of_simulations_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/abr.md")).unwrap());
    assert!(commands >= 3, "only {commands} commands were found");
}

#[test]
fn the_page_of_live_streams_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/hls-live.md")).unwrap());
    assert!(commands >= 5, "only {commands} commands were found");
}

#[test]
fn the_page_of_publishers_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/hls-publish.md")).unwrap());
    assert!(commands >= 9, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_share_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/share.md")).unwrap());
    assert!(commands >= 3, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_daemon_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/share-daemon.md")).unwrap());
    assert!(commands >= 3, "only {commands} commands were found");
}

#[test]
fn the_page_of_the_tracker_can_be_followed() {
    let commands = follow(&fs::read_to_string(root().join("docs/share-tracker.md")).unwrap());
    assert!(commands >= 8, "only {commands} commands were found");
}

/// The faults that the page of the balancer shows are those of a file with two mistakes.
#[test]
fn the_faults_of_a_balancers_file_are_told_as_shown() {
    let text = fs::read_to_string(root().join("docs/balance.md")).unwrap();
    let shown = page::parts(&text).find_map(|part| match part {
        Part::Printed(text) if text.starts_with("error: ") => Some(text.trim_end().to_owned()),
        _ => None,
    });
    let mut reader = Reader::new();
    reader.writes("lb.toml", "[[listener]]\nlisten = \":8080\"\nto = \"wep\"\n[upstream.web]\nalgorithm = \"best\"\nbackends = [\"a:1\"]\n");
    let told = reader.fails("wireworks balance --config lb.toml --check");
    assert_eq!(Some(told), shown, "the page shows other faults");
}

/// An error that a page shows is the error of its own file with a letter left out.
#[test]
fn a_mistake_in_the_file_of_the_page_is_told_as_shown() {
    let text = fs::read_to_string(root().join("docs/http.md")).unwrap();
    let parts: Vec<Part> = page::parts(&text).collect();
    let file = parts.iter().find_map(|part| match part {
        Part::File { name, text } => Some((name, text)),
        _ => None,
    });
    let error = parts.iter().find_map(|part| match part {
        Part::Printed(text) if text.starts_with("error: ") => Some(text.trim_end()),
        _ => None,
    });
    let (name, text) = file.expect("a file in the page");
    let mut reader = Reader::new();
    reader.writes(name, &text.replace("\nlisten ", "\nlisen "));
    assert_eq!(
        reader.fails(&format!("wireworks http --config {name}")),
        error.expect("an error in the page")
    );
}

#[test]
fn each_example_answers_the_commands_at_its_top() {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path = entry.unwrap().path();
        // Folders hold configurations, which have tests of their own.
        if path.is_dir() {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().map_while(|line| line.strip_prefix("//!"));
        let page: String = lines.map(|line| format!("{}\n", line.trim_start())).collect();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            page.contains(&format!("cargo run --release --example {name}")),
            "{name} does not say how it is run"
        );
        assert!(follow(&page) >= 2, "{name} is asked nothing");
        names.push(name);
    }
    assert!(names.len() >= 6, "{names:?}");
}
