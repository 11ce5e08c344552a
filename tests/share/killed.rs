//! A kill at any moment: what a peer was told of before it is there afterwards, is right, and is not fetched again.
//!
//! The only peer is a seed in the test, which speaks by the crate's own codec of the wire. It counts what goes over the connection, kills in the middle of it, and keeps an
//! account of all runs: which pieces it was told of, and how many bytes it has sent.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::IoSlice;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::Signal;
use wireworks::codec::{Codec as _, Outbox};
use wireworks::proto::bittorrent::BLOCK;
use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::bittorrent::metainfo::{Layout, Metainfo};
use wireworks::proto::bittorrent::wire::{
    Bitfield, Block, Codec, Handshake, Message, PeerId, Reserved, Said,
};

use super::tree::{Torrent, assert_same, plant};
use crate::support::PATIENCE;
use crate::support::command::{stop, wireworks};
use crate::support::process::Process;
use crate::support::socket::Socket;

/// How often `get` is killed.
const KILLS: usize = 50;

/// Bytes of a file beside the others of the tree, so that there are some hundred pieces.
const LONG: usize = 6_500_003;

/// Pieces that the seed asks for in each run but the last, to see that they are right.
const SOME: usize = 4;

/// What happens last before a kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// It takes connections, and looks at what is there.
    Begun,
    /// There is a connection, on which it has introduced itself at most.
    Met,
    /// It has told what it has.
    Told,
    /// It is to send pieces.
    Asked,
    /// It has asked for blocks, and got none.
    Asks,
    /// It was sent so many blocks, and so many bytes of the message of another one.
    Sent { blocks: usize, torn: usize },
    /// It was sent so many pieces, and has told of them.
    Has(u32),
}

/// A connection of the seed.
struct Link {
    socket: Socket,
    codec: Codec,
    heard: BytesMut,
}

/// The seed, and its account of all runs.
struct Seed {
    hash: Sha1,
    layout: Arc<Layout>,
    content: Bytes,
    random: Rng,
    /// Pieces that it was told of in any run.
    told: Bitfield,
    /// Bytes of blocks that it has sent in all runs.
    sent: u64,
    /// Bytes of blocks in pieces that were not there after a kill.
    lost: u64,
    /// Bytes that it has sent of each piece since it was told last what is there.
    under_way: BTreeMap<u32, u64>,
    /// What it was asked for in this run, and what of that it has not sent.
    asked: BTreeSet<Block>,
    requests: VecDeque<Block>,
    /// Blocks that it has asked for, and that have not come.
    awaited: usize,
}

#[test]
fn a_command_that_is_killed_fifty_times_fetches_nothing_twice_and_serves_nothing_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let (torrent, mut seed) = seed(dir.path());
    let out = dir.path().join("out");
    let to = out.display().to_string();
    let begin = || {
        let door = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = door.local_addr().unwrap().to_string();
        let from = ["share", "get", "-q", &torrent.file, "-o", &to, "--peer", &addr];
        let by = ["--listen", "127.0.0.1:0", "--no-dht", "--encryption", "refuse"];
        (wireworks(&[&from[..], &by].concat()), door)
    };
    let mut promised = 0;
    for number in 0..KILLS {
        let (mut get, door) = begin();
        let moment = seed.moment(number);
        if let Moment::Begun = moment {
            get.listening("share");
            kill(get);
            continue;
        }
        let socket = accept(&door);
        if let Moment::Met = moment {
            kill(get);
            continue;
        }
        let mut link = Link::greet(socket, seed.hash).expect("it wants this torrent");
        seed.talk(&mut link, moment);
        kill(get);
        seed.hear_the_rest(link);
        if let Moment::Has(pieces) = moment {
            promised += pieces;
        }
    }
    assert!(seed.told.count() >= promised, "what was told of was counted");
    assert!(!seed.told.is_all(), "there is something left for a run that ends well");
    let (get, door) = begin();
    let link = Link::greet(accept(&door), seed.hash).expect("it wants this torrent");
    seed.finish(link);
    get.wait().success();
    assert_same(dir.path(), &out, "after many kills");
    assert_eq!(seed.sent, seed.layout.total() + seed.lost, "nothing else was sent twice");
}

#[test]
fn a_daemon_that_is_killed_goes_on_from_what_it_has_kept_and_from_what_came_since() {
    let dir = tempfile::tempdir().unwrap();
    let (torrent, mut seed) = seed(dir.path());
    let [inbox, data] = ["inbox", "data"].map(|name| dir.path().join(name));
    std::fs::create_dir(&inbox).unwrap();
    std::fs::copy(&torrent.file, inbox.join("v1.torrent")).unwrap();
    let [watched, state] = [&inbox, &data].map(|path| path.display().to_string());
    let begin = |seed: &Seed| {
        let args = ["share", "daemon", "--listen", "127.0.0.1:0", "--peer-listen", "127.0.0.1:0", "--no-dht"];
        let more = ["--encryption", "refuse", "--data", &state, "--watch", &watched];
        let mut daemon = wireworks(&[&args[..], &more].concat());
        let addr = format!("127.0.0.1{}", daemon.listening("share")).parse().unwrap();
        (daemon, Link::call(addr, seed.hash))
    };
    // It keeps what is there when it stops well. What comes from then on is in files of which something else is kept.
    let (daemon, mut link) = begin(&seed);
    seed.talk(&mut link, Moment::Has(40));
    stop(daemon);
    seed.hear_the_rest(link);
    let moments = [
        Moment::Has(20),
        Moment::Sent { blocks: 30, torn: 0 },
        Moment::Asked,
        Moment::Sent { blocks: 17, torn: 5000 },
        Moment::Has(3),
    ];
    for moment in moments {
        let (daemon, mut link) = begin(&seed);
        seed.talk(&mut link, moment);
        kill(daemon);
        seed.hear_the_rest(link);
    }
    assert!(seed.told.count() >= 63 && !seed.told.is_all());
    let (daemon, link) = begin(&seed);
    seed.finish(link);
    stop(daemon);
    assert_same(dir.path(), &data.join("files"), "after some kills");
    assert_eq!(seed.sent, seed.layout.total() + seed.lost, "nothing else was sent twice");
}

/// The tree, its torrent, and a seed of it. Pieces go over the ends of files. It is private: nobody else on this machine is told of it, as of the same one in another test.
#[track_caller]
fn seed(dir: &Path) -> (Torrent, Seed) {
    plant(dir);
    let mut random = Rng::with_seed(50);
    let long: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(LONG).collect();
    std::fs::write(dir.join("tree/long.bin"), long).unwrap();
    let torrent = Torrent::make(dir, "v1", &["--private"]);
    let info = Metainfo::read(&std::fs::read(&torrent.file).unwrap().into()).unwrap().info;
    let layout = Arc::clone(info.layout());
    let files = layout.files().iter();
    let content: Vec<u8> =
        files.flat_map(|file| std::fs::read(dir.join(file.display_path())).unwrap()).collect();
    let seed = Seed {
        hash: info.hash().id(),
        told: Bitfield::none(layout.pieces()),
        layout,
        content: content.into(),
        random,
        sent: 0,
        lost: 0,
        under_way: BTreeMap::new(),
        asked: BTreeSet::new(),
        requests: VecDeque::new(),
        awaited: 0,
    };
    (torrent, seed)
}

#[track_caller]
fn kill(process: Process) {
    process.signal(Signal::KILL);
    assert_eq!(process.wait().status.code(), None, "it was there to be killed");
}

#[track_caller]
fn accept(door: &TcpListener) -> Socket {
    let patience = Timespec::try_from(PATIENCE).unwrap();
    let came = poll(&mut [PollFd::new(door, PollFlags::IN)], Some(&patience)).unwrap();
    assert_eq!(came, 1, "nobody connects");
    Socket::Tcp(door.accept().unwrap().0)
}

impl Link {
    /// Introduces the seed; `None` if the peer does not want to know it.
    #[track_caller]
    fn greet(socket: Socket, hash: Sha1) -> Option<Self> {
        let mut link = Self { socket, codec: Codec::new(), heard: BytesMut::new() };
        let peer = PeerId(*b"-XX0001-seed of test");
        let hello = Handshake { reserved: Reserved::ours(false, false), swarm: hash, peer };
        link.send(&encoded(Said::Handshake(hello)));
        match link.hear()? {
            Said::Handshake(hello) => assert_eq!(hello.swarm, hash),
            Said::Message(message) => panic!("{message:?} before a handshake"),
        }
        Some(link)
    }

    /// Connects to a peer, again and again until it shares the torrent.
    #[track_caller]
    fn call(addr: SocketAddr, hash: Sha1) -> Self {
        let until = Instant::now() + PATIENCE;
        loop {
            let socket = Socket::connect(addr, PATIENCE).unwrap();
            if let Some(link) = Self::greet(socket, hash) {
                return link;
            }
            assert!(Instant::now() < until, "it never shares the torrent");
        }
    }

    #[track_caller]
    fn send(&mut self, bytes: &[u8]) {
        self.socket.send(bytes, Instant::now() + PATIENCE).unwrap();
    }

    #[track_caller]
    fn say(&mut self, message: Message) {
        self.send(&encoded(Said::Message(message)));
    }

    /// What is said next; `None` if the peer has gone.
    #[track_caller]
    fn hear(&mut self) -> Option<Said> {
        loop {
            if let Some(said) = self.codec.decode(&mut self.heard).unwrap() {
                return Some(said);
            }
            let mut more = Vec::new();
            if self.socket.read(&mut more, Instant::now() + PATIENCE).unwrap().is_some() {
                return None;
            }
            self.heard.extend_from_slice(&more);
        }
    }
}

/// The bytes of what is said.
fn encoded(said: Said) -> Vec<u8> {
    let mut out = Outbox::new();
    Codec::new().encode(said, &mut out).unwrap();
    let mut slices = [IoSlice::new(&[]); 4];
    let used = out.slices(&mut slices);
    slices[..used].iter().flat_map(|slice| slice.iter().copied()).collect()
}

impl Seed {
    /// When to kill: each kind in turn, after as much as chance decides.
    fn moment(&mut self, number: usize) -> Moment {
        match number % 10 {
            0 => Moment::Begun,
            1 => Moment::Met,
            2 => Moment::Told,
            3 => Moment::Asked,
            4 => Moment::Asks,
            5 | 6 => Moment::Sent { blocks: self.random.usize(1..40), torn: 0 },
            7 => {
                let torn = self.random.usize(1..BLOCK as usize);
                Moment::Sent { blocks: self.random.usize(..40), torn }
            }
            _ => Moment::Has(self.random.u32(1..=10)),
        }
    }

    /// Talks to the client until the moment at which it is killed.
    #[track_caller]
    fn talk(&mut self, link: &mut Link, moment: Moment) {
        let there = self.open(link);
        match moment {
            Moment::Begun | Moment::Met | Moment::Told => return,
            Moment::Asked => return self.ask(link, &there, SOME),
            _ => self.look(link, &there, SOME),
        }
        link.say(Message::Unchoke);
        match moment {
            Moment::Sent { blocks, torn } => {
                (0..blocks).for_each(|_| self.give(link, usize::MAX));
                if torn > 0 {
                    self.give(link, torn);
                }
            }
            Moment::Has(pieces) => {
                let then = self.told.count() + pieces;
                while self.whole() < pieces {
                    self.give(link, usize::MAX);
                }
                while self.told.count() < then {
                    self.hear(link).expect("it goes on");
                }
            }
            _ => self.wait_for_request(link),
        }
    }

    /// Looks at all that is there, gives what is missing, and waits until the client has that, or has gone as it has.
    #[track_caller]
    fn finish(&mut self, mut link: Link) {
        let there = self.open(&mut link);
        self.look(&mut link, &there, usize::MAX);
        link.say(Message::Unchoke);
        while self.whole() + there.count() < there.pieces() {
            self.give(&mut link, usize::MAX);
        }
        while !self.told.is_all() && self.hear(&mut link).is_some() {}
    }

    /// Hears what the client has: all that it says until it is ready to send. That has to be all that it has ever told of.
    #[track_caller]
    fn open(&mut self, link: &mut Link) -> Bitfield {
        self.asked.clear();
        self.requests.clear();
        self.awaited = 0;
        link.say(Message::HaveAll);
        link.say(Message::Interested);
        let before = self.told.clone();
        let mut there = Bitfield::none(before.pieces());
        loop {
            match self.hear(link).expect("it tells what it has") {
                Message::Bitfield(bytes) => there = Bitfield::read(&bytes, there.pieces()).unwrap(),
                // Whoever comes while it looks at its files hears of what it finds piece by piece.
                Message::Have(piece) => drop(there.set(piece)),
                Message::HaveAll => there = Bitfield::all(there.pieces()),
                Message::Unchoke => break,
                _ => {}
            }
        }
        let gone: Vec<u32> = before.iter().filter(|piece| !there.has(*piece)).collect();
        assert!(gone.is_empty(), "it has told of these pieces, and has them no more: {gone:?}");
        let under_way = std::mem::take(&mut self.under_way).into_iter();
        self.lost += under_way.filter(|(piece, _)| !there.has(*piece)).map(|(_, bytes)| bytes).sum::<u64>();
        self.told = there.clone();
        there
    }

    /// Asks for so many pieces, any of those that are there.
    #[track_caller]
    fn ask(&mut self, link: &mut Link, there: &Bitfield, most: usize) {
        let mut pieces: Vec<u32> = there.iter().collect();
        self.random.shuffle(&mut pieces);
        for piece in pieces.into_iter().take(most) {
            let size = self.layout.piece_size(piece);
            for begin in (0..size).step_by(BLOCK as usize) {
                let length = BLOCK.min(size - begin);
                link.say(Message::Request(Block { piece, begin, length }));
                self.awaited += 1;
            }
        }
    }

    /// Asks for so many pieces, and waits for them.
    #[track_caller]
    fn look(&mut self, link: &mut Link, there: &Bitfield, most: usize) {
        self.ask(link, there, most);
        while self.awaited > 0 {
            self.hear(link).expect("it gives what it has");
        }
    }

    /// Sends a block that was asked for, the first or any of them, or so many bytes of its message. If there is none, it waits for a request.
    #[track_caller]
    fn give(&mut self, link: &mut Link, most: usize) {
        self.wait_for_request(link);
        let any = if self.random.u8(..4) == 0 { self.random.usize(..self.requests.len()) } else { 0 };
        let block = self.requests.remove(any).unwrap();
        let Block { piece, begin, .. } = block;
        let message = encoded(Said::Message(Message::Piece { piece, begin, data: self.content_of(block) }));
        let now = most.min(message.len());
        link.send(&message[..now]);
        // Of the message the bytes are the end.
        let bytes = (now + block.length as usize).saturating_sub(message.len()) as u64;
        self.sent += bytes;
        *self.under_way.entry(piece).or_default() += bytes;
    }

    #[track_caller]
    fn wait_for_request(&mut self, link: &mut Link) {
        while self.requests.is_empty() {
            self.hear(link).expect("it asks for more");
        }
    }

    /// Pieces that it has sent all of since it was told what is there.
    fn whole(&self) -> u32 {
        let is_whole = |(piece, bytes): &(&u32, &u64)| **bytes == u64::from(self.layout.piece_size(**piece));
        // There are not more than pieces.
        self.under_way.iter().filter(is_whole).count() as u32
    }

    fn content_of(&self, block: Block) -> Bytes {
        let at = (self.layout.piece_offset(block.piece) + u64::from(block.begin)) as usize;
        self.content.slice(at..at + block.length as usize)
    }

    /// What a client has said that is gone.
    #[track_caller]
    fn hear_the_rest(&mut self, mut link: Link) {
        while self.hear(&mut link).is_some() {}
    }

    /// What the client says next; `None` if it has gone. Nothing that it has told of may be asked for, and nothing that it sends may be wrong.
    #[track_caller]
    fn hear(&mut self, link: &mut Link) -> Option<Message> {
        let message = match link.hear()? {
            Said::Message(message) => message,
            Said::Handshake(hello) => panic!("{hello:?} again"),
        };
        match &message {
            Message::Have(piece) => drop(self.told.set(*piece)),
            Message::Request(block) => {
                assert!(!self.told.has(block.piece), "{block:?} is asked for, which is there");
                assert!(self.asked.insert(*block), "{block:?} is asked for again");
                self.requests.push_back(*block);
            }
            Message::Piece { piece, begin, data } => {
                let block = Block { piece: *piece, begin: *begin, length: data.len() as u32 };
                assert!(self.content_of(block) == *data, "{block:?} is wrong");
                self.awaited -= 1;
            }
            Message::Reject(block) => panic!("{block:?} was told of, and is not given"),
            _ => {}
        }
        Some(message)
    }
}
