//! Certificates that Pebble, the ACME server that Let's Encrypt tests clients with, issues for a listener.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::certificate::certificate;
use crate::support::port;
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// Ports that nobody uses at present. Pebble has to be told where the listener will be, so neither can choose for itself.
fn ports() -> [u16; 3] {
    [(); 3].map(|()| port::free())
}

/// An authority that comes for its proofs to a listener at `port`.
struct Authority {
    _pebble: Process,
    folder: tempfile::TempDir,
    directory: u16,
    port: u16,
}

impl Authority {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        certificate(&file("cert.pem"), &file("key.pem"), "pebble");
        let [directory, management, port] = ports();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{directory}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": file("cert.pem"), "privateKey": file("key.pem"),
            "httpPort": port, "tlsPort": port, "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        fs::write(file("pebble.json"), config.to_string()).unwrap();
        let settings = ["PEBBLE_VA_NOSLEEP=1", "PEBBLE_AUTHZREUSE=0", "pebble", "-config"];
        let pebble = Tool::new("env").args(settings).args([file("pebble.json")]).start();
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", directory)).is_err() {
            assert!(Instant::now() < deadline, "pebble does not listen: ./scripts/test tools installs it");
            std::thread::yield_now();
        }
        Self { _pebble: pebble, folder, directory, port }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A balancer that wants a certificate of it for `localhost`.
    #[track_caller]
    fn balancer(&self, backend: &Backend) -> Balancer {
        let text = format!(
            "[process]\nthreads = 1\n[admin]\nmetrics = \"127.0.0.1:0\"\n[[listener]]\nlisten = \"127.0.0.1:{}\"\nto = \"web\"\n\
             [listener.tls.acme]\ndomains = [\"localhost\"]\nemail = \"admin@example.com\"\ndirectory = \"https://localhost:{}/dir\"\n\
             cache = {:?}\nagree = true\nca = {:?}\n[upstream.web]\nbackends = [\"{}\"]\n",
            self.port,
            self.directory,
            self.file("acme"),
            self.file("cert.pem"),
            backend.addr
        );
        Balancer::parse(&text, |_| {})
    }

    /// The file of the certificate.
    fn issued(&self) -> PathBuf {
        let mut files = fs::read_dir(self.file("acme")).unwrap().map(|file| file.unwrap().path());
        files.find(|path| path.extension().is_some_and(|extension| extension == "pem")).unwrap()
    }
}

#[track_caller]
fn orders(balancer: &Balancer, outcome: &str) -> u64 {
    let found = balancer.running.addresses().iter().find(|address| address.server == "metrics").unwrap();
    let address: SocketAddr = found.address.to_string().parse().unwrap();
    let mut wire = Wire::connect(address);
    wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let response = wire.read_response();
    let line =
        format!("wireworks_balance_acme_orders_total{{certificate=\"localhost\",outcome=\"{outcome}\"}} ");
    let value = response.text().lines().find_map(|found| found.strip_prefix(&line)).map(str::parse);
    value.unwrap_or_else(|| panic!("{line}\n{}", response.text())).unwrap()
}

/// What openssl says of a handshake in which these protocols are offered.
fn handshake(port: u16, alpn: &str) -> String {
    let address = format!("127.0.0.1:{port}");
    let args = ["s_client", "-connect", &address, "-servername", "localhost", "-alpn", alpn];
    let ended = Tool::new("openssl").args(args).run();
    ended.text() + &ended.stderr
}

#[track_caller]
fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

/// Ends a balancer, so that its port is free again.
#[track_caller]
fn end(balancer: Balancer) {
    balancer.running.handle().stop_now();
    balancer.running.wait().unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_certificate_is_ordered_used_kept_and_renewed() {
    let authority = Authority::start();
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = authority.balancer(&backend);
    let port = authority.port;
    let by_pebble = || handshake(port, "http/1.1").contains("issuer=CN = Pebble Intermediate CA");
    wait_for("a certificate of pebble's", by_pebble);
    assert_eq!((orders(&balancer, "issued"), orders(&balancer, "failed")), (1, 0));
    let url = format!("https://localhost:{port}/");
    let curl = || Tool::new("curl").args(["-sSk", &url]).run().success().text();
    assert_eq!(curl(), "ok");
    // Who offers the authority's protocol when nothing is to be proven gets no connection; among others it means nothing.
    let refused = handshake(port, "acme-tls/1");
    assert!(refused.contains("no peer certificate available"), "{refused}");
    assert!(handshake(port, "acme-tls/1,http/1.1").contains("ALPN protocol: http/1.1"));
    let file = authority.issued();
    let first = fs::read(&file).unwrap();
    assert_eq!((mode(&file), mode(&authority.file("acme"))), (0o600, 0o700));
    // Another process has it from the start, and orders nothing.
    end(balancer);
    let balancer = authority.balancer(&backend);
    assert!(by_pebble());
    assert_eq!(orders(&balancer, "issued"), 0);
    assert_eq!(fs::read(&file).unwrap(), first);
    // One whose life is nearly over is replaced.
    end(balancer);
    let script = "set -e; exec 2>&1; key='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes'
        openssl req -x509 $key -subj /CN=other -keyout ca.key -out ca.pem
        openssl req -new $key -subj /CN=localhost -keyout old.key -out old.csr
        echo subjectAltName=DNS:localhost > names
        openssl x509 -req -in old.csr -CA ca.pem -CAkey ca.key -set_serial 7 -days -1 -extfile names -out old.crt
        cat old.key old.crt";
    let line =
        format!("cd '{}'; {script} > old; mv old '{}'", authority.folder.path().display(), file.display());
    let made = Tool::new("sh").args(["-c", &line]).run();
    assert!(made.status.success(), "{}", made.text());
    let balancer = authority.balancer(&backend);
    wait_for("a renewed certificate", by_pebble);
    assert_eq!(orders(&balancer, "issued"), 1);
    assert_ne!(fs::read(&file).unwrap(), first);
}

#[test]
fn without_an_authority_the_listener_serves() {
    let folder = tempfile::tempdir().unwrap();
    let [nobody, port, _] = ports();
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let text = format!(
        "[process]\nthreads = 1\n[admin]\nmetrics = \"127.0.0.1:0\"\n[[listener]]\nlisten = \"127.0.0.1:{port}\"\nto = \"web\"\n\
         [listener.tls.acme]\ndomains = [\"localhost\"]\ndirectory = \"https://127.0.0.1:{nobody}/dir\"\ncache = {:?}\nagree = true\n\
         [upstream.web]\nbackends = [\"{}\"]\n",
        folder.path().join("acme"),
        backend.addr
    );
    let balancer = Balancer::parse(&text, |_| {});
    wait_for("an order that fails", || orders(&balancer, "failed") == 1);
    let url = format!("https://localhost:{port}/");
    assert_eq!(Tool::new("curl").args(["-sSk", &url]).run().success().text(), "ok");
}
