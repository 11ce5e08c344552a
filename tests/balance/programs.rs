//! Programs that others wrote, and ours, through the built command: requests and connections, plain and over TLS, with PROXY headers in
//! front and behind.

use std::path::Path;

use rustix::process::Signal;

use crate::support::certificate::certificate;
use crate::support::command::{server, wireworks};
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// A balancer by a file with this text. Its listeners are on ports of their own, in the order of the text.
struct Running {
    balancer: Process,
    _folder: tempfile::TempDir,
}

#[track_caller]
fn balance(text: &str) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lb.toml");
    std::fs::write(&path, text).unwrap();
    let balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
    Running { balancer, _folder: folder }
}

impl Running {
    #[track_caller]
    fn address(&mut self) -> String {
        self.balancer.address("balance").to_string()
    }

    #[track_caller]
    fn stop(self) {
        self.balancer.signal(Signal::TERM);
        self.balancer.wait().success();
    }
}

/// Listeners for requests and for connections, each plain and with TLS, over one backend.
fn four(backend: &str) -> (Running, [String; 4]) {
    let listener = |mode: &str, tls: &str| {
        format!("[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"{mode}\"\nto = \"one\"\n{tls}\n")
    };
    let tls = "tls = { self-signed = true }";
    let listeners =
        [("http", ""), ("http", tls), ("tcp", ""), ("tcp", tls)].map(|(mode, tls)| listener(mode, tls));
    let text = format!(
        "[process]\nthreads = 1\ndrain-timeout = \"10s\"\n{}[upstream.one]\nbackends = [{backend:?}]\n",
        listeners.concat()
    );
    let mut running = balance(&text);
    let addresses = std::array::from_fn(|_| running.address());
    (running, addresses)
}

#[test]
fn curl_and_wrk_get_their_pages() {
    let folder = tempfile::tempdir().unwrap();
    let big: Vec<u8> =
        (0..3_000_000_u32).map(|number| number.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    std::fs::write(folder.path().join("big"), &big).unwrap();
    let mut backend = server(&[folder.path().to_str().unwrap()]);
    let (running, addresses) = four(&backend.address("http").to_string());
    for (address, scheme) in addresses.iter().zip(["http", "https"].iter().cycle()) {
        let url = format!("{scheme}://{address}/big");
        let curl = |args: &[&str]| Tool::new("curl").args(["-sSk"]).args(args).args([&url]).run().success();
        assert!(curl(&[]).stdout == big, "{url}");
        assert!(curl(&["-r", "1000-1999"]).stdout == big[1000..2000], "{url}");
        assert!(curl(&["-I"]).text().starts_with("HTTP/1.1 200 "), "{url}");
        let report = Tool::new("wrk").args(["-t1", "-c8", "-d1", &url]).run().success().text();
        assert!(
            report.contains("requests in")
                && !report.contains("Non-2xx")
                && !report.contains("Socket errors"),
            "{report}"
        );
    }
    running.stop();
}

#[test]
fn a_websocket_is_joined() {
    let mut backend = wireworks(&["ws", "serve", "--listen", "127.0.0.1:0"]);
    let (running, addresses) = four(&backend.address("ws").to_string());
    for (address, (scheme, trust)) in addresses.iter().zip([("ws", &[][..]), ("wss", &["-k"])].iter().cycle())
    {
        let url = format!("{scheme}://{address}/echo");
        let client = Tool::new(env!("CARGO_BIN_EXE_wireworks")).args(["ws", "connect", &url]).args(*trust);
        let heard = client.input("one\ntwo\n").run().success().text();
        assert_eq!(heard, "one\ntwo\n", "{url}");
    }
    running.stop();
}

#[test]
fn calls_are_joined_and_are_no_requests() {
    let mut backend = wireworks(&["rpc", "serve", "--listen", "127.0.0.1:0"]);
    let (running, addresses) = four(&backend.address("rpc").to_string());
    let call = |address: &str, tls: &[&str]| {
        wireworks(&[&["rpc", "call", address, "Echo.say", "{\"text\": \"hello\"}"], tls].concat()).wait()
    };
    for (address, tls) in [(&addresses[2], &[][..]), (&addresses[3], &["-k"][..])] {
        assert!(call(address, tls).success().text().contains("hello"), "{address}");
    }
    // Calls are not HTTP: a listener for requests refuses them.
    assert!(!call(&addresses[0], &[]).status.success());
    running.stop();
}

#[test]
fn a_backend_with_tls_is_known_by_its_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    certificate(&at("cert.pem"), &at("key.pem"), "a");
    certificate(&at("other.pem"), &at("other.key"), "b");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut backend = server(&["--tls-cert", &text(&at("cert.pem")), "--tls-key", &text(&at("key.pem"))]);
    let address = backend.address("http").to_string();
    for (ca, status) in [("cert.pem", 200), ("other.pem", 502)] {
        let mut running = balance(&format!(
            "[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"one\"\n[upstream.one]\nbackends = [{address:?}]\ntls = {{ name = \"localhost\", ca = {:?} }}\n",
            text(&at(ca))
        ));
        let mut wire = Wire::connect(running.address().parse().unwrap());
        wire.send("GET /plaintext HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.read_response().status, status, "{ca}");
        drop(wire);
        running.stop();
    }
}

#[test]
fn the_client_is_known_behind_two_balancers() {
    for version in ["v1", "v2"] {
        let backend = super::raw::Backend::start(|_, peer| peer.serve("ok"));
        let mut near = balance(&format!(
            "[[listener]]\nlisten = \"127.0.0.1:0\"\nproxy-protocol-from = [\"127.0.0.0/8\"]\nto = \"one\"\n[upstream.one]\nbackends = [{:?}]\n",
            backend.addr.to_string()
        ));
        let address = near.address();
        let mut far = balance(&format!(
            "[[listener]]\nlisten = \"127.0.0.1:0\"\nmode = \"tcp\"\nsend-proxy = {version:?}\nproxy-protocol-from = [\"127.0.0.0/8\"]\nto = \"one\"\n[upstream.one]\nbackends = [{address:?}]\n"
        ));
        let mut wire = Wire::connect(far.address().parse().unwrap());
        wire.send("PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(wire.read_response().text(), "ok", "{version}");
        assert_eq!(backend.requests()[0].all("x-forwarded-for"), ["192.0.2.7"], "{version}");
        // Whoever should say who asks, and does not, is not heard.
        let mut silent = Wire::connect(address.parse().unwrap());
        silent.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        silent.read_to_close();
        assert_eq!(backend.requests().len(), 1, "{version}");
        drop((wire, silent));
        far.stop();
        near.stop();
    }
}
