//! Checks, ejections and pools together: the table of `docs/balance-reference.md`, "Too few healthy backends".

use std::time::Instant;

use wireworks::net::resilience::pick::pools::{Census, Plan, Policy, plan};
use wireworks::proto::balance::outlier::{self, Ejections, Group};

/// A group of ten, of which the first so many are down by their checks, and the next so many fail requests.
fn outcome(cap: u8, panic: u8, down: u64, failing: u64) -> (usize, Plan) {
    let now = Instant::now();
    let mut ejections = Ejections::new(outlier::Policy { most: cap, ..outlier::Policy::DEFAULT });
    let census = |ejections: &Ejections| {
        let available = (down..10).filter(|id| ejections.until(*id, now).is_none()).count();
        Census { available, members: 10 }
    };
    for id in down..down + failing {
        let Census { available, members } = census(&ejections);
        let _spared = ejections.eject(id, now, Group { members, available });
    }
    (ejections.count(now), plan(Policy { enough: 0, panic }, &[census(&ejections)]))
}

#[test]
fn the_ejection_cap_and_the_panic_threshold() {
    const USE: Plan = Plan::Use(0);
    const PANIC: Plan = Plan::Panic(0);
    for (down, failing, expected) in [
        (0, 10, [(5, USE), (5, USE), (5, PANIC)]),
        (6, 0, [(0, USE), (0, PANIC), (0, PANIC)]),
        (6, 1, [(1, USE), (1, PANIC), (1, PANIC)]),
        (9, 1, [(0, USE), (0, PANIC), (0, PANIC)]),
        (10, 0, [(0, PANIC), (0, PANIC), (0, PANIC)]),
    ] {
        for (panic, expected) in [0, 50, 60].into_iter().zip(expected) {
            let found = outcome(50, panic, down, failing);
            assert_eq!(found, expected, "{down} down, {failing} failing, panic below {panic} %");
        }
    }
}

/// The rule of the page: a cap of at most 100 % minus the threshold, and ejections alone never cause a panic.
#[test]
fn ejections_alone_cause_no_panic_within_the_rule() {
    for cap in 0..=100 {
        for failing in 0..=10 {
            assert_eq!(
                outcome(cap, 100 - cap.max(10), 0, failing).1,
                Plan::Use(0),
                "{cap} %, {failing} fail"
            );
        }
        // Beyond it they do: of ten, a step is ten percent.
        if (20..=80).contains(&cap) && cap % 10 == 0 {
            assert_eq!(outcome(cap, 100 - cap + 10, 0, 10).1, Plan::Panic(0), "{cap} %");
        }
    }
}
