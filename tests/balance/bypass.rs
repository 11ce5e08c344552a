//! Clients that try to get past the routes: by paths that a backend reads in another way, by protocols that hide requests, and by fields behind a body.

use super::Balancer;
use super::raw::Backend;

/// A balancer whose route to `/admin/*` and `/login` lets nobody in, and whose other requests go to this backend.
fn guarded(backend: &Backend) -> Balancer {
    let route =
        "[[listener.route]]\npath = [\"/admin/*\", \"/login\"]\nrespond = { status = 403, body = \"no\" }";
    Balancer::with(backend.addr, route)
}

#[test]
fn a_path_that_could_be_read_as_that_of_another_route_is_refused() {
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let balancer = guarded(&backend);
    let rows = [
        ("/admin", 403),
        ("/admin/x", 403),
        ("/admin//x;y/%2F", 403),
        ("/x/../admin", 403),
        ("/%61dmin", 403),
        // Merged slashes: nginx and many frameworks.
        ("//admin", 400),
        ("/x//../admin", 200),
        ("/x/..//admin/y", 400),
        ("///login", 400),
        // Decoded slashes.
        ("/%2fadmin", 400),
        ("/admin%2Fx", 400),
        ("/x/..%2fadmin", 400),
        ("/x%2f..%2Fadmin/y", 400),
        ("/..%2F..%2Fx", 400),
        // Parameters of segments: servlet containers.
        ("/admin;x=y/z", 400),
        ("/x/..;/admin", 400),
        ("/login;jsessionid=1", 400),
        ("/..;/x", 400),
        // What leads nowhere else goes on as it is.
        ("//x//y", 200),
        ("/x;a=b/y", 200),
        ("/x%2Fy", 200),
        ("/x?//admin;/%2fadmin", 200),
    ];
    for (path, status) in rows {
        assert_eq!(balancer.get(path, &[]).status, status, "{path}");
    }
    let arrived: Vec<_> = backend.requests().into_iter().map(|request| request.target).collect();
    assert_eq!(arrived, ["/x/admin", "//x//y", "/x;a=b/y", "/x%2Fy", "/x?//admin;/%2fadmin"]);
}

#[test]
fn no_other_http_is_spoken_within_a_connection() {
    let switch = "HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\n";
    let rows = [
        ("1.1", "Upgrade, HTTP2-Settings", "h2c", None),
        ("1.1", "Upgrade", "h2c", None),
        ("1.1", "upgrade", "TLS/1.0, HTTP/2.0", None),
        ("1.1", "upgrade", "h2c, echo", Some("echo")),
        // Nobody can upgrade from HTTP/1.0.
        ("1.0", "upgrade", "echo", None),
    ];
    for (version, connection, asked, goes_on) in rows {
        let backend = Backend::start(move |_, peer| {
            let request = peer.request()?;
            match request.all("upgrade")[..] {
                [] => peer.say("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain"),
                _ => peer.say(switch).and_then(|()| peer.hold()),
            }
        });
        let balancer = guarded(&backend);
        let mut wire = balancer.connect();
        wire.send(format!(
            "GET / HTTP/{version}\r\nHost: a\r\nConnection: {connection}\r\nUpgrade: {asked}\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        ));
        let head = String::from_utf8(wire.read_until(b"\r\n\r\n")).unwrap();
        let status = if goes_on.is_some() { "101" } else { "200" };
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{asked}: {head}");
        let request = backend.requests().remove(0);
        assert_eq!(request.all("upgrade").first().copied(), goes_on, "{asked}");
        assert!(request.all("http2-settings").is_empty(), "{asked}: {request:?}");
    }
}

#[test]
fn no_field_behind_a_body_says_who_asks() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    std::fs::write(&users, "me:secret\n").unwrap();
    let backend = Backend::start(|_, peer| peer.serve("ok"));
    let keys = format!(
        "[[listener.route]]\npath = \"/own/*\"\nto = \"web\"\nauth = {{ basic = {{ users-file = {users:?} }} }}"
    );
    let balancer = Balancer::with(backend.addr, &keys);
    for (path, line) in [("/own/a", "Authorization: Basic bWU6c2VjcmV0\r\n"), ("/open", "")] {
        let post = |trailers: &str| {
            balancer.ask(&format!(
                "POST {path} HTTP/1.1\r\nHost: a\r\n{line}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n{trailers}\r\n"
            ))
        };
        assert_eq!(post("X-Auth-User: admin\r\nx_auth_user: admin\r\nX-Sum: 9\r\n").status, 200, "{path}");
        // Whose word it never is: the request is refused.
        assert_eq!(post("X-Forwarded-For: 6.6.6.6\r\n").status, 400, "{path}");
    }
    let heard: Vec<_> = backend.bytes().into_iter().map(|bytes| bytes.escape_ascii().to_string()).collect();
    let heard = heard.concat();
    assert!(!heard.contains("admin") && !heard.contains("6.6.6.6"), "{heard}");
    assert_eq!(heard.matches("x-sum: 9").count(), 2, "{heard}");
}
