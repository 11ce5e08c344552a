//! How a channel comes to its connections, and what becomes of it when they end.

use std::path::Path;

use super::*;
use crate::net::client::Resolver;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Tls, TlsConfig, Trust};
use crate::proto::rpc::codec::ALPN;

#[tokio::test]
async fn a_channel_connects_when_it_is_called_and_again_when_the_server_is_back() {
    let bench = Bench::default();
    let (running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    assert_eq!(ask(&channel, request(ECHO, "one")).await.unwrap(), "one");
    tokio::task::spawn_blocking(|| running.stop()).await.unwrap().unwrap();
    let gone = ask(&channel, request(ECHO, "two")).await.unwrap_err();
    assert_eq!((gone.status.code, gone.reach), (Code::Unavailable, Reach::Never), "{gone:?}");
    assert!(gone.status.text.contains("refused"), "{gone}");
    let (_running, _) = serve(&bench, port);
    let deadline = Instant::now() + Duration::from_secs(5);
    while ask(&channel, request(ECHO, "three")).await.is_err() {
        assert!(Instant::now() < deadline, "the channel is poisoned");
    }
}

#[tokio::test]
async fn calls_go_through_tls_with_the_name_of_the_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::of(Arc::new(Bench::default())).threads(1).tls(&cert, &key).listen("127.0.0.1:0");
    let running = server.start().unwrap();
    let port = running.tcp().unwrap().port();
    let trusting = |authorities: &Path| {
        let trust = Trust::SystemAnd(authorities.to_owned());
        Connector::new()
            .trusting(ClientTls::new(&ClientTlsConfig { trust, ..ClientTlsConfig::default() }).unwrap())
    };
    let builder = Channel::to([format!("localhost:{port}")]).unwrap().tls().connector(trusting(&cert));
    let channel = builder.serving(Arc::new(Bench::default()));
    assert_eq!(ask(&channel, request(ECHO, "in private")).await.unwrap(), "in private");
    // The addresses of a name are shown the name's certificate too.
    let leading = trusting(&cert).resolver(Resolver::new(async |name, port| {
        assert_eq!(name, "localhost");
        Ok(vec![([127, 0, 0, 1], port).into()])
    }));
    let builder = Channel::to([format!("dns:localhost:{port}")]).unwrap().tls().connector(leading);
    let channel = builder.serving(Arc::new(Bench::default()));
    assert_eq!(ask(&channel, request(ECHO, "by name")).await.unwrap(), "by name");
    // Without TLS nothing is understood, and the call says why.
    let plain = Channel::to([format!("localhost:{port}")]).unwrap().serving(Arc::new(Bench::default()));
    let failure = ask(&plain, request(ECHO, "")).await.unwrap_err();
    assert_eq!(failure.status.code, Code::Unavailable, "{failure}");
}

#[tokio::test]
async fn a_dialed_stream_can_carry_tls_and_what_it_fails_of_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["inside.test".to_owned()]).unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let certificates = vec![CertPair { cert: cert.clone(), key }];
    let config = TlsConfig { certificates, alpn: vec![ALPN.to_vec()], ..TlsConfig::default() };
    let tls = Tls::new(config).unwrap();
    let server = Detached::of(Arc::new(Bench::default()), Settings::default());
    let trust = Trust::SystemAnd(cert);
    let trusting = ClientTls::new(&ClientTlsConfig { trust, ..ClientTlsConfig::default() }).unwrap();
    let channel =
        Channel::to(["inside.test:1"]).unwrap().tls().connector(Connector::new().trusting(trusting));
    let channel = channel.dial({
        let server = server.clone();
        move |target| {
            assert_eq!(target.to_string(), "inside.test:1");
            let (near, far) = tokio::io::duplex(1 << 16);
            let (server, tls) = (server.clone(), tls.clone());
            tokio::spawn(async move {
                let far = tls.acceptor().accept(far).await.unwrap();
                server.serve(Io::other(far), PeerAddr::Unix).await;
            });
            async { Ok(near) }
        }
    });
    let channel = channel.serving(Arc::new(Bench::default()));
    assert_eq!(ask(&channel, request(ECHO, "in private")).await.unwrap(), "in private");
    drop(channel);
    assert_eq!(server.finish(Duration::from_secs(5)).await, 0);

    let refusing = Channel::to(["a.test:1"]).unwrap();
    let refusing = refusing.dial(async |_| Err::<Io, _>(std::io::Error::other("no way there")));
    let failure = ask(&refusing.serving(Arc::new(Bench::default())), request(ECHO, "")).await.unwrap_err();
    assert_eq!(failure.to_string(), "unavailable: cannot connect to a.test:1: no way there");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_to_connect_that_is_lost_leaves_its_place_to_the_next() {
    let (dialed, server) =
        (AtomicUsize::new(0), Detached::of(Arc::new(Bench::default()), Settings::default()));
    let channel = Channel::to(["a.test:1"]).unwrap().dial(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = server.clone();
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        let first = dialed.fetch_add(1, Ordering::SeqCst) == 0;
        async move { if first { panic!("as a user's function may") } else { Ok(near) } }
    });
    let channel = channel.serving(Arc::new(Bench::default()));
    let failure = ask(&channel, request(ECHO, "")).await;
    assert!(failure.is_ok() || failure.unwrap_err().status.text == "the attempt to connect panicked");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(ask(&channel, request(ECHO, "there")).await.unwrap(), "there");
}

/// Waits of 1 s, 2 s, 4 s and 8 s between attempts to connect, without chance.
fn doubling() -> Policies {
    let growth =
        backoff::Growth::Exponential { first: Duration::from_secs(1), jitter: backoff::Jitter::None };
    let reconnect = backoff::Policy { growth, cap: Duration::from_secs(8) };
    Policies { reconnect, ..Policies::default() }
}

/// Calls every 10 ms for so long, and says how many calls went well.
async fn keep_calling(channel: &Servers, seconds: u64) -> usize {
    let (begun, mut answered) = (tokio::time::Instant::now(), 0);
    while begun.elapsed() < Duration::from_secs(seconds) {
        answered += usize::from(ask(channel, request(ECHO, "")).await.is_ok());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn a_server_that_leaves_at_once_in_good_order_is_not_connected_to_again_and_again() {
    let (dialed, leaves) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
    let channel = Channel::to(["a.test:1"]).unwrap().policies(doubling()).dial({
        let (dialed, leaves) = (Arc::clone(&dialed), Arc::clone(&leaves));
        move |_| {
            let (near, far) = tokio::io::duplex(1 << 16);
            let server = Detached::of(Arc::new(Bench::default()), Settings::default());
            let leaves = dialed.fetch_add(1, Ordering::SeqCst) < leaves.load(Ordering::SeqCst);
            tokio::spawn(async move {
                let finish = async { if leaves { server.finish(Duration::from_secs(5)).await } else { 0 } };
                tokio::join!(server.serve(far, PeerAddr::Unix), finish)
            });
            async { Ok(near) }
        }
    });
    let channel = channel.serving(Arc::new(Bench::default()));
    // Three that leave are followed at once, the others after 1, 2, 4, 8 and 8 seconds.
    keep_calling(&channel, 16).await;
    assert_eq!(dialed.load(Ordering::SeqCst), 1 + 3 + 4);
    let failure = ask(&channel, request(ECHO, "")).await.unwrap_err();
    assert_eq!(failure.to_string(), "unavailable: the server ends connections as soon as they are made");
    // One that stays is used.
    leaves.store(0, Ordering::SeqCst);
    assert!(keep_calling(&channel, 30).await > 1000);
    assert_eq!(dialed.load(Ordering::SeqCst), 1 + 3 + 5);
}

async fn panics() -> std::io::Result<Io> {
    panic!("as a user's function may")
}

#[tokio::test(start_paused = true)]
async fn a_function_that_panics_is_not_asked_again_and_again() {
    let dialed = Arc::new(AtomicUsize::new(0));
    let panicking = {
        let dialed = Arc::clone(&dialed);
        move |_| {
            dialed.fetch_add(1, Ordering::SeqCst);
            panics()
        }
    };
    let channel = Channel::to(["a.test:1"]).unwrap().policies(doubling()).dial(panicking);
    let channel = channel.serving(Arc::new(Bench::default()));
    assert_eq!(keep_calling(&channel, 14).await, 0);
    // At once, and after 1, 2 and 4 seconds.
    assert_eq!(dialed.load(Ordering::SeqCst), 4);
    let failure = ask(&channel, request(ECHO, "")).await.unwrap_err();
    assert_eq!(failure.to_string(), "unavailable: the attempt to connect panicked");
}

#[tokio::test(start_paused = true)]
async fn an_old_connection_that_ends_late_says_nothing_of_the_new_one() {
    let (channel, servers) = inside(&["one:1"], Policies::default());
    let server = |place: usize| servers.lock().unwrap()[place].clone();
    ask(&channel, request(ECHO, "")).await.unwrap();
    let old = server(0);
    let late = ask(&channel, request(LATE, "taken before it left"));
    let leaving = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert_eq!(old.finish(Duration::from_secs(5)).await, 0);
    };
    let calling = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < Duration::from_millis(500) {
            ask(&channel, request(ECHO, "")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let (late, (), ()) = tokio::join!(late, leaving, calling);
    assert_eq!(late.unwrap(), "taken before it left");
    assert_eq!(servers.lock().unwrap().len(), 2, "one connection, and the one after it");
}
