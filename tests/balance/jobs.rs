//! The ten usual jobs of the manual, each by the file that stands there, with other addresses.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::certificate::certificate;
use crate::support::command::{stop, wireworks};
use crate::support::process::Process;
use crate::support::response::Response;
use crate::support::tool::Tool;
use crate::support::wire::Wire;

/// A job under way.
struct Job {
    balancer: Process,
    /// Where clients come in, in the order of the file.
    at: Vec<SocketAddr>,
    folder: tempfile::TempDir,
}

/// The file under a heading of the manual.
#[track_caller]
fn manual(title: &str) -> String {
    let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/balance.md")).unwrap();
    let (_, rest) = manual.split_once(&format!("\n### {title}\n")).expect("the heading");
    let (_, rest) = rest.split_once("```toml\n").expect("a file");
    rest.split_once("```").expect("its end").0.to_owned()
}

impl Job {
    /// Runs the file under `title`: its listeners at ports of their own, with these `files` beside it, and each text of `real` in place of the manual's.
    #[track_caller]
    fn start(title: &str, files: &[(&str, &str)], real: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self::start_in(folder, title, files.iter().map(|(name, _)| *name).collect(), real)
    }

    #[track_caller]
    fn start_in(folder: tempfile::TempDir, title: &str, files: Vec<&str>, real: &[(&str, &str)]) -> Self {
        let mut listeners = 0;
        let mut text = String::from("[process]\nthreads = 1\nwatch = false\ndrain-timeout = \"10s\"\n");
        for line in manual(title).lines() {
            let place = line.starts_with("listen = \"") && !line.contains("unix:");
            text += if place { "listen = \"127.0.0.1:0\"" } else { line };
            text.push('\n');
            listeners += usize::from(place);
        }
        for file in files {
            let path = folder.path().join(file).display().to_string();
            assert!(text.contains(&format!("\"{file}\"")), "{file} is not in the file");
            text = text.replace(&format!("\"{file}\""), &format!("{path:?}"));
        }
        for (shown, real) in real {
            assert!(text.contains(shown), "{shown} is not in the file");
            text = text.replace(shown, real);
        }
        let path = folder.path().join("lb.toml");
        fs::write(&path, text).unwrap();
        let mut balancer = wireworks(&["balance", "--config", path.to_str().unwrap()]);
        let at = (0..listeners).map(|_| balancer.address("balance")).collect();
        Self { balancer, at, folder }
    }

    #[track_caller]
    fn get(&self, path: &str, fields: &[&str]) -> Response {
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let mut wire = Wire::connect(self.at[0]);
        wire.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n"));
        wire.read_response()
    }

    /// Asks until the answer is as it should be.
    #[track_caller]
    fn wait_for(&self, path: &str, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.get(path, &[]).text() != text {
            assert!(Instant::now() < deadline, "{path} never answers {text:?}");
        }
    }

    #[track_caller]
    fn end(self) {
        stop(self.balancer);
    }
}

/// A backend that answers with `text`.
fn saying(text: &'static str) -> (Backend, String) {
    let backend = Backend::start(move |_, peer| peer.serve(text));
    let at = backend.addr.to_string();
    (backend, at)
}

#[test]
fn a_site_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    certificate(&folder.path().join("site.pem"), &folder.path().join("site.key"), "site");
    let ((_one, one), (_two, two)) = (saying("well"), saying("well"));
    let job = Job::start_in(
        folder,
        "A site over TLS",
        vec!["site.pem", "site.key"],
        &[("10.0.1.1:8080", &one), ("10.0.1.2:8080", &two)],
    );
    let moved = job.get("/a?b=c", &[]);
    assert_eq!((moved.status, moved.header("location")), (308, Some("https://a.test/a?b=c")));
    let cert = job.folder.path().join("site.pem");
    let url = format!("https://localhost:{}/a", job.at[1].port());
    let page = Tool::new("curl").args(["-sS", "--cacert", cert.to_str().unwrap(), &url]).run().success();
    assert_eq!(page.text(), "well");
    job.end();
}

#[test]
fn a_site_and_its_api() {
    let ((_pages, pages), (api, one), (other, two)) = (saying("page"), saying("api"), saying("api"));
    let real = [("10.0.1.1:8080", &*pages), ("10.0.2.1:8080", &one), ("10.0.2.2:8080", &two)];
    let job = Job::start("A site and its API", &[], &real);
    assert_eq!(job.get("/index.html", &[]).text(), "page");
    assert_eq!(job.get("/api/users?all", &[]).text(), "api");
    let seen: Vec<_> =
        [api, other].iter().flat_map(Backend::requests).map(|request| request.target).collect();
    assert_eq!(seen, ["/users?all"]);
    job.end();
}

#[test]
fn a_canary_release() {
    let ((_stable, stable), (_next, next)) = (saying("stable"), saying("next"));
    let real = [("10.0.1.1:8080", &*stable), ("10.0.2.1:8080", &next)];
    let job = Job::start("A canary release", &[], &real);
    assert_eq!(job.get("/", &["X-Version: next"]).text(), "next");
    let first = job.get("/", &[]).text().to_owned();
    for _ in 0..20 {
        assert_eq!(job.get("/", &[]).text(), first, "a client stays");
    }
    job.end();
}

#[test]
fn websockets_with_sticky_sessions() {
    let mut servers: Vec<_> =
        (0..2).map(|_| wireworks(&["ws", "serve", "--listen", "127.0.0.1:0"])).collect();
    let at: Vec<_> = servers.iter_mut().map(|server| server.address("ws").to_string()).collect();
    let job = Job::start(
        "WebSockets with sticky sessions",
        &[("sticky.key", &"k".repeat(32))],
        &[("10.0.1.1:8081", &at[0]), ("10.0.1.2:8081", &at[1])],
    );
    let shake = |cookie: &str| {
        let mut wire = Wire::connect(job.at[0]);
        wire.send(format!(
            "GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n{cookie}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ));
        let head = String::from_utf8(wire.read_until(b"\r\n\r\n")).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        head.to_ascii_lowercase()
            .lines()
            .any(|line| line.starts_with("set-cookie"))
            .then(|| head.lines().find(|line| line.contains("ROOM=")).unwrap().to_owned())
    };
    let set = shake("").expect("a cookie");
    let (_, pair) = set.split_once(": ").unwrap();
    let pair = pair.split(';').next().unwrap();
    for _ in 0..8 {
        assert_eq!(shake(&format!("Cookie: {pair}\r\n")), None, "its server is well, so the cookie stays");
    }
    job.end();
    servers.into_iter().for_each(|server| drop(stop(server)));
}

#[test]
fn a_database_with_a_standby() {
    let ((first, one), (_stand_in, two)) = (saying("first"), saying("stand-in"));
    let real = [("10.0.4.1:5432", &*one), ("10.0.4.2:5432", &two)];
    let mut job = Job::start("A database with a standby", &[], &real);
    for _ in 0..8 {
        assert_eq!(job.get("/", &[]).text(), "first");
    }
    drop(first);
    job.balancer.wait_for_stderr("a backup pool is used");
    assert_eq!(job.get("/", &[]).text(), "stand-in");
    job.end();
}

#[test]
fn tls_passthrough() {
    let mut servers: Vec<_> = ["shop", "mail"]
        .map(|name| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("index.html"), name).unwrap();
            let args =
                ["http", folder.path().to_str().unwrap(), "--listen", "127.0.0.1:0", "--tls-self-signed"];
            (wireworks(&args), folder)
        })
        .into();
    let at: Vec<_> = servers.iter_mut().map(|(server, _)| server.address("http").to_string()).collect();
    let real = [("10.0.5.1:443", &*at[0]), ("10.0.5.2:443", &at[1])];
    let job = Job::start("TLS passthrough", &[], &real);
    let port = job.at[0].port();
    let ask = |name: &str| {
        let (at, url) = (format!("{name}:{port}:127.0.0.1"), format!("https://{name}:{port}/"));
        Tool::new("curl").args(["-sSk", "--resolve", &at, &url]).run()
    };
    assert_eq!(ask("shop.example.com").success().text(), "shop");
    assert_eq!(ask("mail.example.com").success().text(), "mail");
    assert_eq!(ask("a.mail.example.com").success().text(), "mail");
    assert_eq!(ask("other.example.com").text(), "", "nobody else is let through");
    job.end();
    servers.into_iter().for_each(|(server, _)| drop(stop(server)));
}

#[test]
fn calls_between_services() {
    let mut servers: Vec<_> =
        (0..2).map(|_| wireworks(&["rpc", "serve", "--listen", "127.0.0.1:0"])).collect();
    let at: Vec<_> = servers.iter_mut().map(|server| server.address("rpc").to_string()).collect();
    let real = [("10.0.6.1:7000", &*at[0]), ("10.0.6.2:7000", &at[1])];
    let job = Job::start("Calls between services", &[], &real);
    for _ in 0..4 {
        let call = wireworks(&["rpc", "call", &job.at[0].to_string(), "Echo.say", "{\"text\":\"hi\"}"]);
        let ended = call.wait().success();
        assert!(ended.text().contains("hi"), "{}", ended.text());
    }
    job.end();
    servers.into_iter().for_each(|server| drop(stop(server)));
}

#[test]
fn an_api_with_keys_and_rate_limits() {
    let (api, at) = saying("answer");
    let hash = Tool::new("sha256sum").input("a long and random key").run().success().text();
    let keys = format!("acme:{}\n", hash.split(' ').next().unwrap());
    let job =
        Job::start("An API with keys and rate limits", &[("keys.txt", &keys)], &[("10.0.2.1:8080", &at)]);
    let key = "X-Api-Key: a long and random key";
    assert_eq!(job.get("/v1/a", &[]).status, 401);
    assert_eq!(job.get("/v1/a", &["X-Api-Key: a guess"]).status, 401);
    let statuses = [(); 3].map(|()| job.get("/v1/a", &[key]).status);
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(job.get("/v2", &[key]).status, 404);
    for request in api.requests() {
        assert!(request.all("x-api-key").is_empty(), "{request:?}");
        assert!(request.fields.iter().any(|(_, value)| value == "acme"), "{request:?}");
    }
    job.end();
}

#[test]
fn a_site_that_survives_an_outage() {
    // It answers once, and never again.
    let site = Backend::start(|number, peer| match number {
        0 => peer.answer(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=0\r\nETag: \"1\"\r\nContent-Length: 4\r\n\r\nshow",
        ),
        _ => Ok(()),
    });
    let at = site.addr.to_string();
    let job = Job::start("A site that survives an outage", &[], &[("10.0.1.1:8080", &at)]);
    assert_eq!(job.get("/seen", &[]).text(), "show");
    assert_eq!(job.get("/seen", &[]).text(), "show", "what was fresh a moment ago");
    let unseen = job.get("/unseen", &[]);
    assert_eq!((unseen.status, unseen.text()), (502, "<h1>Back soon</h1>"));
    assert_eq!(unseen.header("retry-after"), Some("10"));
    job.end();
}

#[test]
fn backends_listed_in_a_file() {
    let ((_one, one), (_two, two)) = (saying("one"), saying("two"));
    let list = |at: &[&str]| {
        let all: Vec<_> = at.iter().map(|at| format!("{at:?}")).collect();
        format!("{{\"backends\": [{}]}}", all.join(", "))
    };
    let folder = tempfile::tempdir().unwrap();
    let admin = folder.path().join("lb.sock").display().to_string();
    let fleet = folder.path().join("fleet.json");
    fs::write(&fleet, list(&[&one])).unwrap();
    let job = Job::start_in(
        folder,
        "Backends listed in a file",
        vec!["fleet.json"],
        &[("unix:/run/lb.sock", &format!("unix:{admin}"))],
    );
    job.wait_for("/", "one");
    let beside = fleet.with_extension("new");
    fs::write(&beside, list(&[&one, &two])).unwrap();
    fs::rename(beside, &fleet).unwrap();
    // Requests one after the other may all go to the backend that answers sooner, so each is asked while the other drains.
    let ctl = |args: &[&str]| {
        let admin = format!("unix:{admin}");
        let all = [&["balance", "ctl", "--admin", &admin], args].concat();
        wireworks(&all).wait().success()
    };
    ctl(&["drain", "fleet", &one]);
    job.wait_for("/", "two");
    for _ in 0..8 {
        assert_eq!(job.get("/", &[]).text(), "two", "the other takes nothing new");
    }
    ctl(&["ready", "fleet", &one]);
    ctl(&["drain", "fleet", &two]);
    job.wait_for("/", "one");
    job.end();
}
