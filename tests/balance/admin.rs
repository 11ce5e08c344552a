//! What operators get: the API and its errors, metrics, the page, and the command that uses the API.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::{Value, json};

use super::Balancer;
use super::raw::Backend;
use crate::support::PATIENCE;
use crate::support::command::wireworks;
use crate::support::wire::Wire;

pub(super) const TOKEN: &str = "0123456789abcdef";

/// A balancer with an API.
pub(super) struct Desk {
    pub(super) balancer: Balancer,
    pub(super) admin: SocketAddr,
    folder: tempfile::TempDir,
}

impl Desk {
    /// One over these backends; `admin` are further lines of `[admin]`, where FOLDER is a folder of its own.
    #[track_caller]
    fn over(backends: &[SocketAddr], admin: &str) -> Self {
        Self::with(backends, admin, "")
    }

    /// The same with further lines of the listener.
    #[track_caller]
    pub(super) fn with(backends: &[SocketAddr], admin: &str, listener: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("token"), TOKEN).unwrap();
        let backends: Vec<_> = backends.iter().map(|addr| format!("{:?}", addr.to_string())).collect();
        let text = format!(
            "[process]\nthreads = 1\n[admin]\nlisten = \"127.0.0.1:0\"\n{}\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n{listener}\
             [upstream.web]\nalgorithm = \"round-robin\"\nbackends = [{}]\n",
            admin.replace("FOLDER", folder.path().to_str().unwrap()),
            backends.join(", ")
        );
        let balancer = Balancer::parse(&text, |_| {});
        let admin = address(&balancer, "admin");
        Self { balancer, admin, folder }
    }

    fn token(&self) -> PathBuf {
        self.folder.path().join("token")
    }

    /// What is answered to a request, with the token if `known`.
    #[track_caller]
    pub(super) fn ask(&self, line: &str, body: Option<&Value>, known: bool) -> (u16, Value) {
        let token = if known { format!("Authorization: Bearer {TOKEN}\r\n") } else { String::new() };
        let mut wire = Wire::connect(self.admin);
        let body = body.map(Value::to_string).unwrap_or_default();
        wire.send(format!(
            "{line} HTTP/1.1\r\nHost: a\r\n{token}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let response = wire.read_response();
        let value = if response.text().is_empty() {
            Value::Null
        } else {
            serde_json::from_str(response.text()).unwrap()
        };
        (response.status, value)
    }

    /// The backend that answers the next request.
    #[track_caller]
    fn served(&self) -> String {
        let mut wire = self.balancer.connect();
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.read_response().text().to_owned()
    }
}

fn address(balancer: &Balancer, name: &str) -> SocketAddr {
    let found = balancer.running.addresses().iter().find(|address| address.server == name).unwrap();
    found.address.to_string().parse().unwrap()
}

fn named(name: &'static str) -> Backend {
    Backend::start(move |_, peer| peer.serve(name))
}

fn path(backend: &Backend) -> String {
    format!("/api/upstreams/web/backends/{}", backend.addr)
}

#[test]
fn the_first_backend_of_an_upstream_is_what_its_configuration_says() {
    let one = named("one");
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("token"), TOKEN).unwrap();
    std::fs::write(folder.path().join("none.toml"), "backends = []").unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    let text = format!(
        "[process]\nthreads = 1\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken-file = {:?}\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
         [upstream.web]\ndiscover = {{ file = {:?} }}\ncheck = {{ path = \"/\", status = 204 }}\n",
        file("token"),
        file("none.toml")
    );
    let balancer = Balancer::parse(&text, |_| {});
    let admin = address(&balancer, "admin");
    let desk = Desk { balancer, admin, folder };
    let add = json!({ "address": one.addr.to_string(), "backup": true });
    let (status, added) = desk.ask("POST /api/upstreams/web/backends", Some(&add), true);
    assert_eq!((status, &added["state"]), (201, &json!("down")), "it was not checked yet: {added}");
    assert_eq!((&added["origin"], &added["priority"]), (&json!("operator"), &json!(1)), "{added}");
}

#[test]
fn backends_are_drained_weighed_added_and_removed() {
    let (one, two) = (named("one"), named("two"));
    let desk = Desk::over(&[one.addr], "token-file = \"FOLDER/token\"");
    let add = json!({ "address": two.addr.to_string(), "weight": 3 });
    let (status, added) = desk.ask("POST /api/upstreams/web/backends", Some(&add), true);
    assert_eq!((status, &added["weight"], &added["origin"]), (201, &json!(3), &json!("operator")), "{added}");
    assert_eq!(desk.ask("POST /api/upstreams/web/backends", Some(&add), true).0, 409);
    let count = |desk: &Desk| (0..8).filter(|_| desk.served() == "two").count();
    assert_eq!(count(&desk), 6);
    let (status, changed) = desk.ask(&format!("PATCH {}", path(&two)), Some(&json!({ "weight": 1 })), true);
    assert_eq!((status, &changed["weight"]), (200, &json!(1)));
    assert_eq!(count(&desk), 4);
    for (state, shown, served) in
        [("drain", "drain", 8), ("ready", "up", 4), ("down", "forced-down", 8), ("ready", "up", 4)]
    {
        let change = json!({ "state": state });
        let (status, changed) = desk.ask(&format!("PATCH {}", path(&one)), Some(&change), true);
        assert_eq!(
            (status, &changed["admin"], &changed["state"]),
            (200, &json!(state), &json!(shown)),
            "{changed}"
        );
        assert_eq!(count(&desk), served, "{state}");
    }
    assert_eq!(desk.ask(&format!("DELETE {}", path(&two)), None, true), (204, Value::Null));
    assert_eq!(count(&desk), 0);
    let (_, shown) = desk.ask("GET /api/upstreams/web", None, false);
    assert_eq!(shown["backends"].as_array().unwrap().len(), 1);
}

#[test]
fn what_a_cache_holds_is_shown_and_purged() {
    let backend = Backend::start(|_, peer| {
        loop {
            peer.answer("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 2\r\n\r\nok")?;
        }
    });
    let admin = "token-file = \"FOLDER/token\"\n[cache.pages]\nmemory = \"16MiB\"";
    let desk = Desk::with(&[backend.addr], admin, "[[listener.route]]\nto = \"web\"\ncache = \"pages\"\n");
    let get = |path: &str| {
        let response = desk.balancer.get(path, &[]);
        assert_eq!((response.status, response.text()), (200, "ok"));
    };
    ["/a/1", "/a/2", "/b", "/b"].into_iter().for_each(get);
    let (_, shown) = desk.ask("GET /api/caches", None, false);
    assert_eq!(shown[0]["name"], "pages");
    assert_eq!((&shown[0]["uris"], &shown[0]["counts"]["hit"]), (&json!(3), &json!(1)), "{shown}");
    let mut wire = Wire::connect(desk.admin);
    wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
    let text = wire.read_response().text().to_owned();
    let hits = "wireworks_balance_cache_events_total{cache=\"pages\",event=\"hit\"}";
    assert_eq!(metric(&text, hits), 1.0);
    let purge = |body: Value, known| desk.ask("POST /api/caches/pages/purge", Some(&body), known);
    assert_eq!(purge(json!({ "target": "/a/*" }), false).0, 401);
    assert_eq!(purge(json!({ "target": "a" }), true).0, 422);
    assert_eq!(purge(json!({ "host": "b.test", "target": "/a/*" }), true).1, json!({ "purged": 0 }));
    assert_eq!(purge(json!({ "target": "/a/*" }), true), (200, json!({ "purged": 2 })));
    assert_eq!(desk.ask("POST /api/caches/none/purge", Some(&json!({ "target": "/" })), true).0, 404);
    let order = ["purge", "pages", "/b", "--host", "a.test"];
    let (good, said) = ctl(&desk.admin.to_string(), Some(&desk.token()), &order);
    assert_eq!((good, &*said), (true, "1 URI is forgotten in pages\n"));
    let before = backend.requests().len();
    ["/a/1", "/b"].into_iter().for_each(get);
    assert_eq!(backend.requests().len(), before + 2);
}

#[test]
fn what_is_wrong_is_told() {
    let one = named("one");
    let desk = Desk::over(&[one.addr], "token-file = \"FOLDER/token\"");
    let backend = path(&one);
    let rows = [
        (format!("PATCH {backend}"), json!({ "state": "drain" }), false, 401, "Authorization: Bearer"),
        ("POST /api/reload".into(), Value::Null, false, 401, "Authorization: Bearer"),
        ("POST /api/reload".into(), Value::Null, true, 409, "without a file"),
        (
            "PATCH /api/upstreams/web/backends/b:1".into(),
            json!({ "weight": 1 }),
            true,
            404,
            "unknown backend b:1",
        ),
        ("DELETE /api/upstreams/web/backends/b:1".into(), Value::Null, true, 404, "unknown backend b:1"),
        ("DELETE /api/upstreams/wep/backends/b:1".into(), Value::Null, true, 404, "unknown upstream wep"),
        (format!("PATCH {backend}"), json!({ "state": "gone" }), true, 400, "unknown variant `gone`"),
        (format!("PATCH {backend}"), json!({}), true, 422, "`weight`, a `state`"),
        (format!("PATCH {backend}"), json!({ "weight": 65537 }), true, 422, "at most 65536"),
        (
            "POST /api/upstreams/web/backends".into(),
            json!({ "address": "b" }),
            true,
            422,
            "\"b\" is no address",
        ),
        (
            "POST /api/upstreams/web/backends".into(),
            json!({ "adress": "b:1" }),
            true,
            400,
            "unknown field `adress`",
        ),
        ("GET /api/upstreams/wep".into(), Value::Null, false, 404, "unknown upstream wep"),
        ("GET /api/else".into(), Value::Null, false, 404, "nothing here"),
    ];
    for (line, body, known, status, detail) in rows {
        let (found, problem) = desk.ask(&line, Some(&body).filter(|body| !body.is_null()), known);
        assert_eq!((found, &problem["status"]), (status, &json!(status)), "{line}: {problem}");
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{line}: {problem}");
    }
    // Nothing has changed.
    assert_eq!(desk.served(), "one");
    let (_, shown) = desk.ask("GET /api/upstreams/web", None, false);
    assert_eq!(
        (&shown["backends"][0]["admin"], &shown["backends"][0]["weight"]),
        (&json!("ready"), &json!(1))
    );
}

#[test]
fn a_wrong_token_and_no_token_change_nothing() {
    let one = named("one");
    let desk = Desk::over(&[one.addr], "token-file = \"FOLDER/token\"");
    let without = Desk::over(&[one.addr], "");
    for (desk, fields, status) in [
        (&desk, "Authorization: Bearer 0123456789abcdeX\r\n", 401),
        (&desk, "Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZg==\r\n", 401),
        (&without, "Authorization: Bearer 0123456789abcdef\r\n", 403),
    ] {
        let mut wire = Wire::connect(desk.admin);
        wire.send(format!("DELETE {} HTTP/1.1\r\nHost: a\r\n{fields}\r\n", path(&one)));
        let response = wire.read_response();
        assert_eq!(response.status, status, "{fields}");
        assert_eq!(response.header("content-type"), Some("application/problem+json"));
        assert_eq!(response.header("access-control-allow-origin"), None);
        assert_eq!(desk.served(), "one");
    }
}

/// The numbers of a metric with these labels.
#[track_caller]
fn metric(text: &str, line: &str) -> f64 {
    let found =
        text.lines().find_map(|found| found.strip_prefix(line)).unwrap_or_else(|| panic!("{line}\n{text}"));
    found.trim().parse().unwrap()
}

#[test]
fn metrics_tell_what_backends_did() {
    let good = named("hello");
    let bad = Backend::start(|_, peer| peer.request().map(drop));
    let desk = Desk::over(&[good.addr, bad.addr], "metrics = \"127.0.0.1:0\"");
    for _ in 0..6 {
        assert_eq!(desk.served(), "hello");
    }
    let mut texts = Vec::new();
    for name in ["metrics", "admin"] {
        let mut wire = Wire::connect(address(&desk.balancer, name));
        wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        texts.push(wire.read_response().text().to_owned());
    }
    for text in &texts {
        let of = |backend: &Backend, name: &str, more: &str| {
            metric(
                text,
                &format!(
                    "wireworks_balance_backend_{name}{{upstream=\"web\",backend=\"{}\"{more}}}",
                    backend.addr
                ),
            )
        };
        assert_eq!(of(&good, "requests_total", ",class=\"2xx\""), 6.0);
        assert_eq!(of(&good, "first_byte_seconds_count", ""), 6.0);
        let all = format!(
            "wireworks_balance_backend_first_byte_seconds_bucket{{le=\"+Inf\",upstream=\"web\",backend=\"{}\"}}",
            good.addr
        );
        assert_eq!(metric(text, &all), 6.0);
        assert_eq!(of(&good, "up", ""), 1.0);
        assert_eq!(of(&good, "weight", ""), 1.0);
        assert_eq!(of(&good, "in_flight", ""), 0.0);
        assert_eq!(of(&good, "state", ",state=\"up\""), 1.0);
        assert!(of(&good, "received_bytes_total", "") > 30.0);
        assert_eq!(of(&bad, "failures_total", ",reason=\"reset\""), 3.0);
        assert_eq!(of(&bad, "retried_total", ",reason=\"reset\""), 3.0);
        assert_eq!(of(&bad, "ejections_total", ",reason=\"faults\""), 1.0);
        assert_eq!(of(&bad, "state", ",state=\"ejected\""), 1.0);
        assert_eq!(metric(text, "wireworks_balance_upstream_retries_total{upstream=\"web\"}"), 3.0);
        assert_eq!(metric(text, "wireworks_balance_upstream_panic{upstream=\"web\"}"), 0.0);
        assert_eq!(metric(text, "wireworks_balance_listener_accepted_total{listener=\"127.0.0.1:0\"}"), 6.0);
        assert_eq!(metric(text, "wireworks_balance_config_generation"), 1.0);
        assert_eq!(metric(text, "wireworks_balance_config_last_reload_successful"), 1.0);
        assert_eq!(metric(text, "wireworks_balance_config_reloads_total{outcome=\"failure\"}"), 0.0);
        let version = concat!("wireworks_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        assert_eq!(metric(text, version), 1.0);
        assert!(text.ends_with("# EOF\n"));
    }
}

#[test]
fn routes_count_refusals_and_copies() {
    let (good, shadow) = (named("hello"), named("shadow"));
    let route = format!(
        "[[listener.route]]\nto = \"web\"\nlimits = {{ requests = {{ rate = \"1/h\", burst = 1 }} }}\nmirror = {{ to = \"shadow\" }}\n\
         [upstream.shadow]\nbackends = [{:?}]\n",
        shadow.addr.to_string()
    );
    let desk = Desk::with(&[good.addr], "", &route);
    let statuses: Vec<_> = (0..3).map(|_| desk.balancer.get("/", &[]).status).collect();
    assert_eq!(statuses, [200, 429, 429]);
    let count = |name: &str, label: &str| {
        let mut wire = Wire::connect(desk.admin);
        wire.send("GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
        let of = format!("wireworks_balance_route_{name}{{listener=\"127.0.0.1:0\",route=\"1\",{label}}}");
        metric(wire.read_response().text(), &of)
    };
    assert_eq!(count("refusals_total", "reason=\"rate\""), 2.0);
    assert_eq!(count("refusals_total", "reason=\"auth\""), 0.0);
    // The copy is counted when its answer was read.
    let deadline = Instant::now() + PATIENCE;
    while count("mirrored_total", "outcome=\"answered\"") != 1.0 {
        assert!(Instant::now() < deadline, "the copy is not counted");
    }
}

/// What `wireworks balance ctl` prints.
#[track_caller]
fn ctl(admin: &str, token: Option<&Path>, order: &[&str]) -> (bool, String) {
    let token: Vec<_> = token.iter().flat_map(|path| ["--token-file", path.to_str().unwrap()]).collect();
    let output = wireworks(&[&["balance", "ctl", "--admin", admin], &token[..], order].concat()).wait();
    (output.status.success(), format!("{}{}", output.text(), output.stderr))
}

#[test]
fn the_command_does_what_the_api_does() {
    let (one, two) = (named("one"), named("two"));
    let desk = Desk::over(&[one.addr], "token-file = \"FOLDER/token\"");
    let (admin, token) = (desk.admin.to_string(), desk.token());
    let (first, second) = (one.addr.to_string(), two.addr.to_string());
    let run = |order: &[&str]| ctl(&admin, Some(&token), order);
    for (order, expected) in [
        (&["add", "web", &second, "--weight", "2"][..], format!("{second} is up, weight 2\n")),
        (&["weight", "web", &second, "5"], format!("{second} is up, weight 5\n")),
        (&["drain", "web", &first], format!("{first} is drain, weight 1\n")),
        (&["ready", "web", &first], format!("{first} is up, weight 1\n")),
        (&["down", "web", &first], format!("{first} is forced-down, weight 1\n")),
        (&["remove", "web", &second], format!("{second} is removed from web\n")),
    ] {
        assert_eq!(run(order), (true, expected), "{order:?}");
    }
    let (good, text) = ctl(&admin, None, &["list"]);
    let lines: Vec<_> = text.lines().collect();
    assert!(good && lines.len() == 3 && lines[0].starts_with("web: round-robin, 0 of 1 up"), "{text}");
    assert!(lines[2].starts_with(&format!("  {first}  forced-down")), "{text}");
    let (good, text) = ctl(&admin, None, &["status"]);
    assert!(good && text.starts_with("wireworks ") && text.contains("\nconfiguration 1, in use"), "{text}");
    let (good, text) = ctl(&admin, None, &["status", "--json"]);
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(good && value["listeners"][0]["mode"] == "http", "{text}");
    let (good, text) = run(&["purge", "none", "/*"]);
    assert!(!good && text == "error: unknown cache none\n", "{text}");
    let (good, text) = ctl(&admin, None, &["drain", "web", &first]);
    assert!(!good && text.starts_with("error: changes need the token"), "{text}");
    let (good, text) = run(&["drain", "web", "b:1"]);
    assert!(!good && text.starts_with("error: unknown backend b:1"), "{text}");
}

#[test]
fn a_unix_socket_is_for_its_owner_and_needs_no_token() {
    use std::os::unix::fs::PermissionsExt as _;
    let one = named("one");
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("lb.sock");
    let text = format!(
        "[process]\nthreads = 1\n[admin]\nlisten = \"unix:{}\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
         [upstream.web]\nbackends = [{:?}]\n",
        socket.display(),
        one.addr.to_string()
    );
    let _balancer = Balancer::parse(&text, |_| {});
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let (good, text) =
        ctl(&format!("unix:{}", socket.display()), None, &["drain", "web", &one.addr.to_string()]);
    assert!(good && text.contains("is drain"), "{text}");
}

#[test]
fn a_reload_is_told_and_what_operators_did_survives_it() {
    let (one, two) = (named("one"), named("two"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("lb.toml");
    let socket = folder.path().join("lb.sock");
    let text = |weight: u32, algorithm: &str| {
        format!(
            "[process]\nthreads = 1\n[admin]\nlisten = \"unix:{}\"\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n\
             [upstream.web]\nalgorithm = {algorithm:?}\nbackends = [{{ address = {:?}, weight = {weight} }}]\n",
            socket.display(),
            one.addr.to_string()
        )
    };
    std::fs::write(&file, text(1, "p2c")).unwrap();
    let mut balancer = wireworks(&["balance", "--config", file.to_str().unwrap()]);
    balancer.address("balance");
    let admin = format!("unix:{}", socket.display());
    let (first, second) = (one.addr.to_string(), two.addr.to_string());
    let run = |order: &[&str]| ctl(&admin, None, order);
    run(&["drain", "web", &first]);
    run(&["weight", "web", &first, "7"]);
    run(&["add", "web", &second]);
    // The algorithm has changed and the weight has not: what the operator said stands.
    std::fs::write(&file, text(1, "random")).unwrap();
    assert_eq!(run(&["reload"]), (true, "configuration 2 is in use\n".into()));
    let shown =
        |text: &str, backend: &str| text.lines().find(|line| line.contains(backend)).map(str::to_owned);
    let (_, table) = run(&["list", "web"]);
    let row: Vec<_> = shown(&table, &first).unwrap().split_whitespace().map(str::to_owned).collect();
    assert_eq!(row[1..3], ["drain", "7"], "{table}");
    assert!(shown(&table, &second).is_some(), "{table}");
    // Another weight in the file counts.
    std::fs::write(&file, text(3, "random")).unwrap();
    assert_eq!(run(&["reload"]), (true, "configuration 3 is in use\n".into()));
    let (_, table) = run(&["list", "web"]);
    let row: Vec<_> = shown(&table, &first).unwrap().split_whitespace().map(str::to_owned).collect();
    assert_eq!(row[1..3], ["drain", "3"], "{table}");
    // A bad file changes nothing, and says where it is bad.
    std::fs::write(&file, text(3, "best")).unwrap();
    let (good, said) = run(&["reload"]);
    assert!(!good && said.contains("lb.toml:9:13: unknown algorithm `best`"), "{said}");
    let (_, json) = run(&["list", "web", "--json"]);
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["algorithm"], "random");
    balancer.signal(rustix::process::Signal::TERM);
    balancer.wait().success();
}

#[test]
fn a_reload_takes_another_token() {
    let one = named("one");
    let folder = tempfile::tempdir().unwrap();
    let (file, token) = (folder.path().join("lb.toml"), folder.path().join("token"));
    let text = format!(
        "[process]\nthreads = 1\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken-file = {token:?}\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
         to = \"web\"\n[upstream.web]\nbackends = [{:?}]\n",
        one.addr.to_string()
    );
    std::fs::write(&token, TOKEN).unwrap();
    std::fs::write(&file, text).unwrap();
    let mut balancer = wireworks(&["balance", "--config", file.to_str().unwrap()]);
    let admin = balancer.address("admin").to_string();
    let old = folder.path().join("old");
    std::fs::write(&old, TOKEN).unwrap();
    std::fs::write(&token, "fedcba9876543210").unwrap();
    assert_eq!(ctl(&admin, Some(&old), &["reload"]), (true, "configuration 2 is in use\n".into()));
    let backend = one.addr.to_string();
    let (good, said) = ctl(&admin, Some(&old), &["drain", "web", &backend]);
    assert_eq!((good, &*said), (false, "error: the token is wrong\n"));
    assert!(ctl(&admin, Some(&token), &["drain", "web", &backend]).0);
    balancer.signal(rustix::process::Signal::TERM);
    balancer.wait().success();
}
