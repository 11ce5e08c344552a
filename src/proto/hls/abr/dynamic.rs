//! DYNAMIC: the throughput rule while the buffer is low, where it says little, and BOLA while it is not (MMSys 2018, section 5).

use super::{
    Abr, Bola, BolaE, Choice, Download, Ladder, Ms, Progress, Quality, Situation, Swings, Throughput,
};

/// Above this level BOLA may decide.
const HIGH: Ms = 10_000.0;

/// Below this level it may not, in the form that dash.js has.
const LOW: Ms = 5_000.0;

/// The algorithm of the paper: BOLA takes over above 10 s where it chooses no less than the throughput rule, and gives up below 10 s where it chooses less.
#[derive(Clone, Debug)]
pub struct Dynamic {
    bola: Bola,
    throughput: Throughput,
    by_buffer: bool,
}

impl Dynamic {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms, swings: Swings) -> Self {
        Self { bola: Bola::new(ladder, buffer, swings), throughput: Throughput::new(), by_buffer: false }
    }
}

impl Abr for Dynamic {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        let by_buffer = self.bola.choose(now);
        let by_throughput = self.throughput.choose(now);
        if self.by_buffer {
            self.by_buffer = now.level >= HIGH || by_buffer.quality >= by_throughput.quality;
        } else {
            self.by_buffer = now.level > HIGH && by_buffer.quality >= by_throughput.quality;
        }
        if self.by_buffer { by_buffer } else { by_throughput }
    }

    fn downloaded(&mut self, download: &Download, _: Ms) {
        if download.replacement {
            self.by_buffer = false;
        }
    }

    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        self.throughput.abandon(now, progress)
    }

    fn sought(&mut self, index: usize) {
        self.bola.sought(index);
    }
}

/// The same with BOLA-E, which decides from 10 s on until the level is below 5 s.
#[derive(Clone, Debug)]
pub struct DynamicDash {
    bola: BolaE,
    throughput: Throughput,
    by_buffer: bool,
}

impl DynamicDash {
    /// For a buffer of at most so many milliseconds.
    #[must_use]
    pub fn new(ladder: &Ladder, buffer: Ms, swings: Swings) -> Self {
        Self { bola: BolaE::new(ladder, buffer, swings), throughput: Throughput::new(), by_buffer: false }
    }
}

impl Abr for DynamicDash {
    fn choose(&mut self, now: &Situation<'_>) -> Choice {
        self.by_buffer = if self.by_buffer { now.level >= LOW } else { now.level > HIGH };
        if self.by_buffer { self.bola.choose(now) } else { self.throughput.choose(now) }
    }

    fn waited(&mut self, time: Ms) {
        self.bola.waited(time);
    }

    fn downloaded(&mut self, download: &Download, level: Ms) {
        self.bola.downloaded(download, level);
    }

    fn abandon(&mut self, now: &Situation<'_>, progress: &Progress) -> Option<Quality> {
        if self.by_buffer { self.bola.abandon(now, progress) } else { self.throughput.abandon(now, progress) }
    }

    fn sought(&mut self, index: usize) {
        self.bola.sought(index);
    }
}
