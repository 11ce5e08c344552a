//! What is refused, in words that were compared with those of Transmission 3.00 where it refuses the same.

use super::super::*;
use super::refusal;

/// The body of each request, and the text of `result`.
#[test]
fn words_are_those_of_transmission() {
    let rows = [
        ("", "no method name"),
        ("x", "no method name"),
        ("[]", "no method name"),
        ("{}", "no method name"),
        (r#"{"method":5}"#, "no method name"),
        (r#"{"method":"bogus"}"#, "method name not recognized"),
        (r#"{"method":"Torrent-Get"}"#, "method name not recognized"),
        (r#"{"method":"torrent-get"}"#, "no fields specified"),
        (r#"{"method":"torrent-get","arguments":{"fields":"id"}}"#, "no fields specified"),
        (r#"{"method":"torrent-add"}"#, "no filename or metainfo specified"),
        (r#"{"method":"torrent-add","arguments":{"filename":""}}"#, "no filename or metainfo specified"),
        (r#"{"method":"torrent-add","arguments":{"metainfo":"!!!"}}"#, "unrecognized info"),
        (
            r#"{"method":"torrent-add","arguments":{"filename":"magnet:?","download-dir":"rel"}}"#,
            "download directory path is not absolute",
        ),
        (r#"{"method":"torrent-set-location"}"#, "no location"),
        (
            r#"{"method":"torrent-set-location","arguments":{"location":"rel"}}"#,
            "new location path is not absolute",
        ),
        (r#"{"method":"torrent-set","arguments":{"labels":["  "]}}"#, "labels cannot be empty"),
        (
            r#"{"method":"torrent-set","arguments":{"labels":["a,b"]}}"#,
            "labels cannot contain comma (,) character",
        ),
        (
            r#"{"method":"torrent-rename-path","arguments":{"path":"x","name":"y"}}"#,
            "torrent-rename-path requires 1 torrent",
        ),
        (
            r#"{"method":"torrent-rename-path","arguments":{"ids":[1,2],"path":"x","name":"y"}}"#,
            "torrent-rename-path requires 1 torrent",
        ),
        (
            r#"{"method":"torrent-rename-path","arguments":{"ids":[1],"path":"x","name":""}}"#,
            "Invalid argument",
        ),
        (
            r#"{"method":"torrent-rename-path","arguments":{"ids":[1],"path":"x","name":"b/c"}}"#,
            "Invalid argument",
        ),
        (
            r#"{"method":"torrent-rename-path","arguments":{"ids":[1],"path":"x","name":".."}}"#,
            "Invalid argument",
        ),
        (r#"{"method":"free-space"}"#, "directory path argument is missing"),
        (r#"{"method":"free-space","arguments":{"path":"rel"}}"#, "directory path is not absolute"),
        (
            r#"{"method":"session-set","arguments":{"download-dir":"rel"}}"#,
            "download directory path is not absolute",
        ),
        (
            r#"{"method":"session-set","arguments":{"incomplete-dir":"rel"}}"#,
            "incomplete torrents directory path is not absolute",
        ),
        (r#"{"method":"group-set","arguments":{"name":" "}}"#, "No group name given"),
    ];
    for (body, words) in rows {
        let error = Request::read(body.as_bytes()).expect_err(body);
        assert_eq!(error.to_string(), words, "{body}");
        let answer = format!(r#"{{"arguments":{{}},"result":"{words}"}}"#);
        assert_eq!(String::from_utf8(error.answer()).unwrap(), answer);
    }
}

/// Transmission passes over these; version 3.00 takes an `ids` that it cannot read for all torrents.
#[test]
fn what_is_of_another_type_is_refused_by_name() {
    let rows = [
        ("torrent-remove", r#""ids":{}"#, "ids"),
        ("torrent-remove", r#""ids":null"#, "ids"),
        ("torrent-remove", r#""ids":true"#, "ids"),
        ("torrent-remove", r#""ids":[[1]]"#, "ids"),
        ("torrent-remove", r#""ids":1.5"#, "ids"),
        ("torrent-remove", r#""delete-local-data":2"#, "delete-local-data"),
        ("torrent-set", r#""labels":"x""#, "labels"),
        ("torrent-set", r#""downloadLimit":"x""#, "downloadLimit"),
        ("torrent-set", r#""downloadLimit":-1"#, "downloadLimit"),
        ("torrent-set", r#""downloadLimit":4294967296"#, "downloadLimit"),
        ("torrent-set", r#""bandwidthPriority":2"#, "bandwidthPriority"),
        ("torrent-set", r#""seedRatioMode":3"#, "seedRatioMode"),
        ("torrent-set", r#""seedRatioLimit":"nan""#, "seedRatioLimit"),
        ("torrent-set", r#""trackerReplace":[0]"#, "trackerReplace"),
        ("torrent-set", r#""trackerReplace":["a","b"]"#, "trackerReplace"),
        ("torrent-set", r#""files-wanted":0"#, "files-wanted"),
        ("torrent-set", r#""files-wanted":[-1]"#, "files-wanted"),
        ("torrent-add", r#""filename":5"#, "filename"),
        ("session-set", r#""encryption":"bogus""#, "encryption"),
        ("session-set", r#""peer-port":65536"#, "peer-port"),
        ("session-set", r#""alt-speed-time-begin":1440"#, "alt-speed-time-begin"),
        ("session-set", r#""alt-speed-time-day":128"#, "alt-speed-time-day"),
        ("session-set", r#""dht-enabled":"yes""#, "dht-enabled"),
        ("session-get", r#""fields":[1]"#, "fields"),
        ("group-get", r#""group":[1]"#, "group"),
    ];
    for (method, argument, name) in rows {
        let body = format!(r#"{{"method":"{method}","arguments":{{{argument}}}}}"#);
        assert_eq!(refusal(&body), Refusal::Argument(name), "{body}");
    }
}

#[test]
fn tags_come_back() {
    let answer = |body: &str| match Request::read(body.as_bytes()) {
        Ok(request) => Answer::to(request.tag).done(),
        Err(error) => error.answer(),
    };
    let tail = |body: &str| String::from_utf8(answer(body)).unwrap().split_off(r#"{"arguments":{},"#.len());
    assert_eq!(tail(r#"{"method":"session-close","tag":7}"#), r#""result":"success","tag":7}"#);
    assert_eq!(tail(r#"{"method":"session-close","tag":-9e3}"#), r#""result":"success","tag":-9000.0}"#);
    assert_eq!(
        tail(r#"{"method":"bogus","tag":18446744073709551615}"#),
        r#""result":"method name not recognized","tag":18446744073709551615}"#
    );
    assert_eq!(
        tail(r#"{"method":"session-close","tag":"x"}"#),
        r#""result":"success"}"#,
        "a tag is a number"
    );
}
