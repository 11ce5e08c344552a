//! What nobody sends who means well.

use super::super::*;

const REQUEST: &str = r#"{"arguments":{"ids":[1,"0123456789abcdef0123456789abcdef01234567"],"labels":["a","ü"],
    "seedRatioLimit":2.5e0,"trackerReplace":[0,"http://y/announce"],"trackerList":"a\n\nb","files-wanted":[0,1]},
    "method":"torrent-set","tag":8}"#;

#[test]
fn a_request_that_is_cut_off_is_none() {
    assert!(Request::read(REQUEST.as_bytes()).is_ok());
    for length in 0..REQUEST.len() {
        let error = Request::read(&REQUEST.as_bytes()[..length]).unwrap_err();
        assert_eq!(error, RequestError { tag: None, refusal: Refusal::NoMethod }, "{length} bytes");
    }
}

#[test]
fn no_byte_does_harm() {
    let mut refused = 0;
    for at in 0..REQUEST.len() {
        for byte in [0, b'"', b'0', b'9', b'-', b'[', b']', b'{', b'e', b',', 0x80, 0xff] {
            let mut body = REQUEST.as_bytes().to_vec();
            body[at] = byte;
            refused += usize::from(Request::read(&body).is_err_and(|error| !error.answer().is_empty()));
        }
    }
    assert!(refused > 1000, "{refused}");
}

#[test]
fn nesting_has_an_end() {
    let deep = "[".repeat(100_000);
    let error = Request::read(deep.as_bytes()).unwrap_err();
    assert_eq!(error.refusal, Refusal::NoMethod);
    let body = format!(r#"{{"method":"torrent-start","arguments":{{"ids":{deep}"#);
    assert_eq!(Request::read(body.as_bytes()).unwrap_err().refusal, Refusal::NoMethod);
}

/// A short request has no long answer: torrents and fields come once, however often they are named.
#[test]
fn repetition_is_worth_nothing() {
    let ids = vec!["1"; 100_000].join(",");
    let fields = vec![r#""pieces""#; 100_000].join(",");
    let body =
        format!(r#"{{"method":"torrent-get","arguments":{{"ids":[{ids}],"fields":[{fields}]}},"tag":1}}"#);
    let Method::TorrentGet(get) = Request::read(body.as_bytes()).unwrap().method else { panic!() };
    assert_eq!(get.ids, Ids::Only(vec![Id::Number(1)]));
    assert_eq!(get.fields.as_slice(), [Field::Pieces]);
}

#[test]
fn names_of_paths_are_single() {
    for name in ["/", "a/b", "..", ".", "a\\u0000b", "../../etc/passwd"] {
        let body = format!(
            r#"{{"method":"torrent-rename-path","arguments":{{"ids":1,"path":"p","name":"{name}"}}}}"#
        );
        assert_eq!(Request::read(body.as_bytes()).unwrap_err().refusal, Refusal::Name, "{name}");
    }
}
