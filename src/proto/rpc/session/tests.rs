use std::collections::HashMap;

use bytes::Bytes;

use super::*;
use crate::proto::rpc::frame::End;
use crate::proto::rpc::metadata::Metadata;
use crate::proto::rpc::settings::MAX_CREDIT;
use crate::proto::rpc::status::Code;

mod limits;

fn settings() -> Settings {
    Settings { max_streams: 100, ..Settings::default() }
}

fn message(bytes: impl Into<Bytes>) -> Message {
    Message { bytes: bytes.into(), ..Message::default() }
}

/// A client and a server that have greeted each other.
fn pair(client: Settings, server: Settings) -> (Session, Session) {
    let (mut a, mut b) = (Session::new(Role::Client, client), Session::new(Role::Server, server));
    assert_eq!(carry(&mut a, &mut b), [Event::Hello(client)]);
    assert_eq!(carry(&mut b, &mut a), [Event::Hello(server)]);
    (a, b)
}

/// Everything that one side has to say, heard by the other.
#[track_caller]
fn carry(from: &mut Session, to: &mut Session) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(frame) = from.pop() {
        events.extend(to.hear(frame, Instant::now()).unwrap());
    }
    events
}

fn frames(session: &mut Session) -> Vec<Frame> {
    std::iter::from_fn(|| session.pop()).collect()
}

/// A server that has greeted and hears frames from nobody in particular.
fn server() -> Session {
    let (_, server) = pair(settings(), settings());
    server
}

fn open(stream: u32) -> Frame {
    Frame::Open(Open { stream, call: Call::default(), message: None, last: false })
}

fn data(stream: u32, size: usize) -> Frame {
    let piece = Piece { bytes: vec![0; size].into(), more: false, compressed: false };
    Frame::Data(Data { stream, message: Some(piece), last: false })
}

/// What a peer's frames lead to: the last event, or how it is refused.
fn hear(session: &mut Session, frames: impl IntoIterator<Item = Frame>) -> Result<Option<Event>, Reject> {
    let mut last = None;
    for frame in frames {
        last = session.hear(frame, Instant::now())?;
    }
    Ok(last)
}

#[test]
fn a_short_call_is_one_frame_each_way() {
    let (mut client, mut server) = pair(settings(), settings());
    let call = Call { service: 7, method: 3, ..Call::default() };
    assert_eq!(client.call(call.clone(), Some(message("ping")), true), Ok(1));
    let asked = frames(&mut client);
    assert_eq!(asked.len(), 1);
    let event = hear(&mut server, asked).unwrap().unwrap();
    assert_eq!(event, Event::Call { stream: 1, call, message: Some(message("ping")), last: true });
    server.end(1, Status::ok(), Some(message("pong"))).unwrap();
    server.release();
    let answered = frames(&mut server);
    assert_eq!(answered.len(), 1);
    let event = hear(&mut client, answered).unwrap().unwrap();
    assert_eq!(event, Event::End { stream: 1, status: Status::ok(), message: Some(message("pong")) });
    assert!(client.is_idle() && server.is_idle());
    assert_eq!(client.call(Call::default(), None, true), Ok(3), "numbers are not used again");
}

#[test]
fn both_sides_call_each_other_on_one_connection() {
    let (mut client, mut server) = pair(settings(), settings());
    assert_eq!(client.call(Call::default(), None, false), Ok(1));
    assert_eq!(server.call(Call::default(), None, false), Ok(2));
    assert!(matches!(carry(&mut client, &mut server)[..], [Event::Call { stream: 1, .. }]));
    assert!(matches!(carry(&mut server, &mut client)[..], [Event::Call { stream: 2, .. }]));
    client.end(2, Status::new(Code::NotFound, "no"), None).unwrap();
    server.end(1, Status::ok(), None).unwrap();
    let events = carry(&mut client, &mut server);
    assert!(matches!(&events[..], [Event::End { stream: 2, status, .. }] if status.code == Code::NotFound));
    assert!(matches!(carry(&mut server, &mut client)[..], [Event::End { stream: 1, .. }]));
}

#[test]
fn streams_of_messages_end_each_for_itself() {
    let (mut client, mut server) = pair(settings(), settings());
    let stream = client.call(Call::default(), Some(message("1")), false).unwrap();
    client.say(stream, message("2"), false).unwrap();
    client.say_last(stream);
    assert_eq!(client.say(stream, message("3"), false), Err(SayError::Closed));
    let events = carry(&mut client, &mut server);
    let heard = |text: &str, credit| Message {
        bytes: Bytes::copy_from_slice(text.as_bytes()),
        compressed: false,
        credit,
    };
    assert_eq!(
        events,
        [
            Event::Call { stream, call: Call::default(), message: Some(heard("1", 0)), last: false },
            Event::Message { stream, message: heard("2", 1), last: false },
            Event::Last { stream },
        ]
    );
    server.say(stream, message("a"), false).unwrap();
    server.end(stream, Status::ok(), Some(message("b"))).unwrap();
    let events = carry(&mut server, &mut client);
    assert_eq!(
        events,
        [
            Event::Message { stream, message: heard("a", 1), last: false },
            Event::End { stream, status: Status::ok(), message: Some(heard("b", 0)) },
        ]
    );
}

#[test]
fn a_long_message_lets_short_ones_pass_and_waits_for_credit() {
    let (mut client, mut server) = pair(settings(), settings());
    let long = client.call(Call::default(), None, false).unwrap();
    let short = client.call(Call::default(), None, false).unwrap();
    carry(&mut client, &mut server);
    let content: Bytes = (0..200_000_u32).map(|n| n as u8).collect::<Vec<_>>().into();
    client.say(long, message(content.clone()), true).unwrap();
    let first = client.pop().unwrap();
    assert!(matches!(&first, Frame::Data(Data { stream, .. }) if *stream == long));
    client.say(short, message("quick"), false).unwrap();
    let second = client.pop().unwrap();
    assert!(matches!(&second, Frame::Data(Data { stream, .. }) if *stream == short), "{second:?}");
    hear(&mut server, [first, second]).unwrap();
    // The rest follows, as far as the credit of the connection goes: 64 KiB, of which the short one has used five bytes.
    assert_eq!(carry(&mut client, &mut server), []);
    assert_eq!(client.waiting(long), 200_000 - 65_531 + 64, "a message counts a little beside its bytes");
    // A message that is longer than all credit gets it back while the application has nothing else to take.
    assert_eq!(carry(&mut server, &mut client), []);
    let mut events = Vec::new();
    while client.waiting(long) > 0 {
        events.extend(carry(&mut client, &mut server));
        carry(&mut server, &mut client);
    }
    let [Event::Message { message: whole, last: true, .. }] = &events[..] else { panic!("{events:?}") };
    assert_eq!(whole.bytes, content);
}

#[test]
fn credit_comes_back_when_the_application_takes_a_message() {
    let (mut client, mut server) = pair(settings(), settings());
    let stream = client.call(Call::default(), None, false).unwrap();
    for _ in 0..10 {
        client.say(stream, message(vec![1; 20_000]), false).unwrap();
    }
    let mut events = carry(&mut client, &mut server);
    carry(&mut server, &mut client);
    events.extend(carry(&mut client, &mut server));
    let taken = |events: &[Event]| -> Vec<u32> {
        let credit = |event: &Event| match event {
            Event::Message { message, .. } => Some(message.credit),
            _ => None,
        };
        events.iter().filter_map(credit).collect()
    };
    // The first piece of the first message, 16 KiB, held no credit while there was nothing to take; then nobody takes anything.
    assert_eq!(taken(&events), [3_616, 20_000, 20_000]);
    let mut left = 7;
    for credit in taken(&events) {
        server.consumed(stream, credit);
    }
    while left > 0 {
        carry(&mut server, &mut client);
        let events = carry(&mut client, &mut server);
        let credits = taken(&events);
        assert!(!credits.is_empty());
        left -= credits.len();
        credits.into_iter().for_each(|credit| server.consumed(stream, credit));
    }
}

#[test]
fn credit_flows_while_a_message_larger_than_it_is_gathered() {
    let (mut client, mut server) = pair(settings(), settings());
    let stream = client.call(Call::default(), Some(message(vec![7; 1 << 20])), true).unwrap();
    let mut events = Vec::new();
    for _ in 0..100 {
        events.extend(carry(&mut client, &mut server));
        events.extend(carry(&mut server, &mut client));
    }
    let [Event::Call { .. }, Event::Message { message: whole, last: true, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((whole.bytes.len(), client.waiting(stream)), (1 << 20, 0));
}

#[test]
fn what_a_peer_may_not_do_ends_the_connection() {
    let last = |stream| Frame::Data(Data { stream, message: None, last: true });
    let begun = |stream| {
        let piece = Piece { bytes: Bytes::from_static(b"x"), more: true, compressed: false };
        Frame::Data(Data { stream, message: Some(piece), last: false })
    };
    let compressed = |stream| {
        let piece = Piece { bytes: Bytes::from_static(b"x"), more: false, compressed: true };
        Frame::Data(Data { stream, message: Some(piece), last: false })
    };
    let end = |stream| Frame::End(End { stream, status: Status::ok(), message: None });
    let credit = |stream, bytes| Frame::Credit { stream, bytes };
    let reset = |stream| Frame::Reset(Reset { stream, code: ErrorCode::CANCELLED, text: String::new() });
    let table: Vec<(Vec<Frame>, Reject)> = vec![
        (vec![open(2)], Reject::StreamOrder(2)),
        (vec![open(5), open(5)], Reject::StreamOrder(5)),
        (vec![open(5), open(3)], Reject::StreamOrder(3)),
        (vec![data(1, 1)], Reject::NeverOpened(1)),
        (vec![open(1), data(3, 1)], Reject::NeverOpened(3)),
        (vec![data(2, 1)], Reject::NeverOpened(2)),
        (vec![end(2)], Reject::NeverOpened(2)),
        (vec![reset(1)], Reject::NeverOpened(1)),
        (vec![credit(1, 1)], Reject::NeverOpened(1)),
        (vec![open(1), end(1)], Reject::WrongStream { kind: 4, stream: 1 }),
        (vec![open(1), last(1), data(1, 1)], Reject::AfterLast(1)),
        (vec![open(1), last(1), last(1)], Reject::AfterLast(1)),
        (vec![open(1), begun(1), last(1)], Reject::AfterLast(1)),
        (vec![open(1), begun(1), compressed(1)], Reject::Flags { kind: 3, flags: 8 }),
        (vec![open(1), data(1, 65_537)], Reject::CreditOverrun),
        (vec![open(1), data(1, 40_000), data(1, 40_000)], Reject::CreditOverrun),
        (vec![open(1), open(3), data(1, 40_000), data(3, 40_000)], Reject::CreditOverrun),
        (vec![credit(0, 0)], Reject::CreditAmount(0)),
        (vec![credit(0, MAX_CREDIT + 1)], Reject::CreditAmount(MAX_CREDIT + 1)),
        (vec![credit(0, MAX_CREDIT)], Reject::CreditOverflow),
        (vec![open(1), credit(1, MAX_CREDIT)], Reject::CreditOverflow),
        (vec![Frame::Ping([0; 8]); 1000], Reject::PingFlood),
        (std::iter::once(open(1)).chain(vec![data(1, 0); 1001]).collect(), Reject::EmptyFlood),
        ((0..1001).flat_map(|n| [open(2 * n + 1), reset(2 * n + 1)]).collect(), Reject::ResetFlood),
        ((0..1200).map(|n| open(2 * n + 1)).collect(), Reject::ResetFlood),
    ];
    for (frames, reject) in table {
        let shown = format!("{:?}", frames.iter().take(4).collect::<Vec<_>>());
        assert_eq!(hear(&mut server(), frames).map(drop), Err(reject), "{shown}");
    }
}

#[test]
fn what_may_have_crossed_a_reset_is_ignored_and_its_credit_comes_back() {
    let mut session = server();
    hear(&mut session, [open(1)]).unwrap();
    session.reset(1, ErrorCode::CANCELLED, "enough");
    for _ in 0..10 {
        assert_eq!(hear(&mut session, [data(1, 30_000), Frame::Credit { stream: 1, bytes: 9 }]), Ok(None));
        session.consumed(1, 0);
    }
    let given = frames(&mut session).into_iter().filter_map(|frame| match frame {
        Frame::Credit { stream: 0, bytes } => Some(bytes),
        _ => None,
    });
    assert_eq!(given.sum::<u32>(), 300_000);
}

#[test]
fn who_leaves_answers_what_it_has_taken_and_names_what_it_has_not() {
    let (mut client, mut server) = pair(settings(), settings());
    client.call(Call::default(), None, true).unwrap();
    carry(&mut client, &mut server);
    server.leave();
    // A call crosses the announcement: it is answered.
    client.call(Call::default(), None, true).unwrap();
    assert!(matches!(carry(&mut client, &mut server)[..], [Event::Call { stream: 3, .. }]));
    assert!(matches!(&carry(&mut server, &mut client)[..], [Event::GoAway(away)] if away.last == u32::MAX));
    assert_eq!(client.unanswered(), [0_u32; 0]);
    assert_eq!(client.can_call(), Err(CallError::Leaving));
    // The round trip is over: now the number is real.
    carry(&mut client, &mut server);
    assert!(matches!(&carry(&mut server, &mut client)[..], [Event::GoAway(away)] if away.last == 3));
    assert_eq!(client.unanswered(), [0_u32; 0]);
    assert!(!server.has_left());
    // As long as it answers, it may ask.
    assert_eq!(server.can_call(), Ok(()));
    let asked = server.call(Call::default(), None, true).unwrap();
    assert!(matches!(carry(&mut server, &mut client)[..], [Event::Call { .. }]));
    client.end(asked, Status::ok(), None).unwrap();
    client.release();
    assert!(matches!(carry(&mut client, &mut server)[..], [Event::End { .. }]));
    for stream in [1, 3] {
        server.end(stream, Status::ok(), None).unwrap();
        server.release();
    }
    assert!(server.has_left() && server.is_done_leaving());
    assert_eq!(server.can_call(), Err(CallError::Leaving));
    assert_eq!(carry(&mut server, &mut client).len(), 2);
    assert!(client.is_idle());
}

#[test]
fn calls_that_were_never_looked_at_are_known_to_be() {
    let (mut client, mut server) = pair(settings(), settings());
    for _ in 0..3 {
        client.call(Call::default(), None, true).unwrap();
    }
    let asked: Vec<Frame> = frames(&mut client);
    hear(&mut server, asked[..1].to_vec()).unwrap();
    server.abort(ErrorCode::INTERNAL, "broken");
    assert_eq!(hear(&mut server, asked[1..].to_vec()), Ok(None));
    assert!(matches!(&carry(&mut server, &mut client)[..], [Event::GoAway(away)] if away.last == 1));
    let mut unanswered = client.unanswered();
    unanswered.sort_unstable();
    assert_eq!((unanswered, client.calls()), (vec![3, 5], 1));
}

#[test]
fn what_the_peer_does_not_take_is_not_said() {
    let theirs = Settings { max_message: 10_000, max_metadata: 600, max_streams: 2, ..settings() };
    let (mut client, mut server) = pair(settings(), theirs);
    let large = || Some(message(vec![0; 10_001]));
    let too_large = SayError::MessageTooLarge { size: 10_001, limit: 10_000 };
    assert_eq!(client.call(Call::default(), large(), true), Err(too_large.into()));
    let metadata = Metadata::new().with("a", vec![b'a'; 600]).unwrap();
    let call = Call { metadata: metadata.clone(), ..Call::default() };
    let too_much = SayError::MetadataTooLarge { size: 604, limit: 600 };
    assert_eq!(client.call(call, None, true), Err(too_much.into()));
    client.call(Call::default(), None, false).unwrap();
    client.call(Call::default(), None, false).unwrap();
    assert_eq!(client.call(Call::default(), None, true), Err(CallError::TooMany(2)));
    assert_eq!(client.say(1, message(vec![0; 10_001]), false), Err(too_large));
    carry(&mut client, &mut server);
    let status = Status::ok().trailers(metadata);
    let (mut a, mut b) = pair(theirs, settings());
    a.call(Call::default(), None, true).unwrap();
    carry(&mut a, &mut b);
    assert_eq!(b.end(1, status, None), Err(too_much));
    assert_eq!(b.end(1, Status::new(Code::Internal, "too much"), None), Ok(()));
    // A text that is too long is cut, and is no reason to say anything else.
    b.release();
    a.call(Call::default(), None, true).unwrap();
    carry(&mut b, &mut a);
    carry(&mut a, &mut b);
    let long = Status { text: "x".repeat(70_000), ..Status::new(Code::NotFound, "") };
    assert_eq!(b.end(3, long, None), Ok(()));
    let early = Session::new(Role::Client, settings()).call(Call::default(), None, true);
    assert_eq!(early, Err(CallError::TooEarly));
}

#[test]
fn an_answer_too_long_for_a_frame_comes_before_its_end() {
    let (mut client, mut server) = pair(settings(), settings());
    client.call(Call::default(), None, true).unwrap();
    carry(&mut client, &mut server);
    let trailers = Metadata::new().with("k", "v").unwrap();
    let status = Status::ok().trailers(trailers.clone());
    server.end(1, status.clone(), Some(message(vec![3; 40_000]))).unwrap();
    let frames = frames(&mut server);
    assert!(frames.iter().all(|frame| match frame {
        Frame::Data(data) => data.message.as_ref().is_some_and(|piece| piece.bytes.len() <= FRAGMENT),
        Frame::End(end) => end.message.is_none(),
        _ => false,
    }));
    let mut events = Vec::new();
    for frame in frames {
        events.extend(client.hear(frame, Instant::now()).unwrap());
    }
    let [Event::Message { message, .. }, Event::End { status: heard, .. }] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((message.bytes.len(), &heard.trailers), (40_000, &trailers));
}

/// Two sessions that say whatever chance wants, with little credit: everything arrives, whole and in order, and nobody waits for ever.
#[test]
fn whatever_is_said_arrives_in_order() {
    for seed in 0..200 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let small =
            Settings { stream_credit: rng.u32(1..3000), connection_credit: rng.u32(1..5000), ..settings() };
        let (mut client, mut server) = pair(small, small);
        let mut sent: HashMap<u32, Vec<Bytes>> = HashMap::new();
        let mut got: HashMap<u32, Vec<Bytes>> = HashMap::new();
        let mut unconsumed: Vec<(u32, u32)> = Vec::new();
        let mut open: Vec<u32> = Vec::new();
        let take =
            |events: Vec<Event>, got: &mut HashMap<u32, Vec<Bytes>>, unconsumed: &mut Vec<(u32, u32)>| {
                for event in events {
                    match event {
                        Event::Call { stream, message, .. } => {
                            let list = got.entry(stream).or_default();
                            if let Some(message) = message {
                                list.push(message.bytes);
                                unconsumed.push((stream, message.credit));
                            }
                        }
                        Event::Message { stream, message, .. } => {
                            got.get_mut(&stream).unwrap().push(message.bytes);
                            unconsumed.push((stream, message.credit));
                        }
                        _ => {}
                    }
                }
            };
        for step in 0..400 {
            let content = || Bytes::from(vec![step as u8; 1 << (step % 14)]);
            match rng.u8(0..10) {
                0 if open.len() < 20 => {
                    let message = message(content());
                    let stream = client.call(Call::default(), Some(message.clone()), false).unwrap();
                    sent.insert(stream, vec![message.bytes]);
                    open.push(stream);
                }
                1..4 if !open.is_empty() => {
                    let stream = open[rng.usize(..open.len())];
                    let message = message(content());
                    client.say(stream, message.clone(), false).unwrap();
                    sent.get_mut(&stream).unwrap().push(message.bytes);
                }
                4 if !unconsumed.is_empty() => {
                    let (stream, credit) = unconsumed.remove(0);
                    server.consumed(stream, credit);
                }
                5 => drop(carry(&mut server, &mut client)),
                _ => {
                    if let Some(frame) = client.pop() {
                        let event = server.hear(frame, Instant::now()).unwrap();
                        take(event.into_iter().collect(), &mut got, &mut unconsumed);
                    }
                }
            }
        }
        for _ in 0..100_000 {
            let events = carry(&mut client, &mut server);
            take(events, &mut got, &mut unconsumed);
            unconsumed.drain(..).for_each(|(stream, credit)| server.consumed(stream, credit));
            carry(&mut server, &mut client);
            if open.iter().all(|&stream| client.waiting(stream) == 0) {
                break;
            }
        }
        take(carry(&mut client, &mut server), &mut got, &mut unconsumed);
        assert_eq!(got, sent, "seed {seed}");
    }
}

#[test]
fn long_messages_take_turns_also_when_the_connection_is_short_of_credit() {
    let tight = Settings { connection_credit: 64 << 10, stream_credit: MAX_CREDIT, ..settings() };
    let (mut client, mut server) = pair(settings(), tight);
    let size = 3 << 20;
    for _ in 0..2 {
        client.call(Call::default(), None, false).unwrap();
    }
    for stream in [1, 3] {
        client.say(stream, message(vec![0; size]), true).unwrap();
    }
    let (mut turns, mut whole) = (Vec::<(u32, usize)>::new(), 0);
    while whole < 2 {
        let said = frames(&mut client);
        assert!(!said.is_empty(), "all of it comes to its end");
        for frame in said {
            if let Frame::Data(Data { stream, message: Some(piece), .. }) = &frame {
                match turns.last_mut().filter(|turn| turn.0 == *stream) {
                    Some(turn) => turn.1 += piece.bytes.len(),
                    None => turns.push((*stream, piece.bytes.len())),
                }
            }
            if let Some(Event::Message { stream, message, .. }) = server.hear(frame, Instant::now()).unwrap()
            {
                server.consumed(stream, message.credit);
                whole += 1;
            }
        }
        carry(&mut server, &mut client);
    }
    assert_eq!(turns.iter().map(|turn| turn.1).sum::<usize>(), 2 * size);
    assert!(turns.len() >= 6 && turns.iter().all(|turn| turn.1 <= (1 << 20) + FRAGMENT), "{turns:?}");
}
