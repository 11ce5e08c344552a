//! The pickers that go by a key: shares, movement, who chooses alike, bounds, and tables that are written down.

use super::*;

const KEYS: u64 = 20_000;

/// Runs `check` with a picker of each kind that goes by a key.
macro_rules! each_keyed {
    ($seed:expr, $bound:expr, $check:expr) => {{
        let (seed, bound): (u64, Option<Bound>) = ($seed, $bound);
        $check("rendezvous", Rendezvous::with(seed, bound));
        $check("ring", Ring::new(seed, bound));
        $check("maglev", Maglev::new(seed, bound));
    }};
}

/// The endpoint of each key.
fn homes(picker: impl Picker, servers: &[Server]) -> Vec<&'static str> {
    let picker = told(picker, servers);
    let now = Instant::now();
    let home = |key: u64| {
        let ask = Ask { key: key_of(&key.to_be_bytes()), ..Ask::any(now) };
        servers[choice(&picker, servers, &ask)].name
    };
    (0..KEYS).map(home).collect()
}

/// The part of the keys whose endpoint is another.
fn moved(before: &[&str], after: &[&str]) -> f64 {
    before.iter().zip(after).filter(|(a, b)| a != b).count() as f64 / before.len() as f64
}

#[test]
fn each_gets_its_weight() {
    for weights in [&[1, 1, 1, 1][..], &[1, 2, 3, 4], &[10, 0, 1], &[1], &[100, 100, 50]] {
        let sum: u32 = weights.iter().sum();
        let check = |name: &str, picker: &dyn Fn() -> Vec<u64>| {
            let weighty = weights.iter().filter(|weight| **weight > 0).count() as f64;
            for (count, weight) in picker().into_iter().zip(weights) {
                let part = f64::from(*weight) / f64::from(sum);
                let share = KEYS as f64 * part;
                // The share of n points on a ring is even to about 1/sqrt(n).
                let points = weighty * f64::from(RING_POINTS) * part;
                let within = if name == "ring" { 3.5 / points.max(1.0).sqrt() } else { 0.05 };
                let spread = share * within + 40.0;
                assert!((count as f64 - share).abs() < spread, "{name} of {weights:?}: {count}, not {share}");
                assert_eq!(count > 0, *weight > 0, "{name} of {weights:?}");
            }
        };
        let servers = weighted(weights);
        each_keyed!(1, None, |name, picker| check(name, &|| counts(Clone::clone(&picker), &servers, KEYS)));
    }
}

#[test]
fn among_many_the_shares_are_as_even_as_is_said() {
    // The standard deviation of the shares, as a part of the mean, of exact tables: without the noise of some keys.
    let servers = named(100);
    let now = Instant::now();
    let spread = |picker: &dyn Fn(u64) -> usize| {
        let mut counts = vec![0.0; servers.len()];
        for key in 0..200_000 {
            counts[picker(key)] += 1.0;
        }
        let mean = 2_000.0;
        (counts.iter().map(|count: &f64| (count - mean).powi(2)).sum::<f64>() / 100.0).sqrt() / mean
    };
    let noise = 1.0 / 2_000_f64.sqrt();
    let (ring, maglev) = (told(Ring::new(7, None), &servers), told(Maglev::new(7, None), &servers));
    let place = |picker: &dyn Fn(&Ask<'_>) -> usize, key: u64| picker(&Ask { key, ..Ask::any(now) });
    let ring = spread(&|key| place(&|ask| choice(&ring, &servers, ask), key));
    let maglev = spread(&|key| place(&|ask| choice(&maglev, &servers, ask), key));
    println!("spread of 100 endpoints: ring {ring:.4}, maglev {maglev:.4}, of which noise {noise:.4}");
    assert!((0.05..0.12).contains(&ring), "{ring}");
    assert!(maglev < noise * 1.4, "{maglev}");
}

/// The law: when one of n goes, its keys move, which are 1/n of all, and few others or none; when one comes, likewise.
#[test]
fn one_that_comes_or_goes_moves_its_own_share() {
    for count in [2, 3, 10, 30, 100] {
        let all = named(count);
        let share = 1.0 / count as f64;
        let mut all_homes = Vec::new();
        each_keyed!(3, None, |_, picker| all_homes.push(homes(picker, &all)));
        for gone in [0, count / 2, count - 1] {
            let mut rest = all.clone();
            let gone = rest.remove(gone).name;
            let mut befores = all_homes.iter();
            let mut check = |name: &str, after: Vec<&str>| {
                let before = befores.next().expect("the same pickers");
                let part = moved(before, &after);
                let others = before.iter().zip(&after).filter(|(a, b)| a != b && **a != gone).count();
                println!(
                    "{name}: {:.2} % of the keys move when one of {count} goes or comes (1/n is {:.2} %)",
                    part * 100.0,
                    share * 100.0
                );
                // Shares of a ring differ by some 8 % from each other.
                let most = share * if name == "ring" { 1.35 } else { 1.1 } + 0.02;
                assert!(part < most, "{name}: {part} of the keys moved when one of {count} went");
                let most_others = if name == "maglev" { KEYS as f64 * 0.01 } else { 0.0 };
                assert!(
                    others as f64 <= most_others,
                    "{name}: {others} keys moved that were not at the one of {count} that went"
                );
            };
            each_keyed!(3, None, |name, picker| check(name, homes(picker, &rest)));
        }
    }
}

#[test]
fn a_weight_that_changes_moves_about_what_it_must() {
    let before = weighted(&[4; 10]);
    for (weight, must) in [(8, 8.0 / 44.0 - 4.0 / 40.0), (1, 4.0 / 40.0 - 1.0 / 37.0), (0, 0.1)] {
        let mut after = before.clone();
        after[3].weight = weight;
        let check = |name: &str, before: Vec<&str>, after: Vec<&str>| {
            let part = moved(&before, &after);
            assert!(part < must * 1.3 + 0.05, "{name}: {part} moved, {must} had to");
        };
        each_keyed!(3, None, |name, picker| check(
            name,
            homes(Clone::clone(&picker), &before),
            homes(picker, &after)
        ));
    }
}

#[test]
fn the_order_of_the_list_does_not_matter() {
    let mut servers = weighted(&[1, 2, 3, 1, 1, 7]);
    let mut other = servers.clone();
    fastrand::Rng::with_seed(4).shuffle(&mut other);
    servers.rotate_left(1);
    let check = |name: &str, one: Vec<&str>, two: Vec<&str>| assert_eq!(one, two, "{name}");
    each_keyed!(9, None, |name, picker| check(
        name,
        homes(Clone::clone(&picker), &servers),
        homes(picker, &other)
    ));
}

#[test]
fn another_seed_is_another_table() {
    let servers = named(10);
    let check = |name: &str, one: Vec<&str>, two: Vec<&str>| {
        let part = moved(&one, &two);
        assert!((0.85..0.95).contains(&part), "{name}: {part}");
    };
    let mut first = Vec::new();
    each_keyed!(1, None, |_, picker| first.push(homes(picker, &servers)));
    let mut first = first.into_iter();
    each_keyed!(2, None, |name, picker| check(
        name,
        first.next().expect("the same pickers"),
        homes(picker, &servers)
    ));
}

/// To be down is to move one's own keys and no others, evenly; to come back is to have them again.
#[test]
fn those_who_are_down_are_passed_over() {
    let servers = named(6);
    let mut down = servers.clone();
    down[2].state = State::Idle;
    let check = |name: &str, before: Vec<&str>, after: Vec<&str>| {
        let gone = servers[2].name;
        assert!(before.iter().zip(&after).all(|(a, b)| *b != gone && (a == b || *a == gone)), "{name}");
        let orphans = before.iter().filter(|home| **home == gone).count() as f64;
        for server in servers.iter().filter(|server| server.name != gone) {
            let taken =
                before.iter().zip(&after).filter(|(a, b)| **a == gone && **b == server.name).count() as f64;
            let share = orphans / 5.0;
            let within = if name == "ring" { 0.45 } else { 0.2 };
            assert!(
                (taken - share).abs() < share * within,
                "{name}: {taken} of {orphans} to {}",
                server.name
            );
        }
    };
    each_keyed!(5, None, |name, picker| check(
        name,
        homes(Clone::clone(&picker), &servers),
        homes(picker, &down)
    ));
}

#[test]
fn the_one_that_lives_among_many_is_found() {
    let mut servers = named(1_000);
    for server in &mut servers {
        server.state = State::Draining;
    }
    servers[777].state = State::Ready;
    let now = Instant::now();
    let check = |name: &str, picker: &dyn Fn(&Ask<'_>) -> usize| {
        assert!((0..50).all(|key| picker(&Ask { key, ..Ask::any(now) }) == 777), "{name}");
    };
    each_keyed!(5, None, |name, picker| {
        let picker = told(picker, &servers);
        check(name, &|ask| choice(&picker, &servers, ask));
    });
}

/// While one starts slowly it has a part of its keys, each of which comes to it once and stays.
#[test]
fn keys_come_to_one_that_starts_slowly_and_stay() {
    let mut servers = named(5);
    let home = servers[1].name;
    each_keyed!(5, None, |name, picker| {
        servers[1].warmth = 1.0;
        let warm = homes(Clone::clone(&picker), &servers);
        let all = warm.iter().filter(|at| **at == home).count() as f64;
        let mut last: Option<Vec<&str>> = None;
        for percent in [10, 30, 50, 90] {
            servers[1].warmth = f64::from(percent) / 100.0;
            let now = homes(Clone::clone(&picker), &servers);
            let part = now.iter().filter(|at| **at == home).count() as f64 / all;
            // Of a rendezvous the weight is less; of the others, so many keys are declined.
            let expected = match (name, f64::from(percent) / 100.0) {
                ("rendezvous", warmth) => warmth / (4.0 + warmth) * 5.0,
                (_, warmth) => warmth,
            };
            assert!((part - expected).abs() < 0.05, "{name} at {percent} %: {part}, not {expected}");
            assert!(now.iter().zip(&warm).all(|(a, b)| a == b || *b == home), "{name}: others move");
            if let Some(last) = &last {
                assert!(
                    last.iter().zip(&now).all(|(a, b)| *a != home || *b == home),
                    "{name}: a key left again"
                );
            }
            last = Some(now);
        }
    });
}

#[test]
fn a_hot_key_spills_over_and_never_above_the_bound() {
    let now = Instant::now();
    let hot = Ask { key: key_of(b"hot"), ..Ask::any(now) };
    for weights in [&[1_u32; 5][..], &[1, 2, 3, 4, 5]] {
        let servers = weighted(weights);
        let sum: u32 = weights.iter().sum();
        for percent in [0, 100, 125, 200, 500] {
            for counted in [false, true] {
                each_keyed!(3, Some(Bound::new(percent)), |name, picker| {
                    let picker = told(picker, &servers);
                    servers.iter().for_each(|server| server.outstanding.set(0));
                    for calls in 1..=500_u64 {
                        let total = Total { calls: calls - 1, weight: u64::from(sum) };
                        let place =
                            choice(&picker, &servers, &Ask { total: counted.then_some(total), ..hot });
                        servers[place].outstanding.set(servers[place].outstanding() + 1);
                        for server in &servers {
                            let most = (calls * u64::from(percent.max(100)) * u64::from(server.weight))
                                .div_ceil(u64::from(sum) * 100);
                            assert!(server.outstanding() as u64 <= most, "{name} {percent} %, {calls} calls");
                        }
                    }
                });
            }
        }
    }
    // Where no key is hot the bound changes nothing.
    let servers = named(5);
    servers.iter().for_each(|server| server.outstanding.set(10));
    let mut free = Vec::new();
    each_keyed!(3, None, |_, picker| free.push(choice(&told(picker, &servers), &servers, &hot)));
    let mut bound = Vec::new();
    each_keyed!(3, Some(Bound::new(125)), |_, picker| bound.push(choice(
        &told(picker, &servers),
        &servers,
        &hot
    )));
    assert_eq!(free, bound);
}

#[test]
fn a_bound_holds_among_those_that_are_up() {
    let mut servers = named(10);
    (0..8).for_each(|place| servers[place].state = State::Idle);
    let hot = Ask { key: key_of(b"hot"), ..Ask::any(Instant::now()) };
    each_keyed!(3, Some(Bound::new(125)), |name, picker| {
        let picker = told(picker, &servers);
        servers.iter().for_each(|server| server.outstanding.set(0));
        for calls in 1..=100_usize {
            let place = choice(&picker, &servers, &hot);
            servers[place].outstanding.set(servers[place].outstanding() + 1);
            let most = (calls * 125).div_ceil(200);
            assert!(servers.iter().all(|server| server.outstanding() <= most), "{name}, {calls} calls");
        }
    });
}

/// Written down, so that balancers of different versions choose alike.
#[test]
fn choices_stay_what_they_are() {
    let servers = weighted(&[1, 2, 3, 4, 5]);
    let now = Instant::now();
    let mut found = Vec::new();
    each_keyed!(42, None, |name, picker| {
        let picker = told(picker, &servers);
        let letter = |key: u64| {
            let ask = Ask { key: key_of(&key.to_be_bytes()), ..Ask::any(now) };
            char::from(b'a' + choice(&picker, &servers, &ask) as u8)
        };
        found.push((name, (0..40).map(letter).collect::<String>()));
    });
    let expected = [
        ("rendezvous", "bedeedcccbdedcddeacbceeecedcbedbabceecad"),
        ("ring", "ebdbedeeebdecceaecceeccdedecbcdedceecbee"),
        ("maglev", "cbbdedcdccdeeeebcdeceeeddaecccdbebdeadee"),
    ];
    assert_eq!(found, expected.map(|(name, places)| (name, places.to_owned())));
}
