//! Answers, to their last byte.

use serde_json::Number;

use super::super::*;
use crate::proto::bittorrent::hash::Sha1;

fn to() -> Answer {
    Answer::to(Some(Number::from(8)))
}

#[test]
fn each_answer() {
    let hash = Sha1([0xab; 20]);
    let hex = "ab".repeat(20);
    let group = Group { name: "slow".into(), speed_limit_down: 10, ..Group::default() };
    let rows = [
        (to().done(), r#"{}"#.to_owned()),
        (
            to().added(3, hash, "a \"b\""),
            format!(r#"{{"torrent-added":{{"hashString":"{hex}","id":3,"name":"a \"b\""}}}}"#),
        ),
        (
            to().duplicate(3, hash, "n"),
            format!(r#"{{"torrent-duplicate":{{"hashString":"{hex}","id":3,"name":"n"}}}}"#),
        ),
        (to().renamed(1, "folder/a", "b"), r#"{"id":1,"name":"b","path":"folder/a"}"#.to_owned()),
        (to().blocklist(17), r#"{"blocklist-size":17}"#.to_owned()),
        (to().port(true), r#"{"port-is-open":true}"#.to_owned()),
        (
            to().free_space("/srv", Ok(Space { free: 5, total: u64::MAX })),
            r#"{"path":"/srv","size-bytes":5,"total_size":9223372036854775807}"#.to_owned(),
        ),
        (to().groups(&[]), r#"{"group":[]}"#.to_owned()),
        (
            to().groups(&[group]),
            r#"{"group":[{"honorsSessionLimits":false,"name":"slow","speed-limit-down":10,"#.to_owned()
                + r#""speed-limit-down-enabled":false,"speed-limit-up":0,"speed-limit-up-enabled":false}]}"#,
        ),
        (
            to().session(&Session { version: "4".into(), ..Session::default() }, &["version".into()]),
            r#"{"version":"4"}"#.to_owned(),
        ),
    ];
    for (answer, arguments) in rows {
        let expected = format!(r#"{{"arguments":{arguments},"result":"success","tag":8}}"#);
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
    }
}

#[test]
fn each_failure() {
    let rows = [
        (Failure::FileIndex, "file index out of range"),
        (Failure::Corrupt, "invalid or corrupt torrent file"),
        (Failure::Unrecognized, "unrecognized info"),
        (Failure::Trackers, "error setting announce list"),
        (Failure::TrackerList, "Invalid tracker list"),
        (Failure::Rename, "Invalid argument"),
        (Failure::Other("no room left".into()), "no room left"),
    ];
    for (failure, words) in rows {
        let expected = format!(r#"{{"arguments":{{}},"result":"{words}","tag":8}}"#);
        assert_eq!(String::from_utf8(to().failed(&failure)).unwrap(), expected);
    }
    let answer = to().free_space("/nope", Err("No such file or directory"));
    assert_eq!(
        String::from_utf8(answer).unwrap(),
        r#"{"arguments":{"path":"/nope","size-bytes":-1,"total_size":-1},"result":"No such file or directory","tag":8}"#
    );
}
