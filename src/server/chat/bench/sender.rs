//! What a member has said and has no answer for, and when it says the next thing.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::fault::Fault;
use super::link::{Framing, Link};
use super::payload::Payload;
use super::run::Run;
use super::tally::{Tally, lock};
use crate::server::load::schedule::{Loop, Schedule};

/// How long nothing may be acknowledged, while something is underway, until it is taken for lost. A server that is started anew has longer.
const STALL: Duration = Duration::from_secs(10);
const STALL_RECONNECT: Duration = Duration::from_secs(60);

/// A message without an answer.
#[derive(Debug)]
pub(super) struct Sent {
    /// The request's number.
    id: u64,
    /// Where, among the member's rooms.
    pub(super) place: usize,
    /// What.
    pub(super) payload: Payload,
}

/// A member that sends.
#[derive(Debug)]
pub(super) struct Sender {
    index: u32,
    /// Once the run has begun.
    schedule: Option<Schedule>,
    /// The room's number, and how many messages were sent there.
    rooms: Vec<(u32, u64)>,
    /// Messages in all.
    sent: u64,
    underway: VecDeque<Sent>,
    /// When something was acknowledged, or sent after nothing was underway.
    pub(super) progress: Instant,
    finished: bool,
}

impl Sender {
    pub(super) fn new(run: &Run, index: u32) -> Self {
        let rooms = run.rooms_of(index).into_iter().map(|room| (room, 0)).collect();
        Self {
            index,
            schedule: None,
            rooms,
            sent: 0,
            underway: VecDeque::new(),
            progress: Instant::now(),
            finished: false,
        }
    }

    /// Messages without an answer.
    pub(super) fn underway(&self) -> u64 {
        self.underway.len() as u64
    }

    /// Whether it says nothing any more, and has an answer for everything.
    pub(super) fn is_finished(&self) -> bool {
        self.finished
    }

    /// Sends what is due, and notices the end.
    pub(super) fn send(
        &mut self,
        begin: Instant,
        link: &mut Link,
        run: &Run,
        tally: &Mutex<Tally>,
    ) -> Result<(), Fault> {
        if self.finished {
            return Ok(());
        }
        let now = Instant::now();
        let mut schedule = match self.schedule.take() {
            Some(schedule) => schedule,
            None => self.begin(begin, run),
        };
        if run.stop.is_cancelled() {
            schedule.stop(now);
        }
        while self.underway.len() < run.window
            && let Some(due) = schedule.due(now, self.underway.len())
        {
            schedule.send();
            if self.underway.is_empty() {
                self.progress = now;
            }
            let sent = self.next(due.saturating_duration_since(run.start));
            link.say(&self.words(&sent, run));
            self.underway.push_back(sent);
        }
        let is_over = schedule.is_over(now);
        let late = now.saturating_duration_since(self.progress);
        self.schedule = Some(schedule);
        if is_over && self.underway.is_empty() {
            self.finish(run, &mut lock(tally));
            return Ok(());
        }
        let patience = if run.args.reconnect { STALL_RECONNECT } else { STALL };
        if !self.underway.is_empty() && late > patience {
            return Err(Fault::Stalled("a message"));
        }
        Ok(())
    }

    fn begin(&mut self, begin: Instant, run: &Run) -> Schedule {
        self.progress = begin;
        let how = match run.args.rate {
            Some(rate) => Loop::Open { rate: rate.per_second(), index: self.index, connections: run.senders },
            None => Loop::Closed(run.window),
        };
        Schedule::new(how, begin, begin.checked_add(run.args.duration.0), u64::MAX)
    }

    /// The next message, rooms in turn.
    fn next(&mut self, due: Duration) -> Sent {
        let count = self.rooms.len() as u64;
        let place = usize::try_from(self.sent % count.max(1)).unwrap_or_default();
        self.sent += 1;
        let (_, number) = &mut self.rooms[place];
        *number += 1;
        let payload = Payload { sender: self.index, number: *number, due };
        Sent { id: self.sent * 2, place, payload }
    }

    /// A message in the words of the door. It has the same client id each time it is said.
    fn words(&self, sent: &Sent, run: &Run) -> String {
        let room = run.room(self.rooms[sent.place].0);
        let text = sent.payload.text(run.size);
        match run.framing {
            Framing::Lines => format!("PRIVMSG {room} :{text}"),
            // None of them has anything to be escaped.
            Framing::Frames => {
                let id = sent.id;
                format!(r#"{{"t":"send","room":"{room}","text":"{text}","cid":"{id:x}","id":{id}}}"#)
            }
        }
    }

    /// Says everything again that has no answer, in the same order.
    pub(super) fn repeat(&mut self, link: &mut Link, run: &Run) {
        self.progress = Instant::now();
        for sent in &self.underway {
            link.say(&self.words(sent, run));
        }
    }

    /// The message of a request that was answered.
    pub(super) fn answered(&mut self, id: u64) -> Option<Sent> {
        // They are answered in their order, refusals apart.
        let at = self.underway.iter().position(|sent| sent.id == id)?;
        self.underway.remove(at)
    }

    /// The message that came back, if it was underway.
    pub(super) fn echoed(&mut self, place: usize, number: u64) -> Option<Sent> {
        let is_it = |sent: &Sent| sent.place == place && sent.payload.number == number;
        let at = self.underway.iter().position(is_it)?;
        self.underway.remove(at)
    }

    /// It says nothing any more.
    pub(super) fn finish(&mut self, run: &Run, tally: &mut Tally) {
        if !std::mem::replace(&mut self.finished, true) {
            tally.behind += self.schedule.map_or(0, |schedule| schedule.behind(Instant::now()));
            run.done.fetch_add(1, Ordering::Release);
            run.changed.notify_one();
        }
    }
}
