//! Many at once, and what is forgotten.

use super::super::history::Place;
use super::*;

fn many_read_while_one_writes(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["0"]);
    let (store, done) = (&*store, &std::sync::atomic::AtomicBool::new(false));
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

fn old_messages_are_forgotten(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["12345"; 600]);
    room_with(&*store, 2, "#b", &["12345"; 10]);
    assert_eq!(wait(store.retain(None, None)).unwrap(), 0);
    assert_eq!(wait(store.retain(None, Some(3050))).unwrap(), 0);
    assert_eq!(wait(store.retain(Some(NOW + 1101), None)).unwrap(), 100);
    // Room 1 has the older ones.
    assert_eq!(wait(store.retain(None, Some(1046))).unwrap(), 301);
    assert_eq!(page(&*store, 1, Part::After(Place::Seq(0)), Which::Messages, 1).entries[0].event.seq, 403);
    assert_eq!(seqs(&page(&*store, 1, Part::After(Place::Seq(0)), Which::MessagesAndState, 2)), [1, 403]);
    assert_eq!(
        wait(store.append(vec![draft(1, 9000, account(1), say("next"))])).unwrap(),
        [Appended::New(602)]
    );
    assert_eq!(wait(store.retain(Some(u64::MAX), None)).unwrap(), 210);
    assert_eq!(seqs(&everything(&*store, 1)), [1]);
    assert_eq!(wait(store.retain(None, Some(0))).unwrap(), 0);
}

fn tags_count_as_text(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["12345"; 2]);
    let tags = |count: usize| vec![("+test".to_owned(), "x".repeat(count))];
    let mut message = match say("12345") {
        Change::Message(message) => message,
        other => panic!("{other:?}"),
    };
    message.tags = tags(10);
    let (one, two) = (Change::Message(message), Change::Tags { tags: tags(95) });
    wait(store.append(vec![draft(1, 5000, account(1), one), draft(1, 5001, account(1), two)])).unwrap();
    // 10 of texts, 20 of a message with tags, 100 of tags alone.
    assert_eq!(wait(store.retain(None, Some(130))).unwrap(), 0);
    assert_eq!(wait(store.retain(None, Some(129))).unwrap(), 1);
    assert_eq!(wait(store.retain(None, Some(125))).unwrap(), 0);
    assert_eq!(wait(store.retain(None, Some(99))).unwrap(), 2, "messages");
    assert_eq!(seqs(&everything(&*store, 1)), [1], "and tags alone");
    assert_eq!(wait(store.retain(None, Some(0))).unwrap(), 0);
}

both!(tags_count_as_text, many_read_while_one_writes, old_messages_are_forgotten);
