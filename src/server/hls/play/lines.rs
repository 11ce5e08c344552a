//! How it goes, a line for each thing that happens: in words, or as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{View, json, words};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::event::Event;
use crate::proto::hls::play::playback::Phase;
use crate::proto::hls::play::player::Player;

/// How often a line says how it is, when nothing happens.
const STATUS: Ms = 10_000.0;

/// Writes lines.
pub struct Lines {
    out: Box<dyn Write + Send>,
    json: bool,
    /// Whether everything that comes has a line.
    all: bool,
    last: Ms,
}

/// An event in JSON.
#[derive(Serialize)]
struct Told<'a> {
    /// Milliseconds since the beginning.
    at: f64,
    #[serde(flatten)]
    event: &'a Event,
}

impl Lines {
    /// In words; with `all` there is a line for each segment, too.
    #[must_use]
    pub fn words(out: Box<dyn Write + Send>, all: bool) -> Self {
        Self { out, json: false, all, last: 0.0 }
    }

    /// An object of JSON a line.
    #[must_use]
    pub fn json(out: Box<dyn Write + Send>) -> Self {
        Self { out, json: true, all: true, last: 0.0 }
    }

    fn line(&mut self, at: Ms, text: &str) -> io::Result<()> {
        self.last = at;
        writeln!(self.out, "{:>8.3}  {text}", at / 1000.0)?;
        self.out.flush()
    }
}

impl View for Lines {
    fn happened(&mut self, at: Ms, event: &Event, _: &Player) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "{}", json(&Told { at, event })?)?;
            return self.out.flush();
        }
        if !self.all && matches!(event, Event::Loaded { .. }) {
            return Ok(());
        }
        self.line(at, &words::event(event))
    }

    fn passed(&mut self, at: Ms, player: &Player) -> io::Result<()> {
        let state = player.state(at);
        if self.json || self.all || at - self.last < STATUS || state.phase != Phase::Playing {
            return Ok(());
        }
        let quality = player.levels().get(state.loading).map_or("", |level| level.name.as_str()).to_owned();
        let throughput =
            state.throughput.map_or_else(String::new, |it| format!(", network {}", words::rate(it)));
        let latency =
            state.latency.map_or_else(String::new, |it| format!(", {} behind the end", words::seconds(it)));
        let level = words::seconds(state.level);
        self.line(at, &format!("{quality}, buffer {level}{throughput}{latency}"))
    }
}
