//! A listing for programs: one JSON object.
//!
//! `{"path": "/dir/", "cut": false, "entries": [{"name": "a", "href": "a", "directory": false, "size": 3, "modified":
//! "1994-11-06T08:49:37Z"}]}`. `href` is relative to the listing, percent-encoded, and right for every name; `name` has
//! stand-ins for what is not UTF-8. `size` is in bytes, and `null` for a directory.

use std::borrow::Cow;

use serde::Serialize;

use super::read::{Item, Listing};
use super::text;
use crate::proto::http::path::encode_segment;

#[derive(Serialize)]
struct Document<'a> {
    path: String,
    cut: bool,
    entries: Vec<Entry<'a>>,
}

#[derive(Serialize)]
struct Entry<'a> {
    name: Cow<'a, str>,
    href: String,
    directory: bool,
    size: Option<u64>,
    modified: String,
}

/// The listing as JSON, with a line break at the end.
pub(super) fn document(listing: &Listing) -> Vec<u8> {
    let path = match &*text::name(&listing.path) {
        "" => "/".to_owned(),
        path => format!("/{path}/"),
    };
    let document = Document { path, cut: listing.cut, entries: listing.items.iter().map(entry).collect() };
    // Strings, numbers and lists can always be written.
    let mut bytes = serde_json::to_vec(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

fn entry(item: &Item) -> Entry<'_> {
    Entry {
        name: text::name(&item.name),
        href: href(item),
        directory: item.directory,
        size: (!item.directory).then_some(item.size),
        modified: text::timestamp(item.modified),
    }
}

/// The link to an entry, relative to the listing.
pub(super) fn href(item: &Item) -> String {
    let slash = if item.directory { "/" } else { "" };
    encode_segment(&item.name) + slash
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn every_name_has_a_link() {
        let item =
            |name: &[u8], directory| Item { name: name.to_vec(), directory, size: 7, modified: UNIX_EPOCH };
        let listing = Listing {
            path: b"a/b c".to_vec(),
            items: vec![item(b"sub dir", true), item(b"\"\xFF:?#%.txt", false)],
            cut: true,
        };
        let parsed: serde_json::Value = serde_json::from_slice(&document(&listing)).unwrap();
        let expected = serde_json::json!({
            "path": "/a/b c/",
            "cut": true,
            "entries": [
                {"name": "sub dir", "href": "sub%20dir/", "directory": true, "size": null,
                 "modified": "1970-01-01T00:00:00Z"},
                {"name": "\"\u{fffd}:?#%.txt", "href": "%22%FF%3A%3F%23%25.txt", "directory": false, "size": 7,
                 "modified": "1970-01-01T00:00:00Z"},
            ],
        });
        assert_eq!(parsed, expected);
        let root = Listing::default();
        assert_eq!(document(&root), b"{\"path\":\"/\",\"cut\":false,\"entries\":[]}\n");
    }
}
