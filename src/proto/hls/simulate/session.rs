//! One session: a player, an algorithm and a network, until the video has been played.

use crate::proto::hls::abr::{
    Abr, Algorithm, Average, Bits, Choice, Download, Ladder, Ms, Progress, Quality, Replace, Situation,
    Strategy,
};

use super::buffer::{Buffer, Played, Scene};
use super::reaction::Reactions;
use super::{Look, Manifest, Network, Outcome, Trace};

/// A segment is given up at most so many times; then it is loaded whatever comes.
const MOST_ABANDONED: u32 = 100;

/// How a player is set up.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How much its buffer holds.
    pub buffer: Ms,
    /// Whether downloads may be given up.
    pub abandon: bool,
    /// Which segments in the buffer are loaded again in a better quality.
    pub replace: Option<Strategy>,
    /// How far behind the live edge it plays; not live if there is none.
    pub live: Option<Ms>,
    /// Whether each download is noted, for a plot.
    pub steps: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { buffer: 25_000.0, abandon: true, replace: None, live: None, steps: false }
    }
}

/// A download, for a plot.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// When it was asked for.
    pub from: Ms,
    /// When it was there.
    pub at: Ms,
    /// The quality that was loaded.
    pub quality: Quality,
    /// The level after it.
    pub level: Ms,
    /// How long all stalls were until now.
    pub stalled: Ms,
}

/// A session that goes on.
struct Session<'a> {
    manifest: &'a Manifest,
    settings: Settings,
    network: Network<'a>,
    abr: &'a mut dyn Abr,
    average: &'a mut dyn Average,
    utilities: Vec<f64>,
    buffer: Buffer,
    played: Played,
    reactions: Reactions,
    replace: Option<Replace>,
    steps: Vec<Step>,
}

/// Plays a video over a network, with an algorithm that has learned nothing yet.
#[must_use]
pub fn run(manifest: &Manifest, trace: &Trace, algorithm: Algorithm, settings: Settings) -> Outcome {
    let ladder = manifest.ladder();
    let mut abr = algorithm.start(ladder, settings.buffer);
    run_with(manifest, trace, &mut *abr, &mut *algorithm.average(ladder), settings)
}

/// As [`run`], with an algorithm as it is, and an average that it knows the network by.
#[must_use]
pub fn run_with(
    manifest: &Manifest,
    trace: &Trace,
    abr: &mut dyn Abr,
    average: &mut dyn Average,
    settings: Settings,
) -> Outcome {
    let ladder = manifest.ladder();
    let mut session = Session {
        manifest,
        settings,
        network: Network::new(trace, ladder),
        abr,
        average,
        utilities: ladder.utilities(0.0),
        buffer: Buffer::default(),
        played: Played::default(),
        reactions: Reactions::new(settings.buffer),
        replace: settings.replace.map(Replace::new),
        steps: Vec::new(),
    };
    let startup = session.first();
    let mut next = 1;
    let mut abandoned = 0;
    while next < manifest.segments().len() {
        if session.segment(next, abandoned < MOST_ABANDONED) {
            next += 1;
            abandoned = 0;
        } else {
            abandoned += 1;
        }
    }
    session.finish(startup)
}

impl<'a> Session<'a> {
    fn ladder(&self) -> &'a Ladder {
        self.manifest.ladder()
    }

    fn level(&self) -> Ms {
        self.buffer.level(self.ladder().segment())
    }

    fn play(&mut self, time: Ms) {
        let scene = Scene {
            ladder: self.manifest.ladder(),
            utilities: &self.utilities,
            carried: self.network.carried(),
        };
        self.buffer.play(time, &scene, &mut self.played, &mut self.reactions);
    }

    /// Tells those who look for it what the network has become.
    fn notice(&mut self) {
        for change in self.network.changes() {
            self.reactions.changed(change, self.buffer.segments());
        }
    }

    /// Nothing is asked for during this time.
    fn wait(&mut self, time: Ms) {
        self.play(time);
        self.network.wait(time);
        self.notice();
    }

    /// The first segment, which nothing can be played before.
    fn first(&mut self) -> Ms {
        let quality = self.abr.first().min(self.ladder().top());
        let (progress, _) = self.network.download(quality, self.manifest.size(0, quality), None);
        self.notice();
        self.buffer.push(quality);
        self.learn(&progress);
        self.played.time += progress.time;
        self.step(&progress);
        progress.time
    }

    fn learn(&mut self, progress: &Progress) {
        let time = progress.time - progress.to_first_bit;
        if time > 0.0 {
            self.average.push(time, progress.downloaded / time, progress.to_first_bit);
        }
    }

    fn step(&mut self, progress: &Progress) {
        if self.settings.steps {
            let (at, level) = (self.played.time, self.level());
            let from = at - progress.time;
            self.steps.push(Step {
                from,
                at,
                quality: progress.quality,
                level,
                stalled: self.played.stalled,
            });
        }
    }

    /// What the algorithm decides upon; `sizes` are those of the segments from this one on.
    fn situation<'s>(&self, next: usize, sizes: &'s [Vec<Bits>]) -> Situation<'s>
    where
        'a: 's,
    {
        Situation {
            ladder: self.manifest.ladder(),
            level: self.level(),
            index: next,
            left: self.settings.live.is_none().then(|| self.manifest.segments().len() - next),
            estimate: self.average.estimate(),
            sizes,
        }
    }

    /// Loads the next segment, or one in its place: whether it is there.
    fn segment(&mut self, next: usize, may_abandon: bool) -> bool {
        self.make_room(next);
        let manifest: &'a Manifest = self.manifest;
        let situation = self.situation(next, &manifest.segments()[next..]);
        let Choice { quality, mut delay } = self.abr.choose(&situation);
        let quality = quality.min(self.ladder().top());
        let segment = self.ladder().segment();
        let place = self
            .replace
            .as_ref()
            .and_then(|replace| replace.place(quality, self.buffer.segments(), self.buffer.begun(), segment));
        if place.is_some() {
            delay = 0.0;
        }
        if delay > 0.0 {
            self.wait(delay);
        }
        let index = place.map_or(next, |from_end| next - from_end);
        let (progress, abandoned_for) = self.download(next, index, quality, place, may_abandon);
        self.play(progress.time);
        match (place, abandoned_for) {
            (None, None) => self.buffer.push(quality),
            (Some(from_end), None) if self.level() - segment * from_end as f64 >= 0.0 => {
                self.buffer.replace(from_end, quality);
            }
            _ => {}
        }
        let download = Download { progress, abandoned_for, replacement: place.is_some() };
        let level = self.level();
        self.abr.downloaded(&download, level);
        if abandoned_for.is_none() {
            self.learn(&progress);
            self.step(&progress);
        }
        place.is_none() && abandoned_for.is_none()
    }

    /// Waits until a segment fits into the buffer, and, if it is live, until it is there.
    fn make_room(&mut self, next: usize) {
        let segment = self.ladder().segment();
        let full = self.level() + segment - self.settings.buffer;
        // In a live stream a segment is there when its last picture is. Playback began as far behind as it was to be.
        let missing = self
            .settings
            .live
            .map_or(0.0, |behind| (next + 1) as f64 * segment - behind.max(segment) - self.network.now());
        let time = full.max(missing);
        if time > 0.0 {
            self.wait(time);
            self.abr.waited(time);
        }
    }

    fn download(
        &mut self,
        next: usize,
        index: usize,
        quality: Quality,
        place: Option<usize>,
        may_abandon: bool,
    ) -> (Progress, Option<Quality>) {
        let manifest: &'a Manifest = self.manifest;
        let situation = self.situation(next, &manifest.segments()[next..]);
        let size = manifest.size(index, quality);
        let level = situation.level;
        let segment = situation.ladder.segment();
        let abr = &mut *self.abr;
        let mut look = |progress: &Progress| {
            let level = (level - progress.time).max(0.0);
            match place {
                // What is to be replaced is about to be played.
                Some(from_end) => (level - segment * from_end as f64 <= 0.0).then_some(quality),
                None => abr.abandon(&Situation { level, ..situation }, progress),
            }
        };
        let may_abandon = self.settings.abandon && may_abandon;
        let look: Option<&mut Look<'_>> = if may_abandon { Some(&mut look) } else { None };
        let done = self.network.download(quality, size, look);
        self.notice();
        done
    }

    fn finish(mut self, startup: Ms) -> Outcome {
        let scene = Scene {
            ladder: self.manifest.ladder(),
            utilities: &self.utilities,
            carried: self.network.carried(),
        };
        self.buffer.play_out(&scene, &mut self.played, &mut self.reactions);
        Outcome::of(self.manifest, &self.played, self.reactions.total(), startup, self.steps)
    }
}
