//! What `wireworks rpc call` says when TLS does not come about: one line that says why, and the status of a server that cannot be reached.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

use crate::support::command::{stop, wireworks};
use crate::support::process::{Ended, Process};

/// The status of a call that ends with `unavailable`.
const UNAVAILABLE: i32 = 16 + 14;

/// An authority that signs certificates, and the folder where all of them are.
struct Authority {
    folder: TempDir,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
struct Pair {
    cert: PathBuf,
    key: PathBuf,
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Authority {
    fn new(name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        fs::write(folder.path().join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { folder, issuer: Issuer::new(params, key) }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// Signs a certificate for a name; an expired one has been so since the beginning of 2021.
    fn sign(&self, name: &str, expired: bool) -> Pair {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if expired {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let signed = params.signed_by(&key, &self.issuer).unwrap();
        let at = |kind: &str| self.folder.path().join(format!("{name}-{expired}-{kind}.pem"));
        let pair = Pair { cert: at("cert"), key: at("key") };
        fs::write(&pair.cert, signed.pem()).unwrap();
        fs::write(&pair.key, key.serialize_pem()).unwrap();
        pair
    }
}

/// A server with further arguments, and its address by the name `localhost`.
#[track_caller]
fn serve(args: &[&str]) -> (Process, String) {
    let mut server = wireworks(&[&["rpc", "serve", "--listen", "127.0.0.1:0"], args].concat());
    let address = format!("localhost:{}", server.address("rpc").port());
    (server, address)
}

fn with(pair: &Pair) -> Vec<&str> {
    vec!["--tls-cert", text(&pair.cert), "--tls-key", text(&pair.key)]
}

/// One call of the echo.
fn call(address: &str, args: &[&str]) -> Ended {
    let mut process = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    process.args(["rpc", "call", address, "Echo.say", r#"{"text": "x"}"#, "-d", "20s"]).args(args);
    Process::start(process.env_remove("WIREWORKS_LOG"), Vec::new()).wait()
}

/// The one line of a call that cannot be made.
#[track_caller]
fn failure(address: &str, args: &[&str]) -> String {
    let ended = call(address, args);
    assert_eq!(ended.status.code(), Some(UNAVAILABLE), "{}", ended.stderr);
    let line = ended.stderr.strip_prefix("error: unavailable: ");
    let line = line.unwrap_or_else(|| panic!("{:?}", ended.stderr)).trim_end();
    assert_eq!(line.lines().count(), 1, "{line}");
    line.to_owned()
}

#[test]
fn a_certificate_that_does_not_hold_is_told_in_one_line() {
    let authority = Authority::new("ours");
    let ca = authority.file();
    let trusting = ["--tls-ca", text(&ca)];
    let (good, expired) = (authority.sign("localhost", false), authority.sign("localhost", true));
    let elsewhere = authority.sign("elsewhere.test", false);

    let (server, address) = serve(&with(&good));
    assert_eq!(call(&address, &trusting).success().text(), "{\"text\":\"x\"}\n");
    let stranger = Authority::new("stranger");
    assert_eq!(
        failure(&address, &["--tls-ca", text(&stranger.file())]),
        "the certificate of localhost: no authority that is trusted here has signed it"
    );
    let twin = Authority::new("ours");
    assert_eq!(
        failure(&address, &["--tls-ca", text(&twin.file())]),
        "the certificate of localhost: the authority that it names has not signed it"
    );
    assert_eq!(
        failure(&address, &["--tls"]),
        "the certificate of localhost: no authority that is trusted here has signed it"
    );
    stop(server);

    let (server, address) = serve(&with(&expired));
    let line = failure(&address, &trusting);
    assert!(line.starts_with("the certificate of localhost: it has expired, "), "{line}");
    assert!(line.ends_with(" days ago"), "{line}");
    stop(server);

    let (server, address) = serve(&with(&elsewhere));
    assert_eq!(
        failure(&address, &trusting),
        "the certificate of localhost: it is for other names: elsewhere.test"
    );
    stop(server);
}

#[test]
fn a_server_that_wants_to_know_its_callers_says_so() {
    let (authority, stranger, twin) =
        (Authority::new("ours"), Authority::new("stranger"), Authority::new("ours"));
    let (ca, own) = (authority.file(), authority.sign("localhost", false));
    let trusting = ["--tls-ca", text(&ca)];
    let (server, address) = serve(&[with(&own), vec!["--tls-client-ca", text(&ca)]].concat());
    let showing = |pair: &Pair| {
        let shown = [&trusting[..], &["--cert", text(&pair.cert), "--key", text(&pair.key)]].concat();
        call(&address, &shown)
    };
    let known = authority.sign("client.test", false);
    assert_eq!(showing(&known).success().text(), "{\"text\":\"x\"}\n");
    let none = failure(&address, &trusting);
    assert_eq!(
        none,
        "the connection failed: the other side wants to see our certificate, and we have shown none"
    );
    for (pair, expected) in [
        (authority.sign("client.test", true), "the other side says that our certificate has expired"),
        (stranger.sign("client.test", false), "the other side does not accept our certificate"),
        (twin.sign("client.test", false), "the other side does not accept our certificate"),
    ] {
        let ended = showing(&pair);
        assert_eq!(ended.status.code(), Some(UNAVAILABLE), "{}", ended.stderr);
        assert_eq!(ended.stderr, format!("error: unavailable: the connection failed: {expected}\n"));
    }
    stop(server);
}

#[test]
fn tls_and_no_tls_do_not_understand_each_other_and_say_so() {
    let authority = Authority::new("ours");
    let (ca, own) = (authority.file(), authority.sign("localhost", false));
    let (plain, address) = serve(&[]);
    assert_eq!(
        failure(&address, &["--tls-ca", text(&ca)]),
        "cannot make a TLS handshake with localhost: the server does not speak TLS"
    );
    stop(plain);
    let (server, address) = serve(&with(&own));
    assert_eq!(
        failure(&address, &[]),
        "the peer broke the protocol: the peer speaks TLS, not this protocol without it"
    );
    stop(server);
}
