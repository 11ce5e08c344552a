//! What is measured: the table of cases.

use crate::content::{Content, Disk};
use crate::flash::{Crowd, Finishes};
use crate::support::Result;
use crate::support::rounds::{self, Sample, Units};
use crate::support::table::Heading;
use crate::tracker::Ask;
use crate::{flash, idle, tracker, transfer};

/// One row of the bench.
pub(crate) struct Case {
    name: &'static str,
    about: &'static str,
    work: Work,
    servers: &'static [&'static str],
    /// Ratios refer to the cheapest one whose name begins so.
    reference: &'static str,
    units: &'static Units,
}

/// What is done.
#[derive(Clone, Copy)]
enum Work {
    /// A client serves the bench's own leecher.
    Seed(Content),
    /// A client fetches from the bench's own seeder.
    Leech(Content),
    /// One client fetches from another.
    Pair(Content),
    /// Files are compared with the hashes of their pieces.
    Verify(Content),
    /// So many torrents rest.
    Idle(usize),
    /// Many want the same at once.
    Flash(Crowd),
    /// Peers announce themselves.
    Tracker(Ask),
}

const TRANSFER: Units = Units {
    cost: "CPU s/GB",
    sides: &[("user s/GB", 2), ("system s/GB", 2), ("MB/s", 0), ("private MiB", 0), ("resident MiB", 0)],
    digits: 2,
};

const PAIR: Units = Units {
    cost: "leecher's CPU s/GB",
    sides: &[("seeder's CPU s/GB", 2), ("MB/s", 0), ("leecher's MiB", 0), ("seeder's MiB", 0)],
    digits: 2,
};

const CROWD: Units =
    Units { cost: "last/bound", sides: &[("mean/bound", 2), ("bound s", 1), ("CPU s of all", 1)], digits: 2 };

const TRACKER: Units =
    Units { cost: "CPU µs/announce", sides: &[("announces/CPU s", 0), ("announces/s", 0)], digits: 2 };

/// Those that take part in most cases.
const CLIENTS: &[&str] = &["wireworks", "libtorrent", "rqbit", "aria2", "qbittorrent"];

/// Those that say when they are done, and stay.
const CROWDS: &[&str] = &["wireworks", "aria2", "libtorrent", "libtorrent-super"];

const TRACKERS: &[&str] = &["wireworks", "opentracker"];

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "seed-1g",
        about: "1 GiB in pieces of 1 MiB is fetched from each client by a leecher that only counts, with 256 requests under way",
        work: Work::Seed(Content::Large),
        servers: CLIENTS,
        reference: "rqbit",
        units: &TRANSFER,
    },
    Case {
        name: "leech-1g",
        about: "Each client fetches it from a seeder that answers out of memory, until it is on the disk",
        work: Work::Leech(Content::Large),
        servers: CLIENTS,
        reference: "libtorrent",
        units: &TRANSFER,
    },
    Case {
        name: "verify-1g",
        about: "Each client looks whether it is all there, on both CPUs, from its start to its end",
        work: Work::Verify(Content::Large),
        servers: &["wireworks", "libtorrent", "rqbit", "aria2"],
        reference: "libtorrent",
        units: &TRANSFER,
    },
    Case {
        name: "pair-1g",
        about: "Each client, on CPU 1, fetches it from one of its own kind, on CPU 0",
        work: Work::Pair(Content::Large),
        servers: &["wireworks", "libtorrent", "rqbit", "aria2"],
        reference: "libtorrent",
        units: &PAIR,
    },
    Case {
        name: "mixed-1g",
        about: "One client, on CPU 1, fetches it from another, on CPU 0",
        work: Work::Pair(Content::Large),
        servers: &[
            "libtorrent->wireworks",
            "rqbit->wireworks",
            "aria2->wireworks",
            "wireworks->libtorrent",
            "wireworks->rqbit",
            "wireworks->aria2",
        ],
        reference: "libtorrent->wireworks",
        units: &PAIR,
    },
    Case {
        name: "idle-10000",
        about: "10,000 torrents of one small file each, which is there, and nobody who asks: heap and stacks, what that is for each torrent, the load of a core over 20 s, and the time from the start until all were there",
        work: Work::Idle(10_000),
        servers: &["wireworks", "libtorrent"],
        reference: "libtorrent",
        units: &Units {
            cost: "MiB",
            sides: &[("KiB/torrent", 1), ("% of a core", 2), ("s until there", 1)],
            digits: 0,
        },
    },
    Case {
        name: "flash-20",
        about: "One seed and 20 leechers of the same kind, who start together and stay; each sends 1 MB/s at most; 32 MiB in pieces of 256 KiB. The times from the start until the last one had all, and until one had on average, beside the least that is possible",
        work: Work::Flash(Crowd { leechers: 20, up: 1_000_000 }),
        servers: CROWDS,
        reference: "aria2",
        units: &CROWD,
    },
    Case {
        name: "flash-50",
        about: "The same with 50 leechers, and 0.5 MB/s",
        work: Work::Flash(Crowd { leechers: 50, up: 500_000 }),
        servers: CROWDS,
        reference: "aria2",
        units: &CROWD,
    },
    Case {
        name: "leech-small",
        about: "As `leech-1g`, of 20,000 files of 1 to 64 KiB in pieces of 256 KiB",
        work: Work::Leech(Content::Small),
        servers: CLIENTS,
        reference: "libtorrent",
        units: &TRANSFER,
    },
    Case {
        name: "seed-small",
        about: "As `seed-1g`, of 20,000 files of 1 to 64 KiB in pieces of 256 KiB",
        work: Work::Seed(Content::Small),
        servers: CLIENTS,
        reference: "libtorrent",
        units: &TRANSFER,
    },
    Case {
        name: "tracker-http",
        about: "Announces of 1,000 torrents with 200 peers each, answered with 50 peers, by `wrk` over 64 connections that stay if the tracker lets them",
        work: Work::Tracker(Ask::Http),
        servers: TRACKERS,
        reference: "opentracker",
        units: &TRACKER,
    },
    Case {
        name: "tracker-http-close",
        about: "The same with a connection for each announce",
        work: Work::Tracker(Ask::HttpClose),
        servers: TRACKERS,
        reference: "opentracker",
        units: &TRACKER,
    },
    Case {
        name: "tracker-udp",
        about: "The same by UDP, with 200 announces under way",
        work: Work::Tracker(Ask::Udp),
        servers: TRACKERS,
        reference: "opentracker",
        units: &TRACKER,
    },
];

impl Case {
    /// One turn of the client or tracker `name`.
    pub(crate) fn turn(&self, name: &str, disk: &Disk, finishes: &Finishes, seconds: u64) -> Result<Sample> {
        match self.work {
            Work::Seed(content) => transfer::seed(name, content, disk),
            Work::Leech(content) => transfer::leech(name, content, disk),
            Work::Pair(content) => transfer::pair(name, content, disk),
            Work::Verify(content) => transfer::verify(name, content, disk),
            Work::Idle(count) => idle::turn(name, count, disk),
            Work::Flash(crowd) => flash::turn(self.name, name, crowd, disk, finishes),
            Work::Tracker(ask) => tracker::turn(name, ask, seconds),
        }
    }
}

impl rounds::Case for Case {
    fn heading(&self) -> Heading<'static> {
        Heading { name: self.name, about: self.about, reference: self.reference, units: self.units }
    }

    fn servers(&self) -> &'static [&'static str] {
        self.servers
    }
}
