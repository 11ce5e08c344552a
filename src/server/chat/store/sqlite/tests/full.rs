//! No room is left.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::*;

/// Names the small disk to the process that uses it.
const DISK: &str = "WIREWORKS_TEST_DISK";

/// Appends until the store is full. Says how many events it then has.
fn fill(store: &Sqlite, from: u64) -> u64 {
    let long = "x".repeat(20_000);
    for at in from..from + 10_000 {
        match wait(store.append(vec![draft(1, at, account(1), say(&long))])) {
            Ok(appended) => assert!(matches!(appended[..], [Appended::New(_)])),
            Err(StoreError::Full(why)) => {
                assert!(!why.is_empty());
                return wait(store.rooms()).unwrap()[0].head;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("it is never full");
}

#[test]
fn a_full_store_can_be_read_and_fails_only_what_does_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig { max_bytes: Some(1 << 20), ..SqliteConfig::default() };
    let store = Sqlite::open(folder.path(), &config).unwrap();
    room_with(&store, 1, "#a", &["word"]);
    let head = fill(&store, 5000);
    assert!(head > 10, "{head}");
    assert_eq!(everything(&store, 1).entries.len() as u64, head);
    // Queued together, so they are tried together: what fits does not fail with what does not.
    let huge = say(&"y".repeat(100_000));
    let answers = [
        store.append(vec![draft(1, 90_001, account(1), say("small"))]),
        store.append(vec![draft(1, 90_002, account(1), huge.clone())]),
        store.append(vec![draft(1, 90_003, account(1), say("small"))]),
    ];
    let outcomes = answers.map(wait);
    assert!(matches!(outcomes[1], Err(StoreError::Full(_))));
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok(), "{outcomes:?}");
    assert_eq!(everything(&store, 1).entries.len() as u64, head + 2);
    drop(store);
    let store = open(folder.path());
    assert_eq!(
        wait(store.append(vec![draft(1, 90_002, account(1), huge)])).unwrap(),
        [Appended::New(head + 3)]
    );
}

#[test]
#[ignore = "the process that another test gives a small disk"]
fn writes_to_a_small_disk() {
    let disk = PathBuf::from(std::env::var_os(DISK).expect("the disk"));
    let filler = disk.join("filler");
    std::fs::write(&filler, vec![0; 1 << 20]).unwrap();
    let store = open(&disk.join("store"));
    room_with(&store, 1, "#a", &["word"]);
    let head = fill(&store, 5000);
    assert!(head > 10, "{head}");
    assert_eq!(everything(&store, 1).entries.len() as u64, head);
    let search = super::super::super::history::Search {
        text: "word".into(),
        rooms: vec![RoomId(1)],
        by: None,
        after: None,
        before: None,
        limit: 5,
    };
    assert!(wait(store.search(search)).is_ok());
    assert!(matches!(wait(store.backup(disk.join("copy"))), Err(StoreError::Full(_))));
    assert!(!disk.join("copy").exists() && !disk.join("copy.partial").exists());
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(
        wait(store.append(vec![draft(1, 90_000, account(1), say("room"))])).unwrap(),
        [Appended::New(head + 1)]
    );
    drop(store);
    assert_eq!(everything(&open(&disk.join("store")), 1).entries.len() as u64, head + 1);
    println!("it was full");
}

/// A disk of 6 MiB, seen by one process only. Where the system lets nobody mount one, only the test above is left.
fn small_disk(at: &Path) -> Command {
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=6m none \"$0\" || { echo 'no small disk'; exit 0; }; exec \"$@\"";
    command.args(["--mount", "--map-root-user", "sh", "-c", script]).arg(at);
    command
}

#[test]
fn a_full_disk_stops_writing_until_there_is_room() {
    let disk = tempfile::tempdir().unwrap();
    let may_mount = small_disk(disk.path())
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success() && output.stdout.is_empty());
    let name = format!("{}::writes_to_a_small_disk", module_path!().split_once("::").unwrap().1);
    let output = small_disk(disk.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--ignored", "--nocapture"])
        .env(DISK, disk.path())
        .output();
    if may_mount {
        let output = output.unwrap();
        let said =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("it was full"), "{said}");
    } else {
        eprintln!("this system mounts no small disk: not tried");
    }
}
