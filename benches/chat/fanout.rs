//! The load of the rooms: a few speak in each and everyone hears it.
//!
//! With a window of one the next message of a room leaves when all its members have the last, so that no server can send two at once. With a larger window
//! the speakers of a room send, in turn, one more for each that a member who does not speak has got. Every delivery at every member is counted.
//!
//! The latency of a delivery is the time from a message that was sent to the one of the same number that a member gets. Two speakers may overtake each other on the way, which makes no
//! difference to the percentiles.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use crate::crowd::Crowd;
use crate::support::Result;

/// The longest that all may be silent while something is owed.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is said.
#[derive(Clone, Copy)]
pub(crate) struct Talk {
    /// Bytes of text.
    pub(crate) size: usize,
    /// Who speak, in each room.
    pub(crate) senders: usize,
    /// Messages of each of them under way.
    pub(crate) window: usize,
}

struct Room {
    first: usize,
    sent: Vec<Instant>,
    /// Deliveries of all its members.
    delivered: u64,
    wire: Vec<u8>,
}

pub(crate) struct Load<'a> {
    crowd: &'a mut Crowd,
    rooms: Vec<Room>,
    members: usize,
    talk: Talk,
    latency: Histogram<u64>,
}

/// What a load has done.
pub(crate) struct Done {
    pub(crate) deliveries: u64,
    pub(crate) messages: u64,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl<'a> Load<'a> {
    pub(crate) fn new(crowd: &'a mut Crowd, members: usize, talk: Talk) -> Result<Self> {
        let rooms = (0..crowd.clients.len() / members).map(|room| Room {
            first: room * members,
            sent: Vec::new(),
            delivered: 0,
            wire: crowd.door.message(room, talk.size),
        });
        let rooms = rooms.collect();
        Ok(Self { crowd, rooms, members, talk, latency: Histogram::new_with_bounds(1, 60_000_000, 3)? })
    }

    /// Speaks for so long, and then waits until everyone has everything.
    pub(crate) fn run(mut self, time: Duration) -> Result<Done> {
        let end = Instant::now() + time;
        let Talk { senders, window, .. } = self.talk;
        for room in 0..self.rooms.len() {
            self.speak(room, senders * window)?;
        }
        loop {
            let over = Instant::now() > end;
            let ready = self.crowd.poll.wait(PATIENCE)?;
            if ready.is_empty() {
                return Err(self.missing());
            }
            for at in ready {
                self.hear(at, over)?;
            }
            if over && self.rooms.iter().all(|room| room.delivered == self.owed(room)) {
                return self.done();
            }
        }
    }

    /// Deliveries of what was said in a room.
    fn owed(&self, room: &Room) -> u64 {
        let hears = self.members - usize::from(!self.crowd.door.answers());
        (room.sent.len() * hears) as u64
    }

    fn hear(&mut self, at: usize, over: bool) -> Result<()> {
        self.crowd.say(at, b"")?;
        let got = self.crowd.read(at)?;
        if got == 0 {
            return Ok(());
        }
        let (nth, place) = (at / self.members, at % self.members);
        let count = self.crowd.clients[at].count;
        let room = &mut self.rooms[nth];
        room.delivered += got;
        // Those who speak do not hear themselves at every door.
        if place >= self.talk.senders || self.crowd.door.answers() {
            let now = Instant::now();
            let range = (count - got) as usize..count as usize;
            for sent in room.sent.get(range).ok_or_else(|| format!("member {at} got more than was said"))? {
                self.latency.saturating_record(now.duration_since(*sent).as_micros() as u64);
            }
        }
        let last = place == self.members - 1;
        match self.talk.window {
            _ if over => {}
            1 if self.rooms[nth].delivered == self.owed(&self.rooms[nth]) => self.speak(nth, 1)?,
            1 => {}
            _ if last => self.speak(nth, got as usize)?,
            _ => {}
        }
        Ok(())
    }

    /// Lets the speakers of a room send so many messages more, in turn.
    fn speak(&mut self, nth: usize, more: usize) -> Result<()> {
        let room = &mut self.rooms[nth];
        let now = Instant::now();
        let senders = self.talk.senders;
        for speaker in 0..senders.min(more) {
            let count = (more - speaker).div_ceil(senders);
            self.crowd.say(room.first + (room.sent.len() + speaker) % senders, &room.wire.repeat(count))?;
        }
        room.sent.resize(room.sent.len() + more, now);
        Ok(())
    }

    fn missing(&self) -> Box<dyn std::error::Error + Send + Sync> {
        let room = self.rooms.iter().position(|room| room.delivered != self.owed(room)).unwrap_or_default();
        let got = self.rooms[room].delivered;
        format!("room {room} got {got} of {} deliveries", self.owed(&self.rooms[room])).into()
    }

    /// Refuses a sum that is right while its parts are not.
    fn done(self) -> Result<Done> {
        let echo = self.crowd.door.answers();
        let mut done = Done { deliveries: 0, messages: 0, latency: self.latency };
        for room in &self.rooms {
            done.messages += room.sent.len() as u64;
            done.deliveries += room.delivered;
            let listeners = room.first + if echo { 0 } else { self.talk.senders }..room.first + self.members;
            if let Some(at) =
                listeners.clone().find(|at| self.crowd.clients[*at].count != room.sent.len() as u64)
            {
                let count = self.crowd.clients[at].count;
                return Err(format!("member {at} got {count} of {} messages", room.sent.len()).into());
            }
        }
        self.crowd.settle()?;
        Ok(done)
    }
}
