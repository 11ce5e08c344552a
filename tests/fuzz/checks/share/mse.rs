//! Handshakes of message stream encryption: each side against one that is written here by hand, which says what the input decides, and both against each other.
//!
//! The first byte says who is checked: `R` a responder and `I` an initiator by hand, `B` both, `r` and `i` by the bytes as they are. The side by hand has the private key
//! 1, so that its public key is 2, and the secret is the public key of the other.

use bytes::{Bytes, BytesMut};
use sha1::Digest as _;
use wireworks::codec::{Codec, Outbox, Raw};
use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::bittorrent::mse::{
    Initiator, MAX_PAD, Method, MseError, Policy, Responder, Sealed, Step, torrent_mark,
};
use wireworks::proto::bittorrent::wire::{Handshake, PeerId, Reserved};

use super::super::{Choices, arrivals};

const SWARM: Sha1 = Sha1([0xaa; 20]);
const KEY: usize = 96;
const SEED: [u8; 32] = [3; 32];
const POLICIES: [Policy; 4] = [Policy::Allow, Policy::Prefer, Policy::Require, Policy::Refuse];
/// Bytes that may wait: the first payload, and what is in front of it.
const LONGEST: usize = 65_535 + 2 + MAX_PAD;

/// Says whether the handshake comes to its end.
pub(crate) fn check(input: &[u8]) -> bool {
    let mut choices = Choices(input);
    match choices.byte() {
        b'R' => responder(&mut choices),
        b'I' => initiator(&mut choices),
        b'B' => both(&mut choices),
        b'r' => {
            let policy = choices.pick(&POLICIES);
            same(choices.0, || Responder::new(policy, known, SEED)).done.is_some()
        }
        b'i' => {
            let policy = choices.pick(&POLICIES);
            same(choices.0, || Initiator::new(policy, SWARM, None, SEED).0).done.is_some()
        }
        _ => false,
    }
}

fn known(mark: Sha1) -> Option<Sha1> {
    (mark == torrent_mark(SWARM)).then_some(SWARM)
}

fn greeting() -> Handshake {
    Handshake { reserved: Reserved::ours(true, true), swarm: SWARM, peer: PeerId([b'p'; 20]) }
}

/// What a side has come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    answers: Vec<u8>,
    error: Option<MseError>,
    done: Option<(Method, Option<Sha1>)>,
    /// Payload that came behind the handshake, in the clear.
    payload: Vec<u8>,
    /// What it says then, as it is sent.
    said: Vec<u8>,
}

/// The outcome for these bytes, however they arrive.
fn same<C: Codec<In = Step, Error = MseError>>(wire: &[u8], make: impl Fn() -> C) -> Outcome {
    let whole = hear(make(), &[wire]);
    let ways = arrivals(wire);
    // Each costs two powers of large numbers: byte by byte, and one of the others.
    for way in [&ways[1], &ways[2 + super::super::Dice::of(wire).below(ways.len() - 2)]] {
        assert_eq!(hear(make(), way), whole, "as {} pieces", way.len());
    }
    whole
}

fn hear<C: Codec<In = Step, Error = MseError>>(mut side: C, pieces: &[&[u8]]) -> Outcome {
    let (mut src, mut sealed, mut outcome) = (BytesMut::new(), None, Outcome::default());
    for piece in pieces {
        src.extend_from_slice(piece);
        while sealed.is_none() {
            match side.decode(&mut src) {
                Ok(Some(Step { answer, done })) => {
                    outcome.answers.extend(answer);
                    if let Some(done) = done {
                        outcome.done = Some((done.method(), done.swarm()));
                        sealed = Some(Sealed::new(Raw, done));
                    }
                }
                Ok(None) => break,
                Err(error) => return Outcome { error: Some(error), ..outcome },
            }
        }
        assert!(src.len() <= LONGEST, "what waits has a limit");
        if let Some(sealed) = &mut sealed {
            outcome.payload.extend(sealed.decode(&mut src).unwrap().into_iter().flatten());
        }
    }
    if let Some(sealed) = &mut sealed {
        let mut out = Outbox::new();
        sealed.encode(Bytes::from_static(b"said "), &mut out).unwrap();
        sealed.encode(Bytes::from(vec![b'x'; 5000]), &mut out).unwrap();
        outcome.said = super::emptied(&mut out);
    }
    outcome
}

/// What the side under check says behind the handshake.
fn said() -> Vec<u8> {
    [&b"said "[..], &[b'x'; 5000]].concat()
}

/// An initiator by hand.
fn responder(choices: &mut Choices<'_>) -> bool {
    let policy = choices.pick(&POLICIES);
    let is_known = choices.below(8) != 7;
    let verification = [u8::from(choices.below(8) == 7), 0, 0, 0, 0, 0, 0, 0];
    let provided = u32::from(choices.byte());
    let (first_pad, second_pad) = (pad(choices), pad(choices));
    let (initial, more) = (choices.some(), choices.some());
    let swarm = if is_known { SWARM } else { Sha1([1; 20]) };

    // The seed decides its key, and so the secret, which only what follows hangs on.
    let begin = [&two()[..], &vec![b'a'; first_pad]].concat();
    let probe = hear(Responder::new(policy, known, SEED), &[&begin[..]]);
    let Some(secret) = probe.answers.get(..KEY) else {
        assert_eq!((policy, probe.error), (Policy::Refuse, Some(MseError::Encrypted)));
        return false;
    };
    let mut wire = [begin, hash(&[b"req1", secret]).0.to_vec()].concat();
    wire.extend(covered(secret, swarm));
    let (mut own, mut theirs) = (Rc4::of(b"keyA", secret, swarm), Rc4::of(b"keyB", secret, swarm));
    let plain = [
        &verification[..],
        &provided.to_be_bytes(),
        &(second_pad as u16).to_be_bytes(),
        &vec![b'c'; second_pad],
        &(initial.len() as u16).to_be_bytes(),
        initial,
    ];
    wire.extend(own.apply(&plain.concat()));

    let order: &[u32] = match policy {
        Policy::Refuse => &[],
        Policy::Allow => &[1, 2],
        Policy::Prefer => &[2, 1],
        Policy::Require => &[2],
    };
    let chosen = order.iter().copied().find(|method| provided & method != 0);
    let error = match chosen {
        _ if first_pad > MAX_PAD => Some(MseError::Synchronisation),
        _ if !is_known => Some(MseError::Torrent),
        _ if verification != [0; 8] => Some(MseError::Verification),
        None => Some(MseError::Methods(provided)),
        _ if second_pad > MAX_PAD => Some(MseError::Padding(second_pad)),
        _ => None,
    };
    if chosen == Some(2) {
        wire.extend(own.apply(more));
    } else {
        wire.extend_from_slice(more);
    }
    let outcome = same(&wire, || Responder::new(policy, known, SEED));
    assert_eq!(outcome.error, error);
    assert!(outcome.answers.starts_with(&probe.answers) && probe.answers.len() <= KEY + MAX_PAD);
    let answer = &outcome.answers[probe.answers.len()..];
    if error.is_some() {
        assert!(outcome.done.is_none() && answer.is_empty());
        return false;
    }
    let method = if chosen == Some(2) { Method::Rc4 } else { Method::Plain };
    assert_eq!(outcome.done, Some((method, Some(SWARM))));
    assert_eq!(outcome.payload, [initial, more].concat());
    let answer = theirs.apply(answer);
    let (head, padding) = answer.split_at(14);
    assert_eq!((&head[..8], &head[8..12]), (&[0; 8][..], &(method as u32).to_be_bytes()[..]));
    assert_eq!(padding.len(), usize::from(u16::from_be_bytes([head[12], head[13]])));
    assert!(padding.len() <= MAX_PAD);
    let sent = if method == Method::Rc4 { theirs.apply(&outcome.said) } else { outcome.said };
    assert_eq!(sent, said());
    true
}

/// A responder by hand.
fn initiator(choices: &mut Choices<'_>) -> bool {
    let policy = choices.pick(&POLICIES);
    let is_right = choices.below(8) != 7;
    let chosen = u32::from(choices.byte());
    let (first_pad, second_pad) = (pad(choices), pad(choices));
    let initial = choices.flag().then(greeting);
    let more = choices.some();

    let (_, hello) = Initiator::new(policy, SWARM, initial, SEED);
    assert!((KEY..=KEY + MAX_PAD).contains(&hello.len()));
    let secret = &hello[..KEY];
    let swarm = if is_right { SWARM } else { Sha1([1; 20]) };
    let (mut own, mut theirs) = (Rc4::of(b"keyB", secret, swarm), Rc4::of(b"keyA", secret, SWARM));
    let head =
        [&[0; 8][..], &chosen.to_be_bytes(), &(second_pad as u16).to_be_bytes(), &vec![b'd'; second_pad]];
    let mut wire = [&two()[..], &vec![b'b'; first_pad], &own.apply(&head.concat())].concat();
    wire.extend(if chosen == 2 { own.apply(more) } else { more.to_vec() });

    let offered = match policy {
        Policy::Refuse => 0,
        Policy::Require => 2,
        Policy::Allow | Policy::Prefer => 3,
    };
    let is_offered = matches!(chosen, 1 | 2) && offered & chosen != 0;
    let outcome = same(&wire, || Initiator::new(policy, SWARM, initial, SEED).0);
    // Step 3: who is called, what is offered, and the first payload.
    let marks = [hash(&[b"req1", secret]).0.to_vec(), covered(secret, SWARM).to_vec()].concat();
    let (clear, rest) = outcome.answers.split_at(marks.len());
    assert_eq!(clear, marks);
    let rest = theirs.apply(rest);
    let length = usize::from(u16::from_be_bytes([rest[12], rest[13]]));
    let first = initial.map_or(Vec::new(), |handshake| handshake.to_bytes().to_vec());
    let expected = [&[0; 8][..], &u32::to_be_bytes(offered), &rest[12..14], &vec![0; length]].concat();
    assert_eq!(rest, [&expected[..], &(first.len() as u16).to_be_bytes(), &first].concat());
    assert!(length <= MAX_PAD);

    match outcome.error {
        _ if !is_right => assert_eq!(outcome.done, None),
        Some(error) => assert_eq!(
            error,
            match () {
                () if first_pad > MAX_PAD => MseError::Synchronisation,
                () if !is_offered => MseError::Methods(chosen),
                () => MseError::Padding(second_pad),
            }
        ),
        None => {
            assert!(first_pad <= MAX_PAD && is_offered && second_pad <= MAX_PAD);
            let method = if chosen == 2 { Method::Rc4 } else { Method::Plain };
            assert_eq!(outcome.done, Some((method, Some(SWARM))));
            assert_eq!(outcome.payload, more);
            let sent = if chosen == 2 { theirs.apply(&outcome.said) } else { outcome.said };
            assert_eq!(sent, said());
            return true;
        }
    }
    false
}

/// Both sides of the library.
fn both(choices: &mut Choices<'_>) -> bool {
    let (calling, called) = (choices.pick(&POLICIES), choices.pick(&POLICIES));
    let initial = choices.flag().then(greeting);
    let payload = choices.some();
    let (mut caller, hello) = Initiator::new(calling, SWARM, initial, SEED);
    let mut answerer = Responder::new(called, known, [4; 32]);
    let (mut to_answerer, mut to_caller) = (BytesMut::from(&hello[..]), BytesMut::new());
    let mut done = (None, None);
    for _ in 0..4 {
        match answerer.decode(&mut to_answerer) {
            Ok(Some(step)) => {
                to_caller.extend_from_slice(&step.answer);
                done.0 = done.0.or(step.done);
            }
            Ok(None) => {}
            Err(error) => {
                let offers_nothing = calling == Policy::Refuse;
                let expected =
                    if called == Policy::Refuse { MseError::Encrypted } else { MseError::Methods(0) };
                assert!(error == expected && (offers_nothing || called == Policy::Refuse), "{error}");
                return false;
            }
        }
        if let Some(step) = caller.decode(&mut to_caller).unwrap() {
            to_answerer.extend_from_slice(&step.answer);
            done.1 = done.1.or(step.done);
        }
    }
    let (Some(answerer), Some(caller)) = done else { panic!("no end is reached") };
    assert_eq!((answerer.method(), answerer.swarm()), (caller.method(), caller.swarm()));
    let (mut answerer, mut caller) = (Sealed::new(Raw, answerer), Sealed::new(Raw, caller));
    let first = initial.map_or(Vec::new(), |handshake| handshake.to_bytes().to_vec());
    for way in 0..3 {
        let expected = if way == 0 { [&first[..], payload].concat() } else { payload.to_vec() };
        let mut out = Outbox::new();
        caller.encode(Bytes::copy_from_slice(payload), &mut out).unwrap();
        to_answerer.extend_from_slice(&super::emptied(&mut out));
        let heard = answerer.decode(&mut to_answerer).unwrap().unwrap_or_default();
        assert_eq!(heard, expected);
        answerer.encode(heard.clone(), &mut out).unwrap();
        to_caller.extend_from_slice(&super::emptied(&mut out));
        assert_eq!(caller.decode(&mut to_caller).unwrap().unwrap_or_default(), heard);
    }
    true
}

/// How long a padding is: mostly as it may be.
fn pad(choices: &mut Choices<'_>) -> usize {
    let length = usize::from(choices.byte()) * 2;
    if length == 510 { 500 + usize::from(choices.byte()) / 8 } else { length }
}

/// The public key 2.
fn two() -> [u8; KEY] {
    let mut key = [0; KEY];
    key[KEY - 1] = 2;
    key
}

/// The name of the torrent, as only who knows the secret can read it.
fn covered(secret: &[u8], swarm: Sha1) -> [u8; 20] {
    let (cover, name) = (hash(&[b"req3", secret]).0, hash(&[b"req2", &swarm.0]).0);
    std::array::from_fn(|at| cover[at] ^ name[at])
}

fn hash(parts: &[&[u8]]) -> Sha1 {
    Sha1(sha1::Sha1::digest(parts.concat()).into())
}

/// RC4 as it is taught, 1024 bytes on.
struct Rc4 {
    state: [u8; 256],
    i: u8,
    j: u8,
}

impl Rc4 {
    fn of(name: &[u8], secret: &[u8], swarm: Sha1) -> Self {
        let key = hash(&[name, secret, &swarm.0]).0;
        let mut state: [u8; 256] = std::array::from_fn(|at| at as u8);
        let mut j = 0u8;
        for i in 0..256 {
            j = j.wrapping_add(state[i]).wrapping_add(key[i % key.len()]);
            state.swap(i, j.into());
        }
        let mut cipher = Self { state, i: 0, j: 0 };
        cipher.apply(&[0; 1024]);
        cipher
    }

    fn apply(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut one = |byte: &u8| {
            self.i = self.i.wrapping_add(1);
            self.j = self.j.wrapping_add(self.state[usize::from(self.i)]);
            self.state.swap(self.i.into(), self.j.into());
            let sum = self.state[usize::from(self.i)].wrapping_add(self.state[usize::from(self.j)]);
            byte ^ self.state[usize::from(sum)]
        };
        bytes.iter().map(&mut one).collect()
    }
}
