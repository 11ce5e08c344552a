//! What it costs to choose an endpoint, among one, ten and a thousand that are all well.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use divan::{Bencher, black_box};
use wireworks::net::resilience::pick::{Algorithm, Ask, Choice, Endpoint, Picker, Setup, State, key_of};

const COUNTS: [usize; 3] = [1, 10, 1_000];

/// An endpoint as a balancer has it: a line of the cache with what a choice looks at.
#[repr(align(64))]
struct Backend {
    key: u64,
    outstanding: AtomicUsize,
}

impl Endpoint for Backend {
    fn state(&self, _: Instant) -> State {
        State::Ready
    }
    fn key(&self) -> u64 {
        self.key
    }
    fn outstanding(&self) -> usize {
        self.outstanding.load(Ordering::Relaxed)
    }
}

fn choose(bencher: Bencher<'_, '_>, algorithm: Algorithm, count: usize) {
    let backend =
        |number: usize| Backend { key: key_of(&number.to_le_bytes()), outstanding: AtomicUsize::new(0) };
    let backends: Vec<_> = (0..count).map(backend).collect();
    let mut picker = algorithm.picker(Setup { chance: 1, seed: 1, bound: None });
    picker.update(&backends);
    let ask = Ask::any(Instant::now());
    let mut key = 0_u64;
    bencher.bench_local(|| {
        key = key.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let choice = picker.pick(&backends, black_box(&Ask { key, ..ask }));
        matches!(choice, Choice::Use(_))
    });
}

#[divan::bench(args = COUNTS)]
fn round_robin(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::RoundRobin, count);
}

#[divan::bench(args = COUNTS)]
fn random(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::Random, count);
}

#[divan::bench(args = COUNTS)]
fn least(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::Least, count);
}

#[divan::bench(args = COUNTS)]
fn p2c(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::P2c, count);
}

#[divan::bench(args = COUNTS)]
fn ring(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::Ring, count);
}

#[divan::bench(args = COUNTS)]
fn maglev(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::Maglev, count);
}

#[divan::bench(args = COUNTS)]
fn rendezvous(bencher: Bencher<'_, '_>, count: usize) {
    choose(bencher, Algorithm::Rendezvous, count);
}
