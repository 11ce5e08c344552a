//! Which files are in use.

use super::super::account::{AccountChange, NewAccount, Profile};
use super::*;
use crate::proto::chat::event::Media;

fn digest(n: u8) -> String {
    format!("{n:02x}").repeat(32)
}

fn message(files: &[u8]) -> Change {
    let media = files
        .iter()
        .map(|n| Media {
            digest: digest(*n),
            name: "a".into(),
            kind: "image/png".into(),
            size: 1,
            dimensions: None,
        })
        .collect();
    Change::Message(Message { media, ..Message::default() })
}

fn in_use(store: &Opened) -> Vec<String> {
    wait(store.media_in_use((0..10).map(digest).collect())).unwrap()
}

fn files_are_in_use_while_something_names_them(bed: &Bed) {
    let store = bed.open();
    let append = |drafts: Vec<Draft>| wait(store.append(drafts)).unwrap();
    append(vec![
        draft(1, 1, account(1), create("#a")),
        draft(1, 2, account(1), message(&[1, 2, 2])),
        draft(1, 3, account(1), message(&[2, 3])),
        draft(1, 4, guest("visitor"), message(&[4])),
        draft(2, 5, account(1), create("#b")),
        draft(2, 6, account(1), message(&[5])),
    ]);
    let profile = |n| Profile { avatar: digest(n), ..Profile::default() };
    let me = NewAccount {
        id: AccountId(1),
        name: "user1".parse().unwrap(),
        password: None,
        profile: profile(6),
        operator: false,
        created: NOW,
    };
    wait(store.create_account(me)).unwrap();
    let named = |files: &[u8]| files.iter().copied().map(digest).collect::<Vec<_>>();
    assert_eq!(in_use(&store), named(&[1, 2, 3, 4, 5, 6]));

    append(vec![draft(1, 7, account(1), Change::Delete { of: id(2), reason: None })]);
    assert_eq!(in_use(&store), named(&[2, 3, 4, 5, 6]), "2 is named by another message");
    wait(store.change_account(AccountId(1), AccountChange::Profile(profile(7)))).unwrap();
    assert_eq!(in_use(&store), named(&[2, 3, 4, 5, 7]));
    wait(store.retain(Some(NOW + 4), None)).unwrap();
    assert_eq!(in_use(&store), named(&[4, 5, 7]), "what was forgotten names nothing");
    drop(store);
    assert_eq!(in_use(&bed.open()), named(&[4, 5, 7]));
}

both!(files_are_in_use_while_something_names_them);
