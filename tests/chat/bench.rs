//! The command `chat bench`: what it measures, and that its check can fail.

use serde_json::Value;

use super::Server;
use crate::support::command::wireworks;
use crate::support::process::Ended;

/// Runs it, for a moment.
#[track_caller]
pub(super) fn bench(url: &str, args: &[&str]) -> Ended {
    wireworks(&[&["chat", "bench", url, "--duration", "300ms", "--json"], args].concat()).wait()
}

fn report(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap()
}

#[test]
fn members_hear_everything_by_either_door() {
    let mut server = Server::with(&["--no-limits", "--irc", "127.0.0.1:0"]);
    let (json, irc) = (format!("ws://{}", server.addr), server.process.address("irc"));
    let irc = format!("irc://{irc}");
    for (url, args, heard_of_one) in [
        (&json, &["-m", "20", "-w", "8"][..], 19),
        (&json, &["-m", "20", "-s", "20", "-w", "2", "--size", "1KiB", "--threads", "2"], 19),
        // Six members of each room, four senders.
        (&json, &["-m", "12", "-r", "4", "--joins", "2", "-s", "4", "--rate", "200/s"], 5),
        (&json, &["-m", "5", "-s", "2", "--reconnect"], 4),
        // By IRC, who says something hears it, too.
        (&irc, &["-m", "20", "-s", "3", "-w", "8"], 20),
    ] {
        let report = report(&bench(url, args).success());
        let said = report["messages"]["acknowledged"].as_u64().unwrap();
        assert!(said > 0 && report["passed"] == true, "{args:?}: {report}");
        assert_eq!(report["deliveries"]["count"], said * heard_of_one, "{args:?}: {report}");
        assert!(report["delivery"]["p50"].as_f64().unwrap() > 0.0, "{report}");
    }
}

#[test]
fn what_goes_wrong_is_said_and_fails() {
    // With its usual limits the server refuses to be measured.
    let server = Server::with(&[]);
    let url = format!("ws://{}", server.addr);
    let ended = bench(&url, &["-m", "2", "-w", "64"]);
    assert_eq!(ended.status.code(), Some(1));
    assert!(ended.stderr.contains("error: the check failed"), "{}", ended.stderr);
    let report = report(&ended);
    assert_eq!(report["passed"], false);
    let errors = report["errors"].as_array().unwrap();
    assert!(errors.iter().any(|error| error["what"] == "send was refused: slow_down"), "{report}");
    for (url, args, status, words) in [
        ("ftp://a.test", &[][..], 64, "the URL cannot be used"),
        ("irc://127.0.0.1:1", &["--reconnect"], 64, "--reconnect: by IRC"),
        ("irc://127.0.0.1:1", &["--size", "1KiB"], 64, "--size: by IRC, the longest text is 350B"),
        ("ws://127.0.0.1:1", &["-m", "1"], 1, "the check failed"),
    ] {
        let ended = bench(url, args);
        assert_eq!(ended.status.code(), Some(status), "{url}: {}", ended.stderr);
        assert!(ended.stderr.contains(words), "{url}: {}", ended.stderr);
    }
}
