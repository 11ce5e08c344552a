//! Calls with one message each way, when servers stop, are killed, or are slow: what is tried again, and what is not.

use super::*;

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

#[tokio::test]
async fn what_a_server_does_not_know_is_asked_of_it_once() {
    let bench = Bench::default();
    let (_running, port) = serve(&bench, 0);
    let channel = channel(&[port]);
    let failure = ask(&channel, idempotent(99, "")).await.unwrap_err();
    assert_eq!((failure.status.code, failure.attempts), (Code::Unimplemented, 1));
    for code in [Code::Unimplemented, Code::FailedPrecondition] {
        for (reach, unknown) in [(Reach::Never, true), (Reach::Unknown, false), (Reach::Answered, false)] {
            let failure = Failure { status: Status::new(code, ""), reach, attempts: 1 };
            assert_eq!(attempt::is_unknown_there(&failure), unknown, "{failure:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_given_up_before_they_left_make_room_when_they_leave() {
    const MOST: usize = 20;
    let (near, far) = tokio::io::duplex(1024);
    let settings = Settings { max_calls: MOST as u32, ..Settings::default() };
    let server = Detached::of(Arc::new(Bench::default()), settings);
    // It reads only while it is polled.
    let mut serving = std::pin::pin!(server.serve(far, PeerAddr::Unix));
    let near = Mutex::new(Some(near));
    let builder = Channel::to(["one:1"]).unwrap().dial(move |_| {
        let near = near.lock().unwrap().take();
        async { near.ok_or_else(|| std::io::ErrorKind::ConnectionRefused.into()) }
    });
    let channel = builder.serving(Arc::new(Bench::default()));
    tokio::select! {
        first = ask(&channel, request(ECHO, "first")) => assert_eq!(first.unwrap(), "first"),
        () = &mut serving => unreachable!("the connection stays"),
    }
    // More than the connection holds for a peer that does not read, and as many again as may wait behind that.
    let long = "x".repeat(16_000);
    for _ in 0..3 {
        let given_up = join_all((0..MOST).map(|_| ask(&channel, request(ECHO, &long))));
        tokio::time::timeout(Duration::from_millis(10), given_up).await.unwrap_err();
    }
    let mut late = std::pin::pin!(ask(&channel, request(ECHO, "late")));
    tokio::time::timeout(Duration::from_millis(10), &mut late).await.unwrap_err();
    tokio::select! {
        late = &mut late => assert_eq!(late.unwrap(), "late"),
        () = &mut serving => unreachable!("the connection stays"),
    }
}
