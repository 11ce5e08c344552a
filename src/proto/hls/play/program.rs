//! What there is to choose from: the levels of a multivariant playlist, and the sound that goes with each. RFC 8216bis, section 4.4.6.
//!
//! A player switches between renditions that one decoder can go through: of one coding of pictures and one of sound, those of the first variant unless another one is wanted. Variants of the same rate are
//! the same media at another place, to go to when the first place fails.

use http::Uri;

use super::options::Wanted;
use crate::proto::hls::abr::{Bits, Kbps, Ms};
use crate::proto::hls::playlist::media::{Define, MediaPlaylist, Start};
use crate::proto::hls::playlist::multivariant::{
    Media, MediaKind, MultivariantPlaylist, Resolution, Variant,
};
use crate::proto::hls::playlist::variables::resolved;
use crate::proto::http::reference::join;

/// Variants that are looked at. Nobody publishes as many.
const MOST_VARIANTS: usize = 1024;

/// The rate of a media playlist that is played alone and says nothing of it.
const UNKNOWN: Kbps = 1000.0;

/// A media playlist, by its place in [`Program::renditions`].
pub type RenditionId = usize;

/// The same media at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The variant's own media playlist.
    pub main: RenditionId,
    /// Sound that is apart from it.
    pub audio: Option<RenditionId>,
}

/// A quality.
#[derive(Clone, Debug, PartialEq)]
pub struct Level {
    /// What it is called in reports: its lines, or its rate.
    pub name: String,
    /// Its average rate, or its peak if that is all that is said; what it is found to be if nothing is.
    pub rate: Kbps,
    /// Where nobody says its rate: how much media it was found from.
    pub found_from: Option<Ms>,
    /// The size of its pictures.
    pub resolution: Option<Resolution>,
    /// What has to be decoded.
    pub codecs: Option<String>,
    /// Where it is; there is at least one place.
    pub paths: Vec<Path>,
}

impl Level {
    /// So many bits of it came, which are media for this time.
    pub(super) fn found(&mut self, bits: Bits, duration: Ms) {
        let Some(before) = self.found_from.filter(|_| duration > 0.0) else { return };
        let all = before + duration;
        self.rate = (self.rate * before + bits) / all;
        self.found_from = Some(all);
    }
}

/// What there is to choose from.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The qualities, the lowest rate first; there is at least one.
    pub levels: Vec<Level>,
    /// Where all media playlists are.
    pub renditions: Vec<Uri>,
    /// Variables that media playlists may import.
    pub defines: Vec<Define>,
    /// Where to begin, if media playlists do not say it (section 4.4.2.2).
    pub start: Option<Start>,
}

/// Why there is nothing to choose from.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProgramError {
    /// No variant.
    #[error("the playlist names no variant that could be played")]
    Empty,
    /// No variant is coded so.
    #[error("no variant has video that is coded as {0}")]
    Codec(String),
    /// No such sound.
    #[error("there is no sound called {wanted:?}; there is {known}")]
    Audio {
        /// What was asked for.
        wanted: String,
        /// What there is.
        known: String,
    },
}

impl Program {
    /// A media playlist alone, which is at `uri`.
    #[must_use]
    pub fn alone(playlist: &MediaPlaylist, uri: Uri) -> Self {
        let rates = playlist.segments.iter().filter_map(|segment| segment.bitrate);
        let told = rates.max().filter(|rate| *rate > 0);
        let rate = told.map_or(UNKNOWN, |rate| rate as f64);
        let found_from = told.is_none().then_some(0.0);
        let paths = vec![Path { main: 0, audio: None }];
        let name = "only".to_owned();
        let level = Level { name, rate, found_from, resolution: None, codecs: None, paths };
        Self { levels: vec![level], renditions: vec![uri], defines: Vec::new(), start: None }
    }

    /// The levels of a multivariant playlist, which is at `uri`.
    ///
    /// # Errors
    /// None can be played, or what is wanted is not there.
    pub fn of(playlist: &MultivariantPlaylist, uri: &Uri, wanted: &Wanted) -> Result<Self, ProgramError> {
        let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned();
        let defines = resolved(&playlist.defines, &query.collect::<Vec<_>>());
        let mut program = Self { levels: Vec::new(), renditions: Vec::new(), defines, start: playlist.start };
        for variant in playable(&playlist.variants, wanted)? {
            program.add(variant, playlist, uri, wanted)?;
        }
        program.levels.sort_by(|one, other| one.rate.total_cmp(&other.rate));
        program.limit(wanted);
        program.tell_apart();
        if program.levels.is_empty() { Err(ProgramError::Empty) } else { Ok(program) }
    }

    fn add(
        &mut self,
        variant: &Variant,
        playlist: &MultivariantPlaylist,
        base: &Uri,
        wanted: &Wanted,
    ) -> Result<(), ProgramError> {
        let rate = variant.average_bandwidth.unwrap_or(variant.bandwidth) as f64 / 1000.0;
        let Ok(uri) = join(base, &variant.uri) else { return Ok(()) };
        if rate <= 0.0 {
            return Ok(());
        }
        let main = self.rendition(uri);
        let audio = match &variant.audio {
            Some(group) => sound(playlist, group, wanted)?,
            None => None,
        };
        let audio = audio.and_then(|media| join(base, media.uri.as_deref()?).ok());
        let audio = audio.map(|uri| self.rendition(uri)).filter(|audio| *audio != main);
        let path = Path { main, audio };
        // Rates are ascending in a ladder, so that equal ones are one level.
        match self.levels.iter_mut().find(|level| level.rate.total_cmp(&rate).is_eq()) {
            Some(level) if level.paths.contains(&path) => {}
            Some(level) => level.paths.push(path),
            None => {
                let name = variant.resolution.map_or_else(
                    || format!("{rate:.0} kb/s"),
                    |Resolution { height, .. }| format!("{height}p"),
                );
                let Variant { resolution, codecs, .. } = variant.clone();
                let paths = vec![path];
                self.levels.push(Level { name, rate, found_from: None, resolution, codecs, paths });
            }
        }
        Ok(())
    }

    fn rendition(&mut self, uri: Uri) -> RenditionId {
        self.renditions.iter().position(|known| *known == uri).unwrap_or_else(|| {
            self.renditions.push(uri);
            self.renditions.len() - 1
        })
    }

    /// Levels with as many lines are told apart by their rates.
    fn tell_apart(&mut self) {
        let names: Vec<String> = self.levels.iter().map(|level| level.name.clone()).collect();
        for (at, level) in self.levels.iter_mut().enumerate() {
            if names.iter().enumerate().any(|(other, name)| other != at && *name == level.name) {
                level.name = format!("{} {:.0}k", level.name, level.rate);
            }
        }
    }

    /// Leaves the levels between two rates, or the one that is nearest to them.
    fn limit(&mut self, wanted: &Wanted) {
        if let Some(most) = wanted.most {
            let kept = self.levels.iter().take_while(|level| level.rate <= most).count();
            self.levels.truncate(kept.max(1));
        }
        if let Some(least) = wanted.least {
            let below = self.levels.iter().take_while(|level| level.rate < least).count();
            self.levels.drain(..below.min(self.levels.len().saturating_sub(1)));
        }
    }

    /// The rates of the levels.
    #[must_use]
    pub fn rates(&self) -> Vec<Kbps> {
        self.levels.iter().map(|level| level.rate).collect()
    }
}

/// The variants that one decoder can go through.
fn playable<'a>(variants: &'a [Variant], wanted: &Wanted) -> Result<Vec<&'a Variant>, ProgramError> {
    let mut all: Vec<&Variant> = variants.iter().take(MOST_VARIANTS).collect();
    if let Some(codec) = &wanted.codec {
        all.retain(|variant| video(variant).is_some_and(|video| video.starts_with(codec.as_str())));
        if all.is_empty() {
            return Err(ProgramError::Codec(codec.clone()));
        }
    }
    if all.iter().any(|variant| has_video(variant)) {
        all.retain(|variant| has_video(variant));
    }
    let Some(first) = all.first().copied() else { return Err(ProgramError::Empty) };
    let coding = coding(first);
    all.retain(|variant| self::coding(variant) == coding);
    Ok(all)
}

/// The names of codecs of pictures, without what follows the first dot (RFC 6381).
const VIDEO: [&str; 10] = ["avc1", "avc3", "hvc1", "hev1", "dvh1", "dvhe", "av01", "dav1", "vp09", "vvc1"];

fn codecs(variant: &Variant) -> impl Iterator<Item = &str> {
    variant.codecs.iter().flat_map(|list| list.split(',')).map(str::trim)
}

fn family(codec: &str) -> &str {
    codec.split('.').next().unwrap_or(codec)
}

fn video(variant: &Variant) -> Option<&str> {
    codecs(variant).find(|codec| VIDEO.contains(&family(codec)))
}

/// Whether it has pictures, so far as it says.
fn has_video(variant: &Variant) -> bool {
    variant.resolution.is_some() || variant.codecs.is_none() || video(variant).is_some()
}

/// What has to stay the same when a decoder goes from one variant to another: how pictures and sound are coded, and the range of brightness.
fn coding(variant: &Variant) -> (Vec<&str>, &str) {
    let mut families: Vec<&str> = codecs(variant).map(family).collect();
    families.sort_unstable();
    families.dedup();
    (families, variant.video_range.as_deref().unwrap_or("SDR"))
}

/// The rendition of a group that is to be heard, if it says which.
fn sound<'a>(
    playlist: &'a MultivariantPlaylist,
    group: &str,
    wanted: &Wanted,
) -> Result<Option<&'a Media>, ProgramError> {
    let of_group =
        || playlist.media.iter().filter(|media| media.kind == MediaKind::Audio && media.group == group);
    if let Some(wanted) = &wanted.audio {
        let is_it = |media: &&Media| {
            let language = media.language.as_deref().unwrap_or_default();
            let primary = language.split('-').next().unwrap_or_default();
            [media.name.as_str(), language, primary].iter().any(|name| name.eq_ignore_ascii_case(wanted))
        };
        let known = || {
            let names: Vec<String> = of_group().map(|media| format!("{:?}", media.name)).collect();
            names.join(", ")
        };
        return match of_group().find(is_it) {
            Some(media) => Ok(Some(media)),
            None => Err(ProgramError::Audio { wanted: wanted.clone(), known: known() }),
        };
    }
    Ok(of_group()
        .find(|media| media.default)
        .or_else(|| of_group().find(|media| media.autoselect))
        .or_else(|| of_group().next()))
}
