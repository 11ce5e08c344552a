//! The hashes that FIPS 180 publishes, and all others by comparison with the `sha1` crate.

use super::*;
use crate::proto::bittorrent::random::Random;

/// Bytes by chance.
fn bytes(random: &mut Random, length: usize) -> Vec<u8> {
    (0..length).map(|_| random.next() as u8).collect()
}

#[test]
fn published_hashes() {
    let longer = b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn\
        hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    let messages = [&b""[..], b"abc", b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", longer];
    let expected = [
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1",
        "a49b2446a02c645bf419f995b67091253a04a259",
    ];
    assert_eq!(sha1_four(messages).map(|hash| hash.to_string()), expected);
    // A million times the letter a, in parts.
    let mut hashers = <[Hasher; LANES]>::default();
    for _ in 0..100 {
        update_four(hashers.each_mut(), [&[b'a'; 10_000]; LANES]);
    }
    for hasher in hashers {
        assert_eq!(hasher.finish().to_string(), "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    }
}

#[test]
fn messages_of_one_length_whatever_it_is() {
    let mut random = Random::new(1);
    let lengths = (0..=4 * BLOCK + 1).chain([1 << 14, (1 << 14) + 1]);
    for length in lengths {
        let messages: [Vec<u8>; LANES] = std::array::from_fn(|_| bytes(&mut random, length));
        let expected = messages.each_ref().map(|message| Sha1::of(message));
        assert_eq!(sha1_four(messages.each_ref().map(|message| &message[..])), expected, "{length} bytes");
    }
}

#[test]
fn messages_of_several_lengths_and_any_number() {
    let mut random = Random::new(2);
    for count in 0..=2 * LANES + 1 {
        let messages: Vec<Vec<u8>> = (0..count)
            .map(|_| {
                let length = random.below(1000) as usize;
                bytes(&mut random, length)
            })
            .collect();
        let messages: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
        let expected: Vec<Sha1> = messages.iter().map(|message| Sha1::of(message)).collect();
        assert_eq!(sha1_many(&messages), expected, "{count} messages");
    }
}

#[test]
fn messages_that_come_in_parts() {
    let mut random = Random::new(3);
    for _ in 0..200 {
        let messages: [Vec<u8>; LANES] = std::array::from_fn(|_| {
            let length = random.below(700) as usize;
            bytes(&mut random, length)
        });
        let mut hashers = <[Hasher; LANES]>::default();
        let mut rest = messages.each_ref().map(|message| &message[..]);
        while rest.iter().any(|rest| !rest.is_empty()) {
            let parts = rest.each_mut().map(|rest| {
                let (part, behind) = rest.split_at((random.below(200) as usize).min(rest.len()));
                *rest = behind;
                part
            });
            if random.below(4) == 0 {
                hashers.iter_mut().zip(parts).for_each(|(hasher, part)| hasher.update(part));
            } else {
                update_four(hashers.each_mut(), parts);
            }
        }
        assert_eq!(hashers.map(Hasher::finish), messages.each_ref().map(|message| Sha1::of(message)));
    }
}

#[test]
fn with_and_without_the_instructions() {
    let mut random = Random::new(4);
    for blocks in 0..5 {
        let messages: [Vec<[u8; BLOCK]>; LANES] = std::array::from_fn(|_| {
            (0..blocks).map(|_| bytes(&mut random, BLOCK).try_into().unwrap()).collect()
        });
        let begin: [[u32; 5]; LANES] = std::array::from_fn(|_| std::array::from_fn(|_| random.next() as u32));
        let (mut fast, mut slow) = (begin, begin);
        compress_four(fast.each_mut(), messages.each_ref().map(|message| &message[..]));
        one_by_one(slow.each_mut(), messages.each_ref().map(|message| &message[..]));
        assert_eq!(fast, slow);
    }
}
