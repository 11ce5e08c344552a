//! What `wireworks ws connect` sends and shows, option by option.

use std::fs;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustix::process::Signal;

use super::far_end::{accept, head, odd, raw};
use super::{client, failure, serve, talk};
use crate::support::certificate::certificate;
use crate::support::command::{stop, wireworks};
use crate::support::process::Process;

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn a_line_in_is_a_message_and_a_message_is_a_line_out() {
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    let ended = talk(&[&echo], "one\ntwo words\r\n\n\u{e9}".as_bytes()).success();
    assert_eq!(ended.text(), "one\ntwo words\n\n\u{e9}\n");
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            &*format!("connected to {echo}, compression shared, window 15"),
            "closed with 1000 (normal closure)"
        ]
    );
    stop(server);
}

#[test]
fn many_lines_come_back_in_order() {
    let (server, url) = serve(&[]);
    let lines: String = (0..20_000).map(|line| format!("line {line}\n")).collect();
    assert_eq!(talk(&[&format!("{url}/echo")], lines.as_bytes()).success().text(), lines);
    stop(server);
}

#[test]
fn texts_of_the_command_line_go_instead_of_the_input() {
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    let ended = talk(&["--send", "hello", &echo, "--send", "--count"], b"unread\n").success();
    assert_eq!(ended.text(), "hello\n--count\n");
    stop(server);
}

#[test]
fn json_is_laid_out() {
    let (server, url) = serve(&[]);
    let ended = talk(&["--json", &format!("{url}/echo")], b"{\"b\":1,\"a\":[]}\nno\n").success();
    assert_eq!(ended.text(), "{\n  \"b\": 1,\n  \"a\": []\n}\nno\n");
    stop(server);
}

#[test]
fn files_are_binary_messages() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to) = (folder.path().join("from"), folder.path().join("to"));
    let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[n as usize % 3]).collect();
    fs::write(&from, &bytes).unwrap();
    fs::write(&to, "what was there before").unwrap();
    let (server, url) = serve(&[]);
    let echo = format!("{url}/echo");
    let both = ["--send", "text", "--binary", text(&from), "--binary-out", text(&to), &echo];
    assert_eq!(talk(&both, b"").success().text(), "text\n");
    assert_eq!(fs::read(&to).unwrap(), bytes);
    assert_eq!(talk(&["--binary", "-", "--raw", &echo], &bytes).success().stdout, bytes);
    assert_eq!(talk(&["--binary", "-", &echo], b"\x00\xff").success().text(), "binary, 2 bytes: 00 ff\n");
    let error = failure(&talk(&["--binary", "/nonexistent", &echo], b""), 1);
    assert!(error.starts_with("cannot open /nonexistent: "), "{error}");
    let error = failure(&talk(&["--binary-out", "/nonexistent/a", &echo], b""), 1);
    assert!(error.starts_with("cannot open /nonexistent/a: "), "{error}");
    stop(server);
}

#[test]
fn binary_messages_are_shown_or_written() {
    let (_running, url) = odd();
    let binary = format!("{url}/binary");
    let shown = talk(&["--count", "3", &binary], b"").success().text();
    assert_eq!(shown, format!("binary, 2 bytes: 00 01\ntext\nbinary, 40 bytes:{} ...\n", " 78".repeat(32)));
    let raw = talk(&["--count", "3", "--raw", &binary], b"").success().stdout;
    assert_eq!(raw, [&b"\x00\x01text\n"[..], &[b'x'; 40]].concat());
}

#[test]
fn the_request_says_what_was_asked_for() {
    let (_running, url) = odd();
    let headers = format!("{url}/headers");
    let ask = |args: &[&str]| {
        let ended = talk(&[args, &["--count", "5", &headers]].concat(), b"").success();
        ended.text().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let said = ask(&["-H", "X-A: b:c", "--user", "me:se:cret", "--origin", "https://example.org"]);
    assert_eq!(
        said[..3],
        ["x-a: b:c", "authorization: Basic bWU6c2U6Y3JldA==", "origin: https://example.org"]
    );
    assert_eq!(said[3], "sec-websocket-extensions: permessage-deflate; client_max_window_bits");
    assert_eq!(said[4], "sec-websocket-protocol: none");
    let said = ask(&["--no-deflate", "-s", "b", "-s", "a"]);
    assert_eq!(
        said,
        [
            "x-a: none",
            "authorization: none",
            "origin: none",
            "sec-websocket-extensions: none",
            "sec-websocket-protocol: b, a"
        ]
    );
    let said = ask(&["--no-deflate", "--deflate=shared"]);
    assert!(said[3].contains("server_no_context_takeover"), "the last one counts: {said:?}");
    assert_eq!(ask(&["--deflate", "--no-deflate"])[3], "sec-websocket-extensions: none");
}

#[test]
fn what_was_agreed_on_is_told() {
    let (server, url) =
        serve(&["--subprotocol", "v1.chat", "--deflate", "dedicated", "--deflate-window", "12"]);
    let ended = talk(&["-s", "v2.chat", "-s", "v1.chat", &format!("{url}/echo")], b"").success();
    let agreed = format!("connected to {url}/echo, subprotocol v1.chat, compression dedicated, window 12\n");
    assert!(ended.stderr.starts_with(&agreed), "{}", ended.stderr);
    stop(server);
}

#[test]
fn pings_are_measured() {
    let (_running, url) = odd();
    let mut client = client("connect", &["--ping", "1ms", "--wait", "1h", &format!("{url}/deaf")], b"");
    for _ in 0..2 {
        client.wait_for_stderr("pong after ");
    }
    client.signal(Signal::INT);
    let ended = client.wait().success();
    let trip = ended.stderr.lines().find_map(|line| line.strip_prefix("pong after ")).unwrap();
    let trip: f64 = trip.strip_suffix(" ms").unwrap().parse().unwrap();
    assert!(trip > 0.0 && trip < 20_000.0, "{trip}");
}

#[test]
fn certificates_are_checked_unless_nobody_wants_to() {
    let folder = tempfile::tempdir().unwrap();
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    certificate(&cert, &key, "localhost");
    let (server, url) = serve(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let echo = format!("{url}/echo");
    for args in [&["--ca", text(&cert)][..], &["--insecure"], &["-k"]] {
        assert_eq!(talk(&[args, &["--send", "a", &echo]].concat(), b"").success().text(), "a\n", "{args:?}");
    }
    let error = failure(&talk(&[&echo], b""), 1);
    assert!(error.contains("certificate"), "{error}");
    stop(server);

    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&authority_key).unwrap();
    let our_key = KeyPair::generate().unwrap();
    let issuer = Issuer::new(params, authority_key);
    let ours = CertificateParams::new(["client".to_owned()]).unwrap().signed_by(&our_key, &issuer).unwrap();
    let file = |name: &str, pem: String| {
        let path = folder.path().join(name);
        fs::write(&path, pem).unwrap();
        text(&path).to_owned()
    };
    let authority = file("ca.pem", authority.pem());
    let (our_cert, our_key) = (file("ours.pem", ours.pem()), file("ours.key", our_key.serialize_pem()));
    let (server, url) =
        serve(&["--tls-cert", text(&cert), "--tls-key", text(&key), "--tls-client-ca", &authority]);
    let echo = format!("{url}/echo");
    let trusted = ["--ca", text(&cert), "--send", "a", &echo];
    let ended = talk(&[&["--cert", &our_cert, "--key", &our_key], &trusted[..]].concat(), b"").success();
    assert_eq!(ended.text(), "a\n");
    failure(&talk(&trusted, b""), 1);
    stop(server);
}

#[test]
fn a_proxy_is_gone_through() {
    let (server, url) = serve(&[]);
    let (proxy, tunnel) = raw(|listener| {
        let mut client = accept(listener);
        let asked = head(&mut client);
        let target = asked.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).unwrap();
        assert!(asked.contains("Basic bWU6c2VjcmV0"), "{asked}");
        let server = TcpStream::connect(target).unwrap();
        client.write_all(b"HTTP/1.1 200 X\r\n\r\n").unwrap();
        let (mut up, mut down) =
            ((client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client));
        let upward = thread::spawn(move || {
            io::copy(&mut up.0, &mut up.1).unwrap();
            drop(up.1.shutdown(Shutdown::Write));
        });
        drop(io::copy(&mut down.0, &mut down.1));
        drop(down.1.shutdown(Shutdown::Write));
        upward.join().unwrap();
    });
    let proxy = format!("http://me:secret@{proxy}");
    let ended = talk(&["--proxy", &proxy, "--send", "a", &format!("{url}/echo")], b"").success();
    assert_eq!(ended.text(), "a\n");
    tunnel.join().unwrap();
    stop(server);
}

#[test]
fn a_unix_socket_is_a_place_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ws.sock");
    let mut server = wireworks(&["ws", "serve", "--listen", &format!("unix:{}", path.display())]);
    server.listening("ws");
    let url = format!("ws+unix:{}:/echo", path.display());
    assert_eq!(talk(&["--send", "a", &url], b"").success().text(), "a\n");
    stop(server);
}

#[test]
fn a_reader_that_goes_ends_it_well() {
    let (_running, url) = odd();
    let script = "set -o pipefail; \"$0\" ws connect --wait 1h \"$1\" | head -n 2";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, env!("CARGO_BIN_EXE_wireworks"), &format!("{url}/flood")]);
    assert_eq!(Process::start(&mut bash, Vec::new()).wait().success().text(), "again\nagain\n");
}
