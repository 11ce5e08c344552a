//! Arguments, in all the ways that clients write them.

use super::super::*;
use super::method;
use crate::proto::bittorrent::hash::{Sha1, Sha256};

fn change(arguments: &str) -> TorrentChange {
    let body = format!(r#"{{"method":"torrent-set","arguments":{{{arguments}}}}}"#);
    let Method::TorrentSet(Ids::All, change) = method(&body) else { panic!("{body}") };
    *change
}

#[test]
fn flags_are_numbers_and_words_too() {
    for (text, flag) in [
        ("true", Some(true)),
        ("1", Some(true)),
        ("1.0", Some(true)),
        (r#""true""#, Some(true)),
        ("false", Some(false)),
        ("0", Some(false)),
        ("-0.0", Some(false)),
        (r#""false""#, Some(false)),
        ("null", None),
    ] {
        assert_eq!(change(&format!(r#""uploadLimited":{text}"#)).upload_limited, flag, "{text}");
    }
}

#[test]
fn numbers_are_floats_and_texts_too() {
    for (text, number) in [
        ("12", Some(12)),
        ("12.0", Some(12)),
        ("12.9", Some(12)),
        ("1.2e1", Some(12)),
        (r#""12""#, Some(12)),
        (r#"" 12.5 ""#, Some(12)),
        ("-0.5", Some(0)),
        ("4294967295", Some(u32::MAX)),
        ("null", None),
    ] {
        assert_eq!(change(&format!(r#""uploadLimit":{text}"#)).upload_limit, number, "{text}");
    }
    for (text, number) in [("2", 2.0), ("2.25", 2.25), (r#""2.25""#, 2.25), ("1e-3", 0.001), ("-1", -1.0)] {
        let changed = change(&format!(r#""seedRatioLimit":{text}"#));
        assert_eq!(changed.seed_ratio_limit, Some(number), "{text}");
    }
}

#[test]
fn ids_are_numbers_and_hashes() {
    let v1 = "0123456789abcdef0123456789abcdef01234567";
    let v2 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    let hash = Id::Hash(v1.parse::<Sha1>().unwrap());
    assert_eq!(v2.parse::<Sha256>().unwrap().truncated(), v1.parse::<Sha1>().unwrap());
    let only = |ids: &[Id]| Ids::Only(ids.to_vec());
    let rows = [
        (r#""ids":7"#.to_owned(), only(&[Id::Number(7)])),
        (r#""ids":7.0"#.to_owned(), only(&[Id::Number(7)])),
        (r#""id":7"#.to_owned(), only(&[Id::Number(7)])),
        (r#""ids":[3,1,2,3,1]"#.to_owned(), only(&[Id::Number(3), Id::Number(1), Id::Number(2)])),
        (format!(r#""ids":"{v1}""#), only(&[hash])),
        (format!(r#""ids":["{}",5,"{v2}"]"#, v1.to_uppercase()), only(&[hash, Id::Number(5)])),
        (r#""ids":"recently-active""#.to_owned(), Ids::RecentlyActive),
        // Names of no torrent, which is no fault: it may just have been removed.
        (r#""ids":[]"#.to_owned(), only(&[])),
        (r#""ids":-1"#.to_owned(), only(&[])),
        (r#""ids":["99",-5,1e30,4294967296]"#.to_owned(), only(&[])),
        (r#""other":1"#.to_owned(), Ids::All),
    ];
    for (arguments, ids) in rows {
        let body = format!(r#"{{"method":"torrent-stop","arguments":{{{arguments}}}}}"#);
        assert_eq!(method(&body), Method::TorrentStop(ids), "{body}");
    }
    assert_eq!(method(r#"{"method":"torrent-stop"}"#), Method::TorrentStop(Ids::All));
    assert_eq!(only(&[hash]).single(), Some(hash));
    assert_eq!((Ids::All.single(), only(&[]).single()), (None, None));
}

#[test]
fn texts_of_several_values() {
    let labels = change(r#""labels":[" a ","b c"]"#).labels;
    assert_eq!(labels, Some(Labels(vec!["a".into(), "b c".into()])));
    assert_eq!(change(r#""labels":[]"#).labels, Some(Labels::default()), "all are taken off");
    let tiers = |text: &str| change(&format!(r#""trackerList":"{text}""#)).tracker_list.unwrap().0;
    assert!(tiers("").is_empty() && tiers(r"\n \r\n\n").is_empty());
    assert_eq!(tiers(r" a \r\nb\r\n\r\nc"), [vec!["a", "b"], vec!["c"]]);
}

#[test]
fn fields_are_taken_once_and_only_known_ones() {
    let fields = Fields::named(["name", "bogus", "id", "name", "Id", "fileStats", "id"]);
    assert_eq!(fields.as_slice(), [Field::Name, Field::Id, Field::FileStats]);
    assert!(fields.needs(Detail::Files) && !fields.needs(Detail::Peers));
    for field in Field::ALL {
        assert_eq!(Field::named(field.name()), Some(*field));
    }
    assert_eq!(Field::ALL.len(), 76, "as many as section 3.3 has");
}
