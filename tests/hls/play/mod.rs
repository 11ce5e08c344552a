//! `wireworks hls play` over sockets: what it plays, what it makes of it, and what it does where nothing comes.

mod crowd;
mod faults;
mod films;
mod lies;
mod live;
mod others;
mod screen;
mod usage;
mod written;

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde_json::Value;

use super::decoded::{decodes, frames, pictures};
use crate::support::command::wireworks;
use crate::support::process::Ended;

/// The samples that are one programme in three qualities: 16 s, of 25 pictures a second.
const LADDER: [&str; 3] = ["240p.mp4", "360p.mp4", "480p.mp4"];

/// Pictures of a sample.
const PICTURES: usize = 400;

/// What a viewer had.
struct Watched {
    events: Vec<Value>,
    summary: Value,
}

/// Runs the command.
#[track_caller]
fn play(args: &[&str]) -> Ended {
    wireworks(&[&["hls", "play"], args].concat()).wait()
}

/// Watches to the end, or for as long as the arguments say.
#[track_caller]
fn watch(url: &str, args: &[&str]) -> Watched {
    Watched::of(&play(&[&[url, "--json"], args].concat()).success())
}

impl fmt::Debug for Watched {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.events.iter().chain([&self.summary]).try_for_each(|event| writeln!(formatter, "{event}"))
    }
}

impl Watched {
    /// What was said.
    #[track_caller]
    fn of(ended: &Ended) -> Self {
        let text = String::from_utf8(ended.stdout.clone()).unwrap();
        let mut events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let summary = events.pop().unwrap();
        assert_eq!(summary["event"], "summary", "{text}");
        assert_eq!(events.last().unwrap()["event"], "ended", "{text}");
        Self { events, summary }
    }

    /// The events of a kind.
    fn all(&self, kind: &str) -> Vec<&Value> {
        self.events.iter().filter(|event| event["event"] == kind).collect()
    }

    /// A figure of the end.
    #[track_caller]
    fn figure(&self, name: &str) -> f64 {
        self.summary[name].as_f64().unwrap_or_else(|| panic!("{name} of {}", self.summary))
    }

    /// The qualities that pictures were loaded in.
    fn qualities(&self) -> BTreeSet<&str> {
        let loaded = self.all("loaded").into_iter().filter(|event| event["lane"] == "main");
        loaded.map(|event| event["quality"].as_str().unwrap()).collect()
    }
}

/// Pictures of the samples, by the rendition.
struct Sources(Vec<Vec<(i64, String)>>);

impl Sources {
    #[track_caller]
    fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| pictures(Path::new(&super::origin::media(name)))).collect())
    }

    /// That a recording is the sample from its beginning to its end: each picture is that of some rendition, and there when it is due. From how many renditions they are.
    #[track_caller]
    fn judge(&self, recording: &Path) -> usize {
        let seen = pictures(recording);
        assert_eq!(seen.len(), PICTURES, "{}", recording.display());
        let mut used = BTreeSet::new();
        for (n, picture) in seen.iter().enumerate() {
            let of = self.0.iter().position(|source| source[n] == *picture);
            used.insert(of.unwrap_or_else(|| panic!("picture {n} of {} is of none", recording.display())));
        }
        decodes(recording);
        let sound = frames(recording);
        assert!((750..=752).contains(&sound), "{sound} frames of sound");
        used.len()
    }
}
