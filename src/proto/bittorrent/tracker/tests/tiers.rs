use std::time::{Duration, Instant};

use super::*;

/// A torrent's trackers in virtual time: each is a name, and answers or not.
struct Bench {
    begun: Instant,
    tiers: Tiers,
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn reply(interval: u64) -> Reply {
    Reply { interval: Some(seconds(interval)), ..Reply::default() }
}

impl Bench {
    /// Tiers are written "a b|c".
    fn new(tiers: &str, reach: Reach) -> Self {
        Self::with(tiers, Settings { reach, ..Settings::default() }, 1)
    }

    fn with(tiers: &str, settings: Settings, seed: u64) -> Self {
        let begun = Instant::now();
        let link = |name: &str| url(&format!("http://{name}/announce"));
        let tiers = tiers.split('|').map(|tier| tier.split_whitespace().map(link).collect()).collect();
        Self { begun, tiers: Tiers::new(tiers, settings, begun, seed) }
    }

    fn at(&self, second: u64) -> Instant {
        self.begun + seconds(second)
    }

    /// Who is to be asked now, and what is said to it.
    fn due(&mut self, second: u64) -> Option<(String, Option<Event>, Attempt)> {
        let due = self.tiers.poll(self.at(second))?;
        Some((due.url.host().to_string(), due.event, due.attempt))
    }

    /// That this one is to be asked now, and told this, and no other.
    fn asks(&mut self, second: u64, name: &str, event: Option<Event>) -> Attempt {
        let (host, said, attempt) = self.due(second).unwrap_or_else(|| panic!("{name} is due at {second}"));
        assert_eq!((host.as_str(), said), (name, event), "at {second}");
        attempt
    }

    fn idle(&mut self, second: u64) {
        assert_eq!(self.due(second).map(|(host, ..)| host), None, "at {second}");
    }

    fn answers(&mut self, second: u64, attempt: Attempt, interval: u64) {
        self.tiers.answered(self.at(second), attempt, &reply(interval));
    }

    fn fails(&mut self, second: u64, attempt: Attempt) {
        self.tiers.failed(self.at(second), attempt, TrackerError::Silent);
    }

    /// The second of the deadline.
    fn deadline(&self) -> Option<f64> {
        self.tiers.deadline().map(|at| at.saturating_duration_since(self.begun).as_secs_f64())
    }

    fn status(&self, name: &str) -> Status<'_> {
        self.tiers.status().find(|status| status.url.host().to_string() == name).unwrap()
    }

    fn order(&self) -> String {
        self.tiers.status().map(|status| status.url.host().to_string()).collect::<Vec<_>>().join(" ")
    }
}

const STARTED: Option<Event> = Some(Event::Started);
const COMPLETED: Option<Event> = Some(Event::Completed);
const STOPPED: Option<Event> = Some(Event::Stopped);

#[test]
fn each_tier_is_shuffled_once() {
    let orders: std::collections::BTreeSet<String> =
        (0..200).map(|seed| Bench::with("a b c|d", Settings::default(), seed).order()).collect();
    assert_eq!(orders.len(), 6, "each order of three: {orders:?}");
    assert!(orders.iter().all(|order| order.ends_with(" d")));
    let bench = Bench::with("a b c|d", Settings::default(), 5);
    assert_eq!(bench.order(), Bench::with("a b c|d", Settings::default(), 5).order());
    // One that is there twice, and more than there may be.
    assert_eq!(Bench::new("a|a|a b", Reach::All).order(), "a b");
    let many = (0..MAX_TRACKERS + 10).map(|number| format!("t{number}-x")).collect::<Vec<_>>().join("|");
    assert_eq!(Bench::new(&many, Reach::All).tiers.status().count(), MAX_TRACKERS);
    let mut none = Bench::new("", Reach::First);
    none.tiers.reannounce(none.begun);
    assert_eq!((none.due(0), none.deadline()), (None, None));
}

/// BEP 12: in order, until one answers, which comes to the front of its tier.
#[test]
fn the_first_that_answers_is_enough() {
    let mut bench = Bench::new("a|b|c", Reach::First);
    let attempt = bench.asks(0, "a", STARTED);
    bench.idle(1);
    bench.fails(2, attempt);
    let attempt = bench.asks(2, "b", STARTED);
    bench.answers(3, attempt, 1000);
    bench.idle(4);
    // 1000 s later, or a little more; the first tier has its turn first.
    let next = bench.deadline().unwrap();
    assert!((1003.0..1063.0).contains(&next), "{next}");
    bench.idle(1002);
    let attempt = bench.asks(1070, "a", STARTED);
    bench.fails(1071, attempt);
    let attempt = bench.asks(1071, "b", None);
    bench.fails(1072, attempt);
    let attempt = bench.asks(1072, "c", STARTED);
    bench.fails(1072, attempt);
    bench.idle(1072);
    // All have failed; the earliest is b, which has failed once.
    let next = bench.deadline().unwrap();
    assert!((1082.0..1084.6).contains(&next), "{next}");

    let mut bench = Bench::with("a b c|d", Settings { reach: Reach::First, ..Settings::default() }, 3);
    let order: Vec<String> = bench.order().split(' ').map(str::to_owned).collect();
    for name in &order[..2] {
        let attempt = bench.asks(0, name, STARTED);
        bench.fails(0, attempt);
    }
    let attempt = bench.asks(0, &order[2], STARTED);
    bench.answers(0, attempt, 100);
    assert_eq!(bench.order(), format!("{} {} {} d", order[2], order[0], order[1]));
    bench.asks(200, &order[2], None);
}

#[test]
fn one_of_each_tier_or_all() {
    let mut bench = Bench::new("a|b|c", Reach::EachTier);
    let attempts = ["a", "b", "c"].map(|name| bench.asks(0, name, STARTED));
    bench.idle(0);
    bench.fails(1, attempts[0]);
    bench.answers(1, attempts[1], 100);
    bench.answers(1, attempts[2], 200);
    bench.idle(1);
    let attempt = bench.asks(20, "a", STARTED);
    bench.answers(20, attempt, 300);
    bench.asks(120, "b", None);
    bench.asks(220, "c", None);

    let mut bench = Bench::new("a b", Reach::EachTier);
    let (first, _, attempt) = bench.due(0).unwrap();
    bench.answers(0, attempt, 100);
    bench.idle(0);
    assert_eq!(bench.due(200).map(|(host, ..)| host), Some(first), "the other one is not needed");

    let mut bench = Bench::new("a b|c", Reach::All);
    let mut asked: Vec<String> = std::iter::from_fn(|| bench.due(0).map(|(host, ..)| host)).collect();
    asked.sort();
    assert_eq!(asked, ["a", "b", "c"]);
}

#[test]
fn who_is_slow_is_not_waited_for_but_heard() {
    let mut bench = Bench::new("a|b", Reach::First);
    let slow = bench.asks(0, "a", STARTED);
    bench.idle(29);
    assert_eq!(bench.deadline(), Some(30.0));
    let quick = bench.asks(30, "b", STARTED);
    bench.answers(31, quick, 1000);
    bench.answers(40, slow, 2000);
    bench.idle(41);
    assert_eq!((bench.status("a").state, bench.status("b").state), (State::Works, State::Works));
    // Attempts are over once.
    bench.fails(42, slow);
    bench.fails(42, quick);
    assert_eq!(bench.status("a").fails, 0);
}

#[test]
fn intervals_are_bounded() {
    for (interval, least, from, to) in [
        (Some(1800), None, 1800.0, 1860.0),
        (None, None, 1800.0, 1860.0),
        (Some(1), None, 60.0, 64.0),
        (Some(60), Some(600), 600.0, 638.0),
        (Some(u32::MAX), None, 86_400.0, 86_461.0),
        (Some(100), Some(u32::MAX), 86_400.0, 86_461.0),
    ] {
        let mut nexts = Vec::new();
        for seed in 0..20 {
            let mut bench = Bench::with("a", Settings::default(), seed);
            let attempt = bench.asks(0, "a", STARTED);
            let time = |number: Option<u32>| number.map(|number| seconds(number.into()));
            let reply = Reply { interval: time(interval), min_interval: time(least), ..Reply::default() };
            bench.tiers.answered(bench.begun, attempt, &reply);
            nexts.push(bench.deadline().unwrap());
        }
        assert!(nexts.iter().all(|next| (from..to).contains(next)), "{interval:?} {least:?}: {nexts:?}");
        nexts.sort_by(f64::total_cmp);
        nexts.dedup();
        assert!(nexts.len() > 15, "not all at once");
    }
}

#[test]
fn who_fails_is_left_alone_longer_each_time() {
    let mut bench = Bench::new("a", Reach::First);
    let mut second = 0;
    let mut waits = Vec::new();
    for _ in 0..12 {
        let (_, _, attempt) = bench.due(second).unwrap();
        bench.fails(second, attempt);
        let next = bench.deadline().unwrap();
        waits.push(next - second as f64);
        second = next.ceil() as u64;
    }
    for (wait, least) in waits.iter().zip([10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]) {
        let least = f64::from(least);
        assert!((least..=least * 1.25).contains(wait), "{waits:?}");
    }
    let status = bench.status("a");
    assert_eq!((status.state, status.fails, status.error), (State::Fails, 12, Some(&TrackerError::Silent)));
    let attempt = bench.asks(second, "a", STARTED);
    bench.answers(second, attempt, 100);
    assert_eq!((bench.status("a").fails, bench.status("a").error), (0, None));
}

/// BEP 31.
#[test]
fn trackers_say_when_to_come_back() {
    let refused = |retry| TrackerError::Refused { reason: "no".into(), retry: Some(retry) };
    let mut bench = Bench::new("a", Reach::First);
    let attempt = bench.asks(0, "a", STARTED);
    bench.tiers.failed(bench.begun, attempt, refused(Retry::After(seconds(7200))));
    assert_eq!(bench.deadline(), Some(7200.0));
    let attempt = bench.asks(7200, "a", STARTED);
    bench.tiers.failed(bench.at(7200), attempt, refused(Retry::After(seconds(0))));
    assert!(bench.deadline().unwrap() >= 7220.0, "not at once");
    let attempt = bench.asks(7300, "a", STARTED);
    bench.tiers.failed(bench.at(7300), attempt, refused(Retry::After(Duration::MAX)));
    assert_eq!(bench.deadline(), Some(7300.0 + 86_400.0));
    let attempt = bench.asks(100_000, "a", STARTED);
    bench.tiers.failed(bench.at(100_000), attempt, refused(Retry::Never));
    assert_eq!((bench.deadline(), bench.status("a").state), (None, State::Never));
    bench.tiers.reannounce(bench.at(200_000));
    bench.idle(200_000);
}

#[test]
fn who_knows_us_is_told_of_the_last_byte_once() {
    let mut bench = Bench::new("a|b|c", Reach::EachTier);
    let [a, b, _] = ["a", "b", "c"].map(|name| bench.asks(0, name, STARTED));
    bench.answers(1, a, 1000);
    // b is told that we have come while the last byte comes; c fails before it knows us.
    bench.tiers.complete(bench.at(2));
    let attempt = bench.asks(2, "a", COMPLETED);
    bench.idle(2);
    bench.answers(3, b, 1000);
    let late = bench.asks(3, "b", COMPLETED);
    bench.answers(4, attempt, 1000);
    bench.fails(4, late);
    let late = bench.asks(17, "b", COMPLETED);
    bench.answers(17, late, 1000);
    bench.asks(1100, "a", None);
    bench.asks(1100, "b", None);

    // Who comes with all of it never completes.
    let mut bench = Bench::new("a", Reach::First);
    bench.tiers.complete(bench.begun);
    let attempt = bench.asks(0, "a", STARTED);
    bench.answers(0, attempt, 100);
    bench.asks(200, "a", None);
}

#[test]
fn the_end_is_told_to_all_who_know() {
    let mut bench = Bench::new("a|b|c|d", Reach::EachTier);
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| bench.asks(0, name, STARTED));
    bench.answers(1, a, 1000);
    bench.answers(1, b, 1000);
    bench.fails(1, c);
    bench.tiers.complete(bench.at(2));
    bench.asks(2, "a", COMPLETED);
    bench.tiers.stop(bench.at(3));
    assert_eq!(bench.deadline(), Some(3.0));
    // d may have heard that we have come.
    let stops = ["a", "b", "d"].map(|name| bench.asks(3, name, STOPPED));
    bench.idle(3);
    assert!(!bench.tiers.is_stopped());
    bench.answers(3, d, 1000);
    assert!(!bench.tiers.is_stopped(), "what was under way does not matter");
    bench.answers(4, stops[0], 1000);
    bench.fails(4, stops[1]);
    bench.fails(4, stops[2]);
    assert_eq!((bench.tiers.is_stopped(), bench.deadline()), (true, None));
    bench.idle(10_000);
    assert!(bench.tiers.status().all(|status| status.next.is_none()));
    // And again from the beginning.
    bench.tiers.start(bench.at(20_000));
    for name in ["a", "b", "c", "d"] {
        bench.asks(20_000, name, STARTED);
    }
    bench.tiers.start(bench.at(20_001));
    bench.idle(20_001);
}

#[test]
fn more_peers_are_asked_for_as_soon_as_trackers_allow() {
    let mut bench = Bench::new("a|b", Reach::EachTier);
    let attempts = ["a", "b"].map(|name| bench.asks(0, name, STARTED));
    let reply = Reply { min_interval: Some(seconds(300)), ..reply(1800) };
    bench.tiers.answered(bench.begun, attempts[0], &reply);
    bench.fails(0, attempts[1]);
    bench.tiers.reannounce(bench.at(5));
    bench.idle(9);
    bench.asks(10, "b", STARTED);
    bench.idle(299);
    bench.asks(300, "a", None);
}

#[test]
fn a_partial_seed_says_so_each_time() {
    let mut bench = Bench::new("a", Reach::First);
    let attempt = bench.asks(0, "a", STARTED);
    bench.answers(0, attempt, 100);
    bench.idle(50);
    bench.tiers.pause(bench.at(51), true);
    let attempt = bench.asks(51, "a", Some(Event::Paused));
    bench.answers(51, attempt, 100);
    bench.tiers.pause(bench.at(52), true);
    bench.idle(150);
    let attempt = bench.asks(251, "a", Some(Event::Paused));
    bench.answers(251, attempt, 100);
    bench.tiers.pause(bench.at(300), false);
    let attempt = bench.asks(451, "a", None);
    // It is told of while it is asked, and taken back.
    bench.tiers.pause(bench.at(452), true);
    bench.tiers.pause(bench.at(453), false);
    bench.answers(453, attempt, 100);
    bench.idle(552);
    bench.asks(653, "a", None);
}

#[test]
fn what_is_shown() {
    let mut bench = Bench::new("a", Reach::First);
    assert_eq!((bench.status("a").state, bench.status("a").next), (State::Idle, Some(bench.begun)));
    let attempt = bench.asks(0, "a", STARTED);
    assert_eq!(bench.status("a").state, State::Asking);
    let full = Reply {
        complete: Some(3),
        incomplete: Some(4),
        downloaded: Some(5),
        tracker_id: Some(b"id".to_vec()),
        warning: Some("slow".into()),
        peers: vec![Peer { addr: addr("1.2.3.4:5"), id: None }],
        ..reply(1800)
    };
    bench.tiers.answered(bench.at(1), attempt, &full);
    let status = bench.status("a");
    assert_eq!((status.complete, status.incomplete, status.downloaded), (Some(3), Some(4), Some(5)));
    assert_eq!((status.warning, status.peers, status.answer), (Some("slow"), 1, Some(bench.at(1))));
    // What is not said again still holds, but for the warning.
    let due = bench.tiers.poll(bench.at(3600)).unwrap();
    assert_eq!(due.tracker_id.as_deref(), Some(&b"id"[..]));
    bench.answers(3600, due.attempt, 1800);
    let status = bench.status("a");
    assert_eq!((status.complete, status.warning, status.tier), (Some(3), None, 0));
    assert_eq!(bench.tiers.poll(bench.at(7200)).unwrap().tracker_id.as_deref(), Some(&b"id"[..]));
}

/// Trackers that come and go for a week, by chance: none is asked too often, or twice at once, no deadline is missed.
#[test]
fn a_week() {
    for (seed, reach) in [(1, Reach::First), (2, Reach::EachTier), (3, Reach::All)] {
        let settings = Settings { reach, ..Settings::default() };
        let mut bench = Bench::with("a b c|d e|f", settings, seed);
        let mut chance = crate::proto::bittorrent::random::Random::new(seed);
        let mut now = bench.begun;
        let mut open: Vec<(Instant, Attempt, String)> = Vec::new();
        let mut heard = std::collections::BTreeMap::<String, Instant>::new();
        let mut asked = 0;
        while now < bench.at(7 * 86_400) {
            while let Some(due) = bench.tiers.poll(now) {
                let name = due.url.host().to_string();
                assert!(open.iter().all(|(_, _, other)| *other != name), "{name} is asked twice");
                if let Some(last) = heard.get(&name) {
                    assert!(now >= *last + settings.first_backoff, "{name} is asked again at once");
                }
                asked += 1;
                open.push((now + Duration::from_millis(chance.below(90_000).into()), due.attempt, name));
            }
            assert!(bench.tiers.deadline().is_none_or(|deadline| deadline > now), "what was due was said");
            open.sort_by_key(|(at, ..)| std::cmp::Reverse(*at));
            let answer = open.last().map(|(at, ..)| *at);
            now = [answer, bench.tiers.deadline()].into_iter().flatten().min().unwrap();
            if answer == Some(now) {
                let (_, attempt, name) = open.pop().unwrap();
                heard.insert(name, now);
                match chance.below(3) {
                    0 => bench.tiers.failed(now, attempt, TrackerError::Silent),
                    _ => bench.tiers.answered(now, attempt, &reply(u64::from(chance.below(4000)))),
                }
            }
        }
        assert!((200..20_000).contains(&asked), "{reach:?}: {asked}");
    }
}
