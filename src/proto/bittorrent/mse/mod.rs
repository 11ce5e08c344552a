//! Message stream encryption (MSE, also "protocol encryption"), as the wiki of Azureus published it.
//!
//! Two peers agree on a secret by Diffie-Hellman, mixed with the info hash, which both must know, and then speak the
//! protocol of BEP 3 through RC4, or in the clear. It hides what is spoken from devices on the way that would slow it
//! down. It is no protection against somebody who knows the info hash and sits between the peers.
//!
//! [`Initiator`] and [`Responder`] are the two sides of the handshake, each a [`Codec`](crate::codec::Codec): bytes in,
//! [`Step`]s out, of which the answers are sent as they are. When the last step is [done](Step::done), the
//! connection goes on as a [`Sealed`] codec of the peer wire. Neither has a clock: a handshake that takes longer than
//! ten seconds is to be ended by the server, as libtorrent does. None needs more bytes in its buffer than 64 KiB: the
//! first payload (IA) of a peer that sends as much as the two bytes of its length can say.

mod cipher;
mod initiator;
mod key;
mod responder;
mod sealed;

use bytes::{Buf, Bytes, BytesMut};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

pub use self::cipher::{Cipher, Ciphers};
pub use self::initiator::Initiator;
pub use self::key::torrent_mark;
pub use self::responder::Responder;
pub use self::sealed::Sealed;
use super::hash::Sha1;

/// Bytes of padding at most, each of the four times (PadA to PadD).
pub const MAX_PAD: usize = 512;

/// The verification constant (VC): both sides know by it that the other has the same secret.
const VERIFICATION: [u8; 8] = [0; 8];

/// How the payload is sent once the handshake is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Method {
    /// In the clear.
    Plain = 1,
    /// Through RC4.
    Rc4 = 2,
}

/// How to call a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// By the handshake of BEP 3, in the clear.
    Plain,
    /// By an [`Initiator`].
    Encrypted,
}

/// Which connections are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
    /// None is encrypted.
    Refuse,
    /// Peers are called in the clear first. Who offers both is answered in the clear, which costs less.
    #[default]
    Allow,
    /// Peers are called encrypted first. Who offers both is answered in RC4.
    Prefer,
    /// All are encrypted, by RC4.
    Require,
}

impl Policy {
    /// How to call a peer: the next way when the one before has failed.
    #[must_use]
    pub fn attempts(self) -> &'static [Attempt] {
        match self {
            Self::Refuse => &[Attempt::Plain],
            Self::Allow => &[Attempt::Plain, Attempt::Encrypted],
            Self::Prefer => &[Attempt::Encrypted, Attempt::Plain],
            Self::Require => &[Attempt::Encrypted],
        }
    }

    /// Whether a connection may begin in the clear.
    #[must_use]
    pub fn allows_plain(self) -> bool {
        self != Self::Require
    }

    /// Whether a connection may begin encrypted.
    #[must_use]
    pub fn allows_encrypted(self) -> bool {
        self != Self::Refuse
    }

    /// The methods that are offered (`crypto_provide`), a bit each.
    fn offer(self) -> u32 {
        match self {
            Self::Refuse => 0,
            Self::Require => Method::Rc4 as u32,
            Self::Allow | Self::Prefer => Method::Plain as u32 | Method::Rc4 as u32,
        }
    }

    /// The one that is chosen of those that a peer offers (`crypto_select`).
    fn choose(self, offered: u32) -> Option<Method> {
        let order: &[Method] = match self {
            Self::Refuse => &[],
            Self::Allow => &[Method::Plain, Method::Rc4],
            Self::Prefer => &[Method::Rc4, Method::Plain],
            Self::Require => &[Method::Rc4],
        };
        order.iter().copied().find(|method| offered & *method as u32 != 0)
    }
}

/// What a peer can do wrong in a handshake. The connection is to be closed at once: one that is left open costs the
/// peer all the time that it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MseError {
    /// It began in the clear, which is not wanted.
    #[error("it does not encrypt")]
    Plain,
    /// It began with something else than the handshake of BEP 3, and encryption is not wanted.
    #[error("it encrypts, or does not speak the BitTorrent protocol")]
    Encrypted,
    /// Its public key is one by which everybody could tell the secret.
    #[error("its public key is weak")]
    Key,
    /// What ends the padding did not come where it had to be at the latest.
    #[error("its padding does not end")]
    Synchronisation,
    /// It means a torrent that is not known here.
    #[error("it means a torrent that is not here")]
    Torrent,
    /// It knows another secret.
    #[error("it knows another secret")]
    Verification,
    /// None of its methods is wanted, or it chose one that was not offered.
    #[error("no method in common, of {0:#x}")]
    Methods(u32),
    /// More padding than there may be.
    #[error("padding of {0} bytes")]
    Padding(usize),
}

/// What is to be done next in a handshake.
#[derive(Debug)]
#[must_use]
pub struct Step {
    /// Bytes to send, if there are any.
    pub answer: Bytes,
    /// What the handshake led to, once it is over.
    pub done: Option<Established>,
}

/// What a handshake led to. The bytes that were read and not consumed by then are payload already, in the clear: the
/// initiator's first payload before what followed it.
#[derive(Debug)]
pub struct Established {
    method: Method,
    swarm: Option<Sha1>,
    ciphers: Option<Box<Ciphers>>,
    /// Bytes that were left in the buffer, deciphered.
    clear: usize,
}

impl Established {
    /// How the payload is sent from now on.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The torrent that both mean: the handshake of BEP 3 that follows must name the same. `None` if the connection
    /// began in the clear.
    #[must_use]
    pub fn swarm(&self) -> Option<Sha1> {
        self.swarm
    }

    /// The ciphers of both directions, if the payload goes through RC4. What is left in the buffer is deciphered.
    #[must_use]
    pub fn into_ciphers(self) -> Option<Box<Ciphers>> {
        self.ciphers
    }

    /// The handshake is over: `src` has payload, of which the first bytes are in the clear.
    fn new(swarm: Sha1, method: Method, mut ciphers: Box<Ciphers>, clear: usize, src: &mut BytesMut) -> Self {
        let ciphers = match method {
            Method::Plain => None,
            Method::Rc4 => {
                ciphers.incoming.apply(src.get_mut(clear..).unwrap_or_default());
                Some(ciphers)
            }
        };
        Self { method, swarm: Some(swarm), ciphers, clear: src.len() }
    }
}

/// Looks for what ends a padding, and drops both; whether it has come. `looked` is where to go on next time.
fn synchronise(src: &mut BytesMut, mark: &[u8], looked: &mut usize) -> Result<bool, MseError> {
    let most = MAX_PAD + mark.len();
    let come = src.len().min(most);
    let new = src.get(*looked..come).unwrap_or_default();
    if let Some(at) = new.windows(mark.len()).position(|bytes| bytes == mark) {
        src.advance(*looked + at + mark.len());
        return Ok(true);
    }
    // The last bytes may be the beginning of the mark.
    *looked = (come + 1).saturating_sub(mark.len());
    if come == most { Err(MseError::Synchronisation) } else { Ok(false) }
}

/// How long a padding is, by chance.
fn pad_length(random: &mut ChaCha20Rng) -> u16 {
    (random.next_u32() % (MAX_PAD as u32 + 1)) as u16
}

/// A public key and padding: what each side says first.
fn hello(public: &[u8], random: &mut ChaCha20Rng) -> Bytes {
    let mut bytes = vec![0; public.len() + usize::from(pad_length(random))];
    let (key, pad) = bytes.split_at_mut(public.len());
    key.copy_from_slice(public);
    random.fill_bytes(pad);
    bytes.into()
}

#[cfg(test)]
mod tests;
