//! What is done while nobody asks.

use super::*;

#[test]
fn the_index_is_filled_when_nobody_asks() {
    let (folder, store) = store();
    let text = "word";
    room_with(&store, 1, "#a", &[text; 1200]);
    let indexed = || {
        let db = super::super::open::reader(folder.path()).unwrap();
        db.query_row("SELECT indexed FROM rooms", [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while indexed() < 1201 {
        assert!(std::time::Instant::now() < deadline, "{}", indexed());
        std::thread::yield_now();
    }
}

#[test]
fn a_dropped_room_is_gone_at_once_and_its_rows_later() {
    let (folder, mut store) = store();
    room_with(&store, 1, "#a", &["word"; 2500]);
    room_with(&store, 2, "#b", &["word"]);
    wait(store.drop_room(RoomId(1))).unwrap();
    wait(store.drop_room(RoomId(1))).unwrap();
    wait(store.drop_room(RoomId(7))).unwrap();
    let rows = || {
        let db = super::super::open::reader(folder.path()).unwrap();
        let count = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        (
            count("SELECT count(*) FROM events"),
            count("SELECT count(*) FROM words"),
            count("SELECT count(*) FROM rooms"),
        )
    };
    for _ in 0..2 {
        assert_eq!(everything(&store, 1), Page::default());
        assert_eq!(wait(store.rooms()).unwrap().len(), 1);
        assert_eq!(
            wait(store.append(vec![draft(1, 9000, account(1), say("x"))])).unwrap(),
            [Appended::NoRoom]
        );
        drop(store);
        store = open(folder.path());
    }
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while rows() != (2, 1, 1) {
        assert!(std::time::Instant::now() < deadline, "{:?}", rows());
        // Also lets the thread that clears go on.
        assert_eq!(seqs(&everything(&store, 2)), [1, 2]);
        std::thread::yield_now();
    }
    assert_eq!(wait(store.last_id()).unwrap(), Some(id(3500)));
    room_with(&store, 1, "#a", &["again"]);
    assert_eq!(seqs(&everything(&store, 1)), [1, 2]);
}
