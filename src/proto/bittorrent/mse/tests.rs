//! Both sides against each other, and each against somebody who does not keep to the protocol.

use bytes::BufMut;
use rand_chacha::rand_core::SeedableRng;

use super::key::{LENGTH, Private, Shared};
use super::*;
use crate::codec::{Codec, Outbox, Raw};
use crate::proto::bittorrent::wire::{self, Handshake, Message, PeerId, Reserved, Said};

const SWARM: Sha1 = Sha1([0xaa; 20]);
const OTHER: Sha1 = Sha1([0xbb; 20]);
const POLICIES: [Policy; 4] = [Policy::Refuse, Policy::Allow, Policy::Prefer, Policy::Require];

fn handshake() -> Handshake {
    Handshake { reserved: Reserved::ours(true, true), swarm: SWARM, peer: PeerId::ours([7; 12]) }
}

/// Of somebody who serves two torrents.
fn find(mark: Sha1) -> Option<Sha1> {
    [OTHER, SWARM].into_iter().find(|swarm| torrent_mark(*swarm) == mark)
}

/// One side of a connection, and what it was sent.
struct Side<C> {
    codec: C,
    src: BytesMut,
    done: Option<Established>,
}

impl<C: Codec<In = Step, Error = MseError>> Side<C> {
    fn new(codec: C) -> Self {
        Self { codec, src: BytesMut::new(), done: None }
    }

    /// What it answers to these bytes, `step` of which come at a time.
    fn hear(&mut self, bytes: &[u8], step: usize) -> Result<Vec<u8>, MseError> {
        let mut answers = Vec::new();
        for part in bytes.chunks(step) {
            self.src.extend_from_slice(part);
            while self.done.is_none()
                && let Some(step) = self.codec.decode(&mut self.src)?
            {
                answers.extend_from_slice(&step.answer);
                self.done = step.done;
            }
        }
        Ok(answers)
    }
}

/// How a connection of these two ends: the method, or what the responder or the initiator finds wrong.
fn meet(
    calls: Policy,
    is_called: Policy,
    initial: Option<Handshake>,
    seed: u8,
    step: usize,
) -> Result<[(Established, BytesMut); 2], MseError> {
    let (initiator, hello) = Initiator::new(calls, SWARM, initial, [seed; 32]);
    let mut a = Side::new(initiator);
    let mut b = Side::new(Responder::new(is_called, find, [seed ^ 0xff; 32]));
    let mut to_b = hello.to_vec();
    while a.done.is_none() || b.done.is_none() {
        let to_a = b.hear(&to_b, step)?;
        to_b = a.hear(&to_a, step)?;
        assert!(!to_b.is_empty() || a.done.is_some(), "nobody speaks");
    }
    Ok([(a.done.unwrap(), a.src), (b.done.unwrap(), b.src)])
}

#[test]
fn policies_find_the_method() {
    use Policy::{Allow, Prefer, Refuse, Require};
    let (plain, rc4) = (Ok(Method::Plain), Ok(Method::Rc4));
    for (calls, is_called, expected) in [
        (Allow, Refuse, Err(MseError::Encrypted)),
        (Allow, Allow, plain),
        (Allow, Prefer, rc4),
        (Allow, Require, rc4),
        (Prefer, Allow, plain),
        (Prefer, Prefer, rc4),
        (Prefer, Require, rc4),
        (Require, Refuse, Err(MseError::Encrypted)),
        (Require, Allow, rc4),
        (Require, Require, rc4),
        (Refuse, Allow, Err(MseError::Methods(0))),
    ] {
        let met = meet(calls, is_called, Some(handshake()), 1, usize::MAX);
        let method = met.map(|[(a, _), (b, _)]| {
            assert_eq!((a.method(), a.swarm(), b.swarm()), (b.method(), Some(SWARM), Some(SWARM)));
            b.method()
        });
        assert_eq!(method, expected, "{calls:?} calls {is_called:?}");
    }
    for policy in POLICIES {
        let attempts = policy.attempts();
        assert_eq!(attempts.contains(&Attempt::Plain), policy.allows_plain());
        assert_eq!(attempts.contains(&Attempt::Encrypted), policy.allows_encrypted());
    }
}

#[test]
fn bytes_may_come_in_any_parts() {
    for step in [1, 2, 3, 7, 19, 97, 1000] {
        for (seed, initial) in [(2, None), (3, Some(handshake()))] {
            let [(a, at_a), (b, at_b)] = meet(Policy::Prefer, Policy::Prefer, initial, seed, step).unwrap();
            assert_eq!((a.method(), b.method()), (Method::Rc4, Method::Rc4));
            let expected = initial.map(|handshake| handshake.to_bytes().to_vec()).unwrap_or_default();
            assert_eq!((&at_a[..], &at_b[..]), (&b""[..], &expected[..]), "in parts of {step}");
        }
    }
}

#[test]
fn paddings_of_any_length_end() {
    // Of 2 x 12 seeds, each with four lengths by chance.
    for seed in 10..22 {
        assert!(meet(Policy::Allow, Policy::Allow, None, seed, usize::MAX).is_ok(), "{seed}");
    }
    for length in [0, 1, MAX_PAD - 1, MAX_PAD] {
        for step in [1, 20, usize::MAX] {
            let (mut src, mut looked, mut found) = (BytesMut::new(), 0, false);
            let bytes = [&vec![0; length][..], b"\0\0mark", b"rest"].concat();
            for part in bytes.chunks(step) {
                src.extend_from_slice(part);
                found = found || synchronise(&mut src, b"\0\0mark", &mut looked).unwrap();
            }
            assert_eq!((found, &src[..]), (true, &b"rest"[..]), "{length} bytes, in parts of {step}");
        }
    }
    let (mut src, mut looked) = (BytesMut::zeroed(MAX_PAD + 3), 0);
    assert_eq!(synchronise(&mut src, b"mark", &mut looked), Ok(false));
    assert_eq!(looked, MAX_PAD, "what was looked at is not looked at again");
    src.put_u8(0);
    assert_eq!(synchronise(&mut src, b"mark", &mut looked), Err(MseError::Synchronisation));
}

#[test]
fn a_conversation_follows() {
    for (policy, method) in [(Policy::Allow, Method::Plain), (Policy::Require, Method::Rc4)] {
        let [(a, at_a), (b, at_b)] = meet(policy, policy, Some(handshake()), 4, 13).unwrap();
        let mut a = (Sealed::new(wire::Codec::new(), a), at_a);
        let mut b = (Sealed::new(wire::Codec::new(), b), at_b);
        assert_eq!((a.0.method(), b.0.method()), (method, method));
        // What went along with the handshake is there already.
        assert_eq!(b.0.decode(&mut b.1), Ok(Some(Said::Handshake(handshake()))));
        let block = Message::Piece { piece: 1, begin: 2, data: vec![3; 16 << 10].into() };
        let words = [Message::Have(7), block, Message::KeepAlive, Message::Unchoke];
        let words: Vec<Said> =
            [Said::Handshake(handshake())].into_iter().chain(words.map(Said::Message)).collect();
        let mut out = Outbox::new();
        words.iter().for_each(|said| b.0.encode(said.clone(), &mut out).unwrap());
        let mut slices = [std::io::IoSlice::new(&[]); 16];
        let used = out.slices(&mut slices);
        let bytes: Vec<u8> = slices[..used].iter().flat_map(|slice| slice.to_vec()).collect();
        let is_visible = bytes.windows(20).any(|bytes| bytes == b"\x13BitTorrent protocol");
        assert_eq!(is_visible, method == Method::Plain);
        let mut heard = Vec::new();
        for part in bytes.chunks(100) {
            a.1.extend_from_slice(part);
            while let Some(said) = a.0.decode(&mut a.1).unwrap() {
                heard.push(said);
            }
        }
        assert_eq!(heard, words);
        assert_eq!(a.0.decode_eof(&mut a.1), Ok(None));
    }
}

#[test]
fn payload_right_behind_the_handshake_is_not_lost() {
    for policy in [Policy::Allow, Policy::Require] {
        let (initiator, hello) = Initiator::new(policy, SWARM, None, [5; 32]);
        let (mut a, mut b) = (Side::new(initiator), Side::new(Responder::new(policy, find, [6; 32])));
        let offer = a.hear(&b.hear(&hello, 9).unwrap(), 9).unwrap();
        let mut choice = b.hear(&offer, 9).unwrap();
        let b = b.done.unwrap();
        let mut said = *b"and what follows";
        if let Some(mut ciphers) = b.into_ciphers() {
            ciphers.outgoing.apply(&mut said);
        }
        choice.extend_from_slice(&said);
        assert!(a.hear(&choice, usize::MAX).unwrap().is_empty());
        let mut raw = Sealed::new(Raw, a.done.unwrap());
        assert_eq!(raw.decode(&mut a.src).unwrap().unwrap(), &b"and what follows"[..]);
        assert_eq!(raw.decode(&mut a.src).unwrap(), None);
    }
}

#[test]
fn a_connection_in_the_clear_is_left_as_it_is() {
    let bytes = handshake().to_bytes();
    for policy in POLICIES {
        for length in 1..=bytes.len() {
            let mut side = Side::new(Responder::new(policy, find, [1; 32]));
            let heard = side.hear(&bytes[..length], 1);
            if length < 20 {
                assert_eq!((heard, side.done.is_none()), (Ok(Vec::new()), true), "{length}");
            } else if policy.allows_plain() {
                let done = side.done.unwrap();
                assert_eq!((done.method(), done.swarm()), (Method::Plain, None));
                assert_eq!((heard, &side.src[..]), (Ok(Vec::new()), &bytes[..length]));
                let mut sealed = Sealed::new(wire::Codec::new(), done);
                let said = sealed.decode(&mut side.src).unwrap();
                assert_eq!(said, (length == bytes.len()).then_some(Said::Handshake(handshake())));
            } else {
                assert_eq!(heard, Err(MseError::Plain));
            }
        }
    }
    let mut sealed = Sealed::plain(Raw);
    assert_eq!(sealed.method(), Method::Plain);
    assert_eq!(sealed.decode(&mut BytesMut::from("x")).unwrap().unwrap(), "x");
}

#[test]
fn who_does_not_encrypt_at_all_is_known_by_its_first_wrong_byte() {
    for bytes in [&b"GET / HTTP/1.1"[..], b"\x13BitTorrent proxocol", b"\0"] {
        let mut side = Side::new(Responder::new(Policy::Refuse, find, [1; 32]));
        assert_eq!(side.hear(bytes, 1), Err(MseError::Encrypted));
        let mut side = Side::new(Responder::new(Policy::Allow, find, [1; 32]));
        assert_eq!(side.hear(bytes, 1), Ok(Vec::new()), "it may be a key");
    }
}

/// An initiator that says what it likes, once it has the key of the responder.
fn offering(offer: impl Fn(&Shared) -> Vec<u8>) -> Result<Option<Method>, MseError> {
    let mut random = ChaCha20Rng::from_seed([8; 32]);
    let private = Private::new(&mut random);
    let mut b = Side::new(Responder::new(Policy::Allow, find, [9; 32]));
    let hello = b.hear(&private.public(), usize::MAX).unwrap();
    let shared = private.shared(hello.first_chunk().unwrap()).unwrap();
    b.hear(&offer(&shared), 50)?;
    Ok(b.done.map(|done| done.method()))
}

/// The offer of one that keeps to the protocol, but for what is given here.
fn offer(shared: &Shared, pad: usize, swarm: Sha1, verification: u64, methods: u32, length: u16) -> Vec<u8> {
    let mut bytes = vec![0; pad];
    bytes.put_slice(&shared.mark().0);
    bytes.put_slice(&shared.cover(torrent_mark(swarm)).0);
    let mut rest = Vec::new();
    rest.put_u64(verification);
    rest.put_u32(methods);
    rest.put_u16(length);
    rest.put_bytes(0xff, length.into());
    rest.put_u16(3);
    rest.put_slice(b"abc");
    shared.ciphers(swarm, true).outgoing.apply(&mut rest);
    bytes.extend(rest);
    bytes
}

#[test]
fn initiators_that_do_not_keep_to_the_protocol() {
    let with = |pad, swarm, verification, methods, length| {
        offering(|shared| offer(shared, pad, swarm, verification, methods, length))
    };
    assert_eq!(with(0, SWARM, 0, 1, 0), Ok(Some(Method::Plain)));
    assert_eq!(with(512, OTHER, 0, 2, 512), Ok(Some(Method::Rc4)));
    assert_eq!(with(5, SWARM, 0, 0xffff_ffff, 7), Ok(Some(Method::Plain)), "bits that nobody knows");
    assert_eq!(with(513, SWARM, 0, 3, 0), Err(MseError::Synchronisation));
    assert_eq!(with(0, Sha1([0xcc; 20]), 0, 3, 0), Err(MseError::Torrent));
    assert_eq!(with(0, SWARM, 1, 3, 0), Err(MseError::Verification));
    assert_eq!(with(0, SWARM, 0, 0, 0), Err(MseError::Methods(0)));
    assert_eq!(with(0, SWARM, 0, 0xf0, 0), Err(MseError::Methods(0xf0)));
    assert_eq!(with(0, SWARM, 0, 3, 513), Err(MseError::Padding(513)));
    assert_eq!(offering(|_| vec![0; MAX_PAD + 20]), Err(MseError::Synchronisation));
    // Each beginning of an offer is none.
    let whole = std::cell::Cell::new(0);
    offering(|shared| {
        whole.set(offer(shared, 0, SWARM, 0, 3, 0).len());
        Vec::new()
    })
    .unwrap();
    for length in (0..whole.get()).step_by(9).chain([whole.get() - 1]) {
        let begun = offering(|shared| offer(shared, 0, SWARM, 0, 3, 0)[..length].to_vec());
        assert_eq!(begun, Ok(None), "{length} bytes");
    }
    for weak in [[0; LENGTH], [0xff; LENGTH]] {
        let mut b = Side::new(Responder::new(Policy::Allow, find, [9; 32]));
        assert_eq!(b.hear(&weak, usize::MAX), Err(MseError::Key));
    }
}

/// A responder that says what it likes, once it has the key of the initiator.
fn choosing(
    policy: Policy,
    pad: usize,
    verification: u64,
    method: u32,
    length: u16,
) -> Result<Method, MseError> {
    let private = Private::new(&mut ChaCha20Rng::from_seed([8; 32]));
    let (initiator, hello) = Initiator::new(policy, SWARM, None, [9; 32]);
    let shared = private.shared(hello.first_chunk().unwrap()).unwrap();
    let mut choice = Vec::new();
    choice.put_u64(verification);
    choice.put_u32(method);
    choice.put_u16(length);
    choice.put_bytes(0xff, length.into());
    shared.ciphers(SWARM, false).outgoing.apply(&mut choice);
    let bytes = [&private.public()[..], &vec![0; pad], &choice].concat();
    let mut a = Side::new(initiator);
    a.hear(&bytes, 50)?;
    Ok(a.done.unwrap().method())
}

#[test]
fn responders_that_do_not_keep_to_the_protocol() {
    assert_eq!(choosing(Policy::Allow, 0, 0, 1, 0), Ok(Method::Plain));
    assert_eq!(choosing(Policy::Require, 512, 0, 2, 512), Ok(Method::Rc4));
    assert_eq!(choosing(Policy::Require, 0, 0, 1, 0), Err(MseError::Methods(1)));
    assert_eq!(choosing(Policy::Allow, 0, 0, 3, 0), Err(MseError::Methods(3)), "it is to choose one");
    assert_eq!(choosing(Policy::Allow, 0, 0, 0, 0), Err(MseError::Methods(0)));
    assert_eq!(choosing(Policy::Allow, 0, 0, 2, 513), Err(MseError::Padding(513)));
    assert_eq!(choosing(Policy::Allow, 513, 0, 2, 0), Err(MseError::Synchronisation));
    assert_eq!(choosing(Policy::Allow, 512, 1, 2, 0), Err(MseError::Synchronisation));
    let mut a = Side::new(Initiator::new(Policy::Allow, SWARM, None, [9; 32]).0);
    assert_eq!(a.hear(&[0; LENGTH], 1), Err(MseError::Key));
    assert_eq!(a.hear(&[0; 1000], 1), Ok(Vec::new()), "nothing is decoded after an error");
}

#[test]
fn noise_is_refused() {
    for seed in 0..20 {
        let mut noise = [0; 2000];
        ChaCha20Rng::from_seed([seed; 32]).fill_bytes(&mut noise);
        let mut b = Side::new(Responder::new(Policy::Allow, find, [1; 32]));
        assert_eq!(b.hear(&noise, 1 + usize::from(seed)), Err(MseError::Synchronisation));
        let mut a = Side::new(Initiator::new(Policy::Allow, SWARM, None, [1; 32]).0);
        assert_eq!(a.hear(&noise, 1 + usize::from(seed)), Err(MseError::Synchronisation));
    }
}
