//! Samples that a stream has told of, and whose bytes are to come: those of a fragment, or of the tables of a `moov` in front.

use std::sync::Arc;

use super::super::fragment::{Fragment, Run, Samples};
use super::super::movie::Movie;
use super::super::table::{Located, Position};

/// Samples in the order of their bytes, and those of a track in the order in which they are decoded.
#[derive(Debug, Default)]
pub(super) struct Pending {
    sources: Vec<Source>,
}

/// The samples of a track.
#[derive(Debug)]
struct Source {
    track: u32,
    next: Located,
    rest: Rest,
}

/// The samples behind the next one.
#[derive(Debug)]
enum Rest {
    /// Of a fragment: those of a run, and of the runs behind it, the last one first.
    Runs(Samples, Vec<Run>),
    /// Of the tables of the track with that index.
    Table(Arc<Movie>, usize, Position),
}

impl Rest {
    fn next(&mut self) -> Option<Located> {
        match self {
            Self::Runs(samples, behind) => loop {
                if let Some(located) = samples.next() {
                    return Some(located);
                }
                *samples = behind.pop()?.samples();
            },
            Self::Table(movie, index, position) => position.next(&movie.tracks.get(*index)?.table),
        }
    }
}

impl Pending {
    /// The samples of `fragment`.
    pub(super) fn of_fragment(fragment: &Fragment) -> Self {
        let mut tracks: Vec<(u32, Vec<Run>)> = Vec::new();
        for run in fragment.runs.iter().rev() {
            match tracks.iter_mut().find(|(track, _)| *track == run.track) {
                Some((_, runs)) => runs.push(run.clone()),
                None => tracks.push((run.track, vec![run.clone()])),
            }
        }
        let rests = tracks.into_iter().rev().filter_map(|(track, mut runs)| {
            let first = runs.pop()?.samples();
            Some((track, Rest::Runs(first, runs)))
        });
        Self::of(rests)
    }

    /// The samples of the tables of `movie`.
    pub(super) fn of_tables(movie: &Arc<Movie>) -> Self {
        let tracks = movie.tracks.iter().enumerate();
        Self::of(tracks.map(|(index, track)| {
            (track.track.id, Rest::Table(Arc::clone(movie), index, track.table.position(0)))
        }))
    }

    fn of(rests: impl Iterator<Item = (u32, Rest)>) -> Self {
        let sources = rests.filter_map(|(track, mut rest)| {
            let next = rest.next()?;
            Some(Source { track, next, rest })
        });
        Self { sources: sources.collect() }
    }

    /// Whether all have come.
    pub(super) fn is_over(&self) -> bool {
        self.sources.is_empty()
    }

    /// The next sample, and its track.
    pub(super) fn peek(&self) -> Option<(u32, Located)> {
        self.first().map(|(_, source)| (source.track, source.next))
    }

    /// Goes on to the sample behind the next one.
    pub(super) fn advance(&mut self) {
        let Some(index) = self.first().map(|(index, _)| index) else { return };
        match self.sources[index].rest.next() {
            Some(next) => self.sources[index].next = next,
            None => drop(self.sources.remove(index)),
        }
    }

    /// The track whose next sample comes first. There are as many as a movie may have tracks.
    fn first(&self) -> Option<(usize, &Source)> {
        self.sources.iter().enumerate().min_by_key(|(_, source)| source.next.at)
    }
}
