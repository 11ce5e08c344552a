//! Files, and what is wrong with them.

use super::*;
use crate::net::resilience::pick::Algorithm;
use crate::proto::balance::route::HostPattern;
use crate::server::balance::probe::Ask;

const WHOLE: &str = r#"
[process]
threads = 2
drain-timeout = "10s"

[[listener]]
listen = [":8080", "unix:/run/lb.sock"]
proxy-protocol-from = ["10.0.0.0/8"]
trusted-proxies = ["10.0.0.0/8"]
to = "web"

[[listener.route]]
host = ["api.test", "*.api.test"]
path = "/v1/*"
method = "GET"
header = { x-version = "beta*" }
to = "api"

[[listener]]
listen = ":5432"
mode = "tcp"
send-proxy = "v2"
to = "db"

[upstream.web]
backends = ["127.0.0.1:9001", { address = "127.0.0.1:9002", weight = 2 }, { address = "127.0.0.1:9003", backup = true }]
check = { path = "/health", interval = "5s" }

[upstream.api]
algorithm = "maglev"
hash = "cookie:session"
backends = ["127.0.0.1:9004"]

[upstream.db]
algorithm = "least"
backends = ["127.0.0.1:9005"]
check = {}
"#;

#[test]
fn a_whole_file() {
    let config = Config::parse(WHOLE).unwrap();
    assert_eq!((config.threads, config.drain_timeout), (2, Duration::from_secs(10)));
    let names: Vec<_> = config.upstreams.iter().map(|upstream| &*upstream.name).collect();
    assert_eq!(names, ["api", "db", "web"]);
    let web = &config.upstreams[2];
    let backends: Vec<_> =
        web.backends.iter().map(|b| (b.target.to_string(), b.weight, b.priority)).collect();
    let row = |port: u16, weight, priority| (format!("127.0.0.1:{port}"), weight, priority);
    assert_eq!(backends, [row(9001, 1, 0), row(9002, 2, 0), row(9003, 1, 1)]);
    assert!(web.settings.checks.iter().any(|checks| matches!(checks.probe.ask, Ask::Http(_))));
    let api = &config.upstreams[0];
    assert_eq!(api.settings.algorithm, Algorithm::Maglev);
    assert_eq!(api.gateway.hash, HashBy::Cookie("session".into()));
    let Service::Http(service) = &config.listeners[0].service else { panic!("{config:?}") };
    let routes = &service.routes;
    let to: Vec<_> = routes
        .iter()
        .map(|route| match &route.action {
            Action::Forward(to) => to.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(to, [To::one("api"), To::one("web")]);
    assert_eq!(routes[1].condition, Condition::default());
    let Service::Tcp(db) = &config.listeners[1].service else { panic!("{config:?}") };
    assert!(db.to.as_deref() == Some("db") && db.settings.proxy.is_some() && db.routes.is_empty());
}

#[test]
fn faults_are_told_all_at_once_and_where_they_stand() {
    /// Line, column, and a part of the message.
    type Told = (usize, usize, &'static str);
    let rows: [(&str, &[Told]); 10] = [
        (
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"unix:/a\"]\nagent = { port = 1 }\ncheck = { port = 1 }\n",
            &[(4, 1, "an agent has a port"), (4, 1, "a Unix socket has none")],
        ),
        ("", &[(1, 1, "there is no [[listener]]")]),
        ("a = 1\n", &[(1, 1, "unknown field `a`")]),
        ("[[listener]]\nlisten = \"8080\"\n", &[(2, 10, "\"8080\" has no port")]),
        ("[[listener]]\nlisten = \":1\"\n", &[(1, 1, "needs `to` or routes")]),
        ("[[listener]]\nlisten = \":1\"\nto = \"x\"\n", &[(3, 6, "there is no [upstream.x]")]),
        (
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nalgorithm = \"best\"\nbackends = [\"b\", \"c:1\", \"c:1\"]\n",
            &[
                (5, 13, "unknown algorithm `best`"),
                (6, 13, "\"b\" is no address"),
                (6, 25, "c:1 is listed twice"),
            ],
        ),
        (
            "[[listener]]\nlisten = \":1\"\nmode = \"tcp\"\n[[listener.route]]\npath = \"x\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\n",
            &[(4, 1, "the other keys are for HTTP"), (4, 1, "needs `sni` or `alpn`")],
        ),
        (
            "[[listener]]\nlisten = \":1\"\n[[listener.route]]\npath = \"x\"\nto = \"a\"\n[upstream.a]\nbackends = []\nalgorithm = \"ring\"\nhash = \"moon\"\n",
            &[(4, 8, "\"x\" is not a path"), (6, 1, "1 to 10000 backends"), (9, 8, "hash is source")],
        ),
        (
            "[[listener]]\nlisten = \":1\"\n[[listener.route]]\nto = [{ upstream = \"a\", weight = 0 }, { upstream = \"x\", weight = 0 }]\nsplit-by = \"moon\"\n[[listener.route]]\nto = []\n[[listener.route]]\nto = \"a\"\nsplit-by = \"source\"\n[upstream.a]\nbackends = [\"b:1\"]\n",
            &[
                (4, 6, "a split needs a weight above 0"),
                (4, 52, "there is no [upstream.x]"),
                (5, 12, "split-by is source"),
                (7, 6, "1 to 100 upstreams"),
                (10, 12, "split-by needs several"),
            ],
        ),
    ];
    for (text, expected) in rows {
        let faults = Config::parse(text).unwrap_err();
        let found: Vec<_> = faults.iter().map(|fault| (fault.line, fault.column)).collect();
        let places: Vec<_> = expected.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(found, places, "{text}: {faults:?}");
        for (fault, (.., message)) in faults.iter().zip(expected) {
            assert!(fault.message.contains(message), "{text}: {}", fault.message);
        }
    }
}

#[test]
fn faults_are_printed_as_compilers_do() {
    let faults = vec![
        Fault { line: 1, column: 2, message: "one".into() },
        Fault { line: 3, column: 4, message: "two".into() },
    ];
    let error = ConfigError::Faults { path: "lb.toml".into(), faults };
    assert_eq!(error.to_string(), "lb.toml:1:2: one\nlb.toml:3:4: two");
}

/// The pages of the manual.
const MANUALS: [&str; 3] = [
    include_str!("../../../../docs/balance.md"),
    include_str!("../../../../docs/balance-reference.md"),
    include_str!("../../../../docs/cache.md"),
];

/// The keys that a table can have, as they are listed in the fault of an unknown one.
#[track_caller]
fn keys(text: &str) -> Vec<String> {
    let faults = Config::parse(text).unwrap_err();
    let (_, expected) = faults[0]
        .message
        .split_once("unknown field `zzz`, expected ")
        .unwrap_or_else(|| panic!("{text}: {faults:?}"));
    expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Whether a page has the key as code: in a file, or in a text.
fn is_in_the_manual(key: &str) -> bool {
    MANUALS.iter().any(|page| {
        page.match_indices(key).any(|(at, _)| {
            let (before, after) = (&page[..at], &page[at + key.len()..]);
            let starts = before.ends_with(['`', '.', '[', '{', '\n', ' ']);
            starts
                && [" = ", "`", "]", "."].iter().any(|end| after.starts_with(end))
                && !after.starts_with(". ")
        })
    })
}

#[test]
fn the_manual_shows_every_key() {
    let listener = |keys: &str| format!("[[listener]]\nlisten = \":1\"\n{keys}\n");
    let route = |keys: &str| listener(&format!("[[listener.route]]\n{keys}"));
    let upstream = |keys: &str| format!("[upstream.a]\n{keys}\n");
    let cache = |keys: &str| format!("[cache.a]\n{keys}\n");
    let mut count = 0;
    for text in [
        "zzz = 1".to_owned(),
        "[process]\nzzz = 1".to_owned(),
        "[admin]\nzzz = 1".to_owned(),
        listener("zzz = 1"),
        listener("tls = { zzz = 1 }"),
        listener("tls = { certificates = [{ zzz = 1 }] }"),
        listener("access-log = { zzz = 1 }"),
        listener("error-page = [{ zzz = 1 }]"),
        route("zzz = 1"),
        route("to = [{ zzz = 1 }]"),
        route("mirror = { zzz = 1 }"),
        route("redirect = { zzz = 1 }"),
        route("respond = { zzz = 1 }"),
        route("rewrite = { zzz = 1 }"),
        route("request-headers = { zzz = 1 }"),
        route("limits = { zzz = 1 }"),
        route("limits = { requests = { zzz = 1 } }"),
        route("compress = { zzz = 1 }"),
        route("cors = { zzz = 1 }"),
        route("auth = { zzz = 1 }"),
        route("auth = { basic = { zzz = 1 } }"),
        route("auth = { api-key = { zzz = 1 } }"),
        route("auth = { jwt = { zzz = 1 } }"),
        route("auth = { forward = { zzz = 1 } }"),
        "[keep-alive]\nzzz = 1".to_owned(),
        "[redis]\nzzz = 1".to_owned(),
        "[trace]\nzzz = 1".to_owned(),
        upstream("zzz = 1"),
        upstream("backends = [{ zzz = 1 }]"),
        upstream("tls = { zzz = 1 }"),
        upstream("check = { zzz = 1 }"),
        upstream("agent = { zzz = 1 }"),
        upstream("discover = { zzz = 1 }"),
        upstream("sticky = { zzz = 1 }"),
        upstream("outlier = { zzz = 1 }"),
        upstream("breaker = { zzz = 1 }"),
        upstream("pools = { zzz = 1 }"),
        upstream("retry-budget = { zzz = 1 }"),
        cache("zzz = 1"),
        cache("key = { zzz = 1 }"),
    ] {
        for key in keys(&text) {
            assert!(is_in_the_manual(&key), "the manual does not show `{key}`: {text}");
            count += 1;
        }
    }
    assert!(count > 200, "only {count} keys were found");
    assert!(!is_in_the_manual("zzz"));
}

/// Every configuration in the manual, but for the files that it names.
#[test]
fn the_manual_says_what_can_be_said() {
    let mut count = 0;
    let blocks = MANUALS.iter().flat_map(|manual| manual.split("```toml\n").skip(1));
    for block in blocks.filter_map(|block| block.split("```").next()) {
        let faults = Config::parse(block).err().unwrap_or_default();
        assert!(
            faults.iter().all(|fault| ["internal.pem", "cannot read "]
                .iter()
                .any(|file| fault.message.contains(file))),
            "{faults:?}"
        );
        count += 1;
    }
    assert!(count > 0);
}

#[test]
fn faults_of_what_a_route_does() {
    for (route, line, column, message) in [
        ("", 3, 1, "one of `to`, `redirect` and `respond`"),
        ("to = \"a\"\nredirect = { to = \"/\" }", 3, 1, "one of `to`, `redirect` and `respond`"),
        ("redirect = { to = \"$nobody\" }", 4, 19, "unknown variable $nobody"),
        ("redirect = { to = \"/a b\" }", 4, 19, "without spaces"),
        ("redirect = { to = \"\" }", 4, 19, "needs a URL"),
        ("redirect = { to = \"/\", status = 200 }", 4, 33, "301, 302, 303, 307 or 308"),
        ("respond = { status = 101 }", 4, 22, "200 to 599"),
        ("respond = { status = 204, body = \"a\" }", 4, 11, "has no body"),
        ("respond = { body = \"a\", file = \"b\" }", 4, 32, "set either `body`"),
        ("respond = { file = \"/nowhere/at/all\" }", 4, 20, "cannot read /nowhere/at/all"),
        ("respond = { content-type = \"a\\nb\" }", 4, 28, "not a valid media type"),
        ("to = \"a\"\nstrip-prefix = \"api\"", 5, 16, "not a path prefix"),
        ("to = \"a\"\nadd-prefix = \"/a b\"", 5, 14, "not a path prefix"),
        ("to = \"a\"\nrewrite = { regex = \"(\", to = \"/\" }", 5, 21, "not valid: unclosed group"),
        ("to = \"a\"\nrewrite = { regex = \"a\", to = \"/$1\" }", 5, 31, "no group $1"),
        ("to = \"a\"\nrewrite-host = \"a b\"", 5, 16, "is neither a host"),
        ("to = \"a\"\nrequest-headers.set = { a = \"$x\" }", 5, 29, "unknown variable $x"),
        (
            "to = \"a\"\nrequest-headers.add = { a = [\"b\", \"\\n\"] }",
            5,
            29,
            "not allowed in a header field",
        ),
        ("to = \"a\"\nresponse-headers.set = { Content-Length = \"5\" }", 5, 43, "cannot be edited"),
        ("to = \"a\"\nresponse-headers.remove = [\"b c\"]", 5, 28, "not a valid field name"),
        ("to = \"a\"\nrequest-headers.set = { host = \"b\" }", 5, 32, "set by rewrite-host"),
        ("to = \"a\"\nmirror = { to = \"x\" }", 5, 17, "there is no [upstream.x]"),
        ("to = \"a\"\nmirror = { to = \"a\", percent = 101 }", 5, 32, "0 to 100"),
        ("respond = {}\nmirror = { to = \"a\" }", 5, 10, "needs a route with `to`"),
    ] {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\n[[listener.route]]\n{route}\n[upstream.a]\nbackends = [\"b:1\"]\n"
        );
        let faults = Config::parse(&text).unwrap_err();
        let [fault] = &faults[..] else { panic!("{route}: {faults:?}") };
        assert_eq!((fault.line, fault.column), (line, column), "{route}: {fault:?}");
        assert!(fault.message.contains(message), "{route}: {fault:?}");
    }
}

#[test]
fn routes_of_tls_that_is_passed_through() {
    let file = |route: &str| {
        let upstream = "[upstream.a]\nbackends = [\"b:1\"]\n";
        format!("[[listener]]\nlisten = \":1\"\n{route}\n{upstream}")
    };
    let good = "mode = \"tcp\"\nclient-hello-timeout = \"3s\"\nto = \"a\"\n[[listener.route]]\nsni = \"A.test\"\nalpn = [\"h2\"]\nto = \"a\"";
    let config = Config::parse(&file(good)).unwrap();
    let Service::Tcp(service) = &config.listeners[0].service else { panic!("{config:?}") };
    assert_eq!((service.to.as_deref(), service.settings.hello_timeout), (Some("a"), Duration::from_secs(3)));
    assert_eq!(service.routes[0].condition.names, [HostPattern::Exact("a.test".into())]);
    assert_eq!(service.routes[0].condition.protocols, [b"h2"]);
    for (route, message) in [
        ("mode = \"tcp\"", "needs `to` or routes"),
        ("mode = \"tcp\"\n[[listener.route]]\nsni = \"a:443\"\nto = \"a\"", "not a server name"),
        ("mode = \"tcp\"\n[[listener.route]]\nsni = \"*\"\nto = \"a\"", "not a server name"),
        ("mode = \"tcp\"\n[[listener.route]]\nalpn = [\"\"]\nto = \"a\"", "not a valid protocol name"),
        ("mode = \"tcp\"\n[[listener.route]]\nsni = \"a\"\npath = \"/\"\nto = \"a\"", "are for HTTP"),
        (
            "mode = \"tcp\"\ntls = { self-signed = true }\n[[listener.route]]\nsni = \"a\"\nto = \"a\"",
            "TCP routes need TLS passthrough",
        ),
        ("[[listener.route]]\nsni = \"a\"\nto = \"a\"", "sni and alpn are for TCP"),
        ("to = \"a\"\nclient-hello-timeout = \"1s\"", "client-hello-timeout is for TCP"),
    ] {
        let faults = Config::parse(&file(route)).unwrap_err();
        assert!(faults.len() == 1 && faults[0].message.contains(message), "{route}: {faults:?}");
    }
}

#[test]
fn faults_of_cookies_pages_and_traces() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    std::fs::write(&key, "k".repeat(32)).unwrap();
    let short = folder.path().join("short");
    std::fs::write(&short, " 0123456789 \n").unwrap();
    let sticky =
        |keys: String, more: &str| ("", format!("sticky = {{ cookie = \"SRV\", keys = {keys}{more} }}"));
    for ((listener, upstream), line, column, message) in [
        (sticky("[]".into(), ""), 6, 35, "no key to sign cookies with"),
        (sticky("[\"/nowhere\"]".into(), ""), 6, 35, "cannot read /nowhere"),
        (sticky(format!("[{short:?}]"), ""), 6, 35, "key 1 for cookies has 10 bytes"),
        (sticky(format!("[{key:?}]"), ", path = \"a\""), 6, 10, "the path of cookie"),
        (sticky(format!("[{key:?}]"), ", same-site = \"none\""), 6, 10, "needs"),
        (("", "error-page = [{ status = [404], body = \"a\" }]".into()), 6, 26, "502, 503 and 504"),
        (("error-page = [{ file = \"/nowhere\" }]\n", String::new()), 4, 24, "cannot read /nowhere"),
        (("trace-sample = 0.5\n", String::new()), 4, 16, "needs trace = true"),
        (("trace = true\ntrace-sample = 1.5\n", String::new()), 5, 16, "from 0 to 1"),
    ] {
        let text = format!(
            "[[listener]]\nlisten = \":1\"\nto = \"a\"\n{listener}[upstream.a]\nbackends = [\"b:1\"]\n{upstream}\n"
        );
        let faults = Config::parse(&text).unwrap_err();
        let [fault] = &faults[..] else { panic!("{text}: {faults:?}") };
        assert_eq!((fault.line, fault.column), (line, column), "{text}: {fault:?}");
        assert!(fault.message.contains(message), "{text}: {fault:?}");
    }
    let good = format!(
        "[[listener]]\nlisten = \":1\"\nto = \"a\"\n[upstream.a]\nbackends = [\"b:1\"]\nsticky = {{ cookie = \"SRV\", keys = [{key:?}], same-site = \"none\", secure = true }}\n"
    );
    assert!(Config::parse(&good).unwrap().upstreams[0].gateway.sticky.is_some());
}
