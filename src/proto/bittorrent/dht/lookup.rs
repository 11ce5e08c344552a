//! A lookup: the way to the nodes that are closest to an id, in one family (BEP 5; Kademlia, section 2.3).
//!
//! Those that are known to be close are asked for closer ones, a few at a time, until the eight closest of all that
//! answer have answered. What a node tells of others is a claim: an address is asked once, a network has one
//! candidate, and there is an end of asking, however close what is claimed may be. Nodes whose id is not of their
//! address (BEP 42) are asked like others, but do not count among the eight: whoever chooses its id can sit beside
//! a torrent, and would hide it.
//!
//! A node that does not know our address to be ours may answer with less than it knows, and a token that says so.
//! It is asked again, with that token.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use super::contact::Contact;
use super::id;
use super::scope::{self, Scope};
use super::table::K;
use super::token;
use crate::proto::bittorrent::hash::Sha1;

/// Nodes that are asked at a time. libtorrent has five (`dht_search_branching`), Kademlia three.
const ALPHA: usize = 4;

/// Candidates at most. Those that are farthest are forgotten. libtorrent has 100.
const CANDIDATES: usize = 100;

/// Nodes that are enough, if fewer than [`K`] of them have an id of their address.
const WIDE: usize = 4 * K;

/// Queries of a lookup at most: one among ten million nodes takes about 60.
const QUERIES: usize = 160;

/// A node that may be asked, or was.
#[derive(Clone, Debug)]
struct Candidate {
    /// `None` as long as nobody has told it: an address to begin at.
    id: Option<Sha1>,
    addr: SocketAddr,
    state: State,
    token: Vec<u8>,
    /// Its id is of its address.
    fits: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Fresh,
    Asked,
    Late,
    /// It has answered, and is to be asked once more.
    Short,
    AskedAgain,
    Answered,
    Failed,
}

/// Whom to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) addr: SocketAddr,
    /// To be sent along; empty at first.
    pub(super) token: Vec<u8>,
}

/// A lookup.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    target: Sha1,
    own: Sha1,
    scope: Scope,
    /// Addresses to begin at, then the others: the closest one first.
    candidates: Vec<Candidate>,
    networks: BTreeSet<IpAddr>,
    queries: usize,
    answers: usize,
}

impl Lookup {
    /// One of an id, by the node with the id `own`.
    pub(super) fn new(target: Sha1, own: Sha1, scope: Scope) -> Self {
        Self { target, own, scope, candidates: Vec::new(), networks: BTreeSet::new(), queries: 0, answers: 0 }
    }

    /// What is looked for.
    pub(super) fn target(&self) -> Sha1 {
        self.target
    }

    /// Begins at an address, too.
    pub(super) fn begin_at(&mut self, addr: SocketAddr) {
        if self.scope.takes(addr) && self.find(addr).is_none() {
            let token = Vec::new();
            self.candidates.insert(0, Candidate { id: None, addr, state: State::Fresh, token, fits: false });
        }
    }

    /// A node that may be close.
    pub(super) fn add(&mut self, contact: Contact) {
        let Contact { id, addr } = contact;
        let is_known = self.candidates.iter().any(|other| other.addr == addr || other.id == Some(id));
        let fits = id::fits(id, addr.ip());
        if is_known || id == self.own || self.scope.enforce && !fits || !self.scope.takes(addr) {
            return;
        }
        if !self.scope.shares(addr.ip()) && !self.networks.insert(scope::subnet(addr.ip())) {
            return;
        }
        self.insert(Candidate { id: Some(id), addr, state: State::Fresh, token: Vec::new(), fits });
        if self.candidates.len() > CANDIDATES {
            self.forget_farthest();
        }
    }

    /// Forgets the farthest one of those whose answers are not awaited.
    fn forget_farthest(&mut self) {
        let awaited = [State::Asked, State::AskedAgain, State::Late];
        if let Some(at) = self.candidates.iter().rposition(|candidate| !awaited.contains(&candidate.state)) {
            let candidate = self.candidates.remove(at);
            self.networks.remove(&scope::subnet(candidate.addr.ip()));
        }
    }

    fn insert(&mut self, candidate: Candidate) {
        let far = |candidate: &Candidate| candidate.id.map(|id| id::distance(id, self.target));
        let own = far(&candidate);
        let at = self.candidates.partition_point(|other| far(other) < own);
        self.candidates.insert(at, candidate);
    }

    fn find(&mut self, addr: SocketAddr) -> Option<&mut Candidate> {
        self.candidates.iter_mut().find(|candidate| candidate.addr == addr)
    }

    /// The next one to be asked, as soon as there are less than [`ALPHA`] whose answers are awaited.
    pub(super) fn next(&mut self) -> Option<Ask> {
        let asked = |state| matches!(state, State::Asked | State::AskedAgain);
        if self.candidates.iter().filter(|candidate| asked(candidate.state)).count() >= ALPHA {
            return None;
        }
        let at = self.pick()?;
        let candidate = self.candidates.get_mut(at)?;
        candidate.state = if candidate.state == State::Short { State::AskedAgain } else { State::Asked };
        self.queries += 1;
        Some(Ask { addr: candidate.addr, token: candidate.token.clone() })
    }

    /// The closest one that was not asked, among the eight closest that may answer, and count.
    fn pick(&self) -> Option<usize> {
        if self.queries >= QUERIES {
            return None;
        }
        let (mut close, mut all) = (0, 0);
        for (at, candidate) in self.candidates.iter().enumerate() {
            match candidate.state {
                State::Fresh | State::Short => return Some(at),
                State::Asked | State::AskedAgain | State::Answered => {
                    all += usize::from(candidate.id.is_some());
                    close += usize::from(candidate.fits);
                }
                State::Late | State::Failed => {}
            }
            if close >= K || all >= WIDE {
                return None;
            }
        }
        None
    }

    /// A node has answered: with its id, with a token if it gives one, and with so many nodes that are close to the
    /// target.
    pub(super) fn answered(&mut self, addr: SocketAddr, id: Sha1, token: Vec<u8>, nodes: usize) {
        let Some(at) = self.candidates.iter().position(|candidate| candidate.addr == addr) else { return };
        let mut candidate = self.candidates.remove(at);
        let asked_again = candidate.state == State::AskedAgain || !candidate.token.is_empty();
        let is_short = nodes < K && !asked_again && token::is_worth_asking_again(&token);
        candidate.state = if is_short { State::Short } else { State::Answered };
        self.answers += usize::from(!asked_again);
        if !token.is_empty() {
            candidate.token = token;
        }
        // It has another id than was told, if it has started anew meanwhile. Two of one id are one too many.
        candidate.fits = id::fits(id, addr.ip());
        let is_double = self.candidates.iter().any(|other| other.id == Some(id));
        if is_double || id == self.own || self.scope.enforce && !candidate.fits {
            candidate.state = State::Failed;
        } else {
            candidate.id = Some(id);
        }
        self.insert(candidate);
    }

    /// A node has not answered yet: somebody else can be asked meanwhile.
    pub(super) fn late(&mut self, addr: SocketAddr) {
        if let Some(candidate) = self.find(addr).filter(|candidate| candidate.state == State::Asked) {
            candidate.state = State::Late;
        }
    }

    /// A node will not answer.
    pub(super) fn failed(&mut self, addr: SocketAddr) {
        let Some(candidate) = self.find(addr) else { return };
        match candidate.state {
            State::Asked | State::Late => {
                candidate.state = State::Failed;
                // Its neighbours may be alive.
                self.networks.remove(&scope::subnet(addr.ip()));
            }
            // What it answered at first was something.
            State::AskedAgain => candidate.state = State::Answered,
            State::Fresh | State::Short | State::Answered | State::Failed => {}
        }
    }

    /// Whether nobody is left to be asked, and nobody is waited for. Those that are late are waited for only as
    /// long as there are not eight others.
    pub(super) fn is_done(&self) -> bool {
        let count =
            |wanted: &[State]| self.candidates.iter().filter(|other| wanted.contains(&other.state)).count();
        let awaited = count(&[State::Asked, State::AskedAgain]);
        let is_enough = count(&[State::Late]) == 0 || count(&[State::Answered]) >= K;
        awaited == 0 && is_enough && self.pick().is_none()
    }

    /// Nodes that have answered: how many.
    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    /// Up to eight closest ones that have answered and given a token, with it: first of all those with an id of
    /// their address.
    pub(super) fn closest(&self) -> impl Iterator<Item = Ask> {
        let can = |other: &&Candidate| {
            matches!(other.state, State::Answered | State::Short)
                && !other.token.is_empty()
                && other.id.is_some()
        };
        let mut all: Vec<&Candidate> = self.candidates.iter().filter(can).collect();
        all.sort_by_key(|other| !other.fits);
        all.truncate(K);
        all.into_iter().map(|other| Ask { addr: other.addr, token: other.token.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: Sha1 = Sha1([0xff; 20]);
    const TARGET: Sha1 = Sha1([0; 20]);
    const PUBLIC: Scope = Scope { local: false, enforce: false };
    const PRIVATE: Scope = Scope { local: true, enforce: false };

    /// A node so far from the target, in a private network, where any id is one of its address.
    fn node(far: u16) -> Contact {
        let mut id = [0; 20];
        id[..2].copy_from_slice(&far.to_be_bytes());
        let [a, b] = far.to_be_bytes();
        Contact { id: Sha1(id), addr: ([10, a, b, 1], 6881).into() }
    }

    fn lookup() -> Lookup {
        Lookup::new(TARGET, OWN, PRIVATE)
    }

    fn ask(lookup: &mut Lookup) -> Vec<SocketAddr> {
        std::iter::from_fn(|| lookup.next().map(|ask| ask.addr)).collect()
    }

    fn answer(lookup: &mut Lookup, contact: Contact) {
        lookup.answered(contact.addr, contact.id, b"token".to_vec(), K);
    }

    #[test]
    fn the_way_to_the_closest() {
        let mut lookup = lookup();
        (1..=20).rev().for_each(|far| lookup.add(node(far * 100)));
        let mut asked = Vec::new();
        while !lookup.is_done() {
            for addr in ask(&mut lookup) {
                asked.push(addr);
                let far =
                    u16::from_be_bytes([addr.to_string().split('.').nth(1).unwrap().parse().unwrap(), 0]);
                let contact = (1..=2000).map(node).find(|node| node.addr == addr).unwrap();
                answer(&mut lookup, contact);
                // Each knows some that are half as far.
                (1..4).for_each(|step| lookup.add(node((far / 2).max(8) + step)));
            }
        }
        let closest: Vec<_> = lookup.closest().map(|ask| ask.addr).collect();
        let mut all: Vec<_> = lookup.candidates.iter().map(|other| other.addr).collect();
        all.truncate(K);
        assert_eq!(closest, all, "all of the eight closest have answered");
        assert!(asked.len() < 20 && lookup.answers() == asked.len(), "{}", asked.len());
    }

    #[test]
    fn four_at_a_time_and_more_when_they_are_late() {
        let mut lookup = lookup();
        (1..=20).for_each(|far| lookup.add(node(far)));
        assert_eq!(ask(&mut lookup), [1, 2, 3, 4].map(|far| node(far).addr));
        lookup.late(node(2).addr);
        assert_eq!(ask(&mut lookup), [node(5).addr]);
        [1, 3, 4, 5].into_iter().for_each(|far| answer(&mut lookup, node(far)));
        assert_eq!(ask(&mut lookup), [6, 7, 8, 9].map(|far| node(far).addr));
        lookup.failed(node(6).addr);
        assert_eq!(ask(&mut lookup), [node(10).addr], "another one in place of that which failed");
        [7, 8, 9].into_iter().for_each(|far| answer(&mut lookup, node(far)));
        assert!(!lookup.is_done() && lookup.next().is_none());
        answer(&mut lookup, node(10));
        assert!(lookup.is_done(), "without the one that is late, as there are eight");
        answer(&mut lookup, node(2));
        assert_eq!(lookup.closest().next().unwrap().addr, node(1).addr);
        assert_eq!(lookup.closest().count(), K);
    }

    #[test]
    fn those_that_are_late_are_waited_for_when_there_are_no_others() {
        let mut lookup = lookup();
        lookup.begin_at(node(1).addr);
        assert_eq!(ask(&mut lookup).len(), 1);
        lookup.late(node(1).addr);
        assert!(!lookup.is_done());
        lookup.failed(node(1).addr);
        assert!(lookup.is_done() && lookup.answers() == 0);
    }

    #[test]
    fn an_answer_that_is_short_is_asked_for_again_with_its_token() {
        let mut lookup = lookup();
        lookup.begin_at(node(9).addr);
        let first = lookup.next().unwrap();
        assert_eq!((first.addr, first.token.len()), (node(9).addr, 0));
        lookup.answered(node(9).addr, node(9).id, b"Wtoken12".to_vec(), 1);
        lookup.add(node(5));
        assert!(!lookup.is_done());
        assert_eq!(ask(&mut lookup.clone()), [node(5).addr, node(9).addr]);
        answer(&mut lookup, node(5));
        let again = lookup.next().unwrap();
        assert_eq!((again.addr, &again.token[..]), (node(9).addr, &b"Wtoken12"[..]));
        lookup.answered(node(9).addr, node(9).id, b"Wother12".to_vec(), 2);
        assert!(lookup.is_done(), "once");
        assert_eq!(lookup.closest().nth(1).unwrap().token, b"Wother12");
        // If there is no second answer, the first one holds.
        let mut lookup = super::tests::lookup();
        lookup.add(node(1));
        ask(&mut lookup);
        lookup.answered(node(1).addr, node(1).id, b"Wtoken12".to_vec(), 0);
        ask(&mut lookup);
        lookup.late(node(1).addr);
        lookup.failed(node(1).addr);
        assert!(lookup.is_done() && lookup.closest().count() == 1);
        // Tokens of others do not say so, and without a token there is nothing to ask by.
        for (token, given) in [(&b"give"[..], 1), (b"wtoken12", 1), (b"Wtoken", 1), (b"", 0)] {
            let mut lookup = super::tests::lookup();
            lookup.add(node(1));
            ask(&mut lookup);
            lookup.answered(node(1).addr, node(1).id, token.to_vec(), 0);
            assert!(lookup.is_done() && lookup.closest().count() == given && lookup.answers() == 1);
        }
    }

    #[test]
    fn what_is_no_candidate() {
        let mut lookup = Lookup::new(TARGET, OWN, PUBLIC);
        let first = Contact { addr: "11.0.1.1:6881".parse().unwrap(), ..node(1) };
        lookup.add(first);
        for (id, addr) in [
            (node(1).id, "12.1.1.1:1"),
            (node(2).id, "11.0.1.1:6881"),
            (node(2).id, "11.0.1.9:1"),
            (node(2).id, "10.0.0.1:1"),
            (node(2).id, "127.0.0.1:1"),
            (node(2).id, "12.1.1.1:0"),
            (OWN, "12.1.1.1:1"),
        ] {
            lookup.add(Contact { id, addr: addr.parse().unwrap() });
            assert_eq!(lookup.candidates.len(), 1, "{addr}");
        }
        // A network whose candidate does not answer has another one.
        ask(&mut lookup);
        lookup.failed(first.addr);
        lookup.add(Contact { id: node(2).id, addr: "11.0.1.9:1".parse().unwrap() });
        assert_eq!(lookup.candidates.len(), 2);
        // A private network is one.
        let mut private = self::lookup();
        (1..9).for_each(|far| private.add(Contact { addr: ([10, 0, 0, 1], far).into(), ..node(far) }));
        assert_eq!(private.candidates.len(), 8);
        private.begin_at(([10, 0, 0, 1], 3).into());
        assert_eq!(private.candidates.len(), 8, "known");
    }

    #[test]
    fn a_node_has_the_id_that_it_answers_with() {
        let mut lookup = lookup();
        [1, 2].into_iter().for_each(|far| lookup.add(node(far)));
        ask(&mut lookup);
        lookup.answered(node(1).addr, node(9).id, b"token".to_vec(), K);
        lookup.answered(node(2).addr, node(2).id, b"token".to_vec(), K);
        let closest: Vec<_> = lookup.closest().map(|ask| ask.addr).collect();
        assert_eq!(closest, [node(2).addr, node(1).addr]);
        // One that says that it is another one, or we, is no node.
        [3, 4].into_iter().for_each(|far| lookup.add(node(far)));
        ask(&mut lookup);
        lookup.answered(node(3).addr, node(2).id, b"token".to_vec(), K);
        lookup.answered(node(4).addr, OWN, b"token".to_vec(), K);
        assert_eq!(lookup.closest().count(), 2);
        assert!(lookup.is_done());
    }

    #[test]
    fn claims_without_end_come_to_an_end() {
        let mut lookup = lookup();
        let mut far = u16::MAX;
        (0..8).for_each(|step| lookup.add(node(far - step)));
        let mut queries = 0;
        while !lookup.is_done() {
            for addr in ask(&mut lookup) {
                queries += 1;
                let id = lookup.candidates.iter().find(|other| other.addr == addr).unwrap().id.unwrap();
                lookup.answered(addr, id, b"token".to_vec(), K);
                far -= 10;
                (0..8).for_each(|step| lookup.add(node(far - step)));
            }
            assert!(lookup.candidates.len() <= CANDIDATES);
        }
        assert_eq!(queries, QUERIES);
    }

    #[test]
    fn ids_that_were_chosen_do_not_count() {
        let mut lookup = Lookup::new(TARGET, OWN, PUBLIC);
        let at = |number: u8| SocketAddr::from(([20, number, 0, 1], 1));
        // Twenty liars are closest; behind them are ten whose id is of their address.
        let liar = |number: u8| Contact {
            id: Sha1([0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            addr: at(number),
        };
        let honest = |number: u8| Contact {
            id: id::of_address(at(number).ip(), Sha1::of(&[number])),
            addr: at(number),
        };
        (1..=20).for_each(|number| lookup.add(liar(number)));
        (101..=110).for_each(|number| lookup.add(honest(number)));
        let all: Vec<Contact> = (1..=20).map(liar).chain((101..=110).map(honest)).collect();
        let mut asked = 0;
        while !lookup.is_done() {
            for addr in ask(&mut lookup) {
                asked += 1;
                answer(&mut lookup, *all.iter().find(|contact| contact.addr == addr).unwrap());
            }
        }
        assert_eq!(asked, 20 + K);
        assert!(lookup.closest().all(|ask| (101..=110).any(|number| at(number) == ask.addr)));
        // Where nobody has such an id, there is an end as well.
        let mut lookup = Lookup::new(TARGET, OWN, PUBLIC);
        (1..=100).for_each(|number| lookup.add(liar(number)));
        let mut asked = 0;
        while !lookup.is_done() {
            for addr in ask(&mut lookup) {
                asked += 1;
                answer(&mut lookup, (1..=100).map(liar).find(|contact| contact.addr == addr).unwrap());
            }
        }
        assert_eq!(
            (asked, lookup.closest().next().unwrap().addr, lookup.closest().count()),
            (WIDE, at(1), K)
        );
    }
}
