use std::collections::HashSet;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::caller::{Arrived, Caller, Pending};
use super::link::{Link, LinkError, Parts};
use super::observe::Watch;
use super::server::Age;
use super::testing::{Bench, COUNT, ECHO, FAIL, HANG, LATE, PANIC, SUM, TALK, message};
use super::*;
use crate::codec::{Codec as _, Outbox};
use crate::net::addr::PeerAddr;
use crate::net::clock::Clock;
use crate::net::drain::Drain;
use crate::net::io::Io;
use crate::proto::rpc::codec::Codec as WireCodec;
use crate::proto::rpc::frame::{Call, Frame};
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::payload::compress::decompress;
use crate::proto::rpc::session::{Message, Role};
use crate::proto::rpc::settings::Settings as Hello;
use crate::proto::rpc::status::Code;
use crate::server::peer::Peer;
use crate::service;

/// One end of a connection, at work.
struct End {
    caller: Caller,
    task: JoinHandle<Result<(), LinkError>>,
    drain: Drain,
}

fn end(stream: DuplexStream, role: Role, settings: Settings, serve: Bench) -> End {
    let (link, caller, drain) = link(stream, role, settings, serve);
    End { caller, task: tokio::spawn(link.run()), drain }
}

fn link(stream: DuplexStream, role: Role, settings: Settings, serve: Bench) -> (Box<Link>, Caller, Drain) {
    let (clock, drain) = (Clock::new(), Drain::new());
    drain.attach(&clock);
    let (link, caller) = Link::new(Parts {
        io: Io::Memory(stream),
        timer: clock.timer(),
        role,
        settings: settings.shared(),
        serve: Arc::new(serve),
        peer: Arc::new(Peer::new(PeerAddr::Unix, false, 1)),
        drain: drain.clone(),
        place: None,
        watch: Watch::NOBODY,
        lane: None,
    });
    (link, caller, drain)
}

fn pair_of(client: Settings, server: Settings, bench: &Bench) -> (End, End) {
    let (a, b) = tokio::io::duplex(1 << 16);
    (end(a, Role::Client, client, Bench::default()), end(b, Role::Server, server, bench.clone()))
}

fn pair() -> (End, End, Bench) {
    let bench = Bench::default();
    let (client, server) = pair_of(Settings::default(), Settings::default(), &bench);
    (client, server, bench)
}

fn call(method: u16) -> Call {
    Call { method, ..Call::default() }
}

impl End {
    fn ask(&self, method: u16, request: impl Into<Bytes>) -> Pending {
        self.caller.call(call(method), Some(message(request)), true, None)
    }

    async fn answer(&self, method: u16, request: impl Into<Bytes>) -> Result<Bytes, Failure> {
        self.ask(method, request).answer().await.map(|(message, _)| message.bytes)
    }
}

/// All messages of an answer.
async fn all(pending: Pending) -> Result<Vec<Bytes>, Failure> {
    let mut messages = Vec::new();
    loop {
        match poll_fn(|cx| pending.poll_next(cx)).await? {
            Arrived::Message(message) => messages.push(message.bytes),
            Arrived::End(_) => return Ok(messages),
        }
    }
}

fn failure(code: Code, reach: Reach) -> impl Fn(&Failure) -> bool {
    move |failure| (failure.status.code, failure.reach) == (code, reach)
}

#[tokio::test]
async fn calls_are_answered_in_both_directions_on_one_connection() {
    let (client, server, _) = pair();
    assert_eq!(client.answer(ECHO, "from the client").await.unwrap(), "from the client");
    assert_eq!(server.answer(ECHO, "from the server").await.unwrap(), "from the server");
    let large = Bytes::from(vec![7; 1 << 20]);
    assert_eq!(client.answer(ECHO, large.clone()).await.unwrap(), large);
    assert_eq!(client.answer(ECHO, "").await.unwrap(), "");
}

/// Text that becomes smaller, and what it is at the other end. The handler does not look into messages: what it gives back is what came to it.
#[tokio::test]
async fn long_messages_are_compressed_once_the_peer_has_said_that_it_reads_them() {
    let long = Bytes::from("again and ".repeat(100_000));
    let noise: Bytes = std::iter::repeat_with(|| fastrand::u8(..)).take(10_000).collect();
    let compressing = Settings { compress_from: Some(500), ..Settings::default() };
    let plain = |message: &Message| match message.compressed {
        true => decompress(&message.bytes, 1 << 20).unwrap(),
        false => message.bytes.clone(),
    };
    for (client, server, there, back) in [
        (&compressing, &Settings::default(), true, false),
        (&Settings::default(), &compressing, false, true),
        (&Settings::default(), &Settings::default(), false, false),
    ] {
        let bench = Bench::default();
        let (client, _server) = pair_of(client.clone(), server.clone(), &bench);
        client.answer(ECHO, "").await.unwrap(); // it has said so now
        let (answer, _) = client.ask(ECHO, long.clone()).answer().await.unwrap();
        assert_eq!(answer.compressed, back);
        let came = plain(&answer);
        assert_eq!(came.len() < 1000, there, "{} bytes", came.len());
        assert_eq!(if there { decompress(&came, 1 << 20).unwrap() } else { came }, long);
        for text in ["short", &"again and ".repeat(49)] {
            let (answer, _) = client.ask(ECHO, text.to_owned()).answer().await.unwrap();
            assert!(!answer.compressed && answer.bytes == text);
        }
        assert_eq!(client.answer(ECHO, noise.clone()).await.unwrap(), noise, "it would not become smaller");
        // Each message of a stream, both ways.
        let talk = client.caller.call(call(TALK), None, false, None);
        for _ in 0..3 {
            talk.say(message(long.clone()), false);
        }
        talk.say_last();
        let mut answers = 0;
        while let Arrived::Message(message) = poll_fn(|cx| talk.poll_next(cx)).await.unwrap() {
            assert_eq!(message.compressed, back);
            assert_eq!(plain(&message).len() < 1000, there);
            answers += 1;
        }
        assert_eq!(answers, 3);
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_dropped_at_its_deadline() {
    let blind = Settings { stream_credit: 0, connection_credit: 0, ..Settings::default() };
    let hasty = Settings { max_deadline: Duration::from_millis(500), ..Settings::default() };
    let (client, _server) = pair_of(blind, hasty, &Bench::default());
    let error = client.answer(ECHO, vec![7; 1 << 20]).await.unwrap_err();
    assert!(failure(Code::DeadlineExceeded, Reach::Answered)(&error), "{error}");
    assert_eq!(client.answer(ECHO, "short").await.unwrap(), "short");
}

#[tokio::test]
async fn a_call_in_a_codec_that_the_peer_does_not_read_is_not_sent() {
    let (near, mut far) = tokio::io::duplex(1 << 16);
    let client = end(near, Role::Client, Settings::default(), Bench::default());
    // It waits for the HELLO, which comes later.
    let calls = [1, 9].map(|codec| {
        let call = Call { codec, ..call(ECHO) };
        client.caller.call(call, Some(message("unread")), true, None)
    });
    let hello = Hello { codecs: 1 | 1 << 7, max_streams: 8, ..Hello::default() };
    let mut out = Outbox::new();
    WireCodec::new(hello).encode(Frame::Hello(hello), &mut out).unwrap();
    far.write_all(out.single().unwrap()).await.unwrap();
    for (call, name) in calls.into_iter().zip(["1 (postcard)", "9"]) {
        let failed = call.answer().await.unwrap_err();
        assert!(failure(Code::Unimplemented, Reach::Never)(&failed), "{failed:?}");
        let text = format!("the other side does not read payload codec {name}; it reads 0 (bincode), 7");
        assert_eq!(failed.status.text, text);
    }
    // Nothing but our HELLO was sent, and one that is read follows.
    let _call = client.ask(ECHO, "read");
    let (mut wire, mut frames) = (BytesMut::new(), Vec::new());
    let mut codec = WireCodec::new(Hello::default());
    while frames.len() < 2 {
        far.read_buf(&mut wire).await.unwrap();
        while let Some(frame) = codec.decode(&mut wire).unwrap() {
            frames.push(frame);
        }
    }
    assert!(
        matches!(&frames[1], Frame::Open(open) if open.stream == 1 && open.call.codec == 0),
        "{frames:?}"
    );
}

#[tokio::test]
async fn metadata_goes_there_and_trailers_come_back() {
    let (client, _server, _) = pair();
    let metadata = Metadata::new().with("user", "ada").unwrap();
    let call = Call { metadata: metadata.clone(), ..call(ECHO) };
    let (_, trailers) = client.caller.call(call, Some(message("")), true, None).answer().await.unwrap();
    assert_eq!(trailers, metadata);
}

#[tokio::test]
async fn failures_say_what_happened_and_how_far_the_call_came() {
    let (client, _server, _) = pair();
    for (method, code, text) in [
        (FAIL, Code::NotFound, "nothing here"),
        (PANIC, Code::Internal, "the handler panicked"),
        (99, Code::Unimplemented, "there is no method 99"),
    ] {
        let failure = client.answer(method, "").await.unwrap_err();
        assert_eq!((failure.status.code, &*failure.status.text), (code, text));
        assert_eq!(failure.reach, Reach::Answered);
    }
    assert!(client.answer(ECHO, "still there").await.is_ok());
}

#[tokio::test]
async fn streams_of_answers_come_in_order_at_the_pace_of_the_reader() {
    let (client, _server, _) = pair();
    let messages = all(client.ask(COUNT, "100000")).await.unwrap();
    assert!(messages.iter().enumerate().all(|(n, message)| *message == n.to_string()));
    assert_eq!(messages.len(), 100_000);
}

#[tokio::test]
async fn streams_of_requests_and_both_at_once() {
    let (client, _server, _) = pair();
    let sum = client.caller.call(call(SUM), None, false, None);
    for size in 0..1000 {
        poll_fn(|cx| sum.poll_room(cx)).await.unwrap();
        sum.say(message(vec![0; size]), false);
    }
    sum.say_last();
    assert_eq!(sum.answer().await.unwrap().0.bytes, "499500");
    let talk = client.caller.call(call(TALK), None, false, None);
    for n in 0..100 {
        talk.say(message(n.to_string()), n == 99);
        let Arrived::Message(message) = poll_fn(|cx| talk.poll_next(cx)).await.unwrap() else { panic!() };
        assert_eq!(message.bytes, n.to_string());
    }
    assert!(matches!(poll_fn(|cx| talk.poll_next(cx)).await, Ok(Arrived::End(_))));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_stops_its_handler() {
    let (client, _server, bench) = pair();
    let hanging = client.ask(HANG, "");
    while bench.hanging.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(hanging);
    while bench.hanging.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // So does a connection that is lost.
    let hanging = client.ask(HANG, "");
    while bench.hanging.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    client.task.abort();
    while bench.hanging.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    drop(hanging);
}

#[tokio::test(start_paused = true)]
async fn deadlines_end_calls_at_both_ends() {
    let (client, _server, bench) = pair();
    let begun = Instant::now();
    let at = begun + Duration::from_millis(250);
    let failed =
        client.caller.call(call(HANG), Some(message("")), true, Some(at)).answer().await.unwrap_err();
    assert!(failure(Code::DeadlineExceeded, Reach::Unknown)(&failed), "{failed:?}");
    assert_eq!(begun.elapsed().as_millis(), 250);
    while bench.hanging.load(Ordering::SeqCst) > 0 {
        sleep(Duration::from_millis(1)).await;
    }
    // A server has a limit of its own.
    let short = Settings { max_deadline: Duration::from_secs(2), ..Settings::default() };
    let (client, _server) = pair_of(Settings::default(), short, &bench);
    let begun = Instant::now();
    let failed = client.answer(HANG, "").await.unwrap_err();
    assert!(failure(Code::DeadlineExceeded, Reach::Answered)(&failed), "{failed:?}");
    assert_eq!(begun.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn calls_beyond_what_the_peer_takes_wait_for_their_turn() {
    let bench = Bench::default();
    let few = Settings { max_calls: 2, ..Settings::default() };
    let (client, _server) = pair_of(Settings::default(), few, &bench);
    let calls: Vec<Pending> = (0..10).map(|n| client.ask(LATE, n.to_string())).collect();
    for (n, call) in calls.into_iter().enumerate() {
        assert_eq!(call.answer().await.unwrap().0.bytes, n.to_string());
    }
    let none = Settings { max_queued_calls: 0, ..Settings::default() };
    let (client, _server) = pair_of(none, Settings { max_calls: 0, ..Settings::default() }, &bench);
    let failed = client.answer(ECHO, "").await.unwrap_err();
    assert!(failure(Code::ResourceExhausted, Reach::Never)(&failed), "{failed:?}");
}

#[tokio::test]
async fn every_call_ends_with_a_reason_when_the_connection_is_lost() {
    let (client, server, bench) = pair();
    let open = client.ask(HANG, "");
    while bench.hanging.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    server.task.abort();
    let failed = open.answer().await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Unknown)(&failed), "{failed:?}");
    assert!(!client.caller.is_open());
    let failed = client.answer(ECHO, "").await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Never)(&failed), "{failed:?}");
}

#[tokio::test]
async fn a_server_that_stops_answers_what_it_has_and_refuses_the_rest() {
    let (client, server, _) = pair();
    client.answer(ECHO, "").await.unwrap();
    let under_way: Vec<Pending> = (0..5).map(|n| client.ask(LATE, n.to_string())).collect();
    tokio::task::yield_now().await;
    server.drain.stop();
    for (n, call) in under_way.into_iter().enumerate() {
        assert_eq!(call.answer().await.unwrap().0.bytes, n.to_string(), "no call is lost");
    }
    assert!(timeout(Duration::from_secs(5), server.task).await.unwrap().unwrap().is_ok());
    let failed = client.answer(ECHO, "").await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Never)(&failed), "{failed:?}");
}

#[tokio::test]
async fn a_connection_closes_when_nobody_can_call_any_more() {
    let (client, server, _) = pair();
    let late = client.ask(LATE, "the last");
    let End { caller, task, .. } = client;
    drop(caller);
    assert_eq!(late.answer().await.unwrap().0.bytes, "the last");
    assert!(timeout(Duration::from_secs(5), task).await.unwrap().unwrap().is_ok());
    assert!(timeout(Duration::from_secs(5), server.task).await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_is_silent_is_found() {
    // One that never greets.
    let (a, _b) = tokio::io::duplex(1 << 16);
    let client = end(a, Role::Client, Settings::default(), Bench::default());
    let begun = Instant::now();
    let failed = client.answer(ECHO, "").await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Never)(&failed), "{failed:?}");
    assert_eq!(begun.elapsed().as_secs(), 10);
    assert!(matches!(client.task.await.unwrap(), Err(LinkError::Silent)));
}

#[tokio::test]
async fn credit_comes_back_from_messages_that_nobody_takes() {
    let small = Settings { stream_credit: 4096, connection_credit: 8192, ..Settings::default() };
    let bench = Bench::default();
    let (client, _server) = pair_of(small.clone(), small, &bench);
    for _ in 0..20 {
        // Some messages are there when the stream is dropped.
        let count = client.ask(COUNT, "100000");
        assert!(poll_fn(|cx| count.poll_next(cx)).await.is_ok());
    }
    for _ in 0..20 {
        // The handler answers without taking anything.
        let fail = client.caller.call(call(FAIL), Some(message("")), false, None);
        for _ in 0..10 {
            fail.say(message(vec![0; 1000]), false);
        }
        assert!(fail.answer().await.is_err());
    }
    let answer = timeout(Duration::from_secs(5), client.answer(ECHO, vec![1; 100_000])).await;
    assert_eq!(answer.unwrap().unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_stream_goes_on_when_nobody_can_make_further_calls() {
    let (client, _server, _) = pair();
    let count = client.ask(COUNT, "100000");
    drop(client.caller);
    assert_eq!(all(count).await.unwrap().len(), 100_000);
}

#[tokio::test]
async fn a_server_that_stops_still_takes_what_is_said_on_its_calls() {
    let (client, server, _) = pair();
    client.answer(ECHO, "").await.unwrap();
    let sum = client.caller.call(call(SUM), None, false, None);
    sum.say(message(vec![0; 7]), false);
    tokio::task::yield_now().await;
    server.drain.stop();
    while client.caller.is_open() {
        tokio::task::yield_now().await;
    }
    for _ in 0..1000 {
        poll_fn(|cx| sum.poll_room(cx)).await.unwrap();
        sum.say(message(vec![0; 1000]), false);
    }
    sum.say_last();
    assert_eq!(sum.answer().await.unwrap().0.bytes, "1000007");
    assert!(timeout(Duration::from_secs(5), server.task).await.unwrap().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_turn_has_its_deadline_too() {
    let bench = Bench::default();
    let (client, _server) =
        pair_of(Settings::default(), Settings { max_calls: 1, ..Settings::default() }, &bench);
    let _hanging = client.ask(HANG, "");
    while bench.hanging.load(Ordering::SeqCst) == 0 {
        sleep(Duration::from_millis(1)).await;
    }
    let begun = Instant::now();
    let at = begun + Duration::from_secs(1);
    let failed =
        client.caller.call(call(ECHO), Some(message("")), true, Some(at)).answer().await.unwrap_err();
    assert!(failure(Code::DeadlineExceeded, Reach::Never)(&failed), "{failed:?}");
    assert_eq!(begun.elapsed().as_secs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_long_call_after_a_long_silence_is_no_silence() {
    let (client, server, bench) = pair();
    client.answer(ECHO, "").await.unwrap();
    sleep(Duration::from_secs(45)).await;
    let at = Instant::now() + Duration::from_secs(300);
    let hanging = client.caller.call(call(HANG), Some(message("")), true, Some(at));
    sleep(Duration::from_secs(200)).await;
    assert_eq!(bench.hanging.load(Ordering::SeqCst), 1, "both ends have answered each other's pings");
    assert!(!client.task.is_finished() && !server.task.is_finished());
    let failed = hanging.answer().await.unwrap_err();
    assert!(failure(Code::DeadlineExceeded, Reach::Unknown)(&failed), "{failed:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_leaves_at_its_age_and_is_cut_when_that_takes_too_long() {
    let bench = Bench::default();
    let (a, b) = tokio::io::duplex(1 << 16);
    let client = end(a, Role::Client, Settings::default(), Bench::default());
    let (link, caller, _drain) = link(b, Role::Server, Settings::default(), bench.clone());
    let age = Age { age: Duration::from_secs(60), grace: Duration::from_secs(5) };
    let server = tokio::spawn(async move { age.limit(link.run(), caller).await });
    let begun = Instant::now();
    sleep(Duration::from_millis(59_950)).await;
    let late = client.ask(LATE, "under way"); // it takes 100 ms
    let hanging = client.ask(HANG, "");
    assert_eq!(late.answer().await.unwrap().0.bytes, "under way");
    assert!(!client.caller.is_open(), "the client was told");
    let failed = client.answer(ECHO, "").await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Never)(&failed), "{failed:?}");
    let failed = hanging.answer().await.unwrap_err();
    assert!(failure(Code::Unavailable, Reach::Unknown)(&failed), "{failed:?}");
    assert_eq!(begun.elapsed().as_secs(), 65);
    assert!(matches!(server.await.unwrap(), Err(LinkError::Stopped)));
    assert_eq!(bench.hanging.load(Ordering::SeqCst), 0, "nothing is left of it");
}

#[test]
fn ages_are_spread_by_a_tenth() {
    let age = Age { age: Duration::from_secs(100), grace: Duration::ZERO };
    for (chance, secs) in [(0.0, 90), (0.5, 100), (1.0, 110)] {
        assert_eq!(age.spread(chance).age.as_secs_f64().round() as u64, secs);
    }
}

service! {
    /// Counts what it is asked.
    service Tally as TallyClient in tally {
        /// Counts. Twice is not as good as once.
        1 => unary count(()) -> ();
    }
}

/// How often it was called, and on which connections.
#[derive(Clone, Default)]
struct Tallied(Arc<Mutex<(u64, HashSet<u64>)>>);

impl Tally for Tallied {
    async fn count(&self, context: Context, (): ()) -> Result<(), Status> {
        tokio::task::yield_now().await;
        let mut tallied = self.0.lock().unwrap();
        tallied.0 += 1;
        tallied.1.insert(context.peer.connection);
        Ok(())
    }
}

#[tokio::test]
async fn no_call_is_lost_however_often_connections_leave() {
    let tallied = Tallied::default();
    let server = tally::serve(tallied.clone()).server().unwrap().listen("127.0.0.1:0").threads(1);
    let running = server.max_connection_age(Duration::from_millis(20)).start().unwrap();
    let channel = Channel::to([running.tcp().unwrap().to_string()]).unwrap().lazy();
    let connections = || tallied.0.lock().unwrap().1.len();
    let call = async || {
        let (client, mut calls) = (TallyClient::new(channel.clone()), 0);
        let deadline = Instant::now() + Duration::from_secs(60);
        while connections() < 10 && Instant::now() < deadline {
            client.count(()).await.unwrap();
            calls += 1;
        }
        calls
    };
    let calls: u64 = futures_util::future::join_all((0..16).map(|_| call())).await.into_iter().sum();
    assert!(connections() >= 10, "{} connections", connections());
    assert_eq!(tallied.0.lock().unwrap().0, calls, "each once");
}
