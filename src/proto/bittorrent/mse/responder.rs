//! The side that is called: steps 2 and 4 of the publication, and before them the question whether there is a handshake
//! of MSE at all.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::cipher::Ciphers;
use super::key::{LENGTH, Private, Shared};
use super::{Established, MAX_PAD, Method, MseError, Policy, Sha1, Step, VERIFICATION};
use super::{hello, pad_length, synchronise};
use crate::codec::{Codec, Outbox};

/// How the handshake of BEP 3 begins.
const PLAIN: &[u8; 20] = b"\x13BitTorrent protocol";

/// The verification constant, the methods, and the length of a padding.
const HEAD: usize = 8 + 4 + 2;

/// What is awaited of the initiator.
enum State {
    /// Its first bytes.
    First,
    /// Its public key.
    Key,
    /// The end of its padding.
    Mark { shared: Shared, looked: usize },
    /// The torrent that it means.
    Torrent(Shared),
    /// What it offers.
    Offer(Chosen),
    /// Its second padding, and how long its first payload is.
    Padding { chosen: Chosen, method: Method, length: usize },
    /// Its first payload.
    Initial { chosen: Chosen, method: Method, length: usize },
    /// Nothing: the handshake is over.
    Over,
}

/// The torrent, and the ciphers that belong to it.
struct Chosen {
    swarm: Sha1,
    ciphers: Box<Ciphers>,
}

/// The side that is called.
pub struct Responder<F> {
    state: State,
    policy: Policy,
    find: F,
    random: ChaCha20Rng,
}

impl<F: FnMut(Sha1) -> Option<Sha1>> Responder<F> {
    /// A handshake with somebody who has called. `find` says which torrent has this
    /// [`torrent_mark`](super::torrent_mark), if it is served here. `seed` are random bytes that nobody can guess.
    #[must_use]
    pub fn new(policy: Policy, find: F, seed: [u8; 32]) -> Self {
        Self { state: State::First, policy, find, random: ChaCha20Rng::from_seed(seed) }
    }

    /// What the bytes mean; `None` when more are needed.
    fn step(&mut self, src: &mut BytesMut) -> Result<Option<Step>, MseError> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::First => match self.first(src)? {
                    Some(plain) => return Ok(Some(plain)),
                    None if matches!(self.state, State::First) => return Ok(None),
                    None => {}
                },
                State::Key => {
                    let Some(public) = src.first_chunk::<LENGTH>() else {
                        self.state = State::Key;
                        return Ok(None);
                    };
                    let private = Private::new(&mut self.random);
                    let shared = private.shared(public)?;
                    src.advance(LENGTH);
                    self.state = State::Mark { shared, looked: 0 };
                    let answer = hello(&private.public(), &mut self.random);
                    return Ok(Some(Step { answer, done: None }));
                }
                State::Mark { shared, mut looked } => {
                    if !synchronise(src, &shared.mark().0, &mut looked)? {
                        self.state = State::Mark { shared, looked };
                        return Ok(None);
                    }
                    self.state = State::Torrent(shared);
                }
                State::Torrent(shared) => {
                    let Some(&covered) = src.first_chunk() else {
                        self.state = State::Torrent(shared);
                        return Ok(None);
                    };
                    let swarm = (self.find)(shared.cover(Sha1(covered))).ok_or(MseError::Torrent)?;
                    src.advance(covered.len());
                    let ciphers = shared.ciphers(swarm, false);
                    self.state = State::Offer(Chosen { swarm, ciphers });
                }
                State::Offer(mut chosen) => {
                    let Some(&head) = src.first_chunk::<HEAD>() else {
                        self.state = State::Offer(chosen);
                        return Ok(None);
                    };
                    src.advance(HEAD);
                    let (method, length) = self.offered(head, &mut chosen.ciphers)?;
                    self.state = State::Padding { chosen, method, length };
                }
                State::Padding { mut chosen, method, length } => {
                    let Some(padding) = src.get_mut(..length + 2) else {
                        self.state = State::Padding { chosen, method, length };
                        return Ok(None);
                    };
                    chosen.ciphers.incoming.apply(padding);
                    src.advance(length);
                    let length = usize::from(src.get_u16());
                    self.state = State::Initial { chosen, method, length };
                }
                State::Initial { mut chosen, method, length } => {
                    let Some(initial) = src.get_mut(..length) else {
                        self.state = State::Initial { chosen, method, length };
                        return Ok(None);
                    };
                    chosen.ciphers.incoming.apply(initial);
                    let answer = self.choice(method, &mut chosen.ciphers);
                    let done = Established::new(chosen.swarm, method, chosen.ciphers, length, src);
                    return Ok(Some(Step { answer, done: Some(done) }));
                }
                State::Over => return Ok(None),
            }
        }
    }

    /// Whether the connection begins in the clear: it is over then. Else the state tells whether enough has come.
    fn first(&mut self, src: &BytesMut) -> Result<Option<Step>, MseError> {
        let begun = src.len().min(PLAIN.len());
        let is_plain = src.get(..begun) == PLAIN.get(..begun);
        if is_plain && begun < PLAIN.len() {
            self.state = State::First;
        } else if is_plain && self.policy.allows_plain() {
            let done = Established { method: Method::Plain, swarm: None, ciphers: None, clear: src.len() };
            return Ok(Some(Step { answer: Bytes::new(), done: Some(done) }));
        } else if is_plain {
            return Err(MseError::Plain);
        } else if !self.policy.allows_encrypted() {
            return Err(MseError::Encrypted);
        } else {
            self.state = State::Key;
        }
        Ok(None)
    }

    /// The method that is chosen of those that are offered, and how long the second padding is.
    fn offered(&self, mut head: [u8; HEAD], ciphers: &mut Ciphers) -> Result<(Method, usize), MseError> {
        ciphers.incoming.apply(&mut head);
        let (verification, mut rest) = head.split_at(VERIFICATION.len());
        if verification != VERIFICATION {
            return Err(MseError::Verification);
        }
        let offered = rest.get_u32();
        let method = self.policy.choose(offered).ok_or(MseError::Methods(offered))?;
        let length = usize::from(rest.get_u16());
        if length > MAX_PAD { Err(MseError::Padding(length)) } else { Ok((method, length)) }
    }

    /// Step 4: the method that is chosen.
    fn choice(&mut self, method: Method, ciphers: &mut Ciphers) -> Bytes {
        let pad = pad_length(&mut self.random);
        let mut bytes = BytesMut::new();
        bytes.put_slice(&VERIFICATION);
        bytes.put_u32(method as u32);
        bytes.put_u16(pad);
        bytes.put_bytes(0, pad.into());
        ciphers.outgoing.apply(&mut bytes);
        bytes.freeze()
    }
}

impl<F: FnMut(Sha1) -> Option<Sha1>> Codec for Responder<F> {
    type In = Step;
    type Out = Bytes;
    type Error = MseError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Step>, MseError> {
        self.step(src)
    }

    fn encode(&mut self, bytes: Bytes, dst: &mut Outbox) -> Result<(), MseError> {
        dst.push(bytes);
        Ok(())
    }
}
