//! What a playlist should be like, rule by rule, as a streaming engineer would have it checked before it is published.
//!
//! A [`Rule`] is a sentence of draft-pantos-hls-rfc8216bis with its section; [`RULES`] is all of them. Whoever reads a playlist is lenient (section 6.3.1), so
//! [`read`](super::playlist::read) takes much that is checked here. [`playlist`] looks at one playlist, [`renditions`] at those that are played together, and
//! [`reload`] at two versions of the same one; [`segment`] at what is in segments, and [`streams`] at what a multivariant playlist says of that.
//! Rules about servers are in the table too; whoever asks the server checks them.

mod media;
mod multivariant;
mod reload;
mod renditions;
mod rules;
pub mod segment;
mod streams;

#[cfg(test)]
pub(crate) mod tests;

use super::playlist::MAX_PLAYLIST;
use super::playlist::lines::{Line, lines};
use super::playlist::media::MediaPlaylist;
use super::playlist::multivariant::MultivariantPlaylist;
use super::playlist::read::{Playlist, ReadError};
use super::playlist::variables::Variables;

pub use self::reload::reload;
pub use self::renditions::{Rendition, renditions};
pub use self::rules::{RULES, Rule};
pub use self::streams::{Held, streams};

/// How much a rule means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A player may play it badly.
    Should,
    /// A player may refuse it.
    Must,
}

/// A rule that is broken, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule.
    pub rule: &'static str,
    /// The line of the playlist, counted from 1, if it is one.
    pub line: Option<usize>,
    /// What is there.
    pub detail: String,
}

/// What was found, and what was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Broken rules, in the order of their lines.
    pub findings: Vec<Finding>,
    /// The playlist, if it could be read.
    pub playlist: Option<Playlist>,
}

/// Checks one playlist by itself.
#[must_use]
pub fn playlist(bytes: &[u8], variables: Variables) -> Report {
    let read = lines(bytes, MAX_PLAYLIST)
        .map_err(ReadError::from)
        .and_then(|lines| Playlist::read(bytes, variables).map(|playlist| (lines, playlist)));
    match read {
        Ok((lines, playlist)) => {
            let mut found = Findings::default();
            match &playlist {
                Playlist::Media(playlist) => media::check(&lines, playlist, &mut found),
                Playlist::Multivariant(playlist) => multivariant::check(&lines, playlist, &mut found),
            }
            found.0.sort_by_key(|finding| finding.line.unwrap_or(0));
            Report { findings: found.0, playlist: Some(playlist) }
        }
        Err(error) => {
            let line = match &error {
                ReadError::Line { line, .. } => Some(*line),
                ReadError::Lines(_) | ReadError::Missing(_) => None,
            };
            let finding = Finding { rule: "syntax", line, detail: error.to_string() };
            Report { findings: vec![finding], playlist: None }
        }
    }
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    /// The rule is broken.
    fn add(&mut self, rule: &'static str, line: Option<usize>, detail: impl Into<String>) {
        debug_assert!(RULES.iter().any(|known| known.name == rule), "{rule}");
        self.0.push(Finding { rule, line, detail: detail.into() });
    }

    /// The rule is broken unless it holds.
    fn expect(
        &mut self,
        rule: &'static str,
        line: Option<usize>,
        holds: bool,
        detail: impl FnOnce() -> String,
    ) {
        if !holds {
            self.add(rule, line, detail());
        }
    }
}

/// The first line with this tag.
fn line_of(lines: &[Line<'_>], tag: &str) -> Option<usize> {
    use super::playlist::lines::Kind;
    let found = lines.iter().find(|line| matches!(line.kind, Kind::Tag { name, .. } if name == tag));
    found.map(|line| line.number)
}

/// The lines of URIs, in their order.
fn uri_lines(lines: &[Line<'_>]) -> Vec<usize> {
    use super::playlist::lines::Kind;
    lines.iter().filter(|line| matches!(line.kind, Kind::Uri(_))).map(|line| line.number).collect()
}

impl Report {
    /// The media playlist, if it is one.
    #[must_use]
    pub fn media(&self) -> Option<&MediaPlaylist> {
        match self.playlist.as_ref()? {
            Playlist::Media(playlist) => Some(playlist),
            Playlist::Multivariant(_) => None,
        }
    }

    /// The multivariant playlist, if it is one.
    #[must_use]
    pub fn multivariant(&self) -> Option<&MultivariantPlaylist> {
        match self.playlist.as_ref()? {
            Playlist::Multivariant(playlist) => Some(playlist),
            Playlist::Media(_) => None,
        }
    }
}
