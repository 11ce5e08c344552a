//! What backends are told of the client, by whom.

use super::{backend, last};
use crate::balance::Balancer;

const SAID: &str = "X-Forwarded-For: 203.0.113.5\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: out.test\r\nX-Forwarded-Port: 444\r\n\
    X-Forwarded-Prefix: /outer\r\nX-Real-IP: 203.0.113.5\r\nForwarded: for=203.0.113.5\r\n";

/// The fields that a backend gets, in this order, with `none` for those that it does not get.
const FIELDS: [&str; 7] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-prefix",
    "forwarded",
    "x-forwarded-port",
    "x-real-ip",
];

#[track_caller]
fn told(keys: &str) -> [String; 7] {
    let web = backend("ok");
    let text = format!(
        "[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\n{keys}\n[[listener.route]]\nto = \"web\"\nstrip-prefix = \"/in\"\n[upstream.web]\nbackends = [{:?}]\n",
        web.addr.to_string()
    );
    let balancer = Balancer::parse(&text, |_| {});
    let mut wire = balancer.connect();
    wire.send(format!("GET /in/a HTTP/1.1\r\nHost: a.test\r\n{SAID}\r\n"));
    assert_eq!(wire.read_response().status, 200);
    let request = last(&web);
    FIELDS.map(|name| match &request.all(name)[..] {
        [] => "none".into(),
        [value] => (*value).into(),
        more => panic!("{name}: {more:?}"),
    })
}

#[test]
fn each_way_and_whether_the_sender_is_trusted() {
    let own = "for=127.0.0.1;proto=http;host=\"a.test\"";
    let appended = format!("for=203.0.113.5, {own}");
    let trusted = "trusted-proxies = [\"127.0.0.0/8\"]\n";
    let x = ["127.0.0.1", "http", "a.test", "/in"];
    let x_trusted = ["203.0.113.5, 127.0.0.1", "https", "out.test", "/outer/in"];
    let none = ["none"; 4];
    for (way, told_fields, forwarded, trusted_fields, trusted_forwarded) in [
        ("", x, "none", x_trusted, "none"),
        ("forwarded = \"x-forwarded\"\n", x, "none", x_trusted, "none"),
        ("forwarded = \"rfc7239\"\n", none, own, none, &*appended),
        ("forwarded = \"both\"\n", x, own, x_trusted, &*appended),
        ("forwarded = \"none\"\n", none, "none", none, "none"),
    ] {
        let [x @ .., forwarded_field, port, real] = told(way);
        assert_eq!(x, told_fields, "{way}");
        assert_eq!([&*forwarded_field, &*port, &*real], [forwarded, "none", "none"], "{way}");
        let [x @ .., forwarded_field, port, real] = told(&format!("{trusted}{way}"));
        assert_eq!(x, trusted_fields, "{way}, trusted");
        assert_eq!(
            [&*forwarded_field, &*port, &*real],
            [trusted_forwarded, "444", "203.0.113.5"],
            "{way}, trusted"
        );
    }
}
