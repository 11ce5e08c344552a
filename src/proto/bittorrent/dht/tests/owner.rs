//! What the owner of a node wants, and gets.

use super::*;

const ROUTER: Sha1 = Sha1(*b"abcdefghij0123456789");

fn settings(family: Family) -> Settings {
    Settings { families: [family].into(), ..Settings::default() }
}

fn lone(now: Instant) -> Dht {
    Dht::new(settings(Family::V4), Saved::default(), now, seed(1))
}

/// Methods that are asked, and by whom they are answered: by anybody, who knows nobody.
fn asked(dht: &mut Dht, now: Instant) -> Vec<(SocketAddr, Query)> {
    let mut asked = Vec::new();
    converse(dht, now, |to, query| {
        asked.push((to, query.clone()));
        let nodes = Some((0..8).map(contact).collect());
        let id = (0..8).map(contact).find(|contact| contact.addr == to).map_or(ROUTER, |contact| contact.id);
        Some(Answer { nodes, token: b"give".to_vec(), ..Answer::new(id) })
    });
    asked
}

#[test]
fn the_beginning() {
    let now = Instant::now();
    let mut dht = lone(now);
    dht.poll(now);
    assert_eq!(sent(&mut dht), [], "there is nobody to ask");
    dht.bootstrap(now, [addr("1.2.3.4:1")]);
    assert!(dht.deadline() <= now);
    dht.poll(now);
    let own = dht.id(Family::V4).unwrap();
    let asked = asked(&mut dht, now);
    assert_eq!(asked[0].0, addr("1.2.3.4:1"));
    assert!(
        asked
            .iter()
            .all(|(_, query)| query.method == Method::FindNode { target: own } && query.want.is_none())
    );
    assert_eq!(asked.len(), 9, "it, and those that it knows");
    assert_eq!(events(&mut dht), [Event::Bootstrapped { family: Family::V4, nodes: 9 }]);
    assert_eq!(dht.nodes(now, Family::V4), 9);
}

#[test]
fn without_an_answer_it_begins_again_less_and_less_often() {
    let begun = Instant::now();
    let mut dht = lone(begun);
    dht.bootstrap(begun, [addr("1.2.3.4:1")]);
    let mut asked = Vec::new();
    let mut now = begun;
    while now < begun + Duration::from_secs(1000) {
        dht.poll(now);
        sent(&mut dht).iter().for_each(|_| asked.push((now - begun).as_secs()));
        assert!(dht.deadline() > now, "time goes on");
        now = dht.deadline();
    }
    // Five seconds after the first one was given up, then ten, and so on.
    assert_eq!(asked, [0, 9, 23, 47, 91, 175, 339, 643, 947]);
    let alone = Event::Bootstrapped { family: Family::V4, nodes: 0 };
    assert!(events(&mut dht).iter().all(|event| *event == alone));
    // A datagram that proves that somebody is there ends the wait.
    dht.add_node(now, addr("1.2.3.4:1"));
    assert!(!self::asked(&mut dht, now).is_empty() && dht.deadline() <= now);
}

#[test]
fn peers_are_found_and_we_are_announced() {
    let now = Instant::now();
    let mut dht = lone(now);
    acquaint(&mut dht, now, (0..100).map(contact));
    dht.announce(now, HASH, Announce { port: 6881, implied_port: false, seed: true });
    let mut announced = Vec::new();
    let peer = addr("5.6.7.8:9");
    dht.poll(now);
    converse(&mut dht, now, |to, query| {
        let contact = (0..100).map(contact).find(|contact| contact.addr == to).unwrap();
        match query.method {
            Method::GetPeers { info_hash, noseed, scrape } => {
                assert_eq!((info_hash, noseed, scrape), (HASH, true, false));
                let token = contact.id.0[..4].to_vec();
                let nodes = Some((0..8).map(super::contact).collect());
                Some(Answer { nodes, token, values: vec![peer], ..Answer::new(contact.id) })
            }
            Method::AnnouncePeer { info_hash, port, implied_port, seed } => {
                assert_eq!((info_hash, port, implied_port, seed), (HASH, 6881, false, true));
                assert_eq!(query.token, contact.id.0[..4], "the token that it gave");
                announced.push(contact.id);
                (announced.len() > 1).then(|| Answer::new(contact.id))
            }
            _ => panic!("{query:?}"),
        }
    });
    let mut closest: Vec<Sha1> = (0..100).map(|number| contact(number).id).collect();
    closest.sort_by_key(|id| id::distance(*id, HASH));
    let known = dht.networks[&Family::V4].table.closest(now, HASH, super::super::table::Standing::Good);
    assert_eq!(announced[0], known[0].id);
    assert_eq!(announced.len(), 8);
    let now = now + Duration::from_secs(5);
    dht.poll(now);
    let told = events(&mut dht);
    assert_eq!(told[0], Event::Peers { info_hash: HASH, peers: vec![peer] });
    assert!(
        matches!(told[1], Event::Searched { info_hash: HASH, peers: 1, scrape: None, nodes: 8.. }),
        "{told:?}"
    );
    assert_eq!(told[2..], [Event::Announced { info_hash: HASH, nodes: 7 }]);
}

/// All queries of a node in so many seconds, each with its time; all are answered.
fn run(dht: &mut Dht, begun: Instant, seconds: std::ops::Range<u64>) -> Vec<(u64, Query)> {
    let mut all = Vec::new();
    let end = begun + Duration::from_secs(seconds.end);
    let mut now = begun + Duration::from_secs(seconds.start);
    while now < end {
        dht.poll(now);
        let at = (now - begun).as_secs();
        all.extend(asked(dht, now).into_iter().map(|(_, query)| (at, query)));
        now = dht.deadline().max(now + Duration::from_millis(1));
    }
    all
}

fn announces(queries: &[(u64, Query)]) -> Vec<u64> {
    let mut times: Vec<u64> = queries
        .iter()
        .filter(|(_, query)| matches!(query.method, Method::AnnouncePeer { .. }))
        .map(|(at, _)| *at)
        .collect();
    times.dedup();
    times
}

#[test]
fn announces_are_repeated_until_they_are_stopped() {
    let begun = Instant::now();
    let mut dht = lone(begun);
    acquaint(&mut dht, begun, (0..8).map(contact));
    dht.announce(begun, HASH, Announce { port: 1, implied_port: true, seed: false });
    let times = announces(&run(&mut dht, begun, 0..4 * 3600));
    let steps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(steps.len() >= 11 && steps.iter().all(|step| (900..1206).contains(step)), "{steps:?}");
    assert!(steps.iter().collect::<BTreeSet<_>>().len() > 3, "not all at once: {steps:?}");
    // Another port: at once.
    let now = begun + Duration::from_secs(4 * 3600);
    dht.announce(now, HASH, Announce { port: 7, implied_port: false, seed: false });
    let again = run(&mut dht, begun, 4 * 3600..4 * 3600 + 60);
    assert!(again.iter().any(|(_, query)| matches!(query.method, Method::AnnouncePeer { port: 7, .. })));
    dht.stop(HASH);
    assert_eq!(announces(&run(&mut dht, begun, 4 * 3600 + 60..8 * 3600)), [] as [u64; 0]);
    assert_eq!((dht.announces.len(), dht.due.len(), dht.searches.len()), (0, 0, 0));
}

#[test]
fn what_nobody_takes_is_announced_again_soon() {
    let begun = Instant::now();
    let mut dht = lone(begun);
    // Many, without any node: nothing grows, and nothing recurs.
    for number in 0..2000u32 {
        dht.announce(
            begun,
            Sha1::of(&number.to_be_bytes()),
            Announce { port: 1, implied_port: true, seed: false },
        );
    }
    dht.poll(begun);
    let told = events(&mut dht);
    assert_eq!(told.iter().filter(|event| matches!(event, Event::Announced { nodes: 0, .. })).count(), 2000);
    assert!(dht.searches.is_empty() && dht.waiting.is_empty());
    dht.poll(begun + Duration::from_secs(59));
    assert_eq!(events(&mut dht), []);
    dht.poll(begun + Duration::from_secs(60));
    assert_eq!(events(&mut dht).len(), 4000);
}

#[test]
fn searches_wait_for_nodes_and_for_each_other() {
    let now = Instant::now();
    let mut dht = lone(now);
    dht.bootstrap(now, [addr("1.2.3.4:1")]);
    for number in 0..100u32 {
        dht.search(now, Sha1::of(&number.to_be_bytes()), SearchOptions::default());
        dht.search(now, Sha1::of(&number.to_be_bytes()), SearchOptions::default());
    }
    dht.poll(now);
    assert_eq!((dht.waiting.len(), sent(&mut dht).len()), (100, 1), "first a node, and each search once");
    dht.bootstrap(now, [addr("1.2.3.5:1")]);
    dht.time_out(now + Duration::from_secs(10));
    let mut now = now + Duration::from_secs(10);
    dht.poll(now);
    let mut most = 0;
    let mut searched = 0;
    for _ in 0..400 {
        now += Duration::from_millis(250);
        let wanted = dht.searches.values().filter(|search| search.aim.is_wanted()).count();
        most = most.max(wanted);
        asked(&mut dht, now);
        dht.poll(now);
        searched += events(&mut dht).iter().filter(|event| matches!(event, Event::Searched { .. })).count();
    }
    assert_eq!((searched, dht.waiting.len()), (100, 0));
    assert!(most <= 8, "{most}");
}

#[test]
fn there_are_no_more_transactions_than_there_may_be() {
    let now = Instant::now();
    let mut settings = settings(Family::V4);
    settings.limits.transactions = 10;
    let mut dht = Dht::new(settings, Saved::default(), now, seed(1));
    acquaint(&mut dht, now, (0..100).map(contact));
    (0..8u8).for_each(|number| dht.search(now, Sha1([number; 20]), SearchOptions::default()));
    dht.poll(now);
    assert_eq!(sent(&mut dht).len(), 10);
    // All of them end, though none is answered.
    let mut at = now;
    for _ in 0..200 {
        at = dht.deadline();
        dht.poll(at);
        sent(&mut dht);
    }
    let done = events(&mut dht).iter().filter(|event| matches!(event, Event::Searched { .. })).count();
    assert_eq!(done, 8, "after {:?}", at - now);
}

#[test]
fn peers_are_counted() {
    let now = Instant::now();
    let mut dht = lone(now);
    acquaint(&mut dht, now, (0..20).map(contact));
    dht.search(now, HASH, SearchOptions { scrape: true, noseed: false });
    dht.poll(now);
    let mut answers = 0u8;
    converse(&mut dht, now, |to, query| {
        assert!(matches!(query.method, Method::GetPeers { scrape: true, noseed: false, .. }));
        let contact = (0..20).map(contact).find(|contact| contact.addr == to).unwrap();
        let mut filters = super::super::krpc::Filters::default();
        // Each knows twenty, of which the next one knows ten.
        answers += 1;
        (0..20).for_each(|host| filters.peers.insert([20, 0, 0, answers * 10 + host].into()));
        filters.seeds.insert([30, 0, 0, 1].into());
        let nodes = Some((0..8).map(super::contact).collect());
        Some(Answer { scrape: Some(filters), nodes, ..Answer::new(contact.id) })
    });
    let told = events(&mut dht);
    let Some(Event::Searched { scrape: Some(scrape), nodes, .. }) = told.last() else { panic!("{told:?}") };
    let expected = f64::from(*nodes as u32 * 10 + 10);
    assert!(
        (scrape.peers - expected).abs() < 12.0 && (scrape.seeds - 1.0).abs() < 0.1,
        "{scrape:?}, {nodes} nodes"
    );
}

#[test]
fn torrents_are_sampled() {
    let now = Instant::now();
    let mut dht = lone(now);
    acquaint(&mut dht, now, (0..8).map(contact));
    dht.sample(now, HASH);
    dht.poll(now);
    converse(&mut dht, now, |to, query| {
        assert_eq!(query.method, Method::SampleInfohashes { target: HASH });
        let contact = (0..8).map(contact).find(|contact| contact.addr == to).unwrap();
        let samples = super::super::krpc::Samples { interval: 60, num: 5, hashes: vec![contact.id] };
        Some(Answer { samples: Some(samples), nodes: Some(vec![]), ..Answer::new(contact.id) })
    });
    let told = events(&mut dht);
    assert_eq!((told.len(), told.last()), (9, Some(&Event::Sampled { target: HASH })));
    for event in &told[..8] {
        let Event::Samples { from, interval, total: 5, info_hashes } = event else { panic!("{event:?}") };
        assert_eq!((interval.as_secs(), contact_of(*from)), (60, info_hashes[0]));
    }
}

fn contact_of(addr: SocketAddr) -> Sha1 {
    (0..8).map(contact).find(|contact| contact.addr == addr).unwrap().id
}

#[test]
fn an_id_is_of_the_address_that_others_see() {
    let now = Instant::now();
    let mut dht = node(now);
    let (v4, v6) = (dht.id(Family::V4).unwrap(), dht.id(Family::V6).unwrap());
    acquaint(&mut dht, now, (0..30).map(contact));
    let ours: IpAddr = "124.31.75.21".parse().unwrap();
    let mut votes = 0;
    dht.search(now, HASH, SearchOptions::default());
    dht.poll(now);
    let mut queries = sent(&mut dht);
    while votes < 4 {
        let (to, asked) = queries.remove(0);
        let id = (0..30).map(contact).find(|contact| contact.addr == to).unwrap().id;
        let mut message =
            Message::read(&message(Body::Answer(Box::new(Answer::new(id))), &asked.transaction)).unwrap();
        message.ip = Some(SocketAddr::new(ours, 7));
        assert_eq!(dht.id(Family::V4), Some(v4));
        votes += 1;
        dht.receive(now, to, &message.to_bytes());
        queries.extend(sent(&mut dht));
    }
    assert!(events(&mut dht).contains(&Event::External(ours)));
    let id = dht.id(Family::V4).unwrap();
    assert!(id != v4 && id::fits(id, ours) && dht.id(Family::V6) == Some(v6));
    assert!(dht.nodes(now, Family::V4) >= 8, "nodes are kept");
    // Told otherwise, by a router say.
    let ip: IpAddr = "2a00:1:2:3::4".parse().unwrap();
    dht.learn_external(now, ip);
    dht.learn_external(now, ip);
    dht.learn_external(now, "10.0.0.1".parse().unwrap());
    assert_eq!(events(&mut dht), [Event::External(ip)], "once, and no private one");
    assert!(id::fits(dht.id(Family::V6).unwrap(), ip));
}

#[test]
fn a_restart_goes_on_where_it_ended() {
    let now = Instant::now();
    let mut dht = lone(now);
    acquaint(&mut dht, now, (0..20).map(contact));
    let nodes = dht.nodes(now, Family::V4);
    let bytes = dht.save(now).to_bytes();
    let mut again = Dht::new(settings(Family::V4), Saved::read(&bytes).unwrap(), now, seed(9));
    assert_eq!((again.id(Family::V4), again.nodes(now, Family::V4)), (dht.id(Family::V4), 0));
    assert_eq!(again.save(now), dht.save(now), "before anything has happened, it is what it was");
    // It begins at once, with those that are closest to it; without a router.
    again.poll(now);
    asked(&mut again, now);
    assert!(again.nodes(now, Family::V4) >= 8 && nodes >= 8);
    // Nodes that are out of place are not taken from a file, too.
    let private = Saved {
        families: [(Family::V4, (HASH, vec![Contact { id: ROUTER, addr: addr("10.0.0.1:1") }]))].into(),
    };
    let mut dht = Dht::new(settings(Family::V4), private, now, seed(9));
    dht.poll(now);
    assert_eq!(sent(&mut dht), []);
}

#[test]
fn a_table_is_kept_alive() {
    let begun = Instant::now();
    let mut dht = lone(begun);
    acquaint(&mut dht, begun, (0..8).map(contact));
    let queries = run(&mut dht, begun, 0..2 * 3600);
    let pings = queries.iter().filter(|(_, query)| query.method == Method::Ping).count();
    let lookups = queries.iter().filter(|(_, query)| matches!(query.method, Method::FindNode { .. })).count();
    assert_eq!(dht.nodes(begun + Duration::from_secs(2 * 3600), Family::V4), 8);
    assert!(pings + lookups >= 8 * 7 && pings + lookups < 8 * 7 * 4, "{pings} pings, {lookups} in lookups");
    assert!(queries.iter().all(|(at, _)| *at >= 900), "not before a quarter of an hour");
}

#[test]
fn both_networks_help_each_other() {
    let now = Instant::now();
    let mut dht = node(now);
    dht.bootstrap(now, [addr("1.2.3.4:1")]);
    dht.poll(now);
    let v6 = |number: u16| Contact {
        id: Sha1::of(&[number as u8, 6]),
        addr: (IpAddr::from([0x2a00, number, 0, 0, 0, 0, 0, 1]), 1).into(),
    };
    let mut families = BTreeSet::new();
    converse(&mut dht, now, |to, query| {
        assert_eq!(query.want, Some(super::super::krpc::Want { v4: true, v6: true }));
        families.insert(Family::of(to.ip()));
        let all = (0..8).map(contact).chain((0..8).map(v6));
        let id = all.clone().find(|contact| contact.addr == to).map_or(ROUTER, |contact| contact.id);
        let nodes6 = Some((0..8).map(v6).collect());
        Some(Answer {
            nodes: Some((0..8).map(contact).collect()),
            nodes6,
            token: b"t".to_vec(),
            ..Answer::new(id)
        })
    });
    assert_eq!(families.len(), 2);
    assert_eq!((dht.nodes(now, Family::V4), dht.nodes(now, Family::V6)), (9, 8));
}

#[test]
fn an_announce_takes_the_place_of_the_one_that_is_under_way() {
    let now = Instant::now();
    let mut dht = lone(now);
    acquaint(&mut dht, now, (0..8).map(contact));
    dht.announce(now, HASH, Announce { port: 1, implied_port: false, seed: false });
    dht.poll(now);
    dht.announce(now, HASH, Announce { port: 2, implied_port: false, seed: true });
    let late = asked(&mut dht, now);
    assert!(late.iter().all(|(_, query)| !matches!(query.method, Method::AnnouncePeer { .. })), "{late:?}");
    dht.poll(now);
    let ports = asked(&mut dht, now).into_iter().filter_map(|(_, query)| match query.method {
        Method::AnnouncePeer { port, seed, .. } => Some((port, seed)),
        _ => None,
    });
    assert_eq!(ports.collect::<Vec<_>>(), [(2, true); 8]);
}
