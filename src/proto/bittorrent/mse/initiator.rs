//! The side that calls: steps 1, 3 and the end of 4 of the publication.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;

use super::cipher::Ciphers;
use super::key::{LENGTH, Private, Shared, torrent_mark};
use super::{Established, MAX_PAD, Method, MseError, Policy, Sha1, Step, VERIFICATION};
use super::{hello, pad_length, synchronise};
use crate::codec::{Codec, Outbox};
use crate::proto::bittorrent::wire::Handshake;

/// What is awaited of the responder.
enum State {
    /// Its public key.
    Key(Private),
    /// The end of its padding: the verification constant, enciphered by the key stream behind which it continues.
    Verification { ciphers: Box<Ciphers>, mark: [u8; 8], looked: usize },
    /// The method, and how long the second padding is.
    Method(Box<Ciphers>),
    /// The second padding.
    Padding { ciphers: Box<Ciphers>, method: Method, length: usize },
    /// Nothing: the handshake is over.
    Over,
}

/// The side that calls.
pub struct Initiator {
    state: State,
    policy: Policy,
    swarm: Sha1,
    initial: Option<Handshake>,
    random: ChaCha20Rng,
}

impl Initiator {
    /// A handshake about a torrent, and what is to be sent first. `initial` is payload that goes along, before the
    /// responder has chosen a method (IA); without it, it follows afterwards, one round trip later. `seed` are random
    /// bytes that nobody can guess.
    #[must_use]
    pub fn new(policy: Policy, swarm: Sha1, initial: Option<Handshake>, seed: [u8; 32]) -> (Self, Bytes) {
        let mut random = ChaCha20Rng::from_seed(seed);
        let private = Private::new(&mut random);
        let hello = hello(&private.public(), &mut random);
        (Self { state: State::Key(private), policy, swarm, initial, random }, hello)
    }

    /// Step 3: which torrent is meant, the methods that are offered, and the first payload.
    fn offer(&mut self, shared: &Shared, ciphers: &mut Ciphers) -> Bytes {
        let pad = pad_length(&mut self.random);
        let initial = self.initial.take().map(|handshake| handshake.to_bytes());
        let initial = initial.as_ref().map(|bytes| &bytes[..]).unwrap_or_default();
        let mut bytes = BytesMut::new();
        bytes.put_slice(&shared.mark().0);
        bytes.put_slice(&shared.cover(torrent_mark(self.swarm)).0);
        let enciphered = bytes.len();
        bytes.put_slice(&VERIFICATION);
        bytes.put_u32(self.policy.offer());
        bytes.put_u16(pad);
        bytes.put_bytes(0, pad.into());
        bytes.put_u16(initial.len() as u16); // 0, or 68
        bytes.put_slice(initial);
        ciphers.outgoing.apply(&mut bytes[enciphered..]);
        bytes.freeze()
    }

    /// What the bytes mean; `None` when more are needed.
    fn step(&mut self, src: &mut BytesMut) -> Result<Option<Step>, MseError> {
        loop {
            match std::mem::replace(&mut self.state, State::Over) {
                State::Key(private) => {
                    let Some(public) = src.first_chunk::<LENGTH>() else {
                        self.state = State::Key(private);
                        return Ok(None);
                    };
                    let shared = private.shared(public)?;
                    src.advance(LENGTH);
                    let mut ciphers = shared.ciphers(self.swarm, true);
                    let answer = self.offer(&shared, &mut ciphers);
                    let mut mark = VERIFICATION;
                    ciphers.incoming.apply(&mut mark);
                    self.state = State::Verification { ciphers, mark, looked: 0 };
                    return Ok(Some(Step { answer, done: None }));
                }
                State::Verification { ciphers, mark, mut looked } => {
                    if !synchronise(src, &mark, &mut looked)? {
                        self.state = State::Verification { ciphers, mark, looked };
                        return Ok(None);
                    }
                    self.state = State::Method(ciphers);
                }
                State::Method(mut ciphers) => {
                    let Some(&head) = src.first_chunk::<6>() else {
                        self.state = State::Method(ciphers);
                        return Ok(None);
                    };
                    src.advance(head.len());
                    let mut head = head;
                    ciphers.incoming.apply(&mut head);
                    let [a, b, c, d, high, low] = head;
                    let method = self.chosen(u32::from_be_bytes([a, b, c, d]))?;
                    let length = usize::from(u16::from_be_bytes([high, low]));
                    if length > MAX_PAD {
                        return Err(MseError::Padding(length));
                    }
                    self.state = State::Padding { ciphers, method, length };
                }
                State::Padding { mut ciphers, method, length } => {
                    let Some(padding) = src.get_mut(..length) else {
                        self.state = State::Padding { ciphers, method, length };
                        return Ok(None);
                    };
                    ciphers.incoming.apply(padding);
                    src.advance(length);
                    let done = Established::new(self.swarm, method, ciphers, 0, src);
                    return Ok(Some(Step { answer: Bytes::new(), done: Some(done) }));
                }
                State::Over => return Ok(None),
            }
        }
    }

    /// The method that was chosen: one of those that were offered.
    fn chosen(&self, chosen: u32) -> Result<Method, MseError> {
        let methods = [Method::Plain, Method::Rc4].into_iter();
        let mut offered = methods.filter(|method| self.policy.offer() & *method as u32 != 0);
        offered.find(|method| *method as u32 == chosen).ok_or(MseError::Methods(chosen))
    }
}

impl Codec for Initiator {
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
