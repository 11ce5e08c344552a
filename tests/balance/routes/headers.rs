//! Edits of the fields of requests and responses.

use super::{Backend, balancer, get, last};

/// A backend whose responses have these lines.
fn saying(lines: &'static str) -> Backend {
    Backend::start(move |_, peer| {
        loop {
            peer.answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{lines}\r\nok"))?;
        }
    })
}

#[test]
fn requests_are_edited() {
    let web = saying("");
    let routes = "[[listener.route]]\nto = \"web\"\nstrip-prefix = \"/api\"\n\
        [listener.route.request-headers]\nremove = [\"x-secret\", \"cookie\"]\n\
        [listener.route.request-headers.set]\nx-user = \"none\"\nx-what = \"$method $scheme://$authority$path$query\"\nx-where = \"$upstream $backend\"\n\
        [listener.route.request-headers.add]\nvia = \"1.1 lb\"\nx-two = [\"$host\", \"$client $$\"]\n";
    let balancer = balancer(routes, &[("web", &web)]);
    let lines = "X-Secret: 1\r\nX_Secret: 2\r\nX-User: root\r\nx_user: root\r\nCookie: a=b\r\nVia: 1.0 a\r\nX-Kept: yes\r\n";
    assert_eq!(get(&balancer, "/api/a?b=c", lines).status, 200);
    let request = last(&web);
    let where_ = format!("web {}", web.addr);
    for (name, values) in [
        ("x-secret", &[][..]),
        ("x_secret", &[]),
        ("cookie", &[]),
        ("x-user", &["none"]),
        ("x_user", &[]),
        ("x-what", &["GET http://shop.test:81/a?b=c"]),
        ("x-where", &[&where_]),
        ("via", &["1.0 a", "1.1 lb"]),
        ("x-two", &["shop.test", "127.0.0.1 $"]),
        ("x-kept", &["yes"]),
        ("x-forwarded-prefix", &["/api"]),
    ] {
        assert_eq!(request.all(name), values, "{name}");
    }
}

#[test]
fn answers_are_edited_and_so_are_those_of_the_balancer_itself() {
    let web = saying("Server: old\r\nX-Powered-By: php\r\nSet-Cookie: a=b\r\n");
    let edits = "response-headers.remove = [\"x-powered-by\"]\nresponse-headers.set = { server = \"lb\", x-from = \"$backend\" }\nresponse-headers.add = { set-cookie = \"c=d\" }\n";
    let routes = format!(
        "[[listener.route]]\npath = \"/dead\"\nto = \"dead\"\n{edits}[[listener.route]]\nto = \"web\"\n{edits}"
    );
    let dead = Backend::start(|_, _| Ok(()));
    let balancer = balancer(&routes, &[("web", &web), ("dead", &dead)]);
    let response = get(&balancer, "/", "");
    assert_eq!(response.headers_named("server"), ["lb"]);
    assert_eq!(response.headers_named("x-powered-by"), Vec::<&str>::new());
    assert_eq!(response.headers_named("x-from"), [web.addr.to_string()]);
    assert_eq!(response.headers_named("set-cookie"), ["a=b", "c=d"]);
    let response = get(&balancer, "/dead", "");
    assert_eq!(response.status, 502);
    assert_eq!((response.header("server"), response.header("x-from")), (Some("lb"), Some("")));
}

#[test]
fn one_name_of_a_request_stands_in_both_directions() {
    let web = saying("");
    let routes = "[[listener.route]]\nto = \"web\"\nrequest-headers.set = { x-request-id = \"$request_id\" }\nresponse-headers.set = { x-request-id = \"$request_id\" }\n";
    let balancer = balancer(routes, &[("web", &web)]);
    let mut seen = Vec::new();
    for (sent, kept) in [("", false), ("", false), ("X-Request-Id: from-the-client\r\n", true)] {
        let response = get(&balancer, "/", sent);
        let name = response.header("x-request-id").unwrap().to_owned();
        assert_eq!(last(&web).all("x-request-id"), [&*name]);
        assert_eq!(name == "from-the-client", kept);
        assert!(!seen.contains(&name), "{name} again");
        seen.push(name);
    }
}
