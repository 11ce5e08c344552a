//! Who is in the table, and who is not.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::*;

const OWN: Sha1 = Sha1([0; 20]);
const PUBLIC: Scope = Scope { local: false, enforce: false };
const PRIVATE: Scope = Scope { local: true, enforce: false };

/// A node that shares so many bits with us, at an address of its own network.
fn node(number: u32, bits: usize) -> Contact {
    let ip = IpAddr::from(Ipv4Addr::from(0x0b00_0000 + number * 256));
    Contact { id: id::sharing(OWN, bits, Sha1::of(&number.to_be_bytes())), addr: (ip, 6881).into() }
}

fn table(now: Instant) -> Table {
    Table::new(OWN, PUBLIC, now)
}

fn contacts(table: &Table) -> Vec<Contact> {
    table.nodes().map(|node| node.contact).collect()
}

#[test]
fn the_bucket_with_our_id_is_split() {
    let now = Instant::now();
    let mut table = table(now);
    for number in 0..1000 {
        table.answered(now, node(number, number as usize % 20));
        // Buckets have their ranges, and eight nodes.
        for (bits, bucket) in table.buckets.iter().enumerate() {
            assert!(bucket.nodes.len() <= K);
            let is_last = bits + 1 == table.buckets.len();
            for node in &bucket.nodes {
                let shared = id::shared_bits(OWN, node.contact.id);
                assert!(shared == bits || is_last && shared > bits);
            }
        }
    }
    assert_eq!(table.len(now), 20 * K);
    assert!(contacts(&table)[..K].iter().all(|contact| id::shared_bits(OWN, contact.id) == 0));
}

#[test]
fn the_closest_are_the_closest_of_all() {
    let now = Instant::now();
    let mut table = table(now);
    let mut random = Random::new(7);
    for number in 0..1000 {
        table.answered(now, node(number, random.below(12) as usize));
    }
    let all = contacts(&table);
    for number in 0..50u8 {
        let target = Sha1::of(&[number]);
        let mut expected = all.clone();
        expected.sort_by_key(|contact| id::distance(contact.id, target));
        expected.truncate(K);
        assert_eq!(table.closest(now, target, Standing::Good), expected);
    }
}

#[test]
fn who_is_there_stays_as_long_as_it_answers() {
    let begun = Instant::now();
    let after = |seconds| begun + Duration::from_secs(seconds);
    let mut table = table(begun);
    (0..8).for_each(|number| table.answered(begun, node(number, 0)));
    // Another bucket, so that the first one is not split any more.
    (8..16).for_each(|number| table.answered(begun, node(number, 1)));
    assert!(!table.queried(begun, node(20, 0)), "there is no place for it");
    table.answered(begun, node(20, 0));
    table.answered(begun, node(21, 0));
    assert!(contacts(&table).iter().all(|contact| *contact != node(20, 0)), "it waits");
    // Nobody is questioned before 15 minutes of silence.
    assert_eq!(table.ping_next(after(899)), None);
    let now = after(900);
    assert_eq!(table.closest(now, OWN, Standing::Good), []);
    assert_eq!(table.closest(now, OWN, Standing::Questionable).len(), K);
    let mut pinged = BTreeSet::new();
    while let Some(contact) = table.ping_next(now) {
        assert!(pinged.insert(contact));
    }
    assert_eq!(pinged.len(), 16);
    // Those that answer are good again; those that fail thrice give their places to who waits, the last one first.
    (1..16).for_each(|number| table.answered(now, node(number, usize::from(number > 7))));
    let failing = node(0, 0);
    for (seconds, failures) in [(900, 1), (930, 2)] {
        table.failed(now, failing.addr);
        assert_eq!(table.closest(now, failing.id, Standing::Questionable)[0], failing, "after {failures}");
        assert_eq!(table.ping_next(after(seconds + 29)), None);
        assert_eq!(table.ping_next(after(seconds + 30)), Some(failing));
    }
    table.failed(now, failing.addr);
    assert!(!contacts(&table).contains(&failing) && contacts(&table).contains(&node(21, 0)));
}

#[test]
fn a_node_that_asks_is_heard() {
    let begun = Instant::now();
    let mut table = table(begun);
    assert!(table.queried(begun, node(1, 0)), "worth a ping");
    assert_eq!(table.len(begun), 0, "but not taken before it has answered");
    table.answered(begun, node(1, 0));
    let later = begun + QUIET - Duration::from_secs(1);
    assert!(!table.queried(later, node(1, 0)), "known");
    assert_eq!(table.good(begun + QUIET).count(), 1);
}

#[test]
fn bad_nodes_without_anybody_to_replace_them_stay_and_are_not_told() {
    let begun = Instant::now();
    let mut table = table(begun);
    table.answered(begun, node(1, 0));
    (0..3).for_each(|_| table.failed(begun, node(1, 0).addr));
    assert_eq!((table.len(begun), table.closest(begun, OWN, Standing::Questionable)), (0, vec![]));
    assert_eq!(table.closest(begun, OWN, Standing::Bad), [node(1, 0)], "when there is no other");
    assert_eq!(table.ping_next(begun), Some(node(1, 0)));
    assert_eq!(table.ping_next(begun + AGAIN), None, "not so often any more");
    assert_eq!(table.ping_next(begun + QUIET), Some(node(1, 0)));
    table.answered(begun + QUIET, node(1, 0));
    assert_eq!(table.good(begun + QUIET).count(), 1);
}

#[test]
fn an_address_has_one_node_and_a_network_one_in_a_bucket() {
    let now = Instant::now();
    let mut table = table(now);
    let at = |text: &str, number, bits| Contact { addr: text.parse().unwrap(), ..node(number, bits) };
    let first = at("1.2.3.4:1", 1, 0);
    table.answered(now, first);
    // Other ports of an address, and other addresses of its network.
    for (text, number, bits) in [("1.2.3.4:2", 2, 3), ("1.2.3.4:9", 3, 0), ("1.2.3.5:1", 4, 0)] {
        table.answered(now, at(text, number, bits));
        assert_eq!(contacts(&table), [first], "{text}");
    }
    assert!(!table.queried(now, at("1.2.3.4:2", 2, 3)));
    // The same id elsewhere is somebody who steals it.
    table.answered(now, Contact { addr: "9.9.9.9:1".parse().unwrap(), ..first });
    assert_eq!(contacts(&table), [first]);
    // Another id at the same place is the same node, which has started anew.
    let renamed = at("1.2.3.4:1", 5, 2);
    table.answered(now, renamed);
    assert_eq!(contacts(&table), [renamed]);
    // A bad node makes place for its neighbours.
    (0..3).for_each(|_| table.failed(now, renamed.addr));
    let neighbour = at("1.2.3.4:7", 6, 1);
    table.answered(now, neighbour);
    assert_eq!(contacts(&table), [neighbour]);
    // IPv6: a /64 is an address.
    let mut table = Table::new(OWN, PUBLIC, now);
    table.answered(now, at("[2a00:1:2:3::1]:1", 1, 0));
    table.answered(now, at("[2a00:1:2:3::2]:1", 2, 1));
    table.answered(now, at("[2a00:1:2:4::2]:1", 3, 0));
    assert_eq!(table.len(now), 1);
    // Where all nodes are of one network, there is no such limit.
    let mut table = Table::new(OWN, PRIVATE, now);
    (1..=8).for_each(|port| {
        table.answered(now, Contact { addr: ([127, 0, 0, 1], port).into(), ..node(port.into(), 0) });
    });
    assert_eq!(table.len(now), 8);
}

#[test]
fn who_is_not_taken() {
    let now = Instant::now();
    let mut table = table(now);
    for text in ["10.0.0.1:1", "127.0.0.1:1", "1.2.3.4:0", "[fe80::1]:1", "224.0.0.1:1", "0.0.0.0:1"] {
        let contact = Contact { addr: text.parse().unwrap(), ..node(1, 0) };
        assert!(!table.queried(now, contact), "{text}");
        table.answered(now, contact);
    }
    table.answered(now, Contact { id: OWN, ..node(1, 0) });
    assert_eq!(contacts(&table), []);
}

#[test]
fn ids_of_addresses_go_first() {
    let now = Instant::now();
    let fitting = |number: u32| {
        let contact = node(number, 0);
        // One of the eight ids that an address may have is far enough from ours.
        let ids = (0..8).map(|last| {
            let mut random = contact.id;
            random.0[19] = last;
            id::of_address(contact.addr.ip(), random)
        });
        let id = ids.into_iter().find(|id| id.0[0] >= 0x80)?;
        Some(Contact { id, ..contact })
    };
    let fitting: Vec<Contact> = (100..200).filter_map(fitting).take(12).collect();
    let mut table = table(now);
    (0..16).for_each(|number| table.answered(now, node(number, usize::from(number > 7))));
    fitting.iter().for_each(|contact| table.answered(now, *contact));
    assert_eq!(contacts(&table)[..K], fitting[..K], "they have the places of the others, and then wait, too");
    // Where it is enforced, there are no others.
    let mut table = Table::new(OWN, Scope { enforce: true, ..PUBLIC }, now);
    (0..16).for_each(|number| table.answered(now, node(number, 0)));
    fitting[..3].iter().for_each(|contact| table.answered(now, *contact));
    assert_eq!(contacts(&table), fitting[..3]);
}

#[test]
fn buckets_in_which_nothing_changes_are_refreshed() {
    let begun = Instant::now();
    let mut table = table(begun);
    (0..200).for_each(|number| table.answered(begun, node(number, number as usize % 5)));
    let buckets = table.buckets.len();
    let random = &mut Random::new(5);
    assert_eq!(table.refresh_next(begun + QUIET - Duration::from_secs(1), random), None);
    let now = begun + QUIET;
    table.looked_up(now, node(1000, 2).id);
    let mut shared: Vec<usize> = Vec::new();
    while let Some(target) = table.refresh_next(now, random) {
        shared.push(id::shared_bits(OWN, target));
    }
    let expected: Vec<usize> = (0..buckets - 1).filter(|bits| *bits != 2).chain([BITS - 1]).collect();
    assert_eq!(shared, expected, "all but the one in which was looked");
}

#[test]
fn another_id_is_another_table() {
    let now = Instant::now();
    let mut table = table(now);
    (0..100).for_each(|number| table.answered(now, node(number, number as usize % 5)));
    let before: BTreeSet<Contact> = contacts(&table).into_iter().collect();
    let own = node(3, 3).id;
    table.rename(now, own);
    assert_eq!(table.own(), own);
    let after = contacts(&table);
    assert!(
        after.iter().all(|contact| before.contains(contact) && contact.id != own) && after.len() >= 2 * K
    );
}

/// Whatever is told of whatever nodes, what has to be true stays true.
#[test]
fn anything_may_be_told() {
    let begun = Instant::now();
    for seed in 0..6 {
        let mut random = Random::new(seed);
        let mut table = Table::new(OWN, PUBLIC, begun);
        let mut now = begun;
        for _ in 0..300 {
            now += Duration::from_secs(random.below(40).into());
            let number = random.below(60);
            let contact = node(number, number as usize % 7);
            match random.below(6) {
                0..3 => table.answered(now, contact),
                3 => table.failed(now, contact.addr),
                4 => drop(table.queried(now, contact)),
                _ => drop(table.ping_next(now)),
            }
            let all = contacts(&table);
            let addresses: BTreeSet<_> = all.iter().map(|contact| contact.addr.ip()).collect();
            let ids: BTreeSet<_> = all.iter().map(|contact| contact.id).collect();
            assert_eq!((addresses.len(), ids.len()), (all.len(), all.len()));
            assert!(table.buckets.iter().all(|bucket| bucket.nodes.len() <= K));
        }
    }
}
