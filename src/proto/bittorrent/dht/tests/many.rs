//! Hundreds of nodes find what was announced, though datagrams are lost and nodes come and go.

use super::network::{Net, address, v4};
use super::*;

/// A network of so many nodes, which come one after the other and each begin at one that was there.
fn grown(nodes: u32, seed: u64) -> Net {
    let mut net = Net::new(seed);
    net.loss = 3;
    for number in 0..nodes {
        let router = (number > 0).then(|| address(number * 13 % number.min(20)));
        net.join(number, v4(), router);
        if number % 4 == 0 {
            net.run(1);
        }
    }
    net.run(20);
    net
}

fn torrent(number: u32) -> Sha1 {
    Sha1::of(&[b"torrent".as_slice(), &number.to_be_bytes()].concat())
}

#[test]
fn what_is_announced_is_found() {
    let mut net = grown(240, 1);
    let sizes: Vec<usize> = net.nodes.values().map(|dht| dht.nodes(net.now, Family::V4)).collect();
    assert!(sizes.iter().all(|size| *size >= 8), "everybody knows some: {sizes:?}");
    assert!(net.nodes.iter().all(|(at, dht)| id::fits(dht.id(Family::V4).unwrap(), at.ip())));
    // Ten torrents of three peers each.
    let peer = |number: u32| address(number * 7 % 240);
    for number in 0..30 {
        net.with(peer(number), |dht, now| {
            dht.announce(
                now,
                torrent(number % 10),
                Announce { port: 7000, implied_port: false, seed: number < 10 },
            );
        });
    }
    net.run(15);
    let announced: Vec<usize> = net
        .events
        .iter()
        .filter_map(|(_, event)| if let Event::Announced { nodes, .. } = event { Some(*nodes) } else { None })
        .collect();
    assert!(announced.len() == 30 && announced.iter().all(|nodes| *nodes >= 5), "{announced:?}");
    // A third of the nodes leaves, others come; who announced stays.
    let stays: BTreeSet<SocketAddr> = (0..30).map(peer).chain((0..20).map(address)).collect();
    let leaving = (0..240).map(address).filter(|at| !stays.contains(at)).take(72);
    for (at, number) in leaving.collect::<Vec<_>>().into_iter().zip(240..) {
        net.leave(at);
        if number < 260 {
            net.join(number, v4(), Some(address(number % 20)));
        }
    }
    net.run(20);
    let before = net.sent.0;
    for number in 0..10 {
        net.with(address(240 + number), |dht, now| {
            dht.search(now, torrent(number), SearchOptions { scrape: true, noseed: false });
        });
    }
    net.run(15);
    for number in 0..10 {
        let seeker = address(240 + number);
        let found = net.found(seeker, torrent(number));
        let all = (0..3).map(|step| SocketAddr::new(peer(number + step * 10).ip(), 7000)).collect();
        assert_eq!(found, all, "torrent {number}");
        let scrape = net.events.iter().find_map(|(at, event)| match event {
            Event::Searched { scrape, .. } if *at == seeker => *scrape,
            _ => None,
        });
        let scrape = scrape.unwrap();
        assert_eq!((scrape.seeds.round(), scrape.peers.round()), (1.0, 2.0));
    }
    let each = (net.sent.0 - before) / 10;
    assert!(each < 200, "{each} datagrams a search, with their answers and all else");
}

#[test]
fn liars_beside_a_torrent_do_not_hide_it() {
    let mut net = Net::new(5);
    for number in 0..48 {
        net.join(number, v4(), (number > 0).then(|| address(number % number.min(10))));
        net.run(u64::from(number % 4 == 0));
    }
    net.run(10);
    // Two dozen sit beside the torrent, by ids that they have chosen, and keep no peer.
    let liars: Vec<SocketAddr> = (1000..1024).map(address).collect();
    for (at, number) in liars.iter().zip(0u8..) {
        let mut id = HASH;
        id.0[19] ^= number + 1;
        let others = liars.iter().zip(0u8..).map(|(addr, other)| {
            let mut id = HASH;
            id.0[19] ^= other + 1;
            Contact { id, addr: *addr }
        });
        let saved = Saved { families: [(Family::V4, (id, others.collect()))].into() };
        let mut settings = v4();
        settings.limits.store.per_source = 0;
        let mut liar = Dht::new(settings, saved, net.now, seed(9000 + u32::from(number)));
        // It knows its address, and keeps its id nevertheless.
        liar.networks.get_mut(&Family::V4).unwrap().votes.decide(at.ip());
        liar.bootstrap(net.now, [address(u32::from(number))]);
        net.nodes.insert(*at, liar);
        net.with(*at, |dht, now| dht.search(now, HASH, SearchOptions::default()));
    }
    net.run(10);
    let owner = address(33);
    net.with(owner, |dht, now| {
        dht.announce(now, HASH, Announce { port: 7000, implied_port: false, seed: false });
    });
    net.run(10);
    for seeker in [40, 44, 47].map(address) {
        net.with(seeker, |dht, now| dht.search(now, HASH, SearchOptions::default()));
        net.run(10);
        assert_eq!(net.found(seeker, HASH), [SocketAddr::new(owner.ip(), 7000)].into());
    }
}

#[test]
fn two_nodes_of_a_private_network_are_enough() {
    let settings = || Settings { local: true, ..v4() };
    let mut net = Net::new(9);
    let (a, b) = (addr("10.99.0.1:6881"), addr("10.99.0.2:6881"));
    for (at, router, number) in [(a, None, 1), (b, Some(a), 2)] {
        let mut dht = Dht::new(settings(), Saved::default(), net.now, seed(number));
        dht.bootstrap(net.now, router);
        net.nodes.insert(at, dht);
        net.with(at, |_, _| {});
    }
    net.with(a, |dht, now| dht.announce(now, HASH, Announce { port: 7, implied_port: false, seed: false }));
    // It has been announced in vain, and is so again after a minute.
    net.run(70);
    net.with(b, |dht, now| dht.search(now, HASH, SearchOptions::default()));
    net.run(5);
    assert_eq!(net.found(b, HASH), [SocketAddr::new(a.ip(), 7)].into());
    // An hour later it is found still; an hour after its end, it is not.
    net.run(3600);
    net.events.clear();
    net.with(b, |dht, now| dht.search(now, HASH, SearchOptions::default()));
    net.run(5);
    assert_eq!(net.found(b, HASH).len(), 1);
    net.with(a, |dht, _| dht.stop(HASH));
    net.run(3600);
    net.events.clear();
    net.with(b, |dht, now| dht.search(now, HASH, SearchOptions::default()));
    net.run(5);
    assert_eq!(net.found(b, HASH).len(), 0);
    let idle = net.sent.0;
    net.run(3600);
    assert!(net.sent.0 - idle < 200, "{} datagrams an hour", net.sent.0 - idle);
}

#[test]
fn many_torrents_among_few_nodes_are_announced_at_a_pace_that_they_bear() {
    let mut net = Net::new(4);
    for number in 0..4 {
        net.join(number, v4(), (number > 0).then(|| address(0)));
    }
    net.run(15);
    net.events.clear();
    net.with(address(3), |dht, now| {
        (0..60).for_each(|number| {
            dht.announce(now, torrent(number), Announce { port: 1, implied_port: false, seed: true });
        });
    });
    net.run(70);
    let own = address(3).ip();
    assert!(net.nodes.values().all(|dht| !dht.sources.is_blocked(net.now, own)));
    let taken = |(_, event): &&(SocketAddr, Event)| matches!(event, Event::Announced { nodes: 3, .. });
    assert_eq!(net.events.iter().filter(taken).count(), 60);
    assert!((0..3).all(|number| net.nodes[&address(number)].stored() == (60, 60)));
}
