//! Clients that try to choose what others get.

use super::*;

/// What a request says of itself in ways that backends may heed, as an attacker would find it in a response.
fn echo(request: &Request) -> String {
    let seen = |name: &str| request.all(name).join(",");
    let names = [
        "host",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-original-url",
        "x-http-method-override",
        "x-forwarded-port",
        "x_original_url",
    ];
    let said: Vec<_> = names.iter().map(|name| seen(name)).collect();
    format!("{} {} {}", request.target, said.join("|"), String::from_utf8_lossy(&request.body))
}

#[test]
fn what_is_in_no_key_changes_nothing_that_is_stored() {
    let honest = "/ a.test|a.test|http|||| ";
    for lines in [
        "X-Forwarded-Host: evil.test\r\n",
        "X_Forwarded_Host: evil.test\r\n",
        "X-Forwarded-Proto: https\r\n",
        "Forwarded: host=evil.test\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Original-URL: /admin\r\n",
        "X_Original_URL: /admin\r\n",
        "X-Rewrite-URL: /admin\r\n",
        "X-Host: evil.test\r\n",
        "X-HTTP-Method-Override: DELETE\r\n",
        "X-Forwarded-Port: 1\r\n",
        "X-Forwarded-Scheme: nothttps\r\n",
        "Connection: X-Forwarded-Host\r\n",
        "Content-Length: 4\r\n\r\nevil",
    ] {
        let backend = origin(|request, _| said(200, FRESH, &echo(request)));
        let balancer = balancer(&backend, "");
        let mut wire = balancer.connect();
        let end = if lines.ends_with("evil") { "" } else { "\r\n" };
        wire.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{lines}{end}"));
        assert_eq!(wire.read_response().status, 200, "{lines}");
        assert_eq!(ask(&balancer, "GET /", "").text(), honest, "{lines}");
        // And what is stored answers the attacker too.
        assert_eq!(ask(&balancer, "GET /", "X-Original-URL: /admin\r\n").text(), honest, "{lines}");
    }
}

#[test]
fn hosts_have_keys_of_their_own() {
    let backend = origin(|request, _| said(200, FRESH, &echo(request)));
    let balancer = balancer(&backend, "");
    let with = |host: &str, target: &str| {
        let mut wire = balancer.connect();
        wire.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        wire.read_response().text().to_owned()
    };
    assert!(with("evil.test", "/").contains("evil.test"));
    assert!(!with("a.test", "/").contains("evil"));
    // The target's own authority counts, and the host that contradicts it is never seen.
    assert!(!with("evil.test", "http://b.test/").contains("evil"));
    assert!(with("b.test", "/").contains("b.test|b.test"));
    assert!(with("a.test:81", "/").contains("a.test:81"));
    assert!(!with("a.test", "/").contains(":81"));
}

#[test]
fn a_trusted_proxy_may_name_hosts_and_they_are_in_the_key() {
    let backend = origin(|request, _| said(200, FRESH, &echo(request)));
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\ntrusted-proxies = [\"127.0.0.1\"]\n[[listener.route]]\npath = \"/*\"\n\
         to = \"web\"\ncache = \"main\"\n[upstream.web]\nbackends = [{:?}]\n[cache.main]\n",
        backend.addr.to_string()
    );
    let balancer = Balancer::parse(&text, |_| {});
    let one = ask(&balancer, "GET /", "X-Forwarded-Host: one.test\r\nX-Forwarded-Proto: https\r\n");
    assert!(one.text().contains("one.test|https"), "{}", one.text());
    assert!(ask(&balancer, "GET /", "X-Forwarded-Host: two.test\r\n").text().contains("two.test|http|"));
    assert!(ask(&balancer, "GET /", "").text().contains("|a.test|http|"));
    for _ in 0..2 {
        assert!(ask(&balancer, "GET /", "X-Forwarded-Port: 8443\r\n").text().contains("|8443|"));
    }
    assert_eq!(backend.requests().len(), 4);
}

#[test]
fn routes_that_share_a_cache_do_not_share_what_they_tell_apart() {
    let (plain, beta) = (origin(|_, _| said(200, FRESH, "plain")), origin(|_, _| said(200, FRESH, "beta")));
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n[[listener.route]]\nheader = {{ x-beta = \"*\" }}\nto = \"beta\"\ncache = \"main\"\n\
         [[listener.route]]\nto = \"plain\"\ncache = \"main\"\n[upstream.plain]\nbackends = [{:?}]\n[upstream.beta]\nbackends = [{:?}]\n[cache.main]\n",
        plain.addr.to_string(),
        beta.addr.to_string()
    );
    let balancer = Balancer::parse(&text, |_| {});
    for _ in 0..2 {
        assert_eq!(ask(&balancer, "GET /", "X-Beta: 1\r\n").text(), "beta");
        assert_eq!(ask(&balancer, "GET /", "").text(), "plain");
    }
    assert_eq!((plain.requests().len(), beta.requests().len()), (1, 1));
}

#[test]
fn who_is_known_does_not_get_what_strangers_got_nor_the_other_way_round() {
    let backend = origin(|request, _| match request.all("authorization")[..] {
        [] => said(200, FRESH, "stranger"),
        _ => said(200, FRESH, "member"),
    });
    let balancer = balancer(&backend, "");
    for _ in 0..2 {
        assert_eq!(ask(&balancer, "GET /", "").text(), "stranger");
        assert_eq!(ask(&balancer, "GET /", "Authorization: Basic x\r\n").text(), "member");
    }
    assert_eq!(backend.requests().len(), 3);
}

#[test]
fn floods_of_keys_and_variants_do_not_stop_the_service() {
    let backend = origin(|request, _| {
        said(200, &format!("{FRESH}Vary: X-Any\r\n"), &format!("{}{}", request.target, "x".repeat(20_000)))
    });
    let balancer = balancer(&backend, "memory = \"1MiB\"");
    let mut wire = balancer.connect();
    for number in 0..300 {
        for target in [format!("/{number}"), "/one".to_owned()] {
            wire.send(format!("GET {target} HTTP/1.1\r\nHost: a.test\r\nX-Any: {number}\r\n\r\n"));
            assert!(wire.read_response().text().starts_with(&target));
        }
    }
    assert!(status(&ask(&balancer, "GET /one", "X-Any: 299\r\n")).contains("hit"));
}
