//! What the options of files, tokens, retention and words do, as clients see it.

use std::process::Command;

use serde_json::{Value, json};

use super::Server;
use super::client::Client;
use crate::chat_media::bucket::MOTO;
use crate::support::process::Process;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

#[test]
fn files_are_offered_or_not() {
    let server = Server::with(&["--no-limits", "--max-file", "2KiB", "--max-uploads", "3KiB"]);
    assert_eq!(server.client_hello()["files"], json!({"max": 2048}));
    let mut ann = server.account("ann");
    let over = json!({"t": "upload", "name": "a", "size": 2049});
    assert_eq!(ann.is_refused(over.clone()), "too_long");
    let statuses = [2000, 1000, 1000].map(|size| upload(&server, &mut ann, size).0);
    assert_eq!(statuses, [201, 201, 429], "so many bytes a day");

    let server = Server::with(&["--no-limits", "--media", "off"]);
    assert_eq!(server.client_hello().get("files"), None);
    let mut ann = server.account("ann");
    assert_eq!(ann.is_refused(over), "not_offered");

    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("files").display().to_string();
    let server = Server::with(&["--no-limits", "--media", &place]);
    let mut ann = server.account("ann");
    assert_eq!(upload(&server, &mut ann, 100).0, 201);
    assert!(folder.path().join("files/files").is_dir());
    assert!(!server.folder.path().join("data/media").exists());
}

/// Uploads some bytes; no two files are alike.
#[track_caller]
fn upload(server: &Server, client: &mut Client, size: usize) -> (u16, String) {
    let reply = client.asks(json!({"t": "upload", "name": "a.txt", "size": size}));
    let mut wire = Wire::connect(server.addr);
    let text = format!("{:0>size$}", reply["expires"].to_string() + &size.to_string());
    let url = reply["url"].as_str().unwrap();
    wire.send(format!("PUT {url} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n{text}"));
    let response = wire.read_response();
    (response.status, response.text().to_owned())
}

#[test]
fn files_are_kept_in_a_bucket_of_the_environment() {
    let mut moto = Tool::python(MOTO).start_typing();
    let endpoint = format!("http://{}", moto.listening("moto"));
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["chat", "serve", "--listen", "127.0.0.1:0", "--no-limits", "--media", "s3://media/chat"]);
    command.arg("--data").arg(folder.path().join("data"));
    command.env("AWS_ENDPOINT_URL", endpoint).env("AWS_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
    let mut process = Process::start(&mut command, Vec::new());
    let addr = process.address("chat");
    let server = Server { process, addr, irc: None, folder };
    let mut ann = server.account("ann");
    assert_eq!(upload(&server, &mut ann, 500).0, 201);
    moto.types("held");
    assert!(moto.wait_for_line("held ").contains(" chat/"));

    let folder = tempfile::tempdir().unwrap();
    let mut without = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    without.args(["chat", "serve", "--media", "s3://media/chat", "--data"]).arg(folder.path());
    without.env("AWS_ACCESS_KEY_ID", "test").env_remove("AWS_SECRET_ACCESS_KEY");
    let ended = Process::start(&mut without, Vec::new()).wait();
    assert_eq!(ended.stderr, "error: a bucket needs the variable AWS_SECRET_ACCESS_KEY in the environment\n");
}

#[test]
fn the_operator_is_heard_at_both_doors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("motd");
    std::fs::write(&file, "Welcome to the garden\nBe kind\n").unwrap();
    let motd = file.display().to_string();
    let args = ["--no-limits", "--irc", "127.0.0.1:0", "--motd", &motd, "--contact", "ops@example.org"];
    let mut server = Server::with(&args);
    let hello = server.client_hello();
    assert_eq!(hello["motd"], "Welcome to the garden\nBe kind");
    assert_eq!(hello["contact"], "ops@example.org");
    let mut irc = server.irc();
    irc.says("NICK ann");
    irc.says("USER ann 0 * :Ann");
    assert!(irc.hears("372").contains("Welcome to the garden"));
    irc.hears("376");
    irc.says("ADMIN");
    assert!(irc.hears("259").contains("ops@example.org"));

    let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
    command.args(["chat", "serve", "--motd", "/no/such/file", "--data"]).arg(folder.path().join("data"));
    let ended = Process::start(&mut command, Vec::new()).wait();
    assert!(ended.stderr.starts_with("error: cannot read the message of the day in /no/such/file"));
}

/// Makes a key, and tokens by it: a good one, one for another audience, and one of another key.
const TOKENS: &str = r#"
import base64, json, sys, time
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
part = lambda value: b64(json.dumps(value).encode())
def token(key, audience):
    claims = {"iss": "https://id.example", "aud": audience, "exp": int(time.time()) + 600, "nick": "ann"}
    signed = part({"alg": "ES256", "kid": "k"}) + "." + part(claims)
    r, s = utils.decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
    return signed + "." + b64(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
key, other = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
numbers = key.public_key().public_numbers()
x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
json.dump({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "alg": "ES256", "x": x, "y": y}]}, open(sys.argv[1], "w"))
print(json.dumps([token(key, "chat"), token(key, "shop"), token(other, "chat")]))
"#;

#[test]
fn tokens_of_another_issuer_open_accounts() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys.json").display().to_string();
    let made = Tool::python(TOKENS).args([&keys]).run().success();
    let tokens: Vec<String> = serde_json::from_str(&made.text()).unwrap();
    let tokens_of = ["--jwt-keys", &keys, "--jwt-issuer", "https://id.example", "--jwt-audience", "chat"];
    let named = [&["--no-limits", "--jwt-claim", "nick"], &tokens_of[..]].concat();
    let server = Server::with(&[&named[..], &["--jwt-create"]].concat());
    let enter =
        |server: &Server, token: &str| -> Value { server.client().tries(json!({"t": "jwt", "jwt": token})) };
    assert_eq!(enter(&server, &tokens[0])["me"]["account"], "ann");
    assert_eq!(enter(&server, &tokens[1])["code"], "token_invalid");
    assert_eq!(enter(&server, &tokens[2])["code"], "token_invalid");
    let server = Server::with(&named);
    assert_eq!(enter(&server, &tokens[0])["code"], "token_invalid", "no account is made");
}

#[test]
fn old_messages_are_forgotten() {
    let server = Server::start();
    let token = {
        let mut ann = server.account("ann");
        ann.asks(json!({"t": "create", "room": "#a"}));
        for number in 0..20 {
            ann.asks(json!({"t": "send", "room": "#a", "text": format!("{number:0>100}")}));
        }
        ann.token.clone()
    };
    let mut server =
        server.killed_and_started_with(&["--no-limits", "--retain-size", "500", "--retain-age", "1h"]);
    server.process.wait_for_stderr("messages were forgotten");
    let mut ann = server.client();
    ann.asks(json!({"t": "token", "token": token}));
    let left = ann.asks(json!({"t": "history", "room": "#a"}));
    assert_eq!(left["events"].as_array().unwrap().len(), 5);
}
