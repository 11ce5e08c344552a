//! A media playlist that a player knows, or could ask for: when it is read again, and what became of the attempts. RFC 8216bis, sections 6.3.4, 6.2.5.1 and 6.2.5.2.

use http::Uri;

use super::timeline::{Renewal, Timeline, ms};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::playlist::delta::MergeError;
use crate::proto::hls::playlist::media::{Define, MediaPlaylist};
use crate::proto::hls::playlist::read::{Playlist, ReadError};
use crate::proto::hls::playlist::variables::Variables;

/// Older versions that are passed over, as they come from caches; then the stream is taken to begin anew.
const MOST_STALE: u32 = 3;

/// The shortest wait between two requests for one playlist that do not block.
const LEAST_WAIT: Ms = 250.0;

/// A media playlist.
#[derive(Debug)]
pub(super) struct Rendition {
    uri: Uri,
    pub(super) timeline: Option<Timeline>,
    /// When it was asked for last.
    pub(super) asked: Ms,
    /// When something new came last.
    pub(super) news: Ms,
    /// Whether the last answer had something new.
    changed: bool,
    /// Older versions that came one after the other.
    stale: u32,
    /// Requests in vain, one after the other.
    pub(super) failures: u32,
    pub(super) not_before: Ms,
    /// It is not chosen before this time.
    pub(super) avoid: Ms,
    /// An update could not be put together with what is there: the next one is asked for whole.
    whole: bool,
}

/// Why an answer is no playlist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error("it is a multivariant playlist, and not one of segments")]
    Kind,
    #[error("it names no segments")]
    Empty,
}

/// What an answer was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News {
    /// The first version.
    First,
    /// A later one.
    Later(Renewal),
    /// A stream that begins anew.
    Restart,
}

impl Rendition {
    pub(super) fn new(uri: Uri) -> Self {
        Self {
            uri,
            timeline: None,
            asked: Ms::NEG_INFINITY,
            news: 0.0,
            changed: false,
            stale: 0,
            failures: 0,
            not_before: 0.0,
            avoid: 0.0,
            whole: false,
        }
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// When it is to be asked for again: never if it is complete. `wanted` says that somebody waits for what comes next.
    pub(super) fn due(&self, now: Ms, wanted: bool) -> Option<Ms> {
        let Some(timeline) = &self.timeline else { return Some(self.not_before) };
        if !timeline.is_live() {
            return None;
        }
        let blocks = timeline.playlist().server_control.can_block_reload;
        let target = timeline.target();
        let wait = match (blocks && wanted, self.changed) {
            (true, true) => return Some(now.max(self.not_before)),
            // A server that answers at once with what is known does not block.
            (true, false) => LEAST_WAIT,
            (false, true) => target,
            (false, false) => target / 2.0,
        };
        Some((self.asked + wait.max(LEAST_WAIT)).max(self.not_before))
    }

    /// The address to ask, and how long the server may take for the answer, beyond what it takes for any: delivery directives where it knows them.
    pub(super) fn request(&self, now: Ms, wanted: bool, parts: bool) -> (Uri, Ms) {
        let Some(timeline) = &self.timeline else { return (self.uri.clone(), 0.0) };
        let playlist = timeline.playlist();
        let control = &playlist.server_control;
        // A server that began anew does not know what is told of the old stream.
        if self.failures > 0 || self.stale > 0 {
            return (self.uri.clone(), 0.0);
        }
        let mut directives = Vec::new();
        let mut wait = 0.0;
        if control.can_block_reload && wanted {
            directives.push(format!("_HLS_msn={}", playlist.next_msn()));
            if parts && playlist.part_target.is_some() {
                let known = playlist.unfinished.as_ref().map_or(0, |segment| segment.parts.len());
                directives.push(format!("_HLS_part={known}"));
            }
            // What a server may wait for at most (section 6.2.5.2).
            wait = 3.0 * timeline.target();
        }
        // An update says what is new since half of what it leaves out, so that something is left to go on from.
        let fresh = |boundary| now - self.asked < ms(boundary) / 2.0;
        if !self.whole && control.can_skip_until.is_some_and(fresh) {
            directives.push("_HLS_skip=YES".to_owned());
        }
        (with_query(&self.uri, &directives), wait)
    }

    /// Takes an answer in, and lays it beside what is known: `beside`, where this is its first.
    pub(super) fn take(
        &mut self,
        bytes: &[u8],
        found: Uri,
        defines: &[Define],
        beside: Option<&Timeline>,
        now: Ms,
    ) -> Result<News, Unreadable> {
        let read = self.read(bytes, &found, defines);
        if let Err(Unreadable::Merge(MergeError::Gap { .. })) = &read {
            self.whole = true;
        }
        let playlist = read?;
        self.whole = false;
        let news = match &mut self.timeline {
            None => {
                if playlist.segments.is_empty() && playlist.ended {
                    return Err(Unreadable::Empty);
                }
                self.timeline = Some(match beside {
                    Some(other) => other.beside(playlist, found),
                    None => Timeline::new(playlist, found, 0.0),
                });
                News::First
            }
            Some(timeline) => match timeline.renew(playlist.clone(), found.clone()) {
                Renewal::Back if self.stale + 1 >= MOST_STALE => {
                    let at = timeline.end(true);
                    timeline.restart(playlist, found, at);
                    News::Restart
                }
                renewal => News::Later(renewal),
            },
        };
        self.failures = 0;
        self.stale = if news == News::Later(Renewal::Back) { self.stale + 1 } else { 0 };
        self.changed = !matches!(news, News::Later(Renewal::Same | Renewal::Back));
        if self.changed {
            self.news = now;
        }
        Ok(news)
    }

    fn read(&self, bytes: &[u8], found: &Uri, defines: &[Define]) -> Result<MediaPlaylist, Unreadable> {
        let query = form_urlencoded::parse(found.query().unwrap_or_default().as_bytes()).into_owned();
        let variables = Variables::new(defines, query.collect());
        if let Some(timeline) = &self.timeline {
            return Ok(timeline.playlist().update(bytes, variables)?);
        }
        match Playlist::read(bytes, variables)? {
            Playlist::Media(playlist) => Ok(playlist),
            Playlist::Multivariant(_) => Err(Unreadable::Kind),
        }
    }
}

/// An address with more in its query, by the order of which caches know it (section 6.2.5: in lexical order).
fn with_query(uri: &Uri, directives: &[String]) -> Uri {
    if directives.is_empty() {
        return uri.clone();
    }
    let mark = if uri.query().is_some() { '&' } else { '?' };
    format!("{uri}{mark}{}", directives.join("&")).parse().unwrap_or_else(|_| uri.clone())
}
