//! Who is chosen, how often, and never.

mod keyed;
mod shares;

use std::cell::Cell;

use super::*;

/// An endpoint as a test needs it.
#[derive(Clone, Debug)]
struct Server {
    name: &'static str,
    state: State,
    weight: u32,
    warmth: f64,
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

    fn warmth(&self, _: Instant) -> f64 {
        self.warmth
    }

    fn outstanding(&self) -> usize {
        self.outstanding.get()
    }

    fn cost(&self, _: Instant) -> f64 {
        self.cost * (self.outstanding() as f64 + 1.0)
    }
}

fn server(name: &'static str, state: State) -> Server {
    Server { name, state, weight: 1, warmth: 1.0, cost: 1.0, outstanding: Cell::new(0) }
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

/// A picker that knows these.
fn told<P: Picker>(mut picker: P, servers: &[Server]) -> P {
    picker.update(servers);
    picker
}

fn choice(picker: &impl Picker, servers: &[Server], ask: &Ask<'_>) -> usize {
    match picker.pick(servers, ask) {
        Choice::Use(place) => place,
        other => panic!("{other:?}"),
    }
}

/// How often each of them is chosen for `calls` keys.
fn counts(picker: impl Picker, servers: &[Server], calls: u64) -> Vec<u64> {
    let picker = told(picker, servers);
    let now = Instant::now();
    let mut counts = vec![0; servers.len()];
    for key in 0..calls {
        let key = key_of(&key.to_le_bytes());
        counts[choice(&picker, servers, &Ask { key, ..Ask::any(now) })] += 1;
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
        $check("Random", Random::new(seed));
        $check("Rendezvous", Rendezvous::new());
        $check("Rendezvous, bounded", Rendezvous::bounded(125));
        $check("Ring", Ring::new(seed, None));
        $check("Ring, bounded", Ring::new(seed, Some(Bound::new(125))));
        $check("Maglev", Maglev::new(seed, None));
        $check("Maglev, bounded", Maglev::new(seed, Some(Bound::new(125))));
        for algorithm in Algorithm::ALL {
            $check(algorithm.name(), algorithm.picker(Setup { chance: seed, seed, bound: None }));
        }
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
            fn run(&self, name: &str, picker: impl Picker) {
                assert_eq!(
                    told(picker, self.0).pick(self.0, &Ask::any(self.1)),
                    self.2,
                    "{name} of {:?}",
                    self.0
                );
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
    for seed in 0..60 {
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
            fn run(&self, name: &str, picker: impl Picker) {
                let Self(servers, tried, now) = *self;
                let picker = told(picker, servers);
                let live = |server: &&Server| server.state == State::Ready && server.weight > 0;
                let fresh = |server: &&Server| live(server) && !tried.contains(&server.key());
                for key in 0..30 {
                    match picker.pick(servers, &Ask { key, tried, ..Ask::any(now) }) {
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
    let even = counts(P2c::new(1), &servers, 50_000);
    assert!(even.iter().all(|count| (9_000..11_000).contains(count)), "{even:?}");
    for (place, server) in servers.iter_mut().enumerate() {
        server.cost = f64::from(1 << place);
    }
    // The nth cheapest of five wins against those behind it: 4/10, 3/10, 2/10, 1/10 and never.
    let counts = counts(P2c::new(2), &servers, 50_000);
    for (place, expected) in [20_000_u64, 15_000, 10_000, 5_000, 0].into_iter().enumerate() {
        assert!(counts[place].abs_diff(expected) < 600, "{counts:?}");
    }
}

#[test]
fn two_choices_go_by_cost_for_weight() {
    let mut servers = weighted(&[1, 4]);
    servers[1].cost = 3.0;
    assert_eq!(counts(P2c::new(1), &servers, 100), [0, 100]);
    servers[1].cost = 6.0;
    assert_eq!(counts(P2c::new(1), &servers, 100), [100, 0]);
}

/// Calls that come one by one find nobody busy: one that is a little slower must have its share all the same.
#[test]
fn two_choices_take_small_differences_for_chance() {
    let mut servers = named(2);
    servers[1].cost = 1.2;
    let shares = counts(P2c::new(1), &servers, 10_000);
    assert!(shares.iter().all(|share| (4_700..5_300).contains(share)), "{shares:?}");
    servers[0].outstanding.set(11);
    servers[1].outstanding.set(10);
    servers[1].cost = 1.0;
    assert_eq!(counts(P2c::new(1), &servers, 100), [0, 100], "calls under way are no chance");
}

#[test]
fn two_choices_find_the_one_that_lives_among_many() {
    let mut servers = named(1_000);
    for server in &mut servers {
        server.state = State::Draining;
    }
    servers[777].state = State::Ready;
    assert!((0..100).all(|seed| choice(&P2c::new(seed), &servers, &Ask::any(Instant::now())) == 777));
}

/// With calls of random length, two choices keep the longest queue short; one at random would not.
#[test]
fn two_choices_keep_queues_even() {
    let servers = named(20);
    let picker = P2c::new(3);
    let now = Instant::now();
    for _ in 0..2_000 {
        let place = choice(&picker, &servers, &Ask::any(now));
        servers[place].outstanding.set(servers[place].outstanding() + 1);
    }
    let queues: Vec<_> = servers.iter().map(Endpoint::outstanding).collect();
    assert!(queues.iter().all(|queue| (97..=103).contains(queue)), "{queues:?}");
}

#[test]
fn round_robin_is_smooth() {
    let order = |weights: &[u32], seed, calls| {
        let servers = weighted(weights);
        let picker = told(RoundRobin::new(seed), &servers);
        let now = Instant::now();
        let letter = |place: usize| char::from(b'a' + place as u8);
        (0..calls).map(|_| letter(choice(&picker, &servers, &Ask::any(now)))).collect::<String>()
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
            let counts = counts(RoundRobin::new(seed), &weighted(&weights), 3 * sum);
            assert!(counts.iter().zip(&weights).all(|(count, weight)| *count == 3 * u64::from(*weight)));
        }
    }
}

#[test]
fn round_robin_spreads_the_turns_of_those_that_are_down() {
    let mut servers = weighted(&[1, 1, 2, 4, 4]);
    servers[1].state = State::Idle;
    // Its neighbour does not get them all.
    let found = counts(RoundRobin::new(0), &servers, 11_000);
    for (count, expected) in found.iter().zip([1_000, 0, 2_000, 4_000, 4_000_u64]) {
        assert!(count.abs_diff(expected) <= 100, "{found:?}");
    }
    servers[3].state = State::Draining;
    servers[4].state = State::Draining;
    let found = counts(RoundRobin::new(3), &servers, 3_000);
    assert!(found[0].abs_diff(1_000) <= 50 && found[2].abs_diff(2_000) <= 50, "{found:?}");
}

#[test]
fn round_robin_goes_on_when_endpoints_come_and_go() {
    let mut servers = named(4);
    let mut picker = told(RoundRobin::new(0), &servers);
    let now = Instant::now();
    let next =
        |picker: &RoundRobin, servers: &[Server]| servers[choice(picker, servers, &Ask::any(now))].name;
    let names: Vec<_> = servers.iter().map(|server| server.name).collect();
    assert_eq!([next(&picker, &servers), next(&picker, &servers)], [names[0], names[1]]);
    // It does not begin anew with the first: with a set that changes often, that one would get most of the calls.
    servers.push(server("new", State::Ready));
    picker.update(&servers);
    assert_eq!([next(&picker, &servers), next(&picker, &servers)], [names[2], names[3]]);
    assert_eq!(next(&picker.clone(), &servers), "new");
    servers.clear();
    picker.update(&servers);
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
        let counts = counts(Least::new(1), &servers, 3_000);
        for (place, count) in counts.into_iter().enumerate() {
            let share = if expected.contains(&place) { 3_000 / expected.len() as u64 } else { 0 };
            assert!(count.abs_diff(share) < 200, "{outstanding:?} of {weights:?}: {count} at {place}");
        }
    }
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
