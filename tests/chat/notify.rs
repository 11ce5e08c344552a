//! Those who are absent are told, by web push and by webhooks: against a service in Python that decrypts and checks what it gets.

use std::net::SocketAddr;
use std::process::Command;

use serde_json::{Value, json};

use super::Server;
use super::admin::{admin, rows};
use super::client::Client;
use crate::support::process::Process;
use crate::support::tool::Tool;

const SERVICE: &str = include_str!("push.py");

/// Of the example of Standard Webhooks.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const CONTACT: &str = "mailto:ops@example.org";

/// The service that is told.
struct Service {
    process: Process,
    addr: SocketAddr,
    keys: Value,
    got: usize,
}

impl Service {
    #[track_caller]
    fn start() -> Self {
        Self::with(&[])
    }

    /// One that speaks TLS with this certificate and this key.
    #[track_caller]
    fn with(files: &[&str]) -> Self {
        let mut process = Tool::python(SERVICE).args([SECRET]).args(files).start_typing();
        let addr = process.address("push");
        let keys = serde_json::from_str(&process.wait_for_line("keys ")).unwrap();
        Self { process, addr, keys, got: 0 }
    }

    /// Sets what it answers next.
    #[track_caller]
    fn answers(&mut self, answers: &str) {
        self.process.types(answers);
        assert_eq!(self.process.listening("answers"), answers);
    }

    /// The next request, in which nothing was wrong.
    #[track_caller]
    fn gets(&mut self) -> Value {
        self.got += 1;
        let line = self.process.wait_for_line(&format!("got {} ", self.got));
        let told: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(told.get("fault"), None, "{told}");
        told
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// Subscribes a client's device.
    #[track_caller]
    fn subscribes(&self, client: &mut Client, path: &str) {
        let (p256dh, auth) = (&self.keys["p256dh"], &self.keys["auth"]);
        client.asks(json!({"t": "push", "endpoint": self.url(path), "p256dh": p256dh, "auth": auth}));
    }
}

/// A chat whose absent members are told by push.
#[track_caller]
fn pushing(more: &[&str]) -> Server {
    let common = ["--no-limits", "--push-contact", CONTACT, "--push-allow-private"];
    Server::with(&[&common, more].concat())
}

/// Ann in #a, and Bob with a device, who was there and has gone.
#[track_caller]
fn ann_alone(server: &Server, service: &Service) -> (Client, String) {
    let mut ann = server.account("ann");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "join", "room": "#a"}));
    service.subscribes(&mut bob, "/bob");
    let token = bob.token.clone();
    leaves(&mut ann, bob);
    (ann, token)
}

/// Closes a connection, until another client has seen that.
#[track_caller]
fn leaves(witness: &mut Client, client: Client) {
    drop(client);
    witness.hears_a("gone");
}

#[track_caller]
fn says(client: &mut Client, room: &str, text: &str) -> Value {
    client.asks(json!({"t": "send", "room": room, "text": text}))
}

#[track_caller]
fn comes_back(server: &Server, token: &str) -> Client {
    let mut client = server.client();
    client.asks(json!({"t": "token", "token": token}));
    client
}

#[test]
fn a_device_is_told_what_its_absent_owner_would_want_to_know() {
    let mut service = Service::start();
    let server = pushing(&[]);
    let (mut ann, token) = ann_alone(&server, &service);
    says(&mut ann, "#a", "nothing for anybody");
    let sent = says(&mut ann, "#a", "look at this, @Bob");
    let told = service.gets();
    let body = json!({
        "room": "#a", "from": "ann", "text": "look at this, @Bob", "kind": "mention",
        "id": sent["id"], "seq": sent["seq"],
    });
    assert_eq!(told["body"], body);
    assert_eq!((&told["path"], &told["sub"]), (&json!("/bob"), &json!(CONTACT)));
    assert_eq!((&told["urgency"], &told["topic"]), (&json!("high"), &sent["id"]));
    let ttl: u64 = told["ttl"].as_str().unwrap().parse().unwrap();
    assert!(ttl > 23 * 3600 && ttl <= 24 * 3600, "{ttl}");

    says(&mut ann, "bob", "psst");
    let told = service.gets();
    assert_eq!((&told["body"]["room"], &told["body"]["kind"]), (&json!("ann"), &json!("direct")));
    ann.asks(json!({"t": "create", "room": "#den", "kind": "private"}));
    ann.asks(json!({"t": "invite", "room": "#den", "name": "bob"}));
    let told = service.gets();
    assert_eq!((&told["body"]["room"], &told["body"]["kind"]), (&json!("#den"), &json!("invite")));

    // Whoever is here reads it without help; whoever is away does not.
    let mut bob = comes_back(&server, &token);
    says(&mut ann, "bob", "you are here");
    bob.hears_a("message");
    bob.asks(json!({"t": "presence", "presence": "away"}));
    says(&mut ann, "#a", "bob: lunch?");
    assert_eq!(service.gets()["body"]["text"], "bob: lunch?");

    bob.asks(json!({"t": "notify", "room": "#a", "level": "all"}));
    assert_eq!(bob.asks(json!({"t": "room", "room": "#a"}))["room"]["notify"], "all");
    says(&mut ann, "#a", "for all");
    let told = service.gets();
    assert_eq!((&told["body"]["kind"], &told["urgency"]), (&json!("all"), &json!("normal")));
    bob.asks(json!({"t": "notify", "room": "#a", "level": "none"}));
    says(&mut ann, "#a", "quiet, @bob");
    says(&mut ann, "bob", "heard");
    assert_eq!(service.gets()["body"]["text"], "heard", "the one before was not told");

    // A device that is told no longer, and one whose login has ended.
    let endpoint = service.url("/bob");
    bob.asks(json!({"t": "unpush", "endpoint": endpoint}));
    says(&mut ann, "bob", "nobody is told");
    service.subscribes(&mut bob, "/again");
    says(&mut ann, "bob", "again");
    assert_eq!(service.gets()["path"], "/again");
    bob.asks(json!({"t": "logout"}));
    says(&mut ann, "bob", "nobody is told");
    let mut bob = server.client();
    bob.asks(json!({"t": "login", "account": "bob", "password": super::client::PASSWORD}));
    bob.asks(json!({"t": "presence", "presence": "away"}));
    service.subscribes(&mut bob, "/last");
    says(&mut ann, "bob", "last");
    assert_eq!(service.gets()["body"]["text"], "last");
}

#[test]
fn attempts_go_on_until_the_notice_is_taken_or_given_up() {
    let mut service = Service::start();
    let mut server = pushing(&["--notify-attempts", "3", "--notify-backoff", "10ms"]);
    let (mut ann, token) = ann_alone(&server, &service);
    // A service may ask for time.
    service.answers("429:1,500,201");
    says(&mut ann, "bob", "one");
    let [first, second, third] = [(); 3].map(|()| service.gets());
    assert!([&first, &second, &third].iter().all(|told| told["body"]["text"] == "one"));
    let waited = second["at"].as_f64().unwrap() - first["at"].as_f64().unwrap();
    assert!(waited >= 0.99, "Retry-After was honoured: {waited}");

    service.answers("500,502,503");
    says(&mut ann, "bob", "two");
    (0..3).for_each(|_| drop(service.gets()));
    server.process.wait_for_stderr("a notice is given up");
    let dead = rows(&server, &["notices", "list"]);
    let [notice] = &dead[..] else { panic!("{dead:?}") };
    assert_eq!((&notice["account"], &notice["attempts"]), (&json!("bob"), &json!(3)));
    assert!(notice["error"].as_str().unwrap().contains("503"), "{notice}");
    let number = notice["notice"].to_string();
    assert_eq!(
        admin(&server, &["notices", "retry", &number], "").success().text(),
        "1 notice is to be tried again\n"
    );
    assert_eq!(service.gets()["body"]["text"], "two");

    // Nothing is followed, and what cannot succeed is not tried again.
    service.answers("302");
    says(&mut ann, "bob", "three");
    assert_eq!(service.gets()["path"], "/bob");
    server.process.wait_for_stderr("the answer was 302");
    // Read meanwhile, it is not told when it is tried again.
    let mut bob = comes_back(&server, &token);
    let seq = ann.asks(json!({"t": "room", "room": "#a"}))["room"]["seq"].clone();
    bob.asks(json!({"t": "read", "room": "#a", "seq": seq}));
    bob.asks(json!({"t": "read", "room": "ann", "seq": 100}));
    leaves(&mut ann, bob);
    assert!(admin(&server, &["notices", "retry", "--all"], "").success().text().starts_with("1 notice"));
    says(&mut ann, "bob", "four");
    assert_eq!(service.gets()["body"]["text"], "four");

    // A subscription that has ended is forgotten.
    service.answers("410");
    says(&mut ann, "bob", "five");
    service.gets();
    let mut bob = comes_back(&server, &token);
    service.subscribes(&mut bob, "/other");
    leaves(&mut ann, bob);
    says(&mut ann, "bob", "six");
    let told = service.gets();
    assert_eq!((&told["path"], &told["body"]["text"]), (&json!("/other"), &json!("six")));
    assert_eq!(rows(&server, &["notices", "list"]), Vec::<Value>::new());
    let refused = admin(&server, &["notices", "drop", "999"], "");
    assert_eq!(refused.stderr, "error: no notice of this number was given up\n");
}

#[test]
fn what_waits_survives_being_killed_and_is_told_once() {
    let mut service = Service::start();
    let args = ["--no-limits", "--push-contact", CONTACT, "--push-allow-private", "--notify-backoff", "3s"];
    let server = Server::with(&args);
    let hello = server.client_hello()["push"]["key"].clone();
    let (mut ann, token) = ann_alone(&server, &service);
    service.answers("503");
    let sent = says(&mut ann, "bob", "before");
    assert_eq!(service.gets()["body"]["id"], sent["id"]);
    let ann_token = ann.token.clone();
    let server = server.killed_and_started_with(&args);
    assert_eq!(server.client_hello()["push"]["key"], hello, "browsers know it by its key");
    assert_eq!(service.gets()["body"]["id"], sent["id"]);
    let mut ann = comes_back(&server, &ann_token);
    says(&mut ann, "bob", "after");
    assert_eq!(service.gets()["body"]["text"], "after", "nothing was told twice");
    drop(comes_back(&server, &token));
}

#[test]
fn a_service_is_reached_by_tls_if_it_is_who_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (write("cert", made.cert.pem()), write("key", made.signing_key.serialize_pem()));
    let secrets = write("secrets", SECRET.to_owned());
    let mut service = Service::with(&[&cert, &key]);
    let url = format!("https://localhost:{}/hook", service.addr.port());
    for trusted in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_wireworks"));
        command.args(["chat", "serve", "--listen", "127.0.0.1:0", "--no-limits", "--notify-attempts", "1"]);
        command.args([
            "--webhook",
            &url,
            "--webhook-secret-file",
            &secrets,
            "--push-allow-private",
            "--data",
        ]);
        command.arg(folder.path().join("data")).env_remove("RUST_LOG");
        if trusted {
            command.env("SSL_CERT_FILE", &cert);
        }
        let mut process = Process::start(&mut command, Vec::new());
        let addr = process.address("chat");
        let mut server = Server { process, addr, irc: None, folder };
        let mut ann = server.account("ann");
        let bob = server.account("bob");
        ann.asks(json!({"t": "watch", "names": ["bob"]}));
        drop(bob);
        while ann.hears_a("presence")["presence"] != "offline" {}
        says(&mut ann, "bob", "psst");
        if trusted {
            assert_eq!(service.gets()["body"]["data"]["kind"], "direct");
        } else {
            server.process.wait_for_stderr("a notice is given up");
            let dead = rows(&server, &["notices", "list"]);
            assert!(dead[0]["error"].as_str().unwrap().contains("certificate"), "{dead:?}");
        }
    }
}

#[test]
fn webhooks_are_signed() {
    let mut service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    let secrets = folder.path().join("secrets");
    // While a secret is replaced both sign.
    let new = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    std::fs::write(&secrets, format!("{new}\n{SECRET}\n")).unwrap();
    let (url, secrets) = (service.url("/hook?a=b"), secrets.display().to_string());
    let hook = ["--webhook", &url, "--webhook-secret-file", &secrets, "--notify-backoff", "10ms"];
    let server = Server::with(&[&["--no-limits", "--push-allow-private"], &hook[..]].concat());
    let mut ann = server.account("ann");
    assert_eq!(server.client_hello().get("push"), None, "no device is told");
    ann.asks(json!({"t": "create", "room": "#a"}));
    let mut bob = server.account("bob");
    bob.asks(json!({"t": "join", "room": "#a"}));
    leaves(&mut ann, bob);
    service.answers("500,204");
    let sent = says(&mut ann, "#a", "@bob?");
    let (first, second) = (service.gets(), service.gets());
    assert_eq!((&first["id"], &first["path"]), (&second["id"], &json!("/hook?a=b")));
    let body = &first["body"];
    assert_eq!(body["type"], "absent.mention");
    let data = json!({
        "account": "bob", "room": "#a", "from": "ann", "text": "@bob?", "kind": "mention",
        "id": sent["id"], "seq": sent["seq"],
    });
    assert_eq!(body["data"], data);
    // What is deleted before it is told is not told.
    service.answers("500");
    let gone = says(&mut ann, "#a", "@bob: never mind");
    ann.asks(json!({"t": "delete", "room": "#a", "message": gone["id"]}));
    says(&mut ann, "#a", "@bob last");
    loop {
        let told = service.gets();
        if told["body"]["data"]["text"] == "@bob last" {
            break;
        }
        assert_eq!(told["body"]["data"]["id"], gone["id"]);
    }
}

#[test]
fn only_public_places_are_told() {
    let server = Server::with(&["--no-limits", "--push-contact", CONTACT]);
    let key = server.client_hello()["push"]["key"].clone();
    assert_eq!(key.as_str().unwrap().len(), 87);
    let mut ann = server.account("ann");
    let (auth, long) = ("BTBZMqHH6r4Tts7J_aSIgg", format!("https://push.example.net/{}", "x".repeat(3000)));
    for endpoint in [
        "http://push.example.net/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://169.254.169.254/latest/meta-data",
        "https://2130706433/",
        "https://me:word@push.example.net/",
        "file:///etc/passwd",
        "",
        &long,
    ] {
        let request = json!({"t": "push", "endpoint": endpoint, "p256dh": key, "auth": auth});
        assert_eq!(ann.is_refused(request), "bad_request", "{endpoint}");
    }
    let endpoint = "https://push.example.net/x";
    for (p256dh, auth) in [
        (json!("AAAA"), auth),
        (json!("B".repeat(87)), auth),
        (key.clone(), "AAAA"),
        (key.clone(), "no base64!"),
    ] {
        let request = json!({"t": "push", "endpoint": endpoint, "p256dh": p256dh, "auth": auth});
        assert_eq!(ann.is_refused(request), "bad_request");
    }
    ann.asks(json!({"t": "push", "endpoint": endpoint, "p256dh": key, "auth": format!("{auth}==")}));
    let mut guest = server.guest("visitor");
    let request = json!({"t": "push", "endpoint": endpoint, "p256dh": key, "auth": auth});
    assert_eq!(guest.is_refused(request.clone()), "account_required");

    let server = Server::start();
    assert_eq!(server.client_hello().get("push"), None);
    let mut ann = server.account("ann");
    assert_eq!(ann.is_refused(request), "not_offered");
    ann.asks(json!({"t": "create", "room": "#a"}));
    assert_eq!(ann.is_refused(json!({"t": "notify", "room": "#a", "level": "all"})), "not_offered");
}
