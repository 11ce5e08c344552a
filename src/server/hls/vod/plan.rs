//! How inputs become renditions: which are variants, which are audio or subtitles, and where all of them are cut.

use std::sync::Arc;
use std::time::Duration;

use super::error::{MediaError, PlanError};
use super::media::{Content, Input, Media, MediaTrack, Role};
use super::rendition::{About, Kind, Rendition, Tracks};
use crate::proto::hls::codec::webvtt::Document;
use crate::proto::hls::cuts::{Keys, cuts};
use crate::proto::hls::playlist::media::Date;
use crate::proto::hls::track::{Config, Timescale, Track};
use crate::proto::hls::ts::mux::START;
use crate::proto::hls::vod::layout::{Cut, Lane, Layout};
use crate::proto::hls::vod::scan::{Scan, scan};
use crate::proto::hls::vod::{fmp4, language};

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
    /// The date at which the presentation begins.
    pub date_time: Option<Date>,
    /// Facts for the multivariant playlist.
    pub session_data: Vec<(String, String)>,
}

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
        }
    }
}

/// A track that was looked at.
#[derive(Clone, Debug)]
struct Looked {
    /// The input's name.
    name: String,
    track: MediaTrack,
    scan: Scan,
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
    let sorted = Sorted::new(inputs, settings)?;
    let mut planner = Planner { settings, renditions: Vec::new(), start: sorted.start() };
    planner.plan(sorted)?;
    let mut renditions = planner.renditions;
    let longest = renditions.iter().flat_map(Rendition::durations).max().unwrap_or_default();
    // Rounded to the nearest second, which is how a segment is compared with it (section 4.4.3.1).
    let target_duration = ((longest + Duration::from_millis(500)).as_secs()).max(1);
    renditions.iter_mut().for_each(|rendition| rendition.target_duration = target_duration);
    Ok(Plan { renditions, target_duration })
}

/// Inputs by what they are.
struct Sorted {
    films: Vec<Film>,
    sounds: Vec<(About, Looked)>,
    texts: Vec<(About, Arc<Document>)>,
}

impl Sorted {
    fn new(inputs: Vec<(Input, Media)>, settings: &Settings) -> Result<Self, PlanError> {
        let mut sorted = Self { films: Vec::new(), sounds: Vec::new(), texts: Vec::new() };
        let mut names = Names::default();
        for (input, media) in inputs {
            let missing = |what| PlanError::Role { name: media.name.clone(), what };
            let document = match &media.content {
                Content::Text(_) if input.role == Role::Audio => return Err(missing("sound")),
                Content::Text(document) => Some(Arc::clone(document)),
                Content::Tracks(_) if input.role == Role::Subtitles => return Err(missing("WebVTT text")),
                Content::Tracks(_) => None,
            };
            if let Some(document) = document {
                let about = About::of(&input, None, names.take("subtitles", &media.name));
                sorted.texts.push((about, document));
                continue;
            }
            let look = |track: &MediaTrack| Looked::new(&media.name, track, settings.format);
            let sounds = media.sounds().map(look).collect::<Result<Vec<_>, _>>()?;
            let mut has_picture = false;
            for picture in media.videos().filter(|_| input.role == Role::Any) {
                has_picture = true;
                let about = About::of(&input, Some(&picture.track), names.take("", &media.name));
                sorted.films.push(Film { about, picture: look(picture)?, sounds: sounds.clone() });
            }
            if has_picture {
                continue;
            }
            if sounds.is_empty() {
                return Err(missing("sound"));
            }
            for sound in sounds {
                let about = About::of(&input, Some(&sound.track.track), names.take("audio", &media.name));
                sorted.sounds.push((about, sound));
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

impl Looked {
    fn new(name: &str, track: &MediaTrack, format: Format) -> Result<Self, PlanError> {
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
        Ok(Self { name: name.to_owned(), track, scan })
    }

    /// By how much samples are decoded earlier in MPEG-TS, so that none is presented before it is decoded.
    fn lead(&self) -> i64 {
        i64::from(self.scan.least_offset.min(0)).saturating_neg()
    }

    fn keys(&self) -> Keys {
        Keys {
            name: self.name.clone(),
            timescale: self.track.track.timescale,
            times: self.scan.keys.iter().map(|key| key.time).collect(),
            picture: self.scan.step,
            end: self.scan.end,
        }
    }

    fn lane(&self, cut: &Cut) -> Lane {
        Lane::new(self.track.track.clone(), Arc::clone(&self.track.samples), self.scan.samples, cut)
    }

    /// Whether another sound is the same: renditions of one film mostly have the same.
    fn is_same(&self, other: &Self) -> bool {
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

struct Planner<'a> {
    settings: &'a Settings,
    renditions: Vec<Rendition>,
    start: i64,
}

impl Planner<'_> {
    fn plan(&mut self, sorted: Sorted) -> Result<(), PlanError> {
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
            _ => Lead::of_sound(&sorted.sounds, self.settings.target),
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
        for (about, document) in sorted.texts {
            let kind = Kind::Subtitles { group: "subtitles".to_owned() };
            self.renditions.push(Rendition::of_text(
                about,
                kind,
                document,
                &lead.spans(),
                self.subtitle_start(),
            ));
        }
        Ok(())
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
        let mut names = Names::default();
        let mut members: Vec<(About, Looked)> = Vec::new();
        for sound in own {
            let mut about = About::of(&Input::default(), Some(&sound.track.track), String::new());
            let tag = about.language.clone().unwrap_or_else(|| "main".to_owned());
            about.folder = names.take(&group, &tag);
            members.push((about, sound.clone()));
        }
        for (about, sound) in others {
            let mut about = about.clone();
            if index > 0 {
                about.folder = format!("{}-{}", about.folder, index + 1);
            }
            members.push((about, sound.clone()));
        }
        // One is played when nobody chooses: the first, unless its user said which.
        if !members.iter().any(|(about, _)| about.default)
            && let Some((about, _)) = members.first_mut()
        {
            about.default = true;
        }
        name_apart(members.iter_mut().map(|(about, _)| about));
        for (about, sound) in members {
            self.sound(about, Kind::Audio { group: group.clone() }, &sound, lead)?;
        }
        Ok(())
    }

    fn add(&mut self, about: About, kind: Kind, layout: Layout, all: &[&Looked]) -> Result<(), PlanError> {
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
        let mut rendition = Rendition::of_tracks(about, kind, tracks, &name)?;
        rendition.date_time = self.settings.date_time;
        self.renditions.push(rendition);
        Ok(())
    }
}

fn group_name(index: usize) -> String {
    if index == 0 { "audio".to_owned() } else { format!("audio-{}", index + 1) }
}

/// Gives those in a group names of their own (section 4.4.6.1.1).
fn name_apart<'a>(members: impl Iterator<Item = &'a mut About>) {
    let mut taken: Vec<String> = Vec::new();
    for about in members {
        let mut name = about.name.clone();
        let mut number = 2;
        while taken.contains(&name) {
            name = format!("{} {number}", about.name);
            number += 1;
        }
        taken.push(name.clone());
        about.name = name;
    }
}

/// The times at which all renditions are cut: those of the first film, or multiples of the target duration.
struct Lead {
    scale: Timescale,
    times: Vec<i64>,
    end: i64,
}

impl Lead {
    fn of_sound(sounds: &[(About, Looked)], target: Duration) -> Self {
        let end = sounds.iter().map(|(_, sound)| {
            sound.track.track.timescale.rescale(sound.scan.end, Timescale::MPEG).unwrap_or(i64::MAX)
        });
        let end = end.max().unwrap_or(0);
        let step = ticks(target);
        let mut times: Vec<i64> = (0..).map(|n: i64| n * step).take_while(|time| *time < end).collect();
        // A rest that is not worth a segment is heard with the one before.
        if times.len() > 1 && times.last().is_some_and(|last| end - last < step / 4) {
            times.pop();
        }
        Self { scale: Timescale::MPEG, times, end }
    }

    /// The times at which a sound is cut: those of the film, and more if it goes on longer than that.
    fn for_sound(&self, sound: &Looked, target: Duration) -> Vec<i64> {
        let track = &sound.track.track;
        let mut times = self.times.clone();
        let step = Timescale::MPEG.rescale(ticks(target), self.scale).unwrap_or(1).max(1);
        let end = track.timescale.rescale(sound.scan.end, self.scale).unwrap_or(self.end);
        while let Some(last) = times.last().copied().filter(|last| end.saturating_sub(*last) > 2 * step) {
            let next = last + step;
            if next < self.end {
                break; // a long segment of the film
            }
            times.push(next);
        }
        times
    }

    /// When each segment begins and how long it is.
    fn spans(&self) -> Vec<(Duration, Duration)> {
        let at = |time: i64| crate::proto::hls::vod::layout::span(self.scale, 0, time);
        let ends = self.times.iter().skip(1).copied().chain(std::iter::once(self.end));
        self.times
            .iter()
            .zip(ends)
            .map(|(from, to)| (at(*from), crate::proto::hls::vod::layout::span(self.scale, *from, to)))
            .collect()
    }
}

fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos() * 90_000 / 1_000_000_000).unwrap_or(i64::MAX).max(1)
}

/// Folders of renditions, each its own.
#[derive(Default)]
struct Names(Vec<String>);

impl Names {
    /// A folder for the input `name`, behind a word.
    fn take(&mut self, word: &str, name: &str) -> String {
        let path = name.split(['?', '#']).next().unwrap_or(name);
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = file.rsplit_once('.').map_or(file, |(stem, _)| if stem.is_empty() { file } else { stem });
        let plain = |char: char| if char.is_alphanumeric() || matches!(char, '_' | '-') { char } else { '-' };
        let mut stem: String = stem.chars().map(plain).collect();
        stem = stem.trim_matches('-').to_owned();
        if stem.is_empty() {
            "stream".clone_into(&mut stem);
        }
        let base = if word.is_empty() || stem.starts_with(word) { stem } else { format!("{word}-{stem}") };
        let mut folder = base.clone();
        let mut number = 2;
        while self.0.contains(&folder) {
            folder = format!("{base}-{number}");
            number += 1;
        }
        self.0.push(folder.clone());
        folder
    }
}

impl About {
    /// What is said of a rendition: by its user, or by the track itself.
    fn of(input: &Input, track: Option<&Track>, folder: String) -> Self {
        let language = input.language.clone().or_else(|| language::tag(track?.language));
        let own = language.as_deref().and_then(language::own_name).map(str::to_owned);
        let name = input.name.clone().or(own).or_else(|| language.clone());
        let name = name.unwrap_or_else(|| match track {
            None => "Subtitles".to_owned(),
            Some(_) => "Audio".to_owned(),
        });
        Self { folder, name, language, default: input.default, forced: input.forced }
    }
}
