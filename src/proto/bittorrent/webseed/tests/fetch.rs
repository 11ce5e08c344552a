//! Whole torrents from web seeds, in virtual time: the torrent decides, and a server that is a table answers.

use std::net::SocketAddr;

use super::*;
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::random::Random;
use crate::proto::bittorrent::torrent::{Checked, Event, Fate, Heard, Newcomer, Torrent};
use crate::proto::bittorrent::torrent::{Settings as Sharing, Todo as Next};

/// Limits of asks.
const BYTES_OF_ASKS: [u64; 3] = [BLOCK as u64, 50_000, MAX_ASK];

/// How a server answers.
#[derive(Clone, Copy, Default)]
struct Manners {
    /// It knows no ranges.
    whole: bool,
    /// Of so many asks, one is answered with 503.
    busy: u32,
    /// Of so many, one breaks off.
    breaks: u32,
    /// Of so many, one is never answered.
    silent: u32,
    /// It gives no more than so many bytes.
    most: Option<u64>,
    /// It lies in every byte.
    lies: bool,
}

/// What comes of an exchange, step by step.
enum Step {
    Head(u16, Option<u64>, Option<String>),
    Bytes(Bytes),
    End,
    Break,
}

struct World {
    torrent: Torrent,
    seed: WebSeed,
    kind: Kind,
    key: PeerKey,
    site: Site,
    bytes: Vec<u8>,
    manners: Manners,
    random: Random,
    now: Instant,
    begun: Instant,
    exchanges: BTreeMap<AskId, VecDeque<Step>>,
    /// What is on the disk.
    disk: Vec<u8>,
    asks: u32,
    most_at_once: usize,
}

impl World {
    fn new(torrent: (Arc<Info>, Vec<u8>), kind: Kind, asks: usize, manners: Manners, seed: u64) -> Self {
        let (info, bytes) = torrent;
        let now = Instant::now();
        let site = Site::of(&info, &bytes, "/x/");
        let settings = Settings { asks, ask: 100_000 };
        let web = WebSeed::new(Arc::clone(&info), kind, "http://w/x/", settings, now).unwrap();
        let have = Bitfield::none(info.layout().pieces());
        let torrent = Torrent::new(info, have, Sharing::default(), now, seed);
        let mut world = Self {
            torrent,
            seed: web,
            kind,
            key: PeerKey(0),
            site,
            disk: vec![0; bytes.len()],
            bytes,
            manners,
            random: Random::new(seed),
            now,
            begun: now,
            exchanges: BTreeMap::new(),
            asks: 0,
            most_at_once: 0,
        };
        world.join();
        world
    }

    fn join(&mut self) {
        let addr = SocketAddr::from(([203, 0, 113, 1], 80));
        let newcomer = Newcomer { addr, fast: true, impatient: false, greeted: true, runs: true };
        self.key = self.torrent.join(self.now, newcomer);
        self.torrent.takes(self.key, MAX_REQUESTS);
        self.seed.joined(self.now);
    }

    /// Goes on until all is there, or nothing happens any more; the seconds that it took.
    fn run(&mut self) -> f64 {
        for _ in 0..200_000 {
            self.talk();
            if self.torrent.is_finished() || matches!(self.seed.state(), State::Ended(_)) {
                break;
            }
            if !self.step() {
                let deadline = self.seed.deadline().into_iter().chain(self.torrent.deadline()).min();
                self.now = self.now.max(deadline.unwrap());
                if self.now - self.begun > Duration::from_secs(7200) {
                    break;
                }
            }
            self.torrent.poll(self.now);
        }
        self.talk();
        (self.now - self.begun).as_secs_f64()
    }

    /// All that is to be said and done now.
    fn talk(&mut self) {
        loop {
            let mut quiet = true;
            self.torrent.woken().for_each(drop);
            while let Some(next) = self.torrent.next(self.now, self.key, true) {
                let Next::Say(word) = next else { panic!("nobody asks us") };
                self.seed.said(&word);
                quiet = false;
            }
            while let Some(todo) = self.seed.poll(self.now) {
                self.carry_out(todo);
                quiet = false;
            }
            while let Some(event) = self.torrent.event() {
                match event {
                    Event::Banned { .. } => self.seed.banned(),
                    Event::Piece(_) | Event::Finished => {}
                    Event::Leave(key, _) => self.torrent.leave(key),
                }
                quiet = false;
            }
            if quiet {
                return;
            }
        }
    }

    fn carry_out(&mut self, todo: Todo) {
        match todo {
            Todo::Say(word) => match self.torrent.heard(self.now, self.key, word).unwrap() {
                Heard::Block { piece, begin, data, whole } => self.keep(piece, begin, &data, whole),
                Heard::Nothing => {}
                Heard::Other(other) => panic!("{other:?}"),
            },
            Todo::Ask(id, ask) => {
                let steps = self.answer(&ask);
                self.exchanges.insert(id, steps);
                self.asks += 1;
                self.most_at_once = self.most_at_once.max(self.exchanges.len());
            }
            Todo::Abort(id) => drop(self.exchanges.remove(&id)),
            Todo::Rejoin => {
                self.torrent.leave(self.key);
                self.join();
            }
            Todo::Leave(_) => self.torrent.leave(self.key),
        }
    }

    fn keep(&mut self, piece: u32, begin: u32, data: &[u8], whole: bool) {
        let layout = Arc::clone(self.torrent.info().layout());
        let start = layout.piece_offset(piece) as usize;
        self.disk[start + begin as usize..][..data.len()].copy_from_slice(data);
        if whole {
            let bytes = &self.disk[start..start + layout.piece_size(piece) as usize];
            let expected = self.torrent.info().expected(piece, &Default::default());
            let right = expected.v1 == Some(Sha1::of(bytes));
            let blocks = bytes.chunks(BLOCK as usize).map(Sha1::of).collect();
            let fate = self.torrent.checked(piece, &Checked { right, blocks });
            assert_eq!(fate == Fate::Kept, !self.manners.lies);
        }
    }

    fn by_chance(&mut self, one_of: u32) -> bool {
        one_of > 0 && self.random.below(one_of) == 0
    }

    fn answer(&mut self, ask: &Ask) -> VecDeque<Step> {
        let Manners { whole, busy, breaks, silent, most, lies } = self.manners;
        if self.by_chance(silent) {
            return VecDeque::new();
        }
        if self.by_chance(busy) {
            return [Step::Head(503, Some(1), None), Step::Bytes(Bytes::from_static(b"9")), Step::End].into();
        }
        let (head, mut body) = match self.kind {
            Kind::Files => match self.site.get(&ask.target) {
                None => (Step::Head(404, Some(0), None), Vec::new()),
                Some(file) if whole => (Step::Head(200, Some(file.len() as u64), None), file.to_vec()),
                Some(file) => {
                    let Range { start, end } = ask.range.clone().unwrap();
                    let end = end.min(start + most.unwrap_or(u64::MAX - start));
                    let said = format!("bytes {start}-{}/{}", end - 1, file.len());
                    (
                        Step::Head(206, Some(end - start), Some(said)),
                        file[start as usize..end as usize].to_vec(),
                    )
                }
            },
            Kind::Pieces => {
                let body = self.script(&ask.target);
                (Step::Head(200, Some(body.len() as u64), None), body)
            }
        };
        if lies {
            body.iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        let mut steps = VecDeque::from([head]);
        let breaks = self.by_chance(breaks).then(|| self.random.below(body.len() as u32 + 1) as usize);
        let mut body = Bytes::from(body);
        body.truncate(breaks.unwrap_or(usize::MAX));
        while !body.is_empty() {
            let length = 1 + self.random.below(40_000) as usize;
            steps.push_back(Step::Bytes(body.split_to(length.min(body.len()))));
        }
        steps.push_back(if breaks.is_some() { Step::Break } else { Step::End });
        steps
    }

    /// What a script of BEP 17 gives.
    fn script(&self, target: &str) -> Vec<u8> {
        let (_, query) = target.split_once('?').unwrap();
        let fields: BTreeMap<&str, &str> =
            query.split('&').map(|field| field.split_once('=').unwrap()).collect();
        let layout = self.torrent.info().layout();
        let piece: u32 = fields["piece"].parse().unwrap();
        let start = layout.piece_offset(piece) as usize;
        let bytes = &self.bytes[start..start + layout.piece_size(piece) as usize];
        let Some(ranges) = fields.get("ranges") else { return bytes.to_vec() };
        let ranges = ranges.split(',').map(|range| {
            let (first, last) = range.split_once('-').unwrap();
            &bytes[first.parse::<usize>().unwrap()..=last.parse::<usize>().unwrap()]
        });
        ranges.collect::<Vec<_>>().concat()
    }

    /// Something comes from the server; whether there was anything.
    fn step(&mut self) -> bool {
        let live: Vec<AskId> =
            self.exchanges.iter().filter(|(_, steps)| !steps.is_empty()).map(|(id, _)| *id).collect();
        if live.is_empty() {
            return false;
        }
        let id = live[self.random.below(live.len() as u32) as usize];
        let Some(step) = self.exchanges.get_mut(&id).and_then(VecDeque::pop_front) else { return false };
        self.now += Duration::from_millis(1 + u64::from(self.random.below(20)));
        let now = self.now;
        match step {
            Step::Head(status, length, range) => {
                let retry_after =
                    (status == 503 && self.kind == Kind::Files).then_some(Duration::from_secs(9));
                self.seed.answered(now, id, &Head { status, length, range: range.as_deref(), retry_after });
            }
            Step::Bytes(bytes) => self.seed.came(now, id, bytes),
            Step::End => {
                self.exchanges.remove(&id);
                self.seed.finished(now, id);
            }
            Step::Break => {
                self.exchanges.remove(&id);
                self.seed.failed(now, id);
            }
        }
        true
    }
}

/// Files of many lengths, some of which are padding, and names that have to be encoded.
fn files() -> (Arc<Info>, Vec<u8>) {
    let files = &[
        ("a b", 300_000, ""),
        ("none", 0, ""),
        ("ä/%41", 1, ""),
        ("ä/c#?", 16_384, ""),
        ("tiny", 70, ""),
        ("d", 100_000, ""),
        (".pad/8", 45_200, "p"),
        ("e", 200_001, ""),
    ];
    folder("näme".as_bytes(), files, 4 * BLOCK)
}

#[test]
fn whatever_the_server_does_all_bytes_come() {
    let good = Manners::default();
    let bad = Manners { busy: 7, breaks: 5, silent: 19, ..good };
    for (manners, limit) in [
        (good, 10.0),
        (Manners { most: Some(20_000), ..good }, 20.0),
        (Manners { whole: true, ..good }, 20.0),
        (bad, 7200.0),
    ] {
        for asks in [1, MAX_ASKS] {
            for kind in [Kind::Files, Kind::Pieces] {
                for seed in 0..2 {
                    let mut world = World::new(files(), kind, asks, manners, seed);
                    let seconds = world.run();
                    assert!(world.torrent.is_finished(), "{:?} {seed} {seconds}", world.seed.state());
                    assert_eq!(world.disk, world.bytes);
                    assert!(seconds < limit, "{seconds} {asks} {kind:?}");
                    assert!(world.most_at_once <= asks);
                }
            }
        }
    }
}

#[test]
fn an_ask_is_for_many_blocks() {
    let (info, bytes) = single(6 << 20, 16);
    let mut world = World::new((info, bytes), Kind::Files, 1, Manners::default(), 1);
    world.run();
    assert!(world.torrent.is_finished());
    // 384 blocks, at most 6 of them in an ask.
    assert!((64..110).contains(&world.asks), "{}", world.asks);
}

#[test]
fn what_is_not_there_is_left_to_others() {
    let mut world = World::new(files(), Kind::Files, 2, Manners::default(), 4);
    let there = world.site.0.len();
    world.site.0.retain(|path, _| !path.ends_with("tiny") && !path.ends_with("/e"));
    assert_eq!(world.site.0.len(), there - 2);
    world.run();
    let layout = Arc::clone(world.torrent.info().layout());
    let files = layout.files().iter().enumerate();
    let lacking = files.filter(|(_, file)| ["tiny", "e"].contains(&&*file.path[1])).map(|(number, _)| number);
    let lacking: Vec<u32> = lacking.flat_map(|file| layout.pieces_of(file)).collect();
    for piece in 0..layout.pieces() {
        assert_eq!(world.torrent.picker().have().has(piece), !lacking.contains(&piece), "{piece}");
    }
    assert!(!world.torrent.is_finished() && matches!(world.seed.state(), State::Idle));
    assert!(world.asks < 40, "{}", world.asks);
}

#[test]
fn a_liar_is_banned_after_one_piece() {
    let mut world = World::new(files(), Kind::Files, 1, Manners { lies: true, ..Manners::default() }, 1);
    world.run();
    assert_eq!(world.seed.state(), State::Ended(Ended::Banned));
    assert_eq!(world.torrent.peers(), 0);
    assert!(world.asks < 20);
}

#[test]
fn nothing_that_is_told_breaks_it() {
    // Words in any order, about asks that are and are not, and every request is answered once at most.
    let torrent = folder(b"t", &[("a", 100_000, ""), ("p", 5, "p"), ("b", 99_995, "")], 2 * BLOCK);
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let kind = if seed % 2 == 0 { Kind::Files } else { Kind::Pieces };
        let settings =
            Settings { asks: 1 + random.below(4) as usize, ask: BYTES_OF_ASKS[random.below(3) as usize] };
        let mut desk = Desk::new(torrent.clone(), kind, settings);
        let mut open: BTreeMap<Block, ()> = BTreeMap::new();
        let mut ids = Vec::new();
        for _ in 0..120 {
            let id = ids.get(random.below(1 + ids.len() as u32) as usize).copied().unwrap_or(AskId(0));
            let any = Block {
                piece: random.below(8),
                begin: random.below(3) * BLOCK,
                length: 1 + random.below(BLOCK),
            };
            let some = block(random.below(6), random.below(2));
            match random.below(12) {
                0 => desk.seed.said(&Message::Request(any)),
                1..=4 => {
                    if matches!(desk.seed.state(), State::Ended(_)) || !desk.seed.joined {
                        continue;
                    }
                    open.insert(some, ());
                    desk.seed.said(&Message::Request(some));
                }
                5 => {
                    open.remove(&some);
                    desk.seed.said(&Message::Cancel(some));
                }
                6 => {
                    let statuses = [200, 206, 206, 206, 404, 503, 302, 100];
                    let status = statuses[random.below(8) as usize];
                    let said = format!("bytes {}-{}/100000", random.below(3) * BLOCK, random.below(200_000));
                    desk.seed.answered(desk.now, id, &head(status, None, Some(&said)));
                }
                7 | 8 => {
                    let length = random.below(50_000) as usize;
                    desk.seed.came(desk.now, id, Bytes::from(vec![0; length]));
                }
                9 => desk.seed.finished(desk.now, id),
                10 => desk.wait(Duration::from_secs(random.below(40).into())),
                _ if random.below(8) == 0 => desk.seed.failed(desk.now, id),
                _ => {}
            }
            for todo in desk.todo() {
                match todo {
                    Todo::Ask(id, ask) => {
                        assert!(ask.range.is_none_or(|range| range.start < range.end));
                        ids.push(id);
                    }
                    Todo::Say(Message::Piece { piece, begin, data }) => {
                        open.remove(&Block { piece, begin, length: data.len() as u32 });
                    }
                    Todo::Say(Message::Reject(block)) => drop(open.remove(&block)),
                    Todo::Say(_) | Todo::Abort(_) => {}
                    Todo::Rejoin => {
                        open.clear();
                        desk.seed.joined(desk.now);
                    }
                    Todo::Leave(_) => open.clear(),
                }
            }
        }
        // Whatever is open is waited for.
        let asked = desk.seed.waiting.len() + desk.seed.flights.len();
        assert!(open.is_empty() || asked > 0, "{seed}: {open:?}");
    }
}
