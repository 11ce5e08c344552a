//! Routes with several upstreams.

use super::{backend, balancer, get};

const BOTH: &str = "[[listener.route]]\nto = [{ upstream = \"stable\", weight = 75 }, { upstream = \"canary\", weight = 25 }]\n";

#[test]
fn chance_splits_by_weight() {
    let (stable, canary) = (backend("stable"), backend("canary"));
    let balancer = balancer(BOTH, &[("stable", &stable), ("canary", &canary)]);
    let mut wire = balancer.connect();
    let mut count = 0;
    for _ in 0..1000 {
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        count += usize::from(wire.read_response().text() == "canary");
    }
    // 250 are expected, with a standard deviation of 14.
    assert!((150..350).contains(&count), "{count} of 1000");
}

#[test]
fn a_weight_of_zero_gets_nothing() {
    let (stable, canary) = (backend("stable"), backend("canary"));
    let routes = BOTH.replace("25", "0");
    let balancer = balancer(&routes, &[("stable", &stable), ("canary", &canary)]);
    for _ in 0..50 {
        assert_eq!(get(&balancer, "/", "").text(), "stable");
    }
}

#[test]
fn a_client_stays_on_its_branch_on_every_balancer() {
    for (by, line) in [("cookie:session", "Cookie: a=b; session="), ("header:X-User", "X-User: ")] {
        let (stable, canary) = (backend("stable"), backend("canary"));
        let routes = format!("{BOTH}split-by = {by:?}\n");
        let upstreams = [("stable", &stable), ("canary", &canary)];
        let (one, other) = (balancer(&routes, &upstreams), balancer(&routes, &upstreams));
        let answer =
            |balancer, client: usize| get(balancer, "/", &format!("{line}{client}\r\n")).text().to_owned();
        let first: Vec<_> = (0..60).map(|client| answer(&one, client)).collect();
        let second: Vec<_> = (0..60).map(|client| answer(&other, client)).collect();
        assert_eq!(first, second, "{by}");
        assert!(["stable", "canary"].iter().all(|text| first.iter().any(|found| found == text)), "{first:?}");
        // A larger canary keeps the clients that it has.
        let more = balancer(&routes.replace("75", "40").replace("25", "60"), &upstreams);
        for (client, before) in first.iter().enumerate() {
            assert!(before == "stable" || answer(&more, client) == "canary", "{by}: {client}");
        }
    }
}

#[test]
fn without_a_cookie_the_address_decides_and_an_earlier_route_forces_a_branch() {
    let (stable, canary) = (backend("stable"), backend("canary"));
    let routes = format!(
        "[[listener.route]]\nheader = {{ x-canary = \"always\" }}\nto = \"canary\"\n{BOTH}split-by = \"cookie:session\"\n"
    );
    let balancer = balancer(&routes, &[("stable", &stable), ("canary", &canary)]);
    let first = get(&balancer, "/", "").text().to_owned();
    for _ in 0..20 {
        assert_eq!(get(&balancer, "/", "").text(), first);
        assert_eq!(get(&balancer, "/", "X-Canary: always\r\n").text(), "canary");
    }
}
