use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::super::udp::{Answer, Busy, Client, Limits, Output, Question, Request, Response, Ticket};
use super::*;

const TRACKER: &str = "192.0.2.1:6969";

/// A client and the time it has, in seconds.
struct Bench {
    begun: Instant,
    client: Client,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self { begun: Instant::now(), client: Client::new(limits, 7) }
    }

    fn at(&self, second: u64) -> Instant {
        self.begun + Duration::from_secs(second)
    }

    fn ask(&mut self, second: u64, tracker: &str, question: Question) -> Ticket {
        self.client.ask(self.at(second), addr(tracker), question).unwrap()
    }

    fn outputs(&mut self, second: u64) -> Vec<Output> {
        let now = self.at(second);
        std::iter::from_fn(|| self.client.poll(now)).collect()
    }

    /// The only packet that is sent.
    fn sent(&mut self, second: u64) -> (SocketAddr, Request) {
        match self.outputs(second).as_slice() {
            [Output::Send { to, bytes }] => (*to, Request::read(bytes).unwrap()),
            other => panic!("at {second}: {other:?}"),
        }
    }

    fn heard(&mut self, second: u64, from: &str, response: &Response) {
        let from = addr(from);
        self.client.heard(self.at(second), from, &response.to_bytes(from.ip()));
    }

    /// Says what the client is to say at these seconds, and nothing between; `false` is a connect.
    fn timeline(&mut self, times: &[(u64, bool)]) {
        for (second, announces) in times {
            assert_eq!(self.client.deadline(), Some(self.at(*second)), "next at {second}");
            assert_eq!(self.outputs(second - 1), [], "before {second}");
            let (_, request) = self.sent(*second);
            assert_eq!(matches!(request, Request::Announce { .. }), *announces, "at {second}");
        }
    }
}

fn announce() -> Question {
    Question::Announce { announce: Announce::of(HASH, ID, 6881, 1), url: "/announce?k=1".into() }
}

fn transaction(request: &Request) -> u32 {
    match request {
        Request::Connect { transaction }
        | Request::Announce { transaction, .. }
        | Request::Scrape { transaction, .. } => *transaction,
    }
}

fn reply(transaction: u32) -> Response {
    let peers = vec![Peer { addr: addr("1.2.3.4:5"), id: None }, Peer { addr: addr("[::5]:6"), id: None }];
    let interval = Some(Duration::from_secs(1800));
    Response::Announce { transaction, reply: Reply { interval, peers, ..Reply::default() } }
}

#[test]
fn a_connection_serves_all_that_is_asked_within_a_minute() {
    let mut bench = Bench::new(Limits::default());
    let first = bench.ask(0, TRACKER, announce());
    let second = bench.ask(0, TRACKER, Question::Scrape(vec![HASH, Sha1([1; 20])]));
    let (to, connect) = bench.sent(0);
    assert!(to == addr(TRACKER) && matches!(connect, Request::Connect { .. }), "one connect for both");
    bench.heard(1, TRACKER, &Response::Connect { transaction: transaction(&connect), connection: 77 });
    let mut requests = Vec::new();
    for output in bench.outputs(1) {
        let Output::Send { bytes, .. } = output else { panic!("{output:?}") };
        requests.push(Request::read(&bytes).unwrap());
    }
    let [
        announced @ Request::Announce { connection: 77, url, .. },
        scraped @ Request::Scrape { connection: 77, hashes, .. },
    ] = &requests[..]
    else {
        panic!("{requests:?}")
    };
    assert_eq!((url.as_slice(), hashes.len()), (&b"/announce?k=1"[..], 2));
    assert_ne!(transaction(announced), transaction(scraped));
    bench.heard(2, TRACKER, &reply(transaction(announced)));
    let counts = Counts { complete: 1, downloaded: 2, incomplete: 3, downloaders: None };
    bench.heard(2, TRACKER, &Response::Scrape { transaction: transaction(scraped), counts: vec![counts] });
    let outputs = bench.outputs(2);
    let [Output::Done { ticket, answer: Ok(Answer::Announce(reply)) }, scraped] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((*ticket, reply.peers[0].addr, reply.peers.len()), (first, addr("1.2.3.4:5"), 1));
    assert_eq!(*scraped, Output::Done { ticket: second, answer: Ok(Answer::Scrape(vec![(HASH, counts)])) });
    // At 60 s it is still good, at 61 s it is not.
    bench.ask(60, TRACKER, announce());
    assert!(matches!(bench.sent(60), (_, Request::Announce { connection: 77, .. })));
    bench.ask(61, TRACKER, announce());
    assert!(matches!(bench.sent(61), (_, Request::Connect { .. })));
}

/// The examples of BEP 15, "time outs".
#[test]
fn what_is_not_answered_is_said_again() {
    let mut bench = Bench::new(Limits::default());
    let ticket = bench.ask(0, TRACKER, announce());
    bench.sent(0);
    // 15 * 2^n, up to n = 8.
    bench.timeline(&[15, 45, 105, 225, 465, 945, 1905, 3825].map(|second| (second, false)));
    assert_eq!(bench.outputs(7664), []);
    let silent = Output::Done { ticket, answer: Err(TrackerError::Silent) };
    assert_eq!((bench.outputs(7665), bench.client.deadline()), (vec![silent], None));

    // An announce that is lost: the connection id is too old by the third time.
    let mut bench = Bench::new(Limits::default());
    bench.ask(0, TRACKER, announce());
    let (_, connect) = bench.sent(0);
    bench.heard(1, TRACKER, &Response::Connect { transaction: transaction(&connect), connection: 1 });
    bench.sent(2);
    // It was said at second 1, as soon as there was an id.
    bench.timeline(&[(16, true), (46, true)]);
    assert_eq!(bench.outputs(61), [], "the id is forgotten");
    bench.timeline(&[(106, false), (226, false)]);
    let connect = bench.client.poll(bench.at(466)).unwrap();
    let Output::Send { bytes, .. } = connect else { panic!("{connect:?}") };
    let connect = Request::read(&bytes).unwrap();
    bench.heard(467, TRACKER, &Response::Connect { transaction: transaction(&connect), connection: 2 });
    let (_, announced) = bench.sent(467);
    assert!(matches!(announced, Request::Announce { connection: 2, .. }));
    bench.heard(468, TRACKER, &reply(transaction(&announced)));
    assert!(matches!(&bench.outputs(468)[..], [Output::Done { answer: Ok(_), .. }]));
}

#[test]
fn a_late_answer_is_one() {
    let mut bench = Bench::new(Limits::default());
    bench.ask(0, TRACKER, announce());
    let (_, connect) = bench.sent(0);
    let (_, again) = bench.sent(15);
    assert_eq!(connect, again);
    bench.heard(16, TRACKER, &Response::Connect { transaction: transaction(&connect), connection: 1 });
    let (_, announced) = bench.sent(16);
    let (_, again) = bench.sent(46);
    assert_eq!(announced, again, "said for the second time, so it waits for 30 s");
    bench.heard(47, TRACKER, &reply(transaction(&announced)));
    assert!(matches!(&bench.outputs(47)[..], [Output::Done { answer: Ok(_), .. }]));
    bench.heard(48, TRACKER, &reply(transaction(&announced)));
    assert_eq!(bench.outputs(48), [], "it is answered once");
}

#[test]
fn only_who_was_asked_is_believed() {
    let mut bench = Bench::new(Limits::default());
    bench.ask(0, TRACKER, announce());
    let (_, connect) = bench.sent(0);
    let id = transaction(&connect);
    for (from, response) in [
        ("192.0.2.1:6970", Response::Connect { transaction: id, connection: 1 }),
        ("192.0.2.2:6969", Response::Connect { transaction: id, connection: 1 }),
        (TRACKER, Response::Connect { transaction: id ^ 1, connection: 1 }),
        ("192.0.2.2:6969", Response::Error { transaction: id, message: b"no".to_vec() }),
        (TRACKER, Response::Error { transaction: id ^ 1, message: b"no".to_vec() }),
        (TRACKER, reply(id)),
    ] {
        bench.heard(1, from, &response);
        assert_eq!(bench.outputs(1), [], "{response:?}");
    }
    bench.heard(1, TRACKER, &Response::Connect { transaction: id, connection: 1 });
    let (_, announced) = bench.sent(1);
    let id = transaction(&announced);
    for (from, response) in [
        ("192.0.2.2:6969", reply(id)),
        (TRACKER, reply(id ^ 1)),
        (TRACKER, Response::Connect { transaction: id, connection: 2 }),
        // An answer to something else than was asked.
        (TRACKER, Response::Scrape { transaction: id, counts: vec![] }),
    ] {
        bench.heard(2, from, &response);
        assert_eq!(bench.outputs(2), [], "{response:?}");
    }
    for end in 0..20 {
        let wire = reply(id).to_bytes(ip("1.1.1.1"));
        bench.client.heard(bench.at(2), addr(TRACKER), &wire[..end]);
        assert_eq!(bench.outputs(2), [], "{end} bytes");
    }
    bench.heard(2, TRACKER, &reply(id));
    assert_eq!(bench.outputs(2).len(), 1);
}

#[test]
fn refusals_end_a_question_and_the_connection() {
    let mut bench = Bench::new(Limits::default());
    let refused = |ticket| {
        let error = TrackerError::Refused { reason: "no".into(), retry: None };
        Output::Done { ticket, answer: Err(error) }
    };
    let first = bench.ask(0, TRACKER, announce());
    let second = bench.ask(0, TRACKER, announce());
    let (_, connect) = bench.sent(0);
    let error =
        |request: &Request| Response::Error { transaction: transaction(request), message: b"no\0".to_vec() };
    bench.heard(1, TRACKER, &error(&connect));
    assert_eq!(bench.outputs(1), [refused(first), refused(second)]);
    let third = bench.ask(2, TRACKER, announce());
    let (_, connect) = bench.sent(2);
    bench.heard(3, TRACKER, &Response::Connect { transaction: transaction(&connect), connection: 1 });
    let (_, announced) = bench.sent(3);
    bench.heard(4, TRACKER, &error(&announced));
    assert_eq!(bench.outputs(4), [refused(third)]);
    bench.ask(5, TRACKER, announce());
    assert!(matches!(bench.sent(5), (_, Request::Connect { .. })), "the id may have been the reason");
}

#[test]
fn by_ipv6_addresses_are_longer() {
    let mut bench = Bench::new(Limits::default());
    let tracker = "[2001:db8::1]:6969";
    bench.ask(0, tracker, announce());
    let (_, connect) = bench.sent(0);
    bench.heard(0, tracker, &Response::Connect { transaction: transaction(&connect), connection: 1 });
    let (_, announced) = bench.sent(0);
    bench.heard(0, tracker, &reply(transaction(&announced)));
    let outputs = bench.outputs(0);
    let [Output::Done { answer: Ok(Answer::Announce(reply)), .. }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(reply.peers.iter().map(|peer| peer.addr).collect::<Vec<_>>(), [addr("[::5]:6")]);
}

#[test]
fn who_comes_new_to_a_silent_tracker_does_not_wait_for_hours() {
    let mut bench = Bench::new(Limits::default());
    bench.ask(0, TRACKER, announce());
    for second in [0, 15, 45, 105, 225] {
        bench.sent(second);
    }
    // The next one would be at 465.
    bench.ask(230, TRACKER, announce());
    bench.sent(230);
    bench.sent(245);
    bench.ask(246, TRACKER, announce());
    bench.sent(246);
    bench.ask(247, TRACKER, announce());
    assert_eq!(bench.outputs(247), [], "but nobody is asked twice in 15 s for two of the same age");
}

#[test]
fn there_are_bounds() {
    let mut bench = Bench::new(Limits { retransmissions: 1, questions: 2 });
    let first = bench.ask(0, TRACKER, announce());
    let second = bench.ask(0, "192.0.2.2:1", announce());
    assert_eq!(bench.client.ask(bench.at(0), addr(TRACKER), announce()), Err(Busy));
    bench.client.cancel(second);
    bench.ask(0, TRACKER, announce());
    assert_eq!(bench.outputs(0).len(), 2);
    assert_eq!(bench.outputs(15).len(), 1, "nobody waits for the second one");
    let outputs = bench.outputs(45);
    assert_eq!(outputs.len(), 2);
    assert_eq!(outputs[0], Output::Done { ticket: first, answer: Err(TrackerError::Silent) });
    assert_eq!((bench.client.deadline(), bench.client.poll(bench.at(46))), (None, None), "nothing is left");
}
