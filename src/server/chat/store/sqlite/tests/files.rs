//! Files: the lock, backups, and what is forgotten. And many at once.

use super::super::super::history::Place;
use super::super::{Durability, OpenError};
use super::*;

#[test]
fn a_folder_is_opened_once() {
    let (folder, store) = store();
    let again = || Sqlite::open(folder.path(), &SqliteConfig::default());
    assert!(matches!(again().unwrap_err(), OpenError::InUse(path) if path == folder.path()));
    drop(store);
    again().unwrap();
}

#[test]
fn a_backup_is_a_store() {
    let (folder, store) = store();
    room_with(&store, 1, "#a", &["one", "two"]);
    assert_eq!(everything(&store, 1).entries.len(), 3);
    let copies = tempfile::tempdir().unwrap();
    let file = copies.path().join(super::super::open::DATABASE);
    wait(store.backup(file.clone())).unwrap();
    room_with(&store, 2, "#b", &["later"]);
    assert!(matches!(wait(store.backup(file.clone())), Err(StoreError::Taken)));
    assert_eq!(std::fs::read_dir(copies.path()).unwrap().count(), 1, "nothing else is left");
    let missing = copies.path().join("missing/file");
    assert!(matches!(wait(store.backup(missing)), Err(StoreError::Away(_))));
    let copy = open(copies.path());
    assert_eq!(everything(&copy, 1), everything(&store, 1));
    assert_eq!(wait(copy.rooms()).unwrap().len(), 1);
    assert_eq!(wait(store.rooms()).unwrap().len(), 2);
    drop(folder);
}

#[test]
fn what_is_dropped_is_done_all_the_same() {
    let (folder, store) = store();
    room_with(&store, 1, "#a", &[]);
    drop(store.append(vec![draft(1, 2000, account(1), say("dropped"))]));
    drop(store.append(vec![draft(1, 2001, account(1), say("dropped, too"))]));
    drop(store);
    assert_eq!(seqs(&everything(&open(folder.path()), 1)), [1, 2, 3]);
}

#[test]
fn a_full_queue_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let config = SqliteConfig { queue: 1, durability: Durability::Normal, ..SqliteConfig::default() };
    let store = Sqlite::open(folder.path(), &config).unwrap();
    // More than can be written while they are queued.
    let long = say(&"x".repeat(2_000_000));
    wait(store.append(vec![draft(1, 1, account(1), create("#a"))])).unwrap();
    let answers: Vec<_> =
        (2..40).map(|at| store.append(vec![draft(1, at, account(1), long.clone())])).collect();
    let outcomes: Vec<_> = answers.into_iter().map(wait).collect();
    let refused = |outcome: &Result<Vec<Appended>, StoreError>| matches!(outcome, Err(StoreError::Away(_)));
    assert!(outcomes.iter().any(refused) && outcomes.iter().any(Result::is_ok));
    let kept = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let head = wait(store.rooms()).unwrap()[0].head;
    assert_eq!(head, 1 + kept as u64);
    wait(store.append(vec![draft(1, 99, account(1), say("and on"))])).unwrap();
}

#[test]
fn many_read_while_one_writes() {
    let (_folder, store) = store();
    room_with(&store, 1, "#a", &["0"]);
    let (store, done) = (&store, &std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(move || {
                let mut last = 0;
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let page = everything(store, 1);
                    let seen = seqs(&page);
                    assert!(seen.is_sorted() && seen.last().copied() >= Some(last), "{seen:?} after {last}");
                    last = seen.last().copied().unwrap();
                    let latest = self::page(store, 1, Part::After(Place::Seq(last)), Which::Messages, 5);
                    assert!(latest.entries.iter().all(|entry| entry.event.seq > last));
                }
            });
        }
        for at in 0..200 {
            let drafts = vec![
                draft(1, 5000 + 2 * at, account(1), say("a")),
                draft(1, 5001 + 2 * at, account(2), say("b")),
            ];
            let head = 3 + 2 * at;
            assert_eq!(wait(store.append(drafts)).unwrap(), [Appended::New(head), Appended::New(head + 1)]);
            // What was acknowledged is seen at once.
            let newest = page(store, 1, Part::Latest, Which::All, 1);
            assert_eq!(seqs(&newest), [head + 1]);
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn old_messages_are_forgotten() {
    let (_folder, store) = store();
    room_with(&store, 1, "#a", &["12345"; 600]);
    room_with(&store, 2, "#b", &["12345"; 10]);
    assert_eq!(wait(store.retain(None, None)).unwrap(), 0);
    assert_eq!(wait(store.retain(None, Some(3050))).unwrap(), 0);
    assert_eq!(wait(store.retain(Some(NOW + 1101), None)).unwrap(), 100);
    // Room 1 has the older ones.
    assert_eq!(wait(store.retain(None, Some(1046))).unwrap(), 301);
    assert_eq!(page(&store, 1, Part::After(Place::Seq(0)), Which::Messages, 1).entries[0].event.seq, 403);
    assert_eq!(seqs(&page(&store, 1, Part::After(Place::Seq(0)), Which::MessagesAndState, 2)), [1, 403]);
    assert_eq!(
        wait(store.append(vec![draft(1, 9000, account(1), say("next"))])).unwrap(),
        [Appended::New(602)]
    );
    assert_eq!(wait(store.retain(Some(u64::MAX), None)).unwrap(), 210);
    assert_eq!(seqs(&everything(&store, 1)), [1]);
    assert_eq!(wait(store.retain(None, Some(0))).unwrap(), 0);
}
