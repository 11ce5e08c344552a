//! How inputs become renditions: which are variants, which are audio or subtitles, and where all of them are cut.

mod lead;
mod looked;
mod names;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;

use self::lead::Lead;
use self::looked::Looked;
use self::names::{Names, fit_together};
use super::error::PlanError;
use super::media::{Content, Input, Media, MediaTrack, Role};
use super::rendition::{About, Kind, Rendition, Tracks};
use crate::proto::hls::codec::webvtt::Document;
use crate::proto::hls::cuts::{Keys, cuts};
use crate::proto::hls::playlist::media::Date;
use crate::proto::hls::track::Timescale;
use crate::proto::hls::ts::mux::START;
use crate::proto::hls::vod::fmp4;
use crate::proto::hls::vod::layout::{Cut, Layout, span};

/// What segments are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Fragments of MP4, as CMAF has them.
    #[default]
    Fmp4,
    /// MPEG-TS.
    Ts,
}

/// Where the sound of files with pictures goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sound {
    /// Into the segments of the pictures for MPEG-TS, and into renditions of its own for fMP4, or when there are several sounds.
    #[default]
    Auto,
    /// Into the segments of the pictures, unless there are sounds that have renditions of their own.
    Muxed,
    /// Into renditions of its own.
    Apart,
}

/// How a presentation is made.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What segments are.
    pub format: Format,
    /// How long segments are at least.
    pub target: Duration,
    /// Where sound goes.
    pub sound: Sound,
    /// Whether an index stands in front of each segment of fMP4.
    pub index: bool,
    /// The date of the first picture.
    pub date_time: Option<Date>,
    /// Facts for the multivariant playlist.
    pub session_data: Vec<(String, String)>,
    /// The file name of initialization sections.
    pub init_name: String,
}

/// The file name of initialization sections by default.
pub const INIT_NAME: &str = "init.mp4";

/// How long segments are at least by default: what Apple recommends (HLS Authoring Specification, 7.5).
pub const TARGET: Duration = Duration::from_secs(6);

impl Default for Settings {
    fn default() -> Self {
        Self {
            format: Format::default(),
            target: TARGET,
            sound: Sound::default(),
            index: false,
            date_time: None,
            session_data: Vec::new(),
            init_name: INIT_NAME.to_owned(),
        }
    }
}

/// A file with pictures.
struct Film {
    about: About,
    picture: Looked,
    sounds: Vec<Looked>,
}

/// What is planned.
pub(super) struct Plan {
    pub(super) renditions: Vec<Rendition>,
    pub(super) target_duration: u64,
}

/// Sorts inputs, and plans renditions of them.
pub(super) fn plan(inputs: Vec<(Input, Media)>, settings: &Settings) -> Result<Plan, PlanError> {
    let eras = eras(&inputs)?;
    let sorted = (0..eras).map(|era| Sorted::new(&inputs, era, settings)).collect::<Result<Vec<_>, _>>()?;
    let start = sorted.iter().map(Sorted::start).max().unwrap_or(START);
    let mut renditions: Vec<Rendition> = Vec::new();
    let mut first = None;
    for (era, sorted) in sorted.into_iter().enumerate() {
        let names = sorted.names.clone();
        let mut planner = Planner { settings, era, renditions: Vec::new(), start, names };
        let begins = planner.plan(sorted)?;
        first = first.or(Some(begins));
        join(&mut renditions, planner.renditions, era)?;
    }
    // The date is that of the first picture, or of the first sound.
    let before = TimeDelta::from_std(first.unwrap_or_default()).unwrap_or_default();
    let date_time = settings.date_time.and_then(|date| date.checked_sub_signed(before));
    for rendition in &mut renditions {
        rendition.date_time = date_time;
        rendition.init_name.clone_from(&settings.init_name);
    }
    let longest = renditions.iter().flat_map(Rendition::durations).max().unwrap_or_default();
    // Rounded to the nearest second, which is how a segment is compared with it (section 4.4.3.1).
    let target_duration = ((longest + Duration::from_millis(500)).as_secs()).max(1);
    renditions.iter_mut().for_each(|rendition| rendition.target_duration = target_duration);
    Ok(Plan { renditions, target_duration })
}

/// How many eras the inputs have: all that are pictures or sound as many.
fn eras(inputs: &[(Input, Media)]) -> Result<usize, PlanError> {
    let mut all = inputs.iter().map(|(_, media)| media).filter(|media| !media.eras().is_empty());
    let Some(first) = all.next() else { return Ok(1) };
    let eras = first.eras().len();
    match all.find(|media| media.eras().len() != eras) {
        None => Ok(eras),
        Some(other) => Err(PlanError::Breaks {
            name: first.name.clone(),
            breaks: eras - 1,
            other: other.name.clone(),
            others: other.eras().len() - 1,
        }),
    }
}

/// Puts the renditions of an era behind those of the ones before.
fn join(renditions: &mut Vec<Rendition>, behind: Vec<Rendition>, era: usize) -> Result<(), PlanError> {
    if era == 0 {
        *renditions = behind;
        return Ok(());
    }
    let differs = |name: &str| PlanError::Differs { name: name.to_owned(), era: era + 1 };
    if let Some(odd) = renditions.get(behind.len()).or(behind.get(renditions.len())) {
        return Err(differs(odd.folder()));
    }
    for (rendition, behind) in renditions.iter_mut().zip(behind) {
        if !rendition.is_like(&behind) {
            return Err(differs(rendition.folder()));
        }
        rendition.append(behind);
    }
    Ok(())
}

/// Inputs by what they are.
#[derive(Default)]
struct Sorted {
    films: Vec<Film>,
    sounds: Vec<(About, Looked)>,
    texts: Vec<(About, Arc<Document>)>,
    names: Names,
}

impl Sorted {
    /// The inputs as they are in one of their eras.
    fn new(inputs: &[(Input, Media)], era: usize, settings: &Settings) -> Result<Self, PlanError> {
        let mut sorted = Self::default();
        for (input, media) in inputs {
            let missing = |what| PlanError::Role { name: media.name.clone(), what };
            let document = match &media.content {
                Content::Text(_) if input.role == Role::Audio => return Err(missing("sound")),
                Content::Text(document) => Some(Arc::clone(document)),
                Content::Tracks(_) if input.role == Role::Subtitles => return Err(missing("WebVTT text")),
                Content::Tracks(_) => None,
            };
            if let Some(document) = document {
                let about = About::of(input, None, sorted.names.take("subtitles", &media.name));
                sorted.texts.push((about, document));
                continue;
            }
            let look = |track: &MediaTrack| Looked::new(&media.name, track, settings.format);
            let Some(era) = media.eras().get(era) else { continue };
            let sounds = era.sounds().map(look).collect::<Result<Vec<_>, _>>()?;
            let mut has_picture = false;
            for picture in era.videos().filter(|_| input.role == Role::Any) {
                has_picture = true;
                let about = About::of(input, Some(&picture.track), sorted.names.take("", &media.name));
                let picture = Looked { tags: Arc::clone(&era.tags), ..look(picture)? };
                sorted.films.push(Film { about, picture, sounds: sounds.clone() });
            }
            if has_picture {
                continue;
            }
            if sounds.is_empty() {
                return Err(missing("sound"));
            }
            for sound in sounds {
                let about =
                    About::of(input, Some(&sound.track.track), sorted.names.take("audio", &media.name));
                sorted.sounds.push((about, Looked { tags: Arc::clone(&era.tags), ..sound }));
            }
        }
        match sorted.films.is_empty() && sorted.sounds.is_empty() {
            true => Err(PlanError::NothingToPlay),
            false => Ok(sorted),
        }
    }

    fn looked(&self) -> impl Iterator<Item = &Looked> {
        let films = self.films.iter().flat_map(|film| std::iter::once(&film.picture).chain(&film.sounds));
        films.chain(self.sounds.iter().map(|(_, sound)| sound))
    }

    /// What is added to all times in MPEG-TS, in ticks of 90 kHz: so much that none is below 0.
    fn start(&self) -> i64 {
        let before = self.looked().filter_map(|looked| {
            let track = &looked.track.track;
            let first = looked.track.samples.from(0).next()?;
            let dts = first.sample.dts.saturating_add(track.edit.offset).saturating_sub(looked.lead());
            track.timescale.rescale(dts.min(0), Timescale::MPEG)
        });
        START.saturating_sub(before.min().unwrap_or(0))
    }
}

struct Planner<'a> {
    settings: &'a Settings,
    /// Which era it is.
    era: usize,
    renditions: Vec<Rendition>,
    start: i64,
    names: Names,
}

impl Planner<'_> {
    /// Plans the renditions. When they begin.
    fn plan(&mut self, sorted: Sorted) -> Result<Duration, PlanError> {
        let keys: Vec<Keys> = sorted.films.iter().map(|film| film.picture.keys()).collect();
        let mut times = cuts(&keys, self.settings.target)?;
        for (film, times) in sorted.films.iter().zip(&mut times) {
            // What is in front of the first common key frame is in the first segment.
            if let Some(first) = times.first_mut() {
                *first = film.picture.scan.start.min(*first);
            }
        }
        let lead = match (sorted.films.first(), times.first()) {
            (Some(film), Some(times)) => Lead {
                scale: film.picture.track.track.timescale,
                times: times.clone(),
                end: film.picture.scan.end,
            },
            _ => Lead::of_sound(&sorted.sounds, self.settings.target, self.era > 0),
        };
        let several = sorted.films.iter().any(|film| film.sounds.len() > 1) || !sorted.sounds.is_empty();
        let apart = match self.settings.sound {
            Sound::Apart => true,
            // A group of sounds cannot have one that is within the pictures and has no playlist.
            Sound::Muxed => !sorted.sounds.is_empty(),
            Sound::Auto => self.settings.format == Format::Fmp4 || several,
        };
        let subtitles = (!sorted.texts.is_empty()).then(|| "subtitles".to_owned());
        let only_sound = sorted.films.is_empty();
        // Sets of sounds that go together with a film, each a group.
        let mut groups: Vec<Vec<Looked>> = Vec::new();
        for (film, times) in sorted.films.into_iter().zip(&times) {
            let Film { about, picture, sounds } = film;
            let has_group = apart && !(sounds.is_empty() && sorted.sounds.is_empty());
            let group = has_group.then(|| {
                let same = |group: &Vec<Looked>| {
                    group.len() == sounds.len() && group.iter().zip(&sounds).all(|(a, b)| a.is_same(b))
                };
                let index = groups.iter().position(same).unwrap_or_else(|| {
                    groups.push(sounds.clone());
                    groups.len() - 1
                });
                group_name(index)
            });
            let muxed = if apart { Vec::new() } else { sounds };
            let kind = Kind::Variant { audio: group, subtitles: subtitles.clone() };
            self.film(about, kind, &picture, &muxed, times)?;
        }
        if only_sound {
            for (about, sound) in &sorted.sounds {
                let kind = Kind::Variant { audio: None, subtitles: subtitles.clone() };
                self.sound(about.clone(), kind, sound, &lead)?;
            }
        } else {
            for (index, group) in groups.iter().enumerate() {
                self.group(index, group, &sorted.sounds, &lead)?;
            }
        }
        let mut texts = sorted.texts;
        fit_together(texts.iter_mut().map(|(about, _)| about));
        for (about, document) in texts {
            let kind = Kind::Subtitles { group: "subtitles".to_owned() };
            let start = self.subtitle_start();
            self.renditions.push(Rendition::of_text(about, kind, document, &lead.spans(), start));
        }
        Ok(lead.times.first().map_or(Duration::ZERO, |first| span(lead.scale, 0, *first)))
    }

    /// When the presentation begins on the clock of 90 kHz that subtitles are mapped to.
    fn subtitle_start(&self) -> i64 {
        if self.settings.format == Format::Ts { self.start } else { 0 }
    }

    fn film(
        &mut self,
        about: About,
        kind: Kind,
        picture: &Looked,
        muxed: &[Looked],
        times: &[i64],
    ) -> Result<(), PlanError> {
        let keys = &picture.scan.keys;
        let number = |time: &i64| {
            let at = keys.partition_point(|key| key.time < *time);
            keys.get(at).map_or(0, |key| key.number)
        };
        let scale = picture.track.track.timescale;
        let mut lanes = vec![picture.lane(&Cut::Samples(times.iter().map(number).collect()))];
        lanes.extend(muxed.iter().map(|sound| sound.lane(&Cut::Times(scale, times.to_vec()))));
        // Sound that goes on longer is heard to its end.
        let layout = Layout::new(lanes, 0, times.to_vec(), picture.scan.end);
        let all: Vec<&Looked> = std::iter::once(picture).chain(muxed).collect();
        self.add(about, kind, layout, &all)
    }

    fn sound(&mut self, about: About, kind: Kind, sound: &Looked, lead: &Lead) -> Result<(), PlanError> {
        let cut = Cut::Times(lead.scale, lead.for_sound(sound, self.settings.target));
        let lane = sound.lane(&cut).without_empty();
        self.add(about, kind, Layout::of_sound(lane, sound.scan.end), &[sound])
    }

    fn group(
        &mut self,
        index: usize,
        own: &[Looked],
        others: &[(About, Looked)],
        lead: &Lead,
    ) -> Result<(), PlanError> {
        let group = group_name(index);
        let mut members: Vec<(About, Looked)> = Vec::new();
        for sound in own {
            let mut about = About::of(&Input::default(), Some(&sound.track.track), String::new());
            let tag = about.language.clone().unwrap_or_else(|| "main".to_owned());
            about.folder = self.names.take(&group, &tag);
            members.push((about, sound.clone()));
        }
        for (about, sound) in others {
            let mut about = about.clone();
            if index > 0 {
                about.folder = self.names.take("", &about.folder);
            }
            members.push((about, sound.clone()));
        }
        // One is played when nobody chooses: the first, unless its user said which.
        if !members.iter().any(|(about, _)| about.default)
            && let Some((about, _)) = members.first_mut()
        {
            about.default = true;
        }
        fit_together(members.iter_mut().map(|(about, _)| about));
        for (about, sound) in members {
            self.sound(about, Kind::Audio { group: group.clone() }, &sound, lead)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        about: About,
        kind: Kind,
        mut layout: Layout,
        all: &[&Looked],
    ) -> Result<(), PlanError> {
        if let Some(lead) = all.first() {
            layout.tags = Arc::clone(&lead.tags);
        }
        let name = all.first().map(|looked| looked.name.clone()).unwrap_or_default();
        let tracks = Tracks {
            sources: all.iter().map(|looked| Arc::clone(&looked.track.source)).collect(),
            leads: all.iter().map(|looked| looked.lead()).collect(),
            layout,
            format: self.settings.format,
            start: self.start,
            options: fmp4::Options { index: self.settings.index },
            rate: all.first().map_or(0.0, |looked| looked.scan.rate),
            independent: all.first().is_none_or(|looked| looked.scan.closed),
        };
        self.renditions.push(Rendition::of_tracks(about, kind, tracks, &name)?);
        Ok(())
    }
}

fn group_name(index: usize) -> String {
    if index == 0 { "audio".to_owned() } else { format!("audio-{}", index + 1) }
}
