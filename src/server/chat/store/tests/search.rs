//! Searching.

use super::super::history::Search;
use super::*;

fn find(store: &Opened, text: &str) -> Vec<(Seq, String)> {
    find_by(
        store,
        Search {
            text: text.to_owned(),
            rooms: vec![RoomId(1)],
            by: None,
            after: None,
            before: None,
            limit: 50,
        },
    )
}

fn find_by(store: &Opened, search: Search) -> Vec<(Seq, String)> {
    let found = wait(store.search(search)).unwrap();
    let shown = |snippet: String| snippet.replace('\x02', "[").replace('\x03', "]");
    found.into_iter().map(|found| (found.entry.event.seq, shown(found.snippet))).collect()
}

fn words_phrases_and_beginnings(bed: &Bed) {
    let store = bed.open();
    let texts = [
        "The quick brown fox",                      // 2
        "a Brown quick dog, fox-like",              // 3
        "Crème brûlée für Zoë",                     // 4
        "日本語のテキスト",                         // 5
        "NOT an operator AND text:quick",           // 6
        "東京と日本",                               // 7
        "x \u{3}04,05coloured\u{3} \u{2}bold\u{2}", // 8
        "",                                         // 9
        "ภาษาไทย",                                  // 10
    ];
    room_with(&*store, 1, "#a", &texts);
    let rows: [(&str, &[Seq]); 24] = [
        ("quick", &[6, 3, 2]),
        ("QUICK fox", &[3, 2]),
        ("\"quick brown\"", &[2]),
        ("\"brown quick\"", &[3]),
        ("bro*", &[3, 2]),
        ("bro", &[]),
        ("\"bro*\"", &[]),
        ("creme BRULEE", &[4]),
        ("zoe", &[4]),
        ("日本", &[7, 5]),
        ("本日", &[]),
        ("語", &[5]),
        ("日本語のテ", &[5]),
        ("ไทย", &[10]),
        ("NOT", &[6]),
        ("quick NOT brown", &[]),
        ("quick OR", &[]),
        ("text:quick", &[6]),
        ("who:a1", &[]),
        ("a1", &[]),
        ("coloured bold", &[8]),
        ("\" \\ ' ; -- ) (", &[]),
        ("\0", &[]),
        ("", &[]),
    ];
    for (text, expected) in rows {
        let found: Vec<Seq> = find(&store, text).into_iter().map(|(seq, _)| seq).collect();
        assert_eq!(found, expected, "{text:?}");
    }
    assert_eq!(find(&store, "quick bro*")[1].1, "The [quick] [brown] fox");
    assert_eq!(find(&store, "\"quick brown\"")[0].1, "The [quick brown] fox");
    assert_eq!(find(&store, "日本")[1].1, "[日本]語のテキスト");
    let long = format!("{} needle {}", "hay ".repeat(100), "hay ".repeat(100));
    wait(store.append(vec![draft(1, 5000, account(1), say(&long))])).unwrap();
    let snippet = &find(&store, "needle")[0].1;
    assert!(
        snippet.starts_with('…') && snippet.ends_with('…') && snippet.contains(" [needle] hay"),
        "{snippet}"
    );
    assert!(snippet.len() < 200, "{snippet}");
}

fn what_was_edited_or_deleted_is_not_found(bed: &Bed) {
    let mut store = bed.open();
    room_with(&*store, 1, "#a", &["early bird", "late bird", "no bird"]);
    assert_eq!(find(&store, "bird").len(), 3);
    let changes = vec![
        draft(1, 2001, account(1), Change::Edit { of: id(1001), text: "early worm".into() }),
        draft(1, 2002, account(1), Change::Delete { of: id(1002), reason: None }),
        draft(1, 2003, account(1), say("new bird")),
        draft(1, 2004, account(1), Change::Edit { of: id(2003), text: "newer bird".into() }),
    ];
    wait(store.append(changes)).unwrap();
    for _ in 0..2 {
        assert_eq!(find(&store, "bird"), [(7, "newer [bird]".to_owned()), (4, "no [bird]".to_owned())]);
        assert_eq!(find(&store, "worm"), [(2, "early [worm]".to_owned())]);
        assert_eq!((find(&store, "late"), find(&store, "new")), (vec![], vec![]));
        drop(store);
        store = bed.open();
    }
}

fn rooms_authors_times_and_pages(bed: &Bed) {
    let store = bed.open();
    room_with(&*store, 1, "#a", &["word"; 5]);
    room_with(&*store, 2, "#b", &["word"; 3]);
    room_with(&*store, 3, "#c", &["word"; 3]);
    wait(
        store.append(vec![draft(1, 9000, account(11), say("word")), draft(1, 9001, guest("g"), say("word"))]),
    )
    .unwrap();
    let search = |rooms: &[u64]| Search {
        text: "word".into(),
        rooms: rooms.iter().copied().map(RoomId).collect(),
        by: None,
        after: None,
        before: None,
        limit: 100,
    };
    let count = |search| wait(store.search(search)).unwrap().len();
    let ids = |search| {
        wait(store.search(search)).unwrap().into_iter().map(|found| found.entry.event.id).collect::<Vec<_>>()
    };
    assert_eq!(
        (count(search(&[1])), count(search(&[1, 2])), count(search(&[])), count(search(&[9]))),
        (7, 10, 0, 0)
    );
    for (by, expected) in [(1, 5), (11, 1), (2, 0)] {
        assert_eq!(count(Search { by: Some(AccountId(by)), ..search(&[1]) }), expected, "{by}");
    }
    assert_eq!(count(Search { after: Some(NOW + 1003), ..search(&[1]) }), 5);
    assert_eq!(count(Search { after: Some(NOW + 99_999), ..search(&[1]) }), 0);
    let all = ids(search(&[2, 1]));
    assert!(all.is_sorted_by(|one, other| one > other));
    let mut pages = ids(Search { limit: 4, ..search(&[1, 2]) });
    while let Some(last) = pages.last().copied() {
        let next = ids(Search { limit: 4, before: Some(last), ..search(&[1, 2]) });
        pages.extend(&next);
        if next.is_empty() {
            break;
        }
    }
    assert_eq!(pages, all);
}

both!(words_phrases_and_beginnings, what_was_edited_or_deleted_is_not_found, rooms_authors_times_and_pages);
