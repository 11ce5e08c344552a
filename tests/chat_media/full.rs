//! A disk without room: uploads are refused in order, nothing is left of them, and what is there is shown.
//!
//! The limit is one of the system on the size of a file, which this test sets for a second process: itself, with an environment variable that says
//! which half it is.

use std::process::Command;

use super::{Files, sha256};

const SECOND: &str = "WIREWORKS_TEST_OF_A_FULL_DISK";

#[test]
fn a_full_disk_refuses_uploads_and_shows_what_is_there() {
    if std::env::var_os(SECOND).is_some() {
        return with_little_room();
    }
    // 512 KiB a file. Without `trap`, the system would end the process.
    let script = "trap '' XFSZ; ulimit -f 1024; exec \"$@\"";
    let this = std::env::current_exe().unwrap();
    let test = "chat_media::full::a_full_disk_refuses_uploads_and_shows_what_is_there";
    let second = Command::new("bash")
        .args(["-c", script, "bash"])
        .arg(this)
        .args(["--exact", test, "--nocapture"])
        .env(SECOND, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stdout);
    assert!(
        second.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&second.stderr)
    );
}

fn with_little_room() {
    let files = Files::new();
    let small = files.keep(&[b'a'; 300_000]);
    let response = files.upload(&[b'b'; 3_000_000]);
    assert_eq!(response.status, 507, "{}", response.text());
    assert!(response.text().contains("no room left for files"), "{}", response.text());
    assert_eq!(files.files("incoming").len(), 0, "no rest is left");
    assert!(files.describe(&sha256(&[b'b'; 3_000_000])).is_none());
    assert_eq!(files.get(&files.link(&small), "").body.len(), 300_000);
    assert_eq!(files.upload(&[b'c'; 400_000]).status, 201, "what there is room for is taken");
}
