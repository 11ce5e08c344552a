//! Requests, and what becomes of them: which are asked for together, and which are refused.

use std::time::{Duration, Instant};

use super::WebSeed;
use super::run::{Run, Wanted};
use super::url::Kind;
use super::{
    AskId, Ended, Fault, Flight, KEEP_ALIVE, MAX_MISSES, MAX_REQUESTS, PATIENCE, Stage, Todo, Waiting,
};
use crate::proto::bittorrent::wire::{Block, Message};

impl WebSeed {
    pub(super) fn say(&mut self, message: Message) {
        self.todo.push_back(Todo::Say(message));
    }

    /// What time brings about, and what there is room for.
    pub(super) fn look(&mut self, now: Instant) {
        let late = |flight: &Flight| flight.heard_at + PATIENCE <= now;
        let late: Vec<AskId> =
            self.flights.iter().filter(|(_, flight)| late(flight)).map(|(id, _)| *id).collect();
        for id in late {
            self.todo.push_back(Todo::Abort(id));
            self.fail(now, id, Fault::Silent, None);
        }
        self.open_if_rested(now);
        while self.open && self.flights.len() < self.settings.asks {
            let Some(run) = self.next_run() else { break };
            self.ask(now, run);
        }
        if self.todo.is_empty() && self.said_at + KEEP_ALIVE <= now {
            self.say(Message::KeepAlive);
        }
    }

    /// Takes requests again, unless the server is to be left alone.
    pub(super) fn open_if_rested(&mut self, now: Instant) {
        if !self.open && self.rest.under_way().is_none_or(|(until, _)| until <= now) {
            self.open = true;
            self.say(Message::Unchoke);
        }
    }

    /// The torrent wants a block.
    pub(super) fn requested(&mut self, block: Block) {
        if self.flights.values_mut().any(|flight| flight.run.want(block)) {
            return;
        }
        let layout = self.info.layout();
        let offset = layout.piece_offset(block.piece) + u64::from(block.begin);
        if self.waiting.get(&offset).is_some_and(|waiting| waiting.block == block) {
            return;
        }
        let end = u64::from(block.begin) + u64::from(block.length);
        let exists = block.length > 0 && end <= layout.piece_size(block.piece).into();
        let has_room = self.waiting.len() < MAX_REQUESTS as usize && !self.waiting.contains_key(&offset);
        if self.open && exists && has_room && self.has.has(block.piece) {
            self.requests += 1;
            self.waiting.insert(offset, Waiting { block, order: self.requests });
        } else {
            self.say(Message::Reject(block));
        }
    }

    /// The torrent does not want a block any more. What flows already is passed over.
    pub(super) fn cancelled(&mut self, block: Block) {
        let offset = self.info.layout().piece_offset(block.piece) + u64::from(block.begin);
        if self.waiting.get(&offset).is_some_and(|waiting| waiting.block == block) {
            self.waiting.remove(&offset);
        } else {
            self.flights.values_mut().for_each(|flight| flight.run.cancel(block));
        }
    }

    /// The request that has waited longest, and those that can be asked for with it.
    fn next_run(&mut self) -> Option<Run> {
        let (&first, eldest) = self.waiting.iter().min_by_key(|(_, waiting)| waiting.order)?;
        let piece = eldest.block.piece;
        let layout = self.info.layout();
        let mut run = Run::default();
        let mut at = first;
        if self.source.kind() == Kind::Pieces {
            // All of one piece: a script takes several ranges of it.
            let start = layout.piece_offset(piece);
            at = self.waiting.range(start..=first).next().map_or(first, |(at, _)| *at);
        }
        while let Some(waiting) = self.waiting.get(&at) {
            if !run.takes(layout, self.source.kind(), waiting.block, self.settings.ask) {
                break;
            }
            run.push(layout, self.source.kind(), waiting.block);
            let end = at + u64::from(waiting.block.length);
            self.waiting.remove(&at);
            at = match self.source.kind() {
                Kind::Files => end,
                Kind::Pieces => self.waiting.range(end..).next().map_or(end, |(at, _)| *at),
            };
        }
        Some(run)
    }

    /// Asks for what comes next of a run, if anything is still to come.
    fn ask(&mut self, now: Instant, mut run: Run) {
        let todo = &mut self.todo;
        let Some(wanted) = run.wanted(&mut |piece| todo.push_back(Todo::Say(piece))) else { return };
        match (self.source.ask(&self.info, &wanted), &wanted) {
            (Some(ask), _) => {
                self.asks += 1;
                let id = AskId(self.asks);
                self.flights.insert(id, Flight { run, wanted, stage: Stage::Asked, heard_at: now });
                self.todo.push_back(Todo::Ask(id, ask));
            }
            (None, Wanted::File { file, .. }) => self.miss(*file),
            // A URL that is short enough, with a number and some ranges.
            (None, Wanted::Piece { .. }) => self.end(Ended::NoFiles),
        }
    }

    /// All bytes of an ask have come.
    pub(super) fn complete(&mut self, now: Instant, id: AskId) {
        let Some(Flight { run, .. }) = self.flights.remove(&id) else { return };
        self.rest.succeeded();
        self.misses = 0;
        // What is cancelled is not asked for, if it is all of the rest.
        if run.is_wanted() {
            self.ask(now, run);
        }
    }

    /// Nothing more comes of an ask: the server is left alone for a while, and all requests are refused.
    pub(super) fn fail(&mut self, now: Instant, id: AskId, fault: Fault, wait: Option<Duration>) {
        let Some(flight) = self.flights.remove(&id) else { return };
        self.rest.failed(now, fault, wait);
        if self.open {
            self.open = false;
            self.say(Message::Choke);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let waiting = waiting.into_values().map(|waiting| waiting.block);
        for block in flight.run.into_wanted().chain(waiting) {
            self.say(Message::Reject(block));
        }
    }

    /// A file is not there: its pieces are not asked for again.
    pub(super) fn miss(&mut self, file: usize) {
        for piece in self.info.layout().pieces_of(file) {
            self.has.clear(piece);
        }
        self.misses += 1;
        if self.has.count() == 0 || self.misses >= MAX_MISSES {
            return self.end(Ended::NoFiles);
        }
        self.drop_all();
        (self.joined, self.open) = (false, false);
        self.todo.push_back(Todo::Rejoin);
    }

    /// The server is of no use.
    pub(super) fn end(&mut self, why: Ended) {
        if self.ended.is_some() {
            return;
        }
        self.drop_all();
        (self.joined, self.open) = (false, false);
        self.ended = Some(why);
        self.todo.push_back(Todo::Leave(why));
    }

    /// Forgets what was asked for.
    pub(super) fn drop_all(&mut self) {
        self.waiting.clear();
        let flights = std::mem::take(&mut self.flights);
        self.todo.extend(flights.into_keys().map(Todo::Abort));
    }
}
