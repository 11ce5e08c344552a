//! Queries that wait for their answers.
//!
//! An answer counts if it comes from where its query was sent to, with a transaction id that only that node has
//! seen. Ids are four bytes that cannot be guessed, so an answer in somebody else's name has a chance of one to
//! four billion.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use super::rtt::Rtt;

/// What a query is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To see whether a node is there.
    Ping,
    /// A step of a search.
    Step(u32),
    /// To announce, at the end of a search.
    Announce(u32),
}

/// A query that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Open {
    pub(super) to: SocketAddr,
    pub(super) purpose: Purpose,
    pub(super) sent: Instant,
    /// When somebody else is asked instead; `None` once that has happened.
    late: Option<Instant>,
    lost: Instant,
}

/// What has become of a query.
#[derive(Clone, Copy, Debug)]
pub(super) enum Overdue {
    /// There is no answer yet.
    Late(Open),
    /// There will be none.
    Lost(Open),
}

/// All that wait.
#[derive(Debug)]
pub(super) struct Transactions {
    open: BTreeMap<[u8; 4], Open>,
    limit: usize,
}

impl Transactions {
    pub(super) fn new(limit: usize) -> Self {
        Self { open: BTreeMap::new(), limit }
    }

    /// Whether there is room for one more.
    pub(super) fn has_room(&self) -> bool {
        self.open.len() < self.limit
    }

    /// Whether an answer from there would be one.
    pub(super) fn awaits(&self, from: SocketAddr) -> bool {
        self.open.values().any(|open| open.to == from)
    }

    /// A query is sent, under the transaction id `key`.
    pub(super) fn begin(&mut self, now: Instant, key: u32, to: SocketAddr, purpose: Purpose, rtt: &Rtt) {
        let (late, lost) = (Some(now + rtt.late()), now + rtt.lost());
        self.open.insert(key.to_be_bytes(), Open { to, purpose, sent: now, late, lost });
    }

    /// An answer has come: what it answers, if anything.
    pub(super) fn end(&mut self, from: SocketAddr, transaction: &[u8]) -> Option<Open> {
        let key: [u8; 4] = transaction.try_into().ok()?;
        self.open.get(&key).filter(|open| open.to == from)?;
        self.open.remove(&key)
    }

    /// What has become overdue by now, each once.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<Overdue> {
        let mut overdue = Vec::new();
        self.open.retain(|_, open| {
            if open.lost <= now {
                overdue.push(Overdue::Lost(*open));
                return false;
            }
            if open.late.take_if(|late| *late <= now).is_some() {
                overdue.push(Overdue::Late(*open));
            }
            true
        });
        overdue
    }

    /// When something becomes overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.values().map(|open| open.late.unwrap_or(open.lost)).min()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_answer_has_the_address_and_the_id_of_its_query() {
        let now = Instant::now();
        let (to, other): (SocketAddr, SocketAddr) =
            ("1.2.3.4:5".parse().unwrap(), "1.2.3.4:6".parse().unwrap());
        let mut transactions = Transactions::new(2);
        transactions.begin(now, 7, to, Purpose::Ping, &Rtt::default());
        assert!(transactions.awaits(to) && !transactions.awaits(other) && transactions.has_room());
        transactions.begin(now, 8, to, Purpose::Step(1), &Rtt::default());
        assert!(!transactions.has_room());
        assert!(transactions.end(other, &[0, 0, 0, 7]).is_none());
        assert!(transactions.end(to, &[0, 0, 0, 9]).is_none());
        for cut in 0..4 {
            assert!(transactions.end(to, &[0, 0, 0, 7][..cut]).is_none());
        }
        assert_eq!(transactions.end(to, &[0, 0, 0, 7]).unwrap().purpose, Purpose::Ping);
        assert!(transactions.end(to, &[0, 0, 0, 7]).is_none(), "once");
    }

    #[test]
    fn a_query_is_late_and_then_lost() {
        let now = Instant::now();
        let after = |millis| now + Duration::from_millis(millis);
        let mut transactions = Transactions::new(10);
        assert_eq!(transactions.deadline(), None);
        let to = "1.2.3.4:5".parse().unwrap();
        transactions.begin(now, 7, to, Purpose::Ping, &Rtt::default());
        assert_eq!(transactions.deadline(), Some(after(1000)));
        assert!(transactions.overdue(after(999)).is_empty());
        assert!(matches!(transactions.overdue(after(1000))[..], [Overdue::Late(_)]));
        assert!(transactions.overdue(after(1001)).is_empty(), "once");
        assert_eq!(transactions.deadline(), Some(after(4000)));
        assert!(matches!(transactions.overdue(after(4000))[..], [Overdue::Lost(_)]));
        assert!(transactions.overdue(after(5000)).is_empty() && transactions.deadline().is_none());
    }
}
