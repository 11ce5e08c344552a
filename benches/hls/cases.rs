//! What is measured: the table of cases.

use crate::film::Film;
use crate::package::{self, Format};
use crate::support::Result;
use crate::support::rounds::{self, Sample, Units};
use crate::support::table::Heading;
use crate::{first, players, serve, viewers};

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
    /// The film is packaged.
    Package(Format),
    /// The first segment of the film is asked for, of a server that has just started.
    First,
    /// Segments of a folder are served.
    Serve,
    /// Many watch a live stream.
    Viewers(usize),
    /// Many watch by `wireworks hls play`, which is what is measured.
    Players(usize),
}

const PACKAGING: Units = Units {
    cost: "CPU s/GB",
    sides: &[("user s/GB", 2), ("system s/GB", 2), ("peak MiB", 1), ("MB/s", 0)],
    digits: 3,
};

/// Every case, in the order of the tables.
pub(crate) const CASES: &[Case] = &[
    Case {
        name: "fmp4",
        about: "1 GB of MP4 (1080p, 8 Mb/s, AAC) into segments of fMP4 of 6 s, beside `ffmpeg -c copy -f hls` and `cp`",
        work: Work::Package(Format::Fmp4),
        servers: &["wireworks", "wireworks-apart", "ffmpeg", "copy"],
        reference: "ffmpeg",
        units: &PACKAGING,
    },
    Case {
        name: "ts",
        about: "The same into MPEG-TS",
        work: Work::Package(Format::Ts),
        servers: &["wireworks", "ffmpeg"],
        reference: "ffmpeg",
        units: &PACKAGING,
    },
    Case {
        name: "ts-aes",
        about: "The same into MPEG-TS, encrypted by AES-128",
        work: Work::Package(Format::TsAes),
        servers: &["wireworks", "ffmpeg"],
        reference: "ffmpeg",
        units: &PACKAGING,
    },
    Case {
        name: "first-segment",
        about: "`wireworks hls serve` of 1 GB of MP4, just started: the wall time from the first request for a segment to its last byte, with opening the film; and of the next segment",
        work: Work::First,
        servers: &["fmp4", "ts"],
        reference: "fmp4",
        units: &Units { cost: "ms", sides: &[("ms for the next", 1), ("peak MiB", 1)], digits: 1 },
    },
    Case {
        name: "origin-1m",
        about: "Segments of 1 MiB of a packaged folder, 64 connections: `wireworks http` beside `wireworks hls serve`",
        work: Work::Serve,
        servers: &["http", "hls"],
        reference: "http",
        units: &Units { cost: "CPU µs/request", sides: &[("MB/s", 0)], digits: 2 },
    },
    Case {
        name: "viewers-1000",
        about: "1,000 viewers of a Low-Latency stream (`media/480p.mp4`, 0.4 Mb/s), each with a blocking request for the playlist and one for the part, on one core; how long after the first viewer had the playlist with a part the others have the whole part",
        work: Work::Viewers(1000),
        servers: &["wireworks"],
        reference: "wireworks",
        units: &Units {
            cost: "% of a core",
            sides: &[("p50 ms", 1), ("p99 ms", 1), ("requests/s", 0), ("peak MiB", 1)],
            digits: 1,
        },
    },
    Case {
        name: "players-500",
        about: "`wireworks hls play --viewers 500` for a minute: of a packaged film in segments of 2 s, and of the live stream of `hls live --demo`, part by part. Its own share of CPU 1, beside that of the origin of CPU 0",
        work: Work::Players(500),
        servers: &["film", "live"],
        reference: "film",
        units: &Units {
            cost: "% of a core",
            sides: &[("origin's %", 1), ("requests/s", 0), ("Mb/s", 0), ("stalls", 0), ("peak MiB", 1)],
            digits: 1,
        },
    },
];

impl Case {
    /// One turn of the server `name`.
    pub(crate) fn turn(&self, name: &str, film: &Film, seconds: u64) -> Result<Sample> {
        match self.work {
            Work::Package(format) => package::turn(name, format, film),
            Work::First => first::turn(name, film),
            Work::Serve => serve::turn(name, seconds),
            Work::Viewers(count) => viewers::turn(count, seconds),
            Work::Players(count) => players::turn(name, count, seconds),
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
