//! SHA-1 of several messages at once: the hashes that the `sha1` crate has of them one by one.
//!
//! Up to the first zero, each byte is a message of so many times eleven bytes; what follows is what messages are made of.

use sha1::Digest as _;
use wireworks::proto::bittorrent::hash::Sha1;
use wireworks::proto::bittorrent::lanes::{Hasher, LANES, sha1_four, sha1_many, update_four};
use wireworks::proto::bittorrent::verify::of_pieces;

use super::super::{Dice, split_at_each};

/// Messages at most.
const MOST: usize = 11;

/// Says whether there are as many messages as may be, and bytes to make them of.
pub(crate) fn check(input: &[u8]) -> bool {
    let lengths = split_at_each(input, &[0])[0];
    let Some(stuff) = input.get(lengths.len() + 1..).filter(|stuff| !stuff.is_empty()) else { return false };
    if lengths.is_empty() || lengths.len() > MOST {
        return false;
    }
    let message = |(number, length): (usize, &u8)| -> Vec<u8> {
        let endless = stuff.iter().copied().cycle().skip(number % stuff.len());
        endless.take(usize::from(*length) * 11 + number).collect()
    };
    let messages: Vec<Vec<u8>> = lengths.iter().enumerate().map(message).collect();
    let expected: Vec<Sha1> = messages.iter().map(|message| one(message)).collect();
    let slices: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
    assert_eq!(sha1_many(&slices), expected);
    let four: [usize; LANES] = std::array::from_fn(|lane| lane % messages.len());
    assert_eq!(sha1_four(four.map(|number| slices[number])), four.map(|number| expected[number]));
    by_and_by(four.map(|number| slices[number]), four.map(|number| expected[number]), input);
    pieces(&slices, input);
    true
}

fn one(message: &[u8]) -> Sha1 {
    Sha1(sha1::Sha1::digest(message).into())
}

/// Messages that come little by little, of each another length.
fn by_and_by(messages: [&[u8]; LANES], expected: [Sha1; LANES], input: &[u8]) {
    let mut dice = Dice::of(input);
    let (mut rest, mut hashers) = (messages, <[Hasher; LANES]>::default());
    while rest.iter().any(|rest| !rest.is_empty()) {
        let now: [&[u8]; LANES] = std::array::from_fn(|lane| {
            let (now, after) = rest[lane].split_at(dice.below(300).min(rest[lane].len()));
            rest[lane] = after;
            now
        });
        match dice.below(3) {
            0 => hashers.iter_mut().zip(now).for_each(|(hasher, now)| hasher.update(now)),
            _ => update_four(hashers.each_mut(), now),
        }
    }
    assert_eq!(hashers.map(Hasher::finish), expected);
}

/// Messages as pieces, in blocks, with padding behind them.
fn pieces(messages: &[&[u8]], input: &[u8]) {
    let mut dice = Dice::of(input);
    let blocks: Vec<Vec<&[u8]>> =
        messages.iter().map(|message| message.chunks(1 + dice.below(200)).collect()).collect();
    let padding: Vec<u32> = messages.iter().map(|_| dice.below(3) as u32 * 2100).collect();
    let padded: Vec<_> =
        blocks.iter().zip(&padding).map(|(blocks, padding)| (&blocks[..], *padding)).collect();
    let expected = messages
        .iter()
        .zip(&padding)
        .map(|(message, padding)| one(&[message, &vec![0; *padding as usize][..]].concat()));
    assert_eq!(of_pieces(&padded), expected.collect::<Vec<_>>());
}
