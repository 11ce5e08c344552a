//! How `wireworks ws connect` ends: when, and with which exit status.

use std::io::{Read, Write};
use std::sync::mpsc::channel;

use rustix::process::Signal;

use super::far_end::{accept, odd, open, raw};
use super::{client, failure, serve, talk};
use crate::support::PATIENCE;
use crate::support::command::stop;

#[test]
fn each_close_code_has_its_status() {
    let (_running, url) = odd();
    let rows = [
        (0, &[1000, 1001][..]),
        (2, &[1002, 1003, 1007, 1009, 1010]),
        (3, &[1008, 1011, 1012, 1013, 1014]),
        (4, &[3000, 4999]),
    ];
    for (status, codes) in rows {
        for code in codes {
            let ended = talk(&["--wait", "1h", &format!("{url}/close/{code}")], b"");
            assert_eq!(ended.status.code(), Some(status), "{code}: {}", ended.stderr);
            let line = ended.stderr.lines().last().unwrap();
            let start = if status == 0 { "" } else { "error: " };
            let start = format!("{start}the server closed with {code}");
            assert!(line.starts_with(&start) && line.ends_with(": as asked"), "{line}");
        }
    }
}

#[test]
fn what_breaks_the_protocol_is_2_and_what_is_lost_is_1() {
    let rows: [(&[u8], i32, &str); 4] = [
        (b"\x88\x00", 0, ""),
        (b"\x83\x00", 2, "opcode 0x3 is reserved"),
        (b"\x81\x01\xff", 2, "a text message is not UTF-8"),
        (b"", 1, "the connection ended without a close frame"),
    ];
    for (bytes, status, error) in rows {
        let (addr, server) = raw(move |listener| open(listener).write_all(bytes).unwrap());
        let ended = talk(&["--wait", "1h", &format!("ws://{addr}/")], b"");
        assert_eq!(ended.status.code(), Some(status), "{}", ended.stderr);
        assert!(ended.stderr.contains(error), "{}", ended.stderr);
        server.join().unwrap();
    }
}

#[test]
fn a_message_over_the_limit_is_2() {
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    talk(&["--max-message", "5B", "--send", "12345", &echo], b"").success();
    failure(&talk(&["--max-message", "5B", "--send", "123456", &echo], b""), 2);
    stop(server);
}

#[test]
fn no_connection_is_1_and_one_line() {
    let (server, url) = serve(&[]);
    let error = failure(&talk(&[&format!("{url}/nothing")], b""), 1);
    assert!(error.contains("answers 404 Not Found"), "{error}");
    stop(server);
    let error = failure(&talk(&[&format!("{url}/echo")], b""), 1);
    assert!(error.contains("connection refused"), "{error}");

    let (done, wait) = channel::<()>();
    let (addr, silent) = raw(move |listener| {
        let _open = accept(listener);
        wait.recv_timeout(PATIENCE).unwrap();
    });
    let error = failure(&talk(&["--timeout", "100ms", &format!("ws://{addr}/")], b""), 1);
    assert!(error.contains("100ms"), "{error}");
    done.send(()).unwrap();
    silent.join().unwrap();
}

#[test]
fn a_command_line_that_makes_no_sense_is_64() {
    for args in [
        &[][..],
        &["ws://a/", "ws://b/"],
        &["http://a/"],
        &["ws://a/", "--surely-not"],
        &["ws://a/", "--header", "none"],
        &["ws://a/", "--header", "Host: a"],
        &["ws://a/", "--subprotocol", "a b"],
        &["ws://a/", "--user", "none"],
        &["ws://u:p@a/", "--user", "u:p"],
        &["ws://a/", "--insecure"],
        &["ws://a/", "--raw", "--binary-out", "f"],
        &["ws://a/", "--ping", "0s"],
        &["ws://a/", "--count", "0"],
        &["ws+unix:/a", "--proxy", "http://a"],
    ] {
        let ended = talk(args, b"");
        assert_eq!(ended.status.code(), Some(64), "{args:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: "), "{args:?}: {}", ended.stderr);
    }
}

#[test]
fn a_number_of_messages_ends_it() {
    let (_running, url) = odd();
    let ended = talk(&["--count", "3", &format!("{url}/flood")], b"").success();
    assert_eq!(ended.text(), "again\nagain\nagain\n");
    let error = failure(&talk(&["--count", "2", "--wait", "1ms", &format!("{url}/deaf")], b"a\n"), 1);
    assert_eq!(error, "0 of 2 messages came");
    let error = failure(&talk(&["--count", "2", &format!("{url}/close/1000")], b""), 1);
    assert_eq!(error, "0 of 2 messages came");
}

#[test]
fn input_that_is_no_text_ends_it_behind_what_came_before() {
    let (server, url) = serve(&[]);
    let ended = talk(&[&format!("{url}/echo")], b"a\n\xff\n");
    assert_eq!(failure(&ended, 1), "line 2 of the input is not UTF-8; --binary sends bytes as they are");
    stop(server);
}

#[test]
fn a_signal_closes_in_order() {
    let (_running, url) = odd();
    for signal in [Signal::INT, Signal::TERM] {
        let mut client = client("connect", &["--wait", "1h", &format!("{url}/deaf")], b"");
        client.wait_for_stderr("connected to ");
        client.signal(signal);
        let ended = client.wait().success();
        assert!(ended.stderr.ends_with("closed with 1000 (normal closure)\n"), "{}", ended.stderr);
    }
}

#[test]
fn a_second_signal_ends_it_at_once_and_so_does_one_before_the_opening() {
    let (told, close) = channel();
    let (addr, server) = raw(move |listener| {
        let mut tcp = open(listener);
        let mut frame = [0; 8];
        tcp.read_exact(&mut frame).unwrap();
        told.send(frame[0]).unwrap();
        // It never answers.
        drop(tcp.read_to_end(&mut Vec::new()));
    });
    let mut talking = client("connect", &["--no-deflate", "--wait", "1h", &format!("ws://{addr}/")], b"");
    talking.wait_for_stderr("connected to ");
    talking.signal(Signal::INT);
    assert_eq!(close.recv_timeout(PATIENCE), Ok(0x88));
    talking.signal(Signal::INT);
    assert_eq!(failure(&talking.wait(), 130), "interrupted");
    server.join().unwrap();

    let (told, asked) = channel();
    let (addr, server) = raw(move |listener| {
        let mut tcp = accept(listener);
        told.send(()).unwrap();
        drop(tcp.read_to_end(&mut Vec::new()));
    });
    let opening = client("connect", &[&format!("ws://{addr}/")], b"");
    asked.recv_timeout(PATIENCE).unwrap();
    opening.signal(Signal::INT);
    assert_eq!(failure(&opening.wait(), 130), "interrupted");
    server.join().unwrap();
}

#[test]
fn a_lost_connection_is_made_again() {
    let (addr, server) = raw(|listener| {
        drop(accept(listener)); // before the handshake
        open(listener).write_all(b"\x81\x03one").unwrap(); // and cut
        open(listener).write_all(b"\x81\x03two\x88\x02\x03\xe9").unwrap(); // 1001
        open(listener).write_all(b"\x81\x05three\x88\x02\x03\xe8").unwrap(); // 1000
    });
    let ended = talk(&["--reconnect", "--wait", "1h", &format!("ws://{addr}/")], b"").success();
    assert_eq!(ended.text(), "one\ntwo\nthree\n");
    assert_eq!(ended.stderr.matches("; connecting again\n").count(), 2, "{}", ended.stderr);
    assert!(ended.stderr.contains("will try again"), "{}", ended.stderr);
    server.join().unwrap();

    let (addr, server) = raw(|listener| drop(open(listener)));
    let url = format!("ws://{addr}/");
    let error = failure(&talk(&["--reconnect", "--wait", "100ms", &url], b""), 1);
    assert_eq!(error, "the connection was lost, and not made again in time");
    server.join().unwrap();

    let (_running, url) = odd();
    failure(&talk(&["--reconnect", &format!("{url}/close/1008")], b""), 3);
    failure(&talk(&["--reconnect", &format!("{url}/nothing")], b""), 1);
}
