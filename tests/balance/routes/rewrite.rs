//! Paths and hosts on their way to a backend.

use super::{backend, balancer, get, last};

#[test]
fn paths_are_rewritten_and_cannot_become_two_requests() {
    let strip = "strip-prefix = \"/api\"\n";
    let add = "add-prefix = \"/v2\"\n";
    let user = "rewrite = { regex = \"^/user/([0-9]+)$\", to = \"/u?id=$1\" }\n";
    let all = "rewrite = { regex = \"^/x/(.*)$\", to = \"/$1\" }\n";
    for (keys, path, arrived) in [
        (strip, "/api/a?b=c", "/a?b=c"),
        (strip, "/api", "/"),
        (strip, "/apis", "/apis"),
        (strip, "/%61pi/%2e%2e/api/a", "/a"),
        (add, "/a?b", "/v2/a?b"),
        (&format!("{strip}{add}"), "/api/a", "/v2/a"),
        (user, "/user/7", "/u?id=7"),
        (user, "/user/7?a=b", "/u?id=7&a=b"),
        (user, "/user/x", "/user/x"),
        (all, "/x/a/../../b", "/b"),
        (all, "/x/a%20b%3Fc", "/a%20b%3Fc"),
        (all, "/x/%2e%2e%2fb", "/..%2Fb"),
    ] {
        let web = backend("ok");
        let balancer = balancer(&format!("[[listener.route]]\nto = \"web\"\n{keys}"), &[("web", &web)]);
        assert_eq!(get(&balancer, path, "").status, 200, "{keys} {path}");
        assert_eq!(last(&web).target, arrived, "{keys} {path}");
    }
}

#[test]
fn an_encoded_end_of_a_line_is_refused_before_any_rewriting() {
    let web = backend("ok");
    let routes = "[[listener.route]]\nto = \"web\"\nrewrite = { regex = \"^/x/(.*)$\", to = \"/$1\" }\n";
    let balancer = balancer(routes, &[("web", &web)]);
    for path in ["/x/%0d%0aX:%20y", "/x/a%20HTTP/1.1%0d%0a", "/x/%00"] {
        assert_eq!(get(&balancer, path, "").status, 400, "{path}");
    }
    assert_eq!(web.requests(), []);
}

#[test]
fn a_path_that_leaves_its_root_when_it_is_rewritten_is_refused() {
    let web = backend("ok");
    let routes = "[[listener.route]]\nto = \"web\"\nrewrite = { regex = \"^/a/\", to = \"/../\" }\n";
    let balancer = balancer(routes, &[("web", &web)]);
    assert_eq!(get(&balancer, "/a/b", "").status, 400);
    assert_eq!(get(&balancer, "/b", "").status, 200);
    assert_eq!(web.requests().len(), 1);
}

#[test]
fn the_host_is_kept_fixed_or_the_backends() {
    let web = backend("ok");
    let address = web.addr.to_string();
    for (keys, host) in [
        ("", "shop.test:81"),
        ("rewrite-host = \"app.internal:8080\"\n", "app.internal:8080"),
        ("rewrite-host = \"$backend\"\n", &address),
    ] {
        let balancer = balancer(&format!("[[listener.route]]\nto = \"web\"\n{keys}"), &[("web", &web)]);
        assert_eq!(get(&balancer, "/", "").status, 200);
        let request = last(&web);
        assert_eq!(request.all("host"), [host], "{keys}");
        assert_eq!(request.all("x-forwarded-host"), ["shop.test:81"], "{keys}");
    }
}

#[test]
fn another_backend_gets_a_request_of_its_own() {
    // Whichever is asked first closes without a word.
    let first = super::Backend::start(|_, peer| peer.head().map(drop));
    let second = backend("ok");
    let routes = "[[listener.route]]\nto = \"web\"\nrewrite-host = \"$backend\"\nrequest-headers.set = { x-backend = \"$backend\" }\n";
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{routes}[upstream.web]\nalgorithm = \"round-robin\"\nbackends = [{:?}, {:?}]\n",
        first.addr.to_string(),
        second.addr.to_string()
    );
    let balancer = super::Balancer::parse(&text, |_| {});
    for _ in 0..2 {
        assert_eq!(get(&balancer, "/", "").status, 200);
    }
    for (backend, address) in [(&first, first.addr.to_string()), (&second, second.addr.to_string())] {
        let request = last(backend);
        assert_eq!((request.all("host"), request.all("x-backend")), (vec![&*address], vec![&*address]));
    }
}
