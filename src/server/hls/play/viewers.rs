//! Many viewers at once, each with connections, a buffer and an algorithm of its own: a load for an origin that is what viewers are.
//!
//! Media are counted and not looked into. Viewers are divided over threads, one for each processor, and stay there.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Session, Setup, Turn, words};
use crate::proto::hls::abr::Ms;
use crate::proto::hls::play::summary::Summary;
use crate::proto::hls::simulate::Trace;
use crate::server::load::faults::Faults;
use crate::server::load::signals::Signals;
use crate::server::one_line;

/// Viewers.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// How many.
    pub viewers: usize,
    /// Within which time they come, one after the other.
    pub ramp: Duration,
    /// How long each stays; to the end of the media, if that is not said.
    pub span: Option<Duration>,
    /// What they play.
    pub setup: Setup,
    /// Their networks, which they take in turn; the real one if there is none.
    pub traces: Vec<Arc<Trace>>,
}

/// A few of many figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// Half of them are not greater.
    pub median: f64,
    /// 99 of 100 are not greater.
    pub p99: f64,
    /// None is greater.
    pub most: f64,
}

impl Spread {
    fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_unstable_by(f64::total_cmp);
        let at = |share: usize| {
            let index = (figures.len() * share).div_ceil(100).saturating_sub(1);
            figures.get(index).copied().unwrap_or_default()
        };
        let mean = figures.iter().sum::<f64>() / figures.len().max(1) as f64;
        Self { mean, median: at(50), p99: at(99), most: at(100) }
    }
}

/// What the viewers had. Times are milliseconds, rates kilobits a second.
#[derive(Debug, Serialize)]
pub struct Report {
    /// How many there were.
    pub viewers: usize,
    /// Those who saw something.
    pub played: usize,
    /// Those who left before the end because it could not go on.
    pub failed: usize,
    /// How long all of it took.
    pub time: Ms,
    /// Until the first picture.
    pub startup: Spread,
    /// The share of time in which a viewer saw nothing.
    pub stall_ratio: Spread,
    /// How often that was.
    pub stalls: u64,
    /// The rates that were played.
    pub rate: Spread,
    /// How often the quality changed.
    pub switches: Spread,
    /// The score of [`Summary`].
    pub score: Spread,
    /// Requests that were answered.
    pub requests: u64,
    /// Bytes of media that came.
    pub bytes: u64,
    /// Requests that failed.
    pub failures: u64,
    /// The time of processors that this program took.
    pub cpu: Ms,
    /// What a viewer takes of a processor, in percent.
    pub cpu_per_viewer: f64,
    /// Why viewers left, and how many.
    pub reasons: Vec<(String, u64)>,
}

/// What became of one viewer: the figures, and why it left if not at the end.
type Outcome = (Option<Summary>, Option<String>);

/// Lets viewers watch, until the last one leaves or a signal comes.
///
/// # Errors
/// There is no thread, or no signal can be heard.
pub fn watch(crowd: &Crowd) -> io::Result<Report> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(crowd.viewers).max(1);
    let stop = CancellationToken::new();
    let (sender, receiver) = mpsc::channel::<Outcome>();
    let began = (Instant::now(), processor());
    let mut running = Vec::new();
    for number in 0..threads {
        let (crowd, stop, sender) = (crowd.clone(), stop.clone(), sender.clone());
        let share = move || share(&crowd, number, threads, &stop, &sender);
        running.push(thread::Builder::new().name(format!("viewers-{number}")).spawn(share)?);
    }
    drop(sender);
    let waiting = stop.clone();
    thread::Builder::new().name("signals".to_owned()).spawn(move || stop_by_signal(&waiting))?;
    let outcomes: Vec<Outcome> = receiver.iter().collect();
    stop.cancel();
    for thread in running {
        thread.join().map_err(|_| io::Error::other("a thread of viewers panicked"))??;
    }
    Ok(report(crowd.viewers, &outcomes, began.0.elapsed(), processor().saturating_sub(began.1)))
}

fn stop_by_signal(stop: &CancellationToken) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut signals = Signals::hear()?;
        tokio::select! {
            () = signals.next() => stop.cancel(),
            () = stop.cancelled() => {}
        }
        Ok(())
    })
}

/// Every `threads`th viewer.
fn share(
    crowd: &Crowd,
    number: usize,
    threads: usize,
    stop: &CancellationToken,
    sender: &mpsc::Sender<Outcome>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut all = JoinSet::new();
        for viewer in (number..crowd.viewers).step_by(threads) {
            let after = crowd.ramp.mul_f64(viewer as f64 / crowd.viewers as f64);
            let trace = crowd.traces.get(viewer % crowd.traces.len().max(1)).cloned();
            let setup = Setup { trace, ..crowd.setup.clone() };
            let (span, stop) = (crowd.span, stop.clone());
            all.spawn(async move {
                tokio::select! {
                    () = tokio::time::sleep(after) => {}
                    () = stop.cancelled() => {}
                }
                view(setup, span, &stop).await
            });
        }
        while let Some(outcome) = all.join_next().await {
            // The reader is there as long as anybody sends.
            let _ = sender.send(outcome.map_err(io::Error::other)?);
        }
        Ok(())
    })
}

/// One viewer.
async fn view(setup: Setup, span: Option<Duration>, stop: &CancellationToken) -> Outcome {
    let session = tokio::select! {
        session = Session::open(setup) => session,
        () = stop.cancelled() => return (None, None),
    };
    let mut session = match session {
        Ok(session) => session,
        Err(error) => return (None, Some(one_line(&error))),
    };
    let far = Duration::from_secs(24 * 3600);
    let until = tokio::time::Instant::now() + span.unwrap_or(far);
    loop {
        let turn = tokio::select! {
            turn = session.turn(until) => turn,
            () = stop.cancelled(), if !session.player().is_over() => Ok(Turn::Nothing),
        };
        match turn {
            Ok(Turn::Event(..) | Turn::Output(_)) => {}
            Ok(Turn::Nothing) => session.stop(),
            Ok(Turn::Over) => break,
            Err(error) => return (Some(session.player().summary()), Some(one_line(&error))),
        }
    }
    let summary = session.player().summary();
    let error = summary.error.clone();
    (Some(summary), error)
}

/// The time of processors that this program has taken.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), nanos)
}

fn report(viewers: usize, outcomes: &[Outcome], time: Duration, cpu: Duration) -> Report {
    let all: Vec<&Summary> = outcomes.iter().filter_map(|(summary, _)| summary.as_ref()).collect();
    let seen: Vec<&&Summary> = all.iter().filter(|summary| summary.startup.is_some()).collect();
    let spread = |of: &dyn Fn(&Summary) -> f64| Spread::of(seen.iter().map(|summary| of(summary)).collect());
    let sum = |of: &dyn Fn(&Summary) -> u64| all.iter().map(|summary| of(summary)).sum();
    let mut faults = Faults::default();
    for why in outcomes.iter().filter_map(|(_, why)| why.clone()) {
        faults.count(why, 1);
    }
    let millis = |time: Duration| time.as_secs_f64() * 1000.0;
    let watched: f64 = all.iter().map(|summary| summary.played + summary.stalled).sum();
    Report {
        viewers,
        played: seen.len(),
        failed: outcomes.iter().filter(|(_, why)| why.is_some()).count(),
        time: millis(time),
        startup: spread(&|summary| summary.startup.unwrap_or_default()),
        stall_ratio: spread(&|summary| summary.stall_ratio),
        stalls: sum(&|summary| u64::from(summary.stalls)),
        rate: spread(&|summary| summary.rate),
        switches: spread(&|summary| f64::from(summary.switches)),
        score: spread(&|summary| summary.score),
        requests: sum(&|summary| summary.segments + summary.playlists),
        bytes: sum(&|summary| summary.bytes),
        failures: sum(&|summary| summary.failures),
        cpu: millis(cpu),
        cpu_per_viewer: if watched > 0.0 { 100.0 * millis(cpu) / watched } else { 0.0 },
        reasons: faults.iter().map(|(why, count)| (why.to_owned(), count)).collect(),
    }
}

impl Report {
    /// In words, for people.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { viewers, played, failed, startup, stall_ratio, rate, switches, score, .. } = self;
        let seconds = self.time / 1000.0;
        let gigabits = self.bytes as f64 * 8.0 / 1e9 / seconds.max(0.001);
        let mut text = format!(
            "viewers   {viewers}, of whom {played} saw something and {failed} had to leave, in {seconds:.1} s\n\
             startup   median {}, 99 % {}, at most {}\n\
             stalled   {:.3} % of the time on average, at most {:.2} %, {} stalls\n\
             rate      {} on average, {:.1} switches\n\
             score     {:.3} on average\n\
             network   {:.3} Gb/s, {:.0} requests/s, {} failed\n\
             client    {:.2} s of processor time, {:.3} % of one for a viewer\n",
            words::seconds(startup.median),
            words::seconds(startup.p99),
            words::seconds(startup.most),
            stall_ratio.mean * 100.0,
            stall_ratio.most * 100.0,
            self.stalls,
            words::rate(rate.mean),
            switches.mean,
            score.mean,
            gigabits,
            self.requests as f64 / seconds.max(0.001),
            self.failures,
            self.cpu / 1000.0,
            self.cpu_per_viewer,
        );
        for (why, count) in &self.reasons {
            let _ = writeln!(text, "{count:>9} {why}");
        }
        text
    }
}
