//! The secret of two peers: Diffie-Hellman over 768 bits, and the hashes that are made of it.
//!
//! `crypto-bigint` raises to powers in time that does not tell of the exponent, which is a secret, and which a peer
//! could measure over many connections. A prime of 768 bits is not safe today; it is what the protocol has.

use crypto_bigint::modular::ConstMontyForm;
use crypto_bigint::{U192, U768, const_monty_params};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;
use sha1::Digest as _;

use super::cipher::{Cipher, Ciphers};
use super::{MseError, Sha1};

const_monty_params!(
    Prime,
    U768,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd\
     ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563",
    "The prime (P)."
);

/// Numbers modulo the prime.
type Number = ConstMontyForm<Prime, { U768::LIMBS }>;

/// The generator (G).
const GENERATOR: U768 = U768::from_u8(2);

/// Bytes of a public key, and of the secret.
pub(super) const LENGTH: usize = 96;

/// Bits of a private key, as the publication recommends.
const EXPONENT_BITS: u32 = 160;

/// A private key.
pub(super) struct Private(U192);

impl Private {
    pub(super) fn new(random: &mut ChaCha20Rng) -> Self {
        let mut bytes = [0; U192::BYTES];
        random.fill_bytes(&mut bytes[U192::BYTES - EXPONENT_BITS as usize / 8..]);
        Self(U192::from_be_slice(&bytes))
    }

    /// What is told to the peer (Ya or Yb).
    pub(super) fn public(&self) -> [u8; LENGTH] {
        self.power(&GENERATOR)
    }

    /// What both sides know then (S).
    pub(super) fn shared(&self, public: &[u8; LENGTH]) -> Result<Shared, MseError> {
        let public = U768::from_be_slice(public);
        let last = Number::MODULUS.as_ref().wrapping_sub(&U768::ONE);
        // Powers of 0, 1 and P - 1 are known to everybody, and P and above are nothing that a power can be.
        if public <= U768::ONE || public >= last {
            return Err(MseError::Key);
        }
        Ok(Shared(self.power(&public)))
    }

    fn power(&self, base: &U768) -> [u8; LENGTH] {
        let power = Number::new(base).pow_bounded_exp(&self.0, EXPONENT_BITS).retrieve();
        let mut bytes = [0; LENGTH];
        bytes.copy_from_slice(power.to_be_bytes().as_ref());
        bytes
    }
}

/// The secret of two peers.
pub(super) struct Shared([u8; LENGTH]);

impl Shared {
    /// What ends the initiator's padding: `HASH('req1', S)`.
    pub(super) fn mark(&self) -> Sha1 {
        hash([b"req1", &self.0])
    }

    /// What makes the name of a torrent unknown to others, by XOR, and known again: `HASH('req3', S)`.
    pub(super) fn cover(&self, name: Sha1) -> Sha1 {
        let mut covered = hash([b"req3", &self.0]);
        covered.0.iter_mut().zip(name.0).for_each(|(byte, name)| *byte ^= name);
        covered
    }

    /// The ciphers of a connection about this torrent: A is the initiator, B the responder.
    pub(super) fn ciphers(&self, swarm: Sha1, initiator: bool) -> Box<Ciphers> {
        let of_a = Cipher::new(&hash([b"keyA", &self.0, &swarm.0]).0);
        let of_b = Cipher::new(&hash([b"keyB", &self.0, &swarm.0]).0);
        let (outgoing, incoming) = if initiator { (of_a, of_b) } else { (of_b, of_a) };
        Box::new(Ciphers { incoming, outgoing })
    }
}

/// By which a torrent is named in a handshake, covered by the secret: `HASH('req2', SKEY)`. Who has many torrents finds
/// the one that is meant in a map by this.
#[must_use]
pub fn torrent_mark(swarm: Sha1) -> Sha1 {
    hash([b"req2", &swarm.0])
}

fn hash<const N: usize>(parts: [&[u8]; N]) -> Sha1 {
    let mut hash = sha1::Sha1::new();
    parts.iter().for_each(|part| hash.update(part));
    Sha1(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A public key of hexadecimal digits.
    fn key(digits: &str) -> [u8; LENGTH] {
        std::array::from_fn(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
    }

    #[test]
    fn two_keys_and_all_that_is_made_of_them() {
        // By the integers and the hashlib of Python, with private keys 01 02 .. 14 and 65 66 .. 78.
        let of_a = key(
            "96e112dab29e8c5272accb9b17b26887ce54a144a4e3b697c7d159b7a817e556b0918db2b4c658e02a87f7e5fb14b18a\
             553e084cbf3dad2d30f16596ccb982d406258c61b30c5c1dae2ddc60bdbd48d79896312aad63238c39e1a633821eb693",
        );
        let of_b = key(
            "d32ae8cedd0de9ca4fe67e35626bb8c7cdb0966727d899f6a62fdb2b68817f9ddc4b684e3eb34030b8dba4e028b7cff3\
             264020340cb4eab61923cdc4e4216ba873368d83f0a38e497f1f6b4e3d2012eb91a3ee6056f966f9eae732089b6fa46e",
        );
        let secret = key(
            "d05ed96a95215a89b44073afe5d0b1626289ac01cff7849392948b2470b346547e944d7562a897ae86976bc389999083\
             ec09572dbdc8ed7f6a0a86a1aa42a3ca04209b72d8239890360435640643b76479ed7836f1857963fcc7cb72084c3ab4",
        );
        let a = Private(U192::from_be_hex("000000000102030405060708090a0b0c0d0e0f1011121314"));
        let b = Private(U192::from_be_hex("0000000065666768696a6b6c6d6e6f707172737475767778"));
        assert_eq!((a.public(), b.public()), (of_a, of_b));
        let (shared, same) = (a.shared(&of_b).unwrap(), b.shared(&of_a).unwrap());
        assert_eq!((shared.0, same.0), (secret, secret));

        let swarm = Sha1([0xaa; 20]);
        let mark = torrent_mark(swarm);
        assert_eq!(shared.mark().to_string(), "78fffb0f23055a793ff7609f359e04e383ec3505");
        assert_eq!(mark.to_string(), "c9b0599dfa950cfbde978efc6aa0588f510fa315");
        assert_eq!(shared.cover(mark).to_string(), "f2f74cb293cbfc230fbc6707cd5dca1d7ea0e6fd");
        assert_eq!(shared.cover(shared.cover(mark)), mark);
        let (mut of_a, mut of_b) = (shared.ciphers(swarm, true), shared.ciphers(swarm, false));
        let first = |cipher: &mut Cipher| {
            let mut bytes = [0; 8];
            cipher.apply(&mut bytes);
            u64::from_be_bytes(bytes)
        };
        assert_eq!([&mut of_a.outgoing, &mut of_b.incoming].map(first), [0xe50e_2820_2208_4479; 2]);
        assert_eq!([&mut of_a.incoming, &mut of_b.outgoing].map(first), [0x943d_5a81_d010_6aa0; 2]);
    }

    #[test]
    fn weak_keys_are_refused() {
        let own = Private(U192::from_u8(3));
        let prime = Number::MODULUS.as_ref();
        let bytes = |number: U768| key(&format!("{number:x}"));
        for (number, is_weak) in [
            (U768::ZERO, true),
            (U768::ONE, true),
            (GENERATOR, false),
            (prime.wrapping_sub(&GENERATOR), false),
            (prime.wrapping_sub(&U768::ONE), true),
            (*prime, true),
            (U768::MAX, true),
        ] {
            assert_eq!(own.shared(&bytes(number)).err(), is_weak.then_some(MseError::Key), "{number:x}");
        }
    }
}
