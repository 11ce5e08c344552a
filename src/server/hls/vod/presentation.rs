//! A presentation: renditions that are played together, and the playlist of all of them.

use super::error::PlanError;
use super::media::{Input, Media};
use super::plan::{self, Settings};
use super::rendition::{Kind, Rendition, Written};
use crate::proto::hls::playlist::multivariant::{
    Media as Member, MediaKind, MultivariantPlaylist, SessionData, SessionValue, Variant,
};
use crate::proto::hls::playlist::rates::Rates;

/// The file name of the media playlist of a rendition, in its folder.
pub const MEDIA_PLAYLIST: &str = "index.m3u8";

/// The file name of its playlist of I-frames.
pub const I_FRAME_PLAYLIST: &str = "iframes.m3u8";

/// Renditions that are cut at the same times.
#[derive(Debug)]
pub struct Presentation {
    renditions: Vec<Rendition>,
    session_data: Vec<(String, String)>,
    target_duration: u64,
}

/// What the segments of a rendition came to.
pub type Measured = Vec<Written>;

impl Presentation {
    /// Plans renditions of inputs: a file with pictures is a variant; other sounds and texts are renditions that are played with those. Where no file has pictures, sounds are variants.
    ///
    /// # Errors
    /// An input is not what it should be, samples are not there, or renditions cannot be cut at the same times.
    pub fn plan(inputs: Vec<(Input, Media)>, settings: &Settings) -> Result<Self, PlanError> {
        let plan = plan::plan(inputs, settings)?;
        Ok(Self {
            renditions: plan.renditions,
            session_data: settings.session_data.clone(),
            target_duration: plan.target_duration,
        })
    }

    /// The renditions: variants first.
    #[must_use]
    pub fn renditions(&self) -> &[Rendition] {
        &self.renditions
    }

    /// The rendition in that folder.
    #[must_use]
    pub fn rendition(&self, folder: &str) -> Option<&Rendition> {
        self.renditions.iter().find(|rendition| rendition.folder() == folder)
    }

    /// The target duration of all renditions, in seconds.
    #[must_use]
    pub fn target_duration(&self) -> u64 {
        self.target_duration
    }

    /// The multivariant playlist, by what segments are planned to come to. Playlists are `FOLDER/index.m3u8` and `FOLDER/iframes.m3u8`.
    #[must_use]
    pub fn multivariant(&self) -> MultivariantPlaylist {
        let planned: Vec<Measured> = self.renditions.iter().map(Rendition::planned).collect();
        self.multivariant_of(&planned, true)
    }

    /// The multivariant playlist, by what the segments of each rendition came to.
    #[must_use]
    pub fn multivariant_of(&self, measured: &[Measured], i_frames: bool) -> MultivariantPlaylist {
        let mut playlist = MultivariantPlaylist {
            independent_segments: self.renditions.iter().all(Rendition::is_independent),
            session_data: self.session_data.iter().map(session_data).collect(),
            ..MultivariantPlaylist::default()
        };
        for rendition in &self.renditions {
            playlist.media.extend(member(rendition));
        }
        for (rendition, written) in self.renditions.iter().zip(measured) {
            let Kind::Variant { audio, subtitles } = &rendition.kind else { continue };
            let mut codecs = rendition.codecs();
            for group in [audio, subtitles].into_iter().flatten() {
                let members = self.renditions.iter().filter(|other| is_in(other, group));
                for codec in members.flat_map(Rendition::codecs) {
                    if !codecs.contains(&codec) {
                        codecs.push(codec);
                    }
                }
            }
            playlist.variants.push(Variant {
                uri: format!("{}/{MEDIA_PLAYLIST}", rendition.folder()),
                codecs: Some(codecs.join(",")),
                resolution: rendition.resolution(),
                frame_rate: rendition.frame_rate(),
                audio: audio.clone(),
                subtitles: subtitles.clone(),
                ..Variant::default()
            });
            if i_frames && let Some(variant) = i_frame_variant(rendition, written) {
                playlist.i_frames.push(variant);
            }
        }
        let all = self.renditions.iter().zip(measured).map(|(rendition, written)| {
            (format!("{}/{MEDIA_PLAYLIST}", rendition.folder()), rates(rendition, written))
        });
        playlist.measure(&all.collect());
        playlist
    }
}

fn rates(rendition: &Rendition, written: &[Written]) -> Rates {
    let sizes: Vec<u64> = written.iter().map(|written| written.bytes).collect();
    rendition.playlist().rates(&sizes).unwrap_or(Rates { peak: 1, average: 1 })
}

fn i_frame_variant(rendition: &Rendition, written: &[Written]) -> Option<Variant> {
    let playlist = rendition.i_frames(written)?;
    let sizes: Vec<u64> =
        playlist.segments.iter().filter_map(|segment| Some(segment.byte_range?.length)).collect();
    let rates = playlist.rates(&sizes)?;
    Some(Variant {
        uri: format!("{}/{I_FRAME_PLAYLIST}", rendition.folder()),
        bandwidth: rates.peak,
        average_bandwidth: Some(rates.average),
        codecs: rendition.codecs().into_iter().next(),
        resolution: rendition.resolution(),
        ..Variant::default()
    })
}

fn is_in(rendition: &Rendition, wanted: &str) -> bool {
    match &rendition.kind {
        Kind::Audio { group } | Kind::Subtitles { group } => group == wanted,
        Kind::Variant { .. } => false,
    }
}

/// What the multivariant playlist says of a rendition in a group.
fn member(rendition: &Rendition) -> Option<Member> {
    let (kind, group) = match &rendition.kind {
        Kind::Variant { .. } => return None,
        Kind::Audio { group } => (MediaKind::Audio, group),
        Kind::Subtitles { group } => (MediaKind::Subtitles, group),
    };
    let about = &rendition.about;
    Some(Member {
        kind,
        group: group.clone(),
        name: about.name.clone(),
        uri: Some(format!("{}/{MEDIA_PLAYLIST}", rendition.folder())),
        language: about.language.clone(),
        assoc_language: None,
        stable_id: None,
        default: about.default,
        autoselect: true,
        forced: about.forced && kind == MediaKind::Subtitles,
        instream_id: None,
        characteristics: None,
        channels: rendition.channels().map(|channels| channels.to_string()),
    })
}

fn session_data((id, value): &(String, String)) -> SessionData {
    SessionData { id: id.clone(), value: SessionValue::Text(value.clone()), language: None }
}
