//! What goes wrong: a kill in the middle, a peer that lies, a disk that is full.

use std::path::Path;

use rustix::process::Signal;

use super::network::{Network, address, share};
use super::tree::{PIECE, Torrent, assert_same, plant, size};
use crate::support::command::wireworks;
use crate::support::process::Process;

/// A seed that speaks BEP 3 and no more, as it is told to.
fn plain(network: &Network, host: u8, torrent: &Torrent, data: &Path, more: &[&str]) -> Process {
    let program = network.python(include_str!("../data/share/plain_seed.py"));
    let args = [torrent.file.clone(), data.display().to_string(), address(host)];
    let mut seed = program.args(args).args(more).start_typing();
    seed.listening("seed");
    seed
}

#[test]
fn what_was_verified_when_the_command_was_killed_is_not_fetched_again() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    let torrent = Torrent::make(dir.path(), "v1", &[]);
    // The first run gets thirty pieces, and is killed when it has told of twenty.
    let mut seed = plain(&network, 1, &torrent, dir.path(), &["--most", &(30 * PIECE).to_string()]);
    let out = dir.path().join("out");
    let (to, from, at) = (out.display().to_string(), address(1), address(2));
    let get = network.ours(&[
        "get",
        "-q",
        &torrent.file,
        "-o",
        &to,
        "--peer",
        &from,
        "--listen",
        &at,
        "--encryption",
        "refuse",
    ]);
    seed.wait_for_stdout("have 20\n");
    get.signal(Signal::KILL);
    get.wait();
    let verified =
        wireworks(&["share", "verify", "-q", &torrent.file, "-d", &out.display().to_string()]).wait();
    let all = torrent.shown["pieces"].as_u64().unwrap();
    let missing =
        verified.stderr.split_whitespace().nth(2).and_then(|word| word.parse::<u64>().ok()).unwrap();
    assert!(missing <= all - 20, "what peers were told of is there: {}", verified.stderr);
    let get = network.fetches(2, &torrent.file, &out, Some(1), &["--encryption", "refuse"]);
    get.wait().success();
    assert_same(dir.path(), &out, "after the kill");
    // The last piece is shorter, and may be among those that were there.
    let most = missing as usize * PIECE;
    let short = PIECE - size() % PIECE;
    let sent = [most - short, most].map(|sent| format!("left {sent} {missing}\n"));
    wait_for_either(&mut seed, &sent);
}

/// Waits until one of two texts was written.
#[track_caller]
fn wait_for_either(process: &mut Process, texts: &[String; 2]) {
    while !texts.iter().any(|text| process.has_said(text)) {
        process.wait_for_more();
    }
}

#[test]
fn a_seed_that_lies_is_banned_and_the_rest_comes_from_another() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let network = Network::new();
    let torrent = Torrent::make(dir.path(), "v1", &[]);
    let mut liar = plain(&network, 1, &torrent, dir.path(), &["--bad", "--back", &address(2)]);
    let out = dir.path().join("out");
    let get = network.fetches(2, &torrent.file, &out, Some(1), &["--encryption", "refuse"]);
    // It is cut off, and not let in when it comes back.
    liar.wait_for_stdout("refused\n");
    let _seed = network.seeds(3, &[&torrent], dir.path(), &["--peer", &address(2)]);
    get.wait().success();
    assert_same(dir.path(), &out, "beside a liar");
}

#[test]
fn a_full_disk_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    plant(dir.path());
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let network = Network::with(&format!("mount -t tmpfs -o size=1m none '{}'", disk.display()));
    let torrent = Torrent::make(dir.path(), "hybrid", &[]);
    share(&["verify", "-q", &torrent.file, "-d", &dir.path().display().to_string()]);
    let _seed = network.seeds(1, &[&torrent], dir.path(), &[]);
    let ended = network.fetches(2, &torrent.file, &disk, Some(1), &[]).wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(
        ended.stderr.starts_with("error: ") && ended.stderr.contains("No space left"),
        "{}",
        ended.stderr
    );
}
