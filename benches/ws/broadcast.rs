//! The load of the broadcast cases: a room in which a few speak and everyone listens, the speakers too.
//!
//! With a window of one the next message leaves when everyone has the last, so that no server can send two at once. With a
//! larger window a speaker sends as many more as it has heard of its own. Every receiver counts, and every byte is compared.

use std::ops::Range;
use std::time::{Duration, Instant};

use crate::connect::{Deflate, Opening, connect_many, ready, watched};
use crate::frames::{masked, message, plain};
use crate::poll::Poll;
use crate::support::Result;
use crate::support::server::Server;

/// What a broadcast case sends.
#[derive(Clone, Copy)]
pub(crate) struct Broadcast {
    /// Bytes of a message.
    pub(crate) size: usize,
    /// Everyone.
    pub(crate) receivers: usize,
    /// How many of them speak.
    pub(crate) senders: usize,
    /// Messages of each speaker under way.
    pub(crate) window: usize,
}

/// Connections to one room. The first of them speak.
pub(crate) struct Load {
    poll: Poll,
    receivers: Vec<Receiver>,
    senders: Vec<Sender>,
    /// Any message as everyone gets it, but for its first byte, which says who spoke.
    delivery: Vec<u8>,
    /// Where that byte is.
    mark: usize,
    window: usize,
}

#[derive(Clone, Copy, Default)]
struct Receiver {
    /// Bytes of the message that is arriving.
    got: usize,
    /// Messages that arrived.
    count: u64,
}

struct Sender {
    /// Its message, once more than the window has place for.
    wire: Vec<u8>,
    /// Bytes of one.
    frame: usize,
    /// Bytes of the first that have left.
    at: usize,
    /// Bytes that may leave.
    due: usize,
    count: u64,
}

impl Load {
    /// Opens the connections.
    pub(crate) fn open(server: &Server, broadcast: Broadcast) -> Result<Self> {
        let Broadcast { size, receivers, senders, window } = broadcast;
        let opening = Opening::Handshake { path: "/broadcast", deflate: Deflate::Off };
        let sockets = connect_many(server.addr, opening, receivers)?;
        let sender = |id: usize| {
            let frame = masked(&message(size, id as u8));
            Sender { wire: frame.repeat(window + 1), frame: frame.len(), at: 0, due: 0, count: 0 }
        };
        let delivery = plain(&message(size, 0));
        let mark = delivery.len() - size;
        Ok(Self {
            receivers: vec![Receiver::default(); sockets.len()],
            poll: watched(sockets)?,
            senders: (0..senders).map(sender).collect(),
            delivery,
            mark,
            window,
        })
    }

    /// Speaks for so long, and then waits until everyone has everything. Says how many messages were delivered.
    pub(crate) fn run(&mut self, time: Duration) -> Result<u64> {
        let end = Instant::now() + time;
        let before = self.delivered();
        for id in 0..self.senders.len() {
            self.speak(id, self.window)?;
        }
        let mut delivered = before;
        loop {
            let over = Instant::now() > end;
            for at in ready(&mut self.poll)? {
                if at < self.senders.len() {
                    self.speak(at, 0)?;
                }
                let (count, own) = self.receive(at)?;
                delivered += count;
                if self.window > 1 && own > 0 && !over {
                    self.speak(at, own)?;
                }
            }
            let all = self.spoken() * self.receivers.len() as u64;
            if delivered == all && over {
                return self.everyone().map(|()| delivered - before);
            }
            if delivered == all && self.window == 1 {
                for id in 0..self.senders.len() {
                    self.speak(id, 1)?;
                }
            }
        }
    }

    fn delivered(&self) -> u64 {
        self.receivers.iter().map(|receiver| receiver.count).sum()
    }

    fn spoken(&self) -> u64 {
        self.senders.iter().map(|sender| sender.count).sum()
    }

    /// Refuses a sum that is right while its parts are not.
    fn everyone(&self) -> Result<()> {
        let spoken = self.spoken();
        match self.receivers.iter().position(|receiver| receiver.count != spoken) {
            Some(at) => {
                Err(format!("connection {at} got {} of {spoken} messages", self.receivers[at].count).into())
            }
            None => Ok(()),
        }
    }

    /// Lets a sender send so many messages more, and sends what the socket takes.
    fn speak(&mut self, id: usize, more: usize) -> Result<()> {
        let sender = &mut self.senders[id];
        sender.due += more * sender.frame;
        sender.count += more as u64;
        while sender.due > 0 {
            match self.poll.write(id, &sender.wire[sender.at..][..sender.due])? {
                0 => break,
                sent => {
                    sender.at = (sender.at + sent) % sender.frame;
                    sender.due -= sent;
                }
            }
        }
        Ok(())
    }

    /// Takes what came, and says how many messages it ended, and how many of these the receiver had sent itself.
    fn receive(&mut self, at: usize) -> Result<(u64, usize)> {
        let speakers = self.senders.len();
        let receiver = &mut self.receivers[at];
        let (mut count, mut own) = (0, 0);
        while let Some((mut bytes, more)) = self.poll.read(at)? {
            while !bytes.is_empty() {
                let frame = receiver.got..self.delivery.len().min(receiver.got + bytes.len());
                let (piece, rest) = bytes.split_at(frame.len());
                let speaker = check(piece, &self.delivery, frame.clone(), self.mark, speakers)
                    .ok_or_else(|| format!("a wrong message on connection {at}"))?;
                own += usize::from(speaker == Some(at));
                if frame.end == self.delivery.len() {
                    receiver.got = 0;
                    receiver.count += 1;
                    count += 1;
                } else {
                    receiver.got = frame.end;
                }
                bytes = rest;
            }
            if !more {
                break;
            }
        }
        Ok((count, own))
    }
}

/// Whether `piece` is that `range` of the expected bytes, but for the one at `mark`, which has to be one of the `speakers`;
/// says which, if it is there.
fn check(
    piece: &[u8],
    expected: &[u8],
    range: Range<usize>,
    mark: usize,
    speakers: usize,
) -> Option<Option<usize>> {
    if !range.contains(&mark) {
        return (piece == &expected[range]).then_some(None);
    }
    let at = mark - range.start;
    let same = piece[..at] == expected[range.start..mark] && piece[at + 1..] == expected[mark + 1..range.end];
    let speaker = usize::from(piece[at]);
    (same && speaker < speakers).then_some(Some(speaker))
}
