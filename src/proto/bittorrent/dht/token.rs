//! Tokens: who has one has received a datagram at its address, lately (BEP 5, "get_peers").
//!
//! A token is a hash of the asker's address and of a secret that changes every five minutes. That of the time
//! before is accepted still, so that a token is good for five to ten minutes. Its first byte tells whether the
//! answer that it came with was whole: if not, it is worth asking again, with the token. To all others it is a byte
//! like the others.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::secret::Secrets;
use crate::proto::bittorrent::hash::Sha256;

/// How long a secret makes tokens (BEP 5, "tokens up to ten minutes old are accepted").
pub(super) const PERIOD: Duration = Duration::from_secs(5 * 60);

/// Bytes of a token of ours: the first one, and a hash.
pub(super) const TOKEN: usize = 8;

/// The first byte of a token, of an answer that is whole and of one that may be not.
const WHOLE: u8 = b'w';
const SHORT: u8 = b'W';

/// Whether a token came with an answer that is longer if it is asked for again. Nodes of other programs give tokens
/// of other forms; one that gives such a token by chance is asked in vain.
pub(super) fn is_worth_asking_again(token: &[u8]) -> bool {
    token.len() == TOKEN && token.first() == Some(&SHORT)
}

/// Makes tokens, and knows them again.
#[derive(Debug)]
pub(super) struct Tokens {
    secret: [u8; 32],
    previous: [u8; 32],
    since: Instant,
}

impl Tokens {
    pub(super) fn new(now: Instant, secrets: &mut Secrets) -> Self {
        Self { secret: secrets.block(), previous: secrets.block(), since: now }
    }

    /// Changes the secret when it is time to.
    pub(super) fn poll(&mut self, now: Instant, secrets: &mut Secrets) {
        let age = now.saturating_duration_since(self.since);
        if age < PERIOD {
            return;
        }
        // After a long sleep the secret that was is too old, too.
        self.previous = if age < PERIOD * 2 { self.secret } else { secrets.block() };
        self.secret = secrets.block();
        self.since = now;
    }

    /// The token of an address, for an answer that is whole or may be not.
    pub(super) fn of(&self, ip: IpAddr, is_whole: bool) -> [u8; TOKEN] {
        let mut token = made(&self.secret, ip);
        token[0] = if is_whole { WHOLE } else { SHORT };
        token
    }

    /// Whether it is the token of an address, now or a moment ago.
    pub(super) fn accepts(&self, ip: IpAddr, token: &[u8]) -> bool {
        let Some((_, hash)) = token.split_first().filter(|_| token.len() == TOKEN) else { return false };
        [&self.secret, &self.previous].into_iter().any(|secret| equal(&made(secret, ip)[1..], hash))
    }
}

fn made(secret: &[u8; 32], ip: IpAddr) -> [u8; TOKEN] {
    let mut bytes = secret.to_vec();
    match ip {
        IpAddr::V4(ip) => bytes.extend_from_slice(&ip.octets()),
        IpAddr::V6(ip) => bytes.extend_from_slice(&ip.octets()),
    }
    let hash = Sha256::of(&bytes).0;
    std::array::from_fn(|at| hash[at])
}

/// Compares all bytes, however early they differ: time tells nothing.
fn equal(own: &[u8], other: &[u8]) -> bool {
    own.len() == other.len() && own.iter().zip(other).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_an_address_and_for_five_to_ten_minutes() {
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let mut secrets = Secrets::new([1; 32]);
        let mut tokens = Tokens::new(begun, &mut secrets);
        let (ip, other): (IpAddr, IpAddr) = ("1.2.3.4".parse().unwrap(), "1.2.3.5".parse().unwrap());
        let token = tokens.of(ip, true);
        assert!(tokens.accepts(ip, &token) && !tokens.accepts(other, &token));
        assert!(!tokens.accepts("::1".parse().unwrap(), &token));
        tokens.poll(at(299), &mut secrets);
        assert_eq!(tokens.of(ip, true), token);
        tokens.poll(at(300), &mut secrets);
        assert_ne!(tokens.of(ip, true), token);
        assert!(tokens.accepts(ip, &token), "the one before is accepted");
        tokens.poll(at(599), &mut secrets);
        assert!(tokens.accepts(ip, &token));
        tokens.poll(at(600), &mut secrets);
        assert!(!tokens.accepts(ip, &token));
        let token = tokens.of(ip, true);
        tokens.poll(at(10_000), &mut secrets);
        assert!(!tokens.accepts(ip, &token), "nothing outlives a long sleep");
    }

    #[test]
    fn what_is_no_token() {
        let mut secrets = Secrets::new([1; 32]);
        let tokens = Tokens::new(Instant::now(), &mut secrets);
        let ip = "1.2.3.4".parse().unwrap();
        let token = tokens.of(ip, true);
        assert!(!tokens.accepts(ip, b"") && !tokens.accepts(ip, &token[..7]));
        assert!(!tokens.accepts(ip, &[&token[..], b"x"].concat()));
        let short = tokens.of(ip, false);
        assert!(
            tokens.accepts(ip, &short) && is_worth_asking_again(&short) && !is_worth_asking_again(&token)
        );
        assert!(
            [&b"W"[..], b"", &[b'W'; 7], &[b'W'; 9]].into_iter().all(|other| !is_worth_asking_again(other))
        );
        for bit in 8..TOKEN * 8 {
            let mut wrong = token;
            wrong[bit / 8] ^= 1 << (bit % 8);
            assert!(!tokens.accepts(ip, &wrong));
        }
    }
}
