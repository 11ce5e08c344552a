//! Answers (section 2.2): `success` or what went wrong, what was asked for, and the tag of the request.

use serde::Serialize;
use serde_json::Number;

use super::row::Rows;
use super::{Failure, Get, Group, Ids, Session, Stats, View};
use crate::proto::bittorrent::hash::Sha1;

/// An answer to a request, which one of its methods writes: JSON, the body of a response with status 200.
#[derive(Clone, Debug)]
#[must_use = "an answer is written by one of its methods"]
pub struct Answer {
    tag: Option<Number>,
}

/// What a folder has room for, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// That are free.
    pub free: u64,
    /// That there are.
    pub total: u64,
}

#[derive(Serialize)]
struct Envelope<'a, T> {
    arguments: T,
    result: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<Number>,
}

#[derive(Serialize)]
struct Nothing {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Added<'a> {
    hash_string: Sha1Text,
    id: u32,
    name: &'a str,
}

struct Sha1Text(Sha1);

impl Serialize for Sha1Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
enum AddedAs<'a> {
    TorrentAdded(Added<'a>),
    TorrentDuplicate(Added<'a>),
}

impl Answer {
    /// To the request with this tag.
    pub fn to(tag: Option<Number>) -> Self {
        Self { tag }
    }

    /// It was done, or is being done, and there is nothing to tell.
    #[must_use]
    pub fn done(self) -> Vec<u8> {
        self.write(Nothing {}, "success")
    }

    /// It was not done.
    #[must_use]
    pub fn failed(self, failure: &Failure) -> Vec<u8> {
        self.write(Nothing {}, &failure.to_string())
    }

    /// Torrents: those that `get` means, in the order in which clients are to have them. `removed` are the ids of
    /// torrents that were removed in the last [`RECENT_SECONDS`](super::RECENT_SECONDS), which only those are told who
    /// ask for the recently active ones.
    #[must_use]
    pub fn torrents<V: View>(self, get: &Get, views: &[V], removed: &[u32]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Torrents<'a, R> {
            #[serde(skip_serializing_if = "Option::is_none")]
            removed: Option<&'a [u32]>,
            torrents: R,
        }
        let removed = (get.ids == Ids::RecentlyActive).then_some(removed);
        let torrents = Rows { views, fields: &get.fields, format: get.format };
        self.write(Torrents { removed, torrents }, "success")
    }

    /// A torrent was added.
    #[must_use]
    pub fn added(self, id: u32, hash: Sha1, name: &str) -> Vec<u8> {
        let added = Added { hash_string: Sha1Text(hash), id, name };
        self.write(AddedAs::TorrentAdded(added), "success")
    }

    /// The torrent was there already, which counts as success.
    #[must_use]
    pub fn duplicate(self, id: u32, hash: Sha1, name: &str) -> Vec<u8> {
        let added = Added { hash_string: Sha1Text(hash), id, name };
        self.write(AddedAs::TorrentDuplicate(added), "success")
    }

    /// What is at this path of a torrent has another name now.
    #[must_use]
    pub fn renamed(self, id: u32, path: &str, name: &str) -> Vec<u8> {
        #[derive(Serialize)]
        struct Renamed<'a> {
            id: u32,
            name: &'a str,
            path: &'a str,
        }
        self.write(Renamed { id, name, path }, "success")
    }

    /// The session: the fields that [`Method::SessionGet`](super::Method::SessionGet) has.
    #[must_use]
    pub fn session(self, session: &Session, fields: &[String]) -> Vec<u8> {
        self.write(session.fields(fields), "success")
    }

    /// What was done.
    #[must_use]
    pub fn stats(self, stats: &Stats) -> Vec<u8> {
        self.write(stats, "success")
    }

    /// The blocklist was fetched, and has so many ranges.
    #[must_use]
    pub fn blocklist(self, size: u64) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Blocklist {
            blocklist_size: u64,
        }
        self.write(Blocklist { blocklist_size: size }, "success")
    }

    /// Whether peers can come.
    #[must_use]
    pub fn port(self, is_open: bool) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "kebab-case")]
        struct Port {
            port_is_open: bool,
        }
        self.write(Port { port_is_open: is_open }, "success")
    }

    /// What a folder has room for, or why that is not known: as Transmission does, with -1 for the numbers.
    #[must_use]
    pub fn free_space(self, path: &str, space: Result<Space, &str>) -> Vec<u8> {
        #[derive(Serialize)]
        struct FreeSpace<'a> {
            path: &'a str,
            #[serde(rename = "size-bytes")]
            free: i64,
            #[serde(rename = "total_size")]
            total: i64,
        }
        let bytes = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
        let (free, total) = space.map_or((-1, -1), |space| (bytes(space.free), bytes(space.total)));
        self.write(FreeSpace { path, free, total }, space.err().unwrap_or("success"))
    }

    /// Bandwidth groups.
    #[must_use]
    pub fn groups(self, groups: &[Group]) -> Vec<u8> {
        #[derive(Serialize)]
        struct Groups<'a> {
            group: &'a [Group],
        }
        self.write(Groups { group: groups }, "success")
    }

    fn write<T: Serialize>(self, arguments: T, result: &str) -> Vec<u8> {
        // Nothing that is written here can fail: keys are texts, and a vector takes all.
        serde_json::to_vec(&Envelope { arguments, result, tag: self.tag }).unwrap_or_default()
    }
}
