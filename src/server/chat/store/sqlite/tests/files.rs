//! Files: the lock, backups, and what is forgotten. And many at once.

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
