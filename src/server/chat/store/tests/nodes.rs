//! What several nodes share: only PostgreSQL is for several.

use std::time::Duration;

use super::super::shared::{NodeId, Shared};
use super::*;
use crate::proto::chat::name::Nick;

const LONG: Duration = Duration::from_secs(3600);

fn nick(name: &str) -> Nick {
    name.parse().unwrap()
}

fn shared(store: &Opened) -> &dyn Shared {
    store.shared().unwrap()
}

#[test]
fn two_stores_are_one() {
    let bed = Bed::postgres();
    let stores = [bed.open(), bed.open()];
    room_with(&*stores[0], 1, "#a", &[]);
    room_with(&*stores[0], 2, "#b", &[]);
    // Both write into both rooms, in either order, and send the same things under the same words.
    let outcomes: Vec<Vec<Appended>> = std::thread::scope(|scope| {
        let writers = [0, 1].map(|writer: u64| {
            let store = &stores[usize::try_from(writer).unwrap()];
            scope.spawn(move || {
                let mut appended = Vec::new();
                for round in 0..100 {
                    let rooms = if writer == 0 { [1, 2] } else { [2, 1] };
                    let both = rooms.map(|room| Draft {
                        client_id: Some(format!("{room}.{round}")),
                        ..draft(room, 5000 + round * 10 + room, account(1), say("x"))
                    });
                    let own = draft(1, 5000 + round * 10 + 5, account(2 + writer), say("own"));
                    let mut drafts = both.to_vec();
                    drafts.push(Draft { id: MessageId::new(own.id.time(), u128::from(writer)), ..own });
                    appended.extend(wait(store.append(drafts)).unwrap());
                }
                appended
            })
        });
        writers.map(|writer| writer.join().unwrap()).into()
    });
    let known = outcomes.iter().flatten().filter(|outcome| matches!(outcome, Appended::Known(..))).count();
    assert_eq!(known, 200, "what both sent is there once");
    for (room, count) in [(1, 301), (2, 101)] {
        let all = everything(&*stores[1], room);
        assert_eq!(seqs(&all), (1..=count).collect::<Vec<_>>());
        assert!(
            all.entries.is_sorted_by(|one, other| one.event.id < other.event.id),
            "ids grow with numbers"
        );
    }
    let changed = wait(shared(&stores[0]).changed_since(id(0))).unwrap();
    assert_eq!(changed.len(), 2);
    assert!(changed.contains(&(RoomId(1), 301)) && changed.contains(&(RoomId(2), 101)));
    assert_eq!(wait(shared(&stores[0]).changed_since(id(9_999_999))).unwrap(), []);
}

#[test]
fn a_room_is_dropped_where_it_was_seen_empty() {
    let bed = Bed::postgres();
    let store = bed.open();
    room_with(&*store, 1, "#a", &["x"]);
    assert!(!wait(store.drop_room_at(RoomId(1), 1)).unwrap(), "something has happened since");
    assert_eq!(wait(store.room_by_id(RoomId(1))).unwrap().map(|room| room.head), Some(2));
    assert!(wait(store.drop_room_at(RoomId(1), 2)).unwrap());
    assert!(wait(store.room_by_id(RoomId(1))).unwrap().is_none());
}

#[test]
fn nicks_are_held_by_living_nodes() {
    let bed = Bed::postgres();
    let store = bed.open();
    let shared = shared(&store);
    let [one, other] = [NodeId(1), NodeId(u64::MAX)];
    let ann = Some(AccountId(7));
    assert!(!wait(shared.renew(one, LONG)).unwrap().kept, "a new node had no lease");
    assert!(wait(shared.renew(one, LONG)).unwrap().kept);
    wait(shared.renew(other, LONG)).unwrap();
    let claim = |node, name: &str, account| wait(shared.claim(node, nick(name), account)).unwrap();
    for (node, name, account, free) in [
        (one, "Guest", None, true),
        (other, "gUEST", None, false),
        (one, "guest", None, true),
        (one, "ann", ann, true),
        (other, "ANN", ann, true),
        (other, "ann", None, false),
        (one, "ann", Some(AccountId(8)), false),
    ] {
        assert_eq!(claim(node, name, account), free, "{node:?} {name} {account:?}");
    }
    assert_eq!(wait(shared.guests()).unwrap(), ["guest"]);
    wait(shared.release(one, nick("GUEST"))).unwrap();
    assert!(claim(other, "guest", None));
    assert!(claim(one, "third", None));
    // A lease that ends frees what it held, and one node is told.
    wait(shared.renew(one, Duration::ZERO)).unwrap();
    let mut freed = Vec::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while freed.is_empty() {
        assert!(std::time::Instant::now() < deadline);
        let renewed = wait(shared.renew(other, LONG)).unwrap();
        assert!(renewed.kept);
        freed = renewed.freed;
    }
    freed.sort();
    assert_eq!(freed, [("ann".to_owned(), ann), ("third".to_owned(), None)]);
    assert_eq!(wait(shared.renew(other, LONG)).unwrap().alive, [other]);
    assert!(claim(other, "third", None));
    let mut guests = wait(shared.guests()).unwrap();
    guests.sort();
    assert_eq!(guests, ["guest", "third"]);
}

#[test]
fn all_nodes_have_one_secret() {
    let bed = Bed::postgres();
    let stores = [bed.open(), bed.open()];
    assert_eq!(wait(shared(&stores[0]).secret(vec![1, 2])).unwrap(), [1, 2]);
    assert_eq!(wait(shared(&stores[1]).secret(vec![3])).unwrap(), [1, 2]);
    assert_eq!(wait(stores[0].last_id()).unwrap(), None);
}

#[test]
fn what_cannot_be_opened_is_said_in_a_line() {
    let said = |url: &str| {
        let config = PostgresConfig::new(PostgresUrl::parse(url).unwrap());
        Postgres::open(config).unwrap_err().to_string()
    };
    let error = said("postgres://chat:secret@127.0.0.1:1/x");
    assert!(error.starts_with("cannot open postgres://chat:***@127.0.0.1:1/x: "), "{error}");
    let Bed::Postgres(url) = Bed::postgres() else { unreachable!() };
    let nowhere = SERVER.url().replace("/postgres", "/nowhere");
    assert!(said(&nowhere).contains("does not exist"), "{}", said(&nowhere));
    drop(Postgres::open(PostgresConfig::new((*url).clone())).unwrap());
    let schema = url.typed().rsplit_once("%3D").unwrap().1.to_owned();
    SERVER.sql(&format!("UPDATE {schema}.schema_version SET version = 99"));
    assert!(said(url.typed()).contains("has version 99 of the schema"), "{}", said(url.typed()));
    let store = Bed::postgres().open();
    let error = wait(store.backup("x".into())).unwrap_err().to_string();
    assert!(error.contains("pg_dump"), "{error}");
}

#[test]
fn what_is_dropped_is_done_all_the_same() {
    let bed = Bed::postgres();
    let store = bed.open();
    room_with(&*store, 1, "#a", &[]);
    drop(store.append(vec![draft(1, 2000, account(1), say("dropped"))]));
    drop(store.append(vec![draft(1, 2001, account(1), say("dropped, too"))]));
    drop(store);
    assert_eq!(seqs(&everything(&*bed.open(), 1)), [1, 2, 3]);
}

#[test]
fn the_rows_of_a_dropped_room_go_by_and_by() {
    let bed = Bed::postgres();
    let store = bed.open();
    room_with(&*store, 1, "#a", &["word"; 2500]);
    room_with(&*store, 2, "#b", &["word"]);
    wait(store.drop_room(RoomId(1))).unwrap();
    wait(store.drop_room(RoomId(7))).unwrap();
    assert_eq!(everything(&*store, 1), Page::default());
    let Bed::Postgres(url) = &bed else { unreachable!() };
    let schema = url.typed().rsplit_once("%3D").unwrap().1;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while SERVER.sql(&format!("SELECT count(*) FROM {schema}.events")) != "2" {
        assert!(std::time::Instant::now() < deadline);
    }
    assert_eq!(wait(store.last_id()).unwrap(), Some(id(3500)));
    room_with(&*store, 1, "#a", &["again"]);
    assert_eq!(seqs(&everything(&*store, 1)), [1, 2]);
}

#[test]
fn postgresql_may_go_and_come_back() {
    let mut server = server::Server::start();
    let url = PostgresUrl::parse(&server.url()).unwrap();
    let store = Postgres::open(PostgresConfig::new(url)).unwrap();
    room_with(&store, 1, "#a", &[]);
    let send = |number: u64| {
        let sent =
            Draft { client_id: Some(number.to_string()), ..draft(1, 2000 + number, account(1), say("x")) };
        wait(store.append(vec![sent])).map(|appended| appended[0])
    };
    for (round, signal) in ["INT", "QUIT"].into_iter().enumerate() {
        let round = round as u64 * 10;
        assert!(send(round).is_ok());
        server.end(signal);
        let error = send(round + 1).unwrap_err();
        assert!(error.to_string().starts_with("the store is away: "), "{error}");
        assert!(matches!(wait(store.last_id()), Err(StoreError::Away(_))));
        server.again();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        // What has failed is sent again under its own name.
        while send(round + 1).is_err() {
            assert!(std::time::Instant::now() < deadline);
            std::thread::yield_now();
        }
        while wait(store.last_id()).is_err() {
            assert!(std::time::Instant::now() < deadline);
        }
    }
    assert_eq!(seqs(&everything(&store, 1)), [1, 2, 3, 4, 5]);
}
