//! The network of a simulation: a trace in virtual time, over and over.
//!
//! A request waits for the latency of the moment, then comes at the bandwidth of the moment. A download can be looked at while it goes on, at least every [`LOOK_BITS`] and [`LOOK_TIME`]: the grain in which
//! the published simulator (Sabre, MMSys 2018) has an algorithm give a download up. The arithmetic is done in its order, so that figures agree to the last digits.

use crate::proto::hls::abr::{Bits, Kbps, Ladder, Ms, Progress, Quality};

use super::Trace;

/// A download is looked at when so much more of it has come...
const LOOK_BITS: Bits = 12_000.0;

/// ...and at least so much time has passed.
const LOOK_TIME: Ms = 50.0;

/// From here on the network would carry another quality.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Change {
    /// When.
    pub at: Ms,
    /// What it carried.
    pub from: Quality,
    /// What it carries.
    pub to: Quality,
}

/// The network.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    trace: &'a Trace,
    ladder: &'a Ladder,
    /// The period of the trace that it is in.
    period: usize,
    /// What is left of that.
    left: Ms,
    now: Ms,
    carried: Quality,
    changes: Vec<Change>,
}

/// Looks at a download, and says for which quality it is to be given up, if it is.
pub type Look<'a> = dyn FnMut(&Progress) -> Option<Quality> + 'a;

/// What a part of a download was.
#[derive(Clone, Copy, Debug)]
struct Part {
    bits: Bits,
    time: Ms,
}

impl<'a> Network<'a> {
    /// The beginning of a trace.
    #[must_use]
    pub fn new(trace: &'a Trace, ladder: &'a Ladder) -> Self {
        let mut network =
            Self { trace, ladder, period: 0, left: 0.0, now: 0.0, carried: 0, changes: Vec::new() };
        network.enter(0);
        network
    }

    /// How much time has passed.
    #[must_use]
    pub fn now(&self) -> Ms {
        self.now
    }

    /// The highest quality that the network carries now.
    #[must_use]
    pub fn carried(&self) -> Quality {
        self.carried
    }

    /// The changes since this was last asked.
    pub fn changes(&mut self) -> std::vec::Drain<'_, Change> {
        self.changes.drain(..)
    }

    /// The bandwidth of the moment.
    #[must_use]
    pub fn bandwidth(&self) -> Kbps {
        self.trace.periods()[self.period].bandwidth
    }

    fn latency(&self) -> Ms {
        self.trace.periods()[self.period].latency
    }

    fn enter(&mut self, period: usize) {
        self.period = period;
        self.left = self.trace.periods()[period].time;
        let effective = self.bandwidth() * (1.0 - self.latency() / self.ladder.segment());
        self.carried = self.ladder.rates()[1..].iter().take_while(|rate| **rate <= effective).count();
    }

    fn next(&mut self) {
        let from = self.carried;
        self.enter((self.period + 1) % self.trace.periods().len());
        if self.carried != from {
            self.changes.push(Change { at: self.now, from, to: self.carried });
        }
    }

    /// Lets time pass within the period.
    fn pass(&mut self, time: Ms) {
        self.now += time;
        self.left -= time;
    }

    /// Lets the rest of the period pass.
    fn finish(&mut self) -> Ms {
        let time = self.left;
        self.now += time;
        self.next();
        time
    }

    /// Nothing is asked for during this time.
    pub fn wait(&mut self, mut time: Ms) {
        while time > self.left {
            time -= self.finish();
        }
        self.pass(time);
    }

    /// A request is on its way.
    fn request(&mut self) -> Ms {
        let (mut share, mut total) = (1.0, 0.0);
        while share > 0.0 {
            let latency = self.latency();
            let time = share * latency;
            if time <= self.left {
                self.pass(time);
                return total + time;
            }
            let left = self.finish();
            total += left;
            share -= left / latency;
        }
        total
    }

    /// All of it, without a look.
    fn load(&mut self, mut bits: Bits) -> Ms {
        let mut total = 0.0;
        while bits > 0.0 {
            let bandwidth = self.bandwidth();
            if bits <= self.left * bandwidth {
                let time = bits / bandwidth;
                self.pass(time);
                return total + time;
            }
            let left = self.finish();
            total += left;
            bits -= left * bandwidth;
        }
        total
    }

    /// Until it is time for a look.
    fn load_some(&mut self, mut bits: Bits, mut least: Bits, mut time: Ms) -> Part {
        let mut whole = Part { bits: 0.0, time: 0.0 };
        while bits > 0.0 && (least > 0.0 || time > 0.0) {
            let part = self.load_within(bits, least, time);
            whole.bits += part.bits;
            whole.time += part.time;
            bits -= part.bits;
            least -= part.bits;
            time -= part.time;
            if part.ends {
                break;
            }
        }
        whole
    }

    /// Until it is time for a look, or the period is over.
    fn load_within(&mut self, bits: Bits, least: Bits, time: Ms) -> Stretch {
        let bandwidth = self.bandwidth();
        if bandwidth <= 0.0 {
            if least > 0.0 || time > self.left {
                return Stretch { bits: 0.0, time: self.finish(), ends: false };
            }
            self.pass(time);
            return Stretch { bits: 0.0, time, ends: false };
        }
        let wanted = least.max(time * bandwidth);
        let possible = self.left * bandwidth;
        let (bits, ends) = if bits <= wanted && bits <= possible {
            (bits, false)
        } else if wanted <= possible {
            // Without this a rounding error might leave a look that never comes.
            (wanted, true)
        } else {
            return Stretch { bits: possible, time: self.finish(), ends: false };
        };
        let time = bits / bandwidth;
        self.pass(time);
        Stretch { bits, time, ends }
    }

    /// Downloads so much, and asks `abandon` from time to time whether to go on. What is returned has less than the size if not.
    pub fn download(
        &mut self,
        quality: Quality,
        size: Bits,
        abandon: Option<&mut Look<'_>>,
    ) -> (Progress, Option<Quality>) {
        let mut progress = Progress { quality, size, downloaded: 0.0, time: 0.0, to_first_bit: 0.0 };
        if size <= 0.0 {
            return (progress, None);
        }
        progress.to_first_bit = self.request();
        let Some(abandon) = abandon else {
            progress.time = progress.to_first_bit + self.load(size);
            progress.downloaded = size;
            return (progress, None);
        };
        progress.time = progress.to_first_bit;
        let mut until = LOOK_TIME - progress.to_first_bit;
        while progress.downloaded < size {
            let part = self.load_some(size - progress.downloaded, LOOK_BITS, until);
            progress.time += part.time;
            progress.downloaded += part.bits;
            if progress.downloaded < size
                && let Some(lower) = abandon(&progress)
            {
                return (progress, Some(lower));
            }
            until = LOOK_TIME;
        }
        (progress, None)
    }
}

/// A part of a download within a period.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    bits: Bits,
    time: Ms,
    /// Whether it is time for a look.
    ends: bool,
}
