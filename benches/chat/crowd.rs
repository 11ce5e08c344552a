//! Many clients in rooms: how they come in, some at a time, while all the others hear of it and read that.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::ops::Range;
use std::time::{Duration, Instant};

use memchr::memmem;
use socket2::{Domain, Socket, Type};

use crate::door::{Door, Step};
use crate::poll::Poll;
use crate::support::Result;
use crate::units::Units;

/// The longest that all may be silent while something is owed.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a crowd has to be silent to count as settled.
const QUIET: Duration = Duration::from_millis(300);
/// How often clients say that they are there: more often than any server asks.
const ALIVE: Duration = Duration::from_secs(15);
/// How many come in at the same time: each is announced to all, so servers write several of them at once.
const AT_ONCE: usize = 20;
/// Connections from one address, well below the number of ports that the system gives out.
const PER_ADDRESS: usize = 10_000;
/// Bytes of what came that are kept, to find what was cut by a read.
const KEPT: usize = 32;

/// Clients, all in their rooms.
pub(crate) struct Crowd {
    pub(crate) poll: Poll,
    pub(crate) clients: Vec<Client>,
    pub(crate) door: Door,
}

/// One connection.
pub(crate) struct Client {
    units: Units,
    /// Units that came since the last [`Crowd::settle`].
    pub(crate) count: u64,
    /// Bytes that the socket has not taken.
    unsent: Vec<u8>,
}

/// Somebody on the way in.
struct Coming {
    at: usize,
    steps: std::vec::IntoIter<Step>,
    wanted: &'static [u8],
    kept: Vec<u8>,
}

impl Crowd {
    /// Lets `rooms` fill with so many each, and waits until everybody has heard everything. Says how long it took until the last one was in.
    pub(crate) fn gather(
        addr: SocketAddr,
        door: Door,
        rooms: usize,
        members: usize,
    ) -> Result<(Self, Duration)> {
        let mut crowd = Self { poll: Poll::new()?, clients: Vec::new(), door };
        let begun = Instant::now();
        let total = rooms * members;
        let mut coming: Vec<Coming> = Vec::new();
        let mut next = 0;
        let mut alive = begun;
        while next < total || !coming.is_empty() {
            while next < total && coming.len() < AT_ONCE {
                coming.push(crowd.begin(addr, next, next / members)?);
                next += 1;
            }
            crowd.advance(&mut coming)?;
            if alive.elapsed() > ALIVE {
                alive = Instant::now();
                crowd.keep_alive(|at| coming.iter().all(|coming| coming.at != at))?;
            }
        }
        let took = begun.elapsed();
        crowd.settle()?;
        Ok((crowd, took))
    }

    fn begin(&mut self, addr: SocketAddr, member: usize, room: usize) -> Result<Coming> {
        let at = self.poll.add(connect(addr, member / PER_ADDRESS)?)?;
        self.clients.push(Client { units: self.door.units(), count: 0, unsent: Vec::new() });
        let mut coming =
            Coming { at, steps: self.door.steps(member, room).into_iter(), wanted: b"", kept: Vec::new() };
        self.step(&mut coming)?;
        Ok(coming)
    }

    /// Takes the next step. Says whether there was one.
    fn step(&mut self, coming: &mut Coming) -> Result<bool> {
        let Some((bytes, wanted)) = coming.steps.next() else { return Ok(false) };
        (coming.wanted, coming.kept) = (wanted, Vec::new());
        self.say(coming.at, &bytes)?;
        Ok(true)
    }

    /// Reads what comes, for those who are in and those who are not.
    fn advance(&mut self, coming: &mut Vec<Coming>) -> Result<()> {
        let ready = self.poll.wait(PATIENCE)?;
        if ready.is_empty() {
            return Err(
                format!("silence while {} of {} were not in", coming.len(), self.clients.len()).into()
            );
        }
        for at in ready {
            self.say(at, b"")?;
            let Some(nth) = coming.iter().position(|coming| coming.at == at) else {
                self.read(at)?;
                continue;
            };
            let mut found = false;
            let one = &mut coming[nth];
            while let Some((bytes, more)) = self.poll.read(at)? {
                let client = &mut self.clients[at];
                client.count += client.units.count(bytes);
                one.kept.extend_from_slice(bytes);
                found |= memmem::find(&one.kept, one.wanted).is_some();
                let cut = one.kept.len().saturating_sub(KEPT);
                one.kept.drain(..cut);
                if !more {
                    break;
                }
            }
            if found && !self.step(one)? {
                coming.swap_remove(nth);
            }
        }
        Ok(())
    }

    /// Counts what a client has got. Says how many units that were.
    pub(crate) fn read(&mut self, at: usize) -> Result<u64> {
        let client = &mut self.clients[at];
        let before = client.count;
        while let Some((bytes, more)) = self.poll.read(at)? {
            client.count += client.units.count(bytes);
            if !more {
                break;
            }
        }
        Ok(client.count - before)
    }

    /// Sends as much as the socket takes, and the rest when it takes more.
    pub(crate) fn say(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let client = &mut self.clients[at];
        client.unsent.extend_from_slice(bytes);
        while !client.unsent.is_empty() {
            match self.poll.write(at, &client.unsent)? {
                0 => break,
                sent => drop(client.unsent.drain(..sent)),
            }
        }
        Ok(())
    }

    /// Lets those clients say that they are there, so that no server asks them for a while.
    fn keep_alive(&mut self, who: impl Fn(usize) -> bool) -> Result<()> {
        let alive = self.door.alive();
        (0..self.clients.len()).filter(|at| who(*at)).try_for_each(|at| self.say(at, alive))
    }

    /// Waits until nothing comes any more, and counts from zero.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.keep_alive(|_| true)?;
        let end = Instant::now() + 10 * PATIENCE;
        loop {
            let ready = self.poll.wait(QUIET)?;
            if ready.is_empty() {
                break;
            }
            for at in ready {
                self.read(at)?;
            }
            if Instant::now() > end {
                return Err("it does not become silent".into());
            }
        }
        self.clients.iter_mut().for_each(|client| client.count = 0);
        Ok(())
    }

    /// How many of these do not answer.
    pub(crate) fn count_lost(&mut self, clients: Range<usize>) -> Result<u64> {
        let (question, answer) = self.door.probe();
        let mut lost = 0;
        for at in clients {
            let steps = vec![(question.clone(), answer)].into_iter();
            let mut coming = Coming { at, steps, wanted: answer, kept: Vec::new() };
            let asked = self.step(&mut coming).is_ok();
            let mut coming = vec![coming];
            while asked && !coming.is_empty() && self.advance(&mut coming).is_ok() {}
            lost += u64::from(!coming.is_empty());
        }
        Ok(lost)
    }
}

/// One connection from the loopback address of that number.
fn connect(server: SocketAddr, address: usize) -> Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    let from = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + 1 + address as u32);
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true)?;
    Ok(stream)
}
