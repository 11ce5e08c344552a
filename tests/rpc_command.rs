//! The commands of `wireworks rpc`, as a user types them, against `wireworks rpc serve`.

use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use wireworks::server::rpc::Channel;
use wireworks::server::rpc::demo::echo::{EchoClient, Words};

use crate::support::command::{metric, stop, wireworks};
use crate::support::process::{Ended, Process};

/// A server of the demo services on a port of its own, and its address.
#[track_caller]
fn serve(args: &[&str]) -> (Process, String) {
    let mut server = wireworks(&[&["rpc", "serve", "--listen", "127.0.0.1:0"], args].concat());
    let address = server.address("rpc").to_string();
    (server, address)
}

/// A command of a client, to its end.
#[track_caller]
fn rpc(args: &[&str], input: &str) -> Ended {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    process.arg("rpc").args(args).env_remove("WIREWORKS_LOG");
    Process::start(&mut process, input.as_bytes().to_vec()).wait()
}

/// The one line on stderr of a command that ends with this status.
#[track_caller]
fn failure(args: &[&str], status: i32) -> String {
    let ended = rpc(args, "");
    assert_eq!(ended.status.code(), Some(status), "{}", ended.stderr);
    let line = ended.stderr.strip_prefix("error: ").unwrap_or_else(|| panic!("{:?}", ended.stderr));
    assert_eq!(line.lines().count(), 1, "{line}");
    line.trim_end().to_owned()
}

#[test]
fn what_a_server_answers_is_listed_and_described() {
    let (server, addr) = serve(&[]);
    let listed = rpc(&["ls", &addr], "").success().text();
    assert!(
        listed.lines().any(|line| line == "Echo.say") && listed.lines().any(|line| line == "Reflection.list"),
        "{listed}"
    );
    let service = rpc(&["describe", &addr, "Echo"], "").success().text();
    assert!(
        service.contains("1 => unary say(Words{text:string}) -> Words{text:string}, idempotent"),
        "{service}"
    );
    let service = rpc(&["describe", &addr, "Kv"], "").success().text();
    for words in [
        "Kv\n    Keys and values, in memory.\n",
        "\nEntry{",
        "    A key and its value.\n",
        "  value\n      Its",
    ] {
        assert!(service.contains(words), "{words}: {service}");
    }
    assert!(
        rpc(&["describe", &addr, "Change"], "").success().text().contains("  Deleted\n      It is gone.")
    );
    assert_eq!(rpc(&["ls", &addr, "Clock"], "").success().text(), "Clock.ticks\n");
    let method = rpc(&["describe", &addr, "Kv.put"], "").success().text();
    assert!(method.contains("\nexample:  {\"key\": \"\", \"value\": \"\"}\n"), "{method}");
    let method = rpc(&["describe", &addr, "Kv.watch"], "").success().text();
    assert!(method.contains("Each change of a key with this beginning, from now on."), "{method}");
    assert_eq!(
        failure(&["describe", &addr, "Nobody"], 1),
        "there is no service \"Nobody\"; there are Clock, Echo, Faults, Health, Kv, Reflection"
    );
    assert_eq!(
        failure(&["describe", &addr, "Echo.shout"], 1),
        "Echo has no method \"shout\"; it has say, bytes, chat, pour"
    );
    stop(server);
}

#[test]
fn calls_of_every_kind_take_and_give_json() {
    let (server, addr) = serve(&[]);
    let call = |args: &[&str], input: &str| rpc(&[&["call", &addr], args].concat(), input).success().text();
    assert_eq!(call(&["Echo.say", r#"{"text": "hé"}"#], ""), "{\"text\":\"hé\"}\n");
    assert_eq!(call(&["Echo.say"], r#"{"text": "by stdin"}"#), "{\"text\":\"by stdin\"}\n");
    assert_eq!(
        call(&["Kv.load"], "{\"key\":\"a\",\"value\":\"1\"}\n\n{\"key\":\"b\",\"value\":\"2\"}\n"),
        "{\"count\":2}\n"
    );
    assert_eq!(
        call(&["Kv.list", r#"{"prefix": ""}"#], ""),
        "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"2\"}\n"
    );
    assert_eq!(call(&["Kv.get", r#"{"key": "a"}"#, "--pretty"], ""), "{\n  \"value\": \"1\"\n}\n");
    assert_eq!(
        call(&["Echo.chat"], "{\"text\":\"x\"}\n{\"text\":\"y\"}\n"),
        "{\"text\":\"x\"}\n{\"text\":\"y\"}\n"
    );
    assert_eq!(call(&["Faults.work", r#"{"rounds": 1}"#], "").matches("\"attempt\":0").count(), 1);
    assert_eq!(call(&["Health.check", r#"{"service": "Kv"}"#], ""), "\"Serving\"\n");
    assert_eq!(call(&["Echo/say", r#"{"text": "by a slash"}"#], ""), "{\"text\":\"by a slash\"}\n");
    assert!(call(&["Reflection.list"], "").contains("\"name\":\"Kv\""), "without a request");
    stop(server);
}

#[test]
fn what_goes_wrong_is_one_line_and_a_status() {
    let (server, addr) = serve(&[]);
    let call = |args: &[&str], status| failure(&[&["call", &addr], args].concat(), status);
    assert_eq!(
        call(&["Echo.say", r#"{"tex": "x"}"#], 64),
        "the request does not fit: $: the field `text` is missing; it is written as {\"text\": \"\"}"
    );
    assert_eq!(call(&["Kv.get"], 64), "the request is missing; it is written as {\"key\": \"\"}");
    let chat = ["call", &addr, "Echo.chat"];
    let ended = rpc(&chat, "{\"text\": \"a\"}\n\nnonsense\n");
    assert!(ended.stderr.starts_with("error: line 3: the request does not fit: "), "{}", ended.stderr);
    assert_eq!(call(&["Echo", "{}"], 64), "\"Echo\" is no SERVICE.METHOD");
    assert_eq!(call(&["Faults.fail", r#"{"code": 5, "text": "nope"}"#], 16 + 5), "not_found: nope");
    assert_eq!(
        call(&["Faults.slow", r#"{"millis": 60000}"#, "-d", "100ms"], 16 + 4),
        "deadline_exceeded: the deadline has passed"
    );
    assert_eq!(call(&["Clock.ticks", r#"{"millis": 1}"#], 16 + 3), "invalid_argument: 1 ms is less than 10");
    assert!(call(&["Echo.say", "{}", "-k"], 16 + 14).starts_with("unavailable: cannot make a TLS handshake"));
    stop(server);
    assert!(failure(&["call", &addr, "Echo.say", "{}"], 16 + 14).ends_with("connection refused"));
    assert_eq!(
        failure(&["ping", "nowhere"], 64),
        "\"nowhere\" is no address of a server: it is written HOST:PORT, dns:HOST:PORT, unix:PATH or file:PATH"
    );
}

#[test]
fn options_that_would_do_nothing_are_refused() {
    let certs = ["--tls-cert", "a", "--tls-cert", "b", "--tls-key", "k"];
    let table: [(&[&str], &str); 6] = [
        (&certs, "2 of --tls-cert and 1 of --tls-key: each certificate needs its key, in the same order"),
        (
            &["--tls-client-ca", "ca.pem"],
            "--tls-client-ca does nothing without --tls-cert or --tls-self-signed",
        ),
        (
            &["--max-message", "4095"],
            "--max-message cannot be 4095B: the least is 4KiB, the most 2147483647B",
        ),
        (&["--max-calls", "0"], "--max-calls cannot be 0: the least is 1, the most 2147483647"),
        (
            &["--tls-self-signed"],
            "--tls-self-signed does nothing without a TCP address: Unix sockets stay plain",
        ),
        (
            &["--max-calls-at-work", "0"],
            "invalid value '0' for '--max-calls-at-work <N>': number would be zero for non-zero type",
        ),
    ];
    for (args, expected) in table {
        let args = [&["serve", "-l", "unix:/nowhere/there"], args].concat();
        let ended = rpc(&args, "");
        let line = ended.stderr.lines().next().unwrap();
        assert_eq!((ended.status.code(), line), (Some(64), format!("error: {expected}").as_str()));
    }
    let unix = "unix:/nowhere/there";
    for (args, option) in [
        (&["--tls"][..], "--tls"),
        (&["-k"], "--insecure"),
        (&["--tls", "--tls-ca", "ca.pem"], "--tls-ca"),
        (&["--cert", "c", "--key", "k"], "--cert"),
    ] {
        assert_eq!(
            failure(&[&["ping", unix], args].concat(), 64),
            format!("{option} does nothing for unix: addresses, which stay plain")
        );
    }
}

#[test]
fn a_call_that_fails_by_chance_is_tried_again_if_that_is_safe() {
    let (server, addr) = serve(&[]);
    let flaky = ["call", &addr, "Faults.flaky", r#"{"percent": 50}"#, "--retries", "20", "-d", "30s"];
    for _ in 0..3 {
        rpc(&flaky, "").success();
    }
    let once = ["call", &addr, "Faults.flaky_once", r#"{"percent": 100}"#, "--retries", "20"];
    assert_eq!(failure(&once, 16 + 14), "unavailable: by chance");
    stop(server);
}

#[test]
fn peers_are_who_their_certificates_say() {
    let (server, addr) = serve(&["--tls-self-signed"]);
    assert!(rpc(&["ping", &addr, "-c", "1", "-k"], "").success().text().starts_with("serving, "));
    assert_eq!(
        failure(&["ping", &addr, "-c", "1", "--tls"], 16 + 14),
        "unavailable: the certificate of 127.0.0.1: no authority that is trusted here has signed it"
    );
    stop(server);
}

/// Waits until a server is at work: it has used a tenth of a second of the processor.
#[track_caller]
fn wait_until_busy(server: &Process) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        if ticks >= 10 {
            return;
        }
        assert!(Instant::now() < deadline, "nobody calls the server");
        std::thread::yield_now();
    }
}

#[test]
fn when_one_of_three_is_killed_under_load_no_call_fails() {
    let mut servers: Vec<_> = (0..3).map(|_| serve(&[])).collect();
    let addresses: Vec<_> = servers.iter().map(|(_, addr)| addr.clone()).collect();
    let addresses = addresses.join(",");
    let (victim, _) = servers.swap_remove(0);
    let mut bench = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    bench.args(["rpc", "bench", &addresses, "--retries", "3", "--depth", "16", "--duration", "2s", "--json"]);
    let bench = Process::start(&mut bench, Vec::new());
    wait_until_busy(&victim);
    victim.signal(Signal::KILL);
    let report = bench.wait().success().text();
    assert!(report.contains("\"failed\": 0"), "{report}");
    servers.into_iter().for_each(|(server, _)| drop(stop(server)));
}

#[test]
fn when_one_of_two_stops_in_good_order_no_call_fails() {
    let ((one, first), (two, second)) = (serve(&[]), serve(&[]));
    let mut bench = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    bench.args(["rpc", "bench", &format!("{first},{second}"), "--depth", "16", "--duration", "2s", "--json"]);
    let bench = Process::start(&mut bench, Vec::new());
    wait_until_busy(&one);
    stop(one);
    let report = bench.wait().success().text();
    assert!(report.contains("\"failed\": 0"), "{report}");
    stop(two);
}

#[test]
fn a_peer_that_calls_too_often_is_sent_away_for_a_while() {
    let args =
        ["--rate-limit", "2/h", "--max-calls-at-work", "10", "--metrics", "127.0.0.1:0", "--access-log", "-"];
    let (mut server, addr) = serve(&args);
    let metrics = server.address("metrics");
    let say = ["call", &addr, "Echo.say", r#"{"text": "x"}"#, "-d", "20s"];
    for _ in 0..2 {
        rpc(&say, "").success();
    }
    assert_eq!(failure(&say, 16 + 8), "resource_exhausted: too many calls a second");
    rpc(&["ping", &addr, "-c", "1"], "").success();
    rpc(&["ls", &addr], "").success();
    let of_say =
        |code| format!("wireworks_rpc_calls_total{{service=\"Echo\",method=\"say\",code=\"{code}\"}}");
    assert_eq!(metric(metrics, &of_say("ok")), 2);
    assert_eq!(metric(metrics, &of_say("resource_exhausted")), 1);
    assert_eq!(metric(metrics, "wireworks_rpc_calls_over_rate_total"), 1);
    let log = stop(server).text();
    let lines: Vec<_> = log.lines().filter(|line| line.contains(" Echo.say ")).collect();
    assert!(lines.len() == 3 && lines[2].contains("] Echo.say resource_exhausted "), "{log}");
    let ended = rpc(&["serve", "--rate-limit", "often"], "");
    assert!(ended.status.code() == Some(64) && ended.stderr.contains("\"often\""), "{}", ended.stderr);
}

#[test]
fn servers_are_found_by_name_and_by_file() {
    let (server, addr) = serve(&[]);
    let port = addr.rsplit(':').next().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("servers");
    std::fs::write(&path, format!("# all\n{addr}\n")).unwrap();
    for origin in [format!("dns:127.0.0.1:{port}"), format!("file:{}", path.display())] {
        let said = rpc(&["call", &origin, "Echo.say", r#"{"text": "found"}"#], "").success().text();
        assert_eq!(said, "{\"text\":\"found\"}\n");
        assert!(rpc(&["ping", &origin, "-c", "1"], "").success().text().starts_with("serving"));
    }
    let nowhere = format!("file:{}", dir.path().join("none").display());
    let line = failure(&["ping", &nowhere, "-c", "1"], 16 + 14);
    assert!(line.ends_with("/none: no such file or directory"), "{line}");
    stop(server);
}

#[test]
fn long_messages_can_be_compressed() {
    let (server, addr) = serve(&["--compress-from", "1KiB"]);
    let json = format!("{{\"text\":\"{}\"}}", "again and ".repeat(5_000));
    let said = rpc(&["call", &addr, "Echo.say", &json, "--compress-from", "1KiB"], "");
    assert_eq!(said.success().text().trim_end(), json);
    stop(server);
}

#[test]
fn the_health_of_a_service_is_told_and_watched() {
    let (server, addr) = serve(&[]);
    let ping = |service: &str| rpc(&["ping", &addr, "-c", "1", "--service", service], "");
    assert!(ping("Kv").success().text().starts_with("serving, "));
    let mut watch = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    watch.args(["rpc", "call", &addr, "Health.watch", r#"{"service": "Kv"}"#, "-d", "1m"]);
    let mut watch = Process::start(&mut watch, Vec::new());
    watch.wait_for_stdout("\"Serving\"\n");
    rpc(&["call", &addr, "Faults.report", r#"{"service": "Kv", "serving": false}"#], "").success();
    watch.wait_for_stdout("\"NotServing\"\n");
    let ended = ping("Kv");
    assert!(ended.text().starts_with("not serving, "), "{}", ended.text());
    assert_eq!((ended.status.code(), &*ended.stderr), (Some(1), "error: it takes no calls: not serving\n"));
    ping("Echo").success();
    assert_eq!(
        failure(&["ping", &addr, "-s", "Nobody"], 16 + 5),
        "not_found: there is no service \"Nobody\""
    );
    let strange = ["call", &addr, "Faults.report", r#"{"service": "Nobody", "serving": true}"#];
    assert_eq!(failure(&strange, 16 + 5), "not_found: there is no service \"Nobody\" in the demo");
    server.signal(Signal::TERM);
    assert!(watch.wait().success().text().ends_with("\"Stopping\"\n"), "it is told, and the call ends");
    server.wait().success();
}

#[test]
fn a_configuration_is_printed_and_read_back() {
    let printed = rpc(&["serve", "--print-config", "--max-calls", "7", "-l", ":7001"], "").success().text();
    assert!(
        printed.contains("\nmax-calls = 7\n") && printed.contains("\nping-interval = \"15s\"\n"),
        "{printed}"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rpc.toml");
    std::fs::write(&file, printed.replace(":7001", "127.0.0.1:0").replace("max-calls = 7", "max-calls = 1"))
        .unwrap();
    let mut server = wireworks(&["rpc", "serve", "--config", file.to_str().unwrap(), "--log", "json"]);
    let addr = server.address("rpc").to_string();
    rpc(&["ping", &addr, "-c", "1"], "").success();
    let log = stop(server).stderr;
    assert!(log.lines().all(|line| line.starts_with('{')) && log.contains("\"stopping\""), "{log}");
}

/// A connection that says nothing.
fn silent(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

#[test]
fn who_does_not_greet_in_time_is_cut() {
    let (server, addr) = serve(&["--hello-timeout", "200ms"]);
    let mut heard = Vec::new();
    silent(&addr).read_to_end(&mut heard).unwrap(); // it ends, where the default would be 10 s
    assert!(heard.starts_with(b"WWRPC/1\n"), "{heard:?}");
    rpc(&["ping", &addr, "-c", "1"], "").success();
    stop(server);
}

#[test]
fn connections_from_one_address_have_a_limit_of_their_own() {
    let (server, addr) = serve(&["--max-connections-per-address", "1"]);
    let mut first = silent(&addr);
    first.read_exact(&mut [0; 8]).unwrap(); // the server's preface: it has its slot
    let refused = failure(&["ping", &addr, "-c", "1", "-d", "5s"], 16 + 14);
    assert!(refused.starts_with("unavailable: "), "{refused}");
    drop(first);
    let deadline = Instant::now() + Duration::from_secs(20);
    while !rpc(&["ping", &addr, "-c", "1", "-d", "5s"], "").status.success() {
        assert!(Instant::now() < deadline, "the slot is not given back");
    }
    stop(server);
}

#[test]
fn a_proxy_names_who_calls() {
    let (server, addr) = serve(&["--proxy-protocol-from", "127.0.0.1", "--access-log", "-"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let channel = Channel::to([&addr]).unwrap().dial({
            let addr = addr.clone();
            move |_| {
                let addr = addr.clone();
                async move {
                    let mut stream = tokio::net::TcpStream::connect(addr).await?;
                    stream.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 5 7000\r\n").await?;
                    Ok(stream)
                }
            }
        });
        let said = EchoClient::new(channel.lazy()).say(Words { text: "by a proxy".into() }).await.unwrap();
        assert_eq!(said.text, "by a proxy");
    });
    drop(runtime); // and with it the connection, which nobody drives any more
    failure(&["ping", &addr, "-c", "1", "-d", "5s"], 16 + 14); // without a header
    let log = stop(server).text();
    assert!(
        log.lines().any(|line| line.starts_with("192.0.2.7 [") && line.contains(" Echo.say ok ")),
        "{log}"
    );
}
