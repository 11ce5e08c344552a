//! Who is chosen, how often, and never.

use std::cell::Cell;
use std::collections::HashMap;

use super::*;

/// An endpoint as a test needs it.
#[derive(Clone, Debug)]
struct Server {
    name: &'static str,
    state: State,
    weight: u32,
    cost: f64,
    outstanding: Cell<usize>,
}

impl Endpoint for Server {
    fn state(&self, _: Instant) -> State {
        self.state
    }

    fn key(&self) -> u64 {
        key_of(self.name.as_bytes())
    }

    fn weight(&self) -> u32 {
        self.weight
    }

    fn outstanding(&self) -> usize {
        self.outstanding.get()
    }

    fn cost(&self, _: Instant) -> f64 {
        self.cost * (self.outstanding() as f64 + 1.0)
    }
}

fn server(name: &'static str, state: State) -> Server {
    Server { name, state, weight: 1, cost: 1.0, outstanding: Cell::new(0) }
}

fn named(count: usize) -> Vec<Server> {
    (0..count).map(|index| server(format!("10.0.0.{index}:80").leak(), State::Ready)).collect()
}

fn weighted(weights: &[u32]) -> Vec<Server> {
    let servers = named(weights.len()).into_iter();
    servers.zip(weights).map(|(server, &weight)| Server { weight, ..server }).collect()
}

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn choice(picker: &mut impl Picker, servers: &[Server], ask: &Ask<'_>) -> usize {
    match picker.pick(servers, ask) {
        Choice::Use(place) => place,
        other => panic!("{other:?}"),
    }
}

/// How often each of them is chosen for `calls` keys.
fn counts(picker: &mut impl Picker, servers: &[Server], calls: u64) -> Vec<u64> {
    let now = Instant::now();
    let mut counts = vec![0; servers.len()];
    for key in 0..calls {
        let key = key_of(&key.to_le_bytes());
        counts[choice(picker, servers, &Ask { key, ..Ask::any(now) })] += 1;
    }
    counts
}

/// Runs `check` with a picker of each kind.
macro_rules! each_picker {
    ($seed:expr, $check:expr) => {{
        let seed: u64 = $seed;
        $check("P2c", P2c::new(seed));
        $check("RoundRobin", RoundRobin::new(seed));
        $check("Least", Least::new(seed));
        $check("Rendezvous", Rendezvous::new());
        $check("Rendezvous, bounded", Rendezvous::bounded(125));
    }};
}

trait Check {
    fn run(&self, name: &str, picker: impl Picker);
}

#[test]
fn when_none_is_ready() {
    let now = Instant::now();
    let failed = |seconds| State::Failed { until: now + s(seconds) };
    let ejected = |seconds| State::Ejected { until: now + s(seconds) };
    use State::{Connecting, Draining, Idle, Ready};
    let fail = |failed, ejected, draining, next: Option<u64>| {
        Choice::Fail(Unavailable { failed, ejected, draining, retry_in: next.map(s) })
    };
    for (states, expected) in [
        (vec![], fail(0, 0, 0, None)),
        (vec![Draining, Ready, Idle], Choice::Use(1)),
        (vec![Idle, Connecting, failed(1)], Choice::Connect(vec![0])),
        (vec![failed(0), ejected(0), failed(1), Idle], Choice::Connect(vec![0, 1, 3])),
        (vec![failed(5), Connecting, ejected(5)], Choice::Wait),
        (vec![failed(5), failed(2), ejected(9), Draining], fail(2, 1, 1, Some(2))),
        (vec![Draining, Draining], fail(0, 0, 2, None)),
    ] {
        let servers: Vec<_> = states.iter().map(|state| server("a", *state)).collect();
        struct Row<'a>(&'a [Server], Instant, Choice);
        impl Check for Row<'_> {
            fn run(&self, name: &str, mut picker: impl Picker) {
                assert_eq!(picker.pick(self.0, &Ask::any(self.1)), self.2, "{name} of {:?}", self.0);
            }
        }
        let row = Row(&servers, now, expected);
        each_picker!(1, |name, picker| row.run(name, picker));
    }
    // Without weight they are as good as gone, ready or not.
    let servers = [Server { weight: 0, ..server("a", Ready) }, Server { weight: 0, ..server("b", Idle) }];
    assert_eq!(P2c::new(1).pick(&servers, &Ask::any(now)), fail(0, 0, 2, None));
}

#[test]
fn what_an_endpoint_is_behind_its_breaker() {
    use super::breaker::State::{Closed, HalfOpen, Open};
    let until = Instant::now();
    for (state, breaker, expected) in [
        (State::Ready, Closed, State::Ready),
        (State::Idle, Closed, State::Idle),
        (State::Ready, Open { until }, State::Ejected { until }),
        (State::Idle, Open { until }, State::Ejected { until }),
        (State::Draining, Open { until }, State::Draining),
        (State::Ready, HalfOpen { places: 1 }, State::Ready),
        (State::Idle, HalfOpen { places: 2 }, State::Idle),
        (State::Ready, HalfOpen { places: 0 }, State::Connecting),
        (State::Draining, HalfOpen { places: 0 }, State::Draining),
    ] {
        assert_eq!(state.behind(breaker), expected, "{state:?} behind {breaker:?}");
    }
}

#[test]
fn the_reason_in_one_line() {
    let reason =
        Unavailable { failed: 2, ejected: 0, draining: 1, retry_in: Some(Duration::from_millis(1_500)) };
    for (reason, words) in [
        (reason, "none of 3 endpoints is available (2 failed, 1 draining, next attempt in 1.5s)"),
        (Unavailable { ejected: 1, ..Default::default() }, "none of 1 endpoints is available (1 ejected)"),
        (Unavailable::default(), "there is no endpoint"),
    ] {
        assert_eq!(reason.to_string(), words);
    }
}

/// The law: the dead are never picked while one is alive, and one that was tried only if no other is left.
#[test]
fn the_dead_are_never_picked_while_one_is_alive() {
    let now = Instant::now();
    for seed in 0..300 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut servers = named(rng.usize(1..20));
        for server in &mut servers {
            server.weight = rng.u32(0..4);
            server.outstanding = Cell::new(rng.usize(0..5));
            server.cost = rng.f64();
            server.state = match rng.u8(0..8) {
                0 => State::Idle,
                1 => State::Connecting,
                2 => State::Failed { until: now },
                3 => State::Ejected { until: now + s(1) },
                4 => State::Draining,
                _ => State::Ready,
            };
        }
        let tried: Vec<_> = servers.iter().map(Endpoint::key).filter(|_| rng.u8(0..3) == 0).collect();
        struct Law<'a>(&'a [Server], &'a [u64], Instant);
        impl Check for Law<'_> {
            fn run(&self, name: &str, mut picker: impl Picker) {
                let Self(servers, tried, now) = *self;
                let live = |server: &&Server| server.state == State::Ready && server.weight > 0;
                let fresh = |server: &&Server| live(server) && !tried.contains(&server.key());
                for key in 0..30 {
                    match picker.pick(servers, &Ask { now, key, tried }) {
                        Choice::Use(place) => {
                            let chosen = &servers[place];
                            assert!(live(&chosen), "{name}: {chosen:?}");
                            assert!(fresh(&chosen) || !servers.iter().any(|server| fresh(&server)), "{name}");
                        }
                        other => assert!(!servers.iter().any(|server| live(&server)), "{name}: {other:?}"),
                    }
                }
            }
        }
        let law = Law(&servers, &tried, now);
        each_picker!(seed, |name, picker| law.run(name, picker));
    }
}

#[test]
fn two_choices_spread_and_spare_the_most_expensive() {
    let mut servers = named(5);
    let even = counts(&mut P2c::new(1), &servers, 50_000);
    assert!(even.iter().all(|count| (9_000..11_000).contains(count)), "{even:?}");
    for (place, server) in servers.iter_mut().enumerate() {
        server.cost = place as f64 + 1.0;
    }
    // The nth cheapest of five wins against those behind it: 4/10, 3/10, 2/10, 1/10 and never.
    let counts = counts(&mut P2c::new(2), &servers, 50_000);
    for (place, expected) in [20_000_u64, 15_000, 10_000, 5_000, 0].into_iter().enumerate() {
        assert!(counts[place].abs_diff(expected) < 600, "{counts:?}");
    }
}

#[test]
fn two_choices_go_by_cost_for_weight() {
    let mut servers = weighted(&[1, 4]);
    servers[1].cost = 3.0;
    assert_eq!(counts(&mut P2c::new(1), &servers, 100), [0, 100]);
    servers[1].cost = 5.0;
    assert_eq!(counts(&mut P2c::new(1), &servers, 100), [100, 0]);
}

#[test]
fn two_choices_find_the_one_that_lives_among_many() {
    let mut servers = named(1_000);
    for server in &mut servers {
        server.state = State::Draining;
    }
    servers[777].state = State::Ready;
    assert!((0..100).all(|seed| choice(&mut P2c::new(seed), &servers, &Ask::any(Instant::now())) == 777));
}

/// With calls of random length, two choices keep the longest queue short; one at random would not.
#[test]
fn two_choices_keep_queues_even() {
    let servers = named(20);
    let mut picker = P2c::new(3);
    let now = Instant::now();
    for _ in 0..2_000 {
        let place = choice(&mut picker, &servers, &Ask::any(now));
        servers[place].outstanding.set(servers[place].outstanding() + 1);
    }
    let queues: Vec<_> = servers.iter().map(Endpoint::outstanding).collect();
    assert!(queues.iter().all(|queue| (97..=103).contains(queue)), "{queues:?}");
}

#[test]
fn round_robin_is_smooth() {
    let order = |weights: &[u32], seed, calls| {
        let servers = weighted(weights);
        let mut picker = RoundRobin::new(seed);
        let now = Instant::now();
        let letter = |place: usize| char::from(b'a' + place as u8);
        (0..calls).map(|_| letter(choice(&mut picker, &servers, &Ask::any(now)))).collect::<String>()
    };
    for (weights, seed, expected) in [
        (&[1, 1, 1][..], 0, "abcabc"),
        (&[1, 1, 1], 2, "cabcab"),
        (&[5, 1, 1], 0, "aabacaaaabacaa"), // as nginx has it
        (&[2, 1], 0, "abaaba"),
        (&[3], 9, "aaa"),
    ] {
        assert_eq!(order(weights, seed, expected.len()), expected, "{weights:?} from {seed}");
    }
}

#[test]
fn round_robin_gives_each_its_weight_in_every_round() {
    for seed in 0..50 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let weights: Vec<_> = (0..rng.usize(1..9)).map(|_| rng.u32(0..7)).collect();
        let sum = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
        if sum > 0 {
            let counts = counts(&mut RoundRobin::new(seed), &weighted(&weights), 3 * sum);
            assert!(counts.iter().zip(&weights).all(|(count, weight)| *count == 3 * u64::from(*weight)));
        }
    }
}

#[test]
fn round_robin_goes_on_when_endpoints_come_go_and_move() {
    let mut servers = named(4);
    let mut picker = RoundRobin::new(0);
    let now = Instant::now();
    let mut next = |servers: &[Server]| servers[choice(&mut picker, servers, &Ask::any(now))].name;
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    assert_eq!([next(&servers), next(&servers)], [names[0], names[1]]);
    servers.swap(0, 1);
    assert_eq!([next(&servers), next(&servers)], [names[2], names[3]], "the others have had their turn");
    servers.swap(0, 1);
    assert_eq!([next(&servers), next(&servers)], [names[0], names[1]]);
    servers.reverse();
    assert_eq!(next(&servers), names[3], "two are left, the first in the new order");
    servers.remove(1); // the other one
    let round = [next(&servers), next(&servers), next(&servers)];
    assert!(names.iter().filter(|name| **name != names[2]).all(|name| round.contains(name)), "{round:?}");
    servers.clear();
    assert!(matches!(picker.pick(&servers, &Ask::any(now)), Choice::Fail(_)));
}

#[test]
fn the_fewest_calls_for_its_weight() {
    for (outstanding, weights, expected) in [
        ([3, 2, 4], [1, 1, 1], vec![1]),
        ([3, 2, 4], [1, 1, 5], vec![2]),
        ([1, 1, 1], [1, 1, 1], vec![0, 1, 2]),
        ([0, 1, 9], [1, 2, 1], vec![0, 1]),
        ([usize::MAX, 1, 1], [u32::MAX, 1, 1], vec![1, 2]),
    ] {
        let servers = weighted(&weights);
        for (server, calls) in servers.iter().zip(outstanding) {
            server.outstanding.set(calls);
        }
        let counts = counts(&mut Least::new(1), &servers, 3_000);
        for (place, count) in counts.into_iter().enumerate() {
            let share = if expected.contains(&place) { 3_000 / expected.len() as u64 } else { 0 };
            assert!(count.abs_diff(share) < 200, "{outstanding:?} of {weights:?}: {count} at {place}");
        }
    }
}

const KEYS: u64 = 20_000;

fn homes(servers: &[Server]) -> HashMap<u64, &'static str> {
    let now = Instant::now();
    let home = |key: u64| {
        let ask = Ask { key: key_of(&key.to_be_bytes()), ..Ask::any(now) };
        servers[choice(&mut Rendezvous::new(), servers, &ask)].name
    };
    (0..KEYS).map(|key| (key, home(key))).collect()
}

#[test]
fn a_rendezvous_gives_each_its_weight() {
    for weights in [&[1, 1, 1, 1][..], &[1, 2, 3, 4], &[10, 0, 1], &[1]] {
        let sum: u32 = weights.iter().sum();
        let counts = counts(&mut Rendezvous::new(), &weighted(weights), KEYS);
        for (count, weight) in counts.into_iter().zip(weights) {
            let share = KEYS * u64::from(*weight) / u64::from(sum);
            assert!(count.abs_diff(share) < KEYS / 50, "{weights:?}: {count}, not {share}");
        }
    }
}

/// The law: when one of n goes, only its keys move, which are 1/n of all; when one comes, keys move only to it.
#[test]
fn a_rendezvous_moves_as_little_as_there_can_be() {
    for count in [2, 3, 10, 30] {
        let all = named(count);
        let before = homes(&all);
        for gone in [0, count / 2, count - 1] {
            let mut rest = all.clone();
            let gone = rest.remove(gone).name;
            let after = homes(&rest);
            let moved = before.iter().filter(|(key, home)| after[*key] != **home).count();
            assert!(before.iter().all(|(key, home)| after[key] == *home || *home == gone), "{count}");
            let most = KEYS as f64 * (1.0 / count as f64 + 0.02);
            assert!((moved as f64) < most, "{moved} of {KEYS} moved when one of {count} went");
        }
    }
}

#[test]
fn a_rendezvous_does_not_depend_on_order_or_on_who_is_down() {
    let mut servers = named(6);
    let before = homes(&servers);
    servers.reverse();
    assert_eq!(homes(&servers), before);
    // To be down is to be gone, and to come back is to have one's keys again.
    servers[2].state = State::Idle;
    let mut gone = servers.clone();
    gone.remove(2);
    assert_eq!(homes(&servers), homes(&gone));
    servers[2].state = State::Ready;
    assert_eq!(homes(&servers), before);
}

#[test]
fn a_hot_key_spills_over_in_the_same_order() {
    let servers = named(5);
    let now = Instant::now();
    let hot = Ask { key: key_of(b"hot"), ..Ask::any(now) };
    for percent in [0, 100, 125, 200, 500] {
        let mut picker = Rendezvous::bounded(percent);
        servers.iter().for_each(|server| server.outstanding.set(0));
        for calls in 1..=500_usize {
            let place = choice(&mut picker, &servers, &hot);
            servers[place].outstanding.set(servers[place].outstanding() + 1);
            let most = (calls * percent.max(100) as usize).div_ceil(5 * 100);
            assert!(servers.iter().all(|server| server.outstanding() <= most), "{percent} %, {calls} calls");
        }
    }
    // Where no key is hot the bound changes nothing.
    servers.iter().for_each(|server| server.outstanding.set(10));
    let home = choice(&mut Rendezvous::new(), &servers, &hot);
    assert_eq!(choice(&mut Rendezvous::bounded(125), &servers, &hot), home);
}

#[test]
fn keys_stay_what_they_are() {
    // Written down, by another program, so that balancers of different versions choose alike.
    for (bytes, key) in [
        (&b""[..], 0xc381_7c01_6ba4_ff30),
        (b"a", 0x5f29_c2aa_dd9b_8527),
        (b"10.0.0.1:80", 0xdf1d_561f_bd00_135a),
    ] {
        assert_eq!(key_of(bytes), key, "{bytes:?}");
    }
}
