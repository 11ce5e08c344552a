//! Nodes that reach their store and their bus by TLS.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::chat::client::Client;
use crate::support::certificate::certificate;
use crate::support::nats::Nats;
use crate::support::postgres::Server as Postgres;
use crate::support::process::Process;
use crate::support::tool::Tool;

/// An authority, and the certificate and the key of a server at 127.0.0.1 for which it vouches.
struct Certificates {
    authority: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificates {
    #[track_caller]
    fn make(folder: &Path) -> Self {
        let file = |name: &str| folder.join(name);
        let (authority, signs) = (file("authority.pem"), file("authority.key"));
        certificate(&authority, &signs, "authority");
        let (request, extensions) = (file("request"), file("extensions"));
        let (cert, key) = (file("cert.pem"), file("key.pem"));
        std::fs::write(&extensions, "basicConstraints=CA:FALSE\nsubjectAltName=IP:127.0.0.1\n").unwrap();
        let openssl = |args: &[&str], files: &[(&str, &PathBuf)]| {
            let files = files.iter().flat_map(|(option, file)| [option.as_ref(), file.as_os_str()]);
            Tool::new("openssl").args(args).args(files).run().success();
        };
        let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
        openssl(&[&new[..], &["-subj", "/CN=server"]].concat(), &[("-keyout", &key), ("-out", &request)]);
        openssl(
            &["x509", "-req", "-days", "30", "-CAcreateserial"],
            &[
                ("-in", &request),
                ("-CA", &authority),
                ("-CAkey", &signs),
                ("-extfile", &extensions),
                ("-out", &cert),
            ],
        );
        Self { authority, cert, key }
    }
}

/// Starts a node that trusts this authority.
#[track_caller]
fn start(store: &Postgres, nats: &Nats, authority: &Path, folder: &TempDir) -> Process {
    let store = format!("{}?sslmode=verify-full&sslrootcert={}", store.url(), authority.display());
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["chat", "serve", "--listen", "127.0.0.1:0", "--no-limits", "--store", &store]);
    command.args(["--bus", &nats.url(), "--data"]).arg(folder.path().join("data"));
    // Where the authorities of the system are: the bus is checked by those.
    command.env("SSL_CERT_FILE", authority);
    Process::start(&mut command, Vec::new())
}

#[test]
fn store_and_bus_are_reached_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let Certificates { authority, cert, key } = Certificates::make(folder.path());
    let (store, nats) = (Postgres::start_with_tls(&cert, &key), Nats::start_with_tls(&cert, &key));
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut nodes = folders.each_ref().map(|folder| start(&store, &nats, &authority, folder));
    let addrs: [SocketAddr; 2] = nodes.each_mut().map(|node| node.address("chat"));
    let [mut ann, mut bob] = addrs.map(Client::connect);
    ann.registers("ann");
    bob.registers("bob");
    ann.asks(json!({"t": "create", "room": "#a"}));
    bob.asks(json!({"t": "join", "room": "#a"}));
    ann.asks(json!({"t": "send", "room": "#a", "text": "within TLS"}));
    assert_eq!(bob.hears_a("message")["text"], "within TLS");
    // This is in no store: it comes by the bus.
    loop {
        ann.asks(json!({"t": "typing", "room": "#a", "on": true}));
        if bob.has_heard().iter().any(|event| event["t"] == "typing") {
            break;
        }
    }
    // A server for which nobody vouches is none.
    let strangers = tempfile::tempdir().unwrap();
    let other = Certificates::make(strangers.path()).authority;
    let ended = start(&store, &nats, &other, &strangers).wait();
    assert_eq!(ended.status.code(), Some(1), "{}", ended.stderr);
    assert!(ended.stderr.contains("certificate"), "{}", ended.stderr);
}
