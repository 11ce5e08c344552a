//! The run: threads with their members, the moment in which senders begin, and the end, when everybody has heard everything.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ledger::{Cursor, Ledger};
use super::link::Framing;
use super::member::Member;
use super::tally::{Tally, lock};
use super::{Args, BenchError};
use crate::net::shards::{self, Threading};
use crate::server::chat::client::{Door, Remote, RemoteError};
use crate::server::load::bells::{Bells, Ringing};
use crate::server::load::signals::Signals;
use crate::server::process::raise_descriptor_limit;

/// How often it is looked whether everybody has heard everything.
const LOOK: Duration = Duration::from_millis(10);

/// How long nobody may hear anything, while something is missing.
const STALL: Duration = Duration::from_secs(10);

/// What all members share.
pub(super) struct Run {
    pub(super) args: Args,
    pub(super) framing: Framing,
    /// The first members send.
    pub(super) senders: u32,
    /// Messages without an answer that a sender has at most.
    pub(super) window: usize,
    /// Bytes of a text.
    pub(super) size: usize,
    /// In the names of rooms and members, so that two runs do not meet.
    tag: String,
    pub(super) start: Instant,
    /// The right to be coming in.
    pub(super) turns: Semaphore,
    /// When senders began.
    pub(super) begin: watch::Sender<Option<Instant>>,
    /// One for each sender, when there is a rate.
    pub(super) bells: Bells,
    /// Messages that were acknowledged in each room.
    pub(super) acknowledged: Vec<AtomicU64>,
    /// Members that are in.
    opened: AtomicU32,
    /// Senders that have finished.
    pub(super) done: AtomicU32,
    /// One of the two has grown.
    pub(super) changed: Notify,
    /// Nobody says anything any more.
    settling: CancellationToken,
    /// A member could not come in: there is nothing to measure.
    pub(super) spoilt: CancellationToken,
    /// The first signal.
    pub(super) stop: CancellationToken,
    /// The second one.
    abort: CancellationToken,
}

/// Measures.
pub(super) fn run(args: &Args, framing: Framing) -> Result<Tally, BenchError> {
    raise_descriptor_limit();
    let senders = args.senders.map_or(args.rooms.get(), std::num::NonZeroU32::get).min(args.members.get());
    let bells = usize::try_from(if args.rate.is_some() { senders } else { 0 }).unwrap_or_default();
    let rooms = usize::try_from(args.rooms.get()).unwrap_or_default();
    let run = Arc::new(Run {
        args: args.clone(),
        framing,
        senders,
        window: args.window.get(),
        size: usize::try_from(args.size.0).unwrap_or_default(),
        tag: format!("{:06x}", fastrand::u32(..) >> 8),
        start: Instant::now(),
        turns: Semaphore::new(args.admit.get()),
        begin: watch::Sender::new(None),
        bells: Bells::new(bells),
        acknowledged: (0..rooms).map(|_| AtomicU64::new(0)).collect(),
        opened: AtomicU32::new(0),
        done: AtomicU32::new(0),
        changed: Notify::new(),
        settling: CancellationToken::new(),
        spoilt: CancellationToken::new(),
        stop: CancellationToken::new(),
        abort: CancellationToken::new(),
    });
    let shared = Arc::clone(&run);
    let tallies = shards::run(Threading::PerCore, args.threads.into(), move |shard| {
        let run = Arc::clone(&shared);
        async move {
            let outcome = run.shard(shard).await;
            if outcome.is_err() {
                // The others would wait for this one's members.
                run.abort.cancel();
            }
            outcome
        }
    })?;
    run.stop.cancel();
    let mut sum = Tally::new();
    for tally in tallies {
        sum.add(tally?);
    }
    if let Some(begin) = *run.begin.borrow() {
        sum.measured = sum.measured.saturating_sub(begin - run.start);
        let count = |room| usize::try_from(room).ok().and_then(|room| run.acknowledged.get(room));
        sum.judge(|room| count(room).map_or(0, |count| count.load(Ordering::Relaxed)));
    } else if sum.faults.total() == 0 {
        return Err(BenchError::Interrupted);
    }
    Ok(sum)
}

impl Run {
    /// The name of a room.
    pub(super) fn room(&self, room: u32) -> String {
        format!("#b{}-{room}", self.tag)
    }

    /// The room of a name.
    pub(super) fn room_of(&self, name: &[u8]) -> Option<u32> {
        let rest = name.strip_prefix(b"#b")?.strip_prefix(self.tag.as_bytes())?.strip_prefix(b"-")?;
        let digit = |sum: u32, digit: &u8| {
            let digit = digit.is_ascii_digit().then(|| u32::from(digit - b'0'))?;
            sum.checked_mul(10)?.checked_add(digit)
        };
        rest.iter().try_fold(0, digit)
    }

    /// The rooms of a member, sorted.
    pub(super) fn rooms_of(&self, member: u32) -> Vec<u32> {
        let rooms = self.args.rooms.get();
        let each = self.args.joins.get().min(rooms);
        let mut mine: Vec<u32> = (0..each).map(|at| (member % rooms + at) % rooms).collect();
        mine.sort_unstable();
        mine
    }

    /// The name of a member.
    pub(super) fn nick(&self, member: u32) -> String {
        format!("b{}-{member}", self.tag)
    }

    /// A member is in.
    pub(super) fn opened(&self) {
        self.opened.fetch_add(1, Ordering::Release);
        self.changed.notify_one();
    }

    /// One thread: its part of the members. The first one leads.
    async fn shard(self: &Arc<Self>, shard: usize) -> Result<Tally, BenchError> {
        if shard == 0 {
            let signals = Signals::hear()?;
            tokio::spawn(Arc::clone(self).heed(signals));
            tokio::spawn(Arc::clone(self).lead());
        }
        let doors = self.doors()?;
        let tally = Arc::new(Mutex::new(Tally::new()));
        let mut tasks = JoinSet::new();
        let threads = usize::from(self.args.threads);
        let mine = |index: &u32| usize::try_from(*index).unwrap_or_default() % threads == shard;
        for (slot, index) in (0..self.args.members.get()).filter(mine).enumerate() {
            let rooms = self.rooms_of(index);
            let is_first = |room: u32| index == room;
            let rooms = rooms.into_iter().map(|room| Cursor::new(room, is_first(room))).collect();
            lock(&tally).ledgers.push(Ledger { rooms, gone: false });
            tasks.spawn(Member::new(self, &doors, &tally, slot, index).live());
        }
        tokio::select! {
            () = self.settle(&tally) => {}
            () = self.spoilt.cancelled() => {}
            () = self.abort.cancelled() => return Err(BenchError::Interrupted),
        }
        drop(tasks);
        Ok(std::mem::replace(&mut *lock(&tally), Tally::new()))
    }

    /// The doors of all nodes.
    fn doors(&self) -> Result<Arc<[Door]>, RemoteError> {
        let Args { remote, nodes, .. } = &self.args;
        let others = nodes.iter().map(|node| Remote { url: node.clone(), ..remote.clone() }.door());
        std::iter::once(remote.door()).chain(others).collect()
    }

    /// Waits until all are in, lets senders begin, and waits until they have finished.
    async fn lead(self: Arc<Self>) {
        let members = self.args.members.get();
        tokio::select! {
            () = self.grown(&self.opened, members) => {}
            () = self.stop.cancelled() => return self.spoilt.cancel(),
        }
        let begin = Instant::now();
        if let Some(rate) = self.args.rate {
            let ringing = Ringing {
                begin,
                rate: rate.per_second(),
                most: u64::MAX,
                end: begin.checked_add(self.args.duration.0),
                stop: self.stop.clone(),
            };
            let run = Arc::clone(&self);
            // Without the thread messages are late, which the report shows.
            let _ = thread::Builder::new().name("rate".into()).spawn(move || run.bells.ring(&ringing));
        }
        self.begin.send_replace(Some(begin));
        self.grown(&self.done, self.senders).await;
        self.settling.cancel();
    }

    async fn grown(&self, count: &AtomicU32, to: u32) {
        while count.load(Ordering::Acquire) < to {
            self.changed.notified().await;
        }
    }

    /// The first signal ends it in order, the second one at once.
    async fn heed(self: Arc<Self>, mut signals: Signals) {
        signals.next().await;
        self.stop.cancel();
        signals.next().await;
        self.abort.cancel();
    }

    /// Waits until the members of a thread have heard everything that was acknowledged, or hear nothing any more.
    async fn settle(&self, tally: &Mutex<Tally>) {
        self.settling.cancelled().await;
        let mut heard = (u64::MAX, Instant::now());
        loop {
            let deliveries = {
                let tally = lock(tally);
                if tally.ledgers.iter().all(|ledger| self.has_all(ledger)) {
                    return;
                }
                tally.deliveries
            };
            let now = Instant::now();
            if deliveries != heard.0 {
                heard = (deliveries, now);
            } else if now > heard.1 + STALL {
                return;
            }
            sleep(LOOK).await;
        }
    }

    fn has_all(&self, ledger: &Ledger) -> bool {
        let has = |cursor: &Cursor| {
            let count = usize::try_from(cursor.room).ok().and_then(|room| self.acknowledged.get(room));
            count.is_none_or(|count| cursor.count >= count.load(Ordering::Relaxed))
        };
        ledger.gone || ledger.rooms.iter().all(has)
    }
}
