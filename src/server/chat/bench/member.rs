//! One member: it comes in, joins its rooms, hears, and says something when it is its turn.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

use super::fault::Fault;
use super::ledger::Wrong;
use super::link::{Framing, Link};
use super::payload::Payload;
use super::run::Run;
use super::scan::{self, Heard};
use super::sender::{Sender, Sent};
use super::tally::{Tally, lock};
use crate::server::chat::client::Door;
use crate::server::load::bells::rung;

/// How long a request of coming in may take: a thousand others come in too.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a sender looks at the clock when nothing happens.
const TICK: Duration = Duration::from_millis(50);

/// Between two attempts to come back.
const PAUSE: Duration = Duration::from_millis(100);

/// One of the members of a thread.
pub(super) struct Member {
    pub(super) run: Arc<Run>,
    /// Of all nodes.
    doors: Arc<[Door]>,
    /// The one to go through.
    node: usize,
    ears: Ears,
    /// Of its account.
    pub(super) token: Option<String>,
    /// Requests that it has made.
    asked: u64,
}

/// What a member does with what it hears.
pub(super) struct Ears {
    run: Arc<Run>,
    tally: Arc<Mutex<Tally>>,
    /// Its place in the tally.
    slot: usize,
    /// Its number among all.
    index: u32,
    /// Replies of the server, and lines of IRC, for those who wait for them.
    replies: VecDeque<Value>,
    lines: VecDeque<String>,
    /// What it has said, if it is one who sends.
    sender: Option<Sender>,
    /// Whether it is in: then lines of IRC are not kept.
    is_in: bool,
}

impl Ears {
    fn hear(&mut self, now: Instant, unit: &[u8], tally: &mut Tally) -> Result<(), Fault> {
        let heard = match self.run.framing {
            Framing::Frames => scan::json(unit),
            Framing::Lines => scan::irc(unit),
        };
        match heard {
            Heard::Json(value) => match scan::event(&value) {
                Some(event) => self.notice(now, &event, tally),
                None => self.reply(now, value, tally),
            },
            Heard::Line(line) => self.line(line, tally)?,
            heard => self.notice(now, &heard, tally),
        }
        Ok(())
    }

    /// Something has happened in a room.
    fn notice(&mut self, now: Instant, heard: &Heard<'_>, tally: &mut Tally) {
        let (room, seq) = match heard {
            Heard::Message { room, seq, .. } => (room, *seq),
            Heard::Event { room, seq } => (room, Some(*seq)),
            _ => return,
        };
        let place = self.run.room_of(room).and_then(|room| tally.ledgers[self.slot].place(room));
        let Some(place) = place else { return };
        let cursor = &mut tally.ledgers[self.slot].rooms[place];
        let payload = match heard {
            Heard::Message { text, .. } => Payload::read(text),
            _ => None,
        };
        let outcome = match &payload {
            Some(payload) => cursor.message(seq, payload),
            None => seq.map_or(Ok(()), |seq| cursor.event(seq)),
        };
        if let Some(payload) = payload {
            tally.deliveries += 1;
            let late = (now - self.run.start).saturating_sub(payload.due);
            tally.delivery.record(late);
            tally.measured = now - self.run.start;
            if payload.sender == self.index && seq.is_none() {
                self.echo(now, place, &payload, tally);
            }
        } else {
            tally.events += 1;
        }
        if let Err(wrong) = outcome {
            tally.fault(wrong);
        }
    }

    /// An answer: to a message, which takes the place of its delivery in the order of the room, or to something else.
    fn reply(&mut self, now: Instant, reply: Value, tally: &mut Tally) {
        let Some(id) = reply.get("re").and_then(Value::as_u64) else { return };
        let Some(sent) = self.sender.as_mut().and_then(|sender| sender.answered(id)) else {
            self.replies.push_back(reply);
            return;
        };
        if reply["t"] != "ok" {
            let code = reply["code"].as_str().unwrap_or_default().to_owned();
            tally.refused += 1;
            tally.fault(Fault::Refused { what: "send", code });
            return;
        }
        let seq = reply["seq"].as_u64().unwrap_or_default();
        let cursor = &mut tally.ledgers[self.slot].rooms[sent.place];
        if let Err(wrong) = cursor.acknowledged(seq, reply["again"] == true, &sent.payload) {
            tally.fault(wrong);
        }
        self.count(now, &sent, tally);
    }

    /// Its own message, as the IRC door tells it.
    fn echo(&mut self, now: Instant, place: usize, payload: &Payload, tally: &mut Tally) {
        let sent = self.sender.as_mut().and_then(|sender| sender.echoed(place, payload.number));
        if let Some(sent) = sent {
            self.count(now, &sent, tally);
        }
    }

    /// Counts a message that is acknowledged.
    fn count(&mut self, now: Instant, sent: &Sent, tally: &mut Tally) {
        if let Some(sender) = &mut self.sender {
            sender.progress = now;
        }
        tally.acknowledged += 1;
        tally.acknowledgement.record((now - self.run.start).saturating_sub(sent.payload.due));
        tally.measured = now - self.run.start;
        let room = tally.ledgers[self.slot].rooms[sent.place].room;
        if let Some(count) = usize::try_from(room).ok().and_then(|room| self.run.acknowledged.get(room)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn line(&mut self, line: &str, tally: &mut Tally) -> Result<(), Fault> {
        if line.starts_with("PING") || !self.is_in {
            self.lines.push_back(line.to_owned());
        } else if let Some(reason) = line.strip_prefix("ERROR ") {
            return Err(Fault::Closed(reason.trim_start_matches(':').to_owned()));
        } else if is_refusal(line) {
            tally.refused += 1;
            let code = line.split(' ').nth(1).unwrap_or_default().to_owned();
            tally.fault(Fault::Refused { what: "PRIVMSG", code });
        }
        Ok(())
    }
}

/// A numeric that says that a message was not taken.
fn is_refusal(line: &str) -> bool {
    matches!(
        line.split(' ').nth(1),
        Some("401" | "402" | "403" | "404" | "407" | "412" | "417" | "461" | "FAIL")
    )
}

impl Member {
    pub(super) fn new(
        run: &Arc<Run>,
        doors: &Arc<[Door]>,
        tally: &Arc<Mutex<Tally>>,
        slot: usize,
        index: u32,
    ) -> Self {
        let ears = Ears {
            run: Arc::clone(run),
            tally: Arc::clone(tally),
            slot,
            index,
            replies: VecDeque::new(),
            lines: VecDeque::new(),
            sender: (index < run.senders).then(|| Sender::new(run, index)),
            is_in: false,
        };
        let node = usize::try_from(index).unwrap_or_default();
        Self { run: Arc::clone(run), doors: Arc::clone(doors), node, ears, token: None, asked: 0 }
    }

    /// From its coming in until the run is over, when the task is ended.
    pub(super) async fn live(mut self) {
        let fault = match self.enter().await {
            Ok(link) => self.stay(link).await,
            Err(fault) => {
                self.run.spoilt.cancel();
                fault
            }
        };
        let mut tally = lock(&self.ears.tally);
        tally.fault(fault);
        tally.ledgers[self.ears.slot].gone = true;
        if let Some(sender) = &mut self.ears.sender {
            tally.unanswered += sender.underway();
            sender.finish(&self.run, &mut tally);
        }
    }

    async fn enter(&mut self) -> Result<Link, Fault> {
        let run = Arc::clone(&self.run);
        // Nobody closes it.
        let _turn = run.turns.acquire().await.map_err(|_| Fault::Gone)?;
        let link = match run.framing {
            Framing::Frames => self.come_in().await?,
            Framing::Lines => self.register().await?,
        };
        self.ears.is_in = true;
        let mut tally = lock(&self.ears.tally);
        tally.opened += 1;
        tally.opened_after = run.start.elapsed();
        drop(tally);
        run.opened();
        Ok(link)
    }

    /// Talks, and comes back if that is wanted, until something ends it.
    async fn stay(&mut self, mut link: Link) -> Fault {
        loop {
            let Err(fault) = self.talk(&mut link).await;
            if !self.run.args.reconnect || !fault.may_go_on() {
                return fault;
            }
            link = match self.come_back().await {
                Ok(link) => link,
                Err(fault) => return fault,
            };
        }
    }

    async fn talk(&mut self, link: &mut Link) -> Result<Infallible, Fault> {
        let mut begin = self.run.begin.subscribe();
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let run = Arc::clone(&self.run);
        let bell = run.bells.of(self.ears.index);
        loop {
            let Some(sender) = &mut self.ears.sender else {
                turn(&mut self.ears, link).await?;
                self.answer(link);
                continue;
            };
            if let Some(begin) = *begin.borrow_and_update() {
                sender.send(begin, link, &run, &self.ears.tally)?;
            }
            let is_sending = !sender.is_finished();
            tokio::select! {
                biased;
                heard = turn(&mut self.ears, link) => {
                    heard?;
                    self.answer(link);
                }
                () = rung(bell), if is_sending => {}
                _ = tick.tick(), if is_sending => {}
                changed = begin.changed(), if is_sending => changed.map_err(|_| Fault::Gone)?,
            }
        }
    }

    /// Answers what a server asks to see whether somebody is there.
    fn answer(&mut self, link: &mut Link) {
        for line in self.ears.lines.drain(..) {
            if let Some(word) = line.strip_prefix("PING") {
                link.say(&format!("PONG{word}"));
            }
        }
    }

    /// Comes in by the JSON door for the first time.
    async fn come_in(&mut self) -> Result<Link, Fault> {
        let mut link = self.connect().await?;
        let name = self.run.nick(self.ears.index);
        if self.run.args.reconnect {
            let password = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
            let request = json!({"t": "register", "account": name, "password": password});
            let reply = self.ask(&mut link, "register", request).await?;
            self.token = reply["token"].as_str().map(str::to_owned);
        } else {
            self.ask(&mut link, "guest", json!({"t": "guest", "name": name})).await?;
        }
        for room in self.run.rooms_of(self.ears.index) {
            let room = self.run.room(room);
            self.ask(&mut link, "join", json!({"t": "join", "room": room})).await?;
        }
        Ok(link)
    }

    /// Comes back with its account, and goes on where it was.
    async fn come_back(&mut self) -> Result<Link, Fault> {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.resume().await {
                Ok(link) => {
                    lock(&self.ears.tally).reconnects += 1;
                    return Ok(link);
                }
                Err(fault) if !fault.may_go_on() || Instant::now() > until => return Err(fault),
                Err(_) => {
                    // Its node may be away for longer.
                    self.node += 1;
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn resume(&mut self) -> Result<Link, Fault> {
        self.ears.replies.clear();
        let mut link = self.connect().await?;
        let rooms: Map<String, Value> = {
            let tally = lock(&self.ears.tally);
            let cursors = tally.ledgers[self.ears.slot].rooms.iter();
            cursors.map(|cursor| (self.run.room(cursor.room), cursor.last.into())).collect()
        };
        let request = json!({"t": "token", "token": self.token, "resume": rooms});
        let reply = self.ask(&mut link, "token", request).await?;
        let resumed = reply["resumed"].as_object();
        let lost = resumed.is_none_or(|rooms| rooms.values().any(|room| room["lost"] == true));
        if lost {
            lock(&self.ears.tally).fault(Wrong::Lost);
        }
        if let Some(sender) = &mut self.ears.sender {
            sender.repeat(&mut link, &self.run);
        }
        Ok(link)
    }

    async fn connect(&self) -> Result<Link, Fault> {
        let open = |error: &dyn std::error::Error| Fault::Open(error.to_string());
        match &self.doors[self.node % self.doors.len()] {
            Door::Json(connect) => {
                let (io, rest) = connect.raw().await.map_err(|error| open(&error))?;
                Ok(Link::new(io, Framing::Frames, &rest))
            }
            Door::Irc { connector, host, port, secure } => {
                let io = Door::irc(connector, host, *port, *secure).await.map_err(|error| open(&error))?;
                Ok(Link::new(io, Framing::Lines, b""))
            }
        }
    }

    /// Makes a request, and waits for its reply.
    async fn ask(&mut self, link: &mut Link, what: &'static str, mut request: Value) -> Result<Value, Fault> {
        self.asked += 1;
        // Numbers of messages are even.
        let id = self.asked * 2 + 1;
        request["id"] = id.into();
        link.say(&request.to_string());
        let answer = async {
            loop {
                turn(&mut self.ears, link).await?;
                while let Some(reply) = self.ears.replies.pop_front() {
                    if reply["re"] == id {
                        return Ok(reply);
                    }
                }
            }
        };
        let reply = timeout(PATIENCE, answer).await.map_err(|_| Fault::Stalled(what))??;
        if reply["t"] == "ok" {
            return Ok(reply);
        }
        let text = |name: &str| reply[name].as_str().unwrap_or_default().to_owned();
        Err(Fault::Refused { what, code: format!("{}: {}", text("code"), text("message")) })
    }

    /// Comes in by the IRC door.
    async fn register(&mut self) -> Result<Link, Fault> {
        let mut link = self.connect().await?;
        let nick = self.run.nick(self.ears.index);
        link.say("CAP LS 302");
        link.say(&format!("NICK {nick}"));
        link.say(&format!("USER {nick} 0 * :{nick}"));
        let mut offered = String::new();
        while offered.is_empty() || offered.contains(" LS * ") {
            // The last of several lines has no asterisk.
            let line = self.until(&mut link, "CAP LS", |line| line.contains(" LS ")).await?;
            offered = format!("{} {line}", offered.replace(" LS * ", " "));
        }
        if !offered.split([' ', ':']).any(|word| word == "echo-message") {
            return Err(Fault::Lacks("echo-message"));
        }
        // Without the names, a thousand members of a room come in a thousand times faster.
        let more = offered.split([' ', ':']).any(|word| word == "draft/no-implicit-names");
        let more = if more { " draft/no-implicit-names" } else { "" };
        link.say(&format!("CAP REQ :echo-message{more}"));
        self.until(&mut link, "CAP REQ", |line| line.contains(" ACK ")).await?;
        link.say("CAP END");
        self.until(&mut link, "NICK and USER", |line| numeric(line, "001")).await?;
        for room in self.run.rooms_of(self.ears.index) {
            let room = self.run.room(room);
            link.say(&format!("JOIN {room}"));
            let joined = |line: &str| {
                line.starts_with(&format!(":{nick}!")) && line.contains(" JOIN ") && line.contains(&room)
            };
            self.until(&mut link, "JOIN", joined).await?;
        }
        Ok(link)
    }

    /// Waits for a line.
    async fn until(
        &mut self,
        link: &mut Link,
        what: &'static str,
        is_it: impl Fn(&str) -> bool,
    ) -> Result<String, Fault> {
        let answer = async {
            loop {
                while let Some(line) = self.ears.lines.pop_front() {
                    if let Some(word) = line.strip_prefix("PING") {
                        link.say(&format!("PONG{word}"));
                    } else if line.starts_with("ERROR ") || refuses(&line) {
                        return Err(Fault::Refused { what, code: line });
                    } else if is_it(&line) {
                        return Ok(line);
                    }
                }
                turn(&mut self.ears, link).await?;
            }
        };
        timeout(PATIENCE, answer).await.map_err(|_| Fault::Stalled(what))?
    }
}

/// Whether a line is this numeric.
fn numeric(line: &str, number: &str) -> bool {
    line.split(' ').nth(1) == Some(number)
}

/// Numerics that end a registration, or a join.
fn refuses(line: &str) -> bool {
    ["403", "405", "432", "433", "437", "461", "464", "465", "471", "473", "474", "475", "477"]
        .iter()
        .any(|number| numeric(line, number))
}

/// Hears once.
async fn turn(ears: &mut Ears, link: &mut Link) -> Result<(), Fault> {
    let tally = Arc::clone(&ears.tally);
    poll_fn(|cx| {
        let mut tally = lock(&tally);
        link.poll(cx, &mut |now, unit| ears.hear(now, unit, &mut tally))
    })
    .await
}
