//! The connection with one peer, from the end of the handshake on.
//!
//! One task reads, writes, and decides nothing: what the peer says goes to the torrent in batches, and what the torrent has to say to it is fetched when there is room. Blocks are
//! read from the disk in the blocking lane, several at a time, and meanwhile the peer is listened to.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Swarm;
use super::extensions::{Extensions, Peer};
use super::link::{Leave, Link, Way};
use super::sharing::Sharing;
use super::turn;
use crate::net::chunk::Chunk;
use crate::net::conn::{Conn, ConnError, Turn};
use crate::net::io::Io;
use crate::net::workers::{Job, Priority};
use crate::proto::bittorrent::contacts::Ending;
use crate::proto::bittorrent::mse::{Method, Sealed};
use crate::proto::bittorrent::picker::PeerKey;
use crate::proto::bittorrent::torrent::{Todo, Violation};
use crate::proto::bittorrent::wire::{Block, Codec, Message, Reject, Said};
use crate::server::share::storage::StorageError;

/// Messages that are heard at once.
const BATCH: usize = 64;

/// Blocks that are read from the disk at once: a quarter of a megabyte.
const READ: usize = 16;

/// Bytes that are read from a connection until they are heard.
const READ_LIMIT: usize = 512 << 10;

/// Messages that are kept until the metadata is known.
const MOST_EARLY: usize = 4096;

/// Bytes that may wait for a peer to read them. Blocks are sent as there is room; the rest is words, of which it may bring about as many as it likes.
const MOST_UNSENT: usize = 4 << 20;

/// Why a connection has ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The peer said so, or its system.
    #[error("it has gone")]
    Gone,
    /// The connection failed, or the peer broke the protocol.
    #[error(transparent)]
    Broken(#[from] ConnError<Reject>),
    /// It said what nobody may say.
    #[error(transparent)]
    Violation(#[from] Violation),
    /// The torrent is rid of it.
    #[error(transparent)]
    Left(#[from] Leave),
    /// It said too much before anybody could know what it means.
    #[error("it says too much before the metadata is known")]
    Early,
    /// It reads nothing of what it makes us say.
    #[error("it does not read what it is told")]
    Deaf,
    /// An extension is spoken as nobody may.
    #[error("{0}")]
    Extension(String),
    /// The torrent is not shared any more.
    #[error("the torrent has stopped")]
    Stopped,
}

/// Blocks that are being read, and what has come of it.
type Reading = Job<ReadBlocks>;
type ReadBlocks = Result<Vec<(Block, Bytes)>, (Vec<Block>, StorageError)>;

/// A connection.
pub(in crate::server::share) struct Session {
    swarm: Arc<Swarm>,
    conn: Conn<Io, Sealed<Codec>>,
    extensions: Extensions,
    link: Arc<Link>,
    joined: Option<Joined>,
    /// What it said before all was known that its words are about.
    early: Vec<Message>,
    /// How many of those words were about pieces whose hashes are asked for, if they are.
    offered: Option<usize>,
    reading: Option<Reading>,
    turn: turn::Turn,
}

/// Its place in the torrent.
struct Joined {
    sharing: Arc<Sharing>,
    key: PeerKey,
    _user: TaskTrackerToken,
}

/// What the task waits for.
enum Happened {
    Turn(Turn<Said>),
    Read(ReadBlocks),
    /// There is something to do, or to look at again.
    Woken,
}

impl Session {
    pub(super) fn new(swarm: Arc<Swarm>, mut conn: Conn<Io, Sealed<Codec>>, extensions: Extensions) -> Self {
        conn.clear_deadline();
        conn.read_limit(READ_LIMIT);
        let Peer { addr, incoming, carrier, .. } = extensions.peer;
        let encrypted = conn.codec().method() == Method::Rc4;
        let link = Arc::new(Link::new(Way { addr, incoming, encrypted, carrier }));
        Self {
            swarm,
            conn,
            extensions,
            link,
            joined: None,
            early: Vec::new(),
            offered: None,
            reading: None,
            turn: turn::Turn::default(),
        }
    }

    /// Who is at the other end.
    pub(super) fn peer(&self) -> Peer {
        self.extensions.peer
    }

    /// What its task is told by.
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.link
    }

    /// The torrent that it is about.
    pub(in crate::server::share) fn swarm(&self) -> &Arc<Swarm> {
        &self.swarm
    }

    /// Talks to the peer until one of them has enough: why that is, and whether to come back.
    pub(super) async fn run(mut self) -> (Ended, Ending) {
        let Err(ended) = self.talk().await;
        let joined = self.joined.as_ref();
        let useless = joined.is_some_and(|joined| joined.sharing.leave(joined.key));
        let ending = if useless { Ending::Useless } else { Ending::Left };
        self.extensions.goodbye(&self.swarm, ending);
        (ended, ending)
    }

    async fn talk(&mut self) -> Result<Infallible, Ended> {
        self.extensions.introduce(&self.swarm, &mut self.conn, &self.link)?;
        loop {
            self.join()?;
            self.offer();
            self.say()?;
            if self.conn.unsent() > MOST_UNSENT {
                return Err(Ended::Deaf);
            }
            match self.next().await? {
                Happened::Turn(Turn::Item(Said::Message(message))) => {
                    self.hear(message)?;
                    self.turn.end();
                }
                Happened::Turn(Turn::Closed) => return Err(Ended::Gone),
                Happened::Read(read) => self.send(read)?,
                Happened::Turn(_) | Happened::Woken => {}
            }
            if let Some(reason) = self.link.leaving() {
                return Err(reason.into());
            }
        }
    }

    async fn next(&mut self) -> Result<Happened, Ended> {
        let Self { swarm, conn, link, joined, reading, turn, .. } = self;
        // Who owes us no block is heard all the same: what it says takes no room.
        let owes = |joined: &Joined| joined.sharing.with(None, |state, _| state.torrent.owes(joined.key));
        let held_back = turn.is_awaited(swarm) && joined.as_ref().is_some_and(owes);
        tokio::select! {
            biased;
            () = swarm.stopping.cancelled() => Err(Ended::Stopped),
            () = link.woken() => Ok(Happened::Woken),
            () = swarm.known(), if joined.is_none() => Ok(Happened::Woken),
            happened = poll_fn(|cx| poll(conn, reading, held_back, cx)) => Ok(happened?),
            () = poll_fn(|cx| turn.poll(cx)) => Ok(Happened::Woken),
        }
    }

    /// Becomes a peer of the torrent as soon as its metadata is known.
    fn join(&mut self) -> Result<(), Ended> {
        if self.joined.is_some() {
            return Ok(());
        }
        let Some(sharing) = self.swarm.sharing() else { return Ok(()) };
        sharing.with(None, |state, _| state.torrent.set_super_seeding(self.swarm.is_paced()));
        let key = sharing.join(self.extensions.newcomer(), &self.link);
        self.joined = Some(Joined { sharing: Arc::clone(sharing), key, _user: sharing.users.token() });
        self.extensions.tell_torrent(sharing, key);
        let early = std::mem::take(&mut self.early);
        self.heard(early)
    }

    /// Tells what the peer has, where the hashes of pieces are asked for.
    fn offer(&mut self) {
        if self.joined.is_some() {
            return;
        }
        let Some(layout) = self.swarm.beside.wants_hashes() else { return };
        let pieces = layout.pieces();
        let known = self.offered.unwrap_or_else(|| {
            self.extensions.offer(&self.swarm, &Message::HaveNone, pieces);
            0
        });
        for message in self.early.iter().skip(known) {
            self.extensions.offer(&self.swarm, message, pieces);
        }
        self.offered = Some(self.early.len());
    }

    /// Hears what the peer has said, all of it that is here already.
    fn hear(&mut self, first: Message) -> Result<(), Ended> {
        let mut batch = vec![first];
        // Where what comes is limited, a block is heard alone: what others say is to wait for no more than that is paid for.
        let limited = self.swarm.is_limited();
        let is_enough = |batch: &[Message]| {
            batch.len() >= BATCH || limited && matches!(batch.last(), Some(Message::Piece { .. }))
        };
        while !is_enough(&batch) {
            match self.conn.decode().map_err(ConnError::Proto)? {
                Some(Said::Message(message)) => batch.push(message),
                Some(Said::Handshake(_)) => {}
                None => break,
            }
        }
        if self.joined.is_some() {
            return self.heard(batch);
        }
        for message in batch {
            match message {
                Message::Extended { id, payload } => self.extended(id, &payload)?,
                Message::KeepAlive => {}
                message @ (Message::Hashes { .. } | Message::HashReject(_)) => {
                    self.extensions.other(&self.swarm, message)?;
                }
                _ if self.early.len() >= MOST_EARLY => return Err(Ended::Early),
                message => self.early.push(message),
            }
        }
        Ok(())
    }

    fn heard(&mut self, batch: Vec<Message>) -> Result<(), Ended> {
        let Some(Joined { sharing, key, .. }) = &self.joined else { return Ok(()) };
        let (others, heard) = sharing.hear(&self.swarm, *key, batch);
        heard?;
        for message in others {
            match message {
                Message::Extended { id, payload } => self.extended(id, &payload)?,
                Message::HashRequest(range) => {
                    let Some(Joined { sharing, key, .. }) = &self.joined else { continue };
                    let answer = sharing.hashes(*key, range);
                    self.conn.feed(Said::Message(answer)).map_err(ConnError::Proto)?;
                }
                message => self.extensions.other(&self.swarm, message)?,
            }
        }
        Ok(())
    }

    fn extended(&mut self, id: u8, payload: &Bytes) -> Result<(), Ended> {
        self.extensions.heard(&self.swarm, &mut self.conn, id, payload)?;
        if let Some(client) = self.extensions.client() {
            let _ = self.link.client.set(client.to_owned());
        }
        if let Some(Joined { sharing, key, .. }) = &self.joined {
            self.extensions.tell_torrent(sharing, *key);
        }
        Ok(())
    }

    /// Says what there is to say, and has the blocks read that there is room for.
    fn say(&mut self) -> Result<(), Ended> {
        for mail in self.link.mail() {
            self.extensions.deliver(&mut self.conn, mail)?;
        }
        let Some(Joined { sharing, key, .. }) = &self.joined else { return Ok(()) };
        let (sharing, key) = (Arc::clone(sharing), *key);
        loop {
            let is_ready = self.reading.is_none() && self.conn.has_room();
            let most = if !is_ready {
                0
            } else if self.swarm.is_paced() {
                usize::from(self.link.take_grant())
            } else {
                READ
            };
            let (mut words, mut blocks) = (Vec::new(), Vec::new());
            let finished = sharing.with(Some(key), |state, now| {
                while words.len() < BATCH {
                    match state.torrent.next(now, key, blocks.len() < most) {
                        Some(Todo::Say(message)) => words.push(message),
                        Some(Todo::Send(block)) => blocks.push(block),
                        None => break,
                    }
                }
                state.torrent.is_finished()
            });
            let said = words.len();
            for word in words {
                self.conn.feed(Said::Message(word)).map_err(ConnError::Proto)?;
            }
            self.link.is_ready.store(is_ready && blocks.is_empty(), Ordering::Relaxed);
            if !blocks.is_empty() {
                if let Some(read) = sharing.read_at_hand(&blocks) {
                    self.send(Ok(read))?;
                    continue;
                }
                self.reading = sharing.read(&blocks);
                if self.reading.is_none() {
                    sharing.refuse(key, &blocks);
                }
            }
            if said < BATCH {
                if is_ready && self.swarm.is_paced() {
                    self.swarm.waiting.notify_one();
                }
                let upload_only = finished && !self.swarm.is_paced();
                self.extensions.tell_upload_only(&mut self.conn, upload_only)?;
                return self.extensions.port(&self.swarm, &mut self.conn);
            }
        }
    }

    /// Blocks were read: they are sent.
    fn send(&mut self, read: ReadBlocks) -> Result<(), Ended> {
        let Some(Joined { sharing, key, .. }) = &self.joined else { return Ok(()) };
        let blocks = match read {
            Ok(blocks) => blocks,
            Err((blocks, error)) => {
                tracing::warn!(torrent = sharing.info.name(), %error, "cannot read what was there");
                sharing.refuse(*key, &blocks);
                sharing.with(Some(*key), |state, _| {
                    blocks.iter().for_each(|block| state.torrent.vanished(block.piece));
                });
                return Ok(());
            }
        };
        let bytes: u64 = blocks.iter().map(|(block, _)| u64::from(block.length)).sum();
        Sharing::count(&sharing.uploaded, bytes);
        sharing.with(Some(*key), |state, now| {
            blocks.iter().for_each(|(block, _)| state.torrent.sent(now, *key, *block));
        });
        for (Block { piece, begin, .. }, data) in blocks {
            let block = Message::Piece { piece, begin, data };
            self.conn.feed(Said::Message(block)).map_err(ConnError::Proto)?;
        }
        Ok(())
    }
}

/// What the connection and the disk have brought. A peer that is held back is not listened to, but what was said to it goes on its way.
fn poll(
    conn: &mut Conn<Io, Sealed<Codec>>,
    reading: &mut Option<Reading>,
    held_back: bool,
    cx: &mut Context<'_>,
) -> Poll<Result<Happened, ConnError<Reject>>> {
    if let Some(job) = reading
        && let Poll::Ready(read) = Pin::new(job).poll(cx)
    {
        *reading = None;
        // A job that has panicked, or was shut down, has read nothing.
        return Poll::Ready(Ok(read.map_or(Happened::Woken, Happened::Read)));
    }
    if held_back {
        return match conn.poll_flush(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        };
    }
    conn.poll_turn(cx).map_ok(Happened::Turn)
}

impl Sharing {
    /// Blocks, if they are in memory.
    fn read_at_hand(&self, blocks: &[Block]) -> Option<Vec<(Block, Bytes)>> {
        let read = |piece, begin, into: &mut [u8]| {
            self.storage.read_at_hand(piece, begin, into).then_some(()).ok_or(())
        };
        read_runs(blocks, read).ok()
    }

    /// Has blocks read in the blocking lane; `None` if it has no room for that.
    fn read(self: &Arc<Self>, blocks: &[Block]) -> Option<Reading> {
        let (storage, blocks) = (Arc::clone(&self.storage), blocks.to_vec());
        let read = move || {
            let read = read_runs(&blocks, |piece, begin, into| storage.read(piece, begin, into));
            read.map_err(|error| (blocks, error))
        };
        self.common.lane.submit(Priority::Normal, read).ok()
    }

    /// Blocks will not be sent.
    fn refuse(&self, key: PeerKey, blocks: &[Block]) {
        self.with(Some(key), |state, _| blocks.iter().for_each(|block| state.torrent.refuse(key, *block)));
    }
}

/// Blocks by `read`, which is given a piece, a place in it, and where its bytes belong. Those that follow each other are one read.
fn read_runs<E>(
    blocks: &[Block],
    read: impl Fn(u32, u32, &mut [u8]) -> Result<(), E>,
) -> Result<Vec<(Block, Bytes)>, E> {
    let mut chunk = Chunk::of(blocks.iter().map(|block| block.length as usize).sum());
    let mut room = &mut chunk[..];
    // Requests end within their piece.
    for run in blocks.chunk_by(|one, next| next.piece == one.piece && next.begin == one.begin + one.length) {
        let Some(first) = run.first() else { continue };
        let (into, behind) = room.split_at_mut(run.iter().map(|block| block.length as usize).sum());
        read(first.piece, first.begin, into)?;
        room = behind;
    }
    let mut data = chunk.share();
    Ok(blocks.iter().map(|block| (*block, data.split_to(block.length as usize))).collect())
}
