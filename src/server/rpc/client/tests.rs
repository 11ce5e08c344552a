use std::future::poll_fn;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::attempt::{Request, deadline_in};
use super::halves::{RecvHalf, SendHalf};
use super::*;
use crate::net::addr::PeerAddr;
use crate::net::client::Resolver;
use crate::net::tls::{CertPair, ClientTls, ClientTlsConfig, Tls, TlsConfig, Trust};
use crate::proto::rpc::codec::ALPN;
use crate::proto::rpc::frame::Call;
use crate::server::process::Running;
use crate::server::rpc::caller::Arrived;
use crate::server::rpc::detached::Detached;
use crate::server::rpc::server::Server;
use crate::server::rpc::testing::{Bench, ECHO, FAIL, HANG, LATE, SUM, TALK, message};

/// A server on a port of its own, or on `port`, and that port.
fn serve(bench: &Bench, port: u16) -> (Running, u16) {
    let address = format!("127.0.0.1:{port}");
    let server = Server::of(Arc::new(bench.clone())).threads(1).drain_timeout(Duration::from_secs(5));
    let running = server.listen(&*address).start().unwrap();
    let port = running.tcp().unwrap().port();
    (running, port)
}

fn channel(ports: &[u16]) -> Channel {
    let targets = ports.iter().map(|port| format!("127.0.0.1:{port}"));
    let reconnect = backoff::Policy {
        growth: backoff::Growth::Fixed { wait: Duration::from_millis(20), jitter: backoff::Jitter::None },
        cap: Duration::from_secs(1),
    };
    let policies = Policies { reconnect, ..Policies::default() };
    Channel::to(targets).unwrap().policies(policies).serving(Arc::new(Bench::default()))
}

fn request(method: u16, text: &str) -> Request {
    Request {
        call: Call { method, ..Call::default() },
        message: message(text.to_owned()),
        idempotent: false,
        begun: tokio::time::Instant::now(),
        deadline: deadline_in(Duration::from_secs(10)),
    }
}

fn idempotent(method: u16, text: &str) -> Request {
    Request { idempotent: true, ..request(method, text) }
}

async fn ask(channel: &Channel, request: Request) -> Result<String, Failure> {
    let (message, _) = channel.call(&request).await?;
    Ok(String::from_utf8(message.bytes.to_vec()).unwrap())
}

/// Waits until so many handlers were begun.
async fn begun(bench: &Bench, handlers: usize) {
    while bench.begun.load(Ordering::SeqCst) < handlers {
        tokio::task::yield_now().await;
    }
}

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
async fn when_one_of_three_is_killed_no_idempotent_call_fails() {
    let bench = Bench::default();
    let servers: Vec<_> = (0..3).map(|_| serve(&bench, 0)).collect();
    let channel = channel(&servers.iter().map(|(_, port)| *port).collect::<Vec<_>>());
    let mut servers = servers.into_iter();
    let (victim, _) = servers.next().unwrap();
    let calling = (0..20).map(|n| {
        let channel = channel.clone();
        async move {
            for round in 0..50 {
                let text = format!("{n} {round}");
                assert_eq!(ask(&channel, idempotent(ECHO, &text)).await.unwrap(), text);
            }
        }
    });
    let killing = async {
        begun(&bench, 200).await;
        victim.handle().stop_now();
        tokio::task::spawn_blocking(|| victim.wait()).await.unwrap().unwrap();
    };
    tokio::join!(join_all(calling), killing);
}

#[tokio::test]
async fn when_one_of_two_stops_in_good_order_no_call_fails() {
    let bench = Bench::default();
    let (first, one) = serve(&bench, 0);
    let (_second, two) = serve(&bench, 0);
    let channel = channel(&[one, two]);
    let calling = (0..20).map(|n| {
        let channel = channel.clone();
        async move {
            for round in 0..10 {
                let text = format!("{n} {round}");
                assert_eq!(ask(&channel, request(LATE, &text)).await.unwrap(), text);
            }
        }
    });
    let stopping = async {
        begun(&bench, 50).await;
        let outcome = tokio::task::spawn_blocking(|| first.stop()).await.unwrap().unwrap();
        assert_eq!(outcome.aborted, 0);
    };
    tokio::join!(join_all(calling), stopping);
}

#[tokio::test]
async fn what_the_server_may_have_done_is_not_done_twice() {
    let bench = Bench::default();
    let (running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let hanging = ask(&channel, request(HANG, ""));
    let killing = async {
        while bench.hanging.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        running.handle().stop_now();
    };
    let (failure, ()) = tokio::join!(hanging, killing);
    let failure = failure.unwrap_err();
    assert_eq!(
        (failure.status.code, failure.reach, failure.attempts),
        (Code::Unavailable, Reach::Unknown, 1)
    );
    assert_eq!(bench.begun.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_answer_that_is_an_error_is_an_answer() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    for _ in 0..30 {
        let failure = ask(&channel, idempotent(FAIL, "")).await.unwrap_err();
        assert_eq!((failure.status.code, failure.attempts), (Code::NotFound, 1));
    }
    assert_eq!(ask(&channel, request(ECHO, "the breaker is closed")).await.unwrap(), "the breaker is closed");
}

#[tokio::test]
async fn a_deadline_ends_all_attempts() {
    // Nobody is ever there: the port was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let channel = channel(&[port]);
    let begun = Instant::now();
    let deadline = deadline_in(Duration::from_millis(300));
    let failure = ask(&channel, Request { deadline, ..idempotent(ECHO, "") }).await.unwrap_err();
    assert_eq!(failure.reach, Reach::Never);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_slow_copy_is_hedged() {
    let (quick, slow) = (Bench::default(), Bench::default());
    let ((_a, one), (_b, two)) = (serve(&quick, 0), serve(&slow, 0));
    let targets = [one, two].map(|port| format!("127.0.0.1:{port}"));
    let hedge =
        hedge::Policy { delay: hedge::Delay::Fixed(Duration::from_millis(10)), ..hedge::Policy::DEFAULT };
    let policies = Policies { hedge: Some(hedge), ..Policies::default() };
    let channel = Channel::to(targets).unwrap().policies(policies).serving(Arc::new(Bench::default()));
    for n in 0..5 {
        assert_eq!(ask(&channel, idempotent(LATE, &n.to_string())).await.unwrap(), n.to_string());
    }
    let begun = quick.begun.load(Ordering::SeqCst) + slow.begun.load(Ordering::SeqCst);
    assert!(begun > 5, "{begun} copies of five calls that take 100 ms");
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
    assert_eq!(ask(&channel, request(ECHO, "there")).await.unwrap(), "there");
}

/// A call with a stream of requests.
fn stream_request(method: u16, idempotent: bool) -> StreamRequest {
    let call = Call { method, ..Call::default() };
    StreamRequest { call, idempotent, deadline: deadline_in(Duration::from_secs(10)) }
}

async fn say(send: &mut SendHalf, text: &str) -> Result<(), Failure> {
    poll_fn(|cx| send.poll_room(cx)).await?;
    send.send(message(text.to_owned()));
    Ok(())
}

async fn hear(recv: &mut RecvHalf) -> Result<Option<String>, Failure> {
    Ok(match poll_fn(|cx| recv.poll_next(cx)).await? {
        Arrived::Message(message) => Some(String::from_utf8(message.bytes.to_vec()).unwrap()),
        Arrived::End(_) => None,
    })
}

/// Two servers, a call of `method` on one of them, and that one's end when it is awaited.
async fn killed(
    method: u16,
    idempotent: bool,
    policies: Policies,
) -> (SendHalf, RecvHalf, impl Future<Output = (Running, u16)>, [Bench; 2]) {
    let benches = [Bench::default(), Bench::default()];
    let servers = benches.each_ref().map(|bench| serve(bench, 0));
    let targets = servers.each_ref().map(|(_, port)| format!("127.0.0.1:{port}"));
    let channel = Channel::to(targets).unwrap().policies(policies).serving(Arc::new(Bench::default()));
    let (mut send, recv) = channel.open(stream_request(method, idempotent)).await.unwrap();
    say(&mut send, "one").await.unwrap();
    let begun = |bench: &Bench| bench.begun.load(Ordering::SeqCst);
    while begun(&benches[0]) + begun(&benches[1]) == 0 {
        tokio::task::yield_now().await;
    }
    let place = usize::from(begun(&benches[0]) == 0);
    let kill = async move {
        let mut servers = Vec::from(servers);
        let (victim, _) = servers.remove(place);
        victim.handle().stop_now();
        tokio::task::spawn_blocking(|| victim.wait()).await.unwrap().unwrap();
        servers.remove(0)
    };
    (send, recv, kill, benches)
}

#[tokio::test]
async fn a_stream_of_requests_is_said_again_to_another_server() {
    let (mut send, mut recv, kill, _) = killed(SUM, true, Policies::default()).await;
    say(&mut send, "two").await.unwrap();
    let _other = kill.await;
    say(&mut send, "three").await.unwrap();
    send.finish();
    assert_eq!(hear(&mut recv).await.unwrap().as_deref(), Some("11"), "all that was said is summed up");
    assert_eq!(hear(&mut recv).await.unwrap(), None);
}

#[tokio::test]
async fn a_stream_of_requests_stays_where_it_is_when_it_must_not_be_said_twice() {
    // It may have been done; too much was said; an answer was handed on.
    let small = Policies { replay: Replay { call: 100, ..Replay::DEFAULT }, ..Policies::default() };
    let none = Policies { replay: Replay { channel: 100, ..Replay::DEFAULT }, ..Policies::default() };
    let rows = [
        (SUM, false, Policies::default()),
        (SUM, true, small),
        (SUM, true, none),
        (TALK, true, Policies::default()),
    ];
    for (row, (method, idempotent, policies)) in rows.into_iter().enumerate() {
        let (mut send, mut recv, kill, benches) = killed(method, idempotent, policies).await;
        say(&mut send, "two").await.unwrap();
        if method == TALK {
            assert_eq!(hear(&mut recv).await.unwrap().as_deref(), Some("one"));
            assert_eq!(hear(&mut recv).await.unwrap().as_deref(), Some("two"));
        }
        let _other = kill.await;
        send.finish();
        let failure = hear(&mut recv).await.unwrap_err();
        assert_eq!(
            (failure.status.code, failure.reach, failure.attempts),
            (Code::Unavailable, Reach::Unknown, 1),
            "row {row}"
        );
        assert_eq!(
            say(&mut send, "more").await.unwrap_err(),
            failure,
            "row {row}: both sides are told the same"
        );
        let begun: usize = benches.iter().map(|bench| bench.begun.load(Ordering::SeqCst)).sum();
        assert_eq!(begun, 1, "row {row}");
    }
}

#[tokio::test]
async fn what_calls_keep_is_given_back() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let kept = || channel.0.replayed.load(Ordering::SeqCst);
    let (mut send, mut recv) = channel.open(stream_request(TALK, true)).await.unwrap();
    say(&mut send, &"x".repeat(1000)).await.unwrap();
    assert_eq!(kept(), 1000);
    hear(&mut recv).await.unwrap();
    assert_eq!(kept(), 0, "an answer was handed on");
    drop((send, recv));
    let (mut send, recv) = channel.open(stream_request(SUM, true)).await.unwrap();
    for _ in 0..1000 {
        say(&mut send, &"x".repeat(1000)).await.unwrap();
    }
    assert_eq!(kept(), 1_000_000);
    for _ in 0..100 {
        say(&mut send, &"x".repeat(1000)).await.unwrap();
    }
    assert_eq!(kept(), 0, "more than is kept for a call");
    drop((send, recv));
    let (mut send, recv) = channel.open(stream_request(SUM, true)).await.unwrap();
    say(&mut send, "y").await.unwrap();
    drop((send, recv));
    assert_eq!(kept(), 0, "the call was given up");
}

#[tokio::test]
async fn the_sides_of_a_call_work_in_tasks_of_their_own_and_either_ends_it() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let (mut send, mut recv) = channel.open(stream_request(TALK, false)).await.unwrap();
    let saying = tokio::spawn(async move {
        for n in 0..5_000 {
            say(&mut send, &format!("{n} {}", "x".repeat(500))).await.unwrap();
        }
        send.finish();
        send
    });
    let mut heard = 0;
    while let Some(text) = hear(&mut recv).await.unwrap() {
        assert!(text.starts_with(&format!("{heard} ")));
        heard += 1;
    }
    assert_eq!(heard, 5_000);
    drop(saying.await.unwrap());
    // Half of what was to be said is not all of it.
    let (send, mut recv) = channel.open(stream_request(SUM, true)).await.unwrap();
    drop(send);
    assert_eq!(hear(&mut recv).await.unwrap_err().status.code, Code::Cancelled);
    let (mut send, recv) = channel.open(stream_request(TALK, true)).await.unwrap();
    drop(recv);
    let given_up = async {
        while say(&mut send, "?").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), given_up).await.unwrap();
}

#[tokio::test]
async fn a_copy_that_the_budget_does_not_allow_is_not_sent() {
    let bench = Bench::default();
    let ((_a, one), (_b, two)) = (serve(&bench, 0), serve(&bench, 0));
    let targets = [one, two].map(|port| format!("127.0.0.1:{port}"));
    let delay = hedge::Delay::Fixed(Duration::from_millis(10));
    let hedge = Some(hedge::Policy { delay, ..hedge::Policy::DEFAULT });
    let budget = budget::Policy::Share { percent: 0, reserve: 0, window: Duration::from_secs(10) };
    let policies = Policies { hedge, budget, ..Policies::default() };
    let channel = Channel::to(targets).unwrap().policies(policies).serving(Arc::new(Bench::default()));
    for n in 0..5 {
        assert_eq!(ask(&channel, idempotent(LATE, &n.to_string())).await.unwrap(), n.to_string());
    }
    assert_eq!(bench.begun.load(Ordering::SeqCst), 5, "five calls that take 100 ms, and no copy");
}

/// Servers in the same process: a new one for each connection. And how many there were.
fn inside(targets: &[&str], policies: Policies) -> (Channel, Arc<Mutex<Vec<Detached>>>) {
    let servers: Arc<Mutex<Vec<Detached>>> = Arc::default();
    let dialed = Arc::clone(&servers);
    let builder = Channel::to(targets).unwrap().policies(policies).dial(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = Detached::of(Arc::new(Bench::default()), Settings::default());
        dialed.lock().unwrap().push(server.clone());
        tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await });
        async { Ok(near) }
    });
    (builder.serving(Arc::new(Bench::default())), servers)
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_probe_goes_on_when_it_ends_however_it_does() {
    let open = backoff::Policy {
        growth: backoff::Growth::Fixed { wait: Duration::from_secs(1), jitter: backoff::Jitter::None },
        cap: Duration::from_secs(1),
    };
    let breaker = breaker::Policy { consecutive: 1, open, ..breaker::Policy::DEFAULT };
    let (channel, _servers) = inside(&["one:1", "two:1"], Policies { breaker, ..Policies::default() });
    for given_up in [false, true] {
        // Both fail a call, and are left alone for a second.
        while !matches!(ask(&channel, request(ECHO, "")).await, Err(failure) if failure.reach == Reach::Never)
        {
            let deadline = deadline_in(Duration::from_millis(10));
            ask(&channel, Request { deadline, ..request(HANG, "") }).await.unwrap_err();
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = tokio::time::Instant::now();
        let probes = async {
            let probes = join_all((0..2).map(|_| ask(&channel, request(LATE, "probe"))));
            if given_up {
                tokio::time::timeout(Duration::from_millis(50), probes).await.unwrap_err();
            } else {
                assert!(probes.await.iter().all(Result::is_ok));
            }
        };
        let waiting = async {
            tokio::time::sleep(Duration::from_millis(10)).await;
            ask(&channel, request(ECHO, "me too")).await.unwrap();
            begun.elapsed()
        };
        let ((), took) = tokio::join!(probes, waiting);
        let expected = if given_up { 50..=60 } else { 100..=110 };
        assert!(expected.contains(&took.as_millis()), "{took:?}");
        // Closed again, both of them.
        for _ in 0..10 {
            ask(&channel, request(ECHO, "")).await.unwrap();
        }
    }
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

/// Servers in the same process whose connections can be cut; they stay silent from when the number is not 0.
#[allow(clippy::type_complexity, reason = "a test's")]
fn cuttable() -> (Channel, Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>, Arc<AtomicUsize>) {
    let (connections, silent): (Arc<Mutex<Vec<_>>>, _) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    let (made, deaf) = (Arc::clone(&connections), Arc::clone(&silent));
    let growth = backoff::Growth::Fixed { wait: Duration::from_millis(1), jitter: backoff::Jitter::None };
    let reconnect = backoff::Policy { growth, cap: Duration::from_secs(1) };
    let policies = Policies { reconnect, ..Policies::default() };
    let builder = Channel::to(["one:1"]).unwrap().policies(policies).dial(move |_| {
        let (near, far) = tokio::io::duplex(1 << 16);
        let server = Detached::of(Arc::new(Bench::default()), Settings::default());
        made.lock().unwrap().push(tokio::spawn(async move { server.serve(far, PeerAddr::Unix).await }));
        let deaf = deaf.load(Ordering::SeqCst) > 0;
        async move { if deaf { std::future::pending().await } else { Ok(near) } }
    });
    (builder.serving(Arc::new(Bench::default())), connections, silent)
}

#[tokio::test(start_paused = true)]
async fn a_half_that_nobody_polls_in_the_middle_of_a_recovery_does_not_stop_the_other() {
    for silent in [false, true] {
        let (channel, connections, deaf) = cuttable();
        let (mut send, mut recv) = channel.open(stream_request(SUM, true)).await.unwrap();
        say(&mut send, "one").await.unwrap();
        tokio::time::timeout(Duration::from_millis(100), hear(&mut recv)).await.unwrap_err();
        deaf.store(usize::from(silent), Ordering::SeqCst);
        connections.lock().unwrap()[0].abort();
        // It is polled as often as it takes to see the end of the connection, and not to the end of what follows.
        while !waits_for_recovery(&mut recv) {
            tokio::task::yield_now().await;
        }
        let sending = async {
            say(&mut send, "two").await?;
            say(&mut send, "three").await
        };
        let begun = tokio::time::Instant::now();
        let outcome = tokio::time::timeout(Duration::from_secs(60), sending).await.expect("it hangs");
        if silent {
            let failure = outcome.unwrap_err();
            assert_eq!((failure.status.code, failure.attempts), (Code::DeadlineExceeded, 1));
            assert!(begun.elapsed() <= Duration::from_secs(10), "{:?}", begun.elapsed());
            assert_eq!(hear(&mut recv).await.unwrap_err(), failure, "both halves are told the same");
        } else {
            outcome.unwrap();
            send.finish();
            assert_eq!(hear(&mut recv).await.unwrap().as_deref(), Some("11"), "each message once");
            assert_eq!(hear(&mut recv).await.unwrap(), None);
        }
        assert_eq!(channel.0.replayed.load(Ordering::SeqCst), 0);
    }
}

/// Polls the half once; whether it waits for a recovery.
fn waits_for_recovery(recv: &mut RecvHalf) -> bool {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(recv.poll_next(&mut cx).is_pending());
    recv.recovers()
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_in_the_middle_of_a_recovery_ends_it() {
    let (channel, connections, deaf) = cuttable();
    let (mut send, mut recv) = channel.open(stream_request(SUM, true)).await.unwrap();
    say(&mut send, "one").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    deaf.store(1, Ordering::SeqCst);
    connections.lock().unwrap()[0].abort();
    while !waits_for_recovery(&mut recv) {
        tokio::task::yield_now().await;
    }
    let begun = tokio::time::Instant::now();
    drop(send);
    assert_eq!(hear(&mut recv).await.unwrap_err().status.code, Code::Cancelled);
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn how_long_a_stream_of_requests_takes_says_nothing_of_the_server() {
    let (channel, _servers) = inside(&["one:1", "two:1"], Policies::default());
    let (mut send, mut recv) = channel.open(stream_request(SUM, true)).await.unwrap();
    say(&mut send, "one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    send.finish();
    hear(&mut recv).await.unwrap();
    let (_send, mut late) = channel.open(stream_request(SUM, true)).await.unwrap();
    assert_eq!(hear(&mut late).await.unwrap_err().status.code, Code::DeadlineExceeded);
    for endpoint in channel.0.endpoints.load().iter() {
        assert!(endpoint.load.latency(now()) <= Duration::from_millis(30), "{:?}", endpoint.load);
    }
}

#[tokio::test]
async fn what_another_server_would_not_know_either_is_asked_once() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let failure = ask(&channel, idempotent(99, "")).await.unwrap_err();
    assert_eq!((failure.status.code, failure.attempts), (Code::Unimplemented, 1));
    for code in [Code::Unimplemented, Code::FailedPrecondition] {
        for advice in [Advice::None, Advice::NotProcessed, Advice::Later(Duration::ZERO)] {
            let status = Status::new(code, "").advice(advice);
            let failure = Failure { status, reach: Reach::Never, attempts: 1 };
            assert_eq!(attempt::class(&failure).repeat, retry::Repeat::Never, "{failure:?}");
        }
    }
}
