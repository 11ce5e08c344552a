//! The shares of the endpoints, by the pickers that use chance or take turns: weights, those that are down, those that start slowly.

use super::*;

/// Pearson's chi-square of these counts, against weights.
fn chi_square(counts: &[u64], weights: &[f64]) -> f64 {
    let (calls, sum): (u64, f64) = (counts.iter().sum(), weights.iter().sum());
    let term = |(count, weight): (&u64, &f64)| {
        let expected = calls as f64 * weight / sum;
        (*count as f64 - expected).powi(2) / expected
    };
    counts.iter().zip(weights).filter(|(_, weight)| **weight > 0.0).map(term).sum()
}

/// Threads share a picker without a lock, and no turn is lost or given twice.
#[test]
fn threads_that_share_a_picker_take_turns() {
    struct Plain(u64);
    impl Endpoint for Plain {
        fn state(&self, _: Instant) -> State {
            State::Ready
        }
        fn key(&self) -> u64 {
            self.0
        }
        fn weight(&self) -> u32 {
            self.0 as u32
        }
        fn outstanding(&self) -> usize {
            0
        }
    }
    let (servers, now) = ([1, 2, 3, 4].map(Plain), Instant::now());
    let mut picker = RoundRobin::new(0);
    picker.update(&servers);
    let count = || {
        let mut counts = [0_u64; 4];
        for _ in 0..10_000 {
            counts[picker.choose(&servers, &Ask::any(now), |_| true).expect("all are ready")] += 1;
        }
        counts
    };
    let counts = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(count)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    let sums: Vec<u64> = (0..4).map(|place| counts.iter().map(|counts| counts[place]).sum()).collect();
    assert_eq!(sums, [4_000, 8_000, 12_000, 16_000]);
}

#[test]
fn random_follows_the_weights() {
    for weights in [&[1; 5][..], &[1, 2, 3, 4], &[1_000, 1], &[7], &[0, 3, 0, 1], &[5; 100]] {
        let servers = weighted(weights);
        let counts = counts(Random::new(11), &servers, 100_000);
        let floats: Vec<_> = weights.iter().map(|weight| f64::from(*weight)).collect();
        // The mean of chi-square is the number of its degrees of freedom, k; a value above k + 4 sqrt(2 k) + 8 is rarer than one in 1,000.
        let degrees = weights.iter().filter(|weight| **weight > 0).count() as f64 - 1.0;
        let found = chi_square(&counts, &floats);
        assert!(found < degrees + 4.0 * (2.0 * degrees).sqrt() + 8.0, "{weights:?}: {found} of {counts:?}");
        assert!(
            counts.iter().zip(weights).all(|(count, weight)| (*count > 0) == (*weight > 0)),
            "{counts:?}"
        );
    }
}

#[test]
fn random_keeps_the_proportions_of_those_that_are_up() {
    let mut servers = weighted(&[1, 50, 2, 3, 50]);
    servers[1].state = State::Idle;
    servers[4].state = State::Draining;
    let counts = counts(Random::new(5), &servers, 60_000);
    assert!(chi_square(&counts, &[1.0, 0.0, 2.0, 3.0, 0.0]) < 16.0, "{counts:?}");
    assert_eq!((counts[1], counts[4]), (0, 0));
}

#[test]
fn the_one_that_lives_among_many_is_found_without_a_key_too() {
    let mut servers = named(1_000);
    servers.iter_mut().for_each(|server| server.state = State::Draining);
    servers[777].state = State::Ready;
    for algorithm in Algorithm::ALL {
        let picker = told(algorithm.picker(Setup { chance: 1, seed: 1, bound: None }), &servers);
        assert!((0..50).all(|_| choice(&picker, &servers, &Ask::any(Instant::now())) == 777), "{algorithm}");
    }
}

/// An endpoint at a fifth of its weight gets a fifth of its share; and all of them get calls when all start slowly.
#[test]
fn one_that_starts_slowly_gets_a_part_of_its_share() {
    let mut servers = named(4);
    servers[2].warmth = 0.2;
    for (name, counts) in [
        ("round robin", counts(RoundRobin::new(0), &servers, 32_000)),
        ("random", counts(Random::new(1), &servers, 32_000)),
        ("two choices", counts(P2c::new(1), &servers, 32_000)),
    ] {
        let part = counts[2] as f64 / counts[0] as f64;
        // Of two choices it is drawn less often, and then chosen as often as the other.
        assert!((0.15..0.28).contains(&part), "{name}: {part} of {counts:?}");
        let others = [counts[0], counts[1], counts[3]];
        assert!(others.iter().all(|count| count.abs_diff(10_000) < 600), "{name}: {counts:?}");
    }
    servers.iter_mut().for_each(|server| server.warmth = 0.1);
    for algorithm in Algorithm::ALL {
        let counts = counts(algorithm.picker(Setup { chance: 1, seed: 1, bound: None }), &servers, 4_000);
        assert!(counts.iter().all(|count| (600..1_500).contains(count)), "{algorithm}: {counts:?}");
    }
}

#[test]
fn the_fewest_calls_go_by_the_weight_that_counts_at_present() {
    let mut servers = weighted(&[4, 4]);
    servers[1].warmth = 0.25;
    servers[0].outstanding.set(3);
    assert_eq!(
        counts(Least::new(1), &servers, 400).iter().filter(|count| **count > 100).count(),
        2,
        "4/4 and 1/1"
    );
    servers[0].outstanding.set(2);
    assert_eq!(counts(Least::new(1), &servers, 100), [100, 0]);
    servers[0].outstanding.set(4);
    assert_eq!(counts(Least::new(1), &servers, 100), [0, 100]);
}

#[test]
fn of_many_the_fewest_calls_are_looked_for_among_some() {
    let servers = named(1_000);
    let picker = told(Least::new(3), &servers);
    let looked = Cell::new(0);
    for _ in 0..100 {
        looked.set(0);
        let may = |_: &Server| {
            looked.set(looked.get() + 1);
            true
        };
        assert!(picker.choose(&servers, &Ask::any(Instant::now()), may).is_some());
        assert_eq!(looked.get(), least::SCAN);
    }
    // Calls that last spread evenly all the same.
    let mut most = 0;
    for _ in 0..10_000 {
        let place = choice(&picker, &servers, &Ask::any(Instant::now()));
        servers[place].outstanding.set(servers[place].outstanding() + 1);
        most = most.max(servers[place].outstanding());
    }
    assert!(most <= 12, "{most}, where 10 is even");
}

/// How many endpoints a choice looks at does not grow with their number.
#[test]
fn a_choice_looks_at_as_many_among_a_thousand_as_among_ten() {
    for algorithm in Algorithm::ALL {
        let looks = |count: usize| {
            let servers = named(count);
            let picker = told(algorithm.picker(Setup { chance: 1, seed: 1, bound: None }), &servers);
            let looked = Cell::new(0_u32);
            for key in 0..1_000 {
                let ask = Ask { key, ..Ask::any(Instant::now()) };
                let may = |_: &Server| {
                    looked.set(looked.get() + 1);
                    true
                };
                assert!(picker.choose(&servers, &ask, may).is_some());
            }
            looked.get()
        };
        match algorithm {
            Algorithm::Rendezvous => assert_eq!((looks(10), looks(1_000)), (10_000, 1_000_000)),
            Algorithm::Least => assert_eq!((looks(10), looks(1_000)), (10_000, 64_000)),
            Algorithm::P2c => assert_eq!((looks(10), looks(1_000)), (2_000, 2_000)),
            _ => assert_eq!((looks(1), looks(10), looks(1_000)), (1_000, 1_000, 1_000), "{algorithm}"),
        }
    }
}
