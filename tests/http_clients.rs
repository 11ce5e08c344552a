//! The command `wireworks http` under curl, and under more clients than it has descriptors for.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::command::{server, stop};
use crate::support::process::{Ended, Process};
use crate::support::tool::Tool;
use crate::support::wire::Wire;

const BIG: usize = 5_000_000;

#[track_caller]
fn curl(args: &[&str]) -> Ended {
    Tool::new("curl").args(["-sS"]).args(args).run().success()
}

/// Bytes without a pattern that a lost or repeated block would leave whole.
fn big() -> Vec<u8> {
    let mut state = 1_u32;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    });
    bytes.take(BIG).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn curl_reads_the_demo() {
    let mut server = server(&[]);
    let base = format!("http://{}", server.address("http"));
    let ask = |args: &[&str], path: &str| curl(&[args, &[&format!("{base}{path}")]].concat());

    let reply = ask(&["-i"], "/plaintext").text();
    assert!(reply.starts_with("HTTP/1.1 200 OK\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\nHello, World!"), "{reply}");

    let reply = ask(&["-i"], "/stream/2").text();
    assert!(reply.contains("\r\ntransfer-encoding: chunked\r\n"), "{reply}");
    assert!(reply.ends_with("\r\n\r\n{\"line\":0}\n{\"line\":1}\n"), "{reply}");
    // A client of HTTP/1.0 knows no chunks: the end of the connection is the end of the body.
    let reply = ask(&["-i", "--http1.0"], "/stream/2").text();
    assert!(reply.contains("\r\nconnection: close\r\n"), "{reply}");
    assert!(!reply.contains("transfer-encoding"), "{reply}");
    assert!(reply.ends_with("\r\n\r\n{\"line\":0}\n{\"line\":1}\n"), "{reply}");

    let page = ask(&[], "/").stdout;
    let head = ask(&["-I"], "/").text();
    assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", page.len())), "{head}");
    assert!(head.ends_with("\r\n\r\n"), "{head}");

    let squeezed = ask(&["-i", "--compressed"], "/").stdout;
    let head = String::from_utf8_lossy(&squeezed[..squeezed.len() - page.len()]);
    assert!(head.contains("\r\ncontent-encoding: "), "{head}");
    assert!(squeezed.ends_with(&page));
    stop(server);
}

#[test]
fn curl_sends_five_megabytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("big");
    fs::write(&file, big()).unwrap();
    let mut server = server(&[]);
    let base = format!("http://{}", server.address("http"));
    let put = format!("{base}/name");
    for (expect, interim) in [("Expect: 100-continue", true), ("Expect:", false)] {
        let reply = curl(&["-i", "-H", expect, "-T", text(&file), &put]).text();
        assert_eq!(reply.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), interim, "{reply}");
        assert!(reply.ends_with("\r\n\r\n{\"path\":\"/name\",\"bytes\":5000000}"), "{reply}");
    }
    let data = format!("@{}", file.display());
    let echoed = folder.path().join("echoed");
    curl(&["--data-binary", &data, "-o", text(&echoed), &base]);
    assert!(fs::read(&echoed).unwrap() == big());
    stop(server);
}

#[test]
fn curl_reads_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let content = big();
    fs::write(folder.path().join("big"), &content).unwrap();
    let lines: String = (0..1000).map(|line| format!("{line}\n")).collect();
    fs::write(folder.path().join("lines.txt"), &lines).unwrap();
    let mut server = server(&[text(folder.path())]);
    let base = format!("http://{}", server.address("http"));
    let (big, small) = (format!("{base}/big"), format!("{base}/lines.txt"));

    assert!(curl(&[&big]).stdout == content);
    assert!(curl(&["-r", "4999990-", &big]).stdout == content[4_999_990..]);
    let head = curl(&["-I", &small]).text();
    let length = format!("\r\ncontent-length: {}\r\n", lines.len());
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(&length), "{head}");

    let reply = curl(&["-i", "-r", "0-99,200-299", &small]).text();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    let (_, boundary) = head.split_once("multipart/byteranges; boundary=").unwrap();
    let mark = format!("--{}", boundary.lines().next().unwrap());
    let parts: Vec<_> = body.split(&mark).collect();
    assert_eq!((parts.len(), parts[0], parts[3].trim_end()), (4, "", "--"));
    for (part, range) in [(parts[1], 0..100), (parts[2], 200..300)] {
        let field = format!("Content-Range: bytes {}-{}/{}\r\n", range.start, range.end - 1, lines.len());
        assert!(part.contains(&field), "{part}");
        assert!(part.ends_with(&format!("\r\n\r\n{}\r\n", &lines[range])), "{part}");
    }
    stop(server);
}

#[test]
fn curl_reads_over_tls_and_over_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let listen = format!("unix:{}", socket.display());
    let mut server = server(&["--tls-self-signed", "--listen", &listen]);
    let url = format!("https://{}/bytes/{BIG}", server.address("http"));
    assert_eq!(server.listening("http"), listen);
    assert_eq!(curl(&["-k", &url]).stdout.len(), BIG);
    let text = curl(&["--unix-socket", text(&socket), "http://localhost/plaintext"]).text();
    assert_eq!(text, "Hello, World!");
    stop(server);
}

/// Processor time that a process has taken, in ticks: usually hundredths of a second.
fn processor_time(id: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    // The name of the program may hold anything but ends at the last parenthesis; utime and stime are fields 14 and 15.
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let times = fields.split(' ').skip(11).take(2);
    times.map(|time| time.parse::<u64>().unwrap()).sum()
}

#[test]
fn out_of_descriptors_clients_wait_and_are_answered() {
    let script = "ulimit -n 40 && exec \"$0\" http --threads 1 --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_wireworks")]);
    let mut server = Process::start(&mut command, Vec::new());
    let addr = server.address("http");
    let mut wires: Vec<_> = (0..60)
        .map(|_| {
            let mut wire = Wire::connect(addr);
            wire.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
            wire
        })
        .collect();
    server.wait_for_stderr("cannot accept");
    let before = processor_time(server.id());
    // The pauses before this one come to some 300 milliseconds.
    server.wait_for_stderr("pause_ms=320");
    let taken = processor_time(server.id()) - before;
    assert!(taken <= 15, "{taken} ticks");
    // Fewer than 40 have a place, and more than 20; each 20 that leave make way for as many.
    while !wires.is_empty() {
        for wire in &mut wires[..20] {
            assert_eq!(wire.read_response().text(), "Hello, World!");
        }
        wires.drain(..20);
    }
    stop(server);
}
