//! The command `wireworks http` under clients that were not written by us: curl, wrk, openssl and a browser.

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::support::PATIENCE;
use crate::support::command::wireworks;
use crate::support::process::{Ended, Process};
use crate::support::tool::Tool;
use crate::support::wire::Wire;

const BIG: usize = 5_000_000;

fn server(args: &[&str]) -> Process {
    wireworks(&[&["http", "--listen", "127.0.0.1:0"], args].concat())
}

#[track_caller]
fn stop(server: Process) {
    server.signal(Signal::TERM);
    server.wait().success();
}

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
    assert!(
        head.contains(&format!("\r\ncontent-length: {}\r\n", page.len())),
        "{head}"
    );
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
        assert_eq!(
            reply.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
            interim,
            "{reply}"
        );
        assert!(
            reply.ends_with("\r\n\r\n{\"path\":\"/name\",\"bytes\":5000000}"),
            "{reply}"
        );
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
    assert!(
        head.starts_with("HTTP/1.1 200 OK\r\n") && head.contains(&length),
        "{head}"
    );

    let reply = curl(&["-i", "-r", "0-99,200-299", &small]).text();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 206 "), "{head}");
    let (_, boundary) = head.split_once("multipart/byteranges; boundary=").unwrap();
    let mark = format!("--{}", boundary.lines().next().unwrap());
    let parts: Vec<_> = body.split(&mark).collect();
    assert_eq!((parts.len(), parts[0], parts[3].trim_end()), (4, "", "--"));
    for (part, range) in [(parts[1], 0..100), (parts[2], 200..300)] {
        let field = format!(
            "Content-Range: bytes {}-{}/{}\r\n",
            range.start,
            range.end - 1,
            lines.len()
        );
        assert!(part.contains(&field), "{part}");
        assert!(
            part.ends_with(&format!("\r\n\r\n{}\r\n", &lines[range])),
            "{part}"
        );
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

/// Asks again and again on one connection, until the server says that it will close it; says how often.
fn ask_until_closed(addr: SocketAddr) -> u32 {
    let mut wire = Wire::connect(addr);
    for count in 1.. {
        wire.send("GET /plaintext HTTP/1.1\r\nHost: test\r\n\r\n");
        let response = wire.read_response();
        assert_eq!((response.status, response.text()), (200, "Hello, World!"));
        if response.header("connection") == Some("close") {
            wire.expect_close();
            return count;
        }
    }
    unreachable!()
}

/// A stop under load. A connection that is busy when the server stops gets its reply, and is told to go. What wrk calls
/// read errors is not judged: it connects again at once when it is told to go, and such a connection may slip in between
/// the last look at the queue of a listener and its end.
#[test]
fn a_stop_under_load_breaks_no_reply() {
    let mut server = server(&["--threads", "2", "--metrics", "127.0.0.1:0"]);
    let addr = server.address("http");
    let url = format!("http://{addr}/plaintext");
    let wrk = Tool::new("wrk")
        .args(["-t1", "-c32", "-d3", "--latency", &url])
        .start();
    let clients: Vec<_> = (0..4)
        .map(|_| thread::spawn(move || ask_until_closed(addr)))
        .collect();
    // All have come, and some hundred requests more are answered meanwhile: the load runs.
    let mut metrics = Wire::connect(server.address("metrics"));
    let mut count = |name: &str| {
        metrics.send("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
        let text = metrics.read_response().text().to_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |value| value.trim().parse::<u64>().unwrap())
    };
    let deadline = Instant::now() + PATIENCE;
    let requests = "wireworks_http_requests_total{route=\"/plaintext\",method=\"GET\",status=\"200\"}";
    while count("wireworks_connections ") < 36 || count(requests) < 1000 {
        assert!(Instant::now() < deadline, "no load");
    }
    let since = Instant::now();
    server.signal(Signal::TERM);
    let ended = server.wait().success();
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert!(!ended.stderr.contains("aborted"), "{}", ended.stderr);
    for client in clients {
        assert!(client.join().unwrap() > 1);
    }
    let report = wrk.wait().success().text();
    assert!(!report.contains("Non-2xx"), "{report}");
    assert!(
        !report.contains("Socket errors") || report.contains("timeout 0"),
        "{report}"
    );
    let replies = report
        .lines()
        .find(|line| line.contains(" requests in "))
        .unwrap();
    let replies: u32 = replies.split_whitespace().next().unwrap().parse().unwrap();
    assert!(replies > 0, "{report}");
}

/// Makes a key and a certificate for 127.0.0.1.
fn make_certificate(cert: &Path, key: &Path) {
    let args = [
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        text(key),
        "-out",
        text(cert),
    ];
    Tool::new("openssl").args(args).run().success();
}

#[test]
fn a_hangup_brings_a_new_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let [cert, key, old, fifo] = ["cert", "key", "old", "fifo"].map(file);
    make_certificate(&cert, &key);
    fs::copy(&cert, &old).unwrap();
    let mut server = server(&["--tls-cert", text(&cert), "--tls-key", text(&key)]);
    let addr = server.address("http").to_string();
    let url = format!("https://{addr}/plaintext");
    let trusts = |ca: &Path| {
        let ended = Tool::new("curl").args(["-sS", "--cacert", text(ca), &url]).run();
        ended.status.success() && ended.text() == "Hello, World!"
    };

    // A connection from before, which is spoken to through a pipe.
    Tool::new("mkfifo").args([&fifo]).run().success();
    let script = "exec openssl s_client -quiet -connect \"$0\" < \"$1\" 1>&2";
    let mut client = Tool::new("sh").args(["-c", script, &addr, text(&fifo)]).start();
    // Opened for reading too, or this would wait for the shell.
    let mut pipe = fs::File::options().read(true).write(true).open(&fifo).unwrap();
    pipe.write_all(b"GET /stream/1 HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    client.wait_for_stderr("{\"line\":0}");
    assert!(trusts(&old));

    make_certificate(&cert, &key);
    server.signal(Signal::HUP);
    server.wait_for_stderr("reloaded");
    assert!(trusts(&cert));
    assert!(!trusts(&old));
    pipe.write_all(b"GET /stream/2 HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    client.wait_for_stderr("{\"line\":1}");
    drop(client);
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

/// A picture of what a browser shows.
fn screenshot(url: &str) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let picture = folder.path().join("picture.png");
    let args = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--timeout=3000",
        "--window-size=1000,1400",
        &format!("--user-data-dir={}", folder.path().join("profile").display()),
        &format!("--screenshot={}", picture.display()),
        url,
    ];
    let patience = Duration::from_secs(90);
    Tool::new("chromium").args(args).within(patience).run().success();
    fs::read(&picture).unwrap()
}

#[test]
fn a_browser_shows_the_demo_and_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file.txt"), "content").unwrap();
    for args in [&[][..], &[text(folder.path())]] {
        let mut server = server(&[args, &["--access-log", "-"]].concat());
        let picture = screenshot(&format!("http://{}/", server.address("http")));
        assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"), "{args:?}");
        // Width and height begin the first chunk, after its length and name.
        assert_eq!(
            picture[16..24],
            [1000_u32.to_be_bytes(), 1400_u32.to_be_bytes()].concat()
        );
        server.signal(Signal::TERM);
        let log = server.wait().success().text();
        assert!(log.contains("\"GET / HTTP/1.1\" 200 "), "{args:?}: {log}");
    }
}
