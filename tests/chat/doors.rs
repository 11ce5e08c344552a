//! What is said of listening holds for every door: limits on connections, proxies, certificates, the access log.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::admin::{admin, rows};
use super::{Irc, Server};
use crate::support::certificate::certificate;
use crate::support::command::stop;
use crate::support::process::Process;
use crate::support::wire::Wire;

/// Comes in by IRC behind a proxy that names this address, and says which host others see.
#[track_caller]
fn host(server: &mut Server, nick: &str, address: &str) -> (Irc, String) {
    let mut irc = server.irc();
    irc.raw(format!("PROXY TCP4 {address} 192.0.2.1 5000 6667\r\n").as_bytes());
    irc.says(&format!("NICK {nick}"));
    irc.says(&format!("USER {nick} 0 * :{nick}"));
    irc.hears("422");
    irc.says(&format!("WHOIS {nick}"));
    let line = irc.hears("311");
    let host = line.split(' ').nth(5).unwrap().to_owned();
    (irc, host)
}

#[test]
fn a_proxy_names_the_clients_of_the_irc_door() {
    let mut server =
        Server::with(&["--no-limits", "--irc", "127.0.0.1:0", "--proxy-protocol-from", "127.0.0.1"]);
    let (_ann, first) = host(&mut server, "ann", "192.0.2.7");
    let (_bob, same) = host(&mut server, "bob", "192.0.2.7");
    let (_cid, other) = host(&mut server, "cid", "198.51.100.9");
    assert_eq!(first, same);
    assert_ne!(first, other);
    // Without the header the proxy is not let in.
    let mut silent = server.irc();
    silent.says("NICK dan");
    assert!(silent.0.read_to_close().0.is_empty());
}

#[test]
fn doors_count_their_connections_together() {
    let args = ["--no-limits", "--irc", "127.0.0.1:0", "--max-connections", "1", "--metrics", "127.0.0.1:0"];
    let mut server = Server::with(&args);
    let ann = server.registered("ann");
    assert_eq!(Wire::connect(server.addr).read_response().status, 503);
    drop(ann);
}

#[test]
fn the_access_log_has_a_line_for_each_request() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let server = Server::with(&["--no-limits", "--access-log", path.to_str().unwrap()]);
    let mut client = Wire::connect(server.addr);
    client.send("GET /healthy HTTP/1.1\r\nhost: chat\r\nconnection: close\r\n\r\n");
    assert_eq!(client.read_response().status, 404);
    stop(server.process);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"GET /healthy HTTP/1.1\" 404 "), "{text}");
}

/// A client of the IRC door by TLS that shows a certificate.
#[track_caller]
fn shows(server: &mut Server, cert: &Path, key: &Path) -> Process {
    let addr = server.process.address("ircs").to_string();
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-crlf", "-connect", &addr]);
    command.arg("-cert").arg(cert).arg("-key").arg(key);
    Process::start_typing(&mut command)
}

#[test]
fn a_certificate_opens_the_account_that_knows_it() {
    let folder = tempfile::tempdir().unwrap();
    let [cert, key] = ["cert.pem", "key.pem"].map(|name| folder.path().join(name));
    certificate(&cert, &key, "ann");
    let mut server = Server::with(&["--no-limits", "--ircs", "127.0.0.1:0", "--tls-self-signed"]);
    // Both doors have one certificate.
    server.process.wait_for_stderr("made up a certificate");
    admin(&server, &["user", "add", "ann", "--no-password"], "").success();
    let file = cert.to_str().unwrap();
    let done = admin(&server, &["user", "certificates", "ann", "--add", file], "").success().text();
    let [row] = &rows(&server, &["user", "certificates", "ann"])[..] else { panic!("one certificate") };
    let sha256 = row["sha256"].as_str().unwrap().to_owned();
    assert_eq!((sha256.len(), done), (64, format!("{sha256} opens ann\n")));

    let mut irc = shows(&mut server, &cert, &key);
    for line in ["CAP REQ :sasl", "NICK ann", "USER ann 0 * :ann", "AUTHENTICATE EXTERNAL"] {
        irc.types(line);
    }
    irc.wait_for_stdout("AUTHENTICATE +");
    irc.types("AUTHENTICATE +");
    irc.wait_for_stdout(" 903 ");
    irc.types("CAP END");
    irc.wait_for_stdout(" 001 ann ");
    irc.types(&format!("PRIVMSG NickServ :CERT DEL {sha256}"));
    irc.wait_for_stdout(&format!(":Removed: {sha256}"));
    assert!(rows(&server, &["user", "certificates", "ann"]).is_empty());
    irc.types("PRIVMSG NickServ :CERT ADD");
    irc.wait_for_stdout(&format!(":Added: {sha256}"));
    assert_eq!(rows(&server, &["user", "certificates", "ann"])[0]["sha256"], json!(sha256));
    // As other programs print it.
    let pairs: Vec<_> = sha256.as_bytes().chunks(2).map(|pair| String::from_utf8_lossy(pair)).collect();
    let printed = pairs.join(":").to_uppercase();
    admin(&server, &["user", "certificates", "ann", "--remove", &printed], "").success();
    let again = admin(&server, &["user", "certificates", "ann", "--remove", &printed], "");
    assert_eq!(again.status.code(), Some(1), "{}", again.text());
    let neither = admin(&server, &["user", "certificates", "ann", "--add", "/nonexistent/file"], "");
    assert!(neither.stderr.contains("/nonexistent/file"), "{}", neither.stderr);
}

#[test]
fn links_to_files_get_a_new_key() {
    let server = Server::start();
    let keys = server.folder.path().join("data/media/keys");
    let lines = || -> Vec<String> {
        fs::read_to_string(&keys)
            .unwrap()
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(str::to_owned)
            .collect()
    };
    let before = lines();
    let said = admin(&server, &["rotate-keys"], "").success().text();
    assert_eq!(said, "links are signed with a new key\n");
    let after = lines();
    assert_eq!(after[1], before[0], "what was signed before counts");
    stop(server.process);
    let data = server.folder.path().join("data").display().to_string();
    let alone = crate::support::command::wireworks(&["chat", "rotate-keys", "--data", &data]);
    alone.wait().success();
    assert_eq!(lines()[1], after[0]);
}
