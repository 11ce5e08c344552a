//! Magnet links: what is read of one is written so that it is read as the same.

use wireworks::proto::bittorrent::magnet::{Magnet, MagnetError};

use super::super::find;

/// Addresses of one kind, and ranges of files, at most.
const MOST: (usize, usize) = (256, 1000);

/// Says whether `input` is a link.
pub(crate) fn check(input: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(input) else { return false };
    let read: Result<Magnet, MagnetError> = text.parse();
    assert_eq!(format!(" {text}\r\n").parse(), read, "blanks around it do not count");
    let is_magnet = text.trim().get(..8).is_some_and(|head| head.eq_ignore_ascii_case("magnet:?"));
    assert_eq!(read == Err(MagnetError::Scheme), !is_magnet);
    if is_magnet && find(text.as_bytes(), b"xt").is_none() && find(text.as_bytes(), b"%").is_none() {
        assert!(read.is_err(), "it names nothing");
    }
    let Ok(magnet) = read else { return false };
    for list in [&magnet.trackers, &magnet.web_seeds, &magnet.peers] {
        assert!(list.len() <= MOST.0 && list.iter().all(|address| !address.is_empty()));
    }
    assert!(magnet.select.len() <= MOST.1 && magnet.select.iter().all(|range| !range.is_empty()));
    let written = magnet.to_string();
    assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "{written}");
    assert_eq!(written.parse(), Ok(magnet.clone()));
    // What nobody knows changes nothing, and neither does the order of parts of different kinds.
    assert_eq!(format!("{written}&unknown=x&as").parse(), Ok(magnet.clone()));
    let (scheme, query) = written.split_once('?').unwrap();
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_by_key(|part| std::cmp::Reverse(part.split('=').next()));
    assert_eq!(format!("{scheme}?{}", parts.join("&")).parse(), Ok(magnet.clone()));
    assert_eq!(Magnet::of(magnet.hash).to_string().parse(), Ok(Magnet::of(magnet.hash)));
    true
}
