//! Calls whose request is a stream: made again at another server, or not, and their two halves.

use std::future::poll_fn;

use super::super::halves::{RecvHalf, SendHalf};
use super::*;
use crate::server::rpc::caller::Arrived;

/// A call with a stream of requests.
fn stream_request(method: u16, idempotent: bool) -> StreamRequest {
    let call = Call { method, ..Call::default() };
    StreamRequest { call, method: None, idempotent, deadline: deadline_in(Duration::from_secs(10)) }
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
    let (mut send, recv) =
        halves(channel.open(stream_request(method, idempotent)).await.unwrap(), CallMeter::default());
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
    let (mut send, mut recv) =
        halves(channel.open(stream_request(TALK, true)).await.unwrap(), CallMeter::default());
    say(&mut send, &"x".repeat(1000)).await.unwrap();
    assert_eq!(kept(), 1000);
    hear(&mut recv).await.unwrap();
    assert_eq!(kept(), 0, "an answer was handed on");
    drop((send, recv));
    let (mut send, recv) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
    for _ in 0..1000 {
        say(&mut send, &"x".repeat(1000)).await.unwrap();
    }
    assert_eq!(kept(), 1_000_000);
    for _ in 0..100 {
        say(&mut send, &"x".repeat(1000)).await.unwrap();
    }
    assert_eq!(kept(), 0, "more than is kept for a call");
    drop((send, recv));
    let (mut send, recv) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
    say(&mut send, "y").await.unwrap();
    drop((send, recv));
    assert_eq!(kept(), 0, "the call was given up");
}

#[tokio::test]
async fn the_sides_of_a_call_work_in_tasks_of_their_own_and_either_ends_it() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let (mut send, mut recv) =
        halves(channel.open(stream_request(TALK, false)).await.unwrap(), CallMeter::default());
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
    let (send, mut recv) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
    drop(send);
    assert_eq!(hear(&mut recv).await.unwrap_err().status.code, Code::Cancelled);
    let (mut send, recv) =
        halves(channel.open(stream_request(TALK, true)).await.unwrap(), CallMeter::default());
    drop(recv);
    let given_up = async {
        while say(&mut send, "?").await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), given_up).await.unwrap();
}

/// Servers in the same process whose connections can be cut; they stay silent from when the number is not 0.
#[allow(clippy::type_complexity, reason = "a test's")]
fn cuttable() -> (Servers, Arc<Mutex<Vec<tokio::task::JoinHandle<()>>>>, Arc<AtomicUsize>) {
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
        let (mut send, mut recv) =
            halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
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
    let (mut send, mut recv) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
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
    let (mut send, mut recv) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
    say(&mut send, "one").await.unwrap();
    tokio::time::sleep(Duration::from_secs(9)).await;
    send.finish();
    hear(&mut recv).await.unwrap();
    let (_send, mut late) =
        halves(channel.open(stream_request(SUM, true)).await.unwrap(), CallMeter::default());
    assert_eq!(hear(&mut late).await.unwrap_err().status.code, Code::DeadlineExceeded);
    for endpoint in channel.0.endpoints.load().iter() {
        assert!(endpoint.load.latency(now()) <= Duration::from_millis(30), "{:?}", endpoint.load);
    }
}
