//! Routes that answer without a backend.

use super::{backend, balancer, get};

#[test]
fn clients_are_sent_elsewhere() {
    for (redirect, path, status, location) in [
        ("{ to = \"https://$host$path$query\" }", "/a?b=c", 308, "https://shop.test/a?b=c"),
        ("{ to = \"https://$host$path$query\" }", "/", 308, "https://shop.test/"),
        ("{ to = \"https://$host$path$query\" }", "/a/%2e%2e/b", 308, "https://shop.test/b"),
        ("{ to = \"$scheme://www.$authority/\", status = 302 }", "/a", 302, "http://www.shop.test:81/"),
        ("{ to = \"$path\", status = 301 }", "//evil.test/a", 301, "/evil.test/a"),
        ("{ to = \"/new$query\", status = 307 }", "/a?//b", 307, "/new?//b"),
        (
            "{ to = \"https://$host$path\" }\nstrip-prefix = \"/old\"\nadd-prefix = \"/new\"",
            "/old/a",
            308,
            "https://shop.test/new/a",
        ),
    ] {
        let balancer = balancer(&format!("[[listener.route]]\nredirect = {redirect}\n"), &[]);
        let response = get(&balancer, path, "");
        assert_eq!(
            (response.status, response.header("location")),
            (status, Some(location)),
            "{redirect} {path}"
        );
        assert_eq!(response.body, b"");
    }
}

#[test]
fn a_host_of_the_client_cannot_add_a_line() {
    let balancer = balancer("[[listener.route]]\nredirect = { to = \"https://$host$path$query\" }\n", &[]);
    for (line, status) in
        [("Host: a.test", 308), ("Host: a%0d%0a.test", 308), ("Host: a\rb", 400), ("Host: a b", 400)]
    {
        let mut wire = balancer.connect();
        wire.send(format!("GET /?%0d%0aX:%20y HTTP/1.1\r\n{line}\r\n\r\n"));
        let response = wire.read_response();
        assert_eq!(response.status, status, "{line}");
        assert_eq!(response.header("x"), None);
    }
}

#[test]
fn pages_are_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maintenance.html");
    std::fs::write(&path, "<h1>Back soon</h1>").unwrap();
    let web = backend("ok");
    let routes = format!(
        "[[listener.route]]\npath = \"/robots.txt\"\nrespond = {{ body = \"User-agent: *\\n\" }}\n\
        [[listener.route]]\npath = \"/gone\"\nrespond = {{ status = 410 }}\nresponse-headers.set = {{ x-a = \"$path\" }}\n\
        [[listener.route]]\npath = \"/json\"\nrespond = {{ body = \"{{}}\", content-type = \"application/json\" }}\n\
        [[listener.route]]\nheader = {{ x-staff = \"!\" }}\nrespond = {{ status = 503, file = {path:?}, retry-after = \"2m\" }}\n\
        [[listener.route]]\nto = \"web\"\n"
    );
    let balancer = balancer(&routes, &[("web", &web)]);
    let text = "text/plain; charset=utf-8";
    for (path, status, media, body) in [
        ("/robots.txt", 200, Some(text), "User-agent: *\n"),
        ("/gone", 410, None, ""),
        ("/json", 200, Some("application/json"), "{}"),
        ("/", 503, Some("text/html; charset=utf-8"), "<h1>Back soon</h1>"),
    ] {
        let response = get(&balancer, path, "");
        assert_eq!(
            (response.status, response.header("content-type"), response.text()),
            (status, media, body),
            "{path}"
        );
        assert_eq!(response.header("retry-after"), (status == 503).then_some("120"), "{path}");
        assert_eq!(response.header("x-a"), (status == 410).then_some("/gone"));
        let mut wire = balancer.connect();
        wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = wire.read_response_to("HEAD");
        assert_eq!(
            (head.status, head.header("content-length")),
            (status, Some(&*body.len().to_string())),
            "{path}"
        );
    }
    assert_eq!(web.requests(), []);
    assert_eq!(get(&balancer, "/", "X-Staff: 1\r\n").text(), "ok");
}

#[test]
fn error_pages_stand_in_for_what_the_balancer_says_itself() {
    let dead = super::Backend::start(|_, _| Ok(()));
    let failing = super::Backend::start(|_, peer| {
        loop {
            peer.answer("HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nown")?;
        }
    });
    let silent = super::Backend::start(|_, peer| peer.hold());
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n\
        error-page = [{{ status = [502], body = \"<p>down</p>\", content-type = \"text/html\", retry-after = \"5s\" }}, {{ body = \"any\" }}]\n\
        [[listener.route]]\npath = \"/dead\"\nto = \"dead\"\nresponse-headers.set = {{ x-a = \"b\" }}\n\
        [[listener.route]]\npath = \"/own\"\nto = \"own\"\n[[listener.route]]\npath = \"/failing\"\nto = \"failing\"\n\
        [[listener.route]]\npath = \"/silent\"\nto = \"silent\"\n\
        [upstream.dead]\nbackends = [{dead:?}]\n[upstream.own]\nbackends = [{dead:?}]\nerror-page = [{{ body = \"own page\" }}]\n\
        [upstream.failing]\nbackends = [{failing:?}]\n[upstream.silent]\nbackends = [{silent:?}]\nresponse-timeout = \"10ms\"\nretries = 0\n",
        dead = dead.addr.to_string(),
        failing = failing.addr.to_string(),
        silent = silent.addr.to_string(),
    );
    let balancer = super::Balancer::parse(&text, |_| {});
    for (path, status, media, retry, body) in [
        ("/dead", 502, Some("text/html"), Some("5"), "<p>down</p>"),
        ("/own", 502, Some("text/plain; charset=utf-8"), None, "own page"),
        ("/silent", 504, Some("text/plain; charset=utf-8"), None, "any"),
        // What a backend says is its own business, and so is that no route takes a request.
        ("/failing", 503, None, None, "own"),
    ] {
        let response = get(&balancer, path, "");
        assert_eq!((response.status, response.text()), (status, body), "{path}");
        assert_eq!(
            (response.header("content-type"), response.header("retry-after")),
            (media, retry),
            "{path}"
        );
        assert_eq!(response.header("x-a"), (path == "/dead").then_some("b"), "{path}");
    }
    assert_eq!(get(&balancer, "/nowhere", "").status, 404);
}
