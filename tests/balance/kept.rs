//! Connections to backends that are kept: one is used again by whichever thread needs it.

use super::Balancer;
use super::load::GET;
use super::raw::Backend;

#[test]
fn as_many_idle_connections_are_kept_as_configured() {
    for (section, connections) in [("", [0, 0]), ("[keep-alive]\nconnections = 0\n", [0, 1])] {
        let backend = Backend::start(|_, peer| peer.serve("well"));
        let text = format!(
            "{section}[process]\nthreads = 1\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n",
            backend.addr
        );
        let balancer = Balancer::parse(&text, |_| {});
        let mut wire = balancer.connect();
        for _ in 0..2 {
            wire.send(GET);
            assert_eq!(wire.read_response().text(), "well");
        }
        let used: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
        assert_eq!(used, connections, "{section}");
    }
}

#[test]
fn a_thread_takes_over_the_idle_connection_of_another() {
    let backend = Backend::start(|_, peer| peer.serve("well"));
    let text = format!(
        "[process]\nthreads = 2\n[[listener]]\nlisten = \"127.0.0.1:0\"\nto = \"web\"\n[upstream.web]\nbackends = [\"{}\"]\n",
        backend.addr
    );
    let balancer = Balancer::parse(&text, |_| {});
    // The kernel gives connections to either thread by chance: of 32, both have some.
    for _ in 0..32 {
        let mut wire = balancer.connect();
        wire.send(GET);
        assert_eq!(wire.read_response().text(), "well");
    }
    let connections: Vec<_> = backend.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [0; 32]);
}
