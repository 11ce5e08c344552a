//! All parts together: a client of three servers, in virtual time, while servers fail, grow slow and come back.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::breaker::{self, Breaker, Permit, Verdict};
use super::budget::{self, Budget};
use super::ewma::{self, Load, Outstanding};
use super::pick::{Ask, Choice, Endpoint, P2c, Picker, State};
use super::retry::{self, Call, Decision, Failure, Repeat, Retrying};

struct Server {
    key: u64,
    load: Load,
    breaker: Breaker,
}

impl Endpoint for Server {
    fn state(&self, now: Instant) -> State {
        State::Ready.behind(self.breaker.state(now))
    }

    fn key(&self) -> u64 {
        self.key
    }

    fn outstanding(&self) -> usize {
        self.load.outstanding()
    }

    fn cost(&self, now: Instant) -> f64 {
        self.load.cost(now)
    }
}

/// A call between its attempts, and during one.
struct Client {
    retrying: Retrying,
    tried: Vec<u64>,
    /// The server that is asked, and what it will say.
    attempt: Option<(usize, bool, Permit, Outstanding)>,
}

/// What came of it, by seconds.
#[derive(Default)]
struct Second {
    calls: u64,
    failed: u64,
    /// Attempts at each server.
    attempts: [u64; 3],
}

/// A thousand calls a second for so many seconds. `behaves` says of a server, in a second, how many milliseconds it takes and whether
/// it answers.
fn simulate(seconds: u64, seed: u64, behaves: impl Fn(usize, u64) -> (u64, bool)) -> (Vec<Second>, Budget) {
    let start = Instant::now();
    let servers: Vec<_> = (0..3)
        .map(|key| Server {
            key,
            load: Load::new(ewma::Policy::DEFAULT, start),
            breaker: Breaker::new(breaker::Policy::DEFAULT, seed + key, start),
        })
        .collect();
    let budget = Budget::new(budget::Policy::DEFAULT, start);
    let picker = P2c::new(seed);
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut log: Vec<Second> = (0..seconds + 10).map(|_| Second::default()).collect();
    let mut clients: Vec<Option<Client>> = Vec::new();
    // What happens next: microseconds, and the number of a call.
    let mut events: BinaryHeap<_> = (0..seconds * 1_000).map(|call| Reverse((call * 1_000, call))).collect();
    while let Some(Reverse((micros, number))) = events.pop() {
        let now = start + Duration::from_micros(micros);
        let second = (micros / 1_000_000) as usize;
        let place = number as usize;
        if clients.len() <= place {
            let call = Call { idempotent: true, deadline: Some(now + Duration::from_secs(3)), seed: number };
            let retrying = Retrying::begin(retry::Policy::DEFAULT, call, &budget, now);
            clients.push(Some(Client { retrying, tried: Vec::new(), attempt: None }));
            log[second].calls += 1;
        }
        let Some(client) = &mut clients[place] else { continue };
        if let Some((server, answers, permit, outstanding)) = client.attempt.take() {
            if answers {
                permit.report(now, Verdict::Success);
                outstanding.answered(now);
                clients[place] = None;
                continue;
            }
            permit.report(now, Verdict::Failure);
            outstanding.failed(now);
            client.tried.push(servers[server].key);
            match client.retrying.after(now, Failure::new(Repeat::IfIdempotent)) {
                Decision::Retry { wait, .. } => {
                    events.push(Reverse((micros + wait.as_micros() as u64, number)));
                }
                Decision::GiveUp(_) => {
                    log[second].failed += 1;
                    clients[place] = None;
                }
            }
            continue;
        }
        let Choice::Use(server) = picker.pick(&servers, &Ask { tried: &client.tried, ..Ask::any(now) })
        else {
            log[second].failed += 1;
            clients[place] = None;
            continue;
        };
        let permit = servers[server].breaker.enter(now).expect("who is picked has a place");
        let (millis, answers) = behaves(server, second as u64);
        log[second].attempts[server] += 1;
        client.attempt = Some((server, answers, permit, servers[server].load.begin(now)));
        events.push(Reverse((micros + rng.u64(millis * 500..=millis * 1_500), number)));
    }
    (log, budget)
}

fn failed(log: &[Second]) -> u64 {
    log.iter().map(|second| second.failed).sum()
}

fn attempts(log: &[Second], server: usize) -> u64 {
    log.iter().map(|second| second.attempts[server]).sum()
}

#[test]
fn one_of_three_dies_and_no_call_fails() {
    for seed in 0..5 {
        let down = 2..6;
        let (log, _) =
            simulate(
                40,
                seed,
                |server, second| {
                    if server == 0 && down.contains(&second) { (1, false) } else { (10, true) }
                },
            );
        assert_eq!(failed(&log), 0, "seed {seed}");
        let wasted = attempts(&log[2..6], 0);
        assert!(wasted < 40, "seed {seed}: {wasted} attempts at a dead server");
        let back = attempts(&log[30..40], 0);
        assert!(
            (2_000..4_500).contains(&back),
            "seed {seed}: {back} of 10000 calls at the server that is back"
        );
    }
}

#[test]
fn one_of_three_grows_slow_and_is_spared() {
    for seed in 0..5 {
        let slow = 2..6;
        let (log, _) = simulate(60, seed, |server, second| {
            (if server == 0 && slow.contains(&second) { 300 } else { 10 }, true)
        });
        assert_eq!(failed(&log), 0, "seed {seed}");
        let spared = attempts(&log[3..6], 0);
        assert!(spared < 150, "seed {seed}: {spared} of 3000 calls at a slow server");
        let back = attempts(&log[50..60], 0);
        assert!(
            (2_000..4_500).contains(&back),
            "seed {seed}: {back} of 10000 calls at the server that is back"
        );
    }
}

#[test]
fn when_all_die_calls_fail_fast_within_the_budget_and_recover() {
    for seed in 0..5 {
        let down = 2..6;
        let (log, budget) =
            simulate(30, seed, |_, second| if down.contains(&second) { (1, false) } else { (10, true) });
        assert_eq!(failed(&log[..2]), 0, "seed {seed}");
        let tried: u64 = (0..3).map(|server| attempts(&log[2..6], server)).sum();
        assert!(tried < 100, "seed {seed}: {tried} attempts at dead servers");
        assert_eq!(failed(&log[16..]), 0, "seed {seed}: all are back");
        let budget::Stats { requests, retries, .. } = budget.stats();
        assert!(requests == 30_000 && retries <= 6_000 + 10 * (30 + 11));
    }
}

#[test]
fn when_calls_fail_now_and_then_nearly_all_succeed_in_the_end() {
    let chance = RefCell::new(fastrand::Rng::with_seed(9));
    let (log, budget) = simulate(10, 1, |_, _| (10, chance.borrow_mut().u8(0..10) > 0));
    let calls: u64 = log.iter().map(|second| second.calls).sum();
    assert!(failed(&log) * 100 < calls, "{} of {calls}", failed(&log));
    assert!(budget.stats().retries * 5 <= calls + 550);
}
