//! A track that was looked at from its first sample to its last: what of it is presented, where it can be cut, and whether another one is the same.

use std::sync::Arc;

use super::super::error::{MediaError, PlanError};
use super::super::media::MediaTrack;
use super::Format;
use crate::proto::hls::cuts::Keys;
use crate::proto::hls::track::{Config, Timescale, Track};
use crate::proto::hls::vod::layout::{Cut, Lane, Tag, presented_from};
use crate::proto::hls::vod::scan::{Scan, scan};

/// A track that was looked at.
#[derive(Clone, Debug)]
pub(super) struct Looked {
    /// The input's name.
    pub(super) name: String,
    pub(super) track: MediaTrack,
    pub(super) scan: Scan,
    /// ID3 tags that are played with it.
    pub(super) tags: Arc<[Tag]>,
}

impl Looked {
    pub(super) fn new(name: &str, track: &MediaTrack, format: Format) -> Result<Self, PlanError> {
        let broken = |fault| MediaError::Mp4 { name: name.to_owned(), fault };
        let scan = scan(&track.track, &track.samples, track.source.length()).map_err(broken)?;
        let mut track = track.clone();
        // What is presented is decided by the samples that are taken.
        track.track.edit.duration = None;
        // Players of Apple's want parameter sets in the initialization section, where they are mostly twice.
        if let (Config::Hevc(config), Format::Fmp4) = (&track.track.config, format)
            && config.parameter_sets().next().is_some()
        {
            track.track.in_band = false;
        }
        Ok(Self { name: name.to_owned(), track, scan, tags: Arc::new([]) })
    }

    /// By how much samples are decoded earlier in MPEG-TS, so that none is presented before it is decoded.
    pub(super) fn lead(&self) -> i64 {
        i64::from(self.scan.least_offset.min(0)).saturating_neg()
    }

    /// A time of the track in ticks of another scale.
    pub(super) fn time(&self, time: i64, scale: Timescale) -> i64 {
        self.track.track.timescale.rescale(time, scale).unwrap_or(i64::MAX)
    }

    /// `time`, in ticks of `scale`, or so many whole steps later that something is heard before the next one.
    pub(super) fn heard_from(&self, time: i64, step: i64, scale: Timescale) -> i64 {
        let MediaTrack { track, samples, .. } = &self.track;
        let next = samples.from(presented_from(track, samples, scale, time)).next();
        let next = next.map_or(i64::MAX, |located| self.time(track.presented_at(&located.sample), scale));
        time.saturating_add(next.saturating_sub(time).max(0) / step * step)
    }

    pub(super) fn keys(&self) -> Keys {
        Keys {
            name: self.name.clone(),
            timescale: self.track.track.timescale,
            times: self.scan.keys.iter().map(|key| key.time).collect(),
            picture: self.scan.step,
            end: self.scan.end,
        }
    }

    pub(super) fn lane(&self, cut: &Cut) -> Lane {
        Lane::new(self.track.track.clone(), Arc::clone(&self.track.samples), self.scan.samples, cut)
    }

    /// Whether another sound is the same: renditions of one film mostly have the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let (a, b) = (&self.track, &other.track);
        let alike = |a: &Track, b: &Track| {
            (&a.config, a.timescale, a.language, a.edit) == (&b.config, b.timescale, b.language, b.edit)
        };
        alike(&a.track, &b.track)
            && a.samples.len() == b.samples.len()
            && a.samples.bytes() == b.samples.bytes()
            && a.samples.from(0).zip(b.samples.from(0)).all(|(a, b)| a.sample == b.sample)
    }
}
