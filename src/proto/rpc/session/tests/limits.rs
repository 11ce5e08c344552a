//! What a peer can make grow, and where it ends.

use super::*;

#[test]
fn of_too_many_long_messages_one_goes_on_and_all_arrive() {
    let ours =
        Settings { max_message: 100_000, stream_credit: 10_000, connection_credit: 20_000, ..settings() };
    let (mut client, mut server) = pair(settings(), ours);
    let streams: Vec<u32> = (0..50)
        .map(|_| client.call(Call::default(), Some(message(vec![9; 100_000])), true).unwrap())
        .collect();
    let (mut whole, mut most) = (Vec::new(), 0);
    for _ in 0..10_000 {
        for event in carry(&mut client, &mut server) {
            most = most.max(server.unfinished);
            if let Event::Message { stream, message, .. } = event {
                assert_eq!(message.bytes.len(), 100_000);
                server.consumed(stream, message.credit);
                whole.push(stream);
            }
        }
        carry(&mut server, &mut client);
        if whole.len() == streams.len() {
            break;
        }
    }
    whole.sort_unstable();
    assert_eq!(whole, streams);
    assert!(most <= MAX_UNFINISHED * 100_000 + 50 * 10_000, "{most} bytes of messages that are not whole");
    assert_eq!((server.unfinished, server.favoured, server.withheld.len()), (0, None, 0));
}

#[test]
fn a_message_over_the_limit_ends_its_stream_alone() {
    let ours = Settings { max_message: 50_000, ..settings() };
    let mut session = Session::new(Role::Server, ours);
    hear(&mut session, [Frame::Hello(settings()), open(1), open(3)]).unwrap();
    frames(&mut session);
    let event = hear(&mut session, [data(1, 50_001)]).unwrap().unwrap();
    assert!(matches!(event, Event::Reset(reset) if reset.code == ErrorCode::MESSAGE_TOO_LARGE));
    assert!(hear(&mut session, [data(3, 10)]).is_ok());
    // The same in pieces.
    let begun = |stream, size| {
        let piece = Piece { bytes: vec![0; size].into(), more: true, compressed: false };
        Frame::Data(Data { stream, message: Some(piece), last: false })
    };
    hear(&mut session, [open(5), begun(5, 24_000), begun(5, 24_000)]).unwrap();
    let event = hear(&mut session, [begun(5, 2_001)]).unwrap().unwrap();
    assert!(matches!(event, Event::Reset(reset) if reset.stream == 5));
}

#[test]
fn a_call_keeps_its_place_until_its_handler_is_gone() {
    let mut session = Session::new(Role::Server, Settings { max_streams: 1, ..settings() });
    hear(&mut session, [Frame::Hello(settings()), open(1)]).unwrap();
    let reset = Frame::Reset(Reset { stream: 1, code: ErrorCode::CANCELLED, text: String::new() });
    assert!(matches!(hear(&mut session, [reset]), Ok(Some(Event::Reset(_)))));
    frames(&mut session);
    assert_eq!(hear(&mut session, [open(3)]), Ok(None), "the handler of the first is still at work");
    assert!(matches!(&frames(&mut session)[..], [Frame::Reset(reset)] if reset.code == ErrorCode::REFUSED));
    session.release();
    assert!(matches!(hear(&mut session, [open(5)]), Ok(Some(Event::Call { stream: 5, .. }))));
}

#[test]
fn who_does_not_read_its_answers_gets_no_further_ones_until_it_does() {
    let blind = Settings { stream_credit: 0, connection_credit: 0, ..settings() };
    let (mut client, mut server) = pair(blind, settings());
    server.limit_unsent(100_000);
    for (stream, refused) in [(1, false), (3, false), (5, true)] {
        client.call(Call::default(), Some(message("")), true).unwrap();
        let events = carry(&mut client, &mut server);
        assert_eq!(events.is_empty(), refused, "{stream}");
        if !refused {
            server.release();
            server.end(stream, Status::ok(), Some(message(vec![0; 60_000]))).unwrap();
        }
    }
    assert_eq!(server.unsent(), 120_000);
    let events = carry(&mut server, &mut client);
    assert!(
        matches!(&events[..], [Event::Reset(reset)] if reset.stream == 5 && reset.code == ErrorCode::REFUSED),
        "{events:?}"
    );
    for stream in [1, 3] {
        assert!(server.is_open(stream));
        server.end_now(stream, Status::new(Code::DeadlineExceeded, "")).unwrap();
    }
    assert_eq!((server.unsent(), server.open()), (0, 0));
    let late = |event: &Event| matches!(event, Event::End { status, message: None, .. } if status.code == Code::DeadlineExceeded);
    assert!(carry(&mut server, &mut client).iter().all(late));
    client.call(Call::default(), Some(message("")), true).unwrap();
    assert!(matches!(carry(&mut client, &mut server)[..], [Event::Call { stream: 7, .. }]));
}

#[test]
fn pongs_for_a_peer_that_does_not_read_them_are_so_many_at_most() {
    // One that puts up with any number of pings: there is no other limit to them.
    let ours = Settings { min_ping_interval: 0, ..settings() };
    let (_, mut server) = pair(settings(), ours);
    let ping = Frame::Ping([7; 8]);
    assert_eq!(hear(&mut server, vec![ping.clone(); MAX_PONGS]), Ok(None));
    assert_eq!(server.pop(), Some(Frame::Pong([7; 8])), "one that leaves makes room for another");
    assert_eq!(hear(&mut server, [ping.clone()]), Ok(None));
    assert_eq!(hear(&mut server, [ping.clone()]), Err(Reject::PingFlood));
    assert_eq!(frames(&mut server).len(), MAX_PONGS);
    let (_, mut server) = pair(settings(), ours);
    for _ in 0..10 * MAX_PONGS {
        assert_eq!(hear(&mut server, [ping.clone()]), Ok(None));
        assert_eq!(server.pop(), Some(Frame::Pong([7; 8])));
    }
}

#[test]
fn a_peer_that_makes_us_say_something_and_does_not_read_is_deaf() {
    // Each byte is answered with two frames of credit.
    let ours = Settings { stream_credit: 1, connection_credit: 1, ..settings() };
    for (max_streams, reads) in [(100, false), (MAX_CREDIT, false), (100, true)] {
        let (_, mut server) = pair(Settings { max_streams, ..settings() }, ours);
        hear(&mut server, [open(1)]).unwrap();
        let mut refused = None;
        for _ in 0..3 * MAX_URGENT {
            match hear(&mut server, [data(1, 1)]) {
                Ok(Some(Event::Message { stream, message, .. })) => server.consumed(stream, message.credit),
                other => {
                    refused = Some(other);
                    break;
                }
            }
            if reads {
                frames(&mut server);
            }
        }
        assert_eq!(refused, (!reads).then_some(Err(Reject::Deaf)), "{max_streams} calls");
        assert!(server.urgent.len() <= 4 * MAX_URGENT, "{max_streams} calls: {}", server.urgent.len());
    }
}

#[test]
fn calls_that_are_given_up_before_they_leave_do_not_pile_up() {
    let (mut client, mut server) = pair(settings(), settings());
    let give_up = |client: &mut Session| {
        let made = client.call(Call::default(), Some(message(vec![0; 10_000])), true);
        made.map(|stream| client.reset(stream, ErrorCode::CANCELLED, ""))
    };
    for _ in 0..100 {
        give_up(&mut client).unwrap();
    }
    assert_eq!(give_up(&mut client), Err(CallError::TooMany(100)), "the peer does not read");
    assert_eq!((client.calls(), client.urgent.len()), (0, 200));
    // One that has left makes room for another.
    client.pop().unwrap();
    give_up(&mut client).unwrap();
    assert_eq!(give_up(&mut client), Err(CallError::TooMany(100)));
    while let Some(frame) = client.pop() {
        // The first of them was lost above.
        if !matches!(&frame, Frame::Reset(reset) if reset.stream == 1) {
            server.hear(frame, Instant::now()).unwrap();
        }
        server.release();
        frames(&mut server);
    }
    assert_eq!(give_up(&mut client), Ok(()));
}

#[test]
fn streams_that_wait_for_the_connection_are_looked_at_once_and_not_for_each_frame() {
    const CALLS: u32 = 2_000;
    let short = Settings { max_streams: CALLS, connection_credit: 0, ..settings() };
    let (mut client, mut server) = pair(settings(), short);
    for _ in 0..CALLS {
        client.call(Call::default(), Some(message(vec![0; 20_000])), true).unwrap();
    }
    carry(&mut client, &mut server);
    assert!(client.stuck && client.has_frames());
    // What is urgent leaves all the same.
    client.ping([1; 8]);
    assert_eq!(frames(&mut client), [Frame::Ping([1; 8])]);
    assert!(client.stuck);
    // A byte of credit goes to one of them, and then all wait again.
    for _ in 0..3 {
        hear(&mut client, [Frame::Credit { stream: 0, bytes: 1 }]).unwrap();
        assert!(!client.stuck);
        let said = frames(&mut client);
        assert!(matches!(&said[..], [Frame::Data(Data { stream: 1, .. })]), "{said:?}");
        assert!(client.stuck);
    }
    // One that joins them is looked at.
    let open = client.call(Call::default(), None, true);
    assert_eq!(open, Err(CallError::TooMany(CALLS)));
    client.reset(1, ErrorCode::CANCELLED, "");
    let joined = client.call(Call::default(), Some(message(vec![0; 20_000])), true).unwrap();
    assert!(!client.stuck);
    assert!(
        matches!(&frames(&mut client)[..], [Frame::Reset(_), Frame::Open(open)] if open.stream == joined)
    );
    hear(&mut client, [Frame::Credit { stream: 0, bytes: 1 }]).unwrap();
    assert!(matches!(&frames(&mut client)[..], [Frame::Data(Data { stream: 3, .. })]));
}
