//! What our address is, as others see it (BEP 42, key `ip`).
//!
//! Each owner of addresses has one vote, and only those vote whom we have asked something. An address counts when
//! most say it: a liar, or a node behind the same router, does not move us.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::scope::{self, Scope};

/// Votes that count: the last ones.
const VOTES: usize = 32;

/// Votes for an address at least, until it is believed.
const QUORUM: usize = 4;

/// The votes.
#[derive(Debug, Default)]
pub(super) struct Votes {
    votes: VecDeque<(IpAddr, IpAddr)>,
    winner: Option<IpAddr>,
}

impl Votes {
    /// A node says that it sees us at this address. Tells what our address is when that changes.
    pub(super) fn vote(&mut self, scope: Scope, voter: IpAddr, seen: IpAddr) -> Option<IpAddr> {
        if voter.is_ipv4() != seen.is_ipv4() || !scope.takes((seen, 1).into()) {
            return None;
        }
        let owner = if scope.shares(voter) { voter } else { scope::subnet(voter) };
        self.votes.retain(|(other, _)| *other != owner);
        if self.votes.len() >= VOTES {
            self.votes.pop_front();
        }
        self.votes.push_back((owner, seen));
        let mut counts: BTreeMap<IpAddr, usize> = BTreeMap::new();
        self.votes.iter().for_each(|(_, seen)| *counts.entry(*seen).or_default() += 1);
        let (winner, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let wins = count >= QUORUM && count * 2 > self.votes.len() && self.winner != Some(winner);
        wins.then(|| *self.winner.insert(winner))
    }

    /// Somebody knows our address otherwise; whether that is news.
    pub(super) fn decide(&mut self, ip: IpAddr) -> bool {
        self.winner.replace(ip) != Some(ip)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn most_have_to_say_it() {
        let scope = Scope::default();
        let (ours, lie) = (ip("5.6.7.8"), ip("6.6.6.6"));
        let mut votes = Votes::default();
        // One network votes once, however many of it say it.
        for host in 0..100 {
            assert_eq!(votes.vote(scope, IpAddr::from([9, 9, 9, host]), lie), None);
        }
        for net in 0..3 {
            assert_eq!(votes.vote(scope, IpAddr::from([1, 1, net, 1]), ours), None);
        }
        assert_eq!(votes.vote(scope, ip("1.1.3.1"), ours), Some(ours));
        assert_eq!(votes.vote(scope, ip("1.1.4.1"), ours), None, "it is known already");
        // We have moved.
        let moved = ip("5.6.7.9");
        let told: Vec<_> =
            (0..20).filter_map(|net| votes.vote(scope, IpAddr::from([2, 2, net, 1]), moved)).collect();
        assert_eq!(told, [moved]);
        assert!((0..=255).all(|net| votes.vote(scope, IpAddr::from([3, net, 1, 1]), moved).is_none()));
        assert!(votes.votes.len() <= VOTES);
        assert!(!votes.decide(moved) && votes.decide(ours));
    }

    #[test]
    fn nonsense_is_no_vote() {
        let mut votes = Votes::default();
        for (voter, seen) in
            [("1.1.1.1", "10.0.0.1"), ("1.1.1.1", "2a00::1"), ("2a00::1", "1.2.3.4"), ("1.1.1.1", "0.0.0.0")]
        {
            assert_eq!(votes.vote(Scope::default(), ip(voter), ip(seen)), None);
            assert!(votes.votes.is_empty());
        }
        // In a private network, each host votes.
        let scope = Scope { local: true, ..Scope::default() };
        let told: Vec<_> = (2..8)
            .filter_map(|host| votes.vote(scope, IpAddr::from([10, 0, 0, host]), ip("10.0.0.1")))
            .collect();
        assert_eq!(told, [ip("10.0.0.1")]);
    }
}
