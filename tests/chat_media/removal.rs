//! What no message names any longer goes.

use std::sync::Mutex;

use wireworks::server::chat::media::{Digest, InUse, InUseAnswer, SweepError};

use super::{Files, now, png};

const DAY: u64 = 24 * 3_600_000;

/// A store that names these files, and notes what it was asked.
#[derive(Default)]
struct Named {
    files: Vec<Digest>,
    asked: Mutex<Vec<Digest>>,
    away: bool,
}

impl InUse for Named {
    fn in_use(&self, digests: Vec<Digest>) -> InUseAnswer<'_> {
        self.asked.lock().unwrap().extend(&digests);
        let named = digests.into_iter().filter(|digest| self.files.contains(digest)).collect();
        let answer = if self.away { Err("away".into()) } else { Ok(named) };
        Box::pin(std::future::ready(answer))
    }
}

#[test]
fn only_what_is_old_and_named_nowhere_goes() {
    let files = Files::new();
    let (named, unnamed) = (files.keep(&png(20, 10)), files.keep(&png(10, 20)));
    let store = Named { files: vec![named.digest.parse().unwrap()], ..Named::default() };
    let sweep = |at: u64| files.runtime.block_on(files.media.sweep(&store, at)).unwrap();

    let early = sweep(now() + DAY / 2);
    assert_eq!((early.files, early.removed), (2, 0), "within the grace");
    assert!(store.asked.lock().unwrap().is_empty());

    let late = sweep(now() + 2 * DAY);
    assert_eq!((late.files, late.removed), (2, 1));
    assert_eq!(files.files("files").len(), 3, "all of one, and nothing of the other");
    assert_eq!(files.get(&files.link(&unnamed), "").status, 404);
    assert_eq!(files.get(&files.link(&named), "").status, 200);
    assert!(files.describe(&unnamed.digest).is_none());
    assert_eq!(files.upload(&png(10, 20)).status, 201, "it can come again");
}

#[test]
fn what_somebody_is_about_to_name_stays() {
    let files = Files::new();
    let media = files.keep(b"about to be named");
    let store = Named::default();
    // The time at which it is described is that of the clock: so the sweep takes place now, and the grace is over.
    let files = files.restart(|options| options.grace = std::time::Duration::ZERO);
    let sweep = || files.runtime.block_on(files.media.sweep(&store, now() + 1000)).unwrap();
    assert!(files.describe(&media.digest).is_some());
    assert_eq!(sweep().removed, 0, "it was described");
    let files = files.restart(|options| options.grace = std::time::Duration::ZERO);
    assert_eq!(files.upload(b"about to be named").status, 200);
    let sweep = || files.runtime.block_on(files.media.sweep(&store, now() + 1000)).unwrap();
    assert_eq!(sweep().removed, 0, "it was uploaded again");
    let files = files.restart(|options| options.grace = std::time::Duration::ZERO);
    let sweep = || files.runtime.block_on(files.media.sweep(&store, now() + 1000)).unwrap();
    assert_eq!(sweep().removed, 1, "nobody wants it");
}

#[test]
fn what_is_uploaded_again_is_young_again() {
    let files = Files::new();
    files.keep(b"twice");
    let two_days = std::time::Duration::from_secs(2 * 24 * 3600);
    for path in files.files("files") {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(std::time::SystemTime::now() - two_days).unwrap();
    }
    let files = files.restart(|_| {});
    files.keep(b"twice");
    let files = files.restart(|_| {});
    let sweep = |at: u64| files.runtime.block_on(files.media.sweep(&Named::default(), at)).unwrap();
    assert_eq!(sweep(now() + DAY / 2).removed, 0);
    assert_eq!(sweep(now() + 2 * DAY).removed, 1);
}

#[test]
fn a_store_that_is_away_removes_nothing() {
    let files = Files::new();
    let media = files.keep(b"kept");
    let store = Named { away: true, ..Named::default() };
    let swept = files.runtime.block_on(files.media.sweep(&store, now() + 2 * DAY));
    assert!(matches!(swept, Err(SweepError::InUse(_))));
    assert_eq!(files.get(&files.link(&media), "").status, 200);
}

#[test]
fn what_a_crash_has_left_goes_too() {
    let files = Files::new();
    let folder = files.folder.path().join("media");
    let left = folder.join("incoming/left");
    std::fs::write(&left, b"half").unwrap();
    let file = std::fs::File::options().write(true).open(&left).unwrap();
    file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(7200)).unwrap();
    // Bytes without a record: the crash came in between.
    let orphan = super::sha256(b"orphan");
    std::fs::create_dir_all(folder.join("files").join(&orphan[..2])).unwrap();
    std::fs::write(folder.join("files").join(&orphan[..2]).join(&orphan), b"orphan").unwrap();
    let swept = files.runtime.block_on(files.media.sweep(&Named::default(), now() + 2 * DAY)).unwrap();
    assert_eq!((swept.leftovers, swept.removed), (1, 1));
    assert!(files.files("incoming").is_empty() && files.files("files").is_empty());
}
