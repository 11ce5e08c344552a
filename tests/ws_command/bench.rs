//! What `wireworks ws bench` measures, and what it calls a failure.

use rustix::process::Signal;
use serde_json::Value;

use super::far_end::{odd, open, raw, telling};
use super::{client, failure, serve};
use crate::support::PATIENCE;
use crate::support::command::stop;
use crate::support::process::Ended;

fn bench(args: &[&str]) -> Ended {
    client("bench", args, b"").wait()
}

#[track_caller]
fn json(ended: &Ended) -> Value {
    serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", ended.stderr))
}

#[test]
fn messages_come_back_and_are_counted() {
    let (server, url) = serve(&["--deflate", "dedicated"]);
    let echo = format!("{url}/echo");
    for args in [
        &["-c", "7"][..],
        &["-c", "3", "--depth", "64", "--size", "1KiB", "--text", "--deflate"],
        &["-c", "5", "--threads", "2", "--deflate=shared", "--size", "0"],
        &["-c", "1", "--depth", "3", "--size", "200KiB"],
        &["-c", "4", "--rate", "2000/s"],
        &["-c", "200", "--no-check"],
    ] {
        let ended = bench(&[args, &["--messages", "100", "--json", &echo]].concat()).success();
        let report = json(&ended);
        assert_eq!(report["messages"]["answered"], 100, "{args:?}: {report}");
        assert_eq!(report["errors"].as_array().map(Vec::len), Some(0), "{args:?}: {report}");
        assert_eq!((&report["connections"]["lost"], &report["url"]), (&0.into(), &(*echo).into()));
        let connections: u64 = args[1].parse().unwrap();
        assert_eq!(report["connections"]["opened"], connections);
        let at = |part: &str| report["latency"][part].as_f64().unwrap();
        assert!(at("p50") > 0.0 && at("p50") <= at("p99") && at("p999") <= at("max"), "{args:?}: {report}");
    }
    stop(server);
}

#[test]
fn a_rate_is_kept_and_ends_in_time() {
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    let ended = bench(&["-c", "3", "--rate", "200/s", "--duration", "500ms", "--json", &echo]).success();
    let report = json(&ended);
    let messages = &report["messages"];
    let sum = messages["answered"].as_u64().unwrap() + messages["behind"].as_u64().unwrap();
    assert_eq!(sum, 100, "{report}");
    stop(server);
}

#[test]
fn a_table_is_for_people() {
    let (server, url) = serve(&[]);
    let text = bench(&["-c", "2", "--duration", "50ms", &format!("{url}/echo")]).success().text();
    let first = format!("{url}/echo: 2 sockets, 1 in flight on each, 16B of binary, ");
    assert!(text.starts_with(&first) && text.ends_with("\nerrors: none\n"), "{text}");
    for word in ["sockets", "opening", "messages", "latency", "99.9%", "a second"] {
        assert!(text.contains(word), "{text}");
    }
    stop(server);
}

#[test]
fn idle_sockets_are_held() {
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    let args = ["--idle", "-c", "50", "--connect-rate", "500/s", "--duration", "50ms", "--json", &echo];
    let report = json(&bench(&args).success());
    let connections = &report["connections"];
    assert_eq!((&connections["opened"], &connections["lost"]), (&50.into(), &0.into()));
    assert!(connections["seconds"].as_f64().unwrap() >= 49.0 / 500.0, "{report}");
    assert!(report["seconds"].as_f64().unwrap() >= 0.05 && report.get("messages").is_none(), "{report}");
    stop(server);
}

#[test]
fn what_fails_is_told_by_its_kind() {
    let (_running, url) = odd();
    let rows: [(&[&str], &str, &str, u64); 5] = [
        (&["--messages", "2"], "/wrong", "an answer is not what was sent", 2),
        (&["--messages", "2"], "/flood", "an answer is not what was sent", 2),
        (&["--messages", "2"], "/close/1011", "the server closed with 1011 (internal error)", 2),
        (&["--idle", "--duration", "1h"], "/close/1001", "the server closed with 1001 (going away)", 2),
        (&[], "/nothing", "answers 404 Not Found", 2),
    ];
    for (args, path, kind, count) in rows {
        let ended = bench(&[args, &["-c", "2", "--json", &format!("{url}{path}")]].concat());
        failure(&ended, 1);
        let report = json(&ended);
        let errors = report["errors"].as_array().unwrap();
        let found = errors.iter().find(|error| error["what"].as_str().unwrap().contains(kind));
        let found = found.unwrap_or_else(|| panic!("{path}: {report}"));
        assert!(found["count"].as_u64().unwrap() <= count, "{path}: {report}");
    }
    let ended =
        bench(&["--messages", "4", "-c", "2", "--no-check", "--json", &format!("{url}/wrong")]).success();
    assert_eq!(json(&ended)["messages"]["answered"], 4);
}

#[test]
fn a_socket_that_is_cut_is_lost_with_what_was_in_flight() {
    let (addr, server) = raw(|listener| drop(open(listener)));
    let ended = bench(&["-c", "1", "--depth", "8", "--json", &format!("ws://{addr}/")]);
    failure(&ended, 1);
    let report = json(&ended);
    assert_eq!((&report["connections"]["opened"], &report["connections"]["lost"]), (&1.into(), &1.into()));
    assert_eq!(report["messages"]["unanswered"], 8, "{report}");
    server.join().unwrap();
}

#[test]
fn a_signal_brings_the_report() {
    let (_running, url, told) = telling();
    for (path, args) in [
        ("/tenth", &["--messages", "1000000000"][..]),
        ("/tenth", &["--rate", "1000/s", "--duration", "1h"]),
        ("/open", &["--idle", "--duration", "1h"]),
    ] {
        let running = client("bench", &[args, &["-c", "1", "--json", &format!("{url}{path}")]].concat(), b"");
        told.recv_timeout(PATIENCE).unwrap();
        running.signal(Signal::INT);
        let ended = running.wait().success();
        let report = json(&ended);
        assert_eq!(
            (&report["connections"]["opened"], &report["connections"]["lost"]),
            (&1.into(), &0.into())
        );
        assert!(path == "/open" || report["messages"]["answered"].as_u64() >= Some(10), "{report}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_64() {
    for args in [
        &[][..],
        &["http://a/"],
        &["ws://a/", "-c", "0"],
        &["ws://a/", "--depth", "0"],
        &["ws://a/", "--depth", "2", "--rate", "1/s"],
        &["ws://a/", "--idle", "--size", "1"],
        &["ws://a/", "--size", "65MiB"],
        &["ws://a/", "--threads", "0"],
        &["ws://a/", "--rate", "5"],
        &["ws://a/", "--no-deflate"],
        &["ws://a/", "--ca", "f"],
    ] {
        let ended = bench(args);
        assert_eq!(ended.status.code(), Some(64), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    }
}
